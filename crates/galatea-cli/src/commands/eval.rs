//! `galatea eval`.

use std::process::ExitCode;

use anyhow::Result;
use galatea::{ArrayComparison, Comparison, Error, Report, Request, compare, compare_arrays, evaluate};
use serde_json::{Value, json};

use crate::args::{Common, EvalArgs};
use crate::commands::{print, print_line};
use crate::progress;

pub(crate) fn run(mut args: EvalArgs, common: &Common) -> Result<ExitCode> {
    let mut settings = std::mem::take(&mut args.set);
    settings.extend(args.number.map(|number| format!("eval.samples={number}")));
    settings.extend(args.features.take().map(|name| format!("eval.features={name}")));
    settings.extend(args.feature_weights.take().map(|path| format!("eval.feature_weights={}", path.display())));
    let (mut line, report) = match (args.model.take(), args.samples.take()) {
        (Some(model), _) => {
            let generator = super::sample::open(&model, &args.checkpoint, common)?;
            let request = Request { data: args.data, settings, ..Request::default() };
            let report = evaluate(&generator, &model, &common.runs, &request)?;
            (json!({ "model": model, "step": generator.step() }), report)
        }
        (None, Some(samples)) => pictures(samples, args.data.unwrap_or_default(), args.train, settings, common)?,
        (None, None) => arrays(args, settings)?,
    };
    if common.json {
        line["report"] = serde_json::to_value(&report)?;
        print_line(&line.to_string())?;
    } else {
        print(&report.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn pictures(
    samples: String,
    against: String,
    train: Option<String>,
    settings: Vec<String>,
    common: &Common,
) -> Result<(Value, Report)> {
    let comparison = Comparison { samples, against, train, settings };
    let (report, notes) = compare(&comparison)?;
    notes.iter().for_each(|note| progress::note(common, note));
    Ok((json!({ "samples": comparison.samples, "against": comparison.against }), report))
}

fn arrays(args: EvalArgs, settings: Vec<String>) -> Result<(Value, Report)> {
    let [samples, against] = <[_; 2]>::try_from(args.feature_arrays)
        .map_err(|_| Error::usage("there is nothing to judge", "name a run, such as `galatea eval last`"))?;
    let train = args.train.map(Into::into);
    let comparison = ArrayComparison { samples, against, train, probabilities: args.probabilities, settings };
    let report = compare_arrays(&comparison)?;
    Ok((json!({ "samples": comparison.samples, "against": comparison.against }), report))
}
