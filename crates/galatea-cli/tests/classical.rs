//! The program on series and tables: hidden Markov models and Bayesian networks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::fs;

use common::Folder;

/// Weather and what people carry: it depends on the weather alone.
fn folder() -> Folder {
    let folder = Folder::new();
    let mut rows = "weather,carries,weekday\n".to_owned();
    for i in 0..400 {
        let weather = ["rain", "sun", "sun"][i % 3];
        let carries = match (weather, i % 7) {
            ("rain", 0) | ("sun", 1..) => "nothing",
            _ => "umbrella",
        };
        rows.push_str(&format!("{weather},{carries},{}\n", ["Mon", "Tue", "Wed", "Thu", "Fri"][i * i % 5]));
    }
    fs::write(folder.path("people.csv"), rows).unwrap();
    folder
}

#[test]
fn a_table_is_learnt_drawn_from_given_some_of_it_and_its_graph_exported() {
    let folder = folder();
    let report = folder.good(&["train", "bayesnet", "--data", "people.csv", "--steps", "3"]);
    assert!(report.contains("nats-per-row-40"), "{report}");
    folder.good(&["sample", "1", "-n", "500"]);
    let rows = fs::read_to_string(folder.path("samples.csv")).unwrap();
    assert!(rows.starts_with("weather,carries,weekday\n") && rows.lines().count() == 501);
    let share = |rows: &str, of: &str, with: &str| {
        let of: Vec<&str> = rows.lines().skip(1).filter(|row| row.contains(of)).collect();
        of.iter().filter(|row| row.contains(with)).count() as f64 / of.len() as f64
    };
    // Of six days of sun in seven nothing is carried; one of rain in seven.
    assert!((share(&rows, "sun,", "nothing") - 6.0 / 7.0).abs() < 0.07, "{}", share(&rows, "sun,", "nothing"));
    assert!((share(&rows, "rain,", "nothing") - 1.0 / 7.0).abs() < 0.08);
    // Backwards: two thirds of the days are of sun, on which a seventh carries an umbrella.
    let arguments = ["sample", "1", "-n", "500", "--given", "carries=umbrella", "-o", "some.csv"];
    folder.good(&arguments);
    let some = fs::read_to_string(folder.path("some.csv")).unwrap();
    assert!(!some.contains("nothing"));
    assert!((share(&some, "umbrella", "sun,") - 0.25).abs() < 0.07, "{}", share(&some, "umbrella", "sun,"));
    folder.good(&["export", "1", "-o", "people.dot"]);
    let dot = fs::read_to_string(folder.path("people.dot")).unwrap();
    assert!(dot.contains("\"weather\" -> \"carries\";"), "{dot}");
    folder.good(&["export", "1", "-o", "people.svg"]);
    assert!(fs::read_to_string(folder.path("people.svg")).unwrap().contains(">weather</text>"));
    folder.good(&["export", "1", "-o", "people.png"]);
    assert!(fs::read(folder.path("people.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(folder.good(&["eval", "1"]).contains("nats-per-row-40"));
    for (arguments, words) in [
        (&["sample", "1", "--given", "carriez=umbrella"][..], "there is no column `carriez`"),
        (&["sample", "1", "--given", "carries=umbrela"], "column `carries` has no value `umbrela`"),
        (
            &["sample", "1", "--given", "carries=umbrella", "--given", "carries=nothing"],
            "`carries` is given twice, with two values",
        ),
        (&["export", "1", "-o", "people.gif"], "a model is not written to `people.gif`"),
        (&["sample", "1", "--given", "carries"], "`carries` is no column with its value"),
        (&["sample", "1", "-o", "x.gif"], "there is no writing rows as pictures"),
        (&["sample", "1", "--prompt", "x"], "`--prompt` is for models that write on"),
        (&["train", "hmm", "--data", "people.csv"], "`hmm` does not take table"),
        (&["train", "bayesnet", "--data", "people.csv", "--set", "root=3"], "`root` is 3, and there are 3 columns"),
    ] {
        let said = folder.refused(arguments);
        assert!(
            said.starts_with("exit code 2\nerror: ") && said.contains(words) && said.contains("\n hint: "),
            "{said}"
        );
    }
}

#[test]
fn a_series_is_learnt_drawn_and_resumed() {
    let folder = Folder::new();
    let train = |more: &[&str]| {
        let common =
            ["train", "hmm", "--data", "ar", "--steps", "12", "--set", "data.limit=300", "states=4", "restarts=2"];
        folder.good(&[&common, more].concat())
    };
    let report = train(&["train.checkpoint_every=4", "--name", "whole"]);
    assert!(report.contains("nats-per-value-3600") && report.contains("sliced-wasserstein-30"), "{report}");
    folder.good(&["sample", "1", "-n", "3", "-o", "x.csv"]);
    let table = fs::read_to_string(folder.path("x.csv")).unwrap();
    assert!(table.starts_with("example,moment,x1,x2,x3,x4,x5\n0,0,") && table.lines().count() == 1 + 3 * 24);
    folder.good(&["sample", "1", "-n", "3", "-o", "x.png"]);
    assert!(fs::read(folder.path("x.png")).unwrap().starts_with(b"\x89PNG"));
    assert!(folder.path("runs/0001-whole/samples/step-000012.png").exists());
    // As after a kill between two checkpoints, while beginnings are still tried, and with another number of threads.
    train(&["train.checkpoint_every=4", "train.keep_last=9", "--name", "again", "--threads", "1"]);
    let run = folder.path("runs/0002-again");
    fs::remove_dir_all(run.join("checkpoints/step-000012")).unwrap();
    fs::remove_dir_all(run.join("checkpoints/step-000008")).unwrap();
    folder.good(&["train", "--resume", "again", "--threads", "3"]);
    assert!(weights_of(&run) == weights_of(&folder.path("runs/0001-whole")));
    // Three levels that last: as many states are worth it.
    let mut draws = 7u64;
    let mut uniform = || {
        draws = draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (draws >> 40) as f64 / (1u64 << 24) as f64
    };
    let mut level = |t: usize| [0.0, 5.0, -5.0][t / 20 % 3] + (0..6).map(|_| uniform()).sum::<f64>();
    let rows: String = (0..1_200).map(|t| format!("{:.2}\n", level(t))).collect();
    fs::write(folder.path("levels.csv"), format!("level\n{rows}")).unwrap();
    let auto = ["states=auto", "data.window=40", "data.stride=40", "restarts=2", "eval.samples=0"];
    folder.good(
        &[&["train", "hmm", "--data", "levels.csv", "--name", "auto", "--steps", "20", "--set"], &auto[..]].concat(),
    );
    let log = fs::read_to_string(folder.path("runs/0003-auto/log.jsonl")).unwrap();
    let chosen =
        log.lines().rev().find_map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["states"].as_f64());
    assert_eq!(chosen, Some(3.0), "{log}");
    // The states are the levels, twenty moments each.
    let table = folder.good(&["states", "auto", "levels.csv", "-o", "-"]);
    let rows: Vec<Vec<f64>> =
        table.lines().skip(1).map(|line| line.split(',').map(|field| field.parse().unwrap()).collect()).collect();
    assert_eq!((table.lines().next(), rows.len()), (Some("example,moment,state,probability"), 1_200));
    let state_of = |level: usize| rows[20 * level + 10][2];
    assert!((0..1_200).all(|t| rows[t][2] == state_of(t / 20 % 3) && rows[t][3] > 0.5));
    assert!(state_of(0) != state_of(1) && state_of(1) != state_of(2) && state_of(0) != state_of(2));
    let said = folder.refused(&["states", "auto", "ar"]);
    assert!(said.contains("channels") && said.contains("\n hint: "), "{said}");
    let said = folder.refused(&["train", "hmm", "--data", "ar", "--set", "data.limit=50", "states=2000"]);
    assert!(said.contains("`states` is 2000, out of range"), "{said}");
}

fn weights_of(run: &std::path::Path) -> Vec<u8> {
    fs::read(run.join("checkpoints/step-000012/chains.safetensors")).unwrap()
}

#[test]
fn series_that_cannot_be_are_told() {
    let folder = Folder::new();
    for (text, settings, words) in [
        ("a,b\n1,2\n3\n", "data.window=2", "line 3 has 1 fields"),
        ("a\n1\n\n2\n", "data.window=5", "`s` has 2 moments, and a window 5"),
        ("a,b\n1,\n2,3\n", "data.window=2", "1 values are missing, such as that of `b` in line 2"),
    ] {
        fs::write(folder.path("s.csv"), text).unwrap();
        let said = folder.refused(&["train", "hmm", "--data", "s.csv", "--set", settings]);
        assert!(said.contains(words) && said.contains("\n hint: "), "{said}");
        assert!(!folder.path("runs").exists());
    }
}
