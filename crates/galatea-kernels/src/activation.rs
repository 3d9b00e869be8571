//! Activations and their slopes, over slices.

use crate::Activation;
use crate::pool::parallel_chunks;
use crate::simd::{Simd, each_vector, simd_fn};

/// The hyperbolic tangent as a ratio of polynomials, to 4e-7 of the true value; exact at 0 and at infinities, NaN for NaN.
///
/// Source: the rational minimax approximation of Eigen's `ptanh`, whose argument is clamped where f32 reaches 1.
///
/// # Safety
/// As for the functions of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn tanh<S: Simd>(x: S::V) -> S::V {
    const P: [f32; 7] =
        [-2.760_768_5e-16, 2.000_188e-13, -8.604_672e-11, 5.122_297e-8, 1.485_722_4e-5, 6.372_619_3e-4, 4.893_525e-3];
    const Q: [f32; 4] = [1.198_258_4e-6, 1.185_347e-4, 2.268_434_6e-3, 4.893_525e-3];
    // SAFETY: the caller's.
    unsafe {
        let x = S::clamp(x, 7.998_811_7);
        let square = S::mul(x, x);
        let mut p = S::splat(P[0]);
        for coefficient in &P[1..] {
            p = S::mul_add(p, square, S::splat(*coefficient));
        }
        let mut q = S::splat(Q[0]);
        for coefficient in &Q[1..] {
            q = S::mul_add(q, square, S::splat(*coefficient));
        }
        S::div(S::mul(x, p), q)
    }
}

/// The logistic function.
///
/// # Safety
/// As [`tanh`].
#[inline(always)]
pub(crate) unsafe fn sigmoid<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller's.
    unsafe {
        let half = S::splat(0.5);
        S::mul_add(tanh::<S>(S::mul(half, x)), half, half)
    }
}

/// `function` of a vector.
///
/// # Safety
/// As [`tanh`].
#[inline(always)]
pub(crate) unsafe fn activated<S: Simd>(function: Activation, x: S::V) -> S::V {
    // SAFETY: the caller's.
    unsafe {
        match function {
            Activation::Identity => x,
            Activation::Relu => S::where_negative(x, S::splat(0.0)),
            Activation::LeakyRelu(slope) => S::where_negative(x, S::mul(S::splat(slope), x)),
            Activation::Tanh => tanh::<S>(x),
            Activation::Sigmoid => sigmoid::<S>(x),
        }
    }
}

/// Applies `function` in place, inside of a kernel.
#[inline(always)]
pub(crate) fn apply<S: Simd>(function: Activation, values: &mut [f32]) {
    if function == Activation::Identity {
        return;
    }
    each_vector!(S, values.len(), |i, n| {
        // SAFETY: inside of the slice, and kernels are where the instruction set is enabled.
        unsafe {
            let at = values.as_mut_ptr().add(i);
            S::write(at, activated::<S>(function, S::read(at, n)), n);
        }
    });
}

/// `out = gradient * slope`, where the slope is that at the place whose output was `y`, inside of a kernel.
#[inline(always)]
pub(crate) fn through(function: Activation, gradient: &[f32], y: &[f32], out: &mut [f32]) {
    let all = out.iter_mut().zip(gradient).zip(y);
    match function {
        Activation::Identity => out.copy_from_slice(gradient),
        Activation::Relu => all.for_each(|((out, g), y)| *out = if *y <= 0.0 { 0.0 } else { *g }),
        Activation::LeakyRelu(slope) => all.for_each(|((out, g), y)| *out = if *y <= 0.0 { slope * *g } else { *g }),
        Activation::Tanh => all.for_each(|((out, g), y)| *out = *g * (1.0 - *y * *y)),
        Activation::Sigmoid => all.for_each(|((out, g), y)| *out = *g * *y * (1.0 - *y)),
    }
}

/// Values of one task.
const CHUNK: usize = 1 << 14;

simd_fn! {
    fn apply_chunk<S>(function: Activation, values: &mut [f32]) {
        apply::<S>(function, values);
    }
}

simd_fn! {
    fn through_chunk<S>(function: Activation, gradient: &[f32], y: &[f32], out: &mut [f32]) {
        let _ = S::LANES;
        through(function, gradient, y, out);
    }
}

/// Applies `function` in place.
pub fn activate(function: Activation, values: &mut [f32]) {
    if function == Activation::Identity {
        return;
    }
    parallel_chunks(values, CHUNK, |_, part| apply_chunk(function, part));
}

/// The gradient before an activation, from the one behind it and the activation's output `y`; all of one length.
///
/// # Panics
/// If the lengths differ.
pub fn activate_backward(function: Activation, gradient: &[f32], y: &[f32], out: &mut [f32]) {
    assert!(gradient.len() == out.len() && y.len() == out.len(), "activations are of one length");
    parallel_chunks(out, CHUNK, |first, part| {
        let range = first..first + part.len();
        through_chunk(function, &gradient[range.clone()], &y[range], part);
    });
}

/// As [`activate_backward`], in place of the gradient.
///
/// # Panics
/// If the lengths differ.
pub fn activate_backward_in_place(function: Activation, gradient: &mut [f32], y: &[f32]) {
    assert_eq!(gradient.len(), y.len(), "activations are of one length");
    parallel_chunks(gradient, CHUNK, |first, part| through_in_place(function, part, &y[first..first + part.len()]));
}

simd_fn! {
    fn through_in_place<S>(function: Activation, gradient: &mut [f32], y: &[f32]) {
        let _ = S::LANES;
        let all = gradient.iter_mut().zip(y);
        match function {
            Activation::Identity => {}
            Activation::Relu => all.for_each(|(g, y)| *g = if *y <= 0.0 { 0.0 } else { *g }),
            Activation::LeakyRelu(slope) => all.for_each(|(g, y)| *g = if *y <= 0.0 { slope * *g } else { *g }),
            Activation::Tanh => all.for_each(|(g, y)| *g *= 1.0 - *y * *y),
            Activation::Sigmoid => all.for_each(|(g, y)| *g *= *y * (1.0 - *y)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_are_what_they_are_called() {
        let xs: Vec<f32> = (-4000..=4000).map(|i| i as f32 * 0.005).collect();
        type Exact = fn(f64) -> f64;
        let cases: [(Activation, Exact); 4] = [
            (Activation::Relu, |x| x.max(0.0)),
            (Activation::LeakyRelu(0.25), |x| if x > 0.0 { x } else { 0.25 * x }),
            (Activation::Tanh, f64::tanh),
            (Activation::Sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
        ];
        for (function, exact) in cases {
            let mut ys = xs.clone();
            activate(function, &mut ys);
            for (x, y) in xs.iter().zip(&ys) {
                assert!((f64::from(*y) - exact(f64::from(*x))).abs() < 1e-6, "{function:?} of {x} is {y}");
            }
            // The slope, from the outputs, against differences in f64.
            let (ones, mut slopes) = (vec![1.0; xs.len()], vec![0.0; xs.len()]);
            activate_backward(function, &ones, &ys, &mut slopes);
            let mut in_place = ones.clone();
            activate_backward_in_place(function, &mut in_place, &ys);
            assert_eq!(in_place, slopes);
            for (x, slope) in xs.iter().zip(&slopes).filter(|(x, _)| **x != 0.0) {
                let (x, h) = (f64::from(*x), 1e-5);
                let expected = (exact(x + h) - exact(x - h)) / (2.0 * h);
                assert!((f64::from(*slope) - expected).abs() < 3e-6, "{function:?} at {x}: {slope}");
            }
        }
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        for function in [Activation::Relu, Activation::LeakyRelu(0.1), Activation::Tanh, Activation::Sigmoid] {
            let mut values = vec![f32::NAN; 37];
            activate(function, &mut values);
            assert!(values.iter().all(|value| value.is_nan()), "{function:?}");
        }
        let mut ends = [f32::INFINITY, f32::NEG_INFINITY];
        activate(Activation::Tanh, &mut ends);
        assert!((ends[0] - 1.0).abs() < 1e-6 && (ends[1] + 1.0).abs() < 1e-6);
    }
}
