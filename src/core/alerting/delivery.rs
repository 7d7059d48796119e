//! A delivery's life: identity, attempts, waits.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Duration, Timestamp};

use super::{Delivery, DeliveryId, EpisodeId, IntegrationId, RetryPolicy, ledger::Content};

/// A delivery that is not done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryState {
    /// Its number; messages of one lane go out in this order.
    pub number: u64,
    /// The message. Fixed once attempted.
    pub delivery: Arc<Delivery>,
    /// Its group.
    pub group: u64,
    /// What it is doing.
    pub phase: Phase,
    /// Attempts begun.
    #[serde(default)]
    pub attempts: u32,
    /// Attempts that failed; interrupted ones don't count.
    #[serde(default)]
    pub failures: u32,
    /// The receiver may have taken it although we don't know.
    #[serde(default)]
    pub ambiguous: bool,
    /// Whether the ends of its alerts will be told too.
    pub send_resolved: bool,
    /// Made while the journal could not commit.
    #[serde(default)]
    pub undurable: bool,
    /// What happened at the last attempt.
    #[serde(default)]
    pub last_error: Option<String>,
}

/// What a delivery is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
    /// Due for an attempt, once it is its turn.
    Ready {
        /// Not before.
        at: Timestamp,
    },
    /// Being attempted.
    InFlight {
        /// Since then.
        since: Timestamp,
        /// It ends by then.
        deadline: Timestamp,
    },
}

impl DeliveryState {
    /// The integration.
    pub fn integration(&self) -> &IntegrationId {
        &self.delivery.integration
    }

    pub(super) fn content(&self) -> Content {
        content(&self.delivery)
    }
}

/// What a message says, as sets.
pub(super) fn content(delivery: &Delivery) -> Content {
    let of = |ended: bool| {
        let some = delivery.alerts.iter().filter(move |a| a.alert.ends_at.is_some() == ended);
        some.map(|a| a.episode).collect()
    };
    Content { firing: of(false), resolved: of(true) }
}

/// How a delivery came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// The receiver took it.
    Delivered,
    /// The receiver refused it for good.
    Refused,
    /// It could not be delivered until its alerts had ended for a day.
    GaveUp,
    /// A newer message took its place before it was attempted.
    Superseded,
    /// It was never attempted, and what it says is no longer so.
    Obsolete,
    /// Its integration is no longer configured.
    ReceiverRemoved,
}

/// A delivery that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    /// Identity.
    pub id: DeliveryId,
    /// Number.
    pub number: u64,
    /// To whom.
    pub integration: IntegrationId,
    /// Group key.
    pub group_key: Arc<str>,
    /// Why it was made.
    pub reason: Arc<str>,
    /// How many alerts it said fire.
    pub firing: usize,
    /// How many alerts it said ended.
    pub resolved: usize,
    /// The first of its episodes, at most [`DONE_EPISODES_MAX`].
    pub episodes: Vec<EpisodeId>,
    /// When it was made.
    pub planned_at: Timestamp,
    /// When it was done.
    pub done_at: Timestamp,
    /// Attempts begun.
    pub attempts: u32,
    /// How it came to its end.
    pub result: Result,
    /// What happened at the last attempt that failed.
    #[serde(default)]
    pub last_error: Option<String>,
    /// Made while the journal could not commit.
    #[serde(default)]
    pub undurable: bool,
}

/// Episodes kept with a delivery that is done: enough to find it from an episode, whatever a group's size.
pub const DONE_EPISODES_MAX: usize = 16;

impl Done {
    pub(super) fn new(state: &DeliveryState, result: Result, done_at: Timestamp) -> Self {
        let d = &state.delivery;
        let resolved = d.alerts.iter().filter(|a| a.alert.ends_at.is_some()).count();
        Self {
            id: d.id.clone(),
            number: state.number,
            integration: d.integration.clone(),
            group_key: Arc::clone(&d.group_key),
            reason: Arc::clone(&d.reason),
            firing: d.alerts.len() - resolved,
            resolved,
            episodes: d.alerts.iter().take(DONE_EPISODES_MAX).map(|a| a.episode).collect(),
            planned_at: d.planned_at,
            done_at,
            attempts: state.attempts,
            result,
            last_error: state.last_error.clone(),
            undurable: state.undurable,
        }
    }
}

/// A delivery's identity: its number, which never repeats within a journal, and a hash of what it is and when it was
/// made. The hash keeps ids apart where numbers can repeat: messages that were sent while the journal could not
/// commit, and other data directories. A receiver that remembers ids must never take a new message for an old one.
pub(super) fn delivery_id(number: u64, delivery: &Delivery) -> DeliveryId {
    let i = &delivery.integration;
    let mut hash = FNV_OFFSET;
    for text in [&delivery.group_key, &i.receiver, &i.kind, &i.key, &delivery.reason] {
        hash = fnv(fnv(hash, text.as_bytes()), &[0xff]);
    }
    hash = fnv(hash, &delivery.planned_at.0.to_le_bytes());
    for alert in &delivery.alerts {
        hash = fnv(hash, &alert.episode.fingerprint.0.to_le_bytes());
        hash = fnv(hash, &alert.episode.starts_at.0.to_le_bytes());
        hash = fnv(hash, &[u8::from(alert.alert.ends_at.is_some())]);
    }
    DeliveryId(format!("{number}-{hash:016x}").into())
}

/// The number in front of a delivery's id; `None` when it is none of ours.
pub(super) fn delivery_number(id: &DeliveryId) -> Option<u64> {
    id.0.split_once('-')?.0.parse().ok()
}

/// What a failed attempt leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retry {
    /// When the next attempt is due.
    pub at: Timestamp,
    /// Quick attempts are used up: time to tell somebody else.
    pub round_over: bool,
}

/// How the waits grow after the round: a page is late by about a fifth of what the outage lasted, up to the slow interval.
const SLOWER: f64 = 1.25;

/// The wait after the `failures`-th failed attempt, which happened now. Chance comes from the delivery's id, so that
/// many deliveries spread out while each is the same on every run.
pub(super) fn after_failure(
    policy: &RetryPolicy,
    id: &DeliveryId,
    failures: u32,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> Retry {
    let asked = retry_after.unwrap_or(Duration::ZERO).max(Duration::ZERO).min(policy.retry_after_max);
    let round_over = failures >= policy.attempts || asked > policy.slow_interval;
    let quick = failures.min(policy.attempts).saturating_sub(1);
    let doubled = policy.base.as_millis().saturating_mul(1 << quick.min(40)).min(policy.cap.as_millis());
    let slower = SLOWER.powi(failures.saturating_sub(policy.attempts).min(100) as i32);
    let wait = (doubled as f64 * slower).min(policy.slow_interval.as_millis() as f64);
    let varied = wait * (1.0 + policy.jitter * chance(id, failures));
    let wait = Duration::from_millis((varied as i64).max(1)).max(asked);
    Retry { at: now + wait, round_over }
}

/// A number in -1 … 1 from an id and an attempt.
fn chance(id: &DeliveryId, attempt: u32) -> f64 {
    let mut hash = fnv(fnv(FNV_OFFSET, id.0.as_bytes()), &attempt.to_le_bytes());
    // FNV's high bits hardly change with the last bytes; this mixes all into all.
    hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^= hash >> 29;
    (hash >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}
