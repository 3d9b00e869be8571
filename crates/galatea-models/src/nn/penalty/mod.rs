//! Penalties on the discriminator's slope, one file each. All take its input gradient, which can be differentiated.

mod between;
mod squared;

pub use between::{between, interpolate};
pub use squared::squared;
