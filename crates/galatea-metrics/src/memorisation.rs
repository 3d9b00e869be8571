//! Share of samples that are copies: nearer to a training example than nearly all unseen real examples are.
//!
//! Paper: Meehan et al. 2020, "A Non-Parametric Test to Detect Data-Copying in Generative Models", arXiv:2004.05675
//! (the idea of comparing distances to the training set with those of unseen real data).
//! Differs: a share at a fixed threshold, the 1 % quantile of the distances of unseen examples, in place of a test statistic.

use galatea_data::HostTensor;

use crate::neighbours::nearest;
use crate::{Error, Result};

/// The quantile of unseen examples' distances below which a sample counts as a copy.
pub const QUANTILE: f64 = 0.01;

/// The share of samples that are nearer to a training example than the nearest 1 % of unseen real examples; about 0.01 for
/// a model that has learnt the distribution, 1 for one that copies. All sets are `[n, ..]` of the same width.
///
/// # Errors
/// With an empty set, sets of other shapes, or values that are not finite.
pub fn copied(train: &HostTensor, unseen: &HostTensor, samples: &HostTensor) -> Result<f64> {
    let widths = [crate::checked(train, 1)?.1, crate::checked(unseen, 1)?.1, crate::checked(samples, 1)?.1];
    if widths.iter().any(|width| *width != widths[0]) {
        return Err(Error::samples(
            format!("sets of {widths:?} values cannot be compared"),
            "bring all to the same size",
        ));
    }
    let mut usual: Vec<f64> = nearest(unseen, train).into_iter().map(|(_, distance)| distance).collect();
    usual.sort_unstable_by(f64::total_cmp);
    let threshold = usual[(QUANTILE * usual.len() as f64) as usize];
    let copies = nearest(samples, train).iter().filter(|(_, distance)| *distance < threshold).count();
    Ok(copies as f64 / samples.rows() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    #[test]
    fn copies_are_found_and_fresh_draws_are_not() {
        let (train, unseen) = (normal(1_000, 8, 1, 0.0, 1.0), normal(500, 8, 2, 0.0, 1.0));
        let fresh = copied(&train, &unseen, &normal(500, 8, 3, 0.0, 1.0)).unwrap();
        assert!(fresh < 0.04, "{fresh}");
        let mut half = normal(500, 8, 3, 0.0, 1.0);
        half.values[..250 * 8].copy_from_slice(&train.values[..250 * 8]);
        let found = copied(&train, &unseen, &half).unwrap();
        assert!((0.49..0.54).contains(&found), "{found}");
    }
}
