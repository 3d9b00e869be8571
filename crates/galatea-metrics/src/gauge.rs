//! One number alone, read again and again while a model is trained.

use galatea_data::{DataSpec, HostTensor};

use crate::evaluate::{Reference, Trial};
use crate::metric::{Better, METRICS, Metric, Needs, Number, Space};
use crate::report::Row;
use crate::{Error, Result};

/// Measures samples by one number, always against the same real examples, which are read once.
pub struct Gauge {
    trial: Trial,
    metric: &'static Metric,
    /// Which of the metric's numbers.
    at: usize,
}

impl Gauge {
    /// A gauge for samples of this shape, `[n, ..]`; `number` is one that [`choosing`] knows, or `auto`: the Fréchet distance
    /// where there are features, the coverage of points (of which the Fréchet distance sees no more than mean and covariance), the
    /// maximum mean discrepancy of series (as Esteban et al. 2017 choose, arXiv:1706.02633, section 4.1), and the sliced
    /// Wasserstein distance elsewhere.
    ///
    /// # Errors
    /// If there is no such number for such data, or there are too few samples or real examples for it.
    pub fn new(number: &str, shape: Vec<usize>, reference: Reference<'_>) -> Result<Self> {
        let (n, m) = (shape[0], reference.held_back.rows());
        let spec = reference.spec;
        let trial = Trial::of(shape, reference)?.trial;
        let auto = match spec {
            DataSpec::Series(_) => OF_SERIES,
            DataSpec::Points(_) => OF_POINTS,
            _ if trial.real.as_points(Space::Features).is_some() => FIRST,
            _ => WITHOUT_FEATURES,
        };
        let (metric, at) = choosing(if number == "auto" { auto } else { number })?;
        if trial.real.as_points(metric.needs.space).is_none() {
            return Err(match metric.needs.space {
                Space::Probabilities => Error::samples(
                    format!("`{number}` needs probabilities of classes, which nothing tells of {spec} here"),
                    format!("choose another, such as `{auto}`"),
                ),
                Space::Windows | Space::Learnt => Error::samples(
                    format!("`{number}` is of series, and these are {spec}"),
                    format!("choose another, such as `{auto}`"),
                ),
                _ => Error::samples(
                    format!("`{number}` needs features, and none are known for {spec}"),
                    format!("name some with `eval.features`, or choose `{WITHOUT_FEATURES}`"),
                ),
            });
        }
        if n.min(m) < metric.needs.least.max(2) {
            return Err(Error::samples(
                format!("{n} samples and {m} real examples are too few for `{}`", metric.numbers[at].name),
                "raise `eval.samples`, or hold back more with `data.validation`, such as 0.2",
            ));
        }
        Ok(Self { trial, metric, at })
    }

    /// The number that is read.
    pub fn number(&self) -> &'static Number {
        &self.metric.numbers[self.at]
    }

    /// Its value for these samples.
    ///
    /// # Errors
    /// If samples are of another shape, or not finite.
    pub fn read(&self, samples: &HostTensor) -> Result<Row> {
        let samples = self.trial.read(samples)?;
        let space = self.metric.needs.space;
        let (Some(samples), Some(real)) = (samples.as_points(space), self.trial.real.as_points(space)) else {
            return Err(Error::samples("the samples cannot be read as the real examples are", "name other features"));
        };
        Ok(self.trial.rows(self.metric, samples, real)?.swap_remove(self.at))
    }
}

impl std::fmt::Debug for Gauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauge").field("number", &self.number().name).finish_non_exhaustive()
    }
}

const FIRST: &str = "frechet";
const OF_SERIES: &str = "mmd-rbf";
const OF_POINTS: &str = "coverage-k5";
const WITHOUT_FEATURES: &str = "sliced-wasserstein";

/// The metric that gives `number`, and where among its numbers it is, if a checkpoint can be chosen by it: lower or higher
/// must be better, and it must not be about copies, of which noise has fewest.
///
/// # Errors
/// If there is no such number.
pub fn choosing(number: &str) -> Result<(&'static Metric, usize)> {
    let suits = |metric: &Metric, of: &Number| {
        let Needs { space, train, .. } = metric.needs;
        !train && space != Space::Modes && of.better != Better::LikeReal
    };
    let all =
        METRICS.iter().flat_map(|metric| metric.numbers.iter().enumerate().map(move |(at, of)| (*metric, at, of)));
    let mut known = vec!["auto"];
    for (metric, at, of) in all.filter(|(metric, _, of)| suits(metric, of)) {
        if of.name == number {
            return Ok((metric, at));
        }
        known.push(of.name);
    }
    Err(Error::samples(
        format!("no checkpoint can be chosen by `{number}`"),
        format!("numbers to choose by are {}", known.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_data::DataOptions;

    fn digits(rows: std::ops::Range<usize>) -> (galatea_data::DataSpec, HostTensor) {
        let data = galatea_data::open("digits", &DataOptions::default()).unwrap();
        (data.spec().clone(), data.batch(&rows.collect::<Vec<_>>()).unwrap().values)
    }

    #[test]
    fn a_gauge_reads_what_a_report_says() {
        let ((spec, real), (_, samples)) = (digits(0..60), digits(60..110));
        let reference =
            Reference { spec: &spec, held_back: &real, overlap: 0, train: None, features: None, modes: None };
        let report = crate::evaluate(&samples, reference.clone()).unwrap();
        for number in ["frechet", "recall-k5", "modes", "sliced-wasserstein"] {
            let gauge = Gauge::new(number, samples.shape.clone(), reference.clone()).unwrap();
            let row = gauge.read(&samples).unwrap();
            assert_eq!(Some(&row), report.rows.iter().find(|row| row.number == number), "{number}");
        }
        assert_eq!(Gauge::new("auto", samples.shape.clone(), reference).unwrap().number().name, "frechet");
    }

    #[test]
    fn what_cannot_choose_is_refused() {
        let (spec, real) = digits(0..5);
        let reference =
            Reference { spec: &spec, held_back: &real, overlap: 0, train: None, features: None, modes: None };
        let refusal = |number| Gauge::new(number, vec![9, 1, 28, 28], reference.clone()).unwrap_err().to_string();
        assert_eq!(refusal("copied"), "no checkpoint can be chosen by `copied`");
        assert_eq!(refusal("fid"), "no checkpoint can be chosen by `fid`");
        assert_eq!(refusal("recall-k5"), "9 samples and 5 real examples are too few for `recall-k5`");
        let mut plain = spec.clone();
        let galatea_data::DataSpec::Images(images) = &mut plain else { panic!() };
        images.classes.clear();
        let reference = Reference { spec: &plain, ..reference.clone() };
        assert!(
            Gauge::new("auto", vec![9, 1, 28, 28], reference.clone())
                .is_ok_and(|g| g.number().name == WITHOUT_FEATURES)
        );
        let error = Gauge::new("frechet", vec![9, 1, 28, 28], reference).unwrap_err();
        assert!(error.to_string().contains("needs features") && error.hint().is_some());
    }
}
