//! The laboratory: provokes each failure of adversarial training on purpose, and healthy runs beside them, and says what
//! the monitor saw of it, how late, and what healing made of it. `cargo xtask collapse` builds and runs it.
//!
//! What is true is measured apart from the monitor, by other samples and in other features: modes where they are known,
//! else the coverage of Naeem et al. 2020 in the features that judge runs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a program for this repository's authors")]

mod replay;
mod scenarios;
mod table;
mod truth;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use galatea::{
    Finding, Intervention, Look, Observer, Request, Resolved, Run, Summary, Surroundings, TrainResult, checkpoint,
    train_in,
};
use serde::Serialize;

use galatea::checkpoint::{Progress, State};
use scenarios::{SCENARIOS, Scenario, Sort};
use truth::{Truth, Witness};

const HELP: &str = "\
Provokes each failure on purpose, and says what the monitor saw and what healing made of it

cargo xtask collapse                 every scenario, ten seeds, with healing; a table at the end
  --seeds FIRST..END seeds, one run each; `N` is `0..N` [default: 10]
  --quick            two seeds
  --only A,B         only these scenarios
  --no-heal          leave the runs with `heal=auto` out
  --json FILE        write all that was measured there, too; runs that FILE has already, of whatever version, are
                     not run again
  --replay           train nothing: what the rules as they are say of the looks that FILE has; runs with healing stay
                     as they went
  --list             the scenarios
";

/// What is asked for.
struct Options {
    seeds: Range<u64>,
    only: Option<Vec<String>>,
    heal: bool,
    json: Option<PathBuf>,
    replay: bool,
}

/// One run, as it went.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub(crate) struct Outcome {
    pub(crate) scenario: String,
    pub(crate) seed: u64,
    pub(crate) healing: bool,
    pub(crate) truths: Vec<Truth>,
    /// What the monitor measured; absent from files of earlier versions.
    #[serde(default)]
    pub(crate) looks: Vec<Look>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) interventions: Vec<Intervention>,
    /// Why training ended early, if it did.
    pub(crate) error: Option<String>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(options) = parse(&arguments) else { return };
    if let Some(name) = options.only.iter().flatten().find(|name| Scenario::named(name).is_none()) {
        fail(&format!("there is no scenario `{name}`; `--list` says what there is"));
    }
    let chosen: Vec<&Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| options.only.as_ref().is_none_or(|only| only.iter().any(|name| name == scenario.name)))
        .collect();
    if options.replay {
        return replay(&options, &chosen);
    }
    let mut jobs = Vec::new();
    for seed in options.seeds.clone() {
        for scenario in &chosen {
            jobs.push((*scenario, seed, false));
            if options.heal && scenario.control().is_some() {
                jobs.push((*scenario, seed, true));
            }
        }
    }
    let mut outcomes: Vec<Outcome> = options.json.as_deref().map(known).unwrap_or_default();
    if let Some(path) = &options.json {
        // Not after an hour of work.
        keep(path, &outcomes).unwrap_or_else(|error| fail(&format!("{} cannot be written: {error}", path.display())));
    }
    let is_known = |(scenario, seed, healing): &(&Scenario, u64, bool)| {
        outcomes.iter().any(|known| known.scenario == scenario.name && (known.seed, known.healing) == (*seed, *healing))
    };
    jobs.retain(|job| !is_known(job));
    // Runs are too small to use several threads each, so several are under way at once.
    galatea::set_threads(1);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(std::mem::take(&mut outcomes)));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some((scenario, seed, healing)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = run(scenario, *seed, *healing);
                    eprintln!("{}", table::line(&outcome));
                    let mut done = done.lock().unwrap();
                    done.push(outcome);
                    // After each run, so that an interruption loses no more.
                    if let Some(path) = &options.json
                        && let Err(error) = keep(path, &done)
                    {
                        eprintln!("{}: {error}", path.display());
                    }
                }
            });
        }
    });
    let outcomes = done.into_inner().unwrap();
    println!("{}", table::table(&chosen, &outcomes));
}

fn parse(arguments: &[String]) -> Option<Options> {
    let mut options = Options { seeds: 0..10, only: None, heal: true, json: None, replay: false };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| fail(&format!("`{argument}` needs a value"))).clone();
        match argument.as_str() {
            "--seeds" => options.seeds = seeds(&value()).unwrap_or_else(|| fail("`--seeds` takes `10` or `10..20`")),
            "--quick" => options.seeds = 0..2,
            "--only" => options.only = Some(value().split(',').map(str::to_owned).collect()),
            "--replay" => options.replay = true,
            "--no-heal" => options.heal = false,
            "--json" => options.json = Some(value().into()),
            "--list" => {
                SCENARIOS.iter().for_each(|scenario| println!("{:16} {}", scenario.name, scenario.what));
                return None;
            }
            "--help" | "-h" => {
                print!("{HELP}");
                return None;
            }
            other => fail(&format!("there is no option `{other}`\n{HELP}")),
        }
    }
    Some(options)
}

/// Tells what the rules as they are make of runs that were made before.
fn replay(options: &Options, chosen: &[&Scenario]) {
    let path = options.json.as_deref().unwrap_or_else(|| fail("`--replay` needs `--json FILE`"));
    if !path.is_file() {
        fail(&format!("there is no file `{}`: a run with `--json` and without `--replay` makes it", path.display()));
    }
    let known = known(path);
    // Healthy runs are what others are compared with, whether asked for or not.
    let is_asked_for = |run: &Outcome| {
        let is_it = |scenario: &Scenario| scenario.name == run.scenario;
        chosen.iter().any(|scenario| is_it(scenario) || scenario.control().is_some_and(is_it))
    };
    let is_meant =
        |run: &&Outcome| (options.heal || !run.healing) && options.seeds.contains(&run.seed) && is_asked_for(run);
    let meant: Vec<&Outcome> = known.iter().filter(is_meant).collect();
    let outcomes: Vec<Outcome> = meant.iter().filter_map(|run| replay::again(run, &known)).collect();
    outcomes.iter().for_each(|outcome| eprintln!("{}", table::line(outcome)));
    if outcomes.len() < meant.len() {
        let left_out = meant.len() - outcomes.len();
        eprintln!(
            "{left_out} runs are left out: their looks, or those of the healthy run before them, are not in the file"
        );
    }
    println!("{}", table::table(chosen, &outcomes));
}

/// Writes all runs to a file, which is whole at every time.
fn keep(path: &Path, outcomes: &[Outcome]) -> std::io::Result<()> {
    let aside = path.with_extension("part");
    std::fs::write(&aside, serde_json::to_string(outcomes)?)?;
    std::fs::rename(&aside, path)
}

/// The runs that are in a file; none if it is not there yet.
fn known(path: &Path) -> Vec<Outcome> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        text => text.unwrap_or_else(|error| fail(&format!("{}: {error}", path.display()))),
    };
    serde_json::from_str(&text)
        .unwrap_or_else(|error| fail(&format!("{}: {error}; it is left as it is", path.display())))
}

fn seeds(text: &str) -> Option<Range<u64>> {
    let (first, end) = text.split_once("..").unwrap_or(("0", text));
    Some(first.parse().ok()?..end.parse().ok()?).filter(|seeds| !seeds.is_empty())
}

fn fail(text: &str) -> ! {
    eprintln!("error: {text}");
    std::process::exit(2)
}

/// What training is asked for.
fn resolve(scenario: &Scenario, seed: u64, more: &[&str]) -> Resolved {
    let (family, data, mut settings) = scenario.how();
    settings.extend(["eval.samples=0", "train.sample_every=0", "train.log_every=1000"].map(str::to_owned));
    settings.extend(more.iter().map(|setting| (*setting).to_owned()));
    let (family, data) = (Some(family.to_owned()), Some(data.to_owned()));
    let request = Request { family, data, settings, seed: Some(seed), ..Request::default() };
    request.resolve().unwrap_or_else(|error| fail(&format!("{}: {error}", scenario.name)))
}

fn run(scenario: &Scenario, seed: u64, healing: bool) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let resolved = resolve(scenario, seed, if healing { &["heal=auto"] } else { &[] });
    let witness = Witness::new(&*resolved.data, scenario.how().1);
    let told = witness.told();
    let surroundings = Surroundings { root: folder.path().into(), ..Surroundings::default() };
    let error = match scenario.sort {
        Sort::Later(control) => {
            let control = Scenario::named(control).expect("there is such a scenario");
            let healthy = train_in(resolve(control, seed, &[]), surroundings).unwrap();
            go_on(&healthy.run, resolved, witness).err().map(|error| error.to_string())
        }
        Sort::Healthy { .. } | Sort::Provoked(_) => {
            let surroundings = Surroundings { observers: vec![Box::new(witness)], ..surroundings };
            train_in(resolved, surroundings).err().map(|error| error.to_string())
        }
    };
    let told = told.lock().unwrap().clone();
    Outcome {
        scenario: scenario.name.to_owned(),
        seed,
        healing,
        truths: told.truths,
        looks: told.looks,
        findings: told.findings,
        interventions: told.interventions,
        error,
    }
}

/// Goes on from the end of a run with other settings, and with all that its monitor knew, in another run beside it.
fn go_on(healthy: &Run, resolved: Resolved, witness: Witness) -> TrainResult<Summary> {
    let Resolved { mut config, family, data, data_settings, .. } = resolved;
    let device = galatea::device("cpu").unwrap();
    let mut session = family.session(&config.model, data.spec(), config.seed, &device).unwrap();
    let learnt = checkpoint::newest(healthy, None)?.checkpoint.unwrap();
    config.train.steps += learnt.state.step;
    let run = Run::create(healthy.path().parent().unwrap(), "after", &config)?;
    let State { step, images_seen, seconds, .. } = learnt.state;
    let progress = Progress { step, steps: config.train.steps, images_seen, seconds };
    checkpoint::save(&run, &progress, &config, (&learnt.state.data, &learnt.state.watch), &learnt.parts)?;
    let split = galatea_data::split(&*data, data_settings.read.holdout);
    let feed = galatea_train::Feed::new(data, split.train)?.with_held_back(split.held_back);
    let mut observers: Vec<Box<dyn Observer>> = vec![Box::new(witness)];
    galatea_train::train(&mut *session, &feed, &config, &run, &mut observers, &AtomicBool::new(false))
}
