//! The galatea program.
fn main() {}
