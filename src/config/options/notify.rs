//! What each integration needs to know: globals inherited, texts with their defaults (spec alertmanager §1.1, §1.6).

use std::sync::Arc;

use botwatch_core::template::Templates;

use super::{
    Context,
    addresses::{self, Expected},
    http::{http, secret, tls, xoauth2},
    integrations::{Built, nothing},
    or, templates, text,
};
use crate::{
    config::{
        file::{Email, Global, Http, SLACK_APP_URL, Slack, Webhook, split_smarthost},
        value::At,
    },
    net::{HttpOptions, SecretSource},
    notify::{
        EmailAuth, EmailOptions, EmailTls, Options, SlackAction, SlackAddress, SlackConfirm, SlackField,
        SlackOptions, UrlSource, WebhookOptions,
    },
};

/// The parts of a Slack message that are Markdown unless set (spec alertmanager §1.6).
const MARKDOWN_IN: [&str; 3] = ["fallback", "pretext", "text"];
/// The port on which TLS begins with the first byte.
const SMTPS: u16 = 465;

pub(super) fn options(built: Vec<Built>, templates: Arc<Templates>, external_url: Arc<str>) -> Options {
    let integrations = built.into_iter().map(|b| (b.options.id, b.integration)).collect();
    Options { integrations, templates, external_url }
}

/// Takes texts of one receiver, each checked to be a template that parses.
pub(super) struct Texts<'t> {
    pub templates: &'t Templates,
    /// Whose texts they are, for messages.
    pub of: String,
}

impl Texts<'_> {
    fn take(
        &self,
        context: &mut Context<'_>,
        key: &str,
        at: Option<&At<Arc<str>>>,
        default: &str,
    ) -> Arc<str> {
        let Some(at) = at else { return default.into() };
        templates::check(self.templates, at, key, &self.of, &mut context.found);
        Arc::clone(&at.value)
    }
}

fn client(context: &Context<'_>, own: Option<&Http>, global: &Global) -> HttpOptions {
    // A section of its own replaces the global one as a whole (spec alertmanager §1.8 conf.http-config.good).
    http(own.or(global.http_config.as_ref()), context.env)
}

pub(super) fn webhook(
    context: &mut Context<'_>,
    texts: &mut Texts<'_>,
    section: &Webhook,
    own: bool,
) -> WebhookOptions {
    let global = context.global();
    let url = section.url.as_ref().map(|u| At { value: u.value.0.clone(), place: u.place.clone() });
    if let Some(url) = url.as_ref().filter(|u| u.value.reveal().contains("{{")) {
        let shown = At { value: Arc::from(url.value.reveal()), place: url.place.clone() };
        texts.take(context, "url", Some(&shown), "");
    }
    WebhookOptions {
        url: UrlSource(secret(url.as_ref(), section.url_file.as_ref()).unwrap_or_else(nothing)),
        max_alerts: super::size(section.max_alerts.as_ref()),
        botwatch_object: or(section.botwatch_object.as_ref(), own),
        http: client(context, section.http_config.as_ref(), &global),
    }
}

pub(super) fn email(
    context: &mut Context<'_>,
    texts: &mut Texts<'_>,
    section: &Email,
    own: bool,
) -> EmailOptions {
    let global = context.global();
    let smarthost = section.smarthost.as_ref().or(global.smtp_smarthost.as_ref());
    let (host, port) = smarthost.and_then(|s| split_smarthost(s).ok()).unwrap_or_default();
    let headers = headers(context, texts, section);
    let from = section.from.as_ref().or(global.smtp_from.as_ref());
    addresses::check(section.to.as_ref(), Expected::Several, &texts.of, &mut context.found);
    addresses::check(from, Expected::One, &texts.of, &mut context.found);
    EmailOptions {
        to: texts.take(context, "to", section.to.as_ref(), ""),
        from: texts.take(context, "from", from, ""),
        host: host.into(),
        port,
        hello: or(section.hello.as_ref().or(global.smtp_hello.as_ref()), "localhost".into()),
        auth: email_auth(section, &global),
        tls_mode: email_tls(section, &global, port),
        tls: tls(section.tls_config.as_ref().or(global.smtp_tls_config.as_ref())),
        headers,
        html: texts.take(context, "html", section.html.as_ref(), r#"{{ template "email.default.html" . }}"#),
        text: texts.take(
            context,
            "text",
            section.text.as_ref(),
            if own { r#"{{ template "email.default.text" . }}"# } else { "" },
        ),
    }
}

fn headers(context: &mut Context<'_>, texts: &mut Texts<'_>, section: &Email) -> Vec<(Arc<str>, Arc<str>)> {
    let mut headers = Vec::new();
    for (name, value) in section.headers.iter().flat_map(|h| &h.0) {
        headers.push((Arc::clone(&name.value), texts.take(context, &name.value, Some(value), "")));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("subject")) {
        headers.push(("Subject".into(), r#"{{ template "email.default.subject" . }}"#.into()));
    }
    headers
}

fn email_tls(section: &Email, global: &Global, port: u16) -> EmailTls {
    let implicit = section.force_implicit_tls.as_ref().or(global.smtp_force_implicit_tls.as_ref());
    if or(implicit, port == SMTPS) {
        EmailTls::Implicit
    } else if or(section.require_tls.as_ref().or(global.smtp_require_tls.as_ref()), true) {
        EmailTls::StartTls
    } else {
        EmailTls::Opportunistic
    }
}

/// Password and secret are inherited only where both of a pair are absent (spec alertmanager §1.6 e-mail).
fn email_auth(section: &Email, global: &Global) -> EmailAuth {
    let username = text(section.auth_username.as_ref().or(global.smtp_auth_username.as_ref()));
    if let Some(oauth2) = &section.auth_oauth2 {
        return EmailAuth::XOAuth2 { username, oauth2: Box::new(xoauth2(oauth2)) };
    }
    if username.is_empty() {
        return EmailAuth::None;
    }
    EmailAuth::Password {
        username,
        password: secret(section.auth_password.as_ref(), section.auth_password_file.as_ref())
            .or_else(|| secret(global.smtp_auth_password.as_ref(), global.smtp_auth_password_file.as_ref())),
        secret: secret(section.auth_secret.as_ref(), section.auth_secret_file.as_ref())
            .or_else(|| secret(global.smtp_auth_secret.as_ref(), global.smtp_auth_secret_file.as_ref())),
        identity: text(section.auth_identity.as_ref().or(global.smtp_auth_identity.as_ref())),
    }
}

fn slack_address(section: &Slack, global: &Global) -> SlackAddress {
    let app_url = section.app_url.as_ref().or(global.slack_app_url.as_ref());
    let bot = |token: SecretSource| SlackAddress::Bot {
        token,
        url: app_url.map_or(SLACK_APP_URL.into(), |u| Arc::clone(&u.value.0)),
    };
    let url = |at: Option<&At<crate::config::value::SecretUrl>>, file: Option<&At<Arc<str>>>| {
        let at = at.map(|u| At { value: u.value.0.clone(), place: u.place.clone() });
        secret(at.as_ref(), file).map(UrlSource)
    };
    if let Some(token) = secret(section.app_token.as_ref(), section.app_token_file.as_ref()) {
        return bot(token);
    }
    if let Some(url) = url(section.api_url.as_ref(), section.api_url_file.as_ref()) {
        return SlackAddress::Webhook(url);
    }
    if let Some(token) = secret(global.slack_app_token.as_ref(), global.slack_app_token_file.as_ref()) {
        return bot(token);
    }
    let inherited = url(global.slack_api_url.as_ref(), global.slack_api_url_file.as_ref());
    SlackAddress::Webhook(inherited.unwrap_or_else(|| UrlSource(nothing())))
}

/// Facts below a message; one without a value isn't shown.
const FACTS: [(&str, &str); 3] = [
    ("Severity", "{{ .CommonLabels.severity }}"),
    ("Type", "{{ .CommonLabels.category }}"),
    ("Bot", "{{ .CommonLabels.bot }}"),
];

/// Where the configuration is botwatch's own, a message says what happens, and its colour follows the severity.
pub(super) fn slack(
    context: &mut Context<'_>,
    texts: &mut Texts<'_>,
    section: &Slack,
    own: bool,
) -> SlackOptions {
    let global = context.global();
    let mut take = |key: &str, at: &Option<At<Arc<str>>>, default: &str| {
        let default = match default {
            "" => String::new(),
            "color" if own => String::new(),
            "title" | "text" | "fallback" if own => {
                format!("{{{{ template \"slack.botwatch.{default}\" . }}}}")
            }
            name => format!("{{{{ template \"slack.default.{name}\" . }}}}"),
        };
        texts.take(context, key, at.as_ref(), &default)
    };
    let fields = section.fields.iter().flatten().map(|f| SlackField {
        title: take("title", &f.title, ""),
        value: take("value", &f.value, ""),
        short: f.short.as_ref().map(|s| s.value),
    });
    let mut fields: Vec<SlackField> = fields.collect();
    if own && section.fields.is_none() {
        fields.extend(FACTS.map(|(title, value)| SlackField {
            title: title.into(),
            value: value.into(),
            short: Some(true),
        }));
    }
    let actions = section.actions.iter().flatten().map(|a| action(a, &mut take)).collect();
    SlackOptions {
        address: slack_address(section, &global),
        channel: take("channel", &section.channel, ""),
        username: take("username", &section.username, "username"),
        color: take("color", &section.color, "color"),
        title: take("title", &section.title, "title"),
        title_link: take("title_link", &section.title_link, "titlelink"),
        pretext: take("pretext", &section.pretext, "pretext"),
        text: take("text", &section.text, "text"),
        message_text: take("message_text", &section.message_text, ""),
        fields,
        short_fields: or(section.short_fields.as_ref(), false),
        footer: take("footer", &section.footer, "footer"),
        fallback: take("fallback", &section.fallback, "fallback"),
        callback_id: take("callback_id", &section.callback_id, "callbackid"),
        icon_emoji: take("icon_emoji", &section.icon_emoji, "iconemoji"),
        icon_url: take("icon_url", &section.icon_url, "iconurl"),
        image_url: take("image_url", &section.image_url, ""),
        thumb_url: take("thumb_url", &section.thumb_url, ""),
        link_names: or(section.link_names.as_ref(), false),
        mrkdwn_in: match &section.mrkdwn_in {
            Some(parts) => parts.iter().map(|p| Arc::clone(&p.value)).collect(),
            None => MARKDOWN_IN.map(Arc::from).to_vec(),
        },
        actions,
        update_message: or(section.update_message.as_ref(), false),
        http: client(context, section.http_config.as_ref(), &global),
    }
}

/// A button with a link has neither name nor value nor question (spec alertmanager §1.6).
fn action(
    a: &crate::config::file::SlackAction,
    take: &mut impl FnMut(&str, &Option<At<Arc<str>>>, &str) -> Arc<str>,
) -> SlackAction {
    let base = SlackAction {
        kind: take("type", &a.r#type, ""),
        text: take("text", &a.text, ""),
        url: take("url", &a.url, ""),
        style: take("style", &a.style, ""),
        ..SlackAction::default()
    };
    if !base.url.is_empty() {
        return base;
    }
    SlackAction {
        name: take("name", &a.name, ""),
        value: take("value", &a.value, ""),
        confirm: a.confirm.as_ref().map(|c| SlackConfirm {
            text: take("text", &c.text, ""),
            title: take("title", &c.title, ""),
            ok_text: take("ok_text", &c.ok_text, ""),
            dismiss_text: take("dismiss_text", &c.dismiss_text, ""),
        }),
        ..base
    }
}
