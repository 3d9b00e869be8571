//! `vqvae`: the vector-quantised autoencoder, with a prior over its codes so that it samples.
//!
//! Paper: van den Oord et al. 2017, "Neural Discrete Representation Learning", arXiv:1711.00937, sections 3.1 to 3.3 and
//! appendix A.1; the prior is a transformer (Vaswani et al. 2017, arXiv:1706.03762) in place of a PixelCNN, as in Esser et al.
//! 2021, "Taming Transformers", arXiv:2012.09841, section 3.2.
//! Differs: codes that are not used are revived; convolutions that halve are of 3x3, so that odd sizes halve upwards; the
//! terms of the loss are means over values; a trained model works with the average of its weights. Classes, where there
//! are any, are told to the prior alone.
//!
//! A run has two parts. In the first, encoder, codebook and decoder are trained; in the second, they stay as they are, and
//! the prior learns which codes follow which, row by row.

use std::sync::OnceLock;

use burn::module::Module;
use burn::prelude::*;
use galatea_data::{DataSpec, HostBatch, HostTensor, settings};
use galatea_kernels::burn::{cross_entropy, first_columns, from_vec, to_vec};

use crate::nn::average;
use crate::nn::blocks::{block, blocks, check_examples, check_latents};
use crate::nn::codebook::{Codebook, perplexity};
use crate::nn::condition::Conditional;
use crate::nn::decoding::Decoding;
use crate::nn::likelihood::{Binarise, Distribution, Likelihood};
use crate::nn::noise::{self, Position, WeightDraw};
use crate::nn::optimizer::{Adam, Optimized};
use crate::nn::quantised::{Autoencoder, Sizes, sizes};
use crate::nn::sequential::{CellKind, Dropout, Network, Positions, Shape};
use crate::nn::stepper::Stepper;
use crate::nn::weights;
use crate::{
    Ability, Bound, Demand, Encode, Error, Info, Latent, Model, Part, Purpose, Reconstruct, Result, SampleRequest,
    Score, StepReport, Turn,
};

settings! {
    /// Settings of [`Vqvae`].
    pub struct Config {
        /// Examples in one step.
        batch: usize = 64, in 1..=16_384;
        /// Vectors of the codebook.
        codes: usize = 128, in 2..=16_384;
        /// Length of each of them.
        code_length: usize = 32, in 1..=1_024;
        /// Decay per step of the averages that the codebook is made of.
        code_decay: f64 = 0.99, in 0.0..1.0;
        /// Weight of the pull of the encoder's vectors to those of the codebook.
        commitment: f64 = 0.25, in 0.0..=100.0;
        /// Channels of the largest pictures inside; each halving of the side doubles them.
        width: usize = 32, in 1..=1_024;
        /// No convolution has more channels than this.
        max_width: usize = 64, in 1..=4_096;
        /// Residual blocks of encoder and decoder each.
        blocks: usize = 2, in 0..=32;
        /// How values are distributed about what is decoded: auto, bernoulli, gaussian or logistic.
        likelihood: Distribution = Distribution::Auto;
        /// Whether pixels are made black or white: no, threshold, static or dynamic.
        binarise: Binarise = Binarise::No;
        /// Whether the prior is told the classes: auto, yes or no.
        conditional: Conditional = Conditional::Auto;
        /// Adam's first step length, for encoder and decoder; it falls on a line to 0 over their part of the run.
        learning_rate: f64 = 2e-3, in 1e-9..=1.0;
        /// Share of the run, at its end, in which the prior is trained.
        prior_share: f64 = 0.6, in 0.01..=0.99;
        /// Layers of the prior.
        prior_layers: usize = 2, in 1..=64;
        /// Values of a position in the prior.
        prior_width: usize = 96, in 1..=4_096;
        /// Heads of each layer of the prior.
        prior_heads: usize = 4, in 1..=64;
        /// Share of the values behind each layer of the prior that a step does without.
        prior_dropout: f64 = 0.1, in 0.0..0.95;
        /// Adam's first step length, for the prior; it falls on a line to 0.
        prior_learning_rate: f64 = 2e-3, in 1e-9..=1.0;
        /// Decay per step of the averages of the weights that a trained model works with; 0 for no average.
        ema: f64 = 0.99, in 0.0..1.0;
    }
}

/// Most codes of a picture: the prior compares each with all before it.
const MOST_CODES: usize = 1_024;
/// Pictures whose codes the prior looks at, or draws, together.
const TOGETHER: usize = 32;

/// The family.
#[derive(Debug)]
pub struct Vqvae {
    config: Config,
    classes: Vec<String>,
    codebook: Codebook,
    autoencoder: Optimized<Autoencoder>,
    prior: Optimized<Network>,
    average: Trained,
    stepper: OnceLock<Stepper>,
    likelihood: Likelihood,
    shape: [usize; 3],
    grid: [usize; 2],
    device: Device,
}

/// What a trained model works with.
#[derive(Module, Debug)]
struct Trained {
    autoencoder: Autoencoder,
    prior: Network,
}

impl Model for Vqvae {
    const INFO: Info = Info {
        name: "vqvae",
        summary: "vector-quantised autoencoder: pictures as grids of codes, and a transformer that draws such grids",
        paper: "van den Oord et al. 2017, Neural Discrete Representation Learning, arXiv:1711.00937",
        differs: "unused codes are revived; a transformer as the prior, trained in the same run; weight averaging",
        modalities: &["images"],
        abilities: &[Ability::Latent, Ability::Encode, Ability::Reconstruct, Ability::Score],
    };

    const STEPS: u64 = 4_000;

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let shape = picture(spec)?;
        let [height, width] = [shape[1], shape[2]];
        if height.min(width) < 4 || height.max(width) > 512 {
            return Err(Error::usage(
                format!("`vqvae` cannot draw pictures of {width}x{height}"),
                "bring them to a size between 4 and 512 with `--set data.size=64`",
            ));
        }
        let [rows, columns] = *sizes(shape).last().unwrap_or(&[height, width]);
        if rows * columns > MOST_CODES {
            return Err(Error::usage(
                format!("pictures of {width}x{height} would be {rows} times {columns} codes, more than {MOST_CODES}"),
                "bring them to a shape nearer to a square with `--set data.size=64`",
            ));
        }
        let Config { prior_width, prior_heads, .. } = *config;
        if !prior_width.is_multiple_of(prior_heads) {
            let hint = format!(
                "choose a width that {prior_heads} heads share, such as {}",
                prior_width.next_multiple_of(prior_heads)
            );
            return Err(Error::usage(format!("`prior_width` is {prior_width}, and `prior_heads` {prior_heads}"), hint));
        }
        config.conditional.check(spec)?;
        Likelihood::new(config.likelihood, config.binarise, spec).map(drop)
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let shape = picture(spec)?;
        let device = device.clone().autodiff();
        let mut draw = WeightDraw::new(seed, &device);
        let likelihood = Likelihood::new(config.likelihood, config.binarise, spec)?;
        let classes = config.conditional.classes(spec);
        let codebook = Codebook::new([config.codes, config.code_length], &mut draw);
        let Config { code_length, width, max_width, blocks, .. } = *config;
        let inside = Sizes { code_length, channels: [width, max_width], blocks };
        let autoencoder = Autoencoder::new(&inside, shape, &likelihood, &mut draw);
        let grid = *sizes(shape).last().unwrap_or(&[shape[1], shape[2]]);
        let prior = Shape {
            cell: CellKind::Transformer,
            layers: config.prior_layers,
            width: config.prior_width,
            heads: config.prior_heads,
            positions: Positions::Learnt,
            tied: false,
            // What comes before the first code is the class.
            vocabulary: config.codes + classes.len().max(1),
            context: grid[0] * grid[1],
        };
        let prior = Network::new(&prior, &mut draw);
        let adam = |clip| Adam { beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, clip, history: 0.0 };
        Ok(Self {
            config: config.clone(),
            classes,
            codebook,
            average: Trained { autoencoder: autoencoder.valid(), prior: prior.valid() },
            autoencoder: Optimized::new(autoencoder, adam(0.0)),
            prior: Optimized::new(prior, adam(1.0)).with_decay(0.05),
            stepper: OnceLock::new(),
            likelihood,
            shape,
            grid,
            device,
        })
    }

    fn demand(&self) -> Demand {
        Demand { batch: self.config.batch, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let mut report = StepReport::default();
        let first = 1.0 - self.config.prior_share;
        let begun = ((first * turn.steps as f64).ceil() as u64).clamp(1, turn.steps.max(2) - 1);
        for batch in batches {
            check_examples(batch, &self.shape)?;
            let values = self.likelihood.input(&batch.values.values, Some(turn));
            if turn.step <= begun {
                let done = (turn.step - 1) as f64 / begun as f64;
                self.quantise(&values, turn, done, &mut report);
            } else {
                let done = (turn.step - begun - 1) as f64 / turn.steps.saturating_sub(begun).max(1) as f64;
                let starts = self.starts(batch.labels.as_deref(), batch.len())?;
                let at = turn.step - begun;
                self.follow_codes(&values, &starts, (turn, at, done), &mut report);
            }
        }
        self.stepper.take();
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        let labels = request.labels(&self.classes)?;
        Ok(HostBatch { values: self.decode(&self.latents(request), labels.as_deref())?, labels })
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn parts(&self) -> Vec<Part> {
        let mut trained = weights::to_part(self.sampling_part(), &self.average);
        trained.tensors.push(self.codebook.table());
        trained.tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
        vec![
            weights::to_part("autoencoder", &*self.autoencoder),
            self.autoencoder.to_part("autoencoder-adam"),
            self.codebook.to_part("codebook"),
            weights::to_part("prior", &*self.prior),
            self.prior.to_part("prior-adam"),
            trained,
        ]
    }

    fn sampling_part(&self) -> &'static str {
        "vqvae-ema"
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.stepper.take();
        self.average = weights::from_parts(self.sampling_part(), self.average.clone(), parts)?;
        self.codebook.load_table(weights::find(self.sampling_part(), parts)?)?;
        if purpose == Purpose::Training {
            self.autoencoder.load("autoencoder", parts, purpose)?;
            self.codebook.load(weights::find("codebook", parts)?)?;
            self.prior.load("prior", parts, purpose)?;
        }
        Ok(())
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![
            ("encoder", self.autoencoder.encoder.num_params()),
            ("decoder", self.autoencoder.decoder.num_params()),
            ("codebook", self.codebook.len() * self.config.code_length),
            ("prior", self.prior.num_params()),
        ]
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

impl Vqvae {
    /// A step of encoder, codebook and decoder, of whose part of the run the share `done` is over (section 3.2).
    fn quantise(&mut self, values: &[f32], turn: Turn, done: f64, report: &mut StepReport) {
        let elements = self.elements();
        let x: Tensor<2> = from_vec(values.to_vec(), [values.len() / elements, elements], &self.device);
        // 1. The encoder's vectors z, [n, cells * code_length], and 2. the nearest ones of the codebook, q.
        let z = self.autoencoder.encoder.forward(x.clone());
        let rows = to_vec(z.clone().inner());
        let at = Position { step: turn.step, round: 0 };
        let revived = self.codebook.revive(&rows, noise::stream(turn.seed, noise::Purpose::Codes, at, 0));
        let codes = self.codebook.nearest(&rows);
        let q = from_vec(self.codebook.vectors_of(&codes), z.dims(), &self.device);
        self.codebook.follow(&rows, &codes, self.config.code_decay as f32);
        // 3. What is decoded from q; the gradient by q is handed on to z.
        let decoded = self.autoencoder.decoder.forward(z.clone() + (q.clone() - z.clone()).detach());
        let log_scale = self.autoencoder.decoder.log_scale.as_ref().map(|scale| scale.val());
        let likelihood = self.likelihood.rows(decoded, log_scale, x).mean();
        let apart = (z - q).powi_scalar(2).mean();
        // 4. Both networks go down the loss.
        let reconstruction = -f64::from(to_vec(likelihood.clone().inner())[0]);
        report.note("loss", reconstruction / elements as f64 + self.config.commitment * value(&apart));
        report.note("reconstruction", reconstruction);
        report.note("commitment", value(&apart));
        report.note("perplexity", perplexity(&codes, self.codebook.len()));
        report.note("revived", revived as f64);
        let loss = apart.mul_scalar(self.config.commitment) - likelihood.mul_scalar(1.0 / elements as f64);
        let rate = self.config.learning_rate * (1.0 - done);
        self.autoencoder.descend_noting(loss, rate, turn, ("gradient", report));
        let trained = self.average.clone();
        let autoencoder = average::follow(trained.autoencoder, &*self.autoencoder, self.config.ema, turn.step);
        self.average = Trained { autoencoder, prior: trained.prior };
    }

    /// Step number `at` of the prior, of whose part of the run the share `done` is over (section 3.3).
    fn follow_codes(
        &mut self,
        values: &[f32],
        starts: &[u32],
        (turn, at, done): (Turn, u64, f64),
        report: &mut StepReport,
    ) {
        let (n, elements) = (starts.len(), self.elements());
        let x = from_vec(values.to_vec(), [n, elements], &self.plain_device());
        let codes = self.codebook.nearest(&to_vec(self.average.autoencoder.encoder.forward(x)));
        let (share, seed) = (self.config.prior_dropout, turn.seed);
        let dropout = Dropout { share, seed, at: Position { step: turn.step, round: 0 } };
        let logits = self.prior.forward(&self.before(&codes, starts), n, Some(&dropout), &self.device);
        let loss = cross_entropy(first_columns(logits, self.codebook.len()), &codes);
        report.note("loss_prior", value(&loss));
        report.note("perplexity", perplexity(&codes, self.codebook.len()));
        let rate = self.config.prior_learning_rate * (1.0 - done);
        self.prior.descend_noting(loss, rate, turn, ("gradient_prior", report));
        let trained = self.average.clone();
        let prior = average::follow(trained.prior, &*self.prior, self.config.ema, at);
        self.average = Trained { autoencoder: trained.autoencoder, prior };
    }

    fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// Codes of a picture.
    fn cells(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    fn plain_device(&self) -> Device {
        self.device.clone().without_autodiff()
    }

    /// What the prior sees before the first code of each of `n` pictures.
    fn starts(&self, labels: Option<&[u32]>, n: usize) -> Result<Vec<u32>> {
        if self.classes.is_empty() {
            return Ok(vec![self.codebook.len() as u32; n]);
        }
        let labels = labels.filter(|labels| labels.len() == n).ok_or_else(|| {
            Error::usage("the model wants a class for each example", "use data with classes, or `conditional=no`")
        })?;
        match labels.iter().find(|label| **label as usize >= self.classes.len()) {
            Some(label) => Err(Error::usage(
                format!("there is no class {label}"),
                format!("classes are 0 to {}", self.classes.len() - 1),
            )),
            None => Ok(labels.iter().map(|label| self.codebook.len() as u32 + label).collect()),
        }
    }

    /// What comes before each code: what each picture starts with, then all its codes but the last.
    fn before(&self, codes: &[u32], starts: &[u32]) -> Vec<u32> {
        let of = |(codes, start): (&[u32], &u32)| {
            std::iter::once(*start).chain(codes[..codes.len() - 1].iter().copied()).collect::<Vec<u32>>()
        };
        codes.chunks_exact(self.cells()).zip(starts).flat_map(of).collect()
    }

    /// Values of examples as the networks read them.
    fn values(&self, examples: &HostBatch) -> Result<Vec<f32>> {
        check_examples(examples, &self.shape)?;
        Ok(self.likelihood.input(&examples.values.values, None))
    }

    /// The codes `[n * cells]` of values as the networks read them.
    fn codes(&self, values: &[f32]) -> Vec<u32> {
        let width = self.cells() * self.config.code_length;
        let of = |rows: std::ops::Range<usize>| {
            let x = block(values, rows.clone(), self.elements(), &self.plain_device());
            let z = to_vec(self.average.autoencoder.encoder.forward(x));
            self.codebook.nearest(&z)[..rows.len() * width / self.config.code_length].to_vec()
        };
        blocks(values.len() / self.elements()).flat_map(of).collect()
    }

    /// How likely the prior takes the codes of each picture to be, in nats.
    fn log_prior(&self, codes: &[u32], starts: &[u32]) -> Vec<f64> {
        let (cells, device) = (self.cells(), self.plain_device());
        let mut all = Vec::with_capacity(starts.len());
        for first in (0..starts.len()).step_by(TOGETHER) {
            let rows = first..(first + TOGETHER).min(starts.len());
            // Filled up, as blocks are.
            let mut some = codes[rows.start * cells..rows.end * cells].to_vec();
            some.resize(TOGETHER * cells, 0);
            let mut begun = starts[rows.clone()].to_vec();
            begun.resize(TOGETHER, self.codebook.len() as u32);
            let logits = self.average.prior.forward(&self.before(&some, &begun), TOGETHER, None, &device);
            let logits = to_vec(first_columns(logits, self.codebook.len()));
            let of_code = |(logits, code): (&[f32], &u32)| {
                let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
                f64::from(logits[*code as usize] - most) - sum.ln()
            };
            let told: Vec<f64> = logits.chunks_exact(self.codebook.len()).zip(&some).map(of_code).collect();
            all.extend(told.chunks_exact(cells).take(rows.len()).map(|of| of.iter().sum::<f64>()));
        }
        all
    }

    /// The classes that pictures are taken for, those given or else the likeliest, and how likely codes are in these.
    fn judged(&self, codes: &[u32], labels: Option<&[u32]>) -> Result<(Option<Vec<u32>>, Vec<f64>)> {
        let n = codes.len() / self.cells();
        if self.classes.is_empty() || labels.is_some() {
            let told = self.log_prior(codes, &self.starts(labels, n)?);
            return Ok((labels.filter(|_| !self.classes.is_empty()).map(<[u32]>::to_vec), told));
        }
        let mut best = vec![(f64::NEG_INFINITY, 0); n];
        for class in 0..self.classes.len() as u32 {
            let told = self.log_prior(codes, &self.starts(Some(&vec![class; n]), n)?);
            for (best, told) in best.iter_mut().zip(told) {
                if told > best.0 {
                    *best = (told, class);
                }
            }
        }
        let (told, labels) = best.into_iter().unzip();
        Ok((Some(labels), told))
    }

    /// The codes of samples, drawn one after the other.
    fn drawn(&self, request: &SampleRequest) -> Vec<u32> {
        let labels = request.labels(&self.classes).ok().flatten();
        let decoding = Decoding { temperature: f64::from(request.truncation), ..Decoding::default() };
        let stepper = self.stepper.get_or_init(|| self.average.prior.stepper(self.cells()));
        let vocabulary = self.codebook.len() + self.classes.len().max(1);
        let mut all = Vec::new();
        for first in request.range.clone().step_by(TOGETHER) {
            let indices = first..(first + TOGETHER as u64).min(request.range.end);
            let mut draws: Vec<_> = indices.clone().map(|index| noise::sample_stream(request.seed, index)).collect();
            let label = |index: u64| labels.as_ref().map_or(0, |labels| labels[(index - request.range.start) as usize]);
            let mut last: Vec<u32> = indices.map(|index| self.codebook.len() as u32 + label(index)).collect();
            let mut codes = vec![Vec::with_capacity(self.cells()); last.len()];
            let mut state = stepper.begin(last.len());
            for _ in 0..self.cells() {
                let logits = stepper.step(&mut state, &last);
                for (i, logits) in logits.chunks_exact(vocabulary).enumerate() {
                    last[i] = decoding.choose(&logits[..self.codebook.len()], &[], draws[i].next_f64());
                    codes[i].push(last[i]);
                }
            }
            all.extend(codes.into_iter().flatten());
        }
        all
    }

    /// What is decoded from `[n, cells * code_length]` values, block by block, with the rows that it belongs to.
    fn decoded<'a>(&'a self, latents: &'a [f32]) -> impl Iterator<Item = (std::ops::Range<usize>, Tensor<2>)> + 'a {
        let width = self.latent_len();
        blocks(latents.len() / width).map(move |rows| {
            let z = block(latents, rows.clone(), width, &self.plain_device());
            (rows, self.average.autoencoder.decoder.forward(z))
        })
    }
}

impl Latent for Vqvae {
    fn latent_len(&self) -> usize {
        self.cells() * self.config.code_length
    }

    fn latents(&self, request: &SampleRequest) -> HostTensor {
        let vectors = self.codebook.vectors_of(&self.drawn(request));
        HostTensor::new([vectors.len() / self.latent_len(), self.latent_len()], vectors)
    }

    fn decode(&self, latents: &HostTensor, labels: Option<&[u32]>) -> Result<HostTensor> {
        check_latents(latents, self.latent_len(), labels)?;
        let mut values = Vec::with_capacity(latents.rows() * self.elements());
        for (rows, decoded) in self.decoded(&latents.values) {
            values.extend_from_slice(&self.likelihood.expected(decoded)[..rows.len() * self.elements()]);
        }
        let [channels, height, width] = self.shape;
        Ok(HostTensor::new([latents.rows(), channels, height, width], values))
    }
}

impl Encode for Vqvae {
    fn encode(&self, examples: &HostBatch) -> Result<HostTensor> {
        let vectors = self.codebook.vectors_of(&self.codes(&self.values(examples)?));
        Ok(HostTensor::new([examples.len(), self.latent_len()], vectors))
    }

    fn labels(&self, examples: &HostBatch) -> Result<Option<Vec<u32>>> {
        if self.classes.is_empty() {
            check_examples(examples, &self.shape)?;
            return Ok(None);
        }
        Ok(self.judged(&self.codes(&self.values(examples)?), examples.labels.as_deref())?.0)
    }
}

impl Reconstruct for Vqvae {
    fn reconstruct(&self, examples: &HostBatch) -> Result<HostTensor> {
        self.decode(&self.encode(examples)?, None)
    }
}

impl Score for Vqvae {
    /// The codes of an example are certain, so that the divergence of their distribution from the prior is what the prior
    /// needs to tell them, and more draws add nothing.
    fn bounds(&self, examples: &HostBatch, draws: usize) -> Result<Vec<Bound>> {
        if draws == 0 {
            return Err(Error::usage("0 draws tell nothing", "ask for one or more"));
        }
        let values = self.values(examples)?;
        let codes = self.codes(&values);
        let (_, told) = self.judged(&codes, examples.labels.as_deref())?;
        let log_scale = self.average.autoencoder.decoder.log_scale.as_ref().map(|scale| scale.val());
        let mut bounds = Vec::with_capacity(told.len());
        for (rows, decoded) in self.decoded(&self.codebook.vectors_of(&codes)) {
            let x = block(&values, rows.clone(), self.elements(), &self.plain_device());
            let likely = to_vec(self.likelihood.rows(decoded, log_scale.clone(), x));
            let of = |(likely, told): (&f32, &f64)| Bound { reconstruction: f64::from(*likely), kl: -told };
            bounds.extend(likely.iter().zip(&told[rows]).map(of));
        }
        Ok(bounds)
    }

    fn log_likelihood(&self, examples: &HostBatch, draws: usize) -> Result<Vec<f64>> {
        Ok(self.bounds(examples, draws)?.into_iter().map(Bound::elbo).collect())
    }

    fn bits_per_value(&self, nats: f64) -> f64 {
        self.likelihood.bits_per_value(nats)
    }
}

fn value(x: &Tensor<1>) -> f64 {
    f64::from(to_vec(x.clone().inner())[0])
}

fn picture(spec: &DataSpec) -> Result<[usize; 3]> {
    match spec {
        DataSpec::Images(image) => Ok([image.channels, image.height, image.width]),
        other => Err(Error::usage(format!("`vqvae` draws pictures, not {}", other.kind()), "use another family")),
    }
}
