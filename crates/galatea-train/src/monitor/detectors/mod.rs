//! What is looked for: pure functions from the looks so far to a finding, one file each.

mod divergence;
mod dropped_modes;
mod near_duplicates;
mod oscillation;
mod overfitting;
mod overpowering;
mod posterior_collapse;
#[cfg(test)]
mod tests;

use super::{Finding, Kind, Look, Series, Severity};

type Detector = fn(&Series) -> Option<Finding>;

/// All detectors; of findings at the same step, the first is acted on.
const DETECTORS: &[Detector] = &[
    divergence::detect,
    dropped_modes::detect,
    near_duplicates::detect,
    overpowering::detect,
    posterior_collapse::detect,
    oscillation::detect,
    overfitting::detect,
];

/// Looks that patient reasons to go back need before they speak: a discriminator that wins, an oscillation, and copies that were
/// there before anything good was.
pub(super) const PATIENT: [u64; 3] = [10, 15, 20];

/// Whether samples are about as good as they have ever been, and not on their way down.
pub(super) fn is_healthy(series: &Series) -> bool {
    series.is_at_its_best() && !dropped_modes::is_falling(series)
}

/// All that is wrong now.
pub(super) fn all(series: &Series) -> Vec<Finding> {
    match series.since.is_empty() {
        true => DETECTORS.iter().filter_map(|detect| detect(series)).collect(),
        // The others wait for so many looks in turn.
        false => dropped_modes::fallen(series).into_iter().collect(),
    }
}

/// Whether to look out of turn when the newest steps report this: the discriminator begins to win, and there is something to lose.
pub(super) fn is_urgent(series: &Series, lately: &Look) -> bool {
    overpowering::is_ahead(lately) && dropped_modes::has_much_to_lose(series)
}

/// A finding at the newest look.
fn found(series: &Series, kind: Kind, severity: Severity, since: u64, evidence: String) -> Option<Finding> {
    Some(Finding { kind, severity, step: series.step(), since, evidence, hint: String::new() })
}

/// Mean of a value over looks that all have it.
fn mean(looks: &[Look], value: impl Fn(&Look) -> Option<f64>) -> Option<f64> {
    let values: Option<Vec<f64>> = looks.iter().map(value).collect();
    values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / values.len() as f64)
}

/// The value in the middle; `None` of none.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
