//! Music as a sequence of events: a key is struck, a key is let go, time goes on.
//!
//! Oore et al. 2018, "This Time with Feeling: Learning Expressive Musical Performance", arXiv:1808.03715, section 3.2, otherwise in
//! this: time goes on by frames of a quarter note, up to four quarter notes at once, and not by eight milliseconds; how hard keys
//! are struck is not told, nor is the pedal; keys are the 88 of a piano; one more event ends a piece.

use std::sync::Arc;

use galatea_kernels::random::Stream;

use crate::{
    Dataset, Error, Result, TextSpec, Vocabulary,
    music::{Frame, KEYS, MOST_FRAMES, Piece, keys_of},
    options::{DataOptions, Examples, Plan},
    sequences::{Sequence, SequenceSet},
    set::check_memory,
};

/// Quarter notes by which time goes on at once, at most.
const LONGEST: usize = 4;
/// Events that strike a key or let it go; those behind them are of time.
const OF_KEYS: usize = 2 * KEYS;
/// Frames of a sample that does not end by itself, at most.
const MOST_OF_SAMPLE: usize = 1024;

/// Number of events, where a quarter note is so many frames: `0..88` strike a key, `88..176` let one go, then time goes on by 1, 2,
/// .. frames, and the last ends a piece.
pub(crate) fn count(resolution: usize) -> usize {
    OF_KEYS + LONGEST * resolution + 1
}

/// What event `token` does, as a word: `on60`, `off60`, by MIDI's numbers, `wait4`, or `end`.
pub(crate) fn word(token: usize, resolution: usize) -> String {
    let pitch = |key: usize| usize::from(crate::music::LOWEST) + key;
    match token {
        key if key < KEYS => format!("on{} ", pitch(key)),
        key if key < OF_KEYS => format!("off{} ", pitch(key - KEYS)),
        wait if wait + 1 < count(resolution) => format!("wait{} ", wait - OF_KEYS + 1),
        _ => "end ".to_owned(),
    }
}

/// Frames as events, without the one that ends a piece. Keys are let go before others are struck, lower ones first.
pub fn of_frames(frames: &[Frame], resolution: usize) -> Vec<u32> {
    let longest = LONGEST * resolution.max(1);
    let (mut events, mut sounding, mut waited) = (Vec::new(), 0, 0);
    let wait = |events: &mut Vec<u32>, mut left: usize| {
        while left > 0 {
            let now = left.min(longest);
            events.push((OF_KEYS + now - 1) as u32);
            left -= now;
        }
    };
    for frame in frames {
        if *frame != sounding {
            wait(&mut events, std::mem::take(&mut waited));
            events.extend(keys_of(sounding & !frame).map(|key| (KEYS + key) as u32));
            events.extend(keys_of(frame & !sounding).map(|key| key as u32));
            sounding = *frame;
        }
        waited += 1;
    }
    wait(&mut events, waited);
    events
}

/// Events as frames, as they come. What makes no sense, such as to let go of a key that is silent, is passed over.
#[derive(Clone, Debug)]
pub struct Player {
    longest: usize,
    sounding: Frame,
    /// What has been played.
    pub frames: Vec<Frame>,
}

impl Player {
    /// Silence, where a quarter note is so many frames.
    pub fn new(resolution: usize) -> Self {
        Self { longest: LONGEST * resolution.max(1), sounding: 0, frames: Vec::new() }
    }

    /// Plays an event, and tells whether the piece goes on.
    pub fn push(&mut self, event: u32) -> bool {
        match event as usize {
            key if key < KEYS => {
                // Struck again at once, a key is silent for a frame before, where that leaves any of its last note.
                if let [.., before, last] = &mut self.frames[..]
                    && *before & *last & 1 << key != 0
                {
                    *last &= !(1 << key);
                }
                self.sounding |= 1 << key;
            }
            key if key < OF_KEYS => self.sounding &= !(1 << (key - KEYS)),
            wait if wait < OF_KEYS + self.longest => {
                let most = MOST_FRAMES.saturating_sub(self.frames.len());
                let frames = (wait - OF_KEYS + 1).min(most);
                self.frames.resize(self.frames.len() + frames, self.sounding);
            }
            _ => return false,
        }
        true
    }
}

/// The frames of an example, or of a sample like it, up to its end.
pub(crate) fn to_frames(example: &[u32], text: &TextSpec, resolution: usize) -> Vec<Frame> {
    let mut player = Player::new(resolution);
    let begins = usize::from(example.first() == Some(&text.start));
    let _ends = example.iter().skip(begins).all(|event| player.push(*event));
    player.frames
}

/// Moves the events of an example by up to `most` semitones, each as likely as any, as far as its keys stay on the piano.
pub(crate) fn transpose(example: &mut [f32], most: usize, mut stream: Stream) {
    let is_key = |event: &f32| (*event as usize) < OF_KEYS;
    let keys = || example.iter().filter(|event| is_key(event)).map(|event| *event as usize % KEYS);
    let (Some(lowest), Some(highest)) = (keys().min(), keys().max()) else { return };
    let (down, up) = (most.min(lowest), most.min(KEYS - 1 - highest));
    let by = stream.below((down + up + 1) as u64) as f32 - down as f32;
    example.iter_mut().filter(|event| is_key(event)).for_each(|event| *event += by);
}

/// A data set of pieces as events; `(resolution, tempo)` are as in [`crate::MusicSpec`].
///
/// # Errors
/// If something is set that is for piano rolls or text, or it takes too much memory.
pub(crate) fn finish(
    name: String,
    pieces: &[Piece],
    (resolution, tempo): (usize, f64),
    plan: &Plan,
    notes: Vec<String>,
) -> Result<Arc<dyn Dataset>> {
    if plan.frames != DataOptions::default().frames {
        return Err(Error::usage("`data.frames` is for piano rolls, and the data are read as events")
            .with_hint("say by `data.context` how many events an example has"));
    }
    if plan.examples != Examples::Stretches {
        return Err(Error::usage("`data.examples` is for text, and the data are music").with_hint("leave it out"));
    }
    let chosen: Vec<usize> = match plan.limit.filter(|limit| *limit < pieces.len()) {
        Some(limit) => (0..limit).map(|i| i * pieces.len() / limit).collect(),
        None => (0..pieces.len()).collect(),
    };
    let end = (count(resolution) - 1) as u32;
    let (mut sequences, mut longest, mut frames, mut events) = (Vec::with_capacity(chosen.len()), 0, 0, 0);
    for at in chosen {
        let Piece { frames: played, portion } = &pieces[at];
        let mut tokens = of_frames(played, resolution);
        tokens.push(end);
        (longest, frames, events) = (longest.max(played.len()), frames + played.len(), events + tokens.len());
        check_memory(events, size_of::<u32>(), plan.memory_bytes)?;
        sequences.push(Sequence { tokens, group: at, portion: *portion });
    }
    let vocabulary = Vocabulary::Events { resolution, tempo, frames: longest.min(MOST_OF_SAMPLE) };
    // As long as is asked for, so that other pieces make examples of the same length.
    let text = TextSpec {
        length: plan.context + 1,
        vocabulary,
        start: end,
        characters_per_token: frames as f64 / events.max(1) as f64,
        end: Some(end),
    };
    Ok(Arc::new(SequenceSet::new(name, "pieces", text, sequences, notes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataOptions, DataSpec, Tokens, music::RawMusic};
    use proptest::prelude::*;

    fn played(events: &[u32], resolution: usize) -> Vec<Frame> {
        let mut player = Player::new(resolution);
        assert!(events.iter().all(|event| player.push(*event)));
        player.frames
    }

    proptest! {
        #[test]
        fn random_rolls_come_back_and_so_do_their_events(
            // Keys that change seldom, some at once, the highest and lowest among them; rests; long notes.
            changes in prop::collection::vec((prop::collection::vec(0usize..88, 0..6), 1usize..90), 0..30),
            resolution in 1usize..9,
        ) {
            let frames: Vec<Frame> = changes
                .iter()
                .flat_map(|(keys, length)| vec![keys.iter().fold(0, |frame, key| frame | 1 << key); *length])
                .collect();
            let events = of_frames(&frames, resolution);
            prop_assert_eq!(&played(&events, resolution), &frames);
            prop_assert_eq!(of_frames(&played(&events, resolution), resolution), events);
            prop_assert!(of_frames(&frames, resolution).iter().all(|event| (*event as usize) < count(resolution) - 1));
        }
    }

    #[test]
    fn events_are_those_of_the_paper_in_frames() {
        // The C in the middle for two frames, then with the E for nine, at two frames of a quarter note.
        let (c, e) = (1 << 39, 1 << 43);
        let frames = [vec![c; 2], vec![c | e; 9], vec![0; 1], vec![e]].concat();
        let events = of_frames(&frames, 2);
        let words: String = events.iter().map(|event| word(*event as usize, 2)).collect();
        assert_eq!(words, "on60 wait2 on64 wait8 wait1 off60 off64 wait1 on64 wait1 ");
        assert_eq!((count(2), word(184, 2).as_str()), (185, "end "));
        assert!(!Player::new(2).push(184));
    }

    #[test]
    fn what_makes_no_sense_does_no_harm() {
        let wait = |frames: usize| (OF_KEYS + frames - 1) as u32;
        // Let go of what is silent, strike what sounds, strike and let go at once, what no event is.
        assert_eq!(played(&[88 + 5, 5, wait(3), 5, wait(1)], 4), [1 << 5, 1 << 5, 0, 1 << 5]);
        assert_eq!(played(&[5, wait(1), 5, wait(1)], 4), [1 << 5; 2]);
        assert_eq!(played(&[5, 88 + 5, wait(2)], 4), [0, 0]);
        assert!(!Player::new(4).push(u32::MAX));
    }

    #[test]
    fn pieces_are_examples_that_end_and_are_held_back_whole() {
        let pieces: Vec<Piece> =
            (0..20).map(|i| Piece { frames: [vec![1 << i; 3], vec![2 << i; 40]].concat(), portion: None }).collect();
        let options = DataOptions { tokens: Tokens::Events, context: 4, ..DataOptions::default() };
        let raw = |pieces: &[Piece]| RawMusic {
            name: "a".into(),
            source: "a.mid".into(),
            pieces: pieces.to_vec(),
            resolution: 4,
            tempo: Some(90.0),
            notes: vec![],
        };
        let finish = |options: &DataOptions| raw(&pieces).finish(&Plan::new(options).unwrap());
        let data = finish(&options).unwrap();
        let DataSpec::Text(text) = data.spec() else { panic!("{}", data.spec()) };
        // on, wait3, off, on, wait16, wait16, wait8, end: two examples each.
        assert_eq!((data.len(), text.length, text.vocabulary.len(), text.end), (40, 5, 193, Some(192)));
        let batch = data.batch(&[2, 3]).unwrap().tokens();
        assert_eq!(batch, [192, 1, 178, 89, 2, 2, 191, 191, 183, 192]);
        assert_eq!(data.group(2), data.group(3));
        assert!((text.characters_per_token - 43.0 / 8.0).abs() < 1e-12);
        assert_eq!(data.spec().to_string(), "music of 193 different events, 4 at a time");
        let music = data.spec().music().unwrap();
        assert_eq!((music.length, music.resolution, music.tempo), (43, 4, 90.0));
        assert_eq!(data.spec().frames(&data.batch(&[2]).unwrap().values.values), [vec![2; 3]].concat());
        // A stretch from the middle begins with what was struck last.
        assert_eq!(data.spec().frames(&data.batch(&[3]).unwrap().values.values), vec![4; 40]);
        let json = serde_json::to_string(data.spec()).unwrap();
        assert_eq!(&serde_json::from_str::<DataSpec>(&json).unwrap(), data.spec());
        assert_eq!(finish(&DataOptions { limit: Some(3), ..options.clone() }).unwrap().len(), 6);
        assert!(
            finish(&DataOptions { frames: 9, ..options.clone() }).err().unwrap().to_string().contains("data.frames")
        );
        let lines = DataOptions { examples: Examples::Lines, ..options };
        assert!(finish(&lines).err().unwrap().to_string().contains("data.examples"));
    }

    #[test]
    fn examples_are_moved_as_far_as_their_keys_stay_on_the_piano() {
        let mut seen = std::collections::BTreeMap::new();
        for i in 0..700 {
            let mut example = [192.0, 2.0, 176.0, 90.0, 86.0, 177.0, 192.0];
            transpose(&mut example, 5, Stream::new(3, i));
            let by = example[1] - 2.0;
            assert_eq!(example, [192.0, 2.0 + by, 176.0, 90.0 + by, 86.0 + by, 177.0, 192.0]);
            *seen.entry(by as i32).or_insert(0) += 1;
        }
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [-2, -1, 0, 1]);
        assert!(seen.values().all(|count| (130..220).contains(count)), "{seen:?}");
    }
}
