//! The notifier against real receivers on the loopback.

mod attempts;
mod slack;
mod webhook;

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration as StdDuration,
};

use botwatch::{
    dispatch::Courier as _,
    net::{HttpOptions, SecretSource},
    notify::{
        Course, Courses, Integration, Notifier, Options, Report, SlackAddress, SlackOptions, UrlSource,
        WebhookOptions,
    },
    runtime::{Clock, Ended, Tasks},
};
use botwatch_core::{
    alerting::{
        Delivery, DeliveryId, EpisodeId, IntegrationId, NotifiedAlert, Outcome, Send as Attempt, Seq,
    },
    model::{Alert, Duration, Labels, Timestamp},
    template::Templates,
};
use prometheus::Registry;
use tokio::sync::mpsc;

/// Longest wait for what must happen.
const SOON: StdDuration = StdDuration::from_secs(20);
/// The clock's time: it stands still unless a test moves it.
const NOW: Timestamp = Timestamp::from_secs(1_764_126_000);
const DEADLINE: Duration = Duration::from_secs(30);

/// A notifier with the integrations of a test.
struct Bench {
    notifier: Notifier,
    tasks: Tasks,
    ended: mpsc::Receiver<Ended>,
    clock: Clock,
    registry: Registry,
    reports: mpsc::Receiver<(DeliveryId, Outcome)>,
}

struct Reports(mpsc::Sender<(DeliveryId, Outcome)>);

impl Report for Reports {
    fn delivered(&self, id: DeliveryId, outcome: Outcome) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move { self.0.send((id, outcome)).await.expect("the test waits") })
    }
}

/// A course for alerts named `Priced`; a bug for those named `Bug`.
struct Prices;

impl Courses for Prices {
    fn course(&self, alert: &NotifiedAlert, _until: Timestamp, _back: Duration) -> Option<Course> {
        let name = alert.alert.labels.value("alertname");
        assert!(name != "Bug", "a bug in a course");
        let priced = || Course {
            points: Vec::new(),
            threshold: Some(90.0),
            comparison: ">",
            expr: "bot:memory".into(),
        };
        (name == "Priced").then(priced)
    }
}

impl Bench {
    fn new(integrations: Vec<Integration>) -> Self {
        let (tasks, ended) = Tasks::new();
        let clock = Clock::manual(NOW);
        let registry = Registry::new();
        let (sender, reports) = mpsc::channel(64);
        let notifier = Notifier::new(
            tasks.clone(),
            clock.clone(),
            options(integrations),
            Arc::new(Reports(sender)),
            Arc::new(Prices),
            &registry,
        );
        let notifier = notifier.expect("options that work");
        Self { notifier, tasks, ended, clock, registry, reports }
    }

    /// One attempt and its outcome.
    async fn attempt(&mut self, attempt: Attempt) -> Outcome {
        let id = attempt.delivery.id.clone();
        self.notifier.send(attempt);
        let (of, outcome) = self.report().await;
        assert_eq!(of, id);
        outcome
    }

    async fn report(&mut self) -> (DeliveryId, Outcome) {
        let report = tokio::time::timeout(SOON, self.reports.recv()).await;
        report.expect("a report in time").expect("a report")
    }
}

/// Integrations `0`, `1`, … of the receiver `team.a`.
fn options(integrations: Vec<Integration>) -> Options {
    let ids = integrations.into_iter().enumerate().map(|(n, i)| (integration_id(i.kind(), n), i));
    Options {
        integrations: ids.collect(),
        templates: Arc::new(Templates::builtin()),
        external_url: "http://bot.example:9095".into(),
    }
}

fn integration_id(kind: &str, number: usize) -> IntegrationId {
    IntegrationId { receiver: "team.a".into(), kind: kind.into(), key: number.to_string().into() }
}

fn webhook(url: &str) -> WebhookOptions {
    WebhookOptions {
        url: UrlSource(SecretSource::inline(url)),
        max_alerts: 0,
        botwatch_object: true,
        http: HttpOptions::default(),
    }
}

fn hook(url: &str) -> Integration {
    Integration::Webhook(Box::new(webhook(url)))
}

fn slack_options(address: SlackAddress) -> SlackOptions {
    let none: Arc<str> = "".into();
    SlackOptions {
        address,
        channel: "#alerts".into(),
        username: none.clone(),
        color: none.clone(),
        title: "MemoryHigh".into(),
        title_link: none.clone(),
        pretext: none.clone(),
        text: "91 % of memory".into(),
        message_text: none.clone(),
        fields: Vec::new(),
        short_fields: false,
        footer: none.clone(),
        fallback: "MemoryHigh: 91 %".into(),
        callback_id: none.clone(),
        icon_emoji: none.clone(),
        icon_url: none.clone(),
        image_url: none.clone(),
        thumb_url: none,
        link_names: false,
        mrkdwn_in: Vec::new(),
        actions: Vec::new(),
        update_message: false,
        http: HttpOptions::default(),
    }
}

fn alert(name: &str, severity: &str, ended: bool) -> NotifiedAlert {
    let labels = Labels::from_pairs([
        ("alertname", name),
        ("bot", "paper-1"),
        ("category", "performance_degradation"),
        ("severity", severity),
    ]);
    let starts_at = Timestamp::from_secs(1_764_125_000);
    NotifiedAlert {
        episode: EpisodeId { fingerprint: labels.fingerprint(), starts_at },
        alert: Alert {
            labels,
            annotations: Labels::from_pairs([
                ("summary", "memory > 90 % & rising"),
                ("runbook", "docs/memory"),
            ]),
            starts_at,
            ends_at: ended.then_some(Timestamp(1_764_125_930_250)),
            updated_at: starts_at,
            generator_url: "http://bot.example:9095/graph?g0.expr=up".into(),
            timeout: false,
        },
        value: Some("91.5".to_owned()),
        frozen_since: None,
    }
}

/// The first attempt for integration `number` of a kind.
fn attempt(kind: &str, number: usize, alerts: Vec<NotifiedAlert>) -> Attempt {
    let delivery = Delivery {
        id: DeliveryId("7-00f1e2d3c4b5a697".into()),
        integration: integration_id(kind, number),
        group_key: r#"{}/{severity="critical"}:{alertname="MemoryHigh"}"#.into(),
        group_labels: Labels::from_pairs([("alertname", "MemoryHigh")]),
        route_labels: Labels::from_pairs([("owner", "ops")]),
        reason: "first notification".into(),
        alerts,
        planned_at: NOW,
    };
    Attempt {
        after: Seq(1),
        delivery: Arc::new(delivery),
        attempt: 1,
        deadline: NOW + DEADLINE,
        receiver_data: BTreeMap::new(),
    }
}

fn memory_high() -> Vec<NotifiedAlert> {
    vec![alert("MemoryHigh", "critical", false)]
}

fn delivered() -> Outcome {
    Outcome::Delivered { receiver_data: BTreeMap::new() }
}

fn error_of(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Transient { error, .. } | Outcome::Permanent { error } => error,
        Outcome::Delivered { .. } => "",
    }
}

/// A place where a script waits until a test lets it go on.
fn gate() -> (Arc<Mutex<std::sync::mpsc::Receiver<()>>>, std::sync::mpsc::SyncSender<()>) {
    let (open, wait) = std::sync::mpsc::sync_channel(1);
    (Arc::new(Mutex::new(wait)), open)
}
