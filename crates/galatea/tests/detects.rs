//! Odd ones out among digits: what is promised of false alarms, and that odd ones are found without any label.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use galatea::detect::{Conformal, DetectOptions, Detector, auroc, training};
use galatea::{DataOptions, Generator, HostTensor, Request, Surroundings, open, train_in};

/// A detector of everything that is no 3, and the tensor of all digits with their labels.
fn threes(folder: &Path) -> Generator {
    let (family, mut settings) = training();
    let more = "data.classes=3 train.steps=400 network=dense hidden=[128] latent=8 eval.samples=0 monitor=off";
    settings.extend(more.split(' ').map(str::to_owned));
    let request = Request { family: Some(family.to_owned()), settings, ..Request::default() };
    let surroundings = Surroundings { root: folder.into(), name: Some("threes".into()), ..Surroundings::default() };
    train_in(request.resolve().unwrap(), surroundings).unwrap();
    Generator::open_in("1", folder, &galatea::device("cpu").unwrap()).unwrap()
}

fn digits(count: usize, wanted: impl Fn(u32) -> bool) -> HostTensor {
    let data = open("digits", &DataOptions::default()).unwrap();
    let indices: Vec<usize> =
        (0..data.len()).filter(|i| wanted(data.label(*i).unwrap())).step_by(3).take(count).collect();
    data.batch(&indices).unwrap().values
}

#[test]
fn what_is_no_three_is_found_without_a_label() {
    let folder = tempfile::tempdir().unwrap();
    let generator = threes(folder.path());
    let options = DetectOptions { false_alarms: 0.05, ..DetectOptions::default() };
    let detector = Detector::new(&generator, Path::new("1"), folder.path(), &options).unwrap();
    // A fifth of about 1,000 was held back; a quarter of those chose.
    assert!((100..200).contains(&detector.rule().examples()), "{}", detector.rule().examples());
    let areas: Vec<f64> = detector.candidates().iter().map(|candidate| candidate.auroc.unwrap()).collect();
    assert_eq!(areas.len(), 5);
    let best = areas.iter().fold(0.0f64, |best, area| best.max(*area));
    let chosen = detector.candidates().iter().find(|candidate| candidate.name == detector.score()).unwrap();
    assert_eq!(chosen.auroc, Some(best));

    let others = digits(400, |label| label != 3);
    let all = detector.judge(&others).unwrap();
    // Threes that were learnt are a little less odd than new ones, which matters little here.
    let normal: Vec<f64> = detector.judge(&digits(300, |label| label == 3)).unwrap().iter().map(|v| v.score).collect();
    let odd: Vec<f64> = all.iter().map(|verdict| verdict.score).collect();
    let area = auroc(&normal, &odd);
    assert!(area > 0.96, "{} has an area of {area:.3}", detector.score());
    assert!(all.iter().filter(|verdict| verdict.flagged).count() > 200, "a rule without eyes flags 20");
    // One by one they are told the same, to the last bit.
    for i in [0, 7, 399] {
        assert_eq!(detector.judge(&others.slice_rows(i..i + 1)).unwrap()[0], all[i]);
    }
    let heat = detector.heat(&others.slice_rows(0..3)).unwrap().unwrap();
    assert_eq!(heat.shape, [3, 1, 28, 28]);
    assert!(heat.values.iter().all(|value| value.is_finite() && *value >= 0.0));

    // Of what was held back, a random half sets the threshold and the other half counts false alarms, 20 times.
    let data = open("digits", &DataOptions { classes: "3".into(), ..DataOptions::default() }).unwrap();
    let unseen = galatea_data::split(&*data, 0.2).held_back;
    let scores: Vec<f64> =
        detector.judge(&data.batch(&unseen).unwrap().values).unwrap().iter().map(|verdict| verdict.score).collect();
    for rate in [0.01, 0.05] {
        let mut alarms = 0;
        for split in 0..20 {
            let mut order: Vec<usize> = (0..scores.len()).collect();
            galatea_kernels::random::Stream::new(9, split).shuffle(&mut order);
            let of = |rows: &[usize]| rows.iter().map(|i| scores[*i]).collect::<Vec<f64>>();
            let (first, second) = order.split_at(scores.len() / 2);
            let rule = Conformal::new(of(first), rate).unwrap();
            alarms += of(second).into_iter().filter(|score| rule.flags(*score)).count();
        }
        // Splits of the same examples are not independent: the interval is that of one of them, about the mean of all.
        let n = (scores.len() - scores.len() / 2) as f64;
        let mean = f64::from(alarms as u32) / (20.0 * n);
        assert!(mean <= rate + 1.96 * (rate * (1.0 - rate) / n).sqrt(), "{mean} at {rate}");
        assert!(mean > 0.2 * rate, "{mean} at {rate}");
    }

    for name in ["elbo", "reconstruction", "latent", "neighbours", "mean"] {
        let options = DetectOptions { score: name.into(), ..options.clone() };
        let detector = Detector::new(&generator, Path::new("1"), folder.path(), &options).unwrap();
        assert_eq!(detector.score(), name);
        let verdicts = detector.judge(&others).unwrap();
        assert!(verdicts.iter().all(|verdict| verdict.score.is_finite()), "{name}");
        assert!(verdicts.iter().any(|verdict| verdict.score != verdicts[0].score), "{name}");
        let area = auroc(
            &detector.judge(&digits(300, |label| label == 3)).unwrap().iter().map(|v| v.score).collect::<Vec<_>>(),
            &verdicts.iter().map(|verdict| verdict.score).collect::<Vec<_>>(),
        );
        eprintln!("{name} {area:.4}");
    }
}
