//! Folders of pictures.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use galatea_data::{Channels, DataOptions, Dataset, Fit, HostBatch};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use proptest::prelude::*;

use crate::{opened, refusal};

fn options() -> DataOptions {
    DataOptions::default()
}

/// A picture in which every pixel is another.
fn pattern(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 11 % 256) as u8, (y * 7 % 256) as u8, ((x + y) * 3 % 256) as u8]))
}

/// A smooth picture, which lossy formats keep.
fn smooth(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| Rgb([(x * 200 / width) as u8, (y * 200 / height) as u8, 90]))
}

fn save(picture: impl Into<DynamicImage>, folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.into().save(&path).unwrap();
    path
}

fn batch(data: &Arc<dyn Dataset>, index: usize) -> HostBatch {
    data.batch(&[index]).unwrap()
}

/// The pixel at (x, y) of picture `index`, as bytes.
fn pixel(data: &Arc<dyn Dataset>, index: usize, x: usize, y: usize) -> Vec<u8> {
    let batch = batch(data, index);
    let [_, channels, height, width] = batch.values.shape[..] else { panic!() };
    (0..channels)
        .map(|channel| galatea_data::write::byte(batch.values.values[(channel * height + y) * width + x]))
        .collect()
}

#[test]
fn every_format_and_mode_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let colour = DynamicImage::from(smooth(32, 32));
    for name in ["a.png", "b.jpg", "c.webp", "d.gif", "e.bmp", "f.ppm", "g.JPEG", "h.pnm"] {
        let format = ImageFormat::from_path(name).unwrap();
        let file = fs::File::create(root.join(name)).unwrap();
        colour.write_to(&mut std::io::BufWriter::new(file), format).unwrap();
    }
    save(colour.to_rgb16(), root, "deep/i.png");
    save(colour.to_rgba8(), root, "deep/j.png");
    save(colour.to_rgba16(), root, "deep/er/k.png");
    save(colour.to_luma8(), root, "l.pgm");
    save(colour.to_luma16(), root, "m.png");
    save(colour.to_luma_alpha8(), root, "n.png");
    fs::write(root.join("notes.txt"), "not a picture").unwrap();
    fs::write(root.join(".hidden.png"), "not a picture").unwrap();
    let data = opened(root, &options());
    assert_eq!((data.len(), data.spec().shape()), (14, vec![3, 32, 32]));
    assert!(data.notes().iter().any(|note| note.starts_with("1 file")), "{:?}", data.notes());
    // Sorted by path: a to h, deep/er/k, deep/i, deep/j, l, m, n are 14 pictures of the same thing.
    let near = |i: usize, expected: [u8; 3], off: u8| {
        let found = pixel(&data, i, 20, 8);
        assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= off), "{i}: {found:?} {expected:?}");
    };
    let expected = smooth(32, 32).get_pixel(20, 8).0;
    let grey = colour.to_luma8().get_pixel(20, 8).0[0];
    (0..11).for_each(|i| near(i, expected, 12));
    (11..14).for_each(|i| near(i, [grey; 3], 1));
    assert_eq!(pixel(&data, 0, 20, 8), expected, "PNG is exact");
}

#[test]
fn grey_and_colour_are_told_apart_by_what_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..3 {
        save(DynamicImage::from(pattern(16, 16)).to_luma8(), folder.path(), &format!("{i}.png"));
    }
    assert_eq!(opened(folder.path(), &options()).spec().shape(), [1, 16, 16]);
    // Grey, but stored as RGB.
    save(DynamicImage::from(DynamicImage::from(pattern(16, 16)).to_luma8()).to_rgb8(), folder.path(), "3.png");
    let data = opened(folder.path(), &options());
    assert_eq!(data.spec().shape(), [1, 16, 16]);
    assert!(data.notes()[0].contains("stored as RGB but grey"), "{:?}", data.notes());
    let forced = DataOptions { channels: Channels::Rgb, ..options() };
    assert_eq!(opened(folder.path(), &forced).spec().shape(), [3, 16, 16]);
    save(pattern(16, 16), folder.path(), "4.png");
    assert_eq!(opened(folder.path(), &options()).spec().shape(), [3, 16, 16]);
    let forced = DataOptions { channels: Channels::Grey, ..options() };
    assert_eq!(opened(folder.path(), &forced).spec().shape(), [1, 16, 16]);
}

#[test]
fn transparency_shows_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let half = |x: u32, _| Rgba(if x < 8 { [200, 0, 0, 0] } else { [200, 0, 0, 128] });
    save(RgbaImage::from_fn(16, 16, half), folder.path(), "a.png");
    let white = opened(folder.path(), &options());
    assert_eq!((pixel(&white, 0, 2, 2), pixel(&white, 0, 12, 2)), (vec![255; 3], vec![227, 127, 127]));
    let blue = DataOptions { background: "#0000ff".into(), ..options() };
    let blue = opened(folder.path(), &blue);
    assert_eq!((pixel(&blue, 0, 2, 2), pixel(&blue, 0, 12, 2)), (vec![0, 0, 255], vec![100, 0, 127]));
}

#[test]
fn exif_orientation_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let path = save(smooth(48, 32), folder.path(), "a.jpg");
    // After the start marker: an EXIF segment with one entry, orientation 6 (turn right by 90 degrees).
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let jpeg = fs::read(&path).unwrap();
    fs::write(&path, [&jpeg[..2], exif, &jpeg[2..]].concat()).unwrap();
    let data = opened(folder.path(), &options());
    assert_eq!(data.spec().shape(), [3, 48, 32]);
    // The former left edge, dark in red, is on top now, and its lower end, light in green, on the left.
    let (top_left, bottom_right) = (pixel(&data, 0, 1, 1), pixel(&data, 0, 30, 46));
    assert!(top_left[0] < 30 && top_left[1] > 170, "{top_left:?}");
    assert!(bottom_right[0] > 170 && bottom_right[1] < 30, "{bottom_right:?}");
}

#[test]
fn sub_folders_are_classes_if_all_pictures_are_in_one() {
    let folder = tempfile::tempdir().unwrap();
    for (name, count) in [("s10", 12), ("s2/a/b", 10), ("s1", 11)] {
        for i in 0..count {
            save(smooth(16, 16), folder.path(), &format!("{name}/{i}.png"));
        }
    }
    let data = opened(folder.path(), &options());
    assert_eq!(data.spec().classes(), ["s1", "s2", "s10"]);
    let labels = (0..data.len()).map(|i| data.label(i).unwrap()).collect::<Vec<_>>();
    assert_eq!([0, 1, 2].map(|class| labels.iter().filter(|label| **label == class).count()), [11, 10, 12]);
    assert_eq!(data.batch(&[32, 0]).unwrap().labels.unwrap(), [labels[32], labels[0]]);

    let some = opened(folder.path(), &DataOptions { classes: "s10,s1".into(), ..options() });
    assert_eq!((some.len(), some.spec().classes().join(" ")), (23, "s10 s1".into()));
    let text = refusal(folder.path(), &DataOptions { classes: "s3".into(), ..options() });
    assert!(text.contains("there is no class `s3` | did you mean `s1`?"), "{text}");

    save(smooth(16, 16), folder.path(), "loose.png");
    let data = opened(folder.path(), &options());
    assert!(data.spec().classes().is_empty() && data.label(0).is_none());
    let text = refusal(folder.path(), &DataOptions { classes: "s1".into(), ..options() });
    assert!(text.contains("the data have no classes"), "{text}");
}

#[test]
fn sizes_are_kept_or_brought_to_one() {
    let folder = tempfile::tempdir().unwrap();
    save(smooth(40, 24), folder.path(), "a.png");
    save(smooth(40, 24), folder.path(), "b.png");
    let data = opened(folder.path(), &options());
    assert_eq!((data.spec().shape(), data.notes()), (vec![3, 24, 40], vec![]));
    save(smooth(20, 30), folder.path(), "c.png");
    let data = opened(folder.path(), &options());
    assert_eq!(data.spec().shape(), [3, 64, 64]);
    assert!(data.notes()[0].starts_with("the pictures are 20x24 to 40x30: resized to 64x64"), "{:?}", data.notes());
    let data = opened(folder.path(), &DataOptions { size: "10x12".into(), ..options() });
    assert_eq!(data.spec().shape(), [3, 12, 10]);
}

#[test]
fn large_pictures_are_made_small() {
    let folder = tempfile::tempdir().unwrap();
    save(smooth(900, 900), folder.path(), "a.png");
    let data = opened(folder.path(), &options());
    assert_eq!(data.spec().shape(), [3, 64, 64]);
    for (x, y) in [(0, 0), (32, 32), (63, 10)] {
        let expected = [(x * 200 + 100) / 64, (y * 200 + 100) / 64, 90];
        let found = pixel(&data, 0, x, y);
        assert!(found.iter().zip(expected).all(|(a, b)| a.abs_diff(b as u8) <= 3), "{found:?} {expected:?}");
    }
}

#[test]
fn fit_decides_what_becomes_of_another_shape() {
    let folder = tempfile::tempdir().unwrap();
    // Three thirds: red, green, blue.
    let thirds = |x: u32, _| Rgb([[255, 0, 0], [0, 255, 0], [0, 0, 255]][(x / 16) as usize]);
    save(RgbImage::from_fn(48, 16, thirds), folder.path(), "a.png");
    let with = |fit| {
        let wanted = DataOptions { size: "24".into(), fit, background: "black".into(), ..options() };
        opened(folder.path(), &wanted)
    };
    let (red, green, blue) = (vec![255, 0, 0], vec![0, 255, 0], vec![0, 0, 255]);
    let cover = with(Fit::Cover);
    assert_eq!((pixel(&cover, 0, 2, 12), pixel(&cover, 0, 22, 12)), (green.clone(), green.clone()));
    let contain = with(Fit::Contain);
    assert_eq!((pixel(&contain, 0, 2, 12), pixel(&contain, 0, 21, 12)), (red.clone(), blue.clone()));
    assert_eq!((pixel(&contain, 0, 12, 7), pixel(&contain, 0, 12, 16)), (vec![0; 3], vec![0; 3]));
    let stretch = with(Fit::Stretch);
    assert_eq!((pixel(&stretch, 0, 2, 1), pixel(&stretch, 0, 21, 22)), (red, blue));
    assert_eq!(pixel(&stretch, 0, 12, 12), green);
}

#[test]
fn what_is_too_much_for_memory_is_decoded_for_every_batch() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..30 {
        save(pattern(128 + i % 2, 128), folder.path(), &format!("{}/{i:02}.png", ["a", "b"][i as usize % 2]));
    }
    let kept = opened(folder.path(), &DataOptions { size: "128".into(), ..options() });
    let streamed = opened(folder.path(), &DataOptions { size: "128".into(), memory_mib: 1, ..options() });
    assert!(kept.notes().is_empty() && streamed.notes()[0].contains("decoded for every batch"));
    assert_eq!((kept.spec(), kept.len(), kept.name()), (streamed.spec(), streamed.len(), streamed.name()));
    assert_eq!(kept.batch(&[29, 3, 3, 0]).unwrap(), streamed.batch(&[29, 3, 3, 0]).unwrap());
    assert_eq!(streamed.fingerprint().len(), 64);
    let again = opened(folder.path(), &DataOptions { size: "128".into(), memory_mib: 1, ..options() });
    assert_eq!(streamed.fingerprint(), again.fingerprint());
    assert!(streamed.warnings()[0].starts_with("only 30 examples"));
    fs::remove_file(folder.path().join("a/00.png")).unwrap();
    let error = streamed.batch(&[0]).unwrap_err();
    assert!(error.to_string().contains("00.png"), "{error}");
}

#[test]
fn the_user_is_told_of_copies_constants_and_small_sets() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..60 {
        save(pattern(16 + i % 20, 16), folder.path(), &format!("{i:02}.png"));
    }
    for i in 60..63 {
        save(RgbImage::from_pixel(16, 16, Rgb([3, 4, 5])), folder.path(), &format!("{i}.png"));
    }
    let warnings = opened(folder.path(), &DataOptions { size: "32".into(), fit: Fit::Stretch, ..options() }).warnings();
    assert_eq!(
        warnings,
        [
            "40 of 63 pictures are exact copies, such as `20.png` of `00.png`",
            "3 of 63 pictures have one colour only, such as `60.png`"
        ]
    );
    let few = opened(folder.path(), &DataOptions { limit: Some(10), ..options() });
    assert_eq!(few.len(), 10);
    assert!(few.warnings()[0].starts_with("only 10 examples"));
}

#[test]
fn classes_that_are_small_or_unlike_are_told() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..150 {
        save(
            smooth(8 + i % 30, 8 + i / 30),
            folder.path(),
            &format!("{}/{i}.png", if i < 140 { "many" } else { "few" }),
        );
    }
    let small = DataOptions { size: "8".into(), ..options() };
    assert_eq!(
        opened(folder.path(), &small).warnings()[0],
        "the classes are of very different size: `few` has 10 examples, `many` has 140"
    );
    fs::remove_file(folder.path().join("few/149.png")).unwrap();
    assert_eq!(opened(folder.path(), &small).warnings()[0], "1 of 2 classes have fewer than 10 examples: `few` has 9");
}

#[test]
#[cfg(unix)]
fn links_may_go_round() {
    let folder = tempfile::tempdir().unwrap();
    save(smooth(16, 16), folder.path(), "a/1.png");
    save(smooth(16, 16), folder.path(), "b/2.png");
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/up")).unwrap();
    std::os::unix::fs::symlink(folder.path().join("b"), folder.path().join("b/self")).unwrap();
    let data = opened(folder.path(), &options());
    assert_eq!((data.len(), data.spec().classes().join(" ")), (2, "a b".into()));
}

#[test]
fn a_missing_or_empty_folder() {
    let folder = tempfile::tempdir().unwrap();
    let text = refusal(&folder.path().join("nothing"), &options());
    assert!(text.contains("there is no data set, file or folder `") && text.contains("| check the spelling"), "{text}");
    let text = refusal(folder.path(), &options());
    assert!(text.contains("the folder is empty | put PNG, JPEG, WebP, GIF, BMP or PNM files into it"), "{text}");
    fs::write(folder.path().join("a.tiff"), "").unwrap();
    let text = refusal(folder.path(), &options());
    assert!(text.contains("there is no picture among its 1 files"), "{text}");
}

#[test]
#[cfg(unix)]
fn an_unreadable_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&closed).is_ok() {
        return; // The superuser may read everything.
    }
    for within in ["", "a.png", "a.npy"] {
        let text = refusal(&closed.join(within), &options());
        assert!(text.starts_with("cannot ") && text.contains("check the permissions"), "{text}");
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}

/// What is said of a folder in which, among good pictures, there is this file; and that it can be left out.
fn bad_file(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..3 {
        save(smooth(16, 16), folder.path(), &format!("{i}.png"));
    }
    fs::write(folder.path().join(name), bytes).unwrap();
    let without = opened(folder.path(), &DataOptions { skip_broken: true, ..options() });
    assert_eq!(without.len(), 3, "{name} of {} bytes is taken for good", bytes.len());
    let warning = without.warnings().into_iter().find(|warning| warning.contains(name)).unwrap();
    assert!(warning.starts_with("1 file was left out"), "{warning}");
    let text = refusal(folder.path(), &options());
    assert!(text.contains(&format!("/{name}`: ")) && text.contains(" | "), "{text}");
    text
}

#[test]
#[cfg(unix)]
fn links_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    save(smooth(16, 16), folder.path(), "a/1.png");
    std::os::unix::fs::symlink(folder.path().join("none"), folder.path().join("a/2.png")).unwrap();
    let text = refusal(&folder.path().join("a"), &options());
    assert!(text.contains("/2.png`: the file has gone, or it is a link to something that is not there |"), "{text}");
    assert!(text.contains("data.skip_broken=true"), "{text}");
    assert_eq!(opened(&folder.path().join("a"), &DataOptions { skip_broken: true, ..options() }).len(), 1);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("none"), &link).unwrap();
    let text = refusal(&link, &options());
    assert!(text.contains("/link`: this is a link to something that is not there | mend the link"), "{text}");
}

#[test]
fn large_pictures_are_decoded_one_at_a_time() {
    // Each is over the limit from which on pictures wait for each other, and none may wait for ever.
    let folder = tempfile::tempdir().unwrap();
    for i in 0..3 {
        fs::write(
            folder.path().join(format!("{i}.pgm")),
            [b"P5 6000 6000 255\n", vec![i; 36_000_000].as_slice()].concat(),
        )
        .unwrap();
    }
    let data = opened(folder.path(), &DataOptions { size: "8".into(), ..options() });
    assert_eq!((0..3).map(|i| pixel(&data, i, 4, 4)[0]).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn a_text_file_named_png() {
    let text = bad_file("x.png", b"Dear reader,\nthis is no picture");
    assert!(text.contains("this is text, not a picture: it begins with `Dear reader,"), "{text}");
    assert!(bad_file("x.png", b"").contains("the file is empty"));
    assert!(bad_file("x.png", &[0, 1, 2, 3, 200, 201]).contains("this is not a picture of a known format"));
}

#[test]
fn truncated_files_of_every_format() {
    for name in ["x.png", "x.jpg", "x.webp", "x.gif", "x.bmp", "x.ppm"] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::from(pattern(90, 60)).write_to(&mut bytes, ImageFormat::from_path(name).unwrap()).unwrap();
        let bytes = bytes.into_inner();
        for length in [bytes.len() / 2, bytes.len() * 9 / 10] {
            let text = bad_file(name, &bytes[..length]);
            // A decoder of WebP does not know why its data end.
            let said = if name == "x.webp" { "cannot be decoded" } else { "cut short" };
            assert!(text.contains(said) && text.contains("data.skip_broken=true"), "{text}");
        }
        bad_file(name, &bytes[..20]);
    }
}

#[test]
fn a_tiny_picture() {
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::from(RgbImage::from_pixel(1, 1, Rgb([9, 8, 7]))).write_to(&mut bytes, ImageFormat::Png).unwrap();
    let text = bad_file("x.png", bytes.get_ref());
    assert!(
        text.contains("the picture has only 1x1 pixels | remove the file") && text.contains("`data.size`"),
        "{text}"
    );
    // Asked for by name, it is enlarged, and seen to be of one colour.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.png"), bytes.get_ref()).unwrap();
    let data = opened(folder.path(), &DataOptions { size: "16".into(), ..options() });
    assert_eq!(data.spec().shape(), [3, 16, 16]);
    assert!(data.warnings()[1].contains("one colour only"), "{:?}", data.warnings());
}

#[test]
fn a_huge_picture_is_refused_before_it_takes_memory() {
    // 20,000 x 20,000 RGB pixels of black: 1.2 GB in some 1.2 MB.
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        bytes.extend((data.len() as u32).to_be_bytes());
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        bytes.extend([kind, data].concat());
        bytes.extend(crc.sum().to_be_bytes());
    };
    let header = [20_000u32.to_be_bytes(), 20_000u32.to_be_bytes()].concat();
    chunk(b"IHDR", &[&header[..], &[8, 2, 0, 0, 0]].concat());
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    (0..20_000).for_each(|_| std::io::Write::write_all(&mut packer, &[0; 60_001]).unwrap());
    chunk(b"IDAT", &packer.finish().unwrap());
    chunk(b"IEND", &[]);
    let text = bad_file("x.png", &bytes);
    assert!(text.contains("the picture is too large") && text.contains("16384 pixels"), "{text}");
    // The same in a format whose decoder has no limits of its own.
    let text = bad_file("x.ppm", b"P6 20000 20000 255\n");
    assert!(text.contains("the picture is too large: 20000x20000 pixels"), "{text}");
    let text = bad_file("x.pgm", b"P5 16000 16000 65535\n");
    assert!(text.contains("the picture is cut short") || text.contains("too large"), "{text}");
}

#[test]
fn a_folder_of_nothing_good() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.png"), "text").unwrap();
    let text = refusal(folder.path(), &DataOptions { skip_broken: true, ..options() });
    assert!(text.contains("none of its 1 pictures can be read | the first says: `"), "{text}");
}

proptest! {
    #[test]
    fn no_damage_makes_a_decoder_panic(
        name in prop::sample::select(&["x.png", "x.jpg", "x.webp", "x.gif", "x.bmp", "x.ppm"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        early: bool,
    ) {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::from(smooth(24, 20)).write_to(&mut bytes, ImageFormat::from_path(name).unwrap()).unwrap();
        let mut bytes = bytes.into_inner();
        // Headers are a small part of the bytes and most of what can go wrong.
        let range = if early { bytes.len().min(64) } else { bytes.len() };
        damage.iter().for_each(|(at, value)| bytes[at.index(range)] = *value);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        let _ = galatea_data::open(folder.path().to_str().unwrap(), &options());
    }
}
