//! Features of a convolutional network whose weights are random and always the same: for pictures of any kind and size.
//!
//! Paper: Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models", arXiv:2002.09797, section 4.2:
//! a network that was never trained judges pictures that have nothing to do with photographs more fairly than one that was.
//! Differs: in place of VGG16 a chain of strided convolutions, all stages of which are pooled over quarters of the picture and
//! projected to 128 numbers.

use std::sync::Arc;

use burn::prelude::*;
use galatea_data::HostTensor;
use galatea_kernels::Activation;
use galatea_kernels::burn::{ConvGeometry, conv2d, from_vec, to_vec};
use galatea_models::nn::noise::WeightDraw;
use sha2::{Digest, Sha256};

use super::{Features, Kind, Opening, Reading, Takes, hex, in_batches};
use crate::{Error, Result};

/// Random convolutional features.
pub(super) static KIND: Kind = Kind {
    name: "random-conv",
    summary: "a convolutional network with fixed random weights; any pictures, nothing to train or to load",
    takes: Takes::Nothing,
    readable: "pictures of at least 4x4 pixels",
    reads: |shape| matches!(shape, [1 | 3, height, width] if height.min(width) >= &4),
    suits: |_| false,
    open,
};

/// Seed of the weights, which are the same everywhere.
const SEED: u64 = 0x00c0_4f17;
/// Numbers per picture.
const WIDTH: usize = 128;
/// Channels of the first stage; each next one has twice as many, up to [`MOST`].
const CHANNELS: usize = 32;
const MOST: usize = 128;
/// Stages go on while a side is at least this long.
const LEAST_SIDE: usize = 4;
/// Pictures that are read at once.
const BATCH: usize = 64;

fn open(opening: &Opening<'_>) -> Result<Arc<dyn Features>> {
    let shape = <[usize; 3]>::try_from(opening.spec.shape())
        .map_err(|_| Error::samples("these data are no pictures", "name other features"))?;
    Ok(Arc::new(RandomConv::new(shape)))
}

#[derive(Debug)]
struct RandomConv {
    shape: [usize; 3],
    /// `[outputs, inputs, 4, 4]` each.
    stages: Vec<Tensor<4>>,
    /// `[pooled, 128]`.
    projection: Tensor<2>,
    device: Device,
    hash: String,
}

impl RandomConv {
    fn new(shape: [usize; 3]) -> Self {
        let device = Device::flex();
        let mut draw = WeightDraw::new(SEED, &device);
        let [mut inputs, mut height, mut width] = shape;
        let (mut outputs, mut pooled) = (CHANNELS, 0);
        let mut stages = Vec::new();
        while height.min(width) >= LEAST_SIDE {
            // He et al. 2015, arXiv:1502.01852: the spread of values stays what it was from stage to stage.
            stages.push(draw.normal([outputs, inputs, 4, 4], (2.0 / (16 * inputs) as f64).sqrt()));
            pooled += 4 * outputs;
            (inputs, outputs) = (outputs, (2 * outputs).min(MOST));
            (height, width) = (height / 2, width / 2);
        }
        let projection = draw.normal([pooled, WIDTH], (1.0 / pooled as f64).sqrt());
        let mut hasher = Sha256::new();
        let mut take = |values: Vec<f32>| values.iter().for_each(|value| hasher.update(value.to_le_bytes()));
        stages.iter().for_each(|stage: &Tensor<4>| take(to_vec(stage.clone())));
        take(to_vec(projection.clone()));
        let hash = hex(&hasher.finalize());
        Self { shape, stages, projection, device, hash }
    }

    /// `[n, channels, height, width]` to `[n, 128]`.
    fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        let at = ConvGeometry { stride: [2; 2], padding: [1; 2], output_padding: [0; 2] };
        let mut pooled = Vec::new();
        for stage in &self.stages {
            x = conv2d(x, stage.clone(), None, at, Activation::LeakyRelu(0.2));
            pooled.push(quarters(&x));
        }
        Tensor::cat(pooled, 1).matmul(self.projection.clone())
    }
}

/// The means over quarters of the picture, `[n, 4 * channels]`; of a side of one pixel both halves are that pixel.
fn quarters(x: &Tensor<4>) -> Tensor<2> {
    let [n, channels, height, width] = x.dims();
    let halves = |side: usize| [0..side.div_ceil(2), side / 2..side];
    let mut means = Vec::with_capacity(4);
    for rows in halves(height) {
        for columns in halves(width) {
            let part = x.clone().slice([0..n, 0..channels, rows.clone(), columns]);
            means.push(part.mean_dim(3).mean_dim(2).reshape([n, channels]));
        }
    }
    Tensor::cat(means, 1)
}

impl Features for RandomConv {
    fn name(&self) -> &str {
        KIND.name
    }

    fn hash(&self) -> String {
        self.hash.clone()
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        let features = in_batches(self.name(), examples, &self.shape, BATCH, |values| {
            let [channels, height, width] = self.shape;
            to_vec(self.forward(from_vec(values, [BATCH, channels, height, width], &self.device)))
        })?;
        Ok(Reading { features, probabilities: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_data::{DataSpec, ImageSpec};
    use galatea_kernels::random;

    fn pictures(n: usize, [channels, height, width]: [usize; 3], seed: u64) -> HostTensor {
        let mut values = vec![0.0; n * channels * height * width];
        random::fill_uniform(seed, 3, &mut values);
        values.iter_mut().for_each(|value| *value = 2.0 * *value - 1.0);
        HostTensor::new([n, channels, height, width], values)
    }

    fn features(shape: [usize; 3]) -> Arc<dyn Features> {
        let [channels, height, width] = shape;
        let spec = DataSpec::Images(ImageSpec { channels, height, width, classes: Vec::new() });
        super::super::open("random-conv", &Opening::new(&spec)).unwrap()
    }

    #[test]
    fn any_size_is_read_and_each_row_depends_on_its_picture_only() {
        for shape in [[1, 28, 28], [3, 4, 9], [3, 33, 64], [1, 8, 8]] {
            let features = features(shape);
            let all = pictures(70, shape, 1);
            let read = features.read(&all).unwrap().features;
            assert_eq!(read.shape, [70, WIDTH]);
            assert!(read.values.iter().all(|value| value.is_finite()));
            let one = features.read(&all.slice_rows(69..70)).unwrap().features;
            assert_eq!(one.row(0), read.row(69), "{shape:?}");
            // Neither too small to tell pictures apart nor out of all proportion.
            let spread: f32 = read.row(0).iter().zip(read.row(1)).map(|(a, b)| (a - b).powi(2)).sum();
            assert!((1e-4..1e4).contains(&spread), "{shape:?}: {spread}");
        }
    }

    #[test]
    fn weights_are_the_same_everywhere_and_forever() {
        let (digits, colour) = (features([1, 28, 28]), features([3, 28, 28]));
        assert_eq!(digits.hash(), features([1, 28, 28]).hash());
        assert_ne!(digits.hash(), colour.hash());
        // Numbers of other versions can be compared with only as long as this holds.
        assert_eq!(&digits.hash()[..16], "b7994f7f14302a69");
    }

    #[test]
    fn naive_loops_give_the_same_features() {
        let features = RandomConv::new([1, 4, 4]);
        let picture = pictures(1, [1, 4, 4], 2);
        let weights = to_vec(features.stages[0].clone());
        // One stage, 4x4 to 2x2: each quarter is one pixel.
        let mut pooled = vec![0.0f64; 4 * CHANNELS];
        for channel in 0..CHANNELS {
            for (quarter, [y, x]) in [[0, 0], [0, 1], [1, 0], [1, 1]].into_iter().enumerate() {
                let mut sum = 0.0;
                for (row, column) in (0..4).flat_map(|row| (0..4).map(move |column| (row, column))) {
                    let (from_y, from_x) = (2 * y + row, 2 * x + column);
                    if (1..5).contains(&from_y) && (1..5).contains(&from_x) {
                        let pixel = picture.values[(from_y - 1) * 4 + from_x - 1];
                        sum += f64::from(weights[channel * 16 + row * 4 + column] * pixel);
                    }
                }
                pooled[quarter * CHANNELS + channel] = if sum > 0.0 { sum } else { 0.2 * sum };
            }
        }
        let projection = to_vec(features.projection.clone());
        let read = features.read(&picture).unwrap().features;
        for j in 0..WIDTH {
            let expected: f64 = (0..pooled.len()).map(|i| pooled[i] * f64::from(projection[i * WIDTH + j])).sum();
            assert!((f64::from(read.values[j]) - expected).abs() < 1e-4, "{j}");
        }
    }
}
