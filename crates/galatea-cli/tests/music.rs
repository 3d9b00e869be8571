//! The program on music: learn, compose, judge, go on from a beginning.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::{Folder, text, weights};

/// A model so small that a step takes milliseconds.
const SMALL: &[&str] =
    &["--set", "width=16", "hidden=16", "batch=8", "train.preview=3", "train.checkpoint_every=5", "eval.samples=20"];

/// Chords that go round, each piece on a tone of its own.
fn folder() -> Folder {
    let folder = Folder::new();
    let piece = |i: usize| -> Vec<Vec<usize>> {
        let root = 48 + i * 5 % 12;
        (0..10 + i % 5).map(|t| [0, 5, 7, 0][t % 4] + root).map(|low| vec![low, low + 4, low + 7]).collect()
    };
    let pieces = |range: std::ops::Range<usize>| range.map(piece).collect::<Vec<_>>();
    let parts = serde_json::json!({ "train": pieces(0..40), "valid": pieces(40..52), "test": pieces(52..72) });
    fs::write(folder.path("songs.json"), parts.to_string()).unwrap();
    fs::write(folder.path("beginning.json"), "[[[60, 64, 67], [65, 69, 72]]]").unwrap();
    folder
}

fn trained(folder: &Folder, more: &[&str]) -> String {
    folder.good(&[&["train", "pianoroll", "--data", "songs.json", "--steps", "20"], SMALL, more].concat())
}

#[test]
fn music_is_learnt_composed_judged_and_exported() {
    let folder = folder();
    let report = trained(&folder, &["eval.every=10", "data.transpose=3"]);
    for number in
        ["nats-per-frame-", "pitch-class-overlap-20", "scale-consistency-20", "polyphony-20", "copied-frames-20"]
    {
        assert!(report.contains(number), "{report}");
    }
    // All frames of the twenty pieces that are for judging.
    let frames: usize = (52..72).map(|i| 10 + i % 5).sum();
    assert!(report.contains(&format!("nats-per-frame-{frames}")), "{report}");
    let run = folder.path("runs/0001-pianoroll-songs");
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    assert!(metrics.contains("\"validation-nats-per-frame-") && metrics.contains("\"best\":true"), "{metrics}");
    assert!(run.join("samples/step-000020.png").exists());
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("keys upwards"));
    assert_eq!(folder.good(&["eval", "1"]), report);

    // The same music in all forms, the same for the same seed, whatever the threads.
    folder.good(&["sample", "1", "-n", "2", "-o", "two.json"]);
    let two: Vec<Vec<Vec<u32>>> = serde_json::from_slice(&fs::read(folder.path("two.json")).unwrap()).unwrap();
    assert!(two.len() == 2 && two.iter().all(|piece| piece.len() == 14));
    folder.good(&["sample", "1", "-n", "2", "-o", "again.json", "--threads", "1"]);
    assert_eq!(fs::read(folder.path("again.json")).unwrap(), fs::read(folder.path("two.json")).unwrap());
    folder.good(&["sample", "1", "-o", "one.mid"]);
    folder.good(&["sample", "1", "-n", "2", "-o", "pieces/"]);
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    assert_eq!(read("pieces/000000.mid"), read("one.mid"));
    folder.good(&["sample", "1", "-n", "2", "-o", "x.wav"]);
    folder.good(&["sample", "1", "-n", "2", "-o", "x.png"]);
    assert!(read("x.wav").starts_with(b"RIFF") && read("x.png").starts_with(b"\x89PNG"));
    // Two pieces with a pause of four quarter notes, at 100 a minute, and the end of the sound.
    let seconds = (2 * 14 + 4) as f64 * 0.6 + 1.5;
    assert_eq!(read("x.wav").len(), 44 + 2 * (seconds * 32_000.0).ceil() as usize);
    folder.good(&["sample", "1", "--prompt", "beginning.json", "--length", "5", "--seed", "3", "-o", "whole.json"]);
    let whole: Vec<Vec<Vec<u32>>> = serde_json::from_slice(&read("whole.json")).unwrap();
    assert_eq!((whole[0].len(), &whole[0][..2]), (7, &[vec![60, 64, 67], vec![65, 69, 72]][..]));

    // One file is enough, and what it drew can be learnt.
    folder.good(&["export", "1", "-o", "songs.safetensors"]);
    folder.good(&["sample", "songs.safetensors", "-o", "other.mid"]);
    assert_eq!(read("other.mid"), read("one.mid"));
    assert!(folder.good(&["eval", "songs.safetensors", "--against", "two.json"]).contains("nats-per-frame-28"));
    let shown = folder.good(&["data", "show", "pieces", "--set", "data.resolution=1", "-o", "rolls.png"]);
    assert!(shown.contains("examples, music of ") && shown.contains(" frames or fewer, 1 a quarter note"), "{shown}");
}

#[test]
fn a_run_of_music_goes_on_bit_for_bit() {
    let folder = folder();
    let more = ["dropout=0.2", "data.transpose=4", "train.keep_last=9"];
    trained(&folder, &[&more[..], &["--name", "whole", "--threads", "1"]].concat());
    trained(&folder, &[&more[..], &["--name", "again", "--threads", "3"]].concat());
    let run = folder.path("runs/0002-again");
    fs::remove_dir_all(run.join("checkpoints/step-000020")).unwrap();
    fs::remove_dir_all(run.join("checkpoints/step-000015")).unwrap();
    folder.good(&["train", "--resume", "again", "--threads", "2"]);
    assert!(weights(&run) == weights(&folder.path("runs/0001-whole")));
}

#[test]
fn what_makes_no_sense_for_music_is_told() {
    let folder = folder();
    trained(&folder, &["eval.samples=0"]);
    fs::write(folder.path("bad.mid"), b"MThd\0\0\0\x06\0").unwrap();
    fs::write(folder.path("bad.sf2"), b"RIFF....sfbk").unwrap();
    for (arguments, code, words) in [
        (&["sample", "1", "-o", "x.gif"][..], 2, "music cannot be written as `.gif`"),
        (&["sample", "1", "--top-k", "3"], 2, "`pianoroll` draws frames, of which only the temperature"),
        (&["sample", "1", "--prompt", "nowhere.mid"], 2, "there is no file `nowhere.mid` for the music to begin with"),
        (&["sample", "1", "--prompt", "bad.mid"], 1, "this is no MIDI file, or it is damaged"),
        (&["sample", "1", "--prompt", "digits"], 2, "there is no file `digits` for the music"),
        (&["sample", "1", "--length", "0"], 2, "0 frames are out of range"),
        (&["sample", "1", "--temperature", "-1"], 2, "the temperature -1 is out of range"),
        (&["sample", "1", "--class", "3"], 2, "this model was trained without classes"),
        (&["sample", "1", "--soundfont", "bad.sf2", "-o", "x.mid"], 2, "`--soundfont` is for sound"),
        (&["sample", "1", "--soundfont", "bad.sf2", "-o", "x.wav"], 1, "this is no SoundFont"),
        (&["sample", "1", "--soundfont", "none.sf2", "-o", "x.wav"], 1, "cannot read"),
        (&["train", "pianoroll", "--data", "bad.mid"], 1, "this is no MIDI file, or it is damaged"),
        (&["train", "pianoroll"], 2, "`pianoroll` does not take images"),
        (&["train", "--data", "songs.json"], 2, "`dcgan` does not take music"),
        (&["train", "--set", "data.transpose=3"], 2, "`data.transpose` changes music, and the data are images"),
        (&["eval", "1", "--features", "pixels"], 2, "there are no features of music"),
    ] {
        let said = folder.refused(arguments);
        let begin = format!("exit code {code}\nerror: ");
        assert!(
            said.starts_with(&begin) && said.contains(words) && said.contains("\n hint: "),
            "{arguments:?}: {said}"
        );
    }
    assert!(!folder.path("x.wav").exists() && !folder.path("x.mid").exists() && !folder.path("samples.mid").exists());
}

#[test]
fn the_commands_of_the_guide_work() {
    let folder = folder();
    trained(&folder, &["eval.samples=0"]);
    folder.good(&["sample", "1", "-n", "14", "-o", "tunes/"]);
    folder.good(&["sample", "1", "--length", "4", "-o", "beginning.mid"]);
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/music.md");
    let guide = fs::read_to_string(page).unwrap();
    let commands: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("galatea ")).collect();
    assert_eq!(commands.len(), 13);
    for command in commands {
        let mut arguments: Vec<&str> = command.split_whitespace().collect();
        if arguments[0] == "train" {
            // So few tunes are not held back twice.
            arguments.retain(|argument| !argument.starts_with("eval.every="));
            let of_events =
                ["--set", "layers=1", "width=16", "heads=2", "batch=8", "train.preview=3", "eval.samples=20"];
            let of_notes = ["--set", "hidden_g=8", "hidden_d=8", "data.window=8", "train.preview=3", "eval.samples=20"];
            let small = match arguments[1] {
                "lm" => &of_events[..],
                "rgan" => &of_notes[..],
                _ => SMALL,
            };
            arguments.extend(["--steps", "10"].iter().chain(small));
        }
        let output = folder.run(&arguments);
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
    }
    for made in ["music.mid", "music.wav", "rolls.png", "whole.mid", "music.json", "pieces/000009.mid"] {
        assert!(folder.path(made).exists(), "{made}");
    }
}

#[test]
fn a_language_model_learns_music_as_events_and_writes_it() {
    let folder = folder();
    let small = [
        "--set",
        "layers=1",
        "width=16",
        "heads=2",
        "batch=8",
        "train.preview=3",
        "eval.samples=60",
        "data.context=24",
    ];
    let train = [&["train", "lm", "--data", "songs.json", "--steps", "40"], &small[..]].concat();
    let report = folder.good(&[&train[..], &["data.tokens=events", "data.transpose=3", "eval.every=20"]].concat());
    for number in ["nats-per-token-", "nats-per-frame-", "perplexity-", "pitch-class-overlap-", "scale-consistency-"] {
        assert!(report.contains(number), "{report}");
    }
    assert!(!report.contains("bits-per-character") && !report.contains("bleu"), "{report}");
    assert_eq!(folder.good(&["eval", "1"]), report);
    let run = folder.path("runs/0001-lm-songs");
    assert!(run.join("samples/step-000040.png").exists());
    assert!(fs::read_to_string(run.join("report.html")).unwrap().contains("keys upwards"));

    // In all forms, the same for the same seed.
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    let pieces = |name: &str| -> Vec<Vec<Vec<u32>>> { serde_json::from_slice(&read(name)).unwrap() };
    folder.good(&["sample", "1", "-n", "3", "-o", "three.json", "--length", "9"]);
    let three = pieces("three.json");
    assert!(three.len() == 3 && three.iter().all(|piece| (1..=9).contains(&piece.len())), "{three:?}");
    folder.good(&["sample", "1", "-n", "3", "-o", "again.json", "--length", "9", "--threads", "1"]);
    assert_eq!(read("again.json"), read("three.json"));
    for name in ["x.mid", "x.wav", "x.png", "x.npy"] {
        folder.good(&["sample", "1", "-n", "2", "-o", name, "--temperature", "0.9"]);
        assert!(!read(name).is_empty());
    }
    // A beginning comes first, as it is.
    folder.good(&["sample", "1", "--prompt", "beginning.json", "--length", "6", "-o", "whole.json"]);
    let whole = &pieces("whole.json")[0];
    assert!(whole[..2] == [[60, 64, 67], [65, 69, 72]] && whole.len() <= 8, "{whole:?}");
    folder.good(&[
        "sample",
        "1",
        "-n",
        "2",
        "-o",
        "more/",
        "--length",
        "20",
        "--top-k",
        "3",
        "--repetition-penalty",
        "1.2",
    ]);
    assert!(read("more/000001.mid").starts_with(b"MThd"));
    // Other music is judged in the events of the model; what is drawn is shown.
    assert!(folder.good(&["eval", "1", "--against", "songs.json"]).contains("nats-per-frame-"));
    folder.good(&["data", "show", "songs.json", "--set", "data.tokens=events", "-o", "shown.png"]);
    folder.good(&["export", "1", "-o", "songs.safetensors"]);
    folder.good(&["sample", "songs.safetensors", "-n", "3", "-o", "elsewhere.json", "--length", "9"]);
    assert_eq!(read("elsewhere.json"), read("three.json"));
    for family in ["hmm", "seqvae", "relgan"] {
        let more =
            ["--steps", "3", "--set", "data.tokens=events", "data.context=24", "train.preview=3", "eval.samples=20"];
        let report = folder.good(&[&["train", family, "--data", "songs.json"], &more[..]].concat());
        assert!(report.contains("-held-back") || report.contains("nats-per-token-"), "{family}: {report}");
        folder.good(&["sample", "last", "-n", "2", "-o", "other.mid"]);
        assert!(read("other.mid").starts_with(b"MThd"), "{family}");
    }

    fs::write(folder.path("book.txt"), "It was a dark night. ".repeat(20)).unwrap();
    for (arguments, words) in [
        (
            &["train", "lm", "--data", "book.txt", "--set", "data.tokens=events"][..],
            "`data.tokens=events` is for music",
        ),
        (&["train", "lm", "--data", "songs.json"], "`lm` does not take music"),
        (&["train", "lm", "--data", "songs.json", "--set", "data.tokens=bpe"], "`data.tokens` is for text"),
        (
            &["train", "lm", "--data", "songs.json", "--set", "data.tokens=events", "data.frames=8"],
            "`data.frames` is for piano rolls",
        ),
        (
            &["train", "pianoroll", "--data", "songs.json", "--set", "data.tokens=events"],
            "`pianoroll` does not take text",
        ),
        (&["sample", "1", "-o", "x.txt"], "music cannot be written as `.txt`"),
        (&["eval", "1", "--set", "data.resolution=2"], "the tokens of the data are others than what"),
        (&["sample", "1", "--prompt", "It was"], "there is no file `It was` for the music"),
        (&["sample", "1", "--top-p", "3"], "the top-p 3 is out of range"),
        (&["sample", "1", "--stop", "x"], "`--stop` is for models of text"),
    ] {
        let said = folder.refused(arguments);
        assert!(said.contains(words) && said.contains("\n hint: "), "{arguments:?}: {said}");
    }
}

#[test]
fn a_recurrent_gan_learns_music_as_notes_and_plays_it() {
    let folder = folder();
    let small = ["hidden_g=8", "hidden_d=8", "batch=8", "train.preview=3", "eval.samples=40", "data.window=12"];
    let notes = ["data.tokens=notes", "data.transpose=3"];
    let train = |family: &str, more: &[&str]| {
        folder.good(&[&["train", family, "--data", "songs.json", "--steps", "20", "--set"], &notes[..], more].concat())
    };
    let report = train("rgan", &[&small[..], &["eval.every=10"]].concat());
    for number in ["pitch-class-overlap-", "interval-overlap-", "polyphony-", "copied-frames-", "validation-mmd"] {
        let logged = fs::read_to_string(folder.path("runs/0001-rgan-songs/metrics.jsonl")).unwrap();
        assert!(report.contains(number) || logged.contains(number), "{number}: {report}");
    }
    assert_eq!(folder.good(&["eval", "1"]), report);
    let run = folder.path("runs/0001-rgan-songs");
    assert!(run.join("samples/step-000020.png").exists());
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("keys upwards") && page.matches("<h2>Samples</h2>").count() == 1);

    // In all forms, the same for the same seed, on one thread too, and from one file.
    let read = |name: &str| fs::read(folder.path(name)).unwrap();
    folder.good(&["sample", "1", "-n", "3", "-o", "three.json"]);
    let three: Vec<Vec<Vec<u32>>> = serde_json::from_slice(&read("three.json")).unwrap();
    assert!(three.len() == 3 && three.iter().flatten().flatten().all(|pitch| (21..109).contains(pitch)), "{three:?}");
    folder.good(&["export", "1", "-o", "songs.safetensors"]);
    folder.good(&["sample", "songs.safetensors", "-n", "3", "-o", "again.json", "--threads", "1"]);
    assert_eq!(read("again.json"), read("three.json"));
    for name in ["x.mid", "x.wav", "x.png", "x.npy", "more/000001.mid"] {
        let output = if name.starts_with("more") { "more/" } else { name };
        folder.good(&["sample", "1", "-n", "2", "-o", output]);
        assert!(!read(name).is_empty());
    }
    assert!(folder.good(&["eval", "1", "--against", "songs.json"]).contains("pitch-class-overlap-"));
    folder.good(&["data", "show", "songs.json", "--set", "data.tokens=notes", "data.window=8", "-o", "shown.png"]);

    // Whatever takes series takes it.
    for family in ["timegan", "seqvae", "hmm"] {
        let report = train(family, &["train.preview=3", "eval.samples=20", "data.window=12"]);
        assert!(report.contains("scale-consistency-"), "{family}: {report}");
        folder.good(&["sample", "last", "-n", "2", "-o", "other.mid"]);
        assert!(read("other.mid").starts_with(b"MThd"), "{family}");
    }
    folder.good(&["states", "last", "songs.json", "-o", "states.csv"]);

    for (arguments, words) in [
        (&["train", "rgan", "--data", "songs.json"][..], "`--set data.tokens=notes` reads music as a series of notes"),
        (
            &[
                "eval",
                "--samples",
                "three.json",
                "--against",
                "songs.json",
                "--set",
                "data.tokens=notes",
                "data.window=4",
            ],
            "is music, which",
        ),
        (
            &["train", "lm", "--data", "songs.json", "--set", "data.tokens=notes", "data.window=8"],
            "`lm` does not take series",
        ),
        (&["train", "rgan", "--data", "sines", "--set", "data.tokens=notes"], "`data.tokens=notes` is for music"),
        (
            &["train", "rgan", "--data", "songs.json", "--set", "data.tokens=notes", "data.window=400"],
            "and a window has 400",
        ),
        (&["sample", "1", "--length", "9"], "draws whole pieces"),
        (&["sample", "1", "--real", "-o", "x.png"], "`--real` is for models of series"),
        (&["eval", "1", "--set", "data.resolution=2"], "the tokens of the data are others than what"),
    ] {
        let said = folder.refused(arguments);
        assert!(said.contains(words) && said.contains("\n hint: "), "{arguments:?}: {said}");
    }
}
