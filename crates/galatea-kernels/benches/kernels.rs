//! `cargo bench -p galatea-kernels`: every kernel at the shapes of training. Items are floating-point operations, so
//! that Gitem/s are GFLOP/s. `GALATEA_THREADS` and `GALATEA_ISA` choose threads and instruction set.

use divan::Bencher;
use divan::counter::ItemsCount;
use galatea_kernels::conv::{ConvShape, gather, spread};
use galatea_kernels::conv_weight::weight_gradient;
use galatea_kernels::group_norm::group_norm;
use galatea_kernels::gru::{gru, gru_backward, gru_kept};
use galatea_kernels::layer_norm::{layer_norm, layer_norm_backward};
use galatea_kernels::linear::{LinearShape, linear, linear_input_gradient, linear_weight_gradient};
use galatea_kernels::loss::softmax_cross_entropy;
use galatea_kernels::lstm::{lstm, lstm_backward, lstm_kept};
use galatea_kernels::norm::{BatchNormed, Normed, batch_norm, batch_norm_backward};
use galatea_kernels::optim::{AdamStep, adam};
use galatea_kernels::recurrent::{Recurrence, RecurrentGradients, RecurrentShape, RecurrentWeights};
use galatea_kernels::{Activation, activation, layout, random};

fn main() {
    divan::main();
}

fn draw(len: usize) -> Vec<f32> {
    let mut values = vec![0.0; len];
    random::fill_normal(1, 0, &mut values);
    values
}

/// Layers of `gan` at batches of 32 and 256, and what is left of a generous cache.
const LINEAR: [LinearShape; 8] = [
    [32, 256, 512],
    [32, 512, 1024],
    [32, 1024, 784],
    [256, 512, 1024],
    [64, 6272, 1],
    [1024, 1024, 1024],
    [100, 784, 400],
    [5000, 400, 784],
];

fn products([m, inputs, outputs]: LinearShape) -> ItemsCount {
    ItemsCount::new(2 * m * inputs * outputs)
}

#[divan::bench(args = LINEAR)]
fn linear_forward(bencher: Bencher<'_, '_>, shape: LinearShape) {
    let [m, inputs, outputs] = shape;
    let (x, w, b, mut y) = (draw(m * inputs), draw(inputs * outputs), draw(outputs), draw(m * outputs));
    let function = Activation::LeakyRelu(0.2);
    bencher.counter(products(shape)).bench_local(|| linear(shape, &x, &w, Some(&b), function, &mut y));
}

#[divan::bench(args = LINEAR)]
fn linear_by_input(bencher: Bencher<'_, '_>, shape: LinearShape) {
    let [m, inputs, outputs] = shape;
    let (g, w, mut dx) = (draw(m * outputs), draw(inputs * outputs), draw(m * inputs));
    bencher.counter(products(shape)).bench_local(|| linear_input_gradient(shape, &g, &w, &mut dx));
}

#[divan::bench(args = LINEAR)]
fn linear_by_weight(bencher: Bencher<'_, '_>, shape: LinearShape) {
    let [m, inputs, outputs] = shape;
    let (x, g, mut dw) = (draw(m * inputs), draw(m * outputs), draw(inputs * outputs));
    bencher.counter(products(shape)).bench_local(|| linear_weight_gradient(shape, &x, &g, &mut dw));
}

/// Layers of `dcgan`: pictures, channels, side, and channels of the small picture; kernels of 4, stride 2, padding 1.
const CONV: [[usize; 4]; 6] =
    [[64, 1, 28, 64], [64, 64, 14, 128], [16, 64, 14, 128], [32, 3, 64, 64], [32, 64, 32, 128], [32, 128, 16, 256]];

fn shape([n, channels, side, small]: [usize; 4]) -> ConvShape {
    ConvShape::gathering(n, [channels, side, side], small, [4; 2], [2; 2], [1; 2]).expect("the kernel fits")
}

#[divan::bench(args = CONV)]
fn convolution(bencher: Bencher<'_, '_>, of: [usize; 4]) {
    let shape = shape(of);
    let (big, w, mut small) = (draw(shape.big_len()), draw(shape.weights()), draw(shape.small_len()));
    let run = || gather(&shape, &big, &w, None, Activation::Relu, &mut small);
    bencher.counter(ItemsCount::new(2 * shape.products())).bench_local(run);
}

#[divan::bench(args = CONV)]
fn transposed_convolution(bencher: Bencher<'_, '_>, of: [usize; 4]) {
    let shape = shape(of);
    let (small, w, mut big) = (draw(shape.small_len()), draw(shape.weights()), draw(shape.big_len()));
    let run = || spread(&shape, &small, &w, None, Activation::Identity, &mut big);
    bencher.counter(ItemsCount::new(2 * shape.products())).bench_local(run);
}

#[divan::bench(args = CONV)]
fn convolution_by_weight(bencher: Bencher<'_, '_>, of: [usize; 4]) {
    let shape = shape(of);
    let (big, small, mut dw) = (draw(shape.big_len()), draw(shape.small_len()), draw(shape.weights()));
    let run = || weight_gradient(&shape, &big, &small, &mut dw);
    bencher.counter(ItemsCount::new(2 * shape.products())).bench_local(run);
}

/// Pictures, pixels and channels of the largest normalised layer of `dcgan`. Items are values.
const NORM: [usize; 3] = [64, 196, 64];

#[divan::bench]
fn batch_norm_forward(bencher: Bencher<'_, '_>) {
    let [n, pixels, channels] = NORM;
    let (x, gamma, mut y) = (draw(n * pixels * channels), draw(channels), draw(n * pixels * channels));
    let (mut mean, mut variance) = (draw(channels), draw(channels));
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| {
        let statistics = [&mut mean[..], &mut variance[..]];
        batch_norm(NORM, &x, &gamma, &gamma, 1e-5, Activation::Relu, &mut y, statistics);
    });
}

#[divan::bench]
fn batch_norm_by_input(bencher: Bencher<'_, '_>) {
    let [n, pixels, channels] = NORM;
    let (x, gamma, mut dx) = (draw(n * pixels * channels), draw(channels), draw(n * pixels * channels));
    let (mut dgamma, mut dbeta, ones) = (draw(channels), draw(channels), vec![1.0; channels]);
    let of = BatchNormed {
        x: &x,
        y: &x,
        gamma: &gamma,
        mean: &gamma,
        variance: &ones,
        epsilon: 1e-5,
        function: Activation::Relu,
    };
    bencher
        .counter(ItemsCount::new(x.len()))
        .bench_local(|| batch_norm_backward(NORM, of, &x, &mut dx, &mut dgamma, &mut dbeta));
}

#[divan::bench]
fn group_norm_forward(bencher: Bencher<'_, '_>) {
    let [n, pixels, channels] = NORM;
    let (x, gamma, mut y) = (draw(n * pixels * channels), draw(channels), draw(n * pixels * channels));
    let (mut mean, mut variance) = (draw(n * 8), draw(n * 8));
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| {
        let statistics = [&mut mean[..], &mut variance[..]];
        group_norm(NORM, 8, &x, &gamma, &gamma, 1e-5, Activation::Relu, &mut y, statistics);
    });
}

/// Rows and channels of what a language model normalises.
const ROWS: [usize; 2] = [2048, 256];

#[divan::bench]
fn layer_norm_forward(bencher: Bencher<'_, '_>) {
    let [rows, channels] = ROWS;
    let (x, gamma, mut y) = (draw(rows * channels), draw(channels), draw(rows * channels));
    let (mut mean, mut variance) = (draw(rows), draw(rows));
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| {
        let statistics = [&mut mean[..], &mut variance[..]];
        layer_norm(ROWS, &x, &gamma, &gamma, 1e-5, Activation::Identity, &mut y, statistics);
    });
}

#[divan::bench]
fn layer_norm_by_input(bencher: Bencher<'_, '_>) {
    let [rows, channels] = ROWS;
    let (x, gamma, mut dx) = (draw(rows * channels), draw(channels), draw(rows * channels));
    let (mut dgamma, mut dbeta, mean, variance) = (draw(channels), draw(channels), draw(rows), vec![1.0; rows]);
    let (epsilon, function) = (1e-5, Activation::Identity);
    let of = Normed { x: &x, y: &x, gamma: &gamma, mean: &mean, variance: &variance, epsilon, function };
    bencher
        .counter(ItemsCount::new(x.len()))
        .bench_local(|| layer_norm_backward(ROWS, of, &x, &mut dx, [&mut dgamma, &mut dbeta]));
}

/// Steps, batch, inputs and units of a layer of the `lstm` case of `cargo xtask bench`, and of a small one.
const RECURRENT: [RecurrentShape; 2] = [[64, 32, 256, 256], [64, 32, 64, 64]];

/// A layer forward and backward.
fn recurrent(bencher: Bencher<'_, '_>, shape: RecurrentShape, gates: usize) {
    let [time, batch, inputs, hidden] = shape;
    let scaled = |len: usize| draw(len).iter().map(|value| 0.1 * value).collect::<Vec<f32>>();
    let (x, dy, state) = (draw(time * batch * inputs), draw(time * batch * hidden), draw(batch * hidden));
    let (input, own, bias) = (scaled(inputs * gates * hidden), scaled(hidden * gates * hidden), scaled(4 * hidden));
    let of = Recurrence { x: &x, weights: RecurrentWeights { input: &input, recurrent: &own, bias: &bias }, h: &state };
    let [mut dx, mut d_input, mut d_own, mut d_bias] = [&x, &input, &own, &bias].map(Clone::clone);
    let [mut dh, mut dc] = [&state; 2].map(Clone::clone);
    let mut y = draw(time * batch * hidden);
    let mut kept = draw(if gates == 4 { lstm_kept(shape) } else { gru_kept(shape) });
    bencher.counter(products([3 * time * batch, inputs + hidden, gates * hidden])).bench_local(|| {
        dh.fill(0.0);
        dc.fill(0.0);
        let to = RecurrentGradients { x: Some(&mut dx), input: &mut d_input, recurrent: &mut d_own, bias: &mut d_bias };
        if gates == 4 {
            lstm(shape, of, &state, &mut y, &mut kept);
            lstm_backward(shape, of, &state, [&y, &kept], &dy, [&mut dh, &mut dc], to);
        } else {
            gru(shape, of, &mut y, &mut kept);
            gru_backward(shape, of, [&y, &kept], &dy, &mut dh, to);
        }
    });
}

#[divan::bench(args = RECURRENT)]
fn lstm_both_ways(bencher: Bencher<'_, '_>, shape: RecurrentShape) {
    recurrent(bencher, shape, 4);
}

#[divan::bench(args = RECURRENT)]
fn gru_both_ways(bencher: Bencher<'_, '_>, shape: RecurrentShape) {
    recurrent(bencher, shape, 3);
}

/// Rows and classes: characters and words. Items are logits.
#[divan::bench(args = [[768, 65], [768, 5000]])]
fn cross_entropy(bencher: Bencher<'_, '_>, [rows, classes]: [usize; 2]) {
    let (x, mut dx) = (draw(rows * classes), draw(rows * classes));
    let labels: Vec<u32> = (0..rows).map(|i| (i % classes) as u32).collect();
    bencher.counter(ItemsCount::new(x.len())).bench_local(|| softmax_cross_entropy(classes, &x, &labels, &mut dx));
}

#[divan::bench]
fn adam_of_ten_million(bencher: Bencher<'_, '_>) {
    let n = 10_000_000;
    let (mut values, gradient, mut first, mut second) = (draw(n), draw(n), vec![0.0; n], vec![0.1; n]);
    let at = AdamStep { lr: 1e-3, beta_1: 0.5, beta_2: 0.999, epsilon: 1e-8, step: 3 };
    bencher.counter(ItemsCount::new(n)).bench_local(|| adam(&mut values, &gradient, 1.0, &mut first, &mut second, &at));
}

#[divan::bench]
fn tanh_in_place(bencher: Bencher<'_, '_>) {
    let mut values = draw(64 * 784);
    bencher.counter(ItemsCount::new(values.len())).bench_local(|| activation::activate(Activation::Tanh, &mut values));
}

#[divan::bench]
fn transpose(bencher: Bencher<'_, '_>) {
    let (from, mut to) = (draw(64 * 64 * 196), draw(64 * 64 * 196));
    bencher.counter(ItemsCount::new(from.len())).bench_local(|| layout::transpose(64, 64, 196, &from, &mut to));
}

#[divan::bench]
fn column_sums(bencher: Bencher<'_, '_>) {
    let (values, mut sums) = (draw(64 * 196 * 64), draw(64));
    bencher.counter(ItemsCount::new(values.len())).bench_local(|| layout::column_sums(64, &values, &mut sums));
}

#[divan::bench]
fn normal_values(bencher: Bencher<'_, '_>) {
    let mut values = draw(64 * 100);
    bencher.counter(ItemsCount::new(values.len())).bench_local(|| random::fill_normal(1, 2, &mut values));
}
