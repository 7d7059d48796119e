//! The inbox: what arrives in place of a mail server, Slack and a webhook, as files to look at.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use http::{Method, StatusCode, request};
use parking_lot::Mutex;
use serde_json::Value;

use super::http::{Answer, Handler, answer};

/// Files at most: whoever plays longer than that starts anew.
const FILES_MAX: u32 = 500;
/// Characters of a title in a file's name.
const SLUG_MAX: usize = 60;
/// Characters of a title that are kept.
const TITLE_MAX: usize = 300;

/// Where something arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Channel {
    Email,
    Slack,
    Webhook,
}

impl Channel {
    pub(super) const ALL: [Self; 3] = [Self::Email, Self::Slack, Self::Webhook];

    /// As integrations are called.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Slack => "slack",
            Self::Webhook => "webhook",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Email => "e-mail",
            Self::Slack => "Slack",
            Self::Webhook => "webhook",
        })
    }
}

/// Something arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) channel: Channel,
    /// The file's name in the inbox.
    pub(super) file: String,
    /// Whether it says that all is over.
    pub(super) resolved: bool,
}

/// Why something isn't taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// There are enough files.
    Full,
    /// It can't be written.
    File,
}

/// The inbox. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Inbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    files: u32,
    /// Not told yet; no more than there are files.
    arrived: Vec<Arrival>,
}

impl Inbox {
    /// In a new directory.
    ///
    /// # Errors
    /// When it can't be made.
    pub(super) fn new(dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir(&dir)?;
        Ok(Self(Arc::new(Shared { dir, state: Mutex::default() })))
    }

    /// Where its files are.
    pub(super) fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// What arrived since it was last asked.
    pub(super) fn arrived(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.0.state.lock().arrived)
    }

    /// Keeps something. Blocks for a small file.
    pub(super) fn put(
        &self,
        channel: Channel,
        title: &str,
        resolved: bool,
        content: &[u8],
    ) -> Result<(), Refused> {
        let mut state = self.0.state.lock();
        if state.files >= FILES_MAX {
            return Err(Refused::Full);
        }
        let title: String = title.chars().take(TITLE_MAX).collect();
        let slug = slug(&title);
        let number = state.files + 1;
        let file = match channel {
            Channel::Email => format!("{number:03}-{slug}.eml"),
            _ => format!("{number:03}-{}-{slug}.json", channel.kind()),
        };
        std::fs::write(self.0.dir.join(&file), content).map_err(|_| Refused::File)?;
        state.files = number;
        state.arrived.push(Arrival { channel, file, resolved });
        Ok(())
    }

    /// Answers as Slack's webhooks do below `/slack/`, and as any webhook at `/webhook`.
    pub(super) fn handler(&self) -> Handler {
        let inbox = self.clone();
        Arc::new(move |asked, body| inbox.take(asked, &body))
    }

    fn take(&self, asked: &request::Parts, body: &Bytes) -> Answer {
        let path = asked.uri.path();
        let channel = match path {
            "/webhook" => Channel::Webhook,
            _ if path.starts_with("/slack/") => Channel::Slack,
            _ => return plain(StatusCode::NOT_FOUND, "no_such_path"),
        };
        if asked.method != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "post_only");
        }
        let Ok(message) = serde_json::from_slice::<Value>(body) else {
            return plain(StatusCode::BAD_REQUEST, "invalid_payload");
        };
        let Some((title, resolved)) = read(channel, &message) else {
            return plain(
                StatusCode::BAD_REQUEST,
                if channel == Channel::Slack { "no_text" } else { "no_status" },
            );
        };
        let Ok(pretty) = serde_json::to_vec_pretty(&message) else {
            return plain(StatusCode::BAD_REQUEST, "invalid_payload");
        };
        match self.put(channel, &title, resolved, &pretty) {
            Ok(()) => plain(StatusCode::OK, "ok"),
            Err(Refused::Full) => plain(StatusCode::INSUFFICIENT_STORAGE, "inbox_full"),
            Err(Refused::File) => plain(StatusCode::INTERNAL_SERVER_ERROR, "disk"),
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Answer {
    answer(status, "text/plain; charset=utf-8", Bytes::from_static(text.as_bytes()))
}

/// A message's title, and whether it says that all is over; `None` when it is no message of its kind.
fn read(channel: Channel, message: &Value) -> Option<(String, bool)> {
    if channel == Channel::Webhook {
        let status = message["status"].as_str()?;
        let group: Vec<&str> = message["groupLabels"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, v)| v.as_str())
            .collect();
        return Some((format!("{status} {}", group.join(" ")), status == "resolved"));
    }
    let attachment = message["attachments"].get(0);
    let title = attachment
        .and_then(|a| a["title"].as_str().or_else(|| a["fallback"].as_str()))
        .or_else(|| message["text"].as_str())
        .filter(|title| !title.is_empty())?;
    let is_good = attachment.is_some_and(|a| a["color"] == "good");
    Some((title.to_owned(), is_good || is_resolved(title)))
}

/// Whether the title of a message says that all is over.
pub(super) fn is_resolved(title: &str) -> bool {
    title.starts_with("[RESOLVED")
}

/// A title as part of a file's name: `[FIRING:1] paper-bot (a)` is `firing-1-paper-bot`.
fn slug(title: &str) -> String {
    let mut slug = String::new();
    for c in title.split('(').next().unwrap_or_default().chars() {
        if slug.len() >= SLUG_MAX {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    match slug.trim_end_matches('-') {
        "" => "message".to_owned(),
        slug => slug.to_owned(),
    }
}
