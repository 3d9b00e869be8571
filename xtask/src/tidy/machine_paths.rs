//! No file names a folder that only one machine has.

use super::Finding;
use crate::tree::Tree;

/// Folders at the root of a disk, under which people and machines keep what is theirs.
const ROOTS: &[&str] = &["home", "root", "work", "farm", "Users"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| !file.path.ends_with(".lock")) {
        for (number, line) in (1..).zip(file.text.lines()) {
            if let Some(path) = machine_path(line) {
                let hint = "take it from an argument or a variable, or write it relative to the repository";
                findings.push(Finding::new(file, number, format!("a path of one machine: `{path}`"), hint));
            } else if file.path.ends_with(".rs") && find_root(line, "tmp").is_some() {
                let hint = "use `tempfile`: two runs at once must not share a folder";
                findings.push(Finding::new(file, number, "a fixed temporary path", hint));
            }
        }
    }
    findings
}

/// The beginning of the first such path in `line`.
fn machine_path(line: &str) -> Option<&str> {
    ROOTS.iter().find_map(|root| find_root(line, root)).or_else(|| {
        let drive = line.match_indices(":\\").find(|(at, _)| {
            let mut before = line[..*at].chars().rev();
            before.next().is_some_and(|c| c.is_ascii_uppercase()) && !before.next().is_some_and(|c| c.is_alphanumeric())
        });
        drive.map(|(at, found)| &line[at - 1..at + found.len()])
    })
}

/// The folder `root` where a path begins with it, not in the middle as in `a/root/b`.
fn find_root<'a>(line: &'a str, root: &str) -> Option<&'a str> {
    let path = format!("/{root}/");
    let mut places = line.match_indices(&path);
    let (at, found) = places.find(|(at, _)| {
        let before = line[..*at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | '>' | '~' | '*'))
    })?;
    Some(&line[at..at + found.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_found_where_a_path_begins() {
        for root in ROOTS {
            assert!(machine_path(&format!("see \"/{root}/me/x\"")).is_some(), "{root}");
            assert_eq!(machine_path(&format!("see a/{root}/b, ../{root}/b, {{x}}/{root}/b")), None, "{root}");
        }
        assert_eq!(machine_path("a relative work/shared, or /workshop/"), None);
    }

    #[test]
    fn drives_are_found() {
        assert_eq!(machine_path(&format!("open {}{}Users", "C:", '\\')).map(str::len), Some(3));
        assert_eq!(machine_path("a line\\n:\\n b"), None);
    }

    #[test]
    fn temporary_folders_are_found_in_code_only() {
        let text = format!("let a = \"/{}/run\";", "tmp");
        let count = |path| check(&Tree::of(&[(path, &text)])).len();
        assert_eq!((count("a.rs"), count("a.md")), (1, 0));
    }
}
