//! The functions that templates can call: Go's own, and those of the two dialects.

mod builtin;
mod compare;
mod humanize;
mod message;
mod rule;

use super::{Data, Query, data::wrong_type, exec::Set, value::Value};
use crate::model::Timestamp;

/// Whose functions are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Prometheus' labels and annotations.
    Rule,
    /// Alertmanager's notifications.
    Message,
}

/// What functions can see besides their arguments, and what has been used up.
pub(super) struct Host<'a, 'q> {
    pub(super) now: Timestamp,
    pub(super) external_url: &'a str,
    /// Rules only.
    pub(super) query: Option<&'q mut Query<'q>>,
    /// Messages only.
    pub(super) message: Option<(&'a Set, &'a Data)>,
    /// Route labels being expanded, outermost first.
    pub(super) routes: Vec<String>,
    pub(super) steps: usize,
    pub(super) depth: usize,
}

/// A function: how many arguments it takes, and what it does with them.
#[derive(Debug)]
pub(super) struct Func {
    pub(super) name: &'static str,
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) run: Run,
}

type Native = for<'a, 'q> fn(&mut Host<'a, 'q>, &[Value<'a>]) -> Result<Value<'a>, String>;

#[derive(Debug, Clone, Copy)]
pub(super) enum Run {
    /// Arguments are evaluated until one decides.
    And,
    /// Likewise.
    Or,
    Native(Native),
}

/// Any number of arguments.
const MANY: usize = usize::MAX;

const fn func(name: &'static str, min: usize, max: usize, run: Native) -> Func {
    Func { name, min, max, run: Run::Native(run) }
}

fn all(dialect: Dialect) -> impl Iterator<Item = &'static Func> {
    let own = match dialect {
        Dialect::Rule => rule::FUNCS,
        Dialect::Message => message::FUNCS,
    };
    own.iter().chain(builtin::FUNCS)
}

/// A function by its name.
pub(super) fn find(dialect: Dialect, name: &str) -> Option<&'static Func> {
    all(dialect).find(|f| f.name == name)
}

/// Names of all functions.
pub(super) fn names(dialect: Dialect) -> impl Iterator<Item = &'static str> {
    all(dialect).map(|f| f.name)
}

/// An argument that must be a text.
fn text<'v>(args: &'v [Value<'_>], i: usize) -> Result<&'v str, String> {
    args[i].as_str().ok_or_else(|| match &args[i] {
        Value::Nil => "invalid value; expected string".to_owned(),
        other => wrong_type("string", other),
    })
}
