//! Deliveries on their way: whose turn it is, what an answer leads to, when to tell somebody else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::model::{Duration, Timestamp};

use super::{
    DeliveryId, DeliveryState, DropReason, Effect, IntegrationId, Machine, Outcome, Phase, Record,
    RetryPolicy, Send,
    delivery::{after_failure, delivery_number},
};

/// How long after an attempt's deadline its answer is waited for: the sender keeps deadlines itself, so this passes
/// only when the sender's task has died.
const ANSWER_GRACE: Duration = Duration::from_secs(30);

/// The longest error text that is kept, in bytes.
const ERROR_MAX: usize = 500;

/// What is under way in this process. Follows from the deliveries, except for which attempts are really running.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Deliveries whose lane is free, by when they are due.
    pub due: Schedule,
    /// Running attempts, by when they are lost.
    pub overdue: Schedule,
    /// Running attempts by integration; their number is limited.
    running: BTreeMap<IntegrationId, BTreeSet<u64>>,
    /// Due deliveries that wait for a running one to end.
    waiting: BTreeMap<IntegrationId, BTreeSet<u64>>,
    /// Deliveries between two attempts, with the time at which the next may be brought forward to. Not those whose
    /// receiver said itself when to come again.
    resting: BTreeMap<IntegrationId, BTreeMap<u64, Timestamp>>,
}

/// Deliveries in order of time, each at most once.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    in_order: BTreeSet<(Timestamp, u64)>,
    at: BTreeMap<u64, Timestamp>,
}

impl Schedule {
    /// The first, with its time.
    pub(super) fn first(&self) -> Option<(Timestamp, u64)> {
        self.in_order.first().copied()
    }

    /// Takes the first that is due by `now`.
    fn pop(&mut self, now: Timestamp) -> Option<u64> {
        let (_, number) = self.first().filter(|(at, _)| *at <= now)?;
        self.remove(number);
        Some(number)
    }

    /// Sets a delivery's time.
    pub(super) fn set(&mut self, number: u64, at: Timestamp) {
        self.remove(number);
        self.in_order.insert((at, number));
        self.at.insert(number, at);
    }

    fn remove(&mut self, number: u64) {
        if let Some(at) = self.at.remove(&number) {
            self.in_order.remove(&(at, number));
        }
    }
}

impl Outbox {
    /// A delivery's attempt is over, or the delivery is no more.
    pub(super) fn forget(&mut self, integration: &IntegrationId, number: u64) {
        self.due.remove(number);
        self.overdue.remove(number);
        for numbers in
            [self.running.get_mut(integration), self.waiting.get_mut(integration)].into_iter().flatten()
        {
            numbers.remove(&number);
        }
        if let Some(resting) = self.resting.get_mut(integration) {
            resting.remove(&number);
        }
    }

    /// The integration takes messages again: those that it failed to take before needn't wait out their back-off.
    fn wake(&mut self, now: Timestamp, integration: &IntegrationId) {
        for (number, from) in self.resting.remove(integration).unwrap_or_default() {
            if let Some(at) = self.due.at.get(&number).copied() {
                self.due.set(number, at.min(from.max(now)));
            }
        }
    }

    /// Running attempts.
    pub(super) fn running(&self) -> impl Iterator<Item = u64> {
        self.running.values().flatten().copied()
    }

    fn is_running(&self, integration: &IntegrationId, number: u64) -> bool {
        self.running.get(integration).is_some_and(|r| r.contains(&number))
    }
}

impl Machine {
    /// Attempts whatever is due and has room.
    pub(super) fn send_due(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some(number) = self.outbox.due.pop(now) {
            self.attempt(now, number, effects);
        }
    }

    fn attempt(&mut self, now: Timestamp, number: u64, effects: &mut Vec<Effect>) {
        let options = Arc::clone(&self.options);
        let Some(state) = self.state.deliveries.get(&number) else { return };
        let Some(integration) = options.integration(state.integration()).filter(|_| options.enabled) else {
            return;
        };
        if self.is_past(now, state, &integration.retry) {
            self.drop_delivery(now, number, DropReason::GaveUp, effects);
            return;
        }
        let id = integration.id.clone();
        let running = self.outbox.running.entry(id.clone()).or_default();
        if running.len() >= integration.in_flight_max.max(1) as usize {
            self.outbox.waiting.entry(id).or_default().insert(number);
            return;
        }
        running.insert(number);
        let (delivery, group, attempt) = (Arc::clone(&state.delivery), state.group, state.attempts + 1);
        let deadline = now + integration.attempt_timeout;
        self.outbox.overdue.set(number, deadline + ANSWER_GRACE);
        let record = Record::Attempted { delivery: delivery.id.clone(), attempt, at: now, deadline };
        self.record(record, effects);
        let receiver_data = self.state.lane(group, &id).map(|l| l.receiver_data.clone()).unwrap_or_default();
        effects.push(Effect::Send(Send {
            after: self.state.seq,
            delivery,
            attempt,
            deadline,
            receiver_data,
        }));
    }

    /// Whether all alerts of a delivery ended so long ago that nobody needs it any more.
    fn is_past(&self, now: Timestamp, state: &DeliveryState, retry: &RetryPolicy) -> bool {
        let mut ends = state.delivery.alerts.iter().map(|a| match self.state.episodes.get(a.episode) {
            Some(episode) => episode.ended.map(|e| e.at),
            None => a.alert.ends_at.or(Some(Timestamp::MIN)),
        });
        ends.all(|end| end.is_some_and(|end| end + retry.give_up_after_end <= now))
    }

    /// An attempt ended.
    pub(super) fn answered(
        &mut self,
        now: Timestamp,
        id: &DeliveryId,
        outcome: Outcome,
        effects: &mut Vec<Effect>,
    ) {
        let Some(number) = delivery_number(id) else { return };
        let Some(state) = self.state.deliveries.get(&number).filter(|d| d.delivery.id == *id) else { return };
        let running = self.outbox.is_running(state.integration(), number);
        // A late answer counts only when it spares the receiver a duplicate.
        if !running && !matches!(outcome, Outcome::Delivered { .. }) {
            return;
        }
        let (group, integration) = (state.group, state.delivery.integration.clone());
        let (id, failures) = (state.delivery.id.clone(), state.failures + 1);
        let policy = self.options.integration(&integration).map(|i| i.retry.clone()).unwrap_or_default();
        self.outbox.forget(&integration, number);
        let (outcome, retry) = match shortened(outcome) {
            Outcome::Transient { error, retry_after } => {
                let retry = after_failure(&policy, &id, failures, retry_after, now);
                (Outcome::Transient { error, retry_after }, Some(retry))
            }
            other => (other, None),
        };
        let refused = matches!(outcome, Outcome::Permanent { .. });
        let delivered = matches!(outcome, Outcome::Delivered { .. });
        let asked = matches!(outcome, Outcome::Transient { retry_after: Some(_), .. });
        let retry_at = retry.map(|r| r.at);
        self.record(Record::Answered { delivery: id, at: now, outcome, retry_at }, effects);
        if let Some(retry) = retry {
            self.outbox.due.set(number, retry.at);
            if !asked {
                let resting = self.outbox.resting.entry(integration.clone()).or_default();
                resting.insert(number, now + policy.cap);
            }
        }
        if delivered {
            self.outbox.wake(now, &integration);
        }
        self.free(now, group, &integration);
        if refused || retry.is_some_and(|r| r.round_over) {
            self.fall_back(now, group, &integration, effects);
        }
        self.prune(group, effects);
    }

    /// A message leaves its lane without being told.
    pub(super) fn drop_delivery(
        &mut self,
        now: Timestamp,
        number: u64,
        why: DropReason,
        effects: &mut Vec<Effect>,
    ) {
        let Some(state) = self.state.deliveries.get(&number) else { return };
        let (group, integration) = (state.group, state.delivery.integration.clone());
        let delivery = state.delivery.id.clone();
        self.outbox.forget(&integration, number);
        self.record(Record::Dropped { delivery, at: now, because: why }, effects);
        self.free(now, group, &integration);
    }

    /// An attempt is over: the lane's next message and the integration's waiting ones get their turn.
    fn free(&mut self, now: Timestamp, group: u64, integration: &IntegrationId) {
        if let Some(waiting) = self.outbox.waiting.remove(integration) {
            for number in waiting {
                self.outbox.due.set(number, now);
            }
        }
        if let Some(lane) = self.state.lane(group, integration)
            && lane.head.is_none()
            && let Some(next) = lane.next
        {
            self.outbox.due.set(next, now);
        }
    }

    /// Tells another receiver in the place of an integration that can't be told.
    fn fall_back(
        &mut self,
        now: Timestamp,
        group: u64,
        integration: &IntegrationId,
        effects: &mut Vec<Effect>,
    ) {
        if self.state.lane(group, integration).is_none_or(|l| l.fell_back.is_some()) {
            return;
        }
        let Some(to) = self.options.integration(integration).and_then(|i| i.fallback.clone()) else { return };
        let record =
            Record::FellBack { group, integration: integration.clone(), to: Arc::clone(&to), at: now };
        self.record(record, effects);
        self.tell_instead(now, group, &to, effects);
    }

    /// Attempts whose sender never answered count as failed.
    pub(super) fn give_up_on_silence(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        while let Some((_, number)) = self.outbox.overdue.first().filter(|(at, _)| *at <= now) {
            let id = self.state.deliveries.get(&number).map(|d| d.delivery.id.clone());
            if let Some(id) = id {
                let error = "no answer from the sender".to_owned();
                self.answered(now, &id, Outcome::Transient { error, retry_after: None }, effects);
            }
            self.outbox.overdue.remove(number);
        }
    }

    /// Makes due what isn't running, after a restart or reload.
    pub(super) fn rebuild_due(&mut self, now: Timestamp) {
        self.outbox.due = Schedule::default();
        self.outbox.waiting.clear();
        for lane in self.state.groups.iter().flat_map(|g| g.lanes.values()) {
            let Some(number) = lane.head.or(lane.next) else { continue };
            if let Some(Phase::Ready { at }) = self.state.deliveries.get(&number).map(|d| d.phase) {
                self.outbox.due.set(number, at.max(now));
            }
        }
    }
}

fn shortened(outcome: Outcome) -> Outcome {
    let cut = |error: String| match error.char_indices().find(|(i, c)| i + c.len_utf8() > ERROR_MAX) {
        Some((i, _)) => format!("{}…", &error[..i]),
        None => error,
    };
    match outcome {
        Outcome::Transient { error, retry_after } => Outcome::Transient { error: cut(error), retry_after },
        Outcome::Permanent { error } => Outcome::Permanent { error: cut(error) },
        delivered @ Outcome::Delivered { .. } => delivered,
    }
}
