//! Observers that write to the run directory; one file each.

mod json_lines;
mod samples;
mod tensorboard;

pub use json_lines::{JsonLines, Logged, append_readings, readings};
pub use samples::Samples;
pub use tensorboard::TensorBoard;
