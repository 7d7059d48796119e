use std::sync::Arc;

use super::*;

fn at(text: &str, start: usize, end: usize) -> Diagnostic {
    let source: Arc<SourceText> = SourceText::new("rules/spread.yml", text);
    Diagnostic::error("promql-syntax", "unexpected `)` in expression", &source, Span::new(start, end))
        .label("expected nothing after this")
}

#[test]
fn the_look_of_a_diagnostic() {
    let text = format!("{}      expr: avg(spread_bps) by ())\n", "\n".repeat(13));
    let diagnostic = at(&text, 44, 45)
        .context("alert `SpreadTooWide`")
        .hint("`by ()` needs no second parenthesis")
        .hint("a\nb");
    let want = "\
error[promql-syntax]: unexpected `)` in expression
  ---> rules/spread.yml:14:32 -> alert `SpreadTooWide`
14 |       expr: avg(spread_bps) by ())
   |                                ^ expected nothing after this
   = hint: `by ()` needs no second parenthesis
   = hint: a
           b
";
    assert_eq!(render_terminal(&diagnostic, false), want);
    assert_eq!(
        render_line(&diagnostic),
        "rules/spread.yml:14:32: error[promql-syntax]: alert `SpreadTooWide`: unexpected `)` in expression"
    );
    let json = render_json(&diagnostic);
    assert_eq!(json["position"]["column"], 32);
    assert_eq!(json["position"]["end_column"], 33);
    assert_eq!(json["expected"], "expected nothing after this");
    let colored = render_terminal(&diagnostic, true);
    assert!(colored.starts_with("\u{1b}[1;31merror[promql-syntax]\u{1b}[0m"), "{colored}");
}

/// The source line and the caret line.
fn carets(text: &str, start: usize, end: usize) -> [String; 2] {
    let rendered = render_terminal(&at(text, start, end).label(""), false);
    let lines: Vec<String> = rendered.lines().map(str::to_owned).collect();
    [lines[2].clone(), lines[3].clone()]
}

#[test]
fn carets_stand_under_tabs_wide_and_odd_characters() {
    assert_eq!(carets("\ta\tb", 3, 4), ["1 |     a   b", "  |         ^"]);
    assert_eq!(carets("价格: x", 8, 9), ["1 | 价格: x", "  |       ^"]);
    assert_eq!(carets("价格: x", 0, 6), ["1 | 价格: x", "  | ^^^^"]);
    assert_eq!(carets("e\u{301}: x", 5, 6), ["1 | e\u{301}: x", "  |    ^"]);
    assert_eq!(carets("a\u{1b}[31m: x", 8, 9), ["1 | a\u{fffd}[31m: x", "  |         ^"]);
    assert_eq!(carets("a\r\nbc\r\n", 3, 5), ["2 | bc", "  | ^^"]);
    assert_eq!(carets("abc", 3, 3), ["1 | abc", "  |    ^"]);
    assert_eq!(carets("ab\ncd", 0, 5), ["1 | ab", "  | ^^"]);
    assert_eq!(carets("", 0, 0), ["1 | ", "  | ^"]);
    // offsets off the text or inside a character don't matter
    assert_eq!(carets("é", 1, 99), ["1 | é", "  | ^"]);
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let long = format!("{}HERE{}", "a".repeat(1000), "b".repeat(1_000_000));
    let [line, caret] = carets(&long, 1000, 1004);
    let column = caret.find('^').expect("a caret");
    assert_eq!(line.chars().skip(column).take(4).collect::<String>(), "HERE", "{line}");
    assert!(line.starts_with("1 | …a") && line.ends_with("b…") && line.chars().count() < 130, "{line}");
    assert_eq!(caret.trim_start_matches([' ', '|']), "^^^^");
    let [line, caret] = carets(&long, 2, 900_000);
    assert!(line.starts_with("1 | aaa") && line.ends_with('…'), "{line}");
    assert!(caret.chars().count() <= line.chars().count(), "{caret}");
    let [line, caret] = carets(&long, long.len(), long.len());
    assert!(line.ends_with('b') && caret.ends_with('^') && caret.chars().count() == line.chars().count() + 1);
}

#[test]
fn a_problem_of_the_whole_run_has_no_place() {
    let diagnostic = Diagnostic::global("file-unreadable", "can't read `a.yml`").hint("does it exist?");
    assert_eq!(
        render_terminal(&diagnostic, false),
        "error[file-unreadable]: can't read `a.yml`\n  = hint: does it exist?\n"
    );
    assert_eq!(render_line(&diagnostic), "error[file-unreadable]: can't read `a.yml`");
    assert_eq!(render_json(&diagnostic)["position"], serde_json::Value::Null);
}

#[test]
fn suggests_what_was_meant() {
    let known = ["receiver", "receivers", "group_by", "group_wait", "rules", "scrape_configs"];
    for (word, want) in [
        ("reciever", Some("receiver")),
        ("recievers", Some("receivers")),
        ("group-by", Some("group_by")),
        ("groupBy", Some("group_by")),
        ("Rules", Some("rules")),
        ("scrape_config", Some("scrape_configs")),
        ("banana", None),
        ("", None),
        ("x", None),
    ] {
        assert_eq!(nearest(word, known), want, "{word}");
    }
    assert_eq!(nearest(&"a".repeat(1 << 20), known), None);
}

#[test]
fn every_code_is_explained_once_and_in_order() {
    let names: Vec<&str> = CODES.iter().map(|c| c.code).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(names, sorted);
    for code in CODES {
        assert!(code.explanation.len() > 60 && code.explanation.ends_with('.'), "{}", code.code);
        assert_eq!(explain(code.code), Some(code.explanation));
    }
    assert_eq!(explain("no-such-code"), None);
}
