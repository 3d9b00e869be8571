//! `cargo xtask toys`: how many modes of toy distributions are learnt, seed by seed; the table of `docs/toys.md`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::cargo::{built, cargo};

const HELP: &str = "\
Trains on toy distributions with many seeds, and prints a line of a table for each setting

cargo xtask toys [ROW ..]        ring, grid, spiral, plain-ring, plain-grid, stacked; all but the last if none is named
  --seeds FIRST..END             seeds, one run each [default: 0..10]
  --out DIR                      where runs and a plot of each row go [default: target/toys]
  --set KEY=VALUE                a setting for all of them; may be given several times
";

/// Name of the row, and how it is trained.
const ROWS: &[(&str, &[&str])] = &[
    ("ring", &["gan", "--data", "ring"]),
    ("grid", &["gan", "--data", "grid"]),
    ("spiral", &["gan", "--data", "spiral"]),
    ("plain-ring", &["gan", "--data", "ring", "--set", "preset=plain-toy"]),
    ("plain-grid", &["gan", "--data", "grid", "--set", "preset=plain-toy"]),
    ("stacked", &["dcgan", "--data", "stacked", "--set", "preset=stacked"]),
];

/// What a run came to: modes, share of good samples, divergence, seconds.
type Outcome = [f64; 4];

pub(crate) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    if matches!(arguments, ["--help" | "-h"]) {
        print!("{HELP}");
        return Ok(());
    }
    let (mut rows, mut settings) = (Vec::new(), Vec::new());
    let (mut seeds, mut out) = (0..10, root.join("target/toys"));
    let mut arguments = arguments.iter().copied();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("`{argument}` lacks its value"));
        match argument {
            "--seeds" => seeds = range(value()?)?,
            "--out" => out = PathBuf::from(value()?),
            "--set" => settings.push(value()?.to_owned()),
            name => match ROWS.iter().find(|(known, _)| *known == name) {
                Some(row) => rows.push(row),
                None => bail!("`{name}` is not understood\nhint: `cargo xtask toys --help` shows what there is"),
            },
        }
    }
    if rows.is_empty() {
        rows = ROWS.iter().filter(|(name, _)| *name != "stacked").collect();
    }
    let status = cargo(root, &["build", "--release", "--workspace", "--bins"]).status()?;
    ensure!(status.success(), "the program cannot be built");
    let program = built(root, "galatea");
    println!("| data | seeds | modes | good samples | divergence | seconds |\n| --- | --- | --- | --- | --- | --- |");
    for (name, how) in rows {
        let outcomes = outcomes(&program, name, how, &settings, seeds.clone(), &out)?;
        let column = |at: usize| outcomes.iter().map(|outcome| outcome[at]).collect::<Vec<f64>>();
        let [modes, good, divergence, seconds] = [0, 1, 2, 3].map(column);
        println!(
            "| {name} | {} to {} | {} | {} | {} | {} |",
            seeds.start,
            seeds.end - 1,
            told(&modes, 1),
            told(&good, 3),
            told(&divergence, 3),
            told(&seconds, 0)
        );
    }
    Ok(())
}

fn range(text: &str) -> anyhow::Result<std::ops::Range<u64>> {
    let ends = text.split_once("..").and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    ends.filter(|seeds| !seeds.is_empty()).with_context(|| format!("`{text}` are no seeds\nhint: write `0..10`"))
}

/// Trains with every seed. Networks of points are too small to gain from threads, so two of them are trained at once, each
/// by one thread, which changes no bit.
fn outcomes(
    program: &Path,
    name: &str,
    how: &[&str],
    settings: &[String],
    seeds: std::ops::Range<u64>,
    out: &Path,
) -> anyhow::Result<Vec<Outcome>> {
    let next = AtomicU64::new(seeds.start);
    let found = Mutex::new(Vec::new());
    let (workers, threads) = if name == "stacked" { (1, "2") } else { (2, "1") };
    let work = || -> anyhow::Result<()> {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return Ok(());
            }
            let runs = out.join(format!("{name}-{seed}"));
            let mut command = Command::new(program);
            command.arg("train").args(how).args([
                "--quiet",
                "--json",
                "--threads",
                threads,
                "--seed",
                &seed.to_string(),
            ]);
            // Other numbers than those of modes are not asked for here, and take time.
            command.args(["--set", "eval.samples=50", "train.checkpoint_every=0", "train.sample_every=0"]);
            command.args(settings).arg("--runs").arg(&runs);
            let outcome = outcome(&mut command).with_context(|| format!("{name}, seed {seed}"))?;
            let (outcome, picture) = outcome;
            let [modes, good, divergence, seconds] = outcome;
            eprintln!("{name} {seed}: {modes} modes, {good:.4} good, divergence {divergence:.4}, {seconds:.0} s");
            if seed == seeds.start {
                std::fs::copy(&picture, out.join(format!("{name}.png"))).context("the plot cannot be copied")?;
            }
            found.lock().map_err(|_| anyhow::anyhow!("a run has failed"))?.push((seed, outcome));
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("a run has failed")))
    })?;
    let mut found = found.into_inner().map_err(|_| anyhow::anyhow!("a run has failed"))?;
    found.sort_by_key(|(seed, _)| *seed);
    Ok(found.into_iter().map(|(_, outcome)| outcome).collect())
}

/// Runs a training and reads its last line.
fn outcome(command: &mut Command) -> anyhow::Result<(Outcome, PathBuf)> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "it ends with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let line: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let rows = line["report"]["rows"].as_array().context("there is no report")?;
    // What is missing has no meaning for such data, and what is `null` is infinite.
    let value = |name: &str| match rows.iter().find(|row| row["number"] == name) {
        Some(row) => row["value"].as_f64().unwrap_or(f64::INFINITY),
        None => f64::NAN,
    };
    let outcome =
        [value("modes-covered"), value("good-samples"), value("mode-kl"), line["seconds"].as_f64().unwrap_or(0.0)];
    Ok((outcome, line["samples"].as_str().context("there are no samples")?.into()))
}

/// Mean, least and greatest.
fn told(values: &[f64], digits: usize) -> String {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let ends = (f64::INFINITY, f64::NEG_INFINITY);
    let (least, most) = values.iter().fold(ends, |(least, most), value| (least.min(*value), most.max(*value)));
    if mean.is_nan() { "-".to_owned() } else { format!("{mean:.digits$} ({least:.digits$} to {most:.digits$})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_read_or_refused() {
        assert_eq!(range("3..10").unwrap(), 3..10);
        for wrong in ["3", "5..5", "a..b", "-1..3"] {
            assert!(range(wrong).unwrap_err().to_string().contains(wrong), "{wrong}");
        }
        let error = run(Path::new("."), &["rings"]).unwrap_err();
        assert!(error.to_string().starts_with("`rings` is not understood"), "{error}");
        assert!(run(Path::new("."), &["ring", "--seeds"]).unwrap_err().to_string().contains("lacks its value"));
    }

    #[test]
    fn a_row_tells_mean_and_range() {
        assert_eq!(told(&[25.0, 24.0], 1), "24.5 (24.0 to 25.0)");
        assert_eq!(told(&[f64::NAN, 1.0], 3), "-");
    }
}
