//! Judging while training: by examples that are held back for it, so that those of the final score have no part in the choice
//! of a checkpoint.

use std::sync::Arc;

use galatea_data::{DataSpec, Dataset, Split};
use galatea_metrics::likelihood::first;
use galatea_metrics::metric::{Better, Number};
use galatea_metrics::{Gauge, Reference, Row};
use galatea_models::{SampleRequest, Session};
use galatea_train::checkpoint::{self, WatchState};
use galatea_train::observers::{Logged, readings};
use galatea_train::{Action, Context, DataState, Event, Observer, Progress, Reading, Run, RunConfig};

use crate::evaluation::{EvalOptions, evenly, overlap_of, shuffled};
use crate::{Error, Result, likelihood};

/// Before the names of numbers that were measured while training, by examples held back for it.
pub const VALIDATION: &str = "validation-";

/// Fewer examples than this are no ground to choose by.
pub(crate) const LEAST: usize = 10;

/// Judges every so many steps, and keeps the best checkpoint. What it does at a step depends on the weights of that step and
/// on what the run's `metrics.jsonl` says of earlier ones, so that it goes on after a kill as if there had been none.
pub(crate) struct Watch {
    every: u64,
    /// Judgements in a row that are no better than the best, after which training ends; 0 for never.
    patience: u64,
    by: By,
    config: RunConfig,
    data: DataState,
    best: Option<f64>,
    /// Judgements since the best one, or since something was healed.
    since: u64,
}

/// What is measured.
enum By {
    /// Samples, by a metric.
    Samples { gauge: Box<Gauge>, request: SampleRequest },
    /// How likely the model takes these examples to be.
    Likelihood { data: Arc<dyn Dataset>, examples: Vec<usize>, most: usize },
}

impl By {
    /// The number and which of its values are good.
    fn number(&self) -> &'static Number {
        match self {
            Self::Samples { gauge, .. } => gauge.number(),
            Self::Likelihood { data, .. } => first(data.spec()),
        }
    }

    fn read(&self, session: &dyn Session) -> Result<Row> {
        match self {
            Self::Samples { gauge, request } => Ok(gauge.read(&session.sample(request)?.values)?),
            Self::Likelihood { data, examples, most } => {
                let told = likelihood::read(session, &**data, examples, *most)?;
                Ok(told.rows(data.spec()).swap_remove(0))
            }
        }
    }
}

impl Watch {
    /// `split` is what is trained on, and what is held back to choose by.
    ///
    /// # Errors
    /// If too little is held back, or the number cannot be had from such data.
    pub(crate) fn new(
        session: &dyn Session,
        data: &Arc<dyn Dataset>,
        split: &Split,
        eval: &EvalOptions,
        config: &RunConfig,
    ) -> Result<Self> {
        check(split)?;
        if !session.draws() {
            return Err(Error::usage(
                format!("`eval.every` judges samples, and `{}` draws none", session.info().name),
                "leave it out: the newest checkpoint is taken",
            ));
        }
        let state = DataState {
            fingerprint: data.fingerprint().to_owned(),
            examples: split.train.len(),
            spec: session.spec().clone(),
        };
        let by = match likelihood::is_way_of(data.spec()) {
            true => By::Likelihood { data: data.clone(), examples: split.held_back.clone(), most: samples_of(eval) },
            false => Self::by_samples(&**data, split, eval)?,
        };
        let config = config.clone();
        Ok(Self { every: eval.every, patience: eval.patience, by, config, data: state, best: None, since: 0 })
    }

    fn by_samples(data: &dyn Dataset, split: &Split, eval: &EvalOptions) -> Result<By> {
        let count = samples_of(eval).min(split.held_back.len());
        let real = evenly(data, &split.held_back, count)?;
        let seen = shuffled(&evenly(data, &split.train, count)?);
        let features = eval.open_features(data, &split.train)?;
        let overlap = overlap_of(data, split.held_back.len(), count);
        let reference =
            Reference { spec: data.spec(), held_back: &real, overlap, train: Some(&seen), features, modes: None };
        let mut shape = real.shape.clone();
        shape[0] = count;
        let gauge = Gauge::new(&eval.metric, shape, reference)?;
        // Other samples than those of the final score.
        let request = SampleRequest::new(eval.seed.wrapping_add(1), count as u64);
        Ok(By::Samples { gauge: Box::new(gauge), request })
    }

    fn is_best(&self, value: f64) -> bool {
        let is_better = |best: f64| match self.by.number().better {
            Better::Higher => value > best,
            Better::Lower | Better::LikeReal => value < best,
        };
        value.is_finite() && self.best.is_none_or(is_better)
    }

    /// Whether it is worth going on.
    fn verdict(&self) -> Action {
        let (name, since) = (self.by.number().name, self.since);
        match self.patience {
            patience if patience > 0 && since >= patience => {
                Action::Stop { reason: format!("`{name}` has not become better in {since} judgements") }
            }
            _ => Action::Continue,
        }
    }

    fn judge(&mut self, context: &Context<'_>) -> galatea_train::Result<Reading> {
        let row = self.by.read(context.session).map_err(for_training)?;
        let best = self.is_best(row.value);
        self.since += 1;
        if best {
            (self.best, self.since) = (Some(row.value), 0);
            let Context { step, images_seen, seconds, plan, .. } = *context;
            let progress = Progress { step, steps: plan.steps, images_seen, seconds };
            let config = RunConfig { train: plan.clone(), ..self.config.clone() };
            // What was done to heal is part of what the model is.
            let watch = WatchState { interventions: context.interventions.to_vec(), ..WatchState::default() };
            let parts = context.session.parts();
            checkpoint::save_best(context.run, &progress, &config, (&self.data, &watch), &parts)?;
        }
        let reading = crate::evaluation::reading(&row);
        Ok(Reading { metric: format!("{VALIDATION}{}", reading.metric), best, ..reading })
    }
}

impl Observer for Watch {
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> galatea_train::Result<Action> {
        match event {
            Event::Started { done, steps } => {
                let name = format!("{VALIDATION}{}-", self.by.number().name);
                // What came after the checkpoint is gone from the file by now.
                let mut before = readings(context.run)?;
                before.retain(|line| line.reading.metric.starts_with(&name));
                let best = before.iter().rposition(|line| line.reading.best);
                self.best = best.map(|at| before[at].reading.value);
                let since = &before[best.map_or(0, |at| at + 1)..];
                self.since = since.iter().filter(|line| line.attempt == context.attempt).count() as u64;
                return Ok(if done < steps { self.verdict() } else { Action::Continue });
            }
            // What goes on with other settings is given its time.
            Event::Healed { .. } => self.since = 0,
            Event::Step { .. } if context.step.is_multiple_of(self.every) || context.step == context.plan.steps => {
                return Ok(Action::Evaluated(vec![self.judge(context)?]));
            }
            Event::Evaluated { reading } if reading.metric.starts_with(VALIDATION) => return Ok(self.verdict()),
            _ => {}
        }
        Ok(Action::Continue)
    }
}

/// What `checkpoints/best` of a run was chosen by, if it was watched.
///
/// # Errors
/// If its `metrics.jsonl` cannot be read.
pub fn best(run: &Run) -> Result<Option<Logged>> {
    Ok(readings(run)?.into_iter().rfind(|line| line.reading.best))
}

/// Whether the number is one to choose checkpoints by.
///
/// # Errors
/// If not.
pub(crate) fn check_metric(eval: &EvalOptions, spec: &DataSpec) -> Result<()> {
    if likelihood::is_way_of(spec) {
        if eval.metric != "auto" && eval.metric != first(spec).name {
            return Err(Error::usage(
                format!("`eval.metric`: no checkpoint of {} can be chosen by `{}`", spec.kind(), eval.metric),
                format!("leave it out, or write `{}`", first(spec).name),
            ));
        }
    } else if eval.metric != "auto"
        && let Err(error) = galatea_metrics::choosing(&eval.metric)
    {
        return Err(Error::Usage { problem: format!("`eval.metric`: {error}"), hint: error.hint() });
    }
    Ok(())
}

/// Whether there is enough to choose by.
///
/// # Errors
/// If not.
pub(crate) fn check(split: &Split) -> Result<()> {
    let held_back = split.held_back.len();
    if held_back < LEAST {
        return Err(Error::usage(
            format!(
                "`eval.every` needs {LEAST} examples or more to choose checkpoints by, and {held_back} are held back"
            ),
            "hold back more in a new run with `--set data.validation=0.2`, or leave `eval.every` out",
        ));
    }
    Ok(())
}

/// How many samples, or stretches of text, are judged.
fn samples_of(eval: &EvalOptions) -> usize {
    if eval.samples == 0 { EvalOptions::default().samples } else { eval.samples }
}

/// An error of judging as one of the training that it ends.
fn for_training(error: Error) -> galatea_train::Error {
    use galatea_metrics::Error as Metrics;
    match error {
        Error::Data(error) | Error::Metrics(Metrics::Data(error)) => error.into(),
        Error::Model(error) | Error::Metrics(Metrics::Model(error)) => error.into(),
        other => galatea_train::Error::usage(other.to_string(), other.hint().unwrap_or_default()),
    }
}
