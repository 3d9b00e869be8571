//! Only the front ends print, exit or use `anyhow`: a library reports errors of its own type and leaves the terminal,
//! and the life of the process, to its caller.

use super::Finding;
use super::dependencies::dependencies;
use crate::rust;
use crate::tree::Tree;

const FRONT_ENDS: &[&str] = &["galatea-cli"];

const FORBIDDEN: &[(&str, &str)] = &[
    ("print!", "return the value, or emit an event"),
    ("println!", "return the value, or emit an event"),
    ("eprint!", "return an error, or emit an event"),
    ("eprintln!", "return an error, or emit an event"),
    ("dbg!", "take it out"),
    ("process::exit", "return an error and let the program choose the exit code"),
    ("process::abort", "return an error and let the program choose the exit code"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let library = |name: &str| !FRONT_ENDS.contains(&name);
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.crate_name().is_some_and(library)) {
        if file.path.ends_with("/Cargo.toml") {
            for (line, name) in dependencies(&file.text) {
                if name == "anyhow" {
                    let hint = "add a variant to the crate's `Error`";
                    findings.push(Finding::new(file, line, "a library depends on `anyhow`", hint));
                }
            }
        }
        // A build script speaks to cargo by printing.
        if !file.path.ends_with(".rs") || file.is_test() || file.path.ends_with("/build.rs") {
            continue;
        }
        for line in rust::shipped(&file.text) {
            for (word, hint) in FORBIDDEN.iter().filter(|(word, _)| has_word(&line.code, word)) {
                findings.push(Finding::new(file, line.number, format!("a library uses `{word}`"), *hint));
            }
        }
    }
    findings
}

/// Whether `word` stands in `code` and is not the end of a longer one, as `print!` is of `eprint!`.
pub(super) fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !in_word(before) && (word.ends_with(['!', ':', '(']) || !in_word(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn libraries_are_silent() {
        let text =
            "//! println!(\"doc\")\nprintln!(\"a\");\nlet a = \"println!\";\nstd::process::exit(1);\nreprint!();";
        assert_eq!(lines("crates/galatea-train/src/lib.rs", text), [2, 4]);
        assert_eq!(lines("crates/galatea-cli/src/main.rs", text), [0; 0]);
        assert_eq!(lines("xtask/src/main.rs", text), [0; 0]);
    }

    #[test]
    fn one_finding_per_word() {
        assert_eq!(lines("crates/galatea/src/lib.rs", "eprintln!();"), [1]);
    }

    #[test]
    fn tests_examples_and_build_scripts_may_print() {
        let text = "println!();";
        for path in ["crates/galatea/examples/a.rs", "crates/galatea/tests/a.rs", "crates/galatea/build.rs"] {
            assert_eq!(lines(path, text), [0; 0], "{path}");
        }
        assert_eq!(lines("crates/galatea/src/lib.rs", "#[cfg(test)]\nmod tests { fn a() { println!(); } }"), [0; 0]);
    }

    #[test]
    fn libraries_have_errors_of_their_own() {
        let text = "[dependencies]\nanyhow.workspace = true";
        assert_eq!(lines("crates/galatea/Cargo.toml", text), [2]);
        assert_eq!(lines("crates/galatea-cli/Cargo.toml", text), [0; 0]);
    }
}
