//! The files of the repository, read once for all rules.

use std::path::Path;

use anyhow::Context;

/// One file.
pub(crate) struct File {
    /// Path from the root of the repository, with `/`.
    pub(crate) path: String,
    /// Size in bytes.
    pub(crate) bytes: u64,
    /// Its text; empty if it is not UTF-8.
    pub(crate) text: String,
}

/// All files, sorted by path.
pub(crate) struct Tree {
    /// The files.
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// Reads what lies under `root` and is not ignored by the `.gitignore` there.
    ///
    /// Walking, not asking git: a file that is not added yet is checked too, and an unpacked archive can be checked.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let ignore = Ignore::parse(&std::fs::read_to_string(root.join(".gitignore")).unwrap_or_default());
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let list = root.join(&folder);
            for entry in std::fs::read_dir(&list).with_context(|| format!("cannot list `{}`", list.display()))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if ignore.matches(&path) {
                    continue;
                }
                if entry.file_type()?.is_dir() {
                    folders.push(path);
                    continue;
                }
                let contents = std::fs::read(entry.path()).with_context(|| format!("cannot read `{path}`"))?;
                let bytes = contents.len() as u64;
                files.push(File { path, bytes, text: String::from_utf8(contents).unwrap_or_default() });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// A tree for tests.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file =
            |(path, text): &(&str, &str)| File { path: (*path).into(), bytes: text.len() as u64, text: (*text).into() };
        Self { files: files.iter().map(file).collect() }
    }

    /// The Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The file at `path`.
    pub(crate) fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether a file or folder is at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.iter().any(|file| file.path == path || starts_with_folder(&file.path, path))
    }

    /// Whether the path of some file or folder ends in `path`, whole names only: `nn/loss` for `a/nn/loss/b.rs`.
    pub(crate) fn has_ending(&self, path: &str) -> bool {
        let inside = format!("/{}/", path.trim_matches('/'));
        self.files.iter().any(|file| format!("/{}/", file.path).contains(&inside))
    }
}

impl File {
    /// The folder of `crates/` that it lies in.
    pub(crate) fn crate_name(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Whether the whole file is a test, a bench or an example.
    pub(crate) fn is_test(&self) -> bool {
        let (folders, name) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        name == "tests.rs" || folders.split('/').any(|folder| matches!(folder, "tests" | "benches" | "examples"))
    }
}

fn starts_with_folder(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The patterns of a `.gitignore`, as far as this repository uses them: `/path`, `name`, `name/`, `*.ending`.
struct Ignore(Vec<String>);

impl Ignore {
    fn parse(text: &str) -> Self {
        let patterns = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(patterns.map(|line| line.trim_end_matches('/').to_owned()).collect())
    }

    fn matches(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        path == ".git"
            || self.0.iter().any(|pattern| match (pattern.strip_prefix('/'), pattern.strip_prefix('*')) {
                (Some(from_root), _) => path == from_root,
                (None, Some(ending)) => name.ends_with(ending),
                (None, None) => name == pattern,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_ignores_is_left_out() {
        let ignore = Ignore::parse("# built\n/target\n/bench/.venv\n*.profraw\n__pycache__/\n");
        for ignored in [".git", "target", "bench/.venv", "a/b.profraw", "bench/__pycache__"] {
            assert!(ignore.matches(ignored), "{ignored}");
        }
        for kept in ["crates/target", ".gitignore", "a/profraw", "bench"] {
            assert!(!ignore.matches(kept), "{kept}");
        }
    }

    #[test]
    fn paths_are_found_whole_or_by_their_end() {
        let tree = Tree::of(&[("crates/a/src/nn/loss/hinge.rs", "")]);
        assert!(tree.has("crates/a/src/") && tree.has("crates/a/src/nn/loss/hinge.rs"));
        assert!(!tree.has("crates/a/sr") && !tree.has("nn/loss"));
        assert!(tree.has_ending("nn/loss/") && tree.has_ending("loss/hinge.rs"));
        assert!(!tree.has_ending("n/loss") && !tree.has_ending("loss/minimax.rs"));
    }

    #[test]
    fn a_file_knows_its_crate_and_whether_it_is_a_test() {
        let tree = Tree::of(&[("crates/a/src/lib.rs", ""), ("crates/a/tests/b.rs", ""), ("crates/a/src/tests.rs", "")]);
        assert_eq!(tree.files[0].crate_name(), Some("a"));
        assert_eq!(tree.files.iter().map(File::is_test).collect::<Vec<_>>(), [false, true, true]);
    }
}
