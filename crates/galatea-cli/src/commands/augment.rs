//! `galatea augment`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use galatea::more::{Kept, MoreOptions, check_pictures, more};
use galatea::proving::{ProofOptions, Proved, prove};
use galatea::{Error, Generator, write};
use serde_json::json;

use super::Begun;
use super::sample::{make, open};
use super::train::stop_on_signal;
use crate::args::{AugmentArgs, Common};
use crate::commands::{print, print_line};
use crate::table::columns;
use crate::{exit, progress};

pub(crate) fn run(args: &AugmentArgs, common: &Common) -> Result<ExitCode> {
    let generator = open(&args.model, &args.checkpoint, common)?;
    check_pictures(generator.spec())?;
    let Some(output) = args.output.as_deref().filter(|_| !args.prove) else {
        return proof(args, &generator, common);
    };
    let options = MoreOptions { per_class: args.per_class, seed: args.seed, features: args.features.clone() };
    let begun = Begun::new(output)?;
    let names: Vec<String> = generator.classes().iter().map(|name| file_name(name)).collect();
    for name in &names {
        make(&output.join(name))?;
    }
    let mut manifest = "file,class,seed,index,distance\n".to_owned();
    let mut put = |kept: Kept| {
        let Kept { class, index, distance, values } = kept;
        let file = match class {
            Some(class) => Path::new(&names[class as usize]).join(format!("{index:06}.png")),
            None => format!("{index:06}.png").into(),
        };
        let bytes = write::png::picture(&values)?;
        write::file(&output.join(&file), &bytes)?;
        let called = class.map_or("", |class| generator.classes()[class as usize].as_str());
        let [file, called] = [&*file.to_string_lossy(), called].map(write::csv::quoted);
        manifest.push_str(&format!("{file},{called},{},{index},{distance}\n", args.seed));
        Ok(())
    };
    let tallies = more(&generator, &args.model, &common.runs, &options, &mut put)?;
    write::file(&output.join("manifest.csv"), manifest.as_bytes()).map_err(Error::from)?;
    begun.keep();
    let mut rows = vec![["class", "kept", "copies", "unlike"].map(str::to_owned).to_vec()];
    for tally in &tallies {
        if common.json {
            print_line(&serde_json::to_string(tally)?)?;
        }
        let numbers = [tally.kept, tally.too_near, tally.too_far].map(|count| count.to_string());
        rows.push([&[tally.class.clone()][..], &numbers].concat());
    }
    if !common.json {
        print(&columns(&rows))?;
    }
    if let Some(tally) = tallies.iter().find(|tally| tally.kept < args.per_class) {
        progress::warn(&format!(
            "of class `{}` only {} of {} samples were good enough; train for longer",
            tally.class, tally.kept, args.per_class
        ));
    }
    progress::note(
        common,
        &format!("`{}` can be given to `--data`; `manifest.csv` says how each was drawn", output.display()),
    );
    Ok(ExitCode::SUCCESS)
}

/// Tells whether generated examples help, each result as soon as it is there.
fn proof(args: &AugmentArgs, generator: &Generator, common: &Common) -> Result<ExitCode> {
    let options = ProofOptions {
        real: args.real.iter().map(|count| *count as usize).collect(),
        generated: args.per_class,
        seeds: args.seeds,
        generator_steps: args.steps,
        ..ProofOptions::default()
    };
    let stop = stop_on_signal(common.quiet, "stopping after this classifier; once more to stop at once")?;
    let mut shown = progress::Counting::new(common);
    let mut failed = None;
    let rows = prove(generator, &args.model, &common.runs, &options, &mut |trial, count| {
        shown.one_more(count, &format!("{} real of each class, {}", trial.real, trial.way.label()));
        if common.json
            && let Err(error) = print_line(&json!({ "event": "trial", "trial": trial, "trials": count }).to_string())
        {
            failed = Some(error);
        }
        failed.is_none() && !stop.load(std::sync::atomic::Ordering::SeqCst)
    })?;
    shown.end();
    if let Some(error) = failed {
        return Err(error);
    }
    if common.json {
        for row in &rows {
            print_line(&json!({ "event": "proved", "result": row, "verdict": row.verdict() }).to_string())?;
        }
    } else {
        print(&table(&rows))?;
    }
    Ok(if stop.load(std::sync::atomic::Ordering::SeqCst) {
        ExitCode::from(exit::INTERRUPTED)
    } else {
        ExitCode::SUCCESS
    })
}

/// Accuracies and gains in percent.
fn table(rows: &[Proved]) -> String {
    let percent = |[mean, margin]: [f64; 2]| format!("{:.1} ± {:.1}", 100.0 * mean, 100.0 * margin);
    let head = ["real of each class", "learnt from", "accuracy %", "more than real alone", ""];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| {
        let gain = if row.verdict().is_empty() { String::new() } else { percent(row.gain) };
        vec![row.real.to_string(), row.way.label().into(), percent(row.accuracy), gain, row.verdict().into()]
    }));
    columns(&lines)
}

/// The name of a class as that of a folder.
fn file_name(class: &str) -> String {
    let clean: String = class.chars().map(|c| if c == '/' || c == '\\' || c.is_control() { '_' } else { c }).collect();
    if clean.is_empty() || clean.starts_with('.') { format!("_{clean}") } else { clean }
}
