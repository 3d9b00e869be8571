//! Music as a series of notes: of each how long after the one before it begins, how long it sounds, and which key it is.
//!
//! Mogren 2016, "C-RNN-GAN: Continuous recurrent neural networks with adversarial training", arXiv:1611.09904, section 3,
//! otherwise in this: time is counted in frames and not in ticks; a note is its key and not its frequency; how hard keys are struck
//! is left out, as piano rolls do not tell it.

use std::sync::Arc;

use galatea_kernels::random::Stream;

use crate::{
    Dataset, Error, MusicSpec, Result,
    music::{Frame, KEYS, MOST_FRAMES, Piece, keys_of},
    options::{DataOptions, Examples, Plan},
    series::{SeriesSet, Windows},
    set::check_memory,
};

/// What is told of a note: frames since the one before began, frames that it sounds, and its key, 0 to 87.
const CHANNELS: [&str; 3] = ["wait", "length", "key"];
/// Notes of a window where nobody says how many.
const USUAL: usize = 32;
/// Quarter notes that a note of a sample may wait or sound, at most: a model that has learnt nothing may ask for any number.
const LONGEST: usize = 16;

/// Frames as notes, `[notes, 3]`, in the order in which they begin, the higher first.
pub(crate) fn of_frames(frames: &[Frame]) -> Vec<f32> {
    let (mut notes, mut last) = (Vec::new(), 0);
    let at = |t: usize| frames.get(t).copied().unwrap_or(0);
    for t in 0..frames.len() {
        let before = if t == 0 { 0 } else { at(t - 1) };
        for key in keys_of(at(t) & !before).rev() {
            let length = (t..frames.len()).take_while(|later| at(*later) >> key & 1 == 1).count();
            notes.extend([(t - last) as f32, length as f32, key as f32]);
            last = t;
        }
    }
    notes
}

/// Notes `[notes, 3]` as frames, numbers rounded to whole ones that make sense. The first begins at once.
pub(crate) fn to_frames(notes: &[f32], resolution: usize) -> Vec<Frame> {
    let most = LONGEST * resolution.max(1);
    // `as` clamps at 0, and takes NaN for it.
    let whole = |value: f32, most: usize| (value.round() as usize).min(most);
    let (mut frames, mut t): (Vec<Frame>, usize) = (Vec::new(), 0);
    for (number, note) in notes.chunks_exact(CHANNELS.len()).enumerate() {
        t += if number == 0 { 0 } else { whole(note[0], most) };
        let (length, key) = (whole(note[1], most).max(1), whole(note[2], KEYS - 1));
        if t + length > MOST_FRAMES {
            break;
        }
        frames.resize(frames.len().max(t + length), 0);
        // Struck again at once, a key is silent for a frame before, where that leaves any of its last note.
        if let [.., before, last] = &mut frames[..t]
            && *before & *last & 1 << key != 0
        {
            *last &= !(1 << key);
        }
        frames[t..t + length].iter_mut().for_each(|frame| *frame |= 1 << key);
    }
    frames
}

/// Moves the notes of a window by up to `most` semitones, each as likely as any, as far as its keys stay on the piano.
pub(crate) fn transpose(window: &mut [f32], most: usize, mut stream: Stream) {
    let keys = || window.iter().skip(2).step_by(CHANNELS.len()).map(|key| *key as usize);
    let (Some(lowest), Some(highest)) = (keys().min(), keys().max()) else { return };
    let (down, up) = (most.min(lowest), most.min(KEYS - 1 - highest));
    let by = stream.below((down + up + 1) as u64) as f32 - down as f32;
    window.iter_mut().skip(2).step_by(CHANNELS.len()).for_each(|key| *key += by);
}

/// A data set of windows of notes; `(resolution, tempo)` are as in [`MusicSpec`].
///
/// # Errors
/// If something is set that is for piano rolls, text or other series, no piece has as many notes as a window, or it takes too much
/// memory.
pub(crate) fn finish(
    name: String,
    source: &str,
    pieces: &[Piece],
    (resolution, tempo): (usize, f64),
    plan: &Plan,
    mut told: Vec<String>,
) -> Result<Arc<dyn Dataset>> {
    let usual = DataOptions::default();
    let wrong = [
        (plan.frames != usual.frames, "frames", "say by `data.window` how many notes an example has"),
        (plan.context != usual.context, "context", "say by `data.window` how many notes an example has"),
        (plan.examples != Examples::Stretches, "examples", "leave it out"),
        (plan.missing != usual.missing, "missing", "leave it out"),
    ];
    if let Some((_, key, hint)) = wrong.iter().find(|(is_set, ..)| *is_set) {
        return Err(Error::usage(format!("`data.{key}` is set, and the data are read as notes")).with_hint(*hint));
    }
    let length = if plan.window == 0 { USUAL } else { plan.window };
    let chosen: Vec<usize> = match plan.limit.filter(|limit| *limit < pieces.len()) {
        Some(limit) => (0..limit).map(|i| i * pieces.len() / limit).collect(),
        None => (0..pieces.len()).collect(),
    };
    let (mut values, mut starts, mut of, mut most, mut short) = (Vec::new(), Vec::new(), Vec::new(), 0, 0);
    for at in chosen {
        let notes = of_frames(&pieces[at].frames);
        let (first, count) = (values.len() / CHANNELS.len(), notes.len() / CHANNELS.len());
        most = most.max(count);
        short += usize::from(count < length);
        let windows = (count + 1).saturating_sub(length).div_ceil(plan.stride);
        starts.extend((0..windows).map(|window| first + window * plan.stride));
        of.resize(starts.len(), (at, pieces[at].portion));
        values.extend(notes);
        check_memory(values.len(), size_of::<f32>(), plan.memory_bytes)?;
    }
    if starts.is_empty() {
        return Err(Error::usage(format!("`{source}` has pieces of {most} notes or fewer, and a window has {length}"))
            .with_hint("give longer music, or cut shorter windows with `--set data.window=..`"));
    }
    if short > 0 {
        told.push(format!("{short} pieces of fewer than {length} notes are left out"));
    }
    told.push(format!("{} windows of {length} notes", starts.len()));
    let width = CHANNELS.len();
    let window = |start: &usize| to_frames(&values[start * width..(start + length) * width], resolution).len();
    let longest = starts.iter().map(window).max().unwrap_or(1);
    let channels = CHANNELS.map(str::to_owned).to_vec();
    let windows = Windows { length, values, starts, labels: None, overlap: 0, of };
    let set = SeriesSet::new(name, channels, windows, plan.holdout);
    Ok(Arc::new(set.with_music(MusicSpec { length: longest, resolution, tempo }).with_notes(told)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataSpec, Portion, Tokens, music::RawMusic, split};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn frames_come_back_from_notes(
            changes in prop::collection::vec((prop::collection::vec(0usize..88, 1..6), 1usize..30), 1..30),
        ) {
            let frames: Vec<Frame> = changes
                .iter()
                .flat_map(|(keys, length)| vec![keys.iter().fold(0, |frame, key| frame | 1 << key); *length])
                .collect();
            // Of what sounds longer than a sample may, nothing is lost at so many frames a quarter note.
            prop_assert_eq!(to_frames(&of_frames(&frames), 96), frames);
        }
    }

    #[test]
    fn notes_are_told_as_they_begin() {
        // The C in the middle for two frames, then with the E for three, silence, and the E again.
        let (c, e) = (1 << 39, 1 << 43);
        let frames = [vec![c; 2], vec![c | e; 3], vec![0; 2], vec![e]].concat();
        assert_eq!(of_frames(&frames), [0.0, 5.0, 39.0, 2.0, 3.0, 43.0, 5.0, 1.0, 43.0]);
        // Of two that begin together, the higher comes first.
        assert_eq!(of_frames(&[c | e]), [0.0, 1.0, 43.0, 0.0, 1.0, 39.0]);
    }

    #[test]
    fn whatever_a_model_draws_can_be_played() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        let frames = to_frames(&[inf, -3.0, -1.0, nan, inf, 1e9, 0.4, 0.6, 86.6], 1);
        assert_eq!(frames, [vec![1 | 1 << 87; 1], vec![1 << 87; 15]].concat());
        // Struck again, a key is silent before.
        assert_eq!(to_frames(&[0.0, 3.0, 5.0, 3.0, 2.0, 5.0], 4), [1 << 5, 1 << 5, 0, 1 << 5, 1 << 5]);
        assert_eq!(to_frames(&[0.0, 1.0, 5.0, 1.0, 1.0, 5.0], 4), [1 << 5; 2]);
        assert!(to_frames(&[inf; 30_000], 96).len() <= MOST_FRAMES);
    }

    fn data(options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        let piece = |i: usize| Piece {
            frames: (0..40).map(|t| 1 << ((7 * i + 5 * t) % 88)).collect(),
            portion: Some([Portion::Train, Portion::Validation, Portion::Test][i % 3]),
        };
        let mut pieces: Vec<Piece> = (0..30).map(piece).collect();
        pieces.push(Piece { frames: vec![1; 9], portion: None });
        let (name, source) = ("a".to_owned(), "a.json".to_owned());
        let options = DataOptions { tokens: Tokens::Notes, ..options.clone() };
        RawMusic { name, source, pieces, resolution: 2, tempo: Some(90.0), notes: vec![] }.finish(&Plan::new(&options)?)
    }

    #[test]
    fn windows_are_of_one_piece_and_held_back_with_it() {
        let set = data(&DataOptions { window: 10, stride: 3, ..DataOptions::default() }).unwrap();
        let DataSpec::Series(series) = set.spec() else { panic!("{}", set.spec()) };
        assert_eq!((set.len(), series.length, &series.channels[2][..]), (30 * 11, 10, "key"));
        assert_eq!(set.spec().music().unwrap(), MusicSpec { length: 10, resolution: 2, tempo: 90.0 });
        let parts = split(&*set, 0.1);
        assert!(parts.held_back.iter().all(|i| set.group(*i) % 3 == 2) && parts.held_back.len() == 110);
        let batch = set.batch(&[11]).unwrap();
        assert_eq!(batch.values.shape, [1, 10, 3]);
        assert_eq!(set.spec().frames(&batch.values.values)[..2], [1 << 7, 1 << 12]);
        assert!(set.notes().iter().any(|note| note == "1 pieces of fewer than 10 notes are left out"));
        assert_eq!(set.spec().to_string(), "music of notes, 10 at a time");
        let json = serde_json::to_string(set.spec()).unwrap();
        assert_eq!(&serde_json::from_str::<DataSpec>(&json).unwrap(), set.spec());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refusal = |options| data(&options).err().unwrap().to_string();
        assert_eq!(
            refusal(DataOptions { window: 41, ..DataOptions::default() }),
            "`a.json` has pieces of 40 notes or fewer, and a window has 41"
        );
        assert!(refusal(DataOptions { frames: 9, ..DataOptions::default() }).contains("data.frames"));
        assert!(refusal(DataOptions { context: 9, ..DataOptions::default() }).contains("data.context"));
    }

    #[test]
    fn windows_are_moved_as_far_as_their_keys_stay_on_the_piano() {
        let mut seen = std::collections::BTreeMap::new();
        for i in 0..700 {
            let mut window = [0.0, 2.0, 86.0, 1.0, 3.0, 2.0];
            transpose(&mut window, 5, Stream::new(3, i));
            let by = window[2] - 86.0;
            assert_eq!(window, [0.0, 2.0, 86.0 + by, 1.0, 3.0, 2.0 + by]);
            *seen.entry(by as i32).or_insert(0) += 1;
        }
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [-2, -1, 0, 1]);
    }
}
