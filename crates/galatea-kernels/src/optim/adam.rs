//! Adam, and Adam with decoupled weight decay.
//!
//! Paper: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980, algorithm 1; Loshchilov and
//! Hutter 2019, "Decoupled Weight Decay Regularization", arXiv:1711.05101, algorithm 2.
//! Differs: as in PyTorch, decay is multiplied by the learning rate.

use super::in_parts;
use crate::simd::simd_fn;

/// Settings of one step of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the average of gradients.
    pub beta_1: f32,
    /// Decay of the average of squared gradients.
    pub beta_2: f32,
    /// Added to the root of the second average.
    pub epsilon: f32,
    /// Number of the step, from 1.
    pub step: u64,
}

/// One step of Adam in place of values and moments. As in PyTorch, epsilon is added after the bias is corrected. The
/// gradient is multiplied by `scale` first.
///
/// # Panics
/// If the lengths differ.
pub fn adam(values: &mut [f32], gradient: &[f32], scale: f32, first: &mut [f32], second: &mut [f32], at: &AdamStep) {
    adamw(values, gradient, scale, first, second, at, 0.0);
}

/// As [`adam`], after values have shrunk by `lr * decay`.
///
/// # Panics
/// If the lengths differ.
pub fn adamw(
    values: &mut [f32],
    gradient: &[f32],
    scale: f32,
    first: &mut [f32],
    second: &mut [f32],
    at: &AdamStep,
    decay: f32,
) {
    let correction = |beta: f32| 1.0 - f64::from(beta).powf(at.step as f64);
    let rate = (f64::from(at.lr) / correction(at.beta_1)) as f32;
    let inverse_root = (1.0 / correction(at.beta_2).sqrt()) as f32;
    let keep = (1.0 - f64::from(at.lr) * f64::from(decay)) as f32;
    in_parts([values, first, second], gradient, |[values, first, second], gradient| {
        adam_part(values, gradient, scale, first, second, at, keep, rate, inverse_root);
    });
}

simd_fn! {
    fn adam_part<S>(
        values: &mut [f32],
        gradient: &[f32],
        scale: f32,
        first: &mut [f32],
        second: &mut [f32],
        at: &AdamStep,
        keep: f32,
        rate: f32,
        inverse_root: f32,
    ) {
        let (new_1, new_2) = (1.0 - at.beta_1, 1.0 - at.beta_2);
        let moments = first.iter_mut().zip(second);
        for ((value, gradient), (first, second)) in values.iter_mut().zip(gradient).zip(moments) {
            let gradient = *gradient * scale;
            *first = S::fma(at.beta_1, *first, new_1 * gradient);
            *second = S::fma(at.beta_2, *second, new_2 * gradient * gradient);
            let step = rate * *first / S::fma(second.sqrt(), inverse_root, at.epsilon);
            *value = S::fma(keep, *value, -step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three steps against the algorithm in f64, whose values `torch.optim.Adam` shares.
    #[test]
    fn adam_steps_as_published() {
        let n = 40_001;
        let (mut values, mut first, mut second) = (vec![1.0; n], vec![0.0; n], vec![0.0; n]);
        let (mut x, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
        for (step, gradient) in [(1, 1.0f32), (2, -2.0), (3, 0.5)] {
            let at = AdamStep { lr: 0.1, beta_1: 0.5, beta_2: 0.99, epsilon: 1e-8, step };
            adam(&mut values, &vec![2.0 * gradient; n], 0.5, &mut first, &mut second, &at);
            let g = f64::from(gradient);
            (m, v) = (0.5 * m + 0.5 * g, 0.99 * v + 0.01 * g * g);
            let t = step as i32;
            x -= 0.1 * (m / (1.0 - 0.5f64.powi(t))) / ((v / (1.0 - 0.99f64.powi(t))).sqrt() + 1e-8);
        }
        assert!(values.iter().all(|value| (f64::from(*value) - x).abs() < 1e-6));
    }
}
