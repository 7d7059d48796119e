//! The machine's face towards its shell: what can wake it, what it can cause.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::{Alert, Duration, Fingerprint, Labels, RuleKey, Timestamp, Transition};

use super::{Options, Record};

/// The journal's sequence number of a record; dense, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Seq(pub u64);

/// An integration's identity: receiver name, kind, and its own name or a hash of its address — never its index, so
/// that reordering a list changes nobody's history (DESIGN §2.2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IntegrationId {
    /// Receiver.
    pub receiver: Arc<str>,
    /// `email`, `slack`, `webhook`, …
    pub kind: Arc<str>,
    /// Its own name, or a hash of its address.
    pub key: Arc<str>,
}

/// A delivery's identity, stable over retries and restarts: the idempotency key on the wire.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub Arc<str>);

/// One notification to one integration: everything that its message needs, fixed when it is planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Identity.
    pub id: DeliveryId,
    /// To whom.
    pub integration: IntegrationId,
    /// Alertmanager's group key, verbatim in webhooks (spec D-3).
    pub group_key: Arc<str>,
    /// The group's labels.
    pub group_labels: Labels,
    /// The route's own labels (spec C-28), merged parent to child.
    #[serde(default)]
    pub route_labels: Labels,
    /// Why it is sent: `first notification`, `new alerts added`, `some alerts resolved`, `all alerts resolved`,
    /// `repeat interval elapsed`.
    pub reason: Arc<str>,
    /// The alerts, by job, instance, labels; of equal labels those that ended before the one that fires.
    pub alerts: Vec<NotifiedAlert>,
    /// When it was planned.
    pub planned_at: Timestamp,
}

/// One alert inside a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotifiedAlert {
    /// The alert; firing while `ends_at` is `None`.
    pub alert: Alert,
    /// The episode: fingerprint and start. Also the id.
    pub episode: EpisodeId,
    /// Value of the last true evaluation, for our own rules.
    #[serde(default)]
    pub value: Option<String>,
    /// Blind since then: still counted as firing because a source can't be seen.
    #[serde(default)]
    pub frozen_since: Option<Timestamp>,
}

/// One firing of one alert, from its start to its end. Printed as `b807e636403824b5-1763942400000`: fingerprint and
/// start in milliseconds; never reused for another firing of the same alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpisodeId {
    /// The alert.
    pub fingerprint: Fingerprint,
    /// When it began to fire.
    pub starts_at: Timestamp,
}

impl fmt::Display for IntegrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.receiver, self.kind, self.key)
    }
}

impl fmt::Display for EpisodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.fingerprint, self.starts_at.0)
    }
}

/// A text that is no episode's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an episode: `{0}`")]
pub struct EpisodeIdError(pub String);

impl FromStr for EpisodeId {
    type Err = EpisodeIdError;

    fn from_str(text: &str) -> Result<Self, EpisodeIdError> {
        let parse = || {
            let (fingerprint, start) = text.split_once('-')?;
            Some(Self { fingerprint: fingerprint.parse().ok()?, starts_at: Timestamp(start.parse().ok()?) })
        };
        parse().ok_or_else(|| EpisodeIdError(text.to_owned()))
    }
}

impl Serialize for EpisodeId {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EpisodeId {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// Everything that can wake the machine, besides time.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Changes of our own rules' alerts, in the order in which they happened.
    Transitions(Vec<Transition>),
    /// Newer values and annotations of firing alerts: for texts, not for decisions; not kept over a restart.
    Refresh(Vec<Refresh>),
    /// Alerts from outside (spec alertmanager §2.5), `starts_at` filled in, `ends_at` as received. The caller has
    /// asked `Machine::room` first: what goes over the limit is dropped and counted.
    Received(Vec<Alert>),
    /// All rules of the running configuration: alerts of others end with "rule removed".
    RulesLoaded(Vec<RuleKey>),
    /// A delivery's attempt ended.
    Delivered {
        /// Which.
        id: DeliveryId,
        /// How.
        outcome: Outcome,
    },
    /// New routes, receivers, inhibitions: applied between two events, journalled as a fact.
    Reloaded(Arc<Options>),
    /// Whether the journal can commit (DESIGN §2.10): what is planned while it can't is marked undurable.
    Durability(bool),
}

/// Newer text of an alert that keeps firing.
#[derive(Debug, Clone, PartialEq)]
pub struct Refresh {
    /// The alert.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// Its value.
    pub value: f64,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The receiver took it.
    Delivered {
        /// What the receiver said that later messages need (a Slack message's `ts`), by key.
        #[serde(default)]
        receiver_data: BTreeMap<String, String>,
    },
    /// It may work later (network, 5xx, 429).
    Transient {
        /// What happened, without secrets.
        error: String,
        /// The receiver asked to wait so long.
        #[serde(default)]
        retry_after: Option<Duration>,
    },
    /// It won't work without a change (4xx, bad address).
    Permanent {
        /// What happened, without secrets.
        error: String,
    },
}

/// Everything that the machine can cause. In order; a `Send` waits until the sequence that it names is durable.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A fact to append to the journal. Its sequence is the next one, dense in the order of emission. The machine
    /// has applied it already.
    Record(Record),
    /// An attempt to make.
    Send(Send),
}

/// An attempt of a delivery.
#[derive(Debug, Clone)]
pub struct Send {
    /// Perform it only once this sequence is durable.
    pub after: Seq,
    /// What to send.
    pub delivery: Arc<Delivery>,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// Give this attempt up then.
    pub deadline: Timestamp,
    /// What the receiver said to earlier deliveries of this group.
    pub receiver_data: BTreeMap<String, String>,
}
