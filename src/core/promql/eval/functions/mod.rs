//! Functions, by family (spec §2.1).

mod histogram;
mod label;
mod math;
mod range;
mod sum;
mod time;

pub(super) use sum::{Sum, average, variance};

use super::{
    EvalError,
    engine::{El, Engine, Result, Val, unique},
};
use crate::{
    diag::Span,
    model::{Labels, METRIC_NAME, MatchOp, Sources},
    promql::{Expr, ExprKind, Selector},
};

pub(super) fn call(engine: &mut Engine<'_>, func: &str, args: &[Expr], t: i64, span: Span) -> Result<Val> {
    if let Some(f) = math::unary(func) {
        return mapped(engine, &args[0], t, span, |e| Some(f(e)));
    }
    if let Some(f) = time::part(func) {
        return time::parts(engine, args, t, span, f);
    }
    if let Some(f) = range::function(func) {
        return range::call(engine, func, f, args, t, span);
    }
    match func {
        "time" => Ok(Val::Scalar(t as f64 / 1000.0, Sources::NONE)),
        "pi" => Ok(Val::Scalar(std::f64::consts::PI, Sources::NONE)),
        "start" => Ok(Val::Scalar(engine.steps.start as f64 / 1000.0, Sources::NONE)),
        "end" => Ok(Val::Scalar(engine.steps.end as f64 / 1000.0, Sources::NONE)),
        "step" => Ok(Val::Scalar(engine.steps.step as f64 / 1000.0, Sources::NONE)),
        "range" => Ok(Val::Scalar((engine.steps.end - engine.steps.start) as f64 / 1000.0, Sources::NONE)),
        "min_of" | "max_of" => extreme(engine, func, args, t),
        "scalar" => scalar(engine, &args[0], t),
        "vector" => {
            let (v, sources) = engine.scalar(&args[0], t)?;
            Ok(Val::Vector(vec![El { labels: Labels::empty(), v, sources, drop_name: false }]))
        }
        "timestamp" => timestamp(engine, &args[0], t, span),
        "absent" => absent(engine, &args[0], t),
        "absent_over_time" => absent_over_time(engine, &args[0], t),
        "round" => round(engine, args, t, span),
        "clamp" | "clamp_min" | "clamp_max" => clamp(engine, func, args, t, span),
        "sort" | "sort_desc" => sort(engine, func, &args[0], t, span),
        "sort_by_label" | "sort_by_label_desc" => label::sort(engine, func, args, t),
        "label_replace" => label::replace(engine, args, t, span),
        "label_join" => label::join(engine, args, t, span),
        "histogram_quantile" => histogram::quantile(engine, args, t, span),
        "histogram_fraction" => histogram::fraction(engine, args, t, span),
        // Floats have none of these: the elements go, as in Prometheus.
        "histogram_avg" | "histogram_count" | "histogram_sum" | "histogram_stddev" | "histogram_stdvar" => {
            engine.vector(&args[0], t)?;
            Ok(Val::Vector(Vec::new()))
        }
        _ => Err(EvalError::new(span, format!("function {func:?} is not supported by this version"))),
    }
}

/// Applies `f` to each value; drops names.
fn mapped(
    engine: &mut Engine<'_>,
    arg: &Expr,
    t: i64,
    span: Span,
    f: impl Fn(f64) -> Option<f64>,
) -> Result<Val> {
    let mut out = Vec::new();
    for mut e in engine.vector(arg, t)? {
        if let Some(v) = f(e.v) {
            e.v = v;
            engine.drop_name(&mut e);
            out.push(e);
        }
    }
    unique(out.iter().map(|e| &e.labels), span)?;
    Ok(Val::Vector(out))
}

fn extreme(engine: &mut Engine<'_>, func: &str, args: &[Expr], t: i64) -> Result<Val> {
    let (a, mut sources) = engine.scalar(&args[0], t)?;
    let (b, other) = engine.scalar(&args[1], t)?;
    sources.merge(&other);
    let v = if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if func == "min_of" {
        a.min(b)
    } else {
        a.max(b)
    };
    Ok(Val::Scalar(v, sources))
}

fn scalar(engine: &mut Engine<'_>, arg: &Expr, t: i64) -> Result<Val> {
    let elements = engine.vector(arg, t)?;
    let mut sources = Sources::NONE;
    for e in &elements {
        sources.merge(&e.sources);
    }
    let v = if let [one] = &elements[..] { one.v } else { f64::NAN };
    Ok(Val::Scalar(v, sources))
}

fn plain_selector(expr: &Expr) -> Option<&Selector> {
    match &expr.kind {
        ExprKind::Selector(s) => Some(s),
        ExprKind::Paren(e) => plain_selector(e),
        _ => None,
    }
}

fn timestamp(engine: &mut Engine<'_>, arg: &Expr, t: i64, span: Span) -> Result<Val> {
    let mut out = match plain_selector(arg) {
        Some(s) => engine.sample_times(s, t, arg.span)?,
        None => engine.vector(arg, t)?.into_iter().map(|e| El { v: t as f64 / 1000.0, ..e }).collect(),
    };
    for e in &mut out {
        engine.drop_name(e);
    }
    unique(out.iter().map(|e| &e.labels), span)?;
    Ok(Val::Vector(out))
}

/// The labels of what is absent: equality matchers, each label once (spec Q9).
fn absent_labels(expr: &Expr) -> Labels {
    let selector = match &expr.kind {
        ExprKind::Selector(s) | ExprKind::Range { selector: s, .. } => s,
        ExprKind::Paren(e) => return absent_labels(e),
        _ => return Labels::empty(),
    };
    let described = selector.matchers.iter().filter(|m| *m.name != *METRIC_NAME);
    let once = described.clone().filter(|m| {
        m.op == MatchOp::Equal && described.clone().filter(|other| other.name == m.name).count() == 1
    });
    Labels::from_pairs(once.map(|m| (m.name.clone(), m.value.clone())))
}

fn absent_if(empty: bool, expr: &Expr) -> Val {
    let element = El { labels: absent_labels(expr), v: 1.0, sources: Sources::NONE, drop_name: false };
    Val::Vector(if empty { vec![element] } else { Vec::new() })
}

fn absent(engine: &mut Engine<'_>, arg: &Expr, t: i64) -> Result<Val> {
    Ok(absent_if(engine.vector(arg, t)?.is_empty(), arg))
}

fn absent_over_time(engine: &mut Engine<'_>, arg: &Expr, t: i64) -> Result<Val> {
    Ok(absent_if(engine.matrix(arg, t)?.0.is_empty(), arg))
}

fn round(engine: &mut Engine<'_>, args: &[Expr], t: i64, span: Span) -> Result<Val> {
    let (to, sources) = match args.get(1) {
        Some(arg) => engine.scalar(arg, t)?,
        None => (1.0, Sources::NONE),
    };
    let inverse = 1.0 / to;
    let val = mapped(engine, &args[0], t, span, |v| Some((v * inverse + 0.5).floor() / inverse))?;
    Ok(with_sources(val, &sources))
}

fn with_sources(val: Val, sources: &Sources) -> Val {
    match val {
        Val::Vector(mut elements) => {
            elements.iter_mut().for_each(|e| e.sources.merge(sources));
            Val::Vector(elements)
        }
        other => other,
    }
}

fn clamp(engine: &mut Engine<'_>, func: &str, args: &[Expr], t: i64, span: Span) -> Result<Val> {
    let (first, mut sources) = engine.scalar(&args[1], t)?;
    let (low, high) = match func {
        "clamp_min" => (first, f64::INFINITY),
        "clamp_max" => (f64::NEG_INFINITY, first),
        _ => {
            let (high, other) = engine.scalar(&args[2], t)?;
            sources.merge(&other);
            (first, high)
        }
    };
    if low > high {
        engine.vector(&args[0], t)?;
        return Ok(Val::Vector(Vec::new()));
    }
    // A NaN bound makes everything NaN, as Go's math.Max and math.Min do.
    let bound =
        |v: f64| if v.is_nan() || low.is_nan() || high.is_nan() { f64::NAN } else { low.max(high.min(v)) };
    let val = mapped(engine, &args[0], t, span, |v| Some(bound(v)))?;
    Ok(with_sources(val, &sources))
}

fn sort(engine: &mut Engine<'_>, func: &str, arg: &Expr, t: i64, span: Span) -> Result<Val> {
    if engine.range_query {
        engine.annotations.warn(
            span,
            format!("{func} is ineffective for range queries since results are always ordered by labels"),
        );
    }
    let mut elements = engine.vector(arg, t)?;
    let descending = func == "sort_desc";
    elements.sort_by(|a, b| match (a.v.is_nan(), b.v.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Greater,
        (false, true) => std::cmp::Ordering::Less,
        _ if descending => b.v.total_cmp(&a.v),
        _ => a.v.total_cmp(&b.v),
    });
    Ok(Val::Vector(elements))
}

/// The φ-quantile: linear between ranks; φ out of range gives an infinity.
pub(super) fn quantile(q: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // NaN counts as smallest.
    values.sort_by(|a, b| match (a.is_nan(), b.is_nan()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        _ => a.total_cmp(b),
    });
    let n = values.len() as f64;
    let rank = q * (n - 1.0);
    let lower = rank.floor().max(0.0);
    let upper = (n - 1.0).min(lower + 1.0);
    let weight = rank - rank.floor();
    values[lower as usize] * (1.0 - weight) + values[upper as usize] * weight
}
