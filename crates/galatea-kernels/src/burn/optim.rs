//! Steps of optimizers on Burn's tensors, in place where nobody else holds them, so that what is kept stays readable.

use burn::backend::Flex;
use burn::prelude::*;

use super::fused::{self, row_major, tensor, values};
use super::{is_fused, plain, to_vec};
use crate::buffer::Buffer;
use crate::optim::{AdamStep, RmsPropStep, SgdStep};

/// A CPU tensor without a graph as the kernels see it, its values in row-major order.
pub(super) fn flat<const D: usize>(x: Tensor<D>) -> fused::Flat {
    row_major(x.try_into_primitive::<Flex>().expect("the tensor is on the CPU and outside of any graph"))
}

/// The same values with nobody else behind them and nothing around them, to be changed in place.
fn own(mut x: fused::Flat) -> fused::Flat {
    let whole = x.layout().contiguous_offsets() == Some((0, x.bytes().len() / size_of::<f32>()));
    if whole && x.try_storage_mut::<f32>().is_some() {
        return x;
    }
    let mut copy = Buffer::new(values(&x).len());
    copy.copy_from_slice(values(&x));
    tensor(copy, burn::backend::TensorMetadata::shape(&x))
}

/// One step of Adam: new values, first and second moments, from tensors outside of any graph. The gradient is multiplied
/// by `scale` first. As in PyTorch, epsilon is added after the bias is corrected.
///
/// Source: Kingma and Ba 2015, arXiv:1412.6980, algorithm 1.
pub fn adam_step<const D: usize>(
    value: Tensor<D>,
    gradient: Tensor<D>,
    scale: f32,
    first: Tensor<D>,
    second: Tensor<D>,
    at: &AdamStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    adamw_step(value, gradient, scale, first, second, at, 0.0)
}

/// As [`adam_step`], after values have shrunk by `lr * decay`.
///
/// Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2; as in PyTorch, decay is multiplied by the learning
/// rate.
pub fn adamw_step<const D: usize>(
    value: Tensor<D>,
    gradient: Tensor<D>,
    scale: f32,
    first: Tensor<D>,
    second: Tensor<D>,
    at: &AdamStep,
    decay: f32,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    if !is_fused(&value) {
        let value = if decay == 0.0 { value } else { value.mul_scalar(1.0 - f64::from(at.lr) * f64::from(decay)) };
        return plain::adam_step(value, gradient.mul_scalar(scale), first, second, at);
    }
    let [value, first, second] = in_place([value, first, second], gradient, |[v, m, s], gradient| {
        crate::optim::adamw(v, gradient, scale, m, s, at, decay);
    });
    (value, first, second)
}

/// One step of RMSProp: new values, average of squared gradients and velocity, from tensors outside of any graph. The
/// gradient is multiplied by `scale` first.
///
/// Source: Tieleman and Hinton 2012, lecture 6.5; as in PyTorch, epsilon is added to the root.
pub fn rmsprop_step<const D: usize>(
    value: Tensor<D>,
    gradient: Tensor<D>,
    scale: f32,
    squares: Tensor<D>,
    velocity: Tensor<D>,
    at: &RmsPropStep,
) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
    if !is_fused(&value) {
        return plain::rmsprop_step(value, gradient.mul_scalar(scale), squares, velocity, at);
    }
    let [value, squares, velocity] = in_place([value, squares, velocity], gradient, |[v, s, m], gradient| {
        crate::optim::rmsprop(v, gradient, scale, s, m, at);
    });
    (value, squares, velocity)
}

/// One step of stochastic gradient descent with momentum: new values and velocity, from tensors outside of any graph. The
/// gradient is multiplied by `scale` first.
pub fn sgd_step<const D: usize>(
    value: Tensor<D>,
    gradient: Tensor<D>,
    scale: f32,
    velocity: Tensor<D>,
    at: &SgdStep,
) -> (Tensor<D>, Tensor<D>) {
    if !is_fused(&value) {
        return plain::sgd_step(value, gradient.mul_scalar(scale), velocity, at);
    }
    let [value, velocity] = in_place([value, velocity], gradient, |[v, m], gradient| {
        crate::optim::sgd(v, gradient, scale, m, at);
    });
    (value, velocity)
}

/// Runs `step` on the values of tensors, in place where nobody else has them, and of a gradient.
fn in_place<const N: usize, const D: usize>(
    tensors: [Tensor<D>; N],
    gradient: Tensor<D>,
    step: impl FnOnce([&mut [f32]; N], &[f32]),
) -> [Tensor<D>; N] {
    assert!(tensors.iter().all(|x| x.dims() == gradient.dims()), "a gradient, and what the optimizer keeps, per value");
    let mut tensors = tensors.map(|x| own(flat(x)));
    let gradient = flat(gradient);
    step(tensors.each_mut().map(|x| x.storage_mut::<f32>()), values(&gradient));
    tensors.map(Tensor::from_primitive::<Flex>)
}

/// `average + weight (value - average)`, from tensors outside of any graph.
pub fn lerp<const D: usize>(average: Tensor<D>, value: Tensor<D>, weight: f32) -> Tensor<D> {
    if !is_fused(&average) {
        return plain::lerp(average, value, weight);
    }
    let (mut average, value) = (own(flat(average)), flat(value));
    crate::optim::lerp(average.storage_mut::<f32>(), values(&value), weight);
    Tensor::from_primitive::<Flex>(average)
}

/// The sum of squares, in f64, of a tensor outside of any graph.
pub fn squared_norm<const D: usize>(x: Tensor<D>) -> f64 {
    match is_fused(&x) {
        true => crate::optim::squared_norm(values(&flat(x))),
        false => crate::optim::squared_norm(&to_vec(x)),
    }
}
