//! YAML as a tree with spans: every key and scalar remembers where it stands and how it was quoted, so that a
//! checker can report all problems of a file at once, with line and column, even inside folded scalars.
//!
//! YAML 1.1 habits of go-yaml that people's files rely on are kept: `<<` merge keys, anchors and aliases (bounded),
//! a byte-order mark, `yes`/`on` for booleans where a boolean is asked for. Duplicate keys are errors.
//!
//! [`parse`] makes the tree, [`Reader`] and [`Fields`] read typed values out of it. What a file's keys mean is
//! known to the callers (`rules`, `config`), not here; nothing here reads files or expands variables.

mod marks;
mod parse;
mod read;
mod scalar;
mod syntax;
#[cfg(test)]
mod tests;
mod tree;

pub use parse::parse;
pub use read::{Fields, Reader, Spanned, check_url};
pub use scalar::{parse_bool, parse_float, parse_go_duration, parse_int};
pub use tree::{Document, Key, Limits, Node, Scalar, Value};
