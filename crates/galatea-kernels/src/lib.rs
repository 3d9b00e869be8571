#![allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    Identity,
    Relu,
    LeakyRelu(f32),
    Tanh,
    Sigmoid,
}
pub mod pool;
pub mod random;
pub mod burn {
    use super::Activation;
    use ::burn::prelude::*;
    use ::burn::tensor::{
        TensorData, activation, module,
        ops::{ConvOptions, ConvTransposeOptions},
    };
    fn act<const D: usize>(x: Tensor<D>, a: Activation) -> Tensor<D> {
        match a {
            Activation::Identity => x,
            Activation::Relu => activation::relu(x),
            Activation::LeakyRelu(s) => activation::leaky_relu(x, s as f64),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => activation::sigmoid(x),
        }
    }
    pub fn linear(x: Tensor<2>, w: Tensor<2>, b: Option<Tensor<1>>, a: Activation) -> Tensor<2> {
        let y = x.matmul(w);
        act(
            match b {
                Some(b) => y + b.unsqueeze(),
                None => y,
            },
            a,
        )
    }
    pub fn linear_transposed(g: Tensor<2>, w: Tensor<2>) -> Tensor<2> {
        g.matmul(w.transpose())
    }
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct ConvGeometry {
        pub stride: [usize; 2],
        pub padding: [usize; 2],
        pub output_padding: [usize; 2],
    }
    pub fn conv2d(x: Tensor<4>, w: Tensor<4>, b: Option<Tensor<1>>, g: ConvGeometry, a: Activation) -> Tensor<4> {
        act(module::conv2d(x, w, b, ConvOptions::new(g.stride, g.padding, [1, 1], 1)), a)
    }
    pub fn conv_transpose2d(
        x: Tensor<4>,
        w: Tensor<4>,
        b: Option<Tensor<1>>,
        g: ConvGeometry,
        a: Activation,
    ) -> Tensor<4> {
        act(
            module::conv_transpose2d(
                x,
                w,
                b,
                ConvTransposeOptions::new(g.stride, g.padding, g.output_padding, [1, 1], 1),
            ),
            a,
        )
    }
    pub fn batch_norm(
        x: Tensor<4>,
        ga: Tensor<1>,
        be: Tensor<1>,
        eps: f32,
        a: Activation,
    ) -> (Tensor<4>, Tensor<1>, Tensor<1>) {
        let c = ga.dims()[0];
        let mu = x.clone().mean_dims(&[0, 2, 3]);
        let xc = x - mu.clone();
        let va = xc.clone().powi_scalar(2).mean_dims(&[0, 2, 3]);
        let y = act(xc / (va.clone() + eps).sqrt() * ga.reshape([1, c, 1, 1]) + be.reshape([1, c, 1, 1]), a);
        (y, mu.reshape([c]).detach(), va.reshape([c]).detach())
    }
    pub fn scale_shift(x: Tensor<4>, s: Tensor<1>, b: Tensor<1>, a: Activation) -> Tensor<4> {
        let c = s.dims()[0];
        act(x * s.reshape([1, c, 1, 1]) + b.reshape([1, c, 1, 1]), a)
    }
    pub fn softplus_mean(x: Tensor<2>, sign: f32) -> Tensor<1> {
        activation::softplus(x * sign, 1.0).mean()
    }
    pub fn hinge_mean(x: Tensor<2>, sign: f32) -> Tensor<1> {
        activation::relu(x * sign + 1.0).mean()
    }
    pub fn leaky_relu_backward<const D: usize>(g: Tensor<D>, y: Tensor<D>, slope: f32) -> Tensor<D> {
        let y = y.detach();
        let m = y.greater_elem(0.0);
        let s = m.float() * (1.0 - slope) + slope;
        g * s
    }
    pub struct AdamStep {
        pub lr: f32,
        pub beta_1: f32,
        pub beta_2: f32,
        pub epsilon: f32,
        pub weight_decay: f32,
        pub decoupled: bool,
        pub step: u64,
    }
    pub fn adam_step<const D: usize>(
        p: Tensor<D>,
        g: Tensor<D>,
        m: Tensor<D>,
        v: Tensor<D>,
        s: &AdamStep,
    ) -> (Tensor<D>, Tensor<D>, Tensor<D>) {
        let m = m * s.beta_1 + g.clone() * (1.0 - s.beta_1);
        let v = v * s.beta_2 + g.powi_scalar(2) * (1.0 - s.beta_2);
        let c1 = 1.0 - s.beta_1.powi(s.step as i32);
        let c2 = 1.0 - s.beta_2.powi(s.step as i32);
        let p = p - (m.clone() / c1) / ((v.clone() / c2).sqrt() + s.epsilon) * s.lr;
        (p, m, v)
    }
    pub fn lerp<const D: usize>(a: Tensor<D>, v: Tensor<D>, w: f32) -> Tensor<D> {
        a.clone() + (v - a) * w
    }
    pub fn squared_norm<const D: usize>(t: Tensor<D>) -> f64 {
        to_vec(t).iter().map(|v| f64::from(*v).powi(2)).sum()
    }
    pub fn from_vec<const D: usize>(v: Vec<f32>, s: [usize; D], d: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(v, s), d)
    }
    pub fn to_vec<const D: usize>(t: Tensor<D>) -> Vec<f32> {
        t.into_data().to_vec::<f32>().unwrap()
    }
}
