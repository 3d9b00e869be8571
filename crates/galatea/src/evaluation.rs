//! Judging: samples against real data that the model has not seen.

use std::path::Path;

use galatea_data::{DataOptions, Dataset, Split, settings};
use galatea_metrics::Report;
use galatea_models::{SampleRequest, Session};

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

/// Judges `generator`, which was opened as `model`: against the data of `request`, or else against what its run held back.
///
/// # Errors
/// If there are no data to judge against, or they are of another shape than the samples.
pub fn evaluate(generator: &Generator, model: &Path, root: &Path, request: &Request) -> Result<Report> {
    let _ = (generator, model, root, request);
    Err(Error::usage("x", "y"))
}

pub(crate) fn judge(session: &dyn Session, data: &dyn Dataset, split: &Split, eval: &EvalOptions) -> Result<Report> {
    let _ = (session, data, split, eval, SampleRequest::new(1, 1), DataOptions::default());
    Err(Error::usage("x", "y"))
}
