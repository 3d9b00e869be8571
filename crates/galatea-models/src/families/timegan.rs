//! `timegan`: series that are drawn in a space of their own, which an autoencoder learns, and in which it is also learnt what
//! follows what.
//!
//! Paper: Yoon et al. 2019, "Time-series Generative Adversarial Networks", section 4 and figure 2.
//! Differs: the three phases are shares of a run and not 10,000 steps each; a batch serves the generator and the discriminator
//! once each, where the paper's program trains the generator twice; the discriminator goes down its loss at every step; the space
//! is between -1 and 1, noise is normal, and some of it lasts for a whole window; the generator's moments are of each moment in time; samples are drawn with averaged
//! weights. Static features are not there.
//!
//! Five recurrent networks: an embedder, x to h; a recovery, h to x; a supervisor, which tells the next h; a generator, noise to h,
//! whose results the supervisor mends; a discriminator of h. First the autoencoder is trained, then the supervisor, then all.

use burn::module::Module;
use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, HostTensor, settings};
use galatea_kernels::Activation;
use galatea_kernels::burn::{from_vec, softplus_mean, to_vec};

use crate::nn::adversarial::Schedule;
use crate::nn::layers::Linear;
use crate::nn::noise::{self, Position, Purpose as Draw, WeightDraw};
use crate::nn::optimizer::{Adam, Optimized};
use crate::nn::recurrent::{Stack, Unit, noise_of_windows};
use crate::nn::scale::Scale;
use crate::nn::{average, weights};
use crate::{Demand, Error, Info, Model, Part, Purpose, Result, SampleRequest, StepReport, Turn};

settings! {
    /// Settings of [`TimeGan`].
    pub struct Config {
        /// What recurrent layers are made of: gru or lstm.
        unit: Unit = Unit::Gru;
        /// Units of each layer, and numbers of a moment in the space between.
        hidden: usize = 24, in 1..=4_096;
        /// Layers of each network; the supervisor has one fewer, and one at the least.
        layers: usize = 2, in 1..=16;
        /// Numbers of noise of a moment.
        noise: usize = 4, in 1..=4_096;
        /// Numbers of noise that are the same at every moment of a window.
        shared: usize = 16, in 0..=4_096;
        /// Windows in a training step.
        batch: usize = 64, in 1..=65_535;
        /// Learning rate of all networks.
        learning_rate: f64 = 2e-3, in 1e-9..=1.0;
        /// How it changes once the generator is trained: constant, linear or cosine.
        schedule: Schedule = Schedule::Cosine;
        /// Adam's decay of the average of gradients.
        beta_1: f64 = 0.5, in 0.0..1.0;
        /// Share of the run in which the autoencoder is trained alone.
        embedding: f64 = 0.2, in 0.0..=0.9;
        /// Share of the run that follows, in which the supervisor is trained alone.
        supervising: f64 = 0.1, in 0.0..=0.9;
        /// Weight of the generator's loss on windows whose moments do not follow each other as real ones do: `eta` of the paper,
        /// 10 there, and its program multiplies the root by 100.
        eta: f64 = 10.0, in 0.0..=1e4;
        /// Weight of what the autoencoder loses by what the supervisor cannot tell: `lambda`.
        lambda: f64 = 0.1, in 0.0..=1e4;
        /// Weight of the difference between the means and deviations of generated and real moments.
        moments: f64 = 10.0, in 0.0..=1e4;
        /// Gradients whose norm over a network is above this are scaled down to it; 0 for never.
        clip: f64 = 1.0, in 0.0..=1e6;
        /// Decay per step of the average of the weights that samples are drawn with; 0 for no average.
        ema: f64 = 0.99, in 0.0..1.0;
    }
}

/// Windows that are drawn at a time: always as many, so that none depends on how many there are.
const TOGETHER: usize = 64;
/// Most values of a batch of windows or of its noise.
const MOST: usize = 1 << 26;

/// The family.
#[derive(Debug)]
pub struct TimeGan {
    config: Config,
    codec: Optimized<Codec>,
    maker: Optimized<Maker>,
    discriminator: Optimized<Recurrent>,
    sampler: Sampler,
    shape: [usize; 2],
    scale: Scale,
    device: Device,
}

impl Model for TimeGan {
    const INFO: Info = Info {
        name: "timegan",
        summary: "series drawn in a space that an autoencoder learns, where each moment is told from those before",
        paper: "Yoon et al. 2019, Time-series Generative Adversarial Networks, NeurIPS 2019",
        differs: "phases are shares of a run; some noise lasts for a window; one generator step to each of the discriminator's; averaged weights",
        modalities: &["series"],
        abilities: &[],
    };

    const STEPS: u64 = 10_000;

    // Of fewer than some thousand windows, more passes make samples worse again.
    const MOST_EPOCHS: Option<u64> = Some(200);

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let DataSpec::Series(series) = spec else {
            return Err(Error::usage(format!("`timegan` draws series, not {}", spec.kind()), "use another family"));
        };
        if config.embedding + config.supervising > 0.9 {
            return Err(Error::usage(
                format!("`embedding` and `supervising` are {} and {}", config.embedding, config.supervising),
                "leave a tenth of the run or more for the generator: their sum may be 0.9",
            ));
        }
        let values = config.batch.saturating_mul(series.length);
        let of_each = config.hidden.max(config.noise + config.shared).max(series.channels.len());
        if values.saturating_mul(of_each) > MOST {
            return Err(Error::usage(
                format!("{} windows of {} moments are too large together", config.batch, series.length),
                "lower `batch`, or cut shorter windows with `--set data.window=..`",
            ));
        }
        Ok(())
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let Some((scale, [length, channels])) = Scale::of(spec).zip(<[usize; 2]>::try_from(spec.shape()).ok()) else {
            return Err(Error::usage("there is no scale of such data", "use another family"));
        };
        let device = device.clone().autodiff();
        let mut draw = WeightDraw::new(seed, &device);
        let Config { unit, hidden, layers, noise, shared, beta_1, clip, .. } = *config;
        let mut network = |[inputs, outputs]: [usize; 2], layers: usize, activation: Activation| {
            Recurrent::new(unit, [inputs, hidden, layers], outputs, activation, &mut draw)
        };
        let codec = Codec {
            embedder: network([channels, hidden], layers, Activation::Tanh),
            recovery: network([hidden, channels], layers, Activation::Identity),
        };
        let maker = Maker {
            generator: network([noise + shared, hidden], layers, Activation::Tanh),
            supervisor: network([hidden, hidden], (layers - 1).max(1), Activation::Tanh),
        };
        let discriminator = network([hidden, 1], layers, Activation::Identity);
        let adam = Adam { beta_1, beta_2: 0.999, epsilon: 1e-8, clip, history: 0.0 };
        let sampler = Sampler { recovery: codec.recovery.valid(), maker: maker.valid() };
        Ok(Self {
            config: config.clone(),
            codec: Optimized::new(codec, adam),
            maker: Optimized::new(maker, adam),
            discriminator: Optimized::new(discriminator, adam),
            sampler,
            shape: [length, channels],
            scale,
            device,
        })
    }

    fn demand(&self) -> Demand {
        Demand { batch: self.config.batch, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let mut report = StepReport::default();
        let Config { embedding, supervising, .. } = self.config;
        for (round, batch) in batches.iter().enumerate() {
            let x = self.windows(batch)?;
            match turn.progress() {
                done if done < embedding => self.embed(x, 0.0, turn, &mut report),
                done if done < embedding + supervising => self.supervise(&x, turn, &mut report),
                _ => self.play(x, turn, round, &mut report),
            }
        }
        let live = Sampler { recovery: self.codec.recovery.valid(), maker: self.maker.valid() };
        self.sampler = average::follow(self.sampler.clone(), &live, self.config.ema, turn.step);
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        request.labels(&[])?;
        let [length, channels] = self.shape;
        let Config { noise, shared, .. } = self.config;
        let numbers = shared + length * noise;
        let mut values = Vec::new();
        for first in request.range.clone().step_by(TOGETHER) {
            let range = first..(first + TOGETHER as u64).min(request.range.end);
            let rows = (range.end - range.start) as usize;
            let mut z = noise::sample_latents(request.seed, range, numbers).values;
            z.iter_mut().for_each(|value| *value *= request.truncation);
            z.resize(TOGETHER * numbers, 0.0);
            let z = from_vec(z, [TOGETHER, numbers], &self.device.clone().without_autodiff());
            let z = noise_of_windows(z, [shared, noise], length);
            let Sampler { recovery, maker } = &self.sampler;
            let drawn = recovery.forward(maker.supervisor.forward(maker.generator.forward(z)));
            values.extend_from_slice(&to_vec(drawn.swap_dims(0, 1))[..rows * length * channels]);
        }
        self.scale.restore(&mut values);
        let shape = [values.len() / (length * channels), length, channels];
        Ok(HostBatch { values: HostTensor::new(shape, values), labels: None })
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn parts(&self) -> Vec<Part> {
        vec![
            weights::to_part("codec", &*self.codec),
            self.codec.to_part("codec-adam"),
            weights::to_part("maker", &*self.maker),
            self.maker.to_part("maker-adam"),
            weights::to_part("discriminator", &*self.discriminator),
            self.discriminator.to_part("discriminator-adam"),
            weights::to_part("sampler", &self.sampler),
        ]
    }

    fn sampling_part(&self) -> &'static str {
        "sampler"
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.sampler = weights::from_parts("sampler", self.sampler.clone(), parts)?;
        if purpose == Purpose::Training {
            self.codec.load("codec", parts, purpose)?;
            self.maker.load("maker", parts, purpose)?;
            self.discriminator.load("discriminator", parts, purpose)?;
        }
        Ok(())
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("codec", self.codec.num_params()),
            ("maker", self.maker.num_params()),
            ("discriminator", self.discriminator.num_params()),
        ]
    }
}

impl TimeGan {
    /// Windows on the common scale, time first.
    fn windows(&self, batch: &HostBatch) -> Result<Tensor<3>> {
        let [length, channels] = self.shape;
        if batch.values.shape[1..] != self.shape {
            return Err(Error::usage(
                format!("a batch is {:?}, the model takes [n, {length}, {channels}]", batch.values.shape),
                "train and resume on data of the same shape",
            ));
        }
        let batch = Scale::reduced(Some(&self.scale), batch);
        let values = batch.values.values.clone();
        Ok(from_vec(values, [batch.len(), length, channels], &self.device).swap_dims(0, 1))
    }

    /// The learning rate of a step, which only falls once the generator is trained.
    fn rate(&self, turn: Turn) -> f64 {
        let Config { learning_rate, schedule, embedding, supervising, .. } = self.config;
        let begun = ((embedding + supervising) * turn.steps as f64).ceil() as u64;
        let played = turn.step.saturating_sub(begun).max(1);
        learning_rate * schedule.share(Turn { step: played, steps: (turn.steps - begun).max(1), ..turn })
    }

    /// The autoencoder learns to give windows back and, with `lambda`, a space in which the next moment can be told.
    fn embed(&mut self, x: Tensor<3>, lambda: f64, turn: Turn, report: &mut StepReport) {
        let h = self.codec.embedder.forward(x.clone());
        let lost = (self.codec.recovery.forward(h.clone()) - x).powi_scalar(2).mean();
        report.note("reconstruction", value(&lost));
        let mut loss = root(lost).mul_scalar(10.0);
        if lambda > 0.0 {
            loss = loss + unfollowed(&self.maker.frozen().supervisor, h).mul_scalar(lambda);
        }
        self.codec.descend_noting(loss, self.rate(turn), turn, ("gradient_codec", report));
    }

    /// The supervisor learns to tell the next moment of real windows.
    fn supervise(&mut self, x: &Tensor<3>, turn: Turn, report: &mut StepReport) {
        let h = self.codec.frozen().embedder.forward(x.clone()).detach();
        let loss = unfollowed(&self.maker.supervisor, h);
        report.note("supervised", value(&loss));
        self.maker.descend_noting(loss, self.rate(turn), turn, ("gradient_g", report));
    }

    /// All are trained: the generator, the autoencoder, the discriminator.
    fn play(&mut self, x: Tensor<3>, turn: Turn, round: usize, report: &mut StepReport) {
        let Config { eta, lambda, moments, noise, shared, .. } = self.config;
        let [length, n, _] = x.dims();
        let rate = self.rate(turn);
        let at = Position { step: turn.step, round: round as u8 };
        let z = noise::normal(turn.seed, Draw::Latent, at, n, shared + length * noise, &self.device);
        let z = noise_of_windows(z, [shared, noise], length);
        let codec = self.codec.frozen();
        let h = codec.embedder.forward(x.clone()).detach();

        let raw = self.maker.generator.forward(z);
        let mended = self.maker.supervisor.forward(raw.clone());
        let judge = self.discriminator.frozen();
        let fooled = |h: &Tensor<3>| softplus_mean(flat(judge.forward(h.clone())), -1.0);
        let adversarial = fooled(&mended) + fooled(&raw);
        report.note("loss_g", value(&adversarial));
        let supervised = unfollowed(&self.maker.supervisor, h.clone());
        report.note("supervised", value(&supervised));
        let apart = apart(codec.recovery.forward(mended.clone()), x.clone());
        report.note("moments", value(&apart));
        let loss = adversarial + root(supervised).mul_scalar(eta) + apart.mul_scalar(moments);
        let fakes = [mended.detach(), raw.detach()];
        self.maker.descend_noting(loss, rate, turn, ("gradient_g", report));

        self.embed(x, lambda, turn, report);

        let d = &self.discriminator;
        let real = flat(d.forward(h));
        let [mended, raw] = fakes.map(|fake| flat(d.forward(fake)));
        let logits = [&real, &mended].map(|logits| to_vec(logits.clone().inner()));
        for (name, logits) in ["d_real", "d_fake"].into_iter().zip(logits) {
            let sum: f64 = logits.iter().map(|logit| 1.0 / (1.0 + f64::from(-logit).exp())).sum();
            report.note(name, sum / logits.len() as f64);
        }
        let loss = softplus_mean(real, -1.0) + softplus_mean(mended, 1.0) + softplus_mean(raw, 1.0);
        report.note("loss_d", value(&loss));
        self.discriminator.descend_noting(loss, rate, turn, ("gradient_d", report));
    }
}

/// The mean squared error of what the supervisor tells of the next moment.
fn unfollowed(supervisor: &Recurrent, h: Tensor<3>) -> Tensor<1> {
    let [length, n, width] = h.dims();
    if length < 2 {
        return supervisor.forward(h).powi_scalar(2).mean();
    }
    let told = supervisor.forward(h.clone()).narrow(0, 0, length - 1);
    let next = h.narrow(0, 1, length - 1);
    (told - next).reshape([(length - 1) * n, width]).powi_scalar(2).mean()
}

/// How far means and deviations over the batch are apart, on average over moments and channels.
fn apart(a: Tensor<3>, b: Tensor<3>) -> Tensor<1> {
    let of = |x: Tensor<3>| {
        let mean = x.clone().mean_dim(1);
        let variance = (x - mean.clone()).powi_scalar(2).mean_dim(1);
        (mean, variance.add_scalar(1e-6).sqrt())
    };
    let ((mean_a, size_a), (mean_b, size_b)) = (of(a), of(b));
    (mean_a - mean_b).abs().mean() + (size_a - size_b).abs().mean()
}

/// The root, whose slope at 0 is finite.
fn root(x: Tensor<1>) -> Tensor<1> {
    x.add_scalar(1e-8).sqrt()
}

fn flat(x: Tensor<3>) -> Tensor<2> {
    let [time, n, width] = x.dims();
    x.reshape([time * n, width])
}

fn value(loss: &Tensor<1>) -> f64 {
    to_vec(loss.clone().inner()).iter().map(|value| f64::from(*value)).sum()
}

/// Recurrent layers, and a layer at every step.
#[derive(Module, Debug)]
struct Recurrent {
    stack: Stack,
    head: Linear,
    #[module(skip)]
    activation: Activation,
}

impl Recurrent {
    fn new(unit: Unit, sizes: [usize; 3], outputs: usize, activation: Activation, draw: &mut WeightDraw) -> Self {
        Self { stack: Stack::new(unit, sizes, draw), head: Linear::new(sizes[1], outputs, 1.0, draw), activation }
    }

    /// `[time, n, inputs]` to `[time, n, outputs]`.
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let y = self.stack.forward(x);
        let [time, n, _] = y.dims();
        let y = self.head.forward(flat(y), self.activation);
        let width = y.dims()[1];
        y.reshape([time, n, width])
    }
}

/// Windows to the space between and back.
#[derive(Module, Debug)]
struct Codec {
    embedder: Recurrent,
    recovery: Recurrent,
}

/// Noise to the space between.
#[derive(Module, Debug)]
struct Maker {
    generator: Recurrent,
    supervisor: Recurrent,
}

/// What is enough to draw.
#[derive(Module, Debug)]
struct Sampler {
    recovery: Recurrent,
    maker: Maker,
}
