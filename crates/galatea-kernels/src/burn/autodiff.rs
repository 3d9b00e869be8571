//! The fused operations in Burn's graph: what each keeps, and its gradients.

use burn::backend::autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use burn::backend::{TensorMetadata, tensor::FloatTensor};

use super::ConvGeometry;
use super::fused::{Direction, FusedOps, Kernels, MeanLoss};
use crate::Activation;

/// Hands gradients to the parents that want one.
macro_rules! register {
    ($B:ty, $grads:expr, $parents:expr, $gradients:expr) => {
        for (parent, gradient) in $parents.into_iter().zip($gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                $grads.register::<$B>(parent.id, gradient);
            }
        }
    };
}

#[derive(Debug)]
struct Linear;

impl<B: Kernels> Backward<B, 3> for Linear {
    /// `x`, `w`, `y`.
    type State = ([FloatTensor<B>; 3], Activation);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let ([x, w, y], function) = ops.state;
        let need = ops.parents.each_ref().map(Option::is_some);
        register!(B, grads, ops.parents, B::kernel_linear_backward(x, w, y, g, function, need));
    }
}

#[derive(Debug)]
struct LinearTransposed;

impl<B: Kernels> Backward<B, 2> for LinearTransposed {
    /// `g`, `w`.
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let upper = grads.consume::<B>(&ops.node);
        let [g, w] = ops.state;
        let need = ops.parents.each_ref().map(Option::is_some);
        let none = B::float_zeros(burn::tensor::Shape::from([0]), &w.device(), w.dtype().into());
        let by_g = need[0].then(|| B::kernel_linear(upper.clone(), w, none, Activation::Identity));
        let by_w = need[1].then(|| B::kernel_linear_transposed_backward(g, upper));
        register!(B, grads, ops.parents, [by_g, by_w]);
    }
}

#[derive(Debug)]
struct Convolve;

impl<B: Kernels> Backward<B, 3> for Convolve {
    /// `x`, `w`, `y`.
    type State = ([FloatTensor<B>; 3], ConvGeometry, Direction, Activation);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let ([x, w, y], at, direction, function) = ops.state;
        let need = ops.parents.each_ref().map(Option::is_some);
        let gradients = B::kernel_convolve_backward(x, w, y, g, at, direction, function, need);
        register!(B, grads, ops.parents, gradients);
    }
}

#[derive(Debug)]
struct BatchNorm;

impl<B: Kernels> Backward<B, 3> for BatchNorm {
    /// `x`, `y`, `gamma`, mean, variance; the rows of `beta`.
    type State = ([FloatTensor<B>; 5], usize, f32, Activation);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let (state, beta_rows, epsilon, function) = ops.state;
        let gradients = B::kernel_batch_norm_backward(state, beta_rows, g, epsilon, function).map(Some);
        register!(B, grads, ops.parents, gradients);
    }
}

#[derive(Debug)]
struct Through;

impl<B: Kernels> Backward<B, 1> for Through {
    /// `y`.
    type State = (FloatTensor<B>, Activation);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let (y, function) = ops.state;
        register!(B, grads, ops.parents, [Some(B::kernel_through(g, y, function))]);
    }
}

#[derive(Debug)]
struct RowDots;

impl<B: Kernels> Backward<B, 2> for RowDots {
    /// `a`, `b`.
    type State = [FloatTensor<B>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let [a, b] = ops.state;
        let need = ops.parents.each_ref().map(Option::is_some);
        let by_a = need[0].then(|| B::kernel_scale_rows(b, g.clone()));
        let by_b = need[1].then(|| B::kernel_scale_rows(a, g));
        register!(B, grads, ops.parents, [by_a, by_b]);
    }
}

#[derive(Debug)]
struct Beside;

impl<B: Kernels> Backward<B, 2> for Beside {
    /// Numbers of columns.
    type State = [usize; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let [left, right] = ops.state;
        let need = ops.parents.each_ref().map(Option::is_some);
        let by_left = need[0].then(|| B::kernel_columns(g.clone(), 0, left));
        let by_right = need[1].then(|| B::kernel_columns(g, left, right));
        register!(B, grads, ops.parents, [by_left, by_right]);
    }
}

#[derive(Debug)]
struct FirstColumns;

impl<B: Kernels> Backward<B, 1> for FirstColumns {
    /// Columns that were left out.
    type State = usize;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let shape = burn::tensor::Shape::from([g.shape()[0], ops.state]);
        let rest = B::float_zeros(shape, &g.device(), g.dtype().into());
        register!(B, grads, ops.parents, [Some(B::kernel_beside(g, rest))]);
    }
}

#[derive(Debug)]
struct SumSquares;

impl<B: Kernels> Backward<B, 1> for SumSquares {
    /// `x`.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        register!(B, grads, ops.parents, [Some(B::kernel_twice(ops.state, g))]);
    }
}

#[derive(Debug)]
struct Join;

impl<B: Kernels> Backward<B, 2> for Join {
    /// Numbers of examples.
    type State = [usize; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let [first, second] = ops.state;
        let part = |start: usize, len: usize| {
            let mut slices = vec![burn::tensor::Slice::full(); g.shape().num_dims()];
            slices[0] = burn::tensor::Slice::from(start..start + len);
            B::float_slice(g.clone(), &slices)
        };
        let need = ops.parents.each_ref().map(Option::is_some);
        let parts = [need[0].then(|| part(0, first)), need[1].then(|| part(first, second))];
        register!(B, grads, ops.parents, parts);
    }
}

#[derive(Debug)]
struct Mean;

impl<B: Kernels> Backward<B, 1> for Mean {
    /// Slopes.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let g = grads.consume::<B>(&ops.node);
        let shape = ops.state.shape();
        let ones = burn::tensor::Shape::from(vec![1; shape.num_dims()]);
        let gradient = B::float_mul(ops.state, B::float_reshape(g, ones));
        register!(B, grads, ops.parents, [Some(gradient)]);
    }
}

impl<B: Kernels, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn fused_linear(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        function: Activation,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), w.node(), b.node()];
        let [x, w, b] = [x, w, b].map(|tensor| tensor.into_primitive());
        match Linear.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let y = B::kernel_linear(x.clone(), w.clone(), b, function);
                prepared.finish(([x, w, y.clone()], function), y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::kernel_linear(x, w, b, function)),
        }
    }

    fn fused_linear_transposed(g: FloatTensor<Self>, w: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [g.node(), w.node()];
        let [g, w] = [g, w].map(|tensor| tensor.into_primitive());
        let y = B::kernel_linear_transposed(g.clone(), w.clone());
        match LinearTransposed.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish([g, w], y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn fused_convolve(
        x: FloatTensor<Self>,
        w: FloatTensor<Self>,
        b: FloatTensor<Self>,
        at: ConvGeometry,
        direction: Direction,
        function: Activation,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), w.node(), b.node()];
        let [x, w, b] = [x, w, b].map(|tensor| tensor.into_primitive());
        match Convolve.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let y = B::kernel_convolve(x.clone(), w.clone(), b, at, direction, function);
                prepared.finish(([x, w, y.clone()], at, direction, function), y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::kernel_convolve(x, w, b, at, direction, function)),
        }
    }

    fn fused_batch_norm(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
        function: Activation,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let nodes = [x.node(), gamma.node(), beta.node()];
        let [x, gamma, beta] = [x, gamma, beta].map(|tensor| tensor.into_primitive());
        let beta_rows = beta.shape()[0];
        let [y, mean, variance] = B::kernel_batch_norm(x.clone(), gamma.clone(), beta, epsilon, function);
        let y = match BatchNorm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let state = [x, y.clone(), gamma, mean.clone(), variance.clone()];
                prepared.finish((state, beta_rows, epsilon, function), y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        };
        (y, FloatTensor::<Self>::new(mean), FloatTensor::<Self>::new(variance))
    }

    fn fused_through(g: FloatTensor<Self>, y: FloatTensor<Self>, function: Activation) -> FloatTensor<Self> {
        let node = g.node();
        let (g, y) = (g.into_primitive(), y.into_primitive());
        match Through.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((y.clone(), function), B::kernel_through(g, y, function)),
            OpsKind::UnTracked(prepared) => prepared.finish(B::kernel_through(g, y, function)),
        }
    }

    fn fused_row_dots(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [a.node(), b.node()];
        let [a, b] = [a, b].map(|tensor| tensor.into_primitive());
        let y = B::kernel_row_dots(a.clone(), b.clone());
        match RowDots.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish([a, b], y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn fused_beside(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [a.node(), b.node()];
        let [a, b] = [a, b].map(|tensor| tensor.into_primitive());
        let columns = [a.shape()[1], b.shape()[1]];
        let y = B::kernel_beside(a, b);
        match Beside.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(columns, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn fused_first_columns(x: FloatTensor<Self>, count: usize) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        let rest = x.shape()[1] - count;
        let y = B::kernel_columns(x, 0, count);
        match FirstColumns.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(rest, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn fused_sum_squares(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let node = x.node();
        let x = x.into_primitive();
        let y = B::kernel_sum_squares(x.clone());
        match SumSquares.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(x, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn fused_join(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [a.node(), b.node()];
        let [a, b] = [a, b].map(|tensor| tensor.into_primitive());
        let counts = [a.shape()[0], b.shape()[0]];
        let y = B::kernel_join(a, b);
        match Join.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(counts, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }

    fn fused_mean_loss(x: FloatTensor<Self>, of: MeanLoss) -> FloatTensor<Self> {
        let node = x.node();
        let [value, slopes] = B::kernel_mean_loss(x.into_primitive(), of);
        match Mean.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(slopes, value),
            OpsKind::UnTracked(prepared) => prepared.finish(value),
        }
    }
}
