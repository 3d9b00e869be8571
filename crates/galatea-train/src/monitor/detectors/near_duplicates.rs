//! Mode collapse: samples are copies of each other, whether or not they are of all kinds.

use super::found;
use crate::monitor::{Finding, Kind, SampleScores, Series, Severity, thousands};

/// This many more near-duplicates than there are among real examples are too many.
const TOO_MANY: f64 = 0.4;
/// There were no such copies where there were at most so many more than among real examples.
const FREE: f64 = 0.1;
/// Samples have been good if they covered this share of what real examples do.
const GOOD: f64 = 0.4;
/// Looks that it lasts: once samples have been good, if at some looks there were none, noise at the beginning included; and else,
/// since many a generator begins with blurred copies.
const LOOKS: [usize; 2] = [3, 20];
/// Looks after which it is a severe matter in any case.
const FOR_LONG: usize = 40;
/// Samples that differ from each other by less than this share of what real examples do are a severe matter.
const ALIKE: f64 = 0.5;

pub(super) fn detect(series: &Series) -> Option<Finding> {
    let expected = series.expected.as_ref()?.duplicates;
    let best = series.best?;
    let copied = |count: usize| {
        let scores: Vec<SampleScores> = series.scores(count)?;
        scores.iter().all(|scores| scores.duplicates > expected + TOO_MANY).then_some(scores)
    };
    let were_good = best.coverage >= GOOD && best.duplicates <= expected + FREE;
    let (scores, count) = match were_good {
        true => (copied(LOOKS[0])?, LOOKS[0]),
        false => {
            // Samples that begin as copies of one are no news: `dropped_modes` sees whether they spread.
            let has_spread = |scores: &Vec<SampleScores>| scores.iter().all(|scores| scores.diversity > ALIKE);
            (copied(LOOKS[1]).filter(has_spread)?, LOOKS[1])
        }
    };
    let is_alike = scores.iter().all(|scores| scores.diversity < ALIKE);
    let (severity, count) = match copied(FOR_LONG) {
        Some(_) => (Severity::Severe, FOR_LONG),
        None if is_alike => (Severity::Severe, count),
        None => (Severity::Notice, count),
    };
    let evidence = format!(
        "{:.0} % of samples are nearly equal to another, at {} looks up to step {}; of as many real examples {:.0} % are, \
         and of samples it was {:.0} % at best",
        100.0 * scores.last()?.duplicates,
        count,
        thousands(series.step()),
        100.0 * expected,
        100.0 * best.duplicates
    );
    found(series, Kind::NearDuplicates, severity, series.before(count), evidence)
}
