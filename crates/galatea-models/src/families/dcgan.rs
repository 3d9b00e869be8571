//! `dcgan`: the convolutional generative adversarial network, sized from the data.
//!
//! Paper: Radford et al. 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
//! Networks", arXiv:1511.06434, section 3.
//! Differs: no batch normalisation in the discriminator, whose slope R1 bounds instead (Mescheder et al. 2018); He's
//! initial weights; small batches at a high learning rate that falls to zero; the generator's average is what samples are
//! drawn with; classes, where there are any, are given to the generator beside z and in its normalisation, and to the
//! discriminator by projection (Miyato and Koyama 2018, arXiv:1802.05637).

use std::sync::OnceLock;

use burn::module::{Module, Param};
use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, HostTensor, choice, settings};
use galatea_kernels::Activation;
use galatea_kernels::burn::{batch_norm, beside, from_vec, linear, scale_shift, to_vec, unflatten};

use crate::nn::adversarial::{Adversarial, Game, Labels, Schedule};
use crate::nn::critic::{CriticShape, Discriminator};
use crate::nn::layers::{ConvUp, Linear, gain, kept, trained};
use crate::nn::noise::{self, WeightDraw};
use crate::nn::optimizer::Optimized;
use crate::nn::{average, weights};
use crate::{
    Ability, Demand, Error, Info, Invert, Latent, Model, Part, Preset, Purpose, Result, SampleRequest, Slope,
    StepReport, Turn,
};

choice! {
    /// Normalisation between the generator's layers.
    pub enum Norm {
        /// By the statistics of the batch, scaled and shifted by class (Ioffe and Szegedy 2015, arXiv:1502.03167).
        Batch = "batch",
        /// None.
        None = "none",
    }
}

settings! {
    /// Settings of [`Dcgan`].
    pub struct Config {
        /// Channels of the largest pictures inside; each halving of the side doubles them.
        width: usize = 64, in 1..=1_024;
        /// No layer has more channels than this.
        max_width: usize = 256, in 1..=4_096;
        /// Normalisation in the generator: batch or none.
        norm_g: Norm = Norm::Batch;
        /// Slope of the discriminator's leaky ReLU for negative values.
        slope_d: f64 = 0.2, in 0.0..1.0;
    }
    include {
        /// Settings of adversarial training.
        adversarial: Adversarial = Adversarial {
            batch: 16,
            latent: 32,
            learning_rate_g: 2e-3,
            learning_rate_d: 2e-3,
            schedule: Schedule::Linear,
            beta_1: 0.0,
            beta_2: 0.99,
            r1: 1.0,
            ema: 0.99,
            ..Adversarial::default()
        };
    }
}

/// Latent vectors by which the sampler's normalisation is fixed, and how many of them at once: training has memory for those.
const SETTLING: u64 = 128;
const SETTLING_BATCH: u64 = 64;

/// Settings for folders of a few hundred pictures.
const SMALL_DATA: Preset = Preset {
    name: "small-data",
    summary: "some hundred pictures: what the discriminator sees is changed as far as it overfits",
    settings: r#"
        augment = "colour,translation,scaling"
        augment_probability = 0.8
        adaptive_augment = 0.6
    "#,
};

const STACKED: Preset = Preset {
    name: "stacked",
    summary: "for `--data stacked`, whose thousand modes are to be found without being told the classes",
    settings: r#"
        conditional = "no"
        batch = 32
        latent = 64
        [train]
        steps = 8000
    "#,
};

/// The family.
#[derive(Debug)]
pub struct Dcgan {
    game: Game,
    generator: Optimized<Generator>,
    discriminator: Optimized<Discriminator>,
    average: Option<Generator>,
    sampler: OnceLock<Generator>,
    /// `[channels, height, width]`.
    shape: [usize; 3],
}

impl Config {
    fn critic(&self) -> CriticShape<'_> {
        let Self { width, max_width, slope_d: slope, adversarial, .. } = self;
        CriticShape { channels: [*width, *max_width], slope: *slope, adversarial }
    }
}

impl Model for Dcgan {
    const INFO: Info = Info {
        name: "dcgan",
        summary: "convolutional GAN, sized from the data: pictures of any shape from 8x8 up",
        paper: "Radford et al. 2016, Unsupervised Representation Learning with DCGANs, arXiv:1511.06434",
        differs: "R1 in place of the discriminator's batch normalisation; weight averaging; classes by projection",
        modalities: &["images"],
        abilities: &[Ability::Latent, Ability::Invert],
    };

    const PRESETS: &'static [Preset] = &[STACKED, SMALL_DATA];
    const STEPS: u64 = 12_000;
    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let [_, height, width] = picture(spec)?;
        if height.min(width) < 8 || height.max(width) > 512 {
            return Err(Error::usage(
                format!("`dcgan` cannot draw pictures of {width}x{height}"),
                "bring them to a size between 8 and 512 with `--set data.size=64`",
            ));
        }
        config.adversarial.checked_loss(spec).map(drop)
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let shape = picture(spec)?;
        let device = device.clone().autodiff();
        let game = Game::new(config.adversarial.clone(), spec, device.clone())?;
        let mut draw = WeightDraw::new(seed, &device);
        let classes = game.classes.len();
        let generator = Generator::new(config, shape, classes, &mut draw);
        let pack = game.settings.remedies.pack;
        let packed = [pack * shape[0], shape[1], shape[2]];
        let discriminator = Discriminator::new(&config.critic(), packed, pack * classes, &mut draw);
        let average = (game.settings.ema > 0.0).then(|| generator.valid());
        Ok(Self {
            generator: Optimized::new(generator, game.settings.adam()),
            discriminator: Optimized::new(discriminator, game.settings.adam()),
            average,
            sampler: OnceLock::new(),
            game,
            shape,
        })
    }

    fn demand(&self) -> Demand {
        Demand { batch: self.game.settings.batch, batches: self.game.settings.discriminator_steps }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let game = &self.game;
        let mut report = StepReport::default();
        let mut last = None;
        for (round, batch) in batches.iter().enumerate() {
            // 1. A batch of latent vectors z, and 2. one of real pictures x.
            let (x, labels) = game.real::<4>(batch, &self.shape)?;
            let z = game.latents(turn, round, batch.len());
            // 3. D judges x and G(z), which is held constant.
            let fake = self.generator.frozen().forward(z, labels.clone()).detach();
            let x = game.disturbed(x, turn, 2 * round);
            let fake = game.disturbed(fake, turn, 2 * round + 1);
            self.discriminator.change(Discriminator::iterate);
            // 4. D goes down its loss.
            let pair = [x.clone(), fake];
            let loss = game.discriminator_loss(&*self.discriminator, pair.clone(), labels.clone(), &mut report);
            let penalty = game.penalty(&*self.discriminator, pair, labels.clone(), (turn, round), &mut report);
            let loss = penalty.into_iter().fold(loss, Tensor::add);
            let rate = game.settings.discriminator_rate(turn);
            self.discriminator.descend_noting(loss, rate, turn, ("gradient_d", &mut report));
            last = Some((x, labels, batch.len()));
        }
        // 5. Fresh latent vectors; 6. G goes down its loss under D, which is held constant.
        let Some((x, labels, n)) = last else { return Ok(report) };
        let z = game.latents(turn, batches.len(), n);
        let fake = self.generator.forward(z.clone(), labels.clone());
        let pair = [x, game.disturbed(fake.clone(), turn, 2 * batches.len())];
        let loss = game.generator_loss(&self.discriminator.frozen(), pair, labels.clone(), &mut report);
        let again = |z| self.generator.forward(z, labels);
        let loss = game.with_mode_seeking(loss, (z, fake), again, (turn, batches.len() + 1), &mut report);
        let rate = game.settings.generator_rate(turn);
        self.generator.descend_noting(loss, rate, turn, ("gradient_g", &mut report));
        self.average =
            self.average.take().map(|mean| average::follow(mean, &*self.generator, game.settings.ema, turn.step));
        self.sampler.take();
        self.game.adapt(&mut report);
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        let labels = request.labels(&self.game.classes)?;
        let values = self.decode(&self.latents(request), labels.as_deref())?;
        Ok(HostBatch { values, labels })
    }

    fn classes(&self) -> &[String] {
        &self.game.classes
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![
            weights::to_part("generator", &*self.generator),
            self.generator.to_part("generator-adam"),
            weights::to_part("discriminator", &*self.discriminator),
            self.discriminator.to_part("discriminator-adam"),
            weights::to_part(self.sampling_part(), self.sampler()),
        ];
        parts.extend(self.game.to_part());
        parts
    }

    fn sampling_part(&self) -> &'static str {
        "generator-ema"
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        let sampler = weights::from_parts(self.sampling_part(), self.generator.valid(), parts)?;
        if purpose == Purpose::Training {
            self.generator.load("generator", parts, purpose)?;
            self.discriminator.load("discriminator", parts, purpose)?;
            self.game.load(parts)?;
        }
        self.average = self.average.is_some().then(|| sampler.clone());
        self.sampler = OnceLock::from(sampler);
        Ok(())
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("generator", self.generator.num_params()), ("discriminator", self.discriminator.num_params())]
    }

    fn as_latent(&self) -> Option<&dyn Latent> {
        Some(self)
    }

    fn as_invert(&self) -> Option<&dyn Invert> {
        Some(self)
    }

    fn judge(&self, examples: &HostBatch) -> Result<Option<Vec<f32>>> {
        self.game.judge_alone::<4>(&*self.discriminator, examples, &self.shape)
    }
}

impl Dcgan {
    /// The generator that samples are drawn with: the average, with its normalisation fixed by latent vectors that are
    /// always the same, so that a picture does not depend on its batch.
    fn sampler(&self) -> &Generator {
        self.sampler.get_or_init(|| {
            let sampler = self.average.clone().unwrap_or_else(|| self.generator.valid());
            let device = sampler.start.weight.val().device();
            let batches = (0..SETTLING / SETTLING_BATCH).map(|batch| {
                let range = batch * SETTLING_BATCH..(batch + 1) * SETTLING_BATCH;
                let request = SampleRequest { range, ..SampleRequest::new(0, 0) };
                let z = noise::sample_latents(request.seed, request.range.clone(), self.game.settings.latent);
                let z = from_vec(z.values, [SETTLING_BATCH as usize, self.game.settings.latent], &device);
                let labels = request.labels(&self.game.classes).ok().flatten();
                (z, self.game.labels(labels.as_deref(), SETTLING_BATCH as usize, &device).ok().flatten())
            });
            sampler.settled(batches)
        })
    }
}

impl Latent for Dcgan {
    fn latent_len(&self) -> usize {
        self.game.settings.latent
    }

    fn latents(&self, request: &SampleRequest) -> HostTensor {
        self.game.sample_latents(request)
    }

    fn decode(&self, latents: &HostTensor, labels: Option<&[u32]>) -> Result<HostTensor> {
        let sampler = self.sampler();
        let device = sampler.start.weight.val().device();
        let draw = |z, labels| to_vec(sampler.forward_fixed(z, labels));
        let values = self.game.draw_in_batches(latents, labels, &device, draw)?;
        let [channels, height, width] = self.shape;
        Ok(HostTensor::new([latents.rows(), channels, height, width], values))
    }

    fn first_layer(&self) -> Option<HostTensor> {
        Some(weights::first_rows(&self.sampler().start.weight.val(), self.game.settings.latent))
    }
}

impl Invert for Dcgan {
    fn pull(&self, z: &HostTensor, labels: Option<&[u32]>, slope: Slope<'_>) -> Result<[HostTensor; 2]> {
        let generator = self.sampler().clone().train().no_grad();
        self.game.pull(z, labels, |z, labels| generator.forward_fixed(z, labels), slope)
    }

    fn pull_features(
        &self,
        x: &HostTensor,
        labels: Option<&[u32]>,
        slope: Slope<'_>,
    ) -> Result<Option<[HostTensor; 2]>> {
        self.game.pull_features::<4>(&self.discriminator.frozen(), x, labels, slope)
    }
}

fn picture(spec: &DataSpec) -> Result<[usize; 3]> {
    match spec {
        DataSpec::Images(image) => Ok([image.channels, image.height, image.width]),
        other => Err(Error::usage(format!("`dcgan` draws pictures, not {}", other.kind()), "use another family")),
    }
}

/// Sizes of the pictures inside, `[height, width]`, largest first: halved until the short side is below 8.
fn sizes(height: usize, width: usize) -> Vec<[usize; 2]> {
    let mut sizes = vec![[height, width]];
    while let Some(&[height, width]) = sizes.last()
        && height.min(width) >= 8
    {
        sizes.push([height.div_ceil(2), width.div_ceil(2)]);
    }
    sizes
}

/// A latent vector to a small picture of many channels, doubled until it is large enough; values in `[-1, 1]`.
#[derive(Module, Debug)]
struct Generator {
    start: Linear,
    norms: Vec<BatchNorm>,
    ups: Vec<ConvUp>,
    /// Channels and `[height, width]` of the picture that each layer ends in, smallest first.
    #[module(skip)]
    pictures: Vec<(usize, [usize; 2])>,
}

/// How [`Generator`] normalises.
enum Statistics {
    /// By those of the batch.
    Batch,
    /// By those that were fixed.
    Fixed,
    /// By those of the batch, which are then fixed.
    Settle,
}

impl Generator {
    fn new(config: &Config, [channels, height, width]: [usize; 3], classes: usize, draw: &mut WeightDraw) -> Self {
        let pictures: Vec<(usize, [usize; 2])> = sizes(height, width)
            .into_iter()
            .enumerate()
            .map(|(halvings, size)| match halvings {
                0 => (channels, size),
                _ => ((config.width << (halvings - 1).min(16)).min(config.max_width), size),
            })
            .rev()
            .collect();
        let (first, [h, w]) = pictures[0];
        let start = Linear::new(config.adversarial.latent + classes, first * h * w, gain(0.0), draw);
        let last = pictures.len() - 1;
        let ups = (0..last)
            .map(|i| ConvUp::new([pictures[i].0, pictures[i + 1].0], if i + 1 == last { 1.0 } else { gain(0.0) }, draw))
            .collect();
        let norms = match config.norm_g {
            Norm::Batch => {
                pictures[..last].iter().map(|&(channels, _)| BatchNorm::new(channels, classes, draw)).collect()
            }
            Norm::None => Vec::new(),
        };
        Self { start, norms, ups, pictures }
    }

    /// `[n, latent]` to `[n, channels, height, width]`, normalised by the batch.
    fn forward(&self, z: Tensor<2>, labels: Labels) -> Tensor<4> {
        self.clone().run(z, labels, Statistics::Batch).0
    }

    /// The same, normalised by fixed statistics: each picture depends on its own latent vector only.
    fn forward_fixed(&self, z: Tensor<2>, labels: Labels) -> Tensor<4> {
        self.clone().run(z, labels, Statistics::Fixed).0
    }

    /// The same generator with its statistics fixed to those of these batches together, each normalised by its own on the
    /// way as in training.
    /// Source: Wu and Johnson 2021, "Rethinking Batch in BatchNorm", arXiv:2105.07576, section 3.
    fn settled(mut self, batches: impl Iterator<Item = (Tensor<2>, Labels)>) -> Self {
        let settled: Vec<Self> = batches.map(|(z, labels)| self.clone().run(z, labels, Statistics::Settle).1).collect();
        for (i, norm) in self.norms.iter_mut().enumerate() {
            let mean_of = |values: Vec<Tensor<1>>| {
                let count = values.len() as f64;
                values.into_iter().reduce(|sum, value| sum + value).map(|sum| sum / count)
            };
            let Some(mean) = mean_of(settled.iter().map(|one| one.norms[i].mean.val()).collect()) else { break };
            let square = |one: &Self| {
                let apart = one.norms[i].mean.val() - mean.clone();
                one.norms[i].variance.val() + apart.clone() * apart
            };
            if let Some(variance) = mean_of(settled.iter().map(square).collect()) {
                (norm.mean, norm.variance) = (kept(mean), kept(variance));
            }
        }
        self
    }

    fn run(mut self, z: Tensor<2>, labels: Labels, statistics: Statistics) -> (Tensor<4>, Self) {
        let z = match &labels {
            Some(labels) => beside(z, labels.clone()),
            None => z,
        };
        let (channels, [height, width]) = self.pictures[0];
        let normalised = !self.norms.is_empty();
        let before = if normalised { Activation::Identity } else { Activation::Relu };
        let mut x = unflatten(self.start.forward(z, before), [channels, height, width]);
        for (i, up) in self.ups.iter().enumerate() {
            if let Some(norm) = self.norms.get_mut(i) {
                x = norm.forward(x, &labels, &statistics);
            }
            let last = i + 1 == self.ups.len();
            x = up.forward(x, if last { Activation::Tanh } else { before });
            // Doubling an odd size, rounded up when it was halved, gives a row or column too many.
            let (_, [height, width]) = self.pictures[i + 1];
            if x.dims()[2] != height {
                x = x.narrow(2, 0, height);
            }
            if x.dims()[3] != width {
                x = x.narrow(3, 0, width);
            }
        }
        (x, self)
    }
}

/// Batch normalisation followed by ReLU; with classes, each has its own scale and shift (Dumoulin et al. 2017,
/// arXiv:1610.07629).
#[derive(Module, Debug)]
struct BatchNorm {
    /// `[rows, channels]`: a row per class, or a single one.
    gamma: Param<Tensor<2>>,
    /// `[rows, channels]`.
    beta: Param<Tensor<2>>,
    mean: Param<Tensor<1>>,
    variance: Param<Tensor<1>>,
}

impl BatchNorm {
    const EPSILON: f64 = 1e-5;

    fn new(channels: usize, classes: usize, draw: &WeightDraw) -> Self {
        let device = draw.device();
        let rows = classes.max(1);
        Self {
            gamma: trained(Tensor::ones([rows, channels], device)),
            beta: trained(Tensor::zeros([rows, channels], device)),
            mean: kept(Tensor::zeros([channels], device)),
            variance: kept(Tensor::ones([channels], device)),
        }
    }

    fn forward(&mut self, x: Tensor<4>, labels: &Labels, statistics: &Statistics) -> Tensor<4> {
        // A row for each picture, or one for all.
        let of_class = |rows: Tensor<2>| match labels {
            Some(labels) => linear(labels.clone(), rows, None, Activation::Identity),
            None => rows,
        };
        let (scale, shift) = (of_class(self.gamma.val()), of_class(self.beta.val()));
        if let Statistics::Fixed = statistics {
            let scale = scale / self.variance.val().add_scalar(Self::EPSILON).sqrt().unsqueeze();
            let shift = shift - scale.clone() * self.mean.val().unsqueeze();
            return scale_shift(x, scale, shift, Activation::Relu);
        }
        let (y, mean, variance) = batch_norm(x, scale, shift, Self::EPSILON as f32, Activation::Relu);
        if let Statistics::Settle = statistics {
            self.mean = kept(mean);
            self.variance = kept(variance);
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_batches_settle_is_what_they_settle_together() {
        let config = Config { width: 4, max_width: 8, ..Config::default() };
        let device = Device::flex().autodiff();
        let generator = Generator::new(&config, [1, 16, 16], 0, &mut WeightDraw::new(1, &device)).valid();
        let device = Device::flex();
        let request = SampleRequest::new(0, 12);
        let z = from_vec(
            noise::sample_latents(3, request.range, config.adversarial.latent).values,
            [12, config.adversarial.latent],
            &device,
        );
        let first = |batches: Vec<Tensor<2>>| {
            let settled = generator.clone().settled(batches.into_iter().map(|z| (z, None)));
            [settled.norms[0].mean.val(), settled.norms[0].variance.val()].map(to_vec)
        };
        // Of the first layer it is the same exactly: nothing before it depends on the batch.
        let (whole, parts) = (first(vec![z.clone()]), first(z.split(4, 0)));
        for (whole, parts) in whole.iter().flatten().zip(parts.iter().flatten()) {
            assert!((whole - parts).abs() < 1e-5 * (1.0 + whole.abs()), "{whole} and {parts}");
        }
    }
}
