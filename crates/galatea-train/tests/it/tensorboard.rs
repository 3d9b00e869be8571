//! Event files, read back.

use std::{collections::BTreeMap, fs, path::PathBuf};

use galatea_train::Run;

use crate::toy::{Witness, config, create, train};

/// A field of a protocol buffer message.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl Field<'_> {
    fn number(&self) -> u64 {
        match self {
            Field::Number(value) => *value,
            Field::Bytes(_) => panic!("a number was expected"),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Field::Bytes(bytes) => bytes,
            Field::Number(_) => panic!("bytes were expected"),
        }
    }
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut out = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                out.push((key >> 3, Field::Number(varint(&mut bytes))));
                continue;
            }
            1 => 8,
            2 => varint(&mut bytes) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (value, rest) = bytes.split_at(length);
        bytes = rest;
        out.push((key >> 3, Field::Bytes(value)));
    }
    out
}

/// The events in a file: steps, and the fields beside time and step.
fn events(path: &PathBuf) -> Vec<(u64, u64, Vec<u8>)> {
    let bytes = fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut out = Vec::new();
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        let event: BTreeMap<u64, Field<'_>> = fields(&rest[12..12 + length]).into_iter().collect();
        assert_eq!(event[&1].bytes().len(), 8, "the time");
        let (kind, what) = event.iter().find(|(kind, _)| **kind > 2).unwrap();
        out.push((event[&2].number(), *kind, what.bytes().to_vec()));
        rest = &rest[12 + length + 4..];
    }
    out
}

fn files(run: &Run) -> Vec<PathBuf> {
    let paths = fs::read_dir(run.path()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.display().to_string().contains("tfevents")).collect();
    files.sort();
    files
}

#[test]
fn scalars_and_images_can_be_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(40, "log_every = 10\nsample_every = 20\npreview = 4", "");
    let run = create(folder.path(), &config);
    train(&run, &config, &Witness::default()).unwrap();
    let files = files(&run);
    assert_eq!(files.len(), 1);
    let events = events(&files[0]);
    assert_eq!(events[0], (0, 3, b"brain.Event:2".to_vec()));
    let log = fs::read_to_string(run.log_path()).unwrap();
    let mut lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut images = Vec::new();
    for (step, kind, summary) in &events[1..] {
        assert_eq!(*kind, 5);
        let values = fields(summary);
        let first: BTreeMap<u64, Field<'_>> = fields(values[0].1.bytes()).into_iter().collect();
        if let Some(image) = first.get(&4) {
            assert_eq!(first[&1].bytes(), b"samples");
            let image: BTreeMap<u64, Field<'_>> = fields(image.bytes()).into_iter().collect();
            assert_eq!([1, 2, 3].map(|i| image[&i].number()), [22, 22, 1], "2 x 2 of 8 x 8, two pixels apart, grey");
            assert_eq!(image[&4].bytes(), fs::read(run.sample_path(*step)).unwrap());
            images.push(*step);
            continue;
        }
        let line = lines.next().unwrap();
        assert_eq!(line["step"], *step);
        assert_eq!(values.len(), 3);
        for (_, value) in &values {
            let value: BTreeMap<u64, Field<'_>> = fields(value.bytes()).into_iter().collect();
            let logged = line[str::from_utf8(value[&1].bytes()).unwrap()].as_f64().unwrap();
            let read = f32::from_le_bytes(value[&2].bytes().try_into().unwrap());
            assert!((logged - f64::from(read)).abs() <= 1e-3 * logged.abs().max(1.0), "{logged} and {read}");
        }
    }
    assert_eq!(images, [1, 20, 40]);
    assert!(lines.next().is_none());
}

#[test]
fn a_resumed_run_takes_back_what_is_done_again() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(40, "log_every = 5\ncheckpoint_every = 20", "");
    let run = create(folder.path(), &config);
    train(&run, &config, &Witness { die_after: Some(33), ..Witness::default() }).unwrap_err();
    train(&run, &config, &Witness::default()).unwrap();
    let files = files(&run);
    assert_eq!(files.len(), 2);
    // `SessionLog { status: START }` at the first step that is done again.
    assert_eq!(events(&files[1])[1], (21, 7, vec![8, 1]));
    assert_eq!(events(&files[1])[2].0, 25);
}
