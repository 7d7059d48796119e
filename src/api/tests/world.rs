//! A server on a free port, with a real machine and store behind it, and ports that say what a test wants.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use botwatch_core::{
    alerting::{
        self, Checkpoint, Effect, Event, GroupBy, IntegrationId, IntegrationOptions, Machine, Outcome, Route,
    },
    model::{Alert, Duration, Labels, Threshold, Timestamp},
    signals::in_force,
    tsdb,
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
};

use crate::{
    api::{
        AccessInForce, Options, Reloader, Server, Status, StatusView, TargetView, Targets,
        site::{Boxed, Change, Counts, Look, Machinery, Rules, Signals, Site, Tester},
    },
    collect::push::{Push, PushError, Pushed, ThresholdView},
    dispatch::{Feed, Gone, NotDurable},
    evaluate::GroupView,
    runtime::{Clock, Tasks},
    samples::Store,
    store::{Accounts, Audit},
    telemetry::{Build, Metrics},
};

pub(super) const NOW: Timestamp = Timestamp(1_763_942_400_000);

/// A machine that is driven by hand.
pub(super) struct FakeMachine {
    machine: Mutex<Machine>,
    pub refuses: Mutex<Option<NotDurable>>,
}

impl FakeMachine {
    fn new() -> Self {
        let id = IntegrationId { receiver: "ops".into(), kind: "webhook".into(), key: "main".into() };
        let route = Route {
            receiver: Some("ops".into()),
            group_by: Some(GroupBy::from_names(&["alertname"]).expect("fixed")),
            group_wait: Some(Duration::ZERO),
            ..Route::default()
        };
        let receivers = [("ops".into(), vec![IntegrationOptions::new(id, true)])].into();
        let options = alerting::Options { route, receivers, ..alerting::Options::default() };
        let machine = Machine::restore(Arc::new(options), Checkpoint::default());
        Self { machine: Mutex::new(machine), refuses: Mutex::new(None) }
    }

    /// Takes an event in and decides what is due.
    pub(super) fn event(&self, now: Timestamp, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut machine = self.machine.lock();
        machine.handle(now, event, &mut effects);
        machine.advance(now, &mut effects);
        effects
    }

    /// Ends all attempts that these effects begin.
    pub(super) fn answer(&self, now: Timestamp, effects: &[Effect], outcome: &Outcome) {
        for effect in effects {
            if let Effect::Send(send) = effect {
                let id = send.delivery.id.clone();
                self.event(now, Event::Delivered { id, outcome: outcome.clone() });
            }
        }
    }

    pub(super) fn alerts(&self) -> Vec<Alert> {
        self.machine.lock().alerts().map(|e| e.alert.clone()).collect()
    }
}

impl Machinery for FakeMachine {
    fn receive(&self, alerts: Vec<Alert>) -> Boxed<'_, Result<(), NotDurable>> {
        let refused = self.refuses.lock().clone();
        if refused.is_none() {
            self.event(NOW, Event::Received(alerts));
        }
        Box::pin(async move { refused.map_or(Ok(()), Err) })
    }

    fn change(&self, change: Change) -> Boxed<'_, Result<(), NotDurable>> {
        let refused = self.refuses.lock().clone();
        if refused.is_none() {
            let mut effects = Vec::new();
            change(&mut self.machine.lock(), NOW, &mut effects);
        }
        Box::pin(async move { refused.map_or(Ok(()), Err) })
    }

    fn look(&self, look: Look) -> Boxed<'_, Result<(), Gone>> {
        let gone = *self.refuses.lock() == Some(NotDurable::Gone);
        if !gone {
            look(&self.machine.lock());
        }
        Box::pin(async move { if gone { Err(Gone) } else { Ok(()) } })
    }

    fn is_durable(&self) -> bool {
        self.refuses.lock().is_none()
    }
}

/// Everything else that a server asks.
#[derive(Default)]
pub(super) struct Ports {
    pub groups: Mutex<Vec<GroupView>>,
    pub targets: Mutex<Vec<TargetView>>,
    pub status: Mutex<StatusView>,
    pub broken: Mutex<Option<String>>,
    pub reloads: AtomicUsize,
    /// What tests were sent, and how they end.
    pub tests: Mutex<Vec<alerting::Send>>,
    pub test_fails: Mutex<Option<String>>,
}

impl Tester for Ports {
    fn test(&self, send: alerting::Send) -> Boxed<'_, Outcome> {
        self.tests.lock().push(send);
        let error = self.test_fails.lock().clone();
        let outcome = match error {
            Some(error) => Outcome::Permanent { error },
            None => Outcome::Delivered { receiver_data: std::collections::BTreeMap::new() },
        };
        Box::pin(async move { outcome })
    }
}

/// Thresholds as the machine and nothing else has them, and pushes that are only remembered.
pub(super) struct FakeSignals {
    machine: Arc<FakeMachine>,
    pub pushed: Mutex<Vec<Pushed>>,
    pub refreshed: AtomicUsize,
}

impl Signals for FakeSignals {
    fn push(&self, pusher: &str, pushes: &[Push]) -> Result<(), PushError> {
        let all = pushes.iter().map(|p| Pushed {
            metric: Arc::clone(&p.metric),
            value: p.value,
            at: p.at.unwrap_or(NOW),
            pusher: pusher.into(),
        });
        self.pushed.lock().extend(all);
        Ok(())
    }

    fn pushed(&self) -> Vec<Pushed> {
        self.pushed.lock().clone()
    }

    fn thresholds(&self) -> Boxed<'_, Result<Vec<ThresholdView>, Gone>> {
        let set: Vec<_> = self.machine.machine.lock().thresholds().cloned().collect();
        let without = in_force(&[], &[], &[]);
        let all =
            in_force(set.iter().map(|s| &s.threshold), &[], &[]).into_iter().map(|(threshold, origin)| {
                let same = |t: &Threshold| t.metric == threshold.metric && t.severity == threshold.severity;
                let by = set.iter().find(|s| same(&s.threshold)).map(|s| (Arc::clone(&s.by), s.at));
                let otherwise = without.iter().find(|(t, _)| same(t)).map(|(t, o)| (t.value, *o));
                ThresholdView { otherwise: otherwise.filter(|_| by.is_some()), set: by, threshold, origin }
            });
        let all = all.collect();
        Box::pin(async move { Ok(all) })
    }

    fn refresh(&self) -> Boxed<'_, Result<(), Gone>> {
        self.refreshed.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(()) })
    }
}

impl Rules for Ports {
    fn groups(&self) -> Vec<GroupView> {
        self.groups.lock().clone()
    }
}

impl Targets for Ports {
    fn targets(&self) -> Vec<TargetView> {
        self.targets.lock().clone()
    }
}

impl Status for Ports {
    fn view(&self) -> StatusView {
        self.status.lock().clone()
    }

    fn bot(&self) -> Arc<str> {
        "paper-1".into()
    }

    fn config(&self) -> Arc<str> {
        "slack_api_url: <secret>\n".into()
    }

    fn alertmanager_config(&self) -> Arc<str> {
        "route: {receiver: ops}\n".into()
    }
}

impl Reloader for Ports {
    fn reload(&self) -> Boxed<'_, Result<(), String>> {
        self.reloads.fetch_add(1, Ordering::SeqCst);
        let broken = self.broken.lock().clone();
        Box::pin(async move { broken.map_or(Ok(()), Err) })
    }
}

/// A running server.
pub(super) struct World {
    pub address: SocketAddr,
    pub tasks: Tasks,
    pub store: Store,
    pub machine: Arc<FakeMachine>,
    pub ports: Arc<Ports>,
    pub signals: Arc<FakeSignals>,
    pub feed: Feed,
    pub access: AccessInForce,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    /// A header's value; empty when it is missing.
    pub(super) fn header(&self, name: &str) -> &str {
        let of = |line: &'_ str| line.split_once(": ").is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
        self.head.lines().find(|l| of(l)).and_then(|l| Some(l.split_once(": ")?.1)).unwrap_or_default()
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Options::new("127.0.0.1:0", None)).await
    }

    pub(super) async fn with(options: Options) -> Self {
        Self::guarded(options, None, None).await
    }

    pub(super) async fn guarded(
        options: Options,
        accounts: Option<Arc<Accounts>>,
        audit: Option<Arc<Audit>>,
    ) -> Self {
        let (tasks, _) = Tasks::new();
        let clock = Clock::manual(NOW);
        let metrics = Metrics::new(&clock, Build { version: "1.2.3", revision: "abc" });
        let store = Store::new(tsdb::Options::default());
        let (machine, ports) = (Arc::new(FakeMachine::new()), Arc::new(Ports::default()));
        let signals = Arc::new(FakeSignals {
            machine: Arc::clone(&machine),
            pushed: Mutex::default(),
            refreshed: AtomicUsize::new(0),
        });
        let (feed, access) = (Feed::default(), AccessInForce::default());
        let site = Site {
            access: access.clone(),
            started: NOW,
            counts: Counts::register(metrics.registry()).expect("a fresh registry"),
            clock,
            tasks: tasks.clone(),
            options,
            store: store.clone(),
            machine: Arc::clone(&machine) as Arc<dyn Machinery>,
            rules: Arc::clone(&ports) as Arc<dyn Rules>,
            targets: Arc::clone(&ports) as Arc<dyn Targets>,
            reloader: Arc::clone(&ports) as Arc<dyn Reloader>,
            status: Arc::clone(&ports) as Arc<dyn Status>,
            metrics,
            pages: axum::Router::new().route("/docs", axum::routing::get(|| async { "pages" })),
            pushes: Arc::clone(&signals) as Arc<dyn Signals>,
            feed: feed.clone(),
            followers: Site::seats(),
            accounts,
            audit,
            failures: Site::failures(),
            asked: Site::asked(),
            tester: Arc::clone(&ports) as Arc<dyn Tester>,
            testing: Semaphore::new(1),
            bodies: Site::places(),
            reloading: Arc::new(Semaphore::new(1)),
        };
        let listening = Server::bind(&site.options).await.expect("a free port");
        let address = Server::serve(listening, Arc::new(site)).address;
        Self { address, tasks, store, machine, ports, signals, feed, access }
    }

    /// Sends bytes as they are, and reads until the server closes.
    pub(super) async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        // A server that has seen enough closes before all is sent.
        let _ = stream.write_all(request).await;
        let mut answer = Vec::new();
        // A reset after the answer is what an unread body leads to.
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }

    /// A request with more header lines (each ends with CRLF).
    pub(super) async fn ask(&self, method: &str, target: &str, headers: &str, body: &str) -> Answer {
        let host = if headers.to_ascii_lowercase().contains("host:") { "" } else { "Host: localhost\r\n" };
        let length = if body.is_empty() && method == "GET" {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        let request =
            format!("{method} {target} HTTP/1.1\r\n{host}Connection: close\r\n{length}{headers}\r\n{body}");
        parse(&self.raw(request.as_bytes()).await)
    }

    pub(super) async fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, "", "").await
    }

    /// Posts alerts.
    pub(super) async fn post(&self, body: &str) -> Answer {
        self.ask("POST", "/api/v2/alerts", "Content-Type: application/json\r\n", body).await
    }
}

pub(super) fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("text");
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status");
    Answer { status, head, body: answer[end + 4..].to_vec() }
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied())
}
