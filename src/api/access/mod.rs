//! Who asks (DESIGN §4 "Access"): the holder of a token, or somebody on this machine. Pure.
//!
//! The peer's address keeps other machines away, unless a proxy on this one stands in between, which its headers show; `Host` keeps away web pages that make a name point at the loopback
//! (DNS rebinding); `Origin` keeps away web pages that send requests across origins.

mod policy;
mod signature;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use botwatch_core::access::{Network, Permission, Role, any_contains, client_address};
use http::uri::Authority;
use url::Url;

pub use policy::{Access, AccessInForce, SIGNATURE_HEADER, WebhookSecret};
pub(super) use signature::{is_signed, same, verify};

use super::failure::Failure;
use crate::store::Holder;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    /// As records name them; none: somebody on this machine.
    name: Option<Arc<str>>,
    /// What they may do; none: they have not said who they are.
    role: Option<Role>,
    /// They are on this machine or in a network that is nobody else's.
    nearby: bool,
    /// What is to be said when that isn't enough, and the reason in a word.
    refusal: Failure,
    reason: &'static str,
    /// Their address.
    from: Option<IpAddr>,
}

impl Caller {
    /// Somebody who holds a token.
    pub(super) fn holder(holder: Holder, nearby: bool) -> Self {
        let refusal = Failure::forbidden(format!(
            "{} has the role {}, which doesn't allow this",
            holder.name, holder.role
        ));
        Self { name: Some(holder.name), role: Some(holder.role), nearby, refusal, reason: "role", from: None }
    }

    /// Somebody on this machine.
    pub(super) fn local(role: Role) -> Self {
        let refusal = Failure::forbidden(format!(
            "callers on this machine have the role {role}, which doesn't allow this: use a token"
        ));
        Self { name: None, role: Some(role), nearby: true, refusal, reason: "role", from: None }
    }

    /// Somebody who has not said who they are.
    pub(super) fn unknown(nearby: bool, refusal: Failure, reason: &'static str) -> Self {
        Self { name: None, role: None, nearby, refusal, reason, from: None }
    }

    /// Whoever knows the webhooks' secret.
    pub(super) fn sender() -> Self {
        let refusal = Failure::forbidden("the webhooks' secret lets nobody do anything else");
        Self { name: Some("webhook".into()), role: None, nearby: true, refusal, reason: "role", from: None }
    }

    /// With the address that they ask from.
    pub(super) fn from(self, peer: IpAddr) -> Self {
        Self { from: Some(peer), ..self }
    }

    /// The address that they ask from; unspecified where nobody knows.
    pub(super) fn ip(&self) -> IpAddr {
        self.from.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
    }

    /// The same as a text.
    pub(super) fn address(&self) -> String {
        self.from.map(|ip| ip.to_canonical().to_string()).unwrap_or_default()
    }

    /// Their role's word.
    pub(super) fn role(&self) -> String {
        self.role.map_or("none", Role::as_str).to_owned()
    }

    /// Why they are refused where they are, for a metric's label.
    pub(super) fn reason(&self) -> &'static str {
        self.reason
    }

    /// Whether they have a permission.
    ///
    /// # Errors
    /// What to tell them.
    pub(super) fn may(&self, needs: Permission) -> Result<(), Failure> {
        let by_role = self.role.is_some_and(|role| role.allows(needs));
        let by_place = needs == Permission::Webhook && self.nearby;
        if needs == Permission::Open || by_role || by_place {
            return Ok(());
        }
        let mut refusal = self.refusal.clone();
        if let (Some(_), Some(least)) = (self.role, needs.least()) {
            refusal.detail += &format!(" (it needs {least})");
        }
        Err(refusal)
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

/// The token of an `Authorization` header: a bearer's, or the password of Basic authentication.
pub(super) fn token(headers: &http::HeaderMap) -> Option<Result<String, &'static str>> {
    let mut all = headers.get_all(http::header::AUTHORIZATION).iter();
    let header = all.next()?;
    if all.next().is_some() {
        return Some(Err("two Authorization headers"));
    }
    let Ok(text) = header.to_str() else { return Some(Err("an Authorization header that is no text")) };
    let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Ok(rest.trim().to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = BASE64_STANDARD.decode(rest.trim()).ok().and_then(|b| String::from_utf8(b).ok());
        let password = pair.and_then(|p| Some(p.split_once(':')?.1.to_owned()));
        return Some(password.ok_or("credentials that are not Basic's"));
    }
    Some(Err("an Authorization scheme other than Bearer and Basic"))
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub peer: IpAddr,
    /// The request target's authority, or the `Host` header.
    pub host: Option<&'a str>,
    pub origin: Option<&'a str>,
    /// A header that only proxies add.
    pub forwarded: Option<&'a str>,
}

/// Who asks, by what trusted proxies say; `None` for the second: nobody knows whether a proxy stands for somebody else.
pub(super) fn client(
    peer: IpAddr,
    headers: &http::HeaderMap,
    trusted: &[Network],
) -> (IpAddr, Option<String>) {
    // Who listens on IPv6 sees IPv4 callers as mapped addresses, which are no loopback.
    let peer = peer.to_canonical();
    let unknown = || (peer, forwarded(headers).map(str::to_owned));
    if !any_contains(trusted, peer) {
        return unknown();
    }
    let said: Option<Vec<&str>> =
        headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().ok()).collect();
    match said {
        Some(said) if !said.is_empty() => match client_address(peer, said.into_iter(), trusted) {
            Some(client) => (client, None),
            None => unknown(),
        },
        _ => unknown(),
    }
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

/// Whether a request comes from somebody on this machine, and not by way of a web page or a proxy.
pub(super) fn check(asked: Asked<'_>, external: Option<&Url>) -> Result<(), Refused> {
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
    origin(asked, &name, port, external)
}

/// Whether a request comes from a page of ours, or from none.
pub(super) fn check_origin(asked: Asked<'_>, external: Option<&Url>) -> Result<(), Refused> {
    let host = asked.host.unwrap_or_default();
    let (name, port) = split(host).unwrap_or_default();
    origin(asked, &name, port, external)
}

fn origin(asked: Asked<'_>, name: &str, port: Option<u16>, external: Option<&Url>) -> Result<(), Refused> {
    match asked.origin {
        Some(origin) if !is_own(origin, name, port, external) => Err(Refused::Origin(origin.to_owned())),
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
    /// Whether it is only about where the caller is.
    pub(super) const fn is_place(&self) -> bool {
        matches!(self, Self::Peer)
    }

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
            Self::Peer => {
                return Failure::log_in(
                    "say who you are: `Authorization: Bearer TOKEN`, or the token as the password of Basic \
                     authentication. On botwatch's own machine `botwatch token create NAME --role operator` makes one; \
                     /metrics, /-/healthy and /-/ready answer everybody",
                );
            }
            Self::Forwarded(header) => {
                return Failure::log_in(format!(
                    "the request came through a proxy (header `{header}`), so that nobody knows whether its caller is \
                     on botwatch's own machine: send `Authorization: Bearer TOKEN` (`botwatch token create NAME` makes \
                     one), or ask at http://localhost there without the proxy; if the proxy sets \
                     X-Forwarded-For itself, list its address in `auth.trusted_proxies`; only one that lets nobody in \
                     without a log-in of its own may leave out Forwarded, X-Forwarded-*, X-Real-IP and Via"
                ));
            }
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
