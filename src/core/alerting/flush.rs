//! A group's turn: who in it fires, who is quietened, who ended; then each integration's question to the ledger.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{Duration, Fingerprint, Labels, Timestamp};

use super::{
    Delivery, DeliveryState, DropReason, Effect, EpisodeId, Group, IntegrationId, IntegrationOptions,
    Machine, NotifiedAlert, NotifyReason, Planned, Reason, Record, RetryPolicy, Silence, SuppressedResolves,
    WriteOff,
    delivery::{delivery_id, delivery_number},
    ledger::{Belief, Content, Lane, Question, decide},
};

/// A group's alerts at its turn.
#[derive(Default)]
struct Snapshot {
    /// Firing, routed here, not quietened.
    firing: Vec<EpisodeId>,
    /// Firing and quietened, and by what.
    quiet: Vec<(EpisodeId, Reason)>,
    /// Firing, no longer routed here.
    detached: Vec<EpisodeId>,
    /// Ended; `true` when quietened, which matters only to `suppressed_resolves: drop`.
    ended: Vec<(EpisodeId, Timestamp, bool)>,
}

/// One integration at a group's turn.
struct Listener {
    integration: Arc<IntegrationId>,
    /// Whether it is told what is new; else only what it was told is settled.
    hears_news: bool,
    send_resolved: bool,
    retry: RetryPolicy,
}

/// What comes of an integration's question.
#[derive(Default)]
struct Verdict {
    plan: Option<(NotifyReason, Content)>,
    /// The planned message that says what is no longer so.
    obsolete: Option<u64>,
    write_offs: BTreeMap<u8, (WriteOff, Vec<EpisodeId>)>,
    reasons: Vec<(EpisodeId, Reason)>,
}

/// An integration's name in reasons of receivers that have none.
pub(super) const NO_INTEGRATION: &str = "none";

impl Machine {
    /// A group's turn.
    pub(super) fn flush(&mut self, now: Timestamp, number: u64, effects: &mut Vec<Effect>) {
        let before = self.state.seq;
        let Some(group) = self.state.groups.get(number) else { return };
        let (interval, first) = (group.settings.interval, !group.flushed);
        let snapshot = self.snapshot(now, group);
        for listener in self.listeners(group) {
            self.ask(now, number, &listener, &snapshot, effects);
        }
        self.prune(number, effects);
        // A zero interval is refused with the options; it must not make this turn endless either.
        let next = now + interval.max(Duration::from_millis(1));
        if self.state.groups.get(number).is_none() {
            return;
        }
        if first || self.state.seq != before {
            self.record(Record::Flushed { group: number, at: now, next }, effects);
        } else {
            self.state.groups.tick(number, next);
        }
    }

    /// Asks the integrations of another receiver at once, outside a group's turn: the one that they stand in for can't
    /// be told.
    pub(super) fn tell_instead(
        &mut self,
        now: Timestamp,
        number: u64,
        receiver: &str,
        effects: &mut Vec<Effect>,
    ) {
        let Some(group) = self.state.groups.get(number) else { return };
        let snapshot = self.snapshot(now, group);
        let listeners: Vec<Listener> = self.listeners(group);
        for listener in listeners.iter().filter(|l| *l.integration.receiver == *receiver) {
            self.ask(now, number, listener, &snapshot, effects);
        }
    }

    fn snapshot(&self, now: Timestamp, group: &Group) -> Snapshot {
        let drops = self.options.suppressed_resolves == SuppressedResolves::Drop;
        let mut snapshot = Snapshot::default();
        let muted = self.muted(now, group);
        let silences: Vec<&Silence> = self.silences_in_force(now).collect();
        let escalates = group.is_escalation();
        let silenced = |labels: &Labels| {
            let by: Vec<_> = silences.iter().filter(|s| s.matches(labels)).map(|s| s.id.clone()).collect();
            (!by.is_empty()).then_some(Reason::Silenced { by })
        };
        for (id, member) in &group.members {
            let Some(episode) = self.state.episodes.get(*id) else { continue };
            let labels = &episode.alert.labels;
            match episode.ended {
                Some(ended) => {
                    let quiet = || {
                        muted.is_some()
                            || self.inhibitor.inhibits(labels).is_some()
                            || silenced(labels).is_some()
                    };
                    let quiet = drops && quiet();
                    snapshot.ended.push((*id, ended.at, quiet));
                }
                None if member.detached => snapshot.detached.push(*id),
                None => {
                    let inhibited = self.inhibitor.inhibits(labels);
                    let inhibited =
                        inhibited.map(|i| Reason::Inhibited { by: i.by, rule: i.rule, name: i.name });
                    let quiet = inhibited.or_else(|| silenced(labels)).or_else(|| muted.clone());
                    let answered = || self.answered_for(group, episode).filter(|_| escalates);
                    match quiet.or_else(answered) {
                        Some(reason) => snapshot.quiet.push((*id, reason)),
                        None => snapshot.firing.push(*id),
                    }
                }
            }
        }
        snapshot
    }

    /// Why a group tells nothing new at this time of day, if so.
    pub fn muted(&self, now: Timestamp, group: &Group) -> Option<Reason> {
        let route = self.routes.find(&group.route).map(|i| self.routes.node(i))?;
        let during = |name: &Arc<str>| self.is_within(now, name);
        let mute: Vec<Arc<str>> = route.mute.iter().filter(|name| during(name)).cloned().collect();
        if !mute.is_empty() {
            return Some(Reason::Muted { during: mute });
        }
        let idle = !route.active.is_empty() && !route.active.iter().any(during);
        idle.then(|| Reason::Inactive { outside: route.active.clone() })
    }

    /// Whether a time lies in a time interval.
    pub(super) fn is_within(&self, now: Timestamp, interval: &str) -> bool {
        let pieces = self.options.time_intervals.get(interval);
        pieces.is_some_and(|all| all.iter().any(|piece| piece.contains(now)))
    }

    /// The integrations that a group concerns: its receiver's, those that stand in for one that can't be told, and
    /// those with something left to settle.
    fn listeners(&self, group: &Group) -> Vec<Listener> {
        let mut hearing: BTreeMap<&IntegrationId, &IntegrationOptions> = BTreeMap::new();
        let mut receivers = if group.settings.detached { Vec::new() } else { vec![&group.settings.receiver] };
        while let Some(receiver) = receivers.pop() {
            for i in self.options.integrations(receiver) {
                if hearing.insert(&i.id, i).is_none() {
                    receivers.extend(group.lanes.get(&i.id).and_then(|l| l.fell_back.as_ref()));
                }
            }
        }
        let listener = |i: &IntegrationOptions, hears_news| Listener {
            integration: Arc::new(i.id.clone()),
            hears_news,
            send_resolved: i.send_resolved,
            retry: i.retry.clone(),
        };
        let settling = group.lanes.keys().filter(|id| !hearing.contains_key(&***id));
        let settling = settling.filter_map(|id| self.options.integration(id)).map(|i| listener(i, false));
        let mut all: Vec<Listener> = hearing.values().map(|i| listener(i, true)).collect();
        all.extend(settling);
        if all.is_empty() && !group.settings.detached {
            let receiver = Arc::clone(&group.settings.receiver);
            let id = IntegrationId { receiver, kind: NO_INTEGRATION.into(), key: "".into() };
            all.push(Listener {
                integration: Arc::new(id),
                hears_news: true,
                send_resolved: false,
                retry: RetryPolicy::default(),
            });
        }
        all
    }

    /// Asks what to tell one integration, and does it.
    fn ask(
        &mut self,
        now: Timestamp,
        number: u64,
        to: &Listener,
        snapshot: &Snapshot,
        effects: &mut Vec<Effect>,
    ) {
        let Some(group) = self.state.groups.get(number) else { return };
        let verdict = self.verdict(now, group, to, snapshot);
        for (because, episodes) in verdict.write_offs.into_values() {
            let integration = (*to.integration).clone();
            self.record(
                Record::WrittenOff { group: number, integration, episodes, because, at: now },
                effects,
            );
        }
        if let Some(obsolete) = verdict.obsolete {
            self.drop_delivery(now, obsolete, DropReason::Obsolete, effects);
        }
        if let Some((reason, content)) = verdict.plan {
            self.plan(now, number, to, reason, &content, effects);
        }
        self.reasons(now, &to.integration, verdict.reasons, effects);
    }

    fn verdict(&self, now: Timestamp, group: &Group, to: &Listener, snapshot: &Snapshot) -> Verdict {
        let mut verdict = Verdict::default();
        if *to.integration.kind == *NO_INTEGRATION {
            let ids = snapshot.firing.iter().chain(snapshot.quiet.iter().map(|(id, _)| id));
            verdict.reasons.extend(
                ids.chain(snapshot.ended.iter().map(|(id, ..)| id)).map(|id| (*id, Reason::NoIntegrations)),
            );
            return verdict;
        }
        let nothing = Lane::default();
        let lane = group.lanes.get(&to.integration).unwrap_or(&nothing);
        let under_way = lane.head.and_then(|n| self.state.deliveries.get(&n)).map(DeliveryState::content);
        let belief = |id: &EpisodeId| lane.belief(*id, under_way.as_ref());
        let believes_firing = |id: &EpisodeId| matches!(belief(id), Belief::Firing { .. });

        let mut content = Content::default();
        content.firing.extend(snapshot.firing.iter().filter(|id| to.hears_news || believes_firing(id)));
        content.firing.extend(snapshot.detached.iter().filter(|id| believes_firing(id)));
        self.collect_ended(now, lane, to, snapshot, belief, &mut content, &mut verdict);

        let question = Question {
            any_firing: !content.firing.is_empty(),
            any_new: to.hears_news
                && content.firing.iter().any(|id| !believes_firing(id) || lane.is_in_doubt(*id)),
            any_ended: !content.resolved.is_empty(),
            believes_firing: lane.told.keys().any(believes_firing),
            told_at: lane.told_at.filter(|_| to.hears_news),
            under_way: lane.head.is_some(),
        };
        let acknowledged =
            |id: &EpisodeId| self.state.episodes.get(*id).is_some_and(|e| e.acknowledged.is_some());
        let decision = match decide(question, now, group.settings.repeat).filter(|_| self.options.enabled) {
            // Somebody looks after all of it.
            Some(NotifyReason::RepeatIntervalElapsed) if content.firing.iter().all(acknowledged) => None,
            Some(NotifyReason::NewAlertsAdded) if group.is_escalation() => Some(NotifyReason::Escalated),
            other => other,
        };
        let pending = lane.next.and_then(|n| self.state.deliveries.get(&n));
        match decision {
            Some(reason) => {
                let refused = lane.refused.as_ref().is_some_and(|r| {
                    r.firing == content.firing
                        && r.resolved == content.resolved
                        && now < r.at + to.retry.slow_interval
                });
                if !refused && pending.is_none_or(|p| p.content() != content) {
                    verdict.plan = Some((reason, content));
                }
            }
            None => verdict.obsolete = lane.next,
        }
        // What a message said that goes away is no reason any more.
        let leaves = lane.next.filter(|_| verdict.plan.is_some() || verdict.obsolete.is_some());
        self.explain(to, snapshot, decision.is_some(), leaves, &belief, lane, &mut verdict);
        verdict
    }

    /// Sorts the ended alerts: to be told, to be written off, or nobody's concern.
    #[expect(clippy::too_many_arguments, reason = "one step of `verdict`, apart only to be read apart")]
    fn collect_ended(
        &self,
        now: Timestamp,
        lane: &Lane,
        to: &Listener,
        snapshot: &Snapshot,
        belief: impl Fn(&EpisodeId) -> Belief,
        content: &mut Content,
        verdict: &mut Verdict,
    ) {
        let drops = self.options.suppressed_resolves == SuppressedResolves::Drop;
        for (id, ended_at, quiet) in &snapshot.ended {
            let write_off = match belief(id) {
                // Written off while the message that tells it is still on its way.
                Belief::Firing { send_resolved } if (*quiet || !send_resolved) && !lane.owes(*id) => continue,
                Belief::Firing { send_resolved: false } => WriteOff::SendResolvedFalse,
                Belief::Firing { .. } if *quiet => WriteOff::Suppressed,
                Belief::Firing { .. }
                    if lane.head.is_none() && *ended_at + to.retry.give_up_after_end <= now =>
                {
                    WriteOff::GaveUp
                }
                Belief::Firing { .. } => {
                    content.resolved.insert(*id);
                    continue;
                }
                Belief::Untold if drops && to.hears_news && to.send_resolved && !quiet => {
                    content.resolved.insert(*id);
                    continue;
                }
                Belief::Untold | Belief::Resolved => continue,
            };
            verdict.write_offs.entry(write_off as u8).or_insert((write_off, Vec::new())).1.push(*id);
        }
    }

    /// The reasons that no other record will say.
    #[expect(clippy::too_many_arguments, reason = "one step of `verdict`, apart only to be read apart")]
    fn explain(
        &self,
        to: &Listener,
        snapshot: &Snapshot,
        sends: bool,
        leaves: Option<u64>,
        belief: &impl Fn(&EpisodeId) -> Belief,
        lane: &Lane,
        verdict: &mut Verdict,
    ) {
        let standing = |id: &EpisodeId| {
            let standing = self.state.episodes.get(*id)?.standings.get(&to.integration)?;
            match &standing.reason {
                Reason::InDelivery { delivery }
                    if leaves.is_some() && delivery_number(delivery) == leaves =>
                {
                    None
                }
                reason => Some(reason),
            }
        };
        let believes_firing = |id: &EpisodeId| matches!(belief(id), Belief::Firing { .. });
        if to.hears_news {
            verdict.reasons.extend(snapshot.quiet.iter().cloned());
            for id in &snapshot.firing {
                match belief(id) {
                    _ if !self.options.enabled => verdict.reasons.push((*id, Reason::Disabled)),
                    Belief::Firing { .. } if !sends && !is_told(standing(id)) => {
                        let since = lane.told.get(id).map_or(Timestamp::MIN, |t| t.since);
                        verdict.reasons.push((*id, Reason::AlreadyTold { since }));
                    }
                    _ => {}
                }
            }
        }
        for id in snapshot.detached.iter().filter(|id| belief(id) == Belief::Untold && standing(id).is_none())
        {
            verdict.reasons.push((*id, Reason::Rerouted));
        }
        for (id, ..) in snapshot.ended.iter().filter(|(id, ..)| match standing(id) {
            None => belief(id) == Belief::Untold,
            Some(Reason::Waiting { .. }) => !believes_firing(id),
            Some(_) => false,
        }) {
            verdict.reasons.push((*id, Reason::EndedUntold));
        }
    }

    /// Records the reasons that changed, one record for each reason.
    fn reasons(
        &mut self,
        now: Timestamp,
        to: &Arc<IntegrationId>,
        all: Vec<(EpisodeId, Reason)>,
        effects: &mut Vec<Effect>,
    ) {
        let mut place: std::collections::HashMap<Reason, usize> = std::collections::HashMap::new();
        let mut changed: Vec<(Reason, Vec<EpisodeId>)> = Vec::new();
        for (id, reason) in all {
            let Some(episode) = self.state.episodes.get(id) else { continue };
            if episode.standings.get(to).is_some_and(|s| s.reason == reason) {
                continue;
            }
            let index = *place.entry(reason.clone()).or_insert_with(|| {
                changed.push((reason, Vec::new()));
                changed.len() - 1
            });
            changed[index].1.push(id);
        }
        for (reason, episodes) in changed {
            self.record(Record::Reasoned { integration: (**to).clone(), episodes, reason, at: now }, effects);
        }
    }

    /// Makes a message, in the place of one that was never attempted.
    fn plan(
        &mut self,
        now: Timestamp,
        number: u64,
        to: &Listener,
        reason: NotifyReason,
        content: &Content,
        effects: &mut Vec<Effect>,
    ) {
        let Some(group) = self.state.groups.get(number) else { return };
        let alerts = self.notified(content);
        let mut delivery = Delivery {
            id: super::DeliveryId("".into()),
            integration: (*to.integration).clone(),
            group_key: Arc::clone(&group.key),
            group_labels: group.labels.clone(),
            route_labels: group.settings.route_labels.clone(),
            reason: reason.as_str().into(),
            alerts,
            planned_at: now,
        };
        let lane = group.lanes.get(&to.integration);
        let (head, next) = (lane.and_then(|l| l.head), lane.and_then(|l| l.next));
        let replaces = next.and_then(|n| self.state.deliveries.get(&n)).map(|d| d.delivery.id.clone());
        let message = self.state.last_delivery + 1;
        delivery.id = delivery_id(message, &delivery);
        let planned = Planned {
            number: message,
            delivery: Arc::new(delivery),
            group: number,
            replaces,
            send_resolved: to.send_resolved,
            undurable: !self.durable,
        };
        self.record(Record::Planned(Box::new(planned)), effects);
        if let Some(old) = next {
            self.outbox.forget(&to.integration, old);
        }
        if head.is_none() {
            self.outbox.due.set(message, now);
        }
    }

    /// Alerts as messages show them, by job, instance, labels (spec §2.2). What fires comes after an earlier end of
    /// the same labels, so that a receiver that goes by fingerprints ends up with the truth.
    fn notified(&self, content: &Content) -> Vec<NotifiedAlert> {
        let ids = content.firing.iter().chain(&content.resolved);
        let mut alerts: Vec<NotifiedAlert> =
            ids.filter_map(|id| self.state.episodes.get(*id)).map(super::Episode::notified).collect();
        alerts.sort_by(|a, b| {
            let (fires_a, fires_b) = (a.alert.ends_at.is_none(), b.alert.ends_at.is_none());
            let (a, b) = (&a.alert.labels, &b.alert.labels);
            let by = (a.value("job"), a.value("instance"), a, fires_a);
            by.cmp(&(b.value("job"), b.value("instance"), b, fires_b))
        });
        alerts
    }

    /// Lets go of what a group is done with, and of the group when nothing is left.
    pub(super) fn prune(&mut self, number: u64, effects: &mut Vec<Effect>) {
        let Some(group) = self.state.groups.get(number) else { return };
        let over = |id: &EpisodeId| self.state.episodes.get(*id).is_none_or(|e| !e.is_active());
        let done =
            group.members.iter().filter(|(id, m)| (m.detached || over(id)) && group.owes_nothing(**id));
        let mut episodes: Vec<EpisodeId> = done.map(|(id, _)| *id).collect();
        if !episodes.is_empty() {
            // A message that is still on its way may yet tell that it fires: the end is owed after that.
            let messages = group.lanes.values().flat_map(|l| l.head.into_iter().chain(l.next));
            let messages = messages.filter_map(|n| self.state.deliveries.get(&n));
            let firing: BTreeSet<EpisodeId> = messages.flat_map(|m| m.content().firing).collect();
            episodes.retain(|id| !firing.contains(id));
        }
        if !episodes.is_empty() {
            self.record(Record::Left { group: number, episodes }, effects);
        }
        if self.state.groups.get(number).is_some_and(Group::is_done) {
            self.record(Record::GroupClosed { group: number }, effects);
        }
    }

    /// Who quietens an alert with these labels at present, by fingerprint.
    pub fn inhibited_by(&self, labels: &Labels) -> Option<Fingerprint> {
        self.inhibitor.inhibits(labels).map(|i| i.by)
    }
}

/// Whether a reason already says that it was told.
fn is_told(reason: Option<&Reason>) -> bool {
    matches!(
        reason,
        Some(Reason::Sent { resolved: false, .. } | Reason::AlreadyTold { .. } | Reason::InDelivery { .. })
    )
}
