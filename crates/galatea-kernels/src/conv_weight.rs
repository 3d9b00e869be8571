//! The gradient of convolutions and transposed convolutions by their weights.
//!
//! For each tap it is a product of matrices: channels of the small picture by channels of the big one, summed over all
//! places that the tap connects. Both are contiguous at every place, so a tile walks over the places of the pictures
//! where they are.

use crate::buffer::Buffer;
use crate::conv::ConvShape;
use crate::layout::transpose_block;
use crate::linear::tasks;
use crate::patches;
use crate::pool::{Shared, threads};
use crate::simd::{panel_width, simd_fn};
use crate::tile::{Run, Start, Tile};

/// `dw[s, b, tap] = sum over pictures and places of small[place, s] * big[place under tap, b]`.
///
/// # Panics
/// If slices are not as long as the shape says.
pub fn weight_gradient(shape: &ConvShape, big: &[f32], small: &[f32], dw: &mut [f32]) {
    shape.check(big.len(), small.len(), dw.len());
    if shape.is_thin() {
        return patches::weight_gradient(shape, big, small, dw);
    }
    let lanes = panel_width() / 2;
    let (channels, padded) = (shape.big[0], shape.big[0].next_multiple_of(lanes));
    // Vectors run over the channels of the big picture, and must not run over their end.
    let copied = (padded > channels).then(|| pad_channels(channels, padded, big));
    let big = copied.as_deref().unwrap_or(big);

    let outputs = shape.small[0];
    let mut by_tap = Buffer::new(shape.taps() * outputs * channels);
    let block = outputs.div_ceil(2 * threads()).next_multiple_of(8).max(8);
    let taps: Vec<[Reach; 2]> = (0..shape.kernel[0])
        .flat_map(|y| (0..shape.kernel[1]).map(move |x| [reach(shape, 0, y), reach(shape, 1, x)]))
        .collect();
    let out = Shared::new(&mut by_tap);
    tasks(outputs.div_ceil(block), shape.products(), |task| {
        let rows = task * block..((task + 1) * block).min(outputs);
        sum_places(shape, padded, &taps, big, small, rows, out);
    });
    let out = Shared::new(dw);
    tasks(outputs, shape.weights(), |output| turn_taps(shape, output, &by_tap, out));
}

/// Places along one side of the small picture that a tap connects with the big one.
#[derive(Clone, Copy)]
struct Reach {
    first: usize,
    count: usize,
    /// The big picture's place of the first.
    source: usize,
}

fn reach(shape: &ConvShape, axis: usize, tap: usize) -> Reach {
    let (big, small) = (shape.big[1 + axis], shape.small[1 + axis]);
    let (stride, padding) = (shape.stride[axis], shape.padding[axis]);
    let is_inside = |place: &usize| (place * stride + tap).checked_sub(padding).is_some_and(|source| source < big);
    let Some(first) = (0..small).find(is_inside) else { return Reach { first: 0, count: 0, source: 0 } };
    let count = (first..small).take_while(is_inside).count();
    Reach { first, count, source: first * stride + tap - padding }
}

fn pad_channels(channels: usize, padded: usize, picture: &[f32]) -> Buffer {
    let mut out = Buffer::zeros(picture.len() / channels * padded);
    for (out, from) in out.chunks_exact_mut(padded).zip(picture.chunks_exact(channels)) {
        out[..channels].copy_from_slice(from);
    }
    out
}

simd_fn! {
    /// Rows `rows` of all taps' matrices, `[tap, small channel, big channel]`.
    fn sum_places<S>(
        shape: &ConvShape,
        channels: usize,
        taps: &[[Reach; 2]],
        big: &[f32],
        small: &[f32],
        rows: std::ops::Range<usize>,
        out: Shared<'_>,
    ) {
        let [outputs, small_h, small_w] = shape.small;
        let [columns, big_h, big_w] = shape.big;
        // Some pictures at a time, so that all taps find them in the second cache.
        let per_picture = big_h * big_w * channels + small_h * small_w * rows.len();
        let block = ((1 << 17) / per_picture).clamp(1, shape.n.max(1));
        let mut runs: Vec<Run> = Vec::new();
        for first in (0..shape.n.max(1)).step_by(block) {
            let pictures = first..(first + block).min(shape.n);
            for (tap, [y, x]) in taps.iter().enumerate() {
                runs.clear();
                if x.count > 0 {
                    for picture in pictures.clone() {
                        for i in 0..y.count {
                            let a = ((picture * small_h + y.first + i) * small_w + x.first) * outputs;
                            let b = ((picture * big_h + y.source + i * shape.stride[0]) * big_w + x.source) * channels;
                            runs.push(Run { a: a as isize, b: b as isize });
                        }
                    }
                }
                for column in (0..columns).step_by(2 * S::LANES) {
                    let tile = Tile {
                        b: big.as_ptr().wrapping_add(column),
                        runs: &runs,
                        len: x.count,
                        a_step: outputs,
                        b_step: shape.stride[1] * channels,
                        start: if first == 0 { Start::Zero } else { Start::Accumulate },
                        columns: (columns - column).min(2 * S::LANES),
                        rows: 0,
                    };
                    let row = |i: usize| {
                        let output = rows.start + i;
                        (small.as_ptr().wrapping_add(output), out.at((tap * outputs + output) * columns + column))
                    };
                    // SAFETY: reaches name places inside of the pictures only, whose lengths were checked with the shape;
                    // rows of the big one are padded to whole vectors; each task writes its own rows.
                    unsafe { tile.rows::<S>(rows.len(), row, |_| {}) }
                }
            }
        }
    }
}

simd_fn! {
    /// `[tap, small channel, big channel]` to `[small channel, big channel, tap]`, one small channel.
    fn turn_taps<S>(shape: &ConvShape, output: usize, by_tap: &[f32], out: Shared<'_>) {
        let (outputs, channels, taps) = (shape.small[0], shape.big[0], shape.taps());
        let from = &by_tap[output * channels..];
        assert!(from.len() >= (taps - 1) * outputs * channels + channels);
        // SAFETY: just checked; each task writes its own small channel.
        unsafe {
            let to = out.at(output * channels * taps);
            transpose_block::<S>([taps, channels], from.as_ptr(), outputs * channels, to, taps);
        }
    }
}
