//! The language: lexing, parsing, control flow, functions of Go's own.

use super::{check, rule, text};

#[test]
fn text_and_trimming() {
    check(
        rule,
        &[
            ("", ""),
            ("plain", "plain"),
            ("a {{- 1 -}} b", "a1b"),
            ("a {{ 1 -}} \n b", "a 1b"),
            ("{{-3}}", "-3"),
            ("x{{- -3}}", "x-3"),
            ("a {{/* comment */}} b", "a  b"),
            ("a {{- /* comment */ -}} b", "ab"),
            ("{{ 1\n}}", "1"),
            ("}} {", "}} {"),
            ("{{/* a */ }}", "!comment ends before closing delimiter"),
            ("{{/* a }}", "!unclosed comment"),
            ("a\n{{ 1", "!template: t:2: unclosed action"),
            ("{{ \"{{\" }}", "{{"),
        ],
    );
}

#[test]
fn literals() {
    check(
        rule,
        &[
            (
                "{{ 0x1F }} {{ 0o17 }} {{ 017 }} {{ 0b101 }} {{ 1_000 }} {{ 'a' }} {{ '\\n' }}",
                "31 15 15 5 1000 97 10",
            ),
            ("{{ 1.5e3 }} {{ 1e6 }} {{ .5 }} {{ -0.25 }} {{ +3 }} {{ 0x1p4 }}", "1500 1e+06 0.5 -0.25 3 16"),
            (r#"{{ "a\tb\"\u00e9\x41\101" }}"#, "a\tb\"éAA"),
            ("{{ `raw \\n {{ }}` }}", "raw \\n {{ }}"),
            ("{{ true }} {{ false }}", "true false"),
            ("{{ 1x }}", "!bad number syntax: \"1x\""),
            ("{{ 1_ }}", "!bad number syntax: \"1_\""),
            ("{{ 99999999999999999999 }}", "!integer overflow: \"99999999999999999999\""),
            ("{{ 'ab' }}", "!malformed character constant: 'ab'"),
            ("{{ \"a }}", "!unterminated quoted string"),
            ("{{ `a }}", "!unterminated raw quoted string"),
            ("{{ nil }}", "!nil is not a command"),
        ],
    );
}

#[test]
fn syntax_errors_are_worded_as_in_go() {
    check(
        rule,
        &[
            ("{{ foo }}", "!template: t:1: function \"foo\" not defined"),
            ("a\nb {{ foo }}", "!template: t:2: function \"foo\" not defined"),
            ("{{ $label.x }}", "!template: t:1: undefined variable \"$label\""),
            ("{{ $labels.q * 100 }}", "!unexpected \"*\" in operand"),
            ("{{ if $value > 1 }}x{{ end }}", "!unexpected \">\" in operand"),
            ("{{ else }}", "!unexpected {{else}}"),
            ("{{ end }}", "!unexpected {{end}}"),
            ("{{ if true }}", "!unexpected EOF"),
            ("{{ if }}x{{ end }}", "!missing value for if"),
            ("{{ }}", "!missing value for command"),
            ("{{ break }}", "!{{break}} outside {{range}}"),
            ("{{ 1 | 2 }}", "!non executable command in pipeline stage 2"),
            ("{{ (1 }}", "!unclosed left paren"),
            ("{{ 1) }}", "!unexpected right paren"),
            ("{{ () }}", "!missing value for parenthesized pipeline"),
            ("{{ 1.e5.x }}", "!bad number syntax"),
            ("{{ \"a\".b }}", "!unexpected . after term \"\\\"a\\\"\""),
            ("{{ $x := }}", "!missing value for command"),
            ("{{ $x, $y := 1 }}", "!too many declarations in command"),
            ("{{ template foo }}", "!unexpected \"foo\" in template clause"),
            ("{{ if true }}{{ define \"x\" }}{{ end }}{{ end }}", "!unexpected <define> in command"),
            ("{{ define \"x\" }}", "!unexpected EOF in define clause"),
            (
                "{{ define \"x\" }}1{{ end }}{{ define \"x\" }}2{{ end }}",
                "!multiple definition of template \"x\"",
            ),
            ("{{ if true }}a{{ else }}b{{ else }}c{{ end }}", "!expected end; found {{else}}"),
            ("{{ .a-b }}", "!bad character U+002D '-'"),
            ("{{ \u{1} }}", "!unrecognized character in action: U+0001"),
        ],
    );
}

#[test]
fn control_flow() {
    check(
        rule,
        &[
            ("{{ if true }}a{{ else }}b{{ end }}", "a"),
            ("{{ if 0 }}a{{ else if \"\" }}b{{ else if 1.0 }}c{{ else }}d{{ end }}", "c"),
            ("{{ with \"x\" }}{{ . }}{{ end }}{{ with \"\" }}a{{ else }}b{{ end }}", "xb"),
            ("{{ with 0 }}a{{ else with 7 }}{{ . }}{{ end }}", "7"),
            ("{{ range 3 }}{{ . }}{{ end }}", "012"),
            ("{{ range $i := 3 }}{{ $i }}{{ end }}", "012"),
            ("{{ range 0 }}a{{ else }}none{{ end }}", "none"),
            (
                "{{ range $k, $v := $labels }}{{ $k }}={{ $v }};{{ end }}",
                "__name__=up;instance=a:9090;job=bot;",
            ),
            ("{{ range $v := $labels }}{{ $v }};{{ end }}", "up;a:9090;bot;"),
            (
                "{{ range 9 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if eq . 4 }}{{ break }}{{ end }}{{ . }}{{ end }}",
                "013",
            ),
            ("{{ $x := 1 }}{{ range 3 }}{{ $x = . }}{{ end }}{{ $x }}", "2"),
            ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"),
            ("{{ range $i := 2 }}{{ $y := $i }}{{ range 2 }}{{ $y }}{{ $i }}{{ end }}{{ end }}", "00001111"),
            ("{{ $x := $x }}", "!undefined variable: $x"),
            ("{{ $x = 1 }}", "!undefined variable"),
            ("{{ range 1.5 }}{{ end }}", "!range can't iterate over 1.5"),
            ("{{ range $a, $b := 2 }}{{ end }}", "!can't use 2 to iterate over more than one variable"),
            (
                "{{ define \"x\" }}[{{ . }}]{{ end }}{{ template \"x\" 5 }}{{ template \"x\" }}",
                "[5][<no value>]",
            ),
            ("{{ block \"x\" $value }}<{{ . }}>{{ end }}", "<1.5>"),
            ("{{ define \"x\" }}{{ $value }}{{ end }}", "!undefined variable \"$value\""),
            ("{{ define \"x\" }}{{ $.Value }}{{ end }}{{ template \"x\" . }}", "1.5"),
            ("{{ template \"y\" }}", "!template \"y\" not defined"),
        ],
    );
}

#[test]
fn fields_and_arguments() {
    check(
        text,
        &[
            ("{{ .Status }} {{ $.Receiver }} {{ (index .Alerts 0).Labels.alertname }}", "firing desk Down"),
            ("{{ .CommonLabels.nothing }}|{{ .Alerts.Firing | len }}", "|1"),
            ("{{ (.GroupLabels).account }}", "<main>"),
            (
                "{{ .Nope }}",
                "!template: :1:3: executing \"\" at <.Nope>: can't evaluate field Nope in type *template.Data",
            ),
            ("{{ .Status.x }}", "!can't evaluate field x in type string"),
            ("{{ .Status 1 }}", "!Status is not a method but has arguments"),
            ("{{ 1 2 }}", "!can't give argument to non-function"),
            ("{{ with dict }}{{ .a }}{{ end }}{{ (dict \"a\" 1).b }}", "<no value>"),
            ("{{ (dict \"a\" 1).b.c }}", "!nil pointer evaluating interface {}.c"),
            ("{{ not }}", "!wrong number of args for not: want 1 got 0"),
            ("{{ toUpper 1 }}", "!wrong type for value; expected string; got int"),
            ("{{ \"a\" | printf \"%s-%s\" \"b\" }}", "b-a"),
            ("{{ printf \"%d\" (len (list 1 2)) }}", "2"),
        ],
    );
}

#[test]
fn comparison() {
    check(
        rule,
        &[
            ("{{ eq 1 1 }} {{ eq 1 2 3 1 }} {{ ne \"a\" \"b\" }} {{ eq true true }}", "true true true true"),
            ("{{ lt 1 2 }} {{ le 2 2 }} {{ gt 1.5 1.0 }} {{ ge \"b\" \"a\" }}", "true true true true"),
            ("{{ eq $value 1.5 }} {{ gt $value 0.0 }}", "true true"),
            ("{{ eq $value 1 }}", "!error calling eq: incompatible types for comparison"),
            ("{{ gt $value 0 }}", "!error calling gt: incompatible types for comparison"),
            ("{{ eq 1 \"1\" }}", "!incompatible types for comparison"),
            ("{{ lt true false }}", "!invalid type for comparison"),
            ("{{ lt $labels $labels }}", "!invalid type for comparison"),
            ("{{ eq 1 }}", "!missing argument for comparison"),
            ("{{ eq nil nil }} {{ eq 1 nil }}", "true false"),
            ("{{ eq $labels $labels }}", "!non-comparable type"),
            ("{{ eq (toDuration 1) 1000000000 }}", "true"),
        ],
    );
}

#[test]
fn builtin_functions() {
    check(
        rule,
        &[
            ("{{ and 1 0 2 }} {{ or 0 \"\" 3 }} {{ or 0.0 \"d\" }} {{ and 1 2 }}", "0 3 d 2"),
            ("{{ and false (first (query \"none\")) }}", "false"),
            ("{{ or true (first (query \"none\")) }}", "true"),
            ("{{ not true }} {{ not \"\" }}", "false true"),
            ("{{ len \"héé\" }} {{ len $labels }}", "5 3"),
            ("{{ len 3 }}", "!error calling len: len of type int"),
            ("{{ index $labels \"job\" }}|{{ index $labels \"no\" }}|{{ index \"abc\" 1 }}", "bot||98"),
            ("{{ index (query \"x\") 5 }}", "!error calling index: index out of range: 5"),
            ("{{ index 1 1 }}", "!can't index item of type int"),
            ("{{ index nil 1 }}", "!index of untyped nil"),
            ("{{ slice \"abcde\" 1 3 }} {{ slice \"abc\" 1 }} {{ slice \"abc\" }}", "bc bc abc"),
            ("{{ slice \"abc\" 2 1 }}", "!invalid slice index: 2 > 1"),
            ("{{ slice \"abc\" 4 }}", "!index out of range: 4"),
            ("{{ print 1 2 \"a\" 3 4 }}|{{ println 1 \"a\" }}", "1 2a3 4|1 a\n"),
            ("{{ html \"<a href='x'>&\" }}", "&lt;a href=&#39;x&#39;&gt;&amp;"),
            ("{{ js \"it's <b>=\\n\" }}", "it\\'s \\u003Cb\\u003E\\u003D\\u000A"),
            ("{{ urlquery \"a b&c/d\" 1 }}", "a+b%26c%2Fd1"),
            ("{{ call nil }}", "!call of nil"),
            ("{{ call 1 }}", "!non-function of type int"),
        ],
    );
}
