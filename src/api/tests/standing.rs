//! Health, configuration, statistics, test notifications.

use std::sync::Arc;

use botwatch_core::model::Duration;
use serde_json::{Value, json};

use super::world::World;
use crate::{
    api::{Notice, NoticeKind, StatusView},
    dispatch::NotDurable,
    evaluate::{GroupView, Health, RuleKind, RuleView},
};

fn check<'a>(health: &'a Value, name: &str) -> &'a Value {
    let checks = health["checks"].as_array().expect("a list");
    checks.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("no {name}: {health}"))
}

fn rule(name: &str, hold: Duration, health: Health) -> RuleView {
    let kind = RuleKind::Alerting {
        hold,
        keep_firing_for: Duration::ZERO,
        annotations: botwatch_core::model::Labels::empty(),
        alerts: Vec::new(),
    };
    RuleView {
        name: name.into(),
        query: "up == 0".to_owned(),
        labels: botwatch_core::model::Labels::empty(),
        health,
        last_error: None,
        last_evaluation: None,
        evaluation_seconds: 0.0,
        samples: 0,
        kind,
    }
}

fn group(rules: Vec<RuleView>) -> GroupView {
    GroupView {
        name: Arc::from("g"),
        file: Arc::from("r.yml"),
        interval: Duration::from_secs(5),
        limit: 0,
        last_evaluation: None,
        evaluation_seconds: 0.0,
        iterations: 1,
        missed: 0,
        evaluations: 1,
        failures: 0,
        rules,
    }
}

#[tokio::test]
async fn health_is_told_part_by_part() {
    let world = World::new().await;
    *world.ports.groups.lock() = vec![group(vec![rule("A", Duration::ZERO, Health::Good)])];
    let answer = world.get("/api/alerting/health").await;
    let health = answer.json();
    assert_eq!((answer.status, &health["status"]), (200, &json!("degraded")), "{health}");
    assert_eq!(check(&health, "targets")["detail"], "nothing is scraped");
    for part in ["ready", "configuration", "journal", "rules", "notifications"] {
        assert_eq!(check(&health, part)["status"], "ok", "{part}");
    }
    *world.ports.status.lock() = StatusView {
        reload_error: Some("rules/a.yml:3:1".to_owned()),
        notices: vec![Notice { kind: NoticeKind::Off, text: "safety off: set BOT_MODE=paper".to_owned() }],
        ..StatusView::default()
    };
    *world.ports.groups.lock() = vec![group(vec![rule("A", Duration::ZERO, Health::Bad)])];
    let health = world.get("/api/alerting/health").await.json();
    assert_eq!(check(&health, "configuration")["status"], "degraded");
    assert_eq!(check(&health, "switched off")["detail"], "safety off: set BOT_MODE=paper");
    assert_eq!(check(&health, "rules")["status"], "degraded");
    // It can't do its job.
    *world.machine.refuses.lock() = Some(NotDurable::Disk);
    let answer = world.get("/api/alerting/health").await;
    assert_eq!((answer.status, &answer.json()["status"]), (503, &json!("down")));
    *world.machine.refuses.lock() = Some(NotDurable::Gone);
    let health = world.get("/api/alerting/health").await.json();
    assert_eq!(check(&health, "notifications")["status"], "down");
    *world.machine.refuses.lock() = None;
    world.ports.status.lock().not_ready = Some("the journal is read".to_owned());
    assert_eq!(world.get("/api/alerting/health").await.status, 503);
}

#[tokio::test]
async fn the_configuration_is_shown_masked() {
    let world = World::new().await;
    let shown = world.get("/api/alerting/config").await.json();
    assert_eq!(shown["configuration"], "slack_api_url: <secret>\n");
    assert_eq!(shown["off"], json!([]));
}

#[tokio::test]
async fn tests_go_down_each_receiver_and_say_what_came_of_them() {
    let world = World::new().await;
    let answer = world.ask("POST", "/api/alerting/test", "", "").await;
    let tested = answer.json();
    assert_eq!((answer.status, &tested["ok"]), (200, &json!(true)), "{tested}");
    assert_eq!(tested["results"][0]["receiver"], "ops");
    let sent = world.ports.tests.lock().pop().expect("sent");
    let alert = &sent.delivery.alerts[0].alert;
    assert_eq!(alert.annotations.value("summary"), "Test notification from botwatch");
    assert!(alert.annotations.value("description").starts_with("local asked for a test."));
    assert!(sent.delivery.id.0.starts_with("test-"));
    assert_eq!(world.get("/api/alerting/issues").await.json()["total"], 0, "it is no issue");

    *world.ports.test_fails.lock() = Some("connection refused".to_owned());
    let failed = world.send("POST", "/api/alerting/test", &json!({"receiver": "ops"})).await.json();
    assert_eq!(
        (&failed["ok"], &failed["results"][0]["error"]),
        (&json!(false), &json!("connection refused"))
    );
    let unknown = world.send("POST", "/api/alerting/test", &json!({"receiver": "x"})).await;
    assert_eq!((unknown.status, &unknown.json()["errors"][0]["pointer"]), (400, &json!("#/receiver")));
}

#[tokio::test]
async fn statistics_count_and_find_noise() {
    let world = World::new().await;
    *world.ports.groups.lock() = vec![group(vec![rule("Flaps", Duration::ZERO, Health::Good)])];
    // It fires for twenty seconds, three times; nobody looks.
    for n in 0..3 {
        let start = format!("2025-11-23T2{n}:00:00Z");
        let end = format!("2025-11-23T2{n}:00:20Z");
        for ends in [None, Some(&end)] {
            let mut alert = json!({"labels": {"alertname": "Flaps", "n": n.to_string(), "severity": "warning"}, "startsAt": start});
            alert["status"] = if ends.is_some() { "resolved" } else { "firing" }.into();
            if let Some(end) = ends {
                alert["endsAt"] = json!(end);
            }
            let body = json!({"version": "4", "alerts": [alert]});
            assert_eq!(world.send("POST", "/api/alerting/webhook/prometheus", &body).await.status, 200);
        }
    }
    let body =
        json!({"type": "security_breach", "title": "Break-in", "severity": "emergency", "source": "guard"});
    let id = world.send("POST", "/api/alerting/issues", &body).await.json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    world.send("POST", &format!("/api/alerting/issues/{id}/acknowledge"), &json!({})).await;
    let s = world.get("/api/alerting/statistics").await.json();
    assert_eq!(s["total"], 4, "{s}");
    assert_eq!(s["byStatus"], json!({"acknowledged": 1, "resolved": 3}));
    assert_eq!(s["bySeverity"], json!({"emergency": 1, "warning": 3}));
    assert_eq!(s["byType"]["security_breach"], 1);
    assert_eq!(s["bySource"]["guard"], 1);
    assert_eq!((&s["mttaSeconds"], &s["mttrSeconds"]), (&json!(0.0), &json!(20.0)));
    let noisy = &s["noise"]["rules"][0];
    assert_eq!(
        (&noisy["alert"], &noisy["selfResolvedUnderFiveMinutes"], &noisy["for"]),
        (&json!("Flaps"), &json!(3), &json!("0s"))
    );
    assert_eq!(noisy["suggestion"], json!({"for": "30s", "wouldHaveSpared": 3, "wouldHaveTold": 0}));
    assert_eq!(s["byHour"]["2025-11-23T21:00:00Z"], 1);
    assert_eq!(s["byDay"]["2025-11-23"], 3);
    let since = world.get("/api/alerting/statistics?since=2025-11-23T21:30:00Z").await.json();
    assert_eq!(since["total"], 2);
    assert_eq!(world.get("/api/alerting/statistics?when=now").await.status, 400);
}

#[tokio::test]
async fn the_api_is_described() {
    use crate::api::{openapi, router::endpoints};
    let world = World::new().await;
    let document = world.get("/api/docs/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for endpoint in endpoints().iter().filter(|e| e.path.starts_with(openapi::DESCRIBED)) {
        let operation = &document["paths"][endpoint.path][endpoint.method.as_str().to_lowercase()];
        assert!(operation["summary"].is_string(), "{} {} is not described", endpoint.method, endpoint.path);
        let role = endpoint.needs.least().map_or("nobody", |r| r.as_str());
        assert_eq!(operation["x-role"], role, "{} {}", endpoint.method, endpoint.path);
    }
    // Every schema that is named is there.
    let text = document.to_string();
    for name in text.split("#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    let page = world.get("/api/docs").await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("POST /api/alerting/issues") && !page.text().contains("<script"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
}
