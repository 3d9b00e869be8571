//! Hinge: `L_D = E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))`, `L_G = -E D(G(z))`.
//!
//! Paper: Lim and Ye 2017, "Geometric GAN", arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957, equations 16 and 17.
//! Differs: in nothing.

use galatea_kernels::burn::hinge_mean;

use super::Loss;

pub(super) static LOSS: Loss = Loss {
    name: "hinge",
    discriminator: |judged, _| hinge_mean(judged.real, -1.0) + hinge_mean(judged.fake, 1.0),
    generator: |judged| judged.fake.mean().neg(),
    generator_sees_real: false,
    has_targets: false,
    needs_penalty: false,
    undecided: Some(0.0),
};
