//! Our side of `cargo xtask bench`: the cases that its peers run, through the public library.
//!
//! Requests on stdin, answers on stdout, a JSON object per line, as in `bench/peers/protocol.py`:
//!
//! ```text
//! {"steps": 10} or {"seconds": 2.0}   ->   {"ms": [9.7, ..], "peak_memory_bytes": 123456789}
//! ```
//!
//! `cargo run --release -p bench-steps -- CASE [--threads N] [--steps N]`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod cases;
mod lstm;
mod quality;
mod text;
mod twin;

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};

use cases::Work;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

// As in the program, so that both allocate alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What the command line says.
#[derive(Default)]
struct Arguments {
    case: String,
    variant: Option<String>,
    steps: Option<u64>,
    dump: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = parse(std::env::args().skip(1))?;
    if let Some(folder) = arguments.dump {
        return twin::dump(&arguments.case, &folder);
    }
    if arguments.case == "quality" {
        let mut trial = None;
        let hello = json!({ "ready": true, "version": version(), "parameters": {} });
        return answer_lines(&hello, |request| quality::answer(&mut trial, request));
    }
    let mut work = cases::make(&arguments.case, arguments.variant.as_deref())?;
    if let Some(steps) = arguments.steps {
        return say(&timed(&mut work, &json!({ "steps": steps }))?);
    }
    let parameters: serde_json::Map<String, Value> =
        work.parameters.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    let hello = json!({ "ready": true, "version": version(), "parameters": parameters });
    answer_lines(&hello, |request| timed(&mut work, request))
}

/// Ours, and the instruction set that the kernels have chosen.
fn version() -> String {
    format!("Galatea {}, {:?}", env!("CARGO_PKG_VERSION"), galatea_kernels::isa())
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut parsed = Arguments::default();
    let mut words = Vec::new();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` lacks its value"));
        match argument.as_str() {
            "--threads" => galatea::set_threads(value()?.parse()?),
            "--steps" => parsed.steps = Some(value()?.parse()?),
            "--dump" => parsed.dump = Some(value()?.into()),
            _ => words.push(argument),
        }
    }
    let mut words = words.into_iter();
    parsed.case = words.next().ok_or("name a case, such as `mlp-32`; `cargo xtask bench --list` lists them")?;
    parsed.variant = words.next();
    match words.next() {
        Some(word) => Err(format!("`{word}` is not understood").into()),
        None => Ok(parsed),
    }
}

/// Says hello and answers each line of stdin until it ends.
fn answer_lines(hello: &Value, mut answer: impl FnMut(&Value) -> Result<Value>) -> Result<()> {
    say(hello)?;
    for line in std::io::stdin().lock().lines() {
        let request: Value = serde_json::from_str(&line?)?;
        match answer(&request) {
            Ok(answer) => say(&answer)?,
            Err(error) => say(&json!({ "error": error.to_string() }))?,
        }
    }
    Ok(())
}

fn say(answer: &Value) -> Result<()> {
    println!("{answer}");
    Ok(std::io::stdout().flush()?)
}

/// The milliseconds of each of so many steps, or of as many as fit the seconds, but at least three.
fn timed(work: &mut Work, request: &Value) -> Result<Value> {
    let steps = request["steps"].as_u64();
    let seconds = request["seconds"].as_f64().unwrap_or(0.0);
    let mut milliseconds = Vec::new();
    let begin = Instant::now();
    loop {
        let before = Instant::now();
        (work.step)()?;
        milliseconds.push(before.elapsed().as_secs_f64() * 1e3);
        let done = milliseconds.len() as u64;
        if steps.map_or(done >= 3 && begin.elapsed().as_secs_f64() >= seconds, |steps| done >= steps) {
            return Ok(json!({ "ms": milliseconds, "peak_memory_bytes": peak_memory() }));
        }
    }
}

/// The most memory that this process has held, where the system tells.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}
