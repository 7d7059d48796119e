//! A Slack that refuses what Slack refuses. Written from Slack's published contract, by the names of its pages at
//! docs.slack.dev:
//!
//! * "Sending messages using incoming webhooks": one URL per channel; channel, name and icon of the app's
//!   configuration can't be overridden; the answer is `ok`, never a `ts`, so that nothing posted can be updated or
//!   found as a thread's parent.
//! * the same page, "Handling errors": status and plain name, e.g. 400 `invalid_payload`, 404 `no_service`, 410
//!   `channel_is_archived`.
//! * "Using the Slack Web API": 200 and `{"ok": …}`; JSON bodies need `Content-Type: application/json` and a bearer
//!   token.
//! * `chat.postMessage`, `chat.update`: their arguments and errors. `chat.update` takes a channel's id, not its name.
//! * "Rate limits": 429 with `Retry-After`; scripted with [`SlackSink::next`].

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value, json};

use super::http::{Answer, HttpSink, Request};

/// The token that is valid.
pub(crate) const TOKEN: &str = "xoxb-test-0123456789";
/// Attachments of one message (chat.postMessage, `too_many_attachments`).
const ATTACHMENTS_MAX: usize = 100;
/// Characters of a message's text (chat.postMessage, `msg_too_long`).
const TEXT_MAX: usize = 40_000;

/// A message in a channel, as it is at present.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    /// The channel's name, with `#`.
    pub(crate) channel: String,
    /// Its identity within the channel.
    pub(crate) ts: String,
    /// What was posted, or put in its place.
    pub(crate) body: Value,
    /// How often it was replaced.
    pub(crate) edits: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Open,
    Archived,
    /// The bot is not in it.
    Foreign,
}

#[derive(Default)]
struct Workspace {
    /// By name.
    channels: BTreeMap<String, Channel>,
    /// Path of the webhook, and its channel.
    webhooks: BTreeMap<String, String>,
    messages: Vec<Message>,
}

/// A workspace with the channels `#alerts`, `#critical-alerts`, `#archived` and, without the bot, `#private`.
pub(crate) struct SlackSink {
    http: HttpSink,
    workspace: Arc<Mutex<Workspace>>,
}

impl SlackSink {
    /// A workspace without messages.
    pub(crate) fn start() -> Self {
        Self::start_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"))
    }

    /// On a port that was kept for it.
    pub(crate) fn start_on(listener: TcpListener) -> Self {
        let mut workspace = Workspace::default();
        for (name, state) in [
            ("#alerts", Channel::Open),
            ("#critical-alerts", Channel::Open),
            ("#archived", Channel::Archived),
            ("#private", Channel::Foreign),
        ] {
            workspace.channels.insert(name.to_owned(), state);
        }
        let workspace = Arc::new(Mutex::new(workspace));
        let answering = Arc::clone(&workspace);
        let http = HttpSink::start_on(listener, move |request| lock(&answering).answer(request));
        Self { http, workspace }
    }

    /// The path of the first webhook that is made, for addresses that are needed before Slack is there.
    pub(crate) const FIRST_WEBHOOK: &str = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX";

    /// The address of a new app's webhook to a channel.
    pub(crate) fn webhook(&self, channel: &str) -> String {
        let mut workspace = lock(&self.workspace);
        let path = format!("/services/T00000000/B{:08}/XXXXXXXXXXXXXXXXXXXXXXXX", workspace.webhooks.len());
        workspace.webhooks.insert(path.clone(), channel.to_owned());
        self.http.url(&path)
    }

    /// The address where a bot posts.
    pub(crate) fn post_message(&self) -> String {
        self.http.url("/api/chat.postMessage")
    }

    /// Removes all messages, as a person does: what was posted can't be replaced any more.
    pub(crate) fn delete_messages(&self) {
        lock(&self.workspace).messages.clear();
    }

    /// Answers the next requests so, one each.
    pub(crate) fn next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.http.next(answers);
    }

    /// What the channels show.
    pub(crate) fn messages(&self) -> Vec<Message> {
        lock(&self.workspace).messages.clone()
    }

    /// Everything that was asked, refused things too.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.http.requests()
    }

    /// Waits until `count` requests have come; fails the test when that takes longer than `within`.
    pub(crate) fn wait_for(&self, count: usize, within: Duration) -> Vec<Request> {
        self.http.wait_for(count, within)
    }
}

fn lock(workspace: &Mutex<Workspace>) -> MutexGuard<'_, Workspace> {
    workspace.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Workspace {
    fn answer(&mut self, request: &Request) -> Answer {
        if request.path.starts_with("/services/") {
            return match self.incoming(request) {
                Ok(()) => Answer::new(200, "ok"),
                Err((status, error)) => Answer::new(status, error),
            };
        }
        let reply = match request.path.as_str() {
            "/api/chat.postMessage" => self.post(request),
            "/api/chat.update" => self.update(request),
            _ => Err("unknown_method"),
        };
        Answer::json(&reply.unwrap_or_else(|error| json!({"ok": false, "error": error})))
    }

    fn incoming(&mut self, request: &Request) -> Result<(), (u16, &'static str)> {
        if request.method != "POST" {
            return Err((400, "invalid_payload"));
        }
        let channel = self.webhooks.get(&request.path).cloned().ok_or((404, "no_service"))?;
        let body = object(&request.body).ok_or((400, "invalid_payload"))?;
        if self.channels.get(&channel) == Some(&Channel::Archived) {
            return Err((410, "channel_is_archived"));
        }
        // Nobody can know a `ts` here, so whoever sends one mistakes a webhook for a bot.
        if body.contains_key("ts") || body.contains_key("thread_ts") {
            return Err((400, "invalid_payload"));
        }
        content(&body).map_err(|error| (400, error))?;
        self.show(channel, body);
        Ok(())
    }

    fn post(&mut self, request: &Request) -> Result<Value, &'static str> {
        let body = call(request)?;
        let channel = self.channel(&body, true)?;
        content(&body)?;
        let message = self.show(channel, body);
        Ok(json!({"ok": true, "channel": id(&message.channel), "ts": message.ts, "message": message.body}))
    }

    fn update(&mut self, request: &Request) -> Result<Value, &'static str> {
        let body = call(request)?;
        let channel = self.channel(&body, false)?;
        content(&body)?;
        let ts = body.get("ts").and_then(Value::as_str).ok_or("invalid_arguments")?.to_owned();
        let message = self.messages.iter_mut().find(|m| m.channel == channel && m.ts == ts);
        let message = message.ok_or("message_not_found")?;
        message.body = Value::Object(body);
        message.edits += 1;
        Ok(json!({"ok": true, "channel": id(&channel), "ts": ts, "message": message.body}))
    }

    /// The channel that a call means, by id or, where that is allowed, by name.
    fn channel(&self, body: &Map<String, Value>, by_name: bool) -> Result<String, &'static str> {
        let wanted = body.get("channel").and_then(Value::as_str).unwrap_or_default();
        let means = |name: &str| {
            wanted == id(name) || by_name && name.trim_start_matches('#') == wanted.trim_start_matches('#')
        };
        let (name, state) = self.channels.iter().find(|(name, _)| means(name)).ok_or("channel_not_found")?;
        match state {
            Channel::Open => Ok(name.clone()),
            Channel::Archived => Err("is_archived"),
            Channel::Foreign => Err("not_in_channel"),
        }
    }

    fn show(&mut self, channel: String, body: Map<String, Value>) -> Message {
        let ts = format!("1764100000.{:06}", self.messages.len() + 1);
        let message = Message { channel, ts, body: Value::Object(body), edits: 0 };
        self.messages.push(message.clone());
        message
    }
}

/// The arguments of a call by a bot.
fn call(request: &Request) -> Result<Map<String, Value>, &'static str> {
    let token = request.header("authorization").ok_or("not_authed")?;
    if token != format!("Bearer {TOKEN}") {
        return Err("invalid_auth");
    }
    if request.method != "POST"
        || !request.header("content-type").is_some_and(|t| t.starts_with("application/json"))
    {
        return Err("invalid_form_data");
    }
    object(&request.body).ok_or("invalid_json")
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// Whether there is something to show, and not too much.
fn content(body: &Map<String, Value>) -> Result<(), &'static str> {
    let text = match body.get("text") {
        None => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err("invalid_arguments"),
    };
    let list = |name: &str| match body.get(name) {
        None => Ok(&[][..]),
        Some(Value::Array(list)) if list.iter().all(Value::is_object) => Ok(list.as_slice()),
        Some(_) => Err("invalid_arguments"),
    };
    let (attachments, blocks) = (list("attachments")?, list("blocks")?);
    if attachments.len() > ATTACHMENTS_MAX {
        return Err("too_many_attachments");
    }
    if text.chars().count() > TEXT_MAX {
        return Err("msg_too_long");
    }
    let says = |a: &Value| {
        let filled = |key| a.get(key).and_then(Value::as_str).is_some_and(|t| !t.is_empty());
        ["text", "title", "pretext", "fallback"].into_iter().any(filled) || a.get("fields").is_some()
    };
    if text.is_empty() && blocks.is_empty() && !attachments.iter().any(says) {
        return Err("no_text");
    }
    Ok(())
}

/// A channel's id, from its name.
pub(crate) fn id(channel: &str) -> String {
    let name: String = channel.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("C{}", name.to_ascii_uppercase())
}
