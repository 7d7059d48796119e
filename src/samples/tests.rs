use std::{
    cell::Cell,
    sync::atomic::{AtomicBool, Ordering},
};

use botwatch_core::{
    model::{Labels, Matcher, SourceId, Sources, Timestamp},
    promql::{Queryable, SelectHints},
    tsdb::{Commit, Options, SeriesId, Visibility},
};

use super::*;

fn store_with(n: usize) -> (Store, Vec<SeriesId>) {
    let store = Store::new(Options { memory_max: 2 << 20, ..Options::default() });
    let labels: Vec<Labels> =
        (0..n).map(|i| Labels::from_pairs([("__name__", "x"), ("n", i.to_string().as_str())])).collect();
    let ids = store.series(labels.iter().map(|l| (l, &Sources::NONE)));
    (store, ids.into_iter().flatten().collect())
}

fn round(ids: &[SeriesId], i: i64) -> Commit {
    Commit {
        samples: ids.iter().map(|&id| (id, Timestamp(i * 5000), i as f64)).collect(),
        sources: Vec::new(),
    }
}

/// Spec D4: readers see whole commits, and each sees time go forward only, while chunks fill, move and are dropped.
#[test]
fn no_reader_sees_half_a_commit() {
    const ROUNDS: i64 = 3000;
    let (store, ids) = store_with(60);
    let done = AtomicBool::new(false);
    let reader = |newest_only, window: i64| {
        let hints = SelectHints { newest_only, samples_max: 0 };
        let (mut seen, mut reads) = (0i64, 0);
        while !done.load(Ordering::Acquire) {
            let after = Timestamp((seen - window) * 5000);
            let found =
                store.select(&[Matcher::equal("__name__", "x")], after, Timestamp::MAX, hints).unwrap();
            let Some(first) = found.first() else { continue };
            assert_eq!(found.len(), ids.len());
            for series in &found {
                assert_eq!((&series.t, &series.v), (&first.t, &first.v));
                assert!(series.t.iter().zip(&series.v).all(|(&t, &v)| t == v as i64 * 5000));
            }
            let newest = *first.v.last().unwrap() as i64;
            assert!(newest >= seen);
            seen = newest;
            reads += 1;
        }
        reads
    };
    std::thread::scope(|scope| {
        let readers = [(true, 10), (false, 5), (false, 200)];
        let reader = &reader;
        let readers = readers.map(|(newest, window)| scope.spawn(move || reader(newest, window)));
        let mut appended = 0;
        for i in 1..=ROUNDS {
            // A reader that failed ends the test, and one that goes on must not keep it from ending.
            if readers.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
            appended += store.commit(round(&ids, i)).appended;
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            assert!(reader.join().expect("a reader that saw only whole commits") > 0);
        }
        assert_eq!(appended, 60 * ROUNDS as u64);
    });
}

#[tokio::test]
async fn a_rule_waits_for_its_sources() {
    let (store, ids) = store_with(1);
    let (a, b) = (store.source("a"), store.source("b"));
    assert_eq!((store.source("a"), store.source_name(b).as_deref()), (a, Some("b")));
    let slot = Timestamp(10_000);
    let tried = |id: SourceId, at, visibility| Commit {
        samples: Vec::new(),
        sources: vec![(id, visibility, Timestamp(at))],
    };
    let mut watch = store.subscribe();
    watch.until_reported(&[], slot).await;
    let woken = Cell::new(false);
    let waiter = async {
        watch.until_reported(&[a, b], slot).await;
        woken.set(true);
    };
    let sources = async {
        for early in
            [tried(a, 10_000, Visibility::Seeing), tried(b, 5000, Visibility::Seeing), round(&ids, 1)]
        {
            store.commit(early);
            tokio::task::yield_now().await;
            assert!(!woken.get(), "b has not been tried for this slot");
        }
        store.commit(tried(b, 10_000, Visibility::Blind));
    };
    tokio::join!(waiter, sources);
    assert!(woken.get());
    assert!(watch.reported(&[a, b], slot));
    assert_eq!(store.visibility(b).visibility, Visibility::Blind);
    let number = store.commit(round(&ids, 2)).number;
    assert_eq!(watch.changed().await, number);
}

#[test]
fn metrics_are_named_once_and_add_up() {
    let (store, ids) = store_with(3);
    store.commit(round(&ids, 2));
    store.commit(round(&ids, 1));
    let metrics = store.metrics();
    let value =
        |name: &str, label| metrics.iter().find(|m| m.name == name && m.label == label).map(|m| m.value);
    assert_eq!(value("prometheus_tsdb_head_series", None), Some(3.0));
    let float = Some(("type", "float"));
    assert_eq!(value("prometheus_tsdb_head_samples_appended_total", float), Some(3.0));
    assert_eq!(value("prometheus_tsdb_out_of_order_samples_total", float), Some(3.0));
    let bytes: f64 =
        metrics.iter().filter(|m| m.name == "botwatch_samples_memory_bytes").map(|m| m.value).sum();
    assert_eq!(bytes as usize, store.stats().memory.total());
    let names: Vec<_> = metrics.iter().map(|m| m.name).collect();
    for group in names.chunk_by(|a, b| a == b) {
        assert_eq!(
            names.iter().filter(|n| **n == group[0]).count(),
            group.len(),
            "{} lies together",
            group[0]
        );
    }
    for m in &metrics {
        assert_eq!(m.name.ends_with("_total"), m.kind == MetricKind::Counter, "{}", m.name);
    }
}
