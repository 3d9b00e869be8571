//! The `galatea` program: the only crate that prints and exits.

mod args;
mod commands;
mod progress;
mod table;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use args::{Cli, Command, DataCommand};

// A training step allocates and frees some large buffers; this allocator keeps them at hand.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes beside success: see DESIGN in the documentation of the command line.
mod exit {
    pub(crate) const FAILED: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const FLAGGED: u8 = 3;
    pub(crate) const INTERRUPTED: u8 = 130;
}

fn main() -> ExitCode {
    let began = Instant::now();
    let cli = Cli::parse();
    if let Some(threads) = cli.common.threads {
        galatea::set_threads(threads.into());
    }
    let common = &cli.common;
    if !common.quiet {
        galatea::on_progress(progress::say);
    }
    let result = match cli.command {
        Command::Train(args) => commands::train::run(args, common, began),
        Command::Sample(args) => commands::sample::sample(args, common),
        Command::Interpolate(args) => commands::sample::interpolate(args, common),
        Command::Edit(args) => commands::edit::run(&args, common),
        Command::Reconstruct(args) => commands::reconstruct::run(&args, common),
        Command::States(args) => commands::states::run(&args, common),
        Command::Augment(args) => commands::augment::run(&args, common),
        Command::Detect(args) => commands::detect::run(&args, common),
        Command::Eval(args) => commands::eval::run(args, common),
        Command::Export(args) => commands::export::run(args, common),
        Command::Runs(args) => commands::runs::run(args, common),
        Command::Report(args) => commands::report::run(&args, common),
        Command::Models(args) => commands::list::models(args, common),
        Command::Data(DataCommand::List) => commands::data::list(common),
        Command::Data(DataCommand::Show { source, output, number, set }) => {
            commands::data::show(&source, output.as_deref(), number, set, common)
        }
        Command::Data(DataCommand::Get { name, mirror }) => commands::data::get(&name, mirror.as_deref(), common),
        Command::Completions { shell } => commands::completions(shell),
    };
    match result {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Prints what went wrong and what to do, and picks the exit code.
fn fail(error: &anyhow::Error) -> ExitCode {
    // A reader that has seen enough, such as `head`, is no failure of ours.
    let closed = |error: &(dyn std::error::Error + 'static)| {
        error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(closed) {
        return ExitCode::SUCCESS;
    }
    let ours = error.chain().find_map(|cause| cause.downcast_ref::<galatea::Error>());
    match ours {
        // Our messages name their causes themselves.
        Some(ours) => progress::say(&format!("{} {ours}", progress::red("error:"))),
        None => progress::say(&format!("{} {error:#}", progress::red("error:"))),
    }
    if let Some(hint) = ours.and_then(galatea::Error::hint) {
        progress::say(&format!(" {} {hint}", progress::cyan("hint:")));
    }
    match ours {
        Some(error) if error.is_usage() => ExitCode::from(exit::USAGE),
        _ => ExitCode::from(exit::FAILED),
    }
}
