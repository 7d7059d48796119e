//! The evaluator: (expression, options, data) → value, annotations.
//!
//! All selectors are read first, in one view, then every step is computed from those columns. What an element was
//! made from travels with it. Nothing here reads a clock: a query's cost is bounded in samples, not in seconds.

mod aggregate;
mod annotations;
mod binary;
mod engine;
mod functions;
mod select;
#[cfg(test)]
mod tests;

pub use annotations::Annotations;
pub use engine::{eval_instant, eval_range};

use super::Value;
use crate::{diag::Span, model::Duration};

/// What a query may use and how it reads.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EvalOptions {
    /// How far back an instant selector looks for its newest sample.
    pub lookback: Duration,
    /// Step of a subquery that names none: the global evaluation interval.
    pub default_step: Duration,
    /// Samples that a query may load and produce.
    pub samples_max: usize,
    /// `promql-delayed-name-removal`: names are dropped at the end of the query.
    pub delayed_name_removal: bool,
}

impl EvalOptions {
    /// Prometheus' defaults.
    pub const fn prometheus() -> Self {
        Self {
            lookback: Duration::from_secs(300),
            default_step: Duration::from_secs(60),
            samples_max: 50_000_000,
            delayed_name_removal: false,
        }
    }
}

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// The value.
    pub value: Value,
    /// Warnings and infos.
    pub annotations: Annotations,
    /// Samples loaded.
    pub samples_read: usize,
}

/// Why a query has no result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What went wrong, in Prometheus' words.
    pub message: String,
    /// Which part of the query.
    pub span: Span,
}

impl EvalError {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self { message: message.into(), span }
    }
}
