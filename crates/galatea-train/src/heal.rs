//! What is done about a finding: settings that are changed, and the record of it.
//!
//! Remedies are changes of settings, by name of the setting, so that any family that has the setting is helped. Each list
//! is tried in order; what a family does not have, or what is on already, is left out.

use std::collections::BTreeMap;

use galatea_data::{choice, settings};
use galatea_models::Session;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::monitor::{Kind, thousands};

choice! {
    /// What is done about severe findings.
    pub enum HealMode {
        /// Nothing: they are told.
        Off = "off",
        /// Training goes back to the last healthy checkpoint, and on with other settings.
        Auto = "auto",
    }
}

settings! {
    /// What is done about severe findings (`heal.KEY`; `heal=auto` is short for `heal.mode=auto`).
    pub struct HealOptions {
        /// What is done, `heal=auto` for short: off for nothing, auto for back to the last healthy checkpoint and on with other settings.
        mode: HealMode = HealMode::Off;
        /// Training goes back at most so many times.
        max: usize = 3, in 1..=100;
    }
}

/// What was done about a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intervention {
    /// The step after which it was done.
    pub step: u64,
    /// What was found.
    pub kind: Kind,
    /// What it was seen by.
    pub evidence: String,
    /// The step of the checkpoint that training went back to; 0 is the beginning.
    pub back_to: u64,
    /// Which of the remedies for this kind it was, from 0 on.
    #[serde(default)]
    pub remedy: usize,
    /// Settings that were changed: what they were and what they are, as in TOML.
    pub changes: BTreeMap<String, [String; 2]>,
}

impl Intervention {
    /// The changes in a sentence: `learning_rate_d 0.0002 -> 0.00005, r1 0.0 -> 1.0`.
    pub fn changes_text(&self) -> String {
        if self.changes.is_empty() {
            return "the same settings".to_owned();
        }
        let changes = self.changes.iter().map(|(key, [old, new])| format!("{key} {old} -> {new}"));
        changes.collect::<Vec<_>>().join(", ")
    }

    /// Where training went back to, in words.
    pub fn back_to_text(&self) -> String {
        match self.back_to {
            0 => "the beginning".to_owned(),
            step => format!("step {}", thousands(step)),
        }
    }
}

/// Lays the changes of all `interventions` over `settings`.
pub(crate) fn apply(settings: &mut Table, interventions: &[Intervention]) {
    for (key, [_, new]) in interventions.iter().flat_map(|intervention| &intervention.changes) {
        let parsed = format!("value = {new}").parse::<Table>().ok().and_then(|mut table| table.remove("value"));
        settings.insert(key.clone(), parsed.unwrap_or_else(|| Value::String(new.clone())));
    }
}

/// What a change may depend on beside the setting's own value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// All settings of the model.
    pub(crate) all: &'a Table,
    /// What its family takes for such data where nothing is said.
    pub(crate) usual: &'a Table,
}

/// What the family of a session takes for its data where nothing is said; nothing of a family that is not registered.
pub(crate) fn usual(session: &dyn Session) -> Table {
    let Ok(family) = galatea_models::registry::family(session.info().name) else { return Table::new() };
    let mut usual = family.defaults();
    let preset = family.usual_preset(session.spec().kind());
    let preset = family.presets().iter().find(|known| Some(known.name) == preset);
    usual.extend(preset.and_then(|preset| preset.settings.parse::<Table>().ok()).unwrap_or_default());
    usual
}

/// A change of one setting: the value that it gets, if that is a change for the better.
struct Change {
    key: &'static str,
    to: fn(&Value, Known<'_>) -> Option<Value>,
}

/// `key` is off, and is switched on.
macro_rules! switch_on {
    ($key:literal, $value:expr) => {
        Change { key: $key, to: |now, _| is_off(now).then(|| Value::from($value)) }
    };
}

/// The slope of the discriminator at real examples is bounded as is usual, unless it is in another way.
const R1: Change = Change {
    key: "r1",
    to: |now, known| {
        let on = |table: &Table, key: &str| table.get(key).filter(|value| !is_off(value)).cloned();
        let is_bounded = on(known.all, "gradient_penalty").is_some();
        (is_off(now) && !is_bounded).then(|| on(known.usual, "r1").unwrap_or(Value::Float(1.0)))
    },
};
/// The same at samples, where that is usual.
const R2: Change =
    Change { key: "r2", to: |now, known| known.usual.get("r2").filter(|usual| is_off(now) && !is_off(usual)).cloned() };
/// Its generator has no slope where the discriminator wins.
const LOSS: Change = Change {
    key: "loss",
    to: |now, known| {
        let is_minimax = |loss: &Value| loss.as_str() == Some("minimax");
        let usual = known.usual.get("loss").filter(|loss| !is_minimax(loss)).cloned();
        is_minimax(now).then(|| usual.unwrap_or_else(|| "non-saturating".into()))
    },
};
/// Penalties stay on where that is usual.
const LASTING: Change = Change {
    key: "penalty_end",
    to: |now, known| {
        let usual = known.usual.get("penalty_end")?;
        (now.as_float()? < 0.1 * usual.as_float()?).then(|| usual.clone())
    },
};
const MOMENTUM: Change = Change {
    key: "beta_1",
    to: |now, known| {
        let usual = known.usual.get("beta_1").and_then(Value::as_float).unwrap_or(0.5);
        (now.as_float()? > usual.max(0.5)).then_some(Value::Float(usual.min(0.5)))
    },
};
const ONE_STEP: Change = Change {
    key: "discriminator_steps",
    to: |now, known| {
        let is_critic = known.all.get("loss").and_then(Value::as_str) == Some("wasserstein");
        (now.as_integer()? > 1 && !is_critic).then_some(Value::Integer(1))
    },
};
const SLOWER_G: Change = Change { key: "learning_rate_g", to: |now, _| slower(now, 0.5) };
const SLOWER_D: Change = Change { key: "learning_rate_d", to: |now, _| slower(now, 0.5) };
/// A rate that is far too high is brought down to what is usual.
const LOWER_G: Change =
    Change { key: "learning_rate_g", to: |now, known| near(now, known.usual.get("learning_rate_g")?) };
/// The same, or down to the generator's rate, which is usual or becomes so.
const LOWER_D: Change = Change { key: "learning_rate_d", to: |now, known| even(now, known, LOWER_G) };
/// A rate that is out of all proportion is brought to what is usual, up to what goes with the discriminator's.
const USUAL_G: Change = Change {
    key: "learning_rate_g",
    to: |now, known| near(now, known.usual.get("learning_rate_g")?).or_else(|| hurried(now, known, 30.0)),
};
/// The same, or down to the generator's rate, which is usual or becomes so.
const USUAL_D: Change = Change { key: "learning_rate_d", to: |now, known| even(now, known, USUAL_G) };
/// Where the discriminator wins, a generator that creeps is no help either.
const FAIR_G: Change = Change {
    key: "learning_rate_g",
    to: |now, known| near(now, known.usual.get("learning_rate_g")?).or_else(|| hurried(now, known, 4.0)),
};
const FAIR_D: Change = Change { key: "learning_rate_d", to: |now, known| even(now, known, FAIR_G) };
const CLIP: Change = switch_on!("clip_gradient", 1.0);
const NOISE: Change = switch_on!("instance_noise", 0.1);
const SMOOTHING: Change = switch_on!("label_smoothing", 0.1);
const AVERAGE: Change = Change {
    key: "ema",
    to: |now, known| {
        let usual = known.usual.get("ema").filter(|usual| !is_off(usual)).cloned();
        is_off(now).then(|| usual.unwrap_or(Value::Float(0.99)))
    },
};
const SEEKING: Change = switch_on!("mode_seeking", 1.0);
const AUGMENT: Change = switch_on!("augment", "translation,cutout");
/// The divergence from the prior costs less, or nothing at first.
const WARM_UP: Change = switch_on!("warm_up", 0.5);
const FREE_BITS: Change = switch_on!("free_bits", 0.1);
const LOWER_BETA: Change = Change { key: "beta", to: |now, _| (now.as_float()? > 1.0).then_some(Value::Float(1.0)) };
const SLOWER: Change = Change { key: "learning_rate", to: |now, _| slower(now, 0.5) };
/// The discriminator sees several examples at once, which changes its shape.
const PACK: Change = Change { key: "pack", to: |now, _| (now.as_integer()? == 1).then_some(Value::Integer(2)) };

/// What makes most adversarial games unstable, put right together.
const FIRST: &[Change] = &[LOSS, ONE_STEP, USUAL_G, USUAL_D, R1, R2, LASTING, MOMENTUM, AVERAGE];
const FAIR: &[Change] = &[LOSS, ONE_STEP, FAIR_G, FAIR_D, R1, R2, LASTING, MOMENTUM, AVERAGE];

/// Whether the checkpoint that training went back to was spoiled, though nobody had seen it: what spoils networks long before it can be
/// seen is there again soon, before twice the steps at which it was found. What comes later is another matter, and much would be lost.
pub(crate) fn was_spoiled(interventions: &[Intervention], kind: Kind, step: u64) -> bool {
    let creeps = matches!(kind, Kind::DroppedModes | Kind::NearDuplicates | Kind::Overpowering);
    creeps && interventions.last().is_some_and(|last| last.back_to > 0 && step < 2 * last.step)
}

/// What helps, in order. Each line is one intervention: the changes of it that apply are made together.
fn remedies(kind: Kind) -> &'static [&'static [Change]] {
    match kind {
        Kind::DroppedModes | Kind::NearDuplicates => &[FIRST, &[SLOWER_G, SLOWER_D], &[SEEKING, NOISE], &[PACK]],
        Kind::Overpowering => &[FAIR, &[SLOWER_D], &[NOISE, SMOOTHING], &[SLOWER_G, SLOWER_D]],
        Kind::Divergence => &[&[LOWER_G, LOWER_D, SLOWER, MOMENTUM], &[SLOWER_G, SLOWER_D], &[CLIP, R1]],
        Kind::Oscillation => &[FIRST, &[SLOWER_G, SLOWER_D]],
        Kind::PosteriorCollapse => &[&[LOWER_BETA, WARM_UP], &[FREE_BITS], &[SLOWER]],
        Kind::Overfitting => &[&[R1], &[AUGMENT], &[NOISE], &[SMOOTHING, SLOWER_D]],
    }
}

/// Changes that are made together: keys and their new values.
type Changes = Vec<(&'static str, Value)>;

/// The interventions that may help a model with these settings, best first: the number of the remedy, and its changes.
pub(crate) fn options(kind: Kind, known: Known<'_>) -> Vec<(usize, Changes)> {
    let of = |change: &Change| Some((change.key, (change.to)(known.all.get(change.key)?, known)?));
    let lines = remedies(kind).iter().map(|line| line.iter().filter_map(of).collect::<Changes>());
    lines.enumerate().filter(|(_, changes)| !changes.is_empty()).collect()
}

/// The same, those first that have been tried least often: a rate can be halved many times, and nothing else would ever be
/// tried.
pub(crate) fn untried(kind: Kind, known: Known<'_>, before: &[Intervention]) -> Vec<(usize, Changes)> {
    let mut options = options(kind, known);
    let is_it =
        |done: &&Intervention, remedy: usize| done.kind == kind && done.remedy == remedy && !done.changes.is_empty();
    options.sort_by_key(|(remedy, _)| before.iter().filter(|done| is_it(done, *remedy)).count());
    options
}

/// What a person can do, in a sentence; empty if nothing is known.
pub(crate) fn hint(kind: Kind, known: Known<'_>) -> String {
    let options = options(kind, known);
    let show = |changes: &Changes| {
        changes.iter().map(|(key, value)| format!("{key}={}", value.to_string().trim_matches('"'))).collect::<Vec<_>>()
    };
    match options.first() {
        Some((_, first)) => format!(
            "in a new run, `--set {}` usually helps; with `--set heal=auto` a run goes back to before it happened and \
             changes such settings by itself",
            show(first).join(" ")
        ),
        None => String::new(),
    }
}

fn is_off(value: &Value) -> bool {
    match value {
        Value::Float(value) => *value == 0.0,
        Value::Integer(value) => *value == 0,
        Value::Boolean(value) => !value,
        Value::String(value) => value == "off" || value == "none",
        _ => false,
    }
}

/// The usual rate, where this one is four times as high or higher.
fn near(rate: &Value, usual: &Value) -> Option<Value> {
    (rate.as_float()? >= 4.0 * usual.as_float()?).then(|| usual.clone())
}

/// The usual rate for a generator, where its own is so many times lower; as much lower as the discriminator's is, since both
/// belong together.
fn hurried(rate: &Value, known: Known<'_>, times: f64) -> Option<Value> {
    let of = |table: &Table, key: &str| table.get(key)?.as_float();
    let (now, usual) = (rate.as_float()?, of(known.usual, "learning_rate_g")?);
    let share = of(known.all, "learning_rate_d")? / of(known.usual, "learning_rate_d")?;
    slower(&Value::Float(usual), share.min(1.0)).filter(|to| times * now <= usual && to.as_float() > Some(now))
}

/// A rate for a discriminator whose rate is much too high, or higher than what the generator's becomes.
fn even(rate: &Value, known: Known<'_>, generators: Change) -> Option<Value> {
    let rate_g = known.all.get("learning_rate_g")?;
    let rate_g = (generators.to)(rate_g, known).unwrap_or_else(|| rate_g.clone());
    let is_higher = rate.as_float()? > rate_g.as_float()?;
    near(rate, known.usual.get("learning_rate_d")?).or(is_higher.then_some(rate_g))
}

/// The rate times `factor`, to three digits, so that it is the same number when it has been written and read.
fn slower(rate: &Value, factor: f64) -> Option<Value> {
    let slower: f64 = format!("{:.2e}", rate.as_float()? * factor).parse().ok()?;
    (slower >= 1e-7).then_some(Value::Float(slower))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing() -> Table {
        "loss = 'minimax'\nr1 = 0.0\nbeta_1 = 0.9\nlearning_rate_g = 1e-4\nlearning_rate_d = 4e-4\ninstance_noise = 0.0\n\
         gradient_penalty = 0.0\nlabel_smoothing = 0.1\ndiscriminator_steps = 5"
            .parse()
            .unwrap()
    }

    fn known(all: &Table) -> Known<'_> {
        static USUAL: std::sync::LazyLock<Table> = std::sync::LazyLock::new(|| {
            "learning_rate_g = 1e-3\nlearning_rate_d = 1e-3\nr1 = 0.03\nbeta_1 = 0.0\nloss = 'hinge'".parse().unwrap()
        });
        Known { all, usual: &USUAL }
    }

    fn keys(kind: Kind, settings: &Table) -> Vec<Vec<&'static str>> {
        let options = options(kind, known(settings));
        options.iter().map(|(_, changes)| changes.iter().map(|(key, _)| *key).collect()).collect()
    }

    #[test]
    fn remedies_that_are_on_or_unknown_are_left_out() {
        let mut settings = listing();
        assert_eq!(
            keys(Kind::DroppedModes, &settings),
            [
                &["loss", "discriminator_steps", "learning_rate_d", "r1", "beta_1"][..],
                &["learning_rate_g", "learning_rate_d"],
                &["instance_noise"]
            ]
        );
        settings.insert("r1".into(), Value::Float(1.0));
        settings.remove("instance_noise");
        settings.insert("loss".into(), "wasserstein".into());
        settings.insert("learning_rate_d".into(), Value::Float(1e-4));
        settings.insert("beta_1".into(), Value::Float(0.0));
        assert_eq!(keys(Kind::DroppedModes, &settings), [["learning_rate_g", "learning_rate_d"]]);
        assert_eq!(keys(Kind::Divergence, &Table::new()), [[""; 0]; 0]);
        assert!(hint(Kind::Divergence, known(&Table::new())).is_empty());
        let mut settings = listing();
        settings.insert("free_bits".into(), Value::Float(0.0));
        assert!(Kind::ALL.iter().all(|kind| hint(*kind, known(&settings)).contains("`--set heal=auto`")));
    }

    #[test]
    fn latent_vectors_are_brought_to_use() {
        let settings = "beta = 4.0\nwarm_up = 0.0\nfree_bits = 0.0\nlearning_rate = 1e-3".parse().unwrap();
        let expected: [&[&str]; 3] = [&["beta", "warm_up"], &["free_bits"], &["learning_rate"]];
        assert_eq!(keys(Kind::PosteriorCollapse, &settings), expected);
        assert_eq!(keys(Kind::PosteriorCollapse, &listing()), [[""; 0]; 0]);
    }

    #[test]
    fn a_slope_is_bounded_as_is_usual_and_not_twice() {
        let mut settings = listing();
        let r1 = |settings: &Table| {
            let all = options(Kind::DroppedModes, known(settings)).into_iter().flat_map(|(_, changes)| changes);
            all.filter(|(key, _)| *key == "r1").map(|(_, value)| value).next()
        };
        assert_eq!(r1(&settings), Some(Value::Float(0.03)));
        settings.insert("gradient_penalty".into(), Value::Float(10.0));
        assert_eq!(r1(&settings), None);
    }

    #[test]
    fn what_is_changed_becomes_what_is_usual() {
        let first = options(Kind::DroppedModes, known(&listing())).swap_remove(0).1;
        let of = |key: &str| first.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
        assert_eq!((of("loss"), of("beta_1")), (Some("hinge".into()), Some(Value::Float(0.0))));
        let settings = listing();
        let unknown = Known { all: &settings, usual: &Table::new() };
        let first = options(Kind::DroppedModes, unknown).swap_remove(0).1;
        let of = |key: &str| first.iter().find(|(known, _)| *known == key).map(|(_, value)| value.clone());
        assert_eq!((of("loss"), of("beta_1")), (Some("non-saturating".into()), Some(Value::Float(0.5))));
    }

    #[test]
    fn a_generator_that_creeps_is_hurried_where_the_discriminator_wins_only() {
        let mut settings = listing();
        settings.insert("learning_rate_g".into(), Value::Float(2e-4));
        settings.insert("learning_rate_d".into(), Value::Float(2e-3));
        let rate = |kind, key: &str| {
            let first = options(kind, known(&settings)).swap_remove(0).1;
            first.into_iter().find(|(known, _)| *known == key).and_then(|(_, value)| value.as_float())
        };
        assert_eq!(rate(Kind::Overpowering, "learning_rate_g"), Some(1e-3));
        assert_eq!(rate(Kind::Overpowering, "learning_rate_d"), Some(1e-3));
        assert_eq!(rate(Kind::DroppedModes, "learning_rate_g"), None);
        assert_eq!(rate(Kind::DroppedModes, "learning_rate_d"), Some(2e-4));
    }

    #[test]
    fn a_generator_is_hurried_no_more_than_goes_with_its_discriminator() {
        let rates = |kind, [rate_g, rate_d]: [f64; 2]| {
            let mut settings = listing();
            settings.insert("learning_rate_g".into(), Value::Float(rate_g));
            settings.insert("learning_rate_d".into(), Value::Float(rate_d));
            let first = options(kind, known(&settings)).swap_remove(0).1;
            ["learning_rate_g", "learning_rate_d"]
                .map(|key| first.iter().find(|(known, _)| *known == key).and_then(|(_, value)| value.as_float()))
        };
        // As the listing is: both are slow.
        assert_eq!(rates(Kind::Overpowering, [1e-4, 1e-4]), [None, None]);
        // Slower than makes any sense, whatever is seen of it; the discriminator is not brought down to that.
        for kind in [Kind::Overpowering, Kind::DroppedModes, Kind::Oscillation] {
            assert_eq!(rates(kind, [1e-6, 1e-4]), [Some(1e-4), None]);
            assert_eq!(rates(kind, [1e-6, 0.1]), [Some(1e-3), Some(1e-3)]);
        }
        assert_eq!(rates(Kind::Divergence, [1e-6, 1e-3])[0], None, "no haste where values explode");
    }

    #[test]
    fn rates_out_of_proportion_become_the_usual_ones() {
        let mut settings = listing();
        let rates = |settings: &Table, kind| -> Vec<(&'static str, f64)> {
            let (_, first) = options(kind, known(settings)).into_iter().next().unwrap_or_default();
            let rates = first.into_iter().filter(|(key, _)| key.starts_with("learning_rate"));
            rates.map(|(key, value)| (key, value.as_float().unwrap())).collect()
        };
        for kind in [Kind::DroppedModes, Kind::Overpowering, Kind::Divergence] {
            settings.insert("learning_rate_g".into(), Value::Float(0.1));
            settings.insert("learning_rate_d".into(), Value::Float(0.1));
            assert_eq!(rates(&settings, kind), [("learning_rate_g", 1e-3), ("learning_rate_d", 1e-3)]);
            // Three times as high is another matter; the discriminator's is brought down to the generator's all the same.
            settings.insert("learning_rate_g".into(), Value::Float(2e-3));
            settings.insert("learning_rate_d".into(), Value::Float(3e-3));
            assert_eq!(rates(&settings, kind), [("learning_rate_d", 2e-3)]);
        }
    }

    #[test]
    fn changes_are_applied_in_order_and_said() {
        let change = |key: &str, old: &str, new: &str| {
            let changes = [(key.to_owned(), [old.to_owned(), new.to_owned()])].into();
            let (kind, evidence) = (Kind::Divergence, String::new());
            Intervention { step: 1_500, kind, evidence, back_to: 1_000, remedy: 0, changes }
        };
        let all = [change("r1", "0.0", "1.0"), change("r1", "1.0", "2.5"), change("loss", "\"minimax\"", "\"hinge\"")];
        let mut settings = listing();
        apply(&mut settings, &all);
        assert_eq!((settings["r1"].as_float(), settings["loss"].as_str()), (Some(2.5), Some("hinge")));
        assert_eq!((all[0].changes_text(), all[0].back_to_text()), ("r1 0.0 -> 1.0".into(), "step 1,000".into()));
        assert_eq!(slower(&Value::Float(2e-4), 0.25), Some(Value::Float(5e-5)));
        assert_eq!(slower(&Value::Float(2e-7), 0.25), None);
    }

    #[test]
    fn what_was_tried_least_comes_first() {
        let mut settings = listing();
        let mut done: Vec<Intervention> = Vec::new();
        let mut tried = |kind: Kind, settings: &mut Table| {
            let (remedy, changes) = untried(kind, known(settings), &done).swap_remove(0);
            let old = |key: &str| settings.get(key).map(Value::to_string).unwrap_or_default();
            let changes = changes.iter().map(|(key, new)| ((*key).to_owned(), [old(key), new.to_string()])).collect();
            done.push(Intervention { step: 9, kind, evidence: String::new(), back_to: 0, remedy, changes });
            apply(settings, &done[done.len() - 1..]);
            remedy
        };
        // What is usual, lower rates, noise; all have been tried then, and rates can still be lowered.
        assert_eq!([(); 5].map(|()| tried(Kind::DroppedModes, &mut settings)), [0, 1, 2, 1, 1]);
        assert_eq!(tried(Kind::Overpowering, &mut settings), 1, "each kind has its own");
        let number = |key: &str| settings[key].as_float();
        assert_eq!((number("instance_noise"), number("learning_rate_d")), (Some(0.1), Some(6.25e-6)));
    }

    #[test]
    fn what_is_soon_wrong_again_was_spoiled() {
        let done = |back_to| Intervention {
            step: 1_000,
            kind: Kind::Overpowering,
            evidence: String::new(),
            back_to,
            remedy: 0,
            changes: BTreeMap::new(),
        };
        let at = |back_to, kind, step| was_spoiled(&[done(back_to)], kind, step);
        assert!(at(800, Kind::DroppedModes, 900) && at(800, Kind::DroppedModes, 1_999));
        assert!(!at(800, Kind::DroppedModes, 2_000) && !at(0, Kind::DroppedModes, 900));
        assert!(!at(800, Kind::Divergence, 900) && !was_spoiled(&[], Kind::DroppedModes, 900));
    }
}
