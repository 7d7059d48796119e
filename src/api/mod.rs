//! What is served: `/metrics`, health, reload, the landing page, and JSON in the shapes of Prometheus and Alertmanager.
//!
//! Handlers translate; they decide nothing. One file per endpoint group. What they need from later rows comes
//! through the ports below; `app` passes the handles.

use std::{future::Future, pin::Pin};

/// The port to a reload of the configuration.
pub trait Reloader: Send + Sync + 'static {
    /// Reads everything anew, checks it whole, and puts it into force; on any problem nothing changes.
    /// The error is the rendered diagnostics, for a person.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
}
