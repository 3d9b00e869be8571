//! Convolutions of pictures with few channels: the values under the kernel are copied together into a row per place,
//! `[channel, tap]` as the weights have them, and the rest is a product of matrices.

use crate::Activation;
use crate::activation::apply;
use crate::buffer::Buffer;
use crate::conv::ConvShape;
use crate::layout::Panels;
use crate::linear::tasks;
use crate::pool::{Shared, threads};
use crate::simd::{panel_width, simd_fn};
use crate::tile::{Start, Tile, WHOLE};

/// Values under the kernel, and the length of a row that holds them: whole vectors.
fn depth(shape: &ConvShape) -> (usize, usize) {
    let depth = shape.big[0] * shape.taps();
    (depth, depth.next_multiple_of(panel_width() / 2))
}

/// Writes the rows of one picture, `[places, row]`.
fn copy_patches(shape: &ConvShape, big: &[f32], row: usize, out: &mut [f32]) {
    let [channels, height, width] = shape.big;
    let [_, small_h, small_w] = shape.small;
    let [kernel_h, kernel_w] = shape.kernel;
    for y in 0..small_h {
        for x in 0..small_w {
            let out = &mut out[(y * small_w + x) * row..][..row];
            let top = (y * shape.stride[0]) as isize - shape.padding[0] as isize;
            let left = (x * shape.stride[1]) as isize - shape.padding[1] as isize;
            let inside =
                top >= 0 && left >= 0 && top as usize + kernel_h <= height && left as usize + kernel_w <= width;
            if !inside {
                out.fill(0.0);
            }
            for tap_y in 0..kernel_h {
                let source_y = top + tap_y as isize;
                if source_y < 0 || source_y as usize >= height {
                    continue;
                }
                // Taps of this row of the kernel that meet the picture.
                let first = (-left).clamp(0, kernel_w as isize) as usize;
                let last = (width as isize - left).clamp(first as isize, kernel_w as isize) as usize;
                if first >= last {
                    continue;
                }
                let start = (source_y as usize * width).wrapping_add_signed(left + first as isize) * channels;
                let from = &big[start..start + (last - first) * channels];
                for channel in 0..channels {
                    let out = &mut out[channel * kernel_h * kernel_w + tap_y * kernel_w + first..][..last - first];
                    for (out, from) in out.iter_mut().zip(from[channel..].iter().step_by(channels)) {
                        *out = *from;
                    }
                }
            }
        }
    }
}

/// Adds the rows of one picture to where they came from.
fn add_patches(shape: &ConvShape, rows: &[f32], row: usize, big: &mut [f32]) {
    let [channels, height, width] = shape.big;
    let [_, small_h, small_w] = shape.small;
    let [kernel_h, kernel_w] = shape.kernel;
    for y in 0..small_h {
        for x in 0..small_w {
            let from = &rows[(y * small_w + x) * row..][..row];
            let left = (x * shape.stride[1]) as isize - shape.padding[1] as isize;
            for tap_y in 0..kernel_h {
                let Some(source_y) = (y * shape.stride[0] + tap_y).checked_sub(shape.padding[0]) else { continue };
                let first = (-left).clamp(0, kernel_w as isize) as usize;
                let last = (width as isize - left).clamp(first as isize, kernel_w as isize) as usize;
                if source_y >= height || first >= last {
                    continue;
                }
                let start = (source_y * width).wrapping_add_signed(left + first as isize) * channels;
                let big = &mut big[start..start + (last - first) * channels];
                for channel in 0..channels {
                    let from = &from[channel * kernel_h * kernel_w + tap_y * kernel_w + first..][..last - first];
                    for (big, from) in big[channel..].iter_mut().step_by(channels).zip(from) {
                        *big += *from;
                    }
                }
            }
        }
    }
}

simd_fn! {
    /// `rows` rows of `depth` values (`a_step` apart) by all panels, into rows of `outputs`.
    fn multiply<S>(
        size: [usize; 3],
        a: &[f32],
        panels: &Panels,
        bias: Option<&[f32]>,
        function: Activation,
        outputs: usize,
        stride: usize,
        out: &mut [f32],
    ) {
        let [rows, depth, a_step] = size;
        assert!(rows == 0 || (a.len() >= (rows - 1) * a_step + depth && out.len() >= (rows - 1) * stride + outputs));
        for column in (0..outputs).step_by(2 * S::LANES) {
            let columns = (outputs - column).min(2 * S::LANES);
            let start = bias.map_or(Start::Zero, |bias| Start::Bias(&bias[column..column + columns]));
            let b = panels.panel(column / (2 * S::LANES));
            assert!(b.len() >= depth * 2 * S::LANES);
            let tile =
                Tile { b: b.as_ptr(), runs: WHOLE, len: depth, a_step: 1, b_step: 2 * S::LANES, start, columns, rows: 0 };
            let (a, out) = (a.as_ptr(), out.as_mut_ptr());
            // SAFETY: lengths were checked.
            unsafe {
                let row = |i: usize| (a.add(i * a_step), out.add(i * stride + column));
                tile.rows::<S>(rows, row, |row| apply::<S>(function, row));
            }
        }
    }
}

pub(crate) fn gather(
    shape: &ConvShape,
    big: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    function: Activation,
    small: &mut [f32],
) {
    let outputs = shape.small[0];
    let (depth, row) = depth(shape);
    let panels = Panels::of_columns(depth, outputs, w);
    let places = shape.small[1] * shape.small[2];
    let out = Shared::new(small);
    let per_big = shape.big.iter().product::<usize>();
    tasks(shape.n, shape.products(), |picture| {
        let mut patches = Buffer::new(places * row);
        copy_patches(shape, &big[picture * per_big..][..per_big], row, &mut patches);
        // SAFETY: each task writes its own picture.
        let out = unsafe { out.slice(picture * places * outputs, places * outputs) };
        multiply([places, depth, row], &patches, &panels, bias, function, outputs, outputs, out);
    });
}

pub(crate) fn spread(
    shape: &ConvShape,
    small: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    function: Activation,
    big: &mut [f32],
) {
    let inputs = shape.small[0];
    let (depth, row) = depth(shape);
    let panels = Panels::of_rows(inputs, depth, w);
    let places = shape.small[1] * shape.small[2];
    let out = Shared::new(big);
    let per_big = shape.big.iter().product::<usize>();
    tasks(shape.n, shape.products(), |picture| {
        let mut patches = Buffer::new(places * row);
        let from = &small[picture * places * inputs..][..places * inputs];
        multiply([places, inputs, inputs], from, &panels, None, Activation::Identity, depth, row, &mut patches);
        // SAFETY: each task writes its own picture.
        let out = unsafe { out.slice(picture * per_big, per_big) };
        match bias {
            None => out.fill(0.0),
            Some(bias) => out.chunks_exact_mut(bias.len()).for_each(|pixel| pixel.copy_from_slice(bias)),
        }
        add_patches(shape, &patches, row, out);
        finish(function, out);
    });
}

simd_fn! {
    fn finish<S>(function: Activation, values: &mut [f32]) {
        apply::<S>(function, values);
    }
}

pub(crate) fn weight_gradient(shape: &ConvShape, big: &[f32], small: &[f32], dw: &mut [f32]) {
    let outputs = shape.small[0];
    let (depth, row) = depth(shape);
    let places = shape.small[1] * shape.small[2];
    let per_big = shape.big.iter().product::<usize>();
    let mut patches = Buffer::new(shape.n * places * row);
    let shared = Shared::new(&mut patches);
    tasks(shape.n, shape.products(), |picture| {
        // SAFETY: each task writes its own picture's rows.
        let out = unsafe { shared.slice(picture * places * row, places * row) };
        copy_patches(shape, &big[picture * per_big..][..per_big], row, out);
        // What is behind the values under the kernel is multiplied, and left out when results are written.
        out.chunks_exact_mut(row).for_each(|row| row[depth..].fill(0.0));
    });
    let block = outputs.div_ceil(2 * threads()).next_multiple_of(8);
    let out = Shared::new(dw);
    tasks(outputs.div_ceil(block), shape.products(), |task| {
        let rows = task * block..((task + 1) * block).min(outputs);
        sum_rows([rows.start, rows.len(), outputs], small, &patches, [depth, row], out);
    });
}

simd_fn! {
    /// `dw[first..first + rows] = small^T patches`.
    fn sum_rows<S>(
        part: [usize; 3],
        small: &[f32],
        patches: &[f32],
        size: [usize; 2],
        out: Shared<'_>,
    ) {
        let [first, rows, outputs] = part;
        let [depth, row] = size;
        let places = small.len() / outputs;
        assert!(first + rows <= outputs && patches.len() == places * row && row.is_multiple_of(S::LANES));
        // Some places at a time, that stay in the second cache for all rows and columns.
        for start in (0..places.max(1)).step_by(2048) {
            for column in (0..depth).step_by(2 * S::LANES) {
                let tile = Tile {
                    b: patches[start * row..].as_ptr().wrapping_add(column),
                    runs: WHOLE,
                    len: (places - start).min(2048),
                    a_step: outputs,
                    b_step: row,
                    start: if start == 0 { Start::Zero } else { Start::Accumulate },
                    columns: (depth - column).min(2 * S::LANES),
                    rows: 0,
                };
                let a = small[start * outputs..].as_ptr();
                // SAFETY: lengths were checked; rows of patches are whole vectors; each task writes its own rows.
                unsafe {
                    let row = |i: usize| (a.wrapping_add(first + i), out.at((first + i) * depth + column));
                    tile.rows::<S>(rows, row, |_| {});
                }
            }
        }
    }
}
