//! What the rules as they are say of runs that were made before: a rule can be changed, and seen on all of them, without training.

use galatea::Resolved;
use galatea_train::Monitor;

use crate::scenarios::{Scenario, Sort};
use crate::{Outcome, resolve};

/// A run as the monitor of now would have told it, or, with healing, as it went; `None` where its looks, or those of the healthy
/// run that it goes on from, are not known.
pub(crate) fn again(outcome: &Outcome, known: &[Outcome]) -> Option<Outcome> {
    if outcome.healing {
        return Some(outcome.clone());
    }
    let scenario = Scenario::named(&outcome.scenario).filter(|_| !outcome.looks.is_empty())?;
    let mut monitor = match scenario.sort {
        Sort::Later(control) => {
            let is_before = |run: &&Outcome| run.scenario == control && run.seed == outcome.seed && !run.healing;
            let before = known.iter().find(is_before).filter(|run| !run.looks.is_empty())?;
            let (mut healthy, steps) = monitor(Scenario::named(control)?, outcome.seed, 0);
            before.looks.iter().for_each(|look| drop(healthy.tell(look.clone())));
            let (mut after, _) = monitor(scenario, outcome.seed, steps);
            after.restore(&healthy.state().expect("it can be written")).expect("it is what a monitor has given");
            after
        }
        Sort::Healthy { .. } | Sort::Provoked(_) => monitor(scenario, outcome.seed, 0).0,
    };
    let mut findings: Vec<_> = outcome.looks.iter().flat_map(|look| monitor.tell(look.clone())).collect();
    // What ends a run, an infinite value, is found without a look, and by no rule.
    let is_without_look = |step: u64| outcome.looks.iter().all(|look| look.step != step);
    findings.extend(outcome.findings.iter().filter(|finding| is_without_look(finding.step)).cloned());
    findings.sort_by_key(|finding| finding.step);
    Some(Outcome { findings, ..outcome.clone() })
}

/// The monitor of a run that begins after so many steps, and the steps of the scenario.
fn monitor(scenario: &Scenario, seed: u64, before: u64) -> (Monitor, u64) {
    let Resolved { config, data, data_settings, .. } = resolve(scenario, seed, &[]);
    let split = galatea_data::split(&*data, data_settings.read.holdout);
    let feed = galatea_train::Feed::new(data, split.train).expect("there are examples").with_held_back(split.held_back);
    let steps = config.train.steps;
    (Monitor::new(&config.monitor, &feed, before + steps).expect("the data can be read"), steps)
}
