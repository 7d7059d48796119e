//! Delivering: one attempt of one notification by e-mail, Slack or webhook, and what came of it.
//!
//! The `alerting` machine plans deliveries, retries and order; [`Notifier`] performs attempts (`alerting::Send`) and
//! reports an `alerting::Outcome` for each: delivered, transient (with the receiver's `Retry-After`), or permanent.
//! One file or folder per integration. Everything goes out through `net` (HTTP) or our own SMTP conversation over `net`'s TLS. It keeps no
//! state that matters: what a later message needs (a Slack `ts`) goes back as `receiver_data`.
//!
//! # Dramatis Personae
//!
//! * **[`Notifier`]**: the handle. `dispatch` gives it attempts through its port `Courier`; each becomes a task, and
//!   each task ends in exactly one [`Report`].
//! * **Worker**: one integration with its connections, kept over a reload where its options stay equal.
//! * **Job**: one attempt's context: the delivery, its deadline, the means.
//! * **Failure**: why an attempt failed: for the machine (again or not), the metrics (`reason`), and the log.
//!
//! It must not decide whether or when to tell somebody, and must not know `api`, `config`, `collect` or `evaluate`.

pub mod email;
mod failure;
mod job;
mod json;
mod log;
mod message;
mod metrics;
mod notifier;
mod options;
mod severity;
mod slack;
#[cfg(test)]
mod tests;
mod webhook;
mod worker;

use std::{future::Future, pin::Pin, sync::Arc};

use botwatch_core::{
    alerting::{DeliveryId, NotifiedAlert, Outcome},
    model::{Duration, Timestamp},
};

pub use notifier::{Error, Notifier};
pub use options::{
    COURSE_BACK, EmailAuth, EmailOptions, EmailTls, Integration, Options, SlackAction, SlackAddress,
    SlackConfirm, SlackField, SlackOptions, UrlSource, WebhookOptions,
};

/// The port to which attempts' ends are reported; `dispatch`'s handle behind it.
pub trait Report: Send + Sync + 'static {
    /// An attempt ended. Waits while the owner's queue is full: an answer is never dropped.
    fn delivered(&self, id: DeliveryId, outcome: Outcome) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The port to the course of an alert's value, for the chart in an e-mail.
pub trait Courses: Send + Sync + 'static {
    /// The value that the alert's rule compares, over `back` up to `until`, and what it is compared with. `None` for
    /// alerts from outside and rules that compare nothing.
    fn course(&self, alert: &NotifiedAlert, until: Timestamp, back: Duration) -> Option<Course>;
}

/// The course of a value against its threshold.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Time and value, in time order, at most a few hundred; gaps are simply missing.
    pub points: Vec<(Timestamp, f64)>,
    /// What it is compared with, where that is one number and the comparison one of size.
    pub threshold: Option<f64>,
    /// The comparison, e.g. `>`.
    pub comparison: &'static str,
    /// The expression that gives the value, for the caption.
    pub expr: Arc<str>,
}
