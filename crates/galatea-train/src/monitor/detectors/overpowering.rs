//! The discriminator tells real from generated with ease, while samples are poor: its slope is then next to nothing where
//! samples are, and the generator learns nothing from it (Arjovsky and Bottou 2017, arXiv:1701.04862).

use super::{found, mean};
use crate::monitor::{Finding, Kind, Look, Series, Severity, thousands};

/// The difference of mean probabilities that is too much.
const GAP: f64 = 0.85;
/// Losses that are below this and not negative mean that hardly any example is taken for the other kind. That of a critic
/// without a bound, such as Wasserstein's, is negative when it wins, and so it should be.
const LOSS: f64 = 0.2;
/// Looks that it lasts before it is told, and before it is severe.
const LOOKS: [usize; 2] = [5, 10];
/// Samples that cover more than this share of what real examples do, and spread over as much, are good all the same.
const GOOD: f64 = 0.5;

/// The difference from which on it is on its way there.
const AHEAD: f64 = 0.75;

/// Whether the discriminator is about to win, or has.
pub(super) fn is_ahead(look: &Look) -> bool {
    is_ahead_by(look, AHEAD)
}

/// Whether its mean probabilities differ by more than this, which means nothing of a critic without a bound.
pub(super) fn is_ahead_by(look: &Look, least: f64) -> bool {
    look.gap().is_some_and(|gap| gap > least) && look.loss_d.is_some_and(|loss| loss >= 0.0)
}

/// Whether the discriminator was nearly always right in the steps that the look tells of.
pub(super) fn has_won(look: &Look) -> bool {
    look.gap().is_some_and(|gap| gap > GAP) && look.loss_d.is_some_and(|loss| (0.0..LOSS).contains(&loss))
}

pub(super) fn detect(series: &Series) -> Option<Finding> {
    let holds = |count: usize| {
        series.last(count).filter(|looks| {
            let has_won = looks.iter().all(|look| {
                is_ahead_by(look, GAP)
                    && look.samples.is_none_or(|scores| scores.coverage < GOOD || scores.spread < GOOD)
            });
            // A single batch that it errs on does not make it weak.
            has_won && mean(looks, |look| look.loss_d).is_some_and(|loss| loss < LOSS)
        })
    };
    let told = holds(LOOKS[0])?;
    let (looks, severity) = match holds(LOOKS[1]) {
        Some(looks) => (looks, Severity::Severe),
        None => (told, Severity::Notice),
    };
    let evidence = format!(
        "since step {} the discriminator gives real examples a probability of {:.3} and samples {:.3} on average, and \
         its loss is {:.3}",
        thousands(looks[0].step),
        mean(looks, |look| look.d_real)?,
        mean(looks, |look| look.d_fake)?,
        mean(looks, |look| look.loss_d)?,
    );
    found(series, Kind::Overpowering, severity, series.before(looks.len()), evidence)
}
