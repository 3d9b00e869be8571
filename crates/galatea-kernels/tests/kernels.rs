//! Every kernel against its reference, on every instruction set that this processor has and for several numbers of
//! threads, on shapes that nobody would choose.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "kernels/attention.rs"]
mod attention;
#[path = "kernels/losses.rs"]
mod losses;
#[path = "kernels/norms.rs"]
mod norms;
#[path = "kernels/optimizers.rs"]
mod optimizers;
#[path = "kernels/pictures.rs"]
mod pictures;
#[path = "kernels/randoms.rs"]
mod randoms;
#[path = "kernels/recurrent.rs"]
mod recurrent;

use std::sync::{Mutex, PoisonError};

use galatea_kernels::conv::{ConvShape, gather, spread};
use galatea_kernels::conv_weight::weight_gradient;
use galatea_kernels::linear::{LinearShape, linear, linear_input_gradient, linear_weight_gradient};
use galatea_kernels::{Activation, Isa, force_isa, pool, random, reference};
use proptest::prelude::*;

/// Instruction set and number of threads are one for the process: tests take turns.
static TURN: Mutex<()> = Mutex::new(());

/// Runs `kernel` on every instruction set; for each, the same bits with 1, 2, 3 and 8 threads.
fn everywhere(kernel: impl Fn() -> Vec<Vec<f32>>, check: impl Fn(&[Vec<f32>])) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        force_isa(isa).unwrap();
        pool::set_threads(1);
        let alone = kernel();
        check(&alone);
        for threads in [2, 3, 8] {
            pool::set_threads(threads);
            let bits = |all: &[Vec<f32>]| -> Vec<u32> { all.iter().flatten().map(|value| value.to_bits()).collect() };
            assert_eq!(bits(&kernel()), bits(&alone), "{isa:?} with {threads} threads");
        }
    }
    pool::set_threads(0);
}

fn draw(stream: u64, len: usize) -> Vec<f32> {
    let mut values = vec![0.0; len];
    random::fill_normal(7, stream, &mut values);
    values
}

fn double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// What PyTorch computed, by `golden/kernels.py`.
fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("golden/kernels.json")).unwrap()
}

fn numbers(golden: &serde_json::Value) -> Vec<f64> {
    serde_json::from_value(golden.clone()).unwrap()
}

/// The rule by which `golden/kernels.py` fills array `which` as well.
fn golden_values(which: usize, len: usize) -> Vec<f32> {
    (0..len).map(|i| ((37 * i + 11 * which) % 41) as f32 / 32.0 - 0.625).collect()
}

/// Sums of `depth` products of normal values have a deviation of `sqrt(depth)`.
fn close(found: &[f32], expected: &[f64], depth: usize, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let tolerance = 2e-6 * (depth as f64).sqrt().max(1.0) * (1.0 + (depth as f64).ln_1p());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let apart = (f64::from(*found) - expected).abs();
        assert!(apart <= tolerance * (1.0 + expected.abs() / 4.0), "{what} at {i}: {found}, not {expected}");
    }
}

fn filled(len: usize, f: impl FnOnce(&mut [f32])) -> Vec<f32> {
    // What is not written stays NaN.
    let mut out = vec![f32::NAN; len];
    f(&mut out);
    out
}

fn check_linear(shape: LinearShape) {
    let [m, inputs, outputs] = shape;
    let (x, w, b, g) = (draw(1, m * inputs), draw(2, inputs * outputs), draw(3, outputs), draw(4, m * outputs));
    let expected = [
        reference::linear(shape, &x, &w, Some(&b)),
        reference::linear(shape, &x, &w, None),
        reference::linear_input_gradient(shape, &g, &w),
        reference::linear_weight_gradient(shape, &x, &g),
    ];
    everywhere(
        || {
            vec![
                filled(m * outputs, |y| linear(shape, &x, &w, Some(&b), Activation::Identity, y)),
                filled(m * outputs, |y| linear(shape, &x, &w, None, Activation::LeakyRelu(0.5), y)),
                filled(m * inputs, |dx| linear_input_gradient(shape, &g, &w, dx)),
                filled(inputs * outputs, |dw| linear_weight_gradient(shape, &x, &g, dw)),
            ]
        },
        |found| {
            close(&found[0], &expected[0], inputs, &format!("linear {shape:?}"));
            let leaky: Vec<f64> = expected[1].iter().map(|y| if *y > 0.0 { *y } else { 0.5 * y }).collect();
            close(&found[1], &leaky, inputs, &format!("leaky linear {shape:?}"));
            close(&found[2], &expected[2], outputs, &format!("input gradient {shape:?}"));
            close(&found[3], &expected[3], m, &format!("weight gradient {shape:?}"));
        },
    );
}

fn check_conv(shape: &ConvShape) {
    let (big, small) = (draw(1, shape.big_len()), draw(2, shape.small_len()));
    let (w, of_small, of_big) = (draw(3, shape.weights()), draw(4, shape.small[0]), draw(5, shape.big[0]));
    let expected = [
        reference::gather(shape, &big, &w, Some(&of_small)),
        reference::spread(shape, &small, &w, Some(&of_big)),
        reference::weight_gradient(shape, &big, &small),
    ];
    let relu = Activation::Relu;
    everywhere(
        || {
            vec![
                filled(shape.small_len(), |y| gather(shape, &big, &w, Some(&of_small), relu, y)),
                filled(shape.big_len(), |y| spread(shape, &small, &w, Some(&of_big), Activation::Identity, y)),
                filled(shape.weights(), |dw| weight_gradient(shape, &big, &small, dw)),
            ]
        },
        |found| {
            let positive: Vec<f64> = expected[0].iter().map(|y| y.max(0.0)).collect();
            close(&found[0], &positive, shape.big[0] * shape.taps(), &format!("gather {shape:?}"));
            close(&found[1], &expected[1], shape.small[0] * shape.taps(), &format!("spread {shape:?}"));
            let places = shape.n * shape.small[1] * shape.small[2];
            close(&found[2], &expected[2], places, &format!("weight gradient {shape:?}"));
        },
    );
}

#[test]
fn sums_of_deep_products_do_not_depend_on_how_they_are_parted() {
    // Few rows are summed at once, many in parts.
    let [m, inputs, outputs] = [50, 1_000, 70];
    let (x, w) = (draw(1, m * inputs), draw(2, inputs * outputs));
    let of = |first: usize, rows: usize| {
        let x = &x[first * inputs..(first + rows) * inputs];
        filled(rows * outputs, |y| linear([rows, inputs, outputs], x, &w, None, Activation::Identity, y))
    };
    const FIRST: [usize; 3] = [0, 17, 40];
    everywhere(
        || std::iter::once(of(0, m)).chain(FIRST.map(|first| of(first, 10))).collect(),
        |found| {
            for (first, part) in FIRST.into_iter().zip(&found[1..]) {
                assert_eq!(*part, found[0][first * outputs..(first + 10) * outputs]);
            }
        },
    );
}

#[test]
fn linear_layers_of_training() {
    for shape in [
        [32, 100, 128],
        [33, 129, 65],
        [64, 784, 1],
        [7, 1, 9],
        [1, 300, 257],
        [130, 40, 200],
        [2, 200, 300],
        [300, 70, 150],
        [40, 700, 40],
    ] {
        check_linear(shape);
    }
    for shape in [[0, 3, 4], [3, 0, 4], [1, 1, 1], [3, 4, 0], [0, 40, 70], [3, 0, 70], [3, 40, 0]] {
        check_linear(shape);
    }
}

#[test]
fn convolutions_of_training() {
    let square = |n, big, channels, kernel: usize, stride: usize, padding: usize| {
        ConvShape::gathering(n, big, channels, [kernel; 2], [stride; 2], [padding; 2]).unwrap()
    };
    for shape in [
        square(3, [1, 28, 28], 64, 4, 2, 1),
        square(9, [64, 14, 14], 40, 4, 2, 1),
        square(2, [3, 9, 7], 5, 3, 1, 1),
        square(1, [17, 5, 5], 33, 1, 1, 0),
        square(2, [16, 8, 8], 48, 5, 3, 2),
        square(0, [8, 8, 8], 8, 4, 2, 1),
        // Neighbours share products: one pair of taps, two of one shift, a row of just two places, and no result at all.
        square(2, [17, 5, 6], 33, 2, 1, 0),
        square(2, [16, 7, 7], 17, 4, 1, 1),
        ConvShape::gathering(3, [16, 1, 3], 16, [1, 2], [1, 1], [0, 0]).unwrap(),
        square(64, [8, 4, 4], 0, 1, 1, 0),
        // A kernel that is smaller than its stride leaves pixels that nobody meets.
        square(2, [9, 10, 12], 10, 2, 3, 0),
        // In one dimension.
        ConvShape::gathering(2, [10, 1, 50], 12, [1, 25], [1, 4], [0, 11]).unwrap(),
        ConvShape::spreading(2, [12, 1, 20], 2, [1, 25], [1, 4], [0, 11], [0, 1]).unwrap(),
        ConvShape::spreading(2, [12, 7, 5], 9, [4, 3], [2, 2], [1, 1], [1, 0]).unwrap(),
    ] {
        check_conv(&shape);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn linear_layers_of_any_shape(m in 0usize..40, inputs in 0usize..70, outputs in 0usize..70) {
        check_linear([m, inputs, outputs]);
    }

    #[test]
    fn convolutions_of_any_shape(
        n in 0usize..4,
        (inputs, outputs) in (1usize..24, 1usize..40),
        side in prop::array::uniform2(1usize..9),
        kernel in prop::array::uniform2(1usize..5),
        stride in prop::array::uniform2(1usize..4),
        padding in prop::array::uniform2(0usize..3),
        output_padding in prop::array::uniform2(0usize..2),
    ) {
        if let Some(shape) = ConvShape::gathering(n, [inputs, side[0], side[1]], outputs, kernel, stride, padding) {
            check_conv(&shape);
        }
        let small = [outputs, side[0], side[1]];
        if let Some(shape) = ConvShape::spreading(n, small, inputs, kernel, stride, padding, output_padding) {
            check_conv(&shape);
        }
    }
}

/// The gradient of `sum(y * u)` by one value, from differences in f64.
fn difference(values: &[f64], i: usize, mut f: impl FnMut(&[f64]) -> f64) -> f64 {
    let mut at = |h: f64| {
        let mut moved = values.to_vec();
        moved[i] += h;
        f(&moved)
    };
    (at(1e-5) - at(-1e-5)) / 2e-5
}

#[test]
fn what_is_not_finite_passes_through() {
    let shape = [9, 40, 70];
    let (mut x, w) = (draw(1, 9 * 40), draw(2, 40 * 70));
    x[40 * 4 + 3] = f32::NAN;
    x[40 * 6 + 39] = f32::INFINITY;
    everywhere(
        || vec![filled(9 * 70, |y| linear(shape, &x, &w, None, Activation::Identity, y))],
        |found| {
            for (i, row) in found[0].chunks_exact(70).enumerate() {
                assert!(row.iter().all(|value| value.is_finite() != (i == 4 || i == 6)), "row {i}");
                assert!(row.iter().all(|value| value.is_nan() == (i == 4)), "row {i}");
            }
        },
    );
    let shape = ConvShape::gathering(2, [8, 6, 6], 16, [3, 3], [1, 1], [1, 1]).unwrap();
    let (mut big, w) = (draw(1, shape.big_len()), draw(2, shape.weights()));
    big[0] = f32::NAN;
    everywhere(
        || vec![filled(shape.small_len(), |y| gather(&shape, &big, &w, None, Activation::Relu, y))],
        |found| {
            let touched: Vec<usize> = (0..shape.n * 36)
                .filter(|place| found[0][place * 16..(place + 1) * 16].iter().all(|value| value.is_nan()))
                .collect();
            assert_eq!(touched, [0, 1, 6, 7]);
            assert_eq!(found[0].iter().filter(|value| value.is_nan()).count(), 4 * 16);
        },
    );
}
