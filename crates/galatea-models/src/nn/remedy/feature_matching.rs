//! Feature matching: `|E f(x) - E f(G(z))|^2` in the generator's loss, `f` being the discriminator's last hidden layer.
//!
//! Paper: Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498, section 3.1.
//! Differs: it is added to the adversarial loss with a weight, which it replaces in the paper.

use burn::prelude::*;
use galatea_kernels::burn::sum_squares;

/// The squared distance between the means of two batches of features `[n, width]`; `[1]`.
pub fn feature_matching(real: Tensor<2>, fake: Tensor<2>) -> Tensor<1> {
    sum_squares(real.mean_dim(0) - fake.mean_dim(0))
}

#[cfg(test)]
mod tests {
    use galatea_kernels::burn::{from_vec, to_vec};

    use super::super::crowd::tests::{draw, penalty_agrees};
    use super::*;

    #[test]
    fn it_is_the_distance_of_means() {
        let rows = |values: [f32; 4]| from_vec(values.to_vec(), [2, 2], &Device::flex());
        // Means (2, 3) and (-1, 7).
        let found = feature_matching(rows([1.0, 2.0, 3.0, 4.0]), rows([-2.0, 7.0, 0.0, 7.0]));
        assert!((to_vec(found)[0] - 25.0).abs() < 1e-5);
    }

    #[test]
    fn its_gradient_is_right() {
        let real = draw(1, [4, 3]);
        penalty_agrees(&draw(2, [4, 3]).require_grad(), |fake| feature_matching(real.clone(), fake));
    }
}
