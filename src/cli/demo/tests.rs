use std::{collections::BTreeMap, collections::BTreeSet, sync::Arc};

use botwatch_core::{
    exposition::{Entry, Format, Parser},
    model::{AlertState, Duration, Labels, SourceId, Sources, Timestamp},
    promql::{EvalOptions, ParseOptions},
    rules::{Group, NoData, Reaches, Rule, Shared, Sight, Written, parse_file},
    tsdb::{Commit, Head, Options, Visibility},
};

use super::{bot, script::Script};
use crate::config::shipped;

/// Sees everything.
struct Eye;

impl Sight for Eye {
    fn is_blind(&self, _: SourceId, _: Timestamp) -> bool {
        false
    }
    fn source_name(&self, _: SourceId) -> Arc<str> {
        "bot".into()
    }
}

/// The shipped rules over the simulated bot, on virtual time.
struct World {
    head: Head,
    groups: Vec<Group>,
    source: SourceId,
    /// `alertname/severity` that fire.
    firing: BTreeSet<String>,
}

impl World {
    fn new() -> Self {
        let mut specs = Vec::new();
        for source in shipped::rule_files() {
            let (groups, problems) = parse_file(&source, &ParseOptions::default());
            assert!(problems.is_empty(), "{problems:?}");
            specs.extend(groups);
        }
        let shared = Shared {
            interval: Duration::from_secs(5),
            query_offset: Duration::ZERO,
            no_data: NoData::Keep,
            external_url: "".into(),
            reaches: Reaches::default(),
        };
        let mut head = Head::new(Options::default());
        let source = head.source("bot");
        let groups: Vec<Group> = specs.into_iter().map(|spec| Group::new(spec, &shared)).collect();
        Self { head, groups, source, firing: BTreeSet::new() }
    }

    fn commit(&mut self, at: Timestamp, samples: &[Written]) {
        let sources = Sources::one(self.source);
        let mut commit = Commit { samples: Vec::new(), sources: vec![(self.source, Visibility::Seeing, at)] };
        for sample in samples {
            let id = self.head.series(&sample.labels, &sources).expect("room");
            commit.samples.push((id, at, sample.value));
        }
        let report = self.head.commit(&commit);
        assert_eq!(report.appended, samples.len() as u64, "{report:?}");
    }

    /// A scrape and an evaluation of everything; what began to fire or ended, in order.
    fn step(&mut self, script: &Script, at: Timestamp) -> Vec<String> {
        let scraped = scrape(&bot::page(script, at));
        self.commit(at, &scraped);
        let mut changes = Vec::new();
        for nth in 0..self.groups.len() {
            for rule in 0..self.groups[nth].rules().len() {
                let group = &mut self.groups[nth];
                let options = EvalOptions::prometheus();
                let mut expand = |_: &str, text: &str, _: &Labels, _: f64| Ok(text.to_owned());
                let outcome =
                    group.step(rule, at, &self.head, &options, &Eye, &mut expand).expect("evaluates");
                for t in &outcome.transitions {
                    let name = format!("{}/{}", t.labels.value("alertname"), t.labels.value("severity"));
                    match t.state {
                        AlertState::Firing { .. } if self.firing.insert(name.clone()) => changes.push(name),
                        AlertState::Ended { .. } if self.firing.remove(&name) => {
                            changes.push(format!("{name} over"));
                        }
                        _ => {}
                    }
                }
                if !outcome.written.is_empty() {
                    self.commit(outcome.at, &outcome.written);
                }
            }
        }
        changes
    }
}

fn scrape(page: &str) -> Vec<Written> {
    let target = [("bot", "paper-bot"), ("job", "bot"), ("instance", "127.0.0.1:1")];
    let labelled = |labels: &Labels| {
        let mut builder = labels.builder();
        for (name, value) in target {
            builder.set(name, value);
        }
        builder.finish()
    };
    let mut samples = vec![(labelled(&Labels::from_pairs([("__name__", "up")])), 1.0)];
    let mut parser = Parser::new(page.as_bytes(), Format::Text);
    while let Some(entry) = parser.next_entry().expect("the page parses") {
        if let Entry::Sample(sample) = entry {
            samples.push((labelled(&sample.labels().expect("labels")), sample.value));
        }
    }
    let written = |(labels, value)| Written { labels, value, sources: Sources::NONE };
    samples.into_iter().map(written).collect()
}

#[test]
fn a_healthy_hour_raises_no_alert_and_a_leak_raises_the_two_of_memory() {
    let (mut world, begun) = (World::new(), Timestamp::from_secs(1_790_000_000));
    let script = Script::new(begun);
    for minute in 0..120 {
        let changes = world.step(&script, begun + Duration::from_secs(30 * minute));
        assert_eq!(changes, [""; 0], "half minute {minute}");
    }
    // Every recording had something to read: without it silence says nothing. Throttling is the process', and a healthy
    // bot has no errors to count.
    let unread = ["bot:cpu_throttled:percent", "bot:api_errors:percent"];
    for rule in world.groups.iter().flat_map(Group::rules) {
        let Rule::Recording(rule) = rule else { continue };
        let matcher = botwatch_core::model::Matcher::equal("__name__", Arc::clone(&rule.record));
        let has_samples = !world.head.sources_of(&[matcher]).is_empty();
        assert_eq!(has_samples, !unread.contains(&&*rule.record), "{}", rule.record);
    }

    let leak = begun + Duration::from_secs(3600);
    assert!(script.leak(leak) && !script.leak(leak + Duration::from_secs(60)));
    let mut changes = BTreeMap::new();
    for step in 0..60 {
        for change in world.step(&script, leak + Duration::from_secs(5 * step)) {
            changes.insert(change, 5 * step);
        }
    }
    let (warning, critical) = ("MemoryUsageHigh/warning", "MemoryUsageHigh/critical");
    let names: Vec<&str> = changes.keys().map(String::as_str).collect();
    let (warned, paged) = (format!("{warning} over"), format!("{critical} over"));
    assert_eq!(names, [critical, &*paged, warning, &*warned]);
    assert!(changes[critical] < changes[warning] && changes[warning] < changes[&paged], "{changes:?}");
}

#[test]
fn pages_never_go_backwards() {
    let begun = Timestamp::from_secs(1_790_000_000);
    let script = Script::new(begun);
    let counters = |at| -> BTreeMap<String, f64> {
        let counts =
            |w: &Written| ["_total", "_bucket", "_count"].iter().any(|e| w.labels.name().ends_with(e));
        scrape(&bot::page(&script, at))
            .into_iter()
            .filter(counts)
            .map(|w| (w.labels.to_string(), w.value))
            .collect()
    };
    let mut last = counters(begun);
    assert!(last.len() > 40);
    for second in 1..600 {
        let next = counters(begun + Duration::from_millis(700 * second));
        for (series, value) in &next {
            assert!(value >= &last[series], "{series} fell to {value}");
        }
        last = next;
    }
}
