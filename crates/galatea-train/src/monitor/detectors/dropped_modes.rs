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
/// Falls below this share of the best are told; of falls below the second one, nobody recovers in time.
const FALLEN: [f64; 2] = [0.75, 0.6];
/// Looks that either fall lasts before it is told: what is still being learnt goes down a little for some looks, too.
const LOOKS: [usize; 2] = [5, 2];
/// A fall is larger than so many standard deviations of sets of real examples.
const DEVIATIONS: f64 = 4.0;
/// Looks that a fall lasts before it is severe however deep it is.
const LASTING: usize = 10;

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
    let is_fallen = |count: usize, by: f64, score: fn(&SampleScores) -> f64| {
        let (best, deviation) = (score(&best), DEVIATIONS * score(&expected.deviation));
        let limit = (by * best).min(best - deviation);
        best >= LEAST_BEST
            && series.scores(count).is_some_and(|scores| scores.iter().all(|scores| score(scores) < limit))
    };
    let is_deep = |score| is_fallen(LOOKS[1], FALLEN[1], score);
    let (what, best_step, score) =
        scores.into_iter().find(|(_, _, score)| is_deep(*score) || is_fallen(LOOKS[0], FALLEN[0], *score))?;
    let severe = is_deep(score) || is_fallen(LASTING, FALLEN[0], score);
    let severity = if severe { Severity::Severe } else { Severity::Notice };
    let now = score(&series.scores(1)?[0]);
    let evidence = format!(
        "{what} is {now:.2} of what other real examples reach; about step {} it was {:.2}",
        thousands(best_step),
        score(&best)
    );
    let lasting = if is_deep(score) { LOOKS[1] } else { LOOKS[0] };
    found(series, Kind::DroppedModes, severity, series.before(lasting), evidence)
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
