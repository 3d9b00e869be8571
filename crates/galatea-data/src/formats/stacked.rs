//! `stacked`: three of the embedded digits as the red, green and blue of one picture; a thousand modes.
//!
//! Metz et al. 2017, "Unrolled Generative Adversarial Networks", arXiv:1611.02163, section 3.3. The three digits of example
//! `i` are a function of `i`; a picture is put together when it is asked for, so that 100,000 take no memory. The classes are
//! the modes: `307` is a red 3, a green 0 and a blue 7.

use std::sync::Arc;

use galatea_kernels::random::Stream;
use sha2::Digest;

use super::{Format, digits::Digits, plan, toy::EXAMPLES};
use crate::{
    Channels, DataOptions, DataSpec, Dataset, Error, HostBatch, HostTensor, ImageSpec, Result,
    set::{Labels, fingerprint_of, hex, warn_of_counts},
};

const SEED: u64 = 0x57ac;

/// Stacked digits.
pub(super) struct Stacked;

impl Format for Stacked {
    fn name(&self) -> &'static str {
        "stacked"
    }

    fn summary(&self) -> &'static str {
        "a toy: pictures of three embedded digits in red, green and blue, 1,000 modes"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["stacked"]
    }

    fn names(&self) -> Vec<&'static str> {
        vec!["stacked"]
    }

    fn claims(&self, source: &str) -> bool {
        source == "stacked"
    }

    fn open(&self, _: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        let plan = plan(options)?;
        if plan.channels.is_some_and(|channels| channels != 3) {
            return Err(Error::usage("`data.channels` is 1, and `stacked` is of three digits in three colours")
                .with_hint("leave it out, or take `digits`"));
        }
        if !plan.classes.is_empty() {
            return Err(Error::usage("`data.classes` is set, and `stacked` is of all thousand modes")
                .with_hint("leave it out, or take `digits`"));
        }
        let digits = DataOptions { limit: None, channels: Channels::Auto, ..options.clone() };
        let digits = Digits.open("digits", &digits)?;
        Ok(Arc::new(StackedSet::new(digits, plan.limit.unwrap_or(EXAMPLES))))
    }
}

struct StackedSet {
    digits: Arc<dyn Dataset>,
    spec: DataSpec,
    labels: Labels,
    fingerprint: String,
}

impl StackedSet {
    fn new(digits: Arc<dyn Dataset>, n: usize) -> Self {
        let label =
            |i| triple(i, digits.len()).into_iter().fold(0, |mode, at| 10 * mode + digits.label(at).unwrap_or(0));
        let labels = Labels {
            values: (0..n).map(label).collect(),
            classes: (0..1_000).map(|mode| format!("{mode:03}")).collect(),
        };
        let [_, height, width] = <[usize; 3]>::try_from(digits.spec().shape()).unwrap_or_default();
        let spec = DataSpec::Images(ImageSpec { channels: 3, height, width, classes: labels.classes.clone() });
        let mut hash = fingerprint_of(&spec);
        hash.update(format!("{n} {}", digits.fingerprint()));
        Self { digits, spec, labels, fingerprint: hex(hash) }
    }
}

/// The digits that example `i` is made of, of `count`.
fn triple(i: usize, count: usize) -> [usize; 3] {
    let mut stream = Stream::new(SEED, i as u64);
    [(); 3].map(|()| stream.below(count as u64) as usize)
}

impl Dataset for StackedSet {
    fn name(&self) -> &str {
        "stacked"
    }

    fn spec(&self) -> &DataSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.labels.values.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<HostBatch> {
        let digits: Vec<usize> = indices.iter().flat_map(|i| triple(*i, self.digits.len())).collect();
        // `[3 n, 1, height, width]` is `[n, 3, height, width]`.
        let values = self.digits.batch(&digits)?.values.values;
        let shape: Vec<usize> = std::iter::once(indices.len()).chain(self.spec.shape()).collect();
        let labels = indices.iter().map(|i| self.labels.values[*i]).collect();
        Ok(HostBatch { values: HostTensor::new(shape, values), labels: Some(labels) })
    }

    fn label(&self, index: usize) -> Option<u32> {
        Some(self.labels.values[index])
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn warnings(&self) -> Vec<String> {
        // That few examples leave modes out is what few examples do.
        warn_of_counts(self.len(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::open;

    #[test]
    fn three_digits_in_three_colours_and_a_thousand_modes() {
        let data = open("stacked", &DataOptions::default()).unwrap();
        assert_eq!((data.len(), data.spec().shape()), (EXAMPLES, vec![3, 28, 28]));
        assert_eq!((data.spec().classes().len(), data.spec().classes()[307].as_str()), (1_000, "307"));
        let digits = open("digits", &DataOptions::default()).unwrap();
        let some = [5, 99_999, 5];
        let batch = data.batch(&some).unwrap();
        for (i, example) in some.into_iter().enumerate() {
            let of = triple(example, digits.len());
            let planes = digits.batch(&of).unwrap();
            assert_eq!(batch.values.row(i), planes.values.values);
            let mode = planes.labels.unwrap().iter().fold(0, |mode, digit| 10 * mode + digit);
            assert_eq!((batch.labels.as_ref().unwrap()[i], data.label(example)), (mode, Some(mode)));
        }
        // Shares of modes are the products of the digits' shares, by five standard errors.
        let share = |set: &dyn Dataset, classes: usize| {
            let mut counts = vec![0.0; classes];
            (0..set.len()).for_each(|i| counts[set.label(i).unwrap() as usize] += 1.0 / set.len() as f64);
            counts
        };
        let (single, modes) = (share(&*digits, 10), share(&*data, 1_000));
        for (mode, found) in modes.iter().enumerate() {
            let expected = single[mode / 100] * single[mode / 10 % 10] * single[mode % 10];
            assert!(
                (found - expected).abs() < 5.0 * (expected / EXAMPLES as f64).sqrt(),
                "{mode}: {found}, {expected}"
            );
        }
    }

    #[test]
    fn options_apply_where_they_can() {
        let small = DataOptions { size: "32".into(), limit: Some(60), ..DataOptions::default() };
        let data = open("stacked", &small).unwrap();
        assert_eq!((data.len(), data.spec().shape()), (60, vec![3, 32, 32]));
        assert!(data.warnings().is_empty(), "{:?}", data.warnings());
        for options in [
            DataOptions { channels: Channels::Grey, ..DataOptions::default() },
            DataOptions { classes: "000".into(), ..DataOptions::default() },
        ] {
            assert!(open("stacked", &options).err().unwrap().hint().is_some());
        }
    }
}
