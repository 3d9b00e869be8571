//! `gan`: the generative adversarial network of fully connected layers, with which it all began.
//!
//! Paper: Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661, algorithm 1.
//! Differs: no maxout and no dropout; the generator's average is what samples are drawn with; R1 keeps the discriminator
//! from winning (Mescheder et al. 2018); classes, where there are any, are given to both networks (Mirza and Osindero
//! 2014, arXiv:1411.1784).
//!
//! Pictures are values in [-1, 1], and the generator ends in tanh. Points have units of their own: the networks see each
//! number less its mean and divided by its deviation over the data, the generator ends in a linear layer, and samples are
//! scaled back.
//!
//! The preset `listing` is the Keras listing of digits that this project starts from: its networks, Adam at 1e-4, batches
//! of 32, 10,000 steps, a checkpoint each 1,000, no average and no penalty. As printed that listing cannot run: its
//! generator ends in 1,024 values that are then reshaped to 784, and it samples with latent vectors of the wrong length.
//! Here the generator ends in a layer of 784 with tanh, and latent vectors have 100 values throughout.
//!
//! The preset `plain-toy` is the GAN that Lin et al. 2018, "PacGAN", arXiv:1712.04086, section 4.1, compare with on `ring` and
//! `grid`, as their program has it: Adam, rates, batches, widths and steps. It differs in that the generator is without
//! batch normalisation, that leaky ReLU is in the place of maxout of five pieces, and in the initial weights.

use std::sync::OnceLock;

use burn::module::Module;
use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, HostTensor, settings};
use galatea_kernels::Activation;
use galatea_kernels::burn::{first_columns, to_vec};

use crate::nn::adversarial::{Adversarial, Critic, Game, Labels, Schedule};
use crate::nn::condition::with_labels;
use crate::nn::layers::{Linear, gain, through};
use crate::nn::noise::WeightDraw;
use crate::nn::optimizer::Optimized;
use crate::nn::remedy::Crowd;
use crate::nn::scale::Scale;
use crate::nn::waves::Waves;
use crate::nn::{average, weights};
use crate::{
    Ability, Demand, Error, Info, Invert, Latent, Model, Part, Preset, Purpose, Result, SampleRequest, Slope,
    StepReport, Turn,
};

settings! {
    /// Settings of [`Gan`].
    pub struct Config {
        /// Widths of the generator's hidden layers, which are followed by ReLU.
        hidden_g: Vec<usize> = vec![128, 256, 512, 1024];
        /// Widths of the discriminator's hidden layers.
        hidden_d: Vec<usize> = vec![1024, 512, 256, 128];
        /// Slope of the discriminator's leaky ReLU for negative values; 0 is a plain ReLU.
        slope_d: f64 = 0.2, in 0.0..1.0;
        /// Of points the discriminator sees waves of so many octaves, too (Tancik et al. 2020, arXiv:2006.10739).
        octaves_d: usize = 0, in 0..=12;
    }
    include {
        /// Settings of adversarial training.
        adversarial: Adversarial = Adversarial {
            batch: 32,
            latent: 100,
            learning_rate_g: 1e-3,
            learning_rate_d: 1e-3,
            schedule: Schedule::Linear,
            r1: 1.0,
            beta_1: 0.0,
            beta_2: 0.99,
            ..Adversarial::default()
        };
    }
}

const LISTING: Preset = Preset {
    name: "listing",
    summary: "the Keras listing of digits, made to run: ReLU networks, Adam 1e-4, batch 32, 10,000 steps",
    settings: r#"
        batch = 32
        latent = 100
        conditional = "no"
        hidden_g = [128, 256, 512, 1024]
        hidden_d = [1024, 512, 256, 128]
        slope_d = 0.0
        learning_rate_g = 1e-4
        learning_rate_d = 1e-4
        schedule = "constant"
        beta_1 = 0.9
        beta_2 = 0.999
        epsilon = 1e-7
        r1 = 0.0
        ema = 0.0
        [train]
        steps = 10000
        checkpoint_every = 1000
    "#,
};

const POINTS: Preset = Preset {
    name: "points",
    summary: "points of few numbers, such as `ring`: taken for them where no preset is named",
    settings: r#"
        batch = 256
        latent = 2
        hidden_g = [128, 128, 128]
        hidden_d = [128, 128, 128]
        octaves_d = 5
        loss = "relativistic"
        learning_rate_g = 5e-3
        learning_rate_d = 2e-3
        schedule = "linear"
        beta_1 = 0.0
        beta_2 = 0.99
        r1 = 0.1
        r2 = 0.1
        penalty_end = 0.003
        mode_seeking = 0.1
        penalty_every = 4
        ema = 0.999
        [train]
        steps = 16000
        sample_every = 500
        preview = 1000
    "#,
};

const PLAIN_TOY: Preset = Preset {
    name: "plain-toy",
    summary: "the GAN that PacGAN's authors compare with on `ring` and `grid`, without remedies, 400,000 steps",
    settings: r#"
        batch = 100
        latent = 2
        conditional = "no"
        hidden_g = [400, 400, 400, 400]
        hidden_d = [200, 200, 200]
        loss = "non-saturating"
        learning_rate_g = 1e-4
        learning_rate_d = 1e-4
        schedule = "constant"
        beta_1 = 0.8
        beta_2 = 0.999
        epsilon = 1e-8
        r1 = 0.0
        ema = 0.0
        [train]
        steps = 400000
        sample_every = 5000
        checkpoint_every = 5000
        preview = 1000
    "#,
};

/// The family.
#[derive(Debug)]
pub struct Gan {
    game: Game,
    generator: Optimized<Generator>,
    discriminator: Optimized<Discriminator>,
    average: Option<Generator>,
    sampler: OnceLock<Generator>,
    /// Dimensions of an example.
    shape: Vec<usize>,
    /// Of points; pictures have no need of it.
    scale: Option<Scale>,
}

impl Model for Gan {
    const INFO: Info = Info {
        name: "gan",
        summary: "fully connected GAN: the classic, for small pictures and points",
        paper: "Goodfellow et al. 2014, Generative Adversarial Nets, arXiv:1406.2661",
        differs: "no maxout, no dropout; weight averaging, R1 and classes by default",
        modalities: &["images", "points"],
        abilities: &[Ability::Latent, Ability::Invert],
    };

    const PRESETS: &'static [Preset] = &[LISTING, POINTS, PLAIN_TOY];

    const USUAL_PRESETS: &'static [(&'static str, &'static str)] = &[("points", "points")];

    const STEPS: u64 = 8_000;

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        for (key, widths) in [("hidden_g", &config.hidden_g), ("hidden_d", &config.hidden_d)] {
            if widths.is_empty() || widths.len() > 32 || widths.iter().any(|width| !(1..=16_384).contains(width)) {
                return Err(Error::usage(
                    format!("`{key}` is {widths:?}"),
                    format!("`{key}` takes 1 to 32 widths of 1 to 16384, such as [256, 512]"),
                ));
            }
        }
        if config.octaves_d > 0 && !matches!(spec, DataSpec::Points(_)) {
            return Err(Error::usage(
                format!("`octaves_d` is for points, and the data are {}", spec.kind()),
                "leave it out, or use `octaves_d=0`",
            ));
        }
        let pack = config.adversarial.remedies.pack;
        if spec.elements() * pack > 1 << 16 {
            let packed = if pack > 1 { format!(", {pack} at once,") } else { String::new() };
            return Err(Error::usage(
                format!("{} values in an example{packed} are too many for fully connected layers", spec.elements()),
                "make pictures smaller with `--set data.size=32`, or use `dcgan`",
            ));
        }
        config.adversarial.checked_loss(spec).map(drop)
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let device = device.clone().autodiff();
        let game = Game::new(config.adversarial.clone(), spec, device.clone())?;
        let mut draw = WeightDraw::new(seed, &device);
        let classes = game.classes.len();
        let scale = Scale::of(spec);
        let output = if scale.is_some() { Activation::Identity } else { Activation::Tanh };
        let generator = Generator::new(config, spec.elements(), classes, output, &mut draw);
        let pack = game.settings.remedies.pack;
        let mut discriminator = Discriminator::new(config, pack * spec.elements(), pack * classes, &mut draw);
        if scale.is_some() {
            discriminator.layers[0] = discriminator.layers[0].clone().with_biases(1.0, &mut draw);
        }
        let average = (game.settings.ema > 0.0).then(|| generator.valid());
        Ok(Self {
            generator: Optimized::new(generator, game.settings.adam()),
            discriminator: Optimized::new(discriminator, game.settings.adam()),
            average,
            sampler: OnceLock::new(),
            game,
            shape: spec.shape(),
            scale,
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
            // 1. A batch of latent vectors z, and 2. one of real examples x.
            let batch = Scale::reduced(self.scale.as_ref(), batch);
            let (x, labels) = game.real::<2>(&batch, &[self.shape.iter().product()])?;
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
        ];
        parts.extend(self.game.to_part());
        parts.extend(self.average.as_ref().map(|average| weights::to_part("generator-ema", average)));
        parts
    }

    fn sampling_part(&self) -> &'static str {
        if self.average.is_some() { "generator-ema" } else { "generator" }
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.sampler.take();
        if let Some(average) = &self.average {
            self.average = Some(weights::from_parts("generator-ema", average.clone(), parts)?);
            if purpose == Purpose::Sampling {
                return Ok(());
            }
        }
        self.generator.load("generator", parts, purpose)?;
        if purpose == Purpose::Training {
            self.discriminator.load("discriminator", parts, purpose)?;
            self.game.load(parts)?;
        }
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
        let examples = Scale::reduced(self.scale.as_ref(), examples);
        self.game.judge_alone::<2>(&*self.discriminator, &examples, &[self.shape.iter().product()])
    }
}

impl Gan {
    /// The generator that samples are drawn with.
    fn sampler(&self) -> &Generator {
        self.sampler.get_or_init(|| self.average.clone().unwrap_or_else(|| self.generator.valid()))
    }
}

impl Latent for Gan {
    fn latent_len(&self) -> usize {
        self.game.settings.latent
    }

    fn latents(&self, request: &SampleRequest) -> HostTensor {
        self.game.sample_latents(request)
    }

    fn decode(&self, latents: &HostTensor, labels: Option<&[u32]>) -> Result<HostTensor> {
        let sampler = self.sampler();
        let device = sampler.layers[0].weight.val().device();
        let draw = |z, labels| to_vec(sampler.forward(z, labels));
        let mut values = self.game.draw_in_batches(latents, labels, &device, draw)?;
        if let Some(scale) = &self.scale {
            scale.restore(&mut values);
        }
        let mut shape = vec![latents.rows()];
        shape.extend(&self.shape);
        Ok(HostTensor::new(shape, values))
    }

    fn first_layer(&self) -> Option<HostTensor> {
        Some(weights::first_rows(&self.sampler().layers[0].weight.val(), self.game.settings.latent))
    }
}

impl Invert for Gan {
    fn pull(&self, z: &HostTensor, labels: Option<&[u32]>, slope: Slope<'_>) -> Result<[HostTensor; 2]> {
        let generator = self.sampler().clone().train().no_grad();
        self.game.pull(z, labels, |z, labels| generator.forward(z, labels), slope)
    }

    fn pull_features(
        &self,
        x: &HostTensor,
        labels: Option<&[u32]>,
        slope: Slope<'_>,
    ) -> Result<Option<[HostTensor; 2]>> {
        self.game.pull_features::<2>(&self.discriminator.frozen(), x, labels, slope)
    }
}

/// Latent vectors, with classes beside them, through ReLU layers to values in `[-1, 1]`, or to numbers of any size.
#[derive(Module, Debug)]
struct Generator {
    layers: Vec<Linear>,
    #[module(skip)]
    output: Activation,
}

impl Generator {
    fn new(config: &Config, outputs: usize, classes: usize, output: Activation, draw: &mut WeightDraw) -> Self {
        let mut inputs = config.adversarial.latent + classes;
        let mut layers = Vec::new();
        for &width in &config.hidden_g {
            layers.push(Linear::new(inputs, width, gain(0.0), draw));
            inputs = width;
        }
        layers.push(Linear::new(inputs, outputs, 1.0, draw));
        if let (Activation::Identity, Some(first)) = (output, layers.first_mut()) {
            *first = first.clone().with_biases(1.0, draw);
        }
        Self { layers, output }
    }

    /// `[n, latent]` to `[n, elements]`.
    fn forward(&self, z: Tensor<2>, labels: Labels) -> Tensor<2> {
        let mut x = with_labels(z, labels);
        let (last, hidden) = self.layers.split_last().expect("there is a layer");
        for layer in hidden {
            x = layer.forward(x, Activation::Relu);
        }
        last.forward(x, self.output)
    }
}

/// Examples, with classes beside them, through leaky ReLU layers to a logit.
#[derive(Module, Debug)]
struct Discriminator {
    layers: Vec<Linear>,
    crowd: Crowd,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    waves: Waves,
}

impl Discriminator {
    fn new(config: &Config, inputs: usize, classes: usize, draw: &mut WeightDraw) -> Self {
        let waves = Waves::new(config.octaves_d, inputs);
        let mut inputs = waves.width() + classes;
        let mut layers = Vec::new();
        for &width in &config.hidden_d {
            layers.push(Linear::new(inputs, width, gain(config.slope_d), draw));
            inputs = width;
        }
        layers.push(Linear::new(inputs, 1, 1.0, draw));
        if config.adversarial.spectral_norm {
            layers = layers.into_iter().map(|layer| layer.with_spectral_norm(draw)).collect();
        }
        let crowd = Crowd::new(&config.adversarial, config.hidden_d[config.hidden_d.len() - 1], draw);
        Self { layers, crowd, activation: Activation::LeakyRelu(config.slope_d as f32), waves }
    }

    fn iterate(mut self) -> Self {
        self.layers = self.layers.into_iter().map(Linear::iterate).collect();
        self.crowd = self.crowd.iterate();
        self
    }

    /// The outputs of all hidden layers; there is at least one.
    fn outputs(&self, x: Tensor<2>, labels: Labels) -> Vec<Tensor<2>> {
        let mut outputs = Vec::with_capacity(self.layers.len());
        let mut x = with_labels(self.waves.forward(x), labels);
        for layer in &self.layers[..self.layers.len() - 1] {
            x = layer.forward(x, self.activation);
            outputs.push(x.clone());
        }
        outputs
    }
}

impl Critic<2> for Discriminator {
    fn features(&self, x: Tensor<2>, labels: Labels) -> Tensor<2> {
        self.outputs(x, labels).pop().expect("there is a hidden layer")
    }

    fn logits(&self, features: Tensor<2>, _labels: Labels) -> Tensor<2> {
        let last = &self.layers[self.layers.len() - 1];
        self.crowd.heard(last.forward(features.clone(), Activation::Identity), &features)
    }

    fn slope(&self, x: Tensor<2>, labels: Labels) -> Tensor<2> {
        let n = x.dims()[0];
        let mut outputs = self.outputs(x.clone(), labels);
        let mut layers = self.layers.iter().rev();
        let last = layers.next().expect("there is a layer");
        let features = &outputs[outputs.len() - 1];
        let mut gradient = last.input_gradient(Tensor::ones([n, 1], &features.device()));
        gradient = self.crowd.slope(gradient, features);
        for layer in layers {
            let y = outputs.pop().expect("an output per hidden layer");
            gradient = layer.input_gradient(through(gradient, y, self.activation));
        }
        self.waves.input_gradient(first_columns(gradient, self.waves.width()), &x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::adversarial::tests::{crowded, packs, slope_is_the_gradient};

    #[test]
    fn the_slope_of_packs_that_are_told_of_each_other_is_exact() {
        let config = Config { hidden_d: vec![12, 10], adversarial: crowded(), ..Config::default() };
        let device = Device::flex().autodiff();
        for classes in [0, 6] {
            let critic = Discriminator::new(&config, 8, classes, &mut WeightDraw::new(1, &device));
            slope_is_the_gradient(&critic, packs([6, 8], classes));
        }
    }

    #[test]
    fn the_slope_of_waves_is_exact() {
        let config = Config { hidden_d: vec![12, 10], octaves_d: 3, ..Config::default() };
        let device = Device::flex().autodiff();
        let critic = Discriminator::new(&config, 8, 0, &mut WeightDraw::new(1, &device));
        slope_is_the_gradient(&critic, packs([6, 8], 0));
    }
}
