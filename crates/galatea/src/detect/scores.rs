//! How odd an example is: every way that a model and its data allow, higher being odder.
//!
//! A score of an example depends on it alone, never on the others that are asked about at the same time.

use std::sync::Arc;

use galatea_data::{HostBatch, HostTensor};
use galatea_metrics::features::{self, Features};
use galatea_metrics::{Points, neighbours};

use super::gaussian::Gaussian;

use crate::{Generator, Result};

/// Draws of the evidence lower bound.
const DRAWS: usize = 8;
/// Features in which shapes are compared.
const EDGES: &str = "edges";
/// Neighbours that a distance is the mean of.
const NEIGHBOURS: usize = 5;

/// Names of all scores and what they are.
pub const SCORES: &[(&str, &str)] = &[
    ("elbo", "how unlikely the model takes the example to be: the negative evidence lower bound, in nats"),
    ("reconstruction", "how far what the model gives back is from the example: root of the mean squared error"),
    (
        "latent",
        "how far its latent vector is from those of examples that were learnt: mean distance to five neighbours",
    ),
    ("inversion", "how far what a generator draws for it is from it, in pixels and to the discriminator (f-AnoGAN)"),
    ("neighbours", "how far it is from examples that were learnt, in features (`--features`) or as it is"),
    (
        "edges",
        "how far its edges, by direction and place, are from those of pictures that were learnt: mean distance to five",
    ),
    ("edges-gaussian", "how far its edges are from their mean, in units of how they usually vary"),
    ("mean", "the mean of all others, each on the scale of normal examples"),
];

type Ask<'a> = Box<dyn Fn(&HostTensor) -> Result<Vec<f64>> + 'a>;

/// A score of examples `[n, ..]`.
pub(super) struct Score<'a> {
    pub(super) name: &'static str,
    ask: Ask<'a>,
}

impl Score<'_> {
    pub(super) fn of(&self, examples: &HostTensor) -> Result<Vec<f64>> {
        (self.ask)(examples)
    }
}

fn unlabelled(examples: &HostTensor) -> HostBatch {
    HostBatch { values: examples.clone(), labels: None }
}

/// The scores that a model allows beside examples that were `learnt`, read by `features` where there are any.
pub(super) fn all<'a>(
    generator: &'a Generator,
    learnt: &HostTensor,
    features: Option<Arc<dyn Features>>,
    named: &str,
) -> Result<Vec<Score<'a>>> {
    let session = generator.session();
    let mut scores: Vec<Score<'a>> = Vec::new();
    let mut add = |name, ask: Ask<'a>| scores.push(Score { name, ask });
    if let Some(model) = session.as_score() {
        add(
            "elbo",
            Box::new(move |examples| {
                Ok(model.bounds(&unlabelled(examples), DRAWS)?.into_iter().map(|bound| -bound.elbo()).collect())
            }),
        );
    }
    if let Some(model) = session.as_reconstruct() {
        add(
            "reconstruction",
            Box::new(move |examples| {
                let back = model.reconstruct(&unlabelled(examples))?;
                let error = |i: usize| {
                    let squares = examples.row(i).iter().zip(back.row(i)).map(|(a, b)| f64::from(a - b).powi(2));
                    (squares.sum::<f64>() / examples.row_len().max(1) as f64).sqrt()
                };
                Ok((0..examples.rows()).map(error).collect())
            }),
        );
    }
    if let Some(model) = session.as_encode() {
        let known = Known::new(Points::single(model.encode(&unlabelled(learnt))?)?);
        add(
            "latent",
            Box::new(move |examples| Ok(known.apart(&Points::single(model.encode(&unlabelled(examples))?)?))),
        );
    }
    // The fitting takes long; nobody waits for it who has asked for another score.
    let wanted = ["auto", "mean", "inversion"].contains(&named);
    if wanted && session.as_invert().is_some() && session.as_encode().is_none() && session.spec().shape().len() == 3 {
        let inverter = generator.inverter(Some(&unlabelled(learnt)))?;
        add("inversion", Box::new(move |examples| Ok(inverter.score(session, &unlabelled(examples))?)));
    }
    let read = move |examples: &HostTensor| -> Result<Points> {
        let values = match &features {
            Some(features) => features.read(examples)?.features,
            None => blurred(examples),
        };
        Ok(Points::single(values)?)
    };
    let known = Known::new(read(learnt)?);
    add("neighbours", Box::new(move |examples| Ok(known.apart(&read(examples)?))));
    let opening = features::Opening::new(session.spec());
    if features::check(EDGES, &opening).is_ok() {
        let edges = features::open(EDGES, &opening)?;
        let read =
            move |examples: &HostTensor| -> Result<Points> { Ok(Points::single(edges.read(examples)?.features)?) };
        let learnt: Points = read(learnt)?;
        let gaussian = Gaussian::of(&learnt);
        let again = read.clone();
        // Distances as they are: beside those of their neighbours, examples of a kind that is hardly ever alike would pass.
        let near = move |examples: &HostTensor| {
            let near = neighbours::nearest(&again(examples)?, &learnt, NEIGHBOURS);
            Ok(near.iter().map(|near| mean_of(near.iter().map(|near| near.distance.sqrt()))).collect())
        };
        add("edges", Box::new(near));
        add("edges-gaussian", Box::new(move |examples| Ok(gaussian.apart(&read(examples)?))));
    }
    Ok(scores)
}

/// Pictures after a binomial filter of three by three pixels, so that a stroke that lies a pixel beside another is near it;
/// anything else as it is.
fn blurred(examples: &HostTensor) -> HostTensor {
    let [_, _, height, width] = examples.shape[..] else { return examples.clone() };
    let mut blurred = examples.clone();
    let mut line = vec![0.0; height.max(width)];
    let mut filter = |plane: &mut [f32], first: usize, step: usize, count: usize| {
        let at = |i: usize| first + i * step;
        (0..count).for_each(|i| line[i] = plane[at(i)]);
        for i in 0..count {
            let (before, after) = (line[i.saturating_sub(1)], line[(i + 1).min(count - 1)]);
            plane[at(i)] = 0.25 * before + 0.5 * line[i] + 0.25 * after;
        }
    };
    for plane in blurred.values.chunks_exact_mut(height * width) {
        (0..height).for_each(|row| filter(plane, row * width, 1, width));
        (0..width).for_each(|column| filter(plane, column, width, height));
    }
    blurred
}

/// Points that were learnt, and how far each is from its own neighbours among them.
///
/// What is far where points lie close is near where they lie far from each other (Breunig et al. 2000, "LOF: Identifying
/// Density-Based Local Outliers", of which this is a simple form).
struct Known {
    points: Points,
    usual: Vec<f64>,
}

impl Known {
    fn new(points: Points) -> Self {
        let own = neighbours::nearest_others(&points, NEIGHBOURS);
        let mut usual: Vec<f64> =
            own.iter().map(|near| mean_of(near.iter().map(|near| near.distance.sqrt()))).collect();
        // Beside a point that was learnt several times, nothing else would be near.
        let least = 0.1 * mean_of(usual.iter().copied()) + f64::MIN_POSITIVE;
        usual.iter_mut().for_each(|usual| *usual = usual.max(least));
        Self { points, usual }
    }

    /// For each point its distance to its nearest ones, each over how far that one is from its own, in the mean.
    fn apart(&self, points: &Points) -> Vec<f64> {
        let near = neighbours::nearest(points, &self.points, NEIGHBOURS);
        near.iter().map(|near| mean_of(near.iter().map(|near| near.distance.sqrt() / self.usual[near.index]))).collect()
    }
}

/// The mean; 0 of nothing.
fn mean_of(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values.fold((0usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    sum / count.max(1) as f64
}

/// Where normal examples are and how far they are apart, by a score: median and half the distance between quartiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usual {
    median: f64,
    spread: f64,
}

impl Usual {
    pub(super) fn of(normal: &[f64]) -> Self {
        let mut sorted = normal.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
        // Of scores that hardly differ, a difference would be without bounds.
        let least = 1e-6 * at(0.5).abs().max(1e-6);
        Self { median: at(0.5), spread: (0.5 * (at(0.75) - at(0.25))).max(least) }
    }

    pub(super) fn relative(self, score: f64) -> f64 {
        (score - self.median) / self.spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_beside_that_of_the_neighbours() {
        // Points a tenth apart on the left, and ten times as far on the right.
        let left = (0..20).map(|i| 0.1 * f64::from(i));
        let known = Known::new(Points::double(1, left.chain((0..20).map(|i| 100.0 + f64::from(i))).collect()).unwrap());
        let apart = known.apart(&Points::double(1, vec![-1.0, 99.0, 0.95, 109.5]).unwrap());
        assert!(apart[0] > 3.0 * apart[1], "one from where others are 0.1 apart is farther out: {apart:?}");
        assert!((apart[2] - apart[3]).abs() < 0.2 * apart[3] && apart[3] < 1.2, "{apart:?}");
        // Copies of one point.
        let known = Known::new(Points::double(1, vec![1.0; 9]).unwrap());
        assert!(known.apart(&Points::double(1, vec![1.0, 2.0]).unwrap()).iter().all(|value| !value.is_nan()));
    }

    #[test]
    fn a_blur_keeps_sums_and_evens_out() {
        let mut values = vec![0.0; 25];
        values[12] = 16.0;
        let blurred = blurred(&HostTensor::new([1, 1, 5, 5], values));
        assert_eq!(blurred.values[6..9], [1.0, 2.0, 1.0]);
        assert_eq!(blurred.values[11..14], [2.0, 4.0, 2.0]);
        assert_eq!(blurred.values.iter().sum::<f32>(), 16.0);
    }
}
