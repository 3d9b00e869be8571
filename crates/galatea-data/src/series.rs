//! Numeric series held in memory: windows of so many moments, of one or more channels.

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::{
    DataSpec, Dataset, Error, HostBatch, Result,
    options::Plan,
    set::{Labels, batch_of, check_memory, choose, fingerprint_of, hex, warn_of_counts},
};

/// Series: examples are windows, `[length, channels]`, in units of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesSpec {
    /// Moments of a window.
    pub length: usize,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Mean of each channel: by it and `deviation`, models bring channels to a common scale.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel; above 0.
    pub deviation: Vec<f32>,
    /// Class names in label order; empty where windows have no classes.
    #[serde(default)]
    pub classes: Vec<String>,
}

/// Series as a format has read them.
pub(crate) struct RawSeries {
    pub(crate) name: String,
    pub(crate) channels: Vec<String>,
    /// Each `[moments, channels]`; windows reach over no end.
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
        let name = self.name.clone();
        let set = SeriesSet::new(self.name, self.channels, length, (values, starts, labels), overlap, self.notes);
        if set.is_constant {
            return Err(Error::usage(format!(
                "`{name}` holds the same numbers at every moment: there is nothing to learn"
            ))
            .with_hint("give a series in which something changes"));
        }
        Ok(Arc::new(set))
    }
}

/// A data set of windows.
pub(crate) struct SeriesSet {
    name: String,
    spec: DataSpec,
    length: usize,
    /// `[moments, channels]` of all pieces.
    values: Vec<f32>,
    /// The first moments of the windows.
    starts: Vec<usize>,
    /// Of the windows, where they have classes.
    labels: Option<Labels>,
    /// Whether no channel changes.
    is_constant: bool,
    /// See [`Dataset::overlap`].
    overlap: usize,
    fingerprint: String,
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl SeriesSet {
    pub(crate) fn new(
        name: String,
        channels: Vec<String>,
        length: usize,
        (values, starts, labels): (Vec<f32>, Vec<usize>, Option<Labels>),
        overlap: usize,
        notes: Vec<String>,
    ) -> Self {
        let d = channels.len();
        let n = (values.len() / d).max(1) as f64;
        let column = |at: usize| values.iter().skip(at).step_by(d).map(|value| f64::from(*value));
        let mut warnings = warn_of_counts(starts.len(), labels.as_ref());
        let mut is_constant = true;
        let (mut mean, mut deviation) = (Vec::new(), Vec::new());
        for (at, channel) in channels.iter().enumerate() {
            let average = column(at).sum::<f64>() / n;
            let spread = (column(at).map(|value| (value - average).powi(2)).sum::<f64>() / n).sqrt() as f32;
            is_constant &= spread < f32::MIN_POSITIVE;
            if spread < f32::MIN_POSITIVE {
                warnings.push(format!("`{channel}` holds the same number at every moment"));
            }
            mean.push(average as f32);
            deviation.push(if spread < f32::MIN_POSITIVE { 1.0 } else { spread });
        }
        let classes = labels.as_ref().map(|labels| labels.classes.clone()).unwrap_or_default();
        let spec = DataSpec::Series(SeriesSpec { length, channels, mean, deviation, classes });
        let mut hash = fingerprint_of(&spec);
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        starts.iter().for_each(|start| hash.update((*start as u64).to_le_bytes()));
        labels.iter().flat_map(|labels| &labels.values).for_each(|label| hash.update(label.to_le_bytes()));
        let fingerprint = hex(hash);
        Self { name, spec, length, values, starts, labels, is_constant, overlap, fingerprint, notes, warnings }
    }

    fn window(&self, index: usize) -> Range<usize> {
        let d = self.spec.elements() / self.length;
        let first = self.starts[index] * d;
        first..first + self.length * d
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
        self.starts.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<HostBatch> {
        let values = indices.iter().flat_map(|i| &self.values[self.window(*i)]).copied().collect();
        Ok(batch_of(&self.spec, values, self.labels.as_ref(), indices))
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.as_ref().map(|labels| labels.values[index])
    }

    fn overlap(&self) -> usize {
        self.overlap
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
