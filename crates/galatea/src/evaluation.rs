//! Judging: samples against real data that the model has not seen, or any set against any other.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use galatea_data::formats::{Rows, read_rows};
use galatea_data::{DataOptions, DataSpec, Dataset, HostBatch, HostTensor, Split, settings, split};
use galatea_metrics::features::{self, Features, Learn, Opening};
use galatea_metrics::mode_coverage::Modes;
use galatea_metrics::{Arrays, Points, Reference, Report, Row};
use galatea_models::{SampleRequest, Session};
use galatea_train::{Reading, Run};

use crate::beside::check_unchanged;
use crate::request::Request;
use crate::{Error, Generator, Result, likelihood, texts};

settings! {
    /// How a model is judged (`eval.KEY`).
    pub struct EvalOptions {
        /// Samples to judge, at most as many as there are real examples held back; 0 leaves judging out.
        samples: usize = 5_000, in 0..=100_000;
        /// Seed of the samples that are judged.
        seed: u64 = 1;
        /// Of text: the temperature at which the texts that are judged are written.
        temperature: f64 = 1.0, in 0.01..=10.0;
        /// What samples are compared by: the name of features, or `auto` for those that suit the data, if any do.
        features: String = "auto".into();
        /// A file of weights, for features that need one.
        feature_weights: Option<String> = None;
        /// Training steps between two judgements by examples held back for them (`data.validation`); 0 for none.
        every: u64 = 0, in 0..=1_000_000_000;
        /// Judgements in a row that are no better than the best so far, after which training ends; 0 for never.
        patience: u64 = 0, in 0..=1_000_000;
        /// Number that chooses `checkpoints/best` then: `frechet`, `recall-k5`, ..; `auto`: one that suits the data.
        metric: String = "auto".into();
    }
}

impl EvalOptions {
    /// Whether there are the features that are named, for such data. Nothing is read or learnt yet.
    ///
    /// # Errors
    /// If there are none of that name, they cannot read such data, or a file that they need is not named.
    pub(crate) fn check_features(&self, spec: &DataSpec) -> Result<()> {
        let usage = |error: galatea_metrics::Error| Error::Usage { problem: error.to_string(), hint: error.hint() };
        if likelihood::is_way_of(spec) && (self.features != "auto" || self.feature_weights.is_some()) {
            return Err(Error::usage(
                format!("there are no features of {}: it is judged by how likely it is to the model", spec.kind()),
                "leave `--features` and `eval.features` out",
            ));
        }
        match (self.features.as_str(), &self.feature_weights) {
            ("auto", Some(_)) => Err(Error::usage(
                "a file of weights is named, and no features that take one",
                "name them too: `--features inception --feature-weights FILE`",
            )),
            ("auto", None) => Ok(()),
            (name, weights) => {
                let opening = Opening { weights: weights.as_deref().map(Path::new), ..Opening::new(spec) };
                features::check(name, &opening).map(drop).map_err(usage)
            }
        }
    }

    /// The features that are named, or else those that suit the data, if any do. Some learn from `examples` of the data, which
    /// must not be those that samples are judged by.
    ///
    /// # Errors
    /// As [`check_features`](Self::check_features); also if a file cannot be read.
    pub(crate) fn open_features(&self, data: &dyn Dataset, examples: &[usize]) -> Result<Option<Arc<dyn Features>>> {
        let spec = data.spec();
        self.check_features(spec)?;
        if self.features == "auto" {
            return Ok(features::suiting(spec)?);
        }
        let cache = cache();
        let opening = Opening {
            weights: self.feature_weights.as_deref().map(Path::new),
            learn: Some(Learn { data, examples }),
            cache: cache.as_deref(),
            spec,
        };
        Ok(Some(features::open(&self.features, &opening)?))
    }
}

/// Most training examples that are looked through for copies.
const MAX_TRAIN: usize = 10_000;

/// Judges `generator`, which was opened as `model`: against the data of `request`, or else against what its run held back.
///
/// # Errors
/// If there are no data to judge against, or they are of another shape than the samples.
pub fn evaluate(generator: &Generator, model: &Path, root: &Path, request: &Request) -> Result<Report> {
    let mut request = request.clone();
    let foreign = request.data.is_some();
    let run = match foreign {
        true => None,
        false if model.extension().is_some_and(|ending| ending == "safetensors") => {
            return Err(Error::usage(
                "an exported model does not know its data",
                "name data to judge it by with `--data`, or judge its run",
            ));
        }
        false => Some(Run::open(root, &model.to_string_lossy())?),
    };
    if let Some(run) = &run {
        request.config = Some(run.path().join("config.toml"));
    }
    let (data, options, mut eval) = match (generator.spec(), &request.data) {
        (spec, Some(_)) if spec.music().is_some() => {
            request.settings.splice(0..0, as_music(spec));
            request.data_and_eval()?
        }
        (DataSpec::Series(series), Some(_)) => {
            request.settings.insert(0, format!("data.window={}", series.length));
            request.data_and_eval()?
        }
        // In the tokens of the model: those of another text are others.
        (DataSpec::Text(known), Some(source)) => {
            let (options, eval) = (request.data_settings()?, request.eval_options()?);
            (galatea_data::open_text(source, &options.read, Some(known))?, options, eval)
        }
        (DataSpec::Table(known), Some(source)) => {
            let (options, eval) = (request.data_settings()?, request.eval_options()?);
            (galatea_data::open_table(source, &options.read, known)?, options, eval)
        }
        _ => request.data_and_eval()?,
    };
    if eval.samples == 0 {
        // What left judging out after training is no answer to being asked to judge.
        eval.samples = EvalOptions::default().samples;
    }
    same_shape(data.spec(), "the model draws", generator.spec())?;
    // Other ways to read the same data are not others.
    let reads_otherwise = request.settings.iter().any(|setting| setting.trim_start().starts_with("data."));
    if let Some(run) = run.filter(|_| !reads_otherwise) {
        check_unchanged(&run, &*data)?;
    }
    // Data that the model was not trained on are unseen as a whole.
    let split = match foreign {
        true => Split { train: Vec::new(), held_back: (0..data.len()).collect() },
        false => Parts::of(&*data, &options.read).judged,
    };
    judge(generator.session(), &*data, &split, &eval)
}

/// Settings by which other music is read in examples as long as the model's, and in frames of the same notes.
pub(crate) fn as_music(spec: &DataSpec) -> Vec<String> {
    let Some(music) = spec.music() else { return Vec::new() };
    let resolution = format!("data.resolution={}", music.resolution);
    match spec {
        DataSpec::Text(text) => {
            vec!["data.tokens=events".to_owned(), format!("data.context={}", text.length - 1), resolution]
        }
        DataSpec::Series(series) => {
            vec!["data.tokens=notes".to_owned(), format!("data.window={}", series.length), resolution]
        }
        _ => vec![format!("data.frames={}", music.length), resolution],
    }
}

/// Two sets of examples, each an embedded name, a file or a folder.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// What is judged.
    pub samples: String,
    /// Real examples to judge it by.
    pub against: String,
    /// What the samples' model was trained on: then copies of it are looked for.
    pub train: Option<String>,
    /// `data.KEY=VALUE` and `eval.KEY=VALUE` pairs; the former hold for all sets, and `eval.samples` says how many examples of
    /// each set are taken, evenly over all.
    pub settings: Vec<String>,
}

/// Judges a set of examples by another one. Also tells how the sets were read, where there is anything to tell.
///
/// # Errors
/// If a set cannot be read, or they are of different shapes.
pub fn compare(comparison: &Comparison) -> Result<(Report, Vec<String>)> {
    let asked = comparison.settings.iter().any(|setting| setting.trim_start().starts_with("eval.samples"));
    let mut notes = Vec::new();
    let mut open = |source: &str| -> Result<(Arc<dyn Dataset>, EvalOptions, HostTensor)> {
        let request =
            Request { data: Some(source.to_owned()), settings: comparison.settings.clone(), ..Request::default() };
        let (data, options, eval) = request.data_and_eval()?;
        notes.extend(data.notes().into_iter().map(|note| format!("`{source}`: {note}")));
        let count = if asked { eval.samples.min(data.len()) } else { data.len() };
        if asked && eval.samples < 2 {
            return Err(Error::usage(
                format!("`eval.samples` is {}, and {} examples cannot be compared", eval.samples, eval.samples),
                "take at least two, and thousands for values that mean something",
            ));
        }
        let (needed, given) = ((count * data.spec().elements() * 4) >> 20, options.read.memory_mib);
        if needed > given {
            return Err(Error::usage(
                format!("{count} examples of `{source}` need {needed} MiB of memory, and `data.memory_mib` is {given}"),
                "take fewer with `-n`, or raise it with `--set data.memory_mib=..`",
            ));
        }
        let all: Vec<usize> = (0..data.len()).collect();
        let examples = evenly(&*data, &all, count)?;
        Ok((data, eval, examples))
    };
    let (drawn, _, samples) = open(&comparison.samples)?;
    if likelihood::is_way_of(drawn.spec()) || drawn.spec().music().is_some() {
        return Err(Error::usage(
            format!(
                "`{}` is {}, which is judged by a model and not by other examples",
                comparison.samples,
                if drawn.spec().music().is_some() { "music" } else { drawn.spec().kind() }
            ),
            "judge a run by it: `galatea eval RUN --against SRC`",
        ));
    }
    let (data, eval, held_back) = open(&comparison.against)?;
    same_shape(data.spec(), &format!("`{}` are", comparison.samples), drawn.spec())?;
    let mut learn = None;
    let overlap = overlap_of(&*data, data.len(), held_back.rows());
    let train = match &comparison.train {
        Some(source) => {
            let (train, _, examples) = open(source)?;
            same_shape(data.spec(), &format!("`{source}` are"), train.spec())?;
            learn = Some(train);
            Some(shuffled(&examples))
        }
        None => None,
    };
    // Without a training set nothing is learnt, and features that must learn say so.
    let all: Vec<usize> = (0..learn.as_ref().map_or(0, |train| train.len())).collect();
    let features = eval.open_features(&**learn.as_ref().unwrap_or(&data), &all)?;
    let reference =
        Reference { spec: data.spec(), held_back: &held_back, overlap, train: train.as_ref(), features, modes: None };
    Ok((galatea_metrics::evaluate(&samples, reference)?, notes))
}

/// Arrays of numbers in `.npy` files, `[n, d]` each.
#[derive(Clone, Debug, Default)]
pub struct ArrayComparison {
    /// What is judged.
    pub samples: PathBuf,
    /// Real examples to judge it by.
    pub against: PathBuf,
    /// What the samples' model was trained on: then copies of it are looked for.
    pub train: Option<PathBuf>,
    /// Whether the numbers are probabilities of classes, and not features.
    pub probabilities: bool,
    /// `data.KEY=VALUE` pairs, of which `data.memory_mib` says how large an array may be.
    pub settings: Vec<String>,
}

/// Judges features, or probabilities of classes, that somebody else has computed.
///
/// # Errors
/// If an array cannot be read, or they are of different widths.
pub fn compare_arrays(comparison: &ArrayComparison) -> Result<Report> {
    let ArrayComparison { samples, against, train, probabilities, settings } = comparison;
    if let Some(setting) = settings.iter().map(|setting| setting.trim()).find(|setting| setting.starts_with("eval.")) {
        return Err(Error::usage(
            format!("`{setting}` plays no part where arrays are compared: all rows are, as they are"),
            "leave it out; to compare fewer, save fewer rows",
        ));
    }
    let request = Request { settings: settings.clone(), ..Request::default() };
    let memory = (request.data_settings()?.read.memory_mib as u64) << 20;
    let read = |path: &Path| -> Result<Points> {
        let points = match read_rows(path, memory)? {
            Rows::Single { width, values } => Points::single(HostTensor::new([values.len() / width, width], values)),
            Rows::Double { width, values } => Points::double(width, values),
        };
        let points = points
            .map_err(|error| Error::Usage { problem: format!("`{}`: {error}", path.display()), hint: error.hint() })?;
        if points.rows() < 2 {
            return Err(Error::usage(
                format!("`{}` holds a single row", path.display()),
                "give at least two rows, one per sample, and thousands for values that mean something",
            ));
        }
        if *probabilities {
            check_probabilities(&points, path)?;
        }
        Ok(points)
    };
    let (drawn, real) = (read(samples)?, read(against)?);
    let train = train.as_deref().map(|path| Ok::<_, Error>((path, read(path)?))).transpose()?;
    let others = train.iter().map(|(path, points)| (*path, points));
    for (path, points) in std::iter::once((samples.as_path(), &drawn)).chain(others) {
        if points.width() != real.width() {
            return Err(Error::usage(
                format!(
                    "`{}` has {} columns, and `{}` has {}",
                    path.display(),
                    points.width(),
                    against.display(),
                    real.width()
                ),
                "compute the same features for both",
            ));
        }
    }
    let train = train.map(|(_, points)| points);
    Ok(galatea_metrics::evaluate_arrays(Arrays { samples: drawn, real, train, probabilities: *probabilities })?)
}

fn check_probabilities(points: &Points, path: &Path) -> Result<()> {
    for i in 0..points.rows() {
        let row = points.row(i);
        let sum: f64 = row.iter().sum();
        if row.iter().any(|value| *value < 0.0) || (sum - 1.0).abs() > 1e-3 {
            return Err(Error::usage(
                format!("row {i} of `{}` is no set of probabilities: its sum is {sum:.4}", path.display()),
                "each row holds one probability per class, none below 0, and sums to 1; of logits take the softmax",
            ));
        }
    }
    Ok(())
}

pub(crate) fn same_shape(data: &DataSpec, what: &str, other: &DataSpec) -> Result<()> {
    if data.reads_like(other) {
        return Ok(());
    }
    if data.shape() == other.shape() && data.kind() == other.kind() {
        return Err(Error::usage(
            format!("the tokens of the data are others than what {what}"),
            "read them as the others are: of music, `data.resolution` and `data.tokens` say how",
        ));
    }
    Err(Error::usage(
        format!("the data are {data}, and {what} {other}"),
        "choose data of the same shape, or bring them to it with `--set data.size=.. data.channels=..`",
    ))
}

/// Where features that were learnt are kept.
pub(crate) fn cache() -> Option<PathBuf> {
    galatea_data::formats::data_home().ok().map(|home| home.join("features"))
}

/// What the examples of a run are for.
pub(crate) struct Parts {
    /// Those that are trained on, and those that the result is judged by.
    pub(crate) judged: Split,
    /// Those that are trained on, and those that checkpoints are chosen by.
    pub(crate) watched: Split,
}

impl Parts {
    pub(crate) fn of(data: &dyn Dataset, options: &DataOptions) -> Self {
        let split = split(data, options.holdout);
        let watched = split.again(data, options.validation);
        Self { judged: Split { train: watched.train.clone(), ..split }, watched }
    }
}

/// A value of a report as the logs of a run have it.
pub(crate) fn reading(row: &Row) -> Reading {
    Reading {
        metric: row.metric.clone(),
        value: row.value,
        interval: row.interval,
        floor: row.floor,
        ceiling: row.ceiling,
        better: Some(row.better.name().to_owned()),
        features_hash: row.features_hash.clone(),
        best: false,
    }
}

/// Whether `split` holds back enough to judge by.
pub(crate) fn can_judge(split: &Split) -> bool {
    split.held_back.len() >= 2
}

/// Judges a session by what `split` holds back.
///
/// # Errors
/// If nothing is held back, or the data cannot be read.
pub(crate) fn judge(session: &dyn Session, data: &dyn Dataset, split: &Split, eval: &EvalOptions) -> Result<Report> {
    if !can_judge(split) {
        return Err(Error::usage(
            "too few real examples are held back to judge by",
            "train with a larger `data.holdout`, such as 0.2, or name other data with `galatea eval RUN --data SRC`",
        ));
    }
    if data.spec().music().is_some() {
        eval.check_features(data.spec())?;
        let count = eval.samples.min(split.held_back.len());
        let mut report = match session.as_likelihood() {
            Some(_) => likelihood::read(session, data, &split.held_back, eval.samples)?.report(data.spec()),
            // Events are a text, and what reads it may tell how likely it is by draws.
            None if likelihood::is_way_of(data.spec()) && session.as_score().is_some() => {
                likelihood::report(session, data, split, eval)?
            }
            None => Report { samples: count, real: count, ..Report::default() },
        };
        let [unseen, seen] = [(&split.held_back, count), (&split.train, MAX_PIECES)].map(|(of, most)| {
            let count = most.min(of.len());
            pieces(count, data.spec(), &|some| {
                let some: Vec<usize> = some.map(|i| of[i as usize * of.len() / count]).collect();
                Ok(data.batch(&some)?.values)
            })
        });
        let samples = pieces(count, data.spec(), &|range| {
            Ok(session.sample(&SampleRequest { range, ..SampleRequest::new(eval.seed, 0) })?.values)
        })?;
        report.rows.extend(galatea_metrics::music::rows(&samples, &unseen?, &seen?));
        report.notes.push(
            "a note is as long as its frames: one that is struck again at once is taken for one that sounds on"
                .to_owned(),
        );
        return Ok(report);
    }
    if likelihood::is_way_of(data.spec()) {
        eval.check_features(data.spec())?;
        let mut report = likelihood::report(session, data, split, eval)?;
        report.rows.extend(texts::read(session, data, split, eval)?);
        return Ok(report);
    }
    if !session.draws() {
        return read_by(session, data, split, eval);
    }
    let count = eval.samples.min(split.held_back.len());
    let unseen = evenly_labelled(data, &split.held_back, count.max(2))?;
    let held_back = unseen.values.clone();
    let train = match split.train.is_empty() {
        true => None,
        false => Some(shuffled(&evenly(data, &split.train, MAX_TRAIN)?)),
    };
    let features = eval.open_features(data, &split.train)?;
    let samples = session.sample(&SampleRequest::new(eval.seed, count.max(2) as u64))?.values;
    let modes = modes_of(session, data, split, eval.seed)?;
    let modes = modes.as_ref().map(|[drawn, real]| [drawn, real]);
    let overlap = overlap_of(data, split.held_back.len(), held_back.rows());
    let reference =
        Reference { spec: data.spec(), held_back: &held_back, overlap, train: train.as_ref(), features, modes };
    let mut report = galatea_metrics::evaluate(&samples, reference)?;
    if !session.classes().is_empty() && session.classes() == data.spec().classes() {
        let seen = evenly_labelled(data, &split.train, MAX_CLASSIFIED)?;
        galatea_metrics::synthetic::add(&mut report, session, &unseen, &seen, eval.seed)?;
    }
    if session.as_score().is_some() {
        let seen = match split.train.is_empty() {
            true => None,
            false => Some(for_model(session, data, evenly_labelled(data, &split.train, MAX_SCORED)?)),
        };
        let unseen = for_model(session, data, unseen);
        galatea_metrics::variational::add(&mut report, session, &unseen, seen.as_ref())?;
    }
    if let (DataSpec::Series(_), Some(_)) = (data.spec(), session.as_likelihood()) {
        report.rows.extend(likelihood::read(session, data, &split.held_back, eval.samples)?.rows(data.spec()));
    }
    Ok(report)
}

/// Judges a model that only reads: by how much a linear classifier learns from what it reads.
fn read_by(session: &dyn Session, data: &dyn Dataset, split: &Split, eval: &EvalOptions) -> Result<Report> {
    // Of data that the model was not trained on, one half stands for those that it was.
    let (train, unseen): (Vec<usize>, Vec<usize>) = match split.train.is_empty() {
        true => (0..split.held_back.len()).partition(|at| at % 2 == 0),
        false => (split.train.clone(), split.held_back.clone()),
    };
    let unseen = evenly_labelled(data, &unseen, eval.samples)?;
    let train = evenly_labelled(data, &train, MAX_TRAIN)?;
    Ok(galatea_metrics::linear_probe::report(session, data.spec().classes().len(), &train, &unseen)?)
}

/// Whether such data are enough to judge such a model by: one that only reads is judged by classes.
pub(crate) fn suits(session: &dyn Session, data: &dyn Dataset) -> bool {
    session.draws() || !data.spec().classes().is_empty()
}

/// Most pieces of music that are looked through for what is copied.
const MAX_PIECES: usize = 2_000;

/// Pieces of music, or examples cut from them, as their frames, of which piano rolls are read a few at a time: they are many times as large.
fn pieces(
    count: usize,
    spec: &DataSpec,
    get: &dyn Fn(Range<u64>) -> Result<HostTensor>,
) -> Result<Vec<galatea_metrics::music::Piece>> {
    const AT_ONCE: u64 = 64;
    let mut pieces = Vec::with_capacity(count);
    for start in (0..count as u64).step_by(AT_ONCE as usize) {
        let some = get(start..(start + AT_ONCE).min(count as u64))?;
        pieces.extend((0..some.rows()).map(|i| spec.frames(some.row(i))));
    }
    Ok(pieces)
}

/// Most training examples that a classifier learns from, beside as many samples.
const MAX_CLASSIFIED: usize = 5_000;
/// Most training examples that a model with a likelihood is asked about.
pub(crate) const MAX_SCORED: usize = 200;

/// Examples of `data` as `session` can be asked about them: with their classes where those are the ones that it knows.
pub(crate) fn for_model(session: &dyn Session, data: &dyn Dataset, examples: HostBatch) -> HostBatch {
    let labels = examples.labels.filter(|_| session.classes() == data.spec().classes());
    HostBatch { labels, ..examples }
}

/// Modes of as many samples, and of as many real examples, as the protocol for such data takes; read a few at a time, as
/// tens of thousands of pictures take much memory. Real examples are of the training set where too few are held back.
fn modes_of(session: &dyn Session, data: &dyn Dataset, split: &Split, seed: u64) -> Result<Option<[Points; 2]>> {
    const AT_ONCE: usize = 1_000;
    let Some(modes) = Modes::of(data.spec()) else { return Ok(None) };
    let of = |count: usize, get: &dyn Fn(Range<usize>) -> Result<HostTensor>| -> Result<Points> {
        let mut rows = Vec::new();
        let mut width = 1;
        for start in (0..count).step_by(AT_ONCE) {
            let read = modes.read(&get(start..(start + AT_ONCE).min(count))?)?;
            width = read.width();
            rows.extend((0..read.rows()).flat_map(|i| read.row(i)));
        }
        Ok(Points::double(width, rows)?)
    };
    let samples = of(modes.samples(), &|range| {
        let range = range.start as u64..range.end as u64;
        Ok(session.sample(&SampleRequest { range, ..SampleRequest::new(seed, 0) })?.values)
    })?;
    let known = if split.held_back.len() < modes.samples() { &split.train } else { &split.held_back };
    let known = if known.len() < split.held_back.len() { &split.held_back } else { known };
    let count = modes.samples().min(known.len());
    let real = of(count, &|range| {
        let some: Vec<usize> = range.map(|i| known[i * known.len() / count]).collect();
        Ok(data.batch(&some)?.values)
    })?;
    Ok(Some([samples, real]))
}

/// How many of `count` examples, taken evenly of `of` that follow each other, have values in common with one on either side.
pub(crate) fn overlap_of(data: &dyn Dataset, of: usize, count: usize) -> usize {
    (data.overlap() * count).div_ceil(of.max(1))
}

/// At most `count` of the examples, evenly over all, so that every class is there.
pub(crate) fn evenly(data: &dyn Dataset, indices: &[usize], count: usize) -> Result<HostTensor> {
    Ok(evenly_labelled(data, indices, count)?.values)
}

/// The same with their classes.
pub(crate) fn evenly_labelled(data: &dyn Dataset, indices: &[usize], count: usize) -> Result<HostBatch> {
    let count = count.min(indices.len());
    let chosen: Vec<usize> = (0..count).map(|i| indices[i * indices.len() / count]).collect();
    Ok(data.batch(&chosen)?)
}

/// The same examples in an order that has nothing to do with classes, so that the first of them are a fair selection.
pub(crate) fn shuffled(examples: &HostTensor) -> HostTensor {
    let mut order: Vec<usize> = (0..examples.rows()).collect();
    galatea_kernels::random::Stream::new(0, 0).shuffle(&mut order);
    let values = order.iter().flat_map(|&i| examples.row(i)).copied().collect();
    HostTensor::new(examples.shape.clone(), values)
}
