//! Music from a model: pieces of their own, or what follows a beginning.

use galatea_data::events::{Player, of_frames};
use galatea_data::music::{Frame, frames_of};
use galatea_data::{DataOptions, DataSpec, MusicSpec, TextSpec};
use galatea_models::{Ability, Complete, Decoding, SampleRequest};

use crate::completing::able;
use crate::{Error, Generator, Result};

/// Most frames of a piece.
const MOST_FRAMES: usize = 1_000_000;

/// What is to be composed.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// Music that pieces begin with: a MIDI file or lists of pitches, of which the first piece is taken.
    pub beginning: Option<String>,
    /// Frames to write; without it as many as the model's examples have, the beginning among them unless that is as
    /// long.
    pub frames: Option<usize>,
    /// How notes are drawn; frames are drawn by its temperature alone.
    pub decoding: Decoding,
}

impl Generator {
    /// What is said of its music, if it draws some.
    pub fn music(&self) -> Option<MusicSpec> {
        self.spec().music()
    }

    /// Pieces of music, each with its beginning.
    ///
    /// # Errors
    /// If the model draws no music, does not go on with any where a beginning, a length or a temperature asks for it, or the
    /// beginning cannot be read.
    pub fn compose(&self, composition: &Composition, request: &SampleRequest) -> Result<Vec<Vec<Frame>>> {
        let Some(music) = self.music() else {
            let problem = format!("`{}` draws {}, and does not compose", self.info().name, self.spec().kind());
            return Err(Error::usage(problem, able("train a family that composes", Ability::Compose)));
        };
        let beginning = match &composition.beginning {
            Some(source) => beginning(source, &music)?,
            None => Vec::new(),
        };
        // Of what is as long as an example already, as much again.
        let usual = match music.length.saturating_sub(beginning.len()) {
            0 => music.length,
            left => left,
        };
        let frames = composition.frames.unwrap_or(usual);
        if frames == 0 || frames > MOST_FRAMES {
            return Err(Error::usage(
                format!("{frames} frames are out of range"),
                format!("write 1 to {MOST_FRAMES}; a quarter note is {}", music.resolution),
            ));
        }
        if let (DataSpec::Text(text), Some(complete)) = (self.spec(), self.session().as_complete()) {
            composition.decoding.check()?;
            return by_events(complete, text, &music, (&beginning, frames), &composition.decoding, request);
        }
        let temperature = composition.decoding.temperature;
        if composition.decoding != (Decoding { temperature, ..Decoding::default() }) {
            return Err(Error::usage(
                format!("`{}` draws frames, of which only the temperature can be chosen", self.info().name),
                "leave the other options of drawing out, or train on music as events, with `data.tokens=events`",
            ));
        }
        let drawn = match self.session().as_compose() {
            Some(compose) => compose.compose(&beginning, frames, temperature, request)?,
            None if composition.beginning.is_none() && frames == usual && temperature == 1.0 => {
                self.sample(request)?.values
            }
            None => {
                return Err(Error::usage(
                    format!("`{}` draws whole pieces, and they are as they are", self.info().name),
                    able(
                        "leave `--prompt`, `--length` and `--temperature` out, or train on music as events, or a family that goes on",
                        Ability::Compose,
                    ),
                ));
            }
        };
        let piece = |i: usize| beginning.iter().copied().chain(self.spec().frames(drawn.row(i))).collect();
        Ok((0..drawn.rows()).map(piece).collect())
    }
}

/// Events of a frame on average beyond which a piece is ended: a model that has learnt nothing may never let time go on.
const MOST_EVENTS: usize = 32;

/// Pieces that are written event by event, each until it ends by itself, or until so many frames are there.
fn by_events(
    complete: &dyn Complete,
    text: &TextSpec,
    music: &MusicSpec,
    (beginning, frames): (&[Frame], usize),
    decoding: &Decoding,
    request: &SampleRequest,
) -> Result<Vec<Vec<Frame>>> {
    request.labels(&[])?;
    let whole = beginning.len() + frames;
    let first = of_frames(beginning, music.resolution);
    let prompt = [&[text.start], &first[..]].concat();
    let piece = |index: u64| -> Result<Vec<Frame>> {
        let mut player = Player::new(music.resolution);
        first.iter().for_each(|event| _ = player.push(*event));
        let mut left = MOST_EVENTS * (frames + 8);
        complete.complete(&prompt, decoding, (request.seed, index), &mut |event| {
            left -= 1;
            player.push(event) && player.frames.len() < whole && left > 0
        })?;
        // Of nothing at all there is no file.
        player.frames.resize(player.frames.len().clamp(1, whole), 0);
        Ok(player.frames)
    };
    request.range.clone().map(piece).collect()
}

/// The frames of the first piece of `source`.
fn beginning(source: &str, music: &MusicSpec) -> Result<Vec<Frame>> {
    let hint = "name a MIDI file, or lists of pitches in JSON";
    if !std::path::Path::new(source).exists() {
        return Err(Error::usage(format!("there is no file `{source}` for the music to begin with"), hint));
    }
    let options = DataOptions { frames: 65_536, resolution: Some(music.resolution), ..DataOptions::default() };
    let data = galatea_data::open(source, &options)?;
    match data.spec() {
        DataSpec::Music(_) => Ok(frames_of(data.batch(&[0])?.values.row(0))),
        other => Err(Error::usage(format!("`{source}` holds {}, and music begins with music", other.kind()), hint)),
    }
}
