//! Gradient descent, with momentum if wanted.
//!
//! Paper: Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", section 2.
//! Differs: as in PyTorch, the learning rate multiplies the velocity and not what is added to it.

use super::in_parts;
use crate::simd::simd_fn;

/// Settings of one step of gradient descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f32,
    /// How much of the velocity is kept; 0 for none.
    pub momentum: f32,
    /// Whether the gradient counts where the velocity leads (Nesterov's momentum).
    pub nesterov: bool,
}

/// One step in place of values and, if there is momentum, of `velocity` (zeros at first), which may be empty otherwise.
/// The gradient is multiplied by `scale` first.
///
/// # Panics
/// If the lengths differ.
pub fn sgd(values: &mut [f32], gradient: &[f32], scale: f32, velocity: &mut [f32], at: &SgdStep) {
    if at.momentum == 0.0 {
        in_parts([values], gradient, |[values], gradient| plain_part(values, gradient, -at.lr * scale));
        return;
    }
    // The step is `by_velocity * velocity + by_gradient * gradient`.
    let (by_velocity, by_gradient) = if at.nesterov { (at.momentum, 1.0) } else { (1.0, 0.0) };
    let (by_velocity, by_gradient) = (-at.lr * by_velocity, -at.lr * by_gradient);
    in_parts([values, velocity], gradient, |[values, velocity], gradient| {
        momentum_part(values, gradient, scale, velocity, at.momentum, by_velocity, by_gradient);
    });
}

simd_fn! {
    fn plain_part<S>(values: &mut [f32], gradient: &[f32], by_gradient: f32) {
        values.iter_mut().zip(gradient).for_each(|(value, g)| *value = S::fma(by_gradient, *g, *value));
    }
}

simd_fn! {
    fn momentum_part<S>(
        values: &mut [f32],
        gradient: &[f32],
        scale: f32,
        velocity: &mut [f32],
        momentum: f32,
        by_velocity: f32,
        by_gradient: f32,
    ) {
        for ((value, gradient), velocity) in values.iter_mut().zip(gradient).zip(velocity) {
            let gradient = *gradient * scale;
            *velocity = S::fma(momentum, *velocity, gradient);
            *value = S::fma(by_velocity, *velocity, S::fma(by_gradient, gradient, *value));
        }
    }
}
