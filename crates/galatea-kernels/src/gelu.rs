//! The Gaussian error linear unit, by its approximation with tanh.
//!
//! Paper: Hendrycks and Gimpel 2016, "Gaussian Error Linear Units", arXiv:1606.08415, section 2.
//! Differs: in nothing; this is the paper's approximation, which is within 4e-4 of the exact function.

use crate::activation::tanh;
use crate::pool::{Shared, parallel_for};
use crate::simd::{Simd, each_vector, simd_fn};

/// Values of one task.
const CHUNK: usize = 1 << 13;
/// The root of 2 / pi.
const SLOPE: f32 = 0.797_884_6;
const CUBIC: f32 = 0.044_715;

/// `y = x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
///
/// # Panics
/// If the lengths differ.
pub fn gelu(x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len(), "a value for each");
    in_chunks(y, |range, y| gelu_part(&x[range], y));
}

/// The gradient by `x` from the one behind it, with slopes to 1e-5.
///
/// # Panics
/// If the lengths differ.
pub fn gelu_backward(x: &[f32], g: &[f32], dx: &mut [f32]) {
    assert!(x.len() == dx.len() && g.len() == dx.len(), "a value for each");
    in_chunks(dx, |range, dx| backward_part(&x[range.clone()], &g[range], dx));
}

fn in_chunks(out: &mut [f32], body: impl Fn(std::ops::Range<usize>, &mut [f32]) + Sync) {
    let len = out.len();
    let out = Shared::new(out);
    parallel_for(len.div_ceil(CHUNK), |task| {
        let range = task * CHUNK..((task + 1) * CHUNK).min(len);
        // SAFETY: parts do not overlap.
        body(range.clone(), unsafe { out.slice(range.start, range.len()) });
    });
}

/// Half of one and the tanh, for `x` and its square.
///
/// # Safety
/// As for the functions of [`Simd`].
#[inline(always)]
unsafe fn half_and_tanh<S: Simd>(x: S::V, square: S::V) -> [S::V; 2] {
    // SAFETY: the caller's.
    unsafe {
        let inner = S::mul(S::mul(S::splat(SLOPE), x), S::mul_add(S::splat(CUBIC), square, S::splat(1.0)));
        let t = tanh::<S>(inner);
        [S::mul_add(S::splat(0.5), t, S::splat(0.5)), t]
    }
}

simd_fn! {
    fn gelu_part<S>(x: &[f32], y: &mut [f32]) {
        assert_eq!(x.len(), y.len());
        each_vector!(S, x.len(), |j, n| {
            // SAFETY: inside of the slices, and kernels are where the instruction set is enabled.
            unsafe {
                let x = S::read(x.as_ptr().add(j), n);
                let [half, _] = half_and_tanh::<S>(x, S::mul(x, x));
                S::write(y.as_mut_ptr().add(j), S::mul(x, half), n);
            }
        });
    }
}

simd_fn! {
    fn backward_part<S>(x: &[f32], g: &[f32], dx: &mut [f32]) {
        assert!(x.len() == dx.len() && g.len() == dx.len());
        each_vector!(S, x.len(), |j, n| {
            // SAFETY: inside of the slices, and kernels are where the instruction set is enabled.
            unsafe {
                let x = S::read(x.as_ptr().add(j), n);
                let square = S::mul(x, x);
                let [half, t] = half_and_tanh::<S>(x, square);
                let inner = S::mul(S::splat(SLOPE), S::mul_add(S::splat(3.0 * CUBIC), square, S::splat(1.0)));
                // x / 2 times the slope of tanh. Beyond 6 that is below 1e-9, and what rounding leaves of it is more: 1 and 0 tell.
                let within = S::sub(S::splat(36.0), square);
                let within = S::clamp(S::mul(S::splat(1e9), S::where_negative(within, S::splat(0.0))), 1.0);
                let steep = S::mul(S::mul(S::splat(0.5), S::mul(x, within)), S::sub(S::splat(1.0), S::mul(t, t)));
                let slope = S::mul_add(steep, inner, half);
                S::write(dx.as_mut_ptr().add(j), S::mul(slope, S::read(g.as_ptr().add(j), n)), n);
            }
        });
    }
}
