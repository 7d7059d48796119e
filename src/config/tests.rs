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

#[test]
fn the_page_lists_every_variable() {
    let rows: Vec<String> = VARIABLES.iter().map(|v| format!("| `{}` | {} |\n", v.name, v.about)).collect();
    expect(&format!("|---|---|\n{}\n", rows.concat()));
}
