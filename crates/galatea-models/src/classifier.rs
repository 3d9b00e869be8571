//! A small convolutional classifier, whose inner values serve as features for judging pictures.
//!
//! Paper: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section II.B (LeNet-5).
//! Differs: strided convolutions in place of subsampling, ReLU, 128 features, softmax cross-entropy.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use galatea_data::{HostBatch, HostTensor};
use galatea_kernels::Activation;
use galatea_kernels::burn::{from_vec, to_vec};

use crate::nn::layers::{Conv, Linear, gain};
use crate::nn::noise::WeightDraw;
use crate::nn::optimizer::{Adam, Optimized};
use crate::nn::weights;
use crate::{Error, Part, Result};

/// Features per picture.
pub const FEATURES: usize = 128;

/// Pictures are read in batches of this many.
const BATCH: usize = 250;

/// The network: two convolutions, a layer of features, a logit per class.
#[derive(Module, Debug)]
struct Network {
    first: Conv,
    second: Conv,
    features: Linear,
    logits: Linear,
}

impl Network {
    fn new([channels, height, width]: [usize; 3], classes: usize, draw: &mut WeightDraw) -> Self {
        let inner = 24 * height.div_ceil(2).div_ceil(2) * width.div_ceil(2).div_ceil(2);
        Self {
            first: Conv::new([channels, 12], 5, 2, 2, gain(0.0), draw),
            second: Conv::new([12, 24], 5, 2, 2, gain(0.0), draw),
            features: Linear::new(inner, FEATURES, gain(0.0), draw),
            logits: Linear::new(FEATURES, classes, 1.0, draw),
        }
    }

    /// `[n, channels, height, width]` to `[n, 128]`.
    fn features(&self, x: Tensor<4>) -> Tensor<2> {
        let n = x.dims()[0];
        let x = self.second.forward(self.first.forward(x, Activation::Relu), Activation::Relu);
        self.features.forward(x.reshape([n as i32, -1]), Activation::Relu)
    }

    fn logits(&self, features: Tensor<2>) -> Tensor<2> {
        self.logits.forward(features, Activation::Identity)
    }
}

/// A classifier of pictures, under training or in use.
#[derive(Debug)]
pub struct Classifier {
    network: Optimized<Network>,
    shape: [usize; 3],
    classes: usize,
    device: Device,
}

impl Classifier {
    /// The name of its part in a file.
    pub const PART: &'static str = "classifier";

    /// A classifier of pictures `[channels, height, width]` with fresh weights.
    pub fn new(shape: [usize; 3], classes: usize, seed: u64, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let network = Network::new(shape, classes, &mut WeightDraw::new(seed, &device));
        let adam = Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, clip: 0.0, history: 0.0 };
        Self { network: Optimized::new(network, adam), shape, classes, device }
    }

    /// A step down the cross-entropy of a labelled batch. Returns the loss before it, in nats.
    ///
    /// # Errors
    /// If the batch has another shape, or labels are missing or unknown.
    pub fn step(&mut self, batch: &HostBatch, learning_rate: f64) -> Result<f64> {
        self.check(&batch.values)?;
        let n = batch.len();
        let labels = batch.labels.as_deref().unwrap_or_default();
        if labels.len() != n || labels.iter().any(|&label| label as usize >= self.classes) {
            return Err(Error::usage("a classifier needs a known class for each picture", "use labelled data"));
        }
        let mut targets = vec![0.0; n * self.classes];
        for (row, &label) in targets.chunks_exact_mut(self.classes).zip(labels) {
            row[label as usize] = 1.0;
        }
        let targets = from_vec(targets, [n, self.classes], &self.device);
        let logits = self.network.logits(self.network.features(self.pictures(&batch.values)));
        let loss = (log_softmax(logits, 1) * targets).sum().mul_scalar(-1.0 / n as f64);
        let value = to_vec(loss.clone().inner()).iter().map(|value| f64::from(*value)).sum();
        self.network.descend(loss, learning_rate);
        Ok(value)
    }

    /// Features `[n, 128]` (not negative) and class probabilities `[n, classes]` of pictures; each row depends on its
    /// picture only.
    ///
    /// # Errors
    /// If the pictures have another shape.
    pub fn read(&self, pictures: &HostTensor) -> Result<(HostTensor, HostTensor)> {
        self.check(pictures)?;
        let network = self.network.valid();
        let device = network.logits.weight.val().device();
        let n = pictures.rows();
        let (mut features, mut probabilities) = (Vec::new(), Vec::new());
        for start in (0..n).step_by(BATCH) {
            let rows = (n - start).min(BATCH);
            let [channels, height, width] = self.shape;
            // Filled up, so that what is read from a picture does not depend on how many there are.
            let mut some = pictures.slice_rows(start..start + rows).values;
            some.resize(BATCH * channels * height * width, 0.0);
            let inner = network.features(from_vec(some, [BATCH, channels, height, width], &device));
            features.extend_from_slice(&to_vec(inner.clone())[..rows * FEATURES]);
            for row in to_vec(network.logits(inner)).chunks_exact(self.classes).take(rows) {
                let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let weights: Vec<f32> = row.iter().map(|logit| (logit - largest).exp()).collect();
                let sum: f32 = weights.iter().sum();
                probabilities.extend(weights.iter().map(|weight| weight / sum));
            }
        }
        Ok((HostTensor::new([n, FEATURES], features), HostTensor::new([n, self.classes], probabilities)))
    }

    /// Its weights.
    pub fn part(&self) -> Part {
        weights::to_part(Self::PART, &*self.network)
    }

    /// The same classifier with these weights.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn with_weights(mut self, part: Part) -> Result<Self> {
        self.network.load(Self::PART, &[part], crate::Purpose::Sampling)?;
        Ok(self)
    }

    fn pictures(&self, pictures: &HostTensor) -> Tensor<4> {
        let [channels, height, width] = self.shape;
        from_vec(pictures.values.clone(), [pictures.rows(), channels, height, width], &self.device)
    }

    fn check(&self, pictures: &HostTensor) -> Result<()> {
        if pictures.shape.len() == 4 && pictures.shape[1..] == self.shape {
            return Ok(());
        }
        Err(Error::usage(
            format!("the classifier reads pictures of {:?}, not {:?}", self.shape, pictures.shape),
            "use other features for these pictures",
        ))
    }
}
