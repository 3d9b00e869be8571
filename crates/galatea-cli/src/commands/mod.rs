//! One file per command, or per group of commands.

pub(crate) mod augment;
pub(crate) mod complete;
pub(crate) mod compose;
pub(crate) mod data;
pub(crate) mod detect;
pub(crate) mod edit;
pub(crate) mod eval;
pub(crate) mod export;
pub(crate) mod list;
pub(crate) mod reconstruct;
pub(crate) mod report;
pub(crate) mod runs;
pub(crate) mod sample;
pub(crate) mod states;
pub(crate) mod train;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::CommandFactory;

/// A folder that results go into, with nothing in it before: results of two runs in one place could not be told apart. It is taken away
/// again unless all ends well, if it was not there before: half of it would look like the whole.
pub(crate) struct Begun(Option<PathBuf>);

impl Begun {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        let is_new = !folder.exists();
        if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
            let problem = format!("`{}` has something in it", folder.display());
            return Err(galatea::Error::usage(problem, "name a new folder, or an empty one").into());
        }
        sample::make(folder)?;
        Ok(Self(is_new.then(|| folder.to_owned())))
    }

    pub(crate) fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(folder) = &self.0 {
            // What cannot be removed stays; the error that led here is the one to tell.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// Prints to stdout; a closed pipe is an error that `main` takes for the end.
pub(crate) fn print(text: &str) -> Result<()> {
    print_bytes(text.as_bytes())
}

/// As [`print()`], of a file's contents.
pub(crate) fn print_bytes(bytes: &[u8]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).context("cannot write to the standard output")
}

/// Prints a line to stdout.
pub(crate) fn print_line(text: &str) -> Result<()> {
    print(&format!("{text}\n"))
}

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::args::Cli::command(), "galatea", &mut script);
    print_bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
