//! Realism of single samples: `max over real x of radius(x) / |sample - x|`, where `radius` reaches to the k-th neighbour; 1 or
//! more among real examples, less the further away.
//!
//! Paper: Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing Generative Models",
//! arXiv:1904.06991, equation 3.
//! Differs: as a metric it is the median over the samples, which copies, of infinite realism, do not move.

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, anew};
use crate::neighbours::{nearest_by, radii};
use crate::points::Points;
use crate::prdc::NEIGHBOURS;

/// The median realism as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "realism-k5",
        better: Better::Higher,
        meaning: "median realism of single samples: 1 or more lies among real examples",
    }],
    needs: Needs { space: Space::Features, train: false, least: NEIGHBOURS + 1 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    Ok(anew(sets, |samples, real| Ok(vec![median(realism(real, samples, NEIGHBOURS)?)])))
}

/// The realism of each sample by `k` neighbours of real examples, of which the half with larger balls is left out, as the
/// paper says: they are where data are rare. Infinite for a copy, 0 where no ball has a size.
///
/// # Errors
/// If the sets are of different widths.
pub fn realism(real: &Points, samples: &Points, k: usize) -> Result<Vec<f64>> {
    real.like(samples)?;
    let radii = radii(real, k);
    let middle = median(radii.clone());
    // Nothing but its own place lies in a ball of no size; its weight would be infinite.
    let kept: Vec<usize> = (0..real.rows()).filter(|i| radii[*i] <= middle && radii[*i] > f64::MIN_POSITIVE).collect();
    if kept.is_empty() {
        return Ok(vec![0.0; samples.rows()]);
    }
    let weights: Vec<f64> = kept.iter().map(|i| 1.0 / radii[*i]).collect();
    let nearest = nearest_by(samples, &real.select(&kept), &weights, 1);
    let squares = nearest.iter().map(|list| list.first().map_or(f64::INFINITY, |neighbour| neighbour.distance));
    Ok(squares.map(|square| 1.0 / square.sqrt()).collect())
}

/// The middle value, the lower one of two.
fn median(mut values: Vec<f64>) -> f64 {
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    #[test]
    fn agrees_with_the_definition() {
        let (real, samples) = (normal(200, 4, 1, 0.0, 1.0), normal(50, 4, 2, 0.5, 1.0));
        let radii = radii(&real, 3);
        let mut sorted = radii.clone();
        sorted.sort_by(f64::total_cmp);
        let values = realism(&real, &samples, 3).unwrap();
        for (j, value) in values.iter().enumerate() {
            let kept = (0..200).filter(|i| radii[*i] <= sorted[99]);
            let best = kept.map(|i| (radii[i] / samples.squared_distance(j, &real, i)).sqrt()).fold(0.0, f64::max);
            assert!((value - best).abs() < 1e-12 * best, "{value} {best}");
        }
    }

    #[test]
    fn copies_are_real_beyond_measure_and_strangers_hardly() {
        let real = normal(200, 4, 1, 0.0, 1.0);
        let far = Points::double(4, vec![100.0; 4]).unwrap();
        assert!(realism(&real, &far, 5).unwrap()[0] < 0.05);
        assert!(realism(&real, &real, 5).unwrap().iter().filter(|value| value.is_infinite()).count() >= 100);
        let point = Points::double(2, vec![1.0; 40]).unwrap();
        assert_eq!(realism(&point, &point, 5).unwrap(), vec![0.0; 20]);
    }
}
