//! Modes of a toy distribution: how many are drawn at all, how evenly, and how many samples belong to one.
//!
//! Paper: Lin et al. 2018, "PacGAN: The power of two samples in generative adversarial networks", arXiv:1712.04086, section
//! 4.1 (2,500 points; good is what lies within three standard deviations of the nearest centre, and a mode is covered if
//! a good point is nearest to it) and 4.2 (26,000 stacked digits, whose modes a classifier of digits tells).
//! Differs: the divergence stands beside both, of the good samples' modes from even shares; the classifier is that of the
//! features `digits-lenet`, which has learnt 9,000 of the embedded digits.

use galatea_data::{DataSpec, HostTensor, ImageSpec, Mixture, PointSpec};

use crate::Result;
use crate::features::{Features, digits};
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, pick};
use crate::points::Points;

/// A sample within so many standard deviations of a centre is good.
const GOOD: f64 = 3.0;

/// The three numbers as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[
        Number {
            name: "modes-covered",
            better: Better::Higher,
            meaning: "modes of a toy distribution that a good sample belongs to",
        },
        Number {
            name: "good-samples",
            better: Better::Higher,
            meaning: "share of samples within 3 deviations of a toy distribution's mode",
        },
        Number {
            name: "mode-kl",
            better: Better::Lower,
            meaning: "divergence of good samples' modes from even shares, in nats",
        },
    ],
    needs: Needs { space: Space::Modes, train: false, least: 1 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    let rows = sets.samples;
    let count = rows.row(0).get(1).map_or(0, |count| *count as usize);
    // What a classifier reads has no distance: good samples have no meaning then.
    let has_distance = rows.width() > 2;
    let mode = |row: Vec<f64>| (row.get(2).is_none_or(|distance| *distance < GOOD)).then(|| row[0] as usize);
    let modes: Vec<Option<usize>> = (0..rows.rows()).map(|i| mode(rows.row(i))).collect();
    Ok(Box::new(move |choice| {
        let modes = pick(&modes, choice.samples);
        let mut counts = vec![0usize; count];
        modes.iter().flatten().for_each(|mode| counts[*mode] += 1);
        let good: usize = counts.iter().sum();
        let share = if has_distance { good as f64 / modes.len() as f64 } else { f64::NAN };
        Ok(vec![counts.iter().filter(|count| **count > 0).count() as f64, share, divergence(&counts)])
    }))
}

/// Kullback-Leibler divergence of shares from even ones, in nats; infinite where there is nothing.
fn divergence(counts: &[usize]) -> f64 {
    let all: usize = counts.iter().sum();
    if all == 0 {
        return f64::INFINITY;
    }
    let shares = counts.iter().filter(|count| **count > 0).map(|count| *count as f64 / all as f64);
    shares.map(|share| share * (share * counts.len() as f64).ln()).sum()
}

/// How the modes of toy data are told.
#[derive(Clone, Copy, Debug)]
pub enum Modes<'a> {
    /// By the nearest of the centres.
    Mixture(&'a Mixture),
    /// By the digits that a classifier sees in each of three colours.
    Stacked,
}

impl<'a> Modes<'a> {
    /// The modes of data like these, if they are known.
    pub fn of(spec: &'a DataSpec) -> Option<Self> {
        match spec {
            DataSpec::Points(PointSpec { mixture: Some(mixture), .. }) => Some(Self::Mixture(mixture)),
            DataSpec::Images(ImageSpec { channels: 3, height: 28, width: 28, classes })
                if classes.len() == 1_000 && classes.iter().enumerate().all(|(i, name)| *name == format!("{i:03}")) =>
            {
                Some(Self::Stacked)
            }
            _ => None,
        }
    }

    /// Number of modes.
    pub fn count(&self) -> usize {
        match self {
            Self::Mixture(mixture) => mixture.centres.len(),
            Self::Stacked => 1_000,
        }
    }

    /// How many samples the protocol takes.
    pub fn samples(&self) -> usize {
        match self {
            Self::Mixture(_) => 2_500,
            Self::Stacked => 26_000,
        }
    }

    /// What examples are compared by, as it stands in the names of numbers.
    pub(crate) fn compared(&self) -> &'static str {
        match self {
            Self::Mixture(_) => "3-deviations",
            Self::Stacked => DIGITS,
        }
    }

    /// What tells the digits.
    pub(crate) fn features(&self) -> Result<Option<&'static dyn Features>> {
        match self {
            Self::Mixture(_) => Ok(None),
            Self::Stacked => Ok(Some(digits())),
        }
    }

    /// The mode of each example, the number of modes, and of points the distance from the mode's centre in standard
    /// deviations: `[n, 2]` or `[n, 3]`.
    ///
    /// # Errors
    /// If examples are of another shape.
    pub fn read(&self, examples: &HostTensor) -> Result<Points> {
        let count = self.count() as f64;
        match self {
            Self::Mixture(mixture) => {
                let row = |i: usize| {
                    let (mode, distance) = mixture.nearest(examples.row(i));
                    // A point may be so far away that its distance cannot be told.
                    [mode as f64, count, distance.min(1e9)]
                };
                Points::double(3, (0..examples.rows()).flat_map(row).collect())
            }
            Self::Stacked => {
                let [n, channels, height, width] = <[usize; 4]>::try_from(&examples.shape[..]).unwrap_or_default();
                let all = HostTensor::new([n * channels, 1, height, width], examples.values.clone());
                let read = digits().read(&all)?.probabilities;
                let digits: Vec<f64> = read.iter().flat_map(most_probable).collect();
                let mode = |three: &[f64]| [three.iter().fold(0.0, |mode, digit| 10.0 * mode + digit), count];
                Points::double(2, digits.chunks_exact(3).flat_map(mode).collect())
            }
        }
    }
}

const DIGITS: &str = "digits-lenet";

fn most_probable(probabilities: &HostTensor) -> Vec<f64> {
    let best = |row: &[f32]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0) as f64;
    (0..probabilities.rows()).map(|i| best(probabilities.row(i))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::measure;
    use galatea_data::{DataOptions, Dataset, open};

    fn opened(name: &str) -> std::sync::Arc<dyn Dataset> {
        open(name, &DataOptions { limit: Some(3_000), ..DataOptions::default() }).unwrap()
    }

    fn judged(spec: &DataSpec, examples: &HostTensor) -> Vec<f64> {
        let read = Modes::of(spec).unwrap().read(examples).unwrap();
        measure(&METRIC, &read, &read, None).unwrap()
    }

    #[test]
    fn real_points_cover_everything_and_are_good_as_often_as_they_should() {
        for (name, modes) in [("ring", 8.0), ("grid", 25.0)] {
            let data = opened(name);
            let [covered, good, divergence] =
                judged(data.spec(), &data.batch(&(0..2_500).collect::<Vec<_>>()).unwrap().values)[..]
            else {
                panic!("three numbers")
            };
            // 1 - exp(-9 / 2), by four standard errors; the divergence is (modes - 1) / (2 n) on average.
            assert!(covered == modes && (good - 0.9889).abs() < 0.0084, "{name}: {covered} {good}");
            assert!(divergence < 4.0 * (modes - 1.0) / 5_000.0, "{name}: {divergence}");
        }
    }

    #[test]
    fn lost_modes_and_bad_samples_are_seen() {
        let data = opened("ring");
        let DataSpec::Points(PointSpec { mixture: Some(mixture), .. }) = data.spec() else { panic!("a mixture") };
        // Three in four at one centre, one in four between two; just within and just outside of three deviations.
        let centre = &mixture.centres[0];
        let at = |x: f32| [centre[0] + x, centre[1]];
        let values = [at(0.0), at(0.029), at(-0.029), at(0.031)].concat();
        let found = judged(data.spec(), &HostTensor::new([4, 2], values));
        assert_eq!(found[..2], [1.0, 0.75]);
        assert!((found[2] - 8f64.ln()).abs() < 1e-12, "{found:?}");
        let nothing = judged(data.spec(), &HostTensor::new([2, 2], vec![0.0, 0.0, 1e30, -1e30]));
        assert_eq!(nothing, [0.0, 0.0, f64::INFINITY]);
        // Two of 8 modes, one three times as often: (3/4) ln 6 + (1/4) ln 2.
        let other = &mixture.centres[3];
        let values = [at(0.0), at(0.0), at(0.0), [other[0], other[1]]].concat();
        let found = judged(data.spec(), &HostTensor::new([4, 2], values));
        assert!(found[0] == 2.0 && (found[2] - 0.75 * 6f64.ln() - 0.25 * 2f64.ln()).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn the_digits_of_stacked_pictures_are_read() {
        let data = opened("stacked");
        let some: Vec<usize> = (0..600).collect();
        let batch = data.batch(&some).unwrap();
        let modes = Modes::of(data.spec()).unwrap();
        let read = modes.read(&batch.values).unwrap();
        let labels = batch.labels.unwrap();
        let right = (0..600).filter(|i| read.row(*i) == [f64::from(labels[*i]), 1_000.0]).count();
        // Of single digits it sees 98.5 % rightly, so of three 95.6 %; less four standard errors.
        assert!(right > 553, "{right} of 600");
        let found = judged(data.spec(), &batch.values);
        assert!(found[1].is_nan() && found[0] > 400.0, "{found:?}");
        assert!(Modes::of(opened("digits").spec()).is_none());
    }
}
