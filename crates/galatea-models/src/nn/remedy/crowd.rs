//! What a discriminator is told of the examples beside each: numbers appended to its last hidden layer.
//!
//! The last layer is linear, so that its weights on appended numbers are a layer of their own, whose result is added to the
//! logit. A logit then depends on other examples too, and the gradient of a penalty is that of the sum of all logits, as in
//! the programs of those who combined the two (Karras et al. 2018, 2020).

use burn::module::Module;
use burn::prelude::*;
use galatea_kernels::Activation;
use galatea_kernels::burn::{beside, first_columns};

use super::{Remedies, minibatch_discrimination as discrimination, minibatch_std as deviation};
use crate::nn::adversarial::Adversarial;
use crate::nn::layers::Linear;
use crate::nn::noise::WeightDraw;

/// What minibatch layers add to a discriminator. A family's discriminator holds it as its last field, and without such
/// layers it has no weights and does nothing.
#[derive(Module, Debug)]
pub struct Crowd {
    /// `T` of minibatch discrimination.
    projection: Option<Linear>,
    /// From the appended numbers to the logit.
    end: Option<Linear>,
    /// Examples, or packs, that minibatch discrimination compares.
    #[module(skip)]
    batch: usize,
    /// Examples, or packs, in a group of minibatch standard deviation; 0 for none.
    #[module(skip)]
    group: usize,
}

impl Crowd {
    /// Columns of `T` for each number of minibatch discrimination.
    pub const WIDTH: usize = discrimination::WIDTH;

    /// The layers that `settings` ask for, above a hidden layer of `features` values.
    pub fn new(settings: &Adversarial, features: usize, draw: &mut WeightDraw) -> Self {
        let Remedies { pack, minibatch_std, minibatch_discrimination: kernels, .. } = settings.remedies;
        let normalise = |layer: Linear, draw: &mut WeightDraw| {
            if settings.spectral_norm { layer.with_spectral_norm(draw) } else { layer }
        };
        let projection = (kernels > 0).then(|| {
            let layer = Linear::new(features, kernels * Self::WIDTH, 1.0, draw).without_bias();
            normalise(layer, draw)
        });
        let numbers = kernels + usize::from(minibatch_std > 0);
        let end = (numbers > 0).then(|| {
            let layer = Linear::new(numbers, 1, 1.0, draw).without_bias();
            normalise(layer, draw)
        });
        Self { projection, end, batch: settings.batch / pack, group: minibatch_std }
    }

    /// One power iteration of layers that are spectrally normalised.
    pub fn iterate(mut self) -> Self {
        self.projection = self.projection.map(Linear::iterate);
        self.end = self.end.map(Linear::iterate);
        self
    }

    /// Logits `[n, 1]` with what the hidden layer `features`, `[n, width]`, adds to them.
    pub fn heard(&self, logits: Tensor<2>, features: &Tensor<2>) -> Tensor<2> {
        let Some(end) = &self.end else { return logits };
        let spread = (self.group > 0).then(|| deviation::minibatch_std(features.clone(), self.group));
        let close = self.projection.as_ref().map(|projection| {
            let projected = projection.forward(features.clone(), Activation::Identity);
            discrimination::minibatch_discrimination(projected, self.batch)
        });
        match spread.into_iter().chain(close).reduce(beside) {
            Some(numbers) => logits + end.forward(numbers, Activation::Identity),
            None => logits,
        }
    }

    /// The gradient of the sum of all logits by `features`, `[n, width]`, from that part of it, `direct`, which does not go
    /// through this layer. It can be differentiated.
    pub fn slope(&self, direct: Tensor<2>, features: &Tensor<2>) -> Tensor<2> {
        let Some(end) = &self.end else { return direct };
        let [n, _] = features.dims();
        let upper = end.input_gradient(Tensor::ones([n, 1], &features.device())); // [n, numbers]
        let [_, numbers] = upper.dims();
        let mut sum = direct;
        if self.group > 0 {
            let upper = first_columns(upper.clone(), 1);
            sum = sum + deviation::gradient(features.clone(), self.group, upper);
        }
        if let Some(projection) = &self.projection {
            let projected = projection.forward(features.clone(), Activation::Identity);
            let first = usize::from(self.group > 0);
            let upper = upper.narrow(1, first, numbers - first);
            sum = sum + projection.input_gradient(discrimination::gradient(projected, self.batch, upper));
        }
        sum
    }
}

#[cfg(test)]
pub(super) mod tests {
    use galatea_kernels::burn::{from_vec, to_vec};

    use super::*;

    pub(in super::super) fn draw(stream: u64, shape: [usize; 2]) -> Tensor<2> {
        let mut values = vec![0.0; shape[0] * shape[1]];
        galatea_kernels::random::fill_normal(3, stream, &mut values);
        from_vec(values, shape, &Device::flex().autodiff())
    }

    fn assert_close(found: &[f32], expected: &[f32], what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        let scale = expected.iter().fold(0.1f32, |scale, value| scale.max(value.abs()));
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < 1e-4 * scale, "{what} at {i}: {found}, not {expected}");
        }
    }

    /// `gradient` against the graph's, for a sum of `numbers` with weights; and the gradient of its square against
    /// differences.
    pub(in super::super) fn gradients_agree(
        x: &Tensor<2>,
        numbers: impl Fn(Tensor<2>) -> Tensor<2>,
        gradient: impl Fn(Tensor<2>, Tensor<2>) -> Tensor<2>,
    ) {
        let leaf = x.clone().detach().require_grad();
        let upper = draw(77, numbers(leaf.clone()).dims());
        let tape = (numbers(leaf.clone()) * upper.clone()).sum().backward();
        let found = gradient(leaf.clone(), upper.clone());
        assert_close(&to_vec(found.clone().inner()), &to_vec(leaf.grad(&tape).unwrap()), "gradient");
        penalty_agrees(&leaf, |x| gradient(x, upper.clone()).powi_scalar(2).sum());
    }

    /// The graph's gradient of `penalty` against central differences.
    pub(in super::super) fn penalty_agrees(leaf: &Tensor<2>, penalty: impl Fn(Tensor<2>) -> Tensor<1>) {
        let tape = penalty(leaf.clone()).backward();
        let found = to_vec(leaf.grad(&tape).unwrap());
        let dims = leaf.dims();
        let values = to_vec(leaf.clone().inner());
        let at = |i: usize, step: f32| {
            let mut values = values.clone();
            values[i] += step;
            f64::from(to_vec(penalty(from_vec(values, dims, &Device::flex().autodiff())).inner())[0])
        };
        let scale = found.iter().fold(0.1f32, |scale, value| scale.max(value.abs()));
        for (i, found) in found.iter().enumerate() {
            let expected = (at(i, 1e-3) - at(i, -1e-3)) / 2e-3;
            assert!((f64::from(*found) - expected).abs() < 5e-3 * f64::from(scale), "at {i}: {found}, not {expected}");
        }
    }

    fn crowd([minibatch_std, minibatch_discrimination]: [usize; 2], spectral_norm: bool) -> Crowd {
        let remedies = Remedies { minibatch_std, minibatch_discrimination, ..Remedies::default() };
        let settings = Adversarial { batch: 6, spectral_norm, remedies, ..Adversarial::default() };
        let device = Device::flex().autodiff();
        Crowd::new(&settings, 5, &mut WeightDraw::new(1, &device)).iterate()
    }

    #[test]
    fn the_slope_is_the_gradient_of_the_sum_of_logits() {
        for (numbers, spectral_norm) in [([3, 4], false), ([3, 4], true), ([2, 0], false), ([0, 3], false)] {
            let crowd = crowd(numbers, spectral_norm);
            let zeros = || Tensor::zeros([12, 1], &Device::flex().autodiff());
            let leaf = draw(1, [12, 5]).require_grad();
            let tape = crowd.heard(zeros(), &leaf).sum().backward();
            let direct = draw(2, [12, 5]);
            let found = crowd.slope(direct.clone(), &leaf) - direct;
            assert_close(&to_vec(found.inner()), &to_vec(leaf.grad(&tape).unwrap()), "slope");
        }
    }

    #[test]
    fn real_and_generated_examples_do_not_meet() {
        let crowd = crowd([3, 4], false);
        let zeros = |n| Tensor::zeros([n, 1], &Device::flex().autodiff());
        let [real, fake] = [draw(1, [6, 5]), draw(2, [6, 5])];
        let together = to_vec(crowd.heard(zeros(12), &Tensor::cat(vec![real.clone(), fake.clone()], 0)).inner());
        let apart = [real, fake].map(|x| to_vec(crowd.heard(zeros(6), &x).inner())).concat();
        assert_close(&together, &apart, "logits");
    }

    #[test]
    fn nothing_is_heard_by_default() {
        let device = Device::flex().autodiff();
        let crowd = Crowd::new(&Adversarial::default(), 5, &mut WeightDraw::new(1, &device));
        assert_eq!(crowd.num_params(), 0);
        let (logits, features) = (draw(1, [4, 1]), draw(2, [4, 5]));
        assert_eq!(to_vec(crowd.heard(logits.clone(), &features).inner()), to_vec(logits.inner()));
        assert_eq!(to_vec(crowd.slope(features.clone(), &features).inner()), to_vec(features.inner()));
    }
}
