//! The loop.

mod healing;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use galatea_data::{HostBatch, write};
use galatea_models::{Demand, Purpose, SampleRequest, Session, StepReport, Turn};

use crate::{
    Context, DataState, Error, Event, Feed, Finding, HealMode, Intervention, Monitor, Observer, Progress, Result,
    RunConfig, Writer, announce, checkpoint, checkpoint::WatchState, config::differences, feed::Prefetch, heal,
    plan::due,
};

/// Seed of the grids of samples. The default of `galatea sample`, so that its first samples are those of the last grid.
pub const PREVIEW_SEED: u64 = 0;

/// Steps that are not timed when `minutes` is turned into `steps`: the first ones fill caches.
const WARM_UP: u64 = 3;
/// Steps that are timed. With what is done only every 2nd, 4th, .. 32nd step in its due share.
const TIMED: u64 = 32;
/// Share of the minutes that is given to steps and grids; the rest is for checkpoints, logs and slower moments.
const SHARE: f64 = 0.96;

/// How training ended, if not with an error.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// All steps are done.
    Finished,
    /// It was told to end from outside, and can be resumed.
    Interrupted,
    /// An observer ended it.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// What [`train`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// How it ended.
    pub end: End,
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Examples that steps were given.
    pub images_seen: u64,
    /// Seconds of training, those before an interruption included.
    pub seconds: f64,
    /// The last checkpoint.
    pub checkpoint: Option<PathBuf>,
    /// Where the last grid of samples goes.
    pub samples: Option<PathBuf>,
    /// Whether the monitor has looked and seen anything to tell by.
    pub was_watched: bool,
    /// Whether it has compared samples with real examples.
    pub was_compared: bool,
    /// What the monitor has found, in all attempts.
    pub findings: Vec<Finding>,
    /// What was done about it.
    pub interventions: Vec<Intervention>,
}

/// Trains `session`, fresh from `config`, until the steps of the plan are done or `stop` is set.
///
/// If the run has checkpoints, training goes on from the newest that is whole, as if it had never been interrupted:
/// same config and data, same bits. With `train.minutes` set, a run without checkpoints first finds out how many steps
/// fit, and writes their number into its config in place of the minutes.
///
/// With the monitor on, training is looked at on the way ([`Monitor`]). With `heal=auto`, a severe finding sends it back to
/// the last checkpoint that was healthy, and on with other settings; that too is a function of config and data.
///
/// # Errors
/// If the run was started with other settings or data, no checkpoint can be read, an example cannot be read, a value
/// becomes infinite or NaN and nothing is left to heal it ([`Error::Diverged`]), something cannot be written, or an observer fails. What was written
/// before stays whole, and observers are told before this returns.
pub fn train(
    session: &mut dyn Session,
    feed: &Feed,
    config: &RunConfig,
    run: &Writer,
    observers: &mut [Box<dyn Observer>],
    stop: &AtomicBool,
) -> Result<Summary> {
    let data = DataState {
        fingerprint: feed.data().fingerprint().to_owned(),
        examples: feed.examples(),
        spec: feed.data().spec().clone(),
    };
    let mut course = Course {
        session,
        feed,
        config: config.clone(),
        run,
        observers,
        stop,
        data,
        began: Instant::now(),
        progress: Progress { step: 0, steps: config.train.steps, images_seen: 0, seconds: 0.0 },
        seconds_before: 0.0,
        monitor: None,
        watch: WatchState::default(),
        saved: None,
        drawn: None,
        stop_reason: None,
    };
    let mut result = course.run();
    if let Err(error) = &mut result {
        course.tell_of(error);
    }
    result
}

/// Training under way.
struct Course<'a> {
    session: &'a mut dyn Session,
    feed: &'a Feed,
    config: RunConfig,
    run: &'a Writer,
    observers: &'a mut [Box<dyn Observer>],
    stop: &'a AtomicBool,
    data: DataState,
    began: Instant,
    progress: Progress,
    seconds_before: f64,
    monitor: Option<Monitor>,
    watch: WatchState,
    /// The last checkpoint and its step.
    saved: Option<(u64, PathBuf)>,
    /// The last grid and its step.
    drawn: Option<(u64, PathBuf)>,
    stop_reason: Option<String>,
}

/// What has become of training.
enum Outcome {
    On,
    Ended(End),
    /// Something is found that going back may heal; with the error, if training cannot go on without.
    Ill(Finding, Option<Error>),
}

impl Course<'_> {
    fn run(&mut self) -> Result<Summary> {
        self.config.train.validate()?;
        self.resume()?;
        self.fix_steps()?;
        self.start_monitor()?;
        if self.is_told_to_stop() {
            return self.end(End::Interrupted);
        }
        let Progress { step: done, steps, .. } = self.progress;
        self.announce(&Event::Started { done, steps })?;
        // What an observer has ended before stays ended.
        if let Some(reason) = self.stop_reason.take() {
            return self.end(End::Stopped { reason });
        }
        loop {
            match self.stretch()? {
                Outcome::Ended(end) => return self.end(end),
                Outcome::Ill(finding, error) => {
                    if let (false, Some(error)) = (self.heal(&finding)?, error) {
                        return Err(error);
                    }
                }
                Outcome::On => {}
            }
        }
    }

    /// Trains until the last step, or until it has to go back.
    fn stretch(&mut self) -> Result<Outcome> {
        let Progress { step: done, steps, .. } = self.progress;
        let demand = self.session.demand();
        let mut feed = Prefetch::start(self.feed, self.config.seed, done + 1..=steps, demand);
        let mut pace = Pace::start();
        for step in done + 1..=steps {
            let batches = feed.next()?;
            match self.advance(step, &batches, demand, &mut pace).or_else(|error| self.divergence(error))? {
                Outcome::On => {}
                turn => return Ok(turn),
            }
        }
        Ok(Outcome::Ended(End::Finished))
    }

    /// One step, and what is due after it.
    fn advance(&mut self, step: u64, batches: &[HostBatch], demand: Demand, pace: &mut Pace) -> Result<Outcome> {
        let steps = self.progress.steps;
        let report = self.session.step(Turn { seed: self.config.seed, step, steps }, batches)?;
        self.progress.step = step;
        let seen = self.feed.batch_len(demand) * demand.batches;
        self.progress.images_seen += seen as u64;
        self.check(&report)?;
        let seconds_per_step = pace.tick();
        self.announce(&Event::Step {
            report: &report,
            images_per_second: seen as f64 / seconds_per_step,
            seconds_left: (steps - step) as f64 * seconds_per_step,
        })?;
        if let Some(finding) = self.look(&report)? {
            return Ok(Outcome::Ill(finding, None));
        }
        if step == 1 || due(step, self.config.train.sample_every) {
            self.draw()?;
        }
        if due(step, self.config.train.checkpoint_every) {
            self.save()?;
        }
        if step == steps {
            return Ok(Outcome::Ended(End::Finished));
        }
        if self.is_told_to_stop() {
            return Ok(Outcome::Ended(End::Interrupted));
        }
        if let Some(reason) = self.stop_reason.take() {
            return Ok(Outcome::Ended(End::Stopped { reason }));
        }
        Ok(Outcome::On)
    }

    /// Goes to where the newest whole checkpoint was, if there is one.
    fn resume(&mut self) -> Result<()> {
        let newest = checkpoint::newest(self.run, None)?;
        let before = self.run.config()?;
        // A checkpoint of an earlier version may not say all that the run's own settings do.
        let mut there = before.determining();
        there.extend(newest.checkpoint.iter().flat_map(|found| found.state.config.clone()));
        let differences = differences(&there, &self.config.determining());
        if !differences.is_empty() {
            return Err(Error::OtherConfig { run: self.run.path().to_owned(), differences });
        }
        if let Some(found) = newest.checkpoint {
            let state = found.state;
            if state.data.fingerprint != self.data.fingerprint {
                return Err(Error::OtherData { run: self.run.path().to_owned() });
            }
            self.watch = state.watch;
            if !self.watch.interventions.is_empty() {
                let mut settings = self.config.model.clone();
                heal::apply(&mut settings, &self.watch.interventions);
                self.session.restart(&settings)?;
            }
            self.session.load(&found.parts, Purpose::Training)?;
            self.progress = Progress { step: state.step, steps: state.steps, ..self.progress };
            (self.progress.images_seen, self.seconds_before) = (state.images_seen, state.seconds);
            self.saved = Some((state.step, found.path));
            let path = self.sample_path(state.step);
            self.drawn = path.is_file().then_some((state.step, path));
            // What fits the minutes was found out when the run began.
            self.config.train.minutes = None;
        }
        if before != self.config {
            self.run.write_config(&self.config)?;
        }
        for problem in newest.skipped {
            let step = self.progress.step;
            self.announce(&Event::Warning { text: &format!("{problem}; going on from step {step}") })?;
        }
        Ok(())
    }

    /// Turns minutes into steps: times some steps, puts the model back, and writes the number into the config.
    fn fix_steps(&mut self) -> Result<()> {
        let Some(minutes) = self.config.train.minutes else {
            return match self.progress.steps {
                0 => Err(Error::usage("`train.steps` is 0", "set `train.steps` or `train.minutes`")),
                _ => Ok(()),
            };
        };
        let fresh = self.session.parts();
        let seconds_per_step = self.time_steps(minutes * 60.0)?;
        let drawing = Instant::now();
        if self.session.draws() {
            self.session.sample(&self.preview())?;
        }
        let seconds_per_grid = drawing.elapsed().as_secs_f64();
        self.session.load(&fresh, Purpose::Training)?;
        let Some(seconds_per_step) = seconds_per_step else {
            return Ok(());
        };
        let plan = &mut self.config.train;
        let per_step = match plan.sample_every {
            0 => seconds_per_step,
            every => seconds_per_step + seconds_per_grid / every as f64,
        };
        let left = minutes * 60.0 * SHARE - self.began.elapsed().as_secs_f64() - 2.0 * seconds_per_grid;
        plan.steps = ((left / per_step) as u64).max(1);
        plan.minutes = None;
        self.progress.steps = plan.steps;
        self.run.write_config(&self.config)?;
        let milliseconds = seconds_per_step * 1e3;
        self.announce(&Event::Calibrated { minutes, steps: self.progress.steps, milliseconds })
    }

    /// Seconds per step, over some steps that take at most a tenth of the budget if they can; `None` if told to stop.
    fn time_steps(&mut self, budget_seconds: f64) -> Result<Option<f64>> {
        let last = WARM_UP + TIMED;
        let seed = self.config.seed;
        let mut feed = Prefetch::start(self.feed, seed, 1..=last, self.session.demand());
        let mut timing = Instant::now();
        for step in 1..=last {
            let batches = feed.next()?;
            // A run in small, as steps of its parts may take different times.
            let turn = Turn { seed, step, steps: last };
            self.session.step(turn, &batches)?;
            if step == WARM_UP {
                timing = Instant::now();
            }
            if self.is_told_to_stop() {
                return Ok(None);
            }
            let is_long = self.began.elapsed().as_secs_f64() > budget_seconds / 10.0;
            if step > WARM_UP && (is_long || step == last) {
                return Ok(Some(timing.elapsed().as_secs_f64() / (step - WARM_UP) as f64));
            }
        }
        Ok(None)
    }

    fn is_told_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Fails at the first value of a step that is not finite.
    fn check(&self, report: &StepReport) -> Result<()> {
        match report.scalars.iter().find(|(_, value)| !value.is_finite()) {
            Some((name, value)) => Err(self.diverged(name, *value)),
            None => Ok(()),
        }
    }

    fn diverged(&self, quantity: &str, value: f64) -> Error {
        Error::Diverged { quantity: quantity.to_owned(), value, step: self.progress.step, checkpoint: None }
    }

    /// Where what is drawn after `step` goes: a picture, unless such data are shown otherwise.
    fn sample_path(&self, step: u64) -> PathBuf {
        self.run.sample_path(step).with_extension(write::overview_ending(self.session.spec()))
    }

    fn preview(&self) -> SampleRequest {
        SampleRequest::new(PREVIEW_SEED, self.config.train.preview)
    }

    fn draw(&mut self) -> Result<()> {
        if !self.session.draws() {
            return Ok(());
        }
        let step = self.progress.step;
        let samples = self.session.sample(&self.preview())?;
        if let Some(value) = samples.values.values.iter().find(|value| !value.is_finite()) {
            return Err(self.diverged("samples", f64::from(*value)));
        }
        let path = self.sample_path(step);
        let columns = self.config.train.preview_columns();
        self.announce(&Event::Sampled { samples: &samples, columns, path: &path })?;
        self.drawn = Some((step, path));
        Ok(())
    }

    fn save(&mut self) -> Result<()> {
        self.progress.seconds = self.seconds();
        let parts = self.session.parts();
        self.watch.monitor = self.monitor.as_ref().map(Monitor::state).transpose()?.unwrap_or_default();
        let about = (&self.data, &self.watch);
        let path = checkpoint::save(self.run, &self.progress, &self.config, about, &parts)?;
        self.saved = Some((self.progress.step, path.clone()));
        self.prune()?;
        self.announce(&Event::Checkpointed { path: &path })
    }

    /// Removes checkpoints that are not kept.
    fn prune(&mut self) -> Result<()> {
        let also = match (&self.monitor, self.config.heal.mode) {
            (Some(monitor), HealMode::Auto) => Some(monitor.worth_keeping()),
            _ => None,
        };
        let also = also.as_ref().map(|steps| &steps[..]);
        if let Err(error) = checkpoint::prune(self.run, self.progress.step, &self.config.train, also) {
            self.announce(&Event::Warning { text: &error.to_string() })?;
        }
        Ok(())
    }

    fn end(&mut self, end: End) -> Result<Summary> {
        let step = self.progress.step;
        let is_at = |last: &Option<(u64, PathBuf)>| last.as_ref().is_some_and(|(at, _)| *at == step);
        // Someone who interrupts does not want to wait for pictures.
        if step > 0 && end != End::Interrupted && !is_at(&self.drawn) {
            self.draw()?;
        }
        if step > 0 && !is_at(&self.saved) {
            self.save()?;
        }
        let summary = Summary {
            end,
            step,
            steps: self.progress.steps,
            images_seen: self.progress.images_seen,
            seconds: self.seconds(),
            checkpoint: self.saved.as_ref().map(|(_, path)| path.clone()),
            samples: self.drawn.as_ref().map(|(_, path)| path.clone()),
            was_watched: self.monitor.as_ref().is_some_and(Monitor::has_seen),
            was_compared: self.monitor.as_ref().is_some_and(Monitor::has_compared),
            findings: self.watch.findings.clone(),
            interventions: self.watch.interventions.clone(),
        };
        self.announce(&match summary.end {
            End::Interrupted => Event::Interrupted { checkpoint: summary.checkpoint.as_deref() },
            End::Finished | End::Stopped { .. } => Event::Finished { summary: &summary },
        })?;
        Ok(summary)
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.began.elapsed().as_secs_f64()
    }

    fn announce(&mut self, event: &Event<'_>) -> Result<()> {
        let (seconds, before) = (self.seconds(), &self.watch.interventions);
        let context = context(&*self.session, self.run, &self.config, &self.progress, seconds, before);
        let reason = announce(self.observers, event, &context)?;
        self.stop_reason = self.stop_reason.take().or(reason);
        Ok(())
    }

    /// Tells every observer why training ends, whatever they answer.
    fn tell_of(&mut self, error: &mut Error) {
        let last_good = self.saved.as_ref().map(|(_, path)| path.clone());
        if let Error::Diverged { checkpoint, .. } = error {
            *checkpoint = last_good;
        }
        let text = error.to_string();
        let event = match error {
            Error::Diverged { quantity, value, checkpoint, .. } => {
                Event::Diverged { quantity, value: *value, checkpoint: checkpoint.as_deref() }
            }
            _ => Event::Failed { text: &text },
        };
        let (seconds, before) = (self.seconds(), &self.watch.interventions);
        let context = context(&*self.session, self.run, &self.config, &self.progress, seconds, before);
        for observer in self.observers.iter_mut() {
            // There is an error already, and it is the one to tell.
            let _ = observer.observe(&event, &context);
        }
    }
}

fn context<'a>(
    session: &'a dyn Session,
    run: &'a Writer,
    config: &'a RunConfig,
    progress: &Progress,
    seconds: f64,
    interventions: &'a [Intervention],
) -> Context<'a> {
    let Progress { step, images_seen, .. } = *progress;
    let attempt = interventions.len();
    Context { session, run, plan: &config.train, step, images_seen, seconds, attempt, interventions }
}

/// The time of a step, smoothed over about 50.
struct Pace {
    last: Instant,
    steps: u32,
    seconds_per_step: f64,
}

impl Pace {
    fn start() -> Self {
        Self { last: Instant::now(), steps: 0, seconds_per_step: 0.0 }
    }

    /// A step is done. Gives the seconds per step, grids and checkpoints included.
    fn tick(&mut self) -> f64 {
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64();
        self.last = now;
        self.steps = (self.steps + 1).min(50);
        self.seconds_per_step += (seconds - self.seconds_per_step) / f64::from(self.steps);
        // A clock may not tell the shortest of steps from nothing.
        self.seconds_per_step.max(1e-9)
    }
}
