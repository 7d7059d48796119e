//! A Slack message: text, one attachment with the colour, fields, buttons.

use botwatch_core::template::{Data, Templates};
use serde::Serialize;

use super::super::{
    SlackAction, SlackConfirm, SlackField, SlackOptions, message,
    severity::{colour, worst},
};

/// Characters of a title (spec alertmanager §2.10).
const TITLE_MAX: usize = 1024;
/// Characters of the message's own text. Slack cuts at 40 000 and advises 4 000 (docs: chat.postMessage, "Truncating
/// content").
const MESSAGE_TEXT_MAX: usize = 4000;
/// Characters of the attachment's text: Slack refuses messages that are too long as a whole (`msg_too_long`), and
/// a page must get through.
const TEXT_MAX: usize = 8000;
/// Characters of a line above the attachment, of a summary, of a field.
const LINE_MAX: usize = 2000;
/// Characters of a footer (docs: secondary message attachments, `footer`).
const FOOTER_MAX: usize = 300;
/// Facts in one message.
const FIELDS_MAX: usize = 50;
/// Buttons of an attachment (docs: legacy message attachments, `actions`: at most five).
const ACTIONS_MAX: usize = 5;
/// Alerts named where a template failed.
const PLAIN_ALERTS_MAX: usize = 20;

/// A message as Slack takes it. What is empty is left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Message {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub channel: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_emoji: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    icon_url: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    link_names: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    text: String,
    attachments: [Attachment; 1],
    /// The channel as configured, while `channel` is that of the message to replace.
    #[serde(skip)]
    own_channel: String,
}

#[derive(Debug, Default, Serialize)]
struct Attachment {
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title_link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pretext: String,
    text: String,
    fallback: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    callback_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<Field>,
    #[serde(skip_serializing_if = "String::is_empty")]
    image_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thumb_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    footer: String,
    color: String,
    mrkdwn_in: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Action>,
}

#[derive(Debug, Serialize)]
struct Field {
    title: String,
    value: String,
    short: bool,
}

#[derive(Debug, Serialize)]
struct Action {
    #[serde(rename = "type")]
    kind: String,
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    style: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirm: Option<Confirm>,
}

#[derive(Debug, Serialize)]
struct Confirm {
    text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    title: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ok_text: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    dismiss_text: String,
}

/// The message to replace.
pub(super) struct Target {
    pub channel: String,
    pub ts: String,
}

impl Message {
    /// Replaces a message. Who says it can't be changed any more.
    pub(super) fn update(&mut self, target: Target) {
        self.own_channel = std::mem::replace(&mut self.channel, target.channel);
        self.ts = Some(target.ts);
    }

    /// Is a new message after all.
    pub(super) fn post_anew(&mut self) {
        self.channel = std::mem::take(&mut self.own_channel);
        self.ts = None;
    }
}

/// What came of the templates.
pub(super) struct Composed {
    /// The message; no message when it isn't known where to.
    pub message: Result<Message, String>,
    /// What failed, with the option's name. The message says the same in plain words instead: a page with an ugly
    /// text beats a page never (spec K-3 sends blanks).
    pub problems: Vec<String>,
}

/// A message from the options' templates.
pub(super) fn compose(options: &SlackOptions, data: &Data, templates: &Templates) -> Composed {
    let mut writer = Writer { data, templates, problems: Vec::new() };
    let channel = writer.text("channel", &options.channel);
    if let Some(problem) = writer.problems.first() {
        return Composed { message: Err(problem.clone()), problems: Vec::new() };
    }
    let attachment = writer.attachment(options);
    let mut message = Message {
        channel,
        username: writer.text("username", &options.username),
        icon_emoji: writer.text("icon_emoji", &options.icon_emoji),
        icon_url: writer.text("icon_url", &options.icon_url),
        link_names: options.link_names,
        text: message::truncate(writer.text("message_text", &options.message_text), MESSAGE_TEXT_MAX),
        attachments: [attachment],
        ..Message::default()
    };
    // Slack refuses a message without any text (`no_text`), whatever the templates meant.
    let blank = message.text.is_empty() && message.attachments[0].is_blank();
    if blank || !writer.problems.is_empty() {
        message.attachments[0].explain(data, &writer.problems);
    }
    Composed { message: Ok(message), problems: writer.problems }
}

struct Writer<'a> {
    data: &'a Data,
    templates: &'a Templates,
    problems: Vec<String>,
}

impl Writer<'_> {
    /// A text; empty when its template fails, which is noted.
    fn text(&mut self, option: &str, template: &str) -> String {
        match message::render(self.templates, template, self.data) {
            Ok(text) => text,
            Err(error) => {
                self.problems.push(format!("`{option}`: {error}"));
                String::new()
            }
        }
    }

    fn line(&mut self, option: &str, template: &str) -> String {
        message::truncate(self.text(option, template), LINE_MAX)
    }

    fn attachment(&mut self, o: &SlackOptions) -> Attachment {
        let written = self.text("color", &o.color);
        let resolved = self.data.alerts.iter().all(|a| a.ends_at.is_some());
        let severity = worst(self.data.alerts.iter().map(|a| &a.labels));
        let color = if written.is_empty() { colour(resolved, severity).to_owned() } else { written };
        let mrkdwn_in: Vec<String> = match o.mrkdwn_in.as_slice() {
            [] => ["fallback", "pretext", "text"].map(str::to_owned).into(),
            parts => parts.iter().map(ToString::to_string).collect(),
        };
        Attachment {
            title: message::truncate(self.text("title", &o.title), TITLE_MAX),
            title_link: self.text("title_link", &o.title_link),
            pretext: self.line("pretext", &o.pretext),
            text: message::truncate(self.text("text", &o.text), TEXT_MAX),
            fallback: self.line("fallback", &o.fallback),
            callback_id: self.text("callback_id", &o.callback_id),
            fields: self.fields(o),
            image_url: self.text("image_url", &o.image_url),
            thumb_url: self.text("thumb_url", &o.thumb_url),
            footer: message::truncate(self.text("footer", &o.footer), FOOTER_MAX),
            color,
            mrkdwn_in,
            actions: o.actions.iter().take(ACTIONS_MAX).map(|a| self.action(a)).collect(),
        }
    }

    /// Slack shows a fact without a value as a heading over nothing: it is left out.
    fn fields(&mut self, o: &SlackOptions) -> Vec<Field> {
        let fields = o.fields.iter().take(FIELDS_MAX).map(|f| self.field(f, o.short_fields));
        fields.filter(|f| !f.value.trim().is_empty()).collect()
    }

    fn field(&mut self, field: &SlackField, short: bool) -> Field {
        Field {
            title: self.line("fields.title", &field.title),
            value: self.line("fields.value", &field.value),
            short: field.short.unwrap_or(short),
        }
    }

    fn action(&mut self, a: &SlackAction) -> Action {
        let url = self.text("actions.url", &a.url);
        // A button that leads somewhere reports nothing (spec alertmanager §1.6).
        let leads = !url.is_empty();
        let unless_link = |text: String| if leads { String::new() } else { text };
        Action {
            kind: self.text("actions.type", &a.kind),
            text: self.text("actions.text", &a.text),
            style: self.text("actions.style", &a.style),
            name: unless_link(self.text("actions.name", &a.name)),
            value: unless_link(self.text("actions.value", &a.value)),
            confirm: a.confirm.as_ref().filter(|_| !leads).map(|c| self.confirm(c)),
            url,
        }
    }

    fn confirm(&mut self, c: &SlackConfirm) -> Confirm {
        Confirm {
            text: self.text("actions.confirm.text", &c.text),
            title: self.text("actions.confirm.title", &c.title),
            ok_text: self.text("actions.confirm.ok_text", &c.ok_text),
            dismiss_text: self.text("actions.confirm.dismiss_text", &c.dismiss_text),
        }
    }
}

impl Attachment {
    fn is_blank(&self) -> bool {
        let texts = [&self.title, &self.pretext, &self.text, &self.fallback];
        texts.iter().all(|t| t.trim().is_empty()) && self.fields.is_empty()
    }

    /// Says in plain words what the templates should have said.
    fn explain(&mut self, data: &Data, problems: &[String]) {
        let name = |labels: &botwatch_core::model::Labels| labels.value("alertname").to_owned();
        let firing = data.alerts.iter().filter(|a| a.ends_at.is_none()).count();
        let status = if firing > 0 { format!("FIRING:{firing}") } else { "RESOLVED".to_owned() };
        let plain = format!("[{status}] {}", name(&data.common_labels));
        for text in [&mut self.title, &mut self.fallback] {
            if text.trim().is_empty() {
                text.clone_from(&plain);
            }
        }
        if self.text.trim().is_empty() {
            let lines = data.alerts.iter().take(PLAIN_ALERTS_MAX).map(|a| {
                let status = if a.ends_at.is_some() { "resolved" } else { "firing" };
                let summary = a.annotations.value("summary");
                format!("{status}: {} {summary}", name(&a.labels)).trim_end().to_owned()
            });
            self.text = lines.collect::<Vec<_>>().join("\n");
        }
        if problems.is_empty() {
            return;
        }
        let note = format!("\n(A template of this message failed: {})", problems.join("; "));
        let text = std::mem::take(&mut self.text);
        let note = message::truncate(note, LINE_MAX);
        self.text = message::truncate(text, TEXT_MAX - LINE_MAX) + &note;
    }
}
