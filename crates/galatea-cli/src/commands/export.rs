//! `galatea export`.

use std::process::ExitCode;

use anyhow::Result;
use galatea::{Error, write};

use crate::args::{Common, ExportArgs};
use crate::commands::print_line;
use crate::progress;

pub(crate) fn run(args: ExportArgs, common: &Common) -> Result<ExitCode> {
    let generator = super::sample::open(&args.model, &args.checkpoint, common)?;
    let ending = args.output.extension().and_then(|ending| ending.to_str());
    if let Some(ending @ ("dot" | "svg")) = ending {
        let graph = generator.graph().ok_or_else(|| {
            Error::usage(format!("`{}` has no graph to draw", generator.info().name), "name a file in `.safetensors`")
        })?;
        let drawn = if ending == "dot" { graph.dot() } else { graph.svg() };
        write::file(&args.output, drawn.as_bytes()).map_err(Error::from)?;
        progress::note(common, &format!("`{}` shows which column depends on which", args.output.display()));
        return Ok(ExitCode::SUCCESS);
    }
    generator.save(&args.output)?;
    if common.json {
        print_line(&serde_json::json!({ "path": args.output, "step": generator.step() }).to_string())?;
    } else {
        let path = args.output.display();
        progress::note(
            common,
            &format!("`{path}` holds the model of step {}; try `galatea sample {path} -o grid.png`", generator.step()),
        );
    }
    Ok(ExitCode::SUCCESS)
}
