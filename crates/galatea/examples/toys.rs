//! Do models cover the modes of toy distributions? Trains with many seeds, and prints a table for `docs/toys.md`.
//!
//! ```text
//! cargo run --release -p galatea --example toys -- OUT [ROW [FIRST..END [KEY=VALUE ..]]]
//! ```
//!
//! `OUT` is a folder for a plot of each row's first seed; `ROW` is a number of [`ROWS`], all of them if it is left out.
#![allow(clippy::print_stdout, reason = "its purpose")]

use std::path::{Path, PathBuf};

use galatea::{Error, Request, Result, Surroundings, Trained, train_in, write};

/// Family, data, and preset where it is not the usual one.
const ROWS: &[(&str, &str, Option<&str>)] = &[
    ("gan", "ring", None),
    ("gan", "grid", None),
    ("gan", "spiral", None),
    ("gan", "ring", Some("plain-toy")),
    ("gan", "grid", Some("plain-toy")),
    ("dcgan", "stacked", Some("stacked")),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wrong =
        || Error::usage("this is not understood", "give a folder, and perhaps a row, seeds `0..10` and settings");
    let out = PathBuf::from(arguments.first().ok_or_else(wrong)?);
    std::fs::create_dir_all(&out).map_err(|error| galatea::DataError::io("make", &out, error))?;
    let row = arguments.get(1).map(|row| row.parse::<usize>().map_err(|_| wrong())).transpose()?;
    let seeds = arguments.get(2).map_or("0..10", String::as_str);
    let (first, end) =
        seeds.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?))).ok_or_else(wrong)?;
    let settings = arguments.get(3..).unwrap_or_default();
    println!("| data | settings | seeds | modes | good samples | KL | seconds |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (i, (family, data, preset)) in ROWS.iter().enumerate().filter(|(i, _)| row.is_none_or(|row| row == *i)) {
        let mut found: Vec<[f64; 4]> = Vec::new();
        for seed in first..end {
            let picture = (seed == first).then(|| out.join(format!("{i}-{data}.png")));
            found.push(judged(family, data, *preset, seed, settings, picture.as_deref())?);
        }
        let column = |at: usize| found.iter().map(|row| row[at]).collect::<Vec<f64>>();
        let name = preset.unwrap_or("usual");
        let [modes, good, divergence, seconds] = [0, 1, 2, 3].map(column);
        println!(
            "| {data} | `{family}`, {name} {} | {seeds} | {} | {} | {} | {:.0} |",
            settings.join(" "),
            told(&modes, 1),
            told(&good, 3),
            told(&divergence, 3),
            mean(&seconds)
        );
    }
    Ok(())
}

/// Modes, share of good samples, divergence, and seconds of training.
fn judged(
    family: &str,
    data: &str,
    preset: Option<&str>,
    seed: u64,
    settings: &[String],
    picture: Option<&Path>,
) -> Result<[f64; 4]> {
    let folder = tempfile::tempdir().map_err(|error| galatea::DataError::io("make", "a folder", error))?;
    let mut request = Request::new(data).family(family).seed(seed).set("train.sample_every", 0);
    // Other numbers than those of modes are not asked for here, and take time.
    request = request.set("train.checkpoint_every", 0).set("eval.samples", 50);
    if let Some(preset) = preset {
        request = request.set("preset", preset);
    }
    request.settings.extend(settings.iter().cloned());
    let surroundings = Surroundings { root: folder.path().into(), ..Surroundings::default() };
    let Trained { summary, report, generator, .. } = train_in(request.resolve()?, surroundings)?;
    let rows = report.map(|report| report.rows).unwrap_or_default();
    let value = |name: &str| rows.iter().find(|row| row.number == name).map_or(f64::NAN, |row| row.value);
    let values = [value("modes-covered"), value("good-samples"), value("mode-kl"), summary.seconds];
    eprintln_row(data, seed, &values);
    if let Some(path) = picture {
        let count = if data == "stacked" { 100 } else { 2_500 };
        let samples = generator.sample(&galatea::SampleRequest::new(1, count))?;
        write::file(path, &write::overview(&samples.values, generator.spec(), 10)?)?;
    }
    Ok(values)
}

#[allow(clippy::print_stderr, reason = "its purpose")]
fn eprintln_row(data: &str, seed: u64, [modes, good, divergence, seconds]: &[f64; 4]) {
    eprintln!("{data} {seed}: {modes} modes, {good:.3} good, KL {divergence:.4}, {seconds:.0} s");
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Mean and range.
fn told(values: &[f64], digits: usize) -> String {
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    match mean(values) {
        mean if mean.is_nan() => "-".to_owned(),
        mean => format!("{mean:.digits$} ({low:.digits$} to {high:.digits$})"),
    }
}
