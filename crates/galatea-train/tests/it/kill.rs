//! A process that is killed at any moment, and one whose disk is full.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use galatea_train::{Run, checkpoint};

use crate::toy::{Witness, config, create, train, weights};

const ROOT: &str = "GALATEA_TEST_TRAIN_IN";

/// Not a test by itself: what the other process of the tests below does. It trains the run in the folder that the
/// environment names.
#[test]
fn child() {
    let Ok(root) = std::env::var(ROOT) else { return };
    let run = Run::open(Path::new(&root), "1").unwrap().lock().unwrap();
    let config = run.config().unwrap();
    if let Err(error) = train(&run, &config, &Witness::default()) {
        panic!("{error}; hint: {}", error.hint().unwrap_or_default());
    }
}

fn test_binary() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

#[test]
fn ten_kills_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(300, "checkpoint_every = 15\nsample_every = 20\nlog_every = 1", "milliseconds = 1");
    let whole = create(&folder.path().join("whole"), &config);
    train(&whole, &config, &Witness::default()).unwrap();

    let root = folder.path().join("killed");
    drop(create(&root, &config));
    let spawn = || {
        let mut command = Command::new(test_binary());
        command.args(["kill::child", "--exact"]).env(ROOT, &root).stdout(Stdio::null());
        command.spawn().unwrap()
    };
    // Moments without a pattern, from before the first checkpoint on.
    for moment in [15, 90, 33, 120, 61, 77, 50, 101, 43, 85] {
        let mut child = spawn();
        std::thread::sleep(Duration::from_millis(moment));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(spawn().wait().unwrap().success());
    let killed = Run::open(&root, "1").unwrap();
    assert_eq!(weights(&whole), weights(&killed));
    let steps = |run: &Run| {
        let text = std::fs::read_to_string(run.log_path()).unwrap();
        let step = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["step"].as_u64().unwrap();
        text.lines().map(step).collect::<Vec<u64>>()
    };
    assert_eq!(steps(&whole), (1..=300).collect::<Vec<u64>>());
    assert_eq!(steps(&killed), steps(&whole));
    let hidden = std::fs::read_dir(killed.checkpoints_path()).unwrap();
    assert!(hidden.into_iter().all(|entry| entry.unwrap().file_name().to_str().unwrap().starts_with("step-")));
}

/// A limit on the size of files stands for a full disk: writing fails in the middle of one.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    // The log grows with each step until it is over the limit of 8 KiB, and checkpoints are below it.
    let config = config(400, "checkpoint_every = 20\nsample_every = 0\nlog_every = 1000", "");
    let run = create(root, &config);
    train(&run, &config, &Witness { die_after: Some(50), ..Witness::default() }).unwrap_err();
    // So that the next checkpoint does not fit, and nothing else is touched.
    drop(run);
    let limited = |blocks: u32| {
        // Ignored, the signal of a file that is too long becomes an error of `write`.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" kill::child --exact");
        Command::new("sh").args(["-c", &script]).arg(test_binary()).env(ROOT, root).output().unwrap()
    };
    let output = limited(1);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        text.contains(".aside-step-000060")
            && text.contains("cannot write `")
            && text.contains("hint: free some space"),
        "{text}"
    );
    let run = Run::open(root, "1").unwrap();
    let steps: Vec<u64> = checkpoint::list(&run).unwrap().into_iter().map(|(step, _)| step).collect();
    assert_eq!(steps, [20, 40]);
    assert_eq!(std::fs::read_dir(run.checkpoints_path()).unwrap().count(), 2, "what was half-written is gone");
    assert!(checkpoint::newest(&run, None).unwrap().skipped.is_empty());
    let run = run.lock().unwrap();
    assert_eq!(train(&run, &config, &Witness::default()).unwrap().step, 400);
}
