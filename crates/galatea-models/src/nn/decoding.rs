//! Which token comes next, from the logits of all of them.
//!
//! Paper: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", arXiv:1904.09751, section 3.1 (`top_p`);
//! Fan et al. 2018, arXiv:1805.04833, section 5.1 (`top_k`); Nguyen et al. 2024, arXiv:2407.01082, section 3 (`min_p`); Keskar
//! et al. 2019, arXiv:1909.05858, section 4.1 (the penalty).
//! Differs: a penalised logit is measured from the largest, so that the penalty does not depend on where logits are centred.

use galatea_kernels::random::Stream;

use crate::{Error, Result};

/// How tokens are drawn. What is left out by one rule is not there for the next, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoding {
    /// Tokens that were there before count as if they were so many times as far from the likeliest; 1 for no penalty.
    pub repetition_penalty: f64,
    /// Logits are divided by it: nearer 0 gives likelier and less varied text; at 0 the likeliest token is always taken.
    pub temperature: f64,
    /// Only so many of the likeliest tokens; 0 for all.
    pub top_k: usize,
    /// Only the likeliest tokens that together have this probability; 1 for all.
    pub top_p: f64,
    /// Only tokens that are this many times as likely as the likeliest; 0 for all.
    pub min_p: f64,
}

impl Default for Decoding {
    fn default() -> Self {
        Self { repetition_penalty: 1.0, temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0 }
    }
}

/// Tokens before the next one that the penalty looks back to.
pub const LOOK_BACK: usize = 64;

impl Decoding {
    /// Checks every value.
    ///
    /// # Errors
    /// With the first that makes no sense.
    pub fn check(&self) -> Result<()> {
        let checks = [
            ("repetition penalty", self.repetition_penalty, 1.0..=100.0, "1 for none, 1.1 for a mild one"),
            ("temperature", self.temperature, 0.0..=100.0, "1 leaves probabilities as they are, 0 takes the likeliest"),
            ("top-p", self.top_p, f64::MIN_POSITIVE..=1.0, "1 for all tokens, such as 0.9 for the likeliest"),
            ("min-p", self.min_p, 0.0..=1.0, "0 for all tokens, such as 0.05"),
        ];
        match checks.into_iter().find(|(_, value, range, _)| !range.contains(value)) {
            Some((name, value, _, hint)) => Err(Error::usage(format!("the {name} {value} is out of range"), hint)),
            None => Ok(()),
        }
    }

    /// The next token after `before`, by a number evenly drawn from [0, 1).
    ///
    /// # Panics
    /// If there are no logits.
    pub fn choose(&self, logits: &[f32], before: &[u32], draw: f64) -> u32 {
        assert!(!logits.is_empty(), "there are tokens to choose from");
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut all: Vec<(u32, f64)> =
            logits.iter().enumerate().map(|(token, logit)| (token as u32, f64::from(logit - most))).collect();
        if self.repetition_penalty > 1.0 {
            let mut seen = before[before.len().saturating_sub(LOOK_BACK)..].to_vec();
            seen.sort_unstable();
            seen.dedup();
            for token in seen {
                // One below the largest, so that the likeliest token is penalised, too.
                let logit = &mut all[token as usize].1;
                *logit = (*logit - 1.0) * self.repetition_penalty + 1.0;
            }
        }
        // Ties are broken by number, so that the order is always the same.
        all.sort_unstable_by(|(a, x), (b, y)| y.total_cmp(x).then(a.cmp(b)));
        if self.temperature == 0.0 {
            return all[0].0;
        }
        if self.top_k > 0 {
            all.truncate(self.top_k);
        }
        let first = all[0].1;
        let mut total = 0.0;
        for (_, weight) in &mut all {
            *weight = ((*weight - first) / self.temperature).exp();
            total += *weight;
        }
        if self.top_p < 1.0 {
            let mut sum = 0.0;
            // Those before which less than the share has been reached.
            let count = all.iter().take_while(|(_, weight)| {
                let is_in = sum < self.top_p * total;
                sum += weight;
                is_in
            });
            let count = count.count().max(1);
            all.truncate(count);
        }
        all.retain(|(_, weight)| *weight >= self.min_p);
        let mut left = draw * all.iter().map(|(_, weight)| weight).sum::<f64>();
        for (token, weight) in &all {
            left -= weight;
            if left < 0.0 {
                return *token;
            }
        }
        // Rounding, at the very end.
        all[all.len() - 1].0
    }
}

/// The draws of text number `index`.
pub fn draws(seed: u64, index: u64) -> Stream {
    Stream::new(seed, (super::noise::Purpose::Token as u64) << 56 | index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 5] = [0.0, 2.0, -1.0, 1.0, -30.0];

    fn shares(decoding: &Decoding, before: &[u32]) -> [f64; 5] {
        let mut counts = [0.0; 5];
        let n = 20_000;
        (0..n).for_each(|i| counts[decoding.choose(&LOGITS, before, (i as f64 + 0.5) / n as f64) as usize] += 1.0);
        counts.map(|count| count / n as f64)
    }

    fn expected(weights: [f64; 5]) -> [f64; 5] {
        weights.map(|weight| weight / weights.iter().sum::<f64>())
    }

    fn close(found: [f64; 5], weights: [f64; 5]) {
        let expected = expected(weights);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 2e-4), "{found:?}, not {expected:?}");
    }

    #[test]
    fn shares_are_those_of_the_rules() {
        let base = Decoding::default();
        let exp = |logits: [f64; 5]| logits.map(f64::exp);
        close(shares(&base, &[]), exp([0.0, 2.0, -1.0, 1.0, -30.0]));
        close(shares(&Decoding { temperature: 0.5, ..base }, &[]), exp([0.0, 4.0, -2.0, 2.0, -60.0]));
        close(shares(&Decoding { temperature: 0.0, ..base }, &[]), [0.0, 1.0, 0.0, 0.0, 0.0]);
        let (e0, e1, e2) = (1.0, 1f64.exp(), 2f64.exp());
        close(shares(&Decoding { top_k: 2, ..base }, &[]), [0.0, e2, 0.0, e1, 0.0]);
        // 0.644, 0.237, 0.087, 0.032: the second brings it to 0.881.
        close(shares(&Decoding { top_p: 0.85, ..base }, &[]), [0.0, e2, 0.0, e1, 0.0]);
        close(shares(&Decoding { top_p: 0.9, ..base }, &[]), [e0, e2, 0.0, e1, 0.0]);
        close(shares(&Decoding { top_p: 0.1, ..base }, &[]), [0.0, 1.0, 0.0, 0.0, 0.0]);
        // exp(-2) of the likeliest is 0.135.
        close(shares(&Decoding { min_p: 0.13, ..base }, &[]), [e0, e2, 0.0, e1, 0.0]);
        close(shares(&Decoding { min_p: 1.0, ..base }, &[]), [0.0, 1.0, 0.0, 0.0, 0.0]);
        // One beyond the largest, 3, is where distances are measured from.
        let penalised = exp([0.0, 3.0 - 1.5, -1.0, 1.0, -30.0]);
        close(shares(&Decoding { repetition_penalty: 1.5, ..base }, &[1, 1]), penalised);
        let far_back: Vec<u32> = std::iter::once(1).chain([2; LOOK_BACK]).collect();
        let penalised = exp([0.0, 2.0, 3.0 - 4.0 * 1.5, 1.0, -30.0]);
        close(shares(&Decoding { repetition_penalty: 1.5, ..base }, &far_back), penalised);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let base = Decoding::default();
        assert!(base.check().is_ok() && Decoding { temperature: 0.0, ..base }.check().is_ok());
        for wrong in [
            Decoding { temperature: -1.0, ..base },
            Decoding { temperature: f64::NAN, ..base },
            Decoding { top_p: 0.0, ..base },
            Decoding { top_p: 1.5, ..base },
            Decoding { min_p: -0.1, ..base },
            Decoding { repetition_penalty: 0.5, ..base },
        ] {
            assert!(wrong.check().unwrap_err().to_string().ends_with("is out of range"), "{wrong:?}");
        }
        assert!(draws(1, 2).next_f64() != draws(1, 3).next_f64());
    }
}
