//! Cases whose sides take turns, round by round.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::cases::{Case, How, Peer};
use super::results::{Row, Side, median};
use super::worker::Worker;
use super::{Bench, worker};

/// Matrix products, by their size.
const PRODUCTS: &[u64] = &[1024, 2048];
/// Seconds of each matrix product in each round.
const PRODUCT_SECONDS: f64 = 0.15;
/// Training steps of the process whose memory is measured.
const MEMORY_STEPS: &str = "30";

/// One side of a case.
struct Contestant {
    /// `None` is ours.
    variant: Option<String>,
    worker: Worker,
    rounds: Vec<Vec<f64>>,
    peak_memory_bytes: Option<u64>,
}

impl Contestant {
    fn new(variant: Option<&str>, worker: Worker) -> Self {
        Self { variant: variant.map(str::to_owned), worker, rounds: Vec::new(), peak_memory_bytes: None }
    }

    /// Steps that are not counted: the first ones compile, fill caches and find the best algorithms.
    fn warm_up(&mut self, seconds: f64) -> anyhow::Result<()> {
        self.worker.turn(&json!({ "steps": 2 }))?;
        self.worker.turn(&json!({ "seconds": seconds.min(0.5) })).map(drop)
    }

    fn play(&mut self, seconds: f64) -> anyhow::Result<()> {
        let worker::Turn { milliseconds, peak_memory_bytes } = self.worker.turn(&json!({ "seconds": seconds }))?;
        self.rounds.push(milliseconds);
        self.peak_memory_bytes = peak_memory_bytes;
        Ok(())
    }

    fn side(&self) -> Side {
        let variant = self.variant.as_deref().unwrap_or("galatea");
        Side::new(variant, &self.worker.hello.version, &self.rounds, self.peak_memory_bytes)
    }
}

/// A matrix product by one side.
pub(crate) struct Product {
    size: u64,
    worker: Worker,
    /// Medians of the rounds of the case that is measured.
    milliseconds: Vec<f64>,
}

impl Product {
    /// Operations per second in the middle round.
    fn rate(&self) -> f64 {
        2.0 * (self.size as f64).powi(3) / (median(&self.milliseconds) * 1e-3)
    }
}

/// The order of round `round`: there and back, so that no side always comes after the same other.
fn order(count: usize, round: usize) -> Vec<usize> {
    if round.is_multiple_of(2) { (0..count).collect() } else { (0..count).rev().collect() }
}

impl Bench<'_> {
    /// Milliseconds of steps in processes that live through all rounds.
    pub(crate) fn steps(&mut self, case: &Case) -> anyhow::Result<Row> {
        let mut row = self.row(case);
        let seconds = self.options.seconds;
        let mut contestants = Vec::new();
        let mut ours = self.start_ours(case.name, None)?;
        match ours.hello.absent.take() {
            Some(reason) => row.absent = Some(reason),
            None => contestants.push(Contestant::new(None, ours)),
        }
        for variant in self.variants(case.peer, case.name) {
            match self.start_peer(case.peer, case.name, &variant) {
                Ok(worker) => contestants.push(Contestant::new(Some(&variant), worker)),
                Err(error) => eprintln!("  {variant} is left out: {error:#}"),
            }
        }
        let parameters: Vec<&Value> = contestants.iter().map(|side| &side.worker.hello.parameters).collect();
        ensure!(
            parameters.windows(2).all(|pair| pair[0] == pair[1]),
            "the sides train different networks: {}",
            parameters.iter().map(|count| count.to_string()).collect::<Vec<_>>().join(", ")
        );
        let mut ready = Vec::new();
        for mut contestant in contestants {
            match (contestant.warm_up(seconds), &contestant.variant) {
                (Ok(()), _) => ready.push(contestant),
                (Err(error), None) => return Err(error),
                (Err(error), Some(variant)) => eprintln!("  {variant} is left out: {error:#}"),
            }
        }
        ensure!(self.options.alone || ready.iter().any(|side| side.variant.is_some()), "no variant of the peer works");
        self.start_products(case)?;
        for round in 0..self.options.rounds {
            for index in order(ready.len(), round) {
                ready[index].play(seconds)?;
            }
            for product in self.products.iter_mut().filter(|_| case.flops.is_some()) {
                let turn = product.worker.turn(&json!({ "seconds": PRODUCT_SECONDS }))?;
                product.milliseconds.push(median(&turn.milliseconds));
            }
            let shown = |side: &Contestant| {
                let name = side.variant.as_deref().unwrap_or("galatea");
                format!("{name} {:.2}", side.rounds.last().map_or(f64::NAN, |round| median(round)))
            };
            eprintln!("  round {}: {} ms", round + 1, ready.iter().map(shown).collect::<Vec<_>>().join(", "));
        }
        if case.flops.is_some() {
            row.peak_flops = self.products.iter().map(Product::rate).reduce(f64::max);
        }
        let (ours, mut theirs): (Vec<_>, Vec<_>) = ready.iter().partition(|side| side.variant.is_none());
        row.ours = ours.first().map(|side| side.side());
        row.theirs = theirs.drain(..).map(Contestant::side).collect();
        row.theirs.sort_by(|a, b| a.median.total_cmp(&b.median));
        Ok(row)
    }

    /// Milliseconds or memory of processes that are started anew for each round.
    pub(crate) fn processes(&mut self, case: &Case) -> anyhow::Result<Row> {
        let variants = self.variants(case.peer, case.name);
        let sides: Vec<Option<&str>> = std::iter::once(None).chain(variants.iter().map(|name| Some(&**name))).collect();
        let mut rounds = vec![Vec::new(); sides.len()];
        // The first round is not counted: it reads the programs from the disk.
        for round in 0..=self.options.rounds {
            for index in order(sides.len(), round) {
                let figure = self.process(case, sides[index])?;
                if round > 0 {
                    rounds[index].push(vec![figure]);
                }
            }
            if round > 0 {
                let shown = |(side, rounds): (&Option<&str>, &Vec<Vec<f64>>)| {
                    format!("{} {:.0}", side.unwrap_or("galatea"), rounds[round - 1][0])
                };
                let figures: Vec<String> = sides.iter().zip(&rounds).map(shown).collect();
                eprintln!("  round {round}: {} {}", figures.join(", "), case.unit());
            }
        }
        let mut row = self.row(case);
        let mut figures =
            sides.iter().zip(&rounds).map(|(side, rounds)| Side::new(side.unwrap_or("galatea"), "", rounds, None));
        row.ours = figures.next();
        row.theirs = figures.collect();
        row.theirs.sort_by(|a, b| a.median.total_cmp(&b.median));
        Ok(row)
    }

    /// The figure of one process of a side.
    fn process(&self, case: &Case, variant: Option<&str>) -> anyhow::Result<f64> {
        let steps = if case.how == How::Start { "1" } else { MEMORY_STEPS };
        let command = match variant {
            Some(variant) => {
                let mut command = self.python(case.peer)?;
                command.args([case.name, variant, "--steps", steps]);
                command
            }
            None => self.training(steps),
        };
        let name = format!("{} {}", case.name, variant.unwrap_or("galatea"));
        let begin = Instant::now();
        let answer = Worker::once(&name, command, self.log(&name))?;
        let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
        if variant.is_none() {
            let runs = self.scratch().join("runs");
            std::fs::remove_dir_all(&runs).with_context(|| format!("cannot remove `{}`", runs.display()))?;
        }
        match case.how {
            How::Memory => {
                let bytes =
                    answer["peak_memory_bytes"].as_f64().context("this system does not tell a peak of memory")?;
                Ok(bytes / f64::from(1 << 20))
            }
            _ => Ok(milliseconds),
        }
    }

    /// The program as a user runs it, on the network of the case `dcgan-28`.
    fn training(&self, steps: &str) -> Command {
        let mut command = self.with_threads(Command::new(self.built("galatea")));
        command
            .args(["train", "dcgan", "--json", "--quiet", "--steps", steps, "--runs"])
            .arg(self.scratch().join("runs"));
        command.args(["--set", "batch=64", "latent=100", "conditional=no", "r1=0", "ema=0", "eval.samples=0"]);
        command
    }

    fn start_products(&mut self, case: &Case) -> anyhow::Result<()> {
        if case.flops.is_none() {
            return Ok(());
        }
        if self.products.is_empty() {
            for &size in PRODUCTS {
                let variant = size.to_string();
                let mut workers = vec![self.start_ours("sgemm", Some(&variant))?];
                if self.python.is_some() {
                    workers.push(self.start_peer(Peer::PyTorch, "sgemm", &variant)?);
                }
                let products = workers.into_iter().map(|worker| Product { size, worker, milliseconds: Vec::new() });
                self.products.extend(products);
            }
        }
        for product in &mut self.products {
            product.milliseconds.clear();
            product.worker.turn(&json!({ "steps": 2 }))?;
        }
        Ok(())
    }

    pub(crate) fn start_ours(&self, case: &str, variant: Option<&str>) -> anyhow::Result<Worker> {
        let mut command = self.ours();
        command.arg(case).args(variant);
        let name = format!("bench_steps {case}{}", variant.map(|name| format!(" {name}")).unwrap_or_default());
        Worker::start(&name, command, self.log(&name))
    }

    pub(crate) fn start_peer(&self, peer: Peer, case: &str, variant: &str) -> anyhow::Result<Worker> {
        let mut command = self.python(peer)?;
        command.args([case, variant]);
        self.start_script(peer, &format!("{case} {variant}"), command)
    }

    pub(crate) fn start_script(&self, peer: Peer, what: &str, command: Command) -> anyhow::Result<Worker> {
        let name = format!("{} {what}", peer.script());
        let worker = Worker::start(&name, command, self.log(&name))?;
        match &worker.hello.absent {
            Some(reason) => bail!("{reason}"),
            None => Ok(worker),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_go_there_and_back() {
        assert_eq!((order(3, 0), order(3, 1), order(3, 2)), (vec![0, 1, 2], vec![2, 1, 0], vec![0, 1, 2]));
    }
}
