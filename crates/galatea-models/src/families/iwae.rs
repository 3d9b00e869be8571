//! `iwae`: the importance weighted autoencoder, a variational autoencoder with a tighter bound.
//!
//! Paper: Burda et al. 2016, "Importance Weighted Autoencoders", arXiv:1509.00519, equations 8 and 14.
//! Differs: a trained model works with the average of its weights; classes, where there are any, are given to both networks.
//!
//! For each example `k` latent vectors are drawn, and the bound is the logarithm of the mean of their importance weights
//! `p(x, z) / q(z | x)`. With `k = 1` it is that of the variational autoencoder, estimated from the draw.

use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, settings};
use galatea_kernels::burn::to_vec;

use crate::nn::variational::{ABILITIES, IN_USE, Variant, Variational};
use crate::{
    Demand, Encode, Error, Info, Latent, Model, Part, Preset, Purpose, Reconstruct, Result, SampleRequest, Score,
    StepReport, Turn,
};

settings! {
    /// Settings of [`Iwae`].
    pub struct Config {
        /// Latent vectors that are drawn for each example, k in the paper; the time of a step grows with them.
        samples: usize = 5, in 1..=1_000;
    }
    include {
        /// Settings that all families with a variational bound share.
        variational: Variational = Variational::default();
    }
}

const CLASSIC: Preset = Preset {
    name: "classic",
    summary: "one hidden layer of 400 and 40 latent numbers on black and white pixels, 50 draws, without classes",
    settings: r#"
        samples = 50
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
        [train]
        sample_every = 500
        preview = 1000
    "#,
};

/// The family.
#[derive(Debug)]
pub struct Iwae {
    variant: Variant,
    samples: usize,
}

impl Model for Iwae {
    const INFO: Info = Info {
        name: "iwae",
        summary: "importance weighted autoencoder: as a variational one, with a likelihood that is nearer to the truth",
        paper: "Burda et al. 2016, Importance Weighted Autoencoders, arXiv:1509.00519",
        differs: "weight averaging; classes in both networks",
        modalities: &["images", "points"],
        abilities: ABILITIES,
    };

    const PRESETS: &'static [Preset] = &[CLASSIC, POINTS];

    const USUAL_PRESETS: &'static [(&'static str, &'static str)] = &[("points", "points")];

    const STEPS: u64 = 4_000;

    const MOST_EPOCHS: Option<u64> = Some(150);

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let rows = config.samples * config.variational.batch;
        if rows > MOST_ROWS {
            return Err(Error::usage(
                format!("{} draws for each of {} examples are {rows}", config.samples, config.variational.batch),
                format!("`samples` times `batch` is at most {MOST_ROWS}: lower one of them"),
            ));
        }
        Variant::check(&config.variational, spec)
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        Ok(Self { variant: Variant::new(&config.variational, spec, seed, device)?, samples: config.samples })
    }

    fn demand(&self) -> Demand {
        Demand { batch: self.variant.settings.batch, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let mut report = StepReport::default();
        let k = self.samples;
        for batch in batches {
            let n = batch.len();
            let (x, labels) = self.variant.examples(batch, turn)?;
            let posterior = self.variant.network.encoder.forward(x.clone(), labels.clone());
            let kl = to_vec(posterior.kl().mean_dim(0).inner());
            // k latent vectors for each example; those of one draw are beside each other.
            let posterior = posterior.repeated(k);
            let noise = self.variant.noise(turn, k * n);
            let z = posterior.drawn(noise.clone()); // [k n, latent]
            // ln p(z) - ln q(z | x), whose constants cancel.
            let of_z = (noise.powi_scalar(2) - z.clone().powi_scalar(2) + posterior.log_variance).sum_dim(1);
            let decoded = self.variant.network.decoder.forward(z, labels.map(|labels| labels.repeat_dim(0, k)));
            let likelihood = self.variant.log_likelihood(decoded, x.repeat_dim(0, k)); // [k n, 1]
            let log_weights = (likelihood.clone() + of_z.mul_scalar(0.5)).reshape([k, n]);
            let bound = log_mean_exp(log_weights);
            note(&mut report, &bound, &likelihood, &kl);
            self.variant.descend(bound.neg(), turn, &mut report);
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

/// Draws in one step.
const MOST_ROWS: usize = (1 << 16) - 1;

/// The logarithm of the mean of `exp(w)` over the first dimension of `w` `[k, n]`, averaged over the second: `[1]`.
fn log_mean_exp(w: Tensor<2>) -> Tensor<1> {
    let [k, _] = w.dims();
    let largest = w.clone().detach().max_dim(0); // [1, n]
    let mean = (w - largest.clone()).exp().sum_dim(0).div_scalar(k as f64);
    (mean.log() + largest).mean()
}

/// The negative bound in nats for each example, what is decoded, and how many latent numbers are in use.
fn note(report: &mut StepReport, bound: &Tensor<1>, likelihood: &Tensor<2>, units: &[f32]) {
    report.note("loss", -f64::from(to_vec(bound.clone().inner())[0]));
    report.note("reconstruction", -f64::from(to_vec(likelihood.clone().mean().inner())[0]));
    report.note("kl", units.iter().map(|unit| f64::from(*unit)).sum());
    report.note("active_units", units.iter().filter(|unit| f64::from(**unit) > IN_USE).count() as f64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_kernels::burn::from_vec;

    #[test]
    fn the_bound_is_the_logarithm_of_the_mean_weight() {
        let device = Device::flex().autodiff();
        let w = from_vec(vec![-100.0, 3.0, -101.0, 5.0], [2, 2], &device).require_grad();
        let bound = log_mean_exp(w.clone());
        let of = |a: f64, b: f64| ((a.exp() + b.exp()) / 2.0).ln();
        let expected = 0.5 * (of(0.0, -1.0) - 100.0 + of(3.0, 5.0));
        assert!((f64::from(to_vec(bound.clone().inner())[0]) - expected).abs() < 1e-4);
        // Each draw has its share of the weight (equation 14 of the paper).
        let gradient = to_vec(w.grad(&bound.backward()).unwrap());
        let share = 1.0 / (1.0 + (-1f32).exp());
        assert!((gradient[0] - 0.5 * share).abs() < 1e-5 && (gradient[2] - 0.5 * (1.0 - share)).abs() < 1e-5);
    }
}
