//! `docs/` says what the running product does.

use std::time::Duration;

use botwatch::{
    app::{self, Settings},
    config::{Env, Flags},
    runtime::Clock,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const PAGE: &str = include_str!("../../docs/metrics.md");
/// Longest wait for an answer.
const SOON: Duration = Duration::from_secs(20);

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    tokio::time::timeout(SOON, asked).await.expect("in time").expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_documented_and_runbooks_are_served() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = Settings {
        files: Vec::new(),
        env: Env::from_pairs([
            ("ALERT_WEBHOOK_ENDPOINTS", r#"[{"url":"http://127.0.0.1:9/alerts"}]"#.to_owned()),
            ("BOT_PID", std::process::id().to_string()),
        ]),
        flags: Flags {
            listen_address: Some("127.0.0.1:0".to_owned()),
            storage_path: Some(dir.path().display().to_string()),
            ..Flags::default()
        },
    };
    let running = app::start(settings, Clock::system(), None).await.expect("it starts");
    let metrics = get(running.address, "/metrics").await;
    let names = metrics.lines().filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next());
    // Signals of the bot are described as a whole.
    let own: Vec<&str> = names.filter(|n| !n.starts_with("bot_") && *n != "ALERTS").collect();
    let missing: Vec<&&str> = own.iter().filter(|n| !PAGE.contains(&format!("| `{n}` |"))).collect();
    assert!(own.len() > 50, "{metrics}");
    assert!(missing.is_empty(), "docs/metrics.md lacks {missing:?}");

    for (path, status, text) in [
        ("/", "200", "href=\"docs\""),
        ("/docs", "200", "href=\"./docs/runbooks/SourceBlind\""),
        ("/docs/runbooks/SourceBlind", "200", "<h1 id=\"sourceblind\">SourceBlind</h1>"),
        ("/docs/runbooks/sourceblind", "404", "href=\"../../docs/runbooks/SourceBlind\""),
    ] {
        let answer = get(running.address, path).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(text),
            "{path}: {answer}"
        );
        assert!(answer.contains("content-security-policy: default-src 'none'"), "{path}: {answer}");
    }
    let metrics = get(running.address, "/metrics").await;
    assert!(
        metrics.contains("prometheus_http_requests_total{code=\"404\",handler=\"/docs\"} 1\n"),
        "{metrics}"
    );
    assert!(running.stop().await, "everything ended by itself");
}
