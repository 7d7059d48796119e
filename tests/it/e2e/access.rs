//! Tokens and the audit log by the command line, beside the running program.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
};

use serde_json::Value;

use super::{process::try_ask, world::World};

/// What the command line says about a data directory: exit code, stdout, stderr.
fn botwatch(world: &World, arguments: &[&str]) -> (i32, String, String) {
    let data = world.path("data");
    let output = Command::new(env!("CARGO_BIN_EXE_botwatch"))
        .args(arguments)
        .arg("--storage.path")
        .arg(&data)
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// The status of a request with a token.
fn status(world: &World, token: &str, method: &str, path: &str, body: &str) -> u16 {
    let mut stream = TcpStream::connect(world.address()).expect("connected");
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status")
}

#[test]
fn tokens_are_made_and_revoked_beside_the_running_program() {
    let mut world =
        World::with("auth: {loopback: off}\nroute: {receiver: team}\nreceivers: [{name: team}]\n");
    world.start();
    let (_, refused) = try_ask(world.address(), "GET", "/api/alerting/issues", "").expect("an answer");
    assert!(refused.contains("admin.token") && refused.contains("curl"), "{refused}");
    let (code, token, said) = botwatch(&world, &["token", "create", "ci", "--role", "operator"]);
    assert_eq!((code, said.contains("shown once")), (0, true), "{said}");
    let token = token.trim();
    let issue = r#"{"type": "system_failure", "title": "x"}"#;
    assert_eq!(status(&world, token, "POST", "/api/alerting/issues", issue), 201);
    assert_eq!(status(&world, token, "PATCH", "/api/alerting/thresholds/x", r#"{"warning": 5}"#), 200);
    assert_eq!(status(&world, token, "GET", "/api/alerting/audit", ""), 403);
    let admin = std::fs::read_to_string(world.path("data/admin.token")).expect("made at the start");
    assert_eq!(status(&world, admin.trim(), "GET", "/api/alerting/audit", ""), 200);
    let (_, list, _) = botwatch(&world, &["token", "list", "--json"]);
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(
        (&list[0]["name"], &list[0]["role"], &list[0]["token"]),
        (&"ci".into(), &"operator".into(), &Value::Null)
    );
    assert_eq!(botwatch(&world, &["token", "create", "ci"]).0, 1, "the name is taken");
    assert_eq!(botwatch(&world, &["token", "revoke", "ci"]).0, 0);
    assert_eq!(status(&world, token, "GET", "/api/alerting/issues", ""), 401);
    assert_eq!(botwatch(&world, &["token", "revoke", "ci"]).0, 1);

    let (code, verdict, _) = botwatch(&world, &["audit", "verify"]);
    assert_eq!((code, verdict.starts_with("1 entries from number 1 on, unbroken")), (0, true), "{verdict}");
    let log = world.path("data/audit.log");
    let text = std::fs::read_to_string(&log).expect("a log");
    assert!(text.contains(r#""by":"ci""#) && !text.contains(token));
    std::fs::write(&log, text.replace(r#""by":"ci""#, r#""by":"me""#)).expect("written");
    let (code, _, problems) = botwatch(&world, &["audit", "verify"]);
    assert_eq!((code, problems.trim()), (1, "audit.log:1: entry 1 was changed"));
}
