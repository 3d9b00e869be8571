//! Discriminative score: how far above chance a recurrent network, trained to tell samples from real windows, is right about others
//! of them: 0 is best, 0.5 worst.
//!
//! Paper: Yoon et al. 2019, "Time-series Generative Adversarial Networks", section 5.1.
//! Differs: the network is that of `galatea_models::probe`; real windows are split by their order, not at random, as windows that
//! overlap would be known again; both sets count alike; the mean of two networks, whose accuracies below one half weigh against
//! those above it.

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
    Ok(anew(sets, |samples, real| Ok(vec![score(samples, real)])))
}

/// The score, from four fifths of each set about the fifth that is left: the last one, and then the first.
fn score(samples: &Points, real: &Points) -> f64 {
    let scale = moments(real);
    let sets = [real, samples].map(|points| Scaled::new(points, &scale));
    let sum: f64 = (0..NETWORKS)
        .map(|network| {
            crate::progress::tell(|| format!("a network learns to tell samples from real windows: {}", network + 1));
            let [real, samples] = sets.each_ref().map(|set| {
                let fifth = (set.all().len() / 5).max(1);
                match network % 2 {
                    0 => set.split(set.all().len() - fifth),
                    _ => {
                        let [judge, learn] = set.split(fifth);
                        [learn, judge]
                    }
                }
            });
            accuracy([real[0], samples[0]], [real[1], samples[1]], SEED + network) - 0.5
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
        let same = score(&autoregression(500, 10, 0.8, 2), &real);
        assert!(same < 0.06, "{same}");
        // The same values at every moment, but nothing lasts: only a network that sees several moments tells.
        let noise = score(&autoregression(500, 10, 0.0, 3), &real);
        assert!(noise > 0.35, "{noise}");
    }
}
