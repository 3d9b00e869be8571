//! A Gaussian about points, and how far others are from its middle in units of its own spread.
//!
//! Paper: Rippel et al. 2021, "Modeling the Distribution of Normal Data in Pre-Trained Deep Features for Anomaly Detection",
//! arXiv:2005.14140, section III; Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices",
//! section 3, for the covariance where there are hardly more points than numbers.

use galatea_metrics::Points;

/// A mean and the root of a covariance that can be inverted.
pub(super) struct Gaussian {
    mean: Vec<f64>,
    /// The lower triangle `L` of `L L^T`, row by row: `i + 1` numbers in row `i`.
    root: Vec<Vec<f64>>,
}

impl Gaussian {
    /// The Gaussian of these points, of which there is one or more.
    pub(super) fn of(points: &Points) -> Self {
        let (n, d) = (points.rows(), points.width());
        let mean = points.mean();
        let mut covariance: Vec<Vec<f64>> = (0..d).map(|i| vec![0.0; i + 1]).collect();
        let mut fourth = 0.0;
        for at in 0..n {
            let mut row = points.row(at);
            row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
            fourth += row.iter().map(|value| value * value).sum::<f64>().powi(2);
            for (i, line) in covariance.iter_mut().enumerate() {
                let value = row[i] / n as f64;
                line.iter_mut().zip(&row).for_each(|(sum, other)| *sum += value * other);
            }
        }
        shrink(&mut covariance, fourth, n);
        cholesky(&mut covariance);
        Self { mean, root: covariance }
    }

    /// How far each point is from the mean: the root of the squared Mahalanobis distance over the number of dimensions.
    pub(super) fn apart(&self, points: &Points) -> Vec<f64> {
        let d = self.mean.len();
        let one = |at: usize| {
            let mut x = points.row(at);
            x.iter_mut().zip(&self.mean).for_each(|(value, mean)| *value -= mean);
            // L y = x, from the first number on.
            for i in 0..d {
                let known: f64 = self.root[i][..i].iter().zip(&x).map(|(l, y)| l * y).sum();
                x[i] = (x[i] - known) / self.root[i][i];
            }
            (x.iter().map(|y| y * y).sum::<f64>() / d as f64).sqrt()
        };
        (0..points.rows()).map(one).collect()
    }
}

/// Draws the covariance of `n` points towards a sphere as far as chance may have made it longish: the optimum of Ledoit and Wolf.
/// `fourth` is the sum of the fourth powers of the lengths of the points.
fn shrink(covariance: &mut [Vec<f64>], fourth: f64, n: usize) {
    let d = covariance.len() as f64;
    let middle = covariance.iter().enumerate().map(|(i, row)| row[i]).sum::<f64>() / d;
    let square = |i: usize, j: usize, value: f64| if i == j { value * value } else { 2.0 * value * value };
    let rows =
        || covariance.iter().enumerate().flat_map(|(i, row)| row.iter().enumerate().map(move |(j, v)| (i, j, *v)));
    let squares: f64 = rows().map(|(i, j, value)| square(i, j, value)).sum();
    let from_sphere: f64 = rows().map(|(i, j, value)| square(i, j, if i == j { value - middle } else { value })).sum();
    let n = n as f64;
    let by_chance = ((fourth / n - squares) / n).max(0.0);
    // Of points in a line, or all in one place, something of a sphere must be left.
    let share = (by_chance / from_sphere.max(f64::MIN_POSITIVE)).clamp(1e-6, 1.0);
    let least = 1e-12 + 1e-9 * middle;
    for (i, row) in covariance.iter_mut().enumerate() {
        row.iter_mut().for_each(|value| *value *= 1.0 - share);
        row[i] += share * middle + least;
    }
}

/// The lower triangle of a positive matrix becomes that of its root.
fn cholesky(matrix: &mut [Vec<f64>]) {
    for i in 0..matrix.len() {
        let (before, rest) = matrix.split_at_mut(i);
        let row = &mut rest[0];
        for j in 0..=i {
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            if j < i {
                row[j] = (row[j] - dot(&row[..j], &before[j][..j])) / before[j][j];
            } else {
                row[i] = (row[i] - dot(&row[..i], &row[..i])).max(f64::MIN_POSITIVE).sqrt();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_kernels::random::fill_normal;

    /// `n` points, the second number 10 times as spread as the first, a third that is their sum, about (5, 5, 5).
    fn points(n: usize) -> Points {
        let mut values = vec![0.0f32; 2 * n];
        fill_normal(4, 1, &mut values);
        let rows = values.chunks_exact(2).map(|pair| [f64::from(pair[0]), 10.0 * f64::from(pair[1])]);
        Points::double(3, rows.flat_map(|[a, b]| [5.0 + a, 5.0 + b, 5.0 + a + b]).collect()).unwrap()
    }

    #[test]
    fn distances_are_in_units_of_the_spread_along_each_direction() {
        let gaussian = Gaussian::of(&points(4_000));
        let apart = gaussian.apart(&Points::double(3, vec![6.0, 5.0, 6.0, 5.0, 15.0, 15.0, 5.0, 5.0, 5.0]).unwrap());
        // One deviation along each: squared distance 1 of 3 dimensions.
        let one = (1.0f64 / 3.0).sqrt();
        assert!((apart[0] - one).abs() < 0.1 * one && (apart[1] - one).abs() < 0.1 * one, "{apart:?}");
        assert!(apart[2] < 0.05);
        // Out of the plane in which all are, a little is much. What 4,000 points may be longish by is 0.00075 of the mean variance
        // 67, which leaves a deviation of 0.22 there; 2 / sqrt(3) are 5.2 of these, which is 3.0 for one of three dimensions.
        let out = gaussian.apart(&Points::double(3, vec![5.0, 5.0, 7.0]).unwrap())[0];
        assert!((out - 3.0).abs() < 0.3, "{out}");
    }

    #[test]
    fn few_points_are_drawn_towards_a_sphere() {
        let mut values = vec![0.0f32; 30 * 50];
        fill_normal(1, 1, &mut values);
        let normal = |rows: std::ops::Range<usize>| {
            Points::double(50, values[50 * rows.start..50 * rows.end].iter().map(|v| f64::from(*v)).collect()).unwrap()
        };
        // Twenty points in fifty dimensions: others of the same kind are about as far as they themselves are.
        let gaussian = Gaussian::of(&normal(0..20));
        let mean = |of: Vec<f64>| of.iter().sum::<f64>() / of.len() as f64;
        let (known, new) = (mean(gaussian.apart(&normal(0..20))), mean(gaussian.apart(&normal(20..30))));
        assert!(new < 1.5 * known, "{new} and {known}");
        // Copies of one point, and a single one.
        for n in [1, 9] {
            let gaussian = Gaussian::of(&Points::double(2, vec![1.0; 2 * n]).unwrap());
            let apart = gaussian.apart(&Points::double(2, vec![1.0, 1.0, 2.0, 2.0]).unwrap());
            assert!(apart.iter().all(|value| value.is_finite()) && apart[1] > apart[0], "{apart:?}");
        }
    }
}
