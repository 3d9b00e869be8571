//! `config.toml` of a run: everything that it was started with, every default written out.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use crate::{Error, HealMode, HealOptions, MonitorOptions, Plan, Result, disk};

/// What a run was started with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Version of the program that wrote it.
    #[serde(default)]
    pub galatea: String,
    /// Name of the family.
    pub family: String,
    /// Seed of weights, noise and order of the data; below 2^63, the largest number of a TOML file.
    pub seed: u64,
    /// The data.
    pub data: DataConfig,
    /// The loop.
    #[serde(default)]
    pub train: Plan,
    /// The family's settings.
    #[serde(default)]
    pub model: Table,
    /// How the result is judged.
    #[serde(default)]
    pub eval: Table,
    /// How training is watched.
    #[serde(default)]
    pub monitor: MonitorOptions,
    /// What is done about what is seen.
    #[serde(default)]
    pub heal: HealOptions,
}

/// Where the data are, and how they are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataConfig {
    /// An embedded name or a path.
    pub source: String,
    /// Everything else in the `[data]` table.
    #[serde(flatten)]
    pub options: Table,
}

/// Keys below these cannot change the weights. Where the data lie is one of them: what they hold is compared by their
/// fingerprint.
const FREE: &[&str] = &["galatea", "eval", "data.source", "data.memory_mib", "train.minutes", "train.log_every"];

/// Nor can these, unless something is done about what is seen: training goes back to checkpoints, and a grid of samples may be where
/// an infinite value is met.
const FREE_IF_LEFT_ALONE: &[&str] = &[
    "monitor",
    "heal",
    "train.sample_every",
    "train.checkpoint_every",
    "train.keep_last",
    "train.keep_every",
    "train.preview",
];

const HEADER: &str = "\
# What this run was started with, every default written out.
# `galatea train --config` and the path of this file repeat it.

";

impl RunConfig {
    /// The text of `config.toml`.
    ///
    /// # Errors
    /// If a value cannot be written in TOML: a seed of 2^63 or more.
    pub fn to_text(&self) -> Result<String> {
        // By way of a table, which takes no larger numbers than a file is allowed to have.
        let body = Table::try_from(self).and_then(|table| toml::to_string(&table)).map_err(|error| {
            let hint = "numbers, the seed too, must be below 2^63";
            Error::usage(format!("the settings cannot be written as TOML: {error}"), hint)
        })?;
        Ok(format!("{HEADER}{body}"))
    }

    /// Reads what [`to_text`](Self::to_text) wrote or a person did. The tables of data, model and eval are not checked.
    ///
    /// # Errors
    /// If the file cannot be read, is no TOML, or has unknown or missing keys.
    pub fn read(path: &Path) -> Result<Self> {
        Self::parse(&disk::read_text(path)?, path)
    }

    /// As [`read`](Self::read), of a text; `path` is for messages.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let invalid = |problem: &dyn std::fmt::Display| {
            Error::invalid(path, problem.to_string(), "compare it with the `config.toml` of another run")
        };
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| invalid(&error))?;
        let train: Plan = section(&mut table, "train", path)?;
        train.validate()?;
        let monitor = section(&mut table, "monitor", path)?;
        let heal = section(&mut table, "heal", path)?;
        let config: Self = table.try_into().map_err(|error: toml::de::Error| invalid(&error.message()))?;
        Ok(Self { train, monitor, heal, ..config })
    }

    /// Every setting: dotted keys and their values in TOML.
    pub fn flat(&self) -> BTreeMap<String, String> {
        let mut flat = BTreeMap::new();
        if let Ok(table) = Table::try_from(self) {
            flatten("", &table, &mut flat);
        }
        flat
    }

    /// What determines the weights, beside the data themselves: dotted keys and their values in TOML.
    pub fn determining(&self) -> BTreeMap<String, String> {
        let mut flat = self.flat();
        let is_below = |key: &str, all: &[&str]| all.iter().any(|at| key.strip_prefix(at).is_some_and(is_end_of_key));
        flat.retain(|key, _| !is_below(key, FREE));
        if self.heal.mode == HealMode::Off {
            flat.retain(|key, _| !is_below(key, FREE_IF_LEFT_ALONE));
        }
        flat
    }

    /// SHA-256 over [`determining`](Self::determining), in hex.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for (key, value) in self.determining() {
            hash.update(format!("{key} = {value}\n"));
        }
        disk::hex(hash)
    }
}

/// Takes a table out of a configuration, laid over the defaults, so that a message names the key.
fn section<S: galatea_data::settings::Settings>(table: &mut Table, name: &str, path: &Path) -> Result<S> {
    const RESTORE: &str = "put it back to what it was";
    match table.remove(name) {
        None => Ok(S::default()),
        Some(Value::Table(section)) => galatea_data::settings::overlay(name, &section).map_err(|error| {
            let hint = error.hint.unwrap_or_else(|| RESTORE.into());
            Error::invalid(path, error.problem, hint)
        }),
        Some(other) => Err(Error::invalid(path, format!("`{name}` is {other} and should be a table"), RESTORE)),
    }
}

/// What differs between two runs' [`RunConfig::determining`] values: `` `model.width` is 64 there and 32 here ``.
pub fn differences(there: &BTreeMap<String, String>, here: &BTreeMap<String, String>) -> Vec<String> {
    let mut keys: Vec<&String> = there.keys().chain(here.keys()).collect();
    keys.sort();
    keys.dedup();
    let show = |values: &BTreeMap<String, String>, key: &String| values.get(key).map_or("not set", |v| v).to_owned();
    keys.into_iter()
        .filter(|key| there.get(*key) != here.get(*key))
        .map(|key| format!("`{key}` is {} there and {} here", show(there, key), show(here, key)))
        .collect()
}

fn is_end_of_key(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.')
}

fn flatten(prefix: &str, table: &Table, out: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => flatten(&format!("{prefix}{key}."), inner, out),
            value => {
                out.insert(format!("{prefix}{key}"), value.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RunConfig {
        RunConfig {
            galatea: "0.1.0".into(),
            family: "toy".into(),
            seed: 7,
            data: DataConfig { source: "digits".into(), options: "size = 'auto'\nlimit = 9".parse().unwrap() },
            train: Plan { steps: 400, minutes: Some(0.5), ..Plan::default() },
            model: "width = 64\nrate = 0.1\nbetas = [0.0, 0.99]\n[inner]\ndepth = 2".parse().unwrap(),
            eval: "n = 1000".parse().unwrap(),
            monitor: MonitorOptions::default(),
            heal: HealOptions::default(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = config().to_text().unwrap();
        assert!(text.starts_with("# ") && text.contains("\n[data]\nsource = \"digits\"\n"), "{text}");
        assert!(text.contains("keep_last = 3"), "defaults are written out: {text}");
        assert_eq!(RunConfig::parse(&text, Path::new("config.toml")).unwrap(), config());
    }

    #[test]
    fn the_hash_is_of_what_determines_the_weights() {
        let hash = config().hash();
        let changed = |change: fn(&mut RunConfig)| {
            let mut other = config();
            change(&mut other);
            other.hash() != hash
        };
        assert_eq!(hash.len(), 64);
        assert!(changed(|c| c.seed = 8) && changed(|c| c.train.steps = 401) && changed(|c| c.family = "other".into()));
        assert!(changed(|c| drop(c.model.insert("rate".into(), 0.2.into()))));
        assert!(changed(|c| drop(c.data.options.insert("size".into(), "32".into()))));
        assert!(!changed(|c| c.train.log_every = 1) && !changed(|c| c.train.minutes = None));
        assert!(!changed(|c| c.eval = Table::new()) && !changed(|c| c.galatea = "9".into()));
        assert!(!changed(|c| c.data.source = "elsewhere".into()));
        assert!(!changed(|c| c.monitor.every = 7) && !changed(|c| c.heal.max = 7));
        assert!(changed(|c| c.heal.mode = HealMode::Auto));
        // Healing goes back to checkpoints.
        let changes: [fn(&mut RunConfig); 3] =
            [|c| c.train.checkpoint_every = 7, |c| c.train.keep_last = 7, |c| c.train.sample_every = 7];
        for change in changes {
            let same: fn(&mut RunConfig) = |_| ();
            let [healed, other] = [same, change].map(|change| {
                let mut config = config();
                config.heal.mode = HealMode::Auto;
                change(&mut config);
                config.hash()
            });
            assert!(healed != other && !changed(change));
        }
        // Only whole names are free.
        assert!(changed(|c| drop(c.data.options.insert("source_kind".into(), "x".into()))));
    }

    #[test]
    fn differences_name_the_keys() {
        let mut other = config();
        other.model.insert("width".into(), 32.into());
        other.model.remove("rate");
        assert_eq!(
            differences(&config().determining(), &other.determining()),
            ["`model.rate` is 0.1 there and not set here", "`model.width` is 64 there and 32 here"]
        );
    }

    #[test]
    fn bad_files_are_named() {
        let message = |text: &str| RunConfig::parse(text, Path::new("run.toml")).unwrap_err().to_string();
        assert!(message("family = ").starts_with("`run.toml`: "));
        assert!(message("seed = 1\n[data]\nsource = 'x'").contains("missing field `family`"));
        assert!(message("famly = 'x'").contains("famly"));
        let good = config().to_text().unwrap();
        assert_eq!(
            message(&good.replace("keep_last", "keep_lats")),
            "`run.toml`: there is no setting `train.keep_lats`"
        );
        assert!(message(&good.replace("minutes = 0.5", "minutes = -1")).contains("`train.minutes`"));
        let mut big = config();
        big.seed = u64::MAX;
        assert!(big.to_text().is_err());
    }
}
