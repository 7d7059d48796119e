//! What only botwatch has: the bot, the storage, the listening address, and how rules are evaluated.

use std::sync::Arc;

use botwatch_core::{diag::Span, model::Duration, yaml::Reader};

use crate::config::value::{At, Bytes, Pairs, Url, choice, over_zero, place, section};

section! {
    /// The bot beside which this runs. Makes a scrape job named `bot` and watches its process.
    pub struct Bot("`bot`", "bot", check Bot::check) {
        /// The label `bot` of its samples.
        name: At<Arc<str>>,
        /// Where its metrics are.
        metrics_url: At<Url>,
        /// How often they are scraped.
        scrape_interval: At<Duration>,
        /// How long a scrape may take.
        scrape_timeout: At<Duration>,
        /// Further labels of its samples.
        labels: Pairs,
        /// How its process is found.
        process: Process,
    }
}

section! {
    /// How the bot's process is found: by exactly one key.
    pub struct Process("`process`", "bot.process", check Process::check) {
        /// By process id.
        pid: At<u64>,
        /// By a file that holds the process id.
        pid_file: At<Arc<str>>,
        /// By the name of its executable or script.
        name: At<Arc<str>>,
        /// By the TCP port that it listens on.
        port: At<u64>,
        /// By its cgroup, relative to the root of cgroup v2.
        cgroup: At<Arc<str>>,
    }
}

impl Bot {
    fn check(&self, reader: &mut Reader, _: Span) {
        over_zero(reader, "scrape_interval", &self.scrape_interval);
        over_zero(reader, "scrape_timeout", &self.scrape_timeout);
        if let Some(name) = self.name.as_ref().filter(|n| n.is_empty()) {
            reader.report(name.error("invalid-value", "the bot's name is empty").label("expected a name"));
        }
    }
}

/// Whether a process can have this id (Linux has 22 bits for it, others 31).
pub fn is_pid(number: u64) -> bool {
    (1..=i32::MAX.unsigned_abs().into()).contains(&number)
}

impl Process {
    fn check(&self, reader: &mut Reader, span: Span) {
        let ways = [
            ("pid", place(&self.pid)),
            ("pid_file", place(&self.pid_file)),
            ("name", place(&self.name)),
            ("port", place(&self.port)),
            ("cgroup", place(&self.cgroup)),
        ];
        let given: Vec<_> = ways.iter().filter_map(|(name, place)| place.map(|p| (*name, p))).collect();
        match given.as_slice() {
            [] if !self.given.is_empty() => {}
            [] => {
                let d = reader.error("missing-key", "`process` doesn't say how the process is found", span);
                reader.report(d.label("expected one of `pid`, `pid_file`, `name`, `port`, `cgroup`"));
            }
            [_] => {}
            [(first, _), (second, place), ..] => {
                let d = place.error("conflict", format!("`{first}` and `{second}` exclude each other"));
                reader.report(d.label("one way to find the process is enough"));
            }
        }
        if let Some(pid) = self.pid.as_ref().filter(|p| !is_pid(p.value)) {
            reader.report(pid.error("invalid-value", "not a process id").label("expected a number over 0"));
        }
        if let Some(port) = self.port.as_ref().filter(|p| p.value == 0 || p.value > 65535) {
            reader.report(
                port.error("invalid-value", "a port is a number from 1 to 65535").label("not a port"),
            );
        }
    }
}

section! {
    /// Where and how much is kept.
    pub struct Storage("`storage`", "storage") {
        /// The data directory.
        path: At<Arc<str>>,
        /// What samples, caches and queries may take together.
        memory_max: At<Bytes>,
    }
}

section! {
    /// What is served.
    pub struct Web("`web`", "web") {
        /// Where to listen, `host:port`.
        listen_address: At<Arc<str>>,
        /// The address under which people reach botwatch, for links in messages.
        external_url: At<Url>,
    }
}

choice! {
    /// When rules are evaluated.
    pub enum Evaluation {
        /// At the slots of their interval, as Prometheus does.
        Slots = "slots",
        /// When the last source that they depend on has been scraped, at the latest at the slot's end.
        OnData = "on_data",
    }
}

choice! {
    /// What becomes of an active alert when its source can't be seen (DESIGN §2.3).
    pub enum NoData {
        /// It stays as it is.
        Keep = "keep",
        /// It resolves, as in Prometheus.
        Resolve = "resolve",
        /// It stays, and what is blind is an alert at once.
        Alert = "alert",
    }
}

choice! {
    /// What becomes of the resolve of an alert that is inhibited when it ends (DESIGN §2.2).
    pub enum SuppressedResolves {
        /// Whoever was told that it fires is told that it ended.
        Send = "send",
        /// Dropped, as in Alertmanager.
        Drop = "drop",
    }
}
