//! `cargo xtask bench`: our training steps beside those of PyTorch and Keras, in rounds that alternate between them.
//!
//! docs/performance.md says how to run it and how to read what it prints.

mod cases;
mod flops;
mod machine;
mod options;
mod python;
mod quality;
mod results;
mod rounds;
mod table;
mod twins;
mod worker;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use cases::{CASES, Case, How, Peer};
use options::Options;
use results::{Results, Row};
use worker::Worker;

use crate::cargo::cargo;

/// Where results are kept that README.md shows.
const LATEST: &str = "bench/results/latest.json";

/// Help, as `cargo xtask bench --help` prints it.
pub(crate) const HELP: &str = "\
Our training steps beside those of PyTorch and Keras

cargo xtask bench                    every case but `quality`; writes bench/results/latest.json and README.md's table
  --cases A,B      only these, or `all`; others keep their place in the table
  --rounds N       rounds that alternate between the sides [default: 5]
  --seconds S      seconds of each side in each round [default: 2]
  --threads N      threads of each side [default: all cores]
  --json FILE      write the figures there, and leave README.md alone
  --alone          our side only, without Python; writes nothing unless `--json` says where
  --quality-seconds S   training time of each side in the case `quality` [default: 300]
cargo xtask bench --check            compares PyTorch's networks and operation counts with ours
cargo xtask bench --list             the cases

The first run makes bench/peers/.venv and installs the peers there. PYTHON names another Python than python3.
";

/// Runs the command line `arguments`.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    match arguments {
        ["--help" | "-h"] => {
            print!("{HELP}");
            return Ok(());
        }
        ["--list"] => {
            CASES.iter().for_each(|case| println!("{:10} {}", case.name, case.title));
            return Ok(());
        }
        ["--check"] => {
            let cases = CASES.iter().filter(|case| case.peer == Peer::PyTorch);
            return Bench::new(root, Options::default(), cases)?.check();
        }
        _ => {}
    }
    let options = options::parse(arguments)?;
    let cases = cases::chosen(options.cases.as_deref())?;
    let file = match (&options.json, options.alone) {
        (Some(file), _) => Some(file.clone()),
        (None, true) => None,
        (None, false) => Some(root.join(LATEST)),
    };
    let machine = machine::name(options.threads);
    let mut results = match &file {
        Some(file) => Results::read(file, &machine)?,
        None => Results { machine, rows: Vec::new() },
    };
    let is_shown = options.json.is_none() && !options.alone;
    if is_shown {
        // A table without a place is better found out before an hour of measuring.
        show(root, &results)?;
    }
    machine::warn_if_busy();
    let mut bench = Bench::new(root, options, cases.iter().copied())?;
    let mut measured = Vec::new();
    for case in &cases {
        let row = bench.measure(case).with_context(|| format!("case `{}`", case.name))?;
        measured.push(row.clone());
        let order: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        results.put(row, &order);
        // After each case, so that an interruption loses one at most.
        if let Some(file) = &file {
            results.write(file)?;
        }
        if is_shown {
            show(root, &results)?;
        }
    }
    println!("\n{}", table::table(&measured));
    let peak = measured.iter().filter_map(|row| row.peak_flops).fold(0.0, f64::max);
    if peak > 0.0 {
        println!("fastest matrix product: {:.0} GFLOP/s", peak / 1e9);
    }
    Ok(())
}

/// Puts the table into README.md.
fn show(root: &Path, results: &Results) -> anyhow::Result<()> {
    let path = root.join("README.md");
    let readme = std::fs::read_to_string(&path).context("cannot read README.md")?;
    let changed = table::replaced(&readme, &table::section(results))?;
    if changed == readme { Ok(()) } else { results::replace(&path, &changed) }
}

/// The programs of both sides, built and installed.
struct Bench<'a> {
    root: &'a Path,
    options: Options,
    /// For the peers; `None` if they are left out.
    python: Option<PathBuf>,
    /// Variants of each case by peer, as the scripts list them.
    variants: BTreeMap<&'static str, Value>,
    commit: String,
    /// Matrix products, which the machine is measured by; made when first needed.
    products: Vec<rounds::Product>,
}

impl<'a> Bench<'a> {
    fn new(root: &'a Path, options: Options, cases: impl Iterator<Item = &'static Case>) -> anyhow::Result<Self> {
        let cases: Vec<&Case> = cases.collect();
        let mut peers: Vec<Peer> = Vec::new();
        for case in &cases {
            // Matrix products are PyTorch's.
            let needed = std::iter::once(case.peer).chain(case.flops.map(|_| Peer::PyTorch));
            needed.for_each(|peer| {
                if !peers.contains(&peer) {
                    peers.push(peer)
                }
            });
        }
        let python = if options.alone { None } else { Some(python::prepared(root, &peers)?) };
        build(root)?;
        let mut bench = Self {
            root,
            options,
            python,
            variants: BTreeMap::new(),
            commit: machine::commit(root),
            products: Vec::new(),
        };
        let scratch = bench.scratch();
        std::fs::create_dir_all(&scratch).with_context(|| format!("cannot make `{}`", scratch.display()))?;
        if bench.python.is_some() {
            for peer in peers {
                let mut command = bench.python(peer)?;
                command.arg("--list");
                let list = Worker::once(peer.script(), command, bench.log(peer.script()))?;
                bench.variants.insert(peer.script(), list);
            }
        }
        Ok(bench)
    }

    fn measure(&mut self, case: &Case) -> anyhow::Result<Row> {
        eprintln!("{}: {}", case.name, case.title);
        match case.how {
            How::Steps => self.steps(case),
            How::Start | How::Memory => self.processes(case),
            How::Quality => self.quality(case),
        }
    }

    /// A row without figures.
    fn row(&self, case: &Case) -> Row {
        Row {
            case: case.name.to_owned(),
            title: case.title.to_owned(),
            unit: case.unit().to_owned(),
            commit: self.commit.clone(),
            ours: None,
            absent: None,
            theirs: Vec::new(),
            flops: case.flops.map(|count| count()),
            peak_flops: None,
        }
    }

    /// The variants of a peer's case; none if peers are left out.
    fn variants(&self, peer: Peer, case: &str) -> Vec<String> {
        let list = self.variants.get(peer.script()).and_then(|list| list[case].as_array());
        list.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    }

    /// Our program for steps, with the arguments that all cases share still to come.
    fn ours(&self) -> Command {
        self.with_threads(Command::new(self.built("bench_steps")))
    }

    /// A peer's script.
    fn python(&self, peer: Peer) -> anyhow::Result<Command> {
        let python = self.python.as_ref().context("peers are left out")?;
        let mut command = Command::new(python);
        command.arg(self.root.join(python::FOLDER).join(peer.script()));
        Ok(self.with_threads(command))
    }

    fn with_threads(&self, mut command: Command) -> Command {
        let threads = self.options.threads.to_string();
        // Burn's own operations run on rayon.
        command.env("RAYON_NUM_THREADS", &threads).arg("--threads").arg(threads);
        command
    }

    /// A program of the release build.
    fn built(&self, name: &str) -> PathBuf {
        crate::cargo::built(self.root, name)
    }

    /// A folder for what is made on the way.
    fn scratch(&self) -> PathBuf {
        self.root.join("target/bench")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.scratch().join(format!("{}.log", name.replace(' ', "-")))
    }
}

/// Builds our programs, both at once, so that they share what they are made of.
fn build(root: &Path) -> anyhow::Result<()> {
    let what = ["--package", "galatea-cli", "--package", "bench-steps", "--bins"];
    let status =
        cargo(root, &[&["build", "--release"], &what[..]].concat()).status().context("cargo does not start")?;
    ensure!(status.success(), "`cargo build --release {}` ended with {status}", what.join(" "));
    Ok(())
}
