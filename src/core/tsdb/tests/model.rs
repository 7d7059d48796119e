//! The head against the simplest thing that could be right: a map of maps.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::model::Duration;

const SERIES: [&[(&str, &str)]; 8] = [
    &[("__name__", "up"), ("job", "a")],
    &[("__name__", "up"), ("job", "b")],
    &[("__name__", "up"), ("job", "b"), ("env", "x")],
    &[("__name__", "cpu"), ("job", "a"), ("core", "0")],
    &[("__name__", "cpu"), ("job", "a"), ("core", "1")],
    &[("__name__", "cpu"), ("job", "c")],
    &[("__name__", "x.y")],
    &[("job", "")],
];

const SELECTORS: [&[(&str, &str, &str)]; 12] = [
    &[("__name__", "=", "up")],
    &[("__name__", "=", "cpu"), ("core", "!=", "")],
    &[("__name__", "=~", "up|cpu"), ("job", "=~", "a|c")],
    &[("job", "=", "")],
    &[("job", "!=", "a")],
    &[("job", "!~", "a|b")],
    &[("__name__", "=~", ".+"), ("env", "=~", "x?")],
    &[("__name__", "=~", "c.u"), ("core", "!~", "1")],
    &[("__name__", "=~", "x.y")],
    &[("job", "=~", "[ab]"), ("env", "=", "")],
    &[],
    &[("nowhere", "=", "x")],
];

#[derive(Debug, Clone)]
enum Step {
    /// Time goes on, and these series get these values; a small step back makes them late.
    Commit { step: i64, values: Vec<(usize, i64, f64)> },
    /// Regular scrapes, so that chunks get full.
    Run { n: usize, period: i64, start: f64, by: f64 },
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        5 => (-100i32..100).prop_map(|n| f64::from(n) / 10.0),
        1 => any::<u64>().prop_map(f64::from_bits),
        1 => Just(stale_nan()),
        1 => Just(f64::NAN),
        1 => Just(-0.0),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let offset = prop_oneof![6 => Just(0i64), 1 => -20_000i64..20_000];
    let values = prop::collection::vec((0..SERIES.len(), offset, value()), 0..12);
    let step = prop_oneof![6 => Just(5000i64), 2 => 1i64..20_000, 1 => 1i64..100_000_000, 1 => Just(0)];
    prop_oneof![
        5 => (step, values).prop_map(|(step, values)| Step::Commit { step, values }),
        1 => (1..300usize, prop::sample::select(vec![1000i64, 5000, 15_000]), any::<i16>(), -5i8..5)
            .prop_map(|(n, period, start, by)| Step::Run { n, period, start: start.into(), by: f64::from(by) / 4.0 }),
    ]
}

#[derive(Default)]
struct Model {
    series: BTreeMap<usize, BTreeMap<i64, u64>>,
}

impl Model {
    /// The order rules in two lines: newer is stored, nothing else.
    fn append(&mut self, n: usize, t: i64, v: f64) {
        let samples = self.series.entry(n).or_default();
        if samples.last_key_value().is_none_or(|(&newest, _)| t > newest) {
            samples.insert(t, v.to_bits());
        }
    }

    fn select(
        &self,
        list: &[Matcher],
        after: i64,
        until: i64,
        newest_only: bool,
    ) -> BTreeMap<String, Vec<(i64, u64)>> {
        let mut found = BTreeMap::new();
        for (&n, samples) in &self.series {
            let labels = Labels::from_pairs(SERIES[n].iter().copied());
            let mut inside: Vec<_> =
                samples.iter().map(|(t, v)| (*t, *v)).filter(|s| after < s.0 && s.0 <= until).collect();
            if newest_only {
                inside = inside.pop().into_iter().collect();
            }
            if !inside.is_empty() && list.iter().all(|m| m.matches_labels(&labels)) {
                found.insert(labels.to_string(), inside);
            }
        }
        found
    }
}

fn run(steps: &[Step]) -> (Head, Model, i64) {
    let mut head =
        Head::new(Options { out_of_bounds: Duration::from_millis(i64::MAX), ..Options::default() });
    let mut model = Model::default();
    let mut now = 1_790_000_000_000;
    let write = |head: &mut Head, model: &mut Model, list: &[(usize, i64, f64)]| {
        let mut commit = Commit::default();
        for &(n, t, v) in list {
            let id = series(head, SERIES[n]);
            commit.samples.push((id, Timestamp(t), v));
            model.append(n, t, v);
        }
        let report = head.commit(&commit);
        let all = report.appended + report.repeated + report.duplicate + report.out_of_order;
        assert_eq!(all, list.len() as u64, "every sample is accounted for");
    };
    for step in steps {
        match step {
            Step::Commit { step, values } => {
                now += step;
                let list: Vec<_> = values.iter().map(|&(n, offset, v)| (n, now + offset, v)).collect();
                write(&mut head, &mut model, &list);
            }
            Step::Run { n, period, start, by } => {
                for i in 0..*n {
                    now += period;
                    let list: Vec<_> =
                        (0..SERIES.len()).map(|s| (s, now, start + by * (i * s) as f64)).collect();
                    write(&mut head, &mut model, &list);
                }
            }
        }
    }
    let appended: usize = model.series.values().map(BTreeMap::len).sum();
    assert_eq!(head.stats().counts.appended, appended as u64);
    (head, model, now)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn select_is_what_was_committed(
        steps in prop::collection::vec(step(), 1..60),
        windows in prop::collection::vec((0..SELECTORS.len(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 20),
    ) {
        let (head, model, now) = run(&steps);
        let mut times: Vec<i64> = model.series.values().flat_map(|s| s.keys().copied()).collect();
        times.extend([i64::MIN, now - 1, now, i64::MAX]);
        for (selector, after, until, newest_only) in windows {
            let list = matchers(SELECTORS[selector]);
            let (after, until) = (*after.get(&times), *until.get(&times));
            let hints = SelectHints { newest_only, samples_max: 0 };
            let found = head.select(&list, Timestamp(after), Timestamp(until), hints).unwrap();
            let found: BTreeMap<_, _> = found.iter().map(|s| (s.labels.to_string(), bits(s))).collect();
            prop_assert_eq!(found, model.select(&list, after, until, newest_only), "{:?} ({}, {}]", list, after, until);
        }
    }
}
