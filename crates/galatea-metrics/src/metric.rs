//! What a metric is, and the list of all of them: reports, JSON and help texts are loops over [`METRICS`].

use serde::Serialize;

use crate::Result;
use crate::points::Points;

/// Every metric, in the order in which they are reported. Adding one is its file and its line.
pub static METRICS: &[&Metric] = &[
    &crate::mode_coverage::METRIC,
    &crate::frechet::METRIC,
    &crate::kernel_distance::METRIC,
    &crate::inception_score::METRIC,
    &crate::prdc::METRIC,
    &crate::realism::METRIC,
    &crate::mmd::METRIC,
    &crate::two_sample::METRIC,
    &crate::diversity::METRIC,
    &crate::sliced_wasserstein::METRIC,
    &crate::histogram::METRIC,
    &crate::autocorrelation::METRIC,
    &crate::discriminative::METRIC,
    &crate::predictive::METRIC,
    &crate::train_on_samples::METRIC,
    &crate::memorisation::METRIC,
];

/// Every number that a report may have.
pub fn numbers() -> impl Iterator<Item = &'static Number> {
    METRICS
        .iter()
        .flat_map(|metric| metric.numbers)
        .chain(crate::likelihood::NUMBERS)
        .chain(crate::texts::NUMBERS)
        .chain(crate::music::NUMBERS)
        .chain(crate::variational::NUMBERS)
        .chain(crate::linear_probe::NUMBERS)
        .chain(crate::synthetic::NUMBERS)
}

/// A way to compare samples with real data: one number, or some that are computed together.
#[derive(Debug)]
pub struct Metric {
    /// What it gives, in order.
    pub numbers: &'static [Number],
    /// What it is computed from.
    pub needs: Needs,
    /// Does what does not depend on which of the points are taken, such as projecting them, and gives the function that does
    /// the rest. Fails if the sets cannot be compared.
    pub prepare: for<'a> fn(Sets<'a>) -> Result<Prepared<'a>>,
}

/// The second half of a metric: its numbers for some of the points. Asked for many selections, it tells how far the numbers
/// depend on chance.
pub type Prepared<'a> = Box<dyn Fn(Choice<'_>) -> Result<Vec<f64>> + Sync + 'a>;

/// A number that a metric gives.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// The name, settings included: `precision-k5`. Its full name adds the number of samples and what was compared.
    pub name: &'static str,
    /// Which values are good.
    pub better: Better,
    /// What it says, in half a line.
    pub meaning: &'static str,
}

/// Which values of a number are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// Low ones.
    Lower,
    /// High ones.
    Higher,
    /// Those that real data have.
    LikeReal,
}

impl Better {
    /// The value as JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
            Self::LikeReal => "like-real",
        }
    }
}

impl std::fmt::Display for Better {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Lower => "lower is better",
            Self::Higher => "higher is better",
            Self::LikeReal => "best as real",
        })
    }
}

/// What a metric is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// As what examples are compared.
    pub space: Space,
    /// Whether the training set is needed, too.
    pub train: bool,
    /// The fewest samples, and the fewest real examples, that it can be computed from.
    pub least: usize,
}

/// As what examples are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// As they are: pixels.
    Values,
    /// As features.
    Features,
    /// As probabilities of classes.
    Probabilities,
    /// As windows of series, `[length, channels]` each.
    Windows,
    /// The same, judged by a network that learns to: it takes too long for intervals.
    Learnt,
    /// As modes of a toy distribution, see [`Modes::read`](crate::mode_coverage::Modes::read).
    Modes,
}

/// Sets of points of one width.
#[derive(Clone, Copy, Debug)]
pub struct Sets<'a> {
    /// What is judged.
    pub samples: &'a Points,
    /// What it is judged by.
    pub real: &'a Points,
    /// What the model has learnt from, where that is known; there where [`Needs::train`] says so, and for networks that learn.
    pub train: Option<&'a Points>,
}

/// Some of the points; `None` for all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice<'a> {
    /// Of the samples.
    pub samples: Option<&'a [usize]>,
    /// Of the real examples.
    pub real: Option<&'a [usize]>,
}

/// A metric that computes all anew for every choice.
pub fn anew<'a>(sets: Sets<'a>, f: impl Fn(&Points, &Points) -> Result<Vec<f64>> + Sync + 'a) -> Prepared<'a> {
    Box::new(move |choice| f(&sets.samples.choose(choice.samples), &sets.real.choose(choice.real)))
}

/// The values of the points that were chosen.
pub fn pick<T: Copy>(values: &[T], chosen: Option<&[usize]>) -> Vec<T> {
    chosen.map_or_else(|| values.to_vec(), |chosen| chosen.iter().map(|i| values[*i]).collect())
}

/// The mean, and the root of the mean squared difference from it.
pub(crate) fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    // Scaled, as squares of large values are beyond all numbers.
    let scale = values.iter().map(|value| (value - mean).abs()).fold(f64::MIN_POSITIVE, f64::max);
    (mean, scale * (values.iter().map(|value| ((value - mean) / scale).powi(2)).sum::<f64>() / n).sqrt())
}

/// All numbers of a metric for all points.
///
/// # Errors
/// If the sets cannot be compared.
pub fn measure(metric: &Metric, samples: &Points, real: &Points, train: Option<&Points>) -> Result<Vec<f64>> {
    samples.like(real)?;
    (metric.prepare)(Sets { samples, real, train })?(Choice::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    /// Class probabilities `[n, 6]`.
    fn probabilities(n: usize, seed: u64) -> Points {
        let logits = normal(n, 6, seed, 0.0, 2.0);
        let rows = (0..n).flat_map(|i| {
            let row: Vec<f64> = logits.row(i).into_iter().map(f64::exp).collect();
            let sum: f64 = row.iter().sum();
            row.into_iter().map(move |value| value / sum)
        });
        Points::double(6, rows.collect()).unwrap()
    }

    fn sets(space: Space) -> [Points; 3] {
        match space {
            Space::Probabilities => [probabilities(90, 1), probabilities(110, 2), probabilities(90, 3)],
            Space::Modes => [(90, 1), (110, 2), (90, 3)].map(|(n, seed)| {
                let row = |i: u64| [((i * seed) % 5) as f64, 5.0, (i * seed % 7) as f64 * 0.7];
                Points::double(3, (0..n).flat_map(row).collect()).unwrap()
            }),
            Space::Windows | Space::Learnt => [(90, 1), (110, 2), (130, 3)].map(|(n, seed)| {
                let mut values = vec![0.0; n * 8];
                galatea_kernels::random::fill_normal(seed, 7, &mut values);
                Points::single(galatea_data::HostTensor::new([n, 4, 2], values)).unwrap()
            }),
            _ => [normal(90, 7, 1, 0.2, 1.0), normal(110, 7, 2, 0.0, 1.0), normal(130, 7, 3, 0.0, 1.0)],
        }
    }

    #[test]
    fn names_are_unique_and_everything_is_explained() {
        let mut names: Vec<&str> = numbers().map(|number| number.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for number in numbers() {
            assert!(number.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            assert!((20..77).contains(&number.meaning.len()), "{}", number.name);
        }
    }

    #[test]
    fn every_metric_gives_its_numbers_whatever_the_threads_and_for_any_choice() {
        for metric in METRICS {
            let needs = metric.needs;
            let [samples, real, train] = &sets(needs.space);
            let first = metric.numbers[0].name;
            let sets = Sets { samples, real, train: needs.train.then_some(train) };
            let prepared = (metric.prepare)(sets).unwrap();
            let all = prepared(Choice::default()).unwrap();
            assert_eq!(all.len(), metric.numbers.len(), "{first}");
            assert!(all.iter().all(|value| value.is_finite()), "{first}: {all:?}");

            galatea_kernels::pool::set_threads(3);
            assert_eq!(measure(metric, samples, real, sets.train).unwrap(), all, "{first}");
            galatea_kernels::pool::set_threads(0);

            let (some, others) = (shuffle(90, 40), shuffle(110, 50));
            let chosen = prepared(Choice { samples: Some(&some), real: Some(&others) }).unwrap();
            let again = measure(metric, &samples.select(&some), &real.select(&others), sets.train).unwrap();
            for (a, b) in chosen.iter().zip(&again) {
                // Products in single precision differ with the centre that points are seen from.
                assert!((a - b).abs() <= 1e-6 * (1.0 + a.abs()), "{first}: {chosen:?} {again:?}");
            }
        }
    }

    fn shuffle(n: usize, count: usize) -> Vec<usize> {
        crate::points::shuffled(n, 9, 0)[..count].to_vec()
    }

    #[test]
    fn every_metric_can_be_computed_from_the_fewest_points_that_it_asks_for() {
        for metric in METRICS {
            let needs = metric.needs;
            let [samples, real, train] = &sets(needs.space);
            let few: Vec<usize> = (0..needs.least).collect();
            let train = needs.train.then_some(train);
            let values = measure(metric, &samples.select(&few), &real.select(&few), train).unwrap();
            assert!(values.iter().all(|value| !value.is_nan()), "{}: {values:?}", metric.numbers[0].name);
        }
    }

    #[test]
    fn no_metric_compares_points_of_different_widths() {
        let (a, b) = (normal(20, 4, 1, 0.0, 1.0), normal(20, 5, 2, 0.0, 1.0));
        for metric in METRICS {
            let error = measure(metric, &a, &b, Some(&a)).unwrap_err();
            assert_eq!(error.to_string(), "samples of 4 values cannot be compared with samples of 5");
        }
    }
}
