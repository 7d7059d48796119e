//! Episodes: one firing of one alert from its start to its end, whoever reports it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque, btree_map},
    ops::Bound,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::model::{Alert, AlertState, Ending, Fingerprint, Labels, RuleKey, Timestamp, Transition};

use super::{
    Acknowledgement, Act, Entry, EpisodeId, IntegrationId, NotifiedAlert, Progress, Reason, Report, Reported,
    issue::{HISTORY_MAX, IDS_MAX, history_bytes},
    pairs,
};

/// One firing of one alert. It goes on while one of our rules, a lease from outside or a report says so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Identity: also the issue's.
    pub id: EpisodeId,
    /// The alert. `starts_at` is the start of the present firing: later than the id's after a reopening. `ends_at`
    /// is the lease's end while only a lease holds it, and the end once it has ended.
    pub alert: Alert,
    /// The rules of ours that say it fires; more than one when two rules make equal labels.
    #[serde(default)]
    pub rules: Vec<RuleKey>,
    /// Until when a sender from outside says it fires.
    #[serde(default)]
    pub lease: Option<Timestamp>,
    /// Value of the last true evaluation.
    #[serde(default)]
    pub value: Option<String>,
    /// Blind since then.
    #[serde(default)]
    pub frozen_since: Option<Timestamp>,
    /// How it ended; none while it fires.
    #[serde(default)]
    pub ended: Option<Ended>,
    /// How often it fired again soon after its end.
    #[serde(default)]
    pub reopened: u32,
    /// When it was first heard of.
    #[serde(default)]
    pub seen_at: Timestamp,
    /// Reports of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Box<Report>>,
    /// Who looks after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// Whose it is to deal with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assignee: Option<Arc<str>>,
    /// How far it has escalated; none: nothing was done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalated: Option<Progress>,
    /// What happened to it since its beginning, oldest first; bounded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Entry>,
    /// Why each integration was told or not, as of the last change. One entry per integration that a route led to.
    #[serde(default, with = "pairs")]
    pub standings: BTreeMap<Arc<IntegrationId>, Standing>,
    /// The groups that it is in. Follows from the groups.
    #[serde(skip)]
    pub(super) groups: Vec<u64>,
    /// Newer texts of our own rule, for messages only.
    #[serde(skip)]
    pub(super) fresh: Option<Box<Fresh>>,
}

/// How an episode ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub why: Ending,
}

/// A reason and since when it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Why.
    #[serde(flatten)]
    pub reason: Reason,
    /// Since when.
    pub at: Timestamp,
}

/// Newer texts of a firing alert; not kept over a restart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fresh {
    pub annotations: Labels,
    pub value: String,
}

impl Episode {
    fn new(id: EpisodeId, alert: Alert) -> Self {
        let seen_at = alert.updated_at;
        Self {
            id,
            alert,
            rules: Vec::new(),
            lease: None,
            value: None,
            frozen_since: None,
            ended: None,
            reopened: 0,
            seen_at,
            report: None,
            acknowledged: None,
            assignee: None,
            escalated: None,
            history: Vec::new(),
            standings: BTreeMap::new(),
            groups: Vec::new(),
            fresh: None,
        }
    }

    /// Whether it fires.
    pub fn is_active(&self) -> bool {
        self.ended.is_none()
    }

    /// As a message shows it now.
    pub fn notified(&self) -> NotifiedAlert {
        let mut alert = self.alert.clone();
        alert.ends_at = self.ended.map(|e| e.at);
        let mut value = self.value.clone();
        if let Some(fresh) = &self.fresh {
            alert.annotations = fresh.annotations.clone();
            value = Some(fresh.value.clone());
        }
        NotifiedAlert { alert, episode: self.id, value, frozen_since: self.frozen_since }
    }

    /// Whether a rule, a sender or a report says that it fires.
    pub fn is_held(&self) -> bool {
        !self.rules.is_empty() || self.lease.is_some() || self.is_reported()
    }

    /// Whether a report holds it open.
    pub fn is_reported(&self) -> bool {
        self.report.as_ref().is_some_and(|r| r.held)
    }

    /// Whether somebody resolved it though a rule or a sender says that it fires.
    pub fn is_overruled(&self) -> bool {
        self.ended.is_some() && self.is_held()
    }

    /// How far it has escalated.
    pub fn progress(&self) -> Progress {
        self.escalated.unwrap_or(Progress { count: 0, since: self.seen_at, last: self.seen_at, again: None })
    }

    /// Bytes of its texts and history.
    fn bytes(&self) -> usize {
        text_bytes(&self.alert) + history_bytes(self)
    }

    fn enter(&mut self, at: Timestamp, by: Arc<str>, act: Act) {
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(0);
        }
        self.history.push(Entry { at, by, act });
    }

    fn fire(&mut self, mut alert: Alert) {
        if self.is_active() {
            alert.starts_at = alert.starts_at.min(self.alert.starts_at);
        } else {
            self.ended = None;
            self.reopened += 1;
            if let Some(progress) = self.escalated.as_mut().filter(|p| p.count > 0) {
                progress.again.get_or_insert(alert.updated_at);
            }
            self.enter(alert.updated_at, "".into(), Act::Reopened);
        }
        self.alert = alert;
        self.fresh = None;
    }

    /// Ends it when nobody says any more that it fires.
    fn end_if_let_go(&mut self, at: Timestamp, why: Ending) {
        if !self.is_held() && self.is_active() {
            self.end(at, why);
            self.enter(at, "".into(), Act::Ended { why });
        }
    }

    fn end(&mut self, at: Timestamp, why: Ending) {
        let at = at.max(self.alert.starts_at);
        self.ended = Some(Ended { at, why });
        self.alert.ends_at = Some(at);
        self.frozen_since = None;
    }

    /// Whether only senders from outside hold it.
    fn is_received(&self) -> bool {
        self.is_active() && self.rules.is_empty()
    }

    /// What somebody did, or what came about by itself.
    fn act(&mut self, entry: &Entry) {
        match &entry.act {
            Act::Acknowledged { until, .. } => {
                let (by, at) = (Arc::clone(&entry.by), entry.at);
                self.acknowledged = Some(Acknowledgement { by, at, until: *until });
            }
            Act::Unacknowledged { .. } => {
                self.acknowledged = None;
                self.escalated = Some(Progress { count: 0, since: entry.at, last: entry.at, again: None });
            }
            Act::Assigned { to } => self.assignee.clone_from(to),
            Act::Resolved { .. } => {
                if let Some(report) = &mut self.report {
                    report.held = false;
                }
                self.acknowledged = None;
                if self.is_active() {
                    self.end(entry.at, Ending::Operator);
                }
            }
            Act::Noted { .. } | Act::Escalated { .. } | Act::Reopened | Act::Ended { .. } => {}
        }
        self.enter(entry.at, Arc::clone(&entry.by), entry.act.clone());
    }
}

/// A value as texts show it.
pub(super) fn value_text(value: f64) -> String {
    if value.is_infinite() { if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned() } else { value.to_string() }
}

/// Bytes of the texts of forgotten episodes at most: an alert from outside may be long.
const PAST_BYTES_MAX: usize = 8 << 20;

/// Bytes of an alert's texts.
pub(super) fn text_bytes(alert: &Alert) -> usize {
    alert.labels.heap_bytes() + alert.annotations.heap_bytes() + alert.generator_url.len()
}

/// How many, and the bytes of their texts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Tally {
    fn add(&mut self, episode: &Episode) {
        self.count += 1;
        self.bytes += episode.bytes();
    }

    fn take(&mut self, episode: &Episode) {
        self.count -= 1;
        self.bytes -= episode.bytes();
    }
}

/// All episodes that are active or not settled, with what makes finding them fast.
#[derive(Debug, Clone, Default)]
pub(super) struct Episodes {
    all: BTreeMap<EpisodeId, Episode>,
    /// The newest episode of an alert.
    newest: HashMap<Fingerprint, EpisodeId>,
    /// Ends of leases.
    leases: BTreeSet<(Timestamp, EpisodeId)>,
    /// Ended, in no group: by end.
    idle: BTreeSet<(Timestamp, EpisodeId)>,
    /// Resolved by hand though they fire: by end.
    overruled: BTreeSet<(Timestamp, EpisodeId)>,
    /// Acknowledged, by when that ends.
    acknowledged: BTreeSet<(Timestamp, EpisodeId)>,
    /// Ids under which episodes were reported, past ones too.
    aliases: HashMap<Arc<str>, EpisodeId>,
    /// Those that only senders from outside hold, while they are active.
    received: Tally,
    /// Those that are over and not forgotten.
    over: Tally,
    /// Forgotten ones, oldest first.
    past: VecDeque<Episode>,
    /// How many were ever forgotten.
    last_past: u64,
    /// Bytes of their texts.
    past_bytes: usize,
    /// The last start of each alert among the forgotten ones.
    past_starts: HashMap<Fingerprint, Timestamp>,
}

impl Episodes {
    pub(super) fn restore(all: Vec<Episode>, past: Vec<Episode>, last_past: u64) -> Self {
        let mut episodes = Self::default();
        for episode in past {
            episodes.keep_past(episode, usize::MAX);
        }
        episodes.last_past = episodes.last_past.max(last_past);
        for episode in all {
            let id = episode.id;
            episodes.name(&episode);
            episodes.all.insert(id, episode);
            episodes.newest.insert(id.fingerprint, id);
            episodes.index(id);
        }
        episodes
    }

    pub(super) fn get(&self, id: EpisodeId) -> Option<&Episode> {
        self.all.get(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Episode> {
        self.all.values()
    }

    pub(super) fn after(&self, after: Option<EpisodeId>) -> impl Iterator<Item = &Episode> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.all.range((from, Bound::Unbounded)).map(|(_, e)| e)
    }

    pub(super) fn past(&self) -> impl Iterator<Item = &Episode> {
        self.past.iter()
    }

    /// How many were ever forgotten.
    pub(super) fn last_past(&self) -> u64 {
        self.last_past
    }

    /// The newest episode of an alert, active or ended.
    pub(super) fn newest(&self, fingerprint: Fingerprint) -> Option<&Episode> {
        self.all.get(self.newest.get(&fingerprint)?)
    }

    /// The start in the newest id of an alert that is remembered.
    pub(super) fn last_start(&self, fingerprint: Fingerprint) -> Option<Timestamp> {
        let newest = self.newest.get(&fingerprint).map(|id| id.starts_at);
        newest.or_else(|| self.past_starts.get(&fingerprint).copied())
    }

    /// Active episodes that only senders from outside hold.
    pub(super) fn received(&self) -> Tally {
        self.received
    }

    /// Episodes that are over and not forgotten.
    pub(super) fn over(&self) -> Tally {
        self.over
    }

    pub(super) fn first_lease(&self) -> Option<(Timestamp, EpisodeId)> {
        self.leases.first().copied()
    }

    /// Leases that end by `now`.
    pub(super) fn lapsed(&self, now: Timestamp) -> Vec<EpisodeId> {
        self.leases.iter().take_while(|(t, _)| *t <= now).map(|(_, id)| *id).collect()
    }

    /// The episode that was reported under an id.
    pub(super) fn by_alias(&self, id: &str) -> Option<EpisodeId> {
        self.aliases.get(id).copied()
    }

    /// Those that somebody looks after, by when that ends.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = &Episode> {
        self.acknowledged.iter().filter_map(|(_, id)| self.all.get(id))
    }

    /// When the first acknowledgement ends that does.
    pub(super) fn first_acknowledged_until(&self) -> Option<Timestamp> {
        self.acknowledged.first().map(|(at, _)| *at).filter(|at| *at < Timestamp::MAX)
    }

    /// Those whose acknowledgement ends by `now`.
    pub(super) fn acknowledged_until(&self, now: Timestamp) -> Vec<EpisodeId> {
        self.acknowledged.iter().take_while(|(t, _)| *t <= now).map(|(_, id)| *id).collect()
    }

    /// When the first was resolved of those that fire all the same.
    pub(super) fn first_overruled(&self) -> Option<Timestamp> {
        self.overruled.first().map(|(at, _)| *at)
    }

    /// Those that were resolved by `until` and fire all the same.
    pub(super) fn overruled_since(&self, until: Timestamp) -> Vec<EpisodeId> {
        self.overruled.iter().take_while(|(t, _)| *t <= until).map(|(_, id)| *id).collect()
    }

    fn name(&mut self, episode: &Episode) {
        for id in episode.report.iter().flat_map(|r| &r.ids) {
            self.aliases.insert(Arc::clone(id), episode.id);
        }
    }

    pub(super) fn first_idle(&self) -> Option<(Timestamp, EpisodeId)> {
        self.idle.first().copied()
    }

    /// Idle ones that ended by `until`.
    pub(super) fn idle_since(&self, until: Timestamp) -> Vec<EpisodeId> {
        self.idle.iter().take_while(|(t, _)| *t <= until).map(|(_, id)| *id).collect()
    }

    /// Changes one, keeping the indexes true; `None` when it isn't there.
    fn change(&mut self, id: EpisodeId, change: impl FnOnce(&mut Episode)) -> Option<()> {
        self.unindex(id);
        let done = self.all.get_mut(&id).map(change);
        self.index(id);
        done
    }

    fn open(&mut self, id: EpisodeId, alert: &Alert) {
        if let btree_map::Entry::Vacant(vacant) = self.all.entry(id) {
            vacant.insert(Episode::new(id, alert.clone()));
            self.newest.insert(id.fingerprint, id);
            self.index(id);
        }
    }

    fn unindex(&mut self, id: EpisodeId) {
        let Some(e) = self.all.get(&id) else { return };
        if let Some(until) = e.lease {
            self.leases.remove(&(until, id));
        }
        if e.is_received() {
            self.received.take(e);
        }
        if let Some(ended) = e.ended {
            self.over.take(e);
            self.idle.remove(&(ended.at, id));
            self.overruled.remove(&(ended.at, id));
        }
        if let Some(acknowledged) = &e.acknowledged {
            self.acknowledged.remove(&(acknowledged.until.unwrap_or(Timestamp::MAX), id));
        }
    }

    fn index(&mut self, id: EpisodeId) {
        let Some(e) = self.all.get(&id) else { return };
        if let Some(until) = e.lease {
            self.leases.insert((until, id));
        }
        if e.is_received() {
            self.received.add(e);
        }
        if let Some(ended) = e.ended {
            self.over.add(e);
            if e.is_held() {
                self.overruled.insert((ended.at, id));
            } else if e.groups.is_empty() {
                self.idle.insert((ended.at, id));
            }
        }
        if let Some(acknowledged) = &e.acknowledged {
            self.acknowledged.insert((acknowledged.until.unwrap_or(Timestamp::MAX), id));
        }
    }

    pub(super) fn received_alert(&mut self, id: EpisodeId, alert: &Alert) {
        self.open(id, alert);
        let ends_at = alert.ends_at.unwrap_or(Timestamp::MAX);
        self.change(id, |e| {
            let active = ends_at > alert.updated_at;
            let overruled = e.is_overruled() && e.lease.is_some();
            e.lease = active.then_some(ends_at);
            if overruled {
                return;
            }
            match (active, e.rules.is_empty()) {
                // A rule of ours knows the alert better than its echo from outside.
                (_, false) => {}
                (true, true) => e.fire(alert.clone()),
                // A report holds it, whatever a sender says.
                (false, true) if e.is_reported() => {}
                (false, true) => {
                    let ended = e.ended;
                    e.alert = Alert { starts_at: alert.starts_at.min(e.alert.starts_at), ..alert.clone() };
                    e.end_if_let_go(ends_at, Ending::Expired);
                    if let Some(ended) = ended {
                        e.ended = Some(Ended { at: ends_at, ..ended });
                    }
                }
            }
        });
    }

    pub(super) fn extended(&mut self, id: EpisodeId, ends_at: Timestamp, timeout: bool, at: Timestamp) {
        self.change(id, |e| {
            e.lease = Some(ends_at);
            e.alert.timeout = timeout;
            e.alert.updated_at = at;
            if e.rules.is_empty() {
                e.alert.ends_at = Some(ends_at);
            }
        });
    }

    pub(super) fn lapse(&mut self, id: EpisodeId) {
        self.change(id, |e| {
            if let Some(ended_at) = e.lease.take() {
                e.end_if_let_go(ended_at, Ending::Expired);
            }
        });
    }

    pub(super) fn transition(&mut self, id: EpisodeId, change: &Transition) {
        match &change.state {
            AlertState::Firing { fired_at, .. } => self.rule_fires(id, change, *fired_at),
            AlertState::Ended { at, why, .. } => {
                self.change(id, |e| {
                    e.rules.retain(|r| *r != change.rule);
                    e.end_if_let_go(*at, *why);
                });
            }
            AlertState::Pending { .. } => {
                self.change(id, |e| {
                    e.rules.retain(|r| *r != change.rule);
                    e.end_if_let_go(change.at, Ending::ConditionGone);
                });
            }
        }
    }

    fn rule_fires(&mut self, id: EpisodeId, change: &Transition, fired_at: Timestamp) {
        let alert = Alert {
            labels: change.labels.clone(),
            annotations: change.annotations.clone(),
            starts_at: fired_at,
            ends_at: None,
            updated_at: change.at,
            generator_url: Arc::clone(&change.generator_url),
            timeout: false,
        };
        self.open(id, &alert);
        self.change(id, |e| {
            if e.is_overruled() && e.rules.contains(&change.rule) {
                e.value = Some(value_text(change.value));
                return;
            }
            // It goes on firing: what began again after a resolve by hand keeps its own beginning.
            let goes_on = e.is_active() && e.rules.contains(&change.rule);
            let starts_at = if goes_on { e.alert.starts_at } else { alert.starts_at };
            e.fire(Alert { starts_at, ..alert });
            e.value = Some(value_text(change.value));
            e.frozen_since = change.frozen_since;
            if !e.rules.contains(&change.rule) {
                e.rules.push(change.rule.clone());
            }
        });
    }

    pub(super) fn reported(&mut self, reported: &Reported) {
        let Reported { episode: id, alert, ids, by, metadata } = reported;
        self.open(*id, alert);
        let mut gone = Vec::new();
        self.change(*id, |e| {
            let report = e.report.get_or_insert_default();
            (report.held, report.count, report.last_at) = (true, report.count + 1, alert.updated_at);
            (report.by, report.metadata) = (Arc::clone(by), Arc::clone(metadata));
            report.ids.extend(ids.iter().cloned());
            let surplus = report.ids.len().saturating_sub(IDS_MAX);
            if surplus > 0 {
                gone.extend(report.ids.drain(1..=surplus));
            }
            // A rule of ours knows the alert better than its report.
            if e.rules.is_empty() {
                e.fire(Alert { ends_at: e.lease, ..alert.clone() });
            }
        });
        for alias in ids {
            self.aliases.insert(Arc::clone(alias), *id);
        }
        for old in gone {
            self.aliases.remove(&old);
        }
    }

    pub(super) fn act(&mut self, id: EpisodeId, entry: &Entry) {
        self.change(id, |e| e.act(entry));
    }

    pub(super) fn reopen(&mut self, id: EpisodeId, at: Timestamp) {
        self.change(id, |e| {
            let alert = Alert { starts_at: at, ends_at: e.lease, updated_at: at, ..e.alert.clone() };
            e.fire(alert);
        });
    }

    /// A message that is another's escalation told of it again.
    pub(super) fn told_along(&mut self, id: EpisodeId, at: Timestamp) {
        self.change(id, |e| e.escalated = Some(Progress { last: at, ..e.progress() }));
    }

    pub(super) fn escalated(
        &mut self,
        id: EpisodeId,
        to: &Arc<str>,
        by: &Arc<str>,
        is_step: bool,
        at: Timestamp,
    ) {
        self.change(id, |e| {
            let progress = e.progress();
            if is_step {
                let count = progress.count + u32::from(progress.again.is_none());
                e.escalated = Some(Progress { count, last: at, again: None, ..progress });
            }
            e.enter(at, Arc::clone(by), Act::Escalated { to: Arc::clone(to) });
        });
    }

    pub(super) fn refresh(&mut self, fingerprint: Fingerprint, fresh: Fresh) {
        let Some(id) = self.newest.get(&fingerprint) else { return };
        if let Some(e) = self.all.get_mut(id).filter(|e| e.is_active() && !e.rules.is_empty()) {
            e.fresh = Some(Box::new(fresh));
        }
    }

    pub(super) fn joined(&mut self, id: EpisodeId, group: u64) {
        self.change(id, |e| {
            if !e.groups.contains(&group) {
                e.groups.push(group);
            }
        });
    }

    pub(super) fn left(&mut self, id: EpisodeId, group: u64) {
        self.change(id, |e| e.groups.retain(|g| *g != group));
    }

    pub(super) fn reason(
        &mut self,
        id: EpisodeId,
        integration: &Arc<IntegrationId>,
        reason: Reason,
        at: Timestamp,
    ) {
        if let Some(e) = self.all.get_mut(&id) {
            e.standings.insert(Arc::clone(integration), Standing { reason, at });
        }
    }

    pub(super) fn forget(&mut self, id: EpisodeId, past_max: usize) {
        self.unindex(id);
        let Some(episode) = self.all.remove(&id) else { return };
        if self.newest.get(&id.fingerprint) == Some(&id) {
            self.newest.remove(&id.fingerprint);
        }
        self.keep_past(episode, past_max);
    }

    fn keep_past(&mut self, episode: Episode, past_max: usize) {
        self.past_starts.insert(episode.id.fingerprint, episode.id.starts_at);
        self.past_bytes += episode.bytes();
        self.name(&episode);
        self.last_past += 1;
        self.past.push_back(episode);
        while self.past.len() > past_max || self.past_bytes > PAST_BYTES_MAX {
            let Some(oldest) = self.past.pop_front() else { return };
            self.past_bytes -= oldest.bytes();
            for alias in oldest.report.iter().flat_map(|r| &r.ids) {
                if self.aliases.get(alias) == Some(&oldest.id) {
                    self.aliases.remove(alias);
                }
            }
            let EpisodeId { fingerprint, starts_at } = oldest.id;
            if self.past_starts.get(&fingerprint) == Some(&starts_at) {
                self.past_starts.remove(&fingerprint);
            }
        }
    }
}
