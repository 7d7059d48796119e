//! The machine itself: its five verbs, and the upkeep that each of them begins with.

use std::sync::Arc;

use crate::model::{Duration, Timestamp};

use super::{
    Checkpoint, Effect, Episode, Event, Group, Options, Phase, Record, RouteTable, Seq,
    episode::{Fresh, text_bytes, value_text},
    escalation::Escalator,
    inhibit::Inhibitor,
    outbox::Outbox,
    state::State,
};

/// Texts of so many bytes may grow even when bytes are short: refusing a known alert would end it falsely.
const USUAL_TEXT: usize = 1024;

/// The alerting machine. See the module's documentation for how it is driven.
#[derive(Debug)]
pub struct Machine {
    pub(super) options: Arc<Options>,
    pub(super) routes: RouteTable,
    pub(super) inhibitor: Inhibitor,
    pub(super) state: State,
    pub(super) outbox: Outbox,
    pub(super) escalator: Escalator,
    /// Whether the journal commits.
    pub(super) durable: bool,
    /// Whether this process has taken up what the last one left.
    resumed: bool,
    /// Alerts from outside that found no room since the start of this process.
    pub(super) shed: u64,
}

impl Machine {
    /// Goes on from a checkpoint; the empty one is a first start. Then [`Self::apply`] what the journal holds after it.
    pub fn restore(options: Arc<Options>, checkpoint: Checkpoint) -> Self {
        let routes = RouteTable::new(&options.route);
        let mut machine = Self {
            inhibitor: Inhibitor::new(&options.inhibit_rules),
            state: checkpoint.into_state(&routes),
            outbox: Outbox::default(),
            escalator: Escalator::default(),
            durable: true,
            resumed: false,
            shed: 0,
            routes,
            options,
        };
        machine.index_sources();
        machine.reschedule_escalations();
        machine
    }

    /// Applies a record of the journal, in the journal's order. The only way in which what the machine knows changes:
    /// its own decisions go through here too.
    pub fn apply(&mut self, record: &Record) {
        self.state.apply(record, &self.options.limits, &self.routes);
        for id in record.episodes_changed() {
            if let Some(episode) = self.state.episodes.get(*id) {
                self.inhibitor.set(&episode.alert.labels, episode.is_active());
            }
            self.reschedule_escalation(*id);
        }
    }

    /// Takes an event in. Records come out at once; messages wait for [`Self::advance`].
    pub fn handle(&mut self, now: Timestamp, event: Event, effects: &mut Vec<Effect>) {
        self.resume(now, effects);
        match event {
            Event::Transitions(changes) => self.transitions(now, changes, effects),
            Event::Received(alerts) => self.received(now, alerts, effects),
            Event::RulesLoaded(rules) => self.rules_loaded(now, &rules, effects),
            Event::Delivered { id, outcome } => self.answered(now, &id, outcome, effects),
            Event::Reloaded(options) => self.reloaded(now, options, effects),
            Event::Durability(durable) => self.durable = durable,
            Event::Refresh(texts) => {
                for text in texts {
                    let fresh = Fresh { annotations: text.annotations, value: value_text(text.value) };
                    self.state.episodes.refresh(text.labels.fingerprint(), fresh);
                }
            }
        }
    }

    /// Decides what is due by `now`: leases, acknowledgements, escalations, groups' turns, attempts, in this order, so
    /// that a turn sees what has ended and an attempt goes out in the same step as the turn that planned it.
    pub fn advance(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.resume(now, effects);
        self.lapse(now, effects);
        self.expire_acknowledgements(now, effects);
        self.reopen_overruled(now, effects);
        self.escalate_due(now, effects);
        self.give_up_on_silence(now, effects);
        while let Some((at, group)) = self.state.groups.first_tick()
            && at <= now
        {
            self.flush(now, group, effects);
        }
        self.send_due(now, effects);
        self.forget(now, effects);
        self.forget_silences(now, effects);
    }

    /// When [`Self::advance`] has something to do next, and what.
    pub fn next_deadline(&self) -> Option<(Timestamp, &'static str)> {
        let reopen = self.options.reopen_within;
        [
            self.state.episodes.first_lease().map(|(at, _)| (at, "lease ends")),
            self.state.episodes.first_acknowledged_until().map(|at| (at, "acknowledgement ends")),
            self.state
                .episodes
                .first_overruled()
                .map(|at| (at + self.options.still_firing_after, "still fires")),
            self.escalator.first().map(|at| (at, "escalation")),
            self.outbox.overdue.first().map(|(at, _)| (at, "attempt overdue")),
            self.state.groups.first_tick().map(|(at, _)| (at, "group flush")),
            self.outbox.due.first().map(|(at, _)| (at, "attempt due")),
            self.state.episodes.first_idle().map(|(at, _)| (at + reopen, "episode over")),
            self.first_silence_forgotten().map(|at| (at, "silence forgotten")),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// A copy of all that must survive, as of [`Self::seq`].
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint::of(&self.state)
    }

    /// The sequence of the last record.
    pub fn seq(&self) -> Seq {
        self.state.seq
    }

    /// What is in force.
    pub fn options(&self) -> &Arc<Options> {
        &self.options
    }

    /// How many more alerts from outside find room; none when their texts have used up their bytes. New ones beyond
    /// are dropped and counted: ask before acknowledging.
    pub fn room(&self) -> usize {
        if self.is_full_of_text() {
            return 0;
        }
        let (limits, episodes) = (&self.options.limits, &self.state.episodes);
        let active = episodes.received().count;
        let both = active + episodes.over().count;
        limits.received_max.saturating_sub(active).min((2 * limits.received_max).saturating_sub(both))
    }

    fn is_full_of_text(&self) -> bool {
        let (max, episodes) = (self.options.limits.received_bytes_max, &self.state.episodes);
        let active = episodes.received().bytes;
        active >= max || active + episodes.over().bytes >= 2 * max
    }

    /// How many of these alerts from outside would need room: those that are not active already, and while bytes are
    /// short also those whose texts grow to more than is usual.
    pub fn would_open(&self, alerts: &[crate::model::Alert]) -> usize {
        let short = self.is_full_of_text();
        let needs_room = |a: &&crate::model::Alert| {
            let known = self.state.episodes.newest(a.labels.fingerprint()).filter(|e| Episode::is_active(e));
            known.is_none_or(|e| short && text_bytes(a) > text_bytes(&e.alert).max(USUAL_TEXT))
        };
        alerts.iter().filter(needs_room).count()
    }

    /// Applies a decision and hands it to the journal.
    pub(super) fn record(&mut self, record: Record, effects: &mut Vec<Effect>) {
        self.apply(&record);
        effects.push(Effect::Record(record));
    }

    /// Takes up what the last process left: routes as they are configured now, and attempts whose answers are lost.
    pub(super) fn resume(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.resumed {
            return;
        }
        self.resumed = true;
        let in_flight = self.state.deliveries.values().filter(|d| matches!(d.phase, Phase::InFlight { .. }));
        let deliveries: Vec<_> = in_flight.map(|d| d.delivery.id.clone()).collect();
        if !deliveries.is_empty() {
            self.record(Record::Interrupted { at: now, deliveries }, effects);
        }
        self.bring_forward(now, effects);
        self.reroute(now, effects);
    }

    /// The clock was set back since the last process: turns and attempts that lie too far ahead are due sooner.
    fn bring_forward(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let pause = |g: &Group| match self.routes.find(&g.route) {
            Some(route) if !g.flushed => self.routes.node(route).options.group_wait,
            _ => g.settings.interval,
        };
        let far = self.state.groups.iter().filter(|g| g.next_flush() > now + pause(g));
        let far: Vec<(u64, bool, Timestamp)> = far.map(|g| (g.number, g.flushed, now + pause(g))).collect();
        for (group, flushed, next) in far {
            self.record(
                if flushed {
                    Record::Flushed { group, at: now, next }
                } else {
                    Record::Joined { group, episodes: Vec::new(), flush_at: Some(next) }
                },
                effects,
            );
        }
        let patience = Duration::from_secs(2 * 3600);
        let far = self.state.deliveries.values();
        let far = far.filter(|d| matches!(d.phase, Phase::Ready { at } if at > now + patience));
        let deliveries: Vec<_> = far.map(|d| d.delivery.id.clone()).collect();
        if !deliveries.is_empty() {
            self.record(Record::Interrupted { at: now, deliveries }, effects);
        }
    }

    /// Tells the inhibitor of all active alerts.
    pub(super) fn index_sources(&mut self) {
        for episode in self.state.episodes.iter().filter(|e| Episode::is_active(e)) {
            self.inhibitor.set(&episode.alert.labels, true);
        }
    }

    fn lapse(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let episodes = self.state.episodes.lapsed(now);
        if !episodes.is_empty() {
            self.record(Record::Lapsed { at: now, episodes }, effects);
        }
    }

    fn forget(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let episodes = self.state.episodes.idle_since(now - self.options.reopen_within);
        if !episodes.is_empty() {
            self.record(Record::Forgotten { at: now, episodes }, effects);
        }
    }
}
