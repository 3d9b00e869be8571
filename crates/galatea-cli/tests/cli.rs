//! The program as its users meet it, in an empty folder.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A model so small that a step takes a millisecond, on so few digits that judging is quick.
const TINY: &[&str] =
    &["--set", "width=4", "latent=8", "batch=8", "data.limit=300", "eval.samples=20", "train.checkpoint_every=5"];

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_galatea"));
        command
            .current_dir(self.0.path())
            .args(arguments)
            .env_remove("GALATEA_THREADS")
            .env("GALATEA_DATA_HOME", self.path("home"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Exit code and what was said, with the folder's name taken out.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = text(&output.stderr);
        assert!(!output.status.success(), "{arguments:?} was taken");
        assert!(!said.contains("panicked"), "{said}");
        let folder = self.0.path().canonicalize().unwrap();
        let said =
            said.replace(&*folder.to_string_lossy(), "[folder]").replace(&*self.0.path().to_string_lossy(), "[folder]");
        format!("exit code {}\n{said}", output.status.code().unwrap())
    }

    fn train(&self, more: &[&str]) -> String {
        self.good(&[&["train", "--steps", "10"], TINY, more].concat())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The weights of a run's newest checkpoint.
fn weights(run: &Path) -> Vec<(String, Vec<u8>)> {
    let mut checkpoints: Vec<_> =
        std::fs::read_dir(run.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    checkpoints.sort();
    let mut files: Vec<_> = std::fs::read_dir(checkpoints.pop().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "safetensors"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() >= 4);
    files
}

#[test]
fn help_teaches() {
    let folder = Folder::new();
    insta::assert_snapshot!("help", folder.good(&["--help"]));
    for command in ["train", "sample", "eval", "interpolate"] {
        let help = folder.good(&[command, "--help"]);
        assert!(help.contains("Examples:") || help.contains("Example:"), "{command}: {help}");
    }
}

#[test]
fn a_run_has_everything_and_can_be_sampled_judged_and_exported() {
    let folder = Folder::new();
    let report = folder.train(&[]);
    assert!(report.contains("frechet-20-digits-lenet") && report.contains("classes  0:"), "{report}");
    let run = folder.path("runs/0001-dcgan-digits");
    for file in ["config.toml", "log.jsonl", "samples/step-000010.png", "checkpoints/step-000010/state.json"] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    assert!(
        std::fs::read_dir(&run)
            .unwrap()
            .any(|entry| { entry.unwrap().file_name().to_string_lossy().starts_with("events.out.tfevents.") })
    );

    folder.good(&["sample", "last", "-n", "6", "-o", "grid.png"]);
    folder.good(&["sample", "1", "-n", "6", "-o", "some.npy"]);
    folder.good(&["sample", "dcgan-digits", "-n", "3", "--class", "7", "-o", "sevens/"]);
    folder.good(&["interpolate", "last", "-n", "2", "--frames", "3", "-o", "walk.gif"]);
    assert_eq!(&std::fs::read(folder.path("grid.png")).unwrap()[1..4], b"PNG");
    assert_eq!(std::fs::read_dir(folder.path("sevens")).unwrap().count(), 3);
    let array = std::fs::read(folder.path("some.npy")).unwrap();
    assert_eq!(array.len(), 128 + 6 * 784);
    assert!(text(&array[..128]).contains("'descr': '|u1', 'fortran_order': False, 'shape': (6, 1, 28, 28"));

    folder.good(&["export", "last", "-o", "model.safetensors"]);
    std::fs::remove_dir_all(folder.path("runs")).unwrap();
    folder.good(&["sample", "model.safetensors", "-n", "6", "-o", "again.npy"]);
    assert!(std::fs::read(folder.path("again.npy")).unwrap() == array, "the exported model draws other samples");

    let json = folder.good(&["eval", "model.safetensors", "--data", "digits", "--set", "data.limit=100", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["report"]["real"], 100);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let folder = Folder::new();
    for threads in ["1", "2", "3"] {
        folder.train(&["--threads", threads, "--name", threads]);
    }
    let of = |number: usize| weights(&folder.path(&format!("runs/000{number}-{number}")));
    assert!(of(1) == of(2) && of(1) == of(3), "weights differ");
}

#[test]
fn a_killed_run_goes_on_bit_for_bit() {
    let folder = Folder::new();
    let train = |name: &str, steps: &str| {
        let mut arguments = vec!["train", "--name", name, "--steps", steps];
        arguments.extend(TINY);
        folder.command(&arguments)
    };
    assert!(train("undisturbed", "120").output().unwrap().status.success());
    let mut child = train("killed", "120").stderr(std::process::Stdio::null()).spawn().unwrap();
    let run = folder.path("runs/0002-killed");
    // The end of an undisturbed run is what is compared with, so wherever the signal hits is fine.
    for delay in [40u64, 70, 20, 110, 55] {
        while !run.join("checkpoints/step-000005").exists() && child.try_wait().unwrap().is_none() {
            let begun = std::fs::read_dir(run.join("checkpoints")).is_ok_and(|entries| entries.count() > 0);
            if begun {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        child = folder.command(&["train", "--resume", "killed"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    }
    assert!(child.wait().unwrap().success());
    assert!(weights(&folder.path("runs/0001-undisturbed")) == weights(&run), "weights differ");
}

#[test]
fn a_configuration_repeats_its_run() {
    let folder = Folder::new();
    folder.train(&["--seed", "3"]);
    folder.good(&["train", "--config", "runs/0001-dcgan-digits/config.toml"]);
    assert!(weights(&folder.path("runs/0001-dcgan-digits")) == weights(&folder.path("runs/0002-dcgan-digits")));
    let dry = folder.good(&["train", "--config", "runs/0001-dcgan-digits/config.toml", "--dry-run"]);
    assert_eq!(dry, std::fs::read_to_string(folder.path("runs/0001-dcgan-digits/config.toml")).unwrap());
}

#[test]
fn a_flipped_bit_is_seen_and_the_checkpoint_before_is_taken() {
    let folder = Folder::new();
    folder.train(&[]);
    let file = folder.path("runs/0001-dcgan-digits/checkpoints/step-000010/generator.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let output = folder.run(&["sample", "last", "-n", "4", "-o", "grid.png"]);
    assert!(output.status.success());
    let said = text(&output.stderr);
    assert!(said.contains("warning:") && said.contains("step-000010") && said.contains("generator"), "{said}");
}

#[test]
fn mistakes_are_answered_with_a_remedy() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("empty")).unwrap();
    std::fs::create_dir(folder.path("texts")).unwrap();
    std::fs::write(folder.path("texts/a.png"), "no picture").unwrap();
    std::fs::write(folder.path("broken.toml"), "family = ").unwrap();
    std::fs::write(folder.path("unknown.toml"), "famly = 'gan'").unwrap();
    let mut said = String::new();
    for arguments in [
        &["train", "dcgam"][..],
        &["train", "--data", "digit"],
        &["train", "--data", "nowhere"],
        &["train", "--data", "empty"],
        &["train", "--data", "texts"],
        &["train", "--set", "bach=3"],
        &["train", "--set", "steps=3"],
        &["train", "--set", "batch=0"],
        &["train", "--set", "batch=many"],
        &["train", "--set", "loss=hing"],
        &["train", "--set", "data.sise=3"],
        &["train", "--set", "batch"],
        &["train", "--set", "preset=listing"],
        &["train", "--set", "loss=wasserstein"],
        &["train", "--config", "broken.toml"],
        &["train", "--config", "unknown.toml"],
        &["train", "--config", "missing.toml"],
        &["train", "--device", "cuda"],
        &["train", "--resume", "last"],
        &["sample", "last", "-o", "grid.png"],
        &["models", "gam"],
        &["data", "get", "mnst"],
    ] {
        said.push_str(&format!("$ galatea {}\n{}\n", arguments.join(" "), folder.refused(arguments)));
    }
    insta::assert_snapshot!("mistakes", said);
    assert!(!folder.path("runs").exists(), "something half-written is left");
}

#[test]
fn a_run_is_not_resumed_with_other_settings_or_by_two() {
    let folder = Folder::new();
    folder.train(&[]);
    let config = folder.path("runs/0001-dcgan-digits/config.toml");
    let changed = std::fs::read_to_string(&config).unwrap().replace("batch = 8", "batch = 9");
    std::fs::write(&config, changed).unwrap();
    let said = folder.refused(&["train", "--resume", "last"]);
    assert!(said.contains("batch") && said.contains("hint:"), "{said}");
}

#[test]
fn json_is_json() {
    let folder = Folder::new();
    let lines = folder.train(&["--json"]);
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!(last["event"], "finished");
    assert!(last["report"]["rows"][0]["value"].is_number());
    for arguments in
        [&["models", "--json"][..], &["models", "gan", "--json"], &["runs", "--json"], &["data", "list", "--json"]]
    {
        for line in folder.good(arguments).lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
}
