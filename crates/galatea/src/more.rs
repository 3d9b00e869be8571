//! More training data: labelled samples of a trained model, without those that are copies and those that are unlike.

use std::path::Path;
use std::sync::Arc;

use galatea_data::{DataSpec, Dataset, HostTensor};
use galatea_metrics::features::Features;
use galatea_metrics::{Points, neighbours};
use galatea_models::SampleRequest;
use galatea_train::Run;
use serde::Serialize;

use crate::beside::check_unchanged;
use crate::evaluation::{EvalOptions, Parts};
use crate::request::Request;
use crate::{Error, Generator, Result};

/// Samples that are drawn and judged together.
const TOGETHER: u64 = 128;
/// Samples that are drawn for each that is wanted, at most.
const TRIES: u64 = 20;
/// Fewest held-back examples from which limits are taken.
const LEAST: usize = 20;
/// Most examples of a class that samples are compared with.
const MOST: usize = 5_000;
/// Shares of held-back examples that are nearer to a training example than the lower limit, and nearer than the upper one.
const SHARES: [f64; 2] = [0.01, 0.95];

/// What is wanted.
#[derive(Clone, Debug)]
pub struct MoreOptions {
    /// Samples of each class, or in all of a model without classes.
    pub per_class: u64,
    /// Seed of the samples.
    pub seed: u64,
    /// What distances are measured in: the name of features, or `auto` for those that suit the data, if any do.
    pub features: String,
}

/// A sample that was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its class, where the model has classes.
    pub class: Option<u32>,
    /// Its number among the samples of its class and of the seed: `galatea sample --seed S --class K` draws it there again.
    pub index: u64,
    /// Distance to the nearest training example of its class.
    pub distance: f64,
    /// One example, shaped as the data are.
    pub values: HostTensor,
}

/// How it went for a class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tally {
    /// Its name; `all` for a model without classes.
    pub class: String,
    /// Samples that were kept.
    pub kept: u64,
    /// Samples that are nearer to a training example than 1 % of held-back ones are: copies.
    pub too_near: u64,
    /// Samples that are farther from all training examples than 95 % of held-back ones are.
    pub too_far: u64,
}

/// Draws labelled samples from a model that was opened as `model`, with runs in `root`, and hands each that is kept to `put`. The
/// limits of what is a copy, and of what is unlike, are measured by examples that the run held back.
///
/// # Errors
/// If the model is no run, too few examples were held back, or `put` fails.
pub fn more(
    generator: &Generator,
    model: &Path,
    root: &Path,
    options: &MoreOptions,
    put: &mut dyn FnMut(Kept) -> Result<()>,
) -> Result<Vec<Tally>> {
    if model.extension().is_some_and(|ending| ending == "safetensors") {
        return Err(Error::usage(
            "an exported model does not know its data, by which copies of it are found",
            "name its run",
        ));
    }
    let run = Run::open(root, &model.to_string_lossy())?;
    let config = Some(run.path().join("config.toml"));
    let (data, settings, _) = Request { config, ..Request::default() }.data_and_eval()?;
    check_unchanged(&run, &*data)?;
    let split = Parts::of(&*data, &settings.read).judged;
    if split.held_back.len() < LEAST {
        return Err(Error::usage(
            format!("{} examples were held back, too few to tell copies from good samples", split.held_back.len()),
            "train with a larger `data.holdout`, such as 0.2",
        ));
    }
    let eval = EvalOptions { features: options.features.clone(), ..EvalOptions::default() };
    let eyes = Eyes { features: eval.open_features(&*data, &split.train)? };
    let classes = generator.classes();
    let groups: Vec<Option<u32>> =
        if classes.is_empty() { vec![None] } else { (0..classes.len() as u32).map(Some).collect() };
    let of = |indices: &[usize], class: Option<u32>| -> Vec<usize> {
        indices.iter().copied().filter(|i| class.is_none() || data.label(*i) == class).take(MOST).collect()
    };
    let known = groups.iter().map(|class| eyes.read(&*data, &of(&split.train, *class))).collect::<Result<Vec<_>>>()?;
    let mut usual = Vec::new();
    for (class, known) in groups.iter().zip(&known) {
        let unseen = of(&split.held_back, *class);
        if !unseen.is_empty() {
            usual.extend(distances(&eyes.read(&*data, &unseen)?, known));
        }
    }
    usual.sort_by(f64::total_cmp);
    let limits = SHARES.map(|share| usual[((usual.len() - 1) as f64 * share).round() as usize]);
    groups
        .iter()
        .zip(&known)
        .map(|(class, known)| {
            let name = class.map_or_else(|| "all".to_owned(), |class| classes[class as usize].clone());
            let mut tally = Tally { class: name, kept: 0, too_near: 0, too_far: 0 };
            let mut next = 0;
            while tally.kept < options.per_class && next < TRIES * options.per_class.max(TOGETHER / TRIES + 1) {
                let request =
                    SampleRequest { seed: options.seed, range: next..next + TOGETHER, class: *class, truncation: 1.0 };
                let samples = generator.sample(&request)?.values;
                let far = distances(&eyes.points(&samples)?, known);
                for (i, distance) in far.into_iter().enumerate() {
                    match distance {
                        distance if distance <= limits[0] => tally.too_near += 1,
                        distance if distance > limits[1] => tally.too_far += 1,
                        _ if tally.kept == options.per_class => break,
                        distance => {
                            tally.kept += 1;
                            let values = HostTensor::new(samples.shape[1..].to_vec(), samples.row(i).to_vec());
                            put(Kept { class: *class, index: next + i as u64, distance, values })?;
                        }
                    }
                }
                next += TOGETHER;
            }
            Ok(tally)
        })
        .collect()
}

/// What distances are measured in.
struct Eyes {
    features: Option<Arc<dyn Features>>,
}

impl Eyes {
    fn points(&self, examples: &HostTensor) -> Result<Points> {
        let values = match &self.features {
            Some(features) => features.read(examples)?.features,
            None => examples.clone(),
        };
        Ok(Points::single(values)?)
    }

    fn read(&self, data: &dyn Dataset, indices: &[usize]) -> Result<Points> {
        self.points(&data.batch(indices)?.values)
    }
}

/// The distance of each point to the nearest of `known`.
fn distances(points: &Points, known: &Points) -> Vec<f64> {
    let nearest = neighbours::nearest(points, known, 1).into_iter();
    nearest.map(|near| near.first().map_or(f64::INFINITY, |neighbour| neighbour.distance.sqrt())).collect()
}

/// Refuses what cannot be written as a folder of pictures.
///
/// # Errors
/// If the model does not draw pictures.
pub fn check_pictures(spec: &DataSpec) -> Result<()> {
    match spec {
        DataSpec::Images(_) => Ok(()),
        other => Err(Error::usage(
            format!(
                "a folder of pictures cannot hold {}",
                if other.music().is_some() { "music" } else { other.kind() }
            ),
            "`galatea sample RUN -o FILE` draws them: `.mid` for music, `.txt` for text, `.csv` or `.npy` for anything else",
        )),
    }
}
