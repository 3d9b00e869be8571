//! Softmax cross-entropy and Bernoulli likelihoods against their references.

use galatea_kernels::bernoulli::bernoulli_rows;
use galatea_kernels::loss::softmax_cross_entropy;

use super::*;

#[test]
fn softmax_cross_entropy_of_any_size() {
    for (rows, classes) in [(0, 5), (1, 1), (3, 2), (5, 16), (96, 65), (70, 501), (3, 10_000)] {
        let x: Vec<f32> = draw(1, rows * classes).iter().map(|value| 6.0 * value).collect();
        let labels: Vec<u32> = (0..rows).map(|i| (i * 7919 % classes) as u32).collect();
        let (loss, dx) = reference::softmax_cross_entropy(classes, &x, &labels);
        // Derivatives are shares of a row in a mean.
        let scale = rows.max(1) as f64;
        let dx: Vec<f64> = dx.into_iter().map(|dx| dx * scale).collect();
        everywhere(
            || {
                let mut dx = vec![f32::NAN; x.len()];
                let loss = softmax_cross_entropy(classes, &x, &labels, &mut dx);
                dx.iter_mut().for_each(|dx| *dx *= scale as f32);
                let [high, low] = [loss.to_bits() >> 32, loss.to_bits()].map(|bits| f32::from_bits(bits as u32));
                vec![dx, vec![high, low]]
            },
            |found| {
                let bits = |i: usize| u64::from(found[1][i].to_bits());
                let found_loss = f64::from_bits(bits(0) << 32 | bits(1));
                assert!((found_loss - loss).abs() < 1e-12 * (1.0 + loss), "{rows} rows of {classes}: {found_loss}");
                assert!(found[0].iter().zip(&dx).all(|(found, dx)| (f64::from(*found) - dx).abs() < 3e-7));
            },
        );
    }
}

#[test]
fn bernoulli_likelihoods_of_any_size() {
    for (rows, width) in [(0, 5), (1, 1), (3, 17), (100, 784), (2, 20_011)] {
        let x: Vec<f32> = draw(2, rows * width).iter().map(|value| 8.0 * value).collect();
        let targets: Vec<f32> = draw(3, rows * width).iter().map(|value| value.clamp(0.0, 1.0)).collect();
        let (sums, slopes) = reference::bernoulli_rows(width, &x, &targets);
        everywhere(
            || {
                let (mut sums, mut slopes) = (vec![f32::NAN; rows], vec![f32::NAN; x.len()]);
                bernoulli_rows(width, &x, &targets, &mut sums, &mut slopes);
                vec![sums, slopes]
            },
            |found| {
                let near = |found: &[f32], expected: &[f64]| {
                    found.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() < 3e-7 * (1.0 + b.abs()))
                };
                assert!(near(&found[0], &sums) && near(&found[1], &slopes), "{rows} rows of {width}");
            },
        );
    }
}
