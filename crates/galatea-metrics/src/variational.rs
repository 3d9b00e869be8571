//! How likely a model takes examples to be that it has not seen: the evidence lower bound and its parts, the log likelihood by
//! importance sampling, bits for each value, and how many numbers of the latent vector are in use.
//!
//! Paper: Kingma and Welling 2014, arXiv:1312.6114, equation 3, for the bound; Burda et al. 2016, "Importance Weighted
//! Autoencoders", arXiv:1509.00519, equation 8 for the likelihood and section 5.3 for the numbers in use.
//! Differs: standard errors are over examples; what stands as real are examples that were learnt, and as noise uniform ones.

use galatea_data::{DataSpec, HostBatch};
use galatea_models::Session;

use crate::Result;
use crate::evaluate::{uniform, uniform_within};
use crate::likelihood::told_of_each;
use crate::metric::{Better, Number};
use crate::report::{Report, Row};

/// The numbers, in the order of a report.
pub const NUMBERS: &[Number] = &[
    Number {
        name: "log-likelihood-k200",
        better: Better::Higher,
        meaning: "nats of an unseen example, importance sampled with 200 draws",
    },
    Number {
        name: "bits-per-dim-k200",
        better: Better::Lower,
        meaning: "the same in bits for each value of an example",
    },
    Number { name: "elbo", better: Better::Higher, meaning: "evidence lower bound of an unseen example in nats" },
    Number {
        name: "reconstruction",
        better: Better::Higher,
        meaning: "its first part: log likelihood of the example as decoded",
    },
    Number {
        name: "kl",
        better: Better::LikeReal,
        meaning: "its second part: divergence of latent vectors from the prior",
    },
    Number {
        name: "active-units",
        better: Better::Higher,
        meaning: "latent numbers whose mean varies over examples by more than 0.01",
    },
];

/// Draws of the log likelihood; its names say so.
const DRAWS: usize = 200;
/// Draws of the bound.
const BOUND_DRAWS: usize = 10;
/// Values of all examples whose likelihood is sampled, about: large pictures take long.
const VALUES: usize = 800_000;
/// Fewest and most examples.
const COUNTS: [usize; 2] = [50, 1_000];
/// Share of as many that stand beside them.
const BESIDE: usize = 5;
/// The variance above which a number of the latent vector is in use.
const ACTIVE: f64 = 0.01;
/// The 97.5 % quantile of the normal distribution.
const QUANTILE: f64 = 1.96;
/// What is scored, as names have it.
const COMPARED: &str = "held-back";

/// Numbers of some examples, in the order of [`NUMBERS`]: each one's mean and its standard error.
struct Told {
    count: usize,
    values: Vec<(f64, Option<f64>)>,
}

/// Adds the numbers of a model with a likelihood to its report; of another model, nothing. Some examples are taken, evenly
/// over all.
///
/// # Errors
/// If the examples do not fit the model.
pub fn add(report: &mut Report, session: &dyn Session, unseen: &HostBatch, seen: Option<&HostBatch>) -> Result<()> {
    if session.as_score().is_none() || unseen.is_empty() {
        return Ok(());
    }
    let most = (VALUES / unseen.values.row_len().max(1)).clamp(COUNTS[0], COUNTS[1]);
    let Some(told) = tell(session, &evenly(unseen, most))? else { return Ok(()) };
    let floor = match seen {
        Some(seen) => tell(session, &evenly(seen, most.div_ceil(BESIDE)))?,
        None => None,
    };
    let noise = match session.spec() {
        spec if spec.has_units() => uniform_within(&unseen.values, most.div_ceil(BESIDE)),
        spec => {
            let mut shape = unseen.values.shape.clone();
            shape[0] = most.div_ceil(BESIDE);
            let mut noise = uniform(&shape);
            if let DataSpec::Text(text) = spec {
                // Tokens that are all equally likely.
                let count = text.vocabulary.len() as f32;
                noise.values.iter_mut().for_each(|x| *x = ((0.5 * *x + 0.5) * count).floor().min(count - 1.0));
            }
            noise
        }
    };
    let ceiling = tell(session, &HostBatch { values: noise, labels: None })?;
    for (at, number) in NUMBERS.iter().enumerate() {
        let (value, error) = told.values[at];
        let beside = |set: &Option<Told>| set.as_ref().map(|set| set.values[at].0);
        report.rows.push(Row {
            metric: format!("{}-{}-{COMPARED}", number.name, told.count),
            number: number.name,
            value,
            standard_error: error,
            interval: error.map(|error| [value - QUANTILE * error, value + QUANTILE * error]),
            floor: beside(&floor),
            ceiling: beside(&ceiling),
            better: number.better,
            samples: told.count,
            real: told.count,
            compared: COMPARED.to_owned(),
            features_hash: None,
        });
    }
    report.notes.push(format!(
        "{COMPARED}: {} examples that the model has not seen; real: {}; noise: {}; ±: over examples",
        told.count,
        floor.map_or_else(|| "none".to_owned(), |floor| format!("{} that it learnt from", floor.count)),
        ceiling.map_or(0, |ceiling| ceiling.count),
    ));
    Ok(())
}

fn tell(session: &dyn Session, examples: &HostBatch) -> Result<Option<Told>> {
    let Some(score) = session.as_score() else { return Ok(None) };
    let likelihood = score.log_likelihood(examples, DRAWS)?;
    let bounds = score.bounds(examples, BOUND_DRAWS)?;
    let mut bits: Vec<f64> = likelihood.iter().map(|nats| score.bits_per_value(*nats)).collect();
    if let DataSpec::Text(text) = session.spec() {
        // Of lines not all values count: bits of all examples together, for each token that does.
        let told = told_of_each(examples, session.spec()).iter().sum::<usize>() as f64;
        let all = (examples.len() * (text.length - 1)) as f64;
        bits.iter_mut().for_each(|bits| *bits *= all / told.max(1.0));
    }
    let of =
        |value: fn(galatea_models::Bound) -> f64| -> Vec<f64> { bounds.iter().map(|bound| value(*bound)).collect() };
    let [elbo, reconstruction, kl] = [of(|bound| bound.elbo()), of(|bound| bound.reconstruction), of(|bound| bound.kl)];
    let mut values: Vec<(f64, Option<f64>)> =
        [likelihood, bits, elbo, reconstruction, kl].iter().map(|values| mean_and_error(values)).collect();
    let active = match session.as_encode() {
        Some(encode) => active_units(&encode.encode(examples)?),
        None => f64::NAN,
    };
    values.push((active, None));
    Ok(Some(Told { count: examples.len(), values }))
}

/// The mean, and its standard error where there are two values or more.
fn mean_and_error(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt()))
}

/// Columns of means of latent vectors whose variance over examples is above 0.01.
fn active_units(codes: &galatea_data::HostTensor) -> f64 {
    let (n, width) = (codes.rows(), codes.row_len());
    let is_active = |at: &usize| {
        let column: Vec<f64> = (0..n).map(|i| f64::from(codes.row(i)[*at])).collect();
        let mean = column.iter().sum::<f64>() / n as f64;
        column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n as f64 > ACTIVE
    };
    (0..width).filter(is_active).count() as f64
}

/// At most `count` examples, evenly over all.
fn evenly(examples: &HostBatch, count: usize) -> HostBatch {
    let n = examples.len();
    if n <= count {
        return examples.clone();
    }
    let chosen: Vec<usize> = (0..count).map(|i| i * n / count).collect();
    let values = chosen.iter().flat_map(|i| examples.values.row(*i)).copied().collect();
    let mut shape = examples.values.shape.clone();
    shape[0] = count;
    let labels = examples.labels.as_ref().map(|labels| chosen.iter().map(|i| labels[*i]).collect());
    HostBatch { values: galatea_data::HostTensor::new(shape, values), labels }
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_data::HostTensor;

    #[test]
    fn numbers_in_use_are_those_that_vary() {
        // Deviations 0.5, 0.05 and 0 about other means.
        let row = |i: usize| {
            [
                3.0 + 0.5 * if i.is_multiple_of(2) { 1.0 } else { -1.0 },
                0.05 * if i.is_multiple_of(3) { 1.0 } else { -1.0 },
                7.0,
            ]
        };
        let codes = HostTensor::new([300, 3], (0..300).flat_map(row).collect());
        assert_eq!(active_units(&codes), 1.0);
    }

    #[test]
    fn means_have_their_standard_errors() {
        let (mean, error) = mean_and_error(&[1.0, 2.0, 3.0, 4.0]);
        assert_eq!(mean, 2.5);
        assert!((error.unwrap() - (5.0f64 / 3.0 / 4.0).sqrt()).abs() < 1e-12);
        assert_eq!(mean_and_error(&[7.0]), (7.0, None));
    }

    #[test]
    fn examples_are_taken_from_everywhere() {
        let all = HostBatch {
            values: HostTensor::new([10, 1], (0..10).map(|i| i as f32).collect()),
            labels: Some((0..10).collect()),
        };
        let some = evenly(&all, 4);
        assert_eq!((some.values.values, some.labels.unwrap()), (vec![0.0, 2.0, 5.0, 7.0], vec![0, 2, 5, 7]));
    }
}
