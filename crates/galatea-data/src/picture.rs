//! One picture: from a file to `[channels, height, width]` bytes of a given size.

use std::{
    fs::{self, File},
    io::{BufReader, ErrorKind, Read, Seek},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use image::{
    DynamicImage, GenericImage, GrayImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits,
    Luma, Pixel, Rgb, RgbImage,
    imageops::{self, FilterType},
    metadata::Orientation,
};

use crate::{Error, Result, options::Fit};

/// Longest side of a picture that is read.
const MAX_SIDE: u32 = 16_384;
/// Bytes that decoding one picture may take, and its file may have.
const MAX_BYTES: u64 = 512 << 20;

/// A picture that takes more bytes than this once decoded waits for other such pictures.
const LARGE_BYTES: u64 = 32 << 20;

/// The formats that are read, with the endings of their files.
const FORMATS: &[(ImageFormat, &[&str])] = &[
    (ImageFormat::Png, &["png", "apng"]),
    (ImageFormat::Jpeg, &["jpg", "jpeg", "jpe", "jfif"]),
    (ImageFormat::WebP, &["webp"]),
    (ImageFormat::Gif, &["gif"]),
    (ImageFormat::Bmp, &["bmp", "dib"]),
    (ImageFormat::Pnm, &["pnm", "pbm", "pgm", "ppm", "pam"]),
];

/// What pictures are brought to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Width and height.
    pub(crate) size: (usize, usize),
    /// 1 or 3.
    pub(crate) channels: usize,
    pub(crate) fit: Fit,
    pub(crate) background: [u8; 3],
}

impl Frame {
    /// Bytes of one picture.
    pub(crate) fn len(&self) -> usize {
        self.channels * self.size.0 * self.size.1
    }
}

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Probe {
    /// After turning the picture as its EXIF data say.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Whether it is stored as grey.
    pub(crate) grey: bool,
    /// Whether it has transparency.
    pub(crate) alpha: bool,
}

/// Whether a file is named like a picture that can be read.
pub(crate) fn is_picture_name(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    FORMATS.iter().any(|(_, endings)| endings.contains(&ending.as_str()))
}

/// Reads a picture's header.
pub(crate) fn probe(path: &Path) -> Result<Probe> {
    let (decoder, orientation, _) = decoder(path)?;
    let (width, height) = decoder.dimensions();
    let turned = matches!(
        orientation,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    let (width, height) = if turned { (height, width) } else { (width, height) };
    let colour = decoder.color_type();
    Ok(Probe { width: width as usize, height: height as usize, grey: !colour.has_color(), alpha: colour.has_alpha() })
}

/// Whether no pixel has a colour, once laid over the background.
pub(crate) fn is_grey(path: &Path, background: [u8; 3]) -> Result<bool> {
    let (picture, _turn) = decode(path)?;
    Ok(flatten(picture, background).pixels().all(|Rgb([r, g, b])| r == g && g == b))
}

/// Decodes a picture into `out`, `[channels, height, width]`.
pub(crate) fn load(path: &Path, frame: &Frame, out: &mut [u8]) -> Result<()> {
    let (picture, _turn) = decode(path)?;
    match frame.channels {
        1 if !picture.color().has_alpha() => put_grey(picture.into_luma8(), frame, out),
        1 => put_grey(DynamicImage::from(flatten(picture, frame.background)).into_luma8(), frame, out),
        _ => put_colour(flatten(picture, frame.background), frame, out),
    }
    Ok(())
}

/// Brings a picture that is already `[channels, height, width]` bytes to another frame.
///
/// # Panics
/// If `pixels` does not have that shape.
pub(crate) fn reframe(pixels: &[u8], shape: (usize, usize, usize), frame: &Frame, out: &mut [u8]) {
    let (channels, height, width) = shape;
    let plane = height * width;
    assert_eq!(pixels.len(), channels * plane);
    let (w, h) = (width as u32, height as u32);
    let at = |x: u32, y: u32| y as usize * width + x as usize;
    match (channels, frame.channels) {
        (1, 1) => put_grey(GrayImage::from_fn(w, h, |x, y| Luma([pixels[at(x, y)]])), frame, out),
        (1, _) => put_colour(RgbImage::from_fn(w, h, |x, y| Rgb([pixels[at(x, y)]; 3])), frame, out),
        (_, wanted) => {
            let pixel = |x, y| Rgb([0, 1, 2].map(|channel| pixels[channel * plane + at(x, y)]));
            let colour = RgbImage::from_fn(w, h, pixel);
            match wanted {
                1 => put_grey(DynamicImage::from(colour).into_luma8(), frame, out),
                _ => put_colour(colour, frame, out),
            }
        }
    }
}

fn put_grey(picture: GrayImage, frame: &Frame, out: &mut [u8]) {
    let background = Rgb(frame.background).to_luma();
    out.copy_from_slice(fit_into(picture, frame, background).as_raw());
}

fn put_colour(picture: RgbImage, frame: &Frame, out: &mut [u8]) {
    let picture = fit_into(picture, frame, Rgb(frame.background));
    let plane = frame.size.0 * frame.size.1;
    for (i, Rgb(pixel)) in picture.pixels().enumerate() {
        for (channel, value) in pixel.iter().enumerate() {
            out[channel * plane + i] = *value;
        }
    }
}

/// Resizes a picture to the frame by its rule.
fn fit_into<P>(picture: ImageBuffer<P, Vec<u8>>, frame: &Frame, background: P) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    let (width, height) = (frame.size.0 as u32, frame.size.1 as u32);
    let (from_width, from_height) = picture.dimensions();
    if (from_width, from_height) == (width, height) {
        return picture;
    }
    // Wide as compared with the frame: cross products, so that no rounding decides.
    let wide = u64::from(from_width) * u64::from(height) > u64::from(from_height) * u64::from(width);
    let scaled =
        |side: u32, by: u32, of: u32| ((f64::from(side) * f64::from(by) / f64::from(of)).round() as u32).max(1);
    match frame.fit {
        Fit::Stretch => resize(&picture, width, height),
        Fit::Cover => {
            let (w, h) = match wide {
                true => (scaled(width, from_height, height).min(from_width), from_height),
                false => (from_width, scaled(height, from_width, width).min(from_height)),
            };
            let (left, top) = ((from_width - w) / 2, (from_height - h) / 2);
            resize(&imageops::crop_imm(&picture, left, top, w, h).to_image(), width, height)
        }
        Fit::Contain => {
            let (w, h) = match wide {
                true => (width, scaled(from_height, width, from_width).min(height)),
                false => (scaled(from_width, height, from_height).min(width), height),
            };
            let mut out = ImageBuffer::from_pixel(width, height, background);
            let inner = resize(&picture, w, h);
            // The inner picture is never larger than the frame.
            let placed = out.copy_from(&inner, (width - w) / 2, (height - h) / 2);
            debug_assert!(placed.is_ok());
            out
        }
    }
}

fn resize<P>(picture: &ImageBuffer<P, Vec<u8>>, width: u32, height: u32) -> ImageBuffer<P, Vec<u8>>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    let (from_width, from_height) = picture.dimensions();
    if from_width > 6 * width && from_height > 6 * height {
        // Averaging areas first makes a photograph ten times cheaper, and is not seen after the filter below.
        return imageops::resize(
            &imageops::thumbnail(picture, 3 * width, 3 * height),
            width,
            height,
            FilterType::Lanczos3,
        );
    }
    // Lanczos rings when it enlarges.
    let shrinks = from_width >= width && from_height >= height;
    imageops::resize(picture, width, height, if shrinks { FilterType::Lanczos3 } else { FilterType::CatmullRom })
}

/// Lays a picture over the background.
fn flatten(picture: DynamicImage, background: [u8; 3]) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| Rgb(over(picture.get_pixel(x, y).0, background)))
}

/// A transparent pixel over a background.
pub(crate) fn over([r, g, b, alpha]: [u8; 4], background: [u8; 3]) -> [u8; 3] {
    let alpha = u32::from(alpha);
    let mix = |top: u8, under: u8| ((u32::from(top) * alpha + u32::from(under) * (255 - alpha) + 127) / 255) as u8;
    [mix(r, background[0]), mix(g, background[1]), mix(b, background[2])]
}

/// The picture, and the right to hold it if it is a large one: there is one such at a time, so that decoding on many
/// cores needs no more memory than on one.
fn decode(path: &Path) -> Result<(DynamicImage, Option<MutexGuard<'static, ()>>)> {
    static TURN: Mutex<()> = Mutex::new(());
    let (decoder, orientation, format) = decoder(path)?;
    let is_large = decoder.total_bytes() > LARGE_BYTES;
    let turn = is_large.then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner));
    if format == ImageFormat::Jpeg && !jpeg_is_whole(&fs::read(path).map_err(|error| Error::io("read", path, error))?) {
        return Err(cut_short(path));
    }
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|error| explain(path, error))?;
    picture.apply_orientation(orientation);
    Ok((picture, turn))
}

/// Whether the end marker comes after the data of a JPEG; the decoder fills what is missing with grey.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    // Segments up to the scan are left out, as a preview in one of them has an end marker too.
    let mut at = 2;
    while let Some([0xff, marker, high, low]) = bytes.get(at..at + 4) {
        if *marker == 0xda {
            return bytes[at..].windows(2).any(|pair| pair == [0xff, 0xd9]);
        }
        // A marker may be preceded by any number of 0xff.
        at += if *marker == 0xff { 1 } else { 2 + usize::from(u16::from_be_bytes([*high, *low])) };
    }
    // Whatever this is, it is the decoder's to say.
    true
}

/// Opens a picture as far as its header, within the limits.
fn decoder(path: &Path) -> Result<(impl ImageDecoder, Orientation, ImageFormat)> {
    let file = File::open(path).map_err(|error| match error.kind() {
        // Of a file that was found in a folder: its name is right.
        ErrorKind::NotFound => {
            Error::invalid(path, "the file has gone, or it is a link to something that is not there")
                .with_hint(broken_hint())
        }
        ErrorKind::PermissionDenied => Error::invalid(path, "the file may not be read")
            .with_hint(format!("change its permissions; {}", broken_hint())),
        _ => Error::io("read", path, error),
    })?;
    let bytes = file.metadata().map_err(|error| Error::io("read", path, error))?.len();
    if bytes > MAX_BYTES {
        return Err(Error::invalid(path, format!("the file has {} MiB, too much for a picture", bytes >> 20))
            .with_hint("leave it out; a picture may have at most 512 MiB"));
    }
    let reader = ImageReader::new(BufReader::new(file));
    let mut reader = reader.with_guessed_format().map_err(|error| Error::io("read", path, error))?;
    let Some(format) = reader.format().filter(|format| FORMATS.iter().any(|(known, _)| known == format)) else {
        return Err(not_a_picture(path, reader.into_inner()));
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| explain(path, error))?;
    let (width, height) = decoder.dimensions();
    if width > MAX_SIDE || height > MAX_SIDE || decoder.total_bytes() > MAX_BYTES {
        return Err(too_large(path, &format!("{width}x{height} pixels")));
    }
    // Broken EXIF data are no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((decoder, orientation, format))
}

fn too_large(path: &Path, size: &str) -> Error {
    Error::invalid(path, format!("the picture is too large: {size}")).with_hint(format!(
        "shrink it or leave it out; sides of at most {MAX_SIDE} pixels and {} MiB once decoded are read",
        MAX_BYTES >> 20
    ))
}

fn not_a_picture(path: &Path, mut file: impl Read + Seek) -> Error {
    let mut start = [0; 16];
    let count = file.rewind().and_then(|()| file.read(&mut start)).unwrap_or(0);
    let what = match String::from_utf8_lossy(&start[..count]) {
        _ if count == 0 => "the file is empty".to_owned(),
        text if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => {
            format!("this is text, not a picture: it begins with `{}`", text.trim())
        }
        _ => "this is not a picture of a known format".to_owned(),
    };
    Error::invalid(path, what).with_hint(broken_hint())
}

/// What to do about a file that cannot be read.
fn broken_hint() -> String {
    "remove or replace the file, or set `data.skip_broken=true` to go on without it".into()
}

fn explain(path: &Path, error: ImageError) -> Error {
    let ended = match &error {
        ImageError::Limits(limit) => return too_large(path, &limit.to_string()),
        ImageError::IoError(inner) => inner.kind() == ErrorKind::UnexpectedEof,
        // The decoders say it in words only.
        other => ["eof", "end of file", "exhausted"].iter().any(|word| other.to_string().to_lowercase().contains(word)),
    };
    if ended {
        return cut_short(path);
    }
    let reason = error.to_string();
    Error::invalid(path, format!("the picture cannot be decoded: {}", reason.trim_end_matches(['.', '\n'])))
        .with_hint(broken_hint())
}

fn cut_short(path: &Path) -> Error {
    Error::invalid(path, "the picture is cut short: the file ends too early").with_hint(broken_hint())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_jpeg_ends_after_its_scan_and_not_in_its_preview() {
        let preview = [0xff, 0xe1, 0, 4, 0xff, 0xd9];
        let scan = [0xff, 0xda, 0, 2, 1, 2, 3];
        let cut = [&[0xff, 0xd8][..], &preview, &scan].concat();
        assert!(!jpeg_is_whole(&cut));
        assert!(jpeg_is_whole(&[&cut[..], &[0xff, 0xd9, 7]].concat()));
        // Not for this function to judge.
        assert!(jpeg_is_whole(&[]) && jpeg_is_whole(&preview));
    }

    proptest! {
        #[test]
        fn any_picture_fits_any_frame(
            width in 1usize..300, height in 1usize..300,
            size in (8usize..40, 8usize..40),
            fit in prop::sample::select(&[Fit::Cover, Fit::Contain, Fit::Stretch]),
            colours in prop::sample::select(&[(1, 1), (1, 3), (3, 1), (3, 3)]),
        ) {
            let frame = Frame { size, channels: colours.1, fit, background: [77; 3] };
            let mut out = vec![0; frame.len()];
            reframe(&vec![77; colours.0 * width * height], (colours.0, height, width), &frame, &mut out);
            prop_assert!(out.iter().all(|value| *value == 77));
        }
    }
}
