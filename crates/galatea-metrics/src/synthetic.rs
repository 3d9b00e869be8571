//! What samples are worth for training: accuracy on real examples of a classifier that has learnt from samples alone.
//!
//! Paper: Esteban et al. 2017, "Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs",
//! arXiv:1706.02633, section 4.1.2 (train on synthetic, test on real); Ravuri and Vinyals 2019, "Classification Accuracy Score for
//! Conditional Generative Models", arXiv:1905.10887, for pictures.
//! Differs: the classifier is small, see `galatea_models::classifier`, and takes 300 steps; standard errors are over real examples.

use burn::prelude::Device;
use galatea_data::{AugmentOptions, DataSpec, HostBatch, HostTensor};
use galatea_kernels::random::Stream;
use galatea_models::classifier::Classifier;
use galatea_models::{SampleRequest, Session};

use crate::metric::{Better, Number};
use crate::report::{Report, Row};
use crate::{Error, Result};

/// The number.
pub const NUMBERS: &[Number] = &[Number {
    name: "train-synthetic-test-real",
    better: Better::Higher,
    meaning: "accuracy on unseen examples of a classifier that learnt from samples alone",
}];

/// Fewest unseen examples, and fewest for each class, that an accuracy is told of.
const LEAST: usize = 100;
const LEAST_EACH: usize = 10;
/// Most that are learnt from.
const MOST: u64 = 5_000;
/// Examples in a step.
const BATCH: usize = 64;
/// Adam's first step length; it falls to 0 along a cosine.
const RATE: f64 = 2e-3;
/// Steps of the classifier that the metric rests on.
pub const STEPS: u64 = 300;
/// The 97.5 % quantile of the normal distribution.
const QUANTILE: f64 = 1.96;
const COMPARED: &str = "held-back";

/// A classifier that has learnt from all of these sets, the same number of each in every batch; `change` changes what it learns
/// from anew each time that it is seen.
///
/// # Errors
/// If a set is empty or without labels, or they are of different shapes.
pub fn learn(
    sets: &[&HostBatch],
    spec: &DataSpec,
    change: Option<&AugmentOptions>,
    seed: u64,
    steps: u64,
) -> Result<Classifier> {
    let shape = <[usize; 3]>::try_from(spec.shape())
        .map_err(|_| Error::samples("the classifier takes pictures", "use data of pictures with classes"))?;
    if sets.is_empty() || sets.iter().any(|set| set.is_empty() || set.labels.is_none()) {
        return Err(Error::samples("there is nothing with a class to learn from", "use data with classes"));
    }
    let mut classifier = Classifier::new(shape, spec.classes().len(), seed, &Device::flex());
    let mut orders: Vec<Vec<usize>> = sets.iter().map(|set| (0..set.len()).collect()).collect();
    let mut taken = vec![usize::MAX; sets.len()];
    let share = (BATCH / sets.len()).max(1);
    for step in 0..steps {
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for (which, set) in sets.iter().enumerate() {
            for _ in 0..share {
                if taken[which] >= set.len() {
                    Stream::new(seed, (which as u64) << 48 | step << 8).shuffle(&mut orders[which]);
                    taken[which] = 0;
                }
                let at = orders[which][taken[which]];
                taken[which] += 1;
                values.extend_from_slice(set.values.row(at));
                labels.push(set.labels.as_ref().map_or(0, |labels| labels[at]));
            }
        }
        let values = HostTensor::new([labels.len(), shape[0], shape[1], shape[2]], values);
        let mut batch = HostBatch { values, labels: Some(labels) };
        if let Some(options) = change {
            let streams: Vec<u64> = (0..batch.len() as u64).map(|row| step << 16 | row).collect();
            galatea_data::augment(&mut batch, spec, options, seed, &streams);
        }
        let rate = RATE * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos());
        classifier.step(&batch, rate)?;
    }
    Ok(classifier)
}

/// The share of labelled examples whose class the classifier names.
///
/// # Errors
/// If they are of another shape.
pub fn accuracy(classifier: &Classifier, examples: &HostBatch) -> Result<f64> {
    let (_, probabilities) = classifier.read(&examples.values)?;
    let labels = examples.labels.as_deref().unwrap_or_default();
    let named = |i: usize| {
        let row = probabilities.row(i);
        (1..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best }) as u32
    };
    let right = labels.iter().enumerate().filter(|(i, label)| named(*i) == **label).count();
    Ok(right as f64 / labels.len().max(1) as f64)
}

/// Adds the number of a model that draws pictures of the classes of its data to a report; of another, or with few unseen examples,
/// nothing. As many samples are drawn of each class as there are examples that were `seen`, at most 5,000.
///
/// # Errors
/// If the examples do not fit the model.
pub fn add(report: &mut Report, session: &dyn Session, unseen: &HostBatch, seen: &HostBatch, seed: u64) -> Result<()> {
    let classes = session.classes();
    let enough = unseen.len() >= LEAST.max(LEAST_EACH * classes.len()) && seen.len() >= LEAST;
    let labelled = unseen.labels.is_some() && seen.labels.is_some();
    if !enough || !labelled || classes.len() < 2 || session.spec().shape().len() != 3 {
        return Ok(());
    }
    let spec = session.spec();
    let drawn = session.sample(&SampleRequest::new(seed, MOST.min(seen.len() as u64)))?;
    let value = accuracy(&learn(&[&drawn], spec, None, seed, STEPS)?, unseen)?;
    let floor = accuracy(&learn(&[seen], spec, None, seed, STEPS)?, unseen)?;
    let n = unseen.len();
    let error = (value * (1.0 - value) / n as f64).sqrt();
    for number in NUMBERS {
        report.rows.push(Row {
            metric: format!("{}-{n}-{COMPARED}", number.name),
            number: number.name,
            value,
            standard_error: Some(error),
            interval: Some([(value - QUANTILE * error).max(0.0), (value + QUANTILE * error).min(1.0)]),
            floor: Some(floor),
            ceiling: Some(1.0 / classes.len() as f64),
            better: number.better,
            samples: drawn.len(),
            real: n,
            compared: COMPARED.to_owned(),
            features_hash: None,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_data::ImageSpec;

    fn spec() -> DataSpec {
        let classes = ["upright", "lying"].map(str::to_owned).to_vec();
        DataSpec::Images(ImageSpec { channels: 1, height: 8, width: 8, classes })
    }

    /// Lines, upright ones of class 0 and lying ones of class 1; with `wrong` the other way about.
    fn lines(n: usize, seed: u64, wrong: bool) -> HostBatch {
        let mut values = vec![-1.0; n * 64];
        let mut labels = Vec::new();
        for i in 0..n {
            let mut stream = Stream::new(seed, i as u64);
            let (lying, at) = (i % 2 == 1, stream.below(8) as usize);
            (0..8).for_each(|k| values[i * 64 + if lying { at * 8 + k } else { k * 8 + at }] = 1.0);
            labels.push(u32::from(lying != wrong));
        }
        HostBatch { values: HostTensor::new([n, 1, 8, 8], values), labels: Some(labels) }
    }

    #[test]
    fn a_classifier_is_as_good_as_what_it_learns_from() {
        let test = lines(200, 9, false);
        let of = |sets: &[&HostBatch]| accuracy(&learn(sets, &spec(), None, 1, 200).unwrap(), &test).unwrap();
        let (right, wrong) = (of(&[&lines(160, 1, false)]), of(&[&lines(160, 1, true)]));
        assert!(right > 0.95 && wrong < 0.05, "{right} {wrong}");
        // Repeats itself, and takes of each set as much as of the other.
        assert_eq!(of(&[&lines(160, 1, false)]), right);
        let both = of(&[&lines(160, 1, false), &lines(160, 1, true)]);
        assert!((0.2..0.8).contains(&both), "half of what it was told is wrong: {both}");
        let unlabelled = HostBatch { labels: None, ..lines(160, 1, false) };
        assert!(learn(&[&unlabelled], &spec(), None, 1, 2).is_err());
    }
}
