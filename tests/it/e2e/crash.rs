//! `kill -9` while alerts come in: what was acknowledged is there afterwards.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    thread,
};

use serde_json::json;

use super::{
    process::{try_ask, until_true},
    world::World,
};
use crate::sinks::http::HttpSink;

const CLIENTS: usize = 4;

/// Posts alerts, one after the other, until nobody answers any more.
fn post(address: SocketAddr, client: usize, round: usize, taken: &Mutex<BTreeSet<String>>) {
    for number in 0.. {
        let name = format!("{round}-{client}-{number}");
        let labels = json!({"alertname": "Posted", "client": client.to_string(), "name": name});
        let body = json!([{"labels": labels, "endsAt": "2100-01-01T00:00:00Z"}]).to_string();
        match try_ask(address, "POST", "/api/v2/alerts", &body) {
            Some((200, _)) => taken.lock().unwrap_or_else(PoisonError::into_inner).insert(name),
            Some((503, _)) => continue,
            Some((status, answer)) => panic!("{status}: {answer}"),
            None => return,
        };
    }
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
    let taken = Mutex::new(BTreeSet::new());
    let count = || taken.lock().unwrap_or_else(PoisonError::into_inner).len();
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
    let taken = taken.into_inner().unwrap_or_else(PoisonError::into_inner);
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
