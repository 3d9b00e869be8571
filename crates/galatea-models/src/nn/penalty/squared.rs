//! R1 and R2: `gamma / 2 E |grad_x D(x)|^2`, on real (R1) or on generated examples (R2).
//!
//! Paper: Mescheder et al. 2018, "Which Training Methods for GANs do actually Converge?", arXiv:1801.04406, section 4.1;
//! every k-th step: Karras et al. 2020, arXiv:1912.04958, section 3.1.
//! Differs: in nothing; applied every k-th step it is multiplied by k.

use burn::prelude::*;
use galatea_kernels::burn::sum_squares;

/// `E |gradient|^2 / 2` over a batch of input gradients `[n, ..]`; `[1]`.
pub fn squared<const D: usize>(gradient: Tensor<D>) -> Tensor<1> {
    let n = gradient.dims()[0];
    sum_squares(gradient).mul_scalar(0.5 / n.max(1) as f64)
}
