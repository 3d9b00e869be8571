//! Checkpoints: complete or absent, checked when read.
//!
//! `checkpoints/step-001000/` has one safetensors file per [`Part`] and `state.json`. It is written into a folder beside
//! it, file by file to the disk, and then renamed, so that no kill and no full disk leaves half of one in its place.
//! `checkpoints/best/` is the one that was best by a metric; it is kept whatever its age, and nothing is resumed from it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use galatea_data::DataSpec;
use galatea_models::Part;
use serde::{Deserialize, Serialize};

use crate::{Error, Finding, Intervention, Plan, Result, Run, Writer, disk, plan, weights};

/// Version of the layout; a checkpoint of another version is not read.
const FORMAT: u32 = 1;
const STATE: &str = "state.json";
/// The folder of the checkpoint that is best by a metric.
const BEST: &str = "best";
/// Before the name of a folder that is being written or removed.
const ASIDE: &str = ".aside-";
/// Stands for the checksum in the text that it is taken over.
const NO_SUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// `state.json`: where training stood, and what the other files must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// SHA-256 of this file with these digits as zeros. First, so that it is the first such text in the file.
    sha256: String,
    /// Version of the layout.
    format: u32,
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Examples that steps were given.
    pub images_seen: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// [`RunConfig::hash`](crate::RunConfig::hash).
    pub config_hash: String,
    /// [`RunConfig::determining`](crate::RunConfig::determining), so that a message can name what differs.
    pub config: BTreeMap<String, String>,
    /// What the model was trained on.
    pub data: DataState,
    /// What was seen on the way, and what was done about it.
    #[serde(default)]
    pub watch: WatchState,
    files: Vec<FileState>,
}

/// What was seen on the way to a checkpoint, and what was done about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WatchState {
    /// [`Monitor::state`](crate::Monitor::state).
    pub monitor: String,
    /// All findings of the run so far, in all attempts.
    pub findings: Vec<Finding>,
    /// What was done about them. Settings of the model are those of the configuration with these changes.
    pub interventions: Vec<Intervention>,
}

/// What a model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataState {
    /// [`Dataset::fingerprint`](galatea_data::Dataset::fingerprint).
    pub fingerprint: String,
    /// Examples trained on.
    pub examples: usize,
    /// What the model is sized for: enough to draw samples without the data.
    pub spec: DataSpec,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FileState {
    name: String,
    bytes: u64,
    sha256: String,
}

/// Where training stands, for [`save`].
#[derive(Clone, Debug)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Examples that steps were given.
    pub images_seen: u64,
    /// Seconds of training.
    pub seconds: f64,
}

/// A checkpoint as it was read.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// Its folder.
    pub path: PathBuf,
    /// Where training stood.
    pub state: State,
    /// The model's parts, in the order in which the model gave them.
    pub parts: Vec<Part>,
}

/// The newest checkpoint that can be read, and what was wrong with newer ones.
#[derive(Clone, Debug)]
pub struct Newest {
    /// The checkpoint; `None` if the run has none yet.
    pub checkpoint: Option<Checkpoint>,
    /// What is wrong with newer ones, each with its file.
    pub skipped: Vec<String>,
}

/// The run's checkpoints, whole or not: steps and folders, oldest first.
///
/// # Errors
/// If the folder cannot be listed.
pub fn list(run: &Run) -> Result<Vec<(u64, PathBuf)>> {
    let with_step = |path: PathBuf| {
        let step = disk::name(&path).strip_prefix("step-")?.parse().ok()?;
        Some((step, path))
    };
    let mut found: Vec<(u64, PathBuf)> =
        disk::entries(&run.checkpoints_path())?.into_iter().filter_map(with_step).collect();
    found.sort();
    Ok(found)
}

/// Reads the newest checkpoint that is whole. With `only`, no other part is read or checked.
///
/// # Errors
/// If there are checkpoints, and none is whole.
pub fn newest(run: &Run, only: Option<&str>) -> Result<Newest> {
    let mut skipped = Vec::new();
    for (_, path) in list(run)?.iter().rev() {
        match load(path, only) {
            Ok(checkpoint) => return Ok(Newest { checkpoint: Some(checkpoint), skipped }),
            Err(error) => skipped.push(error.to_string()),
        }
    }
    if skipped.is_empty() {
        return Ok(Newest { checkpoint: None, skipped });
    }
    Err(Error::NoCheckpoint { run: run.path().to_owned(), problems: skipped })
}

/// Reads and checks one checkpoint. With `only`, no other part is read or checked.
///
/// # Errors
/// If a file is missing, of another version, or not what was written, down to a bit.
pub fn load(path: &Path, only: Option<&str>) -> Result<Checkpoint> {
    let state = read_state(&path.join(STATE))?;
    if ![BEST, &folder_name(state.step)].contains(&disk::name(path)) {
        return Err(corrupt(path, format!("the folder holds the checkpoint of step {}", state.step)));
    }
    let mut parts = Vec::new();
    for file in &state.files {
        let name = file.name.strip_suffix(".safetensors").unwrap_or(&file.name);
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let path = path.join(&file.name);
        let bytes = disk::read(&path)?;
        if bytes.len() as u64 != file.bytes {
            return Err(corrupt(&path, format!("it has {} bytes and should have {}", bytes.len(), file.bytes)));
        }
        if disk::sha256(&bytes) != file.sha256 {
            return Err(corrupt(&path, "its checksum is wrong"));
        }
        parts.push(Part { name: name.to_owned(), tensors: weights::decode(&bytes, &path)?.0 });
    }
    Ok(Checkpoint { path: path.to_owned(), state, parts })
}

/// Writes a checkpoint; one of that step that is there already is replaced.
///
/// # Errors
/// If a value is not finite ([`Error::Diverged`]), or the disk is full; nothing is left or changed then.
pub fn save(
    run: &Writer,
    progress: &Progress,
    config: &crate::RunConfig,
    (data, watch): (&DataState, &WatchState),
    parts: &[Part],
) -> Result<PathBuf> {
    save_as(folder_name(progress.step), run, progress, config, (data, watch), parts)
}

/// Writes the checkpoint that is best by a metric, in place of the one that was.
///
/// # Errors
/// As [`save`].
pub fn save_best(
    run: &Writer,
    progress: &Progress,
    config: &crate::RunConfig,
    about: (&DataState, &WatchState),
    parts: &[Part],
) -> Result<PathBuf> {
    save_as(BEST.to_owned(), run, progress, config, about, parts)
}

/// The folder of the checkpoint that is best by a metric, if there is one.
pub fn best_path(run: &Run) -> Option<PathBuf> {
    let path = run.checkpoints_path().join(BEST);
    path.is_dir().then_some(path)
}

fn save_as(
    name: String,
    run: &Writer,
    progress: &Progress,
    config: &crate::RunConfig,
    about: (&DataState, &WatchState),
    parts: &[Part],
) -> Result<PathBuf> {
    check_finite(parts, progress.step)?;
    let folder = run.checkpoints_path();
    disk::create_folders(&folder)?;
    let aside = folder.join(format!("{ASIDE}{name}"));
    let path = folder.join(name);
    let written = fill(&aside, progress, config, about, parts).and_then(|()| put_in_place(&aside, &path));
    if written.is_err() {
        // The first error is the one to tell, and what stays is removed when the run is locked again.
        let _ = fs::remove_dir_all(&aside);
    }
    written.map(|()| path)
}

/// Whether there is a checkpoint of `step` in any course of training by `plan`, however often it was interrupted.
pub(crate) fn is_regular(step: u64, plan: &Plan) -> bool {
    step == 0 || plan::due(step, plan.checkpoint_every)
}

/// Removes checkpoints that the plan does not keep, once the one of `newest` is in place. Later ones go too: training
/// went back before them. `healing` may go back: of each of its steps, the newest checkpoint up to it is kept, and none
/// but those of the plan (and of the beginning) count, so that what is kept does not depend on interruptions.
///
/// # Errors
/// If a folder cannot be removed.
pub fn prune(run: &Writer, newest: u64, plan: &Plan, healing: Option<&[u64]>) -> Result<()> {
    let all = list(run)?;
    let counts = |step: &u64| *step <= newest && (healing.is_none() || is_regular(*step, plan));
    let regular: Vec<u64> = all.iter().map(|(step, _)| *step).filter(counts).collect();
    // What an interruption leaves is no reason to part with any of them.
    let keep_last = if counts(&newest) { plan.keep_last.max(1) } else { regular.len() };
    let mut kept = regular[regular.len().saturating_sub(keep_last)..].to_vec();
    kept.extend(regular.iter().filter(|step| plan::due(**step, plan.keep_every)));
    let before = |at: &u64| regular.iter().rev().find(|step| *step <= at);
    kept.extend(healing.unwrap_or_default().iter().filter_map(before));
    for (step, path) in &all {
        if *step != newest && !kept.contains(step) {
            // Renamed first, so that a kill does not leave half of it under its name.
            let aside = path.with_file_name(format!("{ASIDE}{}", folder_name(*step)));
            fs::rename(path, &aside).map_err(|error| Error::io("remove", path, error))?;
            disk::remove_folder(&aside)?;
        }
    }
    Ok(())
}

/// Removes what a killed writer has left; for the one that holds the lock.
pub(crate) fn remove_stale(run: &Run) -> Result<()> {
    let stale = |path: &PathBuf| disk::name(path).starts_with(ASIDE);
    disk::entries(&run.checkpoints_path())?
        .iter()
        .filter(|path| stale(path))
        .try_for_each(|path| disk::remove_folder(path))
}

fn folder_name(step: u64) -> String {
    format!("step-{step:06}")
}

fn fill(
    aside: &Path,
    progress: &Progress,
    config: &crate::RunConfig,
    (data, watch): (&DataState, &WatchState),
    parts: &[Part],
) -> Result<()> {
    disk::create_folders(aside)?;
    let mut files = Vec::with_capacity(parts.len());
    for part in parts {
        let name = format!("{}.safetensors", part.name);
        let bytes = weights::encode(&part.tensors, &BTreeMap::new());
        disk::write_synced(&aside.join(&name), &bytes)?;
        files.push(FileState { name, bytes: bytes.len() as u64, sha256: disk::sha256(&bytes) });
    }
    let Progress { step, steps, images_seen, seconds } = *progress;
    let state = State {
        sha256: NO_SUM.into(),
        format: FORMAT,
        step,
        steps,
        images_seen,
        seconds,
        config_hash: config.hash(),
        config: config.determining(),
        data: data.clone(),
        watch: watch.clone(),
        files,
    };
    let path = aside.join(STATE);
    let text = serde_json::to_string_pretty(&state).map_err(|error| Error::io("write", &path, error.into()))?;
    let text = text.replacen(NO_SUM, &disk::sha256(text.as_bytes()), 1);
    disk::write_synced(&path, text.as_bytes())?;
    disk::sync_folder(aside)
}

fn put_in_place(aside: &Path, path: &Path) -> Result<()> {
    let old = path.with_file_name(format!("{ASIDE}old-{}", disk::name(path)));
    let renamed = |from: &Path, to: &Path| fs::rename(from, to).map_err(|error| Error::io("write", path, error));
    // A folder with contents cannot be renamed over.
    let is_replaced = path.exists();
    if is_replaced {
        renamed(path, &old)?;
    }
    renamed(aside, path)?;
    path.parent().map_or(Ok(()), disk::sync_folder)?;
    if is_replaced { disk::remove_folder(&old) } else { Ok(()) }
}

fn read_state(path: &Path) -> Result<State> {
    /// What every version has.
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    let bytes = disk::read(path)?;
    let text = str::from_utf8(&bytes).map_err(|_| corrupt(path, "it is no text"))?;
    let broken = |error: serde_json::Error| corrupt(path, format!("it is no whole JSON file: {error}"));
    let Version { format } = serde_json::from_str(text).map_err(broken)?;
    if format != FORMAT {
        return Err(corrupt(path, format!("it is of version {format}, and this program reads version {FORMAT}")));
    }
    let state: State = serde_json::from_str(text).map_err(broken)?;
    if state.sha256.len() != NO_SUM.len()
        || disk::sha256(text.replacen(&state.sha256, NO_SUM, 1).as_bytes()) != state.sha256
    {
        return Err(corrupt(path, "its checksum is wrong"));
    }
    Ok(state)
}

fn corrupt(path: &Path, problem: impl Into<String>) -> Error {
    Error::invalid(path, problem, "an earlier checkpoint may be whole; `galatea train --resume` finds it")
}

fn check_finite(parts: &[Part], step: u64) -> Result<()> {
    for part in parts {
        for (name, tensor) in &part.tensors {
            if let Some(value) = tensor.values.iter().find(|value| !value.is_finite()) {
                let quantity = format!("{}: {name}", part.name);
                return Err(Error::Diverged { quantity, value: f64::from(*value), step, checkpoint: None });
            }
        }
    }
    Ok(())
}
