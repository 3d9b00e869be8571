//! Optimizer steps in place, over flat values.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::pool::{Shared, parallel_for};
use crate::simd::simd_fn;

/// Values of one task.
const CHUNK: usize = 1 << 14;

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
/// Paper: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980, algorithm 1.
/// Differs: in nothing.
///
/// # Panics
/// If the lengths differ.
pub fn adam(values: &mut [f32], gradient: &[f32], scale: f32, first: &mut [f32], second: &mut [f32], at: &AdamStep) {
    let n = values.len();
    assert!(gradient.len() == n && first.len() == n && second.len() == n, "a gradient and moments per value");
    let correction = |beta: f32| 1.0 - f64::from(beta).powf(at.step as f64);
    let rate = (f64::from(at.lr) / correction(at.beta_1)) as f32;
    let inverse_root = (1.0 / correction(at.beta_2).sqrt()) as f32;
    let [values, first, second] = [values, first, second].map(Shared::new);
    parallel_for(n.div_ceil(CHUNK), |task| {
        let range = task * CHUNK..((task + 1) * CHUNK).min(n);
        // SAFETY: each task writes its own part.
        let [values, first, second] = [values, first, second]
            .map(|all| unsafe { std::slice::from_raw_parts_mut(all.at(range.start), range.len()) });
        adam_part(values, &gradient[range], scale, first, second, at, rate, inverse_root);
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
        rate: f32,
        inverse_root: f32,
    ) {
        let (new_1, new_2) = (1.0 - at.beta_1, 1.0 - at.beta_2);
        let moments = first.iter_mut().zip(second);
        for ((value, gradient), (first, second)) in values.iter_mut().zip(gradient).zip(moments) {
            let gradient = *gradient * scale;
            *first = S::fma(at.beta_1, *first, new_1 * gradient);
            *second = S::fma(at.beta_2, *second, new_2 * gradient * gradient);
            *value -= rate * *first / S::fma(second.sqrt(), inverse_root, at.epsilon);
        }
    }
}

/// `average += weight (value - average)`.
///
/// # Panics
/// If the lengths differ.
pub fn lerp(average: &mut [f32], values: &[f32], weight: f32) {
    assert_eq!(average.len(), values.len(), "an average per value");
    crate::pool::parallel_chunks(average, CHUNK, |first, part| {
        lerp_part(part, &values[first..first + part.len()], weight)
    });
}

simd_fn! {
    fn lerp_part<S>(average: &mut [f32], values: &[f32], weight: f32) {
        average.iter_mut().zip(values).for_each(|(average, value)| *average = S::fma(weight, *value - *average, *average));
    }
}

/// The sum of squares, in f64. It does not depend on the number of threads.
pub fn squared_norm(values: &[f32]) -> f64 {
    let parts = values.len().div_ceil(CHUNK);
    let sums: Vec<AtomicU64> = (0..parts).map(|_| AtomicU64::new(0)).collect();
    parallel_for(parts, |task| {
        let part = &values[task * CHUNK..((task + 1) * CHUNK).min(values.len())];
        sums[task].store(squares(part).to_bits(), Relaxed);
    });
    sums.into_iter().map(|sum| f64::from_bits(sum.into_inner())).sum()
}

simd_fn! {
    fn squares<S>(values: &[f32]) -> f64 {
        let _ = S::LANES;
        let mut lanes = [0.0f64; 16];
        let whole = values.chunks_exact(16);
        let rest: f64 = whole.remainder().iter().map(|value| f64::from(*value).powi(2)).sum();
        for part in whole {
            for (lane, value) in lanes.iter_mut().zip(part) {
                *lane += f64::from(*value) * f64::from(*value);
            }
        }
        lanes.iter().sum::<f64>() + rest
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

    #[test]
    fn averages_move_and_norms_add_up() {
        let mut average = vec![1.0; 20_000];
        lerp(&mut average, &vec![3.0; 20_000], 0.25);
        assert!(average.iter().all(|value| *value == 1.5));
        assert!((squared_norm(&average) - 45_000.0).abs() < 1e-6);
        assert_eq!(squared_norm(&[]), 0.0);
    }
}
