//! What a report says of a model with a likelihood, and what the monitor sees when its latent vectors say nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use galatea::{Ability, Family, Kind, Report, Request, Surroundings, Trained, registry, train_in};

fn trained(family: &str, settings: &str) -> Trained {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings.split_whitespace().map(ToOwned::to_owned).collect();
    let request = Request { family: Some(family.to_owned()), settings, ..Request::default() };
    let surroundings = Surroundings { root: folder.path().into(), ..Surroundings::default() };
    train_in(request.resolve().unwrap(), surroundings).unwrap()
}

fn row<'a>(report: &'a Report, number: &str) -> &'a galatea::Row {
    report.rows.iter().find(|row| row.number == number).unwrap()
}

const SMALL: &str = "network=dense hidden=[128] latent=8 data.limit=2000 eval.samples=100 likelihood=bernoulli \
                     binarise=threshold train.steps=300";

#[test]
fn the_report_has_the_likelihood_of_what_was_held_back() {
    // Those with a variational bound over a vector of Gaussians, which share their settings.
    let has = |family: &&&dyn Family, name: &str| family.keys().iter().any(|key| key.name == name);
    let scored = registry::FAMILIES.iter().filter(|family| family.info().abilities.contains(&Ability::Score));
    for family in scored.filter(|family| has(family, "network") && !has(family, "r1")) {
        let report = trained(family.info().name, SMALL).report.unwrap();
        let value = |number| row(&report, number).value;
        let likelihood = row(&report, "log-likelihood-k200");
        assert_eq!(likelihood.metric, "log-likelihood-k200-100-held-back");
        // Guessing the mean of each pixel gives -206.
        assert!((-190.0..-80.0).contains(&likelihood.value), "{likelihood:?}");
        assert!(likelihood.ceiling.unwrap() < 2.0 * likelihood.value, "noise is unlikely: {likelihood:?}");
        assert!(
            likelihood.floor.unwrap() > likelihood.value - 5.0,
            "what was learnt is no less likely: {likelihood:?}"
        );
        assert!(value("elbo") < likelihood.value && value("elbo") > likelihood.value - 20.0);
        assert!((value("elbo") - (value("reconstruction") - value("kl"))).abs() < 1e-9);
        let bits = -likelihood.value / (784.0 * std::f64::consts::LN_2);
        assert!((value("bits-per-dim-k200") - bits).abs() < 1e-9);
        assert!((3.0..=8.0).contains(&value("active-units")) && value("kl") > 3.0);
        let [low, high] = likelihood.interval.unwrap();
        assert!(low < likelihood.value && likelihood.value < high && high - low < 40.0);
    }
}

#[test]
fn latent_vectors_that_say_nothing_are_found() {
    let with = |more: &str| {
        let settings = format!("{SMALL} monitor.every=25 eval.samples=0 {more}");
        let findings = trained("vae", &settings).summary.findings;
        findings.into_iter().filter(|finding| finding.kind == Kind::PosteriorCollapse).collect::<Vec<_>>()
    };
    let found = with("beta=1000");
    assert!(!found.is_empty());
    assert!(found[0].hint.contains("beta=1"), "{}", found[0].hint);
    assert_eq!(with("beta=1"), []);
}
