//! `galatea augment`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use galatea::more::{Kept, MoreOptions, check_pictures, more};
use galatea::{Error, write};

use super::sample::{make, open};
use crate::args::{AugmentArgs, Common};
use crate::commands::{print, print_line};
use crate::progress;
use crate::table::columns;

pub(crate) fn run(args: &AugmentArgs, common: &Common) -> Result<ExitCode> {
    let generator = open(&args.model, &args.checkpoint, common)?;
    check_pictures(generator.spec())?;
    let options = MoreOptions { per_class: args.per_class, seed: args.seed, features: args.features.clone() };
    make(&args.output)?;
    let names: Vec<String> = generator.classes().iter().map(|name| file_name(name)).collect();
    for name in &names {
        make(&args.output.join(name))?;
    }
    let mut manifest = "file,class,seed,index,distance\n".to_owned();
    let mut put = |kept: Kept| {
        let Kept { class, index, distance, values } = kept;
        let file = match class {
            Some(class) => Path::new(&names[class as usize]).join(format!("{index:06}.png")),
            None => format!("{index:06}.png").into(),
        };
        let bytes = write::png::picture(&values)?;
        write::file(&args.output.join(&file), &bytes)?;
        let called = class.map_or("", |class| generator.classes()[class as usize].as_str());
        let [file, called] = [&*file.to_string_lossy(), called].map(write::csv::quoted);
        manifest.push_str(&format!("{file},{called},{},{index},{distance}\n", args.seed));
        Ok(())
    };
    let tallies = more(&generator, &args.model, &common.runs, &options, &mut put)?;
    write::file(&args.output.join("manifest.csv"), manifest.as_bytes()).map_err(Error::from)?;
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
        &format!("`{}` can be given to `--data`; `manifest.csv` says how each was drawn", args.output.display()),
    );
    Ok(ExitCode::SUCCESS)
}

/// The name of a class as that of a folder.
fn file_name(class: &str) -> String {
    let clean: String = class.chars().map(|c| if c == '/' || c == '\\' || c.is_control() { '_' } else { c }).collect();
    if clean.is_empty() || clean.starts_with('.') { format!("_{clean}") } else { clean }
}
