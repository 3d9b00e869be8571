//! The two networks of an autoencoder whose latent vectors are pictures themselves, a vector for each cell of a grid:
//! strided convolutions and residual blocks, as in van den Oord et al. 2017, arXiv:1711.00937, section 4.1.

use burn::module::{Module, Param};
use burn::prelude::*;
use galatea_kernels::Activation;
use galatea_kernels::burn::{flatten, unflatten};

use super::layers::{Conv, ConvUp, gain, trained};
use super::likelihood::Likelihood;
use super::noise::WeightDraw;

/// The side of a grid is not halved once it is at most this.
const GRID: usize = 12;

/// Sizes of both networks.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Length of a cell's vector.
    pub code_length: usize,
    /// Channels of the largest pictures inside, and the most that there are.
    pub channels: [usize; 2],
    /// Residual blocks of each network.
    pub blocks: usize,
}

/// `[height, width]` of the pictures inside, largest first: halved once, and until the short side is at most 12.
pub fn sizes([_, height, width]: [usize; 3]) -> Vec<[usize; 2]> {
    let mut sizes = vec![[height, width]];
    while let Some(&[height, width]) = sizes.last()
        && (sizes.len() == 1 || height.min(width) > GRID)
    {
        sizes.push([height.div_ceil(2), width.div_ceil(2)]);
    }
    sizes
}

/// Both networks.
#[derive(Module, Debug)]
pub struct Autoencoder {
    /// Examples to vectors.
    pub encoder: Encoder,
    /// Vectors to examples.
    pub decoder: Decoder,
}

impl Autoencoder {
    /// Networks for pictures `[channels, height, width]`, with fresh weights.
    pub fn new(inside: &Sizes, shape: [usize; 3], likelihood: &Likelihood, draw: &mut WeightDraw) -> Self {
        let sizes = sizes(shape);
        let [least, most] = inside.channels;
        let widths: Vec<usize> = (0..sizes.len() - 1).map(|i| (least << i.min(16)).min(most)).collect();
        let inner = widths[widths.len() - 1];
        let channels: Vec<usize> = std::iter::once(shape[0]).chain(widths).collect();
        let residuals = |draw: &mut WeightDraw| (0..inside.blocks).map(|_| Residual::new(inner, draw)).collect();
        let down = |pair: &[usize], draw: &mut WeightDraw| Conv::new([pair[0], pair[1]], 3, 2, 1, gain(0.0), draw);
        let encoder = Encoder {
            downs: channels.windows(2).map(|pair| down(pair, draw)).collect(),
            residuals: residuals(draw),
            end: Conv::new([inner, inside.code_length], 1, 1, 0, 1.0, draw),
            shape,
        };
        let last = channels.len() - 2;
        let up = |(i, pair): (usize, &[usize]), draw: &mut WeightDraw| {
            ConvUp::new([pair[1], pair[0]], if i == last { 1.0 } else { gain(0.0) }, draw)
        };
        let decoder = Decoder {
            start: Conv::new([inside.code_length, inner], 3, 1, 1, gain(0.0), draw),
            residuals: residuals(draw),
            ups: channels.windows(2).rev().enumerate().map(|of| up(of, draw)).collect(),
            log_scale: likelihood
                .scales()
                .map(|(count, start)| trained(Tensor::full([1, count], start, draw.device()))),
            sizes: sizes.into_iter().rev().collect(),
            code_length: inside.code_length,
        };
        Self { encoder, decoder }
    }
}

/// Convolutions that halve a picture, residual blocks, and vectors of the length of codes.
#[derive(Module, Debug)]
pub struct Encoder {
    downs: Vec<Conv>,
    residuals: Vec<Residual>,
    end: Conv,
    #[module(skip)]
    shape: [usize; 3],
}

impl Encoder {
    /// Examples `[n, elements]`, channel by channel, to vectors `[n, cells * code_length]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let [n, _] = x.dims();
        let [channels, height, width] = self.shape;
        let x = x.reshape([n, channels, height, width]);
        let x = self.downs.iter().fold(x, |x, down| down.forward(x, Activation::Relu));
        let x = self.residuals.iter().fold(x, |x, block| block.forward(x));
        flatten(self.end.forward(x, Activation::Identity))
    }
}

/// The reverse of [`Encoder`].
#[derive(Module, Debug)]
pub struct Decoder {
    start: Conv,
    residuals: Vec<Residual>,
    ups: Vec<ConvUp>,
    /// Logarithms of learnt scales, `[1, channels]`, for likelihoods that have some.
    pub log_scale: Option<Param<Tensor<2>>>,
    /// `[height, width]` of the pictures inside, smallest first.
    #[module(skip)]
    sizes: Vec<[usize; 2]>,
    #[module(skip)]
    code_length: usize,
}

impl Decoder {
    /// Vectors `[n, cells * code_length]` to what a likelihood takes, `[n, elements]`, channel by channel.
    pub fn forward(&self, q: Tensor<2>) -> Tensor<2> {
        let [n, _] = q.dims();
        let [height, width] = self.sizes[0];
        let x = self.start.forward(unflatten(q, [self.code_length, height, width]), Activation::Relu);
        let mut x = self.residuals.iter().fold(x, |x, block| block.forward(x));
        for (i, up) in self.ups.iter().enumerate() {
            let is_last = i + 1 == self.ups.len();
            x = up.forward(x, if is_last { Activation::Identity } else { Activation::Relu });
            // Doubling an odd size, rounded up when it was halved, gives a row or column too many.
            let [height, width] = self.sizes[i + 1];
            if x.dims()[2] != height {
                x = x.narrow(2, 0, height);
            }
            if x.dims()[3] != width {
                x = x.narrow(3, 0, width);
            }
        }
        x.reshape([n as i32, -1])
    }
}

/// What two convolutions add to a picture.
#[derive(Module, Debug)]
struct Residual {
    near: Conv,
    back: Conv,
}

impl Residual {
    fn new(channels: usize, draw: &mut WeightDraw) -> Self {
        let inner = channels.div_ceil(2);
        let near = Conv::new([channels, inner], 3, 1, 1, gain(0.0), draw);
        // Small at first, so that blocks begin near the identity.
        Self { near, back: Conv::new([inner, channels], 1, 1, 0, 0.5, draw) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let added = self.back.forward(self.near.forward(x.clone(), Activation::Relu), Activation::Identity);
        x + added
    }
}
