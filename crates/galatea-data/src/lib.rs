//! Bytes on disk to host batches that know their shape; one file per format.

mod augment;
mod batch;
mod bpe;
mod dataset;
mod error;
pub mod events;
pub mod fetch;
pub mod formats;
mod inputs;
pub mod music;
mod options;
mod parallel;
mod picture;
mod points;
mod sequences;
mod series;
mod set;
pub mod settings;
mod spec;
mod split;
mod table;
mod text;
pub mod write;

pub use augment::{AugmentOptions, augment, between_pixels};
pub use batch::{HostBatch, HostTensor};
pub use dataset::{Dataset, Portion};
pub use error::{Error, Result, io_hint};
pub use formats::{open, open_table, open_text};
pub use inputs::Inputs;
pub use music::MusicSpec;
pub use options::{Channels, DataOptions, Examples, Fit, Missing, Tokens};
pub use series::SeriesSpec;
pub use spec::{DataSpec, ImageSpec, Mixture, PointSpec};
pub use split::{Split, split, split_labels};
pub use table::{Column, TableSpec};
pub use text::{Decoder, TextSpec, Vocabulary, told};
