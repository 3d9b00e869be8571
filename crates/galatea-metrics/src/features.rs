//! What pictures are compared by: features are part of the name of every number that rests on them.

use std::sync::OnceLock;

use burn::prelude::Device;
use galatea_data::{DataSpec, HostTensor};
use galatea_models::Part;
use galatea_models::classifier::Classifier;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// Features of a kind of example.
pub trait Features: Sync + std::fmt::Debug {
    /// The name, as in `frechet-1000-digits-lenet`.
    fn name(&self) -> &'static str;

    /// Whether examples of this shape can be read, whatever they show.
    fn read_shape(&self, shape: &[usize]) -> bool;

    /// What examples of that shape are called: `28x28 grey images`.
    fn readable(&self) -> &'static str;

    /// Whether data like these mean something to these features, so that they are taken when none are named.
    fn suit(&self, spec: &DataSpec) -> bool;

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

/// Every kind of features; the first that suits is taken.
pub static FEATURES: &[&dyn Features] = &[&DigitsLenet, &Numbers, &Pixels];

/// The features for data like these, if there are any.
pub fn suiting(spec: &DataSpec) -> Option<&'static dyn Features> {
    FEATURES.iter().copied().find(|features| features.suit(spec))
}

/// The features called `name`, for examples of this shape.
///
/// # Errors
/// If there are none, or they read other shapes.
pub fn named(name: &str, shape: &[usize]) -> Result<&'static dyn Features> {
    let Some(features) = FEATURES.iter().copied().find(|features| features.name() == name) else {
        let known: Vec<&str> = FEATURES.iter().map(|features| features.name()).collect();
        return Err(Error::samples(
            format!("there are no features `{name}`"),
            format!("known are {}", known.join(", ")),
        ));
    };
    match features.read_shape(shape) {
        true => Ok(features),
        false => Err(Error::samples(
            format!("the features `{name}` read {}, not examples of shape {shape:?}", features.readable()),
            "bring the data to that shape with `--set data.size=.. data.channels=..`, or name other features",
        )),
    }
}

/// The numbers of points, which have features enough in them.
#[derive(Debug)]
struct Numbers;

impl Features for Numbers {
    fn name(&self) -> &'static str {
        "points"
    }

    fn read_shape(&self, shape: &[usize]) -> bool {
        shape.len() == 1
    }

    fn readable(&self) -> &'static str {
        "points"
    }

    fn suit(&self, spec: &DataSpec) -> bool {
        matches!(spec, DataSpec::Points(_))
    }

    fn hash(&self) -> String {
        Pixels.hash()
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        Pixels.read(examples)
    }
}

/// The values themselves: what neighbours and spreads of pictures are without any features.
#[derive(Debug)]
struct Pixels;

impl Features for Pixels {
    fn name(&self) -> &'static str {
        "pixels"
    }

    fn read_shape(&self, _: &[usize]) -> bool {
        true
    }

    fn readable(&self) -> &'static str {
        "everything"
    }

    /// Distances of pixels are not how alike pictures look, so they are taken only when asked for.
    fn suit(&self, _: &DataSpec) -> bool {
        false
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
#[derive(Debug)]
struct DigitsLenet;

const WEIGHTS: &[u8] = include_bytes!("../assets/digits-lenet.safetensors");

impl Features for DigitsLenet {
    fn name(&self) -> &'static str {
        "digits-lenet"
    }

    fn read_shape(&self, shape: &[usize]) -> bool {
        shape == [1, 28, 28]
    }

    fn readable(&self) -> &'static str {
        "28x28 grey images"
    }

    fn suit(&self, spec: &DataSpec) -> bool {
        self.read_shape(&spec.shape())
            && spec.classes().len() == 10
            && spec.classes().iter().enumerate().all(|(i, name)| *name == i.to_string())
    }

    fn hash(&self) -> String {
        hex(&Sha256::digest(WEIGHTS))
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        static CLASSIFIER: OnceLock<std::result::Result<Classifier, String>> = OnceLock::new();
        let classifier = CLASSIFIER
            .get_or_init(|| {
                let part = decode_weights(WEIGHTS)?;
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

/// The weights of a classifier as a safetensors file, halved to 16 bits.
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

fn decode_weights(bytes: &[u8]) -> std::result::Result<Part, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let value = |pair: &[u8]| half::f16::from_le_bytes([pair[0], pair[1]]).to_f32();
        (name, HostTensor::new(view.shape().to_vec(), view.data().chunks_exact(2).map(value).collect::<Vec<f32>>()))
    });
    Ok(Part { name: Classifier::PART.to_owned(), tensors: tensors.collect() })
}
