//! `galatea sample` and `galatea interpolate`.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use galatea::{Error, Generator, HostTensor, SampleRequest, device, write};

use crate::args::{Checkpoint, Common, Drawing, InterpolateArgs, SampleArgs};
use crate::commands::{print_bytes, print_line};
use crate::progress;

/// How long an animation shows each picture, in milliseconds.
const FRAME: u32 = 80;

/// Most memory for samples that go into one file.
const MAX_BYTES: u64 = 4 << 30;

pub(crate) fn sample(args: SampleArgs, common: &Common) -> Result<ExitCode> {
    let drawing = &args.drawing;
    let generator = open(&drawing.model, &drawing.checkpoint, common)?;
    let request = request(drawing, args.number, &generator)?;
    let target = Target::of(&drawing.output)?;
    if let Target::Folder(folder) = &target {
        return into_folder(&generator, &request, folder, common);
    }
    check_size(&generator, args.number)?;
    let samples = generator.sample(&request)?.values;
    put(&samples, &target, drawing.columns, common)
}

pub(crate) fn interpolate(args: InterpolateArgs, common: &Common) -> Result<ExitCode> {
    let drawing = &args.drawing;
    let generator = open(&drawing.model, &drawing.checkpoint, common)?;
    let mut request = request(drawing, args.number, &generator)?;
    if request.class.is_none() && !generator.classes().is_empty() {
        // A walk through changing classes would jump.
        request.class = Some(0);
        progress::note(
            common,
            &format!("walking in class `{}`; choose another with `--class`", generator.classes()[0]),
        );
    }
    check_size(&generator, args.number * u64::from(args.frames))?;
    let frames = generator.interpolate(&request, args.frames.into())?;
    let columns = drawing.columns.or(Some(args.frames.into()));
    put(&frames, &Target::of(&drawing.output)?, columns, common)
}

/// Refuses what would fill the memory: what goes into one file is held in it.
fn check_size(generator: &Generator, count: u64) -> Result<()> {
    let values: usize = generator.spec().shape().iter().product();
    let bytes = count.saturating_mul(4 * values as u64);
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let problem = format!("{count} pictures in one file need {} MiB of memory", bytes >> 20);
    let fit = MAX_BYTES / (4 * values as u64).max(1);
    Err(Error::usage(problem, format!("draw at most {fit}, or one file each with `galatea sample -o FOLDER/`")).into())
}

pub(crate) fn open(model: &Path, checkpoint: &Checkpoint, common: &Common) -> Result<Generator> {
    let which = checkpoint.checkpoint;
    let generator = Generator::open_checkpoint(model, which, &common.runs, &device(&common.device)?)?;
    for warning in generator.warnings() {
        progress::warn(warning);
    }
    Ok(generator)
}

fn request(drawing: &Drawing, number: u64, generator: &Generator) -> Result<SampleRequest> {
    let class = drawing.class.as_deref().map(|class| class_index(class, generator)).transpose()?;
    Ok(SampleRequest { class, truncation: drawing.truncation, ..SampleRequest::new(drawing.seed, number) })
}

/// A class by its name, or else by its number.
fn class_index(class: &str, generator: &Generator) -> Result<u32> {
    if let Some(index) = generator.classes().iter().position(|name| name == class) {
        return Ok(index as u32);
    }
    if let Ok(index) = class.parse() {
        return Ok(index);
    }
    let names = generator.classes().join(", ");
    let hint = if names.is_empty() { "this model has no classes".to_owned() } else { format!("classes are {names}") };
    Err(Error::usage(format!("there is no class `{class}`"), hint).into())
}

/// Where pictures go.
enum Target<'a> {
    Grid(&'a Path),
    Array(&'a Path),
    Animation(&'a Path),
    Folder(&'a Path),
    Stdout,
}

impl<'a> Target<'a> {
    fn of(path: &'a Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            if std::io::stdout().is_terminal() {
                return Err(Error::usage(
                    "a picture makes no sense on a terminal",
                    "name a file with `-o grid.png`, or send the output to another program",
                )
                .into());
            }
            return Ok(Self::Stdout);
        }
        if path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/') {
            return Ok(Self::Folder(path));
        }
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("png") => Ok(Self::Grid(path)),
            Some("npy") => Ok(Self::Array(path)),
            Some("gif") => Ok(Self::Animation(path)),
            None => Ok(Self::Folder(path)),
            Some(other) => Err(Error::usage(
                format!("samples cannot be written as `.{other}`"),
                "use .png (a grid), .npy (an array), .gif (an animation) or a folder",
            )
            .into()),
        }
    }
}

fn put(pictures: &HostTensor, target: &Target, columns: Option<u32>, common: &Common) -> Result<ExitCode> {
    let square = || (pictures.rows() as f64).sqrt().ceil() as usize;
    let columns = columns.map_or_else(square, |columns| columns as usize);
    let (path, bytes) = match target {
        Target::Stdout => {
            print_bytes(&write::png::grid(pictures, columns).map_err(Error::from)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        Target::Folder(folder) => {
            make(folder)?;
            for i in 0..pictures.rows() {
                put_one(pictures, i, folder, i as u64)?;
            }
            return told(folder, pictures.rows(), common);
        }
        Target::Grid(path) => (path, write::png::grid(pictures, columns)),
        Target::Array(path) => (path, write::npy::bytes(pictures)),
        Target::Animation(path) => (path, write::gif::animation(pictures, FRAME)),
    };
    write::file(path, &bytes.map_err(Error::from)?).map_err(Error::from)?;
    told(path, pictures.rows(), common)
}

/// Writes samples one by one, so that a million of them need no more memory than a thousand.
fn into_folder(generator: &Generator, request: &SampleRequest, folder: &Path, common: &Common) -> Result<ExitCode> {
    make(folder)?;
    let end = request.range.end;
    for start in (request.range.start..end).step_by(1_024) {
        let some = SampleRequest { range: start..(start + 1_024).min(end), ..request.clone() };
        let samples = generator.sample(&some)?.values;
        for i in 0..samples.rows() {
            put_one(&samples, i, folder, start + i as u64)?;
        }
    }
    told(folder, (end - request.range.start) as usize, common)
}

fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|error| galatea::DataError::io("make the folder", folder, error))
        .map_err(Error::from)?;
    Ok(())
}

fn put_one(pictures: &HostTensor, i: usize, folder: &Path, number: u64) -> Result<()> {
    let one = HostTensor::new(pictures.shape[1..].to_vec(), pictures.row(i).to_vec());
    let bytes = write::png::picture(&one).map_err(Error::from)?;
    write::file(&folder.join(format!("{number:06}.png")), &bytes).map_err(Error::from)?;
    Ok(())
}

fn told(path: &Path, count: usize, common: &Common) -> Result<ExitCode> {
    if common.json {
        print_line(&serde_json::json!({ "path": path, "samples": count }).to_string())?;
    } else if !common.quiet {
        progress::note(common, &format!("{count} pictures in `{}`", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
