//! Toy distributions of points: mixtures of Gaussians that are known, on which lost modes can be counted.
//!
//! Example `i` depends on `i` only: its mode and its place in it are drawn by streams of their own. Each of the toys is a
//! file beside this one.

use std::sync::Arc;

use galatea_kernels::random::{Stream, fill_normal_rows};

use super::{Format, plan};
use crate::{
    DataOptions, Dataset, Mixture, Result,
    points::PointSet,
    set::{check_memory, choose, warn_of_counts},
};

/// Examples where `data.limit` does not say how many; as many as in Lin et al. 2018 (PacGAN), arXiv:1712.04086.
pub(super) const EXAMPLES: usize = 100_000;

/// Seeds of the modes and of the places in them.
const SEEDS: [u64; 2] = [0x70f5, 0x70f6];

/// A toy distribution of points.
pub(super) struct Toy {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    /// `--data NAME`.
    pub(super) examples: &'static [&'static str],
    pub(super) mixture: fn() -> Mixture,
}

impl Format for Toy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn summary(&self) -> &'static str {
        self.summary
    }

    fn examples(&self) -> &'static [&'static str] {
        self.examples
    }

    fn names(&self) -> Vec<&'static str> {
        vec![self.name]
    }

    fn claims(&self, source: &str) -> bool {
        source == self.name
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        options.refuse_pictures(source, "points")?;
        let plan = plan(options)?;
        let n = plan.limit.unwrap_or(EXAMPLES);
        // There are no classes to choose from, which this says.
        choose(0, None, &plan)?;
        let mixture = (self.mixture)();
        check_memory(n, 4 * mixture.centres.first().map_or(0, Vec::len), plan.memory_bytes)?;
        let values = draw(&mixture, n);
        let spec = mixture.into_spec();
        let warnings = warn_of_counts(n, None);
        Ok(Arc::new(PointSet::new(self.name.to_owned(), spec, values, None).with(Vec::new(), warnings)))
    }
}

fn draw(mixture: &Mixture, n: usize) -> Vec<f32> {
    let d = mixture.centres.first().map_or(0, Vec::len);
    let mut values = vec![0.0; n * d];
    fill_normal_rows(SEEDS[1], d, &mut values, |i| i as u64);
    for (i, point) in values.chunks_exact_mut(d).enumerate() {
        let mode = Stream::new(SEEDS[0], i as u64).below(mixture.centres.len() as u64) as usize;
        point
            .iter_mut()
            .zip(&mixture.centres[mode])
            .for_each(|(value, centre)| *value = centre + mixture.deviation * *value);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataSpec, PointSpec, formats, open};

    fn opened(name: &str, limit: usize) -> (Arc<dyn Dataset>, Mixture) {
        let data = open(name, &DataOptions { limit: Some(limit), ..DataOptions::default() }).unwrap();
        let DataSpec::Points(PointSpec { mixture: Some(mixture), .. }) = data.spec().clone() else {
            panic!("{name} is no mixture");
        };
        (data, mixture)
    }

    /// Moments and shares of modes are those of the definition, by five standard errors.
    #[test]
    fn points_are_distributed_as_they_should_be() {
        const N: usize = 50_000;
        for name in ["ring", "grid", "spiral"] {
            let (data, mixture) = opened(name, N);
            assert_eq!((data.len(), data.name(), data.spec().kind()), (N, name, "points"));
            let DataSpec::Points(spec) = data.spec() else { unreachable!() };
            let values = data.batch(&(0..N).collect::<Vec<_>>()).unwrap().values;
            let (modes, n) = (mixture.centres.len(), N as f64);
            let mut counts = vec![0.0; modes];
            let (mut good, mut own) = (0.0, 0.0);
            for i in 0..N {
                let (mode, distance) = mixture.nearest(values.row(i));
                counts[mode] += 1.0;
                own += distance * distance / 2.0;
                good += f64::from(u8::from(distance < 3.0));
            }
            for at in 0..2 {
                let column = || (0..N).map(|i| f64::from(values.row(i)[at]));
                let mean = column().sum::<f64>() / n;
                let (expected, deviation) = (f64::from(spec.mean[at]), f64::from(spec.deviation[at]));
                assert!((mean - expected).abs() < 5.0 * deviation / n.sqrt(), "{name}: mean {mean}, not {expected}");
                let variance = column().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
                let ratio = variance / deviation.powi(2);
                assert!((ratio - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{name}: variance {variance}, not {deviation}^2");
            }
            // The Gaussians of the spiral overlap: a point may be nearer to another centre than to its own.
            if name != "spiral" {
                let share = 1.0 / modes as f64;
                let error = (share * (1.0 - share) / n).sqrt();
                assert!(counts.iter().all(|count| (count / n - share).abs() < 5.0 * error), "{name}: {counts:?}");
                // In two dimensions, half the squared distance is exponential: mean 1, and 1 - exp(-9 / 2) are within 3.
                assert!((own / n - 1.0).abs() < 5.0 / n.sqrt(), "{name}: {}", own / n);
                assert!((good / n - 0.988_891).abs() < 5.0 * (0.011 / n).sqrt(), "{name}: {}", good / n);
            }
        }
    }

    #[test]
    fn the_definitions_are_those_that_papers_use() {
        let (_, ring) = opened("ring", 10);
        assert_eq!((ring.centres.len(), ring.deviation), (8, 0.01));
        assert!(ring.centres.iter().all(|c| (c[0].hypot(c[1]) - 1.0).abs() < 1e-6));
        let (_, grid) = opened("grid", 10);
        assert_eq!((grid.centres.len(), grid.deviation), (25, 0.05));
        let side = [-4.0, -2.0, 0.0, 2.0, 4.0];
        assert!(side.iter().all(|x| side.iter().all(|y| grid.centres.contains(&vec![*x, *y]))));
        let (_, spiral) = opened("spiral", 10);
        // So near each other that no gap is seen: see the file of the spiral.
        for pair in spiral.centres.windows(2) {
            let apart = (pair[0][0] - pair[1][0]).hypot(pair[0][1] - pair[1][1]);
            assert!(apart < 1.7 * spiral.deviation, "{apart}");
        }
    }

    #[test]
    fn an_example_depends_on_its_number_only() {
        let (few, _) = opened("grid", 100);
        galatea_kernels::pool::set_threads(3);
        let (many, _) = opened("grid", 5_000);
        galatea_kernels::pool::set_threads(0);
        let all: Vec<usize> = (0..100).collect();
        assert_eq!(few.batch(&all).unwrap(), many.batch(&all).unwrap());
        assert_ne!(few.fingerprint(), many.fingerprint());
        assert_eq!(open("ring", &DataOptions::default()).unwrap().len(), EXAMPLES);
    }

    #[test]
    fn what_is_for_pictures_is_refused() {
        let refusal = |options: DataOptions| {
            let error = open("ring", &options).err().unwrap();
            format!("{error} | {}", error.hint().unwrap())
        };
        let said = refusal(DataOptions { size: "32".into(), ..DataOptions::default() });
        assert_eq!(said, "`data.size` is for pictures, and `ring` holds points | leave out `data.size`");
        assert!(refusal(DataOptions { classes: "3".into(), ..DataOptions::default() }).contains("have no classes"));
        let said = refusal(DataOptions { limit: Some(1 << 40), ..DataOptions::default() });
        assert!(said.contains("MiB of memory"), "{said}");
        let said = formats::open("ring:99", &DataOptions::default()).err().unwrap();
        assert_eq!(said.to_string(), "there is no data set, file or folder `ring:99`");
        assert_eq!(said.hint().unwrap(), "write `ring`; how many examples it has is said by `--set data.limit=..`");
    }
}
