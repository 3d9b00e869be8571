//! Matrices turned over, and cut into panels.

use crate::buffer::Buffer;
use crate::pool::{Shared, parallel_for};
use crate::simd::{Simd, each_vector, panel_width, prefetch, simd_fn};

/// `to[j * to_stride + i] = from[i * from_stride + j]` for `i < rows`, `j < columns`, inside of a kernel.
///
/// # Safety
/// Both can be accessed at all these places.
#[inline(always)]
pub(crate) unsafe fn transpose_block<S: Simd>(
    [rows, columns]: [usize; 2],
    from: *const f32,
    from_stride: usize,
    to: *mut f32,
    to_stride: usize,
) {
    let (whole_rows, whole_columns) = (rows / 8 * 8, columns / 8 * 8);
    // SAFETY: the caller's.
    unsafe {
        for i in (0..whole_rows).step_by(8) {
            for j in (0..whole_columns).step_by(8) {
                S::transpose_8x8(from.add(i * from_stride + j), from_stride, to.add(j * to_stride + i), to_stride);
            }
            for j in whole_columns..columns {
                for i in i..i + 8 {
                    *to.add(j * to_stride + i) = *from.add(i * from_stride + j);
                }
            }
        }
        for i in whole_rows..rows {
            for j in 0..columns {
                *to.add(j * to_stride + i) = *from.add(i * from_stride + j);
            }
        }
    }
}

simd_fn! {
    /// Turns over the `[rows, columns]` of `from` into `to`.
    fn transpose_part<S>(size: [usize; 2], from: &[f32], from_stride: usize, to: Shared<'_>, at: usize, to_stride: usize) {
        assert!(size[0] == 0 || size[1] == 0 || (size[0] - 1) * from_stride + size[1] <= from.len());
        // SAFETY: just checked; the caller has checked `to`.
        unsafe { transpose_block::<S>(size, from.as_ptr(), from_stride, to.at(at), to_stride) }
    }
}

/// Turns over `batch` matrices: `[batch, rows, columns]` to `[batch, columns, rows]`.
///
/// # Panics
/// If the lengths are other ones.
pub fn transpose(batch: usize, rows: usize, columns: usize, from: &[f32], to: &mut [f32]) {
    assert!(from.len() == batch * rows * columns && to.len() == from.len(), "a matrix and its transpose");
    if rows == 1 || columns == 1 || from.is_empty() {
        to.copy_from_slice(from);
        return;
    }
    // Blocks of whole rows of the source: of a size that fits the nearest caches, unless rows are very long.
    let block = (8192 / columns).next_multiple_of(8).max(8);
    let blocks = rows.div_ceil(block);
    let to = Shared::new(to);
    parallel_for(batch * blocks, |task| {
        let (matrix, first) = (task / blocks, task % blocks * block);
        let count = block.min(rows - first);
        let start = matrix * rows * columns;
        let part = &from[start + first * columns..][..count * columns];
        transpose_part([count, columns], part, columns, to, start + first, rows);
    });
}

/// Matrices B cut into panels of `panel_width()` columns: `[panels, depth, width]`, zeros behind the last column.
pub(crate) struct Panels {
    values: Buffer,
    depth: usize,
    width: usize,
}

impl Panels {
    /// The panels of `columns` columns; `fill(first column, columns, out)` writes one, of rows of `width`, into `out`,
    /// which holds zeros if `columns` is less than `width`.
    pub(crate) fn new(depth: usize, columns: usize, fill: impl Fn(usize, usize, &mut [f32]) + Sync) -> Self {
        let width = panel_width();
        let count = columns.div_ceil(width);
        let mut values = Buffer::new(count * depth * width);
        crate::pool::parallel_chunks(&mut values, (depth * width).max(1), |first, out| {
            let column = first / (depth * width) * width;
            let columns = width.min(columns - column);
            if columns < width {
                out.fill(0.0);
            }
            fill(column, columns, out);
        });
        Self { values, depth, width }
    }

    /// Panels of a row-major `[depth, columns]`.
    pub(crate) fn of_rows(depth: usize, columns: usize, b: &[f32]) -> Self {
        assert_eq!(b.len(), depth * columns);
        let width = panel_width();
        Self::new(depth, columns, |first, count, out| pack_rows(depth, first, count, columns, b, width, out))
    }

    /// Panels of the transpose of a row-major `[columns, depth]`.
    pub(crate) fn of_columns(depth: usize, columns: usize, b: &[f32]) -> Self {
        assert_eq!(b.len(), depth * columns);
        let width = panel_width();
        Self::new(depth, columns, |first, count, out| {
            pack_columns(depth, count, &b[first * depth..(first + count) * depth], width, out);
        })
    }

    /// One panel.
    pub(crate) fn panel(&self, index: usize) -> &[f32] {
        let len = self.depth * self.width;
        &self.values[index * len..(index + 1) * len]
    }
}

/// Rows that are asked for ahead of the one that is copied.
const AHEAD: usize = 24;

simd_fn! {
    /// Columns `first..first + count` of a row-major `[depth, stride]` as rows of `width`.
    pub(crate) fn pack_rows<S>(
        depth: usize,
        first: usize,
        count: usize,
        stride: usize,
        b: &[f32],
        width: usize,
        out: &mut [f32],
    ) {
        assert!(depth == 0 || b.len() >= (depth - 1) * stride + first + count);
        assert!(out.len() >= depth * width && count <= width);
        let (mut from, mut to) = (b.as_ptr().wrapping_add(first), out.as_mut_ptr());
        for _ in 0..depth {
            prefetch(from.wrapping_add(AHEAD * stride));
            prefetch(from.wrapping_add(AHEAD * stride + S::LANES));
            each_vector!(S, count, |j, n| {
                // SAFETY: just checked.
                unsafe { S::write(to.add(j), S::read(from.add(j), n), n) };
            });
            (from, to) = (from.wrapping_add(stride), to.wrapping_add(width));
        }
    }
}

simd_fn! {
    /// The rows of `[count, depth]` as the columns of rows of `width`.
    pub(crate) fn pack_columns<S>(depth: usize, count: usize, b: &[f32], width: usize, out: &mut [f32]) {
        assert!(b.len() >= count * depth && out.len() >= depth * width && count <= width);
        // SAFETY: just checked.
        unsafe { transpose_block::<S>([count, depth], b.as_ptr(), depth, out.as_mut_ptr(), width) }
    }
}

simd_fn! {
    /// Adds up the rows of `[rows, columns]` into `sums`.
    fn add_rows<S>(columns: usize, rows: &[f32], sums: &mut [f32]) {
        let _ = S::LANES;
        for row in rows.chunks_exact(columns) {
            sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value);
        }
    }
}

/// Sums over the rows of `[rows, columns]`, in f32 over a few hundred rows and in f64 over those.
pub fn column_sums(columns: usize, values: &[f32], sums: &mut [f32]) {
    assert!(columns > 0 && values.len().is_multiple_of(columns) && sums.len() == columns);
    let chunk = 256.min(values.len() / columns).max(1) * columns;
    let parts = values.len().div_ceil(chunk);
    let mut partial = Buffer::zeros(parts * columns);
    crate::pool::parallel_chunks(&mut partial, columns, |first, out| {
        let start = first / columns * chunk;
        add_rows(columns, &values[start..(start + chunk).min(values.len())], out);
    });
    for (j, sum) in sums.iter_mut().enumerate() {
        *sum = (0..parts).map(|part| f64::from(partial[part * columns + j])).sum::<f64>() as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_are_turned_over() {
        for (batch, rows, columns) in
            [(1, 1, 1), (3, 7, 9), (2, 8, 16), (1, 100, 33), (2, 65, 64), (1, 0, 5), (1, 5, 0), (1, 11, 9000)]
        {
            let from: Vec<f32> = (0..batch * rows * columns).map(|i| i as f32).collect();
            let mut to = vec![f32::NAN; from.len()];
            transpose(batch, rows, columns, &from, &mut to);
            for n in 0..batch {
                for i in 0..rows {
                    for j in 0..columns {
                        assert_eq!(to[(n * columns + j) * rows + i], from[(n * rows + i) * columns + j]);
                    }
                }
            }
        }
    }

    #[test]
    fn columns_are_added_up() {
        for (rows, columns) in [(1, 1), (1000, 3), (257, 40), (0, 4)] {
            let values: Vec<f32> = (0..rows * columns).map(|i| (i % 17) as f32 - 8.0).collect();
            let mut sums = vec![f32::NAN; columns];
            column_sums(columns, &values, &mut sums);
            for (j, sum) in sums.iter().enumerate() {
                let expected: f32 = (0..rows).map(|i| values[i * columns + j]).sum();
                assert_eq!(*sum, expected);
            }
        }
    }
}
