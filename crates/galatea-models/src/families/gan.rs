//! `gan`: the generative adversarial network of fully connected layers, with which it all began.
//!
//! Paper: Goodfellow et al. 2014, "Generative Adversarial Nets", arXiv:1406.2661, algorithm 1.
//! Differs: no maxout and no dropout; the generator's average is what samples are drawn with; R1 keeps the discriminator
//! from winning (Mescheder et al. 2018); classes, where there are any, are given to both networks (Mirza and Osindero
//! 2014, arXiv:1411.1784).
//!
//! The preset `listing` is the Keras listing of digits that this project starts from: its networks, Adam at 1e-4, batches
//! of 32, 10,000 steps, a checkpoint each 1,000, no average and no penalty. As printed that listing cannot run: its
//! generator ends in 1,024 values that are then reshaped to 784, and it samples with latent vectors of the wrong length.
//! Here the generator ends in a layer of 784 with tanh, and latent vectors have 100 values throughout.

use std::sync::OnceLock;

use burn::module::Module;
use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, HostTensor, settings};
use galatea_kernels::Activation;
use galatea_kernels::burn::{beside, first_columns, to_vec};

use crate::nn::adversarial::{Adversarial, Critic, Game, Labels, Schedule};
use crate::nn::layers::{Linear, gain, through};
use crate::nn::noise::WeightDraw;
use crate::nn::optimizer::Optimized;
use crate::nn::{average, weights};
use crate::{
    Ability, Demand, Error, Info, Latent, Model, Part, Preset, Purpose, Result, SampleRequest, StepReport, Turn,
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
}

impl Model for Gan {
    const INFO: Info = Info {
        name: "gan",
        summary: "fully connected GAN: the classic, for small pictures and points",
        paper: "Goodfellow et al. 2014, Generative Adversarial Nets, arXiv:1406.2661",
        differs: "no maxout, no dropout; weight averaging, R1 and classes by default",
        modalities: &["images"],
        abilities: &[Ability::Latent],
    };

    const PRESETS: &'static [Preset] = &[Preset {
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
    }];

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
        if spec.elements() > 1 << 16 {
            return Err(Error::usage(
                format!("{} values in an example are too many for fully connected layers", spec.elements()),
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
        let generator = Generator::new(config, spec.elements(), classes, &mut draw);
        let discriminator = Discriminator::new(config, spec.elements(), classes, &mut draw);
        let average = (game.settings.ema > 0.0).then(|| generator.valid());
        Ok(Self {
            generator: Optimized::new(generator, game.settings.adam()),
            discriminator: Optimized::new(discriminator, game.settings.adam()),
            average,
            sampler: OnceLock::new(),
            game,
            shape: spec.shape(),
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
            let (x, labels) = game.real::<2>(batch, &[self.shape.iter().product()])?;
            let z = game.latents(turn, round, batch.len());
            // 3. D judges x and G(z), which is held constant.
            let fake = self.generator.frozen().forward(z, labels.clone()).detach();
            let x = game.disturbed(x, turn, 2 * round);
            let fake = game.disturbed(fake, turn, 2 * round + 1);
            self.discriminator.change(Discriminator::iterate);
            let judged = game.judge_both(&*self.discriminator, x.clone(), fake.clone(), labels.clone());
            // 4. D goes down its loss.
            let loss = game.discriminator_loss(judged, &mut report);
            let pair = [x.clone(), fake];
            let penalty = game.penalty(&*self.discriminator, pair, labels.clone(), (turn, round), &mut report);
            let loss = penalty.into_iter().fold(loss, Tensor::add);
            game.descend_discriminator(&mut self.discriminator, loss, turn, &mut report);
            last = Some((x, labels, batch.len()));
        }
        // 5. Fresh latent vectors; 6. G goes down its loss under D, which is held constant.
        let Some((x, labels, n)) = last else { return Ok(report) };
        let fake = self.generator.forward(game.latents(turn, batches.len(), n), labels.clone());
        let fake = game.disturbed(fake, turn, 2 * batches.len());
        let judged = game.judge_fake(&self.discriminator.frozen(), x, fake, labels);
        let loss = game.generator_loss(judged, &mut report);
        game.descend_generator(&mut self.generator, loss, turn, &mut report);
        self.average =
            self.average.take().map(|mean| average::follow(mean, &*self.generator, game.settings.ema, turn.step));
        self.sampler.take();
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
        }
        Ok(())
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("generator", self.generator.num_params()), ("discriminator", self.discriminator.num_params())]
    }

    fn as_latent(&self) -> Option<&dyn Latent> {
        Some(self)
    }

    fn judge(&self, examples: &HostBatch) -> Result<Option<Vec<f32>>> {
        self.game.judge_alone::<2>(&*self.discriminator, examples, &[self.shape.iter().product()])
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
        let sampler = self.sampler.get_or_init(|| self.average.clone().unwrap_or_else(|| self.generator.valid()));
        let device = sampler.layers[0].weight.val().device();
        let draw = |z, labels| to_vec(sampler.forward(z, labels));
        let values = self.game.draw_in_batches(latents, labels, &device, draw)?;
        let mut shape = vec![latents.rows()];
        shape.extend(&self.shape);
        Ok(HostTensor::new(shape, values))
    }
}

/// Latent vectors, with classes beside them, through ReLU layers to values in `[-1, 1]`.
#[derive(Module, Debug)]
struct Generator {
    layers: Vec<Linear>,
}

impl Generator {
    fn new(config: &Config, outputs: usize, classes: usize, draw: &mut WeightDraw) -> Self {
        let mut inputs = config.adversarial.latent + classes;
        let mut layers = Vec::new();
        for &width in &config.hidden_g {
            layers.push(Linear::new(inputs, width, gain(0.0), draw));
            inputs = width;
        }
        layers.push(Linear::new(inputs, outputs, 1.0, draw));
        Self { layers }
    }

    /// `[n, latent]` to `[n, elements]`.
    fn forward(&self, z: Tensor<2>, labels: Labels) -> Tensor<2> {
        let mut x = with_labels(z, labels);
        let (last, hidden) = self.layers.split_last().expect("there is a layer");
        for layer in hidden {
            x = layer.forward(x, Activation::Relu);
        }
        last.forward(x, Activation::Tanh)
    }
}

/// Examples, with classes beside them, through leaky ReLU layers to a logit.
#[derive(Module, Debug)]
struct Discriminator {
    layers: Vec<Linear>,
    #[module(skip)]
    activation: Activation,
}

impl Discriminator {
    fn new(config: &Config, inputs: usize, classes: usize, draw: &mut WeightDraw) -> Self {
        let mut inputs = inputs + classes;
        let mut layers = Vec::new();
        for &width in &config.hidden_d {
            layers.push(Linear::new(inputs, width, gain(config.slope_d), draw));
            inputs = width;
        }
        layers.push(Linear::new(inputs, 1, 1.0, draw));
        if config.adversarial.spectral_norm {
            layers = layers.into_iter().map(|layer| layer.with_spectral_norm(draw)).collect();
        }
        Self { layers, activation: Activation::LeakyRelu(config.slope_d as f32) }
    }

    fn iterate(mut self) -> Self {
        self.layers = self.layers.into_iter().map(Linear::iterate).collect();
        self
    }

    /// The outputs of all layers, the logits last.
    fn outputs(&self, x: Tensor<2>, labels: Labels) -> Vec<Tensor<2>> {
        let mut outputs = Vec::with_capacity(self.layers.len());
        let mut x = with_labels(x, labels);
        for (i, layer) in self.layers.iter().enumerate() {
            let last = i + 1 == self.layers.len();
            x = layer.forward(x, if last { Activation::Identity } else { self.activation });
            outputs.push(x.clone());
        }
        outputs
    }
}

impl Critic<2> for Discriminator {
    fn judge(&self, x: Tensor<2>, labels: Labels) -> Tensor<2> {
        self.outputs(x, labels).pop().expect("there is a layer")
    }

    fn slope(&self, x: Tensor<2>, labels: Labels) -> Tensor<2> {
        let [n, elements] = x.dims();
        let mut outputs = self.outputs(x, labels);
        let logits = outputs.pop().expect("there is a layer");
        let mut gradient = Tensor::ones([n, 1], &logits.device());
        for layer in self.layers.iter().rev() {
            gradient = layer.input_gradient(gradient);
            if let Some(y) = outputs.pop() {
                gradient = through(gradient, y, self.activation);
            }
        }
        first_columns(gradient, elements)
    }
}

fn with_labels(x: Tensor<2>, labels: Labels) -> Tensor<2> {
    match labels {
        Some(labels) => beside(x, labels),
        None => x,
    }
}
