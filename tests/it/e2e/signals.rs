//! Pushed metrics and thresholds, with the shipped rules and the real binary.

use serde_json::{Value, json};

use super::{
    process::{until, until_true},
    world::{World, shipped_rules},
};
use crate::sinks::http::HttpSink;

fn call(world: &World, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = super::process::ask(world.address(), method, path, &body);
    assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
    serde_json::from_str(&answer).expect("JSON")
}

/// The open issue of a metric with a severity.
fn open(world: &World, metric: &str, severity: &str) -> Option<Value> {
    let path = format!("/api/alerting/issues?status=open&severity={severity}&match=metric%3D{metric}");
    let found = call(world, "GET", &path, &Value::Null);
    found["issues"].as_array()?.first().cloned()
}

#[test]
fn a_value_over_its_threshold_opens_an_issue_and_what_was_set_survives_a_kill() {
    let hook = HttpSink::accepting();
    let mut world = World::with(&format!(
        r#"
bot: {{name: paper-bot}}
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
evaluation: on_data
rule_files: ["{}"]
thresholds: {{queue: {{warning: 10}}, balance: {{critical: 100, direction: below}}}}
route: {{receiver: team, group_by: [bot, alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}
receivers: [{{name: team, webhook_configs: [{{url: "{}"}}]}}]
"#,
        shipped_rules().display(),
        hook.url("/alerts"),
    ));
    world.start();
    let push = |world: &World, metric: &str, value: f64, threshold: Option<f64>| {
        let mut body = json!({"metric": metric, "value": value});
        if let Some(threshold) = threshold {
            body["threshold"] = threshold.into();
        }
        call(world, "POST", "/api/alerting/metrics", &body);
    };
    // The configuration's threshold, the push's own, and one below.
    push(&world, "queue", 12.0, None);
    push(&world, "api_response_time", 2500.0, Some(2000.0));
    push(&world, "balance", 99.0, None);
    let warning = until("the queue is too long", || open(&world, "queue", "warning"));
    assert_eq!(warning["labels"]["alertname"], "PushedMetricHigh");
    assert_eq!(warning["description"], "queue, which paper-bot reports itself, is 12 (threshold 10).");
    until_true("the answer is too slow", || open(&world, "api_response_time", "critical").is_some());
    until_true("the balance is too low", || open(&world, "balance", "critical").is_some());
    // Set through the API it counts at once, and after a kill.
    let path = "/api/alerting/thresholds/queue";
    let set = call(&world, "PATCH", path, &json!({"warning": 20}));
    assert_eq!(set["levels"]["warning"]["otherwise"], json!({"value": 10.0, "origin": "file"}));
    assert_eq!(set["levels"]["warning"]["rules"], json!(["PushedMetricHigh"]));
    push(&world, "queue", 12.0, None);
    until_true("the queue is short enough", || open(&world, "queue", "warning").is_none());
    world.kill();
    world.start();
    let all = call(&world, "GET", "/api/alerting/thresholds", &Value::Null);
    let queue = all["thresholds"].as_array().and_then(|a| a.iter().find(|m| m["metric"] == "queue"));
    assert_eq!(queue.map(|q| &q["levels"]["warning"]["value"]), Some(&json!(20.0)));
    push(&world, "queue", 21.0, None);
    until_true("the queue is too long again", || open(&world, "queue", "warning").is_some());
    call(&world, "DELETE", path, &Value::Null);
    let (_, metrics) = super::process::ask(world.address(), "GET", "/metrics", "");
    let line = r#"botwatch_threshold{direction="above",metric="queue",severity="warning"} 10"#;
    assert!(metrics.lines().any(|l| l == line), "a Prometheus sees it, too");
}
