//! Adaptive augmentation: the probability `p` of changing pictures follows how far the discriminator overfits, measured by
//! `r = E sign(D(x))` on real pictures: every 4 steps `p` rises a little while `r` is above a target, and falls below it.
//!
//! Paper: Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data", arXiv:2006.06676, section 3.1.
//! Differs: `p` goes from 0 to 1 over 10,000 pictures where the paper, whose runs see 25 million, takes 500,000; signs are
//! taken from the middle between the loss's targets; the kinds of change are those of `augment`.

use burn::prelude::*;
use galatea_data::HostTensor;
use galatea_kernels::burn::to_vec;

use super::Remedies;
use crate::nn::weights;
use crate::{Part, Result};

/// Steps between two changes of the probability. Section 3.1.
const EVERY: f32 = 4.0;

/// The name of its part of a checkpoint.
const PART: &str = "adaptive-augment";

/// The probability, and what it is changed by.
#[derive(Clone, Debug, PartialEq)]
pub struct Adaptive {
    target: f32,
    most: f32,
    /// What one change is.
    change: f32,
    probability: f32,
    /// Sum of the means of signs since the last change.
    signs: f32,
    /// Steps since the last change.
    steps: f32,
}

impl Adaptive {
    /// The beginning, with a probability of 0; `None` if the settings do not ask for it. `seen` is how many real examples
    /// a step shows.
    pub fn new(remedies: &Remedies, seen: usize) -> Option<Self> {
        let Remedies { adaptive_augment: target, augment_probability: most, adaptive_images, .. } = *remedies;
        (target > 0.0).then(|| Self {
            target: target as f32,
            most: most as f32,
            change: (EVERY as f64 * seen as f64 / adaptive_images as f64) as f32,
            probability: 0.0,
            signs: 0.0,
            steps: 0.0,
        })
    }

    /// The probability of this step.
    pub fn probability(&self) -> f64 {
        self.probability.into()
    }

    /// Takes in the mean sign of a step.
    pub fn observe(&mut self, mean_sign: f64) {
        self.signs += mean_sign as f32;
        self.steps += 1.0;
        if self.steps < EVERY {
            return;
        }
        let r = self.signs / self.steps;
        let change = if r > self.target { self.change } else { -self.change };
        self.probability = (self.probability + change).clamp(0.0, self.most);
        (self.signs, self.steps) = (0.0, 0.0);
    }

    /// Its state as a part of a checkpoint.
    pub fn to_part(&self) -> Part {
        let one = |name: &str, value: f32| (name.to_owned(), HostTensor::new([1], vec![value]));
        let tensors = vec![one("probability", self.probability), one("signs", self.signs), one("steps", self.steps)];
        Part { name: PART.into(), tensors }
    }

    /// Takes back what [`to_part`](Self::to_part) gave.
    ///
    /// # Errors
    /// If the part or a number is missing.
    pub fn load(&mut self, parts: &[Part]) -> Result<()> {
        let part = weights::find(PART, parts)?;
        let one = |name: &str| weights::array(part, name, &[1]).map(|array| array.values[0]);
        let [probability, signs, steps] = [one("probability")?, one("signs")?, one("steps")?];
        (self.probability, self.signs, self.steps) = (probability.clamp(0.0, self.most), signs, steps);
        Ok(())
    }
}

/// The mean sign of logits less the one at which the discriminator is undecided.
pub fn mean_sign(logits: &Tensor<2>, undecided: f32) -> f64 {
    let logits = to_vec(logits.clone().inner());
    let sign = |logit: &f32| match logit.partial_cmp(&undecided) {
        Some(std::cmp::Ordering::Greater) => 1.0,
        Some(std::cmp::Ordering::Less) => -1.0,
        _ => 0.0,
    };
    logits.iter().map(sign).sum::<f64>() / logits.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use galatea_kernels::burn::from_vec;

    use super::*;

    fn adaptive() -> Adaptive {
        let remedies =
            Remedies { adaptive_augment: 0.6, augment_probability: 0.8, adaptive_images: 1_000, ..Remedies::default() };
        Adaptive::new(&remedies, 16).unwrap()
    }

    #[test]
    fn the_probability_rises_while_the_discriminator_overfits_and_falls_otherwise() {
        let mut adaptive = adaptive();
        let mut after = |steps: usize, sign: f64| {
            (0..steps).for_each(|_| adaptive.observe(sign));
            adaptive.probability()
        };
        // Four steps of 16 pictures are 64 of the thousand from 0 to 1.
        assert_eq!(after(3, 1.0), 0.0);
        assert!((after(1, 1.0) - 0.064).abs() < 1e-6);
        assert!((after(36, 0.7) - 0.64).abs() < 1e-5);
        assert!((after(8, 0.5) - 0.512).abs() < 1e-5);
        assert!((after(400, 0.9) - 0.8).abs() < 1e-6, "no more than `augment_probability`");
        assert_eq!(after(400, -1.0), 0.0);
        assert!(Adaptive::new(&Remedies::default(), 16).is_none());
    }

    #[test]
    fn it_is_the_mean_that_counts() {
        let mut adaptive = adaptive();
        [1.0, 1.0, 1.0, -0.7].into_iter().for_each(|sign| adaptive.observe(sign));
        assert_eq!(adaptive.probability(), 0.0, "their mean is 0.575");
        [1.0, 1.0, 1.0, -0.5].into_iter().for_each(|sign| adaptive.observe(sign));
        assert!(adaptive.probability() > 0.0, "their mean is 0.625");
    }

    #[test]
    fn signs_are_taken_from_where_the_loss_is_undecided() {
        let logits = from_vec(vec![2.0, 0.4, -3.0, 0.6], [4, 1], &Device::flex().autodiff());
        assert_eq!(mean_sign(&logits, 0.0), 0.5);
        assert_eq!(mean_sign(&logits, 0.5), 0.0);
        assert_eq!(mean_sign(&logits, 0.6), -0.25);
    }

    #[test]
    fn its_state_is_saved_between_two_changes() {
        let mut saved = adaptive();
        (0..9).for_each(|_| saved.observe(0.9));
        let part = saved.to_part();
        assert!(part.tensors.is_sorted_by_key(|(name, _)| name));
        let mut loaded = adaptive();
        loaded.load(&[part]).unwrap();
        assert_eq!(loaded, saved);
        assert!(adaptive().load(&[]).is_err());
    }
}
