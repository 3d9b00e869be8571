//! Features of an encoder that learns from the user's own training data, without labels.
//!
//! Paper: Morozov, Voynov and Babenko 2021, "On Self-Supervised Image Representations for GAN Evaluation", ICLR, section 3: such
//! features judge pictures that are no photographs better than those of a classifier of photographs.
//! Differs: the encoder is small, and learns from the data at hand; see `galatea_models::encoder`.

use std::path::Path;
use std::sync::Arc;

use burn::prelude::Device;
use galatea_data::{HostTensor, write};
use galatea_kernels::random::Stream;
use galatea_models::encoder::{Config, Encoder};
use galatea_models::{Turn, encoder};
use sha2::{Digest, Sha256};

use super::{Features, Kind, Learn, Opening, Reading, Takes, decode_weights, encode_weights, hex};
use crate::{Error, Result};

/// Features that are learnt.
pub(super) static KIND: Kind = Kind {
    name: "self",
    summary: "an encoder that learns from your training data, in about two minutes the first time; any pictures",
    takes: Takes::Data,
    readable: "pictures of at least 4x4 pixels",
    reads: |shape| matches!(shape, [1 | 3, height, width] if height.min(width) >= &4),
    suits: |_| false,
    open,
};

/// Changes whenever the same data would be learnt otherwise, so that what was learnt before is not taken.
const VERSION: u32 = 1;
const SEED: u64 = 0x5e1f;
/// Multiplications that two cores do in some two minutes.
const EFFORT: f64 = 4.5e12;
/// Steps at least and at most: fewer teach nothing, and more no more.
const STEPS: (f64, f64) = (200.0, 1_500.0);
/// Fewer pictures than this are too few to learn from.
const LEAST: usize = 32;

fn open(opening: &Opening<'_>) -> Result<Arc<dyn Features>> {
    let shape = <[usize; 3]>::try_from(opening.spec.shape())
        .map_err(|_| Error::samples("these data are no pictures", "name other features"))?;
    let Some(learn) = opening.learn.filter(|learn| learn.examples.len() >= LEAST) else {
        return Err(Error::samples(
            format!("the features `self` learn from training data, {LEAST} pictures or more"),
            "name data to learn from with `--train SRC`, or name other features",
        ));
    };
    let config = Config { batch: Config::default().batch.min(learn.examples.len()), ..Config::default() };
    let fresh = Encoder::new(&config, shape, SEED, &Device::flex())?;
    let key = key(&learn, &config);
    let cached = opening.cache.map(|folder| folder.join(format!("encoder-{}.safetensors", &key[..32])));
    if let Some(bytes) = cached.as_ref().and_then(|path| std::fs::read(path).ok())
        && let Ok(part) = decode_weights(Encoder::PART, &bytes)
        && let Ok(encoder) = fresh.with_weights(part)
    {
        return Ok(Arc::new(Own { encoder, hash: hex(&Sha256::digest(&bytes)) }));
    }
    // What is kept is rounded, so what is used is what was kept: the first time and later ones see the same features.
    let bytes = train(&learn, &config, shape)?;
    if let Some(path) = &cached {
        keep(path, &bytes);
    }
    let part = decode_weights(Encoder::PART, &bytes).map_err(|problem| Error::samples(problem, "train it again"))?;
    let encoder = Encoder::new(&config, shape, SEED, &Device::flex())?.with_weights(part)?;
    Ok(Arc::new(Own { encoder, hash: hex(&Sha256::digest(&bytes)) }))
}

/// What the weights are a function of.
fn key(learn: &Learn<'_>, config: &Config) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{VERSION} {SEED} {EFFORT} {config:?} {}\n", learn.data.fingerprint()));
    learn.examples.iter().for_each(|index| hasher.update((*index as u64).to_le_bytes()));
    hex(&hasher.finalize())
}

/// A cache that cannot be written to costs time and nothing else.
fn keep(path: &Path, bytes: &[u8]) {
    if let Some(folder) = path.parent() {
        let made = std::fs::create_dir_all(folder);
        if made.is_ok() {
            let _ = write::file(path, bytes);
        }
    }
}

/// The weights of an encoder after training, as a file.
fn train(learn: &Learn<'_>, config: &Config, shape: [usize; 3]) -> Result<Vec<u8>> {
    let mut encoder = Encoder::new(config, shape, SEED, &Device::flex())?;
    let steps = (EFFORT / encoder.products_per_step()).clamp(STEPS.0, STEPS.1) as u64;
    let batch = config.batch;
    let mut order = learn.examples.to_vec();
    let (mut at, mut round) = (order.len(), 0);
    for step in 1..=steps {
        if at + batch > order.len() {
            Stream::new(SEED, round).shuffle(&mut order);
            (at, round) = (0, round + 1);
        }
        let pictures = learn.data.batch(&order[at..at + batch])?;
        at += batch;
        let report = encoder.step(Turn { seed: SEED, step, steps }, &pictures)?;
        let value = |name: &str| report.get(name).unwrap_or(f64::NAN);
        if !value("loss").is_finite() {
            return Err(Error::samples("the encoder of the features `self` diverged", "name other features"));
        }
        crate::progress::tell(|| {
            format!(
                "learning features from the training data: step {step} of {steps}, {:.0} % of views find their partner",
                100.0 * value("found")
            )
        });
    }
    encode_weights(&encoder.part()).map_err(|error| {
        Error::samples(format!("the weights of the encoder cannot be written: {error}"), "train it again")
    })
}

#[derive(Debug)]
struct Own {
    encoder: encoder::Encoder,
    hash: String,
}

impl Features for Own {
    fn name(&self) -> &str {
        KIND.name
    }

    fn hash(&self) -> String {
        self.hash.clone()
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        Ok(Reading { features: self.encoder.read(examples)?, probabilities: None })
    }
}
