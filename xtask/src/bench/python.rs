//! The virtual environment in which the peers run, made when it is needed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};

use super::cases::Peer;

/// Where peers and their environment are, from the root of the repository.
pub(crate) const FOLDER: &str = "bench/peers";

/// The oldest Python that the pinned versions are made for.
const OLDEST: (u32, u32) = (3, 10);

impl Peer {
    /// The script that runs its cases.
    pub(crate) fn script(self) -> &'static str {
        match self {
            Self::PyTorch => "pytorch.py",
            Self::Keras => "keras_listing.py",
        }
    }

    fn requirements(self) -> &'static str {
        match self {
            Self::PyTorch => "requirements-pytorch.txt",
            Self::Keras => "requirements-keras.txt",
        }
    }
}

/// The Python in which `peers` can run; packages are installed where they are not what the requirements say.
///
/// # Errors
/// If there is no Python, or the packages cannot be installed.
pub(crate) fn prepared(root: &Path, peers: &[Peer]) -> anyhow::Result<PathBuf> {
    let folder = root.join(FOLDER);
    let environment = folder.join(".venv");
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.exists() {
        let system = system_python()?;
        eprintln!("making {}", environment.display());
        let status = Command::new(&system).args(["-m", "venv"]).arg(&environment).status();
        let made = status.with_context(|| format!("`{system}` does not start"))?.success();
        ensure!(made, "`{system} -m venv` failed\nhint: on Debian the package python3-venv is needed");
    }
    for peer in peers {
        let wanted = std::fs::read_to_string(folder.join(peer.requirements()))
            .with_context(|| format!("cannot read {FOLDER}/{}", peer.requirements()))?;
        // Written last: an interrupted installation is made again.
        let stamp = environment.join(peer.requirements());
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            continue;
        }
        eprintln!("installing {FOLDER}/{}: this is done once and may take minutes", peer.requirements());
        let status = Command::new(&python)
            .args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--requirement"])
            .arg(folder.join(peer.requirements()))
            .status()
            .context("pip does not start")?;
        ensure!(
            status.success(),
            "pip failed on {FOLDER}/{}\nhint: see above; without a network, `--alone` measures our side only",
            peer.requirements()
        );
        std::fs::write(&stamp, wanted).with_context(|| format!("cannot write `{}`", stamp.display()))?;
    }
    Ok(python)
}

/// The name of a Python that is new enough.
fn system_python() -> anyhow::Result<String> {
    let named = std::env::var("PYTHON").ok();
    let names = named.clone().map_or_else(|| vec!["python3".to_owned(), "python".to_owned()], |name| vec![name]);
    let mut found = Vec::new();
    for name in names {
        let output = Command::new(&name).arg("--version").stderr(Stdio::piped()).output();
        let Ok(output) = output else { continue };
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if version(&text).is_some_and(|version| version >= OLDEST) {
            return Ok(name);
        }
        found.push(format!("`{name}` is {text}"));
    }
    let hint = format!(
        "hint: install Python {}.{} or newer with its module venv, or name one with the variable PYTHON; `--alone` \
         measures our side only",
        OLDEST.0, OLDEST.1
    );
    match (named, found.as_slice()) {
        (Some(name), []) => bail!("there is no `{name}`, which the variable PYTHON names\n{hint}"),
        (None, []) => bail!("there is no `python3`, which the peers need\n{hint}"),
        (_, found) => bail!("{}, which is too old for the peers\n{hint}", found.join(", ")),
    }
}

/// `Python 3.11.7` to `(3, 11)`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("Python ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version("Python 3.11.7"), Some((3, 11)));
        assert_eq!(version("Python 3.14.0rc1"), Some((3, 14)));
        assert_eq!(version("zsh: not found"), None);
    }

    #[test]
    fn every_peer_has_its_files() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(FOLDER);
        for peer in [Peer::PyTorch, Peer::Keras] {
            let pinned = std::fs::read_to_string(folder.join(peer.requirements())).unwrap();
            let unpinned = |line: &&str| !line.starts_with('#') && !line.contains("==");
            assert_eq!(pinned.lines().find(unpinned), None);
            assert!(folder.join(peer.script()).is_file());
        }
    }
}
