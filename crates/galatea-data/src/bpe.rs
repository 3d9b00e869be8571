//! Byte pair encoding: tokens that are frequent strings of bytes, learnt from the data.
//!
//! Sennrich, Haddow and Birch 2016, "Neural Machine Translation of Rare Words with Subword Units", arXiv:1508.07909, algorithm 1,
//! of bytes within words as Radford et al. 2019 do it, section 2.2: words are letters, numbers or other signs, each with a space
//! before it. Results are those of the package `tokenizers`; but combining marks count as letters here, and stay with theirs.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use crate::{Error, Result};

/// Tokens of one byte.
pub(crate) const BYTES: usize = 256;
/// A pair is merged if it occurs so often.
const LEAST: i64 = 2;

/// Two tokens that follow each other.
pub(crate) type Pair = (u32, u32);

/// The bytes in the order of their tokens, which is that of the signs by which `tokenizers` writes them: those that can be seen
/// first.
fn byte_of(token: u32) -> u8 {
    let seen = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let mut all = (0..=255u8).filter(seen).chain((0..=255u8).filter(|byte| !seen(byte)));
    all.nth(token as usize).unwrap_or(0)
}

/// The bytes of each token.
pub(crate) fn spellings(merges: &[Pair]) -> Result<Vec<Vec<u8>>> {
    let mut all: Vec<Vec<u8>> = (0..BYTES as u32).map(|token| vec![byte_of(token)]).collect();
    let mut known: HashSet<Vec<u8>> = all.iter().cloned().collect();
    for (a, b) in merges {
        let (Some(a), Some(b)) = (all.get(*a as usize), all.get(*b as usize)) else {
            return Err(Error::usage("the vocabulary is damaged: a token is made of later ones")
                .with_hint("take an earlier checkpoint, or export the model once more"));
        };
        let joined = [a.as_slice(), b].concat();
        // What two pairs spell is one token.
        if known.insert(joined.clone()) {
            all.push(joined);
        }
    }
    Ok(all)
}

/// The merges that give `text` a vocabulary of `size` tokens, or as many as there are pairs for.
pub(crate) fn train(text: &str, size: usize) -> Vec<Pair> {
    let mut token_of = [0; BYTES];
    (0..BYTES as u32).for_each(|token| token_of[usize::from(byte_of(token))] = token);
    let mut counts: HashMap<&str, i64> = HashMap::new();
    words(text).for_each(|word| *counts.entry(word).or_insert(0) += 1);
    let mut words: Vec<(&str, i64)> = counts.into_iter().collect();
    words.sort_unstable();
    let mut spelt: Vec<Vec<u32>> =
        words.iter().map(|(word, _)| word.bytes().map(|byte| token_of[usize::from(byte)]).collect()).collect();
    let mut pairs: HashMap<Pair, (i64, HashSet<usize>)> = HashMap::new();
    for (at, word) in spelt.iter().enumerate() {
        for pair in word.windows(2) {
            let (count, places) = pairs.entry((pair[0], pair[1])).or_default();
            *count += words[at].1;
            places.insert(at);
        }
    }
    // Of equally frequent pairs the one of the first tokens.
    let mut heap: BinaryHeap<(i64, Reverse<Pair>)> =
        pairs.iter().map(|(pair, (count, _))| (*count, Reverse(*pair))).collect();
    let mut spellings: Vec<Vec<u8>> = (0..BYTES as u32).map(|token| vec![byte_of(token)]).collect();
    let mut known: HashMap<Vec<u8>, u32> = spellings.iter().cloned().zip(0..).collect();
    let mut merges = Vec::new();
    while spellings.len() < size {
        let Some((count, Reverse(pair))) = heap.pop() else { break };
        let now = pairs.get(&pair).map_or(0, |(count, _)| *count);
        if now != count {
            // It was changed since; what it is now comes in its own turn.
            if now > 0 {
                heap.push((now, Reverse(pair)));
            }
            continue;
        }
        if count < LEAST {
            break;
        }
        let joined = [&spellings[pair.0 as usize][..], &spellings[pair.1 as usize]].concat();
        let new = *known.entry(joined.clone()).or_insert_with(|| {
            spellings.push(joined);
            spellings.len() as u32 - 1
        });
        merges.push(pair);
        let Some((_, places)) = pairs.remove(&pair) else { continue };
        let mut places: Vec<usize> = places.into_iter().collect();
        places.sort_unstable();
        let mut changed: HashSet<Pair> = HashSet::new();
        for at in places {
            let weight = words[at].1;
            let mut change = |pair: Pair, by: i64| {
                let (count, places) = pairs.entry(pair).or_default();
                *count += by;
                if by > 0 {
                    places.insert(at);
                }
                changed.insert(pair);
            };
            let old = std::mem::take(&mut spelt[at]);
            let merged = merge(&old, pair, new);
            old.windows(2).for_each(|two| change((two[0], two[1]), -weight));
            merged.windows(2).for_each(|two| change((two[0], two[1]), weight));
            spelt[at] = merged;
        }
        // What is left of the pair itself is nothing, whatever was counted down.
        pairs.remove(&pair);
        for pair in changed {
            let count = pairs.get(&pair).map_or(0, |(count, _)| *count);
            if count > 0 {
                heap.push((count, Reverse(pair)));
            }
        }
    }
    merges
}

/// A word in which a pair has become one token, from the left on.
fn merge(word: &[u32], pair: Pair, new: u32) -> Vec<u32> {
    let mut out = Vec::with_capacity(word.len());
    let mut at = 0;
    while at < word.len() {
        let is_pair = at + 1 < word.len() && (word[at], word[at + 1]) == pair;
        out.push(if is_pair { new } else { word[at] });
        at += 1 + usize::from(is_pair);
    }
    out
}

/// The tokens of each of some texts.
pub(crate) fn encode(texts: &[&str], merges: &[Pair]) -> Result<Vec<Vec<u32>>> {
    let spellings = spellings(merges)?;
    let known: HashMap<&[u8], u32> = spellings.iter().map(Vec::as_slice).zip(0..).collect();
    let token = |bytes: &[u8]| known.get(bytes).copied().unwrap_or(0);
    let ranks: HashMap<Pair, (usize, u32)> = merges
        .iter()
        .enumerate()
        .map(|(rank, &(a, b))| {
            let joined = [&spellings[a as usize][..], &spellings[b as usize]].concat();
            ((a, b), (rank, token(&joined)))
        })
        .collect();
    let mut seen: HashMap<&str, Vec<u32>> = HashMap::new();
    let mut spell = |word| {
        seen.entry(word)
            .or_insert_with(|| {
                let mut spelt: Vec<u32> = word.as_bytes().chunks(1).map(token).collect();
                // The earliest merge that there is, until there is none.
                let next = |spelt: &[u32]| {
                    let found = spelt
                        .windows(2)
                        .filter_map(|two| ranks.get(&(two[0], two[1])).map(|of| (of, (two[0], two[1]))));
                    found.min_by_key(|((rank, _), _)| *rank).map(|((_, new), pair)| (pair, *new))
                };
                while let Some((pair, new)) = next(&spelt) {
                    spelt = merge(&spelt, pair, new);
                }
                spelt
            })
            .clone()
    };
    Ok(texts.iter().map(|text| words(text).flat_map(&mut spell).collect()).collect())
}

/// The words of a text, which are together the text: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (word, after) = rest.split_at(word_len(rest, first));
        rest = after;
        Some(word)
    })
}

/// Bytes of the first word of a text that begins with `first`.
fn word_len(text: &str, first: char) -> usize {
    if let Some(ending) = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].iter().find(|ending| text.starts_with(**ending))
    {
        return ending.len();
    }
    let space = usize::from(first == ' ');
    let run = |from: usize, is_in: &dyn Fn(char) -> bool| {
        from + text[from..].find(|letter: char| !is_in(letter)).unwrap_or(text.len() - from)
    };
    let is_other = |letter: char| !letter.is_whitespace() && !letter.is_alphabetic() && !letter.is_numeric();
    for is_in in [&char::is_alphabetic as &dyn Fn(char) -> bool, &char::is_numeric, &is_other] {
        let end = run(space, is_in);
        if end > space {
            return end;
        }
    }
    // The last space before a word belongs to the word.
    let end = run(0, &char::is_whitespace);
    match text[..end].char_indices().next_back() {
        Some((last, _)) if end < text.len() && last > 0 => last,
        _ => end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../tests/golden/bpe.txt");

    #[test]
    fn words_are_those_of_the_pattern() {
        let of = |text| words(text).collect::<Vec<_>>();
        assert_eq!(
            of("I'll say it's  5 o'clock\n\n now?!"),
            ["I", "'ll", " say", " it", "'s", " ", " 5", " o", "'", "clock", "\n\n", " now", "?!"]
        );
        assert_eq!(of(" x\n y\n\nz \n"), [" x", "\n", " y", "\n", "\n", "z", " \n"]);
        assert_eq!(of("42a_b-日本 é"), ["42", "a", "_", "b", "-", "日本", " é"]);
    }

    /// Made by `tests/golden/bpe.py` with the package `tokenizers`.
    #[test]
    fn merges_and_tokens_are_those_of_the_package() {
        let golden: serde_json::Value = serde_json::from_str(include_str!("../tests/golden/bpe.json")).unwrap();
        let merges = train(TEXT, 600);
        let spelt = spellings(&merges).unwrap();
        let shown = |token: u32| spelt[token as usize].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let found: Vec<[String; 2]> = merges.iter().map(|(a, b)| [shown(*a), shown(*b)]).collect();
        let expected: Vec<[String; 2]> = serde_json::from_value(golden["merges"].clone()).unwrap();
        assert_eq!(found.len(), expected.len());
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "merge {at}");
        }
        for sample in golden["samples"].as_array().unwrap() {
            let text = sample["text"].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(sample["ids"].clone()).unwrap();
            let found = encode(&[text], &merges).unwrap().concat();
            assert_eq!(found, ids, "{text:?}");
            let bytes: Vec<u8> = found.iter().flat_map(|token| spelt[*token as usize].clone()).collect();
            assert_eq!(bytes, text.as_bytes());
        }
    }

    #[test]
    fn there_are_no_more_merges_than_pairs_that_occur_twice() {
        assert_eq!(train("abab", 300), [(64, 65)]);
        assert!(train("abcdefg", 300).is_empty() && train("", 300).is_empty());
        assert!(encode(&[""], &[]).unwrap().concat().is_empty());
        assert!(spellings(&[(3, 999)]).is_err());
    }
}
