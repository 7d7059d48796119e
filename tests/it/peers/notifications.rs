//! What a webhook was told, in a form that two senders can be compared by.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::sinks::http::HttpSink;

/// Alerts of one notification: labels and status.
type Alerts = BTreeSet<(String, String)>;
/// The notifications of one receiver about one group, in order: its status and alerts.
pub(super) type Told = BTreeMap<(String, String), Vec<(String, Alerts)>>;

/// What came, by receiver and group key.
pub(super) fn told(sink: &HttpSink) -> Told {
    let mut told = Told::new();
    for request in sink.requests() {
        let body = request.json();
        let text = |v: &Value| v.as_str().expect("a text").to_owned();
        let alerts = body["alerts"].as_array().expect("alerts").iter();
        let alerts = alerts.map(|a| (a["labels"].to_string(), text(&a["status"]))).collect();
        let group = (text(&body["receiver"]), text(&body["groupKey"]));
        told.entry(group).or_default().push((text(&body["status"]), alerts));
    }
    told
}
