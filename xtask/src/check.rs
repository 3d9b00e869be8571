//! `cargo xtask check`: everything that a change must pass, cheapest first, stopping at the first failure.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use crate::tidy;

/// One stage: the name for `--from`, and what runs.
struct Stage {
    name: &'static str,
    what: What,
}

enum What {
    /// The rules of this repository, in this process.
    Tidy,
    /// `cargo` with these arguments.
    Cargo(&'static [&'static str]),
    /// `cargo` with these arguments, its test results counted.
    Tests(&'static [&'static str]),
}

/// Cheapest first; tests last, so that the last lines of the output are their results.
const STAGES: &[Stage] = &[
    Stage { name: "format", what: What::Cargo(&["fmt", "--all", "--check"]) },
    Stage { name: "tidy", what: What::Tidy },
    Stage { name: "clippy", what: What::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]) },
    Stage { name: "docs", what: What::Cargo(&["doc", "--workspace", "--no-deps"]) },
    Stage { name: "tests", what: What::Tests(&["test", "--workspace"]) },
];

/// Runs the stages from `from` on.
pub(crate) fn run(root: &Path, from: Option<&str>) -> anyhow::Result<()> {
    let first = match from {
        None => 0,
        Some(name) => STAGES.iter().position(|stage| stage.name == name).with_context(|| {
            let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
            format!("there is no stage `{name}`\nhint: stages are {}", names.join(", "))
        })?,
    };
    let mut tests = Tally::default();
    for stage in &STAGES[first..] {
        println!("== {}{}", stage.name, stage.command().map(|command| format!(": {command}")).unwrap_or_default());
        let begin = Instant::now();
        let outcome = match stage.what {
            What::Tidy => tidy::run(root),
            What::Cargo(arguments) => cargo(root, arguments),
            What::Tests(arguments) => count_tests(root, arguments, &mut tests),
        };
        let seconds = begin.elapsed().as_secs_f64();
        if let Err(error) = outcome {
            if tests.suites > 0 {
                println!("{tests}");
            }
            bail!(
                "stage `{name}` failed after {seconds:.1} s: {error}\nhint: when mended, go on with `cargo xtask check --from {name}`",
                name = stage.name
            );
        }
        println!("== {} passed in {seconds:.1} s", stage.name);
    }
    if tests.suites > 0 {
        println!("{tests}");
    }
    Ok(())
}

impl Stage {
    fn command(&self) -> Option<String> {
        match self.what {
            What::Tidy => None,
            What::Cargo(arguments) | What::Tests(arguments) => Some(format!("cargo {}", arguments.join(" "))),
        }
    }
}

fn command(root: &Path, arguments: &[&str]) -> Command {
    let mut command = crate::cargo::cargo(root, arguments);
    if arguments.first() == Some(&"doc") {
        command.env("RUSTDOCFLAGS", "-D warnings");
    }
    command
}

fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let status = command(root, arguments).status().context("cargo does not start")?;
    ensure!(status.success(), "`cargo {}` ended with {status}", arguments.join(" "));
    Ok(())
}

/// As [`cargo`], passing the output on line by line and adding up the lines `test result: ..`.
fn count_tests(root: &Path, arguments: &[&str], tally: &mut Tally) -> anyhow::Result<()> {
    let mut child = command(root, arguments).stdout(Stdio::piped()).spawn().context("cargo does not start")?;
    let output = child.stdout.take().context("cargo has no output")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        tally.add(&line);
    }
    let status = child.wait()?;
    ensure!(status.success(), "`cargo {}` ended with {status}", arguments.join(" "));
    Ok(())
}

/// What `cargo test` counted, over all crates.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    suites: u64,
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Tally {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...`; others count nothing.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ").and_then(|(_, rest)| rest.split_once(". ")) else {
            return;
        };
        self.suites += 1;
        for count in counts.split(';') {
            let mut words = count.split_whitespace();
            let (Some(Ok(number)), Some(kind)) = (words.next().map(str::parse::<u64>), words.next()) else { continue };
            match kind {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.ignored > 0 {
            write!(f, ", {} ignored", self.ignored)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test a ... ok",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.01s",
        ] {
            tally.add(line);
        }
        assert_eq!(tally, Tally { suites: 2, passed: 7, failed: 2, ignored: 1 });
        assert_eq!(tally.to_string(), "7 passed, 2 failed, 1 ignored");
        assert_eq!(Tally::default().to_string(), "0 passed, 0 failed");
    }

    #[test]
    fn an_unknown_stage_is_refused_with_the_known_ones() {
        let error = run(Path::new("."), Some("lint")).unwrap_err().to_string();
        assert!(error.contains("`lint`") && error.contains("format, tidy, clippy, docs, tests"), "{error}");
    }

    #[test]
    fn tests_are_last() {
        assert!(matches!(STAGES.last().map(|stage| &stage.what), Some(What::Tests(_))));
    }
}
