//! `pianoroll`: what it tells of chords is a distribution, it writes what it says, and it learns.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use burn::prelude::Device;
use galatea_data::music::{Frame, frames_of, keys_of, rolls};
use galatea_data::{DataSpec, HostBatch, MusicSpec};
use galatea_kernels::random::Stream;
use galatea_models::registry::family;
use galatea_models::{SampleRequest, Session, Turn};

const LENGTH: usize = 12;

fn spec(length: usize) -> DataSpec {
    DataSpec::Music(MusicSpec { length, resolution: 1, tempo: 100.0 })
}

fn session(settings: &str, length: usize) -> Box<dyn Session> {
    let table = format!("width = 32\nhidden = 32\n{settings}").parse().unwrap();
    family("pianoroll").unwrap().session(&table, &spec(length), 1, &Device::flex()).unwrap()
}

/// A root that goes up by a fifth or down by a tone, and above it a third that is small or large by chance, and a fifth that
/// goes with it: two choices a frame, which no key tells alone.
fn piece(number: u64) -> Vec<Frame> {
    let mut draws = Stream::new(5, number);
    let mut root = 40usize;
    let mut frame = || {
        root = if draws.next_f64() < 0.5 && root < 60 { root + 7 } else { root.max(32) - 2 };
        let large = usize::from(draws.next_f64() < 0.5);
        1 << root | 1 << (root + 3 + large) | 1 << (root + 6 + large)
    };
    (0..LENGTH).map(|_| frame()).collect()
}

fn batch(numbers: std::ops::Range<u64>) -> HostBatch {
    let pieces: Vec<Vec<Frame>> = numbers.map(piece).collect();
    HostBatch { values: rolls(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>(), LENGTH), labels: None }
}

fn trained(settings: &str, steps: u64) -> Box<dyn Session> {
    let mut session = session(settings, LENGTH);
    for step in 1..=steps {
        session.step(Turn { seed: 1, step, steps }, &[batch(step * 16..step * 16 + 16)]).unwrap();
    }
    session
}

/// Nats of a frame of unseen pieces.
fn nats(session: &dyn Session) -> f64 {
    let all = session.as_likelihood().unwrap().nats(&batch(100_000..100_040)).unwrap();
    all.iter().sum::<f64>() / (40 * LENGTH) as f64
}

#[test]
fn chords_have_a_probability_of_one_together() {
    // Of all chords with up to two keys, and of many with more, as much as is left for others.
    let session = session("dropout = 0.0\ninput_dropout = 0.0\nnear = 6", 1);
    let likelihood = session.as_likelihood().unwrap();
    let sum = |chords: &[Frame]| -> f64 {
        let pieces: Vec<[Frame; 1]> = chords.iter().map(|chord| [*chord]).collect();
        let pieces: Vec<&[Frame]> = pieces.iter().map(|piece| &piece[..]).collect();
        let batch = HostBatch { values: rolls(&pieces, 1), labels: None };
        likelihood.nats(&batch).unwrap().iter().map(|nats| (-nats).exp()).sum()
    };
    let one: Vec<Frame> = (0..88).map(|key| 1 << key).collect();
    let two: Vec<Frame> = (0..88).flat_map(|a| (0..a).map(move |b| 1 << a | 1 << b)).collect();
    let few = sum(&[0]) + sum(&one) + sum(&two);
    // As often as among what is drawn.
    let drawn = session.sample(&SampleRequest::new(3, 4_000)).unwrap().values;
    let share = (0..4_000).filter(|i| frames_of(drawn.row(*i))[0].count_ones() <= 2).count() as f64 / 4_000.0;
    assert!((few - share).abs() < 4.0 * (share * (1.0 - share) / 4_000.0).sqrt(), "{few}, {share} drawn");
    assert!(few > 0.01 && few < 0.999);
    // Keys that are told each for itself: for each its own probability.
    let independent = self::session("outputs = 'independent'", 1);
    let likelihood = independent.as_likelihood().unwrap();
    let batch = |frame: Frame| HostBatch { values: rolls(&[&[frame]], 1), labels: None };
    let of = |frame: Frame| likelihood.nats(&batch(frame)).unwrap()[0];
    let [none, a, b, both] = [0, 1 << 3, 1 << 50, 1 << 3 | 1 << 50].map(of);
    assert!((both - none - ((a - none) + (b - none))).abs() < 1e-6);
}

#[test]
fn what_keys_have_to_do_with_each_other_is_learnt_by_chords_alone() {
    let [chord, independent] = ["chord", "independent"].map(|outputs| {
        trained(&format!("outputs = '{outputs}'\nlearning_rate = 0.01\ndropout = 0.0\ninput_dropout = 0.0"), 800)
    });
    let [with, without] = [nats(&*chord), nats(&*independent)];
    // Two fair choices a frame are 1.39 nats; keys for themselves have to pay for the chord's third note again.
    let choices = 2.0 * 2f64.ln();
    assert!(with < choices + 0.5, "{with} nats a frame, and {choices} are enough");
    assert!(without > with + 0.7, "{without} nats a frame with independent keys, {with} with chords");
    // What is drawn is made of the chords that were learnt, and goes on from a beginning.
    let is_chord = |frame: &Frame| {
        let keys: Vec<usize> = keys_of(*frame).collect();
        matches!(keys[..], [root, third, fifth] if fifth == third + 3 && (3..=4).contains(&(third - root)))
    };
    let drawn = chord.sample(&SampleRequest::new(7, 20)).unwrap().values;
    let frames: Vec<Frame> = (0..20).flat_map(|i| frames_of(drawn.row(i))).collect();
    let good = frames.iter().filter(|frame| is_chord(frame)).count();
    assert!(good * 10 > frames.len() * 9, "{good} of {}", frames.len());
    let beginning = &piece(99_999)[..4];
    let compose = chord.as_compose().unwrap();
    let root = |frame: Frame| keys_of(frame).next().unwrap();
    let next = compose.compose(beginning, 1, 1.0, &SampleRequest::new(1, 50)).unwrap();
    let after = (0..50).filter(|i| {
        let (now, last) = (root(frames_of(next.row(*i))[0]), root(beginning[3]));
        now == last + 7 || now + 2 == last.max(32)
    });
    assert!(after.count() > 40);
    // The same piece for the same number, whatever is drawn beside it; at a temperature of 0 there is one alone.
    let one = compose.compose(beginning, 1, 1.0, &SampleRequest { range: 9..10, ..SampleRequest::new(1, 1) }).unwrap();
    assert_eq!(one.values, next.row(9));
    let cold = compose.compose(&[], LENGTH, 0.0, &SampleRequest::new(1, 2)).unwrap();
    assert_eq!(cold.row(0), cold.row(1));
    assert!(compose.compose(&[], 1, -1.0, &SampleRequest::new(1, 1)).is_err());
}

#[test]
fn keys_that_see_their_neighbours_are_told_sooner() {
    let quick = "outputs = 'independent'\nlearning_rate = 0.01\ndropout = 0.0\ninput_dropout = 0.0";
    let [with, without] = ["near = 16", ""].map(|near| trained(&format!("{quick}\n{near}"), 150));
    let [told, alone] = [nats(&*with), nats(&*without)];
    assert!(told < alone - 1.0, "{told} nats a frame with what keys see, {alone} without");
    // What is written at a temperature of 0 is what is likelier than any frame that differs in one key: both sides see the same
    // frames before it.
    let beginning = &piece(99_998)[..5];
    for session in [with, trained(&format!("{quick}\nnear = 4\nnear_frames = 6"), 30)] {
        let one = SampleRequest::new(1, 1);
        let next = frames_of(session.as_compose().unwrap().compose(beginning, 1, 0.0, &one).unwrap().row(0))[0];
        let frames = (0..88).map(|key| next ^ 1 << key).chain([next]);
        let pieces: Vec<Vec<Frame>> = frames.map(|frame| [beginning, &[frame]].concat()).collect();
        let values = rolls(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>(), LENGTH);
        let nats = session.as_likelihood().unwrap().nats(&HostBatch { values, labels: None }).unwrap();
        assert!(nats[..88].iter().all(|other| *other > nats[88]), "{nats:?}");
    }
}
