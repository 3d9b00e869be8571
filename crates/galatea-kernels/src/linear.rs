//! Fully connected layers: products of matrices with bias and activation, forward, by the input and by the weight.
//!
//! Matrices are row-major: `x` is `[m, inputs]`, `w` `[inputs, outputs]`, `y` `[m, outputs]`.

use crate::Activation;
use crate::activation::apply;
use crate::buffer::Buffer;
use crate::layout::{Panels, pack_columns, pack_rows};
use crate::pool::{Shared, parallel_chunks, parallel_for, threads};
use crate::simd::{Simd, panel_width, simd_fn};
use crate::tile::{DEPTH, Run, Start, Tile, WHOLE};

/// `m`, `inputs`, `outputs`.
pub type LinearShape = [usize; 3];

/// Products below this are not worth waking a thread for.
const SERIAL: usize = 1 << 16;

/// A loop over tasks, on one thread where there is little to do.
pub(crate) fn tasks(count: usize, products: usize, body: impl Fn(usize) + Sync) {
    if products < SERIAL {
        (0..count).for_each(body);
    } else {
        parallel_for(count, body);
    }
}

/// `y = act(x w + bias)`.
///
/// # Panics
/// If slices are not as long as the shape says.
pub fn linear(shape: LinearShape, x: &[f32], w: &[f32], bias: Option<&[f32]>, function: Activation, y: &mut [f32]) {
    let [m, inputs, outputs] = shape;
    assert!(x.len() == m * inputs && w.len() == inputs * outputs && y.len() == m * outputs, "lengths of {shape:?}");
    assert!(bias.is_none_or(|bias| bias.len() == outputs), "a bias per output");
    if outputs == 1 {
        // The only column of `w` is a row in memory.
        product_by_rows([m, 1, inputs], x, w, y);
        let bias = bias.map_or(0.0, |bias| bias[0]);
        finish_column(function, bias, y);
        return;
    }
    let width = panel_width();
    let panels = outputs.div_ceil(width);
    let block = row_block(m, panels);
    let out = Shared::new(y);
    tasks(panels * m.div_ceil(block), m * inputs * outputs, |task| {
        let (first, row) = (task % panels * width, task / panels * block);
        let columns = width.min(outputs - first);
        let rows = block.min(m - row);
        // A few rows are read faster than a panel is copied together; a last panel has to be padded.
        let direct = rows <= 8 && columns == width && inputs > 0;
        let mut packed = Buffer::new(if direct { 0 } else { inputs * width });
        if !direct {
            if columns < width {
                packed.fill(0.0);
            }
            pack_rows(inputs, first, columns, outputs, w, width, &mut packed);
        }
        let (b, b_step) = if direct { (&w[first..], outputs) } else { (&packed[..], width) };
        let start = bias.map_or(Start::Zero, |bias| Start::Bias(&bias[first..first + columns]));
        product_rows(
            [rows, inputs],
            &x[row * inputs..],
            b,
            b_step,
            start,
            function,
            out,
            row * outputs + first,
            outputs,
            columns,
        );
    });
}

/// Rows of a task: all of them, unless there are many and few panels.
fn row_block(m: usize, panels: usize) -> usize {
    let wanted = (4 * threads()).div_ceil(panels.max(1));
    m.div_ceil(wanted).next_multiple_of(8).clamp(64, 512)
}

simd_fn! {
    fn finish_column<S>(function: Activation, bias: f32, y: &mut [f32]) {
        y.iter_mut().for_each(|value| *value += bias);
        apply::<S>(function, y);
    }
}

simd_fn! {
    /// `[rows, depth]` at `a` times `[depth, columns]` at `b` (rows of `b_step`), with activation, into rows of `stride`
    /// from `at` on, which nobody else uses meanwhile. `b` holds whole panels' rows.
    pub(crate) fn product_rows<S>(
        size: [usize; 2],
        a: &[f32],
        b: &[f32],
        b_step: usize,
        start: Start<'_>,
        function: Activation,
        out: Shared<'_>,
        at: usize,
        stride: usize,
        columns: usize,
    ) {
        let [rows, depth] = size;
        assert!(a.len() >= rows * depth);
        assert!(depth == 0 || b.len() >= (depth - 1) * b_step + columns.next_multiple_of(S::LANES));
        let tile = Tile { b: b.as_ptr(), runs: WHOLE, len: depth, a_step: 1, b_step, start, columns, rows: 0 };
        // SAFETY: lengths were checked; each task writes its own rows and columns.
        unsafe {
            let row = |i: usize| (a.as_ptr().add(i * depth), out.at(at + i * stride));
            tile.deep_rows::<S>(rows, row, |row| apply::<S>(function, row));
        }
    }
}

/// `dx = g w^T`: the gradient by the input, from `g`, `[m, outputs]`.
///
/// # Panics
/// If slices are not as long as the shape says.
pub fn linear_input_gradient(shape: LinearShape, g: &[f32], w: &[f32], dx: &mut [f32]) {
    let [m, inputs, outputs] = shape;
    assert!(g.len() == m * outputs && w.len() == inputs * outputs && dx.len() == m * inputs, "lengths of {shape:?}");
    if outputs == 1 {
        return linear([m, 1, inputs], g, w, None, Activation::Identity, dx);
    }
    // Turning the weights over costs as much as some sixteen rows of products; sums along rows need none of it, but each
    // result then is a sum over the lanes of a vector.
    if m <= 64 && outputs >= 192 {
        return product_by_rows([m, inputs, outputs], g, w, dx);
    }
    let width = panel_width();
    let panels = inputs.div_ceil(width);
    let block = row_block(m, panels);
    let out = Shared::new(dx);
    tasks(panels * m.div_ceil(block), m * inputs * outputs, |task| {
        let (first, row) = (task % panels * width, task / panels * block);
        let columns = width.min(inputs - first);
        let rows = block.min(m - row);
        let mut packed = Buffer::new(outputs * width);
        if columns < width {
            packed.fill(0.0);
        }
        pack_columns(outputs, columns, &w[first * outputs..], width, &mut packed);
        let (a, at) = (&g[row * outputs..], row * inputs + first);
        product_rows([rows, outputs], a, &packed, width, Start::Zero, Activation::Identity, out, at, inputs, columns);
    });
}

/// `dw = x^T g`: the gradient by the weight.
///
/// # Panics
/// If slices are not as long as the shape says.
pub fn linear_weight_gradient(shape: LinearShape, x: &[f32], g: &[f32], dw: &mut [f32]) {
    let [m, inputs, outputs] = shape;
    assert!(x.len() == m * inputs && g.len() == m * outputs && dw.len() == inputs * outputs, "lengths of {shape:?}");
    if outputs == 1 {
        // As `g^T x`, a single row.
        return linear([1, m, inputs], g, x, None, Activation::Identity, dw);
    }
    weight_gradient(shape, x, &Panels::of_rows(m, outputs, g), dw);
}

/// [`linear_weight_gradient`] from panels of `g`.
pub(crate) fn weight_gradient([m, inputs, outputs]: LinearShape, x: &[f32], g: &Panels, dw: &mut [f32]) {
    assert!(x.len() == m * inputs && dw.len() == inputs * outputs, "a row of `x` for each of `g`");
    let width = panel_width();
    let panels = outputs.div_ceil(width);
    // Of many examples a part is in the second cache while some panels pass it.
    let together = if m > 2 * DEPTH { 4 } else { 1 };
    let groups = panels.div_ceil(together);
    let block = inputs.div_ceil((8 * threads()).div_ceil(groups.max(1))).next_multiple_of(8).max(32);
    let out = Shared::new(dw);
    tasks(groups * inputs.div_ceil(block), m * inputs * outputs, |task| {
        let (group, row) = (task % groups * together, task / groups * block);
        let rows = block.min(inputs - row);
        for first in (0..m.max(1)).step_by(DEPTH) {
            let depth = DEPTH.min(m - first);
            for panel in group..(group + together).min(panels) {
                let columns = width.min(outputs - panel * width);
                sum_of_outer(
                    [rows, depth],
                    x.get(first * inputs + row..).unwrap_or_default(),
                    inputs,
                    &g.panel(panel)[first * width..],
                    width,
                    if first == 0 { Start::Zero } else { Start::Accumulate },
                    out,
                    row * outputs + panel * width,
                    outputs,
                    columns,
                );
            }
        }
    });
}

simd_fn! {
    /// As `product_rows` with `a` turned over: rows of A are columns of a matrix with rows of `a_step`.
    pub(crate) fn sum_of_outer<S>(
        size: [usize; 2],
        a: &[f32],
        a_step: usize,
        b: &[f32],
        b_step: usize,
        start: Start<'_>,
        out: Shared<'_>,
        at: usize,
        stride: usize,
        columns: usize,
    ) {
        let [rows, depth] = size;
        assert!(depth == 0 || rows == 0 || a.len() >= (depth - 1) * a_step + rows);
        assert!(depth == 0 || b.len() >= (depth - 1) * b_step + columns.next_multiple_of(S::LANES));
        let runs: &[Run] = WHOLE;
        let tile = Tile { b: b.as_ptr(), runs, len: depth, a_step, b_step, start, columns, rows: 0 };
        // SAFETY: lengths were checked; each task writes its own rows and columns.
        unsafe { tile.deep_rows::<S>(rows, |i| (a.as_ptr().add(i), out.at(at + i * stride)), |_| {}) }
    }
}

/// The dot product of each row of `a`, `[n, width]`, with the same row of `b`.
///
/// # Panics
/// If lengths differ.
pub fn row_dots(width: usize, a: &[f32], b: &[f32], out: &mut [f32]) {
    assert!(a.len() == out.len() * width && b.len() == a.len(), "two matrices of one shape");
    let n = out.len();
    let out = Shared::new(out);
    tasks(n, a.len(), |i| {
        let row = i * width..(i + 1) * width;
        dots([1, 1, width], &a[row.clone()], &b[row], out, i, 1);
    });
}

/// `out[i, j] = a[i, j] * by[i]`.
///
/// # Panics
/// If lengths differ.
pub fn scale_rows(width: usize, a: &[f32], by: &[f32], out: &mut [f32]) {
    assert!(a.len() == by.len() * width && out.len() == a.len(), "a number per row");
    parallel_chunks(out, width.max(1), |first, row| scale_row(&a[first..first + row.len()], by[first / width], row));
}

simd_fn! {
    fn scale_row<S>(a: &[f32], by: f32, out: &mut [f32]) {
        let _ = S::LANES;
        out.iter_mut().zip(a).for_each(|(out, a)| *out = *a * by);
    }
}

/// `c = a b^T` with `a` `[m, depth]`, `b` `[n, depth]`, `c` `[m, n]`: both are read along their rows.
fn product_by_rows([m, n, depth]: [usize; 3], a: &[f32], b: &[f32], c: &mut [f32]) {
    let block = n.div_ceil(8 * threads()).next_multiple_of(12).max(12);
    let rows = if n > 1 { m.max(1) } else { m.div_ceil(4 * threads()).next_multiple_of(4).max(4) };
    let blocks = n.div_ceil(block);
    let out = Shared::new(c);
    tasks(blocks * m.div_ceil(rows), m * n * depth, |task| {
        let (first, row) = (task % blocks * block, task / blocks * rows);
        let (count, rows) = (block.min(n - first), rows.min(m - row));
        dots([rows, count, depth], &a[row * depth..], &b[first * depth..], out, row * n + first, n);
    });
}

simd_fn! {
    fn dots<S>(size: [usize; 3], a: &[f32], b: &[f32], out: Shared<'_>, at: usize, stride: usize) {
        let [m, n, depth] = size;
        assert!(a.len() >= m * depth && b.len() >= n * depth);
        // Six rows of B stay in the nearest cache while all of A passes.
        for j in (0..n).step_by(if S::LANES == 16 { 6 } else { 2 }) {
            for i in (0..m).step_by(4) {
                let size = [(m - i).min(4), n - j, depth];
                // SAFETY: lengths were checked, and each task writes its own part.
                unsafe {
                    let (a, b, c) = (a.as_ptr().add(i * depth), b.as_ptr().add(j * depth), out.at(at + i * stride + j));
                    if S::LANES == 16 { dot_tile::<S, 6>(size, a, b, c, stride) } else { dot_tile::<S, 2>(size, a, b, c, stride) }
                }
            }
        }
    }
}

/// Dot products of up to 4 rows of A and N rows of B.
///
/// # Safety
/// All values can be accessed.
#[expect(clippy::needless_range_loop, reason = "rows of a tile are counted, as on paper")]
#[inline(always)]
unsafe fn dot_tile<S: Simd, const N: usize>(
    [m, n, depth]: [usize; 3],
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    stride: usize,
) {
    let n = n.min(N);
    // SAFETY: the caller's; rows beyond the last repeat it.
    unsafe {
        let a: [*const f32; 4] = std::array::from_fn(|i| a.add(i.min(m - 1) * depth));
        let b: [*const f32; N] = std::array::from_fn(|j| b.add(j.min(n - 1) * depth));
        let mut sums = [[S::splat(0.0); N]; 4];
        let whole = depth / S::LANES * S::LANES;
        let mut k = 0;
        while k < whole {
            let rows: [S::V; 4] = std::array::from_fn(|i| S::load(a[i].add(k)));
            for j in 0..N {
                let column = S::load(b[j].add(k));
                for i in 0..4 {
                    sums[i][j] = S::mul_add(rows[i], column, sums[i][j]);
                }
            }
            k += S::LANES;
        }
        if whole < depth {
            let rest = depth - whole;
            let rows: [S::V; 4] = std::array::from_fn(|i| S::load_first(a[i].add(whole), rest));
            for j in 0..N {
                let column = S::load_first(b[j].add(whole), rest);
                for i in 0..4 {
                    sums[i][j] = S::mul_add(rows[i], column, sums[i][j]);
                }
            }
        }
        for i in 0..4 {
            for j in 0..N {
                if i < m && j < n {
                    *c.add(i * stride + j) = S::sum(sums[i][j]);
                }
            }
        }
    }
}
