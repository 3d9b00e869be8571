//! What several families share: layers, optimizer, averages, noise, classes, adversarial losses, penalties and remedies,
//! autoencoders and likelihoods.

pub mod adversarial;
pub mod autoencoder;
pub mod average;
pub mod blocks;
pub mod codebook;
pub mod condition;
pub mod critic;
pub mod decoding;
pub mod kmeans;
pub mod layers;
pub mod likelihood;
pub mod loss;
pub mod markov;
pub mod near;
pub mod network;
pub mod noise;
pub mod optimizer;
pub mod penalty;
pub mod player;
mod pulling;
pub mod quantised;
pub mod recurrent;
pub mod remedy;
pub mod scale;
pub mod sequential;
pub mod stepper;
pub mod unrolled;
pub mod variational;
pub mod waves;
pub mod weights;
