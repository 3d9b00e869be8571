//! The self-test of precision, recall, density and coverage: 10,000 against 10,000 points of N(0, I) in 1,000 dimensions, five
//! neighbours, for which the authors' programs give precision .4772, recall .4705, density 1.0555 and coverage .9735.
//!
//! `cargo run --release -p galatea-metrics --example self_test [POINTS [DIMENSIONS]]`
#![expect(clippy::print_stdout, reason = "this is a program")]

use std::time::Instant;

use galatea_data::HostTensor;
use galatea_kernels::random::fill_normal;
use galatea_metrics::Points;
use galatea_metrics::prdc::prdc;

const SEEDS: u64 = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<usize>());
    let n = arguments.next().transpose()?.unwrap_or(10_000);
    let d = arguments.next().transpose()?.unwrap_or(1_000);
    println!("{n} against {n} points of N(0, I) in {d} dimensions, k = 5");
    println!("           precision  recall  density  coverage  seconds");
    println!("authors        .4772   .4705   1.0555     .9735           (10,000 points, 1,000 dimensions)");
    for seed in 0..SEEDS {
        let draw = |stream: u64| {
            let mut values = vec![0.0; n * d];
            fill_normal(seed, stream, &mut values);
            Points::single(HostTensor::new([n, d], values))
        };
        let (real, samples) = (draw(0)?, draw(1)?);
        let begun = Instant::now();
        let found = prdc(&real, &samples, 5)?;
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "seed {seed}     {:9.4}  {:6.4}  {:7.4}  {:8.4}  {seconds:7.2}",
            found.precision, found.recall, found.density, found.coverage
        );
    }
    Ok(())
}
