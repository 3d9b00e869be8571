//! Sliced Wasserstein distance: the mean over random directions of the distance between the projections, each of which is
//! found by sorting. Needs no features, so it is what any data can be judged by.
//!
//! Paper: Rabin et al. 2012, "Wasserstein Barycenter and Its Application to Texture Mixing"; Bonneel et al. 2015,
//! "Sliced and Radon Wasserstein Barycenters of Measures".
//! Differs: sets of unequal size are compared at as many quantiles as the smaller one has members; the root of the mean of
//! squares is taken; the directions are fixed.

use faer::{Mat, MatRef};
use galatea_kernels::random;

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, pick};
use crate::points::Points;
use crate::products::{map, times_transposed};

/// Directions.
pub const DIRECTIONS: usize = 256;

/// Values of points that are projected together.
const PART: usize = 1 << 22;

/// The distance as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "sliced-wasserstein",
        better: Better::Lower,
        meaning: "how far values must be moved, seen from 256 random directions",
    }],
    needs: Needs { space: Space::Values, train: false, least: 1 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    sets.samples.like(sets.real)?;
    let directions = directions(sets.real.width());
    let (samples, real) = (project(sets.samples, &directions), project(sets.real, &directions));
    Ok(Box::new(move |choice| {
        let sorted = |values: &[f64], chosen| {
            let mut values = pick(values, chosen);
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        let squares =
            map(DIRECTIONS, |i| mean_square(&sorted(&samples[i], choice.samples), &sorted(&real[i], choice.real)));
        Ok(vec![(squares.iter().sum::<f64>() / DIRECTIONS as f64).sqrt()])
    }))
}

/// Directions of length 1, one per row.
fn directions(d: usize) -> Mat<f64> {
    let rows: Vec<Vec<f64>> = (0..DIRECTIONS)
        .map(|i| {
            let mut direction = vec![0.0f32; d];
            random::fill_normal(0x0051_1ced, i as u64, &mut direction);
            let length = direction.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
            direction.into_iter().map(|value| f64::from(value) / length).collect()
        })
        .collect();
    Mat::from_fn(DIRECTIONS, d, |i, j| rows[i][j])
}

/// For each direction where the points lie along it.
fn project(points: &Points, directions: &Mat<f64>) -> Vec<Vec<f64>> {
    let (n, d) = (points.rows(), points.width());
    let mut along: Vec<Vec<_>> = (0..DIRECTIONS).map(|_| Vec::with_capacity(n)).collect();
    let part = (PART / d).clamp(1, n);
    let mut rows = vec![0.0; part * d];
    for from in (0..n).step_by(part) {
        let count = part.min(n - from);
        for (i, row) in rows.chunks_exact_mut(d).take(count).enumerate() {
            points.write_row(from + i, row);
        }
        let rows = MatRef::from_row_major_slice(&rows[..count * d], count, d);
        let products = times_transposed(directions.as_ref(), rows);
        for (direction, along) in along.iter_mut().enumerate() {
            along.extend((0..count).map(|i| products[(direction, i)]));
        }
    }
    along
}

/// The mean squared distance of sorted values at equal quantiles.
fn mean_square(a: &[f64], b: &[f64]) -> f64 {
    let points = a.len().min(b.len());
    let apart = |at: usize| quantile(a, at, points) - quantile(b, at, points);
    (0..points).map(|at| apart(at).powi(2)).sum::<f64>() / points as f64
}

/// The middle of the `at`-th of `points` equal parts of sorted values.
fn quantile(sorted: &[f64], at: usize, points: usize) -> f64 {
    sorted[((2 * at + 1) * sorted.len()) / (2 * points)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::measure;
    use crate::tests::normal;

    fn distance(a: &Points, b: &Points) -> f64 {
        measure(&METRIC, a, b, None).unwrap()[0]
    }

    #[test]
    fn a_shift_is_measured_by_its_length_in_a_direction() {
        let a = normal(4_000, 16, 1, 0.0, 1.0);
        assert_eq!(distance(&a, &a), 0.0);
        let moved = Points::double(16, (0..4_000).flat_map(|i| a.row(i)).map(|value| value + 0.5).collect()).unwrap();
        // A shift of 0.5 in each of 16 dimensions is of length 2; a random direction sees 1/16 of its square.
        assert!((distance(&a, &moved) - 0.5).abs() < 0.06);
        let other = distance(&a, &normal(1_000, 16, 2, 0.0, 1.0));
        assert!(other < 0.1, "{other}");
    }
}
