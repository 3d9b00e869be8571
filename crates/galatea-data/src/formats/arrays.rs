//! A folder of NumPy arrays, each a series of numbers, `[moments, channels]`; windows never reach from one file into another.

use std::{path::Path, sync::Arc};

use super::{Format, files_in, is_folder_of, npy, plan, short_name};
use crate::{DataOptions, Dataset, Error, Result, series::RawSeries};

/// A folder of arrays.
pub(super) struct Arrays;

impl Format for Arrays {
    fn name(&self) -> &'static str {
        "arrays"
    }

    fn summary(&self) -> &'static str {
        "a folder of NumPy arrays, each a series, with `--set data.window=24`"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["recordings/"]
    }

    fn claims(&self, source: &str) -> bool {
        is_folder_of(Path::new(source), is_array)
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        let (root, plan) = (Path::new(source), plan(options)?);
        if plan.window == 0 {
            return Err(Error::usage(format!("`{source}` is a folder of arrays, which is read as series"))
                .with_hint("say how many moments an example has, with `--set data.window=24`; put pictures or points into one array"));
        }
        options.refuse_pictures(source, "series")?;
        let files = files_in(root, is_array)?;
        let (mut bytes, mut first) = (0, None);
        let mut all =
            RawSeries { name: short_name(root), channels: vec![], pieces: vec![], labels: None, notes: vec![] };
        for file in &files {
            let read = match npy::series(file, &plan) {
                Err(error) if plan.skip_broken => {
                    all.notes.push(format!("left out: {error}"));
                    continue;
                }
                other => other?,
            };
            let (channels, known) = (read.channels.len(), all.channels.len());
            if let Some(first) = first.filter(|_| channels != known) {
                return Err(Error::invalid(
                    file,
                    format!("it has {channels} channels, and `{}` has {known}", name(first)),
                )
                .with_hint("give the arrays of a folder the same channels, in the same order: [moments, channels]"));
            }
            first.get_or_insert(file);
            bytes += read.pieces.iter().map(|piece| size_of_val(&piece[..]) as u64).sum::<u64>();
            if bytes > plan.memory_bytes {
                let given = plan.memory_bytes >> 20;
                return Err(Error::invalid(
                    root,
                    format!("the arrays need more than `data.memory_mib` gives, {given} MiB"),
                )
                .with_hint("raise `data.memory_mib`, or give fewer arrays"));
            }
            all.channels = read.channels;
            all.pieces.extend(read.pieces);
        }
        if first.is_none() {
            return Err(Error::invalid(root, "none of its arrays can be read")
                .with_hint("leave out `data.skip_broken` to see why"));
        }
        let moments: usize = all.pieces.iter().map(|piece| piece.len() / all.channels.len().max(1)).sum();
        all.notes.push(format!("{} arrays of {moments} moments in all; no window reaches over two", all.pieces.len()));
        all.finish(&plan)
    }
}

fn is_array(path: &Path) -> bool {
    npy::ends_in(path, "npy")
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
