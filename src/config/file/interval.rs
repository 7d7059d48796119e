//! Time intervals (spec alertmanager §1.5).

use std::{ops::Range, sync::Arc};

use botwatch_core::{
    alerting::{
        MonthDays, TimeInterval as Interval, parse_minute, parse_month_days, parse_months, parse_weekdays,
        parse_years,
    },
    diag::Span,
    yaml::{Node, Reader},
};
use jiff::tz::TimeZone;

use crate::config::value::{At, Out, Read, Show, section};

section! {
    /// Pieces of the calendar under one name.
    pub struct TimeInterval("a time interval", "time_intervals[]", check TimeInterval::check) {
        /// What routes call it.
        name: At<Arc<str>>,
        /// A time lies in it when it lies in one of these.
        time_intervals: Vec<Piece>,
    }
}

section! {
    /// One piece: all of what is set must hold.
    pub struct Piece("a piece of a time interval", "time_intervals[].time_intervals[]") {
        /// Times of day.
        times: Vec<Times>,
        /// Days of the week.
        weekdays: Vec<At<Weekdays>>,
        /// Days of the month.
        days_of_month: Vec<At<Days>>,
        /// Months.
        months: Vec<At<Months>>,
        /// Years.
        years: Vec<At<Years>>,
        /// Where clock and calendar are read.
        location: At<Location>,
    }
}

section! {
    /// From a time of day to another.
    pub struct Times("a range of times", "time_intervals[].time_intervals[].times[]", check Times::check) {
        /// `HH:MM`, included.
        start_time: At<Minute>,
        /// `HH:MM`, not included.
        end_time: At<Minute>,
    }
}

impl TimeInterval {
    fn check(&self, reader: &mut Reader, span: Span) {
        if self.name.as_ref().map_or(self.lacks(&["name"]), |n| n.is_empty()) {
            let d = reader.error("missing-key", "a time interval has no `name`", span);
            reader.report(d.label("`name` is needed here"));
        }
    }
}

impl Times {
    fn check(&self, reader: &mut Reader, span: Span) {
        for key in ["start_time", "end_time"].into_iter().filter(|key| self.lacks(&[key])) {
            let d = reader.error("missing-key", format!("a range of times has no `{key}`"), span);
            reader.report(d.label(format!("`{key}` is needed here")));
        }
        if let (Some(start), Some(end)) = (&self.start_time, &self.end_time)
            && start.0 >= end.0
        {
            let d = end.error(
                "invalid-value",
                format!("`end_time` ({}) is not after `start_time` ({})", end.1, start.1),
            );
            reader.report(
                d.label("expected a later time")
                    .hint("for a night write two ranges, one up to 24:00 and one from 00:00"),
            );
        }
    }

    /// Minutes of the day.
    fn range(&self) -> Option<Range<u16>> {
        Some(self.start_time.as_ref()?.0..self.end_time.as_ref()?.0)
    }
}

impl Piece {
    /// As the machine uses it.
    pub fn interval(&self) -> Interval {
        Interval {
            times: self.times.iter().flatten().filter_map(Times::range).collect(),
            weekdays: self.weekdays.iter().flatten().map(|w| w.value.0.clone()).collect(),
            days_of_month: self.days_of_month.iter().flatten().map(|d| d.value.0).collect(),
            months: self.months.iter().flatten().map(|m| m.value.0.clone()).collect(),
            years: self.years.iter().flatten().map(|y| y.value.0.clone()).collect(),
            zone: self.location.as_ref().map_or(TimeZone::UTC, |l| l.value.0.clone()),
        }
    }
}

/// A value that is read from a word, and printed as it was written.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident($ty:ty), $parse:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name(pub $ty, Arc<str>);

        impl Read for $name {
            fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
                let text = reader.scalar(node, $expected)?.text.clone();
                let parse: fn(&str) -> Result<$ty, String> = $parse;
                match parse(&text) {
                    Ok(value) => Some(Self(value, text)),
                    Err(expected) => {
                        reader.invalid(format!("not {}: `{text}`", $expected), expected, node.span);
                        None
                    }
                }
            }
        }

        impl Show for $name {
            fn show(&self) -> Option<Out> {
                Some(Out::Text(self.1.to_string(), None))
            }
        }
    };
}

word!(
    /// A minute of the day.
    Minute(u16), |t| parse_minute(t).map_err(str::to_owned), "a time of day"
);
word!(
    /// Days of the week, Sunday is 0.
    Weekdays(std::ops::RangeInclusive<u8>), parse_weekdays, "a day of the week"
);
word!(
    /// Days of the month.
    Days(MonthDays), parse_month_days, "a day of the month"
);
word!(
    /// Months.
    Months(std::ops::RangeInclusive<u8>), parse_months, "a month"
);
word!(
    /// Years.
    Years(std::ops::RangeInclusive<i16>), parse_years, "a year"
);
word!(
    /// A time zone.
    Location(TimeZone), zone, "a time zone"
);

fn zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        "Local" => Ok(TimeZone::system()),
        name => TimeZone::get(name)
            .map_err(|_| "expected `UTC`, `Local` or a name such as `Europe/Vienna`".to_owned()),
    }
}
