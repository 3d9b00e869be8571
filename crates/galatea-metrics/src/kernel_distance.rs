//! Kernel distance: the squared maximum mean discrepancy under the kernel `(x.y / d + 1)^3`, without bias: the mean over
//! random parts of 1,000 of each set.
//!
//! Paper: Bińkowski et al. 2018, "Demystifying MMD GANs", arXiv:1801.01401, section 4 (KID); Gretton et al. 2012, "A Kernel
//! Two-Sample Test", lemma 6, equation 3.
//! Differs: in nothing; the parts are the 100 that torch-fidelity draws (seed 2020), or all of both sets where neither has
//! more than a part. May be a little below zero, as nothing without bias can help when both sets are alike.

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, mean_and_deviation};
use crate::order::RandomState;
use crate::points::Points;
use crate::products::{Centre, Centred, Pairs, map};

/// Random parts.
const PARTS: usize = 100;
/// Points of each set in a part.
const PART: usize = 1_000;
/// What the orders of points start from.
const SEED: u32 = 2020;

/// The kernel distance as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "kernel-distance",
        better: Better::Lower,
        meaning: "kernel distance (KID): are the features' distributions alike? without bias",
    }],
    needs: Needs { space: Space::Features, train: false, least: 2 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    let (centre, [samples, real]) = lift([sets.samples, sets.real]);
    Ok(Box::new(move |choice| {
        let some = choice.samples.map(|rows| samples.select(rows));
        let others = choice.real.map(|rows| real.select(rows));
        let values = parts(some.as_ref().unwrap_or(&samples), others.as_ref().unwrap_or(&real), &centre);
        Ok(vec![mean_and_deviation(&values).0])
    }))
}

/// The kernel distance of samples from real examples, and the standard deviation over the random parts.
///
/// # Errors
/// If the sets are of different widths.
pub fn kernel_distance(samples: &Points, real: &Points) -> Result<(f64, f64)> {
    samples.like(real)?;
    let (centre, [samples, real]) = lift([samples, real]);
    Ok(mean_and_deviation(&parts(&samples, &real, &centre)))
}

/// Points about a centre, and for each what makes an inner product about zero of one about the centre.
struct Lifted {
    points: Centred,
    lifts: Vec<f64>,
}

impl Lifted {
    fn select(&self, rows: &[usize]) -> Self {
        Self { points: self.points.select(rows), lifts: rows.iter().map(|i| self.lifts[*i]).collect() }
    }
}

/// `x.y = (x - c).(y - c) + lift(x) + lift(y)` with `lift(x) = c.x - c.c / 2`: products about the centre lose no digits to
/// what all points have in common.
fn lift(sets: [&Points; 2]) -> (Centre, [Lifted; 2]) {
    let centre = Centre::of(&sets);
    let half: f64 = 0.5 * centre.at().iter().map(|c| c * c).sum::<f64>();
    let lifted = sets.map(|set| {
        let mut row = vec![0.0; set.width()];
        let lift = |i: usize| {
            set.write_row(i, &mut row);
            row.iter().zip(centre.at()).map(|(x, c)| x * c).sum::<f64>() - half
        };
        let lifts = (0..set.rows()).map(lift).collect();
        Lifted { points: centre.see(set), lifts }
    });
    (centre, lifted)
}

fn parts(samples: &Lifted, real: &Lifted, centre: &Centre) -> Vec<f64> {
    let (n, m) = (samples.points.rows(), real.points.rows());
    let size = n.min(m).min(PART);
    if (n, m) == (size, size) {
        return vec![squared_discrepancy(samples, real, centre)];
    }
    let mut state = RandomState::new(SEED);
    let mut draw = |n: usize| {
        let mut order = state.permutation(n);
        order.truncate(size);
        order
    };
    let drawn: Vec<[Vec<usize>; 2]> = (0..PARTS).map(|_| [draw(n), draw(m)]).collect();
    map(PARTS, |part| squared_discrepancy(&samples.select(&drawn[part][0]), &real.select(&drawn[part][1]), centre))
}

/// Of two sets of as many points.
fn squared_discrepancy(x: &Lifted, y: &Lifted, centre: &Centre) -> f64 {
    let (n, d) = (x.points.rows() as f64, centre.at().len() as f64);
    let (scale, share) = (1.0 / (centre.square() * d), 1.0 / d);
    let sum = |pairs: Pairs<'_>, a: &Lifted, b: &Lifted| {
        pairs.sum(|i, j, product| (product * scale + (a.lifts[i] + b.lifts[j]) * share + 1.0).powi(3))
    };
    let within = |set: &Lifted| 2.0 * sum(Pairs::Within(&set.points), set, set) / (n * (n - 1.0));
    within(x) + within(y) - 2.0 * sum(Pairs::Between(&x.points, &y.points), x, y) / (n * n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    /// As the paper has it, in double precision throughout.
    fn naive(x: &Points, y: &Points) -> f64 {
        let rows = |set: &Points| (0..set.rows()).map(|i| set.row(i)).collect::<Vec<_>>();
        let (x, y, d) = (rows(x), rows(y), x.width() as f64);
        let kernel = |a: &[f64], b: &[f64]| (a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / d + 1.0).powi(3);
        let n = x.len() as f64;
        let within = |set: &[Vec<f64>]| {
            let line = |i: usize| (0..set.len()).filter(|j| *j != i).map(|j| kernel(&set[i], &set[j])).sum::<f64>();
            (0..set.len()).map(line).sum::<f64>() / (n * (n - 1.0))
        };
        let between: f64 = x.iter().map(|a| y.iter().map(|b| kernel(a, b)).sum::<f64>()).sum();
        within(&x) + within(&y) - 2.0 * between / (n * n)
    }

    #[test]
    fn agrees_with_the_definition_also_far_from_zero() {
        for (mean, shift, d) in [(0.0, 0.2, 40), (10.0, 0.3, 17), (100.0, 1.0, 64)] {
            let (x, y) = (normal(300, d, 1, mean, 1.0), normal(300, d, 2, mean + shift, 1.1));
            let (expected, (value, deviation)) = (naive(&x, &y), kernel_distance(&x, &y).unwrap());
            assert!((value - expected).abs() < 1e-5 * expected.abs(), "{value} {expected}");
            assert_eq!(deviation, 0.0);
        }
    }

    #[test]
    fn without_bias_equal_distributions_are_at_no_distance() {
        let (value, deviation) =
            kernel_distance(&normal(2_000, 8, 1, 0.0, 1.0), &normal(1_500, 8, 2, 0.0, 1.0)).unwrap();
        assert!(value.abs() < 4.0 * deviation && deviation < 0.02, "{value} {deviation}");
    }
}
