//! Inception Score: `exp(mean of KL(p(y|x) || p(y)))`: high when samples are clear and of many classes. It asks for nothing of
//! real data, which is its weakness.
//!
//! Paper: Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498, section 4.
//! Differs: the classifier is that of the features, not Inception; as in torch-fidelity the score is the mean over ten parts
//! of the samples in a random order (seed 2020), or of all where there are fewer than 100.

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, anew, mean_and_deviation};
use crate::order::RandomState;
use crate::points::Points;

const PARTS: usize = 10;
/// With fewer samples, parts would hold too few to have classes.
const LEAST: usize = 100;
const SEED: u32 = 2020;

/// The Inception Score as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "inception-score",
        better: Better::Higher,
        meaning: "Inception Score: are samples clear, and of many classes?",
    }],
    needs: Needs { space: Space::Probabilities, train: false, least: 2 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    Ok(anew(sets, |samples, _| {
        let parts = if samples.rows() < LEAST { 1 } else { PARTS };
        Ok(vec![inception_score(samples, parts).0])
    }))
}

/// The score of class probabilities `[n, classes]`, and its standard deviation over the parts.
///
/// # Panics
/// If there are more parts than samples, or none.
pub fn inception_score(probabilities: &Points, parts: usize) -> (f64, f64) {
    let (n, classes) = (probabilities.rows(), probabilities.width());
    assert!((1..=n).contains(&parts), "{parts} parts of {n} samples");
    let order = RandomState::new(SEED).permutation(n);
    let mut row = vec![0.0; classes];
    let scores: Vec<f64> = (0..parts)
        .map(|part| {
            let part = &order[part * n / parts..(part + 1) * n / parts];
            let (mut mean, mut own) = (vec![0.0; classes], 0.0);
            for i in part {
                probabilities.write_row(*i, &mut row);
                mean.iter_mut().zip(&row).for_each(|(sum, p)| *sum += p / part.len() as f64);
                own += row.iter().map(|p| times_log(*p)).sum::<f64>() / part.len() as f64;
            }
            // The mean of sums of p (ln p - ln q) is that of p ln p, less q ln q.
            (own - mean.iter().map(|q| times_log(*q)).sum::<f64>()).exp()
        })
        .collect();
    mean_and_deviation(&scores)
}

/// `p ln p`, 0 at 0.
fn times_log(p: f64) -> f64 {
    if p > 0.0 { p * p.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sure_of(labels: impl Iterator<Item = usize>) -> Points {
        let rows = labels.flat_map(|label| (0..10).map(move |class| f64::from(u8::from(class == label))));
        Points::double(10, rows.collect()).unwrap()
    }

    #[test]
    fn clear_samples_of_all_classes_score_as_many_as_there_are() {
        let (score, deviation) = inception_score(&sure_of((0..500).map(|i| i % 10)), 1);
        assert!((score - 10.0).abs() < 1e-9 && deviation == 0.0, "{score}");
        let (lost, _) = inception_score(&sure_of((0..500).map(|i| i % 3)), 1);
        assert!((lost - 3.0).abs() < 1e-2, "{lost}");
        let unclear = Points::double(10, vec![0.1; 500]).unwrap();
        assert!((inception_score(&unclear, 5).0 - 1.0).abs() < 1e-12);
    }
}
