//! Points from data to samples: toy distributions and arrays of one's own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::Folder;
use galatea::formats::{Rows, read_rows};

/// A few steps of a small model.
const TINY: &[&str] = &[
    "--steps",
    "10",
    "--quiet",
    "--set",
    "hidden_g=[8]",
    "hidden_d=[8]",
    "batch=16",
    "data.limit=600",
    "eval.samples=60",
];

#[test]
fn a_model_of_points_is_trained_sampled_judged_and_exported() {
    let folder = Folder::new();
    let report = folder.good(&[&["train", "gan", "--data", "ring"], TINY].concat());
    for number in ["modes-covered-2500-3-deviations", "good-samples-", "mode-kl-", "frechet-60-points"] {
        assert!(report.contains(number), "{report}");
    }
    let run = folder.path("runs/0001-gan-ring");
    let picture = image::open(run.join("samples/step-000010.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (480, 480));
    // Only the preset of points says so.
    assert!(fs::read_to_string(run.join("config.toml")).unwrap().contains("preview = 1000"));

    folder.good(&["sample", "last", "-n", "70", "-o", "x.npy"]);
    let Rows::Single { width: 2, values } = read_rows(&folder.path("x.npy"), 1 << 20).unwrap() else { panic!("f32") };
    folder.good(&["sample", "last", "-n", "70", "-o", "x.csv"]);
    let table = fs::read_to_string(folder.path("x.csv")).unwrap();
    let numbers: Vec<f32> =
        table.lines().skip(1).flat_map(|line| line.split(',')).map(|x| x.parse().unwrap()).collect();
    assert_eq!((table.lines().next(), numbers), (Some("x1,x2"), values));
    folder.good(&["sample", "last", "-o", "x.png"]);
    folder.good(&["interpolate", "last", "-o", "walk.csv"]);
    folder.good(&["export", "last", "-o", "ring.safetensors"]);
    folder.good(&["sample", "ring.safetensors", "-n", "70", "-o", "y.npy"]);
    assert_eq!(fs::read(folder.path("x.npy")).unwrap(), fs::read(folder.path("y.npy")).unwrap());

    // Judged by themselves, which are no good samples; and one's own points are data, too.
    let judged = folder.good(&["eval", "--samples", "x.npy", "--against", "ring", "--set", "data.limit=600"]);
    assert!(judged.contains("modes-covered-70-3-deviations"), "{judged}");
    folder.good(&[&["train", "gan", "--data", "x.npy"], TINY].concat());
    folder.good(&["data", "show", "x.npy", "-o", "x.png"]);
}

#[test]
fn what_points_cannot_be_is_said() {
    let folder = Folder::new();
    let train = |arguments: &[&str]| folder.refused(&[&["train"], arguments].concat());
    for (said, words) in [
        (train(&["--data", "ring"]), "`dcgan` does not take points\n hint: it takes images; `gan` takes points"),
        (train(&["gan", "--data", "ring:9"]), "`ring:9`\n hint: write `ring`"),
        (train(&["gan", "--data", "rings"]), "`rings`\n hint: did you mean `ring`?"),
        (
            train(&["gan", "--data", "grid", "--set", "data.size=32"]),
            "`data.size` is for pictures, and `grid` holds points",
        ),
        (train(&["gan", "--data", "grid", "--set", "data.rotate=5"]), "`data.rotate` changes pictures"),
        (train(&["gan", "--data", "grid", "--set", "data.classes=3"]), "the data have no classes"),
        (train(&["gan", "--data", "grid", "--set", "conditional=yes"]), "`conditional=yes` needs data with classes"),
        (train(&["gan", "--data", "grid", "--set", "data.limit=0"]), "`data.limit` is 0"),
        (train(&["gan", "--data", "ring", "--set", "eval.features=digits-lenet"]), "read 28x28 grey images"),
        (train(&["--data", "stacked", "--set", "data.channels=1"]), "`data.channels` is 1"),
    ] {
        assert!(said.contains(words), "`{words}`: {said}");
    }
    assert!(!folder.path("runs").exists());
    let few = [&["train", "gan", "--data", "grid", "--set", "data.limit=3"], &TINY[..6]].concat();
    let output = folder.run(&few);
    let said = common::text(&output.stderr);
    assert!(
        output.status.success() && said.contains("only 3 examples") && said.contains("will not be judged"),
        "{said}"
    );
    for (arguments, words) in [
        (["-o", "x.gif"], "there is no writing points as `.gif`"),
        (["-o", "folder/"], "there is no writing points as a folder of files"),
        (["-o", "x.txt"], "there is no writing such samples as `.txt`"),
        (["--class", "1"], "without classes"),
    ] {
        let said = folder.refused(&[&["sample", "last"], &arguments[..]].concat());
        assert!(said.contains(words) && said.contains("hint: "), "`{words}`: {said}");
    }
}
