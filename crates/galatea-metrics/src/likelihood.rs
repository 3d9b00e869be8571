//! How well a model tells what it has not seen: of text nats per token, bits per character and perplexity, of series nats per
//! value, of tables nats per row.
//!
//! Paper: Shannon 1951, "Prediction and Entropy of Printed English", section 2; Jelinek et al. 1977, "Perplexity - a measure
//! of the difficulty of speech recognition tasks".
//! Differs: each stretch of text is told from within alone, so that its first tokens are told from few others.

use galatea_data::DataSpec;

use crate::metric::{Better, Number};
use crate::report::{Context, Report, Row};

/// What is measured.
pub const NUMBERS: &[Number] = &[
    Number {
        name: "nats-per-token",
        better: Better::Lower,
        meaning: "mean negative log probability of a token of unseen text, in nats",
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
    Number {
        name: "nats-per-value",
        better: Better::Lower,
        meaning: "mean negative log density of a value of an unseen series, in nats",
    },
    Number {
        name: "nats-per-row",
        better: Better::Lower,
        meaning: "mean negative log probability of an unseen row of a table, in nats",
    },
];

/// Fewer stretches than this say nothing on how a value varies.
const LEAST: usize = 10;
/// The 97.5 % quantile of the normal distribution.
const QUANTILE: f64 = 1.96;

/// What unseen examples cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What is told of an example: tokens, values, or 1 row.
    pub each: usize,
    /// Nats of each example, for each of these; there is one at least.
    pub nats: Vec<f64>,
}

/// The number of such data by which checkpoints are chosen.
pub fn first(spec: &DataSpec) -> &'static Number {
    match spec {
        DataSpec::Series(_) => &NUMBERS[3],
        DataSpec::Table(_) => &NUMBERS[4],
        _ => &NUMBERS[0],
    }
}

/// What is told of an example of such data: all tokens but the first, all values, or the row.
pub fn told_of_each(spec: &DataSpec) -> usize {
    match spec {
        DataSpec::Text(text) => text.length - 1,
        DataSpec::Table(_) => 1,
        other => other.elements(),
    }
}

impl Told {
    /// All numbers of such data, with intervals over examples, which are taken for independent. Noise is a model to which all
    /// tokens, or all rows, are equally likely, or to which values are normal, each for itself.
    pub fn rows(&self, spec: &DataSpec) -> Vec<Row> {
        let (numbers, chance) = match spec {
            DataSpec::Text(text) => (&NUMBERS[..3], (text.vocabulary.len() as f64).ln()),
            DataSpec::Series(series) => {
                let logs = series.deviation.iter().map(|deviation| f64::from(*deviation).ln()).sum::<f64>();
                let normal = 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln();
                (&NUMBERS[3..4], normal + logs / series.channels.len().max(1) as f64)
            }
            DataSpec::Table(table) => {
                (&NUMBERS[4..5], table.columns.iter().map(|column| (column.values.len() as f64).ln()).sum())
            }
            _ => return Vec::new(),
        };
        let n = self.nats.len() as f64;
        let mean = self.nats.iter().sum::<f64>() / n;
        let variance = self.nats.iter().map(|nats| (nats - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        let error = (self.nats.len() >= LEAST).then(|| (variance / n).sqrt());
        let tokens = self.each * self.nats.len();
        let row = |number: &Number| {
            let of = |nats: f64| value(number.name, nats, spec);
            Row {
                metric: format!("{}-{tokens}", number.name),
                number: number.name,
                value: of(mean),
                standard_error: error.map(|error| 0.5 * (of(mean + error) - of(mean - error))),
                interval: error.map(|error| [of(mean - QUANTILE * error), of(mean + QUANTILE * error)]),
                floor: None,
                ceiling: Some(of(chance)),
                better: number.better,
                samples: tokens,
                real: self.nats.len(),
                compared: spec.kind().to_owned(),
                features_hash: None,
            }
        };
        numbers.iter().map(row).collect()
    }

    /// A report of them.
    pub fn report(&self, spec: &DataSpec) -> Report {
        let (samples, real) = (self.each * self.nats.len(), self.nats.len());
        let (what, note) = match spec {
            DataSpec::Text(_) => (
                "all tokens equally likely",
                "samples: tokens of the text that was held back; real: the stretches that they are told in",
            ),
            _ => ("all rows equally likely", "samples: rows that were held back"),
        };
        Report {
            samples,
            real,
            features: None,
            floor: None,
            ceiling: Some(Context { what: what.to_owned(), samples, real }),
            halves: 0,
            rows: self.rows(spec),
            notes: vec![note.to_owned()],
            classes: None,
            class_names: Vec::new(),
        }
    }
}

fn value(number: &str, nats: f64, spec: &DataSpec) -> f64 {
    match (number, spec) {
        ("bits-per-character", DataSpec::Text(text)) => nats / std::f64::consts::LN_2 / text.characters_per_token,
        ("perplexity", _) => nats.exp(),
        _ => nats,
    }
}

#[cfg(test)]
mod tests {
    use galatea_data::{TextSpec, Vocabulary};

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
