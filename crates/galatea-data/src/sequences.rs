//! Text whose examples end by themselves, as lines do: each is told on its own, to its end, and is held back as a whole.

use std::{collections::HashMap, sync::Arc};

use sha2::Digest;

use crate::{
    DataSpec, Dataset, Error, HostBatch, HostTensor, Portion, Result, TextSpec, Vocabulary,
    options::Plan,
    set::{fingerprint_of, hex, warn_of_counts},
    split_labels,
    text::{MOST_EXAMPLES, RawText, warn_of_tokens},
};

/// The end of a line.
const LINE_END: &str = "\n";

/// The lines of a text as examples; tokens are those of `known`, if it is given.
///
/// # Errors
/// As [`RawText::finish`].
pub(crate) fn lines(raw: RawText, plan: &Plan, known: Option<&TextSpec>) -> Result<Arc<dyn Dataset>> {
    let RawText { name, source, text, mut notes } = raw;
    let all: Vec<&str> = text.split('\n').collect();
    let mut lines: Vec<&str> = all.iter().copied().filter(|line| !line.trim().is_empty()).collect();
    // Behind the last end of a line is no line.
    let empty = all.len() - lines.len() - usize::from(text.ends_with('\n'));
    if lines.is_empty() {
        return Err(Error::invalid(&source, "there is no line with text in it").with_hint("name a file with some text"));
    }
    if empty > 0 {
        notes.push(format!("{empty} empty lines are left out"));
    }
    let most = plan.limit.unwrap_or(MOST_EXAMPLES).min(MOST_EXAMPLES);
    if lines.len() > most {
        notes.push(format!("{most} of {} lines are taken, evenly over all", lines.len()));
        lines = (0..most).map(|i| lines[i * lines.len() / most]).collect();
    }
    // Lines that are alike are neighbours, and are held back together: what is unseen has been seen nowhere.
    let mut first: HashMap<&str, usize> = HashMap::new();
    let groups: Vec<usize> = lines.iter().enumerate().map(|(at, line)| *first.entry(line).or_insert(at)).collect();
    let mut order: Vec<usize> = (0..lines.len()).collect();
    order.sort_by_key(|at| groups[*at]);
    if first.len() < lines.len() {
        let copies = lines.len() - first.len();
        notes.push(format!("{copies} lines are the same as others before them, and are held back with those"));
    }
    let lines: Vec<&str> = order.iter().map(|at| lines[*at]).collect();
    let vocabulary = known.map_or_else(|| vocabulary_of(&lines, plan), |known| known.vocabulary.clone());
    notes.extend(vocabulary.checked(&source, plan, known)?);
    let end = vocabulary.encode(LINE_END)?.pop();
    let (mut sequences, mut characters, mut count, mut longest) = (Vec::with_capacity(lines.len()), 0, 0, 0);
    // A line with a character that is not known is looked for by itself, to be named.
    let all = vocabulary.encode_all(&lines).map_err(|error| {
        let unknown = lines.iter().find(|line| vocabulary.encode(line).is_err()).copied().unwrap_or_default();
        let hint = error.hint().unwrap_or_default().to_owned();
        Error::invalid(&source, format!("in the line `{}`: {error}", crate::text::shortened(unknown, 60)))
            .with_hint(hint)
    })?;
    for ((line, mut tokens), group) in lines.iter().zip(all).zip(order.iter().map(|at| groups[*at])) {
        characters += line.chars().count() + 1;
        tokens.extend(end);
        (count, longest) = (count + tokens.len(), longest.max(tokens.len()));
        sequences.push(Sequence { tokens, group, portion: None });
    }
    // Nobody is to learn of places that no example reaches.
    let (length, start) = (plan.context.min(longest) + 1, end.unwrap_or(0));
    let own =
        TextSpec { length, vocabulary, start, characters_per_token: characters as f64 / count.max(1) as f64, end };
    let spec = match known {
        Some(known) => TextSpec { characters_per_token: own.characters_per_token, ..known.clone() },
        None => own,
    };
    Ok(Arc::new(SequenceSet::new(name, "lines", spec, sequences, notes)))
}

/// The vocabulary of lines; byte pairs are learnt from those that are not held back.
fn vocabulary_of(lines: &[&str], plan: &Plan) -> Vocabulary {
    let joined = |lines: &[&str]| lines.join(LINE_END) + LINE_END;
    let groups: Vec<&[&str]> = lines.chunk_by(|a, b| a == b).collect();
    let train = split_labels(&vec![0; groups.len()], plan.holdout).train;
    let learnt: Vec<&str> = train.iter().flat_map(|group| groups[*group]).copied().collect();
    Vocabulary::learnt(&joined(lines), &joined(&learnt), plan)
}

/// What ends by itself.
pub(crate) struct Sequence {
    /// With the one that ends it.
    pub(crate) tokens: Vec<u32>,
    /// Those of one number are held back together; numbers never fall.
    pub(crate) group: usize,
    /// What it is for, where the source says so.
    pub(crate) portion: Option<Portion>,
}

/// A data set of sequences; longer ones are cut into several examples.
pub(crate) struct SequenceSet {
    name: String,
    spec: DataSpec,
    text: TextSpec,
    sequences: Vec<Sequence>,
    /// Examples: number of the sequence, and its first token that is told.
    places: Vec<(usize, usize)>,
    fingerprint: String,
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl SequenceSet {
    /// A set of `sequences`, which are called `called`.
    pub(crate) fn new(
        name: String,
        called: &str,
        text: TextSpec,
        sequences: Vec<Sequence>,
        mut notes: Vec<String>,
    ) -> Self {
        let longest = sequences.iter().map(|sequence| sequence.tokens.len()).max().unwrap_or(0);
        let count: usize = sequences.iter().map(|sequence| sequence.tokens.len()).sum();
        let (context, unit) = (text.length - 1, text.vocabulary.unit());
        let mut places = Vec::new();
        for (at, sequence) in sequences.iter().enumerate() {
            places.extend((0..sequence.tokens.len()).step_by(context.max(1)).map(|first| (at, first)));
        }
        let long = sequences.iter().filter(|sequence| sequence.tokens.len() > context).count();
        if long > 0 {
            notes.push(format!(
                "{long} of {} {called} have more than {context} {unit}, their end among them, and are cut; the longest has {longest}, \
                 see `data.context`",
                sequences.len()
            ));
        }
        notes.push(format!("{} {called} of {count} {unit}; what is held back is {called} as a whole", sequences.len()));
        let mut warnings = warn_of_counts(sequences.len(), None);
        warnings.extend(warn_of_tokens(count, unit));
        let spec = DataSpec::Text(text.clone());
        let mut hash = fingerprint_of(&spec);
        for Sequence { tokens, group, portion } in &sequences {
            hash.update((*group as u64).to_le_bytes());
            hash.update([portion.map_or(0, |portion| 1 + portion as u8)]);
            tokens.iter().for_each(|token| hash.update(token.to_le_bytes()));
        }
        Self { name, spec, text, sequences, places, fingerprint: hex(hash), notes, warnings }
    }

    fn of(&self, index: usize) -> &Sequence {
        &self.sequences[self.places[index].0]
    }
}

impl Dataset for SequenceSet {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> &DataSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.places.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<HostBatch> {
        let (length, end) = (self.text.length, self.text.end.unwrap_or(0));
        let mut values = Vec::with_capacity(indices.len() * length);
        for i in indices {
            let ((at, first), filled) = (self.places[*i], values.len() + length);
            let tokens = &self.sequences[at].tokens;
            values.push(if first == 0 { self.text.start } else { tokens[first - 1] } as f32);
            let last = (first + length - 1).min(tokens.len());
            values.extend(tokens[first..last].iter().map(|token| *token as f32));
            values.resize(filled, end as f32);
        }
        Ok(HostBatch { values: HostTensor::new([indices.len(), length], values), labels: None })
    }

    fn label(&self, _index: usize) -> Option<u32> {
        None
    }

    fn group(&self, index: usize) -> usize {
        self.of(index).group
    }

    fn portion(&self, index: usize) -> Option<Portion> {
        self.of(index).portion
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
    use crate::{DataOptions, Examples, Tokens, split};

    fn options(context: usize) -> DataOptions {
        DataOptions { examples: Examples::Lines, context, ..DataOptions::default() }
    }

    fn set(text: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        let raw = RawText { name: "a".into(), source: "a.txt".into(), text: text.into(), notes: vec![] };
        raw.finish(&Plan::new(options).unwrap(), None)
    }

    fn text_of(data: &dyn Dataset) -> TextSpec {
        let DataSpec::Text(text) = data.spec() else { panic!("{}", data.spec()) };
        text.clone()
    }

    #[test]
    fn every_line_is_an_example_that_ends() {
        let data = set("abc\n\nb\n  \ncab\nb", &options(64)).unwrap();
        let text = text_of(&*data);
        // The longest line and its end; "\n" is the first of the characters.
        assert_eq!((text.length, text.start, text.end, data.len(), data.overlap()), (5, 0, Some(0), 4, 0));
        // Lines that are alike are neighbours.
        let tokens = data.batch(&[0, 1, 2, 3]).unwrap().tokens();
        assert_eq!(tokens, [[0, 1, 2, 3, 0], [0, 2, 0, 0, 0], [0, 2, 0, 0, 0], [0, 3, 1, 2, 0]].concat());
        let read: Vec<String> = tokens.chunks(5).map(|example| text.read(example)).collect();
        assert_eq!(read, ["abc", "b", "b", "cab"]);
        let told: Vec<usize> = tokens.chunks(5).map(|example| text.told(example)).collect();
        assert_eq!(told, [4, 2, 2, 4]);
        assert_eq!(text.characters_per_token, 1.0);
        assert_eq!(data.spec().to_string(), "lines of 4 different characters, at most 4 with their end");
        assert_eq!(
            data.notes()[..2].concat(),
            "2 empty lines are left out1 lines are the same as others before them, and are held back with those"
        );
        let written = crate::write::overview(&data.batch(&[0, 2]).unwrap().values, data.spec(), 2).unwrap();
        assert_eq!(written, b"abc\nb\n");
        let json = serde_json::to_string(data.spec()).unwrap();
        assert_eq!(&serde_json::from_str::<DataSpec>(&json).unwrap(), data.spec());
    }

    #[test]
    fn each_token_of_a_long_line_is_told_once() {
        let line: String = ('a'..='k').collect();
        let data = set(&format!("{line}\nxy\n"), &options(4)).unwrap();
        let text = text_of(&*data);
        assert_eq!((data.len(), text.length), (4, 5));
        let examples: Vec<Vec<u32>> = (0..4).map(|i| data.batch(&[i]).unwrap().tokens()).collect();
        let told = |examples: &[Vec<u32>]| -> String {
            let told = examples.iter().map(|example| &example[1..=text.told(example)]);
            text.vocabulary.decode(&told.collect::<Vec<_>>().concat())
        };
        assert_eq!(told(&examples), format!("{line}\nxy\n"));
        assert_eq!((text.read(&examples[1]), text.read(&examples[2])), ("defgh".into(), "hijk".into()));
        assert!((0..3).all(|i| data.group(i) == data.group(0)) && data.group(3) != data.group(0));
        assert!(data.notes().iter().any(|note| note.starts_with("1 of 2 lines have more than 4 characters")));
    }

    #[test]
    fn no_line_is_both_learnt_and_held_back() {
        // Many lines come twice or more.
        let text: String = (0..3_000u64).map(|i| format!("name {}\n", i * 7_919 % 1_700)).collect();
        let data = set(&text, &options(4)).unwrap();
        let spec = text_of(&*data);
        let of = |part: &[usize]| -> std::collections::HashSet<usize> { part.iter().map(|i| data.group(*i)).collect() };
        let parts = split(&*data, 0.1);
        assert!(of(&parts.train).is_disjoint(&of(&parts.held_back)) && of(&parts.held_back).len() == 170);
        let again = parts.again(&*data, 0.1);
        assert!(of(&again.train).is_disjoint(&of(&again.held_back)) && of(&again.held_back).len() == 153);
        // Not by chance: groups are lines that differ.
        let whole = |i: usize| data.batch(&[i]).unwrap().tokens();
        let firsts: Vec<usize> = (0..data.len()).filter(|i| whole(*i)[0] == spec.start).collect();
        assert_eq!(firsts.len(), 3_000);
        assert_eq!(of(&firsts).len(), 1_700);
    }

    #[test]
    fn byte_pairs_are_those_of_lines_that_are_not_held_back() {
        let text: String =
            (0..200).map(|i| if i % 20 == 7 { format!("quartz{i}\n") } else { format!("lowest {i}\n") }).collect();
        let options = DataOptions { tokens: Tokens::Bpe, vocabulary: 270, holdout: 0.2, ..options(64) };
        let data = set(&text, &options).unwrap();
        let spec = text_of(&*data);
        let tokens = data.batch(&(0..200).collect::<Vec<_>>()).unwrap().tokens();
        let read: String = tokens.chunks(spec.length).map(|example| spec.read(example) + "\n").collect();
        assert_eq!(read, text);
        let told: usize = tokens.chunks(spec.length).map(|example| spec.told(example)).sum();
        assert!((spec.characters_per_token - text.len() as f64 / told as f64).abs() < 1e-12 && told < text.len());
    }

    #[test]
    fn other_lines_are_read_in_the_tokens_of_a_model() {
        let known = text_of(&*set("abc\nca\n", &options(64)).unwrap());
        let raw = |text: &str| RawText { name: "b".into(), source: "b.txt".into(), text: text.into(), notes: vec![] };
        let plan = Plan::new(&DataOptions::default()).unwrap();
        let other = raw("cabba\n").finish(&plan, Some(&known)).unwrap();
        assert_eq!((text_of(&*other), other.len()), (known.clone(), 2));
        assert!(raw("cad\n").finish(&plan, Some(&known)).err().unwrap().to_string().contains("character 'd'"));
        assert!(raw("\n \n").finish(&plan, Some(&known)).err().unwrap().to_string().contains("no line with text"));
        let limited = set("a\nb\nc\nd\n", &DataOptions { limit: Some(2), ..options(4) }).unwrap();
        assert_eq!(limited.batch(&[0, 1]).unwrap().tokens(), [0, 1, 0, 0, 2, 0]);
    }
}
