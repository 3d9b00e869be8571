//! A folder of pictures, searched recursively; its sub-folders are classes.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::UNIX_EPOCH,
};

use sha2::Digest;

use super::{Format, plan, short_name};
use crate::{
    DataOptions, DataSpec, Dataset, Error, HostBatch, Result,
    options::{Plan, SIDES},
    parallel,
    picture::{self, Frame, Probe},
    set::{Labels, Raw, batch_of, choose, fingerprint_of, hex, image_spec, unit, warn_of_counts},
};

/// Files that are looked at in one folder; beyond that something is wrong with the path.
const MAX_FILES: usize = 10_000_000;
/// Side of the pictures where they are of different or of large size, and nothing else is asked for.
const DEFAULT_SIDE: usize = 64;
/// Pictures stored as RGB that are looked at to find out whether all are grey.
const GREY_SAMPLE: usize = 100;

/// A folder of pictures.
pub(super) struct Folder;

impl Format for Folder {
    fn name(&self) -> &'static str {
        "folder"
    }

    fn summary(&self) -> &'static str {
        "a folder of pictures (PNG, JPEG, WebP, GIF, BMP, PNM), sub-folders being classes"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["photos/"]
    }

    fn claims(&self, source: &str) -> bool {
        Path::new(source).is_dir()
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        open_folder(Path::new(source), &plan(options)?)
    }
}

fn open_folder(root: &Path, plan: &Plan) -> Result<Arc<dyn Dataset>> {
    let found = find(root)?;
    let labels = classes_of(&found.pictures);
    let (indices, labels) = choose(found.pictures.len(), labels.as_ref(), plan)?;
    let files = indices.into_iter().map(|i| found.pictures[i].clone()).collect();
    let mut set = Files { root: root.to_owned(), files, labels };
    let mut notes = Vec::new();
    if found.others > 0 {
        notes.push(match found.others {
            1 => "1 file that is no picture was left alone".to_owned(),
            count => format!("{count} files that are no pictures were left alone"),
        });
    }

    let mut skipped = Skipped::default();
    let (probes, broken) = set.probe(plan)?;
    skipped.remove(&mut set, broken, plan)?;
    let (size, note) = choose_size(&probes, plan);
    notes.extend(note);
    let (channels, note) = choose_channels(&set, &probes, plan)?;
    notes.extend(note);
    let frame = Frame { size, channels, fit: plan.fit, background: plan.background };

    let name = short_name(root);
    let bytes = set.files.len() as u64 * frame.len() as u64;
    if bytes > plan.memory_bytes {
        let (needed, given) = (bytes.div_ceil(1 << 20), plan.memory_bytes >> 20);
        notes.push(format!(
            "the decoded pictures need {needed} MiB and `data.memory_mib` is {given}: they are decoded for every batch"
        ));
        return Ok(Arc::new(Streamed::new(name, set, frame, notes, skipped.warnings())));
    }
    let mut pixels = vec![0; bytes as usize];
    let broken =
        parallel::chunks(&mut pixels, frame.len(), plan.skip_broken, |i, out| picture::load(&set.path(i), &frame, out));
    for (i, _) in broken.iter().rev() {
        pixels.drain(i * frame.len()..(i + 1) * frame.len());
    }
    skipped.remove(&mut set, broken, plan)?;
    let raw = Raw {
        name,
        source: root.display().to_string(),
        channels,
        height: size.1,
        width: size.0,
        pixels,
        names: set.files.iter().map(|file| file.display().to_string()).collect(),
        labels: set.labels,
        notes,
        warnings: skipped.warnings(),
    };
    Ok(raw.into_dataset())
}

/// The pictures in a folder and in all below it, relative to it and sorted.
pub(crate) fn pictures_in(root: &Path) -> Result<Vec<PathBuf>> {
    Ok(find(root)?.pictures)
}

/// Pictures, and how many other files there are.
struct Found {
    /// Relative to the folder, sorted.
    pictures: Vec<PathBuf>,
    others: usize,
}

fn find(root: &Path) -> Result<Found> {
    let mut found = Found { pictures: Vec::new(), others: 0 };
    // Folders by their real path, so that a link to a parent ends the search.
    let mut seen = HashSet::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        let path = root.join(&folder);
        let failed = |error| Error::io("list", &path, error);
        if !seen.insert(path.canonicalize().map_err(failed)?) {
            continue;
        }
        let names = fs::read_dir(&path).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
        let mut names: Vec<OsString> = names.map_err(failed)?;
        // So that of two links to one folder it is always the same that is followed.
        names.sort();
        for name in names {
            // Hidden files, and the copies that macOS puts into archives.
            if name.to_string_lossy().starts_with('.') || name == "__MACOSX" {
                continue;
            }
            let relative = folder.join(name);
            // A link to nothing is treated as a file: reading it gives the reason.
            match fs::metadata(root.join(&relative)).is_ok_and(|meta| meta.is_dir()) {
                true => open.push(relative),
                false if picture::is_picture_name(&relative) => found.pictures.push(relative),
                false => found.others += 1,
            }
        }
        if found.pictures.len() + found.others > MAX_FILES {
            return Err(Error::invalid(root, format!("there are more than {MAX_FILES} files in it"))
                .with_hint("name a folder further down"));
        }
    }
    if found.pictures.is_empty() {
        let problem = match found.others {
            0 => "the folder is empty".to_owned(),
            count => format!("there is no picture among its {count} files"),
        };
        return Err(Error::invalid(root, problem)
            .with_hint("put PNG, JPEG, WebP, GIF, BMP or PNM files into it; convert others first"));
    }
    found.pictures.sort();
    Ok(found)
}

/// The first-level sub-folders as classes, if there are two and every picture is in one.
fn classes_of(files: &[PathBuf]) -> Option<Labels> {
    let folder = |file: &PathBuf| {
        let mut parts = file.components();
        let first = parts.next()?.as_os_str().to_string_lossy().into_owned();
        parts.next().map(|_| first)
    };
    let folders: Vec<String> = files.iter().map(folder).collect::<Option<_>>()?;
    let mut classes: Vec<String> = folders.iter().collect::<HashSet<_>>().into_iter().cloned().collect();
    if classes.len() < 2 {
        return None;
    }
    classes.sort_by_cached_key(|name| (natural(name), name.clone()));
    let index: std::collections::HashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let values = folders.iter().map(|folder| index[folder.as_str()]).collect();
    Some(Labels { values, classes })
}

/// A key that sorts `s2` before `s10`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = vec![(String::new(), 0u64)];
    let mut in_number = false;
    for c in name.chars() {
        if in_number && !c.is_ascii_digit() {
            parts.push((String::new(), 0));
        }
        in_number = c.is_ascii_digit();
        if let Some((text, number)) = parts.last_mut() {
            match c.to_digit(10) {
                Some(digit) => *number = number.saturating_mul(10).saturating_add(u64::from(digit)),
                None => text.push(c),
            }
        }
    }
    parts
}

/// The files of a data set.
struct Files {
    root: PathBuf,
    /// Relative to `root`.
    files: Vec<PathBuf>,
    labels: Option<Labels>,
}

/// Files by index, and why they cannot be used.
type Broken = Vec<(usize, Error)>;

impl Files {
    fn path(&self, i: usize) -> PathBuf {
        self.root.join(&self.files[i])
    }

    /// The headers of the files that can be used, and why the others cannot.
    fn probe(&self, plan: &Plan) -> Result<(Vec<Probe>, Broken)> {
        let mut probes = vec![None; self.files.len()];
        let broken = parallel::chunks(&mut probes, 1, plan.skip_broken, |i, out| {
            let probe = picture::probe(&self.path(i))?;
            if plan.size.is_none() && probe.width.min(probe.height) < *SIDES.start() {
                let problem = format!("the picture has only {}x{} pixels", probe.width, probe.height);
                return Err(Error::invalid(self.path(i), problem).with_hint(
                    "remove the file, set `data.skip_broken=true` to go on without it, or `data.size` to enlarge it",
                ));
            }
            out[0] = Some(probe);
            Ok(())
        });
        Ok((probes.into_iter().flatten().collect(), broken))
    }
}

/// Files that were left out.
#[derive(Default)]
struct Skipped {
    count: usize,
    first: Option<String>,
}

impl Skipped {
    /// Takes the broken files out of the set, or fails with the first.
    fn remove(&mut self, set: &mut Files, broken: Broken, plan: &Plan) -> Result<()> {
        let gone: HashSet<usize> = broken.iter().map(|(i, _)| *i).collect();
        let Some((_, first)) = broken.into_iter().next() else { return Ok(()) };
        if !plan.skip_broken {
            return Err(first);
        }
        if gone.len() == set.files.len() {
            return Err(Error::invalid(&set.root, format!("none of its {} pictures can be read", gone.len()))
                .with_hint(format!("the first says: {first}")));
        }
        self.count += gone.len();
        self.first.get_or_insert(first.to_string());
        let mut i = 0..;
        set.files.retain(|_| !i.next().is_some_and(|i| gone.contains(&i)));
        if let Some(labels) = &mut set.labels {
            let mut i = 0..;
            labels.values.retain(|_| !i.next().is_some_and(|i| gone.contains(&i)));
        }
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        let text = |first: &String| match self.count {
            1 => format!("1 file was left out: {first}"),
            count => format!("{count} files were left out, such as {first}"),
        };
        self.first.iter().map(text).collect()
    }
}

fn choose_size(probes: &[Probe], plan: &Plan) -> ((usize, usize), Option<String>) {
    if let Some(size) = plan.size {
        return (size, None);
    }
    let (mut low, mut high) = ((usize::MAX, usize::MAX), (0, 0));
    for probe in probes {
        low = (low.0.min(probe.width), low.1.min(probe.height));
        high = (high.0.max(probe.width), high.1.max(probe.height));
    }
    if low == high && high.0.max(high.1) <= DEFAULT_SIDE {
        return (high, None);
    }
    let was = match low == high {
        true => format!("the pictures are {}x{}", high.0, high.1),
        false => format!("the pictures are {}x{} to {}x{}", low.0, low.1, high.0, high.1),
    };
    let side = if high.0.max(high.1) <= DEFAULT_SIDE / 2 { DEFAULT_SIDE / 2 } else { DEFAULT_SIDE };
    let fit = crate::settings::Choice::name(plan.fit);
    (
        (side, side),
        Some(format!("{was}: resized to {side}x{side} by `data.fit={fit}`; set `data.size` for another size")),
    )
}

fn choose_channels(set: &Files, probes: &[Probe], plan: &Plan) -> Result<(usize, Option<String>)> {
    if let Some(channels) = plan.channels {
        return Ok((channels, None));
    }
    let [r, g, b] = plan.background;
    let grey_ground = r == g && g == b;
    let stored_grey = |probe: &Probe| probe.grey && (grey_ground || !probe.alpha);
    let coloured: Vec<usize> = (0..probes.len()).filter(|i| !stored_grey(&probes[*i])).collect();
    let looked_at = coloured.len().min(GREY_SAMPLE);
    for k in 0..looked_at {
        // Evenly over all; the first that has a colour ends it. A broken one is reported when all are decoded.
        let path = set.path(coloured[k * coloured.len() / looked_at]);
        if picture::is_grey(&path, plan.background).is_ok_and(|grey| !grey) {
            return Ok((3, None));
        }
    }
    let note = || {
        format!(
            "the pictures are stored as RGB but grey ({looked_at} looked at): read as grey; set `data.channels=3` for RGB"
        )
    };
    Ok((1, (looked_at > 0).then(note)))
}

/// A folder that is too large for memory: pictures are decoded when they are asked for.
struct Streamed {
    name: String,
    files: Files,
    frame: Frame,
    spec: DataSpec,
    fingerprint: String,
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl Streamed {
    fn new(name: String, files: Files, frame: Frame, notes: Vec<String>, mut warnings: Vec<String>) -> Self {
        let spec = image_spec(frame.channels, frame.size.1, frame.size.0, files.labels.as_ref());
        let mut hash = fingerprint_of(&spec);
        hash.update(format!("{frame:?}"));
        for (i, file) in files.files.iter().enumerate() {
            let meta = fs::metadata(files.path(i)).ok();
            let date = meta.as_ref().and_then(|meta| meta.modified().ok()?.duration_since(UNIX_EPOCH).ok());
            hash.update(format!("{}\0{:?}\0{date:?}\0", file.display(), meta.map(|meta| meta.len())));
        }
        warnings.extend(warn_of_counts(files.files.len(), files.labels.as_ref()));
        Self { name, files, frame, spec, fingerprint: hex(hash), notes, warnings }
    }
}

impl Dataset for Streamed {
    fn name(&self) -> &str {
        &self.name
    }

    fn spec(&self) -> &DataSpec {
        &self.spec
    }

    fn len(&self) -> usize {
        self.files.files.len()
    }

    fn batch(&self, indices: &[usize]) -> Result<HostBatch> {
        let mut bytes = vec![0; indices.len() * self.frame.len()];
        let failures = parallel::chunks(&mut bytes, self.frame.len(), false, |i, out| {
            picture::load(&self.files.path(indices[i]), &self.frame, out)
        });
        if let Some((_, error)) = failures.into_iter().next() {
            return Err(error.with_hint("remove or replace the file and start again"));
        }
        Ok(batch_of(&self.spec, bytes.into_iter().map(unit).collect(), self.files.labels.as_ref(), indices))
    }

    fn label(&self, index: usize) -> Option<u32> {
        self.files.labels.as_ref().map(|labels| labels.values[index])
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }
}
