//! A network together with its optimizer, so that a training step reads like the paper.
//!
//! Paper: Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization", arXiv:1412.6980, algorithm 1.
//! Differs: gradients may be clipped to a global norm before, and weights decay as in Loshchilov and Hutter 2019,
//! arXiv:1711.05101.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::prelude::*;
use galatea_data::HostTensor;
use galatea_kernels::burn::{AdamStep, adamw_step, from_vec, squared_norm, to_vec};

use super::remedy::History;
use super::weights;
use crate::{Part, Purpose, Result, StepReport, Turn};

/// Steps between two at which norms of gradients are noted: each takes a pass over the gradient.
const NOTED_EVERY: u64 = 20;

/// Settings of [`Optimized`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay of the average of gradients.
    pub beta_1: f64,
    /// Decay of the average of squared gradients.
    pub beta_2: f64,
    /// Added to the root of the second average.
    pub epsilon: f64,
    /// Gradients whose norm over all weights is above this are scaled down to it; 0 for never.
    pub clip: f64,
    /// Weight of the pull to the average of the weights so far, see [`History`]; 0 for none.
    pub history: f64,
}

/// A network and what Adam keeps of its gradients.
#[derive(Debug)]
pub struct Optimized<M> {
    module: Option<M>,
    adam: Adam,
    /// Share of the learning rate by which matrices shrink at each step.
    decay: f64,
    steps: u64,
    /// First and second moments, flat, in the order of the network's trainable arrays.
    moments: Vec<(Tensor<1>, Tensor<1>)>,
    history: Option<History>,
}

impl<M: Module> std::ops::Deref for Optimized<M> {
    type Target = M;

    fn deref(&self) -> &M {
        self.module.as_ref().expect("the network is only taken out inside of one call")
    }
}

impl<M: Module> Optimized<M> {
    /// A network at the beginning of its training.
    pub fn new(module: M, adam: Adam) -> Self {
        let mut zeros = Zeros(Vec::new());
        module.visit(&mut zeros);
        let history = History::new(&module, adam.history);
        Self { module: Some(module), adam, decay: 0.0, steps: 0, moments: zeros.0, history }
    }

    /// The same, with weights that shrink by the learning rate times `decay` at each step: matrices, and not the vectors that
    /// scale and shift.
    pub fn with_decay(self, decay: f64) -> Self {
        Self { decay, ..self }
    }

    /// The same at the beginning of its training, pulled to the average of its weights so far; see [`Adam::history`].
    pub fn with_history(self, weight: f64) -> Self {
        let history = History::new(&*self, weight);
        Self { adam: Adam { history: weight, ..self.adam }, history, ..self }
    }

    /// The network with weights that do not follow gradients; gradients still flow through to its input.
    pub fn frozen(&self) -> M {
        (**self).clone().no_grad()
    }

    /// One step of Adam down the gradient of `loss`. Returns the gradient's norm where it was needed.
    pub fn descend(&mut self, loss: Tensor<1>, learning_rate: f64) -> Option<f64> {
        self.apply(self.gradients(loss), learning_rate, self.adam.clip > 0.0)
    }

    /// As [`descend`](Self::descend); at every 20th step, and where it was needed, the gradient's norm is noted as `name`.
    pub fn descend_noting(
        &mut self,
        loss: Tensor<1>,
        learning_rate: f64,
        turn: Turn,
        (name, report): (&'static str, &mut StepReport),
    ) {
        let measure = self.adam.clip > 0.0 || turn.step.is_multiple_of(NOTED_EVERY);
        if let Some(norm) = self.apply(self.gradients(loss), learning_rate, measure) {
            report.note(name, norm);
        }
    }

    fn gradients(&self, loss: Tensor<1>) -> GradientsParams {
        GradientsParams::from_module(&mut loss.backward(), &**self)
    }

    fn apply(&mut self, mut gradients: GradientsParams, learning_rate: f64, measure: bool) -> Option<f64> {
        self.steps += 1;
        if let Some(history) = &self.history {
            history.pull(&**self, &mut gradients);
        }
        let norm = measure.then(|| {
            let mut sum = Norm { gradients: &gradients, sum: 0.0 };
            (**self).visit(&mut sum);
            sum.sum.sqrt()
        });
        let Adam { beta_1, beta_2, epsilon, clip, .. } = self.adam;
        let scale = norm.filter(|norm| clip > 0.0 && *norm > clip).map_or(1.0, |norm| (clip / norm) as f32);
        let step = AdamStep {
            lr: learning_rate as f32,
            beta_1: beta_1 as f32,
            beta_2: beta_2 as f32,
            epsilon: epsilon as f32,
            step: self.steps,
        };
        if let Some(module) = self.module.take() {
            let moments = &mut self.moments;
            let decay = self.decay as f32;
            let mut update = Update { gradients: &mut gradients, moments, next: 0, step, scale, decay };
            let module = module.map(&mut update);
            if let Some(history) = &mut self.history {
                history.follow(&module);
            }
            self.module = Some(module);
        }
        norm
    }

    /// Replaces the network by what `change` makes of it, for changes that no gradient makes.
    pub fn change(&mut self, change: impl FnOnce(M) -> M) {
        self.module = self.module.take().map(change);
    }

    /// The optimizer's state as the part `name`.
    pub fn to_part(&self, name: &str) -> Part {
        let mut tensors = vec![("steps".to_owned(), weights::count(self.steps))];
        for (i, (first, second)) in self.moments.iter().enumerate() {
            for (which, moment) in [("first", first), ("second", second)] {
                let values = to_vec(moment.clone());
                tensors.push((format!("{which}.{i}"), HostTensor::new([values.len()], values)));
            }
        }
        tensors.extend(self.history.iter().flat_map(History::tensors));
        tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
        Part { name: name.to_owned(), tensors }
    }

    /// Takes back weights from the part `name` and, for training, the optimizer's state from `name-adam`.
    ///
    /// # Errors
    /// If a part or array is missing or has another shape.
    pub fn load(&mut self, name: &str, parts: &[Part], purpose: Purpose) -> Result<()> {
        let module = (**self).clone();
        self.module = Some(weights::from_parts(name, module, parts)?);
        if purpose == Purpose::Sampling {
            return Ok(());
        }
        let part = weights::find(&format!("{name}-adam"), parts)?;
        self.steps = weights::counted(part, "steps")?;
        for (i, (first, second)) in self.moments.iter_mut().enumerate() {
            for (which, moment) in [("first", first), ("second", second)] {
                let shape = moment.dims();
                let values = weights::array(part, &format!("{which}.{i}"), &shape)?.values.clone();
                *moment = from_vec(values, shape, &moment.device());
            }
        }
        self.history.as_mut().map_or(Ok(()), |history| history.load(part))
    }
}

/// Zero moments for every trainable array.
struct Zeros(Vec<(Tensor<1>, Tensor<1>)>);

impl ModuleVisitor for Zeros {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let value = param.val().inner();
            let zeros = || Tensor::zeros([value.dims().iter().product::<usize>()], &value.device());
            self.0.push((zeros(), zeros()));
        }
    }
}

struct Norm<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for Norm<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sum += squared_norm(gradient);
        }
    }
}

struct Update<'a> {
    gradients: &'a mut GradientsParams,
    moments: &'a mut Vec<(Tensor<1>, Tensor<1>)>,
    next: usize,
    step: AdamStep,
    scale: f32,
    decay: f32,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        let index = self.next;
        self.next += 1;
        let Some(gradient) = self.gradients.remove::<D>(param.id) else { return param };
        let (id, value, mapper) = param.consume();
        let dims = value.dims();
        let flat = [dims.iter().product::<usize>()];
        // The moments are taken out, so that the kernel finds them unshared and works in place.
        let empty = || Tensor::zeros([0], &gradient.device());
        let (first, second) = std::mem::replace(&mut self.moments[index], (empty(), empty()));
        let value = value.inner().reshape(flat);
        let decay = if D > 1 { self.decay } else { 0.0 };
        let gradient = gradient.reshape(flat);
        let (value, first, second) = adamw_step(value, gradient, self.scale, first, second, &self.step, decay);
        self.moments[index] = (first, second);
        Param::from_mapped_value(id, Tensor::from_inner(value.reshape(dims)).require_grad(), mapper)
    }
}
