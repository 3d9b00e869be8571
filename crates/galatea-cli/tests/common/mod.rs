//! What the tests of the program share.
#![allow(dead_code, reason = "not every test needs all of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A model so small that a step takes a millisecond, on so few digits that judging is quick.
pub(crate) const TINY: &[&str] =
    &["--set", "width=4", "latent=8", "batch=8", "data.limit=300", "eval.samples=20", "train.checkpoint_every=5"];

pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_galatea"));
        command
            .current_dir(self.0.path())
            .args(arguments)
            .env_remove("GALATEA_THREADS")
            .env("GALATEA_DATA_HOME", self.path("downloads"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Exit code and what was said, with the folder's name taken out.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{arguments:?} was taken");
        assert!(!said.contains("panicked"), "{said}");
        let folder = self.0.path().canonicalize().unwrap();
        let said =
            said.replace(&*folder.to_string_lossy(), "[folder]").replace(&*self.0.path().to_string_lossy(), "[folder]");
        format!("exit code {}\n{said}", output.status.code().unwrap())
    }

    pub(crate) fn train(&self, more: &[&str]) -> String {
        self.good(&[&["train", "--steps", "10"], TINY, more].concat())
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The weights of a run's newest checkpoint.
pub(crate) fn weights(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut checkpoints: Vec<_> =
        std::fs::read_dir(run.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    checkpoints.retain(|path| !path.ends_with("best"));
    checkpoints.sort();
    let mut files: Vec<_> = std::fs::read_dir(checkpoints.pop().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "safetensors"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() >= 2);
    files
}
