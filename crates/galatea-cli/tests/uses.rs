//! What a trained model is used for: `reconstruct`, `interpolate` between one's own pictures, `detect`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{Folder, text};
use galatea::registry;
use image::{GenericImageView, GrayImage, Luma};
use serde_json::Value;

/// Pictures of a light bar on a dark ground, somewhere, always upright: what is normal here.
fn bar(seed: u32) -> GrayImage {
    let (left, light) = (3 + seed % 7, 150 + (seed * 37 % 80) as u8);
    GrayImage::from_fn(16, 16, |x, y| {
        let inside = (left..left + 4).contains(&x) && (2..14).contains(&y);
        Luma([if inside { light } else { 20 + ((x * 7 + y * 13 + seed) % 9) as u8 }])
    })
}

fn factory() -> Folder {
    let folder = Folder::new();
    for name in ["good", "new"] {
        std::fs::create_dir(folder.path(name)).unwrap();
    }
    for i in 0..400 {
        bar(i * 31 + i / 7).save(folder.path(&format!("good/{i:03}.png"))).unwrap();
    }
    for i in 0..10 {
        bar(i * 17 + 3).save(folder.path(&format!("new/fine-{i}.png"))).unwrap();
    }
    let lying = image::imageops::rotate90(&bar(5));
    lying.save(folder.path("new/lying.png")).unwrap();
    let mut scratched = bar(9);
    (0..16).for_each(|i| scratched.put_pixel(i, i, Luma([255])));
    scratched.save(folder.path("new/scratched.png")).unwrap();
    folder.good(&[
        "train",
        "--for",
        "detect",
        "--data",
        "good",
        "--name",
        "bars",
        "--steps",
        "300",
        "--quiet",
        "--set",
        "batch=32",
        "latent=4",
        "hidden=[64]",
        "network=dense",
        "eval.samples=0",
        "monitor=off",
        "train.sample_every=0",
    ]);
    folder
}

fn json(output: &str) -> Vec<Value> {
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn odd_parts_are_found_given_back_and_walked_between() {
    let folder = factory();

    // What is odd is flagged, and what is fine is not.
    let said = folder.good(&["detect", "1", "new", "-o", "odd", "--false-alarms", "0.02"]);
    let flagged: Vec<&str> = said.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert!(flagged.iter().any(|name| name.ends_with("lying.png")), "{said}");
    assert!(flagged.iter().any(|name| name.ends_with("scratched.png")), "{said}");
    assert!(flagged.iter().filter(|name| name.contains("fine")).count() <= 1, "{said}");
    let table = std::fs::read_to_string(folder.path("odd/scores.csv")).unwrap();
    assert_eq!(table.lines().count(), 13);
    assert!(table.starts_with("input,score,p_value,flagged\n"));
    let files = |name: &str| std::fs::read_dir(folder.path(name)).unwrap().count();
    assert_eq!((files("odd/flagged"), files("odd/maps")), (flagged.len(), flagged.len()));
    let map = std::fs::read_dir(folder.path("odd/maps")).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        path.to_string_lossy().contains("scratched").then(|| image::open(path).unwrap())
    });
    // The picture, and beside it the same: red on the scratch, where there is none on the bar it is as it was.
    let map = map.unwrap();
    assert_eq!(map.dimensions(), (2 + 18 + 18, 20));
    let redness = |x: u32, y: u32| {
        let [r, g, ..] = map.get_pixel(2 + 18 + x, 2 + y).0;
        i32::from(r) - i32::from(g)
    };
    let on: i32 = (0..16).map(|i| redness(i, i)).sum();
    let off: i32 = (0..16).map(|i| redness(i, (i + 8) % 16)).sum();
    assert!(on > 2 * off.max(100), "{on} on the scratch, {off} elsewhere");

    // One line for each; the same from the standard input, in another order and one by one; exit codes.
    let all = json(&folder.good(&["detect", "1", "new", "--false-alarms", "0.02", "--json"]));
    assert_eq!(all.len(), 12);
    let odd = folder.run(&["detect", "1", "new/lying.png", "--false-alarms", "0.02", "--fail", "--json"]);
    assert_eq!(odd.status.code(), Some(3));
    let score = |line: &Value| line["score"].as_f64().unwrap().to_bits();
    let same = all.iter().find(|line| line["input"].as_str().unwrap().ends_with("lying.png")).unwrap();
    assert_eq!(score(&json(&text(&odd.stdout))[0]), score(same));
    let mut child = folder
        .command(&["detect", "1", "-", "--false-alarms", "0.02", "--json", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let names = b"new/scratched.png\nnew/gone.png\n\nnew/\xff.png\r\nnew/fine-3.png\n";
    child.stdin.take().unwrap().write_all(names).unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = json(&text(&output.stdout));
    assert_eq!((lines.len(), output.status.code()), (4, Some(1)), "{lines:?}");
    assert!(lines[1]["error"].as_str().unwrap().contains("gone.png") && lines[2]["error"].is_string());
    for line in [&lines[0], &lines[3]] {
        assert_eq!(score(line), score(all.iter().find(|other| other["input"] == line["input"]).unwrap()));
    }
    for name in ["elbo", "reconstruction", "latent", "neighbours", "mean"] {
        let lines = json(&folder.good(&["detect", "1", "new", "--false-alarms", "0.02", "--score", name, "--json"]));
        assert!(
            lines.iter().all(|line| line["score"].is_f64()) && lines.iter().any(|line| score(line) != score(&lines[0]))
        );
    }

    // Given back: a picture is like itself; above it, and below what comes back.
    let lines = json(&folder.good(&["reconstruct", "1", "new", "-o", "back.png", "--json"]));
    let error = |name: &str| {
        let line = lines.iter().find(|line| line["input"].as_str().is_some_and(|input| input.ends_with(name)));
        line.unwrap()["mean_squared_error"].as_f64().unwrap()
    };
    assert!(error("fine-0.png") < 0.05 && error("lying.png") > 2.0 * error("fine-0.png"), "{lines:?}");
    assert_eq!(image::open(folder.path("back.png")).unwrap().dimensions(), (2 + 10 * 18, 2 + 4 * 18));
    folder.good(&["reconstruct", "1", "new", "-n", "3", "-o", "back/"]);
    assert_eq!(files("back"), 3);

    // A walk begins and ends where it should.
    folder.good(&[
        "interpolate",
        "1",
        "--between",
        "new/fine-0.png",
        "new/fine-4.png",
        "--frames",
        "4",
        "-o",
        "walk.npy",
    ]);
    folder.good(&["reconstruct", "1", "new/fine-0.png", "new/fine-4.png", "-o", "ends.png"]);
    let ends = image::open(folder.path("ends.png")).unwrap();
    let walk = std::fs::read(folder.path("walk.npy")).unwrap();
    let frames = &walk[walk.len() - 5 * 256..];
    let end = |column: u32, i: usize| ends.get_pixel(2 + 18 * column + i as u32 % 16, 2 + 18 + i as u32 / 16).0[0];
    for (column, first) in [(0, 0), (1, 4 * 256)] {
        assert!((0..256).all(|i| frames[first + i] == end(column, i)), "end {column}");
    }
    folder.good(&["interpolate", "1", "--seeds", "3", "8", "--frames", "3", "-o", "seeds.gif"]);
    assert!(std::fs::read(folder.path("seeds.gif")).unwrap().starts_with(b"GIF"));

    // Results of two runs are not mixed, and what the model has not seen is known of its own data alone.
    assert!(folder.refused(&["detect", "1", "new", "-o", "odd"]).contains("`odd` has something in it"));
    std::fs::remove_file(folder.path("good/007.png")).unwrap();
    let said = folder.refused(&["detect", "1", "new", "--false-alarms", "0.02"]);
    assert!(said.contains("no longer what this run was trained on"), "{said}");
    assert!(folder.refused(&["eval", "1"]).contains("no longer what this run was trained on"));
    folder.good(&["detect", "1", "new", "--false-alarms", "0.1", "--normal", "good", "--score", "elbo"]);
}

/// A picture of three numbers, so that there is something between any two.
fn shade(seed: u32) -> GrayImage {
    let number = |salt: u32| {
        f64::from((seed.wrapping_mul(2_654_435_761).wrapping_add(salt * 40_503) >> (5 * salt)) % 101) / 100.0
    };
    let (ground, upper, lower) = (10.0 + 90.0 * number(1), 130.0 + 60.0 * number(2), 150.0 + 90.0 * number(3));
    GrayImage::from_fn(16, 16, |x, y| {
        let inside = (6..10).contains(&x) && (2..14).contains(&y);
        Luma([if !inside {
            ground as u8
        } else if y < 8 {
            upper as u8
        } else {
            lower as u8
        }])
    })
}

#[test]
fn more_data_are_drawn_without_copies() {
    let folder = Folder::new();
    for (class, count) in [("upright", 120), ("lying", 120)] {
        std::fs::create_dir_all(folder.path(&format!("bars/{class}"))).unwrap();
        for i in 0..count {
            let upright = shade(i + if class == "lying" { 500 } else { 0 });
            let picture = if class == "lying" { image::imageops::rotate90(&upright) } else { upright };
            picture.save(folder.path(&format!("bars/{class}/{i}.png"))).unwrap();
        }
    }
    folder.good(&[
        "train",
        "vae",
        "--data",
        "bars",
        "--steps",
        "300",
        "--quiet",
        "--set",
        "latent=4",
        "hidden=[64]",
        "network=dense",
        "batch=32",
        "data.holdout=0.2",
        "eval.samples=0",
        "monitor=off",
        "likelihood=bernoulli",
    ]);
    let said = folder.good(&["augment", "1", "--per-class", "12", "-o", "more", "--seed", "4", "--json"]);
    let tallies = json(&said);
    assert_eq!(tallies.iter().map(|tally| tally["class"].as_str().unwrap()).collect::<Vec<_>>(), ["lying", "upright"]);
    let manifest = std::fs::read_to_string(folder.path("more/manifest.csv")).unwrap();
    let kept: u64 = tallies.iter().map(|tally| tally["kept"].as_u64().unwrap()).sum();
    assert!(kept > 0 && manifest.lines().count() as u64 == kept + 1, "{said}");
    // Each is what `sample` draws of that class and number, and of the class that its folder says.
    let line = manifest.lines().nth(1).unwrap();
    let fields: Vec<&str> = line.split(',').collect();
    assert!(fields[0].starts_with(&format!("{}/", fields[1])) && fields[2] == "4", "{line}");
    folder.good(&["sample", "1", "-n", "300", "--seed", "4", "--class", fields[1], "-o", "drawn/"]);
    let drawn = std::fs::read(folder.path(&format!("drawn/{:06}.png", fields[3].parse::<u64>().unwrap()))).unwrap();
    assert!(std::fs::read(folder.path(&format!("more/{}", fields[0]))).unwrap() == drawn);
    // It is data like any other.
    let shown = folder.run(&["data", "show", "more"]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    let few = folder.refused(&["augment", "1", "--per-class", "0", "-o", "x"]);
    assert!(few.starts_with("exit code 2"), "{few}");
}

/// Commands of the guide, as it has them.
fn commands(page: &str) -> Vec<Vec<String>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter_map(|line| line.strip_prefix("galatea "));
    lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn the_commands_of_the_guide_work() {
    for page in ["autoencoders.md", "detect.md", "augment.md", "latent-space.md", "encoder.md"] {
        let folder = Folder::new();
        for (name, count) in [("good", 150), ("new", 2)] {
            std::fs::create_dir(folder.path(name)).unwrap();
            (0..count).for_each(|i| bar(7 * i).save(folder.path(&format!("{name}/{i}.png"))).unwrap());
        }
        for (class, turn) in [("upright", false), ("lying", true)] {
            std::fs::create_dir_all(folder.path(&format!("bars/{class}"))).unwrap();
            for i in 0..60 {
                let picture = if turn { image::imageops::rotate90(&bar(i)) } else { bar(i) };
                picture.save(folder.path(&format!("bars/{class}/{i}.png"))).unwrap();
            }
        }
        let commands = commands(page);
        assert!(commands.len() > 2, "{page}");
        for command in commands {
            let mut arguments: Vec<&str> = command.iter().map(String::as_str).collect();
            if arguments[0] == "train" {
                arguments.extend(["--steps", "20", "--set", "width=4", "batch=16", "eval.samples=0"]);
                // Not every family has these.
                let keys = registry::family(&command[1]).map(|family| family.keys()).unwrap_or_default();
                let small = ["hidden=[16]", "latent=4", "prior_width=16", "width_d=4"];
                let is_known = |set: &&&str| keys.iter().any(|key| set.starts_with(&format!("{}=", key.name)));
                arguments.extend(small.iter().filter(is_known));
            }
            folder.good(&arguments);
        }
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = Folder::new();
    folder.train(&["--quiet"]);
    let mut said = String::new();
    for arguments in [
        &["reconstruct", "1", "ring"][..],
        &["reconstruct", "1", "nowhere"],
        &["reconstruct", "1", "digits", "-o", "x.gif"],
        &["reconstruct", "1", "digits", "--set", "data.limit=3"],
        &["interpolate", "1", "--between", "a.png", "b.png"],
        &["edit", "1"],
        &["edit", "1", "--directions", "9"],
        &["edit", "1", "--of", "1", "2", "--plus", "3"],
        &["edit", "1", "--directions", "1", "--truncation", "2"],
        &["interpolate", "1", "--truncation", "0"],
        &["interpolate", "1", "--seeds", "1", "2", "--truncation", "nan"],
        &["augment", "1", "-o", "runs"],
        &["augment", "1", "--prove", "--real", "100000"],
        &["augment", "1", "--real", "5"],
        &["detect", "1", "nowhere"],
        &["detect", "1", "digits", "--false-alarms", "0"],
        &["detect", "1", "digits", "--score", "elbow"],
        &["detect", "1", "digits", "--score", "elbo", "--false-alarms", "0.2"],
        &["detect", "1", "digits", "--false-alarms", "0.0001"],
        &["detect", "1", "digits", "--features", "nose"],
        &["detect", "1", "digits", "--feature-weights", "nose.safetensors"],
        &["detect", "1", "ring"],
    ] {
        said.push_str(&format!("{}\n{}\n", arguments.join(" "), folder.refused(arguments)));
    }
    insta::assert_snapshot!(said);
}
