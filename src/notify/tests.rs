//! What needs no receiver. Exchanges with receivers are in `tests/it/notify`.

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::{
    alerting::{self, Delivery, DeliveryId, EpisodeId, IntegrationId, NotifiedAlert, Outcome},
    model::{Alert, Duration, Labels, Timestamp},
    template::{Data, Templates},
};
use parking_lot::Mutex;
use prometheus::{Encoder as _, Registry, TextEncoder};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt as _};

use super::{
    failure::{Failure, FailureReason},
    json,
    log::{Log, Say},
    message,
    metrics::Metrics,
    notifier,
    severity::{colour, worst},
};
use crate::net;

pub(super) fn alert(labels: &[(&str, &str)], annotations: &[(&str, &str)], ended: bool) -> NotifiedAlert {
    let starts_at = Timestamp::from_secs(1_764_000_000);
    let labels = Labels::from_pairs(labels.iter().copied());
    NotifiedAlert {
        episode: EpisodeId { fingerprint: labels.fingerprint(), starts_at },
        alert: Alert {
            labels,
            annotations: Labels::from_pairs(annotations.iter().copied()),
            starts_at,
            ends_at: ended.then_some(Timestamp(1_764_000_090_500)),
            updated_at: starts_at,
            generator_url: "http://bot:9095/graph".into(),
            timeout: false,
        },
        value: Some("91.5".to_owned()),
        frozen_since: None,
    }
}

pub(super) fn data(alerts: Vec<NotifiedAlert>) -> Data {
    message::data(
        &delivery("team", alerts),
        0,
        &"http://bot:9095".into(),
        &Templates::builtin(),
        Timestamp(0),
    )
}

fn id(receiver: &str, kind: &str) -> IntegrationId {
    IntegrationId { receiver: receiver.into(), kind: kind.into(), key: "1".into() }
}

fn delivery(receiver: &str, alerts: Vec<NotifiedAlert>) -> Delivery {
    Delivery {
        id: DeliveryId("7-0123456789abcdef".into()),
        integration: id(receiver, "webhook"),
        group_key: "{}:{}".into(),
        group_labels: Labels::empty(),
        route_labels: Labels::from_pairs([("owner", "ops")]),
        reason: "first notification".into(),
        alerts,
        planned_at: Timestamp(0),
    }
}

#[test]
fn common_is_what_all_shown_alerts_have() {
    let alerts = vec![
        alert(&[("alertname", "A"), ("bot", "b1")], &[("summary", "s"), ("runbook", "r")], false),
        alert(&[("alertname", "A"), ("bot", "b2")], &[("summary", "s"), ("runbook", "r")], false),
        alert(&[("alertname", "B"), ("bot", "b1")], &[("summary", "t"), ("runbook", "r")], true),
    ];
    let delivery = delivery("ops.eu (1)", alerts);
    for (max, labels, annotations) in [
        (0, "", "runbook=r"),
        (1, "alertname=A,bot=b1", "runbook=r,summary=s"),
        (2, "alertname=A", "runbook=r,summary=s"),
        (9, "", "runbook=r"),
    ] {
        let data = message::data(&delivery, max, &"http://b".into(), &Templates::builtin(), Timestamp(5));
        let text = |l: &Labels| l.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(",");
        assert_eq!(text(&data.common_labels), labels, "{max}");
        assert_eq!(text(&data.common_annotations), annotations, "{max}");
        assert_eq!(data.alerts.len(), if max == 0 { 3 } else { max.min(3) });
        assert_eq!(&*data.receiver, r"ops\.eu \(1\)");
        assert_eq!(data.route_labels.value("owner"), "ops");
    }
    let none = super::tests::delivery("r", Vec::new());
    let data = message::data(&none, 0, &"".into(), &Templates::builtin(), Timestamp(5));
    assert!(data.common_labels.is_empty() && data.common_annotations.is_empty());
}

#[test]
fn route_labels_are_templates_and_a_bad_one_stays() {
    let mut delivery = delivery("r", vec![alert(&[("alertname", "A"), ("bot", "b1")], &[], false)]);
    delivery.route_labels =
        Labels::from_pairs([("who", "{{ .CommonLabels.bot }}"), ("bad", "{{ .Nothing }}"), ("plain", "p")]);
    let data = message::data(&delivery, 0, &"".into(), &Templates::builtin(), Timestamp(5));
    let values: Vec<_> = data.route_labels.iter().collect();
    assert_eq!(values, [("bad", "{{ .Nothing }}"), ("plain", "p"), ("who", "b1")]);
}

#[test]
fn texts_are_cut_at_characters() {
    for (text, max, expected) in [
        ("", 3, ""),
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("äöü", 3, "äöü"),
        ("äöüß", 3, "äö…"),
        ("ab", 1, "…"),
        ("日本語テキスト", 4, "日本語…"),
    ] {
        assert_eq!(message::truncate(text.to_owned(), max), expected, "{text} {max}");
    }
}

#[test]
fn json_is_escaped_as_go_does() {
    for (text, expected) in [
        ("a<b>&c", r#""a\u003cb\u003e\u0026c""#),
        ("\"\\\n\r\t\u{8}\u{c}\u{1}", r#""\"\\\n\r\t\b\f\u0001""#),
        ("\u{2028}|\u{2029}", r#""\u2028|\u2029""#),
        ("ä/é\u{7f}", "\"ä/é\u{7f}\""),
    ] {
        assert_eq!(json::to_vec(&text).expect("JSON"), format!("{expected}\n").into_bytes(), "{text}");
    }
    let map = BTreeMap::from([("<k>", 1)]);
    assert_eq!(json::to_vec(&map).expect("JSON"), b"{\"\\u003ck\\u003e\":1}\n");
}

#[test]
fn statuses_and_errors_are_sorted() {
    use FailureReason::*;
    for (status, permanent, reason) in [
        (300, true, Other),
        (301, false, Other),
        (304, true, Other),
        (307, false, Other),
        (400, true, ClientError),
        (401, true, AuthError),
        (403, true, AuthError),
        (404, true, ClientError),
        (408, false, ClientError),
        (425, false, ClientError),
        (429, false, RateLimited),
        (500, false, ServerError),
        (503, false, ServerError),
        (599, false, ServerError),
    ] {
        let failure = Failure::of_status("http://x", status, "", Some(Duration::from_secs(7)));
        assert_eq!((failure.permanent, failure.reason), (permanent, reason), "{status}");
        let outcome = failure.into_outcome();
        assert_eq!(matches!(outcome, Outcome::Permanent { .. }), permanent, "{status}");
    }
    let peer = || "http://x".to_owned();
    for (error, permanent, reason, text) in [
        (
            net::Error::Timeout { peer: peer(), after: std::time::Duration::from_millis(9998) },
            false,
            DeadlineExceeded,
            "no answer from http://x in time",
        ),
        (
            net::Error::Connect { peer: peer(), reason: "refused".into() },
            false,
            Other,
            "can't connect to http://x: refused",
        ),
        (net::Error::Url { reason: "no host" }, true, Other, "invalid URL: no host"),
    ] {
        let failure = Failure::of_net(&error);
        assert_eq!((failure.permanent, failure.reason, &*failure.error), (permanent, reason, text));
    }
}

#[test]
fn the_log_tells_changes_and_an_hourly_count() {
    let hook = id("r", "webhook");
    let bad = |status| Failure::of_status("http://x", status, "", None);
    let at = |minutes: i64| Timestamp::from_secs(minutes * 60);
    let mut log = Log::default();
    for (minute, failure, expected) in [
        (0, None, None),
        (1, Some(bad(503)), Some(Say::Failing)),
        (2, Some(bad(500)), None),
        (3, Some(bad(503)), None),
        (61, Some(bad(503)), Some(Say::StillFailing { times: 3, since: at(1) })),
        (62, Some(bad(503)), None),
        (63, Some(bad(404)), Some(Say::Failing)),
        (64, None, Some(Say::Works { failures: 6, since: at(1) })),
        (65, None, None),
        (66, Some(bad(404)), Some(Say::Failing)),
    ] {
        assert_eq!(log.note(&hook, at(minute), failure.as_ref()), expected, "minute {minute}");
    }
    log.retain(|_| false);
    assert_eq!(log.note(&hook, at(67), Some(&bad(404))), Some(Say::Failing));
}

#[test]
fn metrics_have_the_series_of_what_is_configured() {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry).expect("metrics");
    let shown = || {
        let mut out = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut out).expect("text");
        let text = String::from_utf8(out).expect("UTF-8");
        let lines = text.lines().filter(|l| !l.starts_with('#') && !l.contains("_seconds"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let (a, b) = (id("a", "webhook"), id("b", "slack"));
    metrics.configure([&a, &b].into_iter());
    assert_eq!(shown().len(), 2 * (3 + FailureReason::ALL.len()));
    assert!(shown().iter().all(|l| l.ends_with(" 0")));
    metrics.attempt(&a, Duration::from_secs(2), Some(FailureReason::RateLimited));
    metrics.request(&a, true);
    metrics.configure([&a].into_iter());
    // An attempt that ends after its integration was removed leaves nothing.
    metrics.attempt(&b, Duration::from_secs(2), None);
    metrics.request(&b, false);
    let labels = r#"{integration="webhook",receiver_name="a""#;
    let counted: Vec<String> = shown().into_iter().filter(|l| !l.ends_with(" 0")).collect();
    assert_eq!(
        counted,
        [
            format!("alertmanager_notification_requests_failed_total{labels}}} 1"),
            format!("alertmanager_notification_requests_total{labels}}} 1"),
            r#"alertmanager_notifications_failed_total{integration="webhook",reason="rateLimited",receiver_name="a"} 1"#
                .to_owned(),
            format!("alertmanager_notifications_total{labels}}} 1"),
        ]
    );
    assert!(shown().iter().all(|l| !l.contains("slack")));
    assert!(Metrics::new(&registry).is_err());
}

#[test]
fn severities_and_their_colours() {
    for (severities, expected) in [
        (&[][..], None),
        (&["warning", "emergency", "critical"], Some("emergency")),
        (&["info", "warning"], Some("warning")),
        (&["mine", "info"], Some("info")),
        (&["mine", "yours"], Some("mine")),
    ] {
        let labels: Vec<Labels> = severities.iter().map(|s| Labels::from_pairs([("severity", *s)])).collect();
        assert_eq!(worst(labels.iter()), expected, "{severities:?}");
    }
    for (resolved, severity, expected) in [
        (true, Some("emergency"), "good"),
        (false, Some("emergency"), "#7b001c"),
        (false, Some("critical"), "danger"),
        (false, Some("warning"), "warning"),
        (false, Some("info"), "#439fe0"),
        (false, None, "danger"),
    ] {
        assert_eq!(colour(resolved, severity), expected);
    }
}

/// What this thread tells the log, a line an event: level, then message and fields.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<Mutex<String>>);

impl Lines {
    pub(super) fn collect(&self) -> tracing::subscriber::DefaultGuard {
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    pub(super) fn take(&self) -> String {
        std::mem::take(&mut self.0.lock())
    }
}

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        // Libraries tell their own things.
        if !event.metadata().target().starts_with("botwatch::notify") {
            return;
        }
        let mut text = self.0.lock();
        text.push_str(event.metadata().level().as_str());
        event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            text.push_str(&format!(" {}={value:?}", field.name()));
        });
        text.push('\n');
    }
}

#[test]
fn each_attempt_and_its_end_can_be_followed() {
    let lines = Lines::default();
    let guard = lines.collect();
    let send = alerting::Send {
        after: alerting::Seq(1),
        delivery: Arc::new(delivery("ops", vec![alert(&[("alertname", "A")], &[], false)])),
        attempt: 3,
        deadline: Timestamp(20_000),
        receiver_data: BTreeMap::new(),
    };
    notifier::begins(&send);
    notifier::ended(&send, Duration::from_millis(1500), &Ok(BTreeMap::new()));
    let failure = Failure::of_status("http://x", 503, "", Some(Duration::from_secs(7)));
    notifier::ended(&send, Duration::from_millis(1500), &Err(failure));
    drop(guard);
    let told = lines.take();
    let told: Vec<&str> = told.lines().collect();
    assert_eq!(told.len(), 3, "{told:?}");
    for (line, parts) in told.iter().zip([
        &["attempt begins", "alerts=1", "group=", "first notification"][..],
        &["delivered", "seconds=1.5"],
        &["not delivered", "http://x answered 503", "permanent=false", "retry_after=7.0"],
    ]) {
        assert!(line.starts_with("DEBUG "), "{line}");
        for part in ["ops/webhook/1", "7-0123456789abcdef", "attempt=3"].iter().chain(parts) {
            assert!(line.contains(part), "{part}: {line}");
        }
    }
}

/// For `slack` too.
pub(super) fn arcs(texts: &[&str]) -> Vec<Arc<str>> {
    texts.iter().map(|t| (*t).into()).collect()
}
