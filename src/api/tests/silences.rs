//! API v2 besides taking alerts in (spec alertmanager §2.7, §3.1).

use serde_json::{Value, json};

use super::world::World;
use crate::dispatch::NotDurable;

const JSON: &str = "Content-Type: application/json\r\n";

/// The clock of the tests stands at 2025-11-24T00:00:00Z.
fn silence(matchers: &Value, starts: &str, ends: &str) -> Value {
    json!({
        "matchers": matchers,
        "startsAt": format!("2025-11-24T{starts}Z"), "endsAt": format!("2025-11-24T{ends}Z"),
        "createdBy": "anna", "comment": "known",
    })
}

fn matcher(name: &str, value: &str) -> Value {
    json!([{"name": name, "value": value, "isRegex": false}])
}

async fn set(world: &World, body: &Value) -> (u16, Value) {
    let answer = world.ask("POST", "/api/v2/silences", JSON, &body.to_string()).await;
    (answer.status, serde_json::from_str(answer.text()).unwrap_or(Value::Null))
}

async fn set_fine(world: &World, body: &Value) -> String {
    let (status, answer) = set(world, body).await;
    assert_eq!(status, 200, "{answer}");
    answer["silenceID"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_silence_lives_as_in_alertmanager() {
    let world = World::new().await;
    let id = set_fine(&world, &silence(&matcher("alertname", "A"), "00:00:00", "01:00:00.5")).await;
    let shown = json!({
        "id": id, "status": {"state": "active"}, "updatedAt": "2025-11-24T00:00:00.000Z",
        "comment": "known", "createdBy": "anna",
        "endsAt": "2025-11-24T01:00:00.500Z", "startsAt": "2025-11-24T00:00:00.000Z",
        "matchers": [{"isEqual": true, "isRegex": false, "name": "alertname", "value": "A"}],
    });
    assert_eq!(world.get(&format!("/api/v2/silence/{id}")).await.json(), shown);
    assert_eq!(world.get("/api/v2/silences").await.json(), json!([shown]));

    let alerts = r#"[{"labels":{"alertname":"A","n":"1"}},{"labels":{"alertname":"B"}}]"#;
    assert_eq!(world.post(alerts).await.status, 200);
    let state = |all: Value| -> Vec<(String, String, usize)> {
        let one = |a: &Value| {
            let text = |v: &Value| v.as_str().expect("a text").to_owned();
            let by = a["status"]["silencedBy"].as_array().expect("a list").len();
            (text(&a["labels"]["alertname"]), text(&a["status"]["state"]), by)
        };
        let mut all: Vec<_> = all.as_array().expect("a list").iter().map(one).collect();
        all.sort();
        all
    };
    let (a, b) = (("A".into(), "suppressed".into(), 1), ("B".into(), "active".into(), 0));
    for (query, expected) in [
        ("", vec![&a, &b]),
        ("?silenced=false", vec![&b]),
        ("?active=false", vec![&a]),
        ("?active=no&silenced=yes", vec![&a]),
        ("?filter=alertname%3D%22A%22&filter=n%3D%221%22", vec![&a]),
        ("?filter=alertname%3D%22A%22&filter=n%3D%222%22", vec![]),
        ("?filter=n%3D%22%22", vec![&b]),
        ("?receiver=op.*", vec![&a, &b]),
        ("?receiver=op", vec![]),
        ("?receiver=", vec![&a, &b]),
    ] {
        let found = state(world.get(&format!("/api/v2/alerts{query}")).await.json());
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{query}");
    }

    assert_eq!(world.ask("DELETE", &format!("/api/v2/silence/{id}"), "", "").await.status, 200);
    assert_eq!(world.ask("DELETE", &format!("/api/v2/silence/{id}"), "", "").await.status, 200, "again");
    let over = world.get(&format!("/api/v2/silence/{id}")).await.json();
    assert_eq!(over["status"]["state"], "expired");
    assert_eq!(state(world.get("/api/v2/alerts?silenced=false").await.json()).len(), 2);
}

#[tokio::test]
async fn a_change_answers_the_id_that_holds() {
    let world = World::new().await;
    let mut body = silence(&matcher("a", "b"), "00:00:00", "01:00:00");
    let id = set_fine(&world, &body).await;
    body["id"] = id.clone().into();
    body["endsAt"] = "2025-11-24T02:00:00Z".into();
    assert_eq!(set_fine(&world, &body).await, id);
    body["matchers"] = matcher("a", "c");
    let other = set_fine(&world, &body).await;
    assert_ne!(other, id);
    let states =
        |all: &Value| all.as_array().map(|l| l.iter().map(|s| s["status"]["state"].clone()).collect());
    let all = world.get("/api/v2/silences").await.json();
    assert_eq!(states(&all), Some(vec![json!("active"), json!("expired")]));
    set_fine(&world, &silence(&matcher("a", "d"), "03:00:00", "04:00:00")).await;
    for (query, expected) in [
        ("", vec!["active", "pending", "expired"]),
        ("?expired=false", vec!["active", "pending"]),
        ("?active=false&pending=0", vec!["expired"]),
        ("?filter=a%3D%22d%22", vec!["pending"]),
        ("?filter=a%3D~%22d%22", vec![]),
    ] {
        let all = world.get(&format!("/api/v2/silences{query}")).await.json();
        let expected: Vec<Value> = expected.into_iter().map(Value::from).collect();
        assert_eq!(states(&all), Some(expected), "{query}");
    }
}

#[tokio::test]
async fn each_kind_of_wrong_silence_has_its_answer() {
    let world = World::new().await;
    let good = silence(&matcher("a", "b"), "00:00:00", "01:00:00");
    let without = |key: &str| {
        let mut body = good.clone();
        body.as_object_mut().expect("an object").remove(key);
        body
    };
    let with = |key: &str, value: Value| {
        let mut body = good.clone();
        body[key] = value;
        body
    };
    let coded = |code: u16, message: &str| json!({"code": code, "message": message});
    for (body, status, expected) in [
        (without("comment"), 422, coded(602, "comment in body is required")),
        (without("createdBy"), 422, coded(602, "createdBy in body is required")),
        (without("endsAt"), 422, coded(602, "endsAt in body is required")),
        (without("startsAt"), 422, coded(602, "startsAt in body is required")),
        (without("matchers"), 422, coded(602, "matchers in body is required")),
        (with("matchers", json!([])), 422, coded(612, "matchers in body should have at least 1 items")),
        (
            with("matchers", json!([{"name": "a", "value": "b"}])),
            422,
            coded(602, "matchers.0.isRegex in body is required"),
        ),
        (
            with("endsAt", "2025-11-24T00:00:00Z".into()),
            400,
            json!("Failed to create silence: start time must be before end time"),
        ),
        (
            silence(&matcher("a", "b"), "00:00:00", "00:00:00"),
            400,
            json!("Failed to create silence: start time must be before end time"),
        ),
        (
            with("matchers", json!([{"name": "a", "value": "", "isRegex": false}])),
            400,
            json!("invalid silence: at least one matcher must not match the empty string"),
        ),
        (with("id", "11111111-2222-4333-8444-555555555555".into()), 404, json!("silence not found")),
        (with("comment", "x".repeat(10_000).into()), 400, json!("invalid silence: too large")),
    ] {
        assert_eq!(set(&world, &body).await, (status, expected), "{body}");
    }
    let past = json!({
        "matchers": matcher("a", "b"), "createdBy": "a", "comment": "c",
        "startsAt": "2025-11-23T00:00:00Z", "endsAt": "2025-11-23T01:00:00Z",
    });
    assert_eq!(
        set(&world, &past).await,
        (400, json!("Failed to create silence: end time can't be in the past"))
    );
    let pattern = with("matchers", json!([{"name": "a", "value": "(", "isRegex": true}]));
    let (status, why) = set(&world, &pattern).await;
    assert!(status == 400 && why.as_str().is_some_and(|w| w.starts_with("invalid silence: ")), "{why}");
    assert_eq!(world.ask("POST", "/api/v2/silences", JSON, "{").await.status, 400);
    assert_eq!(world.ask("POST", "/api/v2/silences", JSON, "").await.status, 422);
    assert_eq!(world.ask("POST", "/api/v2/silences", "", "{}").await.status, 415);
    for method in ["GET", "DELETE"] {
        let answer = world.ask(method, "/api/v2/silence/x", "", "").await;
        assert_eq!((answer.status, answer.json()["code"].clone()), (422, json!(601)));
        let nobody = "/api/v2/silence/11111111-2222-4333-8444-555555555555";
        let answer = world.ask(method, nobody, "", "").await;
        assert_eq!((answer.status, answer.text()), (404, ""));
    }
    for (path, expected) in [
        ("/api/v2/alerts?filter=%7B", "bad matcher format: "),
        ("/api/v2/alerts?receiver=(", "failed to parse receiver param: "),
        ("/api/v2/silences?filter=x", "bad matcher format: "),
        ("/api/v2/alerts?receiver_matchers=a%3Db", "receiver_matchers is not supported"),
    ] {
        let answer = world.get(path).await;
        let why: Value = serde_json::from_str(answer.text()).expect("JSON");
        assert!(
            answer.status == 400 && why.as_str().is_some_and(|w| w.starts_with(expected)),
            "{path}: {why}"
        );
    }
    assert_eq!(world.get("/api/v2/silences").await.json(), json!([]), "nothing was set");
}

#[tokio::test]
async fn what_is_not_on_disk_is_not_acknowledged() {
    let world = World::new().await;
    for (refusal, retry_after) in [(NotDurable::Disk, "10"), (NotDurable::Busy, "1")] {
        *world.machine.refuses.lock() = Some(refusal);
        let body = silence(&matcher("a", "b"), "00:00:00", "01:00:00").to_string();
        let answer = world.ask("POST", "/api/v2/silences", JSON, &body).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, retry_after));
    }
}

#[tokio::test]
async fn groups_receivers_and_status_have_alertmanagers_shapes() {
    let world = World::new().await;
    let alerts = r#"[{"labels":{"alertname":"A","n":"1"},"generatorURL":"http://p/"},{"labels":{"alertname":"A"}},
        {"labels":{"alertname":"B"},"annotations":{"s":"t"},"startsAt":"2025-11-23T23:00:00Z"}]"#;
    assert_eq!(world.post(alerts).await.status, 200);
    let groups = world.get("/api/v2/alerts/groups").await.json();
    let labels: Vec<_> = groups.as_array().expect("a list").iter().map(|g| g["labels"].clone()).collect();
    assert_eq!(labels, [json!({"alertname": "A"}), json!({"alertname": "B"})]);
    assert_eq!(groups[0]["alerts"].as_array().map(Vec::len), Some(2));
    let b = json!({
        "annotations": {"s": "t"}, "endsAt": "2025-11-24T00:05:00.000Z", "fingerprint": "5c32a8d0a0af9a09",
        "receivers": [{"name": "ops"}], "startsAt": "2025-11-23T23:00:00.000Z",
        "status": {"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"},
        "updatedAt": "2025-11-24T00:00:00.000Z", "labels": {"alertname": "B"},
    });
    let mut shown = groups[1].clone();
    shown["alerts"][0]["fingerprint"] = b["fingerprint"].clone();
    assert_eq!(shown, json!({"alerts": [b], "labels": {"alertname": "B"}, "receiver": {"name": "ops"}}));
    assert_eq!(world.get("/api/v2/alerts/groups?receiver=nobody").await.json(), json!([]));
    assert_eq!(world.get("/api/v2/receivers").await.json(), json!([{"name": "ops"}]));
    let status = world.get("/api/v2/status").await.json();
    assert_eq!(status["cluster"], json!({"status": "disabled", "peers": []}));
    assert_eq!(status["versionInfo"]["version"], "0.34.0");
    assert_eq!(status["config"]["original"], "route: {receiver: ops}\n");
    assert_eq!(status["uptime"], "2025-11-24T00:00:00.000Z");
}
