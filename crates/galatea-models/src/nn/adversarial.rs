//! What every adversarial family shares: its settings, and the pieces of a training step that do not depend on the
//! networks. The step itself stands in each family's file.

use burn::module::Module;
use burn::prelude::*;
use galatea_data::settings::{SettingError, Settings};
use galatea_data::{DataSpec, HostBatch, HostTensor, choice, settings};
use galatea_kernels::burn::{filled, from_vec, join, to_vec};

use super::condition;
pub use super::condition::{Conditional, Labels};
use super::loss::{Judged, LOSSES, Loss};
use super::noise::{self, Position, Purpose};
use super::optimizer::Adam;
use super::penalty;
use super::remedy::{self, Adaptive, Augmentation, Remedies, pack};
use crate::{Error, Part, Result, StepReport, Turn};

choice! {
    /// How the learning rates change over a run.
    pub enum Schedule {
        /// The same at every step.
        Constant = "constant",
        /// Falls on a line to zero at the last step.
        Linear = "linear",
        /// Falls on half a cosine to zero at the last step (Loshchilov and Hutter 2017, arXiv:1608.03983).
        Cosine = "cosine",
    }
}

impl Schedule {
    /// What the learning rate is multiplied by at this step.
    pub fn share(self, turn: Turn) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Linear => 1.0 - turn.progress(),
            Self::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * turn.progress()).cos()),
        }
    }
}

settings! {
    /// Settings of adversarial training.
    pub struct Adversarial {
        /// Real examples, and as many generated ones, in one discriminator step.
        batch: usize = 64, in 1..=65_535;
        /// Length of the latent vector z.
        latent: usize = 64, in 1..=4_096;
        /// Whether networks are told the classes: auto, yes or no.
        conditional: Conditional = Conditional::Auto;
        /// Adversarial loss: non-saturating, minimax, least-squares, hinge, wasserstein or relativistic.
        loss: String = "non-saturating".into();
        /// Learning rate of the generator.
        learning_rate_g: f64 = 2e-4, in 1e-9..=1.0;
        /// Learning rate of the discriminator; another one than the generator's is TTUR (Heusel et al. 2017, arXiv:1706.08500).
        learning_rate_d: f64 = 2e-4, in 1e-9..=1.0;
        /// How the learning rates change over the run: constant, linear or cosine.
        schedule: Schedule = Schedule::Constant;
        /// Adam's decay of the average of gradients.
        beta_1: f64 = 0.5, in 0.0..1.0;
        /// Adam's decay of the average of squared gradients.
        beta_2: f64 = 0.999, in 0.0..1.0;
        /// Adam's epsilon.
        epsilon: f64 = 1e-8, in 1e-12..=1.0;
        /// Discriminator steps to each generator step.
        discriminator_steps: usize = 1, in 1..=64;
        /// Gamma of R1, the penalty on the discriminator's slope at real examples; 0 for none.
        r1: f64 = 0.0, in 0.0..=1e4;
        /// Gamma of R2, the same at generated examples; 0 for none.
        r2: f64 = 0.0, in 0.0..=1e4;
        /// Weight of the gradient penalty of WGAN-GP; 0 for none.
        gradient_penalty: f64 = 0.0, in 0.0..=1e4;
        /// Penalties fall to this share over the run, by the same factor at each step; 1 leaves them as they are
        /// (Huang et al. 2024, arXiv:2501.05441, appendix: falling weights of R1 and R2).
        penalty_end: f64 = 1.0, in 1e-6..=1.0;
        /// Penalties are computed at every so many steps, and multiplied by as much.
        penalty_every: u64 = 8, in 1..=1_000;
        /// One-sided label smoothing: real examples have the target 1 minus this.
        label_smoothing: f64 = 0.0, in 0.0..0.5;
        /// Standard deviation of noise on the discriminator's input, falling on a line to 0 at the last step
        /// (Sønderby et al. 2017, arXiv:1610.04490).
        instance_noise: f64 = 0.0, in 0.0..=2.0;
        /// Divides the discriminator's weights by their largest singular value.
        spectral_norm: bool = false;
        /// Gradients whose norm over a network is above this are scaled down to it; 0 for never.
        clip_gradient: f64 = 0.0, in 0.0..=1e6;
        /// Decay per step of the average of the generator's weights that samples are drawn with; 0 for no average.
        ema: f64 = 0.999, in 0.0..1.0;
    }
    include {
        /// Remedies against collapse and against small data.
        remedies: Remedies = Remedies::default();
    }
}

impl Adversarial {
    /// The loss that the settings name, after checks that single ranges cannot make.
    ///
    /// # Errors
    /// If there is no such loss, if settings contradict each other, or if there are no classes where they are asked for.
    pub fn checked_loss(&self, spec: &DataSpec) -> Result<&'static Loss> {
        self.check()?;
        let loss = LOSSES.iter().copied().find(|loss| loss.name == self.loss).ok_or_else(|| {
            let names: Vec<&str> = LOSSES.iter().map(|loss| loss.name).collect();
            SettingError::new(format!("there is no loss `{}`", self.loss), format!("losses are {}", names.join(", ")))
        })?;
        if self.label_smoothing > 0.0 && !loss.has_targets {
            return Err(Error::usage(
                format!("`label_smoothing` does nothing to the loss `{}`, which has no targets", loss.name),
                "take it out, or use `loss=non-saturating`",
            ));
        }
        if loss.needs_penalty && self.gradient_penalty == 0.0 && !self.spectral_norm {
            return Err(Error::usage(
                format!("the loss `{}` needs a bound on the discriminator's slope", loss.name),
                "set `gradient_penalty=10 penalty_every=1`, or `spectral_norm=true`",
            ));
        }
        self.conditional.check(spec)?;
        self.remedies.check(self.batch, loss, spec)?;
        Ok(loss)
    }

    /// The classes that networks are told; empty for an unconditional model.
    pub fn classes(&self, spec: &DataSpec) -> Vec<String> {
        self.conditional.classes(spec)
    }

    /// The optimizers' settings.
    pub fn adam(&self) -> Adam {
        Adam {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            clip: self.clip_gradient,
            history: self.remedies.history,
        }
    }

    /// The generator's learning rate at this step.
    pub fn generator_rate(&self, turn: Turn) -> f64 {
        self.learning_rate_g * self.schedule.share(turn)
    }

    /// The discriminator's learning rate at this step.
    pub fn discriminator_rate(&self, turn: Turn) -> f64 {
        self.learning_rate_d * self.schedule.share(turn)
    }
}

/// Samples that are drawn together.
const SAMPLE_BATCH: usize = 64;

/// A discriminator. It takes examples in packs of the setting `pack`, `[n, pack * channels, ..]`, with as many classes
/// beside each other in a row of labels.
///
/// A logit depends on its own example, or pack, and beside that only on what [`Crowd`](remedy::Crowd) says of the others.
pub trait Critic<const D: usize>: Module {
    /// The last hidden layer, `[n, width]`, of examples `[n, ..]`.
    fn features(&self, x: Tensor<D>, labels: Labels) -> Tensor<2>;

    /// Logits `[n, 1]` from the last hidden layer.
    fn logits(&self, features: Tensor<2>, labels: Labels) -> Tensor<2>;

    /// The gradient of the sum of all logits by the examples, `[n, ..]`, from operations that can be differentiated again.
    fn slope(&self, x: Tensor<D>, labels: Labels) -> Tensor<D>;

    /// Logits `[n, 1]` of examples `[n, ..]`.
    fn judge(&self, x: Tensor<D>, labels: Labels) -> Tensor<2> {
        self.logits(self.features(x, labels.clone()), labels)
    }
}

/// The parts of a training step that all adversarial families share.
#[derive(Debug)]
pub struct Game {
    /// The settings.
    pub settings: Adversarial,
    /// Classes that the networks are told.
    pub classes: Vec<String>,
    loss: &'static Loss,
    device: Device,
    augmentation: Option<Augmentation>,
    adaptive: Option<Adaptive>,
}

impl std::fmt::Debug for Loss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Game {
    /// The game that `settings` describe on data like `spec`; training runs on `device`, which has autodiff.
    ///
    /// # Errors
    /// As [`Adversarial::checked_loss`].
    pub fn new(settings: Adversarial, spec: &DataSpec, device: Device) -> Result<Self> {
        let loss = settings.checked_loss(spec)?;
        let classes = settings.classes(spec);
        let remedies = &settings.remedies;
        let augmentation = match <[usize; 3]>::try_from(spec.shape()) {
            Ok(picture) => Augmentation::new(&remedies.augment, picture)?,
            Err(_) => None,
        };
        let adaptive = Adaptive::new(remedies, settings.batch * settings.discriminator_steps);
        Ok(Self { settings, classes, loss, device, augmentation, adaptive })
    }

    /// The device that is trained on, which has autodiff.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Real examples and their classes.
    ///
    /// # Errors
    /// If the batch has another shape than `[n, ..example]`, or no labels where the model wants them.
    pub fn real<const D: usize>(&self, batch: &HostBatch, example: &[usize]) -> Result<(Tensor<D>, Labels)> {
        let mut dims = [batch.len(); D];
        dims[1..].copy_from_slice(example);
        if batch.values.values.len() != dims.iter().product::<usize>() {
            return Err(Error::usage(
                format!("a batch is {:?}, the model takes {dims:?}", batch.values.shape),
                "train and resume on data of the same shape",
            ));
        }
        let pack = self.settings.remedies.pack;
        if batch.len() < pack {
            return Err(Error::usage(format!("{} examples are less than a pack of {pack}", batch.len()), "give more"));
        }
        let x = filled(dims, &self.device, |values| values.copy_from_slice(&batch.values.values));
        Ok((x, self.labels(batch.labels.as_deref(), batch.len(), &self.device)?))
    }

    /// `labels` as the networks take them, on `device`.
    ///
    /// # Errors
    /// If the model is conditional and labels are missing, unknown or of another number than `n`.
    pub fn labels(&self, labels: Option<&[u32]>, n: usize, device: &Device) -> Result<Labels> {
        condition::rows(labels, self.classes.len(), n, device)
    }

    /// Latent vectors `[n, latent]` for draw number `round` of this step.
    pub fn latents(&self, turn: Turn, round: usize, n: usize) -> Tensor<2> {
        let at = Position { step: turn.step, round: round as u8 };
        noise::normal(turn.seed, Purpose::Latent, at, n, self.settings.latent, &self.device)
    }

    /// Real and generated examples as the discriminator sees them, in one batch of packs.
    fn both<const D: usize>(&self, real: Tensor<D>, fake: Tensor<D>, labels: Labels) -> (Tensor<D>, Labels) {
        let (real, _) = self.packed(real, None);
        let (fake, labels) = self.packed(fake, labels);
        (join(real, fake), labels.map(|labels| join(labels.clone(), labels)))
    }

    /// Examples and classes in packs; what is left of a batch that does not come out even is left out.
    pub(crate) fn packed<const D: usize>(&self, x: Tensor<D>, labels: Labels) -> (Tensor<D>, Labels) {
        let count = self.settings.remedies.pack;
        (pack(x, count), labels.map(|labels| pack(labels, count)))
    }

    /// Logits of examples, one for each pack.
    pub fn judge<const D: usize>(&self, critic: &impl Critic<D>, x: Tensor<D>, labels: Labels) -> Tensor<2> {
        let (x, labels) = self.packed(x, labels);
        critic.judge(x, labels)
    }

    /// The discriminator's loss on real and generated examples, which pass it as one batch; noted in `report` with its
    /// outputs as probabilities.
    pub fn discriminator_loss<const D: usize>(
        &self,
        critic: &impl Critic<D>,
        [real, fake]: [Tensor<D>; 2],
        labels: Labels,
        report: &mut StepReport,
    ) -> Tensor<1> {
        let (x, labels) = self.both(real, fake, labels);
        let judged = halves(critic.judge(x, labels));
        let [d_real, d_fake] = probabilities(&judged, self.loss.undecided);
        report.note("d_real", d_real);
        report.note("d_fake", d_fake);
        if let (Some(_), Some(undecided)) = (&self.adaptive, self.loss.undecided) {
            report.note("real_signs", remedy::mean_sign(&judged.real, undecided));
        }
        let loss = (self.loss.discriminator)(judged, self.settings.label_smoothing as f32);
        report.note("loss_d", value(&loss));
        loss
    }

    /// The generator's loss under the discriminator, noted in `report`. Real examples are judged only where they count.
    pub fn generator_loss<const D: usize>(
        &self,
        critic: &impl Critic<D>,
        [real, fake]: [Tensor<D>; 2],
        labels: Labels,
        report: &mut StepReport,
    ) -> Tensor<1> {
        let matching = self.settings.remedies.feature_matching;
        let mut term = None;
        let judged = if matching > 0.0 || self.loss.generator_sees_real {
            let (x, labels) = self.both(real, fake, labels);
            let features = critic.features(x, labels.clone());
            if matching > 0.0 {
                let Judged { real, fake } = halves(features.clone());
                term = Some(remedy::feature_matching(real, fake));
            }
            halves(critic.logits(features, labels))
        } else {
            let fake = self.judge(critic, fake, labels);
            Judged { real: fake.clone(), fake }
        };
        let loss = (self.loss.generator)(judged);
        report.note("loss_g", value(&loss));
        match term {
            Some(term) => {
                report.note("feature_matching", value(&term));
                loss + term.mul_scalar(matching)
            }
            None => loss,
        }
    }

    /// `loss` with the generator's other terms, for examples `x` that were drawn from `z` in a step whose draw number
    /// `round` of latent vectors is free; `again` draws from others, for the same classes.
    pub fn with_mode_seeking<const D: usize>(
        &self,
        loss: Tensor<1>,
        (z, x): (Tensor<2>, Tensor<D>),
        again: impl FnOnce(Tensor<2>) -> Tensor<D>,
        (turn, round): (Turn, usize),
        report: &mut StepReport,
    ) -> Tensor<1> {
        let weight = self.settings.remedies.mode_seeking;
        if weight == 0.0 {
            return loss;
        }
        let other = self.latents(turn, round, z.dims()[0]);
        let term = remedy::mode_seeking([z, other.clone()], [x, again(other)]);
        report.note("mode_seeking", value(&term));
        loss + term.mul_scalar(weight)
    }

    /// Examples as the discriminator is to see them: augmented, and with this step's instance noise.
    pub fn disturbed<const D: usize>(&self, x: Tensor<D>, turn: Turn, round: usize) -> Tensor<D> {
        let at = Position { step: turn.step, round: round as u8 };
        let x = match &self.augmentation {
            Some(augmentation) => augmentation.apply(x, turn.seed, at, self.augment_probability()),
            None => x,
        };
        let deviation = self.settings.instance_noise * (1.0 - turn.progress());
        if deviation == 0.0 {
            return x;
        }
        let dims = x.dims();
        let elements = dims[1..].iter().product();
        let noise = noise::normal(turn.seed, Purpose::Instance, at, dims[0], elements, &self.device);
        x + noise.mul_scalar(deviation).reshape(dims)
    }

    fn augment_probability(&self) -> f64 {
        match &self.adaptive {
            Some(adaptive) => adaptive.probability(),
            None => self.settings.remedies.augment_probability,
        }
    }

    /// Lets what a step has shown change the next; to be called at its end.
    pub fn adapt(&mut self, report: &mut StepReport) {
        let Some(adaptive) = &mut self.adaptive else { return };
        report.note("augment_p", adaptive.probability());
        if let Some(signs) = report.get("real_signs") {
            adaptive.observe(signs);
        }
    }

    /// The game's own state, as a part of a checkpoint.
    pub fn to_part(&self) -> Option<Part> {
        self.adaptive.as_ref().map(Adaptive::to_part)
    }

    /// Takes back what [`to_part`](Self::to_part) gave.
    ///
    /// # Errors
    /// If it is missing.
    pub fn load(&mut self, parts: &[Part]) -> Result<()> {
        self.adaptive.as_mut().map_or(Ok(()), |adaptive| adaptive.load(parts))
    }

    /// The penalties that are due at this step, noted in `report`.
    pub fn penalty<const D: usize>(
        &self,
        critic: &impl Critic<D>,
        [real, fake]: [Tensor<D>; 2],
        labels: Labels,
        (turn, round): (Turn, usize),
        report: &mut StepReport,
    ) -> Option<Tensor<1>> {
        let Adversarial { r1, r2, gradient_penalty, penalty_every, penalty_end, .. } = self.settings;
        if !turn.step.is_multiple_of(penalty_every) {
            return None;
        }
        if r1 + r2 + gradient_penalty == 0.0 {
            return None;
        }
        let (real, _) = self.packed(real, None);
        let (fake, labels) = self.packed(fake, labels);
        let mut terms = Vec::new();
        if r1 > 0.0 {
            terms.push(penalty::squared(critic.slope(real.clone(), labels.clone())).mul_scalar(r1));
        }
        if r2 > 0.0 {
            terms.push(penalty::squared(critic.slope(fake.clone(), labels.clone())).mul_scalar(r2));
        }
        if gradient_penalty > 0.0 {
            let at = Position { step: turn.step, round: round as u8 };
            let share = noise::uniform(turn.seed, Purpose::Between, at, real.dims()[0], &self.device);
            let points = penalty::interpolate(real, fake, share);
            terms.push(penalty::between(critic.slope(points, labels)).mul_scalar(gradient_penalty));
        }
        let sum = terms.into_iter().reduce(|a, b| a + b)?;
        report.note("penalty", value(&sum));
        Some(sum.mul_scalar(penalty_every as f64 * penalty_end.powf(turn.progress())))
    }

    /// The logits of `critic`, which learns nothing, on real examples; `None` if it judges several examples together.
    ///
    /// # Errors
    /// As [`real`](Self::real).
    pub fn judge_alone<const D: usize>(
        &self,
        critic: &impl Critic<D>,
        examples: &HostBatch,
        shape: &[usize],
    ) -> Result<Option<Vec<f32>>> {
        let Remedies { pack, minibatch_std, minibatch_discrimination, .. } = self.settings.remedies;
        if pack > 1 || minibatch_std + minibatch_discrimination > 0 {
            return Ok(None);
        }
        let (x, labels) = self.real::<D>(examples, shape)?;
        Ok(Some(to_vec(critic.judge(x, labels).inner())))
    }

    fn check_latents(&self, latents: &HostTensor) -> Result<()> {
        if latents.shape.len() == 2 && latents.shape[1] == self.settings.latent {
            return Ok(());
        }
        Err(Error::usage(
            format!("latent vectors are {:?}", latents.shape),
            format!("this model takes [n, {}]", self.settings.latent),
        ))
    }

    /// Samples from latent vectors `[n, latent]` and their classes; `draw` gives a batch of them, row by row.
    ///
    /// Every batch is filled up to the same size: matrix products sum in another order for other sizes, and a sample must
    /// not depend on the batch that it is drawn in.
    ///
    /// # Errors
    /// If latent vectors have another length, or classes are missing or unknown.
    pub fn draw_in_batches(
        &self,
        latents: &HostTensor,
        labels: Option<&[u32]>,
        device: &Device,
        draw: impl Fn(Tensor<2>, Labels) -> Vec<f32>,
    ) -> Result<Vec<f32>> {
        self.check_latents(latents)?;
        let (n, width) = (latents.rows(), self.settings.latent);
        if labels.is_some_and(|labels| labels.len() != n) {
            return Err(Error::usage(format!("there is not one class for each of {n} samples"), "give as many"));
        }
        let mut values = Vec::new();
        for start in (0..n).step_by(SAMPLE_BATCH) {
            let rows = start..(start + SAMPLE_BATCH).min(n);
            let mut z = latents.values[rows.start * width..rows.end * width].to_vec();
            z.resize(SAMPLE_BATCH * width, 0.0);
            let labels = labels.map(|labels| {
                let mut labels = labels[rows.clone()].to_vec();
                labels.resize(SAMPLE_BATCH, 0);
                labels
            });
            let labels = self.labels(labels.as_deref(), SAMPLE_BATCH, device)?;
            let batch = draw(from_vec(z, [SAMPLE_BATCH, width], device), labels);
            values.extend_from_slice(&batch[..batch.len() / SAMPLE_BATCH * rows.len()]);
        }
        Ok(values)
    }

    /// Latent vectors of the samples that `request` names.
    pub fn sample_latents(&self, request: &crate::SampleRequest) -> HostTensor {
        let mut latents = noise::sample_latents(request.seed, request.range.clone(), self.settings.latent);
        if request.truncation != 1.0 {
            latents.values.iter_mut().for_each(|value| *value *= request.truncation);
        }
        latents
    }
}

/// Results for a batch of real examples and as many generated ones.
fn halves(both: Tensor<2>) -> Judged {
    let n = both.dims()[0] / 2;
    Judged { real: both.clone().narrow(0, 0, n), fake: both.narrow(0, n, n) }
}

fn value(loss: &Tensor<1>) -> f64 {
    to_vec(loss.clone().inner()).iter().map(|value| f64::from(*value)).sum()
}

/// Mean probabilities of being real that the discriminator gives real and generated examples. Where only differences of logits
/// count, that a real example is more real than a generated one, and the reverse, pair by pair (Jolicoeur-Martineau 2019,
/// arXiv:1807.00734, section 4.1): each logit alone means nothing then.
fn probabilities(judged: &Judged, undecided: Option<f32>) -> [f64; 2] {
    let mean = |logits: &[f32], than: &dyn Fn(usize) -> f32| {
        let sigmoid = |(i, logit): (usize, &f32)| 1.0 / (1.0 + f64::from(than(i) - logit).exp());
        logits.iter().enumerate().map(sigmoid).sum::<f64>() / logits.len() as f64
    };
    let [real, fake] = [&judged.real, &judged.fake].map(|logits| to_vec(logits.clone().inner()));
    match undecided {
        Some(undecided) => [&real, &fake].map(|logits| mean(logits, &|_| undecided)),
        None => [mean(&real, &|i| fake[i]), mean(&fake, &|i| real[i])],
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Settings of a discriminator whose logits depend on each other in every way that there is; a batch of 6 is 3 packs.
    pub(crate) fn crowded() -> Adversarial {
        let remedies = Remedies { pack: 2, minibatch_std: 3, minibatch_discrimination: 4, ..Remedies::default() };
        Adversarial { batch: 6, latent: 5, remedies, ..Adversarial::default() }
    }

    /// `count` examples of this shape, and classes beside them.
    pub(crate) fn packs<const D: usize>(shape: [usize; D], classes: usize) -> (Tensor<D>, Labels) {
        let device = Device::flex().autodiff();
        let x = filled(shape, &device, |values| galatea_kernels::random::fill_normal(3, 0, values));
        let rows = (0..shape[0] * classes).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
        (x.require_grad(), (classes > 0).then(|| from_vec(rows, [shape[0], classes], &device)))
    }

    #[test]
    fn probabilities_are_of_differences_where_only_those_count() {
        let judged = |shift: f32| {
            let of = |values: [f32; 2]| from_vec(values.map(|value| value + shift).to_vec(), [2, 1], &Device::flex());
            Judged { real: of([2.0, -1.0]), fake: of([-1.0, 1.0]) }
        };
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let close =
            |[a, b]: [f64; 2], [c, d]: [f64; 2]| assert!((a - c).abs() + (b - d).abs() < 1e-6, "{a} {b}, {c} {d}");
        close(probabilities(&judged(0.0), Some(0.0)), [0.5 * (sigmoid(2.0) + sigmoid(-1.0)), 0.5]);
        close(probabilities(&judged(0.5), Some(0.5)), probabilities(&judged(0.0), Some(0.0)));
        // Pair by pair, wherever the logits lie.
        let more_real = 0.5 * (sigmoid(3.0) + sigmoid(-2.0));
        close(probabilities(&judged(7.0), None), [more_real, 1.0 - more_real]);
    }

    /// Compares a critic's slope with the graph's.
    pub(crate) fn slope_is_the_gradient<const D: usize>(critic: &impl Critic<D>, (x, labels): (Tensor<D>, Labels)) {
        let tape = critic.judge(x.clone(), labels.clone()).sum().backward();
        let expected = to_vec(x.grad(&tape).expect("the logits depend on the examples"));
        let found = to_vec(critic.slope(x, labels).inner());
        let scale = expected.iter().fold(0.1f32, |scale, value| scale.max(value.abs()));
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-4 * scale, "at {i}: {found}, not {expected}");
        }
    }
}
