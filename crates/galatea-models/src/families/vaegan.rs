//! `vaegan`: a variational autoencoder that learns from a discriminator what makes pictures alike.
//!
//! Paper: Larsen et al. 2016, "Autoencoding beyond pixels using a learned similarity metric", arXiv:1512.09300, algorithm 1
//! and equations 5 to 8.
//! Differs: pictures are compared in the discriminator's last hidden layer, on the scale on which that varies over a batch;
//! one half of what the discriminator is shown as generated is given back, the other drawn, where the paper has both of
//! each; R1 bounds the discriminator's slope in place of batch normalisation; a trained model works with the average of its
//! weights. Classes, where there are any, are told to all three networks. Beside, a likelihood of pixels is kept, which
//! moves no network, so that examples can be scored.

use burn::module::Module;
use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, settings};
use galatea_kernels::burn::{join, to_vec};

use crate::nn::adversarial::{Adversarial, Critic, Game, Schedule};
use crate::nn::autoencoder::Network;
use crate::nn::critic::{CriticShape, Discriminator};
use crate::nn::likelihood::{Binarise, Distribution};
use crate::nn::noise::WeightDraw;
use crate::nn::optimizer::Optimized;
use crate::nn::variational::{ABILITIES, IN_USE, Variant, Variational};
use crate::nn::weights;
use crate::{
    Demand, Encode, Error, Info, Latent, Model, Part, Purpose, Reconstruct, Result, SampleRequest, Score, StepReport,
    Turn,
};

settings! {
    /// Settings of [`Vaegan`].
    pub struct Config {
        /// Nats that it costs to give a picture back as one that is as far from it, in the discriminator's last hidden layer,
        /// as pictures are from their mean.
        similarity: f64 = 100.0, in 0.0..=1e6;
        /// Weight of likeness beside the discriminator's judgement for the decoder, gamma in the paper.
        gamma: f64 = 0.01, in 1e-9..=1e3;
        /// Weight of the divergence from the prior.
        beta: f64 = 1.0, in 0.0..=1e4;
        /// Widths of fully connected hidden layers, from the encoder's side; the decoder has them in reverse.
        hidden: Vec<usize> = vec![256];
        /// Channels of the largest pictures inside of encoder and decoder; each halving of the side doubles them.
        width: usize = 32, in 1..=1_024;
        /// No convolution of them has more channels than this.
        max_width: usize = 128, in 1..=4_096;
        /// The same for the discriminator.
        width_d: usize = 64, in 1..=1_024;
        /// The same for the discriminator.
        max_width_d: usize = 256, in 1..=4_096;
        /// Slope of the discriminator's leaky ReLU for negative values.
        slope_d: f64 = 0.2, in 0.0..1.0;
        /// How pixels are taken to be distributed about what is decoded, for scores: auto, bernoulli, gaussian or logistic.
        likelihood: Distribution = Distribution::Auto;
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

impl Config {
    /// The settings of the autoencoder.
    fn variational(&self) -> Variational {
        let Adversarial { batch, latent, conditional, learning_rate_g, schedule, .. } = self.adversarial;
        let Adversarial { beta_1, beta_2, epsilon, clip_gradient, ema, .. } = self.adversarial;
        Variational {
            batch,
            latent,
            conditional,
            network: Network::Auto,
            hidden: self.hidden.clone(),
            width: self.width,
            max_width: self.max_width,
            likelihood: self.likelihood,
            binarise: Binarise::No,
            learning_rate: learning_rate_g,
            schedule,
            beta_1,
            beta_2,
            epsilon,
            clip_gradient,
            ema,
        }
    }

    fn critic(&self) -> CriticShape<'_> {
        CriticShape { channels: [self.width_d, self.max_width_d], slope: self.slope_d, adversarial: &self.adversarial }
    }
}

/// The family.
#[derive(Debug)]
pub struct Vaegan {
    config: Config,
    game: Game,
    variant: Variant,
    discriminator: Optimized<Discriminator>,
    /// `[channels, height, width]`.
    shape: [usize; 3],
}

impl Model for Vaegan {
    const INFO: Info = Info {
        name: "vaegan",
        summary: "variational autoencoder that a discriminator tells what makes pictures alike: sharper than `vae`",
        paper: "Larsen et al. 2016, Autoencoding beyond pixels using a learned similarity metric, arXiv:1512.09300",
        differs: "likeness on the scale of a batch, in the last hidden layer; R1; weight averaging; classes",
        modalities: &["images"],
        abilities: ABILITIES,
    };

    const STEPS: u64 = 6_000;

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let [_, height, width] = picture(spec)?;
        if height.min(width) < 8 || height.max(width) > 512 {
            return Err(Error::usage(
                format!("`vaegan` cannot draw pictures of {width}x{height}"),
                "bring them to a size between 8 and 512 with `--set data.size=64`",
            ));
        }
        config.adversarial.checked_loss(spec)?;
        Variant::check(&config.variational(), spec)
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let shape = picture(spec)?;
        let mut variant = Variant::new(&config.variational(), spec, seed, device)?;
        variant.network = variant.network.with_history(config.adversarial.remedies.history);
        let device = device.clone().autodiff();
        let game = Game::new(config.adversarial.clone(), spec, device.clone())?;
        let pack = game.settings.remedies.pack;
        let packed = [pack * shape[0], shape[1], shape[2]];
        // Another stream of weights than the autoencoder's.
        let mut draw = WeightDraw::new(seed ^ 0xd15c, &device);
        let discriminator = Discriminator::new(&config.critic(), packed, pack * game.classes.len(), &mut draw);
        let discriminator = Optimized::new(discriminator, game.settings.adam());
        Ok(Self { config: config.clone(), game, variant, discriminator, shape })
    }

    fn demand(&self) -> Demand {
        Demand { batch: self.game.settings.batch, batches: self.game.settings.discriminator_steps }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let game = &self.game;
        let mut report = StepReport::default();
        for (round, batch) in batches.iter().enumerate() {
            // 1. A batch of pictures x, as the encoder and as the discriminator see them; 2. latent vectors z of them, and
            // others, z_p, from the prior.
            let (x, labels) = self.variant.examples(batch, turn)?;
            let (real, _) = game.real::<4>(batch, &self.shape)?;
            let posterior = self.variant.network.encoder.forward(x.clone(), labels.clone());
            let z = posterior.drawn(self.variant.noise(turn, batch.len()));
            let latents = half_and_half(z.clone().detach(), game.latents(turn, round + 1, batch.len()));
            // 3. The discriminator judges x and what is decoded, which is held constant, and 4. goes down its loss.
            let fake = self.variant.network.frozen().decoder.forward(latents.clone(), labels.clone()).detach();
            let fake = game.disturbed(self.variant.pictures(fake), turn, 2 * round);
            self.discriminator.change(Discriminator::iterate);
            let pair = [game.disturbed(real.clone(), turn, 2 * round + 1), fake];
            let loss = game.discriminator_loss(&*self.discriminator, pair.clone(), labels.clone(), &mut report);
            let penalty = game.penalty(&*self.discriminator, pair, labels.clone(), (turn, round), &mut report);
            let loss = penalty.into_iter().fold(loss, Tensor::add);
            let rate = game.settings.discriminator_rate(turn);
            self.discriminator.descend_noting(loss, rate, turn, ("gradient_d", &mut report));
            if round + 1 < batches.len() {
                continue;
            }
            // 5. The decoder goes down its loss under the discriminator, which is held constant.
            let judge = self.discriminator.frozen();
            let decode = |z| self.variant.pictures(self.variant.network.decoder.forward(z, labels.clone()));
            let fake = decode(latents.clone());
            let pair = [real.clone(), game.disturbed(fake.clone(), turn, 2 * batches.len())];
            let judged = game.generator_loss(&judge, pair, labels.clone(), &mut report);
            let judged =
                game.with_mode_seeking(judged, (latents, fake), decode, (turn, batches.len() + 1), &mut report);
            // 6. Encoder and decoder make pictures alike, the decoder by gamma as much: on the way back to the encoder
            // that is taken out again.
            let Config { similarity, gamma, beta, .. } = self.config;
            let through = z.clone().mul_scalar(1.0 / gamma) + z.detach().mul_scalar(1.0 - 1.0 / gamma);
            let decoded = self.variant.network.decoder.forward(through, labels.clone());
            let read = |pictures| {
                let (pictures, labels) = game.packed(pictures, labels.clone());
                judge.features(pictures, labels)
            };
            let apart = relative_distance(read(real).detach(), read(self.variant.pictures(decoded.clone())));
            // 7. The encoder's distribution stays near the prior; 8. the likelihood of pixels learns its scale.
            let units = posterior.kl().mean_dim(0); // [1, latent]
            let likelihood = self.variant.log_likelihood(decoded.detach(), x).mean();
            note(&mut report, &units, &likelihood, &apart);
            let scale = likelihood.mul_scalar(1.0 / self.shape.iter().product::<usize>() as f64);
            let loss = judged + apart.mul_scalar(gamma * similarity) + units.sum().mul_scalar(beta) - scale;
            self.variant.descend(loss, turn, &mut report);
        }
        self.game.adapt(&mut report);
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        self.variant.sample(request)
    }

    fn classes(&self) -> &[String] {
        &self.variant.classes
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts = self.variant.parts();
        parts.push(weights::to_part("discriminator", &*self.discriminator));
        parts.push(self.discriminator.to_part("discriminator-adam"));
        parts.extend(self.game.to_part());
        parts
    }

    fn sampling_part(&self) -> &'static str {
        self.variant.sampling_part()
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.variant.load(parts, purpose)?;
        if purpose == Purpose::Training {
            self.discriminator.load("discriminator", parts, purpose)?;
            self.game.load(parts)?;
        }
        Ok(())
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        let mut parameters = self.variant.parameters();
        parameters.push(("discriminator", self.discriminator.num_params()));
        parameters
    }

    fn as_latent(&self) -> Option<&dyn Latent> {
        Some(&self.variant)
    }

    fn as_encode(&self) -> Option<&dyn Encode> {
        Some(&self.variant)
    }

    fn as_reconstruct(&self) -> Option<&dyn Reconstruct> {
        Some(&self.variant)
    }

    fn as_score(&self) -> Option<&dyn Score> {
        Some(&self.variant)
    }

    fn judge(&self, examples: &HostBatch) -> Result<Option<Vec<f32>>> {
        self.game.judge_alone::<4>(&*self.discriminator, examples, &self.shape)
    }
}

/// The first half of `a`, rounded up, and the rest of `b`: `[n, latent]` each.
fn half_and_half(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let [n, _] = a.dims();
    let first = n.div_ceil(2);
    if first == n { a } else { join(a.narrow(0, 0, first), b.narrow(0, first, n - first)) }
}

/// The mean squared distance of `[n, width]` features from those that are meant, as a share of the latter's mean squared
/// distance from their mean: `[1]`.
fn relative_distance(meant: Tensor<2>, found: Tensor<2>) -> Tensor<1> {
    let spread = (meant.clone() - meant.clone().mean_dim(0)).powi_scalar(2).mean();
    // Of a single picture, or of equal ones, there is no spread: then distances are what they are.
    let spread = match f64::from(to_vec(spread.inner())[0]) {
        spread if spread > 1e-6 => spread,
        _ => 1.0,
    };
    (found - meant).powi_scalar(2).mean().mul_scalar(1.0 / spread)
}

/// How alike pictures are, the likelihood of pixels, and how many latent numbers are in use.
fn note(report: &mut StepReport, units: &Tensor<2>, likelihood: &Tensor<1>, apart: &Tensor<1>) {
    let units = to_vec(units.clone().inner());
    report.note("apart", f64::from(to_vec(apart.clone().inner())[0]));
    report.note("reconstruction", -f64::from(to_vec(likelihood.clone().inner())[0]));
    report.note("kl", units.iter().map(|unit| f64::from(*unit)).sum());
    report.note("active_units", units.iter().filter(|unit| f64::from(**unit) > IN_USE).count() as f64);
}

fn picture(spec: &DataSpec) -> Result<[usize; 3]> {
    match spec {
        DataSpec::Images(image) => Ok([image.channels, image.height, image.width]),
        other => Err(Error::usage(format!("`vaegan` draws pictures, not {}", other.kind()), "use another family")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_kernels::burn::from_vec;

    #[test]
    fn distance_is_a_share_of_the_spread() {
        let device = Device::flex().autodiff();
        let of = |values: Vec<f32>| from_vec(values, [2, 2], &device);
        let value = |x: Tensor<1>| to_vec(x.inner())[0];
        let meant = of(vec![1.0, 5.0, 3.0, 5.0]);
        // The mean of all stands as far from them as they are spread.
        let mean = of(vec![2.0, 5.0, 2.0, 5.0]);
        assert!((value(relative_distance(meant.clone(), mean)) - 1.0).abs() < 1e-6);
        assert_eq!(value(relative_distance(meant.clone(), meant.clone())), 0.0);
        let equal = of(vec![1.0; 4]);
        assert!((value(relative_distance(equal, meant)) - 9.0).abs() < 1e-5);
        let halves = half_and_half(of(vec![1.0, 2.0, 3.0, 4.0]), of(vec![5.0, 6.0, 7.0, 8.0]));
        assert_eq!(to_vec(halves.inner()), [1.0, 2.0, 7.0, 8.0]);
    }
}
