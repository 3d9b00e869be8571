//! `galatea sample` of a model of text: writes on from a prompt, on the terminal as it goes.

use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;
use galatea::{DataSpec, Decoding, Error, Generator, Writing, write};
use serde_json::json;

use crate::args::{Common, Drawing};
use crate::commands::{print, print_line};
use crate::progress;

/// Most tokens of a text: what is written is held in memory.
const MOST: u64 = 10_000_000;
/// Most bytes of a prompt that is read from the standard input.
const MOST_PROMPT: u64 = 16 << 20;

/// How text is written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Of models of text and music")]
pub(crate) struct TextArgs {
    /// Text to go on from; `-` reads it from the standard input; of music a file, MIDI or JSON
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(super) prompt: Option<String>,

    /// Most tokens to write [default: 500]; of music frames [default: those of an example]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=MOST), allow_negative_numbers = true)]
    pub(super) length: Option<u64>,

    /// End before this text; may be given several times; `\n` is the end of a line
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    stop: Vec<String>,

    /// Nearer 0 gives likelier and less varied text; 0 always takes the likeliest token [default: 1]
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub(super) temperature: Option<f64>,

    /// Only so many of the likeliest tokens
    #[arg(long, value_name = "K", allow_negative_numbers = true)]
    top_k: Option<u32>,

    /// Only the likeliest tokens that together have this probability
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    top_p: Option<f64>,

    /// Only tokens that are this many times as likely as the likeliest
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    min_p: Option<f64>,

    /// Make tokens of the last 64 less likely; 1 is no penalty, 1.1 a mild one
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    repetition_penalty: Option<f64>,
}

impl TextArgs {
    /// Refuses what only text has, of a model of something else.
    pub(crate) fn refuse(&self, spec: &DataSpec) -> Result<()> {
        let given = [
            ("--prompt", self.prompt.is_some()),
            ("--length", self.length.is_some()),
            ("--stop", !self.stop.is_empty()),
            ("--temperature", self.temperature.is_some()),
            ("--top-k", self.top_k.is_some()),
            ("--top-p", self.top_p.is_some()),
            ("--min-p", self.min_p.is_some()),
            ("--repetition-penalty", self.repetition_penalty.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            Some((name, _)) => {
                let problem = format!("`{name}` is for models that write on, and this one draws {}", spec.kind());
                Err(Error::usage(
                    problem,
                    "leave it out, or name the run of a family that writes on: see `galatea models`",
                )
                .into())
            }
            None => Ok(()),
        }
    }

    /// Refuses what only text has, for music.
    pub(crate) fn refuse_for_music(&self) -> Result<()> {
        if self.stop.is_empty() {
            return Ok(());
        }
        let problem = "`--stop` is for models of text, and this one draws music";
        Err(Error::usage(problem, "leave it out; pieces end by themselves, or after `--length` frames").into())
    }

    /// How tokens are drawn.
    pub(crate) fn decoding(&self) -> Decoding {
        let usual = Decoding::default();
        Decoding {
            repetition_penalty: self.repetition_penalty.unwrap_or(usual.repetition_penalty),
            temperature: self.temperature.unwrap_or(usual.temperature),
            top_k: self.top_k.map_or(usual.top_k, |k| k as usize),
            top_p: self.top_p.unwrap_or(usual.top_p),
            min_p: self.min_p.unwrap_or(usual.min_p),
        }
    }

    fn writing(&self, seed: u64, is_line: bool) -> Result<Writing> {
        let prompt = match self.prompt.as_deref() {
            Some("-") => {
                let mut text = String::new();
                let read = std::io::stdin().take(MOST_PROMPT).read_to_string(&mut text);
                read.context("cannot read the prompt from the standard input")?;
                if is_line {
                    // What other programs say ends a line, which is to go on.
                    text.truncate(text.trim_end_matches(['\r', '\n']).len());
                }
                text
            }
            other => other.unwrap_or_default().to_owned(),
        };
        Ok(Writing {
            prompt,
            decoding: self.decoding(),
            length: self.length.unwrap_or(500) as usize,
            stop: self.stop.iter().map(|stop| stop.replace("\\n", "\n")).collect(),
            seed,
            index: 0,
        })
    }
}

/// Where texts go.
enum Target<'a> {
    Stdout,
    File(&'a Path),
    Folder(&'a Path),
}

impl<'a> Target<'a> {
    /// `path`, of which `usual` is what nobody has asked for.
    fn of(path: &'a Path, usual: &Path) -> Result<Self> {
        if path == usual || path.as_os_str() == "-" {
            return Ok(Self::Stdout);
        }
        if path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/') {
            return Ok(Self::Folder(path));
        }
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("txt" | "md" | "text") => Ok(Self::File(path)),
            None => Ok(Self::Folder(path)),
            Some(other) => Err(Error::usage(
                format!("text cannot be written as `.{other}`"),
                "use .txt, a folder, or leave `-o` out to see it here",
            )
            .into()),
        }
    }
}

/// Writes `number` texts, one after the other; `usual` is the output that nobody has asked for.
pub(crate) fn write_texts(
    generator: &Generator,
    drawing: &Drawing,
    text: &TextArgs,
    number: u64,
    usual: &Path,
    common: &Common,
) -> Result<ExitCode> {
    refuse_pictures(drawing)?;
    let target = Target::of(&drawing.output, usual)?;
    let writing = text.writing(drawing.seed, generator.writes_lines())?;
    let rule = if generator.writes_lines() { "\n" } else { write::RULE };
    let streams = matches!(target, Target::Stdout) && !common.json;
    let began = Instant::now();
    let (mut parts, mut tokens) = (Vec::new(), 0);
    for index in 0..number {
        let writing = Writing { index, ..writing.clone() };
        let mut broken = None;
        if streams {
            // What the model refuses, it refuses before anything is told.
            generator.complete(&Writing { length: 0, ..writing.clone() }, |_| true)?;
            print(&if index > 0 { format!("{rule}{}", writing.prompt) } else { writing.prompt.clone() })?;
        }
        let written = generator.complete(&writing, |part| {
            if !streams {
                return true;
            }
            broken = print(part).err();
            broken.is_none()
        })?;
        if let Some(error) = broken {
            return Err(error);
        }
        tokens += generator.tokens_of(&written);
        let whole = format!("{}{written}", writing.prompt);
        match target {
            Target::Stdout if common.json => {
                let line = json!({ "number": index, "prompt": writing.prompt, "text": written });
                print_line(&line.to_string())?;
            }
            Target::Stdout => {}
            Target::Folder(folder) => {
                super::sample::make(folder)?;
                write::file(&folder.join(format!("{index:06}.txt")), whole.as_bytes()).map_err(Error::from)?;
            }
            Target::File(_) => parts.push(whole),
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let speed = format!("{tokens} tokens in {seconds:.2} s, {:.0} a second", tokens as f64 / seconds.max(1e-9));
    match target {
        Target::Stdout => {
            if streams {
                print("\n")?;
            }
            progress::note(common, &speed);
        }
        Target::File(path) => {
            let all = format!("{}\n", parts.join(rule));
            write::file(path, all.as_bytes()).map_err(Error::from)?;
            told(path, number, &speed, common)?;
        }
        Target::Folder(folder) => told(folder, number, &speed, common)?,
    }
    std::io::stdout().flush().context("cannot write to the standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses what only pictures and points have.
fn refuse_pictures(drawing: &Drawing) -> Result<()> {
    let (name, hint) = if drawing.class.is_some() {
        ("--class", "leave it out; `--prompt` says what to write about")
    } else if drawing.truncation != 1.0 {
        ("--truncation", "use `--temperature`")
    } else if drawing.columns.is_some() {
        ("--columns", "leave it out")
    } else {
        return Ok(());
    };
    Err(Error::usage(format!("`{name}` is not for models of text"), hint).into())
}

fn told(path: &Path, number: u64, speed: &str, common: &Common) -> Result<()> {
    if common.json {
        return print_line(&json!({ "path": path, "samples": number }).to_string());
    }
    let texts = if number == 1 { "1 text".to_owned() } else { format!("{number} texts") };
    progress::note(common, &format!("{texts} in `{}`: {speed}", path.display()));
    Ok(())
}
