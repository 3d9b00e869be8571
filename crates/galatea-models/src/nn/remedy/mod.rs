//! Remedies against collapse and against small data, one file each, for every family whose
//! loss is that of `nn::adversarial`. All are off unless they are asked for.
//!
//! They reach a training step in four ways, so that a family's file need not know which of them are on: examples are
//! changed before the discriminator sees them (`augment`) or shown to it several at a time (`pack`); its last hidden layer
//! is told of the examples beside each ([`Crowd`]); terms are added to the generator's loss (`feature_matching`,
//! `mode_seeking`); and both optimizers pull (`history`).

mod adaptive_augment;
mod augment;
mod crowd;
mod feature_matching;
mod history;
mod minibatch_discrimination;
mod minibatch_std;
mod mode_seeking;
mod pack;

use galatea_data::settings::SettingError;
use galatea_data::{DataSpec, settings};

use super::loss::Loss;
use crate::{Error, Result};

pub use adaptive_augment::{Adaptive, mean_sign};
pub use augment::Augmentation;
pub use crowd::Crowd;
pub use feature_matching::feature_matching;
pub use history::History;
pub use mode_seeking::mode_seeking;
pub use pack::pack;

settings! {
    /// Remedies against collapse and against small data.
    pub struct Remedies {
        /// Packing (PacGAN): the discriminator judges so many examples at once, and sees when they are too much alike; 1
        /// for one at a time.
        pack: usize = 1, in 1..=16;
        /// Minibatch standard deviation: the discriminator is told how much examples differ within groups of so many; 0 for
        /// not at all.
        minibatch_std: usize = 0, in 0..=1_024;
        /// Minibatch discrimination: in so many learnt ways the discriminator is told how close each example is to the others
        /// of its batch; 0 for none.
        minibatch_discrimination: usize = 0, in 0..=512;
        /// Weight of feature matching: the generator also brings the mean of the discriminator's last hidden layer to that of
        /// real examples; 0 for none.
        feature_matching: f64 = 0.0, in 0.0..=1e4;
        /// Weight of the mode-seeking loss: the generator also keeps examples of different latent vectors apart; 0 for none.
        mode_seeking: f64 = 0.0, in 0.0..=1e4;
        /// Weight of historical averaging: both networks are pulled to the average of their weights so far; 0 for none.
        history: f64 = 0.0, in 0.0..=1e3;
        /// How pictures, real and generated alike, are changed before the discriminator sees them: `none`, `all`, or some of
        /// colour, translation, cutout, rotation and scaling, such as `colour,translation`.
        augment: String = "none".into();
        /// Probability of each of these changes; with `adaptive_augment` the highest that it may take.
        augment_probability: f64 = 1.0, in 0.0..=1.0;
        /// Adaptive augmentation: the probability begins at 0 and rises while the mean sign of the discriminator's outputs on
        /// real pictures, 1 where it is sure of all of them, is above this target, and falls below it; 0.6 is the paper's; 0
        /// for off.
        adaptive_augment: f64 = 0.0, in 0.0..1.0;
        /// Real examples over which the adaptive probability goes from 0 to 1 if it only rises.
        adaptive_images: u64 = 10_000, in 100..=100_000_000;
    }
}

/// Numbers that comparing every example with every other may take.
const MOST_PAIRS: usize = 1 << 26;

impl Remedies {
    /// Checks what single ranges cannot.
    ///
    /// # Errors
    /// What does not go together, and what would.
    pub fn check(&self, batch: usize, loss: &Loss, spec: &DataSpec) -> Result<()> {
        if !batch.is_multiple_of(self.pack) {
            return Err(Error::usage(
                format!("a batch of {batch} cannot be packed by {}", self.pack),
                format!("make `batch` a multiple of it, such as {}", batch.next_multiple_of(self.pack)),
            ));
        }
        let judged = batch / self.pack;
        let of_packs = if self.pack > 1 { " packs" } else { "" };
        if self.minibatch_std == 1 || self.minibatch_std > 0 && !judged.is_multiple_of(self.minibatch_std) {
            return Err(Error::usage(
                format!("`minibatch_std` cannot make groups of {} out of {judged}{of_packs}", self.minibatch_std),
                "it takes a number from 2 on by which `batch`, divided by `pack`, can be divided, such as 4",
            ));
        }
        if self.minibatch_discrimination > 0 {
            let numbers =
                judged.saturating_mul(judged).saturating_mul(2 * Crowd::WIDTH * self.minibatch_discrimination);
            if judged < 2 || numbers > MOST_PAIRS {
                return Err(Error::usage(
                    format!("`minibatch_discrimination` cannot compare {judged}{of_packs} with each other"),
                    "it is for 2 to some hundred examples: change `batch`, lower `minibatch_discrimination`, or use \
                     `minibatch_std=4`",
                ));
            }
        }
        let kinds = augment::kinds(&self.augment)?;
        if !kinds.is_empty() && spec.kind() != "images" {
            return Err(Error::usage(
                format!("`augment` changes pictures, and these are {}", spec.kind()),
                "leave it out; `instance_noise=0.1` works on all data",
            ));
        }
        if self.adaptive_augment > 0.0 {
            if kinds.is_empty() {
                return Err(SettingError::new(
                    "`adaptive_augment` does nothing while `augment` is `none`",
                    "say what may be changed: `augment=all`, or `augment=colour,translation`",
                )
                .into());
            }
            if loss.undecided.is_none() {
                return Err(Error::usage(
                    format!("`adaptive_augment` cannot tell what is taken for real under the loss `{}`", loss.name),
                    "use `loss=non-saturating` or `loss=hinge`, or `augment` with a fixed `augment_probability`",
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use galatea_data::ImageSpec;

    use super::*;
    use crate::nn::adversarial::Adversarial;

    fn refusal(batch: usize, loss: &str, remedies: Remedies) -> String {
        let spec = DataSpec::Images(ImageSpec { channels: 1, height: 8, width: 8, classes: vec![] });
        let settings = Adversarial { batch, loss: loss.into(), remedies, ..Adversarial::default() };
        match settings.checked_loss(&spec) {
            Ok(_) => "none".into(),
            Err(error) => format!("{error} | {}", error.hint().expect("an error says what to do")),
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_a_remedy() {
        let off = Remedies::default;
        let refused = |remedies| refusal(64, "non-saturating", remedies);
        assert_eq!(refused(off()), "none");
        assert_eq!(
            refused(Remedies { pack: 3, ..off() }),
            "a batch of 64 cannot be packed by 3 | make `batch` a multiple of it, such as 66"
        );
        assert!(refused(Remedies { minibatch_std: 1, ..off() }).starts_with("`minibatch_std` cannot make groups of 1"));
        assert_eq!(refused(Remedies { minibatch_std: 32, pack: 2, ..off() }), "none");
        let refusal_of_packs = refused(Remedies { minibatch_std: 64, pack: 2, ..off() });
        assert!(refusal_of_packs.contains("groups of 64 out of 32 packs | it takes a number"), "{refusal_of_packs}");
        let crowd = Remedies { minibatch_discrimination: 512, ..off() };
        assert_eq!(refusal(64, "hinge", crowd.clone()), "none");
        assert!(
            refusal(4_096, "hinge", crowd.clone()).contains("cannot compare 4096 with each other | it is for 2 to")
        );
        assert!(refusal(1, "hinge", crowd).contains("cannot compare 1 with"));
        assert!(
            refused(Remedies { augment: "turns".into(), ..off() }).contains("knows no `turns` | it takes none, all")
        );
    }

    #[test]
    fn adaptive_augmentation_needs_something_to_adapt_and_to_go_by() {
        let adaptive =
            |augment: &str| Remedies { adaptive_augment: 0.6, augment: augment.into(), ..Remedies::default() };
        assert_eq!(refusal(8, "least-squares", adaptive("all")), "none");
        assert!(
            refusal(8, "non-saturating", adaptive("none"))
                .contains("does nothing while `augment` is `none` | say what")
        );
        assert!(refusal(8, "relativistic", adaptive("all")).contains("under the loss `relativistic` | use `loss="));
    }
}
