//! Layers of LSTM or GRU one behind the other, over series `[time, n, inputs]`, with the gradient by their input as
//! operations that can be differentiated again: penalties on a discriminator's slope need it.
//!
//! Weights are uniform within one over the root of the units, as PyTorch's; forget gates begin with a bias of 1 (Jozefowicz et
//! al. 2015, "An Empirical Exploration of Recurrent Network Architectures", section 5).

use burn::module::{Module, Param};
use burn::prelude::*;
use burn::tensor::activation::sigmoid;
use galatea_data::choice;
use galatea_kernels::Activation;
use galatea_kernels::burn as fused;
use galatea_kernels::burn::Recurrent;

use super::layers::trained;
use super::noise::WeightDraw;

choice! {
    /// What recurrent layers are made of.
    pub enum Unit {
        /// Gated recurrent units.
        Gru = "gru",
        /// Long short-term memory.
        Lstm = "lstm",
    }
}

/// A recurrent layer; layouts as in `galatea_kernels::recurrent`.
#[derive(Module, Debug)]
pub struct Layer {
    input: Param<Tensor<2>>,
    recurrent: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    is_lstm: bool,
}

impl Layer {
    /// Fresh weights for `inputs` values a step and `hidden` units.
    pub fn new(unit: Unit, inputs: usize, hidden: usize, draw: &mut WeightDraw) -> Self {
        let is_lstm = unit == Unit::Lstm;
        let columns = if is_lstm { 4 * hidden } else { 3 * hidden };
        let reach = 1.0 / (hidden as f64).sqrt();
        let mut bias = vec![0.0; 4 * hidden];
        if is_lstm {
            bias[hidden..2 * hidden].fill(1.0);
        }
        Self {
            input: trained(draw.uniform([inputs, columns], reach)),
            recurrent: trained(draw.uniform([hidden, columns], reach)),
            bias: trained(fused::from_vec(bias, [4 * hidden], draw.device())),
            is_lstm,
        }
    }

    /// One step from the state `[h, c]`, of which a GRU has no `c`; no gradient flows through `c`.
    fn step(&self, x: Tensor<2>, [h, c]: [Tensor<2>; 2]) -> [Tensor<2>; 2] {
        let [n, inputs] = x.dims();
        let x = x.reshape([1, n, inputs]);
        let weights = Recurrent { input: self.input.val(), recurrent: self.recurrent.val(), bias: self.bias.val() };
        let flat = |y: Tensor<3>| y.reshape([n, self.hidden()]);
        match self.is_lstm {
            true => {
                let (y, c) = fused::lstm(x, weights, h, c);
                [flat(y), c]
            }
            false => [flat(fused::gru(x, weights, h)), c],
        }
    }

    fn hidden(&self) -> usize {
        self.recurrent.dims()[0]
    }

    /// `[time, n, inputs]` to `[time, n, hidden]`, from states of zero.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [_, n, _] = x.dims();
        let empty = || Tensor::zeros([n, self.hidden()], &x.device());
        let weights = Recurrent { input: self.input.val(), recurrent: self.recurrent.val(), bias: self.bias.val() };
        match self.is_lstm {
            true => fused::lstm(x.clone(), weights, empty(), empty()).0,
            false => fused::gru(x.clone(), weights, empty()),
        }
    }

    /// What [`input_gradient`](Self::input_gradient) needs of a forward pass over `[n, inputs]` at each step; with the outputs.
    fn trace(&self, x: &[Tensor<2>]) -> Vec<Step> {
        let (hidden, [n, _]) = (self.hidden(), x[0].dims());
        let zeros = || Tensor::zeros([n, hidden], &x[0].device());
        let (mut h, mut c) = (zeros(), zeros());
        let (input, recurrent, bias) = (self.input.val(), self.recurrent.val(), self.bias.val());
        let mut steps = Vec::with_capacity(x.len());
        for x in x {
            let step = match self.is_lstm {
                true => {
                    let a = fused::linear(x.clone(), input.clone(), Some(bias.clone()), Activation::Identity)
                        + fused::linear(h, recurrent.clone(), None, Activation::Identity);
                    let at = |gate: usize| a.clone().narrow(1, gate * hidden, hidden);
                    let [i, f, o] = [0, 1, 3].map(|gate| sigmoid(at(gate)));
                    let g = at(2).tanh();
                    let new = f.clone() * c.clone() + i.clone() * g.clone();
                    let bent = new.clone().tanh();
                    let y = o.clone() * bent.clone();
                    let step = Step { gates: vec![i, f, g, o], other: bent, before: c, y };
                    c = new;
                    step
                }
                false => {
                    let own = bias.clone().narrow(0, 0, 3 * hidden);
                    let a = fused::linear(x.clone(), input.clone(), Some(own), Activation::Identity);
                    let u = fused::linear(h.clone(), recurrent.clone(), None, Activation::Identity);
                    let at = |of: &Tensor<2>, gate: usize| of.clone().narrow(1, gate * hidden, hidden);
                    let [r, z] = [0, 1].map(|gate| sigmoid(at(&a, gate) + at(&u, gate)));
                    let inner = at(&u, 2) + bias.clone().narrow(0, 3 * hidden, hidden).unsqueeze();
                    let new = (at(&a, 2) + r.clone() * inner.clone()).tanh();
                    let y = new.clone() + z.clone() * (h.clone() - new.clone());
                    Step { gates: vec![r, z, new], other: inner, before: h, y }
                }
            };
            h = step.y.clone();
            steps.push(step);
        }
        steps
    }

    /// From gradients at the outputs of all steps those at the inputs, `[n, inputs]` each.
    fn input_gradient(&self, steps: &[Step], gradients: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
        let (input, recurrent) = (self.input.val(), self.recurrent.val());
        let slope = |gate: &Tensor<2>| gate.clone() * (gate.clone().neg().add_scalar(1.0));
        let bend = |value: &Tensor<2>| value.clone().powi_scalar(2).neg().add_scalar(1.0);
        let zeros = || Tensor::zeros(steps[0].y.dims(), &steps[0].y.device());
        let (mut dh, mut dc): (Tensor<2>, Tensor<2>) = (zeros(), zeros());
        let mut all = Vec::with_capacity(steps.len());
        for (step, gradient) in steps.iter().zip(gradients).rev() {
            let g = gradient + dh;
            let (of_input, of_state, rest) = match (self.is_lstm, &step.gates[..]) {
                (true, [i, f, new, o]) => {
                    let cell = dc + g.clone() * o.clone() * bend(&step.other);
                    let parts = vec![
                        cell.clone() * new.clone() * slope(i),
                        cell.clone() * step.before.clone() * slope(f),
                        cell.clone() * i.clone() * bend(new),
                        g * step.other.clone() * slope(o),
                    ];
                    dc = cell * f.clone();
                    let a = Tensor::cat(parts, 1); // [n, 4 * hidden]
                    (a.clone(), a, None)
                }
                (_, [r, z, new, ..]) => {
                    let dn = g.clone() * z.clone().neg().add_scalar(1.0) * bend(new);
                    let dr = dn.clone() * step.other.clone() * slope(r);
                    let dz = g.clone() * (step.before.clone() - new.clone()) * slope(z);
                    let inner = dn.clone() * r.clone();
                    dc = zeros();
                    let of_state = Tensor::cat(vec![dr.clone(), dz.clone(), inner], 1); // [n, 3 * hidden]
                    (Tensor::cat(vec![dr, dz, dn], 1), of_state, Some(g * z.clone()))
                }
                _ => unreachable!("a step has three gates or four"),
            };
            let back = fused::linear_transposed(of_state, recurrent.clone());
            dh = rest.into_iter().fold(back, |back, rest| back + rest);
            all.push(fused::linear_transposed(of_input, input.clone()));
        }
        all.reverse();
        all
    }
}

/// What a layer's backward pass needs of a step, `[n, hidden]` each.
struct Step {
    /// Gates after their activation: `i, f, g, o` of an LSTM, `r, z, n` of a GRU.
    gates: Vec<Tensor<2>>,
    /// The tanh of an LSTM's new cell; what `r` multiplies of a GRU.
    other: Tensor<2>,
    /// An LSTM's cell, or a GRU's state, before the step.
    before: Tensor<2>,
    /// The output.
    y: Tensor<2>,
}

/// Layers one behind the other.
#[derive(Module, Debug)]
pub struct Stack {
    layers: Vec<Layer>,
}

impl Stack {
    /// `layers` layers of `hidden` units, the first of which sees `inputs` values a step.
    pub fn new(unit: Unit, [inputs, hidden, layers]: [usize; 3], draw: &mut WeightDraw) -> Self {
        let layer = |at: usize| Layer::new(unit, if at == 0 { inputs } else { hidden }, hidden, draw);
        Self { layers: (0..layers).map(layer).collect() }
    }

    /// `[time, n, inputs]` to `[time, n, hidden]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.layers.iter().fold(x, |x, layer| layer.forward(x))
    }

    /// The output after one step more, `[n, hidden]`, and the states to go on from; without states, from zeros. For drawing: gradients
    /// do not flow through all of the states.
    pub fn step(&self, x: Tensor<2>, states: Option<Vec<[Tensor<2>; 2]>>) -> (Tensor<2>, Vec<[Tensor<2>; 2]>) {
        let n = x.dims()[0];
        let empty = |layer: &Layer| [(); 2].map(|()| Tensor::zeros([n, layer.hidden()], &x.device()));
        let states = states.unwrap_or_else(|| self.layers.iter().map(empty).collect());
        let mut y = x.clone();
        let mut next = Vec::with_capacity(states.len());
        for (layer, state) in self.layers.iter().zip(states) {
            let state = layer.step(y, state);
            y = state[0].clone();
            next.push(state);
        }
        (y, next)
    }

    /// The outputs at the last step and their mean over all, `[n, 2 * hidden]`.
    pub fn summary(&self, x: Tensor<3>) -> Tensor<2> {
        let y = self.forward(x);
        let [time, n, hidden] = y.dims();
        let last = y.clone().narrow(0, time - 1, 1).reshape([n, hidden]);
        fused::beside(last, y.mean_dim(0).reshape([n, hidden]))
    }

    /// From the gradient by [`summary`](Self::summary), `[n, 2 * hidden]`, that by the inputs of each step, `[n, inputs]`; `of`
    /// gets it from the summary.
    pub fn slope(&self, x: &[Tensor<2>], of: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Vec<Tensor<2>> {
        let mut traces: Vec<Vec<Step>> = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let inputs: Option<Vec<Tensor<2>>> =
                traces.last().map(|steps| steps.iter().map(|step| step.y.clone()).collect());
            traces.push(layer.trace(inputs.as_deref().unwrap_or(x)));
        }
        let time = x.len();
        let Some(outputs) = traces.last() else { return x.to_vec() };
        let last = outputs[time - 1].y.clone();
        let hidden = last.dims()[1];
        let sum = outputs.iter().skip(1).fold(outputs[0].y.clone(), |sum, step| sum + step.y.clone());
        let gradient = of(fused::beside(last, sum.div_scalar(time as f64)));
        let of_last = gradient.clone().narrow(1, 0, hidden);
        let of_each = gradient.narrow(1, hidden, hidden).div_scalar(time as f64);
        let mut gradients: Vec<Tensor<2>> = (0..time).map(|_| of_each.clone()).collect();
        gradients[time - 1] = of_each + of_last;
        self.layers
            .iter()
            .zip(&traces)
            .rev()
            .fold(gradients, |gradients, (layer, steps)| layer.input_gradient(steps, gradients))
    }
}

/// Noise of windows, `[n, shared + length * each]`, as what recurrent layers read, `[length, n, each + shared]`: at each step
/// what is its own, and beside it what is the same at every step.
pub fn noise_of_windows(z: Tensor<2>, [shared, each]: [usize; 2], length: usize) -> Tensor<3> {
    let n = z.dims()[0];
    let own = z.clone().narrow(1, shared, length * each).reshape([n, length, each]).swap_dims(0, 1);
    with_every_step(own, (shared > 0).then(|| fused::first_columns(z, shared)))
}

/// Rows `[n, width]` beside those of every step, `[time, n, ..]`.
pub fn with_every_step(x: Tensor<3>, rows: Option<Tensor<2>>) -> Tensor<3> {
    let Some(rows) = rows else { return x };
    let [time, n, width] = x.dims();
    let more = rows.dims()[1];
    let rows = rows.repeat_dim(0, time); // [time * n, more]
    fused::beside(x.reshape([time * n, width]), rows).reshape([time, n, width + more])
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_kernels::burn::{filled, to_vec};

    #[test]
    fn slopes_are_gradients_and_can_be_differentiated() {
        let device = Device::flex().autodiff();
        for unit in [Unit::Gru, Unit::Lstm] {
            let stack = Stack::new(unit, [3, 5, 2], &mut WeightDraw::new(1, &device));
            let head = WeightDraw::new(2, &device).normal([10, 1], 1.0);
            let fill = |values: &mut [f32]| galatea_kernels::random::fill_normal(3, 0, values);
            let x: Tensor<3> = filled([6, 4, 3], &device, fill).require_grad();
            let logits = |x: Tensor<3>| fused::linear(stack.summary(x), head.clone(), None, Activation::Identity);
            let tape = logits(x.clone()).sum().backward();
            let expected = to_vec(x.grad(&tape).unwrap());
            // Step by step, the outputs are the same.
            let whole = to_vec(stack.forward(x.clone()).inner());
            let mut states = None;
            for t in 0..6 {
                let moment = x.clone().detach().narrow(0, t, 1).reshape([4, 3]);
                let (y, next) = stack.step(moment, states.take());
                states = Some(next);
                let apart = |(a, b): (&f32, &f32)| (a - b).abs();
                assert!(to_vec(y.inner()).iter().zip(&whole[t * 20..]).map(apart).all(|apart| apart < 1e-6));
            }
            let steps = |x: &Tensor<3>| -> Vec<Tensor<2>> {
                (0..6).map(|t| x.clone().narrow(0, t, 1).reshape([4, 3])).collect()
            };
            let slope = |stack: &Stack, x: &Tensor<3>| {
                let ones = Tensor::ones([4, 1], &device);
                let of = |_| fused::linear_transposed(ones, head.clone());
                Tensor::cat(stack.slope(&steps(x), of), 0)
            };
            let found = to_vec(slope(&stack, &x.clone().detach()).inner());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{unit:?}: {found}, not {expected}");
            }
            // The gradient of the squared slope by a weight, against differences.
            let x = x.detach();
            let penalty = |stack: &Stack| slope(stack, &x).powi_scalar(2).sum();
            let tape = penalty(&stack).backward();
            let gradient = to_vec(stack.layers[0].recurrent.grad(&tape).unwrap());
            let moved = |by: f32| {
                let mut stack = stack.clone();
                let mut values = to_vec(stack.layers[0].recurrent.val().inner());
                values[7] += by;
                let dims = stack.layers[0].recurrent.dims();
                stack.layers[0].recurrent = trained(fused::from_vec(values, dims, &device));
                f64::from(to_vec(penalty(&stack).inner())[0])
            };
            let difference = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            let of_tape = f64::from(gradient[7]);
            assert!((difference - of_tape).abs() < 0.01 * of_tape.abs().max(0.01), "{difference}, not {of_tape}");
        }
    }
}
