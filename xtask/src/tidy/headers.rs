//! The file of a family, loss, penalty, remedy or metric says which paper it implements and what it does otherwise.

use super::Finding;
use crate::tree::{File, Tree};

/// How the lines of the header begin.
const LINES: &[(&str, &str)] = &[
    (
        "//! Paper: ",
        "authors, year, title, identifier and section, as in `//! Paper: Lim and Ye 2017, \"Geometric GAN\", arXiv:1705.02894`",
    ),
    ("//! Differs: ", "what this file does otherwise than the paper, or `in nothing`"),
];

/// Folders in which every file needs them, but for those that share parts.
const FOLDERS: &[(&str, &[&str])] = &[
    ("crates/galatea-models/src/families", &["mod.rs"]),
    ("crates/galatea-models/src/nn/loss", &["mod.rs"]),
    ("crates/galatea-models/src/nn/penalty", &["mod.rs"]),
    ("crates/galatea-models/src/nn/remedy", &["crowd.rs", "mod.rs"]),
    (
        "crates/galatea-metrics/src",
        &[
            "error.rs",
            "evaluate.rs",
            "features.rs",
            "gauge.rs",
            "lib.rs",
            "metric.rs",
            "neighbours.rs",
            "order.rs",
            "points.rs",
            "products.rs",
            "progress.rs",
            "report.rs",
            "windows.rs",
        ],
    ),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| needs_header(file)) {
        let header: Vec<&str> = file.text.lines().take_while(|line| line.starts_with("//!")).collect();
        for (begin, what) in LINES {
            if !header.iter().any(|line| line.len() > begin.len() && line.starts_with(begin)) {
                let problem = format!("the header has no line that begins with `{}`", begin.trim_end());
                let hint = format!("add {what}; a file of shared parts is listed in xtask/src/tidy/headers.rs");
                findings.push(Finding::new(file, 1, problem, hint));
            }
        }
    }
    findings
}

/// Whether the file holds a family, a loss, a penalty, a remedy or a metric.
fn needs_header(file: &File) -> bool {
    let Some((folder, name)) = file.path.rsplit_once('/').filter(|_| !file.is_test()) else { return false };
    FOLDERS.iter().any(|(with_headers, shared)| *with_headers == folder && !shared.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "//! A loss.\n//!\n//! Paper: A, 2014, B, arXiv 1.\n//! Differs: nothing.\n\nuse a;\n";

    fn count(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text)])).len()
    }

    #[test]
    fn both_lines_are_needed() {
        let path = "crates/galatea-models/src/nn/loss/hinge.rs";
        assert_eq!(count(path, GOOD), 0);
        assert_eq!(count(path, &GOOD.replace("Paper", "By")), 1);
        assert_eq!(count(path, &GOOD.replace("Differs: nothing.", "Differs: ")), 1);
        assert_eq!(count(path, "//! A loss.\n\n//! Paper: too late\n"), 2);
    }

    #[test]
    fn only_files_of_families_losses_and_metrics_need_them() {
        assert_eq!(count("crates/galatea-models/src/families/vae.rs", ""), 2);
        assert_eq!(count("crates/galatea-models/src/families/mod.rs", ""), 0);
        assert_eq!(count("crates/galatea-models/src/nn/ema.rs", ""), 0);
        assert_eq!(count("crates/galatea-metrics/src/fid.rs", ""), 2);
        assert_eq!(count("crates/galatea-metrics/src/features.rs", ""), 0);
        assert_eq!(count("crates/galatea-metrics/tests/golden.rs", ""), 0);
    }
}
