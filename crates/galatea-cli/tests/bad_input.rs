//! What the program does with data, settings and folders that are not what they should be: a message, a remedy, exit
//! code 1 or 2, and nothing half-written.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{Cursor, Write};

use common::{Folder, TINY, text};
use image::{DynamicImage, ImageFormat, RgbImage};

/// A picture of noise, so that no format makes it small.
fn picture(side: u32, format: ImageFormat) -> Vec<u8> {
    let mut state = 7u32;
    let noise = RgbImage::from_fn(side, side, |_, _| {
        image::Rgb(std::array::from_fn(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        }))
    });
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(noise).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn cut(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn idx(magic: [u8; 4], sizes: &[u32], bytes: usize) -> Vec<u8> {
    let sizes = sizes.iter().flat_map(|size| size.to_be_bytes());
    magic.into_iter().chain(sizes).chain((0..bytes).map(|i| (i * 7 % 251) as u8)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn npy(dtype: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

/// Trains on `source`, which is refused with these words, a hint and this exit code.
fn refused(folder: &Folder, source: &str, code: i32, words: &str) {
    let said = folder.refused(&[&["train", "--steps", "2", "--data", source], TINY].concat());
    assert!(said.starts_with(&format!("exit code {code}\nerror: ")), "{source}: {said}");
    assert!(said.contains(words), "{source} should be told `{words}`: {said}");
    assert!(said.contains("\n hint: "), "{source}: {said}");
    assert!(!folder.path("runs").exists(), "{source}: something half-written is left");
}

#[test]
fn pictures_that_are_none() {
    let folder = Folder::new();
    // In the name of a folder and of a file in it, among good pictures.
    let add = |name: &str, bytes: &[u8]| {
        let path = folder.path(name);
        let parent = path.parent().unwrap();
        fs::create_dir_all(parent).unwrap();
        fs::write(parent.join("good.png"), picture(16, ImageFormat::Png)).unwrap();
        fs::write(&path, bytes).unwrap();
    };
    refused(&folder, "nowhere", 2, "there is no data set, file or folder `nowhere`");
    fs::create_dir(folder.path("empty")).unwrap();
    refused(&folder, "empty", 1, "`empty`: the folder is empty");
    for (name, bytes, words) in [
        ("text/x.png", b"Dear reader".to_vec(), "text/x.png`: this is text, not a picture"),
        ("nothing/x.jpg", Vec::new(), "nothing/x.jpg`: the file is empty"),
        ("png/x.png", cut(picture(90, ImageFormat::Png)), "png/x.png`: the picture is cut short"),
        ("jpeg/x.jpg", cut(picture(90, ImageFormat::Jpeg)), "jpeg/x.jpg`: the picture is cut short"),
        ("pixel/x.png", picture(1, ImageFormat::Png), "pixel/x.png`: the picture has only 1x1 pixels"),
        ("huge/x.ppm", b"P6 20000 20000 255\n".to_vec(), "huge/x.ppm`: the picture is too large: 20000x20000"),
    ] {
        add(name, &bytes);
        let source = name.split('/').next().unwrap();
        refused(&folder, source, 1, words);
        // Without it, the rest can be learnt.
        let rest = folder.good(&["data", "show", source, "--set", "data.skip_broken=true"]);
        assert!(rest.starts_with(&format!("{source}: 1 examples, ")), "{rest}");
    }
}

#[test]
#[cfg(unix)]
fn what_cannot_be_reached() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let folder = Folder::new();
    symlink("nowhere", folder.path("link")).unwrap();
    refused(&folder, "link", 1, "`link`: this is a link to something that is not there");
    fs::create_dir(folder.path("links")).unwrap();
    symlink("nowhere", folder.path("links/x.png")).unwrap();
    refused(&folder, "links", 1, "`links/x.png`: the file has gone, or it is a link to something that is not there");
    fs::write(folder.path("file"), "x").unwrap();
    let said = folder.refused(&["train", "--runs", "file/runs"]);
    assert!(said.contains("cannot create `file/runs`") && said.contains("a folder is needed"), "{said}");

    fs::create_dir(folder.path("closed")).unwrap();
    fs::set_permissions(folder.path("closed"), fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may read and write everything.
    if fs::read_dir(folder.path("closed")).is_err() {
        refused(&folder, "closed", 1, "cannot list `closed/`: ");
        let said = folder.refused(&["train", "--runs", "closed/runs"]);
        assert!(said.contains("cannot create `closed/runs`") && said.contains("that you may write to"), "{said}");
    }
    fs::set_permissions(folder.path("closed"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn arrays_that_are_not_right() {
    let folder = Folder::new();
    let good = idx([0, 0, 8, 3], &[60, 8, 8], 3_840);
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    for (name, bytes, words) in [
        ("magic-images-idx3-ubyte", idx([0x89, b'P', b'N', b'G'], &[60, 8, 8], 3_840), "this is no IDX file"),
        ("types-images-idx3-ubyte", idx([0, 0, 13, 3], &[60, 8, 8], 3_840), "elements of type 0x0d, not bytes"),
        ("lying-images-idx3-ubyte", idx([0, 0, 8, 3], &[4_000_000_000, 8, 8], 99), "more than a file of"),
        ("packed-images-idx3-ubyte.gz", gzip(&idx([0, 0, 8, 3], &[u32::MAX; 3], 99)), "more than a file of"),
        ("short-images-idx3-ubyte.gz", cut(gzip(&good)), "the file is truncated"),
        ("objects.npy", npy("|O", "(10, 28, 28)", b"\x80\x04pickled"), "the array holds Python objects"),
        ("nan.npy", npy("<f4", "(1, 8, 8)", &floats(&[f32::NAN; 64])), "the value at [0, 0, 0] is NaN"),
        ("shape.npy", npy("<f4", "(1, 128)", &floats(&[0.5; 128])), "[1, 128] is not a set of pictures"),
        ("long.npy", npy("<f4", "(9999999, 999, 999)", &[0; 64]), "more than a file of"),
        ("text.npz", b"hello".to_vec(), "this is no readable zip archive"),
    ] {
        fs::write(folder.path(name), bytes).unwrap();
        refused(&folder, name, 1, words);
    }
    refused(&folder, "missing.npy", 1, "cannot read `missing.npy`");
    fs::write(folder.path("a-images-idx3-ubyte"), &good).unwrap();
    fs::write(folder.path("a-labels-idx1-ubyte"), idx([0, 0, 8, 1], &[59], 59)).unwrap();
    refused(&folder, "a-images-idx3-ubyte", 1, "59 labels for 60 images");
}

#[test]
fn settings_that_cannot_be() {
    let folder = Folder::new();
    // As `--set`, and as a file: table, key and value; what is said.
    for (table, key, value, words) in [
        ("model", "bach", "3", "there is no setting `bach`"),
        ("train", "stps", "3", "there is no setting `train.stps`"),
        ("data", "sise", "3", "there is no setting `data.sise`"),
        ("eval", "smples", "3", "there is no setting `eval.smples`"),
        ("model", "batch", "'many'", "`batch` cannot be `many`"),
        ("model", "batch", "-1", "`batch` cannot be `-1`"),
        ("model", "batch", "0", "`batch` is 0, out of range"),
        ("model", "beta_1", "nan", "`beta_1` is NaN, out of range"),
        (
            "model",
            "conditional",
            "true",
            "`conditional` cannot be `true`: unknown variant `true`, expected one of `auto`",
        ),
        ("model", "loss", "'hing'", "there is no loss `hing`"),
        ("train", "steps", "1.5", "`train.steps` cannot be `1.5`"),
        ("train", "minutes", "-3.0", "`train.minutes` is -3"),
        ("data", "holdout", "0.9", "`data.holdout` is 0.9, out of range"),
        ("data", "size", "5", "`data.size` cannot be `5`"),
        (
            "data",
            "channels",
            "2",
            "`data.channels` cannot be `2`: unknown variant `2`, expected one of `auto`, `1`, `3`",
        ),
        ("data", "classes", "'x'", "there is no class `x`"),
    ] {
        let setting = format!("{table}.{key}={value}");
        fs::write(folder.path("a.toml"), format!("[{table}]\n{key} = {value}\n")).unwrap();
        for (arguments, place) in [(["--set", &setting], ""), (["--config", "a.toml"], "`a.toml`: ")] {
            let said = folder.refused(&[&["train"], &arguments[..]].concat());
            let expected = format!("exit code 2\nerror: {place}{words}");
            assert!(said.starts_with(&expected), "{expected} | {said}");
            assert!(said.contains("\n hint: "), "{said}");
        }
    }
    for arguments in [["--steps", "0"], ["--steps", "-5"], ["--minutes", "0"], ["--seed", "-1"], ["--threads", "0"]] {
        let said = folder.refused(&[&["train"], &arguments[..]].concat());
        assert!(said.starts_with("exit code 2\nerror: ") && said.contains(arguments[1]), "{said}");
    }
    assert!(!folder.path("runs").exists(), "something half-written is left");
}

#[test]
fn downloads_without_a_network() {
    let folder = Folder::new();
    // Nobody listens at port 1.
    let said = folder.refused(&["data", "get", "mnist", "--mirror", "http://127.0.0.1:1/"]);
    assert!(said.starts_with("exit code 1\nerror: `train-images-idx3-ubyte.gz` of `mnist` cannot be down"), "{said}");
    assert!(said.contains("by other means and put them into `[folder]/downloads/mnist`"), "{said}");
    let said = folder.refused(&["train", "--data", "mnist"]);
    assert!(said.contains("hint: run `galatea data get mnist`"), "{said}");
    let list = folder.good(&["data", "list"]);
    assert!(list.contains("galatea data get kmnist") && list.contains("digits"), "{list}");
}

#[test]
fn samples_that_cannot_be_had() {
    let folder = Folder::new();
    folder.train(&["--quiet"]);
    for (arguments, words) in [
        (&["-o", "x.jpg"][..], "samples cannot be written as `.jpg`"),
        (&["-o", "none/x.png"], "cannot write `none/x.png`"),
        (&["--class", "11"], "there is no class 11"),
        (&["--class", "dog"], "there is no class `dog`"),
        (&["--truncation", "0"], "the truncation 0 is out of range"),
        (&["--truncation", "-1"], "the truncation -1 is out of range"),
        (&["-n", "10000000", "-o", "x.npy"], "10000000 pictures in one file need 29907 MiB of memory"),
    ] {
        let said = folder.refused(&[&["sample", "last"], arguments].concat());
        assert!(said.contains(words) && said.contains("hint: "), "{said}");
    }
    fs::write(folder.path("a.safetensors"), "hello").unwrap();
    assert!(folder.refused(&["sample", "a.safetensors"]).contains("`a.safetensors`: "));
    let left: Vec<_> = fs::read_dir(folder.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "something half-written is left: {left:?}");
}

/// What is read by nobody is no reason to fail, nor to end the training.
#[test]
#[cfg(unix)]
fn readers_that_go_away() {
    let folder = Folder::new();
    for (redirection, arguments) in [("|", "--json"), ("2>&1 >/dev/null |", "")] {
        let train = format!("train --steps 10 {} train.log_every=1 {arguments}", TINY.join(" "));
        let script =
            format!("\"$0\" {train} {redirection} head -n 1; test $? = 0 && ls runs/*/checkpoints/step-000010");
        let output = std::process::Command::new("bash")
            .args(["-c", &format!("set -o pipefail; {script}"), env!("CARGO_BIN_EXE_galatea")])
            .current_dir(folder.path("."))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    }
    assert_eq!(
        fs::read_dir(folder.path("runs")).unwrap().filter(|run| run.as_ref().unwrap().path().is_dir()).count(),
        2
    );
}
