//! Autocorrelation distance: the root of the mean squared difference between the autocorrelations of samples and of real windows,
//! over channels and lags.
//!
//! Paper: Wiese et al. 2020, "Quant GANs: Deep Generation of Financial Time Series", arXiv:1907.06673, section 7.2 (ACF score).
//! Differs: the mean over lags and channels and not the sum, so that windows of other lengths compare; lags up to half of a
//! window; mean and variance are of a channel over all windows.

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, anew};
use crate::points::Points;
use crate::windows::{channels, moments};

/// The distance as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "autocorrelation",
        better: Better::Lower,
        meaning: "how far autocorrelations are from those of real windows, root mean square",
    }],
    needs: Needs { space: Space::Windows, train: false, least: 2 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    sets.samples.like(sets.real)?;
    Ok(anew(sets, |samples, real| Ok(vec![distance(samples, real)])))
}

/// The root of the mean squared difference, over channels and lags; 0 for windows of one moment.
pub fn distance(samples: &Points, real: &Points) -> f64 {
    let (a, b) = (autocorrelations(samples), autocorrelations(real));
    let squares: f64 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
    (squares / a.len().max(1) as f64).sqrt()
}

/// Of each lag from 1 to half of a window, and of each channel: the mean product of values so far apart, over the variance.
pub fn autocorrelations(points: &Points) -> Vec<f64> {
    let (channels, scale) = (channels(points), moments(points));
    let length = points.width() / channels;
    let lags = (length / 2).max(usize::from(length > 1));
    let mut sums = vec![0.0; lags * channels];
    for i in 0..points.rows() {
        let row = points.row(i);
        let value = |t: usize, channel: usize| {
            let [mean, deviation] = scale[channel];
            (row[t * channels + channel] - mean) / deviation
        };
        for (at, sum) in sums.iter_mut().enumerate() {
            let (lag, channel) = (at / channels + 1, at % channels);
            *sum += (lag..length).map(|t| value(t, channel) * value(t - lag, channel)).sum::<f64>();
        }
    }
    let pairs = |lag: usize| (points.rows() * (length - lag)) as f64;
    sums.iter().enumerate().map(|(at, sum)| sum / pairs(at / channels + 1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::tests::autoregression;

    #[test]
    fn autoregressions_have_the_powers_of_what_they_keep() {
        let points = autoregression(3_000, 12, 0.8, 1);
        let found = autocorrelations(&points);
        assert_eq!(found.len(), 6 * 2);
        for (at, found) in found.iter().enumerate() {
            let expected = 0.8f64.powi((at / 2 + 1) as i32);
            assert!((found - expected).abs() < 0.03, "lag {}: {found}, not {expected}", at / 2 + 1);
        }
        let same = distance(&autoregression(3_000, 12, 0.8, 2), &points);
        // Noise has none: what is left is the root of the mean of the squared powers.
        let mean = (1..=6).map(|lag| 0.8f64.powi(2 * lag)).sum::<f64>() / 6.0;
        let other = distance(&autoregression(3_000, 12, 0.0, 3), &points);
        assert!(same < 0.02 && (other - mean.sqrt()).abs() < 0.03, "{same} {other}");
        assert_eq!(distance(&autoregression(9, 1, 0.0, 3), &autoregression(9, 1, 0.0, 4)), 0.0);
    }
}
