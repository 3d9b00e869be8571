//! Text as tokens: the vocabulary, the way from text to tokens and back, and stretches of a text as examples.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::settings::Choice;
use crate::{
    DataSpec, Dataset, Error, HostBatch, HostTensor, Result, bpe, events,
    options::{Examples, Plan, Tokens},
    sequences,
    set::{fingerprint_of, hex},
};

/// Most examples that a text is cut into: of a longer one, not every token begins an example.
pub(crate) const MOST_EXAMPLES: usize = 2_000_000;
/// Most different characters.
const MOST_CHARACTERS: usize = 1 << 16;
/// Fewer tokens than this are learnt by heart.
const FEW: usize = 20_000;

/// Text: examples are `[length]` tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TextSpec {
    /// Tokens of an example: one more than a model sees at a time, as each but the first is to be told from those before.
    pub length: usize,
    /// All tokens.
    pub vocabulary: Vocabulary,
    /// What a text is taken to follow where nothing is said of it: the end of a line, if there is one.
    pub start: u32,
    /// Characters of a token, on average over the data; of events, frames.
    pub characters_per_token: f64,
    /// What ends an example, of data whose examples end by themselves, as lines do. What is behind it means nothing.
    #[serde(default)]
    pub end: Option<u32>,
}

impl TextSpec {
    /// How many tokens of an example are told: those behind the first, up to and with the one that ends it.
    pub fn told(&self, example: &[u32]) -> usize {
        told(example, self.end)
    }

    /// An example, or a sample like it, as text; without its end, and without its first token where all begin with that.
    pub fn read(&self, example: &[u32]) -> String {
        let begins = usize::from(example.first() == Some(&self.start));
        let told = &example[..(self.told(example) + 1).min(example.len())];
        let ends = usize::from(told.len() > 1 && told.last().copied() == self.end);
        self.vocabulary.decode(told.get(begins..told.len() - ends).unwrap_or_default())
    }
}

/// See [`TextSpec::told`].
pub fn told(example: &[u32], end: Option<u32>) -> usize {
    let rest = example.get(1..).unwrap_or_default();
    let place = end.and_then(|end| rest.iter().position(|token| *token == end));
    place.map_or(rest.len(), |at| at + 1)
}

/// All tokens that there are; a token is an index among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tokens", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Vocabulary {
    /// Characters that occur in the data, in the order of their code points.
    Characters {
        /// All of them.
        characters: String,
    },
    /// Strings of bytes: 256 bytes, and pairs of tokens that were before them.
    Bpe {
        /// The pairs, in the order in which they are merged.
        merges: Vec<(u32, u32)>,
    },
    /// Events of music: see [`crate::events`].
    Events {
        /// Frames of a quarter note.
        resolution: usize,
        /// Quarter notes a minute, at which samples are played.
        tempo: f64,
        /// Frames of the longest piece, at most 1,024: longer samples are ended.
        frames: usize,
    },
}

impl Vocabulary {
    /// The vocabulary that `text` is written in.
    fn of(text: &str, plan: &Plan) -> Self {
        // What is held back to judge by has no part in what is learnt.
        let mut end = (text.len() as f64 * (1.0 - plan.holdout)) as usize;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self::learnt(text, &text[..end], plan)
    }

    /// The vocabulary that `text` is written in, byte pairs being learnt from a part of it.
    pub(crate) fn learnt(text: &str, part: &str, plan: &Plan) -> Self {
        if plan.tokens == Tokens::Bpe {
            return Self::Bpe { merges: bpe::train(part, plan.vocabulary) };
        }
        let mut all: Vec<char> = text.chars().collect();
        all.sort_unstable();
        all.dedup();
        Self::Characters { characters: all.into_iter().collect() }
    }

    /// What is to be said of it, unless it is that of `known`.
    ///
    /// # Errors
    /// If it has too many characters.
    pub(crate) fn checked(&self, source: &str, plan: &Plan, known: Option<&TextSpec>) -> Result<Option<String>> {
        if self.len() > MOST_CHARACTERS {
            let problem = format!("`{source}` has {} different characters", self.len());
            return Err(Error::usage(problem).with_hint(format!("at most {MOST_CHARACTERS} can be told apart")));
        }
        let is_learnt = matches!(self, Self::Bpe { .. }) && known.is_none();
        Ok(is_learnt.then(|| format!("{} tokens were learnt, of {} that were asked for", self.len(), plan.vocabulary)))
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        match self {
            Self::Characters { characters } => characters.chars().count(),
            Self::Bpe { merges } => bpe::spellings(merges).map_or(0, |all| all.len()),
            Self::Events { resolution, .. } => events::count(*resolution),
        }
    }

    /// Whether there is no token. A vocabulary of data always has some.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What tokens are, as a word.
    pub fn unit(&self) -> &'static str {
        match self {
            Self::Characters { .. } => "characters",
            Self::Bpe { .. } => "tokens",
            Self::Events { .. } => "events",
        }
    }

    /// The tokens of `text`.
    ///
    /// # Errors
    /// With the first character that is not in the vocabulary, and where it is.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self.encode_all(&[text])?.concat())
    }

    /// The tokens of each of some texts.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_all(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>> {
        let characters = match self {
            Self::Characters { characters } => characters,
            Self::Bpe { merges } => return bpe::encode(texts, merges),
            Self::Events { .. } => {
                return Err(Error::usage("the model was trained on music, which is no text")
                    .with_hint("name a MIDI file, or lists of pitches in JSON"));
            }
        };
        let known: Vec<char> = characters.chars().collect();
        let token = |(at, letter): (usize, char)| {
            known.binary_search(&letter).map(|token| token as u32).map_err(|_| {
                let shown = shortened(characters, 80);
                Error::usage(format!("the model does not know the character {letter:?}, number {} of the text", at + 1))
                    .with_hint(format!("it was trained on data without it; it knows {shown}"))
            })
        };
        texts.iter().map(|text| text.chars().enumerate().map(token).collect()).collect()
    }

    /// The text of `tokens`; what is no token is passed over.
    pub fn decode(&self, tokens: &[u32]) -> String {
        let mut decoder = self.decoder();
        let text: String = tokens.iter().map(|token| decoder.push(*token).to_owned()).collect();
        text + &decoder.end()
    }

    /// Decodes tokens one by one.
    pub fn decoder(&self) -> Decoder {
        let known = match self {
            Self::Characters { characters } => {
                characters.chars().map(|letter| letter.to_string().into_bytes()).collect()
            }
            Self::Bpe { merges } => bpe::spellings(merges).unwrap_or_default(),
            Self::Events { resolution, .. } => {
                (0..self.len()).map(|token| events::word(token, *resolution).into_bytes()).collect()
            }
        };
        Decoder { known, pending: Vec::new(), text: String::new() }
    }
}

/// Tokens to text, one by one, as they are drawn.
#[derive(Clone, Debug)]
pub struct Decoder {
    known: Vec<Vec<u8>>,
    /// The beginning of a character.
    pending: Vec<u8>,
    text: String,
}

impl Decoder {
    /// The text that is complete with `token`.
    pub fn push(&mut self, token: u32) -> &str {
        self.text.clear();
        self.pending.extend(self.known.get(token as usize).into_iter().flatten());
        loop {
            match std::str::from_utf8(&self.pending) {
                Ok(text) => {
                    self.text.push_str(text);
                    self.pending.clear();
                }
                Err(error) => {
                    let whole = error.valid_up_to();
                    self.text.push_str(&String::from_utf8_lossy(&self.pending[..whole]));
                    self.pending.drain(..whole);
                    // What is no character and cannot become one is shown as such.
                    if let Some(bad) = error.error_len() {
                        self.pending.drain(..bad);
                        self.text.push(char::REPLACEMENT_CHARACTER);
                        continue;
                    }
                }
            }
            return &self.text;
        }
    }

    /// What is left of a character that was not finished.
    pub fn end(&mut self) -> String {
        let is_left = !std::mem::take(&mut self.pending).is_empty();
        if is_left { char::REPLACEMENT_CHARACTER.to_string() } else { String::new() }
    }
}

/// The first characters of a text, in quotes.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    let first: String = text.chars().take(most).collect();
    if first.len() < text.len() { format!("{first:?} and more") } else { format!("{first:?}") }
}

/// Text as a format has read it.
pub(crate) struct RawText {
    pub(crate) name: String,
    /// What messages call the source.
    pub(crate) source: String,
    pub(crate) text: String,
    pub(crate) notes: Vec<String>,
}

impl RawText {
    /// Does what the options ask for; tokens are those of `known`, if it is given.
    ///
    /// # Errors
    /// If the text is too short for an example, has too many different characters, or has some that `known` lacks.
    pub(crate) fn finish(self, plan: &Plan, known: Option<&TextSpec>) -> Result<Arc<dyn Dataset>> {
        if !plan.classes.is_empty() {
            return Err(Error::usage("`data.classes` is set, but text has no classes").with_hint("leave it out"));
        }
        if plan.tokens.are_of_music() {
            let tokens = plan.tokens.name();
            return Err(Error::usage(format!("`data.tokens={tokens}` is for music, and `{}` is text", self.source))
                .with_hint("leave it out, or name MIDI files or lists of pitches"));
        }
        if known.map_or(plan.examples == Examples::Lines, |known| known.end.is_some()) {
            return sequences::lines(self, plan, known);
        }
        let Self { name, source, text, mut notes } = self;
        let length = known.map_or(plan.context + 1, |known| known.length);
        let vocabulary = known.map_or_else(|| Vocabulary::of(&text, plan), |known| known.vocabulary.clone());
        notes.extend(vocabulary.checked(&source, plan, known)?);
        let mut tokens = vocabulary.encode(&text)?;
        let characters = text.chars().count();
        drop(text);
        let characters_per_token = characters as f64 / tokens.len().max(1) as f64;
        if tokens.len() < length {
            let problem =
                format!("the text of `{source}` has {} {}, and an example {length}", tokens.len(), vocabulary.unit());
            return Err(Error::usage(problem)
                .with_hint("give more text, or let the model see less at a time with `--set data.context=..`"));
        }
        let stride = (tokens.len() - length + 1).div_ceil(MOST_EXAMPLES);
        if let Some(limit) = plan.limit {
            tokens.truncate((limit - 1).saturating_mul(stride).saturating_add(length));
        }
        if stride > 1 {
            notes.push(format!("an example begins at every {stride}th of the {}", vocabulary.unit()));
        }
        let start = ['\n', ' '].iter().find_map(|letter| vocabulary.encode(&letter.to_string()).ok()?.pop());
        let spec = TextSpec { length, vocabulary, start: start.unwrap_or(0), characters_per_token, end: None };
        // As in the model, but for what this text is like.
        let spec = known.cloned().map_or(spec, |known| TextSpec { characters_per_token, ..known });
        Ok(Arc::new(TextSet::new(name, spec, tokens, stride, notes)))
    }
}

/// Whether there are too few.
pub(crate) fn warn_of_tokens(count: usize, unit: &str) -> Option<String> {
    let warning = || format!("only {count} {unit}: a model will learn them by heart; some 100,000 are a start");
    (count < FEW).then(warning)
}

/// A data set of stretches of a text.
struct TextSet {
    name: String,
    spec: DataSpec,
    length: usize,
    tokens: Vec<u32>,
    /// Tokens from the beginning of an example to that of the next.
    stride: usize,
    fingerprint: String,
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl TextSet {
    fn new(name: String, text: TextSpec, tokens: Vec<u32>, stride: usize, mut notes: Vec<String>) -> Self {
        let (length, size, unit) = (text.length, text.vocabulary.len(), text.vocabulary.unit());
        notes.push(format!("{} {unit}; what is held back is the last part", tokens.len()));
        let mut warnings = Vec::new();
        if size == 1 {
            warnings.push("all characters of the text are the same: there is nothing to learn".to_owned());
        }
        warnings.extend(warn_of_tokens(tokens.len(), unit));
        let spec = DataSpec::Text(text);
        let mut hash = fingerprint_of(&spec);
        tokens.iter().for_each(|token| hash.update(token.to_le_bytes()));
        Self { name, spec, length, tokens, stride, fingerprint: hex(hash), notes, warnings }
    }
}

impl Dataset for TextSet {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> &DataSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        (self.tokens.len() - self.length) / self.stride + 1
    }

    fn batch(&self, indices: &[usize]) -> Result<HostBatch> {
        let example = |i: &usize| &self.tokens[i * self.stride..i * self.stride + self.length];
        let values = indices.iter().flat_map(example).map(|token| *token as f32).collect();
        Ok(HostBatch { values: HostTensor::new([indices.len(), self.length], values), labels: None })
    }

    fn label(&self, _index: usize) -> Option<u32> {
        None
    }

    fn overlap(&self) -> usize {
        // At least 1, so that it is the end of the text that is held back, however far apart examples are.
        ((self.length - 1) / self.stride).max(1)
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataOptions, split};

    fn set(text: &str, context: usize, limit: Option<usize>) -> Result<Arc<dyn Dataset>> {
        let plan = Plan::new(&DataOptions { context, limit, ..DataOptions::default() }).unwrap();
        RawText { name: "a".into(), source: "a.txt".into(), text: text.into(), notes: vec![] }.finish(&plan, None)
    }

    #[test]
    fn text_comes_back_from_its_tokens() {
        let text = "Hëllo,\n\tworld 😀 日本";
        let vocabulary = Vocabulary::of(text, &Plan::new(&DataOptions::default()).unwrap());
        assert_eq!(vocabulary.len(), 14);
        let tokens = vocabulary.encode(text).unwrap();
        assert_eq!((tokens.len(), vocabulary.decode(&tokens).as_str()), (18, text));
        assert_eq!(vocabulary.decode(&[0, 99, 1]), "\t\n");
        let error = vocabulary.encode("Hello?").unwrap_err();
        assert_eq!(error.to_string(), "the model does not know the character 'e', number 2 of the text");
        assert!(error.hint().unwrap().contains("it knows \"\\t\\n ,H"));
    }

    #[test]
    fn byte_pairs_are_learnt_from_what_is_not_held_back_and_spell_every_text() {
        let options = DataOptions { context: 4, tokens: Tokens::Bpe, vocabulary: 300, ..DataOptions::default() };
        let text = "low lower lowest newest widest\n".repeat(9) + &"zyzzyva ".repeat(20);
        let raw = RawText { name: "a".into(), source: "a.txt".into(), text: text.clone(), notes: vec![] };
        let data = raw.finish(&Plan::new(&DataOptions { holdout: 0.4, ..options }).unwrap(), None).unwrap();
        let DataSpec::Text(spec) = data.spec() else { panic!() };
        let spelt: Vec<String> =
            (256..spec.vocabulary.len() as u32).map(|token| spec.vocabulary.decode(&[token])).collect();
        assert!(spelt.contains(&" low".to_owned()) && !spelt.iter().any(|token| token.contains("zy")), "{spelt:?}");
        assert!(spec.characters_per_token > 1.5);
        // Of another text it is that of the other text.
        let raw = RawText { name: "b".into(), source: "b.txt".into(), text: "qzqzqz".repeat(9), notes: vec![] };
        let other = raw.finish(&Plan::new(&DataOptions::default()).unwrap(), Some(spec)).unwrap();
        let DataSpec::Text(of_other) = other.spec() else { panic!() };
        assert!(of_other.characters_per_token == 1.0 && of_other.vocabulary == spec.vocabulary);
        // Characters that never occurred are bytes, and come byte by byte.
        let odd = "lowest 日本 é";
        let tokens = spec.vocabulary.encode(odd).unwrap();
        assert_eq!(spec.vocabulary.decode(&tokens), odd);
        let mut decoder = spec.vocabulary.decoder();
        let parts: Vec<String> = tokens.iter().map(|token| decoder.push(*token).to_owned()).collect();
        assert!(parts.concat() == odd && parts.contains(&"日".to_owned()) && parts.contains(&String::new()));
        assert_eq!(spec.vocabulary.decode(&tokens[..tokens.len() - 1]), "lowest 日本 \u{fffd}");
        let json = serde_json::to_string(data.spec()).unwrap();
        assert_eq!(&serde_json::from_str::<DataSpec>(&json).unwrap(), data.spec());
        assert!(Plan::new(&DataOptions { vocabulary: 300, ..DataOptions::default() }).is_err());
    }

    #[test]
    fn examples_are_stretches_of_the_text() {
        let data = set("abcabcab\n", 3, None).unwrap();
        assert_eq!((data.len(), data.overlap(), data.spec().shape()), (6, 3, vec![4]));
        let DataSpec::Text(spec) = data.spec() else { panic!() };
        assert_eq!((spec.start, spec.vocabulary.decode(&[1, 0])), (0, "a\n".to_owned()));
        assert_eq!(data.batch(&[0, 5]).unwrap().tokens(), [1, 2, 3, 1, 3, 1, 2, 0]);
        assert_eq!(set("abcabcab\n", 3, Some(2)).unwrap().len(), 2);
        assert_ne!(set("abcabcab\n", 3, Some(2)).unwrap().fingerprint(), data.fingerprint());
        let json = serde_json::to_string(data.spec()).unwrap();
        assert_eq!(&serde_json::from_str::<DataSpec>(&json).unwrap(), data.spec());
    }

    #[test]
    fn what_is_held_back_is_told_nowhere_in_what_is_trained_on() {
        let text: String = (0..2_000u32).map(|i| char::from_u32(0x4e00 + i).unwrap()).collect();
        let data = set(&text, 16, None).unwrap();
        let parts = split(&*data, 0.1);
        let told = |part: &[usize]| -> Vec<u32> {
            data.batch(part).unwrap().tokens().chunks(17).flat_map(|example| example[1..].to_vec()).collect()
        };
        let (seen, unseen) = (told(&parts.train), told(&parts.held_back));
        // Every token is another one: the text is told once.
        // The token between them is what the first of the others is to follow.
        assert_eq!(seen.iter().max().unwrap() + 2, *unseen.iter().min().unwrap());
        assert!((195..=205).contains(&parts.held_back.len()));
    }

    #[test]
    fn what_is_too_short_is_refused_and_what_is_odd_is_told() {
        let error = set("a", 4, None).err().unwrap();
        assert_eq!(error.to_string(), "the text of `a.txt` has 1 characters, and an example 5");
        assert!(error.hint().unwrap().contains("data.context"));
        let same = set("aaaaaa", 4, None).unwrap();
        assert!(same.warnings()[0].contains("nothing to learn") && same.warnings()[1].contains("only 6 characters"));
    }
}
