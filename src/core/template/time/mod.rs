//! Go's `time.Time` and `time.Duration`: their methods and how they print.

mod layout;
mod parse;

use std::{fmt::Write as _, sync::Arc};

use jiff::{SignedDuration, Timestamp as Instant, Zoned, civil, tz::TimeZone};

pub(super) use layout::format;
pub(super) use parse::parse;

use super::{
    data::{none, wrong_type},
    value::{Text, Value},
};
use crate::model::Timestamp;

/// Nanoseconds from Go's zero time, the start of year 1, to the epoch.
const ZERO_TO_EPOCH: i128 = 62_135_596_800 * 1_000_000_000;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

pub(super) fn month_name(month: i64) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|i| MONTHS.get(i)).copied().unwrap_or("%!Month")
}

pub(super) fn weekday_name(day: i64) -> &'static str {
    usize::try_from(day).ok().and_then(|i| DAYS.get(i)).copied().unwrap_or("%!Weekday")
}

/// A time in UTC; one that no calendar has is Go's zero time.
pub(super) fn value<'a>(at: Timestamp) -> Value<'a> {
    match Instant::from_millisecond(at.0) {
        Ok(t) => from(t.to_zoned(TimeZone::UTC)),
        Err(_) => zero(),
    }
}

/// Go's zero time.
pub(super) fn zero<'a>() -> Value<'a> {
    from(civil::date(1, 1, 1).to_zoned(TimeZone::UTC).unwrap_or_default())
}

pub(super) fn from<'a>(t: Zoned) -> Value<'a> {
    Value::Time(Arc::new(t))
}

fn from_nanos<'a>(nanos: i128, like: &Zoned) -> Result<Value<'a>, String> {
    match Instant::from_nanosecond(nanos) {
        Ok(t) => Ok(from(t.to_zoned(like.time_zone().clone()))),
        Err(_) => Err("time out of range".to_owned()),
    }
}

/// In another zone, by its IANA name; `Local` is UTC, since a host's zone must not decide what a message says.
pub(super) fn in_zone<'a>(t: &Zoned, name: &str) -> Result<Value<'a>, String> {
    match name {
        "" | "UTC" | "Local" => Ok(from(t.with_time_zone(TimeZone::UTC))),
        _ => match TimeZone::get(name) {
            Ok(zone) => Ok(from(t.with_time_zone(zone))),
            Err(_) => Err(format!("unknown time zone {name}")),
        },
    }
}

/// `2006-01-02 15:04:05.999999999 -0700 MST`
pub(super) fn string(t: &Zoned) -> String {
    format("2006-01-02 15:04:05.999999999 -0700 MST", t)
}

fn nanos(t: &Zoned) -> i128 {
    t.timestamp().as_nanosecond()
}

fn weekday(t: &Zoned) -> i64 {
    i64::from(t.weekday().to_sunday_zero_offset())
}

/// The result of a time's method; `None` when it has none of that name.
pub(super) fn time_method<'a>(
    t: &Zoned,
    name: &str,
    args: &[Value<'a>],
) -> Option<Result<Value<'a>, String>> {
    let int = |n: i64| none(args).map(|()| Value::Int(n));
    Some(match name {
        "Format" => text_arg(args).map(|layout| Value::text(format(&layout, t))),
        "String" => none(args).map(|()| Value::text(string(t))),
        "Unix" => int(t.timestamp().as_nanosecond().div_euclid(1_000_000_000) as i64),
        "UnixMilli" => int(nanos(t).div_euclid(1_000_000) as i64),
        "UnixMicro" => int(nanos(t).div_euclid(1000) as i64),
        "UnixNano" => int(nanos(t) as i64),
        "Year" => int(i64::from(t.year())),
        "Month" => none(args).map(|()| Value::Month(i64::from(t.month()))),
        "Day" => int(i64::from(t.day())),
        "Hour" => int(i64::from(t.hour())),
        "Minute" => int(i64::from(t.minute())),
        "Second" => int(i64::from(t.second())),
        "Nanosecond" => int(i64::from(t.subsec_nanosecond())),
        "YearDay" => int(i64::from(t.day_of_year())),
        "Weekday" => none(args).map(|()| Value::Weekday(weekday(t))),
        "IsZero" => none(args).map(|()| Value::Bool(nanos(t) == -ZERO_TO_EPOCH)),
        "UTC" | "Local" => none(args).map(|()| from(t.with_time_zone(TimeZone::UTC))),
        "Location" => none(args).map(|()| Value::text(t.time_zone().iana_name().unwrap_or("UTC").to_owned())),
        "In" => text_arg(args).and_then(|zone| in_zone(t, &zone)),
        "Add" => int_arg(args).and_then(|d| from_nanos(nanos(t) + i128::from(d), t)),
        "AddDate" => add_date(t, args),
        "Truncate" => int_arg(args).and_then(|d| from_nanos(nanos(t) - past(t, d), t)),
        "Round" => int_arg(args).and_then(|d| {
            let past = past(t, d);
            let up = past * 2 >= i128::from(d) && d > 0;
            from_nanos(nanos(t) - past + if up { i128::from(d) } else { 0 }, t)
        }),
        "Sub" => time_arg(args).map(|u| {
            let difference = nanos(t) - nanos(&u);
            Value::Duration(difference.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
        }),
        "Before" => time_arg(args).map(|u| Value::Bool(nanos(t) < nanos(&u))),
        "After" => time_arg(args).map(|u| Value::Bool(nanos(t) > nanos(&u))),
        "Equal" => time_arg(args).map(|u| Value::Bool(nanos(t) == nanos(&u))),
        "Compare" => time_arg(args).map(|u| Value::Int(nanos(t).cmp(&nanos(&u)) as i64)),
        _ => return None,
    })
}

/// How far a time is past the last multiple of a duration since Go's zero time.
fn past(t: &Zoned, d: i64) -> i128 {
    if d <= 0 { 0 } else { (nanos(t) + ZERO_TO_EPOCH).rem_euclid(i128::from(d)) }
}

fn add_date<'a>(t: &Zoned, args: &[Value<'a>]) -> Result<Value<'a>, String> {
    let [years, months, days] = args else {
        return Err(format!("wrong number of args for AddDate: want 3 got {}", args.len()));
    };
    let number = |v: &Value<'a>| match v.as_int() {
        Some(n) if n.abs() < 10_000_000 => Ok(n),
        Some(_) => Err("time out of range".to_owned()),
        None => Err(wrong_type("int", v)),
    };
    // Days that a month hasn't run over into the next, as in Go.
    let months = (i64::from(t.year()) + number(years)?) * 12 + i64::from(t.month()) - 1 + number(months)?;
    let days = i64::from(t.day()) - 1 + number(days)?;
    let moved = || {
        let year = i16::try_from(months.div_euclid(12)).ok()?;
        let first = civil::Date::new(year, (months.rem_euclid(12) + 1) as i8, 1).ok()?;
        let date = first.checked_add(SignedDuration::from_hours(days * 24)).ok()?;
        date.to_datetime(t.time()).to_zoned(t.time_zone().clone()).ok()
    };
    moved().map(from).ok_or_else(|| "time out of range".to_owned())
}

fn text_arg<'a>(args: &[Value<'a>]) -> Result<Text<'a>, String> {
    match args {
        [v] => v.as_text().cloned().ok_or_else(|| wrong_type("string", v)),
        _ => Err(format!("wrong number of args: want 1 got {}", args.len())),
    }
}

fn int_arg(args: &[Value<'_>]) -> Result<i64, String> {
    match args {
        [Value::Float(f)] if f.fract() == 0.0 && f.abs() < 9e15 => Ok(*f as i64),
        [v] => v.as_int().ok_or_else(|| wrong_type("time.Duration", v)),
        _ => Err(format!("wrong number of args: want 1 got {}", args.len())),
    }
}

fn time_arg(args: &[Value<'_>]) -> Result<Arc<Zoned>, String> {
    match args {
        [Value::Time(t)] => Ok(Arc::clone(t)),
        [v] => Err(wrong_type("time.Time", v)),
        _ => Err(format!("wrong number of args: want 1 got {}", args.len())),
    }
}

/// The result of a duration's method; `None` when it has none of that name.
pub(super) fn duration_method<'a>(
    d: i64,
    name: &str,
    args: &[Value<'a>],
) -> Option<Result<Value<'a>, String>> {
    // Whole units and the rest apart, as Go does, so that large durations keep their precision.
    let units =
        |unit: i64| none(args).map(|()| Value::Float((d / unit) as f64 + (d % unit) as f64 / unit as f64));
    let whole = |unit: i64| none(args).map(|()| Value::Int(d / unit));
    Some(match name {
        "Hours" => units(3_600_000_000_000),
        "Minutes" => units(60_000_000_000),
        "Seconds" => units(1_000_000_000),
        "Milliseconds" => whole(1_000_000),
        "Microseconds" => whole(1000),
        "Nanoseconds" => whole(1),
        "String" => none(args).map(|()| Value::text(duration_string(d))),
        "Abs" => none(args).map(|()| Value::Duration(d.saturating_abs())),
        "Truncate" => int_arg(args).map(|m| Value::Duration(if m <= 0 { d } else { d - d % m })),
        "Round" => int_arg(args).map(|m| Value::Duration(rounded(d, m))),
        _ => return None,
    })
}

/// To the nearest multiple, halves away from zero.
fn rounded(d: i64, m: i64) -> i64 {
    if m <= 0 {
        return d;
    }
    let rest = d % m;
    let down = d - rest;
    if rest.unsigned_abs() * 2 < m.unsigned_abs() { down } else { down.saturating_add(m * d.signum()) }
}

/// `1h30m0s`, `1.5s`, `250ms`, `0s`
pub(super) fn duration_string(d: i64) -> String {
    let n = d.unsigned_abs();
    let sign = if d < 0 { "-" } else { "" };
    let (size, unit) = match n {
        0 => return "0s".to_owned(),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let (whole, rest) = (n / size, n % size);
    let mut out = sign.to_owned();
    if whole >= 3600 && unit == "s" {
        let _ = write!(out, "{}h", whole / 3600);
    }
    if whole >= 60 && unit == "s" {
        let _ = write!(out, "{}m", whole / 60 % 60);
    }
    let _ = write!(out, "{}", if unit == "s" { whole % 60 } else { whole });
    if rest > 0 {
        let width = size.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        let _ = write!(out, ".{}", digits.trim_end_matches('0'));
    }
    out + unit
}
