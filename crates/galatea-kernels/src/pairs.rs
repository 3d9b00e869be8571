//! Convolutions of two neighbouring places at once by three products in place of four.
//!
//! Where two taps `g` and `g'` of neighbouring places meet, `y = x_0 g + x_1 g'` and `y' = x_1 g + x_2 g'` are
//!
//! ```text
//! y = (x_0 - x_1) g + x_1 (g + g'),    y' = x_1 (g + g') + (x_1 - x_2) (-g')
//! ```
//!
//! The middle product is shared, and differences `x_0 - x_1` are made for whole pictures. A kernel of 4 with a stride of 2
//! is two such pairs. The error is relative to the larger of two neighbours.
//!
//! Paper: Winograd 1980, "Arithmetic Complexity of Computations", the minimal filter of two taps and two outputs; Lavin and
//! Gray 2016, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, which brought such filters to
//! convolutions.
//! Differs: along rows only, and places without a neighbour are done directly, so that borders need no padding. An
//! infinity may come out as NaN, since it is subtracted from another one, and differences of values near the largest float
//! overflow.

use crate::buffer::Buffer;
use crate::conv::{Class, PictureShape};
use crate::simd::simd_fn;

/// Two taps, the second of which meets at one place what the first meets at the next place.
pub(crate) type Taps = [usize; 2];

/// How the places of a class are done in pairs.
#[derive(Debug, PartialEq)]
pub(crate) struct Pairing {
    /// With the offset of the first tap's source.
    pub(crate) taps: Vec<(Taps, isize)>,
    /// Places of the source from one place to the next.
    pub(crate) shift: usize,
    /// Places of the result from one place to the next.
    pub(crate) step: usize,
}

/// The pairing of a class whose taps all find a partner.
pub(crate) fn pairing(class: &Class) -> Option<Pairing> {
    let [(place, source), (next_place, next_source), ..] = class.places[..] else { return None };
    let (step, shift) = (next_place - place, next_source.checked_sub(source).filter(|shift| *shift > 0)?);
    let is_regular = |pair: &[(usize, usize)]| pair[1].0 == pair[0].0 + step && pair[1].1 == pair[0].1 + shift;
    if !class.places.windows(2).all(is_regular) || !class.taps.len().is_multiple_of(2) {
        return None;
    }
    let mut left = class.taps.clone();
    left.sort_by_key(|&(_, offset)| offset);
    let mut taps = Vec::new();
    while !left.is_empty() {
        let (first, offset) = left.remove(0);
        let partner = left.iter().position(|&(_, other)| other == offset + shift as isize)?;
        taps.push(([first, left.remove(partner).0], offset));
    }
    Some(Pairing { taps, shift, step })
}

/// `x_0 - x_1` for all places of pictures and those `shift` further along the row; the last `shift` of a row are arbitrary.
pub(crate) fn differences([channels, _, width]: PictureShape, shift: usize, x: &[f32]) -> Buffer {
    let mut out = Buffer::new(x.len());
    let row = width * channels;
    for (out, x) in out.chunks_exact_mut(row).zip(x.chunks_exact(row)) {
        subtract(x, &x[(shift * channels).min(row)..], out);
    }
    out
}

simd_fn! {
    fn subtract<S>(a: &[f32], b: &[f32], out: &mut [f32]) {
        let _ = S::LANES;
        out.iter_mut().zip(a).zip(b).for_each(|((out, a), b)| *out = *a - *b);
    }
}

simd_fn! {
    /// `a + b` and `-b`.
    pub(crate) fn sum_and_negative<S>(a: &[f32], b: &[f32], sum: &mut [f32], negative: &mut [f32]) {
        let _ = S::LANES;
        for (((a, b), sum), negative) in a.iter().zip(b).zip(sum).zip(negative) {
            *sum = *a + *b;
            *negative = -*b;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_of_neighbours_find_each_other() {
        // A kernel of 4 and a stride of 2, forward and backward.
        let forward = Class { taps: vec![(0, 0), (1, 1), (2, 2), (3, 3)], places: vec![(1, 1), (2, 3), (3, 5)] };
        let found = pairing(&forward);
        assert_eq!(found, Some(Pairing { taps: vec![([0, 2], 0), ([1, 3], 1)], shift: 2, step: 1 }));
        let backward = Class { taps: vec![(0, 0), (2, -1)], places: vec![(1, 1), (3, 2)] };
        assert_eq!(pairing(&backward), Some(Pairing { taps: vec![([2, 0], -1)], shift: 1, step: 2 }));
        // A kernel of 3, a stride as wide as the kernel, and a single place have no pairs.
        let three = Class { taps: vec![(0, 0), (1, 1), (2, 2)], places: vec![(0, 0), (1, 1)] };
        let apart = Class { taps: vec![(0, 0), (1, 1)], places: vec![(0, 0), (1, 2)] };
        let single = Class { taps: vec![(0, 0), (1, 1)], places: vec![(0, 0)] };
        assert!([three, apart, single].iter().all(|class| pairing(class).is_none()));
    }
}
