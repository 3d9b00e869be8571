//! Randomness as an argument: every draw is a pure function of a seed, a purpose and a position.
//!
//! No generator has a state, so a resumed run needs none, and a batch split over processes draws the same numbers.

use burn::prelude::*;
use galatea_data::HostTensor;
use galatea_kernels::random;

/// What a draw is for. Draws for different purposes are independent.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub enum Purpose {
    /// First values of weights; the position counts the arrays.
    Weights = 1,
    /// Latent vectors of samples; the position is the sample's index.
    Sample,
    /// Latent vectors of training.
    Latent,
    /// Noise on the discriminator's input.
    Instance,
    /// Points between real and generated examples.
    Between,
    /// Changes of pictures before the discriminator sees them.
    Augment,
    /// Pixels that are drawn black or white anew at each step.
    Binarise,
    /// What is drawn about an example once and for all; the position is what the example holds.
    Contents,
    /// Which values a network does without in a step.
    Dropout,
    /// Tokens of a text that is written; the position is the text's number.
    Token,
    /// Which vectors take the place of those of a codebook that stand for nothing.
    Codes,
}

/// Where in training a draw is: the step, the part of the step, and the example in the batch.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    /// Number of the step.
    pub step: u64,
    /// Which of the step's draws of this purpose, below 256.
    pub round: u8,
}

impl Position {
    fn stream(self, purpose: Purpose, row: usize) -> u64 {
        debug_assert!(self.step < 1 << 32 && row < 1 << 16);
        (purpose as u64) << 56 | u64::from(self.round) << 48 | (row as u64) << 32 | self.step
    }
}

/// Standard normal values `[rows, width]` of a training step; row `i` does not depend on `rows`.
pub fn normal(seed: u64, purpose: Purpose, at: Position, rows: usize, width: usize, device: &Device) -> Tensor<2> {
    galatea_kernels::burn::filled([rows, width], device, |values| {
        for (row, out) in values.chunks_exact_mut(width.max(1)).enumerate() {
            random::fill_normal(seed, at.stream(purpose, row), out);
        }
    })
}

/// Uniform values in `[0, 1)` of a training step, one per row: `[rows, 1]`.
pub fn uniform(seed: u64, purpose: Purpose, at: Position, rows: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0; rows];
    for (row, out) in values.chunks_exact_mut(1).enumerate() {
        random::fill_uniform(seed, at.stream(purpose, row), out);
    }
    galatea_kernels::burn::from_vec(values, [rows, 1], device)
}

/// For dropout: 0 with probability `share`, and `1 / (1 - share)` else, for each value of a layer; `which` tells layers apart.
pub fn kept<const D: usize>(
    seed: u64,
    at: Position,
    which: usize,
    shape: [usize; D],
    share: f64,
    device: &Device,
) -> Tensor<D> {
    galatea_kernels::burn::filled(shape, device, |values| {
        random::fill_uniform(seed, at.stream(Purpose::Dropout, which), values);
        let (share, scale) = (share as f32, (1.0 / (1.0 - share)) as f32);
        values.iter_mut().for_each(|value| *value = if *value < share { 0.0 } else { scale });
    })
}

/// Numbers for example `row` of a training step, one after the other.
pub fn stream(seed: u64, purpose: Purpose, at: Position, row: usize) -> random::Stream {
    random::Stream::new(seed, at.stream(purpose, row))
}

/// Standard normal latent vectors of the samples `range`: `[n, width]`.
pub fn sample_latents(seed: u64, range: std::ops::Range<u64>, width: usize) -> HostTensor {
    let rows = (range.end - range.start) as usize;
    let mut values = vec![0.0; rows * width];
    for (index, out) in range.zip(values.chunks_exact_mut(width.max(1))) {
        // The upper bits tell samples from training's draws; 2^56 samples are enough for anyone.
        random::fill_normal(seed, (Purpose::Sample as u64) << 56 | index, out);
    }
    HostTensor::new([rows, width], values)
}

/// The stream of what is drawn about an example: a function of its values, so that it depends on nothing else.
pub fn contents_stream(values: &[f32]) -> u64 {
    // FNV-1a (Fowler, Noll and Vo) over words, with a rotation, as a product moves bits upwards only.
    let hash = values.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, value| {
        ((hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3)).rotate_left(23)
    });
    (Purpose::Contents as u64) << 56 | hash >> 8
}

/// Numbers for sample `index`, one after the other.
pub fn sample_stream(seed: u64, index: u64) -> random::Stream {
    random::Stream::new(seed, (Purpose::Sample as u64) << 56 | index)
}

/// First values of weights, drawn one array after another from one seed.
#[derive(Debug)]
pub struct WeightDraw<'a> {
    seed: u64,
    arrays: u64,
    device: &'a Device,
}

impl<'a> WeightDraw<'a> {
    /// Draws for one model, on `device`.
    pub fn new(seed: u64, device: &'a Device) -> Self {
        Self { seed, arrays: 0, device }
    }

    /// Where the weights live.
    pub fn device(&self) -> &'a Device {
        self.device
    }

    /// An array of normal values with mean 0 and this standard deviation.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], standard_deviation: f64) -> Tensor<D> {
        let scale = standard_deviation as f32;
        self.filled(shape, random::fill_normal, |value| scale * value)
    }

    /// An array of values evenly distributed between `-reach` and `reach`.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], reach: f64) -> Tensor<D> {
        let reach = reach as f32;
        self.filled(shape, random::fill_uniform, |value| (2.0 * value - 1.0) * reach)
    }

    fn filled<const D: usize>(
        &mut self,
        shape: [usize; D],
        fill: fn(u64, u64, &mut [f32]),
        change: impl Fn(f32) -> f32,
    ) -> Tensor<D> {
        let mut values = vec![0.0; shape.iter().product()];
        fill(self.seed, (Purpose::Weights as u64) << 56 | self.arrays, &mut values);
        self.arrays += 1;
        values.iter_mut().for_each(|value| *value = change(*value));
        galatea_kernels::burn::from_vec(values, shape, self.device)
    }
}
