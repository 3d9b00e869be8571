//! `galatea export`.

use std::process::ExitCode;

use anyhow::Result;

use crate::args::{Common, ExportArgs};
use crate::commands::print_line;
use crate::progress;

pub(crate) fn run(args: ExportArgs, common: &Common) -> Result<ExitCode> {
    let generator = super::sample::open(&args.model, &args.checkpoint, common)?;
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
