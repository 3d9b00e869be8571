//! Causal self-attention of several heads: forward, backward, and one step after others.
//!
//! Paper: Vaswani et al. 2017, "Attention Is All You Need", arXiv:1706.03762, section 3.2; rotary positions are those of
//! Su et al. 2021, "RoFormer", arXiv:2104.09864, equation 34, with the halves of a head as pairs.
//! Differs: scores are never held for all positions at once; the backward pass makes them again.
//!
//! A head of one sequence is a task, and within it some positions at a time meet the keys up to theirs. Queries, keys and
//! values are copied together first, with zeros around, so that all products are of whole panels.

use std::ops::Range;

use crate::Activation;
use crate::buffer::Buffer;
use crate::layout::Panels;
use crate::linear::{product_rows, sum_of_outer};
use crate::loss::largest;
use crate::pool::{Shared, parallel_for};
use crate::simd::{Simd, each_vector, panel_width, simd_fn};
use crate::tile::Start;

/// Positions that meet keys together. More would waste products with keys that are masked.
const BLOCK: usize = 32;

/// Sizes of a self-attention. Rows are those of `[batch * time, ..]`, the positions of a sequence one after the other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttentionShape {
    /// Sequences.
    pub batch: usize,
    /// Positions of each.
    pub time: usize,
    /// Heads.
    pub heads: usize,
    /// Values of a head.
    pub size: usize,
    /// Base of rotary positions, such as 10,000; without it, queries and keys do not know where they are. Heads are of even
    /// size then.
    pub rotary: Option<f32>,
}

impl AttentionShape {
    /// Values of a position.
    pub fn width(&self) -> usize {
        self.heads * self.size
    }

    fn check(&self, of_three: &[&[f32]], of_one: &[&[f32]]) {
        let values = self.batch * self.time * self.width();
        assert!(of_three.iter().all(|all| all.len() == 3 * values), "queries, keys and values of {self:?}");
        assert!(of_one.iter().all(|all| all.len() == values), "values of {self:?}");
        assert!(self.rotary.is_none() || self.size.is_multiple_of(2), "halves of a head are turned");
    }
}

/// Cosines and sines of rotary positions, `[time, size / 2]` each.
struct Turns {
    cos: Vec<f32>,
    sin: Vec<f32>,
    half: usize,
}

impl Turns {
    fn new(base: f32, positions: Range<usize>, size: usize) -> Self {
        let half = size / 2;
        let rate = |i: usize| f64::from(base).powf(-(i as f64) / half as f64);
        let angles = positions.flat_map(|at| (0..half).map(move |i| at as f64 * rate(i)));
        let (cos, sin) = angles.map(|angle| (angle.cos() as f32, angle.sin() as f32)).unzip();
        Self { cos, sin, half }
    }

    /// Turns a head at the `row`-th position; back with `sign` -1.
    fn turn(&self, row: usize, sign: f32, head: &mut [f32]) {
        let at = row * self.half..(row + 1) * self.half;
        let (first, second) = head.split_at_mut(self.half);
        let turns = self.cos[at.clone()].iter().zip(&self.sin[at]);
        for ((a, b), (cos, sin)) in first.iter_mut().zip(second).zip(turns) {
            (*a, *b) = (*a * cos - sign * *b * sin, sign * *a * sin + *b * cos);
        }
    }
}

/// Turns each head of one position, `[heads * size]`, by its angle.
///
/// # Panics
/// If heads are of odd size, or values are no whole number of heads.
pub fn turn(base: f32, position: usize, size: usize, values: &mut [f32]) {
    assert!(size.is_multiple_of(2) && values.len().is_multiple_of(size.max(1)), "halves of heads are turned");
    let turns = Turns::new(base, position..position + 1, size);
    values.chunks_exact_mut(size.max(1)).for_each(|head| turns.turn(0, 1.0, head));
}

/// For each position the values of its sequence up to it, weighted by how its query meets their keys: `out` is
/// `[batch * time, heads * size]`, `qkv` `[batch * time, 3 * heads * size]` with queries, keys and values side by side.
///
/// # Panics
/// If lengths are other ones, or heads that are to be turned are of odd size.
pub fn attention(shape: AttentionShape, qkv: &[f32], out: &mut [f32]) {
    shape.check(&[qkv], &[out]);
    let heads = Heads::new(shape, qkv);
    let out = Shared::new(out);
    parallel_for(shape.batch * shape.heads, |task| {
        let (sequence, head) = (task / shape.heads, task % shape.heads);
        let [q, k, v] = heads.load(sequence, head);
        let keys = heads.keys(&k);
        for rows in heads.blocks() {
            let (scores, depth) = heads.probabilities(rows.clone(), &q, &keys);
            let at = heads.place(sequence, rows.start, head);
            heads.product(rows.len(), depth, &scores, &v, out, at, shape.width(), shape.size);
        }
    });
}

/// The gradient of [`attention`] by `qkv`, from the one by its result.
///
/// # Panics
/// If lengths are other ones, or heads that are to be turned are of odd size.
pub fn attention_backward(shape: AttentionShape, qkv: &[f32], g: &[f32], dqkv: &mut [f32]) {
    shape.check(&[qkv, dqkv], &[g]);
    let heads = Heads::new(shape, qkv);
    let to = Shared::new(dqkv);
    parallel_for(shape.batch * shape.heads, |task| {
        let (sequence, head) = (task / shape.heads, task % shape.heads);
        let [q, k, v] = heads.load(sequence, head);
        let (keys, turned_values) = (heads.keys(&k), heads.keys(&v));
        let upper = heads.padded(g, shape.width(), heads.place(sequence, 0, head), 1.0, None);
        let [mut dq, mut dk, mut dv] = [(); 3].map(|()| Buffer::zeros(q.len()));
        let columns = heads.columns;
        for rows in heads.blocks() {
            let (scores, depth) = heads.probabilities(rows.clone(), &q, &keys);
            let mut slopes = heads.meet(rows.clone(), depth, &upper, &turned_values);
            through_softmax(depth, &scores, &mut slopes);
            let count = rows.len();
            heads.product(count, depth, &slopes, &k, Shared::new(&mut dq), rows.start * columns, columns, columns);
            heads.gather(rows.clone(), depth, &slopes, &q, &mut dk);
            heads.gather(rows.clone(), depth, &scores, &upper, &mut dv);
        }
        heads.store(sequence, head, [&mut dq, &mut dk, &mut dv], to);
    });
}

/// What all heads have in common.
struct Heads<'a> {
    shape: AttentionShape,
    qkv: &'a [f32],
    turns: Option<Turns>,
    scale: f32,
    /// Positions and values of a head, rounded up to whole panels.
    rows: usize,
    columns: usize,
}

impl<'a> Heads<'a> {
    fn new(shape: AttentionShape, qkv: &'a [f32]) -> Self {
        let whole = |n: usize| n.next_multiple_of(panel_width());
        let turns = shape.rotary.map(|base| Turns::new(base, 0..shape.time, shape.size));
        let scale = 1.0 / (shape.size as f32).sqrt();
        Self { shape, qkv, turns, scale, rows: whole(shape.time), columns: whole(shape.size) }
    }

    fn blocks(&self) -> impl Iterator<Item = Range<usize>> {
        let time = self.shape.time;
        (0..time).step_by(BLOCK).map(move |first| first..(first + BLOCK).min(time))
    }

    /// Where a head's values of a position are in `[batch * time, heads * size]`.
    fn place(&self, sequence: usize, position: usize, head: usize) -> usize {
        (sequence * self.shape.time + position) * self.shape.width() + head * self.shape.size
    }

    /// Queries, scaled, keys and values of a head.
    fn load(&self, sequence: usize, head: usize) -> [Buffer; 3] {
        let (width, size) = (self.shape.width(), self.shape.size);
        let first = sequence * self.shape.time * 3 * width + head * size;
        let (turns, scale) = (self.turns.as_ref(), self.scale);
        [
            self.padded(self.qkv, 3 * width, first, scale, turns),
            self.padded(self.qkv, 3 * width, first + width, 1.0, turns),
            self.padded(self.qkv, 3 * width, first + 2 * width, 1.0, None),
        ]
    }

    /// A head's values of all positions, `[rows, columns]` with zeros around.
    fn padded(&self, from: &[f32], stride: usize, first: usize, scale: f32, turns: Option<&Turns>) -> Buffer {
        let AttentionShape { time, size, .. } = self.shape;
        let mut all = Buffer::new(self.rows * self.columns);
        for (row, to) in all.chunks_exact_mut(self.columns.max(1)).enumerate() {
            if row >= time {
                to.fill(0.0);
                continue;
            }
            let from = &from[first + row * stride..][..size];
            to[..size].iter_mut().zip(from).for_each(|(to, from)| *to = scale * *from);
            to[size..].fill(0.0);
            if let Some(turns) = turns {
                turns.turn(row, 1.0, &mut to[..size]);
            }
        }
        all
    }

    /// Writes gradients of a head to where its queries, keys and values are.
    fn store(&self, sequence: usize, head: usize, of: [&mut Buffer; 3], to: Shared<'_>) {
        let AttentionShape { time, size, .. } = self.shape;
        let width = self.shape.width();
        for (which, values) in of.into_iter().enumerate() {
            let scale = if which == 0 { self.scale } else { 1.0 };
            let turns = self.turns.as_ref().filter(|_| which < 2);
            for (row, from) in values.chunks_exact_mut(self.columns.max(1)).take(time).enumerate() {
                let from = &mut from[..size];
                if let Some(turns) = turns {
                    turns.turn(row, -1.0, from);
                }
                let at = (sequence * time + row) * 3 * width + which * width + head * size;
                // SAFETY: each task writes its own heads.
                let to = unsafe { to.slice(at, size) };
                to.iter_mut().zip(from).for_each(|(to, from)| *to = scale * *from);
            }
        }
    }

    /// `[rows, columns]` turned over, in panels of positions.
    fn keys(&self, of: &[f32]) -> Panels {
        Panels::of_columns(self.columns, self.rows, of)
    }

    /// Products of some rows of `a` with the first `depth` positions of `keys`: `[rows, depth]`.
    fn meet(&self, rows: Range<usize>, depth: usize, a: &[f32], keys: &Panels) -> Buffer {
        let mut out = Buffer::new(rows.len() * depth);
        let (width, shared) = (panel_width(), Shared::new(&mut out));
        let a = &a[rows.start * self.columns..rows.end * self.columns];
        for panel in 0..depth / width {
            let (b, at) = (keys.panel(panel), panel * width);
            let size = [rows.len(), self.columns];
            product_rows(size, a, b, width, Start::Zero, Activation::Identity, shared, at, depth, width);
        }
        out
    }

    /// How far some positions attend to each of the first ones, and how many those are: all up to theirs, in whole panels.
    fn probabilities(&self, rows: Range<usize>, q: &[f32], keys: &Panels) -> (Buffer, usize) {
        let depth = rows.end.next_multiple_of(panel_width());
        let mut scores = self.meet(rows.clone(), depth, q, keys);
        softmax(rows.start, depth, &mut scores);
        (scores, depth)
    }

    /// `[count, depth]` times the first `depth` rows of `b`, `[rows, columns]`, of which `size` columns are written.
    #[expect(clippy::too_many_arguments, reason = "two matrices and where their product goes")]
    fn product(
        &self,
        count: usize,
        depth: usize,
        a: &[f32],
        b: &[f32],
        out: Shared<'_>,
        at: usize,
        stride: usize,
        size: usize,
    ) {
        let width = panel_width();
        for first in (0..size).step_by(width) {
            let columns = width.min(size - first);
            let (b, at) = (&b[first..], at + first);
            let identity = Activation::Identity;
            product_rows([count, depth], a, b, self.columns, Start::Zero, identity, out, at, stride, columns);
        }
    }

    /// Adds to the first `depth` rows of `sums` what some rows of `b` give them: `a^T b` with `a` `[rows, depth]`.
    fn gather(&self, rows: Range<usize>, depth: usize, a: &[f32], b: &[f32], sums: &mut [f32]) {
        let (width, columns) = (panel_width(), self.columns);
        let out = Shared::new(sums);
        for first in (0..columns).step_by(width) {
            let b = &b[rows.start * columns + first..];
            sum_of_outer([depth, rows.len()], a, depth, b, columns, Start::Accumulate, out, first, columns, width);
        }
    }
}

simd_fn! {
    /// The softmax of each row over the positions up to its own, of which the first row's is `first`; 0 elsewhere.
    fn softmax<S>(first: usize, depth: usize, scores: &mut [f32]) {
        let _ = S::LANES;
        for (i, row) in scores.chunks_exact_mut(depth).enumerate() {
            let (seen, masked) = row.split_at_mut(first + i + 1);
            masked.fill(0.0);
            softmax_of(seen);
        }
    }
}

#[inline(always)]
fn softmax_of(row: &mut [f32]) {
    let most = largest(row);
    let mut lanes = [0.0f32; 16];
    for row in row.chunks_mut(16) {
        for (value, lane) in row.iter_mut().zip(&mut lanes) {
            *value = exp_of_negative(*value - most);
            *lane += *value;
        }
    }
    let scale = 1.0 / lanes.iter().sum::<f32>();
    row.iter_mut().for_each(|value| *value *= scale);
}

simd_fn! {
    /// From the gradients by probabilities those by scores, in place: `p (g - sum of p g)`.
    fn through_softmax<S>(depth: usize, probabilities: &[f32], slopes: &mut [f32]) {
        for (p, g) in probabilities.chunks_exact(depth).zip(slopes.chunks_exact_mut(depth)) {
            // SAFETY: kernels are where the instruction set is enabled.
            let mean = unsafe { dot::<S>(p, g) };
            g.iter_mut().zip(p).for_each(|(g, p)| *g = *p * (*g - mean));
        }
    }
}

/// # Safety
/// As for the functions of [`Simd`].
#[inline(always)]
unsafe fn dot<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // SAFETY: inside of the slices.
    unsafe {
        let mut sum = S::splat(0.0);
        each_vector!(S, a.len(), |j, n| {
            sum = S::mul_add(S::read(a.as_ptr().add(j), n), S::read(b.as_ptr().add(j), n), sum);
        });
        S::sum(sum)
    }
}

/// `exp(x)` for `x <= 0`, to 2e-7 of the value; 1e-38 below -87, NaN for NaN. A loop of these is done in vectors.
#[inline(always)]
fn exp_of_negative(x: f32) -> f32 {
    /// Of this size a number has no bits behind the point: adding it rounds.
    const ROUND: f32 = 12_582_912.0;
    /// The upper bits of ln 2, whose products with small whole numbers are exact, and the rest.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    /// 1 / k!
    const TAYLOR: [f32; 8] = {
        let (mut all, mut k) = ([1.0; 8], 1);
        while k < 8 {
            all[k] = all[k - 1] / k as f32;
            k += 1;
        }
        all
    };
    let x = if x < -87.0 { -87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    let rest = (x - power * LN_2[0]) - power * LN_2[1];
    let mut sum = TAYLOR[7];
    for coefficient in TAYLOR[..7].iter().rev() {
        sum = sum * rest + coefficient;
    }
    // The lowest bits of `shifted` are `power` as an integer, which becomes the exponent.
    sum * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// What one more position of each sequence attends to: `q` is `[n, heads * size]`, turned already, `keys` and `values`
/// `[n, room, heads * size]`, of which the first `filled` positions are there, its own included.
///
/// # Panics
/// If lengths are other ones, or nothing is there.
#[expect(clippy::too_many_arguments, reason = "inputs, sizes, output")]
pub fn attend(
    heads: usize,
    size: usize,
    q: &[f32],
    keys: &[f32],
    values: &[f32],
    room: usize,
    filled: usize,
    out: &mut [f32],
) {
    let width = heads * size;
    assert!(width > 0 && q.len().is_multiple_of(width) && out.len() == q.len(), "a query per sequence");
    assert!(keys.len() == q.len() * room && values.len() == keys.len(), "keys and values of {room} positions");
    assert!((1..=room).contains(&filled), "positions that are there");
    let out = Shared::new(out);
    let one = |i: usize| {
        let (of_one, own) = (i * room * width..(i + 1) * room * width, i * width);
        // SAFETY: each task writes its own sequence.
        let out = unsafe { out.slice(own, width) };
        attend_one(size, &q[own..own + width], &keys[of_one.clone()], &values[of_one], filled, out);
    };
    crate::linear::tasks(q.len() / width, q.len() * filled, one);
}

simd_fn! {
    fn attend_one<S>(size: usize, q: &[f32], keys: &[f32], values: &[f32], filled: usize, out: &mut [f32]) {
        let width = q.len();
        let scale = 1.0 / (size as f32).sqrt();
        let mut scores = Buffer::new(filled);
        for (head, (q, out)) in q.chunks_exact(size).zip(out.chunks_exact_mut(size)).enumerate() {
            for (position, score) in scores.iter_mut().enumerate() {
                // SAFETY: kernels are where the instruction set is enabled.
                *score = scale * unsafe { dot::<S>(q, &keys[position * width + head * size..][..size]) };
            }
            softmax_of(&mut scores);
            out.fill(0.0);
            for (position, share) in scores.iter().enumerate() {
                let values = &values[position * width + head * size..][..size];
                out.iter_mut().zip(values).for_each(|(out, value)| *out = S::fma(*share, *value, *out));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_those_of_the_standard_library() {
        for i in 0..87_000 {
            let x = -(i as f32) * 0.001;
            let (found, expected) = (exp_of_negative(x), f64::from(x).exp());
            assert!((f64::from(found) - expected).abs() <= 2.5e-7 * expected, "{x}: {found}, not {expected}");
        }
        assert_eq!(exp_of_negative(0.0), 1.0);
        assert!(exp_of_negative(f32::NEG_INFINITY) < 2e-38 && exp_of_negative(f32::NAN).is_nan());
    }
}
