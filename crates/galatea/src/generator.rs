//! A trained model in use.

use std::path::Path;
use std::sync::OnceLock;

use burn::prelude::Device;
use galatea_data::write::graph::Graph;
use galatea_data::{DataSpec, HostBatch, HostTensor};
use galatea_models::inverter::Inverter;
use galatea_models::{Ability, Info, Latent, SampleRequest, Session};
use galatea_train::{Run, Saved, Which};

use crate::completing::able;
use crate::latent_space::{Ends, Walk};
use crate::{Error, Result};

/// A trained model: draws samples, interpolates, is saved to one file.
pub struct Generator {
    session: Box<dyn Session>,
    seed: u64,
    step: u64,
    warnings: Vec<String>,
    /// Whether all of the model was read back, and not only what draws.
    whole: bool,
    /// Made when it is first asked for.
    inverter: OnceLock<Inverter>,
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").field("family", &self.info().name).field("step", &self.step).finish_non_exhaustive()
    }
}

impl Generator {
    /// Opens an exported `model.safetensors`, or a run in `./runs` by its path, number or name.
    ///
    /// # Errors
    /// If there is none, or no checkpoint of it is good.
    pub fn open(reference: impl AsRef<Path>) -> Result<Self> {
        Self::open_in(reference, Path::new("runs"), &Device::flex())
    }

    /// As [`open`](Self::open), with runs in the folder `root`, on `device`.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_in(reference: impl AsRef<Path>, root: &Path, device: &Device) -> Result<Self> {
        Self::open_checkpoint(reference, Which::Newest, root, device)
    }

    /// As [`open_in`](Self::open_in), of any checkpoint of a run.
    ///
    /// # Errors
    /// As [`open`](Self::open); also if another than the newest is asked of a file.
    pub fn open_checkpoint(reference: impl AsRef<Path>, which: Which, root: &Path, device: &Device) -> Result<Self> {
        let saved = Self::saved(reference.as_ref(), which, root)?;
        let session = saved.session(device)?;
        Ok(Self { warnings: saved.skipped, ..Self::from_session(session, saved.seed, saved.step) })
    }

    /// As [`open_checkpoint`](Self::open_checkpoint), with what only training needs beside what draws, such as a discriminator.
    ///
    /// # Errors
    /// As there.
    pub fn open_whole(reference: impl AsRef<Path>, which: Which, root: &Path, device: &Device) -> Result<Self> {
        let saved = Self::saved(reference.as_ref(), which, root)?;
        let (session, whole) = saved.whole_session(device)?;
        Ok(Self { warnings: saved.skipped, whole, ..Self::from_session(session, saved.seed, saved.step) })
    }

    fn saved(path: &Path, which: Which, root: &Path) -> Result<Saved> {
        Ok(match path.extension().is_some_and(|ending| ending == "safetensors") {
            true if which != Which::Newest => {
                return Err(Error::usage(
                    format!("`{}` is a single model, without checkpoints", path.display()),
                    "name a run to choose a checkpoint of it",
                ));
            }
            true => Saved::read(path)?,
            false => Saved::of_run(&Run::open(root, &path.to_string_lossy())?, which)?,
        })
    }

    pub(crate) fn from_session(session: Box<dyn Session>, seed: u64, step: u64) -> Self {
        Self { session, seed, step, warnings: Vec::new(), whole: false, inverter: OnceLock::new() }
    }

    /// Its family.
    pub fn info(&self) -> &'static Info {
        self.session.info()
    }

    /// The data that it was trained on, as it knows them.
    pub fn spec(&self) -> &DataSpec {
        self.session.spec()
    }

    /// The classes that can be asked for, in label order.
    pub fn classes(&self) -> &[String] {
        self.session.classes()
    }

    /// Whether it draws samples; a model that only reads examples does not.
    pub fn draws(&self) -> bool {
        self.session.draws()
    }

    /// Training steps that it has behind it.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Checkpoints that could not be read and why, if an older one was taken.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn session(&self) -> &dyn Session {
        &*self.session
    }

    /// The inverse, if it was fitted.
    pub(crate) fn fitted(&self) -> Option<&Inverter> {
        self.inverter.get()
    }

    /// An encoder that is fitted to the generator, the first time also to `pictures`.
    ///
    /// # Errors
    /// If the model cannot be inverted.
    pub(crate) fn inverter(&self, pictures: Option<&HostBatch>) -> Result<&Inverter> {
        if let Some(inverter) = self.inverter.get() {
            return Ok(inverter);
        }
        let inverter = Inverter::fit(&*self.session, self.whole, pictures, &mut |done, all| {
            galatea_metrics::progress::tell(|| format!("fitting an inverse of the generator: step {done} of {all}"));
        })?;
        Ok(self.inverter.get_or_init(|| inverter))
    }

    /// Draws samples; images are `[n, channels, height, width]` in `[-1, 1]`.
    ///
    /// # Errors
    /// If the request names a class that the model does not have.
    pub fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        check_truncation(request)?;
        Ok(self.session.sample(request)?)
    }

    /// A walk through the latent space: from each sample of `request` to the next in `frames` steps on the arc between
    /// them, and back to the first; `[n * frames, ..]`.
    ///
    /// All frames between two samples have the class of the first of them, so the walk is smooth only for one class.
    /// Source: White 2016, "Sampling Generative Networks", arXiv:1609.04468, section 2.1.
    ///
    /// # Errors
    /// If the family has no latent space, fewer than two samples are asked for, or the class does not exist.
    pub fn interpolate(&self, request: &SampleRequest, frames: usize) -> Result<HostTensor> {
        let latent = self.session.as_latent().ok_or_else(|| {
            Error::usage(format!("`{}` has no latent space to walk in", self.info().name), "choose another family")
        })?;
        check_truncation(request)?;
        let anchors = latent.latents(request);
        if anchors.rows() < 2 || frames == 0 {
            return Err(Error::usage("a walk needs two samples or more and a frame or more", "use `-n 4 --frames 16`"));
        }
        let walk = Walk::new(&anchors, request.labels(self.classes())?.as_deref(), frames, Ends::Meet);
        Ok(latent.decode(&walk.latents, walk.labels.as_deref())?)
    }

    /// Rows in which some columns have given values and the others are drawn given these: pairs of column and value by name.
    /// With the rows comes the probability of what is given.
    ///
    /// # Errors
    /// If the model is none of a table, there is no such column or value, or what is given is impossible.
    pub fn sample_given(&self, given: &[(String, String)], request: &SampleRequest) -> Result<(HostBatch, f64)> {
        let (Some(condition), DataSpec::Table(table)) = (self.session.as_condition(), self.spec()) else {
            return Err(Error::usage(
                format!("`{}` draws {}, of which nothing can be given", self.info().name, self.spec().kind()),
                able("train a family that is told some of a row", Ability::Condition),
            ));
        };
        let mut known = vec![None; table.columns.len()];
        for (name, value) in given {
            let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let Some(at) = names.iter().position(|known| known == name) else {
                return Err(Error::usage(format!("there is no column `{name}`"), near(name, &names)));
            };
            let values: Vec<&str> = table.columns[at].values.iter().map(String::as_str).collect();
            let Some(place) = values.iter().position(|known| known == value) else {
                return Err(Error::usage(format!("column `{name}` has no value `{value}`"), near(value, &values)));
            };
            if known[at].replace(place as u32).is_some_and(|before| before != place as u32) {
                return Err(Error::usage(format!("`{name}` is given twice, with two values"), "give it one of them"));
            }
        }
        let (rows, log) = condition.sample_given(&known, request)?;
        Ok((rows, log.exp()))
    }

    /// Which column of a table depends on which; of other models nothing.
    pub fn graph(&self) -> Option<Graph> {
        self.session.as_condition().map(galatea_models::Condition::graph)
    }

    /// Its latent space, if the family has one.
    pub fn latent(&self) -> Option<&dyn Latent> {
        self.session.as_latent()
    }

    /// Writes the model to one file that needs neither its run nor its data: weights in safetensors, with all that is
    /// needed to rebuild it in the file's metadata.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(galatea_train::export(path.as_ref(), &*self.session, self.seed, self.step)?)
    }
}

/// A hint for a name that is not known.
fn near(name: &str, known: &[&str]) -> String {
    match galatea_data::settings::nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.iter().take(20).copied().collect::<Vec<_>>().join(", ")),
    }
}

/// Refuses a truncation that is out of range.
pub(crate) fn check_truncation(request: &SampleRequest) -> Result<()> {
    if request.truncation > 0.0 && request.truncation <= 1.0 {
        return Ok(());
    }
    Err(Error::usage(
        format!("the truncation {} is out of range", request.truncation),
        "give a number above 0 and at most 1; 1 leaves samples as they are",
    ))
}
