//! One file per family.

pub mod dcgan;
pub mod gan;
pub mod lm;
