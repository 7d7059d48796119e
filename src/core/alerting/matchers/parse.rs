//! The choice between the two grammars.

use crate::{diag::Span, model::Matcher};

use super::{classic, print::print_list, utf8};

/// Which grammar to hold to (Alertmanager's `--enable-feature`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The UTF-8 grammar; where it fails or both differ, the classic one with a warning.
    #[default]
    Fallback,
    /// `utf8-strict-mode`.
    Utf8,
    /// `classic-mode`.
    Classic,
}

/// Why a text is no list of matchers, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The offending range, in bytes of the text given to the parser.
    pub span: Span,
    /// What is wrong.
    pub message: String,
}

impl Error {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

/// Something to tell the author although the text is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Only the classic grammar takes it; so written, both do.
    ClassicOnly {
        /// The same matchers in the UTF-8 grammar.
        suggestion: String,
    },
    /// Both grammars take it but mean different matchers; the classic meaning was used.
    Disagreement {
        /// The classic meaning, written so that both agree.
        suggestion: String,
    },
}

/// Matchers with what their author should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// In the order written.
    pub matchers: Vec<Matcher>,
    /// At most one.
    pub warning: Option<Warning>,
}

/// Parses a list of matchers with Alertmanager's default grammar, in the order written.
///
/// # Errors
/// When neither grammar takes the text: the problem that the UTF-8 grammar sees, since it knows where.
pub fn parse(text: &str) -> Result<Vec<Matcher>, Error> {
    parse_in(Mode::Fallback, text).map(|p| p.matchers)
}

/// Parses exactly one matcher, without braces (API filters, command line).
///
/// # Errors
/// As [`parse`]; also when braces stand around it, or there is not exactly one.
pub fn parse_one(text: &str) -> Result<Matcher, Error> {
    let whole = Span::new(0, text.len());
    if text.starts_with('{') || text.ends_with('}') {
        return Err(Error::new(whole, format!("unexpected open or close brace: {text}")));
    }
    let mut all = parse(text)?;
    match (all.pop(), all.len()) {
        (Some(matcher), 0) => Ok(matcher),
        (None, _) => Err(Error::new(whole, "no matchers")),
        (Some(_), rest) => Err(Error::new(whole, format!("expected 1 matcher, found {}", rest + 1))),
    }
}

/// Parses a list of matchers with a chosen grammar.
///
/// # Errors
/// When the grammar doesn't take the text.
pub fn parse_in(mode: Mode, text: &str) -> Result<Parsed, Error> {
    let plain = |matchers| Parsed { matchers, warning: None };
    match mode {
        Mode::Utf8 => utf8::parse(text).map(plain),
        Mode::Classic => classic::parse(text).map(plain),
        Mode::Fallback => match (utf8::parse(text), classic::parse(text)) {
            (Ok(new), Ok(old)) if new != old => {
                let suggestion = print_list(&old);
                Ok(Parsed { matchers: old, warning: Some(Warning::Disagreement { suggestion }) })
            }
            (Ok(new), _) => Ok(plain(new)),
            (Err(_), Ok(old)) => {
                let suggestion = print_list(&old);
                Ok(Parsed { matchers: old, warning: Some(Warning::ClassicOnly { suggestion }) })
            }
            (Err(e), Err(_)) => Err(e),
        },
    }
}
