//! A score that can be trusted: every value beside what real data and noise would have.

use galatea_data::{DataSpec, HostTensor};
use galatea_kernels::random;
use serde::Serialize;

use crate::features::{Features, suiting};
use crate::frechet::{self, Moments};
use crate::histogram::{Histogram, histogram};
use crate::prdc::{Prdc, prdc};
use crate::{Result, memorisation, sliced_wasserstein};

/// Neighbours that the balls of precision and recall reach to.
const NEIGHBOURS: usize = 5;

/// Real data to judge by.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// What the data are.
    pub spec: &'a DataSpec,
    /// Examples that the model has not seen, `[m, ..]`.
    pub held_back: &'a HostTensor,
    /// Examples that it was trained on, `[.., ..]`, where there are any.
    pub train: Option<&'a HostTensor>,
}

/// One value with its context.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Metric, number of samples, features: `frechet-1000-digits-lenet`.
    pub metric: String,
    /// The value for the samples.
    pub value: f64,
    /// The value for as many real examples that were trained on: what a perfect model would have.
    pub floor: Option<f64>,
    /// The value for as many pictures of noise.
    pub ceiling: Option<f64>,
    /// Whether more is better.
    pub higher_is_better: bool,
}

/// All values.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Number of samples that were judged.
    pub samples: usize,
    /// Number of real examples that they were judged by.
    pub real: usize,
    /// Name and hash of the features.
    pub features: Option<(String, String)>,
    /// The values.
    pub rows: Vec<Row>,
    /// Shares of classes, from features that classify.
    pub classes: Option<Histogram>,
    /// Names of the classes.
    pub class_names: Vec<String>,
}

/// Judges samples `[n, ..]`, in values like the data's.
///
/// # Errors
/// If samples are too few, of another shape, or not finite.
pub fn evaluate(samples: &HostTensor, reference: Reference<'_>) -> Result<Report> {
    let Reference { spec, held_back, train } = reference;
    let n = samples.rows();
    let noise = noise(&samples.shape);
    let seen = train.map(|train| train.slice_rows(0..n.min(train.rows())));
    let mut rows = Vec::new();
    let distance = |set: &HostTensor| sliced_wasserstein::distance(set, held_back);
    rows.push(Row {
        metric: format!("sliced-wasserstein-{n}-pixels"),
        value: distance(samples)?,
        floor: seen.as_ref().map(distance).transpose()?,
        ceiling: Some(distance(&noise)?),
        higher_is_better: false,
    });
    let features = suiting(spec);
    let mut classes = None;
    if let Some(features) = features {
        classes = by_features(features, [samples, held_back, &noise], seen.as_ref(), &mut rows)?;
    }
    if let Some(train) = train
        && held_back.rows() >= 2
    {
        let half = held_back.rows() / 2;
        let halves = [held_back.slice_rows(0..half), held_back.slice_rows(half..held_back.rows())];
        rows.push(Row {
            metric: format!("copied-{n}-pixels"),
            value: memorisation::copied(train, held_back, samples)?,
            floor: Some(memorisation::copied(train, &halves[0], &halves[1])?),
            ceiling: None,
            higher_is_better: false,
        });
    }
    Ok(Report {
        samples: n,
        real: held_back.rows(),
        features: features.map(|features| (features.name().to_owned(), features.hash())),
        rows,
        classes,
        class_names: spec.classes().to_vec(),
    })
}

fn by_features(
    features: &dyn Features,
    [samples, held_back, noise]: [&HostTensor; 3],
    seen: Option<&HostTensor>,
    rows: &mut Vec<Row>,
) -> Result<Option<Histogram>> {
    let name = format!("{}-{}", samples.rows(), features.name());
    let (drawn, real) = (features.read(samples)?, features.read(held_back)?);
    let noise = features.read(noise)?.features;
    let seen = seen.map(|seen| features.read(seen)).transpose()?.map(|reading| reading.features);

    let moments = Moments::of(&real.features)?;
    let distance = |set: &HostTensor| frechet::distance(&Moments::of(set)?, &moments);
    rows.push(Row {
        metric: format!("frechet-{name}"),
        value: distance(&drawn.features)?,
        floor: seen.as_ref().map(distance).transpose()?,
        ceiling: Some(distance(&noise)?),
        higher_is_better: false,
    });

    if real.features.rows().min(drawn.features.rows()) > NEIGHBOURS {
        let of = |set: &HostTensor| prdc(&real.features, set, NEIGHBOURS);
        let value = of(&drawn.features)?;
        let floor = seen.as_ref().map(of).transpose()?;
        let ceiling = of(&noise)?;
        type Share = (&'static str, fn(&Prdc) -> f64);
        let shares: [Share; 4] = [
            ("precision", |all| all.precision),
            ("recall", |all| all.recall),
            ("density", |all| all.density),
            ("coverage", |all| all.coverage),
        ];
        rows.extend(shares.map(|(metric, share)| Row {
            metric: format!("{metric}-k{NEIGHBOURS}-{name}"),
            value: share(&value),
            floor: floor.as_ref().map(share),
            ceiling: Some(share(&ceiling)),
            higher_is_better: true,
        }));
    }
    match (&real.probabilities, &drawn.probabilities) {
        (Some(real), Some(drawn)) => Ok(Some(histogram(real, drawn)?)),
        _ => Ok(None),
    }
}

/// Uniform noise in `[-1, 1]`.
fn noise(shape: &[usize]) -> HostTensor {
    let mut values = vec![0.0; shape.iter().product()];
    random::fill_uniform(0xce11, 0, &mut values);
    values.iter_mut().for_each(|value| *value = 2.0 * *value - 1.0);
    HostTensor::new(shape, values)
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let wide = self.rows.iter().map(|row| row.metric.len()).max().unwrap_or(0).max(6);
        let number = |value: Option<f64>| match value {
            None => "-".to_owned(),
            Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
            Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
            Some(value) => format!("{value:.3}"),
        };
        writeln!(f, "{:wide$}  {:>8}  {:>8}  {:>8}", "", "samples", "real", "noise")?;
        for row in &self.rows {
            let [value, floor, ceiling] = [Some(row.value), row.floor, row.ceiling].map(number);
            let better = if row.higher_is_better { "higher is better" } else { "lower is better" };
            writeln!(f, "{:wide$}  {value:>8}  {floor:>8}  {ceiling:>8}  {better}", row.metric)?;
        }
        if let Some(classes) = &self.classes {
            let shares: Vec<String> = classes
                .shares
                .iter()
                .zip(&self.class_names)
                .map(|(share, name)| format!("{name}: {:.1} %", 100.0 * share))
                .collect();
            writeln!(f, "classes  {}", shares.join("  "))?;
        }
        writeln!(f, "{} samples judged by {} real examples that were held back", self.samples, self.real)
    }
}
