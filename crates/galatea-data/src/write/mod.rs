//! Pictures and arrays as files; one file per format.
//!
//! The functions of the formats give bytes, and [`file()`] puts bytes into a file that is complete or absent:
//!
//! ```
//! use galatea_data::{HostTensor, write};
//! let pictures = HostTensor::new([4, 1, 8, 8], vec![0.5; 4 * 64]);
//! let folder = tempfile::tempdir()?;
//! write::file(&folder.path().join("grid.png"), &write::png::grid(&pictures, 2)?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod csv;
pub mod gif;
pub mod graph;
mod graph_png;
pub mod lines;
pub mod midi;
pub mod npy;
pub mod png;
pub mod roll;
pub mod scatter;
pub mod soundfont;
pub mod wav;

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::music::{Frame, rolls};
use crate::{DataSpec, Error, HostTensor, Result, TextSpec};

/// Writes a file that is complete or absent: aside, then renamed. An old file of that name stays until then.
///
/// # Errors
/// If the folder cannot be written to or the disk is full; nothing half-written is left.
pub fn file(path: &Path, bytes: &[u8]) -> Result<()> {
    let (aside, mut file) = create_aside(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    drop(file);
    written.and_then(|()| fs::rename(&aside, path)).map_err(|error| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&aside);
        Error::io("write", path, error)
    })
}

/// Examples of a data set, or samples like them, as one file: pictures as a grid, `columns` in a row, and points as a scatter
/// plot, both in PNG, as series as lines and music as piano rolls; text as text and rows as a table. [`overview_ending`] tells which.
///
/// # Errors
/// If they are of another shape than the data, or a value is NaN.
pub fn overview(examples: &HostTensor, spec: &DataSpec, columns: usize) -> Result<Vec<u8>> {
    match spec {
        DataSpec::Images(_) => png::grid(examples, columns),
        DataSpec::Points(points) => scatter::plot(examples, points),
        DataSpec::Text(_) | DataSpec::Series(_) if spec.music().is_some() => {
            let pieces: Vec<Vec<Frame>> = (0..examples.rows()).map(|i| spec.frames(examples.row(i))).collect();
            let longest = pieces.iter().map(Vec::len).max().unwrap_or(0).max(1);
            let pieces: Vec<&[Frame]> = pieces.iter().map(Vec::as_slice).collect();
            roll::grid(&rolls(&pieces, longest), columns)
        }
        DataSpec::Text(text) => Ok(texts(examples, text).into_bytes()),
        DataSpec::Series(series) => lines::grid(examples, series, columns),
        DataSpec::Table(table) => csv::rows(examples, table),
        DataSpec::Music(_) => roll::grid(examples, columns),
    }
}

/// How the name of a file ends that holds what [`overview`] gives.
pub fn overview_ending(spec: &DataSpec) -> &'static str {
    match spec {
        DataSpec::Images(_) | DataSpec::Points(_) | DataSpec::Series(_) | DataSpec::Music(_) => "png",
        DataSpec::Text(_) if spec.music().is_some() => "png",
        DataSpec::Text(_) => "txt",
        DataSpec::Table(_) => "csv",
    }
}

/// Between two texts in one file.
pub const RULE: &str = "\n----\n";

/// Stretches of text `[n, length]` one below the other, with a line between them, or lines, each in one. The first token of each is
/// what it was to follow, which a reader need not see where all begin alike.
fn texts(examples: &HostTensor, spec: &TextSpec) -> String {
    let text = |row: usize| {
        let tokens: Vec<u32> = examples.row(row).iter().map(|value| *value as u32).collect();
        spec.read(&tokens)
    };
    let all: Vec<String> = (0..examples.rows()).map(text).collect();
    format!("{}\n", all.join(rule(spec)))
}

/// What is between two such texts in one file.
fn rule(spec: &TextSpec) -> &'static str {
    if spec.end.is_some() { "\n" } else { RULE }
}

/// A new file beside `path`, of a name that nobody else uses.
fn create_aside(path: &Path) -> Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let Some(name) = path.file_name() else {
        return Err(Error::usage(format!("`{}` is no name for a file", path.display())));
    };
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut own = std::ffi::OsString::from(".");
    own.push(name);
    own.push(format!(".{}-{number}.tmp", std::process::id()));
    let aside = path.with_file_name(own);
    let file = OpenOptions::new().write(true).create_new(true).open(&aside);
    file.map(|file| (aside, file)).map_err(|error| Error::io("write", path, error))
}

/// A value of [-1, 1] as a byte: `(x + 1) * 127.5`, rounded and clamped; never stretched to what is there.
pub fn byte(value: f32) -> u8 {
    // `as` clamps.
    ((value + 1.0) * 127.5).round() as u8
}

/// Fails if a value is NaN.
fn check_numbers(array: &HostTensor) -> Result<()> {
    match array.values.iter().position(|value| value.is_nan()) {
        Some(at) => Err(Error::usage(format!("value {at} is not a number (NaN)"))
            .with_hint("the model has diverged; go back to an earlier checkpoint")),
        None => Ok(()),
    }
}

/// Sizes of a batch of pictures, after a look at its values.
fn checked(pictures: &HostTensor) -> Result<[usize; 4]> {
    let [n, channels, height, width] = pictures.shape[..] else {
        return Err(Error::usage(format!("pictures have four dimensions, and these {:?}", pictures.shape)));
    };
    if !matches!(channels, 1 | 3) || n * height * width == 0 {
        return Err(Error::usage(format!("an array of shape {:?} cannot be drawn", pictures.shape))
            .with_hint("pictures are [n, channels, height, width] with 1 or 3 channels"));
    }
    if let Some(at) = pictures.values.iter().position(|value| value.is_nan()) {
        let picture = at / (channels * height * width);
        return Err(Error::usage(format!("picture {picture} has values that are not numbers (NaN)"))
            .with_hint("the model has diverged; go back to an earlier checkpoint"));
    }
    Ok([n, channels, height, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_clamped_and_never_stretched() {
        let of = [-7.0, -1.0, -0.996, 0.0, 0.3, 1.0, 7.0].map(byte);
        assert_eq!(of, [0, 0, 1, 128, 166, 255, 255]);
        // Every byte comes back from the value that it is read as.
        assert!((0..=255).all(|value| byte(crate::set::unit(value)) == value));
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        file(&path, b"one").unwrap();
        file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let error = file(&folder.path().join("no/a.bin"), b"one").unwrap_err();
        assert!(error.to_string().starts_with("cannot write `") && error.hint().is_some());
        // The name is taken by a folder: found out only by the rename.
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("inner")).unwrap();
        assert!(file(&taken, b"one").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let refused = |shape: &[usize]| checked(&HostTensor::new(shape, vec![0.0; shape.iter().product()])).is_err();
        assert!(refused(&[4, 4]) && refused(&[1, 2, 4, 4]) && refused(&[0, 1, 4, 4]) && !refused(&[1, 3, 4, 4]));
        let mut pictures = HostTensor::new([2, 1, 2, 2], vec![0.0; 8]);
        pictures.values[5] = f32::NAN;
        assert_eq!(checked(&pictures).unwrap_err().to_string(), "picture 1 has values that are not numbers (NaN)");
    }
}
