//! Texts and limits of messages. Exchanges with Slack are in `tests/it/notify`.

use std::sync::Arc;

use botwatch_core::template::Templates;
use serde_json::{Value, json};

use super::{
    super::{
        SlackAction, SlackAddress, SlackConfirm, SlackField, SlackOptions, UrlSource, json as go_json,
        tests::{alert, arcs, data},
    },
    message::{Target, compose},
    update_url,
};
use crate::net::{HttpOptions, SecretSource};

fn options() -> SlackOptions {
    let none: Arc<str> = "".into();
    SlackOptions {
        address: SlackAddress::Webhook(UrlSource(SecretSource::inline("http://x"))),
        channel: "#alerts".into(),
        username: none.clone(),
        color: none.clone(),
        title: "T".into(),
        title_link: none.clone(),
        pretext: none.clone(),
        text: "text".into(),
        message_text: none.clone(),
        fields: Vec::new(),
        short_fields: false,
        footer: none.clone(),
        fallback: "F".into(),
        callback_id: none.clone(),
        icon_emoji: none.clone(),
        icon_url: none.clone(),
        image_url: none.clone(),
        thumb_url: none,
        link_names: false,
        mrkdwn_in: Vec::new(),
        actions: Vec::new(),
        update_message: false,
        http: HttpOptions::default(),
    }
}

fn composed(options: &SlackOptions) -> Value {
    let alerts =
        vec![alert(&[("alertname", "MemoryHigh"), ("severity", "critical")], &[("summary", "91 %")], false)];
    let composed = compose(options, &data(alerts), &Templates::builtin());
    let message = composed.message.expect("a message");
    serde_json::from_slice(&go_json::to_vec(&message).expect("JSON")).expect("JSON")
}

#[test]
fn what_is_empty_is_left_out() {
    assert_eq!(
        composed(&options()),
        json!({
            "channel": "#alerts",
            "attachments": [{
                "title": "T", "text": "text", "fallback": "F", "color": "danger",
                "mrkdwn_in": ["fallback", "pretext", "text"],
            }],
        })
    );
}

#[test]
fn everything_that_can_be_set_is_sent() {
    let confirm = SlackConfirm {
        text: "sure?".into(),
        title: "Stop".into(),
        ok_text: "yes".into(),
        dismiss_text: "no".into(),
    };
    let button = SlackAction {
        kind: "button".into(),
        text: "Ack".into(),
        style: "primary".into(),
        name: "ack".into(),
        value: "1".into(),
        confirm: Some(confirm),
        ..SlackAction::default()
    };
    let link = SlackAction { url: "http://bot/".into(), ..button.clone() };
    let field = |title: &str, short| SlackField { title: title.into(), value: "v".into(), short };
    let options = SlackOptions {
        username: "botwatch".into(),
        color: "#123456".into(),
        title_link: "http://bot/".into(),
        pretext: "pre".into(),
        message_text: "above".into(),
        fields: vec![field("a", None), field("b", Some(false))],
        short_fields: true,
        footer: "foot".into(),
        callback_id: "cb".into(),
        icon_emoji: ":robot_face:".into(),
        icon_url: "http://bot/i.png".into(),
        image_url: "http://bot/big.png".into(),
        thumb_url: "http://bot/small.png".into(),
        link_names: true,
        mrkdwn_in: arcs(&["text"]),
        actions: vec![button, link],
        ..options()
    };
    assert_eq!(
        composed(&options),
        json!({
            "channel": "#alerts", "username": "botwatch", "icon_emoji": ":robot_face:",
            "icon_url": "http://bot/i.png", "link_names": true, "text": "above",
            "attachments": [{
                "title": "T", "title_link": "http://bot/", "pretext": "pre", "text": "text", "fallback": "F",
                "callback_id": "cb", "color": "#123456", "footer": "foot", "mrkdwn_in": ["text"],
                "image_url": "http://bot/big.png", "thumb_url": "http://bot/small.png",
                "fields": [
                    {"title": "a", "value": "v", "short": true},
                    {"title": "b", "value": "v", "short": false},
                ],
                "actions": [
                    {
                        "type": "button", "text": "Ack", "style": "primary", "name": "ack", "value": "1",
                        "confirm": {"text": "sure?", "title": "Stop", "ok_text": "yes", "dismiss_text": "no"},
                    },
                    {"type": "button", "text": "Ack", "style": "primary", "url": "http://bot/"},
                ],
            }],
        })
    );
}

#[test]
fn long_texts_are_cut() {
    let long: Arc<str> = "ä".repeat(50_000).into();
    let field = SlackField { title: long.clone(), value: long.clone(), short: None };
    let options = SlackOptions {
        title: long.clone(),
        text: long.clone(),
        pretext: long.clone(),
        message_text: long.clone(),
        fallback: long.clone(),
        footer: long,
        fields: vec![field; 200],
        actions: vec![SlackAction::default(); 9],
        ..options()
    };
    let message = composed(&options);
    let attachment = &message["attachments"][0];
    let count = |text: &Value| {
        let text = text.as_str().expect("text");
        assert!(text.ends_with('…'));
        text.chars().count()
    };
    assert_eq!(count(&message["text"]), 4000);
    for (key, max) in
        [("title", 1024), ("text", 8000), ("pretext", 2000), ("fallback", 2000), ("footer", 300)]
    {
        assert_eq!(count(&attachment[key]), max, "{key}");
    }
    assert_eq!(attachment["fields"].as_array().map(Vec::len), Some(50));
    assert_eq!(attachment["actions"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_message_that_replaces_another_can_still_be_posted_anew() {
    let composed = compose(&options(), &data(Vec::new()), &Templates::builtin());
    let mut message = composed.message.expect("a message");
    let place = |m: &super::Message| {
        let json: Value = serde_json::from_slice(&go_json::to_vec(m).expect("JSON")).expect("JSON");
        (json["channel"].clone(), json["ts"].clone())
    };
    message.update(Target { channel: "C1".to_owned(), ts: "1.2".to_owned() });
    assert_eq!(place(&message), (json!("C1"), json!("1.2")));
    message.post_anew();
    assert_eq!(place(&message), (json!("#alerts"), Value::Null));
    for (post, update) in [
        ("https://slack.com/api/chat.postMessage", "https://slack.com/api/chat.update"),
        ("http://proxy:8/s/chat.postMessage", "http://proxy:8/s/chat.update"),
    ] {
        assert_eq!(update_url(post), update);
    }
}

#[test]
fn a_template_that_fails_is_replaced_by_plain_words() {
    let broken: Arc<str> = "{{ .Nothing }}".into();
    let options = SlackOptions { title: broken.clone(), text: broken.clone(), ..options() };
    let message = composed(&options);
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["title"], "[FIRING:1] MemoryHigh");
    let text = attachment["text"].as_str().expect("text");
    assert!(
        text.starts_with("firing: MemoryHigh 91 %\n(A template of this message failed: `title`: "),
        "{text}"
    );
    // Without a channel there is nowhere to send it.
    let options = SlackOptions { channel: broken, ..options };
    let composed = compose(&options, &data(Vec::new()), &Templates::builtin());
    assert!(composed.message.is_err_and(|e| e.starts_with("`channel`: ")));
}

#[test]
fn a_message_always_says_something() {
    let blank: Arc<str> = " ".into();
    let options = SlackOptions { title: blank.clone(), text: blank.clone(), fallback: blank, ..options() };
    let message = composed(&options);
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["title"], "[FIRING:1] MemoryHigh");
    assert_eq!(attachment["text"], "firing: MemoryHigh 91 %");
    assert_eq!(attachment["fallback"], "[FIRING:1] MemoryHigh");
}

#[test]
fn templates_are_rendered() {
    let options = SlackOptions {
        channel: "#{{ .CommonLabels.severity }}-alerts".into(),
        title: r#"{{ template "slack.default.title" . }}"#.into(),
        text: "{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}".into(),
        ..options()
    };
    let message = composed(&options);
    assert_eq!(message["channel"], "#critical-alerts");
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["text"], "91 %");
    assert!(attachment["title"].as_str().is_some_and(|t| t.contains("FIRING:1")), "{attachment}");
}
