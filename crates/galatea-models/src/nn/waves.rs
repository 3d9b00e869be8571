//! Sines and cosines of numbers, beside them: for a discriminator of points.
//!
//! Tancik et al. 2020, "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains",
//! arXiv:2006.10739, section 4.

use std::sync::Arc;

use burn::prelude::*;
use galatea_kernels::Activation;
use galatea_kernels::burn::{from_vec, linear, linear_transposed};
use galatea_kernels::random::fill_normal;

/// Directions of waves.
const DIRECTIONS: usize = 16;
const SEED: u64 = 0x3a7e;

/// What a discriminator of points sees beside them: waves of octaves 0, 1, .., each in 16 random directions that are always
/// the same; their angles grow by `2^octave` per unit. Edges as sharp as the narrowest of them are learnt at once, where a
/// network of few numbers takes very long. Waves along the axes alone would tell each number apart, but hardly their
/// combinations: samples then lie on the lines of a grid instead of on its crossings.
#[derive(Clone, Debug)]
pub struct Waves {
    octaves: usize,
    elements: usize,
    /// Unit vectors, `[elements, 16]`.
    directions: Arc<[f32]>,
}

impl Waves {
    /// So many octaves of waves of `elements` numbers; none leaves examples as they are.
    pub fn new(octaves: usize, elements: usize) -> Self {
        let mut directions = vec![0.0; elements * DIRECTIONS];
        let mut direction = vec![0.0f32; elements];
        for wave in 0..DIRECTIONS {
            fill_normal(SEED, wave as u64, &mut direction);
            let length = direction.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
            direction.iter().enumerate().for_each(|(at, x)| directions[at * DIRECTIONS + wave] = x / length);
        }
        Self { octaves, elements, directions: directions.into() }
    }

    /// Numbers that are seen of an example.
    pub fn width(&self) -> usize {
        self.elements + 2 * DIRECTIONS * self.octaves
    }

    /// `[n, elements]` to `[n, width]`: the numbers, then sines and cosines of each octave.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if self.octaves == 0 {
            return x;
        }
        let waves = self.waves(&x).into_iter().flat_map(|(sines, cosines)| [sines, cosines]);
        Tensor::cat(std::iter::once(x.clone()).chain(waves).collect(), 1)
    }

    /// From the gradient at what is seen, `[n, width]`, the one at the numbers `x`.
    pub fn input_gradient(&self, gradient: Tensor<2>, x: &Tensor<2>) -> Tensor<2> {
        if self.octaves == 0 {
            return gradient;
        }
        let n = x.dims()[0];
        let part = |at: usize, width: usize| gradient.clone().slice([0..n, at..at + width]);
        let by_angle = self.waves(x).into_iter().enumerate().map(|(octave, (sines, cosines))| {
            let at = self.elements + 2 * DIRECTIONS * octave;
            let slope = part(at, DIRECTIONS) * cosines - part(at + DIRECTIONS, DIRECTIONS) * sines;
            slope.mul_scalar(2f32.powi(octave as i32))
        });
        let direct = part(0, self.elements);
        match by_angle.reduce(Tensor::add) {
            Some(by_angle) => direct + linear_transposed(by_angle, self.directions(x)),
            None => direct,
        }
    }

    /// Sines and cosines of each octave, `[n, 16]`. Each octave comes from the one below by the formulas of double angles,
    /// which cost a tenth of new sines.
    fn waves(&self, x: &Tensor<2>) -> Vec<(Tensor<2>, Tensor<2>)> {
        let angles = linear(x.clone(), self.directions(x), None, Activation::Identity);
        let mut waves = vec![(angles.clone().sin(), angles.cos())];
        while waves.len() < self.octaves {
            let (sines, cosines) = waves[waves.len() - 1].clone();
            let double = (sines.clone() * cosines).mul_scalar(2.0);
            waves.push((double, (sines.clone() * sines).mul_scalar(-2.0).add_scalar(1.0)));
        }
        waves
    }

    fn directions(&self, x: &Tensor<2>) -> Tensor<2> {
        from_vec(self.directions.to_vec(), [self.elements, DIRECTIONS], &x.device())
    }
}
