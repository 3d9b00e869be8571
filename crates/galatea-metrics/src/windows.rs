//! What metrics of series share: windows on a common scale, and their parts.

use std::ops::Range;

use galatea_models::probe::Windows;

use crate::points::Points;

/// Windows in single precision, `[n, length, channels]`.
pub(crate) struct Scaled {
    values: Vec<f32>,
    shape: [usize; 2],
}

impl Scaled {
    /// Each number less the first of its channel's pair, divided by the second.
    pub(crate) fn new(points: &Points, scale: &[[f64; 2]]) -> Self {
        let channels = channels(points);
        let mut values = Vec::with_capacity(points.rows() * points.width());
        for i in 0..points.rows() {
            let row = points.row(i).into_iter().enumerate();
            values.extend(row.map(|(at, value)| {
                let [centre, size] = scale[at % channels];
                ((value - centre) / size) as f32
            }));
        }
        Self { values, shape: [points.width() / channels, channels] }
    }

    pub(crate) fn all(&self) -> Windows<'_> {
        Windows { values: &self.values, shape: self.shape }
    }

    /// Some of the windows.
    pub(crate) fn range(&self, range: Range<usize>) -> Windows<'_> {
        let size = self.shape[0] * self.shape[1];
        Windows { values: &self.values[range.start * size..range.end * size], shape: self.shape }
    }
}

/// Numbers of a moment; of what are no windows, 1.
pub(crate) fn channels(points: &Points) -> usize {
    points.channels().unwrap_or(1).max(1)
}

/// Mean and deviation of each channel; 1 for a deviation of 0.
pub(crate) fn moments(points: &Points) -> Vec<[f64; 2]> {
    of_channels(points, |values| {
        let (mean, deviation) = crate::metric::mean_and_deviation(values);
        [mean, if deviation > 0.0 { deviation } else { 1.0 }]
    })
}

/// Least value and range of each channel; 1 for a range of 0.
pub(crate) fn ranges(points: &Points) -> Vec<[f64; 2]> {
    of_channels(points, |values| {
        let (low, high) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
        [low, if high > low { high - low } else { 1.0 }]
    })
}

fn of_channels(points: &Points, f: impl Fn(&[f64]) -> [f64; 2]) -> Vec<[f64; 2]> {
    let channels = channels(points);
    let mut values = vec![Vec::with_capacity(points.rows() * points.width() / channels); channels];
    for i in 0..points.rows() {
        points.row(i).into_iter().enumerate().for_each(|(at, value)| values[at % channels].push(value));
    }
    values.iter().map(|values| f(values)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use galatea_data::HostTensor;
    use galatea_kernels::random::fill_normal;

    use super::*;

    /// `n` windows of so many moments of an autoregression in two channels: each moment `kept` of the one before, and noise; of
    /// variance 1 in the first channel, of 100 about 50 in the second.
    pub(crate) fn autoregression(n: usize, length: usize, kept: f32, seed: u64) -> Points {
        let mut noise = vec![0.0; n * length * 2];
        fill_normal(seed, 3, &mut noise);
        let own = (1.0 - kept * kept).sqrt();
        let mut values = Vec::with_capacity(noise.len());
        for window in noise.chunks_exact(length * 2) {
            let mut last = [0.0f32; 2];
            for (t, moment) in window.chunks_exact(2).enumerate() {
                for (last, noise) in last.iter_mut().zip(moment) {
                    *last = if t == 0 { *noise } else { kept * *last + own * noise };
                }
                values.extend([last[0], 50.0 + 10.0 * last[1]]);
            }
        }
        Points::single(HostTensor::new([n, length, 2], values)).unwrap()
    }

    #[test]
    fn scales_are_of_channels() {
        let points = autoregression(400, 6, 0.5, 1);
        let [[mean, deviation], [other, size]] = moments(&points)[..] else { panic!() };
        assert!(mean.abs() < 0.1 && (deviation - 1.0).abs() < 0.1, "{mean} {deviation}");
        assert!((other - 50.0).abs() < 1.0 && (size - 10.0).abs() < 1.0, "{other} {size}");
        let scaled = Scaled::new(&points, &ranges(&points));
        let all = scaled.all();
        assert!(all.values.iter().all(|value| (-1e-6..=1.000_001).contains(value)) && all.len() == 400);
        let [before, after] = [0..100, 100..400].map(|range| scaled.range(range));
        assert_eq!((before.len(), after.len(), after.values[0]), (100, 300, all.values[1_200]));
    }
}
