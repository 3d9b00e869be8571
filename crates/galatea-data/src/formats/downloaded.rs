//! Data sets of the catalogue that `galatea data get` has fetched: `mnist`, `mnist/test`, ...

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Format, idx, plan};
use crate::{
    DataOptions, Dataset, Error, Result,
    fetch::{CATALOGUE, Download},
};

/// The folder that data sets are downloaded to: `GALATEA_DATA_HOME`, else `galatea/data` in the user's data folder.
///
/// # Errors
/// If no environment variable says where that is.
pub fn data_home() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("GALATEA_DATA_HOME")
        .or_else(|| set("XDG_DATA_HOME").map(|base| base.join("galatea/data")))
        .or_else(|| set("HOME").map(|home| home.join(".local/share/galatea/data")))
        .or_else(|| set("LOCALAPPDATA").map(|base| base.join("galatea/data")))
        .ok_or_else(|| Error::usage("there is no folder for downloads").with_hint("set `GALATEA_DATA_HOME`"))
}

/// The catalogue's data sets.
pub(super) struct Downloaded;

impl Format for Downloaded {
    fn name(&self) -> &'static str {
        "downloaded"
    }

    fn summary(&self) -> &'static str {
        "a data set that `galatea data get` has fetched"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["mnist", "fashion-mnist/test"]
    }

    fn names(&self) -> Vec<&'static str> {
        CATALOGUE.iter().map(|download| download.name).collect()
    }

    fn claims(&self, source: &str) -> bool {
        find(source).is_some()
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        let (download, split) =
            find(source).ok_or_else(|| Error::usage(format!("`{source}` is not in the catalogue")))?;
        open_in(&data_home()?, download, split, options)
    }
}

fn open_in(home: &Path, download: &Download, split: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
    let prefix = match split {
        "train" => "train",
        "test" => "t10k",
        other => {
            return Err(Error::usage(format!("`{}` has no split `{other}`", download.name))
                .with_hint(format!("write `{0}` or `{0}/test`", download.name)));
        }
    };
    let images = home.join(download.name).join(format!("{prefix}-images-idx3-ubyte.gz"));
    if !images.is_file() {
        return Err(Error::usage(format!("`{}` has not been downloaded", download.name))
            .with_hint(format!("run `galatea data get {}`", download.name)));
    }
    let name = if split == "test" { format!("{}-test", download.name) } else { download.name.to_owned() };
    let mut raw = idx::read_pair(&images, idx::labels_of(&images).as_deref(), name, options)?;
    if let Some(labels) = raw.labels.as_mut().filter(|labels| labels.classes.len() == download.classes.len()) {
        labels.classes = download.classes.iter().map(ToString::to_string).collect();
    }
    raw.finish(&plan(options)?)
}

fn find(source: &str) -> Option<(&'static Download, &str)> {
    let (name, split) = source.split_once('/').unwrap_or((source, "train"));
    CATALOGUE.iter().find(|download| download.name == name).map(|download| (download, split))
}
