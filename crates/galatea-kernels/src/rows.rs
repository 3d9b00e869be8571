//! Rows of a table by their numbers, such as those of tokens, and the gradient by the table.

use crate::pool::{Shared, parallel_for};

/// Columns of a task of the gradient.
const COLUMNS: usize = 64;

/// `out[i] = table[rows[i]]` for rows of `width` values.
///
/// # Panics
/// If lengths do not go together, or there is no such row.
pub fn pick_rows(width: usize, table: &[f32], rows: &[u32], out: &mut [f32]) {
    assert!(width > 0 && table.len().is_multiple_of(width) && out.len() == rows.len() * width, "rows of {width}");
    for (row, out) in rows.iter().zip(out.chunks_exact_mut(width)) {
        let at = *row as usize * width;
        out.copy_from_slice(&table[at..at + width]);
    }
}

/// The gradient by the table: of each row the sum of those rows of `g` where it was picked, added up in their order.
///
/// # Panics
/// As [`pick_rows`].
pub fn pick_rows_backward(width: usize, g: &[f32], rows: &[u32], table: &mut [f32]) {
    assert!(width > 0 && table.len().is_multiple_of(width) && g.len() == rows.len() * width, "rows of {width}");
    let count = table.len() / width;
    assert!(rows.iter().all(|row| (*row as usize) < count), "rows are below {count}");
    table.fill(0.0);
    let table = Shared::new(table);
    parallel_for(width.div_ceil(COLUMNS), |task| {
        let first = task * COLUMNS;
        let columns = COLUMNS.min(width - first);
        for (row, g) in rows.iter().zip(g.chunks_exact(width)) {
            // SAFETY: each task writes its own columns, and rows were checked.
            let sums = unsafe { table.slice(*row as usize * width + first, columns) };
            sums.iter_mut().zip(&g[first..first + columns]).for_each(|(sum, g)| *sum += *g);
        }
    });
}
