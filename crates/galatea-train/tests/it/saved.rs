//! Models that come back without their data or their run.

use std::fs;

use galatea_models::SampleRequest;
use galatea_train::{Saved, Which, checkpoint, export};

use crate::toy::{TOY, Witness, config, create, session, train};

#[test]
fn a_run_and_an_exported_file_draw_what_the_model_drew() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(40, "checkpoint_every = 10", "rate = 0.3");
    let run = create(folder.path(), &config);
    let error = Saved::of_run(&run, Which::Newest).unwrap_err();
    assert!(error.to_string().ends_with("has no checkpoint yet"), "{error}");
    let mut trained = session(&config);
    crate::toy::train_session(&mut *trained, &run, &config, &Witness::default(), &false.into()).unwrap();
    let request = SampleRequest::new(3, 5);
    let expected = trained.sample(&request).unwrap();
    let device = burn::prelude::Device::default();

    let saved = Saved::of_run(&run, Which::Newest).unwrap();
    assert_eq!((saved.step, saved.seed, saved.family.as_str()), (40, 5, "toy"));
    assert_eq!(saved.session_of(&TOY, &device).unwrap().sample(&request).unwrap(), expected);
    assert_eq!(saved.session(&device).err().unwrap().to_string(), "there is no family `toy`");
    let earlier = Saved::of_run(&run, Which::Step(30)).unwrap().session_of(&TOY, &device).unwrap();
    assert_ne!(earlier.sample(&request).unwrap(), expected);
    let hint = Saved::of_run(&run, Which::Step(10)).unwrap_err().hint().unwrap();
    assert_eq!(hint, "there are those of steps 20, 30, 40");

    let path = folder.path().join("model.safetensors");
    export(&path, &*trained, config.seed, 40).unwrap();
    let bytes = fs::read(&path).unwrap();
    export(&path, &*trained, config.seed, 40).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes, "the same model is the same file");
    drop(run);
    fs::remove_dir_all(folder.path().join("0001-toy")).unwrap();
    let saved = Saved::read(&path).unwrap();
    assert_eq!((saved.step, saved.seed, &saved.model), (40, 5, &config.model));
    assert_eq!(saved.session_of(&TOY, &device).unwrap().sample(&request).unwrap(), expected);
}

#[test]
fn what_is_no_exported_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(10, "", "");
    let path = folder.path().join("model.safetensors");
    export(&path, &*session(&config), config.seed, 0).unwrap();
    let bytes = fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = Saved::read(&path).unwrap_err();
        assert!(error.hint().is_some());
        error.to_string()
    };
    assert!(refused(b"").contains("no whole safetensors file"));
    assert!(refused(&bytes[..bytes.len() - 1]).contains("no whole safetensors file"));
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 0x10;
    assert!(refused(&flipped).contains("its checksum is wrong"));
    let text = String::from_utf8_lossy(&bytes[8..]).into_owned();
    let other = text.find("galatea-1").unwrap() + 8 + 8;
    let mut newer = bytes.clone();
    newer[other] = b'2';
    assert!(refused(&newer).contains("it is of format galatea-2"));
    // A part of a checkpoint is weights alone.
    let run = create(folder.path(), &config);
    train(&run, &config, &Witness::default()).unwrap();
    let newest = checkpoint::newest(&run, None).unwrap().checkpoint.unwrap();
    assert!(refused(&fs::read(newest.path.join("mean.safetensors")).unwrap()).contains("weights of another program"));
    assert!(Saved::read(&folder.path().join("none")).unwrap_err().to_string().starts_with("cannot read `"));
}
