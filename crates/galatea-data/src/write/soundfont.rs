//! Music as sound by the instruments of a SoundFont.

use std::{fs::File, path::Path, sync::Arc};

use rustysynth::{Synthesizer, SynthesizerSettings};

use super::{
    midi::notes,
    wav::{RATE, encode, seconds_of_frame},
};
use crate::{
    Error, MusicSpec, Result,
    music::{Frame, LOWEST},
};

/// Most bytes of a file.
const MOST_BYTES: u64 = 2 << 30;
/// Seconds of sound after the last note.
const REST: f64 = 2.0;
/// Most seconds of sound in one file.
const MOST_SECONDS: f64 = 3_600.0;
/// How hard keys are struck.
const VELOCITY: i32 = 90;

/// Instruments.
#[derive(Debug)]
pub struct SoundFont {
    font: Arc<rustysynth::SoundFont>,
}

impl SoundFont {
    /// Reads an `.sf2` file.
    ///
    /// # Errors
    /// If it cannot be read, or is none.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |error| Error::io("read", path, error);
        let mut file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() > MOST_BYTES {
            return Err(Error::invalid(path, format!("the file is larger than {} GiB", MOST_BYTES >> 30))
                .with_hint("name a smaller SoundFont"));
        }
        let font = rustysynth::SoundFont::new(&mut file).map_err(|error| {
            Error::invalid(path, format!("this is no SoundFont: {error}")).with_hint("name an `.sf2` file")
        })?;
        Ok(Self { font: Arc::new(font) })
    }

    /// Frames as a WAV file of two channels, played by the first instrument, which is a piano in most.
    ///
    /// # Errors
    /// If they are too long for one, or the SoundFont cannot be played.
    pub fn play(&self, frames: &[Frame], spec: &MusicSpec) -> Result<Vec<u8>> {
        let seconds_of_frame = seconds_of_frame(spec);
        let seconds = frames.len() as f64 * seconds_of_frame + REST;
        if seconds > MOST_SECONDS {
            return Err(Error::usage(format!("{seconds:.0} s of sound are too long for one file"))
                .with_hint("write less with `--length`, or a MIDI file"));
        }
        let settings = SynthesizerSettings::new(RATE as i32);
        let mut synthesizer = Synthesizer::new(&self.font, &settings).map_err(|error| {
            Error::usage(format!("the SoundFont cannot be played: {error}")).with_hint("name another")
        })?;
        let mut turns: Vec<(usize, bool, i32)> = Vec::new();
        for note in notes(frames) {
            let pitch = i32::from(LOWEST) + note.key as i32;
            turns.extend([(note.begin, true, pitch), (note.end, false, pitch)]);
        }
        turns.sort_unstable();
        let place = |frame: usize| (frame as f64 * seconds_of_frame * f64::from(RATE)) as usize;
        let count = (seconds * f64::from(RATE)) as usize;
        let (mut left, mut right) = (vec![0.0f32; count], vec![0.0f32; count]);
        let mut now = 0;
        for (frame, is_struck, pitch) in turns {
            let at = place(frame).min(count);
            synthesizer.render(&mut left[now..at], &mut right[now..at]);
            now = at;
            match is_struck {
                true => synthesizer.note_on(0, pitch, VELOCITY),
                false => synthesizer.note_off(0, pitch),
            }
        }
        synthesizer.render(&mut left[now..], &mut right[now..]);
        let both: Vec<f32> = left.iter().zip(&right).flat_map(|(left, right)| [*left, *right]).collect();
        Ok(encode(&both, 2, RATE))
    }
}
