use std::{fs, path::PathBuf};

use proptest::prelude::*;

use super::*;
use crate::diag::Span;

fn ok(text: &str) -> Expr {
    parse(text, &ParseOptions::all()).unwrap_or_else(|e| panic!("{text}: {e:?}"))
}

/// The tree without spans, in which matchers stand in order and durations have forgotten how they were written.
fn shape(expr: &Expr) -> String {
    let mut matchers = Vec::new();
    walk(expr, &mut |e| {
        if let ExprKind::Selector(s) | ExprKind::Range { selector: s, .. } = &e.kind {
            let mut sorted = s.matchers.clone();
            sorted.sort();
            matchers.push((format!("{:?}", s.matchers), format!("{sorted:?}")));
        }
    });
    let mut text = format!("{expr:?}").replace(", true)", ", false)");
    for (written, sorted) in matchers {
        text = text.replacen(&written, &sorted, 1);
    }
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(i) = rest.find("Span {") {
        out.push_str(&rest[..i]);
        rest = &rest[i + rest[i..].find('}').expect("closed") + 1..];
    }
    out + rest
}

#[test]
fn the_table_is_sorted_and_complete() {
    assert!(FUNCTIONS.windows(2).all(|w| w[0].name < w[1].name), "binary search needs order");
    assert_eq!(function("rate").map(|f| f.args), Some(&[ValueType::Matrix][..]));
    assert_eq!(function("Rate"), None);
}

#[test]
fn prints_as_prometheus() {
    for (text, printed) in [
        ("1 + 2*3", "1 + 2 * 3"),
        ("-2^2", "-2 ^ 2"),
        ("2^3^2", "2 ^ 3 ^ 2"),
        ("(a-b)-c", "(a - b) - c"),
        ("5m", "5m"),
        ("0x1F", "31"),
        ("1e6", "1000000"),
        ("inf", "+Inf"),
        ("SUM(a) BY (b)", "sum by (b) (a)"),
        ("sum by () (a)", "sum(a)"),
        ("sum without () (a)", "sum without () (a)"),
        ("topk(5,a)", "topk(5, a)"),
        ("a{b='c',d=~\"e.*\",}", r#"a{b="c",d=~"e.*"}"#),
        (r#"{"a.b", "c d"="e"}"#, r#"{"a.b","c d"="e"}"#),
        (r#"{__name__="x"}"#, r#"{__name__="x"}"#),
        (r#"{"x"}"#, "x"),
        ("a offset 5m @ 100", "a @ 100.000 offset 5m"),
        ("a[5m] @ end() offset -1w", "a[5m] @ end() offset -1w"),
        ("a[300]", "a[5m]"),
        ("rate(a[5m:])", "rate(a[5m:])"),
        ("(a+b)[1h:1m] offset 5m", "(a + b)[1h:1m] offset 5m"),
        ("a[5m*2+step()]", "a[5m * 2s + step()]"),
        ("a > bool on(x) group_left(y) b", "a > bool on (x) group_left (y) b"),
        ("a and on() b", "a and on () b"),
        ("a + fill(0) b", "a + fill (0) b"),
        ("a + fill_left(-1) fill_right(2) b", "a + fill_left (-1) fill_right (2) b"),
        ("label_replace(a, \"x\", `$1`, 'y', \"(.*)\")", r#"label_replace(a, "x", "$1", "y", "(.*)")"#),
        ("a[5m] anchored", "a[5m] anchored"),
        ("\"\\xff\\u00e9\"", "\"\\xffé\""),
        ("# note\na # more\n + b", "a + b"),
        ("on{x='1'}", ""),
    ] {
        if printed.is_empty() {
            assert!(parse(text, &ParseOptions::all()).is_err(), "{text}");
            continue;
        }
        assert_eq!(ok(text).to_string(), printed, "{text}");
    }
}

#[test]
fn precedence_and_sign() {
    let value = |text: &str| match ok(text).kind {
        ExprKind::Binary(b) => b.op,
        other => panic!("{other:?}"),
    };
    assert_eq!(value("a or b and c"), BinaryOp::Or);
    assert_eq!(value("a == b + c"), BinaryOp::Eq);
    assert_eq!(value("a + b atan2 c"), BinaryOp::Add);
    assert_eq!(value("a * b ^ c"), BinaryOp::Mul);
    assert!(matches!(ok("-a^2").kind, ExprKind::Unary { .. }));
    assert_eq!(value("-a * b"), BinaryOp::Mul);
    assert!(matches!(ok("-1").kind, ExprKind::Number { value, .. } if value == -1.0));
}

#[test]
fn keywords_are_names_where_they_can_be() {
    for name in [
        "sum", "by", "without", "offset", "and", "or", "unless", "start", "end", "step", "range", "anchored",
        "fill", "min_of", "limitk",
    ] {
        // As a label everywhere; as a metric in braces' company.
        ok(&format!("{{__name__=\"x\", {name}=\"1\"}}"));
        ok(&format!("sum by ({name}) (x)"));
        ok(&format!("{name}{{a=\"1\"}}"));
    }
    for name in ["bool", "on", "ignoring", "group_left", "group_right", "atan2"] {
        assert!(parse(name, &ParseOptions::all()).is_err(), "{name}");
    }
}

/// Text with the offending part between `«»`, the message, the hint.
#[test]
fn errors_point_at_the_place() {
    for (marked, message, hint) in [
        ("«»", "no expression found in input", ""),
        ("a +«»", "unexpected end of input in expression", ""),
        ("sum«(»a", "unclosed left parenthesis", "add `)`"),
        ("a«)»", "unexpected right parenthesis", ""),
        ("a «=» 1", "unexpected \"=\" in expression", "to compare write `==`"),
        (
            "a «by» (b)",
            "unexpected identifier \"by\" in expression",
            "`by` and `without` belong to an aggregation: sum by (…) (…)",
        ),
        ("«rates»(a[5m])", "unknown function with name \"rates\"", "did you mean `rate`?"),
        (
            "rate(«a»)",
            "expected type range vector in call to function \"rate\", got instant vector",
            "add a range: a[5m]",
        ),
        (
            "rate(«sum(a)»)",
            "expected type range vector in call to function \"rate\", got instant vector",
            "make it a subquery: (…)[5m:]",
        ),
        (
            "«a[5m]» > 1",
            "binary expression must contain only scalar and instant vector types",
            "a range needs a function over it, such as rate(…) or max_over_time(…)",
        ),
        (
            "sum(«a[5m]»)",
            "expected type instant vector in aggregation expression, got range vector",
            "a range needs a function over it, such as rate(…) or max_over_time(…)",
        ),
        ("1 «==» 1", "comparisons between scalars must use BOOL modifier", "write `== bool`"),
        ("1 «and» 1", "set operator \"and\" not allowed in binary scalar expression", ""),
        ("a + «bool» b", "bool modifier can only be used on comparison operators", ""),
        (
            "«{}»",
            "vector selector must contain at least one non-empty matcher",
            "name a metric, or a label with a value that is not empty",
        ),
        (
            "«{x=~\".*\"}»",
            "vector selector must contain at least one non-empty matcher",
            "name a metric, or a label with a value that is not empty",
        ),
        ("«a{__name__=\"b\"}»", "metric name must not be set twice: \"a\" or \"b\"", ""),
        ("a{b=«c»}", "unexpected identifier \"c\" in label matching", "write b=\"c\""),
        ("a{b=~«\"(\"»}", "", ""),
        ("a[«0»]", "duration must be greater than 0", ""),
        (
            "a[«1.5h»]",
            "bad number or duration syntax: \"1.5h\"",
            "durations have whole numbers: write 1h30m for 1.5h",
        ),
        ("«(a+b)[5m]»", "ranges only allowed for vector selectors", "a subquery needs a colon: (…)[5m:]"),
        (
            "a offset 5m «[5m]»",
            "no offset modifiers allowed before range",
            "write the range first: metric[5m] offset …",
        ),
        ("«a offset 5m offset 5m»", "offset may not be set multiple times", ""),
        (
            "«(a)» offset 5m",
            "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
            "",
        ),
        ("«\"abc»", "unterminated quoted string", ""),
        (
            "a{b=\"x«\\»q\"}",
            "unknown escape sequence in string",
            "write `\\\\` for a backslash, or use a raw string in backquotes",
        ),
        ("a «&»& b", "unexpected character: '&'", "write `and`"),
        ("a{b=«“»c”}", "unexpected character inside braces: '“'", "use straight quotes: \""),
        ("sum(a«,»)", "trailing commas not allowed in function call args", ""),
        ("«topk(a)»", "wrong number of arguments for aggregate expression provided, expected 2, got 1", ""),
        ("«round(a, 1, 2)»", "expected at most 2 argument(s) in call to \"round\", got 3", ""),
        ("a «/» on(x) 1", "vector matching only allowed between instant vectors", ""),
        ("a and on(x) «group_left» b", "no grouping allowed for \"and\" operation", ""),
        ("a / on(x) «group_left(x)» b", "label \"x\" must not occur in ON and GROUP clause at once", ""),
    ] {
        let text = marked.replace(['«', '»'], "");
        let start = marked.find('«').expect("marked");
        let end = marked.find('»').expect("marked") - '«'.len_utf8();
        let errors = parse(&text, &ParseOptions::default()).expect_err(&text);
        let first = &errors[0];
        assert_eq!(first.span, Span::new(start, end), "{text}: {first:?}");
        if !message.is_empty() {
            assert_eq!(
                (first.message.as_str(), first.hint.as_deref().unwrap_or("")),
                (message, hint),
                "{text}"
            );
        }
    }
}

#[test]
fn all_type_errors_are_told_at_once() {
    let errors = parse("rate(a) + rate(b) > bool sum(c[5m])", &ParseOptions::default()).expect_err("wrong");
    assert_eq!(errors.len(), 3, "{errors:?}");
}

#[test]
fn feature_flags() {
    let stable = ParseOptions::default();
    for text in
        ["limitk(1, a)", "sort_by_label(a, \"x\")", "a + fill(0) b", "rate(a[5m] anchored)", "info(a)"]
    {
        assert!(parse(text, &stable).is_err(), "{text}");
        ok(text);
    }
    let old = ParseOptions { duration_expressions: false, ..stable };
    assert!(parse("a[5m*2]", &old).is_err() && parse("a[5m*2]", &stable).is_ok());
    ok("info(a, {data=~\".*\"})");
}

#[test]
fn hostile_nesting_is_an_error() {
    for text in [
        "(".repeat(100_000),
        "-".repeat(100_000) + "1",
        "sum(".repeat(50_000),
        format!("a[{}", "(".repeat(99_999)),
    ] {
        assert!(parse(&text, &ParseOptions::all()).is_err());
    }
    let closed = "(".repeat(5000) + "1" + &")".repeat(5000);
    assert!(parse(&closed, &ParseOptions::all()).expect_err("deep")[0].message.contains("nested deeper"));
}

#[test]
fn duration_arithmetic() {
    let eval = |text: &str| match ok(&format!("a[{text}]")).kind {
        ExprKind::Range { range, .. } => range
            .eval(crate::model::Duration::from_secs(10), crate::model::Duration::from_secs(100))
            .map(crate::model::Duration::as_millis),
        other => panic!("{other:?}"),
    };
    for (text, ms) in [
        ("5m", 300_000),
        ("90", 90_000),
        ("0.5", 500),
        ("1m*2+30s", 150_000),
        ("2^3", 8000),
        ("-(1m-2m)", 60_000),
        ("step()*2", 20_000),
        ("range()", 100_000),
        ("min_of(step(), 5s)", 5000),
        ("max_of(step(), 5s)", 10_000),
        ("10 % 4", 2000),
    ] {
        assert_eq!(eval(text), Ok(ms), "{text}");
    }
    assert_eq!(eval("1m/(1-1)"), Err("division by zero".to_owned()));
}

#[test]
fn described_series() {
    use SeriesValue::{Float, Omitted, Stale};
    let (labels, values) =
        parse_series(r#"a{b="c d"} 1+2x3 _ _x2 stale 5 -1-1x1 2x1 1e3 inf"#).expect("parses");
    assert_eq!(labels.to_string(), r#"{__name__="a", b="c d"}"#);
    let floats = |v: &[f64]| v.iter().map(|v| Float(*v)).collect::<Vec<_>>();
    let mut expected = floats(&[1.0, 3.0, 5.0, 7.0]);
    expected.extend([Omitted, Omitted, Omitted, Stale]);
    expected.extend(floats(&[5.0, -1.0, -2.0, 2.0, 2.0, 1000.0, f64::INFINITY]));
    assert_eq!(values, expected);
    let (labels, values) =
        parse_series("{} {{schema:1 sum:3 count:4 buckets:[1 2]}}+{{sum:1 count:1 schema:1 buckets:[1]}}x1")
            .expect("parses");
    assert!(labels.is_empty());
    let SeriesValue::Histogram(h) = &values[1] else { panic!("{values:?}") };
    assert_eq!((h.schema, h.sum, h.count, &h.buckets[..]), (1, 4.0, 5.0, &[2.0, 2.0][..]));
    assert_eq!(parse_series("h {{sum:1}}").expect("parses").1.len(), 1);
    for bad in ["a 1x", "a 1+x2", "a {{sum:1 sum:2}}", "a {{foo:1}}", "a x", "a 1x99999999999", "a{b=c} 1"] {
        assert!(parse_series(bad).is_err(), "{bad}");
    }
}

fn conformance() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/promql"))
}

/// Every query of the conformance data parses, and what is printed parses to the same tree.
#[test]
fn every_conformance_query_round_trips() {
    let mut count = 0;
    for dir in ["classic", "delayed-name-removal", "experimental", "native-histogram", "scripts"] {
        for entry in fs::read_dir(conformance().join(dir)).expect("the data") {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("a file");
            let mut lines = text.lines().peekable();
            while let Some(line) = lines.next() {
                let Some(query) = query_of(line) else { continue };
                // In scripts, a failure is told in an indented line below.
                let fails = line.starts_with("eval_fail")
                    || lines.peek().is_some_and(|l| l.trim().starts_with("expect fail"));
                let parsed = parse(&query, &ParseOptions::all());
                if fails && parsed.is_err() {
                    continue;
                }
                let expr = parsed.unwrap_or_else(|e| panic!("{}: {query}: {e:?}", path.display()));
                let printed = expr.to_string();
                let again = parse(&printed, &ParseOptions::all())
                    .unwrap_or_else(|e| panic!("{query} → {printed}: {e:?}"));
                assert_eq!(again.to_string(), printed, "{query}");
                assert_eq!(shape(&again), shape(&expr), "{query} → {printed}");
                let laid_out = parse(&pretty(&expr), &ParseOptions::all()).expect("pretty parses");
                assert_eq!(laid_out.to_string(), printed, "{query}");
                count += 1;
            }
        }
    }
    assert!(count > 1000, "only {count} queries");
}

fn query_of(line: &str) -> Option<String> {
    if let Some(quoted) = line.trim().strip_prefix("- expr: ") {
        return Some(serde_json::from_str::<String>(quoted).unwrap_or_else(|_| quoted.to_owned()));
    }
    if !line.starts_with("eval") {
        return None;
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    let skip = match *words.get(1)? {
        "instant" => 4,
        "range" => 8,
        _ => return None,
    };
    let mut rest = line;
    for _ in 0..skip {
        rest = rest.trim_start();
        rest = &rest[rest.find(char::is_whitespace)?..];
    }
    Some(rest.trim().to_owned())
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = parse(&text, &ParseOptions::all());
        let _ = parse_series(&text);
    }

    #[test]
    fn no_near_query_panics(text in r#"(sum|rate|a|by|\(|\)|\[|\]|\{|\}|5m|1|"x"|=~|=|,|offset|@|:|-|\+|\^|and|bool|on| ){0,25}"#) {
        if let Ok(expr) = parse(&text, &ParseOptions::all()) {
            let printed = expr.to_string();
            let again = parse(&printed, &ParseOptions::all());
            prop_assert!(again.is_ok(), "{} → {}: {:?}", text, printed, again);
            prop_assert_eq!(again.expect("checked").to_string(), printed);
        }
    }
}
