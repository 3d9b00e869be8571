//! Batch normalisation with its activation. Pictures are `[n, pixels, channels]` in memory.
//!
//! Paper: Ioffe and Szegedy 2015, "Batch Normalization", arXiv:1502.03167, algorithm 1. Scale and shift by example:
//! Dumoulin et al. 2017, arXiv:1610.07629.
//! Differs: in nothing; statistics are summed in f32 over one picture and in f64 over pictures.

use crate::Activation;
use crate::activation::{activated, through};
use crate::buffer::Buffer;
use crate::pool::{Shared, parallel_for};
use crate::simd::{each_vector, simd_fn};

/// `n`, `pixels`, `channels`.
pub type NormShape = [usize; 3];

/// Scale or shift: one row for all pictures or a row for each, `[rows, channels]`.
pub(crate) fn row_of(values: &[f32], channels: usize, picture: usize) -> &[f32] {
    let row = if values.len() == channels { 0 } else { picture };
    &values[row * channels..(row + 1) * channels]
}

pub(crate) fn check([n, pixels, channels]: NormShape, pictures: &[&[f32]], scales: &[&[f32]]) {
    assert!(channels > 0, "pictures have channels");
    assert!(pictures.iter().all(|values| values.len() == n * pixels * channels), "pictures of one shape");
    assert!(scales.iter().all(|v| v.len() == channels || v.len() == n * channels), "a scale per channel");
}

/// Moves the running statistics of a batch normalisation towards those of a batch of `count` values per channel: by
/// `momentum` of the way, and to the unbiased variance, as `torch.nn.BatchNorm2d` does. Inference is [`scale_shift`].
///
/// # Panics
/// If lengths are other ones.
pub fn update_running(
    [running_mean, running_variance]: [&mut [f32]; 2],
    [mean, variance]: [&[f32]; 2],
    count: usize,
    momentum: f32,
) {
    let channels = running_mean.len();
    let lens = [running_variance.len(), mean.len(), variance.len()];
    assert_eq!(lens, [channels; 3], "statistics per channel");
    // Of a single value there is no unbiased variance; PyTorch refuses, here the biased one is taken.
    let unbiased = count as f32 / (count as f32 - 1.0).max(1.0);
    for (j, (running_mean, running_variance)) in running_mean.iter_mut().zip(running_variance).enumerate() {
        *running_mean += momentum * (mean[j] - *running_mean);
        *running_variance += momentum * (unbiased * variance[j] - *running_variance);
    }
}

/// Mean and biased variance of each channel.
///
/// # Panics
/// If lengths are other ones.
pub fn batch_statistics(shape: NormShape, x: &[f32], mean: &mut [f32], variance: &mut [f32]) {
    let [n, pixels, channels] = shape;
    check(shape, &[x], &[mean, variance]);
    let mut parts = Buffer::new(n * 2 * channels);
    crate::pool::parallel_chunks(&mut parts, 2 * channels, |first, out| {
        let picture = first / (2 * channels);
        moments(channels, &x[picture * pixels * channels..][..pixels * channels], out);
    });
    let count = (n * pixels) as f64;
    for j in 0..channels {
        // Chan et al. 1983: means and sums of squares around them, put together.
        let of = |picture: usize, which: usize| f64::from(parts[(picture * 2 + which) * channels + j]);
        let all = (0..n).map(|picture| of(picture, 0)).sum::<f64>() / n as f64;
        let spread = (0..n).map(|picture| of(picture, 1) + pixels as f64 * (of(picture, 0) - all).powi(2)).sum::<f64>();
        mean[j] = all as f32;
        variance[j] = (spread / count) as f32;
    }
}

simd_fn! {
    /// Means of one picture's channels, and sums of squares around them.
    pub(crate) fn moments<S>(channels: usize, x: &[f32], out: &mut [f32]) {
        let (mean, squares) = out.split_at_mut(channels);
        let squares = &mut squares[..channels];
        mean.fill(0.0);
        squares.fill(0.0);
        for pixel in x.chunks_exact(channels) {
            mean.iter_mut().zip(pixel).for_each(|(sum, x)| *sum += *x);
        }
        let scale = channels as f32 / x.len() as f32;
        mean.iter_mut().for_each(|sum| *sum *= scale);
        for pixel in x.chunks_exact(channels) {
            for ((sum, x), mean) in squares.iter_mut().zip(pixel).zip(&*mean) {
                *sum = S::fma(*x - *mean, *x - *mean, *sum);
            }
        }
    }
}

/// `y = act(x * scale + shift)`.
///
/// # Panics
/// If lengths are other ones.
pub fn scale_shift(shape: NormShape, x: &[f32], scale: &[f32], shift: &[f32], function: Activation, y: &mut [f32]) {
    let [n, pixels, channels] = shape;
    check(shape, &[x, y], &[scale, shift]);
    let out = Shared::new(y);
    parallel_for(n, |picture| {
        let range = picture * pixels * channels..(picture + 1) * pixels * channels;
        // SAFETY: each task writes its own picture.
        let out = unsafe { out.slice(range.start, range.len()) };
        let [scale, shift] = [scale, shift].map(|values| row_of(values, channels, picture));
        scale_picture(&x[range], scale, shift, function, out);
    });
}

simd_fn! {
    pub(crate) fn scale_picture<S>(x: &[f32], scale: &[f32], shift: &[f32], function: Activation, y: &mut [f32]) {
        let channels = scale.len();
        assert_eq!(shift.len(), channels);
        for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            each_vector!(S, channels, |j, n| {
                // SAFETY: inside of the slices, and kernels are where the instruction set is enabled.
                unsafe {
                    let [scale, shift, x] = [scale, shift, x].map(|values| values.as_ptr().add(j));
                    let scaled = S::mul_add(S::read(x, n), S::read(scale, n), S::read(shift, n));
                    S::write(y.as_mut_ptr().add(j), activated::<S>(function, scaled), n);
                }
            });
        }
    }
}

/// `y = act(normalised x * gamma + beta)`; also writes `mean` and `1 / sqrt(variance + epsilon)`, and the variance.
///
/// # Panics
/// If lengths are other ones.
#[expect(clippy::too_many_arguments, reason = "inputs, settings, outputs")]
pub fn batch_norm(
    shape: NormShape,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    function: Activation,
    y: &mut [f32],
    [mean, variance]: [&mut [f32]; 2],
) {
    let [n, _, channels] = shape;
    check(shape, &[x, y], &[gamma, beta]);
    batch_statistics(shape, x, mean, variance);
    let rows = if gamma.len() == channels && beta.len() == channels { 1 } else { n };
    let mut affine = Buffer::new(2 * rows * channels);
    let (scale, shift) = affine.split_at_mut(rows * channels);
    for row in 0..rows {
        let (gamma, beta) = (row_of(gamma, channels, row), row_of(beta, channels, row));
        for j in 0..channels {
            let factor = gamma[j] / (variance[j] + epsilon).sqrt();
            scale[row * channels + j] = factor;
            shift[row * channels + j] = beta[j] - mean[j] * factor;
        }
    }
    scale_shift(shape, x, scale, shift, function, y);
}

/// What a normalisation was given and gave.
#[derive(Clone, Copy)]
pub struct Normed<'a> {
    /// Its input.
    pub x: &'a [f32],
    /// Its output.
    pub y: &'a [f32],
    /// Scale, `[channels]`, or `[n, channels]` with a row for each picture.
    pub gamma: &'a [f32],
    /// Mean of each set of values that was normalised.
    pub mean: &'a [f32],
    /// Biased variance of each of them.
    pub variance: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
    /// What followed.
    pub function: Activation,
}

/// What [`batch_norm`] was given and gave.
pub type BatchNormed<'a> = Normed<'a>;

/// The gradients of [`batch_norm`] by `x`, `gamma` and `beta` from the one by `y`; those by scale and shift have as many
/// rows as `dgamma` and `dbeta` have room for, one or `n`.
///
/// # Panics
/// If lengths are other ones.
pub fn batch_norm_backward(
    shape: NormShape,
    of: BatchNormed<'_>,
    g: &[f32],
    dx: &mut [f32],
    dgamma: &mut [f32],
    dbeta: &mut [f32],
) {
    let [n, pixels, channels] = shape;
    check(shape, &[of.x, of.y, g, dx], &[of.gamma, of.mean, of.variance, dgamma, dbeta]);
    let inverse: Vec<f32> = of.variance.iter().map(|variance| 1.0 / (variance + of.epsilon).sqrt()).collect();
    // For each picture: the sums of the gradient and of the gradient times the normalised input.
    let mut sums = Buffer::new(n * 2 * channels);
    let (out, shared_sums) = (Shared::new(dx), Shared::new(&mut sums));
    let picture_range = |picture: usize| picture * pixels * channels..(picture + 1) * pixels * channels;
    parallel_for(n, |picture| {
        let range = picture_range(picture);
        // SAFETY: each task writes its own picture and sums.
        let (out, sums) =
            unsafe { (out.slice(range.start, range.len()), shared_sums.slice(picture * 2 * channels, 2 * channels)) };
        gradient_sums(of.function, &g[range.clone()], &of.y[range.clone()], &of.x[range], of.mean, &inverse, out, sums);
    });
    let mut through_mean = Buffer::new(2 * channels);
    let count = (n * pixels) as f64;
    for j in 0..channels {
        let mut totals = [0.0f64; 4];
        for picture in 0..n {
            let [plain, scaled] = [0, 1].map(|which| f64::from(sums[(picture * 2 + which) * channels + j]));
            let gamma = f64::from(row_of(of.gamma, channels, picture)[j]);
            for (total, value) in totals.iter_mut().zip([plain, scaled, gamma * plain, gamma * scaled]) {
                *total += value;
            }
            if dbeta.len() != channels {
                dbeta[picture * channels + j] = plain as f32;
            }
            if dgamma.len() != channels {
                dgamma[picture * channels + j] = scaled as f32;
            }
        }
        if dbeta.len() == channels {
            dbeta[j] = totals[0] as f32;
        }
        if dgamma.len() == channels {
            dgamma[j] = totals[1] as f32;
        }
        through_mean[j] = (totals[2] / count) as f32;
        through_mean[channels + j] = (totals[3] / count) as f32;
    }
    let out = Shared::new(dx);
    parallel_for(n, |picture| {
        let range = picture_range(picture);
        // SAFETY: each task writes its own picture.
        let out = unsafe { out.slice(range.start, range.len()) };
        let gamma = row_of(of.gamma, channels, picture);
        input_gradient(&of.x[range], gamma, of.mean, &inverse, &through_mean, out);
    });
}

simd_fn! {
    /// The gradient before the activation, and its sums.
    pub(crate) fn gradient_sums<S>(
        function: Activation,
        g: &[f32],
        y: &[f32],
        x: &[f32],
        mean: &[f32],
        inverse: &[f32],
        out: &mut [f32],
        sums: &mut [f32],
    ) {
        let channels = mean.len();
        let (plain, scaled) = sums.split_at_mut(channels);
        let scaled = &mut scaled[..channels]; // lengths that the compiler can see, here and below
        plain.fill(0.0);
        scaled.fill(0.0);
        let pixels = g.chunks_exact(channels).zip(y.chunks_exact(channels)).zip(out.chunks_exact_mut(channels));
        for (x, ((g, y), out)) in x.chunks_exact(channels).zip(pixels) {
            through(function, g, y, out);
            plain.iter_mut().zip(&*out).for_each(|(sum, g)| *sum += *g);
            for (sum, ((x, mean), g)) in scaled.iter_mut().zip(x.iter().zip(mean).zip(&*out)) {
                *sum = S::fma(*x - *mean, *g, *sum);
            }
        }
        scaled.iter_mut().zip(inverse).for_each(|(sum, inverse)| *sum *= inverse);
    }
}

simd_fn! {
    /// `dx = inverse (gamma g - m_1 - x' m_2)` in place of `g`.
    pub(crate) fn input_gradient<S>(x: &[f32], gamma: &[f32], mean: &[f32], inverse: &[f32], through_mean: &[f32], g: &mut [f32]) {
        let channels = mean.len();
        let (plain, scaled) = through_mean.split_at(channels);
        let scaled = &scaled[..channels];
        let (gamma, inverse) = (&gamma[..channels], &inverse[..channels]);
        for (x, g) in x.chunks_exact(channels).zip(g.chunks_exact_mut(channels)) {
            for j in 0..channels {
                let normalised = (x[j] - mean[j]) * inverse[j];
                g[j] = inverse[j] * (S::fma(gamma[j], g[j], -plain[j]) - normalised * scaled[j]);
            }
        }
    }
}
