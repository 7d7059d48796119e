//! Go's layouts: a time is written as the reference time, Mon Jan 2 15:04:05 MST 2006, would be.

use std::fmt::Write as _;

use jiff::Zoned;

use super::{DAYS, MONTHS, weekday};

/// A part of a layout that stands for a part of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekday,
    Weekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    UpperPm,
    LowerPm,
    Zone,
    /// `-0700` and its like: `Z` for UTC, colons, with seconds, hours alone.
    Offset {
        z: bool,
        colon: bool,
        seconds: bool,
        short: bool,
    },
    /// A separator and digits; trailing zeros are left out.
    Fraction {
        digits: usize,
        trim: bool,
    },
}

const FIXED: [(&str, Part); 32] = [
    ("January", Part::LongMonth),
    ("Monday", Part::LongWeekday),
    ("MST", Part::Zone),
    ("002", Part::ZeroYearDay),
    ("01", Part::ZeroMonth),
    ("02", Part::ZeroDay),
    ("03", Part::ZeroHour12),
    ("04", Part::ZeroMinute),
    ("05", Part::ZeroSecond),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("1", Part::NumMonth),
    ("2006", Part::LongYear),
    ("2", Part::Day),
    ("__2", Part::UnderYearDay),
    ("_2", Part::UnderDay),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::UpperPm),
    ("pm", Part::LowerPm),
    ("-070000", offset(false, false, true, false)),
    ("-07:00:00", offset(false, true, true, false)),
    ("-0700", offset(false, false, false, false)),
    ("-07:00", offset(false, true, false, false)),
    ("-07", offset(false, false, false, true)),
    ("Z070000", offset(true, false, true, false)),
    ("Z07:00:00", offset(true, true, true, false)),
    ("Z0700", offset(true, false, false, false)),
    ("Z07:00", offset(true, true, false, false)),
    ("Z07", offset(true, false, false, true)),
    ("Mon", Part::Weekday),
];

#[expect(clippy::fn_params_excessive_bools, reason = "names the fields of `Part::Offset` in a table")]
const fn offset(z: bool, colon: bool, seconds: bool, short: bool) -> Part {
    Part::Offset { z, colon, seconds, short }
}

/// The first part of a layout: the text before it, the part, its own text, and what follows.
pub(super) fn next_part(layout: &str) -> Option<(&str, Part, &str, &str)> {
    for (i, c) in layout.char_indices() {
        let rest = &layout[i..];
        let lower_follows = |n: usize| rest.as_bytes().get(n).is_some_and(u8::is_ascii_lowercase);
        let found = match c {
            'J' if rest.starts_with("January") => Some((Part::LongMonth, 7)),
            'J' if rest.starts_with("Jan") && !lower_follows(3) => Some((Part::Month, 3)),
            'M' if rest.starts_with("Mon") && !rest.starts_with("Monday") && lower_follows(3) => None,
            '.' | ',' => fraction(rest),
            // `_2006` is an underscore and a year.
            '_' if rest.starts_with("_2006") => None,
            'J' | 'M' | '0'..='5' | '_' | 'P' | 'p' | '-' | 'Z' => {
                FIXED.iter().find(|(text, _)| rest.starts_with(text)).map(|(text, part)| (*part, text.len()))
            }
            _ => None,
        };
        if let Some((part, len)) = found {
            return Some((&layout[..i], part, &rest[..len], &rest[len..]));
        }
    }
    None
}

fn fraction(rest: &str) -> Option<(Part, usize)> {
    let bytes = &rest.as_bytes()[1..];
    let digit = *bytes.first().filter(|b| matches!(b, b'0' | b'9'))?;
    let digits = bytes.iter().take_while(|b| **b == digit).count();
    if bytes.get(digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((Part::Fraction { digits, trim: digit == b'9' }, digits + 1))
}

/// Writes a time by a layout.
pub(in super::super) fn format(layout: &str, t: &Zoned) -> String {
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while let Some((before, part, text, after)) = next_part(rest) {
        out.push_str(before);
        write(&mut out, part, text, t);
        rest = after;
    }
    out.push_str(rest);
    out
}

fn write(out: &mut String, part: Part, text: &str, t: &Zoned) {
    let month = MONTHS[usize::from(t.month().unsigned_abs() - 1)];
    let day = DAYS[weekday(t) as usize];
    let hour12 = (t.hour() + 11) % 12 + 1;
    let _ = match part {
        Part::LongMonth => write!(out, "{month}"),
        Part::Month => write!(out, "{}", &month[..3]),
        Part::NumMonth => write!(out, "{}", t.month()),
        Part::ZeroMonth => write!(out, "{:02}", t.month()),
        Part::LongWeekday => write!(out, "{day}"),
        Part::Weekday => write!(out, "{}", &day[..3]),
        Part::Day => write!(out, "{}", t.day()),
        Part::UnderDay => write!(out, "{:2}", t.day()),
        Part::ZeroDay => write!(out, "{:02}", t.day()),
        Part::UnderYearDay => write!(out, "{:3}", t.day_of_year()),
        Part::ZeroYearDay => write!(out, "{:03}", t.day_of_year()),
        Part::Hour => write!(out, "{:02}", t.hour()),
        Part::Hour12 => write!(out, "{hour12}"),
        Part::ZeroHour12 => write!(out, "{hour12:02}"),
        Part::Minute => write!(out, "{}", t.minute()),
        Part::ZeroMinute => write!(out, "{:02}", t.minute()),
        Part::Second => write!(out, "{}", t.second()),
        Part::ZeroSecond => write!(out, "{:02}", t.second()),
        Part::LongYear => write!(out, "{:04}", t.year()),
        Part::Year => write!(out, "{:02}", t.year().rem_euclid(100)),
        Part::UpperPm => write!(out, "{}", if t.hour() >= 12 { "PM" } else { "AM" }),
        Part::LowerPm => write!(out, "{}", if t.hour() >= 12 { "pm" } else { "am" }),
        Part::Zone => write!(out, "{}", t.time_zone().to_offset_info(t.timestamp()).abbreviation()),
        Part::Offset { z, colon, seconds, short } => {
            let total = t.offset().seconds();
            if z && total == 0 {
                out.push('Z');
                return;
            }
            let (sign, n) = (if total < 0 { '-' } else { '+' }, total.unsigned_abs());
            let sep = if colon { ":" } else { "" };
            let _ = write!(out, "{sign}{:02}", n / 3600);
            if !short {
                let _ = write!(out, "{sep}{:02}", n / 60 % 60);
            }
            if seconds { write!(out, "{sep}{:02}", n % 60) } else { Ok(()) }
        }
        Part::Fraction { digits, trim } => {
            let nanos = format!("{:09}", t.subsec_nanosecond());
            let cut = &nanos[..digits.min(9)];
            let shown = if trim { cut.trim_end_matches('0') } else { cut };
            if shown.is_empty() { Ok(()) } else { write!(out, "{}{shown}", &text[..1]) }
        }
    };
}
