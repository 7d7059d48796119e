//! From a delivery to an outcome.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use botwatch_core::{
    alerting::{DeliveryId, Outcome, Send},
    diag::chain,
    model::Timestamp,
    template::{Data, Templates},
};
use parking_lot::Mutex;

use super::{
    Error,
    chart::{self, Size},
    message::{self, Envelope, Parts},
    session::{self, Refusal},
};
use crate::{
    net::TokenSource,
    notify::{Course, EmailAuth, EmailOptions, message::truncate},
    runtime::Clock,
    telemetry::{Changes, Say},
};

/// Subject unless a header sets it.
const SUBJECT: &str = r#"{{ template "email.default.subject" . }}"#;
/// The page in place of one whose template fails.
const HTML: &str = r#"{{ template "email.default.html" . }}"#;
/// The text in place of one whose template fails.
const TEXT: &str = r#"{{ template "email.default.text" . }}"#;
/// Half-done deliveries that are remembered; one integration has one per group at most.
const HALF_DONE_MAX: usize = 256;
/// Key of [`Outcome::Delivered`] under which stands whom a message didn't reach; empty when it reached all.
const REFUSED: &str = "refused";
/// Severities that mark a message as urgent.
const URGENT: &[&str] = &["critical", "emergency", "page", "fatal"];

/// One e-mail integration. It keeps no connection: alerts are rare, and servers close idle ones.
pub struct Mailer {
    options: EmailOptions,
    tokens: Option<TokenSource>,
    /// Who has a message already that others are still to get.
    half_done: Mutex<BTreeMap<DeliveryId, BTreeSet<String>>>,
    /// What was told of messages that went out all the same, and of whom or what.
    told: Mutex<Changes<Matter, Vec<String>>>,
}

/// What may be wrong with a message that goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Matter {
    Templates,
    Recipients,
}

/// Recipients who never get a message.
#[derive(Debug, Default)]
struct LeftOut {
    addresses: Vec<String>,
    /// Each with why.
    texts: Vec<String>,
}

impl LeftOut {
    fn add(&mut self, address: &str, why: &str) {
        self.addresses.push(address.to_owned());
        self.texts.push(format!("{address}: {why}"));
    }

    /// All of it, not endless: it is kept with the group.
    fn text(&self) -> String {
        truncate(self.texts.join("; "), session::TEXTS_MAX)
    }
}

/// What the templates gave.
pub(super) struct Rendered {
    pub(super) to: String,
    pub(super) from: String,
    pub(super) subject: String,
    pub(super) headers: Vec<(Arc<str>, String)>,
    pub(super) html: String,
    pub(super) text: String,
}

impl Mailer {
    /// For one configured receiver. The clock says when OAuth tokens end.
    ///
    /// # Errors
    /// [`Error::Option`] for what can't work; [`Error::Net`] for the token endpoint.
    pub fn new(options: &EmailOptions, clock: &Clock) -> Result<Self, Error> {
        let invalid = |option, reason: &str| Error::Option { option, reason: reason.to_owned() };
        let word = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_graphic());
        if !word(&options.host) {
            return Err(invalid("smarthost", "no host"));
        }
        if !word(&options.hello) {
            return Err(invalid("hello", "no host name"));
        }
        if let Some((name, _)) = options.headers.iter().find(|(name, _)| !message::may_be_set(name)) {
            return Err(invalid("headers", &format!("`{name}` can't be set")));
        }
        let tokens = match &options.auth {
            EmailAuth::XOAuth2 { oauth2, .. } => Some(TokenSource::new((**oauth2).clone(), clock)?),
            EmailAuth::None | EmailAuth::Password { .. } => None,
        };
        let told = Mutex::new(Changes::new(2));
        Ok(Self { options: options.clone(), tokens, half_done: Mutex::default(), told })
    }

    /// Makes one attempt, ended at `send.deadline` at the latest. `course` is of the first alert.
    pub async fn attempt(
        &self,
        send: &Send,
        data: &Data,
        templates: &Templates,
        course: Option<Course>,
        now: Timestamp,
    ) -> Outcome {
        match self.render(send, data, templates, now) {
            Ok(rendered) => self.perform(send, data, rendered, course, now).await,
            Err(e) => failed(&e),
        }
    }

    /// The part of an attempt that follows the templates.
    pub(super) async fn perform(
        &self,
        send: &Send,
        data: &Data,
        rendered: Rendered,
        course: Option<Course>,
        now: Timestamp,
    ) -> Outcome {
        self.send(send, data, rendered, course, now).await.unwrap_or_else(|e| failed(&e))
    }

    /// Where a body's template fails, the built-in one stands in and says so: a page must not be lost to a typo.
    fn render(
        &self,
        send: &Send,
        data: &Data,
        templates: &Templates,
        now: Timestamp,
    ) -> Result<Rendered, Error> {
        let line = |field: &str, text: &str| {
            let failed = |e: botwatch_core::template::TemplateError| Error::Template {
                field: field.to_owned(),
                reason: e.to_string(),
            };
            templates.text(text, data).map_err(failed)
        };
        let mut trouble = Vec::new();
        let mut html = |text: &str| match templates.html(text, data) {
            Ok(html) => Ok(html),
            Err(e) => {
                trouble.push(format!("template of `html`: {e}"));
                templates
                    .html(HTML, data)
                    .map_err(|e| Error::Template { field: "html".to_owned(), reason: e.to_string() })
            }
        };
        let html = if self.options.html.is_empty() { String::new() } else { html(&self.options.html)? };
        let mut or_default = |field: &str, text: &str, default: &str| {
            line(field, text).or_else(|e| {
                trouble.push(e.to_string());
                line(field, default)
            })
        };
        let mut text = match &*self.options.text {
            // A message has a body, even if nobody configured one.
            "" if self.options.html.is_empty() => line("text", TEXT)?,
            "" => String::new(),
            text => or_default("text", text, TEXT)?,
        };
        let own = self.options.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("subject"));
        let subject = or_default("headers: Subject", own.map_or(SUBJECT, |(_, text)| text), SUBJECT)?;
        let mut headers = Vec::new();
        for (name, value) in &self.options.headers {
            if !name.eq_ignore_ascii_case("subject") {
                headers.push((Arc::clone(name), line(&format!("headers: {name}"), value)?));
            }
        }
        if !trouble.is_empty() && text.is_empty() {
            text = line("text", TEXT).unwrap_or_default();
        }
        for reason in &trouble {
            text.push_str(&format!("\n\nbotwatch: built-in template used: {reason}\n"));
        }
        let problems = trouble.join("; ");
        self.tell(send, Matter::Templates, trouble, &problems, now);
        let (to, from) = (line("to", &self.options.to)?, line("from", &self.options.from)?);
        Ok(Rendered { to, from, subject, headers, html, text })
    }

    async fn send(
        &self,
        send: &Send,
        data: &Data,
        rendered: Rendered,
        course: Option<Course>,
        now: Timestamp,
    ) -> Result<Outcome, Error> {
        let delivery = &send.delivery;
        let chart = course.as_ref().and_then(|course| chart::chart(course, Size::EMAIL));
        let urgent = data.alerts.iter().any(|alert| {
            alert.ends_at.is_none() && alert.labels.get("severity").is_some_and(|s| URGENT.contains(&s))
        });
        let (mut envelope, message) = message::compose(Parts {
            to: &rendered.to,
            from: &rendered.from,
            subject: &rendered.subject,
            headers: &rendered.headers,
            html: &rendered.html,
            text: &rendered.text,
            chart,
            delivery: &delivery.id.0,
            group_key: &delivery.group_key,
            receiver: &delivery.integration.receiver,
            urgent,
            now,
        })?;
        let done = self.half_done.lock().get(&delivery.id).cloned().unwrap_or_default();
        envelope.to.retain(|address| !done.contains(address));
        let left = send.deadline.since(now).to_std();
        let tokens = self.tokens.as_ref();
        let result = if envelope.to.is_empty() {
            Ok(Vec::new())
        } else {
            session::deliver(&self.options, tokens, &envelope, &message, left).await
        };
        match result {
            Ok(refused) => Ok(self.settle(send, done, &envelope, &refused, now)),
            // The others have it; these never will.
            Err(Error::Recipients { refused, permanent: true }) if !done.is_empty() => {
                Ok(self.settle(send, done, &envelope, &refused, now))
            }
            Err(e) => Err(e),
        }
    }

    /// What became of a message that the server took for at least one recipient, now or before.
    fn settle(
        &self,
        send: &Send,
        mut done: BTreeSet<String>,
        envelope: &Envelope,
        refused: &[Refusal],
        now: Timestamp,
    ) -> Outcome {
        let id = &send.delivery.id;
        let mut half_done = self.half_done.lock();
        half_done.remove(id);
        if refused.iter().any(|r| !r.permanent) {
            let took = envelope.to.iter().filter(|a| !refused.iter().any(|r| r.address == **a));
            done.extend(took.cloned());
            half_done.insert(id.clone(), done);
            while half_done.len() > HALF_DONE_MAX {
                half_done.pop_first();
            }
            let error = format!(
                "the server refused some recipients, the others have it: {}",
                Refusal::texts(refused)
            );
            return Outcome::Transient { error, retry_after: None };
        }
        drop(half_done);
        let mut left_out = LeftOut::default();
        for dropped in &envelope.dropped {
            left_out.add(&dropped.address, dropped.reason);
        }
        for refusal in refused {
            left_out.add(&refusal.address, &refusal.text);
        }
        let text = left_out.text();
        self.tell(send, Matter::Recipients, left_out.addresses, &text, now);
        // What is kept of a receiver is only ever added to: an earlier refusal is taken back.
        let stale = send.receiver_data.get(REFUSED).is_some_and(|text| !text.is_empty());
        let kept = (stale || !text.is_empty()).then(|| (REFUSED.to_owned(), text));
        Outcome::Delivered { receiver_data: kept.into_iter().collect() }
    }

    /// In the log on change and once an hour; `of` is what it is about, without the server's words, which differ from
    /// message to message.
    fn tell(&self, send: &Send, matter: Matter, of: Vec<String>, text: &str, now: Timestamp) {
        let integration = &send.delivery.integration;
        let problem = Some(of).filter(|of| !of.is_empty());
        let say = self.told.lock().look(matter, problem, now);
        let (what, over) = match matter {
            Matter::Templates => {
                ("e-mail goes out with the built-in template", "e-mail has its own templates again")
            }
            Matter::Recipients => {
                ("e-mail delivered, but not to everybody", "e-mail reaches everybody again")
            }
        };
        match say {
            Say::Nothing => {}
            Say::Changed => tracing::warn!(%integration, "{what}: {text}"),
            Say::Still { since, times } => tracing::warn!(%integration, %since, times, "{what}: {text}"),
            Say::Over { since, times } => tracing::info!(%integration, %since, times, "{over}"),
        }
    }
}

fn failed(error: &Error) -> Outcome {
    let text = chain(error);
    if error.is_permanent() {
        Outcome::Permanent { error: text }
    } else {
        Outcome::Transient { error: text, retry_after: None }
    }
}
