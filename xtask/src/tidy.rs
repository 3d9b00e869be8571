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
    Rule { name: "exceptions", summary: "every exception to these rules is still needed", check: check_exceptions },
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

/// An exception to a rule, and why: the lines of a file that have `text` in them.
struct Allowed {
    path: &'static str,
    text: &'static str,
    reason: &'static str,
}

impl Allowed {
    /// Whether this lets line `number` of `file` be.
    fn covers(&self, file: &File, number: usize) -> bool {
        self.path == file.path && file.text.lines().nth(number - 1).is_some_and(|line| line.contains(self.text))
    }
}

fn check_exceptions(tree: &Tree) -> Vec<Finding> {
    unused(families::MAY_NAME, tree)
}

/// Findings for exceptions that nothing needs any more.
fn unused(list: &[Allowed], tree: &Tree) -> Vec<Finding> {
    let needed = |allowed: &&Allowed| tree.get(allowed.path).is_some_and(|file| file.text.contains(allowed.text));
    let gone = list.iter().filter(|allowed| !needed(allowed));
    gone.map(|allowed| Finding {
        path: allowed.path.into(),
        line: 0,
        problem: format!("there is an exception for `{}` ({}), which is gone", allowed.text, allowed.reason),
        hint: "take it out of the list in xtask/src/tidy/".into(),
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
    fn an_exception_is_for_some_lines_of_one_file() {
        let tree = Tree::of(&[("a.rs", "const A: u8 = 1;\nconst B: u8 = 1;"), ("b.rs", "")]);
        let allowed = |path| Allowed { path, text: "const A:", reason: "it is good" };
        assert!(allowed("a.rs").covers(&tree.files[0], 1) && !allowed("a.rs").covers(&tree.files[0], 2));
        assert!(!allowed("a.rs").covers(&tree.files[1], 1));
        assert_eq!(unused(&[allowed("a.rs"), allowed("b.rs"), allowed("c.rs")], &tree).len(), 2);
    }

    #[test]
    fn names_of_rules_are_distinct() {
        let names: std::collections::HashSet<&str> = RULES.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), RULES.len());
    }
}
