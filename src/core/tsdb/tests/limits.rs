use proptest::prelude::*;

use super::workload::{Values, kind_of, labels};
use super::*;

fn series_of(head: &mut Head, n: usize, run: usize) -> Option<SeriesId> {
    let mut pairs = labels(n).to_vec();
    pairs.push(("run", run.to_string()));
    head.series(&Labels::from_pairs(pairs), &Sources::NONE)
}

#[test]
fn the_oldest_chunks_go_first_and_are_counted() {
    let mut head = Head::new(Options { memory_max: 512 << 10, ..Options::default() });
    let ids: Vec<_> = (0..100).map(|n| series_of(&mut head, n, 0).unwrap()).collect();
    let mut values: Vec<_> = (0..100).map(|n| Values::new(kind_of(n), n)).collect();
    for i in 1..=4000 {
        let list: Vec<_> = ids.iter().zip(&mut values).map(|(&id, v)| (id, i * 5000, v.next())).collect();
        assert_eq!(head.commit(&samples(&list)).appended, 100);
        assert!(head.memory().total() <= 512 << 10, "{:?}", head.memory());
    }
    let stats = head.stats();
    let lost = stats.counts.lost_until.unwrap();
    assert_eq!((stats.series, stats.min_time), (100, Some(lost)));
    assert!(stats.counts.chunks_dropped > 0);
    assert!(stats.full_samples > 100 * 1000, "most of the budget is used: {stats:?}");
    let inside = stats.counts.appended - stats.counts.samples_dropped;
    for found in select(&head, &[("run", "=", "0")], lost.0, i64::MAX) {
        let steps = found.t.windows(2).all(|w| w[1] - w[0] == 5000);
        assert!(steps && *found.t.last().unwrap() == 4000 * 5000, "no gap after what was lost");
    }
    let readable: usize = select(&head, &[("run", "=", "0")], 0, i64::MAX).iter().map(|s| s.t.len()).sum();
    assert!(readable as u64 >= inside, "{readable} {inside}");
}

#[test]
fn churn_cannot_grow_memory() {
    let budget = 1 << 20;
    let mut head = Head::new(Options { memory_max: budget, ..Options::default() });
    let mut refused = 0;
    // Every minute 50 series are replaced by new ones, which live for a minute.
    for run in 0..400 {
        let ids: Vec<_> = (0..50).filter_map(|n| series_of(&mut head, n, run)).collect();
        refused += 50 - ids.len();
        for i in 0..12 {
            let t = (run as i64 * 12 + i + 1) * 5000;
            let list: Vec<_> = ids.iter().map(|&id| (id, t, 1.0)).collect();
            let report = head.commit(&samples(&list));
            assert!(report.gone.is_empty());
            assert!(head.memory().total() <= budget, "{run}: {:?}", head.memory());
        }
    }
    let stats = head.stats();
    assert_eq!(refused, 0, "old series make room for new ones");
    assert!(stats.series < 2000, "{stats:?}");
    assert_eq!(stats.counts.series_created, 400 * 50);
    assert_eq!(stats.counts.series_created - stats.counts.series_removed, stats.series as u64);
    assert_eq!(head.label_values("run", &[]).len(), stats.series.div_ceil(50));
    let newest = select(&head, &[("run", "=", "399")], 0, i64::MAX);
    assert_eq!(newest.len(), 50);
}

#[test]
fn a_removed_series_is_gone_for_good() {
    let retention = crate::model::Duration::from_secs(3600);
    let mut head = Head::new(Options { retention, ..Options::default() });
    let old = series_of(&mut head, 0, 0).unwrap();
    let live = series_of(&mut head, 1, 0).unwrap();
    head.commit(&samples(&[(old, 5000, 1.0), (live, 5000, 1.0)]));
    let epoch = head.epoch();
    for i in 2..=1000 {
        head.commit(&samples(&[(live, i * 5000, 1.0)]));
    }
    assert_ne!(head.epoch(), epoch);
    assert_eq!(select(&head, &[("run", "=", "0")], 0, i64::MAX).len(), 1);
    let report = head.commit(&samples(&[(old, 5_005_000, 1.0), (live, 5_005_000, 1.0)]));
    assert_eq!((report.appended, report.gone), (1, vec![old]));
    let again = series_of(&mut head, 0, 0).unwrap();
    assert!(again > live, "ids are not given out twice");
    head.commit(&samples(&[(again, 5_010_000, 2.0)]));
    assert_eq!(select(&head, &[("run", "=", "0")], 0, i64::MAX).len(), 2);
}

#[test]
fn more_series_than_allowed_are_refused() {
    let mut head = Head::new(Options { series_max: 3, ..Options::default() });
    let ids: Vec<_> = (0..5).map(|n| series_of(&mut head, n, 0)).collect();
    assert_eq!(ids.iter().flatten().count(), 3);
    assert_eq!(series_of(&mut head, 0, 0), ids[0], "what is there stays");
    assert_eq!(head.stats().counts.series_refused, 2);

    // A budget that can't hold the series that are being written refuses new ones instead of growing.
    let budget = 64 << 10;
    let mut head = Head::new(Options { memory_max: budget, ..Options::default() });
    for i in 1..50 {
        let ids: Vec<_> = (0..500).filter_map(|n| series_of(&mut head, n, 0)).collect();
        assert!(!ids.is_empty() && ids.len() < 200);
        head.commit(&samples(&ids.iter().map(|&id| (id, i * 5000, 1.0)).collect::<Vec<_>>()));
        assert!(head.memory().total() <= budget + (16 << 10), "{:?}", head.memory());
    }
}

/// When nothing else is left to give, series keep their newest samples.
#[test]
fn open_chunks_go_before_tails() {
    let budget = 64 << 10;
    let mut head = Head::new(Options { memory_max: budget, ..Options::default() });
    let ids: Vec<_> = (0..80).map(|n| series_of(&mut head, n, 0).unwrap()).collect();
    let mut random = workload::Random::new(1);
    for i in 1..=500 {
        let list: Vec<_> = ids.iter().map(|&id| (id, i * 5000, f64::from_bits(random.bits() >> 2))).collect();
        assert_eq!(head.commit(&samples(&list)).appended, 80);
        assert!(head.memory().total() <= budget, "{:?}", head.memory());
        let found = select(&head, &[("run", "=", "0")], (i - 15) * 5000, i * 5000);
        assert!(found.len() == 80 && found.iter().all(|s| s.t.len() as i64 == i.min(15)));
    }
    let counts = head.stats().counts;
    let held: usize = select(&head, &[("run", "=", "0")], 0, i64::MAX).iter().map(|s| s.t.len()).sum();
    let twice = (counts.samples_dropped + held as u64).checked_sub(counts.appended);
    assert!(
        twice.is_some_and(|n| n <= 80 * 16),
        "every sample is held or counted; in the tail it may be both"
    );
    assert!(head.min_time() > Some(Timestamp(400 * 5000)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    /// Whatever is written, the budget is overrun at most by what one commit adds to open chunks and one page.
    #[test]
    fn the_budget_holds(
        seed in any::<u64>(),
        budget in (100usize << 10)..(600 << 10),
        churn in 0..40u64,
        count in 1..120usize,
    ) {
        let mut head = Head::new(Options { memory_max: budget, ..Options::default() });
        let mut random = workload::Random::new(seed);
        let mut runs = vec![0; count];
        let mut now = 1_790_000_000_000;
        for _ in 0..500 {
            now += 1 + random.below(120_000) as i64;
            let mut list = Vec::new();
            for (n, run) in runs.iter_mut().enumerate() {
                *run += usize::from(random.below(4000) < churn);
                if let Some(id) = series_of(&mut head, n, *run) {
                    list.push((id, now, f64::from_bits(random.bits())));
                }
            }
            head.commit(&samples(&list));
            let round = list.len() * 160 + Arena::PAGE_MAX / 32;
            prop_assert!(head.memory().total() <= budget + round, "{:?}", head.memory());
        }
        let counts = head.stats().counts;
        prop_assert_eq!(counts.series_created - counts.series_removed, head.stats().series as u64);
    }
}
