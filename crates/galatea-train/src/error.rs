//! Errors of this crate: what was wrong, where, and what to do.

use std::path::{Path, PathBuf};

use galatea_data::settings::SettingError;

/// What can go wrong with a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// `read`, `write`, `create`, ...
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The contents of a file are not what they should be.
    #[error("`{}`: {problem}", path.display())]
    Invalid {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A request that makes no sense.
    #[error("{problem}")]
    Usage {
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A setting that cannot be.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The data.
    #[error(transparent)]
    Data(#[from] galatea_data::Error),
    /// The model.
    #[error(transparent)]
    Model(#[from] galatea_models::Error),
    /// Another process writes to the run.
    #[error("`{}` is in use by {holder}", run.display())]
    Locked {
        /// The run.
        run: PathBuf,
        /// Process and machine, as far as they are known.
        holder: String,
    },
    /// There are checkpoints, and none can be read.
    #[error("`{}` has no checkpoint that can be read: {}", run.display(), problems.join("; "))]
    NoCheckpoint {
        /// The run.
        run: PathBuf,
        /// What is wrong with each.
        problems: Vec<String>,
    },
    /// The run was started with other settings.
    #[error("`{}` was started with other settings: {}", run.display(), differences.join(", "))]
    OtherConfig {
        /// The run.
        run: PathBuf,
        /// What differs: `model.width is 64 there and 32 here`.
        differences: Vec<String>,
    },
    /// The run was started with other data.
    #[error("the data have changed since `{}` was started", run.display())]
    OtherData {
        /// The run.
        run: PathBuf,
    },
    /// A value that must be finite is not.
    #[error("training diverged: `{quantity}` became {value} at step {step}")]
    Diverged {
        /// The scalar, or the array of a part: `loss_d`, `generator: linear.weight`.
        quantity: String,
        /// What it became.
        value: f64,
        /// When.
        step: u64,
        /// The last good checkpoint.
        checkpoint: Option<PathBuf>,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Io`] that names the path.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.as_ref().to_owned(), source }
    }

    /// An [`Error::Invalid`].
    pub fn invalid(path: impl AsRef<Path>, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Invalid { path: path.as_ref().to_owned(), problem: problem.into(), hint: hint.into() }
    }

    /// An [`Error::Usage`].
    pub fn usage(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { problem: problem.into(), hint: hint.into() }
    }

    /// What to do about it, if anything is known.
    pub fn hint(&self) -> Option<String> {
        use std::io::ErrorKind as Kind;
        let hint = match self {
            Self::Io { action, source, path } => match source.kind() {
                Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => {
                    "free some space and resume the run: it goes on from its last checkpoint"
                }
                _ => return galatea_data::io_hint(action, source, path),
            },
            Self::Invalid { hint, .. } | Self::Usage { hint, .. } => hint,
            Self::Setting(error) => return error.hint.clone(),
            Self::Data(error) => return error.hint(),
            Self::Model(error) => return error.hint(),
            Self::Locked { .. } => "wait until it ends or stop it; `galatea train` without `--resume` starts a new run",
            Self::NoCheckpoint { .. } => "start again with `galatea train --config` and the run's `config.toml`",
            Self::OtherConfig { .. } => {
                "leave these settings out to resume, or start a new run with `galatea train --config` and them"
            }
            Self::OtherData { .. } => "put the data back as they were, or start a new run",
            Self::Diverged { checkpoint: Some(path), .. } => {
                let good = path.display();
                return Some(format!(
                    "`{good}` is good and can be sampled; lower the learning rate and start a new run"
                ));
            }
            Self::Diverged { checkpoint: None, .. } => "lower the learning rate and start a new run",
        };
        Some(hint.to_owned())
    }
}
