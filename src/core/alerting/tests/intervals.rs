use jiff::tz::TimeZone;

use super::*;
use crate::alerting::{MonthDays, TimeInterval};

/// Whether a wall-clock time in UTC, `2026-11-27 10:00`, lies in an interval.
fn holds(interval: &TimeInterval, text: &str) -> bool {
    interval.contains(text.replace(' ', "T").parse::<jiff::civil::DateTime>().map(utc).expect(text))
}

fn hours(from: &str, to: &str) -> Vec<std::ops::Range<u16>> {
    std::iter::once(parse_minute(from).expect(from)..parse_minute(to).expect(to)).collect()
}

fn utc(time: jiff::civil::DateTime) -> Timestamp {
    let zoned = time.to_zoned(TimeZone::UTC).expect("in the calendar");
    Timestamp(zoned.timestamp().as_millisecond())
}

#[test]
fn all_fields_hold_each_by_any_range() {
    let interval = TimeInterval {
        times: [hours("09:00", "17:00"), hours("22:30", "24:00")].concat(),
        weekdays: vec![parse_weekdays("Monday:friday").expect("days")],
        months: vec![parse_months("november:december").expect("months"), parse_months("2").expect("a month")],
        years: vec![parse_years("2026:2027").expect("years")],
        ..TimeInterval::default()
    };
    for (time, expected) in [
        ("2026-11-27 09:00", true),
        ("2026-11-27 08:59:59", false),
        ("2026-11-27 16:59:59", true),
        ("2026-11-27 17:00", false),
        ("2026-11-27 23:59", true),
        ("2026-11-28 10:00", false),
        ("2026-11-29 10:00", false),
        ("2026-11-30 10:00", true),
        ("2026-10-30 10:00", false),
        ("2027-02-01 10:00", true),
        ("2028-02-01 10:00", false),
    ] {
        assert_eq!(holds(&interval, time), expected, "{time}");
    }
    assert!(TimeInterval::default().contains(Timestamp::MAX.min(at(0))), "no field: always");
    assert!(!interval.contains(Timestamp::MAX) && !interval.contains(Timestamp::MIN), "beyond the calendar");
}

#[test]
fn days_count_from_either_end_of_the_month() {
    for (days, inside, outside) in [
        ("1:5", vec!["2026-02-01 00:00", "2026-02-05 23:59"], vec!["2026-02-06 00:00"]),
        ("-1", vec!["2026-02-28 12:00", "2028-02-29 12:00", "2026-12-31 12:00"], vec!["2028-02-28 12:00"]),
        ("-7:-1", vec!["2026-11-24 00:00", "2026-11-30 00:00"], vec!["2026-11-23 00:00"]),
        ("27:-1", vec!["2026-11-27 00:00", "2026-02-28 00:00"], vec!["2026-11-26 00:00"]),
        ("31", vec!["2026-12-31 00:00"], vec!["2026-11-30 00:00", "2026-02-28 00:00"]),
        ("30:31", vec!["2026-11-30 00:00"], vec!["2026-02-28 00:00"]),
        (
            "-31:-30",
            vec!["2026-12-01 00:00", "2026-11-01 00:00"],
            vec!["2026-11-02 00:00", "2026-02-01 00:00"],
        ),
    ] {
        let interval = TimeInterval {
            days_of_month: vec![parse_month_days(days).expect(days)],
            ..TimeInterval::default()
        };
        for (times, expected) in [(inside, true), (outside, false)] {
            assert!(times.iter().all(|t| holds(&interval, t) == expected), "{days}: {times:?} {expected}");
        }
    }
    assert_eq!(parse_month_days("-3:-1"), Ok(MonthDays { begin: -3, end: -1 }));
}

#[test]
fn clock_and_calendar_are_those_of_the_place() {
    let interval = TimeInterval {
        times: hours("01:00", "02:00"),
        weekdays: vec![parse_weekdays("sunday").expect("a day")],
        zone: TimeZone::get("Europe/Vienna").expect("a zone"),
        ..TimeInterval::default()
    };
    // Summer time ends on Sunday, 25 October 2026, at 03:00.
    for (time, expected) in [
        ("2026-10-24 23:30", true),
        ("2026-10-25 00:00", false),
        ("2026-11-01 00:00", true),
        ("2026-10-31 23:59", false),
    ] {
        assert_eq!(holds(&interval, time), expected, "{time}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    for bad in ["9:00", "09:60", "24:01", "25:00", "09.00", "0900", "", "+9:00", "-1:00"] {
        assert!(parse_minute(bad).is_err(), "{bad}");
    }
    for bad in ["mon", "1", "friday:monday", "monday:", ":", "", "saturday:sunday", "monday:tuesday:friday"] {
        assert!(parse_weekdays(bad).is_err(), "{bad}");
    }
    for bad in ["0", "32", "-32", "5:1", "-1:-3", "-1:5", "1:", "", "10:-25", "x", "1:2:3"] {
        assert!(parse_month_days(bad).is_err(), "{bad}");
    }
    for bad in ["0", "13", "december:january", "jan", "5:1", ""] {
        assert!(parse_months(bad).is_err(), "{bad}");
    }
    for bad in ["x", "2027:2026", "", "2026:"] {
        assert!(parse_years(bad).is_err(), "{bad}");
    }
}

/// The root route tells `r`; alerts with `night=1` go by a child of it that is mute and active as given. The clock of
/// tests begins at 22:13:20 UTC.
fn timed(mute: &[&str], active: &[&str]) -> Options {
    let from = |a: &str, b: &str| vec![TimeInterval { times: hours(a, b), ..TimeInterval::default() }];
    let names = |all: &[&str]| all.iter().map(|n| (*n).into()).collect();
    let mut o = options();
    o.route.routes = vec![Route {
        matchers: matchers::parse("night=1").expect("fixed"),
        mute_time_intervals: names(mute),
        active_time_intervals: names(active),
        ..Route::default()
    }];
    o.time_intervals = BTreeMap::from([
        ("at-22-15".into(), from("22:15", "22:20")),
        ("at-22-25".into(), from("22:25", "22:30")),
    ]);
    o
}

#[test]
fn a_mute_route_tells_afterwards_what_still_fires() {
    let mut rig = Rig::new(timed(&["at-22-15", "at-22-25"], &[]));
    rig.fire(120, "alertname=A night=1 n=a");
    rig.fire(120, "alertname=B n=b");
    rig.fire(150, "alertname=C night=1 n=c");
    rig.run_to(200);
    assert_eq!(rig.story(), ["130 webhook first notification +b"], "routes without intervals go on");
    assert_eq!(rig.why("alertname=A night=1 n=a"), [Reason::Muted { during: vec!["at-22-15".into()] }]);
    rig.end(300, "alertname=C night=1 n=c");
    rig.run_to(500);
    assert_eq!(rig.story()[1..], ["430 webhook first notification +a"]);
    let during = vec!["at-22-15".into()];
    assert_eq!(rig.why("alertname=C night=1 n=c"), [Reason::Muted { during }], "it ended without being told");
    // Its end is told although it comes in the second interval: who was told that it fires must know.
    rig.end(800, "alertname=A night=1 n=a");
    rig.run_to(900);
    assert_eq!(rig.story()[2..], ["850 webhook all alerts resolved -a"]);
}

#[test]
fn outside_its_active_intervals_a_route_is_mute() {
    let mut rig = Rig::new(timed(&[], &["at-22-15", "at-22-25"]));
    rig.fire(0, "alertname=A night=1 n=a");
    rig.run_to(60);
    let outside = vec!["at-22-15".into(), "at-22-25".into()];
    assert_eq!(rig.why("alertname=A night=1 n=a"), [Reason::Inactive { outside }]);
    rig.run_to(200);
    assert_eq!(rig.story(), ["130 webhook first notification +a"]);
}

#[test]
fn with_resolves_dropped_a_mute_end_is_written_off() {
    let mut o = timed(&["at-22-15"], &[]);
    o.suppressed_resolves = SuppressedResolves::Drop;
    let mut rig = Rig::new(o);
    rig.fire(0, "alertname=A night=1 n=a");
    rig.end(150, "alertname=A night=1 n=a");
    rig.run_to(600);
    assert_eq!(rig.story(), ["10 webhook first notification +a"]);
    let because = WriteOff::Suppressed;
    assert_eq!(rig.why("alertname=A night=1 n=a"), [Reason::WrittenOff { because }]);
}

#[test]
fn a_restart_and_a_reload_keep_the_time_of_day() {
    let mut rig = Rig::new(timed(&["at-22-15"], &[]));
    rig.fire(120, "alertname=A night=1 n=a");
    rig.restart(180, timed(&["at-22-15"], &[]));
    rig.run_to(240);
    assert_eq!(rig.story(), Vec::<String>::new());
    rig.reload(240, timed(&[], &[]));
    rig.run_to(320);
    assert_eq!(rig.story(), ["250 webhook first notification +a"], "at the group's next turn");
}
