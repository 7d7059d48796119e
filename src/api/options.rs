//! What can be set of the server.

use std::{sync::Arc, time::Duration};

use url::Url;

/// Connections at a time: a Prometheus, a few dashboards and health checks; each costs some 20 KiB.
pub const CONNECTIONS_MAX: usize = 128;
/// Those that one other address may have.
pub const CONNECTIONS_PER_ADDRESS: usize = 32;
/// Those kept for callers on this machine.
pub const CONNECTIONS_RESERVED: usize = 16;
/// A body at most: Prometheus sends 256 alerts at once, below 1 MiB.
pub const BODY_MAX: usize = 4 << 20;
/// Time for a request's head, and how long an idle connection is kept.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for a request's body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes nothing of its answer for so long is cut.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Time to finish answers at the stop (spec alertmanager §3.4).
pub const DRAIN: Duration = Duration::from_secs(5);

/// Where and how to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `host:port`; an empty host is every address, port 0 any free port.
    pub listen: Arc<str>,
    /// Where people reach this botwatch: its host is accepted beside the loopback's names.
    pub external_url: Option<Url>,
    /// Where the admin's token lies, for who may read it.
    pub admin_file: Arc<str>,
    /// Before all paths: empty, or with a slash at the start and none at the end.
    pub route_prefix: Arc<str>,
    /// Connections at a time; more wait in the system's queue.
    pub connections_max: usize,
    /// Connections of one address of another machine; more are closed at once.
    pub connections_per_address: usize,
    /// Connections that other machines can't have, all together; more of theirs are closed at once.
    pub connections_reserved: usize,
    /// Bytes of a body; more is 413.
    pub body_max: usize,
    /// Time for a request's head.
    pub head_timeout: Duration,
    /// Time for a request's body; longer is 408.
    pub body_timeout: Duration,
    /// How long a client may take nothing of its answer.
    pub stall_timeout: Duration,
    /// Time to finish answers at the stop.
    pub drain: Duration,
}

impl Options {
    /// With the limits above.
    pub fn new(listen: impl Into<Arc<str>>, external_url: Option<Url>) -> Self {
        Self {
            listen: listen.into(),
            external_url,
            admin_file: "admin.token".into(),
            route_prefix: "".into(),
            connections_max: CONNECTIONS_MAX,
            connections_per_address: CONNECTIONS_PER_ADDRESS,
            connections_reserved: CONNECTIONS_RESERVED,
            body_max: BODY_MAX,
            head_timeout: HEAD_TIMEOUT,
            body_timeout: BODY_TIMEOUT,
            stall_timeout: STALL_TIMEOUT,
            drain: DRAIN,
        }
    }
}
