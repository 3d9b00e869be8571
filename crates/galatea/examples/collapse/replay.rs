//! What the rules as they are say of runs that were made before: a rule can be changed, and seen on all of them, without training.

use std::ops::Range;

use galatea::Resolved;
use galatea_train::Monitor;

use crate::scenarios::{Scenario, Sort};
use crate::{Outcome, resolve};

/// The runs without healing of `seeds`, as the monitor of now would have told them. Those of which looks are missing, their own
/// or those of the healthy run that they go on from, are left out.
pub(crate) fn outcomes(known: &[Outcome], seeds: &Range<u64>) -> Vec<Outcome> {
    let chosen = known.iter().filter(|outcome| !outcome.healing && seeds.contains(&outcome.seed));
    chosen.filter_map(|outcome| again(outcome, known)).collect()
}

fn again(outcome: &Outcome, known: &[Outcome]) -> Option<Outcome> {
    let scenario = Scenario::named(&outcome.scenario).filter(|_| !outcome.looks.is_empty())?;
    let mut monitor = monitor(scenario, outcome.seed);
    if let Sort::Later(control) = scenario.sort {
        let is_before = |run: &&Outcome| run.scenario == control && run.seed == outcome.seed && !run.looks.is_empty();
        let before = known.iter().find(is_before)?;
        before.looks.iter().for_each(|look| drop(monitor.tell(look.clone())));
    }
    let findings = outcome.looks.iter().flat_map(|look| monitor.tell(look.clone())).collect();
    Some(Outcome { findings, ..outcome.clone() })
}

fn monitor(scenario: &Scenario, seed: u64) -> Monitor {
    let Resolved { config, data, data_settings, .. } = resolve(scenario, seed, &[]);
    let split = galatea_data::split(&*data, data_settings.read.holdout);
    let feed = galatea_train::Feed::new(data, split.train).expect("there are examples").with_held_back(split.held_back);
    Monitor::new(&config.monitor, &feed, config.train.steps).expect("the data can be read")
}
