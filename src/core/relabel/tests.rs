use proptest::prelude::*;

use super::*;
use crate::model::Labels;

/// `action: replace, source_labels: a b, regex: x` → a spec.
fn spec(text: &str) -> Spec {
    let mut spec = Spec::default();
    for part in text.split(", ") {
        let (key, value) = part.split_once(": ").expect("key: value");
        let value = value.to_owned();
        match key {
            "source_labels" => spec.source_labels = Some(value.split(' ').map(str::to_owned).collect()),
            "separator" => spec.separator = Some(value),
            "regex" => spec.regex = Some(value),
            "modulus" => spec.modulus = Some(value.parse().expect("a number")),
            "target_label" => spec.target_label = Some(value),
            "replacement" => spec.replacement = Some(value),
            "action" => spec.action = Some(value),
            _ => panic!("{key}"),
        }
    }
    spec
}

fn relabel(rules: &[&str], input: &[(&str, &str)]) -> Option<Labels> {
    let rules: Vec<Rule> = rules
        .iter()
        .map(|r| Rule::new(spec(r), NameValidation::Utf8).unwrap_or_else(|e| panic!("{r}: {e:?}")))
        .collect();
    let mut labels = Labels::from_pairs(input.iter().copied()).builder();
    process(&rules, &mut labels).then(|| labels.finish())
}

/// Adds to, or with an empty value takes from, the input.
fn check(input: &[(&str, &str)], rules: &[&str], changes: &[(&str, &str)]) {
    let expected = Labels::from_pairs(input.iter().chain(changes).copied());
    assert_eq!(relabel(rules, input), Some(expected), "{rules:?}");
}

#[test]
fn every_action_does_as_in_prometheus() {
    let abc = [("a", "foo"), ("b", "bar"), ("c", "baz")];
    check(
        &abc,
        &["source_labels: a, regex: f(.*), target_label: d, replacement: ch${1}-ch${1}"],
        &[("d", "choo-choo")],
    );
    check(
        &abc,
        &[
            "source_labels: a b, regex: f(.*);(.*)r, target_label: a, replacement: b${1}${2}m",
            "source_labels: c a, regex: (b).*b(.*)ba(.*), target_label: d, replacement: $1$2$2$3",
        ],
        &[("a", "boobam"), ("d", "boooom")],
    );
    check(&abc, &["source_labels: a b, separator: /, target_label: d"], &[("d", "foo/bar")]);
    check(&abc, &["target_label: d, replacement: static"], &[("d", "static")]);
    check(&abc, &["source_labels: a, regex: f, target_label: b, replacement: x"], &[]);
    check(&abc, &["source_labels: nothing, target_label: b"], &[("b", "")]);
    check(
        &[("a", "foo"), ("f", "baz")],
        &["source_labels: a, regex: (f).*, target_label: $1, replacement: $2"],
        &[("f", "")],
    );
    check(
        &[("a", "l1\nl2")],
        &["source_labels: a, regex: l1.*l2, target_label: d, replacement: m${1}"],
        &[("d", "m")],
    );
    check(
        &[("a", "some-name-value")],
        &["source_labels: a, regex: some-([^-]+)-([^,]+), target_label: ${1}, replacement: ${2}"],
        &[("name", "value")],
    );
    check(
        &[("a", "some-name-0")],
        &["source_labels: a, regex: some-([^-]+)-([^,]+), target_label: ${3}, replacement: x"],
        &[],
    );
    check(&abc, &["source_labels: c, target_label: d, action: hashmod, modulus: 1000"], &[("d", "976")]);
    check(
        &[("a", "foo\nbar")],
        &["source_labels: a, target_label: b, action: hashmod, modulus: 1000"],
        &[("b", "734")],
    );
    check(
        &[("a", "foo"), ("b1", "bar"), ("b2", "baz")],
        &["regex: (b.*), replacement: bar_${1}, action: labelmap"],
        &[("bar_b1", "bar"), ("bar_b2", "baz")],
    );
    check(&abc, &["regex: a|b, action: labeldrop"], &[("a", ""), ("b", "")]);
    check(&abc, &["regex: a|b, action: LabelKeep"], &[("c", "")]);
    check(
        &[("a", "bAr123FooÄß")],
        &[
            "source_labels: a, action: uppercase, target_label: u",
            "source_labels: a, action: lowercase, target_label: l",
        ],
        &[("u", "BAR123FOOÄß"), ("l", "bar123fooäß")],
    );
    check(&[("u.8", "x")], &["source_labels: u.8, target_label: v.9"], &[("v.9", "x")]);
    check(
        &[("a", "line1\nline2")],
        &["source_labels: a, regex: (line1).*(?P<second>line2), target_label: l_$1, replacement: v_$second"],
        &[("l_line1", "v_line2")],
    );
}

#[test]
fn sets_are_kept_and_dropped() {
    let input = [("a", "foo"), ("p", "1"), ("q", "1"), ("r", "2")];
    for (rule, kept) in [
        ("source_labels: a, regex: .*o.*, action: drop", false),
        ("source_labels: a, regex: f|o, action: drop", true),
        ("source_labels: a, regex: f.*, action: keep", true),
        ("source_labels: a, regex: no, action: keep", false),
        ("source_labels: none, action: keep", true),
        ("source_labels: p, target_label: q, action: keepequal", true),
        ("source_labels: p, target_label: r, action: keepequal", false),
        ("source_labels: p, target_label: q, action: dropequal", false),
        ("source_labels: p, target_label: r, action: dropequal", true),
    ] {
        assert_eq!(relabel(&[rule], &input).is_some(), kept, "{rule}");
    }
    let stops = ["source_labels: a, action: drop", "target_label: z, replacement: z"];
    assert_eq!(relabel(&stops, &input), None);
}

#[test]
fn all_problems_are_told() {
    for (rule, keys) in [
        ("action: replace", vec!["target_label"]),
        ("action: lowercase", vec!["target_label"]),
        ("action: hashmod", vec!["modulus", "target_label"]),
        ("regex: (, target_label: ", vec!["regex", "target_label"]),
        ("action: keepequal, target_label: a, source_labels: b", vec![]),
        (
            "action: keepequal, target_label: a, regex: x, modulus: 3, separator: -, replacement: y",
            vec!["separator", "regex", "modulus", "replacement"],
        ),
        ("action: dropequal, target_label: a, separator: ;, replacement: $1", vec![]),
        ("action: labeldrop, regex: a", vec![]),
        (
            "action: labelkeep, regex: a, source_labels: x, target_label: y",
            vec!["source_labels", "target_label"],
        ),
        ("action: uppercase, target_label: a, replacement: x", vec!["replacement"]),
        ("action: labelmap, replacement: ", vec!["replacement"]),
        ("action: drop, regex: a", vec![]),
    ] {
        let problems = Rule::new(spec(rule), NameValidation::Utf8).map_or_else(|p| p, |_| Vec::new());
        assert_eq!(problems.iter().map(|p| p.key).collect::<Vec<_>>(), keys, "{rule}: {problems:?}");
    }
    let unknown = Rule::new(spec("action: labelmop"), NameValidation::Utf8).expect_err("unknown");
    assert_eq!(unknown[0].message, "unknown relabel action `labelmop`, did you mean `labelmap`?");
}

#[test]
fn legacy_names_and_their_templates() {
    for (target, valid) in [
        ("-label", false),
        ("label", true),
        ("0label", false),
        ("label${1}", true),
        ("${1}label", true),
        ("${1}", true),
        ("${", false),
        ("$", false),
        ("${}", false),
        ("foo${", false),
        ("$1", true),
        ("asd$2asd", true),
        ("-foo${1}bar-", false),
        ("bar.foo${1}bar", false),
        ("_${1}_", true),
        ("foo${bar}foo", true),
    ] {
        let rule = Spec { target_label: Some(target.to_owned()), ..Spec::default() };
        assert_eq!(Rule::new(rule.clone(), NameValidation::Legacy).is_ok(), valid, "{target}");
        assert!(Rule::new(rule, NameValidation::Utf8).is_ok());
    }
}

proptest! {
    #[test]
    fn nothing_panics(action in 0..11usize, regex in "[a-z().*$|?]{0,8}", replacement in "[a$1{}]{0,6}", value in ".{0,12}") {
        let rule = Spec {
            action: Some(Action::ALL[action].as_str().to_owned()),
            source_labels: Some(vec!["a".to_owned()]),
            regex: Some(regex),
            modulus: Some(7),
            target_label: Some(replacement.clone()),
            replacement: Some(replacement),
            ..Spec::default()
        };
        if let Ok(rule) = Rule::new(rule, NameValidation::Utf8) {
            let mut labels = Labels::from_pairs([("a", value.as_str()), ("b", "c")]).builder();
            if process(&[rule], &mut labels) {
                let _ = labels.finish();
            }
        }
    }
}
