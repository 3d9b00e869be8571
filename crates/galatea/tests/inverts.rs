//! Latent vectors of pictures in a generator without an encoder, and what they are good for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use galatea::detect::{DetectOptions, Detector, auroc};
use galatea::{
    DataOptions, Ends, Generator, HostBatch, HostTensor, Request, SampleRequest, Surroundings, Which, open, train_in,
};

#[test]
fn a_gan_gives_back_walks_between_and_tells_what_is_odd() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "train.steps=600 hidden_g=[128,128] hidden_d=[128,64] latent=8 data.classes=1 conditional=no data.holdout=0.2 \
                    eval.samples=0 monitor=off";
    let settings = settings.split_whitespace().map(str::to_owned).collect();
    let request = Request { family: Some("gan".into()), settings, ..Request::default() };
    let surroundings =
        Surroundings { root: folder.path().into(), name: Some("ones".into()), ..Surroundings::default() };
    train_in(request.resolve().unwrap(), surroundings).unwrap();
    let device = galatea::device("cpu").unwrap();
    let generator = Generator::open_whole("1", Which::Newest, folder.path(), &device).unwrap();

    // Of what it has drawn itself it finds where that comes from; what it has not drawn is farther.
    let drawn = generator.sample(&SampleRequest::new(5, 12)).unwrap();
    let back = generator.reconstruct(&drawn).unwrap();
    let apart = |a: &HostTensor, i: usize, b: &HostTensor, j: usize| -> f64 {
        a.row(i).iter().zip(b.row(j)).map(|(a, b)| f64::from(a - b).powi(2)).sum()
    };
    let own: f64 = (0..12).map(|i| apart(&drawn.values, i, &back, i)).sum();
    let others: f64 = (0..12).map(|i| apart(&drawn.values, i, &back, (i + 1) % 12)).sum();
    assert!(own < 0.2 * others, "{own:.1} to what comes back, {others:.1} to what comes back of another");
    // What is said of a picture depends on it alone.
    let one = HostBatch { values: drawn.values.slice_rows(7..8), labels: None };
    assert_eq!(generator.reconstruct(&one).unwrap().row(0), back.row(7));
    // A walk begins and ends where its pictures are.
    let two = HostBatch { values: drawn.values.slice_rows(3..5), labels: None };
    let walk = generator.walk_between(&two, 4, Ends::Apart).unwrap();
    assert_eq!((walk.rows(), walk.row(0), walk.row(4)), (5, back.row(3), back.row(4)));

    let options = DetectOptions { false_alarms: 0.05, score: "inversion".into(), ..DetectOptions::default() };
    let detector = Detector::new(&generator, Path::new("1"), folder.path(), &options).unwrap();
    let data = open("digits", &DataOptions::default()).unwrap();
    let of = |wanted: &dyn Fn(u32) -> bool| {
        let all = (0..data.len()).filter(|i| wanted(data.label(*i).unwrap())).step_by(9).take(100);
        data.batch(&all.collect::<Vec<_>>()).unwrap().values
    };
    let judged = |examples: &HostTensor| -> Vec<f64> {
        detector.judge(examples).unwrap().iter().map(|verdict| verdict.score).collect()
    };
    let others = of(&|label| label != 1);
    let odd = judged(&others);
    let area = auroc(&judged(&of(&|label| label == 1)), &odd);
    assert!(area > 0.95, "what is no one has an area of {area:.3}");
    assert_eq!(judged(&others.slice_rows(40..41))[0].to_bits(), odd[40].to_bits());

    // The first layer of this family is linear: directions are those of its weights, at right angles and in order.
    let directions = generator.directions(4).unwrap();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    for (i, a) in directions.iter().enumerate() {
        assert!(directions.iter().skip(i).all(|b| a.strength >= b.strength));
        for (j, b) in directions.iter().enumerate() {
            assert!((dot(&a.vector, &b.vector) - f64::from(u8::from(i == j))).abs() < 1e-4);
        }
    }
    // The strongest changes more than the weakest; the middle of a strip is the place itself.
    let places = generator.places(&SampleRequest::new(5, 6)).unwrap();
    let all = generator.directions(8).unwrap();
    let moved = |which: usize| -> f64 {
        let strips = generator.along(&places, &all[which..which + 1], 1.5, 3).unwrap();
        (0..6).for_each(|i| assert_eq!(strips.row(3 * i + 1), drawn.values.row(i)));
        (0..6).map(|i| apart(&strips, 3 * i, &strips, 3 * i + 2)).sum()
    };
    assert!(moved(0) > moved(7), "{} and {}", moved(0), moved(7));
    // A place less itself and plus another is that other.
    let single = |i: u64| generator.places(&SampleRequest { range: i..i + 1, ..SampleRequest::new(5, 0) }).unwrap();
    let sum = generator.sum(&single(0), &single(2).latents, &single(0).latents).unwrap();
    assert_eq!(sum.rows(), 3);
    assert!(apart(&sum, 2, &drawn.values, 2) < 1e-6);
}
