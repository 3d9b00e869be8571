//! `galatea data list|show|get`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use galatea::{Error, Request, fetch, formats, write};
use serde_json::json;

use crate::args::Common;
use crate::commands::{print, print_line};
use crate::progress;
use crate::table::columns;

/// Classes that are listed one by one.
const MOST_CLASSES: usize = 100;

pub(crate) fn list(common: &Common) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for format in formats::FORMATS {
        if common.json {
            let line = json!({
                "format": format.name(), "summary": format.summary(), "names": format.names(),
                "examples": format.examples(),
            });
            print_line(&line.to_string())?;
        }
        rows.push(vec![format!("  {}", format.name()), format.examples().join(", "), format.summary().to_owned()]);
    }
    // Where downloads go is no matter as long as nothing is fetched.
    let home = formats::data_home().ok();
    let mut downloads = Vec::new();
    for download in fetch::CATALOGUE {
        let here = home.as_ref().is_some_and(|home| fetch::is_here(download, home));
        if common.json {
            let line = json!({
                "download": download.name, "summary": download.summary, "licence": download.licence, "here": here,
            });
            print_line(&line.to_string())?;
        }
        let how = if here { "here".to_owned() } else { format!("galatea data get {}", download.name) };
        downloads.push(vec![
            format!("  {}", download.name),
            how,
            format!("{} ({})", download.summary, download.licence),
        ]);
    }
    if !common.json {
        print(&format!("What `--data` takes:\n{}\nDownloads:\n{}", columns(&rows), columns(&downloads)))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn show(
    source: &str,
    output: Option<&Path>,
    number: u32,
    settings: Vec<String>,
    common: &Common,
) -> Result<ExitCode> {
    let request = Request { data: Some(source.to_owned()), settings, ..Request::default() };
    let data = request.open_data()?;
    if let Some(path) = output {
        let ending = write::overview_ending(data.spec());
        if path.extension().is_none_or(|own| own != ending) {
            let problem = format!("examples of {} cannot be written to `{}`", data.spec().kind(), path.display());
            return Err(Error::usage(problem, format!("name a file that ends in `.{ending}`")).into());
        }
    }
    let mut counts = vec![0usize; data.spec().classes().len()];
    for label in (0..data.len()).filter_map(|i| data.label(i)) {
        counts[label as usize] += 1;
    }
    if common.json {
        let classes: Vec<_> =
            data.spec().classes().iter().zip(&counts).map(|(name, count)| json!([name, count])).collect();
        let line = json!({
            "name": data.name(), "examples": data.len(), "shape": data.spec().shape(), "classes": classes,
            "fingerprint": data.fingerprint(), "notes": data.notes(), "warnings": data.warnings(),
        });
        print_line(&line.to_string())?;
    } else {
        let mut text = format!("{}: {} examples, {}\n", data.name(), data.len(), data.spec());
        let classes = data.spec().classes().iter().zip(&counts);
        let mut rows: Vec<_> = classes.map(|(name, count)| vec![format!("  {name}"), count.to_string()]).collect();
        if rows.len() > MOST_CLASSES {
            rows.truncate(MOST_CLASSES);
            rows.push(vec!["  ...".to_owned(), "(`--json` lists all)".to_owned()]);
        }
        text.push_str(&columns(&rows));
        print(&text)?;
        data.notes().iter().for_each(|note| progress::note(common, note));
        for warning in data.warnings() {
            progress::warn(&warning);
        }
    }
    if let Some(path) = output {
        // Evenly over all, so that every class is seen.
        let n = (number as usize).min(data.len());
        let indices: Vec<usize> = (0..n).map(|i| i * data.len() / n).collect();
        let examples = data.batch(&indices).map_err(Error::from)?.values;
        let side = (n as f64).sqrt().ceil() as usize;
        let bytes = write::overview(&examples, data.spec(), side).map_err(Error::from)?;
        write::file(path, &bytes).map_err(Error::from)?;
        progress::note(common, &format!("{n} examples in `{}`", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn get(name: &str, mirror: Option<&str>, common: &Common) -> Result<ExitCode> {
    let home = formats::data_home().map_err(Error::from)?;
    let bar = progress::Download::new(common);
    let folder = fetch::get(name, &home, mirror, &mut |progress| bar.at(&progress)).map_err(Error::from)?;
    bar.end();
    if common.json {
        print_line(&json!({ "name": name, "folder": folder }).to_string())?;
    } else {
        progress::note(common, &format!("`{name}` is in `{}`; try `galatea train --data {name}`", folder.display()));
    }
    Ok(ExitCode::SUCCESS)
}
