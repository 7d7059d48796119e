//! Functions on labels.

use std::cmp::Ordering;

use super::super::{
    EvalError,
    engine::{El, Engine, Result, Val, unique},
};
use crate::{diag::Span, promql::Expr, re2};

pub(super) fn replace(engine: &mut Engine<'_>, args: &[Expr], t: i64, span: Span) -> Result<Val> {
    let dst = engine.text(&args[1], t)?;
    let replacement = engine.text(&args[2], t)?;
    let src = engine.text(&args[3], t)?;
    let pattern = engine.text(&args[4], t)?;
    let regex = re2::compile_anchored(&pattern).map_err(|_| {
        EvalError::new(args[4].span, format!("invalid regular expression in label_replace(): {pattern}"))
    })?;
    if dst.is_empty() {
        return Err(EvalError::new(
            args[1].span,
            format!("invalid destination label name in label_replace(): {dst}"),
        ));
    }
    let mut elements = engine.vector(&args[0], t)?;
    for e in &mut elements {
        let value = e.labels.value(&src).to_owned();
        if let Some(captures) = regex.captures(&value) {
            let mut text = String::new();
            re2::expand(&replacement, &captures, &mut text);
            set(e, &dst, &text);
        }
    }
    unique(elements.iter().map(|e| &e.labels), span)?;
    Ok(Val::Vector(elements))
}

/// A name that was set anew isn't dropped at the end of the query.
fn set(e: &mut El, label: &str, value: &str) {
    e.labels = e.labels.with(label, value);
    if label == crate::model::METRIC_NAME {
        e.drop_name = false;
    }
}

pub(super) fn join(engine: &mut Engine<'_>, args: &[Expr], t: i64, span: Span) -> Result<Val> {
    let dst = engine.text(&args[1], t)?;
    let separator = engine.text(&args[2], t)?;
    let mut sources = Vec::new();
    for arg in &args[3..] {
        let name = engine.text(arg, t)?;
        if name.is_empty() {
            return Err(EvalError::new(
                arg.span,
                format!("invalid source label name in label_join(): {name}"),
            ));
        }
        sources.push(name);
    }
    if dst.is_empty() {
        return Err(EvalError::new(
            args[1].span,
            format!("invalid destination label name in label_join(): {dst}"),
        ));
    }
    let mut elements = engine.vector(&args[0], t)?;
    for e in &mut elements {
        let joined = sources.iter().map(|s| e.labels.value(s)).collect::<Vec<_>>().join(&separator);
        set(e, &dst, &joined);
    }
    unique(elements.iter().map(|e| &e.labels), span)?;
    Ok(Val::Vector(elements))
}

pub(super) fn sort(engine: &mut Engine<'_>, func: &str, args: &[Expr], t: i64) -> Result<Val> {
    let mut names = Vec::new();
    for arg in &args[1..] {
        names.push(engine.text(arg, t)?);
    }
    let descending = func.ends_with("_desc");
    let mut elements = engine.vector(&args[0], t)?;
    elements.sort_by(|a, b| {
        let by_names = names
            .iter()
            .map(|n| natural(a.labels.value(n), b.labels.value(n)))
            .find(|o| *o != Ordering::Equal)
            .unwrap_or_else(|| a.labels.cmp(&b.labels));
        if descending { by_names.reverse() } else { by_names }
    });
    Ok(Val::Vector(elements))
}

/// Natural order: runs of digits compare as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        match (a.chars().next(), b.chars().next()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (n, rest_a) = digits(a);
                let (m, rest_b) = digits(b);
                let order = n.len().cmp(&m.len()).then_with(|| n.cmp(m));
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (rest_a, rest_b);
            }
            (Some(x), Some(y)) if x != y => return x.cmp(&y),
            (Some(x), Some(_)) => (a, b) = (&a[x.len_utf8()..], &b[x.len_utf8()..]),
        }
    }
}

/// The leading number without leading zeros, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    (text[..end].trim_start_matches('0'), &text[end..])
}
