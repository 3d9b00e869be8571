//! Everything that can be trained and sampled: one file per family in `families/`, shared parts in `nn/`.

pub mod classifier;
pub mod encoder;
mod error;
pub mod families;
mod model;
pub mod nn;
pub mod registry;

pub use error::{Error, Result};
pub use model::{
    Ability, Complete, Condition, Demand, Entry, Family, Info, Latent, Likelihood, Model, Part, Preset, Purpose,
    SampleRequest, Session, StepReport, Turn,
};
pub use nn::decoding::Decoding;
