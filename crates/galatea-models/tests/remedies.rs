//! That remedies for variety help: a small GAN on eight spots in a ring, which loses some of them without.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::prelude::Device;
use galatea_data::{DataSpec, HostBatch, HostTensor, ImageSpec};
use galatea_kernels::random::{Stream, fill_normal};
use galatea_models::registry::family;
use galatea_models::{SampleRequest, Turn};

const STEPS: u64 = 1_500;
const SEEDS: u64 = 6;
const SPOTS: usize = 8;

/// No average and no penalty: nothing but what is tried keeps it from collapsing.
const BARE: &str = "batch = 64\nlatent = 8\nhidden_g = [64, 64]\nhidden_d = [64, 64]\nr1 = 0\nema = 0\n\
    schedule = 'constant'\nlearning_rate_g = 1e-3\nlearning_rate_d = 1e-3\nbeta_1 = 0.5\nbeta_2 = 0.999\n";

fn spot(i: usize) -> [f32; 2] {
    let angle = i as f32 * std::f32::consts::TAU / SPOTS as f32;
    [0.8 * angle.cos(), 0.8 * angle.sin()]
}

/// Points near spots drawn at random, as pictures of two pixels.
fn batch(n: usize, seed: u64, stream: u64) -> HostBatch {
    let mut values = vec![0.0; 2 * n];
    fill_normal(seed, 2 * stream, &mut values);
    let mut choice = Stream::new(seed, 2 * stream + 1);
    for point in values.chunks_exact_mut(2) {
        let spot = spot(choice.below(SPOTS as u64) as usize);
        point.iter_mut().zip(spot).for_each(|(value, spot)| *value = spot + 0.02 * *value);
    }
    HostBatch { values: HostTensor::new([n, 1, 1, 2], values), labels: None }
}

/// Spots near which at least one in a hundred samples lies, over all seeds.
fn spots_found(remedy: &str) -> usize {
    let spec = DataSpec::Images(ImageSpec { channels: 1, height: 1, width: 2, classes: vec![] });
    let table = format!("{BARE}{remedy}").parse().unwrap();
    let found = |seed| {
        let mut session = family("gan").unwrap().session(&table, &spec, seed, &Device::flex()).unwrap();
        for step in 1..=STEPS {
            session.step(Turn { seed, step, steps: STEPS }, &[batch(64, seed, step)]).unwrap();
        }
        let samples = session.sample(&SampleRequest::new(9, 1_000)).unwrap().values;
        let near = |i: usize| {
            let [x, y] = spot(i);
            samples.values.chunks_exact(2).filter(|point| (point[0] - x).hypot(point[1] - y) < 0.12).count()
        };
        (0..SPOTS).filter(|&i| near(i) >= 10).count()
    };
    (0..SEEDS).map(found).sum()
}

#[test]
fn what_is_for_variety_finds_spots_that_a_bare_gan_loses() {
    let all = SPOTS * SEEDS as usize;
    // 29 of 48.
    let bare = spots_found("");
    assert!(bare < all * 3 / 4, "the bare GAN finds {bare} of {all} spots: it shows nothing");
    // 41 and 45.
    for (remedy, least) in [("pack = 2", all * 3 / 4), ("mode_seeking = 1", all * 7 / 8)] {
        let found = spots_found(remedy);
        assert!(found > least, "with {remedy} {found} of {all} spots are found, and {bare} without");
    }
}
