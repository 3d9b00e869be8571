//! Models are functions of their arguments: no file, clock, terminal, environment or generator of the process.

use super::Finding;
use super::front_ends::has_word;
use crate::rust;
use crate::tree::Tree;

const FORBIDDEN: &[(&str, &str)] = &[
    ("std::fs", "hand the contents in; files are read by galatea-data and written by galatea-train"),
    ("fs::", "hand the contents in; files are read by galatea-data and written by galatea-train"),
    ("std::time", "take the step from `Turn`; the loop keeps time"),
    ("Instant", "take the step from `Turn`; the loop keeps time"),
    ("SystemTime", "take the step from `Turn`; the loop keeps time"),
    ("stdin", "take it as an argument"),
    ("stdout", "say it in `StepReport`"),
    ("stderr", "say it in `StepReport`, or return an error"),
    ("std::env", "make it a setting"),
    ("std::net", "hand the contents in"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| file.path.starts_with("crates/galatea-models/src/") && !file.is_test()) {
        for line in rust::shipped(&file.text) {
            if let Some((word, hint)) = FORBIDDEN.iter().find(|(word, _)| has_word(&line.code, word)) {
                findings.push(Finding::new(file, line.number, format!("a model uses `{word}`"), *hint));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn models_touch_nothing() {
        let text = "use std::fs;\nfs::read(x);\nlet a = Instant::now();\nwrite(std::io::stdout());\n// std::fs\n";
        assert_eq!(lines("crates/galatea-models/src/families/a.rs", text), [1, 2, 3, 4]);
        assert_eq!(lines("crates/galatea-train/src/run.rs", text), [0; 0]);
        assert_eq!(lines("crates/galatea-models/tests/golden.rs", text), [0; 0]);
    }

    #[test]
    fn longer_words_are_others() {
        assert_eq!(lines("crates/galatea-models/src/a.rs", "let instants = offsets::get(Instantaneous);"), [0; 0]);
    }
}
