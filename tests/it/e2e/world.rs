//! botwatch as it is shipped, in a directory of its own.

use std::{
    ffi::OsString,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Process, ask, until};

/// Where people reach it, by its configuration.
pub(super) const EXTERNAL: &str = "http://watch.example:9095";

/// A directory for files and data, and the daemon that runs in it.
pub(super) struct World {
    pub(super) dir: TempDir,
    binary: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(String, String)>,
    user: Option<u32>,
    daemon: Option<Daemon>,
}

struct Daemon {
    process: Process,
    address: SocketAddr,
}

impl World {
    /// An empty directory; nothing runs.
    pub(super) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a directory"),
            binary: env!("CARGO_BIN_EXE_botwatch").into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            user: None,
            daemon: None,
        }
    }

    /// With `botwatch.yml`; what every test needs is added to it.
    pub(super) fn with(config: &str) -> Self {
        let mut world = Self::new();
        world.write("botwatch.yml", &format!("{config}\n{COMMON}"));
        let file = world.path("botwatch.yml").into_os_string();
        world.arguments = vec![file, "--storage.path".into(), world.path("data").into_os_string()];
        world.arguments.extend(["--web.external-url".into(), EXTERNAL.into()]);
        world
    }

    /// Without a file.
    pub(super) fn from_environment(environment: Vec<(String, String)>) -> Self {
        Self { environment, arguments: vec!["--web.listen-address=127.0.0.1:0".into()], ..Self::new() }
    }

    /// As another user, to whom its directory is given.
    pub(super) fn run_as(mut self, user: u32) -> Self {
        // The build's directory may be closed to others.
        let binary = self.path("botwatch");
        fs::copy(&self.binary, &binary).expect("copied");
        for path in [self.dir.path(), &binary, &self.path("botwatch.yml")] {
            std::os::unix::fs::chown(path, Some(user), None).expect("given away");
        }
        (self.binary, self.user) = (binary, Some(user));
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
    }

    /// Starts it and waits until it serves.
    pub(super) fn start(&mut self) {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(&self.binary);
        command.arg("run").args(&self.arguments).current_dir(self.dir.path()).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(user) = self.user {
            command.uid(user);
        }
        let mut process = Process::start("botwatch", &mut command);
        let address = process.line("is up", |line| {
            let (_, rest) = line.contains(" is up ").then(|| line.split_once("address="))??;
            rest.split(' ').next()?.parse().ok()
        });
        self.daemon = Some(Daemon { process, address });
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        self.daemon.take().expect("it runs").process.kill();
    }

    /// `kill -9`, and starts it again.
    pub(super) fn kill_and_restart(&mut self) {
        self.kill();
        self.start();
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it runs")
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.daemon().address
    }

    pub(super) fn signal(&self, name: &str) {
        self.daemon().process.signal(name);
    }

    /// Its log since the last start.
    pub(super) fn log(&self) -> Vec<String> {
        self.daemon().process.lines()
    }

    /// JSON of a path.
    pub(super) fn json(&self, path: &str) -> Value {
        let (status, body) = ask(self.address(), "GET", path, "");
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Its own alerts by name, with their states.
    pub(super) fn alerts(&self) -> Vec<(String, String)> {
        let answer = self.json("/api/v1/alerts");
        let alerts = answer["data"]["alerts"].as_array().expect("a list");
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        alerts.iter().map(|a| (text(&a["labels"]["alertname"]), text(&a["state"]))).collect()
    }

    pub(super) fn until_firing(&self, name: &str) {
        until(&format!("{name} fires"), || {
            self.alerts().iter().any(|(n, state)| n == name && state == "firing").then_some(())
        });
    }

    /// Deliveries of a status.
    pub(super) fn notifications(&self, status: &str) -> Vec<Value> {
        let list = self.json(&format!("/api/alerting/notifications?limit=1000&status={status}"));
        list["notifications"].as_array().expect("a list").clone()
    }

    /// Waits until so many deliveries have a status.
    pub(super) fn until_notified(&self, status: &str, count: usize) {
        until(&format!("{count} deliveries are {status}"), || {
            (self.notifications(status).len() >= count).then_some(())
        });
    }

    /// Waits until everything decided so far is on disk: a kill before that loses answers, and they come again.
    pub(super) fn until_on_disk(&self) {
        until("everything is on disk", || {
            let (_, metrics) = ask(self.address(), "GET", "/metrics", "");
            metrics.lines().any(|line| line == "botwatch_journal_waiting_records 0").then_some(())
        });
    }
}

const COMMON: &str = "
web: {listen_address: 127.0.0.1:0}
";

/// The three rule files that are shipped.
pub(super) fn shipped_rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/*.yml")
}
