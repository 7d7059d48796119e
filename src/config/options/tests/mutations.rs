//! Every shipped file, changed at every byte, is accepted or refused at a place, and never a panic.

use std::fs;

use botwatch_core::{
    diag::{Level, render_terminal},
    promql::ParseOptions,
    rules,
};

use super::*;
use crate::config;

/// Changes of one file in the short tier; the long one makes all. Big files are read in milliseconds each.
const WORK_MAX: usize = 3_000_000;

const REPLACEMENTS: [&[u8]; 5] = [b"", b"\0", b"{", b"'", b"\n"];

/// Calls with each change of a file: a byte deleted, or replaced by something that means much to YAML. `share` says
/// how much longer than reading a check takes.
fn each(path: &str, share: usize, mut check: impl FnMut(Vec<u8>) -> Vec<Diagnostic>) {
    let bytes = fs::read(repository().join(path)).unwrap();
    let all = std::env::var_os("BOTWATCH_LONG").is_some();
    let stride =
        if all { 1 } else { (bytes.len() * bytes.len() * REPLACEMENTS.len() * share / WORK_MAX).max(1) };
    let mut tried = 0;
    for at in 0..bytes.len() {
        for (i, with) in REPLACEMENTS.iter().enumerate() {
            // Each replacement takes its turn at other bytes.
            if (at + i) % stride != 0 {
                continue;
            }
            let mut changed = bytes[..at].to_vec();
            changed.extend_from_slice(with);
            changed.extend_from_slice(&bytes[at + 1..]);
            for d in check(changed) {
                let placed = d.place.as_ref().is_some_and(|(s, span)| span.end <= s.text.len());
                assert!(placed || d.level == Level::Warning, "{path}: byte {at}, {with:?}: {d:?}");
                render_terminal(&d, false);
            }
            tried += 1;
        }
    }
    assert!(tried > 50, "{path}: {tried}");
}

/// A text, or the problem that it is none.
fn source(name: &str, bytes: Vec<u8>) -> Result<Arc<SourceText>, Diagnostic> {
    config::load::source_of(name, bytes)
}

#[test]
fn rule_files() {
    for path in [
        "rules/trading-bot-alerts.yml",
        "rules/paper-trading-safety-alerts.yml",
        "rules/real-time-data-alerts.yml",
    ] {
        each(path, 1, |bytes| match source(path, bytes) {
            Ok(source) => rules::parse_file(&source, &ParseOptions::default()).1,
            Err(d) => vec![d],
        });
    }
}

#[test]
fn configurations() {
    let path = "examples/quickstart/botwatch.yml";
    each(path, 1, |bytes| match source(path, bytes) {
        Ok(source) => config::written(&[source], &none()).1,
        Err(d) => vec![d],
    });
}

#[test]
fn environments() {
    let path = ".env.alerting.example";
    each(path, 1, |bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let pairs = text.lines().filter_map(|l| l.strip_prefix('#').unwrap_or(l).split_once('='));
        config::written(&[], &Env::from_pairs(pairs)).1
    });
}

/// With all options built. There are no rule files at this place, so that only the text counts.
#[test]
fn options() {
    each("examples/quickstart/botwatch.yml", 4, |bytes| match source("/nowhere/botwatch.yml", bytes) {
        Ok(source) => configure(&[source], &none(), &Flags::default()).diagnostics,
        Err(d) => vec![d],
    });
    let empty = SourceText::new("/nowhere/botwatch.yml", "");
    each(".env.alerting.example", 4, |bytes| {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let pairs = text.lines().filter_map(|l| l.strip_prefix('#').unwrap_or(l).split_once('='));
        configure(std::slice::from_ref(&empty), &Env::from_pairs(pairs), &Flags::default()).diagnostics
    });
}
