//! What is served, and where.

use std::sync::Arc;

use super::Context;
use crate::config::value::At;

/// Where botwatch listens unless told otherwise (DESIGN §4 "Access").
const LISTEN: (&str, u16) = ("127.0.0.1", 9095);

/// What is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebOptions {
    /// The host to listen on: a name, or an address without brackets. `0.0.0.0` for all.
    pub host: Arc<str>,
    /// The port; 0 for any that is free.
    pub port: u16,
    /// The address under which people reach botwatch, without a slash at the end.
    pub external_url: Arc<str>,
    /// Before all paths; empty, or with a slash at the start and none at the end.
    pub route_prefix: Arc<str>,
}

impl WebOptions {
    /// `host:port`, IPv6 in brackets.
    pub fn listen_address(&self) -> String {
        self.at_port(self.port)
    }

    /// The same with another port.
    pub fn at_port(&self, port: u16) -> String {
        join(&self.host, port)
    }
}

fn join(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

pub(super) fn web(context: &mut Context<'_>) -> WebOptions {
    let section = context.file().web.clone().unwrap_or_default();
    let (host, port) = match &section.listen_address {
        None => (LISTEN.0.to_owned(), LISTEN.1),
        Some(at) => listen(context, at),
    };
    let external_url = match &section.external_url {
        Some(at) => external(context, at),
        None => reached_at(&host, port),
    };
    let path = url::Url::parse(&external_url).map_or(String::new(), |u| u.path().to_owned());
    let prefix = context.flags.route_prefix.clone().unwrap_or(path);
    let prefix = prefix.trim_matches('/');
    let route_prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
    WebOptions {
        host: host.into(),
        port,
        external_url: external_url.into(),
        route_prefix: route_prefix.into(),
    }
}

fn listen(context: &mut Context<'_>, at: &At<Arc<str>>) -> (String, u16) {
    match split(&at.value) {
        Ok(parts) => parts,
        Err(why) => {
            let d = at.error("invalid-value", format!("{why}: `{}`", at.value));
            context.found.push(d.label("expected `host:port`, for example `127.0.0.1:9095`"));
            (LISTEN.0.to_owned(), LISTEN.1)
        }
    }
}

/// Host and port; without a host all addresses, as in Go.
fn split(text: &str) -> Result<(String, u16), &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("an address to listen on without a port")?;
    let port = port.parse().map_err(|_| "a port is a number from 0 to 65535")?;
    let host = match host.strip_prefix('[') {
        Some(v6) => {
            let v6 = v6.strip_suffix(']').ok_or("an IPv6 address needs brackets")?;
            v6.parse::<std::net::Ipv6Addr>().map_err(|_| "not an IPv6 address")?;
            v6
        }
        None if host.contains(':') => return Err("an IPv6 address needs brackets"),
        None if host.contains(['/', ' ']) => return Err("not a host"),
        None => host,
    };
    Ok((if host.is_empty() { "0.0.0.0".to_owned() } else { host.to_owned() }, port))
}

fn external(context: &mut Context<'_>, at: &At<crate::config::value::Url>) -> String {
    // A flag's value has not been read as a URL yet.
    if let Err(why) = botwatch_core::yaml::check_url(&at.value.0) {
        context.found.push(at.error("invalid-url", why).label("expected `http://…` or `https://…`"));
    }
    at.value.0.trim_end_matches('/').to_owned()
}

/// The address to give to people when none is configured: one that listens everywhere is reached by its host's name.
fn reached_at(host: &str, port: u16) -> String {
    let everywhere = host.parse::<std::net::IpAddr>().is_ok_and(|a| a.is_unspecified());
    if !everywhere {
        return format!("http://{}", join(host, port));
    }
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    format!("http://{}:{port}", if name.is_empty() { "localhost" } else { name })
}
