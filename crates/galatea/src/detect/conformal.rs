//! A threshold that is passed by chance only so often, whatever the score.
//!
//! Paper: Vovk, Gammerman and Shafer 2005, "Algorithmic Learning in a Random World", chapter 2 (inductive conformal prediction);
//! Laxhammar and Falkman 2010 for anomalies.
//!
//! Scores of normal examples that nothing was learnt from and nothing chosen by are as likely in any order as that of a new
//! normal example among them. So the share of them that are at least as high, the new one counted, is a p-value: it is at most
//! `a` with probability at most `a`.

use crate::{Error, Result};

/// Scores of normal examples, and how often a new one may be flagged.
#[derive(Clone, Debug)]
pub struct Conformal {
    /// Sorted.
    normal: Vec<f64>,
    false_alarms: f64,
}

impl Conformal {
    /// A rule for scores, higher ones being odder, from those of normal examples.
    ///
    /// # Errors
    /// If `false_alarms` is not between 0 and 1, a score is not finite, or there are too few examples: with `n` of them no rate
    /// below `1 / (n + 1)` can be promised.
    pub fn new(mut normal: Vec<f64>, false_alarms: f64) -> Result<Self> {
        if !(false_alarms > 0.0 && false_alarms < 1.0) {
            return Err(Error::usage(
                format!("a rate of false alarms of {false_alarms} makes no sense"),
                "give one above 0 and below 1, such as 0.01 for one in a hundred",
            ));
        }
        if let Some(score) = normal.iter().find(|score| !score.is_finite()) {
            return Err(Error::usage(
                format!("the model gives a normal example the score {score}"),
                "it has diverged; train again with a lower learning rate",
            ));
        }
        let needed = (1.0 / false_alarms - 1.0 - 1e-9).ceil() as usize;
        if normal.len() < needed {
            // To two places, and never one that is refused as well.
            let least = (100.0 / (normal.len() + 1) as f64).ceil() / 100.0;
            let more =
                if least < 1.0 { format!(", or allow more with `--false-alarms {least}`") } else { String::new() };
            return Err(Error::usage(
                format!(
                    "a rate of false alarms of {false_alarms} needs {needed} normal examples to set the threshold by, and there \
                     are {}",
                    normal.len()
                ),
                format!(
                    "name more normal data with `--normal SRC`, hold back more with `data.holdout` in a new run{more}"
                ),
            ));
        }
        normal.sort_by(f64::total_cmp);
        Ok(Self { normal, false_alarms })
    }

    /// The share of normal examples, a new one of this score counted, whose score is at least as high.
    pub fn p_value(&self, score: f64) -> f64 {
        if score.is_nan() {
            return 1.0 / (self.normal.len() + 1) as f64;
        }
        let below = self.normal.partition_point(|normal| *normal < score);
        (1 + self.normal.len() - below) as f64 / (self.normal.len() + 1) as f64
    }

    /// Whether a score is flagged.
    pub fn flags(&self, score: f64) -> bool {
        // What is a fraction and meant to be equal may differ in the last digit.
        self.p_value(score) <= self.false_alarms + 1e-12
    }

    /// The lowest score that is flagged is above this.
    pub fn threshold(&self) -> f64 {
        let n = self.normal.len();
        let allowed = (self.false_alarms * (n + 1) as f64 + 1e-9).floor() as usize;
        self.normal[n - allowed.clamp(1, n)]
    }

    /// Normal examples that the threshold rests on.
    pub fn examples(&self) -> usize {
        self.normal.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_kernels::random::Stream;

    #[test]
    fn false_alarms_are_as_rare_as_promised() {
        // Scores of any distribution, with ties; 20 splits of each size, each against 2,000 new normal examples.
        for (n, rate) in [(99, 0.01), (300, 0.01), (150, 0.05), (1_000, 0.05)] {
            let mut flagged = 0.0;
            for split in 0..20 {
                let mut stream = Stream::new(5, split);
                let mut score = || (10.0 * stream.next_f64().powi(3)).exp().round();
                let rule = Conformal::new((0..n).map(|_| score()).collect(), rate).unwrap();
                flagged += (0..2_000).filter(|_| rule.flags(score())).count() as f64 / 2_000.0;
            }
            let mean = flagged / 20.0;
            // The rate given the calibration set is a beta variable with mean at most `rate`.
            let deviation = (rate * (1.0 - rate) / (n + 2) as f64 / 20.0 + rate / 40_000.0).sqrt();
            assert!(mean <= rate + 3.0 * deviation, "{n}: {mean}, and {rate} was promised");
            assert!(mean >= 0.5 * rate, "{n}: {mean} is wastefully little");
        }
    }

    #[test]
    fn flags_and_threshold_agree() {
        let rule = Conformal::new((1..=199).map(f64::from).collect(), 0.05).unwrap();
        assert_eq!((rule.examples(), rule.threshold()), (199, 190.0));
        assert!(!rule.flags(190.0) && rule.flags(190.5) && rule.flags(f64::INFINITY) && rule.flags(f64::NAN));
        assert_eq!((rule.p_value(1e9), rule.p_value(-1e9)), (1.0 / 200.0, 1.0));
    }

    #[test]
    fn what_cannot_be_promised_is_refused() {
        assert!(Conformal::new(vec![0.0; 98], 0.01).unwrap_err().to_string().contains("needs 99 normal examples"));
        assert!(Conformal::new(vec![0.0; 99], 0.01).is_ok());
        assert!(Conformal::new(vec![f64::NAN; 99], 0.01).is_err());
        for rate in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(Conformal::new(vec![0.0; 99], rate).is_err());
        }
    }
}
