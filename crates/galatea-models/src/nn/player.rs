//! A recurrent network over the frames of piano rolls on the host, frame by frame, to compose by; and the symbols that chords are
//! told in. A row gives the same bits in whatever batch it is.

use galatea_data::music::{Frame, KEYS, keys_of, write_frame};
use galatea_kernels::Activation;
use galatea_kernels::burn as fused;
use galatea_kernels::random::Stream;

use super::decoding::Decoding;
use super::layers::Linear;
use super::near::NearPlayer;
use super::stepper;

/// Symbols that tell a chord: its keys from the highest down, and the end of it.
pub const SYMBOLS: usize = KEYS + 1;
/// The end of a chord.
pub const END: usize = KEYS;

/// A frame as values.
pub fn vector(frame: Frame) -> [f32; KEYS] {
    let mut values = [0.0; KEYS];
    write_frame(frame, &mut values);
    values
}

/// What may not follow the keys that were told: they, and what is above the lowest of them.
pub fn bars(told: Frame) -> [f32; SYMBOLS] {
    let lowest = keys_of(told).next().unwrap_or(KEYS);
    std::array::from_fn(|symbol| if symbol >= lowest && symbol < END { -1e9 } else { 0.0 })
}

/// The weights.
#[derive(Debug)]
pub struct Player {
    /// Units of a layer.
    pub width: usize,
    /// Whether layers are LSTMs, and not GRUs.
    pub are_lstms: bool,
    /// From keys to the first layer.
    pub input: Affine,
    /// The recurrent layers.
    pub layers: Vec<stepper::Cell>,
    /// From the last of them to what tells a frame.
    pub state: Affine,
    /// And from the keys of the last frame.
    pub last: Affine,
    /// Of chords: from the keys that were told.
    pub told: Option<Affine>,
    /// And to logits of symbols.
    pub symbol: Option<Affine>,
    /// What keys around say of each.
    pub near: Option<NearPlayer>,
}

/// What is kept from frame to frame of some pieces.
#[derive(Debug)]
pub struct State {
    /// Of the layers.
    cells: Vec<[Vec<f32>; 2]>,
    /// The last frames of each piece, the last first, as many as are looked at.
    history: Vec<Frame>,
}

/// What tells the next frame of some pieces.
#[derive(Debug)]
pub struct Told {
    /// Logits of keys, or what tells chords.
    code: Vec<f32>,
    /// What is added to the logits of the keys of chords.
    near: Option<Vec<f32>>,
}

/// A layer's weights on the host.
#[derive(Debug)]
pub struct Affine {
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    inputs: usize,
}

impl Affine {
    /// Those of `layer`.
    pub fn of(layer: &Linear) -> Self {
        let bias = layer.bias.as_ref().map(|bias| fused::to_vec(bias.val()));
        Self { weight: fused::to_vec(layer.weight.val()), bias, inputs: layer.weight.dims()[0] }
    }

    pub(super) fn apply(&self, x: &[f32]) -> Vec<f32> {
        let (rows, outputs) = (x.len() / self.inputs, self.weight.len() / self.inputs);
        let mut y = vec![0.0; rows * outputs];
        let shape = [rows, self.inputs, outputs];
        galatea_kernels::linear::linear(shape, x, &self.weight, self.bias.as_deref(), Activation::Identity, &mut y);
        y
    }
}

impl Player {
    /// The state before the first frame of `n` pieces.
    pub fn begin(&self, n: usize) -> State {
        let cells = vec![[vec![0.0; n * self.width], vec![0.0; n * self.width]]; self.layers.len()];
        State { cells, history: vec![0; n * self.near.as_ref().map_or(0, NearPlayer::back)] }
    }

    /// What tells the frame after `last`.
    pub fn step(&self, state: &mut State, last: &[Frame]) -> Told {
        let before: Vec<f32> = last.iter().flat_map(|frame| vector(*frame)).collect();
        let mut x = self.input.apply(&before);
        for (layer, [h, c]) in self.layers.iter().zip(&mut state.cells) {
            x = layer.step(self.are_lstms, [last.len(), self.width], &x, h, c);
        }
        let mut code = self.state.apply(&x);
        code.iter_mut().zip(self.last.apply(&before)).for_each(|(code, last)| *code += last);
        let mut near = self.near.as_ref().map(|near| {
            for (history, last) in state.history.chunks_exact_mut(near.back()).zip(last) {
                history.rotate_right(1);
                history[0] = *last;
            }
            near.logits(&state.history, &x)
        });
        if self.told.is_none()
            && let Some(near) = near.take()
        {
            code.iter_mut().zip(near).for_each(|(code, near)| *code += near);
        }
        Told { code, near }
    }

    /// Frames drawn from what tells them.
    pub fn drawn(&self, next: &Told, decoding: &Decoding, draws: &mut [Stream]) -> Vec<Frame> {
        let rows = next.code.chunks_exact(next.code.len() / draws.len().max(1));
        let (Some(told), Some(symbol)) = (&self.told, &self.symbol) else {
            return rows
                .zip(draws)
                .map(|(logits, draws)| each_for_itself(logits, decoding.temperature, draws))
                .collect();
        };
        let mut frames = Vec::with_capacity(draws.len());
        for (row, (code, draws)) in rows.zip(draws).enumerate() {
            let mut frame = 0;
            loop {
                let mut x = told.apply(&vector(frame));
                x.iter_mut().zip(code).for_each(|(x, code)| *x = (*x + code).max(0.0));
                let mut logits = symbol.apply(&x);
                logits.iter_mut().zip(bars(frame)).for_each(|(logit, bar)| *logit += bar);
                if let Some(near) = &next.near {
                    logits.iter_mut().zip(&near[row * KEYS..][..KEYS]).for_each(|(logit, near)| *logit += near);
                }
                match decoding.choose(&logits, &[], draws.next_f64()) as usize {
                    END => break,
                    key => frame |= 1 << key,
                }
            }
            frames.push(frame);
        }
        frames
    }
}

/// Keys drawn each for itself.
fn each_for_itself(logits: &[f32], temperature: f64, draws: &mut Stream) -> Frame {
    let sounds = |(key, logit): (usize, &f32)| {
        let draw = draws.next_f64();
        // At a temperature of 0, what is likelier than not.
        let probability = 1.0 / (1.0 + (-f64::from(*logit) / temperature.max(1e-9)).exp());
        u128::from(if temperature > 0.0 { draw < probability } else { *logit > 0.0 }) << key
    };
    logits.iter().enumerate().map(sounds).sum()
}
