//! Hidden Markov chains: how likely sequences are, which states lie behind them, and one step of expectation maximisation.
//!
//! Paper: Rabiner 1989, "A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition", sections III
//! and V (forward and backward passes with scaling, Viterbi, Baum and Welch's estimates, mixtures).
//! Differs: likelihoods of a moment are divided by the largest of them before they are scaled, so that none vanishes.
//!
//! All is in f64. Sequences are tasks of the pool; their sums are added in the order of the sequences, so that the number of
//! threads changes no bit.

use std::sync::Mutex;

use galatea_kernels::pool::parallel_for;

/// Sequences whose sums are added up in one task.
const TOGETHER: usize = 16;
/// Probability of a symbol that a state was never seen with: what is new is unlikely, and not impossible.
const SELDOM: f64 = 1e-10;

/// Normal distributions that a state draws from, each with its share; all sizes are the same for all states.
#[derive(Clone, Debug, PartialEq)]
pub struct Normals {
    /// Values of a moment.
    pub dimensions: usize,
    /// Distributions of a state.
    pub count: usize,
    /// Whether covariances are full, and not of each value alone.
    pub are_full: bool,
    /// Shares, `[states, count]`.
    pub shares: Vec<f64>,
    /// Means, `[states, count, dimensions]`.
    pub means: Vec<f64>,
    /// Variances, `[states, count, dimensions]`, or covariances, `[states, count, dimensions, dimensions]`.
    pub covariances: Vec<f64>,
}

/// What a state draws.
#[derive(Clone, Debug, PartialEq)]
pub enum Emission {
    /// Numbers.
    Normals(Normals),
    /// One of some symbols: probabilities `[states, symbols]`.
    Symbols(Vec<f64>),
}

/// A hidden Markov chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Number of states.
    pub states: usize,
    /// Probabilities of the first state.
    pub start: Vec<f64>,
    /// Probabilities of the next state, `[from, to]`.
    pub moves: Vec<f64>,
    /// What states draw.
    pub emission: Emission,
}

/// A sequence of moments: `dimensions` numbers each, or a symbol.
pub type Sequence<'a> = &'a [f64];

/// What is counted over sequences, under the probabilities of a chain.
#[derive(Clone, Debug, PartialEq)]
struct Counts {
    likelihood: f64,
    start: Vec<f64>,
    moves: Vec<f64>,
    /// Of symbols `[states, symbols]`; of normal distributions the weight of each `[states, count]`.
    weights: Vec<f64>,
    /// Weighted sums of values, and of their products.
    sums: Vec<f64>,
    products: Vec<f64>,
}

impl Counts {
    fn new(chain: &Chain) -> Self {
        let zeros = |n: usize| vec![0.0; n];
        let (weights, sums, products) = match &chain.emission {
            Emission::Normals(normals) => (normals.shares.len(), normals.means.len(), normals.covariances.len()),
            Emission::Symbols(probabilities) => (probabilities.len(), 0, 0),
        };
        Self {
            likelihood: 0.0,
            start: zeros(chain.states),
            moves: zeros(chain.moves.len()),
            weights: zeros(weights),
            sums: zeros(sums),
            products: zeros(products),
        }
    }

    fn add(&mut self, other: &Self) {
        self.likelihood += other.likelihood;
        let pairs = [
            (&mut self.start, &other.start),
            (&mut self.moves, &other.moves),
            (&mut self.weights, &other.weights),
            (&mut self.sums, &other.sums),
            (&mut self.products, &other.products),
        ];
        for (sum, more) in pairs {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }
}

/// What is worked out of a chain once for all moments.
struct Ready<'a> {
    chain: &'a Chain,
    /// Of each normal distribution: the logarithm of its share less that of its normalisation, and what its deviations are
    /// multiplied by: the roots of the reciprocals of variances, or the inverse of the lower root of the covariance.
    constants: Vec<f64>,
    whitening: Vec<f64>,
    /// Logarithms of the probabilities of symbols.
    symbols: Vec<f64>,
}

impl<'a> Ready<'a> {
    fn new(chain: &'a Chain) -> Self {
        let mut ready = Self { chain, constants: Vec::new(), whitening: Vec::new(), symbols: Vec::new() };
        match &chain.emission {
            Emission::Symbols(probabilities) => ready.symbols = probabilities.iter().map(|p| p.ln()).collect(),
            Emission::Normals(normals) => {
                let d = normals.dimensions;
                let size = if normals.are_full { d * d } else { d };
                for (share, covariance) in normals.shares.iter().zip(normals.covariances.chunks_exact(size.max(1))) {
                    let (whitening, log_determinant) = match normals.are_full {
                        true => whiten(d, covariance),
                        false => {
                            let roots = covariance.iter().map(|variance| variance.sqrt().recip()).collect();
                            (roots, covariance.iter().map(|variance| variance.ln()).sum())
                        }
                    };
                    let normalisation = 0.5 * (d as f64 * std::f64::consts::TAU.ln() + log_determinant);
                    ready.constants.push(share.ln() - normalisation);
                    ready.whitening.extend(whitening);
                }
            }
        }
        ready
    }

    fn dimensions(&self) -> usize {
        match &self.chain.emission {
            Emission::Normals(normals) => normals.dimensions,
            Emission::Symbols(_) => 1,
        }
    }

    /// Distributions of a state; 1 for symbols.
    fn parts(&self) -> usize {
        match &self.chain.emission {
            Emission::Normals(normals) => normals.count,
            Emission::Symbols(_) => 1,
        }
    }

    /// Logarithms of how likely each part of each state makes a moment, `[states, parts]`.
    fn moment(&self, x: &[f64], out: &mut [f64]) {
        match &self.chain.emission {
            Emission::Symbols(_) => {
                let symbols = self.symbols.len() / self.chain.states;
                let symbol = x[0] as usize;
                out.iter_mut().enumerate().for_each(|(state, out)| *out = self.symbols[state * symbols + symbol]);
            }
            Emission::Normals(normals) => {
                let d = normals.dimensions;
                let size = if normals.are_full { d * d } else { d };
                let parts = self.constants.iter().zip(normals.means.chunks_exact(d));
                for ((out, (constant, mean)), whitening) in
                    out.iter_mut().zip(parts).zip(self.whitening.chunks_exact(size))
                {
                    let mut square = 0.0;
                    if normals.are_full {
                        for (i, row) in whitening.chunks_exact(d).enumerate() {
                            let of_row: f64 = (0..=i).map(|j| row[j] * (x[j] - mean[j])).sum();
                            square += of_row * of_row;
                        }
                    } else {
                        for ((x, mean), root) in x.iter().zip(mean).zip(whitening) {
                            let apart = (x - mean) * root;
                            square += apart * apart;
                        }
                    }
                    *out = constant - 0.5 * square;
                }
            }
        }
    }

    /// Of each moment: how likely each state makes it, divided by the likeliest, `[time, states]`; the logarithms of what was
    /// divided by; and those of each part, `[time, states, parts]`.
    fn likelihoods(&self, sequence: Sequence<'_>) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let (k, parts) = (self.chain.states, self.parts());
        let time = sequence.len() / self.dimensions();
        let mut of_parts = vec![0.0; time * k * parts];
        let (mut all, mut largest) = (vec![0.0; time * k], Vec::with_capacity(time));
        let moments = sequence.chunks_exact(self.dimensions()).zip(of_parts.chunks_exact_mut(k * parts));
        for ((x, of_parts), all) in moments.zip(all.chunks_exact_mut(k)) {
            self.moment(x, of_parts);
            for (sum, parts) in all.iter_mut().zip(of_parts.chunks_exact(parts)) {
                *sum = log_sum(parts);
            }
            let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            // What no state can draw has a likelihood of nothing; there is no state to tell apart then.
            let by = if most == f64::NEG_INFINITY { 0.0 } else { most };
            all.iter_mut().for_each(|value| *value = (*value - by).exp());
            largest.push(by);
        }
        (all, largest, of_parts)
    }

    /// The scaled forward pass: probabilities of states given what was seen up to each moment, `[time, states]`, what they
    /// were scaled by, and the log likelihood.
    fn forward(&self, likelihoods: &[f64], largest: &[f64]) -> (Vec<f64>, Vec<f64>, f64) {
        let k = self.chain.states;
        let mut forward = vec![0.0; likelihoods.len()];
        let (mut scales, mut log) = (Vec::with_capacity(largest.len()), 0.0);
        for (t, largest) in largest.iter().enumerate() {
            let (before, now) = forward.split_at_mut(t * k);
            let now = &mut now[..k];
            if t == 0 {
                now.copy_from_slice(&self.chain.start);
            } else {
                for (from, moves) in before[(t - 1) * k..].iter().zip(self.chain.moves.chunks_exact(k)) {
                    now.iter_mut().zip(moves).for_each(|(now, moves)| *now += from * moves);
                }
            }
            now.iter_mut().zip(&likelihoods[t * k..]).for_each(|(now, likelihood)| *now *= likelihood);
            let sum: f64 = now.iter().sum();
            let scale = if sum > 0.0 { sum.recip() } else { 0.0 };
            now.iter_mut().for_each(|now| *now *= scale);
            log += sum.ln() + largest;
            scales.push(scale);
        }
        (forward, scales, log)
    }

    /// The scaled backward pass, `[time, states]`.
    fn backward(&self, likelihoods: &[f64], scales: &[f64]) -> Vec<f64> {
        let k = self.chain.states;
        let mut backward = vec![1.0; likelihoods.len()];
        for t in (1..scales.len()).rev() {
            let (before, now) = backward.split_at_mut(t * k);
            let ahead: Vec<f64> = now[..k]
                .iter()
                .zip(&likelihoods[t * k..])
                .map(|(now, likelihood)| now * likelihood * scales[t])
                .collect();
            for (before, moves) in before[(t - 1) * k..].iter_mut().zip(self.chain.moves.chunks_exact(k)) {
                *before = moves.iter().zip(&ahead).map(|(moves, ahead)| moves * ahead).sum();
            }
        }
        backward
    }

    /// Adds what a sequence counts.
    fn count(&self, sequence: Sequence<'_>, counts: &mut Counts) {
        let (k, parts) = (self.chain.states, self.parts());
        let (likelihoods, largest, of_parts) = self.likelihoods(sequence);
        let (forward, scales, log) = self.forward(&likelihoods, &largest);
        let backward = self.backward(&likelihoods, &scales);
        counts.likelihood += log;
        for (t, x) in sequence.chunks_exact(self.dimensions()).enumerate() {
            let at = t * k..(t + 1) * k;
            let mut seen: Vec<f64> =
                forward[at.clone()].iter().zip(&backward[at.clone()]).map(|(a, b)| a * b).collect();
            let sum: f64 = seen.iter().sum();
            if sum > 0.0 {
                seen.iter_mut().for_each(|seen| *seen /= sum);
            }
            if t == 0 {
                counts.start.iter_mut().zip(&seen).for_each(|(count, seen)| *count += seen);
            } else {
                let ahead: Vec<f64> = backward[at.clone()]
                    .iter()
                    .zip(&likelihoods[at.clone()])
                    .map(|(backward, likelihood)| backward * likelihood * scales[t])
                    .collect();
                let rows = counts.moves.chunks_exact_mut(k).zip(self.chain.moves.chunks_exact(k));
                for ((count, moves), from) in rows.zip(&forward[(t - 1) * k..t * k]) {
                    for ((count, moves), ahead) in count.iter_mut().zip(moves).zip(&ahead) {
                        *count += from * moves * ahead;
                    }
                }
            }
            match &self.chain.emission {
                Emission::Symbols(_) => {
                    let symbols = counts.weights.len() / k;
                    let symbol = x[0] as usize;
                    seen.iter().enumerate().for_each(|(state, seen)| counts.weights[state * symbols + symbol] += seen);
                }
                Emission::Normals(normals) => {
                    let of_parts = &of_parts[t * k * parts..(t + 1) * k * parts];
                    for (state, of_parts) in of_parts.chunks_exact(parts).enumerate() {
                        let whole = log_sum(of_parts);
                        for (part, log) in of_parts.iter().enumerate() {
                            let weight = seen[state] * if parts == 1 { 1.0 } else { (log - whole).exp() };
                            counts.observe(normals, state * parts + part, weight, x);
                        }
                    }
                }
            }
        }
    }
}

impl Counts {
    fn observe(&mut self, normals: &Normals, part: usize, weight: f64, x: &[f64]) {
        let d = normals.dimensions;
        self.weights[part] += weight;
        self.sums[part * d..(part + 1) * d].iter_mut().zip(x).for_each(|(sum, x)| *sum += weight * x);
        if normals.are_full {
            for (i, row) in self.products[part * d * d..(part + 1) * d * d].chunks_exact_mut(d).enumerate() {
                row.iter_mut().zip(x).take(i + 1).for_each(|(sum, other)| *sum += weight * x[i] * other);
            }
        } else {
            self.products[part * d..(part + 1) * d].iter_mut().zip(x).for_each(|(sum, x)| *sum += weight * x * x);
        }
    }
}

impl Chain {
    /// The log likelihood of each sequence.
    pub fn log_likelihoods(&self, sequences: &[Sequence<'_>]) -> Vec<f64> {
        let ready = Ready::new(self);
        each(sequences.len(), |i| {
            let (likelihoods, largest, _) = ready.likelihoods(sequences[i]);
            ready.forward(&likelihoods, &largest).2
        })
    }

    /// Probabilities of the states at each moment of a sequence, given all of it: `[time, states]`.
    pub fn posterior(&self, sequence: Sequence<'_>) -> Vec<f64> {
        let ready = Ready::new(self);
        let (likelihoods, largest, _) = ready.likelihoods(sequence);
        let (mut all, scales, _) = ready.forward(&likelihoods, &largest);
        let backward = ready.backward(&likelihoods, &scales);
        all.iter_mut().zip(&backward).for_each(|(all, backward)| *all *= backward);
        for moment in all.chunks_exact_mut(self.states) {
            let sum: f64 = moment.iter().sum();
            moment.iter_mut().for_each(|value| *value /= sum);
        }
        all
    }

    /// The likeliest states behind a sequence, and the logarithm of their probability together with it.
    pub fn viterbi(&self, sequence: Sequence<'_>) -> (Vec<usize>, f64) {
        let (k, ready) = (self.states, Ready::new(self));
        let time = sequence.len() / ready.dimensions();
        let logs = |all: &[f64]| all.iter().map(|p| p.ln()).collect::<Vec<f64>>();
        let (start, moves) = (logs(&self.start), logs(&self.moves));
        let (mut best, mut from) = (vec![0.0; time * k], vec![0usize; time * k]);
        let mut of_parts = vec![0.0; k * ready.parts()];
        for (t, x) in sequence.chunks_exact(ready.dimensions()).enumerate() {
            ready.moment(x, &mut of_parts);
            for (state, parts) in of_parts.chunks_exact(ready.parts()).enumerate() {
                let (before, way) = match t {
                    0 => (0, start[state]),
                    _ => {
                        let ways = (0..k).map(|before| best[(t - 1) * k + before] + moves[before * k + state]);
                        first_largest(ways)
                    }
                };
                best[t * k + state] = way + log_sum(parts);
                from[t * k + state] = before;
            }
        }
        if time == 0 {
            return (Vec::new(), 0.0);
        }
        let (mut state, log) = first_largest(best[(time - 1) * k..].iter().copied());
        let mut states = vec![0; time];
        for t in (0..time).rev() {
            states[t] = state;
            state = from[t * k + state];
        }
        (states, log)
    }

    /// One step of expectation maximisation: the chain that explains `sequences` at least as well, and the log likelihood that
    /// this one gives them. Variances are not below `floor`; what was never seen keeps its values.
    pub fn improved(&self, sequences: &[Sequence<'_>], floor: f64) -> (Self, f64) {
        let ready = Ready::new(self);
        let groups = sequences.len().div_ceil(TOGETHER);
        let parts = each(groups, |group| {
            let mut counts = Counts::new(self);
            let some = &sequences[group * TOGETHER..((group + 1) * TOGETHER).min(sequences.len())];
            some.iter().for_each(|sequence| ready.count(sequence, &mut counts));
            counts
        });
        let mut counts = Counts::new(self);
        parts.iter().for_each(|part| counts.add(part));
        (self.following(&counts, floor), counts.likelihood)
    }

    fn following(&self, counts: &Counts, floor: f64) -> Self {
        let k = self.states;
        let shares = |counts: &[f64], old: &[f64]| {
            let sum: f64 = counts.iter().sum();
            if sum > 0.0 { counts.iter().map(|count| count / sum).collect() } else { old.to_vec() }
        };
        let rows = |counts: &[f64], old: &[f64]| -> Vec<f64> {
            let width = old.len() / k;
            counts
                .chunks_exact(width)
                .zip(old.chunks_exact(width))
                .flat_map(|(counts, old)| shares(counts, old))
                .collect()
        };
        let emission = match &self.emission {
            Emission::Symbols(old) => {
                let width = (old.len() / k) as f64;
                let some = |share: f64| (share + SELDOM) / (1.0 + SELDOM * width);
                Emission::Symbols(rows(&counts.weights, old).into_iter().map(some).collect())
            }
            Emission::Normals(old) => {
                let mut normals = old.clone();
                normals.shares = rows(&counts.weights, &old.shares);
                for part in 0..counts.weights.len() {
                    normals.follow(counts, part, floor);
                }
                Emission::Normals(normals)
            }
        };
        Self { states: k, start: shares(&counts.start, &self.start), moves: rows(&counts.moves, &self.moves), emission }
    }
}

impl Normals {
    /// Mean and covariance of a part from what was counted.
    fn follow(&mut self, counts: &Counts, part: usize, floor: f64) {
        let (d, weight) = (self.dimensions, counts.weights[part]);
        // A part that hardly anything falls to has no covariance of its own.
        if weight < 1e-8 {
            return;
        }
        let means = &mut self.means[part * d..(part + 1) * d];
        means.iter_mut().zip(&counts.sums[part * d..]).for_each(|(mean, sum)| *mean = sum / weight);
        if self.are_full {
            let products = &counts.products[part * d * d..(part + 1) * d * d];
            let covariance = &mut self.covariances[part * d * d..(part + 1) * d * d];
            for i in 0..d {
                for j in 0..=i {
                    let value = products[i * d + j] / weight - means[i] * means[j];
                    let value = if i == j { value.max(floor) } else { value };
                    (covariance[i * d + j], covariance[j * d + i]) = (value, value);
                }
            }
        } else {
            let variances = &mut self.covariances[part * d..(part + 1) * d];
            for ((variance, product), mean) in variances.iter_mut().zip(&counts.products[part * d..]).zip(means) {
                *variance = (product / weight - *mean * *mean).max(floor);
            }
        }
    }
}

/// The index of the largest value, the first of several, and the value.
fn first_largest(values: impl Iterator<Item = f64>) -> (usize, f64) {
    values.enumerate().fold((0, f64::NEG_INFINITY), |best, (at, value)| if value > best.1 { (at, value) } else { best })
}

fn log_sum(logs: &[f64]) -> f64 {
    if let [one] = logs {
        return *one;
    }
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + logs.iter().map(|log| (log - most).exp()).sum::<f64>().ln()
}

/// The inverse of the lower root L of a covariance L L^T, lower triangular as well, and the logarithm of its determinant. A
/// covariance that has no root is taken for that of its diagonal.
fn whiten(d: usize, covariance: &[f64]) -> (Vec<f64>, f64) {
    let root = cholesky(d, covariance).unwrap_or_else(|| {
        let mut diagonal = vec![0.0; d * d];
        (0..d).for_each(|i| diagonal[i * d + i] = covariance[i * d + i].max(f64::MIN_POSITIVE).sqrt());
        diagonal
    });
    let mut inverse = vec![0.0; d * d];
    for j in 0..d {
        inverse[j * d + j] = root[j * d + j].recip();
        for i in j + 1..d {
            let sum: f64 = (j..i).map(|l| root[i * d + l] * inverse[l * d + j]).sum();
            inverse[i * d + j] = -sum / root[i * d + i];
        }
    }
    (inverse, 2.0 * (0..d).map(|i| root[i * d + i].ln()).sum::<f64>())
}

/// The lower root of a positive matrix.
pub fn cholesky(d: usize, matrix: &[f64]) -> Option<Vec<f64>> {
    let mut root = vec![0.0; d * d];
    for i in 0..d {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|l| root[i * d + l] * root[j * d + l]).sum();
            let value = matrix[i * d + j] - sum;
            root[i * d + j] = if i == j { value.sqrt() } else { value / root[j * d + j] };
            if i == j && !(value > 0.0 && value.is_finite()) {
                return None;
            }
        }
    }
    Some(root)
}

/// `f(0)`, `f(1)`, .. by the threads of the pool, in order.
pub fn each<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let all: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
    parallel_for(count, |i| {
        let value = f(i);
        if let Ok(mut place) = all[i].lock() {
            *place = Some(value);
        }
    });
    all.into_iter().filter_map(|place| place.into_inner().ok().flatten()).collect()
}

#[cfg(test)]
mod tests;
