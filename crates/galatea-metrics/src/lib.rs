//! Distances between sets of samples; one file per metric.
//!
//! A number without its protocol says nothing: names state how many samples and which features it rests on, and
//! [`evaluate`] puts beside each value what real data and what noise would have, and how far it depends on chance.

pub mod autocorrelation;
pub mod bleu;
pub mod copying;
pub mod discriminative;
pub mod diversity;
mod error;
mod evaluate;
pub mod features;
pub mod frechet;
mod gauge;
pub mod histogram;
pub mod inception_score;
pub mod kernel_distance;
pub mod likelihood;
pub mod linear_probe;
pub mod memorisation;
pub mod metric;
pub mod mmd;
pub mod mode_coverage;
pub mod music;
pub mod neighbours;
pub mod order;
pub mod points;
pub mod prdc;
pub mod predictive;
mod products;
pub mod progress;
pub mod realism;
pub mod repetition;
mod report;
pub mod sliced_wasserstein;
pub mod synthetic;
pub mod texts;
pub mod train_on_samples;
pub mod two_sample;
pub mod variational;
mod windows;

pub use error::{Error, Result};
pub use evaluate::{Arrays, Reference, evaluate, evaluate_arrays};
pub use gauge::{Gauge, choosing};
pub use metric::{METRICS, numbers};
pub use points::Points;
pub use report::{Context, FeaturesId, Report, Row, short};

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_data::HostTensor;
    use galatea_kernels::random;

    /// `[n, d]` normal values.
    pub(crate) fn normal(n: usize, d: usize, seed: u64, mean: f32, deviation: f32) -> Points {
        let mut values = vec![0.0; n * d];
        random::fill_normal(seed, 7, &mut values);
        values.iter_mut().for_each(|value| *value = mean + deviation * *value);
        Points::single(HostTensor::new([n, d], values)).unwrap()
    }
}
