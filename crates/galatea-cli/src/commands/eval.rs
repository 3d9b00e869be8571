//! `galatea eval`.

use std::process::ExitCode;

use anyhow::Result;
use galatea::{Request, evaluate};
use serde_json::json;

use crate::args::{Common, EvalArgs};
use crate::commands::{print, print_line};

pub(crate) fn run(args: EvalArgs, common: &Common) -> Result<ExitCode> {
    let generator = super::sample::open(&args.model, common)?;
    let mut settings = args.set;
    settings.extend(args.number.map(|number| format!("eval.samples={number}")));
    let request = Request { data: args.data, settings, ..Request::default() };
    let report = evaluate(&generator, &args.model, &common.runs, &request)?;
    if common.json {
        print_line(&json!({ "model": args.model, "step": generator.step(), "report": report }).to_string())?;
    } else {
        print(&report.to_string())?;
    }
    Ok(ExitCode::SUCCESS)
}
