//! Real examples to be shown beside samples.

use std::path::Path;

use galatea_data::HostTensor;
use galatea_train::Run;

use crate::evaluation::{Parts, evenly};
use crate::request::Request;
use crate::{Error, Result};

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
