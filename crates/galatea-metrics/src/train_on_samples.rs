//! Train on samples, test on real: the error of a network that has learnt to tell the next moment from as many real windows of the
//! training set, divided by that of one that has learnt from samples. At 1 samples teach as much as real windows do.
//!
//! Paper: Esteban et al. 2017, "Real-valued (Medical) Time Series Generation with Recurrent Conditional GANs",
//! arXiv:1706.02633, section 4.2 (TSTR).
//! Differs: what is learnt is the next moment and not a label, so that no labels are needed; given as a share.

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, anew};
use crate::predictive::error;

/// The share as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[Number {
        name: "tstr-share",
        better: Better::Higher,
        meaning: "error of what real windows teach over that of what samples teach: 1 is best",
    }],
    needs: Needs { space: Space::Learnt, train: true, least: 10 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    sets.samples.like(sets.real)?;
    let train = sets.train.unwrap_or(sets.real);
    sets.samples.like(train)?;
    Ok(anew(sets, move |samples, real| {
        let rows: Vec<usize> = (0..samples.rows().min(train.rows())).collect();
        let of_real = error(&train.select(&rows), real);
        Ok(vec![of_real / error(samples, real).max(f64::MIN_POSITIVE)])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::measure;
    use crate::windows::tests::autoregression;

    #[test]
    fn samples_like_real_windows_teach_as_much_and_noise_does_not() {
        let (train, real) = (autoregression(400, 8, 0.9, 1), autoregression(400, 8, 0.9, 2));
        let share = |samples| measure(&METRIC, &samples, &real, Some(&train)).unwrap()[0];
        let same = share(autoregression(400, 8, 0.9, 3));
        assert!((same - 1.0).abs() < 0.05, "{same}");
        // The deviation of the noise in it, over that of the whole: 0.436.
        let noise = share(autoregression(400, 8, 0.0, 4));
        assert!((noise - 0.436).abs() < 0.06, "{noise}");
    }
}
