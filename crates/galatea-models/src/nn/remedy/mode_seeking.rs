//! Mode seeking: `1 / (d(G(z), G(z')) / d(z, z'))` in the generator's loss, so that latent vectors that differ are not drawn
//! alike. Distances are means of absolute differences, over the batch as well; both examples of a pair have the same class.
//!
//! Paper: Mao et al. 2019, "Mode Seeking Generative Adversarial Networks for Diverse Image Synthesis", arXiv:1903.05628,
//! section 3.2.
//! Differs: the ratio's reciprocal falls, with 1e-5 added to the ratio, as in the authors' program; the paper lets the ratio
//! rise.

use burn::prelude::*;

/// Keeps the reciprocal finite where all examples are the same. From the authors' program.
const EPSILON: f64 = 1e-5;

/// From two batches of latent vectors `[n, latent]` and what is drawn from them, `[n, ..]`, the loss, `[1]`.
pub fn mode_seeking<const D: usize>([z, other_z]: [Tensor<2>; 2], [x, other_x]: [Tensor<D>; 2]) -> Tensor<1> {
    let ratio = (x - other_x).abs().mean() / (z - other_z).abs().mean().add_scalar(1e-12);
    ratio.add_scalar(EPSILON).recip()
}

#[cfg(test)]
mod tests {
    use galatea_kernels::burn::{from_vec, to_vec};

    use super::super::crowd::tests::{draw, penalty_agrees};
    use super::*;

    #[test]
    fn it_is_the_ratio_of_distances() {
        let rows = |values: [f32; 4]| -> Tensor<2> { from_vec(values.to_vec(), [2, 2], &Device::flex()) };
        let z = [rows([0.0, 1.0, 2.0, 3.0]), rows([2.0, 3.0, 4.0, 5.0])]; // 2 apart
        let x = [rows([0.0, 0.0, 0.5, 0.5]), rows([0.5, -0.5, 0.0, 1.0])]; // 0.5 apart
        assert!((to_vec(mode_seeking(z.clone(), x.clone()))[0] - 4.0).abs() < 1e-3);
        // Where all is drawn alike it is large, and finite.
        let [same, _] = x;
        assert!((to_vec(mode_seeking(z, [same.clone(), same]))[0] - 1e5).abs() < 1e2);
    }

    #[test]
    fn its_gradient_is_right() {
        let z = || [draw(1, [4, 3]), draw(2, [4, 3])];
        let other = draw(3, [4, 5]);
        penalty_agrees(&draw(4, [4, 5]).require_grad(), |x| mode_seeking(z(), [x, other.clone()]));
    }
}
