//! Trains the digit classifier whose features judge digits, and writes its weights.
//!
//! `cargo run --release -p galatea-metrics --example train_digit_classifier`
#![expect(clippy::print_stdout, reason = "this is a program")]

use std::path::Path;

use burn::prelude::Device;
use galatea_data::{AugmentOptions, DataOptions, Dataset, HostTensor};
use galatea_kernels::random::Stream;
use galatea_metrics::features::encode_weights;
use galatea_models::classifier::Classifier;

const EPOCHS: usize = 16;
const BATCH: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = galatea_data::open("digits", &DataOptions::default())?;
    let split = galatea_data::split(&*data, 0.1);
    let augment = AugmentOptions { shift: 0.08, rotate: 10.0, scale: 0.1, ..AugmentOptions::default() };
    let mut classifier = Classifier::new([1, 28, 28], 10, 0, &Device::flex());
    let steps = EPOCHS * split.train.len() / BATCH;
    let mut order = split.train.clone();
    let mut at = order.len();
    for step in 0..steps {
        if at + BATCH > order.len() {
            Stream::new(0, step as u64).shuffle(&mut order);
            at = 0;
        }
        let mut batch = data.batch(&order[at..at + BATCH])?;
        let streams: Vec<u64> = (0..BATCH).map(|i| (1 << 32) + (step * BATCH + i) as u64).collect();
        galatea_data::augment(&mut batch, data.spec(), &augment, 0, &streams);
        at += BATCH;
        let loss = classifier.step(&batch, 1e-3 * (1.0 - step as f64 / steps as f64))?;
        if step % 200 == 0 {
            println!("step {step} of {steps}: {loss:.4} nats");
        }
    }
    println!(
        "accuracy on the {} digits held back: {:.4}",
        split.held_back.len(),
        accuracy(&classifier, &*data, &split.held_back)?
    );
    println!(
        "accuracy on the {} digits learnt: {:.4}",
        split.train.len(),
        accuracy(&classifier, &*data, &split.train)?
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/digits-lenet.safetensors");
    std::fs::write(&path, encode_weights(&classifier.part())?)?;
    println!("wrote {}", path.display());
    Ok(())
}

fn accuracy(classifier: &Classifier, data: &dyn Dataset, indices: &[usize]) -> Result<f64, Box<dyn std::error::Error>> {
    let batch = data.batch(indices)?;
    let (_, probabilities): (HostTensor, HostTensor) = classifier.read(&batch.values)?;
    let labels = batch.labels.unwrap_or_default();
    let right = labels.iter().enumerate().filter(|(i, label)| largest(probabilities.row(*i)) == **label as usize);
    Ok(right.count() as f64 / labels.len() as f64)
}

fn largest(row: &[f32]) -> usize {
    (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0)
}
