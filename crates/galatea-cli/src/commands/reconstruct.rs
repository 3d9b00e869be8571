//! `galatea reconstruct`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use galatea::{DataSpec, Error, Generator, HostBatch, HostTensor, Inputs, write};

use super::sample::{Target, check_size, make, open, told};
use crate::args::{Common, ReconstructArgs};
use crate::commands::print_line;
use crate::progress;

/// Examples that are read and given back together.
const TOGETHER: usize = 1_024;

pub(crate) fn run(args: &ReconstructArgs, common: &Common) -> Result<ExitCode> {
    let generator = open(&args.model, &args.checkpoint, common)?;
    let target = Target::of(&args.output)?;
    target.check_for(generator.spec())?;
    if let Target::Animation(_) = target {
        return Err(Error::usage("pairs make no animation", "use .png, .npy or a folder").into());
    }
    let inputs = generator.inputs(&args.inputs, &args.model, &common.runs, &args.set)?;
    let count = args.number.map_or(inputs.len(), |number| inputs.len().min(number as usize));
    if let Target::Folder(folder) = target {
        return into_folder(&generator, &inputs, count, folder, common);
    }
    check_size(&generator, 2 * count as u64)?;
    let (examples, _, broken) = inputs.read(0..count);
    if let Some((_, error)) = broken.into_iter().next() {
        return Err(Error::from(error).into());
    }
    let back = reconstruct(&generator, &examples)?;
    report(generator.spec(), &inputs, 0, [&examples, &back], common)?;
    let (path, bytes) = match target {
        Target::Array(path) => (path, write::npy::floats(&back)),
        Target::Table(path) => {
            let rows = match generator.spec() {
                DataSpec::Series(series) => write::csv::series(&back, None, series),
                DataSpec::Table(_) => write::overview(&back, generator.spec(), 1),
                _ => write::csv::bytes(&back, None, &[]),
            };
            (path, rows.map_err(Error::from)?)
        }
        Target::Grid(path) | Target::Text(path) => {
            (path, overview(&generator, &examples, &back, args.columns as usize)?)
        }
        Target::Stdout => {
            super::print_bytes(&overview(&generator, &examples, &back, args.columns as usize)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        Target::Folder(_) | Target::Animation(_) => return Ok(ExitCode::SUCCESS),
    };
    write::file(path, &bytes).map_err(Error::from)?;
    told(path, count, generator.spec(), common)
}

fn reconstruct(generator: &Generator, examples: &HostTensor) -> Result<HostTensor> {
    Ok(generator.reconstruct(&HostBatch { values: examples.clone(), labels: None })?)
}

/// Rows of examples, and below each what has come back, as with texts; of others what has come back alone.
fn overview(generator: &Generator, examples: &HostTensor, back: &HostTensor, columns: usize) -> Result<Vec<u8>> {
    let mut values = Vec::with_capacity(2 * examples.values.len());
    let n = examples.rows();
    if let (DataSpec::Text(_), None) = (generator.spec(), generator.music()) {
        (0..n).for_each(|i| [examples, back].iter().for_each(|set| values.extend_from_slice(set.row(i))));
        let both = HostTensor::new([2 * n, examples.row_len()], values);
        return Ok(write::overview(&both, generator.spec(), columns).map_err(Error::from)?);
    }
    if examples.shape.len() != 4 {
        return Ok(write::overview(back, generator.spec(), columns).map_err(Error::from)?);
    }
    let columns = columns.min(n);
    for start in (0..n).step_by(columns.max(1)) {
        for set in [examples, back] {
            let row = start..(start + columns).min(n);
            values.extend_from_slice(&set.slice_rows(row.clone()).values);
            // The last row may be short; black pictures fill it.
            values.resize(values.len() + (columns - row.len()) * set.row_len(), -1.0);
        }
    }
    let mut shape = examples.shape.clone();
    shape[0] = values.len() / examples.row_len().max(1);
    Ok(write::png::grid(&HostTensor::new(shape, values), columns).map_err(Error::from)?)
}

/// One picture each, some at a time, so that many need no more memory than some.
fn into_folder(
    generator: &Generator,
    inputs: &Inputs,
    count: usize,
    folder: &Path,
    common: &Common,
) -> Result<ExitCode> {
    make(folder)?;
    for start in (0..count).step_by(TOGETHER) {
        let (examples, _, broken) = inputs.read(start..(start + TOGETHER).min(count));
        if let Some((_, error)) = broken.into_iter().next() {
            return Err(Error::from(error).into());
        }
        let back = reconstruct(generator, &examples)?;
        report(generator.spec(), inputs, start, [&examples, &back], common)?;
        for i in 0..back.rows() {
            let one = HostTensor::new(back.shape[1..].to_vec(), back.row(i).to_vec());
            let bytes = write::png::picture(&one).map_err(Error::from)?;
            write::file(&folder.join(file_name(inputs, start + i)), &bytes).map_err(Error::from)?;
        }
    }
    told(folder, count, generator.spec(), common)
}

/// The number of an input, so that no two are alike, and the name of its file where it has one.
fn file_name(inputs: &Inputs, i: usize) -> String {
    let stem = inputs.file(i).and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy().into_owned());
    stem.map_or_else(|| format!("{i:06}.png"), |stem| format!("{i:06}-{stem}.png"))
}

/// With `--json` a line for each example; otherwise how far what came back is from it on average, or how much of it has come back.
fn report(
    spec: &DataSpec,
    inputs: &Inputs,
    first: usize,
    [examples, back]: [&HostTensor; 2],
    common: &Common,
) -> Result<()> {
    let is_text = matches!(spec, DataSpec::Text(_));
    let of = |i: usize| {
        let (example, back) = (examples.row(i), back.row(i));
        if let DataSpec::Text(text) = spec {
            // What is behind the end of an example is no part of it, nor is what it follows.
            let told = 1..1 + text.told(&example.iter().map(|token| *token as u32).collect::<Vec<_>>());
            let same = example[told.clone()].iter().zip(&back[told.clone()]).filter(|(a, b)| a == b).count();
            return same as f64 / told.len().max(1) as f64;
        }
        let squares = example.iter().zip(back).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>() / example.len().max(1) as f64
    };
    let all: Vec<f64> = (0..back.rows()).map(of).collect();
    if common.json {
        let name = if is_text { "same_tokens" } else { "mean_squared_error" };
        for (i, value) in all.iter().enumerate() {
            print_line(&serde_json::json!({ "input": inputs.name(first + i), name: value }).to_string())?;
        }
        return Ok(());
    }
    let mean = all.iter().sum::<f64>() / all.len().max(1) as f64;
    let text = match spec {
        DataSpec::Text(_) => format!("{:.1} % of the tokens have come back", 100.0 * mean),
        DataSpec::Images(_) => format!("mean squared error {mean:.4} (values from -1 to 1)"),
        _ => format!("mean squared error {mean:.4}"),
    };
    progress::note(common, &text);
    Ok(())
}
