//! Memorisation: are samples closer to the training set than unseen real examples are?
//!
//! Paper: Meehan et al. 2020, "A Non-Parametric Test to Detect Data-Copying in Generative Models", arXiv:2004.05675, section 3:
//! the chance that a sample is closer than an unseen example is the Mann-Whitney statistic of their test.
//! Differs: it is given as a share, not as a z-score, and for all of space at once, not for cells of it; beside it stands the
//! share of samples that are closer than all but the closest 1 % of unseen examples, which a few copies show in.

use crate::Result;
use crate::metric::{Better, Metric, Needs, Number, Prepared, Sets, Space, pick};
use crate::neighbours::nearest;
use crate::points::Points;

/// The quantile of unseen examples' distances below which a sample counts as a copy.
pub const QUANTILE: f64 = 0.01;

/// Memorisation as a metric.
pub static METRIC: Metric = Metric {
    numbers: &[
        Number {
            name: "closer-to-train",
            better: Better::LikeReal,
            meaning: "chance to be closer to the training set than unseen data: 0.5 is ideal",
        },
        Number {
            name: "copied",
            better: Better::Lower,
            meaning: "share closer to it than all but 1 % of unseen data: 0.01 is ideal",
        },
    ],
    needs: Needs { space: Space::Values, train: true, least: 2 },
    prepare,
};

fn prepare(sets: Sets<'_>) -> Result<Prepared<'_>> {
    let train = sets.train.unwrap_or(sets.real);
    sets.samples.like(train)?;
    let (samples, unseen) = (distances(sets.samples, train), distances(sets.real, train));
    Ok(Box::new(move |choice| {
        let (samples, unseen) = (pick(&samples, choice.samples), pick(&unseen, choice.real));
        let Memorised { closer, copied } = memorised(&samples, unseen);
        Ok(vec![closer, copied])
    }))
}

/// Two shares of samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memorised {
    /// The chance that a sample is closer to the training set than an unseen real example; ties count half.
    pub closer: f64,
    /// The share of samples that are closer than all but the closest 1 % of unseen examples.
    pub copied: f64,
}

/// How far each point is from the nearest one of the training set, squared.
fn distances(points: &Points, train: &Points) -> Vec<f64> {
    let first = |list: &Vec<_>| {
        list.first().map_or(f64::INFINITY, |neighbour: &crate::neighbours::Neighbour| neighbour.distance)
    };
    nearest(points, train, 1).iter().map(first).collect()
}

/// Compares distances from the training set.
fn memorised(samples: &[f64], mut unseen: Vec<f64>) -> Memorised {
    unseen.sort_unstable_by(f64::total_cmp);
    let threshold = unseen[(QUANTILE * unseen.len() as f64) as usize];
    let share = |of: f64| of / samples.len() as f64;
    let further = |distance: &f64| {
        let (nearer, not_further) =
            (unseen.partition_point(|other| other < distance), unseen.partition_point(|other| other <= distance));
        (unseen.len() as f64 - 0.5 * (nearer + not_further) as f64) / unseen.len() as f64
    };
    Memorised {
        closer: share(samples.iter().map(further).sum()),
        copied: share(samples.iter().filter(|distance| **distance < threshold).count() as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::measure;
    use crate::tests::normal;

    #[test]
    fn ties_count_half() {
        let unseen = vec![3.0, 1.0, 2.0, 2.0];
        assert_eq!(memorised(&[2.0], unseen.clone()), Memorised { closer: 0.5, copied: 0.0 });
        assert_eq!(memorised(&[0.5, 5.0], unseen.clone()), Memorised { closer: 0.5, copied: 0.5 });
        assert_eq!(memorised(&[1.5], unseen), Memorised { closer: 0.75, copied: 0.0 });
    }

    #[test]
    fn copies_are_found_and_fresh_draws_are_not() {
        let (train, unseen) = (normal(1_000, 8, 1, 0.0, 1.0), normal(500, 8, 2, 0.0, 1.0));
        let of = |samples: &[Vec<f64>]| {
            let samples = Points::double(8, samples.concat()).unwrap();
            measure(&METRIC, &samples, &unseen, Some(&train)).unwrap()
        };
        let fresh = normal(500, 8, 3, 0.0, 1.0);
        let mut samples: Vec<Vec<f64>> = (0..500).map(|i| fresh.row(i)).collect();
        let [closer, copied] = of(&samples)[..] else { panic!() };
        assert!((closer - 0.5).abs() < 0.06 && copied < 0.04, "{closer} {copied}");
        samples[..250].iter_mut().enumerate().for_each(|(i, row)| *row = train.row(i));
        let [closer, copied] = of(&samples)[..] else { panic!() };
        assert!((closer - 0.75).abs() < 0.04 && (0.49..0.54).contains(&copied), "{closer} {copied}");
    }
}
