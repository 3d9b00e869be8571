//! Adversarial losses, one file each. `D` is the discriminator's logit, before any sigmoid.

mod hinge;
mod least_squares;
mod minimax;
mod non_saturating;
mod relativistic;
mod wasserstein;

use burn::prelude::*;

/// The discriminator's logits, `[n, 1]` each, on real and on generated examples.
#[derive(Clone, Debug)]
pub struct Judged {
    /// `D(x)`.
    pub real: Tensor<2>,
    /// `D(G(z))`.
    pub fake: Tensor<2>,
}

/// An adversarial loss: what each side goes down. Both are means over the batch, `[1]`.
pub struct Loss {
    /// The name in settings.
    pub name: &'static str,
    /// The discriminator's loss. The second argument is one-sided label smoothing in `[0, 0.5)`.
    pub discriminator: fn(Judged, f32) -> Tensor<1>,
    /// The generator's loss.
    pub generator: fn(Judged) -> Tensor<1>,
    /// Whether the generator's loss reads `real`; it is not computed otherwise.
    pub generator_sees_real: bool,
    /// Whether real examples have a target that label smoothing can move.
    pub has_targets: bool,
    /// Whether the loss needs a penalty on the discriminator's slope to make sense.
    pub needs_penalty: bool,
    /// The logit at which an example is as likely real as generated; `None` where only differences of logits count.
    pub undecided: Option<f32>,
}

/// Every loss, the default first.
pub static LOSSES: &[&Loss] = &[
    &non_saturating::LOSS,
    &minimax::LOSS,
    &least_squares::LOSS,
    &hinge::LOSS,
    &wasserstein::LOSS,
    &relativistic::LOSS,
];
