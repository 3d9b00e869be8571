//! What pictures are compared by: features are part of the name of every number that rests on them.

mod edges;
mod inception;
mod own;
mod pickle;
mod random_conv;
mod trained;
mod weight_file;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use burn::prelude::Device;
use galatea_data::{DataSpec, Dataset, HostTensor};
use galatea_models::Part;
use galatea_models::classifier::Classifier;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// Features, ready to read examples.
pub trait Features: Send + Sync + std::fmt::Debug {
    /// The name, as in `frechet-1000-digits-lenet`.
    fn name(&self) -> &str;

    /// SHA-256 of what they are computed with, in hex.
    fn hash(&self) -> String;

    /// Reads examples; each row depends on its example only.
    ///
    /// # Errors
    /// If they have another shape.
    fn read(&self, examples: &HostTensor) -> Result<Reading>;
}

/// What was read from examples.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// `[n, d]`.
    pub features: HostTensor,
    /// Class probabilities `[n, classes]`, from features that classify.
    pub probabilities: Option<HostTensor>,
}

/// A kind of features.
#[derive(Debug)]
pub struct Kind {
    /// The name by which they are asked for.
    pub name: &'static str,
    /// What they are and when to use them.
    pub summary: &'static str,
    /// What they need beside examples.
    pub takes: Takes,
    /// What examples they read: `28x28 grey images`.
    pub readable: &'static str,
    /// Whether examples of a shape can be read, whatever they show.
    pub reads: fn(&[usize]) -> bool,
    /// Whether data like these mean something to them, so that they are taken when none are named.
    pub suits: fn(&DataSpec) -> bool,
    /// Makes them ready.
    pub open: fn(&Opening<'_>) -> Result<Arc<dyn Features>>,
}

/// What features need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A file of weights.
    File,
    /// Examples to learn from.
    Data,
}

/// What features are made ready with.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// What the data are.
    pub spec: &'a DataSpec,
    /// A file of weights, where the user names one.
    pub weights: Option<&'a Path>,
    /// What may be learnt from: never what samples are judged by.
    pub learn: Option<Learn<'a>>,
    /// Where what was learnt is kept for the next time.
    pub cache: Option<&'a Path>,
}

/// Examples that features may learn from.
#[derive(Clone, Copy)]
pub struct Learn<'a> {
    /// The data.
    pub data: &'a dyn Dataset,
    /// Which of them.
    pub examples: &'a [usize],
}

impl<'a> Opening<'a> {
    /// With nothing but the data's kind.
    pub fn new(spec: &'a DataSpec) -> Self {
        Self { spec, weights: None, learn: None, cache: None }
    }
}

/// Every kind of features; the first that suits is taken when none are named. Adding one is its file and its line.
pub static KINDS: &[&Kind] = &[
    &DIGITS_LENET,
    &POINTS,
    &WINDOWS,
    &PIXELS,
    &random_conv::KIND,
    &edges::KIND,
    &own::KIND,
    &trained::KIND,
    &inception::KIND,
];

/// The features for data like these, if there are any.
///
/// # Errors
/// If they cannot be made ready.
pub fn suiting(spec: &DataSpec) -> Result<Option<Arc<dyn Features>>> {
    let found = KINDS.iter().find(|kind| (kind.suits)(spec));
    found.map(|kind| (kind.open)(&Opening::new(spec))).transpose()
}

/// Whether there are features called `name` that read examples like these, and all that they need is given. Quick: nothing is
/// read or learnt.
///
/// # Errors
/// If not.
pub fn check(name: &str, opening: &Opening<'_>) -> Result<&'static Kind> {
    let Some(kind) = KINDS.iter().copied().find(|kind| kind.name == name) else {
        let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        return Err(Error::samples(
            format!("there are no features `{name}`"),
            format!("known are {}", known.join(", ")),
        ));
    };
    let shape = opening.spec.shape();
    if !(kind.reads)(&shape) {
        return Err(Error::samples(
            format!("the features `{name}` read {}, not examples of shape {shape:?}", kind.readable),
            "bring the data to that shape with `--set data.size=.. data.channels=..`, or name other features",
        ));
    }
    match (kind.takes, opening.weights) {
        (Takes::File, None) => Err(file_needed(kind)),
        (Takes::File, Some(_)) | (_, None) => Ok(kind),
        (_, Some(_)) => Err(Error::samples(
            format!("the features `{name}` take no file of weights"),
            "leave `--feature-weights` out, or name features that take one, such as `inception`",
        )),
    }
}

/// The features called `name`.
///
/// # Errors
/// As [`check`]; also if they cannot be made ready.
pub fn open(name: &str, opening: &Opening<'_>) -> Result<Arc<dyn Features>> {
    (check(name, opening)?.open)(opening)
}

fn file_needed(kind: &Kind) -> Error {
    let hint = match kind.name == trained::KIND.name {
        true => trained::needed(),
        false => {
            "name it with `--feature-weights FILE`: `pt_inception-2015-12-05-6726825d.pth` of pytorch-fid, or the same \
                  as safetensors"
                .to_owned()
        }
    };
    Error::samples(format!("the features `{}` need a file of weights", kind.name), hint)
}

/// Reads examples of `shape`, `batch` at once. The last batch is filled up, so that no row depends on how many there are. `read`
/// is given a batch of values and gives a row of numbers for each.
fn in_batches(
    name: &str,
    examples: &HostTensor,
    shape: &[usize],
    batch: usize,
    mut read: impl FnMut(Vec<f32>) -> Vec<f32>,
) -> Result<HostTensor> {
    if examples.shape[1..] != *shape {
        return Err(Error::samples(
            format!("the features read examples of shape {shape:?}, not {:?}", &examples.shape[1..]),
            "bring both sets to the same shape",
        ));
    }
    let n = examples.rows();
    let mut features = Vec::new();
    for start in (0..n).step_by(batch) {
        crate::progress::tell(|| format!("reading pictures by {name}: {start} of {n}"));
        let rows = (n - start).min(batch);
        let mut some = examples.slice_rows(start..start + rows).values;
        some.resize(batch * examples.row_len(), 0.0);
        let read = read(some);
        features.extend_from_slice(&read[..rows * (read.len() / batch)]);
    }
    Ok(HostTensor::new([n, features.len() / n.max(1)], features))
}

/// The values themselves: what neighbours and spreads of pictures are without any features. Distances of pixels are not how alike
/// pictures look, so they are taken only when asked for.
static PIXELS: Kind = Kind {
    name: "pixels",
    summary: "the values themselves: quick, but distances of pixels are not how alike pictures look",
    takes: Takes::Nothing,
    readable: "everything",
    reads: |_| true,
    suits: |_| false,
    open: |_| Ok(Arc::new(Pixels)),
};

/// The numbers of points, which have features enough in them.
static POINTS: Kind = Kind {
    name: "points",
    summary: "the numbers of points; taken for points",
    takes: Takes::Nothing,
    readable: "points",
    reads: |shape| shape.len() == 1,
    suits: |spec| matches!(spec, DataSpec::Points(_)),
    open: |_| Ok(Arc::new(Numbers)),
};

/// Windows of series with all channels on one scale.
static WINDOWS: Kind = Kind {
    name: "windows",
    summary: "the numbers of windows, each channel by its mean and deviation; taken for series",
    takes: Takes::Nothing,
    readable: "windows of series",
    reads: |shape| shape.len() == 2,
    suits: |spec| matches!(spec, DataSpec::Series(_)),
    open: |opening| match opening.spec {
        DataSpec::Series(series) => {
            Ok(Arc::new(Scaled { mean: series.mean.clone(), deviation: series.deviation.clone() }))
        }
        other => Err(Error::samples(format!("these data are {}, and no series", other.kind()), "name other features")),
    },
};

#[derive(Debug)]
struct Scaled {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Features for Scaled {
    fn name(&self) -> &str {
        WINDOWS.name
    }

    fn hash(&self) -> String {
        let mut hasher = Sha256::new();
        self.mean.iter().chain(&self.deviation).for_each(|value| hasher.update(value.to_le_bytes()));
        hex(&hasher.finalize())
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        let mut values = examples.values.clone();
        for moment in values.chunks_exact_mut(self.mean.len()) {
            let scale = self.mean.iter().zip(&self.deviation);
            moment.iter_mut().zip(scale).for_each(|(value, (mean, deviation))| *value = (*value - mean) / deviation);
        }
        let features = HostTensor::new([examples.rows(), examples.row_len()], values);
        Ok(Reading { features, probabilities: None })
    }
}

#[derive(Debug)]
struct Numbers;

impl Features for Numbers {
    fn name(&self) -> &str {
        POINTS.name
    }

    fn hash(&self) -> String {
        Pixels.hash()
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        Pixels.read(examples)
    }
}

#[derive(Debug)]
struct Pixels;

impl Features for Pixels {
    fn name(&self) -> &str {
        PIXELS.name
    }

    fn hash(&self) -> String {
        hex(&Sha256::digest(b""))
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        let features = HostTensor::new([examples.rows(), examples.row_len()], examples.values.clone());
        Ok(Reading { features, probabilities: None })
    }
}

/// 128 features of a classifier of handwritten digits; see `assets/README.md`.
static DIGITS_LENET: Kind = Kind {
    name: "digits-lenet",
    summary: "a classifier of handwritten digits, built in; taken for digits",
    takes: Takes::Nothing,
    readable: "28x28 grey images",
    reads: |shape| shape == [1, 28, 28],
    suits: |spec| {
        spec.shape() == [1, 28, 28]
            && spec.classes().len() == 10
            && spec.classes().iter().enumerate().all(|(i, name)| *name == i.to_string())
    },
    open: |_| Ok(Arc::new(DigitsLenet)),
};

/// The classifier of digits, for those who count them.
pub(crate) fn digits() -> &'static dyn Features {
    &DigitsLenet
}

#[derive(Debug)]
struct DigitsLenet;

const WEIGHTS: &[u8] = include_bytes!("../assets/digits-lenet.safetensors");

impl Features for DigitsLenet {
    fn name(&self) -> &str {
        DIGITS_LENET.name
    }

    fn hash(&self) -> String {
        hex(&Sha256::digest(WEIGHTS))
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        static CLASSIFIER: OnceLock<std::result::Result<Classifier, String>> = OnceLock::new();
        let classifier = CLASSIFIER
            .get_or_init(|| {
                let part = decode_weights(Classifier::PART, WEIGHTS)?;
                Classifier::new([1, 28, 28], 10, 0, &Device::flex()).with_weights(part).map_err(|e| e.to_string())
            })
            .as_ref()
            .map_err(|problem| Error::Weights { features: "digits-lenet", problem: problem.clone() })?;
        let (features, probabilities) = classifier.read(examples)?;
        Ok(Reading { features, probabilities: Some(probabilities) })
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The weights of a small network as a safetensors file, halved to 16 bits.
///
/// # Errors
/// If safetensors refuses them.
pub fn encode_weights(part: &Part) -> std::result::Result<Vec<u8>, safetensors::SafeTensorError> {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = part
        .tensors
        .iter()
        .map(|(name, tensor)| {
            let halves = tensor.values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect();
            (name.clone(), tensor.shape.clone(), halves)
        })
        .collect();
    let views: Vec<(&str, TensorView<'_>)> = bytes
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F16, shape.clone(), bytes)?)))
        .collect::<std::result::Result<_, safetensors::SafeTensorError>>()?;
    safetensors::serialize(views, None)
}

fn decode_weights(name: &str, bytes: &[u8]) -> std::result::Result<Part, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let value = |pair: &[u8]| half::f16::from_le_bytes([pair[0], pair[1]]).to_f32();
        (name, HostTensor::new(view.shape().to_vec(), view.data().chunks_exact(2).map(value).collect::<Vec<f32>>()))
    });
    Ok(Part { name: name.to_owned(), tensors: tensors.collect() })
}
