//! Texts and folders of them.

use std::{fs, path::Path};

use galatea_data::{DataOptions, DataSpec, Dataset, open_text};

use crate::{opened, refusal};

fn small() -> DataOptions {
    DataOptions { context: 4, ..DataOptions::default() }
}

fn whole(data: &dyn Dataset) -> String {
    let DataSpec::Text(text) = data.spec() else { panic!("{}", data.spec()) };
    let first: Vec<u32> = (0..data.len()).map(|i| data.batch(&[i]).unwrap().tokens()[0]).collect();
    let rest = data.batch(&[data.len() - 1]).unwrap().tokens();
    text.vocabulary.decode(&[&first[..], &rest[1..]].concat())
}

#[test]
fn a_file_is_read_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    fs::write(&path, "\u{feff}Dear Ada,\r\nçà va?\r\n").unwrap();
    let data = opened(&path, &small());
    assert_eq!((data.name(), whole(&*data).as_str()), ("letter", "Dear Ada,\nçà va?\n"));
    assert_eq!(data.spec().to_string(), "text of 13 different characters, 4 at a time");
    assert!(data.notes().iter().any(|note| note.starts_with("2 line ends of Windows")), "{:?}", data.notes());
    // Under another name, when it is asked for as text.
    let other = folder.path().join("letter");
    fs::rename(&path, &other).unwrap();
    let again = open_text(other.to_str().unwrap(), &small(), None).unwrap();
    assert_eq!(again.fingerprint(), data.fingerprint());
}

#[test]
fn a_folder_is_joined_by_name_and_is_no_folder_of_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("b.txt", b"second\n");
    write("a.txt", b"first");
    write(".hidden.txt", b"no");
    write("notes.doc", b"no");
    let data = opened(folder.path(), &small());
    assert_eq!(whole(&*data), "first\n\nsecond\n");
    write("c.txt", b"caf\xe9");
    assert!(
        refusal(folder.path(), &small()).contains("c.txt`: byte 3, in line 1, is no UTF-8: 0xe9 | bring it to UTF-8")
    );
    let rest = opened(folder.path(), &DataOptions { skip_broken: true, ..small() });
    assert_eq!(rest.fingerprint(), data.fingerprint());
    assert!(rest.notes()[0].starts_with("left out: "), "{:?}", rest.notes());
    // With pictures or other folders in it, it is one of pictures.
    fs::create_dir(folder.path().join("class")).unwrap();
    assert!(refusal(folder.path(), &DataOptions::default()).contains("picture"));
}

#[test]
fn what_is_no_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |bytes: &[u8], options: &DataOptions| {
        let path = folder.path().join("a.txt");
        fs::write(&path, bytes).unwrap();
        refusal(&path, options).replace(&path.display().to_string(), "a.txt")
    };
    assert!(refused(b"", &small()).starts_with("`a.txt`: the file is empty | "));
    assert!(refused(b"\xef\xbb\xbf", &small()).starts_with("`a.txt`: there is no text in it | "));
    assert!(refused(b"a", &small()).starts_with("the text of `a.txt` has 1 characters, and an example 5 | "));
    assert!(refused(b"one\ntwo\nthr\xffe", &small()).starts_with("`a.txt`: byte 11, in line 3, is no UTF-8: 0xff | "));
    assert!(refused(b"cut short \xe2\x82", &small()).contains("byte 10, in line 1, is no UTF-8"));
    assert!(refused(b"\xff\xfea\0b\0", &small()).starts_with("`a.txt`: the text is in UTF-16 | "));
    assert!(refused(b"abcdef\0gh", &small()).starts_with("`a.txt`: this is no text: byte 6 is 0 | "));
    let large = vec![b'a'; (1 << 20) / 10 + 1];
    let tight = DataOptions { memory_mib: 1, ..small() };
    assert!(refused(&large, &tight).contains("needs 2 MiB of memory or more, and `data.memory_mib` is 1 | raise"));
    // A sparse file takes no space: its size is enough to refuse it.
    let path = folder.path().join("a.txt");
    fs::File::create(&path).unwrap().set_len(2 << 30).unwrap();
    assert!(refusal(&path, &small()).contains("needs 20481 MiB of memory"));
    let pictures = DataOptions { size: "32".into(), ..small() };
    assert!(refused(b"hello there", &pictures).starts_with("`data.size` is for pictures, and `"));
    let classes = DataOptions { classes: "a".into(), ..small() };
    assert!(refused(b"hello there", &classes).starts_with("`data.classes` is set, but text has no classes | "));
    assert!(
        refusal(Path::new("digits"), &small()).starts_with("`data.context` is for text, and `digits` holds images")
    );
}

#[test]
fn another_text_is_read_in_the_tokens_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let data = opened(&write("a.txt", "the quick brown fox"), &small());
    let DataSpec::Text(known) = data.spec() else { panic!() };
    let other = write("b.txt", "fox or not");
    let read = open_text(other.to_str().unwrap(), &DataOptions::default(), Some(known)).unwrap();
    assert_eq!((read.spec(), whole(&*read).as_str()), (data.spec(), "fox or not"));
    let error = open_text(write("c.txt", "fox, not").to_str().unwrap(), &small(), Some(known)).err().unwrap();
    assert_eq!(error.to_string(), "the model does not know the character ',', number 4 of the text");
}
