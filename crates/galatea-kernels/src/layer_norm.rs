//! Layer normalisation of rows, `[rows, channels]`, with its activation.
//!
//! Paper: Ba, Kiros and Hinton 2016, "Layer Normalization", arXiv:1607.06450, equation 4.
//! Differs: in nothing; epsilon is added to the variance, as everywhere.

use crate::Activation;
use crate::activation::{activated, through};
use crate::buffer::Buffer;
use crate::norm::Normed;
use crate::pool::{Shared, parallel_for};
use crate::simd::{Simd, each_vector, simd_fn};

/// `rows`, `channels`.
pub type LayerNormShape = [usize; 2];

fn check([rows, channels]: LayerNormShape, values: &[&[f32]], scales: &[&[f32]], statistics: &[&[f32]]) {
    assert!(channels > 0, "rows have channels");
    assert!(values.iter().all(|values| values.len() == rows * channels), "rows of one length");
    assert!(scales.iter().all(|values| values.len() == channels), "a scale per channel");
    assert!(statistics.iter().all(|values| values.len() == rows), "statistics per row");
}

/// Rows of a task. Sums over rows are made of tasks' sums, so this may not depend on the number of threads.
fn rows_of_task(channels: usize) -> usize {
    (1 << 14) / channels.min(1 << 14)
}

/// `y = act(normalised x * gamma + beta)`, where each row is normalised by its own mean and biased variance, which are
/// written as well, `[rows]` each; `gamma` and `beta` are `[channels]`.
///
/// # Panics
/// If lengths are other ones.
#[expect(clippy::too_many_arguments, reason = "inputs, settings, outputs")]
pub fn layer_norm(
    shape: LayerNormShape,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    function: Activation,
    y: &mut [f32],
    [mean, variance]: [&mut [f32]; 2],
) {
    let [rows, channels] = shape;
    check(shape, &[x, y], &[gamma, beta], &[mean, variance]);
    let block = rows_of_task(channels);
    let [out, mean, variance] = [y, mean, variance].map(Shared::new);
    parallel_for(rows.div_ceil(block), |task| {
        let (first, count) = (task * block, block.min(rows - task * block));
        // SAFETY: each task writes its own rows.
        let [out, mean, variance] = unsafe {
            [out.slice(first * channels, count * channels), mean.slice(first, count), variance.slice(first, count)]
        };
        normalise(&x[first * channels..][..count * channels], gamma, beta, epsilon, function, out, mean, variance);
    });
}

simd_fn! {
    fn normalise<S>(
        x: &[f32],
        gamma: &[f32],
        beta: &[f32],
        epsilon: f32,
        function: Activation,
        y: &mut [f32],
        mean: &mut [f32],
        variance: &mut [f32],
    ) {
        let channels = gamma.len();
        assert_eq!(beta.len(), channels);
        let rows = x.chunks_exact(channels).zip(y.chunks_exact_mut(channels));
        for ((x, y), (mean, variance)) in rows.zip(mean.iter_mut().zip(variance)) {
            // SAFETY: kernels are where the instruction set is enabled.
            unsafe {
                *mean = sum_around::<S, false>(x, 0.0) / channels as f32;
                *variance = sum_around::<S, true>(x, *mean) / channels as f32;
            }
            let inverse = 1.0 / (*variance + epsilon).sqrt();
            each_vector!(S, channels, |j, n| {
                // SAFETY: inside of the slices.
                unsafe {
                    let [gamma, beta, x] = [gamma, beta, x].map(|values| values.as_ptr().add(j));
                    let normalised = S::mul(S::sub(S::read(x, n), S::splat(*mean)), S::splat(inverse));
                    let scaled = S::mul_add(normalised, S::read(gamma, n), S::read(beta, n));
                    S::write(y.as_mut_ptr().add(j), activated::<S>(function, scaled), n);
                }
            });
        }
    }
}

/// The sum of `x - mean`, or of its squares.
///
/// # Safety
/// As for the functions of [`Simd`].
#[inline(always)]
unsafe fn sum_around<S: Simd, const SQUARED: bool>(x: &[f32], mean: f32) -> f32 {
    // Four sums, because each addition waits for the one before it.
    // SAFETY: the caller's.
    let mut sums = [unsafe { S::splat(0.0) }; 4];
    let (groups, rest) = (x.chunks_exact(4 * S::LANES), x.chunks_exact(4 * S::LANES).remainder());
    for x in groups {
        for (k, sum) in sums.iter_mut().enumerate() {
            // SAFETY: inside of the slice.
            unsafe {
                let apart = S::sub(S::load(x.as_ptr().add(k * S::LANES)), S::splat(mean));
                *sum = if SQUARED { S::mul_add(apart, apart, *sum) } else { S::add(apart, *sum) };
            }
        }
    }
    let rest = rest.iter().map(|x| if SQUARED { (x - mean) * (x - mean) } else { x - mean }).sum::<f32>();
    // SAFETY: the caller's.
    unsafe { S::sum(S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3]))) + rest }
}

/// The gradients of [`layer_norm`] by `x`, `gamma` and `beta` from the one by `y`. Mean and variance of `of` are
/// `[rows]`, its scale is `[channels]`.
///
/// # Panics
/// If lengths are other ones.
pub fn layer_norm_backward(
    shape: LayerNormShape,
    of: Normed<'_>,
    g: &[f32],
    dx: &mut [f32],
    [dgamma, dbeta]: [&mut [f32]; 2],
) {
    let [rows, channels] = shape;
    check(shape, &[of.x, of.y, g, dx], &[of.gamma, dgamma, dbeta], &[of.mean, of.variance]);
    let block = rows_of_task(channels);
    let tasks = rows.div_ceil(block);
    let mut sums = Buffer::new(tasks * 2 * channels);
    let [out, shared] = [dx, &mut sums].map(Shared::new);
    parallel_for(tasks, |task| {
        let (first, count) = (task * block, block.min(rows - task * block));
        let range = first * channels..(first + count) * channels;
        // SAFETY: each task writes its own rows and sums.
        let (out, sums) =
            unsafe { (out.slice(range.start, range.len()), shared.slice(task * 2 * channels, 2 * channels)) };
        let [x, y, g] = [of.x, of.y, g].map(|values| &values[range.clone()]);
        let [mean, variance] = [of.mean, of.variance].map(|values| &values[first..first + count]);
        gradients(Normed { x, y, mean, variance, ..of }, g, out, sums);
    });
    for (which, out) in [(0, dbeta), (1, dgamma)] {
        for (j, out) in out.iter_mut().enumerate() {
            *out = (0..tasks).map(|task| f64::from(sums[(2 * task + which) * channels + j])).sum::<f64>() as f32;
        }
    }
}

simd_fn! {
    /// The gradient by `x`, and the sums of that by `y` before the activation, alone and times the normalised input.
    fn gradients<S>(of: Normed<'_>, g: &[f32], dx: &mut [f32], sums: &mut [f32]) {
        let channels = of.gamma.len();
        let (plain, scaled) = sums.split_at_mut(channels);
        let (scaled, gamma) = (&mut scaled[..channels], &of.gamma[..channels]); // lengths that the compiler can see
        plain.fill(0.0);
        scaled.fill(0.0);
        let rows = of.x.chunks_exact(channels).zip(of.y.chunks_exact(channels)).zip(g.chunks_exact(channels));
        let statistics = of.mean.iter().zip(of.variance);
        for ((((x, y), g), dx), (mean, variance)) in rows.zip(dx.chunks_exact_mut(channels)).zip(statistics) {
            let inverse = 1.0 / (variance + of.epsilon).sqrt();
            through(of.function, g, y, dx);
            for j in 0..channels {
                plain[j] += dx[j];
                scaled[j] = S::fma((x[j] - *mean) * inverse, dx[j], scaled[j]);
            }
            // SAFETY: kernels are where the instruction set is enabled.
            let through_mean = unsafe { weighted_sums::<S>(x, *mean, gamma, dx) };
            let [plain, scaled] = through_mean.map(|sum| sum / channels as f32);
            let scaled = scaled * inverse;
            for j in 0..channels {
                let normalised = (x[j] - *mean) * inverse;
                dx[j] = inverse * (S::fma(gamma[j], dx[j], -plain) - normalised * scaled);
            }
        }
    }
}

/// Sums of `gamma g` and of `gamma g (x - mean)`.
///
/// # Safety
/// As for the functions of [`Simd`].
#[inline(always)]
unsafe fn weighted_sums<S: Simd>(x: &[f32], mean: f32, gamma: &[f32], g: &[f32]) -> [f32; 2] {
    let channels = x.len();
    assert!(gamma.len() == channels && g.len() == channels);
    // SAFETY: inside of the slices.
    unsafe {
        let mut sums = [S::splat(0.0); 2];
        each_vector!(S, channels, |j, n| {
            let product = S::mul(S::read(gamma.as_ptr().add(j), n), S::read(g.as_ptr().add(j), n));
            let apart = S::sub(S::read(x.as_ptr().add(j), n), S::splat(mean));
            sums = [S::add(sums[0], product), S::mul_add(product, apart, sums[1])];
        });
        [S::sum(sums[0]), S::sum(sums[1])]
    }
}
