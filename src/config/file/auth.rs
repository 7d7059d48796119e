//! Access (DESIGN §4 "Access").

use std::sync::Arc;

use botwatch_core::{
    access::{Limit, Network, Role},
    diag::Span,
    model::Secret,
    yaml::Reader,
};

use crate::config::value::{At, exclusive, section};

section! {
    /// Who may ask.
    pub struct Auth("`auth`", "auth", check Auth::check) {
        /// What callers on this machine may do without a token: `viewer`, `operator`, or `off`.
        loopback: At<Arc<str>>,
        /// Networks whose addresses may ask anything at all, beside this machine; none: everybody.
        allow: Vec<At<Arc<str>>>,
        /// Networks of proxies that are believed about who asks.
        trusted_proxies: Vec<At<Arc<str>>>,
        /// How often each address of another machine may ask.
        rate_limit: RateLimit,
        /// Webhooks of others.
        webhooks: Webhooks,
    }
}

section! {
    /// How often somebody may ask.
    pub struct RateLimit("`rate_limit`", "rate_limit", check RateLimit::check) {
        /// Requests a second, in the long run.
        per_second: At<f64>,
        /// Requests at once.
        burst: At<f64>,
    }
}

section! {
    /// Webhooks of others: what their senders must know, and how often each may send.
    pub struct Webhooks("`webhooks`", "auth.webhooks", check Webhooks::check) {
        /// The secret.
        secret: At<Secret>,
        /// A file with the secret, read on each use.
        secret_file: At<Arc<str>>,
        /// The header with a signature in place of the secret.
        signature_header: At<Arc<str>>,
        /// The header with the time that is signed, too.
        timestamp_header: At<Arc<str>>,
        /// How often each address may send.
        rate_limit: RateLimit,
    }
}

impl Auth {
    fn check(&self, reader: &mut Reader, _: Span) {
        if let Some(written) =
            self.loopback.as_ref().filter(|l| !matches!(&*l.value, "viewer" | "operator" | "off"))
        {
            let d = written.error("invalid-value", format!("`loopback` is `{}`", written.value));
            reader.report(
                d.label("expected `viewer`, `operator` or `off`").hint("admins need a token, also here"),
            );
        }
        for network in self.allow.iter().chain(&self.trusted_proxies).flatten() {
            if let Err(why) = network.value.parse::<Network>() {
                let d = network.error("invalid-value", why.to_string());
                reader.report(d.label("expected an address or a network such as `10.0.0.0/8`"));
            }
        }
    }

    /// The role of callers on this machine; `None`: they need a token.
    pub fn loopback(&self) -> Option<Role> {
        match self.loopback.as_ref().map(|l| &*l.value) {
            Some("viewer") => Some(Role::Viewer),
            Some("off") => None,
            _ => Some(Role::Operator),
        }
    }
}

impl RateLimit {
    fn check(&self, reader: &mut Reader, _: Span) {
        for (key, value, least) in [("per_second", &self.per_second, 0.001), ("burst", &self.burst, 1.0)] {
            let Some(written) = value else { continue };
            if !(written.value >= least && written.value <= 1e9) {
                let d = written.error("invalid-value", format!("`{key}` is {}", written.value));
                reader.report(d.label(format!("expected a number from {least}")));
            }
        }
    }

    /// With what isn't written as in another limit.
    pub fn over(&self, default: Limit) -> Limit {
        Limit {
            per_second: self.per_second.as_ref().map_or(default.per_second, |at| at.value),
            burst: self.burst.as_ref().map_or(default.burst, |at| at.value),
        }
    }
}

impl Webhooks {
    fn check(&self, reader: &mut Reader, span: Span) {
        exclusive(reader, ("secret", &self.secret), ("secret_file", &self.secret_file));
        let signed = self.signature_header.is_some() || self.timestamp_header.is_some();
        if signed && self.secret.is_none() && self.secret_file.is_none() {
            let d = reader.error("missing-key", "`webhooks` has no secret to sign with", span);
            reader.report(d.label("`secret` or `secret_file` is needed here"));
        }
        if let Some(empty) = self.secret.as_ref().filter(|s| s.value.is_empty()) {
            reader.report(
                empty.error("invalid-value", "the webhooks' secret is empty").label("anybody knows it"),
            );
        }
        for header in self.signature_header.iter().chain(&self.timestamp_header) {
            if http::HeaderName::from_bytes(header.value.as_bytes()).is_err() {
                let d = header.error("invalid-value", format!("`{}` is no name of a header", header.value));
                reader.report(d.label("expected a name such as `X-Grafana-Alerting-Signature`"));
            }
        }
    }
}
