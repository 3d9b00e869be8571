//! Real examples, and what samples are compared with them by.
//!
//! Distances are Euclidean over a cheap feature: pictures are averaged down to about 8 by 8 pixels, anything else is taken
//! as it is or averaged down to 256 numbers. This sees composition and not texture; it is there to notice that samples have
//! become alike, not to judge them.

use std::ops::Range;

use galatea_data::{HostBatch, HostTensor};
use galatea_kernels::random::Stream;

use super::look::{Expected, SampleScores};
use crate::Result;

/// Cells of a picture along a side.
const CELLS: usize = 8;
/// Most numbers of other examples.
const WIDTH: usize = 256;
/// The ball about a real example reaches to this neighbour, as in Naeem et al. 2020.
const NEIGHBOUR: usize = 5;
/// Most real examples that samples are compared with.
const REAL: usize = 256;
/// Fewest real examples to compare with.
const FEWEST: usize = 20;
/// Most groups that real examples are put into.
const GROUPS: usize = 25;
/// Passes of Lloyd's algorithm that makes the groups.
const PASSES: usize = 10;
/// Sets of real examples in the place of samples.
const DRAWS: usize = 8;

/// Rows of numbers: the features of examples.
#[derive(Clone, Debug)]
pub(super) struct Points {
    width: usize,
    values: Vec<f32>,
}

impl Points {
    /// The features of `count` examples, of which at most `at_once` are read and held together.
    pub(super) fn of(
        count: usize,
        at_once: usize,
        read: impl Fn(Range<usize>) -> Result<Option<HostBatch>>,
    ) -> Result<Self> {
        let mut all = Self { width: 1, values: Vec::new() };
        for first in (0..count).step_by(at_once.max(1)) {
            let Some(examples) = read(first..count.min(first + at_once.max(1)))? else { break };
            let Self { width, values } = feature(&examples.values);
            all.width = width;
            all.values.extend(values);
        }
        Ok(all)
    }

    fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.width)
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }

    fn len(&self) -> usize {
        self.values.len() / self.width
    }

    fn select(&self, rows: &[usize]) -> Self {
        Self { width: self.width, values: rows.iter().flat_map(|i| self.row(*i)).copied().collect() }
    }
}

/// Real examples, and what other real examples come to beside them.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    real: Points,
    /// Squared radii of the balls about real examples.
    radii: Vec<f32>,
    /// Samples that are nearer to each other, squared, are near-duplicates.
    close: f32,
    centres: Points,
    /// What real examples come to, before anything is relative to it.
    typical: SampleScores,
    /// Samples to compare with it: no more than there are other real examples, so that those are as many.
    pub(super) samples: usize,
    /// What to compare scores with.
    pub(super) expected: Expected,
}

impl Reference {
    /// Compares sets of `samples` samples with what is held back, or else with half of what is trained on; `None` if there
    /// are too few examples.
    pub(super) fn new(train: Points, unseen: Points, samples: usize) -> Option<Self> {
        let (real, others) = match Some(unseen).filter(|unseen| unseen.len() >= FEWEST) {
            Some(real) => (real, train),
            None => {
                let (even, odd): (Vec<usize>, Vec<usize>) = (0..train.len()).partition(|i| i.is_multiple_of(2));
                (train.select(&even), train.select(&odd))
            }
        };
        if real.len() < FEWEST || others.len() < FEWEST {
            return None;
        }
        let real = real.select(&(0..real.len().min(REAL)).collect::<Vec<_>>());
        let nearest = |set: &Points, i: usize, k: usize| {
            let mut distances: Vec<f32> =
                (0..set.len()).filter(|j| *j != i).map(|j| squared(set.row(i), set.row(j))).collect();
            *distances.select_nth_unstable_by(k - 1, f32::total_cmp).1
        };
        let radii = (0..real.len()).map(|i| nearest(&real, i, NEIGHBOUR)).collect();
        let samples = samples.min(others.len());
        let sets = |count: usize| -> Vec<Points> {
            let set = |stream| {
                let mut order: Vec<usize> = (0..others.len()).collect();
                Stream::new(0, stream).shuffle(&mut order);
                others.select(&order[..count])
            };
            (0..DRAWS as u64).map(set).collect()
        };
        let draws = sets(samples);
        // Of as many as there are samples: in a larger set, neighbours are nearer.
        let mut gaps: Vec<f32> =
            draws.iter().flat_map(|set| (0..set.len()).map(|i| nearest(set, i, 1))).collect::<Vec<_>>();
        gaps.sort_by(f32::total_cmp);
        let close = gaps[gaps.len() / 100];
        let centres = groups(&others, GROUPS.min(others.len() / 4));
        let mut reference = Self {
            real,
            radii,
            close,
            centres,
            samples,
            typical: SampleScores { diversity: 1.0, coverage: 1.0, spread: 1.0, ..SampleScores::default() },
            expected: Expected::default(),
        };
        let scores: Vec<SampleScores> = draws.iter().map(|set| reference.compare(set, &[]).0).collect();
        let mean = |value: fn(&SampleScores) -> f64| scores.iter().map(value).sum::<f64>() / DRAWS as f64;
        // Sets of most of what there is hardly differ. Sets of half of it do as much as all would (the delete-d jackknife).
        let (apart, share) = match 2 * samples > others.len() {
            true => (
                sets(others.len() / 2).iter().map(|set| reference.compare(set, &[]).0).collect(),
                samples as f64 / others.len() as f64,
            ),
            false => (scores.clone(), 1.0),
        };
        let deviation = |value: fn(&SampleScores) -> f64| {
            let mean = apart.iter().map(value).sum::<f64>() / DRAWS as f64;
            let square = apart.iter().map(|scores| (value(scores) - mean).powi(2)).sum::<f64>() / (DRAWS - 1) as f64;
            (square / share).sqrt() / mean.max(1e-9)
        };
        reference.expected = Expected {
            groups: mean(|scores| scores.spread),
            duplicates: mean(|scores| scores.duplicates),
            deviation: SampleScores {
                diversity: deviation(|scores| scores.diversity),
                duplicates: 0.0,
                coverage: deviation(|scores| scores.coverage),
                spread: deviation(|scores| scores.spread),
                fidelity: 0.0,
                moved: 0.0,
            },
        };
        let above_zero = |value: f64| if value > 0.0 { value } else { 1.0 };
        reference.typical = SampleScores {
            diversity: above_zero(mean(|scores| scores.diversity)),
            coverage: above_zero(mean(|scores| scores.coverage)),
            spread: above_zero(mean(|scores| scores.spread)),
            ..SampleScores::default()
        };
        Some(reference)
    }

    /// What `samples` are like, and the shares of groups that they fall into; `before` are those of the last look.
    pub(super) fn score(&self, samples: &HostTensor, before: &[f64]) -> (SampleScores, Vec<f64>) {
        self.compare(&feature(samples), before)
    }

    fn compare(&self, samples: &Points, before: &[f64]) -> (SampleScores, Vec<f64>) {
        let n = samples.len();
        let (mut sum, mut nearest) = (0.0f64, vec![f32::INFINITY; n]);
        for i in 0..n {
            for j in 0..i {
                let square = squared(samples.row(i), samples.row(j));
                sum += f64::from(square.sqrt());
                nearest[i] = nearest[i].min(square);
                nearest[j] = nearest[j].min(square);
            }
        }
        let mut is_near = vec![false; n];
        let mut covered = 0;
        for (real, radius) in self.real.rows().zip(&self.radii) {
            let mut is_covered = false;
            for (sample, is_near) in samples.rows().zip(&mut is_near) {
                // Also where equal: data with copies have balls without an inside.
                if squared(real, sample) <= *radius {
                    (is_covered, *is_near) = (true, true);
                }
            }
            covered += usize::from(is_covered);
        }
        let mut shares = vec![0.0; self.centres.len()];
        samples.rows().for_each(|sample| shares[nearest_to(&self.centres, sample)] += 1.0 / n as f64);
        let entropy: f64 = shares.iter().filter(|share| **share > 0.0).map(|share| -share * share.ln()).sum();
        let moved = shares.iter().zip(before).fold(0.0, |sum, (now, before)| sum + (now - before).abs());
        let share = |count: usize| count as f64 / n as f64;
        let scores = SampleScores {
            diversity: sum / (n * (n - 1) / 2).max(1) as f64 / self.typical.diversity,
            duplicates: share(nearest.iter().filter(|gap| **gap <= self.close).count()),
            coverage: covered as f64 / self.real.len() as f64 / self.typical.coverage,
            spread: entropy.exp() / self.typical.spread,
            fidelity: share(is_near.iter().filter(|near| **near).count()),
            moved: 0.5 * moved,
        };
        (scores, shares)
    }
}

/// The centres of `count` groups, by k-means++ (Arthur and Vassilvitskii 2007) and Lloyd's algorithm.
fn groups(points: &Points, count: usize) -> Points {
    let mut stream = Stream::new(0, DRAWS as u64);
    let mut centres = points.select(&[stream.below(points.len() as u64) as usize]);
    let mut squares = vec![f32::INFINITY; points.len()];
    while centres.len() < count {
        let last = centres.row(centres.len() - 1);
        squares.iter_mut().zip(points.rows()).for_each(|(square, point)| *square = square.min(squared(point, last)));
        let mut left = stream.next_f64() * squares.iter().map(|square| f64::from(*square)).sum::<f64>();
        let chosen = squares.iter().position(|square| {
            left -= f64::from(*square);
            left < 0.0
        });
        // Without a difference left, there are no more groups.
        let Some(chosen) = chosen else { break };
        centres.values.extend_from_slice(points.row(chosen));
    }
    for _ in 0..PASSES {
        let mut sums = vec![0.0f64; centres.values.len()];
        let mut counts = vec![0usize; centres.len()];
        for point in points.rows() {
            let group = nearest_to(&centres, point);
            counts[group] += 1;
            let sums = &mut sums[group * points.width..(group + 1) * points.width];
            sums.iter_mut().zip(point).for_each(|(sum, value)| *sum += f64::from(*value));
        }
        for (group, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let range = group * points.width..(group + 1) * points.width;
            let means = sums[range.clone()].iter().map(|sum| (sum / *count as f64) as f32);
            centres.values[range].iter_mut().zip(means).for_each(|(centre, mean)| *centre = mean);
        }
    }
    centres
}

/// Number of the row that is nearest, the first of several.
fn nearest_to(rows: &Points, point: &[f32]) -> usize {
    let distances = rows.rows().map(|row| squared(row, point)).enumerate();
    distances.fold((0, f32::INFINITY), |least, now| if now.1 < least.1 { now } else { least }).0
}

/// Squared distance, summed in eight lanes.
fn squared(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 8];
    let (xs, ys) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| (x - y) * (x - y)).sum();
    for (x, y) in xs.zip(ys) {
        for lane in 0..8 {
            let apart = x[lane] - y[lane];
            lanes[lane] += apart * apart;
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// The feature of each example `[n, ..]`; pictures are `[n, channels, height, width]`.
fn feature(examples: &HostTensor) -> Points {
    match examples.shape[..] {
        [n, channels, height, width] if height * width > CELLS * CELLS => {
            let (rows, columns) = (height.div_ceil(CELLS), width.div_ceil(CELLS));
            let cells = [height.div_ceil(rows), width.div_ceil(columns)];
            let mut values = vec![0.0; n * channels * cells[0] * cells[1]];
            let planes = examples.values.chunks_exact(height * width);
            for (plane, out) in planes.zip(values.chunks_exact_mut(cells[0] * cells[1])) {
                for (y, line) in plane.chunks_exact(width).enumerate() {
                    for (x, part) in line.chunks(columns).enumerate() {
                        out[y / rows * cells[1] + x] += part.iter().sum::<f32>();
                    }
                }
                // Cells at the border are smaller; their sums are too, which is the same for all.
                out.iter_mut().for_each(|sum| *sum /= (rows * columns) as f32);
            }
            Points { width: channels * cells[0] * cells[1], values }
        }
        _ => {
            let length = examples.row_len().max(1);
            let part = length.div_ceil(WIDTH);
            let mean = |part: &[f32]| part.iter().sum::<f32>() / part.len() as f32;
            let rows = examples.values.chunks_exact(length);
            Points { width: length.div_ceil(part), values: rows.flat_map(|row| row.chunks(part).map(mean)).collect() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points in the unit square.
    fn points(count: usize, stream: u64) -> Points {
        let mut stream = Stream::new(7, stream);
        let values = (0..2 * count).map(|_| stream.next_f64() as f32).collect();
        Points { width: 2, values }
    }

    #[test]
    fn examples_that_are_read_in_parts_are_the_same() {
        let all = HostTensor::new([7, 1, 16, 16], (0..7 * 256).map(|i| (i as f32).sin()).collect());
        let read = |places: Range<usize>| Ok(Some(HostBatch { values: all.slice_rows(places), labels: None }));
        let [whole, parts] = [7, 3].map(|at_once| Points::of(7, at_once, read).unwrap());
        assert_eq!((whole.len(), whole.width), (7, 64));
        assert_eq!(whole.values, parts.values);
        assert_eq!(Points::of(5, 2, |_| Ok(None)).unwrap().len(), 0);
    }

    #[test]
    fn few_examples_are_compared_with_as_many_samples_and_vary_as_they_do() {
        let [many, few] = [600, 60].map(|others| Reference::new(points(others, 0), points(200, 1), 60).unwrap());
        let more = Reference::new(points(60, 0), points(200, 1), 128).unwrap();
        let hardly_more = Reference::new(points(63, 0), points(200, 1), 60).unwrap();
        assert_eq!((many.samples, few.samples, more.samples), (60, 60, 60));
        assert_eq!(few.expected, more.expected);
        // The deviation is that of sets of sixty, though there is only one of them.
        let scores: [fn(&SampleScores) -> f64; 3] = [|of| of.coverage, |of| of.spread, |of| of.diversity];
        for of in scores {
            let [many, few, hardly] = [&many, &few, &hardly_more].map(|reference| of(&reference.expected.deviation));
            assert!((0.4..2.5).contains(&(hardly / many)), "{hardly} beside {many}");
            assert!(many > 0.0 && (0.4..2.5).contains(&(few / many)), "{few} beside {many}");
        }
        let (scores, _) = few.compare(&points(60, 2), &[]);
        assert!((scores.coverage - 1.0).abs() < 0.15 && (scores.diversity - 1.0).abs() < 0.15, "{scores:?}");
        assert!(scores.duplicates < 0.1, "{scores:?}");
    }
}
