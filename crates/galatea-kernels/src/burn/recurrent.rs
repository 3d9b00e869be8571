//! LSTM and GRU over whole sequences as operations on Burn's tensors: in its graph by the kernels, elsewhere step by step.

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
use crate::buffer::Buffer;
use crate::gru::{gru as gru_kernel, gru_backward, gru_kept};
use crate::lstm::{lstm as lstm_kernel, lstm_backward, lstm_kept};
use crate::recurrent::{Recurrence, RecurrentGradients, RecurrentShape, RecurrentWeights};

/// Weights of a recurrent layer as tensors; layouts as in [`crate::recurrent`].
#[derive(Clone, Debug)]
pub struct Recurrent {
    /// By the input, `[inputs, gates * hidden]`: 4 gates for an LSTM, 3 for a GRU.
    pub input: Tensor<2>,
    /// By the state, `[hidden, gates * hidden]`.
    pub recurrent: Tensor<2>,
    /// `[4 * hidden]`.
    pub bias: Tensor<1>,
}

/// Which of the two, for messages and kernels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell {
    Lstm,
    Gru,
}

impl Cell {
    fn check(self, x: &Tensor<3>, weights: &Recurrent, states: &[&Tensor<2>]) {
        let ([_, batch, inputs], [hidden, columns]) = (x.dims(), weights.recurrent.dims());
        let gates = if self == Self::Lstm { 4 } else { 3 };
        assert!(hidden > 0 && columns == gates * hidden, "weights by the state are [hidden, {gates} * hidden]");
        assert_eq!(weights.input.dims(), [inputs, columns], "weights by the input are [inputs, {gates} * hidden]");
        assert_eq!(weights.bias.dims(), [4 * hidden], "the bias is [4 * hidden]");
        assert!(states.iter().all(|state| state.dims() == [batch, hidden]), "states are [batch, hidden]");
    }

    fn kept(self, shape: RecurrentShape) -> usize {
        match self {
            Self::Lstm => lstm_kept(shape),
            Self::Gru => gru_kept(shape),
        }
    }
}

/// All outputs of an LSTM, `[time, batch, hidden]`, and its cell after the last step, `[batch, hidden]`. `x` is
/// `[time, batch, inputs]`; `h` and `c`, `[batch, hidden]`, are output and cell before the first step.
///
/// Gradients flow to everything that is given. The cell that is returned has none: it is for going on where a sequence
/// was cut. Once differentiable.
///
/// # Panics
/// If the shapes do not go together, or there is no step.
pub fn lstm(x: Tensor<3>, weights: Recurrent, h: Tensor<2>, c: Tensor<2>) -> (Tensor<3>, Tensor<2>) {
    Cell::Lstm.check(&x, &weights, &[&h, &c]);
    assert!(x.dims()[0] > 0, "a sequence has steps");
    if !is_fused(&x) {
        return plain::lstm(x, weights, h, c);
    }
    let (x, [input, recurrent], bias) = dispatched(x, weights);
    let [h, c] = [h, c].map(Tensor::into_dispatch);
    let (y, c) = Dispatch::fused_recurrent(x, input, recurrent, bias, h, c, Cell::Lstm);
    (Tensor::from_dispatch(y), Tensor::from_dispatch(c))
}

/// All outputs of a GRU, `[time, batch, hidden]`; `x` is `[time, batch, inputs]`, `h`, `[batch, hidden]`, the output before
/// the first step. Gradients flow to everything that is given. Once differentiable.
///
/// # Panics
/// If the shapes do not go together, or there is no step.
pub fn gru(x: Tensor<3>, weights: Recurrent, h: Tensor<2>) -> Tensor<3> {
    Cell::Gru.check(&x, &weights, &[&h]);
    assert!(x.dims()[0] > 0, "a sequence has steps");
    if !is_fused(&x) {
        return plain::gru(x, weights, h);
    }
    let (x, [input, recurrent], bias) = dispatched(x, weights);
    let c = Tensor::<2>::zeros([0, 0], &h.device()).into_dispatch();
    let (y, _) = Dispatch::fused_recurrent(x, input, recurrent, bias, h.into_dispatch(), c, Cell::Gru);
    Tensor::from_dispatch(y)
}

type Given = burn::backend::DispatchTensor;

fn dispatched(x: Tensor<3>, weights: Recurrent) -> (Given, [Given; 2], Given) {
    let Recurrent { input, recurrent, bias } = weights;
    (x.into_dispatch(), [input, recurrent].map(Tensor::into_dispatch), bias.into_dispatch())
}

/// Inputs of a layer in the order of the operation: `x`, both weights, bias, `h`, `c`.
type Inputs<B> = [FloatTensor<B>; 6];

/// Forward and backward on one backend, without a graph.
pub(crate) trait RecurrentKernels: Backend {
    /// Outputs, what the backward pass needs, and the last cell (of no values for a GRU).
    fn kernel_recurrent(of: Inputs<Self>, cell: Cell) -> [FloatTensor<Self>; 3];
    /// Gradients by all inputs; that by `x` if `x` is wanted.
    fn kernel_recurrent_backward(
        of: Inputs<Self>,
        y: FloatTensor<Self>,
        kept: FloatTensor<Self>,
        g: FloatTensor<Self>,
        cell: Cell,
        wants_x: bool,
    ) -> [Option<FloatTensor<Self>>; 6];
}

/// The operation that networks call, with a graph or without.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait RecurrentOps: Backend {
    /// Outputs and last cell, see [`RecurrentKernels::kernel_recurrent`].
    fn fused_recurrent(
        x: FloatTensor<Self>,
        input: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        h: FloatTensor<Self>,
        c: FloatTensor<Self>,
        cell: Cell,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

/// The arguments of the kernels.
fn recurrence([x, input, recurrent, bias, h, _]: &[Flat; 6]) -> (RecurrentShape, Recurrence<'_>) {
    let ([time, batch, inputs], [_, hidden]): ([usize; 3], [usize; 2]) = (x.shape().dims(), h.shape().dims());
    let weights = RecurrentWeights { input: values(input), recurrent: values(recurrent), bias: values(bias) };
    ([time, batch, inputs, hidden], Recurrence { x: values(x), weights, h: values(h) })
}

impl RecurrentKernels for Flex {
    fn kernel_recurrent(of: [Flat; 6], cell: Cell) -> [Flat; 3] {
        let of = of.map(row_major);
        let (shape, given) = recurrence(&of);
        let [time, batch, _, hidden] = shape;
        let [mut y, mut kept] = [time * batch * hidden, cell.kept(shape)].map(Buffer::new);
        let mut last = Buffer::new(if cell == Cell::Lstm { batch * hidden } else { 0 });
        match cell {
            Cell::Lstm => lstm_kernel(shape, given, values(&of[5]), &mut y, &mut kept),
            Cell::Gru => gru_kernel(shape, given, &mut y, &mut kept),
        }
        let end = kept.len() - last.len();
        last.copy_from_slice(&kept[end..]);
        let (kept_len, last_shape) = (kept.len(), [last.len() / hidden, hidden]);
        [tensor(y, [time, batch, hidden]), tensor(kept, [kept_len]), tensor(last, last_shape)]
    }

    fn kernel_recurrent_backward(
        of: [Flat; 6],
        y: Flat,
        kept: Flat,
        g: Flat,
        cell: Cell,
        wants_x: bool,
    ) -> [Option<Flat>; 6] {
        let (of, g) = (of.map(row_major), row_major(g));
        let (shape, given) = recurrence(&of);
        let shapes = of.each_ref().map(TensorMetadata::shape);
        let [mut x, mut input, mut recurrent, mut bias, mut h, mut c] =
            shapes.each_ref().map(|shape| Buffer::new(shape.num_elements()));
        // Nothing comes from the states after the last step.
        h.fill(0.0);
        c.fill(0.0);
        let to = RecurrentGradients {
            x: wants_x.then_some(&mut x[..]),
            input: &mut input,
            recurrent: &mut recurrent,
            bias: &mut bias,
        };
        let (of_c, passed) = (values(&of[5]), [values(&y), values(&kept)]);
        match cell {
            Cell::Lstm => lstm_backward(shape, given, of_c, passed, values(&g), [&mut h, &mut c], to),
            Cell::Gru => gru_backward(shape, given, passed, values(&g), &mut h, to),
        }
        let wanted = [wants_x, true, true, true, true, cell == Cell::Lstm];
        let mut made = [x, input, recurrent, bias, h, c].into_iter().zip(shapes).zip(wanted);
        std::array::from_fn(|_| made.next().and_then(|((values, shape), wanted)| wanted.then(|| tensor(values, shape))))
    }
}

impl RecurrentOps for Flex {
    fn fused_recurrent(
        x: Flat,
        input: Flat,
        recurrent: Flat,
        bias: Flat,
        h: Flat,
        c: Flat,
        cell: Cell,
    ) -> (Flat, Flat) {
        let [y, _, last] = Self::kernel_recurrent([x, input, recurrent, bias, h, c], cell);
        (y, last)
    }
}

#[derive(Debug)]
struct Unrolled;

impl<B: RecurrentKernels> Backward<B, 6> for Unrolled {
    /// Inputs, outputs, what was kept.
    type State = (Inputs<B>, [FloatTensor<B>; 2], Cell);

    fn backward(self, ops: Ops<Self::State, 6>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let (of, [y, kept], cell) = ops.state;
        let gradients = B::kernel_recurrent_backward(of, y, kept, g, cell, ops.parents[0].is_some());
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

impl<B: RecurrentKernels, C: CheckpointStrategy> RecurrentOps for Autodiff<B, C> {
    fn fused_recurrent(
        x: FloatTensor<Self>,
        input: FloatTensor<Self>,
        recurrent: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        h: FloatTensor<Self>,
        c: FloatTensor<Self>,
        cell: Cell,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let of = [x, input, recurrent, bias, h, c];
        let nodes = of.each_ref().map(|tensor| tensor.node());
        let of = of.map(|tensor| tensor.into_primitive());
        let [y, kept, last] = B::kernel_recurrent(of.clone(), cell);
        let y = match Unrolled.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((of, [y.clone(), kept], cell), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        };
        (y, FloatTensor::<Self>::new(last))
    }
}
