//! Variety of texts: the share of pairs of words that differ among all of them, and how much a text repeats itself.
//!
//! Paper: Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models", arXiv:1510.03055, section 5
//! (distinct-n); Welleck et al. 2020, "Neural Text Generation with Unlikelihood Training", arXiv:1908.04319, section 6.1
//! (seq-rep-n).
//! Differs: in nothing.

use std::collections::HashSet;

use crate::bleu::Words;

/// Different n-grams over all n-grams of all texts; 0 if there are none.
pub fn distinct(texts: &[Words], order: usize) -> f64 {
    let all: usize = texts.iter().map(|words| words.windows(order).count()).sum();
    let different: HashSet<&[u32]> = texts.iter().flat_map(|words| words.windows(order)).collect();
    different.len() as f64 / all.max(1) as f64
}

/// The share of n-grams of a text that were there before in it, on average over the texts that are long enough.
pub fn repeated(texts: &[Words], order: usize) -> f64 {
    let shares: Vec<f64> = texts
        .iter()
        .filter(|words| words.len() >= order)
        .map(|words| {
            let different: HashSet<&[u32]> = words.windows(order).collect();
            1.0 - different.len() as f64 / words.windows(order).count() as f64
        })
        .collect();
    shares.iter().sum::<f64>() / shares.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_counted() {
        let texts = [vec![1, 2, 1, 2, 3], vec![1, 2], vec![9]];
        // Pairs: 12 21 12 23 12; three of five differ.
        assert_eq!(distinct(&texts, 2), 0.6);
        assert_eq!(distinct(&texts[2..], 2), 0.0);
        // One of four in the first, none in the second.
        assert_eq!(repeated(&texts, 2), 0.125);
    }
}
