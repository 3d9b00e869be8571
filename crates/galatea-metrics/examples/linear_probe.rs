//! Prints how many digits a linear classifier gets right that has seen a few labelled ones, for every kind of features that digits
//! can be read by.
//!
//! `cargo run --release -p galatea-metrics --example linear_probe`
#![expect(clippy::print_stdout, reason = "this is a program")]

use std::time::Instant;

use galatea_data::DataOptions;
use galatea_metrics::features::{KINDS, Learn, Opening, Takes, open};
use galatea_metrics::linear_probe::{Seen, accuracy, accuracy_by_few};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = galatea_data::open("digits", &DataOptions::default())?;
    let split = galatea_data::split(&*data, 0.1);
    let [train, unseen] = [&split.train, &split.held_back].map(|indices| data.batch(indices));
    let (train, unseen) = (train?, unseen?);
    println!("{:14} {:>8} {:>8} {:>8} {:>8} {:>9}", "features", "all", "10 each", "3 each", "1 each", "ready in");
    for kind in KINDS.iter().filter(|kind| kind.takes != Takes::File) {
        let began = Instant::now();
        let learn = Learn { data: &*data, examples: &split.train };
        let features = open(kind.name, &Opening { learn: Some(learn), ..Opening::new(data.spec()) })?;
        let ready = began.elapsed().as_secs_f64();
        let mut seen = Vec::new();
        for batch in [&train, &unseen] {
            seen.push(Seen {
                features: features.read(&batch.values)?.features,
                labels: batch.labels.clone().unwrap_or_default(),
            });
        }
        let all = 100.0 * accuracy(&seen[0], &seen[1], 10);
        let [ten, three, one] = [10, 3, 1].map(|count| 100.0 * accuracy_by_few(&seen[0], &seen[1], 10, count));
        println!("{:14} {all:>6.1} % {ten:>6.1} % {three:>6.1} % {one:>6.1} % {ready:>7.1} s", kind.name);
    }
    Ok(())
}
