//! How odd an example is: every way that a model and its data allow, higher being odder.
//!
//! A score of an example depends on it alone, never on the others that are asked about at the same time.

use std::sync::Arc;

use galatea_data::{HostBatch, HostTensor};
use galatea_metrics::features::Features;
use galatea_metrics::{Points, neighbours};
use galatea_models::Session;

use crate::Result;

/// Draws of the evidence lower bound.
const DRAWS: usize = 8;
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
    ("neighbours", "how far it is from examples that were learnt, in features (`--features`) or as it is"),
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

/// The scores that `session` allows beside examples that were `learnt`, read by `features` where there are any.
pub(super) fn all<'a>(
    session: &'a dyn Session,
    learnt: &HostTensor,
    features: Option<Arc<dyn Features>>,
) -> Result<Vec<Score<'a>>> {
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
        let known = Points::single(model.encode(&unlabelled(learnt))?)?;
        add(
            "latent",
            Box::new(move |examples| Ok(distances(&Points::single(model.encode(&unlabelled(examples))?)?, &known))),
        );
    }
    let read = move |examples: &HostTensor| -> Result<Points> {
        let values = match &features {
            Some(features) => features.read(examples)?.features,
            None => examples.clone(),
        };
        Ok(Points::single(values)?)
    };
    let known = read(learnt)?;
    add("neighbours", Box::new(move |examples| Ok(distances(&read(examples)?, &known))));
    Ok(scores)
}

/// The mean distance of each point to its nearest ones among `known`.
fn distances(points: &Points, known: &Points) -> Vec<f64> {
    let mean = |near: Vec<neighbours::Neighbour>| {
        near.iter().map(|neighbour| neighbour.distance.sqrt()).sum::<f64>() / near.len().max(1) as f64
    };
    neighbours::nearest(points, known, NEIGHBOURS).into_iter().map(mean).collect()
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
