//! Why somebody was told, or not (DESIGN §2.6).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Fingerprint, Timestamp};

use super::{DeliveryId, SilenceId};

/// Why an integration was told of an episode, or not. What a delivery is doing right now is in the delivery.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Reason {
    /// The group waits for more alerts, or for its next turn.
    Waiting {
        /// Until then.
        until: Timestamp,
    },
    /// A message is on its way: planned, being attempted, or waiting for its next attempt.
    InDelivery {
        /// Which.
        delivery: DeliveryId,
    },
    /// Told.
    Sent {
        /// By which message.
        delivery: DeliveryId,
        /// `false`: that it fires; `true`: that it ended.
        resolved: bool,
    },
    /// The receiver refused the message for good; a new one is made when the alerts change, or after a while.
    Refused {
        /// Which.
        delivery: DeliveryId,
        /// What it said.
        error: String,
    },
    /// Never got through.
    GaveUp {
        /// The last message.
        delivery: DeliveryId,
        /// What happened last.
        error: String,
    },
    /// Nothing new to say: it was told that the alert fires.
    AlreadyTold {
        /// Since then.
        since: Timestamp,
    },
    /// Another alert quietens it.
    Inhibited {
        /// That alert.
        by: Fingerprint,
        /// The rule's place in the configuration, from 0.
        rule: usize,
        /// The rule's name.
        #[serde(default)]
        name: Arc<str>,
    },
    /// Somebody wants to hear nothing of it.
    Silenced {
        /// The silences that match it.
        by: Vec<SilenceId>,
    },
    /// It is a time at which its route is mute.
    Muted {
        /// The time intervals of the route that it lies in.
        during: Vec<Arc<str>>,
    },
    /// It is no time at which its route is active.
    Inactive {
        /// The time intervals in which the route is active.
        outside: Vec<Arc<str>>,
    },
    /// Somebody looks after it, so that it doesn't escalate.
    Acknowledged {
        /// Who.
        by: Arc<str>,
    },
    /// Sending is switched off.
    Disabled,
    /// The receiver has no integrations.
    NoIntegrations,
    /// It ended before anybody had to be told.
    EndedUntold,
    /// The route no longer leads there.
    Rerouted,
    /// It was told that the alert fires and won't be told that it ended.
    WrittenOff {
        /// Why not.
        because: WriteOff,
    },
}

impl Reason {
    /// Whether something keeps it quiet that may pass while it fires.
    pub fn is_quiet(&self) -> bool {
        matches!(
            self,
            Self::Inhibited { .. } | Self::Silenced { .. } | Self::Muted { .. } | Self::Inactive { .. }
        )
    }
}

/// Why somebody who was told that an alert fires is never told that it ended (DESIGN §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteOff {
    /// It doesn't want resolves (`send_resolved: false`).
    SendResolvedFalse,
    /// The integration is no longer configured.
    ReceiverRemoved,
    /// It could not be told for a day.
    GaveUp,
    /// It was inhibited, silenced or muted at its end, and `suppressed_resolves: drop` is set.
    Suppressed,
}

/// Why a message was planned: Alertmanager's `notification_reason` (spec §2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NotifyReason {
    /// Nobody was told of this group before, or all that was told has ended.
    FirstNotification,
    /// An alert fires that was not told.
    NewAlertsAdded,
    /// Nothing fires any more.
    AllAlertsResolved,
    /// Something ended that was told.
    SomeAlertsResolved,
    /// What was told is told again.
    RepeatIntervalElapsed,
    /// Nobody acknowledged it in time. Not Alertmanager's: it has no escalation.
    Escalated,
}

impl NotifyReason {
    /// As Alertmanager writes it in webhooks.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FirstNotification => "first notification",
            Self::NewAlertsAdded => "new alerts added",
            Self::AllAlertsResolved => "all alerts resolved",
            Self::SomeAlertsResolved => "some alerts resolved",
            Self::RepeatIntervalElapsed => "repeat interval elapsed",
            Self::Escalated => "not acknowledged in time",
        }
    }
}
