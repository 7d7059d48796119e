//! Alerts as routing sees them, and the transitions that rules hand over.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Labels, Timestamp};

/// An alert in routing: one of our rules' firing alerts, or one received from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Identity.
    pub labels: Labels,
    /// Texts.
    #[serde(default)]
    pub annotations: Labels,
    /// When it began to fire.
    pub starts_at: Timestamp,
    /// When it ended or, for a lease from outside, when it will unless sent again. `None`: until a transition.
    #[serde(default)]
    pub ends_at: Option<Timestamp>,
    /// When it was last heard of.
    pub updated_at: Timestamp,
    /// A link to what made it.
    #[serde(default)]
    pub generator_url: Arc<str>,
    /// Whether `ends_at` was filled in from `resolve_timeout` (spec alertmanager §2.5).
    #[serde(default)]
    pub timeout: bool,
}

/// A rule's identity over reload and restart: what must be equal for its alerts' state to be kept (spec R54, R55).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleKey {
    /// Rule file, as configured.
    pub file: Arc<str>,
    /// Group name.
    pub group: Arc<str>,
    /// Alert name.
    pub alert: Arc<str>,
    /// Fingerprint of the rule's configured labels (group's and its own, before templating).
    pub labels: super::Fingerprint,
    /// Which of several equal rules in the group, from 0.
    pub nth: u32,
}

/// The state of one alert of one rule. What a state needs lives in the state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum AlertState {
    /// True, but not yet for long enough.
    Pending {
        /// Since when it is true (Prometheus' ActiveAt).
        since: Timestamp,
    },
    /// True for long enough, or kept.
    Firing {
        /// Since when it is true.
        since: Timestamp,
        /// When it began to fire: `startsAt` of what is sent.
        fired_at: Timestamp,
        /// Gone since then, held up by `keep_firing_for`.
        #[serde(default)]
        keep_since: Option<Timestamp>,
    },
    /// Over. An alert that was only pending ends without having been told.
    Ended {
        /// When it had begun to fire, if it had.
        #[serde(default)]
        fired_at: Option<Timestamp>,
        /// When it ended. Named apart in JSON, where a transition's own `at` stands beside it.
        #[serde(rename = "ended_at")]
        at: Timestamp,
        /// Why.
        why: Ending,
    },
}

/// Why an alert ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The condition was evaluated and no longer holds.
    ConditionGone,
    /// The rule is no longer configured.
    RuleRemoved,
    /// A person ended it.
    Operator,
    /// A lease from outside ran out or was ended by its sender.
    Expired,
}

/// A change of one alert of one rule: at once the rule's recovery state and the alerting machine's input.
/// Only changes cross, never resends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The rule.
    pub rule: RuleKey,
    /// The alert's labels, with `alertname`: its identity.
    pub labels: Labels,
    /// Its annotations, expanded.
    #[serde(default)]
    pub annotations: Labels,
    /// The value of the last true evaluation.
    #[serde(with = "float_text")]
    pub value: f64,
    /// The evaluation's time.
    pub at: Timestamp,
    /// Where it went.
    #[serde(flatten)]
    pub state: AlertState,
    /// Frozen since then: the result is missing because a source can't be seen, so nothing ends (DESIGN §2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_since: Option<Timestamp>,
    /// Names of the sources of the last true evaluation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Arc<str>>,
    /// Link to the expression.
    #[serde(default)]
    pub generator_url: Arc<str>,
}

/// Floats as text, since JSON has no NaN or infinity.
mod float_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(v: &f64, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(v)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}
