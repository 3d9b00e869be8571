//! What LSTM and GRU share: arguments, recurrent weights in panels, and how a sequence is cut into tasks.
//!
//! Row-major, time first: `x` is `[time, batch, inputs]`, outputs are `[time, batch, hidden]`, states `[batch, hidden]`.
//! Weights hold the gates side by side, in PyTorch's order: those of the input are `[inputs, gates * hidden]`, those of
//! the state `[hidden, gates * hidden]`, the transposes of PyTorch's `weight_ih` and `weight_hh`. A single cell is a
//! sequence of one step.
//!
//! What does not go through the state is one product over all steps. What does, a step at a time, uses weights that are
//! cut into panels once per call.

use std::ops::Range;

use crate::buffer::Buffer;
use crate::layout::{Panels, column_sums, pack_rows};
use crate::linear::{linear_input_gradient, tasks, weight_gradient};
use crate::pool::threads;
use crate::simd::panel_width;

/// `time`, `batch`, `inputs`, `hidden`.
pub type RecurrentShape = [usize; 4];

/// Weights of an LSTM (four gates) or a GRU (three).
#[derive(Clone, Copy)]
pub struct RecurrentWeights<'a> {
    /// By the input, `[inputs, gates * hidden]`.
    pub input: &'a [f32],
    /// By the state, `[hidden, gates * hidden]`.
    pub recurrent: &'a [f32],
    /// `[4 hidden]`, of which [`crate::lstm`] and [`crate::gru`] say what they are.
    pub bias: &'a [f32],
}

/// What a recurrent layer is given.
#[derive(Clone, Copy)]
pub struct Recurrence<'a> {
    /// `[time, batch, inputs]`.
    pub x: &'a [f32],
    /// The weights.
    pub weights: RecurrentWeights<'a>,
    /// The output before the first step, `[batch, hidden]`.
    pub h: &'a [f32],
}

/// Where the gradients by input and weights go; all is overwritten.
pub struct RecurrentGradients<'a> {
    /// By the input, `[time, batch, inputs]`, if anybody wants it.
    pub x: Option<&'a mut [f32]>,
    /// `[inputs, gates * hidden]`.
    pub input: &'a mut [f32],
    /// `[hidden, gates * hidden]`.
    pub recurrent: &'a mut [f32],
    /// `[4 hidden]`.
    pub bias: &'a mut [f32],
}

impl Recurrence<'_> {
    pub(crate) fn check(&self, shape: RecurrentShape, gates: usize, outputs: &[&[f32]], states: &[&[f32]]) {
        let [time, batch, inputs, hidden] = shape;
        assert!(hidden > 0, "a recurrent layer has units");
        assert_eq!(self.x.len(), time * batch * inputs, "an input per step");
        let RecurrentWeights { input, recurrent, bias } = self.weights;
        assert_eq!(input.len(), inputs * gates * hidden, "{gates} gates of the input");
        assert_eq!(recurrent.len(), hidden * gates * hidden, "{gates} gates of the state");
        assert_eq!(bias.len(), 4 * hidden, "biases");
        assert!(self.h.len() == batch * hidden && states.iter().all(|state| state.len() == batch * hidden), "states");
        assert!(outputs.iter().all(|y| y.len() == time * batch * hidden), "an output per step");
    }

    /// Gradients by input and weights, from those by the gates before their activations: as the input meets them and as
    /// the state does, both `[time, batch, gates * hidden]`.
    pub(crate) fn gradients(
        &self,
        shape: RecurrentShape,
        y: &[f32],
        [of_input, of_state]: [&[f32]; 2],
        to: RecurrentGradients<'_>,
    ) {
        let [time, batch, inputs, hidden] = shape;
        let (rows, columns) = (time * batch, self.weights.recurrent.len() / hidden);
        if let Some(dx) = to.x {
            linear_input_gradient([rows, inputs, columns], of_input, self.weights.input, dx);
        }
        let mut panels = Panels::of_rows(rows, columns, of_input);
        weight_gradient([rows, inputs, columns], self.x, &panels, to.input);
        if !std::ptr::eq(of_input, of_state) {
            panels = Panels::of_rows(rows, columns, of_state);
        }
        // The state that each step begins with.
        let mut before = Buffer::new(rows * hidden);
        if time > 0 {
            let (first, rest) = before.split_at_mut(batch * hidden);
            first.copy_from_slice(self.h);
            rest.copy_from_slice(&y[..rest.len()]);
        }
        weight_gradient([rows, hidden, columns], &before, &panels, to.recurrent);
        column_sums(columns, of_input, &mut to.bias[..columns]);
    }
}

/// Recurrent weights `[hidden, gates * hidden]` in panels: for every `panel_width()` units the panels of all gates.
pub(crate) struct GatePanels<'a> {
    /// `None` where few rows will pass: those are done before a panel is copied together.
    packed: Option<Panels>,
    weights: &'a [f32],
    hidden: usize,
    gates: usize,
}

impl<'a> GatePanels<'a> {
    /// For `rows` rows in all.
    pub(crate) fn new(rows: usize, hidden: usize, weights: &'a [f32]) -> Self {
        let (width, columns) = (panel_width(), weights.len() / hidden);
        let gates = columns / hidden;
        let direct = rows <= 8 && hidden.is_multiple_of(width);
        let packed = (!direct).then(|| {
            Panels::new(hidden, hidden.div_ceil(width) * gates * width, |first, _, out| {
                let (unit, gate) = (first / width / gates * width, first / width % gates);
                let units = width.min(hidden - unit);
                if units < width {
                    out.fill(0.0);
                }
                pack_rows(hidden, gate * hidden + unit, units, columns, weights, width, out);
            })
        });
        Self { packed, weights, hidden, gates }
    }

    /// The weights of a gate for the units from `unit` on, and the length of their rows.
    pub(crate) fn panel(&self, gate: usize, unit: usize) -> (&[f32], usize) {
        match &self.packed {
            Some(panels) => (panels.panel(unit / panel_width() * self.gates + gate), panel_width()),
            None => (&self.weights[gate * self.hidden + unit..], self.gates * self.hidden),
        }
    }
}

/// Calls `body` with every step, rows of the batch and a panel's width of units. For these rows, the steps before are then
/// complete. A unit's step is `products` products.
///
/// Sequences of a batch do not meet, so with enough of them a thread takes some through all steps and waits for nobody;
/// otherwise the threads share the units of each step.
pub(crate) fn each_block(
    [time, batch, _, hidden]: RecurrentShape,
    products: usize,
    body: impl Fn(usize, Range<usize>, Range<usize>) + Sync,
) {
    // More than 64 rows would crowd the nearest caches.
    let rows = match batch.div_ceil(threads()) {
        share if share >= 8 => share.next_multiple_of(8).min(64),
        _ => batch.max(1),
    };
    let width = panel_width();
    tasks(batch.div_ceil(rows), time * batch * hidden * products, |block| {
        let rows = block * rows..((block + 1) * rows).min(batch);
        for step in 0..time {
            // Where this is one of several tasks, its own are done one after the other.
            tasks(hidden.div_ceil(width), rows.len() * hidden * products, |block| {
                body(step, rows.clone(), block * width..((block + 1) * width).min(hidden));
            });
        }
    });
}
