//! What the monitor measures at a look, and the looks so far.

use serde::{Deserialize, Serialize};

/// Looks that are kept.
const KEPT: usize = 64;
/// Samples were blurred when they covered most, and near many examples because they lay between them, if they differ so many
/// times as much now,
const SHARPER: f64 = 1.15;
/// by no more than this, as a share of what real examples do,
const APART: f64 = 1.1;
/// and still cover this share of the most that they have ever covered, so that no more than that is forgiven, however often.
const LEFT: f64 = 0.6;

/// What is known after a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// The step.
    pub step: u64,
    /// What samples are like; `None` if there are too few real examples to compare with.
    pub samples: Option<SampleScores>,
    /// Mean probability that the discriminator gave real examples since the last look; of a look out of turn, this and the next two
    /// are means over the newest few steps.
    pub d_real: Option<f64>,
    /// The same for generated ones.
    pub d_fake: Option<f64>,
    /// Mean loss of the discriminator since the last look.
    pub loss_d: Option<f64>,
    /// Mean loss of the generator since the last look.
    pub loss_g: Option<f64>,
    /// Mean norm of the discriminator's gradient since the last look.
    pub gradient_d: Option<f64>,
    /// Mean norm of the generator's gradient since the last look.
    pub gradient_g: Option<f64>,
    /// Share of pairs of a training example and another in which the discriminator takes the former for more real: 0.5 if
    /// it does not know them apart. It is the area under the curve (AUC) of a test of membership.
    pub seen_above_unseen: Option<f64>,
    /// Mean divergence of latent vectors from the prior since the last look, in nats.
    #[serde(default)]
    pub kl: Option<f64>,
    /// Mean count of numbers of the latent vector that are in use since the last look.
    #[serde(default)]
    pub active_units: Option<f64>,
    /// Whether it was taken out of turn, since the discriminator began to win; what steps report is then the mean of the newest
    /// few.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_turn: bool,
}

impl Look {
    /// By how much more the discriminator believes in real examples than in generated ones, in `[-1, 1]`.
    pub fn gap(&self) -> Option<f64> {
        Some(self.d_real? - self.d_fake?)
    }
}

/// What a set of samples is like. All but shares are relative to as many other real examples, which have 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SampleScores {
    /// Mean distance between two samples.
    pub diversity: f64,
    /// Share of samples that are nearer to another sample than all but 1 % of real examples are to another.
    pub duplicates: f64,
    /// Real examples that have a sample nearby.
    pub coverage: f64,
    /// How many groups of real examples samples fall into, evenly: the perplexity of their shares.
    pub spread: f64,
    /// Share of samples that are near a real example.
    pub fidelity: f64,
    /// Total variation distance of the groups' shares from those at the last look in turn: the share of samples that would
    /// have to go to another group to make them equal.
    pub moved: f64,
}

/// What real examples in the place of samples come to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// Groups that real examples fall into, evenly.
    pub groups: f64,
    /// Share of near-duplicates.
    pub duplicates: f64,
    /// Standard deviation of each relative score over sets of as many real examples.
    pub deviation: SampleScores,
}

/// The looks so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The first look.
    pub first: Option<Look>,
    /// The best score of each kind so far, each a median of three looks in a row (the share of duplicates: the least; the
    /// coverage: since samples are no longer blurred).
    pub best: Option<SampleScores>,
    /// How much samples differed when the coverage was best.
    #[serde(default)]
    pub diversity_then: Option<f64>,
    /// The best coverage so far, blurred or not; that since then, if an earlier version has kept these looks.
    #[serde(default)]
    pub most_covered: f64,
    /// When the coverage and the spread were best, each for the first time.
    #[serde(default)]
    pub best_steps: [u64; 2],
    /// The newest looks in turn, oldest first.
    #[serde(default)]
    pub looks: Vec<Look>,
    /// Those out of turn since then.
    #[serde(default)]
    pub since: Vec<Look>,
    /// What to compare with.
    #[serde(skip)]
    pub expected: Option<Expected>,
}

impl Series {
    /// Adds a look. One out of turn counts until the next in turn.
    pub fn push(&mut self, look: Look) {
        if look.out_of_turn {
            return self.since.push(look);
        }
        self.since.clear();
        self.first.get_or_insert_with(|| look.clone());
        self.looks.push(look);
        if self.looks.len() > KEPT {
            self.looks.remove(0);
        }
        let Some(last) = self.scores(3).filter(|last| last.len() == 3) else { return };
        let median = |value: fn(&SampleScores) -> f64| {
            let mut values = [value(&last[0]), value(&last[1]), value(&last[2])];
            values.sort_by(f64::total_cmp);
            values[1]
        };
        let best = self.best.get_or_insert(SampleScores { duplicates: 1.0, ..SampleScores::default() });
        let middle = self.looks[self.looks.len() - 2].step;
        let (coverage, spread) = (median(|scores| scores.coverage), median(|scores| scores.spread));
        let diversity = median(|scores| scores.diversity);
        self.most_covered = self.most_covered.max(best.coverage).max(coverage);
        let was_blurred =
            |then: f64| diversity > SHARPER * then && diversity <= APART && coverage > LEFT * self.most_covered;
        if coverage > best.coverage || self.diversity_then.is_some_and(was_blurred) {
            (best.coverage, self.best_steps[0], self.diversity_then) = (coverage, middle, Some(diversity));
        }
        if spread > best.spread {
            (best.spread, self.best_steps[1]) = (spread, middle);
        }
        // States of earlier versions do not say when.
        self.best_steps.iter_mut().filter(|step| **step == 0).for_each(|step| *step = middle);
        best.diversity = best.diversity.max(diversity);
        best.fidelity = best.fidelity.max(median(|scores| scores.fidelity));
        best.duplicates = best.duplicates.min(median(|scores| scores.duplicates));
    }

    /// The newest look, in turn or not.
    pub fn newest(&self) -> Option<&Look> {
        self.since.last().or(self.looks.last())
    }

    /// The newest look's step; 0 before the first.
    pub fn step(&self) -> u64 {
        self.newest().map_or(0, |look| look.step)
    }

    /// The newest `count` looks in turn; `None` if there are fewer.
    pub fn last(&self, count: usize) -> Option<&[Look]> {
        self.looks.len().checked_sub(count).map(|first| &self.looks[first..])
    }

    /// What samples were like at the newest `count` looks; `None` if there are fewer, or it is not known.
    pub fn scores(&self, count: usize) -> Option<Vec<SampleScores>> {
        self.last(count)?.iter().map(|look| look.samples).collect()
    }

    /// The step of the look before the newest `count`; 0 if there is none.
    pub fn before(&self, count: usize) -> u64 {
        self.looks.len().checked_sub(count + 1).map_or(0, |at| self.looks[at].step)
    }

    /// Whether samples are about as good as they have ever been.
    pub fn is_at_its_best(&self) -> bool {
        let Some(scores) = self.scores(1) else { return true };
        self.best.is_none_or(|best| scores[0].coverage >= 0.9 * best.coverage && scores[0].spread >= 0.9 * best.spread)
    }
}
