mod access;
mod alerting;
mod collect;
mod environment;
mod files;
mod mutations;
mod notify;

use std::{path::PathBuf, sync::Arc};

use botwatch_core::{
    diag::{Diagnostic, SourceText, render_line},
    model::Labels,
};

use super::{Configuration, Flags, Loaded, configure, load};
use crate::config::Env;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(render_line).collect::<Vec<_>>().join("\n")
}

fn none() -> Env {
    Env::default()
}

/// A text under a name, without files and environment.
fn loaded(name: &str, text: &str) -> Loaded {
    configure(&[SourceText::new(name, text)], &none(), &Flags::default())
}

/// A file of botwatch's own that must be right.
fn own(text: &str) -> Configuration {
    let loaded = loaded("botwatch.yml", text);
    assert_eq!(lines(&loaded.diagnostics), "", "{text}");
    loaded.configuration.unwrap()
}

/// What an environment alone gives.
fn environment(pairs: &[(&str, &str)]) -> Configuration {
    let loaded = configure(&[], &Env::from_pairs(pairs.iter().copied()), &Flags::default());
    let said = lines(&loaded.diagnostics);
    loaded.configuration.unwrap_or_else(|| panic!("{said}"))
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}

const TEAM: &str =
    "route: {receiver: team}\nreceivers: [{name: team, webhook_configs: [{url: 'http://h/a'}]}]\n";

fn with_team(text: &str) -> String {
    format!("{TEAM}{text}")
}

fn arcs(texts: &[&str]) -> Vec<Arc<str>> {
    texts.iter().map(|t| Arc::from(*t)).collect()
}
