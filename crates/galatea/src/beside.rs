//! Real examples to be shown beside samples.

use std::path::Path;

use galatea_data::{Dataset, HostTensor};
use galatea_train::{Run, checkpoint};

use crate::evaluation::{Parts, evenly};
use crate::request::Request;
use crate::{Error, Result};

/// Refuses data that are others than those that `run` was trained on: what was held back is told from the rest by its place among all.
///
/// # Errors
/// If they are others.
pub(crate) fn check_unchanged(run: &Run, data: &dyn Dataset) -> Result<()> {
    let newest = checkpoint::newest(run, Some(""))?;
    match newest.checkpoint {
        Some(found) if found.state.data.fingerprint != data.fingerprint() => Err(Error::usage(
            format!(
                "`{}` is no longer what this run was trained on, so that nobody knows which of it the model has not seen",
                data.name()
            ),
            "put the data back as they were, or train anew",
        )),
        _ => Ok(()),
    }
}

/// At most `count` of the examples that a run has held back to be judged by, evenly over all.
///
/// # Errors
/// If `model` is no run, its data cannot be read, or it has held back nothing.
pub fn held_back(model: &Path, root: &Path, count: usize) -> Result<HostTensor> {
    if model.extension().is_some_and(|ending| ending == "safetensors") {
        return Err(Error::usage("an exported model does not know its data", "name its run"));
    }
    let config = Some(Run::open(root, &model.to_string_lossy())?.path().join("config.toml"));
    let (data, options, _) = Request { config, ..Request::default() }.data_and_eval()?;
    let held_back = Parts::of(&*data, &options.read).judged.held_back;
    if held_back.is_empty() {
        return Err(Error::usage("this run has held back no examples", "train with a larger `data.holdout`"));
    }
    evenly(&*data, &held_back, count)
}
