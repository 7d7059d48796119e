//! How often somebody may ask: a bucket of tokens for each.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

use crate::model::{Duration, Timestamp};

/// How much, and how much at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// Tokens a second; over zero.
    pub per_second: f64,
    /// Tokens that a bucket holds; at least one.
    pub burst: f64,
}

/// Buckets by key. At most so many: the one that was asked least lately goes first, which forgives whoever it was.
#[derive(Debug)]
pub struct Limiter<K> {
    limit: Limit,
    max: usize,
    buckets: HashMap<K, Bucket>,
    /// By when they were last asked; the number tells equal times apart.
    by_time: BTreeMap<(Timestamp, u64), K>,
    asked: u64,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: (Timestamp, u64),
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// Of at most so many buckets, all full.
    pub fn new(limit: Limit, max: usize) -> Self {
        Self { limit, max: max.max(1), buckets: HashMap::new(), by_time: BTreeMap::new(), asked: 0 }
    }

    /// Another limit from now on; what is in the buckets stays, as far as it fits.
    pub fn set_limit(&mut self, limit: Limit) {
        self.limit = limit;
    }

    /// Takes a token.
    ///
    /// # Errors
    /// The time until there is one.
    pub fn take(&mut self, now: Timestamp, key: &K) -> Result<(), Duration> {
        self.asked += 1;
        let at = (now, self.asked);
        let tokens = match self.buckets.get(key) {
            Some(bucket) => {
                self.by_time.remove(&bucket.at);
                let gained = now.since(bucket.at.0).as_secs_f64().max(0.0) * self.limit.per_second;
                (bucket.tokens + gained).min(self.limit.burst)
            }
            None => self.limit.burst,
        };
        let enough = tokens >= 1.0;
        let left = if enough { tokens - 1.0 } else { tokens };
        self.buckets.insert(key.clone(), Bucket { tokens: left, at });
        self.by_time.insert(at, key.clone());
        while self.buckets.len() > self.max
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.buckets.remove(&oldest);
        }
        if enough {
            return Ok(());
        }
        let wait = (1.0 - tokens) / self.limit.per_second;
        Err(Duration::from_millis((wait * 1000.0).ceil() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let mut limiter = Limiter::new(Limit { per_second: 2.0, burst: 3.0 }, 10);
        let at = |ms: i64| Timestamp(1_000_000 + ms);
        for _ in 0..3 {
            assert_eq!(limiter.take(at(0), &"a"), Ok(()));
        }
        assert_eq!(limiter.take(at(0), &"a"), Err(Duration::from_millis(500)));
        assert_eq!(limiter.take(at(0), &"b"), Ok(()), "somebody else");
        assert_eq!(limiter.take(at(400), &"a"), Err(Duration::from_millis(100)));
        assert_eq!(limiter.take(at(500), &"a"), Ok(()));
        assert!(limiter.take(at(500), &"a").is_err());
        for _ in 0..3 {
            assert_eq!(limiter.take(at(60_000), &"a"), Ok(()), "full, not more");
        }
        assert!(limiter.take(at(60_000), &"a").is_err());
        limiter.set_limit(Limit { per_second: 1.0, burst: 1.0 });
        assert_eq!(limiter.take(at(61_000), &"a"), Ok(()));
        assert_eq!(limiter.take(at(61_000), &"a"), Err(Duration::from_millis(1000)));
    }

    #[test]
    fn many_keys_take_bounded_room() {
        let mut limiter = Limiter::new(Limit { per_second: 1.0, burst: 1.0 }, 100);
        for n in 0..10_000_i32 {
            assert_eq!(limiter.take(Timestamp(i64::from(n)), &n), Ok(()));
        }
        assert_eq!((limiter.buckets.len(), limiter.by_time.len()), (100, 100));
        assert!(limiter.take(Timestamp(10_000), &9_999).is_err(), "the newest are remembered");
    }
}
