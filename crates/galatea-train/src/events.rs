//! What training has to tell, and who listens.

use std::path::Path;

use galatea_data::HostBatch;
use galatea_models::{Session, StepReport};
use serde::{Deserialize, Serialize};

use crate::{Finding, Intervention, Look, Plan, Result, Summary, Writer};

/// Something that happened in training. The enum is closed: an observer that matches on all of them is told by the
/// compiler when there is a new one.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Training begins, or goes on.
    Started {
        /// Steps that were done before: 0, or those of the checkpoint that was read.
        done: u64,
        /// Steps of the whole run.
        steps: u64,
    },
    /// Steps were timed to find out how many fit the minutes.
    Calibrated {
        /// What was asked for.
        minutes: f64,
        /// Steps that fit.
        steps: u64,
        /// Milliseconds that a step takes.
        milliseconds: f64,
    },
    /// A step is done.
    Step {
        /// What the model says of it.
        report: &'a StepReport,
        /// Examples trained on per second, smoothed over some steps.
        images_per_second: f64,
        /// Seconds until the last step, at the present speed.
        seconds_left: f64,
    },
    /// Samples were drawn from the fixed seeds.
    Sampled {
        /// The samples.
        samples: &'a HostBatch,
        /// How many of them are put in a row.
        columns: usize,
        /// Where the picture of them goes.
        path: &'a Path,
    },
    /// A checkpoint is in place.
    Checkpointed {
        /// Its folder.
        path: &'a Path,
    },
    /// Something that the user should know.
    Warning {
        /// What, and what was done about it.
        text: &'a str,
    },
    /// The result was judged.
    Evaluated {
        /// One value.
        reading: &'a Reading,
    },
    /// The monitor has looked at the model.
    Looked {
        /// What it has measured.
        look: &'a Look,
    },
    /// The monitor has found something wrong.
    Found {
        /// What, how bad it is, and how one can tell.
        finding: &'a Finding,
    },
    /// Training has gone back to a healthy checkpoint, and goes on with other settings.
    Healed {
        /// What was done, and why.
        intervention: &'a Intervention,
    },
    /// A value that must be finite is not; training ends with an error.
    Diverged {
        /// The scalar, or the array of a part.
        quantity: &'a str,
        /// What it became.
        value: f64,
        /// The last good checkpoint.
        checkpoint: Option<&'a Path>,
    },
    /// Training ends because it was told to from outside; a checkpoint is in place if a step was done.
    Interrupted {
        /// The checkpoint.
        checkpoint: Option<&'a Path>,
    },
    /// Training ends with another error.
    Failed {
        /// The error's text.
        text: &'a str,
    },
    /// All steps are done, or an observer has stopped training.
    Finished {
        /// What was done.
        summary: &'a Summary,
    },
}

/// What an observer may look at while it is told of an event.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The model.
    pub session: &'a dyn Session,
    /// The run, and the right to write to it.
    pub run: &'a Writer,
    /// The plan, with its number of steps.
    pub plan: &'a Plan,
    /// Steps done.
    pub step: u64,
    /// Examples that steps were given.
    pub images_seen: u64,
    /// Seconds of training, those before an interruption included.
    pub seconds: f64,
    /// Which attempt this is: 0, and one more for each time that training went back to heal.
    pub attempt: usize,
    /// What was done to heal so far. Settings of the model are those of the configuration with these changes.
    pub interventions: &'a [Intervention],
}

/// What an observer wants to happen.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Go on.
    #[default]
    Continue,
    /// End training after this event, with a checkpoint; unless training goes back just then, to be healed.
    Stop {
        /// Why.
        reason: String,
    },
    /// Tell every observer of these values: each becomes an [`Event::Evaluated`].
    Evaluated(Vec<Reading>),
}

/// A value of a metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// Name of the metric, which states its protocol.
    pub metric: String,
    /// The value; `null` in JSON, and NaN when read again, if it is not finite.
    #[serde(deserialize_with = "number_or_nan")]
    pub value: f64,
    /// What the value would be within in 95 of 100 cases, with other samples and other real examples.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "numbers_or_none")]
    pub interval: Option<[f64; 2]>,
    /// The same between two halves of the real data: what a perfect model would have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
    /// The same between noise and the real data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<f64>,
    /// Which values are good: `lower`, `higher` or `like-real`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub better: Option<String>,
    /// SHA-256 of what the features are computed with that the value rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features_hash: Option<String>,
    /// Whether it is the best so far of those that checkpoints are chosen by.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub best: bool,
}

/// An interval with an end that is not finite is none.
fn numbers_or_none<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<[f64; 2]>, D::Error> {
    let ends = Option::<[Option<f64>; 2]>::deserialize(deserializer)?;
    Ok(ends.and_then(|[from, to]| Some([from?, to?])))
}

fn number_or_nan<'de, D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// Someone who is told of everything that happens in training: a progress bar, a log, a monitor.
pub trait Observer: Send {
    /// Takes note of `event`. Called for every step, so it must be quick for most.
    ///
    /// # Errors
    /// If it cannot do its work, such as writing to a full disk; training ends then.
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> Result<Action>;
}

/// Tells all observers of `event`, and of the readings that they answer with. Gives the first reason to stop. Readings
/// in answer to readings are dropped.
///
/// # Errors
/// The first error of an observer.
pub fn announce(
    observers: &mut [Box<dyn Observer>],
    event: &Event<'_>,
    context: &Context<'_>,
) -> Result<Option<String>> {
    let (mut reason, readings) = tell(observers, event, context)?;
    for reading in &readings {
        let (given, _) = tell(observers, &Event::Evaluated { reading }, context)?;
        reason = reason.or(given);
    }
    Ok(reason)
}

fn tell(
    observers: &mut [Box<dyn Observer>],
    event: &Event<'_>,
    context: &Context<'_>,
) -> Result<(Option<String>, Vec<Reading>)> {
    let mut reason = None;
    let mut readings = Vec::new();
    for observer in observers.iter_mut() {
        match observer.observe(event, context)? {
            Action::Continue => {}
            Action::Stop { reason: given } => reason = reason.or(Some(given)),
            Action::Evaluated(values) => readings.extend(values),
        }
    }
    Ok((reason, readings))
}
