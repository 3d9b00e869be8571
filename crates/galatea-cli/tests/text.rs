//! The program on text: learn, write on, judge, go on after a kill.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::{Folder, text, weights};

/// A model so small that a step takes a millisecond.
const SMALL: &[&str] = &[
    "--set",
    "layers=1",
    "width=16",
    "heads=2",
    "batch=4",
    "data.context=12",
    "train.preview=3",
    "train.checkpoint_every=5",
    "eval.samples=50",
];

/// Some pages in a language of few words.
fn book() -> String {
    let mut state = 5u32;
    let mut word = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ["the", "cat", "sat", "on", "a", "mat", "and", "saw", "it", "rain"][(state >> 24) as usize % 10]
    };
    (0..400).map(|_| (0..7).map(|_| word()).collect::<Vec<_>>().join(" ") + ".\n").collect()
}

fn folder() -> Folder {
    let folder = Folder::new();
    fs::write(folder.path("book.txt"), book()).unwrap();
    folder
}

fn trained(folder: &Folder, more: &[&str]) -> String {
    folder.good(&[&["train", "lm", "--data", "book.txt", "--steps", "10"], SMALL, more].concat())
}

#[test]
fn a_text_is_learnt_written_on_judged_and_exported() {
    let folder = folder();
    let report = trained(&folder, &["eval.every=5"]);
    for number in ["nats-per-token-", "bits-per-character-", "perplexity-"] {
        assert!(report.contains(number), "{report}");
    }
    let run = folder.path("runs/0001-lm-book");
    let preview = fs::read_to_string(run.join("samples/step-000010.txt")).unwrap();
    assert_eq!(preview.matches("\n----\n").count(), 2, "{preview}");
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("validation-nats-per-token") && page.contains("unselected and without a prompt"), "{page}");
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert!(metrics.contains("\"validation-nats-per-token-") && metrics.contains("\"best\":true"), "{metrics}");

    // On the terminal as it goes, with the prompt before it; the same for the same seed.
    let write = |more: &[&str]| folder.good(&[&["sample", "1", "--prompt", "the c", "--length", "60"], more].concat());
    let first = write(&[]);
    assert!(first.starts_with("the c") && first.chars().count() == 5 + 60 + 1, "{first:?}");
    assert_eq!(first, write(&["--threads", "1"]));
    assert_ne!(first, write(&["--seed", "1"]));
    assert_eq!(write(&["--temperature", "0"]), write(&["--top-k", "1", "--seed", "9"]));
    let stopped = write(&["--stop", " ", "--stop", "\\n"]);
    assert!(first.starts_with(stopped.trim_end()) && !stopped[5..].trim_end_matches('\n').contains([' ', '\n']));
    let two = write(&["-n", "2"]);
    assert!(two.starts_with(first.trim_end_matches('\n')) && two.contains("\n----\nthe c"), "{two:?}");
    let lines = write(&["-n", "2", "--json"]);
    let line: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
    assert_eq!(format!("the c{}\n", line["text"].as_str().unwrap()), first);
    write(&["-n", "2", "-o", "two.txt"]);
    assert_eq!(fs::read_to_string(folder.path("two.txt")).unwrap(), two);
    write(&["-n", "2", "-o", "texts/"]);
    assert_eq!(fs::read_to_string(folder.path("texts/000000.txt")).unwrap() + "\n", first);

    // One file is enough.
    folder.good(&["export", "1", "-o", "book.safetensors"]);
    let elsewhere = folder.good(&["sample", "book.safetensors", "--prompt", "the c", "--length", "60"]);
    assert_eq!(elsewhere, first);

    // By what was held back, the same again; by another text in the tokens of the first.
    let again = folder.good(&["eval", "1"]);
    assert_eq!(again, report);
    fs::write(folder.path("other.txt"), "a cat sat and saw the rain.\n".repeat(30)).unwrap();
    assert!(folder.good(&["eval", "book.safetensors", "--against", "other.txt"]).contains("perplexity-"));
    let shown = folder.good(&["data", "show", "other.txt", "--set", "data.context=20", "-o", "x.txt", "-n", "2"]);
    assert!(shown.starts_with("other: 820 examples, text of 14 different characters, 20 at a time"), "{shown}");
    assert!(fs::read_to_string(folder.path("x.txt")).unwrap().starts_with("a cat sat and saw the"));
    trained(&folder, &["cell=gru"]);
    assert!(folder.good(&["runs", "compare", "1", "2"]).contains("nats-per-token"));
}

#[test]
fn a_killed_run_of_text_goes_on_bit_for_bit_for_any_number_of_threads() {
    let folder = folder();
    let more = |name: &'static str, threads: &'static str| {
        let settings =
            ["dropout=0.1", "eval.every=20", "train.checkpoint_every=20", "--name", name, "--threads", threads];
        [&["train", "lm", "--data", "book.txt", "--steps", "120"], SMALL, &settings].concat()
    };
    folder.good(&more("whole", "1"));
    let mut child = folder.command(&more("killed", "3")).stdout(std::process::Stdio::null()).spawn().unwrap();
    let run = folder.path("runs/0002-killed");
    let began = Instant::now();
    while !run.join("checkpoints/step-000040").exists() && child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "no checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    folder.good(&["train", "--resume", "killed", "--threads", "2"]);
    let whole = folder.path("runs/0001-whole");
    assert!(weights(&run) == weights(&whole), "weights differ");
    let samples = |run: &std::path::Path| fs::read(run.join("samples/step-000120.txt")).unwrap();
    assert_eq!(samples(&run), samples(&whole));
}

#[test]
fn what_makes_no_sense_for_text_is_told() {
    let folder = folder();
    trained(&folder, &[]);
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let said = folder.refused(arguments);
        assert!(
            said.starts_with(&format!("exit code {code}\nerror: ")) && said.contains(words),
            "{arguments:?}: {said}"
        );
        assert!(said.contains("\n hint: "), "{said}");
    };
    refused(&["sample", "1", "--prompt", "QED"], 2, "the model does not know the character 'Q', number 1");
    refused(&["sample", "1", "--temperature", "-1"], 2, "the temperature -1 is out of range");
    refused(&["sample", "1", "--top-p", "0"], 2, "the top-p 0 is out of range");
    refused(&["sample", "1", "--class", "3"], 2, "`--class` is not for models of text");
    refused(&["sample", "1", "--truncation", "0.5"], 2, "`--truncation` is not for models of text");
    refused(&["sample", "1", "-o", "x.png"], 2, "text cannot be written as `.png`");
    refused(&["interpolate", "1"], 2, "`lm` has no latent space");
    refused(&["eval", "1", "--features", "pixels"], 2, "there are no features of text");
    refused(&["eval", "--samples", "book.txt", "--against", "book.txt"], 2, "is judged by a model");
    refused(&["data", "show", "book.txt", "-o", "x.png"], 2, "examples of text cannot be written to `x.png`");
    refused(&["train", "--data", "book.txt"], 2, "`dcgan` does not take text");
    refused(&["train", "lm"], 2, "`lm` does not take images");
    refused(&["train", "lm", "--data", "book.txt", "--set", "heads=3"], 2, "`width` is 128, and `heads` 3");
    refused(&["train", "lm", "--data", "book.txt", "--set", "data.flip_horizontal=0.5"], 2, "changes pictures");
    let metric = ["--set", "eval.every=5", "eval.metric=frechet"];
    refused(&[&["train", "lm", "--data", "book.txt"], &metric[..]].concat(), 2, "can be chosen by `frechet`");
    for (bytes, words) in [
        (&b""[..], "the file is empty"),
        (b"a", "has 1 characters, and an example 65"),
        (b"caf\xe9", "byte 3, in line 1, is no UTF-8: 0xe9"),
    ] {
        fs::write(folder.path("bad.txt"), bytes).unwrap();
        let said = folder.refused(&["train", "lm", "--data", "bad.txt"]);
        assert!(said.contains(words) && said.contains("\n hint: "), "{said}");
    }
    assert!(!folder.path("runs/0002-lm-bad").exists());
    // A prompt of nothing is none, and a text of nothing is one.
    assert_eq!(folder.good(&["sample", "1", "--length", "0", "--prompt", "the"]), "the\n");
    // What only text has is refused elsewhere.
    folder.train(&["--name", "digits"]);
    refused(
        &["sample", "digits", "--prompt", "x"],
        2,
        "`--prompt` is for models that write on, and this one draws images",
    );
    let output = folder.run(&["sample", "1", "--length", "5"]);
    assert!(text(&output.stderr).contains("5 tokens in "), "{}", text(&output.stderr));
}

#[test]
fn lines_are_learnt_judged_and_written_each_for_itself() {
    let folder = Folder::new();
    let line = |i: usize| {
        format!("{}{}\n", ["mar", "jo", "el", "tam"][i % 4], ["ia", "a", "sa"][i / 4 % 3].repeat(1 + i / 12 % 3))
    };
    fs::write(folder.path("names.txt"), (0..180).map(line).collect::<String>()).unwrap();
    let lines = ["--set", "data.examples=lines"];
    let shown = folder.good(&[&["data", "show", "names.txt", "-o", "x.txt", "-n", "3"], &lines[..]].concat());
    assert!(
        shown.starts_with("names: 180 examples, lines of 11 different characters, at most 10 with their end"),
        "{shown}"
    );
    assert_eq!(fs::read_to_string(folder.path("x.txt")).unwrap().lines().count(), 3);
    let small =
        ["layers=1", "width=16", "heads=2", "batch=8", "data.holdout=0.25", "train.preview=3", "eval.samples=60"];
    let report = folder.good(
        &[&["train", "lm", "--data", "names.txt", "--steps", "60"], &lines[..], &small[..], &["eval.every=30"]]
            .concat(),
    );
    // Nine of the 36 lines that differ are held back, each with its four others; padding is not counted.
    assert!(report.contains("bits-per-character-") && report.contains("distinct-2-"), "{report}");
    let told: usize =
        report.split("nats-per-token-").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    assert!((45 * 4..45 * 10).contains(&told), "{told}");
    assert_eq!(folder.good(&["eval", "1"]), report);
    let preview = fs::read_to_string(folder.path("runs/0001-lm-names/samples/step-000060.txt")).unwrap();
    assert_eq!((preview.lines().count(), preview.contains("----")), (3, false), "{preview}");

    let write = |more: &[&str]| folder.good(&[&["sample", "1", "-n", "20"], more].concat());
    let written = write(&[]);
    assert!(written.lines().count() == 20 && written.lines().all(|line| line.len() < 40), "{written}");
    write(&["-o", "more.txt"]);
    assert_eq!(fs::read_to_string(folder.path("more.txt")).unwrap(), written);
    assert!(write(&["--prompt", "jo"]).lines().all(|line| line.starts_with("jo")));
    let said = folder.refused(&["sample", "1", "--prompt", "jo\nma"]);
    assert!(said.contains("the prompt has the end of a line in it") && said.contains("\n hint: "), "{said}");
    // Other lines are read as lines, too; other data are none.
    fs::write(folder.path("other.txt"), "joia\nelsa\n".repeat(9)).unwrap();
    assert!(folder.good(&["eval", "1", "--against", "other.txt"]).contains("nats-per-token-90"));
    let said = folder.refused(&["train", "lm", "--set", "data.examples=lines"]);
    assert!(said.contains("`data.examples` is for text, and `digits` holds images"), "{said}");
    for family in ["relgan", "seqvae", "hmm"] {
        let more = ["--steps", "5", "--set", "data.examples=lines", "train.preview=3", "eval.samples=60"];
        folder.good(&[&["train", family, "--data", "names.txt"], &more[..]].concat());
        let written = folder.good(&["sample", "last", "-n", "7", "-o", "-"]);
        assert_eq!(written.trim_end_matches('\n').lines().count(), 7, "{family}: {written}");
    }
    folder.good(&["states", "last", "names.txt", "-o", "states.csv", "--set", "data.examples=lines"]);
    let states = fs::read_to_string(folder.path("states.csv")).unwrap();
    let characters: usize = (0..180).map(|i| line(i).len() + 1).sum();
    assert_eq!(states.lines().count(), 1 + characters);
}
