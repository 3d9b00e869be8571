//! Operations on Burn's tensors that networks are made of. All are differentiable, most of them twice: what gradient
//! penalties need is composed of them (see `galatea_models::nn::layers`).
//!
//! On the CPU backend they run on this crate's kernels, elsewhere, or with `GALATEA_KERNELS=burn` in the environment, on
//! Burn's own operations. Both give the same values up to rounding.

mod autodiff;
mod bernoulli;
mod fused;
mod norms;
mod optim;
mod pictures;
mod plain;
mod recurrent;
mod sequence;

use std::sync::OnceLock;

use burn::backend::{Dispatch, DispatchDevice};
use burn::prelude::*;
use burn::tensor::{DType, TensorData};

use crate::Activation;
use crate::buffer::Buffer;
pub use crate::optim::{AdamStep, RmsPropStep, SgdStep};
pub use bernoulli::bernoulli_rows;
use fused::{Direction, FusedOps, MeanLoss};
pub use norms::{group_norm, layer_norm};
pub use optim::{adam_step, adamw_step, lerp, rmsprop_step, sgd_step, squared_norm};
pub use pictures::alter;
pub use recurrent::{Recurrent, gru, lstm};
pub use sequence::{attention, gelu, pick};

/// Whether the kernels can work on `x`.
fn is_fused<const D: usize>(x: &Tensor<D>) -> bool {
    static OFF: OnceLock<bool> = OnceLock::new();
    let off = *OFF.get_or_init(|| std::env::var("GALATEA_KERNELS").is_ok_and(|value| value == "burn"));
    !off && x.dtype() == DType::F32 && matches!(x.device().without_autodiff().as_dispatch(), DispatchDevice::Flex(_))
}

/// A bias, or the tensor of no values that stands for none.
fn or_none(b: Option<Tensor<1>>, device: &Device) -> burn::backend::DispatchTensor {
    b.unwrap_or_else(|| Tensor::zeros([0], device)).into_dispatch()
}

/// `act(x W + b)`: `x` is `[n, inputs]`, `w` `[inputs, outputs]`, `b` `[outputs]`; the result `[n, outputs]`.
///
/// # Panics
/// If the shapes do not go together.
pub fn linear(x: Tensor<2>, w: Tensor<2>, b: Option<Tensor<1>>, function: Activation) -> Tensor<2> {
    assert_eq!(x.dims()[1], w.dims()[0], "`linear` takes [n, inputs] and [inputs, outputs]");
    if !is_fused(&x) {
        return plain::linear(x, w, b, function);
    }
    let b = or_none(b, &x.device());
    Tensor::from_dispatch(Dispatch::fused_linear(x.into_dispatch(), w.into_dispatch(), b, function))
}

/// `g W^T`, the gradient by the input of a linear layer: `g` is `[n, outputs]`, `w` `[inputs, outputs]`.
///
/// # Panics
/// If the shapes do not go together.
pub fn linear_transposed(g: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
    assert_eq!(g.dims()[1], w.dims()[1], "`linear_transposed` takes [n, outputs] and [inputs, outputs]");
    if !is_fused(&g) {
        return g.matmul(w.transpose());
    }
    Tensor::from_dispatch(Dispatch::fused_linear_transposed(g.into_dispatch(), w.into_dispatch()))
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
///
/// # Panics
/// If the shapes do not go together, or the kernel does not fit.
pub fn conv2d(x: Tensor<4>, w: Tensor<4>, b: Option<Tensor<1>>, at: ConvGeometry, function: Activation) -> Tensor<4> {
    if !is_fused(&x) {
        return plain::conv2d(x, w, b, at, [1, 1], 1, function);
    }
    convolve(x, w, b, at, Direction::Gather, function)
}

/// The transposed convolution: `x` is `[n, inputs, height, width]`, `w` `[inputs, outputs, kernel, kernel]`.
///
/// With the weights of [`conv2d`] and its output's gradient for `x` this is the gradient by its input.
///
/// # Panics
/// If the shapes do not go together, or nothing is left of the picture.
pub fn conv_transpose2d(
    x: Tensor<4>,
    w: Tensor<4>,
    b: Option<Tensor<1>>,
    at: ConvGeometry,
    function: Activation,
) -> Tensor<4> {
    if !is_fused(&x) {
        return plain::conv_transpose2d(x, w, b, at, function);
    }
    convolve(x, w, b, at, Direction::Spread, function)
}

fn convolve(
    x: Tensor<4>,
    w: Tensor<4>,
    b: Option<Tensor<1>>,
    at: ConvGeometry,
    direction: Direction,
    function: Activation,
) -> Tensor<4> {
    let b = or_none(b, &x.device());
    Tensor::from_dispatch(Dispatch::fused_convolve(x.into_dispatch(), w.into_dispatch(), b, at, direction, function))
}

/// [`conv2d`] with a kernel whose places are `dilation` pixels apart, and whose channels are cut into `groups` that do not
/// meet: `w` is `[outputs, inputs / groups, kernel, kernel]`. Where there is either, Burn's own operation is used.
///
/// # Panics
/// As [`conv2d`].
pub fn conv2d_dilated(
    x: Tensor<4>,
    w: Tensor<4>,
    b: Option<Tensor<1>>,
    at: ConvGeometry,
    dilation: [usize; 2],
    groups: usize,
    function: Activation,
) -> Tensor<4> {
    match (dilation, groups) {
        ([1, 1], 1) => conv2d(x, w, b, at, function),
        _ => plain::conv2d(x, w, b, at, dilation, groups, function),
    }
}

/// Where the kernel of a convolution along one dimension goes, as in [`ConvGeometry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv1dGeometry {
    /// Values from one place of the kernel to the next.
    pub stride: usize,
    /// Zeros before and after.
    pub padding: usize,
    /// Values that a transposed convolution adds at the end.
    pub output_padding: usize,
}

impl Conv1dGeometry {
    fn flat(self) -> ConvGeometry {
        let (stride, padding) = ([1, self.stride], [0, self.padding]);
        ConvGeometry { stride, padding, output_padding: [0, self.output_padding] }
    }
}

/// The convolution along one dimension: `x` is `[n, inputs, length]`, `w` `[outputs, inputs, kernel]`, `b` `[outputs]`.
///
/// # Panics
/// As [`conv2d`].
pub fn conv1d(x: Tensor<3>, w: Tensor<3>, b: Option<Tensor<1>>, at: Conv1dGeometry, function: Activation) -> Tensor<3> {
    lines(conv2d(one_high(x), w.unsqueeze_dim(2), b, at.flat(), function))
}

/// The transposed convolution along one dimension: `x` is `[n, inputs, length]`, `w` `[inputs, outputs, kernel]`.
///
/// # Panics
/// As [`conv_transpose2d`].
pub fn conv_transpose1d(
    x: Tensor<3>,
    w: Tensor<3>,
    b: Option<Tensor<1>>,
    at: Conv1dGeometry,
    function: Activation,
) -> Tensor<3> {
    lines(conv_transpose2d(one_high(x), w.unsqueeze_dim(2), b, at.flat(), function))
}

/// Signals `[n, channels, length]` as pictures one pixel high. Those that are channels last in memory are not copied.
fn one_high(x: Tensor<3>) -> Tensor<4> {
    let [n, channels, length] = x.dims();
    x.permute([0, 2, 1]).reshape([n, 1, length, channels]).permute([0, 3, 1, 2])
}

/// The reverse of [`one_high`].
fn lines(x: Tensor<4>) -> Tensor<3> {
    let [n, channels, _, length] = x.dims();
    x.permute([0, 2, 3, 1]).reshape([n, length, channels]).permute([0, 2, 1])
}

/// The values of pictures as rows, `[n, height * width * channels]`, in the order in which the kernels keep them.
pub fn flatten(x: Tensor<4>) -> Tensor<2> {
    let [n, channels, height, width] = x.dims();
    x.permute([0, 2, 3, 1]).reshape([n, height * width * channels])
}

/// The reverse of [`flatten`]: rows `[n, height * width * channels]` as pictures `[n, channels, height, width]`.
///
/// # Panics
/// If the rows have another length.
pub fn unflatten(x: Tensor<2>, [channels, height, width]: [usize; 3]) -> Tensor<4> {
    let [n, _] = x.dims();
    x.reshape([n, height, width, channels]).permute([0, 3, 1, 2])
}

/// Batch normalisation by the batch's own statistics, through which gradients flow. `x` is `[n, channels, height, width]`;
/// `gamma` and `beta` are `[1, channels]`, or `[n, channels]` with a row for each picture.
///
/// Returns the result, and mean and biased variance of the batch, `[channels]` each, without gradients.
///
/// # Panics
/// If the shapes do not go together.
pub fn batch_norm(
    x: Tensor<4>,
    gamma: Tensor<2>,
    beta: Tensor<2>,
    epsilon: f32,
    function: Activation,
) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
    check_scales(&x, [&gamma, &beta]);
    if !is_fused(&x) {
        return plain::batch_norm(x, gamma, beta, epsilon, function);
    }
    let (x, gamma, beta) = (x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
    let (y, mean, variance) = Dispatch::fused_batch_norm(x, gamma, beta, epsilon, function);
    (Tensor::from_dispatch(y), Tensor::from_dispatch(mean), Tensor::from_dispatch(variance))
}

fn check_scales(x: &Tensor<4>, scales: [&Tensor<2>; 2]) {
    let [n, channels, ..] = x.dims();
    for [rows, columns] in scales.map(Tensor::dims) {
        assert!((rows == 1 || rows == n) && columns == channels, "scale and shift are [1 or n, channels]");
    }
}

/// `act(x * scale + shift)` by channel; `scale` and `shift` are `[1, channels]`, or `[n, channels]` with a row for each
/// picture. Made for sampling: on the CPU it has no gradient.
///
/// # Panics
/// If the shapes do not go together.
pub fn scale_shift(x: Tensor<4>, scale: Tensor<2>, shift: Tensor<2>, function: Activation) -> Tensor<4> {
    check_scales(&x, [&scale, &shift]);
    if !is_fused(&x) || x.device().is_autodiff() {
        return plain::scale_shift(x, scale, shift, function);
    }
    fused::scale_shift(x, scale, shift, function)
}

/// The dot product of each row of `a` with the same row of `b`, `[n, width]` each; the result is `[n, 1]`.
///
/// # Panics
/// If the shapes differ.
pub fn row_dots(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    assert_eq!(a.dims(), b.dims(), "`row_dots` takes two tensors of one shape");
    if !is_fused(&a) {
        return (a * b).sum_dim(1);
    }
    Tensor::from_dispatch(Dispatch::fused_row_dots(a.into_dispatch(), b.into_dispatch()))
}

/// The columns of `a`, then those of `b`: `[n, left]` and `[n, right]` to `[n, left + right]`.
///
/// # Panics
/// If the numbers of rows differ.
pub fn beside(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    assert_eq!(a.dims()[0], b.dims()[0], "`beside` takes matrices of as many rows");
    if !is_fused(&a) {
        return Tensor::cat(vec![a, b], 1);
    }
    Tensor::from_dispatch(Dispatch::fused_beside(a.into_dispatch(), b.into_dispatch()))
}

/// The first `count` columns of `x`.
///
/// # Panics
/// If there are fewer.
pub fn first_columns(x: Tensor<2>, count: usize) -> Tensor<2> {
    assert!(count <= x.dims()[1], "`first_columns` takes at most the columns there are");
    if count == x.dims()[1] {
        return x;
    }
    if !is_fused(&x) {
        return x.narrow(1, 0, count);
    }
    Tensor::from_dispatch(Dispatch::fused_first_columns(x.into_dispatch(), count))
}

/// The sum of squares, `[1]`.
pub fn sum_squares<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    if !is_fused(&x) {
        return x.powi_scalar(2).sum();
    }
    Tensor::from_dispatch(Dispatch::fused_sum_squares(x.into_dispatch()))
}

/// The examples of `a`, then those of `b`, in one batch.
///
/// # Panics
/// If examples are of different shapes.
pub fn join<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> Tensor<D> {
    assert_eq!(a.dims()[1..], b.dims()[1..], "`join` takes examples of one shape");
    if !is_fused(&a) {
        return Tensor::cat(vec![a, b], 0);
    }
    Tensor::from_dispatch(Dispatch::fused_join(a.into_dispatch(), b.into_dispatch()))
}

/// The mean of `softplus(sign x)`, `[1]`. Cross-entropy from logits: `sign` is -1 for examples that are real, 1 for others.
pub fn softplus_mean(x: Tensor<2>, sign: f32) -> Tensor<1> {
    if !is_fused(&x) {
        return plain::softplus_mean(x, sign);
    }
    Tensor::from_dispatch(Dispatch::fused_mean_loss(x.into_dispatch(), MeanLoss::Softplus(sign)))
}

/// The mean of `max(0, 1 + sign x)`, `[1]`.
pub fn hinge_mean(x: Tensor<2>, sign: f32) -> Tensor<1> {
    if !is_fused(&x) {
        return plain::hinge_mean(x, sign);
    }
    Tensor::from_dispatch(Dispatch::fused_mean_loss(x.into_dispatch(), MeanLoss::Hinge(sign)))
}

/// The mean of `-ln softmax(x)[label]` over the rows of logits `[n, classes]`, in nats, `[1]`. Once differentiable.
///
/// # Panics
/// If there is not a label per row, or one is not below `classes`.
pub fn cross_entropy(x: Tensor<2>, labels: &[u32]) -> Tensor<1> {
    let [rows, classes] = x.dims();
    assert_eq!(rows, labels.len(), "`cross_entropy` takes a label per row");
    assert!(labels.iter().all(|label| (*label as usize) < classes), "labels are below the number of classes");
    if !is_fused(&x) {
        return plain::cross_entropy(x, labels);
    }
    Tensor::from_dispatch(Dispatch::fused_mean_loss(x.into_dispatch(), MeanLoss::CrossEntropy(labels.into())))
}

/// `g` times the slope of a leaky ReLU at the place where its output was `y`; differentiable by `g`.
pub fn leaky_relu_backward<const D: usize>(g: Tensor<D>, y: Tensor<D>, slope: f32) -> Tensor<D> {
    if !is_fused(&g) {
        return plain::leaky_relu_backward(g, y, slope);
    }
    let function = Activation::LeakyRelu(slope);
    Tensor::from_dispatch(Dispatch::fused_through(g.into_dispatch(), y.into_dispatch(), function))
}

/// A tensor of host values.
///
/// # Panics
/// If there are not as many values as the shape holds.
pub fn from_vec<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A tensor of the values that `fill` writes, in row-major order, in memory that is reused. What is not written is
/// arbitrary.
pub fn filled<const D: usize>(shape: [usize; D], device: &Device, fill: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let mut values = Buffer::new(shape.iter().product());
    fill(&mut values);
    Tensor::from_data(TensorData::from_bytes(values.into_bytes(), shape, DType::F32), device)
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
mod tests;
