//! One file per family.

pub mod bayesnet;
pub mod dcgan;
pub mod gan;
pub mod hmm;
pub mod iwae;
pub mod lm;
pub mod rgan;
pub mod vae;
