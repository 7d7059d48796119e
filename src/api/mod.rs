//! What is served: `/metrics`, health, reload, the landing page, and JSON in the shapes of Prometheus and Alertmanager.
//!
//! Handlers translate; they decide nothing. One file per endpoint group. What they need from later rows and from
//! their siblings comes through the ports below; `app` passes the handles.
//!
//! A connection passes `admission`; a request passes [`Server`]'s limits, loses the `prefix`, passes `access` (who may ask), then its handler; a handler that fails returns
//! a `Failure`, which is written in the shape of the path: Prometheus' envelope below `/api/v1`, Alertmanager's below
//! `/api/v2`, a problem document (RFC 9457) elsewhere.
//!
//! It must not evaluate, send or store anything itself, and must not know `config` or `app`.

mod access;
mod admission;
mod alerting;
mod alertmanager;
mod body;
mod failure;
mod form;
mod health;
mod metrics;
mod notifications;
mod openapi;
mod options;
mod page;
mod params;
mod prefix;
mod prometheus;
mod router;
mod server;
mod site;
mod stream;
#[cfg(test)]
mod tests;
mod view;

use std::{future::Future, pin::Pin, sync::Arc};

pub use access::{Access, AccessInForce, SIGNATURE_HEADER, WebhookSecret};
pub use options::{
    BODY_MAX, BODY_TIMEOUT, CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS, CONNECTIONS_RESERVED, DRAIN,
    HEAD_TIMEOUT, Options, STALL_TIMEOUT,
};
pub use server::{Bound, Error, Listening, Server};
pub use site::Parts;
pub use view::{ActiveTarget, Notice, NoticeKind, StatusView, TargetHealth, TargetView};

/// The port to a reload of the configuration.
pub trait Reloader: Send + Sync + 'static {
    /// Reads everything anew, checks it whole, and puts it into force; on any problem nothing changes.
    /// The error is the rendered diagnostics, for a person.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
}

/// The port to what is scraped; `collect` behind it, through `app`.
pub trait Targets: Send + Sync + 'static {
    /// All targets, active and dropped, by pool.
    fn targets(&self) -> Vec<TargetView>;
}

/// The port to how botwatch itself stands.
pub trait Status: Send + Sync + 'static {
    /// How it stands.
    fn view(&self) -> StatusView;

    /// The bot's name.
    fn bot(&self) -> Arc<str>;

    /// The configuration in force as YAML, secrets masked.
    fn config(&self) -> Arc<str>;

    /// What of it an Alertmanager would read, likewise.
    fn alertmanager_config(&self) -> Arc<str>;
}
