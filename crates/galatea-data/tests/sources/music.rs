//! Music: lists of pitches and MIDI files, what is read, written and refused.

use std::fs;
use std::path::PathBuf;

use galatea_data::music::{Frame, frames_of, keys_of};
use galatea_data::{DataOptions, DataSpec, MusicSpec, Portion, open, write};

use crate::{opened, refusal};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn refused(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.write(name, bytes);
        refusal(&path, &DataOptions::default()).replace(&path.display().to_string(), name)
    }
}

fn chord(pitches: &[u32]) -> Frame {
    pitches.iter().map(|pitch| 1 << (pitch - 21)).sum()
}

/// A header and one track of these bytes.
fn midi(track: &[u8]) -> Vec<u8> {
    let mut bytes = b"MThd\0\0\0\x06\0\0\0\x01\0\x60MTrk".to_vec();
    bytes.extend((track.len() as u32).to_be_bytes());
    bytes.extend(track);
    bytes
}

#[test]
fn lists_of_pitches_say_what_their_parts_are_for() {
    let folder = Folder::new();
    let text = r#"{"test": [[[60, 64], [-1]]], "train": [[[21], [108], [20, 60]], [[60], []]], "valid": [[[62]]]}"#;
    let data = opened(&folder.write("a.json", text), &DataOptions::default());
    let DataSpec::Music(music) = data.spec() else { panic!("{}", data.spec()) };
    assert_eq!((music.length, music.resolution, data.len()), (3, 1, 4));
    let portions: Vec<_> = (0..4).map(|i| data.portion(i).unwrap()).collect();
    assert_eq!(portions, [Portion::Train, Portion::Train, Portion::Validation, Portion::Test]);
    let batch = data.batch(&[0, 1, 2, 3]).unwrap().values;
    let piece = |i: usize| frames_of(batch.row(i));
    assert_eq!(piece(0), [1, 1 << 87, chord(&[60])]);
    assert_eq!((piece(1), piece(3)), (vec![chord(&[60]), 0], vec![chord(&[60, 64]), 0]));
    assert!(data.notes().iter().any(|note| note.starts_with("1 notes are below or above the 88 keys")));
    let plain = opened(&folder.write("b.json", "[[[60], [62]], [[64]]]"), &DataOptions::default());
    assert_eq!((plain.len(), plain.portion(0)), (2, None));
    assert_ne!(plain.fingerprint(), data.fingerprint());
}

#[test]
fn what_is_written_as_midi_is_read_again() {
    let folder = Folder::new();
    let spec = MusicSpec { length: 6, resolution: 4, tempo: 96.0 };
    // No key is struck again at once, and none sounds in the first and the last frame alone.
    let frames = vec![chord(&[60, 64]), chord(&[60, 65]), 0, chord(&[21, 108]), chord(&[21]), chord(&[60])];
    for resolution in [1, 3, 4, 96] {
        let spec = MusicSpec { resolution, ..spec };
        let path = folder.write("a.mid", write::midi::bytes(&frames, &spec).unwrap());
        let options = DataOptions { resolution: Some(resolution), ..DataOptions::default() };
        let data = opened(&path, &options);
        let DataSpec::Music(read) = data.spec() else { panic!() };
        assert_eq!((read.length, read.resolution), (6, resolution));
        assert!((read.tempo - 96.0).abs() < 1e-3);
        assert_eq!(frames_of(data.batch(&[0]).unwrap().values.row(0)), frames, "{resolution}");
    }
    // Half as many frames of a quarter note.
    let path = folder.write("a.mid", write::midi::bytes(&frames, &spec).unwrap());
    let half = opened(&path, &DataOptions { resolution: Some(2), tempo: Some(60.0), ..DataOptions::default() });
    // The last two notes are half a frame long, and no note is shorter than one.
    assert_eq!(half.spec().shape(), [4, 88]);
    let DataSpec::Music(read) = half.spec() else { panic!() };
    assert_eq!(read.tempo, 60.0);
    assert_eq!(keys_of(frames_of(half.batch(&[0]).unwrap().values.row(0))[2]).next(), Some(0));
}

#[test]
fn a_folder_of_midi_files_is_music_however_deep() {
    let folder = Folder::new();
    let spec = MusicSpec { length: 6, resolution: 4, tempo: 96.0 };
    for (name, pitch) in [("tunes/b.mid", 62), ("tunes/a/x.MIDI", 60), ("tunes/.hidden.mid", 70)] {
        let mut file = write::midi::bytes(&[chord(&[pitch]); 5], &spec).unwrap();
        if name.contains("hidden") {
            file.truncate(20);
        }
        folder.write(name, file);
    }
    folder.write("tunes/notes.txt", "of somebody");
    // A drum, and nothing else.
    let drum = folder.write("tunes/drum.mid", midi(b"\0\x99\x24\x40\x30\x89\x24\0\0\xff\x2f\0"));
    let data = opened(drum.parent().unwrap(), &DataOptions::default());
    assert_eq!(data.len(), 2);
    let piece = |i: usize| frames_of(data.batch(&[i]).unwrap().values.row(0));
    assert_eq!([piece(0), piece(1)], [vec![chord(&[60]); 5], vec![chord(&[62]); 5]]);
    assert!(data.notes().iter().any(|note| note.starts_with("1 of 3 files have no notes")), "{:?}", data.notes());
    // A damaged file stops all, or is left out.
    let bytes = write::midi::bytes(&[chord(&[60]); 5], &spec).unwrap();
    let bad = folder.write("tunes/z.mid", &bytes[..bytes.len() - 9]);
    let said = refusal(bad.parent().unwrap(), &DataOptions::default());
    assert!(said.contains("z.mid`: this is no MIDI file, or it is damaged"), "{said}");
    let skipped = opened(bad.parent().unwrap(), &DataOptions { skip_broken: true, ..DataOptions::default() });
    assert!(skipped.len() == 2 && skipped.notes().iter().any(|note| note.starts_with("left out: ")));
}

#[test]
fn what_is_no_music_is_refused() {
    let folder = Folder::new();
    for (name, bytes, words) in [
        ("a.mid", &b""[..], "`a.mid`: the file is empty | name a MIDI file"),
        ("a.mid", b"this is some text, not music", "this is no MIDI file, or it is damaged"),
        ("a.mid", b"MThd\0\0\0\x06\0\0\0\x01\0\x60", "this is no MIDI file, or it is damaged"),
        ("a.mid", &midi(b"\0\xff\x2f\0"), "there are no notes in it"),
        // A quarter note of no ticks.
        ("a.mid", b"MThd\0\0\0\x06\0\0\0\x01\0\0MTrk\0\0\0\x04\0\xff\x2f\0", "a quarter note has no length"),
        // A key that is held for nearly three million quarter notes.
        (
            "a.mid",
            &midi(&[&b"\0\x90\x3c\x40"[..], &b"\xff\xff\xff\x7f\x80\x3c\0\0\xff\x2f\0"[..]].concat()),
            "it lasts longer than music does",
        ),
        ("a.json", b"", "this is no JSON: EOF"),
        ("a.json", b"[[[60], [61}]]", "this is no JSON: expected `,` or `]` at line 1 column 12"),
        ("a.json", br#"{"a": 3}"#, "these are no lists of pitches | write `{\"train\""),
        ("a.json", br#"{"dev": [[[60]]]}"#, "there is a part `dev` in it | parts are `train`"),
        ("a.json", b"[[[60.5]]]", "frame 0 of piece 0 has 60.5, which is no MIDI pitch"),
        ("a.json", b"[[[60]], [[60], [128]]]", "frame 1 of piece 1 has 128"),
        ("a.json", b"[]", "there are no notes in it"),
        ("a.json", b"[[[], [-1]]]", "there are no notes in it"),
    ] {
        let said = folder.refused(name, bytes);
        assert!(said.contains(words), "{words}: {said}");
    }
    let path = folder.write("a.json", "[[[60]]]");
    for (options, words) in [
        (DataOptions { size: "32".into(), ..DataOptions::default() }, "`data.size` is for pictures"),
        (DataOptions { context: 9, ..DataOptions::default() }, "`data.context` is for text"),
        (DataOptions { resolution: Some(0), ..DataOptions::default() }, "`data.resolution` is out of range"),
        (DataOptions { tempo: Some(f64::NAN), ..DataOptions::default() }, "`data.tempo` is out of range"),
        (DataOptions { classes: "3".into(), ..DataOptions::default() }, "music has no classes"),
    ] {
        let said = refusal(&path, &options);
        assert!(said.contains(words), "{said}");
    }
    let said = open("digits", &DataOptions { frames: 9, ..DataOptions::default() }).err().unwrap().to_string();
    assert_eq!(said, "`data.frames` is for music, and `digits` holds images");
}
