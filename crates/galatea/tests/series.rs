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
