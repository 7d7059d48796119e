//! Prometheus' functions and variables (spec T1 to T13).

use super::{RuleTemplate, check, rule};

#[test]
fn variables() {
    check(
        rule,
        &[
            ("{{ $labels.instance }} {{ .Labels.job }} {{ $labels.nothing }}|", "a:9090 bot |"),
            (
                "{{ $value }} {{ .Value }} {{ $externalLabels.region }} {{ $externalURL }}",
                "1.5 1.5 eu http://host:9090/prom",
            ),
            (
                "{{ .ExternalLabels.region }} {{ .ExternalURL }} {{ externalURL }} {{ pathPrefix }}",
                "eu http://host:9090/prom http://host:9090/prom /prom",
            ),
        ],
    );
}

#[test]
fn queries() {
    check(
        rule,
        &[
            ("{{ range query \"x\" }}{{ .Labels.instance }}={{ .Value }} {{ end }}", "b=1 a=2 "),
            ("{{ range sortByLabel \"instance\" (query \"x\") }}{{ .Labels.instance }}{{ end }}", "ab"),
            ("{{ query \"x\" | first | value }} {{ query \"x\" | first | label \"instance\" }}", "1 b"),
            ("{{ query \"x\" | first | strvalue }}", "text"),
            ("{{ with query \"none\" }}a{{ else }}b{{ end }}", "b"),
            (
                "{{ query \"none\" | first }}",
                "!error calling first: first() called on vector with no elements",
            ),
            ("{{ query \"bad\" }}", "!error calling query: no such metric"),
            ("{{ first 1 }}", "!wrong type for value; expected template.queryResult; got int"),
        ],
    );
}

#[test]
fn humanized() {
    let table = [
        ("humanize", "0", "0"),
        ("humanize", "1234567.0", "1.235M"),
        ("humanize", ".12", "120m"),
        ("humanize", "9223372036854775807", "9.223E"),
        ("humanize", "\"1e3\"", "1k"),
        ("humanize", "\"Inf\"", "+Inf"),
        ("humanize", "\"-Inf\"", "-Inf"),
        ("humanize", "\"NaN\"", "NaN"),
        ("humanize1024", "1048576", "1Mi"),
        ("humanize1024", ".12", "0.12"),
        ("humanizeDuration", "0", "0s"),
        ("humanizeDuration", "60", "1m 0s"),
        ("humanizeDuration", "3600", "1h 0m 0s"),
        ("humanizeDuration", "86400", "1d 0h 0m 0s"),
        ("humanizeDuration", "-183845", "-2d 3h 4m 5s"),
        ("humanizeDuration", "899.99", "14m 59s"),
        ("humanizeDuration", ".1", "100ms"),
        ("humanizeDuration", ".0001", "100us"),
        ("humanizeDuration", ".12345", "123.5ms"),
        ("humanizeDuration", "1.2345", "1.234s"),
        ("humanizeDuration", "12.345", "12.35s"),
        ("humanizeDuration", "60.5", "1m 0s"),
        ("humanizeDuration", "\"NaN\"", "NaN"),
        ("humanizePercentage", "0.1234567", "12.35%"),
        ("humanizePercentage", "1.23456", "123.5%"),
        ("humanizePercentage", "1234567.0", "1.235e+08%"),
        ("humanizeTimestamp", "1435065584.128", "2015-06-23 13:19:44.128 +0000 UTC"),
        ("humanizeTimestamp", "\"+Inf\"", "+Inf"),
        (
            "humanizeTimestamp",
            "1e12",
            "!1e+12 cannot be represented as a nanoseconds timestamp since it overflows int64",
        ),
        ("humanize", "\"x\"", "!error calling humanize: strconv.ParseFloat: parsing \"x\": invalid syntax"),
        ("humanize", "true", "!can't convert bool to float"),
        ("toTime", "\"NaN\"", "!value is NaN or Inf"),
        ("parseDuration", "\"1h\"", "3600"),
        ("parseDuration", "\"-1m30s\"", "-90"),
    ];
    for (function, arg, want) in table {
        check(rule, &[(&format!("{{{{ {function} {arg} }}}}"), want)]);
    }
}

#[test]
fn texts_and_links() {
    check(
        rule,
        &[
            (
                "{{ title \"hello big_world a-b\" }} {{ toUpper \"ab\" }} {{ toLower \"AB\" }}",
                "Hello Big_world A-B AB ab",
            ),
            ("{{ match \"a+\" \"xaay\" }} {{ match \"^a\" \"xa\" }}", "true false"),
            ("{{ match \"(\" \"x\" }}", "!error calling match: error parsing regexp"),
            ("{{ reReplaceAll \"(a)b\" \"${1}c\" \"abab\" }}", "acac"),
            ("{{ reReplaceAll \"(\" \"\" \"x\" }}", "!error parsing regexp"),
            (
                "{{ stripPort \"h:1\" }} {{ stripPort \"h\" }} {{ stripPort \"[::1]:80\" }} {{ stripPort \"a:b:c\" }}",
                "h h ::1 a:b:c",
            ),
            (
                "{{ stripDomain \"a.b.c:80\" }} {{ stripDomain \"a.b\" }} {{ stripDomain \"1.2.3.4:5\" }} {{ stripDomain \"[::1]:5\" }}",
                "a:80 a 1.2.3.4:5 [::1]:5",
            ),
            ("{{ graphLink \"up == 0\" }}", "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"),
            ("{{ tableLink \"up\" }}", "/graph?g0.expr=up&g0.tab=1"),
            ("{{ urlQueryEscape \"a b\" }} {{ safeHtml \"<b>\" }} {{ (args 1 2).arg1 }}", "a+b <b> 2"),
            ("{{ now }}", "1.435065584128e+09"),
            (
                "{{ (now | toTime).Format \"2006-01-02\" }} {{ ($value | toDuration).Seconds }}",
                "2015-06-23 1.5",
            ),
        ],
    );
}

#[test]
fn errors_tell_the_place() {
    let e = RuleTemplate::parse("__alert_Down", "value\n{{ $valeu }}").unwrap_err();
    assert_eq!(e.message, "template: __alert_Down:2: undefined variable \"$valeu\"");
    assert_eq!(e.offset, Some(9));
    assert!(RuleTemplate::names().any(|n| n == "$labels") && RuleTemplate::names().any(|n| n == "printf"));
}
