//! Why a pattern is refused.

/// A pattern that RE2 refuses, or that is too large.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Why, in Go's words, one line: ``error parsing regexp: missing closing ]: `[a` ``.
    pub message: String,
    /// Where the offending part begins, in bytes from the pattern's start.
    pub offset: usize,
}

/// Go's kinds of error (`regexp/syntax` `ErrorCode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    CharRange,
    Escape,
    NamedCapture,
    PerlOp,
    RepeatOp,
    RepeatSize,
    MissingBracket,
    MissingParen,
    RepeatArgument,
    TrailingBackslash,
    UnexpectedParen,
    Nesting,
    Large,
}

impl Kind {
    const fn text(self) -> &'static str {
        match self {
            Self::CharRange => "invalid character class range",
            Self::Escape => "invalid escape sequence",
            Self::NamedCapture => "invalid named capture",
            Self::PerlOp => "invalid or unsupported Perl syntax",
            Self::RepeatOp => "invalid nested repetition operator",
            Self::RepeatSize => "invalid repeat count",
            Self::MissingBracket => "missing closing ]",
            Self::MissingParen => "missing closing )",
            Self::RepeatArgument => "missing argument to repetition operator",
            Self::TrailingBackslash => "trailing backslash at end of expression",
            Self::UnexpectedParen => "unexpected )",
            Self::Nesting => "expression nests too deeply",
            Self::Large => "expression too large",
        }
    }
}

impl Error {
    /// Longer fragments are cut in the message, since a pattern may be a megabyte.
    const FRAGMENT_MAX: usize = 300;

    pub(super) fn new(kind: Kind, fragment: &str, offset: usize) -> Self {
        let mut end = fragment.len().min(Self::FRAGMENT_MAX);
        while !fragment.is_char_boundary(end) {
            end -= 1;
        }
        let dots = if end < fragment.len() { "…" } else { "" };
        let message = format!("error parsing regexp: {}: `{}{dots}`", kind.text(), &fragment[..end]);
        Self { message, offset }
    }
}
