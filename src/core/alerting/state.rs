//! What the machine knows, and the one way it changes: a record is applied.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::model::{AlertState, Labels, RuleKey, Timestamp, Transition};

use super::{
    Certainty, Delivery, DeliveryState, Done, DropReason, EpisodeId, IntegrationId, Lane, Limits, Member,
    NotifyReason, Outcome, Phase, Planned, Reason, Record, Refused, Result, RouteTable, Seq, SetThreshold,
    Told, WriteOff,
    delivery::{content, delivery_number},
    episode::Episodes,
    group::Groups,
    issue::Early,
    silence::Silences,
};

/// What one integration was sent, ever. Counts go on over restarts, and are forgotten with the integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Messages taken.
    pub delivered: u64,
    /// Attempts begun.
    pub attempts: u64,
    /// Attempts that failed and may work later.
    #[serde(default)]
    pub transient: u64,
    /// Messages refused for good.
    #[serde(default)]
    pub permanent: u64,
    /// Messages given up.
    #[serde(default)]
    pub gave_up: u64,
    /// Times that another receiver was told in its place.
    #[serde(default)]
    pub fell_back: u64,
    /// Messages made while the journal could not commit.
    #[serde(default)]
    pub undurable: u64,
}

/// Everything that a checkpoint holds.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub seq: Seq,
    pub rules: BTreeMap<RuleKey, BTreeMap<Labels, Transition>>,
    pub episodes: Episodes,
    pub groups: Groups,
    pub deliveries: BTreeMap<u64, DeliveryState>,
    pub last_group: u64,
    pub last_delivery: u64,
    /// How many deliveries were ever done.
    pub last_done: u64,
    pub history: VecDeque<Done>,
    pub counters: BTreeMap<IntegrationId, Counters>,
    pub silences: Silences,
    pub early: Early,
    pub thresholds: BTreeMap<(Arc<str>, Arc<str>), SetThreshold>,
}

impl State {
    /// Applies a fact. What it names and isn't there is passed over: an old journal may tell of what a checkpoint
    /// has forgotten.
    pub(super) fn apply(&mut self, record: &Record, limits: &Limits, routes: &RouteTable) {
        self.seq.0 += 1;
        match record {
            Record::Transition { change, episode } => self.transition(change, *episode),
            Record::Received { alert, episode } => self.episodes.received_alert(*episode, alert),
            Record::Extended { ends_at, timeout, at, episodes } => {
                for id in episodes {
                    self.episodes.extended(*id, *ends_at, *timeout, *at);
                }
            }
            Record::Lapsed { episodes, .. } => episodes.iter().for_each(|id| self.episodes.lapse(*id)),
            Record::Forgotten { episodes, .. } => {
                for id in episodes {
                    self.episodes.forget(*id, limits.past_max);
                }
            }
            Record::GroupOpened(opened) => {
                self.last_group = self.last_group.max(opened.group);
                self.groups.open(opened, routes.find(&opened.route));
            }
            Record::GroupChanged { group, settings } => {
                if let Some(g) = self.groups.get_mut(*group) {
                    g.settings = settings.clone();
                }
            }
            Record::GroupClosed { group } => self.groups.close(*group, |id| routes.find(id)),
            Record::Joined { group, episodes, flush_at } => self.joined(*group, episodes, *flush_at),
            Record::Detached { group, episodes } => {
                if let Some(g) = self.groups.get_mut(*group) {
                    for id in episodes {
                        g.members.insert(*id, Member { detached: true });
                    }
                }
            }
            Record::Left { group, episodes } => self.left(*group, episodes),
            Record::Flushed { group, next, .. } => {
                self.groups.flush_at(*group, *next);
                if let Some(g) = self.groups.get_mut(*group) {
                    g.flushed = true;
                }
            }
            Record::Planned(planned) => self.planned(planned, limits),
            Record::Attempted { delivery, attempt, at, deadline } => {
                if let Some(number) = delivery_number(delivery) {
                    self.attempted(number, *attempt, *at, *deadline);
                }
            }
            Record::Answered { delivery, at, outcome, retry_at } => {
                if let Some(number) = delivery_number(delivery) {
                    self.answered(number, *at, outcome, *retry_at, limits);
                }
            }
            Record::Interrupted { at, deliveries } => {
                for number in deliveries.iter().filter_map(delivery_number) {
                    self.unclear(number, *at);
                }
            }
            Record::Dropped { delivery, at, because } => {
                if let Some(number) = delivery_number(delivery) {
                    self.dropped(number, *at, *because, limits);
                }
            }
            Record::FellBack { group, integration, to, .. } => {
                let integration = Arc::new(integration.clone());
                self.counter(&integration).fell_back += 1;
                if let Some(lane) = self.groups.lane_mut(*group, &integration) {
                    lane.fell_back = Some(Arc::clone(to));
                }
            }
            Record::WrittenOff { group, integration, episodes, because, at } => {
                self.written_off(*group, integration, episodes, *because, *at);
            }
            Record::Reasoned { integration, episodes, reason, at } => {
                let integration = Arc::new(integration.clone());
                for id in episodes {
                    self.episodes.reason(*id, &integration, reason.clone(), *at);
                }
            }
            Record::Silenced(silence) => self.silences.set((**silence).clone()),
            Record::SilencesForgotten { silences, .. } => {
                for id in silences {
                    self.silences.remove(id);
                }
            }
            Record::Reported(reported) => {
                self.early.take(&reported.ids);
                self.episodes.reported(reported);
            }
            Record::ThresholdSet(set) => {
                let (metric, severity) = (&set.threshold.metric, &set.threshold.severity);
                self.thresholds.insert((Arc::clone(metric), Arc::clone(severity)), (**set).clone());
            }
            Record::ThresholdUnset { metric, severity, .. } => {
                self.thresholds.remove(&(Arc::clone(metric), Arc::clone(severity)));
            }
            Record::ResolvedEarly(early) => self.early.keep(early.clone()),
            Record::Acted { episode, entry } => self.episodes.act(*episode, entry),
            Record::Reopened { at, episodes } => {
                for id in episodes {
                    self.episodes.reopen(*id, *at);
                }
            }
            Record::Escalated { group, episodes, to, by, along, at } => {
                for id in along {
                    self.episodes.told_along(*id, *at);
                }
                self.escalated(*group, episodes, to, by, *at);
            }
            Record::Reloaded { integrations, .. } => self.counters.retain(|id, _| integrations.contains(id)),
        }
    }

    fn transition(&mut self, change: &Transition, episode: Option<EpisodeId>) {
        let ended = matches!(change.state, AlertState::Ended { .. });
        if !ended {
            self.rules.entry(change.rule.clone()).or_default().insert(change.labels.clone(), change.clone());
        } else if let Some(alerts) = self.rules.get_mut(&change.rule) {
            alerts.remove(&change.labels);
            if alerts.is_empty() {
                self.rules.remove(&change.rule);
            }
        }
        if let Some(id) = episode {
            self.episodes.transition(id, change);
        }
    }

    /// What was told of these alerts before is told again.
    fn escalated(&mut self, group: u64, episodes: &[EpisodeId], to: &Arc<str>, by: &Arc<str>, at: Timestamp) {
        let is_step = self.groups.get(group).is_none_or(|g| !g.is_by_hand());
        for id in episodes {
            self.episodes.escalated(*id, to, by, is_step, at);
        }
        let Some(group) = self.groups.get_mut(group) else { return };
        for lane in group.lanes.values_mut() {
            for id in episodes {
                if let Some(told) = lane.told.get_mut(id) {
                    told.in_doubt = true;
                }
            }
        }
    }

    fn joined(&mut self, group: u64, episodes: &[EpisodeId], flush_at: Option<Timestamp>) {
        let Some(g) = self.groups.get_mut(group) else { return };
        for id in episodes {
            g.members.insert(*id, Member::default());
            self.episodes.joined(*id, group);
        }
        if let Some(at) = flush_at {
            self.groups.flush_at(group, at);
        }
    }

    fn left(&mut self, group: u64, episodes: &[EpisodeId]) {
        let Some(g) = self.groups.get_mut(group) else { return };
        for id in episodes {
            g.members.remove(id);
            g.lanes.values_mut().for_each(|l| {
                l.told.remove(id);
            });
            self.episodes.left(*id, group);
        }
    }

    fn counter(&mut self, integration: &IntegrationId) -> &mut Counters {
        if !self.counters.contains_key(integration) {
            self.counters.insert(integration.clone(), Counters::default());
        }
        self.counters.get_mut(integration).expect("it was put there one line above")
    }

    fn planned(&mut self, planned: &Planned, limits: &Limits) {
        let Planned { number, delivery, group, replaces, send_resolved, undurable } = planned;
        self.last_delivery = self.last_delivery.max(*number);
        if let Some(old) = replaces.as_ref().and_then(delivery_number) {
            self.done(old, Result::Superseded, delivery.planned_at, limits);
        }
        let integration = Arc::new(delivery.integration.clone());
        if *undurable {
            self.counter(&integration).undurable += 1;
        }
        for alert in &delivery.alerts {
            let reason = Reason::InDelivery { delivery: delivery.id.clone() };
            self.episodes.reason(alert.episode, &integration, reason, delivery.planned_at);
        }
        if let Some(lane) = self.groups.lane_mut(*group, &integration) {
            lane.next = Some(*number);
        }
        let state = DeliveryState {
            number: *number,
            delivery: Arc::clone(delivery),
            group: *group,
            phase: Phase::Ready { at: delivery.planned_at },
            attempts: 0,
            failures: 0,
            ambiguous: false,
            send_resolved: *send_resolved,
            undurable: *undurable,
            last_error: None,
        };
        self.deliveries.insert(*number, state);
    }

    fn attempted(&mut self, number: u64, attempt: u32, at: Timestamp, deadline: Timestamp) {
        let Some(state) = self.deliveries.get_mut(&number) else { return };
        state.attempts = attempt;
        state.phase = Phase::InFlight { since: at, deadline };
        let (delivery, group, send_resolved) =
            (Arc::clone(&state.delivery), state.group, state.send_resolved);
        let integration = Arc::new(delivery.integration.clone());
        self.counter(&integration).attempts += 1;
        let Some(lane) = self.groups.lane_mut(group, &integration) else { return };
        lane.head = Some(number);
        lane.next = lane.next.filter(|n| *n != number);
        for alert in delivery.alerts.iter().filter(|a| a.alert.ends_at.is_none()) {
            let row = Told {
                since: at,
                certainty: Certainty::Attempted,
                resolved: false,
                send_resolved,
                in_doubt: false,
            };
            lane.told
                .entry(alert.episode)
                .and_modify(|told| {
                    if told.resolved {
                        *told = row.clone();
                    }
                })
                .or_insert_with(|| row.clone());
        }
    }

    /// An attempt may have reached the receiver: what it said counts as told, perhaps.
    fn unclear(&mut self, number: u64, retry_at: Timestamp) {
        let Some(state) = self.deliveries.get_mut(&number) else { return };
        state.phase = Phase::Ready { at: retry_at };
        state.ambiguous = true;
        let (delivery, group) = (Arc::clone(&state.delivery), state.group);
        let integration = Arc::new(delivery.integration.clone());
        let Some(lane) = self.groups.lane_mut(group, &integration) else { return };
        for alert in &delivery.alerts {
            if let Some(told) = lane.told.get_mut(&alert.episode)
                && told.certainty == Certainty::Attempted
            {
                told.certainty = Certainty::Maybe;
            }
        }
    }

    fn answered(
        &mut self,
        number: u64,
        at: Timestamp,
        outcome: &Outcome,
        retry_at: Option<Timestamp>,
        limits: &Limits,
    ) {
        let Some(state) = self.deliveries.get_mut(&number) else { return };
        let (delivery, group, ambiguous) = (Arc::clone(&state.delivery), state.group, state.ambiguous);
        let integration = Arc::new(delivery.integration.clone());
        match outcome {
            Outcome::Transient { error, .. } => {
                state.failures += 1;
                state.last_error = Some(error.clone());
                self.counter(&integration).transient += 1;
                self.unclear(number, retry_at.unwrap_or(at));
            }
            Outcome::Permanent { error } => {
                state.failures += 1;
                state.last_error = Some(error.clone());
                self.counter(&integration).permanent += 1;
                for alert in &delivery.alerts {
                    let reason = Reason::Refused { delivery: delivery.id.clone(), error: error.clone() };
                    self.episodes.reason(alert.episode, &integration, reason, at);
                }
                if let Some(lane) = self.groups.lane_mut(group, &integration) {
                    let said = content(&delivery);
                    lane.told
                        .retain(|id, t| t.certainty != Certainty::Attempted || !said.firing.contains(id));
                    for (id, told) in lane.told.iter_mut().filter(|_| ambiguous) {
                        let maybe = told.certainty == Certainty::Maybe && said.firing.contains(id);
                        told.in_doubt |= maybe || said.resolved.contains(id);
                    }
                    lane.refused = Some(Refused {
                        delivery: delivery.id.clone(),
                        at,
                        error: error.clone(),
                        firing: said.firing,
                        resolved: said.resolved,
                    });
                }
                self.done(number, Result::Refused, at, limits);
            }
            Outcome::Delivered { receiver_data } => {
                self.counter(&integration).delivered += 1;
                self.told(number, group, &integration, at);
                if let Some(lane) = self.groups.lane_mut(group, &integration) {
                    if *delivery.reason == *NotifyReason::FirstNotification.as_str() {
                        lane.receiver_data.clear();
                    }
                    lane.receiver_data.extend(receiver_data.iter().map(|(k, v)| (k.clone(), v.clone())));
                }
                self.done(number, Result::Delivered, at, limits);
            }
        }
    }

    /// The receiver took a message.
    fn told(&mut self, number: u64, group: u64, integration: &Arc<IntegrationId>, at: Timestamp) {
        let Some(state) = self.deliveries.get(&number) else { return };
        let (delivery, send_resolved) = (Arc::clone(&state.delivery), state.send_resolved);
        let members = self.groups.get(group).map(|g| g.members.clone()).unwrap_or_default();
        let Some(lane) = self.groups.lane_mut(group, integration) else { return };
        for alert in &delivery.alerts {
            let resolved = alert.alert.ends_at.is_some();
            let certainty = Certainty::Sure;
            let row = Told { since: at, certainty, resolved, send_resolved, in_doubt: false };
            match lane.told.get_mut(&alert.episode) {
                Some(told) => {
                    (told.certainty, told.resolved, told.in_doubt) = (certainty, resolved, false);
                }
                None if members.contains_key(&alert.episode) => {
                    lane.told.insert(alert.episode, row);
                }
                None => {}
            }
            let reason = Reason::Sent { delivery: delivery.id.clone(), resolved };
            self.episodes.reason(alert.episode, integration, reason, at);
        }
        lane.told_at = Some(at);
        lane.fell_back = None;
        lane.refused = None;
        self.heard_elsewhere(&delivery, group, integration);
    }

    /// What one group told is what the integration heard last, whatever another group told it before: also the late end
    /// of an earlier episode of an alert that fires again.
    fn heard_elsewhere(&mut self, delivery: &Delivery, group: u64, integration: &Arc<IntegrationId>) {
        let fires =
            |id: EpisodeId| delivery.alerts.iter().any(|a| a.episode == id && a.alert.ends_at.is_none());
        for alert in &delivery.alerts {
            let ended = alert.alert.ends_at.is_some();
            if let Some(episode) = self.episodes.get(alert.episode) {
                for other in episode.groups.iter().filter(|g| **g != group) {
                    let lane = self.groups.get_mut(*other).and_then(|g| g.lanes.get_mut(integration));
                    if let Some(told) = lane.and_then(|l| l.told.get_mut(&alert.episode)) {
                        told.in_doubt = ended;
                    }
                }
            }
            let newest = self.episodes.newest(alert.episode.fingerprint);
            let again = newest.filter(|e| ended && e.is_active() && e.id != alert.episode && !fires(e.id));
            let Some(again) = again else { continue };
            for other in &again.groups {
                let lane = self.groups.get_mut(*other).and_then(|g| g.lanes.get_mut(integration));
                if let Some(told) = lane.and_then(|l| l.told.get_mut(&again.id)) {
                    told.in_doubt = true;
                }
            }
        }
    }

    fn dropped(&mut self, number: u64, at: Timestamp, because: DropReason, limits: &Limits) {
        let Some(state) = self.deliveries.get(&number) else { return };
        let delivery = Arc::clone(&state.delivery);
        let error = state.last_error.clone().unwrap_or_default();
        let integration = Arc::new(delivery.integration.clone());
        let (result, reason) = match because {
            // The turn that drops it says what is so instead.
            DropReason::Obsolete => (Result::Obsolete, None),
            DropReason::ReceiverRemoved => {
                (Result::ReceiverRemoved, Some(Reason::WrittenOff { because: WriteOff::ReceiverRemoved }))
            }
            DropReason::GaveUp => {
                self.counter(&integration).gave_up += 1;
                (Result::GaveUp, Some(Reason::GaveUp { delivery: delivery.id.clone(), error }))
            }
        };
        for alert in &delivery.alerts {
            if let Some(reason) = &reason {
                self.episodes.reason(alert.episode, &integration, reason.clone(), at);
            }
        }
        self.done(number, result, at, limits);
    }

    /// A delivery leaves its lane and becomes history.
    fn done(&mut self, number: u64, result: Result, at: Timestamp, limits: &Limits) {
        let Some(state) = self.deliveries.remove(&number) else { return };
        let integration = Arc::new(state.delivery.integration.clone());
        if let Some(lane) = self.groups.lane_mut(state.group, &integration) {
            lane.head = lane.head.filter(|n| *n != number);
            lane.next = lane.next.filter(|n| *n != number);
        }
        self.last_done += 1;
        self.history.push_back(Done::new(&state, result, at));
        while self.history.len() > limits.history_max {
            self.history.pop_front();
        }
    }

    fn written_off(
        &mut self,
        group: u64,
        to: &IntegrationId,
        episodes: &[EpisodeId],
        because: WriteOff,
        at: Timestamp,
    ) {
        let integration = Arc::new(to.clone());
        let Some(lane) = self.groups.lane_mut(group, &integration) else { return };
        for id in episodes {
            if let Some(told) = lane.told.get_mut(id) {
                told.resolved = true;
            }
            self.episodes.reason(*id, &integration, Reason::WrittenOff { because }, at);
        }
    }

    /// A group's lane; none when nothing was ever planned for the integration.
    pub(super) fn lane(&self, group: u64, integration: &IntegrationId) -> Option<&Lane> {
        self.groups.get(group)?.lanes.get(integration)
    }
}
