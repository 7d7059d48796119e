//! The sinks are held to their contracts themselves, with a client of their own.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    http::{Answer, HttpSink},
    slack::{SlackSink, TOKEN, id},
};

const SOON: Duration = Duration::from_secs(10);

/// Posts and gives the whole answer.
fn exchange(address: SocketAddr, path: &str, headers: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("a listener");
    let head = format!("POST {path} HTTP/1.1\r\nHost: sink\r\nConnection: close\r\n{headers}");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    connection.write_all(request.as_bytes()).expect("sent");
    connection.set_read_timeout(Some(SOON)).expect("a timeout");
    let mut answer = vec![0; 64 * 1024];
    // One read is one answer here: it is written at once.
    let length = connection.read(&mut answer).unwrap_or(0);
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

fn status_and_body(answer: &str) -> (u16, String) {
    let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    (status, answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
}

#[test]
fn an_http_sink_records_and_answers_by_script() {
    let mut count = 0;
    let sink = HttpSink::start(move |request| {
        count += 1;
        Answer::new(200, &format!("{count}:{}", request.text()))
    });
    sink.next([Answer::new(503, "later").with("Retry-After", "7"), Answer::Close]);
    let busy = exchange(sink.address(), "/a?x=1", "X-Own: 5\r\n", "one");
    assert!(
        busy.starts_with("HTTP/1.1 503 ") && busy.contains("Retry-After: 7\r\n") && busy.ends_with("later")
    );
    assert_eq!(exchange(sink.address(), "/b", "", "two"), "");
    let chunked = "Transfer-Encoding: chunked\r\n";
    let text = exchange(sink.address(), "/c", chunked, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_eq!(status_and_body(&text), (200, "1:abcde".to_owned()));

    let requests = sink.wait_for(3, SOON);
    let seen: Vec<(&str, String)> = requests.iter().map(|r| (r.path.as_str(), r.text())).collect();
    assert_eq!(seen, [("/a?x=1", "one".into()), ("/b", "two".into()), ("/c", "abcde".into())]);
    assert_eq!(requests[0].header("x-own"), Some("5"));

    // A dropped sink refuses connections, ends those that hang, and another one can take its place.
    let address = sink.address();
    sink.next([Answer::Hang]);
    let hanging = std::thread::scope(|scope| {
        let hanging = scope.spawn(|| exchange(address, "/d", "", ""));
        sink.wait_for(4, SOON);
        drop(sink);
        hanging.join().expect("no panic")
    });
    assert_eq!(hanging, "");
    assert!(TcpStream::connect(address).is_err());
    let again = HttpSink::start_at(address, |_| Answer::new(204, ""));
    assert_eq!(status_and_body(&exchange(address, "/", "", "")).0, 204);
    assert_eq!(again.url("/x"), format!("http://{address}/x"));
}

#[test]
fn a_webhook_takes_and_refuses_what_slack_does() {
    let slack = SlackSink::start();
    let (good, archived) = (slack.webhook("#alerts"), slack.webhook("#archived"));
    let many = |n: usize| json!({"attachments": vec![json!({"text": "x"}); n]}).to_string();
    for (url, body, expected) in [
        (&good, json!({"text": "hello"}).to_string(), (200, "ok")),
        (&good, many(100), (200, "ok")),
        (&good, many(101), (400, "too_many_attachments")),
        (&good, "{".to_owned(), (400, "invalid_payload")),
        (&good, "[]".to_owned(), (400, "invalid_payload")),
        (&good, json!({"channel": "#alerts"}).to_string(), (400, "no_text")),
        (&good, json!({"attachments": [{"color": "good"}]}).to_string(), (400, "no_text")),
        (
            &good,
            json!({"text": "hello", "thread_ts": "1764100000.000001"}).to_string(),
            (400, "invalid_payload"),
        ),
        (&good, json!({"text": "hello", "ts": "1764100000.000001"}).to_string(), (400, "invalid_payload")),
        (&good, json!({"text": "x".repeat(40_001)}).to_string(), (400, "msg_too_long")),
        (&archived, json!({"text": "hello"}).to_string(), (410, "channel_is_archived")),
        (&good.replace("/B", "/Z"), json!({"text": "hello"}).to_string(), (404, "no_service")),
    ] {
        let (address, path) = split(url);
        let (status, text) = status_and_body(&exchange(address, &path, "", &body));
        assert_eq!((status, text.as_str()), expected, "{body:.80}");
    }
    // It is bound to its channel.
    let (address, path) = split(&good);
    exchange(address, &path, "", &json!({"text": "where?", "channel": "#critical-alerts"}).to_string());
    let last = slack.messages().pop().expect("a message");
    assert_eq!((last.channel.as_str(), &last.body["text"]), ("#alerts", &json!("where?")));
}

#[test]
fn a_bot_is_answered_as_by_slack() {
    let slack = SlackSink::start();
    let (address, post) = split(&slack.post_message());
    let auth = format!("Authorization: Bearer {TOKEN}\r\nContent-Type: application/json; charset=utf-8\r\n");
    let ask = |path: &str, headers: &str, body: &Value| -> Value {
        let (status, text) = status_and_body(&exchange(address, path, headers, &body.to_string()));
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).expect("JSON")
    };
    let hello = json!({"channel": "#alerts", "text": "hello"});
    let posted = ask(&post, &auth, &hello);
    assert_eq!((&posted["ok"], &posted["channel"]), (&json!(true), &json!(id("#alerts"))));
    let update = |channel: &str, ts: &Value| json!({"channel": channel, "ts": ts, "text": "changed"});
    for (path, headers, body, error) in [
        (&*post, "", hello.clone(), "not_authed"),
        (&post, "Authorization: Bearer xoxb-other\r\n", hello.clone(), "invalid_auth"),
        (&post, &auth.replace("json", "xml"), hello.clone(), "invalid_form_data"),
        (&post, &auth, json!([]), "invalid_json"),
        (&post, &auth, json!({"channel": "#nowhere", "text": "hello"}), "channel_not_found"),
        (&post, &auth, json!({"text": "hello"}), "channel_not_found"),
        (&post, &auth, json!({"channel": "#archived", "text": "hello"}), "is_archived"),
        (&post, &auth, json!({"channel": "#private", "text": "hello"}), "not_in_channel"),
        (&post, &auth, json!({"channel": "#alerts"}), "no_text"),
        (&post, &auth, json!({"channel": "#alerts", "text": 5}), "invalid_arguments"),
        ("/api/chat.update", &auth, update("#alerts", &posted["ts"]), "channel_not_found"),
        ("/api/chat.update", &auth, update(&id("#alerts"), &json!("1.2")), "message_not_found"),
        ("/api/chat.nothing", &auth, hello.clone(), "unknown_method"),
    ] {
        assert_eq!(ask(path, headers, &body), json!({"ok": false, "error": error}), "{body}");
    }
    let updated = ask("/api/chat.update", &auth, &update(&id("#alerts"), &posted["ts"]));
    assert_eq!((&updated["ok"], &updated["ts"]), (&json!(true), &posted["ts"]));
    let messages = slack.messages();
    assert_eq!((messages.len(), messages[0].edits, &messages[0].body["text"]), (1, 1, &json!("changed")));
    slack.delete_messages();
    let gone = ask("/api/chat.update", &auth, &update(&id("#alerts"), &posted["ts"]));
    assert_eq!(gone["error"], "message_not_found");
    slack.next([Answer::new(429, "").with("Retry-After", "30")]);
    assert_eq!(status_and_body(&exchange(address, &post, &auth, "{}")).0, 429);
    assert_eq!(slack.wait_for(1, SOON).len(), slack.requests().len());
}

fn split(url: &str) -> (SocketAddr, String) {
    let rest = url.strip_prefix("http://").expect("a URL");
    let (address, path) = rest.split_once('/').expect("a path");
    (address.parse().expect("an address"), format!("/{path}"))
}
