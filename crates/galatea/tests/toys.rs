//! That toy distributions are learnt, modes and all, and that a broken model is seen.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use galatea::{Request, Surroundings, train_in};

/// Trains on `ring` for some seconds and gives the modes that are covered and the share of good samples.
fn learnt(settings: &[&str]) -> (f64, f64) {
    let folder = tempfile::tempdir().unwrap();
    let mut request = Request::new("ring").family("gan").steps(800).set("eval.samples", 50);
    request.settings.extend(settings.iter().map(ToString::to_string));
    let surroundings = Surroundings { root: folder.path().into(), ..Surroundings::default() };
    let report = train_in(request.resolve().unwrap(), surroundings).unwrap().report.unwrap();
    let value = |name: &str| report.rows.iter().find(|row| row.number == name).unwrap().value;
    (value("modes-covered"), value("good-samples"))
}

#[test]
fn gan_covers_the_modes_of_a_ring() {
    let (modes, good) = learnt(&[]);
    assert!(modes >= 7.0 && good > 0.5, "{modes} modes, {good} good");
}

#[test]
fn a_generator_that_does_not_learn_covers_hardly_any() {
    let (modes, good) = learnt(&["learning_rate_g=1e-9"]);
    assert!(modes < 7.0 && good < 0.1, "{modes} modes, {good} good");
}
