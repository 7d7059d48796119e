use super::*;
use crate::model::{SourceId, is_stale};
use crate::promql::SelectError;

/// Spec D3: newer is stored; the newest again is fine; the rest is dropped and counted, and the commit goes on.
#[test]
fn order_rules() {
    let mut head = Head::new(Options::default());
    let a = series(&mut head, &[("n", "a")]);
    let b = series(&mut head, &[("n", "b")]);
    let hour = 3_600_000;
    let report = head.commit(&samples(&[(a, hour, 1.0), (b, hour, f64::NAN)]));
    assert_eq!((report.number, report.appended), (1, 2));
    let report = head.commit(&samples(&[
        (a, hour, 1.0),
        (a, hour, 2.0),
        (a, hour - 1, 1.0),
        (a, -1, 1.0),
        (b, hour, f64::NAN),
        (b, hour, stale_nan()),
        (SeriesId(99), hour, 1.0),
        (b, hour + 1, 3.0),
    ]));
    let expected = CommitReport {
        number: 2,
        appended: 1,
        repeated: 2,
        duplicate: 2,
        out_of_order: 1,
        too_old: 1,
        too_far: 0,
        gone: vec![SeriesId(99)],
    };
    assert_eq!(report, expected);
    assert_eq!(bits(&select(&head, &[("n", "=", "a")], 0, i64::MAX)[0]), [(hour, 1f64.to_bits())]);
    let counts = head.stats().counts;
    assert_eq!((counts.appended, counts.duplicate, counts.gone), (3, 2, 1));
}

/// Spec S10: what lies more than ten minutes ahead is rejected, measured against what sources report as now, so that
/// one wrong clock can't make everything after it too old.
#[test]
fn the_far_future_is_refused() {
    let mut head = Head::new(Options::default());
    let a = series(&mut head, &[("n", "a")]);
    let source = head.source("bot");
    let now = 1_790_000_000_000;
    let commit = |t| Commit {
        samples: vec![(a, Timestamp(t), 1.0)],
        sources: vec![(source, Visibility::Seeing, Timestamp(now))],
    };
    assert_eq!(head.commit(&commit(now + 600_001)).too_far, 1);
    assert_eq!(head.commit(&commit(now)).appended, 1);
    assert_eq!(head.commit(&commit(now + 600_000)).appended, 1);
}

#[test]
fn the_same_labels_are_the_same_series() {
    let mut head = Head::new(Options { hash_seed: 7, ..Options::default() });
    let (one, two) = (head.source("one"), head.source("two"));
    let mut ids = Vec::new();
    for n in 0..5000 {
        let labels = Labels::from_pairs(workload::labels(n).iter().map(|(k, v)| (*k, v.as_str())));
        ids.push((head.series(&labels, &Sources::one(one)).unwrap(), labels));
    }
    ids.dedup_by_key(|s| s.0);
    assert!(ids.windows(2).all(|w| w[0].0 < w[1].0));
    for (id, labels) in &ids {
        assert_eq!(head.series(labels, &Sources::one(two)), Some(*id));
        assert_eq!(head.labels(*id), Some(labels));
    }
    let (id, labels) = &ids[17];
    head.commit(&samples(&[(*id, 5, 1.0)]));
    let list: Vec<_> = labels.iter().map(|(n, v)| Matcher::equal(n, v)).collect();
    let found = head.select(&list, Timestamp(0), Timestamp(5), SelectHints::default()).unwrap();
    assert_eq!(found[0].sources, [one, two].into_iter().collect());
    assert_eq!(head.series_by_source()[&one], ids.len() as u64);
}

/// A series that ends, comes back after months, and jumps about in time stays readable to the bit.
#[test]
fn gaps_of_any_size() {
    let options =
        Options { out_of_bounds: crate::model::Duration::from_millis(i64::MAX), ..Options::default() };
    let mut head = Head::new(options);
    let id = series(&mut head, &[("n", "a")]);
    let mut t = i64::MIN + 1;
    let mut written = Vec::new();
    for (n, step) in (0..).zip([1i64, 5000, 1 << 31, 1 << 33, 1, 1 << 62, 3, 1 << 60].iter().cycle().take(60))
    {
        let step = if n > 8 { step % (1 << 40) + 1 } else { *step };
        t += step;
        let v = if n % 7 == 6 { stale_nan() } else { f64::from(n) / 10.0 };
        assert_eq!(head.commit(&samples(&[(id, t, v)])).appended, 1, "{n}");
        written.push((t, v.to_bits()));
    }
    assert_eq!(bits(&select(&head, &[("n", "=", "a")], i64::MIN, i64::MAX)[0]), written);
    assert!(is_stale(f64::from_bits(written[6].1)));
}

#[test]
fn a_limit_of_samples_is_kept_exactly() {
    let mut head = Head::new(Options::default());
    let ids: Vec<_> = (0..3).map(|n| series(&mut head, &[("n", &n.to_string()), ("k", "v")])).collect();
    for i in 1..=200 {
        head.commit(&samples(&ids.iter().map(|&id| (id, i * 5000, i as f64)).collect::<Vec<_>>()));
    }
    let read = |max, newest_only, after, until| {
        let hints = SelectHints { newest_only, samples_max: max };
        head.select(&matchers(&[("k", "=", "v")]), Timestamp(after), Timestamp(until), hints)
            .map(|found| found.iter().map(|s| s.t.len()).sum::<usize>())
    };
    assert_eq!(read(600, false, 0, 1_000_000), Ok(600));
    assert_eq!(read(599, false, 0, 1_000_000), Err(SelectError::TooManySamples));
    assert_eq!(read(29, false, 950_000, 1_000_000), Err(SelectError::TooManySamples));
    assert_eq!(read(30, false, 950_000, 1_000_000), Ok(30));
    assert_eq!(read(3, true, 0, 300_000), Ok(3));
    assert_eq!(read(2, true, 0, 300_000), Err(SelectError::TooManySamples));
}

/// Each chunk of a series names the one before it, and the head hands over exactly what it cut.
#[test]
fn a_sink_gets_every_full_chunk() {
    use std::sync::{Arc, Mutex};

    /// What the head pushed: series, where it said the chunk before lies, and the chunk.
    type Pushed = Vec<(SeriesId, Option<ChunkRef>, Vec<u8>)>;

    /// A segment file in miniature: keeps what it is given elsewhere.
    struct Segment(Arc<Mutex<Pushed>>);
    impl ChunkSink for Segment {
        fn push(&mut self, chunk: FullChunk<'_>) -> ChunkRef {
            let mut pushed = self.0.lock().unwrap();
            pushed.push((chunk.series, chunk.previous, chunk.bytes.to_vec()));
            ChunkRef((pushed.len() as u64).try_into().unwrap())
        }
        fn get(&self, _: ChunkRef) -> Option<Record<'_>> {
            None
        }
        fn memory(&self) -> usize {
            0
        }
        fn held(&self) -> (u64, u64) {
            (0, 0)
        }
        fn drop_oldest(&mut self) -> Option<Dropped> {
            None
        }
    }

    let pushed = Arc::new(Mutex::new(Pushed::new()));
    let mut head = Head::with_sink(Options::default(), Box::new(Segment(pushed.clone())));
    let ids: Vec<_> = (0..20).map(|n| series(&mut head, &[("n", &n.to_string())])).collect();
    for i in 1..=400i64 {
        let report =
            head.commit(&samples(&ids.iter().map(|&id| (id, i * 5000, i as f64)).collect::<Vec<_>>()));
        assert_eq!(report.appended, 20);
    }
    let pushed = pushed.lock().unwrap();
    assert_eq!(head.stats().counts.chunks_created, pushed.len() as u64);
    for &id in &ids {
        let (mut t, mut v) = (Vec::new(), Vec::new());
        let mut before = None;
        for (n, (_, previous, chunk)) in pushed.iter().enumerate().filter(|(_, c)| c.0 == id) {
            assert_eq!(*previous, before);
            before = Some(ChunkRef((n as u64 + 1).try_into().unwrap()));
            ChunkReader::new(chunk).unwrap().read(i64::MIN, i64::MAX, &mut t, &mut v).unwrap();
        }
        // Eight blocks a chunk; a series' first block is shorter by its phase.
        assert_eq!(t.len(), 3 * CHUNK_SAMPLES - id.0 as usize % BLOCK_SAMPLES);
        assert!(t.iter().zip(1..).all(|(&t, i)| t == i * 5000));
    }
    // What is no longer in memory is missing; what is there goes on without it.
    let found = select(&head, &[("n", "=", "3")], 0, i64::MAX);
    assert_eq!(found[0].t.last(), Some(&2_000_000));
    assert!(found[0].t.len() < 400);
}

#[test]
fn sources_are_blind_until_seen() {
    let mut head = Head::new(Options::default());
    let id = head.source("target a");
    assert_eq!(head.source("target a"), id);
    assert_eq!(head.find_source("target a"), Some(id));
    assert_eq!(head.find_source("target b"), None);
    assert_eq!(head.source_name(id).map(|n| &**n), Some("target a"));
    assert_eq!(head.visibility(id), SourceState::NEVER_REPORTED);
    assert_eq!(head.visibility(SourceId(77)), SourceState::NEVER_REPORTED);
    let t = Timestamp::from_secs;
    let mut report = |visibility, at| {
        head.commit(&Commit { samples: Vec::new(), sources: vec![(id, visibility, t(at))] });
        head.visibility(id)
    };
    let first = report(Visibility::Seeing, 100);
    assert_eq!(
        (first.visibility, first.since, first.blind_until),
        (Visibility::Seeing, t(100), Some(t(100)))
    );
    assert_eq!(first.blind_since(t(99)), Some(Timestamp::MIN), "we did not run before");
    assert_eq!(first.blind_since(t(100)), None);

    let blind = report(Visibility::Blind, 120);
    assert_eq!((blind.visibility, blind.since), (Visibility::Blind, t(120)));
    assert_eq!(blind.blind_since(t(500)), Some(t(120)));
    assert_eq!(report(Visibility::Blind, 125).since, t(120));

    let again = report(Visibility::Seeing, 130);
    assert_eq!((again.since, again.blind_from, again.blind_until), (t(130), Some(t(120)), Some(t(130))));
    assert_eq!((again.blind_since(t(129)), again.blind_since(t(130))), (Some(t(120)), None));
    assert_eq!(report(Visibility::Seeing, 135).since, t(130));
    assert_eq!(
        report(Visibility::Blind, 134).visibility,
        Visibility::Seeing,
        "a late report changes nothing"
    );

    head.remove_source(id);
    let removed = head.visibility(id);
    assert_eq!(removed.blind_since(Timestamp::MIN), None);
    assert_eq!((removed.visibility, removed.reported), (Visibility::Seeing, None));
}

#[test]
fn a_source_first_seen_blind_was_never_seen() {
    let mut head = Head::new(Options::default());
    let id = head.source("down at start");
    let at = Timestamp::from_secs(50);
    head.commit(&Commit { samples: Vec::new(), sources: vec![(id, Visibility::Blind, at)] });
    let state = head.visibility(id);
    assert_eq!((state.since, state.reported), (Timestamp::MIN, Some(at)));
    let seen = Timestamp::from_secs(70);
    head.commit(&Commit { samples: Vec::new(), sources: vec![(id, Visibility::Seeing, seen)] });
    let state = head.visibility(id);
    assert_eq!((state.blind_from, state.blind_until), (Some(Timestamp::MIN), Some(seen)));
}

#[test]
fn names_of_sources_are_bounded() {
    let mut head = Head::new(Options { sources_max: 4, ..Options::default() });
    let ids: Vec<u32> = (0..8).map(|n| head.source(&format!("s{n}")).0).collect();
    assert_eq!(ids, [0, 1, 2, 3, 3, 3, 3, 3]);
    assert_eq!(head.source("s1"), SourceId(1));
}
