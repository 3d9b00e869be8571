//! Inception-v3 as published Fréchet distances use it: 2,048 numbers of the last pooling, from a weight file that the user has.
//!
//! Paper: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", arXiv:1512.00567, table 1; Heusel et al.
//! 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium", arXiv:1706.08500, section 4.
//! Differs: from the paper as the TensorFlow graph of 2015-12-05 does, which pytorch-fid and torch-fidelity rebuild: pooled branches
//! leave the padding out of averages, and the last block takes maxima. Pictures are rounded to bytes and brought to 299x299 by
//! TensorFlow 1's bilinear rule (corners not aligned, no half pixels).

use std::sync::Arc;

use burn::prelude::*;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};
use galatea_data::{HostTensor, write};
use galatea_kernels::Activation;
use galatea_kernels::burn::{ConvGeometry, conv2d, from_vec, to_vec};

use super::weight_file::WeightFile;
use super::{Features, Kind, Opening, Reading, Takes, in_batches};
use crate::Result;

/// Inception-v3 of a file.
pub(super) static KIND: Kind = Kind {
    name: "inception",
    summary: "Inception-v3 of published distances, from `--feature-weights FILE`; photographs, a tenth of a second each",
    takes: Takes::File,
    readable: "grey or RGB pictures",
    reads: |shape| matches!(shape, [1 | 3, height, width] if height.min(width) >= &1),
    suits: |_| false,
    open,
};

/// Side of what the network sees.
const SIDE: usize = 299;
/// Features.
const WIDTH: usize = 2_048;
/// Classes of the graph of 2015, among them some that stand for none.
const CLASSES: usize = 1_008;
/// Added to variances.
const EPSILON: f64 = 1e-3;
/// Pictures that are read at once; they need some 60 MiB each.
const BATCH: usize = 4;

fn open(opening: &Opening<'_>) -> Result<Arc<dyn Features>> {
    let path = opening.weights.ok_or_else(|| super::file_needed(&KIND))?;
    Ok(Arc::new(Inception::new(&WeightFile::read(path)?)?))
}

/// A convolution with the normalisation after it, which at rest is part of its weights and bias.
#[derive(Debug)]
struct Layer {
    weight: Tensor<4>,
    bias: Tensor<1>,
    geometry: ConvGeometry,
}

impl Layer {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d(x, self.weight.clone(), Some(self.bias.clone()), self.geometry, Activation::Relu)
    }
}

/// A chain of layers, which ends in one or two beside each other.
#[derive(Debug)]
struct Branch {
    chain: Vec<Layer>,
    ends: Vec<Layer>,
}

impl Branch {
    fn forward(&self, x: Tensor<4>, out: &mut Vec<Tensor<4>>) {
        let x = self.chain.iter().fold(x, |x, layer| layer.forward(x));
        match self.ends.is_empty() {
            true => out.push(x),
            false => out.extend(self.ends.iter().map(|end| end.forward(x.clone()))),
        }
    }
}

/// How the last branch of a block begins.
#[derive(Clone, Copy, Debug)]
enum Pool {
    /// Means of 3x3, the padding left out.
    Mean,
    /// Maxima of 3x3 at every place.
    Most,
    /// Maxima of 3x3 at every second place, and no layer after it.
    Halve,
}

#[derive(Debug)]
struct Block {
    branches: Vec<Branch>,
    pool: Pool,
    after_pool: Option<Layer>,
}

impl Block {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut out = Vec::new();
        self.branches.iter().for_each(|branch| branch.forward(x.clone(), &mut out));
        let pooled = match self.pool {
            Pool::Mean => avg_pool2d(x, mean_of_inside()),
            Pool::Most => max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1])),
            Pool::Halve => halved(x),
        };
        out.push(match &self.after_pool {
            Some(layer) => layer.forward(pooled),
            None => pooled,
        });
        Tensor::cat(out, 1)
    }
}

fn halved(x: Tensor<4>) -> Tensor<4> {
    max_pool2d(x, MaxPoolOptions::new([3, 3]).with_stride([2, 2]))
}

/// 3x3 at every place, without what lies outside of the picture.
fn mean_of_inside() -> AvgPoolOptions<2> {
    AvgPoolOptions::new([3, 3]).with_stride([1, 1]).with_padding([1, 1]).with_count_include_pad(false)
}

/// Reads layers from a file, in the order of the network.
struct Builder<'a> {
    file: &'a WeightFile,
    device: Device,
}

/// Kernel, padding and stride of a layer.
type Form = ([usize; 2], [usize; 2], usize);

const ONE: Form = ([1, 1], [0, 0], 1);
const THREE: Form = ([3, 3], [1, 1], 1);
const FIVE: Form = ([5, 5], [2, 2], 1);
const FLAT_3: Form = ([1, 3], [0, 1], 1);
const TALL_3: Form = ([3, 1], [1, 0], 1);
const FLAT_7: Form = ([1, 7], [0, 3], 1);
const TALL_7: Form = ([7, 1], [3, 0], 1);
/// Without padding.
const INNER: Form = ([3, 3], [0, 0], 1);
const STRIDED: Form = ([3, 3], [0, 0], 2);

impl Builder<'_> {
    fn layer(&self, name: &str, inputs: usize, outputs: usize, (kernel, padding, stride): Form) -> Result<Layer> {
        let weight = self.file.array(&format!("{name}.conv.weight"), &[outputs, inputs, kernel[0], kernel[1]])?;
        let norm = |which: &str| self.file.array(&format!("{name}.bn.{which}"), &[outputs]);
        let (gamma, beta) = (norm("weight")?, norm("bias")?);
        let (mean, variance) = (norm("running_mean")?, norm("running_var")?);
        let each = weight.len() / outputs;
        let (mut folded, mut bias) = (Vec::with_capacity(weight.len()), Vec::with_capacity(outputs));
        for channel in 0..outputs {
            let scale = f64::from(gamma[channel]) / (f64::from(variance[channel]) + EPSILON).sqrt();
            let of = &weight[channel * each..(channel + 1) * each];
            folded.extend(of.iter().map(|weight| (scale * f64::from(*weight)) as f32));
            bias.push((f64::from(beta[channel]) - scale * f64::from(mean[channel])) as f32);
        }
        Ok(Layer {
            weight: from_vec(folded, [outputs, inputs, kernel[0], kernel[1]], &self.device),
            bias: from_vec(bias, [outputs], &self.device),
            geometry: ConvGeometry { stride: [stride; 2], padding, output_padding: [0; 2] },
        })
    }

    /// Layers after each other: `(name, outputs, form)`, within the block `block`.
    fn branch(&self, block: &str, inputs: usize, layers: &[(&str, usize, Form)]) -> Result<Branch> {
        self.split_branch(block, inputs, layers, &[])
    }

    fn split_branch(
        &self,
        block: &str,
        mut inputs: usize,
        layers: &[(&str, usize, Form)],
        ends: &[(&str, usize, Form)],
    ) -> Result<Branch> {
        let mut chain = Vec::new();
        for (name, outputs, form) in layers {
            chain.push(self.layer(&format!("{block}.{name}"), inputs, *outputs, *form)?);
            inputs = *outputs;
        }
        let end = |(name, outputs, form): &(&str, usize, Form)| {
            self.layer(&format!("{block}.{name}"), inputs, *outputs, *form)
        };
        Ok(Branch { chain, ends: ends.iter().map(end).collect::<Result<_>>()? })
    }

    fn block(&self, name: &str, inputs: usize, branches: Vec<Branch>, pool: Pool, after: usize) -> Result<Block> {
        let layer = || self.layer(&format!("{name}.branch_pool"), inputs, after, ONE);
        let after_pool = if after > 0 { Some(layer()?) } else { None };
        Ok(Block { branches, pool, after_pool })
    }

    /// 35x35.
    fn a(&self, name: &str, inputs: usize, after: usize) -> Result<Block> {
        let branches = vec![
            self.branch(name, inputs, &[("branch1x1", 64, ONE)])?,
            self.branch(name, inputs, &[("branch5x5_1", 48, ONE), ("branch5x5_2", 64, FIVE)])?,
            self.branch(
                name,
                inputs,
                &[("branch3x3dbl_1", 64, ONE), ("branch3x3dbl_2", 96, THREE), ("branch3x3dbl_3", 96, THREE)],
            )?,
        ];
        self.block(name, inputs, branches, Pool::Mean, after)
    }

    /// 35x35 to 17x17.
    fn b(&self, name: &str, inputs: usize) -> Result<Block> {
        let branches = vec![
            self.branch(name, inputs, &[("branch3x3", 384, STRIDED)])?,
            self.branch(
                name,
                inputs,
                &[("branch3x3dbl_1", 64, ONE), ("branch3x3dbl_2", 96, THREE), ("branch3x3dbl_3", 96, STRIDED)],
            )?,
        ];
        self.block(name, inputs, branches, Pool::Halve, 0)
    }

    /// 17x17.
    fn c(&self, name: &str, inputs: usize, inner: usize) -> Result<Block> {
        let branches = vec![
            self.branch(name, inputs, &[("branch1x1", 192, ONE)])?,
            self.branch(
                name,
                inputs,
                &[("branch7x7_1", inner, ONE), ("branch7x7_2", inner, FLAT_7), ("branch7x7_3", 192, TALL_7)],
            )?,
            self.branch(
                name,
                inputs,
                &[
                    ("branch7x7dbl_1", inner, ONE),
                    ("branch7x7dbl_2", inner, TALL_7),
                    ("branch7x7dbl_3", inner, FLAT_7),
                    ("branch7x7dbl_4", inner, TALL_7),
                    ("branch7x7dbl_5", 192, FLAT_7),
                ],
            )?,
        ];
        self.block(name, inputs, branches, Pool::Mean, 192)
    }

    /// 17x17 to 8x8.
    fn d(&self, name: &str, inputs: usize) -> Result<Block> {
        let branches = vec![
            self.branch(name, inputs, &[("branch3x3_1", 192, ONE), ("branch3x3_2", 320, STRIDED)])?,
            self.branch(
                name,
                inputs,
                &[
                    ("branch7x7x3_1", 192, ONE),
                    ("branch7x7x3_2", 192, FLAT_7),
                    ("branch7x7x3_3", 192, TALL_7),
                    ("branch7x7x3_4", 192, STRIDED),
                ],
            )?,
        ];
        self.block(name, inputs, branches, Pool::Halve, 0)
    }

    /// 8x8.
    fn e(&self, name: &str, inputs: usize, pool: Pool) -> Result<Block> {
        let branches = vec![
            self.branch(name, inputs, &[("branch1x1", 320, ONE)])?,
            self.split_branch(
                name,
                inputs,
                &[("branch3x3_1", 384, ONE)],
                &[("branch3x3_2a", 384, FLAT_3), ("branch3x3_2b", 384, TALL_3)],
            )?,
            self.split_branch(
                name,
                inputs,
                &[("branch3x3dbl_1", 448, ONE), ("branch3x3dbl_2", 384, THREE)],
                &[("branch3x3dbl_3a", 384, FLAT_3), ("branch3x3dbl_3b", 384, TALL_3)],
            )?,
        ];
        self.block(name, inputs, branches, pool, 192)
    }
}

#[derive(Debug)]
struct Inception {
    /// To 64 channels, and after a pooling to 192.
    stem: [Vec<Layer>; 2],
    blocks: Vec<Block>,
    /// `[2048, 1008]`, where the file has it.
    classes: Option<Tensor<2>>,
    device: Device,
    hash: String,
}

impl Inception {
    fn new(file: &WeightFile) -> Result<Self> {
        let device = Device::flex();
        let build = Builder { file, device: device.clone() };
        let stem = [
            vec![
                build.layer("Conv2d_1a_3x3", 3, 32, STRIDED)?,
                build.layer("Conv2d_2a_3x3", 32, 32, INNER)?,
                build.layer("Conv2d_2b_3x3", 32, 64, THREE)?,
            ],
            vec![build.layer("Conv2d_3b_1x1", 64, 80, ONE)?, build.layer("Conv2d_4a_3x3", 80, 192, INNER)?],
        ];
        let blocks = vec![
            build.a("Mixed_5b", 192, 32)?,
            build.a("Mixed_5c", 256, 64)?,
            build.a("Mixed_5d", 288, 64)?,
            build.b("Mixed_6a", 288)?,
            build.c("Mixed_6b", 768, 128)?,
            build.c("Mixed_6c", 768, 160)?,
            build.c("Mixed_6d", 768, 160)?,
            build.c("Mixed_6e", 768, 192)?,
            build.d("Mixed_7a", 768)?,
            build.e("Mixed_7b", 1_280, Pool::Mean)?,
            build.e("Mixed_7c", 2_048, Pool::Most)?,
        ];
        let classes = match file.has("fc.weight") {
            true => {
                let weight = file.array("fc.weight", &[CLASSES, WIDTH])?.to_vec();
                Some(from_vec(weight, [CLASSES, WIDTH], &device).transpose())
            }
            false => None,
        };
        Ok(Self { stem, blocks, classes, device, hash: file.hash() })
    }

    /// Pictures `[n, 3, 299, 299]` to `[n, 2048]`.
    fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        for layers in &self.stem {
            x = halved(layers.iter().fold(x, |x, layer| layer.forward(x)));
        }
        let x = self.blocks.iter().fold(x, |x, block| block.forward(x));
        let [n, channels, ..] = x.dims();
        x.mean_dim(3).mean_dim(2).reshape([n, channels])
    }
}

impl Features for Inception {
    /// The network, and the rule by which pictures are brought to its size.
    fn name(&self) -> &str {
        "inception-v3-tf1"
    }

    fn hash(&self) -> String {
        self.hash.clone()
    }

    fn read(&self, examples: &HostTensor) -> Result<Reading> {
        let shape = examples.shape[1..].to_vec();
        let mut probabilities = Vec::new();
        let features = in_batches(self.name(), examples, &shape, BATCH, |values| {
            let seen: Vec<f32> =
                values.chunks_exact(values.len() / BATCH).flat_map(|one| resized(one, &shape)).collect();
            let features = self.forward(from_vec(seen, [BATCH, 3, SIDE, SIDE], &self.device));
            if let Some(classes) = &self.classes {
                // Without the bias, as the Inception Score is computed from this graph.
                let logits = features.clone().matmul(classes.clone());
                probabilities.extend(to_vec(burn::tensor::activation::softmax(logits, 1)));
            }
            to_vec(features)
        })?;
        probabilities.truncate(examples.rows() * CLASSES);
        let probabilities = self.classes.as_ref().map(|_| HostTensor::new([examples.rows(), CLASSES], probabilities));
        Ok(Reading { features, probabilities })
    }
}

/// A picture `[1 or 3, height, width]` in [-1, 1], rounded to bytes, as the network sees it: `[3, 299, 299]`.
fn resized(picture: &[f32], shape: &[usize]) -> Vec<f32> {
    let (channels, height, width) = (shape[0], shape[1], shape[2]);
    let (rows, columns) = (places(height), places(width));
    let mut out = Vec::with_capacity(3 * SIDE * SIDE);
    for channel in 0..3 {
        let plane = &picture[channel.min(channels - 1) * height * width..];
        let byte = |y: usize, x: usize| f32::from(write::byte(plane[y * width + x]));
        for (top, bottom, down) in &rows {
            for (left, right, across) in &columns {
                let upper = byte(*top, *left) + (byte(*top, *right) - byte(*top, *left)) * across;
                let lower = byte(*bottom, *left) + (byte(*bottom, *right) - byte(*bottom, *left)) * across;
                out.push((upper + (lower - upper) * down - 128.0) / 128.0);
            }
        }
    }
    out
}

/// For each of 299 places the pixels before and after it, and how far it is from the first to the second.
fn places(side: usize) -> Vec<(usize, usize, f32)> {
    let scale = (side as f64 / SIDE as f64) as f32;
    let place = |i: usize| {
        let at = i as f32 * scale;
        let before = (at as usize).min(side - 1);
        (before, (before + 1).min(side - 1), at - before as f32)
    };
    (0..SIDE).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;
    use std::collections::BTreeMap;

    /// What torch says; see `tests/golden/inception.py`, whose formulas these are.
    const GOLDEN: &[u8] = include_bytes!("../../tests/golden/inception.safetensors");
    const PICTURES: [[usize; 3]; 3] = [[3, 8, 8], [3, 40, 27], [1, 28, 28]];

    fn bits(name: &str, at: u64) -> u64 {
        let start = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        let mut z = start.wrapping_add(at);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn weights() -> WeightFile {
        let mut arrays = BTreeMap::new();
        let mut add = |name: String, shape: Vec<usize>| {
            let count: usize = shape.iter().product();
            let fan: usize = shape[1..].iter().product();
            let scaled = |v: f64| match name.as_str() {
                "fc.weight" => v * (3.0 / fan as f64).sqrt(),
                name if name.ends_with("conv.weight") => v * (6.0 / fan as f64).sqrt(),
                name if name.ends_with("bn.weight") => 1.0 + 0.2 * v,
                name if name.ends_with("running_var") => 1.0 + 0.5 * v,
                _ => 0.2 * v,
            };
            let value = |i| scaled((bits(&name, i) >> 40) as f64 / f64::from(1 << 23) - 1.0) as f32;
            let values = (0..count as u64).map(value).collect();
            arrays.insert(name.clone(), HostTensor::new(shape, values));
        };
        for (name, shape) in layers() {
            add(format!("{name}.conv.weight"), shape.to_vec());
            for which in ["weight", "bias", "running_mean", "running_var"] {
                add(format!("{name}.bn.{which}"), vec![shape[0]]);
            }
        }
        add("fc.weight".to_owned(), vec![CLASSES, WIDTH]);
        WeightFile::of(arrays)
    }

    /// Every convolution's name and shape, as `state_dict` of the reference lists them.
    fn layers() -> Vec<(String, [usize; 4])> {
        include_str!("../../tests/golden/inception-layers.txt")
            .lines()
            .map(|line| {
                let (name, shape) = line.split_once(' ').unwrap();
                let sizes: Vec<usize> = shape.split(' ').map(|size| size.parse().unwrap()).collect();
                (name.to_owned(), sizes.try_into().unwrap())
            })
            .collect()
    }

    fn picture(index: usize) -> HostTensor {
        let shape = PICTURES[index];
        let count: usize = shape.iter().product();
        let name = format!("picture-{index}");
        let value = |i| (bits(&name, i) >> 56) as f32 / 127.5 - 1.0;
        HostTensor::new([1, shape[0], shape[1], shape[2]], (0..count as u64).map(value).collect())
    }

    #[test]
    fn features_are_those_of_torch_with_the_same_weights() {
        let inception = Inception::new(&weights()).unwrap();
        let golden = SafeTensors::deserialize(GOLDEN).unwrap();
        let values = |name: &str| -> Vec<f32> {
            let view = golden.tensor(name).unwrap();
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        };
        let (features, probabilities) = (values("features"), values("probabilities"));
        let mut worst = 0.0f32;
        for index in 0..PICTURES.len() {
            let reading = inception.read(&picture(index)).unwrap();
            let expected = &features[index * WIDTH..(index + 1) * WIDTH];
            let largest = expected.iter().copied().fold(0.0, f32::max);
            let apart = reading.features.values.iter().zip(expected).map(|(a, b)| (a - b).abs() / largest);
            worst = apart.fold(worst, f32::max);
            assert_eq!(reading.features.shape, [1, WIDTH]);
            let read = reading.probabilities.unwrap();
            let expected = &probabilities[index * CLASSES..(index + 1) * CLASSES];
            let apart = read.values.iter().zip(expected).map(|(a, b)| (a - b).abs() / b);
            assert!(apart.fold(0.0, f32::max) < 1e-3, "probabilities of picture {index}");
        }
        assert!(worst < 1e-4, "features differ by {worst} of the largest");
    }

    #[test]
    fn pictures_are_brought_to_size_as_tensorflow_1_did() {
        // 2x2 to 299x299: from the first to the second pixel until the middle, then the second alone.
        let out = resized(&[-1.0, 1.0, 1.0, -1.0], &[1, 2, 2]);
        assert_eq!((out.len(), out[0], out[SIDE - 1]), (3 * SIDE * SIDE, -1.0, 127.0 / 128.0));
        let at = |x: usize| out[x] * 128.0 + 128.0;
        assert!((at(100) - 255.0 * 200.0 / 299.0).abs() < 1e-3 && at(150) == 255.0, "{} {}", at(100), at(150));
        let same: Vec<f32> = (0..SIDE * SIDE).map(|i| (i % 256) as f32 / 127.5 - 1.0).collect();
        let out = resized(&same, &[1, SIDE, SIDE]);
        assert!((0..SIDE * SIDE).all(|i| out[i] == ((i % 256) as f32 - 128.0) / 128.0));
    }

    #[test]
    fn wrong_files_are_refused() {
        let mut arrays = BTreeMap::new();
        let refusal = |arrays: &BTreeMap<String, HostTensor>| {
            let error = Inception::new(&WeightFile::of(arrays.clone())).unwrap_err();
            assert!(error.hint().is_some());
            error.to_string()
        };
        assert!(refusal(&arrays).ends_with("array `Conv2d_1a_3x3.conv.weight` is missing"));
        arrays.insert("Conv2d_1a_3x3.conv.weight".to_owned(), HostTensor::new([1], vec![0.0]));
        assert!(refusal(&arrays).ends_with("array `Conv2d_1a_3x3.conv.weight` is [1], not [32, 3, 3, 3]"));
    }
}
