//! The one interface of every source of examples.

use crate::{DataSpec, HostBatch, Result};

/// What an example is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Portion {
    /// To learn from.
    Train,
    /// To choose between checkpoints by.
    Validation,
    /// To judge by.
    Test,
}

/// A finite, indexable set of examples.
///
/// Reading is by index and has no state, so that the examples of training step `t` are a pure function of
/// (seed, `t`) and any thread may read.
pub trait Dataset: Send + Sync {
    /// A short name for run directories and messages: `digits`, or the folder's name.
    fn name(&self) -> &str;

    /// Kind, shape and classes of the examples.
    fn spec(&self) -> &DataSpec;

    /// Number of examples.
    fn len(&self) -> usize;

    /// Whether there is no example. An opened data set never is.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The examples at `indices`, in that order; an index may come twice.
    ///
    /// # Errors
    /// If a file that is read only now has gone or changed.
    ///
    /// # Panics
    /// If an index is not below `len()`.
    fn batch(&self, indices: &[usize]) -> Result<HostBatch>;

    /// Class of example `index`, without decoding it; `None` where there are no labels.
    fn label(&self, index: usize) -> Option<u32>;

    /// How many examples before and after one have values in common with it, as windows of one text do; 0 where examples
    /// stand for themselves. Of data that overlap the last part is held back, and so many examples before it are left out.
    fn overlap(&self) -> usize {
        0
    }

    /// Whether it is known that all numbers of all examples are one, so that there is nothing to learn.
    fn is_constant(&self) -> bool {
        false
    }

    /// The number of what example `index` was cut from: examples of one number are held back together or not at all. Numbers
    /// grow with the index.
    fn group(&self, index: usize) -> usize {
        index
    }

    /// What example `index` is for, where the data say so themselves.
    fn portion(&self, _index: usize) -> Option<Portion> {
        None
    }

    /// SHA-256 over spec and contents in hex, or over names, sizes and dates for data that is streamed.
    fn fingerprint(&self) -> &str;

    /// What was decided on the user's behalf: the size, the range of the values, the channels.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    /// What the user should know: duplicates, constant pictures, very few examples, files that were skipped.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
