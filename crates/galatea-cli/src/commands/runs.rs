//! `galatea runs`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use galatea::{ComparedNumber, ComparedValue, Error, Run, RunsComparison, Standing, compare_runs, short};
use serde_json::json;

use crate::args::{Common, RunsArgs, RunsCommand};
use crate::commands::{print, print_line};
use crate::progress;
use crate::table::columns;

pub(crate) fn run(args: RunsArgs, common: &Common) -> Result<ExitCode> {
    match args.command {
        None => list(None, common),
        Some(RunsCommand::List { folder }) => list(folder.as_deref(), common),
        Some(RunsCommand::Compare { names, by }) => {
            let open = |path: &std::path::PathBuf| Run::open(&common.runs, &path.to_string_lossy());
            let runs = names.iter().map(open).collect::<std::result::Result<Vec<_>, _>>().map_err(Error::from)?;
            let comparison = compare_runs(&runs, by.as_deref())?;
            if common.json {
                print_line(&serde_json::to_string(&comparison)?)?;
            } else {
                print(&table(&comparison))?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A column for each run; rows of what they are, of settings that differ, and of scores.
fn table(comparison: &RunsComparison) -> String {
    let RunsComparison { runs, differing, sorted_by, numbers, notes } = comparison;
    let row = |name: &str, cell: &dyn Fn(usize) -> String| -> Vec<String> {
        std::iter::once(name.to_owned()).chain((0..runs.len()).map(cell)).collect()
    };
    let gap = || vec![String::new()];
    let mut rows = vec![row("", &|i| runs[i].name.clone())];
    rows.push(row("family", &|i| runs[i].family.clone()));
    rows.push(row("steps", &|i| match runs[i].step == runs[i].steps {
        true => runs[i].step.to_string(),
        false => format!("{} of {}", runs[i].step, runs[i].steps),
    }));
    rows.push(row("images seen", &|i| runs[i].images_seen.to_string()));
    rows.push(row("minutes", &|i| format!("{:.1}", runs[i].seconds / 60.0)));
    let apart: Vec<_> = differing.iter().filter(|(key, _)| *key != "family").collect();
    if !apart.is_empty() {
        rows.push(gap());
        for (key, values) in apart {
            rows.push(row(key, &|i| values[i].clone().unwrap_or_else(|| "-".to_owned())));
        }
    }
    if !numbers.is_empty() {
        rows.push(gap());
        rows.extend(numbers.iter().map(|number| row(&number.number, &|i| cell(number, i))));
    }
    let mut text = columns(&rows);
    let standings = numbers.iter().flat_map(|number| number.values.iter().flatten()).map(|value| value.standing);
    let met: Vec<Standing> = standings.collect();
    let mut legend = Vec::new();
    for (standing, meaning) in [
        (Standing::Best, "none is better"),
        (Standing::WithinChance, "its 95 % interval and that of the best overlap: no difference is shown"),
        (Standing::Unknown, "no intervals to tell whether it differs from the best"),
        (Standing::Incomparable, "measured in another way: must not be compared"),
    ] {
        if met.contains(&standing) {
            legend.push(format!("{} {meaning}\n", mark(standing)));
        }
    }
    if !legend.is_empty() {
        text.push('\n');
        text.extend(legend);
    }
    if let Some(by) = sorted_by {
        text.push_str(&format!("sorted by {by}, the best first\n"));
    }
    text.extend(notes.iter().map(|note| format!("{note}\n")));
    text
}

fn mark(standing: Standing) -> &'static str {
    match standing {
        Standing::Best => "*",
        Standing::WithinChance => "~",
        Standing::Worse => "",
        Standing::Unknown => "?",
        Standing::Incomparable => "!",
    }
}

fn cell(number: &ComparedNumber, i: usize) -> String {
    let Some(ComparedValue { value, interval, standing, .. }) = &number.values[i] else { return "-".to_owned() };
    if value.is_nan() {
        return "-".to_owned();
    }
    let margin = interval.map_or_else(String::new, |[low, high]| format!(" ± {}", short(0.5 * (high - low))));
    format!("{}{margin} {}", short(*value), mark(*standing)).trim_end().to_owned()
}

fn list(folder: Option<&Path>, common: &Common) -> Result<ExitCode> {
    let folder = folder.unwrap_or(&common.runs);
    if folder != common.runs && !folder.is_dir() {
        let problem = format!("there is no folder `{}`", folder.display());
        return Err(Error::usage(problem, "name a folder in which `galatea train --runs` has made runs").into());
    }
    let runs = Run::list(folder).map_err(Error::from)?;
    let mut rows = vec![["RUN", "FAMILY", "STEPS", "DATA"].map(str::to_owned).to_vec()];
    for run in &runs {
        let step = galatea::checkpoint::list(run).map_err(Error::from)?.last().map_or(0, |(step, _)| *step);
        match run.config() {
            Ok(config) if common.json => print_line(
                &json!({
                    "run": run.path(), "family": config.family, "step": step, "steps": config.train.steps,
                    "data": config.data.source,
                })
                .to_string(),
            )?,
            Ok(config) => rows.push(vec![
                run.name().to_owned(),
                config.family,
                format!("{step} of {}", config.train.steps),
                config.data.source,
            ]),
            Err(error) => progress::warn(&error.to_string()),
        }
    }
    if runs.is_empty() {
        progress::note(common, &format!("no runs in `{}` yet; `galatea train` makes one", folder.display()));
    } else if !common.json {
        print(&columns(&rows))?;
    }
    Ok(ExitCode::SUCCESS)
}
