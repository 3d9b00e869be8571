//! PNG pictures and grids of them.

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

use super::{byte, checked};
use crate::{Error, HostTensor, Result};

/// Pixels between the pictures of a grid.
const PADDING: usize = 2;

/// One picture, `[channels, height, width]` in [-1, 1], as PNG.
///
/// # Errors
/// If the shape is not that of a picture or a value is NaN.
pub fn picture(picture: &HostTensor) -> Result<Vec<u8>> {
    let shape: Vec<usize> = std::iter::once(1).chain(picture.shape.iter().copied()).collect();
    let one = HostTensor { shape, values: picture.values.clone() };
    let [_, channels, height, width] = checked(&one)?;
    encode(&interleaved(&one.values, channels), channels, height, width)
}

/// Pictures, `[n, channels, height, width]` in [-1, 1], as one PNG: row by row, `columns` in a row, two black pixels apart.
///
/// # Errors
/// If the shape is not that of pictures, a value is NaN, or `columns` is 0.
pub fn grid(pictures: &HostTensor, columns: usize) -> Result<Vec<u8>> {
    let [n, channels, height, width] = checked(pictures)?;
    if columns == 0 {
        return Err(Error::usage("a grid needs at least one column"));
    }
    let columns = columns.min(n);
    let rows = n.div_ceil(columns);
    let full_width = columns * (width + PADDING) + PADDING;
    let full_height = rows * (height + PADDING) + PADDING;
    let mut out = vec![0; full_height * full_width * channels];
    for i in 0..n {
        let left = PADDING + i % columns * (width + PADDING);
        let top = PADDING + i / columns * (height + PADDING);
        let picture = interleaved(pictures.row(i), channels);
        for (y, line) in picture.chunks(width * channels).enumerate() {
            let start = ((top + y) * full_width + left) * channels;
            out[start..start + line.len()].copy_from_slice(line);
        }
    }
    encode(&out, channels, full_height, full_width)
}

/// `[channels, height, width]` values as `[height, width, channels]` bytes.
fn interleaved(values: &[f32], channels: usize) -> Vec<u8> {
    let plane = values.len() / channels;
    (0..plane).flat_map(|at| (0..channels).map(move |channel| byte(values[channel * plane + at]))).collect()
}

pub(super) fn encode(bytes: &[u8], channels: usize, height: usize, width: usize) -> Result<Vec<u8>> {
    let colour = if channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let mut out = Vec::new();
    PngEncoder::new(&mut out)
        .write_image(bytes, width as u32, height as u32, colour)
        .map_err(|error| Error::usage(format!("a picture of {width}x{height} pixels cannot be written: {error}")))?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_what_it_was() {
        let values = (0..3 * 4 * 5).map(|i| i as f32 / 29.5 - 1.0).collect();
        let colour = HostTensor::new([3, 4, 5], values);
        let read = image::load_from_memory(&picture(&colour).unwrap()).unwrap().into_rgb8();
        assert_eq!(read.dimensions(), (5, 4));
        for (x, y, pixel) in read.enumerate_pixels() {
            let at = (y * 5 + x) as usize;
            assert_eq!(pixel.0, [0, 20, 40].map(|plane| byte(colour.values[plane + at])));
        }
    }

    #[test]
    fn a_grid_has_padding_and_unfilled_places() {
        let pictures = HostTensor::new([3, 1, 2, 3], vec![1.0; 18]);
        let read = image::load_from_memory(&grid(&pictures, 2).unwrap()).unwrap();
        assert_eq!(read.color(), image::ColorType::L8);
        let read = read.into_luma8();
        assert_eq!(read.dimensions(), (2 + 5 + 5, 2 + 4 + 4));
        let lit = |x, y| read.get_pixel(x, y).0 == [255];
        assert!(lit(2, 2) && lit(4, 3) && lit(7, 2) && lit(2, 6));
        assert!(!lit(5, 2) && !lit(2, 4) && !lit(7, 6) && !lit(1, 2) && !lit(11, 9));
        assert_eq!(read.pixels().filter(|pixel| pixel.0 == [255]).count(), 18);
        // More columns than pictures make one row.
        let row = image::load_from_memory(&grid(&pictures, 10).unwrap()).unwrap();
        assert_eq!(row.width(), 2 + 3 * 5);
        assert!(grid(&pictures, 0).is_err());
    }
}
