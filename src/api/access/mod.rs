//! Who may ask (DESIGN §4 "Access"): until there are log-ins, this machine only. Pure.
//!
//! The peer's address keeps other machines away, unless a proxy on this one stands in between, which its headers show; `Host` keeps away web pages that make a name point at the loopback
//! (DNS rebinding); `Origin` keeps away web pages that send requests across origins.

#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

use http::uri::Authority;
use url::Url;

use super::failure::Failure;

/// Paths that anybody may ask.
const OPEN: &[&str] = &["/-/healthy", "/-/ready", "/metrics"];

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// None: somebody on this machine.
    name: Option<Arc<str>>,
}

impl Caller {
    /// Somebody on this machine.
    pub(super) fn local() -> Self {
        Self { name: None }
    }

    /// As records name them.
    pub(super) fn name(&self) -> Arc<str> {
        self.name.clone().unwrap_or_else(|| "local".into())
    }

    /// As records name them when they say who they are: what they say counts, but not alone.
    pub(super) fn saying(&self, said: Option<&str>) -> Arc<str> {
        match (said.map(str::trim).filter(|s| !s.is_empty()), &self.name) {
            (None, _) => self.name(),
            (Some(said), None) => said.into(),
            (Some(said), Some(name)) if said == &**name => Arc::clone(name),
            (Some(said), Some(name)) => format!("{said} (as {name})").into(),
        }
    }
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub peer: IpAddr,
    pub path: &'a str,
    /// The request target's authority, or the `Host` header.
    pub host: Option<&'a str>,
    pub origin: Option<&'a str>,
    /// A header that only proxies add.
    pub forwarded: Option<&'a str>,
}

/// The first header that a proxy adds: behind one the peer is the proxy, whoever asks.
pub(super) fn forwarded(headers: &http::HeaderMap) -> Option<&str> {
    let by_proxy =
        |name: &&str| matches!(*name, "forwarded" | "via" | "x-real-ip") || name.starts_with("x-forwarded-");
    headers.keys().map(http::HeaderName::as_str).find(by_proxy)
}

/// Why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    Peer,
    Forwarded(String),
    Host(String),
    Origin(String),
}

/// Whether a request may be answered.
pub(super) fn check(asked: Asked<'_>, external: Option<&Url>) -> Result<(), Refused> {
    if OPEN.contains(&asked.path) {
        return Ok(());
    }
    if !asked.peer.to_canonical().is_loopback() {
        return Err(Refused::Peer);
    }
    if let Some(header) = asked.forwarded {
        return Err(Refused::Forwarded(header.to_owned()));
    }
    let host = asked.host.unwrap_or_default();
    let Some((name, port)) = split(host) else { return Err(Refused::Host(host.to_owned())) };
    if !is_loopback_name(&name)
        && !external.and_then(Url::host_str).is_some_and(|e| name.eq_ignore_ascii_case(e))
    {
        return Err(Refused::Host(host.to_owned()));
    }
    match asked.origin {
        Some(origin) if !is_own(origin, &name, port, external) => Err(Refused::Origin(origin.to_owned())),
        _ => Ok(()),
    }
}

/// Name without brackets, dot at the end and upper case, and port.
fn split(host: &str) -> Option<(String, Option<u16>)> {
    let authority: Authority = host.parse().ok()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let name = authority.host();
    Some((name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(), authority.port_u16()))
}

fn is_loopback_name(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    match address.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// Whether a page of ours asks: it came from the same host and port, or from the external address.
fn is_own(origin: &str, name: &str, port: Option<u16>, external: Option<&Url>) -> bool {
    let Ok(origin) = Url::parse(origin) else { return false };
    if external.is_some_and(|e| e.origin().is_tuple() && e.origin() == origin.origin()) {
        return true;
    }
    let default = match origin.scheme() {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    origin.host_str() == Some(name) && origin.port().unwrap_or(default) == port.unwrap_or(default)
}

impl Refused {
    /// For a metric's label.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Peer | Self::Forwarded(_) => "peer",
            Self::Host(_) => "host",
            Self::Origin(_) => "origin",
        }
    }

    /// What to do about it.
    pub(super) fn failure(&self) -> Failure {
        let detail = match self {
            Self::Peer => "this answers callers on botwatch's own machine only, since botwatch has no log-ins yet: \
                           ask at http://localhost there, or through a tunnel such as \
                           `ssh -L 9095:localhost:9095 HOST`; /metrics, /-/healthy and /-/ready answer everybody"
                .to_owned(),
            Self::Forwarded(header) => format!(
                "the request came through a proxy (header `{header}`), so that nobody knows whether its caller is on \
                 botwatch's own machine, and botwatch has no log-ins yet: ask at http://localhost there without the \
                 proxy, or through a tunnel such as `ssh -L 9095:localhost:9095 HOST`; only a proxy that lets nobody \
                 in without a log-in of its own may leave out Forwarded, X-Forwarded-*, X-Real-IP and Via"
            ),
            Self::Host(host) => format!(
                "the request is for the host `{host}`, which is neither the loopback nor that of \
                 `web.external_url`: ask at http://localhost, or set `web.external_url` to the address that you use"
            ),
            Self::Origin(origin) => format!(
                "the request comes from a page of `{origin}`, and only botwatch's own pages may ask: leave the \
                 header `Origin` out, or set `web.external_url` to that address if it is botwatch's"
            ),
        };
        Failure::forbidden(detail)
    }
}
