//! Text: a UTF-8 file, or a folder of them, which are joined in the order of their names.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Format, files_in, is_folder_of, plan, short_name};
use crate::{DataOptions, Dataset, Error, Result, TextSpec, options::Plan, text::RawText};

/// Endings of files that are taken for text.
const ENDINGS: &[&str] = &["txt", "text", "md"];
/// Bytes of memory for each byte of text: the text itself, its tokens, and a copy of either on the way.
const BYTES_PER_BYTE: u64 = 10;

/// Text.
pub(super) struct Text;

impl Format for Text {
    fn name(&self) -> &'static str {
        "text"
    }

    fn summary(&self) -> &'static str {
        "a text in UTF-8, or a folder of texts"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["book.txt", "letters/"]
    }

    fn claims(&self, source: &str) -> bool {
        let path = Path::new(source);
        match path.is_dir() {
            true => is_folder_of(path, is_text_name),
            false => is_text_name(path) && path.is_file(),
        }
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        open_text(source, options, None)
    }
}

/// Opens the text at `source`, a file of any name or a folder of `.txt` files; with `known`, in tokens and examples as of a
/// model that was trained on other text.
///
/// # Errors
/// If it cannot be read, is no UTF-8, is too short or too long, or has characters that `known` lacks.
pub fn open_text(source: &str, options: &DataOptions, known: Option<&TextSpec>) -> Result<Arc<dyn Dataset>> {
    options.refuse_pictures(source, "text")?;
    let plan = plan(options)?;
    let root = Path::new(source);
    let files = if root.is_dir() { texts_in(root)? } else { vec![root.to_owned()] };
    let mut left = plan.memory_bytes / BYTES_PER_BYTE;
    let (mut text, mut notes) = (String::new(), Vec::new());
    let (mut returns, mut skipped) = (0usize, 0usize);
    for path in &files {
        let part = match read(path, left, &plan) {
            Err(error) if plan.skip_broken && root.is_dir() => {
                notes.push(format!("left out: {error}"));
                skipped += 1;
                continue;
            }
            other => other?,
        };
        left -= part.len() as u64;
        returns += part.matches("\r\n").count();
        if !text.is_empty() {
            // The end of a text is the end of a paragraph.
            text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
        }
        text.push_str(&part);
    }
    if returns > 0 {
        text = text.replace("\r\n", "\n");
        notes.push(format!("{returns} line ends of Windows are taken as others"));
    }
    if text.is_empty() {
        return Err(
            Error::invalid(root, "there is no text in it").with_hint("name a file, or a folder, with some text")
        );
    }
    if files.len() > 1 {
        notes.push(format!("{} files, joined in the order of their names", files.len() - skipped));
    }
    RawText { name: short_name(root), source: source.to_owned(), text, notes }.finish(&plan, known)
}

fn is_text_name(path: &Path) -> bool {
    path.extension().is_some_and(|own| ENDINGS.iter().any(|ending| own.eq_ignore_ascii_case(ending)))
}

/// The texts in a folder, by name.
fn texts_in(root: &Path) -> Result<Vec<PathBuf>> {
    let files = files_in(root, is_text_name)?;
    match files.is_empty() {
        true => Err(Error::invalid(root, "there is no text in the folder").with_hint("texts are files in `.txt`")),
        false => Ok(files),
    }
}

/// One file, of at most `most` bytes.
fn read(path: &Path, most: u64, plan: &Plan) -> Result<String> {
    let failed = |error| Error::io("read", path, error);
    let file = File::open(path).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let too_large = |size: u64| {
        let given = plan.memory_bytes >> 20;
        let needed = (size.saturating_mul(BYTES_PER_BYTE) >> 20) + 1;
        Error::invalid(path, format!("the text needs {needed} MiB of memory or more, and `data.memory_mib` is {given}"))
            .with_hint("raise `data.memory_mib`, or give less text")
    };
    if size > most {
        return Err(too_large(size));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // What is no file on a disk does not know its size.
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(too_large(bytes.len() as u64));
    }
    if bytes.is_empty() {
        return Err(Error::invalid(path, "the file is empty").with_hint("name a file with some text"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::invalid(path, "the text is in UTF-16")
            .with_hint("bring it to UTF-8, such as with `iconv -f utf-16 -t utf-8 OLD.txt > NEW.txt`"));
    }
    if bytes.starts_with(&[0xef, 0xbb, 0xbf]) {
        bytes.drain(..3);
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(Error::invalid(path, format!("this is no text: byte {at} is 0")).with_hint("name a text in UTF-8"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count();
        let problem = format!("byte {at}, in line {line}, is no UTF-8: 0x{:02x}", error.as_bytes()[at]);
        Error::invalid(path, problem)
            .with_hint("bring it to UTF-8, such as with `iconv -f latin1 -t utf-8 OLD.txt > NEW.txt`")
    })
}
