//! Issues through the API: what is taken, what is refused and why.

use botwatch_core::{
    alerting::Event,
    model::{Duration, Timestamp},
};
use serde_json::{Value, json};

use super::world::{Answer, NOW, World};
use crate::dispatch::NotDurable;

const JSON: &str = "Content-Type: application/json\r\n";
/// As the original's documentation prints it.
const PRINTED: &str = r#"{
    "type": "system_failure",
    "title": "Test Alert",
    "description": "This is a test alert",
    "source": "manual_test",
    "severity": "warning"
  }"#;

impl World {
    pub(super) async fn send(&self, method: &str, target: &str, body: &Value) -> Answer {
        self.ask(method, target, JSON, &body.to_string()).await
    }

    async fn report(&self, body: Value) -> Answer {
        self.send("POST", "/api/alerting/issues", &body).await
    }

    /// `(status, body)` of an action on an issue.
    async fn act(&self, id: &str, action: &str, body: Value) -> (u16, Value) {
        let answer = self.send("POST", &format!("/api/alerting/issues/{id}/{action}"), &body).await;
        (answer.status, answer.json())
    }
}

fn problem() -> Value {
    json!({"type": "system_failure", "title": "Database Connection Lost", "source": "database_monitor",
           "description": "Unable to connect", "severity": "critical"})
}

fn with(mut body: Value, more: Value) -> Value {
    let more = more.as_object().expect("an object").clone();
    body.as_object_mut().expect("an object").extend(more);
    body
}

fn wrong(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{body}"));
    let line = |e: &Value| {
        format!("{} {}", e["pointer"].as_str().expect("text"), e["detail"].as_str().expect("text"))
    };
    errors.iter().map(line).collect()
}

#[tokio::test]
async fn the_printed_line_opens_an_issue() {
    let world = World::new().await;
    let answer = world.ask("POST", "/api/alerting/issues", JSON, PRINTED).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let issue = answer.json();
    let id = issue["id"].as_str().expect("an id");
    assert_eq!(uuid::Uuid::parse_str(id).expect("a UUID").get_version_num(), 7);
    assert_eq!(answer.header("location"), format!("/api/alerting/issues/{id}"));
    for (field, expected) in [
        ("type", "system_failure"),
        ("title", "Test Alert"),
        ("description", "This is a test alert"),
        ("source", "manual_test"),
        ("severity", "warning"),
        ("status", "open"),
    ] {
        assert_eq!(issue[field], expected, "{field}");
    }
    assert_eq!(issue["labels"]["bot"], "paper-1");
    let shown = world.get(&format!("/api/alerting/issues/{id}")).await.json();
    assert_eq!(shown["timeline"][0]["event"], "opened");
    assert_eq!(shown["notifications"][0]["why"], "waiting");
    assert_eq!(shown["notifications"][0]["receiver"], "ops");
    let by_episode =
        world.get(&format!("/api/alerting/issues/{}", issue["episode"].as_str().expect("text"))).await;
    assert_eq!(by_episode.json()["id"], id);
    // Prometheus' and Alertmanager's clients see it as well.
    let alerts = world.get("/api/v2/alerts").await.json();
    assert_eq!(alerts[0]["labels"]["alertname"], "Test Alert");
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let world = World::new().await;
    let body = json!({"type": "meteor", "titel": "x", "severity": "fatal", "id": "7", "metadata": [],
                      "labels": {"a": {}, "severity": "warning"}});
    let answer = world.report(body).await;
    assert_eq!((answer.status, answer.header("content-type")), (400, "application/problem+json"));
    let expected = [
        "#/type \"meteor\" is none of system_failure, paper_trading_violation, performance_degradation, security_breach",
        "#/title is needed",
        "#/severity \"fatal\" is none of warning, critical, emergency",
        "#/metadata expected an object, found a list",
        "#/labels/a expected a text, found an object",
        "#/id expected a UUID, best of version 7, which is also the key against doing it twice",
        "#/labels/severity is what the field `severity` says",
        "#/titel is not known; expected type, title, description, source, severity, metadata, labels, id",
    ];
    assert_eq!(wrong(&answer), expected);
    for (body, status, says) in [
        ("[1]", 400, "expected an object, found a list"),
        ("{", 400, "the body is not JSON"),
        ("", 400, "title: is needed"),
    ] {
        let answer = world.ask("POST", "/api/alerting/issues", JSON, body).await;
        assert_eq!(answer.status, status, "{body}");
        assert!(answer.text().contains(says), "{}", answer.text());
    }
    let text = world.ask("POST", "/api/alerting/issues", "Content-Type: text/plain\r\n", PRINTED).await;
    assert_eq!(text.status, 415);
    let long = world.report(with(problem(), json!({"title": "x".repeat(501)}))).await;
    assert_eq!(wrong(&long), ["#/title 501 bytes, of which 500 are taken"]);
    let deep = world.report(with(problem(), json!({"metadata": {"a": "x".repeat(33_000)}}))).await;
    assert_eq!(deep.status, 400);
}

#[tokio::test]
async fn the_same_problem_is_one_issue_and_the_same_report_counts_once() {
    let world = World::new().await;
    let id = "0197f3a0-0000-7000-8000-000000000001";
    let first = world.report(with(problem(), json!({"id": id}))).await;
    assert_eq!((first.status, first.json()["id"].as_str()), (201, Some(id)));
    let again = world.report(with(problem(), json!({"id": id}))).await;
    assert_eq!((again.status, again.json()["reports"].as_u64()), (200, Some(1)));
    let other = world.report(problem()).await;
    assert_eq!(
        (other.status, other.json()["id"].as_str(), other.json()["reports"].as_u64()),
        (200, Some(id), Some(2))
    );
    let clash = world.report(with(problem(), json!({"id": id, "title": "Another"}))).await;
    assert_eq!(clash.status, 409, "{}", clash.text());
    // The header does the same.
    let keyed = format!("{JSON}Idempotency-Key: \"k1\"\r\n");
    for expected in [200, 200] {
        let answer = world.ask("POST", "/api/alerting/issues", &keyed, &problem().to_string()).await;
        assert_eq!((answer.status, answer.json()["reports"].as_u64()), (expected, Some(3)));
    }
    let blank = format!("{JSON}Idempotency-Key: \r\n");
    let empty = world.ask("POST", "/api/alerting/issues", &blank, &problem().to_string()).await;
    assert_eq!(empty.status, 400);
}

#[tokio::test]
async fn secrets_of_a_report_are_not_kept() {
    let world = World::new().await;
    let body = with(
        problem(),
        json!({
            "description": "postgresql://bot:hunter2@db/prod refused",
            "metadata": {"connectionString": "postgresql://bot:hunter2@db/prod", "apiKey": "k", "symbol": "BTC"},
            "labels": {"target": "redis://:hunter2@cache"},
        }),
    );
    let answer = world.report(body).await;
    assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    assert_eq!(
        answer.json()["metadata"],
        json!({"connectionString": "postgresql://bot:xxxxx@db/prod", "apiKey": "<secret>", "symbol": "BTC"})
    );
    for path in ["/api/alerting/issues", "/api/v2/alerts", "/"] {
        assert!(!world.get(path).await.text().contains("hunter2"), "{path}");
    }
}

#[tokio::test]
async fn an_issue_lives() {
    let world = World::new().await;
    let id = world.report(problem()).await.json()["id"].as_str().expect("an id").to_owned();
    let (status, issue) =
        world.act(&id, "acknowledge", json!({"by": "anna", "for": "2h", "note": "looking"})).await;
    assert_eq!(
        (status, &issue["status"], &issue["acknowledged"]["by"]),
        (200, &json!("acknowledged"), &json!("anna"))
    );
    assert_eq!(issue["acknowledged"]["until"], (NOW + Duration::from_secs(7200)).rfc3339());
    assert_eq!(world.act(&id, "assign", json!({"to": "ben"})).await.1["assignee"], "ben");
    assert_eq!(world.act(&id, "notes", json!({"note": "restarted it, password=x"})).await.0, 200);
    assert_eq!(world.act(&id, "unacknowledge", json!({})).await.1["status"], "open");
    let (status, _) = world.act(&id, "escalate", json!({"receiver": "ops"})).await;
    assert_eq!(status, 200);
    let answer = world
        .send("PATCH", &format!("/api/alerting/issues/{id}/resolve"), &json!({"resolvedBy": "admin_user"}))
        .await;
    let issue = answer.json();
    assert_eq!(
        (answer.status, &issue["status"], &issue["resolvedBy"]),
        (200, &json!("resolved"), &json!("admin_user"))
    );
    let timeline = world.get(&format!("/api/alerting/issues/{id}")).await.json()["timeline"].clone();
    let line = |e: &Value| {
        let text = |name: &str| e[name].as_str().unwrap_or("").to_owned();
        format!("{} {} {}{}", text("by"), text("event"), text("note"), text("to"))
    };
    let lines: Vec<String> = timeline.as_array().expect("a list").iter().map(line).collect();
    let expected = [
        " opened ",
        "anna acknowledged looking",
        "local assigned ben",
        "local noted restarted it, password=<secret>",
        "local unacknowledged ",
        "local escalated ops",
        "admin_user resolved ",
    ];
    assert_eq!(lines, expected);
    // Over is over; resolving twice is no error.
    assert_eq!(world.act(&id, "acknowledge", json!({})).await.0, 409);
    assert_eq!(world.act(&id, "resolve", json!({})).await.0, 200);
    assert_eq!(world.act("nowhere", "resolve", json!({})).await.0, 404);
    assert_eq!(world.get("/api/alerting/issues/nowhere").await.status, 404);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = World::new().await;
    let id = world.report(problem()).await.json()["id"].as_str().expect("an id").to_owned();
    for (action, body, field) in [
        ("acknowledge", json!({"for": "soon"}), "#/for expected a duration"),
        ("acknowledge", json!({"for": "1h", "until": "2030-01-01T00:00:00Z"}), "#/until says the same"),
        ("acknowledge", json!({"until": "2020-01-01T00:00:00Z"}), "#/until expected a time to come"),
        ("acknowledge", json!({"for": "90d"}), "#/until expected a time to come within 30d"),
        ("notes", json!({}), "#/note is needed"),
        ("assign", json!({"to": 5}), "#/to expected a text"),
        ("resolve", json!({"resolved": true}), "#/resolved is not known"),
    ] {
        let answer = world.send("POST", &format!("/api/alerting/issues/{id}/{action}"), &body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(wrong(&answer)[0].starts_with(field), "{}", answer.text());
    }
    let (status, body) = world.act(&id, "escalate", json!({})).await;
    assert_eq!(status, 409);
    assert!(body["detail"].as_str().expect("text").contains("name a `receiver`"), "{body}");
    let (status, body) = world.act(&id, "escalate", json!({"receiver": "nobody"})).await;
    assert_eq!((status, &body["errors"][0]["pointer"]), (400, &json!("#/receiver")));
}

#[tokio::test]
async fn a_resolve_may_come_first() {
    let world = World::new().await;
    let id = "0197f3a0-0000-7000-8000-000000000002";
    let (status, body) = world.act(id, "resolve", json!({"resolvedBy": "bot", "note": "over"})).await;
    assert_eq!((status, body), (202, json!({"id": id, "status": "pending"})));
    let answer = world.report(with(problem(), json!({"id": id}))).await;
    assert_eq!((answer.status, &answer.json()["status"]), (201, &json!("resolved")));
}

#[tokio::test]
async fn many_at_once() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        let body = with(problem(), json!({"title": format!("P{n}")}));
        ids.push(world.report(body).await.json()["id"].as_str().expect("an id").to_owned());
    }
    ids.push("unknown".to_owned());
    let bulk = json!({"action": "acknowledge", "ids": ids, "by": "anna", "note": "all mine"});
    let answer = world.send("POST", "/api/alerting/issues/bulk", &bulk).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let results = answer.json()["results"].clone();
    let ok: Vec<bool> = results.as_array().expect("a list").iter().map(|r| r["ok"] == true).collect();
    assert_eq!(ok, [true, true, true, false]);
    assert_eq!(results[3]["error"], "there is no such issue");
    let list = world.get("/api/alerting/issues?status=acknowledged").await.json();
    assert_eq!(list["total"], 3);
    for (body, says) in [
        (json!({"action": "explode", "ids": ["x"]}), "#/action"),
        (json!({"action": "resolve"}), "#/ids is needed"),
        (json!({"action": "resolve", "ids": [1]}), "#/ids expected a list of texts"),
        (json!({"ids": ["x"]}), "#/action is needed"),
    ] {
        let answer = world.send("POST", "/api/alerting/issues/bulk", &body).await;
        assert_eq!(answer.status, 400);
        assert!(wrong(&answer)[0].starts_with(says), "{}", answer.text());
    }
}

#[tokio::test]
async fn issues_are_found_and_paged() {
    let world = World::new().await;
    for n in 0..25 {
        let severity = ["warning", "critical", "emergency"][n % 3];
        let body = json!({"type": "performance_degradation", "title": format!("Problem {n:02}"), "severity": severity,
                          "source": format!("s{}", n % 2), "labels": {"n": n.to_string()}});
        assert_eq!(world.report(body).await.status, 201);
    }
    for (query, total) in [
        ("", 25),
        ("?severity=critical", 8),
        ("?severity=critical,emergency", 16),
        ("?source=s0&type=performance_degradation", 13),
        ("?match=n%3D~%221.%22", 10),
        ("?q=PROBLEM%2007", 1),
        ("?status=resolved", 0),
        ("?since=2030-01-01T00:00:00Z", 0),
        ("?until=2030-01-01T00:00:00Z", 25),
        ("?type=security_breach", 0),
    ] {
        let list = world.get(&format!("/api/alerting/issues{query}")).await;
        assert_eq!(
            (list.status, list.json()["total"].as_u64()),
            (200, Some(total)),
            "{query}: {}",
            list.text()
        );
    }
    // Pages join without a gap, in both directions.
    for sort in ["startedAt", "-startedAt", "severity", "-severity", "title", "-title", "resolvedAt"] {
        let mut seen = Vec::new();
        let mut cursor = String::new();
        loop {
            let list = world.get(&format!("/api/alerting/issues?sort={sort}&limit=7{cursor}")).await.json();
            let page = list["issues"].as_array().expect("a list");
            seen.extend(page.iter().map(|i| i["title"].as_str().expect("text").to_owned()));
            match list["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        let mut all = seen.clone();
        all.sort();
        all.dedup();
        assert_eq!((seen.len(), all.len()), (25, 25), "{sort}");
        if sort == "-title" {
            assert_eq!((&*seen[0], &*seen[24]), ("Problem 24", "Problem 00"));
        }
    }
    let worst = world.get("/api/alerting/issues?sort=-severity&limit=1").await.json();
    assert_eq!(worst["issues"][0]["severity"], "emergency");
    for query in [
        "?sort=age",
        "?status=gone",
        "?cursor=x",
        "?limit=0",
        "?match=a%3D~%22(%22",
        "?since=soon",
        "?stauts=open",
    ] {
        let answer = world.get(&format!("/api/alerting/issues{query}")).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (400, "application/problem+json"),
            "{query}"
        );
    }
}

#[tokio::test]
async fn issues_of_rules_and_senders_are_the_same_kind() {
    let world = World::new().await;
    let alert =
        r#"[{"labels":{"alertname":"A","severity":"critical"},"annotations":{"summary":"it is slow"}}]"#;
    assert_eq!(world.post(alert).await.status, 200);
    let list = world.get("/api/alerting/issues").await.json();
    let issue = &list["issues"][0];
    assert_eq!((&issue["title"], &issue["status"]), (&json!("it is slow"), &json!("open")));
    let id = issue["id"].as_str().expect("an id").to_owned();
    assert_eq!(world.act(&id, "acknowledge", json!({})).await.0, 200);
    world.machine.event(NOW + Duration::from_secs(61), Event::Received(Vec::new()));
    let shown = world.get(&format!("/api/alerting/issues/{id}")).await.json();
    let told = &shown["notifications"][0];
    assert_eq!(
        (&told["why"], &told["lastError"]),
        (&json!("in_delivery"), &json!("no answer from the sender"))
    );
    let (_, resolved) = world.act(&id, "resolve", json!({})).await;
    assert_eq!((&resolved["status"], &resolved["resolution"]), (&json!("resolved"), &json!("operator")));
    assert!(Timestamp::parse_rfc3339(resolved["resolvedAt"].as_str().expect("text")).is_some());
}

#[tokio::test]
async fn nothing_is_acknowledged_that_is_not_on_disk() {
    let world = World::new().await;
    let id = world.report(problem()).await.json()["id"].as_str().expect("an id").to_owned();
    for (refusal, again) in [(NotDurable::Disk, "10"), (NotDurable::Busy, "1"), (NotDurable::Gone, "10")] {
        *world.machine.refuses.lock() = Some(refusal);
        for path in [
            "/api/alerting/issues",
            &format!("/api/alerting/issues/{id}/resolve"),
            "/api/alerting/issues/bulk",
        ] {
            let body = if path.ends_with("bulk") {
                json!({"action": "resolve", "ids": [id]})
            } else if path.ends_with("issues") {
                problem()
            } else {
                json!({})
            };
            let answer = world.send("POST", path, &body).await;
            assert_eq!((answer.status, answer.header("retry-after")), (503, again), "{path}");
        }
    }
}

#[tokio::test]
async fn issues_of_one_trouble_are_an_incident() {
    let world = World::new().await;
    let alerts = r#"[
        {"labels":{"alertname":"DatabaseQuerySlow","bot":"b","severity":"warning"},"startsAt":"2025-11-23T23:59:00Z"},
        {"labels":{"alertname":"ApiResponseSlow","bot":"b","severity":"critical"},"startsAt":"2025-11-23T23:59:20Z"},
        {"labels":{"alertname":"DiskSpaceLow","bot":"other","severity":"warning"},"startsAt":"2025-11-23T23:59:10Z"}
    ]"#;
    assert_eq!(world.post(alerts).await.status, 200);
    let found = world.get("/api/alerting/incidents?status=open").await.json();
    let incidents = found["incidents"].as_array().expect("a list");
    assert_eq!(incidents.len(), 1, "{found}");
    let incident = &incidents[0];
    assert_eq!(
        (&incident["cause"]["title"], &incident["severity"]),
        (&json!("DatabaseQuerySlow"), &json!("critical"))
    );
    let reason =
        "DatabaseQuerySlow began 20 s before ApiResponseSlow, and a slow database makes the API slow";
    assert_eq!((&incident["reason"], incident["issues"].as_array().map(Vec::len)), (&json!(reason), Some(2)));
    // Each of them shows it.
    let api = incident["issues"][1]["id"].as_str().expect("an id");
    assert_eq!(world.get(&format!("/api/alerting/issues/{api}")).await.json()["incident"]["reason"], reason);
    assert_eq!(world.get("/api/alerting/incidents?status=resolved").await.json(), json!({"incidents": []}));
    assert_eq!(world.get("/api/alerting/incidents?status=odd").await.status, 400);
}
