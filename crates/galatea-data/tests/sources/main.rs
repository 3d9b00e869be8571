//! Every kind of source, from real files: what is read, and what is said of bad ones.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of tests are tests")]

mod fetch;
mod folder;
mod idx;
mod music;
mod npy;
mod real;
mod table;
mod text;

use std::{path::Path, sync::Arc};

use galatea_data::{DataOptions, Dataset, open};

fn opened(path: &Path, options: &DataOptions) -> Arc<dyn Dataset> {
    open(path.to_str().unwrap(), options).unwrap_or_else(|error| panic!("{error} | {:?}", error.hint()))
}

/// The message and the hint of a source that cannot be opened; both obey the rules for messages.
fn refusal(path: &Path, options: &DataOptions) -> String {
    let error = open(path.to_str().unwrap(), options).err().expect("this is refused");
    let text = format!("{error} | {}", error.hint().expect("there is a hint"));
    assert!(!text.ends_with('.') && !text.contains(". |"), "{text}");
    text
}
