//! CPU kernels for training, the thread pool they run on, and random numbers that are functions of their position.
//!
//! Kernels take plain slices and sizes. They are written once and compiled for each instruction set ([`Isa`]), which is
//! chosen at run time. [`burn`] holds what networks call: the kernels as operations on Burn's tensors.

pub mod activation;
pub mod attention;
pub mod bernoulli;
pub mod buffer;
pub mod burn;
pub mod conv;
pub mod conv_weight;
pub mod gelu;
pub mod group_norm;
pub mod gru;
pub mod layer_norm;
pub mod layout;
pub mod linear;
pub mod loss;
pub mod lstm;
pub mod norm;
pub mod optim;
mod pairs;
mod patches;
pub mod pictures;
pub mod pool;
pub mod random;
pub mod recurrent;
pub mod reference;
pub mod rows;
mod simd;
mod tile;

pub use simd::{Isa, force_isa, isa};

/// What follows a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(0, x)`.
    Relu,
    /// `x` where positive, and this slope times `x` elsewhere.
    LeakyRelu(f32),
    /// The hyperbolic tangent.
    Tanh,
    /// The logistic function.
    Sigmoid,
}

/// Sets the number of threads that all operations use; 0 for all cores. To be called before the first operation: Burn's
/// own threads are started with it.
pub fn set_threads(threads: usize) {
    pool::set_threads(threads);
    // An error says that Burn's threads were started before; results do not depend on their number.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(pool::threads()).build_global();
}
