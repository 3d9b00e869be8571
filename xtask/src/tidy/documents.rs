//! Documents stay true: the paths, links and test command that they name exist.

use super::Finding;
use crate::tree::{File, Tree};

/// The command whose results the checks report.
const TEST_COMMAND: &str = "cargo test --workspace";
/// Documents whose paths between backticks must exist.
const GUIDES: &[&str] = &["ARCHITECTURE.md", "CONTRIBUTING.md"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        findings.extend(check_links(file, tree));
    }
    for file in GUIDES.iter().filter_map(|path| tree.get(path)) {
        findings.extend(check_paths(file, tree));
    }
    if let Some(readme) = tree.get("README.md").filter(|file| !file.text.contains(TEST_COMMAND)) {
        let hint = "name the command that `cargo xtask check` runs";
        findings.push(Finding::new(readme, 0, format!("`{TEST_COMMAND}` is not mentioned"), hint));
    }
    findings
}

/// Links to files: relative to the document, or from the root with a leading `/`.
fn check_links(file: &File, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose(&file.text) {
        let markdown = between(line, "](", ")").map(|link| link.split(' ').next().unwrap_or_default());
        let html = between(line, "src=\"", "\"").chain(between(line, "href=\"", "\""));
        for link in markdown.chain(html) {
            let path = link.split(['#', '?']).next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            if !resolve(&file.path, path).is_some_and(|path| path.is_empty() || tree.has(&path)) {
                let hint = "links are relative to the document that they stand in";
                findings.push(Finding::new(file, number, format!("the link `{link}` leads nowhere"), hint));
            }
        }
    }
    findings
}

/// `link` in the document at `from`, from the root of the repository; `None` if it leads out of it.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut folders: Vec<&str> = if link.starts_with('/') { Vec::new() } else { from.split('/').collect() };
    folders.pop();
    for name in link.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(folders.pop()?),
            _ => folders.push(name),
        }
    }
    Some(folders.join("/"))
}

fn check_paths(file: &File, tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in prose(&file.text) {
        for span in line.split('`').skip(1).step_by(2) {
            if let Some(path) = path_of(span).filter(|path| !tree.has(path) && !tree.has_ending(path)) {
                let hint =
                    "give the path as it is, from the root or its last parts; capitals (`NAME.rs`) stand for a name";
                findings.push(Finding::new(file, number, format!("`{path}` does not exist"), hint));
            }
        }
    }
    findings
}

/// The part of `span` that must exist if it is a path of this repository: `families/` of `families/NAME.rs`.
fn path_of(span: &str) -> Option<&str> {
    const ENDINGS: &[&str] = &[".rs", ".md", ".py", ".sh", "Cargo.toml"];
    let is_path = span.contains('/') || ENDINGS.iter().any(|ending| span.ends_with(ending));
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    // A fraction, a unit, a folder that a command makes.
    let elsewhere = ["runs/", "target/", "~", "/"].iter().any(|begin| span.starts_with(begin));
    if !is_path || elsewhere || !span.chars().all(plain) || !span.contains(|c: char| c.is_ascii_lowercase()) {
        return None;
    }
    let mut end = 0;
    for name in span.split_inclusive('/') {
        let stem = name.trim_end_matches('/').split('.').next().unwrap_or_default();
        let stands_for_a_name = stem.len() > 1 && stem.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        // ARCHITECTURE.md is in capitals, and is what it says.
        if stands_for_a_name && !name.ends_with(".md") {
            break;
        }
        end += name.len();
    }
    (end > 0).then_some(&span[..end])
}

/// The lines outside fenced blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// What stands between each `begin` and the next `end`.
fn between<'a>(line: &'a str, begin: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    line.split(begin).skip(1).filter_map(move |rest| rest.split_once(end)).map(|(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(files: &[(&str, &str)]) -> Vec<(usize, String)> {
        check(&Tree::of(files)).into_iter().map(|finding| (finding.line, finding.problem)).collect()
    }

    #[test]
    fn links_lead_somewhere() {
        let text = "[a](docs/b.md) [c](docs/c.md#part \"title\")\n<img src=\"d.png\">\n```\n[x](y)\n```\n\
                    [web](https://example.org) [here](#part) [up](../out.md) [top](/docs/b.md)";
        let readme = format!("{text}\n{TEST_COMMAND}");
        let found = problems(&[("README.md", &readme), ("docs/b.md", "[back](../README.md)")]);
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 6], "{found:?}");
    }

    #[test]
    fn paths_between_backticks_exist() {
        let text = "`crates/a/src/lib.rs`, `src/`, `families/NAME.rs` and `gone.rs`\n`cargo xtask check`, `GET /api`, `1/2`\n\
                    `runs/0001-x/log.jsonl`, `none/NAME.rs`, `ARCHITECTURE.md`\n```\n`gone.rs`\n```";
        let files = [("ARCHITECTURE.md", text), ("crates/a/src/lib.rs", ""), ("crates/a/src/families/b.rs", "")];
        assert_eq!(
            problems(&files),
            [(1, "`gone.rs` does not exist".to_owned()), (3, "`none/` does not exist".to_owned())]
        );
    }

    #[test]
    fn the_readme_names_the_test_command() {
        assert_eq!(problems(&[("README.md", "# A project")]).len(), 1);
        assert_eq!(problems(&[("README.md", TEST_COMMAND)]), []);
    }
}
