//! `cargo xtask collapse`: the laboratory, which is an example of the facade. See docs/monitor.md.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::cargo::{built, cargo};

/// Builds and runs it with `arguments`.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    // As a part of the workspace, so that dependencies are those of the program and are built once.
    let what = ["build", "--release", "--workspace", "--example", "collapse"];
    let status = cargo(root, &what).status().context("cargo does not start")?;
    ensure!(status.success(), "`cargo {}` ended with {status}", what.join(" "));
    let program = built(root, "examples/collapse");
    let status = Command::new(&program).args(arguments).status();
    let status = status.with_context(|| format!("cannot start `{}`", program.display()))?;
    ensure!(status.success(), "the laboratory ended with {status}");
    Ok(())
}
