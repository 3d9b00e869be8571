//! Figures, and the file that keeps those of the last run of each case.

use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The figures of one side in one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Side {
    /// Which of several ways to do it: `compile`.
    pub(crate) variant: String,
    /// Program and version.
    pub(crate) version: String,
    /// Median over all steps of all rounds.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) minimum: f64,
    /// The median of each round.
    pub(crate) rounds: Vec<f64>,
    /// Number of steps.
    pub(crate) steps: usize,
    /// The most memory that the process held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peak_memory_bytes: Option<u64>,
    /// Seconds of training and Frechet distance of samples, for the case `quality`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) curve: Vec<(f64, f64)>,
}

impl Side {
    /// What `rounds` of measurements come to.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn new(variant: &str, version: &str, rounds: &[Vec<f64>], peak_memory_bytes: Option<u64>) -> Self {
        let all: Vec<f64> = rounds.concat();
        Self {
            variant: variant.to_owned(),
            version: version.to_owned(),
            median: median(&all),
            minimum: all.iter().copied().fold(f64::INFINITY, f64::min),
            rounds: rounds.iter().map(|round| median(round)).collect(),
            steps: all.len(),
            peak_memory_bytes,
            curve: Vec::new(),
        }
    }

    /// How far the rounds are apart, as a share of the median.
    pub(crate) fn spread(&self) -> f64 {
        let (lowest, highest) = range(self.rounds.iter().copied());
        (highest - lowest) / self.median
    }
}

/// A case with its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Name of the case.
    pub(crate) case: String,
    /// What it is.
    pub(crate) title: String,
    /// Unit of the figures.
    pub(crate) unit: String,
    /// The commit that was measured.
    pub(crate) commit: String,
    /// Our figures.
    pub(crate) ours: Option<Side>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) absent: Option<String>,
    /// The peer's figures, by its variants, the best first.
    pub(crate) theirs: Vec<Side>,
    /// Floating-point operations of a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) flops: Option<u64>,
    /// Operations per second of the fastest matrix product in the same rounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) peak_flops: Option<f64>,
}

impl Row {
    /// Ours to the peer's best: of medians, and lowest and highest of those of single rounds. Below 1 ours is better.
    pub(crate) fn ratio(&self) -> Option<(f64, f64, f64)> {
        let (ours, theirs) = (self.ours.as_ref()?, self.theirs.first()?);
        let (lowest, highest) = range(ours.rounds.iter().zip(&theirs.rounds).map(|(ours, theirs)| ours / theirs));
        Some((ours.median / theirs.median, lowest, highest))
    }

    /// The share of the machine's matrix product that `side` reaches.
    pub(crate) fn share_of_peak(&self, side: &Side) -> Option<f64> {
        Some(self.flops? as f64 / (side.median * 1e-3) / self.peak_flops?)
    }
}

/// What is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Results {
    /// The processor and how many threads both sides had; figures of another machine are not mixed with these.
    pub(crate) machine: String,
    /// In the order of the cases.
    pub(crate) rows: Vec<Row>,
}

impl Results {
    /// What the file at `path` holds for `machine`.
    ///
    /// # Errors
    /// If there is a file and it is no such file.
    pub(crate) fn read(path: &Path, machine: &str) -> anyhow::Result<Self> {
        let fresh = Self { machine: machine.to_owned(), rows: Vec::new() };
        if !path.exists() {
            return Ok(fresh);
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let read: Self = serde_json::from_str(&text).with_context(|| {
            format!("`{}` holds no results\nhint: name another file with `--json`, or delete it", path.display())
        })?;
        Ok(if read.machine == machine { read } else { fresh })
    }

    /// Puts `row` in place of an older one of its case; `order` names all cases.
    pub(crate) fn put(&mut self, row: Row, order: &[&str]) {
        self.rows.retain(|old| old.case != row.case);
        self.rows.push(row);
        self.rows.sort_by_key(|row| order.iter().position(|case| *case == row.case));
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        replace(path, &text)
    }
}

/// Writes `text` aside and renames it, so that an interruption leaves the old file or the new one.
pub(crate) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let aside = path.with_extension("new");
        std::fs::write(&aside, text)?;
        std::fs::rename(&aside, path)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

/// The middle value, or the mean of the two in the middle.
///
/// # Panics
/// If there is no value.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn side(variant: &str, rounds: &[&[f64]]) -> Side {
        let rounds: Vec<Vec<f64>> = rounds.iter().map(|round| round.to_vec()).collect();
        Side::new(variant, "1.0", &rounds, Some(100 << 20))
    }

    pub(crate) fn row(case: &str, ours: Option<Side>, theirs: Vec<Side>) -> Row {
        Row {
            case: case.to_owned(),
            title: format!("the {case}"),
            unit: "ms".to_owned(),
            commit: "abc".to_owned(),
            absent: ours.is_none().then(|| "not there yet".to_owned()),
            ours,
            theirs,
            flops: None,
            peak_flops: None,
        }
    }

    #[test]
    fn medians_are_of_all_steps_and_of_each_round() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0, 2.0, 9.0])), (2.0, 3.0));
        let side = side("a", &[&[1.0, 2.0, 9.0], &[4.0, 4.0]]);
        assert_eq!((side.median, side.minimum, side.steps), (4.0, 1.0, 5));
        assert_eq!((side.rounds.clone(), side.spread()), (vec![2.0, 4.0], 0.5));
    }

    #[test]
    fn ratios_are_of_medians_and_pair_the_rounds() {
        let ours = side("", &[&[2.0], &[3.0], &[4.0]]);
        let theirs = vec![side("best", &[&[4.0], &[4.0], &[16.0]]), side("other", &[&[9.0]])];
        assert_eq!(row("a", Some(ours), theirs).ratio(), Some((0.75, 0.25, 0.75)));
        assert_eq!(row("a", None, vec![side("best", &[&[1.0]])]).ratio(), None);
        assert_eq!(row("a", Some(side("", &[&[1.0]])), vec![]).ratio(), None);
    }

    #[test]
    fn the_share_of_the_peak_is_by_time() {
        let row = Row { flops: Some(3_000_000), peak_flops: Some(1e9), ..row("a", None, vec![]) };
        // 3 million operations in 4 ms are 0.75 billion a second.
        assert!((row.share_of_peak(&side("", &[&[4.0]])).unwrap() - 0.75).abs() < 1e-12);
    }

    #[test]
    fn results_are_kept_by_case_and_machine() {
        let folder = std::env::temp_dir().join(format!("xtask-results-{}", std::process::id()));
        let path = folder.join("deep/latest.json");
        let mut results = Results::read(&path, "m, 2 threads").unwrap();
        results.put(row("b", Some(side("", &[&[1.0]])), vec![]), &["a", "b"]);
        results.put(row("a", None, vec![side("x", &[&[2.0]])]), &["a", "b"]);
        results.put(row("b", Some(side("", &[&[5.0]])), vec![]), &["a", "b"]);
        results.write(&path).unwrap();
        let read = Results::read(&path, "m, 2 threads").unwrap();
        assert_eq!(read, results);
        assert_eq!(read.rows.iter().map(|row| &*row.case).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read.rows[1].ours.as_ref().unwrap().median, 5.0);
        assert_eq!(Results::read(&path, "m, 4 threads").unwrap().rows, []);
        std::fs::write(&path, "{}").unwrap();
        let error = format!("{:#}", Results::read(&path, "m").unwrap_err());
        assert!(error.contains("hint: name another file"), "{error}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
