//! Classifier two-sample test: how often the nearest other example tells whether an example is real; 0.5 if nothing does.
//!
//! Paper: Lopez-Paz and Oquab 2017, "Revisiting Classifier Two-Sample Tests", arXiv:1610.06545; with the nearest neighbour as
//! classifier, each example left out in turn: Xu et al. 2018, "An empirical study on evaluation metrics of generative
//! adversarial networks", arXiv:1806.07755, section 2.
//! Differs: where a sample and a real example are equally near, half a hit is counted. Both sets are brought to the size of
//! the smaller one by leaving out some at random.

use std::cmp::Ordering;

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, anew};
use crate::neighbours::{Neighbour, nearest_mutual, nearest_others};
use crate::points::{Points, shuffled};

/// The test's accuracy as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "two-sample-1nn",
        better: Better::LikeReal,
        meaning: "accuracy of a nearest neighbour in telling both apart: 0.5 if it cannot",
    }],
    needs: Needs { space: Space::Features, train: false, least: 2 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    Ok(anew(sets, |samples, real| Ok(vec![accuracy(samples, real)?])))
}

/// The share of points whose nearest other point is of their own set, in `[0, 1]`; below 0.5 where samples are copies of real
/// examples.
///
/// # Errors
/// If the sets are of different widths.
pub fn accuracy(a: &Points, b: &Points) -> Result<f64> {
    a.like(b)?;
    let n = a.rows().min(b.rows());
    let cut = |set: &Points| {
        let rows = (set.rows() > n).then(|| shuffled(set.rows(), 0xc257, 0));
        set.choose(rows.as_ref().map(|rows| &rows[..n])).into_owned()
    };
    let (a, b) = (cut(a), cut(b));
    let [from_a, from_b] = nearest_mutual(&a, &b, 1);
    let reach = |list: &Vec<Neighbour>| list.first().map_or(f64::INFINITY, |neighbour| neighbour.distance);
    let hits = |own: Vec<Vec<Neighbour>>, other: Vec<Vec<Neighbour>>| -> f64 {
        let hit = |(own, other): (&Vec<Neighbour>, &Vec<Neighbour>)| match reach(own).total_cmp(&reach(other)) {
            Ordering::Less => 1.0,
            Ordering::Equal => 0.5,
            Ordering::Greater => 0.0,
        };
        own.iter().zip(&other).map(hit).sum()
    };
    Ok((hits(nearest_others(&a, 1), from_a) + hits(nearest_others(&b, 1), from_b)) / (2 * n) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    #[test]
    fn equal_distributions_cannot_be_told_apart_others_can_and_copies_mislead() {
        let real = normal(800, 5, 1, 0.0, 1.0);
        let same = accuracy(&normal(1_000, 5, 2, 0.0, 1.0), &real).unwrap();
        assert!((same - 0.5).abs() < 0.05, "{same}");
        assert_eq!(accuracy(&normal(800, 5, 3, 50.0, 1.0), &real).unwrap(), 1.0);
        assert_eq!(accuracy(&real, &real).unwrap(), 0.0);
        let point = Points::double(2, vec![1.0; 20]).unwrap();
        assert_eq!(accuracy(&point, &point).unwrap(), 0.5);
    }
}
