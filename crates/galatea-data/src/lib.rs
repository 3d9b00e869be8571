//! Bytes on disk to host batches that know their shape; one file per format.

mod batch;
mod dataset;
mod error;
pub mod settings;
mod spec;

pub use batch::{HostBatch, HostTensor};
pub use dataset::Dataset;
pub use error::{Error, Result};
pub use spec::{DataSpec, ImageSpec};
