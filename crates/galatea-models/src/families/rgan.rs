//! `rgan`: a generative adversarial network of recurrent layers, for series.
//!
//! Paper: Esteban et al. 2017, "Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs",
//! arXiv:1706.02633, section 3.
//! Differs: some noise is the same at every step, beside that which is drawn anew; the discriminator judges a window by its
//! last output and the mean of all, and not step by step, and reads differences between moments beside them, as a little noise on
//! what is smooth escapes it otherwise; the relativistic loss with R1 and R2 (Huang et al. 2024, arXiv:2501.05441), which
//! leaves no kind of window out; weight averaging, and GRU where nobody asks for LSTM. With
//! `spectral_norm` only the last layer is divided by its singular value, as gates are bounded.
//!
//! Channels are brought to a common scale by their mean and deviation, and samples back to their own. With `eval.every` the
//! best checkpoint is chosen by the maximum mean discrepancy on windows that are held back for it, as in the paper. Where
//! windows have classes both networks are told them at every step (RCGAN).
//!
//! Of music as notes, when, how long and which each, it is the model of Mogren 2016, "C-RNN-GAN: Continuous recurrent neural networks
//! with adversarial training", arXiv:1611.09904, but for this: the generator does not read its own last note, beside noise, the
//! discriminator reads in one direction, and how hard notes are struck is left out; what else is otherwise is said above.
//! `preset=c-rnn-gan` has the paper's sizes and feature matching.

use std::sync::OnceLock;

use burn::module::Module;
use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, HostTensor, settings};
use galatea_kernels::Activation;
use galatea_kernels::burn::{beside, first_columns, to_vec};

use crate::nn::adversarial::{Adversarial, Critic, Game, Labels, Schedule};
use crate::nn::layers::Linear;
use crate::nn::noise::WeightDraw;
use crate::nn::optimizer::Optimized;
use crate::nn::recurrent::{Stack, Unit, noise_of_windows, with_every_step};
use crate::nn::remedy::Crowd;
use crate::nn::scale::Scale;
use crate::nn::{average, weights};
use crate::{
    Ability, Demand, Error, Info, Latent, Model, Part, Preset, Purpose, Result, SampleRequest, StepReport, Turn,
};

settings! {
    /// Settings of [`Rgan`].
    pub struct Config {
        /// What recurrent layers are made of: gru or lstm.
        unit: Unit = Unit::Gru;
        /// Units of each layer of the generator.
        hidden_g: usize = 64, in 1..=4_096;
        /// Layers of the generator.
        layers_g: usize = 2, in 1..=16;
        /// Units of each layer of the discriminator.
        hidden_d: usize = 64, in 1..=4_096;
        /// Layers of the discriminator.
        layers_d: usize = 1, in 1..=16;
        /// Numbers of noise that are the same at every step of a window; those drawn at each step are `latent` many.
        shared: usize = 16, in 0..=4_096;
        /// What differences from the moment before are multiplied by before the discriminator reads them, too; 0 for not at all.
        increments: f64 = 4.0, in 0.0..=1e3;
    }
    include {
        /// Settings of adversarial training; `latent` is the noise of each step.
        adversarial: Adversarial = Adversarial {
            batch: 64,
            latent: 4,
            learning_rate_g: 2e-3,
            learning_rate_d: 2e-3,
            schedule: Schedule::Linear,
            loss: "relativistic".into(),
            r1: 0.15,
            r2: 0.15,
            penalty_every: 4,
            beta_1: 0.0,
            beta_2: 0.99,
            ..Adversarial::default()
        };
    }
}

const PAPER: Preset = Preset {
    name: "paper",
    summary: "near the paper's: one layer of 100 LSTM units each, noise at each step only, no penalty and no average",
    settings: r#"
        unit = "lstm"
        hidden_g = 100
        layers_g = 1
        hidden_d = 100
        layers_d = 1
        shared = 0
        increments = 0.0
        latent = 5
        batch = 28
        learning_rate_g = 1e-3
        learning_rate_d = 1e-3
        schedule = "constant"
        beta_1 = 0.9
        beta_2 = 0.999
        loss = "non-saturating"
        r1 = 0.0
        r2 = 0.0
        ema = 0.0
    "#,
};

const C_RNN_GAN: Preset = Preset {
    name: "c-rnn-gan",
    summary: "for music as notes: two layers of 350 LSTM units each, and feature matching, as in C-RNN-GAN; slow",
    settings: r#"
        unit = "lstm"
        hidden_g = 350
        layers_g = 2
        hidden_d = 350
        layers_d = 2
        feature_matching = 1.0
        batch = 20
    "#,
};

/// Most numbers of noise of a window, and most values that a packed window may have.
const MOST: usize = 1 << 20;

/// The family.
#[derive(Debug)]
pub struct Rgan {
    game: Game,
    generator: Optimized<Generator>,
    discriminator: Optimized<Discriminator>,
    average: Option<Generator>,
    sampler: OnceLock<Generator>,
    /// Moments and channels of a window.
    shape: [usize; 2],
    scale: Option<Scale>,
}

impl Model for Rgan {
    const INFO: Info = Info {
        name: "rgan",
        summary: "recurrent GAN: series like yours, from noise at every moment",
        paper: "Esteban et al. 2017, Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs",
        differs: "some noise lasts for a whole window; the discriminator reads differences, too; one verdict for each window; relativistic loss, R1, R2, averaged weights",
        modalities: &["series"],
        abilities: &[Ability::Latent],
    };

    const PRESETS: &'static [Preset] = &[PAPER, C_RNN_GAN];

    const STEPS: u64 = 8_000;

    // Of fewer than some thousand windows, more passes make samples worse again.
    const MOST_EPOCHS: Option<u64> = Some(60);

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let Adversarial { latent, remedies, .. } = &config.adversarial;
        let [length, channels] = shape_of(spec)?;
        let noise = latent.saturating_mul(length).saturating_add(config.shared);
        if noise > MOST || length.saturating_mul(channels).saturating_mul(remedies.pack) > MOST {
            return Err(Error::usage(
                format!(
                    "windows of {length} moments of {channels} channels, and noise of {noise} numbers, are too large"
                ),
                "cut shorter windows with `--set data.window=..`, or lower `latent`",
            ));
        }
        config.adversarial.checked_loss(spec).map(drop)
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let shape = shape_of(spec)?;
        let device = device.clone().autodiff();
        // The whole noise of a window is what the game takes for its latent vector.
        let latent = config.shared + shape[0] * config.adversarial.latent;
        let game = Game::new(Adversarial { latent, ..config.adversarial.clone() }, spec, device.clone())?;
        let mut draw = WeightDraw::new(seed, &device);
        let classes = game.classes.len();
        let generator = Generator::new(config, shape, classes, &mut draw);
        let discriminator = Discriminator::new(config, shape, classes, &mut draw);
        let average = (game.settings.ema > 0.0).then(|| generator.valid());
        Ok(Self {
            generator: Optimized::new(generator, game.settings.adam()),
            discriminator: Optimized::new(discriminator, game.settings.adam()),
            average,
            sampler: OnceLock::new(),
            game,
            shape,
            scale: Scale::of(spec),
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
            // 1. Noise for every step of a batch of windows, and 2. real windows.
            let batch = Scale::reduced(self.scale.as_ref(), batch);
            let (x, labels) = game.real::<3>(&batch, &self.shape)?;
            let z = game.latents(turn, round, batch.len());
            // 3. D judges both; G is held constant.
            let fake = self.generator.frozen().forward(z, labels.clone()).detach();
            let pair = [game.disturbed(x.clone(), turn, 2 * round), game.disturbed(fake, turn, 2 * round + 1)];
            self.discriminator.change(Discriminator::iterate);
            // 4. D goes down its loss.
            let loss = game.discriminator_loss(&*self.discriminator, pair.clone(), labels.clone(), &mut report);
            let penalty = game.penalty(&*self.discriminator, pair, labels.clone(), (turn, round), &mut report);
            let loss = penalty.into_iter().fold(loss, Tensor::add);
            let rate = game.settings.discriminator_rate(turn);
            self.discriminator.descend_noting(loss, rate, turn, ("gradient_d", &mut report));
            last = Some((x, labels, batch.len()));
        }
        // 5. Fresh noise; 6. G goes down its loss under D, which is held constant.
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

    fn judge(&self, examples: &HostBatch) -> Result<Option<Vec<f32>>> {
        let examples = Scale::reduced(self.scale.as_ref(), examples);
        self.game.judge_alone::<3>(&*self.discriminator, &examples, &self.shape)
    }
}

impl Latent for Rgan {
    fn latent_len(&self) -> usize {
        self.game.settings.latent
    }

    fn latents(&self, request: &SampleRequest) -> HostTensor {
        self.game.sample_latents(request)
    }

    fn decode(&self, latents: &HostTensor, labels: Option<&[u32]>) -> Result<HostTensor> {
        let sampler = self.sampler.get_or_init(|| self.average.clone().unwrap_or_else(|| self.generator.valid()));
        let device = sampler.head.weight.val().device();
        let draw = |z, labels| to_vec(sampler.forward(z, labels));
        let mut values = self.game.draw_in_batches(latents, labels, &device, draw)?;
        if let Some(scale) = &self.scale {
            scale.restore(&mut values);
        }
        Ok(HostTensor::new([latents.rows(), self.shape[0], self.shape[1]], values))
    }
}

fn shape_of(spec: &DataSpec) -> Result<[usize; 2]> {
    match spec {
        DataSpec::Series(series) => Ok([series.length, series.channels.len()]),
        other => Err(Error::usage(format!("`rgan` draws series, not {}", other.kind()), "use another family")),
    }
}

/// Noise at every step, with classes beside it, through recurrent layers and a linear one.
#[derive(Module, Debug)]
struct Generator {
    stack: Stack,
    head: Linear,
    #[module(skip)]
    shared: usize,
    #[module(skip)]
    each: usize,
    #[module(skip)]
    length: usize,
}

impl Generator {
    fn new(config: &Config, [length, channels]: [usize; 2], classes: usize, draw: &mut WeightDraw) -> Self {
        let (shared, each) = (config.shared, config.adversarial.latent);
        let stack = Stack::new(config.unit, [each + shared + classes, config.hidden_g, config.layers_g], draw);
        Self { stack, head: Linear::new(config.hidden_g, channels, 1.0, draw), shared, each, length }
    }

    /// `[n, shared + length * each]` to `[n, length, channels]`.
    fn forward(&self, z: Tensor<2>, labels: Labels) -> Tensor<3> {
        let n = z.dims()[0];
        let Self { shared, each, length, .. } = *self;
        let x = with_every_step(noise_of_windows(z, [shared, each], length), labels);
        let y = self.stack.forward(x);
        let hidden = y.dims()[2];
        let y = self.head.forward(y.reshape([length * n, hidden]), Activation::Identity);
        let channels = y.dims()[1];
        y.reshape([length, n, channels]).swap_dims(0, 1)
    }
}

/// Windows, with classes beside every moment, through recurrent layers to a logit from their last output and the mean of all.
#[derive(Module, Debug)]
struct Discriminator {
    stack: Stack,
    head: Linear,
    crowd: Crowd,
    #[module(skip)]
    length: usize,
    #[module(skip)]
    increments: f64,
}

impl Discriminator {
    fn new(config: &Config, [length, channels]: [usize; 2], classes: usize, draw: &mut WeightDraw) -> Self {
        let pack = config.adversarial.remedies.pack;
        let width = 2 * config.hidden_d;
        let increments = config.increments;
        let inputs = pack * (channels * if increments > 0.0 { 2 } else { 1 } + classes);
        let stack = Stack::new(config.unit, [inputs, config.hidden_d, config.layers_d], draw);
        let head = Linear::new(width, 1, 1.0, draw);
        let head = if config.adversarial.spectral_norm { head.with_spectral_norm(draw) } else { head };
        Self { stack, head, crowd: Crowd::new(&config.adversarial, width, draw), length, increments }
    }

    fn iterate(mut self) -> Self {
        self.head = self.head.iterate();
        self.crowd = self.crowd.iterate();
        self
    }

    /// Packs `[n, pack * length, channels]` as `[length, n, pack * channels]`, with increments beside them.
    fn steps(&self, x: Tensor<3>) -> Tensor<3> {
        let ([n, moments, channels], length) = (x.dims(), self.length);
        let pack = moments / length;
        let x = x.reshape([n, pack, length, channels]).permute([2, 0, 1, 3]).reshape([length, n, pack * channels]);
        if self.increments == 0.0 {
            return x;
        }
        // Before the first moment there was the same.
        let before = match length {
            1 => x.clone(),
            _ => Tensor::cat(vec![x.clone().narrow(0, 0, 1), x.clone().narrow(0, 0, length - 1)], 0),
        };
        let change = (x.clone() - before).mul_scalar(self.increments);
        Tensor::cat(vec![x, change], 2)
    }

    /// From gradients of what [`Self::steps`] gives, `[n, at least width or 2 width]` each, to those of moments, `[n, width]`.
    fn through_steps(&self, gradients: Vec<Tensor<2>>, width: usize) -> Vec<Tensor<2>> {
        if self.increments == 0.0 {
            return gradients.into_iter().map(|g| first_columns(g, width)).collect();
        }
        let of_change = |g: &Tensor<2>| g.clone().narrow(1, width, width).mul_scalar(self.increments);
        let changes: Vec<Tensor<2>> = gradients.iter().map(of_change).collect();
        let moments = gradients.into_iter().enumerate().map(|(t, g)| {
            let own = changes.get(t).filter(|_| t > 0).cloned();
            let next = changes.get(t + 1).cloned().map(Tensor::neg);
            own.into_iter().chain(next).fold(first_columns(g, width), Tensor::add)
        });
        moments.collect()
    }
}

impl Critic<3> for Discriminator {
    fn features(&self, x: Tensor<3>, labels: Labels) -> Tensor<2> {
        self.stack.summary(with_every_step(self.steps(x), labels))
    }

    fn logits(&self, features: Tensor<2>, _labels: Labels) -> Tensor<2> {
        self.crowd.heard(self.head.forward(features.clone(), Activation::Identity), &features)
    }

    fn slope(&self, x: Tensor<3>, labels: Labels) -> Tensor<3> {
        let ([n, moments, channels], length) = (x.dims(), self.length);
        let pack = moments / length;
        let x = self.steps(x);
        let moment = |t: usize| {
            let width = x.dims()[2];
            let x = x.clone().narrow(0, t, 1).reshape([n, width]);
            labels.iter().fold(x, |x, labels| beside(x, labels.clone()))
        };
        let inputs: Vec<Tensor<2>> = (0..length).map(moment).collect();
        let gradients = self.stack.slope(&inputs, |features| {
            let gradient = self.head.input_gradient(Tensor::ones([n, 1], &features.device()));
            self.crowd.slope(gradient, &features)
        });
        let gradients = self.through_steps(gradients, pack * channels).into_iter().map(Tensor::unsqueeze);
        let all: Tensor<3> = Tensor::cat(gradients.collect(), 0); // [length, n, pack * channels]
        all.reshape([length, n, pack, channels]).permute([1, 2, 0, 3]).reshape([n, moments, channels])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::adversarial::tests::{crowded, packs, slope_is_the_gradient};

    #[test]
    fn the_slope_of_packs_that_are_told_of_each_other_is_exact() {
        let device = Device::flex().autodiff();
        for (unit, classes, increments) in [(Unit::Gru, 0, 0.0), (Unit::Lstm, 3, 2.0)] {
            let config =
                Config { unit, increments, hidden_d: 6, layers_d: 2, adversarial: crowded(), ..Config::default() };
            let critic = Discriminator::new(&config, [5, 2], classes, &mut WeightDraw::new(1, &device));
            slope_is_the_gradient(&critic, packs([6, 10, 2], 2 * classes));
        }
    }
}
