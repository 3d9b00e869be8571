//! Judging by how likely held-back examples are, for models that tell: of text and tables, samples cannot be compared number by
//! number.

use galatea_data::{DataSpec, Dataset, Split};
use galatea_metrics::Report;
use galatea_metrics::likelihood::{Told, told_of_each};
use galatea_models::Session;

use crate::evaluation::{EvalOptions, MAX_SCORED, evenly_labelled};
use crate::{Error, Result};

/// Examples that are read at a time.
const AT_ONCE: usize = 256;

/// Whether such data are judged by their likelihood.
pub(crate) fn is_way_of(spec: &DataSpec) -> bool {
    !spec.has_distances()
}

/// Judges by the likelihood of what was held back, or by a bound of it where a model knows no more.
///
/// # Errors
/// As [`read`].
pub(crate) fn report(session: &dyn Session, data: &dyn Dataset, split: &Split, eval: &EvalOptions) -> Result<Report> {
    if session.as_likelihood().is_some() || session.as_score().is_none() {
        return Ok(read(session, data, &split.held_back, eval.samples)?.report(data.spec()));
    }
    let unseen = evenly_labelled(data, &split.held_back, eval.samples.min(MAX_SCORED))?;
    let mut report = Report {
        samples: unseen.len(),
        real: unseen.len(),
        features: None,
        floor: None,
        ceiling: None,
        halves: 0,
        rows: Vec::new(),
        notes: Vec::new(),
        classes: None,
        class_names: Vec::new(),
    };
    let seen = match split.train.is_empty() {
        true => None,
        false => Some(evenly_labelled(data, &split.train, MAX_SCORED)?),
    };
    galatea_metrics::variational::add(&mut report, session, &unseen, seen.as_ref())?;
    Ok(report)
}

/// Reads at most `most` of the examples, evenly over all; of a text none that overlap, as long as that leaves any.
///
/// # Errors
/// If the model tells no likelihoods, or an example cannot be read.
pub(crate) fn read(session: &dyn Session, data: &dyn Dataset, examples: &[usize], most: usize) -> Result<Told> {
    let Some(likelihood) = session.as_likelihood() else {
        return Err(Error::usage(
            format!("`{}` does not tell how likely {} is", session.info().name, data.spec().kind()),
            "train another family, or leave judging out with `--set eval.samples=0`",
        ));
    };
    let apart = examples.len().div_ceil(data.overlap().max(1));
    let count = most.min(apart).max(1).min(examples.len());
    let chosen: Vec<usize> = (0..count).map(|i| examples[i * examples.len() / count]).collect();
    let (mut of_each, mut nats) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for some in chosen.chunks(AT_ONCE) {
        let examples = data.batch(some)?;
        of_each.extend(told_of_each(&examples, data.spec()));
        nats.extend(likelihood.nats(&examples)?);
    }
    Ok(Told { of_each, nats })
}
