//! The story: what happens, in plain lines, as the machine and the inbox show it. Pure: looks and arrivals in, lines out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use botwatch_core::{
    alerting::{DeliveryState, Done, EpisodeId, Machine, Reason, Result as DeliveryResult},
    model::{AlertState, Duration, Ending, Labels, Timestamp},
};

use super::inbox::{Arrival, Channel};

/// The heap's steps that are told, in percent, with what they mean.
const STEPS: [(f64, &str); 3] = [
    (70.0, "and growing"),
    (85.0, "above the warning's threshold, 85 %"),
    (90.0, "above the critical one, 90 %"),
];
/// Turns that are remembered as told.
const TURNS_MAX: usize = 1000;

/// Colours, where they are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint(pub(super) bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(super) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(super) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn green(self, text: &str) -> String {
        self.with("1;32", text)
    }

    pub(super) fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    pub(super) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }
}

/// What the machine shows at a moment.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Alerts of rules that hold, but not for long enough yet.
    pending: Vec<(Labels, Timestamp)>,
    /// Firing, or over and not settled.
    episodes: Vec<Seen>,
    /// Messages under way, then those done since the last look.
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Seen {
    id: EpisodeId,
    labels: Labels,
    description: String,
    ours: bool,
    ended: Option<Ending>,
    /// Its groups' first turn or, once it was told, the next one; none while a message about its end is on its way.
    turn: Option<Timestamp>,
    inhibited: Option<Arc<str>>,
    /// Somebody was told that it fires, and not yet that it ended.
    owed: bool,
}

#[derive(Debug)]
struct Message {
    number: u64,
    kind: Arc<str>,
    turn: (Arc<str>, Timestamp),
    reason: Arc<str>,
    firing: usize,
    resolved: usize,
    failures: u32,
    error: Option<String>,
    done: Option<DeliveryResult>,
}

impl Look {
    /// Copies what the story needs; messages that were done up to `number` are known already.
    pub(super) fn at(machine: &Machine, number: u64) -> Self {
        let pending =
            machine.rules().flat_map(|rule| machine.rule_alerts(rule)).filter_map(|t| match t.state {
                AlertState::Pending { since } => Some((t.labels.clone(), since)),
                _ => None,
            });
        let mut messages: Vec<Message> = machine
            .deliveries()
            .map(|d| {
                let resolved = d.delivery.alerts.iter().filter(|a| a.alert.ends_at.is_some()).count();
                Message {
                    number: d.number,
                    kind: Arc::clone(&d.delivery.integration.kind),
                    turn: (Arc::clone(&d.delivery.group_key), d.delivery.planned_at),
                    reason: Arc::clone(&d.delivery.reason),
                    firing: d.delivery.alerts.len() - resolved,
                    resolved,
                    failures: d.failures,
                    error: d.last_error.clone(),
                    done: None,
                }
            })
            .collect();
        // Deliveries end in another order than they are made: what is known is judged by the caller.
        messages.extend(machine.history().rev().take_while(|d| d.number + 64 > number).map(of_done));
        messages.sort_by_key(|m| m.number);
        Self {
            pending: pending.collect(),
            episodes: machine.alerts().map(|e| seen(machine, e)).collect(),
            messages,
        }
    }
}

fn of_done(done: &Done) -> Message {
    Message {
        number: done.number,
        kind: Arc::clone(&done.integration.kind),
        turn: (Arc::clone(&done.group_key), done.planned_at),
        reason: Arc::clone(&done.reason),
        firing: done.firing,
        resolved: done.resolved,
        failures: 0,
        error: done.last_error.clone(),
        done: Some(done.result),
    }
}

fn seen(machine: &Machine, episode: &botwatch_core::alerting::Episode) -> Seen {
    let why = machine.why(episode.id);
    let inhibited = why.iter().find_map(|w| match &w.reason {
        Reason::Inhibited { name, .. } => Some(Arc::clone(name)),
        _ => None,
    });
    let notified = episode.notified();
    let text =
        |name| Some(notified.alert.annotations.value(name).to_owned()).filter(|t: &String| !t.is_empty());
    let about_its_end = |d: &DeliveryState| {
        d.delivery.alerts.iter().any(|a| a.episode == episode.id && a.alert.ends_at.is_some())
    };
    let turn = machine.groups_with(episode).map(botwatch_core::alerting::Group::next_flush).min();
    Seen {
        id: episode.id,
        labels: episode.alert.labels.clone(),
        description: text("description").or_else(|| text("summary")).unwrap_or_default(),
        ours: !episode.rules.is_empty(),
        ended: episode.ended.map(|e| e.why),
        turn: turn.filter(|_| !machine.deliveries().any(about_its_end)),
        inhibited,
        owed: machine.ledger().any(|row| row.episode == episode.id),
    }
}

/// What was told of an episode.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    inhibited: bool,
    ended: bool,
}

/// What was told so far.
#[derive(Debug)]
pub(super) struct Story {
    paint: Paint,
    begun: Timestamp,
    /// `for` of alerting rules by name and severity.
    holds: BTreeMap<(Arc<str>, String), Duration>,
    step: usize,
    leak: Option<Timestamp>,
    pending: BTreeSet<(String, Timestamp)>,
    episodes: BTreeMap<EpisodeId, Told>,
    turns: BTreeSet<(Timestamp, Arc<str>)>,
    failed: BTreeMap<u64, u32>,
    /// Numbers of the messages that are done and told.
    done: BTreeSet<u64>,
    /// What each channel took, as the machine has it: that it fires, that it ended.
    taken: BTreeMap<Channel, (bool, bool)>,
    /// The same as the inbox has it.
    arrived: BTreeMap<Channel, (u32, u32)>,
    owed: bool,
}

impl Story {
    pub(super) fn new(paint: Paint, begun: Timestamp, holds: BTreeMap<(Arc<str>, String), Duration>) -> Self {
        Self {
            paint,
            begun,
            holds,
            step: 0,
            leak: None,
            pending: BTreeSet::new(),
            episodes: BTreeMap::new(),
            turns: BTreeSet::new(),
            failed: BTreeMap::new(),
            done: BTreeSet::new(),
            taken: BTreeMap::new(),
            arrived: BTreeMap::new(),
            owed: false,
        }
    }

    /// The number of the newest message that is known to be done.
    pub(super) fn done(&self) -> u64 {
        self.done.last().copied().unwrap_or(0)
    }

    /// `01:23  text`
    pub(super) fn line(&self, now: Timestamp, text: &str) -> String {
        format!("  {}  {text}", self.paint.dim(&self.clock(now)))
    }

    fn clock(&self, at: Timestamp) -> String {
        let seconds = at.since(self.begun).as_millis().max(0) / 1000;
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    }

    /// The lines for what is new. `leak` is when the bot's newest leak begins, `heap` how full its heap is in percent.
    pub(super) fn tell(
        &mut self,
        now: Timestamp,
        (leak, heap): (Option<Timestamp>, Option<f64>),
        look: &Look,
        arrivals: &[Arrival],
    ) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(leak) = leak.filter(|leak| *leak <= now && self.leak != Some(*leak)) {
            self.leak = Some(leak);
            lines.push(self.line(now, "the script lets the bot leak memory"));
        }
        if let Some(heap) = heap {
            self.tell_heap(now, heap, &mut lines);
        }
        self.tell_pending(now, look, &mut lines);
        self.tell_episodes(now, look, &mut lines);
        self.tell_messages(now, look, &mut lines);
        for arrival in arrivals {
            let arrived = self.arrived.entry(arrival.channel).or_default();
            *(if arrival.resolved { &mut arrived.1 } else { &mut arrived.0 }) += 1;
            let text = format!("     {:<8} inbox/{}", arrival.channel, arrival.file);
            lines.push(self.line(now, &text));
        }
        lines
    }

    fn tell_heap(&mut self, now: Timestamp, heap: f64, lines: &mut Vec<String>) {
        let step = STEPS.iter().filter(|(from, _)| heap > *from).count();
        let before = std::mem::replace(&mut self.step, step);
        let text = if step > before {
            format!("heap at {heap:.0} % of its limit, {}", STEPS[step - 1].1)
        } else if step < 2 && before >= 2 {
            format!("heap back at {heap:.0} % of its limit")
        } else {
            return;
        };
        lines.push(self.line(now, &text));
    }

    fn tell_pending(&mut self, now: Timestamp, look: &Look, lines: &mut Vec<String>) {
        let current: BTreeSet<(String, Timestamp)> =
            look.pending.iter().map(|(labels, since)| (called(labels), *since)).collect();
        for (labels, since) in &look.pending {
            if self.pending.contains(&(called(labels), *since)) {
                continue;
            }
            let key = (Arc::from(labels.value("alertname")), labels.value("severity").to_owned());
            let hold = self.holds.get(&key).map_or(String::new(), |d| format!(": fires if that lasts {d}"));
            let text = format!("{} {}{hold}", called(labels), self.paint.yellow("pending"));
            lines.push(self.line(now, &text));
        }
        self.pending = current;
    }

    fn tell_episodes(&mut self, now: Timestamp, look: &Look, lines: &mut Vec<String>) {
        for seen in &look.episodes {
            let name = called(&seen.labels);
            let known = self.episodes.get(&seen.id).copied();
            let mut told = known.unwrap_or_default();
            let is_again = told.ended && seen.ended.is_none();
            if is_again {
                told = Told::default();
            }
            if known.is_none() || is_again {
                let again = if is_again { " again" } else { "" };
                let from = if seen.ours { "" } else { ", sent from outside" };
                let text = format!("{name} {}{again}{from}: {}", self.paint.red("fires"), seen.description);
                lines.push(self.line(now, text.trim_end_matches([':', ' '])));
                if let Some(wait) = seen.turn.map(|turn| turn.since(now)).filter(|w| w.as_millis() >= 1000) {
                    let wait = Duration::from_secs((wait.as_millis() + 500) / 1000);
                    let text = format!("     its group waits {wait} for others like it (group_wait)");
                    lines.push(self.line(now, &self.paint.dim(&text)));
                }
            }
            if let Some(rule) = seen.inhibited.as_ref().filter(|_| !told.inhibited) {
                told.inhibited = true;
                lines.push(self.line(now, &format!("{name} is not told to anybody: inhibited, \"{rule}\"")));
            }
            if let Some(why) = seen.ended.filter(|_| !told.ended) {
                told.ended = true;
                let why = match why {
                    Ending::ConditionGone => "its condition no longer holds",
                    Ending::RuleRemoved => "its rule is gone",
                    Ending::Operator => "somebody ended it",
                    Ending::Expired => "its sender ended it, or stopped sending",
                };
                let next = match seen.turn.filter(|turn| seen.owed && *turn > now) {
                    Some(turn) => {
                        format!(
                            "; that is told at its group's next turn, {} (group_interval)",
                            self.clock(turn)
                        )
                    }
                    None => String::new(),
                };
                lines.push(self.line(now, &format!("{name} is {}: {why}{next}", self.paint.green("over"))));
            }
            self.episodes.insert(seen.id, told);
        }
        self.owed = look.episodes.iter().any(|e| e.owed);
        self.episodes.retain(|id, _| look.episodes.iter().any(|seen| seen.id == *id));
    }

    fn tell_messages(&mut self, now: Timestamp, look: &Look, lines: &mut Vec<String>) {
        for message in &look.messages {
            let turn = (message.turn.1, Arc::clone(&message.turn.0));
            if !self.done.contains(&message.number) && self.turns.insert(turn) {
                let what =
                    if message.firing > 0 { self.paint.red("page") } else { self.paint.green("resolve") };
                let counts = match (message.firing, message.resolved) {
                    (firing, 0) => format!("{firing} firing"),
                    (0, resolved) => format!("{resolved} resolved"),
                    (firing, resolved) => format!("{firing} firing, {resolved} resolved"),
                };
                lines.push(self.line(now, &format!("{what} goes out: {} ({counts})", message.reason)));
            }
            let Some(result) = message.done else {
                let failures = self.failed.entry(message.number).or_default();
                if message.failures > *failures {
                    *failures = message.failures;
                    let error = message.error.as_deref().unwrap_or("no answer");
                    let text =
                        format!("     {} did not take it and will be tried again: {error}", message.kind);
                    lines.push(self.line(now, &self.paint.red(&text)));
                }
                continue;
            };
            if !self.done.insert(message.number) {
                continue;
            }
            self.failed.remove(&message.number);
            let channel = Channel::ALL.into_iter().find(|c| c.kind() == &*message.kind);
            match (result, channel) {
                (DeliveryResult::Delivered, Some(channel)) => {
                    let taken = self.taken.entry(channel).or_default();
                    taken.0 |= message.firing > 0;
                    taken.1 |= message.firing == 0 && message.resolved > 0;
                }
                (DeliveryResult::Refused | DeliveryResult::GaveUp, _) => {
                    let error = message.error.as_deref().unwrap_or("no answer");
                    lines.push(
                        self.line(
                            now,
                            &self.paint.red(&format!("     {} refused it: {error}", message.kind)),
                        ),
                    );
                }
                _ => {}
            }
        }
        while self.turns.len() > TURNS_MAX {
            self.turns.pop_first();
        }
        while self.done.len() > TURNS_MAX {
            self.done.pop_first();
        }
        self.failed.retain(|number, _| look.messages.iter().any(|m| m.number == *number));
    }

    /// What should have happened and has not: the breach and its end told to each channel, as the machine and the
    /// inbox both have it.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for channel in Channel::ALL {
            let (fires, ended) = self.taken.get(&channel).copied().unwrap_or_default();
            let (firing, resolved) = self.arrived.get(&channel).copied().unwrap_or_default();
            if !fires || firing == 0 {
                missing.push(format!("the page by {channel}"));
            }
            if !ended || resolved == 0 {
                missing.push(format!("the resolve by {channel}"));
            }
        }
        if missing.is_empty() && self.owed {
            missing.push("an end that somebody was not told of".to_owned());
        }
        missing
    }
}

/// `MemoryUsageHigh (critical)`
fn called(labels: &Labels) -> String {
    match labels.value("severity") {
        "" => labels.value("alertname").to_owned(),
        severity => format!("{} ({severity})", labels.value("alertname")),
    }
}
