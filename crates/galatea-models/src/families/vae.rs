//! `vae`: the variational autoencoder, fully connected or convolutional, sized from the data.
//!
//! Paper: Kingma and Welling 2014, "Auto-Encoding Variational Bayes", arXiv:1312.6114, algorithm 1 and appendix B.
//! Differs: weights of the divergence other than 1 (Higgins et al. 2017, beta-VAE), its warm-up (Sønderby et al. 2016,
//! arXiv:1602.02282) and free bits (Kingma et al. 2016, arXiv:1606.04934, section 3.4) can be switched on; a trained model
//! works with the average of its weights; classes, where there are any, are given to both networks.
//!
//! The divergence is in closed form and the likelihood is estimated from one draw for each example.

use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, settings};
use galatea_kernels::burn::to_vec;

use crate::nn::variational::{ABILITIES, IN_USE, Variant, Variational};
use crate::{
    Demand, Encode, Info, Latent, Model, Part, Preset, Purpose, Reconstruct, Result, SampleRequest, Score, StepReport,
    Turn,
};

settings! {
    /// Settings of [`Vae`].
    pub struct Config {
        /// Weight of the divergence from the prior: above 1 latent numbers become more independent, and fewer.
        beta: f64 = 1.0, in 0.0..=1e4;
        /// Share of the run over which that weight grows from 0 on a line.
        warm_up: f64 = 0.0, in 0.0..=1.0;
        /// Divergence of each latent number, in nats on average over a batch, that costs nothing: it keeps numbers in use.
        free_bits: f64 = 0.0, in 0.0..=100.0;
    }
    include {
        /// Settings that all families with a variational bound share.
        variational: Variational = Variational::default();
    }
}

const CLASSIC: Preset = Preset {
    name: "classic",
    summary: "one hidden layer of 400 and 40 latent numbers on black and white pixels, without classes",
    settings: r#"
        network = "dense"
        hidden = [400]
        latent = 40
        binarise = "threshold"
        likelihood = "bernoulli"
        conditional = "no"
        schedule = "constant"
        ema = 0.0
    "#,
};

const POINTS: Preset = Preset {
    name: "points",
    summary: "points of few numbers, such as `ring`: taken for them where no preset is named",
    settings: r#"
        latent = 4
        hidden = [128, 128]
        batch = 256
        warm_up = 0.2
        [train]
        sample_every = 500
        preview = 1000
    "#,
};

/// The family.
#[derive(Debug)]
pub struct Vae {
    variant: Variant,
    beta: f64,
    warm_up: f64,
    free_bits: f64,
}

impl Model for Vae {
    const INFO: Info = Info {
        name: "vae",
        summary: "variational autoencoder: samples, reconstructs, encodes, and says how likely examples are",
        paper: "Kingma and Welling 2014, Auto-Encoding Variational Bayes, arXiv:1312.6114",
        differs: "beta, warm-up and free bits; weight averaging; classes in both networks",
        modalities: &["images", "points"],
        abilities: ABILITIES,
    };

    const PRESETS: &'static [Preset] = &[CLASSIC, POINTS];

    const USUAL_PRESETS: &'static [(&'static str, &'static str)] = &[("points", "points")];

    const STEPS: u64 = 4_000;

    const MOST_EPOCHS: Option<u64> = Some(150);

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        Variant::check(&config.variational, spec)
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        let Config { beta, warm_up, free_bits, ref variational } = *config;
        Ok(Self { variant: Variant::new(variational, spec, seed, device)?, beta, warm_up, free_bits })
    }

    fn demand(&self) -> Demand {
        Demand { batch: self.variant.settings.batch, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let mut report = StepReport::default();
        for batch in batches {
            // 1. A batch of examples x, and 2. noise; 3. the posterior of z, and z from it.
            let (x, labels) = self.variant.examples(batch, turn)?;
            let posterior = self.variant.network.encoder.forward(x.clone(), labels.clone());
            let z = posterior.drawn(self.variant.noise(turn, batch.len()));
            // 4. The bound: likelihood of x under what is decoded, less the divergence from the prior.
            let decoded = self.variant.network.decoder.forward(z, labels);
            let likelihood = self.variant.log_likelihood(decoded, x).mean();
            let units = posterior.kl().mean_dim(0); // [1, latent]
            note(&mut report, &units, &likelihood);
            let kl = match self.free_bits {
                0.0 => units.sum(),
                free => burn::tensor::activation::relu(units.sub_scalar(free)).add_scalar(free).sum(),
            };
            // 5. Both networks go up it.
            let loss = kl.mul_scalar(self.weight(turn)) - likelihood;
            self.variant.descend(loss, turn, &mut report);
        }
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        self.variant.sample(request)
    }

    fn classes(&self) -> &[String] {
        &self.variant.classes
    }

    fn parts(&self) -> Vec<Part> {
        self.variant.parts()
    }

    fn sampling_part(&self) -> &'static str {
        self.variant.sampling_part()
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.variant.load(parts, purpose)
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        self.variant.parameters()
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
}

impl Vae {
    /// The weight of the divergence at this step.
    fn weight(&self, turn: Turn) -> f64 {
        let grown = if self.warm_up > 0.0 { (turn.progress() / self.warm_up).min(1.0) } else { 1.0 };
        self.beta * grown
    }
}

/// The negative bound in nats for each example, its parts, and how many latent numbers are in use.
fn note(report: &mut StepReport, units: &Tensor<2>, likelihood: &Tensor<1>) {
    let units = to_vec(units.clone().inner());
    let kl: f64 = units.iter().map(|unit| f64::from(*unit)).sum();
    let reconstruction = -f64::from(to_vec(likelihood.clone().inner())[0]);
    report.note("loss", reconstruction + kl);
    report.note("reconstruction", reconstruction);
    report.note("kl", kl);
    report.note("active_units", units.iter().filter(|unit| f64::from(**unit) > IN_USE).count() as f64);
}
