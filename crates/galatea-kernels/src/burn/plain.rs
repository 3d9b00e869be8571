//! The same operations made of Burn's own, for backends that the kernels do not work on.

use burn::prelude::*;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{TensorData, activation, module};

use super::{AdamStep, ConvGeometry, from_vec};
use crate::Activation;
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
    function: Activation,
) -> Tensor<4> {
    let options = ConvOptions::new(at.stride, at.padding, [1, 1], 1);
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
