//! botwatch beside the programs whose work it does: a real Prometheus and a real Alertmanager, with the same files and
//! the same input. `PROMETHEUS_BIN`, `PROMTOOL_BIN`, `ALERTMANAGER_BIN` and `AMTOOL_BIN` name them, else they are found
//! on the path. `./tests/run` fetches Debian's. What has no peer says "not compared", and `./tests/run` counts it as
//! skipped.

mod alertmanager;
mod amtool;
mod bot;
mod express;
mod notifications;
mod prometheus;
pub(crate) mod server;
mod tools;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Says what is not compared: past the harness, which shows only what failing tests print.
pub(crate) fn not_compared(what: &str, missing: &str) {
    // Without a terminal or a file to say it to there is nobody to tell.
    let _ = writeln!(io::stderr(), "\nnot compared: {what}: there is no {missing}");
}

/// A peer, or the test is skipped.
macro_rules! peer {
    ($what:expr, $found:expr, $name:expr) => {
        match $found {
            Some(program) => program,
            None => return crate::peers::not_compared($what, $name),
        }
    };
}
pub(crate) use peer;

fn prometheus() -> Option<PathBuf> {
    server::program("PROMETHEUS_BIN", &["prometheus"])
}

pub(crate) fn promtool() -> Option<PathBuf> {
    server::program("PROMTOOL_BIN", &["promtool"])
}

fn alertmanager() -> Option<PathBuf> {
    server::program("ALERTMANAGER_BIN", &["alertmanager", "prometheus-alertmanager"])
}

fn amtool() -> Option<PathBuf> {
    server::program("AMTOOL_BIN", &["amtool"])
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The three rule files.
fn rule_files() -> Vec<PathBuf> {
    ["trading-bot-alerts", "paper-trading-safety-alerts", "real-time-data-alerts"]
        .map(|name| root().join(format!("rules/{name}.yml")))
        .to_vec()
}
