use std::path::PathBuf;

use botwatch_core::{
    model::{Duration, Labels},
    template::{AlertData, Data, Templates},
};

use super::{NOW, parts};
use crate::notify::email::message::{Parts, compose};

fn alert(name: &str, severity: &str, extra: &[(&str, &str)]) -> AlertData {
    let labels =
        [("alertname", name), ("severity", severity), ("job", "bot"), ("instance", "localhost:3000")];
    AlertData {
        labels: Labels::from_pairs(labels.iter().chain(extra).copied()),
        annotations: Labels::from_pairs([
            ("summary", "Memory at 92 % of its limit"),
            (
                "description",
                "The bot uses 471 MB of 512 MB (threshold 85 %). It is killed when it reaches the limit.",
            ),
            ("runbook_url", "https://docs.example.org/runbooks/memory#high"),
        ]),
        starts_at: NOW - Duration::from_secs(754),
        ends_at: None,
        generator_url: "http://localhost:9095/graph?g0.expr=memory+%3E+0.85&g0.tab=1".into(),
        fingerprint: "b807e636403824b5".to_owned(),
        value: "0.92".into(),
        frozen_since: None,
        issue_id: "b807e636403824b5-1763952746000".into(),
    }
}

fn resolved(mut alert: AlertData) -> AlertData {
    alert.ends_at = Some(NOW - Duration::from_secs(30));
    alert
}

fn common<'a>(of: impl Iterator<Item = &'a Labels> + Clone) -> Labels {
    let Some(first) = of.clone().next() else { return Labels::default() };
    Labels::from_pairs(first.iter().filter(|(n, v)| of.clone().all(|l| l.get(n) == Some(*v))))
}

fn data(alerts: Vec<AlertData>, reason: &str) -> Data {
    Data {
        receiver: "ops".into(),
        group_labels: common(alerts.iter().map(|a| &a.labels)),
        common_labels: common(alerts.iter().map(|a| &a.labels)),
        common_annotations: common(alerts.iter().map(|a| &a.annotations)),
        alerts,
        external_url: "http://localhost:9095".into(),
        notification_reason: reason.into(),
        route_labels: Labels::default(),
        now: NOW,
    }
}

/// Compares with what is recorded; delete the record to make a new one.
fn as_recorded(name: &str, got: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/notify").join(name);
    let Ok(recorded) = std::fs::read_to_string(&path) else {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, got).unwrap();
        panic!("`{name}` was not recorded; it is now, look at it");
    };
    assert_eq!(got, recorded, "`{name}` differs from its record");
}

fn rendered(data: &Data) -> (String, String, String) {
    let templates = Templates::builtin();
    let text = |name: &str| {
        templates.text(&format!(r#"{{{{ template "email.default.{name}" . }}}}"#), data).unwrap()
    };
    let html = templates.html(r#"{{ template "email.default.html" . }}"#, data).unwrap();
    (text("subject"), text("text"), html)
}

fn whole(data: &Data) -> String {
    let (subject, text, html) = rendered(data);
    let chart = Some(b"a picture".to_vec());
    let (_, bytes) =
        compose(Parts { subject: &subject, text: &text, html: &html, chart, ..parts() }).unwrap();
    String::from_utf8(bytes).unwrap().replace("\r\n", "\n")
}

#[test]
fn messages_are_as_recorded() {
    let leak = alert("MemoryHigh", "critical", &[]);
    let mut frozen = alert("SpreadTooWide", "warning", &[("pair", "BTC/USDT <&> \"x\"")]);
    frozen.frozen_since = Some(NOW - Duration::from_secs(60));
    as_recorded("email-firing.eml", &whole(&data(vec![leak.clone()], "first notification")));
    as_recorded("email-resolved.eml", &whole(&data(vec![resolved(leak.clone())], "all alerts resolved")));
    let mixed = vec![leak.clone(), frozen, resolved(alert("FeedStale", "warning", &[]))];
    as_recorded("email-mixed.eml", &whole(&data(mixed, "new alerts added")));
}

#[test]
fn subjects_are_short_and_say_what_and_where() {
    let leak = alert("MemoryHigh", "critical", &[]);
    let warning = alert("MemoryHigh", "warning", &[]);
    let bare = AlertData { labels: Labels::from_pairs([("x", "1")]), ..leak.clone() };
    for (alerts, expected) in [
        (vec![leak.clone()], "[FIRING:1] MemoryHigh (bot critical)"),
        (vec![leak.clone(), warning], "[FIRING:2] MemoryHigh (bot)"),
        (vec![resolved(leak.clone())], "[RESOLVED] MemoryHigh (bot critical)"),
        (vec![leak.clone(), resolved(leak.clone())], "[FIRING:1] MemoryHigh (bot critical)"),
        (vec![bare.clone()], "[FIRING:1] 1"),
        (vec![leak.clone(), alert("FeedStale", "warning", &[])], "[FIRING:2] MemoryHigh and others (bot)"),
        (vec![bare, leak], "[FIRING:2] 2 alerts"),
    ] {
        assert_eq!(rendered(&data(alerts, "")).0, expected);
    }
}

#[test]
fn the_chart_stands_with_the_first_alert_and_labels_are_escaped() {
    let evil = alert("<script>", "critical", &[("pair", "<img src=\"cid:chart\">")]);
    let alerts = vec![evil.clone(), evil.clone(), resolved(evil)];
    let (_, text, html) = rendered(&data(alerts, ""));
    assert_eq!(html.matches("<img").count(), 1);
    assert!(!html.contains("<script"));
    assert!(!html.contains("ZgotmplZ") && text.contains("<script>"));
    // Long lists are cut, and say so.
    let many = vec![alert("MemoryHigh", "critical", &[]); 30];
    let (_, text, html) = rendered(&data(many, ""));
    assert!(text.contains("30 fire in all") && html.contains("30 fire in all"));
    assert_eq!(html.matches(">Runbook<").count(), 20);
}
