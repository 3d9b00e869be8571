//! That collapse is seen and healed in real training, in numbers that a broken monitor misses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use galatea::{Kind, Request, Surroundings, Trained, train_in};

fn trained(family: &str, settings: &[&str]) -> Trained {
    let folder = tempfile::tempdir().unwrap();
    let request = Request {
        family: Some(family.to_owned()),
        settings: settings.iter().map(|&setting| setting.to_owned()).collect(),
        ..Request::default()
    };
    let surroundings = Surroundings { root: folder.path().into(), ..Surroundings::default() };
    train_in(request.resolve().unwrap(), surroundings).unwrap()
}

/// The share of held-back digits near a sample.
fn coverage(trained: &Trained) -> f64 {
    let report = trained.report.as_ref().unwrap();
    report.rows.iter().find(|row| row.metric.starts_with("coverage-")).unwrap().value
}

/// The listing with smaller networks and larger steps, so that all takes seconds.
const LISTING: &[&str] = &[
    "preset=listing",
    "hidden_g=[128,256]",
    "hidden_d=[256,128]",
    "learning_rate_g=5e-4",
    "learning_rate_d=5e-4",
    "data.limit=4000",
    "train.steps=2000",
    "eval.samples=400",
];

#[test]
fn the_listing_collapses_is_named_and_healed() {
    let collapsed = trained("gan", LISTING);
    let finding = collapsed.summary.findings.iter().find(|finding| finding.kind == Kind::DroppedModes).unwrap();
    assert!(finding.step <= 500, "{finding:?}");
    let healed = trained("gan", &[LISTING, &["heal=auto"]].concat());
    assert!(!healed.summary.interventions.is_empty());
    let [with, without] = [&healed, &collapsed].map(coverage);
    assert!(without < 0.1 && with > 0.5, "coverage {without}, with healing {with}");
}

#[test]
fn healthy_runs_give_no_finding() {
    for (family, settings) in [
        ("dcgan", &["width=16", "data.limit=3000", "train.steps=500", "eval.samples=0"][..]),
        ("gan", &["hidden_g=[128,256]", "hidden_d=[256,128]", "train.steps=1500", "eval.samples=0"]),
    ] {
        let trained = trained(family, settings);
        assert_eq!(trained.summary.findings, [], "{family}");
    }
}
