//! Slack, against a sink that refuses what Slack refuses.

use std::{collections::BTreeMap, sync::Arc};

use botwatch::{
    net::SecretSource,
    notify::{Integration, SlackAddress, SlackOptions, UrlSource},
};
use botwatch_core::{
    alerting::{Outcome, Send as Attempt},
    model::Duration,
};
use serde_json::json;

use super::{Bench, SOON, alert, attempt, delivered, error_of, memory_high, slack_options};
use crate::sinks::{
    http::Answer,
    slack::{SlackSink, TOKEN, id},
};

fn webhook(url: &str) -> SlackOptions {
    slack_options(SlackAddress::Webhook(UrlSource(SecretSource::inline(url))))
}

fn bot(slack: &SlackSink, token: &str) -> SlackOptions {
    slack_options(SlackAddress::Bot { token: SecretSource::inline(token), url: slack.post_message().into() })
}

fn bench(options: Vec<SlackOptions>) -> Bench {
    Bench::new(options.into_iter().map(|o| Integration::Slack(Box::new(o))).collect())
}

/// A later message of the group.
fn later(reason: &str, receiver_data: &BTreeMap<String, String>, ended: bool) -> Attempt {
    let mut next = attempt("slack", 0, vec![alert("MemoryHigh", "critical", ended)]);
    Arc::make_mut(&mut next.delivery).reason = reason.into();
    next.receiver_data = receiver_data.clone();
    next
}

#[tokio::test]
async fn a_webhook_posts_to_its_channel() {
    let slack = SlackSink::start();
    let mut bench = bench(vec![webhook(&slack.webhook("#critical-alerts"))]);
    assert_eq!(bench.attempt(attempt("slack", 0, memory_high())).await, delivered());
    let message = slack.messages().pop().expect("a message");
    assert_eq!(message.channel, "#critical-alerts");
    assert_eq!(message.body["attachments"][0]["title"], "MemoryHigh");
    assert_eq!(message.body["attachments"][0]["color"], "danger");
    assert_eq!(slack.wait_for(1, SOON)[0].header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_bot_posts_and_keeps_its_message_up_to_date() {
    let slack = SlackSink::start();
    let options = SlackOptions { update_message: true, ..bot(&slack, TOKEN) };
    let mut bench = bench(vec![options, bot(&slack, TOKEN)]);
    let Outcome::Delivered { receiver_data } = bench.attempt(attempt("slack", 0, memory_high())).await else {
        panic!("not delivered");
    };
    let expected = [("channel", id("#alerts")), ("ts", slack.messages()[0].ts.clone())];
    assert_eq!(receiver_data, expected.map(|(k, v)| (k.to_owned(), v)).into());

    // The group goes on: its message changes.
    let outcome = bench.attempt(later("all alerts resolved", &receiver_data, true)).await;
    assert_eq!(outcome, Outcome::Delivered { receiver_data: receiver_data.clone() });
    let messages = slack.messages();
    assert_eq!((messages.len(), messages[0].edits), (1, 1));
    assert_eq!(messages[0].body["attachments"][0]["color"], "good");

    // It is told anew: a new message.
    bench.attempt(later("first notification", &receiver_data, false)).await;
    assert_eq!(slack.messages().len(), 2);

    // Somebody deleted it: a new message, in the configured channel, within the same attempt.
    slack.delete_messages();
    let outcome = bench.attempt(later("new alerts added", &receiver_data, false)).await;
    let Outcome::Delivered { receiver_data: newer } = outcome else { panic!("{outcome:?}") };
    assert_eq!((slack.messages().len(), newer["ts"] == slack.messages()[0].ts), (1, true));

    // Without `update_message` each is its own.
    let mut plain = later("new alerts added", &newer, false);
    Arc::make_mut(&mut plain.delivery).integration = super::integration_id("slack", 1);
    bench.attempt(plain).await;
    assert_eq!(slack.messages().len(), 2);
}

#[tokio::test]
async fn refusals_are_sorted_and_explained() {
    let slack = SlackSink::start();
    let to = |channel: &str| SlackOptions { channel: channel.into(), ..bot(&slack, TOKEN) };
    let gone = slack.webhook("#alerts").replace("/B", "/Z");
    let mut bench = bench(vec![
        to("#nowhere"),
        to("#archived"),
        to("#private"),
        to(""),
        bot(&slack, "xoxb-revoked-0123456"),
        webhook(&gone),
        webhook(&slack.webhook("#archived")),
    ]);
    for (number, expected) in [
        (0, "Slack refused: channel_not_found: no such channel, or a private one that the bot is not in"),
        (1, "Slack refused: is_archived: the channel is archived"),
        (2, "Slack refused: not_in_channel: invite the bot to the channel"),
        (3, "no channel: `channel` is empty, and a bot needs one"),
        (4, "Slack refused: invalid_auth: the token is not valid (any more)"),
        (5, "answered 404: no_service: the webhook was removed or its address is wrong"),
        (6, "answered 410: channel_is_archived: the channel is archived"),
    ] {
        let outcome = bench.attempt(attempt("slack", number, memory_high())).await;
        assert!(matches!(outcome, Outcome::Permanent { .. }), "{number}: {outcome:?}");
        assert!(error_of(&outcome).ends_with(expected), "{number}: {}", error_of(&outcome));
    }
    assert!(slack.messages().is_empty());
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let slack = SlackSink::start();
    let mut bench = bench(vec![bot(&slack, TOKEN), webhook(&slack.webhook("#alerts"))]);
    let error = |name: &str| Answer::json(&json!({"ok": false, "error": name}));
    for (number, answer, retry_after) in [
        (0, Answer::new(429, "").with("Retry-After", "30"), Some(30)),
        (0, error("ratelimited"), None),
        (0, error("internal_error"), None),
        (0, error("service_unavailable"), None),
        (0, Answer::new(502, "bad gateway"), None),
        (0, Answer::new(200, "<html>log in here</html>"), None),
        (0, Answer::new(200, ""), None),
        (1, Answer::new(200, "<html>log in here</html>"), None),
        (1, Answer::new(200, ""), None),
        (1, Answer::new(302, "").with("Location", "https://portal.example/"), None),
        (1, Answer::new(429, "rate_limited").with("Retry-After", "30"), Some(30)),
        (1, Answer::new(500, "rollup_error"), None),
    ] {
        slack.next([answer.clone()]);
        let outcome = bench.attempt(attempt("slack", number, memory_high())).await;
        let Outcome::Transient { retry_after: after, .. } = outcome else {
            panic!("{answer:?}: {outcome:?}")
        };
        assert_eq!(after, retry_after.map(Duration::from_secs), "{answer:?}");
        let outcome = bench.attempt(attempt("slack", number, memory_high())).await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_strange_answer_is_named() {
    let slack = SlackSink::start();
    let mut bench = bench(vec![webhook(&slack.webhook("#alerts"))]);
    for (answer, permanent, expected) in [
        ("", false, "status 200 with an empty answer: it is not Slack's"),
        ("<p>log in</p>", false, "the answer is not Slack's: <p>log in</p>"),
        ("no_text", true, "Slack refused: no_text"),
    ] {
        slack.next([Answer::new(200, answer)]);
        let outcome = bench.attempt(attempt("slack", 0, memory_high())).await;
        assert_eq!(matches!(outcome, Outcome::Permanent { .. }), permanent, "{outcome:?}");
        assert_eq!(error_of(&outcome), expected);
    }
}

#[tokio::test]
async fn secrets_are_not_repeated() {
    let slack = SlackSink::start();
    let url = slack.webhook("#alerts");
    let path = url.split_once("/services").map(|(_, path)| format!("/services{path}")).expect("a path");
    let mut bench = bench(vec![bot(&slack, TOKEN), webhook(&url)]);
    for (number, answer) in [
        (0, Answer::new(403, &format!("bad token {TOKEN}"))),
        (0, Answer::json(&json!({"ok": false, "error": format!("odd {TOKEN}")}))),
        (1, Answer::new(404, &format!("nothing at {path}"))),
        (1, Answer::new(200, &format!("nothing at {path}"))),
    ] {
        slack.next([answer.clone()]);
        let outcome = bench.attempt(attempt("slack", number, memory_high())).await;
        let error = error_of(&outcome);
        assert!(error.contains("<secret>") && !error.contains(TOKEN) && !error.contains("XXXX"), "{error}");
    }
}
