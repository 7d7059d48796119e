use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use botwatch_core::{
    diag::SourceText,
    promql::ParseOptions,
    rules::{self, RuleSpec, SOURCE_BLIND},
};
use http::Request;
use tower::ServiceExt as _;

use super::*;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Names of the files with an ending, without it.
fn names(folder: &Path, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").file_name());
    entries.filter_map(|n| Some(n.to_str()?.strip_suffix(ending)?.to_owned())).collect()
}

/// All shipped alerts by name; several may share one.
fn alerts() -> BTreeMap<String, Vec<RuleSpec>> {
    let mut all: BTreeMap<String, Vec<RuleSpec>> = BTreeMap::new();
    let folder = repository().join("rules");
    for name in names(&folder, ".yml") {
        let text = fs::read_to_string(folder.join(format!("{name}.yml"))).expect("a rule file");
        let (groups, found) = rules::parse_file(&SourceText::new(&*name, text), &ParseOptions::default());
        assert!(found.is_empty(), "{name}");
        for rule in groups.into_iter().flat_map(|g| g.rules) {
            if rule.alert.is_some() {
                all.entry(rule.name.to_string()).or_default().push(rule);
            }
        }
    }
    all
}

#[test]
fn every_file_in_docs_is_embedded() {
    let mut files = names(&repository().join("docs"), ".md");
    files.extend(names(&repository().join("docs/runbooks"), ".md").iter().map(|n| format!("{RUNBOOKS}{n}")));
    let embedded: BTreeSet<String> = PAGES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(files, embedded);
    assert_eq!(embedded.len(), PAGES.len(), "a page is listed twice");
}

#[test]
fn every_page_begins_with_its_name_and_a_sentence() {
    for (path, text) in PAGES {
        assert!(text.starts_with("# ") && about(text).ends_with('.'), "{path}: {}", about(text));
        // What the renderer doesn't know stays as it was written.
        let page = markdown::html(text);
        let (before, rest) = page.split_once("<code>").unwrap_or((&page, ""));
        let prose = rest.split("<code>").filter_map(|part| Some(part.split_once("</code>")?.1));
        for part in std::iter::once(before).chain(prose) {
            let left = [" *", "**", "`", "]("].iter().find(|mark| part.contains(**mark));
            assert_eq!(left, None, "{path}: {part}");
        }
        if let Some(alert) = path.strip_prefix(RUNBOOKS) {
            assert_eq!(title(text), alert);
            for part in [
                "## How it is decided",
                "## Look first",
                "## Usual causes",
                "## What to do",
                "## When it is a false alarm",
            ] {
                assert!(text.contains(&format!("\n{part}\n")), "{path} lacks “{part}”");
            }
        }
    }
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    for (path, text) in PAGES {
        let page = markdown::html(text);
        for link in page.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            if link.starts_with("http") {
                continue;
            }
            let base = url::Url::parse("http://b/docs/").and_then(|b| b.join(path)).expect("a path");
            let target = base.join(link).expect("a link");
            if !target.path().starts_with("/docs/") {
                assert!(["/", "/docs", "/metrics"].contains(&target.path()), "{path}: {link}");
                continue;
            }
            let name = &target.path()["/docs/".len()..];
            let (_, text) =
                PAGES.iter().find(|(p, _)| *p == name).unwrap_or_else(|| panic!("{path}: {link}"));
            if let Some(place) = target.fragment() {
                let id = format!(" id=\"{place}\"");
                assert!(markdown::html(text).contains(&id), "{path}: {link}");
            }
        }
    }
}

#[test]
fn markdown_becomes_html_and_text_stays_text() {
    for (markdown, expected) in [
        ("# A `b` c\nx\ny\n\nz", "<h1 id=\"a-b-c\">A <code>b</code> c</h1>\n<p>x\ny</p>\n<p>z</p>\n"),
        ("- a\n  b\n- c\n\n1. d", "<ul>\n<li>a\nb</li>\n<li>c</li>\n</ul>\n<ol>\n<li>d</li>\n</ol>\n"),
        ("```\n<a> **b**\n# c\n```\nd", "<pre><code>&lt;a&gt; **b**\n# c\n</code></pre>\n<p>d</p>\n"),
        (
            "| a | b |\n|---|---|\n| `x\\|y` | <z> |",
            "<div class=\"wide\"><table>\n<tr><th>a</th><th>b</th></tr>\n<tr><td><code>x|y</code></td><td>&lt;z&gt;</td></tr>\n</table></div>\n",
        ),
        ("**a `b`** * [c", "<p><strong>a <code>b</code></strong> * [c</p>\n"),
        (
            "[a](b.md#c) [d](https://e/f.md)",
            "<p><a href=\"b#c\">a</a> <a href=\"https://e/f.md\">d</a></p>\n",
        ),
        ("[a](javascript:b)", "<p>[a](javascript:b)</p>\n"),
        ("<script>\"'&", "<p>&lt;script&gt;&#34;&#39;&amp;</p>\n"),
        ("[<b>](x\"y)", "<p><a href=\"x&#34;y\">&lt;b&gt;</a></p>\n"),
        ("```\nno end", "<pre><code>no end\n</code></pre>\n"),
        ("#no\n####  no", "<p>#no\n####  no</p>\n"),
    ] {
        assert_eq!(markdown::html(markdown), expected, "{markdown}");
    }
}

async fn get(path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).expect("a request");
    let response = router().oneshot(request).await.expect("never fails");
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().expect("text").to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
    (status, String::from_utf8(bytes.to_vec()).expect("text"))
}

#[tokio::test]
async fn pages_are_served_and_what_is_unknown_gets_the_list() {
    for address in ["/docs", "/docs/", "/docs/runbooks", "/docs/runbooks/", "/docs/none/at/all"] {
        let (status, page) = get(address).await;
        assert_eq!(status.is_success(), !address.contains("none"), "{address}");
        // As a browser behind a proxy with a prefix sees it.
        let base = url::Url::parse(&format!("http://b/prefix{address}")).expect("an address");
        let links = page.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let links: BTreeSet<String> =
            links.map(|l| base.join(l).expect("a link").path().to_owned()).collect();
        let wanted =
            PAGES.iter().filter(|(path, _)| !address.contains("runbooks") || path.starts_with(RUNBOOKS));
        let mut wanted: BTreeSet<String> = wanted.map(|(path, _)| format!("/prefix/docs/{path}")).collect();
        wanted.extend(["/prefix/".to_owned(), "/prefix/docs".to_owned()]);
        assert_eq!(links, wanted, "{address}");
    }
    let (status, page) = get("/docs/runbooks/BotDown").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("<title>BotDown · botwatch</title>"), "{page}");
    for path in ["/docs/runbooks/botdown", "/docs/%3Cscript%3E", "/docs/../rules"] {
        let (status, page) = get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.contains("docs/runbooks/BotDown\">") && !page.contains("<script"), "{page}");
    }
}

#[test]
fn every_alert_has_a_runbook_that_says_what_its_rule_says() {
    let alerts = alerts();
    let mut expected: BTreeSet<&str> = alerts.keys().map(String::as_str).collect();
    expected.insert(SOURCE_BLIND);
    let found: BTreeSet<&str> = PAGES.iter().filter_map(|(path, _)| path.strip_prefix(RUNBOOKS)).collect();
    assert_eq!(found, expected);
    for (name, rules) in &alerts {
        let path = format!("{RUNBOOKS}{name}");
        let (_, text) = PAGES.iter().find(|(p, _)| *p == path).expect("just compared");
        for rule in rules {
            let alert = rule.alert.as_ref().expect("an alerting rule");
            let value = |pairs: &[(std::sync::Arc<str>, std::sync::Arc<str>)], key: &str| {
                pairs.iter().find(|(n, _)| &**n == key).map(|(_, v)| v.to_string()).unwrap_or_default()
            };
            let severity = value(&rule.labels, "severity");
            assert!(text.contains(&format!("**{severity}**")), "{name}: severity {severity}");
            assert!(value(&alert.annotations, "runbook_url").ends_with(&format!("/docs/{path}")), "{name}");
            for (word, time) in [("for", alert.hold), ("keep_firing_for", alert.keep_firing_for)] {
                let written = format!("`{word}: {time}`");
                assert!(
                    time == botwatch_core::model::Duration::ZERO || text.contains(&written),
                    "{name}: {written}"
                );
            }
        }
    }
}
