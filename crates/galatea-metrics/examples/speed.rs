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
        println!("{{\"name\": \"peak memory\", \"seconds\": 0, \"cpu\": 0, \"values\": [{mebibytes}]}}");
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
    let (begun, busy) = (Instant::now(), processor_seconds());
    let values = f()?;
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), processor_seconds() - busy);
    println!("{{\"name\": \"{name}\", \"seconds\": {seconds:.3}, \"cpu\": {cpu:.2}, \"values\": {values:?}}}");
    Ok(())
}

/// Seconds that processors have worked for this process, where the system tells: other processes hardly change them.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in brackets, may hold spaces; ticks are hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}
