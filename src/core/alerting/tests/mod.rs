//! The machine driven on virtual time by hand; `tests/sim` drives it by chance.

mod delivery;
mod escalations;
mod incidents;
mod inhibit;
mod intervals;
mod issues;
mod ledger;
mod lifecycle;
mod merge;
mod options;
mod records;
mod reload;
mod routes;
mod silences;

use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::model::{
    Alert, AlertState, Duration, Ending, Fingerprint, Labels, RuleKey, Timestamp, Transition,
};

/// Virtual time starts here; tests speak of seconds after it.
const T0: i64 = 1_700_000_000;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(T0 + secs)
}

fn secs(n: i64) -> Duration {
    Duration::from_secs(n)
}

/// `a=b c=d`
fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split_whitespace().map(|pair| pair.split_once('=').expect(pair)))
}

fn alert(of: &str, starts: i64, ends: Option<i64>) -> Alert {
    Alert {
        labels: labels(of),
        annotations: Labels::empty(),
        starts_at: at(starts),
        ends_at: ends.map(at),
        updated_at: at(0),
        generator_url: "".into(),
        timeout: false,
    }
}

fn rule(name: &str) -> RuleKey {
    RuleKey { file: "r.yml".into(), group: "g".into(), alert: name.into(), labels: Fingerprint(1), nth: 0 }
}

fn change(of: &str, t: i64, state: AlertState) -> Transition {
    let labels = labels(of);
    Transition {
        rule: rule(labels.value("alertname")),
        labels,
        annotations: Labels::empty(),
        value: 1.5,
        at: at(t),
        state,
        frozen_since: None,
        sources: Vec::new(),
        generator_url: "".into(),
    }
}

fn fires(of: &str, t: i64) -> Transition {
    change(of, t, AlertState::Firing { since: at(t), fired_at: at(t), keep_since: None })
}

fn ends(of: &str, started: i64, t: i64) -> Transition {
    change(of, t, AlertState::Ended { fired_at: Some(at(started)), at: at(t), why: Ending::ConditionGone })
}

fn integration(receiver: &str, kind: &str) -> IntegrationOptions {
    let id = IntegrationId { receiver: receiver.into(), kind: kind.into(), key: "0".into() };
    IntegrationOptions {
        retry: RetryPolicy { jitter: 0.0, ..RetryPolicy::default() },
        ..IntegrationOptions::new(id, true)
    }
}

/// One route to receiver `r` with one webhook; `group_wait` 10 s, `group_interval` 60 s, `repeat_interval` 1 h.
fn options() -> Options {
    let route = Route {
        receiver: Some("r".into()),
        group_by: Some(GroupBy::from_names(&["alertname"]).expect("fixed")),
        group_wait: Some(secs(10)),
        group_interval: Some(secs(60)),
        repeat_interval: Some(secs(3600)),
        ..Route::default()
    };
    let receivers = BTreeMap::from([("r".into(), vec![integration("r", "webhook")])]);
    Options { route, receivers, ..Options::default() }
}

/// How a receiver answers.
type Answers = Box<dyn FnMut(Timestamp, &Send) -> Option<Outcome>>;

fn takes_all() -> Answers {
    Box::new(|_, _| Some(Outcome::Delivered { receiver_data: BTreeMap::new() }))
}

fn transient() -> Outcome {
    Outcome::Transient { error: "503".to_owned(), retry_after: None }
}

/// A machine, its clock, and receivers that answer at once.
struct Rig {
    machine: Machine,
    now: Timestamp,
    answers: Answers,
    sent: Vec<(Timestamp, Send)>,
    records: Vec<Record>,
}

impl Rig {
    fn new(options: Options) -> Self {
        assert_eq!(options.problems(), []);
        Self {
            machine: Machine::restore(Arc::new(options), Checkpoint::default()),
            now: at(0),
            answers: takes_all(),
            sent: Vec::new(),
            records: Vec::new(),
        }
    }

    fn answering(
        options: Options,
        answers: impl FnMut(Timestamp, &Send) -> Option<Outcome> + 'static,
    ) -> Self {
        Self { answers: Box::new(answers), ..Self::new(options) }
    }

    /// Performs effects; answers come back as events of the same instant.
    fn perform(&mut self, effects: Vec<Effect>) {
        let mut more = Vec::new();
        for effect in effects {
            match effect {
                Effect::Record(record) => self.records.push(record),
                Effect::Send(send) => {
                    assert_eq!(
                        send.after.0 as usize,
                        self.records.len(),
                        "a send waits for the record of its attempt"
                    );
                    let answer = (self.answers)(self.now, &send);
                    let id = send.delivery.id.clone();
                    self.sent.push((self.now, send));
                    if let Some(outcome) = answer {
                        self.machine.handle(self.now, Event::Delivered { id, outcome }, &mut more);
                    }
                }
            }
        }
        if !more.is_empty() {
            self.machine.advance(self.now, &mut more);
            self.perform(more);
        }
        assert_eq!(self.machine.violations(), Vec::<String>::new());
    }

    /// Lets time pass, stopping at each deadline.
    fn run_to(&mut self, t: i64) {
        while let Some((due, _)) = self.machine.next_deadline().filter(|(due, _)| *due <= at(t)) {
            self.now = self.now.max(due);
            let mut effects = Vec::new();
            self.machine.advance(self.now, &mut effects);
            self.perform(effects);
        }
        self.now = at(t);
    }

    fn event(&mut self, t: i64, event: Event) {
        self.run_to(t);
        let mut effects = Vec::new();
        self.machine.handle(self.now, event, &mut effects);
        self.machine.advance(self.now, &mut effects);
        self.perform(effects);
    }

    fn fire(&mut self, t: i64, of: &str) {
        self.event(t, Event::Transitions(vec![fires(of, t)]));
    }

    fn end(&mut self, t: i64, of: &str) {
        let fp = labels(of).fingerprint();
        let started = self.machine.newest(fp).map_or(at(t), |e| e.alert.starts_at);
        let state = AlertState::Ended { fired_at: Some(started), at: at(t), why: Ending::ConditionGone };
        self.event(t, Event::Transitions(vec![change(of, t, state)]));
    }

    fn receive(&mut self, t: i64, alerts: Vec<Alert>) {
        self.event(t, Event::Received(alerts));
    }

    fn reload(&mut self, t: i64, options: Options) {
        assert_eq!(options.problems(), []);
        self.event(t, Event::Reloaded(Arc::new(options)));
    }

    /// The process dies and starts again with what was recorded, under these options.
    fn restart(&mut self, t: i64, options: Options) {
        self.run_to(t);
        let mut machine = Machine::restore(Arc::new(options), Checkpoint::default());
        for record in &self.records {
            let text = record.encode();
            machine.apply(&Record::decode(&text).expect(&text));
        }
        assert_eq!(machine.differs_from(&self.machine.checkpoint()), Vec::<&str>::new());
        self.machine = machine;
        let mut effects = Vec::new();
        self.machine.advance(self.now, &mut effects);
        self.perform(effects);
    }

    /// What was sent: `10 webhook first notification +a -b`, seconds, kind, reason, firing and ended alerts by `n`.
    fn story(&self) -> Vec<String> {
        let line = |(t, send): &(Timestamp, Send)| {
            let d = &send.delivery;
            let (firing, ended): (Vec<_>, Vec<_>) = d.alerts.iter().partition(|a| a.alert.ends_at.is_none());
            let alerts = firing.into_iter().chain(ended).map(|a| {
                let sign = if a.alert.ends_at.is_some() { '-' } else { '+' };
                format!(
                    " {sign}{}",
                    a.alert.labels.get("n").unwrap_or_else(|| a.alert.labels.value("alertname"))
                )
            });
            let alerts: String = alerts.collect();
            format!("{} {} {}{alerts}", t.since(at(0)).as_millis() / 1000, d.integration.kind, d.reason)
        };
        self.sent.iter().map(line).collect()
    }

    fn why(&self, of: &str) -> Vec<Reason> {
        let fp = labels(of).fingerprint();
        let episode =
            self.machine.newest(fp).or_else(|| self.machine.past().find(|e| e.id.fingerprint == fp));
        self.machine.why(episode.expect("known").id).into_iter().map(|w| w.reason).collect()
    }
}
