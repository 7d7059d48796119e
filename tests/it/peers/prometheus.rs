//! The shipped rules in a Prometheus that scrapes the bot and botwatch, as `examples/prometheus` has it, and in
//! botwatch: the same alerts with the same labels, the same recorded series. Both look every second.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{
    bot::{Bot, EVENTS, STATES},
    express::{ExpressBot, node},
    peer, prometheus, root, rule_files,
    server::{Server, folder, free_port, until},
};
use crate::sinks::http::HttpSink;

/// Longer than any `for` of what is awaited, on a busy machine.
const LONG: Duration = Duration::from_secs(150);
const WHAT: &str = "the shipped rules in Prometheus and in botwatch";

type Labels = BTreeMap<String, String>;

/// Something that has a process id, for botwatch to watch.
struct Process(Child);

impl Process {
    fn start() -> Self {
        let child = Command::new("sleep").arg("3600").stdin(Stdio::null()).spawn();
        Self(child.expect("coreutils"))
    }

    fn end(&mut self) {
        // An error: it ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// botwatch and a Prometheus beside the same bot.
struct Pair {
    botwatch: Server,
    prometheus: Server,
    _alerts: HttpSink,
    _folder: tempfile::TempDir,
}

impl Pair {
    /// The bot's metrics are at `port`, its process is `pid`.
    fn start(prometheus: &Path, port: u16, pid: u32) -> Self {
        let folder = folder();
        let file = folder.path().join("botwatch.yml");
        let text = format!(
            "bot: {{name: paper-bot, metrics_url: 'http://127.0.0.1:{port}/metrics', process: {{pid: {pid}}}}}\n\
             global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{}/rules/*.yml']\n",
            root().display(),
        );
        fs::write(&file, text).expect("a file");
        let botwatch = Server::botwatch(folder.path(), &[&file], &[]);
        let alerts = HttpSink::accepting();
        let file = folder.path().join("prometheus.yml");
        fs::write(&file, example(port, &botwatch, &alerts)).expect("a file");
        let port = free_port();
        let arguments = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let prometheus = Server::start(prometheus, &arguments, folder.path(), port, "/-/ready");
        Self { botwatch, prometheus, _alerts: alerts, _folder: folder }
    }

    /// Waits until both say the same and `right` agrees with it.
    fn agree(&self, stage: &str, right: impl Fn(&BTreeSet<Labels>) -> Result<(), String>) {
        until(stage, LONG, || {
            let (ours, theirs) = (labels(&firing(&self.botwatch)), labels(&firing(&self.prometheus)));
            if ours != theirs {
                let only = |a: &BTreeSet<Labels>, b: &BTreeSet<Labels>| {
                    a.difference(b).map(|l| format!("{l:?}")).collect::<Vec<_>>().join("\n  ")
                };
                return Err(format!(
                    "only botwatch:\n  {}\nonly Prometheus:\n  {}",
                    only(&ours, &theirs),
                    only(&theirs, &ours)
                ));
            }
            right(&ours)
        });
    }
}

/// `examples/prometheus/prometheus.yml` with the addresses of a test, every second.
fn example(bot: u16, botwatch: &Server, alerts: &HttpSink) -> String {
    let mut text =
        fs::read_to_string(root().join("examples/prometheus/prometheus.yml")).expect("the example");
    for (from, to) in [
        ("127.0.0.1:3000", format!("127.0.0.1:{bot}")),
        ("[\"127.0.0.1:9095\"]", format!("[\"127.0.0.1:{}\"]", botwatch.port)),
        ("127.0.0.1:9093", alerts.address().to_string()),
        ("bot: bot", "bot: paper-bot".to_owned()),
        ("scrape_interval: 5s", "scrape_interval: 1s".to_owned()),
        ("scrape_timeout: 4s", "scrape_timeout: 1s".to_owned()),
        ("evaluation_interval: 5s", "evaluation_interval: 1s".to_owned()),
        ("../../rules", format!("{}/rules", root().display())),
    ] {
        assert!(text.contains(from), "the example has no `{from}` any more");
        text = text.replace(from, &to);
    }
    text
}

/// The firing alerts of a server.
fn firing(server: &Server) -> Vec<Value> {
    let data = server.data("/api/v1/alerts");
    let alerts = data["alerts"].as_array().expect("alerts");
    alerts.iter().filter(|a| a["state"] == "firing").cloned().collect()
}

fn labels(alerts: &[Value]) -> BTreeSet<Labels> {
    alerts.iter().map(|a| serde_json::from_value(a["labels"].clone()).expect("labels")).collect()
}

fn names(alerts: &BTreeSet<Labels>) -> BTreeSet<&str> {
    alerts.iter().map(|a| a["alertname"].as_str()).collect()
}

fn all_of(wanted: &[&str], alerts: &BTreeSet<Labels>) -> Result<(), String> {
    let found = names(alerts);
    let missing: Vec<_> = wanted.iter().filter(|w| !found.contains(*w)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("don't fire: {missing:?}; fire: {found:?}")) }
}

fn none_of(unwanted: &[&str], alerts: &BTreeSet<Labels>) -> Result<(), String> {
    let found = names(alerts);
    let left: Vec<_> = unwanted.iter().filter(|w| found.contains(*w)).collect();
    if left.is_empty() { Ok(()) } else { Err(format!("still fire: {left:?}")) }
}

#[test]
fn a_prometheus_fires_the_same_alerts() {
    let program = peer!(WHAT, prometheus(), "prometheus");
    let (bot, mut process) = (Bot::start(), Process::start());
    let pair = Pair::start(&program, bot.port(), process.0.id());
    pair.agree("healthy", |alerts| none_of(&[STATES, EVENTS].concat(), alerts));
    until("both record the same", LONG, || recorded_alike(&pair));

    bot.broken();
    pair.agree("broken", |alerts| all_of(&[STATES, EVENTS].concat(), alerts));
    until("both record the same", LONG, || recorded_alike(&pair));

    bot.healthy();
    pair.agree("mended", |alerts| none_of(STATES, alerts));

    // A bot that can't be seen: what it said last still holds for botwatch, and is gone for Prometheus.
    bot.set("paper_trading_safety_score", 40.0);
    pair.agree("unsafe", |alerts| all_of(&["PaperSafetyScoreLow"], alerts));
    bot.down(true);
    process.end();
    until("crashed", LONG, || {
        let ours = firing(&pair.botwatch);
        let (all, theirs) = (labels(&ours), labels(&firing(&pair.prometheus)));
        all_of(&["BotDown", "PaperSafetyScoreLow"], &all)?;
        all_of(&["BotDown"], &theirs)?;
        none_of(&["PaperSafetyScoreLow"], &theirs)?;
        let only_theirs: Vec<_> = theirs.difference(&all).collect();
        if !only_theirs.is_empty() {
            return Err(format!("only Prometheus: {only_theirs:?}"));
        }
        let additions = ours.iter().filter(|a| !theirs.is_superset(&labels(&[(*a).clone()])));
        let unexplained: Vec<_> = additions.filter(|a| a["frozenSince"].is_null()).collect();
        if unexplained.is_empty() { Ok(()) } else { Err(format!("not frozen: {unexplained:?}")) }
    });
}

/// What is recorded as `bot:x` is exposed by botwatch as `bot_x`, in seconds for milliseconds, which the Prometheus
/// scrapes beside its own `bot:x`.
fn recorded_alike(pair: &Pair) -> Result<(), String> {
    let recorded = |query: &str| -> BTreeMap<(String, Labels), f64> {
        let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
        let data = pair.prometheus.data(&format!("/api/v1/query?query={query}"));
        let series = data["result"].as_array().expect("a vector").iter();
        let read = series.map(|s| {
            let mut labels: Labels = serde_json::from_value(s["metric"].clone()).expect("labels");
            let name = labels.remove("__name__").expect("a name").replace(':', "_");
            let value: f64 = s["value"][1].as_str().expect("a value").parse().expect("a number");
            match name.strip_suffix("_ms") {
                Some(stem) => ((format!("{stem}_seconds"), labels), value / 1000.0),
                None => ((name, labels), value),
            }
        });
        read.collect()
    };
    let theirs = recorded("{__name__=~\"bot:.+\"}");
    let known: BTreeSet<&str> = theirs.keys().map(|(name, _)| name.as_str()).collect();
    let scraped = recorded("{__name__=~\"bot_.+\"}");
    let ours: BTreeMap<_, _> =
        scraped.iter().filter(|((name, _), _)| known.contains(name.as_str())).collect();
    if theirs.len() < 20 {
        return Err(format!("Prometheus recorded only {known:?}"));
    }
    let (our_keys, their_keys): (BTreeSet<_>, BTreeSet<_>) =
        (ours.keys().copied().collect(), theirs.keys().collect());
    if our_keys != their_keys {
        let differ: Vec<_> = our_keys.symmetric_difference(&their_keys).collect();
        return Err(format!("recorded by one only: {differ:?}"));
    }
    let far = theirs.iter().filter(|(key, value)| !near(&key.0, *ours[key], **value));
    let far: Vec<_> = far.map(|(key, value)| format!("{key:?}: {} and {value}", ours[key])).collect();
    if far.is_empty() { Ok(()) } else { Err(far.join("\n")) }
}

/// The two scrape and evaluate at different moments of a second, and Prometheus sees ours a second later.
fn near(name: &str, ours: f64, theirs: f64) -> bool {
    let slack = if name.ends_with("_seconds") { 3.0 } else { 0.1 };
    ours == theirs
        || (ours.is_nan() && theirs.is_nan())
        || (ours - theirs).abs() <= slack + 0.1 * theirs.abs()
}

#[test]
fn a_prometheus_fires_the_same_alerts_about_the_express_bot() {
    const MODE: &[&str] = &["PaperBotStatesLive", "PaperSafetyScoreLow"];
    let program = peer!("a real bot in Prometheus and in botwatch", prometheus(), "prometheus");
    let node = peer!("a real bot in Prometheus and in botwatch", node(), "node with the bot's packages");
    let mut bot = ExpressBot::start(&node);
    let pair = Pair::start(&program, bot.port, bot.pid());
    pair.agree("healthy", |alerts| none_of(&[STATES, EVENTS].concat(), alerts));
    // Without its feed it wouldn't order anything.
    bot.misbehave("go-live", true);
    let wanted = [MODE, &["PaperOrderAttemptRefused"]].concat();
    pair.agree("trades for real", |alerts| all_of(&wanted, alerts));
    bot.misbehave("drop-feed", true);
    pair.agree("without its feed", |alerts| all_of(&["WebSocketDisconnected"], alerts));
    bot.misbehave("go-live", false);
    bot.misbehave("drop-feed", false);
    pair.agree("behaves", |alerts| none_of(&[MODE, &["WebSocketDisconnected"]].concat(), alerts));
    bot.crash();
    until("crashed", LONG, || {
        let (ours, theirs) = (labels(&firing(&pair.botwatch)), labels(&firing(&pair.prometheus)));
        all_of(&["BotDown"], &ours)?;
        all_of(&["BotDown"], &theirs)
    });
}

#[test]
fn a_prometheus_sends_its_alerts_to_botwatch() {
    let program = peer!("Prometheus' alerts through botwatch", prometheus(), "prometheus");
    let folder = folder();
    let hook = HttpSink::accepting();
    let bot = Bot::start();
    let routes = folder.path().join("alertmanager.yml");
    let text = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: '{}'}}]}}]\n",
        hook.url("/")
    );
    fs::write(&routes, text).expect("a file");
    let botwatch = Server::botwatch(folder.path(), &[&routes], &[]);

    let rules = "groups: [{name: g, rules: [{alert: ScoreLow, expr: paper_trading_safety_score < 90, \
                 labels: {severity: emergency}, annotations: {summary: 'is {{ $value }}'}}]}]\n";
    fs::write(folder.path().join("rules.yml"), rules).expect("a file");
    let file = folder.path().join("prometheus.yml");
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s, external_labels: {{site: home}}}}\n\
         rule_files: [rules.yml]\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]}}\n\
         scrape_configs: [{{job_name: bot, static_configs: [{{targets: ['127.0.0.1:{}']}}]}}]\n",
        botwatch.port,
        bot.port()
    );
    fs::write(&file, text).expect("a file");
    let port = free_port();
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", folder.path().join("tsdb").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let _prometheus = Server::start(&program, &arguments, folder.path(), port, "/-/ready");

    bot.set("paper_trading_safety_score", 42.0);
    let firing = hook.wait_for(1, LONG)[0].json();
    assert_eq!(firing["status"], "firing");
    assert_eq!(firing["groupKey"], "{}:{alertname=\"ScoreLow\"}");
    let alert = &firing["alerts"][0];
    assert_eq!(alert["annotations"]["summary"], "is 42");
    for (name, value) in [("site", "home"), ("job", "bot"), ("severity", "emergency")] {
        assert_eq!(alert["labels"][name], value, "{alert}");
    }
    assert!(alert["generatorURL"].as_str().is_some_and(|u| u.contains("/graph?")), "{alert}");

    bot.set("paper_trading_safety_score", 100.0);
    let resolved = hook.wait_for(2, LONG)[1].json();
    assert_eq!(resolved["status"], "resolved");
    assert_eq!(resolved["alerts"][0]["labels"], alert["labels"]);
    assert_eq!(resolved["alerts"][0]["startsAt"], alert["startsAt"]);
}

#[test]
fn the_example_names_the_shipped_rules() {
    let text = fs::read_to_string(root().join("examples/prometheus/prometheus.yml")).expect("the example");
    for file in rule_files() {
        let name = file.file_name().expect("a name").to_string_lossy();
        assert!(text.contains(&format!("../../rules/{name}")), "{name}");
    }
}
