//! `pianoroll`: a recurrent network over frames of music, which tells the keys of each frame from the frames before it.
//!
//! Paper: Boulanger-Lewandowski, Bengio and Vincent 2012, "Modeling Temporal Dependencies in High-Dimensional Sequences",
//! arXiv:1206.6392, sections 3 (independent keys) and 4 (keys of a frame that depend on each other).
//! Differs: the keys of a frame are told one after the other from the highest down, each by a softmax over those below the last
//! and an end, in place of an RBM or a NADE; the network is an LSTM or GRU, sees the last frame directly, too, and is trained by
//! Adam with dropout and an average of its weights; what is longer than an example begins anew. With `near`, units with the same weights
//! for all keys see the keys around each, see [`crate::nn::near`].

use std::sync::OnceLock;

use burn::module::{Module, Param};
use burn::prelude::*;
use galatea_data::music::{BEYOND, Frame, KEYS, frames_of, keys_of, write_frame};
use galatea_data::{DataSpec, HostBatch, HostTensor, MusicSpec, choice, settings};
use galatea_kernels::Activation;
use galatea_kernels::burn as fused;
use galatea_kernels::random::Stream;

use crate::nn::average::follow;
use crate::nn::decoding::{Decoding, draws};
use crate::nn::layers::{Linear, trained};
use crate::nn::near::{MOST_REACH, Near, Window};
use crate::nn::noise::{Position, WeightDraw, kept};
use crate::nn::optimizer::{Adam, Optimized};
use crate::nn::player::{Affine, END, Player, SYMBOLS, bars, vector};
use crate::nn::{stepper, weights};
use crate::{
    Ability, Compose, Demand, Error, Info, Likelihood, Model, Part, Preset, Purpose, Result, SampleRequest, StepReport,
    Turn,
};

choice! {
    /// What keys of a frame have to do with each other, given the frames before.
    pub enum Outputs {
        /// Each is told from those above it that sound.
        Chord = "chord",
        /// Nothing.
        Independent = "independent",
    }
}

choice! {
    /// What recurrent layers are made of.
    pub enum Cell {
        /// Long short-term memory.
        Lstm = "lstm",
        /// Gated recurrent units.
        Gru = "gru",
    }
}

settings! {
    /// Settings of [`PianoRoll`].
    pub struct Config {
        /// What keys of a frame have to do with each other, given the frames before.
        outputs: Outputs = Outputs::Chord;
        /// What recurrent layers are made of.
        cell: Cell = Cell::Lstm;
        /// Recurrent layers, one behind the other.
        layers: usize = 1, in 1..=16;
        /// Units of each of them.
        width: usize = 150, in 1..=4_096;
        /// Units of the layer that tells the keys of a frame.
        hidden: usize = 256, in 1..=8_192;
        /// Units, shared by all keys, that see the keys around each key in the last frames; 0 for none.
        near: usize = 0, in 0..=1_024;
        /// Keys to each side that they see.
        near_keys: usize = 12, in 0..=MOST_REACH;
        /// Frames back that they see.
        near_frames: usize = 3, in 1..=64;
        /// Share of the units behind each layer that a training step does without.
        dropout: f64 = 0.3, in 0.0..=0.9;
        /// Share of the keys of the frames before that a training step does without.
        input_dropout: f64 = 0.2, in 0.0..=0.9;
        /// Pieces in a training step.
        batch: usize = 16, in 1..=4_096;
        /// Highest learning rate, down from which it goes as a cosine does.
        learning_rate: f64 = 3e-3, in 0.0..=10.0;
        /// Share of the learning rate by which matrices shrink at each step.
        weight_decay: f64 = 0.01, in 0.0..=10.0;
        /// Gradients whose norm is above this are scaled down to it; 0 for never.
        clip: f64 = 1.0, in 0.0..=1e9;
        /// Decay of the average of the weights that is judged and drawn from; 0 for none.
        ema: f64 = 0.99, in 0.0..1.0;
    }
}

/// Steps in which the learning rate rises.
const WARM_UP: u64 = 50;
/// Share of the learning rate that is left at the end.
const RATE_END: f64 = 0.02;
/// Pieces whose likelihood is worked out at a time, or which are written side by side.
const TOGETHER: usize = 64;
/// Most values of a layer in a training step.
const MOST_VALUES: usize = 1 << 28;
/// The family.
#[derive(Debug)]
pub struct PianoRoll {
    config: Config,
    music: MusicSpec,
    network: Optimized<Network>,
    average: Network,
    device: Device,
    player: OnceLock<Player>,
}

impl Model for PianoRoll {
    const INFO: Info = Info {
        name: "pianoroll",
        summary: "recurrent network over the frames of a piano roll: composes in the style of your music",
        paper: "Boulanger-Lewandowski et al. 2012, Modeling Temporal Dependencies in High-Dimensional Sequences, arXiv:1206.6392",
        differs: "chords by a softmax over keys in turn in place of an RBM or a NADE; LSTM or GRU; dropout; weight averaging",
        modalities: &["music"],
        abilities: &[Ability::Likelihood, Ability::Compose],
    };

    const PRESETS: &'static [Preset] = &[Preset {
        name: "independent",
        summary: "keys that are independent given the frames before, as in the tables of papers: some 300,000 weights",
        settings: r#"
            outputs = "independent"
            width = 170
            near = 64
            dropout = 0.22
            input_dropout = 0.0
            learning_rate = 4e-3
            weight_decay = 0.05
            ema = 0.998
        "#,
    }];

    const STEPS: u64 = 1_500;

    type Config = Config;

    fn check(config: &Config, spec: &DataSpec) -> Result<()> {
        let music = music_of(spec)?;
        let near = if config.near > 0 { KEYS * config.near.max(config.window().len()) } else { 0 };
        let widest = (4 * config.width.max(config.hidden).max(SYMBOLS)).max(near);
        if config.batch.saturating_mul(music.length).saturating_mul(widest) > MOST_VALUES {
            return Err(Error::usage(
                "a step would be too large: `batch`, `width` and `data.frames` do not go together",
                "lower one of them, such as with `--set data.frames=256`",
            ));
        }
        Ok(())
    }

    fn new(config: &Config, spec: &DataSpec, seed: u64, device: &Device) -> Result<Self> {
        Self::check(config, spec)?;
        let device = device.clone().autodiff();
        let network = Network::new(config, &mut WeightDraw::new(seed, &device));
        let Config { clip, weight_decay, .. } = *config;
        let adam = Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, clip, history: 0.0 };
        Ok(Self {
            config: config.clone(),
            music: music_of(spec)?.clone(),
            average: network.valid(),
            network: Optimized::new(network, adam).with_decay(weight_decay),
            device,
            player: OnceLock::new(),
        })
    }

    fn demand(&self) -> Demand {
        Demand { batch: self.config.batch, batches: 1 }
    }

    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        let mut report = StepReport::default();
        for (round, batch) in batches.iter().enumerate() {
            let pieces = Pieces::of(batch, &self.music)?;
            let at = Position { step: turn.step, round: round as u8 };
            let dropout = Dropout { config: &self.config, seed: turn.seed, at };
            let Code { code, near } = self.network.read(&pieces, Some(&dropout), &self.device);
            // 1. The mean over frames of what their keys take to be told, 2. down which the weights go.
            let loss = match self.config.outputs {
                Outputs::Independent => {
                    let values =
                        pieces.frames.iter().flat_map(|frame| (0..KEYS).map(move |key| (frame >> key & 1) as f32));
                    let targets = fused::from_vec(values.collect(), [pieces.frames.len(), KEYS], &self.device);
                    fused::bernoulli_rows(code, targets).mean().neg()
                }
                Outputs::Chord => {
                    let chords = Chords::of(&pieces.frames);
                    let logits = self.network.symbols(code, near, &chords, Some(&dropout), &self.device);
                    let symbols = chords.next.len() as f64 / pieces.frames.len() as f64;
                    fused::cross_entropy(logits, &chords.next).mul_scalar(symbols)
                }
            };
            report.note("loss", f64::from(fused::to_vec(loss.clone().inner())[0]));
            self.network.descend_noting(loss, self.config.rate(turn), turn, ("gradient", &mut report));
        }
        self.average = follow(self.average.clone(), &*self.network, self.config.ema, turn.step);
        self.player.take();
        Ok(report)
    }

    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        let values = self.compose(&[], self.music.length, f64::from(request.truncation), request)?;
        Ok(HostBatch { values, labels: None })
    }

    fn classes(&self) -> &[String] {
        &[]
    }

    fn parts(&self) -> Vec<Part> {
        vec![
            weights::to_part("network", &*self.network),
            weights::to_part("network-ema", &self.average),
            self.network.to_part("network-adam"),
        ]
    }

    fn sampling_part(&self) -> &'static str {
        "network-ema"
    }

    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.player.take();
        if purpose == Purpose::Training {
            self.network.load("network", parts, purpose)?;
        }
        self.average = weights::from_parts("network-ema", self.average.clone(), parts)?;
        Ok(())
    }

    fn parameters(&self) -> Vec<(&'static str, usize)> {
        vec![("network", self.network.num_params())]
    }

    fn as_likelihood(&self) -> Option<&dyn Likelihood> {
        Some(self)
    }

    fn as_compose(&self) -> Option<&dyn Compose> {
        Some(self)
    }
}

impl Likelihood for PianoRoll {
    fn nats(&self, examples: &HostBatch) -> Result<Vec<f64>> {
        let device = self.device.clone().without_autodiff();
        let mut all = Vec::with_capacity(examples.len());
        for first in (0..examples.len()).step_by(TOGETHER) {
            let values = examples.values.slice_rows(first..(first + TOGETHER).min(examples.len()));
            let pieces = Pieces::of(&HostBatch { values, labels: None }, &self.music)?;
            let Code { code, near } = self.average.read(&pieces, None, &device);
            let mut nats = vec![0.0; pieces.count];
            match self.config.outputs {
                Outputs::Independent => {
                    let logits = fused::to_vec(code);
                    for ((logits, frame), of) in logits.chunks_exact(KEYS).zip(&pieces.frames).zip(&pieces.of) {
                        for (key, logit) in logits.iter().enumerate() {
                            let sign = if frame >> key & 1 == 1 { -1.0 } else { 1.0 };
                            nats[*of] += softplus(sign * f64::from(*logit));
                        }
                    }
                }
                Outputs::Chord => {
                    let chords = Chords::of(&pieces.frames);
                    let logits = fused::to_vec(self.average.symbols(code, near, &chords, None, &device));
                    let told = chords.next.iter().zip(&chords.frame);
                    for (logits, (next, frame)) in logits.chunks_exact(SYMBOLS).zip(told) {
                        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                        let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
                        nats[pieces.of[*frame as usize]] += sum.ln() - f64::from(logits[*next as usize] - most);
                    }
                }
            }
            all.extend(nats);
        }
        Ok(all)
    }
}

impl Compose for PianoRoll {
    fn compose(
        &self,
        beginning: &[Frame],
        frames: usize,
        temperature: f64,
        request: &SampleRequest,
    ) -> Result<HostTensor> {
        request.labels(&[])?;
        let decoding = Decoding { temperature, ..Decoding::default() };
        decoding.check()?;
        let player = self.player.get_or_init(|| self.average.player());
        let mut values = Vec::new();
        for first in request.range.clone().step_by(TOGETHER) {
            let numbers = first..(first + TOGETHER as u64).min(request.range.end);
            let mut draws: Vec<Stream> = numbers.map(|index| draws(request.seed, index)).collect();
            let n = draws.len();
            let mut states = player.begin(n);
            let mut last = vec![0; n];
            for frame in beginning {
                player.step(&mut states, &last);
                last.fill(*frame);
            }
            let mut out = vec![BEYOND; n * frames * KEYS];
            for t in 0..frames {
                let code = player.step(&mut states, &last);
                last = player.drawn(&code, &decoding, &mut draws);
                for (i, frame) in last.iter().enumerate() {
                    let place = (i * frames + t) * KEYS;
                    write_frame(*frame, &mut out[place..place + KEYS]);
                }
            }
            values.extend(out);
        }
        Ok(HostTensor::new([values.len() / (frames * KEYS).max(1), frames, KEYS], values))
    }
}

impl Config {
    /// What units that see the keys around each key see.
    fn window(&self) -> Window {
        Window { back: self.near_frames, reach: self.near_keys }
    }

    /// The learning rate of a step: up in a line, down as a cosine.
    fn rate(&self, turn: Turn) -> f64 {
        let rise = (turn.step as f64 / (WARM_UP.min(turn.steps / 5) + 1) as f64).min(1.0);
        let fall = 0.5 * (1.0 + (std::f64::consts::PI * turn.progress()).cos());
        self.learning_rate * rise * (RATE_END + (1.0 - RATE_END) * fall)
    }
}

/// Pieces of a batch, as far as the longest of them goes, first frames first.
struct Pieces {
    count: usize,
    time: usize,
    /// The frames before each, `[time * count, 88]`: silence before the first.
    before: Vec<f32>,
    /// The frames of each.
    pieces: Vec<Vec<Frame>>,
    /// All frames up to the end of each piece, in the order of the rows.
    frames: Vec<Frame>,
    /// For each of them its row, and its piece.
    rows: Vec<u32>,
    of: Vec<usize>,
}

impl Pieces {
    fn of(batch: &HostBatch, music: &MusicSpec) -> Result<Self> {
        let shape = [music.length, KEYS];
        if batch.values.shape[1..] != shape {
            return Err(Error::usage(
                format!("examples are {:?}, and the model takes {shape:?}", &batch.values.shape[1..]),
                "train and judge with the same `data.frames`",
            ));
        }
        let pieces: Vec<Vec<Frame>> = (0..batch.len()).map(|i| frames_of(batch.values.row(i))).collect();
        let (count, time) = (pieces.len(), pieces.iter().map(Vec::len).max().unwrap_or(0).max(1));
        let mut before = vec![0.0; time * count * KEYS];
        let (mut frames, mut rows, mut of) = (Vec::new(), Vec::new(), Vec::new());
        for t in 0..time {
            for (i, piece) in pieces.iter().enumerate() {
                let row = t * count + i;
                if let (true, Some(last)) = (t > 0, piece.get(t.wrapping_sub(1))) {
                    write_frame(*last, &mut before[row * KEYS..(row + 1) * KEYS]);
                }
                if let Some(frame) = piece.get(t) {
                    frames.push(*frame);
                    rows.push(row as u32);
                    of.push(i);
                }
            }
        }
        Ok(Self { count, time, before, pieces, frames, rows, of })
    }

    /// The `back` frames before each frame, the last first; silence before the first.
    fn history(&self, back: usize) -> Vec<Frame> {
        let before = |row: &u32, by: usize| {
            let (t, piece) = (*row as usize / self.count, &self.pieces[*row as usize % self.count]);
            t.checked_sub(by).map_or(0, |at| piece[at])
        };
        self.rows.iter().flat_map(|row| (1..=back).map(move |by| before(row, by))).collect()
    }
}

/// The chords of frames, symbol by symbol.
struct Chords {
    /// For each symbol its frame.
    frame: Vec<u32>,
    /// The keys of that frame that were told before it, `[symbols, 88]`.
    told: Vec<f32>,
    /// 0 for symbols that may follow, and very small for others, `[symbols, 89]`.
    barred: Vec<f32>,
    /// The symbol itself.
    next: Vec<u32>,
}

impl Chords {
    fn of(frames: &[Frame]) -> Self {
        let (mut frame, mut told, mut barred, mut next) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (number, keys) in frames.iter().enumerate() {
            let mut so_far = 0;
            for symbol in keys_of(*keys).rev().chain([END]) {
                frame.push(number as u32);
                told.extend(vector(so_far));
                barred.extend(bars(so_far));
                next.push(symbol as u32);
                so_far |= 1u128.checked_shl(symbol as u32).filter(|_| symbol < END).unwrap_or(0);
            }
        }
        Self { frame, told, barred, next }
    }
}

/// What a training step does without.
struct Dropout<'a> {
    config: &'a Config,
    seed: u64,
    at: Position,
}

impl Dropout<'_> {
    fn of(&self, x: Tensor<2>, which: usize, share: f64, device: &Device) -> Tensor<2> {
        match share > 0.0 {
            true => {
                let shape = x.dims();
                x * kept(self.seed, self.at, which, shape, share, device)
            }
            false => x,
        }
    }
}

/// What tells frames.
struct Code {
    /// Logits of keys `[frames, 88]`, or what tells chords `[frames, hidden]`.
    code: Tensor<2>,
    /// What is added to the logits of the keys of chords, `[frames, 88]`.
    near: Option<Tensor<2>>,
}

/// A recurrent layer.
#[derive(Module, Debug)]
struct Layer {
    input: Param<Tensor<2>>,
    recurrent: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

/// From frames to what tells the next one.
#[derive(Module, Debug)]
struct Network {
    /// From keys to the first layer.
    input: Linear,
    layers: Vec<Layer>,
    /// From the last layer, and from the keys of the last frame, to logits of keys, or to what tells chords.
    state: Linear,
    last: Linear,
    /// Of chords: from the keys that were told.
    told: Option<Linear>,
    /// And to logits of symbols.
    symbol: Option<Linear>,
    /// What keys around say of each.
    near: Option<Near>,
    #[module(skip)]
    are_lstms: bool,
}

impl Network {
    fn new(config: &Config, draw: &mut WeightDraw) -> Self {
        let Config { outputs, cell, layers, width, hidden, near, .. } = *config;
        let gates = if cell == Cell::Lstm { 4 } else { 3 };
        let reach = 1.0 / (width as f64).sqrt();
        let layer = |draw: &mut WeightDraw| Layer {
            input: trained(draw.uniform([width, gates * width], reach)),
            recurrent: trained(draw.uniform([width, gates * width], reach)),
            bias: trained(Tensor::zeros([4 * width], draw.device())),
        };
        let chord = outputs == Outputs::Chord;
        let outputs = if chord { hidden } else { KEYS };
        // Few keys sound in a frame: gains are as those of PyTorch's layers for 88 inputs.
        Self {
            input: Linear::new(KEYS, width, 0.6, draw),
            layers: (0..layers).map(|_| layer(draw)).collect(),
            state: Linear::new(width, outputs, 0.6, draw),
            last: Linear::new(KEYS, outputs, 0.6, draw).without_bias(),
            told: chord.then(|| Linear::new(KEYS, hidden, 0.6, draw).without_bias()),
            symbol: chord.then(|| Linear::new(hidden, SYMBOLS, 0.6, draw)),
            near: (near > 0).then(|| Near::new(config.window(), width, near, draw)),
            are_lstms: cell == Cell::Lstm,
        }
    }

    /// What tells each frame.
    fn read(&self, pieces: &Pieces, dropout: Option<&Dropout<'_>>, device: &Device) -> Code {
        let Pieces { count, time, .. } = *pieces;
        let dropped = |x: Tensor<2>, which: usize, share: fn(&Config) -> f64| match dropout {
            Some(dropout) => dropout.of(x, which, share(dropout.config), device),
            None => x,
        };
        let before = fused::from_vec(pieces.before.clone(), [time * count, KEYS], device);
        let before = dropped(before, 0, |config| config.input_dropout);
        let mut x = self.input.forward(before.clone(), Activation::Identity);
        for (number, layer) in self.layers.iter().enumerate() {
            let [rows, width] = x.dims();
            let steps = x.reshape([time, count, width]);
            let empty = || Tensor::zeros([count, width], device);
            let Layer { input, recurrent, bias } = layer;
            let weights = fused::Recurrent { input: input.val(), recurrent: recurrent.val(), bias: bias.val() };
            let y = match self.are_lstms {
                true => fused::lstm(steps, weights, empty(), empty()).0,
                false => fused::gru(steps, weights, empty()),
            };
            x = dropped(y.reshape([rows, width]), 1 + number, |config| config.dropout); // [time * count, width]
        }
        let [x, before] = [x, before].map(|x| fused::pick(x, &pieces.rows));
        let near = self.near.as_ref().map(|near| {
            let dropped = |units| dropped(units, 50, |config| config.dropout);
            near.forward(&pieces.history(near.back()), x.clone(), dropped, device)
        });
        let code = self.state.forward(x, Activation::Identity) + self.last.forward(before, Activation::Identity);
        match near {
            Some(near) if self.told.is_none() => Code { code: code + near, near: None },
            near => Code { code, near },
        }
    }

    /// The same weights on the host, to compose by.
    fn player(&self) -> Player {
        let layer = |Layer { input, recurrent, bias }: &Layer| stepper::Cell {
            input: fused::to_vec(input.val()),
            recurrent: fused::to_vec(recurrent.val()),
            bias: fused::to_vec(bias.val()),
        };
        Player {
            width: self.state.weight.dims()[0],
            are_lstms: self.are_lstms,
            input: Affine::of(&self.input),
            layers: self.layers.iter().map(layer).collect(),
            state: Affine::of(&self.state),
            last: Affine::of(&self.last),
            told: self.told.as_ref().map(Affine::of),
            symbol: self.symbol.as_ref().map(Affine::of),
            near: self.near.as_ref().map(Near::player),
        }
    }

    /// Logits of the symbols of chords, `[symbols, 89]`.
    fn symbols(
        &self,
        code: Tensor<2>,
        near: Option<Tensor<2>>,
        chords: &Chords,
        dropout: Option<&Dropout<'_>>,
        device: &Device,
    ) -> Tensor<2> {
        let (Some(told), Some(symbol)) = (&self.told, &self.symbol) else { return code };
        let count = chords.next.len();
        let so_far = told.forward(fused::from_vec(chords.told.clone(), [count, KEYS], device), Activation::Identity);
        let mut x = burn::tensor::activation::relu(fused::pick(code, &chords.frame) + so_far);
        if let Some(dropout) = dropout {
            x = dropout.of(x, 100, dropout.config.dropout, device);
        }
        let barred = fused::from_vec(chords.barred.clone(), [count, SYMBOLS], device);
        let logits = symbol.forward(x, Activation::Identity) + barred;
        match near {
            Some(near) => {
                let end = Tensor::zeros([near.dims()[0], 1], device);
                logits + fused::pick(Tensor::cat(vec![near, end], 1), &chords.frame)
            }
            None => logits,
        }
    }
}

/// `ln(1 + e^x)`.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn music_of(spec: &DataSpec) -> Result<&MusicSpec> {
    match spec {
        DataSpec::Music(music) => Ok(music),
        other => Err(Error::usage(format!("`pianoroll` writes music, not {}", other.kind()), "use another family")),
    }
}
