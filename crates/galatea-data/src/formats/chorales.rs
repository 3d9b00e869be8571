//! Music as lists of MIDI pitches in JSON: for each piece, for each frame, the notes that sound in it.
//!
//! A list of pieces, or an object of `train`, `valid` and `test`, as the chorales of Boulanger-Lewandowski et al. 2012 are
//! passed on: `{"train": [[[72, 76, 79, 84], [71, 74, 79, 86], ..], ..], ..}`. What is below 0 is a rest.

use std::{collections::BTreeMap, fs::File, io::Read, path::Path, sync::Arc};

use serde::Deserialize;

use super::{Format, plan, short_name};
use crate::{
    DataOptions, Dataset, Error, Result,
    dataset::Portion,
    music::{Frame, KEYS, LOWEST, MOST_FRAMES, Piece, RawMusic},
    options::Plan,
};

/// Bytes of memory for each byte of the file.
const BYTES_PER_BYTE: u64 = 16;

/// Lists of pitches.
pub(super) struct Chorales;

impl Format for Chorales {
    fn name(&self) -> &'static str {
        "chorales"
    }

    fn summary(&self) -> &'static str {
        "music as lists of MIDI pitches, a list for each frame of each piece"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["chorales.json"]
    }

    fn claims(&self, source: &str) -> bool {
        let path = Path::new(source);
        path.extension().is_some_and(|own| own.eq_ignore_ascii_case("json")) && path.is_file()
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        let (path, plan) = (Path::new(source), plan(options)?);
        options.refuse_pictures(source, "music")?;
        let mut notes = Vec::new();
        let pieces = read(path, &plan, &mut notes)?;
        let resolution = plan.resolution.unwrap_or(1);
        let (name, source) = (short_name(path), source.to_owned());
        RawMusic { name, source, pieces, resolution, tempo: None, notes }.finish(&plan)
    }
}

/// Frames of pieces.
type Pieces = Vec<Vec<Vec<f64>>>;

#[derive(Deserialize)]
#[serde(untagged)]
enum Contents {
    Parts(BTreeMap<String, Pieces>),
    Pieces(Pieces),
}

/// The pieces in a file.
pub(super) fn read(path: &Path, plan: &Plan, notes: &mut Vec<String>) -> Result<Vec<Piece>> {
    const SHAPE: &str = "write `{\"train\": [[[60, 64, 67], [62, 65, 69]]], \"valid\": [..], \"test\": [..]}`, or the list of \
        pieces alone: for each frame of each piece the MIDI pitches that sound";
    let failed = |error| Error::io("read", path, error);
    let most = plan.memory_bytes / BYTES_PER_BYTE;
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        let given = plan.memory_bytes >> 20;
        return Err(Error::invalid(path, format!("it needs more memory than `data.memory_mib` gives, {given} MiB"))
            .with_hint("raise `data.memory_mib`, or give fewer pieces"));
    }
    // First whether it is JSON at all: what is wrong with it is told with its place.
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
        return Err(Error::invalid(path, format!("this is no JSON: {error}")).with_hint(SHAPE));
    }
    let contents = serde_json::from_slice(&bytes)
        .map_err(|_| Error::invalid(path, "these are no lists of pitches").with_hint(SHAPE))?;
    let parts = match contents {
        Contents::Pieces(pieces) => vec![(None, pieces)],
        Contents::Parts(parts) => {
            let portion = |(name, pieces): (String, Pieces)| match name.as_str() {
                "train" => Ok((Some(Portion::Train), pieces)),
                "valid" | "validation" => Ok((Some(Portion::Validation), pieces)),
                "test" => Ok((Some(Portion::Test), pieces)),
                _ => Err(Error::invalid(path, format!("there is a part `{name}` in it"))
                    .with_hint("parts are `train`, `valid` and `test`")),
            };
            let mut parts = parts.into_iter().map(portion).collect::<Result<Vec<_>>>()?;
            // In the order in which they are used, whatever that of the file is.
            parts.sort_by_key(|(portion, _)| *portion);
            parts
        }
    };
    let (mut all, mut outside) = (Vec::new(), 0usize);
    for (portion, pieces) in parts {
        for piece in pieces {
            let number = all.len();
            if piece.len() > MOST_FRAMES {
                return Err(Error::invalid(path, format!("piece {number} has {} frames", piece.len()))
                    .with_hint(format!("at most {MOST_FRAMES} can be read; cut it into several pieces")));
            }
            let frame = |(at, pitches): (usize, &Vec<f64>)| -> Result<Frame> {
                let mut frame = 0;
                for pitch in pitches.iter().filter(|pitch| **pitch >= 0.0) {
                    if pitch.fract() != 0.0 || *pitch > 127.0 {
                        return Err(Error::invalid(
                            path,
                            format!("frame {at} of piece {number} has {pitch}, which is no MIDI pitch"),
                        )
                        .with_hint("pitches are whole numbers up to 127; 60 is the C in the middle"));
                    }
                    match key_of(*pitch as u8) {
                        Some(key) => frame |= 1 << key,
                        None => outside += 1,
                    }
                }
                Ok(frame)
            };
            let frames = piece.iter().enumerate().map(frame).collect::<Result<_>>()?;
            all.push(Piece { frames, portion });
        }
    }
    tell_outside(outside, notes);
    Ok(all)
}

/// The key of a pitch.
pub(super) fn key_of(pitch: u8) -> Option<usize> {
    pitch.checked_sub(LOWEST).map(usize::from).filter(|key| *key < KEYS)
}

/// Tells of notes that no piano has.
pub(super) fn tell_outside(count: usize, notes: &mut Vec<String>) {
    if count > 0 {
        notes.push(format!("{count} notes are below or above the 88 keys of a piano, and left out"));
    }
}
