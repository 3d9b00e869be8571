//! `galatea eval` on runs, on sets of pictures and on arrays of numbers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Folder, text};
use serde_json::Value;

fn npy(dtype: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

fn doubles(values: &[f64], width: usize) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    npy("<f8", &format!("({}, {width})", values.len() / width), &bytes)
}

/// Numbers between 0 and 1 without a pattern.
fn numbers(count: usize, seed: u32) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    };
    (0..count).map(|_| next()).collect()
}

fn folder(files: &[(&str, Vec<u8>)]) -> Folder {
    let folder = Folder::new();
    files.iter().for_each(|(name, bytes)| std::fs::write(folder.path(name), bytes).unwrap());
    folder
}

fn report(folder: &Folder, arguments: &[&str]) -> Value {
    let json = folder.good(&[&["eval"], arguments, &["--json"]].concat());
    serde_json::from_str::<Value>(&json).unwrap()["report"].clone()
}

/// The row of a number by its short name.
fn row<'a>(report: &'a Value, number: &str) -> &'a Value {
    report["rows"].as_array().unwrap().iter().find(|row| row["number"] == number).unwrap()
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    values.clone().sum::<f64>() / values.count() as f64
}

#[test]
fn arrays_are_judged_to_the_last_digits() {
    // Of single numbers the Frechet distance is a formula of means and deviations.
    let (a, b) = (numbers(300, 1), numbers(260, 2).into_iter().map(|value| 3.0 * value).collect::<Vec<_>>());
    let folder = folder(&[("a.npy", doubles(&a, 1)), ("b.npy", doubles(&b, 1))]);
    let moments = |values: &[f64]| {
        let middle = mean(values.iter().copied());
        let squares: f64 = values.iter().map(|value| (value - middle).powi(2)).sum();
        (middle, (squares / (values.len() as f64 - 1.0)).sqrt())
    };
    let ((mean_a, deviation_a), (mean_b, deviation_b)) = (moments(&a), moments(&b));
    let expected = (mean_a - mean_b).powi(2) + (deviation_a - deviation_b).powi(2);

    let report = report(&folder, &["--feature-arrays", "a.npy", "b.npy"]);
    assert_eq!((&report["samples"], &report["real"]), (&300.into(), &260.into()));
    let frechet = row(&report, "frechet");
    assert!((frechet["value"].as_f64().unwrap() - expected).abs() < 1e-12);
    assert_eq!(frechet["metric"], "frechet-300-arrays");
    assert_eq!(frechet["features_hash"].as_str().unwrap().len(), 64);
    let distances = (0..300).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| (a[i] - a[j]).abs());
    assert!((row(&report, "diversity")["value"].as_f64().unwrap() - mean(distances)).abs() < 1e-12);
    for row in report["rows"].as_array().unwrap() {
        let [value, error] = ["value", "standard_error"].map(|key| row[key].as_f64().unwrap());
        let [low, high] = [0, 1].map(|at| row["interval"][at].as_f64().unwrap());
        assert!(low <= value && value <= high && error >= 0.0, "{row}");
        assert!(row["floor"].is_number() && row["ceiling"].is_number(), "{row}");
    }
    assert!(
        folder.good(&["eval", "--feature-arrays", "a.npy", "b.npy"]).lines().all(|line| line.chars().count() <= 100)
    );

    let again = folder.good(&["eval", "--feature-arrays", "a.npy", "b.npy", "--json", "--threads", "1"]);
    let threads = folder.good(&["eval", "--feature-arrays", "a.npy", "b.npy", "--json", "--threads", "3"]);
    assert_eq!(again, threads);
}

#[test]
fn copies_of_a_training_set_and_classes_are_found_in_arrays() {
    let train = numbers(400 * 3, 3);
    let files = [
        ("copies.npy", doubles(&train[..600], 3)),
        ("fresh.npy", doubles(&numbers(600, 4), 3)),
        ("unseen.npy", doubles(&numbers(600, 5), 3)),
        ("train.npy", doubles(&train, 3)),
    ];
    let folder = folder(&files);
    let copied = |samples: &str| {
        let report = report(&folder, &["--feature-arrays", samples, "unseen.npy", "--train", "train.npy"]);
        row(&report, "copied")["value"].as_f64().unwrap()
    };
    assert_eq!(copied("copies.npy"), 1.0);
    assert!(copied("fresh.npy") < 0.05);

    // Two classes, and one of them only.
    let both: Vec<f64> = (0..100).flat_map(|i| if i % 2 == 0 { [0.75, 0.25] } else { [0.25, 0.75] }).collect();
    let one: Vec<f64> = (0..100).flat_map(|_| [1.0, 0.0]).collect();
    std::fs::write(folder.path("both.npy"), doubles(&both, 2)).unwrap();
    std::fs::write(folder.path("one.npy"), doubles(&one, 2)).unwrap();
    let report = report(&folder, &["--feature-arrays", "one.npy", "both.npy", "--probabilities"]);
    let value = |number: &str| row(&report, number)["value"].as_f64().unwrap();
    assert_eq!((value("modes"), value("class-variation"), value("inception-score")), (1.0, 0.5, 1.0));
    assert!((value("class-kl") - 2f64.ln()).abs() < 1e-12);
    let classes: f64 = 0.75 * (0.75f64 / 0.5).ln() + 0.25 * (0.25f64 / 0.5).ln();
    let floor = row(&report, "inception-score")["floor"].as_f64().unwrap();
    assert!((floor - classes.exp()).abs() < 0.02, "{floor}");
}

#[test]
fn sets_of_pictures_are_judged_by_each_other() {
    let bytes: Vec<u8> = numbers(40 * 784, 6).into_iter().map(|value| (255.0 * value) as u8).collect();
    let folder = folder(&[("noise.npy", npy("|u1", "(40, 28, 28)", &bytes))]);
    let noise = report(&folder, &["--samples", "noise.npy", "--against", "digits", "-n", "40"]);
    let digits = report(&folder, &["--samples", "digits", "--against", "digits", "-n", "40"]);
    assert_eq!((&noise["features"]["name"], &noise["samples"]), (&"digits-lenet".into(), &40.into()));
    let value = |report: &Value, number: &str| row(report, number)["value"].as_f64().unwrap();
    assert!(value(&noise, "frechet") > 100.0 && value(&digits, "frechet") < 1e-3);
    assert!(value(&digits, "modes") == 10.0 && value(&digits, "class-kl") == 0.0);
    assert_eq!(row(&noise, "sliced-wasserstein")["metric"], "sliced-wasserstein-40-pixels");

    let pixels =
        report(&folder, &["--samples", "noise.npy", "--against", "digits", "--features", "pixels", "-n", "30"]);
    assert_eq!((&pixels["features"]["name"], &pixels["classes"]), (&"pixels".into(), &Value::Null));
    let said = text(&folder.run(&["eval", "--samples", "noise.npy", "--against", "noise.npy"]).stdout);
    assert!(said.contains("no features are known for 28x28 grey images"), "{said}");
}

#[test]
fn mistakes_are_answered_with_a_remedy() {
    let rows = |count: usize, width: usize| doubles(&numbers(count * width, 7), width);
    let mut broken = numbers(12, 8);
    broken[7] = f64::NAN;
    let folder = folder(&[
        ("a.npy", rows(20, 4)),
        ("wider.npy", rows(20, 5)),
        ("nan.npy", doubles(&broken, 4)),
        ("huge.npy", doubles(&[1e200; 12], 4)),
        ("one.npy", rows(1, 4)),
        ("flat.npy", npy("<f8", "(4,)", &[0; 32])),
        ("pictures.npy", npy("|u1", "(6, 8, 8)", &[9; 6 * 64])),
        ("half.npy", npy("<f2", "(4, 4)", &[0; 32])),
        ("cut.npy", rows(20, 4)[..300].to_vec()),
        ("nothing.npy", npy("<f8", "(0, 4)", &[])),
        ("a.csv", b"1,2,3\n4,5,6\n".to_vec()),
    ]);
    let mut said = String::new();
    let arrays = ["wider.npy", "nan.npy", "huge.npy", "one.npy", "flat.npy", "pictures.npy", "half.npy", "cut.npy"];
    let arrays = arrays
        .iter()
        .chain(&["nothing.npy", "a.csv", "missing.npy"])
        .map(|name| vec!["--feature-arrays", name, "a.npy"]);
    let others: [&[&str]; 9] = [
        &[],
        &["last"],
        &["--feature-arrays", "a.npy"],
        &["--feature-arrays", "a.npy", "a.npy", "--probabilities"],
        &["--feature-arrays", "a.npy", "a.npy", "--train", "wider.npy"],
        &["--samples", "pictures.npy"],
        &["--samples", "pictures.npy", "--against", "digits"],
        &["--samples", "pictures.npy", "--against", "pictures.npy", "--features", "inception"],
        &["--samples", "pictures.npy", "--against", "pictures.npy", "--features", "digits-lenet"],
    ];
    for arguments in arrays.chain(others.iter().map(|arguments| arguments.to_vec())) {
        let arguments = [&["eval"], &arguments[..]].concat();
        said.push_str(&format!("$ galatea {}\n{}\n", arguments.join(" "), folder.refused(&arguments)));
    }
    insta::assert_snapshot!("eval_mistakes", said);
}

#[test]
fn help_lists_every_metric() {
    let help = Folder::new().good(&["eval", "--help"]);
    insta::assert_snapshot!("eval_help", help);
    assert!(help.lines().all(|line| line.chars().count() <= 100));
}
