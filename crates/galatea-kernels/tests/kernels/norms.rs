//! Normalisations against their references, gradients against differences, and all against PyTorch.

use galatea_kernels::group_norm::{group_norm, group_norm_backward};
use galatea_kernels::layer_norm::{layer_norm, layer_norm_backward};
use galatea_kernels::norm::{NormShape, Normed, batch_norm, batch_norm_backward, update_running};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Batch,
    Group(usize),
    /// Of the rows of `[n * pixels, channels]`.
    Layer,
}

/// A leaky ReLU follows.
const SLOPE: f32 = 0.3;
const EPSILON: f32 = 1.0 / 1024.0;

struct Case {
    kind: Kind,
    shape: NormShape,
    /// `x`, `gamma`, `beta`; scale and shift have one row or `n`.
    given: [Vec<f32>; 3],
    upstream: Vec<f32>,
}

impl Case {
    /// The normalised values, before the activation, in f64.
    fn reference(&self, [x, gamma, beta]: &[Vec<f64>; 3]) -> Vec<f64> {
        let [n, pixels, channels] = self.shape;
        let epsilon = f64::from(EPSILON);
        match self.kind {
            Kind::Batch => reference::batch_norm(self.shape, x, gamma, beta, epsilon),
            Kind::Group(groups) => reference::group_norm(self.shape, groups, x, gamma, beta, epsilon),
            Kind::Layer => reference::layer_norm([n * pixels, channels], x, gamma, beta, epsilon),
        }
    }

    /// `y`, and the gradients by `x`, `gamma` and `beta`.
    fn run(&self) -> Vec<Vec<f32>> {
        let [n, pixels, channels] = self.shape;
        let [x, gamma, beta] = &self.given;
        let sets = match self.kind {
            Kind::Batch => channels,
            Kind::Group(groups) => n * groups,
            Kind::Layer => n * pixels,
        };
        let [mut y, mut dx] = [x.len(); 2].map(|len| vec![f32::NAN; len]);
        let [mut mean, mut variance] = [sets; 2].map(|len| vec![f32::NAN; len]);
        let [mut dgamma, mut dbeta] = [gamma.len(), beta.len()].map(|len| vec![f32::NAN; len]);
        let function = Activation::LeakyRelu(SLOPE);
        let rows = [n * pixels, channels];
        let statistics = [&mut mean[..], &mut variance[..]];
        match self.kind {
            Kind::Batch => batch_norm(self.shape, x, gamma, beta, EPSILON, function, &mut y, statistics),
            Kind::Group(groups) => {
                group_norm(self.shape, groups, x, gamma, beta, EPSILON, function, &mut y, statistics);
            }
            Kind::Layer => layer_norm(rows, x, gamma, beta, EPSILON, function, &mut y, statistics),
        }
        let of = Normed { x, y: &y, gamma, mean: &mean, variance: &variance, epsilon: EPSILON, function };
        let (g, to) = (&self.upstream, [&mut dgamma[..], &mut dbeta[..]]);
        match self.kind {
            Kind::Batch => batch_norm_backward(self.shape, of, g, &mut dx, &mut dgamma, &mut dbeta),
            Kind::Group(groups) => group_norm_backward(self.shape, groups, of, g, &mut dx, to),
            Kind::Layer => layer_norm_backward(rows, of, g, &mut dx, to),
        }
        vec![y, dx, dgamma, dbeta]
    }

    /// Outputs as in the reference, and every `every`-th gradient as its differences say.
    fn check(&self, every: usize) {
        let leaky = |y: f64| if y > 0.0 { y } else { f64::from(SLOPE) * y };
        let given = self.given.each_ref().map(|values| double(values));
        let expected_y: Vec<f64> = self.reference(&given).into_iter().map(leaky).collect();
        let objective = |given: &[Vec<f64>; 3]| -> f64 {
            self.reference(given).into_iter().zip(&self.upstream).map(|(y, u)| leaky(y) * f64::from(*u)).sum()
        };
        let expected: Vec<(Vec<usize>, Vec<f64>)> = (0..3)
            .map(|which| {
                let mut moved = given.clone();
                let mut at = |i: usize| {
                    difference(&given[which], i, |values| {
                        moved[which].copy_from_slice(values);
                        objective(&moved)
                    })
                };
                (0..given[which].len()).step_by(every).map(|i| (i, at(i))).unzip()
            })
            .collect();
        let [n, pixels, _] = self.shape;
        everywhere(
            || self.run(),
            |found| {
                close(&found[0], &expected_y, 4, &format!("{:?} of {:?}", self.kind, self.shape));
                for (found, (places, expected)) in found[1..].iter().zip(&expected) {
                    let found: Vec<f32> = places.iter().map(|i| found[*i]).collect();
                    close(&found, expected, n * pixels, &format!("gradients of {:?} of {:?}", self.kind, self.shape));
                }
            },
        );
    }
}

fn check(kind: Kind, shape: NormShape, gamma_rows: usize, beta_rows: usize, every: usize) {
    let [n, pixels, channels] = shape;
    let x = draw(1, n * pixels * channels).iter().map(|value| 3.0 + 2.0 * value).collect();
    let given = [x, draw(2, gamma_rows * channels), draw(3, beta_rows * channels)];
    Case { kind, shape, given, upstream: draw(4, n * pixels * channels) }.check(every);
}

#[test]
fn batch_normalisation_and_its_gradients() {
    for (shape, gamma_rows, beta_rows) in [([3, 5, 4], 1, 1), ([4, 9, 19], 4, 4), ([2, 3, 1], 2, 1)] {
        check(Kind::Batch, shape, gamma_rows, beta_rows, 1);
    }
}

#[test]
fn group_and_instance_normalisation_and_their_gradients() {
    for (groups, shape, gamma_rows, beta_rows) in [
        (2, [3, 5, 4], 1, 1),
        (19, [4, 9, 19], 4, 4),
        (1, [2, 4, 7], 2, 1),
        (1, [2, 3, 1], 1, 2),
        (5, [1, 2, 35], 1, 1),
    ] {
        check(Kind::Group(groups), shape, gamma_rows, beta_rows, 1);
    }
}

#[test]
fn layer_normalisation_and_its_gradients() {
    for shape in [[3, 2, 5], [1, 7, 16], [2, 3, 33], [1, 1, 2], [0, 3, 4]] {
        check(Kind::Layer, shape, 1, 1, 1);
    }
    // Rows of several tasks, whose sums are put together.
    check(Kind::Layer, [13, 20, 100], 1, 1, 1301);
}

/// The same statistics as those of `torch.nn`, from the same values.
#[test]
fn normalisations_are_those_of_pytorch() {
    let golden = golden();
    let shape = [4, 3, 6];
    for (kind, name) in [(Kind::Batch, "batch_norm"), (Kind::Group(3), "group_norm"), (Kind::Layer, "layer_norm")] {
        let given = [golden_values(0, 72), golden_values(1, 6), golden_values(2, 6)];
        let case = Case { kind, shape, given, upstream: golden_values(3, 72) };
        everywhere(
            || case.run(),
            |found| {
                for (found, key) in found.iter().zip(["y", "dx", "dgamma", "dbeta"]) {
                    close(found, &numbers(&golden[name][key]), 12, &format!("{name}: {key}"));
                }
            },
        );
    }
    let [mut running_mean, mut running_variance] = [golden_values(4, 6), vec![1.0; 6]];
    let [mut mean, mut variance] = [[0.0; 6]; 2];
    galatea_kernels::norm::batch_statistics(shape, &golden_values(0, 72), &mut mean, &mut variance);
    update_running([&mut running_mean, &mut running_variance], [&mean, &variance], 12, 0.25);
    close(&running_mean, &numbers(&golden["batch_norm"]["running_mean"]), 1, "running mean");
    close(&running_variance, &numbers(&golden["batch_norm"]["running_variance"]), 1, "running variance");
}
