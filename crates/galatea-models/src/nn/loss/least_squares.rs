//! Least squares: `L_D = (E (D(x) - 1)^2 + E D(G(z))^2) / 2`, `L_G = E (D(G(z)) - 1)^2 / 2`.
//!
//! Paper: Mao et al. 2017, "Least Squares Generative Adversarial Networks", arXiv:1611.04076, equation 9.
//! Differs: in nothing; label smoothing lowers the target of real examples.

use super::Loss;

pub(super) static LOSS: Loss = Loss {
    name: "least-squares",
    discriminator: |judged, smoothing| {
        let real = judged.real.sub_scalar(1.0 - smoothing).powi_scalar(2).mean();
        (real + judged.fake.powi_scalar(2).mean()).mul_scalar(0.5)
    },
    generator: |judged| judged.fake.sub_scalar(1.0).powi_scalar(2).mean().mul_scalar(0.5),
    generator_sees_real: false,
    has_targets: true,
    needs_penalty: false,
    undecided: Some(0.5),
};
