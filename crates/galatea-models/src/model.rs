//! What a generative model is to the rest of the program: [`Model`], written by a family's file, and [`Session`], the
//! object-safe form that training, sampling and the front ends hold.

use galatea_data::settings::{Key, Settings};
use galatea_data::{DataSpec, HostBatch, HostTensor};

use crate::abilities::{Complete, Compose, Condition, Encode, Invert, Latent, Likelihood, Reconstruct, Score, States};
use crate::step::{Demand, StepReport, Turn};
use crate::{Error, Result};

/// A family as help texts, lists and pages show it.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// The name on the command line: `dcgan`.
    pub name: &'static str,
    /// One line: what it is and what it is good for.
    pub summary: &'static str,
    /// Authors, year, title, identifier.
    pub paper: &'static str,
    /// What this implementation does otherwise than the paper, in a sentence.
    pub differs: &'static str,
    /// The kinds of [`DataSpec`] that it takes: `images`, `points`.
    pub modalities: &'static [&'static str],
    /// What it can do beside training and sampling.
    pub abilities: &'static [Ability],
}

/// What a family may be able to do beside training and sampling; each has its trait and its accessor in [`Session`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ability {
    /// Turns latent vectors into samples: [`Latent`].
    Latent,
    /// Finds latent vectors of examples: [`Encode`].
    Encode,
    /// Lets latent vectors of examples be looked for: [`Invert`].
    Invert,
    /// Gives examples back as it understands them: [`Reconstruct`].
    Reconstruct,
    /// Bounds and samples how likely it takes examples to be: [`Score`].
    Score,
    /// Tells exactly how likely examples are: [`Likelihood`].
    Likelihood,
    /// Goes on with what it is given: [`Complete`].
    Complete,
    /// Draws what is not known given what is: [`Condition`].
    Condition,
    /// Goes on with music: [`Compose`].
    Compose,
    /// Tells hidden states: [`States`].
    States,
}

impl Ability {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Latent,
        Self::Encode,
        Self::Invert,
        Self::Reconstruct,
        Self::Score,
        Self::Likelihood,
        Self::Complete,
        Self::Condition,
        Self::Compose,
        Self::States,
    ];

    /// One word, as lists and JSON have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Latent => "latent",
            Self::Encode => "encode",
            Self::Invert => "invert",
            Self::Reconstruct => "reconstruct",
            Self::Score => "score",
            Self::Likelihood => "likelihood",
            Self::Complete => "complete",
            Self::Condition => "condition",
            Self::Compose => "compose",
            Self::States => "states",
        }
    }

    /// What it is good for, in half a line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Latent => "turns latent vectors into samples: interpolation",
            Self::Encode => "finds latent vectors of examples: interpolation between your own, attributes",
            Self::Invert => "lets latent vectors of examples be looked for: reconstruction, odd ones out",
            Self::Reconstruct => "gives examples back as it understands them",
            Self::Score => "bounds how likely it takes examples to be: log likelihood, odd ones out",
            Self::Likelihood => "tells exactly how likely it takes examples to be",
            Self::Complete => "goes on with a text: `--prompt`",
            Self::Condition => "draws columns given the values of others: `--given`",
            Self::Compose => "goes on with music: `--prompt FILE`",
            Self::States => "tells which hidden states lie behind data: `galatea states`",
        }
    }

    /// Whether `session` has it.
    pub fn is_of(self, session: &dyn Session) -> bool {
        match self {
            Self::Latent => session.as_latent().is_some(),
            Self::Encode => session.as_encode().is_some(),
            Self::Invert => session.as_invert().is_some(),
            Self::Reconstruct => session.as_reconstruct().is_some(),
            Self::Score => session.as_score().is_some(),
            Self::Likelihood => session.as_likelihood().is_some(),
            Self::Complete => session.as_complete().is_some(),
            Self::Condition => session.as_condition().is_some(),
            Self::Compose => session.as_compose().is_some(),
            Self::States => session.as_states().is_some(),
        }
    }
}

/// A named set of settings of a family.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name, as in `--set preset=listing`.
    pub name: &'static str,
    /// What it is for.
    pub summary: &'static str,
    /// The settings in TOML: keys of the family, and of the loop in a `[train]` table.
    pub settings: &'static str,
}

/// Which samples are wanted.
///
/// Sample `i` depends on `seed`, `i`, its class and `truncation` only, never on the batch that it is made in.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleRequest {
    /// The seed of the samples; not the run's.
    pub seed: u64,
    /// Indices of the samples.
    pub range: std::ops::Range<u64>,
    /// The class of all samples; without it sample `i` of a conditional model is of class `i % classes`.
    pub class: Option<u32>,
    /// Noise is scaled by this factor, in `(0, 1]`: nearer 0 gives more typical and less varied samples.
    pub truncation: f32,
}

impl SampleRequest {
    /// `count` samples from index 0 on, of all classes, untruncated.
    pub fn new(seed: u64, count: u64) -> Self {
        Self { seed, range: 0..count, class: None, truncation: 1.0 }
    }

    /// The classes of the samples for a model that knows `classes` of them; `None` for one that knows none.
    ///
    /// # Errors
    /// If the model has no such class.
    pub fn labels(&self, classes: &[String]) -> Result<Option<Vec<u32>>> {
        let count = classes.len() as u64;
        match self.class {
            Some(_) if classes.is_empty() => Err(Error::usage(
                "this model was trained without classes, so it cannot draw one",
                "leave `--class` out, or train on data with classes (sub-folders of images) and `conditional=true`",
            )),
            Some(class) if u64::from(class) >= count => Err(Error::usage(
                format!("there is no class {class}"),
                format!("classes are 0 to {}: {}", count - 1, classes.join(", ")),
            )),
            Some(class) => Ok(Some(self.range.clone().map(|_| class).collect())),
            None if classes.is_empty() => Ok(None),
            None => Ok(Some(self.range.clone().map(|i| (i % count) as u32).collect())),
        }
    }
}

/// A named group of arrays: the weights of one network, or the state of one optimizer. One file of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// File name without ending: `generator`, `generator-ema`, `discriminator-adam`.
    pub name: String,
    /// Names and values, sorted by name.
    pub tensors: Vec<(String, HostTensor)>,
}

/// How much of a model is read back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Everything, to go on training exactly.
    Training,
    /// Only what sampling needs; other parts may be missing.
    Sampling,
}

/// A generative model, as a family's file provides it.
///
/// A model never touches files, the clock or the terminal, and draws nothing that is not a function of its arguments.
pub trait Model: Sized + Send + 'static {
    /// Name, summary, paper, abilities.
    const INFO: Info;
    /// Named settings.
    const PRESETS: &'static [Preset] = &[];
    /// Presets that are taken where none is named: kind of data and preset, `[("points", "points")]`.
    const USUAL_PRESETS: &'static [(&'static str, &'static str)] = &[];
    /// Whether it draws samples; a model that only reads examples does not, and is judged by what it reads.
    const DRAWS: bool = true;
    /// Training steps where nobody says how many.
    const STEPS: u64;
    /// Times that a run goes through its examples, at most, where nobody says how many steps: for families that learn few
    /// examples by heart, or that are done with them sooner.
    const MOST_EPOCHS: Option<u64> = None;
    /// Its settings.
    type Config: Settings;

    /// Checks what the ranges of single settings cannot: combinations, and whether the data suit.
    ///
    /// # Errors
    /// What does not go together, and what would.
    fn check(config: &Self::Config, spec: &DataSpec) -> Result<()>;

    /// A model with fresh weights, which are a function of `config`, `spec` and `seed`.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    fn new(config: &Self::Config, spec: &DataSpec, seed: u64, device: &burn::prelude::Device) -> Result<Self>;

    /// What each step is to be given.
    fn demand(&self) -> Demand;

    /// One training step.
    ///
    /// # Errors
    /// If a batch does not fit the model.
    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport>;

    /// Draws samples, shaped and scaled as the data were.
    ///
    /// # Errors
    /// If the request names a class that the model does not have, or it draws none: see [`DRAWS`](Self::DRAWS).
    fn sample(&self, request: &SampleRequest) -> Result<HostBatch>;

    /// The classes that can be asked for, in label order; empty for a model that ignores labels.
    fn classes(&self) -> &[String];

    /// Everything that a checkpoint holds.
    fn parts(&self) -> Vec<Part>;

    /// Name of the one part that is enough to sample.
    fn sampling_part(&self) -> &'static str;

    /// Takes back what [`parts`](Self::parts) gave.
    ///
    /// # Errors
    /// If a part or an array is missing or has another shape; the model must not be used then.
    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()>;

    /// Values, kept statistics included, by network: `[("generator", 1_234_567), ..]`.
    fn parameters(&self) -> Vec<(&'static str, usize)>;

    /// The model as a decoder of latent vectors, for families with [`Ability::Latent`].
    fn as_latent(&self) -> Option<&dyn Latent> {
        None
    }

    /// The model as an encoder of examples, for families with [`Ability::Encode`].
    fn as_encode(&self) -> Option<&dyn Encode> {
        None
    }

    /// The model as a generator whose latent vectors can be looked for, for families with [`Ability::Invert`].
    fn as_invert(&self) -> Option<&dyn Invert> {
        None
    }

    /// The model as something that gives examples back, for families with [`Ability::Reconstruct`].
    fn as_reconstruct(&self) -> Option<&dyn Reconstruct> {
        None
    }

    /// The model as a bound of how likely examples are, for families with [`Ability::Score`].
    fn as_score(&self) -> Option<&dyn Score> {
        None
    }

    /// The model as a probability of examples, for families with [`Ability::Likelihood`].
    fn as_likelihood(&self) -> Option<&dyn Likelihood> {
        None
    }

    /// The model as one that goes on with a text, for families with [`Ability::Complete`].
    fn as_complete(&self) -> Option<&dyn Complete> {
        None
    }

    /// The model as one of columns that depend on each other, for families with [`Ability::Condition`].
    fn as_condition(&self) -> Option<&dyn Condition> {
        None
    }

    /// The model as one that goes on with music, for families with [`Ability::Compose`].
    fn as_compose(&self) -> Option<&dyn Compose> {
        None
    }

    /// The model as one that knows hidden states, for families with [`Ability::States`].
    fn as_states(&self) -> Option<&dyn States> {
        None
    }

    /// For a model with a discriminator: how real it takes each of these examples to be, as logits. Nothing is learnt.
    ///
    /// # Errors
    /// If the examples do not fit the model.
    fn judge(&self, _examples: &HostBatch) -> Result<Option<Vec<f32>>> {
        Ok(None)
    }
}

/// A model under training or in use, whatever its family: the object-safe form of [`Model`].
pub trait Session: Send {
    /// Its family.
    fn info(&self) -> &'static Info;
    /// Its settings, every default written out.
    fn config(&self) -> toml::Table;
    /// The data that it is sized for.
    fn spec(&self) -> &DataSpec;
    /// See [`Model::DRAWS`].
    fn draws(&self) -> bool {
        true
    }
    /// See [`Model::demand`].
    fn demand(&self) -> Demand;
    /// See [`Model::step`].
    ///
    /// # Errors
    /// As [`Model::step`].
    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport>;
    /// See [`Model::sample`].
    ///
    /// # Errors
    /// As [`Model::sample`].
    fn sample(&self, request: &SampleRequest) -> Result<HostBatch>;
    /// See [`Model::classes`].
    fn classes(&self) -> &[String];
    /// See [`Model::parts`].
    fn parts(&self) -> Vec<Part>;
    /// See [`Model::sampling_part`].
    fn sampling_part(&self) -> &'static str;
    /// See [`Model::load`].
    ///
    /// # Errors
    /// As [`Model::load`].
    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()>;
    /// See [`Model::parameters`].
    fn parameters(&self) -> Vec<(&'static str, usize)>;
    /// See [`Model::as_latent`].
    fn as_latent(&self) -> Option<&dyn Latent>;
    /// See [`Model::as_encode`].
    fn as_encode(&self) -> Option<&dyn Encode> {
        None
    }
    /// See [`Model::as_invert`].
    fn as_invert(&self) -> Option<&dyn Invert> {
        None
    }
    /// See [`Model::as_reconstruct`].
    fn as_reconstruct(&self) -> Option<&dyn Reconstruct> {
        None
    }
    /// See [`Model::as_score`].
    fn as_score(&self) -> Option<&dyn Score> {
        None
    }
    /// See [`Model::as_likelihood`].
    fn as_likelihood(&self) -> Option<&dyn Likelihood> {
        None
    }
    /// See [`Model::as_complete`].
    fn as_complete(&self) -> Option<&dyn Complete> {
        None
    }
    /// See [`Model::as_condition`].
    fn as_condition(&self) -> Option<&dyn Condition> {
        None
    }
    /// See [`Model::as_compose`].
    fn as_compose(&self) -> Option<&dyn Compose> {
        None
    }
    /// See [`Model::as_states`].
    fn as_states(&self) -> Option<&dyn States> {
        None
    }
    /// See [`Model::judge`].
    ///
    /// # Errors
    /// As [`Model::judge`].
    fn judge(&self, examples: &HostBatch) -> Result<Option<Vec<f32>>>;
    /// Begins anew with other settings: fresh weights of the same seed, for the same data.
    ///
    /// # Errors
    /// If the settings are wrong or do not suit the data; the model is as it was then.
    fn restart(&mut self, settings: &toml::Table) -> Result<()>;
}

/// A family in the registry: makes sessions from settings and data.
pub trait Family: Sync {
    /// Name, summary, paper, abilities.
    fn info(&self) -> &'static Info;
    /// Its settings with their docs.
    fn keys(&self) -> Vec<Key>;
    /// Its settings' defaults.
    fn defaults(&self) -> toml::Table;
    /// Training steps where nobody says how many.
    fn steps(&self) -> u64;
    /// See [`Model::MOST_EPOCHS`].
    fn most_epochs(&self) -> Option<u64>;
    /// Its named settings.
    fn presets(&self) -> &'static [Preset];
    /// The preset that is taken for this kind of data where none is named; see [`Model::USUAL_PRESETS`].
    fn usual_preset(&self, kind: &str) -> Option<&'static str>;
    /// The full settings that `table` gives, checked against each other and the data.
    ///
    /// # Errors
    /// An unknown key, a wrong type, a value out of range, a combination or data that do not suit.
    fn resolve(&self, table: &toml::Table, spec: &DataSpec) -> Result<toml::Table>;
    /// A session with fresh weights.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    fn session(
        &self,
        table: &toml::Table,
        spec: &DataSpec,
        seed: u64,
        device: &burn::prelude::Device,
    ) -> Result<Box<dyn Session>>;
}

/// Makes a [`Family`] of a [`Model`].
pub struct Entry<M>(std::marker::PhantomData<fn() -> M>);

impl<M: Model> Entry<M> {
    /// The entry for the registry.
    #[expect(clippy::new_without_default, reason = "an entry is made in the registry only")]
    pub const fn new() -> Self {
        Self(std::marker::PhantomData)
    }

    fn checked(table: &toml::Table, spec: &DataSpec) -> Result<M::Config> {
        let config: M::Config = galatea_data::settings::overlay("", table)?;
        if !M::INFO.modalities.contains(&spec.kind()) {
            let takes = |family: &&&dyn Family| family.info().modalities.contains(&spec.kind());
            let own = M::INFO.modalities.join(", ");
            let hint = match crate::registry::FAMILIES.iter().find(takes) {
                Some(other) => format!("it takes {own}; `{}` takes {}", other.info().name, spec.kind()),
                None => format!("it takes {own}; `galatea models` lists the others"),
            };
            let hint = match crate::registry::other_reading(spec, M::INFO.modalities) {
                Some(reading) => format!("{reading}; {hint}"),
                None => hint,
            };
            return Err(Error::usage(format!("`{}` does not take {}", M::INFO.name, spec.kind()), hint));
        }
        M::check(&config, spec)?;
        Ok(config)
    }
}

impl<M: Model> Family for Entry<M> {
    fn info(&self) -> &'static Info {
        &M::INFO
    }

    fn keys(&self) -> Vec<Key> {
        M::Config::keys()
    }

    fn defaults(&self) -> toml::Table {
        galatea_data::settings::to_table(&M::Config::default())
    }

    fn steps(&self) -> u64 {
        M::STEPS
    }

    fn most_epochs(&self) -> Option<u64> {
        M::MOST_EPOCHS
    }

    fn presets(&self) -> &'static [Preset] {
        M::PRESETS
    }

    fn usual_preset(&self, kind: &str) -> Option<&'static str> {
        M::USUAL_PRESETS.iter().find(|(of, _)| *of == kind).map(|(_, preset)| *preset)
    }

    fn resolve(&self, table: &toml::Table, spec: &DataSpec) -> Result<toml::Table> {
        Ok(galatea_data::settings::to_table(&Self::checked(table, spec)?))
    }

    fn session(
        &self,
        table: &toml::Table,
        spec: &DataSpec,
        seed: u64,
        device: &burn::prelude::Device,
    ) -> Result<Box<dyn Session>> {
        let config = Self::checked(table, spec)?;
        let model = M::new(&config, spec, seed, device)?;
        Ok(Box::new(Running { model, config, spec: spec.clone(), seed, device: device.clone() }))
    }
}

/// A [`Model`] with what it was made from.
struct Running<M: Model> {
    model: M,
    config: M::Config,
    spec: DataSpec,
    seed: u64,
    device: burn::prelude::Device,
}

impl<M: Model> Session for Running<M> {
    fn info(&self) -> &'static Info {
        &M::INFO
    }
    fn config(&self) -> toml::Table {
        galatea_data::settings::to_table(&self.config)
    }
    fn spec(&self) -> &DataSpec {
        &self.spec
    }
    fn draws(&self) -> bool {
        M::DRAWS
    }
    fn demand(&self) -> Demand {
        self.model.demand()
    }
    fn step(&mut self, turn: Turn, batches: &[HostBatch]) -> Result<StepReport> {
        self.model.step(turn, batches)
    }
    fn sample(&self, request: &SampleRequest) -> Result<HostBatch> {
        self.model.sample(request)
    }
    fn classes(&self) -> &[String] {
        self.model.classes()
    }
    fn parts(&self) -> Vec<Part> {
        self.model.parts()
    }
    fn sampling_part(&self) -> &'static str {
        self.model.sampling_part()
    }
    fn load(&mut self, parts: &[Part], purpose: Purpose) -> Result<()> {
        self.model.load(parts, purpose)
    }
    fn parameters(&self) -> Vec<(&'static str, usize)> {
        self.model.parameters()
    }
    fn as_latent(&self) -> Option<&dyn Latent> {
        self.model.as_latent()
    }
    fn as_encode(&self) -> Option<&dyn Encode> {
        self.model.as_encode()
    }
    fn as_invert(&self) -> Option<&dyn Invert> {
        self.model.as_invert()
    }
    fn as_reconstruct(&self) -> Option<&dyn Reconstruct> {
        self.model.as_reconstruct()
    }
    fn as_score(&self) -> Option<&dyn Score> {
        self.model.as_score()
    }
    fn as_likelihood(&self) -> Option<&dyn Likelihood> {
        self.model.as_likelihood()
    }
    fn as_complete(&self) -> Option<&dyn Complete> {
        self.model.as_complete()
    }
    fn as_condition(&self) -> Option<&dyn Condition> {
        self.model.as_condition()
    }
    fn as_compose(&self) -> Option<&dyn Compose> {
        self.model.as_compose()
    }
    fn as_states(&self) -> Option<&dyn States> {
        self.model.as_states()
    }
    fn judge(&self, examples: &HostBatch) -> Result<Option<Vec<f32>>> {
        self.model.judge(examples)
    }
    fn restart(&mut self, settings: &toml::Table) -> Result<()> {
        let config = Entry::<M>::checked(settings, &self.spec)?;
        self.model = M::new(&config, &self.spec, self.seed, &self.device)?;
        self.config = config;
        Ok(())
    }
}
