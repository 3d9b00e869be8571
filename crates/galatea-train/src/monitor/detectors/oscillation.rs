//! Samples from the same latent vectors go from one kind of example to another from look to look, without settling.

use super::found;
use crate::monitor::{Finding, Kind, Series, Severity, thousands};

/// Looks that it lasts before it is told: any model moves while it begins to learn.
const LOOKS: usize = 15;
/// Share of samples that change their group, on average, that is too much. Sets of real examples differ by about 0.2.
const MOVED: f64 = 0.5;
/// Fewest looks of these at which it is.
const MOST: usize = 12;

pub(super) fn detect(series: &Series) -> Option<Finding> {
    let scores = series.scores(LOOKS)?;
    let moving = scores.iter().filter(|scores| scores.moved > MOVED).count();
    let mean = scores.iter().map(|scores| scores.moved).sum::<f64>() / LOOKS as f64;
    if moving < MOST {
        return None;
    }
    let evidence = format!(
        "from look to look since step {}, {:.0} % of samples on average go to another of {:.0} groups of real examples",
        thousands(series.before(LOOKS)),
        100.0 * mean,
        series.expected.as_ref().map_or(0.0, |expected| expected.groups)
    );
    found(series, Kind::Oscillation, Severity::Notice, series.before(LOOKS), evidence)
}
