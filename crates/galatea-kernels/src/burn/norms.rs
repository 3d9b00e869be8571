//! Layer and group normalisation as operations on Burn's tensors.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::prelude::*;

use super::fused::{Flat, channels_last, picture, row_major, tensor, values};
use super::{check_scales, is_fused, plain};
use crate::Activation;
use crate::buffer::Buffer;
use crate::group_norm::{group_norm as group_kernel, group_norm_backward};
use crate::layer_norm::{layer_norm as layer_kernel, layer_norm_backward};
use crate::norm::Normed;

/// What is normalised together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Over {
    /// Each row of `[rows, channels]`.
    Rows,
    /// Each of so many groups of neighbouring channels of each picture `[n, channels, height, width]`.
    Groups(usize),
}

/// Layer normalisation over the last dimension, `act(normalised x * gamma + beta)`; `gamma` and `beta` are `[channels]`.
/// Once differentiable.
///
/// # Panics
/// If the shapes do not go together.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f32,
    function: Activation,
) -> Tensor<D> {
    let dims = x.dims();
    let channels = dims[D - 1];
    assert!(channels > 0, "`layer_norm` takes rows that have channels");
    assert!(gamma.dims() == [channels] && beta.dims() == [channels], "scale and shift are [channels]");
    let rows = x.reshape([dims.iter().product::<usize>() / channels, channels]);
    if !is_fused(&rows) {
        return plain::layer_norm(rows, gamma, beta, epsilon, function).reshape(dims);
    }
    let (rows, gamma, beta) = (rows.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
    Tensor::<2>::from_dispatch(Dispatch::fused_norm(rows, gamma, beta, epsilon, function, Over::Rows)).reshape(dims)
}

/// Group normalisation of `[n, channels, height, width]`, `act(normalised x * gamma + beta)`; instance normalisation with
/// as many groups as channels. `gamma` and `beta` are `[1, channels]`, or `[n, channels]` with a row for each picture. Once
/// differentiable.
///
/// # Panics
/// If the shapes do not go together, or the channels cannot be divided into so many groups.
pub fn group_norm(
    x: Tensor<4>,
    groups: usize,
    gamma: Tensor<2>,
    beta: Tensor<2>,
    epsilon: f32,
    function: Activation,
) -> Tensor<4> {
    check_scales(&x, [&gamma, &beta]);
    assert!(groups > 0 && x.dims()[1].is_multiple_of(groups), "channels are divided into groups");
    if !is_fused(&x) {
        return plain::group_norm(x, groups, gamma, beta, epsilon, function);
    }
    let (x, gamma, beta) = (x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
    Tensor::from_dispatch(Dispatch::fused_norm(x, gamma, beta, epsilon, function, Over::Groups(groups)))
}

/// Forward and backward on one backend, without a graph.
pub(crate) trait NormKernels: Backend {
    /// Result, mean and variance.
    fn kernel_norm(
        of: [FloatTensor<Self>; 3],
        epsilon: f32,
        function: Activation,
        over: Over,
    ) -> [FloatTensor<Self>; 3];
    /// Gradients by `x`, `gamma` and `beta`; `state` is `x`, `y`, `gamma`, mean, variance.
    fn kernel_norm_backward(
        state: [FloatTensor<Self>; 5],
        beta: Shape,
        g: FloatTensor<Self>,
        epsilon: f32,
        function: Activation,
        over: Over,
    ) -> [FloatTensor<Self>; 3];
}

/// The operation that networks call, with a graph or without.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait NormOps: Backend {
    /// See [`NormKernels::kernel_norm`].
    fn fused_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        function: Activation,
        over: Over,
    ) -> FloatTensor<Self>;
}

/// In the order that the kernels take, and its sizes: `[n, pixels, channels]`.
fn ordered(x: Flat, over: Over) -> (Flat, [usize; 3]) {
    match over {
        Over::Rows => {
            let [rows, channels] = x.shape().dims();
            (row_major(x), [rows, 1, channels])
        }
        Over::Groups(_) => {
            let [n, channels, height, width] = x.shape().dims();
            (channels_last(x), [n, height * width, channels])
        }
    }
}

/// Values in the kernels' order as Burn sees them; `x` is a tensor of that shape in the kernels' order.
fn as_seen(values: Buffer, x: &Flat, over: Over) -> Flat {
    match over {
        Over::Rows => tensor(values, x.shape()),
        Over::Groups(_) => picture(values, x.shape().dims()),
    }
}

impl NormKernels for Flex {
    fn kernel_norm([x, gamma, beta]: [Flat; 3], epsilon: f32, function: Activation, over: Over) -> [Flat; 3] {
        let (gamma, beta) = (row_major(gamma), row_major(beta));
        let (x, shape) = ordered(x, over);
        let [n, pixels, channels] = shape;
        let sets = if let Over::Groups(groups) = over { n * groups } else { n };
        let [mut y, mut mean, mut variance] = [n * pixels * channels, sets, sets].map(Buffer::new);
        let (of, scale, shift) = (values(&x), values(&gamma), values(&beta));
        let statistics = [&mut *mean, &mut *variance];
        match over {
            Over::Rows => layer_kernel([n, channels], of, scale, shift, epsilon, function, &mut y, statistics),
            Over::Groups(groups) => {
                group_kernel(shape, groups, of, scale, shift, epsilon, function, &mut y, statistics);
            }
        }
        [as_seen(y, &x, over), tensor(mean, [sets]), tensor(variance, [sets])]
    }

    fn kernel_norm_backward(
        [x, y, gamma, mean, variance]: [Flat; 5],
        beta: Shape,
        g: Flat,
        epsilon: f32,
        function: Activation,
        over: Over,
    ) -> [Flat; 3] {
        let gamma = row_major(gamma);
        let ((x, shape), (y, _), (g, _)) = (ordered(x, over), ordered(y, over), ordered(g, over));
        let [mut dx, mut dgamma, mut dbeta] =
            [x.shape(), gamma.shape(), beta.clone()].map(|shape| Buffer::new(shape.num_elements()));
        let of = Normed {
            x: values(&x),
            y: values(&y),
            gamma: values(&gamma),
            mean: values(&mean),
            variance: values(&variance),
            epsilon,
            function,
        };
        let scales = [&mut *dgamma, &mut *dbeta];
        match over {
            Over::Rows => layer_norm_backward([shape[0], shape[2]], of, values(&g), &mut dx, scales),
            Over::Groups(groups) => group_norm_backward(shape, groups, of, values(&g), &mut dx, scales),
        }
        [as_seen(dx, &x, over), tensor(dgamma, gamma.shape()), tensor(dbeta, beta)]
    }
}

impl NormOps for Flex {
    fn fused_norm(x: Flat, gamma: Flat, beta: Flat, epsilon: f32, function: Activation, over: Over) -> Flat {
        let [y, ..] = Self::kernel_norm([x, gamma, beta], epsilon, function, over);
        y
    }
}

#[derive(Debug)]
struct Normalised;

impl<B: NormKernels> Backward<B, 3> for Normalised {
    /// `x`, `y`, `gamma`, mean, variance; the shape of `beta`.
    type State = ([FloatTensor<B>; 5], Shape, f32, Activation, Over);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let (state, beta, epsilon, function, over) = ops.state;
        let gradients = B::kernel_norm_backward(state, beta, g, epsilon, function, over);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: NormKernels, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn fused_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        function: Activation,
        over: Over,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let [x, gamma, beta] = [x, gamma, beta].map(|tensor| tensor.into_primitive());
        let shape = beta.shape();
        let [y, mean, variance] = B::kernel_norm([x.clone(), gamma.clone(), beta], epsilon, function, over);
        match Normalised.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                prepared.finish(([x, y.clone(), gamma, mean, variance], shape, epsilon, function, over), y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
