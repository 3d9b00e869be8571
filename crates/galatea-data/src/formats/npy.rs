//! NumPy's arrays: `.npy`, and `.npz` (a zip archive of them).
//!
//! Pictures are `[n, height, width]`, `[n, channels, height, width]` or `[n, height, width, channels]`, bytes or floats; points
//! are `[n, d]`, of at most 64 numbers each, and are left in units of their own.
//! Format: NumPy Enhancement Proposal 1. The header is a Python literal, read here without recursion.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read},
    path::Path,
    sync::Arc,
};

use zip::ZipArchive;

use super::{Format, idx::MAX_DEFLATE_RATIO, plan, short_name};
use crate::{
    DataOptions, Dataset, Error, Result,
    options::Plan,
    picture,
    points::{MOST_DIMENSIONS, RawPoints},
    series::RawSeries,
    set::{Labels, Raw, check_memory},
};

/// Longest header that is read; real ones have some hundred bytes.
const MAX_HEADER: usize = 1 << 16;
const IMAGE_KEYS: &[&str] = &["x", "images", "data", "x_train", "arr_0"];
const LABEL_KEYS: &[&str] = &["y", "labels", "y_train"];

/// NumPy arrays.
pub(super) struct Npy;

impl Format for Npy {
    fn name(&self) -> &'static str {
        "npy"
    }

    fn summary(&self) -> &'static str {
        "a NumPy array of pictures or points"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["images.npy", "points.npy", "images-and-labels.npz"]
    }

    fn claims(&self, source: &str) -> bool {
        let path = Path::new(source);
        ends_in(path, "npy") || ends_in(path, "npz")
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        let path = Path::new(source);
        let plan = plan(options)?;
        let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
        let bytes = file.metadata().map_err(|error| Error::io("read", path, error))?.len();
        let (array, labels) = match ends_in(path, "npz") {
            true => read_npz(path, file, &plan)?,
            false => (read_array(path, "", BufReader::new(file), bytes, &plan)?, None),
        };
        let count = array.shape.first().copied().unwrap_or(0);
        let labels = || labels.map(|(labels, key)| labels_from(labels, count, path, key)).transpose();
        if plan.window > 0 {
            options.refuse_pictures(source, "series")?;
            return series_from(array, path)?.finish(&plan);
        }
        if let [_, 1..=MOST_DIMENSIONS] = array.shape[..] {
            options.refuse_pictures(source, "points")?;
            let points = points_from(array, path)?;
            return RawPoints { name: short_name(path), labels: labels()?, ..points }.finish(&plan);
        }
        let mut raw = images_from(array, path, &plan)?;
        (raw.name, raw.source, raw.labels) = (short_name(path), source.to_owned(), labels()?);
        raw.finish(&plan)
    }
}

pub(super) fn ends_in(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending))
}

/// An array as it is in the file.
struct Array {
    shape: Vec<usize>,
    /// The first index runs fastest.
    fortran: bool,
    values: Values,
}

enum Values {
    Bytes(Vec<u8>),
    /// Of any other type. Pictures need no more precision than f32 has; labels beyond 2^24 are refused.
    Numbers {
        values: Vec<f32>,
        dtype: Dtype,
    },
}

/// An element type: `<f4` and the like.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dtype {
    /// `b` bool, `u` unsigned, `i` signed, `f` float.
    kind: u8,
    size: usize,
    big_endian: bool,
}

/// The examples, and their labels with the name that they have in the archive.
fn read_npz(path: &Path, file: File, plan: &Plan) -> Result<(Array, Option<(Array, &'static str)>)> {
    let damaged = |error: zip::result::ZipError| {
        Error::invalid(path, format!("this is no readable zip archive: {error}"))
            .with_hint("write it again with `np.savez(path, x=images, y=labels)`")
    };
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let names: Vec<String> = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned())).collect();
    let find = |keys: &[&'static str]| keys.iter().copied().find(|key| names.contains(&format!("{key}.npy")));
    let Some(images) = find(IMAGE_KEYS) else {
        let found: Vec<&str> = names.iter().map(|name| name.trim_end_matches(".npy")).collect();
        let problem = format!("no array of pictures in it, only `{}`", found.join("`, `"));
        return Err(Error::invalid(path, problem).with_hint(format!(
            "call the pictures `{}`, and labels `{}`",
            IMAGE_KEYS.join("` or `"),
            LABEL_KEYS.join("` or `")
        )));
    };
    let mut read = |key: &str| {
        let entry = archive.by_name(&format!("{key}.npy")).map_err(damaged)?;
        // Both sizes are the archive's claim; the first cannot be much larger than the second.
        let bytes = entry.size().min(entry.compressed_size().saturating_mul(MAX_DEFLATE_RATIO));
        read_array(path, key, BufReader::new(entry), bytes, plan)
    };
    let array = read(images)?;
    Ok((array, find(LABEL_KEYS).map(|key| Ok::<_, Error>((read(key)?, key))).transpose()?))
}

/// Where an array is, for messages.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    /// Its name in an archive; empty for a file of its own.
    key: &'a str,
    /// What to do if it is no array.
    save: &'static str,
    /// What to do if its elements cannot be read.
    convert: &'static str,
}

impl<'a> Place<'a> {
    /// Of pictures or their labels.
    fn new(path: &'a Path, key: &'a str) -> Self {
        let numbers = "give one class number per picture, such as by `np.unique(labels, return_inverse=True)[1]`";
        let (save, convert) = match LABEL_KEYS.contains(&key) {
            true => (numbers, numbers),
            false => (
                "write it with `np.save(path, images)`, `images` of type `uint8` or `float32`",
                "convert it with `images.astype(np.float32)`",
            ),
        };
        Self { path, key, save, convert }
    }

    /// Of rows of numbers.
    fn of_rows(path: &'a Path) -> Self {
        let save = "write it with `np.save(path, array)`, `array` of type `float32` or `float64`";
        Self { path, key: "", save, convert: "convert it with `array.astype(np.float32)`" }
    }

    fn bad(self, problem: impl std::fmt::Display, hint: &str) -> Error {
        let key = if self.key.is_empty() { String::new() } else { format!("`{}`: ", self.key) };
        Error::invalid(self.path, format!("{key}{problem}")).with_hint(hint)
    }

    fn failed(self, error: std::io::Error) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => self.bad("the array is truncated", "copy or write the file again"),
            ErrorKind::InvalidData | ErrorKind::InvalidInput => {
                self.bad(format!("the compressed data are damaged: {error}"), "copy or write the file again")
            }
            _ => Error::io("read", self.path, error),
        }
    }
}

/// What a header says of its array, once found possible.
struct Promise {
    shape: Vec<usize>,
    fortran: bool,
    dtype: Dtype,
    /// The product of the sizes, not 0.
    count: usize,
}

/// Reads the header of an array in a source of `bytes` bytes, whatever it claims.
fn read_header(place: Place<'_>, reader: &mut impl Read, bytes: u64) -> Result<Promise> {
    let failed = |error| place.failed(error);
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(failed)?;
    if start[..6] != *b"\x93NUMPY" || !(1..=3).contains(&start[6]) {
        return Err(place.bad("this is no NumPy array", place.save));
    }
    let mut length = [0; 4];
    let wide = start[6] > 1;
    reader.read_exact(&mut length[..if wide { 4 } else { 2 }]).map_err(failed)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX_HEADER {
        return Err(place.bad(format!("the header claims {length} bytes"), place.save));
    }
    let mut header = vec![0; length];
    reader.read_exact(&mut header).map_err(failed)?;
    let header = String::from_utf8_lossy(&header);
    let parsed = Header::parse(&header).map_err(|problem| place.bad(problem, place.save))?;
    let Header { descr, fortran, shape } = parsed;
    if descr.contains('O') {
        return Err(place.bad("the array holds Python objects, not numbers", place.save));
    }
    let dtype = Dtype::parse(&descr).ok_or_else(|| {
        let problem = format!("elements of type `{descr}` cannot be read");
        place.bad(problem, place.convert)
    })?;
    let count = shape.iter().try_fold(1u64, |all, size| all.checked_mul(*size as u64));
    let fits = |count: &u64| count.checked_mul(dtype.size as u64).is_some_and(|needed| needed <= bytes);
    match count.filter(fits) {
        Some(0) => Err(place.bad(format!("there is nothing in it: its shape is {shape:?}"), place.save)),
        Some(count) => Ok(Promise { shape, fortran, dtype, count: count as usize }),
        None => {
            let problem =
                format!("the header says shape {shape:?} of `{descr}`, more than a file of {bytes} bytes can hold");
            Err(place.bad(problem, "the file is truncated or its header damaged; write it again"))
        }
    }
}

/// Calls `take` with every number of an array, in the order of the file.
fn read_numbers(place: Place<'_>, promise: &Promise, reader: &mut impl Read, mut take: impl FnMut(f64)) -> Result<()> {
    let dtype = promise.dtype;
    let mut buffer = vec![0; dtype.size * 4096];
    let mut left = promise.count;
    while left > 0 {
        let now = left.min(4096);
        let bytes = &mut buffer[..now * dtype.size];
        reader.read_exact(bytes).map_err(|error| place.failed(error))?;
        bytes.chunks_exact(dtype.size).for_each(|bytes| take(dtype.number(bytes)));
        left -= now;
    }
    Ok(())
}

/// Reads one array of a source of `bytes` bytes.
fn read_array(path: &Path, key: &str, mut reader: impl Read, bytes: u64, plan: &Plan) -> Result<Array> {
    let place = Place::new(path, key);
    let promise = read_header(place, &mut reader, bytes)?;
    let examples = promise.shape.first().copied().unwrap_or(1);
    let held = if promise.dtype.is_byte() { 1 } else { 4 };
    check_memory(examples, promise.count / examples * held, plan.memory_bytes)?;
    let values = match promise.dtype.is_byte() {
        true => {
            let mut values = Vec::new();
            reader.take(promise.count as u64).read_to_end(&mut values).map_err(|error| place.failed(error))?;
            if values.len() < promise.count {
                return Err(place.failed(ErrorKind::UnexpectedEof.into()));
            }
            Values::Bytes(values)
        }
        false => {
            let mut values = Vec::new();
            read_numbers(place, &promise, &mut reader, |value| values.push(value as f32))?;
            Values::Numbers { values, dtype: promise.dtype }
        }
    };
    Ok(Array { shape: promise.shape, fortran: promise.fortran, values })
}

/// Plain rows of numbers, `[n, d]`, as precise as they are in the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Rows {
    /// Numbers that single precision holds.
    Single {
        /// `d`.
        width: usize,
        /// `n` times `d` of them, row-major.
        values: Vec<f32>,
    },
    /// Others.
    Double {
        /// `d`.
        width: usize,
        /// `n` times `d` of them, row-major.
        values: Vec<f64>,
    },
}

/// Reads an array `[n, d]` of numbers, such as features, from a `.npy` file; at most `memory_bytes` of them.
///
/// # Errors
/// If the file is no such array, or too large.
pub fn read_rows(path: &Path, memory_bytes: u64) -> Result<Rows> {
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    let bytes = file.metadata().map_err(|error| Error::io("read", path, error))?.len();
    let place = Place::of_rows(path);
    let mut reader = BufReader::new(file);
    let promise = read_header(place, &mut reader, bytes)?;
    let Promise { shape, fortran, dtype, count } = &promise;
    let [n, width] = shape[..] else {
        let hint = match shape[..] {
            [_] => "one number per row is `array.reshape(-1, 1)`",
            [_, _, _] | [_, _, _, _] => {
                "flatten it with `array.reshape(len(array), -1)`; sets of pictures are judged by `galatea eval --samples A.npy \
                 --against B.npy`"
            }
            _ => "give one row per sample and one column per feature",
        };
        return Err(place.bad(format!("the array has shape {shape:?}, not [n, d]"), hint));
    };
    let single = matches!((dtype.kind, dtype.size), (b'f', 4) | (_, 1 | 2));
    check_memory(n, width * if single { 4 } else { 8 }, memory_bytes)?;
    let mut at = 0;
    let mut wrong = None;
    let mut check = |value: f64| {
        if !value.is_finite() && wrong.is_none() {
            wrong = Some((at, value));
        }
        at += 1;
        value
    };
    let rows = match single {
        true => {
            let mut values = Vec::new();
            read_numbers(place, &promise, &mut reader, |value| values.push(check(value) as f32))?;
            Rows::Single { width, values: row_major(values, n, width, *fortran) }
        }
        false => {
            let mut values = Vec::new();
            read_numbers(place, &promise, &mut reader, |value| values.push(check(value)))?;
            Rows::Double { width, values: row_major(values, n, width, *fortran) }
        }
    };
    debug_assert_eq!(*count, n * width);
    match wrong {
        Some((at, value)) => {
            let problem = format!("the value at {:?} is {value}", unravel(at, shape, *fortran));
            Err(place.bad(problem, "leave out such rows, such as by `array[np.isfinite(array).all(axis=1)]`"))
        }
        None => Ok(rows),
    }
}

fn row_major<T: Copy>(values: Vec<T>, n: usize, width: usize, fortran: bool) -> Vec<T> {
    match fortran {
        true => (0..n).flat_map(|i| (0..width).map(move |j| (i, j))).map(|(i, j)| values[j * n + i]).collect(),
        false => values,
    }
}

impl Dtype {
    fn parse(descr: &str) -> Option<Self> {
        let (order, kind, size) = match descr.as_bytes() {
            [order, kind, size] => (*order, *kind, usize::from(size.checked_sub(b'0')?)),
            _ => return None,
        };
        let known = matches!((kind, size), (b'b', 1) | (b'u' | b'i', 1 | 2 | 4 | 8) | (b'f', 4 | 8));
        (known && b"<>|=".contains(&order)).then_some(Self { kind, size, big_endian: order == b'>' })
    }

    fn is_byte(self) -> bool {
        (self.kind, self.size) == (b'u', 1)
    }

    /// The number in `size` bytes.
    fn number(self, bytes: &[u8]) -> f64 {
        let mut wide = [0; 8];
        for (i, byte) in bytes.iter().enumerate() {
            wide[if self.big_endian { self.size - 1 - i } else { i }] = *byte;
        }
        let bits = u64::from_le_bytes(wide);
        let unused = 64 - 8 * self.size as u32;
        match (self.kind, self.size) {
            (b'f', 4) => f32::from_bits(bits as u32).into(),
            (b'f', _) => f64::from_bits(bits),
            (b'i', _) => (((bits << unused) as i64) >> unused) as f64,
            _ => bits as f64,
        }
    }
}

/// What a `.npy` header says.
#[derive(Debug, PartialEq)]
struct Header {
    descr: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
    fn parse(text: &str) -> std::result::Result<Self, String> {
        let after = |key: &str| {
            let quoted = [format!("'{key}'"), format!("\"{key}\"")];
            let rest = quoted.iter().find_map(|key| text.split_once(key.as_str()))?.1.trim_start();
            rest.strip_prefix(':').map(str::trim_start)
        };
        let missing = |key: &str| format!("the header has no readable `{key}`");
        let descr = after("descr").ok_or_else(|| missing("descr"))?;
        let descr = match descr.chars().next() {
            Some(quote @ ('\'' | '"')) => descr[1..].split(quote).next().unwrap_or_default(),
            Some('[') => return Err("the array has named fields, not plain numbers".into()),
            _ => return Err(missing("descr")),
        };
        let fortran = match after("fortran_order") {
            Some(rest) if rest.starts_with("True") => true,
            Some(rest) if rest.starts_with("False") => false,
            _ => return Err(missing("fortran_order")),
        };
        let shape = after("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
        let sizes = shape.ok_or_else(|| missing("shape"))?.0.split(',').map(str::trim).filter(|size| !size.is_empty());
        // Python 2 wrote `10L`.
        let sizes = sizes.map(|size| size.trim_end_matches('L').parse::<usize>().map_err(|_| missing("shape")));
        Ok(Self { descr: descr.to_owned(), fortran, shape: sizes.collect::<std::result::Result<_, _>>()? })
    }
}

/// Where each dimension of a picture is in an array: sizes and strides of `[n, channels, height, width]`.
struct Layout {
    sizes: [usize; 4],
    strides: [usize; 4],
    name: &'static str,
}

impl Layout {
    fn of(shape: &[usize], fortran: bool) -> Option<Self> {
        let mut strides = vec![1; shape.len()];
        let mut step = 1;
        for i in 0..shape.len() {
            let i = if fortran { i } else { shape.len() - 1 - i };
            strides[i] = step;
            step *= shape[i];
        }
        let colours = [1, 3, 4];
        let (axes, name) = match *shape {
            [_, _, _] => ([0, 3, 1, 2], "[n, height, width]"),
            [_, c, h, w] if colours.contains(&c) && h > 4 && w > 4 => ([0, 1, 2, 3], "[n, channels, height, width]"),
            [_, _, _, c] if colours.contains(&c) => ([0, 3, 1, 2], "[n, height, width, channels]"),
            [_, c, _, _] if colours.contains(&c) => ([0, 1, 2, 3], "[n, channels, height, width]"),
            _ => return None,
        };
        // The channels of `[n, height, width]` are a fourth axis of size one.
        let size = |axis: usize| shape.get(axis).copied().unwrap_or(1);
        let stride = |axis: usize| strides.get(axis).copied().unwrap_or(1);
        Some(Self { sizes: axes.map(size), strides: axes.map(stride), name })
    }
}

fn images_from(array: Array, path: &Path, plan: &Plan) -> Result<Raw> {
    let Array { shape, fortran, values } = array;
    let layout = Layout::of(&shape, fortran).filter(|layout| !layout.sizes.contains(&0)).ok_or_else(|| {
        Error::invalid(path, format!("an array of shape {shape:?} is not a set of pictures")).with_hint(
            "give it the shape [n, height, width], [n, channels, height, width] or [n, height, width, channels], \
             with 1, 3 or 4 channels, such as by `images.reshape(-1, 28, 28)`; points, [n, d], have at most 64 numbers each",
        )
    })?;
    let (bytes, range) = to_bytes(values, &shape, fortran, path)?;
    let [n, channels, height, width] = layout.sizes;
    let [by_n, by_channel, by_row, by_column] = layout.strides;
    let plane = height * width;
    let out_channels = if channels == 4 { 3 } else { channels };
    let mut pixels = vec![0; n * out_channels * plane];
    for (i, picture) in pixels.chunks_mut(out_channels * plane).enumerate() {
        for at in 0..plane {
            let from = i * by_n + at / width * by_row + at % width * by_column;
            let pixel = |channel: usize| bytes[from + channel * by_channel];
            if channels == 4 {
                let colour = picture::over([pixel(0), pixel(1), pixel(2), pixel(3)], plan.background);
                (0..3).for_each(|channel| picture[channel * plane + at] = colour[channel]);
            } else {
                (0..channels).for_each(|channel| picture[channel * plane + at] = pixel(channel));
            }
        }
    }
    let notes = vec![format!("read shape {shape:?} as {}, and its values as {range}", layout.name)];
    Ok(Raw { channels: out_channels, height, width, pixels, notes, ..Raw::default() })
}

/// Rows of numbers as they are.
fn points_from(array: Array, path: &Path) -> Result<RawPoints> {
    let Array { shape, fortran, values } = array;
    let values = match values {
        Values::Bytes(bytes) => bytes.into_iter().map(f32::from).collect(),
        Values::Numbers { values, .. } => values,
    };
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let index = unravel(at, &shape, fortran);
        return Err(Error::invalid(path, format!("the value at {index:?} is {}", values[at]))
            .with_hint("leave out such points, such as by `points[np.isfinite(points).all(axis=1)]`"));
    }
    let (n, dimensions) = (shape[0], shape[1]);
    let notes = vec![format!("read shape {shape:?} as points, [n, d]")];
    let values = row_major(values, n, dimensions, fortran);
    Ok(RawPoints { name: String::new(), dimensions, values, labels: None, notes })
}

/// The series in a file of one array.
pub(super) fn series(path: &Path, plan: &Plan) -> Result<RawSeries> {
    let file = File::open(path).map_err(|error| Error::io("read", path, error))?;
    let bytes = file.metadata().map_err(|error| Error::io("read", path, error))?.len();
    series_from(read_array(path, "", BufReader::new(file), bytes, plan)?, path)
}

/// One series of `[moments]` or `[moments, channels]`, or several of `[n, moments, channels]`.
fn series_from(array: Array, path: &Path) -> Result<RawSeries> {
    let Array { shape, fortran, values } = array;
    let [n, moments, channels] = match shape[..] {
        [moments] => [1, moments, 1],
        [moments, channels] => [1, moments, channels],
        [n, moments, channels] if !fortran => [n, moments, channels],
        _ => {
            let problem = format!("an array of shape {shape:?} is no series");
            return Err(Error::invalid(path, problem).with_hint("series are [moments, channels], in C order"));
        }
    };
    let RawPoints { values, .. } = points_from(Array { shape: vec![n * moments, channels], fortran, values }, path)?;
    let names = (1..=channels).map(|channel| format!("x{channel}")).collect();
    let pieces = values.chunks((moments * channels).max(1)).map(<[f32]>::to_vec).collect();
    let notes = vec![format!("read shape {shape:?} as series, [moments, channels]")];
    Ok(RawSeries { name: short_name(path), channels: names, pieces, labels: None, notes })
}

/// The values as bytes, by the range that they lie in.
fn to_bytes(values: Values, shape: &[usize], fortran: bool, path: &Path) -> Result<(Vec<u8>, &'static str)> {
    let (values, dtype) = match values {
        Values::Bytes(bytes) if bytes.iter().all(|byte| *byte <= 1) => {
            return Ok((bytes.into_iter().map(|byte| byte * 255).collect(), "0 or 1"));
        }
        Values::Bytes(bytes) => return Ok((bytes, "0 to 255")),
        Values::Numbers { values, dtype } => (values, dtype),
    };
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let index = unravel(at, shape, fortran);
        return Err(Error::invalid(path, format!("the value at {index:?} is {}", values[at]))
            .with_hint("replace such values, such as by `np.nan_to_num(images)`"));
    }
    let (low, high) =
        values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)));
    let whole = dtype.kind != b'f';
    let (range, scale, offset) = match (low, high) {
        (0.0.., ..=1.0) => ("0 to 1", 255.0, 0.0),
        (-1.0.., ..=1.0) if !whole => ("-1 to 1", 127.5, 127.5),
        (0.0.., ..=255.0) => ("0 to 255", 1.0, 0.0),
        (0.0.., _) if (dtype.kind, dtype.size) == (b'u', 2) => ("0 to 65,535", 1.0 / 257.0, 0.0),
        _ => {
            let problem = format!("the values go from {low} to {high}, and that is no range of pictures");
            return Err(
                Error::invalid(path, problem).with_hint("scale them to -1 to 1, 0 to 1 or 0 to 255 before saving")
            );
        }
    };
    // `as` clamps to 0..=255.
    Ok((values.into_iter().map(|value| (value * scale + offset).round() as u8).collect(), range))
}

/// The index of value `at` of an array.
fn unravel(mut at: usize, shape: &[usize], fortran: bool) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for i in 0..shape.len() {
        let i = if fortran { i } else { shape.len() - 1 - i };
        index[i] = at % shape[i];
        at /= shape[i];
    }
    index
}

fn labels_from(array: Array, count: usize, path: &Path, key: &str) -> Result<Labels> {
    let bad = |problem: String, hint: &str| Err(Error::invalid(path, format!("`{key}`: {problem}")).with_hint(hint));
    // [n], or [n, 1] as Keras has it.
    if array.shape.first() != Some(&count) || array.shape.iter().skip(1).any(|size| *size != 1) {
        let problem = format!("labels of shape {:?} for {count} pictures", array.shape);
        return bad(problem, "give one class number per picture, shape [n]");
    }
    let numbers: Vec<i64> = match array.values {
        Values::Bytes(bytes) => bytes.into_iter().map(i64::from).collect(),
        Values::Numbers { values, .. } => {
            // Above 2^24 not every whole number is an f32.
            if let Some(wrong) =
                values.iter().find(|value| value.fract() != 0.0 || value.abs() > 16_777_216.0 || value.is_nan())
            {
                return bad(format!("{wrong} is no class number"), "labels are small whole numbers");
            }
            values.into_iter().map(|value| value as i64).collect()
        }
    };
    let labels = Labels::from_numbers(&numbers);
    if labels.classes.len() > 10_000 {
        return bad(format!("{} different labels", labels.classes.len()), "at most 10,000 classes are read");
    }
    Ok(labels)
}
