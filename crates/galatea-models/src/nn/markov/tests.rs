//! Chains against all ways through their states.

use galatea_kernels::random::Stream;

use super::*;

fn rows(stream: &mut Stream, rows: usize, width: usize) -> Vec<f64> {
    let row = |stream: &mut Stream| {
        let row: Vec<f64> = (0..width).map(|_| 0.1 + stream.next_f64()).collect();
        let sum: f64 = row.iter().sum();
        row.into_iter().map(move |value| value / sum)
    };
    (0..rows).flat_map(|_| row(stream)).collect()
}

fn normal(stream: &mut Stream) -> f64 {
    (0..12).map(|_| stream.next_f64()).sum::<f64>() - 6.0
}

/// Chains of three states with everything that an emission can be.
fn chains() -> Vec<Chain> {
    let mut stream = Stream::new(5, 0);
    let k = 3;
    let chain = |emission, stream: &mut Stream| Chain {
        states: k,
        start: rows(stream, 1, k),
        moves: rows(stream, k, k),
        emission,
    };
    let mut all = Vec::new();
    let symbols = rows(&mut stream, k, 4);
    all.push(chain(Emission::Symbols(symbols), &mut stream));
    for (dimensions, count, are_full) in [(1, 1, false), (2, 1, false), (2, 1, true), (2, 2, true), (3, 2, false)] {
        let parts = k * count;
        let means = (0..parts * dimensions).map(|_| 2.0 * normal(&mut stream)).collect();
        let covariances = (0..parts).flat_map(|_| {
            let mut all = vec![0.0; if are_full { dimensions * dimensions } else { dimensions }];
            for i in 0..dimensions {
                all[if are_full { i * dimensions + i } else { i }] = 0.5 + stream.next_f64();
            }
            if are_full {
                (all[1], all[dimensions]) = (0.3, 0.3);
            }
            all
        });
        let covariances = covariances.collect();
        let shares = rows(&mut stream, k, count);
        let normals = Normals { dimensions, count, are_full, shares, means, covariances };
        all.push(chain(Emission::Normals(normals), &mut stream));
    }
    all
}

fn sequence(chain: &Chain, time: usize, seed: u64) -> Vec<f64> {
    let mut stream = Stream::new(seed, 1);
    match &chain.emission {
        Emission::Symbols(_) => (0..time).map(|_| stream.below(4) as f64).collect(),
        Emission::Normals(normals) => (0..time * normals.dimensions).map(|_| 2.0 * normal(&mut stream)).collect(),
    }
}

/// The density of a moment in a state, from its definition.
fn density(chain: &Chain, state: usize, x: &[f64]) -> f64 {
    let Emission::Normals(normals) = &chain.emission else {
        let Emission::Symbols(probabilities) = &chain.emission else { unreachable!() };
        return probabilities[state * 4 + x[0] as usize];
    };
    let (d, m) = (normals.dimensions, normals.count);
    (0..m)
        .map(|part| {
            let at = state * m + part;
            let apart: Vec<f64> = (0..d).map(|i| x[i] - normals.means[at * d + i]).collect();
            let (square, determinant) = match normals.are_full {
                // Two by two, by hand.
                true => {
                    let c = &normals.covariances[at * 4..at * 4 + 4];
                    let determinant = c[0] * c[3] - c[1] * c[2];
                    let [a, b] = [apart[0], apart[1]];
                    ((c[3] * a * a - 2.0 * c[1] * a * b + c[0] * b * b) / determinant, determinant)
                }
                false => {
                    let variances = &normals.covariances[at * d..(at + 1) * d];
                    (apart.iter().zip(variances).map(|(a, v)| a * a / v).sum(), variances.iter().product())
                }
            };
            normals.shares[at] * (-0.5 * square).exp() / (std::f64::consts::TAU.powi(d as i32) * determinant).sqrt()
        })
        .sum()
}

/// The probability of a sequence along each of all ways through the states.
fn ways(chain: &Chain, sequence: &[f64]) -> Vec<(Vec<usize>, f64)> {
    let width = if let Emission::Normals(normals) = &chain.emission { normals.dimensions } else { 1 };
    let mut all = vec![(Vec::new(), 1.0)];
    for x in sequence.chunks_exact(width) {
        all = all
            .iter()
            .flat_map(|(states, probability): &(Vec<usize>, f64)| {
                (0..chain.states).map(move |next| {
                    let way = match states.last() {
                        None => chain.start[next],
                        Some(last) => chain.moves[last * chain.states + next],
                    };
                    let states = [&states[..], &[next]].concat();
                    (states, probability * way * density(chain, next, x))
                })
            })
            .collect();
    }
    all
}

#[test]
fn likelihoods_states_and_their_probabilities_are_those_of_all_ways_together() {
    for chain in chains() {
        let sequence = sequence(&chain, 6, 3);
        let ways = ways(&chain, &sequence);
        let total: f64 = ways.iter().map(|(_, probability)| probability).sum();
        let [log] = chain.log_likelihoods(&[&sequence])[..] else { panic!() };
        assert!((log - total.ln()).abs() < 1e-10, "{log}, not {}", total.ln());
        let (states, best) = chain.viterbi(&sequence);
        let (expected, probability) = ways.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert_eq!(&states, expected);
        assert!((best - probability.ln()).abs() < 1e-10);
        let posterior = chain.posterior(&sequence);
        for t in 0..6 {
            for state in 0..3 {
                let through: f64 = ways.iter().filter(|(states, _)| states[t] == state).map(|(_, p)| p).sum();
                assert!((posterior[t * 3 + state] - through / total).abs() < 1e-10);
            }
        }
    }
}

#[test]
fn each_step_explains_the_sequences_better_for_any_number_of_threads() {
    for chain in chains() {
        let all: Vec<Vec<f64>> = (0..40).map(|i| sequence(&chain, 5 + i as usize % 7, i)).collect();
        let all: Vec<&[f64]> = all.iter().map(Vec::as_slice).collect();
        let (mut now, mut last) = (chain.clone(), f64::NEG_INFINITY);
        for step in 0..15 {
            galatea_kernels::pool::set_threads(1);
            let alone = now.improved(&all, 1e-6);
            galatea_kernels::pool::set_threads(3);
            let (next, log) = now.improved(&all, 1e-6);
            galatea_kernels::pool::set_threads(0);
            assert_eq!(alone, (next.clone(), log));
            assert!((log - now.log_likelihoods(&all).iter().sum::<f64>()).abs() < 1e-9 * log.abs());
            assert!(log >= last - 1e-9 * log.abs(), "step {step}: {log} after {last}");
            let sums = next.moves.chunks(3).map(|row| row.iter().sum::<f64>());
            assert!(sums.into_iter().all(|sum| (sum - 1.0).abs() < 1e-12));
            (now, last) = (next, log);
        }
        assert!(now != chain);
    }
}

#[test]
fn what_cannot_be_has_no_likelihood_and_spoils_nothing() {
    let mut chain = chains().swap_remove(0);
    chain.emission = Emission::Symbols([0.5, 0.5, 0.0, 0.0].repeat(3));
    let logs = chain.log_likelihoods(&[&[0.0, 1.0, 0.0], &[0.0, 2.0, 0.0]]);
    assert!((logs[0] - 3.0 * 0.5f64.ln()).abs() < 1e-12 && logs[1] == f64::NEG_INFINITY);
    // Far from all means: densities that f64 cannot hold.
    let normals = chains().swap_remove(1);
    let [log] = normals.log_likelihoods(&[&[1e6, -1e6]])[..] else { panic!() };
    assert!(log.is_finite() && log < -1e10);
    assert!(chain.log_likelihoods(&[&[]])[0] == 0.0 && chain.viterbi(&[]).0.is_empty());
}

#[test]
fn roots_of_matrices() {
    let root = cholesky(2, &[4.0, 2.0, 2.0, 5.0]).unwrap();
    assert_eq!(root, [2.0, 0.0, 1.0, 2.0]);
    assert!(cholesky(2, &[1.0, 2.0, 2.0, 1.0]).is_none());
    let (inverse, log_determinant) = whiten(2, &[4.0, 2.0, 2.0, 5.0]);
    assert_eq!(inverse, [0.5, 0.0, -0.25, 0.5]);
    assert!((log_determinant - 16f64.ln()).abs() < 1e-12);
}
