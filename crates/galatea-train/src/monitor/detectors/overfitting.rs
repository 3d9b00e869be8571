//! The discriminator knows its training examples by heart: it takes them for more real than real examples that it has not
//! seen (Karras et al. 2020, arXiv:2006.06676, section 2, watch the same gap).
//!
//! What is compared is in how many pairs of both it does, which does not depend on the scale of its outputs.

use super::{found, mean};
use crate::monitor::{Finding, Kind, Series, Severity, thousands};

/// Looks over which the share is averaged.
const LOOKS: usize = 4;
/// Shares that are too large, where 0.5 is none. By chance, the average is within 0.1 of that where there are other examples
/// at each look, and within 0.2 where there are few (3.4 deviations of 48 by 48).
const SHARE: f64 = 0.7;
/// Where samples have become worse than this share of their best too, it is severe.
const WORSE: f64 = 0.85;

pub(super) fn detect(series: &Series) -> Option<Finding> {
    let share = mean(series.last(LOOKS)?, |look| look.seen_above_unseen)?;
    if share <= SHARE {
        return None;
    }
    let now = series.scores(LOOKS);
    let is_worse = series.best.zip(now).is_some_and(|(best, now)| {
        best.coverage > 0.0 && now.iter().all(|scores| scores.coverage < WORSE * best.coverage)
    });
    let severity = if is_worse { Severity::Severe } else { Severity::Notice };
    let evidence = format!(
        "in {:.0} % of pairs up to step {} the discriminator takes an example that it was trained on for more real than one \
         that was held back; by chance it would in 50 %",
        100.0 * share,
        thousands(series.step())
    );
    found(series, Kind::Overfitting, severity, series.before(LOOKS), evidence)
}
