//! What several families share: layers, optimizer, averages, noise, adversarial losses, penalties and remedies.

pub mod adversarial;
pub mod average;
pub mod decoding;
pub mod layers;
pub mod loss;
pub mod markov;
pub mod network;
pub mod noise;
pub mod optimizer;
pub mod penalty;
pub mod remedy;
pub mod sequential;
pub mod stepper;
pub mod waves;
pub mod weights;
