//! Music as MIDI files: one, or a folder of them, searched recursively.
//!
//! Format: Standard MIDI File (MIDI Manufacturers Association 1996, RP-001). Time is counted in quarter notes, so that
//! changes of tempo change nothing; drums, on channel 10, are left out.

use std::{
    collections::HashSet,
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use midly::{Format as Kind, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind};

use super::{
    Format, MOST_FILES,
    chorales::{key_of, tell_outside},
    is_hidden, plan, short_name,
};
use crate::{
    DataOptions, Dataset, Error, Result,
    music::{Frame, KEYS, MOST_FRAMES, Piece, RawMusic},
    options::Plan,
    picture,
};

/// Most bytes of a file: hours of music have some hundred thousand.
const MOST_BYTES: u64 = 32 << 20;
/// Folders within folders.
const DEPTH: usize = 8;
/// The channel of drums, counted from 0.
const DRUMS: u8 = 9;
/// Frames of a quarter note where nobody says how many.
const RESOLUTION: usize = 4;
/// Quarter notes a second, where time is counted in seconds (RP-001: 120 a minute where nothing is said).
const USUAL_PACE: f64 = 2.0;

/// MIDI files.
pub(super) struct Midi;

impl Format for Midi {
    fn name(&self) -> &'static str {
        "midi"
    }

    fn summary(&self) -> &'static str {
        "music as a MIDI file, or a folder of them"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["tunes/", "sonata.mid"]
    }

    fn claims(&self, source: &str) -> bool {
        let path = Path::new(source);
        match path.is_dir() {
            true => is_folder_of_midi(path),
            false => is_midi_name(path) && path.is_file(),
        }
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        options.refuse_pictures(source, "music")?;
        read(Path::new(source), source, &plan(options)?)?.finish(&plan(options)?)
    }
}

/// Whether a file is called as MIDI files are.
pub(super) fn is_midi_name(path: &Path) -> bool {
    path.extension().is_some_and(|own| ["mid", "midi"].iter().any(|ending| own.eq_ignore_ascii_case(ending)))
}

/// Whether the first file in a folder, or below it, that is music or a picture is music.
fn is_folder_of_midi(path: &Path) -> bool {
    first_kind(path, DEPTH).unwrap_or(false)
}

fn first_kind(root: &Path, depth: usize) -> Option<bool> {
    let entries = fs::read_dir(root).ok()?.flatten().take(MOST_FILES).filter(|entry| !is_hidden(&entry.path()));
    let mut folders = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        if is_midi_name(&path) || picture::is_picture_name(&path) {
            return Some(is_midi_name(&path));
        }
        folders.extend(path.is_dir().then_some(path));
    }
    folders.iter().filter(|_| depth > 0).find_map(|path| first_kind(path, depth - 1))
}

/// All files in a folder and in those below it, but hidden ones, by name.
fn files_in(root: &Path, depth: usize) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().take(MOST_FILES).map(|entry| entry.path()).collect();
    paths.retain(|path| !is_hidden(path));
    paths.sort();
    let below = |path: PathBuf| match path.is_dir() {
        true if depth > 0 => files_in(&path, depth - 1),
        true => Vec::new(),
        false => vec![path],
    };
    paths.into_iter().flat_map(below).collect()
}

/// The music at `root`.
pub(super) fn read(root: &Path, source: &str, plan: &Plan) -> Result<RawMusic> {
    let mut files = if root.is_dir() { files_in(root, DEPTH) } else { vec![root.to_owned()] };
    files.retain(|path| is_midi_name(path));
    let resolution = plan.resolution.unwrap_or(RESOLUTION);
    let (mut pieces, mut notes, mut tempo) = (Vec::new(), Vec::new(), None);
    let (mut outside, mut empty) = (0, 0);
    let most = plan.memory_bytes / size_of::<Frame>() as u64;
    let mut frames = 0;
    for path in &files {
        let read = match read_one(path, resolution) {
            Err(error) if plan.skip_broken && root.is_dir() => {
                notes.push(format!("left out: {error}"));
                continue;
            }
            other => other?,
        };
        outside += read.outside;
        tempo = tempo.or(read.tempo);
        empty += usize::from(read.pieces.is_empty());
        if read.pieces.is_empty() && files.len() == 1 {
            return Err(no_notes(path));
        }
        frames += read.pieces.iter().map(|piece| piece.frames.len() as u64).sum::<u64>();
        if frames > most {
            let given = plan.memory_bytes >> 20;
            return Err(Error::invalid(path, format!("there is more music than `data.memory_mib` holds, {given} MiB"))
                .with_hint("raise `data.memory_mib`, or give fewer files"));
        }
        pieces.extend(read.pieces);
    }
    tell_outside(outside, &mut notes);
    if empty > 0 {
        notes.push(format!("{empty} of {} files have no notes, and are left out", files.len()));
    }
    notes.push(format!("a quarter note is {resolution} frames"));
    Ok(RawMusic { name: short_name(root), source: source.to_owned(), pieces, resolution, tempo, notes })
}

fn no_notes(path: &Path) -> Error {
    Error::invalid(path, "there are no notes in it")
        .with_hint("name music in which keys of a piano sound; drums are left out")
}

/// What a file holds.
struct Found {
    pieces: Vec<Piece>,
    /// Quarter notes a minute.
    tempo: Option<f64>,
    /// Notes that no piano has.
    outside: usize,
}

fn read_one(path: &Path, resolution: usize) -> Result<Found> {
    let failed = |error| Error::io("read", path, error);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Error::invalid(path, format!("the file is larger than {} MiB", MOST_BYTES >> 20))
            .with_hint("no music needs as much; name another file"));
    }
    if bytes.is_empty() {
        return Err(Error::invalid(path, "the file is empty").with_hint("name a MIDI file"));
    }
    let smf = Smf::parse(&bytes).map_err(|error| {
        let problem = format!("this is no MIDI file, or it is damaged: {}", error.kind().message());
        Error::invalid(path, problem)
            .with_hint("write it once more, or leave it out with `--set data.skip_broken=true`")
    })?;
    let ticks = match smf.header.timing {
        Timing::Metrical(ticks) => f64::from(ticks.as_int()),
        Timing::Timecode(fps, sub) => f64::from(fps.as_f32()) * f64::from(sub) / USUAL_PACE,
    };
    if ticks <= 0.0 {
        return Err(Error::invalid(path, "a quarter note has no length in it").with_hint("write it once more"));
    }
    let mut found = Found { pieces: Vec::new(), tempo: None, outside: 0 };
    let tracks: Vec<&[TrackEvent<'_>]> = smf.tracks.iter().map(Vec::as_slice).collect();
    // Tracks of the third kind of files are pieces of their own.
    let together = if smf.header.format == Kind::Sequential { 1 } else { tracks.len().max(1) };
    for tracks in tracks.chunks(together) {
        let mut notes = Vec::new();
        for track in tracks {
            notes_of(track, &mut notes, &mut found);
        }
        let frames = frames_of(&notes, resolution as f64 / ticks).ok_or_else(|| {
            Error::invalid(path, "it lasts longer than music does")
                .with_hint(format!("at most {MOST_FRAMES} frames can be read; lower `data.resolution`"))
        })?;
        if !frames.is_empty() {
            found.pieces.push(Piece { frames, portion: None });
        }
    }
    Ok(found)
}

/// A note: key, and ticks at which it begins and ends.
type Note = (usize, u64, u64);

/// Adds the notes of a track.
fn notes_of(track: &[TrackEvent<'_>], notes: &mut Vec<Note>, found: &mut Found) {
    let mut now = 0u64;
    // Of each channel and key, when it was struck.
    let mut struck = vec![[None; KEYS]; 16];
    let mut release = |struck: &mut Option<u64>, key: usize, now: u64| {
        notes.extend(struck.take().filter(|begun| *begun < now).map(|begun| (key, begun, now)));
    };
    for event in track {
        now += u64::from(event.delta.as_int());
        let TrackEventKind::Midi { channel, message } = event.kind else {
            if let TrackEventKind::Meta(MetaMessage::Tempo(of_quarter)) = event.kind {
                let microseconds = f64::from(of_quarter.as_int());
                found.tempo = found.tempo.or((microseconds > 0.0).then(|| (6e7 / microseconds).clamp(10.0, 1_000.0)));
            }
            continue;
        };
        let (pitch, is_struck) = match message {
            MidiMessage::NoteOn { key, vel } => (key.as_int(), vel.as_int() > 0),
            MidiMessage::NoteOff { key, .. } => (key.as_int(), false),
            _ => continue,
        };
        let channel = channel.as_int();
        if channel == DRUMS {
            continue;
        }
        let Some(key) = key_of(pitch) else {
            found.outside += usize::from(is_struck);
            continue;
        };
        let place = &mut struck[usize::from(channel)][key];
        release(place, key, now);
        if is_struck {
            *place = Some(now);
        }
    }
    // What nobody has let go of ends with the track.
    for channel in &mut struck {
        channel.iter_mut().enumerate().for_each(|(key, place)| release(place, key, now));
    }
}

/// Notes as frames, `per_tick` each, from the first note to the end of the last; `None` if there are too many.
fn frames_of(notes: &[Note], per_tick: f64) -> Option<Vec<Frame>> {
    let Some(first) = notes.iter().map(|(_, begun, _)| *begun).min() else { return Some(Vec::new()) };
    let place = |tick: u64| ((tick - first) as f64 * per_tick).round() as usize;
    let last = notes.iter().map(|(_, begun, end)| place(*end).max(place(*begun) + 1)).max().unwrap_or(0);
    if last > MOST_FRAMES {
        return None;
    }
    let mut frames = vec![0; last];
    for (key, begun, end) in notes {
        let (begun, end) = (place(*begun), place(*end).max(place(*begun) + 1));
        frames[begun..end].iter_mut().for_each(|frame| *frame |= 1 << key);
    }
    // A key that is struck again at once is silent for a frame before, where that leaves any of its last note: it would sound
    // on otherwise.
    let ends: HashSet<(usize, usize)> = notes.iter().map(|(key, _, end)| (*key, place(*end))).collect();
    for (key, begun, _) in notes {
        let again = place(*begun);
        let was = |back: usize| again >= back && frames[again - back] >> key & 1 == 1;
        if ends.contains(&(*key, again)) && was(1) && was(2) {
            frames[again - 1] &= !(1 << key);
        }
    }
    Some(frames)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_begin_and_end_in_their_frames() {
        // At 24 ticks a quarter note and four frames: six ticks are a frame.
        let frames = |notes: &[Note]| frames_of(notes, 4.0 / 24.0).unwrap();
        assert_eq!(frames(&[]), []);
        // From the first note on; the shortest note is a frame.
        assert_eq!(frames(&[(0, 12, 25), (2, 18, 19)]), [1, 1 | 1 << 2]);
        // Struck again at once, a key is silent before, as long as that leaves any of its note.
        assert_eq!(frames(&[(0, 0, 18), (0, 18, 30)]), [1, 1, 0, 1, 1]);
        assert_eq!(frames(&[(0, 0, 6), (0, 6, 12)]), [1, 1]);
        assert_eq!(frames(&[(0, 0, 6), (0, 12, 18)]), [1, 0, 1]);
        assert!(frames_of(&[(0, 0, 1), (0, 1 << 40, 1 << 41)], 1.0).is_none());
    }
}
