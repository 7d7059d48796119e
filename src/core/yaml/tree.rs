//! The tree.

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
        Span { start, end: end.max(start) }
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

impl Limits {
    /// For files on disk that their owner wrote: room for some 100 000 rules.
    pub const FILE: Self = Self { nodes_max: 2_000_000, depth_max: 64 };
}

/// The source that a tree was read from goes with it.
#[derive(Debug, Clone)]
pub struct Document {
    /// The text.
    pub source: Arc<SourceText>,
    /// The tree; `Null` for an empty file.
    pub root: Node,
    /// Values that are no YAML and are reported already; in the tree stands a filler, which is not to be judged.
    pub broken: Vec<Span>,
}

impl Node {
    /// What it is, in words for messages: ``the text `5s` ``, `a list`, `nothing`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Scalar(s) if s.plain && super::parse_float(&s.text).is_some() => {
                format!("the number {}", s.text)
            }
            Value::Scalar(s) if s.text.is_empty() => "an empty text".to_owned(),
            Value::Scalar(s) => {
                let mut short: String =
                    s.text.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect();
                if s.text.chars().nth(40).is_some() {
                    short.push('…');
                }
                format!("the text `{short}`")
            }
        }
    }

    /// Whether it is `null` or nothing.
    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(s) => Some(s),
            _ => None,
        }
    }
}
