//! Judging by how likely held-back examples are, for models that tell: of text and tables, samples cannot be compared number by
//! number.

use galatea_data::{DataSpec, Dataset};
use galatea_metrics::likelihood::{Told, told_of_each};
use galatea_models::Session;

use crate::{Error, Result};

/// Examples that are read at a time.
const AT_ONCE: usize = 256;

/// Whether such data are judged by their likelihood.
pub(crate) fn is_way_of(spec: &DataSpec) -> bool {
    !spec.has_distances()
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
