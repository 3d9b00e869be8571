//! Minibatch standard deviation: the mean over features of their standard deviation over a group of examples, a number
//! that is the same for all of the group and tells the discriminator how much they differ.
//!
//! Paper: Karras et al. 2018, "Progressive Growing of GANs for Improved Quality, Stability, and Variation",
//! arXiv:1710.10196, section 3.
//! Differs: groups are neighbours in the batch, never real beside generated, as in the authors' later programs; the number
//! joins the last hidden layer, not the one before a last convolution.

use burn::prelude::*;

/// Added to variances, whose root has an infinite slope at 0. From the authors' program.
const EPSILON: f64 = 1e-8;

/// Standard deviations of features in groups.
struct Groups {
    /// Features less their mean in the group, `[groups, group, width]`.
    centred: Tensor<3>,
    /// `[groups, 1, width]`.
    deviation: Tensor<3>,
}

impl Groups {
    fn of(features: Tensor<2>, group: usize) -> Self {
        let [n, width] = features.dims();
        let x = features.reshape([n / group, group, width]);
        let centred = x.clone() - x.mean_dim(1);
        let deviation = centred.clone().powi_scalar(2).mean_dim(1).add_scalar(EPSILON).sqrt();
        Self { centred, deviation }
    }
}

/// From features `[n, width]` in groups of `group` the number of each example, `[n, 1]`.
pub(super) fn minibatch_std(features: Tensor<2>, group: usize) -> Tensor<2> {
    let [n, _] = features.dims();
    let Groups { deviation, .. } = Groups::of(features, group);
    deviation.mean_dim(2).expand([n / group, group, 1]).reshape([n, 1])
}

/// From the gradient at the numbers, `[n, 1]`, the one at the features, `[n, width]`; it can be differentiated.
pub(super) fn gradient(features: Tensor<2>, group: usize, upper: Tensor<2>) -> Tensor<2> {
    let [n, width] = features.dims();
    let Groups { centred, deviation } = Groups::of(features, group);
    let upper = upper.reshape([n / group, group, 1]).sum_dim(1); // [groups, 1, 1]
    let scale = upper / deviation.mul_scalar((group * width) as f64); // [groups, 1, width]
    (centred * scale).reshape([n, width])
}

#[cfg(test)]
mod tests {
    use galatea_kernels::burn::{from_vec, to_vec};

    use super::super::crowd::tests::{draw, gradients_agree};
    use super::*;

    #[test]
    fn a_known_batch_has_a_known_deviation() {
        // Two groups of two examples with three features: half the differences are 1, 2, 0 and 3, 3, 3.
        let rows = vec![0.0, 5.0, 7.0, 2.0, 1.0, 7.0, -3.0, 3.0, 0.0, 3.0, -3.0, 6.0];
        let found = to_vec(minibatch_std(from_vec(rows, [4, 3], &Device::flex()), 2));
        for (found, expected) in found.iter().zip([1.0, 1.0, 3.0, 3.0]) {
            assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_graph() {
        gradients_agree(&draw(1, [6, 5]), |x| minibatch_std(x, 3), |x, upper| gradient(x, 3, upper));
    }
}
