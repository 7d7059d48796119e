//! What is known of each source of samples.

use std::{collections::BTreeMap, sync::Arc};

use super::limits::{BLOCK_OVERHEAD, TREE_OVERHEAD};
use crate::model::{Duration, SourceId, Timestamp};

/// Shorter silences are a slow scrape or two.
const GAP_MIN: Duration = Duration::from_secs(30);

/// Whether a source can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Its last scrape, probe or push was a success.
    Seeing,
    /// It failed, or has not been tried since the start.
    Blind,
}

/// A source's state, with its last blind interval: what a rule needs to tell "no data" from "no longer so".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceState {
    /// Now.
    pub visibility: Visibility,
    /// Since when without interruption; [`Timestamp::MIN`] before the first report and after removal.
    pub since: Timestamp,
    /// When the last blind interval that is over began; [`Timestamp::MIN`] for the time before the first report.
    pub blind_from: Option<Timestamp>,
    /// When it was over: a range that reaches before this was only partly seen.
    pub blind_until: Option<Timestamp>,
    /// Time between its last two reports that were no gap.
    pub period: Option<Duration>,
    /// The newest report's time; `None` when nobody has reported it since the start (not tried yet, or not
    /// configured any more: after the warm-up it is the latter).
    pub reported: Option<Timestamp>,
}

impl SourceState {
    /// Before the first report: what we never looked at is blind, not good.
    pub const NEVER_REPORTED: Self = Self {
        visibility: Visibility::Blind,
        since: Timestamp::MIN,
        blind_from: None,
        blind_until: None,
        period: None,
        reported: None,
    };

    /// No longer observed on purpose: not blind, and never was.
    const REMOVED: Self = Self { visibility: Visibility::Seeing, ..Self::NEVER_REPORTED };

    /// Since when it can't be seen, if it can't now, or couldn't at some time after `back_to`: then since the start
    /// of the last such time. What a rule that reads back to there has to ask (DESIGN §2.3).
    pub fn blind_since(&self, back_to: Timestamp) -> Option<Timestamp> {
        match self.visibility {
            Visibility::Blind => Some(self.since),
            Visibility::Seeing => {
                self.blind_from.filter(|_| self.blind_until.is_some_and(|end| end > back_to))
            }
        }
    }

    /// Whether so much time between two reports means that reports are missing.
    fn is_gap(&self, elapsed: Duration) -> bool {
        self.period.is_some_and(|period| elapsed > period.saturating_mul(3).max(GAP_MIN))
    }

    fn report(&mut self, visibility: Visibility, at: Timestamp) {
        if self.reported.is_some_and(|last| at < last) {
            return;
        }
        let first = self.reported.is_none();
        let last = self.reported.replace(at);
        let gap = last.is_some_and(|last| self.is_gap(at.since(last)));
        if let (Some(last), false) = (last, gap) {
            self.period = Some(at.since(last)).filter(|p| !p.is_zero()).or(self.period);
        }
        if let (Some(last), true, Visibility::Seeing, Visibility::Seeing) =
            (last, gap, self.visibility, visibility)
        {
            // The machine slept, or the clock was set: what happened meanwhile nobody saw.
            (self.blind_from, self.blind_until, self.since) = (Some(last), Some(at), at);
            return;
        }
        if self.visibility == visibility && !(first && visibility == Visibility::Seeing) {
            return;
        }
        if visibility == Visibility::Seeing {
            self.blind_from = Some(if first { Timestamp::MIN } else { self.since });
            self.blind_until = Some(at);
        }
        self.visibility = visibility;
        self.since = at;
    }
}

/// All sources, by id and by name.
#[derive(Debug, Default)]
pub(super) struct SourceTable {
    names: Vec<Arc<str>>,
    states: Vec<SourceState>,
    ids: BTreeMap<Arc<str>, SourceId>,
    bytes: usize,
}

/// The name that all sources past the limit share.
const OTHERS: &str = "(others)";

impl SourceTable {
    /// The id of a name. Ids are never reused: alerts remember them. Past `max` all new names share one.
    pub(super) fn intern(&mut self, name: &str, max: usize) -> SourceId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let full = self.names.len() + 1 >= max;
        let name = if full { OTHERS } else { name };
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = SourceId(self.names.len() as u32);
        let name: Arc<str> = name.into();
        self.bytes += name.len() + 16 + BLOCK_OVERHEAD + 16 + size_of::<SourceState>() + 24 + TREE_OVERHEAD;
        self.names.push(name.clone());
        self.states.push(SourceState::NEVER_REPORTED);
        self.ids.insert(name, id);
        id
    }

    pub(super) fn find(&self, name: &str) -> Option<SourceId> {
        self.ids.get(name).copied()
    }

    pub(super) fn name(&self, id: SourceId) -> Option<&Arc<str>> {
        self.names.get(id.0 as usize)
    }

    pub(super) fn state(&self, id: SourceId) -> SourceState {
        self.states.get(id.0 as usize).copied().unwrap_or(SourceState::NEVER_REPORTED)
    }

    pub(super) fn report(&mut self, id: SourceId, visibility: Visibility, at: Timestamp) {
        if let Some(state) = self.states.get_mut(id.0 as usize) {
            state.report(visibility, at);
        }
    }

    pub(super) fn remove(&mut self, id: SourceId) {
        if let Some(state) = self.states.get_mut(id.0 as usize) {
            *state = SourceState::REMOVED;
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.names.len()
    }

    pub(super) const fn memory(&self) -> usize {
        self.bytes
    }
}
