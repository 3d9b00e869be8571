//! The log likelihood of values in `[0, 1]` under Bernoulli distributions that are given by their logits, together with its
//! derivative.

use crate::loss::exp_of_negative;
use crate::pool::{Shared, parallel_for};
use crate::simd::simd_fn;

/// Values of one task, about.
const TASK: usize = 1 << 13;

/// For each row of logits `x` the sum of `t x - softplus(x)`, and for each logit the derivative `t - sigmoid(x)`, where `t`
/// is the value at the same place of `targets`. A sum does not depend on the other rows, nor on the number of threads.
///
/// # Panics
/// If lengths do not go together.
pub fn bernoulli_rows(width: usize, x: &[f32], targets: &[f32], sums: &mut [f32], slopes: &mut [f32]) {
    let n = sums.len();
    assert!(x.len() == n * width && targets.len() == x.len() && slopes.len() == x.len(), "rows of {width} values");
    let rows = (TASK / width.max(1)).max(1);
    let (sums, slopes) = (Shared::new(sums), Shared::new(slopes));
    parallel_for(n.div_ceil(rows), |task| {
        let count = rows.min(n - task * rows);
        let (first, len) = (task * rows * width, count * width);
        // SAFETY: each task writes its own rows.
        let (sums, slopes) = unsafe { (sums.slice(task * rows, count), slopes.slice(first, len)) };
        for (row, sum) in sums.iter_mut().enumerate() {
            let at = row * width..(row + 1) * width;
            let of = first + at.start..first + at.end;
            *sum = bernoulli_row(&x[of.clone()], &targets[of], &mut slopes[at]) as f32;
        }
    });
}

/// Values that are done together.
const TOGETHER: usize = 16;

simd_fn! {
    fn bernoulli_row<S>(x: &[f32], targets: &[f32], slopes: &mut [f32]) -> f64 {
        let _ = S::LANES;
        let mut lanes = [0.0f64; TOGETHER];
        let all = x.chunks(TOGETHER).zip(targets.chunks(TOGETHER)).zip(slopes.chunks_mut(TOGETHER));
        for ((x, t), slopes) in all {
            for (((lane, x), t), slope) in lanes.iter_mut().zip(x).zip(t).zip(slopes) {
                let (x, t) = (f64::from(*x), f64::from(*t));
                let small = exp_of_negative(-x.abs());
                let share = 1.0 / (1.0 + small);
                // Not `x.max(0.0)`, which would make 0 of NaN.
                let (positive, sigmoid) = if x < 0.0 { (0.0, small * share) } else { (x, share) };
                *lane += t * x - positive - ln_1p_of_share(small);
                *slope = (t - sigmoid) as f32;
            }
        }
        lanes.iter().sum()
    }
}

/// `ln(1 + u)` for `u` in `[0, 1]`, to 1e-12: twice the series of the inverse hyperbolic tangent at `u / (2 + u)`.
#[inline(always)]
fn ln_1p_of_share(u: f64) -> f64 {
    /// 2 / (2 k + 1)
    const SERIES: [f64; 12] = {
        let (mut all, mut k) = ([2.0; 12], 1);
        while k < 12 {
            all[k] = 2.0 / (2 * k + 1) as f64;
            k += 1;
        }
        all
    };
    let s = u / (2.0 + u);
    let square = s * s;
    let mut sum = SERIES[11];
    for coefficient in SERIES[..11].iter().rev() {
        sum = sum * square + coefficient;
    }
    s * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_standard_library() {
        for i in 0..=10_000 {
            let u = f64::from(i) / 10_000.0;
            assert!((ln_1p_of_share(u) - u.ln_1p()).abs() < 1e-12, "{u}");
        }
    }

    #[test]
    fn what_is_not_a_number_spoils_its_row_and_large_logits_do_not_overflow() {
        let (mut sums, mut slopes) = ([0.0; 3], [0.0; 6]);
        let x = [f32::NAN, 0.0, 1e4, -1e4, -1e4, 1e4];
        bernoulli_rows(2, &x, &[1.0, 1.0, 1.0, 0.0, 1.0, 0.0], &mut sums, &mut slopes);
        assert!(sums[0].is_nan() && slopes[0].is_nan());
        assert_eq!((sums[1], sums[2]), (0.0, -2e4));
        assert_eq!(slopes[2..], [0.0, 0.0, 1.0, -1.0]);
        bernoulli_rows(0, &[], &[], &mut [], &mut []);
    }
}
