//! `time.Time` and `time.Duration`.

use super::{check, text};

#[test]
fn formats() {
    let at = |layout: &str| {
        text(&format!(
            "{{{{ date {layout:?} (toDate \"2006-01-02T15:04:05.999Z07:00\" \"2009-02-04T21:00:57.012+00:00\") }}}}"
        ))
    };
    check(
        at,
        &[
            ("Mon Jan _2 15:04:05 2006", "Wed Feb  4 21:00:57 2009"),
            ("Monday, 02-Jan-06 15:04:05 MST", "Wednesday, 04-Feb-09 21:00:57 UTC"),
            ("2006-01-02T15:04:05Z07:00", "2009-02-04T21:00:57Z"),
            ("2006-01-02T15:04:05.000-0700", "2009-02-04T21:00:57.012+0000"),
            ("3:04PM 03 pm", "9:00PM 09 pm"),
            ("15:04:05.999999 .99 ,000", "21:00:57.012 .01 ,012"),
            ("January 2 1 2006 002 __2", "February 4 2 2009 035  35"),
            ("_2006 Janet Month", "_2009 Janet Month"),
        ],
    );
}

#[test]
fn zones_and_arithmetic() {
    check(
        text,
        &[
            ("{{ now }}", "2015-06-23 13:19:44.128 +0000 UTC"),
            ("{{ tz \"Europe/Paris\" now }}", "2015-06-23 15:19:44.128 +0200 CEST"),
            ("{{ date \"15:04 MST Z07:00\" (tz \"America/New_York\" now) }}", "09:19 EDT -04:00"),
            ("{{ tz \"Nowhere/City\" now }}", "!unknown time zone Nowhere/City"),
            (
                "{{ now.Year }} {{ now.Month }} {{ now.Day }} {{ now.Weekday }} {{ now.YearDay }}",
                "2015 June 23 Tuesday 174",
            ),
            ("{{ printf \"%d %s\" now.Month now.Month }}", "6 June"),
            (
                "{{ now.Unix }} {{ now.UnixMilli }} {{ now.Hour }}:{{ now.Minute }}:{{ now.Second }}",
                "1435065584 1435065584128 13:19:44",
            ),
            ("{{ (now.AddDate 0 1 10).Format \"2006-01-02\" }}", "2015-08-02"),
            (
                "{{ (now.Add 3600000000000).Format \"15:04\" }} {{ (now.Truncate 3600000000000).Format \"15:04:05\" }}",
                "14:19 13:00:00",
            ),
            ("{{ (now.Round 3600000000000).Format \"15:04:05\" }}", "13:00:00"),
            ("{{ now.Sub (index .Alerts 0).StartsAt }}", "1h0m0s"),
            (
                "{{ now.After (index .Alerts 0).StartsAt }} {{ now.Before now }} {{ now.Equal now }}",
                "true false true",
            ),
            (
                "{{ (index .Alerts 0).EndsAt.IsZero }} {{ (index .Alerts 0).EndsAt }}",
                "true 0001-01-01 00:00:00 +0000 UTC",
            ),
            (
                "{{ since (index .Alerts 0).StartsAt }} {{ since (index .Alerts 0).StartsAt | humanizeDuration }}",
                "1h0m0s 1h 0m 0s",
            ),
            (
                "{{ (since (index .Alerts 0).StartsAt).Minutes }} {{ ((since (index .Alerts 0).StartsAt).Round 7200000000000).Hours }}",
                "60 2",
            ),
            ("{{ mustToDate \"2006-01-02\" \"2024-02-29\" }}", "2024-02-29 00:00:00 +0000 UTC"),
            ("{{ mustToDate \"2006-01-02\" \"2023-02-29\" }}", "!value out of range"),
            (
                "{{ mustToDate \"2006-01-02\" \"x\" }}",
                "!parsing time \"x\" as \"2006-01-02\": cannot parse \"x\" as \"2006\"",
            ),
            ("{{ (toDate \"2006\" \"x\").IsZero }}", "true"),
        ],
    );
}
