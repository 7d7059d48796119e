//! The receivers are down, answer with errors, take a message and never say so; botwatch dies several times meanwhile.
//! Nothing is lost, and nothing comes twice but what was taken without an answer.

use serde_json::Value;

use super::{
    bot::Bot,
    inbox::{Refusing, ScriptedMailbox},
    process::{until, until_true},
    world::World,
};
use crate::sinks::{
    http::{Answer, HttpSink, Request},
    slack::SlackSink,
    smtp::{Act, Rule, Script},
};

const RULES: &str = r#"
groups:
  - name: own
    rules:
      - alert: ScoreLow
        expr: paper_trading_safety_score < 90
        labels: {severity: critical}
        annotations: {summary: "score {{ $value }}"}
"#;

struct Receivers {
    hook: HttpSink,
    slack: SlackSink,
    mailbox: ScriptedMailbox,
}

impl Receivers {
    /// Each refuses a message once, then takes it and never says so.
    fn go_wrong(&self) {
        self.hook.next([Answer::new(500, "not now"), Answer::Hang]);
        self.slack.next([Answer::new(503, "not now"), Answer::Hang]);
        self.mailbox.add(Rule::say("MAIL", "451 4.3.0 not now"));
        self.mailbox.add(Rule::act(".", Act::Hang));
    }

    /// Requests and messages that came, by receiver.
    fn counts(&self) -> [usize; 3] {
        [self.hook.requests().len(), self.slack.requests().len(), self.mailbox.mails().len()]
    }

    fn until_counts(&self, wanted: [usize; 3]) {
        until_true(&format!("{wanted:?} came"), || self.counts() == wanted);
    }
}

fn world(bot: &Bot, hook: &Refusing, slack: &Refusing, mail: &Refusing) -> World {
    let world = World::with(&format!(
        r##"
bot: {{name: paper-bot, metrics_url: "{metrics}"}}
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s, smtp_smarthost: "{mail}", smtp_from: botwatch@example.org, smtp_require_tls: false}}
rule_files: [rules.yml]
route: {{receiver: team, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}
receivers:
  - name: team
    email_configs: [{{to: ops@example.org, send_resolved: true, retry: {{attempts: 50}}}}]
    slack_configs: [{{api_url: "http://{slack}{slack_path}", channel: "#alerts", send_resolved: true, retry: {{attempts: 50}}}}]
    webhook_configs: [{{url: "http://{hook}/alerts", send_resolved: true, retry: {{attempts: 50}}}}]
"##,
        metrics = bot.metrics_url(),
        mail = mail.address(),
        slack = slack.address(),
        slack_path = SlackSink::FIRST_WEBHOOK,
        hook = hook.address(),
    ));
    world.write("rules.yml", RULES);
    world
}

#[test]
fn nothing_is_lost_and_nothing_comes_twice_but_where_the_answer_was_lost() {
    let Some(bot) = Bot::start() else { return };
    let (hook, slack, mail) = (Refusing::new(), Refusing::new(), Refusing::new());
    let mut world = world(&bot, &hook, &slack, &mail);
    world.start();
    bot.misbehave("go-live", true);
    for _ in 0..3 {
        world.until_notified("retrying", 3);
        world.kill_and_restart();
    }

    let receivers = Receivers {
        hook: HttpSink::start_on(hook.listen(), |_| Answer::new(200, "")),
        slack: SlackSink::start_on(slack.listen()),
        mailbox: ScriptedMailbox::start(mail, Script::default()),
    };
    receivers.slack.webhook("#alerts");
    receivers.go_wrong();
    receivers.until_counts([2, 2, 1]);
    // One answer more is lost on the way: scripted while the hanging attempt is under way, so that the next start's
    // first attempt meets it.
    receivers.hook.next([Answer::Close]);
    world.kill_and_restart();
    world.until_notified("delivered", 3);
    world.until_on_disk();
    let lost_once_more = receivers.counts();
    assert_eq!(lost_once_more, [4, 3, 2]);

    receivers.go_wrong();
    bot.misbehave("go-live", false);
    let [hooks, slacks, mails] = lost_once_more;
    receivers.until_counts([hooks + 2, slacks + 2, mails + 1]);
    world.kill_and_restart();
    world.until_notified("delivered", 6);
    world.until_on_disk();
    // Nobody is told anything more by a further start.
    world.kill_and_restart();
    until("rules run", || {
        let groups = world.json("/api/v1/rules");
        (groups["data"]["groups"][0]["rules"][0]["health"] == "ok").then_some(())
    });
    check(&receivers, [hooks + 3, slacks + 3, mails + 2]);
}

fn check(receivers: &Receivers, counts: [usize; 3]) {
    assert_eq!(receivers.counts(), counts);
    let told = |r: &Request| {
        let payload = r.json();
        let status = payload["status"].as_str().expect("a status").to_owned();
        (status, r.header("x-botwatch-delivery").expect("an id").to_owned())
    };
    let mut hooked: Vec<_> = receivers.hook.requests().iter().map(told).collect();
    // All attempts at one message bear one id.
    hooked.dedup();
    let statuses: Vec<&str> = hooked.iter().map(|(status, _)| status.as_str()).collect();
    assert_eq!(statuses, ["firing", "resolved"], "{hooked:?}");

    let shown = receivers.slack.messages();
    let color = |n: usize| shown.get(n).map_or(&Value::Null, |m| &m.body["attachments"][0]["color"]);
    assert_eq!((shown.len(), color(0), color(1)), (2, &"danger".into(), &"good".into()));

    let mut mails = receivers.mailbox.mails();
    mails.dedup_by(|a, b| a.id == b.id);
    let subjects: Vec<&str> = mails.iter().map(|m| m.subject.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(subjects, ["[FIRING:1]", "[RESOLVED]"]);
}
