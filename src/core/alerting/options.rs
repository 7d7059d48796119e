//! What the machine is set to: routes, receivers, inhibitions, limits. `config` reads files into these types.

use std::{collections::BTreeMap, sync::Arc};

use crate::model::{Duration, Labels, Matcher};

use super::{Escalation, IntegrationId, TimeInterval};

/// Alertmanager's default `group_wait` (spec C-22).
pub const GROUP_WAIT: Duration = Duration::from_secs(30);
/// Alertmanager's default `group_interval` (spec C-23).
pub const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Alertmanager's default `repeat_interval` (spec C-24).
pub const REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 3600);
/// Alertmanager's default `resolve_timeout`: the lease of an alert that came without an end.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// An alert that fires again so soon after its end continues its episode (DESIGN §4 "Issues").
pub const REOPEN_WITHIN: Duration = Duration::from_secs(15 * 60);

/// An acknowledgement holds so long unless it says otherwise: a night.
pub const ACKNOWLEDGED_FOR: Duration = Duration::from_secs(8 * 3600);
/// What was resolved by hand though it still fires is open again after this time.
pub const STILL_FIRING_AFTER: Duration = Duration::from_secs(5 * 60);

/// Everything that can be set. Check with [`Options::problems`] before use.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The root of the route tree; it matches every alert.
    pub route: Route,
    /// Integrations by receiver, in the order written. A receiver may have none.
    pub receivers: BTreeMap<Arc<str>, Vec<IntegrationOptions>>,
    /// In the order written: the first that applies is the reason given.
    pub inhibit_rules: Vec<InhibitRule>,
    /// By name: a time lies in one when it lies in any of its pieces.
    pub time_intervals: BTreeMap<Arc<str>, Vec<TimeInterval>>,
    /// The first that matches an alert is its only one.
    pub escalations: Vec<Escalation>,
    /// The lease of alerts from outside that come without `ends_at`.
    pub resolve_timeout: Duration,
    /// What becomes of the resolve of an alert that is inhibited or muted when it ends.
    pub suppressed_resolves: SuppressedResolves,
    /// `false`: everything is decided up to the point of sending, nothing is sent, and the reason says so.
    pub enabled: bool,
    /// An alert that fires again within this time after its end continues its episode.
    pub reopen_within: Duration,
    /// What somebody resolved though a rule or a sender says that it fires is open again after this time.
    pub still_firing_after: Duration,
    /// What a silence must be.
    pub silence_guards: SilenceGuards,
    /// How long an acknowledgement holds that doesn't say.
    pub acknowledged_for: Duration,
    /// What bounds memory.
    pub limits: Limits,
}

impl Default for Options {
    /// One route to a receiver without integrations: alerts are seen, nobody is told.
    fn default() -> Self {
        let receiver: Arc<str> = "default".into();
        Self {
            route: Route { receiver: Some(Arc::clone(&receiver)), ..Route::default() },
            receivers: BTreeMap::from([(receiver, Vec::new())]),
            inhibit_rules: Vec::new(),
            time_intervals: BTreeMap::new(),
            escalations: Vec::new(),
            resolve_timeout: RESOLVE_TIMEOUT,
            suppressed_resolves: SuppressedResolves::Send,
            enabled: true,
            reopen_within: REOPEN_WITHIN,
            still_firing_after: STILL_FIRING_AFTER,
            silence_guards: SilenceGuards::default(),
            acknowledged_for: ACKNOWLEDGED_FOR,
            limits: Limits::default(),
        }
    }
}

impl Options {
    /// An integration's settings.
    pub fn integration(&self, id: &IntegrationId) -> Option<&IntegrationOptions> {
        self.receivers.get(&id.receiver)?.iter().find(|i| i.id == *id)
    }

    /// A receiver's integrations; none for an unknown one.
    pub fn integrations(&self, receiver: &str) -> &[IntegrationOptions] {
        self.receivers.get(receiver).map_or(&[], Vec::as_slice)
    }
}

/// One node of the route tree as written; `None` is inherited from the parent (spec C-20 to C-29).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Route {
    /// All must match. `matchers`, `match` and `match_re` together, in any order.
    pub matchers: Vec<Matcher>,
    /// Who is told.
    pub receiver: Option<Arc<str>>,
    /// What makes a group; an explicit empty list overrides the parent's.
    pub group_by: Option<GroupBy>,
    /// How long a new group waits for more alerts.
    pub group_wait: Option<Duration>,
    /// How often a group is looked at after that.
    pub group_interval: Option<Duration>,
    /// When what was told is told again.
    pub repeat_interval: Option<Duration>,
    /// Whether later siblings are tried after this one matched.
    pub continue_matching: bool,
    /// Names of time intervals; not inherited.
    pub mute_time_intervals: Vec<Arc<str>>,
    /// Names of time intervals; not inherited.
    pub active_time_intervals: Vec<Arc<str>>,
    /// The route's own labels, merged parent to child. Values are templates, rendered when a message is made.
    pub labels: Labels,
    /// Tried in order; the first match wins unless it continues.
    pub routes: Vec<Route>,
}

/// What makes a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    /// `['...']`: every label, so each alert is its own group.
    All,
    /// These labels; none: one group per route.
    Labels(Vec<Arc<str>>),
}

impl Default for GroupBy {
    fn default() -> Self {
        Self::Labels(Vec::new())
    }
}

/// Why a `group_by` list makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupByError {
    /// `...` beside names.
    #[error("`...` groups by all labels and can't be mixed with names")]
    Mixed,
    /// A name twice.
    #[error("`{0}` is listed twice")]
    Duplicate(String),
    /// An empty name.
    #[error("a label name can't be empty")]
    Empty,
}

impl GroupBy {
    /// From the list as written.
    ///
    /// # Errors
    /// When it mixes `...` with names, or has an empty or repeated name (spec C-21).
    pub fn from_names<S: AsRef<str>>(names: &[S]) -> Result<Self, GroupByError> {
        if names.iter().any(|n| n.as_ref() == "...") {
            return if names.len() == 1 { Ok(Self::All) } else { Err(GroupByError::Mixed) };
        }
        let mut labels: Vec<Arc<str>> = Vec::with_capacity(names.len());
        for name in names.iter().map(AsRef::as_ref) {
            if name.is_empty() {
                return Err(GroupByError::Empty);
            }
            if labels.iter().any(|l| **l == *name) {
                return Err(GroupByError::Duplicate(name.to_owned()));
            }
            labels.push(name.into());
        }
        Ok(Self::Labels(labels))
    }
}

/// One integration of a receiver, as far as deciding goes.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegrationOptions {
    /// Its identity over reloads.
    pub id: IntegrationId,
    /// Whether it is told when an alert that it was told of ends.
    pub send_resolved: bool,
    /// What happens when it can't be told.
    pub retry: RetryPolicy,
    /// The receiver to tell when it can't be told.
    pub fallback: Option<Arc<str>>,
    /// Each attempt ends after this time, answer or not.
    pub attempt_timeout: Duration,
    /// Attempts at once over all groups; what is due beyond waits its turn.
    pub in_flight_max: u32,
}

/// One attempt's time unless set otherwise: long enough for a slow SMTP server, short enough to try again soon.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Attempts at once to one integration unless set otherwise: chat services rate-limit beyond a few.
pub const IN_FLIGHT_MAX: u32 = 4;

impl IntegrationOptions {
    /// With the default retries, without fallback.
    pub fn new(id: IntegrationId, send_resolved: bool) -> Self {
        Self {
            id,
            send_resolved,
            retry: RetryPolicy::default(),
            fallback: None,
            attempt_timeout: ATTEMPT_TIMEOUT,
            in_flight_max: IN_FLIGHT_MAX,
        }
    }
}

/// How a failed delivery is tried again: a round of quick attempts, then the fallback is told and ever slower attempts
/// go on.
#[derive(Debug, Clone, PartialEq)]
pub struct RetryPolicy {
    /// Attempts in the first round, at least one.
    pub attempts: u32,
    /// The wait after the first failure; doubles with each.
    pub base: Duration,
    /// The longest wait within the round.
    pub cap: Duration,
    /// Each wait varies by up to this share of itself, up and down; 0 to 1.
    pub jitter: f64,
    /// The longest wait after the round, also the wait before a refused message is made anew.
    pub slow_interval: Duration,
    /// The longest `Retry-After` that is believed.
    pub retry_after_max: Duration,
    /// How long after the end of the last of its alerts a delivery is given up.
    pub give_up_after_end: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            base: Duration::from_secs(1),
            cap: Duration::from_secs(60),
            jitter: 0.25,
            slow_interval: Duration::from_secs(5 * 60),
            retry_after_max: Duration::from_secs(3600),
            give_up_after_end: Duration::from_secs(24 * 3600),
        }
    }
}

/// Alerts that quieten others (spec alertmanager §1.4, §2.6).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct InhibitRule {
    /// Its name in reasons; may be empty.
    pub name: Arc<str>,
    /// Who quietens.
    pub source: Vec<Matcher>,
    /// Who is quietened.
    pub target: Vec<Matcher>,
    /// Labels that both must share; absent on both sides counts as shared.
    pub equal: Vec<Arc<str>>,
}

/// What a silence must be, beyond making sense. By default nothing, as in Alertmanager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SilenceGuards {
    /// It may last so long at most.
    pub max_duration: Option<Duration>,
    /// It must say why.
    pub require_comment: bool,
}

/// What becomes of the resolve of an alert that is inhibited or muted when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SuppressedResolves {
    /// Whoever was told that it fires is told that it ended (DESIGN §2.2).
    #[default]
    Send,
    /// Alertmanager's behaviour: dropped (spec K-6). Ended alerts that nobody was told of then also appear in
    /// messages, as there.
    Drop,
}

/// What bounds memory. Each is a number of entries unless it says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Active alerts from outside, at about 1 KB each with ordinary labels. Together with the alerts that are over
    /// and not forgotten there may be twice as many.
    pub received_max: usize,
    /// Bytes of the labels and annotations of active alerts from outside; one request may pass it once. Twice as many
    /// likewise.
    pub received_bytes_max: usize,
    /// Ended episodes kept for questions.
    pub past_max: usize,
    /// Ended deliveries kept for questions.
    pub history_max: usize,
    /// Silences, with those that are over and kept.
    pub silences_max: usize,
    /// How long a silence is kept after its end.
    pub silences_kept: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            received_max: 50_000,
            received_bytes_max: 64 << 20,
            past_max: 1000,
            history_max: 1000,
            silences_max: 10_000,
            silences_kept: Duration::from_secs(120 * 3600),
        }
    }
}
