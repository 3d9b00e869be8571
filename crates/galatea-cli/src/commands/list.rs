//! `galatea models`.

use std::process::ExitCode;

use anyhow::Result;
use galatea::Error;
use galatea::registry::{FAMILIES, family};
use serde_json::json;

use crate::args::{Common, ModelsArgs};
use crate::commands::{print, print_line};
use crate::progress;
use crate::table::columns;

pub(crate) fn models(args: ModelsArgs, common: &Common) -> Result<ExitCode> {
    match args.family {
        Some(name) => one_model(&name, common),
        None => all_models(common),
    }
}

fn all_models(common: &Common) -> Result<ExitCode> {
    let mut rows = Vec::new();
    for family in FAMILIES {
        let info = family.info();
        if common.json {
            let presets: Vec<&str> = family.presets().iter().map(|preset| preset.name).collect();
            let abilities: Vec<&str> = info.abilities.iter().map(|ability| ability.name()).collect();
            print_line(
                &json!({
                    "name": info.name, "summary": info.summary, "paper": info.paper, "differs": info.differs,
                    "takes": info.modalities, "abilities": abilities, "presets": presets,
                })
                .to_string(),
            )?;
        }
        rows.push(vec![info.name.to_owned(), info.modalities.join(", "), info.summary.to_owned()]);
    }
    if !common.json {
        print(&columns(&rows))?;
        progress::note(common, "`galatea models NAME` shows the settings of one");
    }
    Ok(ExitCode::SUCCESS)
}

fn one_model(name: &str, common: &Common) -> Result<ExitCode> {
    let family = family(name).map_err(Error::from)?;
    let (info, defaults) = (family.info(), family.defaults());
    let shown = |key: &str| defaults.get(key).map_or_else(|| "none".to_owned(), ToString::to_string);
    if common.json {
        for key in family.keys() {
            let allowed = key.allowed.replace('_', "");
            print_line(
                &json!({ "key": key.name, "default": shown(key.name), "allowed": allowed, "doc": key.doc.trim() })
                    .to_string(),
            )?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = format!(
        "{}: {}\n\nPaper:   {}\nDiffers: {}\nTakes:   {}\nSteps:   {}\n",
        info.name,
        info.summary,
        info.paper,
        info.differs,
        info.modalities.join(", "),
        family.steps()
    );
    if !info.abilities.is_empty() {
        text.push_str("\nAbilities:\n");
        let rows =
            info.abilities.iter().map(|ability| vec![format!("  {}", ability.name()), ability.summary().to_owned()]);
        text.push_str(&columns(&rows.collect::<Vec<_>>()));
    }
    if !family.presets().is_empty() {
        text.push_str("\nPresets (`--set preset=NAME`):\n");
        let rows: Vec<_> = family
            .presets()
            .iter()
            .map(|preset| vec![format!("  {}", preset.name), preset.summary.to_owned()])
            .collect();
        text.push_str(&columns(&rows));
    }
    text.push_str("\nSettings (`--set KEY=VALUE`):\n");
    let rows: Vec<_> = family
        .keys()
        .iter()
        .map(|key| vec![format!("  {} = {}", key.name, shown(key.name)), key.doc.trim().to_owned()])
        .collect();
    text.push_str(&columns(&rows));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
