//! An episode as people deal with it: reported, acknowledged, assigned, noted upon, resolved (DESIGN §4 "Issues").
//!
//! One acknowledgement, one history and one escalation per episode, whoever reported it and however often.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::model::{Alert, Duration, Ending, Fingerprint, Labels, SEVERITY, Timestamp, severity_rank};

use super::{Effect, Episode, EpisodeId, Machine, Record};

/// A resolve of an issue that was not reported yet is kept so long: a client may say the end before the beginning
/// has arrived.
pub const EARLY_KEPT: Duration = Duration::from_secs(3600);
/// Such resolves at most; the oldest goes first.
pub(super) const EARLY_MAX: usize = 1000;
/// Ids under which one issue may have been reported; the oldest but the first goes first.
pub(super) const IDS_MAX: usize = 100;
/// Entries of an issue's history; the oldest goes first.
pub(super) const HISTORY_MAX: usize = 100;

/// What reports of an issue said.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Report {
    /// The ids under which it was reported: the first is the issue's, the others are of reports of the same problem.
    #[serde(default)]
    pub ids: Vec<Arc<str>>,
    /// Whether it stays open until somebody resolves it.
    pub held: bool,
    /// How often it was reported.
    pub count: u64,
    /// When it was last reported.
    pub last_at: Timestamp,
    /// By whom it was last reported.
    #[serde(default)]
    pub by: Arc<str>,
    /// What the last report said beside labels and texts: a JSON object as text, free of secrets.
    #[serde(default)]
    pub metadata: Arc<str>,
}

/// Somebody looks after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: Arc<str>,
    /// Since when.
    pub at: Timestamp,
    /// Until when it holds; none: until the end.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// Something that happened to an issue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: Timestamp,
    /// Who did it; empty when it came about by itself.
    #[serde(default)]
    pub by: Arc<str>,
    /// What.
    #[serde(flatten)]
    pub act: Act,
}

/// What happened to an issue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "act")]
pub enum Act {
    /// Somebody looks after it.
    Acknowledged {
        /// Until when that holds; none: until the end.
        #[serde(default)]
        until: Option<Timestamp>,
        /// What they said.
        #[serde(default)]
        note: Arc<str>,
    },
    /// Nobody looks after it any more.
    Unacknowledged {
        /// Why.
        why: Undone,
        /// What they said.
        #[serde(default)]
        note: Arc<str>,
    },
    /// It is somebody's to deal with.
    Assigned {
        /// Whose; none: nobody's.
        to: Option<Arc<str>>,
    },
    /// Somebody said something about it.
    Noted {
        /// What.
        note: Arc<str>,
    },
    /// Somebody ended it.
    Resolved {
        /// What they said.
        #[serde(default)]
        note: Arc<str>,
    },
    /// Nobody acknowledged it in time, or somebody asked for it: another receiver is told.
    Escalated {
        /// Which.
        to: Arc<str>,
    },
    /// It fires again, or still fires after somebody resolved it.
    Reopened,
    /// It ended.
    Ended {
        /// Why.
        why: Ending,
    },
}

/// Why an acknowledgement holds no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undone {
    /// Somebody took it back.
    Operator,
    /// Its time is over.
    Expired,
    /// The same alert fires with a worse severity.
    SeverityRose,
    /// Somebody asked for more attention.
    Escalated,
}

impl Act {
    fn text_bytes(&self) -> usize {
        match self {
            Self::Acknowledged { note, .. }
            | Self::Unacknowledged { note, .. }
            | Self::Noted { note }
            | Self::Resolved { note } => note.len(),
            Self::Assigned { to } => to.as_ref().map_or(0, |t| t.len()),
            Self::Escalated { to } => to.len(),
            Self::Reopened | Self::Ended { .. } => 0,
        }
    }
}

/// Bytes that an issue's history and reports take.
pub(super) fn history_bytes(episode: &Episode) -> usize {
    let entry = |e: &Entry| size_of::<Entry>() + e.act.text_bytes();
    let report = |r: &Report| r.metadata.len() + r.ids.iter().map(|id| id.len() + 16).sum::<usize>();
    episode.history.iter().map(entry).sum::<usize>() + episode.report.as_deref().map_or(0, report)
}

/// A report of a problem, as a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// The episode that it opened, continued or counts towards.
    pub episode: EpisodeId,
    /// What was reported.
    pub alert: Alert,
    /// The ids that it bears.
    pub ids: Vec<Arc<str>>,
    /// Who reported it.
    pub by: Arc<str>,
    /// A JSON object as text, free of secrets; may be empty.
    pub metadata: Arc<str>,
}

/// Somebody ended an issue before its report arrived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlyResolve {
    /// The id that the report will bear.
    pub id: Arc<str>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Arc<str>,
    /// What they said.
    #[serde(default)]
    pub note: Arc<str>,
}

/// Resolves that came before their reports.
#[derive(Debug, Clone, Default)]
pub(super) struct Early {
    by_id: BTreeMap<Arc<str>, EarlyResolve>,
}

impl Early {
    pub(super) fn restore(all: Vec<EarlyResolve>) -> Self {
        Self { by_id: all.into_iter().map(|e| (Arc::clone(&e.id), e)).collect() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &EarlyResolve> {
        self.by_id.values()
    }

    pub(super) fn keep(&mut self, resolve: EarlyResolve) {
        let before = resolve.at - EARLY_KEPT;
        self.by_id.retain(|_, e| e.at > before);
        if self.by_id.len() >= EARLY_MAX
            && let Some(oldest) = self.by_id.values().min_by_key(|e| e.at).map(|e| Arc::clone(&e.id))
        {
            self.by_id.remove(&oldest);
        }
        self.by_id.insert(Arc::clone(&resolve.id), resolve);
    }

    pub(super) fn take(&mut self, ids: &[Arc<str>]) {
        for id in ids {
            self.by_id.remove(id);
        }
    }

    fn find(&self, ids: &[Arc<str>], now: Timestamp) -> Option<&EarlyResolve> {
        ids.iter().filter_map(|id| self.by_id.get(id)).find(|e| now.since(e.at) < EARLY_KEPT)
    }
}

/// A problem to report.
#[derive(Debug, Clone, PartialEq)]
pub struct NewIssue {
    /// Its labels say what it is: equal labels are the same problem.
    pub labels: Labels,
    /// Texts.
    pub annotations: Labels,
    /// A link to what reported it; may be empty.
    pub generator_url: Arc<str>,
    /// Ids for it, the issue's own first: an id or a key under which a report is known is not taken again.
    pub ids: Vec<Arc<str>>,
    /// An id for an issue that has none yet; not remembered where it isn't needed.
    pub spare_id: Option<Arc<str>>,
    /// Who reports it.
    pub by: Arc<str>,
    /// A JSON object as text, free of secrets; may be empty.
    pub metadata: Arc<str>,
}

/// What became of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filed {
    /// A new issue, or one that had ended a moment ago and is open again.
    Opened(EpisodeId),
    /// The problem is known: the issue counts one more report.
    Counted(EpisodeId),
    /// This very report was taken before.
    Repeated(EpisodeId),
}

impl Filed {
    /// The issue.
    pub const fn episode(self) -> EpisodeId {
        match self {
            Self::Opened(id) | Self::Counted(id) | Self::Repeated(id) => id,
        }
    }
}

/// Why something can't be done to an issue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// There is none with this id.
    #[error("there is no such issue")]
    NotFound,
    /// It has ended.
    #[error("the issue has ended")]
    Over,
    /// The id is another problem's.
    #[error("the id was used for another problem")]
    Conflict(EpisodeId),
    /// There is no room for another one.
    #[error("there are too many open issues")]
    Full,
    /// Nobody could be told.
    #[error("no receiver `{0}` is configured")]
    NoReceiver(Arc<str>),
    /// No escalation applies and no receiver was named.
    #[error("no escalation is configured for it, and no receiver was named")]
    NoEscalation,
}

impl Machine {
    /// Opens an issue that stays open until it is resolved, or counts a report of one that is open. One that was
    /// resolved before it was reported is opened and resolved at once.
    ///
    /// # Errors
    /// `Conflict` and `Full`; nothing has changed then.
    pub fn report(
        &mut self,
        now: Timestamp,
        new: NewIssue,
        effects: &mut Vec<Effect>,
    ) -> Result<Filed, IssueError> {
        self.resume(now, effects);
        let fingerprint = new.labels.fingerprint();
        let known = new.ids.iter().find_map(|id| self.state.episodes.by_alias(id));
        if let Some(id) = known {
            return if id.fingerprint == fingerprint {
                Ok(Filed::Repeated(id))
            } else {
                Err(IssueError::Conflict(id))
            };
        }
        let newest = self.state.episodes.newest(fingerprint);
        let active = newest.filter(|e| e.is_active()).map(|e| e.id);
        if active.is_none() && self.room() == 0 {
            self.shed += 1;
            return Err(IssueError::Full);
        }
        let early = self.state.early.find(&new.ids, now).cloned();
        let episode = active.unwrap_or_else(|| self.continued_or_new(newest, fingerprint, now, now));
        let alert = Alert {
            labels: new.labels,
            annotations: new.annotations,
            starts_at: now,
            ends_at: None,
            updated_at: now,
            generator_url: new.generator_url,
            timeout: false,
        };
        let (mut ids, by, metadata) = (new.ids, new.by, new.metadata);
        let is_named = self.state.episodes.get(episode).is_some_and(|e| e.report.is_some());
        if let Some(spare) = new.spare_id.filter(|_| !is_named) {
            ids.insert(0, spare);
        }
        self.record(Record::Reported(Box::new(Reported { episode, alert, ids, by, metadata })), effects);
        if active.is_none() {
            self.route(now, vec![episode], effects);
        }
        if let Some(early) = early {
            let entry = Entry { at: now, by: early.by, act: Act::Resolved { note: early.note } };
            self.record(Record::Acted { episode, entry }, effects);
        }
        Ok(if active.is_some() { Filed::Counted(episode) } else { Filed::Opened(episode) })
    }

    /// Keeps the resolve of an issue that was not reported yet, and applies it when it is.
    pub fn resolve_early(&mut self, now: Timestamp, resolve: EarlyResolve, effects: &mut Vec<Effect>) {
        self.resume(now, effects);
        self.record(Record::ResolvedEarly(resolve), effects);
    }

    /// Somebody looks after an issue until a time, or until its end: it isn't told again and doesn't escalate.
    ///
    /// # Errors
    /// `NotFound` and `Over`.
    pub fn acknowledge(
        &mut self,
        now: Timestamp,
        id: EpisodeId,
        by: Arc<str>,
        until: Option<Timestamp>,
        note: Arc<str>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), IssueError> {
        self.open_issue(now, id, effects)?;
        self.act(now, id, by, Act::Acknowledged { until, note }, effects);
        Ok(())
    }

    /// Nobody looks after an issue any more: it escalates from the beginning. One that isn't acknowledged stays so.
    ///
    /// # Errors
    /// `NotFound` and `Over`.
    pub fn unacknowledge(
        &mut self,
        now: Timestamp,
        id: EpisodeId,
        by: Arc<str>,
        note: Arc<str>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), IssueError> {
        if self.open_issue(now, id, effects)?.acknowledged.is_some() {
            self.act(now, id, by, Act::Unacknowledged { why: Undone::Operator, note }, effects);
        }
        Ok(())
    }

    /// Makes an issue somebody's, or nobody's. Over ones too, as long as they may open again.
    ///
    /// # Errors
    /// `NotFound` and `Over`.
    pub fn assign(
        &mut self,
        now: Timestamp,
        id: EpisodeId,
        by: Arc<str>,
        to: Option<Arc<str>>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), IssueError> {
        self.kept_issue(now, id, effects)?;
        self.act(now, id, by, Act::Assigned { to }, effects);
        Ok(())
    }

    /// Says something about an issue. About over ones too, as long as they may open again.
    ///
    /// # Errors
    /// `NotFound` and `Over`.
    pub fn note(
        &mut self,
        now: Timestamp,
        id: EpisodeId,
        by: Arc<str>,
        note: Arc<str>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), IssueError> {
        self.kept_issue(now, id, effects)?;
        self.act(now, id, by, Act::Noted { note }, effects);
        Ok(())
    }

    /// Ends an issue. If a rule or a sender still says so after [`super::Options::still_firing_after`] that it fires,
    /// it is open again: a resolve ends the telling, not the trouble. One that has ended stays so.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn resolve(
        &mut self,
        now: Timestamp,
        id: EpisodeId,
        by: Arc<str>,
        note: Arc<str>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), IssueError> {
        self.resume(now, effects);
        if self.episode(id).ok_or(IssueError::NotFound)?.is_active() {
            self.act(now, id, by, Act::Resolved { note }, effects);
        }
        Ok(())
    }

    fn open_issue(
        &mut self,
        now: Timestamp,
        id: EpisodeId,
        effects: &mut Vec<Effect>,
    ) -> Result<&Episode, IssueError> {
        let episode = self.kept_issue(now, id, effects)?;
        if episode.is_active() { Ok(episode) } else { Err(IssueError::Over) }
    }

    fn kept_issue(
        &mut self,
        now: Timestamp,
        id: EpisodeId,
        effects: &mut Vec<Effect>,
    ) -> Result<&Episode, IssueError> {
        self.resume(now, effects);
        if self.state.episodes.get(id).is_none() {
            return Err(if self.episode(id).is_some() { IssueError::Over } else { IssueError::NotFound });
        }
        Ok(self.state.episodes.get(id).expect("just seen"))
    }

    pub(super) fn act(
        &mut self,
        at: Timestamp,
        episode: EpisodeId,
        by: Arc<str>,
        act: Act,
        effects: &mut Vec<Effect>,
    ) {
        self.record(Record::Acted { episode, entry: Entry { at, by, act } }, effects);
    }

    /// An issue by its id: that of its episode, or one under which it was reported.
    pub fn issue(&self, id: &str) -> Option<&Episode> {
        match self.state.episodes.by_alias(id) {
            Some(episode) => self.episode(episode),
            None => self.episode(id.parse().ok()?),
        }
    }

    /// Acknowledgements whose time is over hold no longer.
    pub(super) fn expire_acknowledgements(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for id in self.state.episodes.acknowledged_until(now) {
            let act = Act::Unacknowledged { why: Undone::Expired, note: "".into() };
            self.act(now, id, "".into(), act, effects);
        }
    }

    /// What was resolved though somebody says that it fires is open again after a while.
    pub(super) fn reopen_overruled(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let episodes = self.state.episodes.overruled_since(now - self.options.still_firing_after);
        if episodes.is_empty() {
            return;
        }
        self.record(Record::Reopened { at: now, episodes: episodes.clone() }, effects);
        self.route(now, episodes, effects);
    }

    /// Who looks after the lesser alert has not seen the worse one: alerts that differ in severity only.
    pub(super) fn undo_outgrown(&mut self, now: Timestamp, opened: &[EpisodeId], effects: &mut Vec<Effect>) {
        if opened.is_empty() || self.state.episodes.acknowledged().next().is_none() {
            return;
        }
        let kin = |labels: &Labels| labels.without(|name| name == SEVERITY).fingerprint();
        let rank = |labels: &Labels| severity_rank(labels.value(SEVERITY));
        let mut worst: HashMap<Fingerprint, usize> = HashMap::new();
        for episode in opened.iter().filter_map(|id| self.state.episodes.get(*id)) {
            let labels = &episode.alert.labels;
            let entry = worst.entry(kin(labels)).or_insert(usize::MAX);
            *entry = rank(labels).min(*entry);
        }
        let outgrown = self.state.episodes.acknowledged().filter(|e| {
            let labels = &e.alert.labels;
            e.is_active() && worst.get(&kin(labels)).is_some_and(|worst| *worst < rank(labels))
        });
        let outgrown: Vec<EpisodeId> = outgrown.map(|e| e.id).collect();
        for id in outgrown {
            let act = Act::Unacknowledged { why: Undone::SeverityRose, note: "".into() };
            self.act(now, id, "".into(), act, effects);
        }
    }
}
