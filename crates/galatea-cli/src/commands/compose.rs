//! `galatea sample` of a model of music: MIDI files, sound, piano rolls.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use galatea::{Composition, Error, Generator, MusicSpec, SampleRequest, SoundFont, write};
use serde_json::json;

use crate::args::{Common, DEFAULT_OUTPUT, SampleArgs};
use crate::commands::sample::make;
use crate::commands::{print_bytes, print_line};
use crate::progress;

/// Where music goes that nobody has said anything of.
const USUAL: &str = "samples.mid";
/// Quarter notes of silence between pieces in one file.
const PAUSE: usize = 4;
/// Pieces that are written at a time.
const AT_ONCE: u64 = 256;

type Piece = Vec<galatea::music::Frame>;

/// Writes pieces of music.
pub(crate) fn write_music(
    generator: &Generator,
    music: &MusicSpec,
    args: &SampleArgs,
    request: &SampleRequest,
    common: &Common,
) -> Result<ExitCode> {
    let drawing = &args.drawing;
    let output = if drawing.output == Path::new(DEFAULT_OUTPUT) { Path::new(USUAL) } else { &drawing.output };
    let ending = output.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let is_folder = output.is_dir() || ending.is_empty() && output.as_os_str() != "-";
    let known = ["mid", "midi", "wav", "png", "json", "npy"];
    if !is_folder && output.as_os_str() != "-" && !known.contains(&ending) {
        return Err(Error::usage(
            format!("music cannot be written as `.{ending}`"),
            "use .mid, .wav (sound), .png (piano rolls), .json (pitches), .npy, or a folder of MIDI files",
        )
        .into());
    }
    let font = match &args.soundfont {
        Some(_) if ending != "wav" => {
            return Err(Error::usage("`--soundfont` is for sound", "write a `.wav` file: `-o music.wav`").into());
        }
        Some(path) => Some(SoundFont::open(path).map_err(Error::from)?),
        None => None,
    };
    let composition = args.text.composition()?;
    let mut pieces: Vec<Piece> = Vec::new();
    let range = request.range.clone();
    for first in range.clone().step_by(AT_ONCE as usize) {
        let some = SampleRequest { range: first..(first + AT_ONCE).min(range.end), ..request.clone() };
        let drawn = generator.compose(&composition, &some)?;
        if !is_folder {
            pieces.extend(drawn);
            continue;
        }
        make(output)?;
        for (i, piece) in drawn.iter().enumerate() {
            let bytes = write::midi::bytes(piece, music).map_err(Error::from)?;
            write::file(&output.join(format!("{:06}.mid", first + i as u64)), &bytes).map_err(Error::from)?;
        }
    }
    if is_folder {
        return told(output, range.end - range.start, common);
    }
    let bytes = match ending {
        "wav" => {
            let joined = joined(&pieces, music);
            match &font {
                Some(font) => font.play(&joined, music),
                None => write::wav::bytes(&joined, music),
            }
        }
        "png" | "npy" => {
            let longest = pieces.iter().map(Vec::len).max().unwrap_or(1);
            let refs: Vec<&[galatea::music::Frame]> = pieces.iter().map(Vec::as_slice).collect();
            let rolls = galatea::music::rolls(&refs, longest);
            let columns = drawing.columns.map_or_else(|| (pieces.len() as f64).sqrt().ceil() as usize, |n| n as usize);
            if ending == "npy" { Ok(write::npy::floats(&rolls)) } else { write::roll::grid(&rolls, columns) }
        }
        "json" => Ok(pitches(&pieces).into_bytes()),
        // Also for what is piped on.
        _ => write::midi::bytes(&joined(&pieces, music), music),
    };
    let bytes = bytes.map_err(Error::from)?;
    if output.as_os_str() == "-" {
        print_bytes(&bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    write::file(output, &bytes).map_err(Error::from)?;
    told(output, pieces.len() as u64, common)
}

/// Pieces one behind the other, with a pause between them.
fn joined(pieces: &[Piece], music: &MusicSpec) -> Piece {
    pieces.join(&vec![0; PAUSE * music.resolution][..])
}

/// Lists of MIDI pitches, a piece a line.
fn pitches(pieces: &[Piece]) -> String {
    let frame = |frame: &galatea::music::Frame| -> Vec<usize> {
        galatea::music::keys_of(*frame).map(|key| usize::from(galatea::music::LOWEST) + key).collect()
    };
    let line = |piece: &Piece| json!(piece.iter().map(frame).collect::<Vec<_>>()).to_string();
    format!("[{}]\n", pieces.iter().map(line).collect::<Vec<_>>().join(",\n"))
}

fn told(path: &Path, count: u64, common: &Common) -> Result<ExitCode> {
    if common.json {
        print_line(&json!({ "path": path, "samples": count }).to_string())?;
    } else {
        let pieces = if count == 1 { "1 piece".to_owned() } else { format!("{count} pieces") };
        progress::note(common, &format!("{pieces} in `{}`", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

impl super::complete::TextArgs {
    /// What is to be composed.
    fn composition(&self) -> Result<Composition> {
        self.refuse_for_music()?;
        Ok(Composition {
            beginning: self.prompt.clone(),
            frames: self.length.map(|length| length as usize),
            decoding: self.decoding(),
        })
    }
}
