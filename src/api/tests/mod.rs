mod access;
mod alerts;
mod events;
mod exposed;
mod issues;
mod shapes;
mod signals;
mod silences;
mod standing;
mod webhooks;
mod world;

use std::{
    io::{Read as _, Write},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, header};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use url::Url;

use super::{Error, Notice, NoticeKind, Options, StatusView, body, params::Params, server};
use crate::{
    net::{BodyMax, Client, HttpOptions, Request},
    telemetry::{self as logs, Format, Level, Logs},
};
use world::{World, parse};

#[tokio::test]
async fn who_may_ask_what() {
    let external = Some(Url::parse("https://watch.example/").expect("a URL"));
    let world = World::with(Options::new("127.0.0.1:0", external)).await;
    for (target, headers, status) in [
        ("/", "", 200),
        ("/", "Host: watch.example\r\n", 200),
        ("/", "Host: evil.example\r\n", 403),
        ("/", "Host: localhost\r\nHost: localhost\r\n", 403),
        ("http://evil.example/", "", 403),
        ("/api/v1/rules", "Origin: https://evil.example\r\n", 403),
        ("/api/v1/rules", "Origin: http://localhost\r\n", 200),
        ("/api/v1/rules", "Origin: null\r\n", 403),
        ("/nowhere", "Host: evil.example\r\n", 403),
        ("/metrics", "Host: evil.example\r\nOrigin: https://evil.example\r\n", 200),
        ("/-/healthy", "Host: evil.example\r\n", 200),
        ("/-/ready", "Host: evil.example\r\n", 200),
    ] {
        let answer = world.ask("GET", target, headers, "").await;
        assert_eq!(answer.status, status, "{target} {headers}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    let refused = world.ask("GET", "/", "Host: evil.example\r\n", "").await;
    assert_eq!(refused.header("content-type"), "application/problem+json");
    let problem = refused.json();
    assert_eq!((&problem["status"], &problem["title"]), (&403.into(), &"Forbidden".into()));
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("web.external_url")), "{problem}");
    let text = world.get("/metrics").await;
    assert!(text.text().contains("botwatch_api_refused_total{reason=\"host\"} 5\n"), "{}", text.text());
    assert_eq!(world.ask("POST", "/-/reload", "Origin: https://evil.example\r\n", "").await.status, 403);
    assert_eq!(world.ports.reloads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn errors_have_the_shape_of_their_path() {
    let world = World::new().await;
    for (method, target, status, expected) in [
        (
            "GET",
            "/nowhere",
            404,
            r#"{"type":"about:blank","title":"Not Found","status":404,"detail":"path /nowhere was not found"}"#,
        ),
        (
            "GET",
            "/api/v1/nowhere",
            404,
            r#"{"status":"error","errorType":"not_found","error":"path /api/v1/nowhere was not found"}"#,
        ),
        ("GET", "/api/v2/nowhere", 404, r#"{"code":404,"message":"path /api/v2/nowhere was not found"}"#),
        (
            "PUT",
            "/api/v2/alerts",
            405,
            r#"{"code":405,"message":"method PUT is not allowed here; the header Allow says what is"}"#,
        ),
    ] {
        let answer = world.ask(method, target, "", "").await;
        assert_eq!((answer.status, answer.text()), (status, expected));
    }
    for (method, target, allow) in [
        ("GET", "/-/reload", "POST,PUT"),
        ("DELETE", "/api/v2/alerts", "GET,HEAD,POST"),
        ("POST", "/api/v2/silence/x", "GET,HEAD,DELETE"),
        ("POST", "/metrics", "GET,HEAD"),
        ("POST", "/", "GET,HEAD"),
    ] {
        let answer = world.ask(method, target, "", "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow), "{method} {target}");
    }
}

#[tokio::test]
async fn health_and_reload() {
    let world = World::new().await;
    assert_eq!(world.get("/-/healthy").await.status, 200);
    assert_eq!(world.ask("HEAD", "/-/healthy", "", "").await.status, 200);
    assert_eq!(world.get("/-/ready").await.status, 200);
    world.ports.status.lock().not_ready = Some("the journal is read".to_owned());
    let waiting = world.get("/-/ready").await;
    assert_eq!((waiting.status, waiting.text()), (503, "botwatch is not ready: the journal is read\n"));
    assert_eq!(world.get("/-/healthy").await.status, 200);

    for method in ["POST", "PUT"] {
        let answer = world.ask(method, "/-/reload", "", "").await;
        assert_eq!((answer.status, answer.text()), (200, ""));
    }
    *world.ports.broken.lock() = Some("error[x]: rules/a.yml:1:2".to_owned());
    let answer = world.ask("POST", "/-/reload", "", "").await;
    assert_eq!((answer.status, answer.text()), (500, "error[x]: rules/a.yml:1:2"));
    assert!(answer.header("content-type").starts_with("text/plain"));
    assert_eq!(world.ports.reloads.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_page_says_how_things_stand() {
    let world = World::new().await;
    let text = "safety off: set BOT_MODE=paper".to_owned();
    *world.ports.status.lock() =
        StatusView { notices: vec![Notice { kind: NoticeKind::Off, text }], ..StatusView::default() };
    let quiet = world.get("/").await;
    assert!(quiet.text().contains("No alert fires, but no rules are loaded."), "{}", quiet.text());
    assert!(quiet.text().contains("safety off: set BOT_MODE=paper"));
    assert!(quiet.header("content-security-policy").starts_with("default-src 'none';"));
    assert!(quiet.header("content-type").starts_with("text/html"));

    let alert = r#"[{"labels":{"alertname":"<b>","severity":"critical"},"annotations":{"summary":"a & b"}}]"#;
    assert_eq!(world.post(alert).await.status, 200);
    let firing = world.get("/").await;
    assert!(firing.text().contains("1 alert firing: &lt;b&gt;."), "{}", firing.text());
    assert!(firing.text().contains("a &amp; b") && !firing.text().contains("<b><b>"));
}

#[tokio::test]
async fn answers_are_packed_for_those_who_ask() {
    let world = World::new().await;
    let plain = world.get("/metrics").await;
    let packed = world.ask("GET", "/metrics", "Accept-Encoding: gzip\r\n", "").await;
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("", "gzip"));
    assert!(packed.body.len() < plain.body.len() / 2);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*packed.body).read_to_string(&mut text).expect("gzip");
    assert!(text.contains("process_start_time_seconds"), "{text}");
    // Too short to be worth it.
    let short = world.ask("GET", "/-/healthy", "Accept-Encoding: gzip\r\n", "").await;
    assert_eq!(short.header("content-encoding"), "");

    let url = format!("http://localhost:{}/metrics", world.address.port());
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/openmetrics-text;version=1.0.0"));
    let request = Request {
        method: Method::GET,
        url,
        headers,
        body: bytes::Bytes::new(),
        timeout: Duration::from_secs(10),
        body_max: BodyMax::Refuse(1 << 20),
        unix_socket: None,
    };
    let client = Client::new(&HttpOptions::default(), &crate::runtime::Clock::system()).expect("a client");
    let answer = client.send(request).await.expect("answered");
    let media = answer.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    assert!(media.starts_with("application/openmetrics-text; version=1.0.0"), "{media}");
    assert!(answer.body.ends_with(b"# EOF\n"));
}

#[test]
fn gzip_is_negotiated() {
    for (accept, expected) in [
        ("", false),
        ("gzip", true),
        ("deflate, GZIP;q=0.5", true),
        ("gzip;q=0", false),
        ("*", true),
        ("*;q=0", false),
        ("gzip;q=0, *", false),
        ("identity", false),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(accept));
        assert_eq!(body::takes_gzip(&headers), expected, "{accept:?}");
    }
}

#[tokio::test]
async fn slow_clients_are_cut() {
    let short = Duration::from_millis(100);
    let options = Options { head_timeout: short, body_timeout: short, ..Options::new("127.0.0.1:0", None) };
    let world = World::with(options).await;
    // Half a head: the connection is closed, with or without a word.
    let answer = world.raw(b"GET / HTTP/1.1\r\nHost: local").await;
    assert!(answer.is_empty() || parse(&answer).status == 408, "{answer:?}");
    // Half a body.
    let answer = world
        .raw(
            b"POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
              Content-Length: 10\r\n\r\n[{",
        )
        .await;
    assert_eq!(parse(&answer).status, 408);
    // A connection without requests.
    assert!(world.raw(b"").await.is_empty());
    assert_eq!(world.get("/-/healthy").await.status, 200);
}

#[tokio::test]
async fn who_takes_nothing_of_his_answer_is_cut() {
    let options = Options { stall_timeout: Duration::from_millis(100), ..Options::new("127.0.0.1:0", None) };
    let world = World::with(options).await;
    // More than both sides' buffers hold.
    world.ports.status.lock().not_ready = Some("x".repeat(32 << 20));
    let mut greedy = TcpStream::connect(world.address).await.expect("connected");
    greedy.write_all(b"GET /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let deadline = std::iter::repeat_n((), 200);
    let mut open = String::new();
    for () in deadline {
        let metrics = world.get("/metrics").await;
        let line =
            metrics.text().lines().find(|l| l.starts_with("botwatch_api_connections ")).map(str::to_owned);
        open = line.expect("there");
        if open.ends_with(" 1") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(open, "botwatch_api_connections 1", "only that of the request itself");
    let mut taken = Vec::new();
    // Cut off by a reset or an early end.
    let _ = greedy.read_to_end(&mut taken).await;
    assert!(taken.len() < 32 << 20);
}

#[tokio::test]
async fn bodies_and_heads_are_limited() {
    let world = World::with(Options { body_max: 1000, ..Options::new("127.0.0.1:0", None) }).await;
    let big = format!("[{}]", " ".repeat(2000));
    let answer = world.post(&big).await;
    assert_eq!(answer.status, 413);
    assert!(answer.json()["message"].as_str().is_some_and(|m| m.contains("1000 bytes")));
    // Without a length in front.
    let chunk = format!("7d0\r\n{}\r\n0\r\n\r\n", " ".repeat(2000));
    let headers = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    let request = format!(
        "POST /api/v2/alerts HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n{chunk}"
    );
    assert_eq!(parse(&world.raw(request.as_bytes()).await).status, 413);
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(1 << 20));
    let answer = world.raw(long.as_bytes()).await;
    // The answer may be lost to the reset that what is left unread leads to.
    assert!(answer.is_empty() || parse(&answer).status == 431);
    assert_eq!(parse(&world.raw(b"what?\r\n\r\n").await).status, 400);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let world = World::with(Options { connections_max: 1, ..Options::new("127.0.0.1:0", None) }).await;
    let first = TcpStream::connect(world.address).await.expect("connected");
    let second = async {
        let answer = world.get("/-/healthy").await;
        assert_eq!(answer.status, 200);
    };
    tokio::pin!(second);
    tokio::select! {
        () = &mut second => panic!("answered although the only place is taken"),
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
    drop(first);
    second.await;
}

#[tokio::test]
async fn a_stop_ends_idle_connections_and_the_listener() {
    let world = World::new().await;
    let mut idle = TcpStream::connect(world.address).await.expect("connected");
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.expect("an answer");
    assert_eq!(&first, b"HTTP/1.1 200");
    assert!(world.tasks.stop(Duration::from_secs(10)).await, "everything ended by itself");
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.expect("closed in order");
    assert!(TcpStream::connect(world.address).await.is_err());
}

#[tokio::test]
async fn an_address_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let error = server::listen(&address).await.expect_err("in use");
    let error = Error::Listen { address: address.as_str().into(), source: error };
    assert_eq!(error.to_string(), format!("can't listen on `{address}`"));
    let everywhere = server::listen(":0").await.expect("a port");
    assert!(everywhere.local_addr().expect("an address").ip().is_unspecified());
}

#[test]
fn parameters_are_decoded_and_bounded() {
    let params = Params::parse(Some("a=1&a=2%20x&b=&t=true&n=0"));
    assert_eq!(params.all("a").expect("few"), ["1", "2 x"]);
    assert_eq!((params.first("a"), params.first("b"), params.first("c")), (Some("1"), None, None));
    assert!(params.flag("t").expect("a boolean") && !params.flag("b").expect("a boolean"));
    assert!(params.flag("a").is_ok() && params.count("n").is_err());
    let many = "m=x&".repeat(101);
    assert!(Params::parse(Some(&many)).all("m").is_err());
}

#[tokio::test]
async fn what_comes_through_a_proxy_is_refused() {
    let world = World::new().await;
    let answer = world.ask("GET", "/", "X-Forwarded-For: 203.0.113.7\r\n", "").await;
    assert_eq!(answer.status, 401);
    assert!(
        answer.json()["detail"].as_str().is_some_and(|d| d.contains("token create")),
        "{}",
        answer.text()
    );
    assert_eq!(world.ask("POST", "/-/reload", "Via: 1.1 proxy\r\n", "").await.status, 401);
    assert_eq!(world.ports.reloads.load(Ordering::SeqCst), 0);
    let metrics = world.ask("GET", "/metrics", "Via: 1.1 proxy\r\n", "").await;
    assert!(metrics.text().contains("botwatch_api_refused_total{reason=\"peer\"} 2\n"), "{}", metrics.text());
}

#[tokio::test]
async fn everything_is_served_below_the_prefix() {
    let options = Options { route_prefix: "/bots/watch".into(), ..Options::new("127.0.0.1:0", None) };
    let world = World::with(options).await;
    for target in ["/", "/bots/watch"] {
        let answer = world.get(target).await;
        assert_eq!((answer.status, answer.header("location")), (302, "/bots/watch/"), "{target}");
    }
    let page = world.get("/bots/watch/").await;
    assert_eq!(page.status, 200);
    for link in page.text().split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(!link.starts_with('/'), "{link}");
        assert_eq!(world.get(&format!("/bots/watch/{link}")).await.status, 200, "{link}");
    }
    for (target, status) in [
        ("/bots/watch/-/healthy", 200),
        ("/-/healthy", 404),
        ("/metrics", 404),
        ("/bots/watcher/metrics", 404),
    ] {
        assert_eq!(world.get(target).await.status, status, "{target}");
    }
    let missing = world.get("/bots/watch/api/v1/nowhere").await;
    assert_eq!(missing.json()["errorType"], "not_found");
    let metrics = world.get("/bots/watch/metrics").await;
    let counted = "prometheus_http_requests_total{code=\"200\",handler=\"/api/v1/rules\"} 1\n";
    assert!(metrics.text().contains(counted), "{}", metrics.text());
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_request_is_told_to_who_debugs_the_api() {
    for (level, debug, told) in [
        (Level::Info, "alerting:api", true),
        (Level::Info, "alerting:*", true),
        (Level::Debug, "", true),
        (Level::Info, "", false),
        (Level::Info, "alerting:notify", false),
    ] {
        let lines = Lines::default();
        let options = logs::Options { level, debug: debug.to_owned(), format: Format::Text };
        let clock = crate::runtime::Clock::manual(world::NOW);
        let (_logs, subscriber) = Logs::to(Box::new(lines.clone()), false, &options, clock);
        // The runtime of this test has one thread, so the server is on it, too.
        let _guard = tracing::subscriber::set_default(subscriber);
        let world = World::new().await;
        world.get("/api/v1/rules?token=geheim").await;
        let text = String::from_utf8(lines.0.lock().clone()).expect("text");
        let line = "DEBUG api::server: answered method=GET path=/api/v1/rules status=200 milliseconds=";
        assert_eq!(text.contains(line), told, "{level} {debug}: {text}");
        assert!(!text.contains("geheim"));
    }
}
