//! Errors of this crate.

/// What can go wrong when samples are judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading data.
    #[error(transparent)]
    Data(#[from] galatea_data::Error),
    /// Reading features.
    #[error(transparent)]
    Model(#[from] galatea_models::Error),
    /// Sets of samples that cannot be compared.
    #[error("{problem}")]
    Samples {
        /// What is wrong with them.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// A file of weights that is not what it should be.
    #[error("`{path}`: {problem}")]
    WeightFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights of features that are built in are broken.
    #[error("the weights of the features `{features}` cannot be read: {problem}")]
    Weights {
        /// Name of the features.
        features: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Samples`].
    pub fn samples(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Samples { problem: problem.into(), hint: hint.into() }
    }

    /// What to do about it, if anything is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Data(error) => error.hint(),
            Self::Model(error) => error.hint(),
            Self::Samples { hint, .. } => Some(hint.clone()),
            Self::WeightFile { .. } => Some(
                "use a file that `torch.save(model.state_dict(), path)` or safetensors wrote, such as \
                 `pt_inception-2015-12-05-6726825d.pth`"
                    .into(),
            ),
            Self::Weights { .. } => Some("the program is damaged; install it again".into()),
        }
    }
}
