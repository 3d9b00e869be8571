//! What the kernels compute, written in the plainest way and summed in f64: the reference that tests hold them to.

use crate::conv::ConvShape;
use crate::linear::LinearShape;
use crate::norm::NormShape;

/// `x w + bias`, as [`crate::linear::linear`] without an activation.
pub fn linear([m, inputs, outputs]: LinearShape, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
    let product = |i: usize, j: usize, k: usize| f64::from(x[i * inputs + k]) * f64::from(w[k * outputs + j]);
    let start = |j: usize| bias.map_or(0.0, |bias| f64::from(bias[j]));
    grid(m, outputs, |i, j| start(j) + (0..inputs).map(|k| product(i, j, k)).sum::<f64>())
}

/// `g w^T`, as [`crate::linear::linear_input_gradient`].
pub fn linear_input_gradient([m, inputs, outputs]: LinearShape, g: &[f32], w: &[f32]) -> Vec<f64> {
    let product = |i: usize, j: usize, k: usize| f64::from(g[i * outputs + k]) * f64::from(w[j * outputs + k]);
    grid(m, inputs, |i, j| (0..outputs).map(|k| product(i, j, k)).sum())
}

/// `x^T g`, as [`crate::linear::linear_weight_gradient`].
pub fn linear_weight_gradient([m, inputs, outputs]: LinearShape, x: &[f32], g: &[f32]) -> Vec<f64> {
    let product = |i: usize, j: usize, k: usize| f64::from(x[k * inputs + i]) * f64::from(g[k * outputs + j]);
    grid(inputs, outputs, |i, j| (0..m).map(|k| product(i, j, k)).sum())
}

fn grid(rows: usize, columns: usize, f: impl Fn(usize, usize) -> f64) -> Vec<f64> {
    (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| f(i, j)).collect()
}

/// Calls `visit(small value, big value, weight)`, by index, for every product of a convolution.
fn connections(shape: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let ([big_c, big_h, big_w], [small_c, small_h, small_w]) = (shape.big, shape.small);
    let [kernel_h, kernel_w] = shape.kernel;
    for picture in 0..shape.n {
        for (y, x) in (0..small_h).flat_map(|y| (0..small_w).map(move |x| (y, x))) {
            for (tap_y, tap_x) in (0..kernel_h).flat_map(|y| (0..kernel_w).map(move |x| (y, x))) {
                let source = |place: usize, tap: usize, axis: usize, side: usize| {
                    (place * shape.stride[axis] + tap).checked_sub(shape.padding[axis]).filter(|source| *source < side)
                };
                let (Some(source_y), Some(source_x)) = (source(y, tap_y, 0, big_h), source(x, tap_x, 1, big_w)) else {
                    continue;
                };
                for (s, b) in (0..small_c).flat_map(|s| (0..big_c).map(move |b| (s, b))) {
                    visit(
                        ((picture * small_h + y) * small_w + x) * small_c + s,
                        ((picture * big_h + source_y) * big_w + source_x) * big_c + b,
                        ((s * big_c + b) * kernel_h + tap_y) * kernel_w + tap_x,
                    );
                }
            }
        }
    }
}

fn started(len: usize, bias: Option<&[f32]>) -> Vec<f64> {
    (0..len).map(|i| bias.map_or(0.0, |bias| f64::from(bias[i % bias.len()]))).collect()
}

/// As [`crate::conv::gather`] without an activation.
pub fn gather(shape: &ConvShape, big: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
    let mut small = started(shape.small_len(), bias);
    connections(shape, |s, b, tap| small[s] += f64::from(big[b]) * f64::from(w[tap]));
    small
}

/// As [`crate::conv::spread`] without an activation.
pub fn spread(shape: &ConvShape, small: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
    let mut big = started(shape.big_len(), bias);
    connections(shape, |s, b, tap| big[b] += f64::from(small[s]) * f64::from(w[tap]));
    big
}

/// As [`crate::conv_weight::weight_gradient`].
pub fn weight_gradient(shape: &ConvShape, big: &[f32], small: &[f32]) -> Vec<f64> {
    let mut dw = vec![0.0; shape.weights()];
    connections(shape, |s, b, tap| dw[tap] += f64::from(small[s]) * f64::from(big[b]));
    dw
}

/// As [`crate::norm::batch_norm`] without an activation, from values in f64; scale and shift have one row or `n`.
pub fn batch_norm([n, pixels, channels]: NormShape, x: &[f64], gamma: &[f64], beta: &[f64], epsilon: f64) -> Vec<f64> {
    let count = (n * pixels) as f64;
    let of_channel = |j: usize| (0..n * pixels).map(move |i| x[i * channels + j]);
    let moments: Vec<(f64, f64)> = (0..channels)
        .map(|j| {
            let mean = of_channel(j).sum::<f64>() / count;
            (mean, of_channel(j).map(|x| (x - mean).powi(2)).sum::<f64>() / count)
        })
        .collect();
    let row = |values: &[f64], picture: usize, j: usize| {
        if values.len() == channels { values[j] } else { values[picture * channels + j] }
    };
    let normalised = |i: usize| {
        let (picture, j) = (i / (pixels * channels), i % channels);
        let (mean, variance) = moments[j];
        (x[i] - mean) / (variance + epsilon).sqrt() * row(gamma, picture, j) + row(beta, picture, j)
    };
    (0..x.len()).map(normalised).collect()
}
