//! Escalation: who is told next of an alert that nobody acknowledges (DESIGN §4 "Issues").
//!
//! An escalated receiver is told through a group of its own, so that the told-ledger, retries and the end are the same
//! as everywhere. What is in the state is how far an episode has come; when its next step is due follows from that and
//! from the options in force.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::model::{Duration, Labels, Matcher, Timestamp};

use super::{
    Act, Effect, Episode, EpisodeId, Group, GroupOpened, GroupSettings, IssueError, Lane, Machine, Options,
    Reason, Record, Undone,
};

/// A group of an escalation looks so often whether something ended.
const INTERVAL: Duration = Duration::from_secs(60);
/// It tells nothing again by itself: repeating is the escalation's.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);
/// A step that is due while its alert is kept quiet is looked at again after this time.
const POSTPONE: Duration = Duration::from_secs(15);
/// What the ids of escalations' groups begin with; a route's begins with `{`.
const PREFIX: &str = "escalation/";
/// In the place of a name: somebody named the receiver.
const BY_HAND: &str = "by hand/";

/// Who is told when nobody answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Escalation {
    /// Its name.
    pub name: Arc<str>,
    /// The alerts that it is for: all must match. The first escalation that matches an alert is its only one.
    pub matchers: Vec<Matcher>,
    /// In order of time.
    pub steps: Vec<EscalationStep>,
    /// What happens after the last step; none: nothing.
    pub repeat: Option<EscalationRepeat>,
    /// Names of time intervals in which it waits.
    pub quiet: Vec<Arc<str>>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct EscalationStep {
    /// How long nobody has acknowledged the alert.
    pub after: Duration,
    /// Who is told.
    pub receiver: Arc<str>,
}

/// The last step's receiver is told again and again.
#[derive(Debug, Clone, PartialEq)]
pub struct EscalationRepeat {
    /// The first time so long after the last step.
    pub every: Duration,
    /// Each wait is so many times the one before; 1: all are equal.
    pub backoff: u32,
    /// The longest wait.
    pub longest: Duration,
    /// So often; none: until somebody answers.
    pub times: Option<u32>,
}

/// How far an episode has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps and repeats done.
    pub count: u32,
    /// Since when nobody acknowledges it.
    pub since: Timestamp,
    /// When the last step was done.
    pub last: Timestamp,
    /// When it fired again after an end, if it was not escalated since: who was told that it ended is told anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Timestamp>,
}

impl Escalation {
    /// Whether it is for an alert with these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches_labels(labels))
    }

    /// When the next step is due; none when there is none.
    fn due(&self, progress: Progress) -> Option<Timestamp> {
        if let Some(again) = progress.again {
            return Some(again + self.steps.first()?.after);
        }
        match self.steps.get(progress.count as usize) {
            Some(step) => Some(progress.since + step.after),
            None => Some(progress.last + self.pause(progress)?),
        }
    }

    /// The wait for the next repeat; none when there is none.
    fn pause(&self, progress: Progress) -> Option<Duration> {
        let repeat = self.repeat.as_ref()?;
        if progress.again.is_some() {
            return None;
        }
        let done = (progress.count as usize).checked_sub(self.steps.len())?;
        let nth = u32::try_from(done).unwrap_or(u32::MAX);
        if repeat.times.is_some_and(|times| nth >= times) {
            return None;
        }
        let factor = i64::from(repeat.backoff).saturating_pow(nth);
        Some(repeat.every.saturating_mul(factor).min(repeat.longest))
    }

    /// Who is told by the next step or repeat; of what fires again, who was told last.
    fn receiver(&self, progress: Progress) -> Option<&Arc<str>> {
        let done = progress.count as usize;
        let next = if progress.again.is_some() { done.saturating_sub(1) } else { done };
        self.steps.get(next).or(self.steps.last()).map(|s| &s.receiver)
    }
}

impl Options {
    /// The escalation of an alert.
    pub fn escalation(&self, labels: &Labels) -> Option<&Escalation> {
        self.escalations.iter().find(|e| e.matches(labels))
    }

    /// Whether the group of an escalation would still be made.
    pub(super) fn still_escalates(&self, group: &Group) -> bool {
        let by_hand = *group.route == *route(BY_HAND, &group.settings.receiver);
        let configured = |e: &Escalation| *group.route == *route(&e.name, &group.settings.receiver);
        self.receivers.contains_key(&group.settings.receiver)
            && (by_hand || self.escalations.iter().any(configured))
    }
}

impl Group {
    /// Whether it is an escalation's.
    pub fn is_escalation(&self) -> bool {
        self.route.starts_with(PREFIX)
    }

    /// Whether somebody named its receiver: that is no step.
    pub(super) fn is_by_hand(&self) -> bool {
        self.route.strip_prefix(PREFIX).is_some_and(|rest| rest.starts_with(BY_HAND))
    }
}

fn route(name: &str, receiver: &str) -> String {
    format!("{PREFIX}{}/{receiver}", name.trim_end_matches('/'))
}

/// When episodes' next steps are due. Follows from episodes and options.
#[derive(Debug, Default)]
pub(super) struct Escalator {
    in_order: BTreeSet<(Timestamp, EpisodeId)>,
    at: HashMap<EpisodeId, Timestamp>,
}

impl Escalator {
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.in_order.first().map(|(at, _)| *at)
    }

    fn set(&mut self, id: EpisodeId, at: Option<Timestamp>) {
        if let Some(old) = self.at.remove(&id) {
            self.in_order.remove(&(old, id));
        }
        if let Some(at) = at {
            self.in_order.insert((at, id));
            self.at.insert(id, at);
        }
    }

    fn pop(&mut self, now: Timestamp) -> Option<EpisodeId> {
        let (_, id) = self.in_order.first().copied().filter(|(at, _)| *at <= now)?;
        self.set(id, None);
        Some(id)
    }
}

impl Machine {
    /// An episode has changed: its next step may be due at another time, or never.
    pub(super) fn reschedule_escalation(&mut self, id: EpisodeId) {
        if self.options.escalations.is_empty() {
            return;
        }
        let at = self.state.episodes.get(id).and_then(|e| self.next_escalation(e));
        self.escalator.set(id, at);
    }

    /// All episodes, after a restart or reload.
    pub(super) fn reschedule_escalations(&mut self) {
        self.escalator = Escalator::default();
        if self.options.escalations.is_empty() {
            return;
        }
        let due = self.state.episodes.iter().filter_map(|e| Some((e.id, self.next_escalation(e)?)));
        let due: Vec<(EpisodeId, Timestamp)> = due.collect();
        for (id, at) in due {
            self.escalator.set(id, Some(at));
        }
    }

    /// When an episode's next step is due, as far as is known: it waits while the alert is kept quiet.
    pub fn next_escalation(&self, episode: &Episode) -> Option<Timestamp> {
        if !episode.is_active() || episode.acknowledged.is_some() {
            return None;
        }
        self.options.escalation(&episode.alert.labels)?.due(episode.progress())
    }

    /// Does the steps that are due: one message to each receiver, however many alerts.
    pub(super) fn escalate_due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let options = Arc::clone(&self.options);
        let mut steps: BTreeMap<(Arc<str>, Arc<str>), Vec<EpisodeId>> = BTreeMap::new();
        while let Some(id) = self.escalator.pop(now) {
            let Some(episode) = self.state.episodes.get(id).filter(|e| e.is_active()) else { continue };
            let Some(escalation) = options.escalation(&episode.alert.labels) else { continue };
            if self.waits(now, escalation, episode) {
                self.escalator.set(id, Some(now + POSTPONE));
                continue;
            }
            if let Some(at) = self.heard_of_late(now, escalation, episode) {
                self.escalator.set(id, Some(at));
                continue;
            }
            if let Some(receiver) = escalation.receiver(episode.progress()) {
                let step = (Arc::clone(&escalation.name), Arc::clone(receiver));
                steps.entry(step).or_default().push(id);
            }
        }
        for ((name, receiver), episodes) in steps {
            self.escalate_to(now, &name, &receiver, "".into(), episodes, effects);
        }
    }

    /// Whether a step has to wait: quiet hours, or the alert is kept quiet wherever it is told.
    fn waits(&self, now: Timestamp, escalation: &Escalation, episode: &Episode) -> bool {
        let labels = &episode.alert.labels;
        let is_mute = |group: &Group| group.is_escalation() || self.muted(now, group).is_some();
        !self.options.enabled
            || escalation.quiet.iter().any(|name| self.is_within(now, name))
            || self.inhibited_by(labels).is_some()
            || !self.silenced_by(now, labels).is_empty()
            || self.groups_with(episode).all(is_mute)
    }

    /// When a repeat may come that is too early: it is counted from when the receiver took the last message, and
    /// nothing is repeated that is still on its way.
    fn heard_of_late(&self, now: Timestamp, escalation: &Escalation, episode: &Episode) -> Option<Timestamp> {
        let progress = episode.progress();
        let pause = escalation.pause(progress)?;
        let route = route(&escalation.name, escalation.receiver(progress)?);
        let group = self.groups_with(episode).find(|g| *g.route == *route)?;
        let lanes: Vec<&Lane> = group.lanes.values().collect();
        if !lanes.is_empty() && lanes.iter().all(|l| l.head.is_some()) {
            return Some(now + POSTPONE);
        }
        let at = lanes.iter().filter_map(|l| l.told_at).max()? + pause;
        (at > now).then_some(at)
    }

    /// Why an escalation's receiver is not told of an alert at present: somebody looks after it, or did, and it has
    /// not come to this receiver again since.
    pub(super) fn answered_for(&self, group: &Group, episode: &Episode) -> Option<Reason> {
        if let Some(acknowledged) = &episode.acknowledged {
            return Some(Reason::Acknowledged { by: Arc::clone(&acknowledged.by) });
        }
        let receiver = &group.settings.receiver;
        let escalation = self.options.escalation(&episode.alert.labels)?;
        if *group.route != *route(&escalation.name, receiver) {
            return None;
        }
        let progress = episode.progress();
        let step = escalation.steps.iter().position(|s| s.receiver == *receiver)?;
        let until = match progress.again {
            None if step < progress.count as usize => return None,
            None => progress.since + escalation.steps[step].after,
            Some(again) => again + escalation.steps[0].after,
        };
        Some(Reason::Waiting { until })
    }

    /// Tells a receiver of alerts, now.
    fn escalate_to(
        &mut self,
        now: Timestamp,
        name: &str,
        receiver: &Arc<str>,
        by: Arc<str>,
        episodes: Vec<EpisodeId>,
        effects: &mut Vec<Effect>,
    ) {
        let group = self.escalation_group(now, name, receiver, effects);
        let flush_at = Some(now);
        self.record(Record::Joined { group, episodes: episodes.clone(), flush_at }, effects);
        let along = self.told_along(group, &episodes);
        let to = Arc::clone(receiver);
        self.record(Record::Escalated { group, episodes, to, by, along: along.clone(), at: now }, effects);
        for id in along {
            self.reschedule_escalation(id);
        }
    }

    /// The other alerts of a group that wait for their next repeat to it: the message tells of them too, so that one
    /// comes at a time, however many there are.
    fn told_along(&self, group: u64, escalated: &[EpisodeId]) -> Vec<EpisodeId> {
        let Some(group) = self.state.groups.get(group) else { return Vec::new() };
        let repeats = |id: &&EpisodeId| {
            let episode = self.state.episodes.get(**id).filter(|e| e.is_active() && e.acknowledged.is_none());
            episode.is_some_and(|e| {
                let (progress, escalation) = (e.progress(), self.options.escalation(&e.alert.labels));
                escalation.is_some_and(|s| {
                    s.pause(progress).is_some() && s.receiver(progress) == Some(&group.settings.receiver)
                })
            })
        };
        group.members.keys().filter(|id| !escalated.contains(id)).filter(repeats).copied().collect()
    }

    fn escalation_group(
        &mut self,
        now: Timestamp,
        name: &str,
        receiver: &Arc<str>,
        effects: &mut Vec<Effect>,
    ) -> u64 {
        let route: Arc<str> = route(name, receiver).into();
        let open = self.state.groups.iter().find(|g| g.route == route);
        if let Some(group) = open.map(|g| g.number) {
            let settings = settings(receiver);
            if self.state.groups.get(group).is_some_and(|g| g.settings != settings) {
                self.record(Record::GroupChanged { group, settings }, effects);
            }
            return group;
        }
        let group = self.state.last_group + 1;
        let opened = GroupOpened {
            group,
            key: format!("{{}}/{{{route}}}:{{}}").into(),
            route,
            labels: Labels::empty(),
            settings: settings(receiver),
            flush_at: now,
        };
        self.record(Record::GroupOpened(Box::new(opened)), effects);
        group
    }

    /// Somebody asks for more attention: the next step is done now, or the receiver that they name is told. An
    /// acknowledgement is undone by it. Answers who is told.
    ///
    /// # Errors
    /// `NotFound`, `Over`, `NoReceiver`, `NoEscalation`.
    pub fn escalate(
        &mut self,
        now: Timestamp,
        id: EpisodeId,
        by: Arc<str>,
        to: Option<Arc<str>>,
        effects: &mut Vec<Effect>,
    ) -> Result<Arc<str>, IssueError> {
        self.resume(now, effects);
        let options = Arc::clone(&self.options);
        let episode = self.episode(id).ok_or(IssueError::NotFound)?;
        if !episode.is_active() {
            return Err(IssueError::Over);
        }
        let (name, receiver) = match to {
            Some(to) if options.receivers.contains_key(&to) => (BY_HAND, to),
            Some(unknown) => return Err(IssueError::NoReceiver(unknown)),
            None => {
                let escalation = options.escalation(&episode.alert.labels).ok_or(IssueError::NoEscalation)?;
                let mut progress = episode.progress();
                if episode.acknowledged.is_some() {
                    (progress.count, progress.again) = (0, None);
                }
                let receiver = escalation.receiver(progress).ok_or(IssueError::NoEscalation)?;
                (&*escalation.name, Arc::clone(receiver))
            }
        };
        if episode.acknowledged.is_some() {
            let act = Act::Unacknowledged { why: Undone::Escalated, note: "".into() };
            self.act(now, id, Arc::clone(&by), act, effects);
        }
        self.escalate_to(now, name, &receiver, by, vec![id], effects);
        Ok(receiver)
    }
}

fn settings(receiver: &Arc<str>) -> GroupSettings {
    GroupSettings {
        receiver: Arc::clone(receiver),
        interval: INTERVAL,
        repeat: NEVER,
        route_labels: Labels::empty(),
        detached: false,
    }
}
