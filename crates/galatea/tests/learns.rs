//! That families learn, in numbers that a broken one misses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use galatea::{Request, Surroundings, train_in};

/// Trains on the embedded digits and gives the Frechet distance of a thousand samples, and the rarest class's share.
fn learnt(family: &str, settings: &[&str]) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let request = Request {
        family: Some(family.to_owned()),
        settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
        ..Request::default()
    };
    let surroundings = Surroundings { root: folder.path().into(), ..Surroundings::default() };
    let report = train_in(request.resolve().unwrap(), surroundings).unwrap().report.unwrap();
    let distance = report.rows.iter().find(|row| row.metric.starts_with("frechet-")).unwrap().value;
    let rarest = report.classes.unwrap().shares.into_iter().fold(1.0, f64::min);
    (distance, rarest)
}

// Noise is at 657; a generator that is not trained is at 400 to 900.

#[test]
fn dcgan_learns_digits() {
    let (distance, rarest) = learnt("dcgan", &["width=24", "train.steps=800"]);
    assert!(distance < 100.0, "Frechet distance {distance}");
    assert!(rarest > 0.05, "rarest class {rarest}");
}

#[test]
fn gan_learns_digits() {
    let (distance, rarest) = learnt("gan", &["hidden_g=[128,256]", "hidden_d=[256,128]", "train.steps=3000"]);
    assert!(distance < 150.0, "Frechet distance {distance}");
    assert!(rarest > 0.05, "rarest class {rarest}");
}
