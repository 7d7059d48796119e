//! Text to tree: lexer, grammar, types.

mod duration;
mod grammar;
mod lexer;
mod selector;
mod series;
mod strings;
mod types;

pub use series::{HistogramLiteral, SeriesValue, parse_series, parse_values};
pub(super) use strings::quote;
pub use types::value_type;

use super::{Expr, Function};
use crate::{diag::Span, model::Matcher};

/// What is allowed beyond the stable language: the feature flags of Prometheus 3.14.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseOptions {
    /// `promql-experimental-functions`
    pub experimental_functions: bool,
    /// `promql-binop-fill-modifiers`
    pub fill_modifiers: bool,
    /// `promql-extended-range-selectors`
    pub extended_range_selectors: bool,
    /// Arithmetic in `[…]` and `offset`; on since 3.14.
    pub duration_expressions: bool,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self {
            experimental_functions: false,
            fill_modifiers: false,
            extended_range_selectors: false,
            duration_expressions: true,
        }
    }
}

impl ParseOptions {
    /// Everything.
    pub const fn all() -> Self {
        Self {
            experimental_functions: true,
            fill_modifiers: true,
            extended_range_selectors: true,
            duration_expressions: true,
        }
    }
}

/// What is wrong with a query, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// Bytes of the query.
    pub span: Span,
    /// What is wrong, in Prometheus' words where people look for them.
    pub message: String,
    /// What was expected there; may be empty.
    pub expected: String,
    /// What to do.
    pub hint: Option<String>,
}

impl ParseError {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), expected: String::new(), hint: None }
    }

    pub(super) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Nesting beyond this is refused, so that no query exhausts the stack.
const DEPTH_MAX: usize = 200;

/// Parses a query and checks its types.
///
/// # Errors
/// One syntax error, or all type errors. Never panics.
pub fn parse(text: &str, options: &ParseOptions) -> Result<Expr, Vec<ParseError>> {
    let tokens = lexer::tokens(text).map_err(|e| vec![e])?;
    let mut parser = grammar::Parser::new(text, tokens, *options);
    let expr = parser.whole().map_err(|e| vec![e])?;
    let errors = types::check(&expr);
    if errors.is_empty() { Ok(expr) } else { Err(errors) }
}

/// Parses an instant selector without modifiers, as `match[]` takes it.
///
/// # Errors
/// When it is anything else.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, Vec<ParseError>> {
    let expr = parse(text, &ParseOptions::default())?;
    match expr.kind {
        super::ExprKind::Selector(s) if s.offset.is_none() && s.at.is_none() => Ok(s.matchers),
        _ => Err(vec![ParseError::new(expr.span, "expected a series selector without modifiers")]),
    }
}

/// Whether a function takes that many arguments: `(at least, at most)`.
fn arity(function: &Function) -> (usize, Option<usize>) {
    let n = function.args.len();
    match function.variadic {
        0 => (n, Some(n)),
        -1 => (n - 1, None),
        more => (n - 1, Some(n - 1 + more as usize)),
    }
}
