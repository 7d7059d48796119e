//! PromQL of Prometheus 3.14: lexer, parser with spans, type checks, printer, evaluator.
//!
//! Evaluation is a function of (expression, options, [`Queryable`]); what a result was made from travels with it as
//! [`crate::model::Sources`]. Semantics: spec/prometheus.md §2, items Q.

mod ast;
mod eval;
mod functions;
mod parser;
mod printer;
mod queryable;
#[cfg(test)]
mod tests;
mod value;

pub use ast::*;
pub use eval::{Annotations, EvalError, EvalOptions, Evaluated, eval_instant, eval_range};
pub use functions::{FUNCTIONS, Function, function};
pub use parser::{
    HistogramLiteral, ParseError, ParseOptions, SeriesValue, parse, parse_selector, parse_series,
    parse_values, value_type,
};
pub use printer::pretty;
pub use queryable::{Queryable, SelectError, SelectHints, Series};
pub use value::{Element, RangeSeries, SampleValue, Value};
