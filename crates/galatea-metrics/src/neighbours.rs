//! Nearest neighbours and balls by exact distances, without the matrix of all of them.
//!
//! Products in single precision leave only a few pairs that could matter; the distances of these are computed again in
//! double precision as sums of squared differences. So every result is that of exact distances, ties included, and
//! the order in which tiles are worked on cannot be seen in it.

use std::sync::{Mutex, PoisonError};

use crate::points::Points;
use crate::products::{Centre, Centred, Pairs, TINY, Tile, block_of, blocks};

/// A point that is near.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Neighbour {
    /// Its number in its set.
    pub index: usize,
    /// Squared distance, times the weight of the point where there are weights.
    pub distance: f64,
}

/// For each point of `a` its `k` nearest points of `b`, nearest first, the one that comes first where two are as near;
/// fewer if `b` has fewer. The sets are of one width.
pub fn nearest(a: &Points, b: &Points, k: usize) -> Vec<Vec<Neighbour>> {
    nearest_by(a, b, &vec![1.0; b.rows()], k)
}

/// As [`nearest`], where the squared distance to point `j` of `b` counts `weights[j]` times.
pub fn nearest_by(a: &Points, b: &Points, weights: &[f64], k: usize) -> Vec<Vec<Neighbour>> {
    let centre = Centre::of(&[a, b]);
    let (near_a, near_b) = (centre.see(a), centre.see(b));
    let search = Search { slack: near_a.slack().into(), square: centre.square(), weights, k };
    let found = Found::new(a.rows(), k);
    Pairs::Between(&near_a, &near_b).tiles(|tile| search.offer(&tile, (a, &near_a), (b, &near_b), &found));
    found.into_lists()
}

/// [`nearest`] from either side, for little more than one of them costs.
pub fn nearest_mutual(a: &Points, b: &Points, k: usize) -> [Vec<Vec<Neighbour>>; 2] {
    let centre = Centre::of(&[a, b]);
    let (near_a, near_b) = (centre.see(a), centre.see(b));
    let weights = vec![1.0; a.rows().max(b.rows())];
    let search = Search { slack: near_a.slack().into(), square: centre.square(), weights: &weights, k };
    let (found_a, found_b) = (Found::new(a.rows(), k), Found::new(b.rows(), k));
    Pairs::Between(&near_a, &near_b).tiles(|tile| {
        search.offer(&tile, (a, &near_a), (b, &near_b), &found_a);
        search.offer(&tile.turned(), (b, &near_b), (a, &near_a), &found_b);
    });
    [found_a, found_b].map(Found::into_lists)
}

/// For each point of `a` its `k` nearest other points of `a`, as [`nearest`].
pub fn nearest_others(a: &Points, k: usize) -> Vec<Vec<Neighbour>> {
    let centre = Centre::of(&[a]);
    let near = centre.see(a);
    let weights = vec![1.0; a.rows()];
    let search = Search { slack: near.slack().into(), square: centre.square(), weights: &weights, k };
    let found = Found::new(a.rows(), k);
    let side = (a, &near);
    Pairs::Within(&near).tiles(|tile| {
        search.offer(&tile, side, side, &found);
        if tile.a != tile.b {
            search.offer(&tile.turned(), side, side, &found);
        }
    });
    found.into_lists()
}

/// Squared distance of each point to its `k`-th nearest other point, `k >= 1`; infinite if there are fewer.
pub fn radii(a: &Points, k: usize) -> Vec<f64> {
    let reach = |list: Vec<Neighbour>| list.get(k - 1).map_or(f64::INFINITY, |neighbour| neighbour.distance);
    nearest_others(a, k).into_iter().map(reach).collect()
}

/// What is searched for.
struct Search<'a> {
    /// See [`Centred::slack`].
    slack: f64,
    square: f64,
    weights: &'a [f64],
    k: usize,
}

impl Search<'_> {
    /// Enters the pairs of a tile that are among the nearest so far.
    fn offer(&self, tile: &Tile, (a, near_a): (&Points, &Centred), (b, near_b): (&Points, &Centred), found: &Found) {
        let same = std::ptr::eq(a, b);
        let lower = |norm: &f64| (1.0 - self.slack) * norm;
        let norms: Vec<f64> = near_b.norms()[tile.b.clone()].iter().map(lower).collect();
        let weights = &self.weights[tile.b.clone()];
        let block = &found.blocks[block_of(tile.a.start)];
        // A limit may sink while the tile is worked on; then some pairs are looked at in vain.
        let limits: Vec<f64> = lock(block).iter().map(|list| list.limit(self.k)).collect();
        let mut entries = Vec::new();
        let mut candidates: Vec<(f64, usize)> = Vec::new();
        for ((i, products), limit) in tile.lines().zip(limits) {
            let norm = lower(&near_a.norms()[i]) - f64::from(TINY);
            let limit = limit * self.square;
            candidates.clear();
            for (j, ((product, other), weight)) in products.iter().zip(&norms).zip(weights).enumerate() {
                let least = weight * (norm + other - 2.0 * f64::from(*product));
                if least <= limit {
                    candidates.push((least, j));
                }
            }
            if same {
                candidates.retain(|(_, j)| tile.b.start + j != i);
            }
            self.thin(&mut candidates, near_a.norms()[i], &near_b.norms()[tile.b.clone()], weights);
            for (_, j) in &candidates {
                let index = tile.b.start + j;
                entries.push((i, Neighbour { index, distance: weights[*j] * a.squared_distance(i, b, index) }));
            }
        }
        let mut block = lock(block);
        for (i, neighbour) in entries {
            block[i - tile.a.start].insert(neighbour, self.k);
        }
    }

    /// Leaves out candidates that `k` others are certainly nearer than.
    fn thin(&self, candidates: &mut Vec<(f64, usize)>, norm: f64, norms: &[f64], weights: &[f64]) {
        if candidates.len() <= self.k {
            return;
        }
        let most = |(least, j): &(f64, usize)| {
            least + weights[*j] * (2.0 * self.slack * (norm + norms[*j]) + 2.0 * f64::from(TINY))
        };
        let mut bounds: Vec<f64> = candidates.iter().map(most).collect();
        let (_, bound, _) = bounds.select_nth_unstable_by(self.k - 1, f64::total_cmp);
        let bound = *bound;
        candidates.retain(|(least, _)| *least <= bound);
    }
}

/// The nearest points so far of every point, by blocks of points.
struct Found {
    blocks: Vec<Mutex<Vec<List>>>,
}

impl Found {
    fn new(rows: usize, k: usize) -> Self {
        let list = || List(Vec::with_capacity(k + 1));
        Self { blocks: blocks(rows).into_iter().map(|block| Mutex::new(block.map(|_| list()).collect())).collect() }
    }

    fn into_lists(self) -> Vec<Vec<Neighbour>> {
        let blocks = self.blocks.into_iter().map(|block| block.into_inner().unwrap_or_else(PoisonError::into_inner));
        blocks.flatten().map(|list| list.0).collect()
    }
}

/// Neighbours, nearest first.
struct List(Vec<Neighbour>);

impl List {
    /// What is further away than this is not among the `k` nearest.
    fn limit(&self, k: usize) -> f64 {
        if self.0.len() < k { f64::INFINITY } else { self.0.last().map_or(f64::NEG_INFINITY, |last| last.distance) }
    }

    fn insert(&mut self, new: Neighbour, k: usize) {
        let before = |old: &Neighbour| old.distance.total_cmp(&new.distance).then(old.index.cmp(&new.index)).is_lt();
        self.0.insert(self.0.partition_point(before), new);
        self.0.truncate(k);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many points of two sets lie in balls about points of the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Hits {
    /// For each point of `a`, how many points of `b` lie in its ball.
    pub in_ball_of_a: Vec<usize>,
    /// For each point of `b`, how many balls of `a` it lies in.
    pub b_in_balls: Vec<usize>,
    /// For each point of `a`, how many balls of `b` it lies in.
    pub a_in_balls: Vec<usize>,
}

/// Counts points in balls of squared radii `radii_a` and `radii_b`; what lies on the border of a ball is outside.
pub fn hits(a: &Points, b: &Points, radii_a: &[f64], radii_b: &[f64]) -> Hits {
    let centre = Centre::of(&[a, b]);
    let (near_a, near_b) = (centre.see(a), centre.see(b));
    let (slack, square) = (f64::from(near_a.slack()), centre.square());
    let parts = Pairs::Between(&near_a, &near_b).tiles(|tile| {
        let mut part = Hits {
            in_ball_of_a: vec![0; tile.a.len()],
            b_in_balls: vec![0; tile.b.len()],
            a_in_balls: vec![0; tile.a.len()],
        };
        let norms = &near_b.norms()[tile.b.clone()];
        let lower: Vec<f64> = norms.iter().map(|norm| (1.0 - slack) * norm).collect();
        let widest = radii_b[tile.b.clone()].iter().copied().fold(0.0, f64::max);
        for (i, products) in tile.lines() {
            let norm = near_a.norms()[i];
            let (least_norm, reach) = ((1.0 - slack) * norm - f64::from(TINY), radii_a[i].max(widest) * square);
            for (j, (product, other)) in products.iter().zip(&lower).enumerate() {
                let least = least_norm + other - 2.0 * f64::from(*product);
                if least > reach {
                    continue;
                }
                let most = least + 2.0 * slack * (norm + norms[j]) + 2.0 * f64::from(TINY);
                let index = tile.b.start + j;
                let mut exact = None;
                let mut within = |radius: f64| {
                    if most < radius * square {
                        true
                    } else if least >= radius * square {
                        false
                    } else {
                        *exact.get_or_insert_with(|| a.squared_distance(i, b, index)) < radius
                    }
                };
                let (in_a, in_b) = (within(radii_a[i]), within(radii_b[index]));
                part.in_ball_of_a[i - tile.a.start] += usize::from(in_a);
                part.b_in_balls[j] += usize::from(in_a);
                part.a_in_balls[i - tile.a.start] += usize::from(in_b);
            }
        }
        (tile.a, tile.b, part)
    });
    let mut hits =
        Hits { in_ball_of_a: vec![0; a.rows()], b_in_balls: vec![0; b.rows()], a_in_balls: vec![0; a.rows()] };
    let add =
        |sums: &mut [usize], counts: Vec<usize>| sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    for (a, b, part) in parts {
        add(&mut hits.in_ball_of_a[a.clone()], part.in_ball_of_a);
        add(&mut hits.b_in_balls[b], part.b_in_balls);
        add(&mut hits.a_in_balls[a], part.a_in_balls);
    }
    hits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::normal;

    fn naive(a: &Points, b: &Points, weights: &[f64], k: usize, others: bool) -> Vec<Vec<Neighbour>> {
        let of = |i: usize| {
            let distance = |j: usize| weights[j] * a.squared_distance(i, b, j);
            let others = (0..b.rows()).filter(|j| !others || *j != i);
            let mut all: Vec<_> = others.map(|index| Neighbour { index, distance: distance(index) }).collect();
            all.sort_by(|a, b| a.distance.total_cmp(&b.distance));
            all.truncate(k);
            all
        };
        (0..a.rows()).map(of).collect()
    }

    fn naive_hits(a: &Points, b: &Points, radii_a: &[f64], radii_b: &[f64]) -> Hits {
        let (n, m) = (a.rows(), b.rows());
        let within = |i: usize, j: usize, radius: f64| usize::from(a.squared_distance(i, b, j) < radius);
        Hits {
            in_ball_of_a: (0..n).map(|i| (0..m).map(|j| within(i, j, radii_a[i])).sum()).collect(),
            b_in_balls: (0..m).map(|j| (0..n).map(|i| within(i, j, radii_a[i])).sum()).collect(),
            a_in_balls: (0..n).map(|i| (0..m).map(|j| within(i, j, radii_b[j])).sum()).collect(),
        }
    }

    /// Points on a grid of whole numbers: nearly all distances are ties.
    fn grid(n: usize, d: usize, seed: u64) -> Points {
        let values = normal(n, d, seed, 0.0, 1.0);
        Points::double(d, (0..n).flat_map(|i| values.row(i)).map(f64::round).collect()).unwrap()
    }

    /// Two tight clusters far from each other: in single precision all points of one are the same.
    fn clusters(n: usize, d: usize, seed: u64) -> Points {
        let values = normal(n, d, seed, 0.0, 1.0);
        let cluster = |i: usize, value: f64| 1e3 * (i % 2) as f64 + 1e-6 * value;
        let rows = (0..n).flat_map(|i| values.row(i).into_iter().map(move |value| cluster(i, value)));
        Points::double(d, rows.collect()).unwrap()
    }

    #[test]
    fn neighbours_and_balls_are_those_of_exact_distances_also_with_ties_and_cancellation() {
        let sets = [
            (normal(700, 20, 1, 0.0, 1.0), normal(530, 20, 2, 0.5, 1.0)),
            (normal(520, 3, 1, 1e4, 1.0), normal(40, 3, 2, 1e4, 1.0)),
            (grid(600, 5, 1), grid(515, 5, 2)),
            (clusters(600, 9, 1), clusters(515, 9, 2)),
            (clusters(90, 9, 1), normal(90, 9, 2, 0.0, 1.0)),
            (Points::double(2, vec![7.5; 1200]).unwrap(), Points::double(2, vec![7.5; 40]).unwrap()),
            (normal(2, 1, 1, 0.0, 1e-30), normal(1, 1, 2, 0.0, 1e30)),
        ];
        for (at, (a, b)) in sets.iter().enumerate() {
            let weights: Vec<f64> = (0..b.rows()).map(|j| 0.5 + (j % 3) as f64).collect();
            for k in [1, 4] {
                assert_eq!(nearest_by(a, b, &weights, k), naive(a, b, &weights, k, false), "set {at}");
                let ones = vec![1.0; a.rows().max(b.rows())];
                assert_eq!(nearest_others(a, k), naive(a, a, &ones, k, true), "set {at}");
                let [of_a, of_b] = nearest_mutual(a, b, k);
                assert_eq!(of_a, naive(a, b, &ones, k, false), "set {at}");
                assert_eq!(of_b, naive(b, a, &ones, k, false), "set {at}");
                let reach = |radii: Vec<f64>| -> Vec<f64> { radii.into_iter().map(|r| r.min(1e90)).collect() };
                let (radii_a, radii_b) = (reach(radii(a, k)), reach(radii(b, k)));
                assert_eq!(hits(a, b, &radii_a, &radii_b), naive_hits(a, b, &radii_a, &radii_b), "set {at}");
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_nothing() {
        let (a, b) = (normal(1100, 30, 1, 0.0, 1.0), normal(1030, 30, 2, 0.0, 1.0));
        let all = |threads: usize| {
            galatea_kernels::pool::set_threads(threads);
            (nearest(&a, &b, 3), nearest_others(&a, 3), hits(&a, &b, &radii(&a, 3), &radii(&b, 3)))
        };
        let one = all(1);
        assert!(one == all(4) && one == all(2));
        galatea_kernels::pool::set_threads(0);
    }
}
