//! Everything that can be trained and sampled: one file per family in `families/`, shared parts in `nn/`.

mod abilities;
pub mod classifier;
pub mod encoder;
mod error;
pub mod families;
mod model;
pub mod nn;
pub mod registry;

pub use abilities::{Ability, Bound, Complete, Compose, Condition, Encode, Likelihood, Reconstruct, Score, States};
pub use error::{Error, Result};
pub use model::{
    Demand, Entry, Family, Info, Latent, Model, Part, Preset, Purpose, SampleRequest, Session, StepReport, Turn,
};
pub use nn::decoding::Decoding;
