//! Checks and chores of this repository: `cargo xtask check`, `cargo xtask tidy`, `cargo xtask bench`,
//! `cargo xtask toys`, `cargo xtask collapse`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod bench;
mod cargo;
mod check;
mod collapse;
mod rust;
mod tidy;
mod toys;
mod tree;

use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
Checks and chores of this repository

cargo xtask check [--from STAGE]   everything that a change must pass; stops at the first failure
cargo xtask tidy                   the rules of this repository that no compiler knows; builds nothing
cargo xtask tidy --list            those rules, one per line
cargo xtask bench                  our training steps beside those of PyTorch and Keras; see `cargo xtask bench --help`
cargo xtask toys                   how many modes of toy distributions are learnt; see `cargo xtask toys --help`
cargo xtask collapse               provokes each failure of training, and says what the monitor saw; `--help` says more
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // Not by returning it: that would add a backtrace where `RUST_BACKTRACE` is set.
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    // The manifest's folder is `xtask`, so this is right wherever cargo was called.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["check"] => check::run(root, None),
        ["check", "--from", stage] => check::run(root, Some(stage)),
        ["tidy"] => tidy::run(root),
        ["tidy", "--list"] => {
            tidy::list();
            Ok(())
        }
        ["bench", ref options @ ..] => bench::run(root, options),
        ["toys", ref options @ ..] => toys::run(root, options),
        ["collapse", ref options @ ..] => collapse::run(root, options),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => anyhow::bail!(
            "there is no `cargo xtask {}`\nhint: `cargo xtask help` lists what there is",
            arguments.join(" ")
        ),
    }
}
