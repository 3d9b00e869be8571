//! Calling cargo from a program that cargo runs.

use std::path::{Path, PathBuf};
use std::process::Command;

/// `cargo` with `arguments`, in the folder `root`, as if it was called from a shell.
///
/// What cargo tells this program of itself is taken out of the environment: build scripts of some dependencies look at it,
/// so that everything above them would be built anew, minutes of it, whenever both ways of calling take turns.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    command.args(arguments).current_dir(root);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_about_this_program)) {
        command.env_remove(name);
    }
    command
}

/// A program of the release build, such as `galatea` or `examples/collapse`.
pub(crate) fn built(root: &Path, name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("release").join(name).with_extension(std::env::consts::EXE_EXTENSION)
}

fn is_about_this_program(variable: &str) -> bool {
    let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| variable.starts_with(prefix));
    of_package
        || ["CARGO", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_has_set_stays() {
        for kept in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "CARGO_NET_OFFLINE", "RUSTFLAGS", "PATH"] {
            assert!(!is_about_this_program(kept), "{kept}");
        }
        let command = cargo(Path::new("."), &["build"]);
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        // Cargo runs this test, too.
        assert!(removed.contains(&"CARGO_MANIFEST_DIR".as_ref()) && removed.contains(&"CARGO_PKG_NAME".as_ref()));
    }
}
