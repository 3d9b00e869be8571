//! Series as lines, a small picture for each window.

use super::{check_numbers, png};
use crate::{Error, HostTensor, Result, SeriesSpec};

/// Pixels of a window's picture, and between two.
const WIDTH: usize = 120;
const HEIGHT: usize = 64;
const GAP: usize = 4;
/// Pixels between real windows and others.
const APART: usize = 24;
/// Deviations from the mean to either edge.
const REACH: f64 = 3.5;
/// Colours of channels, in turn.
const COLOURS: [[u8; 3]; 6] =
    [[31, 119, 180], [214, 39, 40], [44, 160, 44], [148, 103, 189], [255, 127, 14], [90, 90, 90]];

/// Windows `[n, length, channels]` as lines, `columns` pictures in a row. Each channel has the scale of the data, so that
/// pictures can be compared; what is outside of it is drawn at the edge.
///
/// # Errors
/// If the windows are of another shape than the data's, or a value is NaN.
pub fn grid(windows: &HostTensor, spec: &SeriesSpec, columns: usize) -> Result<Vec<u8>> {
    let [n, ..] = checked(windows, spec)?;
    let columns = columns.clamp(1, n);
    let mut page = Page::new(columns * (WIDTH + GAP) + GAP, n.div_ceil(columns) * (HEIGHT + GAP) + GAP);
    page.block(windows, spec, columns, 0);
    page.encode()
}

/// Two sets of windows, real ones to the left and others to the right, `columns` pictures of each in a row.
///
/// # Errors
/// As [`grid`].
pub fn beside([real, others]: [&HostTensor; 2], spec: &SeriesSpec, columns: usize) -> Result<Vec<u8>> {
    let counts = [checked(real, spec)?[0], checked(others, spec)?[0]];
    let columns = columns.clamp(1, counts[0].max(counts[1]));
    let rows = counts.map(|count| count.div_ceil(columns));
    let block = columns * (WIDTH + GAP) + GAP;
    let mut page = Page::new(2 * block + APART, rows[0].max(rows[1]) * (HEIGHT + GAP) + GAP);
    page.block(real, spec, columns, 0);
    page.block(others, spec, columns, block + APART);
    page.encode()
}

/// The shape of windows that can be drawn.
fn checked(windows: &HostTensor, spec: &SeriesSpec) -> Result<[usize; 3]> {
    let [n, length, channels] = windows.shape[..] else {
        return Err(Error::usage(format!("an array of shape {:?} is no set of windows", windows.shape)));
    };
    if channels != spec.channels.len() || n * length * channels == 0 {
        return Err(Error::usage(format!("windows of {channels} channels are none of {}", spec.channels.len()))
            .with_hint("draw samples with the data that their model was trained on"));
    }
    check_numbers(windows)?;
    Ok([n, length, channels])
}

/// RGB bytes, the top line first.
struct Page {
    pixels: Vec<u8>,
    width: usize,
}

impl Page {
    fn new(width: usize, height: usize) -> Self {
        Self { pixels: vec![235; width * height * 3], width }
    }

    /// Draws windows that have been checked, `columns` in a row, from `left` on.
    fn block(&mut self, windows: &HostTensor, spec: &SeriesSpec, columns: usize, left: usize) {
        let (channels, length) = (spec.channels.len(), windows.shape[1]);
        for i in 0..windows.rows() {
            let corner = [left + GAP + i % columns * (WIDTH + GAP), GAP + i / columns * (HEIGHT + GAP)];
            let mut set = |x: usize, y: usize, colour: [u8; 3]| {
                let at = ((corner[1] + y) * self.width + corner[0] + x) * 3;
                self.pixels[at..at + 3].copy_from_slice(&colour);
            };
            (0..WIDTH).for_each(|x| (0..HEIGHT).for_each(|y| set(x, y, [255; 3])));
            for channel in 0..channels {
                let (mean, deviation) = (f64::from(spec.mean[channel]), f64::from(spec.deviation[channel]));
                let place = |t: usize| {
                    let value = f64::from(windows.row(i)[t * channels + channel]);
                    let share = 0.5 - (value - mean) / (2.0 * REACH * deviation);
                    share.clamp(0.0, 1.0) * (HEIGHT - 1) as f64
                };
                let mut last = place(0);
                for x in 0..WIDTH {
                    let at = x as f64 / (WIDTH - 1) as f64 * (length - 1) as f64;
                    let (t, rest) = (at as usize, at.fract());
                    let y = place(t) * (1.0 - rest) + place((t + 1).min(length - 1)) * rest;
                    let (low, high) = (y.min(last).round() as usize, y.max(last).round() as usize);
                    (low..=high).for_each(|y| set(x, y, COLOURS[channel % COLOURS.len()]));
                    last = y;
                }
            }
        }
    }

    fn encode(&self) -> Result<Vec<u8>> {
        png::encode(&self.pixels, 3, self.pixels.len() / (3 * self.width), self.width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_where_their_values_are() {
        let names = vec!["a".to_owned()];
        let spec = SeriesSpec {
            length: 3,
            channels: names,
            mean: vec![10.0],
            deviation: vec![2.0],
            classes: vec![],
            music: None,
        };
        // At the mean, at the upper edge and beyond it; then rising through all of it.
        let windows = HostTensor::new([2, 3, 1], vec![10.0, 10.0, 10.0, 3.0, 10.0, 100.0]);
        let image = image::load_from_memory(&grid(&windows, &spec, 2).unwrap()).unwrap().into_rgb8();
        assert_eq!(image.dimensions(), ((2 * (WIDTH + GAP) + GAP) as u32, (HEIGHT + 2 * GAP) as u32));
        let drawn = |x: usize, y: usize| image.get_pixel((GAP + x) as u32, (GAP + y) as u32).0 == COLOURS[0];
        assert!((0..WIDTH).all(|x| drawn(x, HEIGHT / 2) && !drawn(x, 10)));
        let second = WIDTH + GAP;
        assert!(drawn(second, HEIGHT - 1) && drawn(second + WIDTH - 1, 0) && drawn(second + WIDTH / 2, HEIGHT / 2));
        // Real windows are to the left, and as many columns of the others to the right.
        let pair = beside([&windows, &HostTensor::new([1, 3, 1], vec![10.0; 3])], &spec, 1).unwrap();
        let pair = image::load_from_memory(&pair).unwrap().into_rgb8();
        let block = WIDTH + 2 * GAP;
        assert_eq!(pair.dimensions(), ((2 * block + APART) as u32, (2 * (HEIGHT + GAP) + GAP) as u32));
        let of = |x: usize, y: usize| pair.get_pixel((GAP + x) as u32, (GAP + y) as u32).0;
        assert!(of(0, HEIGHT / 2) == COLOURS[0] && of(block + APART, HEIGHT / 2) == COLOURS[0]);
        assert_eq!(of(WIDTH + GAP, HEIGHT / 2), [235; 3]);
        assert!(grid(&HostTensor::new([1, 3, 2], vec![0.0; 6]), &spec, 1).is_err());
        assert!(grid(&HostTensor::new([1, 3, 1], vec![f32::NAN; 3]), &spec, 1).is_err());
    }
}
