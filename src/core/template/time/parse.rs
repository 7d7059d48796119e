//! Reading a time by a layout (`toDate`).

use jiff::{Zoned, civil, tz};

use super::{
    DAYS, MONTHS,
    layout::{Part, next_part},
};

#[derive(Default)]
struct Read {
    year: i64,
    month: i64,
    day: i64,
    year_day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
    pm: Option<bool>,
    offset: Option<i32>,
}

/// Reads `text` by `layout`; without a zone it is UTC.
pub(in super::super) fn parse(layout: &str, text: &str) -> Result<Zoned, String> {
    let mut read = Read { month: 1, day: 1, ..Read::default() };
    let (mut layout_rest, mut rest) = (layout, text);
    let wrong = |rest: &str, part: &str| {
        format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {part:?}")
    };
    while let Some((before, part, shown, after)) = next_part(layout_rest) {
        rest = rest.strip_prefix(before).ok_or_else(|| wrong(rest, before))?;
        let next_is_fraction =
            next_part(after).is_some_and(|(b, p, _, _)| b.is_empty() && matches!(p, Part::Fraction { .. }));
        rest = take(&mut read, part, rest, next_is_fraction).ok_or_else(|| wrong(rest, shown))?;
        layout_rest = after;
    }
    match rest.strip_prefix(layout_rest) {
        Some("") => {}
        Some(extra) => return Err(format!("parsing time {text:?}: extra text: {extra:?}")),
        None => return Err(wrong(rest, layout_rest)),
    }
    build(&read).ok_or_else(|| format!("parsing time {text:?}: value out of range"))
}

fn build(read: &Read) -> Option<Zoned> {
    let hour = match read.pm {
        Some(true) if read.hour < 12 => read.hour + 12,
        Some(false) if read.hour == 12 => 0,
        _ => read.hour,
    };
    let date = civil::Date::new(i16::try_from(read.year).ok()?, read.month as i8, read.day as i8).ok()?;
    let date =
        if read.year_day > 0 { date.with().day_of_year(read.year_day as i16).build().ok()? } else { date };
    let time = civil::Time::new(hour as i8, read.minute as i8, read.second as i8, read.nanos as i32).ok()?;
    let zone = match read.offset {
        None | Some(0) => tz::TimeZone::UTC,
        Some(seconds) => tz::TimeZone::fixed(tz::Offset::from_seconds(seconds).ok()?),
    };
    date.to_datetime(time).to_zoned(zone).ok()
}

/// Reads one part; what is left of the text.
fn take<'t>(read: &mut Read, part: Part, text: &'t str, fraction_follows: bool) -> Option<&'t str> {
    let two = |text: &'t str, fixed: bool| digits(text, if fixed { 2 } else { 1 }, 2);
    let rest;
    match part {
        Part::LongMonth | Part::Month => {
            let (i, left) = name(text, &MONTHS, part == Part::LongMonth)?;
            read.month = i as i64 + 1;
            rest = left;
        }
        Part::LongWeekday | Part::Weekday => rest = name(text, &DAYS, part == Part::LongWeekday)?.1,
        Part::NumMonth | Part::ZeroMonth => (read.month, rest) = two(text, part == Part::ZeroMonth)?,
        Part::Day | Part::ZeroDay => (read.day, rest) = two(text, part == Part::ZeroDay)?,
        Part::UnderDay => (read.day, rest) = two(text.strip_prefix(' ').unwrap_or(text), false)?,
        Part::UnderYearDay => (read.year_day, rest) = digits(text.trim_start_matches(' '), 1, 3)?,
        Part::ZeroYearDay => (read.year_day, rest) = digits(text, 3, 3)?,
        Part::Hour => (read.hour, rest) = two(text, false)?,
        Part::Hour12 | Part::ZeroHour12 => (read.hour, rest) = two(text, part == Part::ZeroHour12)?,
        Part::Minute | Part::ZeroMinute => (read.minute, rest) = two(text, part == Part::ZeroMinute)?,
        Part::Second | Part::ZeroSecond => {
            let (n, left) = two(text, part == Part::ZeroSecond)?;
            read.second = n;
            // A fraction may follow even where the layout has none.
            let has = left.starts_with(['.', ',']) && left[1..].starts_with(|c: char| c.is_ascii_digit());
            rest = if has && !fraction_follows { fraction(read, left)? } else { left };
        }
        Part::LongYear => (read.year, rest) = digits(text, 4, 4)?,
        Part::Year => {
            let (n, left) = digits(text, 2, 2)?;
            read.year = if n >= 69 { 1900 + n } else { 2000 + n };
            rest = left;
        }
        Part::UpperPm | Part::LowerPm => {
            let word = text.get(..2)?;
            read.pm = Some(match word {
                "PM" | "pm" => true,
                "AM" | "am" => false,
                _ => return None,
            });
            rest = &text[2..];
        }
        Part::Zone => {
            let len = text.bytes().take_while(u8::is_ascii_uppercase).count();
            if !(3..=5).contains(&len) {
                return None;
            }
            rest = &text[len..];
        }
        Part::Offset { z, colon, seconds, short } => {
            if let (true, Some(left)) = (z, text.strip_prefix('Z')) {
                read.offset = Some(0);
                return Some(left);
            }
            let sign = if text.starts_with('-') { -1 } else { 1 };
            let mut left = text.strip_prefix(['+', '-'])?;
            let mut total = 0;
            for (i, unit) in
                [3600, 60, 1].into_iter().enumerate().take(if short { 1 } else { 2 + usize::from(seconds) })
            {
                if i > 0 && colon {
                    left = left.strip_prefix(':')?;
                }
                let (n, more) = digits(left, 2, 2)?;
                total += n * unit;
                left = more;
            }
            read.offset = Some(sign * total as i32);
            rest = left;
        }
        Part::Fraction { trim, .. } if trim && !text.starts_with(['.', ',']) => rest = text,
        Part::Fraction { .. } => rest = fraction(read, text)?,
    }
    Some(rest)
}

fn digits(text: &str, min: usize, max: usize) -> Option<(i64, &str)> {
    let len = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if len < min { None } else { Some((text[..len].parse().ok()?, &text[len..])) }
}

fn fraction<'t>(read: &mut Read, text: &'t str) -> Option<&'t str> {
    let body = text.strip_prefix(['.', ','])?;
    let len = body.bytes().take_while(u8::is_ascii_digit).count();
    if len == 0 {
        return None;
    }
    read.nanos = format!("{:0<9.9}", &body[..len]).parse().ok()?;
    Some(&body[len..])
}

fn name<'t>(text: &'t str, names: &[&str], long: bool) -> Option<(usize, &'t str)> {
    names.iter().enumerate().find_map(|(i, name)| {
        let name = if long { name } else { &name[..3] };
        let head = text.get(..name.len())?;
        head.eq_ignore_ascii_case(name).then(|| (i, &text[name.len()..]))
    })
}
