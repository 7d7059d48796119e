//! Who may do what: every endpoint, every role.

use std::sync::Arc;

use botwatch_core::access::{Permission, Role};
use tempfile::TempDir;

use super::world::{NOW, World};
use crate::{
    api::{Options, router::endpoints},
    store::{Accounts, Audit},
};

/// A world in which callers on this machine need a token, and one token of each role.
struct Guarded {
    world: World,
    tokens: Vec<(Role, String)>,
    accounts: Arc<Accounts>,
    dir: TempDir,
}

impl Guarded {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let accounts = Arc::new(Accounts::open(dir.path()).expect("fresh"));
        let tokens = Role::ALL.map(|role| {
            let (_, text) = accounts.create(&format!("a {role}"), role, NOW, None).expect("made");
            (role, text)
        });
        let options = Options { loopback: None, ..Options::new("127.0.0.1:0", None) };
        let audit = Arc::new(Audit::start(dir.path()).0);
        let world = World::guarded(options, Some(Arc::clone(&accounts)), Some(audit)).await;
        Self { world, tokens: tokens.to_vec(), accounts, dir }
    }

    fn token(&self, role: Role) -> &str {
        &self.tokens.iter().find(|(r, _)| *r == role).expect("one of each").1
    }
}

/// A path that the endpoint answers.
fn path(of: &str) -> String {
    // A stream that is let in doesn't end.
    let of = of.replace("/api/alerting/events", "/api/alerting/events?type=none");
    of.replace("{id}", "0197f3a0-0000-7000-8000-000000000001").replace("{metric}", "m")
}

#[tokio::test]
async fn every_endpoint_asks_for_its_permission() {
    let guarded = Guarded::new().await;
    let all = endpoints();
    assert!(all.len() > 40);
    for endpoint in &all {
        let (method, path) = (endpoint.method.as_str(), path(endpoint.path));
        let name = format!("{method} {path}");
        // A webhook is taken from nearby without a token; that is shown elsewhere.
        let open = matches!(endpoint.needs, Permission::Open | Permission::Webhook);
        let answer = guarded.world.ask(method, &path, "Content-Type: application/json\r\n", "").await;
        assert_eq!(answer.status == 401, !open, "{name} without a token: {}", answer.status);
        if !open {
            assert!(answer.head.contains("Bearer realm=") && answer.text().contains("admin.token"), "{name}");
        }
        for (role, token) in &guarded.tokens {
            let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
            let answer = guarded.world.ask(method, &path, &headers, "").await;
            assert_ne!(answer.status, 401, "{name} as {role}");
            let may = role.allows(endpoint.needs) || endpoint.needs == Permission::Webhook;
            assert_eq!(answer.status == 403, !may, "{name} as {role}: {}", answer.status);
        }
        let headers = "Authorization: Bearer bw_00000000_wrong\r\n";
        let status = guarded.world.ask(method, &path, headers, "").await.status;
        assert!(matches!(status, 401 | 429), "{name} with a wrong token: {status}");
    }
    assert_eq!(guarded.world.get("/nowhere").await.status, 401, "nothing is told of what isn't there");
    assert_eq!(guarded.world.get("/docs").await.status, 401);
}

/// No path answers without an entry in the table: what isn't in it is not there.
#[tokio::test]
async fn methods_without_an_entry_are_refused() {
    let world = World::new().await;
    let all = endpoints();
    let mut paths: Vec<&str> = all.iter().map(|e| e.path).collect();
    paths.dedup();
    for of in paths {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            if all.iter().any(|e| e.path == of && e.method == method) {
                continue;
            }
            let answer = world.ask(method, &path(of), "", "").await;
            assert_eq!(answer.status, 405, "{method} {of}");
        }
    }
}

#[tokio::test]
async fn who_did_it_is_recorded() {
    let guarded = Guarded::new().await;
    let token = guarded.token(Role::Operator);
    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    let body = r#"{"type": "system_failure", "title": "x"}"#;
    let answer = guarded.world.ask("POST", "/api/alerting/issues", &headers, body).await;
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    for (body, by) in [("{}", "a operator"), (r#"{"resolvedBy": "anna"}"#, "anna (as a operator)")] {
        let path = format!("/api/alerting/issues/{id}/acknowledge");
        let body = body.replace("resolvedBy", "by");
        let answer = guarded.world.ask("POST", &path, &headers, &body).await;
        assert_eq!(answer.json()["acknowledged"]["by"], by);
    }
}

#[tokio::test]
async fn tokens_are_taken_as_basics_password_and_refused_once_revoked() {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let guarded = Guarded::new().await;
    let token = guarded.token(Role::Viewer);
    let basic = BASE64_STANDARD.encode(format!("anybody:{token}"));
    let headers = format!("Authorization: Basic {basic}\r\n");
    assert_eq!(guarded.world.ask("GET", "/api/v2/status", &headers, "").await.status, 200);
    // A page of another's can't use what a browser has remembered.
    let elsewhere = format!("{headers}Origin: https://evil.example\r\n");
    assert_eq!(guarded.world.ask("GET", "/api/v2/status", &elsewhere, "").await.status, 403);
    guarded.accounts.revoke("a viewer").expect("there");
    assert_eq!(guarded.world.ask("GET", "/api/v2/status", &headers, "").await.status, 401);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let guarded = Guarded::new().await;
    let mut statuses = Vec::new();
    for n in 0..15 {
        let headers = format!("Authorization: Bearer bw_{n:08x}_guess\r\n");
        statuses.push(guarded.world.ask("GET", "/api/v2/status", &headers, "").await.status);
    }
    assert_eq!((&statuses[..10], &statuses[10..]), (&[401; 10][..], &[429; 5][..]));
    // Who knows a token is let in all the same.
    let headers = format!("Authorization: Bearer {}\r\n", guarded.token(Role::Viewer));
    assert_eq!(guarded.world.ask("GET", "/api/v2/status", &headers, "").await.status, 200);
}

#[tokio::test]
async fn the_first_refusal_says_the_next_command() {
    let guarded = Guarded::new().await;
    let body = r#"{"type": "system_failure", "title": "x"}"#;
    let answer = guarded
        .world
        .ask("POST", "/api/alerting/issues?x=1", "Content-Type: application/json\r\n", body)
        .await;
    let detail = answer.json()["detail"].as_str().expect("text").to_owned();
    let expected = "curl -X POST -H \"Authorization: Bearer $(cat admin.token)\" 'http://localhost/api/alerting/issues?x=1'";
    assert!(detail.contains(expected), "{detail}");
    // In Alertmanager's and Prometheus' shapes below their paths.
    assert_eq!(guarded.world.get("/api/v2/status").await.json()["code"], 401);
    assert_eq!(guarded.world.get("/api/v1/rules").await.json()["errorType"], "unauthorized");
}

#[tokio::test]
async fn changes_are_audited_with_what_was_before_and_after() {
    let guarded = Guarded::new().await;
    let with =
        |role| format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", guarded.token(role));
    let (operator, admin) = (with(Role::Operator), with(Role::Admin));
    let path = "/api/alerting/thresholds/memory_usage";
    for body in [r#"{"critical": 95}"#, r#"{"critical": 96}"#, r#"{"critical": "x"}"#] {
        guarded.world.ask("PATCH", path, &operator, body).await;
    }
    let report = r#"{"type": "system_failure", "title": "x"}"#;
    let issue = guarded.world.ask("POST", "/api/alerting/issues", &operator, report).await.json();
    let id = issue["id"].as_str().expect("an id");
    guarded.world.ask("PATCH", &format!("/api/alerting/issues/{id}/resolve"), &admin, "{}").await;
    let silence = r#"{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":"2025-11-24T00:00:00Z",
        "endsAt":"2025-11-25T00:00:00Z","createdBy":"anna","comment":"why"}"#;
    let set = guarded.world.ask("POST", "/api/v2/silences", &operator, silence).await.json();
    let silence = set["silenceID"].as_str().expect("an id").to_owned();
    guarded.world.ask("DELETE", &format!("/api/v2/silence/{silence}"), &operator, "").await;
    let newest =
        guarded.world.ask("GET", "/api/alerting/audit?limit=2", &admin, "").await.json()["entries"].clone();
    assert_eq!(
        (&newest[1]["before"], &newest[1]["after"]["comment"]),
        (&serde_json::Value::Null, &"why".into())
    );
    let state = |at: &str| newest[0][at]["status"]["state"].clone();
    assert_eq!((state("before"), state("after")), ("active".into(), "expired".into()));
    let answer = guarded.world.ask("GET", "/api/alerting/audit?before=4", &admin, "").await.json();
    let entries = answer["entries"].as_array().expect("a list");
    assert_eq!(
        entries.len(),
        3,
        "what is refused changes nothing, and reports are no changes by people: {answer}"
    );
    let (resolved, second) = (&entries[0], &entries[1]);
    assert_eq!((&resolved["by"], &resolved["target"]), (&"a admin".into(), &id.into()));
    assert_eq!(
        (&resolved["before"]["status"], &resolved["after"]["status"]),
        (&"open".into(), &"resolved".into())
    );
    assert_eq!(
        (&second["action"], &second["from"]),
        (&"PATCH /api/alerting/thresholds/{metric}".into(), &"127.0.0.1".into())
    );
    assert_eq!((&second["before"]["critical"], &second["after"]["critical"]), (&95.0.into(), &96.0.into()));
    let page = guarded.world.ask("GET", "/api/alerting/audit?limit=4", &admin, "").await.json();
    let next = page["next"].as_u64().expect("more");
    let rest =
        guarded.world.ask("GET", &format!("/api/alerting/audit?before={next}"), &admin, "").await.json();
    assert_eq!(rest["entries"].as_array().map(Vec::len), Some(1), "{page} {rest}");
    assert_eq!(crate::store::verify_audit(guarded.dir.path()).expect("read").problems, [""; 0]);
    assert_eq!(guarded.world.ask("GET", "/api/alerting/audit", &operator, "").await.status, 403);
}
