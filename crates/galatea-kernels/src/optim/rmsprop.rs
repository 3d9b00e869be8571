//! RMSProp, with momentum if wanted.
//!
//! Paper: Hinton 2012, "Neural Networks for Machine Learning", lecture 6e.
//! Differs: as in PyTorch, epsilon is added to the root, and momentum is of steps before the learning rate.

use super::in_parts;
use crate::simd::simd_fn;

/// Settings of one step of RMSProp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropStep {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the average of squared gradients, PyTorch's `alpha`.
    pub decay: f32,
    /// Added to the root of that average.
    pub epsilon: f32,
    /// How much of the last step is taken again; 0 for none.
    pub momentum: f32,
}

/// One step of RMSProp in place of values, of the average of squared gradients and, if there is momentum, of `velocity`,
/// which may be empty otherwise. The gradient is multiplied by `scale` first.
///
/// # Panics
/// If the lengths differ.
pub fn rmsprop(
    values: &mut [f32],
    gradient: &[f32],
    scale: f32,
    squares: &mut [f32],
    velocity: &mut [f32],
    at: &RmsPropStep,
) {
    if at.momentum == 0.0 {
        in_parts([values, squares], gradient, |[values, squares], gradient| {
            plain_part(values, gradient, scale, squares, at);
        });
    } else {
        in_parts([values, squares, velocity], gradient, |[values, squares, velocity], gradient| {
            momentum_part(values, gradient, scale, squares, velocity, at);
        });
    }
}

simd_fn! {
    fn plain_part<S>(values: &mut [f32], gradient: &[f32], scale: f32, squares: &mut [f32], at: &RmsPropStep) {
        for ((value, gradient), square) in values.iter_mut().zip(gradient).zip(squares) {
            let gradient = *gradient * scale;
            *square = S::fma(at.decay, *square, (1.0 - at.decay) * gradient * gradient);
            *value -= at.lr * gradient / (square.sqrt() + at.epsilon);
        }
    }
}

simd_fn! {
    fn momentum_part<S>(
        values: &mut [f32],
        gradient: &[f32],
        scale: f32,
        squares: &mut [f32],
        velocity: &mut [f32],
        at: &RmsPropStep,
    ) {
        let kept = squares.iter_mut().zip(velocity);
        for ((value, gradient), (square, velocity)) in values.iter_mut().zip(gradient).zip(kept) {
            let gradient = *gradient * scale;
            *square = S::fma(at.decay, *square, (1.0 - at.decay) * gradient * gradient);
            *velocity = S::fma(at.momentum, *velocity, gradient / (square.sqrt() + at.epsilon));
            *value = S::fma(-at.lr, *velocity, *value);
        }
    }
}
