//! YAML as a tree with spans: every key and scalar remembers where it stands and how it was quoted, so that a
//! checker can report all problems of a file at once, with line and column, even inside folded scalars.
//!
//! YAML 1.1 habits of go-yaml that people's files rely on are kept: `<<` merge keys, anchors and aliases (bounded),
//! a byte-order mark, `yes`/`on` for booleans where a boolean is asked for. Duplicate keys are errors.

use std::sync::Arc;

use crate::diag::{SourceText, Span};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Its bytes in the source; for a block scalar those of its content.
    pub span: Span,
}

/// A YAML value. Scalars are text until somebody asks for a type.
#[derive(Debug, Clone)]
pub enum Value {
    /// `null`, `~`, or nothing.
    Null,
    /// A scalar.
    Scalar(Scalar),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping in order of appearance, merge keys resolved, keys unique.
    Mapping(Vec<(Key, Node)>),
}

/// A scalar's text after unfolding and unescaping.
#[derive(Debug, Clone)]
pub struct Scalar {
    /// The text.
    pub text: Arc<str>,
    /// Whether it was written without quotes (and not as a block), so that `5` may be a number.
    pub plain: bool,
    /// Start of each byte of `text` in the source, as breakpoints `(offset in text, offset in source)`; between
    /// breakpoints bytes run in parallel. Lets an error inside the text point into the file.
    pub map: Arc<[(usize, usize)]>,
}

impl Scalar {
    /// The span in the source of a span in the text.
    pub fn locate(&self, span: Span) -> Span {
        let at = |offset: usize| match self.map.partition_point(|(t, _)| *t <= offset).checked_sub(1) {
            Some(i) => self.map[i].1 + (offset - self.map[i].0),
            None => offset,
        };
        let start = at(span.start);
        let end = if span.end > span.start { at(span.end - 1) + 1 } else { start };
        Span { start, end }
    }
}

/// A mapping's key and where it stands.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key.
    pub text: Arc<str>,
    /// Its place.
    pub span: Span,
}

/// Limits against hostile input.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Nodes after resolving aliases.
    pub nodes_max: usize,
    /// Nesting.
    pub depth_max: usize,
}

/// The source that a tree was read from goes with it.
#[derive(Debug, Clone)]
pub struct Document {
    /// The text.
    pub source: Arc<SourceText>,
    /// The tree; `Null` for an empty file.
    pub root: Node,
}
