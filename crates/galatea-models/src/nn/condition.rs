//! Classes beside examples: which of them a model is told, and as what.

use burn::prelude::*;
use galatea_data::{DataSpec, choice};
use galatea_kernels::burn::{beside, from_vec};

use crate::{Error, Result};

choice! {
    /// Whether a model is told the class of each example.
    pub enum Conditional {
        /// Where the data has classes, at most 100 of them.
        Auto = "auto",
        /// Always; data without classes is an error.
        Yes = "yes",
        /// Never.
        No = "no",
    }
}

/// Classes that networks are told unasked.
const MOST_CLASSES: usize = 100;

/// Classes of a batch as rows with a single 1, `[n, classes]`; `None` for an unconditional model.
pub type Labels = Option<Tensor<2>>;

impl Conditional {
    /// Whether the data have what is asked for.
    ///
    /// # Errors
    /// If there are no classes where they are asked for.
    pub fn check(self, spec: &DataSpec) -> Result<()> {
        if self == Self::Yes && spec.classes().is_empty() {
            return Err(Error::usage(
                "`conditional=yes` needs data with classes",
                "put the images of each class into a sub-folder, or use `conditional=auto`",
            ));
        }
        Ok(())
    }

    /// The classes that networks are told; empty for an unconditional model.
    pub fn classes(self, spec: &DataSpec) -> Vec<String> {
        match self {
            Self::No => Vec::new(),
            // So many classes are rarely what is meant, and examples of each are few.
            Self::Auto if spec.classes().len() > MOST_CLASSES => Vec::new(),
            Self::Auto | Self::Yes => spec.classes().to_vec(),
        }
    }
}

/// `labels` of `n` examples as networks that are told so many classes take them, on `device`.
///
/// # Errors
/// If there are classes, and labels are missing, unknown or of another number than `n`.
pub fn rows(labels: Option<&[u32]>, classes: usize, n: usize, device: &Device) -> Result<Labels> {
    if classes == 0 {
        return Ok(None);
    }
    let labels = labels.filter(|labels| labels.len() == n).ok_or_else(|| {
        Error::usage("the model wants a class for each example", "use data with classes, or `conditional=no`")
    })?;
    let mut rows = vec![0.0; n * classes];
    for (row, &label) in rows.chunks_exact_mut(classes).zip(labels) {
        *row.get_mut(label as usize).ok_or_else(|| {
            Error::usage(format!("there is no class {label}"), format!("classes are 0 to {}", classes - 1))
        })? = 1.0;
    }
    Ok(Some(from_vec(rows, [n, classes], device)))
}

/// `x` with the rows of classes beside it, where there are any.
pub fn with_labels(x: Tensor<2>, labels: Labels) -> Tensor<2> {
    match labels {
        Some(labels) => beside(x, labels),
        None => x,
    }
}
