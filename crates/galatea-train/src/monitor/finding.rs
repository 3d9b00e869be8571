//! What the monitor says.

use serde::{Deserialize, Serialize};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Kind {
    /// A value has become infinite or NaN, or losses and gradients are on their way there.
    Divergence,
    /// Samples leave out much of what there is in the data.
    DroppedModes,
    /// Samples are copies of each other.
    NearDuplicates,
    /// The discriminator tells real from generated with ease, and the generator learns nothing from it.
    Overpowering,
    /// Samples move to other kinds of example from look to look.
    Oscillation,
    /// The discriminator knows its training examples by heart.
    Overfitting,
    /// Latent vectors say nothing of the examples that they are made from.
    PosteriorCollapse,
}

impl Kind {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Divergence,
        Self::DroppedModes,
        Self::NearDuplicates,
        Self::Overpowering,
        Self::Oscillation,
        Self::Overfitting,
        Self::PosteriorCollapse,
    ];

    /// As people say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Divergence => "divergence",
            Self::DroppedModes => "mode collapse (dropped modes)",
            Self::NearDuplicates => "mode collapse (near-duplicates)",
            Self::Overpowering => "discriminator overpowering",
            Self::Oscillation => "oscillation",
            Self::Overfitting => "discriminator overfitting",
            Self::PosteriorCollapse => "posterior collapse",
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; it may pass.
    Notice,
    /// Training will come to nothing if it goes on like this.
    Severe,
}

impl Severity {
    /// As people say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Notice => "notice",
            Self::Severe => "severe",
        }
    }
}

/// Something that the monitor has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// The step after which it was seen.
    pub step: u64,
    /// All was well until this step, as far as one can tell.
    pub since: u64,
    /// What it was seen by, in a sentence with numbers.
    pub evidence: String,
    /// Settings that help; empty if there are none left to change.
    #[serde(default)]
    pub hint: String,
}
