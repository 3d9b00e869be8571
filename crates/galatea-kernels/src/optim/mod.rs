//! Optimizer steps in place, over flat values. Gradients are multiplied by a `scale` first, which is how they are
//! clipped: see [`clip_scale`].

mod adam;
mod rmsprop;
mod sgd;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub use adam::{AdamStep, adam, adamw};
pub use rmsprop::{RmsPropStep, rmsprop};
pub use sgd::{SgdStep, sgd};

use crate::pool::{Shared, parallel_for};
use crate::simd::simd_fn;

/// Values of one task.
const CHUNK: usize = 1 << 14;

/// Calls `body` with the same part of all arrays and of the gradient.
fn in_parts<const N: usize>(arrays: [&mut [f32]; N], gradient: &[f32], body: impl Fn([&mut [f32]; N], &[f32]) + Sync) {
    let n = gradient.len();
    assert!(arrays.iter().all(|array| array.len() == n), "a gradient, and what the optimizer keeps, per value");
    let arrays = arrays.map(Shared::new);
    parallel_for(n.div_ceil(CHUNK), |task| {
        let range = task * CHUNK..((task + 1) * CHUNK).min(n);
        // SAFETY: each task writes its own part.
        let parts = arrays.each_ref().map(|all| unsafe { all.slice(range.start, range.len()) });
        body(parts, &gradient[range]);
    });
}

/// The scale that brings gradients of this norm down to the norm `largest`, and leaves smaller ones as they are:
/// `min(1, largest / (norm + 1e-6))`, as `torch.nn.utils.clip_grad_norm_`. NaN for NaN. The norm of all parameters is the
/// root of the sum of their [`squared_norm`]s.
pub fn clip_scale(norm: f64, largest: f64) -> f32 {
    let scale = largest / (norm + 1e-6);
    // Not `min`, which would make 1 of NaN.
    (if scale > 1.0 { 1.0 } else { scale }) as f32
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

    #[test]
    fn averages_move_and_norms_add_up() {
        let mut average = vec![1.0; 20_000];
        lerp(&mut average, &vec![3.0; 20_000], 0.25);
        assert!(average.iter().all(|value| *value == 1.5));
        assert!((squared_norm(&average) - 45_000.0).abs() < 1e-6);
        assert_eq!(squared_norm(&[]), 0.0);
    }

    #[test]
    fn long_gradients_are_clipped() {
        assert_eq!((clip_scale(0.5, 1.0), clip_scale(0.0, 1.0)), (1.0, 1.0));
        assert!((clip_scale(8.0, 2.0) - 0.25).abs() < 1e-6);
        assert_eq!(clip_scale(f64::INFINITY, 1.0), 0.0);
        assert!(clip_scale(f64::NAN, 1.0).is_nan());
    }
}
