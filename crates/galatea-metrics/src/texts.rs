//! Texts that a model wrote, by the side of real ones: what is alike, how varied they are, and what is copied.
//!
//! Paper: see `bleu.rs`, `repetition.rs` and `copying.rs` beside this file.
//! Differs: see there. What real texts have among each other stands beside every number.

use crate::bleu::{Lexicon, Words, bleu, self_bleu};
use crate::copying::Searched;
use crate::metric::{Better, Number};
use crate::repetition::{distinct, repeated};
use crate::report::Row;

/// What is measured.
pub const NUMBERS: &[Number] = &[
    Number {
        name: "bleu-4",
        better: Better::LikeReal,
        meaning: "n-grams of written texts, up to 4 words, that are in unseen real ones",
    },
    Number {
        name: "self-bleu-4",
        better: Better::LikeReal,
        meaning: "n-grams of each written text that are in the others: high for few phrases",
    },
    Number {
        name: "distinct-2",
        better: Better::LikeReal,
        meaning: "share of pairs of words, over all written texts, that differ",
    },
    Number {
        name: "repetition-4",
        better: Better::LikeReal,
        meaning: "share of 4 words in a row that were there before in the same text",
    },
    Number {
        name: "copied-span",
        better: Better::LikeReal,
        meaning: "characters of the longest stretch that is in the training text, mean",
    },
    Number {
        name: "longest-copy",
        better: Better::LikeReal,
        meaning: "characters of the longest such stretch of all written texts",
    },
];

/// Texts to compare.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    /// Those that were written.
    pub written: &'a [String],
    /// Real ones that the model has not seen, about as many and as long.
    pub real: &'a [String],
    /// What it was trained on, in one piece; empty if that is not known.
    pub train: &'a str,
    /// Real ones that it was trained on, about as many and as long; empty if they are not known.
    pub seen: &'a [String],
}

/// All numbers, each with that of real texts: of those that were seen against those that were not for `bleu-4`, and of those that
/// were not for the rest.
pub fn rows(texts: Texts<'_>) -> Vec<Row> {
    let mut lexicon = Lexicon::default();
    let mut read = |texts: &[String]| -> Vec<Words> { texts.iter().map(|text| lexicon.read(text)).collect() };
    let [written, real, seen] = [texts.written, texts.real, texts.seen].map(&mut read);
    let searched = (!texts.train.is_empty()).then(|| Searched::new(texts.train));
    let spans = |texts: &[String]| -> Option<[f64; 2]> {
        let lengths: Vec<f64> =
            texts.iter().map(|text| searched.as_ref().map(|s| s.longest(text) as f64)).collect::<Option<_>>()?;
        let mean = lengths.iter().sum::<f64>() / lengths.len().max(1) as f64;
        Some([mean, lengths.iter().copied().fold(0.0, f64::max)])
    };
    let own = |words: &[Words]| [self_bleu(words), distinct(words, 2), repeated(words, 4)];
    let (of_written, of_real) = (own(&written), own(&real));
    let (copied, shared) = (spans(texts.written), spans(texts.real));
    let likeness = [Some(bleu(&written, &real)), (!seen.is_empty()).then(|| bleu(&seen, &real))];
    let pairs = [
        likeness,
        [Some(of_written[0]), Some(of_real[0])],
        [Some(of_written[1]), Some(of_real[1])],
        [Some(of_written[2]), Some(of_real[2])],
        [copied.map(|[mean, _]| mean), shared.map(|[mean, _]| mean)],
        [copied.map(|[_, most]| most), shared.map(|[_, most]| most)],
    ];
    let row = |(number, [value, floor]): (&Number, [Option<f64>; 2])| {
        Some(Row {
            metric: format!("{}-{}", number.name, texts.written.len()),
            number: number.name,
            value: value?,
            standard_error: None,
            interval: None,
            floor,
            ceiling: None,
            better: number.better,
            samples: texts.written.len(),
            real: texts.real.len(),
            compared: "text".to_owned(),
            features_hash: None,
        })
    };
    NUMBERS.iter().zip(pairs).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_phrases_that_are_always_the_same_are_seen() {
        let real: Vec<String> = (0..20).map(|i| format!("today {i} birds sat on branch {} and sang", i * 7)).collect();
        let train: Vec<String> =
            (20..40).map(|i| format!("today {i} birds sat on branch {} and sang", i * 7)).collect();
        let whole = train.join("\n");
        let rows = |written: &[String]| {
            rows(Texts { written, real: &real, train: &whole, seen: &train })
                .into_iter()
                .map(|row| (row.value, row.floor.unwrap()))
                .collect::<Vec<_>>()
        };
        let copied = rows(&train);
        assert_eq!(copied[0].0, copied[0].1);
        let longest = train[0].len() as f64;
        assert!(copied[4].0 >= longest && copied[4].1 < 0.7 * longest, "{copied:?}");
        let same = rows(&vec!["birds sat and birds sat and birds sat and".to_owned(); 20]);
        assert!((same[1].0 - 1.0).abs() < 1e-12 && same[1].1 < 0.9, "{same:?}");
        assert!(same[2].0 < 0.1 * same[2].1 && same[3].0 > 0.3 && same[3].1 == 0.0, "{same:?}");
    }
}
