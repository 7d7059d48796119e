//! Metrics and thresholds through the API.

use std::sync::atomic::Ordering;

use botwatch_core::{
    model::{METRIC_NAME, Sources},
    tsdb::Commit,
};
use serde_json::{Value, json};

use super::world::{NOW, World, labels};

impl World {
    async fn patch(&self, metric: &str, body: &Value) -> (u16, Value) {
        let answer = self.send("PATCH", &format!("/api/alerting/thresholds/{metric}"), body).await;
        (answer.status, answer.json())
    }

    async fn metric(&self, name: &str) -> Value {
        let all = self.get("/api/alerting/metrics").await.json();
        let all = all["metrics"].as_array().expect("a list").clone();
        all.into_iter().find(|m| m["metric"] == name).unwrap_or(Value::Null)
    }
}

fn pointer(answer: &Value) -> &str {
    answer["errors"][0]["pointer"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn signals_are_shown_with_thresholds_and_state() {
    let world = World::new().await;
    assert_eq!(world.metric("memory_usage").await["state"], "unknown");
    let series = labels(&[(METRIC_NAME, "bot:memory_usage:percent"), ("bot", "demo"), ("memory", "heap")]);
    let sources = Sources::one(world.store.source("t"));
    let id = world.store.series([(&series, &sources)])[0].expect("room");
    world.store.commit(Commit { samples: vec![(id, NOW, 87.5)], sources: Vec::new() });
    let memory = world.metric("memory_usage").await;
    assert_eq!(
        (&memory["state"], &memory["kind"], &memory["unit"]),
        (&json!("warning"), &json!("signal"), &json!("percent"))
    );
    assert_eq!(memory["thresholds"], json!({"warning": 85.0, "critical": 90.0}));
    assert_eq!(
        memory["values"],
        json!([{"labels": {"bot": "demo", "memory": "heap"}, "value": 87.5, "state": "warning"}])
    );
    world.patch("memory_usage", &json!({"critical": 87})).await;
    assert_eq!(world.metric("memory_usage").await["state"], "critical");
}

#[tokio::test]
async fn values_are_pushed_one_by_one_or_many() {
    let world = World::new().await;
    let one = json!({"metric": "api_response_time", "value": 2500, "threshold": 2000});
    let answer = world.send("POST", "/api/alerting/metrics", &one).await;
    assert_eq!((answer.status, answer.json()), (202, json!({"received": 1})));
    assert_eq!(world.signals.refreshed.load(Ordering::SeqCst), 1, "its threshold is in force at once");
    let many =
        json!([{"metric": "queue.length", "value": 5, "timestamp": NOW.0}, {"metric": "b", "value": -0.5}]);
    assert_eq!(world.send("POST", "/api/alerting/metrics", &many).await.json(), json!({"received": 2}));
    let pushed = world.metric("queue.length").await;
    assert_eq!(
        (&pushed["kind"], &pushed["state"], &pushed["values"][0]["by"]),
        (&json!("pushed"), &json!("ok"), &json!("local"))
    );
    for (body, expected) in [
        (json!({"metric": "a", "value": "5"}), "#/value"),
        (json!({"metric": "a"}), "#/value"),
        (json!({"value": 5}), "#/metric"),
        (json!({"metric": "a b", "value": 5}), "#/metric"),
        (json!({"metric": "a", "value": 5, "limit": 3}), "#/limit"),
        (json!([{"metric": "a", "value": 5}, {"metric": "a", "value": null}]), "#/1/value"),
        (json!({"metric": "a", "value": 5, "timestamp": "soon"}), "#/timestamp"),
        (json!({"metric": "a", "value": 5, "threshold": true}), "#/threshold"),
    ] {
        let answer = world.send("POST", "/api/alerting/metrics", &body).await;
        assert_eq!((answer.status, pointer(&answer.json())), (400, expected), "{body}");
    }
}

#[tokio::test]
async fn thresholds_are_set_and_taken_back() {
    let world = World::new().await;
    let (status, memory) = world.patch("memory_usage", &json!({"warning": 70, "critical": 80.5})).await;
    assert_eq!((status, &memory["levels"]["warning"]["value"]), (200, &json!(70.0)), "{memory}");
    assert_eq!(memory["levels"]["critical"]["otherwise"], json!({"value": 90.0, "origin": "shipped"}));
    assert_eq!(
        (&memory["levels"]["critical"]["origin"], &memory["levels"]["critical"]["setBy"]),
        (&json!("set"), &json!("local"))
    );
    assert_eq!(memory["note"], "no loaded rule compares with it: nobody is told");
    let (_, memory) = world.patch("memory_usage", &json!({"critical": null})).await;
    assert_eq!(memory["levels"]["critical"]["origin"], "shipped");
    let gone = world.ask("DELETE", "/api/alerting/thresholds/memory_usage", "", "").await;
    assert_eq!((gone.status, &gone.json()["levels"]["warning"]["value"]), (200, &json!(85.0)));
    assert_eq!(world.ask("DELETE", "/api/alerting/thresholds/memory_usage", "", "").await.status, 404);
    let (status, own) = world.patch("my.metric", &json!({"emergency": 1, "direction": "below"})).await;
    assert_eq!((status, &own["direction"]), (200, &json!("below")));
    let all = world.get("/api/alerting/thresholds").await.json();
    let names: Vec<&str> = all["thresholds"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|m| m["metric"].as_str().expect("text"))
        .collect();
    assert!(names.contains(&"my.metric") && names.contains(&"safety_score"), "{names:?}");
}

#[tokio::test]
async fn thresholds_that_make_no_sense_are_refused() {
    let world = World::new().await;
    for (metric, body, expected) in [
        ("memory_usage", json!({"critical": "90"}), "#/critical"),
        ("memory_usage", json!({}), "#/warning"),
        ("memory_usage", json!({"critical": 80}), "#/critical"),
        ("memory_usage", json!({"warning": 95}), "#/critical"),
        ("memory_usage", json!({"warning": 80, "direction": "below"}), "#/warning"),
        ("memory_usage", json!({"warning": 80, "direction": "sideways"}), "#/direction"),
        ("memory_usage", json!({"warn": 80}), "#/warning"),
        // Proof that the bot can't trade for real is not argued down.
        ("safety_score", json!({"emergency": 50}), "#/emergency"),
    ] {
        let (status, answer) = world.patch(metric, &body).await;
        assert_eq!((status, pointer(&answer)), (400, expected), "{body}: {answer}");
    }
    assert_eq!(world.patch("safety_score", &json!({"emergency": 95})).await.0, 200);
    assert_eq!(world.patch("a%20b", &json!({"warning": 1})).await.0, 400);
    assert_eq!(world.ask("DELETE", "/api/alerting/thresholds/x?severity=odd", "", "").await.status, 400);
}
