//! The run directory: its place, its name, and who may write to it.
//!
//! ```text
//! runs/0001-dcgan-digits/
//!   config.toml                  everything, defaults written out
//!   log.jsonl                    one line per logged step; events.out.tfevents.* for TensorBoard
//!   metrics.jsonl                one line per metric and evaluation
//!   samples/step-001000.png      fixed seeds, so that frames can be compared
//!   checkpoints/step-001000/     one file per part, state.json with checksums
//!   checkpoints/best/            the best by a metric, where the run was judged while it was trained
//!   report.html                  all of it on one page
//!   lock                         one writer at a time
//! ```

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use galatea_data::{settings::nearest, write};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, RunConfig, checkpoint, disk};

const CONFIG: &str = "config.toml";
const LOCK: &str = "lock";

/// A run, to read from.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    path: PathBuf,
}

/// The right to write to a run: there is one at a time, over all processes. It ends when this is dropped, and with the
/// process, however that ends.
#[derive(Debug)]
pub struct Writer {
    run: Run,
    lock: File,
}

/// Who holds a lock, for the message to the others.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
}

impl Run {
    /// A new run in `root`, which is made if need be: the next number, then `name`, such as `0001-dcgan-digits`.
    ///
    /// # Errors
    /// If `root` cannot be written to; nothing is left then.
    pub fn create(root: &Path, name: &str, config: &RunConfig) -> Result<Writer> {
        disk::create_folders(root)?;
        let numbering = root.join(".lock");
        // Two programs that start at once must not take one number; released when the file is closed.
        let guard = File::create(&numbering).map_err(|error| Error::io("create", &numbering, error))?;
        guard.lock().or_else(unsupported).map_err(|error| Error::io("lock", &numbering, error))?;
        let taken = disk::entries(root)?.iter().filter_map(|path| number_of(disk::name(path))).max().unwrap_or(0);
        let path = root.join(format!("{:04}-{}", taken + 1, tidy_name(name)));
        fs::create_dir(&path).map_err(|error| Error::io("create", &path, error))?;
        let made = Self { path: path.clone() }.lock().and_then(|writer| {
            writer.write_config(config)?;
            Ok(writer)
        });
        if made.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_dir_all(&path);
        }
        made
    }

    /// The run that `reference` means: a path, a number (`1`, `0001`), a full name (`0001-dcgan-digits`), the name
    /// without its number (`dcgan-digits`, the newest of them), or `last`.
    ///
    /// # Errors
    /// If there is none, with the nearest name or a list.
    pub fn open(root: &Path, reference: &str) -> Result<Self> {
        let path = Path::new(reference);
        if path.join(CONFIG).is_file() {
            return Ok(Self { path: path.to_owned() });
        }
        let runs = Self::list(root)?;
        let number = reference.parse::<u64>().ok();
        let is_meant = |run: &&Self| {
            run.name() == reference || run.title() == reference || (number.is_some() && run.number() == number)
        };
        // The newest of a name is the last.
        match runs.iter().rfind(is_meant).or(runs.last().filter(|_| reference == "last")) {
            Some(run) => Ok(run.clone()),
            None if path.is_dir() => Err(Error::invalid(
                path,
                format!("this folder is no run: it has no `{CONFIG}`"),
                "name a folder that `galatea train` made",
            )),
            None => Err(Self::none(root, reference, &runs)),
        }
    }

    fn none(root: &Path, reference: &str, runs: &[Self]) -> Error {
        let names: Vec<&str> = runs.iter().flat_map(|run| [run.name(), run.title()]).collect();
        let hint = match (nearest(reference, &names), runs) {
            (_, []) => format!("there are no runs in `{}` yet; `galatea train` makes one", root.display()),
            (Some(name), _) => format!("did you mean `{name}`?"),
            (None, runs) => {
                let newest: Vec<&str> = runs.iter().rev().take(10).map(Self::name).collect();
                format!("the newest runs are {}", newest.join(", "))
            }
        };
        Error::usage(format!("there is no run `{reference}` in `{}`", root.display()), hint)
    }

    /// The runs in `root` by number; none if there is no such folder.
    ///
    /// # Errors
    /// If the folder cannot be listed.
    pub fn list(root: &Path) -> Result<Vec<Self>> {
        let paths = disk::entries(root)?.into_iter().filter(|path| path.join(CONFIG).is_file());
        let mut runs: Vec<Self> = paths.map(|path| Self { path }).filter(|run| run.number().is_some()).collect();
        runs.sort_by(|a, b| (a.number(), &a.path).cmp(&(b.number(), &b.path)));
        Ok(runs)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name of its folder: `0001-dcgan-digits`.
    pub fn name(&self) -> &str {
        disk::name(&self.path)
    }

    /// The name without the number: `dcgan-digits`.
    pub fn title(&self) -> &str {
        self.name().split_once('-').filter(|_| self.number().is_some()).map_or(self.name(), |(_, title)| title)
    }

    /// Its number, if its folder has not been renamed.
    pub fn number(&self) -> Option<u64> {
        number_of(self.name())
    }

    /// What it was started with.
    ///
    /// # Errors
    /// As [`RunConfig::read`].
    pub fn config(&self) -> Result<RunConfig> {
        RunConfig::read(&self.path.join(CONFIG))
    }

    /// One line per logged step, as JSON.
    pub fn log_path(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    /// One line per metric and evaluation, as JSON.
    pub fn metrics_path(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// The grid of samples drawn after `step`; of text, the file beside it that ends in `.txt`.
    pub fn sample_path(&self, step: u64) -> PathBuf {
        self.path.join("samples").join(format!("step-{step:06}.png"))
    }

    /// The folder of checkpoints; see [`checkpoint`].
    pub fn checkpoints_path(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// Takes the right to write, and removes what a killed writer has left half-written.
    ///
    /// # Errors
    /// If another process has it, or the folder cannot be written to.
    pub fn lock(&self) -> Result<Writer> {
        let path = self.path.join(LOCK);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut lock = open.map_err(|error| Error::io("create", &path, error))?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { run: self.path.clone(), holder: holder(&mut lock) });
            }
            Err(TryLockError::Error(error)) => unsupported(error).map_err(|error| Error::io("lock", &path, error))?,
            Ok(()) => {}
        }
        let text = serde_json::to_string(&Holder { pid: std::process::id(), host: host() }).unwrap_or_default();
        let written = lock.set_len(0).and_then(|()| lock.write_all(text.as_bytes()));
        written.map_err(|error| Error::io("write", &path, error))?;
        checkpoint::remove_stale(self)?;
        Ok(Writer { run: self.clone(), lock })
    }
}

impl Writer {
    /// Writes `config.toml` anew.
    ///
    /// # Errors
    /// If it cannot be written; the old one stays then.
    pub fn write_config(&self, config: &RunConfig) -> Result<()> {
        Ok(write::file(&self.path.join(CONFIG), config.to_text()?.as_bytes())?)
    }
}

impl std::ops::Deref for Writer {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The file stays: were it removed, a third program could lock a new one beside a second that holds the old.
        // Closing it ends the lock; the text is for messages only.
        let _ = self.lock.set_len(0);
    }
}

/// A file system without locks is no reason not to train.
fn unsupported(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::Unsupported { Ok(()) } else { Err(error) }
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    // Some systems do not let others read a locked file.
    let _ = lock.read_to_string(&mut text);
    match serde_json::from_str::<Holder>(&text) {
        Ok(Holder { pid, host }) => format!("process {pid} on {host}"),
        Err(_) => "another process".into(),
    }
}

fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").or_else(|_| std::env::var("COMPUTERNAME")).ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "this machine".into())
}

fn number_of(name: &str) -> Option<u64> {
    let (digits, _) = name.split_once('-')?;
    (digits.len() >= 4 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// `name` as part of a folder's name: everything but letters, digits, `_` and `.` becomes one `-`.
fn tidy_name(name: &str) -> String {
    let keep = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
    let words: Vec<&str> = name.split(|letter| !keep(letter)).filter(|word| !word.is_empty()).collect();
    let tidy: String = words.join("-").chars().take(60).collect();
    if tidy.is_empty() { "run".into() } else { tidy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataConfig, Plan};

    fn config() -> RunConfig {
        RunConfig {
            galatea: "0".into(),
            family: "toy".into(),
            seed: 1,
            data: DataConfig { source: "toy".into(), options: toml::Table::new() },
            train: Plan::default(),
            model: toml::Table::new(),
            eval: toml::Table::new(),
            monitor: crate::MonitorOptions::default(),
            heal: crate::HealOptions::default(),
        }
    }

    #[test]
    fn runs_are_numbered_found_and_listed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("a/runs");
        assert!(Run::list(&root).unwrap().is_empty());
        assert!(Run::open(&root, "1").unwrap_err().hint().unwrap().contains("no runs"));
        for name in ["dcgan-digits", "gan digits/…", "dcgan-digits", ""] {
            drop(Run::create(&root, name, &config()).unwrap());
        }
        let names: Vec<String> = Run::list(&root).unwrap().iter().map(|run| run.name().to_owned()).collect();
        assert_eq!(names, ["0001-dcgan-digits", "0002-gan-digits", "0003-dcgan-digits", "0004-run"]);
        let open = |reference: &str| Run::open(&root, reference).map(|run| run.number().unwrap());
        assert_eq!(open("2").unwrap(), 2);
        assert_eq!(open("0001").unwrap(), 1);
        assert_eq!(open("0001-dcgan-digits").unwrap(), 1);
        assert_eq!(open("dcgan-digits").unwrap(), 3);
        assert_eq!(open("last").unwrap(), 4);
        assert_eq!(open(root.join("0002-gan-digits").to_str().unwrap()).unwrap(), 2);
        assert_eq!(Run::open(&root, "2").unwrap().config().unwrap(), config());
        let hint = |reference: &str| open(reference).unwrap_err().hint().unwrap();
        assert_eq!(hint("dcgan-digit"), "did you mean `dcgan-digits`?");
        assert!(hint("9").starts_with("the newest runs are 0004-run, "));
        assert!(open(folder.path().to_str().unwrap()).unwrap_err().to_string().contains("no run: it has no"));
    }

    #[test]
    fn numbers_are_given_once() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for i in 0..8 {
                let root = folder.path();
                scope.spawn(move || {
                    for j in 0..4 {
                        drop(Run::create(root, &format!("{i}-{j}"), &config()).unwrap());
                    }
                });
            }
        });
        let numbers: Vec<u64> = Run::list(folder.path()).unwrap().iter().filter_map(Run::number).collect();
        assert_eq!(numbers, (1..=32).collect::<Vec<u64>>());
    }

    #[test]
    fn one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let writer = Run::create(folder.path(), "a", &config()).unwrap();
        let run = Run::open(folder.path(), "1").unwrap();
        let error = run.lock().unwrap_err();
        assert!(error.to_string().contains(&format!("is in use by process {} on ", std::process::id())), "{error}");
        assert!(error.hint().is_some());
        drop(writer);
        drop(run.lock().unwrap());
        assert!(run.lock().is_ok());
    }

    #[test]
    fn what_cannot_be_made_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        let error = Run::create(&file.join("runs"), "a", &config()).unwrap_err();
        assert!(error.to_string().starts_with("cannot create `") && error.hint().is_some(), "{error:?}");
        let mut bad = config();
        bad.seed = u64::MAX;
        assert!(Run::create(&folder.path().join("runs"), "a", &bad).is_err());
        assert!(Run::list(&folder.path().join("runs")).unwrap().is_empty());
        assert!(!folder.path().join("runs/0001-a").exists());
    }
}
