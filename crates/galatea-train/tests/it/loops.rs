//! Divergence, minutes, observers, errors of data.

use std::{
    fs,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use galatea_train::{Action, Context, End, Event, Feed, Observer, Reading, Run, observers};

use crate::toy::{ToyData, Witness, config, create, session, train, weights};

#[test]
fn a_value_that_is_not_finite_ends_training() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(100, "checkpoint_every = 20", "nan_at = 47");
    let run = create(folder.path(), &config);
    let witness = Witness::default();
    let error = train(&run, &config, &witness).unwrap_err();
    assert_eq!(error.to_string(), "training diverged: `loss` became NaN at step 47");
    assert!(error.hint().unwrap().contains("step-000040"));
    assert!(witness.has("diverged loss Some(\"step-000040\")"), "{:?}", witness.seen());
}

#[test]
fn a_part_that_is_not_finite_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(100, "checkpoint_every = 20", "infinite_at = 60");
    let run = create(folder.path(), &config);
    let error = train(&run, &config, &Witness::default()).unwrap_err();
    assert_eq!(error.to_string(), "training diverged: `moment: values` became inf at step 60");
}

#[test]
fn minutes_become_steps_and_the_run_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let timed = config(0, "minutes = 0.02\npreview = 4", "milliseconds = 2");
    let run = create(folder.path(), &timed);
    let began = Instant::now();
    let witness = Witness::default();
    let summary = train(&run, &timed, &witness).unwrap();
    // 1.2 seconds in steps of 2 ms and a little: some of them go to timing. Machines under load are slower.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert!((50..=560).contains(&summary.steps), "{}", summary.steps);
    assert_eq!(witness.seen()[..2], ["calibrated".to_owned(), format!("started 0/{}", summary.steps)]);

    let fixed = run.config().unwrap();
    assert_eq!((fixed.train.steps, fixed.train.minutes), (summary.steps, None));
    let again = create(folder.path(), &fixed);
    train(&again, &fixed, &Witness::default()).unwrap();
    assert_eq!(weights(&run), weights(&again), "timing leaves no trace");
}

#[test]
fn no_steps_and_no_minutes_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(0, "", "");
    let run = create(folder.path(), &config);
    let error = train(&run, &config, &Witness::default()).unwrap_err();
    assert_eq!(error.to_string(), "`train.steps` is 0");
}

#[test]
fn data_that_cannot_be_read_end_training() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(100, "checkpoint_every = 2", "");
    let run = create(folder.path(), &config);
    let data = ToyData { broken: Some(33), ..ToyData::new(50) };
    let feed = Feed::new(Arc::new(data), (0..50).collect()).unwrap();
    let witness = Witness::default();
    let mut all: Vec<Box<dyn Observer>> = vec![Box::new(witness.clone())];
    let stop = AtomicBool::new(false);
    let error = galatea_train::train(&mut *session(&config), &feed, &config, &run, &mut all, &stop).unwrap_err();
    assert_eq!(error.to_string(), "`toy.png`: it is broken");
    assert!(witness.has("failed `toy.png`: it is broken"));
    let error = Feed::new(Arc::new(ToyData::new(5)), Vec::new()).unwrap_err();
    assert!(error.to_string().starts_with("there is nothing to train on"));
}

/// Judges every tenth step, and has seen enough at step 30.
struct Judge;

impl Observer for Judge {
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> galatea_train::Result<Action> {
        Ok(match event {
            Event::Step { .. } if context.step == 30 => Action::Stop { reason: "enough".into() },
            Event::Step { .. } if context.step.is_multiple_of(10) => {
                let value = awkward(context.step);
                Action::Evaluated(vec![Reading {
                    metric: "toy-10".into(),
                    value,
                    floor: Some(1.0),
                    ..Reading::default()
                }])
            }
            _ => Action::Continue,
        })
    }
}

#[test]
fn observers_judge_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(100, "", "");
    let run = create(folder.path(), &config);
    let mut all: Vec<Box<dyn Observer>> = vec![Box::new(Judge), Box::new(observers::JsonLines::new())];
    let stop = AtomicBool::new(false);
    let summary =
        galatea_train::train(&mut *session(&config), &crate::toy::feed(), &config, &run, &mut all, &stop).unwrap();
    assert_eq!((summary.end, summary.step), (End::Stopped { reason: "enough".into() }, 30));
    assert!(summary.checkpoint.unwrap().ends_with("step-000030"));
    let metrics = fs::read_to_string(run.metrics_path()).unwrap();
    let lines: Vec<serde_json::Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["metric"], "toy-10");
    assert_eq!((&lines[1]["floor"], &lines[1]["step"]), (&1.0.into(), &20.into()));
    // To the last bit: by what was read, a run that goes on decides whether a value is the best.
    let read: Vec<f64> = observers::readings(&run).unwrap().iter().map(|line| line.reading.value).collect();
    assert_eq!(read, [10, 20].map(awkward));
    let text = |step: u64| serde_json::to_string(&awkward(step)).unwrap();
    assert!((1..300).all(|step| serde_json::from_str::<f64>(&text(step)).unwrap() == awkward(step)));
}

/// Shares of three hundred examples, of which some are a bit off if they are read in haste.
fn awkward(step: u64) -> f64 {
    (step as f64 / 300.0) * 7.0 / 3.0
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("read-only");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o555)).unwrap();
    // Permissions do not bind the administrator.
    if fs::write(root.join("probe"), "").is_err() {
        let error = Run::create(&root.join("runs"), "toy", &config(1, "", "")).unwrap_err();
        assert!(error.to_string().starts_with("cannot create `"), "{error}");
        assert!(error.hint().unwrap().contains("permissions"));
    }
}
