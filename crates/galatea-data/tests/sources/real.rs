//! Real folders of pictures, where there are some: `GALATEA_DATA` names the folder that holds them.

use std::path::PathBuf;

use galatea_data::DataOptions;

use crate::opened;

fn folder(name: &str) -> Option<PathBuf> {
    let found =
        std::env::var_os("GALATEA_DATA").map(|base| PathBuf::from(base).join(name)).filter(|path| path.is_dir());
    if found.is_none() {
        eprintln!("skipped: `GALATEA_DATA` names no folder with `{name}` in it");
    }
    found
}

#[test]
fn faces() {
    let Some(path) = folder("images/orl-faces") else { return };
    let data = opened(&path, &DataOptions::default());
    assert_eq!((data.len(), data.spec().to_string()), (400, "64x64 grey images, 40 classes".into()));
    assert_eq!(data.spec().classes()[..3], ["s1", "s2", "s3"]);
    assert_eq!(data.warnings(), Vec::<String>::new());
}

#[test]
fn emoji() {
    let Some(path) = folder("images/twemoji") else { return };
    let data = opened(&path, &DataOptions { size: "32".into(), ..DataOptions::default() });
    assert_eq!((data.len(), data.spec().to_string()), (1_636, "32x32 RGB images, no classes".into()));
    // Families whose children differ in name only.
    assert_eq!(data.warnings().len(), 1);
    assert!(data.warnings()[0].starts_with("26 of 1636 pictures are exact copies"), "{:?}", data.warnings());
}
