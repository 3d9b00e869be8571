//! BLEU of generated texts against real ones, up to four words, and self-BLEU, which is that of each text against the others.
//!
//! Paper: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation", section 2; Chen and Cherry 2014,
//! "A Systematic Comparison of Smoothing Techniques for Sentence-Level BLEU", method 1; Zhu et al. 2018, "Texygen",
//! arXiv:1802.01886, section 3 (self-BLEU).
//! Differs: in nothing; the mean of the texts' BLEU, each with all references, as in Texygen. A share, where sacrebleu has percent.

use std::collections::HashMap;

/// Words of the longest n-grams.
const ORDER: usize = 4;
/// What counts as found where no n-gram of an order is: method 1 of Chen and Cherry.
const EPSILON: f64 = 0.1;

/// A text as words: numbers that stand for them.
pub type Words = Vec<u32>;

/// Turns texts into words: runs of letters and digits, and all other visible characters by themselves.
#[derive(Debug, Default)]
pub struct Lexicon {
    known: HashMap<String, u32>,
}

impl Lexicon {
    /// The words of a text; those that are new get the next numbers.
    pub fn read(&mut self, text: &str) -> Words {
        let mut words = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let end = match first.is_alphanumeric() {
                true => rest.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(rest.len()),
                false => first.len_utf8(),
            };
            let (word, behind) = rest.split_at(end);
            let next = self.known.len() as u32;
            words.push(*self.known.entry(word.to_owned()).or_insert(next));
            rest = behind.trim_start();
        }
        words
    }
}

type Grams<'a> = HashMap<&'a [u32], u32>;

fn counts(words: &[u32], order: usize) -> Grams<'_> {
    let mut counts = Grams::new();
    words.windows(order).for_each(|gram| *counts.entry(gram).or_default() += 1);
    counts
}

/// How often an n-gram is in the text that has most of it, which text that is, and how often in the next one.
#[derive(Clone, Copy, Default)]
struct Most {
    first: u32,
    of: usize,
    second: u32,
}

/// References: real texts, or all texts, one of which is left out at a time.
struct References<'a> {
    most: [HashMap<&'a [u32], Most>; ORDER],
    lengths: Vec<usize>,
}

impl<'a> References<'a> {
    fn new(texts: &'a [Words]) -> Self {
        let most = std::array::from_fn(|at| {
            let mut all: HashMap<&[u32], Most> = HashMap::new();
            for (of, words) in texts.iter().enumerate() {
                for (gram, count) in counts(words, at + 1) {
                    let most = all.entry(gram).or_default();
                    if count > most.first {
                        *most = Most { first: count, of, second: most.first };
                    } else {
                        most.second = most.second.max(count);
                    }
                }
            }
            all
        });
        Self { most, lengths: texts.iter().map(Vec::len).collect() }
    }

    /// BLEU of `words` against all texts but number `without`.
    fn bleu(&self, words: &[u32], without: Option<usize>) -> f64 {
        let mut logarithm = 0.0;
        for (at, most) in self.most.iter().enumerate() {
            let own = counts(words, at + 1);
            let allowed = |gram: &[u32]| match most.get(gram) {
                Some(most) if Some(most.of) == without => most.second,
                Some(most) => most.first,
                None => 0,
            };
            let found: u32 = own.iter().map(|(gram, count)| (*count).min(allowed(gram))).sum();
            let all = words.len().saturating_sub(at).max(1);
            if at == 0 && found == 0 {
                return 0.0;
            }
            let found = if found == 0 { EPSILON } else { f64::from(found) };
            logarithm += (found / all as f64).ln() / ORDER as f64;
        }
        let others = self.lengths.iter().enumerate().filter(|(of, _)| Some(*of) != without);
        // Of equally near lengths, the shorter one.
        let nearest =
            others.map(|(_, length)| (length.abs_diff(words.len()), *length)).min().map_or(0, |(_, length)| length);
        let brevity = if words.len() > nearest { 0.0 } else { 1.0 - nearest as f64 / words.len() as f64 };
        (brevity + logarithm).exp()
    }
}

/// The mean BLEU of texts against references; 0 without either.
pub fn bleu(texts: &[Words], references: &[Words]) -> f64 {
    let known = References::new(references);
    texts.iter().map(|words| known.bleu(words, None)).sum::<f64>() / texts.len().max(1) as f64
}

/// The mean BLEU of each text against all others; 0 for a single one.
pub fn self_bleu(texts: &[Words]) -> f64 {
    if texts.len() < 2 {
        return 0.0;
    }
    let known = References::new(texts);
    let each = texts.iter().enumerate().map(|(of, words)| known.bleu(words, Some(of)));
    each.sum::<f64>() / texts.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_words_and_signs() {
        let mut lexicon = Lexicon::default();
        assert_eq!(lexicon.read(" It's so,\n so  it's 42"), [0, 1, 2, 3, 4, 3, 5, 1, 2, 6]);
        assert_eq!(lexicon.read("so été!"), [3, 7, 8]);
        assert!(lexicon.read(" \n").is_empty());
    }

    #[test]
    fn what_is_there_has_one_and_what_is_not_has_none() {
        let mut lexicon = Lexicon::default();
        let texts: Vec<Words> =
            ["a b c d e f", "g h i j k", "a b c d e f"].iter().map(|text| lexicon.read(text)).collect();
        assert_eq!(bleu(&texts[..1], &texts[1..]), 1.0);
        assert_eq!(bleu(&texts[..1], &texts[1..2]), 0.0);
        // Two are alike, and one is like none.
        assert!((self_bleu(&texts) - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(self_bleu(&texts[..1]), 0.0);
        assert_eq!(bleu(&[vec![]], &texts), 0.0);
    }
}
