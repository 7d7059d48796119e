//! `kill -9` while alerts and silences come in: what was acknowledged is there afterwards.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    thread,
};

use serde_json::{Value, json};

use super::{
    process::{try_ask, until_true},
    world::World,
};
use crate::sinks::http::HttpSink;

const CLIENTS: usize = 4;

/// What was acknowledged.
#[derive(Default)]
struct Taken {
    /// Names of alerts.
    alerts: Mutex<BTreeSet<String>>,
    /// Ids of silences.
    silences: Mutex<BTreeSet<String>>,
    /// Ids of issues that were reported.
    issues: Mutex<BTreeSet<String>>,
    /// Those of them that were resolved, and those that were acknowledged.
    resolved: Mutex<BTreeSet<String>>,
    looked_after: Mutex<BTreeSet<String>>,
    /// Metrics whose threshold was set.
    thresholds: Mutex<BTreeSet<String>>,
}

fn add(to: &Mutex<BTreeSet<String>>, one: String) {
    to.lock().unwrap_or_else(PoisonError::into_inner).insert(one);
}

/// Sets a silence that concerns nobody; false when nobody answers any more.
fn silence(address: SocketAddr, name: &str, taken: &Taken) -> bool {
    let matchers = json!([{"name": "name", "value": format!("not-{name}"), "isRegex": false}]);
    let body = json!({
        "matchers": matchers, "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2100-01-01T00:00:00Z",
        "createdBy": "test", "comment": name,
    });
    match try_ask(address, "POST", "/api/v2/silences", &body.to_string()) {
        Some((200, answer)) => {
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            add(&taken.silences, answer["silenceID"].as_str().expect("an id").to_owned());
        }
        Some((503, _)) => {}
        Some((status, answer)) => panic!("{status}: {answer}"),
        None => return false,
    }
    true
}

/// Reports an issue, then resolves it, acknowledges it, or leaves it; sets a threshold. False when nobody answers any more.
fn issue(address: SocketAddr, name: &str, number: usize, taken: &Taken) -> bool {
    let ask = |method: &str, path: &str, body: Value| match try_ask(address, method, path, &body.to_string())
    {
        Some((200..=299, answer)) => Some(Some(serde_json::from_str::<Value>(&answer).expect("JSON"))),
        Some((503, _)) => Some(None),
        Some((status, answer)) => panic!("{method} {path}: {status}: {answer}"),
        None => None,
    };
    let report = json!({"type": "system_failure", "title": name, "severity": "warning", "labels": {"client": "issues"}});
    let Some(reported) = ask("POST", "/api/alerting/issues", report) else { return false };
    let Some(issue) = reported else { return true };
    let id = issue["id"].as_str().expect("an id").to_owned();
    add(&taken.issues, id.clone());
    let (action, list) = match number % 3 {
        0 => ("resolve", &taken.resolved),
        1 => ("acknowledge", &taken.looked_after),
        _ => {
            let path = format!("/api/alerting/thresholds/kill-{name}");
            return match ask("PATCH", &path, json!({"critical": 5})) {
                Some(Some(_)) => {
                    add(&taken.thresholds, format!("kill-{name}"));
                    true
                }
                Some(None) => true,
                None => false,
            };
        }
    };
    match ask("POST", &format!("/api/alerting/issues/{id}/{action}"), json!({"by": "test"})) {
        Some(Some(_)) => {
            add(list, id);
            true
        }
        Some(None) => true,
        None => false,
    }
}

/// Posts alerts, one after the other, now and then a silence and an issue, until nobody answers any more.
fn post(address: SocketAddr, client: usize, round: usize, taken: &Taken) {
    for number in 0.. {
        let name = format!("{round}-{client}-{number}");
        if number % 4 == client && !silence(address, &name, taken) {
            return;
        }
        if number % 2 == client % 2 && !issue(address, &name, number / 2, taken) {
            return;
        }
        let labels = json!({"alertname": "Posted", "client": client.to_string(), "name": name});
        let body = json!([{"labels": labels, "endsAt": "2100-01-01T00:00:00Z"}]).to_string();
        match try_ask(address, "POST", "/api/v2/alerts", &body) {
            Some((200, _)) => add(&taken.alerts, name),
            Some((503, _)) => {}
            Some((status, answer)) => panic!("{status}: {answer}"),
            None => return,
        }
    }
}

/// What was acknowledged of issues and thresholds is so.
fn check_issues(address: SocketAddr, taken: &Taken) {
    let all = |list: &Mutex<BTreeSet<String>>| list.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let mut status = std::collections::BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/alerting/issues?limit=1000&type=system_failure{cursor}");
        let (_, page) = try_ask(address, "GET", &path, "").expect("an answer");
        let page: Value = serde_json::from_str(&page).expect("JSON");
        for issue in page["issues"].as_array().into_iter().flatten() {
            let text = |name: &str| issue[name].as_str().expect("text").to_owned();
            status.insert(text("id"), text("status"));
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let (issues, resolved, looked_after) =
        (all(&taken.issues), all(&taken.resolved), all(&taken.looked_after));
    assert!(!issues.is_empty() && !resolved.is_empty() && !looked_after.is_empty());
    for id in &issues {
        let is = status.get(id).map(String::as_str);
        let fine = match is {
            // Only so many resolved ones are remembered.
            None => resolved.contains(id),
            Some("resolved") => !looked_after.contains(id),
            Some("acknowledged") => !resolved.contains(id),
            Some(_) => !resolved.contains(id) && !looked_after.contains(id),
        };
        assert!(
            fine,
            "issue {id} is {is:?}; resolved: {}, acknowledged: {}",
            resolved.contains(id),
            looked_after.contains(id)
        );
    }
    let (_, shown) = try_ask(address, "GET", "/api/alerting/thresholds", "").expect("an answer");
    let lost: Vec<String> =
        all(&taken.thresholds).into_iter().filter(|m| !shown.contains(&format!("\"{m}\""))).collect();
    assert!(lost.is_empty(), "thresholds are lost: {lost:?}");
}

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let rounds = if std::env::var_os("BOTWATCH_LONG").is_some() { 200 } else { 25 };
    let hook = HttpSink::accepting();
    let mut world = World::with(&format!(
        r#"
route: {{receiver: team, group_by: [client], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}}
receivers: [{{name: team, webhook_configs: [{{url: "{}"}}]}}]
"#,
        hook.url("/alerts"),
    ));
    let taken = Taken::default();
    let count = || taken.alerts.lock().unwrap_or_else(PoisonError::into_inner).len();
    world.start();
    for round in 0..rounds {
        let (before, address) = (count(), world.address());
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let taken = &taken;
                let work = move || post(address, client, round, taken);
                thread::Builder::new().spawn_scoped(scope, work).expect("a thread");
            }
            // At another point of the work each time.
            let enough = 1 + round % 13;
            until_true("alerts are taken", || count() - before >= enough);
            world.kill();
        });
        world.start();
    }
    check_issues(world.address(), &taken);
    let silences = taken.silences.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (_, kept) = try_ask(world.address(), "GET", "/api/v2/silences", "").expect("an answer");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    let kept: BTreeSet<&str> =
        kept.as_array().into_iter().flatten().filter_map(|s| s["id"].as_str()).collect();
    let lost: Vec<&String> = silences.iter().filter(|id| !kept.contains(id.as_str())).collect();
    assert!(
        lost.is_empty() && !silences.is_empty(),
        "of {} silences these are lost: {lost:?}",
        silences.len()
    );
    let taken = taken.alerts.into_inner().unwrap_or_else(PoisonError::into_inner);
    until_true("every acknowledged alert is told", || {
        let mut told = BTreeSet::new();
        for request in hook.requests() {
            let payload = request.json();
            let names = payload["alerts"].as_array().into_iter().flatten();
            told.extend(names.filter_map(|a| Some(a["labels"]["name"].as_str()?.to_owned())));
        }
        taken.is_subset(&told)
    });
}
