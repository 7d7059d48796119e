//! Who gets one of the connections: nobody from elsewhere can keep this machine's own callers out, and no single address
//! the others. Pure but for the lock.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use parking_lot::Mutex;

use super::Options;

/// Connections held by other machines.
#[derive(Debug)]
pub(super) struct Elsewhere {
    /// From one address at most.
    each_max: usize,
    /// From all of them.
    all_max: usize,
    by_source: BTreeMap<IpAddr, usize>,
    all: usize,
}

/// Why a connection is closed at once; a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// This address has as many as it may.
    Address,
    /// What is left is kept for this machine's own callers.
    Reserved,
}

impl Full {
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Reserved => "reserved",
        }
    }
}

/// A connection's place, given back when it is dropped.
pub(super) struct Place {
    held: Option<(Arc<Mutex<Elsewhere>>, IpAddr)>,
}

impl Elsewhere {
    pub(super) fn new(options: &Options) -> Self {
        let all_max = options.connections_max.saturating_sub(options.connections_reserved).max(1);
        Self { each_max: options.connections_per_address, all_max, by_source: BTreeMap::new(), all: 0 }
    }

    fn take(&mut self, source: IpAddr) -> Result<(), Full> {
        if self.by_source.get(&source).is_some_and(|n| *n >= self.each_max) {
            return Err(Full::Address);
        }
        if self.all >= self.all_max {
            return Err(Full::Reserved);
        }
        *self.by_source.entry(source).or_default() += 1;
        self.all += 1;
        Ok(())
    }

    fn give_back(&mut self, source: IpAddr) {
        let Some(held) = self.by_source.get_mut(&source) else { return };
        *held -= 1;
        if *held == 0 {
            self.by_source.remove(&source);
        }
        self.all -= 1;
    }

    /// Whether few places are left for other machines.
    pub(super) fn is_nearly_full(&self) -> bool {
        self.all >= self.all_max - self.all_max / 4
    }
}

/// A place for a caller; those on this machine are not counted here.
pub(super) fn admit(elsewhere: &Arc<Mutex<Elsewhere>>, peer: IpAddr) -> Result<Place, Full> {
    let Some(source) = source(peer) else { return Ok(Place { held: None }) };
    elsewhere.lock().take(source)?;
    Ok(Place { held: Some((Arc::clone(elsewhere), source)) })
}

/// What counts as one address: of IPv6 the 64 bits that a single host is free to choose from are cut off. `None`: this
/// machine.
pub(super) fn source(peer: IpAddr) -> Option<IpAddr> {
    let ip = peer.to_canonical();
    if ip.is_loopback() {
        return None;
    }
    Some(match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
    })
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((elsewhere, source)) = &self.held {
            elsewhere.lock().give_back(*source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(each: usize, max: usize, reserved: usize) -> Arc<Mutex<Elsewhere>> {
        let options = Options {
            connections_max: max,
            connections_per_address: each,
            connections_reserved: reserved,
            ..Options::new("127.0.0.1:0", None)
        };
        Arc::new(Mutex::new(Elsewhere::new(&options)))
    }

    fn taken(places: &Arc<Mutex<Elsewhere>>, peer: &str) -> Result<Place, Full> {
        admit(places, peer.parse().expect("an address"))
    }

    #[test]
    fn one_address_cannot_take_all() {
        let places = places(2, 10, 2);
        let held = [taken(&places, "10.0.0.1"), taken(&places, "::ffff:10.0.0.1")];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(taken(&places, "10.0.0.1").err(), Some(Full::Address));
        assert!(taken(&places, "10.0.0.2").is_ok());
        drop(held);
        assert!(taken(&places, "10.0.0.1").is_ok(), "what was given back is free again");
        let held = [taken(&places, "2001:db8::1"), taken(&places, "2001:db8::2")];
        assert_eq!(taken(&places, "2001:db8::3").err(), Some(Full::Address), "one host's addresses");
        assert!(taken(&places, "2001:db8:0:1::1").is_ok());
        drop(held);
        assert!(places.lock().by_source.is_empty() && places.lock().all == 0);
    }

    #[test]
    fn all_addresses_together_leave_the_reserve_to_this_machine() {
        let places = places(32, 10, 2);
        let held: Vec<_> = (0..8).map(|n| taken(&places, &format!("10.0.0.{n}"))).collect();
        assert!(held.iter().all(Result::is_ok) && places.lock().is_nearly_full());
        assert_eq!(taken(&places, "10.0.1.1").err(), Some(Full::Reserved));
        for own in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(taken(&places, own).is_ok(), "{own}");
        }
        drop(held);
        assert!(!places.lock().is_nearly_full());
    }
}
