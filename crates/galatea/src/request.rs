//! What a user asks for, and the full configuration that it comes to.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use galatea_data::formats::FORMATS;
use galatea_data::settings::{Key, Settings, nearest, overlay, to_table, unknown};
use galatea_data::{AugmentOptions, DataOptions, Dataset, settings};
use galatea_models::{Family, registry};
use galatea_train::monitor::Switch;
use galatea_train::{DataConfig, HealMode, HealOptions, MonitorOptions, Plan, RunConfig};
use toml::{Table, Value};

use crate::evaluation::{EvalOptions, Parts, can_judge};
use crate::{Error, Result, watch};

/// The family for pictures when none is named.
const DEFAULT_FAMILY: &str = "dcgan";
/// The data when none are named.
const DEFAULT_DATA: &str = "digits";
/// What is held back to choose checkpoints by, where they are chosen and nothing is said of it.
const VALIDATION_SHARE: f64 = 0.1;

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
        if self.eval.samples > 0 && !can_judge(&Parts::of(&*self.data, &self.data_settings.read).judged) {
            let why = if self.data_settings.read.holdout == 0.0 { "nothing is" } else { "too few examples are" };
            warnings.push(format!("{why} held back: the model will not be judged; `data.holdout=0.2` holds back more"));
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

    /// The same with a setting: a key of the family (`batch`), of the loop (`train.steps`), of the data (`data.size`), of
    /// judging (`eval.samples`), of the monitor (`monitor.every`) or of healing (`heal`), or `preset`.
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
        self.resolve_all().map_err(|error| self.with_file(error))
    }

    /// The error, with the name of the configuration file where that alone has it.
    fn with_file(&self, error: Error) -> Error {
        let Some(path) = &self.config else { return error };
        let alone = Self { data: self.data.clone(), config: self.config.clone(), ..Self::default() };
        let problem = error.to_string();
        let name = path.display().to_string();
        let is_of_file = error.is_usage()
            && !problem.contains(&name)
            && alone.resolve_all().is_err_and(|other| other.to_string() == problem);
        match is_of_file {
            true => Error::Usage { problem: format!("`{name}`: {problem}"), hint: error.hint() },
            false => error,
        }
    }

    fn resolve_all(&self) -> Result<Resolved> {
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
        let is_named = preset.is_some();
        if let Some(preset) = preset {
            layers.put_under(family, &preset)?;
        }
        let is_watched = layers.eval.get("every").and_then(Value::as_integer).is_some_and(|every| every > 0);
        if is_watched && !layers.data.contains_key("validation") {
            layers.data.insert("validation".to_owned(), Value::Float(VALIDATION_SHARE));
        }

        // What is quick to check comes before the data, which may take minutes to read.
        let mut plan = layers.plan(family)?;
        let monitor: MonitorOptions = overlay("monitor", &layers.monitor)?;
        let heal: HealOptions = overlay("heal", &layers.heal)?;
        check_heal(&heal, &monitor)?;
        let seed = self.seed.or(layers.seed).unwrap_or(0);
        if i64::try_from(seed).is_err() {
            return Err(Error::usage(format!("the seed {seed} is too large"), "seeds are below 2^63"));
        }
        let (data, data_settings, mut eval) = layers.open(self.data.clone())?;
        data_settings.augment.check_for(data.spec())?;
        if let (false, Some(usual)) = (is_named, family.usual_preset(data.spec().kind())) {
            layers.put_under(family, usual)?;
            plan = layers.plan(family)?;
        }
        if data.is_constant() {
            return Err(Error::usage(
                format!("`{}` holds the same numbers at every moment: there is nothing to learn", data.name()),
                "give a series in which something changes",
            ));
        }
        let source = self.data.clone().or(layers.source.clone()).unwrap_or_else(|| DEFAULT_DATA.to_owned());
        let model = family.resolve(&layers.model, data.spec())?;
        if let (Some(most), true) = (family.most_epochs(), layers.leaves_steps()) {
            let batch = model.get("batch").and_then(Value::as_integer).map_or(1, |batch| batch.max(1) as u64);
            let examples = Parts::of(&*data, &data_settings.read).judged.train.len() as u64;
            plan.steps = plan.steps.min((most * examples).div_ceil(batch).max(LEAST_STEPS));
        }
        eval.check_features(data.spec())?;
        eval.feature_weights = eval.feature_weights.as_deref().map(absolute);
        watch::check_metric(&eval, data.spec())?;
        if eval.every > 0 {
            watch::check(&Parts::of(&*data, &data_settings.read).watched)?;
        } else if eval.patience > 0 {
            return Err(Error::usage(
                "`eval.patience` is set, and nothing is judged on the way",
                "say how often by `--set eval.every=200`, or leave it out",
            ));
        }
        let config = RunConfig {
            galatea: env!("CARGO_PKG_VERSION").to_owned(),
            family: family.info().name.to_owned(),
            seed,
            data: DataConfig { source: absolute(&source), options: to_table(&data_settings) },
            train: plan,
            model,
            eval: to_table(&eval),
            monitor,
            heal,
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
        self.layers()?.open(self.data.clone())
    }

    /// The settings of the data alone.
    pub(crate) fn data_settings(&self) -> Result<DataSettings> {
        Ok(overlay("data", &self.layers()?.data)?)
    }

    /// The options of judging alone.
    pub(crate) fn eval_options(&self) -> Result<EvalOptions> {
        Ok(overlay("eval", &self.layers()?.eval)?)
    }

    fn layers(&self) -> Result<Layers> {
        let mut layers = match &self.config {
            Some(path) => Layers::read(path)?,
            None => Layers::default(),
        };
        let family = registry::family(layers.family.as_deref().unwrap_or(DEFAULT_FAMILY))?;
        for setting in &self.settings {
            layers.set(setting, family, &mut None)?;
        }
        Ok(layers)
    }
}

/// Steps that a family makes of few examples, too, where nobody says how many.
const LEAST_STEPS: u64 = 500;

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
    monitor: Table,
    heal: Table,
}

impl Layers {
    /// A configuration file; it may be partial.
    fn read(path: &Path) -> Result<Self> {
        const COMPARE: &str = "compare it with the `config.toml` of a run";
        let problem = |what: String, hint: &str| Error::usage(format!("`{}`: {what}", path.display()), hint);
        let text = std::fs::read_to_string(path).map_err(|error| galatea_data::Error::io("read", path, error))?;
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            problem(format!("line {line} is no TOML: {}", error.message()), COMPARE)
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
                        Some(other) => return Err(problem(format!("`data.source` is {other}, not a text"), COMPARE)),
                        None => {}
                    }
                    layers.data = data;
                }
                ("train", Value::Table(train)) => layers.train = train,
                ("model", Value::Table(model)) => layers.model = model,
                ("eval", Value::Table(eval)) => layers.eval = eval,
                ("monitor", Value::Table(monitor)) => layers.monitor = monitor,
                ("heal", Value::Table(heal)) => layers.heal = heal,
                (key, value) => {
                    let known = ["family", "seed", "data", "train", "model", "eval", "monitor", "heal"];
                    let hint = match nearest(key, &known) {
                        Some(name) if name != key => format!("did you mean `{name}`?"),
                        Some(_) => format!("`{key}` cannot be `{value}`; {COMPARE}"),
                        None => format!("known are {}", known.join(", ")),
                    };
                    return Err(problem(format!("`{key}` is not understood"), &hint));
                }
            }
        }
        Ok(layers)
    }

    /// How long to train, and what to write.
    fn plan(&self, family: &dyn Family) -> Result<Plan> {
        let mut plan: Plan = overlay("train", &self.train)?;
        plan.validate()?;
        if plan.steps == 0 && plan.minutes.is_none() {
            plan.steps = family.steps();
        }
        Ok(plan)
    }

    /// Whether nobody says how long to train.
    fn leaves_steps(&self) -> bool {
        !["steps", "minutes"].iter().any(|key| self.train.contains_key(*key))
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
        // `monitor=off` and `heal=auto` are what people write.
        let key = match key {
            "monitor" => "monitor.mode",
            "heal" => "heal.mode",
            key => key,
        };
        let names = |keys: Vec<Key>| keys.into_iter().map(|key| key.name).collect::<Vec<_>>();
        let model = names(family.keys());
        if let Some((section, rest)) = key.split_once('.') {
            let table = match section {
                "model" => &mut self.model,
                "data" => &mut self.data,
                "train" => {
                    // Of two ways to say how long, the later one counts, such as that after a file's.
                    let other = if rest == "steps" { "minutes" } else { "steps" };
                    if matches!(rest, "steps" | "minutes") {
                        self.train.remove(other);
                    }
                    &mut self.train
                }
                "eval" => &mut self.eval,
                "monitor" => &mut self.monitor,
                "heal" => &mut self.heal,
                _ => {
                    return Err(Error::usage(
                        format!("there is no setting `{key}`"),
                        "settings begin with `model.`, `data.`, `train.`, `eval.`, `monitor.` or `heal.`",
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
        let elsewhere: Vec<String> = sections()
            .iter()
            .filter(|section| section.keys.iter().any(|known| known.name == key))
            .map(|section| format!("{}.{key}", section.name))
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

/// A table of settings that any training takes, beside those of its family.
pub struct Section {
    /// Its name: `train` of `train.steps`.
    pub name: &'static str,
    /// Its keys.
    pub keys: Vec<Key>,
    /// What they are where neither the user nor the family says anything; those that are not set are not in it.
    pub defaults: Table,
}

/// The tables of settings that any training takes.
pub fn sections() -> Vec<Section> {
    fn of<S: Settings>(name: &'static str) -> Section {
        Section { name, keys: S::keys(), defaults: to_table(&S::default()) }
    }
    vec![
        of::<DataSettings>("data"),
        of::<Plan>("train"),
        of::<EvalOptions>("eval"),
        of::<MonitorOptions>("monitor"),
        of::<HealOptions>("heal"),
    ]
}

/// Healing acts on what the monitor sees.
fn check_heal(heal: &HealOptions, monitor: &MonitorOptions) -> Result<()> {
    if heal.mode == HealMode::Auto && monitor.mode == Switch::Off {
        return Err(Error::usage(
            "`heal=auto` acts on what the monitor sees, and the monitor is off",
            "leave `monitor=off` out",
        ));
    }
    Ok(())
}

/// A value as TOML has it, or else as text: `32`, `0.5`, `true`, `[1, 2]`, `cover`.
fn parse(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Paths as they are found from any folder; a name as it is.
fn absolute(source: &str) -> String {
    let is_name = FORMATS.iter().find(|format| format.claims(source)).is_some_and(|format| !format.names().is_empty());
    if is_name {
        return source.to_owned();
    }
    let full = |path: &str| Path::new(path).canonicalize().map(|full| full.to_string_lossy().into_owned());
    // A file, or else a pair of them.
    let pair = || source.split_once(',').and_then(|(a, b)| Some(format!("{},{}", full(a).ok()?, full(b).ok()?)));
    full(source).ok().or_else(pair).unwrap_or_else(|| source.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_in_full_and_names_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, "x").unwrap();
            path.canonicalize().unwrap().to_string_lossy().into_owned()
        };
        let (a, b) = (write("a.idx"), write("b.idx"));
        let within = |name: &str| folder.path().join("..").join(folder.path().file_name().unwrap()).join(name);
        let (long_a, long_b) = (within("a.idx"), within("b.idx"));
        assert_eq!(absolute(long_a.to_str().unwrap()), a);
        assert_eq!(absolute(&format!("{},{}", long_a.display(), long_b.display())), format!("{a},{b}"));
        // Whatever lies in this folder.
        assert_eq!(
            ["digits", "mnist", "kmnist/test", "nowhere"].map(absolute),
            ["digits", "mnist", "kmnist/test", "nowhere"]
        );
    }

    #[test]
    fn the_later_of_steps_and_minutes_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        std::fs::write(&path, "[train]\nminutes = 3.0\n[data]\nlimit = 20").unwrap();
        let plan = |settings: &[&str]| {
            let settings = settings.iter().map(ToString::to_string).collect();
            let request = Request { config: Some(path.clone()), settings, ..Request::default() };
            let plan = request.resolve().unwrap().config.train;
            (plan.steps, plan.minutes)
        };
        assert_eq!(plan(&["train.steps=7"]), (7, None));
        assert_eq!(plan(&["train.steps=7", "train.minutes=2"]).1, Some(2.0));
        assert_eq!(plan(&[]).1, Some(3.0));
    }

    #[test]
    fn few_examples_are_not_gone_through_without_end() {
        let steps = |family: &dyn Family, settings: &[&str]| {
            let settings = settings.iter().map(ToString::to_string).collect();
            let family = Some(family.info().name.to_owned());
            Request { family, settings, ..Request::default() }.resolve().unwrap().config.train.steps
        };
        let is_bounded = |family: &&dyn Family| family.most_epochs().is_some();
        let family = registry::FAMILIES.iter().copied().find(is_bounded).unwrap();
        let most = family.most_epochs().unwrap();
        assert_eq!(steps(family, &[]), family.steps());
        // A tenth of them is held back.
        assert_eq!(steps(family, &["data.limit=1000", "batch=90"]), (most * 10).max(LEAST_STEPS));
        assert_eq!(steps(family, &["data.limit=20"]), LEAST_STEPS);
        assert_eq!(steps(family, &["data.limit=20", "train.steps=700"]), 700);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.toml");
        let said = |text: &str, setting: &str| {
            std::fs::write(&path, text).unwrap();
            let settings = vec!["data.limit=20".to_owned(), setting.to_owned()];
            let error = Request { config: Some(path.clone()), settings, ..Request::default() }.resolve().unwrap_err();
            assert!(error.is_usage() && error.hint().is_some(), "{error}");
            error.to_string().replace(&path.display().to_string(), "a.toml")
        };
        assert_eq!(said("[model]\nbatch = 0", "latent=8"), "`a.toml`: `batch` is 0, out of range");
        assert_eq!(said("[train]\nminutes = -1.0", "latent=8"), "`a.toml`: `train.minutes` is -1");
        assert_eq!(said("[model]\nlatent = 9", "batch=0"), "`batch` is 0, out of range");
        assert_eq!(said("\nseed = 'x'", "latent=8"), "`a.toml`: `seed` is not understood");
        assert_eq!(said("seed = 1\nseed = 2", "latent=8"), "`a.toml`: line 2 is no TOML: duplicate key");
    }
}
