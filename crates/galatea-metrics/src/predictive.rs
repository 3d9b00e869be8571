//! Predictive score: the mean absolute error in telling each moment of real windows from those before it, by a recurrent network
//! that has learnt from samples alone; in shares of each channel's range.
//!
//! Paper: Yoon et al. 2019, "Time-series Generative Adversarial Networks", section 5.1, and appendix on metrics.
//! Differs: the network is that of `galatea_models::probe`, and tells all channels from all, where the paper's program tells the
//! last channel from the others.

use galatea_models::probe::prediction_error;

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, anew};
use crate::points::Points;
use crate::windows::{Scaled, ranges};

/// The score as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "predictive",
        better: Better::Lower,
        meaning: "error in telling real moments by a network that learnt from samples",
    }],
    needs: Needs { space: Space::Learnt, train: false, least: 10 },
    prepare,
};

const SEED: u64 = 0x9ed1;

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    sets.samples.like(sets.real)?;
    Ok(anew(sets, |samples, real| Ok(vec![error(samples, real)])))
}

/// The error about `real` after learning from `learn`, in shares of the ranges of `real`.
pub(crate) fn error(learn: &Points, real: &Points) -> f64 {
    crate::progress::tell(|| "a network learns to tell the next moment".to_owned());
    let scale = ranges(real);
    let [learn, real] = [learn, real].map(|points| Scaled::new(points, &scale));
    prediction_error(learn.all(), real.all(), SEED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::tests::autoregression;

    #[test]
    fn errors_are_those_of_the_best_prediction() {
        let real = autoregression(600, 10, 0.9, 1);
        let range = ranges(&real)[0][1];
        let found = error(&autoregression(600, 10, 0.9, 2), &real);
        // Half normal noise of deviation sqrt(1 - 0.81) is left.
        let best = 0.19f64.sqrt() * (2.0 / std::f64::consts::PI).sqrt() / range;
        assert!((found - best).abs() < 0.12 * best, "{found}, and the best is {best}");
        // From noise nothing is learnt but the mean, about which values have deviation 1.
        let blind = (2.0 / std::f64::consts::PI).sqrt() / range;
        let from_noise = error(&autoregression(600, 10, 0.0, 3), &real);
        assert!((from_noise - blind).abs() < 0.12 * blind, "{from_noise}, and the mean alone has {blind}");
    }
}
