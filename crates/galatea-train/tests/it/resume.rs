//! Interrupted and resumed is the same as never interrupted.

use std::{fs, sync::atomic::AtomicBool};

use galatea_train::{End, Run, checkpoint};

use crate::toy::{Witness, config, create, session, train, train_session, weights};

const PLAN: &str = "checkpoint_every = 50\nsample_every = 100\nlog_every = 10\nkeep_last = 2\npreview = 4";

fn steps_of(path: &std::path::Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["step"].as_u64().unwrap())
        .collect()
}

#[test]
fn a_killed_run_goes_on_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(400, PLAN, "");
    let whole = create(folder.path(), &config);
    let summary = train(&whole, &config, &Witness::default()).unwrap();
    assert_eq!((summary.end, summary.step, summary.images_seen), (End::Finished, 400, 400 * 14));

    let broken = create(folder.path(), &config);
    // Before the first checkpoint, in between, at a checkpoint, and at the last step.
    for die_after in [20, 130, 200, 399, 400] {
        let witness = Witness { die_after: Some(die_after), ..Witness::default() };
        assert_eq!(train(&broken, &config, &witness).unwrap_err().to_string(), "killed");
    }
    let witness = Witness::default();
    let summary = train(&broken, &config, &witness).unwrap();
    assert_eq!((summary.step, summary.images_seen), (400, 400 * 14));
    assert_eq!(witness.seen(), ["started 350/400", "sampled 400", "checkpointed step-000400", "finished"]);
    assert_eq!(weights(&whole), weights(&broken));
    assert_ne!(weights(&whole), session(&config).parts());

    let expected: Vec<u64> = std::iter::once(1).chain((10..=400).step_by(10)).collect();
    assert_eq!(steps_of(&whole.log_path()), expected);
    assert_eq!(steps_of(&broken.log_path()), expected);
    for step in [1, 100, 200, 300, 400] {
        let pictures = [&whole, &broken].map(|run| fs::read(run.sample_path(step)).unwrap());
        assert_eq!(pictures[0], pictures[1]);
    }
    let steps: Vec<u64> = checkpoint::list(&broken).unwrap().into_iter().map(|(step, _)| step).collect();
    assert_eq!(steps, [350, 400]);
}

#[test]
fn a_finished_run_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(60, PLAN, "");
    let run = create(folder.path(), &config);
    train(&run, &config, &Witness::default()).unwrap();
    let state = run.checkpoints_path().join("step-000060/state.json");
    let before = (fs::read(&state).unwrap(), fs::read(run.log_path()).unwrap());
    let witness = Witness::default();
    let summary = train(&run, &config, &witness).unwrap();
    assert_eq!((summary.end, summary.step, summary.checkpoint.is_some()), (End::Finished, 60, true));
    assert_eq!(witness.seen(), ["started 60/60", "finished"]);
    assert_eq!(before, (fs::read(&state).unwrap(), fs::read(run.log_path()).unwrap()));
}

#[test]
fn an_interruption_leaves_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(60, PLAN, "");
    let whole = create(folder.path(), &config);
    train(&whole, &config, &Witness::default()).unwrap();

    let run = create(folder.path(), &config);
    let stop = AtomicBool::new(true);
    let witness = Witness::default();
    let summary = train_session(&mut *session(&config), &run, &config, &witness, &stop).unwrap();
    assert_eq!((summary.end, summary.step, summary.checkpoint), (End::Interrupted, 0, None), "nothing was done yet");
    let stop = AtomicBool::new(false);
    let summary = std::thread::scope(|scope| {
        // The flag may be set at any moment, so by another thread, as a signal would.
        let slow =
            galatea_train::RunConfig { model: crate::toy::config(60, "", "milliseconds = 2").model, ..config.clone() };
        let stop = &stop;
        let run = &run;
        scope.spawn(move || {
            while !run.log_path().is_file() || steps_of(&run.log_path()).last() < Some(&20) {
                std::thread::yield_now();
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        train_session(&mut *session(&slow), run, &config, &witness, stop).unwrap()
    });
    assert_eq!(summary.end, End::Interrupted);
    assert!((20..60).contains(&summary.step), "{}", summary.step);
    let name = format!("step-{:06}", summary.step);
    assert_eq!(summary.checkpoint.unwrap(), run.checkpoints_path().join(name));
    assert!(witness.has("interrupted"));
    assert_eq!(train(&run, &config, &witness).unwrap().end, End::Finished);
    assert_eq!(weights(&run), weights(&whole));
}

#[test]
fn other_settings_and_other_data_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let first = config(60, PLAN, "");
    let run = create(folder.path(), &first);
    let refused = |other| train(&run, &other, &Witness::default()).unwrap_err();
    let error = refused(config(60, PLAN, "rate = 0.2"));
    assert!(error.to_string().ends_with("other settings: `model.rate` is 0.1 there and 0.2 here"), "{error}");
    train(&run, &first, &Witness { die_after: Some(55), ..Witness::default() }).unwrap_err();
    let error = refused(config(70, PLAN, "rate = 0.2"));
    assert!(error.to_string().contains("`train.steps` is 60 there and 70 here"), "{error}");
    assert!(error.hint().is_some());

    // A config that was changed by hand.
    let path = run.path().join("config.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("rate = 0.1", "rate = 0.3")).unwrap();
    let error = refused(run.config().unwrap());
    assert!(error.to_string().contains("`model.rate` is 0.1 there and 0.3 here"), "{error}");
    fs::write(&path, text).unwrap();

    let other = galatea_train::Feed::new(std::sync::Arc::new(crate::toy::ToyData::new(60)), vec![1, 2]).unwrap();
    let stop = AtomicBool::new(false);
    let error = galatea_train::train(&mut *session(&first), &other, &first, &run, &mut [], &stop).unwrap_err();
    assert!(error.to_string().starts_with("the data have changed since"), "{error}");

    // What cannot change the weights may differ, and is written down.
    let other = config(60, "checkpoint_every = 7\nlog_every = 3", "");
    assert_eq!(train(&run, &other, &Witness::default()).unwrap().end, End::Finished);
    assert_eq!(run.config().unwrap(), other);
}

#[test]
fn two_trainers_do_not_share_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(60, PLAN, "");
    let writer = create(folder.path(), &config);
    let error = Run::open(folder.path(), "1").unwrap().lock().unwrap_err();
    assert!(error.to_string().contains("is in use by process"), "{error}");
    drop(writer);
}
