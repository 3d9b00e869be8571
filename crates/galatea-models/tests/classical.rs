//! Hidden Markov models and Bayesian networks against hmmlearn and pgmpy, whose numbers `golden/classical.py` has written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::prelude::Device;
use galatea_data::{Column, DataSpec, HostBatch, HostTensor, TableSpec};
use galatea_models::nn::markov::{Chain, Emission, Normals};
use galatea_models::registry::family;
use galatea_models::{Session, Turn};

const K: usize = 3;
const D: usize = 2;
const SYMBOLS: usize = 4;
const TIME: usize = 12;
const N: usize = 20;

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("golden/classical.json")).unwrap()
}

fn numbers<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// The rule by which the script fills arrays as well.
fn uniform(which: usize, len: usize) -> Vec<f64> {
    (0..len).map(|i| ((37 * i + 11 * which + (i * i * 5) % 29) % 41) as f64 / 64.0).collect()
}

fn rows(which: usize, rows: usize, width: usize) -> Vec<f64> {
    let values: Vec<f64> = uniform(which, rows * width).iter().map(|value| value + 0.25).collect();
    values.chunks(width).flat_map(|row| row.iter().map(|value| value / row.iter().sum::<f64>())).collect()
}

/// Log likelihoods before each of twenty steps, and after the last: to a millionth, as hmmlearn has them.
fn check(mut chain: Chain, values: &[f64], width: usize, expected: &serde_json::Value) {
    let sequences: Vec<&[f64]> = values.chunks_exact(TIME * width).collect();
    assert_eq!(sequences.len(), N);
    let expected: Vec<f64> = numbers(&expected["scores"]);
    for (step, expected) in expected.iter().enumerate() {
        let (next, log) = chain.improved(&sequences, 0.0);
        assert!((log - expected).abs() < 1e-6 * expected.abs(), "step {step}: {log}, and hmmlearn has {expected}");
        chain = next;
    }
    assert!(expected[20] > expected[0] + 1.0, "nothing was learnt");
}

#[test]
fn expectation_maximisation_is_that_of_hmmlearn() {
    let golden = golden();
    let start =
        Chain { states: K, start: rows(1, 1, K), moves: rows(2, K, K), emission: Emission::Symbols(Vec::new()) };
    for (name, are_full) in [("diagonal", false), ("full", true)] {
        let one = if are_full { vec![0.5, 0.0, 0.0, 0.5] } else { vec![0.5; D] };
        let normals = Normals {
            dimensions: D,
            count: 1,
            are_full,
            shares: vec![1.0; K],
            means: uniform(3, K * D).iter().map(|value| 4.0 * value).collect(),
            covariances: one.repeat(K),
        };
        let chain = Chain { emission: Emission::Normals(normals), ..start.clone() };
        let values: Vec<f64> = uniform(4, N * TIME * D).iter().map(|value| 4.0 * value).collect();
        check(chain.clone(), &values, D, &golden[name]);
        // States of the first sequence, after the twenty steps.
        let sequences: Vec<&[f64]> = values.chunks_exact(TIME * D).collect();
        let trained = (0..20).fold(chain, |chain, _| chain.improved(&sequences, 0.0).0);
        assert_eq!(trained.viterbi(sequences[0]).0, numbers::<Vec<usize>>(&golden[name]["viterbi"]), "{name}");
        let expected: Vec<Vec<f64>> = numbers(&golden[name]["posterior"]);
        for (found, expected) in trained.posterior(sequences[0]).iter().zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-6, "{name}: {found}, not {expected}");
        }
    }
    let chain = Chain { emission: Emission::Symbols(rows(5, K, SYMBOLS)), ..start };
    let values: Vec<f64> =
        uniform(6, N * TIME).iter().map(|value| ((64.0 * value) as usize % SYMBOLS) as f64).collect();
    check(chain, &values, 1, &golden["symbols"]);
}

fn network(values: Vec<f32>, sizes: &[usize], settings: &str) -> Box<dyn Session> {
    let column = |(at, size): (usize, &usize)| Column {
        name: format!("c{at}"),
        values: (0..*size).map(|value| value.to_string()).collect(),
    };
    let spec = DataSpec::Table(TableSpec { columns: sizes.iter().enumerate().map(column).collect() });
    let mut session =
        family("bayesnet").unwrap().session(&settings.parse().unwrap(), &spec, 0, &Device::flex()).unwrap();
    let batch = HostBatch { values: HostTensor::new([values.len() / sizes.len(), sizes.len()], values), labels: None };
    session.step(Turn { seed: 0, step: 1, steps: 1 }, &[batch]).unwrap();
    session
}

/// The table of the script: six columns of three values.
fn table() -> Vec<f32> {
    let noise: Vec<usize> = uniform(7, 400 * 6).iter().map(|value| (64.0 * value) as usize).collect();
    let mut values = Vec::new();
    for noise in noise.chunks_exact(6) {
        let mut row = vec![noise[0] % 3];
        for (i, parent) in [0, 0, 1, 2, 2].into_iter().enumerate() {
            let noise = noise[i + 1];
            row.push((row[parent] + if noise % 5 == 0 { noise % 3 } else { 0 }) % 3);
        }
        values.extend(row.into_iter().map(|value| value as f32));
    }
    values
}

#[test]
fn trees_and_their_likelihoods_are_those_of_pgmpy() {
    let golden = &golden()["tree"];
    let session = network(table(), &[3; 6], "smoothing = 0.0");
    let graph = session.as_condition().unwrap().graph().dot();
    let expected: Vec<[usize; 2]> = numbers(&golden["edges"]);
    assert_eq!(expected.len(), 5);
    for [from, to] in expected {
        assert!(graph.contains(&format!("\"c{from}\" -> \"c{to}\";")), "{from} -> {to} is not in {graph}");
    }
    let batch = HostBatch { values: HostTensor::new([400, 6], table()), labels: None };
    let found = -session.as_likelihood().unwrap().nats(&batch).unwrap().iter().sum::<f64>();
    let expected: f64 = numbers(&golden["log_likelihood"]);
    assert!((found - expected).abs() < 1e-6 * expected.abs(), "{found}, and pgmpy has {expected}");
}
