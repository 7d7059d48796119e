//! Parts of dates, in UTC.

use super::super::engine::{El, Engine, Result, Val};
use crate::{
    diag::Span,
    model::{Labels, Sources},
    promql::Expr,
};

type Part = fn(jiff::civil::DateTime) -> i16;

/// The part of a name.
pub(super) fn part(name: &str) -> Option<Part> {
    Some(match name {
        "minute" => |d| d.minute().into(),
        "hour" => |d| d.hour().into(),
        "day_of_week" => |d| d.weekday().to_sunday_zero_offset().into(),
        "day_of_month" => |d| d.day().into(),
        "day_of_year" => |d| d.day_of_year(),
        "days_in_month" => |d| d.days_in_month().into(),
        "month" => |d| d.month().into(),
        "year" => |d| d.year(),
        _ => return None,
    })
}

/// Without argument: of the evaluation time, without labels (spec Q13).
pub(super) fn parts(engine: &mut Engine<'_>, args: &[Expr], t: i64, span: Span, part: Part) -> Result<Val> {
    let of = |seconds: f64| {
        // Go converts to whole seconds; what is no time at all has no parts.
        let zoned = jiff::Timestamp::from_second(seconds as i64).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        Some(f64::from(part(zoned.datetime())))
    };
    match args.first() {
        None => {
            let v = of((t as f64 / 1000.0).floor()).unwrap_or(f64::NAN);
            Ok(Val::Vector(vec![El { labels: Labels::empty(), v, sources: Sources::NONE, drop_name: false }]))
        }
        Some(arg) => {
            super::mapped(engine, arg, t, span, |v| Some(if v.is_nan() { f64::NAN } else { of(v)? }))
        }
    }
}
