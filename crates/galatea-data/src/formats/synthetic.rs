//! Series that are made up: `sines`, `waves` and `ar`, of which it is known what they are.
//!
//! Source: Yoon et al. 2019, "Time-series Generative Adversarial Networks", section 5.1: sines of random frequency and phase
//! in five channels, and an autoregression whose channels are correlated. `waves` are sines of higher frequencies.

use std::{f64::consts::TAU, sync::Arc};

use galatea_kernels::random::{Stream, fill_normal};

use super::{Format, plan};
use crate::{DataOptions, Dataset, Result, series::RawSeries, set::check_memory};

/// Series where nobody says how many, and moments of each.
const EXAMPLES: usize = 10_000;
const LENGTH: usize = 24;
const CHANNELS: usize = 5;
const SEED: u64 = 24;

/// A kind of made-up series.
pub(super) struct Synthetic {
    name: &'static str,
    summary: &'static str,
    examples: &'static [&'static str],
    /// Fills series number `i`, `[length, CHANNELS]`.
    draw: fn(u64, &mut [f32]),
}

pub(super) static SINES: Synthetic = Synthetic {
    name: "sines",
    summary: "made-up series: beginnings of slow sines in five channels, as TimeGAN is measured on",
    examples: &["sines"],
    draw: sines,
};

pub(super) static WAVES: Synthetic = Synthetic {
    name: "waves",
    summary: "made-up series: sines of up to four turns in five channels, each of a frequency and phase of its own",
    examples: &["waves"],
    draw: waves,
};

pub(super) static AR: Synthetic = Synthetic {
    name: "ar",
    summary: "made-up series: each moment 0.8 of the last and noise, alike in five channels",
    examples: &["ar"],
    draw: autoregression,
};

/// `sin(f t + phase)`, with `f` in radians a moment and the phase evenly drawn from [0, 0.1) for each channel: the numbers of
/// the authors' program, not those of their section 5.1, so that scores can be set beside theirs.
fn sines(number: u64, out: &mut [f32]) {
    sinusoids(number, out, |stream| [0.1 * stream.next_f64(), 0.1 * stream.next_f64()]);
}

/// The same with up to four turns a series, and a phase from a whole turn.
fn waves(number: u64, out: &mut [f32]) {
    const FASTEST: f64 = 4.0 * TAU / LENGTH as f64;
    sinusoids(number, out, |stream| [FASTEST * stream.next_f64(), TAU * stream.next_f64()]);
}

/// Of each channel radians a moment and the phase come from `draw`.
fn sinusoids(number: u64, out: &mut [f32], draw: impl Fn(&mut Stream) -> [f64; 2]) {
    let mut stream = Stream::new(SEED, number);
    let waves: Vec<[f64; 2]> = (0..CHANNELS).map(|_| draw(&mut stream)).collect();
    for (t, moment) in out.chunks_exact_mut(CHANNELS).enumerate() {
        for (value, [frequency, phase]) in moment.iter_mut().zip(&waves) {
            *value = (frequency * t as f64 + phase).sin() as f32;
        }
    }
}

/// `x_t = 0.8 x_{t-1} + e_t`, where the noise of channels has variance 1 and correlation 0.8; begun in its stationary state.
fn autoregression(number: u64, out: &mut [f32]) {
    const KEPT: f32 = 0.8;
    const SHARED: f32 = 0.8;
    let moments = out.len() / CHANNELS;
    let mut noise = vec![0.0; (moments + 1) * (CHANNELS + 1)];
    fill_normal(SEED, 1 << 32 | number, &mut noise);
    let mut last = [0.0; CHANNELS];
    // As large as after many moments.
    let begin = (1.0 - KEPT * KEPT).sqrt().recip();
    for (t, noise) in noise.chunks_exact(CHANNELS + 1).enumerate() {
        for (last, own) in last.iter_mut().zip(noise) {
            let draw = SHARED.sqrt() * noise[CHANNELS] + (1.0 - SHARED).sqrt() * own;
            *last = if t == 0 { begin * draw } else { KEPT * *last + draw };
        }
        if t > 0 {
            out[(t - 1) * CHANNELS..t * CHANNELS].copy_from_slice(&last);
        }
    }
}

impl Format for Synthetic {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn examples(&self) -> &'static [&'static str] {
        self.examples
    }

    fn names(&self) -> Vec<&'static str> {
        vec![self.name]
    }

    fn claims(&self, source: &str) -> bool {
        source == self.name
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        options.refuse_pictures(source, "series")?;
        let mut plan = plan(options)?;
        if plan.window == 0 {
            plan.window = LENGTH;
        }
        let (n, length) = (plan.limit.unwrap_or(EXAMPLES), plan.window);
        check_memory(n, 4 * length * CHANNELS, plan.memory_bytes)?;
        let piece = |number: usize| {
            let mut values = vec![0.0; length * CHANNELS];
            (self.draw)(number as u64, &mut values);
            values
        };
        let channels = (1..=CHANNELS).map(|channel| format!("x{channel}")).collect();
        let pieces = (0..n).map(piece).collect();
        RawSeries { name: self.name.to_owned(), channels, pieces, labels: None, notes: Vec::new() }.finish(&plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autoregressions_have_the_moments_of_their_definition() {
        let mut all = vec![0.0; 4_000 * LENGTH * CHANNELS];
        all.chunks_exact_mut(LENGTH * CHANNELS).enumerate().for_each(|(i, out)| autoregression(i as u64, out));
        let mean_of = |f: &dyn Fn(&[f32]) -> f64| all.chunks_exact(LENGTH * CHANNELS).map(f).sum::<f64>() / 4_000.0;
        let product = |a: usize, b: usize| mean_of(&|x: &[f32]| f64::from(x[a]) * f64::from(x[b]));
        // Variance 1 / (1 - 0.64), at the first moment and the last; 0.8 of it to the next moment and to another channel.
        let variance = 1.0 / 0.36;
        let last = (LENGTH - 1) * CHANNELS;
        for (a, b, expected) in [
            (0, 0, variance),
            (last + 2, last + 2, variance),
            (last, last + 1, 0.8 * variance),
            (7, 7 + CHANNELS, 0.8 * variance),
            (7, 8 + CHANNELS, 0.64 * variance),
        ] {
            assert!((product(a, b) - expected).abs() < 0.12 * variance, "{a} {b}: {}, not {expected}", product(a, b));
        }
    }

    #[test]
    fn sines_are_sines() {
        for (draw, number) in [(sines as fn(u64, &mut [f32]), 3), (waves, 3), (waves, 4)] {
            let mut one = vec![0.0; LENGTH * CHANNELS];
            draw(number, &mut one);
            // A sine is told by three of its values: the neighbours' sum is a fixed multiple of it.
            for channel in 0..CHANNELS {
                let x: Vec<f64> = one.iter().skip(channel).step_by(CHANNELS).map(|x| f64::from(*x)).collect();
                let at = (1..LENGTH - 1).max_by(|a, b| x[*a].abs().total_cmp(&x[*b].abs())).unwrap();
                let twice = (x[at - 1] + x[at + 1]) / x[at];
                assert!(
                    (1..LENGTH - 1).all(|t| (x[t - 1] + x[t + 1] - twice * x[t]).abs() < 1e-4),
                    "channel {channel}"
                );
            }
        }
        // The first moment is the sine of the phase, and the last of less than 2.4 radians.
        let mut one = vec![0.0; LENGTH * CHANNELS];
        sines(3, &mut one);
        assert!(one[..CHANNELS].iter().all(|x| (0.0..0.1).contains(x)) && one.iter().all(|x| *x >= 0.0));
    }
}
