//! `cargo xtask collapse`: the laboratory, which is an example of the facade. See docs/monitor.md.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

use crate::cargo::cargo;

/// Builds and runs it with `arguments`.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    // As a part of the workspace, so that dependencies are those of the program and are built once.
    let what = ["build", "--release", "--workspace", "--example", "collapse"];
    let status = cargo(root, &what).status().context("cargo does not start")?;
    ensure!(status.success(), "`cargo {}` ended with {status}", what.join(" "));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let program = target.join("release/examples/collapse").with_extension(std::env::consts::EXE_EXTENSION);
    let status = Command::new(&program).args(arguments).status();
    let status = status.with_context(|| format!("cannot start `{}`", program.display()))?;
    ensure!(status.success(), "the laboratory ended with {status}");
    Ok(())
}
