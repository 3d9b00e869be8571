//! `cargo xtask tidy`: the rules of this repository that no compiler knows. It reads files and builds nothing.
//!
//! A rule is a function from the files to findings, in a file of its own, with tests on made-up files.

mod dependencies;
mod documents;
mod families;
mod front_ends;
mod headers;
mod machine_paths;
mod pure_models;
mod size;
mod unfinished;

use std::path::Path;

use anyhow::ensure;

use crate::tree::{File, Tree};

/// A rule.
struct Rule {
    name: &'static str,
    summary: &'static str,
    check: fn(&Tree) -> Vec<Finding>,
}

/// Every rule, in the order in which findings are shown.
const RULES: &[Rule] = &[
    Rule {
        name: "dependencies",
        summary: "crates depend on each other one way only, and take the workspace's lints",
        check: dependencies::check,
    },
    Rule {
        name: "front-ends",
        summary: "only galatea-cli and xtask print, exit or use anyhow",
        check: front_ends::check,
    },
    Rule {
        name: "pure-models",
        summary: "models touch no file, clock, terminal or environment",
        check: pure_models::check,
    },
    Rule { name: "families", summary: "no crate after galatea-models names a family", check: families::check },
    Rule {
        name: "headers",
        summary: "files of families, losses and metrics name their paper and what differs",
        check: headers::check,
    },
    Rule { name: "size", summary: "Rust files have at most 600 lines, all files at most 2 MB", check: size::check },
    Rule { name: "unfinished", summary: "nothing is left open or ignored", check: unfinished::check },
    Rule { name: "machine-paths", summary: "no file names a folder of one machine", check: machine_paths::check },
    Rule {
        name: "documents",
        summary: "the documents name files, links and commands that exist",
        check: documents::check,
    },
];

/// Something that breaks a rule.
#[derive(Debug, PartialEq)]
struct Finding {
    path: String,
    /// From 1; 0 for the file as a whole.
    line: usize,
    /// What is wrong.
    problem: String,
    /// What to do.
    hint: String,
}

impl Finding {
    fn new(file: &File, line: usize, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, problem: problem.into(), hint: hint.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, line, problem, hint } = self;
        match line {
            0 => write!(f, "{path}: {problem}\n  hint: {hint}"),
            _ => write!(f, "{path}:{line}: {problem}\n  hint: {hint}"),
        }
    }
}

/// An exception to a rule: a word that a file may use, and why.
struct Allowed {
    path: &'static str,
    word: &'static str,
    reason: &'static str,
}

/// Whether `list` lets `file` use `word`.
fn is_allowed(list: &[Allowed], file: &File, word: &str) -> bool {
    list.iter().any(|allowed| allowed.path == file.path && allowed.word.eq_ignore_ascii_case(word))
}

/// Findings for exceptions that give no reason, or whose file has gone.
fn stale(list: &[Allowed], tree: &Tree, rule: &str) -> Vec<Finding> {
    let wrong = list.iter().filter(|allowed| allowed.reason.is_empty() || !tree.has(allowed.path));
    wrong
        .map(|allowed| Finding {
            path: format!("xtask/src/tidy/{rule}.rs"),
            line: 0,
            problem: format!("the exception for `{}` in `{}` has no reason or no file", allowed.word, allowed.path),
            hint: "give a reason, or take the exception out".into(),
        })
        .collect()
}

/// Checks every rule.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let tree = Tree::read(root)?;
    let mut findings = 0;
    for rule in RULES {
        for finding in (rule.check)(&tree) {
            println!("{finding}\n  rule: {}, {}", rule.name, rule.summary);
            findings += 1;
        }
    }
    println!("tidy: {} rules, {} files, {findings} findings", RULES.len(), tree.files.len());
    ensure!(findings == 0, "{findings} findings");
    Ok(())
}

/// Prints the rules.
pub(crate) fn list() {
    for rule in RULES {
        println!("{:14} {}", rule.name, rule.summary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_place_and_remedy() {
        let tree = Tree::of(&[("a.rs", "")]);
        let finding = |line| Finding::new(&tree.files[0], line, "too long", "split it").to_string();
        assert_eq!(finding(7), "a.rs:7: too long\n  hint: split it");
        assert_eq!(finding(0), "a.rs: too long\n  hint: split it");
    }

    #[test]
    fn an_exception_needs_a_file_and_a_reason() {
        let tree = Tree::of(&[("a.rs", "")]);
        let list = [
            Allowed { path: "a.rs", word: "x", reason: "good" },
            Allowed { path: "b.rs", word: "x", reason: "good" },
            Allowed { path: "a.rs", word: "y", reason: "" },
        ];
        assert!(is_allowed(&list, &tree.files[0], "X") && !is_allowed(&list, &tree.files[0], "z"));
        assert_eq!(stale(&list, &tree, "rule").len(), 2);
    }

    #[test]
    fn every_rule_passes_a_repository_without_files() {
        for rule in RULES {
            assert_eq!((rule.check)(&Tree::of(&[])), [], "{}", rule.name);
        }
    }
}
