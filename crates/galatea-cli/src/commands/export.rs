//! `galatea export`.

use std::process::ExitCode;

use anyhow::Result;
use galatea::{Error, write};

use crate::args::{Common, ExportArgs};
use crate::commands::print_line;
use crate::progress;

pub(crate) fn run(args: ExportArgs, common: &Common) -> Result<ExitCode> {
    let generator = super::sample::open(&args.model, &args.checkpoint, common)?;
    if args.output.extension().is_some_and(|ending| ending == "dot") {
        let graph = generator.graph().ok_or_else(|| {
            Error::usage(format!("`{}` has no graph to draw", generator.info().name), "name a file in `.safetensors`")
        })?;
        write::file(&args.output, graph.as_bytes()).map_err(Error::from)?;
        let path = args.output.display();
        progress::note(
            common,
            &format!("`{path}` shows which column depends on which; try `dot -Tpng {path} -o graph.png`"),
        );
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
