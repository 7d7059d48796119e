//! What the running product serves and says.

use std::{fs, thread, time::Duration};

use crate::{
    peers::server::{START, Server, folder, until},
    sinks::http::{Answer, HttpSink},
};

/// How long nothing may be logged: a healthy hour has less than 20 lines, so a minute has none.
const STEADY: Duration = Duration::from_mins(1);

#[test]
fn a_steady_minute_logs_nothing() {
    let folder = folder();
    let bot = HttpSink::start(|_| Answer::new(200, "price 1\n").with("Content-Type", "text/plain"));
    let file = folder.path().join("botwatch.yml");
    let text = format!(
        "bot: {{name: b, metrics_url: '{}', process: {{pid: {}}}}}\n\
         global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}/rules/*.yml']\n",
        bot.url("/metrics"),
        std::process::id(),
        env!("CARGO_MANIFEST_DIR"),
    );
    fs::write(&file, text).expect("a file");
    let botwatch = Server::botwatch(folder.path(), &[&file], &[]);
    // The start is over when the bot was scraped and its rules were evaluated a few times.
    bot.wait_for(5, START);
    let started = botwatch.log();
    assert!(started.lines().count() < 20, "the start takes too many lines:\n{started}");
    let before = bot.requests().len();
    thread::sleep(STEADY);
    assert_eq!(botwatch.log()[started.len()..], *"", "a steady minute is logged");
    assert!(bot.requests().len() > before + 30, "it stopped scraping");
}

#[test]
fn the_bots_failure_is_logged_once() {
    let folder = folder();
    let bot = HttpSink::start(|_| Answer::new(500, ""));
    let file = folder.path().join("botwatch.yml");
    let text = format!(
        "bot: {{name: b, metrics_url: '{}'}}\n\
         global: {{scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 1s}}\n",
        bot.url("/metrics"),
    );
    fs::write(&file, text).expect("a file");
    let botwatch = Server::botwatch(folder.path(), &[&file], &[]);
    let about = |log: &str| log.lines().filter(|l| l.contains("500")).count();
    until("the failure is logged", START, || match about(&botwatch.log()) {
        0 => Err(botwatch.log()),
        _ => Ok(()),
    });
    bot.wait_for(20, START);
    assert_eq!(about(&botwatch.log()), 1, "{}", botwatch.log());
}
