//! Layers on the fused kernels. Each has `forward` and a differentiable `input_gradient`.
//!
//! Automatic differentiation in Burn is first order. Gradient penalties need the gradient of a gradient, so a
//! discriminator computes its own input gradient, layer by layer backwards, with operations that can be differentiated
//! again: what [`Linear::input_gradient`] and [`Conv::input_gradient`] are for. The slope of a piecewise linear
//! activation is constant where it is differentiable, so the result is exact to second order.

use burn::module::{Module, Param};
use burn::prelude::*;
use galatea_kernels::Activation;
use galatea_kernels::burn as fused;
use galatea_kernels::burn::ConvGeometry;

use super::noise::WeightDraw;

/// A fully connected layer, `y = act(x W + b)`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Left singular vector for spectral normalisation, `[inputs]`.
    pub singular: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// Weights normal with standard deviation `gain / sqrt(inputs)`, biases zero (He et al. 2015, arXiv:1502.01852).
    pub fn new(inputs: usize, outputs: usize, gain: f64, draw: &mut WeightDraw) -> Self {
        Self {
            weight: trained(draw.normal([inputs, outputs], gain / (inputs as f64).sqrt())),
            bias: Some(trained(Tensor::zeros([outputs], draw.device()))),
            singular: None,
        }
    }

    /// The same layer without a bias.
    pub fn without_bias(mut self) -> Self {
        self.bias = None;
        self
    }

    /// The same layer with normal biases of this standard deviation: with zero biases all kinks of ReLUs go through the
    /// origin, which is nowhere in pictures, but in the middle of a plane.
    pub fn with_biases(mut self, deviation: f64, draw: &mut WeightDraw) -> Self {
        let [_, outputs] = self.weight.dims();
        self.bias = Some(trained(draw.normal([outputs], deviation)));
        self
    }

    /// The same layer with its weight divided by its largest singular value.
    pub fn with_spectral_norm(mut self, draw: &mut WeightDraw) -> Self {
        let [inputs, _] = self.weight.dims();
        self.singular = Some(singular_start(inputs, draw));
        self
    }

    /// `[n, inputs]` to `[n, outputs]`.
    pub fn forward(&self, x: Tensor<2>, activation: Activation) -> Tensor<2> {
        fused::linear(x, self.effective(), self.bias.as_ref().map(|bias| bias.val()), activation)
    }

    /// From the gradient at the layer's output before activation, `[n, outputs]`, the one at its input.
    pub fn input_gradient(&self, gradient: Tensor<2>) -> Tensor<2> {
        fused::linear_transposed(gradient, self.effective())
    }

    /// `y` plus the layer's bias, if it has one.
    pub fn with_bias(&self, y: Tensor<2>) -> Tensor<2> {
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }

    /// One power iteration, if the layer is spectrally normalised.
    pub fn iterate(mut self) -> Self {
        if let Some(u) = self.singular.take() {
            let w = self.weight.val().inner();
            self.singular = Some(power_iteration(u, w));
        }
        self
    }

    /// The weight that is used: divided by its largest singular value, if the layer is spectrally normalised.
    pub fn effective(&self) -> Tensor<2> {
        let w = self.weight.val();
        match &self.singular {
            Some(u) => w.clone() / largest_singular_value(u.val(), w).unsqueeze(),
            None => w,
        }
    }
}

/// A convolution, `y = act(x * W + b)`.
#[derive(Module, Debug)]
pub struct Conv {
    /// `[outputs, inputs, kernel, kernel]`.
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
    /// Left singular vector for spectral normalisation, `[outputs]`.
    pub singular: Option<Param<Tensor<1>>>,
    #[module(skip)]
    geometry: ConvGeometry,
}

impl Conv {
    /// Weights normal with standard deviation `gain / sqrt(inputs * kernel^2)`, biases zero.
    pub fn new(
        [inputs, outputs]: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: usize,
        gain: f64,
        draw: &mut WeightDraw,
    ) -> Self {
        let deviation = gain / ((inputs * kernel * kernel) as f64).sqrt();
        Self {
            weight: trained(draw.normal([outputs, inputs, kernel, kernel], deviation)),
            bias: Some(trained(Tensor::zeros([outputs], draw.device()))),
            singular: None,
            geometry: ConvGeometry { stride: [stride; 2], padding: [padding; 2], output_padding: [0; 2] },
        }
    }

    /// The same layer with its weight divided by its largest singular value.
    pub fn with_spectral_norm(mut self, draw: &mut WeightDraw) -> Self {
        let [outputs, ..] = self.weight.dims();
        self.singular = Some(singular_start(outputs, draw));
        self
    }

    /// `[n, inputs, height, width]` to `[n, outputs, height', width']`.
    pub fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        fused::conv2d(x, self.effective(), self.bias.as_ref().map(|bias| bias.val()), self.geometry, activation)
    }

    /// From the gradient at the layer's output before activation the one at its input of size `[height, width]`.
    pub fn input_gradient(&self, gradient: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
        let [_, _, height, width] = gradient.dims();
        let [_, _, kernel, _] = self.weight.dims();
        let ConvGeometry { stride, padding, .. } = self.geometry;
        let reach = |small: usize, axis: usize| (small - 1) * stride[axis] + kernel - 2 * padding[axis];
        let output_padding = [size[0] - reach(height, 0), size[1] - reach(width, 1)];
        let geometry = ConvGeometry { stride, padding, output_padding };
        fused::conv_transpose2d(gradient, self.effective(), None, geometry, Activation::Identity)
    }

    /// One power iteration, if the layer is spectrally normalised.
    pub fn iterate(mut self) -> Self {
        if let Some(u) = self.singular.take() {
            let w = self.weight.val().inner().flatten::<2>(1, 3);
            self.singular = Some(power_iteration(u, w));
        }
        self
    }

    fn effective(&self) -> Tensor<4> {
        let w = self.weight.val();
        match &self.singular {
            Some(u) => w.clone() / largest_singular_value(u.val(), w.flatten::<2>(1, 3)).unsqueeze(),
            None => w,
        }
    }
}

/// A transposed convolution with kernel 4, stride 2 and padding 1: doubles height and width.
#[derive(Module, Debug)]
pub struct ConvUp {
    /// `[inputs, outputs, 4, 4]`.
    pub weight: Param<Tensor<4>>,
    /// `[outputs]`.
    pub bias: Option<Param<Tensor<1>>>,
}

impl ConvUp {
    /// Weights normal with standard deviation `gain / sqrt(inputs * 4)` (4 of 16 taps meet in each output), biases zero.
    pub fn new([inputs, outputs]: [usize; 2], gain: f64, draw: &mut WeightDraw) -> Self {
        Self {
            weight: trained(draw.normal([inputs, outputs, 4, 4], gain / ((inputs * 4) as f64).sqrt())),
            bias: Some(trained(Tensor::zeros([outputs], draw.device()))),
        }
    }

    /// `[n, inputs, height, width]` to `[n, outputs, 2 height, 2 width]`.
    pub fn forward(&self, x: Tensor<4>, activation: Activation) -> Tensor<4> {
        let geometry = ConvGeometry { stride: [2; 2], padding: [1; 2], output_padding: [0; 2] };
        fused::conv_transpose2d(x, self.weight.val(), self.bias.as_ref().map(|bias| bias.val()), geometry, activation)
    }
}

/// The gradient before an activation from the one behind it, with the output `y` of the activation.
///
/// # Panics
/// For activations that are not piecewise linear: their slope is not constant.
pub fn through<const D: usize>(gradient: Tensor<D>, y: Tensor<D>, activation: Activation) -> Tensor<D> {
    match activation {
        Activation::Identity => gradient,
        Activation::Relu => fused::leaky_relu_backward(gradient, y, 0.0),
        Activation::LeakyRelu(slope) => fused::leaky_relu_backward(gradient, y, slope),
        other => panic!("{other:?} is not piecewise linear"),
    }
}

/// He's gain for a layer that is followed by a leaky ReLU of this slope; 0 for a ReLU, 1 for a linear layer.
pub fn gain(slope: f64) -> f64 {
    (2.0 / (1.0 + slope * slope)).sqrt()
}

/// Values that gradients move.
pub fn trained<const D: usize>(value: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(burn::module::ParamId::new(), value.require_grad())
}

/// Values that belong to a network but that no gradient moves.
pub fn kept<const D: usize>(value: Tensor<D>) -> Param<Tensor<D>> {
    Param::initialized(burn::module::ParamId::new(), value.set_require_grad(false)).set_require_grad(false)
}

// Spectral normalisation.
// Paper: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957, algorithm 1.
// Differs: the power iteration runs once per discriminator step, before it, and not in each forward pass, so that real,
// generated and penalised examples of one step meet the same weights.

fn singular_start(length: usize, draw: &mut WeightDraw) -> Param<Tensor<1>> {
    kept(unit(draw.normal([length], 1.0)))
}

/// `sigma = u^T W v` with `v = W^T u / |W^T u|` and both vectors held constant; `[1]`.
fn largest_singular_value(u: Tensor<1>, w: Tensor<2>) -> Tensor<1> {
    let constant = w.clone().detach();
    let v = unit(constant.transpose().matmul(u.clone().unsqueeze_dim::<2>(1)).flatten::<1>(0, 1));
    (w.matmul(v.unsqueeze_dim::<2>(1)).flatten::<1>(0, 1) * u).sum()
}

fn power_iteration(u: Param<Tensor<1>>, w: Tensor<2>) -> Param<Tensor<1>> {
    u.map(|u| {
        let device = u.device();
        let v = unit(w.clone().transpose().matmul(u.inner().unsqueeze_dim::<2>(1)).flatten::<1>(0, 1));
        let next = unit(w.matmul(v.unsqueeze_dim::<2>(1)).flatten::<1>(0, 1));
        let values = fused::to_vec(next);
        let length = values.len();
        fused::from_vec(values, [length], &device)
    })
}

fn unit(vector: Tensor<1>) -> Tensor<1> {
    let norm = vector.clone().powi_scalar(2).sum().sqrt().add_scalar(1e-12);
    vector / norm
}
