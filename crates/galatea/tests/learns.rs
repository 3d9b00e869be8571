//! That families learn, in numbers that a broken one misses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use galatea::{Request, Surroundings, train_in};

/// Trains on the embedded digits and gives the Frechet distance of a thousand samples, and the rarest class's share.
fn learnt(family: &str, settings: &[&str]) -> (f64, f64) {
    let (distance, rarest, _) = learnt_and_logged(family, settings);
    (distance, rarest)
}

/// The same, and the lines of its log.
fn learnt_and_logged(family: &str, settings: &[&str]) -> (f64, f64, Vec<serde_json::Value>) {
    let folder = tempfile::tempdir().unwrap();
    let request = Request {
        family: Some(family.to_owned()),
        settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
        ..Request::default()
    };
    let surroundings = Surroundings { root: folder.path().into(), ..Surroundings::default() };
    let trained = train_in(request.resolve().unwrap(), surroundings).unwrap();
    let log = std::fs::read_to_string(trained.run.path().join("log.jsonl")).unwrap();
    let log = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let report = trained.report.unwrap();
    let distance = report.rows.iter().find(|row| row.metric.starts_with("frechet-")).unwrap().value;
    let rarest = report.classes.unwrap().shares.into_iter().fold(1.0, f64::min);
    (distance, rarest, log)
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

#[test]
fn vqvae_learns_digits() {
    let settings = ["width=16", "max_width=32", "batch=32", "codes=64", "prior_width=64", "train.steps=1000"];
    let (distance, rarest, log) = learnt_and_logged("vqvae", &settings);
    assert!(distance < 150.0, "Frechet distance {distance}");
    assert!(rarest > 0.05, "rarest class {rarest}");
    let perplexities: Vec<f64> = log.iter().filter_map(|line| line["perplexity"].as_f64()).collect();
    let last = perplexities[perplexities.len() - 1];
    assert!(last > 20.0, "{last:.1} of 64 codes are in use");
}

#[test]
fn vaegan_learns_digits() {
    let settings = ["width=16", "max_width=64", "width_d=24", "max_width_d=64", "train.steps=800"];
    let (distance, rarest) = learnt("vaegan", &settings);
    assert!(distance < 150.0, "Frechet distance {distance}");
    assert!(rarest > 0.05, "rarest class {rarest}");
}

#[test]
fn an_encoder_learns_to_tell_digits_apart_without_their_labels() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["width=16", "batch=128", "train.steps=150", "data.limit=3000"].map(str::to_owned).to_vec();
    let request = Request { family: Some("encoder".to_owned()), settings, ..Request::default() };
    let surroundings = Surroundings { root: folder.path().into(), ..Surroundings::default() };
    let trained = train_in(request.resolve().unwrap(), surroundings).unwrap();
    let report = trained.report.unwrap();
    let value = |name: &str| report.rows.iter().find(|row| row.metric == name).unwrap().value;
    // Weights that were drawn and not trained have 0.59, pixels 0.75.
    let learnt = value("linear-probe-10-each-300-encoder");
    assert!(learnt > 0.7, "{learnt}");
    assert!(value("linear-probe-300-encoder") > learnt && value("linear-probe-300-pixels") > 0.8);

    // Its run reads for others.
    let features = format!("eval.feature_weights={}", trained.run.path().display());
    let settings = ["hidden_g=[16]", "hidden_d=[16]", "train.steps=5", "data.limit=1000", "eval.features=trained"];
    let settings = settings.map(str::to_owned).into_iter().chain([features]).collect();
    let request = Request { family: Some("gan".to_owned()), settings, ..Request::default() };
    let surroundings = Surroundings { root: folder.path().into(), ..Surroundings::default() };
    let report = train_in(request.resolve().unwrap(), surroundings).unwrap().report.unwrap();
    let row = report.rows.iter().find(|row| row.metric == "frechet-100-trained").unwrap();
    assert!(row.value.is_finite() && row.value > row.floor.unwrap(), "{row:?}");
}
