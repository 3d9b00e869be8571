//! Ten-step loss curves of `lm` against PyTorch, made by `golden/language.py`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::prelude::Device;
use galatea_data::{DataSpec, HostBatch, HostTensor, TextSpec, Vocabulary};
use galatea_kernels::random;
use galatea_models::registry::family;
use galatea_models::{Part, Purpose, SampleRequest, Turn};

const STEPS: u64 = 10;
const BATCH: usize = 3;
const CONTEXT: usize = 7;
const VOCABULARY: usize = 9;

/// Losses are about 2; the reference is in double precision.
const TOLERANCE: f64 = 2e-5;

#[test]
fn loss_curves_are_those_of_pytorch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/language.json")).unwrap();
    for (name, settings) in [
        ("learnt", "cell = 'transformer'"),
        ("rotary", "cell = 'transformer'\npositions = 'rotary'"),
        ("lstm", "cell = 'lstm'"),
        ("gru", "cell = 'gru'"),
    ] {
        let expected: Vec<f64> = serde_json::from_value(golden[name].clone()).unwrap();
        let found = curve(settings);
        for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let apart = (found - expected).abs();
            assert!(apart < TOLERANCE, "{name}, step {}: {found}, PyTorch has {expected}", step + 1);
        }
        assert_eq!(expected.len(), STEPS as usize);
    }
}

/// Four lines that are equally likely: what is behind their ends costs nothing, is not learnt, and is not read.
#[test]
fn lines_cost_their_entropy_and_samples_are_lines() {
    let text = TextSpec {
        length: 8,
        vocabulary: Vocabulary::Characters { characters: "\nab".to_owned() },
        start: 0,
        characters_per_token: 1.0,
        end: Some(0),
    };
    let lines = ["a", "b", "ab", "bba"];
    let batch = |step: u64| {
        let line = |i: u64| text.vocabulary.encode(lines[((i + step) % 4) as usize]).unwrap();
        let example = |i: u64| [&[0], &line(i)[..], &[0; 8]].concat()[..8].to_vec();
        let values = (0..16).flat_map(example).map(|token| token as f32).collect();
        HostBatch { values: HostTensor::new([16, 8], values), labels: None }
    };
    for settings in ["cell = 'transformer'", "cell = 'gru'"] {
        let table = format!("layers = 1\nwidth = 24\nheads = 2\nbatch = 16\nlearning_rate = 0.01\n{settings}");
        let spec = DataSpec::Text(text.clone());
        let mut session = family("lm").unwrap().session(&table.parse().unwrap(), &spec, 1, &Device::flex()).unwrap();
        let mut loss = 0.0;
        for step in 1..=300 {
            let turn = Turn { seed: 5, step, steps: 300 };
            loss = session.step(turn, &[batch(step)]).unwrap().get("loss").unwrap();
        }
        let nats = session.as_likelihood().unwrap().nats(&batch(0)).unwrap();
        let mean = nats.iter().sum::<f64>() / 16.0;
        assert!((mean - 4f64.ln()).abs() < 0.01, "{settings}: {mean} nats a line");
        // Eleven tokens of four lines: the loss is that of tokens that are told.
        assert!((loss - 4.0 * 4f64.ln() / 11.0).abs() < 0.01, "{settings}: {loss} nats a token");
        let samples = session.sample(&SampleRequest::new(3, 400)).unwrap().tokens();
        let read: Vec<String> = samples.chunks(8).map(|example| text.read(example)).collect();
        for line in lines {
            let count = read.iter().filter(|other| *other == line).count();
            assert!((70..130).contains(&count), "{settings}: {count} of 400 are `{line}`");
        }
    }
}

fn curve(settings: &str) -> Vec<f64> {
    let vocabulary = Vocabulary::Characters { characters: "abcdefghi".to_owned() };
    let spec =
        DataSpec::Text(TextSpec { length: CONTEXT + 1, vocabulary, start: 0, characters_per_token: 1.0, end: None });
    let common = "layers = 2\nwidth = 12\nheads = 3\nbatch = 3\nlearning_rate = 0.01\nwarm_up = 9\n";
    let table = format!("{common}{settings}").parse().unwrap();
    let mut session = family("lm").unwrap().session(&table, &spec, 0, &Device::flex()).unwrap();
    let parts: Vec<Part> = session.parts().into_iter().map(filled).collect();
    session.load(&parts, Purpose::Training).unwrap();
    (1..=STEPS)
        .map(|step| session.step(Turn { seed: 5, step, steps: STEPS }, &[batch(step)]).unwrap().get("loss").unwrap())
        .collect()
}

fn batch(step: u64) -> HostBatch {
    let mut values = vec![0.0; BATCH * (CONTEXT + 1)];
    random::fill_uniform(77, step, &mut values);
    values.iter_mut().for_each(|value| *value = (*value * VOCABULARY as f32).floor());
    HostBatch { values: HostTensor::new([BATCH, CONTEXT + 1], values), labels: None }
}

/// The rule by which both sides fill the arrays of the network.
fn filled(mut part: Part) -> Part {
    if part.name == "network" {
        for (name, tensor) in &mut part.tensors {
            let (low, wide) = if name.ends_with("gamma") { (0.8, 0.4) } else { (-0.3, 0.6) };
            random::fill_uniform(fnv(name), 0, &mut tensor.values);
            tensor.values.iter_mut().for_each(|value| *value = *value * wide + low);
        }
    }
    part
}

fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |value, byte| (value ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
