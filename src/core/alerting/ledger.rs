//! The told-ledger: what each integration of a group was or may have been told, and what to tell it next.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::model::{Duration, Timestamp};

use super::{DeliveryId, EpisodeId, NotifyReason, pairs};

/// One integration's side of one group. Its rows are the told-ledger (DESIGN §2.2): one for each episode that the
/// integration was or may have been told of, until the end was told or written off and the group is done with it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lane {
    /// What it was or may have been told.
    #[serde(default, with = "pairs")]
    pub told: BTreeMap<EpisodeId, Told>,
    /// When it last took a message: Alertmanager's notification log entry.
    #[serde(default)]
    pub told_at: Option<Timestamp>,
    /// The message that was attempted and is not done: nothing else goes out before it.
    #[serde(default)]
    pub head: Option<u64>,
    /// The message behind it, which was never attempted.
    #[serde(default)]
    pub next: Option<u64>,
    /// The receiver that is told in its place since it can't be told.
    #[serde(default)]
    pub fell_back: Option<Arc<str>>,
    /// The last message, if it was refused for good.
    #[serde(default)]
    pub refused: Option<Refused>,
    /// What it said to earlier messages that later ones need.
    #[serde(default)]
    pub receiver_data: BTreeMap<String, String>,
}

/// One row of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// When it was first told, or may have been.
    pub since: Timestamp,
    /// How sure that is.
    pub certainty: Certainty,
    /// Whether it took a message that says the end.
    #[serde(default)]
    pub resolved: bool,
    /// Whether it wants to be told the end, as it was set when it was told.
    pub send_resolved: bool,
    /// Whether it may have heard otherwise since: from a message that was refused after an attempt without a clear
    /// answer, or from another group that said the end.
    #[serde(default)]
    pub in_doubt: bool,
}

/// How sure it is that an integration was told that an alert fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The first attempt is under way; if the receiver refuses it, it was not told.
    Attempted,
    /// An attempt ended without a clear answer.
    Maybe,
    /// It took the message.
    Sure,
}

/// A message that was refused for good: the same is not tried again at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// Which.
    pub delivery: DeliveryId,
    /// When.
    pub at: Timestamp,
    /// What the receiver said.
    pub error: String,
    /// What it said fires.
    pub firing: BTreeSet<EpisodeId>,
    /// What it said ended.
    pub resolved: BTreeSet<EpisodeId>,
}

/// What an integration believes of an episode, as far as we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Belief {
    /// Never heard of it.
    Untold,
    /// It fires. `send_resolved` as promised.
    Firing {
        /// Whether it wants the end.
        send_resolved: bool,
    },
    /// It ended.
    Resolved,
}

/// What a message that is under way says, as sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub firing: BTreeSet<EpisodeId>,
    pub resolved: BTreeSet<EpisodeId>,
}

impl Lane {
    /// What the integration will believe once the message under way has arrived.
    pub(super) fn belief(&self, id: EpisodeId, under_way: Option<&Content>) -> Belief {
        let row = self.told.get(&id);
        let ended = under_way.map_or_else(
            || row.is_some_and(|r| r.resolved),
            |c| c.resolved.contains(&id) || (row.is_some_and(|r| r.resolved) && !c.firing.contains(&id)),
        );
        match row {
            None => Belief::Untold,
            Some(_) if ended => Belief::Resolved,
            Some(row) => Belief::Firing { send_resolved: row.send_resolved },
        }
    }

    /// Whether it may not know that an episode fires although it was told: it is told anew, since a page twice beats
    /// a page never.
    pub(super) fn is_in_doubt(&self, id: EpisodeId) -> bool {
        self.head.is_none() && self.told.get(&id).is_some_and(|told| told.in_doubt && !told.resolved)
    }

    /// Whether nothing is owed to this integration: no end to tell, no message under way.
    pub(super) fn is_settled(&self) -> bool {
        self.head.is_none() && self.next.is_none() && self.told.values().all(|t| t.resolved)
    }

    /// Whether the ledger still has an open row for an episode.
    pub(super) fn owes(&self, id: EpisodeId) -> bool {
        self.told.get(&id).is_some_and(|t| !t.resolved)
    }
}

/// What an integration's lane looks like at its group's turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    /// Something fires.
    pub any_firing: bool,
    /// Something fires that it doesn't believe to fire.
    pub any_new: bool,
    /// Something ended that it must be told of.
    pub any_ended: bool,
    /// It believes something to fire.
    pub believes_firing: bool,
    /// When it last took a message.
    pub told_at: Option<Timestamp>,
    /// A message is under way or planned: telling again waits for that one.
    pub under_way: bool,
}

/// Whether to tell, in the order of Alertmanager's table (spec §2.4); `None`: nothing to say. Silences, inhibitions and
/// `send_resolved` have been taken into account by the caller.
pub(super) fn decide(q: Question, now: Timestamp, repeat: Duration) -> Option<NotifyReason> {
    if q.any_firing && q.any_new {
        return Some(if q.believes_firing {
            NotifyReason::NewAlertsAdded
        } else {
            NotifyReason::FirstNotification
        });
    }
    if !q.any_firing {
        return (q.believes_firing && q.any_ended).then_some(NotifyReason::AllAlertsResolved);
    }
    if q.any_ended {
        return Some(NotifyReason::SomeAlertsResolved);
    }
    // Told far in the future: the clock was set back since.
    let due = !q.under_way && q.told_at.is_some_and(|t| t < now - repeat || t > now + repeat);
    due.then_some(NotifyReason::RepeatIntervalElapsed)
}
