//! Relativistic pairing: `L_D = E softplus(D(G(z)) - D(x))`, `L_G = E softplus(D(x) - D(G(z)))`, pair by pair.
//!
//! Paper: Jolicoeur-Martineau 2019, "The relativistic discriminator", arXiv:1807.00734; Huang et al. 2024, "The GAN is
//! dead; long live the GAN! A Modern Baseline GAN", arXiv:2501.05441, section 2, which adds R1 and R2.
//! Differs: R1 and R2 are settings of their own (`r1`, `r2`).

use galatea_kernels::burn::softplus_mean;

use super::Loss;

pub(super) static LOSS: Loss = Loss {
    name: "relativistic",
    discriminator: |judged, _| softplus_mean(judged.fake - judged.real, 1.0),
    generator: |judged| softplus_mean(judged.fake - judged.real, -1.0),
    generator_sees_real: true,
    has_targets: false,
    needs_penalty: false,
    undecided: None,
};
