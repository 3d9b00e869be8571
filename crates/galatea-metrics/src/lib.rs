//! Distances between sets of samples; one file per metric.
//!
//! A number without its protocol says nothing: names state how many samples and which features it rests on, and
//! [`evaluate`] puts beside each value what real data and what noise would have.

mod error;
pub mod features;
pub mod frechet;
pub mod histogram;
pub mod memorisation;
pub mod neighbours;
pub mod prdc;
mod report;
pub mod sliced_wasserstein;

pub use error::{Error, Result};
pub use report::{Reference, Report, Row, evaluate};

use galatea_data::HostTensor;

/// Rows and values per row of a set that can be judged.
fn checked(set: &HostTensor, at_least: usize) -> Result<(usize, usize)> {
    let (n, d) = (set.rows(), set.row_len());
    if n < at_least || d == 0 {
        return Err(Error::samples(
            format!("{n} samples of {d} values are too few to judge"),
            format!("at least {at_least} are needed"),
        ));
    }
    if let Some(at) = set.values.iter().position(|value| !value.is_finite()) {
        return Err(Error::samples(
            format!("sample {} holds {}", at / d, set.values[at]),
            "the model has diverged; go back to an earlier checkpoint",
        ));
    }
    Ok((n, d))
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_kernels::random;

    /// `[n, d]` normal values.
    pub(crate) fn normal(n: usize, d: usize, seed: u64, mean: f32, deviation: f32) -> HostTensor {
        let mut values = vec![0.0; n * d];
        random::fill_normal(seed, 7, &mut values);
        values.iter_mut().for_each(|value| *value = mean + deviation * *value);
        HostTensor::new([n, d], values)
    }

    #[test]
    fn what_cannot_be_judged_is_refused_with_a_reason() {
        let good = normal(10, 4, 1, 0.0, 1.0);
        let mut bad = good.clone();
        bad.values[13] = f32::NAN;
        let error = sliced_wasserstein::distance(&good, &bad).unwrap_err();
        assert_eq!(error.to_string(), "sample 3 holds NaN");
        let error = frechet::Moments::of(&normal(1, 4, 1, 0.0, 1.0)).unwrap_err();
        assert_eq!(error.to_string(), "1 samples of 4 values are too few to judge");
        assert_eq!(error.hint().unwrap(), "at least 2 are needed");
        assert!(prdc::prdc(&good, &normal(10, 5, 1, 0.0, 1.0), 3).is_err());
        assert!(prdc::prdc(&good, &good, 10).is_err());
    }
}
