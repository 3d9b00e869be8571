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
/// The loudest value of a file, of 1.
const LOUDEST: f32 = 0.9;
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
        let loudest = left.iter().chain(&right).fold(0.0f32, |most, value| most.max(value.abs()));
        // Synthesizers leave room for an orchestra.
        let scale = if loudest > 0.0 { LOUDEST / loudest } else { 1.0 };
        let both: Vec<f32> =
            left.iter().zip(&right).flat_map(|(left, right)| [*left * scale, *right * scale]).collect();
        Ok(encode(&both, 2, RATE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::wav::tests::strength;

    fn chunk(name: &str, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        [name.as_bytes(), &(content.len() as u32).to_le_bytes(), &content].concat()
    }

    fn shorts(values: &[u16]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// A SoundFont of one instrument: a sine of 440 Hz that goes on as long as a key is held.
    fn sine() -> Vec<u8> {
        let (name, zeros) = ([0; 20], vec![0; 92]);
        let period = |t: usize| ((t as f64 / 100.0 * std::f64::consts::TAU).sin() * 20_000.0) as i16 as u16;
        let samples = [shorts(&(0..10_000).map(period).collect::<Vec<_>>()), zeros].concat();
        let info = [chunk("ifil", &[&shorts(&[2, 1])]), chunk("isng", &[b"EMU8000\0"]), chunk("INAM", &[b"sine"])];
        let ends: Vec<u8> = [0u32, 10_000, 100, 9_900, 44_000].iter().flat_map(|value| value.to_le_bytes()).collect();
        let library = [0; 12];
        let data = [
            chunk("phdr", &[&name, &shorts(&[0, 0, 0]), &library, &name, &shorts(&[0, 0, 1]), &library]),
            chunk("pbag", &[&shorts(&[0, 0, 1, 0])]),
            chunk("pmod", &[&[0; 10]]),
            // The instrument.
            chunk("pgen", &[&shorts(&[41, 0, 0, 0])]),
            chunk("inst", &[&name, &shorts(&[0]), &name, &shorts(&[1])]),
            chunk("ibag", &[&shorts(&[0, 0, 2, 0])]),
            chunk("imod", &[&[0; 10]]),
            // Played in a loop, and the sample.
            chunk("igen", &[&shorts(&[54, 1, 53, 0, 0, 0])]),
            // Its own pitch is key 69.
            chunk("shdr", &[&name, &ends, &[69, 0], &shorts(&[0, 1]), &[0; 46]]),
        ];
        let list = |name: &[u8], chunks: &[u8]| chunk("LIST", &[name, chunks]);
        let lists = [list(b"INFO", &info.concat()), list(b"sdta", &chunk("smpl", &[&samples]))];
        chunk("RIFF", &[b"sfbk", &lists.concat(), &list(b"pdta", &data.concat())])
    }

    #[test]
    fn notes_are_played_at_their_pitch_by_the_instrument() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sine.sf2");
        std::fs::write(&path, sine()).unwrap();
        let font = SoundFont::open(&path).unwrap();
        let spec = MusicSpec { length: 2, resolution: 1, tempo: 120.0 };
        // The A of 440 Hz for half a second, and then the one below it.
        let bytes = font.play(&[1 << (69 - LOWEST), 1 << (57 - LOWEST)], &spec).unwrap();
        let left: Vec<i16> = bytes[44..].chunks_exact(4).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        assert_eq!(left.len(), 3 * RATE as usize);
        let half = RATE as usize / 2;
        for (note, heard, other) in [(0, 440.0, 220.0), (1, 220.0, 440.0)] {
            let part = &left[note * half + half / 4..(note + 1) * half];
            assert!(strength(part, heard) > 1_000.0 && strength(part, other) < 0.05 * strength(part, heard));
        }
        let loudest = left.iter().map(|value| value.unsigned_abs()).max().unwrap();
        assert!((25_000..=30_000).contains(&loudest), "{loudest}");
        assert!(left[left.len() - half..].iter().all(|value| value.unsigned_abs() < 300));
    }
}
