//! promtool and amtool accept what is shipped, and pass our rule tests.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use super::{
    amtool,
    bot::Bot,
    express::{ExpressBot, node},
    peer, promtool, root, rule_files,
    server::{START, Server, folder, until},
};

fn run(program: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
    child.wait_with_output().expect("an end")
}

fn accepts(program: &Path, arguments: &[&str], input: &str) {
    let output = run(program, arguments, input);
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&text));
}

#[test]
fn promtool_accepts_the_shipped_rules() {
    let promtool = peer!("the shipped rules' syntax", promtool(), "promtool");
    for file in rule_files() {
        accepts(&promtool, &["check", "rules", "--lint-fatal", &file.to_string_lossy()], "");
    }
}

#[test]
fn promtool_passes_the_rule_tests() {
    let promtool = peer!("the rule tests", promtool(), "promtool");
    for file in fs::read_dir(root().join("tests/rules")).expect("a folder") {
        let file = file.expect("an entry").path();
        accepts(&promtool, &["test", "rules", &file.to_string_lossy()], "");
    }
}

#[test]
fn promtool_and_amtool_accept_the_examples() {
    let promtool = peer!("the example prometheus.yml", promtool(), "promtool");
    accepts(&promtool, &["check", "config", "examples/prometheus/prometheus.yml"], "");
    let amtool = peer!("the example alertmanager.yml", amtool(), "amtool");
    accepts(&amtool, &["check-config", "examples/prometheus/alertmanager.yml"], "");
}

#[test]
fn promtool_accepts_our_metrics() {
    let promtool = peer!("botwatch's /metrics", promtool(), "promtool");
    let folder = folder();
    let bot = Bot::start();
    let file = folder.path().join("botwatch.yml");
    let text = format!(
        "bot: {{name: b, metrics_url: 'http://127.0.0.1:{}/metrics', process: {{pid: {}}}}}\n\
         global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         rule_files: ['{}/rules/*.yml']\n",
        bot.port(),
        std::process::id(),
        root().display()
    );
    fs::write(&file, text).expect("a file");
    let botwatch = Server::botwatch(folder.path(), &[&file], &[]);
    let page = until("signals show", START, || {
        let (_, page) = botwatch.get("/metrics").map_err(|e| e.to_string())?;
        let complete = ["bot_heartbeat_age_seconds", "botwatch_process_up"].iter().all(|n| page.contains(n));
        if complete { Ok(page) } else { Err(page) }
    });
    accepts(&promtool, &["check", "metrics"], &page);
}

/// Names that prom-client itself gives, and promtool dislikes.
const PROM_CLIENTS: &[&str] =
    &["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];

#[test]
fn promtool_accepts_the_express_bots_metrics() {
    let promtool = peer!("the Express bot's /metrics", promtool(), "promtool");
    let node = peer!("the Express bot's /metrics", node(), "node with the bot's packages");
    let page = ExpressBot::start(&node).get("/metrics");
    let output = run(&promtool, &["check", "metrics"], &page);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let ours: Vec<_> = said.lines().filter(|l| !PROM_CLIENTS.iter().any(|n| l.starts_with(n))).collect();
    assert!(ours.is_empty(), "{said}");
    assert!(output.status.success() || output.status.code() == Some(3), "{:?}: {said}", output.status);
}
