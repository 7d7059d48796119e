//! The real bot of `examples/express-bot`.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use super::{
    root,
    server::{ask, program},
};

/// Running; killed when dropped.
pub(super) struct ExpressBot {
    child: Child,
    /// Kept open: a program whose output nobody reads is told so.
    output: BufReader<ChildStdout>,
    pub(super) port: u16,
}

/// Node, if it and the bot's packages are there.
pub(super) fn node() -> Option<PathBuf> {
    let installed = root().join("examples/express-bot/node_modules/express").is_dir();
    program("NODE_BIN", &["node"]).filter(|_| installed)
}

impl ExpressBot {
    pub(super) fn start(node: &Path) -> Self {
        let mut child = Command::new(node)
            .arg("src/main.js")
            .current_dir(root().join("examples/express-bot"))
            .envs([("PORT", "0"), ("PAPER_TRADING", "true")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut bot = Self { child, output, port: 0 };
        let mut first = String::new();
        bot.output.read_line(&mut first).expect("a line");
        let told: Value = serde_json::from_str(&first).unwrap_or_else(|e| panic!("{e}: {first}"));
        let address = url::Url::parse(told["address"].as_str().unwrap_or_default()).expect("an address");
        bot.port = address.port().expect("a port");
        bot
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn get(&self, path: &str) -> String {
        let (status, body) = ask(self.port, "GET", path, "").expect("an answer");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// Turns a switch.
    pub(super) fn misbehave(&self, switch: &str, on: bool) {
        let answer = ask(self.port, "POST", &format!("/misbehave/{switch}"), &json!({"on": on}).to_string());
        let (status, body) = answer.expect("an answer");
        assert!((200..300).contains(&status), "{switch}: {status} {body}");
    }

    /// The process is gone.
    pub(super) fn crash(&mut self) {
        // An error: it ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for ExpressBot {
    fn drop(&mut self) {
        self.crash();
    }
}
