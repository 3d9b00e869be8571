//! Numeric series held in memory: windows of so many moments, of one or more channels.

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::{
    DataSpec, Dataset, Error, HostBatch, MusicSpec, Portion, Result,
    options::Plan,
    set::{Labels, batch_of, check_memory, choose, fingerprint_of, hex, warn_of_counts},
    split,
};

/// Series: examples are windows, `[length, channels]`, in units of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesSpec {
    /// Moments of a window.
    pub length: usize,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Mean of each channel in what is not held back for judging: by it and `deviation`, models bring channels to a common scale.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel there; above 0.
    pub deviation: Vec<f32>,
    /// Class names in label order; empty where windows have no classes.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Of windows whose moments are notes, the music that they are played as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub music: Option<MusicSpec>,
}

/// Series as a format has read them.
pub(crate) struct RawSeries {
    pub(crate) name: String,
    pub(crate) channels: Vec<String>,
    /// Each `[moments, channels]`; windows reach over no end. For what is NaN the mean of its channel is taken.
    pub(crate) pieces: Vec<Vec<f32>>,
    /// The class of each piece, where pieces have classes.
    pub(crate) labels: Option<Labels>,
    pub(crate) notes: Vec<String>,
}

impl RawSeries {
    /// Cuts windows and measures mean and deviation.
    ///
    /// # Errors
    /// If no piece is as long as a window.
    pub(crate) fn finish(self, plan: &Plan) -> Result<Arc<dyn Dataset>> {
        let (d, length) = (self.channels.len(), plan.window.max(1));
        let mut starts: Vec<usize> = Vec::new();
        let mut values = Vec::new();
        let mut of_windows = self.labels.clone().map(|labels| Labels { values: Vec::new(), ..labels });
        for (number, piece) in self.pieces.iter().enumerate() {
            let first = values.len() / d;
            let moments = piece.len() / d;
            if moments >= length {
                starts.extend((0..=moments - length).step_by(plan.stride).map(|at| first + at));
            }
            if let (Some(windows), Some(pieces)) = (&mut of_windows, &self.labels) {
                windows.values.resize(starts.len(), pieces.values[number]);
            }
            values.extend_from_slice(piece);
        }
        let long = self.pieces.iter().filter(|piece| piece.len() / d >= length).count();
        if starts.is_empty() {
            let longest = self.pieces.iter().map(|piece| piece.len() / d).max().unwrap_or(0);
            return Err(Error::usage(format!("`{}` has {longest} moments, and a window {length}", self.name))
                .with_hint("give a longer series, or cut shorter windows with `--set data.window=..`"));
        }
        let count = starts.len();
        let (chosen, mut labels) = choose(starts.len(), of_windows.as_ref(), &Plan { limit: None, ..plan.clone() })?;
        let mut starts: Vec<usize> = chosen.into_iter().map(|at| starts[at]).collect();
        if let Some(limit) = plan.limit {
            starts.truncate(limit);
            labels.iter_mut().for_each(|labels| labels.values.truncate(limit));
        }
        check_memory(values.len(), size_of::<f32>(), plan.memory_bytes)?;
        // Windows of one piece are neighbours even where they share nothing; single windows stand for themselves.
        let are_single = count <= long;
        let overlap = if are_single { 0 } else { ((length - 1) / plan.stride).max(1) };
        let windows = Windows { length, values, starts, labels, overlap, of: Vec::new() };
        let set = SeriesSet::new(self.name, self.channels, windows, plan.holdout).with_notes(self.notes);
        Ok(Arc::new(set))
    }
}

/// Windows as they are cut.
pub(crate) struct Windows {
    /// Moments of each.
    pub(crate) length: usize,
    /// `[moments, channels]` of all pieces.
    pub(crate) values: Vec<f32>,
    /// The first moments of the windows.
    pub(crate) starts: Vec<usize>,
    /// Of the windows, where they have classes.
    pub(crate) labels: Option<Labels>,
    /// See [`Dataset::overlap`].
    pub(crate) overlap: usize,
    /// The number of the piece that each was cut from, and what that is for, where pieces are held back as a whole.
    pub(crate) of: Vec<(usize, Option<Portion>)>,
}

/// A data set of windows.
pub(crate) struct SeriesSet {
    name: String,
    spec: DataSpec,
    windows: Windows,
    /// Whether no channel changes.
    is_constant: bool,
    fingerprint: String,
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl SeriesSet {
    /// Windows with the scale of those that are left where the share `holdout` of them is held back.
    pub(crate) fn new(name: String, channels: Vec<String>, windows: Windows, holdout: f64) -> Self {
        let d = channels.len();
        let Windows { length, starts, labels, .. } = &windows;
        let mut warnings = warn_of_counts(starts.len(), labels.as_ref());
        let classes = labels.as_ref().map(|labels| labels.classes.clone()).unwrap_or_default();
        let unscaled = SeriesSpec { length: *length, channels, mean: vec![], deviation: vec![], classes, music: None };
        let spec = DataSpec::Series(unscaled.clone());
        let mut set = Self {
            name,
            spec,
            windows,
            is_constant: true,
            fingerprint: String::new(),
            notes: vec![],
            warnings: vec![],
        };
        // What is held back plays no part in anything that is learnt, the scale included.
        let mut is_learnt = vec![false; set.windows.values.len() / d];
        for i in split(&set, holdout).train {
            let first = set.windows.starts[i];
            is_learnt[first..first + set.windows.length].fill(true);
        }
        let (mut mean, mut deviation) = (Vec::new(), Vec::new());
        for (at, channel) in unscaled.channels.iter().enumerate() {
            let learnt = |set: &Self| -> Vec<f64> {
                let all = set.windows.values.iter().skip(at).step_by(d).zip(&is_learnt);
                let learnt = all.filter(|(value, is_learnt)| **is_learnt && !value.is_nan());
                learnt.map(|(value, _)| f64::from(*value)).collect()
            };
            let known = learnt(&set);
            let filling = (known.iter().sum::<f64>() / known.len().max(1) as f64) as f32;
            let missing = set.windows.values.iter_mut().skip(at).step_by(d).filter(|value| value.is_nan());
            missing.for_each(|value| *value = filling);
            let learnt = learnt(&set);
            let all = || set.windows.values.iter().skip(at).step_by(d);
            let n = learnt.len().max(1) as f64;
            let average = learnt.iter().sum::<f64>() / n;
            let spread = (learnt.iter().map(|value| (value - average).powi(2)).sum::<f64>() / n).sqrt() as f32;
            let changes = all().any(|value| Some(value) != all().next());
            set.is_constant &= !changes;
            if !changes {
                warnings.push(format!("`{channel}` holds the same number at every moment"));
            } else if spread < f32::MIN_POSITIVE {
                warnings.push(format!("`{channel}` holds the same number at every moment that is not held back"));
            }
            mean.push(average as f32);
            deviation.push(if spread < f32::MIN_POSITIVE { 1.0 } else { spread });
        }
        set.warnings = warnings;
        set.with_spec(SeriesSpec { mean, deviation, ..unscaled })
    }

    /// The same as music.
    pub(crate) fn with_music(self, music: MusicSpec) -> Self {
        match &self.spec {
            DataSpec::Series(series) => {
                let spec = SeriesSpec { music: Some(music), ..series.clone() };
                self.with_spec(spec)
            }
            _ => self,
        }
    }

    /// The same with what is to be said of it.
    pub(crate) fn with_notes(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    fn with_spec(self, series: SeriesSpec) -> Self {
        let spec = DataSpec::Series(series);
        let Windows { values, starts, labels, of, .. } = &self.windows;
        let mut hash = fingerprint_of(&spec);
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        starts.iter().for_each(|start| hash.update((*start as u64).to_le_bytes()));
        labels.iter().flat_map(|labels| &labels.values).for_each(|label| hash.update(label.to_le_bytes()));
        for (piece, portion) in of {
            hash.update((*piece as u64).to_le_bytes());
            hash.update([portion.map_or(0, |portion| 1 + portion as u8)]);
        }
        Self { spec, fingerprint: hex(hash), ..self }
    }

    fn window(&self, index: usize) -> Range<usize> {
        let elements = self.spec.elements();
        let first = self.windows.starts[index] * (elements / self.windows.length);
        first..first + elements
    }
}

impl Dataset for SeriesSet {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> &DataSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.windows.starts.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<HostBatch> {
        let values = indices.iter().flat_map(|i| &self.windows.values[self.window(*i)]).copied().collect();
        Ok(batch_of(&self.spec, values, self.windows.labels.as_ref(), indices))
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.windows.labels.as_ref().map(|labels| labels.values[index])
    }

    fn overlap(&self) -> usize {
        self.windows.overlap
    }

    fn is_constant(&self) -> bool {
        self.is_constant
    }

    fn group(&self, index: usize) -> usize {
        self.windows.of.get(index).map_or(index, |(piece, _)| *piece)
    }

    fn portion(&self, index: usize) -> Option<Portion> {
        self.windows.of.get(index).and_then(|(_, portion)| *portion)
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_has_no_part_in_the_scale() {
        // 87 moments about 5, then a million; one is missing.
        let mut values: Vec<f32> = (0..100).map(|t| if t < 87 { 5.0 + (t % 2) as f32 } else { 1e6 }).collect();
        values[1] = f32::NAN;
        let plan = Plan::new(&crate::DataOptions { window: 4, ..Default::default() }).unwrap();
        let raw = RawSeries {
            name: "a".into(),
            channels: vec!["x".into()],
            pieces: vec![values],
            labels: None,
            notes: vec![],
        };
        let set = raw.finish(&plan).unwrap();
        let DataSpec::Series(series) = set.spec() else { panic!("{}", set.spec()) };
        // Of 44 fives and 42 sixes; what is filled makes the deviation a little less.
        assert!(
            (series.mean[0] - 472.0 / 86.0).abs() < 1e-4 && (series.deviation[0] - 0.49698).abs() < 1e-4,
            "{series:?}"
        );
        let train = split(&*set, 0.1).train;
        assert!(set.batch(&[0]).unwrap().values.values[1] == series.mean[0]);
        assert!(set.batch(&train).unwrap().values.values.iter().all(|value| *value < 7.0));
    }
}
