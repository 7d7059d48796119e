//! Go's regular expressions on Rust's engine: a pattern in RE2 syntax, as Go's `regexp` reads it, is parsed and
//! written down again in the engine's own syntax, so that a matcher written for Prometheus selects the same series
//! here. Linear time, bounded size.
//!
//! The two syntaxes look alike and differ in what they mean: ASCII `\d \w \s \b` here, Unicode there; `[a&&b]` is a
//! list of characters here, an intersection there; `\Q…\E`, octal escapes, a lone `{`, `(?i)*`. Therefore nothing of
//! a pattern is passed through: only what the parser understood is written. What Go refuses is refused in Go's words
//! (`error parsing regexp: missing closing ): …`), with the byte offset of the offending part.
//!
//! Known differences from Go: nesting ends at 200 levels instead of 1000, a compiled pattern at 4 MiB; Unicode
//! tables are the engine's (a newer version than Go's, so a few more letters, and all scripts' names are known);
//! a name that a group can't have in the engine (a repeated one, or one that begins with a digit) is dropped; a group
//! inside `{0}` isn't counted. All else is checked against Go's answers (`testdata/go.jsonl`).

mod ast;
mod class;
mod compile;
mod emit;
mod error;
mod literals;
mod parse;
mod replace;

pub use compile::{compile, compile_anchored};
pub use error::Error;
pub use literals::literal_alternatives;
pub use replace::{expand, replace_all};

#[cfg(test)]
mod tests;
