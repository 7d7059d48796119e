//! The outbound client against servers on the loopback.

use std::{collections::BTreeMap, time::Duration};

use botwatch::{
    net::{Auth, BodyMax, Client, Grant, HttpOptions, OAuth2, Request, Response, SecretSource},
    runtime::Clock,
};
use botwatch_core::model::Timestamp;
use http::{HeaderMap, Method};
use serde_json::json;

use crate::sinks::http::{Answer, HttpSink};

fn client(auth: Auth) -> Client {
    let http_headers = BTreeMap::from([("X-Key".to_owned(), vec![SecretSource::inline("key-123456")])]);
    let options = HttpOptions { auth, http_headers, ..HttpOptions::default() };
    Client::new(&options, &Clock::manual(Timestamp(0))).expect("options that work")
}

fn basic() -> Auth {
    Auth::Basic { username: SecretSource::inline("joe"), password: SecretSource::inline("hunter22") }
}

async fn send(client: &Client, method: Method, url: &str, body_max: usize) -> Response {
    let request = Request {
        method,
        url: url.to_owned(),
        headers: HeaderMap::new(),
        body: "body".into(),
        timeout: Duration::from_secs(20),
        body_max: BodyMax::Cut(body_max),
        unix_socket: None,
    };
    client.send(request).await.expect("an answer")
}

fn moved(status: u16, to: &str) -> Answer {
    Answer::new(status, "").with("Location", to)
}

#[tokio::test]
async fn reads_follow_redirects_and_posts_only_as_posts() {
    let (old, new) = (HttpSink::accepting(), HttpSink::accepting());
    let client = client(Auth::None);
    for (method, status, follows) in [
        (Method::GET, 301, true),
        (Method::GET, 303, true),
        (Method::GET, 308, true),
        (Method::POST, 301, false),
        (Method::POST, 302, false),
        (Method::POST, 303, false),
        (Method::POST, 307, true),
        (Method::POST, 308, true),
    ] {
        old.next([moved(status, &new.url("/secret-path"))]);
        let before = new.requests().len();
        let response = send(&client, method.clone(), &old.url("/"), 100).await;
        let case = format!("{method} {status}");
        assert_eq!(response.status, if follows { 200 } else { status }, "{case}");
        assert_eq!(response.moved_to(), (!follows).then(|| new.url("")), "{case}");
        let came = new.requests().split_off(before);
        assert_eq!(came.len(), usize::from(follows), "{case}");
        assert!(came.iter().all(|r| r.method == method.as_str() && r.text() == "body"), "{case}");
    }
}

#[tokio::test]
async fn redirects_keep_credentials_on_their_host_alone() {
    let (old, new) = (HttpSink::accepting(), HttpSink::accepting());
    let elsewhere = new.url("/b").replace("127.0.0.1", "localhost");
    for (auth, at) in [(basic(), old.url("/a")), (Auth::None, old.url("/a").replace("//", "//joe:hunter22@"))]
    {
        let client = client(auth);
        for (to, kept) in [(new.url("/b"), true), (elsewhere.clone(), false)] {
            old.next([moved(307, &to)]);
            send(&client, Method::POST, &at, 100).await;
            let request = new.requests().pop().expect("a request");
            assert_eq!(request.header("authorization"), kept.then_some("Basic am9lOmh1bnRlcjIy"), "{to}");
            assert_eq!(request.header("x-key"), kept.then_some("key-123456"), "{to}");
        }
        // Who sent us away can't send us back with them.
        old.next([moved(302, &elsewhere)]);
        new.next([moved(302, &old.url("/c"))]);
        send(&client, Method::GET, &at, 100).await;
        let request = old.requests().pop().expect("a request");
        assert_eq!((&*request.path, request.header("authorization")), ("/c", None));
    }
}

#[tokio::test]
async fn excerpts_repeat_nothing_that_was_sent() {
    let echo = HttpSink::start(|request| {
        let headers: Vec<String> = request.headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        Answer::new(400, &headers.join("\n"))
    });
    let bearer =
        Auth::Authorization { scheme: "Bearer".to_owned(), credentials: SecretSource::inline("tok-123456") };
    for auth in [basic(), bearer] {
        let client = client(auth);
        for body_max in 1..300 {
            let response = send(&client, Method::GET, &echo.url("/"), body_max).await;
            let excerpt = response.success().expect_err("refused").to_string();
            for part in ["am9l", "hunt", "tok-", "key-"] {
                assert!(!excerpt.contains(part), "{body_max}: {excerpt}");
            }
        }
        let response = send(&client, Method::GET, &echo.url("/"), 10_000).await;
        assert!(response.excerpt().contains("x-key: <secret>"), "{}", response.excerpt());
        assert!(response.excerpt().contains("authorization: <secret>"), "{}", response.excerpt());
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let mut given = 0;
    let tokens = HttpSink::start(move |_| {
        given += 1;
        Answer::json(&json!({"access_token": format!("token-number-{given}"), "expires_in": 3600}))
    });
    let api = HttpSink::start(|request| match request.header("authorization") {
        Some("Bearer token-number-2") => Answer::new(200, "in"),
        other => Answer::new(401, &format!("no {other:?}")),
    });
    let client = client(Auth::OAuth2(Box::new(OAuth2 {
        client_id: "id".to_owned(),
        client_secret: Some(SecretSource::inline("client-secret")),
        token_url: tokens.url("/token"),
        scopes: Vec::new(),
        endpoint_params: BTreeMap::new(),
        grant: Grant::ClientCredentials,
        tls: botwatch::net::TlsOptions::default(),
        proxy: botwatch::net::ProxyOptions::default(),
    })));
    let response = send(&client, Method::POST, &api.url("/"), 100).await;
    assert_eq!((response.status, tokens.requests().len()), (200, 2));
    assert!(api.requests().iter().all(|r| r.text() == "body"));
    // Refused all the same: an answer, without the tokens.
    api.next([Answer::new(401, "no token-number-2"), Answer::new(401, "no token-number-3, nor 2")]);
    let response = send(&client, Method::POST, &api.url("/"), 100).await;
    assert_eq!((response.status, response.excerpt().as_str()), (401, "no <secret>, nor 2"));
    assert_eq!((api.requests().len(), tokens.requests().len()), (4, 3));
    // What the endpoint says repeats no secret either.
    tokens.next([
        Answer::new(400, ""),
        Answer::new(400, r#"{"error":"invalid_client","error_description":"not client-secret"}"#),
    ]);
    let error = client
        .send(Request {
            method: Method::GET,
            url: api.url("/"),
            headers: HeaderMap::new(),
            body: "".into(),
            timeout: Duration::from_secs(20),
            body_max: BodyMax::Cut(100),
            unix_socket: None,
        })
        .await
        .expect_err("no token");
    assert!(error.to_string().ends_with("invalid_client not <secret>"), "{error}");
}
