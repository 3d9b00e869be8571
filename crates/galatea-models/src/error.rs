//! Errors of this crate.

use galatea_data::settings::SettingError;

/// What can go wrong when a model is made, trained, loaded or asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that cannot be.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A request that makes no sense for this model or these data.
    #[error("{problem}")]
    Usage {
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// Weights that do not fit the model.
    #[error("part `{part}` of the weights does not fit the model: {problem}")]
    Weights {
        /// The part.
        part: String,
        /// What is missing or different.
        problem: String,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Usage`].
    pub fn usage(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { problem: problem.into(), hint: hint.into() }
    }

    /// An [`Error::Weights`].
    pub fn weights(part: &str, problem: impl Into<String>) -> Self {
        Self::Weights { part: part.to_owned(), problem: problem.into() }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Setting(error) => error.hint.clone(),
            Self::Usage { hint, .. } => Some(hint.clone()),
            Self::Weights { .. } => {
                Some("the weights were made by another version or with other settings; train again".into())
            }
        }
    }
}
