//! What several families share: layers, optimizer, averages, noise, classes, adversarial losses, penalties and remedies,
//! autoencoders and likelihoods.

pub mod adversarial;
pub mod autoencoder;
pub mod average;
pub mod condition;
pub mod layers;
pub mod likelihood;
pub mod loss;
pub mod noise;
pub mod optimizer;
pub mod penalty;
pub mod remedy;
pub mod scale;
pub mod variational;
pub mod waves;
pub mod weights;
