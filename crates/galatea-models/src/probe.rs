//! Small recurrent networks that judge series: one tells two sets of windows apart, one tells the next moment.
//!
//! Paper: Yoon et al. 2019, "Time-series Generative Adversarial Networks", section 5, discriminative and predictive score;
//! Esteban et al. 2017, "Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs", arXiv:1706.02633,
//! section 4.2 (training on synthetic and testing on real data).
//! Differs: two layers of GRU with four units for each channel, 8 to 48; so many steps that the effort is bounded.

use burn::module::Module;
use burn::prelude::*;
use galatea_kernels::Activation;
use galatea_kernels::burn::{from_vec, softplus_mean, to_vec};
use galatea_kernels::random::Stream;

use crate::nn::layers::Linear;
use crate::nn::noise::WeightDraw;
use crate::nn::optimizer::{Adam, Optimized};
use crate::nn::recurrent::{Stack, Unit};

/// Windows in a step, and windows that are judged at a time.
const BATCH: usize = 64;
/// Passes over the windows, if that is within the number of steps.
const PASSES: usize = 60;
const STEPS: std::ops::RangeInclusive<usize> = 60..=600;
/// Multiplications that all steps may take, down to the least number of steps.
const EFFORT: f64 = 2e10;
const RATE: f64 = 5e-3;

/// Windows of series on a common scale, `[n, length, channels]`.
#[derive(Clone, Copy, Debug)]
pub struct Windows<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Moments and channels of a window.
    pub shape: [usize; 2],
}

impl Windows<'_> {
    /// Number of windows.
    pub fn len(&self) -> usize {
        self.values.len() / (self.shape[0] * self.shape[1]).max(1)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moments `times` of some windows, time first.
    fn steps(&self, chosen: &[usize], times: std::ops::Range<usize>, device: &Device) -> Tensor<3> {
        let [length, channels] = self.shape;
        let of = |t: usize, i: usize| &self.values[(i * length + t) * channels..(i * length + t + 1) * channels];
        let count = times.len();
        let values = times.flat_map(|t| chosen.iter().flat_map(move |i| of(t, *i))).copied().collect();
        from_vec(values, [count, chosen.len(), channels], device)
    }
}

#[derive(Module, Debug)]
struct Network {
    stack: Stack,
    head: Linear,
}

impl Network {
    fn new([inputs, outputs]: [usize; 2], seed: u64, device: &Device) -> Self {
        let hidden = (4 * inputs).clamp(8, 48);
        let mut draw = WeightDraw::new(seed, device);
        let stack = Stack::new(Unit::Gru, [inputs, hidden, 2], &mut draw);
        Self { stack, head: Linear::new(hidden, outputs, 1.0, &mut draw) }
    }

    /// Numbers after every moment, `[time * n, outputs]`, time first.
    fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let y = self.stack.forward(x);
        let [time, n, hidden] = y.dims();
        self.head.forward(y.reshape([time * n, hidden]), Activation::Identity)
    }

    /// A logit after the last moment, `[n, 1]`.
    fn logits(&self, x: Tensor<3>) -> Tensor<2> {
        let y = self.stack.forward(x);
        let [time, n, hidden] = y.dims();
        self.head.forward(y.narrow(0, time - 1, 1).reshape([n, hidden]), Activation::Identity)
    }
}

/// Trains by `loss`, which is told which windows are in a step.
fn trained(
    network: Network,
    count: usize,
    [length, inputs]: [usize; 2],
    seed: u64,
    loss: impl Fn(&Network, &[usize]) -> Tensor<1>,
) -> Network {
    let adam = Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, clip: 1.0, history: 0.0 };
    let mut network = Optimized::new(network, adam);
    let batch = BATCH.min(count);
    let hidden = (4 * inputs).clamp(8, 48);
    let effort = (9 * batch * length * hidden * (inputs + 3 * hidden)) as f64;
    let wanted = (PASSES * count).div_ceil(batch).min((EFFORT / effort) as usize);
    let steps = wanted.clamp(*STEPS.start(), *STEPS.end());
    let mut order: Vec<usize> = (0..count).collect();
    let (mut at, mut round) = (count, 0);
    for step in 0..steps {
        if at + batch > count {
            Stream::new(seed, round).shuffle(&mut order);
            (at, round) = (0, round + 1);
        }
        let loss = loss(&network, &order[at..at + batch]);
        at += batch;
        network.descend(loss, RATE * (1.0 - step as f64 / steps as f64));
    }
    network.valid()
}

/// How often a network that has learnt from `learn`, real windows and others, is right about `judge`, of which the same.
///
/// # Panics
/// If a set is empty.
pub fn accuracy(learn: [Windows<'_>; 2], judge: [Windows<'_>; 2], seed: u64) -> f64 {
    let device = Device::flex().autodiff();
    let shape = learn[0].shape;
    let network = Network::new([shape[1], 1], seed, &device);
    let count = learn[0].len().min(learn[1].len());
    assert!(count > 0 && judge.iter().all(|set| !set.is_empty()), "there are windows to learn from and to judge");
    let network = trained(network, count, shape, seed, |network, chosen| {
        let logits = learn.map(|set| {
            // Evenly over the larger set.
            let chosen: Vec<usize> = chosen.iter().map(|i| i * set.len() / count).collect();
            network.logits(set.steps(&chosen, 0..shape[0], &device))
        });
        let [real, other] = logits;
        softplus_mean(real, -1.0) + softplus_mean(other, 1.0)
    });
    let device = device.without_autodiff();
    let right = |at: usize| {
        let set = &judge[at];
        let all: Vec<usize> = (0..set.len()).collect();
        let count = |chosen: &[usize]| {
            let logits = to_vec(network.logits(set.steps(chosen, 0..shape[0], &device)));
            logits.iter().filter(|logit| (**logit > 0.0) == (at == 0)).count()
        };
        all.chunks(8 * BATCH).map(count).sum::<usize>() as f64 / all.len() as f64
    };
    0.5 * (right(0) + right(1))
}

/// The mean absolute error in telling each moment of `judge` from those before it, by a network that has learnt from `learn`; of
/// windows of a single moment, of telling it from nothing.
///
/// # Panics
/// If a set is empty.
pub fn prediction_error(learn: Windows<'_>, judge: Windows<'_>, seed: u64) -> f64 {
    let device = Device::flex().autodiff();
    let [length, channels] = learn.shape;
    assert!(!learn.is_empty() && !judge.is_empty(), "there are windows to learn from and to judge");
    // What comes before the first moment is nothing: zeros.
    let before = |set: &Windows<'_>, chosen: &[usize], device: &Device| match length {
        1 => Tensor::zeros([1, chosen.len(), channels], device),
        _ => set.steps(chosen, 0..length - 1, device),
    };
    let after = |set: &Windows<'_>, chosen: &[usize], device: &Device| {
        let times = if length == 1 { 0..1 } else { 1..length };
        let rows = times.len() * chosen.len();
        set.steps(chosen, times, device).reshape([rows, channels])
    };
    let network = Network::new([channels, channels], seed, &device);
    let network = trained(network, learn.len(), learn.shape, seed, |network, chosen| {
        (network.forward(before(&learn, chosen, &device)) - after(&learn, chosen, &device)).abs().mean()
    });
    let device = device.without_autodiff();
    let all: Vec<usize> = (0..judge.len()).collect();
    let errors = |chosen: &[usize]| -> f64 {
        let apart = network.forward(before(&judge, chosen, &device)) - after(&judge, chosen, &device);
        to_vec(apart).iter().map(|apart| f64::from(apart.abs())).sum()
    };
    let told = judge.len() * (length - 1).max(1) * channels;
    all.chunks(8 * BATCH).map(errors).sum::<f64>() / told as f64
}
