//! Maximum mean discrepancy, squared and without bias, under the kernel `exp(-|x - y|^2 / (2 s^2))`.
//!
//! Paper: Gretton et al. 2012, "A Kernel Two-Sample Test", Journal of Machine Learning Research 13, lemma 6, equation 3;
//! section 8 for the width by the median of distances.
//! Differs: `s` is the median distance between real examples alone, at most 1,000 of them, not those of both sets, so that all
//! models that are judged by the same data are judged under the same kernel.

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space};
use crate::points::{Points, shuffled};
use crate::products::{Centre, Centred, Pairs};

/// Real examples that the width of the kernel is taken from.
const FOR_WIDTH: usize = 1_000;

/// The discrepancy as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "mmd-rbf",
        better: Better::Lower,
        meaning: "squared maximum mean discrepancy, Gaussian kernel: are distributions alike?",
    }],
    needs: Needs { space: Space::Features, train: false, least: 2 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    let centre = Centre::of(&[sets.samples, sets.real]);
    let (samples, real) = (centre.see(sets.samples), centre.see(sets.real));
    Ok(Box::new(move |choice| {
        let square = match choice.real {
            Some(rows) => median_square(&sets.real.select(rows)),
            None => median_square(sets.real),
        };
        let exponent = -0.5 / (square * centre.square());
        let chosen = |set: &Centred, rows: Option<&[usize]>| rows.map(|rows| set.select(rows));
        let (some, others) = (chosen(&samples, choice.samples), chosen(&real, choice.real));
        Ok(vec![discrepancy(some.as_ref().unwrap_or(&samples), others.as_ref().unwrap_or(&real), exponent)])
    }))
}

/// The median of squared distances between points, the lower one of two; 1 if it is 0.
pub fn median_square(points: &Points) -> f64 {
    let rows = shuffled(points.rows(), 0x33d, 0);
    let rows = &rows[..rows.len().min(FOR_WIDTH)];
    let pairs = (0..rows.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    let mut squares: Vec<f64> = pairs.map(|(i, j)| points.squared_distance(rows[i], points, rows[j])).collect();
    if squares.is_empty() {
        return 1.0;
    }
    let middle = (squares.len() - 1) / 2;
    let square = *squares.select_nth_unstable_by(middle, f64::total_cmp).1;
    if square > 0.0 { square } else { 1.0 }
}

fn discrepancy(x: &Centred, y: &Centred, exponent: f64) -> f64 {
    let mean = |pairs: Pairs<'_>, a: &Centred, b: &Centred, count: f64| {
        // Rounding may put a distance below zero.
        let kernel = |i: usize, j: usize, product: f64| {
            ((a.norms()[i] + b.norms()[j] - 2.0 * product).max(0.0) * exponent).exp()
        };
        pairs.sum(kernel) / count
    };
    let (n, m) = (x.rows() as f64, y.rows() as f64);
    mean(Pairs::Within(x), x, x, 0.5 * n * (n - 1.0)) + mean(Pairs::Within(y), y, y, 0.5 * m * (m - 1.0))
        - 2.0 * mean(Pairs::Between(x, y), x, y, n * m)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::measure;
    use crate::tests::normal;

    #[test]
    fn normal_sets_have_the_discrepancy_of_their_distributions() {
        // For N(0, I) and N(m, I) in d dimensions under a kernel of width s the means of the kernel are
        // (s^2 / (s^2 + 2))^(d/2), and the same times exp(-|m|^2 / (2 (s^2 + 2))) between them.
        let (d, shift) = (6, 0.4f64);
        let (samples, real) = (normal(3_000, d, 1, shift as f32, 1.0), normal(3_000, d, 2, 0.0, 1.0));
        let square = median_square(&real);
        let within = (square / (square + 2.0)).powf(d as f64 / 2.0);
        let expected = 2.0 * within * (1.0 - (-(d as f64) * shift * shift / (2.0 * (square + 2.0))).exp());
        let value = measure(&METRIC, &samples, &real, None).unwrap()[0];
        assert!((value - expected).abs() < 0.05 * expected, "{value} {expected}");
        let same = measure(&METRIC, &normal(3_000, d, 3, 0.0, 1.0), &real, None).unwrap()[0];
        assert!(same.abs() < 0.03 * expected, "{same}");
    }
}
