//! `galatea models`.

use std::process::ExitCode;

use anyhow::Result;
use galatea::registry::{FAMILIES, family};
use galatea::{Error, sections, settings::Key};
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
    let info = family.info();
    let own = settings("", &family.keys(), &family.defaults());
    let shared: Vec<Setting> =
        sections().iter().flat_map(|section| settings(section.name, &section.keys, &section.defaults)).collect();
    if common.json {
        for Setting { key, default, allowed, doc } in own.iter().chain(&shared) {
            print_line(&json!({ "key": key, "default": default, "allowed": allowed, "doc": doc }).to_string())?;
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
    text.push_str(&table(&own));
    text.push_str("\nSettings of every run; a family or preset may begin with others, which `galatea train FAMILY --dry-run` shows:\n");
    text.push_str(&table(&shared));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A setting, as it is shown.
struct Setting {
    key: String,
    /// `None` for what is not set.
    default: Option<String>,
    allowed: String,
    doc: &'static str,
}

fn settings(section: &str, keys: &[Key], defaults: &toml::Table) -> Vec<Setting> {
    let setting = |key: &Key| Setting {
        key: if section.is_empty() { key.name.to_owned() } else { format!("{section}.{}", key.name) },
        default: defaults.get(key.name).map(ToString::to_string),
        allowed: key.allowed.replace('_', ""),
        doc: key.doc.trim(),
    };
    keys.iter().map(setting).collect()
}

fn table(settings: &[Setting]) -> String {
    let row = |Setting { key, default, doc, .. }: &Setting| {
        vec![format!("  {key} = {}", default.as_deref().unwrap_or("(not set)")), (*doc).to_owned()]
    };
    columns(&settings.iter().map(row).collect::<Vec<_>>())
}
