//! Minibatch discrimination: `o_b(x_i) = sum_j exp(-|M_ib - M_jb|_1)` with `M = f(x) T`, numbers that tell the discriminator
//! in learnt ways how close each example is to the others of its batch.
//!
//! Paper: Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498, section 3.2.
//! Differs: in nothing; distances are measured in 5 dimensions, as in the authors' program.

use burn::prelude::*;

/// Dimensions in which a distance is measured. From the authors' program, which the paper does not say.
pub(super) const WIDTH: usize = 5;

/// How near examples are to each other.
struct Pairs {
    /// `M_i - M_j`: `[batches, n, n, kernels, WIDTH]`.
    differences: Tensor<5>,
    /// `exp(-|M_i - M_j|_1)`: `[batches, n, n, kernels]`.
    closeness: Tensor<4>,
}

impl Pairs {
    fn of(projected: Tensor<2>, batch: usize) -> Self {
        let [n, columns] = projected.dims();
        let (batches, kernels) = (n / batch, columns / WIDTH);
        let m = projected.reshape([batches, batch, kernels, WIDTH]);
        let differences = m.clone().unsqueeze_dim::<5>(2) - m.unsqueeze_dim::<5>(1);
        let closeness = differences.clone().abs().sum_dim(4).neg().exp().reshape([batches, batch, batch, kernels]);
        Self { differences, closeness }
    }
}

/// From `M`, `[n, kernels * WIDTH]` in batches of `batch`, the numbers of each example, `[n, kernels]`.
pub(super) fn minibatch_discrimination(projected: Tensor<2>, batch: usize) -> Tensor<2> {
    let [n, columns] = projected.dims();
    Pairs::of(projected, batch).closeness.sum_dim(2).reshape([n, columns / WIDTH])
}

/// From the gradient at the numbers, `[n, kernels]`, the one at `M`, `[n, kernels * WIDTH]`; it can be differentiated.
pub(super) fn gradient(projected: Tensor<2>, batch: usize, upper: Tensor<2>) -> Tensor<2> {
    let [n, columns] = projected.dims();
    let (batches, kernels) = (n / batch, columns / WIDTH);
    let Pairs { differences, closeness } = Pairs::of(projected, batch);
    let upper = upper.reshape([batches, batch, kernels]);
    // Each pair counts for both of its examples.
    let both = upper.clone().unsqueeze_dim::<4>(2) + upper.unsqueeze_dim::<4>(1);
    let weight = (both * closeness).unsqueeze_dim::<5>(4); // [batches, n, n, kernels, 1]
    (weight * differences.detach().sign()).sum_dim(2).neg().reshape([n, columns])
}

#[cfg(test)]
mod tests {
    use galatea_kernels::burn::{from_vec, to_vec};

    use super::super::crowd::tests::{draw, gradients_agree};
    use super::*;

    #[test]
    fn numbers_are_those_of_the_formula() {
        let m: Vec<f32> = (0..6 * 2 * WIDTH).map(|i| ((i * 29 % 17) as f32 - 8.0) / 20.0).collect();
        let found = to_vec(minibatch_discrimination(from_vec(m.clone(), [6, 2 * WIDTH], &Device::flex()), 3));
        for i in 0..6 {
            for kernel in 0..2 {
                let at = |i: usize, c: usize| f64::from(m[(i * 2 + kernel) * WIDTH + c]);
                // The others of the same half.
                let others = i / 3 * 3..i / 3 * 3 + 3;
                let expected: f64 =
                    others.map(|j| (-(0..WIDTH).map(|c| (at(i, c) - at(j, c)).abs()).sum::<f64>()).exp()).sum();
                let found = f64::from(found[i * 2 + kernel]);
                assert!((found - expected).abs() < 1e-5, "{i} {kernel}: {found}, not {expected}");
            }
        }
    }

    #[test]
    fn the_gradient_is_that_of_the_graph() {
        gradients_agree(
            &draw(1, [6, 2 * WIDTH]).mul_scalar(0.3),
            |x| minibatch_discrimination(x, 3),
            |x, upper| gradient(x, 3, upper),
        );
    }
}
