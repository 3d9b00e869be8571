//! A trained model on disk, and back: from a run, or from one file that needs neither run nor data.

use std::{collections::BTreeMap, path::Path};

use galatea_data::{DataSpec, write};
use galatea_models::{Family, Part, Purpose, Session, registry};
use toml::Table;

use crate::{Error, Result, Run, checkpoint, disk, heal, weights};

/// Version of the exported file; one of another version is not read.
const FORMAT: &str = "galatea-1";

/// Which of a run's checkpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// The newest that is whole.
    #[default]
    Newest,
    /// The best by the metric that the run was watched with.
    Best,
    /// That of a step.
    Step(u64),
}

impl std::str::FromStr for Which {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "newest" => Ok(Self::Newest),
            "best" => Ok(Self::Best),
            other => {
                other.parse().map(Self::Step).map_err(|_| "name `newest`, `best` or the number of a step".to_owned())
            }
        }
    }
}

/// A trained model as it was read, to be made into a [`Session`] that samples.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Name of its family.
    pub family: String,
    /// The family's settings.
    pub model: Table,
    /// The data that it is sized for.
    pub spec: DataSpec,
    /// Seed of the run.
    pub seed: u64,
    /// Steps that it was trained for.
    pub step: u64,
    /// What is wrong with newer checkpoints of the run, each with its file.
    pub skipped: Vec<String>,
    parts: Vec<Part>,
}

impl Saved {
    /// Reads an exported file.
    ///
    /// # Errors
    /// If it is not what [`export`] wrote, down to a bit of the weights.
    pub fn read(path: &Path) -> Result<Self> {
        let invalid = |problem: &str| Error::invalid(path, problem, "name a file that `galatea export` wrote");
        let (tensors, texts) = weights::decode(&disk::read(path)?, path)?;
        let text = |name: &str| texts.get(name).map(String::as_str);
        match text("format") {
            Some(FORMAT) => {}
            Some(other) => return Err(invalid(&format!("it is of format {other}, and this program reads {FORMAT}"))),
            None => return Err(invalid("these are the weights of another program: they do not say of which model")),
        }
        let needed = |name: &str| text(name).ok_or_else(|| invalid(&format!("`{name}` is missing in its header")));
        let unreadable = |name: &str| invalid(&format!("`{name}` in its header cannot be read"));
        if needed("sha256")? != sum(&tensors) {
            return Err(invalid("its checksum is wrong: it was damaged since it was written"));
        }
        Ok(Self {
            family: needed("family")?.to_owned(),
            model: needed("config")?.parse().map_err(|_| unreadable("config"))?,
            spec: serde_json::from_str(needed("spec")?).map_err(|_| unreadable("spec"))?,
            seed: needed("seed")?.parse().map_err(|_| unreadable("seed"))?,
            step: needed("step")?.parse().map_err(|_| unreadable("step"))?,
            skipped: Vec::new(),
            parts: vec![Part { name: needed("part")?.to_owned(), tensors }],
        })
    }

    /// Reads a checkpoint of a run.
    ///
    /// # Errors
    /// If there is no such checkpoint, or it is damaged.
    pub fn of_run(run: &Run, which: Which) -> Result<Self> {
        let config = run.config()?;
        let (found, skipped) = match which {
            Which::Step(step) => (checkpoint::load(&checkpoint_of(run, step)?, None)?, Vec::new()),
            Which::Best => {
                let none = || {
                    Error::usage(
                        format!("`{}` has no best checkpoint", run.path().display()),
                        "one is kept by runs that are judged while they train, with `--set eval.every=500`",
                    )
                };
                (checkpoint::load(&checkpoint::best_path(run).ok_or_else(none)?, None)?, Vec::new())
            }
            Which::Newest => {
                let newest = checkpoint::newest(run, None)?;
                let none = || {
                    let problem = format!("`{}` has no checkpoint yet", run.path().display());
                    Error::usage(problem, "train it for longer, with `galatea train --resume`")
                };
                (newest.checkpoint.ok_or_else(none)?, newest.skipped)
            }
        };
        let mut model = config.model;
        heal::apply(&mut model, &found.state.watch.interventions);
        Ok(Self {
            family: config.family,
            model,
            spec: found.state.data.spec,
            seed: config.seed,
            step: found.state.step,
            skipped,
            parts: found.parts,
        })
    }

    /// The model, ready to sample.
    ///
    /// # Errors
    /// If this program has no such family, or the weights do not fit.
    pub fn session(&self, device: &burn::prelude::Device) -> Result<Box<dyn Session>> {
        self.session_of(registry::family(&self.family)?, device)
    }

    /// As [`session`](Self::session), with all that the training had, if it is a checkpoint; and whether it is.
    ///
    /// # Errors
    /// As there.
    pub fn whole_session(&self, device: &burn::prelude::Device) -> Result<(Box<dyn Session>, bool)> {
        if self.parts.len() < 2 {
            return Ok((self.session(device)?, false));
        }
        let mut session = registry::family(&self.family)?.session(&self.model, &self.spec, self.seed, device)?;
        session.load(&self.parts, Purpose::Training)?;
        Ok((session, true))
    }

    /// As [`session`](Self::session), of a family that need not be in the registry.
    ///
    /// # Errors
    /// If the weights do not fit.
    pub fn session_of(&self, family: &dyn Family, device: &burn::prelude::Device) -> Result<Box<dyn Session>> {
        let mut session = family.session(&self.model, &self.spec, self.seed, device)?;
        session.load(&self.parts, Purpose::Sampling)?;
        Ok(session)
    }
}

/// Writes what `session` needs to sample into one safetensors file that needs neither run nor data.
///
/// # Errors
/// If the file cannot be written; nothing is left then.
pub fn export(path: &Path, session: &dyn Session, seed: u64, step: u64) -> Result<()> {
    let name = session.sampling_part();
    let part = session.parts().into_iter().find(|part| part.name == name);
    // A model names a part of its own.
    let part = part.ok_or_else(|| galatea_models::Error::weights(name, "the model does not have it"))?;
    let json = |value: serde_json::Result<String>| value.map_err(|error| Error::io("write", path, error.into()));
    let texts: BTreeMap<String, String> = [
        ("format", FORMAT.to_owned()),
        ("galatea", env!("CARGO_PKG_VERSION").to_owned()),
        ("family", session.info().name.to_owned()),
        ("config", session.config().to_string()),
        ("spec", json(serde_json::to_string(session.spec()))?),
        ("classes", json(serde_json::to_string(session.classes()))?),
        ("seed", seed.to_string()),
        ("step", step.to_string()),
        ("part", part.name.clone()),
        ("sha256", sum(&part.tensors)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    Ok(write::file(path, &weights::encode(&part.tensors, &texts))?)
}

/// SHA-256 of the arrays, names and shapes included.
fn sum(tensors: &weights::Tensors) -> String {
    disk::sha256(&weights::encode(tensors, &BTreeMap::new()))
}

fn checkpoint_of(run: &Run, step: u64) -> Result<std::path::PathBuf> {
    let all = checkpoint::list(run)?;
    let steps: Vec<String> = all.iter().map(|(step, _)| step.to_string()).collect();
    all.into_iter().find(|(at, _)| *at == step).map(|(_, path)| path).ok_or_else(|| {
        let problem = format!("`{}` has no checkpoint of step {step}", run.path().display());
        Error::usage(problem, format!("there are those of steps {}", steps.join(", ")))
    })
}
