//! Gated recurrent units over whole sequences, forward and backward. Layouts: [`crate::recurrent`].
//!
//! ```text
//! r, z = sigmoid(x W + h U + b), n = tanh(x W + b + r (h U + b')); columns in the order r, z, n
//! h' = (1 - z) n + z h
//! ```
//!
//! The bias is `[r, z, n, b']`, `hidden` values each. Those of r and z are the sums of PyTorch's `bias_ih` and `bias_hh`,
//! that of n is from `bias_ih`, and b', which r multiplies, from `bias_hh`.
//!
//! Paper: Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder", arXiv:1406.1078.
//! Differs: r multiplies the product `h U + b'` and not `h`, and z keeps the old state, both as in `torch.nn.GRU`;
//! sigmoid and tanh are to 4e-7.

use std::ops::Range;

use crate::Activation;
use crate::activation::{sigmoid, tanh};
use crate::buffer::Buffer;
use crate::layout::{Panels, column_sums};
use crate::linear::{linear, linear_input_gradient, product_rows};
use crate::pool::Shared;
use crate::recurrent::{GatePanels, Recurrence, RecurrentGradients, RecurrentShape, each_block};
use crate::simd::{Simd, each_vector, panel_width, simd_fn};
use crate::tile::Start;

/// How many values [`gru`] keeps for [`gru_backward`]: the gates `[time, batch, 3 hidden]`, and then the products that r
/// multiplies, `[time, batch, hidden]`.
pub fn gru_kept([time, batch, _, hidden]: RecurrentShape) -> usize {
    time * batch * 4 * hidden
}

/// All outputs `y`, `[time, batch, hidden]`, from the state `of.h`; writes [`gru_kept`] values to `kept`.
///
/// # Panics
/// If slices are not as long as the shape says.
pub fn gru(shape: RecurrentShape, of: Recurrence<'_>, y: &mut [f32], kept: &mut [f32]) {
    let [time, batch, inputs, hidden] = shape;
    of.check(shape, 3, &[y], &[]);
    assert_eq!(kept.len(), gru_kept(shape), "room for `gru_kept` values");
    let (gates, inner) = kept.split_at_mut(time * batch * 3 * hidden);
    let (bias, inner_bias) = of.weights.bias.split_at(3 * hidden);
    linear([time * batch, inputs, 3 * hidden], of.x, of.weights.input, Some(bias), Activation::Identity, gates);
    let panels = &GatePanels::new(time * batch, hidden, of.weights.recurrent);
    let [gates, inner, y] = [gates, inner, y].map(Shared::new);
    let at = Forward { batch, hidden, panels, first: of.h, inner_bias, gates, inner, y };
    each_block(shape, 3 * hidden, |step, rows, units| forward_block(&at, step, rows, units));
}

struct Forward<'a> {
    batch: usize,
    hidden: usize,
    panels: &'a GatePanels<'a>,
    first: &'a [f32],
    inner_bias: &'a [f32],
    gates: Shared<'a>,
    inner: Shared<'a>,
    y: Shared<'a>,
}

simd_fn! {
    /// One step of some units. They are its own; outputs of the step before are complete.
    fn forward_block<S>(at: &Forward<'_>, step: usize, rows: Range<usize>, units: Range<usize>) {
        let hidden = at.hidden;
        let (h, height) = (rows.start * hidden, rows.len() * hidden);
        let h = match step {
            0 => &at.first[h..h + height],
            // SAFETY: nobody writes to the step before.
            step => unsafe { at.y.read((step - 1) * at.batch * hidden + h, height) },
        };
        let row_of = |row: usize| step * at.batch + row;
        for gate in 0..3 {
            let (b, b_step) = at.panels.panel(gate, units.start);
            let (start, out, stride, column) = match gate {
                2 => (Start::Bias(&at.inner_bias[units.clone()]), at.inner, hidden, units.start),
                gate => (Start::Accumulate, at.gates, 3 * hidden, gate * hidden + units.start),
            };
            let place = row_of(rows.start) * stride + column;
            let size = [rows.len(), hidden];
            product_rows(size, h, b, b_step, start, Activation::Identity, out, place, stride, units.len());
        }
        for (row, h) in rows.zip(h.chunks_exact(hidden)) {
            let (gates, now) = (row_of(row) * 3 * hidden + units.start, row_of(row) * hidden + units.start);
            let [gates, inner, y] = [at.gates.at(gates), at.inner.at(now), at.y.at(now)];
            // SAFETY: each task has rows and units of its own, inside of what `check` measured.
            unsafe { cell::<S>(units.len(), gates, hidden, inner, h[units.start..].as_ptr(), y) };
        }
    }
}

/// The activations of `n` units of a row, in place, and what follows from them.
///
/// # Safety
/// `n` values can be accessed everywhere, and three times at `gates` with that stride.
#[inline(always)]
unsafe fn cell<S: Simd>(n: usize, gates: *mut f32, stride: usize, inner: *const f32, before: *const f32, h: *mut f32) {
    each_vector!(S, n, |j, n| {
        // SAFETY: the caller's.
        unsafe {
            let [at_r, at_z, at_n] = [0, 1, 2].map(|gate| gates.add(gate * stride + j));
            let r = sigmoid::<S>(S::read(at_r, n));
            let z = sigmoid::<S>(S::read(at_z, n));
            let new = tanh::<S>(S::mul_add(r, S::read(inner.add(j), n), S::read(at_n, n)));
            S::write(at_r, r, n);
            S::write(at_z, z, n);
            S::write(at_n, new, n);
            S::write(h.add(j), S::mul_add(z, S::sub(S::read(before.add(j), n), new), new), n);
        }
    });
}

/// The gradients of [`gru`], given its arguments, what it wrote to `y` and `kept`, and the gradient `dy` by `y`.
///
/// `dh` holds the gradient by the state after the sequence (beyond what reaches it by `dy`), and is given the one by the
/// state before it.
///
/// # Panics
/// If slices are not as long as the shape says.
pub fn gru_backward(
    shape: RecurrentShape,
    of: Recurrence<'_>,
    [y, kept]: [&[f32]; 2],
    dy: &[f32],
    dh: &mut [f32],
    to: RecurrentGradients<'_>,
) {
    let [time, batch, _, hidden] = shape;
    of.check(shape, 3, &[y, dy], &[dh]);
    assert_eq!(kept.len(), gru_kept(shape), "the values of `gru`");
    let (gates, inner) = kept.split_at(time * batch * 3 * hidden);
    let [mut of_input, mut of_state] = [gates.len(); 2].map(Buffer::new);
    let steps = if time > 1 { hidden } else { 0 };
    let panels = &Panels::of_columns(3 * hidden, steps, &of.weights.recurrent[..3 * hidden * steps]);
    let by_gates = [&mut of_input, &mut of_state].map(|all| Shared::new(all));
    let at = Backward { shape, panels, gates, inner, h: of.h, y, dy, by_gates, dh: Shared::new(dh) };
    each_block(shape, 3 * hidden, |step, rows, units| backward_block(&at, time - 1 - step, rows, units));
    if time > 0 {
        let mut through = Buffer::new(dh.len());
        let first = &of_state[..batch * 3 * hidden];
        linear_input_gradient([batch, hidden, 3 * hidden], first, of.weights.recurrent, &mut through);
        dh.iter_mut().zip(&*through).for_each(|(dh, through)| *dh += through);
    }
    let mut sums = Buffer::new(3 * hidden);
    column_sums(3 * hidden, &of_state, &mut sums);
    to.bias[3 * hidden..].copy_from_slice(&sums[2 * hidden..]);
    of.gradients(shape, y, [&of_input, &of_state], to);
}

struct Backward<'a> {
    shape: RecurrentShape,
    panels: &'a Panels,
    gates: &'a [f32],
    inner: &'a [f32],
    h: &'a [f32],
    y: &'a [f32],
    dy: &'a [f32],
    /// As the input meets the gates and as the state does.
    by_gates: [Shared<'a>; 2],
    dh: Shared<'a>,
}

simd_fn! {
    /// One step of some units, back. They are its own; gradients by the gates of the step behind are complete.
    fn backward_block<S>(at: &Backward<'_>, step: usize, rows: Range<usize>, units: Range<usize>) {
        let [time, batch, _, hidden] = at.shape;
        let stride = 3 * hidden;
        let row_of = |row: usize| step * batch + row;
        if step + 1 < time {
            // SAFETY: nobody writes to the step behind.
            let behind = unsafe { at.by_gates[1].read((row_of(rows.start) + batch) * stride, rows.len() * stride) };
            product_rows(
                [rows.len(), stride],
                behind,
                at.panels.panel(units.start / panel_width()),
                panel_width(),
                Start::Accumulate,
                Activation::Identity,
                at.dh,
                rows.start * hidden + units.start,
                hidden,
                units.len(),
            );
        }
        for row in rows {
            let state = row * hidden + units.start;
            let (gates, now) = (row_of(row) * stride + units.start, row_of(row) * hidden + units.start);
            let before = if step == 0 { &at.h[state..] } else { &at.y[now - batch * hidden..] };
            let kept = [&at.gates[gates..], &at.inner[now..], before, &at.dy[now..]].map(<[f32]>::as_ptr);
            let [of_input, of_state] = [at.by_gates[0].at(gates), at.by_gates[1].at(gates)];
            // SAFETY: each task has rows and units of its own, inside of what `check` measured.
            unsafe { cell_backward::<S>(units.len(), hidden, kept, [of_input, of_state], at.dh.at(state)) };
        }
    }
}

/// # Safety
/// `n` values can be accessed everywhere, and three times, `stride` apart, at gates.
#[inline(always)]
unsafe fn cell_backward<S: Simd>(
    n: usize,
    stride: usize,
    [gates, inner, before, dy]: [*const f32; 4],
    [of_input, of_state]: [*mut f32; 2],
    dh: *mut f32,
) {
    each_vector!(S, n, |j, n| {
        // SAFETY: the caller's.
        unsafe {
            let r = S::read(gates.add(j), n);
            let z = S::read(gates.add(stride + j), n);
            let new = S::read(gates.add(2 * stride + j), n);
            let one = S::splat(1.0);
            let dh_here = S::add(S::read(dh.add(j), n), S::read(dy.add(j), n));
            let keep = S::sub(one, z);
            let by_z = S::mul(S::mul(S::mul(dh_here, S::sub(S::read(before.add(j), n), new)), z), keep);
            let by_new = S::mul(S::mul(dh_here, keep), S::sub(one, S::mul(new, new)));
            let by_r = S::mul(S::mul(S::mul(by_new, S::read(inner.add(j), n)), r), S::sub(one, r));
            for to in [of_input, of_state] {
                S::write(to.add(j), by_r, n);
                S::write(to.add(stride + j), by_z, n);
            }
            S::write(of_input.add(2 * stride + j), by_new, n);
            S::write(of_state.add(2 * stride + j), S::mul(by_new, r), n);
            S::write(dh.add(j), S::mul(dh_here, z), n);
        }
    });
}
