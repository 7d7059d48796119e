//! A made-up machine, and the real one.

use std::{path::PathBuf, time::Duration as StdDuration};

use botwatch_core::{
    model::{Duration, Labels, Timestamp},
    tsdb::Visibility,
};

use super::{
    FILE_SYSTEM, HostLook, Key, Look, Root, SOURCE, Values, definitions, portable::PortableLook, start,
};
use crate::{
    collect::{
        HostOptions,
        process::tests::tree::{Tree, assert_table, newest, select, store},
    },
    runtime::{Clock, Tasks},
};

fn look(look: &mut impl Look, paths: usize) -> (Visibility, Values) {
    let mut values = Values::new(Key::ALL.len() + paths * FILE_SYSTEM.len());
    (look.look(Timestamp::from_secs(0), &mut values), values)
}

#[test]
fn the_table_of_the_docs_is_the_catalogue() {
    assert_table(include_str!("../host.rs"), definitions());
    for (i, mode) in super::CPU_MODES.into_iter().enumerate() {
        assert_eq!(Key::ALL[Key::CpuUser as usize + i].label, Some(("mode", mode)));
    }
}

#[test]
fn a_made_up_machine() {
    let tree = Tree::new();
    tree.write("proc/loadavg", "0.50 1.25 2.00 1/200 999\n");
    tree.write("proc/vmstat", "nr_free_pages 1\noom_kill 3\n");
    tree.write("proc/sys/fs/file-nr", "2000\t100\t9000\n");
    tree.write(
        "proc/pressure/memory",
        "some avg10=20.00 avg60=0 avg300=0 total=4000000\nfull avg10=0 total=1000000\n",
    );
    let mut looking = HostLook::new(tree.root(), Vec::new());
    let (visibility, values) = look(&mut looking, 0);
    assert_eq!(visibility, Visibility::Seeing);
    for (key, value) in [
        (Key::Load1, Some(0.5)),
        (Key::Load5, Some(1.25)),
        (Key::Load15, Some(2.0)),
        (Key::MemoryTotal, Some(1_024_000_000.0)),
        (Key::MemoryAvailable, Some(409_600_000.0)),
        (Key::SwapTotal, None),
        (Key::BootTime, Some(1_700_000_000.0)),
        (Key::Uptime, Some(5000.0)),
        (Key::Cpus, Some(1.0)),
        (Key::CpuUser, Some(0.1)),
        (Key::CpuUsage, None),
        (Key::ContextSwitches, Some(99.0)),
        (Key::FilefdAllocated, Some(1900.0)),
        (Key::FilefdMaximum, Some(9000.0)),
        (Key::OomKills, Some(3.0)),
        (Key::PressureSomeAvg10Memory, Some(0.2)),
        (Key::PressureWaitingMemory, Some(4.0)),
        (Key::PressureStalledMemory, Some(1.0)),
        (Key::PressureWaitingIo, None),
    ] {
        assert_eq!(values.get(key), value, "{key:?}");
    }
    // 20 of 40 more ticks at work; the rest idle or waiting.
    tree.write("proc/stat", "cpu  20 0 20 80 20 0 0 0 0 0\ncpu0 0\n");
    assert_eq!(look(&mut looking, 0).1.get(Key::CpuUsage), Some(0.5));
    tree.remove("proc/stat");
    let (visibility, values) = look(&mut looking, 0);
    assert_eq!((visibility, values.get(Key::Load1)), (Visibility::Blind, None));
}

#[test]
fn the_real_machine_on_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let paths = vec![dir.path().to_owned(), dir.path().join("missing")];
    let linux = look(&mut HostLook::new(Root::default(), paths.clone()), 2);
    let portable = look(&mut PortableLook::new(paths), 2);
    for (visibility, values) in [&linux, &portable] {
        assert_eq!(*visibility, Visibility::Seeing);
        for key in [Key::MemoryTotal, Key::MemoryAvailable, Key::BootTime, Key::Uptime, Key::Cpus] {
            assert!(values.get(key).is_some_and(|value| value > 0.0), "{key:?}");
        }
        let first = Key::ALL.len();
        let second = first + FILE_SYSTEM.len();
        assert_eq!(
            (values.get(first), values.get(second), values.get(second + 1)),
            (Some(1.0), Some(0.0), None)
        );
        assert!(values.get(first + 1) >= values.get(first + 3) && values.get(first + 1) > Some(0.0));
    }
    assert_eq!(linux.1.get(Key::MemoryTotal), portable.1.get(Key::MemoryTotal));
}

#[tokio::test]
async fn samples_of_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    let ((tasks, _ended), clock, store) = (Tasks::new(), Clock::manual(Timestamp::from_secs(1000)), store());
    let paths: Vec<PathBuf> = vec![dir.path().to_owned(), "/".into()];
    let labels = Labels::from_pairs([("instance", "here")]);
    let options = HostOptions { interval: Duration::from_secs(5), labels, paths };
    let watcher = start(&tasks, &clock, &store, options, Root::default());
    let source = [store.source(SOURCE)];
    let mut watch = store.subscribe();
    let tried = watch.until_reported(&source, Timestamp::from_secs(1000));
    tokio::time::timeout(StdDuration::from_secs(20), tried).await.expect("tried in time");
    assert!(newest(&store, "botwatch_host_load1").is_some());
    let mut of: Vec<String> = select(&store, "botwatch_host_filesystem_size_bytes")
        .iter()
        .map(|(l, _)| l.value("path").to_owned())
        .collect();
    of.sort();
    assert_eq!(of, ["/".to_owned(), dir.path().display().to_string()]);
    watcher.remove().await;
    assert_eq!(newest(&store, "botwatch_host_load1"), None);
}
