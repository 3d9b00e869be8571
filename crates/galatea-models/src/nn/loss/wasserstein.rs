//! Wasserstein: `L_D = E D(G(z)) - E D(x)`, `L_G = -E D(G(z))`, with the gradient penalty of `penalty::between`.
//!
//! Paper: Gulrajani et al. 2017, "Improved Training of Wasserstein GANs", arXiv:1704.00028, equation 3.
//! Differs: weights are not clipped; the number of discriminator steps is a setting (the paper takes 5).

use super::Loss;

pub(super) static LOSS: Loss = Loss {
    name: "wasserstein",
    discriminator: |judged, _| judged.fake.mean() - judged.real.mean(),
    generator: |judged| judged.fake.mean().neg(),
    generator_sees_real: false,
    has_targets: false,
    needs_penalty: true,
    undecided: None,
};
