//! Bots that are reached over HTTPS with a password, and over a Unix socket; a process of another user.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::MetadataExt as _, net::UnixListener},
    sync::Arc,
    thread,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::{
    process::{not_compared, until, until_true},
    world::World,
};
use crate::sinks::{
    http::{Answer, HttpSink},
    smtp::certificate,
};

/// `watcher:s3cret`
const CREDENTIALS: &str = "Basic d2F0Y2hlcjpzM2NyZXQ=";
const PASSWORD: &str = "s3cret";

/// Answers one request with metrics, or with 401 where credentials are wanted and others came.
fn serve(mut stream: impl Read + Write, credentials: Option<&str>) -> io::Result<()> {
    let mut given = None;
    for line in BufReader::new(&mut stream).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ")
            && name.eq_ignore_ascii_case("authorization")
        {
            given = Some(value.to_owned());
        }
    }
    let (status, body) =
        if credentials.is_none() || given.as_deref() == credentials { (200, "value 1\n") } else { (401, "") };
    let head = "Content-Type: text/plain; version=0.0.4\r\nConnection: close";
    write!(stream, "HTTP/1.1 {status} X\r\n{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
    stream.flush()
}

/// Serves in the background as long as the test runs.
fn background(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().name("target".to_owned()).spawn(work).expect("a thread");
}

fn https(config: Arc<ServerConfig>) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    background(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a configuration");
            let mut stream = StreamOwned::new(connection, stream);
            // What breaks is the client's to notice.
            let _ = serve(&mut stream, Some(CREDENTIALS));
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    port
}

#[test]
fn a_bot_behind_https_with_a_password_and_one_behind_a_unix_socket() {
    let (acceptor, ca) = certificate();
    let port = https(Arc::clone(acceptor.config()));
    let mut world = World::with(&format!(
        "
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: secure
    scheme: https
    basic_auth: {{username: watcher, password_file: password}}
    tls_config: {{ca_file: ca.pem}}
    static_configs: [{{targets: [\"localhost:{port}\"]}}]
  - job_name: local
    static_configs: [{{targets: [\"unix:SOCKET\"]}}]
route: {{receiver: nobody}}
receivers: [{{name: nobody}}]
"
    ));
    let socket = world.path("bot.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    background(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _ = serve(stream, None);
        }
    });
    let config = fs::read_to_string(world.path("botwatch.yml")).expect("the configuration");
    world.write("botwatch.yml", &config.replace("SOCKET", &socket.to_string_lossy()));
    world.write("ca.pem", &ca);
    world.write("password", PASSWORD);
    world.start();
    let target = |job: &str| -> Value {
        let answer = world.json("/api/v1/targets");
        let all = answer["data"]["activeTargets"].as_array().expect("a list");
        all.iter().find(|t| t["labels"]["job"] == job).cloned().unwrap_or_default()
    };
    for job in ["secure", "local"] {
        until_true(&format!("{job} is up"), || target(job)["health"] == "up");
    }
    // The file is read at each scrape.
    world.write("password", "wr0ng");
    let error = until("the wrong password is noticed", || {
        let target = target("secure");
        (target["health"] == "down").then(|| target["lastError"].as_str().map(str::to_owned))?
    });
    assert!(error.contains("401"), "{error}");
    assert_eq!(target("local")["health"], "up");
    let said = world.log().join("\n");
    assert!(!said.contains(PASSWORD) && !said.contains("wr0ng"), "{said}");
}

/// What a broken discovery file may name isn't known to be gone, also by a botwatch that never saw the file whole.
#[test]
fn an_alert_stays_while_the_file_that_names_its_target_is_broken() {
    let bot = HttpSink::start(|_| Answer::new(200, "value 1\n").with("Content-Type", "text/plain"));
    let hook = HttpSink::accepting();
    let mut world = World::with(&format!(
        "
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
scrape_configs: [{{job_name: bots, file_sd_configs: [{{files: [bots.yml]}}]}}]
rule_files: [rules.yml]
route: {{receiver: team, group_wait: 0s, group_interval: 1s}}
receivers: [{{name: team, webhook_configs: [{{url: \"{}\"}}]}}]
",
        hook.url("/alerts"),
    ));
    world.write("rules.yml", "groups: [{name: g, rules: [{alert: Value, expr: value > 0}]}]\n");
    let bots = format!("- targets: ['{}']\n", bot.address());
    world.write("bots.yml", &bots);
    world.start();
    let told = |status: &str| hook.requests().iter().filter(|r| r.json()["status"] == status).count();
    world.until_firing("Value");
    until_true("it is told", || told("firing") == 1);
    world.until_on_disk();
    world.kill();
    world.write("bots.yml", &bots.replace("targets", "target"));
    world.start();
    // It is evaluated again, and again, without its target.
    let evaluations = || world.json("/api/v1/rules")["data"]["groups"][0]["lastEvaluation"].clone();
    for _ in 0..3 {
        let last = evaluations();
        until_true("it is evaluated", || evaluations() != last);
    }
    assert_eq!((world.alerts().len(), told("resolved")), (1, 0));
    world.write("bots.yml", "[]\n");
    until_true("the end is told once nothing names the target", || told("resolved") == 1);
    assert_eq!(told("firing"), 1);
}

/// `nobody` on every Linux.
const NOBODY: u32 = 65534;

#[test]
fn what_another_user_may_not_read_is_said_once() {
    let user = |path: &str| fs::metadata(path).map_or(0, |m| m.uid());
    let root = user("/proc/self") == 0;
    if !root && user("/proc/1") == user("/proc/self") {
        not_compared("there is no process of another user to look at");
        return;
    }
    let bot = HttpSink::start(|_| Answer::new(200, "value 1\n").with("Content-Type", "text/plain"));
    let mut world = World::with(&format!(
        "
bot: {{name: paper-bot, metrics_url: \"{}\", process: {{pid: 1}}}}
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
route: {{receiver: nobody}}
receivers: [{{name: nobody}}]
",
        bot.url("/metrics")
    ));
    if root {
        world = world.run_as(NOBODY);
    }
    world.start();
    let lines =
        || -> Vec<String> { world.log().into_iter().filter(|l| l.contains("smaps_rollup")).collect() };
    until_true("it is said", || !lines().is_empty());
    let looked = bot.requests().len();
    until_true("it was looked at again and again", || bot.requests().len() >= looked + 4);
    assert!(matches!(&lines()[..], [line] if line.contains("CAP_SYS_PTRACE")), "{:#?}", world.log());
}
