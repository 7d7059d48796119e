//! Names to addresses, and which of them may be reached.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Error, Reach};

/// The system's resolver, with the rules of [`Reach`].
pub(super) struct Resolver {
    pub(super) reach: Reach,
    /// Resolve this host instead of the one asked for: the URL carries the TLS name then.
    pub(super) instead: Option<Arc<str>>,
}

/// A failed resolution on its way through the HTTP library.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum ResolveError {
    #[error("can't resolve `{host}`")]
    Failed { host: String, reason: String },
    #[error("`{host}` is private")]
    Denied { host: String, address: IpAddr },
}

impl From<ResolveError> for Error {
    fn from(e: ResolveError) -> Self {
        match e {
            ResolveError::Failed { host, reason } => Self::Dns { host, reason },
            ResolveError::Denied { host, address } => Self::Denied { host, address },
        }
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        let host = self.instead.as_deref().unwrap_or(name.as_str()).to_owned();
        Box::pin(async move {
            let addresses = lookup(&host, reach).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// All addresses of a host, port 0. One private address denies the host when only public ones may be reached.
async fn lookup(host: &str, reach: Reach) -> Result<Vec<SocketAddr>, ResolveError> {
    let failed = |reason: String| ResolveError::Failed { host: host.to_owned(), reason };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found: Vec<_> =
        tokio::net::lookup_host((bare, 0)).await.map_err(|e| failed(e.to_string()))?.collect();
    if found.is_empty() {
        return Err(failed("no address".to_owned()));
    }
    match found.iter().find(|a| reach == Reach::Public && !is_public(a.ip())) {
        Some(private) => Err(ResolveError::Denied { host: host.to_owned(), address: private.ip() }),
        None => Ok(found),
    }
}

/// Whether an address is one of the public Internet: not loopback, private, link-local, shared, documentation,
/// multicast or reserved, nor one of these inside IPv6 (IANA special-purpose registries).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(a: Ipv4Addr) -> bool {
    let [x, y, z, _] = a.octets();
    let special = a.is_private()
        || a.is_loopback()
        || a.is_link_local()
        || a.is_documentation()
        || x == 0
        || x >= 224
        || (x == 100 && (64..128).contains(&y))
        || (x == 192 && y == 0 && z == 0)
        || (x == 198 && (y == 18 || y == 19));
    !special
}

fn is_public_v6(a: Ipv6Addr) -> bool {
    let s = a.segments();
    // IPv4 inside IPv6: mapped, compatible, NAT64 (64:ff9b::/96), 6to4 (2002::/16).
    let v4 = |hi: u16, lo: u16| Ipv4Addr::from((u32::from(hi) << 16) | u32::from(lo));
    match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, hi, lo] | [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => is_public_v4(v4(hi, lo)),
        [0x2002, hi, lo, ..] => is_public_v4(v4(hi, lo)),
        [0x2001, 0..=0x01ff | 0xdb8, ..] => false,
        _ => s[0] & 0xe000 == 0x2000,
    }
}
