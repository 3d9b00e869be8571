//! What the keys around a key have done says of it, by the same weights for all keys: what is learnt of one key is known of all.
//!
//! Paper: Johnson 2017, "Generating Polyphonic Music Using Tied Parallel Networks", EvoMUSART, section 3: networks for each key that
//! share their weights and see the music relative to their key.
//! Differs: a layer over a window of the last frames in place of recurrent networks for each key; what is further back comes from the
//! one recurrent network that sees all keys, as it comes to the units of all keys alike.

use burn::module::Module;
use burn::prelude::*;
use galatea_data::music::{Frame, KEYS};
use galatea_kernels::Activation;
use galatea_kernels::burn as fused;

use super::layers::Linear;
use super::noise::WeightDraw;
use super::player::Affine;

/// Most keys to each side that can be seen.
pub const MOST_REACH: usize = 36;

/// What a key sees: so many frames back, and so many keys to each side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Frames, the last first.
    pub back: usize,
    /// Keys to each side, at most [`MOST_REACH`].
    pub reach: usize,
}

impl Window {
    /// Values that a key sees.
    pub fn len(self) -> usize {
        self.back * (2 * self.reach + 1)
    }

    /// Whether it sees nothing.
    pub fn is_empty(self) -> bool {
        self.back == 0
    }

    /// What each key sees of the frames before it, `[n * 88, len]`; `history` has `back` frames for each of n, the last first.
    pub fn of(self, history: &[Frame]) -> Vec<f32> {
        let mut values = Vec::with_capacity(history.len() / self.back.max(1) * KEYS * self.len());
        for frames in history.chunks_exact(self.back.max(1)) {
            for key in 0..KEYS {
                for frame in frames {
                    let seen = frame << self.reach >> key;
                    values.extend((0..=2 * self.reach).map(|at| (seen >> at & 1) as f32));
                }
            }
        }
        values
    }
}

/// The layer: units that see the window and the network's state, and what they say of the key.
#[derive(Module, Debug)]
pub struct Near {
    window: Linear,
    state: Linear,
    end: Linear,
    #[module(skip)]
    sees: Window,
}

impl Near {
    /// Of `units`, beside a network with a state of `width`.
    pub fn new(sees: Window, width: usize, units: usize, draw: &mut WeightDraw) -> Self {
        // Of a window some few keys sound: gains are larger than for dense inputs.
        Self {
            window: Linear::new(sees.len(), units, 1.5, draw),
            state: Linear::new(width, units, 0.6, draw).without_bias(),
            end: Linear::new(units, 1, 0.15, draw).without_bias(),
            sees,
        }
    }

    /// What is added to the logits of keys, `[n, 88]`, given the state `[n, width]`; `dropped` takes some of the units `[n * 88, units]`
    /// out.
    pub fn forward(
        &self,
        history: &[Frame],
        state: Tensor<2>,
        dropped: impl FnOnce(Tensor<2>) -> Tensor<2>,
        device: &Device,
    ) -> Tensor<2> {
        let [n, _] = state.dims();
        let seen = fused::from_vec(self.sees.of(history), [n * KEYS, self.sees.len()], device);
        let each: Vec<u32> = (0..n as u32).flat_map(|row| [row; KEYS]).collect();
        let state = fused::pick(self.state.forward(state, Activation::Identity), &each);
        let units = burn::tensor::activation::relu(self.window.forward(seen, Activation::Identity) + state);
        self.end.forward(dropped(units), Activation::Identity).reshape([n, KEYS])
    }

    /// Frames back that it sees.
    pub fn back(&self) -> usize {
        self.sees.back
    }

    /// The same weights on the host.
    pub fn player(&self) -> NearPlayer {
        let [window, state, end] = [&self.window, &self.state, &self.end].map(Affine::of);
        NearPlayer { window, state, end, sees: self.sees }
    }
}

/// A [`Near`] on the host.
#[derive(Debug)]
pub struct NearPlayer {
    window: Affine,
    state: Affine,
    end: Affine,
    sees: Window,
}

impl NearPlayer {
    /// As [`Near::forward`].
    pub(super) fn logits(&self, history: &[Frame], state: &[f32]) -> Vec<f32> {
        let mut units = self.window.apply(&self.sees.of(history));
        let state = self.state.apply(state);
        let width = state.len() / (history.len() / self.sees.back).max(1);
        for (keys, state) in units.chunks_exact_mut(KEYS * width).zip(state.chunks_exact(width)) {
            for unit in keys.chunks_exact_mut(width) {
                unit.iter_mut().zip(state).for_each(|(unit, state)| *unit = (*unit + state).max(0.0));
            }
        }
        self.end.apply(&units)
    }

    /// Frames back that it sees.
    pub(super) fn back(&self) -> usize {
        self.sees.back
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_sees_the_keys_around_it() {
        let window = Window { back: 2, reach: 2 };
        // Key 0 and key 3 in the last frame, key 87 in the one before.
        let seen = window.of(&[0b1001, 1 << 87]);
        assert_eq!(seen.len(), KEYS * window.len());
        let of = |key: usize| &seen[key * 10..(key + 1) * 10];
        assert_eq!(of(0), [0., 0., 1., 0., 0., 0., 0., 0., 0., 0.]);
        assert_eq!(of(2), [1., 0., 0., 1., 0., 0., 0., 0., 0., 0.]);
        assert_eq!(of(87), [0., 0., 0., 0., 0., 0., 0., 1., 0., 0.]);
        assert_eq!(of(85), [0., 0., 0., 0., 0., 0., 0., 0., 0., 1.]);
        let far = Window { back: 1, reach: MOST_REACH }.of(&[1 << 87]);
        assert_eq!(far.iter().sum::<f32>(), (MOST_REACH + 1) as f32);
    }

    #[test]
    fn music_that_is_moved_moves_what_is_said() {
        let device = Device::flex().autodiff();
        let near = Near::new(Window { back: 2, reach: 5 }, 3, 8, &mut WeightDraw::new(1, &device));
        let state = || fused::from_vec(vec![0.3, -0.2, 0.9], [1, 3], &device);
        let said = |history: &[Frame]| fused::to_vec(near.forward(history, state(), |x| x, &device));
        let (low, high) = (said(&[0b1_0010_0001 << 30, 0b11 << 33]), said(&[0b1_0010_0001 << 37, 0b11 << 40]));
        assert_eq!(low[..80], high[7..87]);
        assert!(low.iter().any(|value| *value != low[0]));
        let played = near.player().logits(&[0b1_0010_0001 << 30, 0b11 << 33], &[0.3, -0.2, 0.9]);
        assert!(played.iter().zip(&low).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
