//! The two networks of an autoencoder, fully connected or convolutional: one reads examples into distributions of latent
//! vectors, the other turns latent vectors back.

use burn::module::{Module, Param};
use burn::prelude::*;
use galatea_data::{DataSpec, choice};
use galatea_kernels::Activation;
use galatea_kernels::burn::{flatten, unflatten};

use super::condition::{Labels, with_labels};
use super::layers::{Conv, ConvUp, Linear, gain, trained};
use super::likelihood::Likelihood;
use super::noise::WeightDraw;

choice! {
    /// What networks are made of.
    pub enum Network {
        /// Convolutions for pictures of 8x8 and larger, else fully connected layers.
        Auto = "auto",
        /// Fully connected layers.
        Dense = "dense",
        /// Convolutions, and fully connected layers behind them.
        Conv = "conv",
    }
}

/// Fully connected layers begin with weights of this deviation over the root of their inputs, as those of PyTorch do. With He's
/// gain, 2.4 times as much, 60 epochs of 9,000 digits end 2.3 nats lower for unseen ones (-84.7, not -82.3): it learns them by heart.
const DENSE: f64 = 0.577;
/// Slope of the encoder's leaky ReLUs between convolutions.
const SLOPE: f64 = 0.2;
/// The shorter side that convolutions halve pictures down to is below this.
const SHORT: usize = 8;
/// Logarithms of variances are kept within this, beyond which numbers overflow.
const LOG_VARIANCE: [f64; 2] = [-20.0, 10.0];

/// Sizes of both networks.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Length of the latent vector.
    pub latent: usize,
    /// Classes that both networks are told.
    pub classes: usize,
    /// Widths of fully connected hidden layers, from the encoder's side.
    pub hidden: Vec<usize>,
    /// Channels of the largest pictures inside, and the most that there are; `None` for fully connected networks.
    pub channels: Option<[usize; 2]>,
}

/// Both networks.
#[derive(Module, Debug)]
pub struct Autoencoder {
    /// Examples to distributions of latent vectors.
    pub encoder: Encoder,
    /// Latent vectors to examples.
    pub decoder: Decoder,
}

impl Autoencoder {
    /// Networks for such data, with fresh weights.
    pub fn new(sizes: &Sizes, spec: &DataSpec, likelihood: &Likelihood, draw: &mut WeightDraw) -> Self {
        let shape = <[usize; 3]>::try_from(spec.shape()).unwrap_or([1, 1, spec.elements()]);
        Self {
            encoder: Encoder::new(sizes, shape, draw),
            decoder: Decoder::new(sizes, shape, likelihood.scales(), draw),
        }
    }
}

/// A Gaussian of latent vectors for each example, its numbers independent.
#[derive(Clone, Debug)]
pub struct Posterior {
    /// `[n, latent]`.
    pub mean: Tensor<2>,
    /// `[n, latent]`.
    pub log_variance: Tensor<2>,
}

impl Posterior {
    /// Latent vectors from standard normal `noise` `[n, latent]`.
    pub fn drawn(&self, noise: Tensor<2>) -> Tensor<2> {
        self.mean.clone() + self.log_variance.clone().mul_scalar(0.5).exp() * noise
    }

    /// The divergence from the standard normal distribution in each number, `[n, latent]`, in nats (Kingma and Welling 2014,
    /// appendix B).
    pub fn kl(&self) -> Tensor<2> {
        let variance = self.log_variance.clone().exp();
        (self.mean.clone().powi_scalar(2) + variance - self.log_variance.clone()).sub_scalar(1.0).mul_scalar(0.5)
    }

    /// The same `times` times, all examples and then all again.
    pub fn repeated(&self, times: usize) -> Self {
        let again = |x: &Tensor<2>| x.clone().repeat_dim(0, times);
        Self { mean: again(&self.mean), log_variance: again(&self.log_variance) }
    }
}

/// Convolutions that halve a picture, if there are any, then fully connected layers.
#[derive(Module, Debug)]
pub struct Encoder {
    downs: Vec<Conv>,
    hidden: Vec<Linear>,
    mean: Linear,
    log_variance: Linear,
    #[module(skip)]
    shape: [usize; 3],
}

impl Encoder {
    fn new(sizes: &Sizes, shape: [usize; 3], draw: &mut WeightDraw) -> Self {
        let (downs, mut inputs) = match sizes.channels {
            None => (Vec::new(), shape.iter().product()),
            Some(channels) => {
                // A convolution leaves the last row or column of an odd size out.
                let steps = pictures(shape, channels, |side| side / 2);
                let of = |pair: &[Picture], draw: &mut WeightDraw| {
                    Conv::new([pair[0].channels, pair[1].channels], 4, 2, 1, gain(SLOPE), draw)
                };
                (steps.windows(2).map(|pair| of(pair, draw)).collect(), steps[steps.len() - 1].values())
            }
        };
        inputs += sizes.classes;
        let mut hidden = Vec::new();
        for &width in &sizes.hidden {
            hidden.push(Linear::new(inputs, width, DENSE, draw));
            inputs = width;
        }
        // Variances begin near 1, those of the prior.
        let log_variance = Linear::new(inputs, sizes.latent, 0.1, draw);
        Self { downs, hidden, mean: Linear::new(inputs, sizes.latent, DENSE, draw), log_variance, shape }
    }

    /// Examples `[n, elements]`, channel by channel, to distributions of their latent vectors.
    pub fn forward(&self, x: Tensor<2>, labels: Labels) -> Posterior {
        let x = match self.downs.is_empty() {
            true => x,
            false => {
                let [n, _] = x.dims();
                let [channels, height, width] = self.shape;
                let picture = x.reshape([n, channels, height, width]);
                let activation = Activation::LeakyRelu(SLOPE as f32);
                flatten(self.downs.iter().fold(picture, |x, down| down.forward(x, activation)))
            }
        };
        let x = self.hidden.iter().fold(with_labels(x, labels), |x, layer| layer.forward(x, Activation::Relu));
        let log_variance = self.log_variance.forward(x.clone(), Activation::Identity);
        Posterior {
            mean: self.mean.forward(x, Activation::Identity),
            log_variance: log_variance.clamp(LOG_VARIANCE[0], LOG_VARIANCE[1]),
        }
    }
}

/// Fully connected layers, then transposed convolutions that double a picture, if there are any.
#[derive(Module, Debug)]
pub struct Decoder {
    hidden: Vec<Linear>,
    end: Linear,
    ups: Vec<ConvUp>,
    /// Logarithms of learnt scales, `[1, channels]`, for likelihoods that have some.
    pub log_scale: Option<Param<Tensor<2>>>,
    /// Sizes of the pictures that `end` and each of `ups` put out.
    #[module(skip)]
    pictures: Vec<Picture>,
}

impl Decoder {
    fn new(sizes: &Sizes, shape: [usize; 3], scales: Option<(usize, f64)>, draw: &mut WeightDraw) -> Self {
        let mut inputs = sizes.latent + sizes.classes;
        let mut hidden = Vec::new();
        for &width in sizes.hidden.iter().rev() {
            hidden.push(Linear::new(inputs, width, DENSE, draw));
            inputs = width;
        }
        let pictures: Vec<Picture> = match sizes.channels {
            None => Vec::new(),
            Some(channels) => pictures(shape, channels, |side| side.div_ceil(2)).into_iter().rev().collect(),
        };
        let outputs = pictures.first().map_or_else(|| shape.iter().product(), Picture::values);
        let is_last = |at: usize| at + 1 == pictures.len();
        let end_gain = if pictures.len() > 1 { gain(0.0) } else { DENSE };
        let end = Linear::new(inputs, outputs, end_gain, draw);
        let ups = pictures.windows(2).enumerate().map(|(i, pair)| {
            let gain = if is_last(i + 1) { 1.0 } else { gain(0.0) };
            ConvUp::new([pair[0].channels, pair[1].channels], gain, draw)
        });
        let ups = ups.collect();
        let log_scale = scales.map(|(count, start)| trained(Tensor::full([1, count], start, draw.device())));
        Self { hidden, end, ups, log_scale, pictures }
    }

    /// Latent vectors `[n, latent]` to what a likelihood takes, `[n, elements]`, channel by channel.
    pub fn forward(&self, z: Tensor<2>, labels: Labels) -> Tensor<2> {
        let x = self.hidden.iter().fold(with_labels(z, labels), |x, layer| layer.forward(x, Activation::Relu));
        let [n, _] = x.dims();
        let Some((first, others)) = self.pictures.split_first().filter(|(_, others)| !others.is_empty()) else {
            return self.end.forward(x, Activation::Identity);
        };
        let mut x = unflatten(self.end.forward(x, Activation::Relu), [first.channels, first.height, first.width]);
        for (i, (up, picture)) in self.ups.iter().zip(others).enumerate() {
            let is_last = i + 1 == others.len();
            x = up.forward(x, if is_last { Activation::Identity } else { Activation::Relu });
            // Doubling an odd size, rounded up when it was halved, gives a row or column too many.
            if x.dims()[2] != picture.height {
                x = x.narrow(2, 0, picture.height);
            }
            if x.dims()[3] != picture.width {
                x = x.narrow(3, 0, picture.width);
            }
        }
        let last = others[others.len() - 1];
        x.reshape([n, last.values()])
    }
}

/// Size of a picture inside of a network.
#[derive(Clone, Copy, Debug)]
struct Picture {
    channels: usize,
    height: usize,
    width: usize,
}

impl Picture {
    fn values(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// Pictures inside, largest first: halved until the short side is below 8.
fn pictures(
    [channels, height, width]: [usize; 3],
    [least, most]: [usize; 2],
    halved: impl Fn(usize) -> usize,
) -> Vec<Picture> {
    let mut pictures = vec![Picture { channels, height, width }];
    let mut channels = least;
    while let Some(&Picture { height, width, .. }) = pictures.last()
        && height.min(width) >= SHORT
    {
        pictures.push(Picture { channels: channels.min(most), height: halved(height), width: halved(width) });
        channels = (2 * channels).min(most);
    }
    pictures
}

/// Whether such data are read by convolutions.
pub fn is_conv(network: Network, spec: &DataSpec) -> bool {
    let shape = spec.shape();
    let fits = matches!(spec, DataSpec::Images(_)) && shape[1].min(shape[2]) >= SHORT;
    match network {
        Network::Auto | Network::Conv => fits,
        Network::Dense => false,
    }
}
