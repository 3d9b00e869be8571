//! `galatea states`: which hidden states lie behind data.

use std::process::ExitCode;

use anyhow::Result;
use galatea::{Error, write};

use crate::args::{Common, StatesArgs};
use crate::commands::{print, print_line};
use crate::progress;

pub(crate) fn run(args: &StatesArgs, common: &Common) -> Result<ExitCode> {
    let generator = super::sample::open(&args.model, &args.checkpoint, common)?;
    let states = generator.hidden_states(&args.input, &args.set)?;
    let mut table = "example,moment,state,probability\n".to_owned();
    for (example, moments) in states.iter().enumerate() {
        for (moment, (state, probability)) in moments.iter().enumerate() {
            table.push_str(&format!("{example},{moment},{state},{probability:.6}\n"));
        }
    }
    if args.output.as_os_str() == "-" {
        print(&table)?;
        return Ok(ExitCode::SUCCESS);
    }
    write::file(&args.output, table.as_bytes()).map_err(Error::from)?;
    let (examples, path) = (states.len(), args.output.display());
    if common.json {
        print_line(&serde_json::json!({ "path": args.output, "examples": examples }).to_string())?;
    } else {
        progress::note(common, &format!("the states behind {examples} examples are in `{path}`"));
    }
    Ok(ExitCode::SUCCESS)
}
