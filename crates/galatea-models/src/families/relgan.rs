//! `relgan`: a language model that learns by likelihood first, and then against a discriminator that reads what it writes.
//!
//! Paper: Nie et al. 2019, "RelGAN: Relational Generative Adversarial Networks for Text Generation", ICLR, sections 3.2 to 3.4.
//! Differs: the generator is layers of GRU and not a relational memory; the discriminator is recurrent, too, and reads tokens in one
//! embedding; texts go on from the first token of real ones, so that both begin alike; both phases are shares of one run.
//!
//! Tokens are drawn by the Gumbel-softmax (Jang et al. 2017, arXiv:1611.01144): its inverse temperature grows from 1 to
//! `inverse_temperature` by the same factor at each step, so that what the discriminator reads becomes ever more like tokens.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::softmax;
use galatea_data::{DataSpec, HostBatch, settings};
use galatea_kernels::Activation;
use galatea_kernels::burn::{from_vec, linear, pick, softplus_mean, to_vec};

use super::lm::{self, Lm};
use crate::nn::layers::{Linear, trained};
use crate::nn::noise::{self, Position, WeightDraw};
use crate::nn::optimizer::{Adam, Optimized};
use crate::nn::recurrent::{Stack, Unit};
use crate::nn::sequential::CellKind;
use crate::nn::weights;
use crate::{
    Ability, Complete, Demand, Error, Info, Likelihood, Model, Part, Purpose, Result, SampleRequest, StepReport, Turn,
};

settings! {
    /// Settings of [`RelGan`].
    pub struct Config {
        /// Layers of the generator.
        layers: usize = 1, in 1..=16;
        /// Units of each of its layers.
        width: usize = 128, in 2..=8_192;
        /// Share of the values behind each layer that a step of the first phase does without.
        dropout: f64 = 0.0, in 0.0..=0.9;
        /// Texts in a training step.
        batch: usize = 32, in 1..=65_535;
        /// Highest learning rate of the first phase.
        learning_rate: f64 = 3e-3, in 0.0..=10.0;
        /// Share of the run in which the generator learns by likelihood.
        pretraining: f64 = 0.8, in 0.0..=1.0;
        /// Learning rate of the generator in the second phase (the paper's).
        learning_rate_g: f64 = 1e-4, in 0.0..=1.0;
        /// Learning rate of the discriminator (the paper's).
        learning_rate_d: f64 = 1e-4, in 0.0..=1.0;
        /// Units of the discriminator, and numbers of its embedding of a token.
        hidden_d: usize = 64, in 1..=4_096;
        /// Inverse temperature of the Gumbel-softmax at the end; the paper tries 100 and 1000.
        inverse_temperature: f64 = 100.0, in 1.0..=1e4;
    }
}

/// The family.
#[derive(Debug)]
pub struct RelGan {
    config: Config,
    writer: Lm,
    discriminator: Optimized<Discriminator>,
    vocabulary: usize,
    device: Device,
}

impl Model for RelGan {
    const INFO: Info = Info {
        name: "relgan",
        summary: "text by likelihood and then against a discriminator; see what that does to variety",
        paper: "Nie et al. 2019, RelGAN: Relational Generative Adversarial Networks for Text Generation, ICLR",
        differs: "GRU in place of a relational memory; a recurrent discriminator with one embedding",
        modalities: &["text"],
        abilities: &[Ability::Likelihood, Ability::Complete],
    };

    const STEPS: u64 = 3_000;

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        if !matches!(spec, DataSpec::Text(_)) {
            return Err(Error::usage(format!("`relgan` writes text, not {}", spec.kind()), "use another family"));
        }
        Lm::check(&config.writer(), spec)
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let DataSpec::Text(text) = spec else {
            return Err(Error::usage("these data are no text", "use another family"));
        };
        let vocabulary = text.vocabulary.len();
        let own = device.clone().autodiff();
        // Other weights than the writer's.
        let mut draw = WeightDraw::new(seed ^ 0xd15c, &own);
        let discriminator = Discriminator::new(vocabulary, config.hidden_d, &mut draw);
        let adam = Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, clip: 10.0, history: 0.0 };
        Ok(Self {
            config: config.clone(),
            // What is behind the end of a line is read by the discriminator, and is to be as in real ones.
            writer: Lm::new(&config.writer(), spec, seed, device)?.beyond_the_end(),
            discriminator: Optimized::new(discriminator, adam),
            vocabulary,
            device: own,
        })
    }

    fn demand(&self) -> Demand {
        self.writer.demand()
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let first = ((turn.steps as f64 * self.config.pretraining).round() as u64).min(turn.steps);
        if turn.step <= first {
            return self.writer.step(Turn { steps: first, ..turn }, batches);
        }
        let done = (turn.step - first) as f64 / (turn.steps - first).max(1) as f64;
        let sharpness = self.config.inverse_temperature.powf(done);
        let mut report = StepReport::default();
        for (round, batch) in batches.iter().enumerate() {
            self.play(turn, (round, sharpness), batch, &mut report)?;
        }
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        self.writer.sample(request)
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts = self.writer.parts();
        parts.push(weights::to_part("discriminator", &*self.discriminator));
        parts.push(self.discriminator.to_part("discriminator-adam"));
        parts
    }

    fn sampling_part(&self) -> &'static str {
        self.writer.sampling_part()
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.writer.load(parts, purpose)?;
        match purpose {
            Purpose::Training => self.discriminator.load("discriminator", parts, purpose),
            Purpose::Sampling => Ok(()),
        }
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        let mut all = self.writer.parameters();
        all.push(("discriminator", self.discriminator.num_params()));
        all
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood> {
        self.writer.as_likelihood()
    }

    fn as_complete(&self) -> Option<&dyn Complete> {
        self.writer.as_complete()
    }
}

impl RelGan {
    /// A step of the second phase.
    fn play(
        &mut self,
        turn: Turn,
        (round, sharpness): (usize, f64),
        batch: &HostBatch,
        report: &mut StepReport,
    ) -> Result<()> {
        let n = batch.len();
        // 1. Real texts, time first; 2. texts of the generator that go on from their first tokens.
        let (inputs, targets) = self.writer.arranged(batch)?;
        let first = &inputs[..n];
        let time = targets.len() / n.max(1);
        let noise = self.gumbel(turn, round, [time, n]);
        let drawn = self.writer.draw_softly(first, noise, sharpness); // [time, n, vocabulary]
        // 3. D tells them apart; what is written is held constant.
        let d = &self.discriminator;
        let real = d.judge(first, d.read(&targets, time));
        let fake = d.judge(first, d.embed(drawn.clone().detach()));
        let means = [&real, &fake].map(|logits| {
            let logits = to_vec(logits.clone().inner());
            logits.iter().map(|logit| f64::from(*logit)).sum::<f64>() / logits.len() as f64
        });
        let loss = softplus_mean(fake - real, 1.0);
        report.note("loss_d", value(&loss));
        report.note("apart", means[0] - means[1]);
        self.discriminator.descend_noting(loss, self.config.learning_rate_d, turn, ("gradient_d", report));
        // 4. G is to be taken for more real than what is.
        let d = self.discriminator.frozen();
        let real = d.judge(first, d.read(&targets, time)).detach();
        let loss = softplus_mean(d.judge(first, d.embed(drawn)) - real, -1.0);
        report.note("loss_g", value(&loss));
        report.note("sharpness", sharpness);
        self.writer.descend(loss, self.config.learning_rate_g, turn, report);
        Ok(())
    }

    /// Numbers of the Gumbel distribution, `[time, n, vocabulary]`.
    fn gumbel(&self, turn: Turn, round: usize, [time, n]: [usize; 2]) -> Tensor<3> {
        let (at, each) = (Position { step: turn.step, round: round as u8 }, self.vocabulary);
        let mut values = vec![0.0; time * n * each];
        for i in 0..n {
            let mut stream = noise::stream(turn.seed, noise::Purpose::Latent, at, i);
            for t in 0..time {
                for value in &mut values[(t * n + i) * each..(t * n + i + 1) * each] {
                    let uniform = stream.next_f64().clamp(1e-12, 1.0 - 1e-12);
                    *value = -(-uniform.ln()).ln() as f32;
                }
            }
        }
        from_vec(values, [time, n, each], &self.device)
    }
}

impl Config {
    fn writer(&self) -> lm::Config {
        let Self { layers, width, dropout, batch, learning_rate, .. } = *self;
        lm::Config {
            cell: CellKind::Gru,
            tied: false,
            weight_decay: 0.0,
            layers,
            width,
            dropout,
            batch,
            learning_rate,
            ..lm::Config::default()
        }
    }
}

fn value(loss: &Tensor<1>) -> f64 {
    to_vec(loss.clone().inner()).iter().map(|value| f64::from(*value)).sum()
}

/// Tokens in an embedding, through a recurrent layer to a logit.
#[derive(Module, Debug)]
struct Discriminator {
    embedding: burn::module::Param<Tensor<2>>,
    stack: Stack,
    head: Linear,
}

impl Discriminator {
    fn new(vocabulary: usize, hidden: usize, draw: &mut WeightDraw) -> Self {
        Self {
            embedding: trained(draw.normal([vocabulary, hidden], 1.0)),
            stack: Stack::new(Unit::Gru, [hidden, hidden, 1], draw),
            head: Linear::new(2 * hidden, 1, 1.0, draw),
        }
    }

    /// Tokens, time first, in the embedding: `[time, n, hidden]`.
    fn read(&self, tokens: &[u32], time: usize) -> Tensor<3> {
        let (embedding, width) = (self.embedding.val(), self.embedding.dims()[1]);
        pick(embedding, tokens).reshape([time, tokens.len() / time, width])
    }

    /// The same of tokens that are shares of all, `[time, n, vocabulary]`.
    fn embed(&self, shares: Tensor<3>) -> Tensor<3> {
        let ([time, n, vocabulary], width) = (shares.dims(), self.embedding.dims()[1]);
        let rows = shares.reshape([time * n, vocabulary]);
        linear(rows, self.embedding.val(), None, Activation::Identity).reshape([time, n, width])
    }

    /// Logits `[n, 1]` of texts that go on from `first`.
    fn judge(&self, first: &[u32], x: Tensor<3>) -> Tensor<2> {
        let whole = Tensor::cat(vec![self.read(first, 1), x], 0);
        self.head.forward(self.stack.summary(whole), Activation::Identity)
    }
}

/// Shares of all tokens from their logits with noise: the softmax of so many times their sum.
pub(super) fn softly(logits: Tensor<2>, noise: Tensor<2>, sharpness: f64) -> Tensor<2> {
    softmax((logits + noise).mul_scalar(sharpness), 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_data::{HostTensor, TextSpec, Vocabulary};

    #[test]
    fn what_is_drawn_softly_becomes_tokens_that_are_as_likely_as_the_model_says() {
        let vocabulary = Vocabulary::Characters { characters: "abc".to_owned() };
        let spec = DataSpec::Text(TextSpec { length: 4, vocabulary, start: 0, characters_per_token: 1.0, end: None });
        let config = Config { width: 6, ..Config::default() };
        let model = RelGan::new(&config, &spec, 3, &Device::flex()).unwrap();
        let (n, turn) = (6_000, Turn { seed: 1, step: 1, steps: 10 });
        let drawn = model.writer.draw_softly(&vec![0; n], model.gumbel(turn, 0, [3, n]), 1e4);
        let drawn = to_vec(drawn.inner());
        // Almost all of each is one token.
        let sharp = drawn.chunks_exact(3).filter(|of| of.iter().any(|share| *share > 0.99)).count();
        assert!(sharp as f64 > 0.98 * 3.0 * n as f64, "{sharp}");
        let token = |t: usize, i: usize| {
            let of = &drawn[(t * n + i) * 3..][..3];
            (0..3).max_by(|a, b| of[*a].total_cmp(&of[*b])).unwrap()
        };
        // All 27 texts, by the likelihood of the model.
        let texts: Vec<f32> = (0..27).flat_map(|i| [0, i / 9, i / 3 % 3, i % 3]).map(|x| x as f32).collect();
        let batch = HostBatch { values: HostTensor::new([27, 4], texts), labels: None };
        let nats = model.as_likelihood().unwrap().nats(&batch).unwrap();
        let mut counts = [0.0; 27];
        (0..n).for_each(|i| counts[token(0, i) * 9 + token(1, i) * 3 + token(2, i)] += 1.0 / n as f64);
        for (count, nats) in counts.iter().zip(nats) {
            assert!((count - (-nats).exp()).abs() < 0.012, "{count}, not {}", (-nats).exp());
        }
    }
}
