//! How much a linear classifier learns from features of a few labelled digits.

use galatea_data::HostTensor;
use galatea_kernels::random::Stream;

/// Digits with labels, as some features see them.
pub(crate) struct Seen {
    /// `[n, d]`.
    pub(crate) features: HostTensor,
    /// A class for each.
    pub(crate) labels: Vec<u32>,
}

/// Share of `unseen` that logistic regression on `per_class` examples of each class of `seen` gets right; the mean of five draws.
pub(crate) fn accuracy(seen: &Seen, unseen: &Seen, per_class: usize) -> f64 {
    const DRAWS: u64 = 5;
    let draw = |draw: u64| {
        let mut order: Vec<usize> = (0..seen.labels.len()).collect();
        Stream::new(17, draw).shuffle(&mut order);
        let mut chosen = Vec::new();
        for class in 0..10 {
            chosen.extend(order.iter().copied().filter(|i| seen.labels[*i] == class).take(per_class));
        }
        right(seen, &chosen, unseen)
    };
    (0..DRAWS).map(draw).sum::<f64>() / DRAWS as f64
}

fn right(seen: &Seen, chosen: &[usize], unseen: &Seen) -> f64 {
    let d = seen.features.row_len();
    // Standardised by what may be seen, labelled or not.
    let n = seen.features.rows() as f64;
    let (mut mean, mut scale) = (vec![0.0f64; d], vec![0.0f64; d]);
    for i in 0..seen.features.rows() {
        mean.iter_mut().zip(seen.features.row(i)).for_each(|(mean, value)| *mean += f64::from(*value) / n);
    }
    for i in 0..seen.features.rows() {
        let row = seen.features.row(i);
        (0..d).for_each(|j| scale[j] += (f64::from(row[j]) - mean[j]).powi(2) / n);
    }
    let all = scale.iter().sum::<f64>() / d as f64;
    let row = |features: &HostTensor, i: usize| -> Vec<f64> {
        let row = features.row(i);
        (0..d).map(|j| (f64::from(row[j]) - mean[j]) / (scale[j] + 0.01 * all).sqrt() / (d as f64).sqrt()).collect()
    };
    let examples: Vec<(Vec<f64>, usize)> =
        chosen.iter().map(|i| (row(&seen.features, *i), seen.labels[*i] as usize)).collect();
    let mut weights = vec![vec![0.0f64; d + 1]; 10];
    let logits = |weights: &[Vec<f64>], x: &[f64]| -> Vec<f64> {
        weights.iter().map(|w| w[d] + w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>()).collect()
    };
    for _ in 0..400 {
        let mut gradient = vec![vec![0.0f64; d + 1]; 10];
        for (x, label) in &examples {
            let logits = logits(&weights, x);
            let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|logit| (logit - most).exp()).sum();
            for (class, logit) in logits.iter().enumerate() {
                let wrong = (logit - most).exp() / sum - f64::from(u8::from(class == *label));
                gradient[class].iter_mut().zip(x).for_each(|(g, x)| *g += wrong * x);
                gradient[class][d] += wrong;
            }
        }
        let rate = 4.0 / examples.len() as f64;
        for (weights, gradient) in weights.iter_mut().zip(&gradient) {
            weights.iter_mut().zip(gradient).for_each(|(w, g)| *w -= rate * g + 1e-4 * *w);
        }
    }
    let is_right = |i: &usize| {
        let logits = logits(&weights, &row(&unseen.features, *i));
        let best = (0..10).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap_or(0);
        best == unseen.labels[*i] as usize
    };
    (0..unseen.labels.len()).filter(is_right).count() as f64 / unseen.labels.len() as f64
}
