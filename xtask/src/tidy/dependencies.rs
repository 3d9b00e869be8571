//! Crates depend on each other one way only.

use super::Finding;
use crate::tree::{File, Tree};

/// Each crate may depend on those before it.
const ORDER: &[&str] = &[
    "galatea-kernels",
    "galatea-data",
    "galatea-models",
    "galatea-train",
    "galatea-metrics",
    "galatea",
    "galatea-studio",
    "galatea-cli",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifests = tree.files.iter().filter(|file| is_manifest(&file.path));
    manifests.flat_map(check_manifest).collect()
}

/// `Cargo.toml` of a crate, not of the workspace.
fn is_manifest(path: &str) -> bool {
    path == "xtask/Cargo.toml"
        || path
            .strip_prefix("crates/")
            .and_then(|rest| rest.strip_suffix("/Cargo.toml"))
            .is_some_and(|name| !name.contains('/'))
}

fn check_manifest(file: &File) -> Vec<Finding> {
    let name = file.crate_name().unwrap_or("xtask");
    let place = ORDER.iter().position(|known| *known == name);
    let mut findings = Vec::new();
    if place.is_none() && name != "xtask" {
        let hint = format!("put `{name}` in its place in `ORDER` in xtask/src/tidy/dependencies.rs");
        findings.push(Finding::new(file, 0, format!("`{name}` has no place in the order of crates"), hint));
    }
    if !inherits_lints(&file.text) {
        let hint = "add `[lints]` with `workspace = true`";
        findings.push(Finding::new(file, 0, "the workspace's lints do not hold here", hint));
    }
    for (line, dependency) in dependencies(&file.text) {
        let Some(needed) = ORDER.iter().position(|known| *known == dependency) else { continue };
        if name == "xtask" {
            let hint = "keep xtask small: it must build in seconds and run when nothing else builds";
            findings.push(Finding::new(file, line, format!("xtask depends on `{dependency}`"), hint));
        } else if place.is_some_and(|place| needed >= place) {
            let hint = format!("the order is {}; move the shared part down", ORDER.join(" <- "));
            findings.push(Finding::new(file, line, format!("`{name}` depends on `{dependency}`, above it"), hint));
        }
    }
    findings
}

/// Line and name of each dependency in a manifest, those of tests and build scripts too.
pub(super) fn dependencies(manifest: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut section = "";
    for (line, text) in (1..).zip(manifest.lines().map(str::trim)) {
        if let Some(header) = text.strip_prefix('[') {
            section = header.trim_end_matches(']');
            // `[dependencies.name]`
            if let Some((_, name)) = section.rsplit_once('.').filter(|(table, _)| is_dependencies(table)) {
                found.push((line, name));
            }
        } else if is_dependencies(section) && !text.is_empty() && !text.starts_with('#') {
            let key = text.split(['.', '=', ' ']).next().unwrap_or_default();
            // `new = { package = "old" }`
            let renamed = text.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
            found.push((line, renamed.unwrap_or(key)));
        }
    }
    found
}

/// `dependencies`, `dev-dependencies`, `build-dependencies`, and the same of a target.
fn is_dependencies(section: &str) -> bool {
    section.rsplit(['.', '-']).next() == Some("dependencies")
}

fn inherits_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim);
    lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "[lints]\nworkspace = true\n";

    fn findings(path: &str, manifest: &str) -> Vec<(usize, String)> {
        let tree = Tree::of(&[(path, manifest)]);
        check(&tree).into_iter().map(|finding| (finding.line, finding.problem)).collect()
    }

    #[test]
    fn down_is_fine_and_up_is_not() {
        let manifest =
            format!("{LINTS}[dependencies]\ngalatea-data.workspace = true\ngalatea = {{ path = \"../galatea\" }}");
        assert_eq!(
            findings("crates/galatea-train/Cargo.toml", &manifest),
            [(5, "`galatea-train` depends on `galatea`, above it".into())]
        );
        assert_eq!(findings("crates/galatea-cli/Cargo.toml", &manifest), []);
    }

    #[test]
    fn every_way_of_writing_a_dependency_is_seen() {
        let manifest = "[package]\nname = \"galatea-cli\"\n[dependencies]\n# galatea\na = \"1\"\nb.workspace = true\n\
                        c = { package = \"galatea\" }\n[dev-dependencies.d]\n[target.'cfg(unix)'.dependencies]\ne = \"1\"\n\
                        [build-dependencies]\nf = \"1\"\n[features]\ng = []";
        let names: Vec<&str> = dependencies(manifest).into_iter().map(|(_, name)| name).collect();
        assert_eq!(names, ["a", "b", "galatea", "d", "e", "f"]);
    }

    #[test]
    fn tests_go_the_same_way() {
        let manifest = format!("{LINTS}[dev-dependencies]\ngalatea-cli.workspace = true");
        assert_eq!(findings("crates/galatea/Cargo.toml", &manifest).len(), 1);
    }

    #[test]
    fn a_new_crate_needs_a_place_and_lints() {
        assert_eq!(findings("crates/galatea-new/Cargo.toml", "[package]").len(), 2);
        assert_eq!(findings("crates/galatea-new/fuzz/Cargo.toml", "[package]"), []);
    }

    #[test]
    fn xtask_needs_no_crate_of_ours() {
        let manifest = format!("{LINTS}[dependencies]\ngalatea-data.workspace = true");
        assert_eq!(findings("xtask/Cargo.toml", &manifest).len(), 1);
    }
}
