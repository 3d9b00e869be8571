//! Operations on Burn's tensors that networks are made of. All are differentiable, most of them twice: what gradient
//! penalties need is composed of them (see `galatea_models::nn::layers`).

use burn::prelude::*;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
use burn::tensor::{TensorData, activation, module};

use crate::Activation;

fn activate<const D: usize>(x: Tensor<D>, function: Activation) -> Tensor<D> {
    match function {
        Activation::Identity => x,
        Activation::Relu => activation::relu(x),
        Activation::LeakyRelu(slope) => activation::leaky_relu(x, f64::from(slope)),
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => activation::sigmoid(x),
    }
}

/// `act(x W + b)`: `x` is `[n, inputs]`, `w` `[inputs, outputs]`, `b` `[outputs]`; the result `[n, outputs]`.
pub fn linear(x: Tensor<2>, w: Tensor<2>, b: Option<Tensor<1>>, function: Activation) -> Tensor<2> {
    let y = x.matmul(w);
    let y = match b {
        Some(b) => y + b.unsqueeze(),
        None => y,
    };
    activate(y, function)
}

/// `g W^T`, the gradient by the input of a linear layer: `g` is `[n, outputs]`, `w` `[inputs, outputs]`.
pub fn linear_transposed(g: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    g.matmul(w.transpose())
}

/// Where the kernel of a convolution goes; `[vertical, horizontal]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvGeometry {
    /// Pixels from one place of the kernel to the next.
    pub stride: [usize; 2],
    /// Zeros around the picture.
    pub padding: [usize; 2],
    /// Rows and columns that a transposed convolution adds at the end.
    pub output_padding: [usize; 2],
}

/// `act(x * W + b)`: `x` is `[n, inputs, height, width]`, `w` `[outputs, inputs, kernel, kernel]`, `b` `[outputs]`.
pub fn conv2d(x: Tensor<4>, w: Tensor<4>, b: Option<Tensor<1>>, at: ConvGeometry, function: Activation) -> Tensor<4> {
    let options = ConvOptions::new(at.stride, at.padding, [1, 1], 1);
    activate(module::conv2d(x, w, b, options), function)
}

/// The transposed convolution: `x` is `[n, inputs, height, width]`, `w` `[inputs, outputs, kernel, kernel]`.
///
/// With the weights of [`conv2d`] and its output's gradient for `x` this is the gradient by its input.
pub fn conv_transpose2d(
    x: Tensor<4>,
    w: Tensor<4>,
    b: Option<Tensor<1>>,
    at: ConvGeometry,
    function: Activation,
) -> Tensor<4> {
    let options = ConvTransposeOptions::new(at.stride, at.padding, at.output_padding, [1, 1], 1);
    activate(module::conv_transpose2d(x, w, b, options), function)
}

/// Batch normalisation by the batch's own statistics, through which gradients flow. `x` is `[n, channels, height, width]`,
/// `gamma` and `beta` are `[channels]`.
///
/// Returns the result, and mean and biased variance of the batch, `[channels]` each, without gradients.
pub fn batch_norm(
    x: Tensor<4>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f32,
    function: Activation,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    let [channels] = gamma.dims();
    let mean = x.clone().mean_dims(&[0, 2, 3]); // [1, channels, 1, 1]
    let centred = x - mean.clone();
    let variance = centred.clone().powi_scalar(2).mean_dims(&[0, 2, 3]);
    let y = centred / variance.clone().add_scalar(epsilon).sqrt() * gamma.reshape([1, channels, 1, 1])
        + beta.reshape([1, channels, 1, 1]);
    (activate(y, function), mean.reshape([channels]).detach(), variance.reshape([channels]).detach())
}

/// `act(x * scale + shift)` by channel; `scale` and `shift` are `[channels]`.
pub fn scale_shift(x: Tensor<4>, scale: Tensor<1>, shift: Tensor<1>, function: Activation) -> Tensor<4> {
    let [channels] = scale.dims();
    activate(x * scale.reshape([1, channels, 1, 1]) + shift.reshape([1, channels, 1, 1]), function)
}

/// The mean of `softplus(sign x)`, `[1]`. Cross-entropy from logits: `sign` is -1 for examples that are real, 1 for others.
pub fn softplus_mean(x: Tensor<2>, sign: f32) -> Tensor<1> {
    activation::softplus(x.mul_scalar(sign), 1.0).mean()
}

/// The mean of `max(0, 1 + sign x)`, `[1]`.
pub fn hinge_mean(x: Tensor<2>, sign: f32) -> Tensor<1> {
    activation::relu(x.mul_scalar(sign).add_scalar(1.0)).mean()
}

/// `g` times the slope of a leaky ReLU at the place where its output was `y`; differentiable by `g`.
pub fn leaky_relu_backward<const D: usize>(g: Tensor<D>, y: Tensor<D>, slope: f32) -> Tensor<D> {
    let slopes = y.detach().greater_elem(0.0).float().mul_scalar(1.0 - slope).add_scalar(slope);
    g * slopes
}

/// Settings of one step of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the average of gradients.
    pub beta_1: f32,
    /// Decay of the average of squared gradients.
    pub beta_2: f32,
    /// Added to the root of the second average.
    pub epsilon: f32,
    /// Number of the step, from 1.
    pub step: u64,
}

/// One step of Adam: new values, first and second moments. As in PyTorch, epsilon is added after the bias is corrected.
///
/// Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
pub fn adam_step<const D: usize>(
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

/// `average + weight (value - average)`.
pub fn lerp<const D: usize>(average: Tensor<D>, value: Tensor<D>, weight: f32) -> Tensor<D> {
    average.clone() + (value - average).mul_scalar(weight)
}

/// The sum of squares, in f64 and in the order of the elements.
pub fn squared_norm<const D: usize>(x: Tensor<D>) -> f64 {
    to_vec(x).iter().map(|value| f64::from(*value).powi(2)).sum()
}

/// A tensor of host values.
///
/// # Panics
/// If there are not as many values as the shape holds.
pub fn from_vec<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A tensor's values in row-major order.
///
/// # Panics
/// If they are not f32.
pub fn to_vec<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    match x.into_data().try_to_vec::<f32>() {
        Ok(values) => values,
        Err(error) => panic!("tensors of networks are f32: {error:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(values: &[f32]) -> Tensor<1> {
        from_vec(values.to_vec(), [values.len()], &Device::flex())
    }

    /// The first three steps of `torch.optim.Adam(lr=0.1, betas=(0.5, 0.99), eps=1e-8)` on 1 with gradients 1, -2, 0.5.
    #[test]
    fn adam_steps_as_published() {
        let (mut value, mut first, mut second) = (vector(&[1.0]), vector(&[0.0]), vector(&[0.0]));
        let (mut x, mut m, mut v) = (1.0f64, 0.0f64, 0.0f64);
        for (step, gradient) in [(1, 1.0f32), (2, -2.0), (3, 0.5)] {
            let at = AdamStep { lr: 0.1, beta_1: 0.5, beta_2: 0.99, epsilon: 1e-8, step };
            (value, first, second) = adam_step(value, vector(&[gradient]), first, second, &at);
            let g = f64::from(gradient);
            (m, v) = (0.5 * m + 0.5 * g, 0.99 * v + 0.01 * g * g);
            let t = step as i32;
            x -= 0.1 * (m / (1.0 - 0.5f64.powi(t))) / ((v / (1.0 - 0.99f64.powi(t))).sqrt() + 1e-8);
        }
        assert!((f64::from(to_vec(value)[0]) - x).abs() < 1e-6);
    }

    #[test]
    fn the_transposed_operations_are_the_gradients_by_the_input() {
        let device = Device::flex().autodiff();
        let draw = |shape: [usize; 4], stream| {
            let mut values = vec![0.0; shape.iter().product()];
            crate::random::fill_normal(3, stream, &mut values);
            from_vec(values, shape, &device)
        };
        let (x, w) = (draw([2, 3, 9, 8], 0).require_grad(), draw([5, 3, 4, 4], 1));
        let at = ConvGeometry { stride: [2, 2], padding: [1, 1], output_padding: [0, 0] };
        let y = conv2d(x.clone(), w.clone(), None, at, Activation::Identity);
        let g = draw(y.dims(), 2);
        let tape = (y * g.clone()).sum().backward();
        let expected = to_vec(x.grad(&tape).unwrap());
        // 9 rows are halved to 4, of which 8 come back: one is added.
        let back = ConvGeometry { output_padding: [1, 0], ..at };
        let found = to_vec(conv_transpose2d(g, w, None, back, Activation::Identity));
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-4));
    }

    #[test]
    fn losses_keep_what_is_not_a_number() {
        let logits = from_vec(vec![f32::NAN, 1.0], [2, 1], &Device::flex());
        assert!(to_vec(softplus_mean(logits.clone(), 1.0))[0].is_nan());
        let large = from_vec(vec![1e4, -1e4], [2, 1], &Device::flex());
        assert!((to_vec(softplus_mean(large, 1.0))[0] - 5e3).abs() < 1.0);
    }
}
