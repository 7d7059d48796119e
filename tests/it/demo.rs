//! `botwatch demo` as somebody sees it who runs it for the first time.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    io::{Read as _, Seek as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use mail_parser::MessageParser;
use serde_json::Value;

/// Looks at the process until it has ended; a minute of the bot's clock is three seconds here.
const LOOKS_MAX: u32 = 1200;
const LOOK_EVERY: Duration = Duration::from_millis(100);

struct Ended(Child);

impl Ended {
    fn wait(&mut self) -> ExitStatus {
        for _ in 0..LOOKS_MAX {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            thread::sleep(LOOK_EVERY);
        }
        panic!("the demo does not end");
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Exit status and what was printed, both streams together.
fn demo(arguments: &[&str], dir: &Path) -> (ExitStatus, String) {
    let mut output = tempfile::tempfile().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_botwatch"))
        .arg("demo")
        .args(arguments)
        .arg("--dir")
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap())
        .spawn()
        .unwrap();
    let status = Ended(child).wait();
    let mut text = String::new();
    output.rewind().unwrap();
    output.read_to_string(&mut text).unwrap();
    (status, text)
}

/// Names of the inbox's files in order.
fn inbox(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir.join("inbox")).unwrap();
    let mut names: Vec<String> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn everything_arrives_as_told() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("demo");
    let (status, story) = demo(&["--once", "--speed", "20", "--listen", "127.0.0.1:0"], &dir);
    assert_eq!(status.code(), Some(0), "{story}");
    for line in [
        "the script lets the bot leak memory",
        "MemoryUsageHigh (critical) pending: fires if that lasts 30s",
        "MemoryUsageHigh (critical) fires: The heap of paper-bot uses 9",
        "page goes out: first notification (1 firing)",
        "MemoryUsageHigh (warning) is not told to anybody: inhibited, \"critical over the warning of its signal\"",
        "MemoryUsageHigh (critical) is over: its condition no longer holds",
        "resolve goes out: all alerts resolved (1 resolved)",
        "Everything arrived:",
    ] {
        assert!(story.contains(line), "`{line}` is missing in:\n{story}");
    }

    let (mut firing, mut resolved) = ([0; 3], [0; 3]);
    for name in inbox(&dir) {
        assert!(story.contains(&format!("inbox/{name}")), "{name} is not in:\n{story}");
        let content = fs::read(dir.join("inbox").join(&name)).unwrap();
        let (channel, title) = if Path::new(&name).extension().is_some_and(|e| e == "eml") {
            let mail = MessageParser::default().parse(&content).expect("a message");
            assert!(mail.body_html(0).is_some() && mail.body_text(0).is_some());
            (0, mail.subject().unwrap().to_lowercase())
        } else {
            let message: Value = serde_json::from_slice(&content).unwrap();
            match message["attachments"][0]["title"].as_str() {
                Some(title) => (1, title.to_lowercase()),
                None => (2, format!("[{}", message["status"].as_str().unwrap())),
            }
        };
        match (title.starts_with("[firing"), title.starts_with("[resolved")) {
            (true, false) => firing[channel] += 1,
            (false, true) => resolved[channel] += 1,
            _ => panic!("neither firing nor resolved: {title}"),
        }
    }
    // A slow machine may miss the answer to an attempt, which is then made again.
    assert!(firing.iter().chain(&resolved).all(|n| *n >= 1), "{firing:?} {resolved:?}\n{story}");

    // The same directory again: its data is from a clock that ran ahead.
    let (status, said) = demo(&["--once"], &dir);
    assert_eq!(status.code(), Some(1));
    assert!(said.contains("is not empty"), "{said}");
}
