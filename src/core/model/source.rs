//! Where samples come from, so that missing data can be told from good news.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A source of samples (target, probe, log, pusher), numbered by the head in order of first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SourceId(pub u32);

/// A set of sources: what went into a series or a result. Up to 64 sources it is one word, and a union is one `or`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Sources {
    low: u64,
    /// Ids from 64 up, sorted, unique.
    high: Option<Arc<[u32]>>,
}

impl Sources {
    /// No source: constants, `time()`.
    pub const NONE: Self = Self { low: 0, high: None };

    /// Just one.
    pub fn one(id: SourceId) -> Self {
        if id.0 < 64 {
            Self { low: 1 << id.0, high: None }
        } else {
            Self { low: 0, high: Some([id.0 - 64].into()) }
        }
    }

    /// Adds the other's sources.
    pub fn merge(&mut self, other: &Self) {
        self.low |= other.low;
        match (&self.high, &other.high) {
            (_, None) => {}
            (None, Some(_)) => self.high.clone_from(&other.high),
            (Some(a), Some(b)) if Arc::ptr_eq(a, b) || a == b => {}
            (Some(a), Some(b)) => {
                let mut all: Vec<u32> = a.iter().chain(b.iter()).copied().collect();
                all.sort_unstable();
                all.dedup();
                self.high = Some(all.into());
            }
        }
    }

    /// The ids in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = SourceId> + '_ {
        let low = (0..64).filter(|i| self.low & (1 << i) != 0);
        low.chain(self.high.iter().flat_map(|h| h.iter().map(|i| i + 64))).map(SourceId)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.low == 0 && self.high.is_none()
    }
}

impl FromIterator<SourceId> for Sources {
    fn from_iter<I: IntoIterator<Item = SourceId>>(ids: I) -> Self {
        let mut all = Self::NONE;
        for id in ids {
            all.merge(&Self::one(id));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unions_over_any_number_of_sources() {
        let ids = |s: &Sources| s.iter().map(|i| i.0).collect::<Vec<_>>();
        let mut a: Sources = [3, 64, 200].map(SourceId).into_iter().collect();
        a.merge(&[0, 63, 65, 200].map(SourceId).into_iter().collect());
        assert_eq!(ids(&a), [0, 3, 63, 64, 65, 200]);
        assert!(Sources::NONE.is_empty() && !a.is_empty());
    }
}
