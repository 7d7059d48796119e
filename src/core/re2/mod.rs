//! Go's regular expressions on Rust's engine: a pattern in RE2 syntax is rewritten where the two differ, so that a
//! matcher written for Prometheus selects the same series here. Linear time, bounded size.

/// A pattern that RE2 refuses, or that is too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Why, in the words of the engine, one line.
    pub message: String,
}

/// Compiles a pattern unanchored (`match`, `reReplaceAll`).
pub fn compile(pattern: &str) -> Result<regex::Regex, Error> {
    build(pattern)
}

/// Compiles a pattern anchored at both ends, dot matching newline, as Prometheus' matchers and relabelling do.
pub fn compile_anchored(pattern: &str) -> Result<regex::Regex, Error> {
    compile(pattern)?; // so that an unbalanced parenthesis can't close the anchor's group
    build(&format!("^(?s:{pattern})$"))
}

fn build(pattern: &str) -> Result<regex::Regex, Error> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 18)
        .build()
        .map_err(|e| Error { message: e.to_string().lines().last().unwrap_or_default().to_owned() })
}
