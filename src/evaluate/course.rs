//! The course of the value that an alert's rule compares: for the chart in an e-mail and the page.

use botwatch_core::{
    model::{Duration, Labels, METRIC_NAME, Timestamp},
    promql::{
        BinaryOp, EvalOptions, Expr, ExprKind, Queryable, RangeSeries, SampleValue, Value, eval_instant,
        eval_range,
    },
};

use super::CourseView;

/// Points of a course: about two for each pixel column that a mail has room for.
const POINTS: i64 = 240;

/// Both sides of the comparison that decides.
struct Comparison<'e> {
    value: &'e Expr,
    op: &'static str,
    bound: &'e Expr,
}

/// The first comparison that results come from: `a > 1 and b` is about `a > 1`.
fn comparison(expr: &Expr) -> Option<Comparison<'_>> {
    match &expr.kind {
        ExprKind::Paren(inner) => comparison(inner),
        ExprKind::Binary(b) => match b.op {
            BinaryOp::And | BinaryOp::Unless | BinaryOp::Or => {
                comparison(&b.lhs).or_else(|| comparison(&b.rhs))
            }
            op if op.is_comparison() => Some(Comparison { value: &b.lhs, op: op.as_str(), bound: &b.rhs }),
            _ => None,
        },
        _ => None,
    }
}

/// The value's course over `back` up to `until`; `None` for a rule that compares nothing, or without samples.
pub(super) fn course(
    expr: &Expr,
    alert: &Labels,
    until: Timestamp,
    back: Duration,
    options: &EvalOptions,
    data: &dyn Queryable,
) -> Option<CourseView> {
    let Comparison { value, op, bound } = comparison(expr)?;
    let step = Duration::from_millis((back.as_millis() / POINTS).max(1000));
    let found = eval_range(value, until - back, until, step, options, data).ok()?;
    let Value::Matrix(series) = found.value else { return None };
    let own = series.into_iter().filter(|s| belongs(&s.labels, alert)).max_by_key(|s| s.labels.len())?;
    // What a value equals, or doesn't, is a state and no threshold.
    let ordered = !matches!(op, "==" | "!=");
    let threshold = || eval_instant(bound, until, options, data).ok().and_then(|e| one_number(e.value));
    let threshold = if ordered { threshold() } else { None };
    Some(CourseView { points: points(&own), threshold, comparison: op, expr: value.to_string().into() })
}

/// Whether an alert may come from a series: it has all of the series' labels but the name.
fn belongs(series: &Labels, alert: &Labels) -> bool {
    series.iter().all(|(name, value)| name == METRIC_NAME || alert.value(name) == value)
}

fn one_number(value: Value) -> Option<f64> {
    match value {
        Value::Scalar(v) => Some(v),
        Value::Vector(elements) => match elements.as_slice() {
            [only] => match only.value {
                SampleValue::Float(v) => Some(v),
                _ => None,
            },
            _ => None,
        },
        Value::String(_) | Value::Matrix(_) => None,
    }
}

fn points(series: &RangeSeries) -> Vec<(Timestamp, f64)> {
    let float = |v: &SampleValue| match v {
        SampleValue::Float(v) if v.is_finite() => Some(*v),
        _ => None,
    };
    series.t.iter().zip(&series.v).filter_map(|(t, v)| Some((Timestamp(*t), float(v)?))).collect()
}
