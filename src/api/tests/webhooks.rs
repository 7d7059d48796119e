//! What Alertmanager, Grafana and scripts send.

use botwatch_core::{alerting::Event, model::Duration};
use serde_json::{Value, json};

use super::world::{NOW, World};
use crate::dispatch::NotDurable;

/// As Alertmanager 0.34 sends it (template.Data and the webhook's own fields).
fn alertmanager(status: &str, ends_at: &str) -> Value {
    json!({
        "receiver": "botwatch", "status": status, "version": "4", "truncatedAlerts": 0,
        "groupKey": "{}:{alertname=\"HighLatency\"}", "groupLabels": {"alertname": "HighLatency"},
        "commonLabels": {"alertname": "HighLatency"}, "commonAnnotations": {},
        "externalURL": "http://am:9093", "notification_reason": "first notification",
        "alerts": [{
            "status": status, "labels": {"alertname": "HighLatency", "severity": "critical"},
            "annotations": {"summary": "slow, see postgresql://bot:hunter2@db/x"},
            "startsAt": "2025-11-23T23:50:00.123Z", "endsAt": ends_at,
            "generatorURL": "http://prom:9090/graph?g0.expr=up", "fingerprint": "b807e636403824b5",
        }],
    })
}

/// As Grafana sends it (receivers/webhook/v1).
fn grafana(status: &str) -> Value {
    json!({
        "receiver": "botwatch", "status": status, "orgId": 1, "version": "1", "groupKey": "{}", "truncatedAlerts": 0,
        "title": "[FIRING:1] Lag", "state": "alerting", "message": "x", "externalURL": "http://grafana:3000/",
        "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
        "alerts": [{
            "status": status, "labels": {"alertname": "Lag", "grafana_folder": "bots"}, "annotations": {"summary": "lag"},
            "startsAt": "2025-11-23T23:59:00Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://g/x",
            "fingerprint": "57c6d9296de2ad39", "silenceURL": "http://g/s", "dashboardURL": "http://g/d",
            "panelURL": "", "values": {"B": 22.5, "C": null}, "valueString": "[ var='B' value=22.5 ]", "orgId": 1,
        }],
    })
}

impl World {
    async fn hook(&self, sender: &str, body: &Value) -> (u16, Value) {
        let answer = self.send("POST", &format!("/api/alerting/webhook/{sender}"), body).await;
        (answer.status, answer.json())
    }

    async fn issues(&self) -> Vec<Value> {
        self.get("/api/alerting/issues?sort=title").await.json()["issues"].as_array().expect("a list").clone()
    }
}

#[tokio::test]
async fn alertmanagers_alerts_stay_open_until_their_end_is_told() {
    let world = World::new().await;
    let fires = alertmanager("firing", "0001-01-01T00:00:00Z");
    let taken = json!({"status": "ok", "received": 1, "repeated": 0});
    assert_eq!(world.hook("prometheus", &fires).await, (200, taken.clone()));
    assert_eq!(world.hook("alerts", &fires).await, (200, taken), "recognised there, too");
    // Repeats come every few hours; nothing lapses in between.
    world.machine.event(NOW + Duration::from_secs(20 * 86_400), Event::Received(Vec::new()));
    let issue = &world.issues().await[0];
    assert_eq!((&issue["status"], &issue["severity"]), (&json!("open"), &json!("critical")));
    assert_eq!(issue["startedAt"], "2025-11-23T23:50:00.123Z");
    assert!(!issue.to_string().contains("hunter2"), "{issue}");
    let ended = alertmanager("resolved", "2025-11-23T23:58:00Z");
    assert_eq!(world.hook("prometheus", &ended).await.0, 200);
    let issue = &world.issues().await[0];
    assert_eq!(
        (&issue["status"], &issue["resolvedAt"]),
        (&json!("resolved"), &json!("2025-11-23T23:58:00Z"))
    );
    // A late copy of the first message opens nothing; a new firing does.
    assert_eq!(
        world.hook("prometheus", &fires).await,
        (200, json!({"status": "ok", "received": 1, "repeated": 1}))
    );
    assert_eq!(world.issues().await[0]["status"], "resolved");
    let mut again = fires.clone();
    again["alerts"][0]["startsAt"] = json!("2025-11-23T23:59:30Z");
    world.hook("prometheus", &again).await;
    assert_eq!(world.issues().await[0]["status"], "open");
}

#[tokio::test]
async fn grafanas_alerts_current_and_legacy() {
    let world = World::new().await;
    assert_eq!(world.hook("grafana", &grafana("firing")).await.0, 200);
    let issue = &world.issues().await[0];
    assert_eq!((&issue["title"], &issue["labels"]["grafana_folder"]), (&json!("lag"), &json!("bots")));
    assert_eq!(issue["annotations"]["grafana_dashboard_url"], "http://g/d");
    assert!(issue["annotations"].get("grafana_panel_url").is_none());
    let put = world.send("PUT", "/api/alerting/webhook/grafana", &grafana("resolved")).await;
    assert_eq!(put.status, 200);
    assert_eq!(world.issues().await[0]["status"], "resolved");

    let legacy = |state: &str| {
        json!({"dashboardId": 1, "evalMatches": [{"value": 1, "metric": "Count", "tags": {}}], "imageUrl": "",
               "message": "Notification Message", "orgId": 1, "panelId": 2, "ruleId": 7, "ruleName": "Panel Title alert",
               "ruleUrl": "http://grafana/d/x", "state": state, "tags": {"team": "a"}, "title": "[Alerting] Panel Title alert"})
    };
    for (state, received, status) in [
        ("pending", 0, None),
        ("alerting", 1, Some("open")),
        ("ok", 1, Some("resolved")),
        ("no_data", 1, Some("open")),
    ] {
        assert_eq!(
            world.hook("grafana", &legacy(state)).await,
            (200, json!({"status": "ok", "received": received, "repeated": 0})),
            "{state}"
        );
        let issues = world.issues().await;
        let found = issues
            .iter()
            .find(|i| i["labels"]["grafana_rule"] == "7")
            .map(|i| i["status"].as_str().expect("text"));
        assert_eq!(found, status, "{state}");
    }
}

#[tokio::test]
async fn reports_come_one_by_one_or_many() {
    let world = World::new().await;
    let one = json!({"type": "security_breach", "title": "Many failed log-ins", "severity": "critical"});
    let (status, body) = world.hook("alerts", &one).await;
    assert_eq!((status, &body["received"]), (201, &json!(1)));
    let id = body["issues"][0].as_str().expect("an id");
    assert_eq!(world.get(&format!("/api/alerting/issues/{id}")).await.status, 200);
    let many = json!([{"type": "system_failure", "title": "A"}, {"type": "system_failure", "title": "B"}]);
    assert_eq!(world.hook("alerts", &many).await.1["received"], 2);
    // All or nothing, since its sender knows how to mend it.
    let (status, body) =
        world.hook("alerts", &json!([{"type": "system_failure", "title": "C"}, {"title": "D"}, 5])).await;
    assert_eq!(
        (status, &body["errors"][0]["pointer"], &body["errors"][1]["pointer"]),
        (400, &json!("#/1/type"), &json!("#/2"))
    );
    assert!(!world.issues().await.iter().any(|i| i["title"] == "C"));
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let world = World::new().await;
    for (sender, body, says) in [
        ("prometheus", json!({}), "#/version"),
        ("prometheus", json!({"version": "3", "alerts": []}), "#/version"),
        (
            "prometheus",
            json!({"version": "4", "alerts": [{"status": "odd", "labels": {"a": "b"}}]}),
            "#/alerts/0/status",
        ),
        (
            "prometheus",
            json!({"version": "4", "alerts": [{"status": "firing", "labels": {"a": 1}}]}),
            "#/alerts/0/labels",
        ),
        ("prometheus", json!({"version": "4", "alerts": [{"status": "firing", "labels": {}}]}), "#/alerts/0"),
        ("prometheus", json!({"version": "4", "alerts": [5]}), "#/alerts/0"),
        ("grafana", json!({"x": 1}), "#/alerts"),
        ("grafana", json!({"ruleName": "a", "state": "sleepy"}), "#/state"),
        ("grafana", json!([1]), "#/alerts"),
        ("alerts", json!({"hello": 1}), "#/type"),
    ] {
        let (status, answer) = world.hook(sender, &body).await;
        assert_eq!((status, answer["errors"][0]["pointer"].as_str()), (400, Some(says)), "{body}: {answer}");
    }
    // One that is wrong keeps none of the others out: Alertmanager doesn't send them again.
    let mixed = json!({"version": "4", "alerts": [
        {"status": "firing", "labels": {"alertname": "Good"}, "startsAt": "2025-11-23T23:59:00Z"},
        {"status": "firing", "labels": {"alertname": "Bad"}, "startsAt": "soon"},
    ]});
    assert_eq!(world.hook("prometheus", &mixed).await.0, 400);
    assert_eq!(world.issues().await.len(), 1);
    *world.machine.refuses.lock() = Some(NotDurable::Busy);
    // Never 429, which Alertmanager would not try again.
    let (status, _) = world.hook("prometheus", &alertmanager("firing", "")).await;
    assert_eq!(status, 503);
}
