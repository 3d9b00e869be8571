//! Judging: every metric that applies, for the samples, for real data and for noise.

use std::ops::Range;
use std::sync::Arc;

use galatea_data::{DataSpec, HostTensor};
use galatea_kernels::random;
use sha2::{Digest, Sha256};

use crate::features::{Features, hex, suiting};
use crate::histogram::histogram;
use crate::metric::{Choice, METRICS, Metric, Prepared, Sets, Space, measure};
use crate::mode_coverage::Modes;
use crate::points::{Points, shuffled};
use crate::products::map;
use crate::report::{Context, FeaturesId, Report, Row};
use crate::{Error, Result};

/// Random parts from which standard errors are estimated.
pub(crate) const HALVES: usize = 20;
/// Points of either set in such a part at most: so many tell enough, and the cost of most metrics grows with the square.
const MOST_IN_PART: usize = 1_000;
/// Fewer points of either set than this say nothing on how a value varies.
const LEAST_IN_PART: usize = 8;
/// The 97.5 % quantile of Student's distribution with `HALVES - 1` degrees of freedom.
const QUANTILE: f64 = 2.093;
/// Most examples of noise: its values are far from all others, and need not be precise.
const MOST_NOISE: usize = 2_000;
/// Seed of all that is drawn here.
const SEED: u64 = 0xce11;

/// Real data to judge by.
#[derive(Clone, Debug)]
pub struct Reference<'a> {
    /// What the data are.
    pub spec: &'a DataSpec,
    /// Examples that the model has not seen, `[m, ..]`.
    pub held_back: &'a HostTensor,
    /// How many of them before and after one may have values in common with it, as windows of one series have.
    pub overlap: usize,
    /// Examples that it was trained on, `[.., ..]`, where there are any, in an order that has nothing to do with classes.
    pub train: Option<&'a HostTensor>,
    /// What to compare examples by; without it, what suits the data, if anything does.
    pub features: Option<Arc<dyn Features>>,
    /// Modes of samples and of real examples, where more of them have been read than are given here: see [`Modes`].
    pub modes: Option<[&'a Points; 2]>,
}

/// Features that somebody else has computed.
#[derive(Clone, Debug)]
pub struct Arrays {
    /// Of samples, `[n, d]`.
    pub samples: Points,
    /// Of real examples, `[m, d]`.
    pub real: Points,
    /// Of the training set, `[.., d]`, where copies of it are to be found.
    pub train: Option<Points>,
    /// Whether the numbers are probabilities of classes.
    pub probabilities: bool,
}

/// Judges samples `[n, ..]`, in values like the data's.
///
/// # Errors
/// If samples are too few, of another shape, or not finite, or the features cannot read such data.
pub fn evaluate(samples: &HostTensor, reference: Reference<'_>) -> Result<Report> {
    let Reference { spec, held_back, modes, .. } = reference;
    let (n, m) = (samples.rows(), held_back.rows());
    let Tried { trial, noise, floor: floor_is } = Trial::of(samples.shape.clone(), reference)?;
    let modes = Modes::of(spec).map(|told| ModeSets::new(told, [samples, held_back, &noise], modes)).transpose()?;
    let samples = trial.read(samples)?;
    let noise_is = if spec.has_units() { WITHIN } else { "uniform noise" };
    let mut report = trial.judge(&samples, modes.as_ref(), floor_is, noise_is)?;
    if let (Some(drawn), Some(real)) = (&samples.probabilities, &trial.real.probabilities) {
        report.classes = Some(histogram(real, drawn)?);
    }
    if trial.features.is_none() {
        report.notes.push(format!(
            "no features are known for {spec}: only {} were compared{}",
            if spec.has_units() { "values" } else { "pixels" },
            if spec.has_units() { "" } else { "; `--features self` learns some, in about two minutes" }
        ));
    }
    report.class_names = spec.classes().to_vec();
    debug_assert_eq!((report.samples, report.real), (n, m));
    Ok(report)
}

/// What noise is where values have units of their own.
const WITHIN: &str = "each number uniform between its least and greatest real value";
/// What the floor is where there is no training set: of real examples, as many as there are samples, if there are so many.
fn parts_are(n: usize, m: usize) -> &'static str {
    match n < m / 2 {
        true => "as many real examples as there are samples against the others",
        false => "one half of the real examples against the other",
    }
}

/// Judges features by features.
///
/// # Errors
/// If they are of different widths, or fewer than two.
pub fn evaluate_arrays(arrays: Arrays) -> Result<Report> {
    let Arrays { samples, real, train, probabilities } = arrays;
    samples.like(&real)?;
    if let Some(train) = &train {
        train.like(&real)?;
    }
    let examples = |points: Points| {
        let points = Arc::new(points);
        Examples {
            values: points.clone(),
            features: (!probabilities).then(|| points.clone()),
            probabilities: probabilities.then_some(points),
        }
    };
    let noise = examples(noise_like(&real, samples.rows().min(MOST_NOISE), probabilities)?);
    let features = FeaturesId { name: "arrays".to_owned(), hash: hash(&real) };
    let real = examples(real);
    let (n, m) = (samples.rows(), real.rows());
    let parts = parts(&real, n);
    let trial = Trial {
        read_by: None,
        real,
        train,
        noise,
        floor: parts.clone(),
        parts,
        values: "arrays",
        features: Some(features),
    };
    let ceiling = match probabilities {
        true => "random probabilities",
        false => WITHIN,
    };
    trial.judge(&examples(samples), None, parts_are(n, m), ceiling)
}

/// Examples as all that they can be compared as.
#[derive(Clone)]
pub(crate) struct Examples {
    values: Arc<Points>,
    features: Option<Arc<Points>>,
    probabilities: Option<Arc<Points>>,
}

impl Examples {
    fn read(set: &HostTensor, features: Option<&dyn Features>) -> Result<Self> {
        let values = Arc::new(Points::single(set.clone())?);
        let Some(features) = features else { return Ok(Self { values, features: None, probabilities: None }) };
        let reading = features.read(set)?;
        Ok(Self {
            values,
            features: Some(Arc::new(Points::single(reading.features)?)),
            probabilities: reading.probabilities.map(Points::single).transpose()?.map(Arc::new),
        })
    }

    fn rows(&self) -> usize {
        self.values.rows()
    }

    pub(crate) fn as_points(&self, space: Space) -> Option<&Points> {
        match space {
            Space::Values => Some(&self.values),
            Space::Features => self.features.as_deref(),
            Space::Probabilities => self.probabilities.as_deref(),
            Space::Windows | Space::Learnt => Some(&*self.values).filter(|values| values.channels().is_some()),
            // Of other numbers of examples, so they are not here.
            Space::Modes => None,
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        let select = |points: &Arc<Points>| Arc::new(points.select(rows));
        Self {
            values: select(&self.values),
            features: self.features.as_ref().map(select),
            probabilities: self.probabilities.as_ref().map(select),
        }
    }
}

/// A random part of the examples to stand for `samples` samples, of as many but half of them at most, and the others; of windows of
/// series the first and the last, as neighbours overlap. Nothing of a single example. In larger sets, neighbours are nearer:
/// what is compared with many must be compared with as many.
fn parts(examples: &Examples, samples: usize) -> Option<[Examples; 2]> {
    let m = examples.rows();
    let order = match examples.values.channels() {
        Some(_) => (0..m).collect(),
        None => shuffled(m, SEED, 1),
    };
    let count = samples.min(m / 2);
    (m >= 2).then(|| [&order[..count], &order[count..]].map(|rows| examples.select(rows)))
}

/// All that a report is made from, but the samples.
pub(crate) struct Trial {
    /// What examples are read by, where they are not arrays.
    read_by: Option<Arc<dyn Features>>,
    pub(crate) real: Examples,
    train: Option<Points>,
    noise: Examples,
    /// Real data in place of samples, and what to judge them by.
    floor: Option<[Examples; 2]>,
    /// The same without examples of the training set, for metrics that look for those.
    parts: Option<[Examples; 2]>,
    /// What values are called.
    values: &'static str,
    features: Option<FeaturesId>,
}

/// A trial, and what it was made with.
pub(crate) struct Tried {
    pub(crate) trial: Trial,
    noise: HostTensor,
    /// What the floor is.
    floor: &'static str,
}

/// Modes of toy data, of as many examples as the protocol takes.
struct ModeSets {
    compared: &'static str,
    hash: Option<String>,
    samples: Points,
    real: Points,
    noise: Points,
    /// Whether there are so few modes that a part of the samples tells how far the numbers depend on chance.
    few: bool,
}

impl ModeSets {
    /// Of samples, real examples and noise, of which the first two may have been `read` before.
    fn new(modes: Modes<'_>, sets: [&HostTensor; 3], read: Option<[&Points; 2]>) -> Result<Self> {
        let first = |set: &HostTensor| modes.read(&set.slice_rows(0..set.rows().min(modes.samples())));
        let [samples, real, noise] = sets;
        let [samples, real] = match read {
            Some(read) => read.map(Clone::clone),
            None => [first(samples)?, first(real)?],
        };
        let hash = modes.features()?.map(|features| features.hash());
        let few = 20 * modes.count() <= MOST_IN_PART;
        Ok(Self { compared: modes.compared(), hash, samples, real, noise: first(noise)?, few })
    }

    /// Real examples are the floor themselves: what they are compared with is the distribution.
    fn rows(&self, metric: &Metric) -> Result<Vec<Row>> {
        let sets = Sets { samples: &self.samples, real: &self.real, train: None };
        let prepared = (metric.prepare)(sets)?;
        let values = prepared(Choice::default())?;
        let (n, m) = (self.samples.rows(), self.real.rows());
        let errors = if self.few { standard_errors(&prepared, n, m, metric.needs.least)? } else { None };
        let [floor, ceiling] = [&self.real, &self.noise].map(|set| measure(metric, set, &self.real, None));
        let context = Values { values, errors, floor: Some(floor?), ceiling: Some(ceiling?) };
        let mut rows = context.rows(metric, (n, m), self.compared, self.hash.as_ref());
        // A number that has no meaning for such data.
        rows.retain(|row| !row.value.is_nan());
        Ok(rows)
    }
}

/// The numbers of a metric, in its order.
struct Values {
    values: Vec<f64>,
    errors: Option<Vec<f64>>,
    floor: Option<Vec<f64>>,
    ceiling: Option<Vec<f64>>,
}

impl Values {
    fn rows(&self, metric: &Metric, (n, m): (usize, usize), compared: &str, hash: Option<&String>) -> Vec<Row> {
        let row = |(at, number): (usize, &crate::metric::Number)| {
            let (value, error) =
                (self.values[at], self.errors.as_ref().map(|errors| errors[at]).filter(|e| e.is_finite()));
            Row {
                metric: format!("{}-{n}-{compared}", number.name),
                number: number.name,
                value,
                standard_error: error,
                interval: error.map(|error| [value - QUANTILE * error, value + QUANTILE * error]),
                floor: self.floor.as_ref().map(|floor| floor[at]),
                ceiling: self.ceiling.as_ref().map(|ceiling| ceiling[at]),
                better: number.better,
                samples: n,
                real: m,
                compared: compared.to_owned(),
                features_hash: hash.cloned(),
            }
        };
        metric.numbers.iter().enumerate().map(row).collect()
    }
}

impl Trial {
    /// What samples of this shape, `[n, ..]`, are judged by.
    pub(crate) fn of(mut shape: Vec<usize>, reference: Reference<'_>) -> Result<Tried> {
        let Reference { spec, held_back, overlap, train, features, .. } = reference;
        let read_by = match features {
            Some(features) => Some(features),
            None => suiting(spec)?,
        };
        let read = |set: &HostTensor| Examples::read(set, read_by.as_deref());
        let n = shape[0];
        let mut real = read(held_back)?;
        real.values = Arc::new(Points::single(held_back.clone())?.with_overlap(overlap));
        let parts = parts(&real, n);
        let (floor, floor_is) = match train {
            Some(train) => {
                let seen = read(&train.slice_rows(0..n.min(train.rows())))?;
                let what = "examples that were learnt against those that were held back";
                (Some([seen, real.clone()]), what)
            }
            None => (parts.clone(), parts_are(n, real.rows())),
        };
        shape[0] = n.min(MOST_NOISE);
        let is_points = spec.has_units();
        let noise = match is_points {
            true => uniform_within(held_back, shape[0]),
            false => uniform(&shape),
        };
        let trial = Self {
            real,
            train: train.cloned().map(Points::single).transpose()?,
            noise: read(&noise)?,
            floor,
            parts,
            values: match spec {
                DataSpec::Series(_) => "windows",
                _ if is_points => "points",
                _ => "pixels",
            },
            features: read_by
                .as_ref()
                .map(|features| FeaturesId { name: features.name().to_owned(), hash: features.hash() }),
            read_by,
        };
        Ok(Tried { trial, noise, floor: floor_is })
    }

    /// Samples as all that they can be compared as.
    pub(crate) fn read(&self, samples: &HostTensor) -> Result<Examples> {
        Examples::read(samples, self.read_by.as_deref())
    }

    fn judge(&self, samples: &Examples, modes: Option<&ModeSets>, floor: &str, ceiling: &str) -> Result<Report> {
        let (n, m) = (samples.rows(), self.real.rows());
        if n.min(m) < 2 {
            return Err(Error::samples(
                format!("{n} samples and {m} real examples are too few to judge"),
                "at least two of each are needed",
            ));
        }
        let mut report = Report {
            samples: n,
            real: m,
            features: self.features.clone(),
            floor: self.floor.as_ref().map(|[a, b]| Context {
                what: floor.to_owned(),
                samples: a.rows(),
                real: b.rows(),
            }),
            ceiling: Some(Context { what: ceiling.to_owned(), samples: self.noise.rows(), real: m }),
            halves: 0,
            rows: Vec::new(),
            notes: Vec::new(),
            classes: None,
            class_names: Vec::new(),
        };
        for metric in METRICS {
            let needs = metric.needs;
            if let (Space::Modes, Some(modes)) = (needs.space, modes) {
                report.take(modes.rows(metric)?);
                continue;
            }
            let (Some(samples), Some(real)) = (samples.as_points(needs.space), self.real.as_points(needs.space)) else {
                continue;
            };
            if needs.train && self.train.is_none() {
                continue;
            }
            if n.min(m) < needs.least {
                let names: Vec<&str> = metric.numbers.iter().map(|number| number.name).collect();
                report.notes.push(format!(
                    "{}: left out, at least {} of each are needed",
                    names.join(", "),
                    needs.least
                ));
                continue;
            }
            report.take(self.rows(metric, samples, real)?);
        }
        if report.rows.iter().all(|row| row.interval.is_none()) {
            let (least, most) = (n.min(m), n.max(m));
            report.notes.push(format!("no intervals: {least} are too few beside {most} to tell how much values vary"));
        }
        Ok(report)
    }

    /// The numbers of a metric.
    pub(crate) fn rows(&self, metric: &Metric, samples: &Points, real: &Points) -> Result<Vec<Row>> {
        let needs = metric.needs;
        let train = self.train.as_ref().filter(|_| needs.train || needs.space == Space::Learnt);
        let prepared = (metric.prepare)(Sets { samples, real, train })?;
        let values = prepared(Choice::default())?;
        let errors = match needs.space {
            Space::Learnt => None,
            _ => standard_errors(&prepared, samples.rows(), real.rows(), needs.least)?,
        };
        drop(prepared);
        let of =
            |samples: &Examples, real: &Examples| match (samples.as_points(needs.space), real.as_points(needs.space)) {
                (Some(samples), Some(real)) if samples.rows().min(real.rows()) >= needs.least => {
                    measure(metric, samples, real, train).map(Some)
                }
                _ => Ok(None),
            };
        let floor = if needs.train { &self.parts } else { &self.floor };
        let floor = match (floor, train) {
            // What stands for samples is the beginning of the training set, and nothing is learnt to be real that does.
            (Some([seen, real]), Some(train)) if !needs.train => {
                let count = seen.rows().min(train.rows() / 2);
                let rest: Vec<usize> = (count..train.rows()).collect();
                let seen = seen.select(&(0..count).collect::<Vec<_>>());
                match (seen.as_points(needs.space), real.as_points(needs.space)) {
                    (Some(seen), Some(real)) if count.min(real.rows()) >= needs.least => {
                        Some(measure(metric, seen, real, Some(&train.select(&rest)))?)
                    }
                    _ => None,
                }
            }
            (floor, _) => floor.as_ref().map(|[a, b]| of(a, b)).transpose()?.flatten(),
        };
        let ceiling = of(&self.noise, &self.real)?;
        let features = self.features.as_ref().filter(|_| needs.space != Space::Values || self.values == "arrays");
        let compared = features.map_or(self.values, |features| &features.name);
        let context = Values { values, errors, floor, ceiling };
        Ok(context.rows(metric, (samples.rows(), real.rows()), compared, features.map(|features| &features.hash)))
    }
}

/// Standard errors by the delete-`d` jackknife (Shao and Wu 1989, "A General Theory for Jackknife Variance Estimation"): the
/// deviation of the values for random parts without replacement, which are a share `f` of each set, times the root of
/// `f / (1 - f)`. Drawing with replacement, as the bootstrap does, would make copies, and a copy is what neighbours notice.
fn standard_errors(prepared: &Prepared<'_>, n: usize, m: usize, least: usize) -> Result<Option<Vec<f64>>> {
    let share = (MOST_IN_PART as f64 / n.max(m) as f64).min(0.5);
    let part = |rows: usize| (share * rows as f64) as usize;
    if part(n).min(part(m)) < least.max(LEAST_IN_PART) {
        return Ok(None);
    }
    let values = map(HALVES, |half| {
        let (samples, real) = (shuffled(n, SEED, 2 + 2 * half as u64), shuffled(m, SEED, 3 + 2 * half as u64));
        prepared(Choice { samples: Some(&samples[..part(n)]), real: Some(&real[..part(m)]) })
    });
    let values = values.into_iter().collect::<Result<Vec<Vec<f64>>>>()?;
    let deviation = |at: usize| {
        let mean = values.iter().map(|values| values[at]).sum::<f64>() / HALVES as f64;
        let squares: f64 = values.iter().map(|values| (values[at] - mean).powi(2)).sum();
        (squares / (HALVES - 1) as f64 * share / (1.0 - share)).sqrt()
    };
    Ok(Some((0..values[0].len()).map(deviation).collect()))
}

/// Uniform noise in `[-1, 1]`.
pub(crate) fn uniform(shape: &[usize]) -> HostTensor {
    let mut values = vec![0.0; shape.iter().product()];
    random::fill_uniform(SEED, 0, &mut values);
    values.iter_mut().for_each(|value| *value = 2.0 * *value - 1.0);
    HostTensor::new(shape, values)
}

/// As many points, each number uniform over the range that it has among `real`.
pub(crate) fn uniform_within(real: &HostTensor, rows: usize) -> HostTensor {
    let d = real.row_len();
    let column = |at: usize| real.values.iter().skip(at).step_by(d).copied();
    let low: Vec<f32> = (0..d).map(|at| column(at).fold(f32::INFINITY, f32::min)).collect();
    let high: Vec<f32> = (0..d).map(|at| column(at).fold(f32::NEG_INFINITY, f32::max)).collect();
    let mut noise = vec![0.0; rows * d];
    random::fill_uniform(SEED, 0, &mut noise);
    for row in noise.chunks_exact_mut(d) {
        row.iter_mut().enumerate().for_each(|(at, value)| *value = low[at] + *value * (high[at] - low[at]));
    }
    HostTensor::new([&[rows], &real.shape[1..]].concat(), noise)
}

/// As many points, each number uniform over the range that it has among `real`; made to sum to 1 where they are
/// probabilities.
fn noise_like(real: &Points, rows: usize, probabilities: bool) -> Result<Points> {
    let d = real.width();
    let (mut low, mut high) = (real.row(0), real.row(0));
    let mut row = vec![0.0; d];
    for i in 1..real.rows() {
        real.write_row(i, &mut row);
        low.iter_mut().zip(&row).for_each(|(low, value)| *low = low.min(*value));
        high.iter_mut().zip(&row).for_each(|(high, value)| *high = high.max(*value));
    }
    let mut values = Vec::with_capacity(rows * d);
    let mut noise = vec![0.0f32; d];
    for i in 0..rows {
        random::fill_uniform(SEED, 100 + i as u64, &mut noise);
        if probabilities {
            let sum: f64 = noise.iter().map(|value| f64::from(*value) + f64::MIN_POSITIVE).sum();
            values.extend(noise.iter().map(|value| f64::from(*value) / sum));
        } else {
            let range: Range<usize> = 0..d;
            values.extend(range.map(|j| low[j] + f64::from(noise[j]) * (high[j] - low[j])));
        }
    }
    Points::double(d, values)
}

/// SHA-256 of the numbers in double precision.
fn hash(points: &Points) -> String {
    let mut hasher = Sha256::new();
    let mut row = vec![0.0; points.width()];
    for i in 0..points.rows() {
        points.write_row(i, &mut row);
        row.iter().for_each(|value| hasher.update(value.to_le_bytes()));
    }
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(samples: usize, real: usize) -> Report {
        let normal = |rows: usize, stream| {
            let mut values = vec![0.0f32; 2 * rows];
            random::fill_normal(1, stream, &mut values);
            Points::double(2, values.into_iter().map(f64::from).collect()).unwrap()
        };
        let (samples, real) = (normal(samples, 0), normal(real, 1));
        evaluate_arrays(Arrays { samples, real, train: None, probabilities: false }).unwrap()
    }

    #[test]
    fn real_data_stand_for_as_many_samples() {
        let few = judged(60, 1_000);
        let floor = few.floor.as_ref().unwrap();
        assert_eq!((floor.samples, floor.real), (60, 940));
        let coverage = few.rows.iter().find(|row| row.number == "coverage-k5").unwrap();
        // Samples of the same distribution cover what as many real ones do, which is far from all.
        assert!(coverage.value < 0.5 && (coverage.value - coverage.floor.unwrap()).abs() < 0.08, "{coverage:?}");
        let halves = judged(600, 1_000).floor.unwrap();
        assert_eq!((halves.samples, halves.real), (500, 500));
    }

    #[test]
    fn intervals_that_are_missing_are_spoken_of() {
        let [told, silent] = [judged(30, 4_000), judged(100, 200)];
        assert!(told.rows.iter().all(|row| row.interval.is_none()));
        assert!(
            told.notes.iter().any(|note| note.starts_with("no intervals: 30 are too few beside 4000")),
            "{:?}",
            told.notes
        );
        assert!(silent.rows.iter().any(|row| row.interval.is_some()) && silent.notes.is_empty(), "{:?}", silent.notes);
    }
}
