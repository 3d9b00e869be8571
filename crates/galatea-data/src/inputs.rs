//! Examples that a user names to a trained model: pictures, folders of them, or whatever else is read as data, brought to the
//! shape that the model takes.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::options::{Channels, Plan};
use crate::picture::{self, Frame};
use crate::set::unit;
use crate::{DataOptions, DataSpec, Dataset, Error, HostTensor, ImageSpec, Result, formats, parallel};

/// Examples by name, read when they are asked for.
pub struct Inputs {
    sources: Vec<Source>,
    spec: DataSpec,
    /// What pictures are brought to; `None` where the model takes none.
    frame: Option<Frame>,
}

/// Where one example is.
enum Source {
    /// In a file of its own.
    Picture(PathBuf),
    /// In a data set, at this place.
    Of(Arc<dyn Dataset>, String, usize),
}

impl Inputs {
    /// The examples that `names` name, for a model that takes such as `spec` says; of `options` only how a picture is fitted into
    /// a frame, and what is behind it, matters. Folders are searched recursively.
    ///
    /// # Errors
    /// If something is not there, is not what the model takes, or is no data.
    pub fn new(names: &[String], spec: &DataSpec, options: &DataOptions) -> Result<Self> {
        let mut options = DataOptions { limit: None, classes: String::new(), ..options.clone() };
        let mut frame = None;
        if let DataSpec::Images(ImageSpec { channels, height, width, .. }) = spec {
            options.size = format!("{width}x{height}");
            options.channels = if *channels == 1 { Channels::Grey } else { Channels::Rgb };
            let Plan { fit, background, .. } = Plan::new(&options)?;
            frame = Some(Frame { size: (*width, *height), channels: *channels, fit, background });
        }
        let mut inputs = Self { sources: Vec::new(), spec: spec.clone(), frame };
        names.iter().try_for_each(|name| inputs.add(name, &options))?;
        Ok(inputs)
    }

    fn add(&mut self, name: &str, options: &DataOptions) -> Result<()> {
        let path = Path::new(name);
        if self.frame.is_some() {
            if path.is_dir() {
                let found = formats::pictures_in(path)?;
                self.sources.extend(found.into_iter().map(|file| Source::Picture(path.join(file))));
                return Ok(());
            }
            if picture::is_picture_name(path) {
                self.sources.push(Source::Picture(path.to_owned()));
                return Ok(());
            }
        }
        let set = match (&self.spec, self.spec.music()) {
            (DataSpec::Text(text), Some(music)) => {
                let resolution = Some(music.resolution);
                let options = DataOptions { resolution, context: text.length - 1, ..options.clone() };
                formats::open(name, &options)?
            }
            (DataSpec::Series(_), Some(music)) => {
                formats::open(name, &DataOptions { resolution: Some(music.resolution), ..options.clone() })?
            }
            // In the tokens of the model: those of another text are others.
            (DataSpec::Text(known), None) => formats::open_text(name, options, Some(known))?,
            (DataSpec::Table(known), _) => formats::open_table(name, options, known)?,
            _ => formats::open(name, options)?,
        };
        if !set.spec().reads_like(&self.spec) {
            let problem = format!("`{name}` holds {}, and the model takes {}", set.spec(), self.spec);
            return Err(Error::usage(problem).with_hint("name data like those that it was trained on"));
        }
        self.sources.extend((0..set.len()).map(|i| Source::Of(set.clone(), name.to_owned(), i)));
        Ok(())
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// What example `i` is called: its file, or its data set and its place there, `digits#17`.
    ///
    /// # Panics
    /// If there is no such example.
    pub fn name(&self, i: usize) -> String {
        match &self.sources[i] {
            Source::Picture(path) => path.display().to_string(),
            Source::Of(_, name, at) => format!("{name}#{at}"),
        }
    }

    /// The file that holds example `i` alone, if one does.
    ///
    /// # Panics
    /// If there is no such example.
    pub fn file(&self, i: usize) -> Option<&Path> {
        match &self.sources[i] {
            Source::Picture(path) => Some(path),
            Source::Of(..) => None,
        }
    }

    /// Reads some of the examples, `[n, ..]`; instead of those that cannot be read, their numbers and what is wrong with them.
    ///
    /// # Panics
    /// If the range goes too far.
    pub fn read(&self, range: Range<usize>) -> (HostTensor, Vec<usize>, Vec<(usize, Error)>) {
        let width = self.spec.elements();
        let mut values = vec![0.0f32; range.len() * width];
        let mut broken = Vec::new();
        if let Some(frame) = &self.frame {
            let mut bytes = vec![0; range.len() * frame.len()];
            let failed =
                parallel::chunks(&mut bytes, frame.len(), true, |i, out| match &self.sources[range.start + i] {
                    Source::Picture(path) => picture::load(path, frame, out),
                    Source::Of(..) => Ok(()),
                });
            // What leaves broken files out of training leaves out nothing that is named one by one.
            let hint = |error: Error| match error.hint() {
                Some(hint) if hint.contains("skip_broken") => {
                    error.with_hint("name a picture that can be read in its place")
                }
                _ => error,
            };
            broken.extend(failed.into_iter().map(|(i, error)| (i, hint(error))));
            values.iter_mut().zip(bytes).for_each(|(value, byte)| *value = unit(byte));
        }
        for (i, values) in values.chunks_exact_mut(width.max(1)).enumerate() {
            if let Source::Of(set, _, at) = &self.sources[range.start + i] {
                match set.batch(&[*at]) {
                    Ok(batch) => values.copy_from_slice(&batch.values.values),
                    Err(error) => broken.push((i, error)),
                }
            }
        }
        let good: Vec<usize> = (0..range.len()).filter(|i| !broken.iter().any(|(other, _)| other == i)).collect();
        let kept = good.iter().flat_map(|i| &values[i * width..(i + 1) * width]).copied().collect();
        let shape: Vec<usize> = std::iter::once(good.len()).chain(self.spec.shape()).collect();
        let good = good.into_iter().map(|i| range.start + i).collect();
        let broken = broken.into_iter().map(|(i, error)| (range.start + i, error)).collect();
        (HostTensor::new(shape, kept), good, broken)
    }

    /// Reads all examples, `[n, ..]`.
    ///
    /// # Errors
    /// If one cannot be read, or they need more memory than `memory_bytes`.
    pub fn read_all(&self, memory_bytes: u64) -> Result<HostTensor> {
        crate::set::check_memory(self.len(), 4 * self.spec.elements(), memory_bytes)?;
        let (values, _, mut broken) = self.read(0..self.len());
        match broken.is_empty() {
            true => Ok(values),
            false => Err(broken.swap_remove(0).1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write;

    fn spec(channels: usize) -> DataSpec {
        DataSpec::Images(ImageSpec { channels, height: 10, width: 12, classes: Vec::new() })
    }

    #[test]
    fn pictures_folders_and_data_sets_are_brought_to_the_models_shape() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("all/more")).unwrap();
        let grey = |value: f32| HostTensor::new([1, 20, 24], vec![value; 480]);
        for (name, value) in [("all/b.png", 1.0), ("all/more/a.png", -1.0), ("c.png", 0.2)] {
            write::file(&at(name), &write::png::picture(&grey(value)).unwrap()).unwrap();
        }
        std::fs::write(at("all/broken.png"), b"no picture").unwrap();
        let names = [at("c.png"), at("all")].map(|path| path.display().to_string());
        let names = [&names[..], &["digits".to_owned()]].concat();
        let inputs = Inputs::new(&names, &spec(3), &DataOptions::default()).unwrap();
        assert_eq!(inputs.len(), 4 + 10_000);
        let (values, good, broken) = inputs.read(0..6);
        assert_eq!((values.shape, good), (vec![5, 3, 10, 12], vec![0, 1, 3, 4, 5]));
        assert_eq!(broken.len(), 1);
        assert!(inputs.name(broken[0].0).ends_with("broken.png") && broken[0].1.to_string().contains("broken.png"));
        assert!(!broken[0].1.hint().unwrap().contains("skip_broken"));
        assert_eq!((values.values[0], values.values[360]), (unit(153), 1.0));
        assert_eq!((inputs.name(5), inputs.file(5)), ("digits#1".to_owned(), None));
        assert!(inputs.file(0).unwrap().ends_with("c.png"));
        assert!(inputs.read_all(1 << 30).is_err());
        assert!(inputs.read_all(1 << 10).unwrap_err().to_string().contains("MiB of memory"));
    }

    #[test]
    fn rows_are_told_by_what_the_model_knows_whatever_else_is_in_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            folder.path().join(name).display().to_string()
        };
        let learnt = write("learnt.csv", "size,colour\nl,green\nm,red\ns,blue\nm,green\n");
        let spec = formats::open(&learnt, &DataOptions::default()).unwrap().spec().clone();
        let read = |text: &str| Inputs::new(&[write("new.csv", text)], &spec, &DataOptions::default());
        // Of sizes l, m, s and of colours blue, green, red.
        assert_eq!(read("size,colour\ns,red\n").unwrap().read(0..1).0.values, [2.0, 2.0]);
        assert_eq!(read("size,colour\ns,red\nm,green\n").unwrap().read(0..2).0.values, [2.0, 2.0, 1.0, 1.0]);
        let refused = |text: &str| read(text).err().unwrap().to_string();
        assert!(refused("size,colour\nxl,red\n").contains("`xl` in the column `size`, which was never seen"));
        assert!(refused("colour,size\nred,s\n").contains("has the columns colour, size, not size, colour"));
        let points = formats::open("ring", &DataOptions::default()).unwrap().spec().clone();
        let refused = Inputs::new(&[write("p.csv", "x,y\n1,2\n")], &points, &DataOptions::default()).err();
        assert!(refused.unwrap().to_string().contains("the model takes"));
    }

    #[test]
    fn what_is_not_there_or_of_another_kind_is_refused() {
        let refused =
            |name: &str, spec: &DataSpec| Inputs::new(&[name.to_owned()], spec, &DataOptions::default()).err();
        assert!(refused("nowhere", &spec(1)).unwrap().hint().is_some());
        assert!(refused("ring", &spec(1)).is_some());
        // A picture that is not there is found out when it is read, as one that goes away in the meantime.
        let inputs = Inputs::new(&["no.png".to_owned()], &spec(1), &DataOptions::default()).unwrap();
        assert!(inputs.read(0..1).2[0].1.to_string().contains("no.png"));
    }
}
