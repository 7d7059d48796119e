//! Networks, and who asks when proxies stand in between.

use std::{fmt, net::IpAddr, str::FromStr};

/// A block of addresses, `10.0.0.0/8`; a lone address is a block of one (RFC 4632, RFC 4291 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not an address before the slash.
    #[error("`{0}` is no address")]
    Address(String),
    /// Not a length after it.
    #[error("`/{0}` is no length from 0 to {1}")]
    Prefix(String, u8),
    /// Bits beyond the length: what is meant is unclear.
    #[error("{0} has bits beyond its length: did you mean {1}?")]
    Bits(String, Network),
}

impl Network {
    /// Whether an address lies in it. IPv4 addresses that are written as IPv6 count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && Self { address, ..*self }.cut() == *self
    }

    /// Without the bits beyond its length.
    fn cut(self) -> Self {
        let address = match self.address {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4((u32::from(v4) & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6((u128::from(v6) & mask).into())
            }
        };
        Self { address, ..self }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let parsed: IpAddr = address.parse().map_err(|_| NetworkError::Address(address.to_owned()))?;
        let max = if parsed.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => max,
            Some(digits) => {
                let length = Some(digits).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
                let length = length.and_then(|d| d.parse::<u8>().ok()).filter(|n| *n <= max);
                length.ok_or_else(|| NetworkError::Prefix(digits.to_owned(), max))?
            }
        };
        let network = Self { address: parsed, prefix };
        let cut = network.cut();
        if cut != network {
            return Err(NetworkError::Bits(text.to_owned(), cut));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Whether an address lies in any of some networks.
pub fn any_contains(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|n| n.contains(address))
}

/// Who asks, when the peer may be a proxy: going back from the peer through what the proxies say of their own peers
/// (`X-Forwarded-For`, the nearest last), the first address that is no trusted proxy's. `None`: what a trusted proxy says
/// is no list of addresses, so that nobody knows.
pub fn client_address<'a>(
    peer: IpAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'a str>,
    trusted: &[Network],
) -> Option<IpAddr> {
    let mut address = peer.to_canonical();
    for said in forwarded_for.flat_map(|header| header.split(',')).rev() {
        if !any_contains(trusted, address) {
            break;
        }
        address = parse_forwarded(said.trim())?;
    }
    Some(address)
}

/// An address as proxies write it: some add the port, some brackets.
fn parse_forwarded(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    let plain = bare.parse::<IpAddr>().ok();
    let address = plain.or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|a| a.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|t| t.parse().expect("a network")).collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn networks_contain_their_addresses() {
        for (network, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "2001:db8::1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
        ] {
            assert_eq!(networks(&[network])[0].contains(ip(address)), inside, "{network} {address}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_was_meant() {
        for (text, error) in [
            ("10.0.0.1/8", "10.0.0.1/8 has bits beyond its length: did you mean 10.0.0.0/8?"),
            ("2001:db8::1/64", "2001:db8::1/64 has bits beyond its length: did you mean 2001:db8::/64?"),
            ("10.0.0.0/33", "`/33` is no length from 0 to 32"),
            ("10.0.0.0/", "`/` is no length from 0 to 32"),
            ("10.0.0.0/+8", "`/+8` is no length from 0 to 32"),
            ("::/129", "`/129` is no length from 0 to 128"),
            ("localhost", "`localhost` is no address"),
            ("010.0.0.1", "`010.0.0.1` is no address"),
            ("", "`` is no address"),
        ] {
            assert_eq!(text.parse::<Network>().expect_err(text).to_string(), error);
        }
        assert_eq!(networks(&["10.0.0.0/8"])[0].to_string().parse(), Ok(networks(&["10.0.0.0/8"])[0]));
    }

    #[test]
    fn only_what_trusted_proxies_say_counts() {
        let trusted = networks(&["127.0.0.1", "10.0.0.0/8"]);
        for (peer, headers, client) in [
            ("203.0.113.1", &["127.0.0.1"][..], Some("203.0.113.1")),
            ("127.0.0.1", &[], Some("127.0.0.1")),
            ("127.0.0.1", &["198.51.100.7"], Some("198.51.100.7")),
            // What the client itself wrote stands further left.
            ("127.0.0.1", &["127.0.0.1, 198.51.100.7"], Some("198.51.100.7")),
            ("127.0.0.1", &["127.0.0.1", "198.51.100.7, 10.0.0.2"], Some("198.51.100.7")),
            ("127.0.0.1", &["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
            ("127.0.0.1", &["198.51.100.7:4711"], Some("198.51.100.7")),
            ("127.0.0.1", &["[2001:db8::7]:4711"], Some("2001:db8::7")),
            ("127.0.0.1", &["::ffff:198.51.100.7"], Some("198.51.100.7")),
            ("127.0.0.1", &["unknown"], None),
            ("127.0.0.1", &["198.51.100.7, "], None),
            // Beyond the first that isn't trusted nothing is looked at.
            ("127.0.0.1", &["nonsense, 198.51.100.7"], Some("198.51.100.7")),
        ] {
            let found = client_address(ip(peer), headers.iter().copied(), &trusted);
            assert_eq!(found, client.map(ip), "{peer} {headers:?}");
        }
    }
}
