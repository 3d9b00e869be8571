//! How well a model tells text that it has not seen: nats per token, bits per character, perplexity.
//!
//! Paper: Shannon 1951, "Prediction and Entropy of Printed English", section 2; Jelinek et al. 1977, "Perplexity - a measure
//! of the difficulty of speech recognition tasks".
//! Differs: each stretch of text is told from within alone, so that its first tokens are told from few others.

use galatea_data::{DataSpec, TextSpec};

use crate::metric::{Better, Number};
use crate::report::{Context, Report, Row};

/// What is measured.
pub const NUMBERS: &[Number] = &[
    Number {
        name: "nats-per-token",
        better: Better::Lower,
        meaning: "what a token of unseen text costs: the mean negative logarithm of its probability",
    },
    Number {
        name: "bits-per-character",
        better: Better::Lower,
        meaning: "the same in bits for each character, so that vocabularies can be compared",
    },
    Number {
        name: "perplexity",
        better: Better::Lower,
        meaning: "among so many tokens, equally likely, the next would be as hard to tell",
    },
];

/// Fewer stretches than this say nothing on how a value varies.
const LEAST: usize = 10;
/// The 97.5 % quantile of the normal distribution.
const QUANTILE: f64 = 1.96;

/// What unseen text costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Tokens of a stretch that are told.
    pub each: usize,
    /// Nats per token of each stretch; there is one at least.
    pub nats: Vec<f64>,
}

impl Told {
    /// All numbers, with intervals over stretches of text, which are taken for independent. Noise is a model to which all
    /// tokens are equally likely. Nothing for data that are no text.
    pub fn rows(&self, spec: &DataSpec) -> Vec<Row> {
        let DataSpec::Text(text) = spec else { return Vec::new() };
        let n = self.nats.len() as f64;
        let mean = self.nats.iter().sum::<f64>() / n;
        let variance = self.nats.iter().map(|nats| (nats - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let error = (self.nats.len() >= LEAST).then(|| (variance / n).sqrt());
        let tokens = self.each * self.nats.len();
        let row = |number: &Number| {
            let of = |nats: f64| value(number.name, nats, text);
            Row {
                metric: format!("{}-{tokens}", number.name),
                number: number.name,
                value: of(mean),
                standard_error: error.map(|error| 0.5 * (of(mean + error) - of(mean - error))),
                interval: error.map(|error| [of(mean - QUANTILE * error), of(mean + QUANTILE * error)]),
                floor: None,
                ceiling: Some(of((text.vocabulary.len() as f64).ln())),
                better: number.better,
                samples: tokens,
                real: self.nats.len(),
                compared: "tokens".to_owned(),
                features_hash: None,
            }
        };
        NUMBERS.iter().map(row).collect()
    }

    /// A report of them.
    pub fn report(&self, spec: &DataSpec) -> Report {
        let (samples, real) = (self.each * self.nats.len(), self.nats.len());
        Report {
            samples,
            real,
            features: None,
            floor: None,
            ceiling: Some(Context { what: "all tokens equally likely".to_owned(), samples, real }),
            halves: 0,
            rows: self.rows(spec),
            notes: vec![
                "samples: tokens of the text that was held back; real: the stretches that they are told in".to_owned(),
            ],
            classes: None,
            class_names: Vec::new(),
        }
    }
}

fn value(number: &str, nats: f64, text: &TextSpec) -> f64 {
    match number {
        "bits-per-character" => nats / std::f64::consts::LN_2 / text.characters_per_token,
        "perplexity" => nats.exp(),
        _ => nats,
    }
}

#[cfg(test)]
mod tests {
    use galatea_data::Vocabulary;

    use super::*;

    #[test]
    fn numbers_are_those_of_their_definitions() {
        let vocabulary = Vocabulary::Characters { characters: "abcdefgh".to_owned() };
        let spec = DataSpec::Text(TextSpec { length: 5, vocabulary, start: 0, characters_per_token: 2.0 });
        // A fair choice among four, and one among sixteen, in turn.
        let nats: Vec<f64> = (0..100).map(|i| if i % 2 == 0 { 4f64.ln() } else { 16f64.ln() }).collect();
        let report = Told { each: 4, nats }.report(&spec);
        let values: Vec<(&str, f64, f64)> =
            report.rows.iter().map(|row| (row.metric.as_str(), row.value, row.ceiling.unwrap())).collect();
        let expected = [
            ("nats-per-token-400", 8f64.ln(), 8f64.ln()),
            ("bits-per-character-400", 1.5, 1.5),
            ("perplexity-400", 8.0, 8.0),
        ];
        for ((name, value, chance), (metric, of, all)) in values.iter().zip(expected) {
            assert_eq!(*name, metric);
            assert!((value - of).abs() < 1e-12 && (chance - all).abs() < 1e-12, "{name}: {value}, {chance}");
        }
        // Half of ln 4 to either side, over 100.
        let [low, high] = report.rows[0].interval.unwrap();
        assert!((high - low - 2.0 * 1.96 * 0.5 * 4f64.ln() / 99f64.sqrt()).abs() < 1e-9);
        assert!(Told { each: 4, nats: vec![1.0; 9] }.rows(&spec)[0].interval.is_none());
    }
}
