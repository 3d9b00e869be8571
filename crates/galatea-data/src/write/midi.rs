//! Music as MIDI files.
//!
//! Format: Standard MIDI File (MIDI Manufacturers Association 1996, RP-001), one track, piano.

use midly::{
    Format, Header, MetaMessage, MidiMessage, Smf, Timing, TrackEvent, TrackEventKind,
    num::{u4, u7, u15, u24, u28},
};

use crate::{
    Error, MusicSpec, Result,
    music::{Frame, KEYS, LOWEST},
};

/// Ticks of a quarter note, at least: what programs for music are used to.
const TICKS: usize = 480;
/// How hard keys are struck.
const VELOCITY: u8 = 80;

/// A note of a piano roll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The key, from 0.
    pub key: usize,
    /// The first frame in which it sounds.
    pub begin: usize,
    /// The first frame in which it does not.
    pub end: usize,
}

/// What sounds in frames without a gap is one note; in the order in which they begin.
pub fn notes(frames: &[Frame]) -> Vec<Note> {
    let sounds = |at: usize, key: usize| frames.get(at).is_some_and(|frame| frame >> key & 1 == 1);
    let mut all = Vec::new();
    for begin in 0..frames.len() {
        for key in (0..KEYS).filter(|key| sounds(begin, *key) && (begin == 0 || !sounds(begin - 1, *key))) {
            let end = (begin..=frames.len()).find(|at| !sounds(*at, key)).unwrap_or(frames.len());
            all.push(Note { key, begin, end });
        }
    }
    all
}

/// Frames as a MIDI file.
///
/// # Errors
/// If they are too long for one.
pub fn bytes(frames: &[Frame], spec: &MusicSpec) -> Result<Vec<u8>> {
    let too_long = || Error::usage("the music is too long for a MIDI file").with_hint("write less with `--length`");
    let per_frame = TICKS.div_ceil(spec.resolution.max(1)).max(1);
    let of_quarter = per_frame * spec.resolution.max(1);
    let mut turns: Vec<(usize, bool, usize)> = Vec::new();
    for Note { key, begin, end } in notes(frames) {
        turns.push((begin * per_frame, true, key));
        turns.push((end * per_frame, false, key));
    }
    // At one moment, keys are let go before others are struck.
    turns.sort_unstable();
    let tempo = u24::new((6e7 / spec.tempo.clamp(10.0, 1_000.0)) as u32);
    let mut track = vec![TrackEvent { delta: u28::new(0), kind: TrackEventKind::Meta(MetaMessage::Tempo(tempo)) }];
    let mut now = 0;
    let mut push = |at: usize, kind: TrackEventKind<'static>| -> Result<()> {
        let delta = u32::try_from(at - now).ok().and_then(u28::try_from).ok_or_else(too_long)?;
        now = at;
        track.push(TrackEvent { delta, kind });
        Ok(())
    };
    for (at, is_struck, key) in turns {
        let key = u7::new(LOWEST + key as u8);
        let message = match is_struck {
            true => MidiMessage::NoteOn { key, vel: u7::new(VELOCITY) },
            false => MidiMessage::NoteOff { key, vel: u7::new(0) },
        };
        push(at, TrackEventKind::Midi { channel: u4::new(0), message })?;
    }
    push(frames.len() * per_frame, TrackEventKind::Meta(MetaMessage::EndOfTrack))?;
    let ticks = u16::try_from(of_quarter).ok().and_then(u15::try_from).ok_or_else(too_long)?;
    let smf = Smf { header: Header::new(Format::SingleTrack, Timing::Metrical(ticks)), tracks: vec![track] };
    let mut bytes = Vec::new();
    smf.write_std(&mut bytes).map_err(|_| too_long())?;
    Ok(bytes)
}
