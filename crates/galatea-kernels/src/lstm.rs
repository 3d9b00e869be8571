//! Long short-term memory over whole sequences, forward and backward. Layouts: [`crate::recurrent`].
//!
//! ```text
//! i, f, o = sigmoid(x W + h U + b), g = tanh(x W + h U + b); columns in the order i, f, g, o
//! c' = f c + i g, h' = o tanh(c')
//! ```
//!
//! The bias is the sum of PyTorch's `bias_ih` and `bias_hh`; each of those has the gradient of the sum.
//!
//! Paper: Hochreiter and Schmidhuber 1997, "Long Short-Term Memory"; with the forget gate of Gers et al. 2000.
//! Differs: in nothing that `torch.nn.LSTM` does not; sigmoid and tanh are to 4e-7.

use std::ops::Range;

use crate::Activation;
use crate::activation::{sigmoid, tanh};
use crate::buffer::Buffer;
use crate::layout::Panels;
use crate::linear::{linear, linear_input_gradient, product_rows};
use crate::pool::Shared;
use crate::recurrent::{GatePanels, Recurrence, RecurrentGradients, RecurrentShape, each_block};
use crate::simd::{Simd, each_vector, panel_width, simd_fn};
use crate::tile::Start;

/// How many values [`lstm`] keeps for [`lstm_backward`]: the gates `[time, batch, 4 hidden]`, and then the cells
/// `[time, batch, hidden]`, whose last step is the state `c` after the sequence.
pub fn lstm_kept([time, batch, _, hidden]: RecurrentShape) -> usize {
    time * batch * 5 * hidden
}

/// All outputs `y`, `[time, batch, hidden]`, from the states `of.h` and `c`; writes [`lstm_kept`] values to `kept`.
///
/// # Panics
/// If slices are not as long as the shape says.
pub fn lstm(shape: RecurrentShape, of: Recurrence<'_>, c: &[f32], y: &mut [f32], kept: &mut [f32]) {
    let [time, batch, inputs, hidden] = shape;
    of.check(shape, 4, &[y], &[c]);
    assert_eq!(kept.len(), lstm_kept(shape), "room for `lstm_kept` values");
    let (gates, cells) = kept.split_at_mut(time * batch * 4 * hidden);
    let weights = of.weights;
    linear([time * batch, inputs, 4 * hidden], of.x, weights.input, Some(weights.bias), Activation::Identity, gates);
    let panels = &GatePanels::new(time * batch, hidden, weights.recurrent);
    let [gates, cells, y] = [gates, cells, y].map(Shared::new);
    let at = Forward { batch, hidden, panels, first: [of.h, c], gates, cells, y };
    each_block(shape, 4 * hidden, |step, rows, units| forward_block(&at, step, rows, units));
}

struct Forward<'a> {
    batch: usize,
    hidden: usize,
    panels: &'a GatePanels<'a>,
    first: [&'a [f32]; 2],
    gates: Shared<'a>,
    cells: Shared<'a>,
    y: Shared<'a>,
}

simd_fn! {
    /// One step of some units. They are its own; outputs of the step before are complete.
    fn forward_block<S>(at: &Forward<'_>, step: usize, rows: Range<usize>, units: Range<usize>) {
        let (hidden, size) = (at.hidden, at.batch * at.hidden);
        let before = |all: &Shared<'_>| all.at((step - 1) * size).cast_const();
        let [h, c] = if step == 0 { at.first.map(<[f32]>::as_ptr) } else { [before(&at.y), before(&at.cells)] };
        // SAFETY: `batch` rows are there, and nobody writes to these of the step before.
        let h = unsafe { std::slice::from_raw_parts(h.add(rows.start * hidden), rows.len() * hidden) };
        let stride = 4 * hidden;
        let place = |row: usize| (step * at.batch + row) * stride + units.start;
        for gate in 0..4 {
            let (b, b_step) = at.panels.panel(gate, units.start);
            product_rows(
                [rows.len(), hidden],
                h,
                b,
                b_step,
                Start::Accumulate,
                Activation::Identity,
                at.gates,
                place(rows.start) + gate * hidden,
                stride,
                units.len(),
            );
        }
        for row in rows {
            let state = row * hidden + units.start;
            let (gates, c) = (at.gates.at(place(row)), c.wrapping_add(state));
            // SAFETY: each task has rows and units of its own, inside of what `check` measured.
            unsafe { cell::<S>(units.len(), gates, hidden, c, at.cells.at(step * size + state), at.y.at(step * size + state)) };
        }
    }
}

/// The activations of `n` units of a row, in place, and what follows from them.
///
/// # Safety
/// `n` values can be accessed everywhere, and four times at `gates` with that stride.
#[inline(always)]
unsafe fn cell<S: Simd>(n: usize, gates: *mut f32, stride: usize, before: *const f32, c: *mut f32, h: *mut f32) {
    each_vector!(S, n, |j, n| {
        // SAFETY: the caller's.
        unsafe {
            let [at_i, at_f, at_g, at_o] = [0, 1, 2, 3].map(|gate| gates.add(gate * stride + j));
            let i = sigmoid::<S>(S::read(at_i, n));
            let f = sigmoid::<S>(S::read(at_f, n));
            let g = tanh::<S>(S::read(at_g, n));
            let o = sigmoid::<S>(S::read(at_o, n));
            let next = S::mul_add(f, S::read(before.add(j), n), S::mul(i, g));
            S::write(at_i, i, n);
            S::write(at_f, f, n);
            S::write(at_g, g, n);
            S::write(at_o, o, n);
            S::write(c.add(j), next, n);
            S::write(h.add(j), S::mul(o, tanh::<S>(next)), n);
        }
    });
}

/// The gradients of [`lstm`], given its arguments, what it wrote to `y` and `kept`, and the gradient `dy` by `y`.
///
/// `states` holds the gradients by the states `h` and `c` after the sequence (beyond what reaches `h` by `dy`), and is
/// given those by the states before it.
///
/// # Panics
/// If slices are not as long as the shape says.
pub fn lstm_backward(
    shape: RecurrentShape,
    of: Recurrence<'_>,
    c: &[f32],
    [y, kept]: [&[f32]; 2],
    dy: &[f32],
    states: [&mut [f32]; 2],
    to: RecurrentGradients<'_>,
) {
    let [time, batch, _, hidden] = shape;
    let [dh, dc] = states;
    of.check(shape, 4, &[y, dy], &[c, dh, dc]);
    assert_eq!(kept.len(), lstm_kept(shape), "the values of `lstm`");
    let (gates, cells) = kept.split_at(time * batch * 4 * hidden);
    let mut by_gates = Buffer::new(gates.len());
    let steps = if time > 1 { hidden } else { 0 };
    let panels = &Panels::of_columns(4 * hidden, steps, &of.weights.recurrent[..4 * hidden * steps]);
    let by_state = [&mut *dh, dc].map(Shared::new);
    let at = Backward { shape, panels, gates, cells, c, dy, by_gates: Shared::new(&mut by_gates), by_state };
    each_block(shape, 4 * hidden, |step, rows, units| backward_block(&at, time - 1 - step, rows, units));
    if time > 0 {
        let first = &by_gates[..batch * 4 * hidden];
        linear_input_gradient([batch, hidden, 4 * hidden], first, of.weights.recurrent, dh);
    }
    of.gradients(shape, y, [&by_gates, &by_gates], to);
}

struct Backward<'a> {
    shape: RecurrentShape,
    panels: &'a Panels,
    gates: &'a [f32],
    cells: &'a [f32],
    c: &'a [f32],
    dy: &'a [f32],
    by_gates: Shared<'a>,
    by_state: [Shared<'a>; 2],
}

simd_fn! {
    /// One step of some units, back. They are its own; gradients by the gates of the step behind are complete.
    fn backward_block<S>(at: &Backward<'_>, step: usize, rows: Range<usize>, units: Range<usize>) {
        let [time, batch, _, hidden] = at.shape;
        let (size, stride) = (batch * hidden, 4 * hidden);
        let [dh, dc] = at.by_state;
        if step + 1 < time {
            // SAFETY: nobody writes to the step behind.
            let behind = unsafe { at.by_gates.read(((step + 1) * batch + rows.start) * stride, rows.len() * stride) };
            product_rows(
                [rows.len(), stride],
                behind,
                at.panels.panel(units.start / panel_width()),
                panel_width(),
                Start::Zero,
                Activation::Identity,
                dh,
                rows.start * hidden + units.start,
                hidden,
                units.len(),
            );
        }
        for row in rows {
            let state = row * hidden + units.start;
            let now = step * size + state;
            let gates = (step * batch + row) * stride + units.start;
            let before = if step == 0 { &at.c[state..] } else { &at.cells[now - size..] };
            let kept = [&at.gates[gates..], &at.cells[now..], before, &at.dy[now..]].map(<[f32]>::as_ptr);
            // SAFETY: each task has rows and units of its own, inside of what `check` measured.
            unsafe { cell_backward::<S>(units.len(), hidden, kept, at.by_gates.at(gates), dh.at(state), dc.at(state)) };
        }
    }
}

/// # Safety
/// `n` values can be accessed everywhere, and four times, `stride` apart, at gates.
#[inline(always)]
unsafe fn cell_backward<S: Simd>(
    n: usize,
    stride: usize,
    [gates, cells, before, dy]: [*const f32; 4],
    by_gates: *mut f32,
    dh: *const f32,
    dc: *mut f32,
) {
    each_vector!(S, n, |j, n| {
        // SAFETY: the caller's.
        unsafe {
            let i = S::read(gates.add(j), n);
            let f = S::read(gates.add(stride + j), n);
            let g = S::read(gates.add(2 * stride + j), n);
            let o = S::read(gates.add(3 * stride + j), n);
            let one = S::splat(1.0);
            let squashed = tanh::<S>(S::read(cells.add(j), n));
            let dh = S::add(S::read(dh.add(j), n), S::read(dy.add(j), n));
            let by_o = S::mul(dh, squashed);
            // Through tanh: 1 - tanh^2.
            let slope = S::sub(one, S::mul(squashed, squashed));
            let dc_here = S::mul_add(S::mul(dh, o), slope, S::read(dc.add(j), n));
            let by_f = S::mul(dc_here, S::read(before.add(j), n));
            // Through a sigmoid: its value times one minus it.
            let by_i = S::mul(S::mul(S::mul(dc_here, g), i), S::sub(one, i));
            let by_f = S::mul(S::mul(by_f, f), S::sub(one, f));
            let by_g = S::mul(S::mul(dc_here, i), S::sub(one, S::mul(g, g)));
            let by_o = S::mul(S::mul(by_o, o), S::sub(one, o));
            S::write(by_gates.add(j), by_i, n);
            S::write(by_gates.add(stride + j), by_f, n);
            S::write(by_gates.add(2 * stride + j), by_g, n);
            S::write(by_gates.add(3 * stride + j), by_o, n);
            S::write(dc.add(j), S::mul(dc_here, f), n);
        }
    });
}
