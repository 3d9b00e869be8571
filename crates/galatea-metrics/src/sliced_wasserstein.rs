//! Sliced Wasserstein distance: the mean over random directions of the distance between the projections, each of which is
//! found by sorting. Needs no features, so it is what any data can be judged by.
//!
//! Paper: Rabin et al. 2012, "Wasserstein Barycenter and Its Application to Texture Mixing"; Bonneel et al. 2015,
//! "Sliced and Radon Wasserstein Barycenters of Measures".
//! Differs: sets of unequal size are compared at as many quantiles as the smaller one has members; the root of the mean of
//! squares is taken; the directions are fixed.

use galatea_data::HostTensor;
use galatea_kernels::random;

use crate::neighbours::for_rows;
use crate::{Error, Result};

/// Directions.
pub const DIRECTIONS: usize = 256;

/// The distance between sets `[n, ..]` and `[m, ..]`, in the units of their values; 0 for equal sets.
///
/// # Errors
/// With an empty set, sets of other shapes, or values that are not finite.
pub fn distance(a: &HostTensor, b: &HostTensor) -> Result<f64> {
    let (n, d) = crate::checked(a, 1)?;
    let (m, other) = crate::checked(b, 1)?;
    if d != other {
        return Err(Error::samples(
            format!("{d} values cannot be compared with {other}"),
            "bring both sets to the same size",
        ));
    }
    let points = n.min(m);
    let squares = for_rows(DIRECTIONS, |i| {
        let mut direction = vec![0.0f32; d];
        random::fill_normal(0x0051_1ced, i as u64, &mut direction);
        let length = direction.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        let (a, b) = (projected(a, &direction, length), projected(b, &direction, length));
        let apart = |at: usize| quantile(&a, at, points) - quantile(&b, at, points);
        (0..points).map(|at| apart(at).powi(2)).sum::<f64>() / points as f64
    });
    Ok((squares.iter().sum::<f64>() / DIRECTIONS as f64).sqrt())
}

fn projected(set: &HostTensor, direction: &[f32], length: f64) -> Vec<f64> {
    let d = direction.len();
    let dot = |row: &[f32]| row.iter().zip(direction).map(|(x, y)| f64::from(x * y)).sum::<f64>() / length;
    let mut values: Vec<f64> = set.values.chunks_exact(d).map(dot).collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The middle of the `at`-th of `points` equal parts of sorted values.
fn quantile(sorted: &[f64], at: usize, points: usize) -> f64 {
    sorted[((2 * at + 1) * sorted.len()) / (2 * points)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    #[test]
    fn a_shift_is_measured_by_its_length_in_a_direction() {
        let a = normal(4_000, 16, 1, 0.0, 1.0);
        assert_eq!(distance(&a, &a).unwrap(), 0.0);
        let moved = HostTensor::new(a.shape.clone(), a.values.iter().map(|value| value + 0.5).collect());
        // A shift of 0.5 in each of 16 dimensions is of length 2; a random direction sees 1/16 of its square.
        assert!((distance(&a, &moved).unwrap() - 0.5).abs() < 0.06);
        let other = distance(&a, &normal(1_000, 16, 2, 0.0, 1.0)).unwrap();
        assert!(other < 0.1, "{other}");
    }
}
