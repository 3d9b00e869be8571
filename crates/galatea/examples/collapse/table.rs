//! What all runs come to.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::Outcome;
use crate::scenarios::Scenario;
use crate::truth::Truth;

/// Below this share of the healthy runs' coverage, a run has failed.
const FAILED: f64 = 0.75;
/// At least this share of it, and it is healed.
const HEALED: f64 = 0.9;
/// A best coverage below this share of real data's is none that could be halved.
const NOTHING: f64 = 0.1;

impl Outcome {
    /// The truth at the end: the mean of the last three looks.
    fn end(&self) -> Truth {
        let last = &self.truths[self.truths.len().saturating_sub(3)..];
        let coverage = last.iter().map(|truth| truth.coverage).sum::<f64>() / last.len().max(1) as f64;
        let nothing = Truth { step: 0, attempt: 0, coverage: 0.0, modes: 0 };
        Truth { coverage, ..*last.last().unwrap_or(&nothing) }
    }

    /// Whether anything worth mentioning was covered before the first finding, or ever if there is none.
    fn has_coverage_to_lose(&self) -> bool {
        match self.detection() {
            Some((_, share)) => share.is_some(),
            None => self.truths.iter().any(|truth| truth.coverage >= NOTHING),
        }
    }

    /// The step of the first finding, and the coverage then as a share of the best before, if there was any.
    fn detection(&self) -> Option<(u64, Option<f64>)> {
        let step = self.findings.first()?.step;
        let first = || self.truths.iter().filter(|truth| truth.attempt == 0);
        let best = first().filter(|truth| truth.step <= step).map(|truth| truth.coverage).fold(0.0, f64::max);
        let before = first().rfind(|truth| truth.step <= step);
        // Where the truth was not measured at that step, the worse of those before and after it.
        let after = first().find(|truth| truth.step >= step).filter(|_| before.is_none_or(|truth| truth.step < step));
        let now = before.into_iter().chain(after).map(|truth| truth.coverage).fold(f64::INFINITY, f64::min);
        let now = if now.is_finite() { now } else { 0.0 };
        Some((step, (best >= NOTHING).then(|| now / best)))
    }
}

/// One run in a line.
pub(crate) fn line(outcome: &Outcome) -> String {
    let Outcome { scenario, seed, healing, .. } = outcome;
    let end = outcome.end();
    let best = outcome.truths.iter().map(|truth| truth.coverage).fold(0.0, f64::max);
    let mut text = format!("{scenario} seed {seed}{}: ", if *healing { " healing" } else { "" });
    let _ = write!(text, "coverage {:.2} (best {best:.2}), {} modes at the end", end.coverage, end.modes);
    for finding in &outcome.findings {
        let _ = write!(text, "; {} {} @{}", finding.severity.name(), finding.kind.name(), finding.step);
    }
    for done in &outcome.interventions {
        let _ = write!(text, "; back to {}: {}", done.back_to, done.changes_text());
    }
    if let Some((step, share)) = outcome.detection() {
        let share = share.map_or("none to lose".to_owned(), |share| format!("{share:.2} of best"));
        let _ = write!(text, "; first seen at {step}, coverage {share}");
    }
    if let Some(error) = &outcome.error {
        let _ = write!(text, "; {error}");
    }
    text
}

/// What the first findings were, the commonest first.
fn first_kinds(runs: &[&&Outcome]) -> String {
    let mut counts = BTreeMap::new();
    for finding in runs.iter().filter_map(|run| run.findings.first()) {
        *counts.entry(finding.kind.name()).or_insert(0) += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

/// The table in Markdown, and what it says in all.
pub(crate) fn table(scenarios: &[&Scenario], outcomes: &[Outcome]) -> String {
    let of = |name: &str, healing: bool| -> Vec<&Outcome> {
        outcomes.iter().filter(|outcome| outcome.scenario == name && outcome.healing == healing).collect()
    };
    let mean = |values: Vec<f64>| match values.len() {
        0 => f64::NAN,
        n => values.iter().sum::<f64>() / n as f64,
    };
    let coverage = |outcomes: &[&Outcome]| mean(outcomes.iter().map(|outcome| outcome.end().coverage).collect());
    let modes = |outcomes: &[&Outcome]| mean(outcomes.iter().map(|outcome| outcome.end().modes as f64).collect());
    let mut text =
        "| scenario | runs | failed | named | first named at step (median) | first named as | with coverage to lose | \
                    named before it halved | coverage then, of the best before (median) | coverage, modes at the end | with `heal=auto` | healed |\n"
            .to_owned();
    text.push_str("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    let (mut all_failed, mut all_named, mut all_losing, mut all_early) = (0, 0, 0, 0);
    let (mut all_tried, mut all_healed, mut all_healthy, mut all_false) = (0, 0, 0, 0);
    for scenario in scenarios {
        let runs = of(scenario.name, false);
        if runs.is_empty() {
            continue;
        }
        let end = format!("{:.2}, {:.1}", coverage(&runs), modes(&runs));
        let Some(control) = scenario.control() else {
            let alarmed = runs.iter().filter(|run| !run.findings.is_empty()).count();
            (all_healthy, all_false) = (all_healthy + runs.len(), all_false + alarmed);
            let _ = writeln!(
                text,
                "| {} | {} | | {alarmed} false alarms | | | | | | {end} | | |",
                scenario.name,
                runs.len()
            );
            continue;
        };
        let healthy = coverage(&of(control.name, false));
        if healthy.is_nan() {
            let _ = writeln!(
                text,
                "| {} | {} | no healthy runs to compare with | | | | | | | {end} | | |",
                scenario.name,
                runs.len()
            );
            continue;
        }
        let failed: Vec<&&Outcome> = runs
            .iter()
            .filter(|run| run.error.is_some() || run.end().coverage.is_nan() || run.end().coverage < FAILED * healthy)
            .collect();
        let seen: Vec<(u64, Option<f64>)> = failed.iter().filter_map(|run| run.detection()).collect();
        let mut steps: Vec<u64> = seen.iter().map(|(step, _)| *step).collect();
        steps.sort_unstable();
        let step = steps.get(steps.len() / 2).map_or("-".to_owned(), u64::to_string);
        let mut shares: Vec<f64> = seen.iter().filter_map(|(_, share)| *share).collect();
        shares.sort_by(f64::total_cmp);
        let share = shares.get(shares.len() / 2).map_or("-".to_owned(), |share| format!("{share:.2}"));
        // What was never named was named too late.
        let (losing, early) = (
            failed.iter().filter(|run| run.has_coverage_to_lose()).count(),
            shares.iter().filter(|share| **share >= 0.5).count(),
        );
        (all_failed, all_named) = (all_failed + failed.len(), all_named + seen.len());
        (all_losing, all_early) = (all_losing + losing, all_early + early);
        // Of runs that fail without it.
        let healing: Vec<&Outcome> = of(scenario.name, true)
            .into_iter()
            .filter(|run| failed.iter().any(|failed| failed.seed == run.seed))
            .collect();
        let is_healed = |run: &&&Outcome| run.error.is_none() && run.end().coverage >= HEALED * healthy;
        let healed = healing.iter().filter(is_healed).count();
        (all_tried, all_healed) = (all_tried + healing.len(), all_healed + healed);
        let with = match healing.is_empty() {
            true => "-".to_owned(),
            false => format!("{:.2}, {:.1}", coverage(&healing), modes(&healing)),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {step} | {} | {losing} | {early} | {share} | {end} | {with} | {healed} of {} |",
            scenario.name,
            runs.len(),
            failed.len(),
            failed.iter().filter(|run| !run.findings.is_empty()).count(),
            first_kinds(&failed),
            healing.len()
        );
    }
    let share = |part: usize, all: usize| match all {
        0 => "none to count".to_owned(),
        all => format!("{part} of {all} ({:.0} %)", 100.0 * part as f64 / all as f64),
    };
    let _ = writeln!(text, "\nfailed runs that were named: {}", share(all_named, all_failed));
    let _ = writeln!(
        text,
        "failed runs with coverage to lose, named before it had halved: {}",
        share(all_early, all_losing)
    );
    let _ = writeln!(text, "healthy runs with a false alarm: {}", share(all_false, all_healthy));
    let _ = write!(text, "healed to 90 % of the healthy coverage: {}", share(all_healed, all_tried));
    text
}
