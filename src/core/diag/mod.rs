//! Diagnostics: what is wrong in a text that a person wrote, where, what was expected, and what to do.
//!
//! Parsers and checkers return *all* problems of one run as [`Diagnostic`]s. One diagnostic renders three ways:
//! for a terminal with the source line and a caret, on one greppable line, and as JSON with the same fields.
//! This module knows nothing of what it reports on.

mod codes;
mod render;
mod suggest;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use codes::{CODES, Code, explain};
pub use render::{render_json, render_line, render_terminal};
pub use suggest::nearest;

/// A half-open range of byte offsets into one [`SourceText`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The range `start..end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest span that covers both.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    /// The same range moved right by `by` bytes.
    pub fn shift(self, by: usize) -> Self {
        Self { start: self.start + by, end: self.end + by }
    }
}

/// A named text that spans point into: a file as read, or a string from elsewhere (`<query>`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceText {
    /// How the text is called in messages: the path as the user gave it.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

impl SourceText {
    /// Names a text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Arc<Self> {
        Arc::new(Self { name: name.into(), text: text.into() })
    }

    /// Line and column, both from 1; the column counts characters. Offsets past the end give the end.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// How bad it is. Only an error makes a file unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Works, but probably not as meant.
    Warning,
    /// The text can't be used.
    Error,
}

/// One problem in one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub level: Level,
    /// Stable kind, lower-case with hyphens: `unknown-key`, `promql-syntax`.
    pub code: &'static str,
    /// What is wrong, readable alone: a lower-case fragment without full stop.
    pub message: String,
    /// The text and the place in it; without one the problem is of the whole run.
    pub place: Option<(Arc<SourceText>, Span)>,
    /// Said under the caret: what was expected here.
    pub label: String,
    /// Where it belongs, for files of many parts: ``alert `SpreadTooWide` in group `feeds` ``.
    pub context: String,
    /// What to do about it.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(
        code: &'static str,
        message: impl Into<String>,
        source: &Arc<SourceText>,
        span: Span,
    ) -> Self {
        Self {
            level: Level::Error,
            code,
            message: message.into(),
            place: Some((Arc::clone(source), span)),
            label: String::new(),
            context: String::new(),
            hints: Vec::new(),
        }
    }

    /// A warning at a place.
    pub fn warning(
        code: &'static str,
        message: impl Into<String>,
        source: &Arc<SourceText>,
        span: Span,
    ) -> Self {
        Self { level: Level::Warning, ..Self::error(code, message, source, span) }
    }

    /// An error of the run as a whole (a file that can't be read).
    pub fn global(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            code,
            message: message.into(),
            place: None,
            label: String::new(),
            context: String::new(),
            hints: Vec::new(),
        }
    }

    /// Adds what is said under the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds where it belongs.
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.context = context.into();
        self
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// Whether any of them is an error.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.level == Level::Error)
}

/// An error with all its causes, from the outside in: `can't save: disk full`.
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
