//! The kernels as operations on Burn's CPU tensors, forward and backward, and their dispatch.
//!
//! Pictures are `[n, channels, height, width]` to Burn; in memory the kernels keep them channels last, which Burn sees as
//! strides. A picture that comes in another order is turned over first.

use std::sync::Arc;

use burn::backend::{Backend, Flex, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::tensor::{DType, Shape};
use burn_flex::Layout;

use crate::buffer::Buffer;
use crate::conv::ConvShape;
use crate::norm::{self, BatchNormed};
use crate::{Activation, activation, conv, conv_weight, layout, linear, loss};

use super::ConvGeometry;

/// A tensor of the CPU backend.
pub(super) type Flat = FloatTensor<Flex>;

/// Which of two convolutions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Direction {
    /// A convolution: the small picture from the big one.
    Gather,
    /// A transposed convolution: the big picture from the small one.
    Spread,
}

/// A loss that is a mean over logits.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum MeanLoss {
    /// `softplus(sign x)`.
    Softplus(f32),
    /// `max(0, 1 + sign x)`.
    Hinge(f32),
    /// `-ln softmax(x)[label]`, with the label of each row.
    CrossEntropy(Arc<[u32]>),
}

/// Forward and backward on one backend, without a graph.
pub(crate) trait Kernels: Backend {
    /// `act(x w + b)`; a `b` of no values is none.
    fn kernel_linear(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        function: Activation,
    ) -> FloatTensor<Self>;
    /// Its gradients by `x`, `w` and `b`, those that are needed.
    fn kernel_linear_backward(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        y: FloatTensor<Self>,
        g: FloatTensor<Self>,
        function: Activation,
        need: [bool; 3],
    ) -> [Option<FloatTensor<Self>>; 3];
    /// `g w^T`.
    fn kernel_linear_transposed(g: FloatTensor<Self>, w: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The gradient of `g w^T` by `w`, from the one at its result.
    fn kernel_linear_transposed_backward(g: FloatTensor<Self>, upper: FloatTensor<Self>) -> FloatTensor<Self>;
    /// A convolution with bias and activation.
    fn kernel_convolve(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        at: ConvGeometry,
        direction: Direction,
        function: Activation,
    ) -> FloatTensor<Self>;
    /// Its gradients by `x`, `w` and `b`, those that are needed.
    #[expect(clippy::too_many_arguments, reason = "inputs, output, gradient, settings")]
    fn kernel_convolve_backward(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        y: FloatTensor<Self>,
        g: FloatTensor<Self>,
        at: ConvGeometry,
        direction: Direction,
        function: Activation,
        need: [bool; 3],
    ) -> [Option<FloatTensor<Self>>; 3];
    /// Batch normalisation with activation; result, mean and variance.
    fn kernel_batch_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        function: Activation,
    ) -> [FloatTensor<Self>; 3];
    /// Its gradients by `x`, `gamma` and `beta`; `state` is `x`, `y`, `gamma`, mean, variance.
    fn kernel_batch_norm_backward(
        state: [FloatTensor<Self>; 5],
        beta_rows: usize,
        g: FloatTensor<Self>,
        epsilon: f32,
        function: Activation,
    ) -> [FloatTensor<Self>; 3];
    /// `g` times the slope of `function` where its output was `y`.
    fn kernel_through(g: FloatTensor<Self>, y: FloatTensor<Self>, function: Activation) -> FloatTensor<Self>;
    /// The dot product of each row of `a` with that of `b`, `[n, 1]`.
    fn kernel_row_dots(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The rows of `a` times the numbers `[n, 1]`.
    fn kernel_scale_rows(a: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The columns of `a`, then those of `b`, of two matrices of as many rows.
    fn kernel_beside(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
    /// Columns `first..first + count` of `x`.
    fn kernel_columns(x: FloatTensor<Self>, first: usize, count: usize) -> FloatTensor<Self>;
    /// The sum of squares, `[1]`.
    fn kernel_sum_squares(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// `2 by x`, with the number `by`, `[1]`.
    fn kernel_twice(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The examples of `a`, then those of `b`.
    fn kernel_join(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
    /// A mean loss, `[1]`, and its slopes.
    fn kernel_mean_loss(x: FloatTensor<Self>, of: MeanLoss) -> [FloatTensor<Self>; 2];
}

/// The operations that networks call, with a graph or without.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait FusedOps: Backend {
    /// See [`Kernels::kernel_linear`].
    fn fused_linear(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        function: Activation,
    ) -> FloatTensor<Self>;
    /// See [`Kernels::kernel_linear_transposed`].
    fn fused_linear_transposed(g: FloatTensor<Self>, w: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`Kernels::kernel_convolve`].
    fn fused_convolve(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        at: ConvGeometry,
        direction: Direction,
        function: Activation,
    ) -> FloatTensor<Self>;
    /// See [`Kernels::kernel_batch_norm`].
    fn fused_batch_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        function: Activation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    /// See [`Kernels::kernel_through`]; differentiable by `g`.
    fn fused_through(g: FloatTensor<Self>, y: FloatTensor<Self>, function: Activation) -> FloatTensor<Self>;
    /// See [`Kernels::kernel_row_dots`].
    fn fused_row_dots(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`Kernels::kernel_beside`].
    fn fused_beside(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The first columns of `x`, see [`Kernels::kernel_columns`].
    fn fused_first_columns(x: FloatTensor<Self>, count: usize) -> FloatTensor<Self>;
    /// See [`Kernels::kernel_sum_squares`].
    fn fused_sum_squares(x: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`Kernels::kernel_join`].
    fn fused_join(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self>;
    /// See [`Kernels::kernel_mean_loss`].
    fn fused_mean_loss(x: FloatTensor<Self>, of: MeanLoss) -> FloatTensor<Self>;
}

/// A tensor of the values of a buffer.
pub(super) fn tensor(values: Buffer, shape: impl Into<Shape>) -> Flat {
    Flat::new(values.into_bytes(), Layout::contiguous(shape.into()), DType::F32)
}

/// The tensor with its values in row-major order.
pub(super) fn row_major(tensor: Flat) -> Flat {
    if tensor.is_contiguous() { tensor } else { tensor.to_contiguous() }
}

pub(super) fn values(tensor: &Flat) -> &[f32] {
    tensor.as_slice::<f32>().expect("the tensor is f32, and was made contiguous")
}

/// `[n, channels, height, width]` as `[n, height, width, channels]` in row-major order.
pub(super) fn channels_last(x: Flat) -> Flat {
    let last = x.permute(&[0, 2, 3, 1]);
    if last.is_contiguous() {
        return last;
    }
    if !x.is_contiguous() {
        return last.to_contiguous();
    }
    let [n, channels, height, width] = dims(&x);
    let mut out = Buffer::new(n * channels * height * width);
    layout::transpose(n, channels, height * width, values(&x), &mut out);
    tensor(out, [n, height, width, channels])
}

/// Values `[n, height, width, channels]` as Burn sees pictures.
pub(super) fn picture(values: Buffer, [n, height, width, channels]: [usize; 4]) -> Flat {
    tensor(values, [n, height, width, channels]).permute(&[0, 3, 1, 2])
}

fn dims<const D: usize>(tensor: &Flat) -> [usize; D] {
    tensor.shape().dims()
}

/// The values of a tensor that may stand for none.
fn optional(tensor: &Flat) -> Option<&[f32]> {
    Some(values(tensor)).filter(|values| !values.is_empty())
}

/// The shape of a convolution of `x` by `w`.
///
/// # Panics
/// If the kernel does not fit.
fn conv_shape(x: &Flat, w: &Flat, at: ConvGeometry, direction: Direction) -> ConvShape {
    let ([n, channels, height, width], [small, big, kernel_h, kernel_w]) = (dims(x), dims(w));
    let (from, kernel) = ([channels, height, width], [kernel_h, kernel_w]);
    let (shape, expected) = match direction {
        Direction::Gather => (ConvShape::gathering(n, from, small, kernel, at.stride, at.padding), big),
        Direction::Spread => {
            (ConvShape::spreading(n, from, big, kernel, at.stride, at.padding, at.output_padding), small)
        }
    };
    assert_eq!(channels, expected, "channels of the picture and of the weights");
    shape.expect("the kernel fits the padded picture")
}

/// `g` through an activation whose output was `y`, both in the same order in memory: in place where nobody else has `g`.
fn before_activation(g: Flat, y: &Flat, function: Activation) -> Flat {
    if function == Activation::Identity {
        return g;
    }
    let shape = g.shape();
    let mut g = g;
    let whole = g.layout().contiguous_offsets() == Some((0, g.bytes().len() / size_of::<f32>()));
    if whole && let Some(gradient) = g.try_storage_mut::<f32>() {
        activation::activate_backward_in_place(function, gradient, values(y));
        return g;
    }
    let mut out = Buffer::new(shape.num_elements());
    activation::activate_backward(function, values(&g), values(y), &mut out);
    tensor(out, shape)
}

fn sums(columns: usize, g: &[f32]) -> Flat {
    let mut out = Buffer::new(columns);
    layout::column_sums(columns, g, &mut out);
    tensor(out, [columns])
}

impl Kernels for Flex {
    fn kernel_linear(x: Flat, w: Flat, b: Flat, function: Activation) -> Flat {
        let (x, w, b) = (row_major(x), row_major(w), row_major(b));
        let ([m, inputs], [_, outputs]) = (dims(&x), dims(&w));
        let mut y = Buffer::new(m * outputs);
        linear::linear([m, inputs, outputs], values(&x), values(&w), optional(&b), function, &mut y);
        tensor(y, [m, outputs])
    }

    fn kernel_linear_backward(
        x: Flat,
        w: Flat,
        y: Flat,
        g: Flat,
        function: Activation,
        need: [bool; 3],
    ) -> [Option<Flat>; 3] {
        let (x, w) = (row_major(x), row_major(w));
        let ([m, inputs], [_, outputs]) = (dims(&x), dims(&w));
        let g = before_activation(row_major(g), &y, function);
        let (shape, g) = ([m, inputs, outputs], values(&g));
        [
            need[0].then(|| {
                let mut dx = Buffer::new(m * inputs);
                linear::linear_input_gradient(shape, g, values(&w), &mut dx);
                tensor(dx, [m, inputs])
            }),
            need[1].then(|| {
                let mut dw = Buffer::new(inputs * outputs);
                linear::linear_weight_gradient(shape, values(&x), g, &mut dw);
                tensor(dw, [inputs, outputs])
            }),
            need[2].then(|| sums(outputs, g)),
        ]
    }

    fn kernel_linear_transposed(g: Flat, w: Flat) -> Flat {
        let (g, w) = (row_major(g), row_major(w));
        let ([m, outputs], [inputs, _]) = (dims(&g), dims(&w));
        let mut dx = Buffer::new(m * inputs);
        linear::linear_input_gradient([m, inputs, outputs], values(&g), values(&w), &mut dx);
        tensor(dx, [m, inputs])
    }

    fn kernel_linear_transposed_backward(g: Flat, upper: Flat) -> Flat {
        let (g, upper) = (row_major(g), row_major(upper));
        let ([m, outputs], [_, inputs]) = (dims(&g), dims(&upper));
        let mut dw = Buffer::new(inputs * outputs);
        linear::linear_weight_gradient([m, inputs, outputs], values(&upper), values(&g), &mut dw);
        tensor(dw, [inputs, outputs])
    }

    fn kernel_convolve(
        x: Flat,
        w: Flat,
        b: Flat,
        at: ConvGeometry,
        direction: Direction,
        function: Activation,
    ) -> Flat {
        let shape = conv_shape(&x, &w, at, direction);
        let (x, w, b) = (channels_last(x), row_major(w), row_major(b));
        match direction {
            Direction::Gather => {
                let mut y = Buffer::new(shape.small_len());
                conv::gather(&shape, values(&x), values(&w), optional(&b), function, &mut y);
                picture(y, [shape.n, shape.small[1], shape.small[2], shape.small[0]])
            }
            Direction::Spread => {
                let mut y = Buffer::new(shape.big_len());
                conv::spread(&shape, values(&x), values(&w), optional(&b), function, &mut y);
                picture(y, [shape.n, shape.big[1], shape.big[2], shape.big[0]])
            }
        }
    }

    fn kernel_convolve_backward(
        x: Flat,
        w: Flat,
        y: Flat,
        g: Flat,
        at: ConvGeometry,
        direction: Direction,
        function: Activation,
        need: [bool; 3],
    ) -> [Option<Flat>; 3] {
        let shape = conv_shape(&x, &w, at, direction);
        let (x, w, g) = (channels_last(x), row_major(w), channels_last(g));
        let g = before_activation(g, &channels_last(y), function);
        let (x, w, g) = (values(&x), values(&w), values(&g));
        let plain = Activation::Identity;
        let dx = need[0].then(|| match direction {
            Direction::Gather => {
                let mut dx = Buffer::new(shape.big_len());
                conv::spread(&shape, g, w, None, plain, &mut dx);
                picture(dx, [shape.n, shape.big[1], shape.big[2], shape.big[0]])
            }
            Direction::Spread => {
                let mut dx = Buffer::new(shape.small_len());
                conv::gather(&shape, g, w, None, plain, &mut dx);
                picture(dx, [shape.n, shape.small[1], shape.small[2], shape.small[0]])
            }
        });
        let dw = need[1].then(|| {
            let mut dw = Buffer::new(shape.weights());
            let (big, small) = if direction == Direction::Gather { (x, g) } else { (g, x) };
            conv_weight::weight_gradient(&shape, big, small, &mut dw);
            tensor(dw, [shape.small[0], shape.big[0], shape.kernel[0], shape.kernel[1]])
        });
        let channels = if direction == Direction::Gather { shape.small[0] } else { shape.big[0] };
        [dx, dw, need[2].then(|| sums(channels, g))]
    }

    fn kernel_batch_norm(x: Flat, gamma: Flat, beta: Flat, epsilon: f32, function: Activation) -> [Flat; 3] {
        let (x, gamma, beta) = (channels_last(x), row_major(gamma), row_major(beta));
        let [n, height, width, channels] = dims(&x);
        let [mut y, mut mean, mut variance] = [n * height * width * channels, channels, channels].map(Buffer::new);
        let shape = [n, height * width, channels];
        let statistics = [&mut *mean, &mut *variance];
        norm::batch_norm(shape, values(&x), values(&gamma), values(&beta), epsilon, function, &mut y, statistics);
        [picture(y, [n, height, width, channels]), tensor(mean, [channels]), tensor(variance, [channels])]
    }

    fn kernel_batch_norm_backward(
        [x, y, gamma, mean, variance]: [Flat; 5],
        beta_rows: usize,
        g: Flat,
        epsilon: f32,
        function: Activation,
    ) -> [Flat; 3] {
        let (x, y, g, gamma) = (channels_last(x), channels_last(y), channels_last(g), row_major(gamma));
        let [n, height, width, channels] = dims(&x);
        let gamma_rows = gamma.shape().num_elements() / channels;
        let [mut dx, mut dgamma, mut dbeta] =
            [n * height * width * channels, gamma_rows * channels, beta_rows * channels].map(Buffer::new);
        let of = BatchNormed {
            x: values(&x),
            y: values(&y),
            gamma: values(&gamma),
            mean: values(&mean),
            variance: values(&variance),
            epsilon,
            function,
        };
        norm::batch_norm_backward([n, height * width, channels], of, values(&g), &mut dx, &mut dgamma, &mut dbeta);
        [
            picture(dx, [n, height, width, channels]),
            tensor(dgamma, [gamma_rows, channels]),
            tensor(dbeta, [beta_rows, channels]),
        ]
    }

    fn kernel_through(g: Flat, y: Flat, function: Activation) -> Flat {
        if g.shape().num_dims() == 4 {
            let (g, y) = (channels_last(g), channels_last(y));
            return before_activation(g, &y, function).permute(&[0, 3, 1, 2]);
        }
        before_activation(row_major(g), &row_major(y), function)
    }

    fn kernel_row_dots(a: Flat, b: Flat) -> Flat {
        let (a, b) = (row_major(a), row_major(b));
        let [n, width] = dims(&a);
        let mut out = Buffer::new(n);
        linear::row_dots(width, values(&a), values(&b), &mut out);
        tensor(out, [n, 1])
    }

    fn kernel_scale_rows(a: Flat, by: Flat) -> Flat {
        let (a, by) = (row_major(a), row_major(by));
        let [n, width] = dims(&a);
        let mut out = Buffer::new(n * width);
        linear::scale_rows(width, values(&a), values(&by), &mut out);
        tensor(out, [n, width])
    }

    fn kernel_beside(a: Flat, b: Flat) -> Flat {
        let (a, b) = (row_major(a), row_major(b));
        let ([n, left], [_, right]) = (dims(&a), dims(&b));
        let mut out = Buffer::new(n * (left + right));
        for (row, out) in out.chunks_exact_mut((left + right).max(1)).enumerate() {
            out[..left].copy_from_slice(&values(&a)[row * left..(row + 1) * left]);
            out[left..].copy_from_slice(&values(&b)[row * right..(row + 1) * right]);
        }
        tensor(out, [n, left + right])
    }

    fn kernel_columns(x: Flat, first: usize, count: usize) -> Flat {
        let x = row_major(x);
        let [n, width] = dims(&x);
        let mut out = Buffer::new(n * count);
        for (row, out) in out.chunks_exact_mut(count.max(1)).enumerate() {
            out.copy_from_slice(&values(&x)[row * width + first..][..count]);
        }
        tensor(out, [n, count])
    }

    fn kernel_sum_squares(x: Flat) -> Flat {
        // In whatever order it is in memory.
        let x = if x.shape().num_dims() == 4 { channels_last(x) } else { row_major(x) };
        let mut out = Buffer::new(1);
        out[0] = crate::optim::squared_norm(values(&x)) as f32;
        tensor(out, [1])
    }

    fn kernel_twice(x: Flat, by: Flat) -> Flat {
        let turn = x.shape().num_dims() == 4;
        let x = if turn { channels_last(x) } else { row_major(x) };
        let mut out = Buffer::new(values(&x).len());
        linear::scale_rows(values(&x).len(), values(&x), &[2.0 * values(&by)[0]], &mut out);
        let scaled = tensor(out, x.shape());
        if turn { scaled.permute(&[0, 3, 1, 2]) } else { scaled }
    }

    fn kernel_join(a: Flat, b: Flat) -> Flat {
        // Pictures of several channels stay channels last.
        let turn = a.shape().num_dims() == 4 && a.shape()[1] > 1;
        let [a, b] = [a, b].map(if turn { channels_last } else { row_major });
        let [first, second] = [values(&a), values(&b)];
        let mut out = Buffer::new(first.len() + second.len());
        out[..first.len()].copy_from_slice(first);
        out[first.len()..].copy_from_slice(second);
        let mut shape = a.shape();
        shape[0] += b.shape()[0];
        let joined = tensor(out, shape);
        if turn { joined.permute(&[0, 3, 1, 2]) } else { joined }
    }

    fn kernel_mean_loss(x: Flat, of: MeanLoss) -> [Flat; 2] {
        let x = row_major(x);
        let mut slopes = Buffer::new(x.shape().num_elements());
        let value = match of {
            MeanLoss::Softplus(sign) => loss::softplus_mean(values(&x), sign, &mut slopes),
            MeanLoss::Hinge(sign) => loss::hinge_mean(values(&x), sign, &mut slopes),
            MeanLoss::CrossEntropy(labels) => {
                let [_, classes] = dims(&x);
                loss::softmax_cross_entropy(classes, values(&x), &labels, &mut slopes)
            }
        };
        let mut out = Buffer::new(1);
        out[0] = value as f32;
        [tensor(out, [1]), tensor(slopes, x.shape())]
    }
}

/// `act(x * scale + shift)`, without a graph.
pub(super) fn scale_shift(
    x: burn::Tensor<4>,
    scale: burn::Tensor<2>,
    shift: burn::Tensor<2>,
    function: Activation,
) -> burn::Tensor<4> {
    let (scale, shift) = (super::optim::flat(scale), super::optim::flat(shift));
    let x = channels_last(x.try_into_primitive::<Flex>().expect("the tensor is on the CPU and outside of any graph"));
    let [n, height, width, channels] = dims(&x);
    let mut y = Buffer::new(n * height * width * channels);
    let shape = [n, height * width, channels];
    norm::scale_shift(shape, values(&x), values(&scale), values(&shift), function, &mut y);
    burn::Tensor::from_primitive::<Flex>(picture(y, [n, height, width, channels]))
}

impl FusedOps for Flex {
    fn fused_linear(x: Flat, w: Flat, b: Flat, function: Activation) -> Flat {
        Self::kernel_linear(x, w, b, function)
    }

    fn fused_linear_transposed(g: Flat, w: Flat) -> Flat {
        Self::kernel_linear_transposed(g, w)
    }

    fn fused_convolve(x: Flat, w: Flat, b: Flat, at: ConvGeometry, direction: Direction, function: Activation) -> Flat {
        Self::kernel_convolve(x, w, b, at, direction, function)
    }

    fn fused_batch_norm(x: Flat, gamma: Flat, beta: Flat, epsilon: f32, function: Activation) -> (Flat, Flat, Flat) {
        let [y, mean, variance] = Self::kernel_batch_norm(x, gamma, beta, epsilon, function);
        (y, mean, variance)
    }

    fn fused_through(g: Flat, y: Flat, function: Activation) -> Flat {
        Self::kernel_through(g, y, function)
    }

    fn fused_row_dots(a: Flat, b: Flat) -> Flat {
        Self::kernel_row_dots(a, b)
    }

    fn fused_beside(a: Flat, b: Flat) -> Flat {
        Self::kernel_beside(a, b)
    }

    fn fused_first_columns(x: Flat, count: usize) -> Flat {
        Self::kernel_columns(x, 0, count)
    }

    fn fused_sum_squares(x: Flat) -> Flat {
        Self::kernel_sum_squares(x)
    }

    fn fused_join(a: Flat, b: Flat) -> Flat {
        Self::kernel_join(a, b)
    }

    fn fused_mean_loss(x: Flat, of: MeanLoss) -> Flat {
        let [value, _] = Self::kernel_mean_loss(x, of);
        value
    }
}
