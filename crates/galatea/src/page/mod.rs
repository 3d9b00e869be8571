//! A page about a run: one HTML file with all that it shows inside, and no script.

mod chart;
mod html;
mod watched;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use galatea_data::{DataSpec, Dataset, HostTensor, write};
use galatea_metrics::histogram::{Histogram, histogram};
use galatea_metrics::neighbours::nearest;
use galatea_metrics::{Points, features, numbers, short};
use galatea_models::SampleRequest;
use galatea_train::observers::{Logged, readings};
use galatea_train::{PREVIEW_SEED, Run};

use crate::evaluation::{EvalOptions, Parts, evenly};
use crate::request::Request;
use crate::{Generator, Result, VALIDATION, Writing, number_of};
use chart::{Series, bars, between, curves};
use html::{escape, page, picture};

/// Samples in the large grid.
const GRID: u64 = 64;
/// Pieces of music, which are larger.
const ROLLS: u64 = 8;
/// Texts that are shown, and tokens of each.
const TEXTS: u64 = 3;
const TEXT: usize = 400;
/// Samples whose nearest neighbours are shown, and how many of those.
const BESIDE: usize = 10;
const NEIGHBOURS: usize = 3;
/// Samples and unseen examples whose distances to the training set are compared.
const DISTANCES: usize = 200;
/// Most memory for training examples that neighbours are looked for among, in bytes.
const TRAIN_BYTES: usize = 256 << 20;
const MOST_TRAIN: usize = 10_000;
/// Most samples whose classes are counted.
const MOST_CLASSIFIED: usize = 1_000;
/// Most bytes of the grids that show the course of training.
const COURSE_BYTES: usize = 1_200_000;
const MOST_GRIDS: usize = 6;
/// More classes than this are counted, but not drawn.
const MOST_CLASSES: usize = 100;

/// Data that a page looks things up in.
pub(crate) struct Known<'a> {
    pub(crate) data: &'a dyn Dataset,
    pub(crate) parts: &'a Parts,
    pub(crate) eval: &'a EvalOptions,
}

/// Writes the page of a run, whose model is `generator`, to `path`, or to `report.html` in its folder. Tells where it is.
///
/// Data that are gone are no error: the page says what it lacks.
///
/// # Errors
/// If the run cannot be read, or the page cannot be written.
pub fn report(run: &Run, generator: &Generator, path: Option<&Path>) -> Result<PathBuf> {
    let request = Request { config: Some(run.path().join("config.toml")), ..Request::default() };
    let opened = request.data_and_eval();
    let made = match &opened {
        Ok((data, settings, eval)) => {
            let parts = Parts::of(&**data, &settings.read);
            make(run, generator, Ok(Known { data: &**data, parts: &parts, eval }))?
        }
        Err(error) => make(run, generator, Err(error.to_string()))?,
    };
    put(run, path, &made)
}

pub(crate) fn put(run: &Run, path: Option<&Path>, page: &str) -> Result<PathBuf> {
    let path = path.map_or_else(|| run.path().join("report.html"), Path::to_owned);
    write::file(&path, page.as_bytes())?;
    Ok(path)
}

/// The page; without data it says why there are none.
pub(crate) fn make(run: &Run, generator: &Generator, known: std::result::Result<Known<'_>, String>) -> Result<String> {
    let lines = readings(run)?;
    let mut sections = vec![head(run, generator)?];
    sections.extend(score(&lines));
    let is_pictures = matches!(generator.spec(), DataSpec::Images(_)) && generator.draws();
    if is_pictures {
        sections.push(samples(generator)?);
    }
    if generator.writes() {
        sections.push(texts(generator)?);
    }
    if let (DataSpec::Series(series), None) = (generator.spec(), generator.music()) {
        let drawn = generator.sample(&SampleRequest::new(PREVIEW_SEED, GRID))?.values;
        sections.push(format!(
            "<h2>Samples</h2>\n<figure>{}<figcaption>The first {GRID} of seed {PREVIEW_SEED}, unselected.</figcaption></figure>",
            picture(&write::lines::grid(&drawn, series, 8)?, 1, "samples")
        ));
    }
    if generator.music().is_some() {
        let drawn = generator.sample(&SampleRequest::new(PREVIEW_SEED, ROLLS))?.values;
        sections.push(format!(
            "<h2>Samples</h2>\n<figure>{}<figcaption>The first {ROLLS} of seed {PREVIEW_SEED}, unselected: time to the right, \
             keys upwards.</figcaption></figure>",
            picture(&write::overview(&drawn, generator.spec(), 2)?, 1, "samples")
        ));
    }
    match &known {
        Ok(known) => {
            if is_pictures {
                sections.extend(neighbours(generator, known)?);
            }
            if generator.draws() {
                sections.extend(classes(generator, known)?);
            }
        }
        Err(problem) => sections.push(format!(
            "<p class=\"soft\">The data could not be read, so that neighbours and classes are left out: {}.</p>",
            escape(problem)
        )),
    }
    let log = log(run)?;
    sections.extend(watched::watched(&log));
    sections.extend(losses(&log));
    sections.extend(validation(&lines));
    sections.extend(course(run)?);
    sections.push(settings(run, generator.spec())?);
    Ok(page(run.name(), &sections))
}

fn head(run: &Run, generator: &Generator) -> Result<String> {
    let config = run.config()?;
    let info = generator.info();
    let state = galatea_train::checkpoint::newest(run, Some("")).ok().and_then(|newest| newest.checkpoint);
    let took = state.map_or_else(String::new, |found| {
        let state = found.state;
        let minutes = state.seconds / 60.0;
        format!(", {} steps in {minutes:.1} minutes on {} examples", state.step, state.data.examples)
    });
    Ok(format!(
        "<h1>{}</h1>\n<p><b>{}</b>: {}<br>on <b>{}</b>: {}{took}; pictures below are of step {}</p>",
        escape(run.name()),
        escape(info.name),
        escape(info.summary),
        escape(&config.data.source),
        escape(&generator.spec().to_string()),
        generator.step()
    ))
}

/// The last score, beside what real data and noise would have.
fn score(lines: &[Logged]) -> Option<String> {
    let is_score = |line: &&Logged| !line.reading.metric.starts_with(VALIDATION);
    let step = lines.iter().filter(is_score).map(|line| line.step).max()?;
    // Of values that were measured twice, the later one.
    let last: Vec<&Logged> = lines.iter().filter(is_score).filter(|line| line.step == step).collect();
    let is_last = |i: usize| !last[i + 1..].iter().any(|other| other.reading.metric == last[i].reading.metric);
    let data = |value: f64| match value.is_finite() {
        true => format!("<data value=\"{value}\">{}</data>", escape(&short(value))),
        false => "-".to_owned(),
    };
    let mut rows = String::new();
    for line in (0..last.len()).filter(|i| is_last(*i)).map(|i| last[i]) {
        let reading = &line.reading;
        let number = number_of(&reading.metric);
        let known = numbers().find(|known| known.name == number);
        let margin = reading.interval.map_or_else(String::new, |[low, high]| {
            let title = format!("95 % interval: {low} to {high}");
            format!("<span title=\"{}\">± {}</span>", escape(&title), escape(&short(0.5 * (high - low))))
        });
        let [floor, ceiling] = [reading.floor, reading.ceiling].map(|value| value.map_or_else(|| "-".to_owned(), data));
        let place = reading.floor.zip(reading.ceiling).map_or_else(String::new, |(a, b)| between(reading.value, a, b));
        rows.push_str(&format!(
            "<tr><td title=\"{}\">{}</td><td>{}</td><td>{margin}</td><td>{floor}</td><td>{place}</td><td>{ceiling}</td>\
             <td class=\"text\">{}</td></tr>\n",
            escape(&reading.features_hash.as_ref().map_or_else(String::new, |hash| format!("features {hash}"))),
            escape(&reading.metric),
            data(reading.value),
            escape(known.map_or("", |known| known.meaning))
        ));
    }
    Some(format!(
        "<h2>Score</h2>\n<p class=\"soft\">Of step {step}, by real examples that were held back. Names end in the number of \
         samples and what was compared. Real: what real data in the place of samples have; noise: what noise has.</p>\n\
         <div class=\"wide\"><table>\n<tr><th>number</th><th>samples</th><th>95 %</th><th>real</th><th></th><th>noise</th>\
         <th class=\"text\">meaning</th></tr>\n{rows}</table></div>"
    ))
}

/// How many times a picture is enlarged, so that a grid of `columns` of them is easy to see.
fn scale(width: usize, columns: usize) -> u32 {
    (960 / (width * columns).max(1)).clamp(1, 4) as u32
}

fn width(spec: &DataSpec) -> usize {
    spec.shape().last().copied().unwrap_or(1)
}

fn samples(generator: &Generator) -> Result<String> {
    let drawn = generator.sample(&SampleRequest::new(PREVIEW_SEED, GRID))?.values;
    let png = write::png::grid(&drawn, 16)?;
    Ok(format!(
        "<h2>Samples</h2>\n<figure>{}<figcaption>The first {GRID} of seed {PREVIEW_SEED}, unselected.</figcaption></figure>",
        picture(&png, scale(width(generator.spec()), 16), "samples")
    ))
}

fn texts(generator: &Generator) -> Result<String> {
    let writing = |index| Writing { seed: PREVIEW_SEED, index, length: TEXT, ..Writing::default() };
    let mut blocks = String::new();
    for index in 0..TEXTS {
        let text = generator.complete(&writing(index), |_| true)?;
        blocks.push_str(&format!("<pre>{}</pre>\n", escape(&text)));
    }
    Ok(format!(
        "<h2>Samples</h2>\n{blocks}<p class=\"soft\">The first {TEXTS} texts of seed {PREVIEW_SEED}, {TEXT} tokens each, \
         unselected and without a prompt.</p>"
    ))
}

/// Some samples above the training examples that they are nearest to.
fn neighbours(generator: &Generator, known: &Known<'_>) -> Result<Option<String>> {
    let Known { data, parts, .. } = known;
    let split = &parts.judged;
    let elements = data.spec().elements();
    if split.train.len() < NEIGHBOURS || data.spec().shape() != generator.spec().shape() {
        return Ok(None);
    }
    let fit = (TRAIN_BYTES / (4 * elements.max(1))).clamp(NEIGHBOURS, MOST_TRAIN);
    let train = evenly(*data, &split.train, fit)?;
    let drawn = generator.sample(&SampleRequest::new(PREVIEW_SEED, DISTANCES as u64))?.values;
    let points = Points::single(train.clone())?;
    let found = nearest(&Points::single(drawn.clone())?, &points, NEIGHBOURS);
    let mut values = Vec::with_capacity(BESIDE * (1 + NEIGHBOURS) * elements);
    (0..BESIDE).for_each(|i| values.extend_from_slice(drawn.row(i)));
    // Fewer where there are fewer examples.
    let ranks = found.first().map_or(0, Vec::len).min(NEIGHBOURS);
    for rank in 0..ranks {
        found.iter().take(BESIDE).for_each(|list| values.extend_from_slice(train.row(list[rank].index)));
    }
    let mut shape = drawn.shape.clone();
    shape[0] = BESIDE * (1 + ranks);
    let png = write::png::grid(&HostTensor::new(shape, values), BESIDE)?;
    let median = |mut distances: Vec<f64>| {
        distances.sort_unstable_by(f64::total_cmp);
        (distances[distances.len() / 2] / elements as f64).sqrt()
    };
    let first = |lists: &[Vec<galatea_metrics::neighbours::Neighbour>]| {
        lists.iter().filter_map(|list| list.first()).map(|neighbour| neighbour.distance).collect::<Vec<f64>>()
    };
    let mut said = format!("Median distance to the nearest one: {:.4} for {DISTANCES} samples", median(first(&found)));
    if split.held_back.len() > 1 {
        let unseen = Points::single(evenly(*data, &split.held_back, DISTANCES)?)?;
        let of_unseen = first(&nearest(&unseen, &points, 1));
        said.push_str(&format!(", {:.4} for {} real examples that were held back", median(of_unseen), unseen.rows()));
    }
    Ok(Some(format!(
        "<h2>Nearest training examples</h2>\n<figure>{}<figcaption>In the first row samples, below each the {NEIGHBOURS} \
         nearest of {} training examples, by pixels. {said} (root of the mean squared difference of pixels in [-1, 1]). \
         Samples that are much nearer than unseen examples are copies.</figcaption></figure>",
        picture(&png, scale(width(data.spec()), BESIDE).min(3), "samples and the training examples nearest to them"),
        train.rows()
    )))
}

/// Shares of classes, where features classify.
fn classes(generator: &Generator, known: &Known<'_>) -> Result<Option<String>> {
    let Known { data, parts, eval } = known;
    let held_back = &parts.judged.held_back;
    if eval.samples == 0 || held_back.len() < 2 || data.spec().classes().is_empty() {
        return Ok(None);
    }
    let Some(features) = features::suiting(data.spec())? else { return Ok(None) };
    let count = eval.samples.min(held_back.len()).clamp(2, MOST_CLASSIFIED);
    let real = features.read(&evenly(*data, held_back, count)?)?.probabilities;
    let (Some(real), names) = (real, data.spec().classes()) else { return Ok(None) };
    let drawn = generator.sample(&SampleRequest::new(eval.seed, count as u64))?.values;
    let Some(drawn) = features.read(&drawn)?.probabilities else { return Ok(None) };
    let Histogram { shares, real, total_variation, modes, .. } =
        histogram(&Points::single(real)?, &Points::single(drawn)?)?;
    if names.len() != shares.len() || names.len() > MOST_CLASSES {
        return Ok(None);
    }
    Ok(Some(format!(
        "<h2>Classes</h2>\n<p class=\"soft\">As `{}` reads {count} samples: {modes} of {} classes occur; total variation \
         {total_variation:.4} from {count} real examples.</p>\n<figure>{}</figure>",
        escape(features.name()),
        names.len(),
        bars(names, &real, &shares)
    )))
}

/// What `log.jsonl` has, bytes that are no text replaced: a damaged line is left out, and no reason to have no page.
fn log(run: &Run) -> Result<String> {
    let path = run.log_path();
    match std::fs::read(&path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(galatea_train::Error::io("read", &path, error).into()),
    }
}

/// Curves of what the log has: losses in one picture, other scalars in one each.
fn losses(log: &str) -> Option<String> {
    let mut scalars: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for line in log.lines().filter_map(|line| serde_json::from_str::<BTreeMap<String, Option<f64>>>(line).ok()) {
        let Some(Some(step)) = line.get("step").copied() else { continue };
        for (name, value) in line {
            if !matches!(name.as_str(), "step" | "images_seen" | "seconds" | "attempt") {
                let points = scalars.entry(name).or_default();
                // Training may have gone back, to heal.
                while points.pop_if(|(at, _)| *at >= step).is_some() {}
                points.push((step, value.unwrap_or(f64::NAN)));
            }
        }
    }
    if scalars.is_empty() {
        return None;
    }
    // What is measured on one scale belongs into one picture: all losses, and answers to real and drawn examples.
    let mut groups: BTreeMap<&str, Vec<Series>> = BTreeMap::new();
    for (name, points) in &scalars {
        let group = if name.starts_with("loss") {
            " loss"
        } else if matches!(name.as_str(), "d_real" | "d_fake") {
            " answers"
        } else {
            name
        };
        groups.entry(group).or_default().push(Series::new(name.clone(), points.clone()));
    }
    let charts: Vec<String> = groups
        .values()
        .flat_map(|series| series.chunks(4))
        .map(curves)
        .filter(|chart| !chart.is_empty())
        .map(|chart| format!("<figure>{chart}</figure>"))
        .collect();
    let charts = charts.join("\n");
    Some(format!("<h2>Training</h2>\n<p class=\"soft\">Over steps.</p>\n<div class=\"row\">\n{charts}</div>"))
}

/// Curves of what was measured while training.
fn validation(lines: &[Logged]) -> Option<String> {
    let mut series: Vec<Series> = Vec::new();
    for line in lines.iter().filter(|line| line.reading.metric.starts_with(VALIDATION)) {
        let (step, reading) = (line.step as f64, &line.reading);
        let at = series.iter().position(|series| series.name == reading.metric).unwrap_or_else(|| {
            series.push(Series::new(reading.metric.clone(), Vec::new()));
            series.len() - 1
        });
        let series = &mut series[at];
        series.points.push((step, reading.value));
        series.band.extend(reading.interval.map(|interval| (step, interval)));
        if reading.best {
            series.mark = Some((step, reading.value));
        }
    }
    let charts: Vec<String> =
        series.iter().map(|series| format!("<figure>{}</figure>", curves(std::slice::from_ref(series)))).collect();
    (!charts.is_empty()).then(|| {
        format!(
            "<h2>Judged while training</h2>\n<p class=\"soft\">By training examples that were held back for it, with 95 % \
             intervals. The dot is the best: <code>--checkpoint best</code>.</p>\n{}",
            charts.join("\n")
        )
    })
}

/// Some of the grids that were drawn on the way, from the first to the last.
fn course(run: &Run) -> Result<Option<String>> {
    let folder = run.path().join("samples");
    let Ok(entries) = std::fs::read_dir(&folder) else { return Ok(None) };
    let step = |path: &PathBuf| path.file_stem()?.to_str()?.strip_prefix("step-")?.parse::<u64>().ok();
    let mut all: Vec<(u64, PathBuf)> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "png"))
        .filter_map(|path| Some((step(&path)?, path)))
        .collect();
    all.sort();
    let Some(last) = all.len().checked_sub(1) else { return Ok(None) };
    let read = |path: &Path| std::fs::read(path).map_err(|error| galatea_train::Error::io("read", path, error));
    let largest = read(&all[last].1)?.len().max(1);
    let count = (COURSE_BYTES / largest).clamp(1, MOST_GRIDS).min(all.len());
    // In equal ratios of steps, since most happens early.
    let mut chosen: Vec<usize> = (0..count)
        .map(|i| match count {
            1 => last,
            _ => {
                let share = i as f64 / (count - 1) as f64;
                let (low, high) = ((all[0].0.max(1) as f64).ln(), (all[last].0.max(1) as f64).ln());
                let wanted = (low + share * (high - low)).exp().round() as u64;
                all.partition_point(|(step, _)| *step < wanted).min(last)
            }
        })
        .collect();
    chosen.dedup();
    let mut figures = String::new();
    let mut bytes = 0;
    for i in chosen {
        let (step, path) = &all[i];
        let png = read(path)?;
        bytes += png.len();
        // What somebody else has put there may be of any size.
        if bytes > 2 * COURSE_BYTES || !png.starts_with(b"\x89PNG") {
            continue;
        }
        figures.push_str(&format!(
            "<figure>{}<figcaption>step {step}</figcaption></figure>\n",
            picture(&png, 1, &format!("samples of step {step}"))
        ));
    }
    Ok(Some(format!("<h2>Course of training</h2>\n<div class=\"row\">\n{figures}</div>")))
}

fn settings(run: &Run, spec: &DataSpec) -> Result<String> {
    let how = match spec {
        spec if spec.music().is_some() => "-o music.mid",
        DataSpec::Text(_) => "--prompt TEXT",
        DataSpec::Table(_) => "-n 100 -o rows.csv",
        _ => "-n 100 -o grid.png",
    };
    let config = run.config()?;
    let path = run.path().display().to_string();
    let quoted = match path.chars().all(|letter| letter.is_alphanumeric() || "/._-:\\".contains(letter)) {
        true => path,
        false => format!("'{}'", path.replace('\'', "'\\''")),
    };
    let file = Path::new("config.toml").display();
    let commands = format!(
        "galatea train --config {quoted}/{file}        # the same run again\n\
         galatea sample {quoted} {how}\n\
         galatea eval {quoted}\n"
    );
    Ok(format!(
        "<h2>To repeat it</h2>\n<pre>{}</pre>\n<h2>Settings</h2>\n<pre>{}</pre>\n<p class=\"soft\">Written by galatea {}.</p>",
        escape(&commands),
        escape(&config.to_text()?),
        escape(env!("CARGO_PKG_VERSION"))
    ))
}
