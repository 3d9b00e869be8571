//! What can be done in a model's latent space with samples and with examples of one's own: to give back, to encode, to walk.

use std::path::Path;
use std::time::Instant;

use galatea_data::{HostBatch, HostTensor, Inputs};
use galatea_models::{Ability, Latent, SampleRequest, registry};
use galatea_train::Run;

use crate::generator::check_truncation;
use crate::request::Request;
use crate::{Error, Generator, Result};

/// Whether a walk ends where it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// It does, without showing that place twice: for animations that are looped.
    Meet,
    /// It ends at the last place.
    Apart,
}

/// Latent vectors on the way from place to place.
pub(crate) struct Walk {
    /// `[frames, latent]`.
    pub(crate) latents: HostTensor,
    pub(crate) labels: Option<Vec<u32>>,
}

impl Walk {
    /// From each of `anchors` `[n, latent]` to the next in `frames` steps on the arc between them. Where two places are of
    /// different classes, the class changes half-way, and on a walk that meets its beginning at each place.
    pub(crate) fn new(anchors: &HostTensor, labels: Option<&[u32]>, frames: usize, ends: Ends) -> Self {
        let n = anchors.rows();
        let mut values = Vec::new();
        let mut classes = Vec::new();
        let legs = if ends == Ends::Meet { n } else { n - 1 };
        for leg in 0..legs {
            let next = (leg + 1) % n;
            for frame in 0..frames {
                let at = frame as f32 / frames as f32;
                values.extend(on_the_arc(anchors.row(leg), anchors.row(next), at));
                let nearest = if ends == Ends::Apart && at >= 0.5 { next } else { leg };
                classes.extend(labels.map(|labels| labels[nearest]));
            }
        }
        if ends == Ends::Apart {
            values.extend_from_slice(anchors.row(n - 1));
            classes.extend(labels.map(|labels| labels[n - 1]));
        }
        let width = anchors.row_len();
        let latents = HostTensor::new([values.len() / width.max(1), width], values);
        Self { latents, labels: labels.map(|_| classes) }
    }
}

impl Generator {
    /// The examples that `names` name, brought to what this model takes, as the data of its run were where it has one: `model` is
    /// what it was opened as, with runs in `root`, and `settings` are `data.KEY=VALUE` pairs that say otherwise.
    ///
    /// # Errors
    /// If something is not there or is not what the model takes, or a setting is wrong.
    pub fn inputs(&self, names: &[String], model: &Path, root: &Path, settings: &[String]) -> Result<Inputs> {
        let key = |setting: &String| setting.split('=').next().map(|key| key.trim().to_owned());
        let chooses =
            |key: &String| ["data.limit", "data.classes", "data.holdout", "data.validation"].contains(&&**key);
        if let Some(key) = settings.iter().filter_map(key).find(chooses) {
            return Err(Error::usage(
                format!("`{key}` plays no part here: a model is given all that is named"),
                "name those examples alone; `reconstruct` takes the first of them with `-n`",
            ));
        }
        let mut request = Request { settings: settings.to_vec(), ..Request::default() };
        if model.extension().is_none_or(|ending| ending != "safetensors") {
            request.config = Some(Run::open(root, &model.to_string_lossy())?.path().join("config.toml"));
        }
        Ok(Inputs::new(names, self.spec(), &request.data_settings()?.read)?)
    }

    /// Examples as the model gives them back, shaped like those that are given. A class that is not given is guessed. Of a generator
    /// without an encoder latent vectors are looked for: an encoder is fitted to it, and what it finds is made better by gradients.
    ///
    /// # Errors
    /// If the family does not reconstruct, or the examples do not fit the model.
    pub fn reconstruct(&self, examples: &HostBatch) -> Result<HostTensor> {
        if let Some(model) = self.session().as_reconstruct() {
            return Ok(model.reconstruct(examples)?);
        }
        if self.session().as_invert().is_none() {
            return Err(self.lacks(Ability::Reconstruct, "reconstruct"));
        }
        let (latents, labels) = self.encode(examples)?;
        Ok(self.latent_or_error()?.decode(&latents, labels.as_deref())?)
    }

    /// As [`reconstruct`](Self::reconstruct), of a generator without an encoder what its inverse names at once; `None` if none was fitted.
    pub(crate) fn given_back(&self, examples: &HostTensor) -> Result<Option<HostTensor>> {
        let examples = HostBatch { values: examples.clone(), labels: None };
        if let Some(model) = self.session().as_reconstruct() {
            return Ok(Some(model.reconstruct(&examples)?));
        }
        let (Some(inverter), Some(latent)) = (self.fitted(), self.latent()) else { return Ok(None) };
        let (latents, labels) = inverter.encode(&examples)?;
        Ok(Some(latent.decode(&latents, labels.as_deref())?))
    }

    /// The latent vectors of examples, `[n, latent]`, and the classes that they are taken for.
    ///
    /// # Errors
    /// If the family does not encode, or the examples do not fit the model.
    pub fn encode(&self, examples: &HostBatch) -> Result<(HostTensor, Option<Vec<u32>>)> {
        if self.session().as_encode().is_none() && self.session().as_invert().is_some() {
            let (inverter, all, began) = (self.inverter(None)?, examples.len(), Instant::now());
            return Ok(inverter.search(self.session(), examples, &mut |done| {
                galatea_metrics::progress::tell(|| {
                    let left = began.elapsed().as_secs_f64() * (all - done) as f64 / done.max(1) as f64;
                    format!("looking for latent vectors: {done} of {all} pictures, {left:.0} s left")
                });
            })?);
        }
        let model = self.session().as_encode().ok_or_else(|| self.lacks(Ability::Encode, "encode examples"))?;
        let labels = model.labels(examples)?;
        let known = HostBatch { values: examples.values.clone(), labels: labels.clone() };
        Ok((model.encode(&known)?, labels))
    }

    /// A walk from example to example, `frames` steps from each to the next, as the model gives them back: `[.., ..]`.
    ///
    /// # Errors
    /// As [`encode`](Self::encode); also if there are fewer than two examples, or no frame.
    pub fn walk_between(&self, examples: &HostBatch, frames: usize, ends: Ends) -> Result<HostTensor> {
        let (anchors, labels) = self.encode(examples)?;
        self.walk(&anchors, labels.as_deref(), frames, ends)
    }

    /// A walk between the first samples of several seeds, all of the class of `request`.
    ///
    /// # Errors
    /// If the family has no latent space, the class does not exist, or there are fewer than two seeds or no frame.
    pub fn walk_between_seeds(
        &self,
        seeds: &[u64],
        request: &SampleRequest,
        frames: usize,
        ends: Ends,
    ) -> Result<HostTensor> {
        check_truncation(request)?;
        let latent = self.latent_or_error()?;
        let (mut values, mut labels) = (Vec::new(), Vec::new());
        for &seed in seeds {
            let one = SampleRequest { seed, range: 0..1, ..request.clone() };
            values.extend(latent.latents(&one).values);
            labels.extend(one.labels(self.classes())?.into_iter().flatten());
        }
        let anchors = HostTensor::new([seeds.len(), latent.latent_len()], values);
        self.walk(&anchors, (!labels.is_empty()).then_some(&labels), frames, ends)
    }

    fn walk(&self, anchors: &HostTensor, labels: Option<&[u32]>, frames: usize, ends: Ends) -> Result<HostTensor> {
        let latent = self.latent_or_error()?;
        if anchors.rows() < 2 || frames == 0 {
            return Err(Error::usage("a walk needs two places or more and a frame or more", "name two or more"));
        }
        let walk = Walk::new(anchors, labels, frames, ends);
        Ok(latent.decode(&walk.latents, walk.labels.as_deref())?)
    }

    pub(crate) fn latent_or_error(&self) -> Result<&dyn Latent> {
        self.latent().ok_or_else(|| self.lacks(Ability::Latent, "walk through a latent space"))
    }

    /// The error of a family that cannot do what is asked, with those that can.
    pub(crate) fn lacks(&self, ability: Ability, what: &str) -> Error {
        let able =
            registry::FAMILIES.iter().map(|family| family.info()).filter(|info| info.abilities.contains(&ability));
        let able: Vec<&str> = able.map(|info| info.name).collect();
        Error::usage(format!("`{}` cannot {what}", self.info().name), format!("families that can: {}", able.join(", ")))
    }
}

/// The point at share `at` of the arc from `a` to `b`; of the line between them where they are (nearly) parallel.
///
/// Source: White 2016, "Sampling Generative Networks", arXiv:1609.04468, section 2.1.
fn on_the_arc(a: &[f32], b: &[f32], at: f32) -> Vec<f32> {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    let cosine = (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)).clamp(-1.0, 1.0);
    let angle = cosine.acos();
    let at = f64::from(at);
    let (from, to) = match angle.sin() {
        sine if sine < 1e-6 => (1.0 - at, at),
        sine => (((1.0 - at) * angle).sin() / sine, (at * angle).sin() / sine),
    };
    a.iter().zip(b).map(|(a, b)| (from * f64::from(*a) + to * f64::from(*b)) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arc_begins_and_ends_at_its_points_and_keeps_their_length() {
        let (a, b) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]);
        assert_eq!(on_the_arc(&a, &b, 0.0), a);
        let half = on_the_arc(&a, &b, 0.5);
        assert!((half[0] - 0.5f32.sqrt()).abs() < 1e-6 && (half[1] - 0.5f32.sqrt()).abs() < 1e-6);
        assert_eq!(on_the_arc(&a, &a, 0.5), a);
    }

    #[test]
    fn a_walk_is_closed_or_ends_at_the_last_place() {
        let anchors = HostTensor::new([3, 2], vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0]);
        let closed = Walk::new(&anchors, Some(&[0, 1, 2]), 2, Ends::Meet);
        assert_eq!(closed.latents.shape, [6, 2]);
        assert_eq!((closed.latents.row(2), closed.labels.unwrap()), (anchors.row(1), vec![0, 0, 1, 1, 2, 2]));
        let open = Walk::new(&anchors, Some(&[0, 1, 2]), 2, Ends::Apart);
        assert_eq!(open.latents.shape, [5, 2]);
        assert_eq!((open.latents.row(4), open.labels.unwrap()), (anchors.row(2), vec![0, 1, 1, 2, 2]));
        assert_eq!(Walk::new(&anchors, None, 1, Ends::Apart).labels, None);
    }
}
