//! The integrations of all receivers: identity, retries, and what the integration itself needs to know.

use std::{collections::BTreeSet, sync::Arc};

use botwatch_core::{
    alerting::{ATTEMPT_TIMEOUT, IntegrationId, IntegrationOptions, RetryPolicy},
    model::{Duration, Secret},
    template::Templates,
};

use super::{Context, notify, or};
use crate::{
    config::{
        file::{Email, Receiver, Retry, Slack, Webhook},
        value::{At, GoDuration, Place},
    },
    net::SecretSource,
    notify::Integration,
};

/// One integration, for both the machine and the one that sends.
pub(super) struct Built {
    /// As far as deciding goes.
    pub options: IntegrationOptions,
    /// As far as sending goes.
    pub integration: Integration,
    /// Where it stands.
    pub place: Option<Place>,
    /// Where its fallback is named.
    pub fallback: Option<Place>,
}

/// The keys that all kinds have.
struct Common<'a> {
    name: Option<&'a At<Arc<str>>>,
    send_resolved: Option<&'a At<bool>>,
    fallback: Option<&'a At<Arc<str>>>,
    retry: Option<&'a Retry>,
    timeout: Option<&'a At<GoDuration>>,
    place: Option<&'a Place>,
    /// Alertmanager's default of `send_resolved`.
    resolved_there: bool,
}

macro_rules! common {
    ($section:expr, $timeout:expr, $resolved_there:expr) => {
        Common {
            name: $section.name.as_ref(),
            send_resolved: $section.send_resolved.as_ref(),
            fallback: $section.fallback_receiver.as_ref(),
            retry: $section.retry.as_ref(),
            timeout: $timeout,
            place: $section.place.as_ref(),
            resolved_there: $resolved_there,
        }
    };
}

/// All of them: receivers in the order written, within each webhooks, e-mails, Slack channels.
pub(super) fn integrations(context: &mut Context<'_>, templates: &Templates) -> Vec<Built> {
    let mut all = Vec::new();
    for receiver in context.file().receivers.clone().iter().flatten() {
        let name = super::text(receiver.name.as_ref());
        labels(context, receiver);
        let mut builder = Builder {
            context: &mut *context,
            texts: notify::Texts { templates, of: format!("receiver `{name}`") },
            receiver: name,
            keys: BTreeSet::new(),
        };
        for webhook in receiver.webhook_configs.iter().flatten() {
            all.push(builder.webhook(webhook));
        }
        for email in receiver.email_configs.iter().flatten() {
            all.push(builder.email(email));
        }
        for slack in receiver.slack_configs.iter().flatten() {
            all.push(builder.slack(slack));
        }
    }
    all
}

/// Labels of a receiver only serve to filter lists over the API, which this version does not.
fn labels(context: &mut Context<'_>, receiver: &Receiver) {
    let place = receiver.labels.as_ref().and_then(|l| l.0.first()).and_then(|(name, _)| name.place.clone());
    if let Some(place) = place {
        let d = place.warning("no-effect", "`labels` of a receiver have no effect here");
        context.found.push(d.label("nothing is selected by them"));
    }
}

struct Builder<'a, 'c, 't> {
    context: &'a mut Context<'c>,
    texts: notify::Texts<'t>,
    receiver: Arc<str>,
    keys: BTreeSet<(&'static str, Arc<str>)>,
}

impl Builder<'_, '_, '_> {
    fn webhook(&mut self, section: &Webhook) -> Built {
        let own = self.context.written.is_own(section.place.as_ref());
        let options = notify::webhook(self.context, &mut self.texts, section, own);
        let address = address_of(&options.url.0);
        let common = common!(section, section.timeout.as_ref(), true);
        self.built(&common, own, &[&address], Integration::Webhook(Box::new(options)))
    }

    fn email(&mut self, section: &Email) -> Built {
        let own = self.context.written.is_own(section.place.as_ref());
        let options = notify::email(self.context, &mut self.texts, section, own);
        let address = options.to.to_string();
        let common = common!(section, None, false);
        self.built(&common, own, &[&address], Integration::Email(Box::new(options)))
    }

    fn slack(&mut self, section: &Slack) -> Built {
        let own = self.context.written.is_own(section.place.as_ref());
        let options = notify::slack(self.context, &mut self.texts, section, own);
        // A token may be exchanged for another of the same bot: it is not part of the identity.
        let address = match &options.address {
            crate::notify::SlackAddress::Webhook(url) => address_of(&url.0),
            crate::notify::SlackAddress::Bot { url, .. } => url.to_string(),
        };
        let channel = options.channel.to_string();
        let common = common!(section, section.timeout.as_ref(), false);
        self.built(&common, own, &[&address, &channel], Integration::Slack(Box::new(options)))
    }

    fn built(&mut self, common: &Common, own: bool, address: &[&str], integration: Integration) -> Built {
        let id = IntegrationId {
            receiver: Arc::clone(&self.receiver),
            kind: integration.kind().into(),
            key: self.key(common, integration.kind(), address),
        };
        let mut options = IntegrationOptions::new(id, or(common.send_resolved, own || common.resolved_there));
        options.fallback = common.fallback.map(|f| Arc::clone(&f.value));
        if let Some(timeout) = common.timeout {
            options.attempt_timeout = unzero(timeout.value.0, ATTEMPT_TIMEOUT);
        }
        options.retry = self.retry(common.retry);
        Built {
            options,
            integration,
            place: common.place.cloned(),
            fallback: common.fallback.and_then(|f| f.place.clone()),
        }
    }

    fn retry(&mut self, section: Option<&Retry>) -> RetryPolicy {
        let mut policy = RetryPolicy::default();
        if let Some(attempts) = section.and_then(|r| r.attempts.as_ref()) {
            if attempts.value == 0 {
                let d = attempts.error("invalid-value", "at least one attempt is needed");
                self.context.found.push(d.label("expected 1 or more").context(self.texts.of.clone()));
            }
            policy.attempts = u32::try_from(attempts.value).unwrap_or(u32::MAX).max(1);
        }
        policy
    }

    /// Its own name, or a hash of its address; a number is added to what is there twice.
    fn key(&mut self, common: &Common, kind: &'static str, address: &[&str]) -> Arc<str> {
        let named = common.name.filter(|n| !n.is_empty());
        let key: Arc<str> = match named {
            Some(name) => Arc::clone(&name.value),
            None => hash(kind, address).into(),
        };
        if self.keys.insert((kind, Arc::clone(&key))) {
            return key;
        }
        let receiver = &self.receiver;
        let place = named.and_then(|n| n.place.as_ref()).or(common.place);
        if let Some(place) = place {
            let (d, label) = match named {
                Some(name) => {
                    let message =
                        format!("two {kind} integrations of `{receiver}` are called `{}`", name.value);
                    (place.error("duplicate-integration", message), "this name is taken")
                }
                None => {
                    let message = format!("receiver `{receiver}` has the same {kind} integration twice");
                    (place.warning("duplicate-integration", message), "told apart by their order only")
                }
            };
            self.context.found.push(d.label(label).hint("give each a `name` of its own"));
        }
        let free = (2..=u32::MAX)
            .map(|n| format!("{key}-{n}").into())
            .find(|k| self.keys.insert((kind, Arc::clone(k))));
        free.unwrap_or(key)
    }
}

/// What tells an address from others. Only its hash is kept.
fn address_of(source: &SecretSource) -> String {
    match source {
        SecretSource::Inline(secret) => secret.reveal().to_owned(),
        SecretSource::File(path) => path.display().to_string(),
    }
}

/// Twelve hex digits that tell addresses apart and lead nowhere back: webhooks' addresses hold enough chance of their
/// own that none can be guessed from its hash.
fn hash(kind: &str, address: &[&str]) -> String {
    let mut text = kind.to_owned();
    for part in address {
        text.push('\0');
        text.push_str(part);
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let number = digest.as_ref()[..6].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:012x}")
}

/// A duration over zero, else the default.
pub(super) fn unzero(value: Duration, default: Duration) -> Duration {
    if value.as_millis() <= 0 { default } else { value }
}

/// A secret that is not there: checks have reported it.
pub(super) fn nothing() -> SecretSource {
    SecretSource::Inline(Secret::new(""))
}
