//! What features are good for: how many unseen examples a linear classifier gets right that was shown features and classes.
//!
//! Paper: Alain and Bengio 2017, "Understanding intermediate layers using linear classifier probes", arXiv:1610.01644,
//! section 3.
//! Differs: logistic regression by a fixed number of accelerated steps, without a penalty; features are brought to mean 0
//! and deviation 1 by what may be seen, labelled or not.

use std::sync::Arc;

use galatea_data::{HostBatch, HostTensor};
use galatea_kernels::Activation;
use galatea_kernels::linear::{linear, linear_weight_gradient};
use galatea_kernels::random::Stream;
use galatea_models::Session;

use crate::features::{Features, KINDS, Kind, Opening, Takes};
use crate::metric::{Better, Number};
use crate::report::{Context, Report, Row};
use crate::{Error, Result};

/// What is measured.
pub const NUMBERS: &[Number] = &[
    Number {
        name: "linear-probe",
        better: Better::Higher,
        meaning: "unseen examples whose class a linear classifier of features tells",
    },
    Number {
        name: "linear-probe-10-each",
        better: Better::Higher,
        meaning: "the same, shown 10 labels of each class; the mean of five draws",
    },
];

/// Labels of each class, and draws of them, of the second number.
const FEW: usize = 10;
const DRAWS: u64 = 5;
const SEED: u64 = 17;
/// Steps of the regression.
const STEPS: usize = 400;
/// The 97.5 % quantile of the normal distribution.
const QUANTILE: f64 = 1.96;

/// Labelled examples, as some features see them.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `[n, d]`.
    pub features: HostTensor,
    /// A class for each.
    pub labels: Vec<u32>,
}

/// Share of `unseen` that logistic regression on `seen` gets right.
pub fn accuracy(seen: &Seen, unseen: &Seen, classes: usize) -> f64 {
    let all: Vec<usize> = (0..seen.labels.len()).collect();
    right(&Scaled::of(seen), seen, &all, unseen, classes)
}

/// The same by `per_class` examples of each class of `seen`; the mean of five draws.
pub fn accuracy_by_few(seen: &Seen, unseen: &Seen, classes: usize, per_class: usize) -> f64 {
    let scaled = Scaled::of(seen);
    let draw = |draw: u64| {
        let mut order: Vec<usize> = (0..seen.labels.len()).collect();
        Stream::new(SEED, draw).shuffle(&mut order);
        let of = |class: u32| order.iter().copied().filter(move |i| seen.labels[*i] == class).take(per_class);
        let chosen: Vec<usize> = (0..classes as u32).flat_map(of).collect();
        right(&scaled, seen, &chosen, unseen, classes)
    };
    (0..DRAWS).map(draw).sum::<f64>() / DRAWS as f64
}

/// A report on a model that only reads, of what it reads from `seen`, which it may have learnt from, and `unseen` examples;
/// beside it what features have that nobody trained.
///
/// # Errors
/// If there are no classes, or the model does not read such examples.
pub fn report(session: &dyn Session, classes: usize, seen: &HostBatch, unseen: &HostBatch) -> Result<Report> {
    let (Some(model), Some(known), Some(asked)) = (session.as_encode(), &seen.labels, &unseen.labels) else {
        return Err(Error::samples(
            format!("`{}` draws nothing, and without classes what it reads cannot be judged", session.info().name),
            "name data with classes with `--data`: sub-folders of images, or an embedded name",
        ));
    };
    let unlabelled = |batch: &HostBatch| HostBatch { values: batch.values.clone(), labels: None };
    let pair = |read: &dyn Fn(&HostBatch) -> Result<HostTensor>| -> Result<[Seen; 2]> {
        Ok([
            Seen { features: read(seen)?, labels: known.clone() },
            Seen { features: read(unseen)?, labels: asked.clone() },
        ])
    };
    let mut rows = Vec::new();
    let own = pair(&|batch| Ok(model.encode(&unlabelled(batch))?))?;
    let guess = commonest(asked, classes);
    let mut add = |name: &str, hash: Option<String>, [seen, unseen]: &[Seen; 2]| {
        let values = [accuracy(seen, unseen, classes), accuracy_by_few(seen, unseen, classes, FEW)];
        let n = unseen.labels.len();
        for (number, value) in NUMBERS.iter().zip(values) {
            let error = (value * (1.0 - value) / n as f64).sqrt();
            rows.push(Row {
                metric: format!("{}-{n}-{name}", number.name),
                number: number.name,
                value,
                standard_error: Some(error),
                interval: Some([(value - QUANTILE * error).max(0.0), (value + QUANTILE * error).min(1.0)]),
                floor: None,
                ceiling: Some(guess),
                better: number.better,
                samples: n,
                real: seen.labels.len(),
                compared: name.to_owned(),
                features_hash: hash.clone(),
            });
        }
    };
    add(session.info().name, None, &own);
    for kind in untrained(session) {
        let features: Arc<dyn Features> = (kind.open)(&Opening::new(session.spec()))?;
        let read = pair(&|batch| Ok(features.read(&batch.values)?.features))?;
        add(features.name(), Some(features.hash()), &read);
    }
    let (samples, real) = (asked.len(), known.len());
    Ok(Report {
        samples,
        real,
        features: None,
        floor: None,
        ceiling: Some(Context { what: "always the commonest class".to_owned(), samples, real }),
        halves: 0,
        rows,
        notes: vec![format!(
            "shares of {samples} unseen examples that a linear classifier gets right, which {real} others were shown to"
        )],
        classes: None,
        class_names: Vec::new(),
    })
}

/// Features of such examples that nobody trained.
fn untrained(session: &dyn Session) -> impl Iterator<Item = &'static Kind> {
    let spec = session.spec();
    let is_one = move |kind: &&Kind| kind.takes == Takes::Nothing && !(kind.suits)(spec) && (kind.reads)(&spec.shape());
    KINDS.iter().copied().filter(is_one).collect::<Vec<_>>().into_iter()
}

/// The share of the commonest class.
fn commonest(labels: &[u32], classes: usize) -> f64 {
    let count = |class: u32| labels.iter().filter(|label| **label == class).count();
    (0..classes as u32).map(count).max().unwrap_or(0) as f64 / labels.len().max(1) as f64
}

/// Mean and deviation of each feature.
struct Scaled {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Scaled {
    fn of(seen: &Seen) -> Self {
        let (n, d) = (seen.features.rows() as f64, seen.features.row_len());
        let (mut mean, mut variance) = (vec![0.0f64; d], vec![0.0f64; d]);
        let rows = || seen.features.values.chunks_exact(d.max(1));
        rows().for_each(|row| mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += f64::from(*x) / n));
        for row in rows() {
            let apart = row.iter().zip(&mean).map(|(x, mean)| f64::from(*x) - mean);
            variance.iter_mut().zip(apart).for_each(|(variance, apart)| *variance += apart * apart / n);
        }
        // Features that hardly vary are not blown up to those that do.
        let all = variance.iter().sum::<f64>() / d.max(1) as f64;
        let deviation = variance.iter().map(|variance| (variance + 0.01 * all).sqrt().max(1e-12)).collect();
        Self { mean, deviation }
    }

    /// Rows `[n, d + 1]` whose squares sum to one on average, and a 1 behind each.
    fn rows(&self, features: &HostTensor, chosen: impl Iterator<Item = usize>) -> Vec<f32> {
        let root = (self.mean.len() as f64).sqrt();
        let mut rows = Vec::new();
        for i in chosen {
            let of = |((x, mean), deviation): ((&f32, &f64), &f64)| ((f64::from(*x) - mean) / deviation / root) as f32;
            rows.extend(features.row(i).iter().zip(&self.mean).zip(&self.deviation).map(of));
            rows.push(1.0);
        }
        rows
    }
}

fn right(scaled: &Scaled, seen: &Seen, chosen: &[usize], unseen: &Seen, classes: usize) -> f64 {
    let width = scaled.mean.len() + 1;
    let x = scaled.rows(&seen.features, chosen.iter().copied());
    let n = chosen.len();
    let mut weights = vec![0.0f32; width * classes];
    let mut ahead = weights.clone();
    let (mut p, mut gradient) = (vec![0.0; n * classes], vec![0.0; width * classes]);
    // The loss is curved by no more than half the largest eigenvalue of the mean of x x^T, which is at most 2.
    let rate = 1.0 / n.max(1) as f32;
    for step in 0..STEPS {
        linear([n, width, classes], &x, &ahead, None, Activation::Identity, &mut p);
        for (p, i) in p.chunks_exact_mut(classes).zip(chosen) {
            let most = p.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            p.iter_mut().for_each(|p| *p = (*p - most).exp());
            let sum: f32 = p.iter().sum();
            p.iter_mut().for_each(|p| *p /= sum);
            p[seen.labels[*i] as usize] -= 1.0;
        }
        linear_weight_gradient([n, width, classes], &x, &p, &mut gradient);
        let momentum = step as f32 / (step as f32 + 3.0);
        for ((weight, ahead), slope) in weights.iter_mut().zip(&mut ahead).zip(&gradient) {
            let next = *ahead - rate * slope;
            *ahead = next + momentum * (next - *weight);
            *weight = next;
        }
    }
    let asked = scaled.rows(&unseen.features, 0..unseen.labels.len());
    let mut logits = vec![0.0; unseen.labels.len() * classes];
    linear([unseen.labels.len(), width, classes], &asked, &weights, None, Activation::Identity, &mut logits);
    let best = |logits: &[f32]| (0..classes).reduce(|a, b| if logits[b] > logits[a] { b } else { a });
    let found = logits.chunks_exact(classes).zip(&unseen.labels);
    let right = found.filter(|(logits, label)| best(logits) == Some(**label as usize)).count();
    right as f64 / unseen.labels.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_kernels::random;

    /// Three classes on a line in the first of four features, at -1, 0 and 1, which no single threshold tells apart; the
    /// others are noise of another scale.
    fn seen(n: usize, seed: u64, noise: f32) -> Seen {
        let mut values = vec![0.0; 4 * n];
        random::fill_normal(seed, 1, &mut values);
        for (i, row) in values.chunks_exact_mut(4).enumerate() {
            row[0] = 1000.0 + (i % 3) as f32 - 1.0 + noise * row[0];
            row[1] *= 1e-3;
        }
        Seen { features: HostTensor::new([n, 4], values), labels: (0..n as u32).map(|i| i % 3).collect() }
    }

    #[test]
    fn what_can_be_told_apart_by_a_plane_is() {
        assert!(accuracy(&seen(600, 1, 0.05), &seen(300, 2, 0.05), 3) > 0.99);
        // Classes that overlap: with a deviation of 0.5, half a step is right in 79 % of cases on average.
        let found = accuracy(&seen(900, 1, 0.5), &seen(9_000, 2, 0.5), 3);
        assert!((found - 0.789).abs() < 0.02, "{found}");
        let few = accuracy_by_few(&seen(900, 1, 0.5), &seen(900, 2, 0.5), 3, 10);
        assert!(few > 0.55 && few < found, "{few}");
    }

    #[test]
    fn labels_that_say_nothing_are_not_learnt() {
        let mut known = seen(900, 1, 0.05);
        Stream::new(1, 1).shuffle(&mut known.labels);
        let found = accuracy(&known, &seen(900, 2, 0.05), 3);
        assert!((found - 1.0 / 3.0).abs() < 0.12, "{found}");
        assert_eq!(commonest(&[0, 1, 1, 2], 3), 0.5);
    }
}
