//! The two networks of a recurrent autoencoder: one reads text or series into distributions of latent vectors, the other tells them
//! again, each step from what came before it and from the latent vector.

use burn::module::{Module, Param};
use burn::prelude::*;
use galatea_kernels::Activation;
use galatea_kernels::burn::{beside, pick, to_vec};

use super::autoencoder::Posterior;
use super::layers::{Linear, trained};
use super::noise::WeightDraw;
use super::recurrent::{Stack, Unit, with_every_step};

/// Half of the logarithm of a whole turn.
const HALF_LOG_TAU: f64 = 0.918_938_533_204_672_8;

/// Sizes of a [`Network`].
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// What recurrent layers are made of.
    pub unit: Unit,
    /// Units of both networks.
    pub hidden: usize,
    /// Length of the latent vector.
    pub latent: usize,
    /// Whether examples are tokens.
    pub is_text: bool,
    /// Tokens that there are, or channels.
    pub outputs: usize,
}

/// A batch, time first.
#[derive(Debug)]
pub struct Example {
    /// Steps that are told.
    pub time: usize,
    /// Of text: the tokens before those that are told.
    pub given: Vec<u32>,
    /// What the decoder is to tell.
    pub told: Told,
    /// Of text that ends: the rows up to the ends, which are all that count.
    pub rows: Option<Vec<u32>>,
}

/// What the decoder is to tell, `time * n` rows.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, and passed on at once")]
pub enum Told {
    /// Text.
    Tokens(Vec<u32>),
    /// Moments of series, `[time * n, channels]`.
    Values(Tensor<2>),
}

/// Both networks.
#[derive(Module, Debug)]
pub struct Network {
    /// Of text, `[vocabulary, hidden]`.
    table: Option<Param<Tensor<2>>>,
    encoder: Stack,
    mean: Linear,
    log_variance: Linear,
    decoder: Stack,
    head: Linear,
    /// Of series, logarithms of the channels' deviations, `[channels]`.
    log_scale: Option<Param<Tensor<1>>>,
}

impl Network {
    /// Fresh weights.
    pub fn new(sizes: &Sizes, draw: &mut WeightDraw) -> Self {
        let Sizes { unit, hidden, latent, is_text, outputs } = *sizes;
        let (width, table, log_scale) = match is_text {
            true => (hidden, Some(trained(draw.normal([outputs, hidden], 0.1))), None),
            false => (outputs, None, Some(trained(Tensor::full([outputs], -0.5, draw.device())))),
        };
        Self {
            table,
            encoder: Stack::new(unit, [width, hidden, 1], draw),
            mean: Linear::new(2 * hidden, latent, 1.0, draw),
            log_variance: Linear::new(2 * hidden, latent, 0.1, draw),
            decoder: Stack::new(unit, [width + latent, hidden, 1], draw),
            head: Linear::new(hidden + latent, outputs, 1.0, draw),
            log_scale,
        }
    }

    /// Tokens as the networks read them, `[n, hidden]`.
    pub fn embedded(&self, tokens: &[u32]) -> Tensor<2> {
        match &self.table {
            Some(table) => pick(table.val(), tokens),
            None => Tensor::zeros([tokens.len(), 1], &self.head.weight.device()),
        }
    }

    /// Distributions of latent vectors.
    pub fn encode(&self, example: &Example) -> Posterior {
        let rows = match &example.told {
            Told::Tokens(tokens) => self.embedded(tokens),
            Told::Values(x) => x.clone(),
        };
        let ([all, width], time) = (rows.dims(), example.time);
        let summary = self.encoder.summary(rows.reshape([time, all / time, width]));
        Posterior {
            mean: self.mean.forward(summary.clone(), Activation::Identity),
            log_variance: self.log_variance.forward(summary, Activation::Identity).clamp(-20.0, 10.0),
        }
    }

    /// What comes before each step, `[time, n, width]`, of which `kept`, `[time * n, 1]`, leaves some out.
    pub fn before(&self, example: &Example, kept: Option<Tensor<2>>) -> Tensor<3> {
        let time = example.time;
        let rows = match &example.told {
            Told::Tokens(_) => self.embedded(&example.given),
            Told::Values(x) => {
                let ([all, channels], device) = (x.dims(), x.device());
                let n = all / time;
                let first = Tensor::zeros([n, channels], &device);
                match time {
                    1 => first,
                    _ => Tensor::cat(vec![first, x.clone().narrow(0, 0, all - n)], 0),
                }
            }
        };
        let [all, width] = rows.dims();
        let rows = kept.into_iter().fold(rows, |rows, kept| rows * kept);
        rows.reshape([time, all / time, width])
    }

    /// Logits, or means, of all steps, `[time * n, outputs]`.
    pub fn decode(&self, before: Tensor<3>, z: Tensor<2>) -> Tensor<2> {
        let y = self.decoder.forward(with_every_step(before, Some(z.clone())));
        let [time, n, hidden] = y.dims();
        self.told(y.reshape([time * n, hidden]), z.repeat_dim(0, time))
    }

    /// The same of one step, with what the decoder keeps for the next.
    pub fn decode_step(
        &self,
        before: Tensor<2>,
        z: Tensor<2>,
        states: Option<Vec<[Tensor<2>; 2]>>,
    ) -> (Tensor<2>, Vec<[Tensor<2>; 2]>) {
        let (y, states) = self.decoder.step(beside(before, z.clone()), states);
        (self.told(y, z), states)
    }

    fn told(&self, y: Tensor<2>, z: Tensor<2>) -> Tensor<2> {
        self.head.forward(beside(y, z), Activation::Identity)
    }

    /// The negative log density of each value about what is decoded, `[time * n, channels]`.
    pub fn gaussian(&self, decoded: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        let apart = decoded - x;
        match &self.log_scale {
            Some(scale) => {
                let log = scale.val().clamp(-7.0, 5.0).unsqueeze();
                (apart * log.clone().neg().exp()).powi_scalar(2).mul_scalar(0.5) + log.add_scalar(HALF_LOG_TAU)
            }
            None => apart.powi_scalar(2),
        }
    }

    /// What each example costs in nats.
    pub fn costs(&self, decoded: Tensor<2>, example: &Example) -> Vec<f64> {
        let width = decoded.dims()[1];
        let rows: Vec<f64> = match &example.told {
            Told::Tokens(tokens) => {
                let cost = |(logits, token): (&[f32], &u32)| {
                    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
                    sum.ln() - f64::from(logits[*token as usize] - most)
                };
                to_vec(decoded).chunks_exact(width).zip(tokens).map(cost).collect()
            }
            Told::Values(x) => {
                let costs = to_vec(self.gaussian(decoded, x.clone()));
                costs.chunks_exact(width).map(|row| row.iter().map(|cost| f64::from(*cost)).sum()).collect()
            }
        };
        let n = rows.len() / example.time;
        match &example.rows {
            Some(told) => {
                let mut sums = vec![0.0; n];
                told.iter().for_each(|row| sums[*row as usize % n] += rows[*row as usize]);
                sums
            }
            None => (0..n).map(|i| rows.iter().skip(i).step_by(n).sum()).collect(),
        }
    }
}
