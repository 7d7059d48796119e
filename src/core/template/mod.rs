//! Go's text/template and html/template, for label and annotation templates and for notification texts.
//!
//! [`RuleTemplate`] is Prometheus' side (spec prometheus §4, items T), [`Templates`] Alertmanager's (spec alertmanager
//! §4). One engine serves both: text to tokens (`lex`), tokens to trees (`parse`, `pipeline`), trees to text (`exec`,
//! `eval`), with each dialect's functions (`funcs`) and, for HTML, escapers put into the tree (`html`).
//!
//! What goes in is parsed once; expanding never parses. Nesting, steps and output are bounded, so that no text can
//! hang or crash the process. Time, queries and data come in as arguments. Called by `rules` (the check at load), by
//! the evaluator and by the notifier.
//!
//! Known differences from Go: texts are UTF-8, so bytes that are none become U+FFFD; complex numbers and
//! declarations inside parentheses are refused; templates call each other 250 deep instead of 100000; in HTML,
//! values inside scripts, event handlers and tags' names are refused instead of escaped; `time.Local` is UTC.

mod ast;
mod data;
mod eval;
mod exec;
mod float;
mod funcs;
mod html;
mod json;
mod lex;
mod literal;
mod messages;
mod parse;
mod pipeline;
mod printf;
mod quote;
mod rule;
#[cfg(test)]
mod tests;
mod time;
mod value;

pub use quote::html as escape_html;

use std::sync::Arc;

use crate::model::{Labels, Timestamp};

/// A template that does not parse, or did not execute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// As Go words it, as far as people search for it: `template: name:line:col: …`.
    pub message: String,
    /// Byte offset in the text, where known.
    pub offset: Option<usize>,
}

/// A label or annotation template of an alerting rule, parsed.
#[derive(Debug, Clone)]
pub struct RuleTemplate {
    inner: Arc<rule::Inner>,
}

/// What a rule's template is expanded with (spec R22).
pub struct RuleContext<'a> {
    /// `$labels`: the raw result's labels, with `__name__`.
    pub labels: &'a Labels,
    /// `$value`
    pub value: f64,
    /// `$externalLabels`
    pub external_labels: &'a Labels,
    /// `$externalURL`
    pub external_url: &'a str,
    /// The slot: the template's clock.
    pub now: Timestamp,
}

/// One result of `query` in a template.
#[derive(Debug, Clone, PartialEq)]
pub struct QuerySample {
    /// Labels, with `__name__` where it has one.
    pub labels: Labels,
    /// Value.
    pub value: f64,
}

/// Evaluates an expression for `query` in a template, at the slot.
pub type Query<'a> = dyn FnMut(&str) -> Result<Vec<QuerySample>, String> + 'a;

/// The built-in notification templates and those of files; cheap to clone.
#[derive(Debug, Clone)]
pub struct Templates {
    set: Arc<exec::Set>,
}

/// What a notification template is expanded with (Alertmanager's `template.Data`).
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    /// `.Receiver`
    pub receiver: Arc<str>,
    /// `.Status` is `firing` if one alert is; `.Alerts`, `.Alerts.Firing`, `.Alerts.Resolved`.
    pub alerts: Vec<AlertData>,
    /// `.GroupLabels`
    pub group_labels: Labels,
    /// `.CommonLabels`
    pub common_labels: Labels,
    /// `.CommonAnnotations`
    pub common_annotations: Labels,
    /// `.ExternalURL`
    pub external_url: Arc<str>,
    /// `.NotificationReason`
    pub notification_reason: Arc<str>,
    /// `.RouteLabels` (Alertmanager 0.34).
    pub route_labels: Labels,
    /// `.Now` for `since` and the like.
    pub now: Timestamp,
}

/// One alert of a notification.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertData {
    /// `.Labels`
    pub labels: Labels,
    /// `.Annotations`
    pub annotations: Labels,
    /// `.StartsAt`
    pub starts_at: Timestamp,
    /// `.EndsAt`; `None` while it fires. `.Status` follows from it.
    pub ends_at: Option<Timestamp>,
    /// `.GeneratorURL`
    pub generator_url: Arc<str>,
    /// `.Fingerprint`
    pub fingerprint: String,
    /// botwatch's own: `.Value`, the value of the last true evaluation; empty for alerts from outside.
    pub value: Arc<str>,
    /// botwatch's own: `.FrozenSince`; `None` unless a source can't be seen.
    pub frozen_since: Option<Timestamp>,
    /// botwatch's own: `.IssueID`.
    pub issue_id: Arc<str>,
}
