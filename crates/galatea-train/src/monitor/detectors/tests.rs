//! Each detector on made-up series: what it must see, and what it must not.

use super::*;
use crate::monitor::{Expected, SampleScores};

/// Looks every 50 steps, each made by `look` from its number.
fn series(count: u64, look: impl Fn(u64) -> Look) -> Series {
    let deviation = SampleScores { coverage: 0.03, spread: 0.03, diversity: 0.02, ..SampleScores::default() };
    let expected = Expected { groups: 17.0, duplicates: 0.01, deviation };
    let mut series = Series { expected: Some(expected), ..Series::default() };
    (1..=count).for_each(|i| series.push(Look { step: 50 * i, ..look(i) }));
    series
}

fn scores(i: u64) -> SampleScores {
    // A run that gets better, as the family `gan` does on digits, with the noise of sets of real examples.
    let noise = 0.03 * ((i * 37 % 11) as f64 / 5.0 - 1.0);
    let good = (i as f64 / 20.0).min(1.0);
    SampleScores {
        diversity: 0.2 + 0.7 * good + noise,
        duplicates: (0.9 - good).max(0.01),
        coverage: 0.95 * good + noise,
        spread: 0.2 + 0.75 * good + noise,
        fidelity: 0.9,
        moved: 0.15,
    }
}

fn healthy(i: u64) -> Look {
    Look {
        samples: Some(scores(i)),
        d_real: Some(0.62),
        d_fake: Some(0.4),
        loss_d: Some(1.1),
        loss_g: Some(1.0),
        gradient_d: Some(0.8),
        gradient_g: Some(0.3),
        seen_above_unseen: Some(0.5 + 0.05 * ((i % 3) as f64 - 1.0)),
        ..Look::default()
    }
}

fn with(i: u64, change: impl Fn(&mut SampleScores)) -> Look {
    let mut look = healthy(i);
    look.samples.iter_mut().for_each(change);
    look
}

fn kinds(series: &Series) -> Vec<(Kind, Severity)> {
    all(series).into_iter().map(|finding| (finding.kind, finding.severity)).collect()
}

#[test]
fn a_healthy_run_gives_no_finding_at_any_look() {
    for count in 1..=200 {
        assert_eq!(kinds(&series(count, healthy)), [], "{count} looks");
    }
    let unknown = |i| Look { samples: None, ..Look { d_real: None, loss_d: None, ..healthy(i) } };
    assert_eq!(kinds(&series(60, unknown)), [], "of what is not known nothing is said");
}

#[test]
fn a_fall_of_coverage_is_dropped_modes_before_it_has_halved() {
    // From look 40 on it falls by a twelfth of its best at each look.
    let fall = |i: u64| with(i, |scores| scores.coverage -= 0.08 * i.saturating_sub(40) as f64);
    let won = |i: u64| Look { d_real: Some(0.98), d_fake: Some(0.02), loss_d: Some(0.05), ..fall(i) };
    let first = |look: &dyn Fn(u64) -> Look, severity| {
        (1..60).find(|count| kinds(&series(*count, look)).contains(&(Kind::DroppedModes, severity))).unwrap()
    };
    let left = |at: &Series| at.scores(1).unwrap()[0].coverage / at.best.unwrap().coverage;
    let told = first(&fall, Severity::Notice);
    assert!(told < first(&fall, Severity::Severe) && left(&series(told, fall)) > 0.5, "look {told}");
    // Sooner while nothing drives samples back.
    let (told, severe) = (first(&won, Severity::Notice), first(&won, Severity::Severe));
    assert!(told < severe && left(&series(told, won)) > 0.65 && left(&series(severe, won)) > 0.55, "{told}, {severe}");
    let finding = dropped_modes::detect(&series(severe, won)).unwrap();
    assert!(finding.evidence.contains("of what other real examples reach; about step 1,"), "{}", finding.evidence);
    assert_eq!((finding.step, finding.since), (50 * severe, 50 * 41), "as when it was still within what varies");
    // What is lost within a look is told at that look then, and is severe at the next.
    let crash = |i: u64| with(i, |s| s.spread *= if i > 40 { 0.3 } else { 1.0 });
    let won = |i: u64| Look { d_real: Some(0.98), d_fake: Some(0.02), loss_d: Some(0.05), ..crash(i) };
    let told = |count: u64, look: &dyn Fn(u64) -> Look| {
        kinds(&series(count, look))
            .into_iter()
            .find(|(kind, _)| *kind == Kind::DroppedModes)
            .map(|(_, severity)| severity)
    };
    assert_eq!([41, 42].map(|count| told(count, &won)), [Some(Severity::Notice), Some(Severity::Severe)]);
    assert_eq!([41, 42].map(|count| told(count, &crash)), [None, Some(Severity::Notice)]);
    // A quarter is within what varies otherwise; half of what is told elsewhere is enough then.
    let quarter = |i: u64| with(i, |s| s.coverage *= if i > 40 { 0.75 } else { 1.0 });
    let won = |i: u64| Look { d_real: Some(0.98), d_fake: Some(0.02), loss_d: Some(0.05), ..quarter(i) };
    assert_eq!((told(41, &won), told(41, &quarter)), (Some(Severity::Notice), None));
    // Groups tell as much where balls do not.
    let fewer = |i: u64| with(i, |scores| scores.spread *= if i > 40 { 0.5 } else { 1.0 });
    assert_eq!(kinds(&series(43, fewer)), [(Kind::DroppedModes, Severity::Severe)]);
    // Each score with its own best, whatever the other does meanwhile.
    let earlier = |i: u64| with(i, |s| (s.spread, s.coverage) = (if i < 9 { 0.9 } else { 0.4 }, 0.02 * i as f64));
    let evidence = dropped_modes::detect(&series(40, earlier)).unwrap().evidence;
    assert!(evidence.contains("groups") && evidence.contains("about step 100 it was 0.90"), "{evidence}");
    // One bad look, a fall within the noise, and a lasting slight fall are different things.
    let once = |i: u64| with(i, |s| s.coverage *= if i == 60 { 0.0 } else { 1.0 });
    assert!((60..=64).all(|count| kinds(&series(count, once)).is_empty()));
    let slight = |i: u64| with(i, |s| s.coverage *= if i > 40 { 0.85 } else { 1.0 });
    assert!((41..=200).all(|count| kinds(&series(count, slight)).is_empty()));
    let lasting = |i: u64| with(i, |s| s.coverage *= if i > 40 { 0.7 } else { 1.0 });
    let told = |severity| (41..60).find(|count| kinds(&series(*count, lasting)) == [(Kind::DroppedModes, severity)]);
    assert_eq!((told(Severity::Notice), told(Severity::Severe)), (Some(44), Some(49)));
    // However long it lasted, it is over soon after samples are what they were.
    let back = |i: u64| with(i, |s| s.coverage *= if (41..100).contains(&i) { 0.5 } else { 1.0 });
    assert_eq!((kinds(&series(100, back)).len(), kinds(&series(104, back)).len()), (1, 0));
    // It is no step to go back to before it is over.
    let after = series(103, back);
    assert!(
        kinds(&after).is_empty() && after.is_at_its_best() && !is_healthy(&after) && is_healthy(&series(110, back))
    );
    // The best may be older than all looks that are remembered: then it has not gone wrong since then.
    let late = |i: u64| with(i, |s| s.coverage *= if i > 170 { 0.5 } else { 0.93f64.powi(i32::from(i > 25)) });
    let at = series(200, late);
    assert!(at.best_steps[0] < at.looks[0].step);
    assert_eq!(dropped_modes::detect(&at).unwrap().since, 50 * 170);
    let at = series(240, late);
    assert_eq!(dropped_modes::detect(&at).unwrap().since, at.looks[0].step, "no more is remembered");
    assert!(!is_healthy(&at) && is_healthy(&series(170, late)) && !is_healthy(&series(171, late)));
}

#[test]
fn what_is_still_being_learnt_comes_and_goes() {
    // As `ring` is with two seeds of twenty: seven of eight modes for a while, when half is covered.
    let learning = |i: u64| {
        with(i, |s| {
            let grown = (0.018 * i as f64).min(0.95);
            (s.coverage, s.spread) = if (26..32).contains(&i) { (0.6 * grown, 0.67) } else { (grown, 0.9) };
        })
    };
    assert!((1..=200).all(|count| kinds(&series(count, learning)).is_empty()));
    // That is no licence to lose half of it, nor a fifth where the discriminator wins.
    let half = |i: u64| with(i, |s| s.coverage = if i < 40 { 0.5 } else { 0.2 });
    assert_eq!(kinds(&series(41, half)), [(Kind::DroppedModes, Severity::Notice)]);
    let fifth = |i: u64| with(i, |s| s.coverage = if i < 40 { 0.52 } else { 0.4 });
    let won = |i: u64| Look { d_real: Some(0.98), d_fake: Some(0.02), loss_d: Some(0.05), ..fifth(i) };
    let is_named = |at: &Series| kinds(at).iter().any(|(kind, _)| *kind == Kind::DroppedModes);
    assert!(!is_named(&series(60, fifth)) && is_named(&series(60, won)));
    // Samples that are near nothing fall into groups by chance; `grid` begins like that.
    let nowhere = |i: u64| with(i, |s| (s.coverage, s.spread) = (0.09, if i < 20 { 0.8 } else { 0.4 }));
    assert!((1..=200).all(|count| kinds(&series(count, nowhere)).is_empty()));
    let near = |i: u64| with(i, |s| (s.coverage, s.spread) = (0.12, if i < 20 { 0.8 } else { 0.4 }));
    assert!(is_named(&series(30, near)));
}

#[test]
fn blurred_samples_cover_much_and_are_no_best_to_fall_from() {
    // They differ less than real examples at first, and are near many of them; see `dcgan` on digits.
    let sharper = |i: u64| {
        with(i, |s| {
            let blur = 1.0 - (i as f64 / 30.0).min(1.0);
            (s.diversity, s.coverage) = (1.0 - 0.4 * blur, 0.42 + 0.25 * blur * (i as f64 / 5.0).min(1.0));
        })
    };
    assert!((1..=200).all(|count| kinds(&series(count, sharper)).is_empty()));
    assert!(series(200, sharper).best.unwrap().coverage < 0.5);
    // That the rest is less than there is to fall from elsewhere is no reason to look away from it.
    let crash = |i: u64| {
        with(i, |s| {
            (s.diversity, s.coverage) = match i {
                0..=20 => (0.8, 0.6),
                21..=40 => (1.0, 0.38),
                _ => (1.0, 0.05),
            }
        })
    };
    assert_eq!(series(40, crash).best.unwrap().coverage, 0.38);
    assert!((1..=40).all(|count| kinds(&series(count, crash)).is_empty()));
    assert!(kinds(&series(45, crash)).iter().any(|(kind, _)| *kind == Kind::DroppedModes));
    // However often they get sharper, no more than that is forgiven.
    let often = |i: u64| {
        let share = (i.saturating_sub(40) as f64 / 150.0).min(1.0);
        with(i, |s| (s.diversity, s.coverage) = (0.6 + 0.5 * share, 0.95 * (1.0 - 0.9 * share)))
    };
    let told = (1..=200).find(|count| !kinds(&series(*count, often)).is_empty()).unwrap();
    let left = series(told, often).scores(1).unwrap()[0].coverage / 0.95;
    assert!(left > 0.4, "look {told}: {left}");
    // What becomes more varied because it leaves the data falls all the same.
    let scattered = |i: u64| {
        with(i, |s| (s.diversity, s.coverage) = if i > 40 { (1.05, 0.2 * s.coverage) } else { (0.85, s.coverage) })
    };
    assert_eq!(kinds(&series(60, scattered)), [(Kind::DroppedModes, Severity::Severe)]);
    assert!(series(60, scattered).best.unwrap().coverage > 0.9);
}

/// As the listing is on digits from the first step to the last.
fn alike(i: u64) -> Look {
    let of = |scores: &mut SampleScores| {
        *scores = SampleScores {
            diversity: 0.12 + 0.02 * (i % 3) as f64,
            duplicates: 0.99,
            coverage: 0.04,
            spread: 0.15,
            ..*scores
        };
    };
    Look { d_real: Some(0.9), d_fake: Some(0.15), loss_d: Some(0.45), ..with(i, of) }
}

#[test]
fn samples_that_never_spread_are_dropped_modes() {
    assert_eq!(kinds(&series(9, alike)), []);
    let at = series(10, alike);
    assert_eq!(kinds(&at), [(Kind::DroppedModes, Severity::Severe)]);
    let evidence = dropped_modes::detect(&at).unwrap().evidence;
    assert!(evidence.contains("by 0.14 of what real") && evidence.contains("0.15, and real ones 0.90"), "{evidence}");
    // The same samples under a discriminator that is at a loss too get more time.
    let even = |i| Look { d_real: Some(0.6), d_fake: Some(0.5), loss_d: Some(1.3), ..alike(i) };
    assert_eq!((kinds(&series(39, even)), kinds(&series(40, even)).len()), (vec![], 1));
    let unbound = |i| Look { loss_d: Some(-8.0), ..alike(i) };
    assert_eq!(kinds(&series(39, unbound)), [], "a critic without a bound");
    // As do samples that become more varied all the time.
    let growing = |i: u64| {
        let mut look = alike(i);
        look.samples.iter_mut().for_each(|scores| scores.diversity = 0.03 * 1.2f64.powi(i as i32));
        look
    };
    assert_eq!(kinds(&series(10, growing)), []);
}

#[test]
fn copies_are_near_duplicates() {
    let copies = |i: u64| with(i, |scores| scores.duplicates = if i > 40 { 0.8 } else { scores.duplicates });
    assert_eq!(kinds(&series(42, copies)), []);
    let at = series(43, copies);
    assert_eq!(kinds(&at), [(Kind::NearDuplicates, Severity::Notice)]);
    assert!(near_duplicates::detect(&at).unwrap().evidence.starts_with("80 % of samples"));
    let all = |i: u64| {
        with(i, |scores| {
            if i > 40 {
                (scores.duplicates, scores.diversity) = (1.0, 0.3);
            }
        })
    };
    assert_eq!(kinds(&series(43, all)), [(Kind::NearDuplicates, Severity::Severe)]);
    // Each mode is a point, from the beginning.
    let points = |i: u64| with(i, |scores| (scores.duplicates, scores.diversity) = (0.9, 0.95));
    assert_eq!((kinds(&series(19, points)), kinds(&series(20, points)).len()), (vec![], 1));
    assert_eq!(kinds(&series(39, points)), [(Kind::NearDuplicates, Severity::Notice)]);
    assert_eq!(kinds(&series(40, points)), [(Kind::NearDuplicates, Severity::Severe)]);
    assert_eq!(near_duplicates::detect(&series(40, points)).unwrap().since, 0, "it has lasted since the beginning");
    assert_eq!(near_duplicates::detect(&series(90, copies)).unwrap().since, 50 * 50, "or for as long as it is severe");
}

#[test]
fn a_discriminator_that_begins_to_win_is_urgent_where_there_is_something_to_lose() {
    let lately =
        |d_real, d_fake, loss_d| Look { d_real: Some(d_real), d_fake: Some(d_fake), loss_d, ..Look::default() };
    let ahead = lately(0.9, 0.1, Some(0.2));
    assert!(is_urgent(&series(40, healthy), &ahead));
    for calm in [lately(0.85, 0.15, Some(0.3)), lately(0.9, 0.1, None), lately(0.9, 0.1, Some(-3.0)), Look::default()] {
        assert!(!is_urgent(&series(40, healthy), &calm), "{calm:?}");
    }
    let poor = |i| with(i, |scores| (scores.coverage, scores.spread) = (0.3, 0.3));
    assert!(!is_urgent(&series(40, poor), &ahead) && !is_urgent(&series(0, healthy), &ahead));
}

#[test]
fn looks_out_of_turn_count_until_the_next_in_turn() {
    let lost = |step| Look { step, out_of_turn: true, ..with(41, |scores| scores.coverage = 0.3) };
    let mut at = series(40, healthy);
    at.push(lost(2_010));
    assert_eq!((at.step(), kinds(&at), at.looks.len()), (2_010, vec![], 40));
    at.push(lost(2_020));
    assert_eq!(kinds(&at), [(Kind::DroppedModes, Severity::Notice)]);
    at.push(Look { step: 2_050, ..healthy(41) });
    assert_eq!((at.step(), kinds(&at), at.since.len()), (2_050, vec![], 0));
}

#[test]
fn a_discriminator_that_wins_while_samples_are_poor_is_overpowering() {
    let winning = |i: u64| Look {
        d_real: Some(0.99),
        d_fake: Some(0.01),
        loss_d: Some(0.02),
        ..with(i, |scores| scores.coverage = 0.4)
    };
    assert_eq!(kinds(&series(4, winning)), []);
    assert_eq!(kinds(&series(5, winning)), [(Kind::Overpowering, Severity::Notice)]);
    let at = series(10, winning);
    assert_eq!(kinds(&at), [(Kind::Overpowering, Severity::Severe)]);
    assert_eq!(overpowering::detect(&at).unwrap().since, 0);
    let good = |i: u64| Look { samples: Some(SampleScores { coverage: 0.9, ..scores(20) }), ..winning(i) };
    assert_eq!(kinds(&series(30, good)), [], "who wins against good samples does no harm");
    let of_one_kind = |i: u64| {
        let poor = SampleScores { coverage: 0.6, spread: 0.3, ..scores(20) };
        // One batch in four is hard.
        Look { samples: Some(poor), loss_d: Some(if i.is_multiple_of(4) { 0.3 } else { 0.1 }), ..winning(i) }
    };
    assert!(kinds(&series(10, of_one_kind)).contains(&(Kind::Overpowering, Severity::Severe)));
    assert_eq!(kinds(&series(30, |i| Look { loss_d: Some(-8.0), ..winning(i) })), [], "a critic without a bound");
    let unknown = |i| Look { samples: None, ..winning(i) };
    assert_eq!(kinds(&series(5, unknown)).len(), 1, "without samples to look at, it speaks for itself");
}

#[test]
fn losses_and_gradients_that_explode_are_divergence() {
    let exploding = |i: u64| Look { loss_g: Some(if i > 30 { 80.0 } else { 1.0 }), ..healthy(i) };
    assert_eq!(kinds(&series(32, exploding)), []);
    let at = series(33, exploding);
    assert_eq!(kinds(&at), [(Kind::Divergence, Severity::Severe)]);
    assert_eq!(
        divergence::detect(&at).unwrap().evidence,
        "the generator's loss is 8.000e1 at step 1,650; before it was 1.000e0"
    );
    let steep = |i: u64| Look { gradient_d: Some(if i > 30 { 4e3 } else { 2.0 }), ..healthy(i) };
    assert_eq!(kinds(&series(33, steep)), [(Kind::Divergence, Severity::Severe)]);
    // Large from the beginning is the scale of this loss; a peak passes.
    assert_eq!(kinds(&series(33, |i| Look { loss_g: Some(90.0), ..healthy(i) })), []);
    assert_eq!(kinds(&series(33, |i| Look { loss_g: Some(if i == 32 { 90.0 } else { 1.0 }), ..healthy(i) })), []);
}

#[test]
fn samples_that_wander_are_oscillation() {
    let wandering = |i: u64| with(i, |scores| scores.moved = 0.7);
    assert_eq!(kinds(&series(14, wandering)), []);
    let at = series(15, wandering);
    assert_eq!(kinds(&at), [(Kind::Oscillation, Severity::Notice)]);
    assert!(oscillation::detect(&at).unwrap().evidence.contains("change by 70 % on average"));
    assert_eq!(kinds(&series(44, wandering)), [(Kind::Oscillation, Severity::Notice)]);
    assert_eq!(kinds(&series(45, wandering)), [(Kind::Oscillation, Severity::Severe)]);
    let settling = |i: u64| with(i, |scores| scores.moved = if i < 12 { 0.7 } else { 0.2 });
    assert!((1..60).all(|count| kinds(&series(count, settling)).is_empty()));
}

#[test]
fn a_discriminator_that_knows_its_examples_is_overfitting() {
    let knowing = |i: u64| Look { seen_above_unseen: Some(if i > 30 { 0.8 } else { 0.5 }), ..healthy(i) };
    assert_eq!(kinds(&series(32, knowing)), []);
    assert_eq!(kinds(&series(34, knowing)), [(Kind::Overfitting, Severity::Notice)]);
    let worse = |i: u64| Look {
        seen_above_unseen: Some(if i > 30 { 0.8 } else { 0.5 }),
        ..with(i, |scores| scores.coverage *= if i > 30 { 0.8 } else { 1.0 })
    };
    assert_eq!(kinds(&series(34, worse)), [(Kind::Overfitting, Severity::Severe)]);
}

#[test]
fn latent_vectors_that_stay_unused_are_posterior_collapse() {
    let with = |i: u64, kl: f64, active: f64| Look { kl: Some(kl), active_units: Some(active), ..healthy(i) };
    let at = |count: u64, kl: f64, active: f64| kinds(&series(count, |i| with(i, kl, active)));
    assert_eq!(at(4, 0.01, 0.2), []);
    assert_eq!(at(5, 0.01, 0.2), [(Kind::PosteriorCollapse, Severity::Notice)]);
    assert_eq!(at(10, 0.01, 0.2), [(Kind::PosteriorCollapse, Severity::Severe)]);
    let evidence = posterior_collapse::detect(&series(5, |i| with(i, 0.01, 0.2))).unwrap().evidence;
    assert!(evidence.starts_with("since step 50 ") && evidence.contains("by 0.010 nats"), "{evidence}");
    // One number in use, or little of each of several, is not nothing; nor is a beginning that passes.
    assert_eq!((at(60, 0.09, 1.0), at(60, 0.5, 0.0)), (vec![], vec![]));
    let begins = |i: u64| with(i, if i > 4 { 12.0 } else { 0.0 }, if i > 4 { 9.0 } else { 0.0 });
    assert!((1..60).all(|count| kinds(&series(count, begins)).is_empty()));
}
