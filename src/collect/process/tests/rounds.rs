//! From looks to samples.

use std::time::Duration as StdDuration;

use botwatch_core::{
    model::{Duration, Labels, Timestamp, is_stale},
    tsdb::{self, SourceState, Visibility},
};
use tokio::sync::oneshot;

use super::{
    super::{
        board::{Board, Values},
        rounds::{self, Look},
        source_name, start,
    },
    tree::{Tree, newest, select, store},
};
use crate::{
    collect::{BotOptions, ProcessFinder},
    runtime::{Clock, Tasks},
    samples::Store,
};

fn options() -> BotOptions {
    BotOptions {
        finder: ProcessFinder::Name("bot".into()),
        interval: Duration::from_secs(5),
        labels: Labels::from_pairs([("job", "bot"), ("bot", "alpha")]),
    }
}

/// Moves a clock on, and waits until the source was tried then.
async fn reach(clock: &Clock, store: &Store, source: &str, secs: i64) {
    let mut watch = store.subscribe();
    clock.set(Timestamp::from_secs(secs));
    let source = [store.source(source)];
    let tried = watch.until_reported(&source, Timestamp::from_secs(secs));
    tokio::time::timeout(StdDuration::from_secs(20), tried).await.expect("tried in time");
}

#[tokio::test]
async fn up_gone_and_up_again() {
    let tree = Tree::new();
    tree.process(50, "node", &["node", "bot.js"], 900);
    let ((tasks, _ended), clock, store) = (Tasks::new(), Clock::manual(Timestamp::from_secs(1000)), store());
    let source = source_name(&options().labels);
    assert_eq!(source, "process of alpha");
    let watcher = start(&tasks, &clock, &store, options(), tree.root());
    assert!(store.read(|head| head.find_source(&source)).is_some(), "known before the first look");
    reach(&clock, &store, &source, 1000).await;
    let up = select(&store, "botwatch_process_up");
    assert_eq!(up[0].0.to_string(), r#"{__name__="botwatch_process_up", bot="alpha", job="bot"}"#);
    assert_eq!((up[0].1, newest(&store, "botwatch_process_threads")), (1.0, Some(11.0)));
    assert_eq!(select(&store, "botwatch_process_state").len(), 5);
    let made = store.stats().series;

    tree.remove("proc/50");
    reach(&clock, &store, &source, 1005).await;
    let state = |store: &Store| store.visibility(store.source(&source)).visibility;
    assert_eq!((newest(&store, "botwatch_process_up"), state(&store)), (Some(0.0), Visibility::Seeing));
    assert!(select(&store, "botwatch_process_threads").iter().all(|(_, v)| is_stale(*v)));

    tree.process(60, "node", &["node", "bot.js"], 990);
    // Slots in between are left out.
    reach(&clock, &store, &source, 1100).await;
    assert_eq!(
        (newest(&store, "botwatch_process_up"), newest(&store, "botwatch_process_pid")),
        (Some(1.0), Some(60.0))
    );
    assert_eq!(newest(&store, "botwatch_process_restarts_total"), Some(1.0));
    assert_eq!(store.stats().series, made, "series are kept");

    // Blind: nothing is known, which isn't that it is gone.
    tree.remove("proc/1");
    tree.remove("proc/60");
    reach(&clock, &store, &source, 1105).await;
    assert_eq!(state(&store), Visibility::Blind);
    assert_eq!(
        (newest(&store, "botwatch_process_up"), newest(&store, "botwatch_process_visible")),
        (None, Some(0.0))
    );

    watcher.remove().await;
    assert_eq!(newest(&store, "botwatch_process_visible"), None);
    let SourceState { visibility, reported, .. } = store.visibility(store.source(&source));
    assert_eq!((visibility, reported), (Visibility::Seeing, None), "no longer observed, so not blind");
}

#[tokio::test]
async fn a_stop_leaves_everything_as_it_is() {
    let tree = Tree::new();
    tree.process(50, "node", &["node", "bot.js"], 900);
    let ((tasks, _ended), clock, store) = (Tasks::new(), Clock::manual(Timestamp::from_secs(1000)), store());
    let _watcher = start(&tasks, &clock, &store, options(), tree.root());
    reach(&clock, &store, "process of alpha", 1000).await;
    assert!(tasks.stop(StdDuration::from_secs(20)).await);
    assert_eq!(newest(&store, "botwatch_process_up"), Some(1.0));
}

/// Hangs until it is told, once.
struct Hangs(Option<oneshot::Receiver<()>>);

impl Look for Hangs {
    fn look(&mut self, _: Timestamp, values: &mut Values) -> Visibility {
        if let Some(told) = self.0.take() {
            let _ = told.blocking_recv();
        }
        values.set(0usize, 7.0);
        Visibility::Seeing
    }

    fn blind(values: &mut Values) {
        values.set(0usize, -1.0);
    }
}

#[tokio::test]
async fn a_look_that_hangs_makes_the_source_blind_until_it_comes_back() {
    let ((tasks, _ended), clock, store) = (Tasks::new(), Clock::manual(Timestamp::from_secs(1000)), store());
    let (tell, told) = oneshot::channel();
    let board = Board::new(store.clone(), "hanging", [Labels::from_pairs([("__name__", "m")])].into_iter());
    let _watcher = rounds::start("hanging", &tasks, &clock, Duration::from_secs(5), board, Hangs(Some(told)));
    // The look began at 1000; the clock moves on until somebody notices.
    let mut secs = 1000;
    while newest(&store, "m").is_none() {
        secs += 5;
        clock.set(Timestamp::from_secs(secs));
        tokio::time::sleep(StdDuration::from_millis(1)).await;
    }
    assert_eq!(newest(&store, "m"), Some(-1.0));
    assert_eq!(store.visibility(store.source("hanging")).visibility, Visibility::Blind);
    tell.send(()).unwrap();
    reach(&clock, &store, "hanging", secs + 10).await;
    assert_eq!(newest(&store, "m"), Some(7.0));
    assert!(tasks.stop(StdDuration::from_secs(20)).await);
}

/// Has a bug.
struct Buggy;

impl Look for Buggy {
    fn look(&mut self, _: Timestamp, _: &mut Values) -> Visibility {
        panic!("on purpose")
    }

    fn blind(values: &mut Values) {
        values.set(0usize, -1.0);
    }
}

#[tokio::test]
async fn a_bug_makes_the_source_blind() {
    let ((tasks, _ended), clock, store) = (Tasks::new(), Clock::manual(Timestamp::from_secs(1000)), store());
    let board = Board::new(store.clone(), "buggy", [Labels::from_pairs([("__name__", "m")])].into_iter());
    let watcher = rounds::start("buggy", &tasks, &clock, Duration::from_secs(5), board, Buggy);
    reach(&clock, &store, "buggy", 1000).await;
    assert_eq!(
        (newest(&store, "m"), store.visibility(store.source("buggy")).visibility),
        (Some(-1.0), Visibility::Blind)
    );
    watcher.remove().await;
}

#[test]
fn series_that_the_head_removed_are_made_anew() {
    let store = Store::new(tsdb::Options { retention: Duration::from_secs(60), ..tsdb::Options::default() });
    let board =
        |name: &str| Board::new(store.clone(), name, [Labels::from_pairs([("__name__", name)])].into_iter());
    let (mut sleeper, mut busy) = (board("sleeper"), board("busy"));
    let mut values = Values::new(1);
    values.set(0usize, 1.0);
    sleeper.commit(Timestamp::from_secs(0), Visibility::Seeing, &values);
    for secs in 1..2000 {
        busy.commit(Timestamp::from_secs(secs), Visibility::Seeing, &values);
    }
    assert_eq!(select(&store, "sleeper"), [], "removed");
    sleeper.commit(Timestamp::from_secs(2000), Visibility::Seeing, &values);
    assert_eq!((newest(&store, "sleeper"), store.stats().series), (Some(1.0), 2));
    values.clear();
    sleeper.commit(Timestamp::from_secs(2001), Visibility::Seeing, &values);
    assert_eq!((newest(&store, "sleeper"), select(&store, "sleeper").len()), (None, 1));
}
