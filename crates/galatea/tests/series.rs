//! That recurrent families learn what series have to teach, in numbers that a broken one misses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use galatea::{Report, Request, Surroundings, train_in};

/// Trains on made-up series, and judges.
fn judged(family: &str, settings: &[&str]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let common = ["data.limit=2000", "data.window=12", "eval.samples=200", "train.checkpoint_every=100000"];
    let request = Request {
        family: Some(family.to_owned()),
        data: Some("sines".to_owned()),
        settings: common.iter().chain(settings).map(ToString::to_string).collect(),
        ..Request::default()
    };
    let surroundings = Surroundings { root: folder.path().into(), ..Surroundings::default() };
    train_in(request.resolve().unwrap(), surroundings).unwrap().report.unwrap()
}

fn value(report: &Report, number: &str) -> (f64, f64) {
    let row = report.rows.iter().find(|row| row.number == number).unwrap();
    (row.value, row.floor.unwrap())
}

#[test]
fn recurrent_gans_learn_sines() {
    let report = judged("rgan", &["batch=32", "hidden_g=32", "hidden_d=32", "layers_g=1", "train.steps=700"]);
    let (autocorrelation, floor) = value(&report, "autocorrelation");
    let (share, _) = value(&report, "tstr-share");
    eprintln!("{report}");
    assert!(autocorrelation < 0.12 && floor < 0.05, "{autocorrelation}, and real windows have {floor}");
    assert!(share > 0.4, "{share}");
}

#[test]
fn timegan_learns_sines() {
    let report = judged("timegan", &["batch=32", "layers=1", "train.steps=700"]);
    let (autocorrelation, floor) = value(&report, "autocorrelation");
    let (share, _) = value(&report, "tstr-share");
    eprintln!("{report}");
    assert!(autocorrelation < 0.12 && floor < 0.05, "{autocorrelation}, and real windows have {floor}");
    assert!(share > 0.4, "{share}");
}
