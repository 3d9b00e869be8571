//! Everything that can be trained and sampled: one file per family in `families/`, shared parts in `nn/`.

mod abilities;
pub mod classifier;
pub mod encoder;
mod error;
pub mod families;
pub mod inverter;
mod model;
pub mod nn;
pub mod probe;
pub mod registry;
mod step;

pub use abilities::{
    Bound, Complete, Compose, Condition, Encode, Invert, Latent, Likelihood, Reconstruct, Score, Slope, States,
};
pub use error::{Error, Result};
pub use model::{Ability, Entry, Family, Info, Model, Part, Preset, Purpose, SampleRequest, Session};
pub use nn::decoding::Decoding;
pub use step::{Demand, StepReport, Turn};
