//! Aggregations (spec Q18).

use std::{cmp::Ordering, collections::HashMap};

use super::{
    EvalError,
    engine::{El, Engine, Result, Val},
    functions::{Sum, quantile},
};
use crate::{
    model::{Labels, METRIC_NAME, Sources},
    promql::{Aggregate, AggregateOp, Expr},
};

/// A group's key: output labels and whether their name goes later.
struct Group {
    labels: Labels,
    drop_name: bool,
    elements: Vec<El>,
}

pub(super) fn eval(engine: &mut Engine<'_>, a: &Aggregate, t: i64) -> Result<Val> {
    let (mut param, mut text) = ((f64::NAN, Sources::NONE), String::new());
    if let Some(expr) = &a.param {
        if a.op == AggregateOp::CountValues {
            text = engine.text(expr, t)?;
            if text.is_empty() {
                return Err(EvalError::new(expr.span, format!("invalid label name {text:?}")));
            }
        } else {
            param = engine.scalar(expr, t)?;
            check_param(engine, a.op, &mut param.0, expr)?;
        }
    }
    let elements = engine.vector(&a.expr, t)?;
    let groups = group(a, elements);
    let mut out = Vec::new();
    for group in groups {
        match a.op {
            AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk | AggregateOp::LimitRatio => {
                out.extend(pick(a.op, param.0, group.elements, engine.range_query));
            }
            AggregateOp::CountValues => count_values(&text, group, &mut out),
            _ => {
                let mut sources = param.1.clone();
                for e in &group.elements {
                    sources.merge(&e.sources);
                }
                let v = value(a.op, param.0, &group.elements);
                out.push(El { labels: group.labels, v, sources, drop_name: group.drop_name });
            }
        }
    }
    Ok(Val::Vector(out))
}

fn check_param(engine: &mut Engine<'_>, op: AggregateOp, param: &mut f64, expr: &Expr) -> Result<()> {
    match op {
        AggregateOp::Topk | AggregateOp::Bottomk | AggregateOp::Limitk => {
            if param.is_nan() {
                return Err(EvalError::new(expr.span, "Parameter value is NaN"));
            }
            if *param >= 9_223_372_036_854_775_807.0 || *param <= -9_223_372_036_854_775_808.0 {
                let message = format!("Scalar value {} overflows int64", go_float(*param));
                return Err(EvalError::new(expr.span, message));
            }
        }
        AggregateOp::LimitRatio => {
            if param.is_nan() {
                return Err(EvalError::new(expr.span, "Ratio value is NaN"));
            }
            if !(-1.0..=1.0).contains(param) {
                let clamped = param.clamp(-1.0, 1.0);
                let text = format!(
                    "ratio value should be between -1 and 1, got {}, capping to {clamped}",
                    go_float(*param)
                );
                engine.annotations.warn(expr.span, text);
                *param = clamped;
            }
        }
        AggregateOp::Quantile if param.is_nan() || !(0.0..=1.0).contains(param) => {
            let text = format!("quantile value should be between 0 and 1, got {}", go_float(*param));
            engine.annotations.warn(expr.span, text);
        }
        _ => {}
    }
    Ok(())
}

fn group(a: &Aggregate, elements: Vec<El>) -> Vec<Group> {
    let named = |n: &str| a.grouping.iter().any(|g| **g == *n);
    let keeps_name = !a.without && named(METRIC_NAME);
    let mut order: Vec<Group> = Vec::new();
    let mut index: HashMap<Labels, usize> = HashMap::new();
    for e in elements {
        let labels = if a.without {
            e.labels.without(|n| super::engine::is_name(n) || named(n))
        } else if a.grouping.is_empty() {
            Labels::empty()
        } else {
            e.labels.without(|n| !named(n))
        };
        let i = *index.entry(labels.clone()).or_insert_with(|| {
            order.push(Group { labels, drop_name: false, elements: Vec::new() });
            order.len() - 1
        });
        order[i].drop_name |= keeps_name && e.drop_name;
        order[i].elements.push(e);
    }
    order
}

fn value(op: AggregateOp, param: f64, elements: &[El]) -> f64 {
    let values = || elements.iter().map(|e| e.v);
    let n = elements.len() as f64;
    match op {
        AggregateOp::Sum => values().collect::<Sum>().value(),
        AggregateOp::Avg => super::functions::average(values()),
        AggregateOp::Count => n,
        AggregateOp::Group => 1.0,
        AggregateOp::Min => values().fold(f64::NAN, |m, v| if v < m || m.is_nan() { v } else { m }),
        AggregateOp::Max => values().fold(f64::NAN, |m, v| if v > m || m.is_nan() { v } else { m }),
        AggregateOp::Stdvar => super::functions::variance(values()),
        AggregateOp::Stddev => super::functions::variance(values()).sqrt(),
        AggregateOp::Quantile => quantile(param, values().collect()),
        _ => f64::NAN,
    }
}

/// NaN ranks last in both directions.
fn rank(op: AggregateOp, a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        _ if op == AggregateOp::Topk => b.total_cmp(&a),
        _ => a.total_cmp(&b),
    }
}

fn pick(op: AggregateOp, param: f64, mut elements: Vec<El>, range_query: bool) -> Vec<El> {
    if op == AggregateOp::LimitRatio {
        // The complement of a negative ratio, by the same hash.
        elements.retain(|e| {
            let share = e.labels.fingerprint().0 as f64 / u64::MAX as f64;
            if param >= 0.0 { share < param } else { share >= 1.0 + param }
        });
        return elements;
    }
    if param < 1.0 {
        return Vec::new();
    }
    let k = param as usize;
    if op == AggregateOp::Limitk {
        elements.sort_by_key(|e| e.labels.fingerprint());
    } else {
        elements.sort_by(|a, b| rank(op, a.v, b.v));
    }
    elements.truncate(k);
    if range_query {
        elements.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    elements
}

fn count_values(label: &str, group: Group, out: &mut Vec<El>) {
    let mut order: Vec<El> = Vec::new();
    let mut index: HashMap<String, usize> = HashMap::new();
    for e in group.elements {
        let text = plain_float(e.v);
        let i = *index.entry(text.clone()).or_insert_with(|| {
            let labels = group.labels.with(label, &text);
            order.push(El { labels, v: 0.0, sources: Sources::NONE, drop_name: group.drop_name });
            order.len() - 1
        });
        order[i].v += 1.0;
        order[i].sources.merge(&e.sources);
    }
    out.append(&mut order);
}

/// Shortest digits without exponent, as `count_values` writes them.
fn plain_float(v: f64) -> String {
    if v.is_nan() {
        "NaN".to_owned()
    } else if v.is_infinite() {
        (if v > 0.0 { "+Inf" } else { "-Inf" }).to_owned()
    } else {
        format!("{v}")
    }
}

/// As Go's `%g` prints it.
pub(super) fn go_float(v: f64) -> String {
    if !v.is_finite() || v == 0.0 || (1e-4..1e21).contains(&v.abs()) {
        return plain_float(v);
    }
    let text = format!("{v:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let n: i32 = exponent.parse().unwrap_or(0);
    format!("{mantissa}e{}{:02}", if n < 0 { '-' } else { '+' }, n.abs())
}
