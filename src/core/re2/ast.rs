//! The syntax tree of a pattern. Flags are resolved while parsing: each node says itself whether it folds case,
//! matches newlines or is lazy, so that nothing depends on where a node stands.

use super::class::Class;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// Matches the empty string.
    Empty,
    /// A run of characters; `fold`: in any case.
    Literal {
        text: String,
        fold: bool,
    },
    /// A lone surrogate, which Go allows to write: no text contains it.
    Never,
    Class {
        class: Class,
        fold: bool,
    },
    /// `.`
    Any {
        newline: bool,
    },
    Look(Look),
    Repeat {
        node: Box<Node>,
        min: u32,
        max: Option<u32>,
        greedy: bool,
    },
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    /// A capturing group.
    Capture {
        node: Box<Node>,
        name: Option<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordBoundary,
    NotWordBoundary,
}
