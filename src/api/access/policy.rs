//! Who may ask, as configured; it changes with the configuration while requests are answered.

use std::sync::Arc;

use botwatch_core::access::{Limit, Network, Role};
use parking_lot::RwLock;

use crate::net::SecretSource;

/// Who may ask (DESIGN §4 "Access").
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// What callers on this machine may do without a token; none: nothing.
    pub loopback: Option<Role>,
    /// Who may ask anything at all, beside this machine; empty: everybody.
    pub allow: Vec<Network>,
    /// Proxies that are believed about who asks.
    pub trusted_proxies: Vec<Network>,
    /// How often each address of another machine may ask; more is 429.
    pub rate_limit: Limit,
    /// How often each address may send webhooks; more is 503, which senders try again.
    pub webhook_rate_limit: Limit,
    /// What senders of webhooks must know; none: they are taken from nearby.
    pub webhook: Option<WebhookSecret>,
}

/// What senders of webhooks must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecret {
    /// The secret: sent as a bearer or as Basic's password, or the key of the signature.
    pub secret: SecretSource,
    /// The header with the signature, in lower case.
    pub signature_header: Arc<str>,
    /// The header with the time that is signed, too, in lower case; none: only the body is signed.
    pub timestamp_header: Option<Arc<str>>,
}

/// Grafana's header for signatures (spec field §5c), in lower case.
pub const SIGNATURE_HEADER: &str = "x-grafana-alerting-signature";

impl Default for Access {
    fn default() -> Self {
        Self {
            loopback: Some(Role::Operator),
            allow: Vec::new(),
            trusted_proxies: Vec::new(),
            rate_limit: Limit { per_second: 100.0, burst: 1000.0 },
            webhook_rate_limit: Limit { per_second: 50.0, burst: 500.0 },
            webhook: None,
        }
    }
}

/// What is in force; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct AccessInForce(Arc<RwLock<Arc<Access>>>);

impl AccessInForce {
    /// With this to begin with.
    pub fn new(access: Access) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(access))))
    }

    /// What is in force.
    pub fn get(&self) -> Arc<Access> {
        Arc::clone(&self.0.read())
    }

    /// Puts another into force, for all requests from now on.
    pub fn set(&self, access: Access) {
        *self.0.write() = Arc::new(access);
    }
}
