//! Diversity: the mean distance between samples. Collapse onto few modes, or onto one, lowers it.
//!
//! Paper: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", arXiv:1801.03924, for
//! distances of features as distances of pictures; means over pairs of samples: Zhu et al. 2017, "Toward Multimodal
//! Image-to-Image Translation", arXiv:1711.11586, section 5.1.
//! Differs: Euclidean distances of one layer of features, without weights; all pairs of at most 2,000 samples, drawn at random.

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, anew};
use crate::points::{Points, shuffled};
use crate::products::map;

/// Samples whose pairs are looked at.
const MOST: usize = 2_000;

/// Diversity as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "diversity",
        better: Better::LikeReal,
        meaning: "mean distance between two samples; falls when modes are lost",
    }],
    needs: Needs { space: Space::Features, train: false, least: 2 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    Ok(anew(sets, |samples, _| Ok(vec![diversity(samples)])))
}

/// The mean distance between two points; 0 for a single one.
pub fn diversity(points: &Points) -> f64 {
    let order = shuffled(points.rows(), 0xd1f, 0);
    let order = &order[..order.len().min(MOST)];
    let line = |i: usize| order[..i].iter().map(|j| points.squared_distance(order[i], points, *j).sqrt()).sum::<f64>();
    let pairs = order.len() * (order.len() - 1) / 2;
    map(order.len(), line).iter().sum::<f64>() / pairs.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    #[test]
    fn samples_at_known_distances() {
        let square = Points::double(2, vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]).unwrap();
        assert!((diversity(&square) - (4.0 + 2.0 * 2f64.sqrt()) / 6.0).abs() < 1e-12);
        assert_eq!(diversity(&Points::double(3, vec![2.0; 30]).unwrap()), 0.0);
        // The distance of two points of N(0, I) in many dimensions is about the root of twice their number.
        let value = diversity(&normal(2_500, 200, 1, 0.0, 1.0));
        assert!((value - 20.0).abs() < 0.1, "{value}");
    }
}
