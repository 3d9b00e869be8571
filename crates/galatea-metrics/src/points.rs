//! Sets of points: what metrics compare.

use std::borrow::Cow;

use galatea_data::HostTensor;
use galatea_kernels::random::Stream;

use crate::{Error, Result};

/// Values beyond this cannot be squared and summed with any sense; they are refused.
const LARGEST: f64 = 1e100;

/// `n` points of `d` numbers, all finite; kept in the precision that they came in, and computed with in double.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    rows: usize,
    width: usize,
    /// Of windows of series: numbers of a moment.
    channels: Option<usize>,
    /// How many points before and after one may have values in common with it.
    overlap: usize,
    values: Values,
}

#[derive(Clone, Debug, PartialEq)]
enum Values {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl Points {
    /// The entries of `tensor` along its first dimension, each as one point.
    ///
    /// # Errors
    /// If there are none, or a value is not finite.
    pub fn single(tensor: HostTensor) -> Result<Self> {
        let (rows, width) = (tensor.rows(), tensor.row_len());
        let channels = match tensor.shape[..] {
            [_, _, channels] => Some(channels),
            _ => None,
        };
        Self { rows, width, channels, overlap: 0, values: Values::Single(tensor.values) }.checked()
    }

    /// Points `[n, d]`, row-major.
    ///
    /// # Errors
    /// If there are none, or a value is not finite.
    ///
    /// # Panics
    /// If the values do not fill the rows.
    pub fn double(width: usize, values: Vec<f64>) -> Result<Self> {
        let rows = values.len().checked_div(width).unwrap_or(0);
        assert_eq!(rows * width, values.len(), "values do not fill rows of {width}");
        Self { rows, width, channels: None, overlap: 0, values: Values::Double(values) }.checked()
    }

    fn checked(self) -> Result<Self> {
        let Self { rows, width, .. } = self;
        if rows == 0 || width == 0 {
            return Err(Error::samples(
                format!("{rows} samples of {width} values cannot be judged"),
                "give at least two samples of one value",
            ));
        }
        let wrong = match &self.values {
            Values::Single(values) => {
                values.iter().position(|value| !value.is_finite()).map(|at| (at, f64::from(values[at])))
            }
            Values::Double(values) => {
                let wrong = |value: &f64| value.is_nan() || value.abs() > LARGEST;
                values.iter().position(wrong).map(|at| (at, values[at]))
            }
        };
        match wrong {
            Some((at, value)) => {
                let hint = match value.is_finite() {
                    true => "scale the values: such large ones cannot be squared and summed",
                    false => {
                        "leave out samples that are not finite; if a model drew them, it has diverged: go back to an \
                         earlier checkpoint"
                    }
                };
                Err(Error::samples(format!("sample {} holds {value:?}", at / width), hint))
            }
            None => Ok(self),
        }
    }

    /// Number of points.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers per point.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Numbers of a moment, of points that are windows of series, `[length, channels]` each.
    pub fn channels(&self) -> Option<usize> {
        self.channels
    }

    /// The same points, of which so many before and after one may have values in common with it, as windows of one series have.
    #[must_use]
    pub fn with_overlap(self, overlap: usize) -> Self {
        Self { overlap, ..self }
    }

    /// How many points before and after one may have values in common with it.
    pub fn overlap(&self) -> usize {
        self.overlap
    }

    /// Writes the numbers of point `i` to `out`.
    ///
    /// # Panics
    /// If there is no such point, or `out` is of another length than the point.
    pub fn write_row(&self, i: usize, out: &mut [f64]) {
        let range = i * self.width..(i + 1) * self.width;
        match &self.values {
            Values::Single(values) => {
                out.iter_mut().zip(&values[range]).for_each(|(out, value)| *out = f64::from(*value));
            }
            Values::Double(values) => out.copy_from_slice(&values[range]),
        }
    }

    /// The numbers of point `i`.
    pub fn row(&self, i: usize) -> Vec<f64> {
        let mut row = vec![0.0; self.width];
        self.write_row(i, &mut row);
        row
    }

    /// These points, in this order.
    ///
    /// # Panics
    /// If there is no such point.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let d = self.width;
        let values = match &self.values {
            Values::Single(values) => {
                Values::Single(rows.iter().flat_map(|i| &values[i * d..(i + 1) * d]).copied().collect())
            }
            Values::Double(values) => {
                Values::Double(rows.iter().flat_map(|i| &values[i * d..(i + 1) * d]).copied().collect())
            }
        };
        Self { rows: rows.len(), width: d, channels: self.channels, overlap: self.overlap, values }
    }

    /// The points `rows`, or all of them.
    pub fn choose(&self, rows: Option<&[usize]>) -> Cow<'_, Self> {
        match rows {
            Some(rows) => Cow::Owned(self.select(rows)),
            None => Cow::Borrowed(self),
        }
    }

    /// The mean of all points.
    pub fn mean(&self) -> Vec<f64> {
        let mut sum = vec![0.0; self.width];
        let mut row = vec![0.0; self.width];
        for i in 0..self.rows {
            self.write_row(i, &mut row);
            sum.iter_mut().zip(&row).for_each(|(sum, value)| *sum += value);
        }
        sum.iter_mut().for_each(|sum| *sum /= self.rows as f64);
        sum
    }

    /// The squared distance from point `i` to point `j` of `other`: a sum of squared differences, so that equal points are
    /// at no distance, and that it is the same from either side.
    pub fn squared_distance(&self, i: usize, other: &Self, j: usize) -> f64 {
        let d = self.width;
        let (at, other_at) = (i * d..(i + 1) * d, j * d..(j + 1) * d);
        match (&self.values, &other.values) {
            (Values::Single(a), Values::Single(b)) => squared(&a[at], &b[other_at]),
            (Values::Double(a), Values::Double(b)) => squared(&a[at], &b[other_at]),
            (Values::Single(a), Values::Double(b)) => squared(&a[at], &b[other_at]),
            (Values::Double(a), Values::Single(b)) => squared(&a[at], &b[other_at]),
        }
    }

    /// Whether both are of one width.
    ///
    /// # Errors
    /// If they are not.
    pub fn like(&self, other: &Self) -> Result<()> {
        if self.width == other.width {
            return Ok(());
        }
        Err(Error::samples(
            format!("samples of {} values cannot be compared with samples of {}", self.width, other.width),
            "bring both to the same size, or compute the same features for both",
        ))
    }
}

/// Squared distance, summed in eight lanes.
fn squared<A: Copy + Into<f64>, B: Copy + Into<f64>>(a: &[A], b: &[B]) -> f64 {
    let mut lanes = [0.0f64; 8];
    let (xs, ys) = (a.chunks_exact(8), b.chunks_exact(8));
    let apart = |x: A, y: B| x.into() - y.into();
    let rest: f64 = xs.remainder().iter().zip(ys.remainder()).map(|(x, y)| apart(*x, *y).powi(2)).sum();
    for (x, y) in xs.zip(ys) {
        for lane in 0..8 {
            let apart = apart(x[lane], y[lane]);
            lanes[lane] += apart * apart;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// 0, 1, .., `n` - 1 in an order that has nothing to do with theirs.
pub fn shuffled(n: usize, seed: u64, stream: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    Stream::new(seed, stream).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_exact_and_symmetric_in_either_precision() {
        let a = Points::double(3, vec![1.0, 2.0, 3.0, 1.0, 0.0, 3.0]).unwrap();
        let b = Points::single(HostTensor::new([1, 3], vec![1.0, 2.0, 5.0])).unwrap();
        assert_eq!((a.squared_distance(0, &a, 1), a.squared_distance(0, &b, 0)), (4.0, 4.0));
        assert_eq!((b.squared_distance(0, &a, 1), a.squared_distance(1, &a, 1)), (8.0, 0.0));
        assert_eq!((a.mean(), a.select(&[1, 0]).row(1)), (vec![1.0, 1.0, 3.0], vec![1.0, 2.0, 3.0]));
    }

    #[test]
    fn what_is_no_set_of_points_is_refused() {
        let refusal = |points: Result<Points>| points.unwrap_err().to_string();
        assert_eq!(refusal(Points::double(2, vec![0.0, 1.0, f64::NAN, 1.0])), "sample 1 holds NaN");
        assert_eq!(refusal(Points::double(1, vec![-1e200])), "sample 0 holds -1e200");
        assert_eq!(refusal(Points::single(HostTensor::new([0, 4], vec![]))), "0 samples of 4 values cannot be judged");
        assert!(refusal(Points::double(0, vec![])).contains("cannot be judged"));
    }
}
