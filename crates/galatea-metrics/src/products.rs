//! Inner products of all pairs of points, tile by tile on all cores: no matrix of all pairs is ever held.
//!
//! The products are in single precision about a common centre, which costs half of what double precision does. Whoever
//! uses them knows their error ([`Centred::slack`]) and computes what is too close to call again, or takes means over so
//! many pairs that errors of 1e-7 vanish. Tiles are of a fixed size and what is made of them is put together in a fixed
//! order, so that results do not depend on the number of threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use galatea_kernels::linear::linear_input_gradient;
use galatea_kernels::pool::parallel_for;

use crate::points::Points;

/// Rows and columns of a tile: large enough for the matrix product to run at full speed.
const TILE: usize = 256;

/// Applies `f` to every number below `n` on all cores; the results are in order, whatever the number of cores.
pub(crate) fn map<T: Send>(n: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let results: Vec<Mutex<Option<T>>> = (0..n).map(|_| Mutex::new(None)).collect();
    parallel_for(n, |i| {
        let result = f(i);
        *results[i].lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    });
    results.into_iter().filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

/// Where points are seen from, and by which power of two they are scaled so that no value is beyond 1.
#[derive(Clone, Debug)]
pub(crate) struct Centre {
    at: Vec<f64>,
    scale: f64,
}

impl Centre {
    /// The mean of all points of all sets, which are of one width.
    pub(crate) fn of(sets: &[&Points]) -> Self {
        let d = sets[0].width();
        let rows: usize = sets.iter().map(|set| set.rows()).sum();
        let mut at = vec![0.0; d];
        for set in sets {
            let share = set.rows() as f64 / rows as f64;
            at.iter_mut().zip(set.mean()).for_each(|(at, mean)| *at += share * mean);
        }
        let mut row = vec![0.0; d];
        let mut largest = 0.0f64;
        for set in sets {
            for i in 0..set.rows() {
                set.write_row(i, &mut row);
                largest = row.iter().zip(&at).fold(largest, |largest, (value, at)| largest.max((value - at).abs()));
            }
        }
        // Far from the limits of either precision, squares included.
        let exponent = if largest > 0.0 { -largest.log2().ceil() } else { 0.0 };
        Self { at, scale: exponent.clamp(-400.0, 400.0).exp2() }
    }

    /// The point, in the units of the values.
    pub(crate) fn at(&self) -> &[f64] {
        &self.at
    }

    /// The factor of squares and products: those of [`Centred`] are this many times the real ones.
    pub(crate) fn square(&self) -> f64 {
        self.scale * self.scale
    }

    /// The points as seen from here.
    pub(crate) fn see(&self, points: &Points) -> Centred {
        let d = self.at.len();
        let mut row = vec![0.0; d];
        let mut values = Vec::with_capacity(points.rows() * d);
        let norms = (0..points.rows()).map(|i| {
            points.write_row(i, &mut row);
            row.iter_mut().zip(&self.at).for_each(|(value, at)| *value = (*value - at) * self.scale);
            values.extend(row.iter().map(|value| *value as f32));
            row.iter().map(|value| value * value).sum()
        });
        let norms = norms.collect();
        Centred { width: d, values, norms }
    }
}

/// Points about a centre, in single precision, scaled.
#[derive(Clone, Debug)]
pub(crate) struct Centred {
    width: usize,
    values: Vec<f32>,
    norms: Vec<f64>,
}

impl Centred {
    /// Number of points.
    pub(crate) fn rows(&self) -> usize {
        self.norms.len()
    }

    /// Squared distance of each point from the centre, scaled.
    pub(crate) fn norms(&self) -> &[f64] {
        &self.norms
    }

    /// These points, in this order.
    #[must_use]
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let d = self.width;
        Self {
            width: d,
            values: rows.iter().flat_map(|i| &self.values[i * d..(i + 1) * d]).copied().collect(),
            norms: rows.iter().map(|i| self.norms[*i]).collect(),
        }
    }

    /// What `norm + norm - 2 product` is off by at most, as a share of `norm + norm`, to which [`TINY`] is to be added.
    ///
    /// The error of an inner product of `d` terms is at most `d u` times the sum of the terms' absolute values, in
    /// whatever order it is summed (Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.1), and that
    /// sum is at most half of `norm + norm`; rounding the points adds 2 `u`, and what is computed with the result in
    /// single precision less than the rest.
    pub(crate) fn slack(&self) -> f32 {
        (self.width + 16) as f32 * (f32::EPSILON / 2.0)
    }

    fn slice(&self, rows: &Range<usize>) -> &[f32] {
        &self.values[rows.start * self.width..rows.end * self.width]
    }
}

/// What underflow may add to the error of a squared distance: far more than it can, and nothing beside points of size 1.
pub(crate) const TINY: f32 = 1e-30;

/// The products of some points of one set with some of another.
pub(crate) struct Tile {
    /// The points of the first set.
    pub(crate) a: Range<usize>,
    /// The points of the second set.
    pub(crate) b: Range<usize>,
    /// For each point of `a` its products with all points of `b`.
    products: Vec<f32>,
}

impl Tile {
    fn of((a, a_rows): (&Centred, Range<usize>), (b, b_rows): (&Centred, Range<usize>)) -> Self {
        let mut products = vec![0.0; a_rows.len() * b_rows.len()];
        let shape = [a_rows.len(), b_rows.len(), a.width];
        linear_input_gradient(shape, a.slice(&a_rows), b.slice(&b_rows), &mut products);
        Self { a: a_rows, b: b_rows, products }
    }

    /// The points of `a` by number, each with its products with the points of `b`.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &[f32])> {
        self.a.clone().zip(self.products.chunks_exact(self.b.len()))
    }

    /// The same with the roles of the sets exchanged.
    #[must_use]
    pub(crate) fn turned(&self) -> Self {
        let (height, width) = (self.a.len(), self.b.len());
        let mut products = vec![0.0; height * width];
        // Square by square, so that both sides stay in the cache.
        const SIDE: usize = 16;
        for top in (0..height).step_by(SIDE) {
            for left in (0..width).step_by(SIDE) {
                for i in top..(top + SIDE).min(height) {
                    for j in left..(left + SIDE).min(width) {
                        products[j * height + i] = self.products[i * width + j];
                    }
                }
            }
        }
        Self { a: self.b.clone(), b: self.a.clone(), products }
    }
}

/// The pairs of which products are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pairs<'a> {
    /// All pairs of points of two sets.
    Between(&'a Centred, &'a Centred),
    /// Each pair of points of one set once: tiles on the diagonal hold some twice, see [`Tile::is_square`].
    Within(&'a Centred),
}

impl Pairs<'_> {
    /// Calls `f` with every tile, on all cores; the results are in the order of tiles.
    pub(crate) fn tiles<T: Send>(self, f: impl Fn(Tile) -> T + Sync) -> Vec<T> {
        let (a, b, within) = match self {
            Self::Between(a, b) => (a, b, false),
            Self::Within(a) => (a, a, true),
        };
        let (down, across) = (blocks(a.rows()), blocks(b.rows()));
        let wanted = |i: &usize, j: &usize| !within || i <= j;
        let tiles: Vec<(usize, usize)> = (0..down.len())
            .flat_map(|i| (0..across.len()).map(move |j| (i, j)))
            .filter(|(i, j)| wanted(i, j))
            .collect();
        map(tiles.len(), |t| {
            let (i, j) = tiles[t];
            f(Tile::of((a, down[i].clone()), (b, across[j].clone())))
        })
    }

    /// The sum of `kernel(i, j, product)` over all pairs.
    pub(crate) fn sum(self, kernel: impl Fn(usize, usize, f64) -> f64 + Sync) -> f64 {
        let within = matches!(self, Self::Within(_));
        let sums = self.tiles(|tile| {
            let first = |i: usize| if within && tile.a == tile.b { i + 1 - tile.b.start } else { 0 };
            let line = |i: usize, products: &[f32]| -> f64 {
                let from = first(i);
                let pairs = products[from..].iter().enumerate();
                pairs.map(|(j, product)| kernel(i, tile.b.start + from + j, f64::from(*product))).sum()
            };
            tile.lines().map(|(i, products)| line(i, products)).sum::<f64>()
        });
        sums.iter().sum()
    }
}

/// The number of the tile that row `i` is in.
pub(crate) fn block_of(i: usize) -> usize {
    i / TILE
}

/// `n` rows in parts of the height of a tile.
pub(crate) fn blocks(n: usize) -> Vec<Range<usize>> {
    (0..n).step_by(TILE).map(|from| from..(from + TILE).min(n)).collect()
}

/// `a b^T` in double precision, on all cores.
pub(crate) fn times_transposed(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let (rows, columns) = (a.nrows(), b.nrows());
    let parts = map(columns.div_ceil(TILE), |part| {
        let range = part * TILE..((part + 1) * TILE).min(columns);
        let mut out = Mat::zeros(rows, range.len());
        matmul(out.as_mut(), Accum::Replace, a, b.subrows(range.start, range.len()).transpose(), 1.0, Par::Seq);
        out
    });
    Mat::from_fn(rows, columns, |i, j| parts[j / TILE][(i, j % TILE)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    #[test]
    fn products_are_within_their_slack_and_every_pair_is_seen_once() {
        for (n, m, d, mean) in [(700, 515, 33, 0.0), (3, 1, 2, 5.0), (513, 512, 200, 1e4), (2, 2, 1, 1e-20)] {
            let (a, b) = (normal(n, d, 1, mean, 1.0), normal(m, d, 2, mean, 2.0));
            let centre = Centre::of(&[&a, &b]);
            let (near_a, near_b) = (centre.see(&a), centre.see(&b));
            assert!(near_a.values.iter().chain(&near_b.values).all(|value| value.abs() <= 1.0));
            let seen = Mutex::new(vec![0; n * m]);
            Pairs::Between(&near_a, &near_b).tiles(|tile| {
                for (i, products) in tile.lines() {
                    for (j, product) in tile.b.clone().zip(products) {
                        let norms = near_a.norms[i] + near_b.norms[j];
                        let exact = a.squared_distance(i, &b, j) * centre.square();
                        let error = (norms - 2.0 * f64::from(*product) - exact).abs();
                        assert!(error <= f64::from(near_a.slack()) * norms + f64::from(TINY), "{error} {norms}");
                        seen.lock().unwrap()[i * m + j] += 1;
                    }
                }
            });
            assert!(seen.into_inner().unwrap().iter().all(|count| *count == 1));
            assert_eq!(Pairs::Between(&near_a, &near_b).sum(|_, _, _| 1.0), (n * m) as f64);
            assert_eq!(Pairs::Within(&near_a).sum(|i, j, _| f64::from(u8::from(i < j))), (n * (n - 1) / 2) as f64);
            assert_eq!(Pairs::Within(&near_a).sum(|_, _, _| 1.0), (n * (n - 1) / 2) as f64);
        }
    }

    #[test]
    fn a_turned_tile_is_the_tile_of_the_other_side() {
        let (a, b) = (normal(40, 7, 1, 0.0, 1.0), normal(21, 7, 2, 0.0, 1.0));
        let centre = Centre::of(&[&a, &b]);
        let (a, b) = (centre.see(&a), centre.see(&b));
        let tile = Tile::of((&a, 0..40), (&b, 0..21));
        let turned = tile.turned();
        for (i, products) in tile.lines() {
            for (j, product) in products.iter().enumerate() {
                assert_eq!(turned.products[j * 40 + i], *product);
            }
        }
    }

    #[test]
    fn products_with_a_transposed_matrix() {
        let a = Mat::from_fn(5, 3, |i, j| (i * 3 + j) as f64);
        let b = Mat::from_fn(1200, 3, |i, j| i as f64 - j as f64);
        let product = times_transposed(a.as_ref(), b.as_ref());
        assert_eq!((product.nrows(), product.ncols()), (5, 1200));
        let entry = |i: usize, j: usize| (0..3).map(|k| a[(i, k)] * b[(j, k)]).sum::<f64>();
        assert!((0..5).all(|i| (0..1200).all(|j| product[(i, j)] == entry(i, j))));
    }
}
