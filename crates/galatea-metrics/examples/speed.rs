//! Times the metrics that cost most on two arrays of features, and prints a line of JSON for each.
//!
//! `cargo run --release -p galatea-metrics --example speed A.npy B.npy [THREADS]`; `bench/peers/metrics.py` runs it beside
//! torch-fidelity and prdc.
#![expect(clippy::print_stdout, reason = "this is a program")]

use std::path::Path;
use std::time::Instant;

use galatea_data::HostTensor;
use galatea_data::formats::{Rows, read_rows};
use galatea_kernels::pool::set_threads;
use galatea_metrics::frechet::{Moments, distance};
use galatea_metrics::kernel_distance::kernel_distance;
use galatea_metrics::prdc::prdc;
use galatea_metrics::{Points, Result};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [samples, real, rest @ ..] = &arguments[..] else { return Err("usage: speed A.npy B.npy [THREADS]".into()) };
    if let Some(threads) = rest.first() {
        set_threads(threads.parse()?);
    }
    let (samples, real) = (read(samples)?, read(real)?);
    timed("fid", || Ok(vec![distance(&Moments::of(&samples)?, &Moments::of(&real)?)?]))?;
    timed("kid", || kernel_distance(&samples, &real).map(|(mean, deviation)| vec![mean, deviation]))?;
    timed("prdc", || {
        let found = prdc(&real, &samples, 5)?;
        Ok(vec![found.precision, found.recall, found.density, found.coverage])
    })?;
    if let Some(mebibytes) = peak_memory() {
        println!("{{\"name\": \"peak memory\", \"seconds\": 0, \"values\": [{mebibytes}]}}");
    }
    Ok(())
}

/// The most memory that this process has held, in MiB, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib >> 10)
}

fn read(path: &str) -> Result<Points> {
    match read_rows(Path::new(path), 1 << 40)? {
        Rows::Single { width, values } => Points::single(HostTensor::new([values.len() / width, width], values)),
        Rows::Double { width, values } => Points::double(width, values),
    }
}

fn timed(name: &str, f: impl FnOnce() -> Result<Vec<f64>>) -> Result<()> {
    let begun = Instant::now();
    let values = f()?;
    println!("{{\"name\": \"{name}\", \"seconds\": {:.3}, \"values\": {values:?}}}", begun.elapsed().as_secs_f64());
    Ok(())
}
