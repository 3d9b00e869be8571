//! Nothing is left open: what is missing is an error message or an issue, and every test runs.

use super::Finding;
use super::front_ends::has_word;
use crate::rust;
use crate::tree::Tree;

// In two halves, so that this file does not find itself.
const MARKS: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X")];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !file.path.ends_with(".lock")) {
        for (number, text) in (1..).zip(file.text.lines()) {
            for mark in MARKS.iter().filter(|mark| has_word(text, mark)) {
                let hint = "do it now, or write down in an issue what is missing";
                findings.push(Finding::new(file, number, format!("`{mark}`"), hint));
            }
        }
    }
    for file in tree.rust() {
        for line in rust::lines(&file.text) {
            for word in ["todo!", "unimplemented!"] {
                if has_word(&line.code, word) {
                    let hint = "write it, or return an error that says what is not supported";
                    findings.push(Finding::new(file, line.number, format!("`{word}`"), hint));
                }
            }
            if ignores_a_test(&line.code) {
                let hint = "make the test small enough to run always; one that needs `GALATEA_DATA` returns early \
                            without it";
                findings.push(Finding::new(file, line.number, "an ignored test", hint));
            }
        }
    }
    findings
}

/// `#[ignore]`, with or without a reason, also inside `cfg_attr`.
fn ignores_a_test(code: &str) -> bool {
    let code = code.trim_start();
    code.starts_with("#[ignore") || (code.starts_with("#[cfg_attr(") && has_word(code, "ignore"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, text)])).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn open_ends_are_found_in_tests_too() {
        let text = "// todo!() is banned\ntodo!();\n#[cfg(test)]\nmod tests {\n    unimplemented!()\n}\n";
        assert_eq!(lines("a.rs", text), [2, 5]);
    }

    #[test]
    fn ignored_tests_are_found() {
        let text =
            "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[cfg_attr(windows, ignore)]\nfn b() {}\n#[serde(ignore)]\n";
        assert_eq!(lines("a.rs", text), [2, 4]);
    }

    #[test]
    fn marks_are_found_in_any_text() {
        for mark in MARKS {
            assert_eq!(lines("a.md", &format!("fine\nthis: {mark} later\n{mark}L is fine")), [2], "{mark}");
        }
    }
}
