//! `lm`: a language model, which tells each token from those before it; a transformer, or an LSTM or GRU.
//!
//! Paper: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3 (the transformer, with
//! normalisation first); Zaremba et al. 2014, "Recurrent Neural Network Regularization", arXiv:1409.2329, section 3 (LSTM
//! and GRU in layers, with dropout between them).
//! Differs: layers have no biases, and attention no dropout; positions may be rotary (Su et al. 2021, arXiv:2104.09864);
//! recurrent layers begin each example with empty states, and are normalised behind the last one.

use std::sync::OnceLock;

use burn::module::Module;
use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, HostTensor, TextSpec, settings};
use galatea_kernels::burn as fused;
use galatea_kernels::loss::softmax_cross_entropy;

use crate::nn::decoding::{Decoding, draws};
use crate::nn::noise::{Position, WeightDraw};
use crate::nn::optimizer::{Adam, Optimized};
use crate::nn::sequential::{CellKind, Dropout, Network, Positions, Shape};
use crate::nn::stepper::Stepper;
use crate::nn::weights;
use crate::{
    Ability, Complete, Demand, Error, Info, Likelihood, Model, Part, Preset, Purpose, Result, SampleRequest,
    StepReport, Turn,
};

settings! {
    /// Settings of [`Lm`].
    pub struct Config {
        /// What layers are made of.
        cell: CellKind = CellKind::Transformer;
        /// Layers, one behind the other.
        layers: usize = 4, in 1..=64;
        /// Values of a position; of recurrent layers, units.
        width: usize = 128, in 2..=8_192;
        /// Heads of a transformer's layer, which share its width.
        heads: usize = 4, in 1..=128;
        /// How a transformer knows where a token is.
        positions: Positions = Positions::Learnt;
        /// Share of the values behind each layer that a training step does without.
        dropout: f64 = 0.0, in 0.0..=0.9;
        /// Whether tokens are read and told by the same weights.
        tied: bool = true;
        /// Examples in a training step.
        batch: usize = 32, in 1..=65_536;
        /// Highest learning rate. With nanoGPT's, 1e-3, its setting for a CPU ends at 1.90 nats a character, and with this at 1.77.
        learning_rate: f64 = 3e-3, in 0.0..=10.0;
        /// Steps in which the learning rate rises to that; at most a fifth of all.
        warm_up: u64 = 100, in 0..=1_000_000_000;
        /// Share of the learning rate that is left at the end, down to which it goes as a cosine does.
        rate_end: f64 = 0.1, in 0.0..=1.0;
        /// Decay of the average of gradients.
        beta_1: f64 = 0.9, in 0.0..1.0;
        /// Decay of the average of squared gradients (nanoGPT's for small batches).
        beta_2: f64 = 0.99, in 0.0..1.0;
        /// Share of the learning rate by which matrices shrink at each step.
        weight_decay: f64 = 0.1, in 0.0..=10.0;
        /// Gradients whose norm is above this are scaled down to it; 0 for never.
        clip: f64 = 1.0, in 0.0..=1e9;
    }
}

const NANOGPT: Preset = Preset {
    name: "nanogpt",
    summary: "what nanoGPT's notes train on a CPU: 4 layers of 128, batches of 12, 2,000 steps; of characters",
    settings: r#"
        cell = "transformer"
        layers = 4
        width = 128
        heads = 4
        positions = "learnt"
        dropout = 0.0
        batch = 12
        [train]
        steps = 2000
    "#,
};

const LSTM: Preset = Preset {
    name: "lstm",
    summary: "two layers of 256 LSTM units: quicker to draw from, and for short contexts",
    settings: r#"
        cell = "lstm"
        layers = 2
        width = 256
        weight_decay = 0.01
        dropout = 0.1
    "#,
};

/// Examples whose likelihood is worked out at a time, and texts that are written side by side.
const TOGETHER: usize = 64;
/// Most logits of a training step.
const MOST_LOGITS: usize = 1 << 28;

/// The family.
#[derive(Debug)]
pub struct Lm {
    config: Config,
    shape: Shape,
    text: TextSpec,
    /// What ends the examples that are learnt; what is behind it is not.
    end: Option<u32>,
    network: Optimized<Network>,
    device: Device,
    stepper: OnceLock<Stepper>,
    judge: OnceLock<Network>,
}

impl Model for Lm {
    const INFO: Info = Info {
        name: "lm",
        summary: "language model: a transformer, LSTM or GRU that writes text like yours",
        paper: "Radford et al. 2019, Language Models are Unsupervised Multitask Learners",
        differs: "no biases, no dropout in attention; rotary positions on demand; recurrent layers instead on demand",
        modalities: &["text"],
        abilities: &[Ability::Likelihood, Ability::Complete],
    };

    const PRESETS: &'static [Preset] = &[NANOGPT, LSTM];

    const STEPS: u64 = 5_000;

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let text = text_of(spec)?;
        let Config { cell, width, heads, positions, batch, .. } = *config;
        if cell == CellKind::Transformer {
            if !width.is_multiple_of(heads) {
                let hint =
                    format!("choose a width that {heads} heads share, such as {}", width.next_multiple_of(heads));
                return Err(Error::usage(format!("`width` is {width}, and `heads` {heads}"), hint));
            }
            if positions == Positions::Rotary && !(width / heads).is_multiple_of(2) {
                return Err(Error::usage(
                    format!("`positions=rotary` turns pairs of values, and a head has {}", width / heads),
                    "choose a width that is a multiple of twice the heads",
                ));
            }
        }
        let logits = batch.saturating_mul(text.length - 1).saturating_mul(text.vocabulary.len());
        if logits > MOST_LOGITS {
            return Err(Error::usage(
                format!(
                    "a step would have {logits} logits: `batch`, `data.context` and the vocabulary are too large together"
                ),
                format!("lower `batch`; at most {MOST_LOGITS} fit"),
            ));
        }
        Ok(())
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let text = text_of(spec)?.clone();
        let device = device.clone().autodiff();
        let shape = config.shape(&text);
        let network = Network::new(&shape, &mut WeightDraw::new(seed, &device));
        let Config { beta_1, beta_2, clip, weight_decay, .. } = *config;
        let adam = Adam { beta_1, beta_2, epsilon: 1e-8, clip, history: 0.0 };
        Ok(Self {
            config: config.clone(),
            shape,
            end: text.end,
            text,
            network: Optimized::new(network, adam).with_decay(weight_decay),
            device,
            stepper: OnceLock::new(),
            judge: OnceLock::new(),
        })
    }

    fn demand(&self) -> Demand {
        Demand { batch: self.config.batch, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let mut report = StepReport::default();
        for (round, batch) in batches.iter().enumerate() {
            let (inputs, targets) = self.arranged(batch)?;
            let at = Position { step: turn.step, round: round as u8 };
            let dropout = Dropout { share: self.config.dropout, seed: turn.seed, at };
            let logits = self.network.forward(&inputs, batch.len(), Some(&dropout), &self.device);
            let loss = match self.told(batch) {
                Some(rows) => {
                    let told: Vec<u32> = rows.iter().map(|row| targets[*row as usize]).collect();
                    fused::cross_entropy(fused::pick(logits, &rows), &told)
                }
                None => fused::cross_entropy(logits, &targets),
            };
            report.note("loss", f64::from(fused::to_vec(loss.clone().inner())[0]));
            let rate = self.config.rate(turn);
            self.network.descend_noting(loss, rate, turn, ("gradient", &mut report));
        }
        self.stepper.take();
        self.judge.take();
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        request.labels(&[])?;
        let decoding = Decoding { temperature: f64::from(request.truncation), ..Decoding::default() };
        let length = self.text.length;
        let mut values = Vec::new();
        for first in request.range.clone().step_by(TOGETHER) {
            let texts = first..(first + TOGETHER as u64).min(request.range.end);
            let mut draws: Vec<_> = texts.map(|index| draws(request.seed, index)).collect();
            let mut tokens = vec![vec![self.text.start]; draws.len()];
            let mut state = self.stepper().begin(draws.len());
            for at in 1..length {
                let before: Vec<u32> = tokens.iter().map(|tokens| tokens[at - 1]).collect();
                let logits = self.stepper().step(&mut state, &before);
                let rows = logits.chunks_exact(self.text.vocabulary.len());
                for ((tokens, draws), logits) in tokens.iter_mut().zip(&mut draws).zip(rows) {
                    let next = decoding.choose(logits, tokens, draws.next_f64());
                    tokens.push(next);
                }
            }
            values.extend(tokens.iter().flatten().map(|token| *token as f32));
        }
        Ok(HostBatch { values: HostTensor::new([values.len() / length, length], values), labels: None })
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn parts(&self) -> Vec<Part> {
        vec![weights::to_part("network", &*self.network), self.network.to_part("network-adam")]
    }

    fn sampling_part(&self) -> &'static str {
        "network"
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.stepper.take();
        self.judge.take();
        self.network.load("network", parts, purpose)
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("network", self.network.num_params())]
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood> {
        Some(self)
    }

    fn as_complete(&self) -> Option<&dyn Complete> {
        Some(self)
    }
}

impl Likelihood for Lm {
    fn nats(&self, examples: &HostBatch) -> Result<Vec<f64>> {
        let network = self.judge.get_or_init(|| self.network.valid());
        let device = self.device.clone().without_autodiff();
        let classes = self.text.vocabulary.len();
        let mut all = Vec::with_capacity(examples.len());
        for first in (0..examples.len()).step_by(TOGETHER) {
            let some = examples.values.slice_rows(first..(first + TOGETHER).min(examples.len()));
            let (n, time) = (some.rows(), self.text.length - 1);
            let some = HostBatch { values: some, labels: None };
            let (inputs, targets) = self.arranged(&some)?;
            let logits = fused::to_vec(network.forward(&inputs, n, None, &device));
            for (i, example) in some.tokens().chunks_exact(time + 1).enumerate() {
                let count = self.text.told(example);
                let mut slopes = vec![0.0; count * classes];
                let rows = (0..count).map(|t| self.shape.row([n, time], i, t));
                let (own, told): (Vec<&[f32]>, Vec<u32>) =
                    rows.map(|row| (&logits[row * classes..(row + 1) * classes], targets[row])).unzip();
                all.push(count as f64 * softmax_cross_entropy(classes, &own.concat(), &told, &mut slopes));
            }
        }
        Ok(all)
    }
}

impl Complete for Lm {
    fn complete(
        &self,
        prompt: &[u32],
        decoding: &Decoding,
        (seed, index): (u64, u64),
        tell: &mut dyn FnMut(u32) -> bool,
    ) -> Result<()> {
        decoding.check()?;
        let mut tokens = if prompt.is_empty() { vec![self.text.start] } else { prompt.to_vec() };
        self.check_tokens(&tokens)?;
        let mut draws = draws(seed, index);
        let mut state = self.stepper().begin(1);
        let mut logits = Vec::new();
        // A transformer sees no more than its context; recurrent layers have seen all.
        let seen = match self.config.cell {
            CellKind::Transformer => tokens.len().min(self.text.length - 1),
            CellKind::Lstm | CellKind::Gru => tokens.len(),
        };
        for token in &tokens[tokens.len() - seen..] {
            logits = self.stepper().step(&mut state, &[*token]);
        }
        loop {
            let next = decoding.choose(&logits, &tokens, draws.next_f64());
            if !tell(next) {
                return Ok(());
            }
            tokens.push(next);
            logits = self.stepper().step(&mut state, &[next]);
        }
    }
}

impl Lm {
    fn stepper(&self) -> &Stepper {
        self.stepper.get_or_init(|| self.network.stepper(self.text.length - 1))
    }

    /// The same model, which also learns what is behind the end of examples: what it writes is read on there.
    pub(super) fn beyond_the_end(self) -> Self {
        Self { end: None, ..self }
    }

    /// The network's rows that tell a token up to the end of its example; of examples without an end, which is all, nothing.
    fn told(&self, batch: &HostBatch) -> Option<Vec<u32>> {
        self.end?;
        let (length, tokens) = (self.text.length, batch.tokens());
        let rows = tokens.chunks_exact(length).enumerate().flat_map(|(i, example)| {
            (0..self.text.told(example)).map(move |t| self.shape.row([batch.len(), length - 1], i, t) as u32)
        });
        Some(rows.collect())
    }

    /// Goes down a loss other than its own.
    pub(super) fn descend(&mut self, loss: Tensor<1>, rate: f64, turn: Turn, report: &mut StepReport) {
        self.network.descend_noting(loss, rate, turn, ("gradient_g", report));
        self.stepper.take();
        self.judge.take();
    }

    /// Texts that go on from `first`, drawn such that gradients flow through them: see [`Network::draw_softly`].
    pub(super) fn draw_softly(&self, first: &[u32], noise: Tensor<3>, sharpness: f64) -> Tensor<3> {
        self.network.draw_softly(first, noise, |logits, noise| super::relgan::softly(logits, noise, sharpness))
    }

    /// Tokens to read and those to tell, in the order of the network's rows.
    pub(super) fn arranged(&self, batch: &HostBatch) -> Result<(Vec<u32>, Vec<u32>)> {
        let length = self.text.length;
        if batch.values.shape[1..] != [length] {
            return Err(Error::usage(
                format!("examples are {:?}, and the model takes [{length}] tokens", &batch.values.shape[1..]),
                "train and judge with the same `data.context`",
            ));
        }
        let tokens = batch.tokens();
        self.check_tokens(&tokens)?;
        let (n, time) = (batch.len(), length - 1);
        let mut arranged = (vec![0; n * time], vec![0; n * time]);
        for (i, example) in tokens.chunks_exact(length).enumerate() {
            for t in 0..time {
                let row = self.shape.row([n, time], i, t);
                (arranged.0[row], arranged.1[row]) = (example[t], example[t + 1]);
            }
        }
        Ok(arranged)
    }

    fn check_tokens(&self, tokens: &[u32]) -> Result<()> {
        let count = self.text.vocabulary.len();
        match tokens.iter().find(|token| **token as usize >= count) {
            Some(token) => Err(Error::usage(
                format!("there is no token {token}: the vocabulary has {count}"),
                "read the text in the tokens that the model was trained on",
            )),
            None => Ok(()),
        }
    }
}

impl Config {
    /// The learning rate of a step: up in a line, down as a cosine.
    fn rate(&self, turn: Turn) -> f64 {
        let warm_up = self.warm_up.min(turn.steps / 5);
        let done = turn.step - 1;
        if done < warm_up {
            return self.learning_rate * turn.step as f64 / (warm_up + 1) as f64;
        }
        let share = (done - warm_up) as f64 / (turn.steps - warm_up).max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos());
        self.learning_rate * (self.rate_end + (1.0 - self.rate_end) * cosine)
    }

    fn shape(&self, text: &TextSpec) -> Shape {
        let Self { cell, layers, width, heads, positions, tied, .. } = *self;
        let (vocabulary, context) = (text.vocabulary.len(), text.length - 1);
        Shape { cell, layers, width, heads, positions, tied, vocabulary, context }
    }
}

fn text_of(spec: &DataSpec) -> Result<&TextSpec> {
    match spec {
        DataSpec::Text(text) => Ok(text),
        other => Err(Error::usage(format!("`lm` writes text, not {}", other.kind()), "use another family")),
    }
}
