//! What all families with a variational bound share: their settings, the networks with their optimizer, and what can be
//! done with a trained one. The bound itself stands in each family's file.

use std::borrow::Cow;

use burn::module::Module;
use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, HostTensor, settings};
use galatea_kernels::burn::{filled, to_vec};
use galatea_kernels::random;

use super::adversarial::Schedule;
use super::autoencoder::{Autoencoder, Network, Posterior, Sizes, is_conv};
use super::blocks::{self, BLOCK, blocks};
use super::condition::{self, Conditional, Labels};
use super::likelihood::{Binarise, Distribution, Likelihood};
use super::noise::{self, Position, WeightDraw};
use super::optimizer::{Adam, Optimized};
use super::scale::Scale;
use super::{average, weights};
use crate::{
    Ability, Bound, Encode, Error, Latent, Part, Purpose, Reconstruct, Result, SampleRequest, Score, StepReport, Turn,
};

/// What every family of them can do.
pub const ABILITIES: &[Ability] = &[Ability::Latent, Ability::Encode, Ability::Reconstruct, Ability::Score];

settings! {
    /// Settings that families with a variational bound share.
    pub struct Variational {
        /// Examples in one step.
        batch: usize = 100, in 1..=16_384;
        /// Length of the latent vector z.
        latent: usize = 32, in 1..=4_096;
        /// Whether networks are told the classes: auto, yes or no.
        conditional: Conditional = Conditional::Auto;
        /// What networks are made of: auto, dense or conv.
        network: Network = Network::Auto;
        /// Widths of fully connected hidden layers, from the encoder's side; the decoder has them in reverse.
        hidden: Vec<usize> = vec![400];
        /// Channels of the largest pictures inside of convolutional networks; each halving of the side doubles them.
        width: usize = 32, in 1..=1_024;
        /// No convolution has more channels than this.
        max_width: usize = 128, in 1..=4_096;
        /// How values are distributed about what is decoded: auto, bernoulli, gaussian or logistic.
        likelihood: Distribution = Distribution::Auto;
        /// Whether pixels are made black or white: no, threshold, static or dynamic.
        binarise: Binarise = Binarise::No;
        /// Adam's step length.
        learning_rate: f64 = 1e-3, in 1e-9..=1.0;
        /// How the learning rate changes over the run: constant, linear or cosine.
        schedule: Schedule = Schedule::Constant;
        /// Adam's decay of the average of gradients.
        beta_1: f64 = 0.9, in 0.0..1.0;
        /// Adam's decay of the average of squared gradients.
        beta_2: f64 = 0.999, in 0.0..1.0;
        /// Adam's epsilon.
        epsilon: f64 = 1e-8, in 1e-12..=1.0;
        /// Gradients whose norm is above this are scaled down to it; 0 for never.
        clip_gradient: f64 = 0.0, in 0.0..=1e9;
        /// Decay per step of the average of the weights that a trained model works with; 0 for no average.
        ema: f64 = 0.0, in 0.0..1.0;
    }
}

/// Divergence from the prior, in nats, above which a number of the latent vector is said to be in use.
pub const IN_USE: f64 = 0.01;
/// Seed of what is drawn about examples.
const SEED: u64 = 0;

/// The networks of a family with a variational bound, and all but the bound.
#[derive(Debug)]
pub struct Variant {
    /// The settings.
    pub settings: Variational,
    /// Classes that the networks are told.
    pub classes: Vec<String>,
    /// Both networks.
    pub network: Optimized<Autoencoder>,
    average: Option<Autoencoder>,
    likelihood: Likelihood,
    shape: Vec<usize>,
    /// Of points; pictures have no need of it.
    scale: Option<Scale>,
    device: Device,
}

impl Variant {
    /// Name of the part with the weights that are trained.
    const PART: &'static str = "autoencoder";
    /// Name of the part with their average.
    const AVERAGE: &'static str = "autoencoder-ema";

    /// Checks what the ranges of single settings cannot.
    ///
    /// # Errors
    /// What does not go together, or does not suit the data.
    pub fn check(settings: &Variational, spec: &DataSpec) -> Result<()> {
        let Variational { hidden, network, .. } = settings;
        if hidden.is_empty() || hidden.len() > 32 || hidden.iter().any(|width| !(1..=16_384).contains(width)) {
            return Err(Error::usage(
                format!("`hidden` is {hidden:?}"),
                "`hidden` takes 1 to 32 widths of 1 to 16384, such as [256, 512]",
            ));
        }
        let is_conv = is_conv(*network, spec);
        if *network == Network::Conv && !is_conv {
            return Err(Error::usage(
                format!("`network=conv` is for pictures of 8x8 and larger, and the data are {spec}"),
                "use `network=dense`",
            ));
        }
        let most = if is_conv { 3 << 18 } else { 1 << 16 };
        if spec.elements() > most {
            return Err(Error::usage(
                format!("{} values in an example are too many for such networks", spec.elements()),
                "make pictures smaller with `--set data.size=64`, or use `network=conv`",
            ));
        }
        settings.conditional.check(spec)?;
        Likelihood::new(settings.likelihood, settings.binarise, spec).map(drop)
    }

    /// Fresh networks.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn new(settings: &Variational, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(settings, spec)?;
        let device = device.clone().autodiff();
        let likelihood = Likelihood::new(settings.likelihood, settings.binarise, spec)?;
        let classes = settings.conditional.classes(spec);
        let sizes = Sizes {
            latent: settings.latent,
            classes: classes.len(),
            hidden: settings.hidden.clone(),
            channels: is_conv(settings.network, spec).then_some([settings.width, settings.max_width]),
        };
        let network = Autoencoder::new(&sizes, spec, &likelihood, &mut WeightDraw::new(seed, &device));
        let Variational { beta_1, beta_2, epsilon, clip_gradient: clip, ema, .. } = *settings;
        Ok(Self {
            settings: settings.clone(),
            classes,
            average: (ema > 0.0).then(|| network.valid()),
            network: Optimized::new(network, Adam { beta_1, beta_2, epsilon, clip, history: 0.0 }),
            likelihood,
            shape: spec.shape(),
            scale: Scale::of(spec),
            device,
        })
    }

    /// The examples of a training step `[n, elements]`, and their classes.
    ///
    /// # Errors
    /// If they do not fit the model.
    pub fn examples(&self, batch: &HostBatch, turn: Turn) -> Result<(Tensor<2>, Labels)> {
        blocks::check_examples(batch, &self.shape)?;
        let reduced = Scale::reduced(self.scale.as_ref(), batch);
        let x = filled([batch.len(), self.elements()], &self.device, |out| {
            self.likelihood.write_input(&reduced.values.values, Some(turn), out);
        });
        Ok((x, condition::rows(batch.labels.as_deref(), self.classes.len(), batch.len(), &self.device)?))
    }

    /// Standard normal numbers `[n, latent]` of a training step.
    pub fn noise(&self, turn: Turn, n: usize) -> Tensor<2> {
        let at = Position { step: turn.step, round: 0 };
        noise::normal(turn.seed, noise::Purpose::Latent, at, n, self.settings.latent, &self.device)
    }

    /// The log likelihood `[n, 1]` of examples `x` under what was decoded for them.
    pub fn log_likelihood(&self, decoded: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        self.likelihood.rows(decoded, self.network.decoder.log_scale.as_ref().map(|scale| scale.val()), x)
    }

    /// The pictures `[n, channels, height, width]` that are expected of what was decoded.
    ///
    /// # Panics
    /// If the data are no pictures.
    pub fn pictures(&self, decoded: Tensor<2>) -> Tensor<4> {
        let [n, _] = decoded.dims();
        self.likelihood.pictures(decoded).reshape([n, self.shape[0], self.shape[1], self.shape[2]])
    }

    /// Goes down `loss`, and lets the average follow.
    pub fn descend(&mut self, loss: Tensor<1>, turn: Turn, report: &mut StepReport) {
        let rate = self.settings.learning_rate * self.settings.schedule.share(turn);
        self.network.descend_noting(loss, rate, turn, ("gradient", report));
        let ema = self.settings.ema;
        self.average = self.average.take().map(|mean| average::follow(mean, &*self.network, ema, turn.step));
    }

    /// Everything that a checkpoint holds.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts =
            vec![weights::to_part(Self::PART, &*self.network), self.network.to_part(&format!("{}-adam", Self::PART))];
        parts.extend(self.average.as_ref().map(|average| weights::to_part(Self::AVERAGE, average)));
        parts
    }

    /// Name of the part that is enough for all but training.
    pub fn sampling_part(&self) -> &'static str {
        if self.average.is_some() { Self::AVERAGE } else { Self::PART }
    }

    /// Takes back what [`parts`](Self::parts) gave.
    ///
    /// # Errors
    /// If a part or an array is missing or has another shape.
    pub fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        if let Some(average) = &self.average {
            self.average = Some(weights::from_parts(Self::AVERAGE, average.clone(), parts)?);
            if purpose == Purpose::Sampling {
                return Ok(());
            }
        }
        self.network.load(Self::PART, parts, purpose)
    }

    /// Values by network.
    pub fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("encoder", self.network.encoder.num_params()), ("decoder", self.network.decoder.num_params())]
    }

    /// Draws samples.
    ///
    /// # Errors
    /// If there is no such class.
    pub fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        let labels = request.labels(&self.classes)?;
        Ok(HostBatch { values: self.decode(&self.latents(request), labels.as_deref())?, labels })
    }

    fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The network that a trained model works with, without a graph.
    fn trained(&self) -> Cow<'_, Autoencoder> {
        self.average.as_ref().map_or_else(|| Cow::Owned(self.network.valid()), Cow::Borrowed)
    }

    /// Values of examples as the networks read them.
    fn values(&self, batch: &HostBatch) -> Result<Vec<f32>> {
        blocks::check_examples(batch, &self.shape)?;
        let batch = Scale::reduced(self.scale.as_ref(), batch);
        Ok(self.likelihood.input(&batch.values.values, None))
    }

    /// `rows` of `[.., width]` values as a block.
    fn block(&self, values: &[f32], rows: std::ops::Range<usize>, width: usize) -> Tensor<2> {
        blocks::block(values, rows, width, &self.plain_device())
    }

    fn plain_device(&self) -> Device {
        self.device.clone().without_autodiff()
    }

    /// `labels` of a block of examples.
    fn block_labels(&self, labels: Option<&[u32]>, rows: std::ops::Range<usize>) -> Result<Labels> {
        let labels = labels.map(|labels| {
            let mut labels = labels[rows].to_vec();
            labels.resize(BLOCK, 0);
            labels
        });
        condition::rows(labels.as_deref(), self.classes.len(), BLOCK, &self.plain_device())
    }

    /// Means and logarithms of variances of latent vectors, `[n * latent]` each, of examples as networks read them.
    fn posteriors(&self, values: &[f32], labels: Option<&[u32]>) -> Result<[Vec<f32>; 2]> {
        let (n, latent) = (values.len() / self.elements(), self.settings.latent);
        let network = self.trained();
        let [mut means, mut log_variances] = [const { Vec::new() }; 2];
        for rows in blocks(n) {
            let x = self.block(values, rows.clone(), self.elements());
            let Posterior { mean, log_variance } = network.encoder.forward(x, self.block_labels(labels, rows.clone())?);
            for (all, some) in [(&mut means, mean), (&mut log_variances, log_variance)] {
                all.extend_from_slice(&to_vec(some)[..rows.len() * latent]);
            }
        }
        Ok([means, log_variances])
    }

    /// For each example and each of so many draws of its latent vector, the log likelihood of the example under what is
    /// decoded, and the logarithm of the prior's density over the posterior's, `[n][draws]`; and the divergence `[n]`.
    fn drawn(&self, values: &[f32], labels: Option<&[u32]>, draws: usize) -> Result<Drawn> {
        if draws == 0 {
            return Err(Error::usage("0 draws tell nothing", "ask for one or more"));
        }
        let (elements, latent) = (self.elements(), self.settings.latent);
        let n = values.len() / elements;
        let [means, log_variances] = self.posteriors(values, labels)?;
        let network = self.trained();
        let log_scale = network.decoder.log_scale.as_ref().map(|scale| scale.val());
        let mut found = Drawn::default();
        let mut noise = vec![0.0; draws * latent];
        // Latent vectors that wait to be decoded, beside the examples that they belong to.
        let (mut waiting, mut owners): (Vec<f32>, Vec<usize>) = (Vec::new(), Vec::new());
        for i in 0..n {
            let of =
                |all: &[f32]| -> Vec<f64> { all[i * latent..(i + 1) * latent].iter().map(|x| f64::from(*x)).collect() };
            let (mean, log_variance) = (of(&means), of(&log_variances));
            let terms = mean.iter().zip(&log_variance).map(|(mean, log)| mean * mean + log.exp() - log - 1.0);
            found.kl.push(0.5 * terms.sum::<f64>());
            random::fill_normal(SEED, noise::contents_stream(&values[i * elements..(i + 1) * elements]), &mut noise);
            for noise in noise.chunks_exact(latent) {
                let mut ratio = 0.0;
                for ((noise, mean), log) in noise.iter().zip(&mean).zip(&log_variance) {
                    let noise = f64::from(*noise);
                    let z = mean + (0.5 * log).exp() * noise;
                    ratio += 0.5 * (noise * noise - z * z + log);
                    waiting.push(z as f32);
                }
                owners.push(i);
                found.ratio.push(ratio);
            }
            while owners.len() >= BLOCK || (i + 1 == n && !owners.is_empty()) {
                let count = owners.len().min(BLOCK);
                let z = self.block(&waiting, 0..count, latent);
                let mut x = Vec::with_capacity(BLOCK * elements);
                owners[..count].iter().for_each(|i| x.extend_from_slice(&values[i * elements..(i + 1) * elements]));
                let labels = labels.map(|labels| owners[..count].iter().map(|i| labels[*i]).collect::<Vec<_>>());
                let decoded = network.decoder.forward(z, self.block_labels(labels.as_deref(), 0..count)?);
                let rows = self.likelihood.rows(decoded, log_scale.clone(), self.block(&x, 0..count, elements));
                found.likelihood.extend(to_vec(rows)[..count].iter().map(|value| f64::from(*value)));
                waiting.drain(..count * latent);
                owners.drain(..count);
            }
        }
        // Points get their units back.
        let volume = self.scale.as_ref().map_or(0.0, Scale::log_volume);
        found.likelihood.iter_mut().for_each(|value| *value -= volume);
        found.draws = draws;
        Ok(found)
    }

    /// Examples as networks read them, and their classes: those given, or else those under which each is most likely.
    fn read(&self, examples: &HostBatch) -> Result<(Vec<f32>, Option<Vec<u32>>)> {
        let values = self.values(examples)?;
        let n = examples.len();
        let classes = self.classes.len();
        if classes == 0 {
            return Ok((values, None));
        }
        if let Some(labels) = &examples.labels {
            condition::rows(Some(labels), classes, n, &self.plain_device())?;
            return Ok((values, Some(labels.clone())));
        }
        let mut best = vec![(f64::NEG_INFINITY, 0); n];
        for class in 0..classes as u32 {
            let bounds = self.drawn(&values, Some(&vec![class; n]), 1)?.bounds();
            for (best, bound) in best.iter_mut().zip(bounds) {
                if bound.elbo() > best.0 {
                    *best = (bound.elbo(), class);
                }
            }
        }
        Ok((values, Some(best.into_iter().map(|(_, class)| class).collect())))
    }

    fn decoded(&self, latents: &[f32], labels: Option<&[u32]>) -> Result<Vec<f32>> {
        let latent = self.settings.latent;
        let network = self.trained();
        let mut values = Vec::new();
        for rows in blocks(latents.len() / latent) {
            let z = self.block(latents, rows.clone(), latent);
            let decoded = network.decoder.forward(z, self.block_labels(labels, rows.clone())?);
            values.extend_from_slice(&self.likelihood.expected(decoded)[..rows.len() * self.elements()]);
        }
        if let Some(scale) = &self.scale {
            scale.restore(&mut values);
        }
        Ok(values)
    }

    fn shaped(&self, values: Vec<f32>) -> HostTensor {
        let n = values.len() / self.elements();
        let shape: Vec<usize> = std::iter::once(n).chain(self.shape.iter().copied()).collect();
        HostTensor::new(shape, values)
    }
}

/// What draws of latent vectors have come to.
#[derive(Default)]
struct Drawn {
    draws: usize,
    likelihood: Vec<f64>,
    ratio: Vec<f64>,
    kl: Vec<f64>,
}

impl Drawn {
    fn bounds(&self) -> Vec<Bound> {
        let means = self.likelihood.chunks_exact(self.draws).map(|of| of.iter().sum::<f64>() / self.draws as f64);
        means.zip(&self.kl).map(|(reconstruction, kl)| Bound { reconstruction, kl: *kl }).collect()
    }

    /// The logarithm of the mean importance weight of each example.
    fn log_mean_weights(&self) -> Vec<f64> {
        let pairs = self.likelihood.chunks_exact(self.draws).zip(self.ratio.chunks_exact(self.draws));
        let of = |(likelihood, ratio): (&[f64], &[f64])| {
            let weights = || likelihood.iter().zip(ratio).map(|(a, b)| a + b);
            let largest = weights().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = weights().map(|weight| (weight - largest).exp()).sum();
            largest + (sum / self.draws as f64).ln()
        };
        pairs.map(of).collect()
    }
}

impl Latent for Variant {
    fn latent_len(&self) -> usize {
        self.settings.latent
    }

    fn latents(&self, request: &SampleRequest) -> HostTensor {
        let mut latents = noise::sample_latents(request.seed, request.range.clone(), self.settings.latent);
        if request.truncation != 1.0 {
            latents.values.iter_mut().for_each(|value| *value *= request.truncation);
        }
        latents
    }

    fn decode(&self, latents: &HostTensor, labels: Option<&[u32]>) -> Result<HostTensor> {
        blocks::check_latents(latents, self.settings.latent, labels)?;
        Ok(self.shaped(self.decoded(&latents.values, labels)?))
    }
}

impl Encode for Variant {
    fn encode(&self, examples: &HostBatch) -> Result<HostTensor> {
        let (values, labels) = self.read(examples)?;
        let [means, _] = self.posteriors(&values, labels.as_deref())?;
        Ok(HostTensor::new([examples.len(), self.settings.latent], means))
    }

    fn labels(&self, examples: &HostBatch) -> Result<Option<Vec<u32>>> {
        Ok(self.read(examples)?.1)
    }
}

impl Reconstruct for Variant {
    fn reconstruct(&self, examples: &HostBatch) -> Result<HostTensor> {
        let (values, labels) = self.read(examples)?;
        let [means, _] = self.posteriors(&values, labels.as_deref())?;
        Ok(self.shaped(self.decoded(&means, labels.as_deref())?))
    }
}

impl Score for Variant {
    fn bounds(&self, examples: &HostBatch, draws: usize) -> Result<Vec<Bound>> {
        let (values, labels) = self.read(examples)?;
        Ok(self.drawn(&values, labels.as_deref(), draws)?.bounds())
    }

    fn log_likelihood(&self, examples: &HostBatch, draws: usize) -> Result<Vec<f64>> {
        let (values, labels) = self.read(examples)?;
        Ok(self.drawn(&values, labels.as_deref(), draws)?.log_mean_weights())
    }

    fn bits_per_value(&self, nats: f64) -> f64 {
        self.likelihood.bits_per_value(nats)
    }
}
