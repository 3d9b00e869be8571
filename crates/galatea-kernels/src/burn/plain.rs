//! The same operations made of Burn's own, for backends that the kernels do not work on.

use burn::prelude::*;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{TensorData, activation, module};

use super::{AdamStep, ConvGeometry, Recurrent, RmsPropStep, SgdStep, from_vec};
use crate::Activation;
use crate::attention::AttentionShape;
use crate::pictures::Alteration;

fn activate<const D: usize>(x: Tensor<D>, function: Activation) -> Tensor<D> {
    match function {
        Activation::Identity => x,
        Activation::Relu => activation::relu(x),
        Activation::LeakyRelu(slope) => activation::leaky_relu(x, f64::from(slope)),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => activation::sigmoid(x),
    }
}

pub(super) fn linear(x: Tensor<2>, w: Tensor<2>, b: Option<Tensor<1>>, function: Activation) -> Tensor<2> {
    let y = x.matmul(w);
    let y = match b {
        Some(b) => y + b.unsqueeze(),
        None => y,
    };
    activate(y, function)
}

pub(super) fn conv2d(
    x: Tensor<4>,
    w: Tensor<4>,
    b: Option<Tensor<1>>,
    at: ConvGeometry,
    dilation: [usize; 2],
    groups: usize,
    function: Activation,
) -> Tensor<4> {
    let options = ConvOptions::new(at.stride, at.padding, dilation, groups);
    activate(module::conv2d(x, w, b, options), function)
}

pub(super) fn conv_transpose2d(
    x: Tensor<4>,
    w: Tensor<4>,
    b: Option<Tensor<1>>,
    at: ConvGeometry,
    function: Activation,
) -> Tensor<4> {
    let options = ConvTransposeOptions::new(at.stride, at.padding, at.output_padding, [1, 1], 1);
    activate(module::conv_transpose2d(x, w, b, options), function)
}

/// `[rows, channels]` as `[rows, channels, 1, 1]`.
fn by_channel(scale: Tensor<2>) -> Tensor<4> {
    let [rows, channels] = scale.dims();
    scale.reshape([rows, channels, 1, 1])
}

pub(super) fn batch_norm(
    x: Tensor<4>,
    gamma: Tensor<2>,
    beta: Tensor<2>,
    epsilon: f32,
    function: Activation,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let [_, channels, ..] = x.dims();
    let mean = x.clone().mean_dims(&[0, 2, 3]); // [1, channels, 1, 1]
    let centred = x - mean.clone();
    let variance = centred.clone().powi_scalar(2).mean_dims(&[0, 2, 3]);
    let normalised = centred / variance.clone().add_scalar(epsilon).sqrt();
    let y = normalised * by_channel(gamma) + by_channel(beta);
    (activate(y, function), mean.reshape([channels]).detach(), variance.reshape([channels]).detach())
}

pub(super) fn scale_shift(x: Tensor<4>, scale: Tensor<2>, shift: Tensor<2>, function: Activation) -> Tensor<4> {
    activate(x * by_channel(scale) + by_channel(shift), function)
}

pub(super) fn alter(x: Tensor<4>, alterations: &[Alteration]) -> Tensor<4> {
    let [n, channels, height, width] = x.dims();
    let device = x.device();
    let each = |value: fn(&Alteration) -> f32| -> Tensor<4> {
        from_vec(alterations.iter().map(value).collect(), [n, 1, 1, 1], &device)
    };
    let x = x + each(|a| a.brightness);
    let grey = x.clone().mean_dim(1);
    let x = (x - grey.clone()) * each(|a| a.saturation) + grey;
    let mean = x.clone().mean_dims(&[1, 2, 3]);
    let x = (x - mean.clone()) * each(|a| a.contrast) + mean;
    // Each pixel is the sum of four others, or of what is left of them inside of the picture.
    let x = x.reshape([n, channels, height * width]);
    let pixels = || (0..height * width).map(|i| [i / width, i % width]);
    let mut y = x.zeros_like();
    for corner in 0..4 {
        let (mut places, mut shares) = (Vec::new(), Vec::new());
        for alteration in alterations {
            for pixel in pixels() {
                let (place, share) = alteration.sources(pixel, [height, width])[corner];
                places.push(place as i32);
                shares.push(if alteration.is_hole(pixel[0], pixel[1]) { 0.0 } else { share });
            }
        }
        let places = Tensor::<3, Int>::from_data(TensorData::new(places, [n, 1, height * width]), &device);
        let shares: Tensor<3> = from_vec(shares, [n, 1, height * width], &device);
        y = y + x.clone().gather(2, places.repeat_dim(1, channels)) * shares;
    }
    y.reshape([n, channels, height, width])
}

pub(super) fn softplus_mean(x: Tensor<2>, sign: f32) -> Tensor<1> {
    activation::softplus(x.mul_scalar(sign), 1.0).mean()
}

pub(super) fn hinge_mean(x: Tensor<2>, sign: f32) -> Tensor<1> {
    activation::relu(x.mul_scalar(sign).add_scalar(1.0)).mean()
}

pub(super) fn leaky_relu_backward<const D: usize>(g: Tensor<D>, y: Tensor<D>, slope: f32) -> Tensor<D> {
    let slopes = y.detach().greater_elem(0.0).float().mul_scalar(1.0 - slope).add_scalar(slope);
    g * slopes
}

pub(super) fn adam_step<const D: usize>(
    value: Tensor<D>,
    gradient: Tensor<D>,
    first: Tensor<D>,
    second: Tensor<D>,
    at: &AdamStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let first = first.mul_scalar(at.beta_1) + gradient.clone().mul_scalar(1.0 - at.beta_1);
    let second = second.mul_scalar(at.beta_2) + gradient.powi_scalar(2).mul_scalar(1.0 - at.beta_2);
    let correction = |beta: f32| 1.0 - f64::from(beta).powf(at.step as f64);
    let rate = f64::from(at.lr) / correction(at.beta_1);
    let root = second.clone().div_scalar(correction(at.beta_2)).sqrt().add_scalar(at.epsilon);
    let value = value - first.clone().mul_scalar(rate) / root;
    (value, first, second)
}

pub(super) fn lerp<const D: usize>(average: Tensor<D>, value: Tensor<D>, weight: f32) -> Tensor<D> {
    average.clone() + (value - average).mul_scalar(weight)
}

pub(super) fn rmsprop_step<const D: usize>(
    value: Tensor<D>,
    gradient: Tensor<D>,
    squares: Tensor<D>,
    velocity: Tensor<D>,
    at: &RmsPropStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    let squares = squares.mul_scalar(at.decay) + gradient.clone().powi_scalar(2).mul_scalar(1.0 - at.decay);
    let step = gradient / squares.clone().sqrt().add_scalar(at.epsilon);
    if at.momentum == 0.0 {
        return (value - step.mul_scalar(at.lr), squares, velocity);
    }
    let velocity = velocity.mul_scalar(at.momentum) + step;
    (value - velocity.clone().mul_scalar(at.lr), squares, velocity)
}

pub(super) fn sgd_step<const D: usize>(
    value: Tensor<D>,
    gradient: Tensor<D>,
    velocity: Tensor<D>,
    at: &SgdStep,
) -> (Tensor<D>, Tensor<D>) {
    if at.momentum == 0.0 {
        return (value - gradient.mul_scalar(at.lr), velocity);
    }
    let velocity = velocity.mul_scalar(at.momentum) + gradient.clone();
    let step = if at.nesterov { velocity.clone().mul_scalar(at.momentum) + gradient } else { velocity.clone() };
    (value - step.mul_scalar(at.lr), velocity)
}

pub(super) fn cross_entropy(x: Tensor<2>, labels: &[u32]) -> Tensor<1> {
    let [rows, _] = x.dims();
    let labels: Vec<i64> = labels.iter().map(|label| i64::from(*label)).collect();
    let labels = Tensor::<2, Int>::from_data(burn::tensor::TensorData::new(labels, [rows, 1]), &x.device());
    activation::log_softmax(x, 1).gather(1, labels).sum().mul_scalar(-1.0 / rows.max(1) as f64)
}

pub(super) fn bernoulli_rows(x: Tensor<2>, targets: Tensor<2>) -> Tensor<2> {
    (x.clone() * targets - activation::softplus(x, 1.0)).sum_dim(1)
}

pub(super) fn layer_norm(
    x: Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f32,
    function: Activation,
) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().powi_scalar(2).mean_dim(1);
    activate(centred / variance.add_scalar(epsilon).sqrt() * gamma.unsqueeze() + beta.unsqueeze(), function)
}

pub(super) fn group_norm(
    x: Tensor<4>,
    groups: usize,
    gamma: Tensor<2>,
    beta: Tensor<2>,
    epsilon: f32,
    function: Activation,
) -> Tensor<4> {
    let [n, channels, height, width] = x.dims();
    let rows = x.reshape([n * groups, channels / groups * height * width]);
    let centred = rows.clone() - rows.mean_dim(1);
    let variance = centred.clone().powi_scalar(2).mean_dim(1);
    let normalised = (centred / variance.add_scalar(epsilon).sqrt()).reshape([n, channels, height, width]);
    activate(normalised * by_channel(gamma) + by_channel(beta), function)
}

/// Step `t` of `[time, batch, inputs]`.
fn at_step(x: &Tensor<3>, t: usize) -> Tensor<2> {
    x.clone().narrow(0, t, 1).squeeze_dim(0)
}

pub(super) fn lstm(x: Tensor<3>, weights: Recurrent, mut h: Tensor<2>, mut c: Tensor<2>) -> (Tensor<3>, Tensor<2>) {
    let Recurrent { input, recurrent, bias } = weights;
    let mut outputs = Vec::new();
    for t in 0..x.dims()[0] {
        let gates = at_step(&x, t).matmul(input.clone()) + h.matmul(recurrent.clone()) + bias.clone().unsqueeze();
        let [i, f, g, o] = gates.chunk(4, 1).try_into().expect("four gates");
        c = activation::sigmoid(f) * c + activation::sigmoid(i) * g.tanh();
        h = activation::sigmoid(o) * c.clone().tanh();
        outputs.push(h.clone());
    }
    (Tensor::stack(outputs, 0), c.detach())
}

pub(super) fn gru(x: Tensor<3>, weights: Recurrent, mut h: Tensor<2>) -> Tensor<3> {
    let Recurrent { input, recurrent, bias } = weights;
    let hidden = h.dims()[1];
    let (bias, inner_bias) = (bias.clone().narrow(0, 0, 3 * hidden), bias.narrow(0, 3 * hidden, hidden));
    let mut outputs = Vec::new();
    for t in 0..x.dims()[0] {
        let of_input = at_step(&x, t).matmul(input.clone()) + bias.clone().unsqueeze();
        let [r, z, n] = of_input.chunk(3, 1).try_into().expect("three gates");
        let [by_r, by_z, by_n] = h.clone().matmul(recurrent.clone()).chunk(3, 1).try_into().expect("three gates");
        let (r, z) = (activation::sigmoid(r + by_r), activation::sigmoid(z + by_z));
        let n = (n + r * (by_n + inner_bias.clone().unsqueeze())).tanh();
        h = z.clone() * (h - n.clone()) + n;
        outputs.push(h.clone());
    }
    Tensor::stack(outputs, 0)
}

pub(super) fn pick(table: Tensor<2>, rows: &[u32]) -> Tensor<2> {
    let rows: Vec<i64> = rows.iter().map(|row| i64::from(*row)).collect();
    let count = rows.len();
    let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &table.device());
    table.select(0, rows)
}

pub(super) fn gelu(x: Tensor<2>) -> Tensor<2> {
    let inner = (x.clone() + x.clone().powi_scalar(3).mul_scalar(0.044_715)).mul_scalar(0.797_884_6);
    x.mul_scalar(0.5) * inner.tanh().add_scalar(1.0)
}

/// Each half of the heads `[batch, heads, time, size]` turned by the angles of rotary positions.
fn turned(x: Tensor<4>, base: f32) -> Tensor<4> {
    let [_, _, time, size] = x.dims();
    let half = size / 2;
    let angle = |i: usize| (i / half) as f64 * f64::from(base).powf(-((i % half) as f64) / half as f64);
    let table = |of: fn(f64) -> f64| -> Tensor<4> {
        from_vec((0..time * half).map(|i| of(angle(i)) as f32).collect(), [1, 1, time, half], &x.device())
    };
    let (cos, sin) = (table(f64::cos), table(f64::sin));
    let (a, b) = (x.clone().narrow(3, 0, half), x.clone().narrow(3, half, half));
    let first = a.clone() * cos.clone() - b.clone() * sin.clone();
    Tensor::cat(vec![first, a * sin + b * cos], 3)
}

pub(super) fn attention(qkv: Tensor<2>, shape: AttentionShape) -> Tensor<2> {
    let AttentionShape { batch, time, heads, size, rotary } = shape;
    let width = shape.width();
    let head = |which: usize| {
        let x = qkv.clone().narrow(1, which * width, width).reshape([batch, time, heads, size]);
        x.swap_dims(1, 2) // [batch, heads, time, size]
    };
    let (mut q, mut k, v) = (head(0), head(1), head(2));
    if let Some(base) = rotary {
        (q, k) = (turned(q, base), turned(k, base));
    }
    let scores = q.matmul(k.transpose()).div_scalar((size as f64).sqrt()); // [batch, heads, time, time]
    let masked = (0..time * time).map(|i| if i % time > i / time { -1e30 } else { 0.0 }).collect();
    let mask: Tensor<4> = from_vec(masked, [1, 1, time, time], &scores.device());
    let y = activation::softmax(scores + mask, 3).matmul(v);
    y.swap_dims(1, 2).reshape([batch * time, width])
}
