//! Minimax: `L_D` as the non-saturating loss; `L_G = E log(1 - s(D(G(z))))`, which vanishes where the discriminator wins.
//!
//! Paper: Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661, equation 1.
//! Differs: computed from logits.

use galatea_kernels::burn::softplus_mean;

use super::{Loss, non_saturating};

pub(super) static LOSS: Loss = Loss {
    name: "minimax",
    discriminator: non_saturating::discriminator,
    generator: |judged| softplus_mean(judged.fake, 1.0).neg(),
    generator_sees_real: false,
    has_targets: true,
    needs_penalty: false,
    undecided: Some(0.0),
};
