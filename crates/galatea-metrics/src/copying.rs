//! Memorisation of text: the longest stretch of each text that stands in the training text word for word, to be compared with what
//! unseen real text shares with it.
//!
//! Paper: Carlini et al. 2023, "Quantifying Memorization Across Neural Language Models", arXiv:2202.07646, section 3 (verbatim
//! copies); Manber and Myers 1993, "Suffix Arrays" (how they are found).
//! Differs: measured in characters, without prompts.

/// A text in which stretches are looked up.
#[derive(Debug)]
pub struct Searched<'a> {
    text: &'a [u8],
    /// Where the suffixes begin, in the order of these.
    suffixes: Vec<u32>,
}

/// Most bytes of such a text: four more are needed for each.
pub const MOST: usize = 8 << 20;
/// Bytes in which suffixes are told apart at most: what is longer is a copy anyhow, and sorting takes no longer.
const DEPTH: usize = 1_024;

impl<'a> Searched<'a> {
    /// Makes a text ready; of a longer one than [`MOST`] bytes, the beginning.
    pub fn new(text: &'a str) -> Self {
        let text = &text.as_bytes()[..text.len().min(MOST)];
        let mut suffixes: Vec<u32> = (0..text.len() as u32).collect();
        let suffix = |at: &u32| &text[*at as usize..text.len().min(*at as usize + DEPTH)];
        suffixes.sort_unstable_by(|a, b| suffix(a).cmp(suffix(b)).then(a.cmp(b)));
        Self { text, suffixes }
    }

    /// Characters of the longest stretch of `text` that is there.
    pub fn longest(&self, text: &str) -> usize {
        let mut longest = 0;
        for (at, _) in text.char_indices() {
            let rest = &text[at..];
            let matched = self.matched(rest.as_bytes());
            // Whole characters only.
            let whole = (0..=matched).rev().find(|end| rest.is_char_boundary(*end)).unwrap_or(0);
            longest = longest.max(rest[..whole].chars().count());
        }
        longest
    }

    /// Bytes at the beginning of `pattern` that are there in a row.
    fn matched(&self, pattern: &[u8]) -> usize {
        let place = self.suffixes.partition_point(|at| &self.text[*at as usize..] < pattern);
        let shared = |at: &u32| self.text[*at as usize..].iter().zip(pattern).take_while(|(a, b)| a == b).count();
        let neighbours = [place.checked_sub(1), Some(place)];
        neighbours.into_iter().flatten().filter_map(|at| self.suffixes.get(at)).map(shared).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_stretch_is_found() {
        let text = "the quick brown fox jumps over the lazy dog; été, the end";
        let searched = Searched::new(text);
        for (of, length) in
            [("brown fox", 9), ("a brown dog;", 7), ("xyz", 1), ("QQ", 0), ("", 0), ("l'été!", 3), ("é", 1)]
        {
            assert_eq!(searched.longest(of), length, "{of}");
        }
        // Against all stretches of all lengths.
        let other = "over the quick end, lazy fox; the quick browser";
        let slow = (0..other.len())
            .flat_map(|from| (from..=other.len()).map(move |to| &other[from..to]))
            .filter(|part| text.contains(part))
            .map(str::len)
            .max();
        assert_eq!(Some(searched.longest(other)), slow);
        assert_eq!(Searched::new("").longest("abc"), 0);
    }
}
