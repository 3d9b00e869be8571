//! What a training step is told, what it asks for, and what it says.

/// Where training stands. Everything random in a step is a pure function of `seed` and `step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The seed of the run.
    pub seed: u64,
    /// Number of this step; the first is 1.
    pub step: u64,
    /// Number of steps of the whole run, which schedules are laid over.
    pub steps: u64,
}

impl Turn {
    /// Share of the run that is done when this step begins: in `[0, 1)`.
    pub fn progress(&self) -> f64 {
        (self.step - 1) as f64 / self.steps.max(1) as f64
    }
}

/// What a model wants to be given at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Examples in one batch; [`Demand::ALL`] for all that are trained on.
    pub batch: usize,
    /// Batches in one step.
    pub batches: usize,
}

impl Demand {
    /// All examples in one batch, in their order; of those that overlap, as many as do not.
    pub const ALL: usize = 0;
}

/// What a step has to say. Every value must be finite: the loop stops at the first that is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepReport {
    /// Names and values: `loss_d`, `loss_g`, `d_real`, `d_fake`, ... What a step did not compute is left out.
    pub scalars: Vec<(&'static str, f64)>,
}

impl StepReport {
    /// Notes a value, in place of an earlier one of this name.
    pub fn note(&mut self, name: &'static str, value: f64) {
        match self.scalars.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.scalars.push((name, value)),
        }
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.scalars.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}
