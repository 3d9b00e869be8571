//! Crates after galatea-models name no family: they loop over the registry, so that a new family needs no change there.

use super::{Allowed, Finding};
use crate::rust;
use crate::tree::{File, Tree};

const FOLDER: &str = "crates/galatea-models/src/families/";
const LATER: &[&str] = &["galatea-train", "galatea-metrics", "galatea", "galatea-studio", "galatea-cli"];

pub(super) const MAY_NAME: &[Allowed] = &[
    Allowed {
        path: "crates/galatea/src/request.rs",
        text: "const DEFAULT_FAMILY: ",
        reason: "`train` without arguments must train something",
    },
    Allowed {
        path: "crates/galatea-cli/src/args.rs",
        text: "galatea ",
        reason: "commands in help texts, which teach by examples",
    },
    Allowed {
        path: "crates/galatea-metrics/src/features/own.rs",
        text: "ncoder",
        reason: "features that are trained unasked are the network of a family",
    },
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let families: Vec<&str> = tree.files.iter().filter_map(family).collect();
    let mut findings = Vec::new();
    let later = |file: &&File| file.crate_name().is_some_and(|name| LATER.contains(&name));
    for file in tree.rust().filter(later).filter(|file| !file.is_test()) {
        for line in rust::shipped(&file.text) {
            if MAY_NAME.iter().any(|allowed| allowed.covers(file, line.number)) {
                continue;
            }
            let named = rust::words(&line.code).chain(rust::words(&line.text));
            let mut named: Vec<&str> =
                named.filter(|word| families.iter().any(|family| family.eq_ignore_ascii_case(word))).collect();
            named.dedup();
            for word in named {
                let hint = "ask the registry (`FAMILIES`, `family(name)`, `info()`), or give `Info`, `Session` or \
                            `Ability` what is missing; for an exception see xtask/src/tidy/families.rs";
                findings.push(Finding::new(file, line.number, format!("the family `{word}` is named"), hint));
            }
        }
    }
    findings
}

/// The family whose file it is.
fn family(file: &File) -> Option<&str> {
    let name = file.path.strip_prefix(FOLDER)?;
    // A family that outgrew one file is a folder with the shared name.
    let name = name.split(['/', '.']).next()?;
    (name != "mod").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<(usize, String)> {
        let family = |name| format!("{FOLDER}{name}.rs");
        let tree = Tree::of(&[(&family("gan"), ""), (&family("mod"), ""), (path, text)]);
        check(&tree).into_iter().map(|finding| (finding.line, finding.problem)).collect()
    }

    #[test]
    fn words_in_code_and_text_count() {
        let text = "// a gan\nlet a = \"train gan now\";\nuse families::gan::Gan;\nlet organ = \"slogan\"; mod mod_;";
        let found = problems("crates/galatea-train/src/lib.rs", text);
        let expected = [(2, "gan"), (3, "gan"), (3, "Gan")];
        assert_eq!(found, expected.map(|(line, word)| (line, format!("the family `{word}` is named"))));
    }

    #[test]
    fn the_default_may_be_named_in_its_line() {
        let Allowed { path, text, .. } = MAY_NAME[0];
        let text = format!("{text}&str = \"gan\";\nlet a = \"gan\";");
        assert_eq!(problems(path, &text).iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn models_and_tests_may() {
        let text = "let a = \"gan\";";
        assert_eq!(problems("crates/galatea-models/src/registry.rs", text), []);
        assert_eq!(problems("crates/galatea-cli/tests/cli.rs", text), []);
        assert_eq!(problems("crates/galatea-cli/src/main.rs", "#[test]\nfn a() { b(\"gan\") }"), []);
    }
}
