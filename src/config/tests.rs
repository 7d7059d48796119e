//! `docs/configuration.md` says what the tables here say.

use super::{
    env::VARIABLES,
    unsupported::{Entry, NOT_HERE, NOT_YET, Verdict},
};

const PAGE: &str = include_str!("../../docs/configuration.md");

fn expect(table: &str) {
    assert!(PAGE.contains(table), "docs/configuration.md must contain\n{table}");
}

fn row(entry: &Entry, later: bool) -> String {
    let section =
        if entry.section.is_empty() { "top level".to_owned() } else { format!("`{}`", entry.section) };
    let keys: Vec<String> = entry.keys.split_whitespace().map(|k| format!("`{k}`")).collect();
    let fine =
        if entry.harmless.is_empty() { String::new() } else { format!(" (fine as `{}`)", entry.harmless) };
    let happens = if later || entry.verdict == Verdict::Refused { "error" } else { "warning" };
    format!("| {section} | {}{fine} | {happens} | {} |\n", keys.join(" "), entry.note)
}

#[test]
fn the_page_lists_every_key_that_is_not_acted_on() {
    let later = NOT_YET.iter().map(|e| row(e, true));
    let rows: String = later.chain(NOT_HERE.iter().map(|e| row(e, false))).collect();
    expect(&format!("|---|---|---|---|\n{rows}\n"));
}

/// Rules fall back to what `signals` says is shipped; the page says the same.
#[test]
fn shipped_thresholds_are_the_same_in_rules_table_and_page() {
    use botwatch_core::signals::SIGNALS;
    let page = include_str!("../../docs/alerts.md");
    let files = super::shipped::rule_files();
    let rules: String = files.iter().map(|f| &*f.text).collect();
    let mut expected = std::collections::BTreeSet::new();
    for signal in SIGNALS {
        let direction = signal.direction.as_str();
        let levels: Vec<String> = signal.shipped.iter().map(|(s, v)| format!("{v} {s}")).collect();
        let row = format!("| `{}` | {} | {direction} {} |", signal.metric, signal.unit, levels.join(", "));
        assert!(page.lines().any(|line| line == row), "docs/alerts.md lacks {row}");
        for (severity, value) in signal.shipped {
            let metric = signal.metric;
            expected.insert(format!(
                r#"botwatch_threshold{{metric="{metric}",severity="{severity}",direction="{direction}"}}) or on () vector({value}))"#
            ));
        }
    }
    let begin = "botwatch_threshold{metric=\"";
    let written = rules.match_indices(begin).map(|(at, _)| {
        let rest = &rules[at..];
        rest[..rest.find('\n').unwrap_or(rest.len())]
            .split_inclusive("))")
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    let written: std::collections::BTreeSet<String> = written.filter(|w| w.ends_with("))")).collect();
    assert_eq!(written, expected);
}

#[test]
fn the_page_lists_every_variable() {
    let rows: Vec<String> = VARIABLES.iter().map(|v| format!("| `{}` | {} |\n", v.name, v.about)).collect();
    expect(&format!("|---|---|\n{}\n", rows.concat()));
}
