//! How well a model tells what it has not seen: of text nats per token, bits per character and perplexity, of series nats per
//! value, of tables nats per row, of music nats per frame.
//!
//! Paper: Shannon 1951, "Prediction and Entropy of Printed English", section 2; Jelinek et al. 1977, "Perplexity - a measure
//! of the difficulty of speech recognition tasks".
//! Differs: nats per frame are those of Boulanger-Lewandowski et al. 2012, arXiv:1206.6392, section 6: summed over keys, and the
//! mean of all frames, the first of each piece among them. Each stretch of text is told from within alone, so that its first tokens are told from few others.

use galatea_data::music::{KEYS, frames_of};
use galatea_data::{DataSpec, HostBatch};

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
    Number {
        name: "nats-per-frame",
        better: Better::Lower,
        meaning: "mean negative log probability of the keys of a frame of unseen music",
    },
];

/// Fewer stretches than this say nothing on how a value varies.
const LEAST: usize = 10;
/// The 97.5 % quantile of the normal distribution.
const QUANTILE: f64 = 1.96;

/// What unseen examples cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// What is told of each example: so many tokens, values or frames, or 1 row.
    pub of_each: Vec<usize>,
    /// What all of it costs, in nats; there is one example at least.
    pub nats: Vec<f64>,
}

/// The number of such data by which checkpoints are chosen.
pub fn first(spec: &DataSpec) -> &'static Number {
    match spec {
        DataSpec::Series(_) => &NUMBERS[3],
        DataSpec::Table(_) => &NUMBERS[4],
        DataSpec::Music(_) => &NUMBERS[5],
        _ => &NUMBERS[0],
    }
}

/// What is told of each of these examples: all tokens but the first, up to the end if there is one, all values, all frames up to
/// the end, or the row.
pub fn told_of_each(examples: &HostBatch, spec: &DataSpec) -> Vec<usize> {
    let each = match spec {
        DataSpec::Text(text) => {
            return examples.tokens().chunks_exact(text.length).map(|example| text.told(example)).collect();
        }
        DataSpec::Table(_) => 1,
        DataSpec::Music(_) => {
            return (0..examples.len()).map(|i| frames_of(examples.values.row(i)).len()).collect();
        }
        other => other.elements(),
    };
    vec![each; examples.len()]
}

impl Told {
    /// All numbers of such data, with intervals over examples, which are taken for independent. Noise is a model to which all
    /// tokens, all rows, or all chords are equally likely, or to which values are normal, each for itself.
    pub fn rows(&self, spec: &DataSpec) -> Vec<Row> {
        let of_events = [NUMBERS[0], NUMBERS[5], NUMBERS[2]];
        let (numbers, chance) = match spec {
            // Of events no characters, but frames.
            DataSpec::Text(text) if spec.music().is_some() => (&of_events[..], (text.vocabulary.len() as f64).ln()),
            DataSpec::Text(text) => (&NUMBERS[..3], (text.vocabulary.len() as f64).ln()),
            DataSpec::Series(series) => {
                let logs = series.deviation.iter().map(|deviation| f64::from(*deviation).ln()).sum::<f64>();
                let normal = 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln();
                (&NUMBERS[3..4], normal + logs / series.channels.len().max(1) as f64)
            }
            DataSpec::Table(table) => {
                (&NUMBERS[4..5], table.columns.iter().map(|column| (column.values.len() as f64).ln()).sum())
            }
            DataSpec::Music(_) => (&NUMBERS[5..6], KEYS as f64 * 2f64.ln()),
            _ => return Vec::new(),
        };
        let (n, tokens) = (self.nats.len() as f64, self.of_each.iter().sum::<usize>());
        let mean = self.nats.iter().sum::<f64>() / tokens as f64;
        // Of a ratio (Cochran 1977, "Sampling Techniques", section 2.11); examples are not always of one length.
        let rests = self.nats.iter().zip(&self.of_each).map(|(nats, of)| (nats - mean * *of as f64).powi(2));
        let variance = rests.sum::<f64>() / (n - 1.0).max(1.0) / (tokens as f64 / n).powi(2);
        let error = (self.nats.len() >= LEAST).then(|| (variance / n).sqrt());
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
        let (samples, real) = (self.of_each.iter().sum(), self.nats.len());
        let (what, note) = match spec {
            spec if spec.kind() == "text" && spec.music().is_some() => (
                "all events equally likely",
                "samples: events of the pieces that were held back; real: the stretches that they are told in; nats-per-frame is that \
                 of one way to write the frames as events, a bound",
            ),
            DataSpec::Text(_) => (
                "all tokens equally likely",
                "samples: tokens of the text that was held back; real: the stretches that they are told in",
            ),
            DataSpec::Music(_) => ("all chords equally likely", "samples: frames of the pieces that were held back"),
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
        ("nats-per-frame", DataSpec::Text(text)) => nats / text.characters_per_token,
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
        let spec = DataSpec::Text(TextSpec { length: 5, vocabulary, start: 0, characters_per_token: 2.0, end: None });
        // A fair choice among four, and one among sixteen, in turn.
        let nats: Vec<f64> = (0..100).map(|i| 4.0 * if i % 2 == 0 { 4f64.ln() } else { 16f64.ln() }).collect();
        let report = Told { of_each: vec![4; 100], nats }.report(&spec);
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
        assert!(Told { of_each: vec![4; 9], nats: vec![1.0; 9] }.rows(&spec)[0].interval.is_none());
    }

    #[test]
    fn of_lines_and_pieces_what_is_behind_the_end_counts_nothing() {
        let characters = Vocabulary::Characters { characters: "\nab".to_owned() };
        let text = TextSpec { length: 5, vocabulary: characters, start: 0, characters_per_token: 1.0, end: Some(0) };
        let values = [[0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 1.0, 0.0]].concat();
        let examples = HostBatch { values: galatea_data::HostTensor::new([2, 5], values), labels: None };
        let of_each = told_of_each(&examples, &DataSpec::Text(text.clone()));
        assert_eq!(of_each, [2, 4]);
        // A bit for each token, of which there are six.
        let told = Told { of_each, nats: vec![2.0 * 2f64.ln(), 4.0 * 2f64.ln()] };
        let rows = told.rows(&DataSpec::Text(text.clone()));
        assert_eq!(rows[1].metric, "bits-per-character-6");
        assert!((rows[1].value - 1.0).abs() < 1e-12 && (rows[1].ceiling.unwrap() - 3f64.log2()).abs() < 1e-12);
        // Two frames an event.
        let vocabulary = Vocabulary::Events { resolution: 4, tempo: 90.0, frames: 9 };
        let events = TextSpec { vocabulary, characters_per_token: 2.0, ..text };
        let rows = told.rows(&DataSpec::Text(events));
        let names: Vec<&str> = rows.iter().map(|row| row.number).collect();
        assert_eq!(names, ["nats-per-token", "nats-per-frame", "perplexity"]);
        assert!((rows[0].value - 2f64.ln()).abs() < 1e-12 && (rows[1].value - 0.5 * 2f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn frames_count_alike_however_long_their_pieces_are() {
        let spec = DataSpec::Music(galatea_data::MusicSpec { length: 3, resolution: 1, tempo: 90.0 });
        let rolls = galatea_data::music::rolls(&[&[1, 0, 1], &[5]], 3);
        let examples = HostBatch { values: rolls, labels: None };
        let of_each = told_of_each(&examples, &spec);
        assert_eq!(of_each, [3, 1]);
        let rows = Told { of_each, nats: vec![6.0, 10.0] }.rows(&spec);
        assert_eq!((rows[0].metric.as_str(), rows[0].value), ("nats-per-frame-4", 4.0));
        assert!((rows[0].ceiling.unwrap() - 60.996).abs() < 1e-3);
    }
}
