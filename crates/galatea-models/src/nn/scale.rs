//! Points and series of any unit on a common scale.

use std::borrow::Cow;

use galatea_data::{DataSpec, HostBatch};

/// Mean and deviation of each number of a point, or of each channel of a series.
#[derive(Clone, Debug)]
pub struct Scale {
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

impl Scale {
    /// That of points and of series; pictures have none.
    pub fn of(spec: &DataSpec) -> Option<Self> {
        match spec {
            DataSpec::Points(points) => Some(Self { mean: points.mean.clone(), deviation: points.deviation.clone() }),
            DataSpec::Series(series) => Some(Self { mean: series.mean.clone(), deviation: series.deviation.clone() }),
            _ => None,
        }
    }

    /// The batch with mean 0 and deviation 1, where there is a scale.
    pub fn reduced<'a>(scale: Option<&Self>, batch: &'a HostBatch) -> Cow<'a, HostBatch> {
        let Some(Self { mean, deviation }) = scale else { return Cow::Borrowed(batch) };
        let mut batch = batch.clone();
        for point in batch.values.values.chunks_exact_mut(mean.len()) {
            point.iter_mut().zip(mean).zip(deviation).for_each(|((x, mean), deviation)| *x = (*x - mean) / deviation);
        }
        Cow::Owned(batch)
    }

    /// Values in the data's units.
    pub fn restore(&self, values: &mut [f32]) {
        for point in values.chunks_exact_mut(self.mean.len()) {
            let units = self.mean.iter().zip(&self.deviation);
            point.iter_mut().zip(units).for_each(|(x, (mean, deviation))| *x = mean + deviation * *x);
        }
    }

    /// The sum of the logarithms of all deviations: what a log density loses when points get their units back.
    pub fn log_volume(&self) -> f64 {
        self.deviation.iter().map(|deviation| f64::from(*deviation).ln()).sum()
    }
}
