use std::collections::{BTreeMap, BTreeSet};

use botwatch_core::{
    exposition::{Format, Pair},
    model::{Duration, Labels, Timestamp},
    relabel,
    tsdb::SeriesId,
};
use proptest::prelude::*;

use super::{
    Error,
    absorb::{Absorbed, Answer, Counts, SAMPLES_MAX, absorb},
    cache::Cache,
    health::{Failures, Say},
    labels, schedule,
};
use crate::{
    collect::{JobOptions, tests::job},
    runtime::Stop,
};

/// A head that only gives out ids.
#[derive(Default)]
struct Ids {
    by_labels: BTreeMap<Labels, SeriesId>,
    asked: usize,
    refuse: BTreeSet<String>,
}

impl Ids {
    fn make(&mut self, wanted: &[Labels]) -> Vec<Option<SeriesId>> {
        self.asked += wanted.len();
        let mut one = |labels: &Labels| {
            let next = SeriesId(self.by_labels.len() as u32);
            (!self.refuse.contains(labels.name()))
                .then(|| *self.by_labels.entry(labels.clone()).or_insert(next))
        };
        wanted.iter().map(&mut one).collect()
    }

    fn names(&self, ids: &[SeriesId]) -> Vec<String> {
        let name = |id: &SeriesId| self.by_labels.iter().find(|(_, i)| *i == id).expect("given out").0;
        let mut names: Vec<String> = ids.iter().map(|id| name(id).name().to_owned()).collect();
        names.sort();
        names
    }
}

fn scrape(
    body: &str,
    job: &JobOptions,
    cache: &mut Cache,
    ids: &mut Ids,
) -> Result<Absorbed, (Error, Counts)> {
    let target = Labels::from_pairs([("job", "bot")]);
    let stop = &Stop::new();
    let body = body.as_bytes();
    let answer = Answer { body, format: Format::Text, at: Timestamp(1000), target: &target, stop };
    absorb(&answer, job, cache, &mut |labels| ids.make(labels))
}

fn counts(scraped: usize, kept: usize, added: usize, duplicates: usize) -> Counts {
    Counts { scraped, kept, added, duplicates, native_skipped: 0 }
}

#[test]
fn series_come_vanish_and_come_back() {
    let (mut cache, mut ids, job) = (Cache::new(1), Ids::default(), job("bot"));
    for (body, expected, missing) in [
        ("a 1\nb 2\nc 3\n", counts(3, 3, 3, 0), &[][..]),
        ("a 1\nb 2\nc 3\n", counts(3, 3, 0, 0), &[]),
        ("a 1\nc 3\n", counts(2, 2, 0, 0), &["b"]),
        ("c 3\na 1\n", counts(2, 2, 0, 0), &[]),
        ("c 3\nb 2\nd 4\na 1\n", counts(4, 4, 2, 0), &[]),
        ("c 3\n", counts(1, 1, 0, 0), &["a", "b", "d"]),
        ("", counts(0, 0, 0, 0), &["c"]),
        ("", counts(0, 0, 0, 0), &[]),
    ] {
        let absorbed = scrape(body, &job, &mut cache, &mut ids).expect("a scrape");
        assert_eq!(absorbed.counts, expected, "{body:?}");
        assert_eq!(absorbed.samples.len(), expected.kept, "{body:?}");
        assert_eq!(ids.names(&absorbed.missing), missing, "{body:?}");
    }
    assert_eq!(ids.by_labels.len(), 4);
}

#[test]
fn a_failed_scrape_ends_all_series_once_and_forgets_nothing() {
    let (mut cache, mut ids, job) = (Cache::new(1), Ids::default(), job("bot"));
    scrape("a 1\nb 2\n", &job, &mut cache, &mut ids).expect("a scrape");
    let (error, found) = scrape("a 1\nnew 1\nb two\n", &job, &mut cache, &mut ids).expect_err("no number");
    assert!(error.to_string().starts_with("line 3, column 3"), "{error}");
    assert_eq!(found.scraped, 2);
    assert_eq!(ids.names(&cache.fail()), ["a", "b"]);
    assert_eq!(cache.fail(), []);
    let asked = ids.asked;
    let back = scrape("a 1\nb 2\n", &job, &mut cache, &mut ids).expect("a scrape");
    assert_eq!((back.samples.len(), back.missing.len(), ids.asked), (2, 0, asked));
    assert_eq!(cache.fail().len(), 2);
}

/// Spec S13: the first sample counts; two spellings of one series don't end it when one goes.
#[test]
fn a_series_twice_in_a_scrape() {
    let (mut cache, mut ids, job) = (Cache::new(1), Ids::default(), job("bot"));
    for added in [1, 0] {
        let absorbed = scrape("a 1\na 2\na 3\n", &job, &mut cache, &mut ids).expect("a scrape");
        assert_eq!(absorbed.counts, counts(3, 3, added, 2));
        assert_eq!(absorbed.samples.iter().map(|s| s.2).collect::<Vec<_>>(), [1.0]);
    }
    // Each with its own time they are different samples.
    let absorbed = scrape("a 1 5\na 2 6\n", &job, &mut cache, &mut ids).expect("a scrape");
    assert_eq!(absorbed.samples.iter().map(|s| (s.1.0, s.2)).collect::<Vec<_>>(), [(5, 1.0), (6, 2.0)]);
    let two = "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n";
    scrape(two, &job, &mut cache, &mut ids).expect("a scrape");
    let one = scrape("a{y=\"2\",x=\"1\"} 1\n", &job, &mut cache, &mut ids).expect("a scrape");
    assert_eq!(one.missing, []);
}

/// Spec S10.
#[test]
fn exposed_times_are_used_and_not_tracked() {
    let ignoring = JobOptions { honor_timestamps: false, ..job("bot") };
    let tracking = JobOptions { track_timestamps_staleness: true, ..job("bot") };
    for (job, time, missing) in [(&job("bot"), 7, 0), (&ignoring, 1000, 1), (&tracking, 7, 1)] {
        let (mut cache, mut ids) = (Cache::new(1), Ids::default());
        let absorbed = scrape("a 1 7\n", job, &mut cache, &mut ids).expect("a scrape");
        assert_eq!(absorbed.samples[0].1, Timestamp(time));
        assert_eq!(scrape("", job, &mut cache, &mut ids).expect("a scrape").missing.len(), missing);
    }
}

#[test]
fn refused_series_are_asked_for_again_and_dropped_ones_are_not() {
    let drop = relabel::Spec {
        source_labels: Some(vec!["__name__".into()]),
        regex: Some("no_.*".into()),
        action: Some("drop".into()),
        ..relabel::Spec::default()
    };
    let rule = relabel::Rule::new(drop, relabel::NameValidation::default()).expect("a rule");
    let job = JobOptions { metric_relabel: vec![rule], ..job("bot") };
    let (mut cache, mut ids) = (Cache::new(1), Ids::default());
    ids.refuse.insert("full".to_owned());
    for asked in [2, 3, 4] {
        let absorbed = scrape("a 1\nfull 1\nno_1 1\nno_1 1\n", &job, &mut cache, &mut ids).expect("a scrape");
        assert_eq!((absorbed.samples.len(), absorbed.counts.kept, ids.asked), (1, 2, asked));
    }
    ids.refuse.clear();
    let absorbed = scrape("a 1\nfull 1\nno_1 1\n", &job, &mut cache, &mut ids).expect("a scrape");
    assert_eq!((absorbed.samples.len(), cache.len()), (2, 3));
    cache.forget(|id| id == absorbed.samples[0].0);
    let again = scrape("a 1\nfull 1\nno_1 1\n", &job, &mut cache, &mut ids).expect("a scrape");
    assert_eq!((again.samples.len(), again.missing.len(), again.counts.added), (2, 0, 1));
}

#[test]
fn other_rules_make_other_series_and_end_the_old_ones() {
    let (mut cache, mut ids) = (Cache::new(1), Ids::default());
    let honoring = JobOptions { honor_labels: true, ..job("bot") };
    let body = "a{job=\"x\"} 1\nb 1\n";
    let first = scrape(body, &job("bot"), &mut cache, &mut ids).expect("a scrape");
    cache.invalidate();
    let second = scrape(body, &honoring, &mut cache, &mut ids).expect("a scrape");
    assert_eq!(second.missing, [first.samples[0].0], "b is still the same series");
    assert_eq!(second.samples[1].0, first.samples[1].0);
}

#[test]
fn limits_fail_the_whole_scrape() {
    let base = || job("bot");
    let cases = [
        (JobOptions { sample_limit: 2, ..base() }, "3 samples, and 2 are allowed (`sample_limit`)"),
        (JobOptions { sample_limit: 3, ..base() }, ""),
        (JobOptions { label_limit: 2, ..base() }, "has 3 labels, and 2 are allowed (`label_limit`)"),
        (JobOptions { label_limit: 3, ..base() }, ""),
        (JobOptions { label_name_length_limit: 8, ..base() }, "has 9 bytes, and 8 are"),
        (JobOptions { label_name_length_limit: 9, ..base() }, ""),
        (JobOptions { label_value_length_limit: 4, ..base() }, "label `long_name` of `c` has 5 bytes"),
        (JobOptions { label_value_length_limit: 5, ..base() }, ""),
    ];
    for (job, expected) in cases {
        let (mut cache, mut ids) = (Cache::new(1), Ids::default());
        let body = "a 1\nb 1\nc{long_name=\"12345\"} 1\n";
        match scrape(body, &job, &mut cache, &mut ids) {
            Ok(absorbed) => assert_eq!((absorbed.samples.len(), expected), (3, "")),
            Err((error, _)) => {
                let text = error.to_string();
                assert!(!expected.is_empty() && text.contains(expected), "{text}, expected {expected}");
                assert_eq!((cache.len(), ids.asked), (0, 0), "{text}: nothing is kept");
            }
        }
    }
}

/// What can't be kept isn't read to its end: neither gets to the line that is no sample.
#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let drop = relabel::Spec { action: Some("drop".into()), ..relabel::Spec::default() };
    let rule = relabel::Rule::new(drop, relabel::NameValidation::default()).expect("a rule");
    let dropping = JobOptions { metric_relabel: vec![rule], ..job("bot") };
    for (job, samples, expected) in [
        (job("bot"), SAMPLES_MAX + 1, "250001 samples, and 250000 are allowed"),
        (dropping, 2 * SAMPLES_MAX + 1, "more than 500000 samples"),
    ] {
        let (mut cache, mut ids) = (Cache::new(1), Ids::default());
        let body = "a 1\n".repeat(samples) + "!\n";
        let (error, _) = scrape(&body, &job, &mut cache, &mut ids).expect_err("too many");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_scrape_that_nobody_wants_stops() {
    let (mut cache, mut ids) = (Cache::new(1), Ids::default());
    let (stop, target, body) = (Stop::new(), Labels::empty(), "a 1\n".repeat(2000));
    stop.cancel();
    let answer = Answer {
        body: body.as_bytes(),
        format: Format::Text,
        at: Timestamp(1),
        target: &target,
        stop: &stop,
    };
    let outcome = absorb(&answer, &job("bot"), &mut cache, &mut |labels| ids.make(labels));
    let (error, counts) = outcome.expect_err("stopped");
    assert!(matches!(error, Error::Stopped) && counts.scraped < 2000, "{error} after {}", counts.scraped);
}

/// Spec S11, S12.
#[test]
fn labels_of_target_and_sample_are_merged() {
    let stored = |exposed: &[(&'static str, &'static str)], target: &[(&str, &str)], honor| {
        let pairs: Vec<Pair<'_>> = exposed.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        let job = JobOptions { honor_labels: honor, ..job("bot") };
        let target = Labels::from_pairs(target.iter().copied());
        labels::stored(&pairs, &target, &job).expect("within limits").expect("kept").to_string()
    };
    let name = ("__name__", "a");
    for (exposed, target, honor, expected) in [
        (vec![name], vec![("x", "t")], false, r#"{__name__="a", x="t"}"#),
        (vec![name, ("x", "e")], vec![("x", "t")], false, r#"{__name__="a", exported_x="e", x="t"}"#),
        (vec![name, ("x", "e")], vec![("x", "t")], true, r#"{__name__="a", x="e"}"#),
        (vec![name, ("x", "")], vec![("x", "t")], true, r#"{__name__="a"}"#),
        (vec![name, ("x", "")], vec![("x", "t")], false, r#"{__name__="a", x="t"}"#),
        (vec![name, ("y", "e")], vec![("x", "t")], true, r#"{__name__="a", x="t", y="e"}"#),
        (
            vec![name, ("exported_x", "o"), ("x", "e")],
            vec![("x", "t")],
            false,
            r#"{__name__="a", exported_exported_x="e", exported_x="o", x="t"}"#,
        ),
        (
            vec![name, ("exported_x", "o"), ("x", "e")],
            vec![("exported_x", "u"), ("x", "t")],
            false,
            r#"{__name__="a", exported_exported_exported_x="o", exported_exported_x="e", exported_x="u", x="t"}"#,
        ),
    ] {
        assert_eq!(stored(&exposed, &target, honor), expected);
    }
}

#[test]
fn a_sample_needs_a_name_after_relabelling() {
    let spec = relabel::Spec {
        action: Some("labeldrop".into()),
        regex: Some("__name__".into()),
        ..relabel::Spec::default()
    };
    let rule = relabel::Rule::new(spec, relabel::NameValidation::default()).expect("a rule");
    let job = JobOptions { metric_relabel: vec![rule], ..job("bot") };
    let (mut cache, mut ids) = (Cache::new(1), Ids::default());
    let (error, _) = scrape("a 1\n", &job, &mut cache, &mut ids).expect_err("no name");
    assert!(error.to_string().contains("no metric name"), "{error}");
}

#[test]
fn slots_lie_on_a_grid_and_near_misses_are_put_on_it() {
    let second = Duration::from_secs(1);
    let offset = Duration::from_millis(300);
    for (after, slot) in [(0, 300), (299, 300), (300, 1300), (1299, 1300), (-701, -700), (5000, 5300)] {
        assert_eq!(schedule::next_slot(Timestamp(after), offset, second), Timestamp(slot), "after {after}");
    }
    for (began, slot, interval, at) in [
        (1302, Some(1300), 1000, 1300),
        (1303, Some(1300), 1000, 1303),
        (1301, Some(1300), 100, 1300),
        (1302, Some(1300), 100, 1302),
        (1302, None, 1000, 1302),
    ] {
        let aligned = schedule::align(Timestamp(began), slot.map(Timestamp), Duration::from_millis(interval));
        assert_eq!(aligned, Timestamp(at), "{began}");
    }
    let of = |n: u32| schedule::offset(&Labels::from_pairs([("n", n.to_string())]), "u", second).as_millis();
    let offsets: BTreeSet<i64> = (0..100).map(of).collect();
    assert!(offsets.len() > 80 && offsets.iter().all(|o| (0..1000).contains(o)), "{offsets:?}");
    assert_eq!(of(1), of(1));
}

#[test]
fn a_target_that_stays_down_is_told_once_an_hour() {
    let mut failures = Failures::default();
    let at = Timestamp::from_secs;
    let since = at(10);
    for (success, secs, say) in [
        (true, 5, None),
        (false, 10, Some(Say::Down)),
        (false, 15, None),
        (false, 3609, None),
        (false, 3610, Some(Say::StillDown { failures: 4, since })),
        (false, 3615, None),
        (true, 3620, Some(Say::Back { failures: 5, since })),
        (true, 3625, None),
        (false, 3630, Some(Say::Down)),
    ] {
        assert_eq!(failures.note(success, at(secs)), say, "at {secs}");
    }
}

proptest! {
    /// The cache against a plain model: sets of names.
    #[test]
    fn the_cache_agrees_with_sets(
        scrapes in prop::collection::vec((prop::collection::vec(0u8..12, 0..14), any::<bool>()), 1..12)
    ) {
        let (mut cache, mut ids, job) = (Cache::new(9), Ids::default(), job("bot"));
        let mut live = BTreeSet::<String>::new();
        for (names, fails) in scrapes {
            let mut body: String = names.iter().fold(String::new(), |body, n| body + &format!("s{n} 1\n"));
            let present: BTreeSet<String> = names.iter().map(|n| format!("s{n}")).collect();
            if fails {
                body.push_str("!\n");
                prop_assert!(scrape(&body, &job, &mut cache, &mut ids).is_err());
                prop_assert_eq!(ids.names(&cache.fail()), live.iter().cloned().collect::<Vec<_>>());
                live.clear();
                continue;
            }
            let absorbed = scrape(&body, &job, &mut cache, &mut ids).expect("a scrape");
            let sampled: Vec<SeriesId> = absorbed.samples.iter().map(|s| s.0).collect();
            prop_assert_eq!(ids.names(&sampled), present.iter().cloned().collect::<Vec<_>>());
            let missing: Vec<String> = live.difference(&present).cloned().collect();
            prop_assert_eq!(ids.names(&absorbed.missing), missing);
            prop_assert_eq!(cache.len(), present.len());
            live = present;
        }
    }
}
