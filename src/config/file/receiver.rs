//! Receivers and their integrations: webhook, e-mail, Slack (spec alertmanager §1.6).

use std::sync::Arc;

use botwatch_core::{
    diag::Span,
    model::Secret,
    yaml::{Node, Reader},
};

use super::{Http, Tls, global::check_smarthost};
use crate::config::value::{
    At, GoDuration, Out, Pairs, Read, SecretUrl, Show, Url, exclusive, place, section,
};

section! {
    /// Who can be told: a name and any number of integrations.
    pub struct Receiver("a receiver", "receivers[]", named "receiver" by "name", check Receiver::check) {
        /// Its name, by which routes refer to it.
        name: At<Arc<str>>,
        /// Labels for messages; `name` is added.
        labels: Pairs,
        /// Webhooks.
        webhook_configs: Vec<Webhook>,
        /// E-mails.
        email_configs: Vec<Email>,
        /// Slack channels.
        slack_configs: Vec<Slack>,
    }
}

impl Receiver {
    fn check(&self, reader: &mut Reader, span: Span) {
        if self.name.as_ref().map_or(self.lacks(&["name"]), |n| n.is_empty()) {
            let d = reader.error("missing-key", "a receiver has no `name`", span);
            reader.report(d.label("`name` is needed here"));
        }
        let label = self.labels.iter().flat_map(|l| &l.0).find(|(name, _)| &*name.value == "name");
        if let (Some((_, value)), Some(name)) = (label, &self.name)
            && value.value != name.value
        {
            let d = value.error("conflict", "the label `name` differs from the receiver's name");
            reader.report(d.label(format!("expected `{}`", name.value)));
        }
    }
}

section! {
    /// How a failed delivery is tried again.
    pub struct Retry("`retry`", "retry") {
        /// Attempts in the first round, at least one.
        attempts: At<u64>,
    }
}

/// The keys that every integration has besides its own.
macro_rules! integration {
    (
        $(#[$doc:meta])*
        pub struct $name:ident($what:literal, $path:literal, check $check:path) {
            $($(#[$fdoc:meta])* $field:ident $(as $key:literal)? : $ty:ty,)*
        }
    ) => {
        section! {
            $(#[$doc])*
            pub struct $name($what, $path, check $check) {
                /// Its own name, so that its history survives a change of address.
                name: At<Arc<str>>,
                /// Whether it is told when an alert ends.
                send_resolved: At<bool>,
                /// The receiver to tell when this one can't be told.
                fallback_receiver: At<Arc<str>>,
                /// How failed deliveries are tried again.
                retry: Retry,
                $($(#[$fdoc])* $field $(as $key)? : $ty,)*
            }
        }
    };
}

integration! {
    /// A webhook.
    pub struct Webhook("a webhook", "webhook_configs[]", check Webhook::check) {
        /// Where to post; a template when it has `{{`.
        url: At<TemplateUrl>,
        /// A file with the address, read on each use.
        url_file: At<Arc<str>>,
        /// Alerts in one message at most; 0 for all.
        max_alerts: At<u64>,
        /// How long one attempt may take.
        timeout: At<GoDuration>,
        /// Whether the payload has the object `botwatch`.
        botwatch_object: At<bool>,
        /// The HTTP client.
        http_config: Http,
    }
}

/// The address of a webhook: secret, and possibly a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateUrl(pub Secret);

impl Read for TemplateUrl {
    fn read(reader: &mut Reader, node: &Node) -> Option<Self> {
        if let Some(scalar) = node.as_scalar().filter(|s| s.text.contains("{{")) {
            return Some(Self(Secret::new(&*scalar.text)));
        }
        SecretUrl::read(reader, node).map(|url| Self(url.0))
    }
}

impl Show for TemplateUrl {
    fn show(&self) -> Option<Out> {
        self.0.show()
    }
}

integration! {
    /// E-mails to one list of recipients.
    pub struct Email("an e-mail", "email_configs[]", check Email::check) {
        /// Recipients, separated by commas; a template.
        to: At<Arc<str>>,
        /// The sender; a template.
        from: At<Arc<str>>,
        /// The name given to the SMTP server.
        hello: At<Arc<str>>,
        /// The SMTP server, `host:port`.
        smarthost: At<Arc<str>>,
        /// The name to log in with.
        auth_username: At<Arc<str>>,
        /// The password.
        auth_password: At<Secret>,
        /// A file with the password.
        auth_password_file: At<Arc<str>>,
        /// The secret of CRAM-MD5.
        auth_secret: At<Secret>,
        /// A file with the secret of CRAM-MD5.
        auth_secret_file: At<Arc<str>>,
        /// The identity of PLAIN.
        auth_identity: At<Arc<str>>,
        /// Log in with OAuth 2 in place of a password.
        auth_oauth2: XOAuth2,
        /// Headers; templates.
        headers: Pairs,
        /// The HTML part; a template.
        html: At<Arc<str>>,
        /// The text part; a template.
        text: At<Arc<str>>,
        /// Whether an unencrypted connection is refused.
        require_tls: At<bool>,
        /// TLS to the SMTP server.
        tls_config: Tls,
        /// TLS from the first byte.
        force_implicit_tls: At<bool>,
    }
}

section! {
    /// Access to a mailbox by OAuth 2 (the SASL mechanism XOAUTH2) with a refresh token.
    pub struct XOAuth2("`auth_oauth2`", "auth_oauth2", check XOAuth2::check) {
        /// The application.
        client_id: At<Arc<str>>,
        /// Its secret.
        client_secret: At<Secret>,
        /// A file with its secret.
        client_secret_file: At<Arc<str>>,
        /// What access tokens are asked for with.
        refresh_token: At<Secret>,
        /// A file with it.
        refresh_token_file: At<Arc<str>>,
        /// Where access tokens are asked for.
        token_url: At<Url>,
        /// What is asked for.
        scopes: Vec<At<Arc<str>>>,
    }
}

integration! {
    /// A Slack channel.
    pub struct Slack("a Slack channel", "slack_configs[]", check Slack::check) {
        /// The incoming webhook.
        api_url: At<SecretUrl>,
        /// A file with it.
        api_url_file: At<Arc<str>>,
        /// A bot's token.
        app_token: At<Secret>,
        /// A file with it.
        app_token_file: At<Arc<str>>,
        /// Where a bot posts.
        app_url: At<Url>,
        /// The channel; a template.
        channel: At<Arc<str>>,
        /// The sender's name; a template.
        username: At<Arc<str>>,
        /// The bar's colour; a template.
        color: At<Arc<str>>,
        /// A template.
        title: At<Arc<str>>,
        /// A template.
        title_link: At<Arc<str>>,
        /// A template.
        pretext: At<Arc<str>>,
        /// A template.
        text: At<Arc<str>>,
        /// The text of the message itself, above the attachment; a template.
        message_text: At<Arc<str>>,
        /// Short facts.
        fields: Vec<SlackField>,
        /// Whether facts stand side by side.
        short_fields: At<bool>,
        /// A template.
        footer: At<Arc<str>>,
        /// The text for where attachments aren't shown; a template.
        fallback: At<Arc<str>>,
        /// A template.
        callback_id: At<Arc<str>>,
        /// A template.
        icon_emoji: At<Arc<str>>,
        /// A template.
        icon_url: At<Arc<str>>,
        /// A template.
        image_url: At<Arc<str>>,
        /// A template.
        thumb_url: At<Arc<str>>,
        /// Whether names are linked.
        link_names: At<bool>,
        /// Parts that are Markdown.
        mrkdwn_in: Vec<At<Arc<str>>>,
        /// Buttons.
        actions: Vec<SlackAction>,
        /// Whether one message per group is kept up to date.
        update_message: At<bool>,
        /// How long one attempt may take.
        timeout: At<GoDuration>,
        /// The HTTP client.
        http_config: Http,
    }
}

section! {
    /// A short fact in a Slack message.
    pub struct SlackField("a field", "slack.fields[]", check SlackField::check) {
        /// A template.
        title: At<Arc<str>>,
        /// A template.
        value: At<Arc<str>>,
        /// Whether it stands beside another.
        short: At<bool>,
    }
}

section! {
    /// A button in a Slack message.
    pub struct SlackAction("an action", "slack.actions[]", check SlackAction::check) {
        /// A template.
        r#type as "type": At<Arc<str>>,
        /// A template.
        text: At<Arc<str>>,
        /// A template.
        url: At<Arc<str>>,
        /// A template.
        style: At<Arc<str>>,
        /// A template.
        name: At<Arc<str>>,
        /// A template.
        value: At<Arc<str>>,
        /// Asks before it acts.
        confirm: SlackConfirm,
    }
}

section! {
    /// The question that a button asks.
    pub struct SlackConfirm("`confirm`", "slack.confirm", check SlackConfirm::check) {
        /// A template.
        text: At<Arc<str>>,
        /// A template.
        title: At<Arc<str>>,
        /// A template.
        ok_text: At<Arc<str>>,
        /// A template.
        dismiss_text: At<Arc<str>>,
    }
}

/// Reports a needed key that is missing or empty; `given` are the keys that were written.
fn needed(
    reader: &mut Reader,
    what: &str,
    key: &str,
    (value, given): (&Option<At<Arc<str>>>, &[&str]),
    span: Span,
) {
    if value.as_ref().map_or(!given.contains(&key), |v| v.is_empty()) {
        let d = reader.error("missing-key", format!("{what} has no `{key}`"), span);
        reader.report(d.label(format!("`{key}` is needed here")));
    }
}

impl Webhook {
    fn check(&self, reader: &mut Reader, span: Span) {
        exclusive(reader, ("url", &self.url), ("url_file", &self.url_file));
        if self.lacks(&["url", "url_file"]) {
            let d = reader.error("missing-key", "a webhook has no `url`", span);
            reader.report(d.label("`url` or `url_file` is needed here"));
        }
    }
}

impl Email {
    fn check(&self, reader: &mut Reader, span: Span) {
        needed(reader, "an e-mail", "to", (&self.to, &self.given), span);
        if let Some(host) = &self.smarthost {
            check_smarthost(reader, host);
        }
        exclusive(
            reader,
            ("auth_password", &self.auth_password),
            ("auth_password_file", &self.auth_password_file),
        );
        exclusive(reader, ("auth_secret", &self.auth_secret), ("auth_secret_file", &self.auth_secret_file));
        let mut seen: Vec<String> = Vec::new();
        for (name, _) in self.headers.iter().flat_map(|h| &h.0) {
            let lower = name.to_ascii_lowercase();
            if seen.contains(&lower) {
                let d = name.error("conflict", format!("the header `{}` is given twice", name.value));
                reader.report(d.label("header names are the same in upper and lower case"));
            }
            seen.push(lower);
        }
    }
}

impl XOAuth2 {
    fn check(&self, reader: &mut Reader, span: Span) {
        needed(reader, "`auth_oauth2`", "client_id", (&self.client_id, &self.given), span);
        exclusive(
            reader,
            ("client_secret", &self.client_secret),
            ("client_secret_file", &self.client_secret_file),
        );
        exclusive(
            reader,
            ("refresh_token", &self.refresh_token),
            ("refresh_token_file", &self.refresh_token_file),
        );
        if self.lacks(&["refresh_token", "refresh_token_file"]) {
            let d = reader.error("missing-key", "`auth_oauth2` has no `refresh_token`", span);
            reader.report(d.label("`refresh_token` or `refresh_token_file` is needed here"));
        }
        if self.lacks(&["token_url"]) {
            let d = reader.error("missing-key", "`auth_oauth2` has no `token_url`", span);
            reader.report(
                d.label("`token_url` is needed here").hint("Google: https://oauth2.googleapis.com/token"),
            );
        }
    }
}

impl Slack {
    fn check(&self, reader: &mut Reader, _: Span) {
        exclusive(reader, ("api_url", &self.api_url), ("api_url_file", &self.api_url_file));
        exclusive(reader, ("app_token", &self.app_token), ("app_token_file", &self.app_token_file));
        let url = place(&self.api_url).or_else(|| place(&self.api_url_file));
        let token = place(&self.app_token).or_else(|| place(&self.app_token_file));
        if let (Some(_), Some(token)) = (url, token) {
            let d = token.error("conflict", "an incoming webhook and a bot's token exclude each other");
            reader.report(d.label("`api_url` or `app_token`, not both"));
        }
        let authorization = self.http_config.as_ref().and_then(|h| h.authorization.as_ref()?.place.as_ref());
        if let (Some(_), Some(place)) = (token, authorization) {
            let d = place.error("conflict", "`app_token` and `authorization` exclude each other");
            reader.report(d.label("the token is sent in this header"));
        }
    }
}

impl SlackField {
    fn check(&self, reader: &mut Reader, span: Span) {
        needed(reader, "a field", "title", (&self.title, &self.given), span);
        needed(reader, "a field", "value", (&self.value, &self.given), span);
    }
}

impl SlackAction {
    fn check(&self, reader: &mut Reader, span: Span) {
        needed(reader, "an action", "type", (&self.r#type, &self.given), span);
        needed(reader, "an action", "text", (&self.text, &self.given), span);
        if self.lacks(&["url"]) {
            needed(reader, "an action without `url`", "name", (&self.name, &self.given), span);
        }
    }
}

impl SlackConfirm {
    fn check(&self, reader: &mut Reader, span: Span) {
        needed(reader, "`confirm`", "text", (&self.text, &self.given), span);
    }
}
