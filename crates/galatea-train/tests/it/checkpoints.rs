//! Damage, versions, pruning.

use std::{fs, path::Path};

use galatea_train::{Writer, checkpoint};

use crate::toy::{Witness, config, create, session, train, weights};

const PLAN: &str = "checkpoint_every = 20\nkeep_last = 3\npreview = 1";

/// A run of 100 steps that has checkpoints at 60, 80 and 100.
fn trained(root: &Path) -> Writer {
    let config = config(100, PLAN, "");
    let run = create(root, &config);
    train(&run, &config, &Witness::default()).unwrap();
    run
}

fn steps(run: &Writer) -> Vec<u64> {
    checkpoint::list(run).unwrap().into_iter().map(|(step, _)| step).collect()
}

#[test]
fn every_damage_is_found_and_the_one_before_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let run = trained(folder.path());
    let good = weights(&run);
    let last = run.checkpoints_path().join("step-000100");
    let state = last.join("state.json");
    let mean = last.join("mean.safetensors");
    let text = fs::read_to_string(&state).unwrap();
    let values = fs::read(&mean).unwrap();
    let mut flipped = values.clone();
    *flipped.last_mut().unwrap() ^= 1;
    type Damage<'a> = (&'a str, &'a Path, Option<Vec<u8>>);
    let damages: [Damage<'_>; 7] = [
        ("its checksum is wrong", &mean, Some(flipped)),
        ("it has 10 bytes and should have", &mean, Some(values[..10].to_vec())),
        ("cannot read", &mean, None),
        ("no whole JSON", &state, Some(text.as_bytes()[..text.len() / 2].to_vec())),
        ("its checksum is wrong", &state, Some(text.replace("\"images_seen\": 1", "\"images_seen\": 3").into_bytes())),
        ("version 2", &state, Some(text.replace("\"format\": 1", "\"format\": 2").into_bytes())),
        ("cannot read", &state, None),
    ];
    for (problem, path, contents) in damages {
        let before = fs::read(path).unwrap();
        match contents {
            Some(contents) => fs::write(path, contents).unwrap(),
            None => fs::remove_file(path).unwrap(),
        }
        let newest = checkpoint::newest(&run, None).unwrap();
        assert_eq!(newest.checkpoint.unwrap().state.step, 80);
        assert!(newest.skipped[0].contains(problem), "{:?} should say {problem}", newest.skipped);
        assert!(newest.skipped[0].contains(path.to_str().unwrap()), "{:?} should name the file", newest.skipped);
        fs::write(path, before).unwrap();
    }
    assert_eq!(weights(&run), good, "all is as it was");

    // Any flipped bit of `state.json` is found.
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&state, bytes).unwrap();
        assert!(checkpoint::load(&last, None).is_err(), "bit {} of byte {at}", at % 8);
    }

    // Training again from the one before ends with the same weights, and replaces the damaged one.
    let witness = Witness::default();
    let config = run.config().unwrap();
    train(&run, &config, &witness).unwrap();
    assert!(witness.seen()[0].starts_with("warning `") && witness.seen()[0].ends_with("; going on from step 80"));
    assert!(witness.has("started 80/100"));
    assert_eq!(weights(&run), good);
    assert_eq!(steps(&run), [60, 80, 100]);
}

#[test]
fn damage_of_what_is_not_asked_for_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let run = trained(folder.path());
    fs::remove_file(run.checkpoints_path().join("step-000100/moment.safetensors")).unwrap();
    let found = checkpoint::newest(&run, Some("mean")).unwrap().checkpoint.unwrap();
    assert_eq!((found.state.step, found.parts.len()), (100, 1));
}

#[test]
fn all_damaged_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let run = trained(folder.path());
    for step in steps(&run) {
        fs::write(run.checkpoints_path().join(format!("step-{step:06}/state.json")), "{").unwrap();
    }
    let error = train(&run, &run.config().unwrap(), &Witness::default()).unwrap_err();
    assert!(error.to_string().contains("has no checkpoint that can be read: `"), "{error}");
    assert!(error.hint().is_some());
    assert_eq!(steps(&run), [60, 80, 100], "nothing is removed");
}

#[test]
fn half_written_ones_are_no_checkpoints_and_go_when_the_run_is_locked() {
    let folder = tempfile::tempdir().unwrap();
    let run = trained(folder.path());
    let aside = run.checkpoints_path().join(".aside-step-000120");
    fs::create_dir(&aside).unwrap();
    fs::write(aside.join("mean.safetensors"), "half").unwrap();
    assert_eq!(steps(&run), [60, 80, 100]);
    assert_eq!(checkpoint::newest(&run, None).unwrap().checkpoint.unwrap().state.step, 100);
    let again = (*run).clone();
    assert!(aside.exists(), "readers leave it");
    drop(run);
    let _writer = again.lock().unwrap();
    assert!(!aside.exists());
}

#[test]
fn the_last_and_every_so_many_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(200, "checkpoint_every = 10\nkeep_last = 2\nkeep_every = 60\npreview = 1", "");
    let run = create(folder.path(), &config);
    train(&run, &config, &Witness::default()).unwrap();
    assert_eq!(steps(&run), [60, 120, 180, 190, 200]);
    // Training went back to 60: what is later belongs to a course that was given up, but only once there is another.
    let healing = &mut config.train.clone();
    (healing.keep_every, healing.keep_last) = (0, 1);
    // Where training may go back, an interruption after step 195 is no reason to part with what was there.
    checkpoint::prune(&run, 195, healing, Some(&[])).unwrap();
    assert_eq!(steps(&run), [60, 120, 180, 190]);
    checkpoint::prune(&run, 180, healing, Some(&[139])).unwrap();
    assert_eq!(steps(&run), [120, 180]);
    checkpoint::prune(&run, 120, &config.train, None).unwrap();
    assert_eq!(steps(&run), [120]);
}

#[test]
fn what_is_not_finite_is_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(100, PLAN, "infinite_at = 41");
    let run = create(folder.path(), &config);
    let witness = Witness::default();
    // Only the state is infinite at first: the scalars would show it a step later.
    let error = train(&run, &config, &witness).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("training diverged: `"), "{text}");
    assert_eq!(steps(&run), [20, 40]);
    assert!(error.hint().unwrap().contains("step-000040` is good"), "{:?}", error.hint());
    assert!(session(&config).parts().len() == 2);
}
