//! Non-saturating: `L_D = -E log s(D(x)) - E log(1 - s(D(G(z))))`, `L_G = -E log s(D(G(z)))`, `s` the sigmoid.
//!
//! Paper: Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661, section 3. One-sided label smoothing:
//! Salimans et al. 2016, arXiv:1606.03498, section 3.4.
//! Differs: computed from logits, `-log s(l) = softplus(-l)`, which cannot overflow.

use burn::prelude::*;
use galatea_kernels::burn::softplus_mean;

use super::{Judged, Loss};

pub(super) static LOSS: Loss = Loss {
    name: "non-saturating",
    discriminator,
    generator: |judged| softplus_mean(judged.fake, -1.0),
    generator_sees_real: false,
    has_targets: true,
    needs_penalty: false,
    undecided: Some(0.0),
};

/// With smoothing `a` real examples have the target `1 - a`: `(1 - a) softplus(-D(x)) + a softplus(D(x))`.
pub(super) fn discriminator(judged: Judged, smoothing: f32) -> Tensor<1> {
    let fake = softplus_mean(judged.fake, 1.0);
    if smoothing == 0.0 {
        return softplus_mean(judged.real, -1.0) + fake;
    }
    let away = softplus_mean(judged.real.clone(), 1.0).mul_scalar(smoothing);
    softplus_mean(judged.real, -1.0).mul_scalar(1.0 - smoothing) + away + fake
}
