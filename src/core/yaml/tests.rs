use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    diag::{Diagnostic, SourceText, Span, has_errors, render_line},
    model::Duration,
};

fn read(text: &str) -> (Option<Document>, Vec<Diagnostic>) {
    parse(SourceText::new("f.yml", text), &Limits::FILE)
}

fn lines(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().map(render_line).collect()
}

/// The tree as compact text: quoted scalars with `"`, plain ones without.
fn show(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Scalar(s) if s.plain => s.text.to_string(),
        Value::Scalar(s) => format!("{:?}", s.text),
        Value::Sequence(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        Value::Mapping(entries) => {
            let pairs: Vec<String> =
                entries.iter().map(|(k, v)| format!("{}: {}", k.text, show(v))).collect();
            format!("{{{}}}", pairs.join(", "))
        }
    }
}

#[test]
fn reads_what_people_write() {
    for (text, want) in [
        ("", "null"),
        ("# nothing\n", "null"),
        ("a: 1\nb:\n  - x\n  - 'y'\n", r#"{a: 1, b: [x, "y"]}"#),
        ("a:\nb: ~\nc: null\nd: 'null'\ne: ''", r#"{a: null, b: null, c: null, d: "null", e: ""}"#),
        ("\u{feff}a: 1\r\nb: |\r\n  x\r\n  y\r\n", r#"{a: 1, b: "x\ny\n"}"#),
        ("a: !!str 5\nb: !!int 5\n", r#"{a: "5", b: 5}"#),
        ("{\"a\": [1, {\"b\": true}]}", "{a: [1, {b: true}]}"),
        ("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\n", "{x: {a: 1, b: 2}, y: {b: 3, a: 1}}"),
        (
            "p: &p {a: 1}\nq: &q {a: 2, b: 2}\nr:\n  <<: [*p, *q]\n  c: 3\n",
            "{p: {a: 1}, q: {a: 2, b: 2}, r: {c: 3, a: 1, b: 2}}",
        ),
        ("a: &n {k: v}\nb: [*n, *n]\n", "{a: {k: v}, b: [{k: v}, {k: v}]}"),
        ("a: [x, y,]\nb: {}\nc: []\n", "{a: [x, y], b: {}, c: []}"),
    ] {
        let (document, problems) = read(text);
        assert_eq!(lines(&problems), Vec::<String>::new(), "{text:?}");
        assert_eq!(document.map(|d| show(&d.root)).as_deref(), Some(want), "{text:?}");
    }
}

#[test]
fn says_what_is_wrong_and_where() {
    for (text, want) in [
        ("a: 1\nb: 2\na: 3\n", "f.yml:3:1: error[yaml-duplicate-key]: `a` is given twice"),
        ("a:\n\tb: 1\n", "f.yml:2:1: error[yaml-syntax]: a tab where YAML allows only blanks"),
        ("a:\n  - [x, y\nb: 1\nc: 2\n", "f.yml:2:5: error[yaml-syntax]: `[` is never closed"),
        ("a: {x: 1\nb: 2\n", "f.yml:1:4: error[yaml-syntax]: `{` is never closed"),
        ("a: [1, 2\n", "f.yml:1:4: error[yaml-syntax]: `[` is never closed"),
        ("a: [1]]\n", "f.yml:1:7: error[yaml-syntax]: a closing bracket that nothing opened"),
        ("a: [1}\n", "f.yml:1:4: error[yaml-syntax]: `[` is closed by `}`"),
        ("a: 'x\nb: 1\n", "f.yml:1:4: error[yaml-syntax]: the quote ' is never closed"),
        ("a: \"x\\d+\"\n", "f.yml:1:6: error[yaml-syntax]: `\\d` is no escape in double quotes"),
        ("a: @x\n", "f.yml:1:4: error[yaml-syntax]: an unquoted value can't begin with `@`"),
        ("a: b: c\n", "f.yml:1:5: error[yaml-syntax]: a `:` that YAML takes for the end of a key"),
        ("a: 1\n  b: 2\n", "f.yml:2:4: error[yaml-syntax]: a `:` that YAML takes for the end of a key"),
        ("a: 1\nfoo\nb: 2\n", "f.yml:2:1: error[yaml-syntax]: expected `key: value`"),
        (
            "a:\n  - b: 1\n    c: 2\n   d: 3\n",
            "f.yml:4:4: error[yaml-syntax]: the indentation fits nothing above",
        ),
        ("a: *nope\n", "f.yml:1:4: error[yaml-alias]: `*nope` refers to an anchor that isn't there"),
        ("a: &x {b: *x}\n", "f.yml:1:11: error[yaml-alias]: an alias inside the value that it refers to"),
        ("a: {{ $x }}\n", "f.yml:1:4: error[yaml-template]: a value that begins with `{{` must be quoted"),
        (
            "a: {{ $x }} is down\n",
            "f.yml:1:4: error[yaml-template]: a value that begins with `{{` must be quoted",
        ),
        ("? [a]\n: b\n", "f.yml:1:3: error[yaml-key]: a list can't be a key"),
        ("a: 1\n---\nb: 2\n", "f.yml:2:1: warning[yaml-documents]: a second document, which is ignored"),
        ("a: !foo b\n", "f.yml:1:9: error[yaml-tag]: the tag `!foo` has no meaning here"),
        ("a: {<<: 5}\n", "f.yml:1:9: error[yaml-merge]: `<<` takes a mapping or a list of mappings"),
        ("a: \"x\" y\n", "f.yml:1:8: error[yaml-syntax]: text after the closing quote"),
        ("x: - a\n", "f.yml:1:4: error[yaml-syntax]: a list can't begin here"),
        ("a: \u{1}\n", "f.yml:1:4: error[yaml-syntax]: control character U+0001"),
    ] {
        assert_eq!(lines(&read(text).1), [want], "{text:?}");
    }
}

#[test]
fn goes_on_after_a_broken_value() {
    let text = "a: {{ $x }} up\nb: c: d\nc: \"\\d \\w\"\nd: @e\na: 1\nf: [1]\n";
    let (document, problems) = read(text);
    let places: Vec<String> =
        lines(&problems).iter().map(|l| l[6..l.find("]:").unwrap()].to_owned()).collect();
    assert_eq!(
        places,
        [
            "1:4: error[yaml-template",
            "2:5: error[yaml-syntax",
            "3:5: error[yaml-syntax",
            "3:8: error[yaml-syntax",
            "4:4: error[yaml-syntax",
            "5:1: error[yaml-duplicate-key"
        ]
    );
    let document = document.expect("the rest is readable");
    // what stands in for the broken values is not judged
    let mut reader = Reader::new(&document);
    let mut fields = reader.map(&document.root, "x").expect("a mapping");
    for key in ["a", "b", "c", "d", "f"] {
        assert_eq!(fields.get(&mut reader, key, Reader::int), None);
    }
    assert_eq!(
        lines(&reader.finish()),
        ["f.yml:6:4: error[wrong-type]: expected a whole number, found a list"]
    );
}

#[test]
fn aliases_and_depth_are_bounded() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (i, name) in ('b'..='z').enumerate() {
        let before = char::from(b'a' + i as u8);
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(", ")));
    }
    let (_, problems) = read(&bomb);
    assert!(lines(&problems).iter().any(|l| l.contains("yaml-limit")), "{problems:?}");
    let (document, problems) = read(&"[".repeat(100_000));
    assert!(document.is_none() && problems.len() == 1, "{:?}", lines(&problems));
    let (_, problems) = read(&"- ".repeat(100_000));
    assert!(has_errors(&problems) && problems.len() == 1, "{:?}", lines(&problems));
}

/// Every word of `text` is found in the source at the place that its map gives.
fn check_map(source: &str, path: &str, words: &[&str]) {
    let (document, problems) = read(source);
    assert!(problems.is_empty(), "{problems:?}");
    let document = document.expect(source);
    let Value::Mapping(entries) = &document.root.value else { panic!("{source}") };
    let (_, node) = entries.iter().find(|(k, _)| &*k.text == path).expect(path);
    let scalar = node.as_scalar().expect(path);
    for word in words {
        let at = scalar.text.find(word).unwrap_or_else(|| panic!("{word} in {:?}", scalar.text));
        let span = scalar.locate(Span::new(at, at + word.len()));
        assert_eq!(&source[span.start..span.end], *word, "{source:?}");
    }
}

#[test]
fn places_inside_scalars_are_found_in_every_style() {
    check_map("a: one two\n", "a", &["one", "two"]);
    check_map("a: one\n  two é\n\n  three\n", "a", &["one", "two", "three"]);
    check_map("a: 'it''s one\n   two'\n", "a", &["it", "s one", "two"]);
    check_map(
        "a: \"x\\ty \\u00e9 one \\\n   two\\n three\n\n  four\"\n",
        "a",
        &["one", "two", "three", "four"],
    );
    check_map("a: \"\\ud83d\\ude00 one \\x41 two \\N three\"\n", "a", &["one", "two", "three"]);
    check_map("a: |\n  one\n    two\n\n  three\n", "a", &["one", "  two", "three"]);
    check_map("a: |\n\n\n  one\n  two", "a", &["one", "two"]);
    check_map(
        "a: >-\n\n  one\n  two\n\n\n  three\n    four\n   five\n  six\n",
        "a",
        &["one", "two", "three", "four", "five", "six"],
    );
    check_map("x: 1\r\na: >\r\n  one\r\n  two\r\n", "a", &["one", "two"]);
    check_map("a: |2-\n    one\n   two\n", "a", &["  one", " two"]);
    check_map(
        "a: |\n  sum(\n    rate(x[5m])\n  ) # no comment\n  > 3\n",
        "a",
        &["rate(x[5m])", ") #", "> 3"],
    );
}

#[test]
fn typed_values() {
    let text = "d: 1h30m\nn: 5\nf: 1e3\nb: yes\nq: 'yes'\ns: 007\nm: {a: 1, b: }\nr: a.*\nu: https://x/y\nneg: -3\nlist: [a, 2]\ngo: 1.5h\nnum: 30\nbad_r: '(a'\nbad_u: //x\nftp: ftp://x\nhex: 0x10\ntypo_key: 1\n";
    let (document, _) = read(text);
    let document = document.expect("valid");
    let mut r = Reader::new(&document);
    let mut f = r.map(&document.root, "the test").expect("a mapping");
    assert_eq!(f.get(&mut r, "d", Reader::duration).map(Duration::as_millis), Some(5_400_000));
    assert_eq!(f.get(&mut r, "go", Reader::go_duration).map(Duration::as_millis), Some(5_400_000));
    assert_eq!(f.get(&mut r, "n", Reader::int), Some(5));
    assert_eq!(f.get(&mut r, "hex", Reader::int), Some(16));
    assert_eq!(f.get(&mut r, "f", Reader::int), Some(1000));
    assert_eq!(f.get(&mut r, "b", Reader::bool), Some(true));
    assert_eq!(f.get(&mut r, "s", Reader::string).as_deref(), Some("007"));
    let map = f.get(&mut r, "m", Reader::string_map).expect("labels");
    let map: Vec<(&str, &str)> = map.iter().map(|(k, v)| (&*k.text, &*v.value)).collect();
    assert_eq!(map, [("a", "1"), ("b", "")]);
    assert!(f.get(&mut r, "r", Reader::regex).is_some());
    assert!(f.get(&mut r, "u", Reader::url).is_some());
    assert_eq!(f.get(&mut r, "list", Reader::strings).map(|l| l.len()), Some(2));
    assert_eq!(f.get(&mut r, "absent", Reader::int), None);
    assert_eq!(f.require(&mut r, "typo_keys", Reader::int), None);
    // and what is wrong
    f.get(&mut r, "q", Reader::bool);
    f.get(&mut r, "neg", Reader::size);
    f.get(&mut r, "num", Reader::duration);
    f.get(&mut r, "bad_r", Reader::regex);
    f.get(&mut r, "bad_u", Reader::url);
    f.get(&mut r, "ftp", Reader::url);
    f.finish(&mut r);
    let problems = r.finish();
    assert_eq!(
        lines(&problems),
        [
            "f.yml:1:1: error[missing-key]: the test has no `typo_keys`",
            "f.yml:5:4: error[wrong-type]: expected `true` or `false`, found the text `yes`",
            "f.yml:10:6: error[invalid-value]: `-3` is negative",
            "f.yml:13:6: error[invalid-duration]: not a valid duration: `30`",
            "f.yml:14:8: error[invalid-regex]: not a regular expression: error parsing regexp: missing closing ): `(a`",
            "f.yml:15:8: error[invalid-url]: not a URL: the scheme is missing",
            "f.yml:16:6: error[invalid-url]: scheme `ftp` is not supported for a URL here",
            "f.yml:18:1: error[unknown-key]: unknown key `typo_key` in the test",
        ]
    );
    assert_eq!(problems[7].label, "did you mean `typo_keys`?");
    assert_eq!(problems[3].hints, ["a unit is missing: `30s` are seconds, `30m` minutes"]);
}

#[test]
fn numbers_and_durations_as_go_reads_them() {
    for (text, want) in [
        ("5", Some(5)),
        ("-0x1F", Some(-31)),
        ("1_000", Some(1000)),
        ("010", Some(8)),
        ("0o17", Some(15)),
        ("0b11", Some(3)),
        ("", None),
        ("x", None),
        ("9223372036854775808", None),
        ("- 5", None),
        ("--5", None),
    ] {
        assert_eq!(parse_int(text), want, "{text}");
    }
    for (text, want) in [
        ("1.5", Some(1.5)),
        ("-1e3", Some(-1000.0)),
        (".inf", Some(f64::INFINITY)),
        ("inf", None),
        ("nan", None),
        ("1x", None),
        (".", None),
    ] {
        assert_eq!(parse_float(text), want, "{text}");
    }
    for (text, want) in [
        ("500ms", Some(500)),
        ("1h30m", Some(5_400_000)),
        ("-1.5s", Some(-1500)),
        ("0", Some(0)),
        ("1d", None),
        ("5", None),
        ("", None),
        (".s", None),
        ("9999999h", None),
        ("1µs", Some(0)),
    ] {
        assert_eq!(parse_go_duration(text).map(Duration::as_millis), want, "{text}");
    }
}

#[test]
fn a_flood_of_problems_is_cut() {
    let text = (0..1000).map(|i| format!("k{i}: 1")).collect::<Vec<_>>().join("\n");
    let document = read(&text).0.expect("valid");
    let mut reader = Reader::new(&document);
    reader.map(&document.root, "the test").expect("a mapping").finish(&mut reader);
    let problems = reader.finish();
    assert_eq!((problems.len(), problems[200].message.as_str()), (201, "800 more problems in this file"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text is read or refused with a place, and every span can be cut out of the source.
    #[test]
    fn never_panics(text in r#"([a-c]: |- |\n|\n  |[\[\]{}"'|>&*!#,:~x]|<<|\{\{|\t|\\|é|\r\n){0,40}"#) {
        let source = SourceText::new("f", text.as_str());
        let (document, problems) = parse(Arc::clone(&source), &Limits::FILE);
        prop_assert!(document.is_some() || has_errors(&problems));
        for d in &problems {
            let (_, span) = d.place.as_ref().expect("a place");
            prop_assert!(text.get(span.start..span.end).is_some(), "{:?}", d);
        }
        if let Some(document) = document {
            check_spans(&text, &document.root)?;
        }
    }
}

fn check_spans(text: &str, node: &Node) -> Result<(), TestCaseError> {
    prop_assert!(text.get(node.span.start..node.span.end).is_some(), "{:?}", node);
    match &node.value {
        Value::Null => {}
        Value::Scalar(s) => {
            for (i, c) in s.text.char_indices() {
                let span = s.locate(Span::new(i, i + c.len_utf8()));
                prop_assert!(span.start <= span.end && span.end <= text.len(), "{:?} {:?}", s, span);
            }
        }
        Value::Sequence(items) => items.iter().try_for_each(|n| check_spans(text, n))?,
        Value::Mapping(entries) => entries.iter().try_for_each(|(_, n)| check_spans(text, n))?,
    }
    Ok(())
}
