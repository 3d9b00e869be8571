//! Examples that go through a trained network in blocks of always the same size: matrix products sum in another order for
//! other sizes, and what is said of an example must not depend on its batch.

use std::ops::Range;

use burn::prelude::*;
use galatea_data::{HostBatch, HostTensor};
use galatea_kernels::burn::from_vec;

use crate::{Error, Result};

/// Rows of a block.
pub const BLOCK: usize = 128;

/// The numbers `0..n` in blocks.
pub fn blocks(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(n))
}

/// `rows` of `[.., width]` values as a block, filled up with zeros: `[BLOCK, width]`.
pub fn block(values: &[f32], rows: Range<usize>, width: usize, device: &Device) -> Tensor<2> {
    let mut values = values[rows.start * width..rows.end * width].to_vec();
    values.resize(BLOCK * width, 0.0);
    from_vec(values, [BLOCK, width], device)
}

/// Checks that examples are `[n, ..shape]` of finite values.
///
/// # Errors
/// If they are not.
pub fn check_examples(batch: &HostBatch, shape: &[usize]) -> Result<()> {
    let HostTensor { shape: found, values } = &batch.values;
    if found.len() != 1 + shape.len() || found[1..] != *shape {
        return Err(Error::usage(
            format!("examples are {found:?}, and the model takes [n, {shape:?}]"),
            "use data of the shape that the model was trained on",
        ));
    }
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::usage(format!("value {at} of the examples is {}", values[at]), "leave such examples out"));
    }
    Ok(())
}

/// Checks that latent vectors are `[n, latent]`, with a class for each where there are classes.
///
/// # Errors
/// If they are not.
pub fn check_latents(latents: &HostTensor, latent: usize, labels: Option<&[u32]>) -> Result<()> {
    if latents.shape.len() != 2 || latents.shape[1] != latent {
        return Err(Error::usage(
            format!("latent vectors are {:?}", latents.shape),
            format!("this model takes [n, {latent}]"),
        ));
    }
    if labels.is_some_and(|labels| labels.len() != latents.rows()) {
        return Err(Error::usage(
            format!("there is not one class for each of {} samples", latents.rows()),
            "give as many",
        ));
    }
    Ok(())
}
