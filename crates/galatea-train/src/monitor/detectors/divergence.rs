//! Losses or gradients grow out of all proportion: on the way to infinities. (A value that is infinite or NaN is found by
//! the loop itself, at once.)

use super::{found, median};
use crate::monitor::{Finding, Kind, Look, Series, Severity, thousands};

/// Looks that it lasts.
const LOOKS: usize = 3;
/// A loss that is so many times what it was, and larger than the second number, has exploded.
const LOSS: [f64; 2] = [20.0, 20.0];
/// The same of the norm of a gradient.
const GRADIENT: [f64; 2] = [100.0, 1_000.0];

pub(super) fn detect(series: &Series) -> Option<Finding> {
    type Quantity = (&'static str, fn(&Look) -> Option<f64>, [f64; 2]);
    let quantities: [Quantity; 4] = [
        ("the discriminator's loss", |look| look.loss_d, LOSS),
        ("the generator's loss", |look| look.loss_g, LOSS),
        ("the norm of the discriminator's gradient", |look| look.gradient_d, GRADIENT),
        ("the norm of the generator's gradient", |look| look.gradient_g, GRADIENT),
    ];
    let recent = series.last(LOOKS)?;
    for (what, value, [times, least]) in quantities {
        let earlier = series.looks[..series.looks.len() - LOOKS].iter().chain(&series.first);
        let Some(usual) = median(earlier.filter_map(value).map(f64::abs).collect()) else { continue };
        let limit = (times * usual).max(least);
        if recent.iter().all(|look| value(look).is_some_and(|value| value.abs() > limit)) {
            let now = recent.last().and_then(value)?;
            let evidence =
                format!("{what} is {now:.3e} at step {}; before it was {usual:.3e}", thousands(series.step()));
            return found(series, Kind::Divergence, Severity::Severe, series.before(LOOKS), evidence);
        }
    }
    None
}
