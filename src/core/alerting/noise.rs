//! Which rules cry wolf: how long alerts fired, whether anybody cared, and what a longer `for` would have spared.

use crate::model::{Duration, Ending, Timestamp};

use super::{Act, Episode};

/// An alert that ends by itself within this time was hardly worth a page.
pub const SHORT: Duration = Duration::from_secs(5 * 60);
/// Fewer firings say nothing about a rule.
const FIRINGS_MIN: usize = 3;
/// What may be suggested for `for`, in seconds.
const HOLDS: [i64; 7] = [30, 60, 120, 180, 300, 600, 900];

/// One firing: from a beginning to the end after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Firing {
    /// When it began.
    pub from: Timestamp,
    /// When and how it ended; none while it fires.
    pub end: Option<(Timestamp, Ending)>,
    /// When somebody first acknowledged it.
    pub acknowledged: Option<Timestamp>,
}

impl Firing {
    /// Whether it ended by itself within [`SHORT`], and nobody cared.
    pub fn is_noise(&self) -> bool {
        self.acknowledged.is_none()
            && self.end.is_some_and(|(at, why)| why != Ending::Operator && at.since(self.from) < SHORT)
    }
}

impl Episode {
    /// Its firings, oldest first: more than one where it fired again soon after an end.
    pub fn firings(&self) -> Vec<Firing> {
        let begin = |from| Firing { from, end: None, acknowledged: None };
        let mut all = Vec::new();
        let mut current = Some(begin(self.id.starts_at));
        for entry in &self.history {
            match (&entry.act, &mut current) {
                (Act::Reopened, None) => current = Some(begin(entry.at)),
                (Act::Acknowledged { .. }, Some(firing)) => {
                    firing.acknowledged.get_or_insert(entry.at);
                }
                (Act::Resolved { .. }, Some(firing)) => {
                    firing.end = Some((entry.at, Ending::Operator));
                    all.extend(current.take());
                }
                (Act::Ended { why }, Some(firing)) => {
                    firing.end = Some((entry.at, *why));
                    all.extend(current.take());
                }
                _ => {}
            }
        }
        // Of a history that was cut the last end is known all the same.
        if let (Some(firing), Some(ended)) = (&mut current, self.ended) {
            firing.end = Some((ended.at, ended.why));
        }
        all.extend(current);
        all
    }
}

/// A longer `for`, and what it would have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suggestion {
    /// The `for` to set.
    pub hold: Duration,
    /// Firings that nobody would have been told of.
    pub spared: usize,
    /// Firings that would have been told, later by the difference.
    pub kept: usize,
}

/// The shortest `for` that would have spared most of the noise of a rule without sparing anything that lasted, or
/// that somebody acknowledged. None when the rule isn't noisy, or none would do.
pub fn suggest(hold: Duration, firings: &[Firing]) -> Option<Suggestion> {
    let noise = firings.iter().filter(|f| f.is_noise()).count();
    if firings.len() < FIRINGS_MIN || 2 * noise < firings.len() {
        return None;
    }
    HOLDS.into_iter().map(Duration::from_secs).filter(|longer| *longer > hold).find_map(|longer| {
        // A firing begins when `for` is over, so that much more is asked of it.
        let more = Duration::from_millis(longer.as_millis() - hold.as_millis());
        let is_spared = |f: &Firing| f.end.is_some_and(|(at, _)| at.since(f.from) < more);
        let spared = firings.iter().filter(|f| is_spared(f)).count();
        let wrongly = firings.iter().any(|f| is_spared(f) && !f.is_noise());
        (!wrongly && 5 * spared >= 4 * noise).then_some(Suggestion {
            hold: longer,
            spared,
            kept: firings.len() - spared,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn firing(secs: i64, acknowledged: bool) -> Firing {
        let from = Timestamp::from_secs(1000);
        let end = Some((Timestamp::from_secs(1000 + secs), Ending::ConditionGone));
        Firing { from, end, acknowledged: acknowledged.then_some(from) }
    }

    #[test]
    fn a_longer_for_is_suggested_where_it_spares_noise_only() {
        let secs = Duration::from_secs;
        let suggest = |hold, all: &[(i64, bool)]| {
            let firings: Vec<Firing> = all.iter().map(|(s, a)| firing(*s, *a)).collect();
            suggest(secs(hold), &firings).map(|s| (s.hold.as_millis() / 1000, s.spared, s.kept))
        };
        assert_eq!(suggest(0, &[(20, false), (25, false), (10, false)]), Some((30, 3, 0)));
        assert_eq!(
            suggest(60, &[(20, false), (25, false), (4000, false)]),
            Some((120, 2, 1)),
            "on top of the present one"
        );
        assert_eq!(
            suggest(0, &[(20, false), (25, true), (10, false)]),
            None,
            "somebody cared for a short one"
        );
        assert_eq!(suggest(0, &[(4000, false), (5000, false), (10, false)]), None, "not noisy");
        assert_eq!(suggest(0, &[(20, false), (25, false)]), None, "too few");
        assert_eq!(suggest(900, &[(20, false), (25, false), (10, false)]), None, "long enough as it is");
    }
}
