//! Music as sound, by a synthesiser that needs nothing: strings of partials that die away, higher ones sooner.
//!
//! Format: RIFF WAVE (Microsoft and IBM 1991), 16 bits, one channel. The partials of a struck string fall off with their number
//! and are a little sharp (Fletcher and Rossing 1998, "The Physics of Musical Instruments", section 12.3); the ear takes that
//! for a piano, if not for a good one.

use crate::{
    Error, MusicSpec, Result,
    music::{Frame, LOWEST},
    write::midi::{Note, notes},
};

/// Samples a second.
pub const RATE: u32 = 32_000;
/// Most bytes of a file.
const MOST_BYTES: usize = 1 << 30;
/// Partials of a note, as far as they can be heard.
const PARTIALS: usize = 10;
/// How sharp partials are: partial `n` has `n sqrt(1 + B n^2)` times the frequency of the string.
const SHARPNESS: f64 = 4e-4;
/// Seconds in which a key that is let go falls silent, and in which a struck one becomes loud.
const RELEASE: f64 = 0.12;
const ATTACK: f64 = 0.004;

/// Frames as a WAV file.
///
/// # Errors
/// If they are too long for one.
pub fn bytes(frames: &[Frame], spec: &MusicSpec) -> Result<Vec<u8>> {
    let seconds_of_frame = seconds_of_frame(spec);
    let seconds = frames.len() as f64 * seconds_of_frame + 1.5;
    let count = (seconds * f64::from(RATE)).ceil() as usize;
    if count > MOST_BYTES / 8 {
        return Err(Error::usage(format!("{seconds:.0} s of sound are too long for one file"))
            .with_hint("write less with `--length`, or a MIDI file"));
    }
    let mut sound = vec![0.0f32; count];
    for note in notes(frames) {
        play(note, seconds_of_frame, &mut sound);
    }
    Ok(encode(&sound, 1, RATE))
}

/// Seconds of a frame.
pub fn seconds_of_frame(spec: &MusicSpec) -> f64 {
    60.0 / (spec.tempo.clamp(10.0, 1_000.0) * spec.resolution.max(1) as f64)
}

/// Adds a note to the sound.
fn play(note: Note, seconds_of_frame: f64, sound: &mut [f32]) {
    let rate = f64::from(RATE);
    let pitch = f64::from(LOWEST) + note.key as f64;
    let frequency = 440.0 * ((pitch - 69.0) / 12.0).exp2();
    let begin = (note.begin as f64 * seconds_of_frame * rate) as usize;
    let held = (note.end - note.begin) as f64 * seconds_of_frame;
    let length = ((held + 4.0 * RELEASE) * rate) as usize;
    let end = (begin + length).min(sound.len());
    // Low strings ring longer: three seconds in the bass, and one at the top.
    let ring = 3.0 * ((40.0 - pitch) / 50.0).exp().min(1.5);
    for n in 1..=PARTIALS {
        let n = n as f64;
        let partial = frequency * n * (1.0 + SHARPNESS * n * n).sqrt();
        if partial > 0.45 * rate {
            break;
        }
        let loud = 0.2 / n.powf(1.3);
        // By recurrence, as a sine takes long: x(t + 1) = 2 cos(w) x(t) - x(t - 1).
        let w = std::f64::consts::TAU * partial / rate;
        let (twice_cos, mut before, mut now) = (2.0 * w.cos(), -w.sin(), 0.0);
        let fade = (-1.0 / (ring / (0.6 + 0.4 * n) * rate)).exp();
        let release = (-1.0 / (RELEASE / 2.0 * rate)).exp();
        let (mut level, let_go) = (loud, (held * rate) as usize);
        for (t, value) in sound[begin.min(end)..end].iter_mut().enumerate() {
            let attack = (t as f64 / (ATTACK * rate)).min(1.0);
            *value += (now * level * attack) as f32;
            (before, now) = (now, twice_cos * now - before);
            level *= if t < let_go { fade } else { fade * release };
        }
    }
}

/// Samples as a WAV file, made quieter where they would be too loud.
pub fn encode(samples: &[f32], channels: u16, rate: u32) -> Vec<u8> {
    let loudest = samples.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let scale = 32_000.0 / loudest.max(1.0);
    let data = 2 * samples.len() as u32;
    let block = 2 * channels;
    let mut out = Vec::with_capacity(44 + data as usize);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&(36 + data).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16u32.to_le_bytes());
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&channels.to_le_bytes());
    out.extend_from_slice(&rate.to_le_bytes());
    out.extend_from_slice(&(rate * u32::from(block)).to_le_bytes());
    out.extend_from_slice(&block.to_le_bytes());
    out.extend_from_slice(&16u16.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&data.to_le_bytes());
    samples.iter().for_each(|value| out.extend_from_slice(&((value * scale) as i16).to_le_bytes()));
    out
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// How strong a frequency is among samples.
    pub(in crate::write) fn strength(samples: &[i16], frequency: f64) -> f64 {
        let angle = |t: usize| std::f64::consts::TAU * frequency * t as f64 / f64::from(RATE);
        let sum = |f: &dyn Fn(usize) -> f64| samples.iter().enumerate().map(|(t, x)| f64::from(*x) * f(t)).sum::<f64>();
        sum(&|t| angle(t).cos()).hypot(sum(&|t| angle(t).sin())) / samples.len() as f64
    }

    #[test]
    fn a_note_sounds_at_its_pitch_and_falls_silent() {
        // The A of 440 Hz for two frames of half a second, then nothing for two.
        let spec = MusicSpec { length: 4, resolution: 1, tempo: 120.0 };
        let a = 1 << (69 - 21);
        let bytes = bytes(&[a, a, 0, 0], &spec).unwrap();
        let samples: Vec<i16> = bytes[44..].chunks_exact(2).map(|two| i16::from_le_bytes([two[0], two[1]])).collect();
        assert_eq!(bytes.len(), 44 + 2 * (3.5 * f64::from(RATE)) as usize);
        let second = &samples[..RATE as usize];
        let here = strength(second, 440.0);
        assert!(here > 500.0 && [415.3, 466.2, 220.0].iter().all(|other| strength(second, *other) < 0.05 * here));
        let loud = |range: std::ops::Range<f64>| {
            let place = |at: f64| (at * f64::from(RATE)) as usize;
            samples[place(range.start)..place(range.end)].iter().map(|x| x.unsigned_abs()).max().unwrap()
        };
        assert!(loud(0.0..0.3) > 2_000 && loud(0.7..1.0) > 1_000 && loud(1.5..3.5) < 20);
    }
}
