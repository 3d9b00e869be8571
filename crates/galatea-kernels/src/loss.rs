//! Losses from logits, together with their derivatives.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::pool::{Shared, parallel_for};
use crate::simd::simd_fn;

/// Logits of one task.
const TASK: usize = 1 << 12;

/// The mean of `softplus(sign x)`, in f64, and its derivative by each logit.
///
/// `softplus(t) = max(t, 0) + ln(1 + exp(-|t|))` cannot overflow.
pub fn softplus_mean(x: &[f32], sign: f32, dx: &mut [f32]) -> f64 {
    mean_with_slopes(x, dx, |x| {
        let t = f64::from(sign) * x;
        let small = (-t.abs()).exp();
        let slope = if t >= 0.0 { 1.0 / (1.0 + small) } else { small / (1.0 + small) };
        // Not `t.max(0.0)`, which would make 0 of NaN.
        (if t < 0.0 { 0.0 } else { t } + small.ln_1p(), f64::from(sign) * slope)
    })
}

/// The mean of `max(0, 1 + sign x)`, and its derivative by each logit.
pub fn hinge_mean(x: &[f32], sign: f32, dx: &mut [f32]) -> f64 {
    mean_with_slopes(x, dx, |x| {
        let t = 1.0 + f64::from(sign) * x;
        if t <= 0.0 { (0.0, 0.0) } else { (t, f64::from(sign)) }
    })
}

fn mean_with_slopes(x: &[f32], dx: &mut [f32], f: impl Fn(f64) -> (f64, f64)) -> f64 {
    assert_eq!(x.len(), dx.len(), "a slope per logit");
    let n = x.len().max(1) as f64;
    let mut sum = 0.0;
    for (x, dx) in x.iter().zip(dx) {
        let (value, slope) = f(f64::from(*x));
        sum += value;
        *dx = (slope / n) as f32;
    }
    sum / n
}

/// The mean of `-ln softmax(x)[label]` over the rows of `[n, classes]`, in nats, and its derivative by each logit.
///
/// Sums are in f64 and do not depend on the number of threads.
///
/// # Panics
/// If lengths differ or a label is not below `classes`.
pub fn softmax_cross_entropy(classes: usize, x: &[f32], labels: &[u32], dx: &mut [f32]) -> f64 {
    assert!(x.len() == labels.len() * classes && dx.len() == x.len(), "a label per row");
    assert!(labels.iter().all(|label| (*label as usize) < classes), "labels are below {classes}");
    let n = labels.len().max(1) as f64;
    // Some rows are a task; their sum is kept for the caller to add up in order.
    let rows = (TASK / classes.max(1)).max(1);
    let sums: Vec<AtomicU64> = (0..labels.len().div_ceil(rows)).map(|_| AtomicU64::new(0)).collect();
    let out = Shared::new(dx);
    parallel_for(sums.len(), |task| {
        let labels = &labels[task * rows..((task + 1) * rows).min(labels.len())];
        let (first, len) = (task * rows * classes, labels.len() * classes);
        // SAFETY: each task writes its own rows.
        let sum = softmax_rows(classes, n, &x[first..first + len], labels, unsafe { out.slice(first, len) });
        sums[task].store(sum.to_bits(), Relaxed);
    });
    sums.into_iter().map(|sum| f64::from_bits(sum.into_inner())).sum::<f64>() / n
}

simd_fn! {
    /// The sum of the losses of some rows, and the derivatives of the mean over `n` rows.
    fn softmax_rows<S>(classes: usize, n: f64, x: &[f32], labels: &[u32], dx: &mut [f32]) -> f64 {
        let _ = S::LANES;
        let mut sum = 0.0;
        for ((x, dx), label) in x.chunks_exact(classes).zip(dx.chunks_exact_mut(classes)).zip(labels) {
            let largest = f64::from(largest(x));
            let mut lanes = [0.0f64; 16];
            for (x, dx) in x.chunks(64).zip(dx.chunks_mut(64)) {
                let mut wide = [0.0f64; 64];
                let wide = &mut wide[..x.len()];
                for ((wide, x), dx) in wide.iter_mut().zip(x).zip(dx) {
                    *wide = exp_of_negative(f64::from(*x) - largest);
                    *dx = *wide as f32;
                }
                for wide in wide.chunks(16) {
                    lanes.iter_mut().zip(wide).for_each(|(lane, wide)| *lane += *wide);
                }
            }
            let total: f64 = lanes.iter().sum();
            let of_label = f64::from(x[*label as usize]) - largest;
            sum += total.ln() - of_label;
            let scale = (1.0 / (total * n)) as f32;
            dx.iter_mut().for_each(|dx| *dx *= scale);
            dx[*label as usize] = ((exp_of_negative(of_label) / total - 1.0) / n) as f32;
        }
        sum
    }
}

/// The largest value, without regard to NaN.
#[inline(always)]
pub(crate) fn largest(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    for x in x.chunks(16) {
        lanes.iter_mut().zip(x).for_each(|(lane, x)| *lane = if *x > *lane { *x } else { *lane });
    }
    lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

/// `exp(x)` for `x <= 0`, to 4e-16 of the value; 3e-308 below -708, NaN for NaN. A loop of these is done in vectors.
#[inline(always)]
pub(crate) fn exp_of_negative(x: f64) -> f64 {
    /// Of this size a number has no bits behind the point: adding it rounds.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// The upper bits of ln 2, whose products with small whole numbers are exact, and the rest.
    const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];
    /// 1 / k!
    const TAYLOR: [f64; 13] = {
        let (mut all, mut k) = ([1.0; 13], 1);
        while k < 13 {
            all[k] = all[k - 1] / k as f64;
            k += 1;
        }
        all
    };
    let x = if x < -708.0 { -708.0 } else { x };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    let rest = (x - power * LN_2[0]) - power * LN_2[1];
    let mut sum = TAYLOR[12];
    for coefficient in TAYLOR[..12].iter().rev() {
        sum = sum * rest + coefficient;
    }
    // The lowest bits of `shifted` are `power` as an integer, which becomes the exponent.
    sum * f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Derivatives against central differences in f64.
    fn check(f: impl Fn(&[f32], &mut [f32]) -> f64, x: &[f32]) {
        let mut slopes = vec![0.0; x.len()];
        f(x, &mut slopes);
        for i in 0..x.len() {
            let at = |h: f32| {
                let mut moved = x.to_vec();
                moved[i] += h;
                (f(&moved, &mut vec![0.0; x.len()]), f64::from(moved[i]))
            };
            let ((high, right), (low, left)) = (at(1e-3), at(-1e-3));
            let expected = (high - low) / (right - left);
            assert!((f64::from(slopes[i]) - expected).abs() < 1e-5, "{i}: {} and {expected}", slopes[i]);
        }
    }

    #[test]
    fn derivatives_agree_with_differences() {
        let x = [-3.0, -0.5, 0.25, 2.0, 7.0, -11.0];
        for sign in [1.0, -1.0] {
            check(|x, dx| softplus_mean(x, sign, dx), &x);
            check(|x, dx| hinge_mean(x, sign, dx), &x);
        }
        check(|x, dx| softmax_cross_entropy(3, x, &[2, 0], dx), &x);
    }

    #[test]
    fn values_are_those_of_the_formulas() {
        let mut dx = [0.0; 2];
        assert!((softplus_mean(&[0.0, 0.0], 1.0, &mut dx) - 2f64.ln()).abs() < 1e-12);
        assert!((softplus_mean(&[1e4, -1e4], 1.0, &mut dx) - 5e3).abs() < 1e-6);
        assert!(softplus_mean(&[f32::NAN, 0.0], -1.0, &mut dx).is_nan());
        assert_eq!(hinge_mean(&[3.0, -2.0], -1.0, &mut dx), 1.5);
        assert!(hinge_mean(&[f32::NAN, 0.0], 1.0, &mut dx).is_nan());
        assert!((softmax_cross_entropy(2, &[0.0, 0.0], &[1], &mut dx) - 2f64.ln()).abs() < 1e-12);
        assert_eq!(dx, [0.5, -0.5]);
    }

    #[test]
    fn exponentials_are_those_of_the_standard_library() {
        for i in 0..200_000 {
            let x = -f64::from(i) * 0.0035;
            let (found, expected) = (exp_of_negative(x), x.exp());
            assert!((found - expected).abs() <= 4e-16 * expected, "{x}: {found}, not {expected}");
        }
        assert_eq!(exp_of_negative(0.0), 1.0);
        assert!(exp_of_negative(f64::NEG_INFINITY) < 1e-300 && exp_of_negative(f64::NAN).is_nan());
    }

    #[test]
    fn masked_logits_have_no_share_and_what_is_not_a_number_spoils_its_row() {
        let mut dx = [f32::NAN; 4];
        let loss = softmax_cross_entropy(2, &[f32::NEG_INFINITY, 3.0, 1.0, 1.0], &[1, 0], &mut dx);
        assert!((loss - 2f64.ln() / 2.0).abs() < 1e-12);
        assert_eq!(dx, [0.0, 0.0, -0.25, 0.25]);
        assert!(softmax_cross_entropy(2, &[f32::NAN, 3.0, 1.0, 1.0], &[1, 0], &mut dx).is_nan());
        assert!(dx[0].is_nan() && dx[1].is_nan() && dx[2..] == [-0.25, 0.25]);
        assert_eq!(softmax_cross_entropy(0, &[], &[], &mut []), 0.0);
    }
}
