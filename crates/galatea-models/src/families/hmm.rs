//! `hmm`: a hidden Markov model of series or of text; each training step is one of expectation maximisation on all examples.
//!
//! Paper: Baum et al. 1970, "A Maximization Technique Occurring in the Statistical Analysis of Probabilistic Functions of
//! Markov Chains"; Rabiner 1989, "A Tutorial on Hidden Markov Models", section III.
//! Differs: several beginnings are tried side by side for some steps, and the likeliest goes on; parameters are rounded to
//! single precision after each step, as weights are kept.
//!
//! Series are brought to a common scale by the mean and deviation of each channel, and samples back to their own. The first
//! step places the means by k-means++ (Arthur and Vassilvitskii 2007). Scalars: `nats`, what a moment costs, and `bic`,
//! Bayes' information criterion (Schwarz 1978), by which to choose the number of states: lower is better.

use burn::prelude::Device;
use galatea_data::{DataSpec, HostBatch, HostTensor, choice, settings};
use galatea_kernels::random::{Stream, fill_normal};

use crate::nn::kmeans::{centres, choose};
use crate::nn::markov::{Chain, Emission, Normals, cholesky, each};
use crate::nn::noise;
use crate::nn::weights;
use crate::{
    Ability, Demand, Error, Info, Likelihood, Model, Part, Purpose, Result, SampleRequest, States, StepReport, Turn,
};

choice! {
    /// How the values of a moment may vary together.
    pub enum Covariance {
        /// Each by itself, within a state.
        Diagonal = "diagonal",
        /// In any way.
        Full = "full",
    }
}

settings! {
    /// Settings of [`Hmm`].
    pub struct Config {
        /// Hidden states, 1 to 1000; `auto`: as many, of 1 to 32, as Bayes' information criterion finds worth it.
        states: String = "8".into();
        /// How the values of a moment of a series vary together within a state.
        covariance: Covariance = Covariance::Diagonal;
        /// Normal distributions that a state draws from, of a series.
        mixture: usize = 1, in 1..=64;
        /// Beginnings that are tried; after five steps the likeliest goes on alone.
        restarts: usize = 4, in 1..=100;
        /// Least variance within a state, as a share of that of the whole channel.
        floor: f64 = 1e-4, in 1e-12..=1.0;
    }
}

/// Steps in which all beginnings are tried, and in which numbers of states are.
const TRIED: u64 = 5;
const COMPARED: u64 = 15;
/// Numbers of states of which one is chosen.
const CHOICE: &[usize] = &[1, 2, 3, 4, 6, 8, 12, 16, 24, 32];
const MOST_STATES: usize = 1_000;
/// Moments that the first means are chosen from.
const MOST_MOMENTS: usize = 20_000;
/// Most values of a full covariance over all states.
const MOST_VALUES: usize = 1 << 24;

/// The family.
#[derive(Debug)]
pub struct Hmm {
    config: Config,
    data: Kind,
    seed: u64,
    /// Of each beginning; one after [`TRIED`] steps.
    chains: Vec<Chain>,
}

/// What is drawn.
#[derive(Clone, Debug)]
enum Kind {
    /// Windows of a series: moments, and mean and deviation of each channel.
    Series { length: usize, mean: Vec<f64>, deviation: Vec<f64> },
    /// Stretches of text: tokens, how many there are, and the one that ends an example, if one does.
    Text { length: usize, vocabulary: usize, end: Option<u32> },
}

impl Kind {
    fn of(spec: &DataSpec) -> Result<Self> {
        let double = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
        match spec {
            DataSpec::Series(series) => Ok(Self::Series {
                length: series.length,
                mean: double(&series.mean),
                deviation: double(&series.deviation),
            }),
            DataSpec::Text(text) => {
                Ok(Self::Text { length: text.length, vocabulary: text.vocabulary.len(), end: text.end })
            }
            other => {
                Err(Error::usage(format!("`hmm` takes series and text, not {}", other.kind()), "use another family"))
            }
        }
    }

    /// Moments of an example, and values of a moment.
    fn sizes(&self) -> [usize; 2] {
        match self {
            Self::Series { length, mean, .. } => [*length, mean.len()],
            Self::Text { length, .. } => [*length, 1],
        }
    }

    /// Examples as the chains see them.
    fn scaled(&self, batch: &HostBatch) -> Result<Vec<f64>> {
        let [length, width] = self.sizes();
        if batch.values.row_len() != length * width {
            return Err(Error::usage(
                format!("examples are {:?}, and the model takes {length} moments of {width}", &batch.values.shape[1..]),
                "train and judge with the same `data.window` or `data.context`",
            ));
        }
        let values = &batch.values.values;
        match self {
            Self::Series { mean, deviation, .. } => {
                let scale = |(at, value): (usize, &f32)| {
                    (f64::from(*value) - mean[at % mean.len()]) / deviation[at % mean.len()]
                };
                Ok(values.iter().enumerate().map(scale).collect())
            }
            Self::Text { vocabulary, .. } => match values.iter().find(|value| **value >= *vocabulary as f32) {
                Some(token) => Err(Error::usage(
                    format!("there is no token {token}: the vocabulary has {vocabulary}"),
                    "read the text in the tokens that the model was trained on",
                )),
                None => Ok(values.iter().map(|value| f64::from(*value)).collect()),
            },
        }
    }
}

impl Kind {
    /// Examples, each up to its end.
    fn sequences<'a>(&self, values: &'a [f64]) -> Vec<&'a [f64]> {
        let [length, width] = self.sizes();
        let whole = values.chunks_exact(length * width);
        let Self::Text { end: Some(end), .. } = self else { return whole.collect() };
        let up_to_end = |example: &'a [f64]| {
            let place = example.iter().skip(1).position(|token| *token == f64::from(*end));
            &example[..place.map_or(length, |at| at + 2)]
        };
        whole.map(up_to_end).collect()
    }
}

impl Model for Hmm {
    const INFO: Info = Info {
        name: "hmm",
        summary: "hidden Markov model of series and text: quick, and its states can be read",
        paper: "Rabiner 1989, A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition",
        differs: "several beginnings side by side, the likeliest goes on; parameters in single precision",
        modalities: &["series", "text"],
        abilities: &[Ability::Likelihood, Ability::States],
    };

    const STEPS: u64 = 50;

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let kind = Kind::of(spec)?;
        let [_, width] = kind.sizes();
        if matches!(kind, Kind::Text { .. }) && config.mixture > 1 {
            return Err(Error::usage("`mixture` is for series, and the data are text", "leave it out"));
        }
        let of_part = if config.covariance == Covariance::Full { width * width } else { width };
        let states = config.counts()?.into_iter().max().unwrap_or(1);
        let values = states * config.mixture * config.restarts;
        if values.saturating_mul(of_part) > MOST_VALUES || states * states * config.restarts > MOST_VALUES {
            return Err(Error::usage(
                format!("{states} states of {width} values are too many to keep {} times", config.restarts),
                "lower `states`, `mixture` or `restarts`, or use `covariance=diagonal`",
            ));
        }
        Ok(())
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, _device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let data = Kind::of(spec)?;
        let restarts = config.restarts as u64;
        let of = |states: usize| (0..restarts).map(move |restart| (states, restart));
        let all = config.counts()?.into_iter().flat_map(of);
        let chains = all.map(|(states, restart)| fresh(config, states, &data, seed, restart)).collect();
        Ok(Self { config: config.clone(), data, seed, chains })
    }

    fn demand(&self) -> Demand {
        Demand { batch: Demand::ALL, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let mut report = StepReport::default();
        let [_, width] = self.data.sizes();
        for batch in batches {
            let values = self.data.scaled(batch)?;
            let sequences = self.data.sequences(&values);
            if turn.step == 1 {
                let told = sequences.concat();
                for (at, chain) in self.chains.iter_mut().enumerate() {
                    place(chain, &told, self.seed, (at % self.config.restarts) as u64);
                    round(chain);
                }
            }
            let improved: Vec<(Chain, f64)> =
                self.chains.iter().map(|chain| chain.improved(&sequences, self.config.floor)).collect();
            let moments = (sequences.iter().map(|sequence| sequence.len()).sum::<usize>() / width) as f64;
            let bic =
                |(chain, log): &(Chain, f64)| self.free_parameters(chain.states) as f64 * moments.ln() - 2.0 * log;
            let (best, log, worth) =
                improved.iter().enumerate().fold((0, f64::NEG_INFINITY, f64::INFINITY), |best, (at, next)| {
                    if bic(next) < best.2 { (at, next.1, bic(next)) } else { best }
                });
            self.chains = improved.into_iter().map(|(chain, _)| chain).collect();
            self.chains.iter_mut().for_each(round);
            let tried = if self.config.is_auto() { COMPARED } else { TRIED };
            if self.config.is_auto() {
                report.note("states", self.chains[best].states as f64);
            }
            if turn.step >= tried.min(turn.steps) && self.chains.len() > 1 {
                self.chains = vec![self.chains.swap_remove(best)];
            }
            report.note("nats", (self.data.scale_nats() * moments - log) / moments);
            report.note("bic", worth);
        }
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        request.labels(&[])?;
        let chain = &self.chains[0];
        let roots = roots(chain);
        let [length, width] = self.data.sizes();
        let count = (request.range.end - request.range.start) as usize;
        let all = each(count, |i| {
            let mut stream = noise::sample_stream(request.seed, request.range.start + i as u64);
            let mut values = Vec::with_capacity(length * width);
            let mut state = choose(&chain.start, stream.next_f64());
            for t in 0..length {
                if t > 0 {
                    state = choose(&chain.moves[state * chain.states..][..chain.states], stream.next_f64());
                }
                draw(chain, &roots, state, f64::from(request.truncation), &mut stream, &mut values);
            }
            values
        });
        let values = all.into_iter().flatten().enumerate().map(|(at, value)| match &self.data {
            Kind::Series { mean, deviation, .. } => (value * deviation[at % width] + mean[at % width]) as f32,
            Kind::Text { .. } => value as f32,
        });
        let values = values.collect();
        let shape = match self.data {
            Kind::Series { .. } => vec![count, length, width],
            Kind::Text { .. } => vec![count, length],
        };
        Ok(HostBatch { values: HostTensor::new(shape, values), labels: None })
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn parts(&self) -> Vec<Part> {
        let mut tensors = Vec::new();
        let groups: Vec<&[Chain]> = self.chains.chunk_by(|a, b| a.states == b.states).collect();
        for chains in &groups {
            let k = chains[0].states;
            let mut push = |name: &str, shape: &[usize], of: &dyn Fn(&Chain) -> &[f64]| {
                let values = chains.iter().flat_map(|chain| of(chain).iter().map(|value| *value as f32)).collect();
                let name = if groups.len() > 1 { group_name(k, name) } else { name.to_owned() };
                tensors.push((name, HostTensor::new([&[chains.len()], shape].concat(), values)));
            };
            push("moves", &[k, k], &|chain| &chain.moves);
            push("start", &[k], &|chain| &chain.start);
            for (which, (name, shape)) in self.emission_shapes(k).into_iter().enumerate() {
                push(name, &shape, &|chain| emission(chain)[which]);
            }
        }
        tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
        vec![Part { name: "chains".to_owned(), tensors }]
    }

    fn sampling_part(&self) -> &'static str {
        "chains"
    }

    fn load(&mut self, parts: &[Part], _purpose: Purpose) -> Result<()> {
        let part = weights::find("chains", parts)?;
        let counts = self.config.counts()?;
        let single = part.tensors.iter().find(|(name, _)| name == "start").map(|(_, start)| start.shape.clone());
        self.chains = match single {
            Some(shape) => match shape[..] {
                [count, k] if counts.contains(&k) => self.read(part, k, count, |name| name.to_owned())?,
                _ => {
                    return Err(Error::weights(
                        "chains",
                        format!("`states` is {}, and not theirs", self.config.states),
                    ));
                }
            },
            None => {
                let of = |k: &usize| self.read(part, *k, self.config.restarts, |name| group_name(*k, name));
                counts.iter().map(of).collect::<Result<Vec<_>>>()?.concat()
            }
        };
        Ok(())
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("chain", self.free_parameters(self.chains[0].states))]
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood> {
        Some(self)
    }

    fn as_states(&self) -> Option<&dyn States> {
        Some(self)
    }
}

impl States for Hmm {
    fn states(&self, examples: &HostBatch) -> Result<Vec<Vec<(usize, f64)>>> {
        let values = self.data.scaled(examples)?;
        let sequences = self.data.sequences(&values);
        let chain = &self.chains[0];
        let of = |i: usize| {
            let sequence = sequences[i];
            let (path, posterior) = (chain.viterbi(sequence).0, chain.posterior(sequence));
            path.into_iter().enumerate().map(|(t, state)| (state, posterior[t * chain.states + state])).collect()
        };
        Ok(each(examples.len(), of))
    }
}

impl Likelihood for Hmm {
    fn nats(&self, examples: &HostBatch) -> Result<Vec<f64>> {
        let values = self.data.scaled(examples)?;
        let [length, _] = self.data.sizes();
        let sequences = self.data.sequences(&values);
        let logs = self.chains[0].log_likelihoods(&sequences);
        let first: Vec<f64> = match self.data {
            // The first token is what the others are told after.
            Kind::Text { .. } => {
                let firsts: Vec<&[f64]> = sequences.iter().map(|sequence| &sequence[..1]).collect();
                self.chains[0].log_likelihoods(&firsts)
            }
            Kind::Series { .. } => vec![0.0; logs.len()],
        };
        let scale = self.data.scale_nats() * length as f64;
        Ok(logs.iter().zip(first).map(|(log, first)| scale + first - log).collect())
    }
}

impl Kind {
    /// What the scale of the values adds to the cost of a moment.
    fn scale_nats(&self) -> f64 {
        match self {
            Self::Series { deviation, .. } => deviation.iter().map(|deviation| deviation.ln()).sum(),
            Self::Text { .. } => 0.0,
        }
    }
}

impl Hmm {
    /// The model's chain: its states, and what they draw, in units of the channels' deviations.
    pub fn chain(&self) -> &Chain {
        &self.chains[0]
    }

    /// `count` chains of `k` states.
    fn read(&self, part: &Part, k: usize, count: usize, called: impl Fn(&str) -> String) -> Result<Vec<Chain>> {
        if count != 1 && count != self.config.restarts {
            return Err(Error::weights(
                "chains",
                format!("they are {count}, and `restarts` is {}", self.config.restarts),
            ));
        }
        let read = |name: &str, shape: &[usize]| -> Result<Vec<Vec<f64>>> {
            let tensor = weights::array(part, &called(name), &[&[count], shape].concat())?;
            Ok((0..count).map(|i| tensor.row(i).iter().map(|value| f64::from(*value)).collect()).collect())
        };
        let (starts, moves) = (read("start", &[k])?, read("moves", &[k, k])?);
        let shapes = self.emission_shapes(k);
        let emissions = shapes.iter().map(|(name, shape)| read(name, shape)).collect::<Result<Vec<_>>>()?;
        let chain = |i: usize| {
            let like = fresh(&self.config, k, &self.data, self.seed, 0);
            let mut chain = Chain { start: starts[i].clone(), moves: moves[i].clone(), ..like };
            for (values, read) in emission_mut(&mut chain).into_iter().zip(&emissions) {
                values.clone_from(&read[i]);
            }
            chain
        };
        Ok((0..count).map(chain).collect())
    }

    /// Numbers of a chain of `k` states that are free to choose.
    fn free_parameters(&self, k: usize) -> usize {
        let Config { mixture: m, covariance, .. } = self.config;
        let [_, d] = self.data.sizes();
        let emission = match self.data {
            Kind::Text { vocabulary, .. } => vocabulary - 1,
            Kind::Series { .. } => {
                let of_part = d + if covariance == Covariance::Full { d * (d + 1) / 2 } else { d };
                m * of_part + m - 1
            }
        };
        (k - 1) + k * (k - 1) + k * emission
    }

    /// Names and shapes of what [`emission`] gives.
    fn emission_shapes(&self, k: usize) -> Vec<(&'static str, Vec<usize>)> {
        let Config { mixture: m, covariance, .. } = self.config;
        let [_, d] = self.data.sizes();
        match self.data {
            Kind::Text { vocabulary, .. } => vec![("symbols", vec![k, vocabulary])],
            Kind::Series { .. } => {
                let of_part = if covariance == Covariance::Full { vec![k, m, d, d] } else { vec![k, m, d] };
                vec![("shares", vec![k, m]), ("means", vec![k, m, d]), ("covariances", of_part)]
            }
        }
    }
}

impl Config {
    fn is_auto(&self) -> bool {
        self.states == "auto"
    }

    /// The numbers of states that are tried.
    fn counts(&self) -> Result<Vec<usize>> {
        if self.is_auto() {
            return Ok(CHOICE.to_vec());
        }
        match self.states.parse() {
            Ok(count) if (1..=MOST_STATES).contains(&count) => Ok(vec![count]),
            _ => Err(Error::usage(
                format!("`states` is {}, out of range", self.states),
                format!("give a number from 1 to {MOST_STATES}, or `auto`"),
            )),
        }
    }
}

/// What an array of chains of `k` states is called beside those of others.
fn group_name(k: usize, name: &str) -> String {
    format!("{k:04}.{name}")
}

fn emission(chain: &Chain) -> Vec<&[f64]> {
    match &chain.emission {
        Emission::Symbols(probabilities) => vec![probabilities],
        Emission::Normals(normals) => vec![&normals.shares, &normals.means, &normals.covariances],
    }
}

fn emission_mut(chain: &mut Chain) -> Vec<&mut Vec<f64>> {
    match &mut chain.emission {
        Emission::Symbols(probabilities) => vec![probabilities],
        Emission::Normals(normals) => vec![&mut normals.shares, &mut normals.means, &mut normals.covariances],
    }
}

/// Rounds to what checkpoints keep, so that training goes on from one bit for bit.
fn round(chain: &mut Chain) {
    let single = |values: &mut Vec<f64>| values.iter_mut().for_each(|value| *value = f64::from(*value as f32));
    single(&mut chain.start);
    single(&mut chain.moves);
    emission_mut(chain).into_iter().for_each(single);
}

/// The draws of a beginning.
fn draws(seed: u64, restart: u64) -> Stream {
    Stream::new(seed, (noise::Purpose::Weights as u64) << 56 | restart)
}

/// A chain that knows nothing of the data: states that last, far apart.
fn fresh(config: &Config, k: usize, data: &Kind, seed: u64, restart: u64) -> Chain {
    let Config { mixture: m, covariance, .. } = *config;
    let mut stream = draws(seed, restart);
    let mut probabilities = |rows: usize, width: usize, own: f64| -> Vec<f64> {
        let mut all = Vec::with_capacity(rows * width);
        for row in 0..rows {
            let mut values: Vec<f64> = (0..width).map(|_| 0.5 + stream.next_f64()).collect();
            let rest: f64 = values.iter().sum();
            values.iter_mut().for_each(|value| *value *= (1.0 - own) / rest);
            if own > 0.0 {
                values[row % width] += own;
            }
            all.extend(values);
        }
        all
    };
    let start = probabilities(1, k, 0.0);
    let moves = probabilities(k, k, if k > 1 { 0.5 } else { 0.0 });
    let emission = match data {
        Kind::Text { vocabulary, .. } => Emission::Symbols(probabilities(k, *vocabulary, 0.0)),
        Kind::Series { mean, .. } => {
            let (d, are_full) = (mean.len(), covariance == Covariance::Full);
            let mut means = vec![0.0f32; k * m * d];
            fill_normal(seed, (noise::Purpose::Weights as u64) << 56 | 1 << 32 | restart, &mut means);
            let one: Vec<f64> = match are_full {
                true => (0..d * d).map(|at| if at % (d + 1) == 0 { 1.0 } else { 0.0 }).collect(),
                false => vec![1.0; d],
            };
            Emission::Normals(Normals {
                dimensions: d,
                count: m,
                are_full,
                shares: probabilities(k, m, 0.0),
                means: means.into_iter().map(f64::from).collect(),
                covariances: one.repeat(k * m),
            })
        }
    };
    let mut chain = Chain { states: k, start, moves, emission };
    round(&mut chain);
    chain
}

/// Places what states draw by the data: means by k-means++, symbols by their frequencies.
fn place(chain: &mut Chain, values: &[f64], seed: u64, restart: u64) {
    let mut stream = draws(seed, 1 << 40 | restart);
    match &mut chain.emission {
        Emission::Symbols(probabilities) => {
            let symbols = probabilities.len() / chain.states;
            let mut counts = vec![1.0; symbols];
            values.iter().for_each(|symbol| counts[*symbol as usize] += 1.0);
            for row in probabilities.chunks_exact_mut(symbols) {
                row.iter_mut().zip(&counts).for_each(|(value, count)| *value = count * (0.5 + stream.next_f64()));
                let sum: f64 = row.iter().sum();
                row.iter_mut().for_each(|value| *value /= sum);
            }
        }
        Emission::Normals(normals) => {
            let d = normals.dimensions;
            let moments = values.len() / d;
            let some: Vec<&[f64]> = (0..moments.min(MOST_MOMENTS))
                .map(|i| i * moments / moments.min(MOST_MOMENTS))
                .map(|at| &values[at * d..(at + 1) * d])
                .collect();
            normals.means = centres(&some, normals.means.len() / d, &mut stream).concat();
        }
    }
}

/// Of each part of each state what normal values are multiplied by: roots of variances, or of the covariance.
fn roots(chain: &Chain) -> Vec<Vec<f64>> {
    let Emission::Normals(normals) = &chain.emission else { return Vec::new() };
    let d = normals.dimensions;
    let size = if normals.are_full { d * d } else { d };
    let root = |covariance: &[f64]| match normals.are_full {
        false => covariance.iter().map(|variance| variance.sqrt()).collect(),
        true => cholesky(d, covariance).unwrap_or_else(|| {
            (0..d * d).map(|at| if at % (d + 1) == 0 { covariance[at].max(0.0).sqrt() } else { 0.0 }).collect()
        }),
    };
    normals.covariances.chunks_exact(size).map(root).collect()
}

/// Draws a moment of a state.
fn draw(chain: &Chain, roots: &[Vec<f64>], state: usize, truncation: f64, stream: &mut Stream, out: &mut Vec<f64>) {
    match &chain.emission {
        Emission::Symbols(probabilities) => {
            let symbols = probabilities.len() / chain.states;
            out.push(choose(&probabilities[state * symbols..(state + 1) * symbols], stream.next_f64()) as f64);
        }
        Emission::Normals(normals) => {
            let (d, m) = (normals.dimensions, normals.count);
            let part = state * m + choose(&normals.shares[state * m..(state + 1) * m], stream.next_f64());
            let mut noise = vec![0.0f32; d];
            fill_normal(stream.next_u64(), 0, &mut noise);
            let noise: Vec<f64> = noise.iter().map(|value| truncation * f64::from(*value)).collect();
            let root = &roots[part];
            out.extend((0..d).map(|i| {
                let apart: f64 = match normals.are_full {
                    true => (0..=i).map(|j| root[i * d + j] * noise[j]).sum(),
                    false => root[i] * noise[i],
                };
                normals.means[part * d + i] + apart
            }));
        }
    }
}
