//! Judging: samples against real data that the model has not seen.

use std::path::Path;

use galatea_data::{Dataset, HostTensor, Split, settings, split};
use galatea_metrics::{Reference, Report};
use galatea_models::{SampleRequest, Session};
use galatea_train::Run;

use crate::request::Request;
use crate::{Error, Generator, Result};

settings! {
    /// How a model is judged (`eval.KEY`).
    pub struct EvalOptions {
        /// Samples to judge, at most as many as there are real examples held back; 0 leaves judging out.
        samples: usize = 5_000, in 0..=100_000;
        /// Seed of the samples that are judged.
        seed: u64 = 1;
    }
}

/// Most training examples that are looked through for copies.
const MAX_TRAIN: usize = 10_000;

/// Judges `generator`, which was opened as `model`: against the data of `request`, or else against what its run held back.
///
/// # Errors
/// If there are no data to judge against, or they are of another shape than the samples.
pub fn evaluate(generator: &Generator, model: &Path, root: &Path, request: &Request) -> Result<Report> {
    let mut request = request.clone();
    let foreign = request.data.is_some();
    if !foreign {
        if model.extension().is_some_and(|ending| ending == "safetensors") {
            return Err(Error::usage(
                "an exported model does not know its data",
                "name data to judge it by with `--data`, or judge its run",
            ));
        }
        request.config = Some(Run::open(root, &model.to_string_lossy())?.path().join("config.toml"));
    }
    let (data, options, eval) = request.data_and_eval()?;
    if data.spec().shape() != generator.spec().shape() {
        return Err(Error::usage(
            format!("the data are {}, and the model draws {}", data.spec(), generator.spec()),
            "choose data of the same shape, or bring them to it with `--set data.size=.. data.channels=..`",
        ));
    }
    // Data that the model was not trained on are unseen as a whole.
    let split = match foreign {
        true => Split { train: Vec::new(), held_back: (0..data.len()).collect() },
        false => split(&*data, options.read.holdout),
    };
    judge(generator.session(), &*data, &split, &eval)
}

/// Whether `split` holds back enough to judge by.
pub(crate) fn can_judge(split: &Split) -> bool {
    split.held_back.len() >= 2
}

/// Judges a session by what `split` holds back.
///
/// # Errors
/// If nothing is held back, or the data cannot be read.
pub(crate) fn judge(session: &dyn Session, data: &dyn Dataset, split: &Split, eval: &EvalOptions) -> Result<Report> {
    if !can_judge(split) {
        return Err(Error::usage(
            "too few real examples are held back to judge by",
            "train with a larger `data.holdout`, such as 0.2, or name other data with `galatea eval RUN --data SRC`",
        ));
    }
    let count = eval.samples.min(split.held_back.len());
    // Evenly over all, so that every class is there.
    let some = |indices: &[usize], count: usize| -> Result<HostTensor> {
        let count = count.min(indices.len());
        let chosen: Vec<usize> = (0..count).map(|i| indices[i * indices.len() / count]).collect();
        Ok(data.batch(&chosen)?.values)
    };
    let held_back = some(&split.held_back, count.max(2))?;
    let train = match split.train.is_empty() {
        true => None,
        false => Some(shuffled(&some(&split.train, MAX_TRAIN)?)),
    };
    let samples = session.sample(&SampleRequest::new(eval.seed, count.max(2) as u64))?.values;
    let reference = Reference { spec: data.spec(), held_back: &held_back, train: train.as_ref() };
    Ok(galatea_metrics::evaluate(&samples, reference)?)
}

/// The same examples in an order that has nothing to do with classes, so that the first of them are a fair selection.
fn shuffled(examples: &HostTensor) -> HostTensor {
    let mut order: Vec<usize> = (0..examples.rows()).collect();
    galatea_kernels::random::Stream::new(0, 0).shuffle(&mut order);
    let values = order.iter().flat_map(|&i| examples.row(i)).copied().collect();
    HostTensor::new(examples.shape.clone(), values)
}
