//! Odd ones out: scores of examples by a trained model, the choice between them without any label, and a threshold with a
//! stated rate of false alarms.

mod conformal;
mod gaussian;
mod pretended;
mod scores;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use galatea_data::{DataSpec, Dataset, HostTensor};
use galatea_metrics::features::{self, Features};
use galatea_models::{Ability, registry};
use galatea_train::Run;
use serde::Serialize;

use crate::beside::check_unchanged;
use crate::evaluation::{Parts, evenly, shuffled};
use crate::request::Request;
use crate::{Error, Generator, Result};

pub use conformal::Conformal;
pub use pretended::auroc;
pub use scores::SCORES;
use scores::{Score, Usual};

/// Most examples of each kind that a detector is made from.
const MOST_LEARNT: usize = 5_000;
const MOST_NORMAL: usize = 2_000;
/// And at most so many values of them.
const MOST_VALUES: usize = 1 << 26;
/// Normal examples that a score is chosen by: at most so many, and at most this share of them.
const MOST_CHOOSING: usize = 300;
const SHARE_CHOOSING: f64 = 0.25;
/// Fewest normal examples to choose by; with fewer there is no choice.
const LEAST_CHOOSING: usize = 20;
/// The name of the mean of all scores.
const MEAN: &str = "mean";

/// How odd examples are looked for.
#[derive(Clone, Debug)]
pub struct DetectOptions {
    /// How often a normal example may be flagged, on average.
    pub false_alarms: f64,
    /// A name of [`SCORES`], or `auto`: the one that best tells normal examples from odd ones that are made of them.
    pub score: String,
    /// Normal examples that the model has not learnt from; without it, what its run held back.
    pub normal: Option<String>,
    /// What neighbours are looked for by: the name of features, or `none`.
    pub features: String,
    /// The weights of features that need some: a file, or a run of a model that reads.
    pub feature_weights: Option<PathBuf>,
    /// `data.KEY=VALUE` pairs, for `normal`.
    pub settings: Vec<String>,
}

impl Default for DetectOptions {
    fn default() -> Self {
        Self {
            false_alarms: 0.01,
            score: "auto".into(),
            normal: None,
            features: "none".into(),
            feature_weights: None,
            settings: Vec::new(),
        }
    }
}

/// What is said of an example.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// How odd it is; higher is odder.
    pub score: f64,
    /// The share of normal examples that are at least as odd, it itself counted.
    pub p_value: f64,
    /// Whether it is flagged.
    pub flagged: bool,
}

/// A score, and how well it tells normal examples from odd ones that were made of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Its name in [`SCORES`].
    pub name: &'static str,
    /// The area under the curve of hits over false alarms, over all kinds of such examples by the geometric mean of what it lacks
    /// to 1; `None` where there were too few normal examples to tell.
    pub auroc: Option<f64>,
}

/// Says of examples how odd they are beside those that a model has learnt.
pub struct Detector<'a> {
    generator: &'a Generator,
    scores: Vec<(Score<'a>, Usual)>,
    /// Which of the scores; `None` for the mean of all.
    chosen: Option<usize>,
    candidates: Vec<Candidate>,
    rule: Conformal,
    /// The mean squared error of each value over normal examples, of a model that gives examples back.
    usual_error: Option<Vec<f32>>,
}

/// Settings, before those of a user, of a model that is trained to find odd ones: `train --for detect`, with the family that was named or
/// else the usual one, which comes first.
///
/// # Errors
/// If there is no such family.
pub fn training(family: Option<&str>) -> Result<(String, Vec<String>)> {
    let able = registry::FAMILIES.iter().find(|family| family.info().abilities.contains(&Ability::Score));
    let family = match (family, able) {
        (Some(name), _) => registry::family(name)?,
        (None, Some(able)) => *able,
        (None, None) => return Err(Error::usage("no family scores examples", "name one")),
    };
    // Enough for what is normal to be known; what is drawn need not be beautiful.
    let mut settings = vec!["data.holdout=0.2".to_owned(), "train.steps=400".to_owned()];
    settings.extend(family.keys().iter().any(|key| key.name == "conditional").then(|| "conditional=no".to_owned()));
    Ok((family.info().name.to_owned(), settings))
}

impl<'a> Detector<'a> {
    /// A detector from a model, which was opened as `model` with runs in `root`: scores are chosen and the threshold is set by
    /// normal examples that it has not learnt from, no two of which are used for both.
    ///
    /// # Errors
    /// If there are too few normal examples for the rate of false alarms, a name is unknown, or the data cannot be read.
    pub fn new(generator: &'a Generator, model: &Path, root: &Path, options: &DetectOptions) -> Result<Self> {
        check_score(&options.score)?;
        let is_file = model.extension().is_some_and(|ending| ending == "safetensors");
        let mut own = None;
        if !is_file {
            let run = Run::open(root, &model.to_string_lossy())?;
            let config = Some(run.path().join("config.toml"));
            let request = Request { config, settings: options.settings.clone(), ..Request::default() };
            let (data, settings, _) = request.data_and_eval()?;
            // Other ways to read the same pictures are not others.
            if options.settings.is_empty() && options.normal.is_none() {
                check_unchanged(&run, &*data)?;
            }
            let parts = Parts::of(&*data, &settings.read);
            own = Some((data, parts.judged));
        }
        let (normal, learnt, features) = match (&options.normal, own) {
            (None, None) => {
                return Err(Error::usage(
                    "an exported model does not know its data",
                    "name normal examples with `--normal SRC`, or use its run",
                ));
            }
            (None, Some((data, split))) => {
                let normal = shuffled(&evenly(&*data, &split.held_back, most(MOST_NORMAL, generator))?);
                let learnt = evenly(&*data, &split.train, most(MOST_LEARNT, generator))?;
                (normal, learnt, open_features(options, &*data, &split.train)?)
            }
            (Some(source), own) => {
                let names = std::slice::from_ref(source);
                let inputs = generator.inputs(names, model, root, &options.settings)?;
                let all = shuffled(&inputs.read_all(4 << 30)?);
                match own {
                    Some((data, split)) => {
                        let learnt = evenly(&*data, &split.train, most(MOST_LEARNT, generator))?;
                        (some(&all, MOST_NORMAL), learnt, open_features(options, &*data, &split.train)?)
                    }
                    // Without those that were learnt, half of the normal ones stand for them.
                    None if all.rows() < 2 => return Err(too_few()),
                    None => {
                        let half = all.rows() / 2;
                        let normal = some(&all.slice_rows(half..all.rows()), MOST_NORMAL);
                        let learnt = some(&all.slice_rows(0..half), MOST_LEARNT);
                        if options.features != "none" {
                            return Err(Error::usage(
                                "features that learn need the data of a run",
                                "use its run, or leave `--features` out",
                            ));
                        }
                        (normal, learnt, None)
                    }
                }
            }
        };
        Self::of(generator, &learnt, &normal, features, options)
    }

    /// A detector from examples that were `learnt`, and others that are `normal` as well, in an order without a pattern.
    fn of(
        generator: &'a Generator,
        learnt: &HostTensor,
        normal: &HostTensor,
        features: Option<Arc<dyn Features>>,
        options: &DetectOptions,
    ) -> Result<Self> {
        let choosing = ((normal.rows() as f64 * SHARE_CHOOSING) as usize).min(MOST_CHOOSING);
        if normal.rows() < 2 || learnt.rows() == 0 {
            return Err(too_few());
        }
        let choosing = choosing.max(1);
        let (first, rest) = (normal.slice_rows(0..choosing), normal.slice_rows(choosing..normal.rows()));
        // Before anything takes long.
        Conformal::new(vec![0.0; rest.rows()], options.false_alarms)?;
        let all = scores::all(generator, learnt, features, &options.score)?;
        let mut scores = Vec::new();
        let mut of_first = Vec::new();
        for score in all {
            let values = score.of(&first)?;
            scores.push((score, Usual::of(&values)));
            of_first.push(values);
        }
        let mut detector = Self {
            generator,
            scores,
            chosen: None,
            candidates: Vec::new(),
            rule: Conformal::new(vec![0.0; rest.rows()], options.false_alarms)?,
            usual_error: None,
        };
        detector.choose(&first, &of_first, &options.score)?;
        detector.rule = Conformal::new(detector.raw(&rest)?, options.false_alarms)?;
        detector.usual_error = detector.errors(&some(&rest, 500))?.map(|errors| {
            let n = errors.rows() as f32;
            let mut mean = vec![0.0; errors.row_len()];
            (0..errors.rows())
                .for_each(|i| mean.iter_mut().zip(errors.row(i)).for_each(|(mean, error)| *mean += error / n));
            mean
        });
        Ok(detector)
    }

    /// Chooses the score that best tells normal examples from odd ones that are made of them, or the one that is named.
    fn choose(&mut self, normal: &HostTensor, of_normal: &[Vec<f64>], named: &str) -> Result<()> {
        let odd = if normal.rows() < LEAST_CHOOSING { Vec::new() } else { pretended::sets(normal) };
        let mut of_odd = Vec::new();
        for set in &odd {
            of_odd.push(self.scores.iter().map(|(score, _)| score.of(set)).collect::<Result<Vec<_>>>()?);
        }
        let mean_auroc = |normal: &[f64], odd: &dyn Fn(&[Vec<f64>]) -> Vec<f64>| {
            // What is missed is averaged as a product: where one score misses seldom, another that misses twice as often is
            // as much worse as where both miss much. No less than half a pair is missed.
            let least = 0.5 / (normal.len() * normal.len()).max(1) as f64;
            let missed: Vec<f64> = of_odd.iter().map(|set| (1.0 - auroc(normal, &odd(set))).max(least).ln()).collect();
            (!missed.is_empty()).then(|| 1.0 - (missed.iter().sum::<f64>() / missed.len() as f64).exp())
        };
        let mut candidates = Vec::new();
        for (at, (score, _)) in self.scores.iter().enumerate() {
            candidates.push(Candidate { name: score.name, auroc: mean_auroc(&of_normal[at], &|set| set[at].clone()) });
        }
        if self.scores.len() > 1 {
            let auroc = mean_auroc(&self.mean(of_normal), &|set| self.mean(set));
            candidates.push(Candidate { name: MEAN, auroc });
        }
        let best = || {
            let known = candidates.iter().enumerate().filter_map(|(at, candidate)| Some((at, candidate.auroc?)));
            // Of several that are as good, the first.
            known.fold(
                None,
                |best: Option<(usize, f64)>, now| {
                    if best.is_some_and(|best| best.1 >= now.1) { best } else { Some(now) }
                },
            )
        };
        let at = match named {
            "auto" => best().map_or(0, |(at, _)| at),
            name => candidates.iter().position(|candidate| candidate.name == name).ok_or_else(|| {
                let known: Vec<&str> = candidates.iter().map(|candidate| candidate.name).collect();
                Error::usage(
                    format!("`{}` has no score `{name}`", self.generator.info().name),
                    format!("it has {}", known.join(", ")),
                )
            })?,
        };
        self.chosen = (at < self.scores.len()).then_some(at);
        self.candidates = candidates;
        Ok(())
    }

    /// The mean of all scores, each on the scale of normal examples, from the values of each.
    fn mean(&self, values: &[Vec<f64>]) -> Vec<f64> {
        let n = values.first().map_or(0, Vec::len);
        let one = |i: usize| {
            let each = self.scores.iter().zip(values).map(|((_, usual), values)| usual.relative(values[i]));
            each.sum::<f64>() / values.len() as f64
        };
        (0..n).map(one).collect()
    }

    fn raw(&self, examples: &HostTensor) -> Result<Vec<f64>> {
        match self.chosen {
            Some(at) => self.scores[at].0.of(examples),
            None => {
                let each = self.scores.iter().map(|(score, _)| score.of(examples)).collect::<Result<Vec<_>>>()?;
                Ok(self.mean(&each))
            }
        }
    }

    /// Says of each of the examples `[n, ..]` how odd it is. What is said of one does not depend on the others.
    ///
    /// # Errors
    /// If they do not fit the model.
    pub fn judge(&self, examples: &HostTensor) -> Result<Vec<Verdict>> {
        let verdict = |score| Verdict { score, p_value: self.rule.p_value(score), flagged: self.rule.flags(score) };
        Ok(self.raw(examples)?.into_iter().map(verdict).collect())
    }

    /// The name of the score.
    pub fn score(&self) -> &'static str {
        self.chosen.map_or(MEAN, |at| self.scores[at].0.name)
    }

    /// All scores that there are, with how well they tell odd examples that were made of normal ones.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The threshold: see [`Conformal`].
    pub fn rule(&self) -> &Conformal {
        &self.rule
    }

    /// Where in pictures what is odd lies: squared errors of what the model gives back over those that are usual at the place,
    /// smoothed, `[n, 1, height, width]`; `None` if the model does not give pictures back. Of a GAN it is what its inverse finds at
    /// once, if one was fitted. Values about 1 are usual.
    ///
    /// # Errors
    /// If the examples do not fit the model.
    pub fn heat(&self, examples: &HostTensor) -> Result<Option<HostTensor>> {
        let (DataSpec::Images(image), Some(usual)) = (self.generator.spec(), &self.usual_error) else {
            return Ok(None);
        };
        let Some(errors) = self.errors(examples)? else { return Ok(None) };
        let (height, width) = (image.height, image.width);
        let plane = height * width;
        // Where normal pictures are always alike, the least error would be without bounds.
        let floor = 0.1 * usual.iter().sum::<f32>() / usual.len().max(1) as f32 + 1e-6;
        let usual: Vec<f32> = blurred(&over_channels(usual, plane), width);
        let mut heat = Vec::with_capacity(errors.rows() * plane);
        for i in 0..errors.rows() {
            let error = blurred(&over_channels(errors.row(i), plane), width);
            heat.extend(error.iter().zip(&usual).map(|(error, usual)| error / (usual + floor)));
        }
        Ok(Some(HostTensor::new([errors.rows(), 1, height, width], heat)))
    }

    /// Squared differences from what the model gives back.
    fn errors(&self, examples: &HostTensor) -> Result<Option<HostTensor>> {
        let Some(mut back) = self.generator.given_back(examples)? else { return Ok(None) };
        back.values.iter_mut().zip(&examples.values).for_each(|(back, value)| *back = (*back - value).powi(2));
        Ok(Some(back))
    }
}

/// The mean of the planes of one picture.
fn over_channels(values: &[f32], plane: usize) -> Vec<f32> {
    let channels = (values.len() / plane.max(1)).max(1);
    let mut sum = vec![0.0; plane];
    values
        .chunks_exact(plane)
        .for_each(|of| sum.iter_mut().zip(of).for_each(|(sum, value)| *sum += value / channels as f32));
    sum
}

/// Means over squares of three by three pixels.
fn blurred(plane: &[f32], width: usize) -> Vec<f32> {
    let height = plane.len() / width.max(1);
    let mean = |at: usize| {
        let (row, column) = (at / width, at % width);
        let rows = row.saturating_sub(1)..(row + 2).min(height);
        let columns = column.saturating_sub(1)..(column + 2).min(width);
        let count = rows.len() * columns.len();
        let sum: f32 = rows.flat_map(|row| columns.clone().map(move |column| plane[row * width + column])).sum();
        sum / count as f32
    };
    (0..plane.len()).map(mean).collect()
}

/// At most `count` examples, fewer of large ones.
fn most(count: usize, generator: &Generator) -> usize {
    count.min(MOST_VALUES / generator.spec().elements().max(1)).max(2)
}

fn check_score(name: &str) -> Result<()> {
    if name == "auto" || SCORES.iter().any(|(known, _)| *known == name) {
        return Ok(());
    }
    let known: Vec<&str> = SCORES.iter().map(|(name, _)| *name).collect();
    Err(Error::usage(format!("there is no score `{name}`"), format!("known are auto, {}", known.join(", "))))
}

fn too_few() -> Error {
    Error::usage(
        "there are too few normal examples to tell what is odd",
        "name some with `--normal SRC`, or hold more back in a new run with `data.holdout=0.2`",
    )
}

fn some(examples: &HostTensor, most: usize) -> HostTensor {
    examples.slice_rows(0..examples.rows().min(most))
}

/// The features that are named, ready for such data.
fn open_features(options: &DetectOptions, data: &dyn Dataset, learn: &[usize]) -> Result<Option<Arc<dyn Features>>> {
    let name = options.features.as_str();
    if name == "none" {
        return match options.feature_weights {
            None => Ok(None),
            Some(_) => Err(Error::usage(
                "weights are named, and no features that take any",
                "name them too: `--features trained --feature-weights RUN`",
            )),
        };
    }
    let cache = crate::evaluation::cache();
    let opening = features::Opening {
        learn: Some(features::Learn { data, examples: learn }),
        weights: options.feature_weights.as_deref(),
        cache: cache.as_deref(),
        ..features::Opening::new(data.spec())
    };
    features::check(name, &opening).map_err(|error| Error::Usage { problem: error.to_string(), hint: error.hint() })?;
    Ok(Some(features::open(name, &opening)?))
}
