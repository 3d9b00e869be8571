//! IDX, the format of MNIST: big-endian sizes, then bytes; plain or gzip.
//!
//! The magic number is two zero bytes, the element type (8: unsigned byte) and the number of dimensions.

use std::{
    fs::File,
    io::{BufReader, ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::bufread::MultiGzDecoder;

use super::{Format, plan, short_name};
use crate::{
    DataOptions, Dataset, Error, Result,
    set::{Labels, Raw, check_memory},
};

/// Deflate packs at most 1,032 bytes into one.
pub(super) const MAX_DEFLATE_RATIO: u64 = 1032;

/// IDX files.
pub(super) struct Idx;

impl Format for Idx {
    fn name(&self) -> &'static str {
        "idx"
    }

    fn summary(&self) -> &'static str {
        "IDX files as of MNIST, plain or gzip"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["mnist/train-images-idx3-ubyte.gz", "images.idx,labels.idx", "mnist/"]
    }

    fn claims(&self, source: &str) -> bool {
        let path = Path::new(source);
        match path.metadata() {
            Ok(meta) if meta.is_dir() => images_in(path).is_some(),
            Ok(_) => looks_like_idx(path),
            // Also if one of them is missing, so that the error names it.
            Err(_) => source.split_once(',').is_some_and(|(a, b)| Path::new(a).is_file() || Path::new(b).is_file()),
        }
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        let path = Path::new(source);
        let (images, labels) = match source.split_once(',') {
            Some((images, labels)) if !path.exists() => (images.into(), Some(labels.into())),
            _ if path.is_dir() => {
                let images = images_in(path).unwrap_or_else(|| path.to_owned());
                let labels = labels_of(&images);
                (images, labels)
            }
            _ => (path.to_owned(), labels_of(path)),
        };
        let name = short_name(if path.exists() { path } else { &images });
        read_pair(&images, labels.as_deref(), name, options)?.finish(&plan(options)?)
    }
}

/// Reads a file of images and its labels.
pub(super) fn read_pair(images: &Path, labels: Option<&Path>, name: String, options: &DataOptions) -> Result<Raw> {
    let (bytes, reader) = open_file(images)?;
    let plan = plan(options)?;
    let mut raw = parse_images(images, reader, bytes, plan.memory_bytes)?;
    (raw.name, raw.source) = (name, images.display().to_string());
    let Some(path) = labels else {
        raw.notes.push(format!("no file of labels beside `{}`: the pictures have no classes", images.display()));
        return with_labels(raw, None);
    };
    let (bytes, reader) = open_file(path)?;
    with_labels(raw, Some((path, parse_labels(path, reader, bytes)?)))
}

/// Joins images and labels.
pub(super) fn with_labels(mut raw: Raw, labels: Option<(&Path, Vec<u8>)>) -> Result<Raw> {
    if let Some((path, labels)) = labels {
        let count = raw.pixels.len() / (raw.height * raw.width);
        if labels.len() != count {
            let problem = format!("{} labels for {count} images in `{}`", labels.len(), raw.source);
            return Err(Error::invalid(path, problem).with_hint("take both files from the same data set and split"));
        }
        let numbers: Vec<i64> = labels.into_iter().map(i64::from).collect();
        raw.labels = Some(Labels::from_numbers(&numbers));
    }
    Ok(raw)
}

/// Reads `[n, height, width]` bytes from a file of `bytes` bytes.
pub(super) fn parse_images(path: &Path, file: impl Read, bytes: u64, memory: u64) -> Result<Raw> {
    let (sizes, pixels) = parse(path, file, bytes, 3, memory)?;
    Ok(Raw { channels: 1, height: sizes[1], width: sizes[2], pixels, ..Raw::default() })
}

/// Reads `[n]` bytes from a file of `bytes` bytes.
pub(super) fn parse_labels(path: &Path, file: impl Read, bytes: u64) -> Result<Vec<u8>> {
    parse(path, file, bytes, 1, u64::MAX).map(|(_, labels)| labels)
}

fn open_file(path: &Path) -> Result<(u64, File)> {
    let open = || File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    open().map_err(|error| Error::io("read", path, error))
}

/// The sizes and bytes of an IDX file with so many dimensions.
///
/// Nothing is allocated on the header's word alone: its sizes are compared with the file's, and the buffer grows with
/// what is really there.
fn parse(path: &Path, file: impl Read, bytes: u64, dimensions: usize, memory: u64) -> Result<(Vec<usize>, Vec<u8>)> {
    let read = |error: std::io::Error| match error.kind() {
        ErrorKind::UnexpectedEof => truncated(path),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            Error::invalid(path, format!("the gzip data are damaged: {error}"))
                .with_hint("fetch or copy the file again")
        }
        _ => Error::io("read", path, error),
    };
    let mut start = Vec::with_capacity(4);
    let mut file = BufReader::new(file);
    file.by_ref().take(2).read_to_end(&mut start).map_err(read)?;
    let packed = start == [0x1f, 0x8b];
    let whole = BufReader::new(std::io::Cursor::new(start).chain(file));
    let mut reader: Box<dyn Read + '_> = if packed { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };

    let mut header = vec![0; 4 + 4 * dimensions];
    reader.read_exact(&mut header[..4]).map_err(read)?;
    let kind = if dimensions == 1 { "labels" } else { "images" };
    if header[..4] != [0, 0, 8, dimensions as u8] {
        let problem = match header[..4] {
            [0, 0, 8, found] => format!("this IDX file has {found} dimensions, and {kind} have {dimensions}"),
            [0, 0, 9..=14, _] => format!("this IDX file holds elements of type 0x{:02x}, not bytes", header[2]),
            _ => format!("this is no IDX file: it begins with {:02x?}", &header[..4]),
        };
        let hint = format!(
            "a file of {kind} begins with [00, 00, 08, {dimensions:02x}]; check that images and labels are not swapped"
        );
        return Err(Error::invalid(path, problem).with_hint(hint));
    }
    reader.read_exact(&mut header[4..]).map_err(read)?;
    let sizes: Vec<usize> =
        header[4..].chunks_exact(4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]) as usize).collect();
    if sizes.contains(&0) {
        let problem = format!("there is nothing in it: the header says {}", times(&sizes));
        return Err(Error::invalid(path, problem).with_hint("name a file with examples in it"));
    }
    let needed = sizes.iter().try_fold(1u64, |all, size| all.checked_mul(*size as u64));
    let possible = if packed { bytes.saturating_mul(MAX_DEFLATE_RATIO) } else { bytes };
    let Some(needed) = needed.filter(|needed| *needed <= possible) else {
        let problem = format!("the header says {} bytes, more than a file of {bytes} bytes can hold", times(&sizes));
        return Err(
            Error::invalid(path, problem).with_hint("the file is truncated or its header damaged; fetch it again")
        );
    };
    check_memory(sizes[0], sizes[1..].iter().product(), memory)?;
    let mut pixels = Vec::new();
    reader.take(needed + 1).read_to_end(&mut pixels).map_err(read)?;
    match (pixels.len() as u64).cmp(&needed) {
        std::cmp::Ordering::Equal => Ok((sizes, pixels)),
        std::cmp::Ordering::Less => Err(truncated(path)),
        std::cmp::Ordering::Greater => {
            let problem = format!("there are more bytes than the {} of the header", times(&sizes));
            Err(Error::invalid(path, problem).with_hint("the header is damaged; fetch the file again"))
        }
    }
}

fn truncated(path: &Path) -> Error {
    Error::invalid(path, "the file is truncated: it ends before its last example").with_hint("fetch or copy it again")
}

fn times(sizes: &[usize]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}

fn looks_like_idx(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let mut magic = [0; 4];
    name.contains("idx")
        || name.ends_with("-ubyte")
        || name.ends_with("-ubyte.gz")
        || File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == [0, 0, 8, 3]
}

/// The file of images in a folder that holds IDX files; the training split if there are several.
fn images_in(folder: &Path) -> Option<PathBuf> {
    let is_images = |name: &str| name.contains("images") && name.contains("idx3");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_images(name))
        .collect();
    // `train-images-idx3-ubyte` before `t10k-..`, plain before `.gz`.
    found.sort_by_key(|name| (!name.starts_with("train"), name.clone()));
    found.into_iter().next().map(|name| folder.join(name))
}

/// The file of labels that belongs to a file of images by the usual naming.
pub(super) fn labels_of(images: &Path) -> Option<PathBuf> {
    let name = images.file_name()?.to_str()?;
    let labels = name.replace("images", "labels").replace("idx3", "idx1");
    let plain = labels.trim_end_matches(".gz").to_owned();
    let candidates = [labels, format!("{plain}.gz"), plain];
    candidates.iter().map(|candidate| images.with_file_name(candidate)).find(|path| path != images && path.is_file())
}
