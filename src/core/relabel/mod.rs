//! Relabelling: rules that rewrite, keep or drop label sets (targets, samples, alerts), with Prometheus' semantics
//! (spec S20; `model/relabel/relabel.go` of 3.14). Pure: labels in, labels out.
//!
//! [`Spec`] is a rule as somebody wrote it, [`Rule`] one that was checked; reading a file is the caller's affair.

mod process;
mod rule;

#[cfg(test)]
mod tests;

pub use process::process;
pub use rule::{
    Action, DEFAULT_REGEX, DEFAULT_REPLACEMENT, DEFAULT_SEPARATOR, NameValidation, Problem, Rule, Spec,
};
