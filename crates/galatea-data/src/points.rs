//! Points held in memory: numbers that are no pictures.

use std::sync::Arc;

use sha2::Digest;

use crate::{
    DataSpec, Dataset, Error, HostBatch, PointSpec, Result,
    options::Plan,
    set::{Labels, batch_of, choose, fingerprint_of, hex, warn_of_counts},
    split_labels,
};

/// Most numbers in a point: what has more is likely to be flattened pictures or features.
pub(crate) const MOST_DIMENSIONS: usize = 64;

/// Points as a format has read them, `[n, dimensions]`.
pub(crate) struct RawPoints {
    pub(crate) name: String,
    pub(crate) dimensions: usize,
    pub(crate) values: Vec<f32>,
    pub(crate) labels: Option<Labels>,
    pub(crate) notes: Vec<String>,
}

impl RawPoints {
    /// Does what the options ask for, and measures mean and deviation.
    ///
    /// # Errors
    /// If there are no such classes, or numbers so large that their squares cannot be summed.
    pub(crate) fn finish(mut self, plan: &Plan) -> Result<Arc<dyn Dataset>> {
        let d = self.dimensions;
        let (indices, labels) = choose(self.values.len() / d, self.labels.as_ref(), plan)?;
        self.values = indices.iter().flat_map(|i| &self.values[i * d..(i + 1) * d]).copied().collect();
        // What is held back plays no part in anything that is learnt, the scale included.
        let classes = labels.as_ref().map_or_else(|| vec![0; indices.len()], |labels| labels.values.clone());
        let learnt = split_labels(&classes, plan.holdout).train;
        let n = learnt.len() as f64;
        let (learnt, values) = (&learnt, &self.values);
        let column = |at: usize| learnt.iter().map(move |i| f64::from(values[i * d + at]));
        let mean: Vec<f64> = (0..d).map(|at| column(at).sum::<f64>() / n).collect();
        let spread = |at: usize| (column(at).map(|value| (value - mean[at]).powi(2)).sum::<f64>() / n).sqrt() as f32;
        let mut warnings = warn_of_counts(indices.len(), labels.as_ref());
        let mut deviation: Vec<f32> = (0..d).map(spread).collect();
        for (at, deviation) in deviation.iter_mut().enumerate() {
            if !deviation.is_finite() {
                return Err(Error::usage(format!("the numbers in column {at} of `{}` are too large", self.name))
                    .with_hint("scale them, such as by `points / abs(points).max()`"));
            }
            // The smallest numbers that are still precise.
            if *deviation < f32::MIN_POSITIVE {
                let all = || values.iter().skip(at).step_by(d);
                let known = if all().any(|value| Some(value) != all().next()) { " that is not held back" } else { "" };
                warnings.push(format!("column {at} holds the same number for every point{known}"));
                *deviation = 1.0;
            }
        }
        let classes = labels.as_ref().map(|labels| labels.classes.clone()).unwrap_or_default();
        let mean = mean.iter().map(|value| *value as f32).collect();
        let spec = PointSpec { dimensions: d, classes, mean, deviation, mixture: None };
        Ok(Arc::new(PointSet::new(self.name, spec, self.values, labels).with(self.notes, warnings)))
    }
}

/// A data set of points in memory.
pub(crate) struct PointSet {
    name: String,
    spec: DataSpec,
    values: Vec<f32>,
    labels: Option<Labels>,
    fingerprint: String,
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl PointSet {
    /// Points `[n, dimensions]`.
    pub(crate) fn new(name: String, points: PointSpec, values: Vec<f32>, labels: Option<Labels>) -> Self {
        let spec = DataSpec::Points(points);
        let mut hash = fingerprint_of(&spec);
        values.iter().for_each(|value| hash.update(value.to_le_bytes()));
        labels.iter().flat_map(|labels| &labels.values).for_each(|label| hash.update(label.to_le_bytes()));
        Self { name, spec, values, labels, fingerprint: hex(hash), notes: Vec::new(), warnings: Vec::new() }
    }

    /// The same with what is to be said of it.
    pub(crate) fn with(self, notes: Vec<String>, warnings: Vec<String>) -> Self {
        Self { notes, warnings, ..self }
    }
}

impl Dataset for PointSet {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> &DataSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.values.len() / self.spec.elements()
    }

    fn batch(&self, indices: &[usize]) -> Result<HostBatch> {
        let d = self.spec.elements();
        let values = indices.iter().flat_map(|i| &self.values[i * d..(i + 1) * d]).copied().collect();
        Ok(batch_of(&self.spec, values, self.labels.as_ref(), indices))
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.labels.as_ref().map(|labels| labels.values[index])
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
