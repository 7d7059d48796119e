//! What comes in: transitions of our own rules, alerts from outside. Which episode each belongs to is decided here.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::model::{Alert, AlertState, Ending, Fingerprint, RuleKey, Timestamp, Transition};

use super::{
    Effect, Episode, EpisodeId, GroupOpened, GroupSettings, Machine, Record, RouteOptions, group_key,
};

/// Merges two reports of one alert; the newer wins its texts (spec alertmanager §2.5).
pub(super) fn merge(old: &Alert, new: &Alert) -> Alert {
    let (old, new) = if new.updated_at < old.updated_at { (new, old) } else { (old, new) };
    let mut merged = new.clone();
    merged.starts_at = new.starts_at.min(old.starts_at);
    let (was, is) = (old.ends_at, new.ends_at);
    let over = |end: Option<Timestamp>| end.is_some_and(|e| e <= new.updated_at);
    if over(is) {
        if over(was) && was > is {
            merged.ends_at = was;
        }
    } else if was > is && !old.timeout {
        merged.ends_at = was;
    }
    merged
}

/// Whether two reports overlap in time, so that they are merged: the new end or the new start lies strictly inside
/// the old interval (spec alertmanager §2.5).
pub(super) fn overlaps(old: &Alert, new: &Alert) -> bool {
    let old_end = old.ends_at.unwrap_or(Timestamp::MAX);
    let inside = |t: Timestamp| t > old.starts_at && t < old_end;
    inside(new.ends_at.unwrap_or(Timestamp::MAX)) || inside(new.starts_at)
}

/// Alerts sent again of which only the end moved, put together until something else must be recorded.
#[derive(Default)]
struct Extensions {
    by_end: BTreeMap<(Timestamp, bool), Vec<EpisodeId>>,
    alerts: HashSet<Fingerprint, foldhash::fast::FixedState>,
}

impl Machine {
    pub(super) fn transitions(
        &mut self,
        now: Timestamp,
        changes: Vec<Transition>,
        effects: &mut Vec<Effect>,
    ) {
        let mut opened = Vec::new();
        for change in changes {
            let episode = self.episode_of(&change, now, &mut opened);
            self.record(Record::Transition { change, episode }, effects);
        }
        self.route(now, opened, effects);
    }

    /// The episode that a transition is about; a new one is noted in `opened`.
    fn episode_of(
        &self,
        change: &Transition,
        now: Timestamp,
        opened: &mut Vec<EpisodeId>,
    ) -> Option<EpisodeId> {
        let fingerprint = change.labels.fingerprint();
        let newest = self.state.episodes.newest(fingerprint);
        match change.state {
            AlertState::Firing { fired_at, .. } => {
                let known =
                    |e: &&Episode| e.is_active() || (e.is_overruled() && e.rules.contains(&change.rule));
                if let Some(e) = newest.filter(known) {
                    return Some(e.id);
                }
                let id = self.continued_or_new(newest, fingerprint, fired_at, now);
                opened.push(id);
                Some(id)
            }
            AlertState::Pending { .. } | AlertState::Ended { .. } => {
                newest.filter(|e| e.rules.contains(&change.rule)).map(|e| e.id)
            }
        }
    }

    /// The ended episode if it ended recently, else a new one. An id is never used again for another firing, though a
    /// sender may repeat an old start.
    pub(super) fn continued_or_new(
        &self,
        last: Option<&Episode>,
        of: Fingerprint,
        start: Timestamp,
        now: Timestamp,
    ) -> EpisodeId {
        let recent =
            |e: &&Episode| e.ended.is_some_and(|ended| now.since(ended.at) <= self.options.reopen_within);
        if let Some(last) = last.filter(recent) {
            return last.id;
        }
        let starts_at = match self.state.episodes.last_start(of) {
            Some(used) if start <= used => now.max(Timestamp(used.0.saturating_add(1))),
            _ => start,
        };
        EpisodeId { fingerprint: of, starts_at }
    }

    pub(super) fn rules_loaded(&mut self, now: Timestamp, rules: &[RuleKey], effects: &mut Vec<Effect>) {
        let configured: BTreeSet<&RuleKey> = rules.iter().collect();
        let gone = self.state.rules.iter().filter(|(key, _)| !configured.contains(key));
        let ended = gone.flat_map(|(_, alerts)| alerts.values()).map(|last| {
            let fired_at = match last.state {
                AlertState::Firing { fired_at, .. } => Some(fired_at),
                _ => None,
            };
            let state = AlertState::Ended { fired_at, at: now, why: Ending::RuleRemoved };
            Transition { state, at: now, frozen_since: None, ..last.clone() }
        });
        let ended: Vec<Transition> = ended.collect();
        self.transitions(now, ended, effects);
    }

    pub(super) fn received(&mut self, now: Timestamp, alerts: Vec<Alert>, effects: &mut Vec<Effect>) {
        // Of the whole batch, which was acknowledged as one.
        let room = self.room();
        let mut opened = Vec::new();
        let mut extensions = Extensions::default();
        for alert in alerts {
            let alert = self.accept(now, alert);
            if extensions.alerts.contains(&alert.labels.fingerprint()) {
                self.extend(now, std::mem::take(&mut extensions), effects);
            }
            self.receive(now, alert, room, &mut opened, &mut extensions, effects);
        }
        self.extend(now, extensions, effects);
        self.route(now, opened, effects);
    }

    /// Fills in what the sender left out.
    fn accept(&self, now: Timestamp, mut alert: Alert) -> Alert {
        alert.updated_at = now;
        alert.timeout = alert.ends_at.is_none();
        let ends_at = alert.ends_at.unwrap_or(now + self.options.resolve_timeout);
        alert.ends_at = Some(ends_at);
        alert.starts_at = alert.starts_at.min(ends_at);
        alert
    }

    fn receive(
        &mut self,
        now: Timestamp,
        alert: Alert,
        room: usize,
        opened: &mut Vec<EpisodeId>,
        extensions: &mut Extensions,
        effects: &mut Vec<Effect>,
    ) {
        let fingerprint = alert.labels.fingerprint();
        let last = self.state.episodes.newest(fingerprint);
        // An own alert's texts don't depend on its echo, so only leases and ended alerts are merged with.
        let known = last.filter(|e| e.rules.is_empty()).map(|e| &e.alert);
        let merged = match known.filter(|old| overlaps(old, &alert)) {
            Some(old) => merge(old, &alert),
            None => alert,
        };
        let active = merged.ends_at.is_none_or(|end| end > now);
        let episode = match last {
            Some(e) if e.is_active() && e.lease == merged.ends_at && same_but_time(&e.alert, &merged) => {
                return;
            }
            Some(e) if e.is_active() && active && e.lease.is_some() && only_extends(&e.alert, &merged) => {
                let key = (merged.ends_at.unwrap_or(Timestamp::MAX), merged.timeout);
                extensions.by_end.entry(key).or_default().push(e.id);
                extensions.alerts.insert(fingerprint);
                return;
            }
            Some(e) if e.is_active() && (active || e.lease.is_some()) => e.id,
            // Somebody resolved it, which holds for a while though its sender goes on.
            Some(e) if e.is_overruled() && e.lease.is_some() => e.id,
            Some(e) if !e.is_active() && !active && !same_but_time(&e.alert, &merged) && known.is_some() => {
                e.id
            }
            // An end of what isn't known to fire says nothing new.
            _ if !active => return,
            _ if opened.len() >= room => {
                self.shed += 1;
                return;
            }
            last => {
                let id = self.continued_or_new(last, fingerprint, merged.starts_at, now);
                opened.push(id);
                id
            }
        };
        self.record(Record::Received { alert: merged, episode }, effects);
    }

    fn extend(&mut self, now: Timestamp, extensions: Extensions, effects: &mut Vec<Effect>) {
        for ((ends_at, timeout), episodes) in extensions.by_end {
            self.record(Record::Extended { ends_at, timeout, at: now, episodes }, effects);
        }
    }

    /// Puts new episodes into the groups that routes lead them to.
    pub(super) fn route(&mut self, now: Timestamp, opened: Vec<EpisodeId>, effects: &mut Vec<Effect>) {
        self.undo_outgrown(now, &opened, effects);
        let mut joined: BTreeMap<u64, (Vec<EpisodeId>, bool)> = BTreeMap::new();
        for id in opened {
            let Some(episode) = self.state.episodes.get(id) else { continue };
            let (labels, starts_at) = (episode.alert.labels.clone(), episode.alert.starts_at);
            for route in self.routes.matching(&labels) {
                let group = self.group_for(now, route, &labels, effects);
                let overdue = starts_at + self.routes.node(route).options.group_wait < now;
                let entry = joined.entry(group).or_default();
                entry.0.push(id);
                entry.1 |= overdue;
            }
        }
        for (group, (episodes, overdue)) in joined {
            let waits = self.state.groups.get(group).is_some_and(|g| !g.flushed && g.next_flush() > now);
            let flush_at = (overdue && waits).then_some(now);
            self.record(Record::Joined { group, episodes, flush_at }, effects);
        }
    }

    /// The group for an alert on a route, opened when there is none.
    fn group_for(
        &mut self,
        now: Timestamp,
        route: usize,
        of: &crate::model::Labels,
        effects: &mut Vec<Effect>,
    ) -> u64 {
        let node = self.routes.node(route);
        let labels = node.options.group_labels(of);
        if let Some(group) = self.state.groups.find(route, &labels) {
            let (group, detached) = (group.number, group.settings.detached);
            if detached {
                let settings = settings(&node.options);
                self.record(Record::GroupChanged { group, settings }, effects);
            }
            return group;
        }
        let group = self.state.last_group + 1;
        let opened = GroupOpened {
            group,
            route: node.id.clone(),
            key: group_key(&node.key, &labels),
            labels,
            settings: settings(&node.options),
            flush_at: now + node.options.group_wait,
        };
        self.record(Record::GroupOpened(Box::new(opened)), effects);
        group
    }
}

/// What a group takes from its route.
pub(super) fn settings(options: &RouteOptions) -> GroupSettings {
    GroupSettings {
        receiver: options.receiver.clone(),
        interval: options.group_interval,
        repeat: options.repeat_interval,
        route_labels: options.labels.clone(),
        detached: false,
    }
}

/// Whether a report says nothing but a new end.
fn only_extends(old: &Alert, new: &Alert) -> bool {
    same_but_time(&Alert { ends_at: new.ends_at, timeout: new.timeout, ..old.clone() }, new)
}

/// Whether two reports are equal but for when they came.
fn same_but_time(old: &Alert, new: &Alert) -> bool {
    (&old.annotations, old.starts_at, old.ends_at, &old.generator_url, old.timeout)
        == (&new.annotations, new.starts_at, new.ends_at, &new.generator_url, new.timeout)
}
