//! Latent vectors say nothing of examples: what an encoder makes of each is the prior, and the decoder does without (Bowman et
//! al. 2016, arXiv:1511.06349, section 3.1; Lucas et al. 2019, arXiv:1911.02469, for the name).
//!
//! That some numbers of the latent vector are not used is as it should be; that none is, is not.

use super::{found, mean};
use crate::monitor::{Finding, Kind, Series, Severity, thousands};

/// Divergence from the prior in nats that is next to nothing: a coin that is thrown for each example has 0.7.
const KL: f64 = 0.1;
/// Looks that it lasts before it is told, and before it is severe: many models begin like that.
const LOOKS: [usize; 2] = [5, 10];

pub(super) fn detect(series: &Series) -> Option<Finding> {
    let holds = |count: usize| {
        series.last(count).filter(|looks| {
            let collapsed = |kl: f64, active: f64| kl < KL && active < 1.0;
            looks.iter().all(|look| look.kl.zip(look.active_units).is_some_and(|(kl, active)| collapsed(kl, active)))
        })
    };
    let told = holds(LOOKS[0])?;
    let (looks, severity) = match holds(LOOKS[1]) {
        Some(looks) => (looks, Severity::Severe),
        None => (told, Severity::Notice),
    };
    let evidence = format!(
        "since step {} the latent vector of an example diverges from the prior by {:.3} nats on average, and {:.1} of its \
         numbers are in use: it says nothing of the example",
        thousands(looks[0].step),
        mean(looks, |look| look.kl)?,
        mean(looks, |look| look.active_units)?,
    );
    found(series, Kind::PosteriorCollapse, severity, series.before(looks.len()), evidence)
}
