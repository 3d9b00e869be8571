//! Sines and cosines of numbers, beside them: for a discriminator of points.
//!
//! Tancik et al. 2020, "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains",
//! arXiv:2006.10739, section 4.

use std::sync::Arc;

use burn::prelude::*;
use galatea_kernels::Activation;
use galatea_kernels::burn::{beside, from_vec, linear, linear_transposed};
use galatea_kernels::random::fill_normal;

/// Directions of each octave.
const DIRECTIONS: usize = 16;
const SEED: u64 = 0x3a7e;

/// What a discriminator of points sees beside them: waves of octaves 0, 1, .., each in 16 random directions that are always
/// the same; their angles grow by `2^octave` per unit. Edges as sharp as the narrowest of them are learnt at once, where a
/// network of few numbers takes very long. Waves along the axes alone would tell each number apart, but hardly their
/// combinations: samples then lie on the lines of a grid instead of on its crossings.
#[derive(Clone, Debug)]
pub struct Waves {
    elements: usize,
    /// `[elements, octaves * 16]`.
    frequencies: Arc<[f32]>,
}

impl Waves {
    /// So many octaves of waves of `elements` numbers; none leaves examples as they are.
    pub fn new(octaves: usize, elements: usize) -> Self {
        let width = octaves * DIRECTIONS;
        let mut frequencies = vec![0.0; elements * width];
        let mut direction = vec![0.0f32; elements];
        for wave in 0..width {
            fill_normal(SEED, wave as u64, &mut direction);
            let length = direction.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            let frequency = 2f32.powi((wave / DIRECTIONS) as i32) / length;
            direction.iter().enumerate().for_each(|(at, x)| frequencies[at * width + wave] = frequency * x);
        }
        Self { elements, frequencies: frequencies.into() }
    }

    fn count(&self) -> usize {
        self.frequencies.len() / self.elements
    }

    /// Numbers that are seen of an example.
    pub fn width(&self) -> usize {
        self.elements + 2 * self.count()
    }

    /// `[n, elements]` to `[n, width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self.angles(&x) {
            Some((angles, _)) => beside(beside(x, angles.clone().sin()), angles.cos()),
            None => x,
        }
    }

    /// From the gradient at what is seen, `[n, width]`, the one at the numbers `x`.
    pub fn input_gradient(&self, gradient: Tensor<2>, x: &Tensor<2>) -> Tensor<2> {
        let n = x.dims()[0];
        let Some((angles, frequencies)) = self.angles(x) else { return gradient };
        let part = |at: usize, width: usize| gradient.clone().slice([0..n, at..at + width]);
        let count = self.count();
        let (sines, cosines) = (part(self.elements, count), part(self.elements + count, count));
        let waves = sines * angles.clone().cos() - cosines * angles.sin();
        part(0, self.elements) + linear_transposed(waves, frequencies)
    }

    /// Angles `[n, count]`, and the frequencies that they are made with, `[elements, count]`.
    fn angles(&self, x: &Tensor<2>) -> Option<(Tensor<2>, Tensor<2>)> {
        (self.count() > 0).then(|| {
            let frequencies = from_vec(self.frequencies.to_vec(), [self.elements, self.count()], &x.device());
            (linear(x.clone(), frequencies.clone(), None, Activation::Identity), frequencies)
        })
    }
}
