//! `galatea report`.

use std::process::ExitCode;

use anyhow::Result;
use galatea::{Error, Run, report};

use crate::args::{Common, ReportArgs};
use crate::commands::print_line;
use crate::progress;

pub(crate) fn run(args: &ReportArgs, common: &Common) -> Result<ExitCode> {
    if args.run.extension().is_some_and(|ending| ending == "safetensors") {
        let problem = format!("`{}` is a single model, and a page is about a run", args.run.display());
        return Err(Error::usage(problem, "name a run, such as `galatea report last`").into());
    }
    let run = Run::open(&common.runs, &args.run.to_string_lossy()).map_err(Error::from)?;
    let generator = super::sample::open(&args.run, &args.checkpoint, common)?;
    let path = report(&run, &generator, args.output.as_deref())?;
    if common.json {
        print_line(&serde_json::json!({ "path": path, "step": generator.step() }).to_string())?;
    } else {
        progress::note(common, &format!("`{}` shows the run; open it in a browser", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
