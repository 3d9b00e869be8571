//! The registry of formats and the way from what a user names to a data set.

mod arrays;
mod chorales;
mod csv;
mod digits;
mod downloaded;
mod folder;
mod grid;
mod idx;
mod midi;
mod npy;
mod ring;
mod spiral;
mod stacked;
mod synthetic;
mod text;
mod toy;

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::settings::{Choice, nearest};
use crate::{DataOptions, DataSpec, Dataset, Error, Result, TableSpec, options::Plan, picture};

pub use downloaded::data_home;
pub(crate) use folder::pictures_in;
pub use npy::{Rows, read_rows};
pub use text::open_text;

/// Files that are looked at in one folder.
const MOST_FILES: usize = 1_000_000;

/// A kind of source. One file per format; the registry is [`FORMATS`].
pub trait Format: Sync {
    /// One word.
    fn name(&self) -> &'static str;

    /// One line on what it is.
    fn summary(&self) -> &'static str;

    /// What to write for `--data`.
    fn examples(&self) -> &'static [&'static str];

    /// The names, other than paths, that it knows.
    fn names(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Whether `source` is of this kind. The first format that says so opens it.
    fn claims(&self, source: &str) -> bool;

    /// Opens it. The options have been checked.
    ///
    /// # Errors
    /// If it cannot be read, is not what it should be, or does not go with the options.
    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>>;
}

/// All formats, in the order in which they are asked.
pub static FORMATS: &[&dyn Format] = &[
    &digits::Digits,
    &stacked::Stacked,
    &ring::RING,
    &grid::GRID,
    &spiral::SPIRAL,
    &synthetic::SINES,
    &synthetic::WAVES,
    &synthetic::AR,
    &downloaded::Downloaded,
    &csv::Csv,
    &npy::Npy,
    &idx::Idx,
    &chorales::Chorales,
    &midi::Midi,
    &arrays::Arrays,
    &text::Text,
    &folder::Folder,
];

/// Opens the data set that `source` names: an embedded or downloaded set, a file or a folder.
///
/// A known name is taken as such, also where a folder of that name is; `./digits` is the folder.
///
/// # Errors
/// If nothing of that name is known, or what it names cannot be read or does not go with the options. The error has a
/// hint that says what to do.
pub fn open(source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
    options.validate()?;
    let Some(format) = FORMATS.iter().find(|format| format.claims(source)) else {
        return Err(unknown(source));
    };
    let data = format.open(source, options)?;
    if options.tokens.are_of_music() && data.spec().music().is_none() {
        let tokens = options.tokens.name();
        let kind = data.spec().kind();
        return Err(Error::usage(format!("`data.tokens={tokens}` is for music, and `{source}` holds {kind}"))
            .with_hint("name MIDI files or lists of pitches, or leave `data.tokens` out"));
    }
    let is_notes = matches!(data.spec(), DataSpec::Series(series) if series.music.is_some());
    if !matches!(data.spec(), DataSpec::Text(_)) && !is_notes {
        options.refuse_text(source, data.spec().kind())?;
    }
    if !matches!(data.spec(), DataSpec::Series(_)) {
        options.refuse_series(source, data.spec().kind())?;
    }
    if data.spec().music().is_none() {
        options.refuse_music(source, data.spec().kind())?;
    }
    Ok(data)
}

/// As [`open`], of a table whose columns and their values are those of `known`, by which its rows are told.
///
/// # Errors
/// As there; also if a column is missing, or has a value that is not known.
pub fn open_table(source: &str, options: &DataOptions, known: &TableSpec) -> Result<Arc<dyn Dataset>> {
    let set = open(source, options)?;
    match set.spec() {
        DataSpec::Table(given) if given != known => crate::table::recoded(&*set, given, known, source),
        _ => Ok(set),
    }
}

fn unknown(source: &str) -> Error {
    let path = Path::new(source);
    match path.metadata() {
        Ok(meta) => {
            debug_assert!(!meta.is_dir(), "the folder format takes every folder");
            let (problem, hint) = match picture::is_picture_name(path) {
                true => ("this is one picture, and a data set is many", "name the folder that it is in".to_owned()),
                false => ("this is no format that can be read", format!("known are {}", possible())),
            };
            return Error::invalid(path, problem).with_hint(hint);
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Error::io("read", path, error),
        Err(_) if path.is_symlink() => {
            let problem = "this is a link to something that is not there";
            return Error::invalid(path, problem).with_hint("mend the link, or name what it should lead to");
        }
        Err(_) => {}
    }
    let names: Vec<&str> = FORMATS.iter().flat_map(|format| format.names()).collect();
    let toy = source.split_once(':').and_then(|(name, _)| names.iter().find(|known| **known == name));
    let hint = match (toy, nearest(source, &names)) {
        (Some(name), _) => format!("write `{name}`; how many examples it has is said by `--set data.limit=..`"),
        (None, Some(name)) => format!("did you mean `{name}`?"),
        (None, None) => format!("check the spelling; data can be {}", possible()),
    };
    Error::usage(format!("there is no data set, file or folder `{source}`")).with_hint(hint)
}

fn possible() -> String {
    let forms = FORMATS.iter().map(|format| format!("{} (`{}`)", format.summary(), format.examples().join("`, `")));
    forms.collect::<Vec<_>>().join("; ")
}

/// The plan of options that [`open`] has checked, or its error again.
fn plan(options: &DataOptions) -> Result<Plan> {
    Plan::new(options)
}

/// A short name for the data at `path`: the last part of it, without endings.
fn short_name(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let last = full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = if full.is_dir() { last.as_str() } else { last.split('.').next().unwrap_or_default() };
    if stem.is_empty() { "data".to_owned() } else { stem.to_owned() }
}

/// Whether a folder holds files that `is_own` takes, and neither pictures nor other folders, which a folder of pictures has.
fn is_folder_of(path: &Path, is_own: fn(&Path) -> bool) -> bool {
    let Ok(entries) = fs::read_dir(path) else { return false };
    let mut found = false;
    for path in entries.flatten().take(MOST_FILES).map(|entry| entry.path()).filter(|path| !is_hidden(path)) {
        if path.is_dir() || picture::is_picture_name(&path) {
            return false;
        }
        found |= is_own(&path);
    }
    found
}

/// The files in a folder that `is_own` takes, by name.
fn files_in(root: &Path, is_own: fn(&Path) -> bool) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root).map_err(|error| Error::io("list", root, error))?;
    let mut files: Vec<PathBuf> = entries.flatten().take(MOST_FILES).map(|entry| entry.path()).collect();
    files.retain(|path| is_own(path) && !is_hidden(path));
    files.sort();
    Ok(files)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(source: &str) -> String {
        let error = open(source, &DataOptions::default()).err().unwrap();
        format!("{error} | {}", error.hint().unwrap())
    }

    #[test]
    fn an_unknown_source_says_what_is_possible() {
        assert_eq!(refusal("digit"), "there is no data set, file or folder `digit` | did you mean `digits`?");
        let text = refusal("no/such/place");
        assert!(text.contains("`no/such/place`") && text.contains("folder of pictures"), "{text}");
    }

    #[test]
    fn a_file_of_no_known_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "hello").unwrap();
            refusal(path.to_str().unwrap())
        };
        assert!(write("a.doc").contains("this is no format that can be read | known are"));
        assert!(write("a.png").contains("this is one picture"));
    }

    #[test]
    fn the_registry_is_complete_and_without_doubles() {
        let mut names: Vec<&str> = FORMATS.iter().map(|format| format.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FORMATS.len());
        for format in FORMATS {
            assert!(!format.summary().is_empty() && !format.examples().is_empty());
            assert!(format.names().iter().all(|name| format.claims(name)));
        }
    }
}
