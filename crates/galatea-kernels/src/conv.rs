//! Convolution and transposed convolution in two dimensions (one dimension is a picture of one row).
//!
//! Both connect a *big* picture and a *small* one through weights `[small channels, big channels, kernel, kernel]`:
//! [`gather`] makes the small one of the big one (a convolution), [`spread`] the big one of the small one (a transposed
//! convolution), and each is the gradient of the other by its input. `conv_weight` has the gradient by the weights.
//!
//! Pictures are `[n, height, width, channels]` in memory. Then a tile's rows are places of the result, a product's depth
//! runs over taps of the kernel and channels of the source, and its columns over channels of the result, all of them
//! contiguous: nothing is copied together but the weights. Places at a border lack some taps; places that have the same
//! taps form a class and are worked on together, so no zero is ever multiplied. Neighbours in a class may share products,
//! see `pairs`.
//!
//! A picture of very few channels would leave most of a vector empty. There, `patches` copies the few values under the
//! kernel together, and what remains is a product of matrices.

use crate::Activation;
use crate::activation::apply;
use crate::layout::Panels;
use crate::linear::tasks;
use crate::pairs::{self, Pairing};
use crate::patches;
use crate::pool::{Shared, threads};
use crate::simd::{panel_width, simd_fn};
use crate::tile::{Run, Start, Tile};

/// Channels, height and width of a picture.
pub type PictureShape = [usize; 3];

/// What is connected with what. `[vertical, horizontal]` where there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Pictures.
    pub n: usize,
    /// The picture that a convolution reads.
    pub big: PictureShape,
    /// The picture that a convolution makes.
    pub small: PictureShape,
    /// Taps.
    pub kernel: [usize; 2],
    /// Pixels of the big picture from one pixel of the small one to the next.
    pub stride: [usize; 2],
    /// Zeros around the big picture.
    pub padding: [usize; 2],
}

impl ConvShape {
    /// The shape of a convolution of pictures `big` to `channels`; `None` if the kernel does not fit.
    pub fn gathering(
        n: usize,
        big: PictureShape,
        channels: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Option<Self> {
        let side =
            |axis: usize| Some((big[1 + axis] + 2 * padding[axis]).checked_sub(kernel[axis])? / stride[axis] + 1);
        Some(Self { n, big, small: [channels, side(0)?, side(1)?], kernel, stride, padding })
    }

    /// The shape of a transposed convolution of pictures `small` to `channels`; `None` if nothing would be left.
    pub fn spreading(
        n: usize,
        small: PictureShape,
        channels: usize,
        kernel: [usize; 2],
        stride: [usize; 2],
        padding: [usize; 2],
        output_padding: [usize; 2],
    ) -> Option<Self> {
        let side = |axis: usize| {
            let reach = small[1 + axis].checked_sub(1)? * stride[axis] + kernel[axis] + output_padding[axis];
            reach.checked_sub(2 * padding[axis]).filter(|side| *side > 0)
        };
        Some(Self { n, big: [channels, side(0)?, side(1)?], small, kernel, stride, padding })
    }

    /// Values of all big pictures.
    pub fn big_len(&self) -> usize {
        self.n * self.big.iter().product::<usize>()
    }

    /// Values of all small pictures.
    pub fn small_len(&self) -> usize {
        self.n * self.small.iter().product::<usize>()
    }

    /// Taps of the kernel.
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Weights.
    pub fn weights(&self) -> usize {
        self.small[0] * self.big[0] * self.taps()
    }

    /// Products of one pass, borders included.
    pub fn products(&self) -> usize {
        self.small_len() * self.big[0] * self.taps()
    }

    /// Whether the big picture has too few channels to fill a vector.
    pub(crate) fn is_thin(&self) -> bool {
        self.big[0] < 8
    }

    pub(crate) fn check(&self, big: usize, small: usize, weights: usize) {
        assert!(big == self.big_len() && small == self.small_len() && weights == self.weights(), "lengths of {self:?}");
        assert!(self.stride.iter().chain(&self.kernel).all(|&v| v > 0), "kernel and stride of {self:?}");
    }
}

/// Places along one side of the result that meet the same taps.
#[derive(Debug, PartialEq)]
pub(crate) struct Class {
    /// Taps, and how far the source's place of each is from the first one's.
    pub(crate) taps: Vec<(usize, isize)>,
    /// Places of the result, and the source's place of the first tap.
    pub(crate) places: Vec<(usize, usize)>,
}

/// The classes of `places` places, where `meets` gives taps and source's places, taps ascending.
fn classes(places: usize, meets: impl Fn(usize) -> Vec<(usize, usize)>) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    for place in 0..places {
        let met = meets(place);
        let first = met.first().map_or(0, |(_, source)| *source);
        let taps: Vec<(usize, isize)> =
            met.iter().map(|&(tap, source)| (tap, source as isize - first as isize)).collect();
        match classes.iter_mut().find(|class| class.taps == taps) {
            Some(class) => class.places.push((place, first)),
            None => classes.push(Class { taps, places: vec![(place, first)] }),
        }
    }
    classes
}

/// A small picture's places and the big one's under the kernel.
fn gathering(shape: &ConvShape, axis: usize) -> Vec<Class> {
    let (big, small) = (shape.big[1 + axis], shape.small[1 + axis]);
    let (kernel, stride, padding) = (shape.kernel[axis], shape.stride[axis], shape.padding[axis]);
    classes(small, |place| {
        let source = |tap: usize| (place * stride + tap).checked_sub(padding).filter(|source| *source < big);
        (0..kernel).filter_map(|tap| Some((tap, source(tap)?))).collect()
    })
}

/// A big picture's places and the small ones whose kernels reach them.
fn spreading(shape: &ConvShape, axis: usize) -> Vec<Class> {
    let (big, small) = (shape.big[1 + axis], shape.small[1 + axis]);
    let (kernel, stride, padding) = (shape.kernel[axis], shape.stride[axis], shape.padding[axis]);
    classes(big, |place| {
        let source = |tap: usize| {
            let far = (place + padding).checked_sub(tap)?;
            (far.is_multiple_of(stride) && far / stride < small).then_some(far / stride)
        };
        (0..kernel).filter_map(|tap| Some((tap, source(tap)?))).collect()
    })
}

/// `small = act(big * w + bias)`, a convolution.
///
/// # Panics
/// If slices are not as long as the shape says.
pub fn gather(
    shape: &ConvShape,
    big: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    function: Activation,
    small: &mut [f32],
) {
    shape.check(big.len(), small.len(), w.len());
    assert!(bias.is_none_or(|bias| bias.len() == shape.small[0]), "a bias per channel");
    if shape.is_thin() {
        return patches::gather(shape, big, w, bias, function, small);
    }
    let (inputs, taps) = (shape.big[0], shape.taps());
    let weights = |first: usize, columns: usize, out: &mut [f32]| {
        pack_taps(columns, inputs, taps, &w[first * inputs * taps..], inputs * taps, taps, out);
    };
    let axes = [gathering(shape, 0), gathering(shape, 1)];
    convolve(shape, [shape.big, shape.small], axes, weights, (big, bias, function), small);
}

/// `big = act(small *^T w + bias)`, a transposed convolution.
///
/// # Panics
/// If slices are not as long as the shape says.
pub fn spread(
    shape: &ConvShape,
    small: &[f32],
    w: &[f32],
    bias: Option<&[f32]>,
    function: Activation,
    big: &mut [f32],
) {
    shape.check(big.len(), small.len(), w.len());
    assert!(bias.is_none_or(|bias| bias.len() == shape.big[0]), "a bias per channel");
    if shape.is_thin() {
        return patches::spread(shape, small, w, bias, function, big);
    }
    let (inputs, outputs, taps) = (shape.small[0], shape.big[0], shape.taps());
    let weights = |first: usize, columns: usize, out: &mut [f32]| {
        pack_taps(columns, inputs, taps, &w[first * taps..], taps, outputs * taps, out);
    };
    let axes = [spreading(shape, 0), spreading(shape, 1)];
    convolve(shape, [shape.small, shape.big], axes, weights, (small, bias, function), big);
}

simd_fn! {
    /// A panel of a convolution's weights: `out[tap][input][column] = w[column * column_step + input * input_step + tap]`.
    fn pack_taps<S>(
        columns: usize,
        inputs: usize,
        taps: usize,
        w: &[f32],
        column_step: usize,
        input_step: usize,
        out: &mut [f32],
    ) {
        let width = 2 * S::LANES;
        assert!(columns <= width && out.len() >= taps * inputs * width);
        assert!(columns == 0 || w.len() >= (columns - 1) * column_step + (inputs - 1) * input_step + taps);
        for input in 0..inputs {
            // SAFETY: just checked.
            unsafe {
                let (from, to) = (w.as_ptr().add(input * input_step), out.as_mut_ptr().add(input * width));
                crate::layout::transpose_block::<S>([columns, taps], from, column_step, to, inputs * width);
            }
        }
    }
}

/// The common part: every place of the result is the sum over its taps and the source's channels. `weights` packs a panel
/// of all taps.
fn convolve(
    shape: &ConvShape,
    [source, result]: [PictureShape; 2],
    [down, across]: [Vec<Class>; 2],
    weights: impl Fn(usize, usize, &mut [f32]) + Sync,
    (from, bias, function): (&[f32], Option<&[f32]>, Activation),
    to: &mut [f32],
) {
    let (channels, inputs) = (result[0], source[0]);
    let width = panel_width();
    let (across, pairs) = in_pairs(across, channels.min(inputs) >= 16);
    let shift = across.iter().find_map(|(_, pairing)| pairing.as_ref()).map(|pairing| pairing.shift);

    // Behind all taps, for each row of them and each pair, its sum and the second's negative.
    let (taps, [kernel_y, kernel_x]) = (shape.taps(), shape.kernel);
    let (part, extra) = (inputs * width, 2 * pairs.len());
    let panels = Panels::new((taps + kernel_y * extra) * inputs, channels, |first, columns, out| {
        weights(first, columns, out);
        let (plain, made) = out.split_at_mut(taps * part);
        let places = (0..kernel_y).flat_map(|y| pairs.iter().map(move |taps| taps.map(|x| (y * kernel_x + x) * part)));
        for (made, [a, b]) in made.chunks_exact_mut((2 * part).max(1)).zip(places) {
            let (sum, negative) = made.split_at_mut(part);
            pairs::sum_and_negative(&plain[a..a + part], &plain[b..b + part], sum, negative);
        }
    });
    let offset = |y: isize, x: isize| (y * source[2] as isize + x) * inputs as isize;
    let runs = |rows: &Class, columns: Vec<(usize, isize)>| -> Vec<Run> {
        let all = rows.taps.iter().flat_map(|row| columns.iter().map(move |column| (row, column)));
        // Taps of a row from `kernel_x` on are those that were made.
        let place = |y: usize, x: usize| match x.checked_sub(kernel_x) {
            None => y * kernel_x + x,
            Some(made) => taps + y * extra + made,
        };
        all.map(|(&(y, dy), &(x, dx))| Run { a: offset(dy, dx), b: (place(y, x) * part) as isize }).collect()
    };
    let made = |taps: &[usize; 2], which: usize| {
        let index = pairs.iter().position(|pair| pair == taps).expect("pairs were collected");
        kernel_x + 2 * index + which
    };
    let runs: Vec<Runs<'_>> = (down.iter())
        .flat_map(|rows| across.iter().map(move |(columns, pairing)| (rows, columns, pairing.as_ref())))
        .map(|(rows, columns, pairing)| match pairing {
            None => Runs { rows, columns, runs: runs(rows, columns.taps.clone()), pair: None },
            Some(Pairing { taps, shift, step }) => {
                let shift = *shift as isize;
                let shared = taps.iter().map(|(pair, at)| (made(pair, 0), at + shift)).collect();
                let first = taps.iter().map(|(pair, at)| (pair[0], *at)).collect();
                let second = taps.iter().map(|(pair, at)| (made(pair, 1), at + shift)).collect();
                let pair = Pair { step: *step, first: runs(rows, first), second: runs(rows, second) };
                Runs { rows, columns, runs: runs(rows, shared), pair: Some(pair) }
            }
        })
        .collect();
    // A few pictures at a time, that the nearer caches hold. Where there are not enough of them for all threads, these
    // share the panels, too.
    let count = channels.div_ceil(width);
    let per_source = source.iter().product::<usize>();
    let per_picture = per_source + result.iter().product::<usize>();
    let block = 65_536usize.div_ceil(per_picture).min(shape.n.div_ceil(4 * threads())).max(1);
    let blocks = shape.n.div_ceil(block);
    let group = if blocks >= 4 * threads() { count.max(1) } else { 1 };
    let groups = count.div_ceil(group);
    let out = Shared::new(to);
    tasks(blocks * groups, shape.products(), |task| {
        let (first, group) = (task / groups * block, task % groups * group..((task % groups + 1) * group).min(count));
        let pictures = first..(first + block).min(shape.n);
        let part = &from[pictures.start * per_source..pictures.end * per_source];
        let differences = shift.map(|shift| pairs::differences(source, shift, part));
        let part = [part, differences.as_deref().unwrap_or_default()];
        for panel in group {
            let columns = panel * width..((panel + 1) * width).min(channels);
            let bias = bias.map(|bias| &bias[columns.clone()]);
            for runs in &runs {
                let (pictures, columns) = (pictures.clone(), columns.clone());
                places(runs, pictures, [source, result], part, panels.panel(panel), bias, function, out, columns);
            }
        }
    });
}

/// A class, and how its places are done in pairs, if they are.
type Paired = (Class, Option<Pairing>);

/// Classes of places along a row, with the pairing of those whose places are done in pairs, of which they then keep the
/// first of each; and all pairs of taps.
fn in_pairs(classes: Vec<Class>, is_worth_it: bool) -> (Vec<Paired>, Vec<pairs::Taps>) {
    let (mut out, mut pairs) = (Vec::new(), Vec::new());
    for mut class in classes {
        let Some(pairing) = Some(()).filter(|()| is_worth_it).and_then(|()| pairs::pairing(&class)) else {
            out.push((class, None));
            continue;
        };
        pairs.extend(pairing.taps.iter().map(|(taps, _)| *taps));
        if !class.places.len().is_multiple_of(2) {
            let single = class.places.pop().into_iter().collect();
            out.push((Class { taps: class.taps.clone(), places: single }, None));
        }
        class.places = class.places.into_iter().step_by(2).collect();
        out.push((class, Some(pairing)));
    }
    (out, pairs)
}

/// A pair of classes, and where the products of their places begin.
struct Runs<'a> {
    rows: &'a Class,
    columns: &'a Class,
    runs: Vec<Run>,
    pair: Option<Pair>,
}

/// What comes after the products that two neighbours share; both are from differences.
struct Pair {
    /// Places from one to the other.
    step: usize,
    first: Vec<Run>,
    second: Vec<Run>,
}

simd_fn! {
    /// All places of one pair of classes, in some pictures, for the channels of one panel. `from` is the source of these
    /// pictures, and its differences.
    fn places<S>(
        class: &Runs<'_>,
        pictures: std::ops::Range<usize>,
        shapes: [PictureShape; 2],
        from: [&[f32]; 2],
        panel: &[f32],
        bias: Option<&[f32]>,
        function: Activation,
        out: Shared<'_>,
        columns: std::ops::Range<usize>,
    ) {
        let [source, result] = shapes;
        let (wide, high) = (class.columns.places.len(), class.rows.places.len());
        let count = pictures.len() * wide * high;
        let start = bias.map_or(Start::Zero, Start::Bias);
        let tile = Tile {
            b: panel.as_ptr(),
            runs: &class.runs,
            len: source[0],
            a_step: 1,
            b_step: 2 * S::LANES,
            start,
            columns: columns.len(),
            rows: 0,
        };
        let place = |i: usize| {
            let (picture, place) = (i / (wide * high), i % (wide * high));
            let ((y, source_y), (x, source_x)) = (class.rows.places[place / wide], class.columns.places[place % wide]);
            let a = ((picture * source[1] + source_y) * source[2] + source_x) * source[0];
            let picture = pictures.start + picture;
            (a, ((picture * result[1] + y) * result[2] + x) * result[0] + columns.start)
        };
        let [plain, differences] = from;
        // SAFETY: classes name places inside of the pictures only, whose lengths were checked with the shape, and pairs
        // those that have a neighbour; a panel holds rows of two vectors for every tap and channel; each task writes its
        // own places and channels.
        unsafe {
            let row = |i: usize| {
                let (a, c) = place(i);
                (plain.as_ptr().wrapping_add(a), out.at(c))
            };
            let Some(pair) = &class.pair else {
                return tile.rows::<S>(count, row, |row| apply::<S>(function, row));
            };
            let step = pair.step * result[0];
            tile.rows::<S>(count, row, |row| {
                let second = row.as_ptr().offset_from(out.at(0)) as usize + step;
                out.slice(second, row.len()).copy_from_slice(row);
            });
            for (runs, step) in [(&pair.first, 0), (&pair.second, step)] {
                let row = |i: usize| {
                    let (a, c) = place(i);
                    (differences.as_ptr().wrapping_add(a), out.at(c + step))
                };
                let tile = Tile { runs, start: Start::Accumulate, ..tile };
                tile.rows::<S>(count, row, |row| apply::<S>(function, row));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_with_the_same_taps_form_a_class() {
        let shape = ConvShape::gathering(1, [8, 14, 14], 8, [4, 4], [2, 2], [1, 1]).unwrap();
        assert_eq!(shape.small, [8, 7, 7]);
        let found = gathering(&shape, 0);
        let taps: Vec<Vec<usize>> = found.iter().map(|class| class.taps.iter().map(|tap| tap.0).collect()).collect();
        assert_eq!(taps, [vec![1, 2, 3], vec![0, 1, 2, 3], vec![0, 1, 2]]);
        assert_eq!(found[1].places, [(1, 1), (2, 3), (3, 5), (4, 7), (5, 9)]);
        // Backwards each place is met by two taps at most: even ones by odd taps.
        let found = spreading(&shape, 0);
        assert_eq!(found[0].taps, [(1, 0)]);
        assert_eq!((found[1].taps.clone(), found[1].places[0]), (vec![(0, 0), (2, -1)], (1, 1)));
        assert_eq!(found.iter().map(|class| class.places.len()).sum::<usize>(), 14);
    }
}
