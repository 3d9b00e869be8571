//! Train and resume.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use burn::prelude::Device;
use galatea_data::{Dataset, HostBatch, Split};
use galatea_metrics::Report;
use galatea_models::{Session, registry};
use galatea_train::observers::{JsonLines, Logged, Samples, TensorBoard, readings};
use galatea_train::{Action, Context, End, Event, Feed, Observer, Reading, Run, RunConfig, Summary, Writer};

use crate::evaluation::{self, EvalOptions, Parts};
use crate::request::{DataSettings, Request, Resolved};
use crate::watch::{self, Watch};
use crate::{Generator, Result, page};

/// Tells the random streams of transformations from all others; those of models begin with small numbers.
const AUGMENT: u64 = 0xa6 << 56;

/// How and where to train.
pub struct Surroundings {
    /// The folder in which runs are made: `runs`.
    pub root: PathBuf,
    /// Name of the run; without one, `FAMILY-DATA`.
    pub name: Option<String>,
    /// Where tensors live, see [`device`](crate::device()).
    pub device: Device,
    /// Who is told what happens, beside the files of the run.
    pub observers: Vec<Box<dyn Observer>>,
    /// Set to end the training after the current step, with a checkpoint.
    pub stop: Arc<AtomicBool>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            root: PathBuf::from("runs"),
            name: None,
            device: Device::flex(),
            observers: Vec::new(),
            stop: Arc::new(AtomicBool::new(false)),
        }
    }
}

/// A run after training.
pub struct Trained {
    /// Where everything is.
    pub run: Run,
    /// How it went.
    pub summary: Summary,
    /// The score, unless training was stopped, judging is off, or hardly any examples are held back.
    pub report: Option<Report>,
    /// What the best checkpoint was chosen by, if there is one.
    pub best: Option<Logged>,
    /// The page about the run, unless it was interrupted.
    pub page: Option<Result<PathBuf>>,
    /// The model, ready to be sampled.
    pub generator: Generator,
}

/// Trains with all defaults in `./runs`.
///
/// # Errors
/// Whatever goes wrong with the request, the data, the disk, or the training itself.
pub fn train(request: &Request) -> Result<Trained> {
    train_in(request.resolve()?, Surroundings::default())
}

/// Trains what was resolved: makes a run, trains, judges.
///
/// # Errors
/// As [`train`].
pub fn train_in(resolved: Resolved, surroundings: Surroundings) -> Result<Trained> {
    let config = resolved.config;
    let name = surroundings.name.clone().unwrap_or_else(|| format!("{}-{}", config.family, resolved.data.name()));
    let session = resolved.family.session(&config.model, resolved.data.spec(), config.seed, &surroundings.device)?;
    let run = Run::create(&surroundings.root, &name, &config)?;
    go(session, resolved.data, resolved.data_settings, &config, &resolved.eval, &run, surroundings)
}

/// Goes on with a run from its newest good checkpoint: `reference` is its path, number or name.
///
/// # Errors
/// As [`train`]; also if there is no such run, or the data are no longer the same.
pub fn resume(reference: &str, surroundings: Surroundings) -> Result<Trained> {
    let run = Run::open(&surroundings.root, reference)?.lock()?;
    let config = run.config()?;
    let request = Request { config: Some(run.path().join("config.toml")), ..Request::default() };
    let Resolved { data, data_settings, eval, .. } = request.resolve()?;
    let family = registry::family(&config.family)?;
    let session = family.session(&config.model, data.spec(), config.seed, &surroundings.device)?;
    go(session, data, data_settings, &config, &eval, &run, surroundings)
}

/// Judges the model when all steps are done; the values go to the logs of the run, as those of any metric.
struct Judge {
    data: Arc<dyn Dataset>,
    split: Split,
    eval: EvalOptions,
    verdict: Arc<Mutex<Option<Result<Report>>>>,
}

impl Observer for Judge {
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> galatea_train::Result<Action> {
        // Also what was ended because it became no better is done.
        let Event::Finished { summary: Summary { end: End::Finished | End::Stopped { .. }, .. } } = event else {
            return Ok(Action::Continue);
        };
        let report = evaluation::judge(context.session, &*self.data, &self.split, &self.eval);
        // A run that had been judged when it was resumed has the same values already.
        let known = readings(context.run)?;
        let is_known = |reading: &Reading| {
            let same = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.abs() || (!a.is_finite() && !b.is_finite());
            known.iter().any(|line| {
                let there = &line.reading;
                line.step == context.step && there.metric == reading.metric && same(there.value, reading.value)
            })
        };
        let rows = report.iter().flat_map(|report| &report.rows).map(evaluation::reading);
        let action = Action::Evaluated(rows.filter(|reading| !is_known(reading)).collect());
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(report);
        Ok(action)
    }
}

fn go(
    mut session: Box<dyn Session>,
    data: Arc<dyn Dataset>,
    settings: DataSettings,
    config: &RunConfig,
    eval: &EvalOptions,
    run: &Writer,
    surroundings: Surroundings,
) -> Result<Trained> {
    let parts = Parts::of(&*data, &settings.read);
    let Parts { judged: split, watched } = &parts;
    // What heals is a choice, too: where examples are kept for choices, the monitor looks at those.
    let unseen = if watched.held_back.is_empty() { &split.held_back } else { &watched.held_back };
    let mut feed = Feed::new(data.clone(), split.train.clone())?.with_held_back(unseen.clone());
    if !settings.augment.is_off() {
        let spec = data.spec().clone();
        feed = feed.with_transform(Arc::new(move |seed, first: u64, batch: &mut HostBatch| {
            let streams: Vec<u64> = (first..first + batch.len() as u64).map(|position| AUGMENT | position).collect();
            galatea_data::augment(batch, &spec, &settings.augment, seed, &streams);
        }));
    }
    let mut observers: Vec<Box<dyn Observer>> =
        vec![Box::new(JsonLines::new()), Box::new(TensorBoard::new()), Box::new(Samples)];
    observers.extend(surroundings.observers);
    if eval.every > 0 {
        observers.push(Box::new(Watch::new(&*session, &data, watched, eval, config)?));
    }
    let verdict = Arc::new(Mutex::new(None));
    if eval.samples > 0 && evaluation::can_judge(split) && evaluation::suits(&*session, &*data) {
        // Last, so that the others know that training is over while it works.
        let data = data.clone();
        observers.push(Box::new(Judge { data, split: split.clone(), eval: eval.clone(), verdict: verdict.clone() }));
    }
    let summary = galatea_train::train(&mut *session, &feed, config, run, &mut observers, &surroundings.stop)?;
    let report = verdict.lock().unwrap_or_else(PoisonError::into_inner).take().transpose()?;
    let open = Run::open(Path::new("."), &run.path().to_string_lossy())?;
    let generator = Generator::from_session(session, config.seed, summary.step);
    let best = watch::best(run)?;
    // Someone who interrupts does not want to wait, and a page that cannot be written spoils no training.
    let page = (summary.end != End::Interrupted).then(|| {
        let known = page::Known { data: &*data, parts: &parts, eval };
        page::put(run, None, &page::make(run, &generator, Ok(known))?)
    });
    Ok(Trained { run: open, summary, report, best, page, generator })
}
