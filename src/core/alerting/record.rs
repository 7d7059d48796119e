//! What the journal holds: facts, each small, none to be decided again. Read under any later configuration and code
//! they give the same state.
//!
//! One record is one JSON object with one key, its tag: `{"flushed":{"group":7,"at":…,"next":…}}`. Readers ignore
//! fields that they don't know. A tag that they don't know is an error: leaving out a fact would make the state wrong.

use serde::{Deserialize, Serialize};

use crate::model::{Alert, Duration, Labels, Timestamp, Transition};

use super::{
    Delivery, DeliveryId, EarlyResolve, Entry, EpisodeId, IntegrationId, Outcome, Reason, Reported,
    SetThreshold, Silence, SilenceId, WriteOff,
};

use std::sync::Arc;

/// A fact: what was received or decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// A change of one of our rules' alerts: the rule's recovery state, and what it did to an episode.
    Transition {
        /// The change.
        change: Transition,
        /// The episode that it opened, continued or ended; none while only pending.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        episode: Option<EpisodeId>,
    },
    /// An alert from outside, merged with what was known of it. It has ended when its end is not after `updated_at`.
    Received {
        /// After merging.
        alert: Alert,
        /// The episode that it opened, continued or ended.
        episode: EpisodeId,
    },
    /// Alerts from outside were sent again, and nothing but their end moved.
    Extended {
        /// Their new end.
        ends_at: Timestamp,
        /// Whether the end was filled in from `resolve_timeout`.
        #[serde(default)]
        timeout: bool,
        /// When they were sent.
        at: Timestamp,
        /// Which.
        episodes: Vec<EpisodeId>,
    },
    /// The ends of alerts from outside have come, each at its own time.
    Lapsed {
        /// When it was noticed.
        at: Timestamp,
        /// Which.
        episodes: Vec<EpisodeId>,
    },
    /// Ended episodes that will not open again; kept as history only.
    Forgotten {
        /// When.
        at: Timestamp,
        /// Which.
        episodes: Vec<EpisodeId>,
    },
    /// A new group.
    GroupOpened(Box<GroupOpened>),
    /// A reload changed a group's settings.
    GroupChanged {
        /// Which.
        group: u64,
        /// Its settings from here on.
        settings: GroupSettings,
    },
    /// A group has nothing left to do.
    GroupClosed {
        /// Which.
        group: u64,
    },
    /// Alerts belong to a group.
    Joined {
        /// Which.
        group: u64,
        /// The alerts.
        episodes: Vec<EpisodeId>,
        /// The group's next turn, when they bring it forward.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        flush_at: Option<Timestamp>,
    },
    /// Routes no longer lead these alerts to the group; it only settles what it told of them.
    Detached {
        /// Which.
        group: u64,
        /// The alerts.
        episodes: Vec<EpisodeId>,
    },
    /// A group is done with alerts.
    Left {
        /// Which.
        group: u64,
        /// The alerts.
        episodes: Vec<EpisodeId>,
    },
    /// A group had its turn, and something came of it.
    Flushed {
        /// Which.
        group: u64,
        /// When.
        at: Timestamp,
        /// Its next turn.
        next: Timestamp,
    },
    /// A message was made.
    Planned(Box<Planned>),
    /// An attempt begins: from here on the receiver may know.
    Attempted {
        /// Which message.
        delivery: DeliveryId,
        /// From 1.
        attempt: u32,
        /// When.
        at: Timestamp,
        /// When it is over at the latest.
        deadline: Timestamp,
    },
    /// An attempt ended.
    Answered {
        /// Which message.
        delivery: DeliveryId,
        /// When.
        at: Timestamp,
        /// How.
        outcome: Outcome,
        /// The next attempt, after a transient failure.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_at: Option<Timestamp>,
    },
    /// Attempts were under way when the process ended: their answers are lost, they are due again.
    Interrupted {
        /// When it was noticed.
        at: Timestamp,
        /// Which messages.
        deliveries: Vec<DeliveryId>,
    },
    /// A message won't be sent, or not again.
    Dropped {
        /// Which.
        delivery: DeliveryId,
        /// When.
        at: Timestamp,
        /// Why.
        because: DropReason,
    },
    /// An integration can't be told at present; another receiver is told in its place.
    FellBack {
        /// In this group.
        group: u64,
        /// Which integration.
        integration: IntegrationId,
        /// The receiver.
        to: Arc<str>,
        /// When.
        at: Timestamp,
    },
    /// Resolves that won't be told.
    WrittenOff {
        /// In this group.
        group: u64,
        /// Which integration.
        integration: IntegrationId,
        /// Of these alerts.
        episodes: Vec<EpisodeId>,
        /// Why.
        because: WriteOff,
        /// When.
        at: Timestamp,
    },
    /// The reason why an integration is told or not told of alerts changed, and no other record says it.
    Reasoned {
        /// Which integration.
        integration: IntegrationId,
        /// Of these alerts.
        episodes: Vec<EpisodeId>,
        /// The reason.
        reason: Reason,
        /// When.
        at: Timestamp,
    },
    /// A silence as it is from here on: new, changed, or ended.
    Silenced(Box<Silence>),
    /// Silences that were over for long.
    SilencesForgotten {
        /// When.
        at: Timestamp,
        /// Which.
        silences: Vec<SilenceId>,
    },
    /// A problem was reported: its issue stays open until it is resolved.
    Reported(Box<Reported>),
    /// An issue was resolved before it was reported.
    ResolvedEarly(EarlyResolve),
    /// Somebody did something to an issue, or an acknowledgement holds no longer.
    Acted {
        /// Which.
        episode: EpisodeId,
        /// What.
        entry: Entry,
    },
    /// Alerts were resolved by hand and still fire.
    Reopened {
        /// When it was noticed.
        at: Timestamp,
        /// Which.
        episodes: Vec<EpisodeId>,
    },
    /// Nobody acknowledged alerts in time: another receiver is told.
    Escalated {
        /// In this group.
        group: u64,
        /// Of these alerts.
        episodes: Vec<EpisodeId>,
        /// Who.
        to: Arc<str>,
        /// Who asked for it; empty when time did.
        by: Arc<str>,
        /// Alerts of which the same message tells again: their next repeat is counted from here.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        along: Vec<EpisodeId>,
        /// When.
        at: Timestamp,
    },
    /// Somebody set a threshold.
    ThresholdSet(Box<SetThreshold>),
    /// Somebody took a threshold back.
    ThresholdUnset {
        /// Of this metric.
        metric: Arc<str>,
        /// Of this severity.
        severity: Arc<str>,
        /// Who.
        by: Arc<str>,
        /// When.
        at: Timestamp,
    },
    /// New options are in force.
    Reloaded {
        /// Since when.
        at: Timestamp,
        /// The integrations that are configured.
        integrations: Vec<IntegrationId>,
    },
}

/// A new group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupOpened {
    /// Its number; never reused.
    pub group: u64,
    /// The route's identity.
    pub route: Arc<str>,
    /// Alertmanager's group key.
    pub key: Arc<str>,
    /// Its labels.
    pub labels: Labels,
    /// Its settings.
    pub settings: GroupSettings,
    /// Its first turn.
    pub flush_at: Timestamp,
}

/// What a group takes from its route. Kept with the group, so that one whose route is gone settles as it was set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSettings {
    /// Who is told.
    pub receiver: Arc<str>,
    /// How often it has its turn.
    pub interval: Duration,
    /// When what was told is told again.
    pub repeat: Duration,
    /// The route's own labels.
    #[serde(default)]
    pub route_labels: Labels,
    /// Its route is gone: nothing new is told, what was told is settled.
    #[serde(default)]
    pub detached: bool,
}

/// A message that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// Its number, from 1, never reused.
    pub number: u64,
    /// The message.
    pub delivery: Arc<Delivery>,
    /// The group.
    pub group: u64,
    /// The message that it takes the place of, which was never attempted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<DeliveryId>,
    /// Whether the alerts' ends will be told to this integration too, as it is set now.
    pub send_resolved: bool,
    /// Made while the journal could not commit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undurable: bool,
}

/// Why a message is not sent, or not again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// It was never attempted, and what it says is no longer so.
    Obsolete,
    /// Its integration is no longer configured.
    ReceiverRemoved,
    /// Its alerts ended too long ago.
    GaveUp,
}

/// Why a journal's text is no record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A newer version wrote it.
    #[error("record `{tag}` is not known to this version; needs botwatch {needs} or newer")]
    Unknown {
        /// The tag.
        tag: String,
        /// The first version that knows it, as its writer says.
        needs: String,
    },
    /// Damaged.
    #[error("not a record")]
    Malformed(#[from] serde_json::Error),
}

/// The first version; its tags carry no version.
const FIRST: &str = "0.1.0";
/// Key beside the tag that names the version which introduced it.
const NEEDS: &str = "needs";

impl Record {
    /// As JSON text. A tag that the first version didn't have brings along the version that reads it.
    pub fn encode(&self) -> String {
        let text = serde_json::to_string(self).expect("records have string keys and finite numbers only");
        match self.introduced() {
            FIRST => text,
            version => with_needs(&text, version),
        }
    }

    /// From JSON text.
    ///
    /// # Errors
    /// When a newer version's tag stands there, or the text is damaged.
    pub fn decode(text: &str) -> Result<Self, RecordError> {
        let error = match serde_json::from_str(text) {
            Ok(record) => return Ok(record),
            Err(error) => error,
        };
        let Ok(serde_json::Value::Object(mut fields)) = serde_json::from_str(text) else {
            return Err(error.into());
        };
        let needs = fields.remove(NEEDS);
        let Some(tag) = fields.keys().next().cloned() else { return Err(error.into()) };
        let error = match serde_json::from_value(serde_json::Value::Object(fields)) {
            Ok(record) => return Ok(record),
            Err(error) => error,
        };
        if error.to_string().starts_with("unknown variant") {
            let needs = needs.and_then(|v| v.as_str().map(str::to_owned));
            return Err(RecordError::Unknown {
                tag,
                needs: needs.unwrap_or_else(|| "a later version".to_owned()),
            });
        }
        Err(error.into())
    }

    /// The version that introduced this record's tag. A new tag gets its line here.
    fn introduced(&self) -> &'static str {
        FIRST
    }

    /// The episodes whose beginning or end, or whose next escalation, this record may change.
    pub(super) fn episodes_changed(&self) -> &[EpisodeId] {
        match self {
            Self::Transition { episode, .. } => episode.as_slice(),
            Self::Received { episode, .. } | Self::Acted { episode, .. } => std::slice::from_ref(episode),
            Self::Reported(reported) => std::slice::from_ref(&reported.episode),
            Self::Lapsed { episodes, .. }
            | Self::Reopened { episodes, .. }
            | Self::Escalated { episodes, .. } => episodes,
            _ => &[],
        }
    }
}

/// Puts the version beside the tag of an encoded record.
pub(super) fn with_needs(text: &str, version: &str) -> String {
    format!("{},\"{NEEDS}\":\"{version}\"}}", text.strip_suffix('}').unwrap_or(text))
}
