//! CPU kernels for training, the thread pool they run on, and random numbers that are functions of their position.
//!
//! [`burn`] holds what networks call: operations on Burn's tensors. Today they are made of Burn's own operations, which
//! run on its `flex` backend; fused kernels go under the same signatures.

pub mod burn;
pub mod pool;
pub mod random;

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
