//! `global`: the union of Prometheus' and Alertmanager's.

use std::sync::Arc;

use botwatch_core::{
    diag::Span,
    model::{Duration, Secret},
    yaml::Reader,
};

use super::{Http, ScrapeProtocol, Tls};
use crate::config::value::{At, Bytes, Pairs, SecretUrl, Url, exclusive, over_zero, place, section};

section! {
    /// Defaults of both halves.
    pub struct Global("`global`", "global", check Global::check) {
        /// How often targets are scraped.
        scrape_interval: At<Duration>,
        /// How long a scrape may take.
        scrape_timeout: At<Duration>,
        /// Formats, best first.
        scrape_protocols: Vec<At<ScrapeProtocol>>,
        /// How often rules are evaluated.
        evaluation_interval: At<Duration>,
        /// How far back rules look, so that late samples are in.
        rule_query_offset: At<Duration>,
        /// Labels of everything that leaves.
        external_labels: Pairs,
        /// As of a job.
        body_size_limit: At<Bytes>,
        /// As of a job.
        sample_limit: At<u64>,
        /// As of a job.
        label_limit: At<u64>,
        /// As of a job.
        label_name_length_limit: At<u64>,
        /// As of a job.
        label_value_length_limit: At<u64>,
        /// As of a job.
        target_limit: At<u64>,
        /// As of a job.
        keep_dropped_targets: At<u64>,
        /// As of a job.
        extra_scrape_metrics: At<bool>,
        /// The lease of an alert that comes without an end.
        resolve_timeout: At<Duration>,
        /// The HTTP client of receivers that have none of their own.
        http_config: Http,
        /// The sender of e-mails.
        smtp_from: At<Arc<str>>,
        /// The name given to the SMTP server.
        smtp_hello: At<Arc<str>>,
        /// The SMTP server, `host:port`.
        smtp_smarthost: At<Arc<str>>,
        /// The name to log in with.
        smtp_auth_username: At<Arc<str>>,
        /// The password.
        smtp_auth_password: At<Secret>,
        /// A file with the password.
        smtp_auth_password_file: At<Arc<str>>,
        /// The secret of CRAM-MD5.
        smtp_auth_secret: At<Secret>,
        /// A file with the secret of CRAM-MD5.
        smtp_auth_secret_file: At<Arc<str>>,
        /// The identity of PLAIN.
        smtp_auth_identity: At<Arc<str>>,
        /// Whether an unencrypted connection is refused.
        smtp_require_tls: At<bool>,
        /// TLS to the SMTP server.
        smtp_tls_config: Tls,
        /// TLS from the first byte.
        smtp_force_implicit_tls: At<bool>,
        /// Slack's incoming webhook.
        slack_api_url: At<SecretUrl>,
        /// A file with it.
        slack_api_url_file: At<Arc<str>>,
        /// A bot's token.
        slack_app_token: At<Secret>,
        /// A file with it.
        slack_app_token_file: At<Arc<str>>,
        /// Where a bot posts.
        slack_app_url: At<Url>,
    }
}

impl Global {
    fn check(&self, reader: &mut Reader, _: Span) {
        exclusive(
            reader,
            ("smtp_auth_password", &self.smtp_auth_password),
            ("smtp_auth_password_file", &self.smtp_auth_password_file),
        );
        exclusive(
            reader,
            ("smtp_auth_secret", &self.smtp_auth_secret),
            ("smtp_auth_secret_file", &self.smtp_auth_secret_file),
        );
        exclusive(
            reader,
            ("slack_api_url", &self.slack_api_url),
            ("slack_api_url_file", &self.slack_api_url_file),
        );
        exclusive(
            reader,
            ("slack_app_token", &self.slack_app_token),
            ("slack_app_token_file", &self.slack_app_token_file),
        );
        let url = place(&self.slack_api_url).or_else(|| place(&self.slack_api_url_file));
        let token = place(&self.slack_app_token).or_else(|| place(&self.slack_app_token_file));
        if let (Some(_), Some(token), false) = (url, token, self.posts_by_token()) {
            let d = token.error("conflict", "an incoming webhook and a bot's token exclude each other");
            reader.report(d.label("`slack_api_url` or `slack_app_token`, not both"));
        }
        if let Some(host) = &self.smtp_smarthost {
            check_smarthost(reader, host);
        }
        over_zero(reader, "scrape_interval", &self.scrape_interval);
        over_zero(reader, "scrape_timeout", &self.scrape_timeout);
        over_zero(reader, "evaluation_interval", &self.evaluation_interval);
        over_zero(reader, "resolve_timeout", &self.resolve_timeout);
    }
}

impl Global {
    /// Whether `slack_api_url` is the address where a bot posts: older files give it beside a token.
    fn posts_by_token(&self) -> bool {
        let app = self.slack_app_url.as_ref().map_or(SLACK_APP_URL, |u| &u.0);
        self.slack_api_url.as_ref().is_some_and(|u| u.0.reveal() == app)
    }
}

/// Where a Slack bot posts (spec alertmanager §1.1).
pub const SLACK_APP_URL: &str = "https://slack.com/api/chat.postMessage";

/// `host:port`, IPv6 in brackets; empty is unset (spec alertmanager §1.1).
pub(super) fn check_smarthost(reader: &mut Reader, host: &At<Arc<str>>) {
    if host.is_empty() {
        return;
    }
    if let Err(why) = split_smarthost(host) {
        let d = host.error("invalid-value", format!("{why}: `{}`", host.value));
        reader.report(d.label("expected `host:port`, for example `smtp.example.org:587`"));
    }
}

/// Host and port of an SMTP server.
pub fn split_smarthost(text: &str) -> Result<(String, u16), &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("an SMTP server without a port")?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').ok_or("an IPv6 address needs brackets")?,
        None if host.contains(':') => return Err("an IPv6 address needs brackets"),
        None => host,
    };
    let port = port.parse().map_err(|_| "a port is a number from 1 to 65535")?;
    if host.is_empty() || port == 0 {
        return Err("an SMTP server needs a host and a port");
    }
    Ok((host.to_owned(), port))
}
