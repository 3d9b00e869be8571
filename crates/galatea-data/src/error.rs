//! Errors of this crate: what was wrong, where, and what to do.

use std::path::{Path, PathBuf};

/// What can go wrong between bytes on disk and a batch.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A path could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// `read`, `write`, `list`, ...
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
        /// What to do, where there is something.
        hint: Option<String>,
    },
    /// Something on another machine, or on the way to it.
    #[error("{problem}")]
    Remote {
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The source, an option or a request makes no sense.
    #[error("{problem}")]
    Usage {
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: Option<String>,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Io`] that names the path.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.as_ref().to_owned(), source }
    }

    /// An [`Error::Invalid`] without a hint.
    pub fn invalid(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::Invalid { path: path.as_ref().to_owned(), problem: problem.into(), hint: None }
    }

    /// An [`Error::Usage`] without a hint.
    pub fn usage(problem: impl Into<String>) -> Self {
        Self::Usage { problem: problem.into(), hint: None }
    }

    /// The same error with a hint where its kind has one.
    #[must_use]
    pub fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Invalid { hint, .. } | Self::Usage { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// What to do about it, if anything is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Io { action, source, path } => io_hint(action, source, path),
            Self::Remote { hint, .. } => Some(hint.clone()),
            Self::Invalid { hint, .. } | Self::Usage { hint, .. } => hint.clone(),
        }
    }
}

/// What to do about something that the system refused: `action` is what it was asked for, as in [`Error::Io`].
pub fn io_hint(action: &str, source: &std::io::Error, path: &Path) -> Option<String> {
    use std::io::ErrorKind as Kind;
    let is_read = matches!(action, "read" | "list");
    let hint = match source.kind() {
        Kind::NotFound => return Some(format!("check the spelling of `{}`", path.display())),
        Kind::PermissionDenied if is_read => "check the permissions of the file and its folder",
        Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
            "choose a folder that you may write to, or change its permissions"
        }
        Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => "free some space or write to another disk",
        Kind::NotADirectory => "a folder is needed where there is a file; name another one",
        Kind::IsADirectory => "a file is needed where there is a folder; name another one",
        Kind::InvalidData => "the file is no text; name another one",
        _ => return None,
    };
    Some(hint.to_owned())
}
