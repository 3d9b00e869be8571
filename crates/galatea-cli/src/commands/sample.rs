//! `galatea sample` and `galatea interpolate`.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use galatea::{DataSpec, Ends, Error, Generator, HostBatch, HostTensor, SampleRequest, device, write};

use crate::args::{Checkpoint, Common, DEFAULT_OUTPUT, Drawing, InterpolateArgs, SampleArgs};
use crate::commands::{print_bytes, print_line};
use crate::progress;

/// How long an animation shows each picture, in milliseconds.
const FRAME: u32 = 80;

/// Most memory for samples that go into one file.
pub(crate) const MAX_BYTES: u64 = 4 << 30;

pub(crate) fn sample(args: SampleArgs, common: &Common) -> Result<ExitCode> {
    let drawing = &args.drawing;
    let generator = open(&drawing.model, &drawing.checkpoint, common)?;
    refuse_others(&args, generator.spec())?;
    if generator.writes() {
        let (number, usual) = (args.number.unwrap_or(1), Path::new(DEFAULT_OUTPUT));
        return super::complete::write_texts(&generator, drawing, &args.text, number, usual, common);
    }
    if let Some(music) = generator.music() {
        let request = request(drawing, args.number.unwrap_or(1), &generator)?;
        return super::compose::write_music(&generator, &music, &args, &request, common);
    }
    args.text.refuse(generator.spec())?;
    let number = args.number.unwrap_or(100);
    let request = request(drawing, number, &generator)?;
    // A table is no picture, and text without a prompt is read here.
    let usual = match generator.spec() {
        DataSpec::Table(_) => Path::new("samples.csv"),
        DataSpec::Text(_) => Path::new("samples.txt"),
        _ => Path::new(DEFAULT_OUTPUT),
    };
    let output = if drawing.output == Path::new(DEFAULT_OUTPUT) { usual } else { &drawing.output };
    let target = Target::of(output)?;
    target.check_for(generator.spec())?;
    if !args.given.is_empty() {
        let (rows, probability) = generator.sample_given(&given(&args.given)?, &request)?;
        progress::note(common, &format!("what is given has a probability of {probability:.3e}"));
        return put(&rows, &generator, &target, None, common);
    }
    if let Target::Folder(folder) = &target {
        return into_folder(&generator, &request, folder, common);
    }
    check_size(&generator, number)?;
    if args.real {
        return beside_real(&generator, &request, &target, drawing, common);
    }
    put(&generator.sample(&request)?, &generator, &target, drawing.columns, common)
}

/// Refuses what is for samples of another kind.
fn refuse_others(args: &SampleArgs, spec: &DataSpec) -> Result<()> {
    let is_series = spec.kind() == "series" && spec.music().is_none();
    let wrong = [
        (args.soundfont.is_some() && spec.music().is_none(), "`--soundfont` is for models of music"),
        (!args.given.is_empty() && spec.kind() != "table", "`--given` is for models of tables"),
        (
            args.real && !is_series,
            "`--real` is for models of series: it shows real windows beside those that are drawn",
        ),
    ];
    match wrong.iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, problem)) => Err(Error::usage(*problem, "leave it out").into()),
        None => Ok(()),
    }
}

/// Windows as lines, with real ones to the left of them.
fn beside_real(
    generator: &Generator,
    request: &SampleRequest,
    target: &Target,
    drawing: &Drawing,
    common: &Common,
) -> Result<ExitCode> {
    let (Target::Grid(path), DataSpec::Series(series)) = (target, generator.spec()) else {
        let hint = "leave `--real` out, or draw series into a `.png`";
        return Err(Error::usage("real windows are shown beside those of series, as lines", hint).into());
    };
    let samples = generator.sample(request)?.values;
    let real = galatea::held_back(&drawing.model, &common.runs, samples.rows())?;
    let columns = drawing.columns.map_or(4, |columns| columns as usize);
    let bytes = write::lines::beside([&real, &samples], series, columns).map_err(Error::from)?;
    write::file(path, &bytes).map_err(Error::from)?;
    told(path, samples.rows(), generator.spec(), common)
}

pub(crate) fn interpolate(args: InterpolateArgs, common: &Common) -> Result<ExitCode> {
    let drawing = &args.drawing;
    let generator = open(&drawing.model, &drawing.checkpoint, common)?;
    if !args.between.is_empty() || !args.seeds.is_empty() {
        return between(&args, &generator, common);
    }
    let mut request = request(drawing, args.number, &generator)?;
    if request.class.is_none() && !generator.classes().is_empty() {
        // A walk through changing classes would jump.
        request.class = Some(0);
        progress::note(
            common,
            &format!("walking in class `{}`; choose another with `--class`", generator.classes()[0]),
        );
    }
    let target = Target::of(&drawing.output)?;
    // Of a model that has nowhere to walk, that is what is told.
    if generator.latent().is_some() {
        target.check_for(generator.spec())?;
    }
    check_size(&generator, args.number * u64::from(args.frames))?;
    let frames = HostBatch { values: generator.interpolate(&request, args.frames.into())?, labels: None };
    let columns = drawing.columns.or(Some(args.frames.into()));
    put(&frames, &generator, &target, columns, common)
}

/// A walk between pictures or seeds, which ends at the last of them.
fn between(args: &InterpolateArgs, generator: &Generator, common: &Common) -> Result<ExitCode> {
    let drawing = &args.drawing;
    let target = Target::of(&drawing.output)?;
    target.check_for(generator.spec())?;
    let frames = usize::from(args.frames);
    let places = args.between.len().max(args.seeds.len());
    check_size(generator, 2 * places as u64 * u64::from(args.frames))?;
    let walk = if args.seeds.is_empty() {
        let inputs = generator.inputs(&args.between, &drawing.model, &common.runs, &args.set)?;
        check_size(generator, inputs.len() as u64 * u64::from(args.frames))?;
        let values = inputs.read_all(MAX_BYTES).map_err(Error::from)?;
        generator.walk_between(&HostBatch { values, labels: None }, frames, Ends::Apart)?
    } else {
        let mut request = request(drawing, 1, generator)?;
        if !generator.classes().is_empty() {
            request.class = request.class.or(Some(0));
        }
        generator.walk_between_seeds(&args.seeds, &request, frames, Ends::Apart)?
    };
    let walk = if let Target::Animation(_) = target { and_back(&walk) } else { walk };
    let columns = drawing.columns.or(Some(u32::from(args.frames) + 1));
    put(&HostBatch { values: walk, labels: None }, generator, &target, columns, common)
}

/// The same pictures, then in reverse all but the last and the first, so that an animation does not jump.
pub(crate) fn and_back(walk: &HostTensor) -> HostTensor {
    let n = walk.rows();
    let mut values = walk.values.clone();
    (1..n.max(1) - 1).rev().for_each(|i| values.extend_from_slice(walk.row(i)));
    let mut shape = walk.shape.clone();
    shape[0] = values.len() / walk.row_len().max(1);
    HostTensor::new(shape, values)
}

/// `COLUMN=VALUE` pairs.
fn given(pairs: &[String]) -> Result<Vec<(String, String)>> {
    let split = |pair: &String| {
        let (column, value) = pair.split_once('=').ok_or_else(|| {
            Error::usage(format!("`{pair}` is no column with its value"), "write `--given COLUMN=VALUE`")
        })?;
        Ok((column.trim().to_owned(), value.trim().to_owned()))
    };
    pairs.iter().map(split).collect()
}

/// Refuses what would fill the memory: what goes into one file is held in it.
pub(crate) fn check_size(generator: &Generator, count: u64) -> Result<()> {
    let values: usize = generator.spec().shape().iter().product();
    let bytes = count.saturating_mul(4 * values as u64);
    if bytes <= MAX_BYTES {
        return Ok(());
    }
    let problem = format!("{count} {} in one file need {} MiB of memory", called(generator.spec()), bytes >> 20);
    let fit = MAX_BYTES / (4 * values as u64).max(1);
    Err(Error::usage(problem, format!("draw at most {fit}, or one file each with `galatea sample -o FOLDER/`")).into())
}

/// What examples are called.
pub(crate) fn called(spec: &DataSpec) -> &'static str {
    match spec {
        spec if spec.music().is_some() => "pieces",
        DataSpec::Images(_) => "pictures",
        DataSpec::Series(_) => "windows",
        DataSpec::Table(_) => "rows",
        DataSpec::Text(_) => "texts",
        other => other.kind(),
    }
}

pub(crate) fn open(model: &Path, checkpoint: &Checkpoint, common: &Common) -> Result<Generator> {
    let which = checkpoint.checkpoint;
    let generator = Generator::open_checkpoint(model, which, &common.runs, &device(&common.device)?)?;
    for warning in generator.warnings() {
        progress::warn(warning);
    }
    Ok(generator)
}

pub(crate) fn request(drawing: &Drawing, number: u64, generator: &Generator) -> Result<SampleRequest> {
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

/// Where samples go.
pub(crate) enum Target<'a> {
    /// A grid of pictures, or a plot of points.
    Grid(&'a Path),
    Array(&'a Path),
    Table(&'a Path),
    Animation(&'a Path),
    Folder(&'a Path),
    Text(&'a Path),
    Stdout,
}

impl<'a> Target<'a> {
    pub(crate) fn of(path: &'a Path) -> Result<Self> {
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
            Some("csv") => Ok(Self::Table(path)),
            Some("txt") => Ok(Self::Text(path)),
            Some("gif") => Ok(Self::Animation(path)),
            None => Ok(Self::Folder(path)),
            Some(other) => Err(Error::usage(
                format!("samples cannot be written as `.{other}`"),
                "use .png (a grid, a plot or piano rolls) or .npy (an array); of pictures also .gif (an animation) or a folder, of points, \
                 series and tables also .csv",
            )
            .into()),
        }
    }

    /// Refuses what samples of this kind cannot be written as.
    pub(crate) fn check_for(&self, spec: &DataSpec) -> Result<()> {
        let (what, hint) = match (self, spec) {
            (Self::Grid(_), _) if spec.music().is_some() => return Ok(()),
            (Self::Text(_) | Self::Animation(_) | Self::Folder(_), _) if spec.music().is_some() => {
                ("music so", "use .png (piano rolls)")
            }
            (Self::Text(_), DataSpec::Text(_)) | (Self::Stdout, _) => return Ok(()),
            (_, DataSpec::Text(_)) => ("text so", "use .txt"),
            (Self::Text(_), _) => ("such samples as `.txt`", "use .png, .npy or .csv"),
            (Self::Grid(_) | Self::Animation(_) | Self::Folder(_), DataSpec::Table(_)) => {
                ("rows as pictures", "use .csv or .npy")
            }
            (Self::Animation(_) | Self::Folder(_), DataSpec::Series(_)) => {
                ("windows as `.gif` or one file each", "use .png (lines), .csv or .npy")
            }
            (Self::Table(_), DataSpec::Images(_)) => ("pictures as `.csv`", "use .png, .npy, .gif or a folder"),
            (Self::Animation(_), DataSpec::Points(_)) => ("points as `.gif`", "use .png (a plot), .npy or .csv"),
            (Self::Folder(_), DataSpec::Points(_)) => {
                ("points as a folder of files", "use .png (a plot), .npy or .csv")
            }
            _ => return Ok(()),
        };
        Err(Error::usage(format!("there is no writing {what}"), hint).into())
    }
}

pub(crate) fn put(
    samples: &HostBatch,
    generator: &Generator,
    target: &Target,
    columns: Option<u32>,
    common: &Common,
) -> Result<ExitCode> {
    let (pictures, spec) = (&samples.values, generator.spec());
    let square = || (pictures.rows() as f64).sqrt().ceil() as usize;
    let columns = columns.map_or_else(square, |columns| columns as usize);
    let (path, bytes) = match target {
        Target::Stdout => {
            print_bytes(&write::overview(pictures, spec, columns).map_err(Error::from)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        Target::Folder(folder) => {
            make(folder)?;
            for i in 0..pictures.rows() {
                put_one(pictures, i, folder, i as u64)?;
            }
            return told(folder, pictures.rows(), spec, common);
        }
        Target::Grid(path) | Target::Text(path) => (path, write::overview(pictures, spec, columns)),
        // Bytes are what pictures are; points have a size.
        Target::Array(path) if matches!(spec, DataSpec::Images(_)) => (path, write::npy::bytes(pictures)),
        Target::Array(path) => (path, Ok(write::npy::floats(pictures))),
        Target::Table(path) if matches!(spec, DataSpec::Table(_)) => (path, write::overview(pictures, spec, columns)),
        Target::Table(path) => match spec {
            DataSpec::Series(series) => (path, write::csv::series(pictures, samples.labels.as_deref(), series)),
            _ => (path, write::csv::bytes(pictures, samples.labels.as_deref(), generator.classes())),
        },
        Target::Animation(path) => (path, write::gif::animation(pictures, FRAME)),
    };
    write::file(path, &bytes.map_err(Error::from)?).map_err(Error::from)?;
    told(path, pictures.rows(), spec, common)
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
    told(folder, (end - request.range.start) as usize, generator.spec(), common)
}

pub(crate) fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .map_err(|error| galatea::DataError::io("make the folder", folder, error))
        .map_err(Error::from)?;
    Ok(())
}

pub(crate) fn put_one(pictures: &HostTensor, i: usize, folder: &Path, number: u64) -> Result<()> {
    let one = HostTensor::new(pictures.shape[1..].to_vec(), pictures.row(i).to_vec());
    let bytes = write::png::picture(&one).map_err(Error::from)?;
    write::file(&folder.join(format!("{number:06}.png")), &bytes).map_err(Error::from)?;
    Ok(())
}

pub(crate) fn told(path: &Path, count: usize, spec: &DataSpec, common: &Common) -> Result<ExitCode> {
    if common.json {
        print_line(&serde_json::json!({ "path": path, "samples": count }).to_string())?;
    } else if !common.quiet {
        progress::note(common, &format!("{count} {} in `{}`", called(spec), path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
