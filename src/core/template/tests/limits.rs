//! No text can crash, hang or fill the memory.

use proptest::prelude::*;

use super::{RuleTemplate, Templates, as_html, check, data, rule, text};

#[test]
fn bounds() {
    let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(rule(&format!("{{{{ {} }}}}", deep(90))), Ok("1".to_owned()));
    check(rule, &[(&format!("{{{{ {} }}}}", deep(5000)), "!max expression depth exceeded")]);
    let nested = format!("{}{}", "{{ if true }}".repeat(5000), "{{ end }}".repeat(5000));
    check(rule, &[(&nested, "!max expression depth exceeded")]);
    let chain = format!("{{{{ if false }}}}{}{{{{ end }}}}", "{{ else if false }}".repeat(5000));
    check(rule, &[(&chain, "!max expression depth exceeded")]);
    let inside =
        format!("{}{{{{ template \"r\" . }}}}{}", "{{ if true }}".repeat(80), "{{ end }}".repeat(80));
    let recursive = format!("{{{{ define \"r\" }}}}{inside}{{{{ end }}}}{{{{ template \"r\" . }}}}");
    check(text, &[(&recursive, "!exceeded maximum template depth")]);
    check(as_html, &[(&recursive, "!exceeded maximum template depth")]);
    check(
        text,
        &[
            (
                "{{ define \"r\" }}{{ template \"r\" }}{{ end }}{{ template \"r\" }}",
                "!exceeded maximum template depth",
            ),
            ("{{ range 1000000000 }}{{ end }}", "!exceeded 1000000 steps"),
            ("{{ range 1000000 }}{{ printf \"%099999d\" 1 }}{{ end }}", "!output of more than"),
            ("{{ $x := \"aaaaaaaa\" }}{{ range 100 }}{{ $x = print $x $x }}{{ end }}", "!text of more than"),
            ("{{ $x := list 1 }}{{ range 200 }}{{ $x = list $x }}{{ end }}", "!nested too deeply"),
            ("{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}", "!of more than"),
            (
                "{{ $x := list 1 }}{{ range 60 }}{{ $x = list $x $x }}{{ end }}{{ toJson $x | len }}",
                "!of more than",
            ),
            ("{{ $x := list }}{{ range 100000 }}{{ $x = append $x 1 }}{{ end }}", "!exceeded 1000000 steps"),
        ],
    );
}

const PIECES: &[&str] = &[
    "{{",
    "}}",
    "{{-",
    "-}}",
    " ",
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "\"x\"",
    "$x",
    "$labels",
    ".",
    ".Alerts",
    ".Labels",
    ".StartsAt",
    ":=",
    "=",
    ",",
    "|",
    "(",
    ")",
    "printf",
    "\"%d%s\"",
    "index",
    "slice",
    "len",
    "1",
    "-1",
    "2.5",
    "'a'",
    "nil",
    "true",
    "/*",
    "*/",
    "`",
    "é",
    "<a href=\"",
    "\"",
    ">",
    "<",
    "'",
    "=",
    "<script>",
    "</script>",
    "<!--",
    "-->",
    "style=\"",
    "now",
    "list",
    "dict",
    "toJson",
    "since",
    "first",
    "query",
    "eq",
    "slice \"é\" 1",
    ".Format",
    "tz",
    "\"UTC\"",
    "humanize",
    "toTime",
    "1e300",
    "0x",
    "$",
    "\n",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Arbitrary and nearly right texts are parsed and run, or refused; nothing panics, and an error's place lies
    /// in the text.
    #[test]
    fn nothing_panics(pieces in prop::collection::vec(0..PIECES.len(), 0..24), noise in "\\PC{0,8}", at in 0usize..24) {
        let mut parts: Vec<&str> = pieces.iter().map(|i| PIECES[*i]).collect();
        let at = at.min(parts.len());
        parts.insert(at, &noise);
        for text in [parts.concat(), parts.join(" "), format!("{{{{ {} }}}}", parts.join(" "))] {
            if let Err(e) = RuleTemplate::parse("t", &text) {
                prop_assert!(e.offset.is_some_and(|o| text.is_char_boundary(o)), "{text}: {e}");
            }
            let _ = rule(&text);
            let _ = Templates::builtin().text(&text, &data());
            let _ = Templates::builtin().html(&text, &data());
        }
    }
}
