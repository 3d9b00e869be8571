//! How likely an example is under what a decoder puts out: Bernoulli, Gaussian with learnt variance, discretised logistic.
//!
//! Papers: Kingma and Welling 2014, "Auto-Encoding Variational Bayes", arXiv:1312.6114, appendix C, for the first two;
//! Kingma et al. 2016, "Improved Variational Inference with Inverse Autoregressive Flow", arXiv:1606.04934, appendix, for
//! bytes under a logistic distribution; Salakhutdinov and Murray 2008, section 4.3, for pixels that are drawn black or white.
//! Scales are learnt numbers, one for each channel of a picture and each number of a point, and not put out by the decoder.

use burn::prelude::*;
use galatea_data::{DataSpec, choice};
use galatea_kernels::burn::{bernoulli_rows, to_vec};
use galatea_kernels::random;

use super::noise::{self, Position, Purpose};
use crate::{Error, Result, Turn};

choice! {
    /// How values are taken to be distributed about what is decoded.
    pub enum Distribution {
        /// Bernoulli for grey pictures, Gaussian for all else.
        Auto = "auto",
        /// Values of pictures from 0 to 1 are probabilities of white pixels.
        Bernoulli = "bernoulli",
        /// Gaussian, with a learnt deviation for each channel of pictures and each number of points.
        Gaussian = "gaussian",
        /// Bytes of pictures: the share of a logistic distribution between a byte's borders, with a learnt scale.
        Logistic = "logistic",
    }
}

choice! {
    /// Whether pixels are made black or white.
    pub enum Binarise {
        /// Never: grey stays grey.
        No = "no",
        /// White where brighter than half.
        Threshold = "threshold",
        /// Drawn once for each picture, white as probably as it is bright.
        Static = "static",
        /// Drawn anew at each step; as for `static` where a picture is scored.
        Dynamic = "dynamic",
    }
}

/// Half the distance between neighbouring bytes in `[-1, 1]`.
const HALF: f64 = 1.0 / 255.0;
/// Least and greatest logarithm of a scale: beyond, numbers overflow.
const LOG_SCALE: [f64; 2] = [-7.0, 5.0];
/// Moves a logit so far that its logarithm of a probability is 0.
const FAR: f64 = 1e6;

/// How values of one kind of data are distributed about what is decoded.
#[derive(Clone, Copy, Debug)]
pub struct Likelihood {
    distribution: Distribution,
    binarise: Binarise,
    /// Channels of a picture, or numbers of a point.
    channels: usize,
    /// Values of one channel.
    each: usize,
    is_picture: bool,
}

impl Likelihood {
    /// The likelihood for such data.
    ///
    /// # Errors
    /// If the distribution is not one of such data, or what is binarised is not taken as black and white.
    pub fn new(distribution: Distribution, binarise: Binarise, spec: &DataSpec) -> Result<Self> {
        let shape = spec.shape();
        let is_picture = matches!(spec, DataSpec::Images(_));
        let distribution = match distribution {
            Distribution::Auto if is_picture && shape[0] == 1 => Distribution::Bernoulli,
            Distribution::Auto => Distribution::Gaussian,
            Distribution::Bernoulli | Distribution::Logistic if !is_picture => {
                return Err(Error::usage(
                    format!("this `likelihood` is one of pictures, and the data are {}", spec.kind()),
                    "use `likelihood=gaussian`",
                ));
            }
            other => other,
        };
        if binarise != Binarise::No && distribution != Distribution::Bernoulli {
            return Err(Error::usage(
                "`binarise` makes pixels black or white, which is for `likelihood=bernoulli` alone",
                "set that too, or use `binarise=no`",
            ));
        }
        let elements: usize = shape.iter().product();
        let channels = shape[0];
        Ok(Self { distribution, binarise, channels, each: elements / channels.max(1), is_picture })
    }

    /// Number of learnt scales, and the logarithm that they begin with; `None` where there are none.
    pub fn scales(&self) -> Option<(usize, f64)> {
        (self.distribution != Distribution::Bernoulli).then_some((self.channels, -1.0))
    }

    /// Values of examples, pictures in `[-1, 1]`, as a network reads them and as [`rows`](Self::rows) takes them: in `[0, 1]`
    /// for Bernoulli distributions. What is drawn for it at a training step is a function of `turn` and the row, elsewhere of
    /// the example.
    pub fn input(&self, values: &[f32], turn: Option<Turn>) -> Vec<f32> {
        let mut out = vec![0.0; values.len()];
        self.write_input(values, turn, &mut out);
        out
    }

    /// As [`input`](Self::input), into memory that is there.
    ///
    /// # Panics
    /// If there are not as many places as values.
    pub fn write_input(&self, values: &[f32], turn: Option<Turn>, out: &mut [f32]) {
        if self.distribution != Distribution::Bernoulli {
            out.copy_from_slice(values);
            return;
        }
        out.iter_mut().zip(values).for_each(|(out, value)| *out = (0.5 * (value + 1.0)).clamp(0.0, 1.0));
        let width = (self.channels * self.each).max(1);
        let mut draws = vec![0.0; if self.binarise == Binarise::No { 0 } else { width }];
        for (row, values) in out.chunks_exact_mut(width).enumerate() {
            match (self.binarise, turn) {
                (Binarise::No, _) => break,
                (Binarise::Threshold, _) => draws.fill(0.5),
                (Binarise::Dynamic, Some(turn)) => {
                    let at = Position { step: turn.step, round: 0 };
                    let mut stream = noise::stream(turn.seed, Purpose::Binarise, at, row);
                    draws.iter_mut().for_each(|draw| *draw = stream.next_f64() as f32);
                }
                (Binarise::Static | Binarise::Dynamic, _) => {
                    random::fill_uniform(0, noise::contents_stream(values), &mut draws);
                }
            }
            values.iter_mut().zip(&draws).for_each(|(value, draw)| *value = f32::from(u8::from(*value > *draw)));
        }
    }

    /// The log likelihood of each row of `x` under what was decoded for it, both `[n, elements]`: `[n, 1]`, in nats.
    /// `log_scale` is `[1, channels]`.
    pub fn rows(&self, decoded: Tensor<2>, log_scale: Option<Tensor<2>>, x: Tensor<2>) -> Tensor<2> {
        let Some(log_scale) = log_scale else { return bernoulli_rows(decoded, x) };
        let [n, elements] = x.dims();
        let (channels, each) = (self.channels, self.each);
        let log_scale = log_scale.clamp(LOG_SCALE[0], LOG_SCALE[1]);
        let apart = (x.clone() - decoded).reshape([n, channels, each]);
        if self.distribution == Distribution::Gaussian {
            let squares = apart.powi_scalar(2).sum_dim(2).reshape([n, channels]);
            let precision = log_scale.clone().mul_scalar(-2.0).exp();
            let constant = 0.5 * (2.0 * std::f64::consts::PI).ln();
            let volume = log_scale.add_scalar(constant).mul_scalar(each as f64);
            return (squares * precision.mul_scalar(-0.5) - volume).sum_dim(1);
        }
        // The share between the borders `low` and `high` of a byte is `s(high) s(-low) (1 - exp(low - high))`, with `s` the
        // logistic function; the first byte has no lower border, and the last one no upper.
        let inverse = log_scale.neg().exp();
        let reach = inverse.clone().mul_scalar(HALF);
        let middle = apart * inverse.reshape([1, channels, 1]); // [n, channels, each]
        let is_last = x.clone().greater_elem(1.0 - HALF).float();
        let is_first = x.lower_elem(HALF - 1.0).float();
        let border = reach.clone().reshape([1, channels, 1]);
        let high = (middle.clone() + border.clone()).reshape([n, elements]) + is_last.clone().mul_scalar(FAR);
        let low = (middle - border).reshape([n, elements]) - is_first.clone().mul_scalar(FAR);
        let between = (is_last.clone() + is_first).reshape([n, channels, each]).sum_dim(2).reshape([n, channels]);
        let between = between.neg().add_scalar(each as f64);
        let share = reach.mul_scalar(-2.0).exp().neg().add_scalar(1.0).log();
        let ones = is_last.ones_like();
        let zeros = ones.zeros_like();
        bernoulli_rows(high, ones) + bernoulli_rows(low, zeros) + (between * share).sum_dim(1)
    }

    /// The expected pictures of what was decoded, `[n, elements]`, as a discriminator sees them; once differentiable.
    pub fn pictures(&self, decoded: Tensor<2>) -> Tensor<2> {
        match self.distribution {
            Distribution::Bernoulli => decoded.mul_scalar(0.5).tanh(),
            _ => decoded,
        }
    }

    /// The expected values of what was decoded, `[n, elements]`, in the data's range; points are on the common scale.
    pub fn expected(&self, decoded: Tensor<2>) -> Vec<f32> {
        let mut values = to_vec(decoded);
        match self.distribution {
            Distribution::Bernoulli => values.iter_mut().for_each(|x| *x = (0.5 * *x).tanh()),
            _ if self.is_picture => values.iter_mut().for_each(|x| *x = x.clamp(-1.0, 1.0)),
            _ => {}
        }
        values
    }

    /// `nats` of log likelihood of an example as bits for each of its values.
    pub fn bits_per_value(&self, nats: f64) -> f64 {
        let bits = -nats / ((self.channels * self.each).max(1) as f64 * std::f64::consts::LN_2);
        // A density becomes the probability of a byte.
        let is_density = self.distribution == Distribution::Gaussian && self.is_picture;
        if is_density { bits - (2.0 * HALF).log2() } else { bits }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_data::ImageSpec;
    use galatea_kernels::burn::from_vec;

    fn likelihood(distribution: Distribution, binarise: Binarise, channels: usize) -> Likelihood {
        let spec = DataSpec::Images(ImageSpec { channels, height: 1, width: 256, classes: Vec::new() });
        Likelihood::new(distribution, binarise, &spec).unwrap()
    }

    fn row(values: Vec<f32>) -> Tensor<2> {
        let width = values.len();
        from_vec(values, [1, width], &Device::flex())
    }

    #[test]
    fn bytes_have_probabilities_that_sum_to_one() {
        let of = likelihood(Distribution::Logistic, Binarise::No, 1);
        for (mean, scale) in [(0.1, -4.0), (-0.99, -2.0), (0.7, 0.5), (-1.3, -5.0)] {
            let byte = |byte: u8| f32::from(byte) / 127.5 - 1.0;
            let one = |value: u8| {
                let mut far = vec![byte(value); 256];
                far[1..].fill(byte(0));
                let decoded = std::iter::once(mean).chain([-40.0; 255]).collect();
                // All other values are as good as certain.
                let log = to_vec(of.rows(row(decoded), Some(row(vec![scale])), row(far)))[0];
                f64::from(log).exp()
            };
            let sum: f64 = (0..=255).map(one).sum();
            assert!((sum - 1.0).abs() < 2e-3, "{mean} {scale}: {sum}");
        }
    }

    #[test]
    fn gaussian_densities_are_those_of_the_formula() {
        let of = likelihood(Distribution::Gaussian, Binarise::No, 3);
        let x: Vec<f32> = (0..768).map(|i| (i as f32 * 0.7).sin()).collect();
        let decoded: Vec<f32> = (0..768).map(|i| (i as f32 * 0.3).cos()).collect();
        let scales = [0.3f64, -0.8, -1.5];
        let mut expected = 0.0;
        for (i, (x, mean)) in x.iter().zip(&decoded).enumerate() {
            let log_deviation = scales[i / 256];
            let apart = (f64::from(*x) - f64::from(*mean)) / log_deviation.exp();
            expected -= 0.5 * apart * apart + log_deviation + 0.5 * (2.0 * std::f64::consts::PI).ln();
        }
        let scales = row(scales.map(|scale| scale as f32).to_vec());
        let found = f64::from(to_vec(of.rows(row(decoded), Some(scales), row(x)))[0]);
        assert!((found - expected).abs() < 1e-4 * expected.abs(), "{found}, not {expected}");
        // A density of 1 on [-1, 1] gives each byte 2 / 255.
        assert!((of.bits_per_value(0.0) - 127.5f64.log2()).abs() < 1e-12);
        let of = likelihood(Distribution::Bernoulli, Binarise::No, 1);
        assert!((of.bits_per_value(-256.0 * std::f64::consts::LN_2) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn pixels_are_drawn_as_they_are_bright() {
        let grey: Vec<f32> = (0..256).map(|i| i as f32 / 127.5 - 1.0).collect();
        let plain = likelihood(Distribution::Auto, Binarise::No, 1).input(&grey, None);
        assert!(plain.iter().enumerate().all(|(i, value)| (value - i as f32 / 255.0).abs() < 1e-6));
        let half = likelihood(Distribution::Auto, Binarise::Threshold, 1).input(&grey, None);
        assert!(half.iter().enumerate().all(|(i, value)| *value == f32::from(u8::from(i > 127))));
        let turn = |step| Some(Turn { seed: 1, step, steps: 9 });
        let fixed = likelihood(Distribution::Auto, Binarise::Static, 1);
        assert_eq!(fixed.input(&grey, turn(1)), fixed.input(&grey, turn(2)));
        let anew = likelihood(Distribution::Auto, Binarise::Dynamic, 1);
        assert_ne!(anew.input(&grey, turn(1)), anew.input(&grey, turn(2)));
        assert_eq!(anew.input(&grey, turn(1)), anew.input(&grey, turn(1)));
        assert_eq!(anew.input(&grey, None), fixed.input(&grey, None));
        let mut sums = [0.0; 2];
        for step in 1..=200 {
            let drawn = anew.input(&grey, turn(step));
            assert!(drawn.iter().all(|value| *value == 0.0 || *value == 1.0));
            sums[0] += drawn[64..128].iter().sum::<f32>() / (200.0 * 64.0);
            sums[1] += drawn[128..].iter().sum::<f32>() / (200.0 * 128.0);
        }
        assert!((sums[0] - 0.374).abs() < 0.02 && (sums[1] - 0.75).abs() < 0.02, "{sums:?}");
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let spec = DataSpec::Images(ImageSpec { channels: 3, height: 8, width: 8, classes: Vec::new() });
        assert!(Likelihood::new(Distribution::Auto, Binarise::Static, &spec).is_err());
        assert!(Likelihood::new(Distribution::Bernoulli, Binarise::Static, &spec).is_ok());
    }
}
