//! Changes of single pictures as an operation on Burn's tensors.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension, tensor::FloatTensor};
use burn::prelude::*;

use super::fused::{Flat, channels_last, picture, row_major, values};
use super::{from_vec, is_fused, plain};
use crate::buffer::Buffer;
use crate::pictures::{self, Alteration};

/// Pictures `[n, channels, height, width]`, each changed by the alteration of its number. Once differentiable.
///
/// # Panics
/// If there is not one alteration for each picture.
pub fn alter(x: Tensor<4>, alterations: &[Alteration]) -> Tensor<4> {
    assert_eq!(x.dims()[0], alterations.len(), "`alter` takes an alteration for each picture");
    if !is_fused(&x) {
        return plain::alter(x, alterations);
    }
    let by = alterations.iter().flat_map(Alteration::to_array).collect();
    let by: Tensor<2> = from_vec(by, [alterations.len(), Alteration::LEN], &x.device());
    Tensor::from_dispatch(Dispatch::fused_alter(x.into_dispatch(), by.into_dispatch()))
}

/// Forward and backward on one backend, without a graph.
pub(crate) trait PictureKernels: Backend {
    /// Pictures, each changed by its row of `by`, `[n, Alteration::LEN]`.
    fn kernel_alter(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
    /// The gradient by the pictures.
    fn kernel_alter_backward(g: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The operation that networks call, with a graph or without.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait PictureOps: Backend {
    /// See [`PictureKernels::kernel_alter`]; differentiable by `x`.
    fn fused_alter(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Pictures through `change`, with an alteration for each.
fn each_picture(x: Flat, by: Flat, change: fn([usize; 4], &[f32], &[Alteration], &mut [f32])) -> Flat {
    let (x, by) = (channels_last(x), row_major(by));
    let (rows, _) = values(&by).as_chunks::<{ Alteration::LEN }>();
    let alterations: Vec<Alteration> = rows.iter().map(|row| Alteration::from_array(*row)).collect();
    let shape = x.shape().dims();
    let mut y = Buffer::new(values(&x).len());
    change(shape, values(&x), &alterations, &mut y);
    picture(y, shape)
}

impl PictureKernels for Flex {
    fn kernel_alter(x: Flat, by: Flat) -> Flat {
        each_picture(x, by, pictures::alter)
    }

    fn kernel_alter_backward(g: Flat, by: Flat) -> Flat {
        each_picture(g, by, pictures::alter_backward)
    }
}

impl PictureOps for Flex {
    fn fused_alter(x: Flat, by: Flat) -> Flat {
        Self::kernel_alter(x, by)
    }
}

#[derive(Debug)]
struct Alter;

impl<B: PictureKernels> Backward<B, 1> for Alter {
    /// The alterations.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, B::kernel_alter_backward(g, ops.state));
        }
    }
}

impl<B: PictureKernels, C: CheckpointStrategy> PictureOps for Autodiff<B, C> {
    fn fused_alter(x: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = x.node();
        let (x, by) = (x.into_primitive(), by.into_primitive());
        let y = B::kernel_alter(x, by.clone());
        match Alter.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(by, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
