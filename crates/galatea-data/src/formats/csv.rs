//! Tables with commas, semicolons or tabs: series of numbers where `data.window` is set, rows of values elsewhere.
//! Format: RFC 4180; a first line that is no line of numbers holds the columns' names.

use std::{collections::BTreeSet, fs::File, io::Read, path::Path, sync::Arc};

use super::{Format, files_in, is_folder_of, plan, short_name};
use crate::{
    DataOptions, Dataset, Error, Result,
    options::{Missing, Plan},
    series::RawSeries,
    set::Labels,
    table::RawTable,
};

/// Numbers of a column that differ by less than this share of the largest are hardly told apart in single precision.
const FINEST: f64 = 1e-6;
/// Most columns; more are likely to be a file of another kind.
const MOST_COLUMNS: usize = 10_000;
/// Bytes of memory for each byte of the file.
const BYTES_PER_BYTE: u64 = 8;
/// Names of columns that say when, and are no channel.
const TIMES: &[&str] = &["time", "date", "datetime", "timestamp"];
/// Names of the column that says which class a moment is of.
const CLASSES: &[&str] = &["class", "label"];
/// What stands for a value that is missing.
const NOTHING: &[&str] = &["", "na", "n/a", "nan", "null", "none", "?"];

/// Tables.
pub(super) struct Csv;

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn summary(&self) -> &'static str {
        "a table of values, or with `--set data.window=24` a series of numbers"
    }

    fn examples(&self) -> &'static [&'static str] {
        &["people.csv", "sensor.csv", "sensors/"]
    }

    fn claims(&self, source: &str) -> bool {
        let path = Path::new(source);
        if path.is_dir() { is_folder_of(path, is_table_name) } else { is_table_name(path) && path.is_file() }
    }

    fn open(&self, source: &str, options: &DataOptions) -> Result<Arc<dyn Dataset>> {
        let path = Path::new(source);
        let plan = plan(options)?;
        options.refuse_pictures(source, "a table")?;
        let files = if path.is_dir() { files_in(path, is_table_name)? } else { vec![path.to_owned()] };
        let mut left = plan.memory_bytes / BYTES_PER_BYTE;
        let mut found: Option<(Vec<String>, Vec<String>)> = None;
        let (mut lines, mut pieces, mut channels) = (Vec::new(), Vec::new(), Vec::new());
        // The class of each piece, by its name.
        let mut of_pieces: Vec<String> = Vec::new();
        let mut count = 0;
        for file in &files {
            let (columns, rows, mut notes) = read(file, &mut left, &plan)?;
            count += rows.len();
            let known = found.get_or_insert_with(|| (columns.clone(), notes.clone()));
            if known.0 != columns {
                return Err(Error::invalid(file, format!("its columns are not those of `{}`", files[0].display()))
                    .with_hint("give the files of a folder the same columns, in the same order"));
            }
            if plan.window > 0 {
                let piece = series(file, columns, &rows, std::mem::take(&mut notes), &plan)?;
                pieces.extend(piece.pieces);
                if let Some(Labels { values, classes }) = piece.labels {
                    of_pieces.extend(values.iter().map(|class| classes[*class as usize].clone()));
                }
                channels = piece.channels;
                known.1 = piece.notes;
            } else {
                lines.extend(rows.into_iter().map(|(_, row)| row));
            }
        }
        let (columns, mut notes) = found.unwrap_or_default();
        if files.len() > 1 {
            notes.push(format!("{} files, one behind the other in the order of their names", files.len()));
        }
        notes.push(format!("{count} rows of {} columns", columns.len()));
        if plan.window > 0 {
            let classes: BTreeSet<String> = of_pieces.iter().cloned().collect();
            let classes: Vec<String> = classes.into_iter().collect();
            let label = |name: &String| classes.partition_point(|known| known < name) as u32;
            let values: Vec<u32> = of_pieces.iter().map(label).collect();
            let labels = (!values.is_empty()).then_some(Labels { values, classes });
            return RawSeries { name: short_name(path), channels, pieces, labels, notes }.finish(&plan);
        }
        RawTable { name: short_name(path), columns, rows: lines, notes }.finish(&plan)
    }
}

fn is_table_name(path: &Path) -> bool {
    let is_table = |own: &std::ffi::OsStr| ["csv", "tsv"].iter().any(|ending| own.eq_ignore_ascii_case(ending));
    path.extension().is_some_and(is_table)
}

/// Rows with their lines in the file.
type Rows = Vec<(u64, Vec<String>)>;

/// Names of the columns, and the rows; `left` are the bytes that may still be read.
fn read(path: &Path, left: &mut u64, plan: &Plan) -> Result<(Vec<String>, Rows, Vec<String>)> {
    let failed = |error| Error::io("read", path, error);
    let file = File::open(path).map_err(failed)?;
    let most = *left;
    let mut text = Vec::new();
    // What knows its size is not read in vain.
    let size = file.metadata().map_err(failed)?.len();
    if size <= most {
        file.take(most + 1).read_to_end(&mut text).map_err(failed)?;
    }
    if size.max(text.len() as u64) > most {
        let given = plan.memory_bytes >> 20;
        return Err(Error::invalid(
            path,
            format!("the table needs more memory than `data.memory_mib` gives, {given} MiB"),
        )
        .with_hint("raise `data.memory_mib`, or give fewer rows"));
    }
    *left -= text.len() as u64;
    let text = String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::invalid(path, format!("byte {at} is no UTF-8"))
            .with_hint("bring it to UTF-8, such as with `iconv -f latin1 -t utf-8 OLD.csv > NEW.csv`")
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default();
    // Of equally many, the comma.
    let delimiter =
        [b';', b'\t', b','].into_iter().max_by_key(|sign| first.bytes().filter(|byte| byte == sign).count());
    let mut rows = records(text, delimiter.unwrap_or(b',') as char).map_err(|(line, problem)| {
        Error::invalid(path, format!("line {line} {problem}"))
            .with_hint("close the quotes, or write it as CSV once more")
    })?;
    let Some((_, width)) = rows.first().map(|(line, row)| (*line, row.len())) else {
        return Err(Error::invalid(path, "there is no row in it").with_hint("give a table with some rows"));
    };
    if let Some((line, row)) = rows.iter().find(|(_, row)| row.len() != width) {
        let problem = format!("line {line} has {} fields, and the lines before {width}", row.len());
        return Err(Error::invalid(path, problem)
            .with_hint("give every line as many fields; put those with commas into quotes"));
    }
    if width > MOST_COLUMNS {
        return Err(Error::invalid(path, format!("it has {width} columns, and {MOST_COLUMNS} at most can be read"))
            .with_hint("leave some out"));
    }
    let is_value = |field: &String| field.parse::<f64>().is_ok() || is_nothing(field);
    let mut notes = Vec::new();
    let columns = if rows[0].1.iter().all(is_value) {
        notes.push("the first line holds no names: columns are called x1, x2, ..".to_owned());
        (1..=width).map(|column| format!("x{column}")).collect()
    } else {
        rows.remove(0).1
    };
    if rows.is_empty() {
        return Err(Error::invalid(path, "there are names of columns in it, and no rows")
            .with_hint("give a table with some rows"));
    }
    Ok((columns, rows, notes))
}

/// The fields of each line, without the space around them, and where the lines begin. A field in quotes may hold delimiters,
/// ends of lines, and quotes, which are doubled. Empty lines are passed over.
///
/// # Errors
/// With the line of a quote that is not closed, or that something follows.
fn records(text: &str, delimiter: char) -> std::result::Result<Rows, (u64, String)> {
    let mut rows: Rows = Vec::new();
    let (mut row, mut field): (Vec<String>, String) = (Vec::new(), String::new());
    let (mut line, mut begun, mut was_quoted) = (1u64, 1u64, false);
    let mut letters = text.chars().peekable();
    loop {
        let letter = letters.next();
        match letter {
            Some('"') if !was_quoted && field.trim().is_empty() => {
                was_quoted = true;
                field.clear();
                let opened = line;
                loop {
                    match letters.next() {
                        Some('"') if letters.peek() == Some(&'"') => {
                            letters.next();
                            field.push('"');
                        }
                        Some('"') => break,
                        Some(other) => {
                            line += u64::from(other == '\n');
                            field.push(other);
                        }
                        None => return Err((opened, "has a quote that is not closed".to_owned())),
                    }
                }
            }
            Some(other) if other == delimiter => {
                row.push(finished(&mut field, &mut was_quoted));
            }
            Some('\r') if letters.peek() == Some(&'\n') => {}
            Some('\n') | None => {
                let is_empty = row.is_empty() && !was_quoted && field.trim().is_empty();
                let last = finished(&mut field, &mut was_quoted);
                if !is_empty {
                    row.push(last);
                    rows.push((begun, std::mem::take(&mut row)));
                }
                if letter.is_none() {
                    return Ok(rows);
                }
                line += 1;
                begun = line;
            }
            Some(other) if was_quoted && !other.is_whitespace() => {
                return Err((line, format!("has `{other}` behind a quote")));
            }
            Some(_) if was_quoted => {}
            Some(other) => field.push(other),
        }
    }
}

/// The field, without the space around it unless that is in quotes.
fn finished(field: &mut String, was_quoted: &mut bool) -> String {
    let text = std::mem::take(field);
    if std::mem::take(was_quoted) { text } else { text.trim().to_owned() }
}

fn is_nothing(field: &str) -> bool {
    NOTHING.iter().any(|nothing| field.eq_ignore_ascii_case(nothing))
}

/// Columns of numbers as channels of one series.
fn series(
    path: &Path,
    columns: Vec<String>,
    rows: &[(u64, Vec<String>)],
    mut notes: Vec<String>,
    plan: &Plan,
) -> Result<RawSeries> {
    let is_time = |name: &str| TIMES.iter().any(|time| name.eq_ignore_ascii_case(time));
    let is_class = |name: &str| CLASSES.iter().any(|class| name.eq_ignore_ascii_case(class));
    let class = (0..columns.len()).find(|at| is_class(&columns[*at]));
    let is_channel = |at: &usize| !is_time(&columns[*at]) && Some(*at) != class;
    let channels: Vec<usize> = (0..columns.len()).filter(is_channel).collect();
    if columns.iter().any(|name| is_time(name)) {
        notes.push("the column that says when is left out; rows are taken for equally far apart".to_owned());
    }
    if channels.is_empty() {
        return Err(Error::invalid(path, "there is no column of numbers in it").with_hint("add one beside the time"));
    }
    let mut values = Vec::with_capacity(rows.len() * channels.len());
    let mut ranges = vec![[f64::INFINITY, f64::NEG_INFINITY]; channels.len()];
    let mut missing: Vec<(u64, usize)> = Vec::new();
    for (line, row) in rows {
        for (at, range) in channels.iter().zip(&mut ranges) {
            let field = &row[*at];
            match field.parse::<f64>() {
                Ok(value) if (value as f32).is_finite() => {
                    *range = [range[0].min(value), range[1].max(value)];
                    values.push(value as f32);
                }
                _ if is_nothing(field) => {
                    missing.push((*line, *at));
                    values.push(f32::NAN);
                }
                _ => {
                    let problem = format!("`{field}` in column `{}` of line {line} is no number", columns[*at]);
                    return Err(Error::invalid(path, problem)
                        .with_hint("series are numbers; leave the column out, or read the file as a table"));
                }
            }
        }
    }
    for (at, [least, most]) in channels.iter().zip(&ranges) {
        if most > least && most - least < FINEST * least.abs().max(most.abs()) {
            let problem =
                format!("`{}` goes from {least} to {most}: too far from 0 for such small differences", columns[*at]);
            return Err(Error::invalid(path, problem).with_hint(format!(
                "take {least} off the column, or leave the column out; numbers are kept to 7 digits"
            )));
        }
    }
    if let Some((line, at)) = missing.first() {
        let (count, column) = (missing.len(), &columns[*at]);
        if plan.missing == Missing::Error {
            let lines: Vec<String> = missing.iter().take(5).map(|(line, _)| line.to_string()).collect();
            let problem = format!("{count} values are missing, such as that of `{column}` in line {line}");
            return Err(Error::invalid(path, problem).with_hint(format!(
                "they are in lines {}{}; fill them, or choose how with `--set data.missing=previous` or `mean`",
                lines.join(", "),
                if count > lines.len() { ", .." } else { "" }
            )));
        }
        notes.push(format!("{count} missing values are filled by {}", plan.missing.rule()));
        // Means are known when it is known what is held back.
        if plan.missing == Missing::Previous {
            fill(&mut values, channels.len());
        }
    }
    let names = channels.iter().map(|at| columns[*at].clone()).collect();
    let (pieces, labels) = match class {
        Some(at) => {
            notes.push(format!("`{}` says which class rows are of; no window is of two", columns[at]));
            let (pieces, labels) = by_class(&values, channels.len(), rows.iter().map(|(_, row)| row[at].as_str()));
            (pieces, Some(labels))
        }
        None => (vec![values], None),
    };
    Ok(RawSeries { name: short_name(path), channels: names, pieces, labels, notes })
}

/// Stretches of `[moments, channels]` that are of one class each, and these classes, in the order of their names.
fn by_class<'a>(values: &[f32], channels: usize, of: impl Iterator<Item = &'a str> + Clone) -> (Vec<Vec<f32>>, Labels) {
    let classes: BTreeSet<&str> = of.clone().collect();
    let classes: Vec<String> = classes.into_iter().map(str::to_owned).collect();
    let (mut pieces, mut labels): (Vec<Vec<f32>>, Vec<u32>) = (Vec::new(), Vec::new());
    for (moment, class) in values.chunks_exact(channels).zip(of) {
        let label = classes.partition_point(|known| known.as_str() < class) as u32;
        match pieces.last_mut().filter(|_| labels.last() == Some(&label)) {
            Some(piece) => piece.extend_from_slice(moment),
            None => {
                pieces.push(moment.to_vec());
                labels.push(label);
            }
        }
    }
    (pieces, Labels { values: labels, classes })
}

/// Fills what is missing in `[moments, channels]` by the value before it, or after it at the beginning; with 0 where there is none at all.
fn fill(values: &mut [f32], channels: usize) {
    for channel in 0..channels {
        let there = values.iter().skip(channel).step_by(channels).find(|value| !value.is_nan());
        let mut last = there.copied().unwrap_or(0.0);
        for value in values.iter_mut().skip(channel).step_by(channels) {
            last = if value.is_nan() { last } else { *value };
            *value = last;
        }
    }
}
