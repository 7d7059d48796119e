//! Classic histograms (spec Q41).

use std::collections::HashMap;

use super::super::engine::{El, Engine, Result, Val, unique};
use crate::{
    diag::Span,
    model::{Labels, METRIC_NAME, Sources},
    promql::Expr,
};

#[derive(Debug, Clone, Copy)]
struct Bucket {
    le: f64,
    count: f64,
}

struct Family {
    labels: Labels,
    name: String,
    drop_name: bool,
    sources: Sources,
    buckets: Vec<Bucket>,
}

/// Buckets by labels without `le` and the name, in order of appearance.
fn families(engine: &mut Engine<'_>, arg: &Expr, t: i64) -> Result<Vec<Family>> {
    let mut order: Vec<Family> = Vec::new();
    let mut index: HashMap<Labels, usize> = HashMap::new();
    for e in engine.vector(arg, t)? {
        let Ok(le) = parse_le(e.labels.value("le")) else {
            let text = format!(
                "bucket label \"le\" is missing or has a malformed value of {:?} for metric name {:?}",
                e.labels.value("le"),
                e.labels.name()
            );
            engine.annotations.warn(arg.span, text);
            continue;
        };
        let key = e.labels.without(|n| n == "le" || n == METRIC_NAME);
        let i = *index.entry(key).or_insert_with(|| {
            let mut kept = El {
                labels: e.labels.with("le", ""),
                v: 0.0,
                sources: Sources::NONE,
                drop_name: e.drop_name,
            };
            let name = e.labels.name().to_owned();
            engine.drop_name(&mut kept);
            let (labels, drop_name) = (kept.labels, kept.drop_name);
            order.push(Family { labels, name, drop_name, sources: Sources::NONE, buckets: Vec::new() });
            order.len() - 1
        });
        order[i].sources.merge(&e.sources);
        order[i].buckets.push(Bucket { le, count: e.v });
    }
    Ok(order)
}

fn parse_le(text: &str) -> std::result::Result<f64, ()> {
    match text {
        "+Inf" | "Inf" => Ok(f64::INFINITY),
        "-Inf" => Ok(f64::NEG_INFINITY),
        text => text.parse().map_err(|_| ()),
    }
}

pub(super) fn quantile(engine: &mut Engine<'_>, args: &[Expr], t: i64, span: Span) -> Result<Val> {
    let (q, sources) = engine.scalar(&args[0], t)?;
    if q.is_nan() || !(0.0..=1.0).contains(&q) {
        let text =
            format!("quantile value should be between 0 and 1, got {}", super::super::aggregate::go_float(q));
        engine.annotations.warn(args[0].span, text);
    }
    let mut out = Vec::new();
    for mut family in families(engine, &args[1], t)? {
        let (v, forced) = bucket_quantile(q, &mut family.buckets);
        if forced {
            forced_monotonic(engine, &family.name, args[1].span);
        }
        family.sources.merge(&sources);
        out.push(El { labels: family.labels, v, sources: family.sources, drop_name: family.drop_name });
    }
    unique(out.iter().map(|e| &e.labels), span)?;
    Ok(Val::Vector(out))
}

fn forced_monotonic(engine: &mut Engine<'_>, name: &str, span: Span) {
    let text = format!(
        "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile) for metric name {name:?}"
    );
    engine.annotations.info(span, text);
}

/// Sorted, equal bounds merged, made monotonic. `None` when there is nothing to ask. The flag: it had to be forced.
fn prepared(buckets: &mut Vec<Bucket>) -> Option<bool> {
    buckets.sort_by(|a, b| a.le.total_cmp(&b.le));
    if buckets.last().is_none_or(|b| b.le != f64::INFINITY) {
        return None;
    }
    let mut merged: Vec<Bucket> = Vec::with_capacity(buckets.len());
    for b in buckets.iter() {
        match merged.last_mut() {
            Some(last) if last.le == b.le => last.count += b.count,
            _ => merged.push(*b),
        }
    }
    let mut forced = false;
    let mut highest = f64::NEG_INFINITY;
    for b in &mut merged {
        if b.count > highest {
            // Differences in the last digits are no disorder.
            highest = if almost_equal(b.count, highest) { highest } else { b.count };
        } else if b.count < highest && !almost_equal(b.count, highest) {
            forced = true;
        }
        b.count = highest.max(if highest.is_finite() { highest } else { b.count });
    }
    *buckets = merged;
    Some(forced)
}

fn almost_equal(a: f64, b: f64) -> bool {
    a == b || ((a - b).abs() / (a.abs() + b.abs()).min(f64::MAX)) < 1e-12
}

fn bucket_quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if q > 1.0 {
        return (f64::INFINITY, false);
    }
    let Some(forced) = prepared(buckets) else { return (f64::NAN, false) };
    let observations = buckets.last().map_or(0.0, |b| b.count);
    if buckets.len() < 2 || observations == 0.0 || observations.is_nan() {
        return (f64::NAN, forced);
    }
    let rank = q * observations;
    let last = buckets.len() - 1;
    let b = buckets[..last].partition_point(|b| b.count < rank);
    if b == last {
        return (buckets[last - 1].le, forced);
    }
    if b == 0 && buckets[0].le <= 0.0 {
        return (buckets[0].le, forced);
    }
    let end = buckets[b].le;
    let (start, below) = if b > 0 { (buckets[b - 1].le, buckets[b - 1].count) } else { (0.0, 0.0) };
    let inside = buckets[b].count - below;
    (start + (end - start) * ((rank - below) / inside), forced)
}

pub(super) fn fraction(engine: &mut Engine<'_>, args: &[Expr], t: i64, span: Span) -> Result<Val> {
    let (low, mut sources) = engine.scalar(&args[0], t)?;
    let (high, other) = engine.scalar(&args[1], t)?;
    sources.merge(&other);
    let mut out = Vec::new();
    for mut family in families(engine, &args[2], t)? {
        let v = bucket_fraction(low, high, &mut family.buckets);
        family.sources.merge(&sources);
        out.push(El { labels: family.labels, v, sources: family.sources, drop_name: family.drop_name });
    }
    unique(out.iter().map(|e| &e.labels), span)?;
    Ok(Val::Vector(out))
}

fn bucket_fraction(low: f64, high: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if prepared(buckets).is_none() {
        return f64::NAN;
    }
    let count = buckets.last().map_or(0.0, |b| b.count);
    if count == 0.0 || count.is_nan() || low.is_nan() || high.is_nan() {
        return f64::NAN;
    }
    if low >= high {
        return 0.0;
    }
    let rank = |bound: f64| {
        if bound == f64::NEG_INFINITY {
            return 0.0;
        }
        let i = buckets.partition_point(|b| b.le < bound);
        let Some(b) = buckets.get(i) else { return count };
        let (start, below) = match i.checked_sub(1).map(|p| buckets[p]) {
            Some(p) => (p.le, p.count),
            None if b.le > 0.0 => (0.0, 0.0),
            None => (f64::NEG_INFINITY, 0.0),
        };
        if b.le == bound {
            b.count
        } else if b.le.is_infinite() || start.is_infinite() || bound <= start {
            below
        } else {
            below + (b.count - below) * (bound - start) / (b.le - start)
        }
    };
    ((rank(high) - rank(low)) / count).clamp(0.0, 1.0)
}
