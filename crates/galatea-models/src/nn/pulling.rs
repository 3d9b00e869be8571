//! Gradients through a trained generator and a trained discriminator, by what goes into them; their weights stay as they are.

use burn::prelude::*;
use galatea_data::HostTensor;
use galatea_kernels::burn::{from_vec, to_vec};

use super::adversarial::{Critic, Game, Labels};
use super::remedy::Remedies;
use crate::{Error, Result, Slope};

impl Game {
    /// What `draw` draws from latent vectors, `[n, ..]`, and the gradient by these, from that by what is drawn.
    ///
    /// # Errors
    /// If latent vectors have another length, or classes are missing or unknown.
    pub fn pull<const D: usize>(
        &self,
        latents: &HostTensor,
        labels: Option<&[u32]>,
        draw: impl FnOnce(Tensor<2>, Labels) -> Tensor<D>,
        slope: Slope<'_>,
    ) -> Result<[HostTensor; 2]> {
        let (n, width) = (latents.rows(), self.settings.latent);
        if latents.shape != [n, width] {
            return Err(Error::usage(
                format!("latent vectors are {:?}", latents.shape),
                format!("this model takes [n, {width}]"),
            ));
        }
        let device = self.device().clone();
        let labels = self.labels(labels, n, &device)?;
        let z = from_vec(latents.values.clone(), [n, width], &device);
        Ok(pulled(z, |z| draw(z, labels), slope))
    }

    /// The discriminator's last hidden layer of examples, `[n, width]`, and the gradient by the examples, from that by the features;
    /// `None` if it judges several examples together.
    ///
    /// # Errors
    /// If examples are of another shape, or classes are missing or unknown.
    pub fn pull_features<const D: usize>(
        &self,
        critic: &impl Critic<D>,
        examples: &HostTensor,
        labels: Option<&[u32]>,
        slope: Slope<'_>,
    ) -> Result<Option<[HostTensor; 2]>> {
        let Remedies { pack, minibatch_std, minibatch_discrimination, .. } = self.settings.remedies;
        if pack > 1 || minibatch_std + minibatch_discrimination > 0 {
            return Ok(None);
        }
        let device = self.device().clone();
        let n = examples.rows();
        let labels = self.labels(labels, n, &device)?;
        let mut dims = [n; D];
        match D {
            2 => dims[1] = examples.row_len(),
            _ => dims.copy_from_slice(&examples.shape),
        }
        let x = from_vec(examples.values.clone(), dims, &device);
        let [features, mut gradient] = pulled(x, |x| critic.features(x, labels), slope);
        gradient.shape = examples.shape.clone();
        Ok(Some([features, gradient]))
    }
}

/// `f(x)`, and the gradient by `x` from that by `f(x)`.
fn pulled<const A: usize, const B: usize>(
    x: Tensor<A>,
    f: impl FnOnce(Tensor<A>) -> Tensor<B>,
    slope: Slope<'_>,
) -> [HostTensor; 2] {
    let device = x.device();
    let x = x.require_grad();
    let y = f(x.clone());
    let value = HostTensor::new(y.dims().to_vec(), to_vec(y.clone().inner()));
    let towards = from_vec(slope(&value).values, y.dims(), &device);
    let gradients = (y * towards).sum().backward();
    let shape = x.dims().to_vec();
    let gradient = match x.grad(&gradients) {
        Some(gradient) => to_vec(gradient),
        None => vec![0.0; shape.iter().product()],
    };
    [value, HostTensor::new(shape, gradient)]
}
