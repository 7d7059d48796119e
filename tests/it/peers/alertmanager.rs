//! The same `alertmanager.yml` and the same alerts in Alertmanager and in botwatch: the same notifications, by receiver
//! and group key, in the same order, with the same alerts in them.

use std::{fs, path::Path, time::Duration};

use botwatch::runtime::Clock;
use botwatch_core::model::Duration as Span;
use serde_json::{Value, json};

use super::{
    alertmanager,
    notifications::{Told, told},
    peer,
    server::{Server, folder, free_port, until},
};
use crate::sinks::http::HttpSink;

const WITHIN: Duration = Duration::from_mins(1);
const WHAT: &str = "notifications of Alertmanager and botwatch";

/// Grouping with and without labels, a route that goes on, nested routes, matchers of each kind, inhibition.
const ROUTES: &str = "
route:
  receiver: rest
  group_by: [alertname]
  group_wait: 1s
  group_interval: 2s
  repeat_interval: 1h
  routes:
    - receiver: audit
      matchers: ['team=~\"a|b\"']
      group_by: ['...']
      continue: true
    - receiver: team-a
      matchers: ['team=\"a\"']
      group_by: [alertname, bot]
      routes:
        - receiver: pager
          matchers: ['severity=\"critical\"', 'quiet!=\"yes\"']
          group_by: [bot]
    - receiver: silent
      matchers: ['team!~\"a|b|\"']
inhibit_rules:
  - source_matchers: ['severity=\"critical\"']
    target_matchers: ['severity=\"warning\"']
    equal: [bot, signal]
receivers:
  - {name: rest, webhook_configs: [{url: 'HOOK/rest', send_resolved: true}]}
  - {name: audit, webhook_configs: [{url: 'HOOK/audit', send_resolved: true}]}
  - {name: team-a, webhook_configs: [{url: 'HOOK/a', send_resolved: true}]}
  - {name: pager, webhook_configs: [{url: 'HOOK/pager', send_resolved: false}]}
  - {name: silent}
";

struct Side {
    server: Server,
    hook: HttpSink,
}

impl Side {
    fn new(start: impl FnOnce(&Path) -> Server, folder: &Path, name: &str) -> Self {
        let hook = HttpSink::accepting();
        let file = folder.join(format!("{name}.yml"));
        fs::write(&file, ROUTES.replace("HOOK", hook.url("").trim_end_matches('/'))).expect("a file");
        Self { server: start(&file), hook }
    }
}

fn alert(labels: &Value, ends_at: Option<&str>) -> Value {
    let mut alert = json!({"labels": labels, "annotations": {"summary": "s"}});
    if let Some(at) = ends_at {
        alert["endsAt"] = at.into();
    }
    alert
}

/// Sends to both and waits until both have told the same and at least `count` notifications.
fn step(sides: &[Side; 2], what: &str, alerts: &[Value], count: usize) -> Told {
    for side in sides {
        let (status, body) =
            side.server.post("/api/v2/alerts", &Value::from(alerts.to_vec())).expect("an answer");
        assert_eq!(status, 200, "{what}: {body}");
    }
    until(what, WITHIN, || {
        let [ours, theirs] = [told(&sides[0].hook), told(&sides[1].hook)];
        let total = theirs.values().map(Vec::len).sum::<usize>();
        if total < count {
            return Err(format!("Alertmanager told {total} of {count}: {theirs:#?}"));
        }
        assert_eq!(total, count, "{what}: Alertmanager told more than the test knows: {theirs:#?}");
        if ours == theirs { Ok(ours) } else { Err(format!("botwatch: {ours:#?}\nAlertmanager: {theirs:#?}")) }
    })
}

/// A real Alertmanager.
pub(super) fn start(program: &Path, folder: &Path, file: &Path) -> Server {
    let port = free_port();
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.path={}", folder.join("alertmanager").display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--cluster.listen-address=".to_owned(),
    ];
    Server::start(program, &arguments, folder, port, "/-/ready")
}

#[test]
fn an_alertmanager_tells_the_same() {
    let program = peer!(WHAT, alertmanager(), "alertmanager");
    let folder = folder();
    let path = folder.path();
    let ours = |file: &Path| Server::botwatch(path, &[file], &[]);
    let theirs = |file: &Path| start(&program, path, file);
    let sides = [Side::new(ours, path, "botwatch"), Side::new(theirs, path, "alertmanager")];

    let disk = json!({"alertname": "Disk", "bot": "x"});
    let disk_y = json!({"alertname": "Disk", "bot": "y"});
    let slow = json!({"alertname": "Slow", "bot": "x", "team": "a", "severity": "warning", "signal": "api"});
    let dead = json!({"alertname": "Dead", "bot": "x", "team": "a", "severity": "critical", "signal": "api"});
    let hush = json!({"alertname": "Hush", "bot": "x", "team": "a", "severity": "critical", "quiet": "yes"});
    let other =
        json!({"alertname": "Slow", "bot": "x", "team": "b", "severity": "warning", "signal": "feed"});
    let nobody = json!({"alertname": "Slow", "bot": "x", "team": "c"});
    let now = |alerts: &[&Value]| alerts.iter().map(|a| alert(a, None)).collect::<Vec<_>>();
    let ended = |alerts: &[&Value]| {
        let at = (Clock::system().now() - Span::from_secs(1)).rfc3339();
        alerts.iter().map(|a| alert(a, Some(&at))).collect::<Vec<_>>()
    };

    // One group of two; the source of the inhibition before its target.
    let told = step(&sides, "first", &now(&[&disk, &disk_y, &dead]), 3);
    assert!(told.contains_key(&("rest".into(), "{}:{alertname=\"Disk\"}".into())), "{told:#?}");
    // `slow` is inhibited; `other` has another signal, and a route that goes on and meets no other is enough: the root
    // hears nothing; `nobody` is told to nobody.
    step(&sides, "second", &now(&[&slow, &hush, &other, &nobody]), 6);
    // One of a group ends.
    step(&sides, "one ends", &ended(&[&disk]), 7);
    // The source ends: its own resolve (`pager` wants none), then its target speaks to two receivers.
    step(&sides, "the source ends", &ended(&[&dead]), 10);
    // A group that grows again, and the rest.
    step(&sides, "one comes back", &now(&[&disk]), 11);
    step(&sides, "all end", &ended(&[&disk, &disk_y, &slow, &hush, &other, &nobody]), 17);
}
