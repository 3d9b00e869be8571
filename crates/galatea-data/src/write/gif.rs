//! Animations, looped for ever.

use gif::{Encoder, Frame, Repeat};

use super::{byte, checked};
use crate::{Error, HostTensor, Result};

/// Pictures, `[n, channels, height, width]` in [-1, 1], as the frames of a GIF, each shown for so many milliseconds.
///
/// Grey pictures keep all their values. Coloured frames get a palette of 256 colours each.
///
/// # Errors
/// If the shape is not that of pictures, a side is above 65,535, or a value is NaN.
pub fn animation(frames: &HostTensor, milliseconds: u32) -> Result<Vec<u8>> {
    let [n, channels, height, width] = checked(frames)?;
    let (Ok(w), Ok(h)) = (u16::try_from(width), u16::try_from(height)) else {
        return Err(Error::usage(format!("a GIF cannot have {width}x{height} pixels")).with_hint("65,535 is the most"));
    };
    let failed = |error: gif::EncodingError| Error::usage(format!("the animation cannot be written: {error}"));
    let greys: Vec<u8> = (0..=255).flat_map(|value| [value; 3]).collect();
    let palette = if channels == 1 { greys.as_slice() } else { &[] };
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, w, h, palette).map_err(failed)?;
    encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
    for i in 0..n {
        let bytes: Vec<u8> = frames.row(i).iter().map(|value| byte(*value)).collect();
        let mut frame = if channels == 1 {
            Frame { width: w, height: h, buffer: bytes.into(), ..Frame::default() }
        } else {
            let plane = height * width;
            let pixels: Vec<u8> = (0..3 * plane).map(|at| bytes[at % 3 * plane + at / 3]).collect();
            // 10 of 30: what the encoder's makers propose.
            Frame::from_rgb_speed(w, h, &pixels, 10)
        };
        // Hundredths of a second; viewers slow down what is below two of them.
        frame.delay = u16::try_from(milliseconds / 10).unwrap_or(u16::MAX).max(2);
        encoder.write_frame(&frame).map_err(failed)?;
    }
    drop(encoder);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{AnimationDecoder, codecs::gif::GifDecoder};

    fn read(bytes: &[u8]) -> Vec<image::Frame> {
        GifDecoder::new(std::io::Cursor::new(bytes)).unwrap().into_frames().collect_frames().unwrap()
    }

    #[test]
    fn grey_frames_keep_every_value() {
        let values: Vec<f32> = (0..3 * 256).map(|i| crate::set::unit((i % 256) as u8)).collect();
        let bytes = animation(&HostTensor::new([3, 1, 16, 16], values), 80).unwrap();
        assert!(bytes.windows(11).any(|part| part == b"NETSCAPE2.0"), "it loops");
        let frames = read(&bytes);
        assert_eq!(frames.len(), 3);
        for frame in frames {
            assert_eq!(frame.delay().numer_denom_ms().0, 80);
            assert!(frame.buffer().pixels().enumerate().all(|(i, pixel)| pixel.0[0] == i as u8));
        }
    }

    #[test]
    fn coloured_frames_keep_their_colours() {
        let mut red = vec![-1.0; 2 * 3 * 64];
        red[..64].fill(1.0);
        let frames = read(&animation(&HostTensor::new([2, 3, 8, 8], red), 0).unwrap());
        let near = |a: u8, b: u8| a.abs_diff(b) < 8;
        assert!(frames[0].buffer().pixels().all(|p| near(p.0[0], 255) && near(p.0[1], 0) && near(p.0[2], 0)));
        assert!(frames[1].buffer().pixels().all(|p| near(p.0[0], 0)));
    }
}
