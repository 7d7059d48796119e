//! Webhooks: what is sent, and what answers mean.

use std::{collections::BTreeMap, fs, path::Path};

use botwatch::{
    net::{Auth, HttpOptions, SecretSource},
    notify::{Integration, UrlSource, WebhookOptions},
};
use botwatch_core::{
    alerting::Outcome,
    model::{Duration, Timestamp},
};

use super::{Bench, SOON, alert, attempt, delivered, error_of, hook, memory_high, webhook};
use crate::sinks::http::{Answer, HttpSink};

/// Compares with the recorded body. `UPDATE_SNAPSHOTS=1` records it anew.
fn golden(name: &str, body: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/notify").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, body).expect("a snapshot");
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(body, recorded, "{name} (UPDATE_SNAPSHOTS=1 records it anew)");
}

#[tokio::test]
async fn bodies_are_as_recorded() {
    let mut blind = alert("Priced", "warning", false);
    blind.frozen_since = Some(Timestamp::from_secs(1_764_125_500));
    let mut written = alert("Written", "emergency", true);
    written.alert.annotations = written.alert.annotations.with("threshold", "85");
    written.value = Some("NaN".to_owned());
    let mut foreign = alert("Foreign", "", false);
    foreign.value = None;
    let plain = WebhookOptions { botwatch_object: false, ..webhook("") };
    let cut = WebhookOptions { max_alerts: 1, ..webhook("") };
    for (name, options, alerts) in [
        ("webhook-firing.json", webhook(""), memory_high()),
        ("webhook-resolved.json", webhook(""), vec![alert("MemoryHigh", "critical", true)]),
        ("webhook-mixed.json", webhook(""), vec![blind.clone(), foreign, written]),
        ("webhook-plain.json", plain, vec![blind, alert("MemoryHigh", "critical", true)]),
        ("webhook-cut.json", cut, vec![alert("A", "critical", false), alert("B", "critical", true)]),
    ] {
        let sink = HttpSink::accepting();
        let options = WebhookOptions { url: UrlSource(SecretSource::inline(sink.url("/hook"))), ..options };
        let mut bench = Bench::new(vec![Integration::Webhook(Box::new(options))]);
        assert_eq!(bench.attempt(attempt("webhook", 0, alerts)).await, delivered());
        let request = sink.requests().pop().expect("a request");
        assert_eq!((&*request.method, &*request.path), ("POST", "/hook"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("idempotency-key"), Some("7-00f1e2d3c4b5a697"));
        assert_eq!(request.header("x-botwatch-delivery"), Some("7-00f1e2d3c4b5a697"));
        assert_eq!(request.header("x-botwatch-attempt"), Some("1"));
        assert!(request.header("user-agent").is_some_and(|a| a.starts_with("botwatch/")));
        golden(name, &request.text());
        assert!(request.json().is_object());
    }
}

#[tokio::test]
async fn answers_are_sorted() {
    let sink = HttpSink::accepting();
    let mut bench = Bench::new(vec![hook(&sink.url("/secret-path"))]);
    let at = sink.url("");
    let transient = |error: String, seconds: Option<i64>| Outcome::Transient {
        error,
        retry_after: seconds.map(Duration::from_secs),
    };
    for (answer, expected) in [
        (Answer::new(200, "fine"), delivered()),
        (Answer::new(204, ""), delivered()),
        (Answer::new(500, "oops"), transient(format!("{at} answered 500: oops"), None)),
        (Answer::new(503, "").with("Retry-After", "120"), transient(format!("{at} answered 503"), Some(120))),
        (
            Answer::new(429, "").with("Retry-After", "Wed, 26 Nov 2025 03:01:00 GMT"),
            transient(format!("{at} answered 429"), Some(60)),
        ),
        (Answer::new(408, ""), transient(format!("{at} answered 408"), None)),
        (Answer::new(425, ""), transient(format!("{at} answered 425"), None)),
        (
            Answer::new(404, "nothing at /secret-path\n here"),
            transient(format!("{at} answered 404: nothing at <secret> here"), None),
        ),
        (
            Answer::new(302, "").with("Location", "https://new.example:8443/secret-path"),
            transient(format!("{at} answered 302: moved to https://new.example:8443: change the URL"), None),
        ),
        (
            Answer::new(301, "").with("Location", "/other-path"),
            transient(format!("{at} answered 301: moved to {at}: change the URL"), None),
        ),
        (Answer::new(303, "see /secret-path"), transient(format!("{at} answered 303: see <secret>"), None)),
        (Answer::new(401, ""), transient(format!("{at} answered 401"), None)),
        (Answer::new(304, ""), Outcome::Permanent { error: format!("{at} answered 304") }),
    ] {
        sink.next([answer.clone()]);
        assert_eq!(bench.attempt(attempt("webhook", 0, memory_high())).await, expected, "{answer:?}");
    }
    assert_eq!(sink.connections(), 1, "connections are kept");
}

#[tokio::test]
async fn configured_headers_and_credentials_are_sent() {
    let sink = HttpSink::accepting();
    let secret = SecretSource::inline;
    let basic = Auth::Basic { username: secret("joe"), password: secret("pw") };
    let bearer = Auth::Authorization { scheme: "Bearer".to_owned(), credentials: secret("tok-123456") };
    let options = |auth| {
        let http_headers = BTreeMap::from([("X-Team".to_owned(), vec![secret("ops-team")])]);
        let http = HttpOptions { auth, http_headers, ..HttpOptions::default() };
        Integration::Webhook(Box::new(WebhookOptions { http, ..webhook(&sink.url("/")) }))
    };
    let mut bench = Bench::new(vec![options(basic), options(bearer)]);
    sink.next([Answer::new(400, "joe, not tok-123456, nor ops-team")]);
    let refused = bench.attempt(attempt("webhook", 1, memory_high())).await;
    assert!(error_of(&refused).ends_with("answered 400: joe, not <secret>, nor <secret>"), "{refused:?}");
    for (number, authorization) in [(0, "Basic am9lOnB3"), (1, "Bearer tok-123456")] {
        assert_eq!(bench.attempt(attempt("webhook", number, memory_high())).await, delivered());
        let request = sink.requests().pop().expect("a request");
        assert_eq!(request.header("authorization"), Some(authorization));
        assert_eq!(request.header("x-team"), Some("ops-team"));
    }
}

#[tokio::test]
async fn addresses_come_from_files_and_templates() {
    let sink = HttpSink::accepting();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("url");
    let from =
        |source| Integration::Webhook(Box::new(WebhookOptions { url: UrlSource(source), ..webhook("") }));
    let mut bench = Bench::new(vec![
        from(SecretSource::File(file.clone())),
        hook(&sink.url("/{{ .CommonLabels.severity }}")),
        hook(&sink.url("/{{ .Nothing }}")),
    ]);
    // A file that isn't there may come; a rotated one is used at once.
    let missing = bench.attempt(attempt("webhook", 0, memory_high())).await;
    assert!(matches!(&missing, Outcome::Transient { .. }) && error_of(&missing).starts_with("can't read "));
    for path in ["/one", "/two"] {
        fs::write(&file, format!("{}\n", sink.url(path))).expect("written");
        assert_eq!(bench.attempt(attempt("webhook", 0, memory_high())).await, delivered());
        assert_eq!(sink.requests().pop().map(|r| r.path).as_deref(), Some(path));
    }
    assert_eq!(bench.attempt(attempt("webhook", 1, memory_high())).await, delivered());
    assert_eq!(sink.wait_for(3, SOON)[2].path, "/critical");
    let broken = bench.attempt(attempt("webhook", 2, memory_high())).await;
    assert_eq!(broken, Outcome::Permanent { error: "the template of the URL failed".to_owned() });
}

#[tokio::test]
async fn a_receiver_that_moved_is_not_taken_for_one_that_listens() {
    let (old, new) = (HttpSink::accepting(), HttpSink::accepting());
    let mut bench = Bench::new(vec![hook(&old.url("/"))]);
    for (status, arrives) in [(301, false), (302, false), (303, false), (307, true), (308, true)] {
        old.next([Answer::new(status, "").with("Location", &new.url("/hook"))]);
        let before = new.requests().len();
        let outcome = bench.attempt(attempt("webhook", 0, memory_high())).await;
        let came = new.requests().split_off(before);
        if arrives {
            assert_eq!(outcome, delivered(), "{status}");
            assert_eq!((came.len(), &*came[0].method, came[0].json().is_object()), (1, "POST", true));
        } else {
            assert!(matches!(outcome, Outcome::Transient { .. }) && came.is_empty(), "{status}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn an_echo_of_the_request_shows_no_credentials() {
    let sink = HttpSink::start(|request| {
        let headers: Vec<String> = request.headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        Answer::new(500, &format!("{}\n{}", request.path, headers.join("\n")))
    });
    let secret = SecretSource::inline;
    let auth = Auth::Basic { username: secret("joe"), password: secret("hunter22") };
    let http_headers = BTreeMap::from([("X-Key".to_owned(), vec![secret("key-123456")])]);
    let http = HttpOptions { auth, http_headers, ..HttpOptions::default() };
    let url = sink.url("/hook-123456");
    let mut bench =
        Bench::new(vec![Integration::Webhook(Box::new(WebhookOptions { http, ..webhook(&url) }))]);
    let outcome = bench.attempt(attempt("webhook", 0, memory_high())).await;
    let error = error_of(&outcome);
    assert!(error.contains("<secret>"), "{error}");
    for part in ["am9l", "hunter22", "key-123456", "hook-123456"] {
        assert!(!error.contains(part), "{error}");
    }
}
