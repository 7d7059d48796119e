//! The demo's directory: a configuration as anybody would write it, the shipped rules, data, inbox.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::config::shipped;

/// Where botwatch listens unless told otherwise.
const LISTEN: &str = "127.0.0.1:9095";
/// Where it listens when that is taken.
const FREE: &str = "127.0.0.1:0";

/// Why there is no directory.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It has something in it.
    #[error(
        "`{0}` is not empty: name a new or empty directory (the clock of an earlier demo ran ahead, so its data can't be taken up)"
    )]
    NotEmpty(PathBuf),
    /// It can't be made, or written in.
    #[error("can't use the directory `{path}`")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// An empty directory, from the root: the named one, else a fresh temporary one that only this user may enter.
pub(super) fn directory(named: Option<&Path>) -> Result<PathBuf, Error> {
    let path = match named {
        Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        None => {
            let mut random = [0; 8];
            // A name that is taken is refused below.
            let _ = SystemRandom::new().fill(&mut random);
            std::env::temp_dir().join(format!("botwatch-demo-{:016x}", u64::from_le_bytes(random)))
        }
    };
    let failed = |cause| Error::File { path: path.clone(), cause };
    if named.is_some() && path.is_dir() {
        if fs::read_dir(&path).map_err(failed)?.next().is_some() {
            return Err(Error::NotEmpty(path));
        }
    } else {
        fs::DirBuilder::new().recursive(named.is_some()).mode(0o700).create(&path).map_err(failed)?;
    }
    Ok(path)
}

/// Where to listen: as asked for, else at the usual address, else at any free port.
pub(super) fn listen(asked: Option<String>) -> String {
    let free =
        |address: &str| Some(std::net::TcpListener::bind(address).ok()?.local_addr().ok()?.to_string());
    // Port 0 would leave messages without an address: a free port is found first.
    asked
        .map(|asked| if asked.ends_with(":0") { free(&asked).unwrap_or(asked) } else { asked })
        .or_else(|| free(LISTEN))
        .or_else(|| free(FREE))
        .unwrap_or_else(|| LISTEN.to_owned())
}

/// Writes configuration and rules; the configuration's path.
pub(super) fn write(
    dir: &Path,
    bot: SocketAddr,
    mail: SocketAddr,
    sink: SocketAddr,
) -> Result<PathBuf, Error> {
    let rules = dir.join("rules");
    let put = |path: PathBuf, text: &str| {
        fs::write(&path, text).map_err(|cause| Error::File { path: path.clone(), cause })
    };
    fs::create_dir(&rules).map_err(|cause| Error::File { path: rules.clone(), cause })?;
    for source in shipped::rule_files() {
        let name = Path::new(&*source.name).file_name().unwrap_or_default();
        put(rules.join(name), &source.text)?;
    }
    let path = dir.join("botwatch.yml");
    put(path.clone(), &configuration(bot, mail, sink))?;
    Ok(path)
}

fn configuration(bot: SocketAddr, mail: SocketAddr, sink: SocketAddr) -> String {
    format!(
        r#"# What `botwatch demo` runs with: the timings, rules and inhibitions that botwatch ships.

global:
  scrape_interval: 5s
  scrape_timeout: 5s
  evaluation_interval: 5s
  # The demo's own mail server, which keeps everything in inbox/.
  smtp_smarthost: {mail}
  smtp_from: botwatch@example.org
  smtp_require_tls: false

evaluation: on_data
no_data: keep
rule_files:
  - rules/*.yml

# The simulated bot. It has no process of its own to watch; for a real one, a section `bot:` does all of this.
scrape_configs:
  - job_name: bot
    static_configs:
      - targets: ["{bot}"]
        labels: {{bot: paper-bot}}

route:
  receiver: team
  group_by: [bot, alertname]
  group_wait: 30s
  group_interval: 1m
  repeat_interval: 4h
  routes:
    - matchers: [severity="emergency"]
      receiver: team
      group_wait: 0s
      repeat_interval: 30m
    - matchers: [severity="critical"]
      receiver: team
      group_wait: 5s

receivers:
  - name: team
    email_configs:
      - to: team@example.org
        send_resolved: true
    slack_configs:
      - api_url: http://{sink}/slack/demo
        send_resolved: true
        title: '{{{{ template "email.default.subject" . }}}}'
        text: '{{{{ range .Alerts }}}}{{{{ .Annotations.description }}}}{{{{ "\n" }}}}{{{{ end }}}}'
    webhook_configs:
      - url: http://{sink}/webhook

inhibit_rules:
  - name: emergency over the rest of its signal
    source_matchers: [severity="emergency", signal!=""]
    target_matchers: [severity=~"critical|warning", signal!=""]
    equal: [bot, signal]
  - name: critical over the warning of its signal
    source_matchers: [severity="critical", signal!=""]
    target_matchers: [severity="warning", signal!=""]
    equal: [bot, signal]
  - name: a bot that is down explains its other alerts
    source_matchers: [alertname=~"BotDown|BotSilent"]
    target_matchers: [alertname!~"BotDown|BotSilent", category!="paper_trading_violation", botwatch_safety!="true"]
    equal: [bot]
  - name: what can't be seen explains what depends on it
    source_matchers: [alertname="SourceBlind"]
    target_matchers: [alertname!~"SourceBlind|BotDown|BotSilent", category!="paper_trading_violation", botwatch_safety!="true"]
    equal: [bot, job, instance]

storage:
  path: ./data
"#
    )
}
