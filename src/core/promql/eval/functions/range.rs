//! Functions over ranges: columns in, one number out.

use super::super::{
    EvalError,
    engine::{El, Engine, Result, Val, Window, unique},
};
use super::sum::{Sum, average, variance};
use crate::{diag::Span, model::Sources, promql::Expr};

/// What a range function is given: times in milliseconds, values, the window, the evaluation time, parameters.
pub(super) struct Input<'a> {
    t: &'a [i64],
    v: &'a [f64],
    window: Window,
    now: i64,
    params: [f64; 2],
}

type Range = fn(&Input<'_>) -> Option<f64>;

/// The function of a name.
pub(super) fn function(name: &str) -> Option<Range> {
    Some(match name {
        "rate" => |i| extrapolated(i, true, true),
        "increase" => |i| extrapolated(i, true, false),
        "delta" => |i| extrapolated(i, false, false),
        "irate" => |i| instant(i, true),
        "idelta" => |i| instant(i, false),
        "resets" => |i| Some(pairs(i.v, |a, b| b < a)),
        "changes" => |i| Some(pairs(i.v, |a, b| a != b && !(a.is_nan() && b.is_nan()))),
        "deriv" => |i| Some(regression(i, i.t[0]).filter(|_| i.t.len() > 1)?.0),
        "predict_linear" => |i| {
            let (slope, intercept) = regression(i, i.now).filter(|_| i.t.len() > 1)?;
            Some(slope * i.params[0] + intercept)
        },
        "avg_over_time" => |i| Some(average(i.v.iter().copied())),
        "min_over_time" => {
            |i| Some(i.v.iter().fold(f64::NAN, |m, v| if *v < m || m.is_nan() { *v } else { m }))
        }
        "max_over_time" => {
            |i| Some(i.v.iter().fold(f64::NAN, |m, v| if *v > m || m.is_nan() { *v } else { m }))
        }
        "sum_over_time" => |i| Some(i.v.iter().copied().collect::<Sum>().value()),
        "count_over_time" => |i| Some(i.v.len() as f64),
        "last_over_time" => |i| i.v.last().copied(),
        "first_over_time" => |i| i.v.first().copied(),
        "present_over_time" => |_| Some(1.0),
        "stddev_over_time" => |i| Some(variance(i.v.iter().copied()).sqrt()),
        "stdvar_over_time" => |i| Some(variance(i.v.iter().copied())),
        "quantile_over_time" => |i| Some(super::quantile(i.params[0], i.v.to_vec())),
        "mad_over_time" => |i| {
            let median = super::quantile(0.5, i.v.to_vec());
            Some(super::quantile(0.5, i.v.iter().map(|v| (v - median).abs()).collect()))
        },
        "double_exponential_smoothing" => smoothed,
        "ts_of_first_over_time" => |i| i.t.first().map(|t| *t as f64 / 1000.0),
        "ts_of_last_over_time" => |i| i.t.last().map(|t| *t as f64 / 1000.0),
        "ts_of_max_over_time" => |i| time_of(i, |v, best| v >= best),
        "ts_of_min_over_time" => |i| time_of(i, |v, best| v <= best),
        _ => return None,
    })
}

pub(super) fn call(
    engine: &mut Engine<'_>,
    name: &str,
    f: Range,
    args: &[Expr],
    t: i64,
    span: Span,
) -> Result<Val> {
    let at = usize::from(name == "quantile_over_time");
    let mut params = [0.0; 2];
    let mut sources = Sources::NONE;
    for (i, arg) in args.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, a)| a).enumerate() {
        let (v, s) = engine.scalar(arg, t)?;
        params[i.min(1)] = v;
        sources.merge(&s);
    }
    check_params(engine, name, params, args)?;
    let (series, window) = engine.matrix(&args[at], t)?;
    let keeps_name = matches!(name, "last_over_time" | "first_over_time");
    let mut out = Vec::with_capacity(series.len());
    for s in series {
        let input = Input { t: &s.t, v: &s.v, window, now: t, params };
        let Some(v) = f(&input) else { continue };
        if matches!(name, "rate" | "increase" | "irate") {
            maybe_no_counter(engine, s.labels.name(), args[at].span);
        }
        let mut e = El { labels: s.labels, v, sources: s.sources, drop_name: s.drop_name };
        e.sources.merge(&sources);
        if !keeps_name {
            engine.drop_name(&mut e);
        }
        out.push(e);
    }
    unique(out.iter().map(|e| &e.labels), span)?;
    Ok(Val::Vector(out))
}

fn check_params(engine: &mut Engine<'_>, name: &str, params: [f64; 2], args: &[Expr]) -> Result<()> {
    let q = params[0];
    if name == "quantile_over_time" && (q.is_nan() || !(0.0..=1.0).contains(&q)) {
        let text =
            format!("quantile value should be between 0 and 1, got {}", super::super::aggregate::go_float(q));
        engine.annotations.warn(args[0].span, text);
    }
    if name == "double_exponential_smoothing" {
        for (i, what) in ["smoothing", "trend"].iter().enumerate() {
            let v = params[i];
            if v <= 0.0 || v >= 1.0 {
                let message = format!(
                    "invalid {what} factor. Expected: 0 < {} < 1, got: {v:.6}",
                    if i == 0 { "sf" } else { "tf" }
                );
                return Err(EvalError::new(args[i + 1].span, message));
            }
        }
    }
    Ok(())
}

fn maybe_no_counter(engine: &mut Engine<'_>, name: &str, span: Span) {
    let counters = ["_total", "_sum", "_count", "_bucket"];
    if !name.is_empty() && !counters.iter().any(|c| name.ends_with(c)) {
        let text = format!(
            "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {name:?}"
        );
        engine.annotations.info(span, text);
    }
}

/// `rate`, `increase`, `delta` (spec §2.5; prometheus `promql/functions.go`, extrapolatedRate).
fn extrapolated(i: &Input<'_>, counter: bool, rate: bool) -> Option<f64> {
    let n = i.t.len();
    if n < 2 {
        return None;
    }
    let (first, last) = (i.v[0], i.v[n - 1]);
    let mut result = last - first;
    if counter {
        for pair in i.v.windows(2) {
            if pair[1] < pair[0] {
                result += pair[0];
            }
        }
    }
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let covered = seconds(i.t[n - 1] - i.t[0]);
    let mut to_start = seconds(i.t[0] - i.window.after);
    let mut to_end = seconds(i.window.until - i.t[n - 1]);
    let average = covered / (n - 1) as f64;
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    if counter && result > 0.0 && first >= 0.0 {
        to_start = to_start.min(covered * (first / result));
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let mut factor = (covered + to_start + to_end) / covered;
    if rate {
        factor /= seconds(i.window.until - i.window.after);
    }
    Some(result * factor)
}

fn instant(i: &Input<'_>, rate: bool) -> Option<f64> {
    let n = i.t.len();
    if n < 2 {
        return None;
    }
    let (before, last) = (i.v[n - 2], i.v[n - 1]);
    let ms = i.t[n - 1] - i.t[n - 2];
    if ms == 0 {
        return None;
    }
    if rate {
        let difference = if last < before { last } else { last - before };
        Some(difference / (ms as f64 / 1000.0))
    } else {
        Some(last - before)
    }
}

fn pairs(v: &[f64], counts: impl Fn(f64, f64) -> bool) -> f64 {
    v.windows(2).filter(|p| counts(p[0], p[1])).count() as f64
}

/// Slope per second and value at `origin`, by least squares with compensated sums.
fn regression(i: &Input<'_>, origin: i64) -> Option<(f64, f64)> {
    let first = *i.v.first()?;
    if i.v.iter().all(|v| *v == first) {
        return Some(if first.is_infinite() { (f64::NAN, f64::NAN) } else { (0.0, first) });
    }
    let (mut x, mut y, mut xy, mut xx) = (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for (t, v) in i.t.iter().zip(i.v) {
        let seconds = (t - origin) as f64 / 1000.0;
        x.add(seconds);
        y.add(*v);
        xy.add(seconds * v);
        xx.add(seconds * seconds);
    }
    let n = i.v.len() as f64;
    let (x, y, xy, xx) = (x.value(), y.value(), xy.value(), xx.value());
    let covariance = xy - x * y / n;
    let spread = xx - x * x / n;
    let slope = covariance / spread;
    Some((slope, y / n - slope * x / n))
}

fn smoothed(i: &Input<'_>) -> Option<f64> {
    if i.v.len() < 2 {
        return None;
    }
    let [smoothing, trend_factor] = i.params;
    let mut before = 0.0;
    let mut smooth = i.v[0];
    let mut trend = i.v[1] - i.v[0];
    for (n, v) in i.v.iter().enumerate().skip(1) {
        if n > 1 {
            trend = trend_factor * (smooth - before) + (1.0 - trend_factor) * trend;
        }
        let next = smoothing * v + (1.0 - smoothing) * (smooth + trend);
        before = smooth;
        smooth = next;
    }
    Some(smooth)
}

fn time_of(i: &Input<'_>, better: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let (mut best, mut at) = (*i.v.first()?, i.t[0]);
    for (t, v) in i.t.iter().zip(i.v) {
        if better(*v, best) || best.is_nan() {
            (best, at) = (*v, *t);
        }
    }
    Some(at as f64 / 1000.0)
}
