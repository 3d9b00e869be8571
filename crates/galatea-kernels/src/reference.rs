//! What the kernels compute, written in the plainest way and summed in f64: the reference that tests hold them to.

use crate::attention::AttentionShape;
use crate::conv::ConvShape;
use crate::linear::LinearShape;
use crate::norm::NormShape;
use crate::pictures::Alteration;
use crate::recurrent::RecurrentShape;

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

/// Changed pictures, as [`crate::pictures::alter`].
pub fn alter([n, height, width, channels]: [usize; 4], x: &[f32], alterations: &[Alteration]) -> Vec<f64> {
    let len = height * width * channels;
    let mut changed = Vec::with_capacity(n * len);
    for (x, alteration) in x.chunks_exact(len).zip(alterations) {
        let Alteration { brightness, saturation, contrast, from, hole } = *alteration;
        let mut x: Vec<f64> = x.iter().map(|x| f64::from(*x) + f64::from(brightness)).collect();
        let move_from = |mean: f64, x: &mut f64, factor: f32| *x = mean + f64::from(factor) * (*x - mean);
        for pixel in x.chunks_exact_mut(channels) {
            let mean = pixel.iter().sum::<f64>() / channels as f64;
            pixel.iter_mut().for_each(|x| move_from(mean, x, saturation));
        }
        let mean = x.iter().sum::<f64>() / len as f64;
        x.iter_mut().for_each(|x| move_from(mean, x, contrast));
        let [a, b, c, d, e, f] = from.map(f64::from);
        let [top, bottom, left, right] = hole.map(f64::from);
        let pixels = || (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        // Each pixel of the source counts by how near it is to the place that is wanted.
        let near = |wanted: f64, place: usize| (1.0 - (wanted - place as f64).abs()).max(0.0);
        for ((row, column), channel) in pixels().flat_map(|pixel| (0..channels).map(move |channel| (pixel, channel))) {
            let [row, column] = [row as f64, column as f64];
            let [y, x_place] = [a * row + b * column + c, d * row + e * column + f];
            let is_hole = (top..bottom).contains(&row) && (left..right).contains(&column);
            let sum = |(i, j): (usize, usize)| near(y, i) * near(x_place, j) * x[(i * width + j) * channels + channel];
            changed.push(if is_hole { 0.0 } else { pixels().map(sum).sum() });
        }
    }
    changed
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

/// As [`crate::group_norm::group_norm`] without an activation, from values in f64; scale and shift have one row or `n`.
pub fn group_norm(
    [n, pixels, channels]: NormShape,
    groups: usize,
    x: &[f64],
    gamma: &[f64],
    beta: &[f64],
    epsilon: f64,
) -> Vec<f64> {
    let width = channels / groups;
    // The index of a value in `x` and the group that it belongs to.
    let group_of = |i: usize| (i / (pixels * channels), i % channels / width);
    let mut moments = std::collections::HashMap::new();
    for group in (0..n).flat_map(|picture| (0..groups).map(move |group| (picture, group))) {
        let values: Vec<f64> = (0..x.len()).filter(|i| group_of(*i) == group).map(|i| x[i]).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / values.len() as f64;
        moments.insert(group, (mean, variance));
    }
    let row = |values: &[f64], i: usize| {
        if values.len() == channels {
            values[i % channels]
        } else {
            values[i / (pixels * channels) * channels + i % channels]
        }
    };
    let normalised = |i: usize| {
        let (mean, variance) = moments[&group_of(i)];
        (x[i] - mean) / (variance + epsilon).sqrt() * row(gamma, i) + row(beta, i)
    };
    (0..x.len()).map(normalised).collect()
}

/// As [`crate::layer_norm::layer_norm`] without an activation, from values in f64.
pub fn layer_norm([rows, channels]: [usize; 2], x: &[f64], gamma: &[f64], beta: &[f64], epsilon: f64) -> Vec<f64> {
    group_norm([rows, 1, channels], 1, x, gamma, beta, epsilon)
}

/// As [`crate::loss::softmax_cross_entropy`]: the loss, and its derivative by each logit.
pub fn softmax_cross_entropy(classes: usize, x: &[f32], labels: &[u32]) -> (f64, Vec<f64>) {
    let (mut loss, mut dx, n) = (0.0, Vec::new(), labels.len().max(1) as f64);
    for (x, label) in x.chunks_exact(classes.max(1)).zip(labels) {
        let largest = x.iter().fold(f64::NEG_INFINITY, |largest, x| largest.max(f64::from(*x)));
        let shares: Vec<f64> = x.iter().map(|x| (f64::from(*x) - largest).exp()).collect();
        let total: f64 = shares.iter().sum();
        loss -= (shares[*label as usize] / total).ln() / n;
        dx.extend(shares.iter().enumerate().map(|(j, e)| (e / total - f64::from(u8::from(j == *label as usize))) / n));
    }
    (loss, dx)
}

/// As [`crate::bernoulli::bernoulli_rows`]: the sum of each row, and the derivative by each logit.
pub fn bernoulli_rows(width: usize, x: &[f32], targets: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let (x, targets) = (x.iter().map(|x| f64::from(*x)), targets.iter().map(|t| f64::from(*t)));
    let (values, slopes): (Vec<f64>, Vec<f64>) =
        x.zip(targets).map(|(x, t)| (t * x - x.max(0.0) - (-x.abs()).exp().ln_1p(), t - sigmoid(x))).unzip();
    (values.chunks_exact(width.max(1)).map(|row| row.iter().sum()).collect(), slopes)
}

/// `x w` of one row, with `w` `[x.len(), columns]`.
fn row_product(x: &[f64], w: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).map(|j| x.iter().enumerate().map(|(k, x)| x * w[k * columns + j]).sum()).collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// As [`crate::lstm::lstm`], from values in f64: all outputs, and the states `h` and `c` at the end. `weights` are those
/// by the input, by the state, and the bias.
pub fn lstm(shape: RecurrentShape, x: &[f64], weights: [&[f64]; 3], states: [&[f64]; 2]) -> [Vec<f64>; 3] {
    let ([_, _, inputs, hidden], [w, u, bias]) = (shape, weights);
    let [mut h, mut c] = states.map(<[f64]>::to_vec);
    let mut y = Vec::new();
    each_step(shape, |first, row| {
        let x = &x[row * inputs..(row + 1) * inputs];
        let state = first..first + hidden;
        let (by_x, by_h) = (row_product(x, w, 4 * hidden), row_product(&h[state.clone()], u, 4 * hidden));
        let gate = |gate: usize, j: usize| by_x[gate * hidden + j] + by_h[gate * hidden + j] + bias[gate * hidden + j];
        let next: Vec<[f64; 2]> = (0..hidden)
            .map(|j| {
                let cell = sigmoid(gate(1, j)) * c[first + j] + sigmoid(gate(0, j)) * gate(2, j).tanh();
                [sigmoid(gate(3, j)) * cell.tanh(), cell]
            })
            .collect();
        for (at, [output, cell]) in state.zip(next) {
            (h[at], c[at]) = (output, cell);
            y.push(output);
        }
    });
    [y, h, c]
}

/// As [`crate::gru::gru`], from values in f64: all outputs, and the state at the end.
pub fn gru(shape: RecurrentShape, x: &[f64], weights: [&[f64]; 3], state: &[f64]) -> [Vec<f64>; 2] {
    let ([_, _, inputs, hidden], [w, u, bias]) = (shape, weights);
    let mut h = state.to_vec();
    let mut y = Vec::new();
    each_step(shape, |first, row| {
        let x = &x[row * inputs..(row + 1) * inputs];
        let before = &h[first..first + hidden];
        let (by_x, by_h) = (row_product(x, w, 3 * hidden), row_product(before, u, 3 * hidden));
        let from_x = |gate: usize, j: usize| by_x[gate * hidden + j] + bias[gate * hidden + j];
        let next: Vec<f64> = (0..hidden)
            .map(|j| {
                let r = sigmoid(from_x(0, j) + by_h[j]);
                let z = sigmoid(from_x(1, j) + by_h[hidden + j]);
                let n = (from_x(2, j) + r * (by_h[2 * hidden + j] + bias[3 * hidden + j])).tanh();
                (1.0 - z) * n + z * before[j]
            })
            .collect();
        h[first..first + hidden].copy_from_slice(&next);
        y.extend(next);
    });
    [y, h]
}

/// Calls `body` with the index of the first value of a sequence's state and the row of its input, for each step of each.
fn each_step([time, batch, _, hidden]: RecurrentShape, mut body: impl FnMut(usize, usize)) {
    (0..time * batch).for_each(|row| body(row % batch * hidden, row));
}

/// As [`crate::gelu::gelu`], from values in f64.
pub fn gelu(x: &[f64]) -> Vec<f64> {
    let inner = |x: f64| (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
    x.iter().map(|x| 0.5 * x * (1.0 + inner(*x).tanh())).collect()
}

/// As [`crate::attention::attention`], from values in f64.
pub fn attention(shape: AttentionShape, qkv: &[f64]) -> Vec<f64> {
    let AttentionShape { batch, time, heads, size, rotary } = shape;
    let width = shape.width();
    let mut out = vec![0.0; batch * time * width];
    for (sequence, head) in (0..batch).flat_map(|sequence| (0..heads).map(move |head| (sequence, head))) {
        let value =
            |which: usize, t: usize, j: usize| qkv[((sequence * time + t) * 3 + which) * width + head * size + j];
        // Queries and keys, turned where they are.
        let turned = |which: usize, t: usize, j: usize| {
            let Some(base) = rotary else { return value(which, t, j) };
            let half = size / 2;
            let angle = t as f64 * f64::from(base).powf(-((j % half) as f64) / half as f64);
            let sign = if j < half { -1.0 } else { 1.0 };
            value(which, t, j) * angle.cos() + sign * value(which, t, (j + half) % size) * angle.sin()
        };
        for t in 0..time {
            let score = |s: usize| (0..size).map(|j| turned(0, t, j) * turned(1, s, j)).sum::<f64>();
            let weights: Vec<f64> = (0..=t).map(|s| (score(s) / (size as f64).sqrt()).exp()).collect();
            let total: f64 = weights.iter().sum();
            for j in 0..size {
                let sum: f64 = weights.iter().enumerate().map(|(s, weight)| weight * value(2, s, j)).sum();
                out[(sequence * time + t) * width + head * size + j] = sum / total;
            }
        }
    }
    out
}
