//! Historical averaging: `|theta - 1/t sum_i theta_i|^2` in both losses, which pulls weights to the average of what they
//! have been and lets orbits round an equilibrium die away.
//!
//! Paper: Salimans et al. 2016, "Improved Techniques for Training GANs", arXiv:1606.03498, section 3.3.
//! Differs: its gradient, `2 (theta - mean)`, is added where the optimizer takes up the loss's, so that no graph is needed;
//! the average is updated after each step.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;
use galatea_data::HostTensor;
use galatea_kernels::burn::{from_vec, lerp, to_vec};

use crate::nn::weights;
use crate::{Part, Result};

/// The average of a network's trained weights over all steps so far.
#[derive(Debug)]
pub struct History {
    weight: f64,
    steps: u64,
    /// Flat, in the order of the network's trainable arrays.
    means: Vec<Tensor<1>>,
}

impl History {
    /// The history of a network at the beginning of its training, which counts for `weight`; `None` if that is 0.
    pub fn new<M: Module>(module: &M, weight: f64) -> Option<Self> {
        (weight > 0.0).then(|| {
            let mut live = Trained::default();
            module.visit(&mut live);
            Self { weight, steps: 0, means: live.values }
        })
    }

    /// Adds to the gradients of `module` what pulls it to its average.
    pub fn pull<M: Module>(&self, module: &M, gradients: &mut GradientsParams) {
        if self.steps > 0 {
            module.visit(&mut Pull { history: self, gradients, next: 0 });
        }
    }

    /// Takes the weights that `module` has now into the average.
    pub fn follow<M: Module>(&mut self, module: &M) {
        self.steps += 1;
        let mut live = Trained::default();
        module.visit(&mut live);
        let weight = (1.0 / self.steps as f64) as f32;
        self.means = self.means.drain(..).zip(live.values).map(|(mean, live)| lerp(mean, live, weight)).collect();
    }

    /// Names and values for a checkpoint.
    pub fn tensors(&self) -> Vec<(String, HostTensor)> {
        let mut tensors = vec![("history.steps".to_owned(), weights::count(self.steps))];
        for (i, mean) in self.means.iter().enumerate() {
            let values = to_vec(mean.clone());
            tensors.push((format!("history.{i}"), HostTensor::new([values.len()], values)));
        }
        tensors
    }

    /// Takes back what [`tensors`](Self::tensors) gave.
    ///
    /// # Errors
    /// If an array is missing or has another shape.
    pub fn load(&mut self, part: &Part) -> Result<()> {
        self.steps = weights::counted(part, "history.steps")?;
        for (i, mean) in self.means.iter_mut().enumerate() {
            let shape = mean.dims();
            let values = weights::array(part, &format!("history.{i}"), &shape)?.values.clone();
            *mean = from_vec(values, shape, &mean.device());
        }
        Ok(())
    }
}

/// Weights that gradients move, flat.
#[derive(Default)]
struct Trained {
    values: Vec<Tensor<1>>,
}

impl ModuleVisitor for Trained {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            self.values.push(flat(param.val().inner()));
        }
    }
}

struct Pull<'a> {
    history: &'a History,
    gradients: &'a mut GradientsParams,
    next: usize,
}

impl ModuleVisitor for Pull<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let mean = self.history.means[self.next].clone();
        self.next += 1;
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            let dims = gradient.dims();
            let pull = (flat(param.val().inner()) - mean).mul_scalar(2.0 * self.history.weight);
            self.gradients.register::<D>(param.id, gradient + pull.reshape(dims));
        }
    }
}

fn flat<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let length = [x.dims().iter().product::<usize>()];
    x.reshape(length)
}
