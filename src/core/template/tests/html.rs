//! Contextual escaping.

use super::{as_html, check};

#[test]
fn contexts() {
    check(
        as_html,
        &[
            ("{{ \"<a>&'+\" }}", "&lt;a&gt;&amp;&#39;&#43;"),
            ("{{ safeHtml \"<b>x</b>\" }}", "<b>x</b>"),
            ("{{ printf \"%s\" (safeHtml \"<b>\") }}", "&lt;b&gt;"),
            ("{{ html \"<\" }} {{ \"<\" | html }}", "&lt; &lt;"),
            ("{{ 1.5 }} {{ .Status }} {{ (dict).x }}|", "1.5 firing |"),
            ("<a title=\"{{ \"a\\\"b\" }}\">", "<a title=\"a&#34;b\">"),
            ("<a title='{{ \"a'b\" }}'>", "<a title='a&#39;b'>"),
            ("<a title={{ \"a b=c\" }}>", "<a title=a&#32;b&#61;c>"),
            ("<a title={{ \"\" }}>", "<a title=ZgotmplZ>"),
            ("<a title=\"{{ safeHtml \"<b>x</b>&amp;\" }}\">", "<a title=\"x&amp;\">"),
            ("<a href=\"{{ \"http://x/?a=b&c=d e\" }}\">", "<a href=\"http://x/?a=b&amp;c=d%20e\">"),
            ("<a href=\"{{ \"javascript:alert(1)\" }}\">", "<a href=\"#ZgotmplZ\">"),
            ("<a href=\"{{ safeUrl \"javascript:x\" }}\">", "<a href=\"javascript:x\">"),
            (
                "<a href='/p/{{ \"a b?\" }}?q={{ \"a&b/c\" }}#{{ \"x y\" }}'>",
                "<a href='/p/a%20b??q=a%26b%2fc#x%20y'>",
            ),
            ("<a href={{ \"/x y\" }}>", "<a href=/x%20y>"),
            (
                "<img src=\"{{ \"data:x\" }}\"><form action='{{ \"vbscript:x\" }}'>",
                "<img src=\"#ZgotmplZ\"><form action='#ZgotmplZ'>",
            ),
            (
                "<p style=\"color: {{ \"red\" }}; width: {{ \"1px; x:y\" }}\">",
                "<p style=\"color: red; width: ZgotmplZ\">",
            ),
            ("<style>p { color: {{ \"#fff\" }} }</style>{{ \"<\" }}", "<style>p { color: #fff }</style>&lt;"),
            (
                "<title>{{ \"<b>\" }}</title><textarea>{{ safeHtml \"<i>&amp;\" }}</textarea>",
                "<title>&lt;b&gt;</title><textarea>&lt;i&gt;&amp;</textarea>",
            ),
            ("a<!-- {{ \"x\" }} {{ .Status }} -->b", "ab"),
            ("a < b && c <3 {{ 1 }}", "a &lt; b && c &lt;3 1"),
            ("<!DOCTYPE html><br/><input disabled>{{ 1 }}", "<!DOCTYPE html><br/><input disabled>1"),
            (
                "<a data-href=\"{{ \"javascript:x\" }}\" xlink:href='{{ \"javascript:y\" }}'>",
                "<a data-href=\"#ZgotmplZ\" xlink:href='#ZgotmplZ'>",
            ),
            ("<script>var a = 1 < 2;</script>{{ 1 }}", "<script>var a = 1 < 2;</script>1"),
        ],
    );
}

#[test]
fn what_is_refused() {
    check(
        as_html,
        &[
            ("<script>var x = {{ 1 }}</script>", "!in a script"),
            ("<a onclick=\"f({{ 1 }})\">", "!in a script, an event handler"),
            ("<img srcset=\"{{ \"a\" }}\">", "!srcset"),
            ("<a {{ \"href\" }}=\"x\">", "!in a tag, but not in an attribute's value"),
            ("<{{ \"b\" }}>", "&lt;b>"),
            ("<p style=\"background: url({{ \"x\" }})\">", "!in a string, a comment or a url() of CSS"),
            ("<style>/* {{ 1 }} */</style>", "!of CSS"),
            ("<a href=\"x", "!ends in a non-text context"),
            ("<a href=x\"y>", "!in unquoted attr"),
            ("<a \"x\">", "!in attribute name"),
            ("{{ if .Status }}<a{{ else }}<b>{{ end }}", "!{{if}} branches end in different contexts"),
            ("{{ range .Alerts }}<p title=\"{{ end }}", "!{{range}} branches end in different contexts"),
            (
                "<a href=\"{{ if .Status }}/a{{ else }}/b?c={{ end }}{{ .Status }}\">",
                "!ambiguous context within a URL",
            ),
            ("{{ template \"nope\" }}", "!no such template \"nope\""),
            (
                "{{ define \"r\" }}<a href=\"{{ if .Status }}{{ template \"r\" . }}{{ end }}{{ end }}{{ template \"r\" . }}",
                "!",
            ),
        ],
    );
}

#[test]
fn branches_and_templates() {
    check(
        as_html,
        &[
            ("<p title={{ if .Status }}{{ .Status }}{{ end }}>", "<p title=firing>"),
            (
                "<td {{ if .Status }}bgcolor=\"red\"{{ end }} width=\"{{ 5 }}\">",
                "<td bgcolor=\"red\" width=\"5\">",
            ),
            (
                "{{ define \"u\" }}{{ . }}{{ end }}<a href=\"{{ template \"u\" \"javascript:x\" }}\">{{ template \"u\" \"<\" }}</a>",
                "<a href=\"#ZgotmplZ\">&lt;</a>",
            ),
            (
                "{{ define \"open\" }}<b title=\"{{ end }}{{ template \"open\" }}{{ \"\\\"\" }}\">",
                "<b title=\"&#34;\">",
            ),
            (
                "{{ define \"n\" }}{{ if gt . 0 }}<i>{{ . }}</i>{{ template \"n\" 0 }}{{ end }}{{ end }}{{ template \"n\" 2 }}",
                "<i>2</i>",
            ),
            (
                "{{ range .Alerts }}<li>{{ .Labels.account }}{{ if .EndsAt.IsZero }}{{ break }}{{ end }}{{ end }}",
                "<li>&lt;main&gt;",
            ),
            ("{{ $x := \"<\" }}<p>{{ $x }}{{ with $x }}{{ . }}{{ end }}", "<p>&lt;&lt;"),
            ("<a title=\"{{ range .Alerts }}{{ .Status }} {{ end }}\">", "<a title=\"firing resolved \">"),
        ],
    );
}
