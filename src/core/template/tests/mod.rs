//! The behaviours of Go's template tests and of Prometheus' and Alertmanager's, as tables.

mod builtin;
mod html;
mod language;
mod limits;
mod messages;
mod printing;
mod rules;
mod time;

use std::sync::Arc;

use super::{AlertData, Data, QuerySample, RuleContext, RuleTemplate, Templates};
use crate::model::{Labels, Timestamp};

/// 2015-06-23 13:19:44.128 UTC
const NOW: Timestamp = Timestamp(1_435_065_584_128);

/// Expands as a rule's template, with some labels, the value 1.5 and two results for any query.
fn rule(text: &str) -> Result<String, String> {
    let labels = Labels::from_pairs([("__name__", "up"), ("instance", "a:9090"), ("job", "bot")]);
    let external_labels = Labels::from_pairs([("region", "eu")]);
    let context = RuleContext {
        labels: &labels,
        value: 1.5,
        external_labels: &external_labels,
        external_url: "http://host:9090/prom",
        now: NOW,
    };
    let mut query = |expr: &str| match expr {
        "none" => Ok(Vec::new()),
        "bad" => Err("no such metric".to_owned()),
        _ => Ok(["b", "a"]
            .iter()
            .zip([1.0, 2.0])
            .map(|(n, value)| QuerySample {
                labels: Labels::from_pairs([("instance", *n), ("__value__", "text")]),
                value,
            })
            .collect()),
    };
    let template = RuleTemplate::parse("t", text).map_err(|e| e.message)?;
    template.expand(&context, &mut query).map_err(|e| e.message)
}

/// Every text of a table gives what stands beside it; an error begins with `!` and is found anywhere in it.
#[track_caller]
fn check(run: impl Fn(&str) -> Result<String, String>, table: &[(&str, &str)]) {
    for (text, want) in table {
        match (run(text), want.strip_prefix('!')) {
            (Ok(got), None) => assert_eq!(got, *want, "{text}"),
            (Err(got), Some(want)) => assert!(got.contains(want), "{text}: {got}"),
            (got, _) => panic!("{text}: {got:?} instead of {want}"),
        }
    }
}

fn alert(name: &str, resolved: bool) -> AlertData {
    AlertData {
        labels: Labels::from_pairs([("alertname", name), ("account", "<main>"), ("severity", "critical")]),
        annotations: Labels::from_pairs([("summary", "Price of <b>BTC</b> & more")]),
        starts_at: Timestamp(NOW.0 - 3_600_000),
        ends_at: resolved.then_some(NOW),
        generator_url: "http://host/graph?g0.expr=up%3D%3D0&g0.tab=1".into(),
        fingerprint: "0123456789abcdef".to_owned(),
        value: "1.5".into(),
        frozen_since: None,
        issue_id: "".into(),
    }
}

fn data() -> Data {
    Data {
        receiver: "desk".into(),
        alerts: vec![alert("Down", false), alert("Slow", true)],
        group_labels: Labels::from_pairs([("account", "<main>")]),
        common_labels: Labels::from_pairs([("account", "<main>"), ("severity", "critical")]),
        common_annotations: Labels::from_pairs([("summary", "Price of <b>BTC</b> & more")]),
        external_url: "http://host:9093".into(),
        notification_reason: "first notification".into(),
        route_labels: Labels::from_pairs([
            ("team", "desk"),
            ("page", "{{ routeLabels \"team\" | toUpper }}-{{ .Status }}"),
            ("a", "{{ routeLabels \"b\" }}"),
            ("b", "{{ routeLabels \"a\" }}"),
        ]),
        now: NOW,
    }
}

fn text(text: &str) -> Result<String, String> {
    Templates::builtin().text(text, &data()).map_err(|e| e.message)
}

fn as_html(text: &str) -> Result<String, String> {
    Templates::builtin().html(text, &data()).map_err(|e| e.message)
}

fn files(files: &[(&str, &str)]) -> Vec<(Arc<str>, Arc<str>)> {
    files.iter().map(|(n, t)| (Arc::from(*n), Arc::from(*t))).collect()
}
