//! What networks for sequences are made of beside layers that others have: rows of a table, attention, and its activation.
//! Each has one input that gradients flow to.

use std::sync::Arc;

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::prelude::*;

use super::fused::{Flat, row_major, tensor, values};
use super::{is_fused, plain};
use crate::attention::{AttentionShape, attention as attention_kernel, attention_backward};
use crate::buffer::Buffer;
use crate::gelu::{gelu as gelu_kernel, gelu_backward};
use crate::rows::{pick_rows, pick_rows_backward};

/// Which operation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Of {
    Gelu,
    Rows(Arc<[u32]>),
    Attention(AttentionShape),
}

/// Rows of a table, `[rows.len(), width]`; `table` is `[count, width]`. Once differentiable.
///
/// # Panics
/// If there is no such row.
pub fn pick(table: Tensor<2>, rows: &[u32]) -> Tensor<2> {
    let [count, _] = table.dims();
    assert!(rows.iter().all(|row| (*row as usize) < count), "rows are below {count}");
    if !is_fused(&table) {
        return plain::pick(table, rows);
    }
    Tensor::from_dispatch(Dispatch::fused_of_one(table.into_dispatch(), Of::Rows(rows.into())))
}

/// The Gaussian error linear unit, see [`crate::gelu`]. Once differentiable.
pub fn gelu(x: Tensor<2>) -> Tensor<2> {
    if !is_fused(&x) {
        return plain::gelu(x);
    }
    Tensor::from_dispatch(Dispatch::fused_of_one(x.into_dispatch(), Of::Gelu))
}

/// Causal self-attention, see [`crate::attention`]: from `[batch * time, 3 * heads * size]` to `[batch * time, heads * size]`.
/// Once differentiable.
///
/// # Panics
/// If the tensor is of another shape, or heads that are to be turned are of odd size.
pub fn attention(qkv: Tensor<2>, shape: AttentionShape) -> Tensor<2> {
    let expected = [shape.batch * shape.time, 3 * shape.width()];
    assert_eq!(qkv.dims(), expected, "queries, keys and values of {shape:?}");
    if !is_fused(&qkv) {
        return plain::attention(qkv, shape);
    }
    Tensor::from_dispatch(Dispatch::fused_of_one(qkv.into_dispatch(), Of::Attention(shape)))
}

/// Forward and backward on one backend, without a graph.
pub(crate) trait OneKernels: Backend {
    fn kernel_of_one(x: FloatTensor<Self>, of: &Of) -> FloatTensor<Self>;
    /// The gradient by `x`.
    fn kernel_of_one_backward(x: FloatTensor<Self>, g: FloatTensor<Self>, of: &Of) -> FloatTensor<Self>;
}

/// The operations that networks call, with a graph or without.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait OneOps: Backend {
    /// See [`OneKernels::kernel_of_one`].
    fn fused_of_one(x: FloatTensor<Self>, of: Of) -> FloatTensor<Self>;
}

impl OneKernels for Flex {
    fn kernel_of_one(x: Flat, of: &Of) -> Flat {
        let x = row_major(x);
        let [rows, width] = x.shape().dims();
        let shape = match of {
            Of::Gelu => [rows, width],
            Of::Rows(rows) => [rows.len(), width],
            Of::Attention(shape) => [rows, shape.width()],
        };
        let mut y = Buffer::new(shape[0] * shape[1]);
        match of {
            Of::Gelu => gelu_kernel(values(&x), &mut y),
            Of::Rows(rows) => pick_rows(width, values(&x), rows, &mut y),
            Of::Attention(shape) => attention_kernel(*shape, values(&x), &mut y),
        }
        tensor(y, shape)
    }

    fn kernel_of_one_backward(x: Flat, g: Flat, of: &Of) -> Flat {
        let (x, g) = (row_major(x), row_major(g));
        let shape = x.shape();
        let mut dx = Buffer::new(shape.num_elements());
        match of {
            Of::Gelu => gelu_backward(values(&x), values(&g), &mut dx),
            Of::Rows(rows) => pick_rows_backward(shape.dims::<2>()[1], values(&g), rows, &mut dx),
            Of::Attention(of) => attention_backward(*of, values(&x), values(&g), &mut dx),
        }
        tensor(dx, shape)
    }
}

impl OneOps for Flex {
    fn fused_of_one(x: Flat, of: Of) -> Flat {
        Self::kernel_of_one(x, &of)
    }
}

#[derive(Debug)]
struct OfOne;

impl<B: OneKernels> Backward<B, 1> for OfOne {
    /// `x`, and which operation.
    type State = (FloatTensor<B>, Of);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let (x, of) = ops.state;
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::kernel_of_one_backward(x, g, &of));
        }
    }
}

impl<B: OneKernels, C: CheckpointStrategy> OneOps for Autodiff<B, C> {
    fn fused_of_one(x: FloatTensor<Self>, of: Of) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        let y = B::kernel_of_one(x.clone(), &of);
        match OfOne.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((x, of), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
