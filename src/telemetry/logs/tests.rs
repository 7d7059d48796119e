use std::{io::Write, sync::Arc};

use botwatch_core::model::Timestamp;
use parking_lot::Mutex;
use tracing::Level as At;

use super::{Format, Level, Logs, Options, filter};
use crate::runtime::Clock;

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().clone()).expect("text")
    }
}

fn written(format: Format, colour: bool, tell: impl FnOnce(&Logs)) -> String {
    let page = Page::default();
    let options = Options { level: Level::Info, debug: String::new(), format };
    let clock = Clock::manual(Timestamp(1_763_942_400_120));
    let (logs, subscriber) = Logs::to(Box::new(page.clone()), colour, &options, clock);
    tracing::subscriber::with_default(subscriber, || tell(&logs));
    page.text()
}

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] std::io::Error);

#[test]
fn a_line_of_text_reads_alone() {
    let text = written(Format::Text, false, |_| {
        tracing::info!(target: "botwatch::collect", pool = "bot", tries = 3u64, share = 0.5, "target is down");
        tracing::warn!(target: "botwatch::store", path = "a b", empty = "", "odd\nline \x1b[2J");
        let error = Outer(std::io::Error::other("inner"));
        tracing::error!(target: "hyper", error = &error as &dyn std::error::Error, "broken");
        tracing::debug!(target: "botwatch::store", "not written");
    });
    assert_eq!(
        text,
        "2025-11-24T00:00:00.120Z INFO  collect: target is down pool=bot tries=3 share=0.5\n\
         2025-11-24T00:00:00.120Z WARN  store: odd\\nline \\u{1b}[2J path=\"a b\" empty=\"\"\n\
         2025-11-24T00:00:00.120Z ERROR hyper: broken error=\"outer: inner\"\n"
    );
}

#[test]
fn colour_only_paints() {
    let painted = written(Format::Text, true, |_| tracing::warn!(target: "botwatch::x", a = 1, "b"));
    assert!(painted.contains("\x1b[33mWARN \x1b[0m"), "{painted:?}");
    let bare = ["\x1b[33m", "\x1b[2m", "\x1b[0m"].iter().fold(painted, |text, code| text.replace(code, ""));
    assert_eq!(bare, "2025-11-24T00:00:00.120Z WARN  x: b a=1\n");
}

#[test]
fn json_has_types_and_keeps_its_own_names() {
    let text = written(Format::Json, false, |_| {
        tracing::info!(target: "botwatch::api", port = 9095, ok = true, level = "x", nan = f64::NAN, "up");
    });
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let expected = serde_json::json!({
        "time": "2025-11-24T00:00:00.120Z", "level": "info", "target": "api", "message": "up",
        "port": 9095, "ok": true, "field_level": "x", "nan": "NaN",
    });
    assert_eq!(value, expected);
}

#[test]
fn the_level_changes_while_running() {
    let text = written(Format::Text, false, |logs| {
        tracing::debug!(target: "botwatch::notify", "one");
        logs.set(Level::Info, "alerting:notify, alerting:typo");
        tracing::debug!(target: "botwatch::notify", "two");
        tracing::debug!(target: "botwatch::net", "three");
        logs.set(Level::Error, "");
        tracing::info!(target: "botwatch::notify", "four");
    });
    assert!(text.contains("notify: two\n"), "{text}");
    assert!(text.contains("name=alerting:typo"), "{text}");
    assert!(!text.contains("one") && !text.contains("three") && !text.contains("four"), "{text}");
}

#[test]
fn names_of_debug_choose_modules() {
    let table: &[(Level, &str, &str, At, bool)] = &[
        (Level::Info, "", "botwatch::notify", At::INFO, true),
        (Level::Info, "", "botwatch::notify", At::DEBUG, false),
        (Level::Info, "", "hyper::proto", At::INFO, false),
        (Level::Info, "", "hyper::proto", At::WARN, true),
        (Level::Error, "", "hyper::proto", At::WARN, false),
        (Level::Info, "alerting:*", "botwatch::notify::slack", At::DEBUG, true),
        (Level::Info, "alerting:*", "hyper::proto", At::INFO, false),
        (Level::Info, "*", "botwatch::net", At::DEBUG, true),
        (Level::Info, "express:*,alerting:rules", "botwatch::evaluate", At::DEBUG, true),
        (Level::Info, "express:*,alerting:rules", "botwatch::collect", At::DEBUG, false),
        (Level::Info, "alerting:scrape:*", "botwatch::collect::http", At::DEBUG, true),
        (Level::Info, "alerting:*,-alerting:net", "botwatch::net", At::DEBUG, false),
        (Level::Info, "alerting:*,-alerting:net", "botwatch::net", At::INFO, true),
        (Level::Trace, "alerting:*", "botwatch::net", At::TRACE, true),
        (Level::Debug, "-alerting:net", "botwatch::net", At::DEBUG, false),
    ];
    for (level, debug, target, at, expected) in table {
        let enabled = filter::targets(*level, debug).would_enable(target, at);
        assert_eq!(enabled, *expected, "{level} DEBUG={debug} {target} {at}");
    }
}

#[test]
fn only_our_own_unknown_names_are_told() {
    let found: Vec<_> =
        filter::unknown("express:*, alerting:typo,-alerting:no alertings,alerting:net").collect();
    assert_eq!(found, ["alerting:typo", "alerting:no"]);
}

#[test]
fn levels_are_words() {
    for (text, expected) in [
        ("INFO", Some(Level::Info)),
        (" warning ", Some(Level::Warn)),
        ("trace", Some(Level::Trace)),
        ("", None),
    ] {
        assert_eq!(text.parse::<Level>().ok(), expected, "{text:?}");
    }
    let error = "loud".parse::<Level>().expect_err("no level").to_string();
    assert!(error.contains("`loud`"), "{error}");
}

#[test]
fn words_of_other_loggers_have_a_level() {
    for (word, level) in [
        ("error", Level::Error),
        ("WARNING", Level::Warn),
        ("trace", Level::Trace),
        ("http", Level::Info),
        ("verbose", Level::Info),
        ("silly", Level::Info),
        ("silent", Level::Error),
        ("Fatal", Level::Error),
        ("", Level::Info),
        ("3", Level::Info),
    ] {
        assert_eq!(Level::nearest(word), level, "{word}");
    }
}
