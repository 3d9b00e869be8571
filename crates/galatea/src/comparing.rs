//! Runs beside each other: what they were told, and how well each did.

use std::collections::BTreeMap;
use std::path::PathBuf;

use galatea_metrics::metric::Better;
use galatea_metrics::numbers;
use galatea_train::observers::{Logged, readings};
use galatea_train::{Intervention, Run, checkpoint};
use serde::Serialize;

use crate::{Error, Result, VALIDATION};

/// Runs beside each other, the best by [`sorted_by`](Self::sorted_by) first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunsComparison {
    /// The runs.
    pub runs: Vec<ComparedRun>,
    /// Settings that are not the same in all runs, by key; what a run does not have is `None`.
    pub differing: BTreeMap<String, Vec<Option<String>>>,
    /// The number that runs are sorted by, if any has been judged.
    pub sorted_by: Option<String>,
    /// Numbers, each with its values in the order of the runs.
    pub numbers: Vec<ComparedNumber>,
    /// What keeps values from being compared, and settings that were changed on the way.
    pub notes: Vec<String>,
}

/// A run in a comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedRun {
    /// Its folder.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Its family.
    pub family: String,
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Examples that steps were given.
    pub images_seen: u64,
    /// Seconds of training.
    pub seconds: f64,
    /// The step that was judged, if any was.
    pub judged_step: Option<u64>,
    /// What was changed on the way by `heal=auto`.
    pub interventions: Vec<Intervention>,
}

/// A number of all runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedNumber {
    /// Its short name: `frechet`.
    pub number: String,
    /// Which values are good.
    pub better: Option<Better>,
    /// A value for each run that has one.
    pub values: Vec<Option<ComparedValue>>,
}

/// A value, and what may be said of it beside those of the other runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedValue {
    /// The full name: `frechet-1000-digits-lenet`.
    pub metric: String,
    /// The value.
    pub value: f64,
    /// What it would be within in 95 of 100 cases.
    pub interval: Option<[f64; 2]>,
    /// What real data have.
    pub floor: Option<f64>,
    /// What noise has.
    pub ceiling: Option<f64>,
    /// SHA-256 of what its features are computed with.
    pub features_hash: Option<String>,
    /// What may be said of it.
    pub standing: Standing,
}

/// What may be said of a value beside those of other runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// None is better.
    Best,
    /// Its interval and that of the best overlap: chance may have made the difference.
    WithinChance,
    /// There is a better one, and their intervals are apart; or it is no finite number.
    Worse,
    /// There is a better one, and one of the two has no interval.
    Unknown,
    /// It was measured in another way, and must not be compared.
    Incomparable,
}

/// `validation-frechet-900-digits-lenet` as `frechet`: the name up to the number of samples.
pub fn number_of(metric: &str) -> String {
    let is_count = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    metric.trim_start_matches(VALIDATION).split('-').take_while(|part| !is_count(part)).collect::<Vec<_>>().join("-")
}

/// Compares runs, sorted by the number `by`, or else by the first that they have.
///
/// # Errors
/// If a run cannot be read, is named twice, or none has the number `by`.
pub fn compare_runs(runs: &[Run], by: Option<&str>) -> Result<RunsComparison> {
    let mut read = runs.iter().map(Judged::read).collect::<Result<Vec<_>>>()?;
    for (i, judged) in read.iter().enumerate() {
        if read[..i].iter().any(|other| other.run.path == judged.run.path) {
            return Err(Error::usage(
                format!("`{}` is named twice", judged.run.path.display()),
                "name different runs, such as `galatea runs compare 1 2`",
            ));
        }
    }
    let names: Vec<&str> = numbers().map(|number| number.name).collect();
    let sorted_by = match by {
        Some(by) if !has(&read, by) => {
            let known: Vec<&str> = names.iter().copied().filter(|name| has(&read, name)).collect();
            let hint = match known.is_empty() {
                true => "none of them has been judged".to_owned(),
                false => format!("they have {}", known.join(", ")),
            };
            return Err(Error::usage(format!("no run has the number `{by}`"), hint));
        }
        Some(by) => Some(by.to_owned()),
        None => names.iter().find(|name| has(&read, name)).map(|name| (*name).to_owned()),
    };
    if let Some(by) = &sorted_by {
        let protocol = usual_protocol(&read, by);
        // What was measured otherwise, or not at all, comes last.
        read.sort_by(|a, b| {
            let rank = |judged: &Judged| match judged.values.get(by) {
                Some(logged) if judged.protocol(logged) == protocol => (0, badness(by, &logged.reading)),
                Some(_) => (1, 0.0),
                None => (2, 0.0),
            };
            let ((a, x), (b, y)) = (rank(a), rank(b));
            a.cmp(&b).then(x.total_cmp(&y))
        });
    }
    let mut others: Vec<&str> = read.iter().flat_map(|judged| judged.values.keys()).map(String::as_str).collect();
    others.sort_unstable();
    let mut ordered: Vec<&str> = Vec::new();
    for name in names.into_iter().chain(others).filter(|name| has(&read, name)) {
        if !ordered.contains(&name) {
            ordered.push(name);
        }
    }
    let numbers: Vec<ComparedNumber> = ordered.into_iter().map(|name| compared(name, &read)).collect();
    let notes = notes(&read, &numbers);
    let differing = differing(&read.iter().map(|judged| &judged.settings).collect::<Vec<_>>());
    Ok(RunsComparison {
        runs: read.into_iter().map(|judged| judged.run).collect(),
        differing,
        sorted_by,
        numbers,
        notes,
    })
}

fn has(read: &[Judged], name: &str) -> bool {
    read.iter().any(|judged| judged.values.contains_key(name))
}

/// A run with its score.
struct Judged {
    run: ComparedRun,
    settings: BTreeMap<String, String>,
    /// Stands for the real examples that it was judged by.
    data: String,
    /// By short name.
    values: BTreeMap<String, Logged>,
    /// Why its score cannot be read, if it cannot: the others can be compared all the same.
    damaged: Option<String>,
}

/// Values of one protocol may be compared: the same number of samples, the same features, the same real examples.
type Protocol = (String, Option<String>, String);

impl Judged {
    fn read(run: &Run) -> Result<Self> {
        let config = run.config()?;
        let state =
            checkpoint::newest(run, Some("")).ok().and_then(|newest| newest.checkpoint).map(|found| found.state);
        let (lines, damaged) = match readings(run) {
            Ok(lines) => (lines, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let score: Vec<Logged> =
            lines.into_iter().filter(|line| !line.reading.metric.starts_with(VALIDATION)).collect();
        let judged_step = score.iter().map(|line| line.step).max();
        let last = score.into_iter().filter(|line| Some(line.step) == judged_step);
        let settings = config.flat();
        let told = |key: &str| settings.get(key).cloned().unwrap_or_default();
        let fingerprint = state.as_ref().map_or_else(|| told("data.source"), |state| state.data.fingerprint.clone());
        Ok(Self {
            run: ComparedRun {
                path: run.path().to_owned(),
                name: run.name().to_owned(),
                family: config.family,
                step: state.as_ref().map_or(0, |state| state.step),
                steps: config.train.steps,
                images_seen: state.as_ref().map_or(0, |state| state.images_seen),
                seconds: state.as_ref().map_or(0.0, |state| state.seconds),
                judged_step,
                interventions: state.map(|state| state.watch.interventions).unwrap_or_default(),
            },
            data: format!("{fingerprint} {} {}", told("data.holdout"), told("data.classes")),
            settings,
            values: last.map(|line| (number_of(&line.reading.metric), line)).collect(),
            damaged,
        })
    }

    fn protocol(&self, logged: &Logged) -> Protocol {
        (logged.reading.metric.clone(), logged.reading.features_hash.clone(), self.data.clone())
    }
}

/// The protocol that most runs have measured a number by, the first of those that are equally common.
fn usual_protocol(read: &[Judged], name: &str) -> Protocol {
    let all: Vec<Protocol> =
        read.iter().filter_map(|judged| judged.values.get(name).map(|logged| judged.protocol(logged))).collect();
    let count = |protocol: &Protocol| all.iter().filter(|other| *other == protocol).count();
    let usual = all.iter().rev().max_by_key(|protocol| count(protocol));
    usual.cloned().unwrap_or_default()
}

fn better(name: &str) -> Option<Better> {
    numbers().find(|number| number.name == name).map(|number| number.better)
}

/// How far a value is from good: to be compared only within a protocol.
fn badness(name: &str, reading: &galatea_train::Reading) -> f64 {
    let badness = match better(name) {
        Some(Better::Higher) => -reading.value,
        Some(Better::LikeReal) => (reading.value - reading.floor.unwrap_or(0.0)).abs(),
        Some(Better::Lower) | None => reading.value,
    };
    if badness.is_nan() { f64::INFINITY } else { badness }
}

fn compared(name: &str, read: &[Judged]) -> ComparedNumber {
    let protocol = usual_protocol(read, name);
    let comparable =
        |judged: &&Judged| judged.values.get(name).is_some_and(|logged| judged.protocol(logged) == protocol);
    let of = |judged: &Judged| judged.values.get(name).map(|logged| logged.reading.clone());
    let best =
        read.iter().filter(comparable).filter_map(of).min_by(|a, b| badness(name, a).total_cmp(&badness(name, b)));
    let value = |judged: &Judged| {
        let reading = of(judged)?;
        let standing = match &best {
            _ if !comparable(&judged) => Standing::Incomparable,
            _ if !reading.value.is_finite() => Standing::Worse,
            Some(best) if badness(name, &reading) > badness(name, best) => match (reading.interval, best.interval) {
                (Some([low, high]), Some([best_low, best_high])) => match low <= best_high && best_low <= high {
                    true => Standing::WithinChance,
                    false => Standing::Worse,
                },
                _ => Standing::Unknown,
            },
            _ => Standing::Best,
        };
        Some(ComparedValue {
            metric: reading.metric,
            value: reading.value,
            interval: reading.interval,
            floor: reading.floor,
            ceiling: reading.ceiling,
            features_hash: reading.features_hash,
            standing,
        })
    };
    ComparedNumber { number: name.to_owned(), better: better(name), values: read.iter().map(value).collect() }
}

/// What there is to know of runs, one after the other: above all why values must not be compared.
fn notes(read: &[Judged], numbers: &[ComparedNumber]) -> Vec<String> {
    let mut notes = Vec::new();
    for (i, judged) in read.iter().enumerate() {
        let name = &judged.run.name;
        if !judged.run.interventions.is_empty() {
            let told = |done: &Intervention| {
                format!("after step {} to {}, with {}", done.step, done.back_to_text(), done.changes_text())
            };
            let changes: Vec<String> = judged.run.interventions.iter().map(told).collect();
            notes.push(format!("`{name}` went back, and on with other settings: {}", changes.join("; then ")));
        }
        if let Some(problem) = &judged.damaged {
            notes.push(format!("the score of `{name}` cannot be read: {problem}"));
            continue;
        }
        if judged.values.is_empty() {
            notes.push(format!(
                "`{name}` has not been judged, which is done when training ends unless `eval.samples=0`; `galatea eval` tells how \
                 good it is"
            ));
            continue;
        }
        if judged.run.judged_step != Some(judged.run.step) {
            let step = judged.run.judged_step.unwrap_or_default();
            notes.push(format!("`{name}` was judged at step {step} and is at step {}", judged.run.step));
        }
        let mut reasons: Vec<String> = Vec::new();
        for number in numbers {
            let Some(value) = number.values[i].as_ref().filter(|value| value.standing == Standing::Incomparable) else {
                continue;
            };
            let (metric, hash, data) = usual_protocol(read, &number.number);
            if data != judged.data {
                reasons.push("by other real examples".to_owned());
            }
            if metric != value.metric {
                let rest = |metric: &str| metric.trim_start_matches(&number.number).trim_start_matches('-').to_owned();
                reasons.push(format!("as `{}`, not as `{}`", rest(&value.metric), rest(&metric)));
            } else if hash != value.features_hash {
                reasons.push("with features of other weights".to_owned());
            }
        }
        let mut told: Vec<String> = Vec::new();
        for reason in reasons {
            if !told.contains(&reason) {
                told.push(reason);
            }
        }
        if !told.is_empty() {
            notes.push(format!("`{name}` was judged {}: such values must not be compared", told.join(", ")));
        }
    }
    notes
}

/// Settings that are not the same everywhere, but for the version of the program.
fn differing(all: &[&BTreeMap<String, String>]) -> BTreeMap<String, Vec<Option<String>>> {
    let mut keys: Vec<&String> = all.iter().flat_map(|settings| settings.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| *key != "galatea")
        .map(|key| (key.clone(), all.iter().map(|settings| settings.get(key).cloned()).collect::<Vec<_>>()))
        .filter(|(_, values)| values.iter().any(|value| *value != values[0]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use galatea_train::Reading;

    fn judged(name: &str, data: &str, readings: &[Reading]) -> Judged {
        let run = ComparedRun {
            path: name.into(),
            name: name.into(),
            family: "toy".into(),
            step: 9,
            steps: 9,
            images_seen: 9,
            seconds: 1.0,
            judged_step: Some(9),
            interventions: Vec::new(),
        };
        let line =
            |reading: &Reading| Logged { reading: reading.clone(), step: 9, attempt: 0, images_seen: 9, seconds: 1.0 };
        let values = readings.iter().map(|reading| (number_of(&reading.metric), line(reading))).collect();
        Judged { run, settings: BTreeMap::new(), data: data.into(), values, damaged: None }
    }

    fn reading(metric: &str, value: f64, half: f64, hash: &str) -> Reading {
        Reading {
            metric: metric.into(),
            value,
            interval: (half > 0.0).then_some([value - half, value + half]),
            floor: Some(0.5),
            features_hash: Some(hash.into()),
            ..Reading::default()
        }
    }

    fn standings(name: &str, read: &[Judged]) -> Vec<Standing> {
        compared(name, read).values.into_iter().flatten().map(|value| value.standing).collect()
    }

    #[test]
    fn overlaps_are_no_difference_and_other_protocols_are_not_compared() {
        let of = |name, value, half, hash, data| judged(name, data, &[reading("frechet-100-x", value, half, hash)]);
        let mut read = vec![
            of("a", 5.0, 1.0, "f", "d"),
            of("b", 3.5, 1.0, "f", "d"),
            of("c", 9.0, 1.0, "f", "d"),
            of("d", 4.0, 0.0, "f", "d"),
            of("e", 1.0, 1.0, "g", "d"),
            of("f", 1.0, 1.0, "f", "other"),
        ];
        read.push(judged("g", "d", &[reading("frechet-50-x", 1.0, 1.0, "f")]));
        use Standing::{Best, Incomparable, Unknown, WithinChance, Worse};
        let expected = [WithinChance, Best, Worse, Unknown, Incomparable, Incomparable, Incomparable];
        assert_eq!(standings("frechet", &read), expected);
        let said = notes(&read, &[compared("frechet", &read)]).join("\n");
        for words in ["`e` was judged with features of other weights", "`f` was judged by other real examples"] {
            assert!(said.contains(words), "{said}");
        }
        assert!(said.contains("`g` was judged as `50-x`, not as `100-x`: such values must not be compared"), "{said}");
    }

    #[test]
    fn what_was_changed_on_the_way_is_told_of_each_run() {
        let done = |step, back_to, changes: &[(&str, [&str; 2])]| Intervention {
            step,
            kind: galatea_train::Kind::DroppedModes,
            evidence: String::new(),
            back_to,
            remedy: 0,
            changes: changes.iter().map(|(key, values)| ((*key).to_owned(), values.map(str::to_owned))).collect(),
        };
        let mut healed = judged("a", "d", &[]);
        healed.run.interventions = vec![done(110, 90, &[("r1", ["0.0", "1.0"])]), done(150, 0, &[])];
        let said = notes(&[healed, judged("b", "d", &[])], &[]);
        let told = "`a` went back, and on with other settings: after step 110 to step 90, with r1 0.0 -> 1.0; then after step \
                    150 to the beginning, with the same settings";
        assert_eq!((said.len(), &said[0][..]), (3, told));
        assert!(
            said[1].starts_with("`a` has not been judged, ") && said[2].starts_with("`b` has not been judged, "),
            "{said:?}"
        );
    }

    #[test]
    fn higher_and_like_real_numbers_are_ranked_as_they_should_be() {
        let of = |metric, a, b| {
            let read = [a, b].map(|value| judged("x", "d", &[reading(metric, value, 0.01, "f")]));
            standings(&number_of(metric), &read)
        };
        assert_eq!(of("recall-k5-100-x", 0.9, 0.8), [Standing::Best, Standing::Worse]);
        assert_eq!(of("diversity-100-x", 0.9, 0.6), [Standing::Worse, Standing::Best]);
        assert_eq!(of("frechet-100-x", f64::NAN, 0.8), [Standing::Worse, Standing::Best]);
        assert_eq!(of("class-kl-100-x", f64::NAN, f64::INFINITY), [Standing::Worse; 2]);
        assert_eq!(number_of("validation-recall-k5-900-digits-lenet"), "recall-k5");
    }
}
