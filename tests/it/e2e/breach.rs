//! A breach in the real bot, by the shipped rules, in all three channels; then its end. And a bot that dies.

use serde_json::Value;

use super::{
    bot::Bot,
    inbox::{Mail, Mailbox},
    process::{until, until_true},
    world::{EXTERNAL, World, shipped_rules},
};
use crate::sinks::{
    http::{HttpSink, Request},
    slack::{Message, SlackSink},
};

const ALERT: &str = "PaperSafetyScoreLow";

/// A real bot, real receivers, botwatch between them.
struct Stage {
    world: World,
    mailbox: Mailbox,
    slack: SlackSink,
    hook: HttpSink,
}

impl Stage {
    fn new(bot: &Bot) -> Self {
        let (mailbox, slack, hook) = (Mailbox::start(), SlackSink::start(), HttpSink::accepting());
        let world = World::with(&format!(
            r##"
bot: {{name: paper-bot, metrics_url: "{metrics}"}}
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s, smtp_smarthost: "127.0.0.1:{port}", smtp_from: botwatch@example.org, smtp_require_tls: false}}
evaluation: on_data
rule_files: ["{rules}"]
route: {{receiver: team, group_by: [bot, alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}
receivers:
  - name: team
    email_configs: [{{to: "ops@example.org, night@example.org", send_resolved: true}}]
    slack_configs: [{{api_url: "{slack}", channel: "#alerts", send_resolved: true}}]
    webhook_configs: [{{url: "{hook}", send_resolved: true}}]
"##,
            metrics = bot.metrics_url(),
            port = mailbox.port(),
            rules = shipped_rules().display(),
            slack = slack.webhook("#alerts"),
            hook = hook.url("/alerts"),
        ));
        Self { world, mailbox, slack, hook }
    }

    /// The webhook that tells of an alert in a status.
    fn hooked(&self, alert: &str, status: &str) -> Option<Request> {
        let is = |r: &Request| {
            let payload = r.json();
            payload["groupLabels"]["alertname"] == alert && payload["status"] == status
        };
        self.hook.requests().into_iter().find(is)
    }

    fn mailed(&self, alert: &str, status: &str) -> Option<Mail> {
        let is = |m: &Mail| m.subject.contains(alert) && m.subject.starts_with(&format!("[{status}"));
        self.mailbox.mails().into_iter().find(is)
    }

    fn slacked(&self, alert: &str, status: &str) -> Option<Message> {
        let is = |m: &Message| {
            let title = m.body["attachments"][0]["title"].as_str().unwrap_or_default();
            title.contains(alert) && title.contains(status)
        };
        self.slack.messages().into_iter().find(is)
    }
}

#[test]
fn a_breach_of_the_real_bot_arrives_everywhere_and_so_does_its_end() {
    let Some(bot) = Bot::start() else { return };
    let mut stage = Stage::new(&bot);
    stage.world.start();
    // One look at the bot while it is well: the chart has something to show.
    until_true("the bot is scraped", || {
        stage.world.json("/api/v1/targets")["data"]["activeTargets"][0]["health"] == "up"
    });
    bot.misbehave("go-live", true);
    let hook = until("the webhook", || stage.hooked(ALERT, "firing"));
    let mail = until("the e-mail", || stage.mailed(ALERT, "FIRING:1"));
    let slack = until("the Slack message", || stage.slacked(ALERT, "FIRING"));
    check_hook(&hook);
    check_mail(&mail);
    check_slack(&slack, "#7b001c");

    bot.misbehave("go-live", false);
    let hook = until("the webhook's resolve", || stage.hooked(ALERT, "resolved"));
    let mail = until("the e-mail's resolve", || stage.mailed(ALERT, "RESOLVED"));
    let slack = until("Slack's resolve", || stage.slacked(ALERT, "RESOLVED"));
    assert_ne!(hook.json()["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
    assert!(mail.text.contains("score"), "{}", mail.text);
    check_slack(&slack, "good");
    let (status, page) = super::process::ask(stage.world.address(), "GET", "/", "");
    assert!(status == 200 && page.contains("<html") && !page.contains(ALERT), "{page}");
}

fn check_hook(hook: &Request) {
    let payload = hook.json();
    assert_eq!(payload["version"], "4");
    assert_eq!(payload["receiver"], "team");
    assert_eq!(payload["externalURL"], EXTERNAL);
    assert_eq!(payload["commonLabels"]["severity"], "emergency");
    assert_eq!(payload["truncatedAlerts"], 0);
    assert!(payload["groupKey"].as_str().is_some_and(|k| k.contains(ALERT)), "{payload}");
    let alert = &payload["alerts"][0];
    assert_eq!((&alert["status"], &alert["labels"]["bot"]), (&"firing".into(), &"paper-bot".into()));
    let description = "The paper-trading safety score of paper-bot is 10 (threshold 90).";
    assert_eq!(alert["annotations"]["description"], description);
    assert!(alert["generatorURL"].as_str().is_some_and(|u| u.starts_with(&format!("{EXTERNAL}/graph"))));
    let ours = &payload["botwatch"];
    assert_eq!(ours["deliveryId"].as_str(), hook.header("idempotency-key"));
    assert_eq!((&ours["severity"], &ours["issues"][0]["value"]), (&"emergency".into(), &10.0.into()));
    assert_eq!(ours["issues"][0]["threshold"], 90.0);
    assert_eq!(ours["issues"][0]["type"], "paper_trading_violation");
    assert!(ours["issues"][0]["link"].as_str().is_some_and(|l| l.starts_with(EXTERNAL)), "{ours}");
}

fn check_mail(mail: &Mail) {
    assert_eq!(mail.to, ["ops@example.org", "night@example.org"]);
    assert!(mail.subject.contains("paper-bot"), "{}", mail.subject);
    for part in [&mail.text, &mail.html] {
        for expected in
            ["score of paper-bot is 10 (threshold 90)", EXTERNAL, "/docs/runbooks/PaperSafetyScoreLow"]
        {
            assert!(part.contains(expected), "no {expected} in {part}");
        }
    }
    assert!(mail.html.contains("cid:chart"), "{}", mail.html);
    assert!(mail.chart.as_ref().is_some_and(|png| png.starts_with(b"\x89PNG")), "no chart");
}

fn check_slack(slack: &Message, color: &str) {
    let attachment = &slack.body["attachments"][0];
    assert_eq!((slack.channel.as_str(), &attachment["color"]), ("#alerts", &color.into()));
    assert!(slack.body.to_string().contains("score of paper-bot is 10 (threshold 90)"), "{}", slack.body);
    assert_eq!(attachment["fields"][2]["value"], "paper-bot");
    assert!(attachment["title_link"].as_str().is_some_and(|l| l.starts_with(EXTERNAL)), "{attachment}");
}

#[test]
fn what_fires_stays_when_the_bot_dies_and_ends_when_it_is_back_and_well() {
    let Some(bot) = Bot::start() else { return };
    let mut stage = Stage::new(&bot);
    stage.world.start();
    bot.misbehave("go-live", true);
    until("the breach", || stage.hooked(ALERT, "firing"));
    let port = bot.kill();
    let down = until("the death", || {
        stage.hooked("BotDown", "firing").or_else(|| stage.hooked("SourceBlind", "firing"))
    });
    assert_eq!(down.json()["alerts"][0]["labels"]["bot"], "paper-bot", "{}", down.text());
    // Evaluated many times by now, without data: frozen, not resolved.
    let alerts = stage.world.alerts();
    assert!(alerts.contains(&(ALERT.to_owned(), "firing".to_owned())), "{alerts:?}");
    assert_eq!(stage.hooked(ALERT, "resolved").map(|r| r.text()), None);
    // The same over a death of botwatch.
    stage.world.kill_and_restart();
    until("a round of all rules", || {
        let groups = stage.world.json("/api/v1/rules");
        let rules = groups["data"]["groups"].as_array()?.iter().filter_map(|g| g["rules"].as_array());
        rules.flatten().all(|r| r["health"] == "ok").then_some(())
    });
    assert!(stage.world.alerts().contains(&(ALERT.to_owned(), "firing".to_owned())));
    assert_eq!(stage.hooked(ALERT, "resolved").map(|r| r.text()), None);

    let told: Value = down.json()["groupLabels"]["alertname"].clone();
    let _bot = Bot::start_on(port);
    until("the resolve", || stage.hooked(ALERT, "resolved"));
    until("the resolve of the death", || stage.hooked(told.as_str()?, "resolved"));
    until("the resolve by e-mail", || stage.mailed(ALERT, "RESOLVED"));
    until("the resolve in Slack", || stage.slacked(ALERT, "RESOLVED"));
}
