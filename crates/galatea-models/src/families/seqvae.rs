//! `seqvae`: a variational autoencoder of text or series: a recurrent encoder reads an example, and a recurrent decoder that is told
//! the latent vector at every step tells it again.
//!
//! Paper: Bowman et al. 2016, "Generating Sentences from a Continuous Space", arXiv:1511.06349, sections 2 and 3.
//! Differs: GRU where nobody asks for LSTM; free bits (Kingma et al. 2016, arXiv:1606.04934, section 3.4) beside the warm-up of the
//! divergence and word dropout, which keep the decoder from doing without the latent vector; series, whose moments are normal about
//! what is decoded with a learnt deviation for each channel; averaged weights. A latent vector is decoded by the likeliest token, or
//! the mean, at each step.

use burn::module::Module;
use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, HostTensor, settings, told};
use galatea_kernels::burn::{cross_entropy, from_vec, pick, to_vec};
use galatea_kernels::random;

use crate::nn::adversarial::Schedule;
use crate::nn::noise::{self, Position, WeightDraw, contents_stream};
use crate::nn::optimizer::{Adam, Optimized};
use crate::nn::recurrent::Unit;
use crate::nn::scale::Scale;
use crate::nn::unrolled::{Example, Network, Sizes, Told};
use crate::nn::variational::{ABILITIES, IN_USE};
use crate::nn::{average, weights};
use crate::{
    Bound, Demand, Encode, Error, Info, Latent, Model, Part, Purpose, Reconstruct, Result, SampleRequest, Score,
    StepReport, Turn,
};

settings! {
    /// Settings of [`SeqVae`].
    pub struct Config {
        /// What recurrent layers are made of: gru or lstm.
        unit: Unit = Unit::Gru;
        /// Units of both networks.
        hidden: usize = 128, in 1..=4_096;
        /// Length of the latent vector.
        latent: usize = 16, in 1..=4_096;
        /// Examples in a training step.
        batch: usize = 64, in 1..=65_535;
        /// Share of what came before that the decoder does without in training, so that it needs the latent vector.
        word_dropout: f64 = 0.25, in 0.0..=1.0;
        /// Divergence of each latent number, in nats on average over a batch, that costs nothing.
        free_bits: f64 = 0.1, in 0.0..=100.0;
        /// Share of the run over which the weight of the divergence grows from 0 to 1.
        warm_up: f64 = 0.2, in 0.0..=1.0;
        /// Adam's step length.
        learning_rate: f64 = 2e-3, in 1e-9..=1.0;
        /// How the learning rate changes over the run: constant, linear or cosine.
        schedule: Schedule = Schedule::Cosine;
        /// Gradients whose norm is above this are scaled down to it; 0 for never.
        clip: f64 = 5.0, in 0.0..=1e6;
        /// Decay per step of the average of the weights that a trained model works with; 0 for no average.
        ema: f64 = 0.99, in 0.0..1.0;
    }
}

/// Examples, or latent vectors, that go through a trained network together: always as many, so that what is said of one does not
/// depend on the others.
const TOGETHER: usize = 64;
/// Most values of a training step.
const MOST: usize = 1 << 28;

/// What examples are.
#[derive(Clone, Debug)]
enum Kind {
    Text { vocabulary: usize, start: u32, end: Option<u32> },
    Series { channels: usize, scale: Scale },
}

/// The family.
#[derive(Debug)]
pub struct SeqVae {
    config: Config,
    kind: Kind,
    shape: Vec<usize>,
    network: Optimized<Network>,
    average: Network,
    device: Device,
}

impl Model for SeqVae {
    const INFO: Info = Info {
        name: "seqvae",
        summary: "recurrent variational autoencoder of text or series: a space of sentences, or of windows",
        paper: "Bowman et al. 2016, Generating Sentences from a Continuous Space, arXiv:1511.06349",
        differs: "GRU, free bits and averaged weights; series, too; greedy decoding",
        modalities: &["text", "series"],
        abilities: ABILITIES,
    };

    const STEPS: u64 = 4_000;

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let (kind, shape) = kind_of(spec)?;
        let values = config.batch.saturating_mul(shape[0]).saturating_mul(kind.outputs().max(config.hidden));
        if values > MOST {
            return Err(Error::usage(
                format!("a step would have {values} values"),
                format!("lower `batch`, or give shorter examples; at most {MOST} fit"),
            ));
        }
        Ok(())
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let (kind, shape) = kind_of(spec)?;
        let device = device.clone().autodiff();
        let network = Network::new(&config.sizes(&kind), &mut WeightDraw::new(seed, &device));
        let adam = Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, clip: config.clip, history: 0.0 };
        let average = network.valid();
        Ok(Self { config: config.clone(), kind, shape, network: Optimized::new(network, adam), average, device })
    }

    fn demand(&self) -> Demand {
        Demand { batch: self.config.batch, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let mut report = StepReport::default();
        for (round, batch) in batches.iter().enumerate() {
            let Config { word_dropout, free_bits, warm_up, latent, .. } = self.config;
            let at = Position { step: turn.step, round: round as u8 };
            let example = self.read(batch, &self.device)?;
            let (n, network) = (batch.len(), &*self.network);
            let posterior = network.encode(&example);
            let z = posterior.drawn(noise::normal(turn.seed, noise::Purpose::Latent, at, n, latent, &self.device));
            let kept = (word_dropout > 0.0).then(|| {
                let kept = |i: usize| {
                    let mut stream = noise::stream(turn.seed, noise::Purpose::Dropout, at, i);
                    (0..example.time).map(|_| f32::from(u8::from(stream.next_f64() >= word_dropout))).collect()
                };
                let rows: Vec<Vec<f32>> = (0..n).map(kept).collect();
                let values = (0..example.time).flat_map(|t| rows.iter().map(move |row| row[t])).collect();
                from_vec(values, [example.time * n, 1], &self.device)
            });
            let decoded = network.decode(network.before(&example, kept), z);
            let lost = match &example.told {
                Told::Tokens(tokens) => match &example.rows {
                    Some(rows) => {
                        let told: Vec<u32> = rows.iter().map(|row| tokens[*row as usize]).collect();
                        cross_entropy(pick(decoded, rows), &told).mul_scalar(rows.len() as f64 / n as f64)
                    }
                    None => cross_entropy(decoded, tokens).mul_scalar(example.time as f64),
                },
                Told::Values(x) => network.gaussian(decoded, x.clone()).sum().div_scalar(n as f64),
            };
            let units = posterior.kl().mean_dim(0); // [1, latent]
            let kl: Vec<f32> = to_vec(units.clone().inner());
            let sum: f64 = kl.iter().map(|unit| f64::from(*unit)).sum();
            let reconstruction = f64::from(to_vec(lost.clone().inner())[0]);
            report.note("loss", reconstruction + sum);
            report.note("reconstruction", reconstruction);
            report.note("kl", sum);
            report.note("active_units", kl.iter().filter(|unit| f64::from(**unit) > IN_USE).count() as f64);
            let charged = burn::tensor::activation::relu(units.sub_scalar(free_bits)).sum();
            let grown = if warm_up > 0.0 { (turn.progress() / warm_up).min(1.0) } else { 1.0 };
            let rate = self.config.learning_rate * self.config.schedule.share(turn);
            self.network.descend_noting(lost + charged.mul_scalar(grown), rate, turn, ("gradient", &mut report));
        }
        self.average = average::follow(self.average.clone(), &*self.network, self.config.ema, turn.step);
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        request.labels(&[])?;
        Ok(HostBatch { values: self.decode(&self.latents(request), None)?, labels: None })
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn parts(&self) -> Vec<Part> {
        vec![
            weights::to_part("network", &*self.network),
            self.network.to_part("network-adam"),
            weights::to_part("network-ema", &self.average),
        ]
    }

    fn sampling_part(&self) -> &'static str {
        "network-ema"
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.average = weights::from_parts("network-ema", self.average.clone(), parts)?;
        match purpose {
            Purpose::Training => self.network.load("network", parts, purpose),
            Purpose::Sampling => Ok(()),
        }
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("network", self.network.num_params())]
    }

    fn as_latent(&self) -> Option<&dyn Latent> {
        Some(self)
    }

    fn as_encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }

    fn as_reconstruct(&self) -> Option<&dyn Reconstruct> {
        Some(self)
    }

    fn as_score(&self) -> Option<&dyn Score> {
        Some(self)
    }
}

impl Latent for SeqVae {
    fn latent_len(&self) -> usize {
        self.config.latent
    }

    fn latents(&self, request: &SampleRequest) -> HostTensor {
        let mut latents = noise::sample_latents(request.seed, request.range.clone(), self.config.latent);
        latents.values.iter_mut().for_each(|value| *value *= request.truncation);
        latents
    }

    fn decode(&self, latents: &HostTensor, _labels: Option<&[u32]>) -> Result<HostTensor> {
        let width = self.config.latent;
        if latents.shape.len() != 2 || latents.shape[1] != width {
            return Err(Error::usage(
                format!("latent vectors are {:?}", latents.shape),
                format!("this model takes [n, {width}]"),
            ));
        }
        let mut values = Vec::new();
        for rows in blocks(latents.rows()) {
            let decoded = self.unfold(self.block(&latents.values[rows.start * width..rows.end * width], width));
            values.extend_from_slice(&decoded[..rows.len() * self.shape.iter().product::<usize>()]);
        }
        if let Kind::Series { scale, .. } = &self.kind {
            scale.restore(&mut values);
        }
        Ok(HostTensor::new([&[latents.rows()], &self.shape[..]].concat(), values))
    }
}

impl Encode for SeqVae {
    fn encode(&self, examples: &HostBatch) -> Result<HostTensor> {
        let all = self.posteriors(examples)?;
        let means = all.into_iter().flat_map(|(mean, _)| mean).collect();
        Ok(HostTensor::new([examples.len(), self.config.latent], means))
    }

    fn labels(&self, examples: &HostBatch) -> Result<Option<Vec<u32>>> {
        self.check_examples(examples).map(|()| None)
    }
}

impl Reconstruct for SeqVae {
    fn reconstruct(&self, examples: &HostBatch) -> Result<HostTensor> {
        self.decode(&self.encode(examples)?, None)
    }
}

impl Score for SeqVae {
    fn bounds(&self, examples: &HostBatch, draws: usize) -> Result<Vec<Bound>> {
        let of = |drawn: Drawn| Bound {
            reconstruction: drawn.draws.iter().map(|[likelihood, _]| likelihood).sum::<f64>() / draws as f64,
            kl: drawn.kl,
        };
        Ok(self.drawn(examples, draws)?.into_iter().map(of).collect())
    }

    fn log_likelihood(&self, examples: &HostBatch, draws: usize) -> Result<Vec<f64>> {
        let of = |drawn: Drawn| {
            let weights: Vec<f64> = drawn.draws.iter().map(|[likelihood, ratio]| likelihood + ratio).collect();
            let largest = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            largest + (weights.iter().map(|weight| (weight - largest).exp()).sum::<f64>() / draws as f64).ln()
        };
        Ok(self.drawn(examples, draws)?.into_iter().map(of).collect())
    }

    fn bits_per_value(&self, nats: f64) -> f64 {
        let told = match self.kind {
            Kind::Text { .. } => self.shape[0].saturating_sub(1).max(1),
            Kind::Series { .. } => self.shape.iter().product(),
        };
        -nats / told as f64 / std::f64::consts::LN_2
    }
}

/// Of an example: the log likelihood and the logarithm of the prior over the posterior for each draw, and the divergence.
struct Drawn {
    draws: Vec<[f64; 2]>,
    kl: f64,
}

impl SeqVae {
    fn check_examples(&self, batch: &HostBatch) -> Result<()> {
        let HostTensor { shape, values } = &batch.values;
        if shape.len() != 1 + self.shape.len() || shape[1..] != self.shape {
            return Err(Error::usage(
                format!("examples are {shape:?}, and the model takes [n, {:?}]", self.shape),
                "use data of the shape that the model was trained on",
            ));
        }
        let is_wrong = |value: &f32| match self.kind {
            Kind::Text { vocabulary, .. } => !(0.0..vocabulary as f32).contains(value),
            Kind::Series { .. } => !value.is_finite(),
        };
        match values.iter().position(is_wrong) {
            Some(at) => Err(Error::usage(
                format!("value {at} of the examples is {}", values[at]),
                "leave such examples out, and read text in the tokens that the model was trained on",
            )),
            None => Ok(()),
        }
    }

    /// Examples as the networks take them, time first.
    fn read(&self, batch: &HostBatch, device: &Device) -> Result<Example> {
        self.check_examples(batch)?;
        let (n, length) = (batch.len(), self.shape[0]);
        match &self.kind {
            Kind::Text { end, .. } => {
                let tokens = batch.tokens();
                let at = |t: usize| tokens.iter().skip(t).step_by(length).copied();
                let given = (0..length - 1).flat_map(at).collect();
                let rows = end.map(|_| {
                    let rows =
                        |(i, example): (usize, &[u32])| (0..told(example, *end)).map(move |t| (t * n + i) as u32);
                    tokens.chunks_exact(length).enumerate().flat_map(rows).collect()
                });
                Ok(Example { time: length - 1, given, told: Told::Tokens((1..length).flat_map(at).collect()), rows })
            }
            Kind::Series { channels, scale } => {
                let batch = Scale::reduced(Some(scale), batch);
                let x = from_vec(batch.values.values.clone(), [n, length, *channels], device).swap_dims(0, 1);
                let told = Told::Values(x.reshape([length * n, *channels]));
                Ok(Example { time: length, given: Vec::new(), told, rows: None })
            }
        }
    }

    /// Rows of values, filled up to as many as always.
    fn block(&self, values: &[f32], width: usize) -> Tensor<2> {
        let mut values = values.to_vec();
        values.resize(TOGETHER * width, 0.0);
        from_vec(values, [TOGETHER, width], &self.device.clone().without_autodiff())
    }

    /// Some examples, filled up to as many as always.
    fn filled(&self, examples: &HostBatch, rows: &std::ops::Range<usize>) -> HostBatch {
        let mut values = examples.values.slice_rows(rows.clone());
        values.values.resize(TOGETHER * values.row_len(), 0.0);
        values.shape[0] = TOGETHER;
        HostBatch { values, labels: None }
    }

    /// Mean and logarithm of the variance of each example's latent vector.
    fn posteriors(&self, examples: &HostBatch) -> Result<Vec<(Vec<f32>, Vec<f32>)>> {
        self.check_examples(examples)?;
        let (device, width) = (self.device.clone().without_autodiff(), self.config.latent);
        let mut all = Vec::with_capacity(examples.len());
        for rows in blocks(examples.len()) {
            let posterior = self.average.encode(&self.read(&self.filled(examples, &rows), &device)?);
            let [mean, log] = [posterior.mean, posterior.log_variance].map(to_vec);
            let pairs = mean.chunks_exact(width).zip(log.chunks_exact(width)).take(rows.len());
            all.extend(pairs.map(|(mean, log)| (mean.to_vec(), log.to_vec())));
        }
        Ok(all)
    }

    fn drawn(&self, examples: &HostBatch, draws: usize) -> Result<Vec<Drawn>> {
        if draws == 0 {
            return Err(Error::usage("0 draws tell nothing", "ask for one or more"));
        }
        let (device, width) = (self.device.clone().without_autodiff(), self.config.latent);
        let posteriors = self.posteriors(examples)?;
        let volume = match &self.kind {
            Kind::Series { scale, .. } => scale.log_volume() * self.shape[0] as f64,
            Kind::Text { .. } => 0.0,
        };
        let mut all = Vec::with_capacity(examples.len());
        for rows in blocks(examples.len()) {
            let example = self.read(&self.filled(examples, &rows), &device)?;
            let before = self.average.before(&example, None);
            let mut noise = vec![vec![0.0; draws * width]; rows.len()];
            let mut some: Vec<Drawn> = Vec::with_capacity(rows.len());
            for (row, noise) in rows.clone().zip(&mut noise) {
                random::fill_normal(0, contents_stream(examples.values.row(row)), noise);
                let (mean, log) = &posteriors[row];
                let terms = mean.iter().zip(log).map(|(mean, log)| {
                    let (mean, log) = (f64::from(*mean), f64::from(*log));
                    0.5 * (mean * mean + log.exp() - log - 1.0)
                });
                some.push(Drawn { draws: Vec::with_capacity(draws), kl: terms.sum() });
            }
            for draw in 0..draws {
                let mut ratios = Vec::with_capacity(rows.len());
                let mut z = Vec::with_capacity(TOGETHER * width);
                for (row, noise) in rows.clone().zip(&noise) {
                    let (mean, log) = &posteriors[row];
                    let mut ratio = 0.0;
                    for ((noise, mean), log) in noise[draw * width..][..width].iter().zip(mean).zip(log) {
                        let [noise, mean, log] = [noise, mean, log].map(|x| f64::from(*x));
                        let value = mean + (0.5 * log).exp() * noise;
                        ratio += 0.5 * (noise * noise - value * value + log);
                        z.push(value as f32);
                    }
                    ratios.push(ratio);
                }
                let decoded = self.average.decode(before.clone(), self.block(&z, width));
                let costs = self.average.costs(decoded, &example);
                for ((drawn, ratio), cost) in some.iter_mut().zip(ratios).zip(costs) {
                    drawn.draws.push([-cost - volume, ratio]);
                }
            }
            all.extend(some);
        }
        Ok(all)
    }

    /// What latent vectors are decoded to, step by step.
    fn unfold(&self, z: Tensor<2>) -> Vec<f32> {
        let (device, n, length) = (z.device(), z.dims()[0], self.shape[0]);
        let width: usize = self.shape[1..].iter().product();
        let network = &self.average;
        let mut values = vec![0.0; n * length * width];
        let mut last = match self.kind {
            Kind::Text { start, .. } => {
                values.iter_mut().step_by(length).for_each(|value| *value = start as f32);
                network.embedded(&vec![start; n])
            }
            Kind::Series { channels, .. } => Tensor::zeros([n, channels], &device),
        };
        let from = usize::from(matches!(self.kind, Kind::Text { .. }));
        let mut states: Option<Vec<[Tensor<2>; 2]>> = None;
        for t in from..length {
            let (decoded, next) = network.decode_step(last, z.clone(), states.take());
            states = Some(next);
            let told = to_vec(decoded.clone());
            last = match self.kind {
                Kind::Text { vocabulary, .. } => {
                    let likeliest = |logits: &[f32]| {
                        // Of equally likely ones, the first.
                        (1..logits.len()).fold(0, |best, at| if logits[at] > logits[best] { at } else { best }) as u32
                    };
                    let tokens: Vec<u32> = told.chunks_exact(vocabulary).map(likeliest).collect();
                    tokens.iter().enumerate().for_each(|(i, token)| values[i * length + t] = *token as f32);
                    network.embedded(&tokens)
                }
                Kind::Series { channels, .. } => {
                    for (i, moment) in told.chunks_exact(channels).enumerate() {
                        values[(i * length + t) * channels..][..channels].copy_from_slice(moment);
                    }
                    decoded
                }
            };
        }
        values
    }
}

fn blocks(n: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..n).step_by(TOGETHER).map(move |start| start..(start + TOGETHER).min(n))
}

fn kind_of(spec: &DataSpec) -> Result<(Kind, Vec<usize>)> {
    match (spec, Scale::of(spec)) {
        (DataSpec::Text(text), _) => {
            let (vocabulary, start, end) = (text.vocabulary.len(), text.start, text.end);
            Ok((Kind::Text { vocabulary, start, end }, vec![text.length]))
        }
        (DataSpec::Series(series), Some(scale)) => {
            let channels = series.channels.len();
            Ok((Kind::Series { channels, scale }, vec![series.length, channels]))
        }
        (other, _) => {
            Err(Error::usage(format!("`seqvae` takes text and series, not {}", other.kind()), "use another family"))
        }
    }
}

impl Config {
    fn sizes(&self, kind: &Kind) -> Sizes {
        let Self { unit, hidden, latent, .. } = *self;
        Sizes { unit, hidden, latent, is_text: matches!(kind, Kind::Text { .. }), outputs: kind.outputs() }
    }
}

impl Kind {
    /// Numbers that are told of a step.
    fn outputs(&self) -> usize {
        match self {
            Self::Text { vocabulary, .. } => *vocabulary,
            Self::Series { channels, .. } => *channels,
        }
    }
}
