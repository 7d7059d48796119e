//! The Express bot of `examples/`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::{Value, json};

use super::process::{Process, ask, not_compared};

/// The bot, running.
pub(super) struct Bot {
    process: Process,
    pub(super) address: SocketAddr,
}

impl Bot {
    /// On a free port; `None`, and says so, where there is no Node.
    pub(super) fn start() -> Option<Self> {
        if !installed() {
            not_compared("node is not installed");
            return None;
        }
        Some(Self::start_on(0))
    }

    /// On a port: where it was before.
    pub(super) fn start_on(port: u16) -> Self {
        let mut command = Command::new("node");
        command.arg(folder().join("src/main.js")).env("PORT", port.to_string()).env_remove("PAPER_TRADING");
        let mut process = Process::start("express-bot", &mut command);
        let address = process.line("its address", |line| {
            let said: Value = serde_json::from_str(line).ok()?;
            said["address"].as_str()?.strip_prefix("http://")?.parse().ok()
        });
        Self { process, address }
    }

    pub(super) fn metrics_url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    /// Turns a switch.
    pub(super) fn misbehave(&self, what: &str, on: bool) {
        let path = format!("/misbehave/{what}");
        let (status, answer) = ask(self.address, "POST", &path, &json!({"on": on}).to_string());
        assert_eq!(status, 200, "{answer}");
    }

    /// `kill -9`; its port stays free for a successor.
    pub(super) fn kill(mut self) -> u16 {
        self.process.kill();
        self.address.port()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/express-bot")
}

/// Whether there is a Node, and the bot's packages; those are fetched once.
fn installed() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let run = |name: &str, arguments: &[&str]| {
            let mut command = Command::new(name);
            let status = command.args(arguments).current_dir(folder()).stdout(Stdio::null()).status();
            status.is_ok_and(|s| s.success())
        };
        let has_packages = || folder().join("node_modules/express").is_dir();
        run("node", &["--version"]) && (has_packages() || run("npm", &["ci", "--silent"]))
    })
}
