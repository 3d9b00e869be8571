//! `galatea detect`.

use std::fs::File;
use std::io::{BufRead, Read as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::{Context as _, Result};
use galatea::detect::{DetectOptions, Detector, Verdict};
use galatea::{DataSpec, Error, Generator, HostTensor, Inputs, write};
use serde_json::json;

use super::Begun;
use super::sample::make;
use crate::args::{Common, DetectArgs};
use crate::commands::print_line;
use crate::{exit, progress};

/// Examples that are scored together.
const TOGETHER: usize = 128;
/// Most bytes of a line of the standard input.
const MOST_LINE: u64 = 1 << 16;
/// In maps of what is odd: so many times the usual error is full red.
const HOT: f32 = 10.0;

pub(crate) fn run(args: &DetectArgs, common: &Common) -> Result<ExitCode> {
    // Of a GAN the discriminator has something to say.
    let generator = Generator::open_whole(
        &args.model,
        args.checkpoint.checkpoint,
        &common.runs,
        &galatea::device(&common.device)?,
    )?;
    generator.warnings().iter().for_each(|warning| progress::warn(warning));
    let options = DetectOptions {
        false_alarms: args.false_alarms,
        score: args.score.clone(),
        normal: args.normal.clone(),
        features: args.features.clone(),
        feature_weights: args.feature_weights.clone(),
        settings: args.set.clone(),
    };
    // What is not there is said before anything takes long.
    let (from_stdin, named): (Vec<String>, Vec<String>) = args.inputs.iter().cloned().partition(|input| input == "-");
    let inputs = generator.inputs(&named, &args.model, &common.runs, &args.set)?;
    let begun = args.output.as_deref().map(Begun::new).transpose()?;
    let detector = Detector::new(&generator, &args.model, &common.runs, &options)?;
    progress::note(common, &told(&detector, args.false_alarms));
    let table = args.output.as_deref().map(Table::new).transpose()?;
    // What is found from here on stays, whatever happens.
    if let Some(begun) = begun {
        begun.keep();
    }
    let mut work = Work { args, common, generator: &generator, detector, table, flagged: 0, broken: 0 };
    for start in (0..inputs.len()).step_by(TOGETHER) {
        work.judge(&inputs, start..(start + TOGETHER).min(inputs.len()))?;
    }
    if !from_stdin.is_empty() {
        let lines = lines();
        while let Some(names) = next(&lines)? {
            work.judge_named(&names)?;
        }
    }
    work.end()
}

/// How the detector was made.
fn told(detector: &Detector<'_>, rate: f64) -> String {
    let each = detector.candidates().iter().map(|candidate| match candidate.auroc {
        Some(auroc) => format!("{} {auroc:.3}", candidate.name),
        None => candidate.name.to_owned(),
    });
    format!(
        "score `{}` of {}; threshold {:.4} from {} normal examples, by which {:.2} % of normal ones are flagged at most on \
         average",
        detector.score(),
        each.collect::<Vec<_>>().join(", "),
        detector.rule().threshold(),
        detector.rule().examples(),
        100.0 * rate
    )
}

/// Lines of the standard input, as they come.
fn lines() -> Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = sync_channel(TOGETHER);
    // It ends with the input, or when nobody listens any more.
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = match input.by_ref().take(MOST_LINE).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(read) if read as u64 == MOST_LINE => Err(std::io::Error::other("a line is too long to be a path")),
                other => other.map(|_| line),
            };
            let is_last = read.is_err();
            if sender.send(read).is_err() || is_last {
                break;
            }
        }
    });
    receiver
}

/// The next lines: those that are there, at least one; `None` at the end. What is no text is given with signs in its place, by which no
/// file is found.
fn next(lines: &Receiver<std::io::Result<Vec<u8>>>) -> Result<Option<Vec<String>>> {
    let Ok(first) = lines.recv() else { return Ok(None) };
    let mut names = Vec::new();
    for line in std::iter::once(first).chain(lines.try_iter().take(TOGETHER - 1)) {
        let line = line.context("cannot read paths from the standard input")?;
        let line = String::from_utf8_lossy(&line);
        let name = line.trim_end_matches(['\r', '\n']);
        if !name.is_empty() {
            names.push(name.to_owned());
        }
    }
    Ok(Some(names))
}

/// `scores.csv`, row by row.
struct Table(File, PathBuf);

impl Table {
    fn new(folder: &Path) -> Result<Self> {
        let path = folder.join("scores.csv");
        let file = File::create(&path).map_err(|error| galatea::DataError::io("write", &path, error));
        let mut table = Self(file.map_err(Error::from)?, path);
        table.add("input,score,p_value,flagged\n")?;
        Ok(table)
    }

    fn add(&mut self, rows: &str) -> Result<()> {
        let written = self.0.write_all(rows.as_bytes());
        Ok(written.map_err(|error| Error::from(galatea::DataError::io("write", &self.1, error)))?)
    }
}

struct Work<'a> {
    args: &'a DetectArgs,
    common: &'a Common,
    generator: &'a Generator,
    detector: Detector<'a>,
    table: Option<Table>,
    flagged: usize,
    broken: usize,
}

impl Work<'_> {
    /// Judges all that is named; names of nothing are told, and the others go on.
    fn judge_named(&mut self, names: &[String]) -> Result<()> {
        match self.generator.inputs(names, &self.args.model, &self.common.runs, &self.args.set) {
            Ok(inputs) => {
                for start in (0..inputs.len()).step_by(TOGETHER) {
                    self.judge(&inputs, start..(start + TOGETHER).min(inputs.len()))?;
                }
                Ok(())
            }
            Err(error) if names.len() == 1 => self.cannot(&names[0], &error.to_string()),
            // One of them is nothing.
            Err(_) => names.iter().try_for_each(|name| self.judge_named(std::slice::from_ref(name))),
        }
    }

    fn judge(&mut self, inputs: &Inputs, range: Range<usize>) -> Result<()> {
        let (examples, good, broken) = inputs.read(range);
        let mut broken = broken.into_iter().peekable();
        let verdicts = if good.is_empty() { Vec::new() } else { self.detector.judge(&examples)? };
        let mut rows = String::new();
        let heat = match &self.args.output {
            Some(_) if verdicts.iter().any(|verdict| verdict.flagged) => self.detector.heat(&examples)?,
            _ => None,
        };
        for (row, (i, verdict)) in good.into_iter().zip(verdicts).enumerate() {
            // In the order in which they were named.
            while let Some((at, error)) = broken.next_if(|(at, _)| *at < i) {
                self.cannot(&inputs.name(at), &error.to_string())?;
            }
            let name = inputs.name(i);
            self.say(&name, &verdict)?;
            if let (true, Some(folder)) = (verdict.flagged, &self.args.output) {
                let heat = heat.as_ref().map(|heat| heat.row(row));
                self.keep(folder, (inputs, i), examples.row(row), heat)?;
            }
            self.flagged += usize::from(verdict.flagged);
            let Verdict { score, p_value, flagged } = verdict;
            rows.push_str(&format!("{},{score},{p_value},{}\n", write::csv::quoted(&name), u8::from(flagged)));
        }
        for (at, error) in broken {
            self.cannot(&inputs.name(at), &error.to_string())?;
        }
        self.table.as_mut().map_or(Ok(()), |table| table.add(&rows))
    }

    fn say(&self, name: &str, verdict: &Verdict) -> Result<()> {
        let Verdict { score, p_value, flagged } = *verdict;
        if self.common.json {
            let line = json!({ "input": name, "score": score, "p_value": p_value, "flagged": flagged });
            print_line(&line.to_string())
        } else if flagged {
            print_line(&format!("{name}  score {score:.4}, p {p_value:.4}"))
        } else {
            Ok(())
        }
    }

    /// What cannot be read is told, and the others go on.
    fn cannot(&mut self, name: &str, problem: &str) -> Result<()> {
        self.broken += 1;
        if self.common.json {
            return print_line(&json!({ "input": name, "error": problem }).to_string());
        }
        progress::warn(problem);
        Ok(())
    }

    /// Writes a copy of what is flagged, and a picture of where it is odd.
    fn keep(&self, folder: &Path, (inputs, i): (&Inputs, usize), values: &[f32], heat: Option<&[f32]>) -> Result<()> {
        let DataSpec::Images(image) = self.generator.spec() else { return Ok(()) };
        let number = self.flagged + 1;
        let stem = inputs
            .file(i)
            .and_then(Path::file_stem)
            .map_or_else(|| format!("{i:06}"), |stem| stem.to_string_lossy().into_owned());
        let copies = folder.join("flagged");
        make(&copies)?;
        match inputs.file(i) {
            Some(file) => {
                let ending =
                    file.extension().map_or_else(String::new, |ending| format!(".{}", ending.to_string_lossy()));
                let copy = copies.join(format!("{number:06}-{stem}{ending}"));
                std::fs::copy(file, &copy)
                    .map_err(|error| galatea::DataError::io("write", &copy, error))
                    .map_err(Error::from)?;
            }
            None => {
                let one = HostTensor::new([image.channels, image.height, image.width], values.to_vec());
                let bytes = write::png::picture(&one).map_err(Error::from)?;
                write::file(&copies.join(format!("{number:06}-{stem}.png")), &bytes).map_err(Error::from)?;
            }
        }
        let Some(heat) = heat else { return Ok(()) };
        let maps = folder.join("maps");
        make(&maps)?;
        let pair = overlaid(values, heat, [image.channels, image.height, image.width]);
        let bytes = write::png::grid(&pair, 2).map_err(Error::from)?;
        write::file(&maps.join(format!("{number:06}-{stem}.png")), &bytes).map_err(Error::from)?;
        Ok(())
    }

    fn end(self) -> Result<ExitCode> {
        if let Some(folder) = &self.args.output {
            progress::note(self.common, &format!("`{}` has scores and what is flagged", folder.display()));
        }
        let mut text = format!("{} flagged", self.flagged);
        if self.broken > 0 {
            text.push_str(&format!(", {} could not be read", self.broken));
        }
        progress::note(self.common, &text);
        Ok(match (self.args.fail && self.flagged > 0, self.broken) {
            (true, _) => ExitCode::from(exit::FLAGGED),
            (false, 0) => ExitCode::SUCCESS,
            (false, _) => ExitCode::from(exit::FAILED),
        })
    }
}

/// A picture, and beside it the same with what is odd in red, `[2, 3, height, width]`.
fn overlaid(values: &[f32], heat: &[f32], [channels, height, width]: [usize; 3]) -> HostTensor {
    let plane = height * width;
    let at = |channel: usize, pixel: usize| values[channel.min(channels - 1) * plane + pixel];
    let plain = (0..3).flat_map(|channel| (0..plane).map(move |pixel| at(channel, pixel)));
    let marked = (0..3).flat_map(|channel| {
        (0..plane).map(move |pixel| {
            let share = ((heat[pixel] - 1.0) / HOT).clamp(0.0, 1.0);
            let red = if channel == 0 { 1.0 } else { -1.0 };
            (1.0 - share) * at(channel, pixel) + share * red
        })
    });
    HostTensor::new([2, 3, height, width], plain.chain(marked).collect())
}
