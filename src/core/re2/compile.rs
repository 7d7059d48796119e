//! From a pattern to the engine's automaton.

use regex::{Regex, RegexBuilder};

use super::{
    emit::emit,
    error::{Error, Kind},
    parse::{Flags, parse},
};

/// Bound of one compiled pattern. Go's own bound is 3.3 million instructions; this is room for some 60 000.
const SIZE_MAX: usize = 4 << 20;
/// Bound of one pattern's lazily built states, per thread that matches with it.
const STATES_MAX: usize = 256 << 10;

/// Compiles a pattern unanchored (`match`, `reReplaceAll`).
///
/// # Errors
/// What Go's `regexp.Compile` refuses, in its words; a pattern that is too large or too deep.
pub fn compile(pattern: &str) -> Result<Regex, Error> {
    let tree = parse(pattern, Flags::default())?;
    build(pattern, &emit(&tree))
}

/// Compiles a pattern anchored at both ends, dot matching newline, as Prometheus' matchers and relabelling do
/// (`^(?s:…)$`).
///
/// # Errors
/// As [`compile`].
pub fn compile_anchored(pattern: &str) -> Result<Regex, Error> {
    let tree = parse(pattern, Flags { dot_newline: true, ..Flags::default() })?;
    build(pattern, &format!(r"\A(?:{})\z", emit(&tree)))
}

fn build(pattern: &str, translated: &str) -> Result<Regex, Error> {
    RegexBuilder::new(translated)
        .size_limit(SIZE_MAX)
        .dfa_size_limit(STATES_MAX)
        .nest_limit(2000) // the parser's own bound is stricter, in every combination of nodes
        .build()
        .map_err(|_| Error::new(Kind::Large, pattern, 0))
}
