//! What happens to the simulated bot, as functions of its clock.

use std::sync::atomic::{AtomicI64, Ordering};

use botwatch_core::model::{Duration, Timestamp};

/// Quiet before the leak, so that one sees what healthy looks like.
pub(super) const QUIET: Duration = Duration::from_secs(25);
/// The bot has been running for so long when the demo begins: rates of its whole life are settled.
const LIVED: Duration = Duration::from_secs(2 * 3600);
/// From healthy to nearly full, in seconds.
const LEAKS: f64 = 30.0;
/// Nearly full until then: `for: 1m` of the warning, its `group_wait` and two scrapes fit in.
const RELIEVED: f64 = 125.0;
/// The heap is empty again so many seconds later.
const DRAINS: f64 = 10.0;
/// Shares of the heap's limit.
const HEALTHY: f64 = 0.58;
const FULL: f64 = 0.94;
/// Garbage is collected every so many seconds, and was so much of the limit.
const COLLECTED_EVERY: f64 = 17.0;
const GARBAGE: f64 = 0.05;

/// From the start of a leak until the bot is healthy again.
pub(super) const INCIDENT: Duration = Duration::from_secs((RELIEVED + DRAINS) as i64);

/// When what happens to the bot. Shared by the bot and by who tells of it.
#[derive(Debug)]
pub(super) struct Script {
    /// When the bot was started.
    pub(super) started: Timestamp,
    /// When its newest leak begins, in milliseconds; never: [`i64::MAX`].
    leak: AtomicI64,
}

impl Script {
    /// A healthy bot.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { started: now - LIVED, leak: AtomicI64::new(i64::MAX) }
    }

    /// It begins to leak at `at`, unless an earlier leak isn't over by then: false.
    pub(super) fn leak(&self, at: Timestamp) -> bool {
        let running = self.leaks_since().is_some_and(|since| since <= at && at < since + INCIDENT);
        if !running {
            self.leak.store(at.0, Ordering::Relaxed);
        }
        !running
    }

    /// When its newest leak began or will begin.
    pub(super) fn leaks_since(&self) -> Option<Timestamp> {
        Some(self.leak.load(Ordering::Relaxed)).filter(|at| *at != i64::MAX).map(Timestamp)
    }

    /// How much of its limit the heap uses, from 0 to 1.
    pub(super) fn heap(&self, at: Timestamp) -> f64 {
        let lived = at.since(self.started).as_secs_f64();
        let healthy = HEALTHY + GARBAGE * (lived / COLLECTED_EVERY).fract();
        let Some(since) = self.leaks_since() else { return healthy };
        let t = at.since(since).as_secs_f64();
        let full = FULL + 0.003 * (lived * 0.7).sin();
        let part = match t {
            t if t < 0.0 => 0.0,
            t if t < LEAKS => t / LEAKS,
            t if t < RELIEVED => 1.0,
            t => 1.0 - ((t - RELIEVED) / DRAINS).min(1.0),
        };
        healthy + (full - healthy) * part
    }

    /// How hard the garbage collector works, from 0 to 1: what a full heap costs everything else.
    pub(super) fn pressure(&self, at: Timestamp) -> f64 {
        ((self.heap(at) - 0.75) / 0.25).clamp(0.0, 1.0)
    }
}
