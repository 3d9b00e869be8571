//! Text from a model: what follows a prompt, told as it is written.

use galatea_data::{DataSpec, TextSpec};
use galatea_models::registry::FAMILIES;
use galatea_models::{Ability, Decoding};

use crate::{Error, Generator, Result};

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Writing {
    /// What the text begins with; may be empty.
    pub prompt: String,
    /// How tokens are drawn.
    pub decoding: Decoding,
    /// Most tokens that are written.
    pub length: usize,
    /// The text ends before the first of these, once it is there. Empty ones are passed over.
    pub stop: Vec<String>,
    /// Seed of what is drawn.
    pub seed: u64,
    /// Number of the text: the texts of one seed are different ones.
    pub index: u64,
}

impl Default for Writing {
    fn default() -> Self {
        let (prompt, stop) = (String::new(), Vec::new());
        Self { prompt, decoding: Decoding::default(), length: 500, stop, seed: 0, index: 0 }
    }
}

impl Generator {
    /// Whether it writes text from a prompt.
    pub fn writes(&self) -> bool {
        self.session().as_complete().is_some() && self.music().is_none()
    }

    /// Whether what it writes are lines, each of which ends by itself.
    pub fn writes_lines(&self) -> bool {
        self.writes() && matches!(self.spec(), DataSpec::Text(text) if text.end.is_some())
    }

    /// Goes on with a text, and gives what was written, without the prompt. A model of lines stops at the end of one. Each
    /// part is handed to `tell` as soon as it is certain, which is told to stop by `false`.
    ///
    /// # Errors
    /// If the model does not write text, does not know a character of the prompt, or how tokens are to be drawn makes no
    /// sense.
    pub fn complete(&self, writing: &Writing, mut tell: impl FnMut(&str) -> bool) -> Result<String> {
        let (Some(complete), DataSpec::Text(text)) = (self.session().as_complete(), self.spec()) else {
            return Err(Error::usage(
                format!("`{}` draws {}, and does not write on", self.info().name, self.spec().kind()),
                able("train a family that writes", Ability::Complete),
            ));
        };
        if self.music().is_some() {
            return Err(Error::usage("the model writes music, not text", "write a MIDI file with `-o music.mid`"));
        }
        writing.decoding.check()?;
        let mut prompt = text.vocabulary.encode(&writing.prompt)?;
        if text.end.is_some() {
            if writing.prompt.contains('\n') {
                return Err(Error::usage(
                    "the prompt has the end of a line in it, and the model writes single lines",
                    "give the beginning of one line",
                ));
            }
            prompt.insert(0, text.start);
        }
        let mut page = Page::new(text, &writing.stop);
        if writing.length == 0 {
            return Ok(page.written);
        }
        let mut left = writing.length;
        complete.complete(&prompt, &writing.decoding, (writing.seed, writing.index), &mut |token| {
            left -= 1;
            if Some(token) == text.end {
                return false;
            }
            let (certain, ends) = page.push(token);
            let goes_on = certain.is_empty() || tell(&certain);
            goes_on && !ends && left > 0
        })?;
        let rest = page.end();
        if !rest.is_empty() {
            tell(&rest);
        }
        Ok(page.written)
    }

    /// Number of tokens of a text that the model has written; 0 if it is none of its own.
    pub fn tokens_of(&self, written: &str) -> usize {
        match self.spec() {
            DataSpec::Text(text) => text.vocabulary.encode(written).map_or(0, |tokens| tokens.len()),
            _ => 0,
        }
    }
}

/// A hint that names the families that can do something.
pub(crate) fn able(what: &str, ability: Ability) -> String {
    let can = FAMILIES.iter().map(|family| family.info()).filter(|info| info.abilities.contains(&ability));
    format!("{what}: {}", can.map(|info| info.name).collect::<Vec<_>>().join(", "))
}

/// A text as it is written: what may be the beginning of a stop string is held back.
struct Page<'a> {
    decoder: galatea_data::Decoder,
    stop: Vec<&'a str>,
    held: String,
    written: String,
    ended: bool,
}

impl<'a> Page<'a> {
    fn new(text: &TextSpec, stop: &'a [String]) -> Self {
        let stop = stop.iter().map(String::as_str).filter(|stop| !stop.is_empty()).collect();
        let (held, written) = (String::new(), String::new());
        Self { decoder: text.vocabulary.decoder(), stop, held, written, ended: false }
    }

    /// What is certain now, and whether the text has come to its end.
    fn push(&mut self, token: u32) -> (String, bool) {
        self.held.push_str(self.decoder.push(token));
        if let Some(at) = self.stop.iter().filter_map(|stop| self.held.find(stop)).min() {
            self.held.truncate(at);
            self.ended = true;
        }
        let keep = if self.ended { 0 } else { self.longest_beginning() };
        let certain: String = self.held.drain(..self.held.len() - keep).collect();
        self.written.push_str(&certain);
        (certain, self.ended)
    }

    /// Bytes at the end of what is held that a stop string may begin with.
    fn longest_beginning(&self) -> usize {
        let ends = self.held.char_indices().map(|(at, _)| &self.held[at..]);
        let begins = |end: &&str| self.stop.iter().any(|stop| stop.starts_with(*end));
        ends.filter(begins).map(str::len).max().unwrap_or(0)
    }

    /// What is left, once nothing follows.
    fn end(&mut self) -> String {
        let rest = std::mem::take(&mut self.held) + &self.decoder.end();
        self.written.push_str(&rest);
        rest
    }
}

#[cfg(test)]
mod tests {
    use galatea_data::Vocabulary;

    use super::*;

    #[test]
    fn stop_strings_end_a_text_and_are_not_told() {
        let vocabulary = Vocabulary::Characters { characters: "\n abcé".to_owned() };
        let text = TextSpec { length: 9, vocabulary, start: 0, characters_per_token: 1.0, end: None };
        let told = |all: &str, stop: &[&str]| {
            let stop: Vec<String> = stop.iter().map(ToString::to_string).collect();
            let mut page = Page::new(&text, &stop);
            let mut parts = Vec::new();
            for token in text.vocabulary.encode(all).unwrap() {
                let (certain, ends) = page.push(token);
                parts.push(certain);
                if ends {
                    break;
                }
            }
            parts.push(page.end());
            parts.retain(|part| !part.is_empty());
            assert_eq!(parts.concat(), page.written);
            parts
        };
        assert_eq!(told("abc", &[]), ["a", "b", "c"]);
        assert_eq!(told("ab\n\ncab", &["\n\n"]), ["a", "b"]);
        // What looked like the beginning of one is told once it is none.
        assert_eq!(told("a\nb\n", &["\n\n"]), ["a", "\nb", "\n"]);
        assert_eq!(told("aéaéc", &["éaéb", "c"]), ["a", "éaé"]);
        assert_eq!(told("aab", &["ab", ""]), ["a"]);
    }
}
