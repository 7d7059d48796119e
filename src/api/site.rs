//! What handlers share.

use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc};

use axum::Router;
use botwatch_core::{
    access::{Limit, Limiter},
    alerting::{self, Effect, Episode, EpisodeId, Event, Machine, Outcome},
    model::{Alert, Timestamp},
};
use parking_lot::Mutex;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use tokio::sync::{Semaphore, oneshot};

use super::{Access, AccessInForce, Options, Reloader, Status, Targets, admission, failure::Failure};
use crate::{
    collect::push::{Push, PushError, Pushed, Pushes, ThresholdView},
    dispatch::{self, Gone, NotDurable},
    evaluate::{self, GroupView},
    notify::Notifier,
    runtime::{Clock, Tasks},
    samples::Store,
    store::{Accounts, Audit},
    telemetry::Metrics,
};

/// Episodes looked at in one go, so that the dispatcher is not held up.
const STEP: usize = 2000;
/// Connections that follow events.
const FOLLOWERS_MAX: usize = 32;
/// Bodies read at a time.
const BODIES_MAX: usize = 8;

/// What the server is given.
pub struct Parts {
    /// Samples.
    pub store: Store,
    /// The alerting machine's owner.
    pub dispatch: dispatch::Handle,
    /// The rules.
    pub rules: evaluate::Handle,
    /// What is scraped.
    pub targets: Arc<dyn Targets>,
    /// Reloads.
    pub reloader: Arc<dyn Reloader>,
    /// Who tells.
    pub notifier: Notifier,
    /// Pushed metrics and thresholds.
    pub pushes: Pushes,
    /// Who may ask.
    pub access: AccessInForce,
    /// Tokens.
    pub accounts: Arc<Accounts>,
    /// Who changed what.
    pub audit: Arc<Audit>,
    /// Botwatch's own metrics.
    pub metrics: Metrics,
    /// How botwatch itself stands.
    pub status: Arc<dyn Status>,
    /// Pages that know nothing of what runs: the documentation.
    pub pages: Router,
}

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
pub(super) type Look = Box<dyn FnOnce(&Machine) + Send>;
pub(super) type Change = Box<dyn FnOnce(&mut Machine, Timestamp, &mut Vec<Effect>) + Send>;

/// The dispatcher as handlers need it, so that tests can drive a machine without one.
pub(super) trait Machinery: Send + Sync + 'static {
    fn receive(&self, alerts: Vec<Alert>) -> Boxed<'_, Result<(), NotDurable>>;
    fn change(&self, change: Change) -> Boxed<'_, Result<(), NotDurable>>;
    fn look(&self, look: Look) -> Boxed<'_, Result<(), Gone>>;
    fn is_durable(&self) -> bool;
}

impl Machinery for dispatch::Handle {
    fn receive(&self, alerts: Vec<Alert>) -> Boxed<'_, Result<(), NotDurable>> {
        Box::pin(async move { self.submit(Event::Received(alerts)).await.map(|_| ()) })
    }

    fn change(&self, change: Change) -> Boxed<'_, Result<(), NotDurable>> {
        Box::pin(dispatch::Handle::change(self, change))
    }

    fn look(&self, look: Look) -> Boxed<'_, Result<(), Gone>> {
        Box::pin(self.read(look))
    }

    fn is_durable(&self) -> bool {
        dispatch::Handle::is_durable(self)
    }
}

/// The evaluator as handlers need it.
pub(super) trait Rules: Send + Sync + 'static {
    fn groups(&self) -> Vec<GroupView>;
}

impl Rules for evaluate::Handle {
    fn groups(&self) -> Vec<GroupView> {
        evaluate::Handle::groups(self)
    }
}

/// Who performs a test notification, as handlers need it.
pub(super) trait Tester: Send + Sync + 'static {
    fn test(&self, send: alerting::Send) -> Boxed<'_, Outcome>;
}

impl Tester for Notifier {
    fn test(&self, send: alerting::Send) -> Boxed<'_, Outcome> {
        Box::pin(Notifier::test(self, send))
    }
}

/// Pushed metrics and thresholds, as handlers need them.
pub(super) trait Signals: Send + Sync + 'static {
    fn push(&self, pusher: &str, pushes: &[Push]) -> Result<(), PushError>;
    fn pushed(&self) -> Vec<Pushed>;
    fn thresholds(&self) -> Boxed<'_, Result<Vec<ThresholdView>, Gone>>;
    fn refresh(&self) -> Boxed<'_, Result<(), Gone>>;
}

impl Signals for Pushes {
    fn push(&self, pusher: &str, pushes: &[Push]) -> Result<(), PushError> {
        Pushes::push(self, pusher, pushes)
    }

    fn pushed(&self) -> Vec<Pushed> {
        Pushes::pushed(self)
    }

    fn thresholds(&self) -> Boxed<'_, Result<Vec<ThresholdView>, Gone>> {
        Box::pin(Pushes::thresholds(self))
    }

    fn refresh(&self) -> Boxed<'_, Result<(), Gone>> {
        Box::pin(Pushes::refresh(self))
    }
}

/// What handlers share.
pub(super) struct Site {
    pub clock: Clock,
    /// When this process began to serve.
    pub started: Timestamp,
    pub tasks: Tasks,
    pub options: Options,
    pub store: Store,
    pub machine: Arc<dyn Machinery>,
    pub rules: Arc<dyn Rules>,
    pub targets: Arc<dyn Targets>,
    pub reloader: Arc<dyn Reloader>,
    pub status: Arc<dyn Status>,
    pub metrics: Metrics,
    pub pages: Router,
    pub counts: Counts,
    pub pushes: Arc<dyn Signals>,
    pub access: AccessInForce,
    /// Tokens; none in tests that need none.
    pub accounts: Option<Arc<Accounts>>,
    /// What happens.
    pub feed: dispatch::Feed,
    /// Places for who follows it.
    pub followers: Arc<Semaphore>,
    /// Who changed what; none in tests that need none.
    pub audit: Option<Arc<Audit>>,
    /// Failed log-ins by address.
    pub failures: Mutex<Limiter<IpAddr>>,
    /// How often each address asks; the second: webhooks.
    pub asked: [Mutex<Limiter<IpAddr>>; 2],
    pub tester: Arc<dyn Tester>,
    /// One test at a time.
    pub testing: Semaphore,
    /// Places for bodies being read.
    pub bodies: Semaphore,
    /// One reload at a time.
    pub reloading: Arc<Semaphore>,
}

impl Site {
    pub(super) fn new(
        tasks: Tasks,
        clock: Clock,
        options: Options,
        parts: Parts,
    ) -> Result<Self, prometheus::Error> {
        let Parts {
            store,
            dispatch,
            rules,
            targets,
            reloader,
            notifier,
            pushes,
            access,
            accounts,
            audit,
            metrics,
            status,
            pages,
        } = parts;
        Ok(Self {
            counts: Counts::register(metrics.registry())?,
            started: clock.now(),
            clock,
            tasks,
            options,
            store,
            feed: dispatch.feed().clone(),
            followers: Self::seats(),
            machine: Arc::new(dispatch),
            rules: Arc::new(rules),
            targets,
            reloader,
            status,
            metrics,
            pages,
            pushes: Arc::new(pushes),
            access,
            accounts: Some(accounts),
            audit: Some(audit),
            failures: Self::failures(),
            asked: Self::asked(),
            tester: Arc::new(notifier),
            testing: Semaphore::new(1),
            bodies: Self::places(),
            reloading: Arc::new(Semaphore::new(1)),
        })
    }

    /// Failed log-ins: some at once, then one every ten seconds.
    pub(super) fn failures() -> Mutex<Limiter<IpAddr>> {
        Mutex::new(Limiter::new(Limit { per_second: 0.1, burst: 10.0 }, 10_000))
    }

    /// Full buckets; how large they are is said at each request.
    pub(super) fn asked() -> [Mutex<Limiter<IpAddr>>; 2] {
        let limit = Limit { per_second: 1.0, burst: 1.0 };
        [(); 2].map(|()| Mutex::new(Limiter::new(limit, 10_000)))
    }

    /// Whether an address may ask once more.
    ///
    /// # Errors
    /// When to try again.
    pub(super) fn may_ask(&self, from: IpAddr, webhook: bool, access: &Access) -> Result<(), Failure> {
        let mut asked = self.asked[usize::from(webhook)].lock();
        asked.set_limit(if webhook { access.webhook_rate_limit } else { access.rate_limit });
        let from = admission::source(from).unwrap_or(from);
        asked.take(self.clock.now(), &from).map_err(|wait| {
            let seconds = wait.as_secs_f64().ceil().clamp(1.0, 3600.0) as u32;
            if webhook {
                return Failure::unavailable("more webhooks than `auth.webhooks.rate_limit` allows", seconds);
            }
            Failure::too_often(seconds)
        })
    }

    /// What to say to somebody whose credentials are wrong. Guessing is slowed down.
    pub(super) fn wrong_credentials(&self, now: Timestamp, from: IpAddr, why: &str) -> Failure {
        let from = admission::source(from).unwrap_or(from);
        if self.failures.lock().take(now, &from).is_err() {
            return Failure::too_often(1);
        }
        Failure::log_in(format!("the request brings {why}"))
    }

    /// Who follows keeps a connection: some must be left for others.
    pub(super) fn seats() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(FOLLOWERS_MAX))
    }

    pub(super) fn places() -> Semaphore {
        Semaphore::new(BODIES_MAX)
    }

    /// What a change of the machine answers, once it is on disk.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Machine, Timestamp, &mut Vec<Effect>) -> T + Send + 'static,
    ) -> Result<T, NotDurable> {
        let (sender, receiver) = oneshot::channel();
        let change = Box::new(move |machine: &mut Machine, now, effects: &mut Vec<Effect>| {
            // Nobody waits any more when the client has gone.
            let _ = sender.send(change(machine, now, effects));
        });
        self.machine.change(change).await?;
        receiver.await.map_err(|_| NotDurable::Gone)
    }

    /// What is made of each issue, collected in bounded steps so that the dispatcher is not held up; `past`: also of those
    /// that are over and remembered. One that becomes history between two steps may come twice.
    pub(super) async fn scan<T: Send + 'static>(
        &self,
        past: bool,
        of: impl Fn(&Machine, &Episode) -> Option<T> + Clone + Send + 'static,
    ) -> Result<Vec<T>, Gone> {
        let mut all: Vec<T> = Vec::new();
        let mut after: Option<EpisodeId> = None;
        loop {
            let (of, from) = (of.clone(), after);
            let look = move |machine: &Machine| {
                let mut last = None;
                let step = machine.alerts_after(from).take(STEP).inspect(|e| last = Some(e.id));
                let found: Vec<T> = step.filter_map(|e| of(machine, e)).collect();
                (found, last)
            };
            let (found, last) = self.read(look).await?;
            all.extend(found);
            match last {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        if !past {
            return Ok(all);
        }
        let mut skip = 0;
        loop {
            let of = of.clone();
            let look = move |machine: &Machine| {
                let mut seen = 0;
                let step = machine.past().skip(skip).take(STEP).inspect(|_| seen += 1);
                let found: Vec<T> = step.filter_map(|e| of(machine, e)).collect();
                (found, seen)
            };
            let (found, seen) = self.read(look).await?;
            all.extend(found);
            skip += seen;
            if seen < STEP {
                return Ok(all);
            }
        }
    }

    /// What a look at the machine gives.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        let (sender, receiver) = oneshot::channel();
        let look = Box::new(move |machine: &Machine| {
            // Nobody waits any more when the client has gone.
            let _ = sender.send(look(machine));
        });
        self.machine.look(look).await?;
        receiver.await.map_err(|_| Gone)
    }
}

/// What this module counts.
pub(super) struct Counts {
    pub requests: IntCounterVec,
    pub refused: IntCounterVec,
    pub connections: IntGauge,
    pub alerts_received: IntCounterVec,
    pub alerts_invalid: IntCounter,
    pub webhook_alerts: IntCounterVec,
    /// Alerts that were not taken though nothing is wrong with them.
    pub alerts_refused: IntCounterVec,
    pub turned_away: IntCounterVec,
}

impl Counts {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counts = Self {
            requests: IntCounterVec::new(
                Opts::new("prometheus_http_requests_total", "HTTP requests, by path and status."),
                &["handler", "code"],
            )?,
            refused: IntCounterVec::new(
                Opts::new(
                    "botwatch_api_refused_total",
                    "Requests refused, by what was wrong about the caller.",
                ),
                &["reason"],
            )?,
            connections: IntGauge::new("botwatch_api_connections", "Connections open.")?,
            alerts_received: IntCounterVec::new(
                Opts::new("alertmanager_alerts_received_total", "Alerts received from outside."),
                &["status", "version"],
            )?,
            alerts_invalid: IntCounter::with_opts(
                Opts::new("alertmanager_alerts_invalid_total", "Alerts from outside that were invalid.")
                    .const_label("version", "v2"),
            )?,
            webhook_alerts: IntCounterVec::new(
                Opts::new(
                    "botwatch_webhook_alerts_total",
                    "Alerts and reports taken from webhooks of others.",
                ),
                &["sender", "status"],
            )?,
            alerts_refused: IntCounterVec::new(
                Opts::new("botwatch_api_alerts_refused_total", "Valid alerts from outside not taken."),
                &["reason"],
            )?,
            turned_away: IntCounterVec::new(
                Opts::new("botwatch_api_connections_refused_total", "Connections closed for want of places."),
                &["reason"],
            )?,
        };
        for sender in ["alerts", "grafana", "prometheus"] {
            for status in ["firing", "resolved"] {
                counts.webhook_alerts.with_label_values(&[sender, status]);
            }
        }
        for reason in ["busy", "disk", "stopping"] {
            counts.alerts_refused.with_label_values(&[reason]);
        }
        for reason in ["address", "reserved"] {
            counts.turned_away.with_label_values(&[reason]);
        }
        for status in ["firing", "resolved"] {
            counts.alerts_received.with_label_values(&[status, "v2"]);
        }
        for reason in ["peer", "host", "origin", "credentials", "role", "network", "rate"] {
            counts.refused.with_label_values(&[reason]);
        }
        registry.register(Box::new(counts.requests.clone()))?;
        registry.register(Box::new(counts.refused.clone()))?;
        registry.register(Box::new(counts.connections.clone()))?;
        registry.register(Box::new(counts.alerts_received.clone()))?;
        registry.register(Box::new(counts.alerts_invalid.clone()))?;
        registry.register(Box::new(counts.webhook_alerts.clone()))?;
        registry.register(Box::new(counts.alerts_refused.clone()))?;
        registry.register(Box::new(counts.turned_away.clone()))?;
        Ok(counts)
    }
}
