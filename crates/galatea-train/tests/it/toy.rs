//! A model that is quick to train, and data for it.

use std::{
    path::Path,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use galatea_data::{DataSpec, Dataset, HostBatch, HostTensor, ImageSpec, settings};
use galatea_models::{
    Demand, Entry, Error, Family, Info, Model, Part, Purpose, Result, SampleRequest, Session, StepReport, Turn,
};
use galatea_train::{
    Action, Context, DataConfig, Event, Feed, HealOptions, MonitorOptions, Observer, Plan, Run, RunConfig, Summary,
    Writer, monitor::Switch, observers,
};
use toml::Table;

settings! {
    /// Settings of the toy.
    pub(crate) struct ToyConfig {
        /// Values in the average.
        rate: f64 = 0.1, in 0.0..=1.0;
        /// Milliseconds that a step takes.
        milliseconds: u64 = 0;
        /// A scalar is NaN at this step.
        nan_at: u64 = 0;
        /// A weight is infinite from this step on.
        infinite_at: u64 = 0;
    }
}

/// Averages of the pictures, which depend on all that a step is given, and on all steps before it.
pub(crate) struct Toy {
    config: ToyConfig,
    spec: DataSpec,
    mean: Vec<f32>,
    moment: Vec<f32>,
}

pub(crate) static TOY: Entry<Toy> = Entry::new();

impl Model for Toy {
    const INFO: Info = Info {
        name: "toy",
        summary: "averages",
        paper: "none",
        differs: "nothing",
        modalities: &["images"],
        abilities: &[],
    };
    const STEPS: u64 = 100;
    type Config = ToyConfig;

    fn check(_: &ToyConfig, _: &DataSpec) -> Result<()> {
        Ok(())
    }

    fn new(config: &ToyConfig, spec: &DataSpec, seed: u64, _: &burn::prelude::Device) -> Result<Self> {
        let mean = (0..spec.elements()).map(|i| ((i as f32 + 1.0) * (seed as f32 + 0.5)).sin()).collect();
        Ok(Self { config: config.clone(), spec: spec.clone(), mean, moment: vec![0.0; spec.elements()] })
    }

    fn demand(&self) -> Demand {
        Demand { batch: 7, batches: 2 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        assert_eq!(batches.len(), 2);
        std::thread::sleep(Duration::from_millis(self.config.milliseconds));
        let rate = self.config.rate as f32 * (1.0 - turn.progress() as f32) + turn.seed as f32 * 1e-6;
        for batch in batches {
            for i in 0..batch.len() {
                for ((mean, moment), value) in self.mean.iter_mut().zip(&mut self.moment).zip(batch.values.row(i)) {
                    *moment = 0.9 * *moment + (value - *mean);
                    *mean += rate * *moment * 0.1;
                }
            }
        }
        if self.config.infinite_at > 0 && turn.step >= self.config.infinite_at {
            self.moment[3] = f32::INFINITY;
        }
        let loss = if turn.step == self.config.nan_at { f64::NAN } else { f64::from(self.moment[0]) };
        Ok(StepReport { scalars: vec![("fine", 0.5), ("loss", loss)] })
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        let noise = |i: u64| ((i as f32 + request.seed as f32) * 0.7).sin() * 0.1;
        let values = request.range.clone().flat_map(|i| self.mean.iter().map(move |mean| (mean + noise(i)).min(1.0)));
        let shape: Vec<usize> =
            std::iter::once((request.range.end - request.range.start) as usize).chain(self.spec.shape()).collect();
        Ok(HostBatch { values: HostTensor::new(shape, values.collect()), labels: None })
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn parts(&self) -> Vec<Part> {
        let part = |name: &str, values: &[f32]| Part {
            name: name.to_owned(),
            tensors: vec![("values".into(), HostTensor::new([values.len()], values.to_vec()))],
        };
        vec![part("mean", &self.mean), part("moment", &self.moment)]
    }

    fn sampling_part(&self) -> &'static str {
        "mean"
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        let find = |name: &str| -> Result<Vec<f32>> {
            let part = parts.iter().find(|part| part.name == name).ok_or_else(|| Error::weights(name, "missing"))?;
            Ok(part.tensors[0].1.values.clone())
        };
        self.mean = find("mean")?;
        if purpose == Purpose::Training {
            self.moment = find("moment")?;
        }
        Ok(())
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("mean", self.mean.len())]
    }
}

/// Pictures, of 8 by 8 if nothing else is said.
pub(crate) struct ToyData {
    pub(crate) spec: DataSpec,
    pub(crate) len: usize,
    /// An example that cannot be read.
    pub(crate) broken: Option<usize>,
}

impl ToyData {
    pub(crate) fn new(len: usize) -> Self {
        let image = ImageSpec { channels: 1, height: 8, width: 8, classes: Vec::new() };
        Self { spec: DataSpec::Images(image), len, broken: None }
    }
}

impl Dataset for ToyData {
    fn name(&self) -> &str {
        "toy"
    }

    fn spec(&self) -> &DataSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.len
    }

    fn batch(&self, indices: &[usize]) -> galatea_data::Result<HostBatch> {
        if indices.iter().any(|index| Some(*index) == self.broken) {
            return Err(galatea_data::Error::invalid("toy.png", "it is broken"));
        }
        let length = self.spec.elements();
        let values = indices.iter().flat_map(|i| (0..length).map(move |j| ((i * length + j) as f32 * 0.37).sin()));
        let shape: Vec<usize> = std::iter::once(indices.len()).chain(self.spec.shape()).collect();
        Ok(HostBatch { values: HostTensor::new(shape, values.collect()), labels: None })
    }

    fn label(&self, _: usize) -> Option<u32> {
        None
    }

    fn fingerprint(&self) -> &str {
        if self.len == 50 { "fifty" } else { "other" }
    }
}

/// A config for `steps` steps, with more of `[train]` and `[model]`.
pub(crate) fn config(steps: u64, train: &str, model: &str) -> RunConfig {
    let mut plan: Plan = settings::overlay("train", &train.parse().unwrap()).unwrap();
    plan.steps = steps;
    let spec = ToyData::new(1).spec().clone();
    RunConfig {
        galatea: "0".into(),
        family: "toy".into(),
        seed: 5,
        data: DataConfig { source: "toy".into(), options: Table::new() },
        train: plan,
        model: TOY.resolve(&model.parse().unwrap(), &spec).unwrap(),
        eval: Table::new(),
        // The toy's samples are all alike.
        monitor: MonitorOptions { mode: Switch::Off, ..MonitorOptions::default() },
        heal: HealOptions::default(),
    }
}

pub(crate) fn session(config: &RunConfig) -> Box<dyn Session> {
    TOY.session(&config.model, ToyData::new(1).spec(), config.seed, &burn::prelude::Device::default()).unwrap()
}

pub(crate) fn feed() -> Feed {
    Feed::new(Arc::new(ToyData::new(50)), (0..50).filter(|i| i % 9 != 0).collect()).unwrap()
}

/// Names of what happened, and an end at a step without a word, as of a kill.
#[derive(Clone, Default)]
pub(crate) struct Witness {
    pub(crate) seen: Arc<Mutex<Vec<String>>>,
    pub(crate) die_after: Option<u64>,
    /// An event that it does not survive: training goes back, or the first of this name after that.
    pub(crate) die_at: Option<&'static str>,
}

impl Witness {
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.seen().iter().any(|seen| seen.contains(text))
    }
}

impl Observer for Witness {
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> galatea_train::Result<Action> {
        let text = match event {
            Event::Step { .. } if Some(context.step) == self.die_after => {
                return Err(galatea_train::Error::usage("killed", ""));
            }
            Event::Step { .. } => return Ok(Action::Continue),
            Event::Started { done, steps } => format!("started {done}/{steps}"),
            Event::Calibrated { .. } => "calibrated".into(),
            Event::Sampled { .. } => format!("sampled {}", context.step),
            Event::Checkpointed { path } => format!("checkpointed {}", path.file_name().unwrap().display()),
            Event::Warning { text } => format!("warning {text}"),
            Event::Evaluated { reading } => format!("evaluated {}", reading.metric),
            Event::Looked { .. } => return Ok(Action::Continue),
            Event::Found { finding } => format!("found {} at {}", finding.kind.name(), finding.step),
            Event::Healed { intervention } => format!("back to {}", intervention.back_to),
            Event::Diverged { quantity, checkpoint, .. } => {
                format!("diverged {quantity} {:?}", checkpoint.and_then(|path| path.file_name()))
            }
            Event::Interrupted { .. } => "interrupted".into(),
            Event::Failed { text } => format!("failed {text}"),
            Event::Finished { .. } => "finished".into(),
        };
        let is_due = |event: &str| text.starts_with(event) && (event == "back to" || self.has("back to"));
        if self.die_at.is_some_and(is_due) {
            return Err(galatea_train::Error::usage("killed", ""));
        }
        self.seen.lock().unwrap().push(text);
        Ok(Action::Continue)
    }
}

/// Trains a fresh session with the observers of a real run and `witness`.
pub(crate) fn train(run: &Writer, config: &RunConfig, witness: &Witness) -> galatea_train::Result<Summary> {
    let mut session = session(config);
    train_session(&mut *session, run, config, witness, &AtomicBool::new(false))
}

pub(crate) fn train_session(
    session: &mut dyn Session,
    run: &Writer,
    config: &RunConfig,
    witness: &Witness,
    stop: &AtomicBool,
) -> galatea_train::Result<Summary> {
    let mut all: Vec<Box<dyn Observer>> = vec![
        Box::new(observers::JsonLines::new()),
        Box::new(observers::TensorBoard::new()),
        Box::new(observers::Samples),
        Box::new(witness.clone()),
    ];
    galatea_train::train(session, &feed(), config, run, &mut all, stop)
}

pub(crate) fn create(root: &Path, config: &RunConfig) -> Writer {
    Run::create(root, "toy", config).unwrap()
}

/// The weights of the newest whole checkpoint.
pub(crate) fn weights(run: &Run) -> Vec<Part> {
    galatea_train::checkpoint::newest(run, None).unwrap().checkpoint.unwrap().parts
}
