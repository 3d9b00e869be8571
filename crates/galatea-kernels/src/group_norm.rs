//! Group normalisation of pictures, `[n, pixels, channels]` in memory, with its activation. With a group per channel it
//! is instance normalisation.
//!
//! Paper: Wu and He 2018, "Group Normalization", arXiv:1803.08494, equation 7; Ulyanov et al. 2016, "Instance
//! Normalization", arXiv:1607.08022.
//! Differs: in nothing; statistics are summed in f32 over one channel and in f64 over channels. Scale and shift may have
//! a row for each picture, as in [`crate::norm`].

use std::ops::Range;

use crate::Activation;
use crate::buffer::Buffer;
use crate::norm::{NormShape, Normed, check, gradient_sums, input_gradient, moments, row_of, scale_picture};
use crate::pool::{Shared, parallel_for};

fn check_groups([n, _, channels]: NormShape, groups: usize, statistics: [&[f32]; 2]) {
    assert!(groups > 0 && channels.is_multiple_of(groups), "{channels} channels in {groups} groups");
    assert!(statistics.iter().all(|values| values.len() == n * groups), "statistics per picture and group");
}

fn channels_of(group: usize, groups: usize, channels: usize) -> Range<usize> {
    let width = channels / groups;
    group * width..(group + 1) * width
}

/// `y = act(normalised x * gamma + beta)`, where each picture's groups of neighbouring channels are normalised by their
/// own mean and biased variance, which are written as well, `[n, groups]` each.
///
/// # Panics
/// If lengths are other ones, or the channels cannot be divided into so many groups.
#[expect(clippy::too_many_arguments, reason = "inputs, settings, outputs")]
pub fn group_norm(
    shape: NormShape,
    groups: usize,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f32,
    function: Activation,
    y: &mut [f32],
    [mean, variance]: [&mut [f32]; 2],
) {
    let [n, pixels, channels] = shape;
    check(shape, &[x, y], &[gamma, beta]);
    check_groups(shape, groups, [mean, variance]);
    let count = pixels as f64;
    // Means and sums of squares of each channel, and then its scale and shift.
    let mut affine = Buffer::new(n * 2 * channels);
    let [out, mean, variance, affine] = [y, mean, variance, &mut affine].map(Shared::new);
    parallel_for(n, |picture| {
        let range = picture * pixels * channels..(picture + 1) * pixels * channels;
        // SAFETY: each task writes what belongs to its picture.
        let [out, mean, variance, affine] = unsafe {
            [
                out.slice(range.start, range.len()),
                mean.slice(picture * groups, groups),
                variance.slice(picture * groups, groups),
                affine.slice(picture * 2 * channels, 2 * channels),
            ]
        };
        let [gamma, beta] = [gamma, beta].map(|values| row_of(values, channels, picture));
        moments(channels, &x[range.clone()], affine);
        let (scale, shift) = affine.split_at_mut(channels);
        for group in 0..groups {
            let of = channels_of(group, groups, channels);
            let width = of.len() as f64;
            // Chan et al. 1983: means and sums of squares around them, put together.
            let all = scale[of.clone()].iter().map(|mean| f64::from(*mean)).sum::<f64>() / width;
            let around = |j: usize| f64::from(shift[j]) + count * (f64::from(scale[j]) - all).powi(2);
            let spread = of.clone().map(around).sum::<f64>();
            (mean[group], variance[group]) = (all as f32, (spread / (count * width)) as f32);
            for j in of {
                scale[j] = gamma[j] / (variance[group] + epsilon).sqrt();
                shift[j] = beta[j] - mean[group] * scale[j];
            }
        }
        scale_picture(&x[range], scale, shift, function, out);
    });
}

/// The gradients of [`group_norm`] by `x`, `gamma` and `beta` from the one by `y`; those by scale and shift have as many
/// rows as `dgamma` and `dbeta` have room for, one or `n`. Mean and variance of `of` are `[n, groups]`.
///
/// # Panics
/// As [`group_norm`].
pub fn group_norm_backward(
    shape: NormShape,
    groups: usize,
    of: Normed<'_>,
    g: &[f32],
    dx: &mut [f32],
    [dgamma, dbeta]: [&mut [f32]; 2],
) {
    let [n, pixels, channels] = shape;
    check(shape, &[of.x, of.y, g, dx], &[of.gamma, dgamma, dbeta]);
    check_groups(shape, groups, [of.mean, of.variance]);
    // Of each picture's channels: sums of the gradient, of the gradient times the normalised input; mean and inverse
    // deviation; what flows back through these two.
    let mut rows = Buffer::new(n * 6 * channels);
    let [out, shared] = [dx, &mut rows].map(Shared::new);
    parallel_for(n, |picture| {
        let range = picture * pixels * channels..(picture + 1) * pixels * channels;
        // SAFETY: each task writes what belongs to its picture.
        let (out, rows) =
            unsafe { (out.slice(range.start, range.len()), shared.slice(picture * 6 * channels, 6 * channels)) };
        let (sums, rest) = rows.split_at_mut(2 * channels);
        let (statistics, through_mean) = rest.split_at_mut(2 * channels);
        let (mean, inverse) = statistics.split_at_mut(channels);
        for group in 0..groups {
            let at = picture * groups + group;
            let of_group = channels_of(group, groups, channels);
            mean[of_group.clone()].fill(of.mean[at]);
            inverse[of_group].fill(1.0 / (of.variance[at] + of.epsilon).sqrt());
        }
        let [x, y, g] = [of.x, of.y, g].map(|values| &values[range.clone()]);
        gradient_sums(of.function, g, y, x, mean, inverse, out, sums);
        let gamma = row_of(of.gamma, channels, picture);
        for group in 0..groups {
            let of_group = channels_of(group, groups, channels);
            for which in [0, channels] {
                let weighted = |j: usize| f64::from(gamma[j]) * f64::from(sums[which + j]);
                let mean = of_group.clone().map(weighted).sum::<f64>() / (pixels * of_group.len()) as f64;
                through_mean[which + of_group.start..which + of_group.end].fill(mean as f32);
            }
        }
        input_gradient(x, gamma, mean, inverse, through_mean, out);
    });
    for (which, out) in [(1, dgamma), (0, dbeta)] {
        let of_picture = |picture: usize, j: usize| rows[(picture * 6 + which) * channels + j];
        if out.len() == channels {
            for (j, out) in out.iter_mut().enumerate() {
                *out = (0..n).map(|picture| f64::from(of_picture(picture, j))).sum::<f64>() as f32;
            }
        } else {
            out.iter_mut().enumerate().for_each(|(i, out)| *out = of_picture(i / channels, i % channels));
        }
    }
}
