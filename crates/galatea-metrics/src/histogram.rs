//! How often each class is drawn, and how far that is from how often it should be.
//!
//! Paper: Metz et al. 2017, "Unrolled Generative Adversarial Networks", arXiv:1611.02163, section 3.3 (modes and KL).
//! Differs: total variation stands beside the divergence, which is infinite when the reference lacks a class.

use galatea_data::HostTensor;
use serde::Serialize;

use crate::Result;

/// Shares of classes among samples.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Histogram {
    /// Share of each class among the samples; sums to 1.
    pub shares: Vec<f64>,
    /// `KL(samples || real)` in nats; 0 for equal shares.
    pub divergence: f64,
    /// Half the sum of absolute differences, in `[0, 1]`.
    pub total_variation: f64,
    /// Classes that occur among the samples.
    pub modes: usize,
}

/// Compares the most probable classes of samples with those of real examples, both `[n, classes]` probabilities.
///
/// # Errors
/// If a set is empty or holds values that are not finite.
pub fn histogram(real: &HostTensor, samples: &HostTensor) -> Result<Histogram> {
    let (shares, reference) = (shares(samples)?, self::shares(real)?);
    let pairs = || shares.iter().zip(&reference);
    Ok(Histogram {
        divergence: pairs().filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum(),
        total_variation: 0.5 * pairs().map(|(p, q)| (p - q).abs()).sum::<f64>(),
        modes: shares.iter().filter(|share| **share > 0.0).count(),
        shares,
    })
}

fn shares(probabilities: &HostTensor) -> Result<Vec<f64>> {
    let (n, classes) = crate::checked(probabilities, 1)?;
    let mut counts = vec![0usize; classes];
    for row in probabilities.values.chunks_exact(classes) {
        let best = (0..classes).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
        counts[best] += 1;
    }
    Ok(counts.into_iter().map(|count| count as f64 / n as f64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_hot(labels: &[usize]) -> HostTensor {
        let rows = labels.iter().flat_map(|label| (0..4).map(move |class| if class == *label { 1.0 } else { 0.0 }));
        HostTensor::new([labels.len(), 4], rows.collect())
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
