//! Training with a toy model: resuming, damage, full disks, divergence.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod checkpoints;
mod heal;
mod kill;
mod loops;
mod resume;
mod saved;
mod tensorboard;
mod toy;
