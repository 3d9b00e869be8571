//! How often each class is drawn, how far that is from how often it should be, and how many classes are drawn at all.
//!
//! Paper: Metz et al. 2017, "Unrolled Generative Adversarial Networks", arXiv:1611.02163, section 3.3 (modes and KL).
//! Differs: total variation stands beside the divergence, which is infinite when the reference lacks a class.

use serde::Serialize;

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, pick};
use crate::points::Points;

/// The comparison of classes as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[
        Number {
            name: "modes",
            better: Better::Higher,
            meaning: "classes that occur among the samples: modes that were not lost",
        },
        Number {
            name: "class-kl",
            better: Better::Lower,
            meaning: "divergence of the samples' classes from those of real data, in nats",
        },
        Number {
            name: "class-variation",
            better: Better::Lower,
            meaning: "total variation between the samples' classes and real ones, 0 to 1",
        },
    ],
    needs: Needs { space: Space::Probabilities, train: false, least: 1 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    let (drawn, real, classes) = (labels(sets.samples), labels(sets.real), sets.real.width());
    Ok(Box::new(move |choice| {
        let shares = |labels: &[usize], chosen| shares(&pick(labels, chosen), classes);
        let all = Histogram::of(shares(&drawn, choice.samples), &shares(&real, choice.real));
        Ok(vec![all.modes as f64, all.divergence, all.total_variation])
    }))
}

/// Shares of classes among samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// Share of each class among the samples; sums to 1.
    pub shares: Vec<f64>,
    /// The same among the real examples.
    pub real: Vec<f64>,
    /// `KL(samples || real)` in nats; 0 for equal shares.
    pub divergence: f64,
    /// Half the sum of absolute differences, in `[0, 1]`.
    pub total_variation: f64,
    /// Classes that occur among the samples.
    pub modes: usize,
}

impl Histogram {
    fn of(shares: Vec<f64>, real: &[f64]) -> Self {
        let pairs = || shares.iter().zip(real);
        Self {
            divergence: pairs().filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum(),
            total_variation: 0.5 * pairs().map(|(p, q)| (p - q).abs()).sum::<f64>(),
            modes: shares.iter().filter(|share| **share > 0.0).count(),
            shares,
            real: real.to_vec(),
        }
    }
}

/// Compares the most probable classes of samples with those of real examples, both `[n, classes]` probabilities.
///
/// # Errors
/// If the sets are of different widths.
pub fn histogram(real: &Points, samples: &Points) -> Result<Histogram> {
    real.like(samples)?;
    let shares = |set: &Points| shares(&labels(set), real.width());
    Ok(Histogram::of(shares(samples), &shares(real)))
}

/// The most probable class of each example, the last of those that are equally so.
fn labels(probabilities: &Points) -> Vec<usize> {
    let mut row = vec![0.0; probabilities.width()];
    let best = |i: usize| {
        probabilities.write_row(i, &mut row);
        (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0)
    };
    (0..probabilities.rows()).map(best).collect()
}

fn shares(labels: &[usize], classes: usize) -> Vec<f64> {
    let mut counts = vec![0usize; classes];
    labels.iter().for_each(|label| counts[*label] += 1);
    counts.into_iter().map(|count| count as f64 / labels.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_hot(labels: &[usize]) -> Points {
        let rows = labels.iter().flat_map(|label| (0..4).map(move |class| f64::from(u8::from(class == *label))));
        Points::double(4, rows.collect()).unwrap()
    }

    #[test]
    fn a_lost_class_is_seen() {
        let real = one_hot(&[0, 1, 2, 3]);
        let equal = histogram(&real, &one_hot(&[3, 2, 1, 0])).unwrap();
        assert_eq!((equal.divergence, equal.total_variation, equal.modes), (0.0, 0.0, 4));
        let lost = histogram(&real, &one_hot(&[0, 0, 1, 1])).unwrap();
        assert_eq!((lost.total_variation, lost.modes), (0.5, 2));
        assert!((lost.divergence - 2f64.ln()).abs() < 1e-12);
        assert_eq!(histogram(&one_hot(&[0, 1]), &real).unwrap().divergence, f64::INFINITY);
    }
}
