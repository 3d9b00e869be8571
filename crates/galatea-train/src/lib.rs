//! The training loop, the run directory, checkpoints, events and observers.
//!
//! Nothing here knows a model or a kind of data by name: the loop holds a [`Session`](galatea_models::Session) and a
//! [`Dataset`](galatea_data::Dataset), and everything that is shown or kept on the way is an [`Observer`] of
//! [`Event`]s.
//!
//! - [`Run`] and [`Writer`]: the run directory, and the right to write to it.
//! - [`RunConfig`] and [`Plan`]: what a run is started with.
//! - [`Feed`]: the examples of each step, a pure function of seed and step.
//! - [`train`]: the loop, which resumes by itself.
//! - [`monitor`]: sees collapse and other failures while they happen.
//! - [`HealOptions`] and [`Intervention`]: what is done then.
//! - [`checkpoint`]: complete or absent, checked when read.
//! - [`Saved`]: a trained model, from a run or a file of its own, back as a session.

pub mod checkpoint;
mod config;
mod disk;
mod error;
mod events;
mod feed;
mod heal;
pub mod monitor;
pub mod observers;
mod plan;
mod run;
mod saved;
mod train;
mod weights;

pub use checkpoint::{Checkpoint, DataState, Progress};
pub use config::{DataConfig, RunConfig, differences};
pub use error::{Error, Result};
pub use events::{Action, Context, Event, Observer, Reading, announce};
pub use feed::{Feed, Transform};
pub use heal::{HealMode, HealOptions, Intervention};
pub use monitor::{Finding, Kind, Look, Monitor, MonitorOptions, Severity};
pub use plan::Plan;
pub use run::{Run, Writer};
pub use saved::{Saved, Which, export};
pub use train::{End, PREVIEW_SEED, Summary, train};
