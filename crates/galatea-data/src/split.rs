//! Which examples are trained on and which are held back for judging.

use crate::{Dataset, Portion};

/// Most examples that are held back: judging with more takes longer and says hardly more.
const MAX_HELD_BACK: usize = 5_000;

/// Indices into a data set, each in one of the two parts, in increasing order.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// What the model is trained on; never empty unless the data are.
    pub train: Vec<usize>,
    /// What it never sees.
    pub held_back: Vec<usize>,
}

/// Holds back what the data say is for judging; else the share `holdout` of every class, at most 5,000 examples in all; of data whose examples overlap the last
/// part, however many examples that is, and none of the examples that are trained on reaches into it.
///
/// A pure function of its arguments: the seed of a run plays no part, so that runs with different seeds are judged on
/// the same examples. Every class keeps an example to train on.
pub fn split(data: &dyn Dataset, holdout: f64) -> Split {
    if data.overlap() > 0 {
        return split_by_time(data.len(), holdout, data.overlap());
    }
    by_groups(data, &(0..data.len()).collect::<Vec<_>>(), holdout, Portion::Test)
}

impl Split {
    /// What is to be trained on split once more, by the same rule: the examples that are left, and those held back to choose
    /// between checkpoints by. What is held back here plays no part.
    pub fn again(&self, data: &dyn Dataset, holdout: f64) -> Self {
        if data.overlap() > 0 {
            // What is trained on is the beginning of the data, without gaps.
            return split_by_time(self.train.len(), holdout, data.overlap());
        }
        by_groups(data, &self.train, holdout, Portion::Validation)
    }
}

/// Holds back the examples among `indices` that the data say are for it, if a share is asked for; of data that say nothing, a
/// share of the groups.
fn by_groups(data: &dyn Dataset, indices: &[usize], holdout: f64, held: Portion) -> Split {
    if holdout > 0.0 && indices.iter().any(|i| data.portion(*i) == Some(held)) {
        let (held_back, train) = indices.iter().partition(|i| data.portion(**i) == Some(held));
        return Split { train, held_back };
    }
    let groups: Vec<&[usize]> = indices.chunk_by(|a, b| data.group(*a) == data.group(*b)).collect();
    let labels: Vec<u32> = groups.iter().map(|group| data.label(group[0]).unwrap_or(0)).collect();
    let Split { train, held_back } = split_labels(&labels, holdout);
    let [train, held_back] = [train, held_back].map(|part| part.iter().flat_map(|i| groups[*i]).copied().collect());
    Split { train, held_back }
}

/// [`split`] of examples with these classes.
pub fn split_labels(labels: &[u32], holdout: f64) -> Split {
    let wanted = ((labels.len() as f64 * holdout).round() as usize).min(MAX_HELD_BACK);
    let share = wanted as f64 / labels.len().max(1) as f64;
    let mut order: Vec<usize> = (0..labels.len()).collect();
    // By class, and within it in an order that has nothing to do with that of the files.
    order.sort_by_key(|i| (labels[*i], scatter(*i as u64)));
    let mut held_back = Vec::with_capacity(wanted);
    // What rounding has left over so far goes to the next class, so that the sum is right.
    let mut due = 0.0;
    for class in order.chunk_by(|a, b| labels[*a] == labels[*b]) {
        due += share * class.len() as f64;
        let take = (due.round() as usize).min(class.len() - 1);
        held_back.extend(&class[..take]);
        due -= take as f64;
    }
    held_back.sort_unstable();
    let train = (0..labels.len()).filter(|i| held_back.binary_search(i).is_err()).collect();
    Split { train, held_back }
}

/// The last share of `count` examples, of which `gap` at the least lie between them and those to train on.
fn split_by_time(count: usize, holdout: f64, gap: usize) -> Split {
    let wanted = (count as f64 * holdout).round() as usize;
    let held_back = wanted.min(count.saturating_sub(gap + 1));
    let first = count - held_back;
    let end = if held_back == 0 { count } else { first - gap };
    Split { train: (0..end).collect(), held_back: (first..count).collect() }
}

/// The output function of SplitMix64 (Steele, Lea and Flood 2014): a bijection without a pattern.
fn scatter(i: u64) -> u64 {
    let mut z = i.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_class_gives_its_share() {
        let labels: Vec<u32> = (0..10_000).map(|i| i % 10).collect();
        let Split { train, held_back } = split_labels(&labels, 0.1);
        assert_eq!((train.len(), held_back.len()), (9_000, 1_000));
        for class in 0..10 {
            assert_eq!(held_back.iter().filter(|i| labels[**i] == class).count(), 100);
        }
        // Not every tenth, which would follow an order in the data.
        assert!(held_back.windows(2).any(|pair| pair[1] - pair[0] > 30));
    }

    #[test]
    fn digits_are_split_as_is_written_for_others() {
        let written = include_str!("../../../bench/peers/digits-held-back.txt");
        let written: Vec<usize> = written.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let digits = crate::open("digits", &crate::DataOptions::default()).unwrap();
        assert_eq!(split(&*digits, 0.1).held_back, written);
    }

    #[test]
    fn at_most_five_thousand_and_at_least_one_to_train_on() {
        assert_eq!(split_labels(&vec![0; 100_000], 0.1).held_back.len(), 5_000);
        assert_eq!(split_labels(&[0], 0.5), Split { train: vec![0], held_back: vec![] });
        assert_eq!(split_labels(&[0, 0], 0.5).train.len(), 1);
        assert_eq!(split_labels(&[0, 1, 2], 0.5).train.len(), 3);
        assert!(split_labels(&[], 0.1).train.is_empty());
    }

    #[test]
    fn what_overlaps_is_split_by_time_with_a_gap() {
        let Split { train, held_back } = split_by_time(1_000, 0.1, 64);
        assert_eq!((train, held_back), ((0..836).collect(), (900..1_000).collect::<Vec<_>>()));
        // There is always something to train on.
        assert_eq!(split_by_time(70, 0.5, 64), Split { train: vec![0], held_back: (65..70).collect() });
        assert_eq!(split_by_time(65, 0.5, 64), Split { train: (0..65).collect(), held_back: vec![] });
        assert_eq!(split_by_time(10, 0.0, 3).train.len(), 10);
    }

    proptest! {
        #[test]
        fn each_example_is_in_one_part(labels in prop::collection::vec(0u32..5, 1..200), holdout in 0.0..=0.5) {
            let Split { train, held_back } = split_labels(&labels, holdout);
            let mut all = [train.clone(), held_back].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            prop_assert!(labels.iter().all(|class| train.iter().any(|i| labels[*i] == *class)));
        }
    }
}
