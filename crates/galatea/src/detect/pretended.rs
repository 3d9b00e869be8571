//! Odd examples that are made of normal ones, to choose a score by where no odd example is known.
//!
//! Paper: Li et al. 2021, "CutPaste: Self-Supervised Learning for Anomaly Detection and Localization", arXiv:2104.04015,
//! section 2.1, for patches put elsewhere; Golan and El-Yaniv 2018, arXiv:1805.10917, for turned pictures; Simard et al. 2003, "Best
//! Practices for Convolutional Neural Networks", section 2, for warped ones.
//! Differs: they choose between scores here, and nothing is trained on them; warps are three half waves wide and deep enough to
//! make another shape.

use galatea_data::{HostTensor, between_pixels};
use galatea_kernels::random::Stream;

/// Seed of places and partners.
const SEED: u64 = 0xdec0;

/// A way to make odd examples of normal ones.
type Change = fn(&HostTensor, usize, &mut Stream) -> Vec<f32>;

/// Sets of odd examples, each made of `normal` in another way, as many as there are normal ones.
pub(super) fn sets(normal: &HostTensor) -> Vec<HostTensor> {
    let changes: &[Change] = match normal.shape.len() {
        4 => &[patched, turned, sheared, warped],
        _ => &[exchanged, scattered],
    };
    let make = |(at, change): (usize, &Change)| {
        let values = (0..normal.rows()).flat_map(|i| {
            let mut stream = Stream::new(SEED, (at as u64) << 32 | i as u64);
            change(normal, i, &mut stream)
        });
        HostTensor::new(normal.shape.clone(), values.collect())
    };
    changes.iter().enumerate().map(make).collect()
}

/// Another example than `i`.
fn partner(normal: &HostTensor, i: usize, stream: &mut Stream) -> usize {
    let n = normal.rows() as u64;
    (i + 1 + stream.below((n - 1).max(1)) as usize) % n as usize
}

/// Sizes of pictures.
fn sizes(normal: &HostTensor) -> [usize; 3] {
    [normal.shape[1], normal.shape[2], normal.shape[3]]
}

/// A rectangle, an eighth to a half of a side, holds what another example has elsewhere.
fn patched(normal: &HostTensor, i: usize, stream: &mut Stream) -> Vec<f32> {
    let [channels, height, width] = sizes(normal);
    let other = normal.row(partner(normal, i, stream));
    let mut side = |of: usize| (of / 8 + stream.below((of / 2 - of / 8).max(1) as u64) as usize).max(1);
    let [tall, wide] = [side(height), side(width)];
    let mut place =
        || [stream.below((height - tall + 1) as u64) as usize, stream.below((width - wide + 1) as u64) as usize];
    let (from, to) = (place(), place());
    let mut values = normal.row(i).to_vec();
    for channel in 0..channels {
        for row in 0..tall {
            let at = |[top, left]: [usize; 2]| (channel * height + top + row) * width + left;
            values[at(to)..at(to) + wide].copy_from_slice(&other[at(from)..at(from) + wide]);
        }
    }
    values
}

/// Turned by a quarter, or upside down where that does not fit.
fn turned(normal: &HostTensor, i: usize, _: &mut Stream) -> Vec<f32> {
    let [_, height, width] = sizes(normal);
    let turn = |plane: &[f32]| -> Vec<f32> {
        match height == width {
            true => (0..height * width).map(|at| plane[(at % width) * width + (width - 1 - at / width)]).collect(),
            false => plane.iter().rev().copied().collect(),
        }
    };
    normal.row(i).chunks_exact(height * width).flat_map(turn).collect()
}

/// Each row moved to the side by as much as it is above or below the middle, to the left or to the right.
fn sheared(normal: &HostTensor, i: usize, stream: &mut Stream) -> Vec<f32> {
    let slope = if stream.below(2) == 0 { 1.0 } else { -1.0 };
    let middle = (normal.shape[2] - 1) as f64 / 2.0;
    moved(normal, i, |row, _| [0.0, slope * (row - middle)])
}

/// Stretched here and pressed there, smoothly: what was drawn is whole, and of another shape.
fn warped(normal: &HostTensor, i: usize, stream: &mut Stream) -> Vec<f32> {
    /// Half waves over a side, and the deviation of the height of each as a share of a side.
    const WAVES: usize = 3;
    const HEIGHT: f64 = 0.14;
    let [_, height, width] = sizes(normal);
    // Even draws of deviation 1.
    let heights: [f64; 2 * WAVES * WAVES] = std::array::from_fn(|_| 3f64.sqrt() * (2.0 * stream.next_f64() - 1.0));
    let wave = |at: f64, of: usize, k: usize| (std::f64::consts::PI * (k + 1) as f64 * (at + 0.5) / of as f64).sin();
    moved(normal, i, |row, column| {
        let mut by = [0.0; 2];
        for (at, height_of) in heights.iter().enumerate() {
            let (axis, down, across) = (at / (WAVES * WAVES), at / WAVES % WAVES, at % WAVES);
            by[axis] += height_of * wave(row, height, down) * wave(column, width, across);
        }
        [HEIGHT * height as f64 * by[0], HEIGHT * width as f64 * by[1]]
    })
}

/// Each pixel is what lies so many rows and columns from it as `by` says of its place.
fn moved(normal: &HostTensor, i: usize, by: impl Fn(f64, f64) -> [f64; 2]) -> Vec<f32> {
    let [_, height, width] = sizes(normal);
    let from = |at: usize| {
        let (row, column) = ((at / width) as f64, (at % width) as f64);
        let [down, across] = by(row, column);
        [column + across, row + down]
    };
    let places: Vec<[f64; 2]> = (0..height * width).map(from).collect();
    let planes = normal.row(i).chunks_exact(height * width);
    planes.flat_map(|plane| places.iter().map(|place| between_pixels(plane, [width, height], *place))).collect()
}

/// Each number is that of another example.
fn exchanged(normal: &HostTensor, i: usize, stream: &mut Stream) -> Vec<f32> {
    (0..normal.row_len()).map(|at| normal.row(partner(normal, i, stream))[at]).collect()
}

/// Each number is anywhere between the least and the greatest that there are, and a quarter beyond.
fn scattered(normal: &HostTensor, _: usize, stream: &mut Stream) -> Vec<f32> {
    let width = normal.row_len();
    let number = |at: usize| {
        let column = || normal.values.iter().skip(at).step_by(width).copied();
        let (low, high) = (column().fold(f32::INFINITY, f32::min), column().fold(f32::NEG_INFINITY, f32::max));
        low + (high - low) * (1.5 * stream.next_f64() as f32 - 0.25)
    };
    (0..width).map(number).collect()
}

/// The share of pairs of an odd and a normal example in which the odd one has the higher score; ties count half (Hanley and
/// McNeil 1982: the area under the curve of hits over false alarms).
pub fn auroc(normal: &[f64], odd: &[f64]) -> f64 {
    let mut sorted = normal.to_vec();
    sorted.sort_by(f64::total_cmp);
    let won = |score: &f64| {
        let below = sorted.partition_point(|other| other < score);
        let not_above = sorted.partition_point(|other| other <= score);
        0.5 * (below + not_above) as f64
    };
    odd.iter().map(won).sum::<f64>() / (normal.len() * odd.len()).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_pairs_is_counted_with_ties() {
        assert_eq!(auroc(&[1.0, 2.0, 3.0], &[2.0, 4.0]), (1.5 + 3.0) / 6.0);
        assert_eq!(auroc(&[1.0, 2.0], &[3.0]), 1.0);
    }

    #[test]
    fn odd_examples_are_made_of_normal_ones_and_differ_from_them() {
        let values = (0..6 * 3 * 8 * 8).map(|i| (i as f32 * 0.37).sin()).collect();
        let pictures = HostTensor::new([6, 3, 8, 8], values);
        let made = sets(&pictures);
        assert_eq!(made.len(), 4);
        for set in &made {
            assert_eq!(set.shape, pictures.shape);
            assert!((0..6).all(|i| set.row(i) != pictures.row(i)));
            assert!(set.values.iter().all(|value| value.abs() <= 1.0));
        }
        let square = HostTensor::new([1, 1, 2, 2], vec![1.0, 2.0, 3.0, 4.0]);
        assert_eq!(turned(&square, 0, &mut Stream::new(0, 0)), [2.0, 4.0, 1.0, 3.0]);
        // From rows of one value each a shear takes nothing; from columns it makes a slope of one.
        let rows = HostTensor::new([1, 1, 3, 3], vec![1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0]);
        assert_eq!(sheared(&rows, 0, &mut Stream::new(0, 0)), rows.values);
        let columns = HostTensor::new([1, 1, 3, 3], vec![1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
        let slope = sheared(&columns, 0, &mut Stream::new(0, 0));
        assert!(
            [[1.0, 1.0, 2.0, 1.0, 2.0, 3.0, 2.0, 3.0, 3.0], [2.0, 3.0, 3.0, 1.0, 2.0, 3.0, 1.0, 1.0, 2.0]]
                .iter()
                .any(|expected| slope == *expected)
        );
        assert_eq!(moved(&columns, 0, |_, _| [0.0, 0.5])[..3], [1.5, 2.5, 3.0]);
        let points = HostTensor::new([5, 2], (0..10).map(|i| i as f32).collect());
        assert!(
            sets(&points).iter().all(|set| set.shape == [5, 2] && set.values.iter().all(|value| value.is_finite()))
        );
    }
}
