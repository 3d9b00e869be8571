//! The tile: the one place where products are summed. Everything that multiplies matrices or convolves is cut into tiles
//! of a few rows and one or two vectors, whose sums stay in registers.
//!
//! `C[r, j] = start[j] + sum over runs and i of A_r[run.a + i a_step] * B[run.b + i b_step + j]`
//!
//! Rows of A and C are pointers of their own, so that a convolution reads pictures where they are: no patch is ever
//! copied together (Dukhan 2019, "The Indirect Convolution Algorithm", arXiv:1907.02129).

use crate::simd::{MAX_ROWS, Simd, prefetch};

/// Offsets, in values, at which a run of products begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Run {
    pub(crate) a: isize,
    pub(crate) b: isize,
}

/// One run from the beginning.
pub(crate) const WHOLE: &[Run] = &[Run { a: 0, b: 0 }];

/// Products of a run that [`Tile::deep_rows`] makes before the next rows' turn: with two vectors of 16 values for each, half
/// of a nearest cache of 32 KiB.
pub(crate) const DEPTH: usize = 128;

/// What sums begin with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Start<'a> {
    Zero,
    /// As many values as there are columns.
    Bias(&'a [f32]),
    /// What C holds.
    Accumulate,
}

/// What all row groups of a product have in common.
#[derive(Clone, Copy)]
pub(crate) struct Tile<'a> {
    /// Rows of `2 LANES` values, or of `LANES` if there are no more columns than that.
    pub(crate) b: *const f32,
    pub(crate) runs: &'a [Run],
    /// Products of a run.
    pub(crate) len: usize,
    pub(crate) a_step: usize,
    pub(crate) b_step: usize,
    pub(crate) start: Start<'a>,
    /// Columns that are written, at most `2 LANES`.
    pub(crate) columns: usize,
    /// Rows that are written, at most those of the tile; set by [`Tile::rows`].
    pub(crate) rows: usize,
}

impl Tile<'_> {
    /// As [`Tile::rows`] of one run that may be long: a part of it at a time for all rows, so that this part of B stays in
    /// the nearest cache. Sums are made in the same order as at once, so that not a bit differs.
    ///
    /// # Safety
    /// As [`Tile::rows`].
    #[inline(always)]
    pub(crate) unsafe fn deep_rows<S: Simd>(
        mut self,
        rows: usize,
        row: impl Fn(usize) -> (*const f32, *mut f32),
        after: impl Fn(&mut [f32]),
    ) {
        let depth = self.len;
        // Where B passes once or twice there is nothing to be kept.
        let parts = if rows <= 2 * S::ROWS { 1 } else { depth.div_ceil(DEPTH).max(1) };
        let part = depth.div_ceil(parts);
        let b = self.b;
        for index in 0..parts {
            let first = index * part;
            self.len = part.min(depth.saturating_sub(first));
            self.b = b.wrapping_add(first * self.b_step);
            let from = |i| {
                let (a, c) = row(i);
                (a.wrapping_add(first * self.a_step), c)
            };
            let is_last = index + 1 == parts;
            // SAFETY: the caller's.
            unsafe {
                self.rows::<S>(rows, from, |row| {
                    if is_last {
                        after(row)
                    }
                })
            }
            self.start = Start::Accumulate;
        }
    }

    /// `rows` rows; `row` gives the pointers of each in A and C. `after` is called with each row's columns when they are
    /// done, while they are in the nearest cache.
    ///
    /// # Safety
    /// All values that the formula names are inside of live allocations, and C is written by nobody else. Where there are
    /// more columns than `LANES`, B can be read for two whole vectors, and otherwise for one.
    #[inline(always)]
    pub(crate) unsafe fn rows<S: Simd>(
        mut self,
        rows: usize,
        row: impl Fn(usize) -> (*const f32, *mut f32),
        after: impl Fn(&mut [f32]),
    ) {
        let mut first = 0;
        while first < rows {
            let left = rows - first;
            // A tail of four rows or fewer, or of eight where tiles have six, is done by fours.
            let step = match left {
                1 => 1,
                2..=4 => 4,
                8 if S::ROWS == 6 => 4,
                _ => S::ROWS,
            };
            self.rows = left.min(step);
            let mut a = [std::ptr::null(); MAX_ROWS];
            let mut c = [std::ptr::null_mut(); MAX_ROWS];
            for i in 0..step {
                // Rows beyond the last repeat it, and are not written.
                (a[i], c[i]) = row(first + i.min(self.rows - 1));
                // Rows of C are far apart; what is written next comes while these sums are made.
                let next = row((first + step + i).min(rows - 1)).1;
                prefetch(next);
                prefetch(next.wrapping_add(S::LANES));
            }
            // SAFETY: the caller's.
            unsafe {
                match (step, self.columns > S::LANES) {
                    (1, true) => self.product::<S, 1, 2>(&a, &c),
                    (1, false) => self.product::<S, 1, 1>(&a, &c),
                    (step, true) if step == S::ROWS => S::tile::<2>(&self, &a, &c),
                    (step, false) if step == S::ROWS => S::tile::<1>(&self, &a, &c),
                    (_, true) => self.product::<S, 4, 2>(&a, &c),
                    (_, false) => self.product::<S, 4, 1>(&a, &c),
                }
                for c in &c[..self.rows] {
                    after(std::slice::from_raw_parts_mut(*c, self.columns));
                }
            }
            first += step.min(left);
        }
    }

    /// # Safety
    /// As [`Tile::rows`].
    #[expect(clippy::needless_range_loop, reason = "rows and vectors of a tile are counted, as on paper")]
    #[inline(always)]
    pub(crate) unsafe fn product<S: Simd, const R: usize, const V: usize>(
        &self,
        a: &[*const f32; MAX_ROWS],
        c: &[*mut f32; MAX_ROWS],
    ) {
        // SAFETY: the caller's.
        unsafe {
            let in_vector = |v: usize| self.columns.saturating_sub(v * S::LANES).min(S::LANES);
            let read = |from: *const f32, v: usize| S::read(from.add(v * S::LANES), in_vector(v));
            let mut sums: [[S::V; V]; R] = match self.start {
                Start::Zero => [[S::splat(0.0); V]; R],
                Start::Bias(bias) => [std::array::from_fn(|v| read(bias.as_ptr(), v)); R],
                Start::Accumulate => std::array::from_fn(|r| std::array::from_fn(|v| read(c[r], v))),
            };
            for run in self.runs {
                let mut at = run.a;
                let mut b = self.b.offset(run.b);
                for _ in 0..self.len {
                    let columns: [S::V; V] = std::array::from_fn(|v| S::load(b.add(v * S::LANES)));
                    for r in 0..R {
                        let x = S::splat(*a[r].offset(at));
                        for v in 0..V {
                            sums[r][v] = S::mul_add(x, columns[v], sums[r][v]);
                        }
                    }
                    at += self.a_step as isize;
                    b = b.wrapping_add(self.b_step);
                }
            }
            for r in 0..R {
                if r < self.rows {
                    for v in 0..V {
                        S::write(c[r].add(v * S::LANES), sums[r][v], in_vector(v));
                    }
                }
            }
        }
    }
}
