use proptest::prelude::*;
use regex::Regex;
use serde::Deserialize;

use super::{compile, compile_anchored, expand, literal_alternatives, replace_all};

/// One line of `testdata/go.jsonl`: what Go 1.26 answers for a pattern.
#[derive(Deserialize)]
struct Case {
    /// Pattern.
    p: String,
    /// Go's error.
    #[serde(default)]
    err: String,
    /// Subjects, and for each:
    #[serde(default)]
    s: Vec<String>,
    /// the first match with its groups (start, end, …; -1: no part of it),
    #[serde(default)]
    m: Vec<Vec<i64>>,
    /// whether `^(?s:…)$` matches,
    #[serde(default)]
    a: Vec<bool>,
    /// and all matches replaced by [`REPLACEMENT`].
    #[serde(default)]
    r: Vec<String>,
}

const REPLACEMENT: &str = "<$0:$1:${n}:$1x:$$:$>";

fn spans(regex: &Regex, text: &str) -> Vec<i64> {
    let Some(captures) = regex.captures(text) else { return Vec::new() };
    captures.iter().flat_map(|m| m.map_or([-1, -1], |m| [m.start() as i64, m.end() as i64])).collect()
}

fn differences(case: &Case) -> Vec<String> {
    let p = &case.p;
    let regex = match compile(p) {
        Ok(_) if !case.err.is_empty() => return vec![format!("{p:?}: accepted, Go: {}", case.err)],
        Err(e) if e.message != case.err => return vec![format!("{p:?}: {} | Go: {}", e.message, case.err)],
        Err(e) => {
            assert!(e.offset <= p.len());
            return Vec::new();
        }
        Ok(regex) => regex,
    };
    let anchored = compile_anchored(p).expect("what compiles alone compiles anchored");
    let words = literal_alternatives(p);
    let mut out = Vec::new();
    for (i, s) in case.s.iter().enumerate() {
        let found = spans(&regex, s);
        if found != case.m[i] {
            out.push(format!("{p:?} on {s:?}: {found:?}, Go: {:?}", case.m[i]));
        }
        if anchored.is_match(s) != case.a[i] {
            out.push(format!("{p:?} anchored on {s:?}: Go: {}", case.a[i]));
        }
        if words.as_ref().is_some_and(|w| w.contains(s) != case.a[i]) {
            out.push(format!("{p:?} as words {words:?} on {s:?}: Go: {}", case.a[i]));
        }
        let replaced = replace_all(&regex, s, REPLACEMENT, usize::MAX).expect("no limit");
        if replaced != case.r[i] {
            out.push(format!("{p:?} replaced in {s:?}: {replaced:?}, Go: {:?}", case.r[i]));
        }
    }
    out
}

#[test]
fn answers_as_go_does() {
    let text = include_str!("testdata/go.jsonl");
    let cases: Vec<Case> = text.lines().map(|l| serde_json::from_str(l).expect(l)).collect();
    assert!(cases.len() > 100);
    let all: Vec<String> = cases.iter().flat_map(differences).collect();
    assert!(all.is_empty(), "{} differences:\n{}", all.len(), all.join("\n"));
}

#[test]
fn errors_point_at_the_fragment() {
    for (pattern, offset) in
        [("ab[c", 2), ("a**", 1), ("ab)", 2), ("a{3,2}", 1), ("ab\\q", 2), ("a(?x)", 1), ("x\\", 1)]
    {
        assert_eq!(compile(pattern).expect_err(pattern).offset, offset, "{pattern}");
    }
}

#[test]
fn lists_of_words_are_found() {
    let some = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect::<Vec<_>>());
    for (pattern, words) in [
        ("", some(&[""])),
        ("foo", some(&["foo"])),
        ("foo|bar|foo", some(&["foo", "bar"])),
        ("^(foo|bar)$", some(&["foo", "bar"])),
        (r"api\.example\.com", some(&["api.example.com"])),
        ("(?:web|db)-[1-3]", some(&["web-1", "web-2", "web-3", "db-1", "db-2", "db-3"])),
        ("foo|", some(&["foo", ""])),
        ("a(|b)", some(&["a", "ab"])),
        (r"\Qa|b\E", some(&["a|b"])),
        ("é|ü", some(&["é", "ü"])),
        ("foo.*", None),
        ("(?i)foo", None),
        ("[^a]", None),
        (r"\d", None),
        ("a?", None),
        ("[a-z][a-z]", None),
        ("[\\x{0}-\\x{10ffff}]", None),
        ("a|^b", None),
        ("(", None),
    ] {
        assert_eq!(literal_alternatives(pattern), words, "{pattern}");
    }
}

#[test]
fn references_follow_gos_rules() {
    let regex = compile("(?P<first>a)(b)?").expect("pattern");
    let captures = regex.captures("a").expect("match");
    for (replacement, expanded) in [
        ("$1", "a"),
        ("$1abc", ""),
        ("${1}abc", "aabc"),
        ("$first-x", "a-x"),
        ("${first}x", "ax"),
        ("$2|$3|$none", "||"),
        ("$$1", "$1"),
        ("100$", "100$"),
        ("$ $- ${ ${} ${1", "$ $- ${ ${} ${1"),
        ("$01", ""),
        ("$1234567890123", ""),
        ("$é", ""),
        ("é$1é", "é"),
        ("é${1}é", "éaé"),
    ] {
        let mut out = String::new();
        expand(replacement, &captures, &mut out);
        assert_eq!(out, expanded, "{replacement}");
    }
}

#[test]
fn hostile_patterns_end_in_an_error() {
    for pattern in [
        "(".repeat(100_000),
        "(a|".repeat(100_000),
        format!("{}a{}", "(".repeat(1000), ")".repeat(1000)),
        format!("{}a{}", "(?:".repeat(500), ")*".repeat(500)),
        r"\pL{1000}".repeat(100),
        r"(((\w{9}){9}){9}|x)".repeat(1000),
    ] {
        assert!(compile(&pattern).is_err());
        assert!(compile(&pattern).expect_err("too large").message.len() < 500);
    }
    let deep = format!("{}a{}", "(b|(?:".repeat(100), ")*c)".repeat(100));
    assert!(compile(&deep).is_err(), "300 levels");
    let deep = format!("{}a{}", "(b|x(".repeat(99), ")y)".repeat(99));
    assert!(compile(&deep).expect("198 levels").is_match(&format!("{}a{}", "x".repeat(99), "y".repeat(99))));
    assert_eq!(
        replace_all(&compile("").expect("pattern"), &"x".repeat(10_000), &"y".repeat(10_000), 1 << 20),
        None
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What the parser accepts the engine accepts; nothing panics.
    #[test]
    fn anything_compiles_or_is_refused(pattern in r"([a-c0-9.*+?|()\[\]{}^$\\,&~:<>#é \-]|\\[a-zA-Z]|\(\?[imsU:P<a-z>-]{0,4}|\[\[:|\{[0-9,]{0,4}\}){0,24}", text in "[a-cé0-9 ]{0,8}") {
        match compile(&pattern) {
            Ok(regex) => {
                prop_assert!(compile_anchored(&pattern).is_ok());
                let _ = regex.is_match(&text);
                if let Some(words) = literal_alternatives(&pattern) {
                    let anchored = compile_anchored(&pattern).expect("compiles");
                    for word in words {
                        prop_assert!(anchored.is_match(&word));
                    }
                }
            }
            Err(e) => prop_assert!(e.message.starts_with("error parsing regexp: ") && !e.message.contains("too large"), "{}", e),
        }
    }
}
