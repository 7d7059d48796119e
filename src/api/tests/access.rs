//! Who may do what: every endpoint, every role.

use std::sync::Arc;

use botwatch_core::access::{Limit, Permission, Role};
use tempfile::TempDir;

use super::world::{NOW, World};
use crate::{
    api::{Access, Options, SIGNATURE_HEADER, WebhookSecret, router::endpoints},
    net::SecretSource,
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
        let options = Options::new("127.0.0.1:0", None);
        let audit = Arc::new(Audit::start(dir.path()).0);
        let world = World::guarded(options, Some(Arc::clone(&accounts)), Some(audit)).await;
        world.access.set(Access { loopback: None, ..Access::default() });
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

const WEBHOOK: &str = "/api/alerting/webhook/alerts";
const JSON: &str = "Content-Type: application/json\r\n";
const REPORT: &str = r#"{"type": "system_failure", "title": "x"}"#;

/// 200 also for what is new.
fn taken(status: u16) -> u16 {
    if status == 201 { 200 } else { status }
}

fn signature(secret: &str, text: &str) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    let tag = ring::hmac::sign(&key, text.as_bytes());
    tag.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[tokio::test]
async fn webhooks_with_a_secret_need_it_or_a_signature() {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    let guarded = Guarded::new().await;
    let send = async |headers: &str, body: &str| {
        taken(guarded.world.ask("POST", WEBHOOK, &format!("{JSON}{headers}"), body).await.status)
    };
    assert_eq!(send("", REPORT).await, 200, "from nearby, while there is no secret");
    assert_eq!(send("Origin: https://evil.example\r\n", REPORT).await, 403, "a page in somebody's browser");
    let set = |timestamp_header: Option<&str>| {
        let webhook = WebhookSecret {
            secret: SecretSource::inline("s3cret"),
            signature_header: SIGNATURE_HEADER.into(),
            timestamp_header: timestamp_header.map(Into::into),
        };
        guarded.world.access.set(Access { loopback: None, webhook: Some(webhook), ..Access::default() });
    };
    set(None);
    let basic = BASE64_STANDARD.encode("grafana:s3cret");
    let signed = |text: &str| format!("X-Grafana-Alerting-Signature: {}\r\n", signature("s3cret", text));
    let operator = format!("Authorization: Bearer {}\r\n", guarded.token(Role::Operator));
    for (headers, status) in [
        (String::new(), 401),
        ("Authorization: Bearer s3cret\r\n".to_owned(), 200),
        (format!("Authorization: Basic {basic}\r\n"), 200),
        ("Authorization: Bearer s3cre\r\n".to_owned(), 401),
        (operator, 200),
        (signed(REPORT), 200),
        (signed("{}"), 401),
        (format!("X-Grafana-Alerting-Signature: {}\r\n", signature("guess", REPORT)), 401),
        (format!("{}Authorization: Bearer s3cre\r\n", signed(REPORT)), 401),
    ] {
        assert_eq!(send(&headers, REPORT).await, status, "{headers}");
    }
    let secret = "Authorization: Bearer s3cret\r\n";
    let other = guarded.world.ask("POST", "/api/alerting/issues", &format!("{JSON}{secret}"), REPORT).await;
    assert_eq!(other.status, 401, "the secret opens nothing else");
    let seconds = (NOW.0 / 1000).to_string();
    set(Some("x-grafana-time"));
    assert_eq!(send(&signed(REPORT), REPORT).await, 401, "the time must be signed, too");
    let timed = format!("{}X-Grafana-Time: {seconds}\r\n", signed(&format!("{seconds}:{REPORT}")));
    assert_eq!(send(&timed, REPORT).await, 200);
    let answer =
        guarded.world.ask("POST", WEBHOOK, &format!("{JSON}Authorization: Bearer no\r\n"), REPORT).await;
    assert!(!answer.text().contains("s3cret"), "{}", answer.text());
}

#[tokio::test]
async fn a_webhook_secret_that_cannot_be_read_lets_nobody_in_and_the_sender_try_again() {
    let guarded = Guarded::new().await;
    let webhook = WebhookSecret {
        secret: SecretSource::File(guarded.dir.path().join("secret")),
        signature_header: SIGNATURE_HEADER.into(),
        timestamp_header: None,
    };
    guarded.world.access.set(Access { loopback: None, webhook: Some(webhook), ..Access::default() });
    let headers = format!("{JSON}Authorization: Bearer s\r\n");
    let answer = guarded.world.ask("POST", WEBHOOK, &headers, REPORT).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "10"));
    std::fs::write(guarded.dir.path().join("secret"), "s\n").expect("written");
    assert_eq!(taken(guarded.world.ask("POST", WEBHOOK, &headers, REPORT).await.status), 200);
    std::fs::write(guarded.dir.path().join("secret"), "").expect("written");
    let empty = format!("{JSON}Authorization: Bearer \r\n");
    assert_eq!(guarded.world.ask("POST", WEBHOOK, &empty, REPORT).await.status, 401, "nobody's secret");
}

#[tokio::test]
async fn trusted_proxies_say_who_asks() {
    let world = World::new().await;
    let networks = |texts: &[&str]| texts.iter().map(|t| t.parse().expect("a network")).collect::<Vec<_>>();
    let ask = async |path: &str, headers: &str| world.ask("GET", path, headers, "").await.status;
    let page = "/api/v2/status";
    let elsewhere = "X-Forwarded-For: 203.0.113.9\r\n";
    let local = "X-Forwarded-For: 127.0.0.1\r\n";
    assert_eq!((ask(page, "").await, ask(page, elsewhere).await, ask(page, local).await), (200, 401, 401));
    let trusted_proxies = networks(&["127.0.0.0/8"]);
    world.access.set(Access { trusted_proxies: trusted_proxies.clone(), ..Access::default() });
    for (headers, status) in [
        ("", 200),
        (elsewhere, 401),
        (local, 200),
        // What the client claims stands before what the proxy adds.
        ("X-Forwarded-For: 127.0.0.1, 203.0.113.9\r\n", 401),
        ("X-Forwarded-For: nonsense\r\n", 401),
        ("X-Real-IP: 127.0.0.1\r\n", 401),
        ("Forwarded: for=127.0.0.1\r\n", 401),
    ] {
        assert_eq!(ask(page, headers).await, status, "{headers:?}");
    }
    // Who may ask at all goes by the same address, and by that of a proxy that isn't believed.
    let allow = networks(&["203.0.113.0/24"]);
    world.access.set(Access { allow: allow.clone(), trusted_proxies, ..Access::default() });
    for (headers, status) in [
        ("", 200),
        (elsewhere, 200),
        ("X-Forwarded-For: 198.51.100.1\r\n", 403),
        ("X-Forwarded-For: 203.0.113.9, 198.51.100.1\r\n", 403),
        ("X-Forwarded-For: nonsense\r\n", 403),
    ] {
        assert_eq!(ask("/-/healthy", headers).await, status, "{headers:?}");
    }
    world.access.set(Access { allow, ..Access::default() });
    assert_eq!(ask("/-/healthy", elsewhere).await, 403, "anybody can write that header");
}

#[tokio::test]
async fn who_asks_too_often_waits() {
    let world = World::new().await;
    let limit = |burst: f64| Limit { per_second: 0.5, burst };
    let trusted_proxies = vec!["127.0.0.1".parse().expect("a network")];
    let policy = Access {
        rate_limit: limit(2.0),
        webhook_rate_limit: limit(3.0),
        trusted_proxies,
        ..Access::default()
    };
    world.access.set(policy);
    let ask = async |from: &str| {
        let answer = world.ask("GET", "/-/healthy", &format!("X-Forwarded-For: {from}\r\n"), "").await;
        (answer.status, answer.header("retry-after").to_owned())
    };
    for _ in 0..2 {
        assert_eq!(ask("203.0.113.9").await.0, 200);
    }
    assert_eq!(ask("203.0.113.9").await, (429, "2".to_owned()));
    assert_eq!(ask("203.0.113.10").await.0, 200, "somebody else");
    for _ in 0..10 {
        assert_eq!(world.get("/-/healthy").await.status, 200, "this machine");
    }
    // Senders of webhooks take 429 for good, and try 503 again (spec field §5c).
    for n in 0..5 {
        let answer = world.ask("POST", WEBHOOK, JSON, REPORT).await;
        assert_eq!(answer.status == 503, n >= 3, "{n}: {}", answer.status);
        assert_eq!(answer.header("retry-after").is_empty(), n < 3);
    }
}
