//! Samples are of other kinds at each look, without settling: the shares of groups that they fall into change (total variation
//! distance), so that kinds which are there at one look are gone at the next.

use super::found;
use crate::monitor::{Finding, Kind, Series, Severity, thousands};

/// Looks that it lasts before it is told, and before it is severe: any model moves while it begins to learn.
const LOOKS: [usize; 2] = [15, 45];
/// Change of the groups' shares from one look to the next that is too much. Sets of real examples differ by about 0.2.
const MOVED: f64 = 0.5;
/// Share of these looks at which it is.
const MOST: f64 = 0.8;

pub(super) fn detect(series: &Series) -> Option<Finding> {
    let [told, severe] = LOOKS;
    let moving = |count: usize| {
        let moved: Vec<f64> = series.scores(count)?.iter().map(|scores| scores.moved).collect();
        let moving = moved.iter().filter(|moved| **moved > MOVED).count();
        (moving as f64 >= MOST * count as f64).then(|| moved.iter().sum::<f64>() / count as f64)
    };
    let first = (moving(told)?, told, Severity::Notice);
    let (mean, lasting, severity) = moving(severe).map_or(first, |mean| (mean, severe, Severity::Severe));
    let evidence = format!(
        "from look to look since step {}, the shares of {:.0} groups of real examples that samples fall into change by {:.0} % on average",
        thousands(series.before(lasting)),
        series.expected.as_ref().map_or(0.0, |expected| expected.groups),
        100.0 * mean,
    );
    found(series, Kind::Oscillation, severity, series.before(lasting), evidence)
}
