//! NumPy arrays.

use std::{fs, io::Write, path::PathBuf};

use galatea_data::{
    DataOptions, DataSpec, HostTensor,
    formats::{Rows, read_rows},
    open, write,
};
use proptest::prelude::*;
use tempfile::TempDir;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{opened, refusal};

fn npy(dtype: &str, fortran: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {dtype}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header.bytes());
    file.extend(values);
    file
}

fn floats(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
    values.into_iter().flat_map(f32::to_le_bytes).collect()
}

fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn npz(arrays: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut archive = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        // NumPy writes 64-bit sizes always.
        let options = SimpleFileOptions::default().compression_method(method).large_file(true);
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn options() -> DataOptions {
    DataOptions::default()
}

/// Shape, bytes and the note on how they were read.
fn read(bytes: &[u8]) -> (Vec<usize>, Vec<u8>, String) {
    let (_folder, path) = file("x.npy", bytes);
    let data = opened(&path, &options());
    let batch = data.batch(&(0..data.len()).collect::<Vec<_>>()).unwrap();
    let bytes = batch.values.values.iter().map(|value| write::byte(*value)).collect();
    (batch.values.shape, bytes, data.notes().join(" "))
}

fn ramp(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i * 5 % 256) as u8).collect()
}

#[test]
fn layouts_of_bytes() {
    let grey = ramp(2 * 8 * 9);
    assert_eq!(
        read(&npy("'|u1'", "False", "(2, 8, 9)", &grey)),
        (
            vec![2, 1, 8, 9],
            grey.clone(),
            "read shape [2, 8, 9] as [n, height, width], and its values as 0 to 255".into()
        )
    );
    assert_eq!(read(&npy("'|u1'", "False", "(2, 1, 8, 9)", &grey)).1, grey);
    assert_eq!(read(&npy("'|u1'", "False", "(2L, 8L, 9L, 1L)", &grey)).1, grey);
    let planes = ramp(2 * 3 * 8 * 9);
    let (shape, bytes, note) = read(&npy("\"|u1\"", "False", "(2, 3, 8, 9)", &planes));
    assert_eq!((shape.as_slice(), &bytes), ([2, 3, 8, 9].as_slice(), &planes));
    assert!(note.contains("[n, channels, height, width]"));
    // The same with the channels last, and with the first index fastest.
    let at = |n: usize, c: usize, y: usize, x: usize| planes[((n * 3 + c) * 8 + y) * 9 + x];
    let mut last = Vec::new();
    let mut fortran = vec![0; planes.len()];
    for (n, y, x, c) in
        (0..2).flat_map(|n| (0..8).flat_map(move |y| (0..9).flat_map(move |x| (0..3).map(move |c| (n, y, x, c)))))
    {
        last.push(at(n, c, y, x));
        fortran[n + 2 * (c + 3 * (y + 8 * x))] = at(n, c, y, x);
    }
    assert_eq!(read(&npy("'|u1'", "False", "(2, 8, 9, 3)", &last)).1, planes);
    assert_eq!(read(&npy("'|u1'", "True", "(2, 3, 8, 9)", &fortran)).1, planes);
    // Four channels: the last is how opaque the pixel is.
    let clear = [[10, 20, 30, 0], [10, 20, 30, 255]].concat().repeat(32);
    let (shape, bytes, _) = read(&npy("'|u1'", "False", "(1, 8, 8, 4)", &clear));
    assert_eq!((shape, &bytes[..2], &bytes[64..66]), (vec![1, 3, 8, 8], [255, 10].as_slice(), [255, 20].as_slice()));
}

#[test]
fn types_and_ranges() {
    let steps = |low: f32, high: f32| (0..64).map(move |i| low + (high - low) * i as f32 / 63.0);
    let expected: Vec<u8> = steps(0.0, 255.0).map(|value| value.round() as u8).collect();
    let close = |bytes: &[u8]| bytes.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1);
    for (low, high, range) in [(0.0, 1.0, "0 to 1"), (-1.0, 1.0, "-1 to 1"), (0.0, 255.0, "0 to 255")] {
        let (_, bytes, note) = read(&npy("'<f4'", "False", "(1, 8, 8)", &floats(steps(low, high))));
        assert!(close(&bytes) && note.ends_with(&format!("its values as {range}")), "{note} {bytes:?}");
        let wide: Vec<u8> = steps(low, high).flat_map(|value| f64::from(value).to_be_bytes()).collect();
        assert!(close(&read(&npy("'>f8'", "False", "(1, 8, 8)", &wide)).1));
    }
    let whole: Vec<u8> = expected.iter().flat_map(|value| i64::from(*value).to_le_bytes()).collect();
    assert_eq!(read(&npy("'<i8'", "False", "(1, 8, 8)", &whole)).1, expected);
    let sixteen: Vec<u8> = expected.iter().flat_map(|value| (u16::from(*value) * 257).to_le_bytes()).collect();
    assert_eq!(read(&npy("'<u2'", "False", "(1, 8, 8)", &sixteen)).1, expected);
    let bits: Vec<u8> = (0..64).map(|i| i % 2).collect();
    let black_and_white: Vec<u8> = bits.iter().map(|bit| bit * 255).collect();
    assert_eq!(read(&npy("'|b1'", "False", "(1, 8, 8)", &bits)).1, black_and_white);
    assert_eq!(read(&npy("'|u1'", "False", "(1, 8, 8)", &bits)).1, black_and_white);
}

#[test]
fn what_we_write_is_what_we_read() {
    let pictures = HostTensor::new([4, 3, 8, 8], (0..768).map(|i| i as f32 / 383.5 - 1.0).collect());
    let expected: Vec<u8> = pictures.values.iter().map(|value| write::byte(*value)).collect();
    assert_eq!(read(&write::npy::bytes(&pictures).unwrap()).1, expected);
    assert_eq!(read(&write::npy::floats(&pictures)).1, expected);
}

#[test]
fn archives_with_labels_stored_or_compressed() {
    let images = npy("'|u1'", "False", "(6, 8, 8)", &ramp(6 * 64));
    let labels = npy("'<i8'", "False", "(6, 1)", &[-3i64, 7, 7, -3, 10, 7].map(i64::to_le_bytes).concat());
    for method in [CompressionMethod::Stored, CompressionMethod::Deflated] {
        for (x, y) in [("x", "y"), ("images", "labels"), ("arr_0", "y")] {
            let (_folder, path) = file("set.npz", &npz(&[(y, &labels), (x, &images)], method));
            let data = opened(&path, &options());
            assert_eq!((data.name(), data.spec().classes().join(" ")), ("set", "-3 7 10".into()));
            assert_eq!((0..6).map(|i| data.label(i).unwrap()).collect::<Vec<_>>(), [0, 1, 1, 0, 2, 1]);
        }
    }
    let (_folder, path) = file("set.npz", &npz(&[("x", &images)], CompressionMethod::Stored));
    assert!(opened(&path, &options()).label(0).is_none());
}

#[test]
fn archives_that_are_not_right() {
    let images = npy("'|u1'", "False", "(6, 8, 8)", &ramp(6 * 64));
    let said = |arrays: &[(&str, &[u8])]| {
        let (_folder, path) = file("set.npz", &npz(arrays, CompressionMethod::Deflated));
        refusal(&path, &options())
    };
    assert!(
        said(&[("weights", &images)]).contains("no array of pictures in it, only `weights` | call the pictures `x`")
    );
    let labels =
        |shape: &str, dtype: &str, bytes: &[u8]| said(&[("x", &images), ("y", &npy(dtype, "False", shape, bytes))]);
    let text = labels("(5,)", "'|u1'", &[0; 5]);
    assert!(text.contains("`y`: labels of shape [5] for 6 pictures | give one class number per picture"), "{text}");
    assert!(labels("(6, 10)", "'|u1'", &[0; 60]).contains("labels of shape [6, 10] for 6 pictures"));
    assert!(labels("(6,)", "'<f4'", &floats([0.5; 6])).contains("`y`: 0.5 is no class number"));
    assert!(labels("(6,)", "'<f4'", &floats([f32::NAN; 6])).contains("NaN is no class number"));
    for (dtype, said) in [("'|O'", "holds Python objects"), ("'<U1'", "of type `<U1` cannot be read")] {
        let text = labels("(6,)", dtype, &[0; 60]);
        assert!(
            text.contains("`y`: ") && text.contains(said) && text.contains("| give one class number per"),
            "{text}"
        );
    }
    let whole = npz(&[("x", &images)], CompressionMethod::Deflated);
    let (_folder, path) = file("set.npz", &whole[..whole.len() / 2]);
    assert!(refusal(&path, &options()).contains("this is no readable zip archive"));
}

/// What is said of this `.npy` file.
fn bad(bytes: &[u8]) -> String {
    let (_folder, path) = file("x.npy", bytes);
    let text = refusal(&path, &options());
    assert!(text.contains("x.npy`"), "{text}");
    text
}

#[test]
fn objects_and_other_types() {
    let text = bad(&npy("'|O'", "False", "(10, 28, 28)", b"\x80\x04pickled"));
    assert!(
        text.contains("the array holds Python objects, not numbers | write it with `np.save(path, images)`"),
        "{text}"
    );
    assert!(bad(&npy("[('a', '<f4'), ('b', '<i4')]", "False", "(8,)", &[0; 64])).contains("named fields"));
    assert!(
        bad(&npy("'<c8'", "False", "(1, 8, 8)", &[0; 512])).contains("type `<c8` cannot be read | convert it with")
    );
    assert!(bad(&npy("'<f2'", "False", "(1, 8, 8)", &[0; 128])).contains("type `<f2` cannot be read"));
    assert!(bad(b"hello world").contains("this is no NumPy array"));
}

#[test]
fn values_that_are_not_numbers() {
    let mut values = vec![0.5; 2 * 8 * 9];
    values[9 * 8 + 3 * 9 + 4] = f32::NAN;
    let text = bad(&npy("'<f4'", "False", "(2, 8, 9)", &floats(values.clone())));
    assert!(text.contains("the value at [1, 3, 4] is NaN | replace such values"), "{text}");
    values[0] = f32::NEG_INFINITY;
    assert!(bad(&npy("'<f4'", "False", "(2, 8, 9)", &floats(values))).contains("the value at [0, 0, 0] is -inf"));
    let text = bad(&npy("'<f4'", "False", "(1, 8, 8)", &floats((0..64).map(|i| i as f32 * 10.0 - 3.0))));
    assert!(text.contains("the values go from -3 to 627, and that is no range of pictures | scale them"), "{text}");
    assert!(bad(&npy("'<i2'", "False", "(1, 8, 8)", &[255; 128])).contains("the values go from -1 to -1"));
}

#[test]
fn rows_of_few_numbers_are_points() {
    let values = [1000.0, -2.0, 1010.0, 4.0, 1020.0, 0.0];
    let fortran: Vec<f32> = [0, 2, 4, 1, 3, 5].map(|i| values[i]).to_vec();
    for (order, stored) in [("False", values.to_vec()), ("True", fortran)] {
        let (_folder, path) = file("walk.npy", &npy("'<f4'", order, "(3, 2)", &floats(stored)));
        let data = opened(&path, &options());
        assert_eq!((data.name(), data.spec().kind(), data.spec().shape()), ("walk", "points", vec![2]));
        let batch = data.batch(&[0, 1, 2]).unwrap();
        assert_eq!((batch.values.shape, batch.values.values, batch.labels), (vec![3, 2], values.to_vec(), None));
        let DataSpec::Points(spec) = data.spec() else { panic!("{}", data.spec()) };
        assert_eq!(spec.mean, [1010.0, 2.0 / 3.0]);
        assert!((spec.deviation[0] - (200f32 / 3.0).sqrt()).abs() < 1e-4, "{:?}", spec.deviation);
        assert!(data.warnings()[0].starts_with("only 3 examples"));
    }
    let points = npy("'<f8'", "False", "(4, 1)", &[1.0f64, 5.0, 5.0, 5.0].map(f64::to_le_bytes).concat());
    let labels = npy("'<i8'", "False", "(4,)", &[7i64, 3, 3, 3].map(i64::to_le_bytes).concat());
    let (_folder, path) = file("x.npz", &npz(&[("x", &points), ("y", &labels)], CompressionMethod::Stored));
    let data = opened(&path, &options());
    assert_eq!((data.spec().classes().join(" "), data.label(0), data.len()), ("3 7".into(), Some(1), 4));
    let data = opened(&path, &DataOptions { classes: "3".into(), ..options() });
    // All alike: no deviation to divide by.
    assert_eq!((data.len(), data.batch(&[2]).unwrap().values.values), (3, vec![5.0]));
    assert!(data.warnings().iter().any(|warning| warning == "column 0 holds the same number for every point"));

    let (_folder, path) = file("x.npy", &npy("'<f4'", "False", "(2, 2)", &floats([0.0, 1.0, f32::NAN, 1.0])));
    assert!(refusal(&path, &options()).contains("the value at [1, 0] is NaN | leave out such points"));
    let (_folder, path) = file("x.npy", &npy("'<f4'", "False", "(2, 2)", &floats([0.0; 4])));
    let said = refusal(&path, &DataOptions { size: "32".into(), ..options() });
    assert!(said.contains("`data.size` is for pictures, and `") && said.contains("holds points"), "{said}");
    let (_folder, path) = file("x.npz", &npz(&[("x", &points), ("y", &points)], CompressionMethod::Stored));
    assert!(opened(&path, &options()).spec().classes() == ["1", "5"]);
}

#[test]
fn wrong_shapes() {
    for (shape, count) in
        [("(100,)", 100), ("(10, 784)", 7840), ("(4, 8, 8, 2)", 512), ("()", 1), ("(1, 2, 8, 8, 3)", 384)]
    {
        let text = bad(&npy("'|u1'", "False", shape, &vec![7; count]));
        assert!(text.contains("is not a set of pictures | give it the shape [n, height, width]"), "{text}");
    }
    assert!(bad(&npy("'|u1'", "False", "(0, 28, 28)", &[])).contains("there is nothing in it"));
    assert!(bad(&npy("'|u1'", "False", "(2, 3, 4)", &[7; 24])).contains("are 4x3 pixels | sides must be 8 to 1024"));
}

#[test]
fn lying_and_truncated_files() {
    let huge = format!("({0}, {0}, {0})", u64::MAX / 2);
    assert!(bad(&npy("'<f8'", "False", &huge, &[0; 100])).contains("more than a file of"));
    assert!(bad(&npy("'<f4'", "False", "(1000000, 1000, 1000)", &[0; 100])).contains("more than a file of"));
    let whole = npy("'|u1'", "False", "(2, 8, 8)", &ramp(128));
    for length in [0, 5, 9, 20, 60, whole.len() - 1] {
        let text = bad(&whole[..length]);
        assert!(text.contains("truncated"), "{text}");
    }
    let text = bad(&whole[..whole.len() - 100]);
    assert!(text.contains("the header says shape [2, 8, 8] of `|u1`, more than a file of"), "{text}");
    let mut claims = whole.clone();
    claims[6] = 2;
    assert!(bad(&claims).contains("the header claims"));
    for header in ["('|u1', False)", "(", "None"] {
        assert!(bad(&npy(header, "False", "(2, 8, 8)", &[0; 128])).contains("no readable `descr`"));
    }
    assert!(bad(&npy("'|u1'", "Perhaps", "(2, 8, 8)", &[0; 128])).contains("no readable `fortran_order`"));
    assert!(bad(&npy("'|u1'", "False", "(2, -8, 8)", &[0; 128])).contains("no readable `shape`"));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), start in 0usize..12) {
        let whole = npy("'<f4'", "False", "(1, 8, 8)", &[0; 256]);
        let bytes = [&whole[..start], bytes.as_slice()].concat();
        let (_folder, path) = file("x.npy", &bytes);
        prop_assert!(open(path.to_str().unwrap(), &options()).is_err());
    }

    #[test]
    fn no_header_makes_the_reader_panic(header in "\\{'descr': ?'[<>|][bifuO][1248]', 'fortran_order': (True|False), 'shape': \\([0-9, ]{0,12}\\)") {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend([1; 5000]);
        let (_folder, path) = file("x.npy", &bytes);
        let _ = open(path.to_str().unwrap(), &options());
    }

    #[test]
    fn no_damage_makes_the_archive_reader_panic(at in 0usize..400, value: u8) {
        let images = npy("'|u1'", "False", "(2, 8, 8)", &ramp(128));
        let mut bytes = npz(&[("x", &images), ("y", &npy("'|u1'", "False", "(2,)", &[0, 1]))], CompressionMethod::Deflated);
        let at = at % bytes.len();
        bytes[at] = value;
        let (_folder, path) = file("x.npz", &bytes);
        let _ = open(path.to_str().unwrap(), &options());
    }
}

fn rows(bytes: &[u8]) -> Result<Rows, String> {
    let (_folder, path) = file("features.npy", bytes);
    read_rows(&path, 1 << 20).map_err(|error| {
        let said = format!("{error} | {}", error.hint().unwrap_or_default());
        said.replace(path.to_str().unwrap(), "features.npy")
    })
}

#[test]
fn plain_rows_keep_their_precision() {
    let doubles: Vec<u8> = [0.1f64, 1e-300, -3.0, 1.0 / 3.0].into_iter().flat_map(f64::to_le_bytes).collect();
    let expected = Rows::Double { width: 2, values: vec![0.1, 1e-300, -3.0, 1.0 / 3.0] };
    assert_eq!(rows(&npy("'<f8'", "False", "(2, 2)", &doubles)).unwrap(), expected);
    let values = floats([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let expected = Rows::Single { width: 3, values: vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0] };
    assert_eq!(rows(&npy("'<f4'", "True", "(2, 3)", &values)).unwrap(), expected);
    let large: Vec<u8> = [(1i64 << 40) + 1, -1].into_iter().flat_map(i64::to_be_bytes).collect();
    let expected = Rows::Double { width: 1, values: vec![1_099_511_627_777.0, -1.0] };
    assert_eq!(rows(&npy("'>i8'", "False", "(2, 1)", &large)).unwrap(), expected);
}

#[test]
fn what_is_no_set_of_rows_is_refused_with_a_hint() {
    let said = |bytes: &[u8]| rows(bytes).unwrap_err();
    let values = floats((0..24).map(|value| value as f32));
    let one = said(&npy("'<f4'", "False", "(24,)", &values));
    assert!(one.starts_with("`features.npy`: the array has shape [24], not [n, d] | one number per row is"), "{one}");
    let pictures = said(&npy("'<f4'", "False", "(2, 3, 2, 2)", &values));
    assert!(pictures.contains("reshape(len(array), -1)") && pictures.contains("--samples A.npy --against B.npy"));
    let mut bad = values.clone();
    bad[4 * 17..4 * 18].copy_from_slice(&f32::NAN.to_le_bytes());
    let nan = said(&npy("'<f4'", "False", "(4, 6)", &bad));
    assert_eq!(
        nan,
        "`features.npy`: the value at [2, 5] is NaN | leave out such rows, such as by \
         `array[np.isfinite(array).all(axis=1)]`"
    );
    assert!(said(&npy("'<f4'", "False", "(4, 6)", &values[..90])).contains("the array is truncated"));
    assert!(said(&npy("'<f4'", "False", "(4, 600)", &values)).contains("more than a file of"));
    assert!(said(&npy("'<f4'", "False", "(0, 6)", &[])).contains("there is nothing in it"));
    assert!(said(&npy("'<f4'", "False", "(131073, 2)", &vec![0; 131_073 * 8])).contains("raise `data.memory_mib`"));
    assert!(said(b"a,b\n1,2\n").contains("this is no NumPy array"));
    assert!(said(b"").contains("truncated"));
    assert!(said(&npy("'<f2'", "False", "(2, 2)", &[0; 8])).contains("astype(np.float32)"));
}

#[test]
fn a_folder_of_arrays_is_series_and_no_window_reaches_over_two_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let save = |name: &str, moments: usize, channels: usize, from: f32| {
        let values = (0..moments * channels).map(|at| from + at as f32).collect();
        fs::write(folder.path().join(name), write::npy::floats(&HostTensor::new([moments, channels], values))).unwrap();
    };
    save("b.npy", 3, 2, 100.0);
    save("a.npy", 5, 2, 0.0);
    save("c.npy", 2, 2, 200.0);
    save(".hidden.npy", 2, 3, 0.0);
    fs::write(folder.path().join("notes.txt"), "of somebody").unwrap();
    let series = DataOptions { window: 3, ..options() };
    let data = opened(folder.path(), &series);
    let DataSpec::Series(spec) = data.spec() else { panic!("{}", data.spec()) };
    assert_eq!((spec.channels.as_slice(), spec.length), (&["x1".to_owned(), "x2".to_owned()][..], 3));
    // Three windows of the first, in the order of their names, and one of the second; the last file is shorter than one.
    let firsts: Vec<f32> = (0..data.len()).map(|i| data.batch(&[i]).unwrap().values.values[0]).collect();
    assert_eq!(firsts, [0.0, 2.0, 4.0, 100.0]);
    assert_eq!(data.batch(&[2]).unwrap().values.values, [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]);
    assert!(data.notes().iter().any(|note| note.starts_with("3 arrays of 10 moments")), "{:?}", data.notes());
    // In the order of Fortran, an array is the same; of one dimension, it has one channel.
    let turned: Vec<f32> = (0..2).flat_map(|channel| (0..5).map(move |t| (2 * t + channel) as f32)).collect();
    fs::write(folder.path().join("a.npy"), npy("'<f4'", "True", "(5, 2)", &floats(turned))).unwrap();
    assert_eq!(opened(folder.path(), &series).fingerprint(), data.fingerprint());
    // What does not fit or cannot be read says which file it is.
    let said = refusal(folder.path(), &options());
    assert!(said.contains("is a folder of arrays, which is read as series | say how many moments"), "{said}");
    let said = refusal(folder.path(), &DataOptions { window: 9, ..options() });
    assert!(said.contains("has 5 moments, and a window 9"), "{said}");
    save("d.npy", 4, 3, 0.0);
    let said = refusal(folder.path(), &series);
    assert!(said.contains("d.npy`: it has 3 channels, and `a.npy` has 2 | give the arrays"), "{said}");
    fs::write(folder.path().join("d.npy"), "no array").unwrap();
    assert!(refusal(folder.path(), &series).contains("d.npy`: this is no NumPy array"));
    let rest = opened(folder.path(), &DataOptions { skip_broken: true, ..series.clone() });
    assert!(rest.fingerprint() == data.fingerprint() && rest.notes().iter().any(|note| note.starts_with("left out: ")));
    fs::write(folder.path().join("d.npy"), npy("'<f4'", "False", "(2, 2)", &floats([1.0, 2.0, f32::NAN, 4.0])))
        .unwrap();
    assert!(refusal(folder.path(), &series).contains("d.npy`: the value at [1, 0] is NaN"));
    save("d.npy", 400_000, 2, 0.0);
    let said = refusal(folder.path(), &DataOptions { memory_mib: 1, ..series.clone() });
    assert!(said.contains("`data.memory_mib` is 1 |"), "{said}");
    // Two that go into memory each, and not together.
    for name in ["d.npy", "e.npy"] {
        save(name, 80_000, 2, 0.0);
    }
    let said = refusal(folder.path(), &DataOptions { memory_mib: 1, ..series.clone() });
    assert!(said.contains("the arrays need more than `data.memory_mib` gives, 1 MiB"), "{said}");
    // With pictures beside them they are a folder of pictures.
    fs::write(folder.path().join("a.png"), "").unwrap();
    assert!(refusal(folder.path(), &series).contains("a.png"));
}
