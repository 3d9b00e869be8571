//! Mode collapse: samples leave out much of what there is in the data.
//!
//! Either they have left out less before, or they have been alike from the beginning and do not spread. What is a fall is
//! measured by the best so far, and by how much the score varies between sets of real examples.

use super::{found, mean};
use crate::monitor::{Finding, Kind, SampleScores, Series, Severity, thousands};

/// A best score below this share of real data's is none to fall from: what a generator draws while it begins to learn comes
/// and goes.
const LEAST_BEST: f64 = 0.4;
/// Samples that cover less than this are not on their way either.
const POOR: f64 = 0.25;
/// What a score may be below its best, as a share of it: what is still being learnt goes up and down. Less while the
/// discriminator is nearly always right, because then nothing drives samples back.
const SLACK: [f64; 2] = [0.25, 0.1];
/// What is nearly always: the difference of mean probabilities.
const WON: f64 = 0.85;
/// What it may be below in any case, in standard deviations of sets of real examples.
const DEVIATIONS: f64 = 3.0;
/// A fall is told, and is severe, when what looks lie below that comes to so much (Page 1954, "Continuous inspection
/// schemes", his rule for a fall: the sum begins anew where it would be below zero).
const TOLD: f64 = 0.2;
const SEVERE: f64 = 0.5;
/// The most that a single look adds, so that it is never severe by itself, and the most that is remembered of all.
const AT_ONCE: f64 = 0.3;
const REMEMBERED: f64 = 1.0;

/// Samples that differ by less than this share of what real examples differ by are alike.
const ALIKE: f64 = 0.35;
/// Looks that samples may be alike in while the discriminator tells them from real ones with ease, and at all.
const PATIENCE: [usize; 2] = [10, 40];
/// What is with ease: the difference of mean probabilities.
const EASE: f64 = 0.65;

pub(super) fn detect(series: &Series) -> Option<Finding> {
    fallen(series).or_else(|| never_spread(series))
}

fn fallen(series: &Series) -> Option<Finding> {
    let (best, expected) = (series.best?, series.expected.as_ref()?);
    type Score = (&'static str, u64, fn(&SampleScores) -> f64);
    let [covered, spread] = series.best_steps;
    let scores: [Score; 2] = [
        ("the share of held-back examples with a sample nearby", covered, |scores| scores.coverage),
        ("the number of groups of real examples that samples fall into", spread, |scores| scores.spread),
    ];
    let falls = scores.into_iter().filter_map(|(what, best_step, score)| {
        let (best, deviation) = (score(&best), score(&expected.deviation));
        let fall = Fall::since(series, best_step, best, DEVIATIONS * deviation, score);
        (best >= LEAST_BEST && fall.sum > TOLD).then_some((fall, what, best_step, best, score))
    });
    let (fall, what, best_step, best, score) = falls.max_by(|(a, ..), (b, ..)| a.sum.total_cmp(&b.sum))?;
    let severity = if fall.sum > SEVERE { Severity::Severe } else { Severity::Notice };
    let evidence = format!(
        "{what} is {:.2} of what other real examples reach; about step {} it was {best:.2}",
        score(&series.scores(1)?[0]),
        thousands(best_step),
    );
    found(series, Kind::DroppedModes, severity, fall.since, evidence)
}

/// How far below its best a score has been since then.
struct Fall {
    sum: f64,
    /// The last look before it, or the first that is remembered.
    since: u64,
}

impl Fall {
    fn since(series: &Series, step: u64, best: f64, noise: f64, score: fn(&SampleScores) -> f64) -> Self {
        let mut fall = Self { sum: 0.0, since: step };
        for look in series.looks.iter().filter(|look| look.step > step) {
            let Some(scores) = &look.samples else { continue };
            let [usual, won] = SLACK;
            let slack = if look.gap().is_some_and(|gap| gap > WON) { won } else { usual };
            let below = (best - score(scores) - noise.max(slack * best)) / best;
            fall.sum = (fall.sum + below.min(AT_ONCE)).clamp(0.0, REMEMBERED);
            if fall.sum == 0.0 {
                fall.since = look.step;
            }
        }
        fall
    }
}

fn never_spread(series: &Series) -> Option<Finding> {
    let stuck = |count: usize| -> Option<Vec<SampleScores>> {
        let scores = series.scores(count)?;
        let of = |part: &[SampleScores]| part.iter().map(|scores| scores.diversity).sum::<f64>() / part.len() as f64;
        let (before, after) = scores.split_at(count / 2);
        let is_growing = of(after) > 1.5 * of(before);
        let is_alike = scores.iter().all(|scores| scores.diversity < ALIKE && scores.coverage < POOR);
        (is_alike && !is_growing).then_some(scores)
    };
    let [soon, late] = PATIENCE;
    let told_apart =
        series.last(soon).filter(|looks| looks.iter().all(|look| look.gap().is_some_and(|gap| gap > EASE)));
    let (scores, looks, judged) = match told_apart {
        Some(looks) => (stuck(soon)?, looks, true),
        None => (stuck(late)?, series.last(late)?, false),
    };
    let mut evidence = format!(
        "samples have differed from each other by {:.2} of what real examples do since step {}, and do not spread",
        scores.iter().map(|scores| scores.diversity).sum::<f64>() / scores.len() as f64,
        thousands(looks[0].step)
    );
    if judged && let (Some(real), Some(fake)) = (mean(looks, |look| look.d_real), mean(looks, |look| look.d_fake)) {
        evidence
            .push_str(&format!("; the discriminator gives them a probability of {fake:.2}, and real ones {real:.2}"));
    }
    found(series, Kind::DroppedModes, Severity::Severe, 0, evidence)
}
