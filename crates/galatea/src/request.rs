//! What a user asks for, and the full configuration that it comes to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use galatea_data::settings::{Key, Settings, nearest, overlay, overlay_onto, to_table, unknown};
use galatea_data::{AugmentOptions, DataOptions, Dataset, settings};
use galatea_models::{Family, registry};
use galatea_train::{DataConfig, Plan, RunConfig};
use toml::{Table, Value};

use crate::evaluation::{EvalOptions, can_judge};
use crate::{Error, Result};

/// The family for pictures when none is named.
const DEFAULT_FAMILY: &str = "dcgan";
/// The data when none are named.
const DEFAULT_DATA: &str = "digits";

settings! {
    /// Everything that is said of the data (`data.KEY`): how they are read, and how they are changed while training.
    pub struct DataSettings {
    }
    include {
        /// How they are read.
        read: DataOptions = DataOptions::default();
        /// How they are changed while training.
        augment: AugmentOptions = AugmentOptions::default();
    }
}

/// A request to train, as a user makes it: everything has a default.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Name of the family.
    pub family: Option<String>,
    /// Embedded name, file or folder.
    pub data: Option<String>,
    /// A configuration to start from: `config.toml` of another run.
    pub config: Option<PathBuf>,
    /// `KEY=VALUE` pairs, see [`Request::set`].
    pub settings: Vec<String>,
    /// Seed of weights, noise and order of the data.
    pub seed: Option<u64>,
}

/// A request once everything is known: the configuration, and the data that it is about.
pub struct Resolved {
    /// Every setting, defaults written out.
    pub config: RunConfig,
    /// The family.
    pub family: &'static dyn Family,
    /// The data.
    pub data: Arc<dyn Dataset>,
    /// Settings of the data, as in `config.data`.
    pub data_settings: DataSettings,
    /// Options of judging, as in `config.eval`.
    pub eval: EvalOptions,
}

impl Resolved {
    /// What is odd and yet can be trained on.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.data.warnings();
        if self.eval.samples > 0 && !can_judge(&galatea_data::split(&*self.data, self.data_settings.read.holdout)) {
            warnings.push(
                "too few examples to hold some back: the model will not be judged; `data.holdout=0.2` holds back more"
                    .to_owned(),
            );
        }
        warnings
    }
}

impl std::fmt::Debug for Resolved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolved").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Request {
    /// A request to train on `data`: an embedded name, a file or a folder.
    pub fn new(data: impl Into<String>) -> Self {
        Self { data: Some(data.into()), ..Self::default() }
    }

    /// The same with another family than the default.
    #[must_use]
    pub fn family(mut self, name: impl Into<String>) -> Self {
        self.family = Some(name.into());
        self
    }

    /// The same with a setting: a key of the family (`batch`), of the loop (`train.steps`), of the data (`data.size`) or of
    /// judging (`eval.samples`), or `preset`.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.settings.push(format!("{key}={value}"));
        self
    }

    /// The same with a number of training steps.
    #[must_use]
    pub fn steps(self, steps: u64) -> Self {
        self.set("train.steps", steps)
    }

    /// The same with a seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Opens the data and works out every setting: defaults, under those of the preset, of the configuration file, and of
    /// the request.
    ///
    /// # Errors
    /// If the data cannot be read, a family, preset or key is unknown, or a value is wrong.
    pub fn resolve(&self) -> Result<Resolved> {
        let mut layers = match &self.config {
            Some(path) => Layers::read(path)?,
            None => Layers::default(),
        };
        if let Some(name) = &self.family
            && layers.family.as_ref().is_some_and(|other| other != name)
        {
            layers.model.clear();
        }
        layers.family = self.family.clone().or(layers.family);
        let family = registry::family(layers.family.as_deref().unwrap_or(DEFAULT_FAMILY))?;
        let mut preset = None;
        for setting in &self.settings {
            layers.set(setting, family, &mut preset)?;
        }
        if let Some(preset) = preset {
            layers.put_under(family, &preset)?;
        }

        let (data, data_settings, eval) = layers.open(self.data.clone())?;
        let source = self.data.clone().or(layers.source).unwrap_or_else(|| DEFAULT_DATA.to_owned());
        let mut plan = Plan::default();
        overlay_onto("train", &layers.train, &mut plan)?;
        plan.validate()?;
        if plan.steps == 0 && plan.minutes.is_none() {
            plan.steps = family.steps();
        }
        let model = family.resolve(&layers.model, data.spec())?;
        let seed = self.seed.or(layers.seed).unwrap_or(0);
        if i64::try_from(seed).is_err() {
            return Err(Error::usage(format!("the seed {seed} is too large"), "seeds are below 2^63"));
        }
        let config = RunConfig {
            galatea: env!("CARGO_PKG_VERSION").to_owned(),
            family: family.info().name.to_owned(),
            seed,
            data: DataConfig { source: absolute(&source), options: to_table(&data_settings) },
            train: plan,
            model,
            eval: to_table(&eval),
        };
        Ok(Resolved { config, family, data, data_settings, eval })
    }
}

impl Request {
    /// Opens the data alone, by the `data.` settings of the request.
    ///
    /// # Errors
    /// If they cannot be read, or a setting is wrong.
    pub fn open_data(&self) -> Result<Arc<dyn Dataset>> {
        Ok(self.data_and_eval()?.0)
    }

    /// The data with their options, and the options of judging.
    pub(crate) fn data_and_eval(&self) -> Result<(Arc<dyn Dataset>, DataSettings, EvalOptions)> {
        let mut layers = match &self.config {
            Some(path) => Layers::read(path)?,
            None => Layers::default(),
        };
        let family = registry::family(layers.family.as_deref().unwrap_or(DEFAULT_FAMILY))?;
        for setting in &self.settings {
            layers.set(setting, family, &mut None)?;
        }
        layers.open(self.data.clone())
    }
}

/// What the user said of each table, before defaults.
#[derive(Default)]
struct Layers {
    family: Option<String>,
    seed: Option<u64>,
    source: Option<String>,
    data: Table,
    train: Table,
    model: Table,
    eval: Table,
}

impl Layers {
    /// A configuration file; it may be partial.
    fn read(path: &Path) -> Result<Self> {
        let problem = |what: String| galatea_data::Error::invalid(path, what);
        let text = std::fs::read_to_string(path).map_err(|error| galatea_data::Error::io("read", path, error))?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            problem(format!("line {line} is no TOML: {}", error.message()))
                .with_hint("compare it with the `config.toml` of a run")
        })?;
        let mut layers = Self::default();
        for (key, value) in table {
            match (key.as_str(), value) {
                ("galatea", _) => {}
                ("family", Value::String(name)) => layers.family = Some(name),
                ("seed", Value::Integer(seed)) if seed >= 0 => layers.seed = Some(seed as u64),
                ("data", Value::Table(mut data)) => {
                    match data.remove("source") {
                        Some(Value::String(source)) => layers.source = Some(source),
                        Some(other) => return Err(problem(format!("`data.source` is {other}, not a text")).into()),
                        None => {}
                    }
                    layers.data = data;
                }
                ("train", Value::Table(train)) => layers.train = train,
                ("model", Value::Table(model)) => layers.model = model,
                ("eval", Value::Table(eval)) => layers.eval = eval,
                (key, value) => {
                    let known = ["family", "seed", "data", "train", "model", "eval"];
                    let hint = match nearest(key, &known) {
                        Some(name) if name != key => format!("did you mean `{name}`?"),
                        Some(_) => format!("`{key}` cannot be {value}; compare it with the `config.toml` of a run"),
                        None => format!("known are {}", known.join(", ")),
                    };
                    return Err(problem(format!("`{key}` is not understood")).with_hint(hint).into());
                }
            }
        }
        Ok(layers)
    }

    /// Opens `source`, or else what the layers name, or the default.
    fn open(&self, source: Option<String>) -> Result<(Arc<dyn Dataset>, DataSettings, EvalOptions)> {
        let options: DataSettings = overlay("data", &self.data)?;
        let eval: EvalOptions = overlay("eval", &self.eval)?;
        let source = source.or_else(|| self.source.clone());
        let data = galatea_data::open(source.as_deref().unwrap_or(DEFAULT_DATA), &options.read)?;
        Ok((data, options, eval))
    }

    /// Takes in one `KEY=VALUE`.
    fn set(&mut self, setting: &str, family: &dyn Family, preset: &mut Option<String>) -> Result<()> {
        let Some((key, text)) = setting.split_once('=') else {
            return Err(Error::usage(
                format!("`{setting}` is no setting"),
                "write `KEY=VALUE`, such as `batch=32` or `data.size=64`",
            ));
        };
        let (key, value) = (key.trim(), parse(text.trim()));
        if key == "preset" {
            *preset = Some(text.trim().to_owned());
            return Ok(());
        }
        let keys = |keys: Vec<Key>| keys.into_iter().map(|key| key.name).collect::<Vec<_>>();
        let model = keys(family.keys());
        let tables =
            [("data", keys(DataSettings::keys())), ("train", keys(Plan::keys())), ("eval", keys(EvalOptions::keys()))];
        if let Some((section, rest)) = key.split_once('.') {
            let table = match section {
                "model" => &mut self.model,
                "data" => &mut self.data,
                "train" => &mut self.train,
                "eval" => &mut self.eval,
                _ => {
                    return Err(Error::usage(
                        format!("there is no setting `{key}`"),
                        "settings begin with `model.`, `data.`, `train.` or `eval.`",
                    ));
                }
            };
            table.insert(rest.to_owned(), value);
            return Ok(());
        }
        if model.contains(&key) {
            self.model.insert(key.to_owned(), value);
            return Ok(());
        }
        let elsewhere: Vec<String> = tables
            .iter()
            .filter(|(_, keys)| keys.contains(&key))
            .map(|(section, _)| format!("{section}.{key}"))
            .collect();
        if !elsewhere.is_empty() {
            return Err(Error::usage(
                format!("`{}` has no setting `{key}`", family.info().name),
                format!("did you mean `{}`?", elsewhere.join("` or `")),
            ));
        }
        let mut all = model;
        all.push("preset");
        Err(unknown(key, key, &all).into())
    }

    /// Lays the preset under what is there.
    fn put_under(&mut self, family: &dyn Family, name: &str) -> Result<()> {
        let Some(preset) = family.presets().iter().find(|preset| preset.name == name) else {
            let names: Vec<&str> = family.presets().iter().map(|preset| preset.name).collect();
            let hint = match names.is_empty() {
                true => "it has none".to_owned(),
                false => format!("its presets are {}", names.join(", ")),
            };
            return Err(Error::usage(format!("`{}` has no preset `{name}`", family.info().name), hint));
        };
        let mut table: Table = preset.settings.parse().map_err(|error: toml::de::Error| Error::Usage {
            problem: format!("preset `{name}` is broken: {}", error.message()),
            hint: None,
        })?;
        if let Some(Value::Table(train)) = table.remove("train") {
            for (key, value) in train {
                self.train.entry(key).or_insert(value);
            }
        }
        for (key, value) in table {
            self.model.entry(key).or_insert(value);
        }
        Ok(())
    }
}

/// A value as TOML has it, or else as text: `32`, `0.5`, `true`, `[1, 2]`, `cover`.
fn parse(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// A path as it is found from any folder; a name as it is.
fn absolute(source: &str) -> String {
    let path = Path::new(source);
    match path.exists().then(|| path.canonicalize()) {
        Some(Ok(full)) => full.to_string_lossy().into_owned(),
        _ => source.to_owned(),
    }
}
