//! Mode collapse: samples leave out much of what there is in the data.
//!
//! Either they have left out less before, or they have been alike for long and do not spread. A fall is what scores
//! are below their best, beyond what is usual, summed from look to look: after Page 1954, "Continuous inspection schemes",
//! Biometrika 41, whose sum is of scores of a product's quality. Here less is usual while the discriminator wins, and the
//! sum has an upper end.

use super::{found, mean, overpowering};
use crate::monitor::{Finding, Kind, SampleScores, Series, Severity, thousands};

/// A best score below this share of real data's is none to fall from: what a generator draws while it begins to learn comes
/// and goes.
const LEAST_BEST: f64 = 0.4;
/// Samples that have never covered more than this are near nothing, and fall into groups by chance.
const NEAR: f64 = 0.1;
/// Samples that cover less than this are not on their way either.
const POOR: f64 = 0.25;
/// What a score may be below its best, as a share of it, and at least as a share of real data's: what is still being learnt
/// goes up and down, the more so the less is learnt.
const SLACK: f64 = 0.25;
const LEAST_SLACK: f64 = 0.18;
/// The same while the discriminator is nearly always right: nothing drives samples back then.
const SLACK_WON: f64 = 0.1;
/// What it may be below in any case, in standard deviations of sets of real examples.
const DEVIATIONS: f64 = 3.0;
/// A fall is told when the sum of what looks are below that, as shares of the best, is above this.
const TOLD: f64 = 0.2;
/// The same while the discriminator is nearly always right, which healthy training hardly ever meets.
const TOLD_WON: f64 = 0.1;
/// A fall whose sum is above this is severe.
const SEVERE: f64 = 0.5;
/// The most that a single look adds: two are needed at least, whatever happened,
const AT_ONCE: f64 = TOLD;
/// unless the discriminator is nearly always right: all may be gone at the next look, so that one is enough to tell of it, and two
/// to do something.
const AT_ONCE_WON: f64 = 0.4;
/// The most that the sum comes to, so that what is over is soon forgotten.
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

/// The finding of a fall, all that a look out of turn is taken for.
pub(super) fn fallen(series: &Series) -> Option<Finding> {
    let falls = falls(series);
    let told = if series.newest().is_some_and(overpowering::has_won) { TOLD_WON } else { TOLD };
    let fall = falls.iter().filter(|fall| fall.sum > told).reduce(|a, b| if b.sum > a.sum { b } else { a })?;
    let severity = if fall.sum > SEVERE { Severity::Severe } else { Severity::Notice };
    let evidence = format!(
        "{} is {:.2} of what other real examples reach; about step {} it was {:.2}",
        fall.what,
        fall.now,
        thousands(fall.best_step),
        fall.best,
    );
    found(series, Kind::DroppedModes, severity, fall.since, evidence)
}

/// Whether there is something to fall from.
pub(super) fn has_much_to_lose(series: &Series) -> bool {
    !falls(series).is_empty()
}

/// Whether a score is on its way down, told or not.
pub(super) fn is_falling(series: &Series) -> bool {
    falls(series).iter().any(|fall| fall.sum > 0.0)
}

/// How far below its best a score has been since then.
struct Fall {
    what: &'static str,
    best: f64,
    best_step: u64,
    now: f64,
    sum: f64,
    /// The last look before it.
    since: u64,
}

/// Falls of the scores that have something to fall from.
fn falls(series: &Series) -> Vec<Fall> {
    let (Some(best), Some(expected), Some(now)) =
        (series.best, &series.expected, series.newest().and_then(|look| look.samples))
    else {
        return Vec::new();
    };
    // What has been forgiven to blurred samples is no reason to look away.
    let most_covered = series.most_covered.max(best.coverage);
    if most_covered < NEAR {
        return Vec::new();
    }
    type Score = (&'static str, f64, u64, fn(&SampleScores) -> f64);
    let [covered, spread] = series.best_steps;
    let scores: [Score; 2] = [
        ("the share of held-back examples with a sample nearby", most_covered, covered, |scores| scores.coverage),
        ("the number of groups of real examples that samples fall into", best.spread, spread, |scores| scores.spread),
    ];
    let with_best = scores.into_iter().filter(|(_, most, ..)| *most >= LEAST_BEST);
    with_best
        .map(|(what, _, best_step, score)| {
            let (best, noise) = (score(&best), DEVIATIONS * score(&expected.deviation));
            let first = series.looks.first().map_or(0, |look| look.step);
            let mut fall = Fall { what, best, best_step, now: score(&now), sum: 0.0, since: best_step.max(first) };
            for look in series.looks.iter().chain(&series.since).filter(|look| look.step > best_step) {
                let Some(scores) = &look.samples else { continue };
                let (slack, at_once) = match overpowering::has_won(look) {
                    true => (SLACK_WON * best, AT_ONCE_WON),
                    false => (LEAST_SLACK.max(SLACK * best), AT_ONCE),
                };
                let below = (best - score(scores) - noise.max(slack)) / best;
                fall.sum = (fall.sum + below.min(at_once)).clamp(0.0, REMEMBERED);
                if fall.sum == 0.0 {
                    fall.since = look.step;
                }
            }
            fall
        })
        .collect()
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
    let told_apart = series.last(soon).filter(|looks| looks.iter().all(|look| overpowering::is_ahead_by(look, EASE)));
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
