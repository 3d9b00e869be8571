//! The program on series and text by recurrent families: kills, samples beside real windows, input that makes no sense.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use common::{Folder, weights};

const TEXT: &str = "the cat sat on the mat and saw the rain, and the dog ran under the tree.\n";

/// Numbers that look random (Steele, Lea and Flood 2014, SplitMix64).
struct Stream(u64);

impl Stream {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// The step of the newest whole checkpoint.
fn newest(run: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(run.join("checkpoints")) else { return 0 };
    let steps = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok());
    steps.max().unwrap_or(0)
}

/// Trains once undisturbed, and once killed ten times at steps and moments that a seed draws; then both are the same bits.
fn survives_ten_kills(family: &str, more: &[&str], seed: u64) {
    const STEPS: u64 = 300;
    let folder = Folder::new();
    fs::write(folder.path("book.txt"), TEXT.repeat(60)).unwrap();
    let common = ["--set", "train.checkpoint_every=10", "train.keep_last=2", "eval.samples=0", "batch=8"];
    let steps = STEPS.to_string();
    let train =
        |name: &'static str| [&["train", family, "--steps", &steps, "--name", name], &common[..], more].concat();
    folder.good(&train("whole"));
    let run = folder.path("runs/0002-killed");
    let mut stream = Stream(seed);
    let mut targets: Vec<u64> = (0..10).map(|_| 10 + stream.below(STEPS - 60)).collect();
    targets.sort_unstable();
    let (mut kills, mut last) = (0, 0);
    for target in targets {
        let threads = ["1", "2", "3"][stream.below(3) as usize];
        let begin = match run.join("config.toml").exists() && newest(&run) > 0 {
            true => vec!["train", "--resume", "killed", "--threads", threads],
            false => {
                let _ = fs::remove_dir_all(&run);
                [&train("killed")[..], &["--threads", threads]].concat()
            }
        };
        let mut child = folder
            .command(&begin)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        // Each gets on by a checkpoint at the least.
        while newest(&run) < target.max(last + 10) && child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(60), "no checkpoint");
            std::thread::sleep(Duration::from_micros(500));
        }
        std::thread::sleep(Duration::from_micros(stream.below(15_000)));
        kills += u32::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        last = newest(&run);
    }
    assert!(kills >= 8, "{family} was killed {kills} times only");
    folder.good(&["train", "--resume", "killed"]);
    assert!(weights(&run) == weights(&folder.path("runs/0001-whole")), "weights of {family} differ");
}

#[test]
fn language_models_survive_ten_kills() {
    survives_ten_kills(
        "lm",
        &["data.context=12", "layers=1", "width=16", "heads=2", "dropout=0.1", "--data", "book.txt"],
        1,
    );
}

#[test]
fn recurrent_gans_survive_ten_kills() {
    let more = ["data.limit=200", "hidden_g=12", "hidden_d=12", "layers_g=1", "shared=4", "--data", "sines"];
    survives_ten_kills("rgan", &more, 2);
}

const QUICK: &[&str] = &["--steps", "20", "--set", "batch=8", "eval.samples=20"];

#[test]
fn classes_of_a_series_are_learnt_drawn_and_written() {
    let folder = Folder::new();
    let mut rows = "time,x,y,class\n".to_owned();
    for i in 0..400 {
        // Every hundred moments, the other class.
        let (class, step) = [("slow", 0.2), ("fast", 0.9)][i / 100 % 2];
        let at = i as f64 * step;
        rows.push_str(&format!("{i},{},{},{class}\n", at.sin(), 100.0 + 3.0 * at.cos()));
    }
    fs::write(folder.path("s.csv"), rows).unwrap();
    let series = ["--data", "s.csv", "--set", "data.window=8", "hidden_g=12", "hidden_d=12", "data.holdout=0.2"];
    folder.good(&[&["train", "rgan"], QUICK, &series].concat());
    folder.good(&["sample", "1", "-n", "3", "--class", "fast", "-o", "x.csv"]);
    let table = fs::read_to_string(folder.path("x.csv")).unwrap();
    assert!(table.starts_with("example,moment,x,y,class\n0,0,"), "{table}");
    assert!(table.lines().skip(1).all(|line| line.ends_with(",fast")) && table.lines().count() == 1 + 3 * 8);
    // In the units of the data: `y` is about 100.
    let ys: Vec<f64> = table.lines().skip(1).map(|line| line.split(',').nth(3).unwrap().parse().unwrap()).collect();
    assert!(ys.iter().all(|y| (80.0..120.0).contains(y)), "{ys:?}");
    folder.good(&["sample", "1", "-n", "8", "--real", "-o", "beside.png"]);
    assert!(fs::read(folder.path("beside.png")).unwrap().starts_with(b"\x89PNG"));
    for (arguments, words) in [
        (&["sample", "1", "--class", "medium"][..], "there is no class `medium`"),
        (&["sample", "1", "--real", "-o", "x.csv"], "real windows are shown beside those of series"),
    ] {
        let said = folder.refused(arguments);
        assert!(said.contains(words) && said.contains("\n hint: "), "{said}");
    }
}

/// The page on series is true: its commands work, with fewer steps.
#[test]
fn the_commands_of_the_guide_work() {
    let folder = Folder::new();
    let mut stream = Stream(5);
    let rows: String = (0..500).map(|i| format!("{},{}\n", (0.3 * f64::from(i)).sin(), stream.below(100))).collect();
    fs::write(folder.path("sensor.csv"), format!("a,b\n{rows}")).unwrap();
    let people = "old,Ulm\nyoung,Ulm\nold,Rom\nyoung,Rom\n".repeat(20);
    fs::write(folder.path("people.csv"), format!("age,town\n{people}")).unwrap();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/series-and-tables.md");
    let text = fs::read_to_string(page).unwrap();
    let commands: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("galatea ")).collect();
    assert!(commands.len() >= 8, "{commands:?}");
    for command in commands {
        // What is said of a command is set apart from it.
        let command = command.split("    ").next().unwrap();
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        if arguments[..2] == ["train", "rgan"] {
            arguments.extend(["--steps", "20", "--set", "batch=8", "hidden_g=8", "hidden_d=8", "eval.every=10"]);
        }
        folder.good(&arguments);
    }
}

#[test]
fn sequences_that_make_no_sense_are_told() {
    let folder = Folder::new();
    fs::write(folder.path("book.txt"), TEXT.repeat(20)).unwrap();
    let sparse = |name: &str| File::create(folder.path(name)).unwrap().set_len(2 << 30).unwrap();
    // A line of two gigabytes: it is not read.
    sparse("line.txt");
    sparse("line.csv");
    let write = |name: &str, text: &str| fs::write(folder.path(name), text).unwrap();
    write("empty.txt", "");
    write("one.txt", "a");
    write("same.txt", &"a".repeat(400));
    write("ragged.csv", "a,b\n1,2\n3\n");
    write("words.csv", "a,b\n1,2\n3,x\n");
    write("constant.csv", &format!("a,b\n{}", "1,2\n".repeat(40)));
    write("short.csv", "a\n1\n2\n3\n");
    write("names.csv", "a,b\n");
    write("huge.csv", &format!("a\n{}", "1e39\n".repeat(30)));
    write("time.csv", &format!("time\n{}", "1\n".repeat(30)));
    write("wide.csv", &format!("a\n{}", "1\n2\n".repeat(400)));
    let window = "data.window=8";
    for (family, source, settings, words) in [
        ("relgan", "empty.txt", "batch=8", "the file is empty"),
        ("relgan", "one.txt", "batch=8", "has 1 characters, and an example 65"),
        ("seqvae", "empty.txt", "batch=8", "the file is empty"),
        ("lm", "line.txt", "batch=8", "the text needs"),
        ("rgan", "line.csv", window, "the table needs more memory"),
        ("rgan", "ragged.csv", window, "line 3 has 1 fields"),
        ("timegan", "words.csv", window, "`x` in column `b` of line 3 is no number"),
        ("rgan", "constant.csv", window, "holds the same numbers at every moment"),
        ("hmm", "constant.csv", window, "holds the same numbers at every moment"),
        ("timegan", "short.csv", window, "`short` has 3 moments, and a window 8"),
        ("rgan", "names.csv", window, "names of columns in it, and no rows"),
        ("seqvae", "huge.csv", window, "`1e39` in column `a` of line 2 is no number"),
        ("rgan", "time.csv", window, "no column of numbers"),
        ("rgan", "book.txt", "batch=8", "`rgan` does not take text"),
        ("relgan", "sines", "batch=8", "`relgan` does not take series"),
        ("rgan", "sines", "latent=4096 data.window=4096 data.limit=2", "are too large"),
        ("timegan", "sines", "embedding=0.6 supervising=0.6", "`embedding` and `supervising` are"),
        ("timegan", "sines", "batch=65535 data.window=4096 data.limit=2", "are too large together"),
        ("rgan", "sines", "augment=all", "`augment` changes pictures"),
        ("rgan", "sines", "conditional=yes", "needs data with classes"),
    ] {
        let settings: Vec<&str> = settings.split(' ').collect();
        let said = folder.refused(&[&["train", family, "--data", source, "--set"], &settings[..]].concat());
        assert!(said.starts_with("exit code ") && said.contains("\nerror: "), "{family} {source}: {said}");
        assert!(said.contains(words) && said.contains("\n hint: "), "{family} {source}: {said}");
        assert!(!folder.path("runs").exists(), "{family} {source} left something");
    }
    // A text in which nothing changes, and a channel beside one that does, are learnt and told of.
    let said = folder.run(&[&["train", "relgan", "--data", "same.txt"], QUICK, &["width=8"]].concat());
    assert!(said.status.success() && common::text(&said.stderr).contains("all characters of the text are the same"));
    folder.good(&[&["train", "relgan", "--data", "book.txt", "--name", "book"], QUICK, &["width=8"]].concat());
    let said = folder.refused(&["sample", "book", "--prompt", "QED"]);
    assert!(
        said.contains("the model does not know the character 'Q', number 1") && said.contains("\n hint: "),
        "{said}"
    );
    folder.good(&["sample", "book", "--prompt", "the c", "--length", "20"]);
    // Where nothing changes there is nothing to learn, but much to be told of by what has learnt elsewhere.
    write("sensor.csv", &format!("a,b\n{}", "1,2\n3,5\n2,9\n".repeat(60)));
    folder.good(&["train", "hmm", "--data", "sensor.csv", "--steps", "3", "--set", window, "--name", "sensor"]);
    folder.good(&["states", "sensor", "constant.csv", "-o", "states.csv"]);
    assert_eq!(fs::read_to_string(folder.path("states.csv")).unwrap().lines().count(), 1 + 40);
}

#[test]
fn what_is_written_is_judged_beside_real_text() {
    let folder = Folder::new();
    let mut stream = Stream(4);
    let words = ["the", "cat", "dog", "sat", "ran", "on", "under", "a", "tree", "mat"];
    let text: String = (0..9_000).map(|_| format!("{} ", words[stream.below(10) as usize])).collect();
    fs::write(folder.path("book.txt"), text).unwrap();
    let report = folder.good(&[&["train", "seqvae", "--data", "book.txt"], QUICK, &["hidden=16", "latent=4"]].concat());
    for number in
        ["log-likelihood-k200-", "bleu-4-20", "self-bleu-4-20", "distinct-2-20", "repetition-4-20", "copied-span-20"]
    {
        assert!(report.contains(number), "{number}: {report}");
    }
    folder.good(&["sample", "1", "-n", "3", "-o", "x.txt"]);
    assert_eq!(fs::read_to_string(folder.path("x.txt")).unwrap().matches("\n----\n").count(), 2);
    let report = folder.good(&[&["train", "lm", "--data", "book.txt"], QUICK, &["width=16", "heads=2"]].concat());
    assert!(report.contains("bits-per-character-") && report.contains("self-bleu-4-20"), "{report}");
    let cold = folder.good(&["eval", "2", "-n", "20", "--set", "eval.temperature=0.2"]);
    assert_ne!(report, cold);
}
