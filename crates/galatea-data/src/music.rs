//! Music as piano rolls held in memory: which of 88 keys sound in each frame.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::{
    DataSpec, Dataset, Error, HostBatch, HostTensor, Result,
    dataset::Portion,
    events, notes,
    options::{Plan, Tokens},
    set::{check_memory, fingerprint_of, hex, warn_of_counts},
};

/// Keys of a piano.
pub const KEYS: usize = 88;
/// MIDI's number of the lowest of them, an A.
pub const LOWEST: u8 = 21;
/// What stands in the frames behind the end of a piece.
pub const BEYOND: f32 = -1.0;
/// Frames of an example where nobody says how many, at most.
const USUAL_FRAMES: usize = 256;
/// Most frames of a piece; a longer one is likely to be a mistake in a file.
pub(crate) const MOST_FRAMES: usize = 1_000_000;

/// Music: examples are piano rolls, `[length, 88]`: 1 where a key sounds, 0 where it does not, and -1 in the frames behind the
/// end of a piece.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MusicSpec {
    /// Frames of an example.
    pub length: usize,
    /// Frames of a quarter note.
    pub resolution: usize,
    /// Quarter notes a minute, at which samples are played.
    pub tempo: f64,
}

/// The keys that sound at a time: bit `k` is key `k`.
pub type Frame = u128;

/// A piece of music.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Piece {
    pub(crate) frames: Vec<Frame>,
    /// What it is for, where the source says so.
    pub(crate) portion: Option<Portion>,
}

/// The keys that sound in a frame `[88]` of a piano roll; `None` behind the end.
pub fn frame_of(values: &[f32]) -> Option<Frame> {
    let bit = |(key, value): (usize, &f32)| u128::from(*value > 0.5) << key;
    (values.first() != Some(&BEYOND)).then(|| values.iter().take(KEYS).enumerate().map(bit).sum())
}

/// The frames of a piano roll `[length, 88]`, up to its end.
pub fn frames_of(roll: &[f32]) -> Vec<Frame> {
    roll.chunks_exact(KEYS).map_while(frame_of).collect()
}

/// The keys of a frame, the lowest first.
pub fn keys_of(frame: Frame) -> impl DoubleEndedIterator<Item = usize> {
    (0..KEYS).filter(move |key| frame >> key & 1 == 1)
}

/// Writes a frame as 88 values.
pub fn write_frame(frame: Frame, values: &mut [f32]) {
    values.iter_mut().enumerate().for_each(|(key, value)| *value = (frame >> key & 1) as f32);
}

/// Pieces as piano rolls `[n, length, 88]`; what is longer is cut off.
pub fn rolls(pieces: &[&[Frame]], length: usize) -> HostTensor {
    let mut values = vec![BEYOND; pieces.len() * length * KEYS];
    for (piece, roll) in pieces.iter().zip(values.chunks_exact_mut(length * KEYS)) {
        piece.iter().zip(roll.chunks_exact_mut(KEYS)).for_each(|(frame, values)| write_frame(*frame, values));
    }
    HostTensor::new([pieces.len(), length, KEYS], values)
}

/// Music as a format has read it.
pub(crate) struct RawMusic {
    pub(crate) name: String,
    /// What messages call the source.
    pub(crate) source: String,
    pub(crate) pieces: Vec<Piece>,
    /// Frames of a quarter note.
    pub(crate) resolution: usize,
    /// Quarter notes a minute, where the source says so.
    pub(crate) tempo: Option<f64>,
    pub(crate) notes: Vec<String>,
}

impl RawMusic {
    /// Cuts pieces into examples.
    ///
    /// # Errors
    /// If there is no piece, no key ever sounds, or it takes too much memory.
    pub(crate) fn finish(self, plan: &Plan) -> Result<Arc<dyn Dataset>> {
        if !plan.classes.is_empty() {
            return Err(Error::usage("`data.classes` is set, but music has no classes").with_hint("leave it out"));
        }
        let Self { name, source, mut pieces, resolution, tempo, notes: mut told } = self;
        pieces.retain(|piece| !piece.frames.is_empty());
        if pieces.iter().all(|piece| piece.frames.iter().all(|frame| *frame == 0)) {
            return Err(Error::invalid(&source, "there are no notes in it")
                .with_hint("name music in which keys of a piano sound; drums are left out"));
        }
        let frames: usize = pieces.iter().map(|piece| piece.frames.len()).sum();
        check_memory(frames, size_of::<Frame>(), plan.memory_bytes)?;
        let all = pieces.iter().flat_map(|piece| &piece.frames);
        let sounding: u32 = all.map(|frame| frame.count_ones()).sum();
        let together = f64::from(sounding) / frames as f64;
        told.push(format!("{} pieces of {frames} frames, in which {together:.1} keys sound together", pieces.len()));
        if pieces.iter().any(|piece| piece.portion.is_some()) {
            told.push("it says itself what is for training, for choosing and for judging".to_owned());
        }
        let tempo = plan.tempo.or(tempo).unwrap_or(USUAL_TEMPO);
        match plan.tokens {
            Tokens::Events => return events::finish(name, &pieces, (resolution, tempo), plan, told),
            Tokens::Notes => return notes::finish(name, &source, &pieces, (resolution, tempo), plan, told),
            Tokens::Characters | Tokens::Bpe => {}
        }
        let longest = pieces.iter().map(|piece| piece.frames.len()).max().unwrap_or(1);
        let length = if plan.frames > 0 { plan.frames } else { longest.min(USUAL_FRAMES) };
        let mut stretches = Vec::new();
        for (number, piece) in pieces.iter().enumerate() {
            let starts = (0..piece.frames.len()).step_by(length);
            stretches.extend(starts.map(|start| (number, start, (start + length).min(piece.frames.len()))));
        }
        if longest > length {
            let (cut, of) = (pieces.iter().filter(|piece| piece.frames.len() > length).count(), pieces.len());
            told.push(format!("{cut} of {of} pieces are longer than {length} frames, and cut"));
        }
        if let Some(limit) = plan.limit.filter(|limit| *limit < stretches.len()) {
            stretches = (0..limit).map(|i| stretches[i * stretches.len() / limit]).collect();
        }
        let spec = MusicSpec { length, resolution, tempo };
        Ok(Arc::new(MusicSet::new(name, spec, pieces, stretches, told)))
    }
}

/// Quarter notes a minute where nobody says how many.
const USUAL_TEMPO: f64 = 100.0;

/// A data set of piano rolls.
struct MusicSet {
    name: String,
    spec: DataSpec,
    length: usize,
    pieces: Vec<Piece>,
    /// Examples: number of the piece, first frame, and the one behind the last.
    stretches: Vec<(usize, usize, usize)>,
    fingerprint: String,
    notes: Vec<String>,
}

impl MusicSet {
    fn new(
        name: String,
        music: MusicSpec,
        pieces: Vec<Piece>,
        stretches: Vec<(usize, usize, usize)>,
        notes: Vec<String>,
    ) -> Self {
        let length = music.length;
        let spec = DataSpec::Music(music);
        let mut hash = fingerprint_of(&spec);
        for &(piece, first, end) in &stretches {
            [piece, first, end].iter().for_each(|number| hash.update((*number as u64).to_le_bytes()));
            hash.update([pieces[piece].portion.map_or(0, |portion| 1 + portion as u8)]);
            pieces[piece].frames[first..end].iter().for_each(|frame| hash.update(frame.to_le_bytes()));
        }
        Self { name, spec, length, pieces, stretches, fingerprint: hex(hash), notes }
    }
}

impl Dataset for MusicSet {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> &DataSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.stretches.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<HostBatch> {
        let stretch = |i: &usize| {
            let (piece, first, end) = self.stretches[*i];
            &self.pieces[piece].frames[first..end]
        };
        let stretches: Vec<&[Frame]> = indices.iter().map(stretch).collect();
        Ok(HostBatch { values: rolls(&stretches, self.length), labels: None })
    }

    fn label(&self, _index: usize) -> Option<u32> {
        None
    }

    fn group(&self, index: usize) -> usize {
        self.stretches[index].0
    }

    fn portion(&self, index: usize) -> Option<Portion> {
        self.pieces[self.stretches[index].0].portion
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn warnings(&self) -> Vec<String> {
        warn_of_counts(self.len(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataOptions, split};

    fn set(pieces: &[Vec<Frame>], portion: impl Fn(usize) -> Option<Portion>, frames: usize) -> Arc<dyn Dataset> {
        let plan = Plan::new(&DataOptions { frames, ..DataOptions::default() }).unwrap();
        let piece = |(i, frames): (usize, &Vec<Frame>)| Piece { frames: frames.clone(), portion: portion(i) };
        let pieces = pieces.iter().enumerate().map(piece).collect();
        let (name, source) = ("a".to_owned(), "a.mid".to_owned());
        RawMusic { name, source, pieces, resolution: 4, tempo: None, notes: vec![] }.finish(&plan).unwrap()
    }

    #[test]
    fn frames_come_back_from_rolls() {
        let pieces: [Vec<Frame>; 2] = [vec![1 | 1 << 87, 0, 1 << 40], vec![5]];
        let data = set(&pieces, |_| None, 0);
        let batch = data.batch(&[1, 0]).unwrap();
        assert_eq!(batch.values.shape, [2, 3, 88]);
        assert_eq!(frames_of(batch.values.row(0)), pieces[1]);
        assert_eq!(frames_of(batch.values.row(1)), pieces[0]);
        assert_eq!(batch.values.row(0)[88..], [BEYOND; 176]);
        assert_eq!(keys_of(pieces[0][0]).collect::<Vec<_>>(), [0, 87]);
    }

    #[test]
    fn stretches_of_one_piece_are_held_back_together() {
        let pieces: Vec<Vec<Frame>> = (0..40).map(|i| vec![1 << i; 10 + i]).collect();
        let data = set(&pieces, |_| None, 6);
        let key = |i: &usize| keys_of(frames_of(data.batch(&[*i]).unwrap().values.row(0))[0]).next().unwrap();
        let parts = split(&*data, 0.25);
        let [train, unseen]: [Vec<usize>; 2] =
            [&parts.train, &parts.held_back].map(|part| part.iter().map(key).collect());
        assert!(unseen.iter().all(|key| !train.contains(key)) && !train.is_empty());
        let mut kinds = unseen.clone();
        kinds.dedup();
        assert!(kinds.len() == 10 && unseen.len() > 20, "{kinds:?}");
        let again = parts.again(&*data, 0.5);
        assert!(
            again.held_back.iter().map(key).all(|key| !again.train.iter().any(|i| key == self::key_of(&*data, *i)))
        );
        assert_eq!(again.train.len() + again.held_back.len(), parts.train.len());
    }

    fn key_of(data: &dyn Dataset, i: usize) -> usize {
        keys_of(frames_of(data.batch(&[i]).unwrap().values.row(0))[0]).next().unwrap()
    }

    #[test]
    fn what_the_source_says_of_its_parts_holds() {
        let pieces: Vec<Vec<Frame>> = (0..30).map(|i| vec![1 << i; 4]).collect();
        let portion = |i| Some([Portion::Train, Portion::Validation, Portion::Test][i % 3]);
        let data = set(&pieces, portion, 0);
        let parts = split(&*data, 0.1);
        assert!(parts.held_back.iter().all(|i| i % 3 == 2) && parts.held_back.len() == 10);
        let again = parts.again(&*data, 0.1);
        assert!(again.held_back.iter().all(|i| i % 3 == 1) && again.held_back.len() == 10 && again.train.len() == 10);
        // What nobody asks to hold back is learnt.
        assert_eq!(parts.again(&*data, 0.0).train.len(), 20);
    }
}
