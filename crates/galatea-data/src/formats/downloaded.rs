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

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::{fs, io::Write};

    fn idx(path: &Path, sizes: &[u32], bytes: &[u8]) {
        let mut packer = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
        packer.write_all(&[0, 0, 8, sizes.len() as u8]).unwrap();
        sizes.iter().for_each(|size| packer.write_all(&size.to_be_bytes()).unwrap());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap();
    }

    fn open_at(home: &Path, source: &str) -> Result<Arc<dyn Dataset>> {
        let (download, split) = find(source).unwrap();
        open_in(home, download, split, &DataOptions::default())
    }

    #[test]
    fn a_downloaded_set_has_two_splits_and_names_of_classes() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("kmnist");
        fs::create_dir(&folder).unwrap();
        let classes: Vec<u8> = (0..20).map(|i| i % 10).collect();
        idx(&folder.join("train-images-idx3-ubyte.gz"), &[20, 8, 8], &[7; 20 * 64]);
        idx(&folder.join("train-labels-idx1-ubyte.gz"), &[20], &classes);
        idx(&folder.join("t10k-images-idx3-ubyte.gz"), &[1, 8, 8], &[7; 64]);
        let train = open_at(home.path(), "kmnist").unwrap();
        assert_eq!(
            (train.name(), train.spec().classes().join(" ")),
            ("kmnist", "o ki su tsu na ha ma ya re wo".into())
        );
        let test = open_at(home.path(), "kmnist/test").unwrap();
        assert_eq!((test.name(), test.len()), ("kmnist-test", 1));
    }

    #[test]
    fn what_is_not_there_is_told() {
        let home = tempfile::tempdir().unwrap();
        let refusal = |source| {
            let error = open_at(home.path(), source).err().unwrap();
            format!("{error} | {}", error.hint().unwrap())
        };
        assert_eq!(refusal("mnist"), "`mnist` has not been downloaded | run `galatea data get mnist`");
        assert_eq!(refusal("kmnist/valid"), "`kmnist` has no split `valid` | write `kmnist` or `kmnist/test`");
        assert!(find("cifar").is_none());
    }
}
