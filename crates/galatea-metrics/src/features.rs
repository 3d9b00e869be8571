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
pub trait Features: Sync {
    /// The name, as in `frechet-1000-digits-lenet`.
    fn name(&self) -> &'static str;

    /// Whether data like these can be read, and mean something to these features.
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
pub static FEATURES: &[&dyn Features] = &[&DigitsLenet];

/// The features for data like these, if there are any.
pub fn suiting(spec: &DataSpec) -> Option<&'static dyn Features> {
    FEATURES.iter().copied().find(|features| features.suit(spec))
}

/// 128 features of a classifier of handwritten digits; see `assets/README.md`.
struct DigitsLenet;

const WEIGHTS: &[u8] = include_bytes!("../assets/digits-lenet.safetensors");

impl Features for DigitsLenet {
    fn name(&self) -> &'static str {
        "digits-lenet"
    }

    fn suit(&self, spec: &DataSpec) -> bool {
        spec.shape() == [1, 28, 28]
            && spec.classes().len() == 10
            && spec.classes().iter().enumerate().all(|(i, name)| *name == i.to_string())
    }

    fn hash(&self) -> String {
        Sha256::digest(WEIGHTS).iter().map(|byte| format!("{byte:02x}")).collect()
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
