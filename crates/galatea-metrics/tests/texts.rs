//! Agreement with NLTK, sacrebleu and numpy on the same texts and windows; see `golden/texts.py`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use galatea_data::HostTensor;
use galatea_metrics::Points;
use galatea_metrics::autocorrelation::{autocorrelations, distance};
use galatea_metrics::bleu::{Lexicon, Words, bleu, self_bleu};
use serde_json::Value;

/// Sums in another order differ by no more.
const TOLERANCE: f64 = 1e-9;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/texts.json")).unwrap()
}

fn close(what: &str, ours: f64, reference: &Value) {
    let reference = reference.as_f64().unwrap();
    assert!((ours - reference).abs() < TOLERANCE, "{what}: {ours}, not {reference}");
}

#[test]
fn bleu_is_that_of_nltk_and_sacrebleu() {
    let golden = golden();
    let cases = golden["texts"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let mut lexicon = Lexicon::default();
        let mut read = |of: &str| -> Vec<Words> {
            case[of].as_array().unwrap().iter().map(|text| lexicon.read(text.as_str().unwrap())).collect()
        };
        let (written, real) = (read("written"), read("real"));
        for reference in ["nltk", "sacrebleu"] {
            let name = format!("{} by {reference}", case["name"]);
            close(&name, bleu(&written, &real), &case["bleu"][reference]);
            close(&format!("self: {name}"), self_bleu(&written), &case["self_bleu"][reference]);
        }
    }
}

#[test]
fn autocorrelations_are_those_of_numpy() {
    let golden = &golden()["series"];
    let points = |of: &str| {
        let values: Vec<f32> = golden[of].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect();
        Points::single(HostTensor::new([values.len() / 16, 8, 2], values)).unwrap()
    };
    let (x, y) = (points("x"), points("y"));
    for (ours, reference) in autocorrelations(&x).iter().zip(golden["autocorrelations"].as_array().unwrap()) {
        close("autocorrelation", *ours, reference);
    }
    close("distance", distance(&x, &y), &golden["distance"]);
}
