//! Latent vectors of pictures that a generator might have drawn: an encoder that is fitted to it, and a search that begins where the
//! encoder points.
//!
//! Paper: Schlegl et al. 2019, "f-AnoGAN: Fast unsupervised anomaly detection with generative adversarial networks", Medical Image
//! Analysis 54, section 2.2 (the encoder, `izi_f`, and the score); Zhu et al. 2016, "Generative Visual Manipulation on the Natural
//! Image Manifold", arXiv:1609.03552, section 3.1 (the search).
//! Differs: the encoder first learns from samples, whose latent vectors and classes are known, and only then from pictures; Adam in
//! the place of RMSProp and L-BFGS; the generator need not be a network of this program's, as long as gradients through it are known.

use burn::module::Module;
use burn::prelude::*;
use burn::tensor::activation::log_softmax;
use galatea_data::{HostBatch, HostTensor};
use galatea_kernels::Activation;
use galatea_kernels::burn::{from_vec, to_vec};
use galatea_kernels::random::Stream;

use crate::nn::layers::{Conv, Linear, gain};
use crate::nn::noise::WeightDraw;
use crate::nn::optimizer::{Adam, Optimized};
use crate::{Error, Invert, Latent, Result, SampleRequest, Session};

/// Pictures in a step, and pictures that are read at once.
const BATCH: usize = 32;
/// Steps on samples, and steps on pictures.
const STEPS: [u64; 2] = [800, 200];
/// Steps of the search.
const SEARCH: usize = 120;
/// Adam's first step length of the encoder, which falls to 0, and of the search.
const RATE: f64 = 2e-3;
const SEARCH_RATE: f32 = 0.05;
/// Weight of the discriminator's features beside pixels: the paper's.
const FEATURES: f64 = 1.0;
/// Weight of the squared length of latent vectors in the search, which keeps it where samples come from.
const PRIOR: f32 = 1e-3;
/// Seed of weights and samples; those of users are small numbers.
const SEED: u64 = 0x1a7e_4701;
const SLOPE: f64 = 0.2;
/// Channels of the first stage; stages go on while the short side is longer than this.
const WIDTH: usize = 32;
const LAST_SIDE: usize = 7;

/// Strided convolutions, and a layer of latent vector and classes.
#[derive(Module, Debug)]
struct Network {
    stages: Vec<Conv>,
    hidden: Linear,
    end: Linear,
}

impl Network {
    fn new([channels, mut height, mut width]: [usize; 3], outputs: usize, draw: &mut WeightDraw) -> Self {
        let (mut inputs, mut wide) = (channels, WIDTH);
        let mut stages = Vec::new();
        while height.min(width) > LAST_SIDE {
            stages.push(Conv::new([inputs, wide], 4, 2, 1, gain(SLOPE), draw));
            (inputs, wide) = (wide, (2 * wide).min(4 * WIDTH));
            (height, width) = (height / 2, width / 2);
        }
        let hidden = Linear::new(inputs * height * width, 256, gain(SLOPE), draw);
        Self { stages, hidden, end: Linear::new(256, outputs, 1.0, draw) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let n = x.dims()[0];
        let act = Activation::LeakyRelu(SLOPE as f32);
        let x = self.stages.iter().fold(x, |x, stage| stage.forward(x, act));
        self.end.forward(self.hidden.forward(x.reshape([n as i32, -1]), act), Activation::Identity)
    }
}

/// An encoder that is fitted to a generator.
#[derive(Debug)]
pub struct Inverter {
    network: Optimized<Network>,
    shape: [usize; 3],
    latent: usize,
    classes: usize,
    device: Device,
    /// Whether the discriminator is that of the training.
    whole: bool,
}

/// The model as what draws and what pulls.
fn abilities(session: &dyn Session) -> Result<(&dyn Invert, &dyn Latent)> {
    match (session.as_invert(), session.as_latent()) {
        (Some(invert), Some(latent)) => Ok((invert, latent)),
        _ => Err(Error::usage(
            format!("latent vectors cannot be looked for in `{}`", session.info().name),
            "use a family that encodes, or whose generator can be inverted: see `galatea models`",
        )),
    }
}

impl Inverter {
    /// Fits an encoder to the generator of `session`, first on its own samples, then on `pictures` where there are any. `whole` says
    /// whether its discriminator was read back, too. `tell` is told of steps done and steps in all.
    ///
    /// # Errors
    /// If the model cannot be inverted or draws no pictures.
    pub fn fit(
        session: &dyn Session,
        whole: bool,
        pictures: Option<&HostBatch>,
        tell: &mut dyn FnMut(u64, u64),
    ) -> Result<Self> {
        let (invert, model) = abilities(session)?;
        let shape = <[usize; 3]>::try_from(session.spec().shape())
            .map_err(|_| Error::usage("latent vectors are looked for of pictures only", "use a model of pictures"))?;
        let (latent, classes) = (model.latent_len(), session.classes().len());
        let device = Device::flex().autodiff();
        let network = Network::new(shape, latent + classes, &mut WeightDraw::new(SEED, &device));
        let adam = Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8, clip: 0.0, history: 0.0 };
        let mut inverter = Self { network: Optimized::new(network, adam), shape, latent, classes, device, whole };
        let pictures = pictures.filter(|pictures| !pictures.is_empty());
        let [own, on_pictures] = [STEPS[0], if pictures.is_some() { STEPS[1] } else { 0 }];
        for step in 0..own {
            let n = BATCH as u64;
            let request = SampleRequest { range: step * n..(step + 1) * n, ..SampleRequest::new(SEED, 0) };
            let (z, drawn) = (model.latents(&request), session.sample(&request)?);
            inverter.step_on_samples(&z, &drawn, rate(step, own));
            tell(step + 1, own + on_pictures);
        }
        let mut order: Vec<usize> = (0..pictures.map_or(0, HostBatch::len)).collect();
        for step in 0..on_pictures {
            let Some(pictures) = pictures else { break };
            Stream::new(SEED, step).shuffle(&mut order);
            let chosen: Vec<usize> = (0..BATCH).map(|i| order[i % order.len()]).collect();
            let values = chosen.iter().flat_map(|i| pictures.values.row(*i)).copied().collect();
            let [channels, height, width] = shape;
            let values = HostTensor::new([BATCH, channels, height, width], values);
            let labels = pictures.labels.as_ref().map(|labels| chosen.iter().map(|i| labels[*i]).collect());
            inverter.step_on_pictures(invert, &HostBatch { values, labels }, rate(step, on_pictures) * 0.5)?;
            tell(own + step + 1, own + on_pictures);
        }
        Ok(inverter)
    }

    fn read(&self, pictures: &HostTensor) -> Tensor<2> {
        let [channels, height, width] = self.shape;
        let x = from_vec(pictures.values.clone(), [pictures.rows(), channels, height, width], &self.device);
        self.network.forward(x)
    }

    /// Towards the latent vectors and classes that samples were drawn from.
    fn step_on_samples(&mut self, z: &HostTensor, drawn: &HostBatch, rate: f64) {
        let n = drawn.len();
        let read = self.read(&drawn.values);
        let known = from_vec(z.values.clone(), [n, self.latent], &self.device);
        let apart = read.clone().narrow(1, 0, self.latent) - known;
        let mut loss = (apart.clone() * apart).mean();
        if let (true, Some(labels)) = (self.classes > 0, &drawn.labels) {
            let logits = read.narrow(1, self.latent, self.classes);
            let targets = self.one_hot(labels);
            loss = loss + (log_softmax(logits, 1) * targets).sum().mul_scalar(-0.1 / n as f64);
        }
        self.network.descend(loss, rate);
    }

    /// Towards latent vectors from which the pictures are drawn: alike in pixels, and in what the discriminator makes of them.
    fn step_on_pictures(&mut self, invert: &dyn Invert, pictures: &HostBatch, rate: f64) -> Result<()> {
        let read = self.read(&pictures.values);
        let rows = to_vec(read.clone().inner());
        let guessed = rows.chunks_exact(self.latent + self.classes).map(|row| likeliest(&row[self.latent..])).collect();
        let labels = (self.classes > 0).then(|| pictures.labels.clone().unwrap_or(guessed));
        let z = read.narrow(1, 0, self.latent);
        let latents = HostTensor::new([pictures.len(), self.latent], to_vec(z.clone().inner()));
        let (_, gradient, _) = self.compared(invert, &latents, labels.as_deref(), &pictures.values)?;
        let towards = from_vec(gradient.values, [pictures.len(), self.latent], &self.device);
        // The gradient of this by the encoder's weights is that of the loss.
        self.network.descend((z * towards).sum().mul_scalar(1.0 / pictures.len() as f64), rate);
        Ok(())
    }

    fn one_hot(&self, labels: &[u32]) -> Tensor<2> {
        let mut rows = vec![0.0; labels.len() * self.classes];
        labels.iter().enumerate().for_each(|(i, label)| rows[i * self.classes + *label as usize] = 1.0);
        from_vec(rows, [labels.len(), self.classes], &self.device)
    }

    /// What is drawn from latent vectors, the gradient by these of each row's difference from its picture, and the differences: the mean
    /// square over pixels, and that over the discriminator's features.
    fn compared(
        &self,
        invert: &dyn Invert,
        latents: &HostTensor,
        labels: Option<&[u32]>,
        pictures: &HostTensor,
    ) -> Result<(HostTensor, HostTensor, Vec<f64>)> {
        let n = pictures.rows();
        let mut apart = vec![0.0; n];
        let target = match self.whole {
            true => invert.pull_features(pictures, labels, &mut zeros)?.map(|[features, _]| features),
            false => None,
        };
        let mut failed = None;
        let [drawn, gradient] = invert.pull(latents, labels, &mut |drawn| {
            let mut slope = difference(drawn, pictures, 1.0, &mut apart);
            if let Some(target) = &target {
                let pulled = invert
                    .pull_features(drawn, labels, &mut |features| difference(features, target, FEATURES, &mut apart));
                match pulled {
                    Ok(Some([_, more])) => {
                        slope.values.iter_mut().zip(&more.values).for_each(|(slope, more)| *slope += more);
                    }
                    Ok(None) => {}
                    Err(error) => failed = Some(error),
                }
            }
            slope
        })?;
        failed.map_or(Ok((drawn, gradient, apart)), Err)
    }

    /// Latent vectors `[n, latent]` that the encoder names, and classes, those given or else the likeliest. What is said of a picture
    /// depends on it alone.
    ///
    /// # Errors
    /// If pictures have another shape.
    pub fn encode(&self, examples: &HostBatch) -> Result<(HostTensor, Option<Vec<u32>>)> {
        let n = examples.len();
        if examples.values.shape.len() != 4 || examples.values.shape[1..] != self.shape {
            return Err(Error::usage(
                format!("the model draws pictures of {:?}, not {:?}", self.shape, examples.values.shape),
                "bring the pictures to that shape",
            ));
        }
        let (mut latents, mut guessed) = (Vec::new(), Vec::new());
        let network = self.network.valid();
        let device = network.end.weight.val().device();
        for block in blocks(n) {
            let [channels, height, width] = self.shape;
            let some = filled(&examples.values, block.clone());
            let read = to_vec(network.forward(from_vec(some.values, [BATCH, channels, height, width], &device)));
            for row in read.chunks_exact(self.latent + self.classes).take(block.len()) {
                latents.extend_from_slice(&row[..self.latent]);
                guessed.push(likeliest(&row[self.latent..]));
            }
        }
        let labels = (self.classes > 0).then(|| examples.labels.clone().unwrap_or(guessed));
        Ok((HostTensor::new([n, self.latent], latents), labels))
    }

    /// As [`encode`](Self::encode), and then the search from there: latent vectors from which what is drawn is nearer to the pictures.
    /// `tell` is told of pictures done.
    ///
    /// # Errors
    /// As there.
    pub fn search(
        &self,
        session: &dyn Session,
        examples: &HostBatch,
        tell: &mut dyn FnMut(usize),
    ) -> Result<(HostTensor, Option<Vec<u32>>)> {
        let (invert, _) = abilities(session)?;
        let (mut latents, labels) = self.encode(examples)?;
        for block in blocks(examples.len()) {
            let pictures = filled(&examples.values, block.clone());
            let labels = labels.as_ref().map(|labels| filled_labels(labels, block.clone()));
            let mut z = filled(&latents, block.clone());
            let mut best: Vec<(f64, Vec<f32>)> = vec![(f64::INFINITY, Vec::new()); block.len()];
            let (mut first, mut second) = (vec![0.0f32; z.values.len()], vec![0.0f32; z.values.len()]);
            for step in 0..=SEARCH {
                let (_, gradient, apart) = self.compared(invert, &z, labels.as_deref(), &pictures)?;
                for (i, best) in best.iter_mut().enumerate() {
                    if apart[i] < best.0 {
                        *best = (apart[i], z.row(i).to_vec());
                    }
                }
                let rate = SEARCH_RATE * (1.0 - step as f32 / (SEARCH + 1) as f32);
                let [bias_1, bias_2] = [0.9f32, 0.999].map(|beta| 1.0 - beta.powi(step as i32 + 1));
                for (at, z) in z.values.iter_mut().enumerate() {
                    let gradient = gradient.values[at] + PRIOR * *z;
                    first[at] = 0.9 * first[at] + 0.1 * gradient;
                    second[at] = 0.999 * second[at] + 0.001 * gradient * gradient;
                    *z -= rate * (first[at] / bias_1) / ((second[at] / bias_2).sqrt() + 1e-8);
                }
            }
            tell(block.end);
            for (row, (_, found)) in block.zip(best) {
                latents.values[row * self.latent..][..found.len()].copy_from_slice(&found);
            }
        }
        Ok((latents, labels))
    }

    /// How far each picture is from what is drawn for it: the mean square over pixels, and that over the discriminator's features where
    /// there are any. What is said of a picture depends on it alone.
    ///
    /// # Errors
    /// If pictures have another shape.
    pub fn score(&self, session: &dyn Session, examples: &HostBatch) -> Result<Vec<f64>> {
        let (invert, _) = abilities(session)?;
        let (latents, labels) = self.encode(examples)?;
        let mut scores = Vec::with_capacity(examples.len());
        for block in blocks(examples.len()) {
            let labels = labels.as_ref().map(|labels| filled_labels(labels, block.clone()));
            let (z, pictures) = (filled(&latents, block.clone()), filled(&examples.values, block.clone()));
            let (_, _, apart) = self.compared(invert, &z, labels.as_deref(), &pictures)?;
            scores.extend_from_slice(&apart[..block.len()]);
        }
        Ok(scores)
    }
}

fn likeliest(logits: &[f32]) -> u32 {
    (1..logits.len()).fold(0, |best, at| if logits[at] > logits[best] { at } else { best }) as u32
}

fn rate(step: u64, steps: u64) -> f64 {
    RATE * (1.0 - step as f64 / steps as f64)
}

fn zeros(of: &HostTensor) -> HostTensor {
    HostTensor::new(of.shape.clone(), vec![0.0; of.values.len()])
}

/// The gradient of each row's mean squared difference from that of `target`, times `weight`; the differences are added to `apart`.
fn difference(values: &HostTensor, target: &HostTensor, weight: f64, apart: &mut [f64]) -> HostTensor {
    let share = weight / values.row_len().max(1) as f64;
    for (i, apart) in apart.iter_mut().enumerate() {
        let squares = values.row(i).iter().zip(target.row(i)).map(|(a, b)| f64::from(a - b).powi(2));
        *apart += share * squares.sum::<f64>();
    }
    let slope = values.values.iter().zip(&target.values).map(|(a, b)| 2.0 * share as f32 * (a - b)).collect();
    HostTensor::new(values.shape.clone(), slope)
}

/// The numbers `0..n` in blocks.
fn blocks(n: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..n).step_by(BATCH).map(move |start| start..(start + BATCH).min(n))
}

/// Some rows, filled up to a block: what is said of one must not depend on how many there are.
fn filled(all: &HostTensor, rows: std::ops::Range<usize>) -> HostTensor {
    let mut some = all.slice_rows(rows);
    some.values.resize(BATCH * all.row_len(), 0.0);
    some.shape[0] = BATCH;
    some
}

fn filled_labels(labels: &[u32], rows: std::ops::Range<usize>) -> Vec<u32> {
    let mut some = labels[rows].to_vec();
    some.resize(BATCH, 0);
    some
}
