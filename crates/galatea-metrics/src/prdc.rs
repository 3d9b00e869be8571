//! Precision, recall, density and coverage, from balls that reach to the k-th nearest neighbour.
//!
//! Paper: Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models",
//! arXiv:1904.06991, equations 1 and 2; Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models",
//! arXiv:2002.09797, equations 3 and 4.
//! Differs: in nothing; the features are part of the number's name.

use galatea_data::HostTensor;
use serde::Serialize;

use crate::neighbours::{balls_around, nearest, radii};
use crate::{Error, Result};

/// The four shares; all but density are in `[0, 1]`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prdc {
    /// Share of samples that lie in the ball of a real example: are they good?
    pub precision: f64,
    /// Share of real examples that lie in the ball of a sample: are they all there?
    pub recall: f64,
    /// Real balls that a sample lies in, over `k`: precision that no outlier can raise; may exceed 1.
    pub density: f64,
    /// Share of real examples with a sample in their ball: recall that no outlier can raise.
    pub coverage: f64,
}

/// Compares features of real examples and of samples, `[n, d]` and `[m, d]`, by balls to the `k`-th neighbour.
///
/// # Errors
/// With not more than `k` rows in a set, other numbers of features, or values that are not finite.
pub fn prdc(real: &HostTensor, samples: &HostTensor, k: usize) -> Result<Prdc> {
    let (n, d) = crate::checked(real, k + 1)?;
    let (m, other) = crate::checked(samples, k + 1)?;
    if d != other || k == 0 {
        return Err(Error::samples(
            format!("{d} features cannot be compared with {other} by {k} neighbours"),
            "use the same features for both, and k >= 1",
        ));
    }
    let (real_radii, sample_radii) = (radii(real, k), radii(samples, k));
    let share = |hits: usize, of: usize| hits as f64 / of as f64;
    let around_samples = balls_around(samples, real, &real_radii);
    let around_real = balls_around(real, samples, &sample_radii);
    let covered =
        nearest(real, samples).iter().zip(&real_radii).filter(|((_, distance), radius)| distance <= radius).count();
    Ok(Prdc {
        precision: share(around_samples.iter().filter(|count| **count > 0).count(), m),
        recall: share(around_real.iter().filter(|count| **count > 0).count(), n),
        density: share(around_samples.iter().sum(), k * m),
        coverage: share(covered, n),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    #[test]
    fn equal_distributions_score_high_and_a_shrunken_one_loses_recall() {
        let real = normal(600, 6, 1, 0.0, 1.0);
        let same = prdc(&real, &normal(600, 6, 2, 0.0, 1.0), 5).unwrap();
        assert!(same.precision > 0.8 && same.recall > 0.8 && same.coverage > 0.9, "{same:?}");
        assert!((same.density - 1.0).abs() < 0.15, "{same:?}");
        let shrunken = prdc(&real, &normal(600, 6, 3, 0.0, 0.3), 5).unwrap();
        assert!(shrunken.precision > 0.95 && shrunken.recall < 0.3 && shrunken.coverage < 0.6, "{shrunken:?}");
        let elsewhere = prdc(&real, &normal(600, 6, 4, 20.0, 1.0), 5).unwrap();
        assert_eq!(elsewhere, Prdc { precision: 0.0, recall: 0.0, density: 0.0, coverage: 0.0 });
    }
}
