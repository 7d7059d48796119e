//! Alertmanager's data and functions.

use super::{check, data, files, text};
use crate::template::Templates;

#[test]
fn data_model() {
    check(
        text,
        &[
            (
                "{{ .Receiver }} {{ .Status }} {{ .ExternalURL }} {{ .NotificationReason }}",
                "desk firing http://host:9093 first notification",
            ),
            (
                "{{ range .Alerts }}{{ .Labels.alertname }}:{{ .Status }} {{ end }}",
                "Down:firing Slow:resolved ",
            ),
            ("{{ len .Alerts.Firing }} {{ len .Alerts.Resolved }}", "1 1"),
            (
                "{{ with index .Alerts 0 }}{{ .Fingerprint }} {{ .Value }} {{ .IssueID }}{{ if .FrozenSince }}frozen{{ end }}{{ end }}",
                "0123456789abcdef 1.5 ",
            ),
            (
                "{{ range (index .Alerts 0).Labels.SortedPairs }}{{ .Name }}={{ .Value }} {{ end }}",
                "alertname=Down account=<main> severity=critical ",
            ),
            (
                "{{ (index .Alerts 0).Labels }} {{ .CommonLabels.String }}",
                "alertname=Down, account=<main>, severity=critical account=<main>, severity=critical",
            ),
            ("{{ .CommonLabels.Remove .GroupLabels.Names }}", "severity=critical"),
            (
                "{{ .CommonLabels.Names.Join \"+\" }} {{ .CommonLabels.SortedPairs.Values | join \", \" }}",
                "account+severity <main>, critical",
            ),
            ("{{ .CommonLabels.Remove (stringSlice \"severity\") | len }}", "1"),
        ],
    );
}

#[test]
fn functions() {
    check(
        text,
        &[
            ("{{ title \"hELLO it's foo_bar a.b x-y\" }}", "Hello It's Foo_bar A.b X-Y"),
            ("{{ trimSpace \" a \" }}|{{ join \",\" (stringSlice \"a\" \"b\") }}", "a|a,b"),
            ("{{ reReplaceAll \"a(.)\" \"$1\" \"abac\" }} {{ match \"b\" \"abc\" }}", "bc true"),
            ("{{ urlUnescape \"a+b%26\" }}", "a b&"),
            ("{{ urlUnescape \"%x\" }}", "!invalid URL escape \"%x\""),
            ("{{ base64encode \"ab?>\" }} {{ base64decode \"YWI_Pg==\" }}", "YWI_Pg== ab?>"),
            ("{{ base64decode \"%\" }}", "!illegal base64 data"),
            ("{{ append (list 1 2) 3 }} {{ (dict \"a\" 1 \"b\" \"x\").b }}", "[1 2 3] x"),
            ("{{ dict \"a\" }}", "!even number of arguments"),
            (
                "{{ toJson (dict \"b\" (list 1 2.5 true) \"a\" \"<x>\") }}",
                r#"{"a":"\u003cx\u003e","b":[1,2.5,true]}"#,
            ),
            ("{{ toJson .CommonLabels }}", r#"{"account":"\u003cmain\u003e","severity":"critical"}"#),
            (
                "{{ toJson now }} {{ toJson (since now) }} {{ toJson nil }}",
                r#""2015-06-23T13:19:44.128Z" 0 null"#,
            ),
            (
                "{{ routeLabels \"team\" }} {{ routeLabels \"page\" }} {{ routeLabels \"none\" }}|",
                "desk DESK-firing |",
            ),
            ("{{ routeLabels \"a\" }}", "!route label cycle"),
            ("{{ safeHtml \"<b>\" }}{{ safeUrl \"javascript:x\" }}", "<b>javascript:x"),
            ("{{ query \"x\" }}", "!function \"query\" not defined"),
        ],
    );
    let json = text("{{ toJson (index .Alerts 0) }}").unwrap();
    assert!(json.starts_with(r#"{"status":"firing","labels":{"account":"#), "{json}");
    assert!(json.contains(r#""endsAt":"0001-01-01T00:00:00Z","generatorURL":"http"#), "{json}");
}

#[test]
fn files_lie_over_the_builtin_ones() {
    let own = files(&[
        ("a.tmpl", "{{ define \"__subject\" }}mine: {{ .Status }}{{ end }}whole file"),
        ("b.tmpl", "{{ define \"__alertmanager\" }}  {{ end }}{{ define \"x\" }}1{{ end }}"),
        ("c.tmpl", "{{ define \"x\" }}2{{ end }}"),
    ]);
    let templates = Templates::with_files(&own).unwrap();
    let run = |t: &str| templates.text(t, &data()).map_err(|e| e.message);
    check(
        run,
        &[
            ("{{ template \"slack.default.title\" . }}", "mine: firing"),
            ("{{ template \"a.tmpl\" . }}", "whole file"),
            // A blank definition replaces nothing, as in Go.
            ("{{ template \"__alertmanager\" . }} {{ template \"x\" }}", "botwatch 2"),
        ],
    );
    let bad = files(&[("a", "{{"), ("b", "fine"), ("c", "{{ foo }}")]);
    let errors = Templates::with_files(&bad).unwrap_err();
    let shown: Vec<_> = errors.iter().map(|(i, e)| (*i, e.message.as_str())).collect();
    assert_eq!(
        shown,
        [(0, "template: a:1: unclosed action"), (2, "template: c:1: function \"foo\" not defined")]
    );
    assert!(templates.check("{{ template \"later\" }}").is_ok());
    assert!(templates.check("{{ if }}").is_err());
}
