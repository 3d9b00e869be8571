//! Gradient penalty: `E (|grad D(x')| - 1)^2` at points `x' = e x + (1 - e) G(z)` between real and generated examples.
//!
//! Paper: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, algorithm 1.
//! Differs: 1e-12 is added under the root, whose slope is infinite at 0.

use burn::prelude::*;

/// Points between pairs of real and generated examples `[n, ..]`; `share` of the real one is `[n, 1]`.
pub fn interpolate<const D: usize>(real: Tensor<D>, fake: Tensor<D>, share: Tensor<2>) -> Tensor<D> {
    let mut dims = [1; D];
    dims[0] = share.dims()[0];
    let share = share.reshape(dims); // [n, 1, ..]
    fake.clone() + (real - fake) * share
}

/// The mean over the batch of `(|gradient| - 1)^2`; `[1]`.
pub fn between<const D: usize>(gradient: Tensor<D>) -> Tensor<1> {
    let n = gradient.dims()[0];
    let elements: usize = gradient.dims()[1..].iter().product();
    let norm = gradient.reshape([n, elements]).powi_scalar(2).sum_dim(1).add_scalar(1e-12).sqrt(); // [n, 1]
    norm.sub_scalar(1.0).powi_scalar(2).mean()
}
