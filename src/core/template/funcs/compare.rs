//! Comparison: values of one basic kind can be compared, others are an error.

use std::cmp::Ordering;

use crate::template::{printf, value::Value};

const INCOMPATIBLE: &str = "incompatible types for comparison";
const INVALID: &str = "invalid type for comparison";

#[derive(PartialEq, Eq)]
enum Kind {
    Bool,
    Int,
    Float,
    Str,
    Other,
}

fn kind(value: &Value<'_>) -> Kind {
    match value {
        Value::Bool(_) => Kind::Bool,
        Value::Float(_) => Kind::Float,
        v if v.as_int().is_some() => Kind::Int,
        v if v.as_str().is_some() => Kind::Str,
        _ => Kind::Other,
    }
}

/// Whether the first equals any of the others.
pub(super) fn eq(args: &[Value<'_>]) -> Result<bool, String> {
    let (first, others) = (&args[0], &args[1..]);
    if others.is_empty() {
        return Err("missing argument for comparison".to_owned());
    }
    for other in others {
        if same(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn same(a: &Value<'_>, b: &Value<'_>) -> Result<bool, String> {
    match (a, b) {
        (Value::Nil, Value::Nil) => Ok(true),
        (Value::Nil, _) | (_, Value::Nil) => Ok(false),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Time(a), Value::Time(b)) => Ok(a == b),
        (Value::Pair(a, b), Value::Pair(c, d)) => Ok(a == c && b == d),
        _ if kind(a) != kind(b) => Err(INCOMPATIBLE.to_owned()),
        _ => match order(a, b) {
            Ok(order) => Ok(order == Some(Ordering::Equal)),
            Err(_) => {
                let shown = printf::sprint(std::slice::from_ref(a));
                Err(format!("non-comparable type {shown}: {}", a.type_name()))
            }
        },
    }
}

/// `None` when a NaN is among them.
fn order(a: &Value<'_>, b: &Value<'_>) -> Result<Option<Ordering>, String> {
    if kind(a) == Kind::Other || kind(b) == Kind::Other {
        return Err(INVALID.to_owned());
    }
    if let (Value::Float(a), Value::Float(b)) = (a, b) {
        return Ok(a.partial_cmp(b));
    }
    if let (Some(a), Some(b)) = (a.as_int(), b.as_int()) {
        return Ok(Some(a.cmp(&b)));
    }
    if let (Some(a), Some(b)) = (a.as_str(), b.as_str()) {
        return Ok(Some(a.cmp(b)));
    }
    Err(if kind(a) == Kind::Bool && kind(b) == Kind::Bool { INVALID } else { INCOMPATIBLE }.to_owned())
}

pub(super) fn lt(a: &Value<'_>, b: &Value<'_>) -> Result<bool, String> {
    Ok(order(a, b)? == Some(Ordering::Less))
}

/// Less or equal; Go makes `gt` its negation, also for NaN.
pub(super) fn le(a: &Value<'_>, b: &Value<'_>) -> Result<bool, String> {
    Ok(matches!(order(a, b)?, Some(Ordering::Less | Ordering::Equal)))
}
