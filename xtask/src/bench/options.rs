//! The command line of `cargo xtask bench`.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// Names of cases, separated by commas.
    pub(crate) cases: Option<String>,
    /// Rounds that alternate between the sides.
    pub(crate) rounds: usize,
    /// Seconds of each side in each round.
    pub(crate) seconds: f64,
    /// Threads of each side.
    pub(crate) threads: usize,
    /// Where the figures go, if not where README.md shows them.
    pub(crate) json: Option<PathBuf>,
    /// Leave the peers out.
    pub(crate) alone: bool,
    /// Training time of each side in the case `quality`.
    pub(crate) quality_seconds: f64,
}

impl Default for Options {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { cases: None, rounds: 5, seconds: 2.0, threads, json: None, alone: false, quality_seconds: 300.0 }
    }
}

/// Reads the command line.
///
/// # Errors
/// If an option is unknown, or its value is missing or out of range.
pub(crate) fn parse(arguments: &[&str]) -> anyhow::Result<Options> {
    let mut options = Options::default();
    let mut arguments = arguments.iter();
    while let Some(&name) = arguments.next() {
        let mut value = || arguments.next().copied().with_context(|| format!("`{name}` lacks its value\n{HINT}"));
        match name {
            "--cases" => options.cases = Some(value()?.to_owned()),
            "--json" => options.json = Some(value()?.into()),
            "--alone" => options.alone = true,
            "--rounds" => options.rounds = number(name, value()?, 1.0, 1000.0)? as usize,
            "--threads" => options.threads = number(name, value()?, 1.0, 512.0)? as usize,
            "--seconds" => options.seconds = number(name, value()?, 0.0, 600.0)?,
            "--quality-seconds" => options.quality_seconds = number(name, value()?, 1.0, 6000.0)?,
            _ => bail!("`{name}` is not understood\n{HINT}"),
        }
    }
    Ok(options)
}

const HINT: &str = "hint: `cargo xtask bench --help` shows what there is";

fn number(name: &str, text: &str, least: f64, most: f64) -> anyhow::Result<f64> {
    let number = text.parse().with_context(|| format!("`{name}` takes a number, not `{text}`"))?;
    ensure!((least..=most).contains(&number), "`{name} {text}` is out of range\nhint: from {least} to {most}");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let read =
            parse(&["--rounds", "3", "--cases", "adam", "--alone", "--seconds", "0.5", "--json", "a.json"]).unwrap();
        let expected = Options {
            rounds: 3,
            cases: Some("adam".to_owned()),
            alone: true,
            seconds: 0.5,
            json: Some("a.json".into()),
            ..Options::default()
        };
        assert_eq!(read, expected);
        assert_eq!(parse(&[]).unwrap().rounds, 5);
    }

    #[test]
    fn wrong_options_are_told() {
        let cases: [(&[&str], &str); 5] = [
            (&["--round"], "`--round` is not understood"),
            (&["--rounds"], "`--rounds` lacks its value"),
            (&["--rounds", "many"], "`--rounds` takes a number, not `many`"),
            (&["--rounds", "0"], "`--rounds 0` is out of range"),
            (&["--seconds", "NaN"], "`--seconds NaN` is out of range"),
        ];
        for (arguments, expected) in cases {
            let error = format!("{:#}", parse(arguments).unwrap_err());
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
