//! The case `quality`: digits learnt with the recipe of `galatea train`, and the judge for both sides.

use std::sync::Arc;
use std::time::Instant;

use galatea::{Dataset, HostTensor, Request, SampleRequest, Session, write};
use galatea_data::{Split, split};
use galatea_metrics::Reference;
use galatea_models::Turn;
use galatea_train::Feed;
use serde_json::{Value, json};

use crate::{Result, peak_memory};

/// Steps by which it is found out how many fit the time, and steps before them, which are slower.
const TIMED: u64 = 150;
const WARM_UP: u64 = 50;

/// A training under way.
pub(crate) struct Trial {
    session: Box<dyn Session>,
    feed: Feed,
    seed: u64,
    step: u64,
    steps: u64,
    seconds: f64,
}

/// Answers a request:
/// `{"train_seconds": 15, "of_seconds": 300, "samples": "A.npy", "count": 1000}` trains on and writes samples;
/// `{"export": "train.npy"}` writes what is trained on, with `train-labels.npy` beside it;
/// `{"judge": "A.npy"}` gives the Frechet distance between samples and what is held back.
pub(crate) fn answer(trial: &mut Option<Trial>, request: &Value) -> Result<Value> {
    if let Some(path) = request["export"].as_str() {
        return export(path);
    }
    if let Some(path) = request["judge"].as_str() {
        return judge(path);
    }
    let trial = match trial {
        Some(trial) => trial,
        None => trial.insert(Trial::begin(request["of_seconds"].as_f64().ok_or("`of_seconds` is missing")?)?),
    };
    trial.train(request)
}

impl Trial {
    /// Everything as `galatea train` has it, with as many steps as fit `seconds`.
    fn begin(seconds: f64) -> Result<Self> {
        let resolved = Request::default().resolve()?;
        let split = split(&*resolved.data, resolved.data_settings.read.holdout);
        let feed = Feed::new(resolved.data.clone(), split.train)?;
        let fresh = || {
            resolved.family.session(
                &resolved.config.model,
                resolved.data.spec(),
                resolved.config.seed,
                &burn::prelude::Device::flex(),
            )
        };
        let seed = resolved.config.seed;
        let mut timed =
            Self { session: fresh()?, feed: feed.clone(), seed, step: 0, steps: WARM_UP + TIMED, seconds: 0.0 };
        timed.run(f64::INFINITY, WARM_UP)?;
        timed.seconds = 0.0;
        timed.run(f64::INFINITY, WARM_UP + TIMED)?;
        let steps = ((seconds / timed.seconds * TIMED as f64) as u64).max(1);
        Ok(Self { session: fresh()?, feed, seed, step: 0, steps, seconds: 0.0 })
    }

    /// Steps until `seconds` of training are over, or `last` is done.
    fn run(&mut self, seconds: f64, last: u64) -> Result<()> {
        while self.seconds < seconds && self.step < last {
            let before = Instant::now();
            self.step += 1;
            let batches = self.feed.batches(self.seed, self.step, self.session.demand())?;
            self.session.step(Turn { seed: self.seed, step: self.step, steps: self.steps }, &batches)?;
            self.seconds += before.elapsed().as_secs_f64();
        }
        Ok(())
    }

    fn train(&mut self, request: &Value) -> Result<Value> {
        let seconds = request["train_seconds"].as_f64().ok_or("`train_seconds` is missing")?;
        let path = request["samples"].as_str().ok_or("`samples` is missing")?;
        let count = request["count"].as_u64().ok_or("`count` is missing")?;
        self.run(self.seconds + seconds, self.steps)?;
        let samples = self.session.sample(&SampleRequest::new(1, count))?.values;
        std::fs::write(path, write::npy::bytes(&samples)?)?;
        Ok(json!({ "seconds": self.seconds, "steps": self.step, "peak_memory_bytes": peak_memory() }))
    }
}

fn digits() -> Result<(Arc<dyn Dataset>, Split)> {
    let resolved = Request::default().resolve()?;
    let split = split(&*resolved.data, resolved.data_settings.read.holdout);
    Ok((resolved.data, split))
}

fn export(path: &str) -> Result<Value> {
    let (data, split) = digits()?;
    let batch = data.batch(&split.train)?;
    std::fs::write(path, write::npy::bytes(&batch.values)?)?;
    let labels: Vec<f32> = batch.labels.unwrap_or_default().iter().map(|label| *label as f32).collect();
    let labels = HostTensor::new([labels.len()], labels);
    std::fs::write(path.replace(".npy", "-labels.npy"), write::npy::floats(&labels))?;
    Ok(json!({ "examples": split.train.len() }))
}

fn judge(path: &str) -> Result<Value> {
    let (data, split) = digits()?;
    let held_back = data.batch(&split.held_back)?.values;
    let samples = galatea::open(path, &galatea::DataOptions::default())?;
    let samples = samples.batch(&(0..samples.len()).collect::<Vec<_>>())?.values;
    let reference =
        Reference { spec: data.spec(), held_back: &held_back, overlap: 0, train: None, features: None, modes: None };
    let report = galatea_metrics::evaluate(&samples, reference)?;
    let row =
        report.rows.iter().find(|row| row.metric.starts_with("frechet-")).ok_or("there is no Frechet distance")?;
    Ok(json!({ "metric": row.metric, "value": row.value }))
}
