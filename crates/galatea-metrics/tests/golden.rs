//! Agreement with torch-fidelity, clean-fid, prdc, scikit-learn and scipy on the same points; see `golden/metrics.py`.
//!
//! `cargo test -p galatea-metrics --test golden -- --nocapture` prints the table.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and prints its table")]

use std::cell::RefCell;

use galatea_kernels::random::fill_uniform;
use galatea_metrics::frechet::{self, Moments};
use galatea_metrics::histogram::histogram;
use galatea_metrics::inception_score::inception_score;
use galatea_metrics::kernel_distance::kernel_distance;
use galatea_metrics::metric::{Metric, measure};
use galatea_metrics::prdc::prdc;
use galatea_metrics::{METRICS, Points};
use serde_json::Value;

const SEED: u64 = 11;
/// Relative, of every number; much less than what separates any two implementations that differ in anything but rounding.
const TOLERANCE: f64 = 1e-4;

/// The rule by which both sides make points.
fn rows(n: usize, d: usize, stream: u64, change: impl Fn(f64) -> f64) -> Points {
    let mut values = Vec::with_capacity(n * d);
    for i in 0..n as u64 {
        let mut uniform = vec![0.0f32; 4 * d];
        fill_uniform(SEED, stream + i, &mut uniform);
        let x: Vec<f64> = uniform.chunks(4).map(|four| four.iter().map(|v| f64::from(*v)).sum::<f64>() - 2.0).collect();
        // NumPy's roll by -1.
        values.extend((0..d).map(|j| change(x[j] + 0.5 * x[(j + 1) % d])));
    }
    Points::double(d, values).unwrap()
}

fn relu(x: f64) -> f64 {
    x.max(0.0)
}

/// Samples and real examples of a case; the same cases, in the same words, are in `metrics.py`.
fn case(name: &str) -> (Points, Points) {
    match name {
        "activations" => (rows(1200, 64, 0, |x| relu(x * 1.0625 + 0.375)), rows(1000, 64, 10_000, |x| relu(x + 0.25))),
        "wide" => (rows(150, 300, 20_000, |x| relu(x + 0.375)), rows(200, 300, 30_000, |x| relu(x + 0.25))),
        "same" => (rows(1500, 32, 40_000, |x| x), rows(1500, 32, 50_000, |x| x)),
        "offset" => (rows(400, 48, 60_000, |x| x + 50.25), rows(400, 48, 70_000, |x| x + 50.0)),
        "ties" => (rows(300, 4, 80_000, |x| (x * 2.0 + 1.0).floor()), rows(250, 4, 90_000, |x| (x * 2.0).floor())),
        "collapsed" => {
            let first = rows(400, 16, 100_000, |x| (x / 8.0).floor());
            let samples = (0..400).flat_map(|i| vec![first.row(i)[0]; 16]).collect();
            (Points::double(16, samples).unwrap(), rows(400, 16, 110_000, |x| x))
        }
        _ => panic!("there is no case {name}"),
    }
}

/// Compares, prints, and remembers what is off.
struct Table {
    wrong: RefCell<Vec<String>>,
}

impl Table {
    fn row(&self, name: &str, ours: f64, reference: &Value) {
        let Some(reference) = reference.as_f64() else { return };
        let difference = (ours - reference).abs() / reference.abs().max(f64::MIN_POSITIVE);
        let difference = if ours == reference { 0.0 } else { difference };
        println!("{name:52} {ours:>20.12} {reference:>20.12} {difference:>9.1e}");
        if difference > TOLERANCE {
            self.wrong.borrow_mut().push(format!("{name}: {ours} is not {reference}"));
        }
    }
}

fn named(name: &str) -> &'static Metric {
    METRICS.iter().find(|metric| metric.numbers[0].name == name).unwrap()
}

#[test]
fn numbers_agree_with_the_reference_programs() {
    let golden: Value = serde_json::from_str(include_str!("golden/metrics.json")).unwrap();
    let table = Table { wrong: RefCell::new(Vec::new()) };
    println!("{:52} {:>20} {:>20} {:>9}", "", "ours", "reference", "relative");
    for name in ["activations", "wide", "same", "offset", "ties", "collapsed"] {
        let (samples, real) = case(name);
        let (golden, title) = (&golden[name], |what: &str| format!("{name}: {what}"));
        let one = |metric: &Metric| measure(metric, &samples, &real, None).unwrap()[0];

        let frechet = one(&frechet::METRIC);
        table.row(&title("FID, torch-fidelity"), frechet, &golden["frechet"]["torch-fidelity"]);
        table.row(&title("FID, clean-fid"), frechet, &golden["frechet"]["clean-fid"]);

        let (mean, deviation) = kernel_distance(&samples, &real).unwrap();
        table.row(&title("KID, torch-fidelity"), mean, &golden["kernel"]["torch-fidelity"]);
        table.row(&title("KID, clean-fid"), mean, &golden["kernel"]["clean-fid"]);
        // All parts are the whole sets where both are of that size: what is left in the reference is rounding.
        if samples.rows() != real.rows() || samples.rows() > 1000 {
            let reference = &golden["kernel"]["torch-fidelity deviation"];
            table.row(&title("KID's deviation, torch-fidelity"), deviation, reference);
        }

        let found = prdc(&real, &samples, 5).unwrap();
        for (what, ours) in [
            ("precision", found.precision),
            ("recall", found.recall),
            ("density", found.density),
            ("coverage", found.coverage),
        ] {
            table.row(&title(&format!("{what}, prdc")), ours, &golden["prdc"][what]);
        }
        table.row(&title("median realism, scipy"), one(named("realism-k5")), &golden["realism"]);
        table.row(&title("MMD, torch-fidelity"), one(named("mmd-rbf")), &golden["mmd"]);
        table.row(&title("two-sample test, scikit-learn"), one(named("two-sample-1nn")), &golden["two_sample"]);
        table.row(&title("sliced Wasserstein, numpy"), one(named("sliced-wasserstein")), &golden["sliced"]);
        table.row(&title("diversity, scipy"), one(named("diversity")), &golden["diversity"]);
    }

    let train = rows(500, 12, 140_000, |x| x);
    let (fresh, real) = (rows(300, 12, 120_000, |x| x), rows(350, 12, 130_000, |x| x));
    let copied = (0..300).flat_map(|i| if i < 60 { train.row(i) } else { fresh.row(i) });
    let samples = Points::double(12, copied.collect()).unwrap();
    let memorised = measure(named("closer-to-train"), &samples, &real, Some(&train)).unwrap();
    table.row("closer to the training set, scipy", memorised[0], &golden["memorised"]["closer"]);
    table.row("copied, scipy", memorised[1], &golden["memorised"]["copied"]);

    let (drawn, real) = probabilities();
    let (score, deviation) = inception_score(&drawn, 10);
    let golden = &golden["classes"];
    table.row("Inception Score, torch-fidelity", score, &golden["inception"]);
    table.row("Inception Score's deviation, torch-fidelity", deviation, &golden["inception deviation"]);
    let classes = histogram(&real, &drawn).unwrap();
    table.row("divergence of classes, scipy", classes.divergence, &golden["divergence"]);
    table.row("total variation of classes, scipy", classes.total_variation, &golden["variation"]);
    assert!(table.wrong.borrow().is_empty(), "{:#?}", table.wrong.borrow());
}

fn probabilities() -> (Points, Points) {
    let over_sum = |row: Vec<f64>| {
        let sum: f64 = row.iter().sum();
        row.into_iter().map(move |value| value / sum)
    };
    let drawn = (0..1234).flat_map(|i| {
        let mut uniform = [0.0f32; 10];
        fill_uniform(SEED, 150_000 + i, &mut uniform);
        over_sum(uniform.iter().map(|value| (f64::from(*value) * 16_777_216.0 + 1.0).powi(4)).collect())
    });
    let drawn = Points::double(10, drawn.collect()).unwrap();
    // Reversed, rolled by one, squared.
    let real = (0..1000).flat_map(|i| {
        let row = drawn.row(i);
        over_sum((0..10).map(|j| row[9 - (j + 9) % 10].powi(2)).collect())
    });
    let real = Points::double(10, real.collect()).unwrap();
    (drawn, real)
}

/// The same points twice, but for the order: nothing may depend on it but by rounding.
#[test]
fn moments_do_not_depend_on_the_order_of_points() {
    let (samples, _) = case("activations");
    let turned = samples.select(&(0..1200).rev().collect::<Vec<_>>());
    let (a, b) = (Moments::of(&samples).unwrap(), Moments::of(&turned).unwrap());
    assert!(frechet::distance(&a, &b).unwrap() < 1e-9);
}
