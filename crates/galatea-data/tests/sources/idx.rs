//! IDX files.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use galatea_data::{DataOptions, open};
use proptest::prelude::*;

use crate::{opened, refusal};

/// An IDX file of bytes with these sizes in its header.
fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, sizes.len() as u8];
    sizes.iter().for_each(|size| file.extend(size.to_be_bytes()));
    file.extend(bytes);
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// 60 pictures, 10x8.
fn images() -> Vec<u8> {
    idx(&[60, 8, 10], &(0..60 * 80).map(|i| (i * 7 % 256) as u8).collect::<Vec<_>>())
}

fn labels() -> Vec<u8> {
    idx(&[60], &(0..60).map(|i| i % 3 + 4).collect::<Vec<_>>())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn options() -> DataOptions {
    DataOptions::default()
}

#[test]
fn files_pairs_and_folders_plain_or_gzip() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let train = write(root, "train-images-idx3-ubyte.gz", &gzip(&images()));
    write(root, "train-labels-idx1-ubyte", &labels());
    write(root, "t10k-images-idx3-ubyte", &idx(&[1, 8, 10], &[1; 80]));
    let first = opened(&train, &options());
    assert_eq!(first.spec().to_string(), "10x8 grey images, 3 classes");
    assert_eq!(
        (first.len(), first.name(), first.spec().classes().join(" ")),
        (60, "train-images-idx3-ubyte", "4 5 6".into())
    );
    let batch = first.batch(&[59]).unwrap();
    let expected: Vec<u8> = images()[16 + 59 * 80..].to_vec();
    assert!(batch.values.values.iter().zip(expected).all(|(a, b)| galatea_data::write::byte(*a) == b));
    assert_eq!(batch.labels.unwrap(), [59 % 3]);
    // The folder stands for its training split.
    let whole = opened(root, &options());
    assert_eq!(whole.fingerprint(), first.fingerprint());
    // Names of one's own, as a pair; or alone.
    let a = write(root, "a.bin", &images());
    let b = write(root, "b.bin", &gzip(&labels()));
    let pair = format!("{},{}", a.display(), b.display());
    assert_eq!(opened(Path::new(&pair), &options()).fingerprint(), first.fingerprint());
    let alone = opened(&a, &options());
    assert!(alone.label(0).is_none() && alone.notes()[0].starts_with("no file of labels beside `"));
    let test = opened(&root.join("t10k-images-idx3-ubyte"), &options());
    assert_eq!(test.len(), 1);
}

/// What is said of this file of images.
fn bad(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x-images-idx3-ubyte", bytes);
    let text = refusal(&path, &options());
    assert!(text.contains("x-images-idx3-ubyte"), "{text}");
    text
}

#[test]
fn a_wrong_magic_number() {
    let text = bad(b"\x89PNG....................");
    assert!(
        text.contains("this is no IDX file: it begins with [89, 50, 4e, 47] | a file of images begins with"),
        "{text}"
    );
    assert!(bad(&labels()).contains("this IDX file has 1 dimensions, and images have 3 |"));
    let mut floats = images();
    floats[2] = 0x0d;
    assert!(bad(&floats).contains("elements of type 0x0d, not bytes"));
}

#[test]
fn lying_dimensions() {
    let text = bad(&idx(&[4_000_000_000, 60_000, 60_000], &[0; 100]));
    assert!(
        text.contains("more than a file of 116 bytes can hold | the file is truncated or its header damaged"),
        "{text}"
    );
    let text = bad(&gzip(&idx(&[u32::MAX; 3], &[0; 100])));
    assert!(text.contains("4294967295 x 4294967295 x 4294967295 bytes, more than"), "{text}");
    // Possible for what is packed, but not what is there.
    assert!(bad(&gzip(&idx(&[61, 8, 10], &[0; 4800]))).contains("the file is truncated"));
    assert!(bad(&idx(&[59, 8, 10], &[0; 4800])).contains("there are more bytes than the 59 x 8 x 10 of the header"));
    assert!(bad(&idx(&[60, 0, 10], &[])).contains("there is nothing in it"));
    assert!(bad(&idx(&[60, 1, 80], &[0; 4800])).contains("are 80x1 pixels | sides must be 8 to 1024"));
}

#[test]
fn more_than_the_memory_that_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "x-images-idx3-ubyte", &gzip(&idx(&[3000, 30, 30], &vec![0; 2_700_000])));
    let text = refusal(&path, &DataOptions { memory_mib: 1, ..options() });
    assert!(text.contains("3000 examples need 3 MiB of memory, and `data.memory_mib` is 1 | raise"), "{text}");
    // As they are they fit, resized they do not.
    let text = refusal(&path, &DataOptions { memory_mib: 3, size: "64".into(), ..options() });
    assert!(text.contains("3000 examples need 12 MiB of memory"), "{text}");
}

#[test]
fn truncated_and_damaged_files() {
    let packed = gzip(&images());
    for length in [1, 2, 5, 12, packed.len() / 2, packed.len() - 1] {
        assert!(bad(&packed[..length]).contains("the file is truncated"), "{length}");
    }
    for length in [0, 3, 10, 15] {
        assert!(bad(&images()[..length]).contains("the file is truncated"), "{length}");
    }
    let mut damaged = packed.clone();
    let middle = damaged.len() - 6;
    damaged[middle] ^= 0x40;
    let text = bad(&damaged);
    assert!(text.contains("the gzip data are damaged") && text.contains("| fetch or copy the file again"), "{text}");
}

#[test]
fn labels_that_do_not_match_or_are_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let images = write(folder.path(), "a-images-idx3-ubyte", &images());
    let labels = write(folder.path(), "a-labels-idx1-ubyte", &idx(&[59], &[0; 59]));
    let text = refusal(&images, &options());
    assert!(text.contains("a-labels-idx1-ubyte`: 59 labels for 60 images in `"), "{text}");
    let swapped = format!("{},{}", labels.display(), images.display());
    assert!(refusal(Path::new(&swapped), &options()).contains("check that images and labels are not swapped"));
    let missing = format!("{},{}", images.display(), folder.path().join("none").display());
    let text = refusal(Path::new(&missing), &options());
    assert!(text.starts_with("cannot read `") && text.contains("| check the spelling of `"), "{text}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), magic: bool, packed: bool) {
        if magic && bytes.len() >= 16 {
            // Small sizes behind the right magic number, so that some get further.
            bytes[..4].copy_from_slice(&[0, 0, 8, 3]);
            for at in [4, 5, 6, 8, 9, 10, 12, 13, 14] {
                bytes[at] = 0;
            }
        }
        let bytes = if packed { gzip(&bytes) } else { bytes };
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), "x.idx", &bytes);
        if let Err(error) = open(path.to_str().unwrap(), &options()) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
