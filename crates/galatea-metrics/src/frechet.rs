//! Frechet distance between two sets of features, each taken for a normal distribution:
//! `|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))`.
//!
//! Paper: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", arXiv:1706.08500, equation 6 (FID); Dowson
//! and Landau 1982, "The Fréchet distance between multivariate normal distributions".
//! Differs: with `C = R^T R` for each set, the trace of the root is the sum of the singular values of `R_a R_b^T`, so no
//! imaginary part has to be cut off and no singular matrix needs a small number added; with fewer samples than features the
//! rows of `R` are the samples themselves. Which features are used is part of the number's name.

use std::sync::{Mutex, PoisonError};

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt_pivoting::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};
use galatea_kernels::pool::parallel_for;

use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, anew};
use crate::points::Points;
use crate::products::times_transposed;
use crate::{Error, Result};

/// The Frechet distance as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "frechet",
        better: Better::Lower,
        meaning: "Frechet distance (FID): are means and spreads of features alike?",
    }],
    needs: Needs { space: Space::Features, train: false, least: 2 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    Ok(anew(sets, |samples, real| Ok(vec![distance(&Moments::of(samples)?, &Moments::of(real)?)?])))
}

/// Rows of a matrix that are covered by one piece of work, and columns of a piece of its square.
const PART: usize = 256;

/// Mean and covariance of features.
#[derive(Clone, Debug)]
pub struct Moments {
    mean: Vec<f64>,
    /// `R`, `[r, d]`, with `R^T R` the covariance.
    root: Mat<f64>,
}

impl Moments {
    /// Mean and unbiased covariance of features.
    ///
    /// # Errors
    /// With fewer than two points.
    pub fn of(features: &Points) -> Result<Self> {
        let (n, d) = (features.rows(), features.width());
        if n < 2 {
            return Err(Error::samples("one sample has no spread", "give at least two"));
        }
        let mean = features.mean();
        let root = if n <= d { rows_about(features, &mean, 0..n) } else { root(covariance(features, &mean))? };
        Ok(Self { mean, root })
    }

    /// The trace of the covariance.
    fn trace(&self) -> f64 {
        self.root.squared_norm_l2()
    }
}

/// The squared Frechet distance; 0 for equal moments, without an upper bound.
///
/// # Errors
/// If the numbers of features differ.
pub fn distance(a: &Moments, b: &Moments) -> Result<f64> {
    let (d, other) = (a.mean.len(), b.mean.len());
    if d != other {
        return Err(Error::samples(
            format!("{d} features cannot be compared with {other}"),
            "use the same features for both",
        ));
    }
    let apart: f64 = a.mean.iter().zip(&b.mean).map(|(a, b)| (a - b).powi(2)).sum();
    let product = times_transposed(a.root.as_ref(), b.root.as_ref());
    Ok((apart + a.trace() + b.trace() - 2.0 * sum_of_singular_values(product.as_ref())?).max(0.0))
}

/// Points less their mean, over the root of one less than their number.
fn rows_about(features: &Points, mean: &[f64], rows: std::ops::Range<usize>) -> Mat<f64> {
    let share = 1.0 / (features.rows() as f64 - 1.0).sqrt();
    let values: Vec<Vec<f64>> = rows
        .map(|i| {
            let mut row = features.row(i);
            row.iter_mut().zip(mean).for_each(|(value, mean)| *value = (*value - mean) * share);
            row
        })
        .collect();
    Mat::from_fn(values.len(), mean.len(), |i, j| values[i][j])
}

/// The lower half of the covariance; what is above it is zero.
fn covariance(features: &Points, mean: &[f64]) -> Mat<f64> {
    let (n, d) = (features.rows(), features.width());
    let parts: Vec<_> = (0..d).step_by(PART).map(|from| from..(from + PART).min(d)).collect();
    let lower: Vec<(usize, usize)> = (0..parts.len()).flat_map(|i| (0..=i).map(move |j| (i, j))).collect();
    let tiles: Vec<Mutex<Mat<f64>>> =
        lower.iter().map(|(i, j)| Mutex::new(Mat::zeros(parts[*i].len(), parts[*j].len()))).collect();
    for from in (0..n).step_by(4 * PART) {
        let rows = rows_about(features, mean, from..(from + 4 * PART).min(n));
        let columns = |part: usize| rows.as_ref().subcols(parts[part].start, parts[part].len());
        parallel_for(lower.len(), |t| {
            let mut tile = tiles[t].lock().unwrap_or_else(PoisonError::into_inner);
            let (i, j) = lower[t];
            matmul(tile.as_mut(), Accum::Add, columns(i).transpose(), columns(j), 1.0, Par::Seq);
        });
    }
    let mut covariance = Mat::zeros(d, d);
    for ((i, j), tile) in lower.into_iter().zip(tiles) {
        let tile = tile.into_inner().unwrap_or_else(PoisonError::into_inner);
        let into = covariance.as_mut().submatrix_mut(parts[i].start, parts[j].start, parts[i].len(), parts[j].len());
        { into }.copy_from(&tile);
    }
    covariance
}

/// `R`, `[rank, d]`, with `R^T R` the symmetric matrix without negative eigenvalues whose lower half is given.
fn root(mut matrix: Mat<f64>) -> Result<Mat<f64>> {
    let d = matrix.nrows();
    if (0..d).all(|i| matrix[(i, i)] <= 0.0) {
        return Ok(Mat::zeros(0, d));
    }
    let (mut forward, mut backward) = (vec![0usize; d], vec![0usize; d]);
    let scratch = cholesky_in_place_scratch::<usize, f64>(d, Par::Seq, Default::default());
    let stack = &mut MemBuffer::new(scratch);
    let (stack, params) = (MemStack::new(stack), Default::default());
    let (info, order) = cholesky_in_place(matrix.as_mut(), &mut forward, &mut backward, Par::Seq, stack, params)
        .map_err(|_| undecomposed())?;
    // Row `i` of the factor belongs to feature `order[i]`; only the lower half of it means anything.
    let place = order.arrays().1;
    Ok(Mat::from_fn(info.rank, d, |i, j| if place[j] >= i { matrix[(place[j], i)] } else { 0.0 }))
}

fn sum_of_singular_values(matrix: MatRef<'_, f64>) -> Result<f64> {
    if matrix.nrows().min(matrix.ncols()) == 0 {
        return Ok(0.0);
    }
    // Those of small matrices are cheap to have to full precision; squares of values lose half of the digits of small ones,
    // which are then of no account in the sum.
    if matrix.nrows().min(matrix.ncols()) <= 512 {
        return Ok(matrix.singular_values().map_err(|_| undecomposed())?.iter().sum());
    }
    let smaller = if matrix.nrows() <= matrix.ncols() { matrix } else { matrix.transpose() };
    let square = times_transposed(smaller, smaller);
    let squares = square.self_adjoint_eigenvalues(Side::Lower).map_err(|_| undecomposed())?;
    Ok(squares.iter().map(|value| value.max(0.0).sqrt()).sum())
}

fn undecomposed() -> Error {
    Error::samples("the covariance of the features cannot be decomposed", "look for samples of enormous values")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    fn of(a: &Points, b: &Points) -> f64 {
        distance(&Moments::of(a).unwrap(), &Moments::of(b).unwrap()).unwrap()
    }

    #[test]
    fn a_set_is_at_no_distance_from_itself_and_distances_are_symmetric() {
        let (a, b) = (normal(300, 8, 1, 0.0, 1.0), normal(200, 8, 2, 0.5, 2.0));
        assert!(of(&a, &a) < 1e-9);
        assert!((of(&a, &b) - of(&b, &a)).abs() < 1e-9 * of(&a, &b));
    }

    #[test]
    fn normal_sets_have_the_distance_of_their_distributions() {
        // |m|^2 + d (s - 1)^2 with mean 0.5 and deviation 2 in 4 dimensions.
        let (a, b) = (normal(200_000, 4, 1, 0.0, 1.0), normal(200_000, 4, 2, 0.5, 2.0));
        assert!((of(&a, &b) - 5.0).abs() < 0.05, "{}", of(&a, &b));
    }

    #[test]
    fn fewer_samples_than_features_are_no_trouble() {
        let (a, b) = (normal(20, 64, 1, 0.0, 1.0), normal(20, 64, 2, 0.0, 1.0));
        assert!(of(&a, &b).is_finite() && of(&a, &a) < 1e-9, "{}", of(&a, &a));
    }

    #[test]
    fn a_set_without_any_spread_is_as_far_as_its_place_and_the_spread_of_the_other() {
        let (point, other) = (Points::double(2, vec![3.0; 80]).unwrap(), normal(50, 2, 1, 0.0, 1.0));
        let spread = Moments::of(&other).unwrap();
        let apart: f64 = spread.mean.iter().map(|mean| (3.0 - mean).powi(2)).sum();
        for (a, b) in [(&point, &other), (&other, &point)] {
            assert!((of(a, b) - apart - spread.trace()).abs() < 1e-9);
        }
        assert_eq!(of(&point, &point), 0.0);
    }

    /// Features that are sums of others, constant ones, and more than fit into one tile.
    #[test]
    fn the_root_of_a_covariance_without_full_rank_gives_it_back() {
        let (inner, d) = (normal(900, 100, 3, 0.0, 1.0), 300);
        let rows = (0..900).flat_map(|i| {
            let row = inner.row(i);
            (0..d).map(move |j| if j % 10 == 0 { 4.0 } else { row[j % 100] + row[(7 * j) % 100] * (j / 100) as f64 })
        });
        let set = Points::double(d, rows.collect()).unwrap();
        let mean = set.mean();
        let (tall, covariance) = (rows_about(&set, &mean, 0..900), covariance(&set, &mean));
        let expected = tall.transpose() * &tall;
        let root = root(covariance).unwrap();
        assert!((80..=100).contains(&root.nrows()), "{}", root.nrows());
        let error = (root.transpose() * &root - &expected).norm_max();
        assert!(error < 1e-9, "{error}");
        let both_ways = distance(&Moments { mean: mean.clone(), root }, &Moments { mean, root: tall });
        assert!(both_ways.unwrap() < 1e-5 * expected.norm_l2());
    }

    #[test]
    fn large_matrices_have_the_singular_values_of_their_squares() {
        let (a, b) = (normal(600, 700, 1, 0.0, 1.0), normal(620, 700, 2, 0.0, 3.0));
        let (a, b) = (Moments::of(&a).unwrap(), Moments::of(&b).unwrap());
        let product = times_transposed(a.root.as_ref(), b.root.as_ref());
        let exact: f64 = product.singular_values().unwrap().iter().sum();
        for matrix in [product.as_ref(), product.transpose()] {
            let sum = sum_of_singular_values(matrix).unwrap();
            assert!((sum - exact).abs() < 1e-6 * exact, "{sum} {exact}");
        }
    }
}
