//! The simulated world: virtual clock, targets, senders, receivers, disk, and a shell as thin as the real one.
//!
//! The shell does what `dispatch::owner` and `evaluate` do, in their order: one round is one batch; a message or an
//! acknowledgement goes out once its sequence is durable or given up; a process that starts takes up checkpoint and
//! journal, gives the rules their alerts back, and evaluates once every target was tried. Between any two effects the
//! process can die.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use botwatch_core::{
    alerting::{
        Checkpoint, EarlyResolve, Effect, EpisodeId, Event, Machine, NewIssue, Outcome, Record, Refresh, Row,
        Send, Seq, Silence, SilenceId,
    },
    model::{Alert, Duration, Fingerprint, Labels, Matcher, RuleKey, SourceId, Timestamp, Transition},
    promql::EvalOptions,
    rules::{BlindSource, Blindness, Group, Rule, Sight, Written},
    tsdb::{self, Commit, Head},
};

use crate::{
    chance::{Chance, hash},
    disk::{Batch, Disk},
    model::{Attempt, Model, Violation},
    script::{Action, Mode, Script, TARGETS, What},
    setting::{INTEGRATIONS, INTERVAL, Setting, id, secs},
    targets::Target,
};

/// Everything is healthy for so long at the end: leases, slow retries and turns of groups are over by then.
const HEALING: i64 = 20 * 60;
/// A checkpoint follows the first record after this time.
const CHECKPOINT_EVERY: i64 = 10;
/// Steps without time passing; more is a machine that spins.
const STEPS_MAX: u32 = 10_000;

/// A mistake of the shell that the simulation must find: what proves the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Sabotage {
    #[default]
    None,
    /// Messages leave before their records are on disk.
    SendsBeforeDurable,
    /// Senders get their 2xx before the commit.
    AcknowledgesBeforeDurable,
    /// A start reads the checkpoint only.
    ForgetsJournal,
    /// A start forgets the messages on their way.
    ForgetsOutbox,
    /// Rules believe that everything is seen.
    SeesAlways,
    /// Rules run before the targets were tried, and what was never reported counts as seen.
    NoWarmUp,
    /// The wire has numbers in the place of ids, and they begin again at each start.
    IdsBeginAgain,
    /// A failed attempt is reported as delivered.
    DropsRetries,
    /// The disk's trouble holds messages up.
    WaitsForBadDisk,
    /// An answer is never handed back, the attempt is made again by the sender.
    SendsTwice,
    /// A start forgets the silences.
    ForgetsSilences,
    /// A start forgets who looks after what.
    ForgetsAcknowledgements,
    /// A start forgets what holds a reported issue open.
    ForgetsReports,
}

/// How a run ended.
pub(crate) struct Run {
    pub violation: Option<Violation>,
    pub trace: Vec<String>,
}

enum Happening {
    Script(What),
    Start,
    DiskWorks,
    Scrape {
        process: u64,
        target: usize,
    },
    Evaluate {
        process: u64,
    },
    Commit {
        process: u64,
    },
    Checkpoint {
        process: u64,
        at: Seq,
        rows: Vec<Row>,
    },
    Arrives(Attempt),
    Answer {
        process: u64,
        attempt: Attempt,
        outcome: Outcome,
    },
    Post {
        labels: Labels,
        starts_at: Timestamp,
        until: Timestamp,
        resolves: bool,
    },
    /// A reporter does what was not acknowledged yet.
    File {
        number: u64,
        until: Timestamp,
        early: bool,
    },
}

/// What somebody outside wants to have acknowledged.
enum Asked {
    Alert { of: Fingerprint, ends: bool },
    Silence(Silence),
    Acknowledgements { of: Vec<EpisodeId>, until: Timestamp },
    Report { number: u64 },
    Resolve { number: u64 },
}

/// What somebody wants to have changed.
enum Wish {
    Silence(Silence),
    Acknowledge { target: usize, until: Timestamp },
    ResolveAll { target: usize },
    Report { number: u64 },
    Resolve { number: u64 },
}

struct Process {
    machine: Machine,
    head: Head,
    groups: Vec<Group>,
    blindness: Blindness,
    started: Timestamp,
    warm: bool,
    /// As the machine was told.
    sound: bool,
    durable: Seq,
    given_up: Seq,
    sends: VecDeque<Send>,
    /// Who waits for the disk, and since when.
    acknowledgements: VecDeque<(Seq, Timestamp, Asked)>,
    /// Batches that the disk has not answered for.
    pending: VecDeque<Batch>,
    unsaved: bool,
    checkpoint_at: Timestamp,
    checkpoint_runs: bool,
}

impl Process {
    fn is_sound(&self) -> bool {
        self.given_up <= self.durable
    }
}

/// The rules' port over the head, as `evaluate::sight` has it.
struct HeadSight<'a> {
    head: &'a Head,
    sabotage: Sabotage,
}

impl Sight for HeadSight<'_> {
    fn is_blind(&self, source: SourceId, back_to: Timestamp) -> bool {
        let state = self.head.visibility(source);
        let reported = state.reported.is_some() && self.sabotage != Sabotage::SeesAlways;
        reported && state.blind_since(back_to).is_some()
    }

    fn source_name(&self, source: SourceId) -> Arc<str> {
        self.head.source_name(source).cloned().unwrap_or_else(|| "?".into())
    }
}

pub(crate) struct World {
    now: Timestamp,
    start: Timestamp,
    /// How many were ever asked for.
    silences: u64,
    /// How many problems were ever reported.
    reports: u64,
    seed: u64,
    sabotage: Sabotage,
    queue: BTreeMap<(Timestamp, u64), Happening>,
    happenings: u64,
    setting: Setting,
    targets: Vec<Target>,
    /// How each integration fails, and until when.
    receivers: [(Option<Mode>, Timestamp); INTEGRATIONS.len()],
    disk: Disk,
    disk_refuses_until: Timestamp,
    /// When the last process ended.
    alive: Option<Timestamp>,
    process: Option<Process>,
    processes: u64,
    /// Effects until the process dies, and how long it stays dead.
    fuse: Option<(u32, i64)>,
    model: Model,
}

/// Runs a script to its end, or to the first violation.
pub(crate) fn run(script: &Script, sabotage: Sabotage) -> Run {
    let start = Timestamp::from_secs(1_790_000_000);
    let mut world = World {
        now: start,
        start,
        silences: 0,
        reports: 0,
        seed: script.seed,
        sabotage,
        queue: BTreeMap::new(),
        happenings: 0,
        setting: Setting::default(),
        targets: (0..TARGETS.len()).map(|number| Target { number, ..Target::default() }).collect(),
        receivers: [(None, start); INTEGRATIONS.len()],
        disk: Disk::default(),
        disk_refuses_until: start,
        process: None,
        alive: None,
        processes: 0,
        fuse: None,
        model: Model::new(start),
    };
    for Action { at, what } in &script.actions {
        world.after(secs(*at), Happening::Script(*what));
    }
    world.after(Duration::ZERO, Happening::Start);
    world.run_to(start + secs(script.length));
    // Nothing is broken any more, nor will be.
    world.fuse = None;
    world.run_to(start + secs(script.length + 320));
    world.fuse = None;
    world.run_to(start + secs(script.length + 320 + HEALING));
    world.end();
    Run { violation: world.model.violation, trace: world.model.trace }
}

impl World {
    fn after(&mut self, wait: Duration, what: Happening) {
        self.happenings += 1;
        self.queue.insert((self.now + wait, self.happenings), what);
    }

    fn chance(&self, about: u64) -> Chance {
        Chance::about(&[self.seed, self.now.0 as u64, about])
    }

    fn run_to(&mut self, end: Timestamp) {
        let mut steps = 0;
        while self.model.violation.is_none() {
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let due = self.process.as_ref().and_then(|p| {
                let due = p.machine.next_deadline().map(|(at, _)| at);
                let saves = (p.unsaved || !p.sound) && !p.checkpoint_runs;
                due.into_iter().chain(saves.then_some(p.checkpoint_at)).min()
            });
            let Some(next) = queued.into_iter().chain(due).min().filter(|t| *t <= end) else { break };
            let next = next.max(self.now);
            steps = if next > self.now { 0 } else { steps + 1 };
            if steps > STEPS_MAX {
                self.model.fail("9 bounded everything", "the machine spins");
            }
            self.now = next;
            self.model.now = next;
            if queued.is_some_and(|t| t <= next) {
                let (_, happening) = self.queue.pop_first().expect("just seen");
                self.happens(happening);
            } else {
                self.round(Vec::new());
                self.keep();
            }
        }
        if self.model.violation.is_none() {
            self.now = self.now.max(end);
            self.model.now = self.now;
        }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Script(what) => self.act(what),
            Happening::Start => self.starts(),
            Happening::DiskWorks if self.now >= self.disk_refuses_until => {
                self.model.note("the disk works");
                self.disk.refuses = false;
            }
            Happening::Scrape { process, target } if process == self.processes && self.process.is_some() => {
                self.scrape(target);
            }
            Happening::Evaluate { process } if process == self.processes && self.process.is_some() => {
                self.after(secs(INTERVAL), Happening::Evaluate { process });
                self.evaluate();
            }
            Happening::Commit { process } if process == self.processes => {
                self.commit(Seq(u64::MAX));
                self.round(Vec::new());
            }
            Happening::Checkpoint { process, at, rows } if process == self.processes => {
                self.checkpoint_ends(at, rows);
                self.round(Vec::new());
            }
            Happening::Arrives(attempt) => self.model.accepts(&attempt),
            Happening::Answer { process, attempt, outcome }
                if process == self.processes && self.process.is_some() =>
            {
                self.model.answered(&attempt.delivery);
                let id = attempt.delivery.id.clone();
                self.round(vec![(Event::Delivered { id, outcome }, None)]);
            }
            Happening::Post { labels, starts_at, until, resolves } => {
                self.post(labels, starts_at, until, resolves);
            }
            Happening::File { number, until, early } => self.file(number, until, early),
            // Of a process that is gone.
            _ => {}
        }
    }

    fn act(&mut self, what: What) {
        let action = Action { at: self.now.since(self.start).as_millis() / 1000, what };
        self.model.note(format_args!("* {}", action.to_string().trim_start()));
        match what {
            What::Level { target, value } => self.targets[target].level = value,
            What::Errors { target, per_second } => self.targets[target].per_second = per_second,
            What::Down { target, secs: s } => {
                let until = &mut self.targets[target].down_until;
                *until = (*until).max(Some(self.now + secs(s)));
            }
            What::Vanishes { target, secs: s } => {
                let until = &mut self.targets[target].vanished_until;
                *until = (*until).max(Some(self.now + secs(s)));
            }
            What::Outside { name, secs: s, resolves } => {
                let pairs = [("alertname", "Outside"), ("severity", "none"), ("n", &*name.to_string())];
                let (labels, until) = (Labels::from_pairs(pairs), self.now + secs(s));
                self.post(labels, self.now, until, resolves);
            }
            What::Silence { target, secs: s } => {
                self.silences += 1;
                let silence = Silence {
                    id: SilenceId(format!("s{}", self.silences).into()),
                    matchers: vec![Matcher::equal("instance", TARGETS[target])],
                    starts_at: self.now,
                    ends_at: self.now + secs(s),
                    updated_at: self.now,
                    created_by: "sim".into(),
                    comment: "".into(),
                    annotations: Labels::empty(),
                };
                self.decide(Vec::new(), Some(Wish::Silence(silence)));
            }
            What::Acknowledge { target, secs: s } => {
                let until = self.now + secs(s);
                self.decide(Vec::new(), Some(Wish::Acknowledge { target, until }));
            }
            What::Resolve { target } => self.decide(Vec::new(), Some(Wish::ResolveAll { target })),
            What::Report { secs: s, early } => {
                self.reports += 1;
                self.file(self.reports, self.now + secs(s), early);
            }
            What::Receiver { integration, mode, secs: s } => {
                let until = self.now + secs(s);
                self.receivers[integration] = (Some(mode), until);
                self.model.trouble(until);
            }
            What::Crash { effects, secs: s } => self.fuse = Some((effects, s)),
            What::Stop { secs: s } => self.stop(s),
            What::DiskRefuses { secs: s } => {
                self.disk.refuses = true;
                self.disk_refuses_until = self.disk_refuses_until.max(self.now + secs(s));
                let wait = self.disk_refuses_until.since(self.now);
                self.after(wait, Happening::DiskWorks);
            }
            What::Reload(change) => self.reload(change),
        }
    }

    // ---- the process

    fn starts(&mut self) {
        if self.process.is_some() {
            return;
        }
        self.processes += 1;
        let now = self.now;
        self.model.note(format_args!("process {} starts", self.processes));
        (self.model.process, self.model.started) = (self.processes, now);
        self.model.trouble(now);
        let forgets = self.sabotage == Sabotage::ForgetsJournal;
        if forgets {
            self.disk.cut();
        }
        let sabotage = self.sabotage;
        let change = |c: &mut Checkpoint| {
            if sabotage == Sabotage::IdsBeginAgain {
                c.last_delivery = 0;
            }
            if sabotage == Sabotage::ForgetsSilences {
                c.silences.clear();
            }
            for episode in &mut c.episodes {
                if sabotage == Sabotage::ForgetsAcknowledgements {
                    episode.acknowledged = None;
                }
                if sabotage == Sabotage::ForgetsReports {
                    episode.report = None;
                }
            }
        };
        let mut machine = self.disk.restore(self.setting.options(), change, forgets);
        if sabotage == Sabotage::ForgetsOutbox {
            machine = self.forget_outbox(&machine);
        }
        let mut head = Head::new(tsdb::Options::default());
        for target in &self.targets {
            head.source(&target.source());
        }
        let restored: Vec<Transition> =
            machine.rules().flat_map(|rule| machine.rule_alerts(rule).cloned()).collect();
        let mut groups = self.setting.groups();
        for group in &mut groups {
            group.restore(&restored, self.now, self.alive, &mut |name| head.source(name));
        }
        let mut blindness = Blindness::new(secs(30), false, "".into());
        blindness.restore(&restored);
        let durable = machine.seq();
        self.process = Some(Process {
            machine,
            head,
            groups,
            blindness,
            started: now,
            warm: sabotage == Sabotage::NoWarmUp,
            sound: true,
            durable,
            given_up: Seq(0),
            sends: VecDeque::new(),
            acknowledgements: VecDeque::new(),
            pending: VecDeque::new(),
            unsaved: false,
            checkpoint_at: now,
            checkpoint_runs: false,
        });
        let process = self.processes;
        for target in 0..TARGETS.len() {
            self.after(
                Duration::from_millis(100 + 50 * target as i64),
                Happening::Scrape { process, target },
            );
        }
        let early = if sabotage == Sabotage::NoWarmUp { 50 } else { 300 };
        self.after(Duration::from_millis(early), Happening::Evaluate { process });
        self.round(Vec::new());
        self.load_rules();
        if let Some(p) = &self.process {
            self.model.check(&p.machine);
        }
    }

    /// What a shell would do that keeps alerts but not messages: drops them from the tables.
    fn forget_outbox(&self, machine: &Machine) -> Machine {
        let mut checkpoint = machine.checkpoint();
        checkpoint.deliveries.clear();
        for lane in checkpoint.groups.iter_mut().flat_map(|g| g.lanes.values_mut()) {
            (lane.head, lane.next) = (None, None);
        }
        Machine::restore(self.setting.options(), checkpoint)
    }

    fn load_rules(&mut self) {
        let Some(p) = &self.process else { return };
        let rules = p.groups.iter().flat_map(Group::rules).filter_map(|rule| match rule {
            Rule::Alerting(rule) => Some(rule.spec.key.clone()),
            Rule::Recording(_) => None,
        });
        let rules: Vec<RuleKey> = rules.chain([Blindness::key()]).collect();
        self.round(vec![(Event::RulesLoaded(rules), None)]);
    }

    /// One more effect; `true`: the process died before it.
    fn dies(&mut self) -> bool {
        match &mut self.fuse {
            Some((0, _)) => {
                let secs = self.fuse.take().map_or(1, |f| f.1);
                self.crash(secs);
                true
            }
            Some((left, _)) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn crash(&mut self, down: i64) {
        let Some(mut p) = self.process.take() else { return };
        self.alive = Some(self.now);
        // Some of what the disk was about to write it has written.
        let written = self.chance(p.pending.len() as u64).below(p.pending.len() as u64 + 1);
        let works = !self.disk.refuses && p.is_sound();
        for batch in p.pending.drain(..).take(if works { written as usize } else { 0 }) {
            self.disk.append(&batch);
            self.model.durable(&batch.records);
        }
        self.model.note(format_args!("the process dies; {written} batches made it"));
        self.model.died(!p.is_sound() || self.disk.refuses);
        self.after(secs(down), Happening::Start);
    }

    fn stop(&mut self, down: i64) {
        if self.process.is_none() {
            return;
        }
        self.commit(Seq(u64::MAX));
        let Some(p) = self.process.take() else { return };
        self.alive = Some(self.now);
        let sound = p.is_sound();
        if !self.disk.refuses {
            let rows = p.machine.checkpoint().into_rows().collect();
            self.disk.checkpoint(p.machine.seq(), rows);
            self.model.made_good();
        }
        self.fuse = None;
        self.model.died(!sound && self.disk.refuses);
        self.after(secs(down), Happening::Start);
    }

    /// One round, as `dispatch::owner` has it: events, what is due, one batch.
    fn round(&mut self, events: Vec<(Event, Option<(Fingerprint, bool)>)>) {
        self.decide(events, None);
    }

    fn decide(&mut self, events: Vec<(Event, Option<(Fingerprint, bool)>)>, wish: Option<Wish>) {
        let now = self.now;
        let Some(p) = &mut self.process else { return };
        let mut effects = Vec::new();
        if p.is_sound() != p.sound {
            p.sound = p.is_sound();
            if !p.sound {
                p.checkpoint_at = now + secs(5);
            }
            self.model.note(format_args!("journal sound: {}", p.sound));
            p.machine.handle(now, Event::Durability(p.sound), &mut effects);
        }
        let mut acknowledge = Vec::new();
        for (event, ask) in events {
            if ask.is_some() && !p.sound {
                continue;
            }
            p.machine.handle(now, event, &mut effects);
            acknowledge.extend(ask.map(|(of, ends)| Asked::Alert { of, ends }));
        }
        if let Some(wish) = wish.filter(|_| p.sound) {
            acknowledge.extend(grant(&mut p.machine, now, wish, &mut self.model, &mut effects));
        }
        p.machine.advance(now, &mut effects);
        let mut records: Vec<Record> = Vec::new();
        let mut sends = Vec::new();
        for effect in effects {
            match effect {
                Effect::Record(record) => records.push(record),
                Effect::Send(send) => sends.push(send),
            }
        }
        if !records.is_empty() {
            for violation in p.machine.violations() {
                self.model.fail("the machine's own", violation);
            }
        }
        for record in &records {
            self.model.recorded(record, &self.targets);
        }
        if self.dies() {
            return;
        }
        let Some(p) = &mut self.process else { return };
        let seq = p.machine.seq();
        p.sends.extend(sends);
        if !records.is_empty() {
            if !p.unsaved {
                p.checkpoint_at = p.checkpoint_at.max(now + secs(CHECKPOINT_EVERY));
            }
            p.unsaved = true;
            p.pending.push_back(Batch { first: Seq(seq.0 + 1 - records.len() as u64), records });
            let wait = self.chance(seq.0).between(1, 30);
            self.after(Duration::from_millis(wait), Happening::Commit { process: self.processes });
        }
        if self.dies() {
            return;
        }
        let Some(p) = &mut self.process else { return };
        p.acknowledgements.extend(acknowledge.into_iter().map(|asked| (seq, now, asked)));
        self.settle();
    }

    /// Lets go what has become durable, and what never will while the disk refuses.
    fn settle(&mut self) {
        loop {
            let sabotage = self.sabotage;
            let Some(p) = &mut self.process else { return };
            let mut reached = p.durable.max(p.given_up);
            match sabotage {
                Sabotage::SendsBeforeDurable => reached = Seq(u64::MAX),
                Sabotage::WaitsForBadDisk => reached = p.durable,
                _ => {}
            }
            let Some(send) = p.sends.pop_front_if(|s| s.after <= reached) else { break };
            if self.dies() {
                return;
            }
            self.send(&send);
            if sabotage == Sabotage::SendsTwice && send.attempt > 1 {
                self.send(&send);
            }
            if self.dies() {
                return;
            }
        }
        loop {
            let hasty = self.sabotage == Sabotage::AcknowledgesBeforeDurable;
            let Some(p) = &mut self.process else { return };
            let reached = if hasty { Seq(u64::MAX) } else { p.durable.max(p.given_up) };
            let durable = if hasty { reached } else { p.durable };
            let Some((seq, asked_at, asked)) = p.acknowledgements.pop_front_if(|(seq, ..)| *seq <= reached)
            else {
                break;
            };
            match asked {
                _ if seq > durable => {}
                Asked::Alert { ends: true, .. } => {}
                Asked::Alert { of, ends: false } => self.model.acknowledged(of, asked_at),
                Asked::Silence(silence) => self.model.silence_is_acknowledged(silence),
                Asked::Acknowledgements { of, until } => self.model.looked_after(&of, until),
                Asked::Report { number } => self.model.report_is_acknowledged(number),
                Asked::Resolve { number } => self.model.resolve_is_acknowledged(number),
            }
            if self.dies() {
                return;
            }
        }
    }

    /// The disk answers for batches up to a sequence.
    fn commit(&mut self, up_to: Seq) {
        let Some(p) = &mut self.process else { return };
        while let Some(batch) = p.pending.pop_front_if(|b| b.last() <= up_to) {
            if p.is_sound() && !self.disk.refuses {
                self.disk.append(&batch);
                p.durable = batch.last();
                self.model.durable(&batch.records);
            } else {
                p.given_up = batch.last();
            }
        }
    }

    /// Begins a checkpoint when one is due.
    fn keep(&mut self) {
        let now = self.now;
        let Some(p) = &mut self.process else { return };
        if p.checkpoint_runs || now < p.checkpoint_at || (!p.unsaved && p.sound) {
            return;
        }
        p.unsaved = false;
        p.checkpoint_runs = true;
        let (at, rows) = (p.machine.seq(), p.machine.checkpoint().into_rows().collect());
        let process = self.processes;
        self.after(Duration::from_millis(40), Happening::Checkpoint { process, at, rows });
    }

    fn checkpoint_ends(&mut self, at: Seq, rows: Vec<Row>) {
        self.commit(at);
        let now = self.now;
        let Some(p) = &mut self.process else { return };
        p.checkpoint_runs = false;
        if self.disk.refuses {
            p.unsaved = true;
            p.checkpoint_at = now + secs(5);
            return;
        }
        p.checkpoint_at = now + secs(CHECKPOINT_EVERY);
        self.disk.checkpoint(at, rows);
        p.durable = p.durable.max(at);
        if p.is_sound() {
            self.model.made_good();
        }
    }

    // ---- receivers

    fn send(&mut self, send: &Send) {
        let Some(p) = &self.process else { return };
        let permitted = send.after <= p.durable.max(p.given_up);
        let undurable = !p.is_sound();
        // How it is seen from the effect alone is the point of the sabotage.
        self.model.sends(send, permitted || self.sabotage == Sabotage::SendsBeforeDurable);
        let d = &send.delivery;
        let nth = INTEGRATIONS.iter().position(|(r, k, _)| id(r, k) == d.integration).expect("configured");
        let (mode, until) = self.receivers[nth];
        let mode = mode.filter(|_| self.now < until);
        let wire = match self.sabotage {
            Sabotage::IdsBeginAgain => d.id.0.split('-').next().unwrap_or_default().to_owned(),
            _ => d.id.0.to_string(),
        };
        let process = self.processes;
        let lost = matches!(mode, Some(Mode::LosesAnswer | Mode::Slow));
        let attempt = Attempt { process, wire, delivery: Arc::clone(d), lost, undurable };
        let latency = self.chance(hash(&d.id.0)).between(5, 400);
        let rest = send.deadline.since(self.now).as_millis();
        let failed = |error: &str, s: Option<i64>| Outcome::Transient {
            error: error.to_owned(),
            retry_after: s.map(secs),
        };
        let (arrives, answers, outcome) = match mode {
            None => (Some(latency), latency + 20, Outcome::Delivered { receiver_data: BTreeMap::new() }),
            Some(Mode::Busy(after)) => (None, latency, failed("503", after)),
            Some(Mode::Refuses) => (None, latency, Outcome::Permanent { error: "400".to_owned() }),
            Some(Mode::LosesAnswer) => (Some(latency), rest, failed("no answer", None)),
            Some(Mode::Slow) => (Some(rest + 500), rest, failed("no answer", None)),
        };
        let outcome = match outcome {
            Outcome::Transient { .. } if self.sabotage == Sabotage::DropsRetries => {
                Outcome::Delivered { receiver_data: BTreeMap::new() }
            }
            outcome => outcome,
        };
        if let Some(ms) = arrives {
            self.after(Duration::from_millis(ms), Happening::Arrives(attempt.clone()));
        }
        self.after(Duration::from_millis(answers), Happening::Answer { process, attempt, outcome });
    }

    // ---- senders

    fn post(&mut self, labels: Labels, starts_at: Timestamp, until: Timestamp, resolves: bool) {
        let (now, fp) = (self.now, labels.fingerprint());
        let over = now >= until;
        if over && !resolves {
            return;
        }
        let again = if over { secs(15) } else { until.since(now).min(secs(60)) };
        if self.process.is_some() {
            self.model.posts(&labels, over.then_some(until));
            let alert = Alert {
                labels: labels.clone(),
                annotations: Labels::empty(),
                starts_at,
                ends_at: over.then_some(until),
                updated_at: now,
                generator_url: "".into(),
                timeout: false,
            };
            self.round(vec![(Event::Received(vec![alert]), Some((fp, over)))]);
        }
        // An end is sent a few times, as Prometheus does; a firing until its end.
        if !over || now.since(until) < secs(600) {
            self.after(again, Happening::Post { labels, starts_at, until, resolves });
        }
    }

    /// Reports, and resolves, until each is acknowledged.
    fn file(&mut self, number: u64, until: Timestamp, early: bool) {
        let done = self.model.filed(number);
        let ends = if early { !done.resolved } else { done.reported && self.now >= until };
        let wish = if ends { Wish::Resolve { number } } else { Wish::Report { number } };
        if done.reported && done.resolved {
            return;
        }
        if ends || !done.reported {
            self.decide(Vec::new(), Some(wish));
        }
        let wait = self.chance(number).between(3_000, 15_000);
        self.after(Duration::from_millis(wait), Happening::File { number, until, early });
    }

    // ---- targets and rules

    fn scrape(&mut self, target: usize) {
        let (now, process) = (self.now, self.processes);
        let Some(p) = &mut self.process else { return };
        self.targets[target].scrape(now, process, &mut p.head);
        p.warm |= self.targets.iter().all(|t| t.last(process).is_some());
        self.after(secs(INTERVAL), Happening::Scrape { process, target });
    }

    /// All rules of all groups, each committed and handed over before the next; then a look for what is blind.
    fn evaluate(&mut self) {
        let (now, sabotage) = (self.now, self.sabotage);
        self.model.look(&self.targets);
        let mut fresh = Vec::new();
        let shape: Vec<usize> = self
            .process
            .as_ref()
            .map(|p| p.groups.iter().map(|g| g.rules().len()).collect())
            .unwrap_or_default();
        for (group, rules) in shape.into_iter().enumerate() {
            for rule in 0..rules {
                let Some(p) = self.process.as_mut().filter(|p| p.warm) else { return };
                let mut options = EvalOptions::prometheus();
                options.default_step = secs(INTERVAL);
                let sight = HeadSight { head: &p.head, sabotage };
                let mut expand = |_: &str, text: &str, _: &Labels, _: f64| Ok(text.to_owned());
                let outcome = p.groups[group].step(rule, now, &p.head, &options, &sight, &mut expand);
                let outcome = outcome.expect("the rules work");
                commit(&mut p.head, outcome.at, &outcome.written);
                fresh.extend(outcome.refreshed.into_iter().map(|r| Refresh {
                    labels: r.labels,
                    annotations: r.annotations,
                    value: r.value,
                }));
                if !outcome.transitions.is_empty() {
                    self.round(vec![(Event::Transitions(outcome.transitions), None)]);
                }
            }
        }
        if !fresh.is_empty() {
            self.round(vec![(Event::Refresh(fresh), None)]);
        }
        self.look();
        if let Some(p) = &self.process {
            self.model.check(&p.machine);
        }
    }

    fn look(&mut self) {
        let now = self.now;
        let Some(p) = &mut self.process else { return };
        let mut frozen: BTreeMap<SourceId, usize> = BTreeMap::new();
        for rule in p.groups.iter().flat_map(Group::rules) {
            let Rule::Alerting(rule) = rule else { continue };
            for alert in rule.alerts().filter(|a| a.frozen_since.is_some()) {
                alert.sources.iter().for_each(|id| *frozen.entry(id).or_default() += 1);
            }
        }
        let blind = self.targets.iter().filter_map(|target| {
            let source = p.head.find_source(&target.source())?;
            let seen = p.head.visibility(source);
            Some(BlindSource {
                name: target.source().into(),
                labels: Labels::from_pairs([("instance", TARGETS[target.number])]),
                since: seen.reported.and(seen.blind_since(Timestamp::MAX))?.max(p.started),
                frozen: frozen.get(&source).copied().unwrap_or(0),
            })
        });
        let blind: Vec<BlindSource> = blind.collect();
        let (changes, _) = p.blindness.step(now, &blind);
        if !changes.is_empty() {
            self.round(vec![(Event::Transitions(changes), None)]);
        }
    }

    fn reload(&mut self, change: crate::setting::Change) {
        let now = self.now;
        self.setting.toggle(change);
        self.model.reloaded(self.setting);
        if self.process.is_none() {
            return;
        }
        self.round(vec![(Event::Reloaded(self.setting.options()), None)]);
        let Some(p) = &mut self.process else { return };
        let old = std::mem::take(&mut p.groups);
        let mut gone = Vec::new();
        for (mut group, before) in self.setting.groups().into_iter().zip(old) {
            gone.extend(group.inherit(before));
            p.groups.push(group);
        }
        for rule in gone {
            let written = match rule {
                Rule::Recording(mut rule) => rule.end(),
                Rule::Alerting(mut rule) => {
                    let sight = HeadSight { head: &p.head, sabotage: Sabotage::None };
                    rule.end(now, &sight).written
                }
            };
            commit(&mut p.head, now, &written);
        }
        self.load_rules();
    }

    /// After everything: the truth was told, and the disk has all of it.
    fn end(&mut self) {
        if self.model.violation.is_some() {
            return;
        }
        self.commit(Seq(u64::MAX));
        let Some(p) = &self.process else {
            self.model.fail("the world's own", "no process at the end");
            return;
        };
        self.model.check_end(&p.machine);
        let again = self.disk.restore(self.setting.options(), |_| {}, false);
        let differs = p.machine.differs_from(&again.checkpoint());
        if !differs.is_empty() || self.disk.last() != p.machine.seq() {
            self.model.fail("4 state survives", format_args!("the disk differs in {differs:?}"));
        }
    }
}

/// What the API does for somebody who asks.
fn grant(
    machine: &mut Machine,
    now: Timestamp,
    wish: Wish,
    model: &mut Model,
    effects: &mut Vec<Effect>,
) -> Option<Asked> {
    let of = |machine: &Machine, target: usize| -> Vec<EpisodeId> {
        let active = machine.alerts().filter(|e| e.is_active());
        active.filter(|e| e.alert.labels.value("instance") == TARGETS[target]).map(|e| e.id).collect()
    };
    match wish {
        Wish::Silence(silence) => {
            machine.set_silence(now, None, silence.clone(), effects).expect("it makes sense");
            model.silence_is_asked_for(&silence);
            Some(Asked::Silence(silence))
        }
        Wish::Acknowledge { target, until } => {
            let of = of(machine, target);
            for id in &of {
                let by = "sim".into();
                machine.acknowledge(now, *id, by, Some(until), "".into(), effects).expect("it is open");
            }
            model.is_asked_to_look_after(&of, until);
            Some(Asked::Acknowledgements { of, until })
        }
        Wish::ResolveAll { target } => {
            for id in of(machine, target) {
                machine.resolve(now, id, "sim".into(), "".into(), effects).expect("it is there");
            }
            None
        }
        Wish::Report { number } => {
            let new = NewIssue {
                labels: reported(number),
                annotations: Labels::empty(),
                generator_url: "".into(),
                ids: vec![format!("r{number}").into()],
                spare_id: None,
                by: "sim".into(),
                metadata: "".into(),
            };
            machine.report(now, new, effects).expect("there is room");
            Some(Asked::Report { number })
        }
        Wish::Resolve { number } => {
            model.is_asked_to_resolve(number);
            let id: Arc<str> = format!("r{number}").into();
            match machine.issue(&id).map(|e| e.id) {
                Some(episode) => {
                    machine.resolve(now, episode, "sim".into(), "".into(), effects).expect("it is there");
                }
                None => {
                    let early = EarlyResolve { id, at: now, by: "sim".into(), note: "".into() };
                    machine.resolve_early(now, early, effects);
                }
            }
            Some(Asked::Resolve { number })
        }
    }
}

/// The labels of a reported problem.
pub(crate) fn reported(number: u64) -> Labels {
    Labels::from_pairs([("alertname", "Reported"), ("severity", "critical"), ("n", &*number.to_string())])
}

fn commit(head: &mut Head, at: Timestamp, written: &[Written]) {
    let samples: Vec<_> = written
        .iter()
        .filter_map(|w| head.series(&w.labels, &w.sources).map(|id| (id, at, w.value)))
        .collect();
    head.commit(&Commit { samples, sources: Vec::new() });
}
