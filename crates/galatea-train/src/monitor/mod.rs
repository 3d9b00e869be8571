//! The monitor: looks at training every so many steps, and names what goes wrong while it goes wrong.
//!
//! A look draws a small set of samples, always from the same seeds, and compares it with real examples that training does
//! not see; it asks the discriminator, where there is one, about examples that it has seen and others; and
//! it averages what the steps since the last look have reported. While the discriminator begins to win, it looks between as
//! well, out of turn. Detectors, one file each in `detectors/`, are pure
//! functions of the looks so far. Everything is a function of settings, data and step, so a run that is repeated or
//! resumed is told the same.

mod detectors;
mod finding;
mod look;
mod reference;

use std::fmt::Write as _;

use galatea_data::{HostBatch, choice, settings};
use galatea_models::{SampleRequest, Session, StepReport};
use serde::{Deserialize, Serialize};

pub use finding::{Finding, Kind, Severity};
pub use look::{Expected, Look, SampleScores, Series};
use reference::{Points, Reference};

use crate::{Error, Feed, Result, plan::due};

choice! {
    /// Whether something is done.
    pub enum Switch {
        /// Yes.
        On = "on",
        /// No.
        Off = "off",
    }
}

settings! {
    /// Whether and how training is watched (`monitor.KEY`; `monitor=off` is short for `monitor.mode=off`).
    pub struct MonitorOptions {
        /// Whether training is watched, `monitor=off` for short: on or off.
        mode: Switch = Switch::On;
        /// Steps between two looks in turn; 0 takes a two-hundredth of the run, but at least 25 and at most 100 steps.
        every: u64 = 0, in 0..=1_000_000_000;
        /// Samples that are drawn at each look.
        samples: usize = 128, in 16..=1_024;
    }
}

/// Seed of the samples: not that of the grids, and always the same, so that looks can be compared.
const SEED: u64 = 0x6d6f_6e69;
/// Real examples of either kind that the discriminator is asked about at each look.
const JUDGED: usize = 64;
/// The fewest that it is asked about: of as many, the share of pairs is by chance above what `detectors::overfitting` tells
/// in less than one of a thousand cases.
const FEWEST_JUDGED: usize = 48;
/// Most real examples of either kind that are read, and most bytes of them that are held in memory.
const MOST: usize = 512;
const MOST_BYTES: usize = 64 << 20;
/// Looks without a finding after which it is told again.
const QUIET: u64 = 10;
/// While the discriminator begins to win and there is something to lose, looks are so many times as close together, since modes may
/// be gone within tens of steps then,
const CLOSER: u64 = 5;
/// but at least and at most so many steps apart, which is also how many reports a checkpoint keeps,
const APART: [u64; 2] = [5, 20];
/// and only so often in a run, and once more for every so many looks in turn, so that they stay cheap.
const SPARE: [u64; 2] = [12, 8];

/// Watches one run.
#[derive(Debug)]
pub struct Monitor {
    every: u64,
    samples: u64,
    reference: Option<Reference>,
    /// Examples that are trained on, and others, for the discriminator to judge; none if none are held back.
    judged: Option<[HostBatch; 2]>,
    state: State,
}

/// What a look depends on beside the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct State {
    since: Sums,
    /// What the newest steps have reported, oldest first: probabilities of real and generated examples, and the loss.
    #[serde(default)]
    lately: Vec<[f64; 3]>,
    /// Looks out of turn so far.
    #[serde(default)]
    out_of_turn: u64,
    /// Shares of the groups that the samples of the last look fell into.
    #[serde(default)]
    groups: Vec<f64>,
    /// The last look at which nothing was wrong.
    healthy: u64,
    /// What was found, and at which look last.
    #[serde(default)]
    active: Vec<Active>,
    series: Series,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Active {
    kind: Kind,
    severity: Severity,
    last: u64,
}

/// Sums over the steps since the last look.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Sums {
    #[serde(default)]
    sums: Vec<(String, f64, u64)>,
}

impl Sums {
    fn add(&mut self, name: &str, value: f64) {
        match self.sums.iter_mut().find(|(known, ..)| known == name) {
            Some((_, sum, count)) => (*sum, *count) = (*sum + value, *count + 1),
            None => self.sums.push((name.to_owned(), value, 1)),
        }
    }

    fn mean(&self, name: &str) -> Option<f64> {
        self.sums.iter().find(|(known, ..)| known == name).map(|(_, sum, count)| sum / *count as f64)
    }
}

impl Monitor {
    /// A monitor for a run of `steps` steps on `feed`.
    ///
    /// # Errors
    /// If examples cannot be read.
    pub fn new(options: &MonitorOptions, feed: &Feed, steps: u64) -> Result<Self> {
        let every = if options.every > 0 { options.every } else { (steps / 200).clamp(25, 100) };
        let spec = feed.data().spec();
        let held = MOST.min(MOST_BYTES / (4 * spec.elements()).max(1)).max(1);
        let reference = match spec.has_distances() {
            true => {
                let [trained_on, held_back] = [feed.examples(), feed.held_back()].map(|count| count.min(MOST));
                let train = Points::of(trained_on, held, |places| feed.some_trained_on(places).map(Some))?;
                let unseen = Points::of(held_back, held, |places| feed.some_held_back(places))?;
                Reference::new(train, unseen, options.samples)
            }
            false => None,
        };
        let judged = match feed.examples().min(feed.held_back()).min(held) >= FEWEST_JUDGED {
            true => feed.some_held_back(0..held)?.zip(Some(feed.some_trained_on(0..held)?)),
            false => None,
        };
        let mut state = State::default();
        state.series.expected = reference.as_ref().map(|reference| reference.expected.clone());
        let samples = reference.as_ref().map_or(options.samples, |reference| reference.samples);
        Ok(Self {
            every,
            samples: samples as u64,
            reference,
            judged: judged.map(|(unseen, seen)| [seen, unseen]),
            state,
        })
    }

    /// Steps between two looks in turn.
    pub fn every(&self) -> u64 {
        self.every
    }

    /// Takes note of what a step has reported.
    pub fn note(&mut self, report: &StepReport) {
        for (name, value) in &report.scalars {
            self.state.since.add(name, *value);
        }
        if let [Some(real), Some(fake), Some(loss)] = ["d_real", "d_fake", "loss_d"].map(|name| report.get(name)) {
            let (kept, lately) = (self.closer() as usize, &mut self.state.lately);
            lately.push([real, fake, loss]);
            lately.drain(..lately.len().saturating_sub(kept));
        }
    }

    /// Steps between two looks out of turn.
    fn closer(&self) -> u64 {
        let [least, most] = APART;
        (self.every / CLOSER).clamp(least, most)
    }

    /// A look out of turn without samples: what the newest steps have reported.
    fn lately(&self, step: u64) -> Look {
        let lately = &self.state.lately;
        let mean = |which: usize| {
            (!lately.is_empty()).then(|| lately.iter().map(|report| report[which]).sum::<f64>() / lately.len() as f64)
        };
        Look { step, d_real: mean(0), d_fake: mean(1), loss_d: mean(2), out_of_turn: true, ..Look::default() }
    }

    /// Whether to look after `step`, which has been noted: in turn, or out of turn, while the discriminator begins to win and there
    /// is something to lose.
    pub fn is_due(&self, step: u64) -> bool {
        let State { lately, out_of_turn, series, .. } = &self.state;
        let [spare, looks] = SPARE;
        due(step, self.every)
            || self.reference.is_some()
                && lately.len() as u64 == self.closer()
                && step >= series.step() + self.closer()
                && *out_of_turn < spare + step / (looks * self.every)
                && !self.state.is_severe(Kind::DroppedModes, step, QUIET * self.every)
                && detectors::is_urgent(series, &self.lately(step))
    }

    /// Looks at the model after `step`, out of turn if it is not a multiple of [`every`](Self::every). Gives the look, and what is
    /// newly found.
    ///
    /// # Errors
    /// If the model cannot be sampled, or a value of a sample is not finite ([`Error::Diverged`]).
    pub fn look(&mut self, session: &dyn Session, step: u64) -> Result<(Look, Vec<Finding>)> {
        let mut look = match due(step, self.every) {
            true => {
                let since = std::mem::take(&mut self.state.since);
                Look {
                    step,
                    samples: None,
                    d_real: since.mean("d_real"),
                    d_fake: since.mean("d_fake"),
                    loss_d: since.mean("loss_d"),
                    loss_g: since.mean("loss_g"),
                    gradient_d: since.mean("gradient_d"),
                    gradient_g: since.mean("gradient_g"),
                    seen_above_unseen: self.judge(session, step)?,
                    kl: since.mean("kl"),
                    active_units: since.mean("active_units"),
                    out_of_turn: false,
                }
            }
            false => self.lately(step),
        };
        if let Some(reference) = self.reference.as_ref().filter(|_| session.draws()) {
            let samples = session.sample(&SampleRequest::new(SEED, self.samples))?.values;
            if let Some(value) = samples.values.iter().find(|value| !value.is_finite()) {
                let (quantity, value) = ("samples".to_owned(), f64::from(*value));
                return Err(Error::Diverged { quantity, value, step, checkpoint: None });
            }
            let (scores, groups) = reference.score(&samples, &self.state.groups);
            if !look.out_of_turn {
                self.state.groups = groups;
            }
            look.samples = Some(scores);
        }
        let found = self.tell(look.clone());
        Ok((look, found))
    }

    /// Takes note of a look, and gives what is newly found; [`look`](Self::look) does so by itself. Looks that were kept can be told
    /// again, in their order, to a new monitor of the same data and the same steps between looks.
    pub fn tell(&mut self, look: Look) -> Vec<Finding> {
        let (step, in_turn) = (look.step, !look.out_of_turn);
        self.state.out_of_turn += u64::from(look.out_of_turn);
        self.state.series.push(look);
        let found: Vec<Finding> = detectors::all(&self.state.series);
        if in_turn && found.is_empty() && detectors::is_healthy(&self.state.series) {
            self.state.healthy = step;
        }
        let healthy = self.state.healthy;
        let found = found.into_iter().map(|finding| Finding { since: finding.since.min(healthy), ..finding });
        found.filter(|finding| self.state.is_new(finding, step, QUIET * self.every)).collect()
    }

    /// Whether it has looked, and what it looked at says anything.
    pub fn has_seen(&self) -> bool {
        let says =
            |look: &Look| look.samples.is_some() || look.d_real.is_some() || look.loss_g.is_some() || look.kl.is_some();
        self.state.series.looks.iter().any(says)
    }

    /// Whether it has compared samples with real examples.
    pub fn has_compared(&self) -> bool {
        self.state.series.looks.iter().any(|look| look.samples.is_some())
    }

    /// The share of pairs in which the discriminator takes an example that it was trained on for more real than another.
    fn judge(&self, session: &dyn Session, step: u64) -> Result<Option<f64>> {
        let Some([train, unseen]) = &self.judged else { return Ok(None) };
        // Others at each look where there are more, so that chance does not stay.
        let turn = (step / self.every) as usize;
        let (Some(seen), Some(unseen)) =
            (session.judge(&some(train, turn, JUDGED))?, session.judge(&some(unseen, turn, JUDGED))?)
        else {
            return Ok(None);
        };
        let pairs = seen.iter().flat_map(|a| unseen.iter().map(move |b| (a, b)));
        let won: f64 = pairs.map(|(a, b)| if a > b { 1.0 } else { 0.5 * f64::from(u8::from(a == b)) }).sum();
        Ok(Some(won / (seen.len() * unseen.len()) as f64))
    }

    /// Steps of which the newest checkpoint at or before is worth keeping: healing may go back there.
    pub fn worth_keeping(&self) -> [u64; 4] {
        let [overpowering, oscillation, duplicates] = detectors::PATIENT;
        [0, overpowering, oscillation, duplicates]
            .map(|looks| self.state.healthy.saturating_sub(looks.saturating_mul(self.every)))
    }

    /// What a checkpoint keeps of it, as text.
    ///
    /// # Errors
    /// If it cannot be written as TOML.
    pub fn state(&self) -> Result<String> {
        // TOML gives every bit of a number back.
        toml::to_string(&self.state).map_err(|error| {
            let problem = format!("what the monitor has seen cannot be written: {error}");
            Error::usage(problem, "train without it: `--set monitor=off`")
        })
    }

    /// Takes back what [`state`](Self::state) gave; of nothing, it begins anew.
    ///
    /// # Errors
    /// If the text is not what `state` gave.
    pub fn restore(&mut self, text: &str) -> Result<()> {
        let expected = self.state.series.expected.take();
        self.state = match text.is_empty() {
            true => State::default(),
            false => toml::from_str(text).map_err(|error: toml::de::Error| {
                let problem = format!("what the monitor has seen cannot be read: {}", error.message());
                Error::usage(problem, "start a new run with `galatea train --config` and the run's `config.toml`")
            })?,
        };
        self.state.series.expected = expected;
        Ok(())
    }
}

impl State {
    /// Whether this was told as severe, and not so long ago that it would be told again.
    fn is_severe(&self, kind: Kind, step: u64, quiet: u64) -> bool {
        let is_it =
            |active: &Active| active.kind == kind && active.severity == Severity::Severe && step <= active.last + quiet;
        self.active.iter().any(is_it)
    }

    /// Whether this has not been told already, or not so severely. Takes note of it.
    fn is_new(&mut self, finding: &Finding, step: u64, quiet: u64) -> bool {
        match self.active.iter_mut().find(|active| active.kind == finding.kind) {
            Some(active) => {
                let is_new = step > active.last + quiet || finding.severity > active.severity;
                active.severity =
                    if step > active.last + quiet { finding.severity } else { active.severity.max(finding.severity) };
                active.last = step;
                is_new
            }
            None => {
                self.active.push(Active { kind: finding.kind, severity: finding.severity, last: step });
                true
            }
        }
    }
}

/// `count` examples, others for each `turn`.
fn some(batch: &HostBatch, turn: usize, count: usize) -> HostBatch {
    let turns = batch.len() / count;
    let first = (turn % turns.max(1)) * count;
    let rows = first..(first + count).min(batch.len());
    let labels = batch.labels.as_ref().map(|labels| labels[rows.clone()].to_vec());
    HostBatch { values: batch.values.slice_rows(rows), labels }
}

/// 1234567 as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        let _ = text.write_char(digit);
    }
    text
}
