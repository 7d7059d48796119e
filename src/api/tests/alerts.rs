//! `POST /api/v2/alerts` over a socket (spec alertmanager §3.1).

use botwatch_core::model::Duration;

use super::world::{NOW, World};
use crate::dispatch::NotDurable;

#[tokio::test]
async fn alerts_are_taken_in() {
    let world = World::new().await;
    let body = r#"[{"labels":{"alertname":"A","x":""},"annotations":{"s":"t"},"generatorURL":"http://p/"},
        {"labels":{"alertname":"B"},"startsAt":"2025-01-01T00:00:00Z","endsAt":"2025-01-02T00:00:00Z"}]"#;
    let answer = world.post(body).await;
    assert_eq!((answer.status, answer.text()), (200, ""));
    let alerts = world.machine.alerts();
    assert_eq!(alerts.len(), 1, "an end of what isn't known says nothing new");
    assert_eq!(alerts[0].labels.to_string(), "{alertname=\"A\"}");
    assert_eq!((alerts[0].starts_at, alerts[0].ends_at), (NOW, Some(NOW + Duration::from_secs(300))));
    let metrics = world.get("/metrics").await;
    for expected in [
        "alertmanager_alerts_received_total{status=\"firing\",version=\"v2\"} 1\n",
        "alertmanager_alerts_received_total{status=\"resolved\",version=\"v2\"} 1\n",
        "alertmanager_alerts_invalid_total{version=\"v2\"} 0\n",
    ] {
        assert!(metrics.text().contains(expected), "{expected} in\n{}", metrics.text());
    }
}

#[tokio::test]
async fn each_kind_of_wrong_has_its_answer() {
    let world = World::new().await;
    let json = "Content-Type: application/json; charset=utf-8\r\n";
    for (headers, body, status, expected) in [
        (json, "null", 200, ""),
        (json, "[]", 200, ""),
        (
            "",
            "[]",
            415,
            "unsupported media type \\\"application/octet-stream\\\", only [application/json] are allowed",
        ),
        ("Content-Type: text/plain\r\n", "[]", 415, "unsupported media type \\\"text/plain\\\""),
        ("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", "x", 415, "\\\"gzip\\\""),
        ("Content-Type: application/json\r\nAccept: text/html\r\n", "[]", 406, "\"code\":406"),
        ("Content-Type: application/json\r\nAccept: text/html, */*;q=0.1\r\n", "[]", 200, ""),
        (json, "", 422, r#"{"code":602,"message":"alerts in body is required"}"#),
        ("", "", 422, r#"{"code":602,"message":"alerts in body is required"}"#),
        (json, "[{}]", 422, r#"{"code":602,"message":"0.labels in body is required"}"#),
        (json, "{", 400, r#"{"code":400,"message":"parsing alerts body from"#),
        (json, "[\"\\ud800\"]", 400, r#"{"code":400,"message":"parsing alerts body from"#),
        (json, r#"[{"labels":{}}]"#, 400, r#""at least one label pair required""#),
        (
            json,
            r#"[{"labels":{}},{"labels":{"":"x"}}]"#,
            400,
            r#""at least one label pair required\ninvalid label set: invalid name \"\"""#,
        ),
    ] {
        let answer = world.ask("POST", "/api/v2/alerts", headers, body).await;
        assert_eq!(answer.status, status, "{headers}{body}: {}", answer.text());
        assert!(answer.text().contains(expected), "{headers}{body}: {}", answer.text());
    }
    assert!(world.machine.alerts().is_empty());
}

#[tokio::test]
async fn valid_alerts_are_taken_beside_invalid_ones() {
    let world = World::new().await;
    let answer = world.post(r#"[{"labels":{"":"x"}},{"labels":{"alertname":"A"}}]"#).await;
    assert_eq!((answer.status, answer.text()), (400, r#""invalid label set: invalid name \"\"""#));
    assert_eq!(world.machine.alerts().len(), 1);
}

#[tokio::test]
async fn a_start_after_the_time_out_is_backwards() {
    let world = World::new().await;
    let post = |ahead: i64| {
        let starts = (NOW + Duration::from_secs(ahead)).rfc3339();
        format!(r#"[{{"labels":{{"alertname":"A{ahead}"}},"startsAt":"{starts}"}}]"#)
    };
    assert_eq!(world.post(&post(299)).await.status, 200);
    let answer = world.post(&post(301)).await;
    assert_eq!((answer.status, answer.text()), (400, r#""start time must be before end time""#));
    assert_eq!(world.machine.alerts().len(), 1);
}

#[tokio::test]
async fn nothing_is_acknowledged_that_is_not_on_disk() {
    let world = World::new().await;
    let alert = r#"[{"labels":{"alertname":"A"}}]"#;
    for (refusal, again) in [(NotDurable::Disk, "10"), (NotDurable::Busy, "1"), (NotDurable::Gone, "10")] {
        *world.machine.refuses.lock() = Some(refusal.clone());
        let answer = world.post(alert).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, again));
        assert_eq!(answer.json()["message"], refusal.to_string());
        assert_eq!(world.get("/-/healthy").await.status, 200);
        assert_eq!(world.get("/").await.status, 200);
        assert_eq!(world.get("/metrics").await.status, 200);
    }
    assert!(world.machine.alerts().is_empty());
    assert_eq!(world.get("/api/alerting/notifications").await.status, 503);
    let metrics = world.get("/metrics").await;
    let counted = "botwatch_api_alerts_refused_total{reason=\"busy\"} 1\n";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
}
