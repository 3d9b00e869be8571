//! Sines and cosines of numbers, beside them: for a discriminator of points.
//!
//! Tancik et al. 2020, "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains",
//! arXiv:2006.10739, section 4: the "positional encoding".

use burn::prelude::*;
use galatea_kernels::Activation;
use galatea_kernels::burn::{beside, from_vec, linear, linear_transposed};

/// What a discriminator of points sees beside them: for each octave `k`, sine and cosine of `2^k` times each number. Edges
/// as sharp as the narrowest of them are learnt at once, where a network of few numbers takes very long.
#[derive(Clone, Copy, Debug)]
pub struct Waves {
    /// How many there are; with none, examples are seen as they are.
    pub octaves: usize,
}

impl Waves {
    /// Numbers seen of `elements` numbers.
    pub fn width(self, elements: usize) -> usize {
        elements * (1 + 2 * self.octaves)
    }

    /// `[n, elements]` to `[n, width]`.
    pub fn forward(self, x: Tensor<2>) -> Tensor<2> {
        match self.angles(&x) {
            Some((angles, _)) => beside(beside(x, angles.clone().sin()), angles.cos()),
            None => x,
        }
    }

    /// From the gradient at what is seen, `[n, width]`, the one at the numbers `x`.
    pub fn input_gradient(self, gradient: Tensor<2>, x: Tensor<2>) -> Tensor<2> {
        let [n, elements] = x.dims();
        let Some((angles, frequencies)) = self.angles(&x) else { return gradient };
        let part = |at: usize, width: usize| gradient.clone().slice([0..n, at..at + width]);
        let count = elements * self.octaves;
        let (sines, cosines) = (part(elements, count), part(elements + count, count));
        let gradient = sines * angles.clone().cos() - cosines * angles.sin();
        part(0, elements) + linear_transposed(gradient, frequencies)
    }

    /// Angles `[n, elements * octaves]`, and the frequencies that they are made with, `[elements, elements * octaves]`.
    fn angles(self, x: &Tensor<2>) -> Option<(Tensor<2>, Tensor<2>)> {
        let [_, elements] = x.dims();
        let width = elements * self.octaves;
        let frequency = |at: usize| {
            let (row, column) = (at / width, at % width);
            if column % elements == row { 2f32.powi((column / elements) as i32) } else { 0.0 }
        };
        (self.octaves > 0).then(|| {
            let frequencies = from_vec((0..elements * width).map(frequency).collect(), [elements, width], &x.device());
            (linear(x.clone(), frequencies.clone(), None, Activation::Identity), frequencies)
        })
    }
}
