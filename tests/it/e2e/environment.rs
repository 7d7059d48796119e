//! Started from the environment alone, with the names of `.env.alerting.example`.

use serde_json::json;

use super::{
    bot::Bot,
    inbox::{Refusing, ScriptedMailbox},
    process::until,
    world::World,
};
use crate::sinks::{http::HttpSink, slack::SlackSink, smtp::Script};

#[test]
fn the_environment_alone_is_enough() {
    let Some(bot) = Bot::start() else { return };
    let (slack, hook) = (SlackSink::start(), HttpSink::accepting());
    let script = Script { auth: vec!["PLAIN", "LOGIN"], auth_in_clear: true, ..Script::default() };
    let (user, password) = (script.username.clone(), script.password.clone());
    let mailbox = ScriptedMailbox::start(Refusing::new(), script);
    let endpoints = json!([{
        "url": hook.url("/alerts"), "retryAttempts": 3, "timeout": 10_000, "headers": {"X-Api-Key": "your-key"},
    }]);
    let directory = tempfile::tempdir().expect("a directory");
    let pairs = [
        ("PRODUCTION_ALERTING_ENABLED", "true".to_owned()),
        ("BOT_METRICS_URL", bot.metrics_url()),
        ("BOT_MODE", "paper".to_owned()),
        ("EMAIL_ALERTS_ENABLED", "true".to_owned()),
        ("ALERT_EMAIL_RECIPIENTS", "admin@yourdomain.com,security@yourdomain.com".to_owned()),
        ("SMTP_HOST", "127.0.0.1".to_owned()),
        ("SMTP_PORT", mailbox.port().to_string()),
        ("SMTP_REQUIRE_TLS", "false".to_owned()),
        ("SMTP_USER", user),
        ("SMTP_PASS", password.clone()),
        ("SMTP_FROM", "botwatch@yourdomain.com".to_owned()),
        ("SLACK_ALERTS_ENABLED", "true".to_owned()),
        ("SLACK_WEBHOOK_URL", slack.webhook("#alerts")),
        ("SLACK_CRITICAL_CHANNEL", "#critical-alerts".to_owned()),
        ("WEBHOOK_ALERTS_ENABLED", "true".to_owned()),
        ("ALERT_WEBHOOK_ENDPOINTS", endpoints.to_string()),
        ("STATE_DIRECTORY", directory.path().to_string_lossy().into_owned()),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let mut world = World::from_environment(pairs);
    world.start();
    bot.misbehave("go-live", true);
    let name = "PaperSafetyScoreLow";
    let hook = until("the webhook", || {
        hook.requests().into_iter().find(|r| r.json()["groupLabels"]["alertname"] == name)
    });
    assert_eq!(hook.header("x-api-key"), Some("your-key"));
    let mail = until("the e-mail", || mailbox.mails().into_iter().find(|m| m.subject.contains(name)));
    assert_eq!(mail.to, ["admin@yourdomain.com", "security@yourdomain.com"]);
    until("the Slack message", || slack.messages().into_iter().find(|m| m.body.to_string().contains(name)));
    let log = world.log().join("\n");
    assert!(log.contains(&bot.address.to_string()), "it says what it watches: {log}");
    for secret in [password.as_str(), "your-key", SlackSink::FIRST_WEBHOOK] {
        assert!(!log.contains(secret), "{log}");
    }
    assert!(directory.path().read_dir().expect("a directory").next().is_some(), "the state is there");
}
