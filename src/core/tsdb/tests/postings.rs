use proptest::prelude::*;

use super::super::postings::{intersect, subtract, union};
use super::*;

fn ids() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::btree_set(0..300u32, 0..120).prop_map(|set| set.into_iter().collect())
}

proptest! {
    #[test]
    fn lists_combine_as_sets(a in ids(), b in ids(), c in ids()) {
        let both: Vec<u32> = a.iter().copied().filter(|id| b.contains(id)).collect();
        prop_assert_eq!(intersect(&a, &b), both);
        let left: Vec<u32> = a.iter().copied().filter(|id| !b.contains(id)).collect();
        prop_assert_eq!(subtract(&a, &b), left);
        let mut any: Vec<u32> = [&a[..], &b, &c].concat();
        any.sort_unstable();
        any.dedup();
        prop_assert_eq!(union([&a[..], &b, &c].into_iter()), any);
    }
}

/// Prometheus' `TestPostingsForMatchers` in kind: labels missing, empty, one, several.
#[test]
fn matchers_choose_as_in_prometheus() {
    let mut head = Head::new(Options::default());
    let all: [&[(&str, &str)]; 6] = [
        &[("n", "1")],
        &[("n", "1"), ("i", "a")],
        &[("n", "1"), ("i", "b")],
        &[("n", "2")],
        &[("n", "2.5")],
        &[("n", "1"), ("i", "\n")],
    ];
    for pairs in all {
        let id = series(&mut head, pairs);
        head.commit(&samples(&[(id, 1, 1.0)]));
    }
    let cases: &[(&[(&str, &str, &str)], &[usize])] = &[
        (&[], &[0, 1, 2, 3, 4, 5]),
        (&[("n", "=", "1")], &[0, 1, 2, 5]),
        (&[("n", "=", "1"), ("i", "=", "a")], &[1]),
        (&[("n", "=", "1"), ("i", "=", "missing")], &[]),
        (&[("missing", "=", "")], &[0, 1, 2, 3, 4, 5]),
        (&[("i", "=", "")], &[0, 3, 4]),
        (&[("i", "!=", "")], &[1, 2, 5]),
        (&[("n", "!=", "1")], &[3, 4]),
        (&[("i", "!=", "a")], &[0, 2, 3, 4, 5]),
        (&[("n", "=", "1"), ("i", "!=", "")], &[1, 2, 5]),
        (&[("n", "=", "1"), ("i", "!=", "a")], &[0, 2, 5]),
        (&[("n", "=~", "^1$")], &[0, 1, 2, 5]),
        (&[("n", "=~", "1|2")], &[0, 1, 2, 3, 5]),
        (&[("n", "=~", "1|2|2.5")], &[0, 1, 2, 3, 4, 5]),
        (&[("n", "=~", "2.*")], &[3, 4]),
        (&[("n", "=~", "2\\.5|3")], &[4]),
        (&[("n", "=~", "(?i)X|2\\.[0-9]")], &[4]),
        (&[("n", "=~", "[12]")], &[0, 1, 2, 3, 5]),
        (&[("i", "=~", "a|")], &[0, 1, 3, 4]),
        (&[("i", "=~", "")], &[0, 3, 4]),
        (&[("i", "=~", ".*")], &[0, 1, 2, 3, 4, 5]),
        (&[("i", "=~", ".+")], &[1, 2, 5]),
        (&[("i", "=~", "[ab]?")], &[0, 1, 2, 3, 4]),
        (&[("i", "!~", "")], &[1, 2, 5]),
        (&[("i", "!~", "a")], &[0, 2, 3, 4, 5]),
        (&[("i", "!~", ".*")], &[]),
        (&[("i", "!~", ".+")], &[0, 3, 4]),
        (&[("i", "!~", "a|")], &[2, 5]),
        (&[("n", "!~", "1|2")], &[4]),
        (&[("n", "=", "1"), ("i", "=~", "a|b")], &[1, 2]),
        (&[("n", "=", "1"), ("i", "!=", "b"), ("i", "=~", "^(b|a).*$")], &[1]),
        (&[("n", "=", "1"), ("i", "!~", "^a?$"), ("i", "!=", "")], &[2, 5]),
    ];
    for (list, expected) in cases {
        // Twice: resolved, then remembered.
        for _ in 0..2 {
            let mut found: Vec<usize> = select(&head, list, 0, 1)
                .iter()
                .map(|s| all.iter().position(|p| Labels::from_pairs(p.iter().copied()) == s.labels).unwrap())
                .collect();
            found.sort_unstable();
            assert_eq!(found, *expected, "{list:?}");
        }
    }
}

#[test]
fn a_remembered_selection_sees_new_series() {
    let mut head = Head::new(Options::default());
    let a = series(&mut head, &[("n", "1"), ("i", "a")]);
    head.commit(&samples(&[(a, 1, 1.0)]));
    assert_eq!(select(&head, &[("i", "=~", "a|b")], 0, 9).len(), 1);
    let (before, epoch) = (head.memory().resolved, head.epoch());
    assert!(before > 0, "remembered");
    let b = series(&mut head, &[("n", "1"), ("i", "b")]);
    assert_ne!(head.epoch(), epoch);
    head.commit(&samples(&[(b, 1, 1.0)]));
    assert_eq!(select(&head, &[("i", "=~", "a|b")], 0, 9).len(), 2);
}

#[test]
fn remembered_selections_are_bounded() {
    let mut head = Head::new(Options { memory_max: 1 << 20, ..Options::default() });
    let ids: Vec<_> = (0..300).map(|n| series(&mut head, &[("n", &n.to_string()), ("k", "v")])).collect();
    head.commit(&samples(&ids.iter().map(|&id| (id, 1, 1.0)).collect::<Vec<_>>()));
    for n in 0..2000 {
        let found = select(&head, &[("n", "!=", &n.to_string()), ("k", "=", "v")], 0, 1);
        assert_eq!(found.len(), if n < 300 { 299 } else { 300 });
        assert!(head.memory().resolved <= (1 << 20) / 32);
    }
    assert!(head.memory().resolved > (1 << 20) / 64);
}

#[test]
fn names_values_and_series_come_in_order() {
    let mut head = Head::new(Options::default());
    for (pairs, t) in [
        ([("__name__", "up"), ("job", "b")], 10),
        ([("__name__", "up"), ("job", "a")], 20),
        ([("__name__", "x"), ("k", "v")], 30),
    ] {
        let id = series(&mut head, &pairs);
        head.commit(&samples(&[(id, t, 1.0)]));
    }
    assert_eq!(head.label_names(&[]), ["__name__", "job", "k"]);
    assert_eq!(head.label_names(&matchers(&[("job", "=~", ".+")])), ["__name__", "job"]);
    assert_eq!(head.label_values("job", &[]), ["a", "b"]);
    assert_eq!(head.label_values("job", &matchers(&[("job", "!=", "a")])), ["b"]);
    assert_eq!(head.label_values("none", &[]), [""; 0]);
    let up = matchers(&[("__name__", "=", "up")]);
    let jobs = |after, until| -> Vec<String> {
        let found = head.series_labels(&up, Timestamp(after), Timestamp(until));
        found.iter().map(|l| l.value("job").to_owned()).collect()
    };
    assert_eq!(jobs(0, 100), ["a", "b"]);
    assert_eq!(jobs(10, 100), ["a"]);
    assert_eq!(jobs(0, 19), ["b"]);
    let most = head.cardinality(1);
    assert_eq!(most.series_by_metric, [("up".to_owned(), 2)]);
    assert_eq!(most.values_by_label, [("__name__".to_owned(), 2)]);
    assert_eq!(most.bytes_by_label, [("__name__".to_owned(), 5)]);
    assert_eq!(most.series_by_pair, [("__name__=up".to_owned(), 2)]);
    assert_eq!(most.label_pairs, 5);
}
