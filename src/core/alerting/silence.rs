//! Silences: alerts that match one are not told of (spec alertmanager §2.7).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::model::{Duration, Labels, MatchOp, Matcher, Timestamp};

use super::{Effect, Machine, Record};

/// The label of alerts that no silence keeps back: proof that the bot can't trade for real is not a matter of taste.
pub const UNSILENCEABLE: (&str, &str) = ("botwatch_safety", "true");

/// The annotation of a silence that holds only within time intervals: their names, with commas.
pub const DURING: &str = "botwatch_during";

/// A silence's identity: a UUID, made by who lets it be set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SilenceId(pub Arc<str>);

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For a time nothing new is told of the alerts that match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its identity.
    pub id: SilenceId,
    /// All must match. Never empty, and not all match an absent label.
    pub matchers: Vec<Matcher>,
    /// From then on …
    pub starts_at: Timestamp,
    /// … up to and with then.
    pub ends_at: Timestamp,
    /// When it was set or changed.
    pub updated_at: Timestamp,
    /// By whom.
    pub created_by: Arc<str>,
    /// Why.
    pub comment: Arc<str>,
    /// Further notes.
    #[serde(default)]
    pub annotations: Labels,
}

/// How a silence stands at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SilenceState {
    /// It has not begun.
    Pending,
    /// It is in force.
    Active,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// Alertmanager's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Expired => "expired",
        }
    }
}

impl Silence {
    /// How it stands (S-1).
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if now < self.starts_at {
            SilenceState::Pending
        } else if now <= self.ends_at {
            SilenceState::Active
        } else {
            SilenceState::Expired
        }
    }

    /// Whether it concerns an alert with these labels while it is in force.
    pub fn matches(&self, labels: &Labels) -> bool {
        labels.value(UNSILENCEABLE.0) != UNSILENCEABLE.1
            && self.matchers.iter().all(|m| m.matches_labels(labels))
    }

    /// The time intervals outside which it doesn't hold; none: it holds all the time.
    pub fn during(&self) -> impl Iterator<Item = &str> {
        self.annotations.value(DURING).split(',').map(str::trim).filter(|name| !name.is_empty())
    }

    /// What is wrong with it (S-2).
    fn problem(&self) -> Option<&'static str> {
        if self.matchers.is_empty() {
            return Some("at least one matcher required");
        }
        let demands = |m: &Matcher| match m.op {
            MatchOp::Equal | MatchOp::Regex => !m.matches(""),
            MatchOp::NotEqual | MatchOp::NotRegex => true,
        };
        if !self.matchers.iter().any(demands) {
            return Some("at least one matcher must not match the empty string");
        }
        (self.ends_at < self.starts_at).then_some("ends at must not be before starts at")
    }

    /// Whether a change leaves it the same silence (S-3): the past is not rewritten.
    fn can_become(&self, new: &Self, now: Timestamp) -> bool {
        let sorted = |s: &Self| {
            let mut matchers = s.matchers.clone();
            matchers.sort();
            matchers
        };
        if sorted(self) != sorted(new) {
            return false;
        }
        let second = |t: Timestamp| t.0.div_euclid(1000);
        match self.state(now) {
            SilenceState::Active => second(self.starts_at) == second(new.starts_at) && new.ends_at >= now,
            SilenceState::Pending => new.starts_at >= now,
            SilenceState::Expired => false,
        }
    }
}

/// Why a silence can't be set or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// There is none with this id.
    #[error("silence not found")]
    NotFound,
    /// It makes no sense, in Alertmanager's words.
    #[error("invalid silence: {0}")]
    Invalid(&'static str),
    /// The configuration forbids it.
    #[error("invalid silence: {0}")]
    Guarded(String),
    /// There are too many.
    #[error("exceeded maximum number of silences: {0}")]
    TooMany(usize),
}

/// All silences, also those that are over for a while.
#[derive(Debug, Clone, Default)]
pub(super) struct Silences {
    all: BTreeMap<SilenceId, Silence>,
    ends: BTreeSet<(Timestamp, SilenceId)>,
}

impl Silences {
    pub(super) fn restore(all: Vec<Silence>) -> Self {
        let mut silences = Self::default();
        for silence in all {
            silences.set(silence);
        }
        silences
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Silence> {
        self.all.values()
    }

    pub(super) fn get(&self, id: &SilenceId) -> Option<&Silence> {
        self.all.get(id)
    }

    pub(super) fn set(&mut self, silence: Silence) {
        self.remove(&silence.id);
        self.ends.insert((silence.ends_at, silence.id.clone()));
        self.all.insert(silence.id.clone(), silence);
    }

    pub(super) fn remove(&mut self, id: &SilenceId) {
        if let Some(old) = self.all.remove(id) {
            self.ends.remove(&(old.ends_at, old.id));
        }
    }

    /// Those in force: found from the end, since most of what is kept is over.
    pub(super) fn active(&self, now: Timestamp) -> impl Iterator<Item = &Silence> {
        let over = (now, SilenceId("".into()));
        let open = self.ends.range(over..).filter_map(|(_, id)| self.all.get(id));
        open.filter(move |s| s.state(now) == SilenceState::Active)
    }
}

impl Machine {
    /// Sets a silence, or changes the one that bears its id; `None` as the id sets a new one, which is called `new`.
    /// Where a change would rewrite the past the old one ends and a new one begins (S-3). Answers the id of the one
    /// that holds.
    ///
    /// # Errors
    /// [`SilenceError`]; nothing has changed then.
    pub fn set_silence(
        &mut self,
        now: Timestamp,
        id: Option<&SilenceId>,
        silence: Silence,
        effects: &mut Vec<Effect>,
    ) -> Result<SilenceId, SilenceError> {
        self.resume(now, effects);
        let old = match id {
            Some(id) => Some(self.state.silences.get(id).ok_or(SilenceError::NotFound)?.clone()),
            None => None,
        };
        let silence = Silence { updated_at: now, ..silence };
        if let Some(why) = silence.problem() {
            return Err(SilenceError::Invalid(why));
        }
        if let Some(why) = self.guarded(&silence) {
            return Err(SilenceError::Guarded(why));
        }
        if let Some(old) = old {
            if old.can_become(&silence, now) {
                let id = old.id.clone();
                // An active one has begun when it has.
                let starts_at =
                    if old.state(now) == SilenceState::Active { old.starts_at } else { silence.starts_at };
                self.record(
                    Record::Silenced(Box::new(Silence { id: old.id, starts_at, ..silence })),
                    effects,
                );
                return Ok(id);
            }
            if old.state(now) != SilenceState::Expired {
                self.end_silence(now, old, effects);
            }
        }
        let max = self.options.limits.silences_max;
        if self.state.silences.iter().count() >= max {
            return Err(SilenceError::TooMany(max));
        }
        let id = silence.id.clone();
        let starts_at = silence.starts_at.max(now);
        self.record(Record::Silenced(Box::new(Silence { starts_at, ..silence })), effects);
        Ok(id)
    }

    /// Ends a silence now; one that is over stays so (S-4).
    ///
    /// # Errors
    /// When there is none.
    pub fn expire_silence(
        &mut self,
        now: Timestamp,
        id: &SilenceId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), SilenceError> {
        self.resume(now, effects);
        let silence = self.state.silences.get(id).ok_or(SilenceError::NotFound)?.clone();
        if silence.state(now) != SilenceState::Expired {
            self.end_silence(now, silence, effects);
        }
        Ok(())
    }

    /// What the configuration has against a silence.
    fn guarded(&self, silence: &Silence) -> Option<String> {
        let guards = self.options.silence_guards;
        let length = silence.ends_at.since(silence.starts_at);
        if let Some(max) = guards.max_duration.filter(|max| length > *max) {
            return Some(format!(
                "it would last {length}, and {max} is the longest that `silences.max_duration` allows"
            ));
        }
        if guards.require_comment && silence.comment.trim().is_empty() {
            return Some("a comment is required (`silences.require_comment`)".to_owned());
        }
        let unknown = silence.during().find(|name| !self.options.time_intervals.contains_key(*name))?;
        Some(format!("its annotation {DURING} names the time interval `{unknown}`, which is not configured"))
    }

    /// The silences in force now: of those that recur, the ones whose time it is.
    pub(super) fn silences_in_force(&self, now: Timestamp) -> impl Iterator<Item = &Silence> {
        let in_time = move |s: &&Silence| {
            let mut during = s.during().peekable();
            during.peek().is_none() || during.any(|name| self.is_within(now, name))
        };
        self.state.silences.active(now).filter(in_time)
    }

    fn end_silence(&mut self, now: Timestamp, silence: Silence, effects: &mut Vec<Effect>) {
        // Over from this instant on, which a silence that ends now is not.
        let ends_at = now - Duration::from_millis(1);
        let starts_at = silence.starts_at.min(ends_at);
        self.record(
            Record::Silenced(Box::new(Silence { starts_at, ends_at, updated_at: now, ..silence })),
            effects,
        );
    }

    /// Silences, also those that are over for less than [`super::Limits::silences_kept`]; by id.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.state.silences.iter()
    }

    /// A silence.
    pub fn silence(&self, id: &SilenceId) -> Option<&Silence> {
        self.state.silences.get(id)
    }

    /// The silences in force that concern an alert with these labels.
    pub fn silenced_by(&self, now: Timestamp, labels: &Labels) -> Vec<SilenceId> {
        self.silences_in_force(now).filter(|s| s.matches(labels)).map(|s| s.id.clone()).collect()
    }

    /// When the next one is forgotten.
    pub(super) fn first_silence_forgotten(&self) -> Option<Timestamp> {
        self.state.silences.ends.first().map(|(end, _)| *end + self.options.limits.silences_kept)
    }

    pub(super) fn forget_silences(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let before = now - self.options.limits.silences_kept;
        let over = self.state.silences.ends.iter().take_while(|(end, _)| *end <= before);
        let silences: Vec<SilenceId> = over.map(|(_, id)| id.clone()).collect();
        if !silences.is_empty() {
            self.record(Record::SilencesForgotten { at: now, silences }, effects);
        }
    }
}
