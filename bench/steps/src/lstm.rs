//! The case `lstm`: two layers over whole sequences, forward, backward and Adam, by the kernels alone, since they are no
//! operations of Burn yet. The loss is the mean square of the outputs, as on PyTorch's side.

use galatea_kernels::lstm::{lstm, lstm_backward, lstm_kept};
use galatea_kernels::optim::{AdamStep, adam};
use galatea_kernels::random;
use galatea_kernels::recurrent::{Recurrence, RecurrentGradients, RecurrentShape, RecurrentWeights};

use crate::cases::Work;

const LAYERS: usize = 2;
/// Time, batch, inputs, hidden.
const SHAPE: RecurrentShape = [64, 32, 256, 256];

/// Values that are trained, with their gradient and moments.
struct Trained {
    value: Vec<f32>,
    gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// A layer, and what a step writes.
struct Layer {
    /// Weights by the input and by the state, and the bias.
    trained: [Trained; 3],
    y: Vec<f32>,
    kept: Vec<f32>,
    /// Gradients by the input, and by the states.
    by_input: Vec<f32>,
    by_states: [Vec<f32>; 2],
}

/// The case.
pub(crate) fn work() -> Work {
    let [time, batch, inputs, hidden] = SHAPE;
    let mut layers: Vec<Layer> = (0..LAYERS as u64).map(Layer::new).collect();
    let x = draw(99, time * batch * inputs, 1.0);
    let zero = vec![0.0; batch * hidden];
    let mut by_output = vec![0.0; time * batch * hidden];
    let mut step = 0;
    let parameters = layers.iter().flat_map(|layer| &layer.trained).map(|trained| trained.value.len()).sum();
    let step = move || {
        for index in 0..LAYERS {
            let (before, rest) = layers.split_at_mut(index);
            let Layer { trained, y, kept, .. } = &mut rest[0];
            let x = before.last().map_or(&x[..], |layer| &layer.y);
            lstm(SHAPE, recurrence(x, trained, &zero), &zero, y, kept);
        }
        let scale = 2.0 / by_output.len() as f32;
        by_output.iter_mut().zip(&layers[LAYERS - 1].y).for_each(|(out, y)| *out = scale * y);
        for index in (0..LAYERS).rev() {
            let (before, rest) = layers.split_at_mut(index);
            let (layer, after) = rest.split_at_mut(1);
            let by_y = after.first().map_or(&by_output[..], |layer| &layer.by_input);
            let x = before.last().map_or(&x[..], |layer| &layer.y);
            layer[0].backward(x, &zero, by_y, index > 0);
        }
        step += 1;
        let at = AdamStep { lr: 2e-4, beta_1: 0.5, beta_2: 0.999, epsilon: 1e-8, step };
        for Trained { value, gradient, first, second } in layers.iter_mut().flat_map(|layer| &mut layer.trained) {
            adam(value, gradient, 1.0, first, second, &at);
        }
        Ok(())
    };
    Work { parameters: vec![("lstm", parameters)], step: Box::new(step) }
}

fn recurrence<'a>(x: &'a [f32], [input, recurrent, bias]: &'a [Trained; 3], h: &'a [f32]) -> Recurrence<'a> {
    let weights = RecurrentWeights { input: &input.value, recurrent: &recurrent.value, bias: &bias.value };
    Recurrence { x, weights, h }
}

impl Layer {
    fn new(index: u64) -> Self {
        let [time, batch, inputs, hidden] = SHAPE;
        let sizes = [inputs * 4 * hidden, hidden * 4 * hidden, 4 * hidden];
        let mut stream = 3 * index;
        let trained = sizes.map(|size| {
            stream += 1;
            let zeros = || vec![0.0; size];
            Trained { value: draw(stream, size, 1.0 / 16.0), gradient: zeros(), first: zeros(), second: zeros() }
        });
        Self {
            trained,
            y: vec![0.0; time * batch * hidden],
            kept: vec![0.0; lstm_kept(SHAPE)],
            by_input: vec![0.0; time * batch * inputs],
            by_states: [vec![0.0; batch * hidden], vec![0.0; batch * hidden]],
        }
    }

    fn backward(&mut self, x: &[f32], zero: &[f32], by_y: &[f32], wants_input: bool) {
        let [input, recurrent, bias] = &mut self.trained;
        let weights = RecurrentWeights { input: &input.value, recurrent: &recurrent.value, bias: &bias.value };
        let [by_h, by_c] = &mut self.by_states;
        by_h.fill(0.0);
        by_c.fill(0.0);
        let to = RecurrentGradients {
            x: wants_input.then_some(&mut self.by_input[..]),
            input: &mut input.gradient,
            recurrent: &mut recurrent.gradient,
            bias: &mut bias.gradient,
        };
        let of = Recurrence { x, weights, h: zero };
        lstm_backward(SHAPE, of, zero, [&self.y, &self.kept], by_y, [by_h, by_c], to);
    }
}

fn draw(stream: u64, count: usize, deviation: f32) -> Vec<f32> {
    let mut values = vec![0.0; count];
    random::fill_normal(1, stream, &mut values);
    values.iter_mut().for_each(|value| *value *= deviation);
    values
}
