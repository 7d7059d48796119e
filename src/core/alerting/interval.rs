//! Time intervals: when routes are mute, or active (spec alertmanager §1.5).

use std::ops::{Range, RangeInclusive};

use jiff::{civil::Weekday, tz::TimeZone};

use crate::model::Timestamp;

/// A piece of the calendar: all of its fields must hold, each by any of its ranges; one without ranges always does.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeInterval {
    /// Minutes of the day; the end is not part of it.
    pub times: Vec<Range<u16>>,
    /// Days of the week, Sunday is 0.
    pub weekdays: Vec<RangeInclusive<u8>>,
    /// Days of the month.
    pub days_of_month: Vec<MonthDays>,
    /// Months, January is 1.
    pub months: Vec<RangeInclusive<u8>>,
    /// Years.
    pub years: Vec<RangeInclusive<i16>>,
    /// Where clock and calendar are read.
    pub zone: TimeZone,
}

/// Days of a month, both ends included; −1 is its last day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthDays {
    /// From this day …
    pub begin: i8,
    /// … to this one.
    pub end: i8,
}

impl Default for TimeInterval {
    /// Always, in UTC.
    fn default() -> Self {
        Self {
            times: Vec::new(),
            weekdays: Vec::new(),
            days_of_month: Vec::new(),
            months: Vec::new(),
            years: Vec::new(),
            zone: TimeZone::UTC,
        }
    }
}

impl TimeInterval {
    /// Whether a time lies in it. Seconds don't count.
    pub fn contains(&self, at: Timestamp) -> bool {
        // What is beyond the calendar lies in nothing that names a part of it.
        let Ok(instant) = jiff::Timestamp::from_millisecond(at.0) else { return false };
        let local = self.zone.to_datetime(instant);
        let minute = local.hour() as u16 * 60 + local.minute() as u16;
        let weekday = local.weekday().to_sunday_zero_offset() as u8;
        any(&self.times, |r| r.contains(&minute))
            && any(&self.weekdays, |r| r.contains(&weekday))
            && any(&self.days_of_month, |r| r.contains(local.day(), local.days_in_month()))
            && any(&self.months, |r| r.contains(&(local.month() as u8)))
            && any(&self.years, |r| r.contains(&local.year()))
    }
}

fn any<T>(ranges: &[T], holds: impl Fn(&T) -> bool) -> bool {
    ranges.is_empty() || ranges.iter().any(holds)
}

impl MonthDays {
    fn contains(self, day: i8, last: i8) -> bool {
        let from_front = |n: i8| if n < 0 { last + n + 1 } else { n };
        (from_front(self.begin)..=from_front(self.end)).contains(&day)
    }
}

/// `HH:MM` as minutes of the day; up to `24:00`.
///
/// # Errors
/// What was expected.
pub fn parse_minute(text: &str) -> Result<u16, &'static str> {
    const EXPECTED: &str = "expected `HH:MM`, from `00:00` to `24:00`";
    let two =
        |t: &str| t.parse::<u16>().ok().filter(|_| t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit()));
    let (hour, minute) = text.split_once(':').and_then(|(h, m)| Some((two(h)?, two(m)?))).ok_or(EXPECTED)?;
    let minutes = hour * 60 + minute;
    if minute < 60 && minutes <= 24 * 60 { Ok(minutes) } else { Err(EXPECTED) }
}

/// `monday` or `monday:friday`.
///
/// # Errors
/// What was expected.
pub fn parse_weekdays(text: &str) -> Result<RangeInclusive<u8>, String> {
    const DAYS: [Weekday; 7] = [
        Weekday::Sunday,
        Weekday::Monday,
        Weekday::Tuesday,
        Weekday::Wednesday,
        Weekday::Thursday,
        Weekday::Friday,
        Weekday::Saturday,
    ];
    range(text, |name| {
        let day = DAYS.iter().position(|d| name.eq_ignore_ascii_case(&format!("{d:?}")));
        day.map(|n| n as u8).ok_or("expected a day such as `monday`, or a range such as `monday:friday`")
    })
}

/// `1`, `1:5`, `-3:-1`.
///
/// # Errors
/// What was expected.
pub fn parse_month_days(text: &str) -> Result<MonthDays, String> {
    const EXPECTED: &str = "expected days from 1 to 31, or from -31 to -1 counted from the month's end";
    let day = |t: &str| t.parse::<i8>().ok().filter(|n| *n != 0 && (-31..=31).contains(n)).ok_or(EXPECTED);
    let (begin, end) = text.split_once(':').unwrap_or((text, text));
    let days = MonthDays { begin: day(begin)?, end: day(end)? };
    if days.begin < 0 && days.end > 0 {
        return Err("a range that begins at the month's end must end there, too".to_owned());
    }
    // In the shortest month; what is empty there is a mistake everywhere.
    let in_february = |n: i8| if n < 0 { 28 + n } else { n };
    if in_february(days.begin) > in_february(days.end) {
        return Err("the range ends before it begins".to_owned());
    }
    Ok(days)
}

/// `1`, `january`, `january:march`.
///
/// # Errors
/// What was expected.
pub fn parse_months(text: &str) -> Result<RangeInclusive<u8>, String> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    range(text, |name| {
        let by_name = MONTHS.iter().position(|m| name.eq_ignore_ascii_case(m)).map(|n| n as u8 + 1);
        by_name
            .or_else(|| name.parse().ok().filter(|n| (1..=12).contains(n)))
            .ok_or("expected a month such as `january` or `1`, or a range such as `january:march`")
    })
}

/// `2026`, `2026:2028`.
///
/// # Errors
/// What was expected.
pub fn parse_years(text: &str) -> Result<RangeInclusive<i16>, String> {
    range(text, |year| {
        year.parse().map_err(|_| "expected a year such as `2026`, or a range such as `2026:2028`")
    })
}

fn range<T: PartialOrd + Copy>(
    text: &str,
    item: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<RangeInclusive<T>, String> {
    let (begin, end) = text.split_once(':').unwrap_or((text, text));
    let (begin, end) = (item(begin)?, item(end)?);
    if begin <= end { Ok(begin..=end) } else { Err("the range ends before it begins".to_owned()) }
}
