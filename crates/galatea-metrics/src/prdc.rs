//! Precision, recall, density and coverage, from balls that reach to the k-th nearest neighbour.
//!
//! Paper: Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models",
//! arXiv:1904.06991, equations 1 and 2; Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models",
//! arXiv:2002.09797, equations 3 and 4.
//! Differs: what lies exactly on the border of a ball is outside, as in the program of the second paper, `prdc`; the first
//! counts it in. The features are part of the number's name.

use serde::Serialize;

use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, anew};
use crate::neighbours::{hits, radii};
use crate::points::Points;
use crate::{Error, Result};

/// Neighbours that the balls reach to.
pub const NEIGHBOURS: usize = 5;

/// The four shares as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[
        Number {
            name: "precision-k5",
            better: Better::Higher,
            meaning: "share of samples that lie among real examples: are they good?",
        },
        Number {
            name: "recall-k5",
            better: Better::Higher,
            meaning: "share of real examples that lie among samples: is everything drawn?",
        },
        Number {
            name: "density-k5",
            better: Better::Higher,
            meaning: "precision that outliers cannot raise; real data have 1, more is possible",
        },
        Number {
            name: "coverage-k5",
            better: Better::Higher,
            meaning: "share of real examples near a sample: recall that outliers cannot raise",
        },
    ],
    needs: Needs { space: Space::Features, train: false, least: NEIGHBOURS + 1 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    Ok(anew(sets, |samples, real| {
        let Prdc { precision, recall, density, coverage } = prdc(real, samples, NEIGHBOURS)?;
        Ok(vec![precision, recall, density, coverage])
    }))
}

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

/// Compares features of real examples and of samples by balls to the `k`-th neighbour.
///
/// # Errors
/// With not more than `k` points in a set, or other numbers of features.
pub fn prdc(real: &Points, samples: &Points, k: usize) -> Result<Prdc> {
    real.like(samples)?;
    let (n, m) = (real.rows(), samples.rows());
    if k == 0 || n.min(m) <= k {
        return Err(Error::samples(
            format!("{n} and {m} samples are too few for {k} neighbours"),
            format!("at least {} of each are needed", k + 1),
        ));
    }
    let hits = hits(real, samples, &radii(real, k), &radii(samples, k));
    let share = |hits: &[usize]| hits.iter().filter(|count| **count > 0).count() as f64 / hits.len() as f64;
    Ok(Prdc {
        precision: share(&hits.b_in_balls),
        recall: share(&hits.a_in_balls),
        density: hits.b_in_balls.iter().sum::<usize>() as f64 / (k * m) as f64,
        coverage: share(&hits.in_ball_of_a),
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

    /// The self-test of the second paper, on a small scale; `examples/self_test.rs` is the whole of it.
    ///
    /// Whatever the distribution of both sets, a density of 1 is expected, and a coverage of `1 - (n - 1) .. (n - k) /
    /// ((2 n - 1) .. (2 n - k))` (equation 7). Precision and recall are 0.872 in the mean of 24 runs of the authors'
    /// program; tolerances are three and a half standard errors, by the same runs.
    #[test]
    fn equal_distributions_have_the_values_that_are_expected_of_them() {
        let (n, k, turns) = (1_000, 5, 4);
        let missed: f64 = (1..=k).map(|i| (n - i) as f64 / (2 * n - i) as f64).product();
        let found: Vec<Prdc> = (0..turns)
            .map(|turn| prdc(&normal(n, 16, 10 + turn, 0.0, 1.0), &normal(n, 16, 20 + turn, 0.0, 1.0), k).unwrap())
            .collect();
        let mean = |value: fn(&Prdc) -> f64| found.iter().map(value).sum::<f64>() / turns as f64;
        let near = |value: f64, expected: f64, tolerance: f64| {
            assert!((value - expected).abs() < tolerance, "{value} {expected}");
        };
        near(mean(|found| found.coverage), 1.0 - missed, 0.011);
        near(mean(|found| found.density), 1.0, 0.092);
        near(mean(|found| found.precision), 0.872, 0.024);
        near(mean(|found| found.recall), 0.872, 0.028);
    }

    #[test]
    fn a_border_is_outside() {
        // On a line the nearest neighbour of every real example is at distance 1, and so is every sample.
        let real = Points::double(1, vec![0.0, 1.0, 2.0]).unwrap();
        let samples = Points::double(1, vec![-1.0, 3.0]).unwrap();
        let none = Prdc { precision: 0.0, recall: 1.0, density: 0.0, coverage: 0.0 };
        assert_eq!(prdc(&real, &samples, 1).unwrap(), none);
        let samples = Points::double(1, vec![-0.75, 3.0]).unwrap();
        let one = Prdc { precision: 0.5, density: 0.5, coverage: 1.0 / 3.0, ..none };
        assert_eq!(prdc(&real, &samples, 1).unwrap(), one);
    }

    #[test]
    fn too_few_are_refused() {
        let set = normal(5, 2, 1, 0.0, 1.0);
        let error = prdc(&set, &set, 5).unwrap_err();
        assert_eq!(error.to_string(), "5 and 5 samples are too few for 5 neighbours");
        assert_eq!(error.hint().unwrap(), "at least 6 of each are needed");
    }
}
