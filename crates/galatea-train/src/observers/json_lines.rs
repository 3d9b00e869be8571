//! `log.jsonl`, one line per logged step, and `metrics.jsonl`, one line per value of a metric.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use galatea_data::write;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Action, Context, Error, Event, Observer, Reading, Result, Run, disk, plan::due};

/// Writes the logs. Lines after the step that training goes on from are removed, so that no step is logged twice.
#[derive(Debug, Default)]
pub struct JsonLines {
    log: Option<(File, PathBuf)>,
}

impl JsonLines {
    /// An observer for one call of [`train`](crate::train).
    pub fn new() -> Self {
        Self::default()
    }
}

impl Observer for JsonLines {
    fn observe(&mut self, event: &Event<'_>, context: &Context<'_>) -> Result<Action> {
        match event {
            Event::Started { done, .. } => {
                let path = context.run.log_path();
                truncate(&path, context.attempt, *done)?;
                truncate(&context.run.metrics_path(), context.attempt, *done)?;
                self.log = Some((append(&path)?, path));
            }
            Event::Step { report, images_per_second, .. } => {
                let Context { step, plan, .. } = *context;
                if let Some((log, path)) = &mut self.log
                    && (step == 1 || step == plan.steps || due(step, plan.log_every))
                {
                    let mut line = stamp(context);
                    line.insert("images_per_second".into(), json!(round(*images_per_second)));
                    line.extend(report.scalars.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
                    write_line(log, path, line)?;
                }
            }
            Event::Looked { look } => self.write("look", look, context)?,
            Event::Found { finding } => self.write("finding", finding, context)?,
            Event::Healed { intervention } => self.write("intervention", intervention, context)?,
            Event::Evaluated { reading } => append_readings(context, std::slice::from_ref(*reading))?,
            _ => {}
        }
        Ok(Action::Continue)
    }
}

/// A value in a run's `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Logged {
    /// The value.
    #[serde(flatten)]
    pub reading: Reading,
    /// Steps that had been done.
    pub step: u64,
    /// How many times training had gone back to be healed.
    #[serde(default)]
    pub attempt: usize,
    /// Examples that steps had been given.
    pub images_seen: u64,
    /// Seconds of training until then.
    pub seconds: f64,
}

/// What a run's `metrics.jsonl` holds, in order; nothing if there is no such file. Half a line at the end, which a kill may
/// leave, is passed over.
///
/// # Errors
/// If the file cannot be read, or another line is not what [`append_readings`] writes.
pub fn readings(run: &Run) -> Result<Vec<Logged>> {
    let path = run.metrics_path();
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = disk::read_text(&path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parse = |(at, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| {
            let problem = format!("line {} is no value of a metric: {error}", at + 1);
            Error::invalid(&path, problem, "remove that line")
        })
    };
    whole.lines().enumerate().map(parse).collect()
}

/// Appends values of metrics to the run's `metrics.jsonl`.
///
/// # Errors
/// If the file cannot be written.
pub fn append_readings(context: &Context<'_>, readings: &[Reading]) -> Result<()> {
    let path = context.run.metrics_path();
    let mut file = append(&path)?;
    for reading in readings {
        let mut line = Map::new();
        if let Ok(Value::Object(values)) = serde_json::to_value(reading) {
            line.extend(values);
        }
        line.extend(stamp(context));
        write_line(&mut file, &path, line)?;
    }
    Ok(())
}

impl JsonLines {
    /// A line of the log that is about something else than a step: `{"event": name, "step": .., ..}`.
    fn write(&mut self, name: &str, what: &impl Serialize, context: &Context<'_>) -> Result<()> {
        let Some((log, path)) = &mut self.log else { return Ok(()) };
        let mut line = stamp(context);
        line.insert("event".into(), json!(name));
        if let Ok(Value::Object(values)) = serde_json::to_value(what) {
            line.extend(values.into_iter().filter(|(_, value)| !value.is_null()));
        }
        write_line(log, path, line)
    }
}

fn stamp(context: &Context<'_>) -> Map<String, Value> {
    let Context { step, images_seen, seconds, attempt, .. } = context;
    let stamp = [("step", json!(step)), ("images_seen", json!(images_seen)), ("seconds", json!(round(*seconds)))];
    // Of a run that never went back there is only one.
    let attempt = (*attempt > 0).then(|| ("attempt", json!(attempt)));
    stamp.into_iter().chain(attempt).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Three decimals: more is noise in a time.
fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).map_err(|error| Error::io("write", path, error))
}

/// In one call, so that a kill leaves whole lines.
fn write_line(file: &mut File, path: &Path, line: Map<String, Value>) -> Result<()> {
    let text = format!("{}\n", Value::Object(line));
    file.write_all(text.as_bytes()).map_err(|error| Error::io("write", path, error))
}

/// Removes the lines of later steps of this attempt, those of later attempts, and half a line at the end.
fn truncate(path: &Path, attempt: usize, step: u64) -> Result<()> {
    #[derive(Deserialize)]
    struct Line {
        step: u64,
        #[serde(default)]
        attempt: usize,
    }
    if !path.exists() {
        return Ok(());
    }
    let bytes = disk::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let is_kept = |line: &&str| {
        serde_json::from_str::<Line>(line)
            .is_ok_and(|line| line.attempt < attempt || line.attempt == attempt && line.step <= step)
    };
    let kept: String = text.lines().filter(is_kept).flat_map(|line| [line, "\n"]).collect();
    if kept.as_bytes() != bytes {
        write::file(path, kept.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.toml"), "").unwrap();
        let run = Run::open(folder.path(), &folder.path().to_string_lossy()).unwrap();
        assert!(readings(&run).unwrap().is_empty());
        let line = "{\"metric\":\"a-2\",\"value\":null,\"interval\":[null,null],\"best\":true,\"step\":4,\"images_seen\":8,\"seconds\":0.5}\n";
        std::fs::write(run.metrics_path(), format!("{line}{{\"met")).unwrap();
        let [Logged { reading, step: 4, images_seen: 8, .. }] = &readings(&run).unwrap()[..] else { panic!() };
        assert!(reading.metric == "a-2" && reading.value.is_nan() && reading.best && reading.floor.is_none());
        assert_eq!(reading.interval, None);
        std::fs::write(run.metrics_path(), format!("{line}no JSON\n")).unwrap();
        let error = readings(&run).unwrap_err();
        assert!(error.to_string().contains("line 2 is no value of a metric") && error.hint().is_some(), "{error}");
    }

    #[test]
    fn lines_of_later_steps_and_half_lines_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.jsonl");
        truncate(&path, 0, 5).unwrap();
        assert!(!path.exists());
        std::fs::write(&path, "{\"step\":1}\n{\"step\":5,\"a\":2}\n{\"step\":6}\n{\"st").unwrap();
        truncate(&path, 0, 5).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"step\":1}\n{\"step\":5,\"a\":2}\n");
        truncate(&path, 0, 0).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
        // What was tried before training went back stays.
        let before = "{\"step\":8}\n{\"step\":3,\"attempt\":1}\n";
        std::fs::write(&path, format!("{before}{{\"step\":4,\"attempt\":1}}\n{{\"step\":1,\"attempt\":2}}\n")).unwrap();
        truncate(&path, 1, 3).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
    }
}
