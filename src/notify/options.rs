//! What each integration needs to know. `config` reads files into these types; texts are templates as written
//! (spec alertmanager §1.6), already checked to parse.

use std::{collections::BTreeMap, sync::Arc};

use botwatch_core::{alerting::IntegrationId, model::Duration, template::Templates};

use crate::net::{Auth, HttpOptions, OAuth2, SecretSource, TlsOptions};

/// Everything that can be told, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// By identity, as in `alerting::Options::receivers`.
    pub integrations: BTreeMap<IntegrationId, Integration>,
    /// The built-in templates and those of the template files.
    pub templates: Arc<Templates>,
    /// Where people reach this botwatch, without a slash at the end.
    pub external_url: Arc<str>,
}

/// One integration.
#[derive(Debug, Clone)]
pub enum Integration {
    /// A webhook.
    Webhook(Box<WebhookOptions>),
    /// E-mail.
    Email(Box<EmailOptions>),
    /// Slack.
    Slack(Box<SlackOptions>),
}

/// An address that is a secret: in place (a template if it has `{{`), or in a file that is read on each use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlSource(pub SecretSource);

/// A webhook (Alertmanager's payload version 4).
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// Where to.
    pub url: UrlSource,
    /// Alerts in one message at most; 0: all. The rest is counted in `truncatedAlerts`.
    pub max_alerts: usize,
    /// Whether the payload has the object `botwatch`.
    pub botwatch_object: bool,
    /// The HTTP client.
    pub http: HttpOptions,
}

/// E-mail to one list of recipients.
#[derive(Debug, Clone, PartialEq)]
pub struct EmailOptions {
    /// Recipients; a template, addresses between commas or semicolons. What is no address is left out and told.
    pub to: Arc<str>,
    /// Sender; a template.
    pub from: Arc<str>,
    /// The SMTP server.
    pub host: Arc<str>,
    /// Its port.
    pub port: u16,
    /// The name we give it (`EHLO`).
    pub hello: Arc<str>,
    /// How we log in.
    pub auth: EmailAuth,
    /// Whether and how the connection is encrypted.
    pub tls_mode: EmailTls,
    /// Certificates.
    pub tls: TlsOptions,
    /// Further headers; templates. `Subject`, `To`, `From` may be among them and win. Names as written.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// The HTML part; a template. Empty: no HTML part.
    pub html: Arc<str>,
    /// The text part; a template. Empty: no text part.
    pub text: Arc<str>,
}

/// How we log in to an SMTP server.
#[derive(Debug, Clone, PartialEq)]
pub enum EmailAuth {
    /// Not.
    None,
    /// PLAIN, LOGIN or CRAM-MD5, whichever the server offers first and we have the secrets for (spec alertmanager
    /// §1.6 e-mail).
    Password {
        /// User name.
        username: Arc<str>,
        /// For PLAIN and LOGIN.
        password: Option<SecretSource>,
        /// For CRAM-MD5.
        secret: Option<SecretSource>,
        /// Identity of PLAIN; often empty.
        identity: Arc<str>,
    },
    /// XOAUTH2.
    XOAuth2 {
        /// The mailbox.
        username: Arc<str>,
        /// How a token is got.
        oauth2: Box<OAuth2>,
    },
}

/// How the connection to an SMTP server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailTls {
    /// From the first byte (port 465, or set).
    Implicit,
    /// STARTTLS, and nothing is sent without (`require_tls`).
    StartTls,
    /// STARTTLS where the server offers it.
    Opportunistic,
}

/// Where a Slack message goes.
#[derive(Debug, Clone)]
pub enum SlackAddress {
    /// An app's incoming webhook, bound to its channel.
    Webhook(UrlSource),
    /// A bot.
    Bot {
        /// Its token, sent as a bearer token.
        token: SecretSource,
        /// `https://slack.com/api/chat.postMessage` unless set.
        url: Arc<str>,
    },
}

/// A Slack channel. All texts are templates; `config` fills in defaults.
#[derive(Debug, Clone)]
pub struct SlackOptions {
    /// Where to.
    pub address: SlackAddress,
    /// The channel; may be empty with a webhook.
    pub channel: Arc<str>,
    /// Sender's name.
    pub username: Arc<str>,
    /// Colour of the bar.
    pub color: Arc<str>,
    /// Title.
    pub title: Arc<str>,
    /// Where the title leads.
    pub title_link: Arc<str>,
    /// Above the attachment's text.
    pub pretext: Arc<str>,
    /// The attachment's text.
    pub text: Arc<str>,
    /// Text of the message itself, above the attachment.
    pub message_text: Arc<str>,
    /// Short facts.
    pub fields: Vec<SlackField>,
    /// Whether facts stand side by side unless they say otherwise.
    pub short_fields: bool,
    /// Footer.
    pub footer: Arc<str>,
    /// Plain summary.
    pub fallback: Arc<str>,
    /// Callback id.
    pub callback_id: Arc<str>,
    /// Emoji of the sender.
    pub icon_emoji: Arc<str>,
    /// Picture of the sender.
    pub icon_url: Arc<str>,
    /// Picture below.
    pub image_url: Arc<str>,
    /// Small picture.
    pub thumb_url: Arc<str>,
    /// Whether names are linked.
    pub link_names: bool,
    /// Parts that are Markdown.
    pub mrkdwn_in: Vec<Arc<str>>,
    /// Buttons.
    pub actions: Vec<SlackAction>,
    /// Whether one message per group is kept up to date (bot only).
    pub update_message: bool,
    /// The HTTP client. Its `auth` is not used with a bot's token.
    pub http: HttpOptions,
}

/// A short fact in a Slack message.
#[derive(Debug, Clone, PartialEq)]
pub struct SlackField {
    /// A template.
    pub title: Arc<str>,
    /// A template.
    pub value: Arc<str>,
    /// Whether it stands beside another; `None`: as `short_fields`.
    pub short: Option<bool>,
}

/// A button in a Slack message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SlackAction {
    /// A template.
    pub kind: Arc<str>,
    /// A template.
    pub text: Arc<str>,
    /// A template.
    pub url: Arc<str>,
    /// A template.
    pub style: Arc<str>,
    /// A template.
    pub name: Arc<str>,
    /// A template.
    pub value: Arc<str>,
    /// Asks before it acts.
    pub confirm: Option<SlackConfirm>,
}

/// The question that a button asks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SlackConfirm {
    /// A template.
    pub text: Arc<str>,
    /// A template.
    pub title: Arc<str>,
    /// A template.
    pub ok_text: Arc<str>,
    /// A template.
    pub dismiss_text: Arc<str>,
}

impl SlackOptions {
    /// Whether the client's own `authorization` is replaced by a bot's token.
    pub fn uses_own_auth(&self) -> bool {
        matches!(self.address, SlackAddress::Webhook(_)) && self.http.auth != Auth::None
    }
}

impl Integration {
    /// As in an [`IntegrationId`].
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Email(_) => "email",
            Self::Slack(_) => "slack",
        }
    }
}

/// How far back the chart in an e-mail goes.
pub const COURSE_BACK: Duration = Duration::from_secs(3600);
