use std::{collections::BTreeMap, sync::Arc, time::Duration as StdDuration};

use botwatch_core::{
    alerting::{self, Ended, Episode},
    diag::SourceText,
    model::{Duration, Ending, Labels, SourceId, Sources, Timestamp},
    promql::{EvalOptions, ParseOptions},
    rules::{NoData, Reaches, Schedule, Shared, parse_file},
    tsdb::{self, Commit, SourceState, Visibility},
};
use prometheus::Registry;

use super::{
    Evaluation, Handle, Health, Options, Parts, RuleKind,
    schedule::{Entry, Reads, Rhythms, reads, without_circles},
    start,
};
use crate::{
    dispatch,
    runtime::{Clock, Tasks},
    samples::Store,
    store::{Journal, Retention},
};

const fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(secs)
}

fn options(rules: &str, evaluation: Evaluation) -> Options {
    let source = SourceText::new("rules.yml", rules);
    let (groups, problems) = parse_file(&source, &ParseOptions::default());
    assert!(problems.is_empty(), "{problems:?}");
    let rules = groups.iter().flat_map(|g| &g.rules);
    let interval = Duration::from_secs(5);
    let reaches = Reaches::new(rules.filter(|r| r.alert.is_none()).map(|r| (&r.name, &r.expr, interval)));
    Options {
        shared: Shared {
            interval: Duration::from_secs(5),
            query_offset: Duration::ZERO,
            no_data: NoData::Keep,
            external_url: "http://127.0.0.1:9095".into(),
            reaches,
        },
        groups,
        evaluation,
        external_labels: Labels::empty(),
        eval: EvalOptions::prometheus(),
        warm_up: Duration::from_secs(11),
        tell_blind_after: Some(Options::TELL_BLIND_AFTER),
        tell_all_blind: false,
    }
}

struct World {
    clock: Clock,
    store: Store,
    tasks: Tasks,
    dispatch: dispatch::Handle,
    rules: Handle,
    bot: SourceId,
}

struct Nobody;

impl dispatch::Courier for Nobody {
    fn send(&self, _: alerting::Send) {}
}

impl World {
    async fn new(dir: &std::path::Path, now: Timestamp, options: Options) -> Self {
        Self::after(dir, now, options, None).await
    }

    /// As a process that follows one which was last alive then.
    async fn after(
        dir: &std::path::Path,
        now: Timestamp,
        options: Options,
        alive: Option<Timestamp>,
    ) -> Self {
        let (tasks, _) = Tasks::new();
        let clock = Clock::manual(now);
        let store = Store::new(tsdb::Options::default());
        let bot = store.source("bot at 127.0.0.1:3000");
        let restored = dispatch::restore(dir, Arc::default(), now).expect("restored");
        let retention = Retention { age: Duration::from_secs(86_400), bytes_max: 1 << 20 };
        let seq = restored.machine.seq();
        let journal =
            Journal::start(&tasks, Box::new(restored.backend), seq, 1, retention).expect("a thread");
        let parts = dispatch::Parts {
            machine: restored.machine,
            journal,
            courier: Arc::new(Nobody),
            clock: clock.clone(),
        };
        let dispatch = dispatch::start(&tasks, parts, &Registry::new()).expect("a thread");
        let parts = Parts {
            tasks: tasks.clone(),
            clock: clock.clone(),
            store: store.clone(),
            dispatch: dispatch.clone(),
            threads_max: 2,
            alive,
        };
        let rules = start(parts, options, &Registry::new()).await.expect("running");
        Self { clock, store, tasks, dispatch, rules, bot }
    }

    /// The bot's scrape at the clock's time; `None` fails.
    fn scrape(&self, samples: Option<&[(&str, f64)]>) {
        let now = self.clock.now();
        let series: Vec<Labels> = samples
            .unwrap_or_default()
            .iter()
            .map(|(name, _)| Labels::from_pairs([("__name__", *name), ("bot", "b")]))
            .collect();
        let sources = Sources::one(self.bot);
        let ids = self.store.series(series.iter().map(|l| (l, &sources)));
        let values = samples.unwrap_or_default().iter().map(|(_, v)| *v);
        let mut batch: Vec<_> = ids.iter().zip(values).map(|(id, v)| (id.expect("room"), now, v)).collect();
        let seen = if samples.is_some() { Visibility::Seeing } else { Visibility::Blind };
        if samples.is_none() {
            // What collect does when a scrape fails: stale markers for all that was there.
            let all = Labels::from_pairs([("__name__", "memory"), ("bot", "b")]);
            let id = self.store.series([(&all, &sources)])[0].expect("room");
            batch.push((id, now, botwatch_core::model::stale_nan()));
        }
        self.store.commit(Commit { samples: batch, sources: vec![(self.bot, seen, now)] });
    }

    async fn episodes(&self) -> Vec<Episode> {
        self.dispatch.read(|m| m.alerts().cloned().collect()).await.expect("running")
    }

    /// Alert names, with how they stand.
    async fn standing(&self) -> BTreeMap<String, &'static str> {
        let word = |e: &Episode| match &e.ended {
            Some(Ended { why: Ending::RuleRemoved, .. }) => "rule removed",
            Some(_) => "ended",
            None => "firing",
        };
        let all = self.episodes().await;
        all.iter().map(|e| (e.alert.labels.value("alertname").to_owned(), word(e))).collect()
    }

    async fn until(&self, wanted: &[(&str, &str)]) {
        let wanted: BTreeMap<String, &str> = wanted.iter().map(|(n, s)| ((*n).to_owned(), *s)).collect();
        let mut seen = BTreeMap::new();
        for _ in 0..1000 {
            seen = self.standing().await;
            if seen.iter().map(|(n, s)| (n.clone(), *s)).collect::<BTreeMap<_, _>>() == wanted {
                return;
            }
            tokio::time::sleep(StdDuration::from_millis(5)).await;
        }
        panic!("wanted {wanted:?}, it is {seen:?}");
    }

    /// Waits until every group has been evaluated at the clock's time or later.
    async fn evaluated(&self) {
        let now = self.clock.now();
        for _ in 0..1000 {
            if self.rules.groups().iter().all(|g| g.last_evaluation.is_some_and(|t| t >= now)) {
                return;
            }
            tokio::time::sleep(StdDuration::from_millis(5)).await;
        }
        let seen: Vec<_> = self.rules.groups().iter().map(|g| (g.name.clone(), g.last_evaluation)).collect();
        panic!("not evaluated by {now}: {seen:?}");
    }

    /// One slot: the clock moves, the bot is scraped, everything is evaluated.
    async fn slot(&self, secs: i64, samples: Option<&[(&str, f64)]>) {
        self.clock.set(at(secs));
        self.scrape(samples);
        self.evaluated().await;
    }

    async fn stop(self) {
        assert!(self.tasks.stop(StdDuration::from_secs(10)).await, "stopped in time");
    }
}

const RULES: &str = "
groups:
- name: signals
  rules:
  - record: bot:memory
    expr: memory * 2
- name: alerts
  rules:
  - alert: MemoryHigh
    expr: bot:memory > 10
    labels: {severity: warning}
  - alert: Slow
    expr: latency > 1
    for: 10s
";

#[tokio::test(flavor = "multi_thread")]
async fn data_decides_at_once_blindness_freezes_and_is_told_and_sight_resolves() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::new(dir.path(), at(1000), options(RULES, Evaluation::OnData)).await;
    assert!(!world.rules.is_warm(), "nothing is decided before the bot was scraped");
    world.slot(1000, Some(&[("memory", 1.0), ("latency", 0.1)])).await;
    world.slot(1005, Some(&[("memory", 9.0), ("latency", 0.1)])).await;
    world.until(&[("MemoryHigh", "firing")]).await;
    for secs in (1010..1060).step_by(5) {
        world.slot(secs, None).await;
    }
    world.until(&[("MemoryHigh", "firing"), ("SourceBlind", "firing")]).await;
    let frozen = world.episodes().await.into_iter().filter_map(|e| e.frozen_since).collect::<Vec<_>>();
    assert_eq!(frozen, [at(1010)]);
    world.slot(1060, Some(&[("memory", 9.0), ("latency", 0.1)])).await;
    world.clock.set(at(1065));
    world.until(&[("MemoryHigh", "firing"), ("SourceBlind", "ended")]).await;
    world.slot(1070, Some(&[("memory", 1.0), ("latency", 0.1)])).await;
    world.until(&[("MemoryHigh", "ended"), ("SourceBlind", "ended")]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_pending_timers_and_ends_what_was_removed() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = World::new(dir.path(), at(1000), options(RULES, Evaluation::OnData)).await;
    let high: &[(&str, f64)] = &[("memory", 9.0), ("latency", 2.0)];
    world.slot(1000, Some(high)).await;
    world.slot(1005, Some(high)).await;
    world.until(&[("MemoryHigh", "firing")]).await;
    let edited = RULES.replace("MemoryHigh", "MemoryTooHigh");
    world.rules.reload(options(&edited, Evaluation::OnData)).await;
    world.until(&[("MemoryHigh", "rule removed"), ("MemoryTooHigh", "firing")]).await;
    world.slot(1010, Some(high)).await;
    world.until(&[("MemoryHigh", "rule removed"), ("MemoryTooHigh", "firing"), ("Slow", "firing")]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_alerts_go_on_and_pending_ones_keep_their_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let high: &[(&str, f64)] = &[("memory", 9.0), ("latency", 2.0)];
    let world = World::new(dir.path(), at(1000), options(RULES, Evaluation::OnData)).await;
    world.slot(1000, Some(high)).await;
    world.slot(1005, Some(high)).await;
    world.until(&[("MemoryHigh", "firing")]).await;
    world.stop().await;

    let world = World::new(dir.path(), at(1008), options(RULES, Evaluation::OnData)).await;
    world.until(&[("MemoryHigh", "firing")]).await;
    // The bot answers, but not with the metric that the alert is about: gone, positively, as soon as what records it
    // has had its turn since the bot was seen again.
    world.slot(1010, Some(&[("latency", 2.0)])).await;
    world.until(&[("MemoryHigh", "firing"), ("Slow", "firing")]).await;
    world.slot(1015, Some(&[("latency", 2.0)])).await;
    world.until(&[("MemoryHigh", "ended"), ("Slow", "firing")]).await;
    world.stop().await;

    // Down at start: nothing is resolved from an empty head.
    let world = World::new(dir.path(), at(1020), options(RULES, Evaluation::OnData)).await;
    world.slot(1020, None).await;
    world.slot(1025, None).await;
    world.until(&[("MemoryHigh", "ended"), ("Slow", "firing")]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_alert_does_not_count_the_time_in_which_botwatch_did_not_run() {
    let dir = tempfile::tempdir().expect("a directory");
    let slow: &[(&str, f64)] = &[("latency", 2.0)];
    let world = World::new(dir.path(), at(1000), options(RULES, Evaluation::OnData)).await;
    world.slot(1000, Some(slow)).await;
    world.slot(1005, Some(slow)).await;
    world.stop().await;

    let world = World::after(dir.path(), at(1030), options(RULES, Evaluation::OnData), Some(at(1006))).await;
    world.slot(1030, Some(slow)).await;
    assert_eq!(world.standing().await, BTreeMap::new(), "it has held for six of ten seconds");
    world.slot(1035, Some(slow)).await;
    world.until(&[("Slow", "firing")]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_the_course_of_a_value_can_be_looked_at() {
    let dir = tempfile::tempdir().expect("a directory");
    let broken = "
groups:
- name: g
  rules:
  - alert: MemoryHigh
    expr: (memory > 10) and on(bot) latency
    for: 1h
  - record: twice
    expr: label_replace({__name__=~\"memory|latency\"}, \"__name__\", \"x\", \"\", \"\")
  - alert: IsOne
    expr: latency == 1
";
    let world = World::new(dir.path(), at(1000), options(broken, Evaluation::Slots)).await;
    for i in 0..10_i32 {
        world.clock.set(at(1000 + 5 * i64::from(i)));
        world.scrape(Some(&[("memory", 20.0 + f64::from(i)), ("latency", 1.0)]));
    }
    world.clock.set(at(1060));
    world.scrape(Some(&[("memory", 50.0), ("latency", 1.0)]));
    let mut group = None;
    for _ in 0..1000 {
        group = world.rules.groups().into_iter().find(|g| g.last_evaluation.is_some_and(|t| t >= at(1050)));
        if group.is_some() {
            break;
        }
        tokio::time::sleep(StdDuration::from_millis(5)).await;
    }
    let group = group.expect("evaluated");
    assert_eq!(group.rules[1].health, Health::Bad);
    assert!(group.rules[1].last_error.as_ref().is_some_and(|e| e.contains("same labelset")), "{group:?}");
    assert!(group.failures > 0 && group.evaluations > group.failures);
    let RuleKind::Alerting { alerts, .. } = &group.rules[0].kind else { panic!("an alert") };
    let course = world.rules.course(&alerts[0].labels, at(1060), Duration::from_secs(60)).expect("a course");
    assert_eq!((&*course.expr, course.comparison, course.threshold), ("memory", ">", Some(10.0)));
    assert_eq!(course.points.first(), Some(&(at(1000), 20.0)));
    assert_eq!(course.points.last(), Some(&(at(1060), 50.0)));
    let RuleKind::Alerting { alerts, .. } = &group.rules[2].kind else { panic!("an alert") };
    let course = world.rules.course(&alerts[0].labels, at(1060), Duration::from_secs(60)).expect("a course");
    assert_eq!((course.comparison, course.threshold), ("==", None), "a state has no threshold");
    world.stop().await;
}

const RHYTHM: i64 = 5;
const DONE: Reads = Reads { done: true, newest: None };

/// A source that reported at these times.
fn reported(times: &[i64]) -> Rhythms {
    let mut rhythms = Rhythms::default();
    for t in times {
        let state = SourceState { reported: Some(at(*t)), ..SourceState::NEVER_REPORTED };
        rhythms.learn(SourceId(0), &state);
    }
    rhythms
}

#[test]
fn a_group_waits_for_its_sources_but_not_past_its_slot() {
    let schedule = Schedule::aligned(Duration::from_secs(RHYTHM));
    let entry = || Entry {
        done: Some(at(95)),
        last: Some(at(95)),
        sources: vec![SourceId(0)],
        ..Entry::new(schedule, at(100))
    };
    // (what reported, now, reads done) → evaluated at
    for (times, now, done, expected) in [
        (&[92, 97][..], 101, true, None),
        (&[97, 102], 102, true, Some(102)),
        (&[97, 102], 102, false, None),
        (&[97, 102], 105, false, None),
        (&[97, 102], 106, false, Some(102)),
        // Cut off by the slot's end: waited for a little longer.
        (&[92, 97], 105, true, None),
        (&[97, 102], 105, true, Some(102)),
        (&[92, 97], 106, true, Some(105)),
        // It reports every 15 s: not in this slot.
        (&[80, 95], 100, true, Some(100)),
        // Its second report will tell how often it does.
        (&[97], 101, true, None),
    ] {
        let reads = Reads { done, newest: None };
        let found = entry().due(at(now), Evaluation::OnData, &reported(times), reads);
        assert_eq!(found, expected.map(at), "{times:?} at {now}");
    }
    // What another group wrote later than the newest scrape is read too.
    let reads = Reads { done: true, newest: Some(at(103)) };
    assert_eq!(entry().due(at(104), Evaluation::OnData, &reported(&[97, 102]), reads), Some(at(103)));
    let fresh = || Entry { done: None, last: None, ..entry() };
    let unread = Reads { done: false, newest: None };
    assert_eq!(
        fresh().due(at(101), Evaluation::OnData, &reported(&[100]), unread),
        None,
        "also the first time"
    );
    assert_eq!(fresh().due(at(101), Evaluation::OnData, &reported(&[100]), DONE), Some(at(101)));
    assert_eq!(Entry::later(schedule, at(101)).slot, at(105));
    let mut idle = Entry { sources: Vec::new(), ..entry() };
    assert_eq!(idle.due(at(99), Evaluation::OnData, &Rhythms::default(), DONE), None);
    assert_eq!(idle.due(at(100), Evaluation::OnData, &Rhythms::default(), DONE), Some(at(100)));
    assert_eq!(idle.due(at(101), Evaluation::OnData, &Rhythms::default(), DONE), None, "it runs");
    idle.ended();
    assert_eq!((idle.slot, idle.done), (at(105), Some(at(100))));
    assert_eq!(idle.due(at(131), Evaluation::Slots, &Rhythms::default(), DONE), Some(at(125)));
    assert_eq!(idle.missed, 4, "105 to 120");
}

#[test]
fn groups_that_read_each_other_do_not_wait_for_each_other() {
    let all = [vec![1], vec![2], vec![1, 3], vec![], vec![4, 0]];
    assert_eq!(without_circles(&all), [vec![1], vec![], vec![3], vec![], vec![0]]);
    let schedule = Schedule::aligned(Duration::from_secs(5));
    let mut entries = vec![Entry::new(schedule, at(100)), Entry::new(schedule, at(100))];
    entries[1].reads = vec![0];
    assert!(!reads(&entries, 1).done);
    (entries[0].done, entries[0].last) = (Some(at(100)), Some(at(102)));
    assert_eq!(reads(&entries, 1), Reads { done: true, newest: Some(at(102)) });
}
