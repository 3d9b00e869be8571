//! Odd ones out among digits: what is promised of false alarms, and that odd ones are found without any label.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use galatea::detect::{Conformal, DetectOptions, Detector, auroc, training};
use galatea::{DataOptions, Generator, HostTensor, Request, Surroundings, open, train_in};

/// A detector of everything that is no 3, and the tensor of all digits with their labels.
fn threes(folder: &Path) -> Generator {
    let (family, mut settings) = training(None).unwrap();
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
    assert_eq!(areas.len(), 7);
    let best = areas.iter().fold(0.0f64, |best, area| best.max(*area));
    let chosen = detector.candidates().iter().find(|candidate| candidate.name == detector.score()).unwrap();
    assert_eq!(chosen.auroc, Some(best));

    let others = digits(400, |label| label != 3);
    let all = detector.judge(&others).unwrap();
    // Threes that were learnt are a little less odd than new ones, which matters little here.
    let normal: Vec<f64> = detector.judge(&digits(300, |label| label == 3)).unwrap().iter().map(|v| v.score).collect();
    let odd: Vec<f64> = all.iter().map(|verdict| verdict.score).collect();
    let area = auroc(&normal, &odd);
    assert!(area > 0.975, "{} has an area of {area:.3}", detector.score());
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

    let area = area_of_scratches(&detector, &data.batch(&unseen).unwrap().values);
    assert!(area > 0.9, "the map of what is odd has an area of {area:.3} over pixels");

    for name in ["elbo", "reconstruction", "latent", "neighbours", "edges", "edges-gaussian", "mean"] {
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

/// The area under the curve of the heat map's pixels: those on a scratch, drawn into pictures that the model has not seen, against all
/// others of the same pictures.
fn area_of_scratches(detector: &Detector<'_>, pictures: &HostTensor) -> f64 {
    let [_, height, width] = [1, pictures.shape[2], pictures.shape[3]];
    let mut drawn = pictures.slice_rows(0..60);
    let mut on_scratch = vec![false; drawn.values.len()];
    for i in 0..60 {
        let mut stream = galatea_kernels::random::Stream::new(17, i as u64);
        let mut below = |n: usize| stream.below(n as u64) as usize;
        let (row, column, length) = (3 + below(height - 8), 2 + below(width - 12), 5 + below(4));
        let falls = below(2) == 1;
        for k in 0..length {
            for thick in 0..2 {
                let at = i * height * width + (row + if falls { k / 2 } else { 0 } + thick) * width + column + k;
                // Light on dark and dark on light.
                drawn.values[at] = if drawn.values[at] > 0.0 { -1.0 } else { 1.0 };
                on_scratch[at] = true;
            }
        }
    }
    let heat = detector.heat(&drawn).unwrap().unwrap();
    let of = |on: bool| -> Vec<f64> {
        heat.values.iter().zip(&on_scratch).filter(|(_, is)| **is == on).map(|(heat, _)| f64::from(*heat)).collect()
    };
    auroc(&of(false), &of(true))
}

/// Real pictures of two kinds, where there are some: `GALATEA_DATA` names the folder that holds them.
#[test]
fn an_emoji_is_no_face() {
    let Some(base) = std::env::var_os("GALATEA_DATA").map(std::path::PathBuf::from).filter(|path| path.is_dir()) else {
        eprintln!("skipped: `GALATEA_DATA` names no folder");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (family, mut settings) = training(None).unwrap();
    let more = "data.size=32 train.steps=300 network=dense hidden=[256] latent=16 eval.samples=0 monitor=off";
    settings.extend(more.split(' ').map(str::to_owned));
    let faces = base.join("images/orl-faces").to_string_lossy().into_owned();
    let request = Request { family: Some(family.to_owned()), data: Some(faces), settings, ..Request::default() };
    let surroundings =
        Surroundings { root: folder.path().into(), name: Some("faces".into()), ..Surroundings::default() };
    train_in(request.resolve().unwrap(), surroundings).unwrap();
    let generator = Generator::open_in("1", folder.path(), &galatea::device("cpu").unwrap()).unwrap();
    let options = DetectOptions { false_alarms: 0.05, ..DetectOptions::default() };
    let detector = Detector::new(&generator, Path::new("1"), folder.path(), &options).unwrap();
    let as_learnt = |name: &str, size: &str| {
        let options =
            DataOptions { size: size.into(), channels: galatea_data::Channels::Grey, ..DataOptions::default() };
        open(&base.join(name).to_string_lossy(), &options).unwrap()
    };
    let emoji = as_learnt("images/twemoji", "32");
    let emoji = emoji.batch(&(0..emoji.len()).step_by(4).collect::<Vec<_>>()).unwrap().values;
    let faces = as_learnt("images/orl-faces", "32");
    let unseen = galatea_data::split(&*faces, 0.2).held_back;
    let of = |examples: &HostTensor| -> Vec<f64> {
        detector.judge(examples).unwrap().iter().map(|verdict| verdict.score).collect()
    };
    let unseen = faces.batch(&unseen).unwrap().values;
    let (area, heat) = (auroc(&of(&unseen), &of(&emoji)), area_of_scratches(&detector, &unseen));
    eprintln!(
        "faces against emoji: {} {area:.4}, of scratches {heat:.4}; {:?}",
        detector.score(),
        detector.candidates()
    );
    assert!(area > 0.99, "{} has an area of {area:.3}", detector.score());
    assert!(heat > 0.9, "the map of what is odd has an area of {heat:.3} over pixels");
}
