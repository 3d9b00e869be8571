//! Signals, two trainers, and a disk that is full: what is done stays.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, TINY, text};

/// The steps of the checkpoints, whole or not.
fn checkpoints(run: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(run.join("checkpoints")) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Starts the program, and waits until it has written a checkpoint after those that are there.
fn start(folder: &Folder, arguments: &[&str], run: &Path) -> Child {
    let before = checkpoints(run);
    let mut child = folder.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while !checkpoints(run).iter().any(|name| name.starts_with("step-") && !before.contains(name)) {
        assert!(child.try_wait().unwrap().is_none(), "it has ended");
        assert!(begun.elapsed() < Duration::from_secs(60), "it does nothing");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

/// Sends a signal, and gives exit code and stderr.
fn end(child: Child, signal: &str) -> (Option<i32>, String) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), text(&output.stderr))
}

#[test]
fn signals_two_trainers_and_a_full_disk() {
    let folder = Folder::new();
    let run = folder.path("runs/0001-dcgan-digits");
    let child = start(&folder, &[&["train", "--steps", "1000000"], TINY].concat(), &run);

    let said = folder.refused(&["train", "--resume", "last"]);
    assert!(said.starts_with("exit code 1\nerror: `runs/0001-dcgan-digits` is in use by process "), "{said}");
    assert!(said.contains("hint: wait until it ends or stop it"), "{said}");

    let (code, said) = end(child, "-INT");
    assert_eq!(code, Some(130), "{said}");
    let (_, rest) = said.split_once("\nstopped at step ").unwrap();
    let step: u64 = rest.split(' ').next().unwrap().parse().unwrap();
    assert!(rest.contains("go on with `galatea train --resume runs/0001-dcgan-digits`"), "{said}");
    let after_first = checkpoints(&run);
    assert_eq!(after_first.last().unwrap(), &format!("step-{step:06}"), "the last step is saved");

    let child = start(&folder, &["train", "--resume", "last"], &run);
    let (code, said) = end(child, "-TERM");
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains(&format!("going on from step {step} of 1000000")), "{said}");

    // A limit on the size of files stands for the full disk. Ignored, its signal becomes an error of `write`.
    let before = checkpoints(&run);
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" train --resume last";
    let mut limited = Command::new("sh");
    let output =
        limited.args(["-c", script, env!("CARGO_BIN_EXE_galatea")]).current_dir(folder.path(".")).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: cannot write `") && said.contains("hint: free some space"), "{said}");
    assert_eq!(checkpoints(&run), before, "what was half-written is gone, and what was there is not");
    let (code, said) = end(start(&folder, &["train", "--resume", "last"], &run), "-INT");
    assert_eq!(code, Some(130), "{said}");
}

#[test]
fn a_run_without_a_good_checkpoint_says_what_is_wrong() {
    let folder = Folder::new();
    folder.train(&["--quiet"]);
    let run = folder.path("runs/0001-dcgan-digits");
    for checkpoint in checkpoints(&run) {
        let path = run.join("checkpoints").join(checkpoint).join("generator.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    for arguments in [&["train", "--resume", "last"][..], &["sample", "last"], &["eval", "last"], &["export", "last"]] {
        let said = folder.refused(arguments);
        assert!(
            said.starts_with("exit code 1\nerror: `runs/0001-dcgan-digits` has no checkpoint that can be"),
            "{said}"
        );
        assert!(said.contains("its checksum is wrong") && said.contains("hint: start again with"), "{said}");
    }
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    let said = folder.refused(&["sample", "last"]);
    assert!(said.contains("has no checkpoint yet") && said.contains("hint: "), "{said}");
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    fs::write(run.join("config.toml"), config.replace("keep_last", "keep_lost")).unwrap();
    let said = folder.refused(&["train", "--resume", "last"]);
    assert!(said.contains("config.toml`: there is no setting `train.keep_lost`"), "{said}");
}
