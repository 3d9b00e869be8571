//! Numeric series held in memory: windows of so many moments, of one or more channels.

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};
use sha2::Digest;

use crate::{
    DataSpec, Dataset, Error, HostBatch, HostTensor, Result,
    options::Plan,
    set::{check_memory, fingerprint_of, hex, warn_of_counts},
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
}

/// Series as a format has read them.
pub(crate) struct RawSeries {
    pub(crate) name: String,
    pub(crate) channels: Vec<String>,
    /// Each `[moments, channels]`; windows reach over no end.
    pub(crate) pieces: Vec<Vec<f32>>,
    pub(crate) notes: Vec<String>,
}

impl RawSeries {
    /// Cuts windows and measures mean and deviation.
    ///
    /// # Errors
    /// If no piece is as long as a window.
    pub(crate) fn finish(self, plan: &Plan) -> Result<Arc<dyn Dataset>> {
        let (d, length) = (self.channels.len(), plan.window.max(1));
        if !plan.classes.is_empty() {
            return Err(Error::usage("`data.classes` is set, but series have no classes").with_hint("leave it out"));
        }
        let mut starts: Vec<usize> = Vec::new();
        let mut values = Vec::new();
        for piece in &self.pieces {
            let first = values.len() / d;
            let moments = piece.len() / d;
            if moments >= length {
                starts.extend((0..=moments - length).step_by(plan.stride).map(|at| first + at));
            }
            values.extend_from_slice(piece);
        }
        if starts.is_empty() {
            let longest = self.pieces.iter().map(|piece| piece.len() / d).max().unwrap_or(0);
            return Err(Error::usage(format!("`{}` has {longest} moments, and a window {length}", self.name))
                .with_hint("give a longer series, or cut shorter windows with `--set data.window=..`"));
        }
        if let Some(limit) = plan.limit {
            starts.truncate(limit);
        }
        check_memory(values.len(), size_of::<f32>(), plan.memory_bytes)?;
        // Windows of one piece are neighbours even where they share nothing; single windows stand for themselves.
        let are_single = starts.len() <= self.pieces.len();
        let overlap = if are_single { 0 } else { ((length - 1) / plan.stride).max(1) };
        Ok(Arc::new(SeriesSet::new(self.name, self.channels, length, (values, starts), overlap, self.notes)))
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
        (values, starts): (Vec<f32>, Vec<usize>),
        overlap: usize,
        notes: Vec<String>,
    ) -> Self {
        let d = channels.len();
        let n = (values.len() / d).max(1) as f64;
        let column = |at: usize| values.iter().skip(at).step_by(d).map(|value| f64::from(*value));
        let mut warnings = warn_of_counts(starts.len(), None);
        let (mut mean, mut deviation) = (Vec::new(), Vec::new());
        for (at, channel) in channels.iter().enumerate() {
            let average = column(at).sum::<f64>() / n;
            let spread = (column(at).map(|value| (value - average).powi(2)).sum::<f64>() / n).sqrt() as f32;
            if spread < f32::MIN_POSITIVE {
                warnings.push(format!("`{channel}` holds the same number at every moment"));
            }
            mean.push(average as f32);
            deviation.push(if spread < f32::MIN_POSITIVE { 1.0 } else { spread });
        }
        let spec = DataSpec::Series(SeriesSpec { length, channels, mean, deviation });
        let mut hash = fingerprint_of(&spec);
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        starts.iter().for_each(|start| hash.update((*start as u64).to_le_bytes()));
        Self { name, spec, length, values, starts, overlap, fingerprint: hex(hash), notes, warnings }
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
        let shape: Vec<usize> = std::iter::once(indices.len()).chain(self.spec.shape()).collect();
        Ok(HostBatch { values: HostTensor::new(shape, values), labels: None })
    }

    fn label(&self, _index: usize) -> Option<u32> {
        None
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
