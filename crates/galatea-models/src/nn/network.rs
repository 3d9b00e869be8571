//! Networks of columns that take one of some values each: counting, scores, structure, and exact sampling.
//!
//! Paper: Chow and Liu 1968, "Approximating discrete probability distributions with dependence trees" (the tree of largest
//! mutual information); Koller and Friedman 2009, "Probabilistic Graphical Models", sections 18.3 and 18.4 (families,
//! scores, hill climbing), 9.3 (elimination).
//! Differs: moves that tie are taken in the order of the columns, so that a structure is a function of the data.

use super::markov::each;

/// Rows of a table, column by column.
#[derive(Debug)]
pub struct Table {
    /// Number of rows.
    pub rows: usize,
    /// Number of values of each column.
    pub sizes: Vec<usize>,
    columns: Vec<Vec<u32>>,
    /// Of each column and value the rows that have it, a bit each.
    bits: Vec<Vec<Vec<u64>>>,
}

impl Table {
    /// A table of rows `[rows, columns]`, of whole numbers below `sizes`.
    ///
    /// # Panics
    /// If a number is not.
    pub fn new(sizes: &[usize], values: &[f32]) -> Self {
        let width = sizes.len();
        let rows = values.len() / width.max(1);
        let column = |at: usize| (0..rows).map(|row| values[row * width + at] as u32).collect::<Vec<u32>>();
        let columns = each(width, column);
        let bits = each(width, |at| {
            let mut bits = vec![vec![0u64; rows.div_ceil(64)]; sizes[at]];
            columns[at].iter().enumerate().for_each(|(row, value)| bits[*value as usize][row / 64] |= 1 << (row % 64));
            bits
        });
        Self { rows, sizes: sizes.to_vec(), columns, bits }
    }

    /// How often each pair of values of two columns occurs, `[values of a, values of b]`.
    fn pairs(&self, a: usize, b: usize) -> Vec<u64> {
        let (of_a, of_b) = (&self.bits[a], &self.bits[b]);
        let both = |x: &[u64], y: &[u64]| x.iter().zip(y).map(|(x, y)| u64::from((x & y).count_ones())).sum::<u64>();
        of_a.iter().flat_map(|x| of_b.iter().map(move |y| both(x, y))).collect()
    }

    /// Mutual information of two columns in nats.
    pub fn information(&self, a: usize, b: usize) -> f64 {
        let (pairs, width) = (self.pairs(a, b), self.sizes[b]);
        let total = self.rows.max(1) as f64;
        let of_a: Vec<u64> = pairs.chunks_exact(width).map(|row| row.iter().sum()).collect();
        let of_b: Vec<u64> = (0..width).map(|y| pairs.iter().skip(y).step_by(width).sum()).collect();
        let term = |(at, count): (usize, &u64)| {
            let expected = of_a[at / width] as f64 * of_b[at % width] as f64;
            let count = *count as f64;
            if count > 0.0 { count / total * (count * total / expected).ln() } else { 0.0 }
        };
        pairs.iter().enumerate().map(term).sum()
    }

    /// How often each value of a column occurs with each combination of its parents' values, `[combinations, values]`; the
    /// last parent's values run fastest.
    pub fn counts(&self, column: usize, parents: &[usize]) -> Vec<u64> {
        let size = self.sizes[column];
        if let [parent] = parents {
            return self.pairs(*parent, column);
        }
        let combinations: usize = parents.iter().map(|parent| self.sizes[*parent]).product();
        let mut counts = vec![0; combinations * size];
        for row in 0..self.rows {
            let at = parents.iter().fold(0, |at, p| at * self.sizes[*p] + self.columns[*p][row] as usize);
            counts[at * size + self.columns[column][row] as usize] += 1;
        }
        counts
    }

    /// What a column with these parents adds to Bayes' information criterion, halved and turned over: higher is better.
    pub fn score(&self, column: usize, parents: &[usize]) -> f64 {
        let size = self.sizes[column];
        let combinations = parents.iter().map(|parent| self.sizes[*parent] as f64).product::<f64>();
        let cost = 0.5 * (self.rows.max(1) as f64).ln() * combinations * (size - 1) as f64;
        // Likelihood is at most as much above that of no parents: what costs more is never taken, and its table may be huge.
        if !parents.is_empty() && cost > self.rows as f64 * (size as f64).ln() {
            return f64::NEG_INFINITY;
        }
        let counts = self.counts(column, parents);
        let mut likelihood = 0.0;
        for counts in counts.chunks_exact(size) {
            let total = counts.iter().sum::<u64>() as f64;
            likelihood += counts.iter().filter(|n| **n > 0).map(|n| *n as f64 * (*n as f64 / total).ln()).sum::<f64>();
        }
        likelihood - cost
    }
}

/// The parents of each column.
pub type Parents = Vec<Vec<usize>>;

/// The tree of largest mutual information, with its edges away from `root`. Of equal ones, lower columns come first.
pub fn chow_liu(table: &Table, root: usize) -> Parents {
    let n = table.sizes.len();
    // Row `a` holds what columns above it share with it.
    let shared = each(n, |a| (a + 1..n).map(|b| table.information(a, b)).collect::<Vec<f64>>());
    let between = |a: usize, b: usize| shared[a.min(b)][a.max(b) - a.min(b) - 1];
    let mut parents = vec![Vec::new(); n];
    let mut best: Vec<(f64, usize)> =
        (0..n).map(|b| if b == root { (0.0, root) } else { (between(root, b), root) }).collect();
    let mut left: Vec<usize> = (0..n).filter(|column| *column != root).collect();
    while !left.is_empty() {
        let next = (1..left.len()).fold(0, |most, at| if best[left[at]].0 > best[left[most]].0 { at } else { most });
        let column = left.remove(next);
        parents[column] = vec![best[column].1];
        for other in &left {
            let value = between(column, *other);
            if value > best[*other].0 {
                best[*other] = (value, column);
            }
        }
    }
    parents
}

/// A change of a structure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// An edge more.
    Add(usize, usize),
    /// One less.
    Remove(usize, usize),
    /// One turned over.
    Turn(usize, usize),
}

/// Hill climbing with what has been worked out so far.
#[derive(Debug)]
pub struct Climb {
    /// The structure.
    pub parents: Parents,
    scores: Vec<f64>,
    /// Gain of toggling the edge from each column, for each column that it leads to; unknown where its parents changed.
    gains: Vec<Option<Vec<f64>>>,
}

impl Climb {
    /// Climbing from this structure on.
    pub fn new(table: &Table, parents: Parents) -> Self {
        let scores = each(parents.len(), |column| table.score(column, &parents[column]));
        Self { gains: vec![None; parents.len()], scores, parents }
    }

    /// The sum of all columns' scores.
    pub fn score(&self) -> f64 {
        self.scores.iter().sum()
    }

    /// Makes the change that gains most, if one gains anything.
    pub fn step(&mut self, table: &Table, most_parents: usize) -> Option<Change> {
        let n = self.parents.len();
        let unknown: Vec<usize> = (0..n).filter(|column| self.gains[*column].is_none()).collect();
        let found = each(unknown.len(), |at| {
            let column = unknown[at];
            let gain = |other: usize| {
                let is_there = self.parents[column].contains(&other);
                let too_many = !is_there && self.parents[column].len() >= most_parents;
                if other == column || too_many {
                    return f64::NEG_INFINITY;
                }
                table.score(column, &toggled(&self.parents[column], other)) - self.scores[column]
            };
            (0..n).map(gain).collect::<Vec<f64>>()
        });
        unknown.into_iter().zip(found).for_each(|(column, gains)| self.gains[column] = Some(gains));
        let gain = |from: usize, to: usize| self.gains[to].as_ref().map_or(f64::NEG_INFINITY, |gains| gains[from]);
        let mut best: Option<(f64, Change)> = None;
        // Less than this is rounding.
        let mut consider = |value: f64, change: Change| {
            if value > 1e-9 && best.is_none_or(|(most, _)| value > most) {
                best = Some((value, change));
            }
        };
        for to in 0..n {
            for from in (0..n).filter(|from| *from != to) {
                if self.parents[to].contains(&from) {
                    consider(gain(from, to), Change::Remove(from, to));
                    let turned = gain(from, to) + gain(to, from);
                    if turned > 1e-9 && !self.leads(from, to, true) {
                        consider(turned, Change::Turn(from, to));
                    }
                } else if gain(from, to) > 1e-9 && !self.leads(to, from, false) {
                    consider(gain(from, to), Change::Add(from, to));
                }
            }
        }
        let (_, change) = best?;
        let (from, to) = match change {
            Change::Add(from, to) | Change::Remove(from, to) | Change::Turn(from, to) => (from, to),
        };
        self.parents[to] = toggled(&self.parents[to], from);
        self.renew(table, to);
        if let Change::Turn(..) = change {
            self.parents[from] = toggled(&self.parents[from], to);
            self.renew(table, from);
        }
        Some(change)
    }

    fn renew(&mut self, table: &Table, column: usize) {
        self.scores[column] = table.score(column, &self.parents[column]);
        self.gains[column] = None;
    }

    /// Whether a way leads from one column to another, `other_than` the edge between them.
    fn leads(&self, from: usize, to: usize, other_than: bool) -> bool {
        let mut seen = vec![false; self.parents.len()];
        let mut open = vec![to];
        while let Some(column) = open.pop() {
            for parent in &self.parents[column] {
                let is_edge = other_than && column == to && *parent == from;
                if *parent == from && !is_edge {
                    return true;
                }
                if *parent != from && !std::mem::replace(&mut seen[*parent], true) {
                    open.push(*parent);
                }
            }
        }
        false
    }
}

fn toggled(parents: &[usize], other: usize) -> Vec<usize> {
    let mut parents = parents.to_vec();
    match parents.binary_search(&other) {
        Ok(at) => drop(parents.remove(at)),
        Err(at) => parents.insert(at, other),
    }
    parents
}

/// The columns in an order in which parents come before children; `None` if there is a circle.
pub fn order(parents: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut order = Vec::with_capacity(parents.len());
    let mut done = vec![false; parents.len()];
    while order.len() < parents.len() {
        let is_ready = |column: &usize| !done[*column] && parents[*column].iter().all(|parent| done[*parent]);
        let ready: Vec<usize> = (0..parents.len()).filter(is_ready).collect();
        if ready.is_empty() {
            return None;
        }
        ready.iter().for_each(|column| done[*column] = true);
        order.extend(ready);
    }
    Some(order)
}

/// A table of numbers over some columns, the last of which runs fastest.
#[derive(Clone, Debug)]
pub struct Factor {
    /// The columns, in increasing order.
    pub columns: Vec<usize>,
    /// A number for each combination of their values.
    pub values: Vec<f64>,
}

/// Most numbers of a factor: more would need gigabytes.
pub const MOST: usize = 1 << 24;

/// How the columns that are not known are drawn, given those that are: each from a factor over itself and columns that are
/// drawn before it.
#[derive(Debug)]
pub struct Plan {
    /// Columns in the order in which they are drawn, each with its factor.
    draws: Vec<(usize, Factor)>,
    /// The logarithm of the probability of what is known.
    pub evidence: f64,
}

impl Plan {
    /// Eliminates the columns that are not known, those that touch fewest others first. `None` if a factor would be too large.
    pub fn new(sizes: &[usize], factors: Vec<Factor>, known: &[Option<usize>]) -> Option<Self> {
        let mut factors: Vec<Factor> = factors.into_iter().map(|factor| factor.given(sizes, known)).collect();
        let mut left: Vec<usize> = (0..sizes.len()).filter(|column| known[*column].is_none()).collect();
        let (mut draws, mut evidence) = (Vec::new(), 0.0);
        while !left.is_empty() {
            let cost = |column: &usize| -> usize {
                scope(factors.iter().filter(|factor| factor.columns.contains(column)))
                    .iter()
                    .fold(1, |size: usize, other| size.saturating_mul(sizes[*other]))
            };
            let (at, cost) = left.iter().map(cost).enumerate().min_by_key(|(_, cost)| *cost)?;
            if cost > MOST {
                return None;
            }
            let column = left.remove(at);
            let (with, without): (Vec<Factor>, Vec<Factor>) =
                factors.into_iter().partition(|factor| factor.columns.contains(&column));
            let mut joint = Factor::product(sizes, &with);
            // Only ratios count; what is taken out is put into the logarithm.
            let largest = joint.values.iter().copied().fold(0.0, f64::max);
            if largest > 0.0 {
                joint.values.iter_mut().for_each(|value| *value /= largest);
            }
            evidence += largest.ln();
            factors = without;
            factors.push(joint.without(sizes, column));
            draws.push((column, joint));
        }
        draws.reverse();
        evidence += factors.iter().map(|factor| factor.values[0].ln()).sum::<f64>();
        Some(Self { draws, evidence })
    }

    /// Draws what is not known into `row`, where the known columns are set.
    pub fn draw(&self, sizes: &[usize], row: &mut [usize], mut draw: impl FnMut() -> f64) {
        for (column, factor) in &self.draws {
            let weights: Vec<f64> = (0..sizes[*column])
                .map(|value| {
                    row[*column] = value;
                    factor.values[factor.at(sizes, row)]
                })
                .collect();
            let mut left = draw() * weights.iter().sum::<f64>();
            let chosen = weights.iter().position(|weight| {
                left -= weight;
                left < 0.0
            });
            row[*column] = chosen.or_else(|| weights.iter().rposition(|weight| *weight > 0.0)).unwrap_or(0);
        }
    }
}

/// All columns of some factors, in increasing order.
fn scope<'a>(factors: impl Iterator<Item = &'a Factor>) -> Vec<usize> {
    let mut all: Vec<usize> = factors.flat_map(|factor| factor.columns.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Factor {
    /// Where the number for a row's values is.
    pub fn at(&self, sizes: &[usize], row: &[usize]) -> usize {
        self.columns.iter().fold(0, |at, column| at * sizes[*column] + row[*column])
    }

    /// Calls `visit` with each row of values of `columns`, in order; other values stay as `row` has them.
    pub fn for_all(sizes: &[usize], columns: &[usize], row: &mut [usize], mut visit: impl FnMut(&[usize])) {
        columns.iter().for_each(|column| row[*column] = 0);
        loop {
            visit(row);
            let Some(last) = columns.iter().rposition(|column| row[*column] + 1 < sizes[*column]) else { return };
            row[columns[last]] += 1;
            columns[last + 1..].iter().for_each(|column| row[*column] = 0);
        }
    }

    fn given(&self, sizes: &[usize], known: &[Option<usize>]) -> Self {
        let mut row: Vec<usize> = known.iter().map(|value| value.unwrap_or(0)).collect();
        let columns: Vec<usize> = self.columns.iter().copied().filter(|column| known[*column].is_none()).collect();
        let mut values = Vec::new();
        Self::for_all(sizes, &columns, &mut row, |row| values.push(self.values[self.at(sizes, row)]));
        Self { columns, values }
    }

    fn product(sizes: &[usize], factors: &[Self]) -> Self {
        let columns = scope(factors.iter());
        let (mut row, mut values) = (vec![0; sizes.len()], Vec::new());
        Self::for_all(sizes, &columns, &mut row, |row| {
            values.push(factors.iter().map(|factor| factor.values[factor.at(sizes, row)]).product());
        });
        Self { columns, values }
    }

    /// The sum over the values of a column.
    fn without(&self, sizes: &[usize], column: usize) -> Self {
        let columns: Vec<usize> = self.columns.iter().copied().filter(|other| *other != column).collect();
        let (mut row, mut values) = (vec![0; sizes.len()], Vec::new());
        Self::for_all(sizes, &columns, &mut row, |row| {
            let mut row = row.to_vec();
            let sum = (0..sizes[column]).map(|value| {
                row[column] = value;
                self.values[self.at(sizes, &row)]
            });
            values.push(sum.sum());
        });
        Self { columns, values }
    }
}

#[cfg(test)]
mod tests {
    use galatea_kernels::random::Stream;

    use super::*;

    /// Four columns: the second follows the first, the third the second, the fourth the first and the third.
    fn table(rows: usize) -> Table {
        let mut stream = Stream::new(3, 0);
        let mut values = Vec::new();
        for _ in 0..rows {
            let mut flip = |value: u64, size: u64| if stream.below(5) == 0 { stream.below(size) } else { value % size };
            let a = flip(2, 3);
            let a = if a == 2 { flip(0, 3) } else { a };
            let b = flip(a, 2);
            let c = flip(b + 1, 3);
            let d = flip(a + c, 2);
            values.extend([a, b, c, d].map(|value| value as f32));
        }
        Table::new(&[3, 2, 3, 2], &values)
    }

    #[test]
    fn parents_that_can_never_pay_are_not_counted() {
        let values: Vec<f32> =
            (0..40).flat_map(|row| [row % 7, row * 31 % 900, row, row].map(|value| value as f32)).collect();
        let table = Table::new(&[7, 100_000, 100_000, 100_000], &values);
        // A table of 7e15 numbers.
        assert_eq!(table.score(0, &[1, 2, 3]), f64::NEG_INFINITY);
        assert!(table.score(0, &[]).is_finite());
    }

    #[test]
    fn pairs_and_counts_are_those_of_the_rows() {
        let table = table(1_000);
        for (a, b) in [(0, 1), (2, 3), (3, 0)] {
            let mut slow = vec![0; table.sizes[a] * table.sizes[b]];
            for row in 0..1_000 {
                slow[table.columns[a][row] as usize * table.sizes[b] + table.columns[b][row] as usize] += 1;
            }
            assert_eq!(table.pairs(a, b), slow);
            assert_eq!(table.counts(b, &[a]), slow);
            let entropy = |counts: &[u64]| -> f64 {
                counts.iter().filter(|n| **n > 0).map(|n| *n as f64 / 1e3).map(|p| -p * p.ln()).sum()
            };
            let expected = entropy(&table.counts(a, &[])) + entropy(&table.counts(b, &[])) - entropy(&slow);
            assert!((table.information(a, b) - expected).abs() < 1e-12);
            assert!((table.information(a, b) - table.information(b, a)).abs() < 1e-12);
        }
        assert_eq!(table.counts(3, &[0, 2]).iter().sum::<u64>(), 1_000);
    }

    #[test]
    fn climbing_finds_what_the_rows_were_made_by_and_no_circle() {
        let table = table(5_000);
        let mut climb = Climb::new(&table, chow_liu(&table, 0));
        let mut last = climb.score();
        while climb.step(&table, 3).is_some() {
            assert!(climb.score() > last, "{} after {last}", climb.score());
            last = climb.score();
            assert!(order(&climb.parents).is_some(), "{:?}", climb.parents);
            let fresh: f64 = (0..4).map(|column| table.score(column, &climb.parents[column])).sum();
            assert!((fresh - last).abs() < 1e-9);
        }
        // As good as the structure that the rows were made by, or better by chance.
        let truth = Climb::new(&table, vec![vec![], vec![0], vec![1], vec![0, 2]]).score();
        assert!(last >= truth - 1e-9, "{last}, and the truth has {truth}: {:?}", climb.parents);
        let mut edges: Vec<[usize; 2]> = climb
            .parents
            .iter()
            .enumerate()
            .flat_map(|(to, parents)| parents.iter().map(move |from| [to.min(*from), to.max(*from)]))
            .collect();
        edges.sort_unstable();
        assert_eq!(edges, [[0, 1], [0, 3], [1, 2], [2, 3]]);
        assert!(order(&[vec![1], vec![0]]).is_none());
    }

    #[test]
    fn trees_span_all_columns_with_the_largest_information() {
        let table = table(5_000);
        let parents = chow_liu(&table, 0);
        assert_eq!(parents.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1, 1, 1]);
        let found: f64 = (1..4).map(|column| table.information(column, parents[column][0])).sum();
        // Against all trees: each column but the first has one parent, without circles.
        let mut best = 0.0f64;
        for (p1, p2, p3) in (0..4).flat_map(|a| (0..4).flat_map(move |b| (0..4).map(move |c| (a, b, c)))) {
            let parents = vec![vec![], vec![p1], vec![p2], vec![p3]];
            if p1 != 1 && p2 != 2 && p3 != 3 && order(&parents).is_some() {
                best = best.max((1..4).map(|column| table.information(column, parents[column][0])).sum());
            }
        }
        assert!((found - best).abs() < 1e-12, "{found}, and {best} is possible");
    }

    #[test]
    fn what_is_not_known_is_drawn_by_its_probability() {
        // a -> b, a -> c, (b, c) -> d: a circle if directions are left out.
        let sizes = [2, 2, 3, 2];
        let mut stream = Stream::new(8, 0);
        let mut factor = |columns: &[usize]| {
            let count: usize = columns.iter().map(|column| sizes[*column]).product();
            Factor { columns: columns.to_vec(), values: (0..count).map(|_| 0.1 + stream.next_f64()).collect() }
        };
        let factors = vec![factor(&[0]), factor(&[0, 1]), factor(&[0, 2]), factor(&[1, 2, 3])];
        for known in [[None; 4], [None, Some(1), None, None], [Some(0), None, None, Some(1)]] {
            let whole = Factor::product(&sizes, &factors).given(&sizes, &known);
            let total: f64 = whole.values.iter().sum();
            let plan = Plan::new(&sizes, factors.clone(), &known).unwrap();
            assert!((plan.evidence - total.ln()).abs() < 1e-12);
            let mut stream = Stream::new(9, 0);
            let mut counts = vec![0.0; whole.values.len()];
            let n = 40_000;
            for _ in 0..n {
                let mut row = known.map(|value| value.unwrap_or(9)).to_vec();
                plan.draw(&sizes, &mut row, || stream.next_f64());
                assert!(known.iter().zip(&row).all(|(known, value)| known.is_none_or(|known| known == *value)));
                counts[whole.at(&sizes, &row)] += 1.0 / f64::from(n);
            }
            for (count, value) in counts.iter().zip(&whole.values) {
                assert!((count - value / total).abs() < 0.012, "{count}, not {}", value / total);
            }
        }
    }
}
