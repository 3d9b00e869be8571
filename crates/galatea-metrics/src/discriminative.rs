//! Discriminative score: how far above chance a recurrent network, trained to tell samples from real windows, is right about others
//! of them: 0 is best, 0.5 worst.
//!
//! Paper: Yoon et al. 2019, "Time-series Generative Adversarial Networks", section 5.1.
//! Differs: the network is that of `galatea_models::probe`; it learns to tell samples from windows of the training set, as in the
//! paper, and is asked about others that were held back, which share no moment with them. Where there is no training set, real windows
//! are split by their order, and those that share moments with what is asked about are not learnt from. Both sets count alike; the mean of
//! two networks, whose accuracies below one half weigh against those above it.

use galatea_models::probe::accuracy;

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, anew};
use crate::points::Points;
use crate::windows::{Scaled, moments};

/// The score as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "discriminative",
        better: Better::Lower,
        meaning: "how far above chance a trained network tells samples from real: 0 to 0.5",
    }],
    needs: Needs { space: Space::Learnt, train: false, least: 10 },
    prepare,
};

/// Networks, and their first seed.
const NETWORKS: u64 = 2;
const SEED: u64 = 0xd15c;

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    sets.samples.like(sets.real)?;
    sets.train.map_or(Ok(()), |train| train.like(sets.real))?;
    Ok(anew(sets, move |samples, real| Ok(vec![score(samples, real, sets.train)])))
}

/// The score. Four fifths of the samples are learnt from, and the fifth that is left is asked about: the last one, and then the first.
/// Where there is no training set the same is done to real windows, but for a gap of those that overlap the fifth, from which at least
/// as many are left as are asked about.
fn score(samples: &Points, real: &Points, train: Option<&Points>) -> f64 {
    let scale = moments(real);
    let [scaled_real, scaled_samples] = [real, samples].map(|points| Scaled::new(points, &scale));
    let learnt = train.map(|train| {
        // The last ones: real windows that are judged in the place of samples are the first.
        let count = train.rows().min(samples.rows());
        Scaled::new(&train.select(&(train.rows() - count..train.rows()).collect::<Vec<_>>()), &scale)
    });
    let sum: f64 = (0..NETWORKS)
        .map(|network| {
            crate::progress::tell(|| format!("a network learns to tell samples from real windows: {}", network + 1));
            let split = |set: &Scaled, overlap: usize| {
                let n = set.all().len();
                let fifth = (n / 5).max(1);
                let learnt = (n - fifth).saturating_sub(overlap).max(fifth).min(n - fifth);
                match network % 2 {
                    0 => [0..learnt, n - fifth..n],
                    _ => [n - learnt..n, 0..fifth],
                }
            };
            let [seen, asked] = split(&scaled_samples, 0).map(|range| scaled_samples.range(range));
            let [known, unknown] = match &learnt {
                Some(learnt) => [learnt.all(), scaled_real.all()],
                None => split(&scaled_real, real.overlap()).map(|range| scaled_real.range(range)),
            };
            accuracy([known, seen], [unknown, asked], SEED + network) - 0.5
        })
        .sum();
    (sum / NETWORKS as f64).abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::tests::autoregression;

    #[test]
    fn equal_series_cannot_be_told_apart_and_other_ones_can() {
        let real = autoregression(500, 10, 0.8, 1);
        for train in [None, Some(&autoregression(800, 10, 0.8, 4))] {
            let same = score(&autoregression(500, 10, 0.8, 2), &real, train);
            assert!(same < 0.06, "{same}");
            // The same values at every moment, but nothing lasts: only a network that sees several moments tells.
            let noise = score(&autoregression(500, 10, 0.0, 3), &real, train);
            assert!(noise > 0.35, "{noise}");
        }
    }

    #[test]
    fn windows_that_overlap_are_not_known_again() {
        // Stretches of one process, cut at every moment: were what is asked about seen before, the networks would tell its numbers.
        let cut = |seed| {
            let series = autoregression(1, 180, 0.95, seed).row(0);
            let windows = (0..180 - 24 + 1).flat_map(|at| series[2 * at..2 * (at + 24)].to_vec());
            let values: Vec<f32> = windows.map(|value| value as f32).collect();
            Points::single(galatea_data::HostTensor::new([values.len() / 48, 24, 2], values)).unwrap()
        };
        let mean = |overlap: usize| -> f64 {
            let score = |seed: u64| score(&cut(2 * seed), &cut(2 * seed + 1).with_overlap(overlap), None);
            (0..4u64).map(score).sum::<f64>() / 4.0
        };
        let (leaky, fair) = (mean(0), mean(23));
        assert!(fair < leaky, "{fair} {leaky}");
    }
}
