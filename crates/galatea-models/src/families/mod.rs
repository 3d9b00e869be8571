//! One file per family.

pub mod bayesnet;
pub mod dcgan;
pub mod encoder;
pub mod gan;
pub mod hmm;
pub mod iwae;
pub mod lm;
pub mod pianoroll;
pub mod relgan;
pub mod rgan;
pub mod seqvae;
pub mod timegan;
pub mod vae;
pub mod vaegan;
pub mod vqvae;
