//! What a model reads from examples that somebody has trained: its latent vectors, or the features of one that only reads.
//!
//! Paper: Morozov, Voynov and Babenko 2021, "On Self-Supervised Image Representations for GAN Evaluation", ICLR, section 3.
//! Differs: the model is the user's own.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use burn::prelude::Device;
use galatea_data::{HostBatch, HostTensor};
use galatea_models::{Ability, Session, registry};
use galatea_train::{Run, Saved, Which};
use sha2::{Digest, Sha256};

use super::{Features, Kind, Opening, Reading, Takes, hex};
use crate::{Error, Result};

/// Features of a model.
pub(super) static KIND: Kind = Kind {
    name: "trained",
    summary: "what a model of yours reads from pictures: the folder of its run, or its exported file, is named as weights",
    takes: Takes::File,
    readable: "pictures",
    reads: |shape| shape.len() == 3,
    suits: |_| false,
    open,
};

fn open(opening: &Opening<'_>) -> Result<Arc<dyn Features>> {
    let path = opening.weights.ok_or_else(|| super::file_needed(&KIND))?;
    let saved = read(path).map_err(|error| Error::samples(error.to_string(), needed()))?;
    let session = saved.session(&Device::flex()).map_err(|error| Error::samples(error.to_string(), needed()))?;
    let (info, own) = (session.info(), session.spec().shape());
    if session.as_encode().is_none() {
        return Err(Error::samples(
            format!("`{}` of `{}` reads nothing from examples", info.name, path.display()),
            needed(),
        ));
    }
    if own != opening.spec.shape() {
        return Err(Error::samples(
            format!(
                "the model in `{}` reads examples of shape {own:?}, not {:?}",
                path.display(),
                opening.spec.shape()
            ),
            "bring the data to that shape with `--set data.size=.. data.channels=..`",
        ));
    }
    let mut hasher = Sha256::new();
    for (name, tensor) in
        session.parts().iter().filter(|part| part.name == session.sampling_part()).flat_map(|part| &part.tensors)
    {
        hasher.update(name.as_bytes());
        tensor.values.iter().for_each(|value| hasher.update(value.to_le_bytes()));
    }
    Ok(Arc::new(Trained { hash: hex(&hasher.finalize()), session: Mutex::new(session) }))
}

/// The model of a run's folder, or of a file.
fn read(path: &Path) -> galatea_train::Result<Saved> {
    match path.extension().is_some_and(|ending| ending == "safetensors") {
        true => Saved::read(path),
        false => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Saved::of_run(&Run::open(folder, &path.to_string_lossy())?, Which::Newest)
        }
    }
}

/// What can be named.
pub(super) fn needed() -> String {
    let able = registry::FAMILIES.iter().map(|family| family.info());
    let able: Vec<&str> = able.filter(|info| info.abilities.contains(&Ability::Encode)).map(|info| info.name).collect();
    format!(
        "name the folder of a run, or a file that `galatea export` wrote, with `--feature-weights`; families that read: {}",
        able.join(", ")
    )
}

/// A session is not shared between threads, and features are.
struct Trained {
    session: Mutex<Box<dyn Session>>,
    hash: String,
}

impl std::fmt::Debug for Trained {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trained").field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Features for Trained {
    fn name(&self) -> &str {
        KIND.name
    }

    fn hash(&self) -> String {
        self.hash.clone()
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let model = session.as_encode().ok_or_else(|| Error::samples("the model reads nothing", needed()))?;
        let examples = HostBatch { values: examples.clone(), labels: None };
        Ok(Reading { features: model.encode(&examples)?, probabilities: None })
    }
}
