//! Files that a reader can take in, and a repository that is quick to clone.

use super::Finding;
use crate::tree::Tree;

const MOST_LINES: usize = 600;
const MOST_BYTES: u64 = 2_000_000;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        let lines = file.text.lines().count();
        if file.path.ends_with(".rs") && lines > MOST_LINES {
            let problem = format!("{lines} lines, more than {MOST_LINES}");
            findings.push(Finding::new(file, MOST_LINES + 1, problem, "split it by subject"));
        }
        if file.bytes > MOST_BYTES {
            let problem = format!("{} bytes, more than {MOST_BYTES}", file.bytes);
            findings.push(Finding::new(file, 0, problem, "make it smaller, or fetch it when it is needed"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rust_files_are_found() {
        let tree = Tree::of(&[("a.rs", &"\n".repeat(600)), ("b.rs", &"\n".repeat(601)), ("c.md", &"\n".repeat(601))]);
        let found = check(&tree);
        assert_eq!((found.len(), &*found[0].path, found[0].line), (1, "b.rs", 601));
    }

    #[test]
    fn big_files_are_found() {
        let mut tree = Tree::of(&[("a.bin", ""), ("b.bin", "")]);
        tree.files[0].bytes = 2_000_000;
        tree.files[1].bytes = 2_000_001;
        let found = check(&tree);
        assert_eq!((found.len(), &*found[0].path), (1, "b.bin"));
    }
}
