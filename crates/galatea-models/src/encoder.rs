//! An encoder of pictures that learns without labels: two changed views of one picture are to be alike, those of others not.
//!
//! Paper: Chen et al. 2020, "A Simple Framework for Contrastive Learning of Visual Representations", arXiv:2002.05709, algorithm 1.
//! Differs: a small chain of strided convolutions without normalisation in place of a ResNet; views are shifted, turned, scaled, and
//! changed in contrast and brightness, without crops and mirrors; Adam with a cosine in place of LARS.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use galatea_data::{AugmentOptions, DataSpec, HostBatch, HostTensor, ImageSpec, settings};
use galatea_kernels::Activation;
use galatea_kernels::burn::{from_vec, to_vec};
use galatea_kernels::random::Stream;

use crate::nn::layers::{Conv, Linear, gain};
use crate::nn::noise::WeightDraw;
use crate::nn::optimizer::{Adam, Optimized};
use crate::nn::weights;
use crate::{Error, Part, Purpose, Result, StepReport, Turn};

settings! {
    /// Settings of an encoder.
    pub struct Config {
        /// Pictures in one step, two views of each.
        batch: usize = 256, in 2..=4_096;
        /// Channels of the first stage; each next one has twice as many, up to four times as many.
        width: usize = 32, in 1..=512;
        /// Numbers per picture.
        features: usize = 128, in 1..=4_096;
        /// Numbers that views are compared by.
        projected: usize = 64, in 1..=4_096;
        /// Divides similarities: the lower, the more the nearest of the others matter.
        temperature: f64 = 0.2, in 1e-3..=10.0;
        /// Adam's first step length; it falls to 0 along a cosine.
        learning_rate: f64 = 1e-3, in 0.0..=1.0;
        /// Largest shift of a view, as a share of the side.
        shift: f64 = 0.12, in 0.0..=0.5;
        /// Largest turn of a view, in degrees.
        rotate: f64 = 15.0, in 0.0..=180.0;
        /// Largest change of size of a view.
        scale: f64 = 0.25, in 0.0..=1.0;
        /// Largest change of a view's contrast, and of each channel's brightness.
        colour: f64 = 0.3, in 0.0..=1.0;
    }
}

/// Pictures are read in batches of this many.
const BATCH: usize = 128;
/// The shortest side of a picture.
pub const LEAST_SIDE: usize = 4;
/// Stages go on while a side is longer than this.
const LAST_SIDE: usize = 4;
/// Streams of random numbers of the two views.
const VIEWS: [u64; 2] = [0xe1 << 56, 0xe2 << 56];

/// Strided convolutions, a layer of features, and the layers through which views are compared.
#[derive(Module, Debug)]
struct Network {
    stages: Vec<Conv>,
    features: Linear,
    hidden: Linear,
    projected: Linear,
}

impl Network {
    fn new(config: &Config, [channels, height, width]: [usize; 3], draw: &mut WeightDraw) -> Self {
        let [mut inputs, mut outputs] = [channels, config.width];
        let [mut height, mut width] = [height, width];
        let mut stages = Vec::new();
        while stages.is_empty() || height.max(width) > LAST_SIDE {
            stages.push(Conv::new([inputs, outputs], 4, 2, 1, gain(SLOPE), draw));
            (inputs, outputs) = (outputs, (2 * outputs).min(4 * config.width));
            (height, width) = (halved(height), halved(width));
            if height == 1 || width == 1 {
                break;
            }
        }
        Self {
            stages,
            features: Linear::new(inputs * height * width, config.features, gain(0.0), draw),
            hidden: Linear::new(config.features, config.features, gain(0.0), draw),
            projected: Linear::new(config.features, config.projected, 1.0, draw),
        }
    }

    /// `[n, channels, height, width]` to `[n, features]`, none below 0.
    fn features(&self, x: Tensor<4>) -> Tensor<2> {
        let n = x.dims()[0];
        let x = self.stages.iter().fold(x, |x, stage| stage.forward(x, Activation::LeakyRelu(SLOPE as f32)));
        self.features.forward(x.reshape([n as i32, -1]), Activation::Relu)
    }

    /// Unit vectors `[n, projected]`.
    fn projected(&self, features: Tensor<2>) -> Tensor<2> {
        let z = self.projected.forward(self.hidden.forward(features, Activation::Relu), Activation::Identity);
        let length = z.clone().powi_scalar(2).sum_dim(1).add_scalar(1e-12).sqrt(); // [n, 1]
        z / length
    }
}

const SLOPE: f64 = 0.2;

/// The side after a convolution of 4x4 with stride 2 and padding 1.
fn halved(side: usize) -> usize {
    (side / 2).max(1)
}

/// An encoder, under training or in use.
#[derive(Debug)]
pub struct Encoder {
    network: Optimized<Network>,
    config: Config,
    spec: DataSpec,
    shape: [usize; 3],
    device: Device,
}

impl Encoder {
    /// The name of its part in a file.
    pub const PART: &'static str = "encoder";

    /// An encoder of pictures `[channels, height, width]` with fresh weights, a function of `seed`.
    ///
    /// # Errors
    /// If pictures are smaller than 4x4.
    pub fn new(config: &Config, shape: [usize; 3], seed: u64, device: &Device) -> Result<Self> {
        let [channels, height, width] = shape;
        if height.min(width) < LEAST_SIDE {
            return Err(Error::usage(
                format!("pictures of {width}x{height} are too small to be encoded"),
                "use 4x4 or more",
            ));
        }
        let device = device.clone().autodiff();
        let network = Network::new(config, shape, &mut WeightDraw::new(seed, &device));
        let adam = Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, clip: 0.0, history: 0.0 };
        let spec = DataSpec::Images(ImageSpec { channels, height, width, classes: Vec::new() });
        Ok(Self { network: Optimized::new(network, adam), config: config.clone(), spec, shape, device })
    }

    /// Multiplications that a training step does in convolutions and layers, about.
    pub fn products_per_step(&self) -> f64 {
        let [mut inputs, mut height, mut width] = self.shape;
        let mut products = 0;
        for stage in &self.network.stages {
            let [outputs, ..] = stage.weight.dims();
            (height, width) = (halved(height), halved(width));
            products += 16 * inputs * outputs * height * width;
            inputs = outputs;
        }
        products += inputs * height * width * self.config.features;
        // Two views, and about as much again for either gradient.
        6.0 * (products * self.config.batch) as f64
    }

    /// A step towards views that are alike. `pictures` are as many as `batch` says, or fewer; reports `loss`, in nats, and
    /// `found`, the share of views whose partner is the most similar of all.
    ///
    /// # Errors
    /// If pictures are of another shape, or fewer than two.
    pub fn step(&mut self, turn: Turn, pictures: &HostBatch) -> Result<StepReport> {
        self.check(&pictures.values)?;
        let n = pictures.len();
        if n < 2 {
            return Err(Error::usage("an encoder compares two pictures or more", "give it larger batches"));
        }
        let mut values = Vec::with_capacity(2 * pictures.values.values.len());
        VIEWS.iter().for_each(|stream| values.extend(self.view(turn, *stream, pictures).values.values));
        let [channels, height, width] = self.shape;
        let x = from_vec(values, [2 * n, channels, height, width], &self.device);
        let z = self.network.projected(self.network.features(x)); // [2n, projected]
        let similar = z.clone().matmul(z.transpose()).mul_scalar(1.0 / self.config.temperature); // [2n, 2n]
        // Nothing is compared with itself.
        let mut itself = vec![0.0; 4 * n * n];
        let mut partner = vec![0.0; 4 * n * n];
        for i in 0..2 * n {
            itself[i * 2 * n + i] = -1e9;
            partner[i * 2 * n + (i + n) % (2 * n)] = 1.0;
        }
        let [itself, partner_of] = [itself, partner].map(|values| from_vec(values, [2 * n, 2 * n], &self.device));
        let likely = log_softmax(similar + itself, 1);
        let loss = (likely.clone() * partner_of).sum().mul_scalar(-0.5 / n as f64);
        let all = to_vec(likely.inner());
        let rows = || all.chunks_exact(2 * n).enumerate().map(|(i, row)| (row, row[(i + n) % (2 * n)]));
        let mean = rows().map(|(_, partner)| -f64::from(partner)).sum::<f64>() / (2 * n) as f64;
        let found = rows().filter(|(row, partner)| row.iter().all(|other| other <= partner)).count();
        let rate = self.config.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * turn.progress()).cos());
        self.network.descend(loss, rate);
        Ok(StepReport { scalars: vec![("loss", mean), ("found", found as f64 / (2 * n) as f64)] })
    }

    /// Changed pictures; each by a stream of its own.
    fn view(&self, turn: Turn, stream: u64, pictures: &HostBatch) -> HostBatch {
        let Config { shift, rotate, scale, colour, .. } = self.config;
        let mut view = HostBatch { values: pictures.values.clone(), labels: None };
        let streams: Vec<u64> = (0..view.len() as u64).map(|row| stream | row << 32 | turn.step).collect();
        let options = AugmentOptions { shift, rotate, scale, ..AugmentOptions::default() };
        galatea_data::augment(&mut view, &self.spec, &options, turn.seed, &streams);
        let [channels, height, width] = self.shape;
        for (picture, stream) in view.values.values.chunks_exact_mut(channels * height * width).zip(&streams) {
            // Other numbers than those of the shifts.
            let mut draws = Stream::new(turn.seed ^ 0x5eed, *stream);
            let mut within = || (colour * (2.0 * draws.next_f64() - 1.0)) as f32;
            let contrast = 1.0 + within();
            for plane in picture.chunks_exact_mut(height * width) {
                let brightness = within();
                plane.iter_mut().for_each(|value| *value = (*value * contrast + brightness).clamp(-1.0, 1.0));
            }
        }
        view
    }

    /// Features `[n, features]` of pictures; each row depends on its picture only.
    ///
    /// # Errors
    /// If the pictures have another shape.
    pub fn read(&self, pictures: &HostTensor) -> Result<HostTensor> {
        self.check(pictures)?;
        let network = self.network.valid();
        let device = network.projected.weight.val().device();
        let (n, width) = (pictures.rows(), self.config.features);
        let mut features = Vec::with_capacity(n * width);
        for start in (0..n).step_by(BATCH) {
            let rows = (n - start).min(BATCH);
            // Filled up, so that what is read from a picture does not depend on how many there are.
            let mut some = pictures.slice_rows(start..start + rows).values;
            some.resize(BATCH * pictures.row_len(), 0.0);
            let [channels, height, side] = self.shape;
            let read = network.features(from_vec(some, [BATCH, channels, height, side], &device));
            features.extend_from_slice(&to_vec(read)[..rows * width]);
        }
        Ok(HostTensor::new([n, width], features))
    }

    /// Its weights.
    pub fn part(&self) -> Part {
        weights::to_part(Self::PART, &*self.network)
    }

    /// All that training goes on from.
    pub fn parts(&self) -> Vec<Part> {
        vec![self.part(), self.network.to_part(&format!("{}-adam", Self::PART))]
    }

    /// Takes back what [`parts`](Self::parts) gave.
    ///
    /// # Errors
    /// If a part or an array is missing or has another shape.
    pub fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.network.load(Self::PART, parts, purpose)
    }

    /// Number of its weights, those included that only views are compared by.
    pub fn parameters(&self) -> usize {
        self.network.num_params()
    }

    /// The same encoder with these weights.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn with_weights(mut self, part: Part) -> Result<Self> {
        self.load(&[part], Purpose::Sampling)?;
        Ok(self)
    }

    fn check(&self, pictures: &HostTensor) -> Result<()> {
        if pictures.shape.len() == 4 && pictures.shape[1..] == self.shape {
            return Ok(());
        }
        Err(Error::usage(
            format!("the encoder reads pictures of {:?}, not {:?}", self.shape, pictures.shape),
            "bring the pictures to that shape",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(n: usize, shape: [usize; 3]) -> HostBatch {
        let mut values = vec![0.0; n * shape.iter().product::<usize>()];
        galatea_kernels::random::fill_uniform(3, 1, &mut values);
        let shape = [n, shape[0], shape[1], shape[2]];
        HostBatch { values: HostTensor::new(shape, values), labels: None }
    }

    #[test]
    fn steps_find_the_partner_and_repeat_themselves() {
        let shape = [3, 9, 12];
        let config = Config { batch: 16, width: 4, features: 16, projected: 8, shift: 0.0, ..Config::default() };
        let train = || {
            let mut encoder = Encoder::new(&config, shape, 1, &Device::flex()).unwrap();
            let batch = pictures(16, shape);
            let report = |step| encoder.step(Turn { seed: 2, step, steps: 60 }, &batch).unwrap();
            let losses: Vec<f64> = (1..=60).map(report).map(|report| report.get("loss").unwrap()).collect();
            (losses, encoder)
        };
        let ((losses, encoder), (again, _)) = (train(), train());
        assert_eq!(losses, again);
        // Chance is the logarithm of 31.
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        assert!(mean(&losses[..10]) > 2.9 && mean(&losses[50..]) < mean(&losses[..10]) - 0.4, "{losses:?}");
        let batch = pictures(130, shape).values;
        let all = encoder.read(&batch).unwrap();
        assert_eq!(encoder.read(&batch.slice_rows(129..130)).unwrap().row(0), all.row(129));
        let copy = Encoder::new(&config, shape, 9, &Device::flex()).unwrap().with_weights(encoder.part()).unwrap();
        assert_eq!(copy.read(&batch).unwrap(), all);
    }

    #[test]
    fn the_loss_is_the_papers() {
        // With all vectors alike each of the 2n - 1 others is as likely as the partner.
        let shape = [1, 4, 4];
        let config = Config { batch: 4, width: 2, features: 4, projected: 2, colour: 0.0, ..Config::default() };
        let mut encoder = Encoder::new(&config, shape, 1, &Device::flex()).unwrap();
        let batch = HostBatch { values: HostTensor::new([4, 1, 4, 4], vec![0.5; 64]), labels: None };
        let report = encoder.step(Turn { seed: 1, step: 1, steps: 2 }, &batch).unwrap();
        assert!((report.get("loss").unwrap() - 7f64.ln()).abs() < 1e-4, "{report:?}");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let device = Device::flex();
        assert!(Encoder::new(&Config::default(), [1, 3, 9], 0, &device).is_err());
        let mut encoder = Encoder::new(&Config::default(), [1, 8, 8], 0, &device).unwrap();
        let turn = Turn { seed: 1, step: 1, steps: 2 };
        assert!(encoder.step(turn, &pictures(1, [1, 8, 8])).is_err());
        assert!(encoder.step(turn, &pictures(4, [1, 8, 9])).is_err());
        assert!(encoder.read(&pictures(4, [3, 8, 8]).values).is_err());
    }
}
