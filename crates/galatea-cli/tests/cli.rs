//! The program as its users meet it, in an empty folder.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Folder, TINY, text, weights};

#[test]
fn help_teaches() {
    let folder = Folder::new();
    insta::assert_snapshot!("help", folder.good(&["--help"]));
    for command in ["train", "sample", "eval", "interpolate", "export", "data show", "data get", "completions"] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = folder.good(&arguments);
        assert!(help.contains("Examples:") || help.contains("Example:"), "{command}: {help}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = folder.good(&["completions", shell]);
        assert!(script.contains("interpolate") && script.contains("dry-run"), "{shell}");
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

    // The score is in the logs too, with what it is to be compared with.
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let metrics: Vec<serde_json::Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let frechet = metrics.iter().find(|line| line["metric"] == "frechet-20-digits-lenet").unwrap();
    assert!(frechet["value"].is_number() && frechet["floor"].is_number() && frechet["step"] == 10, "{frechet}");

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
        arguments.push("eval.every=20");
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
    let undisturbed = folder.path("runs/0001-undisturbed");
    assert!(weights(&undisturbed) == weights(&run), "weights differ");
    assert_eq!(timeless(&undisturbed), timeless(&run));
    let best = |run: &std::path::Path| weights_of(&run.join("checkpoints/best"));
    assert!(best(&undisturbed) == best(&run), "the best checkpoints differ");
}

/// The lines of `metrics.jsonl` without the time that they took.
fn timeless(run: &std::path::Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["seconds"] = 0.into();
        line
    };
    text.lines().map(line).collect()
}

#[test]
fn a_run_that_becomes_no_better_is_ended_and_stays_so() {
    let folder = Folder::new();
    // A generator that hardly moves.
    let slow = ["learning_rate_g=1e-9", "eval.every=3", "eval.patience=2"];
    let output = folder.run(&[&["train", "--steps", "60"], TINY, &slow].concat());
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("has not become better in 2 judgements"), "{said}");
    assert!(text(&output.stdout).contains("frechet-20-digits-lenet"), "{}", text(&output.stdout));
    let run = folder.path("runs/0001-dcgan-digits");
    let lines = timeless(&run);
    let judged: Vec<bool> = lines
        .iter()
        .filter(|line| line["metric"].as_str().unwrap().starts_with("validation-"))
        .map(|line| line["best"] == true)
        .collect();
    // It ends with two that are no better, and had no such two before.
    let first = judged.windows(2).position(|two| two == [false, false]).unwrap();
    assert_eq!((first + 2, lines.last().unwrap()["step"].as_u64().unwrap()), (judged.len(), 3 * judged.len() as u64));
    assert!(judged.len() < 20, "{judged:?}");
    folder.good(&["train", "--resume", "1"]);
    assert_eq!(timeless(&run), lines);
}

fn weights_of(checkpoint: &std::path::Path) -> Vec<u8> {
    std::fs::read(checkpoint.join("generator.safetensors")).unwrap()
}

#[test]
fn a_run_is_judged_while_it_trains_and_its_best_checkpoint_is_kept() {
    let folder = Folder::new();
    let output =
        folder.run(&[&["train", "--steps", "10"], TINY, &["eval.every=3", "train.keep_last=9", "--json"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = lines.iter().filter(|line| line["event"] == "evaluated").collect();
    let run = folder.path("runs/0001-dcgan-digits");
    let first = timeless(&run);
    let watched: Vec<_> = first.iter().filter(|line| line["metric"] == "validation-frechet-20-digits-lenet").collect();
    let steps = |lines: &[&serde_json::Value]| lines.iter().map(|l| l["step"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!((steps(&watched), steps(&told)), (vec![3, 6, 9, 10], vec![3, 6, 9, 10]));
    assert!(watched.iter().all(|line| line["floor"].is_number() && line["interval"][1].is_number()), "{watched:?}");
    let value = |line: &serde_json::Value| line["value"].as_f64().unwrap();
    let best = watched.iter().min_by(|a, b| value(a).total_cmp(&value(b))).unwrap();
    let marked = watched.iter().rfind(|line| line["best"] == true).unwrap();
    assert_eq!((best["step"].as_u64(), watched[0]["best"].as_bool()), (marked["step"].as_u64(), Some(true)));
    assert_eq!(lines.last().unwrap()["best"]["step"], best["step"]);
    assert!(watched.iter().any(|line| line["best"] != true) || best["step"] == 10, "{watched:?}");

    // What chose the checkpoint has no part in the score, nor in training.
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains("validation = 0.1") && config.contains("every = 3"), "{config}");
    let state = std::fs::read_to_string(run.join("checkpoints/best/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!((&state["step"], &state["data"]["examples"]), (&best["step"], &243.into()));

    // It can be named wherever a run is read.
    let best_weights = weights_of(&run.join("checkpoints/best"));
    folder.good(&["sample", "1", "-n", "4", "--checkpoint", "best", "-o", "best.npy"]);
    folder.good(&["export", "1", "--checkpoint", "best", "-o", "best.safetensors"]);
    folder.good(&["sample", "best.safetensors", "-n", "4", "-o", "again.npy"]);
    assert!(std::fs::read(folder.path("best.npy")).unwrap() == std::fs::read(folder.path("again.npy")).unwrap());
    let json = folder.good(&["eval", "1", "--checkpoint", "5", "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["step"], 5);
    for wrong in ["first", "7"] {
        assert!(folder.refused(&["sample", "1", "--checkpoint", wrong]).starts_with("exit code 2"));
    }
    assert!(folder.refused(&["sample", "best.safetensors", "--checkpoint", "best"]).contains("hint: name a run"));

    // Judged again, a finished run says the same, and its log does not grow.
    assert!(folder.good(&["train", "--resume", "1"]).contains("frechet-20-digits-lenet"));
    assert_eq!(timeless(&run), first);

    // As after a kill between two checkpoints: what came after is done again, to the same end.
    std::fs::remove_dir_all(run.join("checkpoints/step-000010")).unwrap();
    std::fs::remove_dir_all(run.join("checkpoints/best")).unwrap();
    folder.good(&["train", "--resume", "1"]);
    assert_eq!(timeless(&run), first);
    assert!(best["step"] == 3 || weights_of(&run.join("checkpoints/best")) == best_weights);

    folder.train(&[]);
    assert!(folder.refused(&["sample", "last", "--checkpoint", "best"]).contains("`--set eval.every=500`"));
    for (settings, words) in [
        (&["eval.every=3", "eval.metric=fid"][..], "error: `eval.metric`: no checkpoint can be chosen by `fid`"),
        (&["eval.every=3", "data.validation=0"], "10 examples or more to choose checkpoints by, and 0 are held back"),
        (&["eval.every=3", "data.limit=50"], "and 5 are held back"),
        (&["eval.patience=3"], "`eval.patience` is set, and nothing is judged on the way"),
    ] {
        let said = folder.refused(&[&["train", "--set"], settings].concat());
        assert!(said.starts_with("exit code 2") && said.contains(words) && said.contains("hint: "), "{said}");
    }
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

/// A generator that has no chance against its discriminator, which is severe at the eleventh look.
const HOPELESS: &[&str] = &[
    "train",
    "gan",
    "--steps",
    "180",
    "--set",
    "preset=listing",
    "hidden_g=[32]",
    "hidden_d=[128]",
    "learning_rate_d=2e-3",
    "batch=16",
    "data.limit=600",
    "eval.samples=20",
    "train.checkpoint_every=30",
    "monitor.every=10",
    "monitor.samples=32",
];

#[test]
fn a_failure_is_told_and_healing_is_the_same_for_any_threads_and_after_a_kill() {
    let folder = Folder::new();
    let output = folder.run(&[HOPELESS, &["train.log_every=50"]].concat());
    let said = text(&output.stderr);
    let finding = "warning: step 110: discriminator overpowering (severe): since step 20 the discriminator gives real";
    assert!(said.contains(finding) && said.contains("hint: in a new run, `--set "), "{said}");
    assert!(said.contains("\nmonitor: step 110: discriminator overpowering"), "it is told at the end too: {said}");

    let healing = |name: &str, threads: &str| {
        folder.command(&[HOPELESS, &["heal=auto", "--name", name, "--threads", threads]].concat())
    };
    let output = healing("one", "1").output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success() && said.contains("healing: back to the beginning, with "), "{said}");
    assert!(healing("three", "3").output().unwrap().status.success());
    let mut child = healing("killed", "2").stderr(std::process::Stdio::null()).spawn().unwrap();
    let log = folder.path("runs/0004-killed/log.jsonl");
    while !std::fs::read_to_string(&log).is_ok_and(|log| log.contains("\"attempt\":1")) {
        assert!(child.try_wait().unwrap().is_none(), "it was too fast to be killed");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    folder.good(&["train", "--resume", "killed"]);
    folder.good(&["train", "--config", "runs/0002-one/config.toml", "--name", "repeated"]);
    let one = weights(&folder.path("runs/0002-one"));
    for other in ["0003-three", "0004-killed", "0005-repeated"] {
        assert!(one == weights(&folder.path(&format!("runs/{other}"))), "weights of {other} differ");
    }

    let table = folder.good(&["runs", "compare", "1", "2"]);
    let told = "`0002-one` went back, and on with other settings: after step 110 to the beginning, with ";
    assert!(table.contains(told) && table.contains("learning_rate_d 0.002 -> "), "{table}");
    assert!(!table.contains("`0001-gan-digits` went back"), "{table}");

    let json = folder.good(&[HOPELESS, &["heal=auto", "--json"]].concat());
    let events: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |name: &str| events.iter().find(|event| event["event"] == name).unwrap();
    assert_eq!((&of("finding")["step"], &of("intervention")["back_to"]), (&60.into(), &0.into()));
    assert_eq!(of("finished")["interventions"][0]["kind"], "overpowering");
    assert!(!text(&folder.run(&[HOPELESS, &["monitor=off"]].concat()).stderr).contains("monitor:"));
}

#[test]
fn what_was_not_looked_at_is_not_called_good() {
    let folder = Folder::new();
    let train = |more: &[&str]| {
        let small = ["train", "gan", "--steps", "5", "--set", "hidden_g=[8]", "hidden_d=[8]", "eval.samples=0"];
        text(&folder.run(&[&small, more].concat()).stderr)
    };
    let said = train(&["data.limit=200"]);
    assert!(said.contains("\nmonitor: it has seen nothing to tell by"), "{said}");
    let said = train(&["data.limit=96", "data.holdout=0.5", "monitor.every=1"]);
    assert!(said.contains("\nmonitor: nothing to complain of"), "{said}");
    train(&["data.limit=94", "data.holdout=0.5", "monitor.every=1"]);
    // Too few are no measure of what the discriminator knows by heart.
    let judged = |run: &str| {
        let log = std::fs::read_to_string(folder.path(&format!("runs/{run}-gan-digits/log.jsonl"))).unwrap();
        log.lines()
            .filter(|line| line.contains("\"event\":\"look\"") && line.contains("seen_above_unseen\":0."))
            .count()
    };
    assert_eq!((judged("0002"), judged("0003")), (5, 0));
}

#[test]
fn what_draws_nothing_is_not_asked_to() {
    let folder = Folder::new();
    let small = ["train", "encoder", "--steps", "2", "--set", "data.limit=60", "width=4", "batch=16", "eval.samples=0"];
    let said = text(&folder.run(&small).stderr);
    let use_it = "galatea eval OTHER --features trained --feature-weights ";
    assert!(
        said.contains(use_it) && said.contains("0001-encoder-digits") && !said.contains("galatea sample"),
        "{said}"
    );
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
        &["train", "--set", "heal=auto", "monitor=off"],
        &["train", "--set", "heal=now"],
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
    assert!(last["first_step_seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(last["peak_memory_bytes"].is_number(), cfg!(target_os = "linux"));
    for arguments in
        [&["models", "--json"][..], &["models", "gan", "--json"], &["runs", "--json"], &["data", "list", "--json"]]
    {
        for line in folder.good(arguments).lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
    // Settings of the family and of all training, each as `--set` takes it.
    let settings = folder.good(&["models", "gan", "--json"]);
    for key in ["hidden_g", "train.steps", "data.holdout", "eval.every", "monitor.mode", "heal.max"] {
        let line = settings.lines().find(|line| line.contains(&format!("\"key\":\"{key}\""))).unwrap_or_default();
        assert!(line.contains("\"default\":\"") && !line.ends_with("\"doc\":\"\"}"), "{key}: {line}");
        assert!(folder.good(&["models", "gan"]).contains(&format!("\n  {key} = ")), "{key}");
    }
}

#[test]
fn quiet_is_quiet_and_nothing_is_coloured_off_a_terminal() {
    let folder = Folder::new();
    let train = |more: &[&str]| folder.run(&[&["train", "--steps", "10"], TINY, more].concat());
    let output = train(&["data.limit=600", "--quiet"]);
    assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
    assert!(text(&output.stdout).contains("sliced-wasserstein-20-pixels"), "results are told all the same");
    let said = text(&train(&["data.limit=600"]).stderr);
    for words in
        ["600 examples, 28x28 grey images", "step 10/10  D(x) ", "  D(G(z)) ", " images/s, ", "the first after "]
    {
        assert!(said.contains(words), "`{words}` is missing in {said}");
    }
    assert!(!said.contains(['\x1b', '\r']), "{said:?}");
}
