//! Numbers for people, and the numbers that templates give for them.

use crate::template::{data::wrong_type, float::format_float, time, value::Value};

/// A number, or a text that is one; durations count in seconds.
pub(super) fn number(value: &Value<'_>) -> Result<f64, String> {
    match value {
        Value::Float(f) => Ok(*f),
        Value::Duration(d) => Ok(*d as f64 / 1e9),
        Value::Int(i) => Ok(*i as f64),
        Value::Nil | Value::Bool(_) => Err(format!("can't convert {} to float", value.type_name())),
        other => match other.as_str() {
            Some(s) => parse(s).ok_or_else(|| format!("strconv.ParseFloat: parsing {s:?}: invalid syntax")),
            None => Err(format!("can't convert {} to float", other.type_name())),
        },
    }
}

fn parse(text: &str) -> Option<f64> {
    let signed = text.strip_prefix(['+', '-']).unwrap_or(text);
    if text.len() > signed.len() && signed.eq_ignore_ascii_case("nan") {
        return None;
    }
    // A number too large for a float is an error in Go.
    let value: f64 = text.parse().ok()?;
    let spelled = signed.starts_with(['i', 'I', 'n', 'N']);
    (value.is_finite() || spelled).then_some(value)
}

/// `%.4g`
pub(super) fn short(v: f64) -> String {
    if v.is_nan() {
        return "NaN".to_owned();
    }
    let sign = match v {
        v if v.is_sign_negative() => "-",
        v if v.is_infinite() => "+",
        _ => "",
    };
    let digits = if v.is_infinite() { "Inf".to_owned() } else { format_float(v.abs(), 'g', Some(4)) };
    format!("{sign}{digits}")
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

fn scale_down(mut v: f64, by: f64, prefixes: [&'static str; 8]) -> (f64, &'static str) {
    let mut prefix = "";
    for p in prefixes {
        if v.abs() < by {
            break;
        }
        prefix = p;
        v /= by;
    }
    (v, prefix)
}

fn scale_up(mut v: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for p in SMALL {
        if v.abs() >= 1.0 {
            break;
        }
        prefix = p;
        v *= 1000.0;
    }
    (v, prefix)
}

/// With a decimal prefix: `1.235M`, `120m` (spec T3).
pub(super) fn humanize(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return short(v);
    }
    let (v, prefix) = if v.abs() >= 1.0 { scale_down(v, 1000.0, LARGE) } else { scale_up(v) };
    short(v) + prefix
}

/// With a binary prefix: `1Mi` (spec T4).
pub(super) fn humanize1024(v: f64) -> String {
    if v.abs() <= 1.0 || !v.is_finite() {
        return short(v);
    }
    let (v, prefix) = scale_down(v, 1024.0, BINARY);
    short(v) + prefix
}

/// Seconds as `1d 2h 3m 4s`, `12.35s`, `100ms` (spec T5).
pub(super) fn duration(v: f64) -> String {
    if !v.is_finite() {
        return short(v);
    }
    if v == 0.0 {
        return short(v) + "s";
    }
    if v.abs() < 1.0 {
        let (v, prefix) = scale_up(v);
        return format!("{}{prefix}s", short(v));
    }
    let sign = if v < 0.0 { "-" } else { "" };
    let whole = v.abs() as i64;
    let (d, h, m, s) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60, whole % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{sign}{}s", short(v.abs())),
        (0, 0, _) => format!("{sign}{m}m {s}s"),
        (0, _, _) => format!("{sign}{h}h {m}m {s}s"),
        _ => format!("{sign}{d}d {h}h {m}m {s}s"),
    }
}

/// `12.35%` (spec T6).
pub(super) fn percentage(v: f64) -> String {
    short(v * 100.0) + "%"
}

/// Seconds as Go's nanoseconds.
pub(super) fn nanos(v: f64) -> Result<i64, String> {
    if !v.is_finite() {
        return Err("value is NaN or Inf".to_owned());
    }
    let n = v * 1e9;
    if n > i64::MAX as f64 || n < i64::MIN as f64 {
        let shown = short_v(v);
        return Err(format!(
            "{shown} cannot be represented as a nanoseconds timestamp since it overflows int64"
        ));
    }
    Ok(n as i64)
}

fn short_v(v: f64) -> String {
    crate::template::printf::sprint(&[Value::Float(v)])
}

/// Seconds since the epoch as a time in UTC, to the millisecond (spec T7).
pub(super) fn to_time<'a>(v: f64) -> Result<Value<'a>, String> {
    Ok(time::value(crate::model::Timestamp(nanos(v)? / 1_000_000)))
}

/// Spec T7; infinities and NaN as they are.
pub(super) fn timestamp(v: f64) -> Result<String, String> {
    if !v.is_finite() {
        return Ok(short(v));
    }
    match to_time(v)? {
        Value::Time(t) => Ok(time::string(&t)),
        other => Err(wrong_type("time.Time", &other)),
    }
}
