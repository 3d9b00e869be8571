//! Host values: what data sets hand out and what models take and give back.

/// An `n`-dimensional array of `f32` in host memory, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    /// Sizes, outermost first.
    pub shape: Vec<usize>,
    /// `shape.iter().product()` values.
    pub values: Vec<f32>,
}

impl HostTensor {
    /// An array of `shape` over `values`.
    ///
    /// # Panics
    /// If the number of values is not the product of the sizes.
    pub fn new(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Self {
        let shape = shape.into();
        assert_eq!(shape.iter().product::<usize>(), values.len(), "values do not fill {shape:?}");
        Self { shape, values }
    }

    /// Number of entries along the first dimension; 0 for a scalar.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Values in one entry of the first dimension.
    pub fn row_len(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// The values of entry `i` of the first dimension.
    ///
    /// # Panics
    /// If `i >= rows()`.
    pub fn row(&self, i: usize) -> &[f32] {
        let n = self.row_len();
        &self.values[i * n..(i + 1) * n]
    }

    /// The entries of `range` along the first dimension, copied.
    ///
    /// # Panics
    /// If the range ends past `rows()`.
    pub fn slice_rows(&self, range: std::ops::Range<usize>) -> Self {
        let n = self.row_len();
        let mut shape = self.shape.clone();
        shape[0] = range.len();
        Self { shape, values: self.values[range.start * n..range.end * n].to_vec() }
    }
}

/// Some examples with their labels.
///
/// Images are `[n, channels, height, width]` in `[-1, 1]`, points `[n, dimensions]` in units of their own,
/// text `[n, length]` in tokens: whole numbers, which f32 holds exactly up to 2^24.
#[derive(Clone, Debug, PartialEq)]
pub struct HostBatch {
    /// `[n, ..spec.shape()]`.
    pub values: HostTensor,
    /// One class index per example, where the data has classes.
    pub labels: Option<Vec<u32>>,
}

impl HostBatch {
    /// Number of examples.
    pub fn len(&self) -> usize {
        self.values.rows()
    }

    /// The tokens of a batch of text, one example after the other.
    pub fn tokens(&self) -> Vec<u32> {
        self.values.values.iter().map(|value| *value as u32).collect()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
