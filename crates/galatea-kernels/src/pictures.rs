//! Changes of single pictures: brightness, saturation and contrast, then a turn, shift and change of size, then a hole.
//! All are linear in the picture but for the brightness that is added, so that the gradient is the transposed change.

use crate::buffer::Buffer;
use crate::pool::{Shared, parallel_for};

/// What is done to one picture, in this order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alteration {
    /// Added to every value.
    pub brightness: f32,
    /// By which the distance from the mean over the pixel's channels is multiplied.
    pub saturation: f32,
    /// By which the distance from the mean over the picture is multiplied.
    pub contrast: f32,
    /// Where the pixel at `[row, column]` comes from: row `from[0] row + from[1] column + from[2]`, column
    /// `from[3] row + from[4] column + from[5]`, between the four pixels there; outside of the picture all is 0.
    pub from: [f32; 6],
    /// First row, end of rows, first column, end of columns that are set to 0, in whole numbers.
    pub hole: [f32; 4],
}

impl Alteration {
    /// Leaves a picture as it is.
    pub const NONE: Self =
        Self { brightness: 0.0, saturation: 1.0, contrast: 1.0, from: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], hole: [0.0; 4] };

    /// Numbers in [`to_array`](Self::to_array).
    pub const LEN: usize = 13;

    /// All its numbers in the order of its fields.
    pub fn to_array(&self) -> [f32; Self::LEN] {
        let mut all = [self.brightness, self.saturation, self.contrast, 0., 0., 0., 0., 0., 0., 0., 0., 0., 0.];
        all[3..9].copy_from_slice(&self.from);
        all[9..].copy_from_slice(&self.hole);
        all
    }

    /// The reverse of [`to_array`](Self::to_array).
    pub fn from_array(all: [f32; Self::LEN]) -> Self {
        let [brightness, saturation, contrast, a, b, c, d, e, f, top, bottom, left, right] = all;
        Self { brightness, saturation, contrast, from: [a, b, c, d, e, f], hole: [top, bottom, left, right] }
    }

    fn has_colour(&self) -> bool {
        self.brightness != 0.0 || self.saturation != 1.0 || self.contrast != 1.0
    }

    pub(crate) fn is_hole(&self, row: usize, column: usize) -> bool {
        let [top, bottom, left, right] = self.hole;
        (top..bottom).contains(&(row as f32)) && (left..right).contains(&(column as f32))
    }

    /// The up to four pixels that the one at `[row, column]` comes from, and their shares.
    pub(crate) fn sources(&self, [row, column]: [usize; 2], [height, width]: [usize; 2]) -> [(usize, f32); 4] {
        let [a, b, c, d, e, f] = self.from;
        let (row, column) = (row as f32, column as f32);
        let (y, x) = (a * row + b * column + c, d * row + e * column + f);
        let (top, left) = (y.floor(), x.floor());
        let (v, u) = (y - top, x - left);
        let at = |row: f32, column: f32, share: f32| {
            let inside = (0.0..height as f32).contains(&row) && (0.0..width as f32).contains(&column);
            if inside { (row as usize * width + column as usize, share) } else { (0, 0.0) }
        };
        [
            at(top, left, (1.0 - v) * (1.0 - u)),
            at(top, left + 1.0, (1.0 - v) * u),
            at(top + 1.0, left, v * (1.0 - u)),
            at(top + 1.0, left + 1.0, v * u),
        ]
    }
}

/// Pictures `[n, height, width, channels]`, each changed by the alteration of its number.
///
/// # Panics
/// If the lengths do not fit the shape.
pub fn alter(shape: [usize; 4], x: &[f32], alterations: &[Alteration], y: &mut [f32]) {
    each_picture(shape, x, alterations, y, |size, x, alteration, y| {
        let [height, width, channels] = size;
        let mut coloured;
        let x = if alteration.has_colour() {
            coloured = Buffer::new(x.len());
            recolour(channels, x, alteration, alteration.brightness, &mut coloured);
            &coloured
        } else {
            x
        };
        for row in 0..height {
            for column in 0..width {
                let y = &mut y[(row * width + column) * channels..][..channels];
                y.fill(0.0);
                if alteration.is_hole(row, column) {
                    continue;
                }
                for (from, share) in alteration.sources([row, column], [height, width]) {
                    if share != 0.0 {
                        let x = &x[from * channels..][..channels];
                        y.iter_mut().zip(x).for_each(|(y, x)| *y += share * x);
                    }
                }
            }
        }
    });
}

/// The gradient of [`alter`] by the pictures, from the one at its result.
///
/// # Panics
/// If the lengths do not fit the shape.
pub fn alter_backward(shape: [usize; 4], g: &[f32], alterations: &[Alteration], dx: &mut [f32]) {
    each_picture(shape, g, alterations, dx, |[height, width, channels], g, alteration, dx| {
        dx.fill(0.0);
        for row in 0..height {
            for column in 0..width {
                if alteration.is_hole(row, column) {
                    continue;
                }
                let g = &g[(row * width + column) * channels..][..channels];
                for (from, share) in alteration.sources([row, column], [height, width]) {
                    if share != 0.0 {
                        let dx = &mut dx[from * channels..][..channels];
                        dx.iter_mut().zip(g).for_each(|(dx, g)| *dx += share * g);
                    }
                }
            }
        }
        if alteration.has_colour() {
            // Saturation and contrast are symmetric and commute, so that each is its own transpose.
            let mut moved = Buffer::new(dx.len());
            moved.copy_from_slice(dx);
            recolour(channels, &moved, alteration, 0.0, dx);
        }
    });
}

/// Saturation and contrast of one picture, after `brightness` was added.
fn recolour(channels: usize, x: &[f32], alteration: &Alteration, brightness: f32, y: &mut [f32]) {
    let Alteration { saturation, contrast, .. } = *alteration;
    let mut sum = 0.0f64;
    for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
        let mean = x.iter().sum::<f32>() / channels as f32;
        for (x, y) in x.iter().zip(y) {
            *y = mean + saturation * (x - mean) + brightness;
            sum += f64::from(*y);
        }
    }
    let mean = (sum / y.len().max(1) as f64) as f32;
    y.iter_mut().for_each(|y| *y = mean + contrast * (*y - mean));
}

fn each_picture(
    [n, height, width, channels]: [usize; 4],
    x: &[f32],
    alterations: &[Alteration],
    y: &mut [f32],
    body: impl Fn([usize; 3], &[f32], &Alteration, &mut [f32]) + Sync,
) {
    let len = height * width * channels;
    assert!(x.len() == n * len && y.len() == x.len(), "as many pictures in as out");
    assert_eq!(alterations.len(), n, "an alteration for each picture");
    let y = Shared::new(y);
    parallel_for(n, |i| {
        // SAFETY: each task writes its own picture.
        let y = unsafe { y.slice(i * len, len) };
        body([height, width, channels], &x[i * len..][..len], &alterations[i], y);
    });
}
