//! What must have been delivered: kept beside the machine, from what really happened in the world.
//!
//! Each check names its invariant by the number in DESIGN §2. The model knows targets, receivers and senders; of the
//! machine it reads records, messages and reasons only.

use std::collections::{BTreeMap, BTreeSet};

use botwatch_core::{
    alerting::{
        Act, Delivery, EpisodeId, IntegrationId, Machine, NotifyReason, Outcome, Reason, Record, Send,
        Silence, SilenceState, WriteOff,
    },
    model::{AlertState, Ending, Fingerprint, Labels, Timestamp, Transition},
};

use crate::{
    script::TARGETS,
    setting::{
        Change, ESCALATES_AFTER, GROUP_INTERVAL_MAX, INTERVAL, REPEAT, RESOLVE_TIMEOUT, STILL_FIRING_AFTER,
        Setting, id, secs,
    },
    targets::Target,
    world::reported,
};

/// Our own alerting rules, with severity and hold.
const RULES: [(&str, &str, i64); 6] = [
    ("High", "critical", 30),
    ("Kept", "warning", 0),
    ("Recorded", "warning", 0),
    ("Extra", "info", 0),
    ("Down", "critical", 0),
    ("Rate", "warning", 0),
];

/// After trouble, everything is settled within this time: the slow retry, then a turn of the group.
const SETTLED_AFTER: i64 = 360;

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// Its place in DESIGN.
    pub invariant: &'static str,
    pub text: String,
}

/// A message that a receiver took.
struct Accepted {
    content: String,
    /// The process that sent it last.
    process: u64,
    /// Its answer was lost on the way.
    lost: bool,
}

/// What one integration was told last of one alert.
#[derive(Debug, Clone)]
struct Heard {
    labels: Labels,
    firing: bool,
    at: Timestamp,
    /// Sent from memory while the disk refused, and not made good since.
    undurable: bool,
    /// The process died with it: the journal doesn't know (DESIGN §2.10 promises a page, not a memory).
    forgotten: bool,
}

#[derive(Default)]
struct Lane {
    planned: Option<Timestamp>,
    said: Option<Said>,
}

/// What a lane's last message said, unless its answer was lost.
struct Said {
    id: String,
    alerts: Vec<(EpisodeId, bool, Timestamp)>,
    at: Timestamp,
}

/// An alert from outside, as its sender sees it.
struct Outside {
    labels: Labels,
    /// Acknowledged first then, and up to then.
    acknowledged: Option<(Timestamp, Timestamp)>,
    /// The sender asked for the end, heard or not.
    end_asked: bool,
    /// Ends that its reports can have led to.
    ends: BTreeSet<Timestamp>,
}

/// What was acknowledged to a reporter.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Filing {
    pub reported: bool,
    pub resolved: bool,
    /// The resolve was asked for, heard or not.
    resolve_asked: bool,
    reported_at: Option<Timestamp>,
}

/// An attempt on its way, as the world keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub process: u64,
    pub wire: String,
    pub delivery: std::sync::Arc<Delivery>,
    /// The answer won't come.
    pub lost: bool,
    /// Sent while the journal could not commit.
    pub undurable: bool,
}

pub(crate) struct Model {
    pub now: Timestamp,
    pub setting: Setting,
    /// The running process, or the last one.
    pub process: u64,
    pub started: Timestamp,
    /// Nothing but targets and the disk was in trouble since then.
    pub calm_since: Timestamp,
    pub trace: Vec<String>,
    pub violation: Option<Violation>,
    start: Timestamp,
    accepted: BTreeMap<String, Accepted>,
    /// Ids of all messages that were taken.
    taken: BTreeSet<String>,
    /// Messages whose taking is on disk.
    settled: BTreeSet<String>,
    lanes: BTreeMap<(String, IntegrationId), Lane>,
    in_flight: BTreeMap<(String, IntegrationId), String>,
    heard: BTreeMap<(IntegrationId, Fingerprint), Heard>,
    attempted: BTreeSet<(IntegrationId, EpisodeId)>,
    ends: BTreeSet<(Fingerprint, Timestamp)>,
    written_off: BTreeSet<(IntegrationId, Fingerprint)>,
    chat_was_removed: bool,
    outside: BTreeMap<Fingerprint, Outside>,
    true_since: BTreeMap<(&'static str, usize), Timestamp>,
    down_seen: [Timestamp; 3],
    lost_when_undurable: bool,
    /// Silences that were asked for: perhaps in force.
    silences: Vec<Silence>,
    /// Those that were acknowledged: in force.
    acknowledged_silences: Vec<Silence>,
    /// Acknowledgements that were asked for: perhaps in force.
    cared_for: Vec<(EpisodeId, Timestamp)>,
    /// Those that were acknowledged: in force.
    cares: BTreeMap<EpisodeId, Timestamp>,
    /// What was resolved by hand, and when.
    resolved: BTreeMap<Fingerprint, Timestamp>,
    reports: BTreeMap<u64, Filing>,
    /// The newest process that died.
    dead: u64,
}

impl Model {
    pub(crate) fn new(start: Timestamp) -> Self {
        Self {
            now: start,
            start,
            setting: Setting::default(),
            process: 0,
            started: start,
            calm_since: start,
            trace: Vec::new(),
            violation: None,
            accepted: BTreeMap::new(),
            taken: BTreeSet::new(),
            settled: BTreeSet::new(),
            lanes: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            heard: BTreeMap::new(),
            attempted: BTreeSet::new(),
            ends: BTreeSet::new(),
            written_off: BTreeSet::new(),
            chat_was_removed: false,
            outside: BTreeMap::new(),
            true_since: BTreeMap::new(),
            down_seen: [Timestamp::MIN; 3],
            lost_when_undurable: false,
            silences: Vec::new(),
            acknowledged_silences: Vec::new(),
            cared_for: Vec::new(),
            cares: BTreeMap::new(),
            resolved: BTreeMap::new(),
            reports: BTreeMap::new(),
            dead: 0,
        }
    }

    pub(crate) fn note(&mut self, text: impl std::fmt::Display) {
        let t = self.now.since(self.start).as_millis();
        self.trace.push(format!("{:>6}.{:03}  {text}", t / 1000, t % 1000));
    }

    /// The first one counts.
    pub(crate) fn fail(&mut self, invariant: &'static str, text: impl std::fmt::Display) {
        if self.violation.is_none() {
            self.note(format_args!("VIOLATED {invariant}: {text}"));
            self.violation = Some(Violation { invariant, text: text.to_string() });
        }
    }

    // ---- what happens

    pub(crate) fn trouble(&mut self, until: Timestamp) {
        self.calm_since = self.calm_since.max(until);
    }

    pub(crate) fn reloaded(&mut self, setting: Setting) {
        self.setting = setting;
        self.chat_was_removed |= setting.has(Change::ChatRemoved);
        self.true_since.clear();
        // A receiver that comes back may be told anew.
        self.lanes.values_mut().for_each(|l| l.said = None);
        self.trouble(self.now);
    }

    pub(crate) fn died(&mut self, undurable: bool) {
        self.dead = self.process;
        self.in_flight.clear();
        // Answers that are not on disk are lost.
        for lane in self.lanes.values_mut() {
            lane.said = lane.said.take().filter(|said| self.settled.contains(&said.id));
        }
        self.true_since.clear();
        self.trouble(self.now);
        if undurable {
            // What was decided in memory is gone; what it told stays told.
            self.lost_when_undurable = true;
            self.heard.values_mut().for_each(|h| h.forgotten |= h.undurable);
            self.lanes.values_mut().for_each(|l| *l = Lane::default());
        }
    }

    /// The disk took a checkpoint with all that had been decided in memory.
    pub(crate) fn made_good(&mut self) {
        self.heard.values_mut().for_each(|h| h.undurable = false);
    }

    pub(crate) fn posts(&mut self, labels: &Labels, ends_at: Option<Timestamp>) {
        let outside = self.outside.entry(labels.fingerprint()).or_insert_with(|| Outside {
            labels: labels.clone(),
            acknowledged: None,
            end_asked: false,
            ends: BTreeSet::new(),
        });
        outside.ends.insert(ends_at.unwrap_or(self.now + secs(RESOLVE_TIMEOUT)));
        outside.end_asked = ends_at.is_some();
    }

    /// A sender got its 2xx for what it posted at a time.
    pub(crate) fn acknowledged(&mut self, of: Fingerprint, posted: Timestamp) {
        let now = self.now;
        if let Some(outside) = self.outside.get_mut(&of) {
            let until = posted + secs(RESOLVE_TIMEOUT);
            // An alert that lapsed in between begins anew.
            let first = outside.acknowledged.filter(|(_, end)| *end > posted).map_or(now, |(first, _)| first);
            outside.acknowledged = Some((first, until));
        }
    }

    pub(crate) fn silence_is_asked_for(&mut self, silence: &Silence) {
        self.silences.push(silence.clone());
    }

    pub(crate) fn silence_is_acknowledged(&mut self, silence: Silence) {
        self.note(format_args!("silence {} is acknowledged", silence.id));
        self.acknowledged_silences.push(silence);
    }

    pub(crate) fn is_asked_to_look_after(&mut self, of: &[EpisodeId], until: Timestamp) {
        self.cared_for.extend(of.iter().map(|id| (*id, until)));
        // A later one takes the place of an earlier one, acknowledged or not.
        for id in of {
            self.cares.remove(id);
        }
    }

    pub(crate) fn looked_after(&mut self, of: &[EpisodeId], until: Timestamp) {
        self.note(format_args!("{} acknowledgements are acknowledged", of.len()));
        self.cares.extend(of.iter().map(|id| (*id, until)));
    }

    pub(crate) fn filed(&self, number: u64) -> Filing {
        self.reports.get(&number).copied().unwrap_or_default()
    }

    pub(crate) fn report_is_acknowledged(&mut self, number: u64) {
        self.note(format_args!("report r{number} is acknowledged"));
        let now = self.now;
        let filing = self.reports.entry(number).or_default();
        filing.reported = true;
        filing.reported_at.get_or_insert(now);
    }

    pub(crate) fn is_asked_to_resolve(&mut self, number: u64) {
        self.reports.entry(number).or_default().resolve_asked = true;
    }

    pub(crate) fn resolve_is_acknowledged(&mut self, number: u64) {
        self.note(format_args!("the resolve of r{number} is acknowledged"));
        self.reports.entry(number).or_default().resolved = true;
    }

    /// What is silenced is not told; what is acknowledged or young does not escalate.
    fn planned(&mut self, delivery: &Delivery) {
        let now = self.now;
        let firing = delivery.alerts.iter().filter(|a| a.alert.ends_at.is_none());
        let told = firing.map(|a| &a.alert.labels).find_map(|labels| {
            let in_force = |s: &&Silence| s.state(now) == SilenceState::Active && s.matches(labels);
            let by = self.acknowledged_silences.iter().find(in_force)?;
            Some(format!("{labels} in {}, silenced by {}", delivery.id.0, by.id))
        });
        if let Some(told) = told {
            self.fail("1 a silence that was acknowledged is in force", told);
        }
        let begins = [NotifyReason::FirstNotification, NotifyReason::Escalated];
        let begins = begins.iter().any(|r| *delivery.reason == *r.as_str());
        if delivery.integration != id("boss", "webhook") || !begins {
            return;
        }
        let firing = delivery.alerts.iter().filter(|a| a.alert.ends_at.is_none());
        let early = firing.map(|a| (a.episode, &a.alert.labels)).find(|(episode, labels)| {
            let looked_after = self.cares.get(episode).is_some_and(|until| *until > now);
            looked_after || !self.setting.escalates(labels) || now < episode.starts_at + secs(ESCALATES_AFTER)
        });
        if let Some((episode, labels)) = early {
            self.fail("4 escalates while nobody answers", format_args!("{episode} {labels}"));
        }
    }

    /// A record was decided.
    pub(crate) fn recorded(&mut self, record: &Record, targets: &[Target]) {
        match record {
            Record::Transition { change, .. } => self.changed(change, targets),
            Record::Planned(planned) => self.planned(&planned.delivery),
            Record::Acted { episode, entry } if matches!(entry.act, Act::Resolved { .. }) => {
                self.note(format_args!("{episode} is resolved by hand"));
                self.cares.remove(episode);
                self.resolved.insert(episode.fingerprint, entry.at);
                self.ends.insert((episode.fingerprint, entry.at));
            }
            Record::Escalated { episodes, along, to, .. } => {
                self.note(format_args!("escalates to {to}: {episodes:?}, along {along:?}"));
            }
            Record::WrittenOff { integration, episodes, because, .. } => {
                self.note(format_args!("written off for {integration}: {because:?}"));
                let right = match because {
                    WriteOff::ReceiverRemoved => *integration == id("chat", "slack") && self.chat_was_removed,
                    WriteOff::SendResolvedFalse => *integration == id("logbook", "webhook"),
                    WriteOff::GaveUp | WriteOff::Suppressed => false,
                };
                if !right {
                    self.fail("2 every firing gets its resolve", format_args!("{integration}: {because:?}"));
                }
                self.written_off.extend(episodes.iter().map(|e| (integration.clone(), e.fingerprint)));
            }
            _ => {}
        }
    }

    /// §2.3: nothing ends unless its end was seen.
    fn changed(&mut self, change: &Transition, targets: &[Target]) {
        self.note(format_args!("{} {:?}", change.labels, change.state));
        let AlertState::Ended { at, why, .. } = change.state else { return };
        let alert = change.labels.value("alertname");
        let right = match why {
            Ending::RuleRemoved => !self.setting.has_rule(alert),
            _ => self.is_seen_to_be_over(&change.labels, targets),
        };
        if !right {
            self.fail("3 missing data is not resolved", format_args!("{} ended: {why:?}", change.labels));
        }
        self.ends.insert((change.labels.fingerprint(), at));
    }

    fn is_seen_to_be_over(&self, labels: &Labels, targets: &[Target]) -> bool {
        let alert = labels.value("alertname");
        let name = match alert {
            "SourceBlind" => labels.value("source").trim_start_matches("job/"),
            _ => labels.value("instance"),
        };
        let Some(target) = targets.iter().find(|t| TARGETS[t.number] == name) else { return false };
        let Some(last) = target.last(self.process).filter(|s| s.ok) else { return false };
        match alert {
            "Down" | "SourceBlind" => true,
            "Rate" => {
                let since = self.now - secs(60);
                let window = || target.scrapes.iter().rev().take_while(|s| s.at > since);
                self.started <= since
                    && window().all(|s| s.ok && s.process == self.process)
                    && !target.rises(self.process, since, true)
            }
            gauge => match (last.seen, self.setting.threshold(gauge)) {
                (Some((level, _)), Some(threshold)) => level <= threshold,
                _ => true,
            },
        }
    }

    /// Records reached the disk.
    pub(crate) fn durable(&mut self, records: &[Record]) {
        for record in records {
            if let Record::Answered { delivery, outcome: Outcome::Delivered { .. }, .. } = record {
                self.settled.insert(delivery.0.to_string());
            }
        }
    }

    /// An attempt leaves the process.
    pub(crate) fn sends(&mut self, send: &Send, permitted: bool) {
        let d = &send.delivery;
        self.note(format_args!(
            "sends {} to {} (attempt {}): {}",
            d.id.0,
            d.integration,
            send.attempt,
            said(d)
        ));
        if !permitted {
            self.fail("1 words wait for the disk", format_args!("{} left before its record", d.id.0));
        }
        if self.settled.contains(&*d.id.0) {
            self.fail(
                "5 once in effect",
                format_args!("{} is sent although its delivery is on disk", d.id.0),
            );
        }
        let lane = (d.group_key.to_string(), d.integration.clone());
        if let Some(other) = self.in_flight.insert(lane, d.id.0.to_string()) {
            self.fail("5 one in flight", format_args!("{} beside {other} to {}", d.id.0, d.integration));
        }
        let firing = d.alerts.iter().filter(|a| a.alert.ends_at.is_none());
        self.attempted.extend(firing.map(|a| (d.integration.clone(), a.episode)));
    }

    /// The process learns how an attempt ended.
    pub(crate) fn answered(&mut self, d: &Delivery) {
        self.in_flight.remove(&(d.group_key.to_string(), d.integration.clone()));
    }

    /// A receiver takes a message.
    pub(crate) fn accepts(&mut self, attempt: &Attempt) {
        let d = &*attempt.delivery;
        self.told_otherwise(d);
        self.taken.insert(d.id.0.to_string());
        let content = format!("{:?} {:?} {:?}", d.group_key, d.reason, d.alerts);
        if let Some(before) = self.accepted.get_mut(&attempt.wire) {
            let same = before.content == content;
            let excused = before.lost || before.process != attempt.process;
            before.lost |= attempt.lost;
            before.process = attempt.process;
            if !same {
                self.fail(
                    "5 an id names one message",
                    format_args!("{} came again with another content", attempt.wire),
                );
            }
            if !excused {
                self.fail(
                    "5 duplicates follow only a lost answer",
                    format_args!("{} came twice", attempt.wire),
                );
            }
            return;
        }
        self.note(format_args!("{} takes {}: {}", d.integration, attempt.wire, said(d)));
        let taken = Accepted { content, process: attempt.process, lost: attempt.lost };
        self.accepted.insert(attempt.wire.clone(), taken);
        let gone = attempt.undurable && attempt.process <= self.dead;
        self.check_order(d, gone, attempt.lost || attempt.process <= self.dead);
        for alert in &d.alerts {
            let labels = &alert.alert.labels;
            let fp = labels.fingerprint();
            if let Some(end) = alert.alert.ends_at {
                let outside = self.outside.get(&fp).is_some_and(|o| end <= self.now && o.ends.contains(&end));
                if !outside && !self.ends.contains(&(fp, end)) {
                    self.fail("3 no resolve without an end", format_args!("{labels}, {}", d.integration));
                }
                if !self.attempted.contains(&(d.integration.clone(), alert.episode)) {
                    self.fail("5 a resolve never overtakes", format_args!("{labels}, {}", d.integration));
                }
            }
            let heard = Heard {
                labels: labels.clone(),
                firing: alert.alert.ends_at.is_none(),
                at: self.now,
                undurable: attempt.undurable,
                forgotten: gone,
            };
            self.heard.insert((d.integration.clone(), fp), heard);
        }
    }

    /// What a receiver is told otherwise through another group it is told anew by the first one.
    fn told_otherwise(&mut self, d: &Delivery) {
        let ended = |episode: &EpisodeId| {
            let alert = d.alerts.iter().find(|a| a.episode == *episode);
            alert.map(|a| a.alert.ends_at.is_some())
        };
        for ((group, to), lane) in &mut self.lanes {
            if **group != *d.group_key && *to == d.integration {
                let same = |s: &Said| {
                    s.alerts.iter().all(|(e, over, _)| ended(e).is_none_or(|ended| ended == *over))
                };
                lane.said = lane.said.take().filter(same);
            }
        }
    }

    /// §2.5: in order, and nothing said twice in a row before it is time to repeat it.
    fn check_order(&mut self, d: &Delivery, gone: bool, lost: bool) {
        let lane = self.lanes.entry((d.group_key.to_string(), d.integration.clone())).or_default();
        if gone {
            *lane = Lane::default();
            return;
        }
        let overtaken = lane.planned.is_some_and(|last| d.planned_at < last);
        lane.planned = lane.planned.max(Some(d.planned_at));
        let mut alerts: Vec<_> =
            d.alerts.iter().map(|a| (a.episode, a.alert.ends_at.is_some(), a.alert.starts_at)).collect();
        alerts.sort_unstable();
        let at = self.now;
        let again =
            lane.said.as_ref().is_some_and(|said| said.alerts == alerts && at.since(said.at) < secs(REPEAT));
        // Nobody answers: the escalation asks again, after its time.
        let asks = *d.reason == *NotifyReason::Escalated.as_str();
        let again = again
            && !(asks && lane.said.as_ref().is_some_and(|s| at.since(s.at) > secs(ESCALATES_AFTER - 60)));
        // A message whose answer is lost, and that is refused when it is tried again, is made anew.
        lane.said = (!lost).then(|| Said { id: d.id.0.to_string(), alerts, at });
        if overtaken {
            self.fail("5 in order", format_args!("{} comes after a later one", d.id.0));
        }
        if again {
            self.fail("5 no storm", format_args!("{} says the same again: {}", d.id.0, said(d)));
        }
    }

    // ---- what must hold

    /// What the newest scrapes say, for the checks that follow.
    pub(crate) fn look(&mut self, targets: &[Target]) {
        for (alert, ..) in RULES {
            for target in targets {
                let n = target.number;
                let last = target.last(self.process);
                let holds = match alert {
                    "Down" => last.is_some_and(|s| !s.ok),
                    "Rate" => target.rises(self.process, self.now - secs(76), true),
                    gauge => last.and_then(|s| s.seen).is_some_and(|(level, _)| {
                        self.setting.threshold(gauge).is_some_and(|threshold| level > threshold)
                    }),
                };
                if holds && self.setting.has_rule(alert) {
                    self.true_since.entry((alert, n)).or_insert(self.now);
                    if alert == "Down" {
                        self.down_seen[n] = self.now;
                    }
                } else {
                    self.true_since.remove(&(alert, n));
                }
            }
        }
    }

    /// After a start, and after each evaluation.
    pub(crate) fn check(&mut self, machine: &Machine) {
        self.check_acknowledged(machine);
        self.check_reasons(machine);
        self.check_timely();
    }

    /// §2.1: what was acknowledged is there.
    fn check_acknowledged(&mut self, machine: &Machine) {
        let lost = self.outside.iter().find(|(fp, o)| {
            let due = o.acknowledged.is_some_and(|(_, until)| until > self.now) && !o.end_asked;
            due && !machine.newest(**fp).is_some_and(botwatch_core::alerting::Episode::is_active)
        });
        let silences = self.acknowledged_silences.iter().filter(|s| s.ends_at > self.now);
        let silence = silences.map(|s| &s.id).find(|id| machine.silence(id).is_none());
        let gone = silence.map(|id| format!("silence {id}"));
        let gone = gone.or_else(|| {
            let active = |id: &EpisodeId| machine.episode(*id).filter(|e| e.is_active());
            let in_force = self.cares.iter().filter(|(_, until)| **until > self.now);
            let mut open = in_force.filter_map(|(id, _)| active(id));
            let lost = open.find(|e| e.acknowledged.is_none())?;
            Some(format!("the acknowledgement of {}", lost.id))
        });
        let gone = gone.or_else(|| {
            let is_open = |n: &u64| {
                machine.issue(&format!("r{n}")).is_some_and(botwatch_core::alerting::Episode::is_active)
            };
            let wrong = self.reports.iter().find(|(n, f)| {
                (f.reported && !f.resolve_asked && !is_open(n)) || (f.reported && f.resolved && is_open(n))
            });
            wrong.map(|(n, f)| format!("of report r{n}, {f:?},"))
        });
        if let Some(gone) = gone.or_else(|| lost.map(|(_, o)| o.labels.to_string())) {
            self.fail("1 acknowledged means on disk", format_args!("{gone} is gone"));
        }
    }

    /// §2.6: silence has a reason, and "sent" means taken.
    fn check_reasons(&mut self, machine: &Machine) {
        let mut wrong = Vec::new();
        for episode in machine.alerts().filter(|e| e.is_active()) {
            let why = machine.why(episode.id);
            for wanted in self.setting.integrations_of(&episode.alert.labels) {
                if !why.iter().any(|w| *w.integration == wanted) {
                    wrong.push((
                        "6 a decision has a reason",
                        format!("{} and {wanted}", episode.alert.labels),
                    ));
                }
            }
            for w in &why {
                if let Reason::Sent { delivery, .. } = &w.reason
                    && !self.lost_when_undurable
                    && !self.taken.contains(&*delivery.0)
                {
                    wrong.push(("6 sent means taken", format!("{} by {}", delivery.0, w.integration)));
                }
            }
        }
        for (invariant, text) in wrong {
            self.fail(invariant, text);
        }
    }

    /// A breach is told within hold, evaluation, group wait or interval, also while the disk refuses (§2.10).
    fn check_timely(&mut self) {
        let turn = 2 * INTERVAL + GROUP_INTERVAL_MAX + 5;
        let settled = self.calm_since + secs(SETTLED_AFTER);
        let mut due: Vec<(Labels, Timestamp)> = Vec::new();
        for (&(alert, n), &since) in &self.true_since {
            let (_, severity, hold) = RULES.into_iter().find(|r| r.0 == alert).expect("one of them");
            let quiet = severity == "warning"
                && self.setting.has(Change::Inhibition)
                && self.now.since(self.down_seen[n]) < secs(turn + 60)
                && self.down_seen[n] > Timestamp::MIN;
            // After a silence it takes until the next turn.
            let labels = own(alert, severity, n);
            let resolved = self.resolved.get(&labels.fingerprint());
            let since = resolved.map_or(since, |at| since.max(*at + secs(STILL_FIRING_AFTER)));
            let silenced = |s: &Silence| s.matches(&labels) && self.now <= s.ends_at + secs(turn + 60);
            if !quiet && !self.silences.iter().any(silenced) {
                due.push((own(alert, severity, n), (since + secs(hold)).max(settled)));
            }
        }
        for outside in self.outside.values().filter(|o| !o.end_asked) {
            if let Some((first, until)) = outside.acknowledged
                && until > self.now
            {
                due.push((outside.labels.clone(), first.max(settled)));
            }
        }
        for (number, filing) in self.reports.iter().filter(|(_, f)| !f.resolve_asked) {
            due.extend(filing.reported_at.map(|at| (reported(*number), at.max(settled))));
        }
        let now = self.now;
        for (labels, since) in due.into_iter().filter(|(_, since)| now > *since + secs(turn)) {
            let fp = labels.fingerprint();
            let cared_for = self.cared_for.iter().filter(|(id, _)| id.fingerprint == fp);
            let unanswered = cared_for.map(|(_, until)| *until).max().map_or(since, |until| since.max(until));
            let escalated =
                now > unanswered + secs(ESCALATES_AFTER + turn) && self.setting.escalates(&labels);
            let boss = escalated.then(|| id("boss", "webhook"));
            for integration in self.setting.integrations_of(&labels).into_iter().chain(boss) {
                let heard = self.heard.get(&(integration.clone(), labels.fingerprint()));
                if !heard.is_some_and(|h| h.firing || h.forgotten) {
                    self.fail("10 told in time", format_args!("{labels}, {integration}, since {since}"));
                }
            }
        }
    }

    /// §2.2, after everything has been healthy for long: what each receiver heard last is the truth.
    pub(crate) fn check_end(&mut self, machine: &Machine) {
        let mut wrong = Vec::new();
        let fires: BTreeSet<Fingerprint> = self
            .true_since
            .keys()
            .map(|(alert, n)| {
                let severity = RULES.iter().find(|r| r.0 == *alert).expect("one of them").1;
                own(alert, severity, *n).fingerprint()
            })
            .collect();
        for ((integration, fp), heard) in &self.heard {
            let excused = *integration == id("logbook", "webhook")
                || heard.forgotten
                || self.written_off.contains(&(integration.clone(), *fp));
            if heard.firing && !fires.contains(fp) && !excused {
                let text =
                    format!("{integration} still believes since {} that {} fires", heard.at, heard.labels);
                wrong.push(("2 every firing gets its resolve", text));
            }
        }
        for row in machine.ledger().filter(|r| !fires.contains(&r.episode.fingerprint)) {
            wrong.push(("2 the ledger is settled", format!("{} owes {}", row.integration, row.episode)));
        }
        for state in machine.deliveries().filter(|d| self.now.since(d.delivery.planned_at) > secs(60)) {
            wrong.push(("5 nothing ends silently", format!("{} is still under way", state.delivery.id.0)));
        }
        for episode in machine.past() {
            for w in machine.why(episode.id) {
                if matches!(w.reason, Reason::Waiting { .. } | Reason::InDelivery { .. }) {
                    let text = format!("{} is over, {}: {:?}", episode.alert.labels, w.integration, w.reason);
                    wrong.push(("6 a decision has a reason", text));
                }
            }
        }
        for (invariant, text) in wrong {
            self.fail(invariant, text);
        }
    }
}

fn own(alert: &str, severity: &str, target: usize) -> Labels {
    Labels::from_pairs([("alertname", alert), ("instance", TARGETS[target]), ("severity", severity)])
}

/// `some alerts resolved +High/bot -Rate/bot`
fn said(d: &Delivery) -> String {
    let mut text = d.reason.to_string();
    for a in &d.alerts {
        let sign = if a.alert.ends_at.is_some() { '-' } else { '+' };
        let l = &a.alert.labels;
        text += &format!(" {sign}{}/{}{}", l.value("alertname"), l.value("instance"), l.value("n"));
    }
    text
}
