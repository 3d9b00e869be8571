//! Every kind of source, from real files: what is read, and what is said of bad ones.

mod fetch;
