//! Shapes of JSON, whole.

use botwatch_core::{
    alerting::{Event, Outcome},
    model::{Alert, Duration, Labels, Timestamp},
};
use serde_json::{Value, json};

use super::world::{NOW, World, labels};
use crate::{
    api::{ActiveTarget, TargetHealth, TargetView},
    evaluate::{ActiveAlertView, GroupView, Health, RuleKind, RuleView},
};

fn rule(name: &str, kind: RuleKind) -> RuleView {
    RuleView {
        name: name.into(),
        query: "up == 0".to_owned(),
        labels: labels(&[("severity", "critical")]),
        health: Health::Good,
        last_error: None,
        last_evaluation: Some(NOW),
        evaluation_seconds: 0.001,
        samples: 1,
        kind,
    }
}

fn group(file: &str, name: &str, rules: Vec<RuleView>) -> GroupView {
    GroupView {
        name: name.into(),
        file: file.into(),
        interval: Duration::from_secs(5),
        limit: 0,
        last_evaluation: Some(NOW),
        evaluation_seconds: 0.002,
        iterations: 10,
        missed: 2,
        evaluations: 20,
        failures: 3,
        rules,
    }
}

fn alerting(alerts: Vec<ActiveAlertView>) -> RuleKind {
    RuleKind::Alerting {
        hold: Duration::from_millis(1500),
        keep_firing_for: Duration::ZERO,
        annotations: labels(&[("summary", "{{ $value }}")]),
        alerts,
    }
}

fn active(n: &str, fired_at: Option<Timestamp>) -> ActiveAlertView {
    ActiveAlertView {
        labels: labels(&[("alertname", "High"), ("n", n)]),
        annotations: labels(&[("summary", "91")]),
        value: 91.5,
        active_at: NOW - Duration::from_millis(60_500),
        fired_at,
        keep_firing_since: None,
        frozen_since: fired_at,
    }
}

/// Two groups: one with an alert that fires, frozen, and one that is pending, and a recording rule with an error.
pub(super) fn set_up(world: &World) {
    let mut recording = rule("bot:x", RuleKind::Recording);
    recording.labels = Labels::empty();
    (recording.health, recording.last_error) = (Health::Bad, Some("many-to-many".to_owned()));
    let mut idle = rule("Idle", alerting(Vec::new()));
    (idle.health, idle.last_evaluation) = (Health::Unknown, None);
    let high = rule("High", alerting(vec![active("1", Some(NOW)), active("2", None)]));
    *world.ports.groups.lock() = vec![
        group("rules/a.yml", "memory", vec![recording, high]),
        group("rules/b.yml", "other", vec![idle]),
    ];
}

fn alert(n: &str, state: &str) -> Value {
    let mut alert = json!({
        "labels": {"alertname": "High", "n": n}, "annotations": {"summary": "91"}, "state": state,
        "activeAt": "2025-11-23T23:58:59.5Z", "value": "9.15e+01",
    });
    if state == "firing" {
        alert["frozenSince"] = "2025-11-24T00:00:00Z".into();
    }
    alert
}

#[tokio::test]
async fn rules_have_prometheus_shape() {
    let world = World::new().await;
    set_up(&world);
    let expected = json!({"status": "success", "data": {"groups": [
        {
            "name": "memory", "file": "rules/a.yml", "interval": 5.0, "limit": 0,
            "evaluationTime": 0.002, "lastEvaluation": "2025-11-24T00:00:00Z",
            "rules": [
                {
                    "name": "bot:x", "query": "up == 0", "health": "err", "lastError": "many-to-many",
                    "evaluationTime": 0.001, "lastEvaluation": "2025-11-24T00:00:00Z", "type": "recording",
                },
                {
                    "state": "firing", "name": "High", "query": "up == 0", "duration": 1.5, "keepFiringFor": 0.0,
                    "labels": {"severity": "critical"}, "annotations": {"summary": "{{ $value }}"},
                    "alerts": [alert("1", "firing"), alert("2", "pending")], "health": "ok",
                    "evaluationTime": 0.001, "lastEvaluation": "2025-11-24T00:00:00Z", "type": "alerting",
                },
            ],
        },
        {
            "name": "other", "file": "rules/b.yml", "interval": 5.0, "limit": 0,
            "evaluationTime": 0.002, "lastEvaluation": "2025-11-24T00:00:00Z",
            "rules": [{
                "state": "unknown", "name": "Idle", "query": "up == 0", "duration": 1.5, "keepFiringFor": 0.0,
                "labels": {"severity": "critical"}, "annotations": {"summary": "{{ $value }}"},
                "alerts": [], "health": "unknown",
                "evaluationTime": 0.001, "lastEvaluation": "0001-01-01T00:00:00Z", "type": "alerting",
            }],
        },
    ]}});
    assert_eq!(world.get("/api/v1/rules").await.json(), expected);
    let alerts =
        json!({"status": "success", "data": {"alerts": [alert("1", "firing"), alert("2", "pending")]}});
    assert_eq!(world.get("/api/v1/alerts").await.json(), alerts);
}

#[tokio::test]
async fn rules_are_chosen() {
    let world = World::new().await;
    set_up(&world);
    for (query, expected) in [
        ("type=alert", "High Idle"),
        ("type=record", "bot:x"),
        ("type=", "bot:x High Idle"),
        ("rule_name[]=High&rule_name%5B%5D=Idle", "High Idle"),
        ("rule_group[]=other", "Idle"),
        ("file[]=rules/a.yml&type=alert", "High"),
        ("file[]=nowhere", ""),
        ("match[]=%7Bseverity%3D%22critical%22%7D", "High Idle"),
        ("match[]=%7Bseverity%3D%22x%22%7D&match[]=%7Bseverity%3D~%22crit.*%22%7D", "High Idle"),
        ("group_limit=1", "bot:x High"),
        ("group_limit=9", "bot:x High Idle"),
        ("group_limit=1&type=alert&rule_group[]=other", "Idle"),
    ] {
        let answer = world.get(&format!("/api/v1/rules?{query}")).await.json();
        let groups = answer["data"]["groups"].as_array().expect("groups").clone();
        let rules = groups.iter().flat_map(|g| g["rules"].as_array().expect("rules").clone());
        let names: Vec<String> = rules.map(|r| r["name"].as_str().expect("a name").to_owned()).collect();
        assert_eq!(names.join(" "), expected, "{query}");
    }
    let first = world.get("/api/v1/rules?group_limit=1").await.json();
    let token = first["data"]["groupNextToken"].as_str().expect("a token").to_owned();
    let second = world.get(&format!("/api/v1/rules?group_limit=1&group_next_token={token}")).await.json();
    assert_eq!(second["data"]["groups"][0]["name"], "other");
    assert_eq!(second["data"].get("groupNextToken"), None);
    let quiet = world.get("/api/v1/rules?exclude_alerts=true").await.json();
    assert_eq!(quiet["data"]["groups"][0]["rules"][1]["alerts"], json!([]));
    for (query, error) in [
        ("type=x", r#"invalid parameter "type": not supported value "x""#),
        ("exclude_alerts=maybe", r#"invalid parameter "exclude_alerts": not a boolean: "maybe""#),
        ("match[]=%7B", r#"invalid parameter "match[]": "#),
        ("match[]=up%5B5m%5D", r#"invalid parameter "match[]": "#),
        ("group_limit=0", r#"invalid parameter "group_limit": "#),
        ("group_next_token=x", r#"invalid parameter "group_limit": group_limit needs to be present"#),
        ("group_limit=1&group_next_token=x", r#"invalid parameter "group_next_token": "#),
    ] {
        let answer = world.get(&format!("/api/v1/rules?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        let answer = answer.json();
        assert_eq!((&answer["status"], &answer["errorType"]), (&"error".into(), &"bad_data".into()));
        assert!(answer["error"].as_str().is_some_and(|e| e.starts_with(error)), "{query}: {answer}");
    }
}

#[tokio::test]
async fn addresses_of_targets_are_shown_without_secrets() {
    let world = World::new().await;
    let url = "http://localhost:3000/metrics?format=json&token=geheim";
    let active = ActiveTarget {
        labels: labels(&[("job", "bot")]),
        url: url.to_owned(),
        global_url: url.to_owned(),
        last_error: "connection refused".to_owned(),
        last_scrape: None,
        last_scrape_seconds: 0.0,
        health: TargetHealth::Down,
        interval: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
    };
    let discovered = labels(&[("__param_format", "json"), ("__param_token", "geheim")]);
    *world.ports.targets.lock() = vec![
        TargetView { pool: "bot".into(), discovered: discovered.clone(), active: Some(active) },
        TargetView { pool: "bot".into(), discovered, active: None },
    ];
    for path in ["/", "/api/v1/targets"] {
        let answer = world.get(path).await;
        assert!(!answer.text().contains("geheim"), "{}", answer.text());
        assert!(
            answer.text().contains("token=xxxxx") && answer.text().contains("format=json"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn targets_have_prometheus_shape() {
    let world = World::new().await;
    let discovered = labels(&[("__address__", "localhost:3000")]);
    let bot = ActiveTarget {
        labels: labels(&[("instance", "localhost:3000"), ("job", "bot")]),
        url: "http://localhost:3000/metrics".to_owned(),
        global_url: "http://host:3000/metrics".to_owned(),
        last_error: "connection refused".to_owned(),
        last_scrape: Some(NOW),
        last_scrape_seconds: 0.25,
        health: TargetHealth::Down,
        interval: Duration::from_secs(5),
        timeout: Duration::from_millis(1500),
    };
    *world.ports.targets.lock() = vec![
        TargetView { pool: "bot".into(), discovered: discovered.clone(), active: Some(bot) },
        TargetView { pool: "other".into(), discovered, active: None },
    ];
    let active = json!({
        "discoveredLabels": {"__address__": "localhost:3000"},
        "labels": {"instance": "localhost:3000", "job": "bot"}, "scrapePool": "bot",
        "scrapeUrl": "http://localhost:3000/metrics", "globalUrl": "http://host:3000/metrics",
        "lastError": "connection refused", "lastScrape": "2025-11-24T00:00:00Z", "lastScrapeDuration": 0.25,
        "health": "down", "scrapeInterval": "5s", "scrapeTimeout": "1s500ms",
    });
    let dropped = json!({"discoveredLabels": {"__address__": "localhost:3000"}, "scrapePool": "other"});
    for (query, active, dropped, counts) in [
        ("", json!([active]), json!([dropped]), json!({"bot": 0, "other": 1})),
        ("?state=ANY", json!([active]), json!([dropped]), json!({"bot": 0, "other": 1})),
        ("?state=active", json!([active]), json!([]), json!({"bot": 0, "other": 1})),
        ("?state=dropped", json!([]), json!([dropped]), json!({"bot": 0, "other": 1})),
        ("?scrapePool=bot", json!([active]), json!([]), json!({"bot": 0})),
    ] {
        let data = json!({"activeTargets": active, "droppedTargets": dropped, "droppedTargetCounts": counts});
        let answer = world.get(&format!("/api/v1/targets{query}")).await.json();
        assert_eq!(answer, json!({"status": "success", "data": data}), "{query}");
    }
    let page = world.get("/").await;
    assert!(
        page.text().contains("No alert fires, but 1 target can’t be seen and no rules are loaded."),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn build_and_configuration() {
    let world = World::new().await;
    let build = world.get("/api/v1/status/buildinfo").await.json();
    assert_eq!(
        build["data"],
        json!({
            "version": "3.14.0", "revision": "abc", "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
            "application": "botwatch", "applicationVersion": "1.2.3",
        })
    );
    let config = world.get("/api/v1/status/config").await.json();
    assert_eq!(config["data"], json!({"yaml": "slack_api_url: <secret>\n"}));
}

fn received(name: &str) -> Event {
    Event::Received(vec![Alert {
        labels: labels(&[("alertname", name)]),
        annotations: Labels::empty(),
        starts_at: NOW,
        ends_at: None,
        updated_at: NOW,
        generator_url: "".into(),
        timeout: false,
    }])
}

#[tokio::test]
async fn notifications_tell_what_became_of_them() {
    let world = World::new().await;
    let failed = Outcome::Transient { error: "connection refused".to_owned(), retry_after: None };
    let first = world.machine.event(NOW, received("A"));
    world.machine.answer(NOW, &first, &Outcome::Delivered { receiver_data: [].into() });
    let second = world.machine.event(NOW, received("B"));
    world.machine.answer(NOW, &second, &failed);
    world.machine.event(NOW, received("C"));
    let answer = world.get("/api/alerting/notifications").await.json();
    let list = answer["notifications"].as_array().expect("a list").clone();
    let statuses: Vec<&str> = list.iter().filter_map(|n| n["status"].as_str()).collect();
    assert_eq!(statuses, ["sending", "retrying", "delivered"], "newest first");
    let (retrying, mut done) = (&list[1], list[2].clone());
    assert_eq!(retrying["lastError"], "connection refused");
    assert_eq!(retrying["alerts"][0]["labels"], json!({"alertname": "B"}));
    assert_eq!(retrying["alerts"][0]["status"], "firing");
    let next = retrying["nextAttemptAt"].as_str().and_then(Timestamp::parse_rfc3339).expect("a time");
    assert!(next > NOW);
    let id = done["id"].take();
    assert!(id.as_str().is_some_and(|id| id.starts_with("1-")), "{id}");
    let episode = format!("{}-{}", labels(&[("alertname", "A")]).fingerprint(), NOW.0);
    let expected = json!({
        "id": null, "receiver": "ops", "integration": {"kind": "webhook", "key": "main"},
        "groupKey": "{}:{alertname=\"A\"}", "status": "delivered", "reason": "first notification", "attempts": 1,
        "firing": 1, "resolved": 0, "alerts": [{"episode": episode, "labels": {"alertname": "A"}}],
        "plannedAt": "2025-11-24T00:00:00Z", "doneAt": "2025-11-24T00:00:00Z",
    });
    assert_eq!(done, expected);
    for (query, count, truncated) in [
        ("?status=retrying", 1, false),
        ("?status=refused", 0, false),
        ("?receiver=ops", 3, false),
        ("?receiver=nobody", 0, false),
        ("?limit=2", 2, true),
        ("?limit=2&status=delivered", 1, false),
    ] {
        let answer = world.get(&format!("/api/alerting/notifications{query}")).await.json();
        let found = answer["notifications"].as_array().map(Vec::len);
        assert_eq!((found, answer["truncated"].as_bool()), (Some(count), Some(truncated)), "{query}");
    }
    for query in ["?status=lost", "?limit=none"] {
        let answer = world.get(&format!("/api/alerting/notifications{query}")).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (400, "application/problem+json"),
            "{query}"
        );
    }
}
