//! Music as pictures of piano rolls: time to the right, keys upwards.

use super::png;
use crate::{
    Error, HostTensor, Result,
    music::{KEYS, frame_of},
};

/// Pixels between two rolls.
const GAP: usize = 4;
/// Rolls of more than so many are drawn small.
const MANY: usize = 36;
/// Between rolls, behind the end of a piece, keys that are white and black on a piano, and notes.
const SHADES: [u8; 5] = [200, 225, 255, 244, 20];
/// Keys of an octave from A on that are black.
const BLACK: [usize; 5] = [1, 4, 6, 9, 11];

/// Piano rolls `[n, length, 88]`, `columns` in a row.
///
/// # Errors
/// If they are of another shape.
pub fn grid(rolls: &HostTensor, columns: usize) -> Result<Vec<u8>> {
    let [n, length, KEYS] = rolls.shape[..] else {
        return Err(Error::usage(format!("an array of shape {:?} is no set of piano rolls", rolls.shape)));
    };
    if n * length == 0 {
        return Err(Error::usage("there is no music to draw"));
    }
    super::check_numbers(rolls)?;
    let scale = if n > MANY { 1 } else { 2 };
    let [wide, high] = [length, KEYS].map(|size| size * scale);
    let columns = columns.clamp(1, n);
    let (width, height) = (columns * (wide + GAP) + GAP, n.div_ceil(columns) * (high + GAP) + GAP);
    let mut pixels = vec![SHADES[0]; width * height];
    for i in 0..n {
        let corner = [GAP + i % columns * (wide + GAP), GAP + i / columns * (high + GAP)];
        for (t, values) in rolls.row(i).chunks_exact(KEYS).enumerate() {
            let frame = frame_of(values);
            for y in 0..high {
                let key = KEYS - 1 - y / scale;
                let shade = match frame {
                    None => SHADES[1],
                    Some(frame) if frame >> key & 1 == 1 => SHADES[4],
                    Some(_) => SHADES[2 + usize::from(BLACK.contains(&(key % 12)))],
                };
                let at = (corner[1] + y) * width + corner[0] + t * scale;
                pixels[at..at + scale].fill(shade);
            }
        }
    }
    png::encode(&pixels, 1, height, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::music::rolls;

    #[test]
    fn notes_are_where_they_sound() {
        let picture = grid(&rolls(&[&[1, 1 << 87], &[0]], 2), 2).unwrap();
        let image = image::load_from_memory(&picture).unwrap().into_luma8();
        assert_eq!(image.dimensions(), (2 * (4 + 4) + 4, 88 * 2 + 8));
        let at = |x: u32, y: u32| image.get_pixel(4 + x, 4 + y).0[0];
        assert_eq!([at(0, 175), at(0, 0), at(2, 0), at(2, 175)], [20, 255, 20, 255]);
        // The second lowest key is black, and the second piece ends after a frame.
        assert_eq!([at(0, 173), at(8, 175), at(10, 175)], [244, 255, 225]);
        assert!(grid(&HostTensor::new([1, 2, 3], vec![0.0; 6]), 1).is_err());
    }
}
