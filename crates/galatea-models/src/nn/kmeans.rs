//! Centres of groups of points, by k-means.
//!
//! Lloyd 1982, "Least Squares Quantization in PCM"; first centres as Arthur and Vassilvitskii 2007, "k-means++: The Advantages of
//! Careful Seeding", section 2.2.

use galatea_kernels::random::Stream;

/// Passes over all points.
const PASSES: usize = 5;

/// Centres of groups of points: chosen by k-means++, then moved to the means of what is nearest to them.
pub fn centres(points: &[&[f64]], count: usize, stream: &mut Stream) -> Vec<Vec<f64>> {
    let squared = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum() };
    let mut centres = vec![points[stream.below(points.len() as u64) as usize].to_vec()];
    let mut nearest: Vec<f64> = points.iter().map(|point| squared(point, &centres[0])).collect();
    while centres.len() < count {
        let total: f64 = nearest.iter().sum();
        let next = match total > 0.0 {
            true => choose(&nearest, stream.next_f64() * total),
            false => stream.below(points.len() as u64) as usize,
        };
        let centre = points[next].to_vec();
        nearest.iter_mut().zip(points).for_each(|(nearest, point)| *nearest = nearest.min(squared(point, &centre)));
        centres.push(centre);
    }
    for _ in 0..PASSES {
        let mut sums = vec![(vec![0.0; points[0].len()], 0.0); count];
        for point in points {
            let by_distance = |(at, centre): (usize, &Vec<f64>)| (squared(point, centre), at);
            let (_, at) =
                centres.iter().enumerate().map(by_distance).min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default();
            sums[at].0.iter_mut().zip(*point).for_each(|(sum, value)| *sum += value);
            sums[at].1 += 1.0;
        }
        for (centre, (sum, n)) in centres.iter_mut().zip(sums) {
            if n > 0.0 {
                *centre = sum.into_iter().map(|sum| sum / n).collect();
            }
        }
    }
    centres
}

/// The index whose share `draw` falls into, of weights that need not sum to 1.
pub fn choose(weights: &[f64], draw: f64) -> usize {
    let mut left = draw;
    for (at, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return at;
        }
    }
    // Rounding, at the very end.
    weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
}
