//! One error for all that the library does.

/// What can go wrong: what, where, and in [`hint`](Error::hint) what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing data.
    #[error(transparent)]
    Data(#[from] galatea_data::Error),
    /// Making, training or asking a model.
    #[error(transparent)]
    Model(#[from] galatea_models::Error),
    /// The training loop, a run or a checkpoint.
    #[error(transparent)]
    Train(#[from] galatea_train::Error),
    /// Judging.
    #[error(transparent)]
    Metrics(#[from] galatea_metrics::Error),
    /// A request that makes no sense.
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
    /// An [`Error::Usage`].
    pub fn usage(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { problem: problem.into(), hint: Some(hint.into()) }
    }

    /// What to do about it, if anything is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(error) => error.hint(),
            Self::Model(error) => error.hint(),
            Self::Train(error) => error.hint(),
            Self::Metrics(error) => error.hint(),
            Self::Usage { hint, .. } => hint.clone(),
        }
    }

    /// Whether the request was wrong, and not the world: the program exits with 2 then, with 1 otherwise.
    pub fn is_usage(&self) -> bool {
        use galatea_train::Error as Train;
        let of_data = |error: &galatea_data::Error| matches!(error, galatea_data::Error::Usage { .. });
        let of_model = |error: &galatea_models::Error| {
            matches!(error, galatea_models::Error::Usage { .. } | galatea_models::Error::Setting(_))
        };
        match self {
            Self::Usage { .. } | Self::Train(Train::Usage { .. } | Train::Setting(_)) => true,
            Self::Data(error) | Self::Train(Train::Data(error)) => of_data(error),
            Self::Model(error) | Self::Train(Train::Model(error)) => of_model(error),
            Self::Train(_) | Self::Metrics(_) => false,
        }
    }
}

impl From<galatea_data::settings::SettingError> for Error {
    fn from(error: galatea_data::settings::SettingError) -> Self {
        Self::Usage { problem: error.problem, hint: error.hint }
    }
}
