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
    if let Some(ending @ ("dot" | "svg" | "png")) = ending {
        let graph = generator.graph().ok_or_else(|| {
            Error::usage(format!("`{}` has no graph to draw", generator.info().name), "name a file in `.safetensors`")
        })?;
        let drawn = match ending {
            "dot" => graph.dot().into_bytes(),
            "svg" => graph.svg().into_bytes(),
            _ => graph.png().map_err(Error::from)?,
        };
        write::file(&args.output, &drawn).map_err(Error::from)?;
        progress::note(common, &format!("`{}` shows which column depends on which", args.output.display()));
        return Ok(ExitCode::SUCCESS);
    }
    if ending != Some("safetensors") {
        let problem = format!("a model is not written to `{}`", args.output.display());
        let graph = if generator.graph().is_some() { "; `.png`, `.svg` and `.dot` are its graph" } else { "" };
        return Err(Error::usage(problem, format!("name a file that ends in `.safetensors`{graph}")).into());
    }
    generator.save(&args.output)?;
    if common.json {
        print_line(&serde_json::json!({ "path": args.output, "step": generator.step() }).to_string())?;
    } else {
        let path = args.output.display();
        let output = match generator.spec().kind() {
            _ if generator.music().is_some() => "music.mid",
            "text" => "texts.txt",
            "table" => "rows.csv",
            _ => "grid.png",
        };
        let step = generator.step();
        progress::note(
            common,
            &format!("`{path}` holds the model of step {step}; try `galatea sample {path} -o {output}`"),
        );
    }
    Ok(ExitCode::SUCCESS)
}
