//! The log likelihood of Bernoulli distributions as an operation on Burn's tensors.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::prelude::*;

use super::fused::{Flat, Kernels, row_major, tensor, values};
use super::{is_fused, plain};
use crate::buffer::Buffer;

/// For each row of logits `x` `[n, width]` the log likelihood of the values `targets` of that shape, in `[0, 1]`, in nats:
/// the sum of `t x - softplus(x)`, `[n, 1]`. Once differentiable by `x`; targets are held constant.
///
/// # Panics
/// If the shapes differ.
pub fn bernoulli_rows(x: Tensor<2>, targets: Tensor<2>) -> Tensor<2> {
    assert_eq!(x.dims(), targets.dims(), "`bernoulli_rows` takes a value per logit");
    let targets = targets.detach();
    if !is_fused(&x) {
        return plain::bernoulli_rows(x, targets);
    }
    Tensor::from_dispatch(Dispatch::fused_bernoulli_rows(x.into_dispatch(), targets.into_dispatch()))
}

/// Forward on one backend, without a graph.
pub(crate) trait BernoulliKernels: Kernels {
    /// The sum of each row, and the slopes.
    fn kernel_bernoulli_rows(x: FloatTensor<Self>, targets: FloatTensor<Self>) -> [FloatTensor<Self>; 2];
}

/// The operation that networks call, with a graph or without.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait BernoulliOps: Backend {
    /// See [`BernoulliKernels::kernel_bernoulli_rows`].
    fn fused_bernoulli_rows(x: FloatTensor<Self>, targets: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl BernoulliKernels for Flex {
    fn kernel_bernoulli_rows(x: Flat, targets: Flat) -> [Flat; 2] {
        let (x, targets) = (row_major(x), row_major(targets));
        let [n, width] = x.shape().dims();
        let [mut sums, mut slopes] = [n, n * width].map(Buffer::new);
        crate::bernoulli::bernoulli_rows(width, values(&x), values(&targets), &mut sums, &mut slopes);
        [tensor(sums, [n, 1]), tensor(slopes, [n, width])]
    }
}

impl BernoulliOps for Flex {
    fn fused_bernoulli_rows(x: Flat, targets: Flat) -> Flat {
        let [sums, _] = Self::kernel_bernoulli_rows(x, targets);
        sums
    }
}

#[derive(Debug)]
struct Rows;

impl<B: BernoulliKernels> Backward<B, 1> for Rows {
    /// The slopes.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            grads.register::<B>(parent.id, B::kernel_scale_rows(ops.state, g));
        }
    }
}

impl<B: BernoulliKernels, C: CheckpointStrategy> BernoulliOps for Autodiff<B, C> {
    fn fused_bernoulli_rows(x: FloatTensor<Self>, targets: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = x.node();
        let [sums, slopes] = B::kernel_bernoulli_rows(x.into_primitive(), targets.into_primitive());
        match Rows.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(slopes, sums),
            OpsKind::UnTracked(prepared) => prepared.finish(sums),
        }
    }
}
