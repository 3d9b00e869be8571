//! A convolutional discriminator: Radford et al. 2016, arXiv:1511.06434, section 3, without normalisation; classes by
//! projection (Miyato and Koyama 2018, arXiv:1802.05637).

use burn::module::Module;
use burn::prelude::*;
use galatea_kernels::Activation;
use galatea_kernels::burn::{flatten, linear, row_dots, unflatten};

use super::adversarial::{Adversarial, Critic, Labels};
use super::layers::{Conv, Linear, gain, through};
use super::noise::WeightDraw;
use super::remedy::Crowd;

/// Sizes of a [`Discriminator`], and the settings that change it.
#[derive(Clone, Copy, Debug)]
pub struct CriticShape<'a> {
    /// Channels behind the first convolution, and the most that there are; each halving of the side doubles them.
    pub channels: [usize; 2],
    /// Slope of leaky ReLUs for negative values.
    pub slope: f64,
    /// Spectral normalisation, and what the last layer is told of other examples.
    pub adversarial: &'a Adversarial,
}

/// A picture halved by convolutions until its short side is below 8, then a logit.
#[derive(Module, Debug)]
pub struct Discriminator {
    downs: Vec<Conv>,
    end: Linear,
    /// One direction in feature space per class, `[classes, features]`.
    classes: Option<Linear>,
    crowd: Crowd,
    #[module(skip)]
    activation: Activation,
}

impl Discriminator {
    /// A discriminator of pictures `[channels, height, width]` in packs, with fresh weights.
    pub fn new(
        shape: &CriticShape<'_>,
        [channels, height, width]: [usize; 3],
        classes: usize,
        draw: &mut WeightDraw,
    ) -> Self {
        let CriticShape { channels: [least, most], slope, adversarial } = *shape;
        let normalise = |conv: Conv, draw: &mut WeightDraw| {
            if adversarial.spectral_norm { conv.with_spectral_norm(draw) } else { conv }
        };
        let mut downs = Vec::new();
        let (mut inputs, mut size) = (channels, [height, width]);
        let mut outputs = least.min(most);
        while size[0].min(size[1]) >= 8 {
            let conv = Conv::new([inputs, outputs], 4, 2, 1, gain(slope), draw);
            downs.push(normalise(conv, draw));
            inputs = outputs;
            outputs = (2 * outputs).min(most);
            size = [size[0] / 2, size[1] / 2];
        }
        let features = inputs * size[0] * size[1];
        let mut end = Linear::new(features, 1, 1.0, draw);
        if adversarial.spectral_norm {
            end = end.with_spectral_norm(draw);
        }
        // `Linear` scales by its inputs, which are rows with a single 1: the gain makes these weights like those of `end`.
        let class_gain = (classes as f64 / features as f64).sqrt();
        let classes = (classes > 0).then(|| Linear::new(classes, features, class_gain, draw).without_bias());
        let crowd = Crowd::new(adversarial, features, draw);
        Self { downs, end, classes, crowd, activation: Activation::LeakyRelu(slope as f32) }
    }

    /// One power iteration of every layer that is spectrally normalised.
    pub fn iterate(mut self) -> Self {
        self.downs = self.downs.into_iter().map(Conv::iterate).collect();
        self.end = self.end.iterate();
        self.crowd = self.crowd.iterate();
        self
    }

    /// The outputs of all convolutions, `x` before them.
    fn outputs(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let mut outputs = vec![x];
        for conv in &self.downs {
            let y = conv.forward(outputs[outputs.len() - 1].clone(), self.activation);
            outputs.push(y);
        }
        outputs
    }

    /// What the features of each example are multiplied by, `[n, features]`, where the class has a say: the weights of
    /// `end` and the direction of the class in feature space.
    fn direction(&self, labels: Labels) -> Option<Tensor<2>> {
        let classes = self.classes.as_ref()?;
        let base = self.end.effective().flatten(0, 1);
        labels.map(|labels| linear(labels, classes.weight.val(), Some(base), Activation::Identity))
    }
}

impl Critic<4> for Discriminator {
    fn features(&self, x: Tensor<4>, _labels: Labels) -> Tensor<2> {
        let mut x = x;
        for conv in &self.downs {
            x = conv.forward(x, self.activation);
        }
        flatten(x)
    }

    fn logits(&self, features: Tensor<2>, labels: Labels) -> Tensor<2> {
        let logits = match self.direction(labels) {
            Some(direction) => self.end.with_bias(row_dots(features.clone(), direction)),
            None => self.end.forward(features.clone(), Activation::Identity),
        };
        self.crowd.heard(logits, &features)
    }

    fn slope(&self, x: Tensor<4>, labels: Labels) -> Tensor<4> {
        let n = x.dims()[0];
        let mut outputs = self.outputs(x);
        let gradient = self.direction(labels).unwrap_or_else(|| {
            let ones = Tensor::ones([n, 1], &outputs[0].device());
            self.end.input_gradient(ones)
        }); // [n, features]
        let gradient = self.crowd.slope(gradient, &flatten(outputs[outputs.len() - 1].clone()));
        let [_, channels, height, width] = outputs[outputs.len() - 1].dims();
        let mut gradient = unflatten(gradient, [channels, height, width]);
        for conv in self.downs.iter().rev() {
            let y = outputs.pop().expect("an output per convolution");
            let [_, _, height, width] = outputs[outputs.len() - 1].dims();
            gradient = conv.input_gradient(through(gradient, y, self.activation), [height, width]);
        }
        gradient
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::adversarial::tests::{crowded, packs, slope_is_the_gradient};

    #[test]
    fn the_slope_of_packs_that_are_told_of_each_other_is_exact() {
        let shape = CriticShape { channels: [4, 8], slope: 0.2, adversarial: &crowded() };
        let device = Device::flex().autodiff();
        for classes in [0, 6] {
            let critic = Discriminator::new(&shape, [6, 17, 14], classes, &mut WeightDraw::new(1, &device));
            slope_is_the_gradient(&critic, packs([6, 6, 17, 14], classes));
        }
    }
}
