use super::*;
use crate::model::Matcher;

fn printed(result: Result<Vec<Matcher>, Error>) -> String {
    match result {
        Ok(all) => print_list(&all),
        Err(e) => format!("{}..{} {}", e.span.start, e.span.end, e.message),
    }
}

fn in_mode(mode: Mode, text: &str) -> String {
    printed(parse_in(mode, text).map(|p| p.matchers))
}

#[test]
fn the_utf8_grammar() {
    // inputs of Alertmanager's matcher/parse tests; columns there are characters, here bytes
    for (text, expected) in [
        ("", "{}"),
        ("{}", "{}"),
        ("{foo=bar}", r#"{foo="bar"}"#),
        ("{foo=bar,}", r#"{foo="bar"}"#),
        ("{foo!=bar}", r#"{foo!="bar"}"#),
        ("{foo=~[a-z]+}", r#"{foo=~"[a-z]+"}"#),
        ("foo!~[a-z]+", r#"{foo!~"[a-z]+"}"#),
        ("{foo=🙂bar}", r#"{foo="🙂bar"}"#),
        (r#"{"foo"="\xf0\x9f\x99\x82"}"#, r#"{foo="🙂"}"#),
        (r#"{"foo"="\U0001f642"}"#, r#"{foo="🙂"}"#),
        (r#"{"foo"="bar\n"}"#, r#"{foo="bar\n"}"#),
        (r#"{"foo"="bar\t"}"#, "{foo=\"bar\t\"}"),
        (r#"{"foo"="\"bar\""}"#, r#"{foo="\"bar\""}"#),
        (r#""foo"="bar\\","#, r#"{foo="bar\\"}"#),
        ("{foo=bar,bar!=baz}", r#"{foo="bar",bar!="baz"}"#),
        ("Σ=a, 00=b", r#"{Σ="a",00="b"}"#),
        (r#""a b"="c""#, r#"{"a b"="c"}"#),
        (r#"foo="""#, r#"{foo=""}"#),
        (",", "0..1 unexpected ,: expected label name"),
        ("{,}", "1..2 unexpected ,: expected label name"),
        ("{", "1..1 end of input: expected close brace"),
        ("}", "1..1 }: expected opening brace"),
        ("foo=bar}", "8..8 }: expected opening brace"),
        ("{foo=bar", "8..8 end of input: expected close brace"),
        ("{foo=", "5..5 end of input: expected label value"),
        ("foo", "3..3 end of input: expected an operator such as '=', '!=', '=~' or '!~'"),
        (r#"{foo=:"bar"}"#, "6..11 unexpected \"bar\": expected a comma or close brace"),
        (r#"{foo="bar\w"}"#, r#"5..12 "bar\w": invalid input"#),
        (r"{foo=bar\n}", r"8..9 \: invalid input"),
        (r#"{"foo"="\xf0\x9f"}"#, r#"7..17 "\xf0\x9f": invalid input"#),
        ("{foo=}", "5..6 unexpected }: expected label value"),
        (r#"""=a"#, "0..2 a label name can't be empty"),
        ("a!b", "1..2 expected one of '=~' after '!'"),
        (r#"a="b"#, "2..4 missing end \""),
        ("{a=b}c", "5..6 unexpected c: expected end of input"),
        ("{a=b}}", "5..6 unexpected }: expected end of input"),
        ("a=b,,", "4..5 unexpected ,: expected label name"),
    ] {
        assert_eq!(in_mode(Mode::Utf8, text), expected, "{text}");
    }
    assert!(in_mode(Mode::Utf8, "a=~\"[\"").starts_with("3..6 invalid regular expression"));
}

#[test]
fn the_classic_grammar() {
    // inputs of Alertmanager's pkg/labels and matcher/compliance tests
    for (text, expected) in [
        (r#"{foo="bar", baz!~".*quux", derp="wat"}"#, r#"{foo="bar",baz!~".*quux",derp="wat"}"#),
        (r#"{foo="bar,quux", job="job1"}"#, r#"{foo="bar,quux",job="job1"}"#),
        (r#"{foo = "bar", dings != "bums", }"#, r#"{foo="bar",dings!="bums"}"#),
        (r#"{quote="She said: \"Hi, ladies!\""}"#, r#"{quote="She said: \"Hi, ladies!\""}"#),
        ("tricky=~~~", r#"{tricky=~"~~"}"#),
        (r#"trickier==\\=\=\""#, r#"{trickier="=\\=\\=\""}"#),
        (
            r#"contains_quote != "\"" , contains_comma !~ "foo,bar" , "#,
            r#"{contains_quote!="\"",contains_comma!~"foo,bar"}"#,
        ),
        ("job=", r#"{job=""}"#),
        ("{foo='}", r#"{foo="'"}"#),
        (r"{foo=\n}", r#"{foo="\n"}"#),
        (r"{foo=bar\t}", r#"{foo="bar\\t"}"#),
        (r"{foo=bar\}", r#"{foo="bar\\"}"#),
        (r"{foo=bar\\}", r#"{foo="bar\\"}"#),
        ("{foo=bar}}", r#"{foo="bar}"}"#),
        ("{foo=,bar=}}", r#"{foo="",bar="}"}"#),
        ("{foo=}b", r#"{foo="}b"}"#),
        ("foo=bar}", r#"{foo="bar"}"#),
        ("a:b=c", r#"{a:b="c"}"#),
        ("", "{}"),
        (r#"job="value"#, "0..10 matcher value contains unescaped double quote: \"value"),
        (r#"job=value""#, "0..10 matcher value contains unescaped double quote: value\""),
        (r#"trickier==\\=\=\"""#, r#"0..18 matcher value contains unescaped double quote: =\\=\=\"""#),
        ("{invalid-name = \"x\"}", "1..19 bad matcher format: invalid-name = \"x\""),
        (r#""{foo=\"bar"}"#, r#"0..12 bad matcher format: "{foo=\"bar""#),
        ("{,}", "1..1 bad matcher format: "),
        ("{{foo=", "1..6 bad matcher format: {foo="),
    ] {
        assert_eq!(in_mode(Mode::Classic, text), expected, "{text}");
    }
}

#[test]
fn the_fallback_between_them() {
    let both = |text| parse_in(Mode::Fallback, text).expect(text);
    assert_eq!(both("{foo=bar}").warning, None);
    let old = both("foo=");
    assert_eq!(
        (print_list(&old.matchers).as_str(), old.warning),
        (r#"{foo=""}"#, Some(Warning::ClassicOnly { suggestion: r#"{foo=""}"#.to_owned() }))
    );
    // Both take it; `\x41` is an escape in one and plain text in the other.
    let differ = both(r#"foo="\x41""#);
    assert_eq!(differ.warning, Some(Warning::Disagreement { suggestion: r#"{foo="\\x41"}"#.to_owned() }));
    assert_eq!(&*differ.matchers[0].value, r"\x41");
    assert_eq!(print_list(&both("🙂=a").matchers), r#"{🙂="a"}"#);
    assert!(parse("foo").is_err() && parse("{,}").is_err());
}

#[test]
fn exactly_one_matcher() {
    assert_eq!(parse_one("a=b").map(|m| print_one(&m)), Ok(r#"a="b""#.to_owned()));
    for (bad, message) in [
        ("{a=b}", "unexpected open or close brace: {a=b}"),
        ("a=b}", "unexpected open or close brace: a=b}"),
        ("", "no matchers"),
        ("a=b,c=d", "expected 1 matcher, found 2"),
    ] {
        assert_eq!(parse_one(bad).expect_err(bad).message, message);
    }
}

proptest::proptest! {
    /// What is printed means the same again, in every grammar that can say it.
    #[test]
    fn printing_and_parsing_are_inverse(name in "[a-z🙂 =\"]{1,6}", value in "\\PC{0,12}|[\"\\\\\n,{}=~!]{0,8}") {
        let matcher = Matcher::equal(name.as_str(), value.as_str());
        let text = print_list(std::slice::from_ref(&matcher));
        proptest::prop_assert_eq!(parse(&text), Ok(vec![matcher]));
    }

    /// No text makes the parsers panic, and errors point into the text.
    #[test]
    fn any_text_is_answered(text in "[a{}=~!,\"\\\\ \n🙂x0]{0,20}") {
        for mode in [Mode::Utf8, Mode::Classic, Mode::Fallback] {
            if let Err(e) = parse_in(mode, &text) {
                proptest::prop_assert!(e.span.start <= e.span.end && e.span.end <= text.len());
                proptest::prop_assert!(text.get(e.span.start..e.span.end).is_some());
            }
        }
    }
}
